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
use stages::common::columns::OBSERVABLES;
use stages::common::io::{self, TableContext};
use stages::common::layout::StarId;
use stages::common::learned_field;
use stages::common::measured::{ERRORS, MeasuredStars};
use stages::common::sun::{self, SunParameters};
use stages::learn::train_actions::Inputs;
use stages::learn::train_potential::{self, Linear, Network, Smooth, TrainPotential};

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
    let streams = known(context, &own.errors)?;
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
        momenta,
        scatter,
    } = fit_linear(&streams, asked).map_err(failed)?;
    if !with_errors {
        context.metric("ridge", field.ridge, "");
    }
    doubts::of_energies(context, &held_out, "held_out", with_errors);
    if let Some(momenta) = &momenta {
        doubts::of_momenta(context, momenta, with_errors);
    }
    doubts::of_scatter(context, scatter);
    context.metric("scatter_understated", field.understated, "");
    Ok(Field::Linear(field))
}

/// What a table says of its stars, by stream. Stars whose errors leave them no place are left out, and a note counts them.
fn known(context: &StageContext, errors: &train_potential::Errors) -> Result<Vec<Vec<Known>>, StageError> {
    let table = context.read_table("train")?;
    let points: Vec<PhaseSpace> = io::quantity(&table)?;
    let of_points = Errors {
        position: errors.position.get(),
        velocity: errors.velocity.get(),
    };
    let lacking = OBSERVABLES
        .iter()
        .find(|column| table.column_by_name(column.name).is_none());
    let given = ERRORS.iter().find(|column| table.column_by_name(column.name).is_some());
    let measured = match (lacking, given) {
        (None, Some(_)) => Some(MeasuredStars::new(&table)?),
        (Some(lacking), Some(given)) => {
            context.finding(format!(
                "the column {} is not used, for the table has no {}: stars count as if they were exact but for `errors`",
                given.name, lacking.name
            ));
            None
        }
        (_, None) => None,
    };
    let sun = sun::agreed("train", table.schema_ref(), None).map_err(StageError::failed)?;
    let sun = Sun::from(&sun);
    let mut streams: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    let mut lost: Vec<StarId> = Vec::new();
    for ((row, id), point) in io::star_ids(&table)?.into_iter().enumerate().zip(points) {
        let star = match &measured {
            None if !errors.are_measured() => Known::Point(point, of_points),
            measured => {
                let star = match measured {
                    Some(columns) => columns.star(row),
                    None => Measured::exact(
                        &sun.observe(&point)
                            .map_err(|error| StageError::failed(format!("row {row}: {error}")))?,
                    ),
                };
                Known::Seen(with_stated(star, errors), sun, of_points)
            }
        };
        if star.has_place() {
            streams.entry(id.stream).or_default().push(star);
        } else {
            lost.push(id);
        }
    }
    if let Some(first) = lost.first() {
        context.note(format!(
            "{} of {} stars are left out, first stream {}, star {}: with their errors they may have no positive distance",
            lost.len(),
            table.num_rows(),
            io::called(context, first.stream)?,
            first.star
        ));
    }
    Ok(streams.into_values().collect())
}

/// A star with the errors that are stated, where it has none of its own.
fn with_stated(mut star: Measured, errors: &train_potential::Errors) -> Measured {
    let [_, _, depth, along, up] = &mut star.covariance.deviations;
    // Of a fraction of the distance, in what was measured of it: dϖ = ϖ dd/d, dμ = 5/ln 10 · dd/d.
    let of_depth = errors.distance
        * match star.depth {
            Depth::Distance(value) | Depth::Parallax(value) => value.abs(),
            Depth::Modulus(_) => 5.0 / std::f64::consts::LN_10,
        };
    let motion = errors.proper_motion.get();
    let stated = [
        (depth, of_depth),
        (along, motion),
        (up, motion),
        (&mut star.v_los_error, errors.v_los.get()),
    ];
    for (error, stated) in stated {
        if *error == 0.0 {
            *error = stated;
        }
    }
    star
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
