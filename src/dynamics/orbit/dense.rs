//! An adaptive integrator of order 8 with dense output, for labels and reference orbits.
//!
//! Thin discs have a density kink at z = 0, so every step that would cross the plane ends on it.
//!
//! **Source**: Hairer, Nørsett & Wanner (1993), section II.10 (DOP853).

use super::dop853_tableau::{DENSE, ERROR_3, ERROR_5, STAGES};
use super::{Orbit, OrbitError};
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::{Gyr, Natural};

type State = [f64; 6];

/// Steps that an orbit of a few periods may try, where no other number is given.
const MOST_STEPS: usize = 100_000;

/// Steps that [`integrate`] may try besides, for every dynamical time: orbits through the middle of a thin disc need a hundred, so one that needs
/// more falls into a cusp.
const STEPS_PER_DYNAMICAL_TIME: f64 = 2000.0;

/// The state h Σ w_i k_i away from `state`.
#[inline(always)]
fn shifted(state: &State, stages: &[State], weights: &[f64], step: f64) -> State {
    let mut out = [0.0; 6];
    for (stage, weight) in stages.iter().zip(weights) {
        for (out, value) in out.iter_mut().zip(stage) {
            *out += weight * value;
        }
    }
    std::array::from_fn(|i| state[i] + step * out[i])
}

#[inline(always)]
fn rate<P: Potential + ?Sized>(potential: &P, state: &State) -> State {
    let a = potential.acceleration([state[0], state[1], state[2]]);
    [state[3], state[4], state[5], a[0], a[1], a[2]]
}

/// One accepted step, with what is needed to interpolate in it.
struct Step {
    start: State,
    time: f64,
    length: f64,
    /// Coefficients of the interpolating polynomial in Hairer's form.
    polynomial: [State; 7],
}

impl Step {
    fn new<P: Potential + ?Sized>(
        potential: &P,
        start: State,
        end: &State,
        time: f64,
        length: f64,
        stages: &mut [State; 16],
    ) -> Self {
        for extra in 13..16 {
            let state = shifted(&start, &stages[..extra], &STAGES[extra][..extra], length);
            stages[extra] = rate(potential, &state);
        }
        let mut polynomial = [[0.0; 6]; 7];
        for i in 0..6 {
            let change = end[i] - start[i];
            polynomial[0][i] = change;
            polynomial[1][i] = length * stages[0][i] - change;
            polynomial[2][i] = 2.0 * change - length * (stages[12][i] + stages[0][i]);
            for (row, weights) in DENSE.iter().enumerate() {
                polynomial[3 + row][i] = length * weights.iter().zip(stages.iter()).map(|(w, k)| w * k[i]).sum::<f64>();
            }
        }
        Self {
            start,
            time,
            length,
            polynomial,
        }
    }

    fn at(&self, time: f64) -> State {
        let s = (time - self.time) / self.length;
        std::array::from_fn(|i| {
            let mut value = 0.0;
            for (order, coefficients) in self.polynomial.iter().rev().enumerate() {
                value = (value + coefficients[i]) * if order % 2 == 0 { s } else { 1.0 - s };
            }
            self.start[i] + value
        })
    }
}

/// What an integration did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effort {
    /// Accepted steps.
    pub steps: usize,
    /// Greatest |E − E₀| / |E₀| at a step's end.
    pub energy_error: f64,
    /// The mean step.
    pub mean_step: Natural,
}

/// Follows the orbit through `start`, giving `sink(index, point)` the state at each of `times`, which are of one sign
/// and move away from 0.
pub(crate) fn follow<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Natural],
    tolerance: f64,
    sink: impl FnMut(usize, PhaseSpace),
) -> Result<Effort, OrbitError> {
    follow_within(potential, start, times, tolerance, MOST_STEPS, sink)
}

/// [`follow`] in no more than `most_steps` tried steps.
pub(crate) fn follow_within<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Natural],
    tolerance: f64,
    most_steps: usize,
    mut sink: impl FnMut(usize, PhaseSpace),
) -> Result<Effort, OrbitError> {
    let [x, v] = [start.x, start.v];
    let mut state: State = [x[0], x[1], x[2], v[0], v[1], v[2]];
    let energy = potential.energy(start);
    if !(energy.is_finite() && energy != 0.0 && state.iter().all(|value| value.is_finite())) {
        return Err(OrbitError::Start { energy });
    }
    let last = times.last().map_or(0.0, |time| time.0);
    let direction = if last < 0.0 { -1.0 } else { 1.0 };
    let mut effort = Effort {
        steps: 0,
        energy_error: 0.0,
        mean_step: Natural(0.0),
    };
    let mut next = 0;
    while next < times.len() && times[next].0 == 0.0 {
        sink(next, *start);
        next += 1;
    }
    let mut stages = [[0.0; 6]; 16];
    stages[0] = rate(potential, &state);
    let mut time = 0.0;
    let mut length = direction * first_step(&state, &stages[0], tolerance);
    let mut on_plane = false;
    let mut tried = 0;
    while next < times.len() {
        if tried >= most_steps {
            return Err(OrbitError::TooManySteps { steps: most_steps });
        }
        tried += 1;
        for stage in 1..12 {
            let middle = shifted(&state, &stages[..stage], &STAGES[stage][..stage], length);
            stages[stage] = rate(potential, &middle);
        }
        let end = shifted(&state, &stages[..12], &STAGES[12][..12], length);
        stages[12] = rate(potential, &end);
        let error = error_norm(&stages, length, &state, &end) / tolerance;
        if !error.is_finite() {
            return Err(OrbitError::NotFinite {
                time: Natural(time).into(),
            });
        }
        let factor = (0.9 * error.powf(-0.125)).clamp(0.3, 4.0);
        if error > 1.0 {
            length *= factor.min(0.9);
            continue;
        }
        // A step that crosses the plane is taken again, to end on it.
        if state[2] * end[2] < 0.0
            && !on_plane
            && let Some(part) = crossing(&state, &end, length)
        {
            length *= part;
            on_plane = true;
            continue;
        }
        let reached = time + length;
        if (times[next].0 - reached) * direction <= 0.0 {
            let step = Step::new(potential, state, &end, time, length, &mut stages);
            while next < times.len() && (times[next].0 - reached) * direction <= 0.0 {
                let s = step.at(times[next].0);
                sink(
                    next,
                    PhaseSpace {
                        x: [s[0], s[1], s[2]],
                        v: [s[3], s[4], s[5]],
                    },
                );
                next += 1;
            }
        }
        state = end;
        stages[0] = stages[12];
        time = reached;
        length *= factor;
        on_plane = false;
        effort.steps += 1;
        let now = PhaseSpace {
            x: [state[0], state[1], state[2]],
            v: [state[3], state[4], state[5]],
        };
        effort.energy_error = effort
            .energy_error
            .max(((potential.energy(&now) - energy) / energy).abs());
    }
    effort.mean_step = Natural(time.abs() / effort.steps.max(1) as f64);
    Ok(effort)
}

/// A thousandth of the time in which the star would fall its distance from the centre; the controller does the rest.
fn first_step(state: &State, rate: &State, tolerance: f64) -> f64 {
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (r, speed, force) = (length(&state[..3]), length(&state[3..]), length(&rate[3..]));
    let time = (r / (speed + 1e-12 * r))
        .min((r / (force + 1e-12 * r)).sqrt())
        .max(1e-9);
    time * (tolerance * 1e4).powf(0.125).clamp(1e-3, 0.1)
}

/// Weighted error of a step, relative to distance and speed.
fn error_norm(stages: &[State; 16], length: f64, start: &State, end: &State) -> f64 {
    let scale = |from: usize| {
        let square = |s: &State| s[from..from + 3].iter().map(|x| x * x).sum::<f64>();
        square(start).max(square(end)).max(1e-30)
    };
    let scales = [scale(0), scale(3)];
    let (mut fifth, mut third) = (0.0, 0.0);
    for i in 0..6 {
        let sum = |weights: &[f64; 13]| weights.iter().zip(stages).map(|(w, k)| w * k[i]).sum::<f64>();
        fifth += sum(&ERROR_5).powi(2) / scales[i / 3];
        third += sum(&ERROR_3).powi(2) / scales[i / 3];
    }
    if fifth == 0.0 {
        return 0.0;
    }
    length.abs() * fifth / (6.0 * (fifth + 0.01 * third)).sqrt()
}

/// The part of a step at which the cubic through both ends crosses z = 0; none if that is next to an end.
fn crossing(start: &State, end: &State, length: f64) -> Option<f64> {
    let (z0, z1, s0, s1) = (start[2], end[2], start[5] * length, end[5] * length);
    let cubic = |t: f64| {
        let u = 1.0 - t;
        u * u * (z0 * (1.0 + 2.0 * t) + s0 * t) + t * t * (z1 * (1.0 + 2.0 * u) - s1 * u)
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if cubic(middle) * z0 > 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    (low > 1e-3 && low < 1.0 - 1e-3).then_some(low)
}

/// The orbit through `start` at time 0, at `times`, of one sign and moving away from 0, by adaptive steps of order 8.
///
/// **Units**: kpc, km/s.
/// **Source**: see [the module](self).
/// **Accuracy**: each step's error is below `tolerance` times distance and speed; 1e-12 conserves energy to 1e-11 in smooth potentials and 1e-9 in thin discs
/// over hundreds of periods.
/// **Fails when** times are out of order or not finite, or the orbit is not finite.
pub fn integrate<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Gyr],
    tolerance: f64,
) -> Result<Orbit, OrbitError> {
    let direction = if times.last().is_some_and(|&t| t.0 < 0.0) {
        -1.0
    } else {
        1.0
    };
    let mut before = 0.0;
    for (index, &time) in times.iter().enumerate() {
        if !(time.0.is_finite() && (time.0 - before) * direction >= 0.0) {
            return Err(OrbitError::Times { index, time });
        }
        before = time.0;
    }
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(OrbitError::Tolerance {
            achieved: f64::NAN,
            steps: 0,
            tolerance,
        });
    }
    let natural: Vec<Natural> = times.iter().copied().map(Natural::from).collect();
    let mut points = Vec::with_capacity(times.len());
    let span = times.last().map_or(0.0, |time| time.0.abs());
    let most = STEPS_PER_DYNAMICAL_TIME * span / super::dynamical_time(potential, start).0;
    let most = most.min(1e9) as usize + MOST_STEPS;
    let effort = follow_within(potential, start, &natural, tolerance, most, |_, point| {
        points.push(point);
    })?;
    Ok(Orbit {
        points,
        energy_error: effort.energy_error,
        steps: effort.steps,
        step: effort.mean_step.into(),
    })
}

/// [`integrate`] with the local tolerance that conserves energy to `energy_tolerance`: it is lowered until it does.
///
/// **Fails when** no local tolerance down to 1e-14 does, or as [`integrate`].
pub fn integrate_to_tolerance<P: Potential + ?Sized>(
    potential: &P,
    start: &PhaseSpace,
    times: &[Gyr],
    energy_tolerance: f64,
) -> Result<Orbit, OrbitError> {
    let mut tolerance = (0.1 * energy_tolerance).clamp(1e-14, 1e-3);
    loop {
        let orbit = integrate(potential, start, times, tolerance)?;
        if orbit.energy_error <= energy_tolerance {
            return Ok(orbit);
        }
        if tolerance <= 1e-14 {
            return Err(OrbitError::Tolerance {
                achieved: orbit.energy_error,
                steps: orbit.steps,
                tolerance: energy_tolerance,
            });
        }
        tolerance = (0.05 * tolerance).max(1e-14);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::{Galaxy, Isochrone};

    #[test]
    fn energy_is_conserved_to_what_is_asked_for() {
        let galaxy = Galaxy::piffl_14().unwrap();
        let start = PhaseSpace::new([8.29, 0.1, 0.1], [100.22, 109.1, 101.22]);
        let of = |tolerance| integrate_to_tolerance(&galaxy, &start, &[Gyr(0.5), Gyr(2.0)], tolerance).unwrap();
        let (rough, fine) = (of(1e-5), of(1e-9));
        assert!(rough.energy_error <= 1e-5 && fine.energy_error <= 1e-9);
        assert!(rough.steps < fine.steps);
        assert!(matches!(
            integrate_to_tolerance(&galaxy, &start, &[Gyr(2.0)], 1e-17),
            Err(OrbitError::Tolerance { .. })
        ));
    }

    /// Against the exact isochrone: angles advance linearly, so positions after ten periods are known.
    #[test]
    fn follows_the_exact_orbit_of_the_isochrone() {
        let toy = Isochrone::new(3.334e11, 5.0).unwrap();
        let start = PhaseSpace::new([8.0, 1.0, 3.0], [40.0, 130.0, -70.0]);
        let first = toy.actions(&start).unwrap();
        let times: Vec<Gyr> = (1..200).map(|i| Gyr(0.02 * f64::from(i))).collect();
        let orbit = integrate(&toy, &start, &times, 1e-13).unwrap();
        for (time, point) in times.iter().zip(&orbit.points) {
            let angles = first.angles.after(*time, &first.frequencies);
            let exact = toy.point(&first.actions, &angles);
            for i in 0..3 {
                // Dense output is of order 7 in steps of order 8: 1e-9 kpc.
                assert!((point.x[i] - exact.x[i]).abs() < 1e-8, "{time:?} {point:?} {exact:?}");
                assert!((point.v[i] - exact.v[i]).abs() < 1e-7);
            }
        }
        assert!(orbit.energy_error < 1e-12, "{}", orbit.energy_error);
    }

    #[test]
    fn energy_in_a_galaxy_is_conserved_and_orbits_return() {
        let galaxy = Galaxy::piffl_14().unwrap();
        for v in [[30.22, 211.1, 19.22], [50.22, 187.1, 54.22], [100.22, 109.1, 101.22]] {
            let start = PhaseSpace::new([8.29, 0.1, 0.1], v);
            let orbit = integrate(&galaxy, &start, &[Gyr(1.0), Gyr(5.0)], 1e-12).unwrap();
            let end = orbit.points[1];
            let back = integrate(&galaxy, &end, &[Gyr(-4.0), Gyr(-5.0)], 1e-12).unwrap();

            // Knots of the table and the plane limit the order; 1e-13 gives 1e-10.
            assert!(orbit.energy_error < 2e-9, "{}", orbit.energy_error);
            for i in 0..3 {
                // A phase error of ΔE/E = 1e-9 after 50 radial periods of 2π 10 kpc is 3e-6 kpc.
                assert!((back.points[1].x[i] - start.x[i]).abs() < 1e-5, "{:?}", back.points[1]);
            }
        }
    }
}
