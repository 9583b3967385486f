//! The methods that give actions of stars, and the laws that each of them obeys.
//!
//! [`stars`] is a catalogue of awkward stars; [`laws`] tells what every answer must fulfil, whatever the method. A method
//! may set a star aside with a reason; it may not answer wrongly. The suite runs over [`Method::ALL`] here, and over the
//! kind `estimate_actions` and the learned map where those are.

pub mod laws;
pub mod stars;

#[cfg(test)]
mod tests;

use crate::finder as table;
use crate::o2gf;
use crate::phase_space::{ActionAngle, PhaseSpace};
use crate::potential::{Isochrone, Potential, Symmetry};
use crate::spherical::SphericalActions;
use crate::staeckel::StaeckelFudge;
use crate::torus;

/// Every method that gives actions of a star in a known potential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// [`Isochrone::actions`].
    Isochrone,
    /// [`SphericalActions`].
    Spherical,
    /// [`StaeckelFudge`].
    StaeckelFudge,
    /// [`torus::iterate`] from the fudge's actions.
    Torus,
    /// [`o2gf::label`].
    O2gf,
    /// [`finder::Finder`](table::Finder).
    Finder,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Isochrone,
        Self::Spherical,
        Self::StaeckelFudge,
        Self::Torus,
        Self::O2gf,
        Self::Finder,
    ];

    /// Its name, as pipelines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Isochrone => "isochrone",
            Self::Spherical => "spherical",
            Self::StaeckelFudge => "staeckel_fudge",
            Self::Torus => "torus",
            Self::O2gf => "o2gf",
            Self::Finder => "finder",
        }
    }

    /// Whether it needs a table of the potential first, which takes long to build.
    pub fn takes_a_table(self) -> bool {
        self == Self::Finder
    }

    /// The least symmetric potential it can do.
    pub fn symmetry(self) -> Symmetry {
        match self {
            Self::Isochrone | Self::Spherical => Symmetry::Spherical,
            Self::StaeckelFudge | Self::Torus | Self::O2gf | Self::Finder => Symmetry::Axisymmetric,
        }
    }
}

/// What a method says of one star.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Actions, angles and frequencies.
    pub found: ActionAngle,
    /// The method's own estimate of the greatest error of J_r and J_z, km/s kpc; none if it has none.
    pub action_error: Option<f64>,
    /// The same of the angles, radians.
    pub angle_error: Option<f64>,
    /// The same of the frequencies, relative to Ω_r.
    pub frequency_error: Option<f64>,
}

impl From<ActionAngle> for Answer {
    fn from(found: ActionAngle) -> Self {
        Self {
            found,
            action_error: None,
            angle_error: None,
            frequency_error: None,
        }
    }
}

impl From<table::Found> for Answer {
    fn from(found: table::Found) -> Self {
        Self {
            found: found.action_angle,
            action_error: Some(found.action_error),
            angle_error: Some(found.angle_error),
            frequency_error: Some(found.frequency_error),
        }
    }
}

/// A coarse table of all L_z, of orbits from 2 to 30 kpc: what it cannot tell it says.
pub const COARSE: table::Settings = table::Settings {
    radii: (2.0, 30.0),
    energies: 9,
    least_circularity: 0.001,
    momenta: 12,
    tilts: 12,
};

/// Finds the actions of one star, or says why it has none.
pub type Finder<'a> = Box<dyn Fn(&PhaseSpace) -> Result<Answer, String> + Sync + 'a>;

/// Most tori made for one star.
const TORI: usize = 10;

/// `method` in `potential`, for those that take one with a [`COARSE`] table; none if the potential is not symmetric enough, or no isochrone.
pub fn finder<'a>(method: Method, potential: &'a dyn Potential, isochrone: Option<Isochrone>) -> Option<Finder<'a>> {
    Some(match method {
        Method::Isochrone => {
            let sphere = isochrone?;
            Box::new(move |star| {
                sphere
                    .actions(star)
                    .map(Answer::from)
                    .map_err(|error| error.to_string())
            })
        }
        Method::Spherical => {
            let spherical = SphericalActions::new(potential).ok()?;
            Box::new(move |star| {
                spherical
                    .actions(star)
                    .map(Answer::from)
                    .map_err(|error| error.to_string())
            })
        }
        Method::StaeckelFudge => {
            let fudge = StaeckelFudge::new(potential).ok()?;
            Box::new(move |star| fudge.actions(star).map(Answer::from).map_err(|error| error.to_string()))
        }
        Method::Torus => {
            let fudge = StaeckelFudge::new(potential).ok()?;
            Box::new(move |star| {
                let start = fudge.actions(star).map_err(|error| error.to_string())?.actions;
                let found = torus::iterate(potential, star, &start, TORI, &torus::Settings::default());
                found.map(Answer::from).map_err(|error| error.to_string())
            })
        }
        Method::O2gf => Box::new(move |star| {
            let label = o2gf::label(potential, star, &o2gf::Settings::default()).map_err(|error| error.to_string())?;
            Ok(Answer {
                found: label.action_angle,
                action_error: Some(label.action_error),
                angle_error: Some(label.angle_error),
                frequency_error: Some(label.frequency_error),
            })
        }),
        Method::Finder => {
            let table = table::Finder::build(potential, &COARSE, &|_| {}).ok()?;
            Box::new(move |star| table.find(star).map(Answer::from).map_err(|reason| reason.to_string()))
        }
    })
}
