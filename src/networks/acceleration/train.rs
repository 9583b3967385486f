//! Training of a field on the rates of the actions of a trained map: Eq. 17 of Ibata et al. (2021).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::equations::Equations;
use super::model::{Form, Model, Seen};
use crate::error::Error;
use crate::isochrone::{Isochrone, dot};
use crate::optimiser::{Decay, Optimiser};
use crate::paper::layers::Dropout;
use crate::streams;
use crate::training::{EpochRecord, Plan, Task, Watcher, learn};
use crate::weights::Checkpoint;

/// Weights of the terms of the loss, each a mean over stars in the model's units of length and speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Of |dJ'_i/dt|: 1 in the paper.
    pub action_rates: f64,
    /// α₂, of 1 + a_R·R / (|a_R| |R|) with the parts of a and x in the plane: 0 in the paper.
    pub symmetry: f64,
    /// α₃, of |Ω'_i − ⟨Ω'_i⟩| within a stream: 0 in the paper.
    pub frequency_spread: f64,
    /// Of the distance from the solution of Eq. 15 relative to its size, at stars where it can be solved.
    pub solved: f64,
}

impl Losses {
    /// Those of the paper's tests.
    pub const PAPER: Self = Self {
        action_rates: 1.0,
        symmetry: 0.0,
        frequency_spread: 0.0,
        solved: 0.0,
    };
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Which network.
    pub form: Form,
    /// What is minimised.
    pub losses: Losses,
    /// Largest condition number at which the solution of Eq. 15 is used.
    pub condition: f64,
    /// Passes over the training streams.
    pub epochs: usize,
    /// Streams in one step.
    pub batch: usize,
    /// Learning rate at its highest.
    pub learning_rate: f64,
    /// How it goes on after the warm-up.
    pub decay: Decay,
    /// Seed of weights and batches.
    pub seed: u64,
}

impl Options {
    /// What works well with a smooth form for `streams` streams.
    pub fn smooth(form: Form, streams: usize) -> Self {
        let batch = (streams / 16).clamp(4, 64);
        Self {
            form,
            losses: Losses::PAPER,
            condition: 30.0,
            epochs: (6000 / streams.div_ceil(batch).max(1)).clamp(50, 1000),
            batch,
            learning_rate: 1e-2,
            decay: Decay::Cosine(1e-3),
            seed: 1,
        }
    }

    /// The paper's: Adam at 1e-4, batches of 512 streams, 1024 epochs.
    pub fn paper(form: Form) -> Self {
        Self {
            form,
            losses: Losses::PAPER,
            condition: 30.0,
            epochs: 1024,
            batch: 512,
            learning_rate: 1e-4,
            decay: Decay::Constant,
            seed: 1,
        }
    }
}

/// A trained field.
#[derive(Debug)]
pub struct Trained {
    /// The field of the epoch with the smallest loss on the validation set.
    pub model: Model,
    /// One record an epoch; losses times the unit of the actions' rates, (km/s)².
    pub history: Vec<EpochRecord>,
}

/// Equations, and what the model needs of the positions of their stars.
struct Set {
    equations: Equations,
    seen: Seen,
    /// 1 where the solution of Eq. 15 is used […, 1].
    solvable: Tensor,
}

impl Set {
    fn pick(&self, batch: &Tensor) -> Self {
        Self {
            equations: self.equations.pick(batch),
            seen: self.seen.pick(batch),
            solvable: self.solvable.index_select(0, batch),
        }
    }

    /// The loss of accelerations `a`.
    fn loss(&self, a: &Tensor, losses: &Losses, (length, speed): (f64, f64)) -> Tensor {
        let equations = &self.equations;
        let weights = &equations.weights;
        let mean = |values: &Tensor, weights: &Tensor| {
            let count = weights.sum(Kind::Double).clamp_min(1.0) * values.size().last().copied().unwrap_or(1) as f64;
            (values * weights).sum(Kind::Double) / count
        };
        let mut loss = Tensor::zeros([], (Kind::Double, a.device()));
        if losses.action_rates > 0.0 {
            let rates = equations.action_rates(a).abs() / (speed * speed);
            loss += mean(&rates, weights) * losses.action_rates;
        }
        if losses.symmetry > 0.0 {
            let (flat, place) = (a.narrow(-1, 0, 2), equations.x.narrow(-1, 0, 2));
            let size = |y: &Tensor| dot(y, y).clamp_min(1e-300).sqrt();
            let cosine = dot(&flat, &place) / (size(&flat) * size(&place));
            loss += mean(&(cosine + 1.0).unsqueeze(-1), weights) * losses.symmetry;
        }
        if losses.frequency_spread > 0.0 {
            let frequencies = equations.frequencies(a) * (length / speed);
            let spread = (&frequencies - streams::mean(&frequencies, weights)).abs();
            loss += mean(&spread, weights) * losses.frequency_spread;
        }
        if losses.solved > 0.0 {
            let size = |y: &Tensor| dot(y, y).clamp_min(1e-300).sqrt();
            let distance = size(&(a - &equations.solved)) / size(&equations.solved);
            loss += mean(&distance.unsqueeze(-1), &self.solvable) * losses.solved;
        }
        loss
    }
}

/// Trains a field from the equations of streams; the epoch that is best on `validation` (or on `train` without one) is kept.
/// Interruptions as in [`crate::smooth::train()`].
///
/// `velocities` [streams, stars, 3] of the training stars set the unit of speed of smooth forms.
pub fn train(
    toy: &Isochrone,
    (equations, velocities): (Equations, &Tensor),
    validation: Option<Equations>,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    let streams = equations.x.size()[0] as usize;
    if streams == 0 {
        return Err(Error::Data("training needs at least one stream".to_owned()));
    }
    let model = Model::new(toy, options.form, &equations.x, velocities, options.seed);
    let place = |equations: Equations| Set {
        seen: model.see(&equations.x),
        solvable: equations.solvable(options.condition),
        equations,
    };
    let learning = place(equations);
    let validation = validation.filter(|set| set.x.size()[0] > 0).map(place);
    let optimiser = match options.form {
        Form::Paper { .. } => Optimiser::Adam,
        Form::Smooth { .. } | Form::Potential { .. } => Optimiser::Soap,
    };
    let plan = Plan {
        rows: streams,
        batch: options.batch,
        epochs: options.epochs,
        seed: options.seed,
        optimiser,
        weight_decay: 0.0,
        clip: CLIP,
        learning_rate: options.learning_rate,
        warm_up: 100,
        decay: options.decay,
        start_loss: f64::INFINITY,
    };
    let parameters = model.parameters();
    let mut task = Rates {
        model,
        learning,
        validation,
        losses: options.losses,
        streams,
    };
    let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
    Ok(Trained {
        model: task.model,
        history,
    })
}

/// The model and the streams that it learns from.
struct Rates {
    model: Model,
    learning: Set,
    validation: Option<Set>,
    losses: Losses,
    streams: usize,
}

impl Rates {
    fn loss_of(&self, set: &Set, dropout: Dropout) -> Tensor {
        set.loss(&self.model.evaluate(&set.seen, dropout), &self.losses, self.model.units)
    }
}

impl Task for Rates {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let loss = self.loss_of(&self.learning.pick(batch), Dropout::Drawn);
        let sum = loss.detach().double_value(&[]) * batch.numel() as f64;
        Ok((loss, sum))
    }

    fn measure(&mut self, _epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        let unit = self.model.units.1.powi(2);
        let train_loss = sum / self.streams as f64 * unit;
        let validation_loss = self.validation.as_ref().map_or(train_loss, |set| {
            tch::no_grad(|| self.loss_of(set, Dropout::Off)).double_value(&[]) * unit
        });
        Ok((train_loss, Some(validation_loss)))
    }
}

/// Largest norm of a step's gradient: a star next to a singular orbit may have one that is a hundred times that of all others.
const CLIP: f64 = 1.0;
