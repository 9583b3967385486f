//! The common actions of a stream and the missing velocities of its stars, by weighted least squares.

use dynamics::statistics::median;
use dynamics::vector::{cross, dot};

use super::curves::{Curves, middle};

/// Scaled residual at which a star counts half.
const ROBUST: f64 = 2.5;

/// Least scale of an action where none is measured, in units of that of all.
const LEAST_SHARE: f64 = 0.2;

/// A 3-vector or 3 × 3 matrix in plain numbers, for one star.
type V3 = [f64; 3];
type M3 = [V3; 3];

/// What a stream's fit says of its members.
pub(super) struct Fit {
    /// Change of each member's velocity.
    pub steps: Vec<f64>,
    /// Their standard deviations.
    pub deviations: Vec<f64>,
    /// What is left of each member's actions, along which its velocity has no say; km/s kpc.
    pub residuals: Vec<V3>,
}

impl Curves {
    /// Common actions and velocities of a stream by weighted least squares.
    pub fn fit(&self, members: &[usize], is_open: &[bool], scales: &V3) -> Fit {
        let scaled = |vector: &V3| [0, 1, 2].map(|axis| vector[axis] / scales[axis]);
        let actions: Vec<V3> = members
            .iter()
            .map(|row| scaled(&self.actions[self.place[row]]))
            .collect();
        let slopes: Vec<V3> = members
            .iter()
            .map(|row| scaled(&self.slopes[self.place[row]]))
            .collect();
        let projections: Vec<M3> = members
            .iter()
            .zip(&slopes)
            .map(|(row, slope)| if is_open[*row] { across(slope) } else { IDENTITY })
            .collect();
        let mut weights = vec![1.0; members.len()];
        let mut common = middle(&actions);
        let mut information = IDENTITY;
        for _ in 0..5 {
            let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
            for ((actions, projection), weight) in actions.iter().zip(&projections).zip(&weights) {
                let projected = times(projection, *actions);
                for i in 0..3 {
                    right[i] += weight * projected[i];
                    (0..3).for_each(|j| matrix[i][j] += weight * projection[i][j]);
                }
            }
            // Where all curves are parallel there is no meeting point along them: stay near the middle.
            (0..3).for_each(|i| {
                matrix[i][i] += 1e-9;
                right[i] += 1e-9 * common[i];
            });
            let Some(inverse) = inverse(&matrix) else { break };
            information = inverse;
            common = times(&inverse, right);
            for ((actions, projection), weight) in actions.iter().zip(&projections).zip(&mut weights) {
                let away = times(projection, minus(*actions, common));
                *weight = 1.0 / (1.0 + dot(away, away) / (ROBUST * ROBUST));
            }
        }
        let mut fit = Fit {
            steps: Vec::new(),
            deviations: Vec::new(),
            residuals: Vec::new(),
        };
        for ((actions, slope), projection) in actions.iter().zip(&slopes).zip(&projections) {
            let away = minus(*actions, common);
            let square = dot(*slope, *slope).max(1e-12);
            fit.steps.push(-dot(*slope, away) / square);
            let of_common = dot(*slope, times(&information, *slope)) / (square * square);
            fit.deviations.push((1.0 / square + of_common).sqrt());
            let left = times(projection, away);
            fit.residuals.push([0, 1, 2].map(|axis| left[axis] * scales[axis]));
        }
        fit
    }
}

/// Scales from what is left of actions that the velocities were fitted to: 1.48 median |residual|, but none below a part of that of all
/// three. A velocity can make one action agree exactly, whose scale would vanish and rule alone.
pub(super) fn scales_of(leftovers: &[Vec<f64>; 3], floor: f64) -> V3 {
    // Of three actions of a star one is used up by its velocity.
    let used = 1.48 * 1.5_f64.sqrt();
    let sizes = |of: &[f64]| used * median(of.iter().map(|left| left.abs()).collect()).unwrap_or(0.0);
    let least = (LEAST_SHARE * sizes(&leftovers.concat())).max(floor);
    [0, 1, 2].map(|axis| sizes(&leftovers[axis]).max(least))
}

const IDENTITY: M3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// 1 − d dᵀ/|d|².
fn across(d: &V3) -> M3 {
    let square = dot(*d, *d).max(1e-300);
    let mut matrix = IDENTITY;
    for i in 0..3 {
        for j in 0..3 {
            matrix[i][j] -= d[i] * d[j] / square;
        }
    }
    matrix
}

fn minus(a: V3, b: V3) -> V3 {
    [0, 1, 2].map(|axis| a[axis] - b[axis])
}

fn times(matrix: &M3, vector: V3) -> V3 {
    matrix.map(|row| dot(row, vector))
}

fn inverse(m: &M3) -> Option<M3> {
    let columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let determinant = dot(m[0], columns[0]);
    (determinant.abs() > 1e-300).then(|| [0, 1, 2].map(|i| [0, 1, 2].map(|j| columns[j][i] / determinant)))
}
