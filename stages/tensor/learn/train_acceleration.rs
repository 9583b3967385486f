//! Body of `train_acceleration`.

use networks::acceleration::{Equations, Form, Losses, Options, fit_potential, train};
use networks::field::evidence::STRANGE_DENSITY;
use networks::field::{AtStars, Field};
use networks::map::{CanonicalMap, CommonActions};
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::io::TableContext;
use stages::common::layout::{Layout, OfStar};
use stages::common::quantities::Acceleration;
use stages::learn::train_acceleration::{FieldKind, NETWORKS, Network, TrainAcceleration};
use tch::{Device, Kind, Tensor};

use crate::common::field::LearnedField;
use crate::common::sample::Sample;
use crate::common::{
    LearnedFrom, StageWatcher, checkpoint, failed, load_map, parameters, prepare, save, write_history,
};
use crate::learn::doubts;
use crate::learn::train_actions::inputs_of;

/// Learns a field and writes it.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainAcceleration = parameters(value)?;
    let device = prepare(context);
    let maps = NETWORKS.iter().filter(|port| context.has_input(port));
    let maps: Vec<Map> = maps
        .map(|port| load_map(context, port, device))
        .collect::<Result<_, StageError>>()?;
    let train_set = read(context, "train", &maps, device)?;
    let validation = match context.has_input("validation") {
        true => Some(read(context, "validation", &maps, device)?),
        false => None,
    };
    let unsettled = train_set.unsettled + validation.as_ref().map_or(0, |set| set.unsettled);
    context.metric("unsettled_streams", unsettled as f64, "");
    let equations = train_set.equations(&maps)?;
    let validation_equations = validation.as_ref().map(|set| set.equations(&maps)).transpose()?;
    count_ill_conditioned(context, &equations[0], with.condition.0);
    match (&validation, &validation_equations) {
        (Some(set), Some(found)) => write_solved(context, &set.sample, &found[0], with.condition.0)?,
        _ => write_solved(context, &train_set.sample, &equations[0], with.condition.0)?,
    }
    let judges = Judges {
        // Without validation streams, those that were learned from: they flatter, and the name says so.
        set: if validation_equations.is_some() {
            "validation"
        } else {
            "training"
        },
        equations: Equations::joined(validation_equations.as_ref().unwrap_or(&equations)).evened(),
        learned_from: equations[0].x.shallow_clone(),
    };
    let learned_from = LearnedFrom::of(&train_set.sample.streams);
    // The paper's network minimises the paper's loss.
    let ready = |parts: &[Equations]| match &with.network {
        Network::Paper(_) => Equations::joined(parts),
        Network::Smooth(_) | Network::Linear(_) => Equations::joined(parts).evened(),
    };
    let equations = ready(&equations);
    let validation_equations = validation_equations.map(|parts| ready(&parts));
    if let Network::Linear(own) = &with.network {
        let field = fit_potential(&equations, own.symmetry.is_axisymmetric()).map_err(failed)?;
        context.metric("held_out_action_rate", field.held_out_spread, "(km/s)^2");
        context.metric("ridge", field.ridge, "");
        let weights = Field::Linear(field).to_weights().map_err(failed)?;
        let weights = save(context, "field", weights, &with, learned_from)?;
        judges.hear(context, &weights)?;
        return Ok(Outcome::Complete);
    }
    let streams = &train_set.sample.streams;
    let velocities = streams.v.repeat([maps.len() as i64, 1, 1]);
    let options = options(&with, streams.len() * maps.len())?;
    let mut watcher = StageWatcher::new(context, options.epochs, "(km/s)^2");
    let trained = train(
        &maps[0].1.toy(),
        (equations, &velocities),
        validation_equations,
        &options,
        &mut checkpoint(context),
        &mut watcher,
    );
    let trained = trained.map_err(failed)?;
    let weights = trained.model.to_weights().map_err(failed)?;
    let weights = save(context, "field", weights, &with, learned_from)?;
    write_history(context, &trained.history)?;
    judges.hear(context, &weights)?;
    Ok(Outcome::Complete)
}

/// What the field is held against.
struct Judges {
    set: &'static str,
    equations: Equations,
    /// Places of the training stars.
    learned_from: Tensor,
}

impl Judges {
    /// Says what the stars say against the field of a file.
    fn hear(&self, context: &StageContext, weights: &Weights) -> Result<(), StageError> {
        let field = LearnedField::from_weights(weights)?;
        let x = &self.equations.x;
        let places = places(x)?;
        let a = Tensor::from_slice(field.at(&places)?.as_flattened())
            .view_as(x)
            .to_device(x.device());
        doubts::of_rates(context, self.equations.unexplained(&a), self.set);
        let mut all = self::places(&self.learned_from)?;
        all.extend(places);
        doubts::of_places(
            context,
            &AtStars::look(|places| field.at(places), &all)?,
            STRANGE_DENSITY,
        );
        Ok(())
    }
}

fn places(x: &Tensor) -> Result<Vec<[f64; 3]>, StageError> {
    let flat = Vec::<f64>::try_from(x.to_device(Device::Cpu).contiguous().view(-1)).map_err(StageError::failed)?;
    Ok(flat.as_chunks::<3>().0.to_vec())
}

/// A map and its file.
type Map = (Weights, Box<dyn CanonicalMap>);

/// Streams with the J' that the stars of each share in every map.
struct Set {
    sample: Sample,
    common: Vec<CommonActions>,
    /// Streams that were left out because a map found no J' for them.
    unsettled: usize,
}

impl Set {
    /// Of the streams for which every map finds a J'.
    fn settled(context: &StageContext, port: &str, maps: &[Map], sample: Sample) -> Result<Self, StageError> {
        let found = |(_, map): &Map| map.common_actions(&sample.streams).map_err(failed);
        let common = maps.iter().map(found).collect::<Result<Vec<_>, _>>()?;
        let (kept, open): (Vec<usize>, Vec<usize>) =
            (0..sample.streams.len()).partition(|&stream| common.iter().all(|common| !common.open[stream]));
        if open.is_empty() {
            return Ok(Self {
                sample,
                common,
                unsettled: 0,
            });
        }
        let of = sample.streams.len();
        let width = sample.rows.len() / of;
        let rows: Vec<usize> = open.iter().map(|&stream| sample.rows[stream * width]).collect();
        let left = sample.without(rows).ok_or_else(|| {
            StageError::failed(format!("input {port}: the map finds no J' for any of the {of} streams"))
        })?;
        context.note(format!(
            "input {port}: no J' was found for {} of {of} streams in the map; they are left out",
            open.len()
        ));
        Ok(Self {
            sample: left,
            common: common.iter().map(|common| common.pick(&kept)).collect(),
            unsettled: open.len(),
        })
    }

    /// What each map says of the stars.
    fn equations(&self, maps: &[Map]) -> Result<Vec<Equations>, StageError> {
        let of_map = |((_, map), common): (&Map, &CommonActions)| {
            Equations::new(map.as_ref(), &self.sample.streams, common).map_err(failed)
        };
        maps.iter().zip(&self.common).map(of_map).collect()
    }
}

/// The streams of a table whose stars are all bound in the toys of all maps, and for which all find a J'; read as the first map reads them.
fn read(context: &StageContext, port: &str, maps: &[Map], device: Device) -> Result<Set, StageError> {
    let (inputs, sun) = inputs_of(&maps[0].0).map_err(failed)?;
    let sample = Sample::read(context, port, inputs, &sun, device)?;
    let toys: Vec<_> = maps.iter().map(|(_, map)| map.toy()).collect();
    let rows = sample.unbound(&toys)?;
    if rows.is_empty() {
        return Set::settled(context, port, maps, sample);
    }
    let before = sample.streams.len();
    let left = sample.without(rows.into_keys()).ok_or_else(|| {
        StageError::failed(format!(
            "input {port}: every stream has a star that is unbound in the network's toy potential"
        ))
    })?;
    context.note(format!(
        "input {port}: {} of {before} streams have stars that are unbound in the network's toy potential; they are left out",
        before - left.streams.len()
    ));
    Set::settled(context, port, maps, left)
}

fn count_ill_conditioned(context: &StageContext, equations: &Equations, limit: f64) {
    let count = |tensor: &Tensor| tensor.sum(Kind::Double).double_value(&[]);
    let (stars, solvable) = (count(&equations.weights), count(&equations.solvable(limit)));
    context.metric("stars", stars, "");
    context.metric("ill_conditioned_stars", stars - solvable, "");
}

/// Writes the solutions of Eq. 15 by linear algebra, of the stars where it can be solved.
fn write_solved(context: &StageContext, sample: &Sample, equations: &Equations, limit: f64) -> Result<(), StageError> {
    let solvable = sample.by_row(&equations.solvable(limit))?;
    let solved = sample.by_row(&equations.solved)?;
    let rows = (0..sample.stars()).filter(|&row| solvable[0][row] > 0.0);
    let table: Vec<OfStar<Acceleration>> = rows
        .map(|row| OfStar {
            id: sample.ids[row],
            value: Acceleration(std::array::from_fn(|axis| solved[axis][row])),
        })
        .collect();
    context.write_rows("solved", &Layout::of_one(), &table)
}

fn options(with: &TrainAcceleration, streams: usize) -> Result<Options, StageError> {
    let or = |own: Option<u32>, usual: i64| own.map_or(usual, i64::from);
    let (usual, losses) = match &with.network {
        Network::Paper(own) => {
            let form = Form::Paper {
                width: or(own.width, 1024),
                depth: or(own.depth, 15),
                dropout: own.dropout.unwrap_or(0.5),
            };
            (Options::paper(form), own.loss)
        }
        Network::Smooth(own) => {
            let (width, depth) = (or(own.width, 64), or(own.depth, 2));
            let form = match own.field {
                FieldKind::Acceleration => Form::Smooth { width, depth },
                FieldKind::Potential => Form::Potential { width, depth },
            };
            (Options::smooth(form, streams), own.loss)
        }
        Network::Linear(_) => return Err(StageError::Bug("network: linear is not trained".to_owned())),
    };
    let (epochs, batch, learning_rate) = with.training.or(usual.epochs, usual.batch, usual.learning_rate);
    Ok(Options {
        losses: Losses {
            action_rates: losses.action_rates,
            symmetry: losses.symmetry,
            frequency_spread: losses.frequency_spread,
            solved: losses.solved,
        },
        condition: with.condition.0,
        epochs,
        batch,
        learning_rate,
        seed: with.seed,
        ..usual
    })
}
