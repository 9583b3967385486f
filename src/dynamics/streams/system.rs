//! The equations of a Gauss–Newton step, in which each stream's own parameters are eliminated.

use super::frame::OBSERVED;
use super::galaxy::Parameter;
use super::likelihood::Judged;
use super::noisy::told;
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
    /// Fisher's information, as far as it is known: what `hessian` would be were there no noise of finitely many particles.
    information: Vec<f64>,
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
    /// Of slopes whose noise is not known yet: what a search begins with.
    pub fn new(shares: &Shares, slopes: &[[f64; OBSERVED]], judged: &[Option<Judged>]) -> Self {
        Self::of_slopes(shares, slopes, judged, |star| star.weight)
    }

    /// Of slopes without noise.
    pub fn exact(shares: &Shares, slopes: &[[f64; OBSERVED]], judged: &[Option<Judged>]) -> Self {
        Self::of_slopes(shares, slopes, judged, |star| star.information)
    }

    fn of_slopes(
        shares: &Shares,
        slopes: &[[f64; OBSERVED]],
        judged: &[Option<Judged>],
        weight: impl Fn(&Judged) -> f64,
    ) -> Self {
        let mut equations = Self::empty(shares);
        equations.hessian = products(shares.columns, slopes, judged, weight);
        equations.information.clone_from(&equations.hessian);
        equations.gradient = gradient(shares.columns, slopes, judged);
        equations.expect(shares);
        equations
    }

    /// The same equations with Fisher's information of others.
    pub fn informed_by(self, other: Self) -> Self {
        let information = other.information;
        Self { information, ..self }
    }

    /// Of the mean of slopes of several independent draws, whose noise their scatter tells (module `noisy`). Of each star only the part `parts` counts.
    pub fn of_draws(shares: &Shares, draws: &[Slopes], judged: &[Option<Judged>], parts: &[f64]) -> Self {
        let mut equations = Self::empty(shares);
        if draws.is_empty() {
            return equations;
        }
        let (n, count) = (shares.columns, draws.len() as f64);
        let mean = mean(draws);
        let share = |power: i32| -> Vec<Option<Judged>> {
            let stars = judged.iter().zip(parts);
            stars
                .map(|(star, part)| Some(star.clone()?.share(part.powi(power))))
                .collect()
        };
        let judged = share(1);
        let mut information = products(n, &mean, &judged, |star| star.information);
        // Products of two different draws alone: Σ_{a≠b} J_aᵀ W J_b / (K(K−1)) = J̄ᵀ W J̄ − Σ_a (J_a − J̄)ᵀ W (J_a − J̄) / (K(K−1)).
        for draw in draws {
            let off = mean.iter().zip(draw);
            let off: Slopes = off
                .map(|(mean, row)| std::array::from_fn(|k| row[k] - mean[k]))
                .collect();
            let noise = products(n, &off, &judged, |star| star.information / (count * (count - 1.0)));
            information.iter_mut().zip(noise).for_each(|(sum, noise)| *sum -= noise);
        }
        // Scores of a part λ of a star have the variance λ² of it.
        let spread = products(n, &mean, &share(2), |star| star.information);
        let told = told(&spread, &information, &gradient(n, &mean, &judged));
        (equations.hessian, equations.information, equations.gradient) =
            (told.conveyed, told.information, told.gradient);
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
        Self::exact(&shares, &slopes, judged)
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

    fn empty(shares: &Shares) -> Self {
        Self {
            shared: shares.shared,
            columns: shares.columns,
            hessian: vec![0.0; shares.columns * shares.columns],
            information: vec![0.0; shares.columns * shares.columns],
            gradient: vec![0.0; shares.columns],
            damping: DAMPING,
        }
    }

    fn expect(&mut self, shares: &Shares) {
        let (mean, deviation) = shares.prior;
        for k in 0..self.columns - self.shared {
            let place = self.shared + k;
            let weight = deviation[k].powi(-2);
            self.hessian[place * self.columns + place] += weight;
            self.information[place * self.columns + place] += weight;
            self.gradient[place] += weight * (mean[k] - shares.own[k]);
        }
    }

    /// The stream's own block of a matrix of all columns, factored, with its coupling to the shared parameters: H_qq⁻¹ H_qp (by shared column) and
    /// H_qq⁻¹ g_q.
    fn eliminate(&self, matrix: &[f64], damping: f64) -> Option<(Vec<Vec<f64>>, Vec<f64>)> {
        let (n, shared) = (self.columns, self.shared);
        let own = n - shared;
        let mut block = Symmetric::zeros(own);
        for i in 0..own {
            for j in 0..=i {
                *block.at(i, j) = matrix[(shared + i) * n + shared + j];
            }
        }
        let factor: Factor = block.factor(|_| damping)?;
        let column = |place: usize| (0..own).map(|i| matrix[(shared + i) * n + place]).collect::<Vec<f64>>();
        let mut coupled: Vec<Vec<f64>> = (0..shared).map(column).collect();
        coupled.iter_mut().for_each(|column| factor.solve(column));
        let mut side = self.gradient[shared..].to_vec();
        factor.solve(&mut side);
        Some((coupled, side))
    }

    /// T = (1, −H_pq H_qq⁻¹), which takes what all columns say to what is left for the shared ones, by row.
    pub fn projection(&self, damping: f64) -> Option<Vec<Vec<f64>>> {
        let (coupled, _) = self.eliminate(&self.hessian, damping)?;
        let row = |(i, coupled): (usize, &Vec<f64>)| {
            let one = (0..self.shared).map(|k| if k == i { 1.0 } else { 0.0 });
            one.chain(coupled.iter().map(|value| -value)).collect()
        };
        Some(coupled.iter().enumerate().map(row).collect())
    }

    /// What is left for the shared parameters.
    pub fn reduce(&self, damping: f64) -> Option<Reduced> {
        self.reduced(&self.hessian, damping)
    }

    /// The same of Fisher's information, with the gradient of the others.
    pub fn reduce_information(&self, damping: f64) -> Option<Reduced> {
        self.reduced(&self.information, damping)
    }

    fn reduced(&self, matrix: &[f64], damping: f64) -> Option<Reduced> {
        let (n, shared) = (self.columns, self.shared);
        let (coupled, side) = self.eliminate(matrix, damping)?;
        let mut hessian = vec![0.0; shared * shared];
        let mut gradient = self.gradient[..shared].to_vec();
        for i in 0..shared {
            let row = &matrix[i * n + shared..(i + 1) * n];
            let dot = |other: &[f64]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            gradient[i] -= dot(&side);
            for j in 0..shared {
                hessian[i * shared + j] = matrix[i * n + j] - dot(&coupled[j]);
            }
        }
        Some(Reduced { hessian, gradient })
    }

    /// What all streams say of the shared parameters at `values`, with the priors: the factored matrix, and the gradient.
    pub fn together(all: &[Self], parameters: &[Parameter], values: &[f64]) -> Option<(Factor, Vec<f64>)> {
        let shared = parameters.len();
        let mut gradient = vec![0.0; shared];
        let mut matrix = Symmetric::zeros(shared);
        for (i, parameter) in parameters.iter().enumerate() {
            let weight = parameter.deviation.powi(-2);
            *matrix.at(i, i) += weight;
            gradient[i] += weight * (parameter.mean - values[i]);
        }
        for one in all {
            let reduced = one.reduce(one.damping)?;
            for (i, gradient) in gradient.iter_mut().enumerate() {
                *gradient += reduced.gradient[i];
                for j in 0..=i {
                    *matrix.at(i, j) += reduced.hessian[i * shared + j];
                }
            }
        }
        Some((matrix.factor(|_| DAMPING)?, gradient))
    }

    /// The step of all parameters from `values`; none if a matrix is not positive definite.
    pub fn solve(all: &[Self], parameters: &[Parameter], values: &[f64]) -> Option<Steps> {
        let (factor, mut step) = Self::together(all, parameters, values)?;
        factor.solve(&mut step);
        let own = all.iter().map(|one| {
            let (coupled, side) = one.eliminate(&one.hessian, one.damping)?;
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

/// Σ w Jᵀ C⁻¹ J, row-major.
fn products(
    columns: usize,
    slopes: &[[f64; OBSERVED]],
    judged: &[Option<Judged>],
    weight: impl Fn(&Judged) -> f64,
) -> Vec<f64> {
    let n = columns;
    let mut sums = vec![0.0; n * n];
    for (star, rows) in judged.iter().zip(slopes.chunks_exact(n)) {
        let Some(star) = star else { continue };
        for (i, row) in rows.iter().enumerate() {
            let weighed: [f64; OBSERVED] =
                std::array::from_fn(|k| weight(star) * (0..OBSERVED).map(|l| row[l] * star.inverse[l][k]).sum::<f64>());
            for (j, other) in rows.iter().enumerate().take(i + 1) {
                sums[i * n + j] += (0..OBSERVED).map(|k| weighed[k] * other[k]).sum::<f64>();
            }
        }
    }
    for i in 0..n {
        for j in 0..i {
            sums[j * n + i] = sums[i * n + j];
        }
    }
    sums
}

/// Σ w Jᵀ C⁻¹ (observed − predicted).
fn gradient(columns: usize, slopes: &[[f64; OBSERVED]], judged: &[Option<Judged>]) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (star, rows) in judged.iter().zip(slopes.chunks_exact(columns)) {
        let Some(star) = star else { continue };
        let pull: [f64; OBSERVED] = std::array::from_fn(|k| {
            let all = star.inverse[k].iter().zip(&star.residual);
            star.weight * all.map(|(inverse, residual)| inverse * residual).sum::<f64>()
        });
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum += (0..OBSERVED).map(|k| row[k] * pull[k]).sum::<f64>();
        }
    }
    sums
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
                    // Two equal draws tell what one does; and so does half of each star, as halves have a quarter of the variance.
                    let draw = &slopes[s];
                    for part in [1.0, 0.5] {
                        let draws = [draw.clone(), draw.clone()];
                        let two = Equations::of_draws(&shares, &draws, &judged, &vec![part; stars]);
                        let same = |one: &[f64], two: &[f64]| {
                            let mut pairs = one.iter().zip(two);
                            pairs.all(|(a, b)| (a - b).abs() < 1e-6 * (1.0 + a.abs()))
                        };
                        assert!(same(&one.hessian, &two.hessian) && same(&one.gradient, &two.gradient));
                    }
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
