//! Body of `train_potential`.

use std::collections::BTreeMap;

use dynamics::measured::{Depth, Measured};
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::sky::Sun;
use networks::field::evidence::STRANGE;
use networks::field::{Asked, AtStars, Energies, Errors, Field, Fitted, Known, fit_linear, mlp, train_mlp};
use networks::streams::Streams;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::io::{self, TableContext};
use stages::common::learned_field;
use stages::common::measured::{ERRORS, MeasuredStars};
use stages::common::sun::{self, SunParameters};
use stages::learn::train_actions::Inputs;
use stages::learn::train_potential::{self, Linear, Network, Smooth, TrainPotential};
use tables::RecordBatch;

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
        Network::Linear(own) => linear(own, context)?,
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

fn linear(own: &Linear, context: &StageContext) -> Result<Field, StageError> {
    let streams = known(&context.read_table("train")?, &own.errors)?;
    let near = context
        .has_input("field")
        .then(|| learned_field::read(context.input("field")?))
        .transpose()?;
    let asked = Asked {
        axisymmetric: own.symmetry.is_axisymmetric(),
        near: near.as_ref().map(|field| &field.expansion),
    };
    let with_errors = streams.iter().flatten().any(Known::has_errors);
    let Fitted {
        field,
        held_out,
        scatter,
    } = fit_linear(&streams, asked).map_err(failed)?;
    context.metric("ridge", field.ridge, "");
    doubts::of_energies(context, &held_out, "held_out", with_errors);
    doubts::of_scatter(context, scatter);
    Ok(Field::Linear(field))
}

/// What a table says of its stars, by stream.
fn known(table: &RecordBatch, errors: &train_potential::Errors) -> Result<Vec<Vec<Known>>, StageError> {
    let points: Vec<PhaseSpace> = io::quantity(table)?;
    let of_points = Errors {
        position: errors.position.get(),
        velocity: errors.velocity.get(),
    };
    let has = |name: &str| table.column_by_name(name).is_some();
    let is_seen = ["distance", "l", "b", "mu_l_cosb", "mu_b", "v_los"]
        .iter()
        .all(|name| has(name));
    let has_errors = is_seen && ERRORS.iter().any(|column| has(column.name));
    let measured = has_errors.then(|| MeasuredStars::new(table)).transpose()?;
    let sun = sun::agreed("train", table.schema_ref(), None).map_err(StageError::failed)?;
    let sun = Sun::from(&sun);
    let mut streams: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    for ((row, id), point) in io::star_ids(table)?.into_iter().enumerate().zip(points) {
        let columns = measured.as_ref();
        let star = if columns.is_none() && !errors.are_measured() {
            Known::Point(point, of_points)
        } else {
            let seen = || {
                let seen = sun
                    .observe(&point)
                    .map_err(|error| StageError::failed(format!("row {row}: {error}")));
                seen.map(|seen| Measured::exact(&seen))
            };
            let mut star = columns.map_or_else(seen, |columns| Ok(columns.star(row)))?;
            let [_, _, depth, along, up] = &mut star.covariance.deviations;
            let or = |error: &mut f64, stated: f64| {
                if *error == 0.0 {
                    *error = stated;
                }
            };
            if let Depth::Distance(distance) = star.depth {
                or(depth, errors.distance * distance);
            }
            or(along, errors.proper_motion.get());
            or(up, errors.proper_motion.get());
            or(&mut star.v_los_error, errors.v_los.get());
            Known::Seen(star, sun, of_points)
        };
        streams.entry(id.stream).or_default().push(star);
    }
    Ok(streams.into_values().collect())
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
    for stream in streams.points().map_err(failed)? {
        energies.add(&trained.field, &stream, None);
    }
    doubts::of_energies(context, &energies, name, false);
    Ok(Field::Mlp(trained.field))
}

/// Where the stars are.
fn places(streams: &Streams) -> Result<Vec<[f64; 3]>, StageError> {
    let stars = streams.points().map_err(failed)?;
    Ok(stars.iter().flatten().map(|star| star.x).collect())
}
