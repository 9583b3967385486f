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

/// Actions over a range of samples.
pub(crate) fn actions(samples: &Samples, range: std::ops::Range<usize>, omega: [f64; 3], extent: Extent) -> Sums {
    let weights = window::weights(range.len());
    let n = range.len();
    let mut sums = Sums {
        v2: range.clone().zip(&weights).map(|(i, w)| w * samples.v2[i]).sum(),
        ..Sums::default()
    };
    let x = &samples.x[range];
    for part in [Part::Plane, Part::Vertical] {
        let odd = part == Part::Vertical;
        let carrier = if odd { 0.0 } else { omega[2] };
        let (rows, columns) = (2 * extent.r + 1, 2 * extent.z + if odd { 2 } else { 1 });
        let first = -(extent.z as f64) - if odd { 0.5 } else { 0.0 };
        let frequency = |i: usize, j: usize| {
            let (p, q) = (i as f64 - extent.r as f64, 2.0 * (first + j as f64));
            (p, q, p * omega[0] + q * omega[1] + carrier)
        };
        let mut b = vec![[0.0; 2]; rows * columns];
        let limit = std::f64::consts::PI / samples.step;
        let inside: Vec<bool> = (0..rows * columns)
            .map(|k| frequency(k / columns, k % columns).2.abs() < limit)
            .collect();
        let series = x.iter().zip(&weights);
        let transform = Transform::new(series.map(|(x, w)| if odd { [w * x[2], 0.0] } else { [w * x[0], w * x[1]] }));
        for k in 0..rows * columns {
            if inside[k] {
                b[k] = transform.at(frequency(k / columns, k % columns).2 * samples.step);
            }
        }
        let a = separate(&b, &inside, rows, columns, n, samples.step, omega);
        for k in 0..rows * columns {
            if inside[k] {
                let (p, q, nu) = frequency(k / columns, k % columns);
                let square = a[k][0] * a[k][0] + a[k][1] * a[k][1];
                sums.j[0] += p * nu * square;
                sums.j[1] += q * nu * square;
                sums.power += nu * nu * square;
                if !odd {
                    sums.j_phi += nu * square;
                }
                sums.lines += 1;
            }
        }
    }
    sums
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Plane,
    Vertical,
}

/// Added to the diagonal, so that lines which nothing separates share what they have.
const RIDGE: f64 = 1e-7;

/// Separates lines that the window does not: solves Σ_m K(ν_n − ν_m) a_m = b_n by conjugate gradients.
fn separate(
    b: &[[f64; 2]],
    inside: &[bool],
    rows: usize,
    columns: usize,
    n: usize,
    step: f64,
    omega: [f64; 3],
) -> Vec<[f64; 2]> {
    let mut kernel: Vec<(isize, isize, f64)> = Vec::new();
    for p in -(rows as isize) + 1..rows as isize {
        for q in -(columns as isize) + 1..columns as isize {
            if (p, q) != (0, 0) {
                let value = window::transform(n, step, p as f64 * omega[0] + 2.0 * q as f64 * omega[1]);
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
