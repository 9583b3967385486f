//! The training loop: epochs over shuffled batches, the best of them kept, interruptions that change nothing.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::Error;
use crate::optimiser::{Optimiser, Schedule, Stepper, clip_gradients};
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
            stepper: Stepper::new(optimiser, parameters, weight_decay),
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
