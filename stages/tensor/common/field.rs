//! Learned fields of every kind at positions.

use dynamics::potential::Potential;
use networks::acceleration::Model;
use networks::field::Field;
use networks::map::NetworkKind;
use networks::weights::Weights;
use runner::error::StageError;
use stages::common::columns::{ACCELERATION, POSITION};
use tables::{RecordBatch, Values};
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

    /// The columns `ax ay az` of a table's positions.
    pub fn columns(&self, table: &RecordBatch) -> Result<Vec<(&'static str, Values)>, StageError> {
        let [x, y, z] = stages::common::io::columns(table, &POSITION)?;
        let places: Vec<[f64; 3]> = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]).collect();
        let found = self.at(&places)?;
        let axis = |axis: usize| found.iter().map(|a| a[axis]).collect::<Vec<f64>>().into();
        Ok((0..3).map(|n| (ACCELERATION[n].name, axis(n))).collect())
    }
}
