//! Body of `train_potential`.

use dynamics::potential::Potential;
use networks::field::evidence::STRANGE;
use networks::field::{AtStars, Energies, Errors, Field, Fitted, fit_linear, mlp, train_mlp};
use networks::streams::Streams;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::sun::SunParameters;
use stages::learn::train_actions::Inputs;
use stages::learn::train_potential::{Linear, Network, Smooth, TrainPotential};

use crate::common::sample::Sample;
use crate::common::{LearnedFrom, StageWatcher, checkpoint, failed, parameters, prepare, save, write_history};
use crate::learn::doubts;

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
    let mut places = places(&train.streams)?;
    let field = match &with.network {
        Network::Linear(own) => linear(own, context, &train)?,
        Network::Smooth(own) => {
            let validation = validation.as_ref().map(|set| &set.streams);
            places.extend(validation.map(self::places).transpose()?.unwrap_or_default());
            smooth(&with, own, context, &train, validation)?
        }
    };
    let pulls = |places: &[[f64; 3]]| {
        let found = places.iter().map(|&place| field.acceleration(place));
        Ok::<_, StageError>(found.collect())
    };
    doubts::of_places(context, &AtStars::look(pulls, &places)?, STRANGE);
    let weights = field.to_weights().map_err(failed)?;
    save(context, "field", weights, &with, LearnedFrom::of(&train.streams))?;
    Ok(Outcome::Complete)
}

fn linear(own: &Linear, context: &StageContext, train: &Sample) -> Result<Field, StageError> {
    let errors = Errors {
        position: own.errors.position.get(),
        velocity: own.errors.velocity.get(),
    };
    let errors = (errors != Errors::default()).then_some(errors);
    let Fitted {
        field,
        held_out,
        scatter,
    } = fit_linear(&train.streams, own.symmetry.is_axisymmetric(), errors).map_err(failed)?;
    context.metric("ridge", field.ridge, "");
    doubts::of_energies(context, &held_out, "held_out", errors.is_some());
    doubts::of_scatter(context, scatter);
    Ok(Field::Linear(field))
}

fn smooth(
    with: &TrainPotential,
    own: &Smooth,
    context: &StageContext,
    train: &Sample,
    validation: Option<&Streams>,
) -> Result<Field, StageError> {
    let usual = mlp::Options::for_streams(train.streams.len());
    let (epochs, batch, learning_rate) = with.training.or(usual.epochs, usual.batch, usual.learning_rate);
    let options = mlp::Options {
        width: own.width.map_or(usual.width, i64::from),
        epochs,
        batch,
        learning_rate,
        seed: with.seed,
    };
    let mut watcher = StageWatcher::new(context, options.epochs, "(km/s)^2");
    let trained = train_mlp(
        &train.streams,
        validation,
        &options,
        &mut checkpoint(context),
        &mut watcher,
    );
    let trained = trained.map_err(failed)?;
    write_history(context, &trained.history)?;
    // Without validation streams, those that were learned from: they flatter, and the name says so.
    let (name, streams) = validation.map_or(("training", &train.streams), |streams| ("validation", streams));
    let mut energies = Energies::default();
    energies.add(&trained.field, &streams.points().map_err(failed)?, None);
    doubts::of_energies(context, &energies, name, false);
    Ok(Field::Mlp(trained.field))
}

/// Where the stars are.
fn places(streams: &Streams) -> Result<Vec<[f64; 3]>, StageError> {
    let stars = streams.points().map_err(failed)?;
    Ok(stars.iter().flatten().map(|star| star.x).collect())
}
