//! The types of trained networks, said once: what a port takes and gives, and what a file says of itself.

use std::collections::BTreeMap;

use runner::error::StageError;
use runner::ports::NetworkType;
use safetensors::SafeTensors;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Positions and velocities to actions and angles, by `network: smooth` of `train_actions`.
pub const SMOOTH: NetworkType = NetworkType("actions/smooth");

/// The same by `network: paper`.
pub const PAPER: NetworkType = NetworkType("actions/paper");

/// Actions on the orbits that were learned from, by `network: fourier`.
pub const FOURIER: NetworkType = NetworkType("actions/fourier");

/// Positions and velocities to actions and angles in one potential, by a table of its orbits: of `build_finder`.
pub const FINDER: NetworkType = NetworkType("actions/finder");

/// Actions and angles to positions and velocities, of `train_inverse`.
pub const INVERSE: NetworkType = NetworkType("inverse");

/// A field with a potential: a sum of discs and multipoles.
pub const LINEAR_FIELD: NetworkType = NetworkType("field/linear");

/// A field with a potential: a perceptron.
pub const SMOOTH_FIELD: NetworkType = NetworkType("field/smooth");

/// A field without a potential: three components of the acceleration.
pub const FREE_FIELD: NetworkType = NetworkType("field/acceleration");

/// Networks that give every star actions and angles.
pub const ACTIONS: [NetworkType; 2] = [SMOOTH, PAPER];

/// Fields that have a potential.
pub const POTENTIALS: [NetworkType; 2] = [LINEAR_FIELD, SMOOTH_FIELD];

/// All fields.
pub const FIELDS: [NetworkType; 3] = [LINEAR_FIELD, SMOOTH_FIELD, FREE_FIELD];

/// The type of a network as a pipeline writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TypeName {
    /// Positions and velocities to actions and angles, by `network: smooth` of `train_actions`.
    #[serde(rename = "actions/smooth")]
    Smooth,
    /// The same by `network: paper`.
    #[serde(rename = "actions/paper")]
    Paper,
    /// Actions on the orbits that were learned from, by `network: fourier`.
    #[serde(rename = "actions/fourier")]
    Fourier,
    /// Positions and velocities to actions and angles in one potential, of `build_finder`.
    #[serde(rename = "actions/finder")]
    Finder,
    /// Actions and angles to positions and velocities, of `train_inverse`.
    #[serde(rename = "inverse")]
    Inverse,
    /// A field with a potential, as a sum, of `train_potential`.
    #[serde(rename = "field/linear")]
    LinearField,
    /// A field with a potential, as a network, of `train_potential`.
    #[serde(rename = "field/smooth")]
    SmoothField,
    /// A field without a potential, of `train_acceleration`.
    #[serde(rename = "field/acceleration")]
    FreeField,
}

impl From<TypeName> for NetworkType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Smooth => SMOOTH,
            TypeName::Paper => PAPER,
            TypeName::Fourier => FOURIER,
            TypeName::Finder => FINDER,
            TypeName::Inverse => INVERSE,
            TypeName::LinearField => LINEAR_FIELD,
            TypeName::SmoothField => SMOOTH_FIELD,
            TypeName::FreeField => FREE_FIELD,
        }
    }
}

/// The metadata of a safetensors file with these bytes; or why it is none.
pub fn metadata_of(bytes: &[u8]) -> Result<BTreeMap<String, String>, &'static str> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|_| "is not a whole safetensors file")?;
    Ok(header.metadata().clone().unwrap_or_default().into_iter().collect())
}

/// What the files of each type say of themselves: `map`, and `network` where several have that map.
const FILES: [(NetworkType, &str, Option<&str>); 8] = [
    (SMOOTH, "actions", Some("smooth")),
    (PAPER, "actions", Some("paper")),
    (FOURIER, "actions", Some("fourier")),
    (INVERSE, "inverse", None),
    (LINEAR_FIELD, "field", Some("linear_field")),
    (SMOOTH_FIELD, "field", Some("mlp_field")),
    (FREE_FIELD, "field", Some("acceleration")),
    (FINDER, "finder", None),
];

/// All that `predict` evaluates.
pub const LEARNED: [NetworkType; FILES.len() - 1] = {
    let mut all = [SMOOTH; FILES.len() - 1];
    let mut n = 0;
    while n < all.len() {
        all[n] = FILES[n].0;
        n += 1;
    }
    all
};

/// Whether networks of a type give every star actions and angles.
pub fn is_actions(of: NetworkType) -> bool {
    ACTIONS.contains(&of)
}

/// The type of a file with these metadata; `None` where no network of ours says this.
pub fn of_file(map: Option<&str>, network: Option<&str>) -> Option<NetworkType> {
    let known = FILES
        .iter()
        .find(|(_, own_map, own_network)| map == Some(own_map) && network == *own_network);
    known.map(|(of, ..)| *of)
}

/// The file at an input is not of the type that was connected: the type is known before anything runs, so it is damaged, or another program wrote it.
pub fn foreign(port: &str, expected: NetworkType, found: Option<NetworkType>) -> StageError {
    let found = found.map_or("no network of this program".to_owned(), |of| format!("a {of}"));
    StageError::failed(format!("input {port}: its file holds {found}, not a {expected}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_says_its_type_and_no_other() {
        for (of, map, network) in FILES {
            assert_eq!(of_file(Some(map), network), Some(of));
            // It can be written, by its own name.
            let name: TypeName = serde_json::from_value(of.0.into()).unwrap();
            assert_eq!(NetworkType::from(name), of);
        }
        for (map, network) in [
            (None, None),
            (Some("actions"), None),
            (Some("inverse"), Some("smooth")),
            (Some("field"), Some("smooth")),
            (Some("actions"), Some("linear_field")),
        ] {
            assert_eq!(of_file(map, network), None);
        }
    }
}
