//! `actionfinder completions`

use clap::Command;
use clap_complete::Shell;

use super::failure::{Failure, Finished};
use crate::console::print;

/// Print what a shell needs to complete commands and options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "bash: actionfinder completions bash > ~/.local/share/bash-completion/completions/actionfinder\n\
                        zsh: actionfinder completions zsh > ~/.zfunc/_actionfinder\n\
                        fish: actionfinder completions fish > ~/.config/fish/completions/actionfinder.fish"
)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script of a shell for the whole command line.
pub fn run(args: Args, mut commands: Command) -> Result<Finished, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut commands, "actionfinder", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(Finished::Well)
}
