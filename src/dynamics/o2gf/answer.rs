//! What is said of a point: its label and class, or why it has none.

use super::island::Libration;
use crate::orbit::OrbitError;
use crate::phase_space::{ActionAngle, Unbound};
use crate::potential::WrongSymmetry;
use crate::units::Gyr;
use std::collections::BTreeMap;

/// Why a label is no better than its error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// On a torus of its own: the actions are its loop integrals.
    Regular,
    /// Trapped by the resonance n_r Ω_r + n_z Ω_z = 0: the actions are averages over the libration.
    Resonant {
        /// n_r.
        n_r: i32,
        /// n_z.
        n_z: i32,
    },
    /// The frequencies of the two halves of the longest window differ, and the orbit librates about no resonance: the actions are averages
    /// over one window.
    Chaotic,
    /// Outside tolerance, with next to no angular momentum about the axis.
    NearVertical,
    /// Outside tolerance for none of these reasons.
    Unconverged,
}

/// The answer for one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Actions, angles and frequencies at the point.
    pub action_angle: ActionAngle,
    /// Greatest difference of J_r or J_z between the halves of the window, or defect of an identity, km/s kpc. For an
    /// average over a libration also the difference between two mode sets and two toys.
    pub action_error: f64,
    /// The difference between the window and its halves alone, km/s kpc.
    pub window_error: f64,
    /// Greatest difference of an angle at the point between the halves of the window, radians.
    pub angle_error: f64,
    /// Greatest difference of a frequency between the halves of the window, or one of them and the whole, relative to Ω_r.
    pub frequency_error: f64,
    /// Length of the window, in radial periods.
    pub periods: f64,
    /// Number of lines of the spectrum, or of modes of the generating function.
    pub modes: usize,
    /// Greatest relative energy error of the orbit.
    pub energy_error: f64,
    /// What kind of orbit the point is on.
    pub class: Class,
    /// Of one whose class is resonant, where it was followed for long enough: the actions of its own torus.
    pub libration: Option<Libration>,
}

impl Label {
    /// The label of the point that the star reaches after `time`: the same but for angles, which advance by Ω t.
    pub fn after(&self, time: Gyr) -> Self {
        let mut label = self.clone();
        let ActionAngle {
            angles, frequencies, ..
        } = &self.action_angle;
        label.action_angle.angles = angles.after(time, frequencies);
        label
    }
}

/// Why a point has no label.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum O2gfError {
    /// Its energy is not below the potential at infinity.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// The method here uses conservation of L_z and symmetry about z = 0.
    #[error(transparent)]
    Symmetry(#[from] WrongSymmetry),
    /// The orbit could not be integrated.
    #[error(transparent)]
    Orbit(#[from] OrbitError),
    /// The orbit winds around no loop, or no isochrone binds all of it.
    #[error(
        "its orbit winds around no loop: it is radial, or a part of its motion is too small to be told from rounding"
    )]
    NoToy,
    /// The star moves along the z axis of a potential that is no sphere, where every small change grows.
    #[error("it moves along the z axis, where a small change leads to another orbit")]
    AlongAxis,
    /// The star rests at the centre.
    #[error("it rests at the centre, so that its orbit has no frequencies to be measured")]
    AtCentre,
    /// The frequencies of the orbit's two motions are not positive: its angles are not those of a torus.
    #[error("the angles of its orbit do not advance: it is radial, or trapped next to the centre")]
    NoAdvance,
    /// Too few samples of the orbit.
    #[error(
        "{samples} samples over {periods:.1} radial periods are too few: at least 10 periods of 24 samples are needed"
    )]
    TooShort {
        /// Samples given.
        samples: usize,
        /// Radial periods that they cover; 0 if unknown.
        periods: f64,
    },
}

/// How many labels are in each class, and how many points have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Class and number, in order.
    pub classes: BTreeMap<Class, usize>,
    /// Points without a label.
    pub failed: usize,
}

/// Counts the classes of a batch.
pub fn counts(labels: &[Result<Label, O2gfError>]) -> Counts {
    let mut counts = Counts::default();
    for label in labels {
        match label {
            Ok(label) => *counts.classes.entry(label.class).or_default() += 1,
            Err(_) => counts.failed += 1,
        }
    }
    counts
}
