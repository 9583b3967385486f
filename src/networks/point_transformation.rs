//! A stretch of radii by which the circular orbits of a field become those of the toy.
//!
//! Where the toy's circular speed is not the field's, a circular orbit has some J_r in the toy and hardly any range of θ_r, and no
//! generating function G(θ, J') gives it the small J_r and the angles that it has. A point transformation in front of the toy mends
//! that, and is canonical by construction.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Isochrone as PlainIsochrone, Potential};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::autograd::implicit;
use crate::error::Error;
use crate::isochrone::dot;

/// x̃ = k x and ṽ = (v + x (x·v)/r² (1/g − 1))/k, with k = r̃/r and g = d ln r̃/d ln r: angular momenta stay, p_r̃ = p_r dr/dr̃.
///
/// ln k is a natural cubic spline in ln r with equal steps, and straight beyond its ends.
///
/// **Source** Kaasalainen & Binney (1994, MNRAS 268, 1033): point transformations in front of a toy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointTransformation {
    /// ln (r / kpc) of the first knot.
    start: f64,
    /// Step of ln r between knots.
    step: f64,
    /// Coefficients of 1, t, t² and t³ in each interval, t from 0 to 1.
    pieces: Vec<[f64; 4]>,
}

/// Intervals between knots.
const INTERVALS: usize = 32;

/// Directions in the plane over which the radial force is averaged.
const DIRECTIONS: usize = 16;

/// Least square of a radius, kpc²: at the centre there is no direction.
const LEAST: f64 = 1e-200;

/// ln k and its derivatives by ln r, and (x·v)/r².
struct Local {
    shift: Tensor,
    slope: Tensor,
    bend: Tensor,
    square: Tensor,
}

impl PointTransformation {
    /// The stretch by which the circular orbits of `field` in the plane z = 0, between `radii` (kpc), become those of `toy` with the same angular momentum:
    /// r̃³ |a_toy(r̃)| = r³ |a_R(r)|, where a_R is the mean over azimuths.
    ///
    /// **Fails when** there are radii without a circular orbit, or with an unstable one.
    pub fn between(field: &(impl Potential + ?Sized), toy: &PlainIsochrone, radii: [f64; 2]) -> Result<Self, Error> {
        let [least, most] = radii.map(f64::ln);
        if !(least < most && least.is_finite() && most.is_finite()) {
            return Err(Error::Data(format!(
                "radii cannot be stretched: there are none between {:.3} and {:.3} kpc",
                radii[0], radii[1]
            )));
        }
        let step = (most - least) / INTERVALS as f64;
        let mut knots = Vec::with_capacity(INTERVALS + 1);
        let mut before = 0.0;
        for knot in 0..=INTERVALS {
            let place = least + step * knot as f64;
            let square = squared_momentum(field, place.exp());
            if square.is_nan() || square <= before {
                return Err(Error::Data(format!(
                    "radii cannot be stretched: the field has no stable circular orbit at {:.3} kpc",
                    place.exp()
                )));
            }
            before = square;
            knots.push(radius_of(toy, square, place) - place);
        }
        let made = Self {
            start: least,
            step,
            pieces: natural_spline(&knots),
        };
        // The spline must rise between its knots, too.
        let turning = (0..4 * INTERVALS)
            .map(|quarter| least + step * 0.25 * f64::from(quarter as u32))
            .find(|&place| made.at(place).1 <= -1.0);
        match turning {
            Some(place) => Err(Error::Data(format!(
                "radii cannot be stretched: those of the toy do not rise at {:.3} kpc",
                place.exp()
            ))),
            None => Ok(made),
        }
    }

    /// One of a file. **Fails when** it has no pieces, or numbers that are none.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        let numbers = self.pieces.as_flattened().iter().chain([&self.start, &self.step]);
        let is_good = numbers.copied().all(f64::is_finite) && self.step > 0.0 && !self.pieces.is_empty();
        match is_good {
            true => Ok(self),
            false => Err(Error::Data(
                "the network file holds a damaged stretch of radii".to_owned(),
            )),
        }
    }

    /// ln k at ln r and its derivative.
    fn at(&self, place: f64) -> (f64, f64) {
        let s = (place - self.start) / self.step;
        let inside = s.clamp(0.0, self.pieces.len() as f64);
        let number = (inside as usize).min(self.pieces.len() - 1);
        let [a, b, c, d] = self.pieces[number];
        let t = inside - number as f64;
        let slope = b + t * (2.0 * c + t * 3.0 * d);
        (a + t * (b + t * (c + t * d)) + slope * (s - inside), slope / self.step)
    }

    /// Least and greatest k at the knots.
    pub fn range(&self) -> [f64; 2] {
        let knots = (0..=self.pieces.len()).map(|knot| self.at(self.start + self.step * knot as f64).0.exp());
        knots.fold([f64::INFINITY, 0.0], |[least, most], k| [least.min(k), most.max(k)])
    }

    /// Where a star is for the toy.
    pub fn stretched(&self, star: &PhaseSpace) -> PhaseSpace {
        let square = star.x.iter().map(|c| c * c).sum::<f64>().max(LEAST);
        let (shift, slope) = self.at(0.5 * square.ln());
        let k = shift.exp();
        let outward = (0..3).map(|i| star.x[i] * star.v[i]).sum::<f64>() / square;
        let more = outward * (1.0 / (1.0 + slope) - 1.0);
        PhaseSpace {
            x: star.x.map(|c| k * c),
            v: [0, 1, 2].map(|i| (star.v[i] + star.x[i] * more) / k),
        }
    }

    /// ln k, its first and second derivative by ln r, at ln r. With a graph, also of the first two.
    fn evaluate(&self, place: &Tensor) -> [Tensor; 3] {
        let flat: Vec<f64> = self.pieces.as_flattened().to_vec();
        let table = Tensor::from_slice(&flat).view([-1, 4]).to_device(place.device());
        let last = self.pieces.len() as i64 - 1;
        let s = (place - self.start) / self.step;
        let inside = s.clamp(0.0, (last + 1) as f64);
        // What is not a number has no piece, and stays what it is.
        let number = inside
            .detach()
            .floor()
            .clamp(0.0, last as f64)
            .nan_to_num(0.0, None::<f64>, None::<f64>);
        let t = &inside - &number;
        let rows = table.index_select(0, &number.to_kind(tch::Kind::Int64).view(-1));
        let coefficient = |column: i64| rows.select(1, column).view(place.size().as_slice());
        let [a, b, c, d] = [0, 1, 2, 3].map(coefficient);
        let slope = &b + &t * (&c * 2.0 + &t * &d * 3.0);
        let shift = a + &t * (b + &t * (&c + &t * &d)) + slope.detach() * (&s - &inside);
        // Straight beyond the ends.
        let is_inside = s.detach().eq_tensor(&inside.detach()).to_kind(place.kind());
        let bend = (c * 2.0 + t * d * 6.0) * is_inside / (self.step * self.step);
        [shift, slope / self.step, bend]
    }

    fn local(&self, x: &Tensor) -> Local {
        let square = dot(x, x).clamp_min(LEAST).unsqueeze(-1);
        let [shift, slope, bend] = self.evaluate(&(square.log() * 0.5));
        Local {
            shift,
            slope,
            bend,
            square,
        }
    }

    /// Where stars at (x, v) are for the toy. **Shape** […, 3], kpc and km/s.
    pub fn forward(&self, x: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let at = self.local(x);
        let k = at.shift.exp();
        let outward = dot(x, v).unsqueeze(-1) / &at.square;
        let more = outward * ((&at.slope + 1.0).reciprocal() - 1.0);
        (x * &k, (v + x * more) / k)
    }

    /// The least v²/ṽ² of all directions: the smaller of k² and k² g². **Shape** […, 3] → […].
    pub(crate) fn least_square(&self, x: &Tensor) -> Tensor {
        let at = self.local(x);
        let g = (&at.slope + 1.0).clamp_max(1.0);
        (at.shift.exp() * g).square().squeeze_dim(-1)
    }

    /// The inverse of [`forward`](Self::forward): ln r by Newton's method without a graph, and two more steps with one.
    pub fn backward(&self, x: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let square = dot(x, x).clamp_min(LEAST).unsqueeze(-1);
        let known = square.log() * 0.5;
        let newton = |place: &Tensor, known: &Tensor| {
            let [shift, slope, _] = self.evaluate(place);
            place - (place + shift - known) / (slope + 1.0)
        };
        let begin = tch::no_grad(|| &known - &self.evaluate(&known)[0]);
        let place = implicit(
            begin,
            1e-14,
            |place| newton(place, &known.detach()),
            |place| newton(place, &known),
        );
        let [shift, slope, _] = self.evaluate(&place);
        let k = shift.exp();
        let outward = dot(x, v).unsqueeze(-1) / square;
        let v = (v + x * (outward * slope)) * &k;
        (x / k, v)
    }

    /// dx̃/dt and dṽ/dt of stars at (x, v) with accelerations `a`. **Shape** […, 3].
    pub(crate) fn rates(&self, x: &Tensor, v: &Tensor, a: &Tensor) -> (Tensor, Tensor) {
        let at = self.local(x);
        let k = at.shift.exp();
        let g = &at.slope + 1.0;
        let part = g.reciprocal() - 1.0;
        // u = ln r: du/dt, d²u/dt².
        let once = dot(x, v).unsqueeze(-1) / &at.square;
        let twice = (dot(v, v) + dot(x, a)).unsqueeze(-1) / &at.square - once.square() * 2.0;
        let of_k = &k * &at.slope * &once;
        let more = &once * &part;
        let of_more = twice * &part - once.square() * &at.bend / g.square();
        let stretched = (v + x * &more) / &k;
        let of_x = x * &of_k + v * &k;
        let of_v = (a + v * more + x * of_more) / &k - stretched * (of_k / k);
        (of_x, of_v)
    }
}

/// L² of a circular orbit: r³ times the mean inward force in the plane.
fn squared_momentum(field: &(impl Potential + ?Sized), r: f64) -> f64 {
    let inward = |direction: usize| {
        let (sin, cos) = (std::f64::consts::TAU * direction as f64 / DIRECTIONS as f64).sin_cos();
        let a = field.acceleration([r * cos, r * sin, 0.0]);
        -(a[0] * cos + a[1] * sin)
    };
    (0..DIRECTIONS).map(inward).sum::<f64>() / DIRECTIONS as f64 * r.powi(3)
}

/// ln r̃ of the toy's circular orbit of L² = `square`, by halving around `near`; L² rises with radius there.
fn radius_of(toy: &PlainIsochrone, square: f64, near: f64) -> f64 {
    let momentum = |place: f64| {
        let r = place.exp();
        -toy.acceleration([r, 0.0, 0.0])[0] * r.powi(3)
    };
    let (mut low, mut high) = (near - 1.0, near + 1.0);
    while momentum(low) > square {
        low -= 1.0;
    }
    while momentum(high) < square {
        high += 1.0;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if momentum(middle) < square {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The natural cubic spline through values at equal steps, in each interval in powers of t from 0 to 1.
fn natural_spline(values: &[f64]) -> Vec<[f64; 4]> {
    let count = values.len();
    // Second derivatives, 0 at both ends: m_{i−1} + 4 m_i + m_{i+1} = 6 (y_{i+1} − 2 y_i + y_{i−1}), by elimination.
    let (mut factors, mut second) = (vec![0.0; count], vec![0.0; count]);
    for i in 1..count - 1 {
        let pivot = 4.0 - factors[i - 1];
        factors[i] = 1.0 / pivot;
        let right = 6.0 * (values[i + 1] - 2.0 * values[i] + values[i - 1]);
        second[i] = (right - second[i - 1]) / pivot;
    }
    for i in (1..count - 1).rev() {
        second[i] -= factors[i] * second[i + 1];
    }
    (0..count - 1)
        .map(|i| {
            let (left, right) = (second[i], second[i + 1]);
            let slope = values[i + 1] - values[i] - (2.0 * left + right) / 6.0;
            [values[i], slope, 0.5 * left, (right - left) / 6.0]
        })
        .collect()
}

#[cfg(test)]
#[path = "point_transformation_tests.rs"]
mod tests;
