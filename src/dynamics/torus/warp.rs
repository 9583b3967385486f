//! Coordinates on the torus in which a generating function is smooth.

use super::nearly_circular;
use crate::anomaly::{Anomaly, solve_kepler};
use crate::isochrone::Shape;
use crate::phase_space::Actions;
use crate::potential::Isochrone;
use crate::units::wrap_difference;
use std::f64::consts::PI;

/// κ: how much finer the coordinates are at the plane z = 0, where an orbit leaves the disc and where it hardly does.
const KAPPA: f64 = 0.8;
const DISC_KAPPA: f64 = 0.75;

/// λ/ε: how much finer they are at the pericentre of an eccentric orbit than the eccentric anomaly is.
const LAMBDA: f64 = 0.65;

/// Fixed coordinates (ζ, χ) on the torus instead of toy angles:
///
/// η = ζ − λ sin ζ, θ_r = η − ε sin η, θ_z = ψ + lag(η) + Σ β_m sin m η, ψ = χ − ½ κ sin 2χ.
///
/// η is the eccentric anomaly of the toy orbit with the torus' actions and ψ its angle in the orbital plane from the
/// plane z = 0. A star spends little time, and little toy angle, near the pericentre and in the disc; in ζ and χ these are
/// as wide as the rest, and a series in cos(k ζ + 2 l χ) needs far fewer terms than one in cos(n·θ_toy).
#[derive(Debug, Clone)]
pub(super) struct Warp {
    shape: Shape,
    /// ε.
    epsilon: f64,
    /// Ω_r and Ω_z of the toy orbit.
    rates: (f64, f64),
    /// κ.
    kappa: f64,
    /// λ.
    lambda: f64,
    /// β_m from m = 1.
    bend: Vec<f64>,
}

/// A place on the torus, with the derivatives of (ζ, χ) by toy angles:
/// ∂/∂θ_r = a (∂/∂ζ − shear b ∂/∂χ), ∂/∂θ_z = b ∂/∂χ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub theta_r: f64,
    pub theta_z: f64,
    pub a: f64,
    pub b: f64,
    pub shear: f64,
    /// η.
    pub anomaly: Anomaly,
}

/// What a place owes to ζ alone; `theta_z` is added to that of χ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Radial {
    theta_r: f64,
    theta_z: f64,
    a: f64,
    shear: f64,
    anomaly: Anomaly,
}

/// What a place owes to χ alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vertical {
    theta_z: f64,
    b: f64,
}

impl Radial {
    /// The place at both.
    #[inline]
    pub(super) fn at(&self, vertical: &Vertical) -> Place {
        Place {
            theta_r: self.theta_r,
            theta_z: vertical.theta_z + self.theta_z,
            a: self.a,
            b: vertical.b,
            shear: self.shear,
            anomaly: self.anomaly,
        }
    }
}

impl Place {
    /// ∂f/∂θ_r and ∂f/∂θ_z from ∂f/∂ζ and ∂f/∂χ.
    #[inline]
    pub(super) fn by_angles(&self, zeta: f64, chi: f64) -> [f64; 2] {
        let z = self.b * chi;
        [self.a * (zeta - self.shear * z), z]
    }
}

impl Warp {
    pub(super) fn new(toy: &Isochrone, actions: &Actions) -> Self {
        let shape = toy.shape(actions);
        Self {
            epsilon: shape.e * shape.c / shape.a,
            rates: shape.frequencies(),
            shape,
            kappa: if nearly_circular(actions) { DISC_KAPPA } else { KAPPA },
            lambda: LAMBDA * shape.e * shape.c / shape.a,
            bend: Vec::new(),
        }
    }

    /// The place with these coordinates; toy angles up to multiples of 2π.
    pub(super) fn place(&self, zeta: f64, chi: f64) -> Place {
        self.radial(zeta).at(&self.vertical(chi))
    }

    /// The part of [`place`](Self::place) that depends on ζ.
    pub(super) fn radial(&self, zeta: f64) -> Radial {
        let zeta = wrap_difference(zeta);
        let (zeta_sin, zeta_cos) = zeta.sin_cos();
        let stretch = 1.0 - self.lambda * zeta_cos;
        let Shape { b, l, c, e, .. } = self.shape;
        let anomaly = Anomaly::new(zeta - self.lambda * zeta_sin);
        let (sin, cos) = anomaly.whole();
        let theta_r = anomaly.eta - self.epsilon * sin;
        let half = anomaly.half.0;
        let depth = c * (self.shape.one_minus_e2 / (1.0 + e) + 2.0 * e * half * half);
        let r2 = depth * (depth + 2.0 * b);
        let slow = 1.0 - self.epsilon * cos;
        let (bend, bend_slope) = self.bend(sin, cos);
        Radial {
            theta_r,
            theta_z: self.shape.lag(&anomaly, theta_r) + bend,
            a: 1.0 / (slow * stretch),
            shear: ((self.rates.1 - l / r2) / self.rates.0 * slow + bend_slope) * stretch,
            anomaly,
        }
    }

    /// The part of [`place`](Self::place) that depends on χ.
    pub(super) fn vertical(&self, chi: f64) -> Vertical {
        let (sin_2, cos_2) = (2.0 * chi).sin_cos();
        Vertical {
            theta_z: chi - 0.5 * self.kappa * sin_2,
            b: 1.0 / (1.0 - self.kappa * cos_2),
        }
    }

    /// Coordinates of the place with these toy angles.
    pub(super) fn coordinates(&self, theta_r: f64, theta_z: f64) -> [f64; 2] {
        let theta_r = wrap_difference(theta_r);
        let anomaly = Anomaly::solve(theta_r, self.epsilon);
        let (sin, cos) = anomaly.whole();
        let psi = theta_z - self.shape.lag(&anomaly, theta_r) - self.bend(sin, cos).0;
        [solve_kepler(anomaly.eta, self.lambda), self.chi(psi)]
    }

    /// χ of ψ.
    pub(super) fn chi(&self, psi: f64) -> f64 {
        let double = wrap_difference(2.0 * psi);
        psi + 0.5 * (solve_kepler(double, self.kappa) - double)
    }

    /// Σ β_m sin m η and its derivative by η.
    fn bend(&self, sin: f64, cos: f64) -> (f64, f64) {
        let (mut sum, mut slope) = (0.0, 0.0);
        let (mut s, mut c) = (sin, cos);
        for (m, beta) in self.bend.iter().enumerate() {
            sum += beta * s;
            slope += (m + 1) as f64 * beta * c;
            (s, c) = (s * cos + c * sin, c * cos - s * sin);
        }
        (sum, slope)
    }

    /// ζ of η.
    pub(super) fn zeta(&self, eta: f64) -> f64 {
        solve_kepler(eta, self.lambda)
    }

    /// The same coordinates bent further, by the odd function of η with these values at (i + ½) π / n.
    pub(super) fn bent(&self, values: &[f64], most: usize) -> Self {
        let n = values.len() as f64;
        let mut bend = self.bend.clone();
        bend.resize(most.max(bend.len()), 0.0);
        for (m, beta) in bend.iter_mut().enumerate().take(most) {
            *beta += 2.0 / n
                * values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| value * ((m + 1) as f64 * PI * (i as f64 + 0.5) / n).sin())
                    .sum::<f64>();
        }
        Self { bend, ..self.clone() }
    }
}
