//! Body of `train_actions`.

use networks::features::Symmetry as Imposed;
use networks::field::synthetic::Options as SyntheticOptions;
use networks::field::{Field, synthetic_streams};
use networks::isochrone::Isochrone;
use networks::map::{self, CanonicalMap};
use networks::paper::model::PaperModel;
use networks::smooth::{self, Flow, Shape, SmoothMap, find_resonances};
use networks::streams::Streams;
use networks::toy;
use networks::weights::Weights;
use networks::{Error, paper};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::io::{TableContext, called};
use stages::common::layout::StarId;
use stages::common::potentials;
use stages::common::set_aside::SetAside;
use stages::common::sun::{self, SunParameters};
use stages::learn::tables;
use stages::learn::train_actions::{
    Along, FLOW_POTENTIAL, Inputs, Loss, Network, Paper, Smooth, Symmetry, TrainActions, WhenUnbound,
};

use crate::common::sample::Sample;
use crate::common::{LearnedFrom, StageWatcher, checkpoint, failed, load, parameters, prepare, save, write_history};
use crate::learn::spread::{self, Measured};
use crate::learn::stretch;
use crate::learn::unbound::{Unbound, usable};

/// Trains a network and writes it with its history.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainActions = parameters(value)?;
    let device = prepare(context);
    let sun = seen_from(&with, context)?;
    let with = TrainActions { sun: Some(sun), ..with };
    let train = Sample::read(context, "train", with.inputs, &sun, device)?;
    if let Network::Fourier(own) = &with.network {
        return crate::learn::train_fourier::run(&with, own, &train, context);
    }
    let validation = if context.has_input("validation") {
        Some(Sample::read(context, "validation", with.inputs, &sun, device)?)
    } else {
        None
    };
    let start = start(context)?;
    let toy = match &start {
        Some(start) => stretch::to_go_on_with(&with, map::load(start, device).map_err(damaged)?.toy())?,
        None => stretch::stretched(
            context,
            &with,
            first_toy(context, &with, &train, validation.as_ref(), device)?,
            &train,
        )?,
    };
    let mut sets = vec![("training", &train)];
    sets.extend(validation.as_ref().map(|set| ("validation", set)));
    let unbound = Unbound::find(&toy, &sets)?;
    unbound.write(context)?;
    write_toy(context, &toy)?;
    if with.unbound == WhenUnbound::Finding
        && let Some(finding) = unbound.finding(&toy)
    {
        return Ok(finding);
    }
    let mut lost = SetAside::default();
    let of_stars = unbound.of_stars;
    let train = usable(train, &toy, &mut lost)?;
    let validation = match validation {
        Some(sample) => usable(sample, &toy, &mut lost)?,
        None => None,
    };
    lost.write(context, with.failures, of_stars, "stars")?;
    let train = train.ok_or_else(nothing_left)?;
    let validation_streams = validation.as_ref().map(|sample| &sample.streams);
    let (network, history, region): (Box<dyn CanonicalMap>, _, _) = match &with.network {
        Network::Smooth(own) => {
            let field = learned_field(context)?;
            let synthetic = field
                .as_ref()
                .filter(|_| own.synthetic.train == Along::Orbits)
                .map(|field| synthetic((own, with.seed), context, field, &train, &toy))
                .transpose()?;
            let orbits = match (own.synthetic.validation, &field, validation_streams) {
                (Along::Orbits, Some(field), Some(streams)) => {
                    Some(validation_orbits((own, with.seed), field, streams, &toy)?)
                }
                _ => None,
            };
            let validation_set = orbits.as_ref().or(validation_streams);
            let learning = synthetic.as_ref().unwrap_or(&train.streams);
            let mut options = smooth_options(&with, own, learning.len(), synthetic.is_some());
            let map = match &start {
                Some(start) => {
                    let map = SmoothMap::from_weights(start, device).map_err(damaged)?;
                    options.shape = same_shape((own.width, own.depth), options.shape, map.shape())?;
                    match &field {
                        Some(field) => with_resonances(context, own, map, field, learning)?,
                        None => map,
                    }
                }
                None => {
                    let softening = own.softening.map(stages::common::parameters::Kpc::get);
                    let (x, v) = (&learning.x, &learning.v);
                    SmoothMap::softened(toy.clone(), options.shape, softening, x, v, with.seed).map_err(failed)?
                }
            };
            options.saturation = own.saturation.map(|spread| spread.get() / map.action_scale());
            let flow = flow(own, context, field.as_ref(), learning, &toy)?;
            let mut watcher = StageWatcher::new(context, options.epochs, "km/s kpc");
            let trained = smooth::train_from(
                map,
                learning,
                flow.as_ref(),
                validation_set,
                &options,
                &mut checkpoint(context),
                &mut watcher,
            );
            let trained = trained.map_err(failed)?;
            if let Some(rate) = trained.rate {
                context.metric("mean_rate_of_actions", rate, "km/s kpc");
            }
            let region = spread::region(&trained.map, learning)?;
            (Box::new(trained.map), trained.history, region)
        }
        Network::Fourier(_) => return Err(StageError::Bug("network: fourier has a body of its own".to_owned())),
        Network::Paper(own) => {
            let options = paper_options(&with, own);
            let unit = if own.loss == Loss::Spread { "km/s kpc" } else { "" };
            let mut watcher = StageWatcher::new(context, options.epochs, unit);
            let begin = (toy.mass(), toy.scale_kpc());
            let start = match &start {
                Some(start) => PaperModel::from_weights(start, device).map_err(damaged)?,
                None => PaperModel::new(begin, !with.toy.is_fixed(), options.architecture, with.seed, device),
            };
            let trained = paper::train::train(
                &train.streams,
                validation_streams,
                start,
                &options,
                &mut checkpoint(context),
                &mut watcher,
            );
            let trained = trained.map_err(failed)?;
            write_toy(context, &trained.model.toy())?;
            let region = spread::region(&trained.model, &train.streams)?;
            (Box::new(trained.model), trained.history, region)
        }
    };
    let mut weights = network.to_weights().map_err(failed)?;
    describe(&mut weights, &with)?;
    if let Some(region) = region {
        region.save(&mut weights).map_err(failed)?;
    }
    save(context, "network", weights, &with, LearnedFrom::of(&train.streams))?;
    write_history(context, &history)?;
    let training = Measured::of("training", network.as_ref(), &train.streams)?;
    let validation = validation_streams
        .map(|streams| Measured::of("validation", network.as_ref(), streams))
        .transpose()?;
    spread::report(context, &training, validation.as_ref())?;
    Ok(Outcome::Complete)
}

/// The network to go on from, if one is connected.
fn start(context: &StageContext) -> Result<Option<Weights>, StageError> {
    if !context.has_input("start") {
        return Ok(None);
    }
    load(context, "start").map(Some)
}

/// The file to go on from is damaged.
fn damaged(error: Error) -> StageError {
    StageError::failed(format!("input start: {error}"))
}

/// The shape of the network to go on from; what is asked for must agree with it.
fn same_shape((width, depth): (Option<u32>, Option<u32>), asked: Shape, found: Shape) -> Result<Shape, StageError> {
    let wanted = Shape {
        width: width.map_or(found.width, |_| asked.width),
        depth: depth.map_or(found.depth, |_| asked.depth),
        ..asked
    };
    if wanted == found {
        return Ok(found);
    }
    Err(StageError::with_hint(
        format!("input start: has {found:?}, not {wanted:?}"),
        "leave out width and depth, and give symmetry and time_reversal as they were",
    ))
}

/// The map with terms of the resonances that are asked for and that orbits come near.
fn with_resonances(
    context: &StageContext,
    own: &Smooth,
    map: SmoothMap,
    field: &Field,
    learning: &Streams,
) -> Result<SmoothMap, StageError> {
    if own.resonances.is_empty() {
        return Ok(map);
    }
    let (found, actions) = find_resonances(&map, field, learning, &own.resonances).map_err(failed)?;
    let is_missing = |order: &&[i64; 2]| !found.iter().any(|resonance| resonance.order() == **order);
    for [n_r, n_z] in own.resonances.iter().filter(is_missing) {
        context.note(format!(
            "hardly an orbit comes near n_r = {n_r}, n_z = {n_z}: the map has no terms of it"
        ));
    }
    match found.is_empty() {
        true => Ok(map),
        false => map.with_resonances(found, &actions).map_err(failed),
    }
}

/// The learned field that is connected, if one is.
pub fn learned_field(context: &StageContext) -> Result<Option<Field>, StageError> {
    if !context.has_input("field") {
        return Ok(None);
    }
    let weights = load(context, "field")?;
    Field::from_weights(&weights).map(Some).map_err(failed)
}

/// The training stars moved along their orbits, where these are to count.
fn flow(
    own: &Smooth,
    context: &StageContext,
    field: Option<&Field>,
    learning: &Streams,
    toy: &Isochrone,
) -> Result<Option<Flow>, StageError> {
    let Some(flow) = &own.flow else { return Ok(None) };
    let moved = match (&flow.potential, field) {
        (Some(potential), _) => Flow::new(
            potentials::build(potential, context, FLOW_POTENTIAL)?.as_ref(),
            learning,
            toy,
            flow.weight,
        ),
        (None, Some(field)) => Flow::new(field, learning, toy, flow.weight),
        (None, None) => return Err(StageError::Bug("flow without a potential".to_owned())),
    };
    moved.map(Some).map_err(failed)
}

/// Orbits in a learned field.
fn synthetic(
    (own, seed): (&Smooth, u64),
    context: &StageContext,
    field: &Field,
    train: &Sample,
    toy: &Isochrone,
) -> Result<Streams, StageError> {
    let options = SyntheticOptions {
        copies: (own.synthetic.copies * train.streams.len() as f64).round() as usize,
        position: own.synthetic.perturbation,
        velocity: own.synthetic.perturbation,
        ..orbits_of(own, seed)
    };
    let made = synthetic_streams(field, &train.streams, toy, &options).map_err(failed)?;
    context.metric("synthetic_streams", made.streams.len() as f64, "");
    context.metric("synthetic_rejected", made.rejected as f64, "");
    Ok(made.streams.on(train.streams.x.device()))
}

/// Orbits in a learned field through one star of each stream of the validation set.
fn validation_orbits(
    (own, seed): (&Smooth, u64),
    field: &Field,
    validation_set: &Streams,
    toy: &Isochrone,
) -> Result<Streams, StageError> {
    // Not the random phases of the training orbits.
    let options = orbits_of(own, seed.wrapping_add(1));
    let made = synthetic_streams(field, validation_set, toy, &options).map_err(failed)?;
    Ok(made.streams.on(validation_set.x.device()))
}

fn orbits_of(own: &Smooth, seed: u64) -> SyntheticOptions {
    SyntheticOptions {
        copies: 0,
        stars: own.synthetic.stars as usize,
        periods: own.synthetic.periods,
        seed,
        ..SyntheticOptions::default()
    }
}

fn nothing_left() -> StageError {
    StageError::with_hint(
        "no training stream is left: every one has stars that are unbound in the toy potential, or none with toy angles",
        "give a heavier toy, or let it be found: `toy: found`",
    )
}

/// Notes in the file how its inputs are to be read.
fn describe(weights: &mut Weights, with: &TrainActions) -> Result<(), StageError> {
    weights.insert_json("inputs", &with.inputs).map_err(failed)?;
    let sun = with.sun.unwrap_or_default();
    weights.insert_json("sun", &sun).map_err(failed)
}

/// The Sun by which observables are read.
fn seen_from(with: &TrainActions, context: &StageContext) -> Result<SunParameters, StageError> {
    if with.inputs == Inputs::Cartesian {
        return Ok(with.sun.unwrap_or_default());
    }
    let schema = ::tables::read_schema(context.input("train")?).map_err(StageError::failed)?;
    sun::agreed("train", &schema, with.sun).map_err(StageError::failed)
}

/// The toy that is asked for, found or refined where that is asked for.
fn first_toy(
    context: &StageContext,
    with: &TrainActions,
    train: &Sample,
    validation: Option<&Sample>,
    device: tch::Device,
) -> Result<Isochrone, StageError> {
    let is_paper = matches!(with.network, Network::Paper(_));
    match with.toy.given() {
        // The paper's network refines its toy in training.
        Some((mass, scale)) if with.toy.is_fixed() || is_paper => Ok(Isochrone::new(mass, scale, device)),
        start => {
            let also = validation.map(|sample| &sample.streams);
            let found = toy::fit_toy(&train.streams, also, start);
            found
                .or_else(|_| toy::fit_toy(&train.streams, also, None))
                .map_err(|error| no_toy(context, error, train, validation))
        }
    }
}

/// An error of the search for a toy, with the star that is the likeliest reason.
fn no_toy(context: &StageContext, error: Error, train: &Sample, validation: Option<&Sample>) -> StageError {
    let Error::Data(_) = error else { return failed(error) };
    let fastest = |sample: &Sample| -> Option<(f64, StarId)> {
        let speed = sample
            .streams
            .v
            .square()
            .sum_dim_intlist([-1].as_slice(), false, tch::Kind::Double)
            .sqrt();
        let speeds = Vec::<f64>::try_from(speed.to_device(tch::Device::Cpu).contiguous().view(-1)).ok()?;
        let (place, speed) = speeds.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let row = *sample.rows.get(place)?;
        Some((speed, sample.ids[row]))
    };
    let all = std::iter::once(train).chain(validation).filter_map(fastest);
    match all.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((speed, StarId { stream, star })) => {
            let stream = called(context, stream).unwrap_or_else(|_| stream.to_string());
            StageError::with_hint(
                format!("no isochrone binds all stars: the fastest, stream {stream}, star {star}, has {speed:.1} km/s"),
                "see whether it belongs to the system, and whether units are right",
            )
        }
        None => failed(error),
    }
}

fn smooth_options(with: &TrainActions, own: &Smooth, streams: usize, synthetic: bool) -> smooth::Options {
    let usual = if synthetic {
        smooth::Options {
            stars: Some(own.synthetic.stars as usize / 2),
            ..smooth::Options::for_synthetic(streams)
        }
    } else {
        smooth::Options::for_streams(streams)
    };
    let (epochs, batch, learning_rate) = with.training.or(usual.epochs, usual.batch, usual.learning_rate);
    let symmetry = match own.symmetry {
        Symmetry::None => Imposed::None,
        Symmetry::Axisymmetric => Imposed::Axisymmetric,
        Symmetry::Spherical => Imposed::Spherical,
    };
    smooth::Options {
        shape: Shape {
            symmetry,
            time_reversal: own.time_reversal,
            width: own.width.map_or(usual.shape.width, i64::from),
            depth: own.depth.map_or(usual.shape.depth, i64::from),
        },
        epochs,
        batch,
        learning_rate,
        seed: with.seed,
        ..usual
    }
}

fn paper_options(with: &TrainActions, own: &Paper) -> paper::train::Options {
    let usual = paper::train::Options::default();
    let size = usual.architecture;
    let (epochs, batch, learning_rate) = with.training.or(usual.epochs, usual.batch, usual.learning_rate);
    let architecture = paper::map::Architecture::sized(
        own.width.map_or(size.width, i64::from),
        own.depth.map_or(size.generating_depth, i64::from),
        own.dropout.unwrap_or(size.dropout),
    );
    paper::train::Options {
        architecture,
        loss: match own.loss {
            Loss::Full => paper::train::Loss::Full,
            Loss::Spread => paper::train::Loss::Spread,
        },
        epochs,
        batch,
        learning_rate,
        seed: with.seed,
        ..usual
    }
}

fn write_toy(context: &StageContext, toy: &Isochrone) -> Result<(), StageError> {
    context.metric("toy_mass", toy.mass(), "M_sun");
    context.metric("toy_scale", toy.scale_kpc(), "kpc");
    let row = tables::Toy {
        mass: toy.mass(),
        scale: toy.scale_kpc(),
    };
    context.write_rows("toy", &tables::toy(), &[row])
}

/// How the inputs of a network file are read: columns and Sun.
pub fn inputs_of(weights: &Weights) -> Result<(Inputs, SunParameters), Error> {
    Ok((weights.json("inputs")?, weights.json("sun")?))
}
