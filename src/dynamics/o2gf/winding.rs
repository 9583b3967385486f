//! Angles that wind with an orbit, from prolate spheroidal coordinates and their rates.
//!
//! With foci at z = ±Δ, s = (r₊ + r₋)/2 and c = z/s oscillate almost independently, so that the planes (s, ṡ) and
//! (c, (s² − Δ²c²) ċ) show two loops, the second a circle in a spherical potential. The angles around them differ from θ_r and θ_z by periodic functions that are odd, because the orbit
//! reversed in time is its mirror image; so their means give Ω and θ, without any model of the potential. Orbits of
//! little angular momentum, whose angle in an isochrone has jumps, are no exception.

use crate::phase_space::{PhaseSpace, norm};
use crate::units::{wrap_angle, wrap_difference};
use std::f64::consts::FRAC_PI_4;

/// The two planes of one orbit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Winding {
    /// Δ, kpc.
    focus: f64,
    /// Centre of the loop in s, kpc.
    middle: f64,
    /// Half widths of the loops, as given by [`coordinates`].
    widths: [f64; 4],
}

/// Amplitudes below which a loop is rounding of the orbit that it was fitted to: of s, relative to its mean, and of c, and of the rate of c
/// relative to r v.
const LEAST_WIDTHS: [f64; 3] = [3e-6, 1e-7, 1e-7];

/// Trials of Δ, in units of a twentieth of the mean radius.
const TRIALS: u32 = 32;

/// s, ṡ, c, (s² − Δ²c²) ċ.
fn coordinates(point: &PhaseSpace, focus: f64) -> [f64; 4] {
    let [x, y, z] = point.x;
    let [vx, vy, vz] = point.v;
    let radial = x * vx + y * vy;
    let plane = x * x + y * y;
    let above = (plane + (z + focus).powi(2)).sqrt().max(f64::MIN_POSITIVE);
    let below = (plane + (z - focus).powi(2)).sqrt().max(f64::MIN_POSITIVE);
    let s = 0.5 * (above + below);
    let rate = 0.5 * ((radial + (z + focus) * vz) / above + (radial + (z - focus) * vz) / below);
    let c = z / s;
    [s, rate, c, (s * s - (focus * c).powi(2)) * (vz - c * rate) / s]
}

impl Winding {
    /// The foci for which both loops keep furthest from their centres, in units of their widths.
    pub(crate) fn fit(points: &[PhaseSpace]) -> Option<Self> {
        (0..TRIALS)
            .filter_map(|i| Self::trial(points, i))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, winding)| winding)
    }

    /// The `i`-th trial of Δ, with the least distance of its loops from their centres.
    fn trial(points: &[PhaseSpace], i: u32) -> Option<(f64, Self)> {
        let mean = |of: fn(&PhaseSpace) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let size = mean(|point| norm(point.x));
        let focus = size * 0.05 * f64::from(i);
        let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
        for point in points {
            for ((low, high), value) in low.iter_mut().zip(&mut high).zip(coordinates(point, focus)) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        let winding = Self {
            focus,
            middle: 0.5 * (low[0] + high[0]),
            widths: std::array::from_fn(|k| 0.5 * (high[k] - low[k])),
        };
        let clear = points
            .iter()
            .map(|point| {
                let [a, b, c, d] = winding.plane(point);
                a.hypot(b).min(c.hypot(d))
            })
            .fold(f64::INFINITY, f64::min);
        let [s, s_rate, c, c_rate] = winding.widths;
        let [least_s, least_c, least_rate] = LEAST_WIDTHS;
        let above_rounding = s > least_s * winding.middle
            && s_rate > 0.0
            && c > least_c
            && c_rate > least_rate * mean(|point| norm(point.x) * norm(point.v));
        let usable = clear.is_finite() && clear > 0.0 && above_rounding;
        usable.then_some((clear, winding))
    }

    fn plane(&self, point: &PhaseSpace) -> [f64; 4] {
        let [s, s_rate, c, c_rate] = coordinates(point, self.focus);
        let widths = self.widths;
        [
            (s - self.middle) / widths[0],
            s_rate / widths[1],
            c / widths[2],
            c_rate / widths[3],
        ]
    }

    /// The angles r, z, φ along finely sampled points, unwrapped. φ runs one way only, in the sense of L_z.
    pub(crate) fn unwrapped<'a>(&self, points: impl Iterator<Item = &'a PhaseSpace>) -> Vec<[f64; 3]> {
        let mut sense = 1.0;
        let mut angles: Vec<[f64; 3]> = Vec::new();
        for point in points {
            let [a, b, c, d] = self.plane(point);
            let mut now = [b.atan2(-a), c.atan2(d), point.x[1].atan2(point.x[0])];
            if let Some(before) = angles.last() {
                for k in 0..2 {
                    // Mostly forwards: up to five eighths of a turn ahead, three eighths back.
                    let ahead = before[k] + FRAC_PI_4;
                    now[k] = ahead + wrap_difference(now[k] - ahead);
                }
                now[2] = before[2] + sense * wrap_angle(sense * (now[2] - before[2]));
            } else if point.angular_momentum()[2] < 0.0 {
                sense = -1.0;
            }
            angles.push(now);
        }
        angles
    }
}
