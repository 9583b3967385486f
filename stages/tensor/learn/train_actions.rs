//! Body of `train_actions`.

use std::collections::BTreeSet;

use networks::features;
use networks::field::synthetic::Options as SyntheticOptions;
use networks::field::{Field, synthetic_streams};
use networks::isochrone::Isochrone;
use networks::smooth::{self, Flow, Shape, SmoothMap};
use networks::streams::Streams;
use networks::toy;
use networks::weights::Weights;
use networks::{Error, paper};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::io::{TableContext, called};
use stages::common::set_aside::SetAside;
use stages::learn::train_actions::{Along, Inputs, Loss, Network, Symmetry, TrainActions, WhenUnbound};

use crate::common::action_network::ActionNetwork;
use crate::common::sample::Sample;
use crate::common::{StageWatcher, checkpoint, failed, load, parameters, prepare, write_history};
use crate::learn::spread::{self, Measured};

/// Trains a network and writes it with its history.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainActions = parameters(value)?;
    let device = prepare(context);
    let train = Sample::read(context, "train", with.inputs, &with.sun, device)?;
    if with.network == Network::Fourier {
        return crate::learn::train_fourier::run(&with, &train, context);
    }
    let validation = if context.has_input("validation") {
        Some(Sample::read(context, "validation", with.inputs, &with.sun, device)?)
    } else {
        None
    };
    let start = start(context)?;
    let start = start.map(|weights| Start::of(&weights, device)).transpose()?;
    let toy = match &start {
        Some(start) => start.toy(),
        None => first_toy(context, &with, &train, validation.as_ref(), device)?,
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
    let train = usable("training", train, &unbound, &toy, &mut lost)?;
    let validation = match validation {
        Some(sample) => usable("validation", sample, &unbound, &toy, &mut lost)?,
        None => None,
    };
    lost.write(context, with.failures, of_stars, "stars")?;
    let train = train.ok_or_else(nothing_left)?;
    let held_out_streams = validation.as_ref().map(|sample| &sample.streams);
    let (network, history, region) = match with.network {
        Network::Smooth => {
            let field = field(context)?;
            let synthetic = field
                .as_ref()
                .filter(|_| with.synthetic.training == Along::Orbits)
                .map(|field| synthetic(&with, context, field, &train, &toy))
                .transpose()?;
            let orbits = match (with.synthetic.validation, &field, held_out_streams) {
                (Along::Orbits, Some(field), Some(streams)) => Some(held_out_orbits(&with, field, streams, &toy)?),
                _ => None,
            };
            let held_out = orbits.as_ref().or(held_out_streams);
            let learning = synthetic.as_ref().unwrap_or(&train.streams);
            let mut options = smooth_options(&with, learning.len(), synthetic.is_some());
            let map = match start {
                Some(Start::Smooth(map)) => {
                    options.shape = same_shape(&with, options.shape, map.shape())?;
                    map
                }
                _ => {
                    let softening = with.softening.map(stages::common::parameters::Kpc::get);
                    let (x, v) = (&learning.x, &learning.v);
                    SmoothMap::softened(toy.clone(), options.shape, softening, x, v, with.seed).map_err(failed)?
                }
            };
            let flow = flow(&with, field.as_ref(), learning, &toy)?;
            let mut watcher = StageWatcher::new(context, options.epochs, "km/s kpc");
            let trained = smooth::train_from(
                map,
                learning,
                flow.as_ref(),
                held_out,
                &options,
                &mut checkpoint(context),
                &mut watcher,
            );
            let trained = trained.map_err(failed)?;
            if let Some(rate) = trained.rate {
                context.metric("mean_rate_of_actions", rate, "km/s kpc");
            }
            let network = ActionNetwork::Smooth(trained.map);
            let region = spread::region(&network, learning)?;
            (network, trained.history, region)
        }
        Network::Fourier => return Err(StageError::Bug("network: fourier has a body of its own".to_owned())),
        Network::Paper => {
            let options = paper_options(&with);
            let unit = if with.resolved_loss() == Loss::Spread {
                "km/s kpc"
            } else {
                ""
            };
            let mut watcher = StageWatcher::new(context, options.epochs, unit);
            let begin = (toy.mass(), toy.scale_kpc());
            let start = match start {
                Some(Start::Paper(model)) => model,
                _ => paper::model::PaperModel::new(begin, with.toy.free, options.architecture, with.seed, device),
            };
            let trained = paper::train::train(
                &train.streams,
                held_out_streams,
                start,
                &options,
                &mut checkpoint(context),
                &mut watcher,
            );
            let trained = trained.map_err(failed)?;
            write_toy(context, &trained.model.toy())?;
            let network = ActionNetwork::Paper(trained.model);
            let region = spread::region(&network, &train.streams)?;
            (network, trained.history, region)
        }
    };
    let mut weights = network.to_weights()?;
    describe(&mut weights, &with)?;
    if let Some(region) = region {
        region.save(&mut weights).map_err(failed)?;
    }
    weights.save(context.output("network")?).map_err(failed)?;
    write_history(context, &history)?;
    let training = Measured::of("training", &network, &train.streams)?;
    let validation = held_out_streams
        .map(|streams| Measured::of("validation", &network, streams))
        .transpose()?;
    spread::report(context, &training, validation.as_ref())?;
    Ok(Outcome::Complete)
}

/// The stars of a set of which something can be learned; the others are set aside.
fn usable(
    set: &'static str,
    sample: Sample,
    unbound: &Unbound,
    toy: &Isochrone,
    lost: &mut SetAside,
) -> Result<Option<Sample>, StageError> {
    let (loose, others) = unbound.of(set, &sample);
    for &row in &loose {
        lost.push(
            sample.stream[row],
            sample.star[row],
            "it is unbound in the toy potential",
        );
    }
    for &row in &others {
        lost.push(
            sample.stream[row],
            sample.star[row],
            "a star of its stream is unbound in the toy potential",
        );
    }
    let sample = if loose.is_empty() {
        Some(sample)
    } else {
        sample.without(&loose)
    };
    let Some(sample) = sample else { return Ok(None) };
    let rows = toy::undetermined(toy, &sample.streams.x, &sample.streams.v).map_err(failed)?;
    let rows: BTreeSet<usize> = rows.into_iter().map(|place| sample.rows[place]).collect();
    if rows.is_empty() {
        return Ok(Some(sample));
    }
    for &row in &rows {
        lost.push(
            sample.stream[row],
            sample.star[row],
            "its orbit leads through the centre, where the toy's angles have no meaning",
        );
    }
    Ok(sample.without_stars(&rows.into_iter().collect::<Vec<_>>()))
}

/// The network to go on from, if one is connected.
fn start(context: &StageContext) -> Result<Option<Weights>, StageError> {
    if !context.has_input("start") {
        return Ok(None);
    }
    load(context, "start").map(Some)
}

/// A network to go on from.
enum Start {
    Smooth(SmoothMap),
    Paper(paper::model::PaperModel),
}

impl Start {
    fn of(weights: &Weights, device: tch::Device) -> Result<Self, StageError> {
        match ActionNetwork::from_weights(weights, device)? {
            ActionNetwork::Smooth(map) => Ok(Self::Smooth(map)),
            ActionNetwork::Paper(model) => Ok(Self::Paper(model)),
        }
    }

    fn toy(&self) -> Isochrone {
        match self {
            Self::Smooth(map) => map.toy.clone(),
            Self::Paper(model) => model.toy(),
        }
    }
}

/// The shape of the network to go on from; what is asked for must agree with it.
fn same_shape(with: &TrainActions, asked: Shape, found: Shape) -> Result<Shape, StageError> {
    let wanted = Shape {
        width: with.width.map_or(found.width, |_| asked.width),
        depth: with.depth.map_or(found.depth, |_| asked.depth),
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

/// The learned field that is connected, if one is.
fn field(context: &StageContext) -> Result<Option<Field>, StageError> {
    if !context.has_input("field") {
        return Ok(None);
    }
    let weights = load(context, "field")?;
    Field::from_weights(&weights).map(Some).map_err(failed)
}

/// The training stars moved along their orbits, where these are to count.
fn flow(
    with: &TrainActions,
    field: Option<&Field>,
    learning: &Streams,
    toy: &Isochrone,
) -> Result<Option<Flow>, StageError> {
    let Some(flow) = &with.flow else { return Ok(None) };
    let moved = match (&flow.potential, field) {
        (Some(potential), _) => Flow::new(potential.build()?.as_ref(), learning, toy, flow.weight),
        (None, Some(field)) => Flow::new(field, learning, toy, flow.weight),
        (None, None) => return Err(StageError::Bug("flow without a potential".to_owned())),
    };
    moved.map(Some).map_err(failed)
}

/// Orbits in a learned field.
fn synthetic(
    with: &TrainActions,
    context: &StageContext,
    field: &Field,
    train: &Sample,
    toy: &Isochrone,
) -> Result<Streams, StageError> {
    let options = SyntheticOptions {
        copies: (with.synthetic.copies * train.streams.len() as f64).round() as usize,
        position: with.synthetic.perturbation,
        velocity: with.synthetic.perturbation,
        ..orbits_of(with, with.seed)
    };
    let made = synthetic_streams(field, &train.streams, toy, &options).map_err(failed)?;
    context.metric("synthetic_streams", made.streams.len() as f64, "");
    context.metric("synthetic_rejected", made.rejected as f64, "");
    Ok(made.streams.on(train.streams.x.device()))
}

/// Orbits in a learned field through one star of each stream that is held out.
fn held_out_orbits(
    with: &TrainActions,
    field: &Field,
    held_out: &Streams,
    toy: &Isochrone,
) -> Result<Streams, StageError> {
    // Not the random phases of the training orbits.
    let options = orbits_of(with, with.seed.wrapping_add(1));
    let made = synthetic_streams(field, held_out, toy, &options).map_err(failed)?;
    Ok(made.streams.on(held_out.x.device()))
}

fn orbits_of(with: &TrainActions, seed: u64) -> SyntheticOptions {
    SyntheticOptions {
        copies: 0,
        stars: with.synthetic.stars as usize,
        periods: with.synthetic.periods,
        seed,
        ..SyntheticOptions::default()
    }
}

fn nothing_left() -> StageError {
    StageError::with_hint(
        "no training stream is left: every one has stars that are unbound in the toy potential, or none with toy angles",
        "give a heavier toy, or let it be found: toy: { free: true }",
    )
}

/// Notes in the file how its inputs are to be read.
fn describe(weights: &mut Weights, with: &TrainActions) -> Result<(), StageError> {
    weights.insert_json("inputs", &with.inputs).map_err(failed)?;
    weights.insert_json("sun", &with.sun).map_err(failed)
}

/// The toy that is asked for, found or refined where that is asked for.
fn first_toy(
    context: &StageContext,
    with: &TrainActions,
    train: &Sample,
    validation: Option<&Sample>,
    device: tch::Device,
) -> Result<Isochrone, StageError> {
    let given = with
        .toy
        .mass
        .zip(with.toy.scale)
        .map(|(mass, scale)| (mass.get(), scale.get()));
    match given {
        // The paper's network refines its toy in training.
        Some((mass, scale)) if !with.toy.free || with.network == Network::Paper => {
            Ok(Isochrone::new(mass, scale, device))
        }
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
    let fastest = |sample: &Sample| -> Option<(f64, i64, i64)> {
        let speed = sample
            .streams
            .v
            .square()
            .sum_dim_intlist([-1].as_slice(), false, tch::Kind::Double)
            .sqrt();
        let speeds = Vec::<f64>::try_from(speed.to_device(tch::Device::Cpu).contiguous().view(-1)).ok()?;
        let (place, speed) = speeds.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let row = *sample.rows.get(place)?;
        Some((speed, sample.stream[row], sample.star[row]))
    };
    let all = std::iter::once(train).chain(validation).filter_map(fastest);
    match all.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((speed, stream, star)) => {
            let stream = called(context, stream).unwrap_or_else(|_| stream.to_string());
            StageError::with_hint(
                format!("no isochrone binds all stars: the fastest, stream {stream}, star {star}, has {speed:.1} km/s"),
                "see whether it belongs to the system, and whether units are right",
            )
        }
        None => failed(error),
    }
}

fn smooth_options(with: &TrainActions, streams: usize, synthetic: bool) -> smooth::Options {
    let usual = if synthetic {
        smooth::Options {
            stars: Some(with.synthetic.stars as usize / 2),
            ..smooth::Options::for_synthetic(streams)
        }
    } else {
        smooth::Options::for_streams(streams)
    };
    let symmetry = match with.symmetry {
        Symmetry::None => features::Symmetry::None,
        Symmetry::Axisymmetric => features::Symmetry::Axisymmetric,
        Symmetry::Spherical => features::Symmetry::Spherical,
    };
    smooth::Options {
        shape: Shape {
            symmetry,
            time_reversal: with.time_reversal,
            width: with.width.map_or(usual.shape.width, i64::from),
            depth: with.depth.map_or(usual.shape.depth, i64::from),
        },
        epochs: with.epochs.map_or(usual.epochs, |epochs| epochs as usize),
        batch: with.batch.map_or(usual.batch, |batch| batch as usize),
        learning_rate: with.learning_rate.unwrap_or(usual.learning_rate),
        seed: with.seed,
        ..usual
    }
}

fn paper_options(with: &TrainActions) -> paper::train::Options {
    let usual = paper::train::Options::default();
    let size = usual.architecture;
    let architecture = paper::map::Architecture::sized(
        with.width.map_or(size.width, i64::from),
        with.depth.map_or(size.generating_depth, i64::from),
        with.dropout.unwrap_or(size.dropout),
    );
    paper::train::Options {
        architecture,
        loss: match with.resolved_loss() {
            Loss::Full => paper::train::Loss::Full,
            Loss::Spread => paper::train::Loss::Spread,
        },
        epochs: with.epochs.map_or(usual.epochs, |epochs| epochs as usize),
        batch: with.batch.map_or(usual.batch, |batch| batch as usize),
        learning_rate: with.learning_rate.unwrap_or(usual.learning_rate),
        seed: with.seed,
        ..usual
    }
}

fn write_toy(context: &StageContext, toy: &Isochrone) -> Result<(), StageError> {
    context.metric("toy_mass", toy.mass(), "M_sun");
    context.metric("toy_scale", toy.scale_kpc(), "kpc");
    context.write_table(
        "toy",
        vec![
            ("mass", vec![toy.mass()].into()),
            ("scale", vec![toy.scale_kpc()].into()),
        ],
    )
}

/// A star that the toy does not bind.
struct LooseStar {
    set: &'static str,
    row: usize,
    stream: i64,
    star: i64,
    energy: f64,
}

/// All stars that the toy does not bind.
struct Unbound {
    stars: Vec<LooseStar>,
    of_stars: usize,
    streams: usize,
    of_streams: usize,
}

impl Unbound {
    fn find(toy: &Isochrone, sets: &[(&'static str, &Sample)]) -> Result<Self, StageError> {
        let mut stars = Vec::new();
        let (mut streams, mut of_stars, mut of_streams) = (0, 0, 0);
        for (set, sample) in sets {
            let listed = toy::unbound_energies(toy, &sample.streams.x, &sample.streams.v).map_err(failed)?;
            let mut by_row: Vec<(usize, f64)> = listed
                .into_iter()
                .map(|(place, energy)| (sample.rows[place], energy))
                .collect();
            by_row.sort_by_key(|&(row, _)| row);
            by_row.dedup_by_key(|&mut (row, _)| row);
            let ids: BTreeSet<i64> = by_row.iter().map(|&(row, _)| sample.stream[row]).collect();
            streams += ids.len();
            of_stars += sample.stars();
            of_streams += sample.streams.len();
            stars.extend(by_row.into_iter().map(|(row, energy)| LooseStar {
                set,
                row,
                stream: sample.stream[row],
                star: sample.star[row],
                energy,
            }));
        }
        Ok(Self {
            stars,
            of_stars,
            streams,
            of_streams,
        })
    }

    fn write(&self, context: &StageContext) -> Result<(), StageError> {
        let columns = vec![
            (
                "stream",
                self.stars.iter().map(|star| star.stream).collect::<Vec<_>>().into(),
            ),
            (
                "star",
                self.stars.iter().map(|star| star.star).collect::<Vec<_>>().into(),
            ),
            (
                "energy",
                self.stars.iter().map(|star| star.energy).collect::<Vec<_>>().into(),
            ),
        ];
        context.metric("unbound_stars", self.stars.len() as f64, "");
        context.metric("unbound_streams", self.streams as f64, "");
        context.write_table("unbound", columns)
    }

    fn title(&self) -> String {
        format!(
            "{} of {} streams are unbound in the toy potential",
            self.streams, self.of_streams
        )
    }

    /// Rows of the stars of a set that are unbound, and of the others of their streams.
    fn of(&self, set: &str, sample: &Sample) -> (Vec<usize>, Vec<usize>) {
        let own = self.stars.iter().filter(|star| star.set == set);
        let loose: Vec<usize> = own.map(|star| star.row).collect();
        let streams: BTreeSet<i64> = loose.iter().map(|&row| sample.stream[row]).collect();
        let others = (0..sample.stars()).filter(|row| streams.contains(&sample.stream[*row]) && !loose.contains(row));
        let others = others.collect();
        (loose, others)
    }

    fn finding(&self, toy: &Isochrone) -> Option<Outcome> {
        /// Rows that are listed in the detail.
        const LISTED: usize = 12;
        if self.stars.is_empty() {
            return None;
        }
        let title = self.title();
        let mut detail = format!(
            "{} of {} stars have energy ≥ 0 in the isochrone of mass {:.4e} M_sun and scale {:.4} kpc, so they have no \
             toy actions and no network was trained. ",
            self.stars.len(),
            self.of_stars,
            toy.mass(),
            toy.scale_kpc(),
        );
        let rows = self.stars.iter().take(LISTED).map(|star| {
            let LooseStar {
                set,
                row,
                stream,
                star,
                energy,
            } = star;
            format!("{set} row {row} (stream {stream}, star {star}): {energy:.1} (km/s)^2")
        });
        detail += &rows.collect::<Vec<_>>().join("; ");
        if self.stars.len() > LISTED {
            detail += &format!("; {} more in the table `unbound`", self.stars.len() - LISTED);
        }
        Some(Outcome::Finding { title, detail })
    }
}

/// How the inputs of a network file are read: columns and Sun.
pub fn inputs_of(weights: &Weights) -> Result<(Inputs, stages::common::parameters::SunParameters), Error> {
    Ok((weights.json("inputs")?, weights.json("sun")?))
}
