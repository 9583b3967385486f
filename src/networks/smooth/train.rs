//! Training of the smooth map on the spread of its actions along streams; no labels.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::features::Sight;
use super::map::{Shape, SmoothMap, Streams, ToyPoints, floored, mean};
use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::training::{Adam, Decay, EpochRecord, Schedule, Watcher, clip_gradients, generator, shuffled};
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
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient.
    pub clip: f64,
    /// Deviation (km/s kpc) at which the loss passes from square to absolute.
    pub robust: f64,
    /// Epochs between two refreshes of J', which are also when the validation set is looked at.
    pub refresh: usize,
    /// Seed of weights and batches.
    pub seed: u64,
}

impl Options {
    /// What works well for a training set of `streams` streams.
    pub fn for_streams(streams: usize) -> Self {
        // A step costs as much as its batch is large, so small sets get small batches; about 3600 steps are enough.
        let batch = (streams / 8).clamp(8, 64);
        let epochs = (3600 / streams.div_ceil(batch).max(1)).clamp(100, 800);
        Self {
            shape: Shape::default(),
            epochs,
            batch,
            learning_rate: 4e-3,
            weight_decay: 1e-4,
            clip: 50.0,
            robust: 1.0,
            refresh: 10,
            seed: 1,
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
}

/// What is known of one set of streams during training.
struct Set {
    points: ToyPoints,
    refined: Tensor,
    sight: Sight,
}

impl Set {
    fn new(streams: &Streams, map: &SmoothMap) -> Result<Self, Error> {
        let points = streams.toy_points(&map.toy)?;
        let refined = floored(&points.mean(&points.actions));
        let sight = map.look(&points.angles, &refined.expand_as(&points.actions));
        Ok(Self { points, refined, sight })
    }

    fn place(&mut self, map: &SmoothMap, refined: Tensor) {
        self.sight = map.look(&self.points.angles, &refined.expand_as(&self.points.actions));
        self.refined = refined;
    }

    fn refresh(&mut self, map: &SmoothMap, steps: usize) {
        let mut refined = self.refined.shallow_clone();
        for _ in 0..steps {
            refined = map.refine(&self.points, &refined, 0.7);
        }
        self.place(map, refined);
    }

    fn spread(&self, map: &SmoothMap) -> f64 {
        tch::no_grad(|| self.points.spread(&(&self.points.actions - map.slope(&self.sight))))
    }
}

/// Everything that changes from epoch to epoch.
struct State {
    map: SmoothMap,
    adam: Adam,
    best: Vec<Tensor>,
    best_loss: f64,
    history: Vec<EpochRecord>,
    seconds_before: f64,
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
    if train.is_empty() || train.weights.size()[1] < 2 {
        return Err(Error::Data(
            "training needs at least one stream of at least two stars".to_owned(),
        ));
    }
    let begin = Instant::now();
    let map = SmoothMap::new(toy.clone(), options.shape, &train.x, &train.v, options.seed)?;
    let mut learning = Set::new(train, &map)?;
    let mut held_out = validation
        .filter(|set| !set.is_empty())
        .map(|set| Set::new(set, &map))
        .transpose()?;
    let start_loss = held_out.as_ref().unwrap_or(&learning).spread(&map);
    let adam = Adam::new(&map.parameters, options.weight_decay);
    let best = copies(&map.parameters);
    let mut state = State {
        map,
        adam,
        best,
        best_loss: start_loss,
        history: Vec::new(),
        seconds_before: 0.0,
    };
    if let Some(saved) = checkpoint.load()? {
        state.restore(&saved, &mut learning, held_out.as_mut())?;
    }

    let steps_per_epoch = train.len().div_ceil(options.batch);
    let total = steps_per_epoch * options.epochs;
    let schedule = Schedule {
        peak: options.learning_rate,
        warm_up: 200.min(total / 10),
        total,
        decay: Decay::Cosine(1e-3),
    };
    for epoch in state.history.len() + 1..=options.epochs {
        let mut random = generator(options.seed, "batches", epoch as u64);
        let order = Tensor::from_slice(&shuffled(train.len(), &mut random)).to_device(train.x.device());
        let mut loss = 0.0;
        for batch in order.split(options.batch as i64, 0) {
            loss += state.step(&learning, &batch, options, &schedule)? * batch.numel() as f64;
        }
        let is_last = epoch == options.epochs;
        let mut validation_loss = state.history.last().map_or(start_loss, |record| record.validation_loss);
        let mut is_best = false;
        if epoch.is_multiple_of(options.refresh) || is_last {
            let steps = if is_last { 10 } else { 2 };
            learning.refresh(&state.map, steps);
            if let Some(set) = &mut held_out {
                set.refresh(&state.map, steps);
            }
            validation_loss = held_out.as_ref().unwrap_or(&learning).spread(&state.map);
            if !validation_loss.is_finite() {
                return Err(Error::NotFinite {
                    what: format!("the validation loss of epoch {epoch}"),
                });
            }
            is_best = validation_loss < state.best_loss;
            if is_best {
                state.best_loss = validation_loss;
                state.best = copies(&state.map.parameters);
            }
        }
        let record = EpochRecord {
            epoch,
            train_loss: loss / train.len() as f64,
            validation_loss,
            learning_rate: schedule.rate(epoch * steps_per_epoch - 1),
            seconds: state.seconds_before + begin.elapsed().as_secs_f64(),
            best: is_best,
        };
        state.history.push(record);
        watcher.epoch(&record, options.epochs);
        let stop = watcher.stop() && !is_last;
        if stop || checkpoint.is_due() {
            checkpoint.save(&state.to_weights(&learning, held_out.as_ref())?)?;
        }
        if stop {
            return Err(Error::Stopped { epochs: epoch });
        }
    }
    let mut map = state.map;
    map.parameters = state.best;
    Ok(Trained {
        map,
        history: state.history,
    })
}

impl State {
    /// One step on the streams `batch`; gives their mean absolute deviation.
    fn step(&mut self, set: &Set, batch: &Tensor, options: &Options, schedule: &Schedule) -> Result<f64, Error> {
        let pick = |tensor: &Tensor| tensor.index_select(0, batch);
        let sight = Sight {
            values: pick(&set.sight.values),
            tangents: set.sight.tangents.as_ref().map(pick),
            factors: pick(&set.sight.factors),
            factor_tangents: set.sight.factor_tangents.as_ref().map(pick),
        };
        let weights = pick(&set.points.weights);
        let actions = pick(&set.points.actions) - self.map.slope(&sight);
        let deviation = &actions - mean(&actions, &weights);
        let robust = ((&deviation / options.robust).square() + 1.0).sqrt() - 1.0;
        let count = weights.sum(Kind::Double) * 3.0;
        let loss = (robust * &weights).sum(Kind::Double) * options.robust / &count;
        loss.backward();
        clip_gradients(&self.map.parameters, options.clip)?;
        let rate = schedule.rate(self.adam.steps as usize);
        self.adam.step(&mut self.map.parameters, rate);
        Ok(((deviation.detach().abs() * weights).sum(Kind::Double) / count).double_value(&[]))
    }

    fn to_weights(&self, train: &Set, validation: Option<&Set>) -> Result<Weights, Error> {
        let mut weights = self.map.to_weights()?;
        weights.insert_list("best", &self.best);
        weights.insert_list("first", &self.adam.first);
        weights.insert_list("second", &self.adam.second);
        weights.insert("refined.train", &train.refined);
        if let Some(validation) = validation {
            weights.insert("refined.validation", &validation.refined);
        }
        weights.insert_json("steps", &self.adam.steps)?;
        weights.insert_json("best_loss", &self.best_loss)?;
        weights.insert_json("history", &self.history)?;
        Ok(weights)
    }

    fn restore(&mut self, saved: &Weights, train: &mut Set, validation: Option<&mut Set>) -> Result<(), Error> {
        let device = train.refined.device();
        saved.copy_list("parameters", &mut self.map.parameters)?;
        saved.copy_list("best", &mut self.best)?;
        saved.copy_list("first", &mut self.adam.first)?;
        saved.copy_list("second", &mut self.adam.second)?;
        self.adam.steps = saved.json("steps")?;
        self.best_loss = saved.json("best_loss")?;
        self.history = saved.json("history")?;
        self.seconds_before = self.history.last().map_or(0.0, |record| record.seconds);
        train.place(&self.map, saved.tensor("refined.train")?.to_device(device));
        if let Some(validation) = validation {
            validation.place(&self.map, saved.tensor("refined.validation")?.to_device(device));
        }
        Ok(())
    }
}

fn copies(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors
        .iter()
        .map(|tensor| tensor.detach().copy().set_requires_grad(true))
        .collect()
}
