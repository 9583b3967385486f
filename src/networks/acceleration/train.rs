//! Training of a field on the rates of the actions of a trained map: Eq. 17 of Ibata et al. (2021).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::equations::Equations;
use super::model::{Form, Model, Seen};
use crate::error::Error;
use crate::isochrone::{Isochrone, dot};
use crate::optimiser::{Decay, Optimiser, Schedule};
use crate::paper::layers::Dropout;
use crate::random::{generator, shuffled};
use crate::streams;
use crate::training::{EpochRecord, State, Watcher};
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
    let held_out = validation.filter(|set| set.x.size()[0] > 0).map(place);
    let unit = model.units.1.powi(2);
    let optimiser = match options.form {
        Form::Paper { .. } => Optimiser::Adam,
        Form::Smooth { .. } | Form::Potential { .. } => Optimiser::Soap,
    };
    let mut state = State::with(optimiser, &model.parameters(), 0.0, f64::INFINITY);
    checkpoint.resume(watcher, |saved| state.restore(saved))?;
    let steps_per_epoch = streams.div_ceil(options.batch);
    let total = steps_per_epoch * options.epochs;
    let schedule = Schedule {
        peak: options.learning_rate,
        warm_up: 100.min(total / 10),
        total,
        decay: options.decay,
    };
    let device = learning.equations.x.device();
    for epoch in state.next_epoch()..=options.epochs {
        seed_dropout(options, epoch);
        let mut random = generator(options.seed, "batches", epoch as u64);
        let order = Tensor::from_slice(&shuffled(streams, &mut random)).to_device(device);
        let mut sum = 0.0;
        for batch in order.split(options.batch as i64, 0) {
            let picked = learning.pick(&batch);
            let a = model.evaluate(&picked.seen, Dropout::Drawn);
            let loss = picked.loss(&a, &options.losses, model.units);
            state.descend(&loss, CLIP, &schedule)?;
            sum += loss.detach().double_value(&[]) * batch.numel() as f64;
        }
        let train_loss = sum / streams as f64 * unit;
        let validation_loss = held_out.as_ref().map_or(train_loss, |set| {
            let a = tch::no_grad(|| model.evaluate(&set.seen, Dropout::Off));
            set.loss(&a, &options.losses, model.units).double_value(&[]) * unit
        });
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

/// Largest norm of a step's gradient: a star next to a singular orbit may have one that is a hundred times that of all others.
const CLIP: f64 = 1.0;

/// Masks of dropout come from libtorch's own generator: an epoch has the same ones whether or not it was interrupted before.
fn seed_dropout(options: &Options, epoch: usize) {
    if let Form::Paper { dropout, .. } = options.form
        && dropout > 0.0
    {
        let mixed = options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ epoch as u64;
        tch::manual_seed((mixed >> 1) as i64);
    }
}
