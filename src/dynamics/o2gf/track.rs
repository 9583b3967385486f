//! An orbit sampled at equal steps, both ways from the point in question.

use super::O2gfError;
use super::spectrum::Samples;
use super::winding::{Winding, thickness};
use crate::numerics::root;
use crate::orbit::dense;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::Natural;
use crate::vector::norm;
use std::f64::consts::TAU;

/// A growing stretch of an orbit.
pub(crate) struct Track {
    winding: Result<Winding, O2gfError>,
    /// Samples per period.
    density: f64,
    step: f64,
    /// The point itself, and what comes after it.
    after: Vec<PhaseSpace>,
    /// What came before it, latest first.
    before: Vec<PhaseSpace>,
    /// Greatest relative energy error.
    pub energy_error: f64,
    /// Steps that were taken to extend it.
    steps: usize,
    /// Periods that it has.
    periods: f64,
    /// Factor by which the vertical motion of a nearly planar orbit was enlarged; 0 if it had none. J_z is too large by its square.
    pub lift: f64,
    /// What the orbit is like in the first periods.
    pub pilot: Pilot,
}

/// What an orbit is like, from a short, coarse integration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pilot {
    /// See [`thickness`].
    pub thickness: f64,
    /// Half the vertical period, kpc/(km/s).
    pub half: f64,
}

/// v_z over v, or z over r where z is greatest, below which the vertical motion is enlarged to it: it is linear there, and the winding cannot be
/// told from rounding.
const LEAST_VERTICAL: f64 = 1e-5;

/// Steps that an orbit may try in a radial period, and besides: those that pass the centre closely take 300.
const STEPS_PER_PERIOD: f64 = 1000.0;
const MORE_STEPS: usize = 5000;

/// Most steps of a whole stretch, a second's work: an orbit that needs more for a longer window is judged by a shorter one.
const AFFORDABLE_STEPS: f64 = 200_000.0;

impl Track {
    /// Period and winding angles from a short, coarse integration.
    pub(crate) fn start<P: Potential + ?Sized>(
        potential: &P,
        point: &PhaseSpace,
        density: f64,
    ) -> Result<Self, O2gfError> {
        const PILOT_PERIODS: f64 = 25.0;
        const PILOT_SAMPLES: u32 = 1600;
        let j_phi = point.angular_momentum()[2];
        let (point, lift) = lifted(potential, point);
        let mut period = first_period(potential, &point).ok_or(O2gfError::AtCentre)?;
        let mut winding = Err(O2gfError::NoToy);
        let mut pilot = Pilot {
            thickness: f64::NAN,
            half: f64::NAN,
        };
        for _ in 0..4 {
            let step = period * PILOT_PERIODS / f64::from(PILOT_SAMPLES);
            let times: Vec<Natural> = (0..PILOT_SAMPLES).map(|i| Natural(step * f64::from(i))).collect();
            let mut points = Vec::with_capacity(times.len());
            let most = (STEPS_PER_PERIOD * PILOT_PERIODS) as usize;
            dense::follow_within(potential, &point, &times, 1e-8, most, |_, point| points.push(point))?;
            let crossings = points
                .windows(2)
                .filter(|pair| pair[0].x[2] * pair[1].x[2] < 0.0)
                .count();
            pilot = Pilot {
                thickness: thickness(&points),
                half: step * f64::from(PILOT_SAMPLES) / crossings.max(1) as f64,
            };
            let Some(fitted) = Winding::fit(&points) else {
                // Without a radial line there is no period either; the vertical one will do for a shell.
                winding = Err(O2gfError::NoToy);
                break;
            };
            let theta = fitted.unwrapped(points.iter(), j_phi);
            let turns = ((theta[theta.len() - 1][0] - theta[0][0]) / TAU).max(1.0);
            winding = Ok(fitted);
            period *= PILOT_PERIODS / turns;
            if (15.0..40.0).contains(&turns) {
                break;
            }
        }
        Ok(Self {
            winding,
            density,
            step: period / density,
            after: vec![point],
            before: Vec::new(),
            energy_error: 0.0,
            steps: 0,
            periods: 0.0,
            lift,
            pilot,
        })
    }

    /// An orbit that somebody else has sampled.
    pub(crate) fn given(orbit: &[PhaseSpace], step: Natural) -> Result<Self, O2gfError> {
        // An odd number of samples in the window and in its halves.
        let kept = (orbit.len().max(1) - 1) / 4 * 4 + 1;
        let winding = Winding::fit(&orbit[..kept.min(4000)]).ok_or(O2gfError::NoToy)?;
        Ok(Self {
            winding: Ok(winding),
            density: f64::NAN,
            step: step.0,
            after: orbit[..kept].to_vec(),
            before: Vec::new(),
            energy_error: 0.0,
            steps: 0,
            periods: f64::INFINITY,
            lift: 1.0,
            pilot: Pilot {
                thickness: f64::NAN,
                half: f64::NAN,
            },
        })
    }

    /// Whether a stretch of this many periods takes no more than [`AFFORDABLE_STEPS`], at so many a period as until now.
    pub(crate) fn affords(&self, periods: f64) -> bool {
        periods <= self.periods || self.steps as f64 * periods <= AFFORDABLE_STEPS * self.periods
    }

    /// Integrates on until the stretch has this many periods.
    pub(crate) fn extend<P: Potential + ?Sized>(
        &mut self,
        potential: &P,
        periods: f64,
        tolerance: f64,
    ) -> Result<(), O2gfError> {
        // Even, so that the window and its halves have an odd number of samples.
        let half = (0.25 * periods * self.density) as usize * 2;
        let point = self.after[0];
        let energy = potential.energy(&point);
        for (side, direction) in [(&mut self.after, 1.0), (&mut self.before, -1.0)] {
            let have = if direction > 0.0 { side.len() - 1 } else { side.len() };
            let last = side.last().copied().unwrap_or(point);
            let times: Vec<Natural> = (1..=half.saturating_sub(have))
                .map(|i| Natural(direction * self.step * i as f64))
                .collect();
            side.reserve(times.len());
            let most = (STEPS_PER_PERIOD * periods) as usize + MORE_STEPS;
            let effort = dense::follow_within(potential, &last, &times, tolerance, most, |_, point| side.push(point))?;
            self.steps += effort.steps;
            if let Some(last) = side.last() {
                let error = ((potential.energy(last) - energy) / energy).abs();
                self.energy_error = self.energy_error.max(error);
            }
        }
        self.periods = self.periods.max(periods);
        Ok(())
    }

    /// All points in order of time.
    fn points(&self) -> impl Iterator<Item = &PhaseSpace> + Clone {
        self.before.iter().rev().chain(&self.after)
    }

    /// The samples of the whole stretch; an error where the orbit winds around no loop.
    pub(crate) fn samples(&self) -> Result<Samples, O2gfError> {
        let winding = self.winding.clone()?;
        let j_phi = self.after[0].angular_momentum()[2];
        Ok(Samples {
            step: self.step,
            start: -self.step * self.before.len() as f64,
            j_phi,
            x: self.points().map(|point| point.x).collect(),
            v2: self.points().map(|point| 2.0 * point.kinetic_energy()).collect(),
            theta: winding.unwrapped(self.points(), j_phi),
        })
    }

    /// About `periods` radial periods around the point, every `stride`-th sample.
    pub(crate) fn middle(&self, periods: f64, stride: usize) -> Vec<PhaseSpace> {
        let half = (0.5 * periods * self.density) as usize;
        let skip = self.before.len().saturating_sub(half);
        self.points()
            .skip(skip)
            .take(2 * half + 1)
            .step_by(stride)
            .copied()
            .collect()
    }
}

/// The point with its vertical motion enlarged, if that is too small to be told from rounding, and by what.
fn lifted<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace) -> (PhaseSpace, f64) {
    let [x, y, z] = point.x;
    let plane = x.hypot(y);
    let speed = norm(point.v);
    let stiffness = potential.hessian([plane, 0.0, 0.0])[2][2].max(0.0).sqrt();
    let amplitude = point.v[2].hypot(stiffness * z);
    let wanted = LEAST_VERTICAL * speed;
    let is_planar = amplitude < wanted && z.abs() < LEAST_VERTICAL * plane;
    if !is_planar {
        return (*point, 1.0);
    }
    let mut lifted = *point;
    if amplitude == 0.0 {
        lifted.v[2] = wanted;
        return (lifted, 0.0);
    }
    let factor = wanted / amplitude;
    lifted.x[2] *= factor;
    lifted.v[2] *= factor;
    (lifted, if factor.is_finite() { factor } else { 0.0 })
}

/// A guess of the radial period, kpc/(km/s); nothing for a star that rests at the centre.
fn first_period<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace) -> Option<f64> {
    let (r, force, speed) = (norm(point.x), norm(potential.acceleration(point.x)), norm(point.v));
    let here = 6.0 * (r / force).sqrt().max(0.3 * speed / force);
    // Next to the centre the force says nothing of the orbit: it is not longer than some turns as far out as the energy lets it go.
    let radius = reach(potential, potential.energy(point))?;
    let most = if radius.is_finite() {
        10.0 * TAU * (radius / norm(potential.acceleration([radius, 0.0, 0.0]))).sqrt()
    } else {
        f64::INFINITY
    };
    let period = if here.is_nan() { most } else { here.min(most) };
    (period > 0.0 && period.is_finite()).then_some(period)
}

/// How far out in the plane an orbit of this energy may reach, kpc: infinite beyond 1e9 kpc, and nothing for a star that rests at the centre.
pub(crate) fn reach<P: Potential + ?Sized>(potential: &P, energy: f64) -> Option<f64> {
    let excess = |ln_r: f64| potential.potential([ln_r.exp(), 0.0, 0.0]) - energy;
    let (low, high) = (1e-9f64.ln(), 1e9f64.ln());
    if excess(low) >= 0.0 {
        return None;
    }
    Some(if excess(high) > 0.0 {
        root(low, high, excess).exp()
    } else {
        f64::INFINITY
    })
}
