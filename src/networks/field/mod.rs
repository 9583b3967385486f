//! The gravitational field itself, learned from streams without labels: ½v² + Φ(x) is the same for all stars of a stream.
//!
//! Nothing but a static potential is assumed. A learned [`Field`] is a [`Potential`] like any other, so that orbits can be
//! integrated and actions found in it, and [`synthetic`] streams made for the training of a canonical map.
//!
//! **Units** Φ in (km/s)², lengths in kpc, velocities in km/s.

mod conserved;
pub mod evidence;
pub mod latent;
pub mod linear;
pub mod mlp;
mod noisy;
mod priors;
pub mod synthetic;
mod torque;

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Potential, Symmetry};
use dynamics::units::GRAVITATIONAL_CONSTANT;

use crate::error::Error;
use crate::map::NetworkKind;
use crate::weights::Weights;

pub use evidence::{AtStars, Energies};
pub use latent::Known;
pub use linear::{Asked, Fitted, LinearField, fit_linear, known};
pub use mlp::{MlpField, train_mlp};
pub use synthetic::{Synthetic, synthetic_streams};

/// A learned field.
#[derive(Debug, Clone)]
pub enum Field {
    /// A sum of simple potentials.
    Linear(LinearField),
    /// A network of the position.
    Mlp(MlpField),
}

/// Gaussian errors of the stars, one standard deviation, the same in every direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Errors {
    /// Of positions, kpc.
    pub position: f64,
    /// Of velocities, km/s.
    pub velocity: f64,
}

impl Field {
    /// The file's content.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        match self {
            Self::Linear(field) => field.to_weights(),
            Self::Mlp(field) => field.to_weights(),
        }
    }

    /// The field of a file.
    pub fn from_weights(weights: &Weights) -> Result<Self, Error> {
        match NetworkKind::of(weights)? {
            NetworkKind::LinearField => LinearField::from_weights(weights).map(Self::Linear),
            NetworkKind::MlpField => MlpField::from_weights(weights).map(Self::Mlp),
            other => Err(Error::Data(format!(
                "the file holds {other}, not a field with a potential"
            ))),
        }
    }

    fn inner(&self) -> &dyn Potential {
        match self {
            Self::Linear(field) => &field.expansion,
            Self::Mlp(field) => field,
        }
    }
}

impl Potential for Field {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.inner().potential(x)
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.inner().acceleration(x)
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        self.inner().hessian(x)
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        self.inner().density(x)
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        self.inner().potential_and_acceleration(x)
    }

    fn symmetry(&self) -> Symmetry {
        self.inner().symmetry()
    }

    fn potential_at_infinity(&self) -> f64 {
        self.inner().potential_at_infinity()
    }
}

/// Distance of the farthest of these places, kpc.
pub(crate) fn extent(places: &[[f64; 3]]) -> f64 {
    let distance = |x: &[f64; 3]| x.iter().map(|c| c * c).sum::<f64>().sqrt();
    places.iter().map(distance).fold(0.0, f64::max)
}

/// Mean absolute deviation of ½v² + Φ from the streams' means, (km/s)².
pub fn energy_spread(potential: &(impl Potential + ?Sized), streams: &[Vec<PhaseSpace>]) -> f64 {
    let mut energies = Energies::default();
    for stream in streams {
        energies.add(potential, stream, None);
    }
    energies.spread()
}

/// ∂²Φ/∂x_i∂x_j from accelerations, by central differences of sixth order over `step` kpc.
fn hessian_by_differences(acceleration: impl Fn([f64; 3]) -> [f64; 3], x: [f64; 3], step: f64) -> [[f64; 3]; 3] {
    let rows = [0, 1, 2].map(|axis| {
        let at = |steps: f64| {
            let mut moved = x;
            moved[axis] += steps * step;
            acceleration(moved)
        };
        let pairs = [(1.0, 45.0), (2.0, -9.0), (3.0, 1.0)].map(|(steps, factor)| (at(steps), at(-steps), factor));
        [0, 1, 2].map(|i| {
            let difference: f64 = pairs.iter().map(|(up, down, factor)| factor * (down[i] - up[i])).sum();
            difference / (60.0 * step)
        })
    });
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| 0.5 * (rows[i][j] + rows[j][i])))
}

/// The density that Poisson's equation gives, M_sun/kpc³.
fn density(hessian: [[f64; 3]; 3]) -> f64 {
    (hessian[0][0] + hessian[1][1] + hessian[2][2]) / (4.0 * std::f64::consts::PI * GRAVITATIONAL_CONSTANT)
}

#[cfg(test)]
mod tests;
