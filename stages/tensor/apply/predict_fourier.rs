//! The part of `predict` for `network: fourier`: actions of stars on the orbits that the network was made for.

use dynamics::phase_space::PhaseSpace;
use networks::fourier::OrbitMaps;
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::apply::predict::Predict;
use stages::common::io::{self, TableContext};
use stages::common::set_aside::{self, SetAside};

use crate::apply::stream_means::StreamMeans;
use crate::common::failed;
use crate::common::stretch::Stretch;

/// Writes the actions of a table's stars.
pub fn run(weights: &Weights, with: &Predict, context: &StageContext) -> Result<Outcome, StageError> {
    let maps = OrbitMaps::from_weights(weights).map_err(failed)?;
    let table = context.read_table("stars")?;
    let ids = io::star_ids(&table)?;
    let points: Vec<PhaseSpace> = io::quantity(&table)?;
    let mut lost = SetAside::default();
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for (row, point) in points.iter().enumerate() {
        match maps.actions(ids[row].stream, point) {
            Ok(actions) if actions.iter().all(|j| j.is_finite()) => {
                rows.push(row);
                found.push(actions);
            }
            Ok(_) => lost.push(ids[row], "its actions are not finite"),
            Err(error) => lost.push(ids[row], error.to_string()),
        }
    }
    lost.write(context, with.failures, points.len(), "stars")?;
    if rows.is_empty() && !points.is_empty() {
        return Ok(set_aside::all_set_aside(points.len(), "stars"));
    }
    let component = |axis: usize| found.iter().map(|actions| actions[axis]).collect::<Vec<f64>>();
    let stretch = Stretch {
        ids: rows.iter().map(|&row| ids[row]).collect(),
        actions: [0, 1, 2].map(component),
        converged: vec![true; rows.len()],
        inside: vec![None; rows.len()],
        ..Stretch::default()
    };
    let mut means = StreamMeans::create(context, false)?;
    means.add(&stretch);
    means.finish()?;
    context.write_table("predictions", stretch.columns())?;
    Ok(Outcome::Complete)
}
