//! Body of `predict`.

use networks::field::MAP;
use networks::fourier::{self, OrbitMaps};
use networks::paper::{self, model::PaperModel};
use networks::smooth::{self, SmoothMap};
use networks::weights::Weights;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::columns::{ACTIONS, ANGLES};
use stages::io::TableContext;
use stages::predict::{Angles, Map, Predict, Stars};
use tch::Tensor;

use crate::common::{failed, load, parameters, prepare};
use crate::sample::Sample;
use crate::train_actions::inputs_of;

/// Applies a network to a table.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: Predict = parameters(value)?;
    let device = prepare(context);
    let weights = load(context.input("network")?)?;
    let made_for = weights.text("map").map_err(failed)?;
    let wanted = match with.map {
        Map::Actions => "actions",
        Map::Inverse => "inverse",
        Map::Field => MAP,
    };
    if made_for != wanted {
        let message = format!("this network was trained for `map: {made_for}`, not `map: {wanted}`");
        return Err(StageError::with_hint(
            message,
            format!("write `map: {made_for}`, or connect another network"),
        ));
    }
    match with.map {
        Map::Actions if weights.text("network").map_err(failed)? == fourier::orbits::NETWORK => {
            of_orbits(&weights, &with, context)
        }
        Map::Actions => actions(&weights, &with, context, device),
        Map::Inverse => crate::predict_inverse::run(&weights, context, device),
        Map::Field => field(&weights, context),
    }
}

/// Actions of stars on the orbits that the network was made for.
fn of_orbits(weights: &Weights, with: &Predict, context: &StageContext) -> Result<Outcome, StageError> {
    if with.angles == Angles::With {
        return Err(StageError::with_hint(
            "network: fourier gives no angles",
            "write `angles: without`",
        ));
    }
    let maps = OrbitMaps::from_weights(weights).map_err(failed)?;
    let table = context.read_table("stars")?;
    let (stream, star) = stages::io::identity(&table)?;
    let points = stages::io::points(&table)?;
    let found = stream
        .iter()
        .zip(&points)
        .map(|(stream, point)| maps.actions(*stream, point));
    let found: Vec<[f64; 3]> = found.collect::<Result<_, _>>().map_err(failed)?;
    let mut columns = vec![("stream", stream.to_vec().into()), ("star", star.to_vec().into())];
    let component = |axis: usize| found.iter().map(|actions| actions[axis]).collect::<Vec<_>>().into();
    columns.extend((0..3).map(|axis| (ACTIONS[axis].name, component(axis))));
    context.write_table("predictions", columns)?;
    Ok(Outcome::Complete)
}

/// Accelerations in a learned field.
fn field(weights: &Weights, context: &StageContext) -> Result<Outcome, StageError> {
    let table = context.read_table("stars")?;
    let (stream, star) = stages::io::identity(&table)?;
    let mut columns = vec![("stream", stream.to_vec().into()), ("star", star.to_vec().into())];
    columns.extend(crate::field::LearnedField::from_weights(weights)?.columns(&table)?);
    context.write_table("predictions", columns)?;
    Ok(Outcome::Complete)
}

/// Actions and angles. Streams with a star that the toy does not bind are left out, counted and noted.
fn actions(
    weights: &Weights,
    with: &Predict,
    context: &StageContext,
    device: tch::Device,
) -> Result<Outcome, StageError> {
    let (inputs, sun) = inputs_of(weights).map_err(failed)?;
    let sample = Sample::read(context, "stars", inputs, &sun, device)?;
    let network = ActionNetwork::from_weights(weights, device)?;
    let (x, v) = (&sample.streams.x, &sample.streams.v);
    let unbound = smooth::unbound_energies(&network.toy(), x, v).map_err(failed)?;
    let rows: Vec<usize> = unbound.iter().map(|&(place, _)| sample.rows[place]).collect();
    let left = if rows.is_empty() {
        Some(sample)
    } else {
        sample.without(&rows)
    };
    let Some(sample) = left else {
        return Err(StageError::failed(
            "every stream has a star that is unbound in the network's toy potential",
        ));
    };
    if !rows.is_empty() {
        context.note(format!(
            "{} stars are unbound in the network's toy potential; their streams are left out",
            rows.len()
        ));
    }
    context.metric("unbound_stars", rows.len() as f64, "");
    let (angles, actions) = network.predict(&sample, with.stars, context)?;
    let (angles, actions) = (sample.by_row(&angles)?, sample.by_row(&actions)?);
    let mut table = vec![("stream", sample.stream.into()), ("star", sample.star.into())];
    table.extend(
        ACTIONS
            .iter()
            .zip(actions)
            .map(|(column, values)| (column.name, values.into())),
    );
    if with.angles == Angles::With {
        table.extend(
            ANGLES
                .iter()
                .zip(angles)
                .map(|(column, values)| (column.name, values.into())),
        );
    }
    context.write_table("predictions", table)?;
    Ok(Outcome::Complete)
}

/// A network that gives actions and angles.
pub enum ActionNetwork {
    /// The smooth map.
    Smooth(SmoothMap),
    /// The paper's networks.
    Paper(PaperModel),
}

impl ActionNetwork {
    /// The network of a file.
    pub fn from_weights(weights: &Weights, device: tch::Device) -> Result<Self, StageError> {
        match weights.text("network").map_err(failed)? {
            smooth::map::NETWORK => Ok(Self::Smooth(SmoothMap::from_weights(weights, device).map_err(failed)?)),
            paper::model::NETWORK => Ok(Self::Paper(PaperModel::from_weights(weights, device).map_err(failed)?)),
            other => Err(StageError::failed(format!(
                "unknown network `{other}` in the network file"
            ))),
        }
    }

    /// Its toy.
    pub fn toy(&self) -> networks::isochrone::Isochrone {
        match self {
            Self::Smooth(map) => map.toy.clone(),
            Self::Paper(model) => model.toy(),
        }
    }

    /// (θ', J') of each star, [streams, stars, 3].
    pub fn predict(
        &self,
        sample: &Sample,
        stars: Stars,
        context: &StageContext,
    ) -> Result<(Tensor, Tensor), StageError> {
        let streams = &sample.streams;
        let shape = streams.x.size();
        let whole =
            |(angles, actions): (Tensor, Tensor)| (angles.view(shape.as_slice()), actions.view(shape.as_slice()));
        match (self, stars) {
            (Self::Smooth(map), Stars::Together) => Ok(map.predict(&streams.toy_points(&map.toy).map_err(failed)?)),
            (Self::Smooth(map), Stars::Alone) => Ok(whole(
                map.predict(&streams.toy_points(&map.toy).map_err(failed)?.single()),
            )),
            (Self::Paper(model), Stars::Alone) => {
                let flat = |y: &Tensor| y.view([-1, 3]);
                let (angles, actions, open) = model.predict(&flat(&streams.x), &flat(&streams.v)).map_err(failed)?;
                context.metric("unconverged_stars", open as f64, "");
                Ok(whole((angles, actions)))
            }
            (Self::Paper(_), Stars::Together) => Err(StageError::with_hint(
                "`stars: together` is not known for `network: paper`",
                "write `stars: alone`",
            )),
        }
    }
}
