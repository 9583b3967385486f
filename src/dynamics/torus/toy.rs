//! The toy isochrone of a torus: the choice of it, and the true H in its angles and actions.

use crate::isochrone::{Shape, solve_kepler};
use crate::phase_space::Actions;
use crate::potential::{Isochrone, Potential};
use crate::simplex;
use crate::units::{GRAVITATIONAL_CONSTANT, wrap_difference};
use std::f64::consts::PI;

/// A place on a torus of the toy: H there, and what its derivatives by the actions need.
pub(super) struct Spot {
    /// The true H, (km/s)².
    pub h: f64,
    shape: Shape,
    actions: Actions,
    force: [f64; 3],
    theta_r: f64,
    epsilon: f64,
    one_minus_e: f64,
    relative_depth: f64,
    r: f64,
    radius: f64,
    z: f64,
    beta: f64,
    ratio: f64,
    cos_i: f64,
    sin_i: f64,
    half: (f64, f64),
    whole: (f64, f64),
    psi: (f64, f64),
    stretches: [f64; 2],
    arc_2: f64,
}

impl Spot {
    /// H = H_toy(J) + Φ(x) − Φ_toy(x) at the given toy actions and angles θ_r, θ_z.
    pub(super) fn new<P: Potential + ?Sized>(
        potential: &P,
        toy: &Isochrone,
        actions: &Actions,
        theta_r: f64,
        theta_z: f64,
    ) -> Self {
        let shape = toy.shape(actions);
        let Shape { k, b, l, c, e, a, .. } = shape;
        let theta_r = wrap_difference(theta_r);
        let epsilon = e * c / a;
        let eta = solve_kepler(theta_r, epsilon);
        let (half_sin, half_cos) = (0.5 * eta).sin_cos();
        let (sin, cos) = (2.0 * half_sin * half_cos, 1.0 - 2.0 * half_sin * half_sin);
        let one_minus_e = shape.one_minus_e2 / (1.0 + e);
        let relative_depth = one_minus_e + 2.0 * e * half_sin * half_sin;
        let depth = c * relative_depth;
        let r = (depth * (depth + 2.0 * b)).sqrt();
        let beta = 2.0 * b / c;
        let stretches = [
            ((1.0 + e) / one_minus_e).sqrt(),
            ((1.0 + e + beta) / (one_minus_e + beta)).sqrt(),
        ];
        let [arc_1, arc_2] = stretches.map(|stretch| (stretch * half_sin).atan2(half_cos));
        let ratio = l / shape.root;
        let psi = theta_z - (0.5 * (1.0 + ratio) * theta_r - arc_1 - ratio * arc_2);
        let (sin_psi, cos_psi) = psi.sin_cos();
        let cos_i = actions.phi.abs() / l;
        let sin_i = (actions.z * (actions.z + 2.0 * actions.phi.abs())).sqrt() / l;
        let z = r * sin_i * sin_psi;
        let across = cos_i * sin_psi;
        let radius = r * (cos_psi * cos_psi + across * across).sqrt();
        let (phi, force) = potential.potential_and_acceleration([radius, 0.0, z]);
        Self {
            h: k / (2.0 * b + depth) - 0.5 * shape.speed * shape.speed + phi,
            shape,
            actions: *actions,
            force,
            theta_r,
            epsilon,
            one_minus_e,
            relative_depth,
            r,
            radius,
            z,
            beta,
            ratio,
            cos_i,
            sin_i,
            half: (half_sin, half_cos),
            whole: (sin, cos),
            psi: (sin_psi, cos_psi),
            stretches,
            arc_2,
        }
    }

    /// ∂H/∂(J_r, J_z, J_φ) at fixed toy angles: Ω_toy + ∇(Φ − Φ_toy)·∂x/∂J, so that only the toy's shape is differentiated.
    pub(super) fn rates(&self) -> [f64; 3] {
        let Shape { k, b, l, c, e, a, .. } = self.shape;
        let shape = &self.shape;
        let Self {
            epsilon,
            one_minus_e,
            relative_depth,
            r,
            radius,
            z,
            beta,
            ratio,
            cos_i,
            sin_i,
            arc_2,
            ..
        } = *self;
        let ((half_sin, half_cos), (sin, cos), (sin_psi, cos_psi)) = (self.half, self.whole, self.psi);
        let [stretch_1, stretch_2] = self.stretches;
        let total = k / shape.speed;
        let w = b + c * relative_depth;
        let omega_r = shape.speed.powi(3) / k;
        let toy_pull = k * r / (w * (b + w).powi(2));
        let spread_1 = half_cos * half_cos + (stretch_1 * half_sin).powi(2);
        let spread_2 = half_cos * half_cos + (stretch_2 * half_sin).powi(2);
        let sense = if self.actions.phi < 0.0 { -1.0 } else { 1.0 };
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
            let d_psi = d_arc_1 + d_ratio * arc_2 + ratio * d_arc_2 - 0.5 * d_ratio * self.theta_r;
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
    let eta = solve_kepler(theta_r, shape.e * shape.c / shape.a);
    wrap_difference(theta_z - shape.lag(eta, theta_r))
}

/// The isochrone on whose own torus of these actions the true H varies least.
pub(crate) fn choose<P: Potential + ?Sized>(potential: &P, actions: &Actions) -> Option<Isochrone> {
    let l = actions.z + actions.phi.abs();
    let radius = circular_radius(potential, l + actions.r)?;
    let force = -potential.acceleration([radius, 0.0, 0.0])[0];
    let spread = |[ln_k, ln_b]: [f64; 2]| spread(potential, actions, ln_k, ln_b);
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
    let [ln_k, ln_b] = simplex::minimise(spread, best.1, [0.1, 0.2], 2e-2, 20);
    Isochrone::new(ln_k.exp() / GRAVITATIONAL_CONSTANT, ln_b.exp()).ok()
}

/// Radius in the plane at which a circular orbit has this angular momentum.
fn circular_radius<P: Potential + ?Sized>(potential: &P, l: f64) -> Option<f64> {
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

/// Variance of H over a coarse grid of the toy torus.
fn spread<P: Potential + ?Sized>(potential: &P, actions: &Actions, ln_k: f64, ln_b: f64) -> f64 {
    let Ok(toy) = Isochrone::new(ln_k.exp() / GRAVITATIONAL_CONSTANT, ln_b.exp()) else {
        return f64::INFINITY;
    };
    let (n_r, n_z) = (5, 3);
    let (mut sum, mut squares) = (0.0, 0.0);
    for i in 0..n_r {
        for j in 0..n_z {
            let r = PI * (i as f64 + 0.5) / n_r as f64;
            let z = PI * (j as f64 + 0.5) / n_z as f64 + 0.37 * r;
            let h = Spot::new(potential, &toy, actions, r, z).h;
            sum += h;
            squares += h * h;
        }
    }
    let n = f64::from(n_r * n_z);
    let variance = squares / n - (sum / n).powi(2);
    if variance.is_finite() { variance } else { f64::INFINITY }
}
