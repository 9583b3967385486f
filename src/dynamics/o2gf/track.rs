//! An orbit sampled at equal steps, both ways from the point in question.

use super::O2gfError;
use super::spectrum::Samples;
use super::winding::Winding;
use crate::orbit::dense;
use crate::phase_space::{PhaseSpace, norm};
use crate::potential::Potential;
use std::f64::consts::TAU;

/// A growing stretch of an orbit.
pub(crate) struct Track {
    winding: Winding,
    /// Samples per period.
    density: f64,
    step: f64,
    /// The point itself, and what comes after it.
    after: Vec<PhaseSpace>,
    /// What came before it, latest first.
    before: Vec<PhaseSpace>,
    /// Greatest relative energy error.
    pub energy_error: f64,
}

impl Track {
    /// Period and winding angles from a short, coarse integration.
    pub(crate) fn start<P: Potential + ?Sized>(
        potential: &P,
        point: &PhaseSpace,
        density: f64,
    ) -> Result<Self, O2gfError> {
        const PILOT_PERIODS: f64 = 25.0;
        const PILOT_SAMPLES: u32 = 1600;
        let (r, force) = (norm(point.x), norm(potential.acceleration(point.x)));
        let speed = norm(point.v);
        let mut point = *point;
        // A planar orbit has no vertical phase: it is lifted by an amplitude that leaves J_z below 1e-6.
        if point.x[2] == 0.0 && point.v[2] == 0.0 {
            point.v[2] = 1e-5 * speed;
        }
        let mut period = 6.0 * (r / force).sqrt().max(0.3 * speed / force);
        let mut winding = Err(O2gfError::NoToy);
        for _ in 0..4 {
            let step = period * PILOT_PERIODS / f64::from(PILOT_SAMPLES);
            let times: Vec<f64> = (0..PILOT_SAMPLES).map(|i| step * f64::from(i)).collect();
            let mut points = Vec::with_capacity(times.len());
            dense::follow(potential, &point, &times, 1e-8, |_, point| points.push(point))?;
            let fitted = Winding::fit(&points).ok_or(O2gfError::NoToy)?;
            let theta = fitted.unwrapped(points.iter());
            let turns = ((theta[theta.len() - 1][0] - theta[0][0]) / TAU).max(1.0);
            winding = Ok(fitted);
            period *= PILOT_PERIODS / turns;
            if (15.0..40.0).contains(&turns) {
                break;
            }
        }
        Ok(Self {
            winding: winding?,
            density,
            step: period / density,
            after: vec![point],
            before: Vec::new(),
            energy_error: 0.0,
        })
    }

    /// An orbit that somebody else has sampled.
    pub(crate) fn given(orbit: &[PhaseSpace], step: f64) -> Result<Self, O2gfError> {
        // An odd number of samples in the window and in its halves.
        let kept = (orbit.len().max(1) - 1) / 4 * 4 + 1;
        let winding = Winding::fit(&orbit[..kept.min(4000)]).ok_or(O2gfError::NoToy)?;
        Ok(Self {
            winding,
            density: f64::NAN,
            step,
            after: orbit[..kept].to_vec(),
            before: Vec::new(),
            energy_error: 0.0,
        })
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
            let times: Vec<f64> = (1..=half.saturating_sub(have))
                .map(|i| direction * self.step * i as f64)
                .collect();
            side.reserve(times.len());
            dense::follow(potential, &last, &times, tolerance, |_, point| side.push(point))?;
            if let Some(last) = side.last() {
                let error = ((potential.energy(last) - energy) / energy).abs();
                self.energy_error = self.energy_error.max(error);
            }
        }
        Ok(())
    }

    /// All points in order of time.
    fn points(&self) -> impl Iterator<Item = &PhaseSpace> + Clone {
        self.before.iter().rev().chain(&self.after)
    }

    /// The samples of the whole stretch.
    pub(crate) fn samples(&self) -> Samples {
        Samples {
            step: self.step,
            start: -self.step * self.before.len() as f64,
            j_phi: self.after[0].angular_momentum()[2],
            x: self.points().map(|point| point.x).collect(),
            v2: self.points().map(|point| 2.0 * point.kinetic_energy()).collect(),
            theta: self.winding.unwrapped(self.points()),
        }
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
