#![allow(clippy::unwrap_used)]
use std::time::Duration;

use tch::Kind;

use super::*;
use crate::perceptron::{Perceptron, Size, Start};
use crate::random::normal;
use crate::test_support::StopAfter;

/// Learns y(x) from noisy inputs: noise stands for dropout, and a running mean of the losses for what a task keeps besides weights.
struct Noisy {
    network: Perceptron,
    x: Tensor,
    y: Tensor,
    running: f64,
    /// Epochs after which the loss is looked at.
    every: usize,
    /// From which epoch on the loss is no number.
    broken: usize,
    epoch: usize,
}

const SIZE: Size = Size {
    inputs: 2,
    width: 8,
    depth: 1,
    outputs: 1,
};

impl Noisy {
    fn new(every: usize) -> Self {
        let x = normal(&[40, 2], 1.0, &mut generator(1, "x", 0));
        let network = Perceptron::new(SIZE, Start::Random, &mut generator(2, "weights", 0), Device::Cpu);
        Self {
            network,
            y: x.sum_dim_intlist(1, true, Kind::Double).sin(),
            x,
            running: 1.0,
            every,
            broken: usize::MAX,
            epoch: 1,
        }
    }
}

impl Task for Noisy {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let x = self.x.index_select(0, batch);
        let x = &x + Tensor::randn_like(&x) * 0.01;
        let error = (self.network.forward(&x) - self.y.index_select(0, batch)).square();
        let loss = error.mean(Kind::Double) * (1.0 + 0.01 * self.running);
        let size = if self.epoch >= self.broken {
            f64::NAN
        } else {
            loss.double_value(&[])
        };
        self.running = 0.9 * self.running + 0.1 * size;
        Ok((loss, size * batch.numel() as f64))
    }

    fn measure(&mut self, epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        self.epoch = epoch + 1;
        let loss = || (self.network.forward(&self.x) - &self.y).square().mean(Kind::Double);
        let measured = epoch
            .is_multiple_of(self.every)
            .then(|| tch::no_grad(loss).double_value(&[]));
        Ok((sum / 40.0, measured))
    }

    fn save(&self, checkpoint: &mut Weights) {
        checkpoint.insert("running", &Tensor::from_slice(&[self.running]));
    }

    fn restore(&mut self, checkpoint: &Weights, epochs: usize) -> Result<(), Error> {
        self.running = checkpoint.tensor("running")?.double_value(&[0]);
        self.epoch = epochs + 1;
        Ok(())
    }
}

fn plan(optimiser: Optimiser) -> Plan {
    Plan {
        rows: 40,
        batch: 12,
        epochs: 12,
        seed: 3,
        optimiser,
        weight_decay: 1e-3,
        clip: 1.0,
        learning_rate: 0.03,
        warm_up: 10,
        decay: Decay::Cosine(0.1),
        start_loss: f64::INFINITY,
    }
}

/// The bytes of the weights and the history, without its seconds.
fn outcome(task: &Noisy, history: &[EpochRecord]) -> (Vec<u8>, Vec<EpochRecord>) {
    let mut weights = Weights::default();
    task.network.save(&mut weights);
    let timeless = |record: &EpochRecord| EpochRecord {
        seconds: 0.0,
        ..*record
    };
    (weights.to_bytes().unwrap(), history.iter().map(timeless).collect())
}

#[test]
fn whenever_it_is_interrupted_a_training_ends_with_the_same_bytes() {
    for (optimiser, every, start_loss) in [(Optimiser::Adam, 1, f64::INFINITY), (Optimiser::Soap, 2, 9.0)] {
        let plan = Plan {
            start_loss,
            ..plan(optimiser)
        };
        let go = |checkpoint: &mut Checkpoint, watcher: &mut dyn Watcher| {
            let mut task = Noisy::new(every);
            let parameters = task.network.parameters();
            let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
            Ok::<_, Error>(outcome(&task, &history))
        };
        let whole = go(&mut Checkpoint::none(), &mut Unwatched).unwrap();
        let [first, last] = [1, 11].map(|epoch| whole.1[epoch].validation_loss);
        assert!(last < first, "{first} {last}");
        for epochs in 1..12 {
            let folder = tempfile::tempdir().unwrap();
            let mut checkpoint = Checkpoint::new(folder.path(), Duration::MAX);
            // Twice where there is time: what is left of a training that itself went on.
            let mut done = 0;
            while done + epochs < 12 && done < 2 * epochs {
                let stopped = go(&mut checkpoint, &mut StopAfter(epochs)).unwrap_err();
                done += epochs;
                assert!(
                    matches!(stopped, Error::Stopped { epochs } if epochs == done),
                    "{stopped}"
                );
            }
            assert!(
                go(&mut checkpoint, &mut Unwatched).unwrap() == whole,
                "{optimiser:?} {epochs}"
            );
        }
    }
}

/// Pauses after one epoch.
struct PauseAfter(usize);

impl Watcher for PauseAfter {
    fn epoch(&mut self, _record: &EpochRecord, _total: usize) {}

    fn stop(&self) -> bool {
        false
    }

    fn pause_after(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// A pause gives the least loss until then, also where the checkpoint is of a later epoch; after any pauses the bytes are the same.
#[test]
fn whenever_it_pauses_a_training_ends_with_the_same_bytes() {
    let plan = plan(Optimiser::Adam);
    let go = |checkpoint: &mut Checkpoint, watcher: &mut dyn Watcher| {
        let mut task = Noisy::new(1);
        let parameters = task.network.parameters();
        let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
        Ok::<_, Error>(outcome(&task, &history))
    };
    let whole = go(&mut Checkpoint::none(), &mut Unwatched).unwrap();
    let least = |epochs: usize| {
        let losses = whole.1[..epochs].iter().map(|record| record.validation_loss);
        losses.fold(f64::INFINITY, f64::min)
    };
    let folder = tempfile::tempdir().unwrap();
    let mut checkpoint = Checkpoint::new(folder.path(), Duration::MAX);
    for after in [3, 7, 7, 3] {
        match go(&mut checkpoint, &mut PauseAfter(after)).unwrap_err() {
            Error::Paused { epochs, loss } => assert!((epochs, loss) == (after, least(after)), "{epochs} {loss}"),
            other => panic!("{other}"),
        }
    }
    assert!(
        go(&mut checkpoint, &mut PauseAfter(12)).unwrap() == whole,
        "the last epoch is no pause"
    );
}

#[test]
fn epochs_that_are_not_looked_at_repeat_the_last_loss_and_the_best_weights_stay() {
    let mut task = Noisy::new(3);
    let parameters = task.network.parameters();
    let plan = Plan {
        epochs: 7,
        start_loss: 9.0,
        ..plan(Optimiser::Adam)
    };
    let history = learn(&mut task, &parameters, &plan, &mut Checkpoint::none(), &mut Unwatched).unwrap();
    let losses: Vec<f64> = history.iter().map(|record| record.validation_loss).collect();
    assert_eq!(losses[..2], [9.0, 9.0]);
    assert!(losses[2] == losses[3] && losses[5] == losses[6] && losses[2] != losses[5]);
    assert_eq!(history.iter().filter(|record| record.best).count(), 2);
    let (_, kept) = task.measure(3, 0.0).unwrap();
    assert_eq!(kept, Some(losses[5]));
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let mut task = Noisy::new(1);
    task.broken = 3;
    let parameters = task.network.parameters();
    let (none, watcher) = (&mut Checkpoint::none(), &mut Unwatched);
    let error = learn(&mut task, &parameters, &plan(Optimiser::Adam), none, watcher).unwrap_err();
    assert_eq!(error.to_string(), "the training loss of epoch 3 is not finite");
}
