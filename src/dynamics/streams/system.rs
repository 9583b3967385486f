//! The equations of a Gauss–Newton step, in which each stream's own parameters are eliminated.

use super::frame::OBSERVED;
use super::galaxy::Parameter;
use super::likelihood::Judged;
use super::particles::OWN;
use super::slopes::{Slopes, mean};
use crate::linear_algebra::{Factor, Symmetric};

/// Marquardt's addition to the diagonal, relative, where nothing goes wrong.
pub(crate) const DAMPING: f64 = 1e-3;

/// Which columns there are, and what a stream's own parameters were expected to be.
pub(crate) struct Shares<'a> {
    /// Parameters that all streams share.
    pub shared: usize,
    /// All columns: those, then the stream's own.
    pub columns: usize,
    /// Means and standard deviations of the stream's own.
    pub prior: (&'a [f64], &'a [f64]),
    /// Where they are.
    pub own: &'a [f64],
}

/// One stream's part: H (second derivatives of −ln L) and g (first derivatives of ln L), with the prior of its own parameters.
pub(crate) struct Equations {
    shared: usize,
    columns: usize,
    /// Row-major, all of it.
    hessian: Vec<f64>,
    /// What the noise of the draws adds to it where it is that of their mean slopes; zero where there is one draw.
    noise: Vec<f64>,
    gradient: Vec<f64>,
    /// Marquardt's addition to the diagonal of the stream's own block, relative.
    pub damping: f64,
}

/// What to add to the parameters.
pub(crate) struct Steps {
    pub shared: Vec<f64>,
    pub own: Vec<[f64; OWN]>,
}

/// What is left of one stream's equations for the shared parameters.
pub(crate) struct Reduced {
    /// Row-major.
    pub hessian: Vec<f64>,
    pub gradient: Vec<f64>,
}

impl Equations {
    pub fn new(shares: &Shares, slopes: &[[f64; OBSERVED]], judged: &[Option<Judged>]) -> Self {
        let mut equations = Self::empty(shares);
        equations.add(slopes, judged, 1.0, |star| star.weight);
        equations.gradient(slopes, judged);
        equations.expect(shares);
        equations
    }

    /// Fisher's information from slopes of several independent draws: products of two different ones only, whose noise has no mean.
    pub fn of_draws(shares: &Shares, draws: &[Slopes], judged: &[Option<Judged>]) -> Self {
        let mut equations = Self::empty(shares);
        let count = draws.len() as f64;
        if draws.is_empty() {
            return equations;
        }
        let mean = mean(draws);
        if draws.len() > 1 {
            // Σ_{a≠b} J_aᵀ W J_b / (K(K−1)) = J̄ᵀ W J̄ − Σ_a (J_a − J̄)ᵀ W (J_a − J̄) / (K(K−1)).
            for draw in draws {
                let off = mean
                    .iter()
                    .zip(draw)
                    .map(|(mean, row)| std::array::from_fn(|k| row[k] - mean[k]));
                let off = off.collect::<Vec<_>>();
                equations.add(&off, judged, 1.0 / (count * (count - 1.0)), |star| star.information);
            }
            std::mem::swap(&mut equations.hessian, &mut equations.noise);
        }
        equations.add(&mean, judged, 1.0, |star| star.information);
        for (sum, noise) in equations.hessian.iter_mut().zip(&equations.noise) {
            *sum -= noise;
        }
        equations.gradient(&mean, judged);
        equations.expect(shares);
        equations
    }

    /// The same with slopes of watched terms, as shared parameters before the others, and with the noise of all slopes in it.
    pub fn with_watched(shares: &Shares, fitted: &Slopes, watched: &Slopes, judged: &[Option<Judged>]) -> Self {
        let count = watched.len() / judged.len().max(1);
        let rows = fitted.chunks_exact(shares.columns).zip(watched.chunks_exact(count));
        let slopes: Vec<[f64; OBSERVED]> = rows.flat_map(|(fitted, watched)| [watched, fitted].concat()).collect();
        let shares = Shares {
            shared: shares.shared + count,
            columns: shares.columns + count,
            ..*shares
        };
        let mut equations = Self::empty(&shares);
        equations.add(&slopes, judged, 1.0, |star| star.information);
        equations.gradient(&slopes, judged);
        equations.expect(&shares);
        equations
    }

    /// What is left of all streams together, where other parameters than theirs are eliminated next.
    pub fn of_reduced(shares: &Shares, all: &[Reduced]) -> Self {
        let mut equations = Self::empty(shares);
        for one in all {
            let hessian = equations.hessian.iter_mut().zip(&one.hessian);
            let gradient = equations.gradient.iter_mut().zip(&one.gradient);
            hessian.chain(gradient).for_each(|(sum, value)| *sum += value);
        }
        equations.expect(shares);
        equations
    }

    /// Gives back a part of the noise that was taken off: all of it makes the matrix positive definite.
    pub fn noisier(&mut self, part: f64) {
        for (sum, noise) in self.hessian.iter_mut().zip(&self.noise) {
            *sum += part * noise;
        }
    }

    fn empty(shares: &Shares) -> Self {
        Self {
            shared: shares.shared,
            columns: shares.columns,
            hessian: vec![0.0; shares.columns * shares.columns],
            noise: vec![0.0; shares.columns * shares.columns],
            gradient: vec![0.0; shares.columns],
            damping: DAMPING,
        }
    }

    /// Adds `factor` · Σ w Jᵀ C⁻¹ J.
    fn add(
        &mut self,
        slopes: &[[f64; OBSERVED]],
        judged: &[Option<Judged>],
        factor: f64,
        weight: impl Fn(&Judged) -> f64,
    ) {
        let n = self.columns;
        for (star, rows) in judged.iter().zip(slopes.chunks_exact(n)) {
            let Some(star) = star else { continue };
            for (i, row) in rows.iter().enumerate() {
                let weighed: [f64; OBSERVED] = std::array::from_fn(|k| {
                    factor * weight(star) * (0..OBSERVED).map(|l| row[l] * star.inverse[l][k]).sum::<f64>()
                });
                for (j, other) in rows.iter().enumerate().take(i + 1) {
                    self.hessian[i * n + j] += (0..OBSERVED).map(|k| weighed[k] * other[k]).sum::<f64>();
                }
            }
        }
        for i in 0..n {
            for j in 0..i {
                self.hessian[j * n + i] = self.hessian[i * n + j];
            }
        }
    }

    /// Adds Σ w Jᵀ C⁻¹ (observed − predicted).
    fn gradient(&mut self, slopes: &[[f64; OBSERVED]], judged: &[Option<Judged>]) {
        for (star, rows) in judged.iter().zip(slopes.chunks_exact(self.columns)) {
            let Some(star) = star else { continue };
            let pull: [f64; OBSERVED] = std::array::from_fn(|k| {
                star.weight
                    * (0..OBSERVED)
                        .map(|l| star.inverse[k][l] * star.residual[l])
                        .sum::<f64>()
            });
            for (sum, row) in self.gradient.iter_mut().zip(rows) {
                *sum += (0..OBSERVED).map(|k| row[k] * pull[k]).sum::<f64>();
            }
        }
    }

    fn expect(&mut self, shares: &Shares) {
        let (mean, deviation) = shares.prior;
        for k in 0..self.columns - self.shared {
            let place = self.shared + k;
            let weight = deviation[k].powi(-2);
            self.hessian[place * self.columns + place] += weight;
            self.gradient[place] += weight * (mean[k] - shares.own[k]);
        }
    }

    /// The stream's own block, factored, with its coupling to the shared parameters: H_qq, H_qq⁻¹ H_qp (by shared column) and H_qq⁻¹ g_q.
    fn eliminate(&self, damping: f64) -> Option<(Vec<Vec<f64>>, Vec<f64>)> {
        let (n, shared) = (self.columns, self.shared);
        let own = n - shared;
        let mut matrix = Symmetric::zeros(own);
        for i in 0..own {
            for j in 0..=i {
                *matrix.at(i, j) = self.hessian[(shared + i) * n + shared + j];
            }
        }
        let factor: Factor = matrix.factor(|_| damping)?;
        let column = |place: usize| {
            (0..own)
                .map(|i| self.hessian[(shared + i) * n + place])
                .collect::<Vec<f64>>()
        };
        let mut coupled: Vec<Vec<f64>> = (0..shared).map(column).collect();
        coupled.iter_mut().for_each(|column| factor.solve(column));
        let mut side = self.gradient[shared..].to_vec();
        factor.solve(&mut side);
        Some((coupled, side))
    }

    /// Covariance that the noise of the draws gives the gradient that is left for the shared parameters: T N Tᵀ, T = (1, −H_pq H_qq⁻¹).
    pub fn reduced_noise(&self, damping: f64) -> Option<Vec<f64>> {
        let (n, shared) = (self.columns, self.shared);
        let (coupled, _) = self.eliminate(damping)?;
        let row = |i: usize| (0..n).map(move |k| if k == i { 1.0 } else { 0.0 });
        let project = |i: usize| -> Vec<f64> {
            let own = coupled[i].iter().map(|value| -value);
            row(i).take(shared).chain(own).collect()
        };
        let rows: Vec<Vec<f64>> = (0..shared).map(project).collect();
        let mut reduced = vec![0.0; shared * shared];
        for (i, left) in rows.iter().enumerate() {
            let times: Vec<f64> = (0..n)
                .map(|k| {
                    left.iter()
                        .enumerate()
                        .map(|(l, value)| value * self.noise[l * n + k])
                        .sum()
                })
                .collect();
            for (j, right) in rows.iter().enumerate() {
                reduced[i * shared + j] = times.iter().zip(right).map(|(a, b)| a * b).sum();
            }
        }
        Some(reduced)
    }

    /// What is left for the shared parameters.
    pub fn reduce(&self, damping: f64) -> Option<Reduced> {
        let (n, shared) = (self.columns, self.shared);
        let (coupled, side) = self.eliminate(damping)?;
        let mut hessian = vec![0.0; shared * shared];
        let mut gradient = self.gradient[..shared].to_vec();
        for i in 0..shared {
            let row = &self.hessian[i * n + shared..(i + 1) * n];
            let dot = |other: &[f64]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            gradient[i] -= dot(&side);
            for j in 0..shared {
                hessian[i * shared + j] = self.hessian[i * n + j] - dot(&coupled[j]);
            }
        }
        Some(Reduced { hessian, gradient })
    }

    /// The step of all parameters from `values`; none if a matrix is not positive definite.
    pub fn solve(all: &[Self], parameters: &[Parameter], values: &[f64]) -> Option<Steps> {
        let shared = parameters.len();
        let mut step = vec![0.0; shared];
        if shared > 0 {
            let mut matrix = Symmetric::zeros(shared);
            for (i, parameter) in parameters.iter().enumerate() {
                let weight = parameter.deviation.powi(-2);
                *matrix.at(i, i) += weight;
                step[i] += weight * (parameter.mean - values[i]);
            }
            for one in all {
                let reduced = one.reduce(one.damping)?;
                for (i, step) in step.iter_mut().enumerate() {
                    *step += reduced.gradient[i];
                    for j in 0..=i {
                        *matrix.at(i, j) += reduced.hessian[i * shared + j];
                    }
                }
            }
            matrix.factor(|_| DAMPING)?.solve(&mut step);
        }
        let own = all.iter().map(|one| {
            let (coupled, side) = one.eliminate(one.damping)?;
            Some(std::array::from_fn(|k| {
                let back = |step: &f64, column: &Vec<f64>| step * column.get(k).copied().unwrap_or(0.0);
                side.get(k).copied().unwrap_or(0.0)
                    - step
                        .iter()
                        .zip(&coupled)
                        .map(|(step, column)| back(step, column))
                        .sum::<f64>()
            }))
        });
        Some(Steps {
            own: own.collect::<Option<Vec<_>>>()?,
            shared: step,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::generator;
    use rand::Rng;

    /// Observables that are linear in the parameters: one step without damping would find them; the damped one nearly does.
    #[test]
    fn a_linear_problem_is_solved_in_a_few_steps() {
        let (shared, columns, stars) = (3, 3 + OWN, 40);
        let mut random = generator(1, 0);
        let mut number = || random.random_range(-1.0..1.0);
        let truth: Vec<f64> = (0..shared).map(|_| number()).collect();
        let parameters: Vec<Parameter> = (0..shared)
            .map(|_| Parameter {
                name: String::new(),
                mean: 0.0,
                deviation: 1e3,
                step: 1.0,
            })
            .collect();
        let own_truth: Vec<[f64; OWN]> = (0..4).map(|_| std::array::from_fn(|_| number())).collect();
        let slopes: Vec<Vec<[f64; OBSERVED]>> = (0..4)
            .map(|_| {
                (0..stars * columns)
                    .map(|_| std::array::from_fn(|_| number()))
                    .collect()
            })
            .collect();
        let mut values = vec![0.0; shared];
        let mut own = [[0.0; OWN]; 4];
        for _ in 0..6 {
            let equations: Vec<Equations> = (0..4)
                .map(|s| {
                    let judged: Vec<Option<Judged>> = (0..stars)
                        .map(|star| {
                            let rows = &slopes[s][star * columns..(star + 1) * columns];
                            let off: Vec<f64> = (0..shared)
                                .map(|i| truth[i] - values[i])
                                .chain((0..OWN).map(|i| own_truth[s][i] - own[s][i]))
                                .collect();
                            Some(Judged {
                                ln_likelihood: 0.0,
                                membership: 1.0,
                                chi2: 0.0,
                                observables: OBSERVED,
                                weight: 1.0,
                                information: 1.0,
                                inverse: std::array::from_fn(|k| {
                                    std::array::from_fn(|l| if k == l { 1e4 } else { 0.0 })
                                }),
                                residual: std::array::from_fn(|k| {
                                    rows.iter().zip(&off).map(|(row, off)| row[k] * off).sum()
                                }),
                            })
                        })
                        .collect();
                    let shares = Shares {
                        shared,
                        columns,
                        prior: (&[0.0; OWN], &[1e3; OWN]),
                        own: &own[s],
                    };
                    let one = Equations::new(&shares, &slopes[s], &judged);
                    // Two equal draws have the same products as one.
                    let draw = &slopes[s];
                    let two = Equations::of_draws(&shares, &[draw.clone(), draw.clone()], &judged);
                    assert!(
                        one.hessian
                            .iter()
                            .zip(&two.hessian)
                            .all(|(a, b)| (a - b).abs() < 1e-6 * (1.0 + a.abs()))
                    );
                    one
                })
                .collect();
            let steps = Equations::solve(&equations, &parameters, &values).unwrap();
            values
                .iter_mut()
                .zip(steps.shared)
                .for_each(|(value, step)| *value += step);
            for (own, step) in own.iter_mut().zip(steps.own) {
                own.iter_mut().zip(step).for_each(|(value, step)| *value += step);
            }
        }
        assert!(
            values.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-6),
            "{values:?} {truth:?}"
        );
        assert!(
            own.iter()
                .flatten()
                .zip(own_truth.iter().flatten())
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }
}
