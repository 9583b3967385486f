//! Actions, angles and frequencies of a single phase-space point from the spectrum of its orbit.
//!
//! The orbit through the point is integrated both ways and sampled at equal steps.
//! 1. Angles that wind with the orbit (module `winding`) advance by Ω t up to periodic functions; a weighted straight line
//!    gives Ω and θ, with an error that falls faster than any power of the window's length.
//! 2. The Fourier coefficients of x + iy and z at the frequencies n·Ω are weighted means too, and the loop integrals that
//!    the actions are follow from them (module `spectrum`).
//!
//! Where a motion vanishes, its line is not in the spectrum and its angle not in the samples: nearly circular orbits are those of
//! epicycles (module `near_circular`), orbits without radial motion have the shell's neighbours' (module `shell`), and the vertical motion of
//! nearly planar ones is enlarged, for it is linear.
//!
//! The window grows until its two halves agree; their difference is the error estimate. J_φ = L_z and
//! Ω·J = ⟨v²⟩ must come out as well, and what they miss counts as error. An orbit trapped in a resonance or chaotic has no
//! such spectrum. It is classed, and its actions are those of its toy torus averaged over the libration (module `libration`). These are
//! known from two windows better than they are defined: across toys they differ by more, and the label says both.
//!
//! The module keeps the name of the method of Sanders & Binney (2014), MNRAS 441, 3284 (orbit integration, toy angles,
//! generating function by least squares), which the average over a libration still is. The actions of the torus that a trapped orbit does have,
//! J_s and J_l, come from its own spectrum (module `island`).
//!
//! **Source**: Binney & Spergel (1984), MNRAS 206, 159 (actions from spectra); Das et al. (2017), Nonlinearity 30, 4111
//! (weighted means along orbits).

mod answer;
mod fourier;
mod island;
mod lattice;
mod libration;
mod near_circular;
mod shell;
mod spectrum;
pub(crate) mod toy;
mod track;
mod trapped;
mod winding;
pub(crate) mod window;

use crate::orbit::circular::circular_speed;
use crate::orbit::{OrbitError, dense};
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound};
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::units::{Gyr, wrap_difference};
pub use answer::{Class, Counts, Label, O2gfError, counts};
pub use island::Libration;
use rayon::prelude::*;
use spectrum::{Extent, Samples};
use track::{Track, reach};

/// How far to go for a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Error of actions at which a label needs no more work, km/s kpc.
    pub target: f64,
    /// Error of actions up to which a label counts as one, km/s kpc; a worse one is classed.
    pub tolerance: f64,
    /// Tolerance of the orbit integration.
    pub orbit_tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: 5e-2,
            tolerance: 0.5,
            orbit_tolerance: 1e-10,
        }
    }
}

/// Windows tried in turn: radial periods, highest n_r, and highest n_z/2.
pub const LEVELS: [(f64, usize, usize); 3] = [(60.0, 24, 8), (240.0, 32, 12), (960.0, 32, 12)];

/// Windows over which an average over a libration is taken, in turn, radial periods: the longer the more librations, and the
/// more of what a chaotic orbit visits. A third, four times as long, brought 5 of 300 halo stars more within tolerance, for seconds each.
pub const LIBRATION_WINDOWS: [f64; 2] = [240.0, 960.0];

/// Samples per radial period.
const DENSITY: f64 = 96.0;

/// The label of one point.
///
/// **Units**: kpc, km/s; km/s kpc, radians, km/s/kpc.
/// **Source**: see [the module](self).
/// **Accuracy**: estimated in the label.
/// **Fails when** the point is unbound or the potential is not axisymmetric; a resonant or chaotic orbit is classed.
pub fn label<P: Potential + ?Sized>(
    potential: &P,
    point: &PhaseSpace,
    settings: &Settings,
) -> Result<Label, O2gfError> {
    WrongSymmetry::check("O2GF", Symmetry::Axisymmetric, potential.symmetry())?;
    let energy = potential.energy(point);
    let limit = potential.potential_at_infinity();
    if energy.is_nan() || energy >= limit {
        return Err(Unbound { energy, limit }.into());
    }
    if let Some(label) = near_circular::label(potential, point, near_circular::SHARP) {
        return Ok(label);
    }
    if potential.symmetry() == Symmetry::Axisymmetric && is_along_axis(potential, point, energy) {
        return Err(O2gfError::AlongAxis);
    }
    let mut track = Track::start(potential, point, DENSITY)?;
    let pilot = track.pilot;
    if pilot.thickness < THIN
        && let Some(label) = shell::label(potential, point, pilot.half, shell::SHARP)
    {
        return Ok(label);
    }
    let label = followed(potential, &mut track, settings).map(|mut label| {
        label.action_angle.actions.z = match track.lift {
            0.0 => 0.0,
            lift => label.action_angle.actions.z / (lift * lift),
        };
        // That of an enlarged motion is not the star's.
        label.libration = label.libration.filter(|_| track.lift == 1.0);
        label
    });
    if label.as_ref().is_ok_and(|label| label.class == Class::Regular) || pilot.thickness > 2.0 * THIN {
        return label;
    }
    // Where the orbit does not tell, the limit of small amplitudes may, if it is the better one.
    let limit = near_circular::label(potential, point, near_circular::ROUGH)
        .or_else(|| shell::label(potential, point, pilot.half, shell::ROUGH));
    match (limit, label) {
        (Some(limit), Ok(label)) if label.action_error < limit.action_error => Ok(label),
        (Some(limit), _) => Ok(limit),
        (None, label) => label,
    }
}

/// Distance from the z axis, in parts of the orbit's size, and speed across it, in parts of that of a circular orbit of that size, below which a star moves along it.
const AXIS: f64 = 1e-4;

/// Whether a star is next to the z axis and does not leave it by itself: next to it motion is unstable or all but so, and what becomes of the
/// star is decided by its last digits.
fn is_along_axis<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, energy: f64) -> bool {
    let [x, y, _] = point.x;
    let [v_x, v_y, _] = point.v;
    let Some(size) = reach(potential, energy).filter(|size| size.is_finite()) else {
        return false;
    };
    x.hypot(y) < AXIS * size && v_x.hypot(v_y) < AXIS * circular_speed(potential, size)
}

/// Thickness of the curve that an orbit fills in the meridional plane, relative to r, below which it may lie next to a shell orbit.
const THIN: f64 = 5e-3;

/// The label of an orbit whose radial and vertical motions can be told from its samples.
fn followed<P: Potential + ?Sized>(potential: &P, track: &mut Track, settings: &Settings) -> Result<Label, O2gfError> {
    let mut found: Option<Label> = None;
    let mut resonance = None;
    for (periods, r, z) in LEVELS {
        if !track.affords(periods) {
            break;
        }
        track.extend(potential, periods, settings.orbit_tolerance)?;
        let samples = track.samples()?;
        let mut label = spectral(&samples, Extent { r, z });
        (label.periods, label.energy_error) = (periods, track.energy_error);
        // A longer window of an orbit without a torus has better frequencies but no better actions.
        if let Some(before) = &found
            && before.action_error < label.action_error
        {
            label.action_angle.actions = before.action_angle.actions;
            label.action_error = before.action_error;
            label.window_error = before.window_error;
        }
        resonance = locked(&label, &samples).filter(|_| periods >= LIBRATION_WINDOWS[0]);
        let drifts = periods >= LIBRATION_WINDOWS[0] && label.frequency_error > HOPELESS_DRIFT;
        let good = label.action_error < settings.target && label.angle_error < ANGLE_TARGET;
        let done = good || resonance.is_some() || drifts;
        found = Some(label);
        if done {
            break;
        }
    }
    let mut label = found.ok_or(O2gfError::NoToy)?;
    let rates = label.action_angle.frequencies;
    let advances = rates.r > 0.0 && rates.z > 0.0;
    if !advances {
        return Err(O2gfError::NoAdvance);
    }
    if label.action_error < settings.tolerance {
        return Ok(label);
    }
    let of =
        |average: &Option<libration::Average>| average.as_ref().map_or(f64::INFINITY, |average| average.window_error);
    let sharp = label.frequency_error < HOPELESS_DRIFT;
    let windows = match () {
        () if label.frequency_error > WILD_DRIFT => &LIBRATION_WINDOWS[..1],
        () => &LIBRATION_WINDOWS[..],
    };
    let mut average = None;
    for &periods in windows {
        if !track.affords(periods) {
            break;
        }
        track.extend(potential, periods, settings.orbit_tolerance)?;
        let next = libration::average(potential, track, periods, sharp);
        if of(&next) < of(&average) {
            average = next;
        }
        if of(&average) < 0.5 * settings.tolerance {
            break;
        }
    }
    if let Some(average) = average
        && average.error < label.action_error
    {
        let [j_r, j_z] = average.j.map(|j| j.max(0.0));
        let actions = &mut label.action_angle.actions;
        *actions = Actions::from_rzphi([j_r, j_z, actions.phi]);
        label.action_error = average.error;
        label.window_error = average.window_error;
        label.modes = average.modes;
    }
    let actions = label.action_angle.actions;
    let is_near_vertical = actions.phi.abs() < NEAR_VERTICAL * (actions.r + actions.z);
    // Halves of a window that is no whole number of librations differ, and the orbit is not chaotic for that.
    let resonance = match resonance {
        None if !is_near_vertical => trapped::libration(&track.samples()?),
        found => found,
    };
    label.class = match resonance {
        _ if is_near_vertical => Class::NearVertical,
        Some((n_r, n_z)) => Class::Resonant { n_r, n_z },
        None if label.frequency_error > DRIFT => Class::Chaotic,
        None => Class::Unconverged,
    };
    if let Class::Resonant { n_r, n_z } = label.class {
        label.libration = libration_about(potential, track, settings, (n_r, n_z));
    }
    Ok(label)
}

/// How the orbit librates, from windows that grow until it is known: what a longer one does not give, the label does not need.
fn libration_about<P: Potential + ?Sized>(
    potential: &P,
    track: &mut Track,
    settings: &Settings,
    resonance: (i32, i32),
) -> Option<Libration> {
    let error = |found: &Option<Libration>| found.and_then(|found| found.error).unwrap_or(f64::INFINITY);
    let mut found = None;
    for periods in LIBRATION_WINDOWS {
        let extended = track.affords(periods) && track.extend(potential, periods, settings.orbit_tolerance).is_ok();
        let Some(samples) = extended.then(|| track.samples().ok()).flatten() else {
            break;
        };
        let next = island::libration(&samples, resonance);
        if error(&next) < error(&found) {
            found = next;
        }
        if error(&found) < settings.target {
            break;
        }
    }
    found
}

/// |J_φ| below this part of J_r + J_z makes an orbit nearly vertical: it passes the centre so closely that no toy follows it.
const NEAR_VERTICAL: f64 = 0.01;

/// Error of the angles at which a label needs no more work, radians.
const ANGLE_TARGET: f64 = 5e-3;

/// Relative difference of the frequencies of halves of the longest window above which an orbit is called chaotic; those
/// of regular orbits differ by less than 1e-6.
const DRIFT: f64 = 1e-5;

/// The same after the first of [`LIBRATION_WINDOWS`], from which a longer window has not yet saved any orbit: those of regular orbits that
/// needed one differed by 1.1e-3 at most.
const HOPELESS_DRIFT: f64 = 2e-3;

/// The same from which a longer window has not yet brought any average over a libration within tolerance: of 7 drifting ones that were helped the drift was
/// 6e-3 at most.
const WILD_DRIFT: f64 = 1e-2;

/// [`label`] of many points, in parallel. `progress(n)` is told how many more are done.
pub fn labels<P: Potential + ?Sized>(
    potential: &P,
    points: &[PhaseSpace],
    settings: &Settings,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<Result<Label, O2gfError>> {
    points
        .par_iter()
        .with_max_len(1)
        .map(|point| {
            let label = label(potential, point, settings);
            progress(1);
            label
        })
        .collect()
}

/// Labels of the points that the star at `point` reaches after each of `times` (of either sign, in any order): one
/// integration for all.
pub fn labels_along<P: Potential + ?Sized>(
    potential: &P,
    point: &PhaseSpace,
    times: &[Gyr],
    settings: &Settings,
) -> Result<Vec<Label>, O2gfError> {
    let label = label(potential, point, settings)?;
    Ok(times.iter().map(|&time| label.after(time)).collect())
}

/// Where the star at `point` is after each of `times` (of either sign, in any order).
pub fn positions_along<P: Potential + ?Sized>(
    potential: &P,
    point: &PhaseSpace,
    times: &[Gyr],
) -> Result<Vec<PhaseSpace>, OrbitError> {
    let mut positions = vec![*point; times.len()];
    for direction in [1.0, -1.0] {
        let mut rows: Vec<usize> = (0..times.len()).filter(|&row| times[row].0 * direction > 0.0).collect();
        rows.sort_by(|&a, &b| times[a].0.abs().total_cmp(&times[b].0.abs()));
        let sorted: Vec<Gyr> = rows.iter().map(|&row| times[row]).collect();
        let orbit = dense::integrate(potential, point, &sorted, Settings::default().orbit_tolerance)?;
        for (row, point) in rows.into_iter().zip(orbit.points) {
            positions[row] = point;
        }
    }
    Ok(positions)
}

/// The label of the first point of an orbit in an axisymmetric potential, sampled every `step` by whatever means.
///
/// What cannot be told without the potential is not: an orbit that does not reach `settings.tolerance` is
/// [`Class::Unconverged`], or [`Class::Resonant`].
///
/// **Shape**: at least 10 radial periods, with 24 samples or more each; better 200 periods of 96.
pub fn label_sampled(orbit: &[PhaseSpace], step: Gyr, settings: &Settings) -> Result<Label, O2gfError> {
    let short = |periods| O2gfError::TooShort {
        samples: orbit.len(),
        periods,
    };
    if orbit.len() < 240 {
        return Err(short(0.0));
    }
    let track = Track::given(orbit, step.into())?;
    let samples = track.samples()?;
    let periods = (samples.theta[samples.theta.len() - 1][0] - samples.theta[0][0]) / std::f64::consts::TAU;
    if !(periods >= 10.0 && orbit.len() as f64 / periods >= 24.0) {
        return Err(short(periods));
    }
    let mut label = spectral(&samples, Extent { r: 32, z: 12 });
    label.periods = periods;
    if label.action_error >= settings.tolerance {
        let resonance = locked(&label, &samples);
        label.libration = resonance.and_then(|resonance| island::libration(&samples, resonance));
        label.class = match resonance {
            Some((n_r, n_z)) => Class::Resonant { n_r, n_z },
            None => Class::Unconverged,
        };
    }
    Ok(label)
}

/// Angles, frequencies and actions from all of the samples, with errors from their halves.
fn spectral(samples: &Samples, extent: Extent) -> Label {
    let n = samples.x.len();
    let [whole, before, after] = [0..n, 0..n / 2 + 1, n / 2..n].map(|range| {
        let lines = spectrum::frequencies(samples, range.clone());
        let sums = spectrum::actions(samples, range, lines.omega, extent);
        (lines, sums)
    });
    let greatest = |values: [f64; 3]| values.into_iter().map(f64::abs).fold(0.0, f64::max);
    let (lines, sums) = whole;
    let ([omega_r, omega_z, _], [j_r, j_z]) = (lines.omega, sums.j);
    let window_error = greatest([
        greatest([0, 1, 1].map(|k| before.1.j[k] - after.1.j[k])),
        greatest([0, 1, 1].map(|k| before.1.j[k] - sums.j[k])),
        0.0,
    ]);
    let action_error = greatest([
        window_error,
        0.0,
        greatest([
            sums.j_phi - samples.j_phi,
            (sums.power - sums.v2) / omega_r,
            (sums.power - sums.v2) / omega_z,
        ]),
    ]);
    Label {
        action_angle: ActionAngle {
            actions: Actions::from_rzphi([j_r.max(0.0), j_z.max(0.0), samples.j_phi]),
            angles: Angles::from_rzphi(lines.theta),
            frequencies: Frequencies::from_rzphi(lines.omega),
        },
        action_error: if action_error.is_nan() {
            f64::INFINITY
        } else {
            action_error
        },
        window_error: if window_error.is_nan() {
            f64::INFINITY
        } else {
            window_error
        },
        angle_error: greatest([0, 1, 2].map(|k| wrap_difference(before.0.theta[k] - after.0.theta[k]))),
        // By symmetry the halves are alike if the star is at rest: the whole tells more.
        frequency_error: greatest([0, 1, 2].map(|k| {
            (before.0.omega[k] - after.0.omega[k])
                .abs()
                .max((before.0.omega[k] - lines.omega[k]).abs())
        })) / omega_r.abs(),
        periods: 0.0,
        modes: sums.lines,
        energy_error: 0.0,
        class: Class::Regular,
        libration: None,
    }
}

/// The resonance n_r Ω_r + n_z Ω_z = 0 in which the frequencies are locked, n_z even: its angle moves by less than a tenth
/// of a radian in the whole window, which by chance one orbit in a hundred does.
fn locked(label: &Label, samples: &Samples) -> Option<(i32, i32)> {
    let rates = label.action_angle.frequencies;
    let length = samples.step * samples.x.len() as f64;
    trapped::lowest(|n_r, n_z| ((n_r * rates.r + n_z * rates.z) * length).abs() < 0.1)
}

#[cfg(test)]
mod near_circular_tests;
#[cfg(test)]
mod tests;
