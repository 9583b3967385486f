//! The part of `predict` for `network: fourier`: actions of stars on the orbits that the network was made for.

use networks::fourier::OrbitMaps;
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::io::{self, TableContext};
use stages::predict::{Angles, Predict, Stars};

use crate::common::failed;
use crate::stream_means::StreamMeans;
use crate::stretch::Stretch;

/// Writes the actions of a table's stars.
pub fn run(weights: &Weights, with: &Predict, context: &StageContext) -> Result<Outcome, StageError> {
    if with.angles == Angles::With {
        return Err(StageError::with_hint(
            "network: fourier gives no angles",
            "write `angles: without`",
        ));
    }
    let others = [
        (with.stars == Stars::Together, "stars: together"),
        (with.is_ensemble(), "networks and dropout_samples"),
        (with.potential.is_some() || context.has_input("field"), "frequencies"),
    ];
    if let Some((_, what)) = others.iter().find(|(given, _)| *given) {
        return Err(StageError::failed(format!("{what}: not for network: fourier")));
    }
    let maps = OrbitMaps::from_weights(weights).map_err(failed)?;
    let table = context.read_table("stars")?;
    let (stream, star) = io::identity(&table)?;
    let points = io::points(&table)?;
    let found = stream
        .iter()
        .zip(&points)
        .map(|(stream, point)| maps.actions(*stream, point));
    let found: Vec<[f64; 3]> = found.collect::<Result<_, _>>().map_err(failed)?;
    let component = |axis: usize| found.iter().map(|actions| actions[axis]).collect::<Vec<f64>>();
    let stretch = Stretch {
        stream: stream.to_vec(),
        star: star.to_vec(),
        actions: [0, 1, 2].map(component),
        ..Stretch::default()
    };
    let mut means = StreamMeans::create(context, false)?;
    means.add(&stretch);
    means.finish()?;
    context.write_table("set_aside", stages::columns::no_reasons())?;
    context.write_table("predictions", stretch.columns(with))?;
    Ok(Outcome::Complete)
}
