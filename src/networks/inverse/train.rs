//! Supervised training of the inverse.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Examples, Form, InverseModel};
use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::optimiser::{Optimiser, Schedule};
use crate::paper::layers::Dropout;
use crate::random::{generator, shuffled};
use crate::training::{EpochRecord, State, Watcher};
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
    let device = train.x.device();
    let model = InverseModel::new(toy.clone(), options.form, &train.theta, &train.action, options.seed);
    let examples = |pairs: &Pairs| model.examples(&pairs.theta, &pairs.action, &pairs.x, &pairs.v);
    let learning = examples(train)?;
    let held_out = validation
        .filter(|pairs| pairs.x.size()[0] > 0)
        .map(examples)
        .transpose()?;
    let optimiser = match options.form {
        Form::Smooth { .. } => Optimiser::Soap,
        Form::Paper { .. } => Optimiser::Adam,
    };
    let mut state = State::with(optimiser, &model.parameters(), 0.0, f64::INFINITY);
    checkpoint.resume(watcher, |saved| state.restore(saved))?;
    let steps_per_epoch = stars.div_ceil(options.batch);
    let total = steps_per_epoch * options.epochs;
    let schedule = match options.form {
        Form::Smooth { .. } => Schedule::cosine(options.learning_rate, 200, total, 1e-3),
        Form::Paper { .. } => Schedule::constant(options.learning_rate, total),
    };
    for epoch in state.next_epoch()..=options.epochs {
        let mut random = generator(options.seed, "batches", epoch as u64);
        let order = Tensor::from_slice(&shuffled(stars, &mut random)).to_device(device);
        // Dropout masks come from libtorch's own generator, set anew each epoch so that an interruption changes nothing.
        tch::manual_seed((options.seed as i64).wrapping_mul(1_000_003).wrapping_add(epoch as i64));
        let mut sum = Tensor::zeros([], (Kind::Double, device));
        for batch in order.split(options.batch as i64, 0) {
            sum += step(&model, &mut state, &learning.pick(&batch), &schedule)? * batch.numel() as f64;
        }
        let train_loss = sum.double_value(&[]) / stars as f64;
        let validation_loss = held_out
            .as_ref()
            .map_or(train_loss, |examples| measure(&model, examples));
        if !train_loss.is_finite() {
            return Err(Error::NotFinite {
                what: format!("the training loss of epoch {epoch}"),
            });
        }
        let record = state.measured(
            epoch,
            train_loss,
            validation_loss,
            schedule.rate(epoch * steps_per_epoch - 1),
        )?;
        state.record(record, options.epochs, checkpoint, watcher, |_| ())?;
    }
    let history = state.into_best();
    Ok(Trained { model, history })
}

/// Error (scaled units) at which the loss passes from square to absolute.
const ROBUST: f64 = 1e-4;

/// One step; gives the mean absolute error.
fn step(model: &InverseModel, state: &mut State, batch: &Examples, schedule: &Schedule) -> Result<Tensor, Error> {
    let error = model.answer(batch, Dropout::Drawn) - &batch.targets;
    let loss = ((&error / ROBUST).square() + 1.0).sqrt().mean(Kind::Double) * ROBUST;
    state.descend(&loss, 1.0, schedule)?;
    Ok(error.detach().abs().mean(Kind::Double))
}

fn measure(model: &InverseModel, examples: &Examples) -> f64 {
    let error = tch::no_grad(|| model.answer(examples, Dropout::Off) - &examples.targets);
    error.abs().mean(Kind::Double).double_value(&[])
}
