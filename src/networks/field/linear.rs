//! Φ as a sum of simple potentials: ½v² + Φ(x) = constant along a stream is a linear problem.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::potential::expansion::{Expansion, HARMONICS, Term};
use tch::Tensor;

use super::evidence::{Energies, scatter};
use super::{Errors, extent};
use crate::error::Error;
use crate::map::NetworkKind;
use crate::streams::Streams;
use crate::weights::Weights;

/// A field found by least squares: Miyamoto–Nagai discs, and multipoles where no symmetry is imposed.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearField {
    /// The field itself.
    pub expansion: Expansion,
    /// The ridge chosen; 0 of a field that was fitted otherwise.
    pub ridge: f64,
    /// Mean absolute deviation of the energy on streams left out of the fit, (km/s)². Of a field from the rates of the actions, their mean
    /// absolute rate there, (km/s)². 0 of a field of `fit_galaxy`, which judges streams by their likelihood.
    pub held_out_spread: f64,
    /// Distance of the farthest star that it was learned from, kpc.
    pub extent: f64,
}

/// A field with what its streams say of it.
#[derive(Debug)]
pub struct Fitted {
    /// The field.
    pub field: LinearField,
    /// Energies along each stream in the field that was found without it.
    pub held_out: Energies,
    /// How much the acceleration at the stars depends on which streams were learned from, relative; see [`scatter`].
    pub scatter: f64,
}

impl LinearField {
    /// The file's content.
    pub(super) fn to_weights(&self) -> Result<Weights, Error> {
        let rows: Vec<f64> = self.expansion.terms().iter().flat_map(|term| term.to_row()).collect();
        let mut weights = Weights::default();
        weights.insert("terms", &Tensor::from_slice(&rows).view([-1, 3]));
        weights.insert("coefficients", &Tensor::from_slice(self.expansion.coefficients()));
        NetworkKind::LinearField.write(&mut weights);
        weights.insert_json("ridge", &self.ridge)?;
        weights.insert_json("held_out_spread", &self.held_out_spread)?;
        weights.insert_json("extent", &self.extent)?;
        Ok(weights)
    }

    pub(super) fn from_weights(weights: &Weights) -> Result<Self, Error> {
        let rows = Vec::<f64>::try_from(weights.tensor("terms")?.contiguous().view(-1))?;
        let coefficients = Vec::<f64>::try_from(weights.tensor("coefficients")?.contiguous().view(-1))?;
        let terms: Option<Vec<Term>> = rows
            .chunks(3)
            .map(|row| Term::from_row([*row.first()?, *row.get(1)?, *row.get(2)?]))
            .collect();
        let expansion = terms.and_then(|terms| Expansion::new(terms, coefficients));
        Ok(Self {
            expansion: expansion.ok_or_else(|| Error::Data("the file holds no linear field".to_owned()))?,
            ridge: weights.json("ridge")?,
            held_out_spread: weights.json("held_out_spread")?,
            extent: weights.json("extent")?,
        })
    }
}

/// Scales and flattenings of the discs, for points at distances of about `length` kpc; spheres of many sizes besides.
pub(crate) fn basis(length: f64, axisymmetric: bool) -> Vec<Term> {
    let mut terms = Vec::new();
    for step in 0..15 {
        let size = length * 0.03 * 1.6_f64.powi(step);
        for flattening in [1.0, 0.6, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01] {
            terms.push(Term::Disc {
                a: size * (1.0 - flattening),
                b: size * flattening,
            });
        }
    }
    if !axisymmetric {
        for step in 0..8 {
            let scale = length * 0.1 * 2.0_f64.powi(step);
            terms.extend((0..HARMONICS).map(|order| Term::Multipole { scale, order }));
        }
    }
    terms
}

/// Equations Σ_k c_k (φ_k − ⟨φ_k⟩) = −(½v² − ⟨½v²⟩) of the stars of some streams, each divided by its standard deviation.
struct Equations {
    /// [stars, terms].
    left: Vec<f64>,
    right: Vec<f64>,
    terms: usize,
}

impl Equations {
    /// `deviation(point)` is that of the star's energy, (km/s)².
    fn new(terms: &[Term], streams: &[&[PhaseSpace]], deviation: impl Fn(&PhaseSpace) -> f64) -> Self {
        let count = terms.len();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for stream in streams {
            let weights: Vec<f64> = stream.iter().map(|point| deviation(point).powi(-2)).collect();
            let total: f64 = weights.iter().sum();
            let mut rows: Vec<Vec<f64>> = stream
                .iter()
                .map(|point| {
                    let values = terms.iter().map(|term| term.value(point.x).0);
                    values.chain([-point.kinetic_energy()]).collect()
                })
                .collect();
            for column in 0..=count {
                let sum: f64 = rows
                    .iter()
                    .zip(&weights)
                    .map(|(row, weight)| row[column] * weight)
                    .sum();
                rows.iter_mut().for_each(|row| row[column] -= sum / total);
            }
            for (row, weight) in rows.iter().zip(&weights) {
                left.extend(row[..count].iter().map(|value| value * weight.sqrt()));
                right.push(row[count] * weight.sqrt());
            }
        }
        Self {
            left,
            right,
            terms: count,
        }
    }

    /// Solutions for every ridge (relative to the largest singular value squared), from one singular value decomposition.
    fn solve(&self, ridges: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let left = Tensor::from_slice(&self.left).view([-1, self.terms as i64]);
        ridge_solutions(&left, &Tensor::from_slice(&self.right), ridges)
    }
}

/// Least-squares solutions of `left` [rows, terms] c = `right` [rows] for every ridge (relative to the largest singular value
/// squared), from one singular value decomposition.
pub(crate) fn ridge_solutions(left: &Tensor, right: &Tensor, ridges: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
    // The triangle of a QR factorisation has the same singular values and is small.
    let (q, r) = Tensor::f_linalg_qr(left, "reduced")?;
    let (u, s, v) = r.f_svd(true, true)?;
    let right = u.tr().matmul(&q.tr().matmul(right));
    let largest = s.max().double_value(&[]);
    let solution = |ridge: &f64| {
        let filter = &s / (s.square() + ridge * largest * largest);
        Ok(Vec::try_from(v.matmul(&(&right * filter)))?)
    };
    ridges.iter().map(solution).collect()
}

/// Streams taken out in turn to choose the ridge.
pub(crate) const FOLDS: usize = 4;

/// Ridges that are tried.
pub(crate) fn ridges() -> Vec<f64> {
    (4..=28).map(|power| 10.0_f64.powf(-f64::from(power))).collect()
}

/// Φ by least squares over the energies of the stars of each stream, with the ridge that predicts left-out streams best.
///
/// Where the stars have `errors`, each star weighs as its energy is known: σ_E² = v²σ_v² + a²σ_x² + (0.1 km/s · |v|)², with a
/// from a fit without weights.
///
/// **Fails when** no stream has two stars.
pub fn fit_linear(streams: &Streams, axisymmetric: bool, errors: Option<Errors>) -> Result<Fitted, Error> {
    let streams: Vec<Vec<PhaseSpace>> = streams
        .points()?
        .into_iter()
        .filter(|stream| stream.len() > 1)
        .collect();
    if streams.len() < 2 {
        let message = "a field needs at least two streams of at least two stars each";
        return Err(Error::Data(message.to_owned()));
    }
    let mut distances: Vec<f64> = streams
        .iter()
        .flatten()
        .map(|point| point.x.iter().map(|c| c * c).sum::<f64>().sqrt())
        .collect();
    distances.sort_by(f64::total_cmp);
    let terms = basis(distances[distances.len() / 2], axisymmetric);
    let first = fit_weighted(&terms, &streams, None)?;
    let Some(errors) = errors else { return Ok(first) };
    let deviation = |point: &PhaseSpace| {
        let square = |y: [f64; 3]| y.iter().map(|c| c * c).sum::<f64>();
        let speed2 = errors.velocity.powi(2) + 0.01;
        let pull = first.field.expansion.acceleration(point.x);
        (square(point.v) * speed2 + square(pull) * errors.position.powi(2) + 1e-6).sqrt()
    };
    fit_weighted(&terms, &streams, Some(&deviation))
}

fn fit_weighted(
    terms: &[Term],
    streams: &[Vec<PhaseSpace>],
    known: Option<&dyn Fn(&PhaseSpace) -> f64>,
) -> Result<Fitted, Error> {
    let ridges = ridges();
    let deviation: &dyn Fn(&PhaseSpace) -> f64 = known.unwrap_or(&|_| 1.0);
    let field = |coefficients: Vec<f64>| {
        let what = "the field's coefficients".to_owned();
        Expansion::new(terms.to_vec(), coefficients).ok_or(Error::NotFinite { what })
    };
    let mut spreads = vec![0.0; ridges.len()];
    let folds = FOLDS.min(streams.len());
    let mut of_folds = Vec::new();
    for fold in 0..folds {
        let (mut kept, mut out) = (Vec::new(), Vec::new());
        for (number, stream) in streams.iter().enumerate() {
            if number % folds == fold {
                out.push(stream.clone());
            } else {
                kept.push(stream.as_slice());
            }
        }
        let solutions = Equations::new(terms, &kept, deviation).solve(&ridges)?;
        let fields: Vec<Expansion> = solutions.into_iter().map(field).collect::<Result<_, _>>()?;
        for (spread, field) in spreads.iter_mut().zip(&fields) {
            *spread += weighted_spread(field, &out, deviation) / folds as f64;
        }
        of_folds.push((fields, out));
    }
    let chosen = (0..ridges.len())
        .min_by(|&i, &j| spreads[i].total_cmp(&spreads[j]))
        .unwrap_or(0);
    let all: Vec<&[PhaseSpace]> = streams.iter().map(Vec::as_slice).collect();
    let mut solutions = Equations::new(terms, &all, deviation).solve(&ridges[chosen..=chosen])?;
    let expansion = field(solutions.pop().unwrap_or_default())?;
    let mut held_out = Energies::default();
    let mut others = Vec::new();
    for (mut fields, out) in of_folds {
        let field = fields.swap_remove(chosen);
        held_out.add(&field, &out, known);
        others.push(field);
    }
    let places: Vec<[f64; 3]> = streams.iter().flatten().map(|point| point.x).collect();
    Ok(Fitted {
        scatter: scatter(&expansion, &others, &places),
        field: LinearField {
            expansion,
            ridge: ridges[chosen],
            held_out_spread: held_out.spread(),
            extent: extent(&places),
        },
        held_out,
    })
}

/// Mean absolute deviation of the energy from the streams' means, in units of each star's deviation.
fn weighted_spread(field: &Expansion, streams: &[Vec<PhaseSpace>], deviation: &dyn Fn(&PhaseSpace) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for stream in streams {
        let stars: Vec<(f64, f64)> = stream
            .iter()
            .map(|point| (field.energy(point), deviation(point)))
            .collect();
        let (mean, total) = stars.iter().fold((0.0, 0.0), |(mean, total), (energy, deviation)| {
            (mean + energy / deviation.powi(2), total + deviation.powi(-2))
        });
        sum += stars
            .iter()
            .map(|(energy, deviation)| ((energy - mean / total) / deviation).abs())
            .sum::<f64>();
        count += stars.len();
    }
    sum / count.max(1) as f64
}

/// Streams with Gaussian errors added, for tests of what errors do.
pub fn with_errors(streams: &Streams, errors: Errors, seed: u64) -> Result<Streams, Error> {
    use rand_distr::{Distribution, StandardNormal};
    let mut random = crate::random::generator(seed, "errors", 0);
    let mut plain = streams.points()?;
    for point in plain.iter_mut().flatten() {
        let mut normal = |scale: f64| {
            let value: f64 = StandardNormal.sample(&mut random);
            value * scale
        };
        point.x = point.x.map(|c| c + normal(errors.position));
        point.v = point.v.map(|c| c + normal(errors.velocity));
    }
    Streams::of_points(&plain)
}
