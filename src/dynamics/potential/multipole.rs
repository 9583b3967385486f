//! Axisymmetric multipole expansion of a density that is symmetric about z = 0.
//!
//! Φ(r, u) = Σ_l Φ_l(r) P_l(u), u = cos θ, l even, with
//! Φ_l = −4πG/(2l+1) [ r^(−l−1) ∫₀^r ρ_l a^(l+2) da + r^l ∫_r^∞ ρ_l a^(1−l) da ].
//! At every node of the grid in x = ln r the value and the slope come from the integrals and the second derivative
//! from Poisson's equation, Φ_l'' = 4πG r² ρ_l + l(l+1) Φ_l − Φ_l', so a local quintic through them needs no fit.

use crate::numerics::gauss_legendre_of;
use crate::units::GRAVITATIONAL_CONSTANT as G;
use rayon::prelude::*;
use std::f64::consts::PI;

/// How finely a density is expanded and tabulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Highest multipole (even).
    pub l_max: usize,
    /// Spacing of the grid in ln r.
    pub radial_step: f64,
    /// Nodes in |cos θ| of the table made from the expansion.
    pub angular_nodes: usize,
}

impl Default for Resolution {
    /// Force errors below 1e-5 in the median for galaxies with thin discs (see the tests of `galaxy`).
    fn default() -> Self {
        Self {
            l_max: 192,
            radial_step: 0.12,
            angular_nodes: 64,
        }
    }
}

/// The expansion's coefficients on a grid of radii.
#[derive(Debug, Clone)]
pub struct Multipole {
    /// Smallest ln r of the grid.
    pub first: f64,
    /// Spacing in ln r.
    pub step: f64,
    /// Number of radii.
    pub radii: usize,
    /// Number of (even) multipoles.
    pub terms: usize,
    /// Φ_l and its first two derivatives in ln r; radius-major, (km/s)².
    pub coefficients: Vec<[f64; 3]>,
    /// Φ₀(0) if finite, (km/s)².
    pub centre: f64,
}

/// Even Legendre polynomials P_0, P_2, … at u, with first and second derivatives.
pub(crate) fn even_legendre(u: f64, terms: usize) -> Vec<[f64; 3]> {
    let mut out = Vec::with_capacity(terms);
    let (mut before, mut now) = ([0.0; 3], [1.0, 0.0, 0.0]);
    for l in 0..2 * terms {
        if l % 2 == 0 {
            out.push(now);
        }
        let l = l as f64;
        let next = [
            ((2.0 * l + 1.0) * u * now[0] - l * before[0]) / (l + 1.0),
            before[1] + (2.0 * l + 1.0) * now[0],
            before[2] + (2.0 * l + 1.0) * now[1],
        ];
        (before, now) = (now, next);
    }
    out
}

/// Quadrature in u ∈ [0, 1], refined towards u = 0 down to `finest`, with the P_l there.
struct Angular {
    /// u, √(1−u²).
    directions: Vec<(f64, f64)>,
    /// (2l+1) w P_l(u), node-major.
    weights: Vec<f64>,
}

fn angular(finest: f64, terms: usize) -> Angular {
    let mut edges = vec![0.0];
    let mut edge = finest.clamp(1e-4, 0.25);
    while edge < 0.7 {
        edges.push(edge);
        edge *= 2.0;
    }
    edges.push(1.0);
    let mut directions = Vec::new();
    let mut weights = Vec::new();
    for pair in edges.windows(2) {
        let width = pair[1] - pair[0];
        // P_l turns about l·width/π times on a panel; the rest is for the density.
        let order = 12 + (1.3 * terms as f64 * width.sqrt()) as usize;
        for (t, w) in gauss_legendre_of(order) {
            let u = pair[0] + width * t;
            directions.push((u, (1.0 - u * u).max(0.0).sqrt()));
            let legendre = even_legendre(u, terms);
            weights.extend(
                legendre
                    .iter()
                    .enumerate()
                    .map(|(k, p)| (4 * k + 1) as f64 * w * width * p[0]),
            );
        }
    }
    Angular { directions, weights }
}

impl Multipole {
    /// Expands `density`(R, z) between the radii `inner` and `outer` kpc; `thinnest` is its smallest scale in z, kpc.
    ///
    /// Outside that range the density continues as the power law of its monopole.
    pub fn expand<F>(density: F, inner: f64, outer: f64, thinnest: f64, resolution: Resolution) -> Self
    where
        F: Fn(f64, f64) -> f64 + Sync,
    {
        const ORDER: usize = 6;
        let terms = resolution.l_max / 2 + 1;
        let step = resolution.radial_step;
        let first = inner.ln();
        let intervals = ((outer.ln() - first) / step).ceil() as usize;
        let radii = intervals + 1;
        let inside = gauss_legendre_of(ORDER);
        // One quadrature for every power of two of the discs' thickness in angle.
        let level = |x: f64| (x - (0.5 * thinnest).ln()).max(0.0).div_euclid(std::f64::consts::LN_2) as usize;
        let schemes: Vec<Angular> = (0..=level(outer.ln() + step).min(13))
            .into_par_iter()
            .map(|k| angular(0.5f64.powi(k as i32 + 1), terms))
            .collect();
        let project = |x: f64| -> Vec<f64> {
            let r = x.exp();
            let scheme = &schemes[level(x).min(schemes.len() - 1)];
            let mut sums = vec![0.0; terms];
            for (&(u, sine), weights) in scheme.directions.iter().zip(scheme.weights.chunks_exact(terms)) {
                let value = density(r * sine, r * u);
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
            sums
        };
        // ρ_l at the nodes, and both integrals over each interval, scaled to its outer and inner end.
        let nodes: Vec<Vec<f64>> = (0..radii)
            .into_par_iter()
            .map(|i| project(first + step * i as f64))
            .collect();
        let pieces: Vec<Vec<[f64; 2]>> = (0..intervals)
            .into_par_iter()
            .map(|i| {
                let mut sums = vec![[0.0; 2]; terms];
                for &(t, w) in &inside {
                    let x = first + step * (i as f64 + t);
                    let shell = w * step * (2.0 * x).exp();
                    for (k, (sum, rho)) in sums.iter_mut().zip(project(x)).enumerate() {
                        let l = (2 * k) as f64;
                        sum[0] += shell * rho * ((l + 1.0) * step * (t - 1.0)).exp();
                        sum[1] += shell * rho * (-l * step * t).exp();
                    }
                }
                sums
            })
            .collect();

        let slope = |i: usize, j: usize| {
            let ratio = (nodes[j][0] / nodes[i][0]).ln() / (step * (j as f64 - i as f64));
            if ratio.is_finite() { ratio } else { 0.0 }
        };
        let inner_slope = slope(0, 1).clamp(-2.9, 20.0);
        let outer_slope = slope(radii - 2, radii - 1).min(-2.1);
        let mut coefficients = vec![[0.0; 3]; radii * terms];
        let mut centre = 0.0;
        for k in 0..terms {
            let l = (2 * k) as f64;
            let factor = -4.0 * PI * G / (2.0 * l + 1.0);
            let mut within = vec![0.0; radii];
            let r2 = (2.0 * first).exp();
            within[0] = nodes[0][k] * r2 / (l + 3.0 + inner_slope);
            let decay = (-(l + 1.0) * step).exp();
            for i in 0..intervals {
                within[i + 1] = within[i] * decay + pieces[i][k][0];
            }
            let last = first + step * intervals as f64;
            let mut beyond = nodes[intervals][k] * (2.0 * last).exp() / (l - 2.0 - outer_slope);
            let decay = (-l * step).exp();
            for i in (0..radii).rev() {
                if i < intervals {
                    beyond = beyond * decay + pieces[i][k][1];
                }
                let x = first + step * i as f64;
                let value = factor * (within[i] + beyond);
                let derivative = factor * (l * beyond - (l + 1.0) * within[i]);
                let source = 4.0 * PI * G * (2.0 * x).exp() * nodes[i][k];
                coefficients[i * terms + k] = [value, derivative, source + l * (l + 1.0) * value - derivative];
            }
            if k == 0 {
                centre = coefficients[0][0] - coefficients[0][1] / (2.0 + inner_slope).max(0.1);
            }
        }
        Self {
            first,
            step,
            radii,
            terms,
            coefficients,
            centre,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (1−u²)P'' − 2uP' + l(l+1)P = 0, and P_l(1) = 1.
    #[test]
    fn legendre_satisfies_its_equation() {
        for u in [0.0, 0.3, 0.77, 1.0] {
            for (k, p) in even_legendre(u, 20).iter().enumerate() {
                let l = (2 * k) as f64;
                let rest = (1.0 - u * u) * p[2] - 2.0 * u * p[1] + l * (l + 1.0) * p[0];
                assert!(rest.abs() < 1e-9 * (1.0 + l * l), "l {l} u {u}: {rest}");
            }
        }
        assert!(even_legendre(1.0, 20).iter().all(|p| (p[0] - 1.0).abs() < 1e-12));
    }
}
