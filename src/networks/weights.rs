//! Tensors with metadata in one safetensors file, and checkpoints of a training.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::error::Error;

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

    /// The metadata under `key`.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        let text = self.metadata.get(key).map(String::as_str);
        text.ok_or_else(|| Error::Data(format!("no metadata `{key}` in the network file")))
    }

    /// Reads the JSON metadata under `key`.
    pub fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        serde_json::from_str(self.text(key)?).map_err(|error| Error::Data(format!("metadata `{key}`: {error}")))
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

    /// Writes the file atomically: a temporary file beside it, synchronised, then renamed.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = self.to_bytes()?;
        let temporary = path.with_extension("writing");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        write().map_err(|source| Error::io(path, source))
    }

    /// Reads a file into tensors on the CPU.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let wrong = |error: safetensors::SafeTensorError| Error::format(path, error);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(wrong)?.tensors() {
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

/// The checkpoint of a training: one file in a folder, replaced atomically now and then.
#[derive(Debug)]
pub struct Checkpoint {
    file: Option<PathBuf>,
    interval: Duration,
    saved: Instant,
}

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
    pub fn save(&mut self, weights: &Weights) -> Result<(), Error> {
        self.saved = Instant::now();
        self.file.as_deref().map_or(Ok(()), |file| weights.save(file))
    }

    /// What an interrupted training left, if anything.
    pub fn load(&self) -> Result<Option<Weights>, Error> {
        match &self.file {
            Some(file) if file.exists() => Weights::load(file).map(Some),
            _ => Ok(None),
        }
    }
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
}
