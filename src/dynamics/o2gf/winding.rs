//! Angles that wind with an orbit, from prolate spheroidal coordinates and their rates.
//!
//! With foci at z = ±Δ, s = (r₊ + r₋)/2 and c = z/s oscillate almost independently, so that the planes (s, ṡ) and
//! (c, (s² − Δ²c²) ċ) show two loops, the second a circle in a spherical potential. The angles around them differ from θ_r and θ_z by periodic functions that are odd, because the orbit
//! reversed in time is its mirror image; so their means give Ω and θ, without any model of the potential. Orbits of
//! little angular momentum, whose angle in an isochrone has jumps, are no exception.

use crate::linear_algebra::Symmetric;
use crate::phase_space::{PhaseSpace, sense};
use crate::units::{wrap_angle, wrap_difference};
use crate::vector::norm;
use std::f64::consts::{FRAC_PI_4, TAU};

/// The two planes of one orbit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Winding {
    /// Δ, kpc.
    focus: f64,
    /// Centre of the loop in s, kpc.
    middle: f64,
    /// Half widths of the loops, as given by [`coordinates`].
    widths: [f64; 4],
    /// What s would be along the orbit if that had no radial motion: taken from s, so that a small radial motion shows.
    shell: Curve,
}

/// A polynomial in c², c = z/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Curve {
    /// The greatest c² that it is meant for.
    most: f64,
    terms: [f64; CURVE_TERMS],
}

const CURVE_TERMS: usize = 4;

impl Curve {
    /// No curve: zero everywhere.
    const ZERO: Self = Self {
        most: 1.0,
        terms: [0.0; CURVE_TERMS],
    };

    /// Through s as a function of c along `points`, by least squares.
    pub(crate) fn fit(points: &[PhaseSpace], focus: f64) -> Option<Self> {
        let places = || {
            points.iter().map(|point| {
                let [s, _, c, _] = coordinates(point, focus);
                (s, c * c)
            })
        };
        let most = places().map(|(_, square)| square).fold(f64::MIN_POSITIVE, f64::max);
        let mut matrix = Symmetric::zeros(CURVE_TERMS);
        let mut sides = [vec![0.0; CURVE_TERMS]];
        for (s, square) in places() {
            let powers: [f64; CURVE_TERMS] = std::array::from_fn(|k| (square / most).powi(k as i32));
            for i in 0..CURVE_TERMS {
                sides[0][i] += powers[i] * s;
                for j in 0..=i {
                    *matrix.at(i, j) += powers[i] * powers[j];
                }
            }
        }
        let terms = matrix
            .solve(|_| 1e-12, &mut sides)
            .then(|| std::array::from_fn(|k| sides[0][k]))?;
        Some(Self { most, terms })
    }

    /// Its value and slope, d/dc².
    fn at(&self, square: f64) -> (f64, f64) {
        let h = square / self.most;
        let (mut value, mut slope) = (0.0, 0.0);
        for term in self.terms.iter().rev() {
            slope = slope * h + value;
            value = value * h + term;
        }
        (value, slope / self.most)
    }
}

/// How thin the curve is that an orbit fills in the meridional plane: the root mean square of r, relative to its mean, off a polynomial in sin² of
/// the latitude. It vanishes for an orbit without radial motion, in a sphere as in a flattened potential.
pub(crate) fn thickness(points: &[PhaseSpace]) -> f64 {
    let Some(curve) = Curve::fit(points, 0.0) else {
        return f64::NAN;
    };
    let mut squares = 0.0;
    let mut sum = 0.0;
    for point in points {
        let [r, _, c, _] = coordinates(point, 0.0);
        squares += (r - curve.at(c * c).0).powi(2);
        sum += r;
    }
    (squares * points.len() as f64).sqrt() / sum
}

/// Thickness below which a small radial motion may hide behind the shape of the shell.
const THIN: f64 = 0.03;

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
        let plain = (0..TRIALS).filter_map(|i| Self::trial(points, i, false));
        let thin = if thickness(points) < THIN { TRIALS } else { 0 };
        let off_shells = (0..thin).filter_map(|i| Self::trial(points, i, true));
        plain
            .chain(off_shells)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, winding)| winding)
    }

    /// The `i`-th trial of Δ, with the least distance of its loops from their centres.
    fn trial(points: &[PhaseSpace], i: u32, off_shell: bool) -> Option<(f64, Self)> {
        let mean = |of: fn(&PhaseSpace) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let size = mean(|point| norm(point.x));
        let focus = size * 0.05 * f64::from(i);
        let mut winding = Self {
            focus,
            middle: 0.0,
            widths: [1.0; 4],
            shell: if off_shell {
                Curve::fit(points, focus)?
            } else {
                Curve::ZERO
            },
        };
        let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
        for point in points {
            for ((low, high), value) in low.iter_mut().zip(&mut high).zip(winding.coordinates(point)) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        winding.middle = 0.5 * (low[0] + high[0]);
        winding.widths = std::array::from_fn(|k| 0.5 * (high[k] - low[k]));
        let clear = points
            .iter()
            .map(|point| {
                let [a, b, c, d] = winding.plane(point);
                a.hypot(b).min(c.hypot(d))
            })
            .fold(f64::INFINITY, f64::min);
        let [s, s_rate, c, c_rate] = winding.widths;
        let [least_s, least_c, least_rate] = LEAST_WIDTHS;
        let above_rounding = s > least_s * size
            && s_rate > 0.0
            && c > least_c
            && c_rate > least_rate * mean(|point| norm(point.x) * norm(point.v));
        let usable = clear.is_finite() && clear > 0.0 && above_rounding;
        usable.then_some((clear, winding))
    }

    /// [`coordinates`], s off the shell.
    fn coordinates(&self, point: &PhaseSpace) -> [f64; 4] {
        let found @ [s, s_rate, c, c_rate] = coordinates(point, self.focus);
        if self.shell == Curve::ZERO {
            return found;
        }
        let (shell, slope) = self.shell.at(c * c);
        let rate = c_rate / (s * s - (self.focus * c).powi(2));
        [s - shell, s_rate - slope * 2.0 * c * rate, c, c_rate]
    }

    fn plane(&self, point: &PhaseSpace) -> [f64; 4] {
        let [s, s_rate, c, c_rate] = self.coordinates(point);
        let widths = self.widths;
        [
            (s - self.middle) / widths[0],
            s_rate / widths[1],
            c / widths[2],
            c_rate / widths[3],
        ]
    }

    /// The angles r, z, φ along finely sampled points, unwrapped. φ runs one way only, in the sense of `j_phi`: each point's own L_z may be rounding.
    pub(crate) fn unwrapped<'a>(&self, points: impl Iterator<Item = &'a PhaseSpace>, j_phi: f64) -> Vec<[f64; 3]> {
        let sense = sense(j_phi);
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
                let mut turn = wrap_angle(sense * (now[2] - before[2]));
                // Past the axis it is half a turn at once; on an orbit over the pole φ stays but for rounding, which is large next to the axis.
                if turn > 0.75 * TAU {
                    turn -= TAU;
                }
                now[2] = before[2] + sense * turn;
            }
            angles.push(now);
        }
        angles
    }
}
