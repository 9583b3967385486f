//! Learned fields at the positions of tables.

use networks::acceleration::{self, Model};
use networks::weights::Weights;
use runner::error::StageError;
use stages::columns::{ACCELERATION, POSITION};
use tables::{RecordBatch, Values};
use tch::{Device, Tensor};

use crate::common::failed;

/// Whether the field in a file has a potential; a free acceleration has none.
pub fn has_potential(weights: &Weights) -> Result<bool, StageError> {
    Ok(weights.text("network").map_err(failed)? != acceleration::NETWORK)
}

/// The columns `ax ay az` of a table's positions, by a free acceleration.
pub fn accelerations(weights: &Weights, table: &RecordBatch) -> Result<Vec<(&'static str, Values)>, StageError> {
    let model = Model::from_weights(weights, Device::Cpu).map_err(failed)?;
    let columns = stages::io::columns(table, &POSITION)?.map(Tensor::from_slice);
    let found = model.accelerations(&Tensor::stack(&columns, -1));
    (0..3)
        .map(|axis| {
            let values = Vec::<f64>::try_from(found.select(1, axis).contiguous()).map_err(StageError::failed)?;
            Ok((ACCELERATION[axis as usize].name, values.into()))
        })
        .collect()
}
