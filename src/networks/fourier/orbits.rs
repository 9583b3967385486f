//! Several orbits in one file, each with a Fourier series of its own.

use std::collections::BTreeMap;

use dynamics::phase_space::PhaseSpace;

use super::orbit::OrbitMap;
use crate::error::Error;
use crate::map::NetworkKind;
use crate::weights::Weights;

/// The maps of orbits by the number of their stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrbitMaps {
    /// The maps.
    pub maps: BTreeMap<i64, OrbitMap>,
}

impl OrbitMaps {
    /// J' (φ, z, r) of a star of a stream, km/s kpc. **Fails when** the stream has no map, or the star is unbound in its toy.
    pub fn actions(&self, stream: i64, star: &PhaseSpace) -> Result<[f64; 3], Error> {
        let missing = || Error::Data(format!("the network has no orbit for stream {stream}"));
        let map = self.maps.get(&stream).ok_or_else(missing)?;
        let found = map.actions_of(std::slice::from_ref(star))?;
        found.first().copied().ok_or_else(missing)
    }

    /// The file's content: the content of each map's file, its names preceded by the stream's number.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        let mut all = Weights::default();
        for (stream, map) in &self.maps {
            let Weights { tensors, metadata } = map.to_weights()?;
            let named = |name: String| format!("{stream}.{name}");
            all.tensors
                .extend(tensors.into_iter().map(|(name, tensor)| (named(name), tensor)));
            all.metadata
                .extend(metadata.into_iter().map(|(key, text)| (named(key), text)));
        }
        let streams: Vec<i64> = self.maps.keys().copied().collect();
        all.insert_json("streams", &streams)?;
        NetworkKind::Fourier.write(&mut all);
        Ok(all)
    }

    /// The maps of a file.
    pub fn from_weights(weights: &Weights) -> Result<Self, Error> {
        NetworkKind::Fourier.expect(weights)?;
        let mut maps = BTreeMap::new();
        for stream in weights.json::<Vec<i64>>("streams")? {
            let prefix = format!("{stream}.");
            let mut own = Weights::default();
            for (name, tensor) in &weights.tensors {
                if let Some(name) = name.strip_prefix(&prefix) {
                    own.insert(name, tensor);
                }
            }
            let metadata = weights.metadata.iter();
            own.metadata = metadata
                .filter_map(|(key, text)| Some((key.strip_prefix(&prefix)?.to_owned(), text.clone())))
                .collect();
            maps.insert(stream, OrbitMap::from_weights(&own)?);
        }
        Ok(Self { maps })
    }
}
