//! The leapfrog, and what is conserved along it.

use super::gravity::{check, check_field};
use super::{Gravity, NbodyError, Particles, Settings};
use crate::units::{Gyr, Natural};
use crate::vector::cross;
use rayon::prelude::*;

/// Everything a simulation needs to go on later, bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The particles, in the order they were given.
    pub particles: Particles,
    /// Time at which they stand so, Gyr.
    pub time: f64,
    /// Steps taken so far.
    pub steps: u64,
}

/// Particles under their own gravity, in steps of kick, drift and kick.
///
/// **Accuracy**: second order in the step; symplectic and reversible but for the errors of the forces.
#[derive(Debug)]
pub struct Simulation {
    particles: Particles,
    settings: Settings,
    gravity: Gravity,
    /// Time at which the first step began, Gyr.
    began: f64,
    /// Steps since `began`.
    taken: u64,
    /// Steps before it.
    before: u64,
}

/// What a simulation conserves, or ought to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diagnostics {
    /// Σ m v²/2 in M_sun (km/s)².
    pub kinetic: f64,
    /// ½ Σ m Φ in M_sun (km/s)².
    pub potential: f64,
    /// Σ m x·a in M_sun (km/s)²: Clausius' virial, about the centre of mass.
    pub virial: f64,
    /// Σ m v in M_sun km/s.
    pub momentum: [f64; 3],
    /// Σ m x × v about the origin, in M_sun km/s kpc.
    pub angular_momentum: [f64; 3],
    /// Centre of mass in kpc.
    pub centre: [f64; 3],
}

impl Diagnostics {
    /// Total energy in M_sun (km/s)².
    pub fn energy(&self) -> f64 {
        self.kinetic + self.potential
    }

    /// −2T/Σ m x·a: 1 in equilibrium, softened or not.
    pub fn virial_ratio(&self) -> f64 {
        -2.0 * self.kinetic / self.virial
    }
}

impl Simulation {
    /// `particles` at time 0.
    ///
    /// **Fails when** something is not finite, with its row, or a setting is out of range.
    pub fn new(particles: Particles, settings: &Settings) -> Result<Self, NbodyError> {
        Self::resume(
            State {
                particles,
                ..State::default()
            },
            settings,
        )
    }

    /// Goes on from `state`: with the settings it was made with, and at a time its steps reach, as if never interrupted.
    ///
    /// **Fails when** something is not finite, with its row, or a setting is out of range.
    pub fn resume(state: State, settings: &Settings) -> Result<Self, NbodyError> {
        let State { particles, time, steps } = state;
        check_settings(settings)?;
        let count = particles.positions.len();
        if u32::try_from(count).is_err() {
            return Err(NbodyError::TooMany { count });
        }
        if particles.velocities.len() != count {
            return Err(NbodyError::Lengths {
                positions: count,
                others: particles.velocities.len(),
            });
        }
        let wild = |v: &[f64; 3]| !v.iter().all(|v| v.abs() < 1e100);
        if let Some(row) = particles.velocities.iter().position(wild) {
            return Err(NbodyError::Velocity { row });
        }
        check(&particles.positions, &particles.masses)?;
        if !time.is_finite() {
            return Err(NbodyError::Time { time, now: 0.0 });
        }
        // Times are counted in steps from 0 where they can be, so that a resumed run has the same times to the bit.
        let from_zero = steps as f64 * settings.step == time;
        let mut simulation = Self {
            particles,
            settings: *settings,
            gravity: Gravity::default(),
            began: if from_zero { 0.0 } else { time },
            taken: if from_zero { steps } else { 0 },
            before: if from_zero { 0 } else { steps },
        };
        simulation.find_forces()?;
        Ok(simulation)
    }

    /// The present time in Gyr.
    pub fn time(&self) -> f64 {
        self.began + self.taken as f64 * self.settings.step
    }

    /// Steps taken so far, those before a [`Simulation::resume`] included.
    pub fn steps(&self) -> u64 {
        self.before + self.taken
    }

    /// The particles as they stand, in the order they were given.
    pub fn particles(&self) -> &Particles {
        &self.particles
    }

    /// A copy of what [`Simulation::resume`] needs.
    pub fn state(&self) -> State {
        State {
            particles: self.particles.clone(),
            time: self.time(),
            steps: self.steps(),
        }
    }

    /// The field at the particles as they stand.
    pub fn gravity(&self) -> &Gravity {
        &self.gravity
    }

    /// Steps on to the whole step nearest to `time` (Gyr), calling `go_on` after each; false stops there.
    ///
    /// True if the time was reached, false if stopped. To meet given times exactly let them be whole numbers of steps.
    ///
    /// **Fails when** the time lies more than half a step back, or a force is not finite, with its row.
    pub fn advance_to(&mut self, time: f64, mut go_on: impl FnMut(&Self) -> bool) -> Result<bool, NbodyError> {
        let last = ((time - self.began) / self.settings.step).round();
        // Also false for a time that is not a number.
        if !(last >= self.taken as f64 && last < 1e15) {
            return Err(NbodyError::Time { time, now: self.time() });
        }
        while (self.taken as f64) < last {
            self.step()?;
            if !go_on(self) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Scales all velocities, so that the virial theorem holds for the particles as they stand in their own, softened field.
    ///
    /// Particles at rest, or without forces, stay as they are.
    pub fn virialise(&mut self) {
        let ratio = self.diagnostics().virial_ratio();
        if ratio > 0.0 && ratio.is_finite() {
            let factor = ratio.sqrt().recip();
            for v in &mut self.particles.velocities {
                *v = v.map(|v| factor * v);
            }
        }
    }

    /// Reverses time: every velocity changes its sign.
    pub fn reverse(&mut self) {
        for v in &mut self.particles.velocities {
            *v = v.map(|v| -v);
        }
    }

    fn step(&mut self) -> Result<(), NbodyError> {
        let step = Natural::from(Gyr(self.settings.step)).0;
        self.kick(0.5 * step);
        let Particles {
            positions, velocities, ..
        } = &mut self.particles;
        positions.par_iter_mut().zip(velocities).for_each(|(x, v)| {
            for i in 0..3 {
                x[i] += step * v[i];
            }
        });
        // Counted first: where the cells lie depends on the step the forces belong to.
        self.taken += 1;
        self.find_forces()?;
        self.kick(0.5 * step);
        Ok(())
    }

    fn kick(&mut self, duration: f64) {
        let acceleration = &self.gravity.acceleration;
        self.particles
            .velocities
            .par_iter_mut()
            .zip(acceleration)
            .for_each(|(v, a)| {
                for i in 0..3 {
                    v[i] += duration * a[i];
                }
            });
    }

    fn find_forces(&mut self) -> Result<(), NbodyError> {
        let Particles { positions, masses, .. } = &self.particles;
        let offset = if self.settings.moving_cells {
            offset(self.steps())
        } else {
            [0.0; 3]
        };
        self.gravity.evaluate_in(positions, masses, offset, &self.settings)
    }

    /// Energy, momentum, angular momentum and virial as they stand.
    pub fn diagnostics(&self) -> Diagnostics {
        let Particles {
            masses,
            positions,
            velocities,
        } = &self.particles;
        let rows = || masses.iter().zip(positions).zip(velocities);
        let sum3 = |f: &dyn Fn(f64, [f64; 3], [f64; 3]) -> [f64; 3]| {
            rows().fold([0.0; 3], |sum, ((&m, &x), &v)| {
                let term = f(m, x, v);
                [0, 1, 2].map(|i| sum[i] + term[i])
            })
        };
        let mass: f64 = masses.iter().sum();
        let scale = if mass > 0.0 { 1.0 / mass } else { 0.0 };
        let centre = sum3(&|m, x, _| x.map(|x| m * x)).map(|sum| scale * sum);
        let square = |v: &[f64; 3]| v.iter().map(|v| v * v).sum::<f64>();
        let acceleration = self.gravity.acceleration.iter();
        Diagnostics {
            kinetic: rows().map(|((m, _), v)| 0.5 * m * square(v)).sum(),
            potential: masses
                .iter()
                .zip(&self.gravity.potential)
                .map(|(m, phi)| 0.5 * m * phi)
                .sum(),
            virial: rows()
                .zip(acceleration)
                .map(|(((m, x), _), a)| m * (0..3).map(|i| (x[i] - centre[i]) * a[i]).sum::<f64>())
                .sum(),
            momentum: sum3(&|m, _, v| v.map(|v| m * v)),
            angular_momentum: sum3(&|m, x, v| cross(x, v).map(|l| m * l)),
            centre,
        }
    }

    /// Radii in kpc about the centre of mass that hold the given `fractions` of the mass.
    pub fn lagrangian_radii(&self, fractions: &[f64]) -> Vec<f64> {
        let Particles { masses, positions, .. } = &self.particles;
        let centre = self.diagnostics().centre;
        let mut rows: Vec<(f64, f64)> = (positions.iter().zip(masses))
            .map(|(x, &m)| ((0..3).map(|i| (x[i] - centre[i]).powi(2)).sum::<f64>().sqrt(), m))
            .collect();
        rows.par_sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut within = 0.0;
        for row in &mut rows {
            within += row.1;
            row.1 = within;
        }
        (fractions.iter())
            .map(|fraction| {
                let row = rows.partition_point(|row| row.1 < fraction * within);
                rows.get(row).or(rows.last()).map_or(0.0, |row| row.0)
            })
            .collect()
    }
}

/// Where the tree's cube lies at a step: the fractional parts of multiples of the powers of 1/1.2207…, which fill the unit
/// cube more evenly than random numbers do.
///
/// **Source**: Roberts (2018), the sequence R₃.
fn offset(step: u64) -> [f64; 3] {
    // The root of x⁴ = x + 1.
    const ROOT: f64 = 1.220_744_084_605_759_5;
    // Beyond 2⁴⁰ steps the fractions lose digits that nobody needs.
    [1, 2, 3].map(|power| (step as f64 * ROOT.powi(-power)).fract())
}

fn check_settings(settings: &Settings) -> Result<(), NbodyError> {
    check_field(settings)?;
    let step = settings.step;
    if step > 0.0 && step.is_finite() {
        return Ok(());
    }
    Err(NbodyError::Setting {
        name: "step",
        value: step,
        range: "positive, in Gyr",
    })
}
