//! What the bodies share: devices, errors, progress, and the tables that every training writes.

pub(crate) mod cuda;
pub mod field;
pub mod inside;
pub mod pieces;
pub mod sample;
pub(crate) mod stretch;

use std::time::Duration;

use networks::Error;
use networks::map::{self, CanonicalMap, NetworkKind};
use networks::streams::Streams;
use networks::training::{EpochRecord, Watcher};
use networks::weights::{Checkpoint, Weights};
use runner::context::{Cancel, Device, Progress, StageContext, Teller};
use runner::error::StageError;
use runner::event::Told;
use runner::ports::NetworkType;
use runner::stage::Stage;
use stages::common::io::TableContext;
use stages::learn::tables::{self, Epoch};

/// The device of a context as libtorch names it; sets the numbers of threads. To be called before the first tensor is made.
///
/// How libtorch rounds a sum depends on the number of its threads, so that is the one in the fingerprint. What is done side by side on
/// the threads that happen to be granted is written to fixed places.
pub fn prepare(context: &StageContext) -> tch::Device {
    tch::set_num_threads(i32::try_from(context.tensor_threads.max(1)).unwrap_or(i32::MAX));
    // A worker has one stage, so the global pool is its own; where there is one already, results are the same.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads.max(1));
    let _ = pool.build_global();
    match context.device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => {
            // Where it cannot be loaded, libtorch says so at the first tensor on the GPU.
            let _ = cuda::load();
            tch::Device::Cuda(index)
        }
    }
}

/// Parameters from the request.
pub fn parameters<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, StageError> {
    serde_json::from_value(value).map_err(|error| StageError::Bug(format!("parameters in the request: {error}")))
}

/// An error of `networks` as a stage error.
pub fn failed(error: Error) -> StageError {
    match error {
        Error::Stopped { .. } => StageError::Cancelled,
        Error::Paused { epochs, loss } => StageError::Paused {
            at: epochs as u64,
            loss,
        },
        Error::Io { path, source } => StageError::Io { path, source },
        Error::NotFinite { .. } => StageError::with_hint(
            error,
            "a smaller learning_rate may help; look for points with extreme values, too",
        ),
        error => StageError::failed(error),
    }
}

/// Seconds between two checkpoints.
const INTERVAL: Duration = Duration::from_secs(20);

/// The checkpoint in a context's folder.
pub fn checkpoint(context: &StageContext) -> Checkpoint {
    Checkpoint::new(&context.checkpoints, INTERVAL)
}

/// Tells the epochs of a training, and stops it when the run is cancelled.
pub struct StageWatcher {
    progress: Progress,
    cancel: Cancel,
    teller: Teller,
    pause_after: Option<usize>,
    unit: &'static str,
}

impl StageWatcher {
    /// A watcher of a training of `epochs` epochs with losses in `unit`.
    pub fn new(context: &StageContext, epochs: usize, unit: &'static str) -> Self {
        Self {
            progress: context.progress(epochs as u64, "epochs"),
            cancel: context.cancel.clone(),
            teller: context.teller.clone(),
            pause_after: context.pause_after.and_then(|after| usize::try_from(after).ok()),
            unit,
        }
    }
}

impl Watcher for StageWatcher {
    fn epoch(&mut self, record: &EpochRecord, _total: usize) {
        let EpochRecord {
            train_loss,
            validation_loss,
            ..
        } = record;
        let space = if self.unit.is_empty() { "" } else { " " };
        let message = format!(
            "loss {}, validation {}{space}{}",
            digits(*train_loss),
            digits(*validation_loss),
            self.unit
        );
        self.progress.at(record.epoch as u64, &message);
    }

    fn stop(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn pause_after(&self) -> Option<usize> {
        self.pause_after
    }

    fn note(&mut self, text: &str) {
        (self.teller)(Told::Note { text: text.to_owned() });
    }
}

/// A loss for a line of progress: in a small system it may be 1e-4 km/s kpc.
pub fn digits(loss: f64) -> String {
    if loss.abs() < 0.01 {
        format!("{loss:.2e}")
    } else {
        format!("{loss:.4}")
    }
}

/// Writes the table `history`.
pub fn write_history(context: &StageContext, history: &[EpochRecord]) -> Result<(), StageError> {
    let row = |record: &EpochRecord| Epoch {
        epoch: record.epoch as i64,
        train_loss: record.train_loss,
        validation_loss: record.validation_loss,
        learning_rate: record.learning_rate,
        best: record.best,
    };
    let rows: Vec<Epoch> = history.iter().map(row).collect();
    // The unit of losses is in the output's schema.
    context.write_rows("history", &tables::history(""), &rows)?;
    // Times are metrics, not columns: the same pipeline gives the same bytes.
    if let Some(last) = history.last() {
        context.metric("training_seconds", last.seconds, "s");
    }
    if let Some(best) = history.iter().rfind(|record| record.best) {
        context.metric("best_epoch", best.epoch as f64, "");
    }
    Ok(())
}

/// Reads the network at an input. That it is of a type that the input takes was known before anything ran; here it is made sure that the
/// file is what it was said to be.
pub fn load(context: &StageContext, port: &str) -> Result<Weights, StageError> {
    let weights = Weights::load(context.input(port)?).map_err(failed)?;
    let expected = context.network_type(port)?;
    match type_of(&weights) {
        Some(found) if found == expected => Ok(weights),
        found => Err(stages::common::networks::foreign(port, expected, found)),
    }
}

/// The map to actions and angles at an input, and its file.
pub fn load_map(
    context: &StageContext,
    port: &str,
    device: tch::Device,
) -> Result<(Weights, Box<dyn CanonicalMap>), StageError> {
    let weights = load(context, port)?;
    let map = map::load(&weights, device).map_err(|error| StageError::failed(format!("input {port}: {error}")))?;
    Ok((weights, map))
}

/// What a network was learned from.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct LearnedFrom {
    streams: usize,
    stars: usize,
    /// Distances of the nearest and the farthest star from the centre.
    distance_kpc: [f64; 2],
}

impl LearnedFrom {
    /// These streams.
    pub fn of(streams: &Streams) -> Self {
        let inside = streams.weights.gt(0.0);
        let square = (&streams.x * &streams.x).sum_dim_intlist([-1].as_slice(), true, tch::Kind::Double);
        let distance = square.masked_select(&inside).sqrt();
        Self {
            streams: streams.len(),
            stars: distance.numel(),
            distance_kpc: [distance.min().double_value(&[]), distance.max().double_value(&[])],
        }
    }
}

/// Writes a trained network to an output, with how and from what it was learned.
pub fn save<S: Stage>(
    context: &StageContext,
    port: &str,
    mut weights: Weights,
    with: &S,
    from: LearnedFrom,
) -> Result<Weights, StageError> {
    let mut parameters = serde_json::to_value(with).map_err(StageError::failed)?;
    for file in with.files() {
        file.remove_from(&mut parameters);
    }
    let by = serde_json::json!({ "kind": S::KIND, "revision": S::REVISION, "parameters": parameters });
    weights.insert_json("learned_by", &by).map_err(failed)?;
    weights.insert_json("learned_from", &from).map_err(failed)?;
    weights.save(context.output(port)?).map_err(failed)?;
    Ok(weights)
}

/// The type of network that a file says it holds.
pub fn type_of(weights: &Weights) -> Option<NetworkType> {
    let (map, network) = NetworkKind::of(weights).ok()?.metadata();
    stages::common::networks::of_file(Some(map), network)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// What the networks write of themselves is what the types of ports are told by.
    #[test]
    fn every_network_has_a_type_of_its_own() {
        let types: HashSet<_> = NetworkKind::ALL
            .into_iter()
            .filter_map(|kind| stages::common::networks::of_file(Some(kind.metadata().0), kind.metadata().1))
            .map(|of| of.0)
            .collect();
        assert_eq!(types.len(), NetworkKind::ALL.len(), "{types:?}");
    }
}
