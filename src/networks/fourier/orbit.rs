//! One orbit: J' is three numbers, so G(θ) is a Fourier series and J' = J − ∂G/∂θ a linear problem.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Isochrone;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::Error;
use crate::features::Symmetry;
use crate::random::generator;
use crate::weights::Weights;

/// Value of the metadata `network` in a file of this map.
pub const NETWORK: &str = "fourier_orbit";

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrbitOptions {
    /// Symmetry imposed on G.
    pub symmetry: Symmetry,
    /// Whether G is odd in the angles: only sines.
    pub time_reversal: bool,
    /// Highest |n_φ|, |n_z| and |n_r| looked at.
    pub reach: [i32; 3],
    /// Most coefficients; fewer are used where more do not help on points left out.
    pub coefficients: usize,
    /// Added to the diagonal of the normal equations, relative to it.
    pub ridge: f64,
    /// One point in so many is left out to choose the number of coefficients.
    pub leave_out: usize,
    /// Seed of which points are left out.
    pub seed: u64,
}

impl Default for OrbitOptions {
    fn default() -> Self {
        Self {
            symmetry: Symmetry::None,
            time_reversal: false,
            reach: [1, 60, 40],
            coefficients: 1600,
            ridge: 1e-10,
            leave_out: 5,
            seed: 1,
        }
    }
}

/// J' = J − ∂G/∂θ with G = Σ_n s_n sin(n·θ) + c_n cos(n·θ) in the angles of a toy isochrone.
#[derive(Debug, Clone, PartialEq)]
pub struct OrbitMap {
    toy: Isochrone,
    /// n (φ, z, r), and whether the term is a cosine.
    modes: Vec<([i32; 3], bool)>,
    /// Amplitudes, rad km/s kpc.
    amplitudes: Vec<f64>,
    /// J' of the orbit (φ, z, r), km/s kpc.
    pub actions: [f64; 3],
    /// Mean absolute deviation of J' over points left out of the fit, km/s kpc.
    pub held_out_spread: f64,
}

/// Toy angles and actions of points.
struct Points {
    angles: Vec<[f64; 3]>,
    actions: Vec<[f64; 3]>,
}

impl Points {
    /// **Fails when** a point is unbound in the toy.
    fn new(toy: &Isochrone, points: &[PhaseSpace]) -> Result<Self, Error> {
        let found = toy.actions_of(points).map_err(|unbound| Error::Unbound {
            rows: unbound.rows.iter().map(|row| row.row).collect(),
            points: unbound.total,
        })?;
        Ok(Self {
            angles: found.iter().map(|f| [f.angles.phi, f.angles.z, f.angles.r]).collect(),
            actions: found
                .iter()
                .map(|f| [f.actions.phi, f.actions.z, f.actions.r])
                .collect(),
        })
    }

    fn pick(&self, rows: &[usize]) -> Self {
        Self {
            angles: rows.iter().map(|&row| self.angles[row]).collect(),
            actions: rows.iter().map(|&row| self.actions[row]).collect(),
        }
    }
}

impl OrbitMap {
    /// How many coefficients the series has.
    pub fn coefficients(&self) -> usize {
        self.amplitudes.len()
    }

    /// J' (φ, z, r) of points of the orbit, km/s kpc. **Fails when** a point is unbound in the toy.
    pub fn actions_of(&self, points: &[PhaseSpace]) -> Result<Vec<[f64; 3]>, Error> {
        Ok(self.corrected(&Points::new(&self.toy, points)?))
    }

    /// Mean absolute deviation of J' from its mean over points and components, km/s kpc.
    pub fn spread(&self, points: &[PhaseSpace]) -> Result<f64, Error> {
        Ok(spread(&self.actions_of(points)?))
    }

    fn corrected(&self, points: &Points) -> Vec<[f64; 3]> {
        let rows = points.angles.iter().zip(&points.actions);
        rows.map(|(angles, actions)| {
            let mut actions = *actions;
            for ((n, cosine), amplitude) in self.modes.iter().zip(&self.amplitudes) {
                let slope = amplitude * derivative(n, *cosine, angles);
                for (action, n) in actions.iter_mut().zip(n) {
                    *action -= f64::from(*n) * slope;
                }
            }
            actions
        })
        .collect()
    }

    /// The file's content.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        let numbers = |(n, cosine): &([i32; 3], bool)| {
            let [a, b, c] = n.map(i64::from);
            [a, b, c, i64::from(*cosine)]
        };
        let modes: Vec<i64> = self.modes.iter().flat_map(numbers).collect();
        let mut weights = Weights::default();
        weights.insert("modes", &Tensor::from_slice(&modes).view([-1, 4]));
        weights.insert("amplitudes", &Tensor::from_slice(&self.amplitudes));
        weights.insert("toy", &Tensor::from_slice(&[self.toy.mass(), self.toy.scale()]));
        weights.insert("actions", &Tensor::from_slice(&self.actions));
        weights.metadata.insert("map".to_owned(), "actions".to_owned());
        weights.metadata.insert("network".to_owned(), NETWORK.to_owned());
        weights.insert_json("held_out_spread", &self.held_out_spread)?;
        Ok(weights)
    }

    /// The map of a file.
    pub fn from_weights(weights: &Weights) -> Result<Self, Error> {
        let numbers =
            |name: &str| -> Result<Vec<f64>, Error> { Ok(Vec::try_from(weights.tensor(name)?.contiguous().view(-1))?) };
        let modes = Vec::<i64>::try_from(weights.tensor("modes")?.contiguous().view(-1))?;
        let (amplitudes, toy, actions) = (numbers("amplitudes")?, numbers("toy")?, numbers("actions")?);
        let (&[mass, scale], &[phi, z, r]) = (toy.as_slice(), actions.as_slice()) else {
            return Err(Error::Data("the orbit's map has a wrong shape".to_owned()));
        };
        if modes.len() != 4 * amplitudes.len() {
            return Err(Error::Data(
                "the orbit's map has as many modes as amplitudes".to_owned(),
            ));
        }
        let modes = modes.chunks_exact(4);
        Ok(Self {
            toy: Isochrone::new(mass, scale).map_err(|error| Error::Data(error.to_string()))?,
            modes: modes
                .map(|n| ([n[0] as i32, n[1] as i32, n[2] as i32], n[3] == 1))
                .collect(),
            amplitudes,
            actions: [phi, z, r],
            held_out_spread: weights.json("held_out_spread")?,
        })
    }
}

/// The derivative of sin(n·θ), or cos(n·θ), by n·θ.
fn derivative(n: &[i32; 3], cosine: bool, angles: &[f64; 3]) -> f64 {
    let phase: f64 = n.iter().zip(angles).map(|(n, angle)| f64::from(*n) * angle).sum();
    if cosine { -phase.sin() } else { phase.cos() }
}

fn spread(actions: &[[f64; 3]]) -> f64 {
    let count = actions.len().max(1) as f64;
    let component = |k: usize| {
        let mean = actions.iter().map(|j| j[k]).sum::<f64>() / count;
        actions.iter().map(|j| (j[k] - mean).abs()).sum::<f64>() / count
    };
    (component(0) + component(1) + component(2)) / 3.0
}

/// Numbers of coefficients tried in turn: each time those terms are added that the residuals ask for most.
const SIZES: [usize; 10] = [40, 100, 200, 350, 500, 700, 900, 1200, 1600, 2000];

/// Points on which terms are chosen.
const SCORED: usize = 3000;

/// G of one orbit from points along it.
///
/// Terms are added in the order in which the residuals ask for them (orthogonal matching pursuit), until points left out
/// gain nothing; the equations are re-weighted so that outliers do not rule. Then all points are used for the amplitudes.
///
/// **Fails when** a point is unbound in the toy, or there are fewer than 50.
pub fn fit_orbit(points: &[PhaseSpace], toy: Isochrone, options: &OrbitOptions) -> Result<OrbitMap, Error> {
    if points.len() < 50 {
        let message = format!("an orbit's map needs at least 50 points, not {}", points.len());
        return Err(Error::Data(message));
    }
    let all = Points::new(&toy, points)?;
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.shuffle(&mut generator(options.seed, "left out", 0));
    let (out, kept) = order.split_at(points.len() / options.leave_out.max(2));
    let (left_out, learning) = (all.pick(out), all.pick(kept));

    let mut map = OrbitMap {
        toy,
        modes: Vec::new(),
        amplitudes: Vec::new(),
        actions: [0.0; 3],
        held_out_spread: spread(&left_out.actions),
    };
    let mut best = map.clone();
    // Three equations a point; more than one coefficient for three of them explodes.
    let limit = options.coefficients.min(learning.angles.len());
    for size in SIZES.iter().map(|size| size.min(&limit)) {
        extend(&mut map, &learning, *size, options);
        let found = solve(&mut map, &learning, options.ridge, 3)?;
        map.held_out_spread = spread(&map.corrected(&left_out));
        if !found || map.held_out_spread.is_nan() || map.held_out_spread > 1.2 * best.held_out_spread {
            break;
        }
        if map.held_out_spread < best.held_out_spread {
            best = map.clone();
        }
        if map.modes.len() < *size || *size == limit {
            break;
        }
    }
    solve(&mut best, &all, options.ridge, 3)?;
    Ok(best)
}

/// Adds those terms that correlate most with the residuals, up to `size` terms in all.
fn extend(map: &mut OrbitMap, points: &Points, size: usize, options: &OrbitOptions) {
    let stride = points.angles.len().div_ceil(SCORED);
    let rows: Vec<usize> = (0..points.angles.len()).step_by(stride).collect();
    let some = points.pick(&rows);
    let mut rest = map.corrected(&some);
    for k in 0..3 {
        let mean = rest.iter().map(|j| j[k]).sum::<f64>() / rest.len() as f64;
        rest.iter_mut().for_each(|j| j[k] -= mean);
    }
    // Heavy tails count less, as in the fit.
    let typical = rest.iter().flatten().map(|j| j.abs()).sum::<f64>() / (3 * rest.len()) as f64;
    for j in &mut rest {
        let weight = weight(j, typical);
        j.iter_mut().for_each(|j| *j *= weight);
    }
    let [phi, z, r] = options.reach;
    let phi = if options.symmetry == Symmetry::None { phi } else { 0 };
    let z = if options.symmetry == Symmetry::Spherical { 0 } else { z };
    let step = if options.symmetry == Symmetry::None { 1 } else { 2 };
    let turn: Vec<(f64, f64)> = some.angles.iter().map(|angles| angles[2].sin_cos()).collect();
    let mut scores = Vec::new();
    for n_phi in -phi..=phi {
        for n_z in (-z / step * step..=z).step_by(step as usize) {
            let phase = |angles: &[f64; 3], n_r: i32| {
                f64::from(n_phi) * angles[0] + f64::from(n_z) * angles[1] + f64::from(n_r) * angles[2]
            };
            let mut phasors: Vec<(f64, f64)> = some.angles.iter().map(|angles| phase(angles, 0).sin_cos()).collect();
            for n_r in 0..=r {
                // One of n and −n.
                let new = n_r > 0 || n_z > 0 || (n_z == 0 && n_phi > 0);
                // An ellipsoid of modes: high orders in all angles together are weak.
                let inside = [(n_phi, phi), (n_z, z), (n_r, r)]
                    .iter()
                    .map(|(n, reach)| (f64::from(*n) / f64::from((*reach).max(1))).powi(2))
                    .sum::<f64>()
                    <= 1.0;
                if new && inside {
                    let (mut odd, mut even) = (0.0, 0.0);
                    let n = [n_phi, n_z, n_r].map(f64::from);
                    for ((sin, cos), rest) in phasors.iter().zip(&rest) {
                        let along = n[0] * rest[0] + n[1] * rest[1] + n[2] * rest[2];
                        odd += along * cos;
                        even += along * sin;
                    }
                    let norm = n.iter().map(|n| n * n).sum::<f64>().sqrt();
                    scores.push(((odd / norm).abs(), ([n_phi, n_z, n_r], false)));
                    if !options.time_reversal {
                        scores.push(((even / norm).abs(), ([n_phi, n_z, n_r], true)));
                    }
                }
                for ((sin, cos), (turn_sin, turn_cos)) in phasors.iter_mut().zip(&turn) {
                    (*sin, *cos) = (*sin * turn_cos + *cos * turn_sin, *cos * turn_cos - *sin * turn_sin);
                }
            }
        }
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let known: std::collections::HashSet<_> = map.modes.iter().copied().collect();
    let missing = size.saturating_sub(map.modes.len());
    let added = scores
        .into_iter()
        .map(|(_, mode)| mode)
        .filter(|mode| !known.contains(mode));
    map.modes.extend(added.take(missing));
    map.amplitudes.resize(map.modes.len(), 0.0);
}

/// The weight of a point in the fit: less for residuals above the typical one, so that absolute values are minimised.
fn weight(rest: &[f64; 3], typical: f64) -> f64 {
    let square = rest.iter().map(|j| j * j).sum::<f64>() / (3.0 * typical * typical).max(1e-300);
    1.0 / (1.0 + square).sqrt()
}

/// Amplitudes and J' by weighted least squares, re-weighted `rounds` times; false where the equations are singular.
///
/// With B the points × terms matrix of derivatives, the normal matrix of all three components is (n·m) (Bᵀ W B)_nm.
fn solve(map: &mut OrbitMap, points: &Points, ridge: f64, rounds: usize) -> Result<bool, Error> {
    let (rows, count) = (points.angles.len(), map.modes.len());
    let mut basis = vec![0.0; rows * count];
    for (row, angles) in basis.chunks_exact_mut(count.max(1)).zip(&points.angles) {
        for (value, (n, cosine)) in row.iter_mut().zip(&map.modes) {
            *value = derivative(n, *cosine, angles);
        }
    }
    let basis = Tensor::from_slice(&basis).view([rows as i64, count as i64]);
    let numbers: Vec<f64> = map.modes.iter().flat_map(|(n, _)| n.map(f64::from)).collect();
    let numbers = Tensor::from_slice(&numbers).view([count as i64, 3]);
    let actions: Vec<f64> = points.actions.iter().flatten().copied().collect();
    let actions = Tensor::from_slice(&actions).view([rows as i64, 3]);
    let mut weights = Tensor::ones([rows as i64, 1], (Kind::Double, tch::Device::Cpu));
    for _ in 0..rounds {
        let weighted = &basis * &weights;
        let total = weights.sum(Kind::Double);
        // The means are projected out: J' itself is not an unknown.
        let mean = weighted.sum_dim_intlist(0, true, Kind::Double) / &total;
        let mean_actions = (&actions * &weights).sum_dim_intlist(0, true, Kind::Double) / &total;
        let gram = basis.tr().matmul(&weighted);
        let overlap = numbers.matmul(&numbers.tr());
        let matrix = (&gram - mean.tr().matmul(&mean) * &total) * overlap;
        let side = weighted.tr().matmul(&(&actions - &mean_actions)) * &numbers;
        let side = side.sum_dim_intlist(1, true, Kind::Double);
        let scale = matrix.diagonal(0, 0, 1).clamp_min(1e-300).sqrt();
        let unit = &matrix / (scale.unsqueeze(0) * scale.unsqueeze(1));
        let unit = unit + Tensor::eye(count as i64, (Kind::Double, tch::Device::Cpu)) * ridge;
        let Ok(factor) = unit.f_linalg_cholesky(false) else {
            return Ok(false);
        };
        let amplitudes = (&side / scale.unsqueeze(1)).f_cholesky_solve(&factor, false)? / scale.unsqueeze(1);
        let slopes = basis.matmul(&(&numbers * &amplitudes));
        let rest = &actions - slopes;
        let found = (&rest * &weights).sum_dim_intlist(0, false, Kind::Double) / &total;
        let deviation = &rest - &found;
        let typical = deviation.abs().mean(Kind::Double).clamp_min(1e-12);
        let square = (&deviation / typical).square().mean_dim(1, true, Kind::Double);
        weights = (square + 1.0).sqrt().reciprocal();
        map.amplitudes = Vec::try_from(amplitudes.contiguous().view(-1))?;
        let found = Vec::<f64>::try_from(found)?;
        map.actions = [found[0], found[1], found[2]];
        if !map.amplitudes.iter().chain(&map.actions).all(|value| value.is_finite()) {
            return Ok(false);
        }
    }
    Ok(true)
}
