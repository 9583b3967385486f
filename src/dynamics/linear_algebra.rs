//! Symmetric positive definite linear systems.

use fearless_simd::{Level, Simd, SimdBase, dispatch, f64x4};

/// A dense symmetric matrix by its lower triangle, row-major.
pub(crate) struct Symmetric {
    size: usize,
    rows: Vec<f64>,
}

impl Symmetric {
    pub(crate) fn zeros(size: usize) -> Self {
        Self {
            size,
            rows: vec![0.0; size * size],
        }
    }

    /// Element (i, j), j ≤ i.
    #[inline]
    pub(crate) fn at(&mut self, i: usize, j: usize) -> &mut f64 {
        debug_assert!(j <= i);
        &mut self.rows[i * self.size + j]
    }

    /// Factors the matrix and solves for every right-hand side in place; false if it is not positive definite.
    pub(crate) fn solve(self, ridge: impl Fn(usize) -> f64, sides: &mut [Vec<f64>]) -> bool {
        let Some(factor) = self.factor(ridge) else {
            return false;
        };
        sides.iter_mut().for_each(|side| factor.solve(side));
        true
    }

    /// The matrix as L Lᵀ, after it is scaled to a unit diagonal and `ridge(i)` added to that; none if it is not positive
    /// definite.
    pub(crate) fn factor(mut self, ridge: impl Fn(usize) -> f64) -> Option<Factor> {
        let n = self.size;
        let scale: Vec<f64> = (0..n).map(|i| 1.0 / self.rows[i * n + i].max(1e-300).sqrt()).collect();
        for i in 0..n {
            let row = &mut self.rows[i * n..i * n + i + 1];
            for (value, other) in row.iter_mut().zip(&scale) {
                *value *= scale[i] * other;
            }
            row[i] += ridge(i);
        }
        let level = Level::new();
        // A block of rows at a time, so that the rows above are fetched once for all of it.
        let paired = n / 2 * 2;
        for start in (0..paired).step_by(BLOCK) {
            let end = (start + BLOCK).min(paired);
            let (above, rest) = self.rows.split_at_mut(start * n);
            let block = &mut rest[..(end - start) * n];
            dispatch!(level, simd => reduce(simd, block, above, n));
            dispatch!(level, simd => factor_block(simd, block, start, n))?;
        }
        if paired < n {
            let (above, last) = self.rows.split_at_mut(paired * n);
            for (j, known) in above.chunks_exact(n).enumerate() {
                last[j] = (last[j] - dot(&last[..j], &known[..j])) / known[j];
            }
            finish(last, paired)?;
        }
        Some(Factor { scale, rows: self.rows })
    }
}

/// Rows that are factored together, an even number: a block of a thousand columns fits the second cache.
const BLOCK: usize = 32;

/// The columns of a block of rows of length `n` that belong to rows `above` it.
#[inline(always)]
fn reduce<S: Simd>(simd: S, block: &mut [f64], above: &[f64], n: usize) {
    simd.vectorize(
        #[inline(always)]
        || {
            for (j, known) in above.chunks_exact(2 * n).enumerate() {
                let mut fours = block.chunks_exact_mut(4 * n);
                for rows in &mut fours {
                    eliminate::<S, 4>(simd, rows, known, 2 * j);
                }
                for rows in fours.into_remainder().chunks_exact_mut(2 * n) {
                    eliminate::<S, 2>(simd, rows, known, 2 * j);
                }
            }
        },
    )
}

/// The columns of a block of rows from row `start` that belong to itself; none if it is not positive definite.
#[inline(always)]
fn factor_block<S: Simd>(simd: S, block: &mut [f64], start: usize, n: usize) -> Option<()> {
    simd.vectorize(
        #[inline(always)]
        || {
            for i in (0..block.len() / n).step_by(2) {
                let (above, rest) = block.split_at_mut(i * n);
                let pair = &mut rest[..2 * n];
                for (j, known) in above.chunks_exact(2 * n).enumerate() {
                    eliminate::<S, 2>(simd, pair, known, start + 2 * j);
                }
                let (first, second) = pair.split_at_mut(n);
                let i = start + i;
                finish(first, i)?;
                second[i] = (second[i] - dot(&second[..i], &first[..i])) / first[i];
                finish(second, i + 1)?;
            }
            Some(())
        },
    )
}

/// Columns `j` and `j` + 1 of `R` rows, from the two rows that are known there: every number fetched serves several times.
#[inline(always)]
fn eliminate<S: Simd, const R: usize>(simd: S, rows: &mut [f64], known: &[f64], j: usize) {
    let n = rows.len() / R;
    let (upper, lower) = known.split_at(n);
    let sums = products::<S, R>(
        simd,
        std::array::from_fn(|r| &rows[r * n..][..j]),
        [&upper[..j], &lower[..j]],
    );
    for (row, [one, other]) in rows.chunks_exact_mut(n).zip(sums) {
        row[j] = (row[j] - one) / upper[j];
        row[j + 1] = (row[j + 1] - other - row[j] * lower[j]) / lower[j + 1];
    }
}

/// The diagonal element of row `i`, the rest of which is done; none if its square is not positive.
fn finish(row: &mut [f64], i: usize) -> Option<()> {
    let rest = row[i] - dot(&row[..i], &row[..i]);
    (rest > 0.0).then(|| row[i] = rest.sqrt())
}

/// L of a scaled matrix.
pub(crate) struct Factor {
    scale: Vec<f64>,
    rows: Vec<f64>,
}

impl Factor {
    /// ln det of the matrix.
    pub(crate) fn log_determinant(&self) -> f64 {
        let n = self.scale.len();
        let of = |i: usize| (self.rows[i * n + i] / self.scale[i]).ln();
        2.0 * (0..n).map(of).sum::<f64>()
    }

    /// Solves for one right-hand side in place.
    pub(crate) fn solve(&self, side: &mut [f64]) {
        let n = self.scale.len();
        for (value, scale) in side.iter_mut().zip(&self.scale) {
            *value *= scale;
        }
        for i in 0..n {
            let row = &self.rows[i * n..i * n + i + 1];
            side[i] = (side[i] - dot(&row[..i], &side[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let value = side[i] / self.rows[i * n + i];
            side[i] = value;
            let row = &self.rows[i * n..i * n + i];
            for (before, factor) in side[..i].iter_mut().zip(row) {
                *before -= value * factor;
            }
        }
        for (value, scale) in side.iter_mut().zip(&self.scale) {
            *value *= scale;
        }
    }
}

/// Eigenvalues of a symmetric matrix of `n` rows with their eigenvectors, by the rotations of Jacobi (1846).
pub(crate) fn eigen(mut matrix: Vec<f64>, n: usize) -> Vec<(f64, Vec<f64>)> {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    let size: f64 = matrix.iter().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| matrix[i * n + j] * matrix[i * n + j])
            .sum();
        if off <= 1e-30 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let between = matrix[p * n + q];
                if between == 0.0 {
                    continue;
                }
                let half = 0.5 * (matrix[q * n + q] - matrix[p * n + p]) / between;
                let tan = half.signum() / (half.abs() + half.hypot(1.0));
                let cos = 1.0 / tan.hypot(1.0);
                let sin = tan * cos;
                for k in 0..n {
                    let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
                    (matrix[k * n + p], matrix[k * n + q]) = (cos * a - sin * b, sin * a + cos * b);
                }
                for of in [&mut matrix, &mut vectors] {
                    for k in 0..n {
                        let (a, b) = (of[p * n + k], of[q * n + k]);
                        (of[p * n + k], of[q * n + k]) = (cos * a - sin * b, sin * a + cos * b);
                    }
                }
            }
        }
    }
    let pair = |i: usize| (matrix[i * n + i], vectors[i * n..(i + 1) * n].to_vec());
    (0..n).map(pair).collect()
}

/// Sums of products of each of `R` rows with each of two others, of one length, in four lanes: the same bits on every processor.
#[inline(always)]
fn products<S: Simd, const R: usize>(simd: S, a: [&[f64]; R], b: [&[f64]; 2]) -> [[f64; 2]; R] {
    let (chunks, rest) = (b[0].len() / 4, b[0].len() % 4);
    let mut lanes = [[f64x4::splat(simd, 0.0); 2]; R];
    for chunk in 0..chunks {
        let y0 = f64x4::from_slice(simd, &b[0][4 * chunk..4 * chunk + 4]);
        let y1 = f64x4::from_slice(simd, &b[1][4 * chunk..4 * chunk + 4]);
        for r in 0..R {
            let x = f64x4::from_slice(simd, &a[r][4 * chunk..4 * chunk + 4]);
            lanes[r][0] += x * y0;
            lanes[r][1] += x * y1;
        }
    }
    let mut sums = [[0.0; 2]; R];
    for r in 0..R {
        for k in 0..2 {
            sums[r][k] = lanes[r][k].as_array().iter().sum::<f64>();
            for i in 4 * chunks..4 * chunks + rest {
                sums[r][k] += a[r][i] * b[k][i];
            }
        }
    }
    sums
}

/// Sum of products in four lanes.
#[inline]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (whole_a, rest_a) = a.as_chunks::<8>();
    let (whole_b, rest_b) = b.as_chunks::<8>();
    for (x, y) in whole_a.iter().zip(whole_b) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_known_system() {
        let n = 23;
        let truth: Vec<f64> = (0..n).map(|i| f64::from(i).sin()).collect();
        let element = |i: usize, j: usize| 1.0 / (1.0 + i.abs_diff(j) as f64) + if i == j { i as f64 } else { 0.0 };
        let mut matrix = Symmetric::zeros(n as usize);
        let mut side = vec![0.0; n as usize];
        for (i, side) in side.iter_mut().enumerate() {
            for (j, truth) in truth.iter().enumerate() {
                *side += element(i, j) * truth;
                if j <= i {
                    *matrix.at(i, j) = element(i, j);
                }
            }
        }
        let mut sides = vec![side];
        assert!(matrix.solve(|_| 0.0, &mut sides));
        assert!(sides[0].iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-12));
        let mut singular = Symmetric::zeros(2);
        *singular.at(0, 0) = 1.0;
        *singular.at(1, 0) = -2.0;
        *singular.at(1, 1) = 1.0;
        assert!(!singular.solve(|_| 0.0, &mut [vec![1.0, 1.0]]));
    }

    #[test]
    fn eigenvectors_make_the_matrix() {
        let n = 12;
        let entry =
            |at: usize| 1.0 / (1.0 + (at / n).abs_diff(at % n) as f64) + if at == 5 * n + 5 { 4.0 } else { 0.0 };
        let matrix: Vec<f64> = (0..n * n).map(entry).collect();
        let pairs = eigen(matrix.clone(), n);
        for (at, expected) in matrix.iter().enumerate() {
            let of = |power: i32| -> f64 {
                let term = |(value, vector): &(f64, Vec<f64>)| value.powi(power) * vector[at / n] * vector[at % n];
                pairs.iter().map(term).sum()
            };
            let unit = if at / n == at % n { 1.0 } else { 0.0 };
            assert!((of(1) - expected).abs() < 1e-13 && (of(0) - unit).abs() < 1e-13);
        }
        assert!(eigen(Vec::new(), 0).is_empty());
    }
}
