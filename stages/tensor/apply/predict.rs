//! Body of `predict`.

use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::apply::predict::{By, NETWORKS, Predict};
use stages::common::io::{self, PieceWriter};
use stages::common::layout::{Layout, OfStar};
use stages::common::networks::{self, is_actions};
use stages::common::quantities::Acceleration;

use crate::common::field::LearnedField;
use crate::common::pieces::ROWS;
use crate::common::{load, parameters, prepare};

/// Applies a network to a table.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: Predict = parameters(value)?;
    let device = prepare(context);
    let weights = load(context, NETWORKS[0])?;
    match context.network_type(NETWORKS[0])? {
        networks::FOURIER => crate::apply::predict_fourier::run(&weights, &with, context),
        networks::INVERSE => crate::apply::predict_inverse::run(&weights, &with, context, device),
        of if is_actions(of) && with.by == By::Inverse => {
            crate::apply::predict_inverse::run(&weights, &with, context, device)
        }
        of if is_actions(of) => crate::apply::predict_actions::run(&with, context, device),
        _ => field(&LearnedField::from_weights(&weights)?, context),
    }
}

/// Accelerations in a learned field.
fn field(field: &LearnedField, context: &StageContext) -> Result<Outcome, StageError> {
    let mut written = PieceWriter::create(context, "predictions")?;
    let progress = context.progress(io::count_rows(context, "stars")? as u64, "stars");
    for table in io::pieces(context, "stars", &[], ROWS)? {
        context.check_cancelled()?;
        let table = table?;
        let stars = io::star_ids(&table)?.into_iter().zip(field.at_rows(&table)?);
        let rows: Vec<OfStar<Acceleration>> = stars.map(|(id, value)| OfStar { id, value }).collect();
        written.append_rows(&Layout::of_one(), &rows)?;
        progress.add(table.num_rows() as u64);
    }
    written.finish()?;
    Ok(Outcome::Complete)
}
