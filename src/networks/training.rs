//! The training loop: epochs over shuffled batches, the best of them kept, interruptions that change nothing.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::error::Error;
use crate::optimiser::{Decay, Optimiser, Schedule, Stepper, clip_gradients};
use crate::random::{generator, shuffled};
use crate::weights::{Checkpoint, Weights};

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
    /// After which epoch to save a checkpoint and pause, if that is before the last.
    fn pause_after(&self) -> Option<usize> {
        None
    }
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

/// What is learned: the loss of some rows (streams or stars), and what else goes on from epoch to epoch.
pub(crate) trait Task {
    /// The loss of the rows `batch`, a number with a graph to the parameters, and what the batch adds to the sum over the epoch.
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error>;

    /// The mean loss of an epoch from the sum over its batches, and the loss by which epochs are compared; `None` where that is not
    /// looked at after this one.
    fn measure(&mut self, epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error>;

    /// Adds to a checkpoint what the parameters do not hold.
    fn save(&self, _checkpoint: &mut Weights) {}

    /// Goes back to a checkpoint that was made after `epochs` epochs.
    fn restore(&mut self, _checkpoint: &Weights, _epochs: usize) -> Result<(), Error> {
        Ok(())
    }
}

/// How a task is learned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many rows there are.
    pub rows: usize,
    /// Rows in one step.
    pub batch: usize,
    /// Passes over the rows.
    pub epochs: usize,
    /// Seed of batches and dropout.
    pub seed: u64,
    pub optimiser: Optimiser,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of a step's gradient.
    pub clip: f64,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the rate rises, or a tenth of all where these are fewer.
    pub warm_up: usize,
    /// How the rate goes on.
    pub decay: Decay,
    /// The loss by which epochs are compared, of the first parameters; infinite where it is not known, and every
    /// epoch is looked at.
    pub start_loss: f64,
}

impl Plan {
    fn steps_per_epoch(&self) -> usize {
        self.rows.div_ceil(self.batch)
    }

    fn schedule(&self) -> Schedule {
        let total = self.steps_per_epoch() * self.epochs;
        Schedule {
            peak: self.learning_rate,
            warm_up: self.warm_up.min(total / 10),
            total,
            decay: self.decay,
        }
    }
}

/// Learns a task; its parameters end as those of the epoch with the smallest loss. Gives one record an epoch.
///
/// Interrupted by the watcher, it saves a checkpoint and returns [`Error::Stopped`]; called again with the same arguments, it goes on,
/// and ends with the same bytes as without the interruption: whatever is random depends on the seed and the epoch only. Where it is to pause it
/// returns [`Error::Paused`] in the same way, with the least validation loss until then.
///
/// **Fails when** a loss or a gradient is not finite.
pub(crate) fn learn(
    task: &mut impl Task,
    parameters: &[Tensor],
    plan: &Plan,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Vec<EpochRecord>, Error> {
    let mut state = State::new(parameters, plan);
    checkpoint.resume(watcher, |saved| {
        state.restore(saved)?;
        task.restore(saved, state.history.len())
    })?;
    let pause = watcher.pause_after().filter(|after| *after < plan.epochs);
    state.pause(pause)?;
    let schedule = plan.schedule();
    let device = parameters.first().map_or(Device::Cpu, Tensor::device);
    for epoch in state.history.len() + 1..=plan.epochs {
        let order = shuffled(plan.rows, &mut generator(plan.seed, "batches", epoch as u64));
        let order = Tensor::from_slice(&order).to_device(device);
        // Masks of dropout come from libtorch's own generator.
        tch::manual_seed((plan.seed as i64).wrapping_mul(1_000_003).wrapping_add(epoch as i64));
        let mut sum = 0.0;
        for batch in order.split(plan.batch as i64, 0) {
            let (loss, part) = task.loss(&batch)?;
            state.descend(&loss, plan.clip, &schedule)?;
            finite("training", epoch, part)?;
            sum += part;
        }
        let (train_loss, measured) = task.measure(epoch, sum)?;
        let validation_loss = finite("validation", epoch, measured.unwrap_or_else(|| state.last_loss()))?;
        let best = measured.is_some() && state.keep_if_best(validation_loss);
        let record = EpochRecord {
            epoch,
            train_loss,
            validation_loss,
            learning_rate: schedule.rate(epoch * plan.steps_per_epoch() - 1),
            seconds: 0.0,
            best,
        };
        state.record(record, plan.epochs, checkpoint, watcher, task)?;
        state.pause(pause)?;
    }
    Ok(state.into_best())
}

fn finite(which: &str, epoch: usize, loss: f64) -> Result<f64, Error> {
    if loss.is_finite() {
        return Ok(loss);
    }
    let what = format!("the {which} loss of epoch {epoch}");
    Err(Error::NotFinite { what })
}

/// What every training carries from epoch to epoch: parameters, optimiser, best epoch and history.
#[derive(Debug)]
struct State {
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
    /// A fresh state, whose first parameters are the best so far.
    fn new(parameters: &[Tensor], plan: &Plan) -> Self {
        Self {
            parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
            stepper: Stepper::new(plan.optimiser, parameters, plan.weight_decay),
            best: copies(parameters),
            best_loss: plan.start_loss,
            history: Vec::new(),
            seconds_before: 0.0,
            begin: Instant::now(),
        }
    }

    /// The last validation loss; before the first epoch, the loss at the start.
    fn last_loss(&self) -> f64 {
        self.history
            .last()
            .map_or(self.best_loss, |record| record.validation_loss)
    }

    /// One step down the gradient of `loss`, whose norm is at most `clip`.
    fn descend(&mut self, loss: &Tensor, clip: f64, schedule: &Schedule) -> Result<(), Error> {
        loss.backward();
        if clip.is_finite() {
            clip_gradients(&self.parameters, clip)?;
        }
        let rate = schedule.rate(self.stepper.steps());
        self.stepper.step(&mut self.parameters, rate);
        Ok(())
    }

    /// Keeps the parameters if their loss is the least so far; says whether it is.
    fn keep_if_best(&mut self, loss: f64) -> bool {
        let best = loss < self.best_loss;
        if best {
            self.best_loss = loss;
            self.best = copies(&self.parameters);
        }
        best
    }

    /// Ends an epoch of `total`: it enters the history (its seconds are set here) and the watcher is told. A checkpoint is saved where
    /// it is due, or where the watcher asks to stop.
    fn record(
        &mut self,
        mut record: EpochRecord,
        total: usize,
        checkpoint: &mut Checkpoint,
        watcher: &mut dyn Watcher,
        task: &impl Task,
    ) -> Result<(), Error> {
        record.seconds = self.seconds_before + self.begin.elapsed().as_secs_f64();
        self.history.push(record);
        watcher.epoch(&record, total);
        let stop = record.epoch < total && watcher.stop();
        let pauses = record.epoch < total && watcher.pause_after() == Some(record.epoch);
        if stop || pauses || checkpoint.is_due() {
            let mut weights = Weights::default();
            weights.insert_list("parameters", &self.parameters);
            weights.insert_list("best", &self.best);
            self.stepper.save(&mut weights)?;
            weights.insert_json("best_loss", &self.best_loss)?;
            weights.insert_json("history", &self.history)?;
            task.save(&mut weights);
            checkpoint.save(weights)?;
        }
        if stop && !pauses {
            return Err(Error::Stopped { epochs: record.epoch });
        }
        Ok(())
    }

    /// Pauses where so many epochs are done.
    fn pause(&self, after: Option<usize>) -> Result<(), Error> {
        let Some(done) = after.and_then(|after| self.history.get(..after)) else {
            return Ok(());
        };
        Err(Error::Paused {
            epochs: done.len(),
            loss: done
                .iter()
                .map(|record| record.validation_loss)
                .fold(f64::INFINITY, f64::min),
        })
    }

    /// Goes back to a checkpoint.
    fn restore(&mut self, saved: &Weights) -> Result<(), Error> {
        saved.copy_list("parameters", &mut self.parameters)?;
        saved.copy_list("best", &mut self.best)?;
        self.stepper.restore(saved)?;
        self.best_loss = saved.json("best_loss")?;
        self.history = saved.json("history")?;
        self.seconds_before = self.history.last().map_or(0.0, |record| record.seconds);
        Ok(())
    }

    /// Puts the best parameters into the model; gives the history.
    fn into_best(mut self) -> Vec<EpochRecord> {
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

#[cfg(test)]
#[path = "training_tests.rs"]
mod tests;
