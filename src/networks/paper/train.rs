//! Training of the paper's networks: the spread of J'' along streams, positive J_z'' and J_r'', and the angles' zero point.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::map::{ACTION_UNIT, Architecture, Evaluation, Image, PreparedMap};
use super::model::PaperModel;
use crate::error::Error;
use crate::optimiser::{Decay, Optimiser};
use crate::streams::{Streams, ToyPoints};
use crate::training::{EpochRecord, Plan, Task, Watcher, learn};
use crate::weights::{Checkpoint, Weights};

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

    fn restore(&mut self, means: &Tensor) {
        self.means = means.to_device(self.means.device());
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
    let learning = Set::new(train, &start)?;
    let validation = validation
        .filter(|set| !set.is_empty())
        .map(|set| Set::new(set, &start))
        .transpose()?;
    let plan = Plan {
        rows: train.len(),
        batch: options.batch,
        epochs: options.epochs,
        seed: options.seed,
        optimiser: Optimiser::Adam,
        weight_decay: 0.0,
        clip: f64::INFINITY,
        learning_rate: options.learning_rate,
        warm_up: 0,
        decay: Decay::Constant,
        start_loss: f64::INFINITY,
    };
    let parameters = start.parameters();
    let mut task = Images {
        model: start,
        learning,
        validation,
        options,
    };
    let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
    Ok(Trained {
        model: task.model,
        history,
    })
}

/// The model and the streams that it learns from.
struct Images<'a> {
    model: PaperModel,
    learning: Set<'a>,
    validation: Option<Set<'a>>,
    options: &'a Options,
}

impl Task for Images<'_> {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let points = self.learning.points(&self.model, batch)?;
        let map = self.model.map.prepare();
        let (mean, image) = self.learning.image(&map, &points, batch, &self.options.evaluation);
        let (total, reported) = loss(&map, &points, &image, &mean, self.options.loss);
        Ok((
            total,
            reported * batch.numel() as f64 / self.learning.streams.len() as f64,
        ))
    }

    fn measure(&mut self, _epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        let validation = self.validation.as_mut();
        let measured = validation.map(|set| measure(&self.model, set, self.options));
        Ok((sum, Some(measured.transpose()?.unwrap_or(sum))))
    }

    fn save(&self, checkpoint: &mut Weights) {
        checkpoint.insert("means.train", &self.learning.means);
        if let Some(set) = &self.validation {
            checkpoint.insert("means.validation", &set.means);
        }
    }

    fn restore(&mut self, checkpoint: &Weights, _epochs: usize) -> Result<(), Error> {
        self.learning.restore(checkpoint.tensor("means.train")?);
        if let Some(set) = &mut self.validation {
            set.restore(checkpoint.tensor("means.validation")?);
        }
        Ok(())
    }
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
