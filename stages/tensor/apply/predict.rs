//! Body of `predict`.

use networks::field::MAP;
use networks::fourier;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::apply::predict::{Map, Method, Predict};
use stages::common::io::{self, PieceWriter};

use crate::common::field::LearnedField;
use crate::common::pieces::ROWS;
use crate::common::{failed, load, parameters, prepare};

/// Applies a network to a table.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: Predict = parameters(value)?;
    let device = prepare(context);
    let weights = load(context.input("network")?)?;
    let made_for = weights.text("map").map_err(failed)?;
    let wanted = match (with.map, with.method) {
        (Map::Actions | Map::Toy, _) | (Map::Inverse, Method::Exact) => "actions",
        (Map::Inverse, Method::Learned) => "inverse",
        (Map::Field, _) => MAP,
    };
    if made_for != wanted {
        let message = format!("this network was trained for `map: {made_for}`, not `map: {wanted}`");
        return Err(StageError::with_hint(
            message,
            match (with.map, made_for) {
                (Map::Inverse, "actions") => "write `method: exact`, or connect a network of train_inverse".to_owned(),
                _ => format!("write `map: {made_for}`, or connect another network"),
            },
        ));
    }
    match with.map {
        Map::Actions if weights.text("network").map_err(failed)? == fourier::orbits::NETWORK => {
            crate::apply::predict_fourier::run(&weights, &with, context)
        }
        Map::Actions | Map::Toy => crate::apply::predict_actions::run(&with, context, device),
        Map::Inverse => crate::apply::predict_inverse::run(&weights, &with, context, device),
        Map::Field => field(&LearnedField::from_weights(&weights)?, context),
    }
}

/// Accelerations in a learned field.
fn field(field: &LearnedField, context: &StageContext) -> Result<Outcome, StageError> {
    let mut written = PieceWriter::create(context, "predictions")?;
    let progress = context.progress(io::count_rows(context, "stars")? as u64, "stars");
    for table in io::pieces(context, "stars", &[], ROWS)? {
        context.check_cancelled()?;
        let table = table?;
        let (stream, star) = io::identity(&table)?;
        let mut columns = vec![("stream", stream.into()), ("star", star.into())];
        columns.extend(field.columns(&table)?);
        written.append(columns)?;
        progress.add(table.num_rows() as u64);
    }
    written.finish()?;
    Ok(Outcome::Complete)
}
