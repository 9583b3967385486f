//! Bodies of the stages that run on libtorch. The program loads this library in a worker process, so that it does not
//! itself pay for loading libtorch.

pub mod action_network;
pub mod common;
pub mod entry;
pub mod field;
pub mod pieces;
pub mod predict;
pub mod predict_actions;
pub mod predict_fourier;
pub mod predict_inverse;
pub mod recover_velocities;
pub mod sample;
pub mod stream_means;
mod stretch;
pub mod tabulate_field;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_fourier;
pub mod train_inverse;
pub mod train_potential;

use runner::context::{Device, StageContext};
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;

/// The body of a worker stage by its kind.
pub fn body(kind: &str, parameters: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    if matches!(context.device, Device::Cuda(_)) {
        entry::load_cuda();
    }
    match kind {
        "tabulate_field" => tabulate_field::run(parameters, context),
        "train_acceleration" => train_acceleration::run(parameters, context),
        "train_actions" => train_actions::run(parameters, context),
        "train_inverse" => train_inverse::run(parameters, context),
        "train_potential" => train_potential::run(parameters, context),
        "predict" => predict::run(parameters, context),
        "recover_velocities" => recover_velocities::run(parameters, context),
        other => Err(StageError::Bug(format!("no worker body for stage kind {other}"))),
    }
}
