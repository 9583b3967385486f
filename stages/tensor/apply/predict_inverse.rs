//! The part of `predict` from actions and angles to positions and velocities.

use networks::inverse::InverseModel;
use networks::smooth::SmoothMap;
use networks::smooth::exact::{Located, Unsolved};
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::apply::predict::{By, Predict};
use stages::common::columns::{ACTIONS, ANGLES, CARTESIAN};
use stages::common::io::{self, PieceWriter};
use stages::common::set_aside;
use tch::{Device, Tensor};

use crate::apply::predict_actions::reasons;
use crate::common::failed;
use crate::common::pieces::ROWS;
use crate::common::stretch::three;

enum Inverse {
    Learned(InverseModel),
    Exact(SmoothMap),
}

impl Inverse {
    fn from_weights(weights: &Weights, by: By, device: Device) -> Result<Self, StageError> {
        Ok(match by {
            By::Inverse => Self::Exact(SmoothMap::from_weights(weights, device).map_err(failed)?),
            _ => Self::Learned(InverseModel::from_weights(weights, device).map_err(failed)?),
        })
    }

    fn locate(&self, theta: &Tensor, action: &Tensor) -> Result<Located, StageError> {
        match self {
            Self::Learned(model) => {
                let (x, v) = model.predict(theta, action);
                let unsolved = vec![None; theta.size()[0] as usize];
                Ok(Located { x, v, unsolved })
            }
            Self::Exact(map) => map.locate(theta, action).map_err(failed),
        }
    }
}

/// Positions and velocities of a table's actions and angles, star by star.
pub fn run(weights: &Weights, with: &Predict, context: &StageContext, device: Device) -> Result<Outcome, StageError> {
    let inverse = Inverse::from_weights(weights, with.by, device)?;
    let rows = io::count_rows(context, "stars")?;
    let progress = context.progress(rows as u64, "stars");
    let mut predictions = PieceWriter::create(context, "predictions")?;
    let mut set_aside = PieceWriter::create(context, "set_aside")?;
    let (mut done, mut counts) = (0, std::collections::BTreeMap::<&'static str, usize>::new());
    for table in io::pieces(context, "stars", &[], ROWS)? {
        context.check_cancelled()?;
        let table = table?;
        let (stream, star) = io::identity(&table)?;
        let together = |columns: [&[f64]; 3]| Tensor::stack(&columns.map(Tensor::from_slice), -1).to_device(device);
        let action = together(io::columns(&table, &ACTIONS)?);
        let theta = together(io::columns(&table, &ANGLES)?);
        let located = inverse.locate(&theta, &action)?;
        let six = [three(&located.x)?, three(&located.v)?].concat();
        let why = |row: usize| {
            let is_number = six.iter().all(|values| values[row].is_finite());
            let unsolved = located.unsolved[row].map(Unsolved::reason);
            unsolved.or((!is_number).then_some("no finite position belongs to its angles and actions"))
        };
        let kept: Vec<usize> = (0..stream.len()).filter(|row| why(*row).is_none()).collect();
        let lost: Vec<(i64, i64, &'static str)> = (0..stream.len())
            .filter_map(|row| Some((stream[row], star[row], why(row)?)))
            .collect();
        for (_, _, why) in &lost {
            *counts.entry(why).or_default() += 1;
        }
        if let Some(first) = lost.first() {
            set_aside::may_be_set_aside(context, with.failures, *first)?;
            set_aside.append(reasons(&lost))?;
        }
        let pick = |ids: &[i64]| kept.iter().map(|&row| ids[row]).collect::<Vec<_>>();
        let mut columns = vec![("stream", pick(stream).into()), ("star", pick(star).into())];
        for (column, values) in CARTESIAN.iter().zip(&six) {
            let values: Vec<f64> = kept.iter().map(|&row| values[row]).collect();
            columns.push((column.name, values.into()));
        }
        predictions.append(columns)?;
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
