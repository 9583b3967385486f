//! Learned fields of every kind at positions.

use dynamics::potential::Potential;
use networks::acceleration::Model;
use networks::field::Field;
use networks::map::NetworkKind;
use networks::weights::Weights;
use runner::error::StageError;
use stages::common::io;
use stages::common::quantities::{Acceleration, Position};
use tables::RecordBatch;
use tch::{Device, Tensor};

use crate::common::failed;

/// A field, with a potential or without.
pub enum LearnedField {
    /// One with a potential.
    Potential(Field),
    /// A free acceleration.
    Free(Model),
}

impl LearnedField {
    /// The field of a file.
    pub fn from_weights(weights: &Weights) -> Result<Self, StageError> {
        match NetworkKind::of(weights).map_err(failed)? {
            NetworkKind::FreeField => Ok(Self::Free(Model::from_weights(weights, Device::Cpu).map_err(failed)?)),
            _ => Ok(Self::Potential(Field::from_weights(weights).map_err(failed)?)),
        }
    }

    /// Whether it has a potential.
    pub fn has_potential(&self) -> bool {
        matches!(self, Self::Potential(_))
    }

    /// Φ at a place, (km/s)²; nothing of a field without one.
    pub fn potential(&self, place: [f64; 3]) -> f64 {
        match self {
            Self::Potential(field) => field.potential(place),
            Self::Free(_) => 0.0,
        }
    }

    /// Accelerations at positions, (km/s)²/kpc.
    pub fn at(&self, places: &[[f64; 3]]) -> Result<Vec<[f64; 3]>, StageError> {
        match self {
            Self::Potential(field) => Ok(places.iter().map(|&place| field.acceleration(place)).collect()),
            Self::Free(model) => {
                let places = Tensor::from_slice(places.as_flattened()).view([-1, 3]);
                let found = model.accelerations(&places).contiguous().view(-1);
                let flat = Vec::<f64>::try_from(found).map_err(StageError::failed)?;
                Ok(flat.as_chunks::<3>().0.to_vec())
            }
        }
    }

    /// Accelerations at a table's positions.
    pub fn at_rows(&self, table: &RecordBatch) -> Result<Vec<Acceleration>, StageError> {
        let places: Vec<Position> = io::quantity(table)?;
        let places: Vec<[f64; 3]> = places.iter().map(|place| place.0).collect();
        Ok(self.at(&places)?.into_iter().map(Acceleration).collect())
    }
}
