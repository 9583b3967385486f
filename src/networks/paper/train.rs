//! Training of the paper's networks: the spread of J'' along streams, positive J_z'' and J_r'', and the angles' zero point.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::map::{ACTION_UNIT, Architecture, Evaluation, Image, PreparedMap};
use super::model::PaperModel;
use crate::error::Error;
use crate::optimiser::Schedule;
use crate::random::{generator, shuffled};
use crate::streams::{Streams, ToyPoints};
use crate::training::{EpochRecord, State, Watcher};
use crate::weights::Checkpoint;

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Ibata et al. (2021), Eq. 12, in the network's units: spread + positivity (Eq. 13) + 0.1 zero point of the angles.
    Full,
    /// Eq. 19: the spread alone; reported in km/s kpc.
    Spread,
}

/// Weight of the angles' zero point in Eq. 12.
const ALPHA_1: f64 = 0.1;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Size of the networks.
    pub architecture: Architecture,
    /// What is minimised.
    pub loss: Loss,
    /// How J' is found and G evaluated.
    pub evaluation: Evaluation,
    /// Passes over the training streams.
    pub epochs: usize,
    /// Streams in one step. The authors' tensors are (batch, stars, 3), so their 512 counts streams, not stars.
    pub batch: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Seed of weights, batches and dropout.
    pub seed: u64,
}

impl Default for Options {
    /// The paper's choices (section 6), except for repeated evaluations.
    fn default() -> Self {
        Self {
            architecture: Architecture::PAPER,
            loss: Loss::Full,
            evaluation: Evaluation::FAST,
            epochs: 1024,
            batch: 512,
            learning_rate: 1e-4,
            seed: 1,
        }
    }
}

/// A trained model.
#[derive(Debug)]
pub struct Trained {
    /// The model of the epoch with the smallest validation loss.
    pub model: PaperModel,
    /// One record an epoch.
    pub history: Vec<EpochRecord>,
}

/// One set of streams in training.
struct Set<'a> {
    streams: &'a Streams,
    /// Toy points, where the toy is fixed.
    fixed: Option<ToyPoints>,
    /// J' of each stream in the last epoch that used it.
    means: Tensor,
}

impl<'a> Set<'a> {
    fn new(streams: &'a Streams, model: &PaperModel) -> Result<Self, Error> {
        let points = model.fixed_points(streams)?;
        let means = points.mean(&points.actions).squeeze_dim(1);
        Ok(Self {
            streams,
            fixed: (!model.is_free()).then_some(points),
            means,
        })
    }

    fn points(&self, model: &PaperModel, picked: &Tensor) -> Result<ToyPoints, Error> {
        if let Some(points) = &self.fixed {
            return Ok(points.pick(picked));
        }
        let pick = |tensor: &Tensor| tensor.index_select(0, picked);
        model.toy_points(
            &pick(&self.streams.x),
            &pick(&self.streams.v),
            &pick(&self.streams.weights),
        )
    }

    /// J' and images of some streams, from their last J' where that is asked for.
    fn image(
        &mut self,
        map: &PreparedMap,
        points: &ToyPoints,
        picked: &Tensor,
        evaluation: &Evaluation,
    ) -> (Tensor, Image) {
        let start = evaluation.warm.then(|| self.means.index_select(0, picked));
        let (mean, _) = map.mean_actions(points, start.as_ref(), evaluation);
        let _ = self.means.index_copy_(0, picked, &mean);
        let image = map.image(points, &mean, evaluation);
        (mean, image)
    }
}

/// The loss of some streams: (what is minimised, what is reported).
///
/// **Source** Ibata et al. (2021), Eq. 12, 13 and 19
pub fn loss(map: &PreparedMap, points: &ToyPoints, image: &Image, mean: &Tensor, kind: Loss) -> (Tensor, f64) {
    let spread = points.spread(&image.action);
    if kind == Loss::Spread {
        let reported = spread.double_value(&[]) * ACTION_UNIT;
        return (spread, reported);
    }
    // Eq. 13 is a sum of two means, average() is their mean.
    let vertical_and_radial = image.action.narrow(-1, 1, 2);
    let negative = points.average(&(&vertical_and_radial - vertical_and_radial.abs()).abs()) * 2.0;
    let zero = map.angles_at_zero(mean);
    let turn = std::f64::consts::TAU;
    let zero = (&zero - (&zero.detach() / turn).round() * turn)
        .abs()
        .mean(Kind::Double);
    let total = spread + negative + zero * ALPHA_1;
    let reported = total.double_value(&[]);
    (total, reported)
}

/// Trains a model from `train`; the epoch that is best on `validation` (or on `train` without one) is kept.
///
/// `start` gives the initial model where one exists, such as the result of another training. Interrupted by the watcher, it
/// saves a checkpoint and returns [`Error::Stopped`]; called again with the same arguments, it goes on, and ends with the
/// same bytes as without the interruption.
///
/// **Fails when** a point is unbound in the toy, or the loss is not finite.
pub fn train(
    train: &Streams,
    validation: Option<&Streams>,
    start: PaperModel,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    if train.is_empty() {
        return Err(Error::Data("training needs at least one stream".to_owned()));
    }
    let mut learning = Set::new(train, &start)?;
    let mut held_out = validation
        .filter(|set| !set.is_empty())
        .map(|set| Set::new(set, &start))
        .transpose()?;
    let model = start;
    let mut state = State::new(&model.parameters(), 0.0, f64::INFINITY);
    checkpoint.resume(watcher, |saved| {
        state.restore(saved)?;
        for (name, set) in [
            ("means.train", Some(&mut learning)),
            ("means.validation", held_out.as_mut()),
        ] {
            if let Some(set) = set {
                set.means = saved.tensor(name)?.to_device(set.means.device());
            }
        }
        Ok(())
    })?;
    let steps_per_epoch = train.len().div_ceil(options.batch);
    let schedule = Schedule::constant(options.learning_rate, steps_per_epoch * options.epochs);
    for epoch in state.next_epoch()..=options.epochs {
        let mut random = generator(options.seed, "batches", epoch as u64);
        let order = Tensor::from_slice(&shuffled(train.len(), &mut random)).to_device(train.x.device());
        // Dropout masks come from libtorch's own generator, set anew each epoch so that an interruption changes nothing.
        tch::manual_seed((options.seed as i64).wrapping_mul(1_000_003).wrapping_add(epoch as i64));
        let mut train_loss = 0.0;
        for batch in order.split(options.batch as i64, 0) {
            let value = step(&model, &mut state, &mut learning, &batch, options, &schedule)?;
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    what: format!("the training loss of epoch {epoch}"),
                });
            }
            train_loss += value * batch.numel() as f64 / train.len() as f64;
        }
        let validation_loss = match &mut held_out {
            Some(set) => measure(&model, set, options)?,
            None => train_loss,
        };
        let record = state.measured(epoch, train_loss, validation_loss, options.learning_rate)?;
        state.record(record, options.epochs, checkpoint, watcher, |weights| {
            weights.insert("means.train", &learning.means);
            if let Some(set) = &held_out {
                weights.insert("means.validation", &set.means);
            }
        })?;
    }
    let history = state.into_best();
    Ok(Trained { model, history })
}

fn step(
    model: &PaperModel,
    state: &mut State,
    set: &mut Set,
    batch: &Tensor,
    options: &Options,
    schedule: &Schedule,
) -> Result<f64, Error> {
    let points = set.points(model, batch)?;
    let map = model.map.prepare();
    let (mean, image) = set.image(&map, &points, batch, &options.evaluation);
    let (total, reported) = loss(&map, &points, &image, &mean, options.loss);
    state.descend(&total, f64::INFINITY, schedule)?;
    Ok(reported)
}

/// The loss of a set without dropout.
fn measure(model: &PaperModel, set: &mut Set, options: &Options) -> Result<f64, Error> {
    let map = model.map.frozen();
    let count = set.streams.len();
    let order = Tensor::arange(count as i64, (Kind::Int64, set.streams.x.device()));
    let mut sum = 0.0;
    for batch in order.split(options.batch as i64, 0) {
        let points = tch::no_grad(|| set.points(model, &batch))?;
        let (mean, image) = set.image(&map, &points, &batch, &options.evaluation);
        let (_, reported) = loss(&map, &points, &image, &mean, options.loss);
        sum += reported * batch.numel() as f64 / count as f64;
    }
    Ok(sum)
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
