//! Body of `train_acceleration`.

use networks::acceleration::{ActionMap, Equations, Form, Losses, Options, fit_potential, train};
use networks::field::Field;
use networks::paper::model::{self, PaperModel};
use networks::smooth::{self, SmoothMap};
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::columns::ACCELERATION;
use stages::io::TableContext;
use stages::train_acceleration::{FieldKind, NETWORKS, Network, TrainAcceleration};
use tch::{Device, Kind};

use crate::common::{StageWatcher, checkpoint, failed, load, parameters, prepare, write_history};
use crate::sample::Sample;
use crate::train_actions::inputs_of;

/// Learns a field and writes it.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainAcceleration = parameters(value)?;
    let device = prepare(context);
    let maps = NETWORKS.iter().filter(|port| context.has_input(port));
    let maps: Vec<(Weights, ActionMap)> = maps
        .map(|port| {
            let weights = load(context.input(port)?)?;
            let map = action_map(port, &weights, device)?;
            Ok((weights, map))
        })
        .collect::<Result<_, StageError>>()?;
    let train_set = read(context, "train", &maps, device)?;
    let validation = match context.has_input("validation") {
        true => Some(read(context, "validation", &maps, device)?),
        false => None,
    };
    let of_maps = |sample: &Sample| -> Result<Vec<Equations>, StageError> {
        let of_map = |(_, map): &(Weights, ActionMap)| Equations::new(map, &sample.streams).map_err(failed);
        maps.iter().map(of_map).collect()
    };
    let equations = of_maps(&train_set)?;
    let held_out = validation.as_ref().map(of_maps).transpose()?;
    count_ill_conditioned(context, &equations[0], with.condition.0);
    match (&validation, &held_out) {
        (Some(sample), Some(found)) => write_solved(context, sample, &found[0], with.condition.0)?,
        _ => write_solved(context, &train_set, &equations[0], with.condition.0)?,
    }
    // The paper's network minimises the paper's loss.
    let ready = |parts: &[Equations]| match with.network {
        Network::Paper => Equations::joined(parts),
        Network::Smooth | Network::Linear => Equations::joined(parts).evened(),
    };
    let equations = ready(&equations);
    let held_out = held_out.map(|parts| ready(&parts));
    if with.network == Network::Linear {
        let field = fit_potential(&equations, with.axisymmetric).map_err(failed)?;
        context.metric("held_out_action_rate", field.held_out_spread, "(km/s)^2");
        context.metric("ridge", field.ridge, "");
        let weights = Field::Linear(field).to_weights().map_err(failed)?;
        weights.save(context.output("field")?).map_err(failed)?;
        return Ok(Outcome::Complete);
    }
    let velocities = train_set.streams.v.repeat([maps.len() as i64, 1, 1]);
    let options = options(&with, train_set.streams.len() * maps.len());
    let mut watcher = StageWatcher::new(context, options.epochs, "(km/s)^2");
    let trained = train(
        &maps[0].1.toy(),
        (equations, &velocities),
        held_out,
        &options,
        &mut checkpoint(context),
        &mut watcher,
    );
    let trained = trained.map_err(failed)?;
    let weights = trained.model.to_weights().map_err(failed)?;
    weights.save(context.output("field")?).map_err(failed)?;
    write_history(context, &trained.history)?;
    Ok(Outcome::Complete)
}

fn action_map(port: &str, weights: &Weights, device: Device) -> Result<ActionMap, StageError> {
    let made_for = weights.text("map").map_err(failed)?;
    match weights.text("network").map_err(failed)? {
        smooth::map::NETWORK if made_for == "actions" => Ok(ActionMap::Smooth(
            SmoothMap::from_weights(weights, device).map_err(failed)?,
        )),
        model::NETWORK if made_for == "actions" => Ok(ActionMap::Paper(
            PaperModel::from_weights(weights, device).map_err(failed)?,
        )),
        other => Err(StageError::with_hint(
            format!("input {port}: holds {other} for `map: {made_for}`, not a map to actions and angles"),
            "connect the output `network` of a train_actions with `network: smooth` or `network: paper`",
        )),
    }
}

/// The streams of a table whose stars are all bound in the toys of all maps; read as the first map reads them.
fn read(
    context: &StageContext,
    port: &str,
    maps: &[(Weights, ActionMap)],
    device: Device,
) -> Result<Sample, StageError> {
    let (inputs, sun) = inputs_of(&maps[0].0).map_err(failed)?;
    let sample = Sample::read(context, port, inputs, &sun, device)?;
    let mut rows = Vec::new();
    for (_, map) in maps {
        let streams = &sample.streams;
        let unbound = smooth::unbound_energies(&map.toy(), &streams.x, &streams.v).map_err(failed)?;
        rows.extend(unbound.iter().map(|&(place, _)| sample.rows[place]));
    }
    if rows.is_empty() {
        return Ok(sample);
    }
    let before = sample.streams.len();
    let left = sample.without(&rows).ok_or_else(|| {
        StageError::failed(format!(
            "input {port}: every stream has a star that is unbound in the network's toy potential"
        ))
    })?;
    context.note(format!(
        "input {port}: {} of {before} streams have stars that are unbound in the network's toy potential; they are left out",
        before - left.streams.len()
    ));
    Ok(left)
}

fn count_ill_conditioned(context: &StageContext, equations: &Equations, limit: f64) {
    let count = |tensor: &tch::Tensor| tensor.sum(Kind::Double).double_value(&[]);
    let (stars, solvable) = (count(&equations.weights), count(&equations.solvable(limit)));
    context.metric("stars", stars, "");
    context.metric("ill_conditioned_stars", stars - solvable, "");
}

/// Writes the solutions of Eq. 15 by linear algebra, of the stars where it can be solved.
fn write_solved(context: &StageContext, sample: &Sample, equations: &Equations, limit: f64) -> Result<(), StageError> {
    let solvable = sample.by_row(&equations.solvable(limit))?;
    let solved = sample.by_row(&equations.solved)?;
    let rows: Vec<usize> = (0..sample.stars()).filter(|&row| solvable[0][row] > 0.0).collect();
    let ids = |ids: &[i64]| rows.iter().map(|&row| ids[row]).collect::<Vec<_>>();
    let mut table = vec![
        ("stream", ids(&sample.stream).into()),
        ("star", ids(&sample.star).into()),
    ];
    for (column, values) in ACCELERATION.iter().zip(&solved) {
        let values: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
        table.push((column.name, values.into()));
    }
    context.write_table("solved", table)
}

fn options(with: &TrainAcceleration, streams: usize) -> Options {
    let width = |usual: i64| with.width.map_or(usual, i64::from);
    let depth = |usual: i64| with.depth.map_or(usual, i64::from);
    let usual = match (with.network, with.field) {
        (Network::Paper, _) => Options::paper(Form::Paper {
            width: width(1024),
            depth: depth(15),
            dropout: with.dropout.unwrap_or(0.5),
        }),
        (_, FieldKind::Acceleration) => Options::smooth(
            Form::Smooth {
                width: width(64),
                depth: depth(2),
            },
            streams,
        ),
        (_, FieldKind::Potential) => Options::smooth(
            Form::Potential {
                width: width(64),
                depth: depth(2),
            },
            streams,
        ),
    };
    Options {
        losses: Losses {
            action_rates: with.loss.action_rates,
            symmetry: with.loss.symmetry,
            frequency_spread: with.loss.frequency_spread,
            solved: with.loss.solved,
        },
        condition: with.condition.0,
        epochs: with.epochs.map_or(usual.epochs, |epochs| epochs as usize),
        batch: with.batch.map_or(usual.batch, |batch| batch as usize),
        learning_rate: with.learning_rate.unwrap_or(usual.learning_rate),
        seed: with.seed,
        ..usual
    }
}
