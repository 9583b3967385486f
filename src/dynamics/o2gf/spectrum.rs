//! Actions from the spectrum of an orbit.
//!
//! On a torus x + iy = e^{iθ_φ} Σ w_n e^{in·θ} and z = Σ z_n e^{in·θ}, so the loop integrals J_i = (1/2π)∮ p·dx are
//!
//! J_i = Σ_n n_i [(n·Ω + Ω_φ) |w_n|² + n·Ω |z_n|²].
//!
//! Terms are quadratic, so what is left out counts with its square.
//!
//! **Source**: Binney & Spergel (1984), MNRAS 206, 159.

use super::fourier::Transform;
use super::window;

/// An orbit sampled at equal steps.
pub(crate) struct Samples {
    /// Time step, kpc/(km/s).
    pub step: f64,
    /// Time of the first sample.
    pub start: f64,
    /// L_z.
    pub j_phi: f64,
    /// x, y, z.
    pub x: Vec<[f64; 3]>,
    /// v².
    pub v2: Vec<f64>,
    /// Unwrapped angles r, z, φ.
    pub theta: Vec<[f64; 3]>,
}

/// Angles at a time, and frequencies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    pub theta: [f64; 3],
    pub omega: [f64; 3],
}

/// Angles at time 0 and frequencies over a range of samples: the weighted straight line.
pub(crate) fn frequencies(samples: &Samples, range: std::ops::Range<usize>) -> Lines {
    let weights = window::weights(range.len());
    let middle = samples.start + samples.step * (range.start as f64 + 0.5 * (range.len() as f64 - 1.0));
    let reference = samples.theta[range.start + range.len() / 2];
    let (mut mean, mut slope, mut square) = ([0.0; 3], [0.0; 3], 0.0);
    for (i, w) in range.zip(&weights) {
        let t = samples.start + samples.step * i as f64 - middle;
        square += w * t * t;
        for k in 0..3 {
            let theta = samples.theta[i][k] - reference[k];
            mean[k] += w * theta;
            slope[k] += w * t * theta;
        }
    }
    let omega = slope.map(|slope| slope / square);
    Lines {
        theta: std::array::from_fn(|k| reference[k] + mean[k] - omega[k] * middle),
        omega,
    }
}

/// Sums over a spectrum.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// J_r, J_z.
    pub j: [f64; 2],
    /// J_φ, to be compared with L_z.
    pub j_phi: f64,
    /// Σ ν² |a|², to be compared with the mean of v².
    pub power: f64,
    /// The mean of v².
    pub v2: f64,
    /// Lines used.
    pub lines: usize,
}

/// Highest harmonics: n_r, and n_z/2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub r: usize,
    pub z: usize,
}

/// Added to the diagonal, so that lines which nothing separates share what they have.
const RIDGE: f64 = 1e-7;

/// Actions over a range of samples.
pub(crate) fn actions(samples: &Samples, range: std::ops::Range<usize>, omega: [f64; 3], extent: Extent) -> Sums {
    let weights = window::weights(range.len());
    let mut sums = Sums {
        v2: range.clone().zip(&weights).map(|(i, w)| w * samples.v2[i]).sum(),
        ..Sums::default()
    };
    for part in [Part::Plane, Part::Vertical] {
        let odd = part == Part::Vertical;
        let lattice = Lattice {
            first: [-(extent.r as f64), -(extent.z as f64) - if odd { 0.5 } else { 0.0 }],
            size: [2 * extent.r + 1, 2 * extent.z + if odd { 2 } else { 1 }],
            spacing: [omega[0], 2.0 * omega[1]],
            carrier: part.carrier(omega[2]),
        };
        for line in lattice.lines(samples, range.clone(), &weights, part) {
            sums.j[0] += line.place[0] * line.frequency * line.square;
            sums.j[1] += 2.0 * line.place[1] * line.frequency * line.square;
            sums.add(&line, part);
        }
    }
    sums
}

impl Sums {
    /// Adds a line to all but J_r and J_z.
    pub(super) fn add(&mut self, line: &Line, part: Part) {
        self.power += line.frequency * line.frequency * line.square;
        if part == Part::Plane {
            self.j_phi += line.frequency * line.square;
        }
        self.lines += 1;
    }
}

/// x + iy, and z.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Plane,
    Vertical,
}

impl Part {
    /// Frequency that is added to those of the meridional plane.
    pub(super) fn carrier(self, omega_phi: f64) -> f64 {
        match self {
            Self::Plane => omega_phi,
            Self::Vertical => 0.0,
        }
    }
}

/// Frequencies (first + (i, j)) · spacing + carrier, whose lines are looked for.
pub(super) struct Lattice {
    pub first: [f64; 2],
    pub size: [usize; 2],
    pub spacing: [f64; 2],
    pub carrier: f64,
}

/// A line of a spectrum.
pub(super) struct Line {
    /// first + (i, j).
    pub place: [f64; 2],
    pub frequency: f64,
    /// |a|².
    pub square: f64,
}

impl Lattice {
    fn place(&self, k: usize) -> [f64; 2] {
        let [i, j] = [k / self.size[1], k % self.size[1]];
        [self.first[0] + i as f64, self.first[1] + j as f64]
    }

    fn frequency(&self, k: usize) -> f64 {
        let [p, q] = self.place(k);
        p * self.spacing[0] + q * self.spacing[1] + self.carrier
    }

    /// The lines that the sampling tells, from a range of samples with their window's weights.
    pub(super) fn lines(
        &self,
        samples: &Samples,
        range: std::ops::Range<usize>,
        weights: &[f64],
        part: Part,
    ) -> impl Iterator<Item = Line> {
        let count = self.size[0] * self.size[1];
        let limit = std::f64::consts::PI / samples.step;
        let inside: Vec<bool> = (0..count).map(|k| self.frequency(k).abs() < limit).collect();
        let series = samples.x[range].iter().zip(weights);
        let transform = Transform::new(series.map(|(x, w)| match part {
            Part::Plane => [w * x[0], w * x[1]],
            Part::Vertical => [w * x[2], 0.0],
        }));
        let mut b = vec![[0.0; 2]; count];
        for k in (0..count).filter(|&k| inside[k]) {
            b[k] = transform.at(self.frequency(k) * samples.step);
        }
        let a = self.separate(&b, &inside, weights.len(), samples.step);
        let line = |k: usize| Line {
            place: self.place(k),
            frequency: self.frequency(k),
            square: a[k][0] * a[k][0] + a[k][1] * a[k][1],
        };
        (0..count)
            .filter(|&k| inside[k])
            .map(line)
            .collect::<Vec<Line>>()
            .into_iter()
    }

    /// Separates lines that the window of n samples does not: solves Σ_m K(ν_n − ν_m) a_m = b_n by conjugate gradients.
    fn separate(&self, b: &[[f64; 2]], inside: &[bool], n: usize, step: f64) -> Vec<[f64; 2]> {
        let [rows, columns] = self.size;
        let [across, along] = self.spacing;
        let mut kernel: Vec<(isize, isize, f64)> = Vec::new();
        for p in -(rows as isize) + 1..rows as isize {
            for q in -(columns as isize) + 1..columns as isize {
                if (p, q) != (0, 0) {
                    let value = window::transform(n, step, p as f64 * across + q as f64 * along);
                    if value.abs() > 1e-9 {
                        kernel.push((p, q, value));
                    }
                }
            }
        }
        let apply = |a: &[[f64; 2]]| {
            let mut out: Vec<[f64; 2]> = a.iter().map(|a| a.map(|a| a * (1.0 + RIDGE))).collect();
            for &(p, q, value) in &kernel {
                for i in 0..rows as isize {
                    if i + p < 0 || i + p >= rows as isize {
                        continue;
                    }
                    for j in (-q).max(0)..(columns as isize - q).min(columns as isize) {
                        let from = a[((i + p) * columns as isize + j + q) as usize];
                        let to = &mut out[(i * columns as isize + j) as usize];
                        to[0] += value * from[0];
                        to[1] += value * from[1];
                    }
                }
            }
            for (out, inside) in out.iter_mut().zip(inside) {
                if !inside {
                    *out = [0.0; 2];
                }
            }
            out
        };
        let dot = |a: &[[f64; 2]], b: &[[f64; 2]]| a.iter().zip(b).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).sum::<f64>();
        let mut a = b.to_vec();
        let mut rest: Vec<[f64; 2]> = apply(&a)
            .iter()
            .zip(b)
            .map(|(g, b)| [b[0] - g[0], b[1] - g[1]])
            .collect();
        let mut direction = rest.clone();
        let mut square = dot(&rest, &rest);
        let goal = 1e-17 * dot(b, b);
        let mut its = 0;
        while square > goal && its < 80 {
            its += 1;
            let image = apply(&direction);
            let length = dot(&direction, &image);
            if length.is_nan() || length <= 0.0 {
                break;
            }
            let alpha = square / length;
            for k in 0..a.len() {
                for c in 0..2 {
                    a[k][c] += alpha * direction[k][c];
                    rest[k][c] -= alpha * image[k][c];
                }
            }
            let next = dot(&rest, &rest);
            let beta = next / square;
            square = next;
            for k in 0..a.len() {
                for c in 0..2 {
                    direction[k][c] = rest[k][c] + beta * direction[k][c];
                }
            }
        }
        for a in a.iter_mut().flatten() {
            *a *= 1.0 + RIDGE;
        }
        a
    }
}
