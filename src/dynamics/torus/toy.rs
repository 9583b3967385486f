//! The toy isochrone of a torus: the choice of it, and the true H in its angles and actions.

use super::nearly_circular;
use crate::anomaly::Anomaly;
use crate::isochrone::Shape;
use crate::phase_space::Actions;
use crate::potential::{Isochrone, Potential};
use crate::simplex;
use crate::units::{GRAVITATIONAL_CONSTANT, wrap_difference};
use std::f64::consts::PI;

/// A circle θ_r on a torus of the toy: what is the same for every θ_z.
#[derive(Clone, Copy)]
pub(super) struct Circle {
    shape: Shape,
    actions: Actions,
    theta_r: f64,
    epsilon: f64,
    anomaly: Anomaly,
    one_minus_e: f64,
    relative_depth: f64,
    depth: f64,
    r: f64,
    beta: f64,
    ratio: f64,
    stretches: [f64; 2],
    arc_2: f64,
    /// θ_z minus the angle from the ascending node.
    lag: f64,
    cos_i: f64,
    sin_i: f64,
}

impl Circle {
    /// At these toy actions and θ_r in [−π, π]; `near` is an anomaly nearly as large, if one is known.
    pub(super) fn new(toy: &Isochrone, actions: &Actions, theta_r: f64, near: Option<&Anomaly>) -> Self {
        let shape = toy.shape(actions);
        let Shape { b, l, c, e, a, .. } = shape;
        let epsilon = e * c / a;
        let anomaly = match near {
            Some(near) => Anomaly::solve_near(theta_r, epsilon, near),
            None => Anomaly::solve(theta_r, epsilon),
        };
        let (half_sin, half_cos) = anomaly.half;
        let one_minus_e = shape.one_minus_e2 / (1.0 + e);
        let relative_depth = one_minus_e + 2.0 * e * half_sin * half_sin;
        let depth = c * relative_depth;
        let beta = 2.0 * b / c;
        let stretches = [
            ((1.0 + e) / one_minus_e).sqrt(),
            ((1.0 + e + beta) / (one_minus_e + beta)).sqrt(),
        ];
        let [arc_1, arc_2] = stretches.map(|stretch| (stretch * half_sin).atan2(half_cos));
        let ratio = l / shape.root;
        Self {
            shape,
            actions: *actions,
            theta_r,
            epsilon,
            anomaly,
            one_minus_e,
            relative_depth,
            depth,
            r: (depth * (depth + 2.0 * b)).sqrt(),
            beta,
            ratio,
            stretches,
            arc_2,
            lag: 0.5 * (1.0 + ratio) * theta_r - arc_1 - ratio * arc_2,
            cos_i: actions.phi.abs() / l,
            sin_i: (actions.z * (actions.z + 2.0 * actions.phi.abs())).sqrt() / l,
        }
    }
}

/// A place on a torus of the toy: H there, and what its derivatives by the actions need.
pub(super) struct Spot {
    /// The true H, (km/s)².
    pub h: f64,
    circle: Circle,
    force: [f64; 3],
    radius: f64,
    z: f64,
    psi: (f64, f64),
}

impl Spot {
    /// H = H_toy(J) + Φ(x) − Φ_toy(x) at the given toy actions and angles θ_r, θ_z.
    pub(super) fn new<P: Potential + ?Sized>(potential: &P, circle: &Circle, theta_z: f64) -> Self {
        let Circle {
            shape,
            r,
            depth,
            cos_i,
            sin_i,
            ..
        } = *circle;
        let psi = theta_z - circle.lag;
        let (sin_psi, cos_psi) = psi.sin_cos();
        let z = r * sin_i * sin_psi;
        let across = cos_i * sin_psi;
        let radius = r * (cos_psi * cos_psi + across * across).sqrt();
        let (phi, force) = potential.potential_and_acceleration([radius, 0.0, z]);
        Self {
            h: shape.k / (2.0 * shape.b + depth) - 0.5 * shape.speed * shape.speed + phi,
            circle: *circle,
            force,
            radius,
            z,
            psi: (sin_psi, cos_psi),
        }
    }

    /// ∂H/∂(J_r, J_z, J_φ) at fixed toy angles: Ω_toy + ∇(Φ − Φ_toy)·∂x/∂J, so that only the toy's shape is differentiated.
    pub(super) fn rates(&self) -> [f64; 3] {
        let Circle {
            shape,
            actions,
            theta_r,
            epsilon,
            anomaly,
            one_minus_e,
            relative_depth,
            r,
            beta,
            ratio,
            stretches: [stretch_1, stretch_2],
            arc_2,
            cos_i,
            sin_i,
            ..
        } = self.circle;
        let Shape { k, b, l, c, e, a, .. } = shape;
        let Self { radius, z, .. } = *self;
        let ((half_sin, half_cos), (sin, cos), (sin_psi, cos_psi)) = (anomaly.half, anomaly.whole(), self.psi);
        let total = k / shape.speed;
        let w = b + c * relative_depth;
        let omega_r = shape.speed.powi(3) / k;
        let toy_pull = k * r / (w * (b + w).powi(2));
        let spread_1 = half_cos * half_cos + (stretch_1 * half_sin).powi(2);
        let spread_2 = half_cos * half_cos + (stretch_2 * half_sin).powi(2);
        let sense = if actions.phi < 0.0 { -1.0 } else { 1.0 };
        let slope = |d_total: f64, d_l: f64, d_cos_i: f64| {
            let d_a = 2.0 * total / k * d_total;
            let d_e = -0.5 * shape.one_minus_e2 / e * (2.0 * d_l / l + d_a / a - 2.0 * d_a / c);
            let d_epsilon = d_e * c / a + e * b * d_a / (a * a);
            let d_eta = sin * d_epsilon / (1.0 - epsilon * cos);
            let d_depth = d_a * relative_depth - c * cos * d_e + c * e * sin * d_eta;
            let d_r = w * d_depth / r;
            let d_beta = -beta * d_a / c;
            let d_stretch_1 = stretch_1 * d_e / shape.one_minus_e2;
            let d_stretch_2 =
                0.5 * stretch_2 * ((d_e + d_beta) / (1.0 + e + beta) - (d_beta - d_e) / (one_minus_e + beta));
            let d_arc_1 = (0.5 * stretch_1 * d_eta + half_sin * half_cos * d_stretch_1) / spread_1;
            let d_arc_2 = (0.5 * stretch_2 * d_eta + half_sin * half_cos * d_stretch_2) / spread_2;
            let d_ratio = d_l * (1.0 - ratio * ratio) / shape.root;
            let d_psi = d_arc_1 + d_ratio * arc_2 + ratio * d_arc_2 - 0.5 * d_ratio * theta_r;
            let d_sin_i = -cos_i * d_cos_i / sin_i;
            let d_z = d_r * sin_i * sin_psi + r * (d_sin_i * sin_psi + sin_i * cos_psi * d_psi);
            let d_radius = (r * d_r - z * d_z) / radius;
            omega_r * d_total - toy_pull * d_r - self.force[0] * d_radius - self.force[2] * d_z
        };
        let q = 0.5 * (1.0 + ratio);
        [
            slope(1.0, 0.0, 0.0),
            slope(q, 1.0, -cos_i / l),
            slope(q * sense, sense, sense * (1.0 - cos_i) / l),
        ]
    }
}

/// Angle in the toy's orbital plane from the plane z = 0, in [−π, π].
pub(super) fn latitude_angle(toy: &Isochrone, actions: &Actions, theta_r: f64, theta_z: f64) -> f64 {
    let shape = toy.shape(actions);
    let theta_r = wrap_difference(theta_r);
    let anomaly = Anomaly::solve(theta_r, shape.e * shape.c / shape.a);
    wrap_difference(theta_z - shape.lag(&anomaly, theta_r))
}

/// The isochrone on whose own torus of these actions the true H varies least.
pub(crate) fn choose<P: Potential + ?Sized>(potential: &P, actions: &Actions) -> Option<Isochrone> {
    let l = actions.z + actions.phi.abs();
    let radius = rough_guiding_radius(potential, l + actions.r)?;
    let force = -potential.acceleration([radius, 0.0, 0.0])[0];
    let spread =
        |[ln_k, ln_b]: [f64; 2]| heights(potential, actions, ln_k, ln_b).map_or(f64::INFINITY, |h| variance(&h));
    let mut best = (f64::INFINITY, [0.0; 2]);
    for ratio in [0.08, 0.2, 0.4, 0.8, 1.5] {
        let b = ratio * radius;
        let w = b.hypot(radius);
        // The mass gives the true force at that radius.
        let k = force * w * (b + w).powi(2) / radius;
        let trial = [k.ln(), b.ln()];
        let value = spread(trial);
        if value < best.0 {
            best = (value, trial);
        }
    }
    if !best.0.is_finite() {
        return None;
    }
    // A torus of small J_r next to a circle exists only in a toy whose circle is that close; any other gets a better toy.
    let [ln_k, ln_b] = if nearly_circular(actions) {
        flattest(|[ln_k, ln_b]| heights(potential, actions, ln_k, ln_b), best.1)
    } else {
        simplex::minimise(spread, best.1, [0.1, 0.2], 2e-2, 20)
    };
    Isochrone::new(ln_k.exp() / GRAVITATIONAL_CONSTANT, ln_b.exp()).ok()
}

/// The guiding radius to a part in a thousand, from which a search begins. [`guiding_radius`](crate::orbit::circular::guiding_radius), which
/// gives it to rounding, asks three times as often for the force, and every torus needs one.
fn rough_guiding_radius<P: Potential + ?Sized>(potential: &P, l: f64) -> Option<f64> {
    let excess = |ln_r: f64| {
        let r = ln_r.exp();
        -potential.acceleration([r, 0.0, 0.0])[0] * r.powi(3) - l * l
    };
    let (mut low, mut high) = (-14.0, 14.0);
    if !(excess(low) < 0.0 && excess(high) > 0.0) {
        return None;
    }
    for _ in 0..14 {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    Some((0.5 * (low + high)).exp())
}

/// Places on the toy torus at which H is compared: in θ_r, and in θ_z for each.
const RADIAL: usize = 5;
const VERTICAL: usize = 3;

/// H over a coarse grid of the toy torus.
fn heights<P: Potential + ?Sized>(
    potential: &P,
    actions: &Actions,
    ln_k: f64,
    ln_b: f64,
) -> Option<[f64; RADIAL * VERTICAL]> {
    let toy = Isochrone::new(ln_k.exp() / GRAVITATIONAL_CONSTANT, ln_b.exp()).ok()?;
    let theta_r = |n: usize| PI * (n as f64 + 0.5) / RADIAL as f64;
    let circles: [Circle; RADIAL] = std::array::from_fn(|n| Circle::new(&toy, actions, theta_r(n), None));
    Some(std::array::from_fn(|n| {
        let z = PI * ((n % VERTICAL) as f64 + 0.5) / VERTICAL as f64 + 0.37 * theta_r(n / VERTICAL);
        Spot::new(potential, &circles[n / VERTICAL], z).h
    }))
}

/// Variance; infinite where that is not a number.
fn variance(h: &[f64]) -> f64 {
    let mean = h.iter().sum::<f64>() / h.len() as f64;
    let variance = h.iter().map(|h| (h - mean).powi(2)).sum::<f64>() / h.len() as f64;
    if variance.is_finite() { variance } else { f64::INFINITY }
}

/// Where the variance of `heights` is least near `start`, by Gauss and Newton's method with differences; a step that does
/// not lessen it is shortened.
fn flattest<const N: usize>(heights: impl Fn([f64; 2]) -> Option<[f64; N]>, start: [f64; 2]) -> [f64; 2] {
    const DIFFERENCE: f64 = 1e-3;
    const STEPS: usize = 6;
    const LONGEST: f64 = 0.3;
    const ENOUGH: f64 = 0.9;
    let Some(mut now) = heights(start) else {
        return start;
    };
    let (mut at, mut least) = (start, variance(&now));
    for _ in 0..STEPS {
        let slopes = [[1.0, 0.0], [0.0, 1.0]].map(|[k, b]| {
            let moved = heights([at[0] + DIFFERENCE * k, at[1] + DIFFERENCE * b]);
            moved.map(|moved| std::array::from_fn::<f64, N, _>(|i| (moved[i] - now[i]) / DIFFERENCE))
        });
        let [Some(by_k), Some(by_b)] = slopes else {
            return at;
        };
        let product = |a: &[f64; N], b: &[f64; N]| {
            let sum = |a: &[f64; N]| a.iter().sum::<f64>();
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() - sum(a) * sum(b) / N as f64
        };
        let (kk, kb, bb) = (product(&by_k, &by_k), product(&by_k, &by_b), product(&by_b, &by_b));
        let (k, b) = (product(&by_k, &now), product(&by_b, &now));
        let determinant = kk * bb * (1.0 + 1e-9) - kb * kb;
        let step = [(kb * b - bb * k) / determinant, (kb * k - kk * b) / determinant];
        let mut part = (LONGEST / step[0].hypot(step[1])).min(1.0);
        let before = least;
        while part > 0.05 {
            let next = [at[0] + part * step[0], at[1] + part * step[1]];
            if let Some(found) = heights(next)
                && variance(&found) < least
            {
                (at, now, least) = (next, found, variance(&found));
                break;
            }
            part *= 0.3;
        }
        if least >= ENOUGH * before {
            break;
        }
    }
    at
}
