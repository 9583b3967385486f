//! Training of the smooth map on the spread of its actions along streams; no labels.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::flow::{Flow, mean_rate, rate};
use super::map::{Shape, SmoothMap};
use crate::error::Error;
use crate::isochrone::{Isochrone, floored};
use crate::optimiser::{Optimiser, Schedule};
use crate::perceptron::{Inputs, Perceptron};
use crate::random::{generator, shuffled};
use crate::streams::{Streams, ToyPoints, mean};
use crate::training::{EpochRecord, State, Watcher};
use crate::weights::Checkpoint;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Form of G.
    pub shape: Shape,
    /// Passes over the training streams.
    pub epochs: usize,
    /// Streams in one step.
    pub batch: usize,
    /// Which optimiser takes the steps.
    pub optimiser: Optimiser,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient, in units of the data's actions: median distance times median speed.
    pub clip: f64,
    /// Deviation at which the loss passes from square to absolute, in the same units. Absolute deviations, far below any that are
    /// left, are learned best: 5e-4 gives three times the errors, in the median and by the worst streams.
    pub robust: f64,
    /// Epochs between two refreshes of J', which are also when the validation set is looked at.
    pub refresh: usize,
    /// How many stars of each stream are looked at between two refreshes, drawn anew each time; all where none is given.
    pub stars: Option<usize>,
    /// Whether the steps are taken in single precision (about three times faster; J' and losses stay double).
    pub single: bool,
    /// Seed of weights and batches.
    pub seed: u64,
}

impl Options {
    /// What works well for a training set of `streams` streams.
    pub fn for_streams(streams: usize) -> Self {
        // A step costs as much as its batch is large, so small sets get small batches; about 2000 steps are enough.
        let batch = (streams / 8).clamp(8, 64);
        let epochs = (2000 / streams.div_ceil(batch).max(1)).clamp(60, 400);
        Self {
            shape: Shape::default(),
            epochs,
            batch,
            optimiser: Optimiser::Soap,
            learning_rate: 1e-2,
            weight_decay: 1e-4,
            clip: 0.025,
            robust: 2e-6,
            refresh: 10,
            stars: None,
            single: true,
            seed: 1,
        }
    }

    /// What works well with `streams` synthetic streams of many stars each.
    pub fn for_synthetic(streams: usize) -> Self {
        Self {
            shape: Shape {
                width: 96,
                ..Shape::default()
            },
            epochs: 60,
            stars: Some(12),
            ..Self::for_streams(streams)
        }
    }
}

/// A trained map.
#[derive(Debug)]
pub struct Trained {
    /// The map of the epoch with the smallest spread on the validation set.
    pub map: SmoothMap,
    /// One record an epoch; losses are mean absolute deviations, km/s kpc.
    pub history: Vec<EpochRecord>,
    /// With a flow: the mean |dJ'/dt| of the training stars at the end, km/s kpc per radian of radial phase.
    pub rate: Option<f64>,
}

/// What is known of one set of streams during training.
struct Set {
    /// All stars.
    all: ToyPoints,
    /// Those looked at.
    points: ToyPoints,
    refined: Tensor,
    /// Features of the stars looked at and their toy actions less the stream's mean, in the steps' precision.
    inputs: Inputs,
    deviations: Tensor,
    kind: Kind,
    flow: Option<Moved>,
}

/// The stars of a set before and after on their orbits.
struct Moved {
    weight: f64,
    all: [ToyPoints; 2],
    points: [ToyPoints; 2],
    inputs: [Inputs; 2],
    /// dJ/dt of the toy actions.
    rate: Tensor,
}

impl Set {
    fn new(streams: &Streams, flow: Option<&Flow>, map: &SmoothMap, kind: Kind) -> Result<Self, Error> {
        let all = streams.toy_points(&map.toy)?;
        let points = streams.toy_points(&map.toy)?;
        let refined = floored(&points.mean(&points.actions));
        let inputs = || map.inputs(&points.angles, &refined.expand_as(&points.actions));
        let moved = |flow: &Flow| -> Result<Moved, Error> {
            Ok(Moved {
                weight: flow.weight,
                all: flow.toy_points(&map.toy)?,
                points: flow.toy_points(&map.toy)?,
                inputs: [inputs(), inputs()],
                rate: points.actions.shallow_clone(),
            })
        };
        let mut set = Self {
            inputs: inputs(),
            deviations: points.actions.shallow_clone(),
            flow: flow.map(moved).transpose()?,
            all,
            points,
            refined,
            kind,
        };
        set.look(map);
        Ok(set)
    }

    /// Draws `stars` stars of each stream; the draw depends on the seed and the epoch only.
    fn draw(&mut self, stars: Option<usize>, seed: u64, epoch: usize) {
        use rand::Rng;
        let size = self.all.weights.size();
        let Some(stars) = stars.filter(|&stars| (stars as i64) < size[1]) else {
            return;
        };
        let mut random = generator(seed, "stars", epoch as u64);
        let keys: Vec<f64> = (0..size[0] * size[1]).map(|_| random.random()).collect();
        let keys = Tensor::from_slice(&keys)
            .view(size.as_slice())
            .to_device(self.all.weights.device());
        // Fillers come last.
        let order = (keys - &self.all.weights).argsort(1, false).narrow(1, 0, stars as i64);
        let pick = |values: &Tensor| values.gather(1, &order.expand([-1, -1, values.size()[2]], false), false);
        self.points = self.all.each(&pick);
        if let Some(flow) = &mut self.flow {
            flow.points = flow.all.each_ref().map(|points| points.each(&pick));
        }
    }

    fn look(&mut self, map: &SmoothMap) {
        let kind = |tensor: &Tensor| tensor.to_kind(self.kind);
        let refined = self.refined.expand_as(&self.points.actions);
        let inputs = |points: &ToyPoints| map.inputs(&points.angles, &refined).each(&kind);
        self.deviations = kind(&(&self.points.actions - self.points.mean(&self.points.actions)));
        self.inputs = inputs(&self.points);
        if let Some(flow) = &mut self.flow {
            flow.inputs = flow.points.each_ref().map(inputs);
            flow.rate = kind(&rate(
                &flow.points.each_ref().map(|points| points.actions.shallow_clone()),
            ));
        }
    }

    /// The mean |dJ'/dt| of the stars looked at.
    fn mean_rate(&self, map: &SmoothMap) -> Option<f64> {
        let flow = self.flow.as_ref()?;
        let refined = self.refined.expand_as(&self.points.actions);
        let actions = |points: &ToyPoints| tch::no_grad(|| &points.actions - map.slope(&points.angles, &refined));
        Some(mean_rate(&flow.points.each_ref().map(actions), &self.points.weights))
    }

    fn refresh(&mut self, map: &SmoothMap, steps: usize) {
        for _ in 0..steps {
            self.refined = map.refine(&self.points, &self.refined, 0.7);
        }
        self.look(map);
    }

    fn spread(&self, map: &SmoothMap) -> f64 {
        tch::no_grad(|| {
            let slope = map.slope(&self.points.angles, &self.refined.expand_as(&self.points.actions));
            self.points.spread(&(&self.points.actions - slope)).double_value(&[])
        })
    }
}

/// Trains a map from `train`; the epoch that is best on `validation` (or on `train` without one) is kept.
///
/// Interrupted by the watcher, it saves a checkpoint and returns [`Error::Stopped`]; called again with the same
/// arguments, it goes on, and ends with the same bytes as without the interruption.
pub fn train(
    train: &Streams,
    validation: Option<&Streams>,
    toy: &Isochrone,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    let map = SmoothMap::new(toy.clone(), options.shape, &train.x, &train.v, options.seed)?;
    train_from(map, train, None, validation, options, checkpoint, watcher)
}

/// [`train`], going on from `map` with its toy and its features; its shape must be that of `options`. With a `flow` of the training
/// stars, mean |dJ/dt| counts besides their spread.
pub fn train_from(
    mut map: SmoothMap,
    train: &Streams,
    flow: Option<&Flow>,
    validation: Option<&Streams>,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    if train.is_empty() || train.weights.size()[1] < 2 {
        return Err(Error::Data(
            "training needs at least one stream of at least two stars".to_owned(),
        ));
    }
    if map.shape != options.shape {
        return Err(Error::Data(format!(
            "the network to start from has {:?}, not {:?}",
            map.shape, options.shape
        )));
    }
    let kind = if options.single { Kind::Float } else { Kind::Double };
    // Actions of a globular cluster are ten thousand times smaller than those of a galaxy.
    let unit = map.action_scale();
    let mut learning = Set::new(train, flow, &map, kind)?;
    let mut held_out = validation
        .filter(|set| !set.is_empty())
        .map(|set| Set::new(set, None, &map, Kind::Double))
        .transpose()?;
    let start_loss = held_out.as_ref().unwrap_or(&learning).spread(&map);
    // The steps' own parameters; in double precision they are those of the map.
    let working = map.perceptron.working(kind);
    let mut state = State::with(
        options.optimiser,
        &working.parameters(),
        options.weight_decay,
        start_loss,
    );
    learning.draw(options.stars, options.seed, 0);
    learning.look(&map);
    checkpoint.resume(watcher, |saved| {
        state.restore(saved)?;
        let device = train.x.device();
        let done = state.next_epoch() - 1;
        learning.draw(options.stars, options.seed, done - done % options.refresh);
        learning.refined = saved.tensor("refined.train")?.to_device(device);
        learning.look(&map);
        if let Some(set) = &mut held_out {
            set.refined = saved.tensor("refined.validation")?.to_device(device);
        }
        Ok(())
    })?;

    let steps_per_epoch = train.len().div_ceil(options.batch);
    let total = steps_per_epoch * options.epochs;
    let schedule = Schedule::cosine(options.learning_rate, 200, total, 1e-3);
    for epoch in state.next_epoch()..=options.epochs {
        let mut random = generator(options.seed, "batches", epoch as u64);
        let order = Tensor::from_slice(&shuffled(train.len(), &mut random)).to_device(train.x.device());
        let mut loss = 0.0;
        for batch in order.split(options.batch as i64, 0) {
            loss += step(&working, &mut state, &learning, &batch, unit, options, &schedule)? * batch.numel() as f64;
        }
        let is_last = epoch == options.epochs;
        let mut validation_loss = state.last_loss();
        let mut best = false;
        if epoch.is_multiple_of(options.refresh) || is_last {
            let steps = if is_last { 10 } else { 2 };
            map.perceptron.copy_from(&working);
            learning.draw(options.stars, options.seed, epoch);
            learning.refresh(&map, steps);
            if let Some(set) = &mut held_out {
                set.refresh(&map, steps);
            }
            validation_loss = held_out.as_ref().unwrap_or(&learning).spread(&map);
            best = state.keep_if_best(epoch, validation_loss)?;
        }
        let record = EpochRecord {
            epoch,
            train_loss: loss / train.len() as f64,
            validation_loss,
            learning_rate: schedule.rate(epoch * steps_per_epoch - 1),
            seconds: 0.0,
            best,
        };
        state.record(record, options.epochs, checkpoint, watcher, |weights| {
            weights.insert("refined.train", &learning.refined);
            if let Some(set) = &held_out {
                weights.insert("refined.validation", &set.refined);
            }
        })?;
    }
    let history = state.into_best();
    map.perceptron.copy_from(&working);
    let rate = learning.mean_rate(&map);
    Ok(Trained { map, history, rate })
}

/// One step on the streams `batch`; gives their mean absolute deviation, km/s kpc. The loss is in units of `unit`.
fn step(
    network: &Perceptron,
    state: &mut State,
    set: &Set,
    batch: &Tensor,
    unit: f64,
    options: &Options,
    schedule: &Schedule,
) -> Result<f64, Error> {
    let pick = |tensor: &Tensor| tensor.index_select(0, batch);
    let kind = set.kind;
    let weights = pick(&set.points.weights).to_kind(kind);
    let count = weights.sum(kind) * 3.0;
    let size = |deviation: &Tensor| {
        let robust = ((deviation / (options.robust * unit)).square() + 1.0).sqrt() - 1.0;
        (robust * &weights).sum(kind) * options.robust / &count
    };
    let actions = pick(&set.deviations) - network.slope(&set.inputs.each(&pick));
    let deviation = &actions - mean(&actions, &weights);
    let mut loss = size(&deviation);
    if let Some(flow) = &set.flow {
        let slopes = flow.inputs.each_ref().map(|inputs| network.slope(&inputs.each(&pick)));
        loss += size(&(pick(&flow.rate) - rate(&slopes))) * flow.weight;
    }
    state.descend(&loss, options.clip, schedule)?;
    Ok(((deviation.detach().abs() * weights).sum(kind) / count).double_value(&[]))
}
