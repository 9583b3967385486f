//! The linear equations of a Newton step.

use super::series::{Grid, Modes, Spectrum};
use crate::linear_algebra::Symmetric;

/// The operator δS → Ω_toy·∂δS/∂θ_toy − constant on a grid, and its normal matrix.
pub(super) struct Linear {
    /// Factors of ∂/∂η and ∂/∂χ, weighted, at every place.
    pub factors: [Vec<f64>; 2],
    pub matrix: Symmetric,
}

impl Linear {
    /// Products of two rows are sums over cos of sums and differences of modes: three spectra hold them all.
    pub(super) fn new(modes: &Modes, grid: &Grid, rates: &[[f64; 3]]) -> Self {
        let count = grid.places.len();
        let mut factors = [0; 2].map(|_| Vec::with_capacity(count));
        let mut products = [0; 3].map(|_| Vec::with_capacity(count));
        for ((place, rates), weight) in grid.places.iter().zip(rates).zip(&grid.weights) {
            let eta = rates[0] * place.a;
            let chi = place.b * (rates[1] - eta * place.shear);
            factors[0].push(weight * eta);
            factors[1].push(weight * chi);
            products[0].push(0.5 * weight * eta * eta);
            products[1].push(0.5 * weight * eta * chi);
            products[2].push(0.5 * weight * chi * chi);
        }
        let [ee, ec, cc] = products.map(|product| grid.analysis(&product, 2 * modes.most_k, 2 * modes.most_l));
        let size = modes.list.len();
        let mut matrix = Symmetric::zeros(size + 1);
        for (i, &(k, l)) in modes.list.iter().enumerate() {
            let (k, l) = (k as isize, l);
            let (a, b) = (k as f64, 2.0 * l as f64);
            for (j, &(p, q)) in modes.list[..=i].iter().enumerate() {
                let (p, q) = (p as isize, q);
                let (c, d) = (p as f64, 2.0 * q as f64);
                let (less, more) = ((k - p, l - q), (k + p, l + q));
                let sum = |spectrum: &Spectrum| spectrum.at(less.0, less.1) + spectrum.at(more.0, more.1);
                *matrix.at(i, j) = a * c * sum(&ee) + (a * d + b * c) * sum(&ec) + b * d * sum(&cc);
            }
        }
        let constant = side(&factors, modes, grid, &vec![1.0; count]);
        for (i, value) in constant.iter().take(size).enumerate() {
            *matrix.at(size, i) = -value;
        }
        *matrix.at(size, size) = grid.weights.iter().sum();
        Self { factors, matrix }
    }
}

/// Right-hand side: products of the rows, and of the constant's column −1, with `values`.
pub(super) fn side(factors: &[Vec<f64>; 2], modes: &Modes, grid: &Grid, values: &[f64]) -> Vec<f64> {
    let [eta, chi] = [0, 1].map(|q| {
        let product: Vec<f64> = factors[q].iter().zip(values).map(|(a, b)| a * b).collect();
        grid.analysis(&product, modes.most_k, modes.most_l)
    });
    let mut out: Vec<f64> = modes
        .list
        .iter()
        .map(|&(k, l)| {
            let n = k as isize;
            k as f64 * eta.at(n, l) + 2.0 * l as f64 * chi.at(n, l)
        })
        .collect();
    out.push(-values.iter().zip(&grid.weights).map(|(a, b)| a * b).sum::<f64>());
    out
}
