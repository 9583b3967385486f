//! Whether an orbit librates about a resonance, by the resonance's own angle.
//!
//! Frequencies over a window tell that only where the window holds many librations, or is a whole number of them. The angle n·θ of a trapped
//! orbit swings about one place, however slowly; that of any other orbit runs on, one way.

use std::f64::consts::{PI, TAU};

use super::spectrum::Samples;

/// Length of the pieces over which an angle is averaged, radial periods: what is faster is no libration.
const PIECE: f64 = 8.0;

/// Turns back that make a libration of it: there and back again.
const TURNS: usize = 2;

/// Highest |n_r| and |n_z|.
const HIGHEST: i32 = 16;

/// The resonance n_r Ω_r + n_z Ω_z = 0 of the lowest order, n_z even, about which the orbit librates: in the mean over pieces, n·θ stays within
/// a turn over the whole window, and turns back at least twice.
pub(super) fn libration(samples: &Samples) -> Option<(i32, i32)> {
    let length = piece(&samples.theta, PIECE)?;
    let means = means(&samples.theta, length, length / 2);
    lowest(|n_r, n_z| {
        let angle: Vec<f64> = means.iter().map(|[r, z]| n_r * r + n_z * z).collect();
        swings(&angle)
    })
}

/// The resonance (n_r, n_z) of the lowest order, n_z even, of which something holds.
pub(super) fn lowest(holds: impl Fn(f64, f64) -> bool) -> Option<(i32, i32)> {
    (1..=HIGHEST)
        .flat_map(|n_r| (-HIGHEST..=HIGHEST).step_by(2).map(move |n_z| (n_r, n_z)))
        .filter(|&(n_r, n_z)| holds(n_r.into(), n_z.into()))
        .min_by_key(|&(n_r, n_z): &(i32, i32)| n_r + n_z.abs())
}

/// Samples in so many radial periods.
pub(super) fn piece(theta: &[[f64; 3]], periods: f64) -> Option<usize> {
    let turns = (theta.last()?[0] - theta.first()?[0]) / TAU;
    Some((periods * theta.len() as f64 / turns) as usize)
}

/// Means of θ_r and θ_z over pieces that begin every `step` samples, with weights that vanish at the ends of each.
pub(super) fn means(theta: &[[f64; 3]], length: usize, step: usize) -> Vec<[f64; 2]> {
    if !(2..=theta.len()).contains(&length) {
        return Vec::new();
    }
    let weights: Vec<f64> = (0..length)
        .map(|i| (PI * (i as f64 + 0.5) / length as f64).sin().powi(4))
        .collect();
    let sum: f64 = weights.iter().sum();
    theta
        .windows(length)
        .step_by(step)
        .map(|piece| {
            [0, 1].map(|k| {
                let weighted = piece.iter().zip(&weights).map(|(theta, w)| w * theta[k]);
                weighted.sum::<f64>() / sum
            })
        })
        .collect()
}

/// Whether an angle stays within a turn and turns back, each time by a quarter of its range at least.
fn swings(angle: &[f64]) -> bool {
    let range = |values: &[f64]| {
        let ends = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
                (value.min(low), value.max(high))
            });
        ends.1 - ends.0
    };
    let all = range(angle);
    if angle.len() < 8 || !(0.0..TAU).contains(&all) {
        return false;
    }
    let least = 0.25 * all;
    // The extreme since the last turn, and which way it goes.
    let (mut extreme, mut way, mut turns) = (angle[0], 0.0, 0);
    for &now in angle {
        if way == 0.0 {
            if (now - extreme).abs() > least {
                (way, extreme) = ((now - extreme).signum(), now);
            }
        } else if (now - extreme) * way > 0.0 {
            extreme = now;
        } else if (extreme - now) * way > least {
            (way, extreme) = (-way, now);
            turns += 1;
        }
    }
    turns >= TURNS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_swings_is_told_from_what_runs_on() {
        let of = |f: &dyn Fn(f64) -> f64| swings(&(0..120).map(|i| f(f64::from(i) / 120.0)).collect::<Vec<_>>());
        // A libration and a third, of any width.
        assert!(of(&|t| 1.0 + 2.5 * (TAU * 1.34 * t).sin()));
        assert!(of(&|t| 1e-3 * (TAU * 1.34 * t).cos()));
        // Past the top of a pendulum, and slowly by.
        assert!(!of(&|t| 3.0 * TAU * t + 0.9 * (3.0 * TAU * t).sin()));
        assert!(!of(&|t| 5.0 * t + 0.3 * (40.0 * t).sin()));
        // Nor is there anything to be told of an orbit that does not go round, or hardly.
        assert!(means(&[[0.0; 3]; 100], usize::MAX, 1).is_empty() && means(&[[0.0; 3]; 100], 101, 1).is_empty());
        // Half a libration tells nothing.
        assert!(!of(&|t| (0.5 * TAU * t).cos()));
        assert!(!of(&|_| f64::NAN));
    }
}
