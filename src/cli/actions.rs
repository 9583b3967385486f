//! `actionfinder actions`

use std::path::PathBuf;

use clap::ValueEnum;

use super::failure::{Failure, Finished};
use super::quick::{How, Quick, absolute, name, quoted, stars};

/// Actions, angles and frequencies of the stars of a file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stars: positions and velocities, or as Gaia sees them
    file: PathBuf,
    /// The potential: a name such as mcmillan_17, an ini file of AGAMA, or YAML
    #[arg(long, value_name = "POTENTIAL")]
    potential: String,
    /// The method; `spherical` and `isochrone` need such a potential
    #[arg(long, value_enum, default_value = "fudge")]
    method: Method,
    /// Draws of each star's errors, where the file says errors: 0 for none, else at least 40
    #[arg(long, value_name = "N", default_value_t = 64)]
    samples: u32,
    #[command(flatten)]
    how: How,
}

/// How actions are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The Stäckel fudge: fast, a few per cent
    Fudge,
    /// From each star's orbit: slow, with an error of its own
    O2gf,
    /// By quadrature, in a spherical potential
    Spherical,
    /// Exactly, in an isochrone
    Isochrone,
}

/// Writes the pipeline, runs it, and writes its table.
pub fn run(args: Args) -> Result<Finished, Failure> {
    args.how.check(&args.file)?;
    let potential = potential(&args.potential)?;
    let method = match args.method {
        Method::Fudge => format!("{{ staeckel_fudge: {{ potential: {potential} }} }}"),
        Method::O2gf => format!("{{ o2gf: {{ potential: {potential} }} }}"),
        Method::Spherical => format!("{{ spherical: {{ potential: {potential} }} }}"),
        Method::Isochrone => potential,
    };
    let pipeline = name("actions", &args.file, &args.potential);
    let stars = stars(&args.file, &args.how)?;
    let errors = match stars.have_errors && args.samples > 0 {
        true => format!(", errors: {{ samples: {} }}", args.samples),
        false => String::new(),
    };
    let yaml = format!(
        "# Written by: actionfinder actions\npipeline: {pipeline}\nabout: {}\nstages:\n{}  actions:\n    estimate_actions: \
         {{ from: {{ stars: stars }}, with: {{ method: {method}{errors} }} }}\n",
        quoted(&format!("Actions of the stars in {}", args.file.display())),
        stars.yaml,
    );
    args.how.run(&Quick {
        name: pipeline,
        yaml,
        wanted: "actions.stars",
    })
}

/// A potential in YAML: a file's path becomes the same from any folder.
fn potential(text: &str) -> Result<String, Failure> {
    if text.to_lowercase().ends_with(".ini") {
        return Ok(format!("{{ agama: {} }}", quoted(&absolute(text.as_ref())?)));
    }
    if text.contains('\n') {
        return Err(Failure::Usage("--potential: is a name or one line of YAML".to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_potential_is_a_name_a_file_or_yaml() {
        assert_eq!(potential("mcmillan_17").unwrap(), "mcmillan_17");
        assert!(potential("a/b.ini").unwrap().starts_with("{ agama: \"/"));
        assert!(potential("a:\n b").is_err());
    }
}
