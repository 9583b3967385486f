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

    /// Factors the matrix in place as L Lᵀ and solves for every right-hand side in place.
    ///
    /// The matrix is first scaled to a unit diagonal and `ridge(i)` added to it. False if it is not positive definite.
    pub(crate) fn solve(mut self, ridge: impl Fn(usize) -> f64, sides: &mut [Vec<f64>]) -> bool {
        let n = self.size;
        let scale: Vec<f64> = (0..n).map(|i| 1.0 / self.rows[i * n + i].max(1e-300).sqrt()).collect();
        for i in 0..n {
            for j in 0..=i {
                self.rows[i * n + j] *= scale[i] * scale[j];
            }
            self.rows[i * n + i] += ridge(i);
        }
        for i in 0..n {
            let (above, below) = self.rows.split_at_mut(i * n);
            let row = &mut below[..n];
            for j in 0..i {
                let other = &above[j * n..j * n + j + 1];
                let sum = dot(&row[..j], &other[..j]);
                row[j] = (row[j] - sum) / other[j];
            }
            let rest = row[i] - dot(&row[..i], &row[..i]);
            if rest.is_nan() || rest <= 0.0 {
                return false;
            }
            row[i] = rest.sqrt();
        }
        for side in sides {
            for (value, scale) in side.iter_mut().zip(&scale) {
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
            for (value, scale) in side.iter_mut().zip(&scale) {
                *value *= scale;
            }
        }
        true
    }
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
