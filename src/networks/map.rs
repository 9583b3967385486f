//! Canonical maps from positions and velocities to actions and angles, whatever their network; and what a network's file holds.

use tch::{Device, Tensor};

use crate::about::about;
use crate::error::Error;
use crate::inverse::InverseModel;
use crate::isochrone::Isochrone;
use crate::paper::model::PaperModel;
use crate::smooth::SmoothMap;
use crate::smooth::exact::Unsolved;
use crate::streams::Streams;
use crate::weights::Weights;

/// What a network's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// A [`SmoothMap`].
    Smooth,
    /// The paper's networks, a [`PaperModel`].
    Paper,
    /// Fourier series of single orbits, [`OrbitMaps`](crate::fourier::OrbitMaps).
    Fourier,
    /// An [`InverseModel`].
    Inverse,
    /// A sum of simple potentials, [`LinearField`](crate::field::LinearField).
    LinearField,
    /// A potential as a perceptron, [`MlpField`](crate::field::MlpField).
    MlpField,
    /// An acceleration without a potential, [`Model`](crate::acceleration::Model).
    FreeField,
}

impl NetworkKind {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Smooth,
        Self::Paper,
        Self::Fourier,
        Self::Inverse,
        Self::LinearField,
        Self::MlpField,
        Self::FreeField,
    ];

    /// What a file says: metadata `map`, and `network` where several networks are such maps.
    pub fn metadata(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Smooth => ("actions", Some("smooth")),
            Self::Paper => ("actions", Some("paper")),
            Self::Fourier => ("actions", Some("fourier")),
            Self::Inverse => ("inverse", None),
            Self::LinearField => ("field", Some("linear_field")),
            Self::MlpField => ("field", Some("mlp_field")),
            Self::FreeField => ("field", Some("acceleration")),
        }
    }

    /// What a file holds. **Fails when** it says nothing that is known.
    pub fn of(weights: &Weights) -> Result<Self, Error> {
        let says = |key| weights.metadata.get(key).map(String::as_str);
        let found = (says("map"), says("network"));
        let known = Self::ALL.into_iter().find(|kind| {
            let (map, network) = kind.metadata();
            found == (Some(map), network)
        });
        known.ok_or_else(|| {
            let [map, network] = [found.0, found.1].map(|said| said.unwrap_or("nothing"));
            Error::Data(format!(
                "the file holds no network of this program: `map` says {map}, `network` says {network}"
            ))
        })
    }

    /// **Fails when** a file holds something else.
    pub(crate) fn expect(self, weights: &Weights) -> Result<(), Error> {
        let found = Self::of(weights)?;
        if found == self {
            return Ok(());
        }
        Err(Error::Data(format!("the file holds {found}, not {self}")))
    }

    /// Says in a file what it holds, and how to evaluate it.
    pub(crate) fn write(self, weights: &mut Weights) {
        let (map, network) = self.metadata();
        let mut say = |key: &str, said: &str| weights.metadata.insert(key.to_owned(), said.to_owned());
        say("map", map);
        if let Some(network) = network {
            say("network", network);
        }
        for (key, text) in about(self) {
            say(key, &text);
        }
    }
}

impl std::fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Smooth => "a smooth map to actions",
            Self::Paper => "a map to actions by the paper's networks",
            Self::Fourier => "Fourier series of orbits",
            Self::Inverse => "an inverse map",
            Self::LinearField => "a field as a sum of potentials",
            Self::MlpField => "a potential as a network",
            Self::FreeField => "an acceleration without a potential",
        })
    }
}

/// Positions and velocities, and which stars have none.
#[derive(Debug)]
pub struct Located {
    /// Positions (stars, 3), kpc; of no meaning where `unsolved` says why.
    pub x: Tensor,
    /// Velocities (stars, 3), km/s.
    pub v: Tensor,
    /// For each star.
    pub unsolved: Vec<Option<Unsolved>>,
}

/// A way back from angles and actions.
pub trait Inverse {
    /// Positions and velocities of angles, radians, and actions, km/s kpc: (stars, 3) twice.
    fn locate(&self, angles: &Tensor, actions: &Tensor) -> Result<Located, Error>;
}

/// The way back that a file gives: a network trained for it, or the equations of a smooth map.
pub fn load_inverse(weights: &Weights, device: Device) -> Result<Box<dyn Inverse>, Error> {
    match NetworkKind::of(weights)? {
        NetworkKind::Smooth => Ok(Box::new(SmoothMap::from_weights(weights, device)?)),
        _ => Ok(Box::new(InverseModel::from_weights(weights, device)?)),
    }
}

/// θ' and J' that a map gives to single stars, or to the stars of streams that share their J'.
#[derive(Debug)]
pub struct Image {
    /// θ' in [0, 2π): (stars, 3), or (streams, stars, 3).
    pub angles: Tensor,
    /// J', km/s kpc: (stars, 3), or (streams, 3).
    pub actions: Tensor,
    /// For which of them no J' was found that solves its equation: what stands there then means little.
    pub open: Vec<bool>,
}

/// θ' and J' of the stars of streams, J' common to the stars of each.
#[derive(Debug)]
pub struct StreamImage {
    /// θ' in [0, 2π): (streams, stars, 3).
    pub angles: Tensor,
    /// J' of each star's stream, km/s kpc: (streams, stars, 3).
    pub actions: Tensor,
    /// What each star by itself would have, with these toy angles: (streams, stars, 3). Their mean over the stars is J'.
    pub own_actions: Tensor,
    /// Of which streams no J' was found.
    pub open: Vec<bool>,
}

/// The J' that the stars of each stream share.
#[derive(Debug)]
pub struct CommonActions {
    /// (streams, 3), km/s kpc.
    pub actions: Tensor,
    /// Of each stream, whether no J' was found: what stands in `actions` then means nothing.
    pub open: Vec<bool>,
}

impl CommonActions {
    /// Those of the streams `places`.
    pub fn pick(&self, places: &[usize]) -> Self {
        let rows: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.actions.device());
        Self {
            actions: self.actions.index_select(0, &rows),
            open: places.iter().map(|&place| self.open[place]).collect(),
        }
    }
}

/// Derivatives of a map at stars.
#[derive(Debug)]
pub struct Derivatives {
    /// ∂J'/∂(x, v): km/s in the first three columns, kpc in the last. (stars, 3, 6).
    pub of_actions: Tensor,
    /// ∂θ'/∂(x, v): 1/kpc in the first three columns, s/km in the last. (stars, 3, 6).
    pub of_angles: Tensor,
}

/// A trained canonical map (x, v) → (θ', J') by way of a toy isochrone.
///
/// **Units** kpc, km/s, km/s kpc, rad. **Fails when**, in all methods, a star is unbound in the toy.
pub trait CanonicalMap: std::fmt::Debug + Send {
    /// The toy, without a graph.
    fn toy(&self) -> Isochrone;

    /// θ' and J' of stars, each from itself alone. **Shape** (stars, 3) twice.
    fn alone(&self, x: &Tensor, v: &Tensor) -> Result<Image, Error>;

    /// The same by the network as thinned by dropout masks that `draw` seeds; `None` where it has no dropout.
    fn drawn(&self, _x: &Tensor, _v: &Tensor, _draw: i64) -> Option<Result<Image, Error>> {
        None
    }

    /// θ' and J' of the stars of streams; `None` where it is not known how stars share a J'.
    fn together(&self, _streams: &Streams) -> Option<Result<StreamImage, Error>> {
        None
    }

    /// The J' of streams at which [`derivatives`](Self::derivatives) are taken.
    fn common_actions(&self, streams: &Streams) -> Result<CommonActions, Error>;

    /// Derivatives at the stars of streams, in order, each stream at its J', which stays.
    fn derivatives(&self, streams: &Streams, common: &CommonActions) -> Result<Derivatives, Error>;

    /// Ω' of stars with acceleration `a`, (km/s)²/kpc, km/s/kpc; `actions` is what [`alone`](Self::alone) gave. **Shape** (stars, 3) each.
    ///
    /// **Source** Ibata et al. (2021), Eq. 16
    fn frequencies(&self, x: &Tensor, v: &Tensor, a: &Tensor, actions: &Tensor) -> Result<Tensor, Error>;

    /// The file's content.
    fn to_weights(&self) -> Result<Weights, Error>;

    /// θ and J of the toy. **Shape** (stars, 3) twice.
    fn by_toy(&self, x: &Tensor, v: &Tensor) -> Result<Image, Error> {
        let found = tch::no_grad(|| self.toy().from_cartesian(x, v))?;
        Ok(Image {
            open: vec![false; found.actions.size()[0] as usize],
            angles: found.angles,
            actions: found.actions,
        })
    }
}

/// The map of a file. **Fails when** the file holds none that gives every star actions and angles.
pub fn load(weights: &Weights, device: Device) -> Result<Box<dyn CanonicalMap>, Error> {
    match NetworkKind::of(weights)? {
        NetworkKind::Smooth => Ok(Box::new(SmoothMap::from_weights(weights, device)?)),
        NetworkKind::Paper => Ok(Box::new(PaperModel::from_weights(weights, device)?)),
        other => Err(Error::Data(format!(
            "the file holds {other}, not a map of any star to actions and angles"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_holds_and_nothing_else_is_taken_for_it() {
        for kind in NetworkKind::ALL {
            let mut weights = Weights::default();
            assert!(NetworkKind::of(&weights).is_err());
            kind.write(&mut weights);
            assert_eq!(NetworkKind::of(&weights).ok(), Some(kind));
            for other in NetworkKind::ALL {
                assert_eq!(other.expect(&weights).is_ok(), other == kind);
            }
            weights.metadata.insert("network".to_owned(), "another".to_owned());
            assert!(NetworkKind::of(&weights).is_err());
        }
    }
}
