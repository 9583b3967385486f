//! The transform of a finite series at any frequencies: a fast transform on a finer grid, interpolated.
//!
//! **Source**: Dutt & Rokhlin (1993); the Kaiser–Bessel kernel of Fessler & Sutton (2003).

use super::window::{bessel_i0, lobe};
use std::f64::consts::{PI, TAU};

/// Grid points that one frequency is interpolated from; with twofold oversampling the error is below 1e-12.
const WIDTH: usize = 14;

/// Σ_k g_k e^{−iω(k − c)} for every ω, c = (n − 1)/2.
pub(crate) struct Transform {
    grid: Vec<[f64; 2]>,
    centre: f64,
    beta: f64,
}

impl Transform {
    /// Of the series `g`.
    pub(crate) fn new(g: impl ExactSizeIterator<Item = [f64; 2]>) -> Self {
        let n = g.len();
        let size = (2 * n).next_power_of_two();
        let centre = 0.5 * (n as f64 - 1.0);
        let width = WIDTH as f64;
        let beta = PI * width * (1.0 - 0.5 * n as f64 / size as f64);
        let mut grid = vec![[0.0; 2]; size];
        for (k, (place, g)) in grid.iter_mut().zip(g).enumerate() {
            // The kernel's own transform, W sinh(√(β² − (πWs)²)) / √…, is divided out.
            let correction = width * lobe(beta, PI * width * (k as f64 - centre) / size as f64);
            *place = g.map(|g| g / correction);
        }
        fast(grid.as_chunks_mut::<1>().0, &turns(size));
        Self { grid, centre, beta }
    }

    /// At the frequency ω, radians per sample.
    pub(crate) fn at(&self, omega: f64) -> [f64; 2] {
        let size = self.grid.len() as f64;
        let x = omega / TAU * size;
        let first = x.ceil() - 0.5 * WIDTH as f64;
        let mut sum = [0.0; 2];
        for i in 0..WIDTH {
            let j = first + i as f64;
            let u = (x - j) / (0.5 * WIDTH as f64);
            let kernel = bessel_i0(self.beta * (1.0 - u * u).max(0.0).sqrt());
            let (s, c) = (TAU * (j * self.centre).rem_euclid(size) / size).sin_cos();
            let [a, b] = self.grid[j.rem_euclid(size) as usize];
            sum[0] += kernel * (a * c - b * s);
            sum[1] += kernel * (a * s + b * c);
        }
        sum
    }
}

/// e^{−2πik/n} for k below n/2.
pub(super) fn turns(n: usize) -> Vec<[f64; 2]> {
    (0..n / 2)
        .map(|k| {
            let (s, c) = (TAU * k as f64 / n as f64).sin_cos();
            [c, -s]
        })
        .collect()
}

/// Σ_k g_k e^{−2πijk/n} in place of `N` series side by side, n a power of two, with [`turns`] of n.
pub(super) fn fast<const N: usize>(g: &mut [[[f64; 2]; N]], turns: &[[f64; 2]]) {
    let n = g.len();
    if n < 2 {
        return;
    }
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            g.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for block in g.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), [c, s]) in low.iter_mut().zip(high).zip(turns.iter().step_by(stride)) {
                for (a, b) in a.iter_mut().zip(b) {
                    let turned = [b[0] * c - b[1] * s, b[0] * s + b[1] * c];
                    *b = [a[0] - turned[0], a[1] - turned[1]];
                    *a = [a[0] + turned[0], a[1] + turned[1]];
                }
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_direct_sum() {
        let series: Vec<[f64; 2]> = (0..301)
            .map(|k| [f64::from(k).sin(), f64::from(k * k % 17) - 8.0])
            .collect();
        let transform = Transform::new(series.iter().copied());
        for omega in [-3.1, -1.0, 0.0, 1e-3, 0.7, 1.0, 3.0, 5.0] {
            let mut sum = [0.0; 2];
            for (k, [a, b]) in series.iter().enumerate() {
                let (s, c) = (omega * (k as f64 - 150.0)).sin_cos();
                sum[0] += a * c + b * s;
                sum[1] += b * c - a * s;
            }
            let found = transform.at(omega);
            for k in 0..2 {
                // 301 terms of size 8.
                assert!((found[k] - sum[k]).abs() < 1e-9, "{omega}: {found:?} {sum:?}");
            }
        }
    }
}
