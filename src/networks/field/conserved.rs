//! Least squares for what is conserved along streams: E = ½v² + Φ(x), and L_z where the field has that symmetry.

use dynamics::potential::Potential;
use dynamics::potential::expansion::{Expansion, Term};
use tch::Tensor;

use super::latent::Star;
use super::linear::{FOLDS, ridge_solutions, ridges};
use super::priors::Normal;
use crate::error::Error;

/// What a field is made of, and what it is near to.
pub(super) struct Form<'a> {
    pub terms: &'a [Term],
    /// The field that the sum of the terms is added to.
    pub mean: Option<&'a Expansion>,
    /// Whether L_z is conserved, too.
    pub with_momentum: bool,
}

/// Equations Σ_k c_k φ_k = E_s − ½v² − Φ_mean of the stars of a stream, each divided by its standard deviation, without what E_s and L_s say.
pub(super) struct Rows {
    /// [rows, terms].
    pub left: Vec<f64>,
    pub right: Vec<f64>,
    /// Equations less unknowns that are the stream's own.
    pub free: usize,
    /// Σ ln det V of the stars, and ln det of what the stream's own unknowns are known by.
    pub determinant: f64,
}

impl Form<'_> {
    /// The equations of a stream. Where L_z is conserved a star has two: of L_z, and of E as far as L_z says nothing of it.
    pub fn rows(&self, stars: &[Star]) -> Rows {
        let count = self.terms.len();
        let mut rows = Vec::new();
        // The columns of E_s and L_s.
        let mut own: [Vec<f64>; 2] = Default::default();
        let mut determinant = 0.0;
        for star in stars {
            let [[e, mixed], [_, l]] = star.covariance;
            let part = if self.with_momentum { mixed / l } else { 0.0 };
            let weight = 1.0 / (e - part * mixed).sqrt();
            let mean = self.mean.map_or(0.0, |mean| mean.potential(star.place));
            // The torques are of the terms, and of the mean behind them.
            let torque = |column: usize| star.along.torques.get(column).copied().unwrap_or(0.0);
            let momentum = star.momentum - torque(count);
            let right = -(star.kinetic + mean) + part * momentum;
            let values = self.terms.iter().enumerate();
            let values = values.map(|(column, term)| term.value(star.place).0 + part * torque(column));
            rows.push(values.chain([right]).map(|value| value * weight).collect::<Vec<f64>>());
            own[0].push(weight);
            own[1].push(-part * weight);
            determinant -= 2.0 * weight.ln();
            if self.with_momentum {
                let row = (0..count).map(|column| -torque(column)).chain([-momentum]);
                rows.push(row.map(|value| value / l.sqrt()).collect());
                own[0].push(0.0);
                own[1].push(1.0 / l.sqrt());
                determinant += l.ln();
            }
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let [energy, mut momentum] = own;
        let along = dot(&energy, &momentum) / dot(&energy, &energy);
        momentum.iter_mut().zip(&energy).for_each(|(to, of)| *to -= along * of);
        let used = if self.with_momentum {
            vec![energy, momentum]
        } else {
            vec![energy]
        };
        let free = rows.len() - used.len();
        for direction in used {
            let square = dot(&direction, &direction);
            determinant += square.ln();
            for column in 0..=count {
                let along = rows
                    .iter()
                    .zip(&direction)
                    .map(|(row, of)| row[column] * of)
                    .sum::<f64>()
                    / square;
                rows.iter_mut()
                    .zip(&direction)
                    .for_each(|(row, of)| row[column] -= along * of);
            }
        }
        Rows {
            left: rows.iter().flat_map(|row| row[..count].iter().copied()).collect(),
            right: rows.iter().map(|row| row[count]).collect(),
            free,
            determinant,
        }
    }

    /// The field of these coefficients.
    pub fn field(&self, coefficients: Vec<f64>) -> Result<Expansion, Error> {
        let (mut terms, mut all) = (self.terms.to_vec(), coefficients);
        if let Some(mean) = self.mean {
            terms.extend(mean.terms());
            all.extend(mean.coefficients());
        }
        let what = "the field's coefficients".to_owned();
        Expansion::new(terms, all).ok_or(Error::NotFinite { what })
    }

    /// Coefficients for every ridge, from these streams.
    fn solve(&self, streams: &[&Rows], ridges: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let all = |of: fn(&Rows) -> &[f64]| streams.iter().flat_map(|rows| of(rows)).copied().collect::<Vec<f64>>();
        let left = Tensor::from_slice(&all(|rows| &rows.left)).view([-1, self.terms.len() as i64]);
        ridge_solutions(&left, &Tensor::from_slice(&all(|rows| &rows.right)), ridges)
    }

    /// Mean |residual| of these streams.
    fn spread(&self, streams: &[&Rows], coefficients: &[f64]) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for rows in streams {
            for (left, right) in rows.left.chunks_exact(self.terms.len()).zip(&rows.right) {
                let found: f64 = left.iter().zip(coefficients).map(|(a, b)| a * b).sum();
                sum += (found - right).abs();
            }
            count += rows.right.len();
        }
        sum / count.max(1) as f64
    }

    /// The field with these widths, and those without a part of the streams.
    pub fn fit_within(&self, streams: &[Rows], widths: &[f64]) -> Result<Chosen, Error> {
        let folds = FOLDS.min(streams.len());
        let without = |fold: Option<usize>| {
            let of = streams
                .iter()
                .enumerate()
                .filter(|(number, _)| Some(number % folds) != fold);
            let kept: Vec<&Rows> = of.map(|(_, rows)| rows).collect();
            self.field(Normal::of(&kept, self.terms.len()).solve(widths)?)
        };
        Ok(Chosen {
            field: without(None)?,
            ridge: 0.0,
            others: (0..folds).map(|fold| without(Some(fold))).collect::<Result<_, _>>()?,
        })
    }

    /// The field with the ridge that predicts left-out streams best.
    pub fn fit(&self, streams: &[Rows]) -> Result<Chosen, Error> {
        let ridges = ridges();
        let folds = FOLDS.min(streams.len());
        // Of each fold, for each ridge.
        let mut spreads = Vec::new();
        let mut of_folds = Vec::new();
        for fold in 0..folds {
            let part = |is_out: bool| {
                let of = streams
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| (number % folds == fold) == is_out);
                of.map(|(_, rows)| rows).collect::<Vec<&Rows>>()
            };
            let (out, kept) = (part(true), part(false));
            let solutions = self.solve(&kept, &ridges)?;
            let found = solutions.iter().map(|solution| self.spread(&out, solution));
            spreads.push(found.collect::<Vec<f64>>());
            of_folds.push(solutions);
        }
        let mean = |i: usize| spreads.iter().map(|fold| fold[i] / folds as f64).sum::<f64>();
        let chosen = (0..ridges.len())
            .min_by(|&i, &j| mean(i).total_cmp(&mean(j)))
            .unwrap_or(0);
        let all: Vec<&Rows> = streams.iter().collect();
        let mut solutions = self.solve(&all, &ridges[chosen..=chosen])?;
        let others = of_folds
            .into_iter()
            .map(|mut solutions| self.field(solutions.swap_remove(chosen)));
        Ok(Chosen {
            field: self.field(solutions.pop().unwrap_or_default())?,
            ridge: ridges[chosen],
            others: others.collect::<Result<_, _>>()?,
        })
    }
}

/// A field, and those of all streams but a part.
pub(super) struct Chosen {
    pub field: Expansion,
    pub ridge: f64,
    pub others: Vec<Expansion>,
}
