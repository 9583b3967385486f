//! The leapfrog: second order, symplectic, reversible.

use super::{Orbit, OrbitError, dynamical_time};
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::{Gyr, Natural};

/// No orbit takes more steps than this.
pub const MOST_STEPS: usize = 100_000_000;

/// Nor more than this many, and as many more for each dynamical time: eccentric orbits need a tenth of it for an energy error of 1e-7, and one
/// that needs more passes so close to a cusp that equal steps are of no use.
const STEPS: f64 = 5e6;
const STEPS_PER_DYNAMICAL_TIME: f64 = 2e4;

/// A point with the field there.
#[derive(Clone, Copy)]
struct State {
    point: PhaseSpace,
    phi: f64,
    acceleration: [f64; 3],
}

impl State {
    fn new<P: Potential + ?Sized>(potential: &P, point: PhaseSpace) -> Self {
        let (phi, acceleration) = potential.potential_and_acceleration(point.x);
        Self {
            point,
            phi,
            acceleration,
        }
    }

    fn energy(&self) -> f64 {
        self.point.kinetic_energy() + self.phi
    }
}

/// Kick, drift, kick over `duration`: v += a h/2, x += v h, v += a(x) h/2.
fn advance<P: Potential + ?Sized>(potential: &P, state: &State, Natural(duration): Natural) -> State {
    let half = 0.5 * duration;
    let middle = [0, 1, 2].map(|i| state.point.v[i] + half * state.acceleration[i]);
    let x = [0, 1, 2].map(|i| state.point.x[i] + duration * middle[i]);
    let (phi, acceleration) = potential.potential_and_acceleration(x);
    let v = [0, 1, 2].map(|i| middle[i] + half * acceleration[i]);
    State {
        point: PhaseSpace { x, v },
        phi,
        acceleration,
    }
}

/// The orbit through `start` at time 0, at `times`, by equal kick–drift–kick steps.
///
/// The times may all be positive or all negative, moving away from 0. A time between two steps is reached by a shorter
/// step from the last one, which leaves the path itself as it is: symplectic with one step throughout.
///
/// **Units**: kpc, km/s.
/// **Accuracy**: positions and energy to second order in the step, without drift in energy.
/// **Fails when** times are out of order, the step is not positive, or the orbit is not finite.
pub fn integrate<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Gyr],
    step: Gyr,
) -> Result<Orbit, OrbitError> {
    if !(step.0 > 0.0 && step.0.is_finite()) {
        return Err(OrbitError::Step { step });
    }
    check_times(times)?;
    let first = State::new(potential, *start);
    let energy = first.energy();
    if !energy.is_finite() || energy == 0.0 {
        return Err(OrbitError::Start { energy });
    }
    let step = step.0
        * if times.last().is_some_and(|&last| last.0 < 0.0) {
            -1.0
        } else {
            1.0
        };
    let (mut state, mut steps, mut worst) = (first, 0usize, 0.0f64);
    let mut points = Vec::with_capacity(times.len());
    for &Gyr(time) in times {
        // Whole steps that end at or before this time.
        while (steps + 1) as f64 * step.abs() <= time.abs() {
            state = advance(potential, &state, Gyr(step).into());
            steps += 1;
            worst = worst.max((state.energy() / energy - 1.0).abs());
        }
        let rest = time - steps as f64 * step;
        let reached = if rest == 0.0 {
            state
        } else {
            advance(potential, &state, Gyr(rest).into())
        };
        let error = (reached.energy() / energy - 1.0).abs();
        if !error.is_finite() {
            return Err(OrbitError::NotFinite { time: Gyr(time) });
        }
        worst = worst.max(error);
        points.push(reached.point);
    }
    Ok(Orbit {
        points,
        energy_error: worst,
        steps,
        step: Gyr(step.abs()),
    })
}

/// [`integrate`] with the step chosen so that energy is conserved to `tolerance`, relative, all along the path.
///
/// Starts from a fiftieth of the local dynamical time and shortens the step by √(tolerance/error), as a second-order
/// method suggests, until the whole path is good.
///
/// **Fails when** rounding, or the most steps that an orbit of this duration may take, comes before the tolerance; see also
/// [`integrate`].
pub fn integrate_to_tolerance<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Gyr],
    tolerance: f64,
) -> Result<Orbit, OrbitError> {
    check_times(times)?;
    let span = times.last().map_or(0.0, |time| time.0.abs());
    let dynamical = dynamical_time(potential, start).0;
    let most = (STEPS + STEPS_PER_DYNAMICAL_TIME * span / dynamical).min(MOST_STEPS as f64);
    let mut step = 0.02 * dynamical;
    if span > 0.0 {
        step = step.min(span);
    }
    let mut best: Option<Orbit> = None;
    for _ in 0..40 {
        if span / step > most {
            break;
        }
        let orbit = integrate(potential, start, times, Gyr(step))?;
        if orbit.energy_error <= tolerance {
            return Ok(orbit);
        }
        let shrink = (0.8 * (tolerance / orbit.energy_error).sqrt()).clamp(0.01, 0.8);
        step = orbit.step.0 * shrink;
        // Twice no better: rounding rules, and a shorter step would only cost more.
        let worse = best
            .as_ref()
            .is_some_and(|best| orbit.energy_error >= best.energy_error && orbit.energy_error < 1e-10);
        if best.as_ref().is_none_or(|best| orbit.energy_error < best.energy_error) {
            best = Some(orbit);
        }
        if worse {
            break;
        }
    }
    Err(match best {
        Some(best) => OrbitError::Tolerance {
            achieved: best.energy_error,
            steps: best.steps,
            tolerance,
        },
        None => OrbitError::TooManySteps { steps: most as usize },
    })
}

fn check_times(times: &[Gyr]) -> Result<(), OrbitError> {
    let forwards = times.last().is_none_or(|&last| last.0 >= 0.0);
    let mut last = 0.0;
    for (index, &time) in times.iter().enumerate() {
        if !time.0.is_finite() || (forwards && time.0 < last) || (!forwards && time.0 > last) {
            return Err(OrbitError::Times { index, time });
        }
        last = time.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::{Composite, Isochrone};
    use crate::sample;

    fn start() -> PhaseSpace {
        PhaseSpace::new([8.0, 1.0, 2.0], [-90.0, 130.0, 60.0])
    }

    #[test]
    fn energy_error_falls_as_the_step_squared() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        let error = |step: f64| {
            integrate(&isochrone, &start(), &[Gyr(1.0)], Gyr(step))
                .unwrap()
                .energy_error
        };
        for step in [4e-4, 2e-4, 1e-4] {
            let ratio = error(step) / error(step / 2.0);
            assert!(
                (ratio - 4.0).abs() < 0.05,
                "halving {step} divides the error by {ratio}"
            );
        }
    }

    #[test]
    fn energy_does_not_drift() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        let short = integrate(&isochrone, &start(), &[Gyr(1.0)], Gyr(2e-4))
            .unwrap()
            .energy_error;
        let long = integrate(&isochrone, &start(), &[Gyr(20.0)], Gyr(2e-4))
            .unwrap()
            .energy_error;
        assert!(long < 1.05 * short, "{short} grows to {long}");
    }

    #[test]
    fn going_back_returns_to_the_start() {
        let galaxy = Composite::milky_way_like().unwrap();
        let step = 1e-4;
        let there = integrate(&galaxy, &start(), &[Gyr(step * 4096.0)], Gyr(step)).unwrap();
        let back = integrate(&galaxy, &there.points[0].reversed(), &[Gyr(step * 4096.0)], Gyr(step)).unwrap();
        let again = back.points[0].reversed();
        let negative = integrate(&galaxy, &there.points[0], &[Gyr(-step * 4096.0)], Gyr(step))
            .unwrap()
            .points[0];
        for i in 0..3 {
            // Rounding of 8192 steps, growing linearly.
            assert!((again.x[i] - start().x[i]).abs() < 1e-10 && (again.v[i] - start().v[i]).abs() < 1e-8);
            assert!((negative.x[i] - start().x[i]).abs() < 1e-10 && (negative.v[i] - start().v[i]).abs() < 1e-8);
        }
    }

    #[test]
    fn the_chosen_step_conserves_energy_over_the_papers_path() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        let starts = sample::halo(&mut sample::generator(1, 0), 64);
        let times = vec![Gyr::all(&[0.013, 0.05, 0.1]); 64];
        let done = std::sync::atomic::AtomicUsize::new(0);
        let count = |n: usize| {
            done.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
        };
        for (orbit, start) in crate::orbit::integrate_all(&isochrone, &starts, &times, 1e-7, &count)
            .into_iter()
            .zip(starts)
        {
            let orbit = orbit.unwrap();
            assert!(orbit.energy_error <= 1e-7 && orbit.points.len() == 3);
            for point in orbit.points {
                assert!((isochrone.energy(&point) / isochrone.energy(&start) - 1.0).abs() <= 1e-7);
            }
        }
        assert_eq!(done.into_inner(), 64);
    }

    #[test]
    fn points_between_steps_leave_the_path_as_it_is() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        let direct = integrate(&isochrone, &start(), &[Gyr(0.1)], Gyr(1e-3)).unwrap();
        let visited = integrate(
            &isochrone,
            &start(),
            &Gyr::all(&[0.0, 0.01234, 0.05, 0.0999, 0.1]),
            Gyr(1e-3),
        )
        .unwrap();
        assert_eq!(direct.points[0], visited.points[4]);
        assert_eq!(visited.points[0], start());
    }

    #[test]
    fn what_cannot_be_integrated_is_said() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        assert_eq!(
            integrate(&isochrone, &start(), &[Gyr(0.1)], Gyr(0.0)),
            Err(OrbitError::Step { step: Gyr(0.0) })
        );
        assert_eq!(
            integrate(&isochrone, &start(), &[Gyr(0.1), Gyr(0.05)], Gyr(1e-3)),
            Err(OrbitError::Times {
                index: 1,
                time: Gyr(0.05)
            })
        );
        let broken = PhaseSpace::new([f64::NAN, 0.0, 0.0], [0.0; 3]);
        assert!(matches!(
            integrate(&isochrone, &broken, &[Gyr(0.1)], Gyr(1e-3)),
            Err(OrbitError::Start { .. })
        ));
        let strict = integrate_to_tolerance(&isochrone, &start(), &[Gyr(0.01)], 1e-18);
        assert!(matches!(strict, Err(OrbitError::Tolerance { .. })), "{strict:?}");
    }
}
