//! Body of `train_potential`.

use networks::field::{Errors, Field, fit_linear, mlp, train_mlp};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::parameters::SunParameters;
use stages::train_actions::Inputs;
use stages::train_potential::{Model, TrainPotential};

use crate::common::{StageWatcher, checkpoint, failed, parameters, prepare, write_history};
use crate::sample::Sample;

/// Learns a field and writes it.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainPotential = parameters(value)?;
    // A field is small, and its least squares are solved in double precision on the processor.
    prepare(context);
    let read = |port| {
        Sample::read(
            context,
            port,
            Inputs::Cartesian,
            &SunParameters::default(),
            tch::Device::Cpu,
        )
    };
    let train = read("train")?;
    let validation = context
        .has_input("validation")
        .then(|| read("validation"))
        .transpose()?;
    let field = match with.model {
        Model::Linear => {
            let errors = Errors {
                position: with.errors.position,
                velocity: with.errors.velocity,
            };
            let errors = (errors != Errors::default()).then_some(errors);
            let field = fit_linear(&train.streams, with.axisymmetric, errors).map_err(failed)?;
            let unit = if errors.is_some() {
                "standard deviations"
            } else {
                "(km/s)^2"
            };
            context.metric("held_out_energy_spread", field.held_out_spread, unit);
            context.metric("ridge", field.ridge, "");
            Field::Linear(field)
        }
        Model::Network => {
            let usual = mlp::Options::for_streams(train.streams.len());
            let options = mlp::Options {
                width: with.width.map_or(usual.width, i64::from),
                epochs: with.epochs.map_or(usual.epochs, |epochs| epochs as usize),
                seed: with.seed,
                ..usual
            };
            let mut watcher = StageWatcher::new(context, options.epochs, "(km/s)^2");
            let trained = train_mlp(
                &train.streams,
                validation.as_ref().map(|set| &set.streams),
                &options,
                &mut checkpoint(context),
                &mut watcher,
            );
            let trained = trained.map_err(failed)?;
            write_history(context, &trained.history)?;
            Field::Mlp(trained.field)
        }
    };
    let weights = field.to_weights().map_err(failed)?;
    weights.save(context.output("field")?).map_err(failed)?;
    Ok(Outcome::Complete)
}
