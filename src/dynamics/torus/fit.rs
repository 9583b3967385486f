//! Gauss–Newton for the generating function of one torus.

use super::{Settings, Torus, TorusError};
use crate::o2gf::cholesky::{Symmetric, dot};
use crate::phase_space::{Actions, Angles, Frequencies};
use crate::potential::{Isochrone, Potential};
use std::collections::BTreeSet;
use std::f64::consts::PI;

/// The modes n = (n_r, n_z), n_z even, of a generating function.
#[derive(Debug, Clone)]
pub(super) struct Modes {
    list: Vec<(usize, isize)>,
    n_r: usize,
    half_n_z: usize,
}

/// cos and sin of k x for k = 0..=n.
fn powers(x: f64, n: usize) -> Vec<(f64, f64)> {
    let (sin, cos) = x.sin_cos();
    let mut out = Vec::with_capacity(n + 1);
    let mut now = (1.0, 0.0);
    for _ in 0..=n {
        out.push(now);
        now = (now.0 * cos - now.1 * sin, now.0 * sin + now.1 * cos);
    }
    out
}

impl Modes {
    /// One half plane of an ellipse with these half axes.
    fn new(n_r: usize, half_n_z: usize) -> Self {
        let mut list = Vec::new();
        for k in 0..=n_r {
            for l in -(half_n_z as isize)..=half_n_z as isize {
                let inside = (k as f64 / n_r.max(1) as f64).powi(2) + (l as f64 / half_n_z.max(1) as f64).powi(2);
                if inside <= 1.0 + 1e-9 && (k > 0 || l > 0) {
                    list.push((k, l));
                }
            }
        }
        Self { list, n_r, half_n_z }
    }

    /// These modes without those of no importance, with the neighbours of those of some.
    fn grown(&self, importance: &[f64], needed: f64) -> Self {
        let mut set: BTreeSet<(usize, isize)> = BTreeSet::new();
        for (&(k, l), &importance) in self.list.iter().zip(importance) {
            if importance > 0.02 * needed {
                set.insert((k, l));
            }
            if importance > 0.1 * needed {
                let k = k as isize;
                for (dk, dl) in [
                    (1, 0),
                    (-1, 0),
                    (0, 1),
                    (0, -1),
                    (1, 1),
                    (1, -1),
                    (-1, 1),
                    (-1, -1),
                    (2, 0),
                    (0, 2),
                    (0, -2),
                ] {
                    let (k, l) = (k + dk, l + dl);
                    // S_−n = −S_n: one of the two is listed.
                    let (k, l) = if k < 0 || (k == 0 && l < 0) { (-k, -l) } else { (k, l) };
                    if (k, l) != (0, 0) {
                        set.insert((k as usize, l));
                    }
                }
            }
        }
        let list: Vec<_> = set.into_iter().collect();
        let n_r = list.iter().map(|mode| mode.0).max().unwrap_or(1);
        let half_n_z = list.iter().map(|mode| mode.1.unsigned_abs()).max().unwrap_or(1);
        Self { list, n_r, half_n_z }
    }

    /// n_r, n_z, cos(n·θ), sin(n·θ) of every mode.
    fn each(&self, r: f64, z: f64, mut f: impl FnMut(usize, f64, f64, f64, f64)) {
        let radial = powers(r, self.n_r);
        let vertical = powers(2.0 * z, self.half_n_z);
        for (i, &(k, l)) in self.list.iter().enumerate() {
            let (a, b) = radial[k];
            let (c, d) = vertical[l.unsigned_abs()];
            let d = if l < 0 { -d } else { d };
            f(i, k as f64, 2.0 * l as f64, a * c - b * d, b * c + a * d);
        }
    }

    /// 2 Σ n S_n cos(n·θ) for r and z.
    pub(super) fn action_sums(&self, s: &[f64], r: f64, z: f64) -> [f64; 2] {
        let mut sums = [0.0; 2];
        self.each(r, z, |i, n_r, n_z, cos, _| {
            let term = 2.0 * s[i] * cos;
            sums[0] += n_r * term;
            sums[1] += n_z * term;
        });
        sums
    }

    /// 2 Σ ∂S_n/∂J sin(n·θ) for r, z, φ, and the derivatives of the first two by θ_r and θ_z.
    pub(super) fn angle_sums(&self, ds: &[Vec<f64>; 3], r: f64, z: f64) -> ([f64; 3], [[f64; 2]; 2]) {
        let mut sums = [0.0; 3];
        let mut slopes = [[0.0; 2]; 2];
        self.each(r, z, |i, n_r, n_z, cos, sin| {
            for k in 0..3 {
                sums[k] += 2.0 * ds[k][i] * sin;
            }
            for k in 0..2 {
                slopes[k][0] += 2.0 * ds[k][i] * cos * n_r;
                slopes[k][1] += 2.0 * ds[k][i] * cos * n_z;
            }
        });
        (sums, slopes)
    }
}

/// H and its derivatives by J_toy at fixed θ_toy, on the grid.
struct Field {
    h: Vec<f64>,
    /// ∂H/∂J_r, ∂H/∂J_z, ∂H/∂J_φ.
    rates: Vec<[f64; 3]>,
}

/// One grid of toy angles with the cosines of every mode there.
struct Grid {
    angles: Vec<Angles>,
    /// cos(n·θ), mode-major.
    cosines: Vec<f64>,
}

impl Grid {
    /// A quarter of the torus; time reversal and reflection in the plane give the rest. `shift` of ½ puts the points in
    /// the middle of cells.
    fn new(modes: &Modes, over: f64, shift: f64) -> Self {
        let count_r = ((over * modes.n_r as f64) as usize).max(6);
        let count_z = ((2.0 * over * modes.half_n_z as f64) as usize).max(8);
        let mut angles = Vec::with_capacity(count_r * count_z);
        for i in 0..count_r {
            for j in 0..count_z {
                let r = PI * (i as f64 + shift) / count_r as f64;
                let z = PI * (j as f64 + shift) / count_z as f64;
                angles.push(Angles { phi: 0.0, z, r });
            }
        }
        let n = angles.len();
        let mut cosines = vec![0.0; n * modes.list.len()];
        for (place, angles) in angles.iter().enumerate() {
            modes.each(angles.r, angles.z, |i, _, _, cos, _| cosines[i * n + place] = cos);
        }
        Self { angles, cosines }
    }

    /// Toy actions on the grid; nothing if one is not positive.
    fn toy_actions(&self, modes: &Modes, actions: &Actions, s: &[f64]) -> Option<Vec<Actions>> {
        let n = self.angles.len();
        let mut out = vec![*actions; n];
        for ((&(k, l), s), cosines) in modes.list.iter().zip(s).zip(self.cosines.chunks_exact(n)) {
            let (r, z) = (2.0 * k as f64 * s, 4.0 * l as f64 * s);
            for (toy, cos) in out.iter_mut().zip(cosines) {
                toy.r += r * cos;
                toy.z += z * cos;
            }
        }
        out.iter().all(|toy| toy.r > 0.0 && toy.z > 0.0).then_some(out)
    }
}

fn energies<P: Potential + ?Sized>(potential: &P, toy: &Isochrone, grid: &Grid, actions: &[Actions]) -> Vec<f64> {
    grid.angles
        .iter()
        .zip(actions)
        .map(|(angles, actions)| potential.energy(&toy.point(actions, angles)))
        .collect()
}

/// H with its derivatives by the toy actions: dH = v·dv − a·dx along differences of the toy's exact map.
fn field<P: Potential + ?Sized>(
    potential: &P,
    toy: &Isochrone,
    grid: &Grid,
    actions: &[Actions],
    azimuthal: bool,
) -> Field {
    let mut field = Field {
        h: Vec::new(),
        rates: Vec::new(),
    };
    for (angles, actions) in grid.angles.iter().zip(actions) {
        let here = toy.point(actions, angles);
        let (phi, a) = potential.potential_and_acceleration(here.x);
        field.h.push(here.kinetic_energy() + phi);
        let rate = |size: f64, change: &dyn Fn(f64) -> Actions| {
            let step = 1e-4 * size;
            let (up, down) = (toy.point(&change(step), angles), toy.point(&change(-step), angles));
            (0..3)
                .map(|i| here.v[i] * (up.v[i] - down.v[i]) - a[i] * (up.x[i] - down.x[i]))
                .sum::<f64>()
                / (2.0 * step)
        };
        let r = rate(actions.r, &|step| Actions {
            r: actions.r + step,
            ..*actions
        });
        let z = rate(actions.z, &|step| Actions {
            z: actions.z + step,
            ..*actions
        });
        let phi = if azimuthal {
            let size = (actions.phi.abs() + 0.1 * actions.z).min(10.0 * actions.phi.abs().max(1e-3 * actions.z));
            rate(size, &|step| Actions {
                phi: actions.phi + step,
                ..*actions
            })
        } else {
            0.0
        };
        field.rates.push([r, z, phi]);
    }
    field
}

/// Rows 2 (n·Ω_toy) cos(n·θ), mode-major, and their normal matrix with a last column for the constant.
fn normal(modes: &Modes, grid: &Grid, rates: &[[f64; 3]]) -> (Vec<f64>, Symmetric) {
    let n = grid.angles.len();
    let count = modes.list.len();
    let mut rows = vec![0.0; n * count];
    for ((row, cosines), &(k, l)) in rows
        .chunks_exact_mut(n)
        .zip(grid.cosines.chunks_exact(n))
        .zip(&modes.list)
    {
        let (n_r, n_z) = (2.0 * k as f64, 4.0 * l as f64);
        for ((out, cos), rate) in row.iter_mut().zip(cosines).zip(rates) {
            *out = (n_r * rate[0] + n_z * rate[1]) * cos;
        }
    }
    let mut matrix = Symmetric::zeros(count + 1);
    for i in 0..count {
        let row = &rows[i * n..(i + 1) * n];
        for j in 0..=i {
            *matrix.at(i, j) = dot(row, &rows[j * n..(j + 1) * n]);
        }
        *matrix.at(count, i) = -row.iter().sum::<f64>();
    }
    *matrix.at(count, count) = n as f64;
    (rows, matrix)
}

/// Right-hand side: products of the rows, and of the constant's column −1, with `values`.
fn side(rows: &[f64], values: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = rows.chunks_exact(values.len()).map(|row| dot(row, values)).collect();
    out.push(-values.iter().sum::<f64>());
    out
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (
        mean,
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt(),
    )
}

/// Regularisation relative to a unit diagonal.
const RIDGE: f64 = 1e-12;

/// Fits the torus, with a mode set that grows next to the modes that matter.
pub(super) fn fit<P: Potential + ?Sized>(
    potential: &P,
    toy: Isochrone,
    actions: Actions,
    settings: &Settings,
) -> Result<Torus, TorusError> {
    let mut modes = Modes::new(3, 3);
    let mut s = vec![0.0; modes.list.len()];
    let mut best = f64::INFINITY;
    let rates = toy.frequencies(&actions);
    loop {
        let grid = Grid::new(&modes, 1.5, 0.5);
        let converged = gauss_newton(potential, &toy, &actions, &modes, &grid, &mut s, settings);
        let check = Grid::new(&modes, 1.9, 0.25);
        let (mean, deviation) = converged
            .and_then(|()| check.toy_actions(&modes, &actions, &s))
            .map_or((-1.0, f64::INFINITY), |toys| {
                mean_and_deviation(&energies(potential, &toy, &check, &toys))
            });
        let dispersion = deviation / mean.abs();
        best = best.min(dispersion);
        let needed = settings.tolerance * mean.abs().min(100.0 * (actions.z * rates.z).min(actions.r * rates.r));
        if deviation < needed {
            return angles(potential, toy, actions, modes, s, &grid, dispersion);
        }
        let next = if deviation.is_finite() {
            let importance: Vec<f64> = modes
                .list
                .iter()
                .zip(&s)
                .map(|((k, l), s)| s.abs() * (*k as f64 * rates.r + 2.0 * l.unsigned_abs() as f64 * rates.z))
                .collect();
            // Far from the goal only the larger modes' neighbours are worth their cost.
            modes.grown(&importance, needed.max(0.2 * deviation))
        } else {
            Modes::new(modes.n_r + 2, modes.half_n_z + 2)
        };
        if next.list.len() > settings.most_modes || next.list == modes.list {
            return Err(TorusError::Dispersion {
                dispersion: best,
                tolerance: settings.tolerance,
                modes: modes.list.len(),
            });
        }
        let mut start = vec![0.0; next.list.len()];
        for (value, mode) in start.iter_mut().zip(&next.list) {
            *value = modes
                .list
                .iter()
                .position(|old| old == mode)
                .map_or(0.0, |place| s[place]);
        }
        (modes, s) = (next, start);
    }
}

/// Steps of least squares in δS_n and the energy, each shortened until H varies less and toy actions stay positive.
fn gauss_newton<P: Potential + ?Sized>(
    potential: &P,
    toy: &Isochrone,
    actions: &Actions,
    modes: &Modes,
    grid: &Grid,
    s: &mut [f64],
    settings: &Settings,
) -> Option<()> {
    let mut toys = match grid.toy_actions(modes, actions, s) {
        Some(toys) => toys,
        None => {
            s.fill(0.0);
            grid.toy_actions(modes, actions, s)?
        }
    };
    for _ in 0..20 {
        let field = field(potential, toy, grid, &toys, false);
        let (mean, deviation) = mean_and_deviation(&field.h);
        if !deviation.is_finite() {
            return None;
        }
        let (rows, matrix) = normal(modes, grid, &field.rates);
        let residuals: Vec<f64> = field.h.iter().map(|h| mean - h).collect();
        let mut sides = [side(&rows, &residuals)];
        if !matrix.solve(|_| RIDGE, &mut sides) {
            return None;
        }
        let step = &sides[0][..s.len()];
        let mut part = 1.0;
        let improved = loop {
            let trial: Vec<f64> = s.iter().zip(step).map(|(s, step)| s + part * step).collect();
            if let Some(next) = grid.toy_actions(modes, actions, &trial) {
                let (_, new) = mean_and_deviation(&energies(potential, toy, grid, &next));
                if new < deviation {
                    s.copy_from_slice(&trial);
                    toys = next;
                    break new;
                }
            }
            part *= 0.5;
            if part < 1e-3 {
                return Some(());
            }
        };
        // More steps than the mode set deserves are wasted: the next set starts from here.
        if improved > 0.7 * deviation || improved < 0.01 * settings.tolerance * mean.abs() {
            break;
        }
    }
    Some(())
}

/// Frequencies and ∂S_n/∂J from dH/dJ = Ω on the fitted torus.
fn angles<P: Potential + ?Sized>(
    potential: &P,
    toy: Isochrone,
    actions: Actions,
    modes: Modes,
    s: Vec<f64>,
    grid: &Grid,
    dispersion: f64,
) -> Result<Torus, TorusError> {
    let failed = TorusError::Dispersion {
        dispersion,
        tolerance: 0.0,
        modes: s.len(),
    };
    let toys = grid.toy_actions(&modes, &actions, &s).ok_or(failed.clone())?;
    let field = field(potential, &toy, grid, &toys, true);
    let (rows, matrix) = normal(&modes, grid, &field.rates);
    let mut sides: [Vec<f64>; 3] = std::array::from_fn(|k| {
        let values: Vec<f64> = field.rates.iter().map(|rates| -rates[k]).collect();
        side(&rows, &values)
    });
    // What the grid does not determine stays small, high modes above all: noise there would fold the angle map.
    let ridge = |i: usize| {
        modes
            .list
            .get(i)
            .map_or(0.0, |&(k, l)| 1e-9 * (k * k) as f64 + 4e-9 * (l * l) as f64)
    };
    if !matrix.solve(ridge, &mut sides) {
        return Err(failed);
    }
    let count = s.len();
    let rates: [f64; 3] = std::array::from_fn(|k| sides[k][count]);
    let ds = sides.map(|mut side| {
        side.truncate(count);
        side
    });
    // Near a resonance neighbouring tori cross, and the angles run backwards.
    let folded = grid.angles.iter().any(|place| {
        let [[a, b], [c, d]] = modes.angle_sums(&ds, place.r, place.z).1;
        (1.0 + a) * (1.0 + d) - b * c <= 0.0
    });
    if folded {
        return Err(TorusError::Folded);
    }
    Ok(Torus {
        toy,
        actions,
        frequencies: Frequencies {
            r: rates[0],
            z: rates[1],
            phi: rates[2],
        },
        energy: mean_and_deviation(&field.h).0,
        dispersion,
        modes,
        s,
        ds,
    })
}
