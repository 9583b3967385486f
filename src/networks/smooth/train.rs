//! Training of the smooth map on the spread of its actions along streams; no labels.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::flow::{Flow, mean_rate, rate};
use super::map::{Shape, SmoothMap};
use crate::error::Error;
use crate::isochrone::{Isochrone, floored};
use crate::optimiser::{Decay, Optimiser};
use crate::perceptron::{Inputs, Perceptron};
use crate::random::generator;
use crate::streams::{Streams, ToyPoints, mean};
use crate::training::{EpochRecord, Plan, Task, Watcher, learn};
use crate::weights::{Checkpoint, Weights};

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
    /// Mean deviation of a stream, in the same units, from which on it counts by its logarithm; every stream by its deviation where none is
    /// given. Trapped and chaotic orbits have no sharp actions, and would rule the steps.
    pub saturation: Option<f64>,
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
            saturation: None,
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
    map: SmoothMap,
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
    let mut learning = Set::new(train, flow, &map, kind)?;
    let validation = validation
        .filter(|set| !set.is_empty())
        .map(|set| Set::new(set, None, &map, Kind::Double))
        .transpose()?;
    let start_loss = validation.as_ref().unwrap_or(&learning).spread(&map);
    let working = map.perceptron.working(kind);
    learning.draw(options.stars, options.seed, 0);
    learning.look(&map);
    let plan = Plan {
        rows: train.len(),
        batch: options.batch,
        epochs: options.epochs,
        seed: options.seed,
        optimiser: options.optimiser,
        weight_decay: options.weight_decay,
        clip: options.clip,
        learning_rate: options.learning_rate,
        warm_up: 200,
        decay: Decay::Cosine(1e-3),
        start_loss,
    };
    let parameters = working.parameters();
    let mut task = Spread {
        unit: map.action_scale(),
        map,
        working,
        learning,
        validation,
        options,
    };
    let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
    task.map.perceptron.copy_from(&task.working);
    let rate = task.learning.mean_rate(&task.map);
    Ok(Trained {
        map: task.map,
        history,
        rate,
    })
}

/// The map and the streams along which its actions vary.
struct Spread<'a> {
    map: SmoothMap,
    /// The steps' own weights; in double precision they are those of the map.
    working: Perceptron,
    learning: Set,
    validation: Option<Set>,
    options: &'a Options,
    /// Unit of the loss, km/s kpc: actions of a globular cluster are ten thousand times smaller than those of a galaxy.
    unit: f64,
}

impl Task for Spread<'_> {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let (loss, deviation) = loss(&self.working, &self.learning, batch, self.unit, self.options);
        Ok((loss, deviation * batch.numel() as f64))
    }

    fn measure(&mut self, epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        let train_loss = sum / self.learning.refined.size()[0] as f64;
        let is_last = epoch == self.options.epochs;
        if !epoch.is_multiple_of(self.options.refresh) && !is_last {
            return Ok((train_loss, None));
        }
        let steps = if is_last { 10 } else { 2 };
        self.map.perceptron.copy_from(&self.working);
        self.learning.draw(self.options.stars, self.options.seed, epoch);
        self.learning.refresh(&self.map, steps);
        if let Some(set) = &mut self.validation {
            set.refresh(&self.map, steps);
        }
        let spread = self.validation.as_ref().unwrap_or(&self.learning).spread(&self.map);
        Ok((train_loss, Some(spread)))
    }

    fn save(&self, checkpoint: &mut Weights) {
        checkpoint.insert("refined.train", &self.learning.refined);
        if let Some(set) = &self.validation {
            checkpoint.insert("refined.validation", &set.refined);
        }
    }

    fn restore(&mut self, checkpoint: &Weights, epochs: usize) -> Result<(), Error> {
        let device = self.learning.refined.device();
        let drawn = epochs - epochs % self.options.refresh;
        self.learning.draw(self.options.stars, self.options.seed, drawn);
        self.learning.refined = checkpoint.tensor("refined.train")?.to_device(device);
        self.learning.look(&self.map);
        if let Some(set) = &mut self.validation {
            set.refined = checkpoint.tensor("refined.validation")?.to_device(device);
        }
        Ok(())
    }
}

/// s ⟨ln(1 + d/s)⟩ over the streams, d being the mean absolute deviation of each and s the saturation.
fn saturated(deviation: Tensor, weights: &Tensor, saturation: f64) -> Tensor {
    let kind = deviation.kind();
    let over = |values: &Tensor| values.sum_dim_intlist([-2, -1].as_slice(), false, kind);
    let each = over(&(deviation.abs() * weights)) / (over(weights) * 3.0);
    (each / saturation).log1p().mean(kind) * saturation
}

/// The loss of the streams `batch`, in units of `unit`, and their mean absolute deviation, km/s kpc.
fn loss(network: &Perceptron, set: &Set, batch: &Tensor, unit: f64, options: &Options) -> (Tensor, f64) {
    let pick = |tensor: &Tensor| tensor.index_select(0, batch);
    let kind = set.kind;
    let weights = pick(&set.points.weights).to_kind(kind);
    let count = weights.sum(kind) * 3.0;
    let size = |deviation: &Tensor| {
        let robust = ((deviation / (options.robust * unit)).square() + 1.0).sqrt() - 1.0;
        (robust * &weights).sum(kind) * options.robust / &count
    };
    let total = |deviation: &Tensor| match options.saturation {
        None => size(deviation),
        Some(saturation) => saturated(deviation / unit, &weights, saturation),
    };
    let actions = pick(&set.deviations) - network.slope(&set.inputs.each(&pick));
    let deviation = &actions - mean(&actions, &weights);
    let mut loss = total(&deviation);
    if let Some(flow) = &set.flow {
        let slopes = flow.inputs.each_ref().map(|inputs| network.slope(&inputs.each(&pick)));
        loss += size(&(pick(&flow.rate) - rate(&slopes))) * flow.weight;
    }
    let mean = ((deviation.detach().abs() * weights).sum(kind) / count).double_value(&[]);
    (loss, mean)
}
