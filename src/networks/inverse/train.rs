//! Supervised training of the inverse.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Examples, Form, InverseModel};
use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::optimiser::{Decay, Optimiser};
use crate::paper::layers::Dropout;
use crate::training::{EpochRecord, Plan, Task, Watcher, learn};
use crate::weights::Checkpoint;

/// Stars with both sets of coordinates, (stars, 3) each.
#[derive(Debug)]
pub struct Pairs {
    /// θ'', radians.
    pub theta: Tensor,
    /// J'', km/s kpc.
    pub action: Tensor,
    /// Positions, kpc.
    pub x: Tensor,
    /// Velocities, km/s.
    pub v: Tensor,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Architecture.
    pub form: Form,
    /// Passes over the training stars.
    pub epochs: usize,
    /// Stars in one step.
    pub batch: usize,
    /// Learning rate at its highest.
    pub learning_rate: f64,
    /// Seed of weights, batches and dropout.
    pub seed: u64,
}

impl Options {
    /// What works well for an architecture and a number of training stars.
    pub fn for_stars(form: Form, stars: usize) -> Self {
        match form {
            // About four thousand steps.
            Form::Smooth { .. } => {
                let batch = (stars / 16).clamp(16, 512);
                Self {
                    form,
                    epochs: 250,
                    batch,
                    learning_rate: 2e-2,
                    seed: 1,
                }
            }
            Form::Paper { .. } => Self {
                form,
                epochs: 1024,
                batch: 4096,
                learning_rate: 1e-4,
                seed: 1,
            },
        }
    }
}

/// A trained inverse.
#[derive(Debug)]
pub struct Trained {
    /// The inverse of the epoch with the smallest validation loss.
    pub model: InverseModel,
    /// One record an epoch; losses are mean absolute errors over the network's scaled outputs.
    pub history: Vec<EpochRecord>,
}

/// Trains an inverse on `train`; the epoch that is best on `validation` (or on `train` without one) is kept.
///
/// Interrupted by the watcher, it saves a checkpoint and returns [`Error::Stopped`]; called again with the same
/// arguments, it goes on, and ends with the same bytes as without the interruption.
pub fn train(
    toy: &Isochrone,
    train: &Pairs,
    validation: Option<&Pairs>,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    let stars = train.x.size()[0] as usize;
    if stars < 2 {
        return Err(Error::Data("training needs at least two stars".to_owned()));
    }
    let model = InverseModel::new(toy.clone(), options.form, &train.theta, &train.action, options.seed);
    let examples = |pairs: &Pairs| model.examples(&pairs.theta, &pairs.action, &pairs.x, &pairs.v);
    let learning = examples(train)?;
    let validation = validation
        .filter(|pairs| pairs.x.size()[0] > 0)
        .map(examples)
        .transpose()?;
    let (optimiser, warm_up, decay) = match options.form {
        Form::Smooth { .. } => (Optimiser::Soap, 200, Decay::Cosine(1e-3)),
        Form::Paper { .. } => (Optimiser::Adam, 0, Decay::Constant),
    };
    let plan = Plan {
        rows: stars,
        batch: options.batch,
        epochs: options.epochs,
        seed: options.seed,
        optimiser,
        weight_decay: 0.0,
        clip: 1.0,
        learning_rate: options.learning_rate,
        warm_up,
        decay,
        start_loss: f64::INFINITY,
    };
    let parameters = model.parameters();
    let mut task = Places {
        stars,
        model,
        learning,
        validation,
    };
    let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
    Ok(Trained {
        model: task.model,
        history,
    })
}

/// Error (scaled units) at which the loss passes from square to absolute.
const ROBUST: f64 = 1e-4;

/// The model and the stars that it learns from.
struct Places {
    model: InverseModel,
    learning: Examples,
    validation: Option<Examples>,
    stars: usize,
}

impl Task for Places {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let examples = self.learning.pick(batch);
        let error = self.model.answer(&examples, Dropout::Drawn) - &examples.targets;
        let loss = ((&error / ROBUST).square() + 1.0).sqrt().mean(Kind::Double) * ROBUST;
        let mean = error.detach().abs().mean(Kind::Double).double_value(&[]);
        Ok((loss, mean * batch.numel() as f64))
    }

    fn measure(&mut self, _epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        let train_loss = sum / self.stars as f64;
        let validation_loss = self.validation.as_ref().map_or(train_loss, |examples| {
            let error = tch::no_grad(|| self.model.answer(examples, Dropout::Off) - &examples.targets);
            error.abs().mean(Kind::Double).double_value(&[])
        });
        Ok((train_loss, Some(validation_loss)))
    }
}
