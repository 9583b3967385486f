//! The toy isochrone that suits an orbit best.

use crate::phase_space::PhaseSpace;
use crate::potential::{Isochrone, Potential};
use crate::simplex;
use crate::units::GRAVITATIONAL_CONSTANT;
use crate::vector::dot;

/// What the fit needs to know of a point.
struct Place {
    r: f64,
    /// v²/2.
    kinetic: f64,
    l: f64,
    phi: f64,
}

/// An isochrone in which every point of the orbit is bound and the radial action varies least along it.
///
/// The start is the isochrone whose potential follows the true one best along the orbit, up to a constant (Sanders &
/// Binney 2014); from there the mean square deviation of J_r is minimised over (ln M, ln b) by the simplex method.
pub(crate) fn fit<P: Potential + ?Sized>(potential: &P, points: &[PhaseSpace]) -> Option<Isochrone> {
    let stride = points.len().div_ceil(300).max(1);
    let places: Vec<Place> = points
        .iter()
        .step_by(stride)
        .map(|point| {
            let l = point.angular_momentum();
            Place {
                r: dot(point.x, point.x).sqrt(),
                kinetic: point.kinetic_energy(),
                l: dot(l, l).sqrt(),
                phi: potential.potential(point.x),
            }
        })
        .collect();
    let typical = places.iter().map(|place| place.r).sum::<f64>() / places.len() as f64;
    let mut best = (f64::INFINITY, [0.0; 2]);
    for i in 0..24 {
        let b = typical * 0.01 * 1.4f64.powi(i);
        let k = slope(&places, b).max(1e-10 * typical);
        // Where the best mass leaves a point unbound, a heavier one does not.
        for heavier in [1.0, 1.3, 1.7, 2.5] {
            let trial = [(k * heavier).ln(), b.ln()];
            let spread = spread(&places, trial);
            if spread < best.0 {
                best = (spread, trial);
            }
        }
    }
    if !best.0.is_finite() {
        return None;
    }
    let [ln_k, ln_b] = simplex::minimise(|trial| spread(&places, trial), best.1, [0.1, 0.2], 1e-3, 80);
    Isochrone::new(ln_k.exp() / GRAVITATIONAL_CONSTANT, ln_b.exp()).ok()
}

/// The GM for which −GM/(b + √(b² + r²)) + constant is closest to Φ, by least squares.
fn slope(places: &[Place], b: f64) -> f64 {
    let n = places.len() as f64;
    let shape = |place: &Place| -1.0 / (b + b.hypot(place.r));
    let mean_x = places.iter().map(shape).sum::<f64>() / n;
    let mean_y = places.iter().map(|place| place.phi).sum::<f64>() / n;
    let (mut xy, mut xx) = (0.0, 1e-300);
    for place in places {
        let x = shape(place) - mean_x;
        xy += x * (place.phi - mean_y);
        xx += x * x;
    }
    xy / xx
}

/// Mean square deviation of J_r over the orbit; infinite if a point is unbound, or nearly so.
fn spread(places: &[Place], [ln_k, ln_b]: [f64; 2]) -> f64 {
    let (k, b) = (ln_k.exp(), ln_b.exp());
    let (mut sum, mut squares) = (0.0, 0.0);
    for place in places {
        let depth = k / (b + b.hypot(place.r));
        let speed2 = 2.0 * (depth - place.kinetic);
        if speed2.is_nan() || speed2 <= 0.04 * depth {
            return f64::INFINITY;
        }
        let j = k / speed2.sqrt() - 0.5 * (place.l + (place.l * place.l + 4.0 * k * b).sqrt());
        sum += j;
        squares += j * j;
    }
    let n = places.len() as f64;
    squares / n - (sum / n).powi(2)
}
