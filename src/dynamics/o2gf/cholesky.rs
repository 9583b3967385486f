//! Symmetric positive definite linear systems.

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
        // Two rows at a time, by two columns: every number fetched serves twice.
        for i in (0..n).step_by(2) {
            let (above, below) = self.rows.split_at_mut(i * n);
            let (first, second) = below.split_at_mut(n);
            let second = second.get_mut(..n);
            if let Some(second) = second {
                for j in (0..i).step_by(2) {
                    let (upper, lower) = above[j * n..].split_at(n);
                    let sums = products([&first[..j], &second[..j]], [&upper[..j], &lower[..j]]);
                    for (row, [one, other]) in [(&mut *first, sums[0]), (&mut *second, sums[1])] {
                        row[j] = (row[j] - one) / upper[j];
                        row[j + 1] = (row[j + 1] - other - row[j] * lower[j]) / lower[j + 1];
                    }
                }
                finish(first, i)?;
                second[i] = (second[i] - dot(&second[..i], &first[..i])) / first[i];
                finish(second, i + 1)?;
            } else {
                for j in 0..i {
                    let other = &above[j * n..j * n + j + 1];
                    first[j] = (first[j] - dot(&first[..j], &other[..j])) / other[j];
                }
                finish(first, i)?;
            }
        }
        Some(Factor { scale, rows: self.rows })
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

/// Sums of products of each of two rows with each of two others, of one length.
fn products(a: [&[f64]; 2], b: [&[f64]; 2]) -> [[f64; 2]; 2] {
    let mut lanes = [[[0.0; 4]; 2]; 2];
    let [a0, a1, b0, b1] = [a[0], a[1], b[0], b[1]].map(|row| row.as_chunks::<4>());
    for (((x0, x1), y0), y1) in a0.0.iter().zip(a1.0).zip(b0.0).zip(b1.0) {
        for k in 0..4 {
            lanes[0][0][k] += x0[k] * y0[k];
            lanes[0][1][k] += x0[k] * y1[k];
            lanes[1][0][k] += x1[k] * y0[k];
            lanes[1][1][k] += x1[k] * y1[k];
        }
    }
    let mut sums = lanes.map(|row| row.map(|lanes| lanes.iter().sum::<f64>()));
    for (((x0, x1), y0), y1) in a0.1.iter().zip(a1.1).zip(b0.1).zip(b1.1) {
        sums[0][0] += x0 * y0;
        sums[0][1] += x0 * y1;
        sums[1][0] += x1 * y0;
        sums[1][1] += x1 * y1;
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
}
