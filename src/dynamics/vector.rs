//! Vectors of three components.

/// a · b.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// a × b.
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// |a| without overflow.
pub fn norm(a: [f64; 3]) -> f64 {
    a[0].hypot(a[1]).hypot(a[2])
}

/// a + b.
pub fn sum(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a − b.
pub fn difference(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `by` · a.
pub fn scaled(a: [f64; 3], by: f64) -> [f64; 3] {
    a.map(|a| by * a)
}

/// The x of M x = b, M by its rows, by Cramer's rule; nothing where the determinant vanishes.
pub fn solve3(rows: [[f64; 3]; 3], b: [f64; 3]) -> Option<[f64; 3]> {
    let [p, q, r] = rows;
    let columns = [cross(q, r), cross(r, p), cross(p, q)];
    let determinant = dot(p, columns[0]);
    (determinant.abs() > 1e-300)
        .then(|| std::array::from_fn(|j| (0..3).map(|i| columns[i][j] * b[i]).sum::<f64>() / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_norms_are_those_of_the_axes() {
        let (a, b) = ([1.0, 2.0, 3.0], [-2.0, 0.5, 4.0]);
        let c = cross(a, b);
        assert_eq!((dot(c, a), dot(c, b)), (0.0, 0.0));
        assert_eq!(cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]);
        assert_eq!(norm([2e200, 3e200, 6e200]), 7e200);
        assert_eq!(sum(a, scaled(b, 2.0)), [-3.0, 3.0, 11.0]);
        assert_eq!(difference(sum(a, b), b), a);
    }

    #[test]
    fn three_equations_are_solved() {
        let rows = [[2.0, 1.0, -1.0], [0.5, -3.0, 2.0], [4.0, 1.0, 1.0]];
        let x = [0.3, -1.2, 2.5];
        let found = solve3(rows, rows.map(|row| dot(row, x)));
        assert!(
            found.is_some_and(|found| (0..3).all(|i| (found[i] - x[i]).abs() < 1e-15)),
            "{found:?}"
        );
        assert_eq!(solve3([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 0.0]], x), None);
    }
}
