//! Terms of G next to a resonance.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::dual::Dual;
use crate::error::Error;
use crate::isochrone::{magnitude, part};

/// A resonance n·Ω = 0, with w(J') = n·Ω/Ω_r as a polynomial of J'.
///
/// First-order perturbation theory gives G modes a_n sin n·θ whose a_n goes as 1/(n·Ω): next to a resonance no smooth function of
/// J' does. So G has terms o s w/(w² + ε²) sin n·θ, and with cos, where o is smooth and s = (J_r/T)^(|n_r|/2) (J_z/T)^(|n_z|/2) is how such
/// a mode vanishes with the actions, T = |J_φ| + J_z + J_r.
///
/// **Source** Binney & Tremaine (2008), section 3.7.1 (denominators n·Ω), with ε in place of what an island would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resonance {
    /// (n_φ, n_z, n_r).
    order: [i64; 3],
    /// ε, as w.
    softening: f64,
    /// Centre and width of each variable of the polynomial: ln T, √(J_z/T), √(J_r/T).
    scales: [[f64; 2]; 3],
    /// Coefficients of w, in the order of [`powers`].
    coefficients: Vec<f64>,
    /// What the terms are divided by, so that they are of the same size in all samples.
    unit: f64,
}

/// What a resonance adds.
pub(super) struct Terms {
    /// w/√(w² + ε²), a feature.
    pub side: Dual,
    /// s w/(w² + ε²) sin n·θ.
    pub sine: Dual,
    /// s w/(w² + ε²) cos n·θ.
    pub cosine: Dual,
}

/// ε of all resonances. Twice and a third of it give 1.04 and 2 times the errors on discs.
const SOFTENING: f64 = 0.01;

/// Degree of the polynomial w.
const DEGREE: usize = 6;

/// The size of a resonance's terms in the mean, in the unit of G.
const SIZE: f64 = 0.01;

/// Variables of the polynomial beyond so many widths count as there.
const REACH: f64 = 3.0;

/// An orbit is near a resonance below this w: these count most in the fit.
const NEAR: f64 = 0.05;

/// Orbits near a resonance without which there is nothing to learn of it.
const FEWEST: i64 = 20;

fn total(actions: &Tensor) -> Tensor {
    magnitude(&part(actions, 0)) + part(actions, 1) + part(actions, 2)
}

fn variables(actions: &Tensor) -> [Tensor; 3] {
    let total = total(actions);
    let root = |axis: i64| (part(actions, axis) / &total).sqrt();
    [total.log(), root(1), root(2)]
}

/// u₀^i u₁^j u₂^k for i + j + k ≤ degree, along the last dimension.
fn powers(variables: &[Tensor; 3]) -> Tensor {
    let of = |variable: &Tensor| {
        let mut all = vec![Tensor::ones_like(variable)];
        for degree in 1..=DEGREE {
            all.push(&all[degree - 1] * variable);
        }
        all
    };
    let [first, second, third] = variables.each_ref().map(of);
    let mut all = Vec::new();
    for (i, a) in first.iter().enumerate() {
        for (j, b) in second.iter().enumerate().take(DEGREE + 1 - i) {
            let both = a * b;
            all.extend(third.iter().take(DEGREE + 1 - i - j).map(|c| &both * c));
        }
    }
    Tensor::stack(&all, -1)
}

impl Resonance {
    /// The resonance of `order` (n_φ, n_z, n_r), from the actions and frequencies (φ, z, r) of orbits; none where hardly an orbit is near.
    ///
    /// **Shape** [orbits, 3], km/s kpc and km/s/kpc.
    pub fn of(order: [i64; 3], actions: &Tensor, frequencies: &Tensor) -> Result<Option<Self>, Error> {
        tch::no_grad(|| {
            let n = Tensor::from_slice(&order.map(|n| n as f64)).to_device(actions.device());
            let sum = (frequencies * n).sum_dim_intlist([-1].as_slice(), false, Kind::Double);
            let ratios = sum / part(frequencies, 2);
            if ratios.abs().lt(NEAR).sum(Kind::Int64).int64_value(&[]) < FEWEST {
                return Ok(None);
            }
            let scales = variables(actions).map(|variable| {
                let width = variable.std(true).double_value(&[]);
                [variable.mean(Kind::Double).double_value(&[]), width.max(1e-6)]
            });
            let mut made = Self {
                order,
                softening: SOFTENING,
                scales,
                coefficients: Vec::new(),
                unit: 1.0,
            };
            let weight = (ratios.square() + NEAR * NEAR).rsqrt().unsqueeze(-1);
            let rows = powers(&made.standardised(actions)) * &weight;
            let normal = rows.tr().matmul(&rows);
            let ridge = normal.trace() * 1e-9;
            let normal = &normal + Tensor::eye(normal.size()[0], (Kind::Double, normal.device())) * ridge;
            let right = rows.tr().matmul(&(ratios.unsqueeze(-1) * weight));
            let solved = right.f_cholesky_solve(&normal.f_linalg_cholesky(false)?, false)?;
            made.coefficients = Vec::try_from(solved.view(-1))?;
            let size = made
                .amplitude(&made.ratio(actions), actions)
                .square()
                .mean(Kind::Double);
            made.unit = size.sqrt().double_value(&[]) / SIZE;
            let is_known = made.unit.is_finite() && made.unit > 0.0;
            Ok(is_known.then_some(made))
        })
    }

    /// (n_r, n_z).
    pub fn order(&self) -> [i64; 2] {
        [self.order[2], self.order[1]]
    }

    /// **Fails when** a file holds numbers that are none.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let count = (DEGREE + 1) * (DEGREE + 2) * (DEGREE + 3) / 6;
        let numbers = self
            .coefficients
            .iter()
            .chain(self.scales.as_flattened())
            .chain([&self.softening, &self.unit]);
        let is_good = self.coefficients.len() == count && numbers.copied().all(f64::is_finite);
        match is_good && self.unit > 0.0 && self.scales.iter().all(|[_, width]| *width > 0.0) {
            true => Ok(()),
            false => Err(Error::Data("the network file holds a damaged resonance".to_owned())),
        }
    }

    fn standardised(&self, actions: &Tensor) -> [Tensor; 3] {
        let all = variables(actions);
        [0, 1, 2].map(|i| {
            let [centre, width] = self.scales[i];
            ((&all[i] - centre) / width).clamp(-REACH, REACH)
        })
    }

    /// w. **Shape** […, 3] → […].
    pub(crate) fn ratio(&self, actions: &Tensor) -> Tensor {
        let coefficients = Tensor::from_slice(&self.coefficients).to_device(actions.device());
        powers(&self.standardised(actions)).matmul(&coefficients)
    }

    /// s w/(w² + ε²).
    fn amplitude(&self, w: &Tensor, actions: &Tensor) -> Tensor {
        let total = total(actions);
        let power = |axis: i64| {
            let half = 0.5 * self.order[axis as usize].abs() as f64;
            (part(actions, axis) / &total).pow_tensor_scalar(half)
        };
        power(1) * power(2) * w / (w.square() + self.softening * self.softening) / self.unit
    }

    /// With derivatives by the angles where these are asked for.
    pub(super) fn terms(&self, angles: &Tensor, actions: &Tensor, with_tangents: bool) -> Terms {
        let w = self.ratio(actions);
        let amplitude = self.amplitude(&w, actions);
        let n = Tensor::from_slice(&self.order.map(|n| n as f64)).to_device(angles.device());
        let phase = (angles * &n).sum_dim_intlist([-1].as_slice(), false, Kind::Double);
        let (sine, cosine) = (&amplitude * phase.sin(), amplitude * phase.cos());
        let along = |slope: Tensor| with_tangents.then(|| slope.unsqueeze(-1) * &n);
        let of_sine = along(cosine.shallow_clone());
        let of_cosine = along(-&sine);
        Terms {
            side: Dual::constant(&w * (w.square() + self.softening * self.softening).rsqrt()),
            sine: Dual {
                value: sine,
                tangent: of_sine,
            },
            cosine: Dual {
                value: cosine,
                tangent: of_cosine,
            },
        }
    }
}
