//! Actions averaged over a libration, for orbits that have no torus of their own among those of the toy.
//!
//! J_toy = J + 2 Σ n S_n cos(n·θ_toy) is solved by weighted least squares for J and S_n. A trapped orbit does not cover its
//! torus, so that some modes cannot be told apart, nor one of them from the action itself; a ridge keeps those small and
//! leaves the action averaged over the libration.
//!
//! The modes are n = (n_r, n_z), n_z even. Products of cosines are sums of cosines of lattice modes, so the normal matrix
//! needs only one sum per mode of the doubled lattice (module `lattice`).
//!
//! **Source**: Sanders & Binney (2014), MNRAS 441, 3284.

use super::lattice;
use super::toy;
use super::track::Track;
use crate::linear_algebra::Symmetric;
use crate::phase_space::PhaseSpace;
use crate::potential::{Isochrone, Potential};

/// Regularisation, relative to a unit diagonal. A stronger one biases the modes that are determined (1e-2 misses
/// Ω·J = ⟨v²⟩ by 2 km/s kpc where 1e-4 misses it by 0.1), a weaker one leaves those that are not.
const RIDGE: f64 = 1e-4;

/// Highest n_r and n_z/2 of the two mode sets, in a window and in one of [`MANY`] periods or more.
const EXTENTS: [(usize, usize); 2] = [(24, 13), (18, 10)];
const WIDE: [(usize, usize); 2] = [(40, 22), (32, 18)];

/// Radial periods that tell apart the modes of [`WIDE`].
const MANY: f64 = 500.0;

/// J_r and J_z with their errors.
pub(crate) struct Average {
    pub j: [f64; 2],
    /// Greatest difference between the window and its halves.
    pub window_error: f64,
    /// The same, or between two mode sets or two toys.
    pub error: f64,
    pub modes: usize,
}

/// The average over a window; nothing if no isochrone binds the orbit.
///
/// `fine` is for orbits with sharp frequencies: all samples and more modes in long windows, which those that pass the centre closely
/// need. To a chaotic one they are of no use.
pub(crate) fn average<P: Potential + ?Sized>(
    potential: &P,
    track: &Track,
    periods: f64,
    fine: bool,
) -> Option<Average> {
    let points = track.middle(periods, if fine { 1 } else { 2 });
    let extents = if fine && periods >= MANY { WIDE } else { EXTENTS };
    let (first, samples) = binding(&toy::fit(potential, &points)?, &points)?;
    let n = samples.len();
    let other_toy = Isochrone::new(first.mass() * 1.05, first.scale() * 1.15).ok()?;
    let (_, other_samples) = binding(&other_toy, &points)?;
    let [all, before, after, other] = [&samples[..], &samples[..n / 2], &samples[n / 2..], &other_samples[..]]
        .map(|samples| Sums::new(samples, extents[0]));
    let values = [
        all.solve(extents[0])?,
        before.solve(extents[0])?,
        after.solve(extents[0])?,
        all.solve(extents[1])?,
        other.solve(extents[0])?,
    ];
    let spread = |values: &[[f64; 2]]| {
        let range = |k: usize| {
            let values = values.iter().map(|j| j[k]);
            values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
        };
        range(0).max(range(1))
    };
    Some(Average {
        j: values[0],
        window_error: spread(&values[..3]),
        error: spread(&values),
        modes: modes(extents[0]).len(),
    })
}

/// Toy J_r, J_z, θ_r, θ_z of a point.
type Sample = [f64; 4];

/// The toy, or the least heavy of a few heavier ones, that binds all points: it was fitted to some of them.
fn binding(toy: &Isochrone, points: &[PhaseSpace]) -> Option<(Isochrone, Vec<Sample>)> {
    [1.0, 1.1, 1.25, 1.5, 2.0].into_iter().find_map(|heavier| {
        let toy = Isochrone::new(toy.mass() * heavier, toy.scale()).ok()?;
        let samples = toy_samples(&toy, points)?;
        Some((toy, samples))
    })
}

fn toy_samples(toy: &Isochrone, points: &[PhaseSpace]) -> Option<Vec<Sample>> {
    points
        .iter()
        .map(|point| {
            let toy = toy.actions(point).ok()?;
            Some([toy.actions.r, toy.actions.z, toy.angles.r, toy.angles.z])
        })
        .collect()
}

/// All (n_r, n_z/2) in one half of an ellipse.
fn modes((n_r, half_n_z): (usize, usize)) -> Vec<(isize, isize)> {
    let (wide, high) = (n_r as isize, half_n_z as isize);
    (0..=wide)
        .flat_map(|k| (-high..=high).map(move |l| (k, l)))
        .filter(|&(k, l)| {
            let size = (k as f64 / wide as f64).powi(2) + (l as f64 / high as f64).powi(2);
            size <= 1.0 + 1e-9 && (k > 0 || l > 0)
        })
        .collect()
}

/// Sums over the samples: all that the least squares need.
struct Sums {
    extent: (usize, usize),
    /// Σ w (1, J_r, J_z) cos(n·θ) on the doubled lattice.
    lattice: Vec<[f64; 3]>,
    /// Σ w (1, J_r, J_z).
    totals: [f64; 3],
}

impl Sums {
    fn new(samples: &[Sample], extent: (usize, usize)) -> Self {
        let mut totals = [0.0; 3];
        let weighted = samples.iter().enumerate().map(|(i, &[j_r, j_z, theta_r, theta_z])| {
            // A smooth window: what the modes leave out averages out faster than with sharp ends.
            let w = (std::f64::consts::PI * (i as f64 + 0.5) / samples.len() as f64)
                .sin()
                .powi(2);
            let values = [w, w * j_r, w * j_z];
            for (total, value) in totals.iter_mut().zip(values) {
                *total += value;
            }
            lattice::Sample {
                angles: [theta_r, 2.0 * theta_z],
                values,
            }
        });
        let lattice = lattice::cosine_sums(weighted, (2 * extent.0, 2 * extent.1));
        Self {
            extent,
            lattice,
            totals,
        }
    }

    fn at(&self, k: isize, l: isize) -> [f64; 3] {
        let (k, l) = if k < 0 { (-k, -l) } else { (k, l) };
        let n_z = self.extent.1;
        self.lattice[k as usize * (4 * n_z + 1) + (2 * n_z as isize + l) as usize]
    }

    /// J_r and J_z by least squares with the modes of an extent within that of the sums; nothing if the matrix is singular.
    fn solve(&self, extent: (usize, usize)) -> Option<[f64; 2]> {
        let modes = modes(extent);
        let mut matrix = Symmetric::zeros(modes.len() + 2);
        let mut sides = [vec![0.0; modes.len() + 2]];
        *matrix.at(0, 0) = self.totals[0];
        *matrix.at(1, 1) = self.totals[0];
        sides[0][..2].copy_from_slice(&self.totals[1..]);
        for (i, &(k, l)) in modes.iter().enumerate() {
            let (nr, nz) = (k as f64, 2.0 * l as f64);
            let [cosine, with_r, with_z] = self.at(k, l);
            *matrix.at(i + 2, 0) = 2.0 * nr * cosine;
            *matrix.at(i + 2, 1) = 2.0 * nz * cosine;
            sides[0][i + 2] = 2.0 * (nr * with_r + nz * with_z);
            for (j, &(p, q)) in modes[..=i].iter().enumerate() {
                let both = self.at(k - p, l - q)[0] + self.at(k + p, l + q)[0];
                *matrix.at(i + 2, j + 2) = 2.0 * (nr * p as f64 + nz * 2.0 * q as f64) * both;
            }
        }
        let ridge = |i: usize| {
            let (k, l) = if i < 2 { return 0.0 } else { modes[i - 2] };
            RIDGE * (1 + k * k + 4 * l * l) as f64
        };
        matrix.solve(ridge, &mut sides).then(|| [sides[0][0], sides[0][1]])
    }
}
