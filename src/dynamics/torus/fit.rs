//! Newton's method for the generating function of one torus.

use super::linear::{Linear, side};
use super::series::{Grid, Modes};
use super::toy::{Circle, Spot, latitude_angle};
use super::warp::Warp;
use super::{Settings, Torus, TorusError, nearly_circular};
use crate::o2gf;
use crate::phase_space::{Actions, Angles, Frequencies};
use crate::potential::{Isochrone, Potential};
use std::f64::consts::PI;

/// Regularisation relative to a unit diagonal.
const RIDGE: f64 = 1e-12;

/// Points of the fitted grid per mode and half turn.
const FITTED_OVER: f64 = 1.5;

/// Newton steps with one mode set.
const MOST_STEPS: usize = 8;

/// A matrix is used again where a step left less than this part of H's deviation; where a second use of it leaves more than
/// the other part, the modes can do no better.
const GOOD_GAIN: f64 = 0.3;
const NO_GAIN: f64 = 0.9;

/// Mode sets that are tried.
const MOST_LEVELS: usize = 30;

/// H's deviation falls as exp(−c √modes). A torus is given up, from the fourth mode set on, where two sets before that law
/// leaves it at this many times the one needed with all the modes allowed.
const HOPELESS: f64 = 2.0;

/// Modes up to this n_r and −n_z are looked at for resonances, those with |n·Ω| below this part of Ω_r.
const MOST_ORDER: i32 = 16;
const SLOW: f64 = 0.25;

/// Harmonics that bend the coordinates in one go, and iterations for a place where a star crosses the plane.
const BENDS: usize = 6;
const CROSSING_STEPS: usize = 6;

/// H on a grid.
struct Field {
    h: Vec<f64>,
    mean: f64,
    /// Root mean square of H − mean over toy angles.
    deviation: f64,
}

/// ∂H/∂J_r, ∂H/∂J_z, ∂H/∂J_φ at fixed toy angles.
fn rates(spots: &[Spot]) -> Vec<[f64; 3]> {
    spots.iter().map(Spot::rates).collect()
}

/// The torus being fitted.
struct Problem<'a, P: ?Sized> {
    potential: &'a P,
    toy: Isochrone,
    actions: Actions,
}

impl<P: Potential + ?Sized> Problem<'_, P> {
    /// H on the torus of the series `s`; nothing if a toy action is not positive there. `see` is given every spot.
    fn field(&self, grid: &Grid, modes: &Modes, s: &[f64], mut see: impl FnMut(Spot)) -> Option<Field> {
        let [by_eta, by_chi] = grid.slopes(modes, s);
        let count = grid.places.len();
        let mut toys = Vec::with_capacity(count);
        for ((place, eta), chi) in grid.places.iter().zip(by_eta).zip(by_chi) {
            let [r, z] = place.by_angles(eta, chi);
            let toy = Actions {
                phi: self.actions.phi,
                z: self.actions.z + z,
                r: self.actions.r + r,
            };
            if !(toy.r > 0.0 && toy.z > 0.0) {
                return None;
            }
            toys.push(toy);
        }
        let mut h = Vec::with_capacity(count);
        for (place, toy) in grid.places.iter().zip(&toys) {
            let circle = Circle::new(&self.toy, toy, place.theta_r, Some(&place.anomaly));
            let spot = Spot::new(self.potential, &circle, place.theta_z);
            h.push(spot.h);
            see(spot);
        }
        let mean = |f: &dyn Fn(f64) -> f64| {
            let terms = h.iter().zip(&grid.weights);
            terms.map(|(h, weight)| weight * f(*h)).sum::<f64>() / count as f64
        };
        let average = mean(&|h| h);
        let deviation = mean(&|h| (h - average).powi(2)).sqrt();
        deviation.is_finite().then_some(Field {
            h,
            mean: average,
            deviation,
        })
    }

    /// [`field`](Self::field) with its spots.
    fn field_and_spots(&self, grid: &Grid, modes: &Modes, s: &[f64]) -> Option<(Field, Vec<Spot>)> {
        let mut spots = Vec::with_capacity(grid.places.len());
        let field = self.field(grid, modes, s, |spot| spots.push(spot))?;
        Some((field, spots))
    }
}

impl<P: Potential + ?Sized> Problem<'_, P> {
    /// Newton steps in the coefficients, the first with a matrix shortened until H varies less and toy actions stay positive,
    /// until that gains little or H varies by less than `enough`. A matrix serves again while steps with it gain much.
    fn improve(
        &self,
        grid: &Grid,
        modes: &Modes,
        s: &mut Vec<f64>,
        (field, spots): (&mut Field, &mut Vec<Spot>),
        enough: f64,
    ) {
        for _ in 0..MOST_STEPS {
            let Linear { factors, matrix } = Linear::new(modes, grid, &rates(spots));
            let start = field.deviation;
            let Some(factor) = matrix.factor(|_| RIDGE) else {
                return;
            };
            for use_of_matrix in 0..MOST_STEPS {
                let residuals: Vec<f64> = field.h.iter().map(|h| field.mean - h).collect();
                let mut step = side(&factors, modes, grid, &residuals);
                factor.solve(&mut step);
                let before = field.deviation;
                let mut part = 1.0;
                while part > 1e-3 {
                    let trial: Vec<f64> = s.iter().zip(&step).map(|(s, step)| s + part * step).collect();
                    if let Some((next, seen)) = self.field_and_spots(grid, modes, &trial)
                        && next.deviation < before
                    {
                        (*s, *field, *spots) = (trial, next, seen);
                        break;
                    }
                    if use_of_matrix > 0 {
                        break;
                    }
                    part *= 0.5;
                }
                let gain = field.deviation / before;
                if field.deviation < enough || (use_of_matrix > 0 && gain > NO_GAIN) {
                    return;
                }
                if gain > GOOD_GAIN {
                    break;
                }
            }
            if field.deviation > 0.5 * start {
                return;
            }
        }
    }

    /// The isochrone whose radial action varies least over the torus as it is.
    fn better_toy(&self, grid: &Grid, modes: &Modes, s: &[f64]) -> Option<Isochrone> {
        let [by_eta, by_chi] = grid.slopes(modes, s);
        let points: Vec<_> = grid
            .places
            .iter()
            .zip(by_eta)
            .zip(by_chi)
            .map(|((place, eta), chi)| {
                let [r, z] = place.by_angles(eta, chi);
                let actions = Actions {
                    phi: self.actions.phi,
                    z: self.actions.z + z,
                    r: self.actions.r + r,
                };
                let angles = Angles {
                    phi: 0.0,
                    z: place.theta_z,
                    r: place.theta_r,
                };
                self.toy.point(&actions, &angles)
            })
            .collect();
        o2gf::toy::fit(self.potential, &points)
    }

    /// Coordinates bent so that stars cross the plane z = 0 at χ = 0, where thin discs make H kink, and the series there.
    fn straightened(&self, warp: &Warp, modes: &Modes, s: &[f64]) -> (Warp, Vec<f64>) {
        let n = 2 * BENDS;
        let values: Vec<f64> = (0..n)
            .map(|i| {
                let eta = warp.zeta(PI * (i as f64 + 0.5) / n as f64);
                let mut psi = 0.0f64;
                for _ in 0..CROSSING_STEPS {
                    let chi = warp.chi(psi);
                    let place = warp.place(eta, chi);
                    let [by_eta, by_chi] = modes.slopes(s, eta, chi);
                    let [r, z] = place.by_angles(by_eta, by_chi);
                    let toy = Actions {
                        phi: self.actions.phi,
                        z: (self.actions.z + z).max(1e-3 * self.actions.z),
                        r: (self.actions.r + r).max(1e-3 * self.actions.r),
                    };
                    psi -= latitude_angle(&self.toy, &toy, place.theta_r, place.theta_z);
                }
                psi.clamp(-1.5, 1.5)
            })
            .collect();
        let bent = warp.bent(&values, BENDS);
        // S is the same function of the toy angles: its sine series on a grid of the new coordinates.
        let (n, m) = (2 * modes.most_k + 4, 4 * modes.most_l + 4);
        let mut series = vec![0.0; modes.list.len()];
        for i in 0..n {
            for j in 0..m {
                let (eta, chi) = (PI * (i as f64 + 0.5) / n as f64, PI * (j as f64 + 0.5) / m as f64);
                let place = bent.place(eta, chi);
                let [old_eta, old_chi] = warp.coordinates(place.theta_r, place.theta_z);
                let value = 2.0 * modes.sum(s, old_eta, old_chi) / (n * m) as f64;
                modes.add(&mut series, value, eta, chi);
            }
        }
        (bent, series)
    }
}

/// Fits the torus, with a mode set that grows next to the modes that matter.
///
/// A hard torus gets a better toy once its first, coarse form is known, and straighter coordinates twice later on. On the way
/// to a tight tolerance `verify` sees the torus at the usual one: what fails there fails later too.
pub(super) fn fit<P: Potential + ?Sized>(
    potential: &P,
    toy: Isochrone,
    actions: Actions,
    settings: &Settings,
    verify: &dyn Fn(&Torus) -> Result<(), TorusError>,
) -> Result<Torus, TorusError> {
    let mut problem = Problem {
        potential,
        toy,
        actions,
    };
    let usual = Settings::default();
    let tight = settings.tolerance < usual.tolerance && settings.most_modes >= usual.most_modes;
    let mut goal = if tight { usual } else { *settings };
    let mut warp = Warp::new(&toy, &actions);
    let round = nearly_circular(&actions);
    let mut modes = if round { Modes::new(4, 5) } else { Modes::new(5, 4) };
    // As dense as the fitted one, between its points: eccentric tori, whose H is off in small corners, need a denser one.
    let checked_over = if round { FITTED_OVER } else { 2.0 };
    let mut s = vec![0.0; modes.list.len()];
    let rates = toy.frequencies(&actions);
    let mut best = f64::INFINITY;
    let mut blurred = None;
    // Some tori need a smaller deviation over toy angles for the one asked for over their own.
    let mut strictness = 1.0;
    // Number of modes and deviation of every mode set.
    let mut history: Vec<(usize, f64)> = Vec::new();
    for level in 1..=MOST_LEVELS {
        let grid = Grid::new(&warp, &modes, FITTED_OVER, 0.5);
        let mut field = problem.field_and_spots(&grid, &modes, &s);
        if field.is_none() {
            s.fill(0.0);
            field = problem.field_and_spots(&grid, &modes, &s);
        }
        let (mut field, mut spots) = field.ok_or(TorusError::NoToy)?;
        let depth = |mean: f64| mean.abs().min(100.0 * (actions.z * rates.z).min(actions.r * rates.r));
        let enough = 0.05 * strictness * goal.tolerance * depth(field.mean);
        problem.improve(&grid, &modes, &mut s, (&mut field, &mut spots), enough);
        let check = Grid::new(&warp, &modes, checked_over, 0.25);
        let checked = problem.field(&check, &modes, &s, |_| ());
        let deviation = checked.as_ref().map_or(f64::INFINITY, |field| field.deviation);
        best = best.min(deviation / field.mean.abs());
        history.push((modes.list.len(), deviation));
        let mut needed = strictness * goal.tolerance * depth(field.mean);
        if deviation < needed
            && let Some(checked) = checked
        {
            let torus = angles(&problem, &warp, &modes, &s, (&grid, &field, &spots), (&check, &checked))?;
            best = torus.dispersion;
            let early = goal.tolerance > settings.tolerance && torus.dispersion <= goal.tolerance;
            if early {
                verify(&torus)?;
                (goal, strictness) = (*settings, 1.0);
            }
            let excess = (torus.dispersion / goal.tolerance).max(torus.action_error / goal.largest_error);
            if excess <= 1.0 {
                return Ok(torus);
            }
            if torus.dispersion <= settings.tolerance {
                blurred = Some(torus.action_error);
            }
            if !early {
                strictness *= 0.7 / excess;
            }
            needed = strictness * goal.tolerance * depth(field.mean);
        }
        if level == 1
            && deviation > 3.0 * goal.tolerance * field.mean.abs()
            && let Some(toy) = problem.better_toy(&grid, &modes, &s)
        {
            problem.toy = toy;
            warp = Warp::new(&toy, &actions);
            modes = Modes::new(7, 5);
            s = vec![0.0; modes.list.len()];
            continue;
        }
        if level == 3 || level == 4 {
            (warp, s) = problem.straightened(&warp, &modes, &s);
        }
        if let [.., (fewer, before), _, (now, after)] = history[..]
            && history.len() > 3
            && after > HOPELESS * needed
        {
            let root = |modes: usize| (modes as f64).sqrt();
            let power = (root(goal.most_modes) - root(now)) / (root(now) - root(fewer)).max(1.0);
            if (after / before).min(1.0).powf(power) * after > HOPELESS * needed {
                break;
            }
        }
        let importance: Vec<f64> = modes
            .list
            .iter()
            .zip(&s)
            .map(|((k, l), s)| s.abs() * (*k as f64 * rates.r + 2.0 * l.unsigned_abs() as f64 * rates.z))
            .collect();
        // Far from the goal only the larger modes' neighbours are worth their cost.
        let scale = needed.max(0.3 * field.deviation);
        let mut next = modes.grown(&importance, 0.01 * scale, 0.05 * scale);
        if level > 1 && deviation > 2.0 * needed {
            let wider = next.widened();
            if wider.list.len() <= goal.most_modes {
                next = wider;
            }
        }
        // A ragged set would need too large a grid.
        let too_many = next.list.len() > goal.most_modes || next.most_k * next.most_l > 2 * goal.most_modes;
        if too_many || next == modes {
            break;
        }
        let mut start = vec![0.0; next.list.len()];
        for (value, mode) in start.iter_mut().zip(&next.list) {
            // Both lists are in order.
            if let Ok(place) = modes.list.binary_search(mode) {
                *value = s[place];
            }
        }
        (modes, s) = (next, start);
    }
    Err(match blurred {
        Some(error) => TorusError::Blurred {
            error,
            largest: settings.largest_error,
        },
        None => TorusError::Dispersion {
            dispersion: best,
            tolerance: goal.tolerance,
            modes: modes.list.len(),
        },
    })
}

/// Frequencies and ∂S/∂J from dH/dJ = Ω on the fitted torus.
fn angles<P: Potential + ?Sized>(
    problem: &Problem<'_, P>,
    warp: &Warp,
    modes: &Modes,
    s: &[f64],
    (grid, field, spots): (&Grid, &Field, &[Spot]),
    (check, checked): (&Grid, &Field),
) -> Result<Torus, TorusError> {
    let failed = TorusError::Dispersion {
        dispersion: checked.deviation / checked.mean.abs(),
        tolerance: 0.0,
        modes: s.len(),
    };
    let field_rates = rates(spots);
    let linear = Linear::new(modes, grid, &field_rates);
    let mut sides: [Vec<f64>; 3] = std::array::from_fn(|q| {
        let values: Vec<f64> = field_rates.iter().map(|rates| -rates[q]).collect();
        side(&linear.factors, modes, grid, &values)
    });
    // What the grid does not determine stays small, high modes above all: noise there would fold the angle map.
    let ridge = |i: usize| {
        modes
            .list
            .get(i)
            .map_or(0.0, |&(k, l)| 1e-10 * (k * k) as f64 + 4e-10 * (l * l) as f64)
    };
    if !linear.matrix.solve(ridge, &mut sides) {
        return Err(failed);
    }
    let count = s.len();
    let rates: [f64; 3] = std::array::from_fn(|q| sides[q][count]);
    let ds = sides.map(|mut side| {
        side.truncate(count);
        side
    });
    let mut torus = Torus {
        toy: problem.toy,
        warp: warp.clone(),
        actions: problem.actions,
        frequencies: Frequencies::from_rzphi(rates),
        energy: field.mean,
        dispersion: f64::INFINITY,
        action_error: f64::INFINITY,
        modes: modes.clone(),
        s: s.to_vec(),
        ds,
    };
    // Near a resonance neighbouring tori cross, and the angles run backwards.
    if torus.jacobians(grid).iter().any(|jacobian| *jacobian <= 0.0) {
        return Err(TorusError::Folded);
    }
    let weights: Vec<f64> = torus
        .jacobians(check)
        .iter()
        .zip(&check.weights)
        .map(|(jacobian, weight)| jacobian.abs() * weight)
        .collect();
    let total: f64 = weights.iter().sum();
    let mean = |f: &dyn Fn(f64) -> f64| checked.h.iter().zip(&weights).map(|(h, w)| w * f(*h)).sum::<f64>() / total;
    torus.energy = mean(&|h| h);
    torus.dispersion = mean(&|h| (h - torus.energy).powi(2)).sqrt() / torus.energy.abs();
    torus.action_error = resonant_error(&torus, check, &checked.h, &weights);
    Ok(torus)
}

/// Root mean square by which J_r or J_z of orbits differ from the torus', for what is left of H at the modes n that turn
/// slowly: a term h_n cos(n·θ) of H moves J by n h_n/(n·Ω).
fn resonant_error(torus: &Torus, grid: &Grid, h: &[f64], weights: &[f64]) -> f64 {
    let Frequencies { r, z, .. } = torus.frequencies;
    let slow: Vec<(f64, f64)> = (1..=MOST_ORDER)
        .flat_map(|n_r| (1..=MOST_ORDER / 2).map(move |half| (f64::from(n_r), -2.0 * f64::from(half))))
        .filter(|(n_r, n_z)| (n_r * r + n_z * z).abs() < SLOW * r)
        .collect();
    if slow.is_empty() {
        return 0.0;
    }
    let mut sums = vec![0.0; slow.len()];
    let angles = grid.angles(&torus.modes, &torus.ds);
    for (((theta_r, theta_z), h), weight) in angles.into_iter().zip(h).zip(weights) {
        for (sum, (n_r, n_z)) in sums.iter_mut().zip(&slow) {
            *sum += weight * (h - torus.energy) * (n_r * theta_r + n_z * theta_z).cos();
        }
    }
    let total: f64 = weights.iter().sum();
    let square = |of: fn(&(f64, f64)) -> f64| {
        let terms = sums.iter().zip(&slow);
        terms
            .map(|(sum, n)| 2.0 * (of(n) * sum / (total * (n.0 * r + n.1 * z))).powi(2))
            .sum::<f64>()
    };
    square(|n| n.0).max(square(|n| n.1)).sqrt()
}
