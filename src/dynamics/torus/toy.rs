//! The toy isochrone of a torus.

use crate::phase_space::{Actions, Angles};
use crate::potential::{Isochrone, Potential};
use crate::simplex;
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::{PI, TAU};

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
    let [ln_k, ln_b] = simplex::minimise(spread, best.1, [0.1, 0.2], 3e-3, 40);
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
    for _ in 0..40 {
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
    let (n_r, n_z) = (6, 4);
    let (mut sum, mut squares) = (0.0, 0.0);
    for i in 0..n_r {
        for j in 0..n_z {
            let r = PI * (i as f64 + 0.5) / n_r as f64;
            let z = (PI * (j as f64 + 0.5) / n_z as f64 + 0.37 * r) % TAU;
            let h = potential.energy(&toy.point(actions, &Angles { phi: 0.0, z, r }));
            sum += h;
            squares += h * h;
        }
    }
    let n = f64::from(n_r * n_z);
    let variance = squares / n - (sum / n).powi(2);
    if variance.is_finite() { variance } else { f64::INFINITY }
}
