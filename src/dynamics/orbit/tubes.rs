//! Families of orbits in a triaxial potential, and whether their frequencies stay: what separates tubes from boxes and regular orbits
//! from chaotic ones.

use std::f64::consts::{PI, TAU};

use crate::phase_space::PhaseSpace;

/// Family of an orbit, by the angular momenta that keep their sign along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Round the x axis: L_x keeps its sign.
    TubeX,
    /// Round the z axis: L_z keeps its sign.
    TubeZ,
    /// No component of the angular momentum keeps its sign (that of a tube round the intermediate axis, which is unstable, is not
    /// looked at).
    Box,
}

/// What an orbit's points at equal intervals of time say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Character {
    /// The family.
    pub family: Family,
    /// |L| round the tube's axis, averaged over time, over r v of the root mean squares: 1 for a circular orbit. For a box 0.
    pub circularity: f64,
    /// Largest relative change of a leading frequency from the first to the second half of the time: 0 for a regular orbit.
    pub drift: f64,
}

/// Least number of points of an orbit.
pub const LEAST_POINTS: usize = 32;

/// The character of an orbit of which the points are at equal intervals; `None` of fewer than [`LEAST_POINTS`].
///
/// The leading frequencies are those of the motion round the tube's axis (of x + iy for a tube round z) and along it, for a box those of
/// x, y and z: the places of the largest peaks of Hann-windowed spectra of the two halves. An interval must be shorter than half a
/// revolution.
///
/// **Source** Binney & Tremaine (2008), §3.3.1 and §3.7; drift of frequencies as a measure of chaos: Laskar (1993).
pub fn character(points: &[PhaseSpace]) -> Option<Character> {
    if points.len() < LEAST_POINTS {
        return None;
    }
    let keeps_sign = |axis: usize| {
        let positive = points.iter().filter(|point| momentum(point)[axis] > 0.0).count();
        positive == 0 || positive == points.len()
    };
    let family = match (keeps_sign(2), keeps_sign(0)) {
        // Both only where the orbit hardly moves out of a plane: the larger one counts.
        (true, true) if mean_momentum(points, 0) > mean_momentum(points, 2) => Family::TubeX,
        (true, _) => Family::TubeZ,
        (false, true) => Family::TubeX,
        (false, false) => Family::Box,
    };
    let root_mean_square = |of: fn(&PhaseSpace) -> [f64; 3]| {
        let squares = points.iter().map(|point| of(point).iter().map(|c| c * c).sum::<f64>());
        (squares.sum::<f64>() / points.len() as f64).sqrt()
    };
    let size = root_mean_square(|point| point.x) * root_mean_square(|point| point.v);
    let signals: Vec<Vec<[f64; 2]>> = match family {
        Family::TubeZ => vec![signal(points, |x| [x[0], x[1]]), signal(points, |x| [x[2], 0.0])],
        Family::TubeX => vec![signal(points, |x| [x[1], x[2]]), signal(points, |x| [x[0], 0.0])],
        Family::Box => (0..3)
            .map(|axis| points.iter().map(|point| [point.x[axis], 0.0]).collect())
            .collect(),
    };
    let circularity = match family {
        Family::TubeZ => mean_momentum(points, 2) / size,
        Family::TubeX => mean_momentum(points, 0) / size,
        Family::Box => 0.0,
    };
    let drift = signals.iter().map(|signal| drift(signal)).fold(0.0, f64::max);
    Some(Character {
        family,
        circularity,
        drift,
    })
}

fn signal(points: &[PhaseSpace], of: fn([f64; 3]) -> [f64; 2]) -> Vec<[f64; 2]> {
    points.iter().map(|point| of(point.x)).collect()
}

fn momentum(point: &PhaseSpace) -> [f64; 3] {
    let ([x, y, z], [u, v, w]) = (point.x, point.v);
    [y * w - z * v, z * u - x * w, x * v - y * u]
}

fn mean_momentum(points: &[PhaseSpace], axis: usize) -> f64 {
    points.iter().map(|point| momentum(point)[axis].abs()).sum::<f64>() / points.len() as f64
}

/// Relative change of the leading frequency between the halves of a signal; 0 of a signal that does not move.
fn drift(signal: &[[f64; 2]]) -> f64 {
    let half = signal.len() / 2;
    match (leading(&signal[..half]), leading(&signal[signal.len() - half..])) {
        (Some(first), Some(second)) => (first.abs() - second.abs()).abs() / first.abs().max(second.abs()),
        _ => 0.0,
    }
}

/// |Σ w_k f_k exp(−iωk)|² with the Hann window, ω in radians a sample.
fn power(signal: &[[f64; 2]], omega: f64) -> f64 {
    let count = signal.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (k, [a, b]) in signal.iter().enumerate() {
        let weight = 1.0 - (TAU * (k as f64 + 0.5) / count).cos();
        let (sin, cos) = (omega * k as f64).sin_cos();
        re += weight * (a * cos + b * sin);
        im += weight * (b * cos - a * sin);
    }
    re * re + im * im
}

/// The frequency of the largest peak away from zero, radians a sample.
fn leading(signal: &[[f64; 2]]) -> Option<f64> {
    let count = signal.len() as i64;
    let step = PI / count as f64;
    // Lines next to zero are the window's image of the mean.
    let all = (-count..=count).filter(|k| k.abs() >= 6).map(|k| k as f64 * step);
    let peak = all
        .map(|omega| (omega, power(signal, omega)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    if peak.1 <= 1e-20 * count as f64 {
        return None;
    }
    // Golden section within a step either side.
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (peak.0 - step, peak.0 + step);
    for _ in 0..50 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if power(signal, left) > power(signal, right) {
            high = right;
        } else {
            low = left;
        }
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::orbit::dense::integrate_to_tolerance;
    use crate::potential::{Logarithmic, Potential};
    use crate::units::Gyr;

    fn of(potential: &dyn Potential, x: [f64; 3], v: [f64; 3]) -> Character {
        let times: Vec<Gyr> = (0..512).map(|k| Gyr(20.0 * f64::from(k) / 512.0)).collect();
        let orbit = integrate_to_tolerance(&potential, &PhaseSpace::new(x, v), &times, 1e-9).unwrap();
        character(&orbit.points).unwrap()
    }

    #[test]
    fn families_of_a_triaxial_halo() {
        let halo = Logarithmic::new(200.0, 0.5, [1.0, 0.9, 0.75]).unwrap();
        let loop_z = of(&halo, [10.0, 0.0, 0.5], [0.0, 190.0, 20.0]);
        assert_eq!(loop_z.family, Family::TubeZ);
        assert!(loop_z.circularity > 0.8 && loop_z.drift < 1e-4, "{loop_z:?}");
        let loop_x = of(&halo, [0.5, 0.0, 10.0], [20.0, 170.0, 0.0]);
        assert_eq!(loop_x.family, Family::TubeX);
        assert!(loop_x.circularity > 0.7 && loop_x.drift < 1e-3, "{loop_x:?}");
        let dropped = of(&halo, [8.0, 4.0, 3.0], [0.0, 0.0, 0.0]);
        assert_eq!(dropped.family, Family::Box);
        assert_eq!(dropped.circularity, 0.0);
    }

    #[test]
    fn frequencies_are_found_to_many_digits_and_a_change_is_seen() {
        let tone = |omega: f64, k: usize| {
            let phase = omega * k as f64;
            [
                phase.cos() + 0.3 * (0.31 * phase).cos(),
                phase.sin() + 0.2 * (2.7 * phase).sin(),
            ]
        };
        let steady: Vec<[f64; 2]> = (0..256).map(|k| tone(-0.7, k)).collect();
        // Other lines leak into the place of the peak by their distance to the fifth power.
        assert!((leading(&steady[..128]).unwrap() + 0.7).abs() < 1e-4);
        assert!(drift(&steady) < 1e-4);
        let changing: Vec<[f64; 2]> = (0..256).map(|k| tone(if k < 128 { 0.7 } else { 0.77 }, k)).collect();
        assert!((drift(&changing) - 0.1 / 1.1).abs() < 1e-2);
        assert_eq!(leading(&[[0.0, 0.0]; 64]), None);
        assert!(character(&[]).is_none());
    }
}
