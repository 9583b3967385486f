//! The midpoint rule for even periodic functions, which also gives their integrals up to any point.
//!
//! A function of cos ζ is a cosine series; from its values at ζ_j = (j + ½)π/N the series up to order N − 1 follows, and
//! its integral term by term. Where the function is analytic the error falls exponentially with N.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// The rules in use, from few nodes to many.
pub(super) const ORDERS: [usize; 5] = [8, 12, 18, 28, 48];

/// The most nodes of any rule.
pub(super) const MOST: usize = ORDERS[ORDERS.len() - 1];

static RULES: LazyLock<Vec<CosineRule>> =
    LazyLock::new(|| ORDERS.iter().map(|&nodes| CosineRule::new(nodes)).collect());

/// One rule on ζ ∈ [0, π].
pub(super) struct CosineRule {
    /// cos ζ_j.
    pub cosines: Vec<f64>,
    /// 2 cos(kζ_j)/(kN) for k = 1 … N − 1, node by node.
    series: Vec<f64>,
}

impl CosineRule {
    fn new(nodes: usize) -> Self {
        let n = nodes as f64;
        let place = |j: usize| (j as f64 + 0.5) * PI / n;
        Self {
            cosines: (0..nodes).map(|j| place(j).cos()).collect(),
            series: (0..nodes)
                .flat_map(|j| (1..nodes).map(move |k| 2.0 * (k as f64 * place(j)).cos() / (k as f64 * n)))
                .collect(),
        }
    }

    /// The smallest rule with at least `nodes` nodes, or the largest there is.
    pub fn at_least(nodes: f64) -> &'static Self {
        let place = ORDERS.iter().position(|&order| order as f64 >= nodes);
        &RULES[place.unwrap_or(ORDERS.len() - 1)]
    }

    /// Number of nodes N.
    pub fn nodes(&self) -> usize {
        self.cosines.len()
    }

    /// Weights of the function's values at the nodes in its integral from 0 to ζ.
    pub fn weights(&self, zeta: f64) -> [f64; MOST] {
        let n = self.nodes();
        // sin kζ by the recurrence of Chebyshev polynomials.
        let (sin, cos) = zeta.sin_cos();
        let mut sines = [0.0; MOST];
        let (mut before, mut now) = (0.0, sin);
        for sine in &mut sines[..n - 1] {
            *sine = now;
            (before, now) = (now, 2.0 * cos * now - before);
        }
        let mut weights = [0.0; MOST];
        let even = zeta / n as f64;
        for (weight, row) in weights.iter_mut().zip(self.series.chunks_exact(n - 1)) {
            *weight = even + row.iter().zip(&sines).map(|(a, b)| a * b).sum::<f64>();
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrals_of_low_harmonics_are_exact_everywhere() {
        for &nodes in &ORDERS {
            let rule = CosineRule::at_least(nodes as f64);
            for zeta in [0.0, 0.3, 1.7, 3.0, PI] {
                let weights = rule.weights(zeta);
                for k in [0, 1, 3, nodes - 1] {
                    let k = k as f64;
                    let sum: f64 = (0..nodes)
                        .map(|j| weights[j] * (k * rule.cosines[j].acos()).cos())
                        .sum();
                    let exact = if k == 0.0 { zeta } else { (k * zeta).sin() / k };
                    assert!((sum - exact).abs() < 1e-13, "{nodes} nodes, k = {k}: {sum} and {exact}");
                }
            }
        }
    }

    #[test]
    fn analytic_functions_converge_exponentially() {
        // ∫₀^ζ dζ/(2 − cos ζ) = (2/√3) atan(√3 tan ζ/2); its series falls as (2 − √3)^k.
        for (nodes, tolerance) in [(8, 3e-5), (12, 2e-7), (28, 1e-14)] {
            let rule = CosineRule::at_least(f64::from(nodes));
            for zeta in [0.4, 1.9, PI - 1e-9] {
                let weights = rule.weights(zeta);
                let sum: f64 = rule.cosines.iter().zip(weights).map(|(cos, w)| w / (2.0 - cos)).sum();
                let exact = 2.0 / 3f64.sqrt() * (3f64.sqrt() * (0.5 * zeta).tan()).atan();
                assert!((sum - exact).abs() < tolerance, "{nodes}: {:e}", sum - exact);
            }
        }
    }
}
