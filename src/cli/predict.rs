//! `actionfinder predict`

use std::path::PathBuf;

use stages::common::networks::{FOURIER, is_actions};
use stages::sample::import_network::type_of;

use super::failure::{Failure, Finished};
use super::quick::{How, Quick, absolute, name, quoted, stars};

/// What a trained network says of the stars of a file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network, a safetensors file of a training
    network: PathBuf,
    /// The stars: positions and velocities, or as Gaia sees them
    file: PathBuf,
    /// Draws of each star's errors, where the file says errors and the network is of actions: 0 for none, else at least 40
    #[arg(long, value_name = "N", default_value_t = 64)]
    samples: u32,
    #[command(flatten)]
    how: How,
}

/// Writes the pipeline, runs it, and writes its table.
pub fn run(args: Args) -> Result<Finished, Failure> {
    args.how.check(&args.file)?;
    let of = type_of(&args.network).map_err(Failure::work)?;
    let network = args.network.file_stem().unwrap_or_default().to_string_lossy();
    let pipeline = name("predict", &args.file, &network);
    let stars = stars(&args.file, &args.how)?;
    let has_draws = stars.have_errors && args.samples > 0 && is_actions(of) && of != FOURIER;
    let errors = match has_draws {
        true => format!(", with: {{ errors: {{ samples: {} }} }}", args.samples),
        false => String::new(),
    };
    let yaml = format!(
        "# Written by: actionfinder predict\npipeline: {pipeline}\nabout: {}\nstages:\n  network:\n    import_network: {{ with: {{ path: {}, \
         type: {of} }} }}\n{}  predicted:\n    predict: {{ from: {{ network: network, stars: stars }}{errors} }}\n",
        quoted(&format!("Predictions for the stars in {}", args.file.display())),
        quoted(&absolute(&args.network)?),
        stars.yaml,
    );
    args.how.run(&Quick {
        name: pipeline,
        yaml,
        wanted: "predicted.predictions",
    })
}
