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
    /// With `--method finder`: radii of the circular orbits of the least and greatest energy of its table, kpc [default: 2,30]
    #[arg(long, value_name = "LEAST,MOST", value_parser = radii)]
    radii: Option<[f64; 2]>,
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
    /// By a table of orbits, built first in a minute or two: two thirds as fast as the fudge, with an error and a class
    Finder,
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
    if args.radii.is_some() && args.method != Method::Finder {
        return Err(Failure::Usage("--radii: belongs to --method finder".to_owned()));
    }
    let (mut table, mut finder) = (String::new(), "");
    let method = match args.method {
        Method::Fudge => format!("{{ staeckel_fudge: {{ potential: {potential} }} }}"),
        Method::Finder => {
            table = self::table(&potential, args.radii.unwrap_or(RADII));
            finder = ", finder: table";
            format!("{{ finder: {{ potential: {potential} }} }}")
        }
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
        "# Written by: actionfinder actions\npipeline: {pipeline}\nabout: {}\nstages:\n{}{table}  actions:\n    estimate_actions: \
         {{ from: {{ stars: stars{finder} }}, with: {{ method: {method}{errors} }} }}\n",
        quoted(&format!("Actions of the stars in {}", args.file.display())),
        stars.yaml,
    );
    args.how.run(&Quick {
        name: pipeline,
        yaml,
        wanted: "actions.stars",
    })
}

/// Radii of the table where none are said, kpc, and its energies for each factor e of them.
const RADII: [f64; 2] = [2.0, 30.0];
const ENERGIES: f64 = 7.0;

/// The stage `table`, in YAML.
fn table(potential: &str, [least, most]: [f64; 2]) -> String {
    let energies = (ENERGIES * (most / least).ln()).ceil().max(3.0) + 1.0;
    format!(
        "  table:\n    build_finder: {{ with: {{ potential: {potential}, radii: [{least}, {most}], energies: {energies} }} }}\n"
    )
}

/// Two radii that rise, kpc.
fn radii(text: &str) -> Result<[f64; 2], String> {
    let numbers = text.split(',').map(|part| part.trim().parse().ok());
    match numbers.collect::<Option<Vec<f64>>>().as_deref() {
        Some(&[least, most]) if least > 0.0 && most > least && most.is_finite() => Ok([least, most]),
        _ => Err("two radii in kpc that rise, such as 2,30".to_owned()),
    }
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

    #[test]
    fn a_table_has_as_many_energies_as_its_radii_need() {
        assert_eq!(radii("4, 17"), Ok([4.0, 17.0]));
        for wrong in ["17,4", "4", "4,x", "0,4", "4,inf", "1,2,3"] {
            assert!(radii(wrong).is_err(), "{wrong}");
        }
        assert!(table("mcmillan_17", RADII).contains("radii: [2, 30], energies: 20 }"));
        assert!(table("mcmillan_17", [8.0, 8.5]).contains("energies: 4 }"));
    }
}
