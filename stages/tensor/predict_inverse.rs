//! The part of `predict` for `map: inverse`.

use networks::inverse::InverseModel;
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::columns::{ACTIONS, ANGLES, CARTESIAN};
use stages::io::{self, TableContext};
use tch::{Device, Tensor};

use crate::common::failed;

/// Positions and velocities of a table's actions and angles, star by star.
pub fn run(weights: &Weights, context: &StageContext, device: Device) -> Result<Outcome, StageError> {
    let table = context.read_table("stars")?;
    let (stream, star) = io::identity(&table)?;
    let together = |columns: [&[f64]; 3]| Tensor::stack(&columns.map(Tensor::from_slice), -1).to_device(device);
    let (action, theta) = (
        together(io::columns(&table, &ACTIONS)?),
        together(io::columns(&table, &ANGLES)?),
    );
    let model = InverseModel::from_weights(weights, device).map_err(failed)?;
    let (x, v) = model.predict(&theta, &action);
    let six = Tensor::cat(&[x, v], -1).to_device(Device::Cpu);
    let mut columns = vec![("stream", stream.to_vec().into()), ("star", star.to_vec().into())];
    for (index, column) in CARTESIAN.iter().enumerate() {
        let values = Vec::<f64>::try_from(six.select(-1, index as i64).contiguous()).map_err(StageError::failed)?;
        columns.push((column.name, values.into()));
    }
    context.write_table("predictions", columns)?;
    Ok(Outcome::Complete)
}
