//! The command line: one file per command.

mod actions;
pub mod answers;
mod cache;
mod cancel;
mod common;
mod compare;
mod completions;
mod condition;
mod doctor;
mod explain;
mod export;
mod failure;
mod fmt;
mod graph;
mod history;
mod import;
mod job;
mod looks;
mod manual;
mod new;
mod on;
mod output;
mod plan;
mod predict;
mod quick;
mod record;
mod report;
mod results;
mod run;
mod schema;
mod search;
mod show;
mod status;
mod stopping;
mod sweep;
mod table;
mod usage;
mod watch;
mod why;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::console::{Color, Manners, alert, keep, lost};
pub use common::Given;
use failure::{Failure, Finished};

/// The commands by what a person wants; a test holds that each is in one group.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Run", &["run", "watch", "cancel", "plan", "why", "actions", "predict"]),
    ("Look", &["status", "show", "sweep", "table", "report", "graph"]),
    ("Compare", &["compare", "runs"]),
    ("Share", &["export", "import", "cache"]),
    ("Set up", &["new", "explain", "doctor", "schema", "fmt", "completions"]),
];

const EXIT_CODES: &str = "Exit codes: 0 done, 1 something would change (--check), 2 usage, 3 invalid pipeline,\n\
                          4 a stage failed, 5 outside a tolerance, 70 a bug of this program, 130 interrupted.\n\
                          Begin with: actionfinder new --from stars.fits my_stars.yaml";

/// What is printed without a command: every command in its group, in a line.
fn overview(command: &clap::Command) -> String {
    let mut text = String::new();
    for (group, names) in GROUPS {
        text.push_str(&format!("{group}:\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name:<12} {about}\n"));
        }
    }
    text
}

/// The command line, whose help has the commands in groups.
fn grouped() -> clap::Command {
    let command = Cli::command();
    let template = format!(
        "{{about}}\n\nUsage: {{usage}}\n\n{}\nEverywhere:\n  --json  -q  -v  --color WHEN  -h  -V{{after-help}}",
        overview(&command)
    );
    command.help_template(template)
}

/// Declarative experiment pipelines for action–angle dynamics.
#[derive(Debug, Parser)]
#[command(name = "actionfinder", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    manners: Manners,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run what is stale, then print the results and write the report
    Run(run::Args),
    /// Look on at a run that goes on: stages, losses, time left, best trials
    Watch(watch::Args),
    /// End all jobs of a pipeline, and the runs that follow them
    Cancel(cancel::Args),
    /// Show every stage, fresh or stale, and why; nothing is run or written
    Plan(plan::Args),
    /// Say which part of a stage's fingerprint changed since it last ran
    Why(why::Args),
    /// Show how a pipeline stands: stages, results, findings
    Status(status::Args),
    /// Show a table: units, first rows; or all outputs of a pipeline, with their files
    Show(show::Args),
    /// Write a table (CSV, FITS, …) or a figure (SVG, PDF, …) for others, or all as .zip
    Export(export::Args),
    /// Take in results that someone exported as .zip, after checking every hash
    Import(import::Args),
    /// Print the graph of stages, for mermaid or graphviz
    Graph(graph::Args),
    /// Show all points of a sweep with their results, best first
    Sweep(sweep::Args),
    /// Print the results of pipelines beside the published figures, as a Markdown table
    Table(table::Args),
    /// Put the results of two pipelines, or of two sweep points, side by side
    Compare(compare::Args),
    /// Write the report again, from what is cached; nothing is run
    Report(report::Args),
    /// List the recorded runs; say where a file comes from, what differs between two
    Runs(history::Args),
    /// Share cached outputs (push, pull), remove unneeded ones (gc), hash all (verify)
    Cache(cache::Args),
    /// The older name of `cache gc`
    #[command(hide = true)]
    Gc(cache::gc::Args),
    /// Explain a kind of stage, a potential or a measure
    Explain(explain::Args),
    /// Print the JSON Schema of pipelines, for editors
    Schema(schema::Args),
    /// Check libtorch, devices, threads, disk and the results folder
    Doctor(doctor::Args),
    /// Actions, angles and frequencies of the stars of a file, in one line
    Actions(actions::Args),
    /// What a trained network says of the stars of a file, in one line
    Predict(predict::Args),
    /// Write a commented pipeline for your own data
    New(new::Args),
    /// Rewrite pipelines of an older edition of the language; comments and layout stay
    Fmt(fmt::Args),
    /// Print what a shell needs to complete commands and options
    Completions(completions::Args),
    /// Write manual pages; used by `make dist`
    #[command(hide = true)]
    Manual(manual::Args),
    /// Make one stage, as a task of a job; started by Slurm
    #[command(hide = true)]
    Job(job::Args),
    /// Run one stage; started by `run`
    #[command(hide = true)]
    Worker(worker::Args),
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    // A panic is a bug of ours: say so, and end with its code. What it says may hold words of a file.
    std::panic::set_hook(Box::new(|panic| alert(&panic.to_string())));
    let ended = std::panic::catch_unwind(|| match parsed() {
        Ok(cli) => {
            cli.manners.set();
            dispatch(cli.command)
        }
        // Help and versions are asked for, and go to standard output.
        Err(asked) if !asked.use_stderr() => {
            keep(asked.print());
            Ok(Finished::Well)
        }
        Err(wrong) => {
            let manners = Manners {
                color: colours_asked(),
                ..Manners::default()
            };
            manners.set();
            match usage::said(&wrong) {
                Some(text) => alert(&text),
                None => {
                    let _ = wrong.print();
                }
            }
            Ok(Finished::WrongUse)
        }
    });
    match ended {
        Ok(Ok(finished)) => match lost() {
            Some(error) if finished.is_well() => {
                let failure = Failure::Work(format!("standard output could not be written: {error}"));
                alert(&failure.to_string());
                failure.code()
            }
            _ => finished.code(),
        },
        Ok(Err(failure)) => {
            alert(&failure.to_string());
            failure.code()
        }
        Err(_) => {
            alert("this is a bug of actionfinder; please report it with the lines above");
            ExitCode::from(failure::BUG)
        }
    }
}

/// The colours that a command line asks for, before it is understood.
fn colours_asked() -> Color {
    let given: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let says = |value: &str| {
        let pair = given.windows(2).any(|pair| pair[0] == "--color" && pair[1] == value);
        pair || given.iter().any(|word| *word == *format!("--color={value}"))
    };
    match (says("always"), says("never")) {
        (true, _) => Color::Always,
        (_, true) => Color::Never,
        _ => Color::Auto,
    }
}

/// The command line as it was given. Its own help is in colour or not as it says itself.
fn parsed() -> Result<Cli, clap::Error> {
    let colour = match colours_asked() {
        Color::Always => clap::ColorChoice::Always,
        Color::Never => clap::ColorChoice::Never,
        Color::Auto => clap::ColorChoice::Auto,
    };
    let matches = grouped().color(colour).try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

fn dispatch(command: Command) -> Result<Finished, Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Cancel(args) => cancel::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Why(args) => why::run(args),
        Command::Status(args) => status::run(args),
        Command::Show(args) => show::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Graph(args) => graph::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Table(args) => table::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Report(args) => report::run(args),
        Command::Runs(args) => history::run(args),
        Command::Cache(args) => cache::run(args),
        Command::Gc(args) => cache::gc::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Actions(args) => actions::run(args),
        Command::Predict(args) => predict::run(args),
        Command::New(args) => new::run(args),
        Command::Fmt(args) => fmt::run(args),
        Command::Completions(args) => completions::run(args, grouped()),
        Command::Manual(args) => manual::run(args, grouped()),
        Command::Job(args) => job::run(args),
        Command::Worker(args) => worker::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_help_fits_a_screen() {
        let command = grouped();
        let mut known: Vec<&str> = command
            .get_subcommands()
            .filter(|own| !own.is_hide_set())
            .map(clap::Command::get_name)
            .collect();
        let mut named: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        known.sort_unstable();
        named.sort_unstable();
        assert_eq!(known, named);
        let help = grouped().render_help().to_string();
        assert!(help.lines().count() <= 44, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
