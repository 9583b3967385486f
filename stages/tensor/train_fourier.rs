//! Body of `train_actions` for `network: fourier`: a Fourier series for the orbit of each stream.

use std::collections::{BTreeMap, BTreeSet};

use dynamics::potential::Isochrone;
use networks::field::{plain, streams_of};
use networks::fourier::{OrbitMaps, OrbitOptions, fit_orbit};
use networks::smooth::{Symmetry as Imposed, fit_toy};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::io::TableContext;
use stages::train_actions::{Symmetry, TrainActions};

use crate::common::failed;
use crate::sample::Sample;

/// Stars of a stream from which its toy is found.
const STARS_FOR_TOY: usize = 1250;

/// Fits the series and writes them.
pub fn run(with: &TrainActions, train: &Sample, context: &StageContext) -> Result<Outcome, StageError> {
    let streams: BTreeSet<i64> = train.stream.iter().copied().collect();
    let progress = context.progress(streams.len() as u64, "orbits");
    let mut maps = BTreeMap::new();
    let mut toys = Vec::new();
    for (stream, points) in streams.into_iter().zip(plain(&train.streams).map_err(failed)?) {
        context.check_cancelled()?;
        let of_stream = |error| StageError::failed(format!("stream {stream}: {error}"));
        let step = points.len().div_ceil(STARS_FOR_TOY).max(1);
        let some: Vec<_> = points.iter().step_by(step).copied().collect();
        let given = with
            .toy
            .mass
            .zip(with.toy.scale)
            .map(|(mass, scale)| (mass.get(), scale.get()));
        let (mass, scale) = match given {
            Some(toy) if !with.toy.free => toy,
            start => {
                let one = streams_of(&[some]).map_err(of_stream)?;
                let toy = fit_toy(&one, None, start).map_err(of_stream)?;
                (toy.mass(), toy.scale_kpc())
            }
        };
        let toy = Isochrone::new(mass, scale).map_err(StageError::failed)?;
        let map = fit_orbit(&points, toy, &options(with)).map_err(of_stream)?;
        progress.add(1);
        toys.push((stream, mass, scale, map.coefficients() as i64, map.held_out_spread));
        maps.insert(stream, map);
    }
    let weights = OrbitMaps { maps }.to_weights().map_err(failed)?;
    weights.save(context.output("network")?).map_err(failed)?;
    context.write_table(
        "orbits",
        vec![
            ("stream", toys.iter().map(|toy| toy.0).collect::<Vec<_>>().into()),
            ("mass", toys.iter().map(|toy| toy.1).collect::<Vec<_>>().into()),
            ("scale", toys.iter().map(|toy| toy.2).collect::<Vec<_>>().into()),
            ("coefficients", toys.iter().map(|toy| toy.3).collect::<Vec<_>>().into()),
            (
                "held_out_spread",
                toys.iter().map(|toy| toy.4).collect::<Vec<_>>().into(),
            ),
        ],
    )?;
    Ok(Outcome::Complete)
}

fn options(with: &TrainActions) -> OrbitOptions {
    let usual = OrbitOptions::default();
    OrbitOptions {
        symmetry: match with.symmetry {
            Symmetry::None => Imposed::None,
            Symmetry::Axisymmetric => Imposed::Axisymmetric,
            Symmetry::Spherical => Imposed::Spherical,
        },
        time_reversal: with.time_reversal,
        coefficients: with.coefficients.map_or(usual.coefficients, |count| count as usize),
        seed: with.seed,
        ..usual
    }
}
