//! Gravitational potentials of static galaxies.
//!
//! Every potential is immutable, checked on construction, and gives potential, acceleration, Hessian and density at a
//! point. The same laws (module `laws`) are tested on every member of [`catalogue`].

pub mod agama;
mod composite;
mod cusp;
mod dehnen;
mod disc;
pub mod expansion;
mod flat_curve;
mod galaxy;
mod isochrone;
mod kepler;
mod logarithmic;
mod milky_way;
mod miyamoto_nagai;
mod multipole;
mod nfw;
mod plummer;
mod polar_table;
mod power_law_cutoff;
mod spherical;
mod spheroid;
mod tabulated;
mod turned;

#[cfg(test)]
pub(crate) mod laws;

pub use composite::Composite;
pub use dehnen::Dehnen;
pub use disc::{Disc, Profile};
pub use expansion::Expansion;
pub use flat_curve::TruncatedFlat;
pub use galaxy::Galaxy;
pub use isochrone::Isochrone;
pub use kepler::Kepler;
pub use logarithmic::Logarithmic;
pub(crate) use milky_way::three_discs;
pub use milky_way::{MilkyWay, dehnen_binney_98_1, mcmillan_17, piffl_14};
pub use miyamoto_nagai::MiyamotoNagai;
pub use multipole::Resolution;
pub use nfw::Nfw;
pub use plummer::Plummer;
pub use power_law_cutoff::PowerLawCutoff;
pub use spherical::SphericalProfile;
pub use spheroid::Spheroid;
pub use tabulated::Tabulated;
pub use turned::Turned;

use crate::phase_space::PhaseSpace;
use crate::units::GRAVITATIONAL_CONSTANT;
use std::fmt;

/// What a potential looks the same under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Symmetry {
    /// Every rotation about the origin.
    Spherical,
    /// Rotations about the z axis, and z → −z.
    Axisymmetric,
    /// Reflections in the three coordinate planes.
    Triaxial,
    /// Half a turn about the z axis, and z → −z.
    Twofold,
}

impl fmt::Display for Symmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spherical => "spherical",
            Self::Axisymmetric => "axisymmetric",
            Self::Triaxial => "triaxial",
            Self::Twofold => "symmetric under half a turn",
        })
    }
}

/// A static gravitational potential, in the frame of its centre.
pub trait Potential: Send + Sync {
    /// Φ(x) in (km/s)², at x in kpc.
    fn potential(&self, x: [f64; 3]) -> f64;

    /// −∇Φ in (km/s)²/kpc.
    fn acceleration(&self, x: [f64; 3]) -> [f64; 3];

    /// ∂²Φ/∂x_i∂x_j in (km/s)²/kpc².
    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3];

    /// Mass density in M_sun/kpc³.
    fn density(&self, x: [f64; 3]) -> f64;

    /// Φ and −∇Φ together, where that costs less than asking for each.
    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        (self.potential(x), self.acceleration(x))
    }

    /// Its symmetry; the weakest claim is always true.
    fn symmetry(&self) -> Symmetry {
        Symmetry::Twofold
    }

    /// Φ at infinity, above which no orbit is bound; infinite for a logarithmic halo.
    fn potential_at_infinity(&self) -> f64 {
        0.0
    }

    /// Energy v²/2 + Φ(x) in (km/s)².
    fn energy(&self, point: &PhaseSpace) -> f64 {
        point.kinetic_energy() + self.potential(point.x)
    }
}

/// Passes every method on, so that a `&P`, `Box<P>` or `Arc<P>` is a potential too.
macro_rules! delegate {
    ($($pointer:ty),*) => {$(
        impl<P: Potential + ?Sized> Potential for $pointer {
            fn potential(&self, x: [f64; 3]) -> f64 {
                (**self).potential(x)
            }
            fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
                (**self).acceleration(x)
            }
            fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
                (**self).hessian(x)
            }
            fn density(&self, x: [f64; 3]) -> f64 {
                (**self).density(x)
            }
            fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
                (**self).potential_and_acceleration(x)
            }
            fn symmetry(&self) -> Symmetry {
                (**self).symmetry()
            }
            fn potential_at_infinity(&self) -> f64 {
                (**self).potential_at_infinity()
            }
            fn energy(&self, point: &PhaseSpace) -> f64 {
                (**self).energy(point)
            }
        }
    )*};
}
delegate!(&P, Box<P>, std::sync::Arc<P>);

/// A method asks for more symmetry than the potential has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} needs a potential that is {needed}, not one that is {found}")]
pub struct WrongSymmetry {
    /// The method.
    pub method: &'static str,
    /// The symmetry it needs.
    pub needed: Symmetry,
    /// The symmetry of the potential.
    pub found: Symmetry,
}

impl WrongSymmetry {
    pub(crate) fn check(method: &'static str, needed: Symmetry, found: Symmetry) -> Result<(), Self> {
        if found <= needed {
            Ok(())
        } else {
            Err(Self { method, needed, found })
        }
    }
}

/// A parameter outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{potential}: {parameter} must be {requirement}, not {value}")]
pub struct InvalidParameter {
    /// The potential, as named in [`catalogue`].
    pub potential: &'static str,
    /// The parameter.
    pub parameter: &'static str,
    /// The value given.
    pub value: f64,
    /// What it has to be.
    pub requirement: &'static str,
}

/// `value` if it is positive and finite.
pub(crate) fn positive(potential: &'static str, parameter: &'static str, value: f64) -> Result<f64, InvalidParameter> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(InvalidParameter {
            potential,
            parameter,
            value,
            requirement: "positive and finite",
        })
    }
}

/// `value` if it is zero or positive, and finite.
pub(crate) fn not_negative(
    potential: &'static str,
    parameter: &'static str,
    value: f64,
) -> Result<f64, InvalidParameter> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(InvalidParameter {
            potential,
            parameter,
            value,
            requirement: "zero or positive, and finite",
        })
    }
}

/// The density that Poisson's equation ∇²Φ = 4πGρ gives for a Hessian in (km/s)²/kpc², M_sun/kpc³.
pub fn poisson_density(hessian: [[f64; 3]; 3]) -> f64 {
    (hessian[0][0] + hessian[1][1] + hessian[2][2]) / (4.0 * std::f64::consts::PI * GRAVITATIONAL_CONSTANT)
}

/// One instance of every potential, by name, and every model of the Milky Way: the list that the law suite runs over.
///
/// A name is the type's name in snake case, with a suffix where a type has several instances; or that of the model.
pub fn catalogue() -> Vec<(&'static str, Box<dyn Potential>)> {
    let entries = entries().into_iter();
    entries.filter_map(|(name, entry)| Some((name, entry?))).collect()
}

/// The same, with nothing for one that could not be made, which the law suite does not forgive.
fn entries() -> Vec<(&'static str, Option<Box<dyn Potential>>)> {
    fn valid<P: Potential + 'static>(potential: Result<P, InvalidParameter>) -> Option<Box<dyn Potential>> {
        potential
            .ok()
            .map(|potential| Box::new(potential) as Box<dyn Potential>)
    }
    let gas = Disc {
        surface_density: 5e7,
        scale_length: 5.0,
        scale_height: 0.2,
        hole_radius: 3.0,
        profile: Profile::Isothermal,
    };
    let halo = Spheroid {
        density: 1e7,
        axis_ratio: 0.9,
        scale_radius: 15.0,
        sharpness: 1.5,
        cutoff_radius: 200.0,
        cutoff_strength: 3.0,
        ..Spheroid::default()
    };
    let lopsided = Logarithmic::new(220.0, 2.0, [1.0, 0.9, 0.7]);
    let types = [
        ("kepler", valid(Kepler::new(1e11))),
        ("isochrone", valid(Isochrone::new(3.334e11, 5.0))),
        ("plummer", valid(Plummer::new(5e5, 0.02))),
        ("nfw", valid(Nfw::new(1e12, 20.0))),
        ("dehnen_hernquist", valid(Dehnen::hernquist(5e10, 1.0))),
        ("dehnen_jaffe", valid(Dehnen::new(5e10, 3.0, 2.0))),
        ("dehnen_core", valid(Dehnen::new(5e10, 2.0, 0.0))),
        ("power_law_cutoff", valid(PowerLawCutoff::new(5e9, 1.8, 1.9))),
        ("truncated_flat", valid(TruncatedFlat::new(1.6e12, 200.0))),
        ("miyamoto_nagai", valid(MiyamotoNagai::new(6.8e10, 3.0, 0.28))),
        (
            "logarithmic_axisymmetric",
            valid(Logarithmic::axisymmetric(220.0, 1.0, 0.8)),
        ),
        ("logarithmic_triaxial", valid(lopsided.clone())),
        ("turned_logarithmic", valid(lopsided.map(|halo| Turned::new(halo, 0.5)))),
        ("galaxy", valid(Galaxy::new(vec![gas], vec![halo]))),
        (
            "composite",
            Composite::milky_way_like()
                .ok()
                .map(|potential| Box::new(potential) as Box<dyn Potential>),
        ),
        (
            "expansion",
            Expansion::with_reflections().map(|potential| Box::new(potential) as Box<dyn Potential>),
        ),
        (
            "tabulated",
            Tabulated::of_thin_discs().map(|potential| Box::new(potential) as Box<dyn Potential>),
        ),
    ];
    let models = MilkyWay::ALL.map(|model| (model.name(), model.build().ok()));
    types.into_iter().chain(models).collect()
}
