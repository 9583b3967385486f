//! Parts of a training loop: learning-rate schedule, Adam, what goes on from epoch to epoch, random generators.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::Error;
use crate::soap::{Optimiser, Soap};
use crate::weights::{Checkpoint, Weights};

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls as a half cosine to this fraction of the peak.
    Cosine(f64),
}

/// Learning rate as a function of the optimiser's step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Rate after the warm-up.
    pub peak: f64,
    /// Steps over which the rate rises linearly.
    pub warm_up: usize,
    /// Steps in all.
    pub total: usize,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// A rise over `warm_up` steps, or a tenth of all where these are fewer, and a fall to `floor` of the peak.
    pub fn cosine(peak: f64, warm_up: usize, total: usize, floor: f64) -> Self {
        Self {
            peak,
            warm_up: warm_up.min(total / 10),
            total,
            decay: Decay::Cosine(floor),
        }
    }

    /// The same rate always.
    pub fn constant(rate: f64, total: usize) -> Self {
        Self {
            peak: rate,
            warm_up: 0,
            total,
            decay: Decay::Constant,
        }
    }

    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let fall = match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine(floor) => {
                let done = (step as f64 / self.total.max(1) as f64).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        };
        self.peak * rise * fall
    }
}

/// One row of a training's history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's batches.
    pub train_loss: f64,
    /// Loss on the validation set; where it was not measured in this epoch, the last one.
    pub validation_loss: f64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Wall-clock seconds since the training began, interruptions left out.
    pub seconds: f64,
    /// Whether this is the best validation loss so far.
    pub best: bool,
}

/// Looks on at a training.
pub trait Watcher {
    /// An epoch of `total` is done.
    fn epoch(&mut self, record: &EpochRecord, total: usize);
    /// Whether to save a checkpoint and stop.
    fn stop(&self) -> bool;
    /// Is told what a reader of the results should know.
    fn note(&mut self, _text: &str) {}
}

/// A watcher that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn epoch(&mut self, _record: &EpochRecord, _total: usize) {}

    fn stop(&self) -> bool {
        false
    }
}

/// Adam with decoupled weight decay over a list of tensors (Kingma & Ba 2015; Loshchilov & Hutter 2019).
/// Its state can be saved, so that an interrupted training goes on with the same bytes.
#[derive(Debug)]
pub struct Adam {
    /// Decay of the mean of the gradient and of its square.
    pub betas: (f64, f64),
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay per step and unit of learning rate.
    pub weight_decay: f64,
    /// Steps done.
    pub steps: i64,
    /// Running mean of the gradient, one per parameter.
    pub first: Vec<Tensor>,
    /// Running mean of its square.
    pub second: Vec<Tensor>,
}

impl Adam {
    /// A fresh optimiser of `parameters` with the usual constants (0.9, 0.999, 1e-8).
    pub fn new(parameters: &[Tensor], weight_decay: f64) -> Self {
        let zeros = || {
            parameters
                .iter()
                .map(Tensor::zeros_like)
                .map(|zero| zero.set_requires_grad(false))
                .collect()
        };
        Self {
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay,
            steps: 0,
            first: zeros(),
            second: zeros(),
        }
    }

    /// One step along the gradients of `parameters`, which are then cleared.
    pub fn step(&mut self, parameters: &mut [Tensor], rate: f64) {
        self.steps += 1;
        let (beta1, beta2) = self.betas;
        let correction1 = 1.0 - beta1.powi(self.steps as i32);
        let correction2 = 1.0 - beta2.powi(self.steps as i32);
        tch::no_grad(|| {
            for ((parameter, first), second) in parameters.iter_mut().zip(&mut self.first).zip(&mut self.second) {
                let mut gradient = parameter.grad();
                if !gradient.defined() {
                    continue;
                }
                let _ = first.lerp_(&gradient, 1.0 - beta1);
                let _ = second
                    .g_mul_scalar_(beta2)
                    .addcmul_(&gradient, &(&gradient * (1.0 - beta2)));
                let mean_square = (&*second / correction2).sqrt() + self.epsilon;
                let _ = parameter.g_mul_scalar_(1.0 - rate * self.weight_decay);
                let _ = parameter.g_sub_(&(&*first * (rate / correction1) / mean_square));
                let _ = gradient.zero_();
            }
        });
    }
}

/// Scales the gradients so that their common norm is at most `limit`; gives the norm before.
///
/// **Fails when** the norm is not finite.
pub fn clip_gradients(parameters: &[Tensor], limit: f64) -> Result<f64, Error> {
    tch::no_grad(|| {
        let squares: Vec<Tensor> = parameters
            .iter()
            .map(Tensor::grad)
            .filter(Tensor::defined)
            .map(|g| g.square().sum(g.kind()))
            .collect();
        let norm = if squares.is_empty() {
            0.0
        } else {
            Tensor::stack(&squares, 0)
                .sum(squares[0].kind())
                .sqrt()
                .double_value(&[])
        };
        if !norm.is_finite() {
            return Err(Error::NotFinite {
                what: "the gradient of the loss".to_owned(),
            });
        }
        if norm > limit {
            for mut gradient in parameters.iter().map(Tensor::grad).filter(Tensor::defined) {
                let _ = gradient.g_mul_scalar_(limit / norm);
            }
        }
        Ok(norm)
    })
}

/// The optimiser at work.
#[derive(Debug)]
enum Stepper {
    Adam(Adam),
    Soap(Soap),
}

impl Stepper {
    fn steps(&self) -> usize {
        match self {
            Self::Adam(adam) => adam.steps as usize,
            Self::Soap(soap) => soap.steps as usize,
        }
    }

    fn step(&mut self, parameters: &mut [Tensor], rate: f64) {
        match self {
            Self::Adam(adam) => adam.step(parameters, rate),
            Self::Soap(soap) => soap.step(parameters, rate),
        }
    }

    fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        match self {
            Self::Adam(adam) => {
                weights.insert_list("first", &adam.first);
                weights.insert_list("second", &adam.second);
                weights.insert_json("steps", &adam.steps)
            }
            Self::Soap(soap) => soap.save(weights),
        }
    }

    fn restore(&mut self, saved: &Weights) -> Result<(), Error> {
        match self {
            Self::Adam(adam) => {
                saved.copy_list("first", &mut adam.first)?;
                saved.copy_list("second", &mut adam.second)?;
                adam.steps = saved.json("steps")?;
                Ok(())
            }
            Self::Soap(soap) => soap.restore(saved),
        }
    }
}

/// What every training carries from epoch to epoch: parameters, optimiser, best epoch and history.
#[derive(Debug)]
pub(crate) struct State {
    /// The parameters, which are also those of the model in training.
    parameters: Vec<Tensor>,
    stepper: Stepper,
    best: Vec<Tensor>,
    best_loss: f64,
    history: Vec<EpochRecord>,
    seconds_before: f64,
    begin: Instant,
}

impl State {
    /// A fresh state, whose first parameters are the best so far with loss `loss` (infinite where it is not known).
    pub fn new(parameters: &[Tensor], weight_decay: f64, loss: f64) -> Self {
        Self::with(Optimiser::Adam, parameters, weight_decay, loss)
    }

    /// [`State::new`] with another optimiser.
    pub fn with(optimiser: Optimiser, parameters: &[Tensor], weight_decay: f64, loss: f64) -> Self {
        Self {
            parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
            stepper: match optimiser {
                Optimiser::Adam => Stepper::Adam(Adam::new(parameters, weight_decay)),
                Optimiser::Soap => Stepper::Soap(Soap::new(parameters, weight_decay)),
            },
            best: copies(parameters),
            best_loss: loss,
            history: Vec::new(),
            seconds_before: 0.0,
            begin: Instant::now(),
        }
    }

    /// The first epoch that is not done, counted from 1.
    pub fn next_epoch(&self) -> usize {
        self.history.len() + 1
    }

    /// The last validation loss; before the first epoch, the loss at the start.
    pub fn last_loss(&self) -> f64 {
        self.history
            .last()
            .map_or(self.best_loss, |record| record.validation_loss)
    }

    /// One step down the gradient of `loss`, whose norm is at most `clip`.
    pub fn descend(&mut self, loss: &Tensor, clip: f64, schedule: &Schedule) -> Result<(), Error> {
        loss.backward();
        if clip.is_finite() {
            clip_gradients(&self.parameters, clip)?;
        }
        let rate = schedule.rate(self.stepper.steps());
        self.stepper.step(&mut self.parameters, rate);
        Ok(())
    }

    /// Keeps the parameters if `loss`, measured after `epoch`, is the least so far; says whether it is.
    ///
    /// **Fails when** the loss is not finite.
    pub fn keep_if_best(&mut self, epoch: usize, loss: f64) -> Result<bool, Error> {
        if !loss.is_finite() {
            let what = format!("the validation loss of epoch {epoch}");
            return Err(Error::NotFinite { what });
        }
        let best = loss < self.best_loss;
        if best {
            self.best_loss = loss;
            self.best = copies(&self.parameters);
        }
        Ok(best)
    }

    /// What is recorded of an epoch after which both losses were measured; keeps the parameters if they are the best so far.
    ///
    /// **Fails when** the validation loss is not finite.
    pub fn measured(
        &mut self,
        epoch: usize,
        train_loss: f64,
        validation_loss: f64,
        learning_rate: f64,
    ) -> Result<EpochRecord, Error> {
        Ok(EpochRecord {
            epoch,
            train_loss,
            validation_loss,
            learning_rate,
            seconds: 0.0,
            best: self.keep_if_best(epoch, validation_loss)?,
        })
    }

    /// Ends an epoch of `total`: it enters the history (its seconds are set here) and the watcher is told. A checkpoint,
    /// with the content of `others` besides, is saved where it is due, or where the watcher asks to stop.
    pub fn record(
        &mut self,
        mut record: EpochRecord,
        total: usize,
        checkpoint: &mut Checkpoint,
        watcher: &mut dyn Watcher,
        others: impl FnOnce(&mut Weights),
    ) -> Result<(), Error> {
        record.seconds = self.seconds_before + self.begin.elapsed().as_secs_f64();
        self.history.push(record);
        watcher.epoch(&record, total);
        let stop = record.epoch < total && watcher.stop();
        if stop || checkpoint.is_due() {
            let mut weights = Weights::default();
            weights.insert_list("parameters", &self.parameters);
            weights.insert_list("best", &self.best);
            self.stepper.save(&mut weights)?;
            weights.insert_json("best_loss", &self.best_loss)?;
            weights.insert_json("history", &self.history)?;
            others(&mut weights);
            checkpoint.save(weights)?;
        }
        if stop {
            return Err(Error::Stopped { epochs: record.epoch });
        }
        Ok(())
    }

    /// Goes back to a checkpoint.
    pub fn restore(&mut self, saved: &Weights) -> Result<(), Error> {
        saved.copy_list("parameters", &mut self.parameters)?;
        saved.copy_list("best", &mut self.best)?;
        self.stepper.restore(saved)?;
        self.best_loss = saved.json("best_loss")?;
        self.history = saved.json("history")?;
        self.seconds_before = self.history.last().map_or(0.0, |record| record.seconds);
        Ok(())
    }

    /// Puts the best parameters into the model; gives the history.
    pub fn into_best(mut self) -> Vec<EpochRecord> {
        tch::no_grad(|| {
            let places = self.parameters.iter_mut().zip(&self.best);
            places.for_each(|(place, best)| place.copy_(best));
        });
        self.history
    }
}

fn copies(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(|tensor| tensor.detach().copy()).collect()
}

/// A random generator for one purpose and index (such as an epoch). Generators for different purposes or indexes are
/// independent, so nothing but the epoch number is needed to go on after an interruption.
pub fn generator(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    // FNV-1a of the purpose: it only has to be different for different short names.
    let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    bytes[16..24].copy_from_slice(&hash.to_le_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// The numbers `0..count` in a random order.
pub fn shuffled(count: usize, random: &mut ChaCha8Rng) -> Vec<i64> {
    use rand::seq::SliceRandom;
    let mut order: Vec<i64> = (0..count as i64).collect();
    order.shuffle(random);
    order
}

/// Normal random numbers of the given shape times `scale`, float64, on the CPU.
pub fn normal(shape: &[i64], scale: f64, random: &mut ChaCha8Rng) -> Tensor {
    use rand_distr::{Distribution, StandardNormal};
    let count = shape.iter().product::<i64>() as usize;
    let values: Vec<f64> = (0..count)
        .map(|_| {
            let value: f64 = StandardNormal.sample(random);
            value * scale
        })
        .collect();
    Tensor::from_slice(&values).view(shape)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn adam_finds_the_minimum_of_a_parabola_and_forgets_nothing_when_saved() {
        let start = || Tensor::from_slice(&[3.0, -2.0]).set_requires_grad(true);
        let go = |parameters: &mut [Tensor], adam: &mut Adam, steps: usize| {
            for _ in 0..steps {
                (&parameters[0] - 1.0).square().sum(tch::Kind::Double).backward();
                adam.step(parameters, 0.05);
            }
        };
        let mut whole = [start()];
        let mut adam = Adam::new(&whole, 0.0);
        go(&mut whole, &mut adam, 600);
        // Adam's last steps are of the order of the rate times a small ratio; 1e-3 is far below the rate.
        assert!((&whole[0] - 1.0).abs().max().double_value(&[]) < 1e-3);

        let mut halves = [start()];
        let mut adam = Adam::new(&halves, 0.0);
        go(&mut halves, &mut adam, 300);
        let mut resumed = Adam::new(&halves, 0.0);
        resumed.steps = adam.steps;
        resumed.first = adam.first.iter().map(Tensor::copy).collect();
        resumed.second = adam.second.iter().map(Tensor::copy).collect();
        go(&mut halves, &mut resumed, 300);
        assert!(halves[0].equal(&whole[0]));
    }

    #[test]
    fn the_rate_rises_then_falls_to_its_floor() {
        let schedule = Schedule {
            peak: 1.0,
            warm_up: 10,
            total: 1000,
            decay: Decay::Cosine(0.01),
        };
        assert!(schedule.rate(0) < 0.11);
        assert!(schedule.rate(10) > 0.99);
        assert!((schedule.rate(1000) - 0.01).abs() < 1e-12);
        assert_eq!(
            Schedule {
                decay: Decay::Constant,
                ..schedule
            }
            .rate(900),
            1.0
        );
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let parameter = Tensor::from_slice(&[3.0, 4.0]).set_requires_grad(true);
        (parameter.square().sum(tch::Kind::Double) * 0.5).backward();
        let norm = clip_gradients(std::slice::from_ref(&parameter), 1.0).unwrap();
        assert_eq!(norm, 5.0);
        assert_eq!(
            Vec::<f64>::try_from(parameter.grad()).unwrap(),
            [0.6000000000000001, 0.8]
        );
    }

    #[test]
    fn generators_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| shuffled(50, &mut generator(seed, purpose, index));
        let reference = first(1, "batches", 1);
        assert_eq!(reference, first(1, "batches", 1));
        for other in [first(2, "batches", 1), first(1, "weights", 1), first(1, "batches", 2)] {
            assert_ne!(reference, other);
        }
    }
}
