//! Tensors with metadata in one safetensors file, and checkpoints of a training.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::training::Watcher;

/// Named tensors and metadata: what a safetensors file holds.
#[derive(Debug, Default)]
pub struct Weights {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Metadata by key.
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    /// Adds a tensor, detached from any graph.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) {
        self.tensors.insert(name.into(), tensor.detach());
    }

    /// Adds a list of tensors as `prefix.0`, `prefix.1`, …
    pub fn insert_list(&mut self, prefix: &str, tensors: &[Tensor]) {
        for (index, tensor) in tensors.iter().enumerate() {
            self.insert(format!("{prefix}.{index}"), tensor);
        }
    }

    /// Copies `prefix.0`, `prefix.1`, … into `tensors`, which keep their place and gradient flag.
    ///
    /// **Fails when** one is missing or has another shape.
    pub fn copy_list(&self, prefix: &str, tensors: &mut [Tensor]) -> Result<(), Error> {
        for (index, tensor) in tensors.iter_mut().enumerate() {
            let name = format!("{prefix}.{index}");
            let saved = self.tensor(&name)?;
            if saved.size() != tensor.size() {
                let (found, wanted) = (saved.size(), tensor.size());
                return Err(Error::Data(format!(
                    "weights `{name}` have shape {found:?}, not {wanted:?}"
                )));
            }
            tch::no_grad(|| tensor.f_copy_(saved).map(|_| ()))?;
        }
        Ok(())
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, Error> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::Data(format!("no tensor `{name}` in the network file")))
    }

    /// The tensor called `name`, of this shape, in double precision and finite: what is not so was not written by this program.
    pub fn shaped(&self, name: &str, shape: &[i64]) -> Result<&Tensor, Error> {
        let tensor = self.tensor(name)?;
        let (found, kind) = (tensor.size(), tensor.kind());
        if found != shape || kind != Kind::Double {
            return Err(Error::Data(format!(
                "tensor `{name}` of the network file has shape {found:?}, not {shape:?} in double precision"
            )));
        }
        if tensor.isfinite().all().int64_value(&[]) == 0 {
            return Err(Error::Data(format!(
                "tensor `{name}` of the network file is not finite"
            )));
        }
        Ok(tensor)
    }

    /// Checks a size from the metadata before tensors of that size are made: there is at least one number for each of it.
    pub fn holds(&self, what: &str, count: i64) -> Result<(), Error> {
        let numbers: usize = self.tensors.values().map(Tensor::numel).sum();
        if (0..=numbers as i64).contains(&count) {
            return Ok(());
        }
        Err(Error::Data(format!("the network file holds no {what} of {count}")))
    }

    /// The metadata under `key`.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        let text = self.metadata.get(key).map(String::as_str);
        text.ok_or_else(|| Error::Data(format!("no metadata `{key}` in the network file")))
    }

    /// Reads the JSON metadata under `key`.
    pub fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let text = self.text(key)?;
        serde_json::from_str(text).map_err(|_| {
            Error::Data(format!(
                "metadata `{key}` of the network file is not what this program writes"
            ))
        })
    }

    /// Adds metadata as JSON.
    pub fn insert_json<T: serde::Serialize>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(|error| Error::Data(format!("metadata `{key}`: {error}")))?;
        self.metadata.insert(key.to_owned(), text);
        Ok(())
    }

    /// The bytes of the file. Equal contents give equal bytes: tensors and metadata are written in the order of their
    /// names (the `safetensors` crate writes metadata in a random order, so the header is made here).
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut header = serde_json::Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), serde_json::json!(self.metadata));
        }
        let mut data = Vec::new();
        for (name, tensor) in &self.tensors {
            let begin = data.len();
            let flat = tensor.detach().to_device(Device::Cpu).contiguous().view(-1);
            let dtype = match flat.kind() {
                Kind::Double => {
                    Vec::<f64>::try_from(&flat)?
                        .iter()
                        .for_each(|value| data.extend(value.to_le_bytes()));
                    "F64"
                }
                Kind::Float => {
                    Vec::<f32>::try_from(&flat)?
                        .iter()
                        .for_each(|value| data.extend(value.to_le_bytes()));
                    "F32"
                }
                Kind::Int64 => {
                    Vec::<i64>::try_from(&flat)?
                        .iter()
                        .for_each(|value| data.extend(value.to_le_bytes()));
                    "I64"
                }
                kind => return Err(Error::Data(format!("tensor `{name}` of kind {kind:?} cannot be saved"))),
            };
            let entry =
                serde_json::json!({ "dtype": dtype, "shape": tensor.size(), "data_offsets": [begin, data.len()] });
            header.insert(name.clone(), entry);
        }
        let mut header = serde_json::Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        Ok(bytes)
    }

    /// Writes the file atomically.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write(path, &self.to_bytes()?)
    }

    /// Reads a file into tensors on the CPU.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of the file at `path`.
    fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let wrong = |_: safetensors::SafeTensorError| Error::format(path, "is not a whole safetensors file");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(wrong)?.tensors() {
            let kind = match view.dtype() {
                Dtype::F64 => Kind::Double,
                Dtype::F32 => Kind::Float,
                Dtype::I64 => Kind::Int64,
                dtype => return Err(Error::format(path, format!("tensor `{name}` has type {dtype:?}"))),
            };
            let shape: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
            tensors.insert(name, Tensor::f_from_data_size(view.data(), &shape, kind)?);
        }
        Ok(Self { tensors, metadata })
    }
}

/// The checkpoint of a training: one safetensors file in a folder, replaced atomically now and then.
///
/// It is believed only if it is what was written, for the same work: its metadata hold a checksum over all of the file, and the
/// name of the folder, which is the fingerprint of the stage.
#[derive(Debug)]
pub struct Checkpoint {
    file: Option<PathBuf>,
    interval: Duration,
    saved: Instant,
}

/// What a folder of checkpoints holds.
#[derive(Debug)]
enum Left {
    Nothing,
    Whole(Weights),
    /// Something that cannot be gone on from, and why.
    Bad(String),
}

/// Metadata of a checkpoint.
const CHECKSUM: &str = "checksum";
const KEY: &str = "checkpoint_of";

impl Checkpoint {
    /// A checkpoint in `folder`, due whenever `interval` has passed since the last one (20 s is usual).
    pub fn new(folder: &Path, interval: Duration) -> Self {
        Self {
            file: Some(folder.join("checkpoint.safetensors")),
            interval,
            saved: Instant::now(),
        }
    }

    /// No checkpoint.
    pub fn none() -> Self {
        Self {
            file: None,
            interval: Duration::MAX,
            saved: Instant::now(),
        }
    }

    /// Whether it is time to save.
    pub fn is_due(&self) -> bool {
        self.file.is_some() && self.saved.elapsed() >= self.interval
    }

    /// Saves now.
    pub fn save(&mut self, mut weights: Weights) -> Result<(), Error> {
        self.saved = Instant::now();
        let Some(file) = &self.file else { return Ok(()) };
        weights.metadata.insert(KEY.to_owned(), key(file));
        weights.metadata.insert(CHECKSUM.to_owned(), BLANK.to_owned());
        let mut bytes = weights.to_bytes()?;
        let place = checksum_place(&bytes).ok_or_else(|| Error::Data("a checkpoint without metadata".to_owned()))?;
        let sum = digest(&bytes);
        bytes[place].copy_from_slice(sum.as_bytes());
        write(file, &bytes)
    }

    /// Goes on from what an interrupted training left, if anything, with `restore`; whether it did. What is damaged, or of
    /// other work, is said and removed, and the training begins anew.
    ///
    /// **Fails when** `restore` does, which is for another build of this program to bring about; the next training begins anew.
    pub fn resume(
        &self,
        watcher: &mut dyn Watcher,
        restore: impl FnOnce(&Weights) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let Some(file) = &self.file else { return Ok(false) };
        match left(file) {
            Left::Nothing => Ok(false),
            Left::Whole(weights) => match restore(&weights) {
                Ok(()) => Ok(true),
                Err(error) => {
                    remove(file)?;
                    Err(Error::Data(format!(
                        "its checkpoint was of another build and is removed; run again ({error})"
                    )))
                }
            },
            Left::Bad(why) => {
                remove(file)?;
                watcher.note(&format!(
                    "the checkpoint {why}: it is not used, and the training begins anew"
                ));
                Ok(false)
            }
        }
    }
}

/// What a checkpoint is of: the name of its folder.
fn key(file: &Path) -> String {
    let folder = file.parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

/// Stands for the checksum while it is taken.
const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the checksum stands; quotes in other metadata are escaped, so only its own key can look like it.
fn checksum_place(bytes: &[u8]) -> Option<Range<usize>> {
    let before = format!("\"{CHECKSUM}\":\"");
    let found = bytes
        .windows(before.len())
        .position(|window| window == before.as_bytes())?;
    let place = found + before.len()..found + before.len() + BLANK.len();
    (place.end <= bytes.len()).then_some(place)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn left(file: &Path) -> Left {
    let mut bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Left::Nothing,
        Err(error) => return Left::Bad(format!("cannot be read ({error})")),
    };
    let damaged = || Left::Bad("is damaged: its content is not what was written".to_owned());
    let Some(place) = checksum_place(&bytes) else {
        return damaged();
    };
    let sum = bytes[place.clone()].to_vec();
    bytes[place].copy_from_slice(BLANK.as_bytes());
    if digest(&bytes).as_bytes() != sum {
        return damaged();
    }
    match Weights::from_bytes(&bytes, file) {
        Ok(weights) if weights.metadata.get(KEY) == Some(&key(file)) => Left::Whole(weights),
        Ok(_) => Left::Bad("is of another stage".to_owned()),
        Err(_) => damaged(),
    }
}

fn remove(file: &Path) -> Result<(), Error> {
    let removed = if file.is_dir() {
        std::fs::remove_dir_all(file)
    } else {
        std::fs::remove_file(file)
    };
    removed.map_err(|source| Error::io(file, source))
}

/// Writes a file atomically: a temporary file beside it, synchronised, then renamed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("writing");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| Error::io(path, source))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> Weights {
        let mut weights = Weights::default();
        weights.insert(
            "b",
            &Tensor::from_slice(&[1.0, -2.5, f64::MIN_POSITIVE, 3e300, 0.1, 7.0]).view([2, 3]),
        );
        weights.insert("a", &Tensor::from_slice(&[3_i64, -4]));
        weights.insert("c", &Tensor::from_slice(&[0.1_f32, f32::MIN_POSITIVE]));
        weights
            .metadata
            .insert("made".to_owned(), "actions \"quoted\"".to_owned());
        weights.metadata.insert("another".to_owned(), "λ".to_owned());
        weights
    }

    #[test]
    fn a_file_gives_back_the_same_tensors_and_metadata() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.safetensors");
        sample().save(&file).unwrap();
        let read = Weights::load(&file).unwrap();
        assert_eq!(read.metadata, sample().metadata);
        for (name, tensor) in &sample().tensors {
            assert!(tensor.equal(read.tensor(name).unwrap()), "{name}");
            assert_eq!(tensor.size(), read.tensor(name).unwrap().size());
        }
        assert!(!folder.path().join("w.writing").exists());
    }

    #[test]
    fn equal_contents_give_equal_bytes() {
        assert_eq!(sample().to_bytes().unwrap(), sample().to_bytes().unwrap());
    }

    #[test]
    fn a_truncated_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("short.safetensors");
        let bytes = sample().to_bytes().unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        assert!(
            Weights::load(&file)
                .unwrap_err()
                .to_string()
                .contains("short.safetensors")
        );
    }

    #[test]
    fn a_list_of_another_shape_is_refused() {
        let mut weights = Weights::default();
        weights.insert_list("w", &[Tensor::zeros([2, 2], (Kind::Double, Device::Cpu))]);
        let mut other = [Tensor::zeros([3], (Kind::Double, Device::Cpu))];
        assert!(weights.copy_list("w", &mut other).is_err());
    }

    /// Keeps what it is told.
    #[derive(Default)]
    struct Listener(Vec<String>);

    impl Watcher for Listener {
        fn epoch(&mut self, _: &crate::training::EpochRecord, _: usize) {}

        fn stop(&self) -> bool {
            false
        }

        fn note(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    fn resumes(checkpoint: &Checkpoint) -> (bool, Vec<String>) {
        let mut listener = Listener::default();
        let resumed = checkpoint.resume(&mut listener, |saved| {
            assert!(saved.tensor("b")?.equal(sample().tensor("b")?));
            Ok(())
        });
        (resumed.unwrap(), listener.0)
    }

    /// Whatever happens to a checkpoint, it is either what was written or not used, and never in the way.
    #[test]
    fn a_damaged_checkpoint_is_said_and_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoint.safetensors");
        let mut checkpoint = Checkpoint::new(folder.path(), Duration::MAX);
        assert_eq!(resumes(&checkpoint), (false, Vec::new()));
        checkpoint.save(sample()).unwrap();
        let good = std::fs::read(&file).unwrap();
        assert_eq!(resumes(&checkpoint), (true, Vec::new()));
        let changed = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        let mut damages: Vec<Vec<u8>> = (0..good.len()).map(changed).collect();
        damages.extend([
            vec![],
            vec![0; good.len()],
            good[..good.len() / 2].to_vec(),
            [&good[..], b"x"].concat(),
        ]);
        for (number, damage) in damages.into_iter().enumerate() {
            std::fs::write(&file, damage).unwrap();
            let (resumed, notes) = resumes(&checkpoint);
            assert!(!resumed, "damage {number} was believed");
            assert!(notes[0].contains("begins anew"), "{notes:?}");
            assert_eq!(
                resumes(&checkpoint),
                (false, Vec::new()),
                "damage {number} is still there"
            );
        }
        std::fs::create_dir(&file).unwrap();
        assert!(!resumes(&checkpoint).0);
        checkpoint.save(sample()).unwrap();
        assert_eq!(resumes(&checkpoint), (true, Vec::new()));
    }

    /// A whole checkpoint of other work is not gone on from.
    #[test]
    fn a_checkpoint_is_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        std::fs::create_dir(&one).unwrap();
        std::fs::create_dir(&other).unwrap();
        Checkpoint::new(&one, Duration::MAX).save(sample()).unwrap();
        std::fs::copy(one.join("checkpoint.safetensors"), other.join("checkpoint.safetensors")).unwrap();
        let (resumed, notes) = resumes(&Checkpoint::new(&other, Duration::MAX));
        assert!(!resumed && notes[0].contains("another stage"), "{notes:?}");
        assert!(resumes(&Checkpoint::new(&one, Duration::MAX)).0);
    }

    /// One that cannot be restored, of another build under the same fingerprint, does not stand in the way for ever.
    #[test]
    fn a_checkpoint_that_does_not_fit_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoint = Checkpoint::new(folder.path(), Duration::MAX);
        checkpoint.save(sample()).unwrap();
        let listener = &mut Listener::default();
        let failed = checkpoint.resume(listener, |saved| saved.tensor("of a later build").map(|_| ()));
        assert!(failed.unwrap_err().to_string().contains("run again"));
        assert_eq!(resumes(&checkpoint), (false, Vec::new()));
    }
}
