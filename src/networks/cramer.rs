//! Systems of three equations by Cramer's rule, many at once; what has no solution is not finite.

use tch::{Kind, Tensor};

/// The cross products of each two of three rows, b × c, c × a and a × b, each (…, 3), and the determinant (…, 1).
fn normals(rows: &[Tensor; 3]) -> ([Tensor; 3], Tensor) {
    let normals: [Tensor; 3] = std::array::from_fn(|i| rows[(i + 1) % 3].linalg_cross(&rows[(i + 2) % 3], -1));
    let determinant = dot(&rows[0], &normals[0]);
    (normals, determinant)
}

fn dot(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist([-1_i64].as_slice(), true, Kind::Double)
}

/// The x of M x = b, M by its rows.
pub fn solve(rows: &[Tensor; 3], b: &Tensor) -> Tensor {
    let ([bc, ca, ab], determinant) = normals(rows);
    (bc * b.narrow(-1, 0, 1) + ca * b.narrow(-1, 1, 1) + ab * b.narrow(-1, 2, 1)) / determinant
}

/// The x of Mᵀ x = b, M by its rows.
pub fn solve_transposed(rows: &[Tensor; 3], b: &Tensor) -> Tensor {
    let (normals, determinant) = normals(rows);
    Tensor::cat(&normals.each_ref().map(|normal| dot(normal, b) / &determinant), -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_solve_their_equations() {
        let matrix = [
            2.0, 1.0, -1.0, 0.5, -3.0, 2.0, 4.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 3.0, 0.5, 0.0, 1.0, 9.0,
        ];
        let matrix = Tensor::from_slice(&matrix).view([2, 3, 3]);
        let b = Tensor::from_slice(&[0.3, -1.2, 2.5, 4.0, 5.0, -6.0]).view([2, 3]);
        let rows = [0, 1, 2].map(|i| matrix.select(-2, i));
        let left = |matrix: &Tensor, x: &Tensor| matrix.matmul(&x.unsqueeze(-1)).squeeze_dim(-1) - &b;
        let of = solve(&rows, &b);
        let of_transposed = solve_transposed(&rows, &b);
        for left in [left(&matrix, &of), left(&matrix.transpose(-1, -2), &of_transposed)] {
            assert!(left.abs().max().double_value(&[]) < 1e-14, "{left:?}");
        }
        let singular = [0, 0, 1].map(|i| matrix.select(-2, i));
        assert_eq!(solve(&singular, &b).isfinite().any().int64_value(&[]), 0);
    }
}
