//! Sums over samples of a function on a torus, times the cosines of a lattice of modes: the transform of samples at any angles.
//!
//! Each sample is spread over the nearest places of a grid twice as fine as the modes ask for, one fast transform of the grid gives all
//! modes at once, and what the spreading did to each is divided out. The cost is the number of samples times that of places, not of modes.
//!
//! **Source**: Dutt & Rokhlin (1993); the kernel exp(β√(1 − u²)) of Barnett, Magland & af Klinteberg (2019).

use super::fourier::{fast, turns};
use crate::numerics::gauss_legendre;
use crate::units::wrap_angle;
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Places in a row that one sample is spread over; with a grid at least twice as fine as the modes ask for the error is 1e-10 of the sum of
/// absolute values.
const WIDTH: usize = 12;

/// Shape β of the kernel.
const SHAPE: f64 = 2.3 * WIDTH as f64;

/// The rule for the kernel's transform.
static RULE: LazyLock<[(f64, f64); 40]> = LazyLock::new(gauss_legendre);

/// Intervals between two places at whose ends the kernel is known; a cubic between them is right to 1e-10.
const INTERVALS: usize = 512;

/// At u in [−1, 1], in units of half its width.
fn kernel(u: f64) -> f64 {
    (SHAPE * ((1.0 - u * u).max(0.0).sqrt() - 1.0)).exp()
}

/// The kernel at all places for one position of a sample between two of them, and its change over an interval.
struct Knot {
    values: [f64; WIDTH],
    slopes: [f64; WIDTH],
}

/// By how far a sample is before the next place.
static KNOTS: LazyLock<Vec<Knot>> = LazyLock::new(|| {
    let half = 0.5 * WIDTH as f64;
    (0..=INTERVALS)
        .map(|knot| {
            let u = |i: usize| (half - knot as f64 / INTERVALS as f64 - i as f64) / half;
            Knot {
                values: std::array::from_fn(|i| kernel(u(i))),
                slopes: std::array::from_fn(|i| {
                    let root = (1.0 - u(i) * u(i)).max(0.0).sqrt();
                    // At its ends the kernel is 1e-12.
                    let slope = if root > 0.0 {
                        SHAPE * u(i) / root * kernel(u(i))
                    } else {
                        0.0
                    };
                    slope / (half * INTERVALS as f64)
                }),
            }
        })
        .collect()
});

/// Its transform at a mode of a grid of `size` places, in places.
fn kernel_transform(mode: usize, size: usize) -> f64 {
    let half = 0.5 * WIDTH as f64;
    let rate = TAU * mode as f64 / size as f64 * half;
    RULE.iter()
        .map(|&(u, weight)| weight * kernel(u) * (rate * u).cos())
        .sum::<f64>()
        * 2.0
        * half
}

/// One sample: two angles and three values.
pub(crate) struct Sample {
    pub angles: [f64; 2],
    pub values: [f64; 3],
}

/// Σ v cos(kx + ly) for k from 0 to `most.0` and l from −`most.1` to `most.1`, row by row.
pub(crate) fn cosine_sums(samples: impl Iterator<Item = Sample>, most: (usize, usize)) -> Vec<[f64; 3]> {
    let size = [most.0, most.1].map(|most| (4 * most + 2).max(2 * WIDTH).next_power_of_two());
    let grid = spread(samples, size, most.1);
    let at = |k: usize, l: usize| grid[k % size[0] * size[1] + l % size[1]];
    let correction: [Vec<f64>; 2] = [(most.0, size[0]), (most.1, size[1])]
        .map(|(most, size)| (0..=most).map(|mode| 1.0 / kernel_transform(mode, size)).collect());
    let mut sums = Vec::with_capacity((most.0 + 1) * (2 * most.1 + 1));
    for k in 0..=most.0 {
        for l in 0..=2 * most.1 {
            // The mode l − most, and its opposite: values that are real are told apart by them.
            let (column, height) = (size[1] + l - most.1, l.abs_diff(most.1));
            let here = at(k, column);
            let there = at(size[0] - k, size[1] + most.1 - l);
            let scale = 0.5 * correction[0][k] * correction[1][height];
            sums.push([
                scale * (here[0][0] + there[0][0]),
                scale * (here[0][1] + there[0][1]),
                scale * (here[1][0] + there[1][0]),
            ]);
        }
    }
    sums
}

/// Two transforms side by side: real and imaginary part of the first are two of the values, the real part of the second is the third.
type Cell = [[f64; 2]; 2];

/// The transform of the samples spread over a grid, in the columns of modes up to `most` either way.
fn spread(samples: impl Iterator<Item = Sample>, size: [usize; 2], most: usize) -> Vec<Cell> {
    // A row for each value, with room for what runs over its end.
    let wide = size[1] + WIDTH;
    let mut rows = vec![0.0; 3 * size[0] * wide];
    let knots = KNOTS.as_slice();
    for Sample { angles, values } in samples {
        let (top, down) = nearest(knots, angles[0], size[0]);
        let (left, along) = nearest(knots, angles[1], size[1]);
        for (i, weight) in down.into_iter().enumerate() {
            let row = (top + i) % size[0] * 3;
            for (k, value) in values.into_iter().enumerate() {
                let height = value * weight;
                let places = &mut rows[(row + k) * wide + left..][..WIDTH];
                for (place, weight) in places.iter_mut().zip(along) {
                    *place += height * weight;
                }
            }
        }
    }
    let mut grid = vec![[[0.0; 2]; 2]; size[0] * size[1]];
    for (cells, rows) in grid.chunks_exact_mut(size[1]).zip(rows.chunks_exact_mut(3 * wide)) {
        for row in rows.chunks_exact_mut(wide) {
            let (inside, over) = row.split_at_mut(size[1]);
            for (place, over) in inside.iter_mut().zip(over) {
                *place += *over;
            }
        }
        for (j, cell) in cells.iter_mut().enumerate() {
            *cell = [[rows[j], rows[wide + j]], [rows[2 * wide + j], 0.0]];
        }
    }
    let [down, along] = size.map(turns);
    for row in grid.chunks_exact_mut(size[1]) {
        fast(row, &along);
    }
    let mut column = vec![[[0.0; 2]; 2]; size[0]];
    for j in (0..=most).chain(size[1] - most..size[1]) {
        for (value, row) in column.iter_mut().zip(grid.chunks_exact(size[1])) {
            *value = row[j];
        }
        fast(&mut column, &down);
        for (value, row) in column.iter().zip(grid.chunks_exact_mut(size[1])) {
            row[j] = *value;
        }
    }
    grid
}

/// The first of the places next to an angle, and the kernel at each.
fn nearest(knots: &[Knot], angle: f64, size: usize) -> (usize, [f64; WIDTH]) {
    let x = wrap_angle(angle) / TAU * size as f64;
    let middle = x.ceil();
    let at = (middle - x) * INTERVALS as f64;
    let knot = (at as usize).min(INTERVALS - 1);
    let (low, high, t) = (&knots[knot], &knots[knot + 1], at - knot as f64);
    let u = 1.0 - t;
    let (from, to) = (u * u * (1.0 + 2.0 * t), t * t * (1.0 + 2.0 * u));
    let (leaving, arriving) = (u * u * t, -t * t * u);
    let weights = std::array::from_fn(|i| {
        from * low.values[i] + to * high.values[i] + leaving * low.slopes[i] + arriving * high.slopes[i]
    });
    ((middle as usize + size - WIDTH / 2) % size, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_direct_sum() {
        let samples = || {
            (0..500).map(|i| {
                let t = f64::from(i);
                Sample {
                    angles: [0.7 * t - 3.0, -0.31 * t + 0.3 * (0.1 * t).sin()],
                    values: [1.0, 1.0 + (0.2 * t).cos(), 50.0 + t],
                }
            })
        };
        for most in [(80, 44), (48, 26), (3, 1)] {
            let sums = cosine_sums(samples(), most);
            let wide = 2 * most.1 + 1;
            assert_eq!(sums.len(), (most.0 + 1) * wide);
            for (k, l) in [(0, 0), (1, 0), (0, 1), (most.0, most.1), (most.0, 0), (2, most.1)] {
                for sign in [1, -1] {
                    let mode = sign * l as isize;
                    let mut direct = [0.0; 3];
                    let mut all = [0.0; 3];
                    for Sample { angles, values } in samples() {
                        let cosine = (k as f64 * angles[0] + mode as f64 * angles[1]).cos();
                        for i in 0..3 {
                            direct[i] += cosine * values[i];
                            all[i] += values[i];
                        }
                    }
                    let found = sums[k * wide + (mode + most.1 as isize) as usize];
                    for i in 0..3 {
                        let miss = (found[i] - direct[i]).abs() / all[i];
                        assert!(miss < 1e-10, "{most:?} {k} {mode} {i}: {miss:e}");
                    }
                }
            }
        }
    }
}
