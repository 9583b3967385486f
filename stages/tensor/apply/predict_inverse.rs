//! The part of `predict` from actions and angles to positions and velocities.

use dynamics::phase_space::PhaseSpace;
use networks::map;
use networks::smooth::exact::Unsolved;
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::apply::predict::Predict;
use stages::common::columns::{ACTIONS, ANGLES};
use stages::common::io::{self, PieceWriter};
use stages::common::layout::{Layout, OfStar};
use stages::common::quantities::Quantity;
use stages::common::set_aside::{self, LeftOut};
use tch::{Device, Tensor};

use crate::common::failed;
use crate::common::pieces::ROWS;
use crate::common::stretch::three;

/// Positions and velocities of a table's actions and angles, star by star.
pub fn run(weights: &Weights, with: &Predict, context: &StageContext, device: Device) -> Result<Outcome, StageError> {
    let inverse = map::load_inverse(weights, device).map_err(failed)?;
    let rows = io::count_rows(context, "stars")?;
    let progress = context.progress(rows as u64, "stars");
    let mut predictions = PieceWriter::create(context, "predictions")?;
    let mut set_aside = PieceWriter::create(context, "set_aside")?;
    let (mut done, mut counts) = (0, std::collections::BTreeMap::<&'static str, usize>::new());
    for table in io::pieces(context, "stars", &[], ROWS)? {
        context.check_cancelled()?;
        let table = table?;
        let ids = io::star_ids(&table)?;
        let together = |columns: [&[f64]; 3]| Tensor::stack(&columns.map(Tensor::from_slice), -1).to_device(device);
        let action = together(io::columns(&table, &ACTIONS)?);
        let theta = together(io::columns(&table, &ANGLES)?);
        let located = inverse.locate(&theta, &action).map_err(failed)?;
        let (x, v) = (three(&located.x)?, three(&located.v)?);
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for (row, id) in ids.into_iter().enumerate() {
            let value = PhaseSpace::new(x.each_ref().map(|x| x[row]), v.each_ref().map(|v| v[row]));
            let is_number = value.components().iter().all(|value| value.is_finite());
            let unsolved = located.unsolved[row].map(Unsolved::reason);
            let why = unsolved.or((!is_number).then_some("no finite position belongs to its angles and actions"));
            match why {
                None => kept.push(OfStar { id, value }),
                Some(why) => {
                    *counts.entry(why).or_default() += 1;
                    let reason = why.into();
                    lost.push(LeftOut { id, reason });
                }
            }
        }
        if let Some(first) = lost.first() {
            set_aside::may_be_set_aside(context, with.failures, first)?;
            set_aside.append_rows(&set_aside::layout(), &lost)?;
        }
        predictions.append_rows(&Layout::of_one(), &kept)?;
        done += table.num_rows();
        progress.at(done as u64, "");
    }
    predictions.finish()?;
    set_aside.finish()?;
    context.metric("set_aside", counts.values().sum::<usize>() as f64, "");
    for (why, count) in counts {
        context.note(format!("{count} of {rows} stars have no position: {why}"));
    }
    Ok(Outcome::Complete)
}
