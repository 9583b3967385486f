//! Actions, angles and frequencies of a single phase-space point from its orbit: O2GF.
//!
//! The orbit through the point is integrated both ways; a toy isochrone is fitted to it, and along it
//!
//! J_toy = J + 2 Σ n S_n cos(n·θ_toy), θ_toy = θ₀ + Ω t − 2 Σ ∂S_n/∂J sin(n·θ_toy)
//!
//! are solved by weighted least squares for J, S_n, θ₀, Ω and ∂S_n/∂J. Window and mode set grow until the two halves of
//! the window agree, and their difference is the error estimate. An orbit whose halves never agree is classed.
//!
//! **Source**: Sanders & Binney (2014), MNRAS 441, 3284.

pub(crate) mod cholesky;
mod lattice;
pub(crate) mod toy;

use crate::orbit::{OrbitError, dense};
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound};
use crate::potential::{Isochrone, Potential, Symmetry};
use crate::units::{wrap_angle, wrap_difference};
use lattice::{Fit, Modes, Sample};
use rayon::prelude::*;

/// How far to go for a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Error of actions at which a label needs no more work, km/s kpc.
    pub target: f64,
    /// Error of actions up to which a label counts as one, km/s kpc; a worse one gets the last two [`LEVELS`] too, and is
    /// classed if they do not help.
    pub tolerance: f64,
    /// Tolerance of the orbit integration.
    pub orbit_tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: 1e-2,
            tolerance: 0.5,
            orbit_tolerance: 1e-11,
        }
    }
}

/// Radial periods in the window, samples per period, and highest n_r and n_z/2.
pub const LEVELS: [(f64, f64, usize, usize); 5] = [
    (40.0, 36.0, 9, 5),
    (80.0, 44.0, 14, 8),
    (160.0, 52.0, 20, 11),
    (240.0, 60.0, 26, 14),
    (400.0, 60.0, 30, 18),
];

/// Why a label is no better than its error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Within tolerance.
    Regular,
    /// Trapped by, or near, the resonance n_r Ω_r + n_z Ω_z = 0.
    Resonant {
        /// n_r.
        n_r: i32,
        /// n_z.
        n_z: i32,
    },
    /// Little angular momentum about the axis: its generating function has no rapidly converging series.
    NearVertical,
    /// The frequencies of the two halves of the window differ.
    Chaotic,
    /// Outside tolerance for none of these reasons.
    Unconverged,
}

/// The answer for one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Actions, angles and frequencies at the point.
    pub action_angle: ActionAngle,
    /// Greatest difference of J_r or J_z between the halves of the window or from a smaller mode set, km/s kpc.
    pub action_error: f64,
    /// Greatest difference of an angle at the point, radians.
    pub angle_error: f64,
    /// Greatest relative difference of a frequency.
    pub frequency_error: f64,
    /// Length of the window, in radial periods.
    pub periods: f64,
    /// Number of modes S_n.
    pub modes: usize,
    /// Greatest relative energy error of the orbit.
    pub energy_error: f64,
    /// Regularisation of the modes; above 1e-6 the actions are those averaged over a libration.
    pub ridge: f64,
    /// What kind of orbit the point is on.
    pub class: Class,
}

/// Why a point has no label.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum O2gfError {
    /// Its energy is not below the potential at infinity.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// The method here uses conservation of L_z and symmetry about z = 0.
    #[error("O2GF needs an axisymmetric potential")]
    NotAxisymmetric,
    /// The orbit could not be integrated.
    #[error(transparent)]
    Orbit(#[from] OrbitError),
    /// No isochrone binds the whole orbit, or the equations are singular.
    #[error("no toy isochrone represents the orbit")]
    NoToy,
}

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
    if potential.symmetry() == Symmetry::Triaxial {
        return Err(O2gfError::NotAxisymmetric);
    }
    let energy = potential.energy(point);
    let limit = potential.potential_at_infinity();
    if energy.is_nan() || energy >= limit {
        return Err(Unbound { energy, limit }.into());
    }
    let (toy, period) = pilot(potential, point)?;
    // The best sharp label, and the best averaged over a libration.
    let mut best: [Option<Label>; 2] = [None, None];
    let mut before: Vec<Option<Label>> = Vec::new();
    let below = |best: &Option<Label>, limit: f64| best.as_ref().is_some_and(|best| best.action_error < limit);
    for (number, &level) in LEVELS.iter().enumerate() {
        if number > 2 && best.iter().any(|best| below(best, settings.tolerance)) {
            break;
        }
        let trials = attempt(potential, point, &toy, period, level, settings)?;
        // Two halves share what the mode set leaves out; two mode sets do not.
        for (trial, smaller) in trials.iter().zip(&before) {
            if let (Some(trial), Some(smaller)) = (trial, smaller) {
                let trial = compared(trial.clone(), smaller);
                let best = &mut best[usize::from(trial.ridge > SHARP)];
                if best.as_ref().is_none_or(|best| trial.action_error < best.action_error) {
                    *best = Some(trial);
                }
            }
        }
        if below(&best[0], settings.target) {
            break;
        }
        before = trials;
    }
    let [sharp, averaged] = best;
    let mut label = match (sharp, averaged) {
        (Some(sharp), Some(averaged)) => {
            let ordinary = sharp.action_error < settings.tolerance || sharp.action_error <= averaged.action_error;
            if ordinary { sharp } else { averaged }
        }
        (sharp, averaged) => sharp.or(averaged).ok_or(O2gfError::NoToy)?,
    };
    label.class = classify(&label, settings.tolerance);
    Ok(label)
}

/// A label whose errors are at least its difference from one with a smaller window and mode set.
fn compared(mut label: Label, smaller: &Label) -> Label {
    let (a, b) = (&label.action_angle, &smaller.action_angle);
    let actions = (a.actions.r - b.actions.r).abs().max((a.actions.z - b.actions.z).abs());
    let angles = [
        a.angles.phi - b.angles.phi,
        a.angles.z - b.angles.z,
        a.angles.r - b.angles.r,
    ];
    let angles = angles
        .map(|angle| wrap_difference(angle).abs())
        .into_iter()
        .fold(0.0, f64::max);
    let (p, q) = (a.frequencies, b.frequencies);
    let rates = [p.phi - q.phi, p.z - q.z, p.r - q.r]
        .map(f64::abs)
        .into_iter()
        .fold(0.0, f64::max);
    label.action_error = label.action_error.max(actions);
    label.angle_error = label.angle_error.max(angles);
    label.frequency_error = label.frequency_error.max(rates / p.r.abs());
    label
}

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

/// A toy for the orbit and its radial period in kpc/(km/s), from a short and coarse integration.
fn pilot<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace) -> Result<(Isochrone, f64), O2gfError> {
    let r = crate::phase_space::norm(point.x);
    let force = crate::phase_space::norm(potential.acceleration(point.x));
    let speed = crate::phase_space::norm(point.v);
    let mut period = 6.0 * (r / force).sqrt().max(0.3 * speed / force);
    let mut toy = None;
    // A first guess of the period may be far off: the second pass has the toy's.
    for _ in 0..2 {
        let times: Vec<f64> = (0..600).map(|i| period * 20.0 / 600.0 * f64::from(i)).collect();
        let mut points = Vec::with_capacity(times.len());
        dense::follow(potential, point, &times, 1e-8, |_, point| points.push(point))?;
        let fitted = toy::fit(potential, &points).ok_or(O2gfError::NoToy)?;
        let rate: f64 = points
            .iter()
            .map(|point| fitted.actions(point).map(|toy| toy.frequencies.r))
            .sum::<Result<f64, Unbound>>()?
            / points.len() as f64;
        period = std::f64::consts::TAU / rate;
        toy = Some(fitted);
    }
    Ok((toy.ok_or(O2gfError::NoToy)?, period))
}

/// One window and mode set, with every one of the [`RIDGES`]; nothing where a point of the orbit is unbound in the toy or
/// the equations are singular.
fn attempt<P: Potential + ?Sized>(
    potential: &P,
    point: &PhaseSpace,
    toy: &Isochrone,
    period: f64,
    (periods, density, n_r, half_n_z): (f64, f64, usize, usize),
    settings: &Settings,
) -> Result<Vec<Option<Label>>, O2gfError> {
    let half = (0.5 * periods * density) as usize;
    let step = period / density;
    let mut points = vec![*point; 2 * half + 1];
    let mut energy_error = 0.0f64;
    for direction in [1.0, -1.0] {
        let times: Vec<f64> = (1..=half).map(|i| direction * step * i as f64).collect();
        let effort = dense::follow(potential, point, &times, settings.orbit_tolerance, |i, point| {
            points[if direction > 0.0 { half + 1 + i } else { half - 1 - i }] = point;
        })?;
        energy_error = energy_error.max(effort.energy_error);
    }
    let Some(samples) = toy_samples(toy, &points, step, half) else {
        return Ok(Vec::new());
    };
    let modes = Modes::new(n_r, half_n_z);
    let sums = |range: std::ops::Range<usize>| {
        let part = &samples[range];
        let n = part.len() as f64;
        // A smooth window: what the modes leave out averages out faster than with sharp ends.
        let weights: Vec<f64> = (0..part.len())
            .map(|i| (std::f64::consts::PI * (i as f64 + 0.5) / n).sin().powi(2))
            .collect();
        lattice::accumulate(part, &weights, &modes)
    };
    let (Some(whole), Some(before), Some(after)) = (sums(0..2 * half + 1), sums(0..half + 1), sums(half..2 * half + 1))
    else {
        return Ok(Vec::new());
    };
    let j_phi = point.angular_momentum()[2];
    let mut labels: Vec<Option<Label>> = Vec::new();
    for ridge in RIDGES {
        let fits = [&whole, &before, &after].map(|sums| lattice::solve(sums, &modes, ridge));
        let [Some(whole), Some(before), Some(after)] = fits else {
            labels.push(None);
            continue;
        };
        let mut label = combine(j_phi, &whole, &before, &after);
        (label.periods, label.modes, label.energy_error, label.ridge) = (periods, modes.len(), energy_error, ridge);
        labels.push(Some(label));
    }
    Ok(labels)
}

/// The label of the whole window, with its halves' differences for errors.
fn combine(j_phi: f64, whole: &Fit, before: &Fit, after: &Fit) -> Label {
    let difference = |f: &dyn Fn(&Fit, usize) -> f64, n: usize| {
        (0..n)
            .map(|k| f(before, k) - f(after, k))
            .map(f64::abs)
            .fold(0.0, f64::max)
    };
    Label {
        action_angle: ActionAngle {
            actions: Actions {
                phi: j_phi,
                z: whole.j[1].max(0.0),
                r: whole.j[0].max(0.0),
            },
            angles: Angles {
                phi: wrap_angle(whole.theta[2]),
                z: wrap_angle(whole.theta[1]),
                r: wrap_angle(whole.theta[0]),
            },
            frequencies: Frequencies {
                phi: whole.omega[2],
                z: whole.omega[1],
                r: whole.omega[0],
            },
        },
        action_error: difference(&|fit, k| fit.j[k], 2),
        angle_error: (0..3)
            .map(|k| wrap_difference(before.theta[k] - after.theta[k]).abs())
            .fold(0.0, f64::max),
        frequency_error: difference(&|fit, k| fit.omega[k], 3) / whole.omega[0].abs(),
        periods: 0.0,
        modes: 0,
        energy_error: 0.0,
        ridge: 0.0,
        class: Class::Regular,
    }
}

/// Regularisations, relative to a unit diagonal. A trapped orbit does not cover its torus, so that some modes cannot be
/// told apart, nor one of them from the action itself; kept small, they leave the action averaged over the libration.
const RIDGES: [f64; 4] = [1e-11, 1e-6, 1e-4, 1e-2];

/// Up to this regularisation the actions are those of the orbit's own torus.
const SHARP: f64 = 1e-6;

/// Toy actions and unwrapped toy angles along an orbit with equal steps, time 0 at index `half`.
fn toy_samples(toy: &Isochrone, points: &[PhaseSpace], step: f64, half: usize) -> Option<Vec<Sample>> {
    let mut samples: Vec<Sample> = Vec::with_capacity(points.len());
    let mut rates = [0.0; 3];
    for (i, point) in points.iter().enumerate() {
        let toy = toy.actions(point).ok()?;
        samples.push(Sample {
            t: step * (i as f64 - half as f64),
            j: [toy.actions.r, toy.actions.z],
            theta: [toy.angles.r, toy.angles.z, toy.angles.phi],
        });
        for (rate, frequency) in rates
            .iter_mut()
            .zip([toy.frequencies.r, toy.frequencies.z, toy.frequencies.phi])
        {
            *rate += frequency / points.len() as f64;
        }
    }
    for i in 1..samples.len() {
        let before = samples[i - 1].theta;
        for ((theta, before), rate) in samples[i].theta.iter_mut().zip(before).zip(rates) {
            let expected = before + rate * step;
            *theta = expected + wrap_difference(*theta - expected);
        }
    }
    Some(samples)
}

/// Names the likeliest reason for a large error.
fn classify(label: &Label, tolerance: f64) -> Class {
    if label.action_error < tolerance {
        return Class::Regular;
    }
    let ActionAngle {
        actions, frequencies, ..
    } = &label.action_angle;
    let mut nearest = (f64::INFINITY, 0, 0);
    for n_r in 1..=8i32 {
        for half in -6..=6i32 {
            let n_z = 2 * half;
            let beat = (f64::from(n_r) * frequencies.r + f64::from(n_z) * frequencies.z).abs() / frequencies.r;
            // A resonance's width falls steeply with its order.
            let measure = beat * f64::from(n_r.abs() + n_z.abs()).powi(2);
            if measure < nearest.0 {
                nearest = (measure, n_r, n_z);
            }
        }
    }
    if nearest.0 < 0.5 {
        Class::Resonant {
            n_r: nearest.1,
            n_z: nearest.2,
        }
    } else if label.frequency_error > 1e-4 {
        Class::Chaotic
    } else if actions.phi.abs() < 0.1 * (actions.z + actions.phi.abs()) {
        Class::NearVertical
    } else {
        Class::Unconverged
    }
}

/// How many labels are in each class, and how many points have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Class and number, in order.
    pub classes: std::collections::BTreeMap<Class, usize>,
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

#[cfg(test)]
mod tests;
