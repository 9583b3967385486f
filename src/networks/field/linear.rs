//! Φ as a sum of simple potentials: ½v² + Φ(x) = constant along a stream is a linear problem.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::expansion::{Expansion, HARMONICS, Term};
use tch::Tensor;

use super::conserved::Form;
use super::evidence::{Energies, Momenta, scatter, understated};
use super::latent::{Known, Latent, Star};
use super::noisy::settle;
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
    /// The ridge chosen; 0 of a field that was fitted otherwise, as those of stars with errors are.
    pub ridge: f64,
    /// Mean absolute deviation of the energy on streams left out of the fit, (km/s)². Of a field from the rates of the actions, their mean
    /// absolute rate there, (km/s)². 0 of a field of `fit_galaxy`, which judges streams by their likelihood.
    pub held_out_spread: f64,
    /// Distance of the farthest star that it was learned from, kpc.
    pub extent: f64,
    /// Fields that each lack one part of the streams, by which a jackknife tells how well this one is known; none of a field that was fitted otherwise.
    pub others: Vec<Expansion>,
    /// By how much what these say is too little; see [`understated`].
    pub understated: f64,
}

/// A field with what its streams say of it.
#[derive(Debug)]
pub struct Fitted {
    /// The field.
    pub field: LinearField,
    /// Energies along each stream in the field that was found without it.
    pub held_out: Energies,
    /// L_z along each stream, where it is to be the same.
    pub momenta: Option<Momenta>,
    /// How much the acceleration at the stars depends on which streams were learned from, relative; see [`scatter`].
    pub scatter: f64,
}

impl LinearField {
    /// The file's content.
    pub(super) fn to_weights(&self) -> Result<Weights, Error> {
        let rows = |field: &Expansion| {
            field
                .terms()
                .iter()
                .flat_map(|term| term.to_row())
                .collect::<Vec<f64>>()
        };
        let mut weights = Weights::default();
        weights.insert("terms", &Tensor::from_slice(&rows(&self.expansion)).view([-1, 3]));
        weights.insert("coefficients", &Tensor::from_slice(self.expansion.coefficients()));
        if !self.others.is_empty() {
            let count = self.others.len() as i64;
            let terms: Vec<f64> = self.others.iter().flat_map(rows).collect();
            let coefficients: Vec<f64> = self
                .others
                .iter()
                .flat_map(|field| field.coefficients().to_vec())
                .collect();
            weights.insert("other_terms", &Tensor::from_slice(&terms).view([count, -1, 3]));
            weights.insert(
                "other_coefficients",
                &Tensor::from_slice(&coefficients).view([count, -1]),
            );
            weights.insert_json("others", &"left_out")?;
            weights.insert_json("understated", &self.understated)?;
        }
        NetworkKind::LinearField.write(&mut weights);
        weights.insert_json("ridge", &self.ridge)?;
        weights.insert_json("held_out_spread", &self.held_out_spread)?;
        weights.insert_json("extent", &self.extent)?;
        Ok(weights)
    }

    pub(super) fn from_weights(weights: &Weights) -> Result<Self, Error> {
        let field = |terms: &Tensor, coefficients: &Tensor| {
            let rows = Vec::<f64>::try_from(terms.contiguous().view(-1))?;
            let coefficients = Vec::<f64>::try_from(coefficients.contiguous().view(-1))?;
            let terms: Option<Vec<Term>> = rows
                .chunks(3)
                .map(|row| Term::from_row([*row.first()?, *row.get(1)?, *row.get(2)?]))
                .collect();
            let expansion = terms.and_then(|terms| Expansion::new(terms, coefficients));
            expansion.ok_or_else(|| Error::Data("the file holds no linear field".to_owned()))
        };
        let mut understated = 1.0;
        let others = match weights.tensor("other_terms") {
            Ok(terms) => {
                understated = weights.json("understated")?;
                let coefficients = weights.tensor("other_coefficients")?;
                let count = terms.size().first().copied().unwrap_or(0);
                (0..count)
                    .map(|other| field(&terms.f_get(other)?, &coefficients.f_get(other)?))
                    .collect::<Result<_, Error>>()?
            }
            Err(_) => Vec::new(),
        };
        Ok(Self {
            expansion: field(weights.tensor("terms")?, weights.tensor("coefficients")?)?,
            others,
            understated,
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

/// What is asked of a field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Whether it is axisymmetric: then L_z is conserved along a stream, which tells of stars with errors where they are. If not, it is but
    /// for its torque, and for a spread that the stars' likelihood chooses.
    pub axisymmetric: bool,
    /// A field that it is near to: it is shrunk to this one, or to none.
    pub near: Option<&'a Expansion>,
}

impl Asked<'_> {
    /// Whether L_z is the same along a stream: all of the field is axisymmetric, with what it is near to.
    pub(super) fn conserves_momentum(&self) -> bool {
        self.axisymmetric
            && self
                .near
                .is_none_or(|near| near.terms().iter().all(Term::is_axisymmetric))
    }
}

/// Φ by least squares over the energies of the stars of each stream, with the ridge that predicts left-out streams best.
///
/// Stars that are `known` with errors are where the energies of their streams make them likeliest to be; see [`super::latent`]. Then the
/// coefficients have priors as wide as makes the stars likeliest, in place of the ridge; see the module `priors`.
///
/// **Fails when** there are no two streams of two stars.
pub fn fit_linear(streams: &[Vec<Known>], asked: Asked) -> Result<Fitted, Error> {
    let seen = |star: &Known| {
        star.at(&[0.0; 6])
            .ok_or_else(|| Error::Data("a star has no positive distance, or no v_los".to_owned()))
    };
    let streams: Vec<&Vec<Known>> = streams.iter().filter(|stream| stream.len() > 1).collect();
    let points = streams
        .iter()
        .map(|stream| stream.iter().map(seen).collect::<Result<Vec<_>, _>>());
    let points: Vec<Vec<PhaseSpace>> = points.collect::<Result<_, _>>()?;
    if points.len() < 2 {
        let message = "a field needs at least two streams of at least two stars each";
        return Err(Error::Data(message.to_owned()));
    }
    let mut distances: Vec<f64> = points
        .iter()
        .flatten()
        .map(|point| point.x.iter().map(|c| c * c).sum::<f64>().sqrt())
        .collect();
    distances.sort_by(f64::total_cmp);
    let terms = basis(distances[distances.len() / 2], asked.axisymmetric);
    let has_errors = streams.iter().copied().flatten().any(Known::has_errors);
    let mut form = Form {
        terms: &terms,
        mean: asked.near,
        with_momentum: false,
    };
    let exact = points
        .iter()
        .map(|stream| form.rows(&stream.iter().map(Star::exact).collect::<Vec<_>>()));
    let mut chosen = form.fit(&exact.collect::<Vec<_>>())?;
    let mut deviations = None;
    if has_errors {
        form.with_momentum = true;
        let first = asked.near.cloned().unwrap_or(chosen.field);
        let settled = settle(&streams, &form, asked, first)?;
        chosen = settled.chosen;
        deviations = Some(settled.deviations);
    }
    let mut held_out = Energies::default();
    let folds = chosen.others.len();
    for (fold, field) in chosen.others.iter().enumerate() {
        for (number, stream) in points.iter().enumerate().skip(fold).step_by(folds) {
            held_out.add(field, stream, deviations.as_ref().map(|all| all[number].as_slice()));
        }
    }
    let momenta = match asked.conserves_momentum() {
        true => Some(momenta(&streams, &points, has_errors.then_some(&chosen.field))?),
        false => None,
    };
    let places: Vec<[f64; 3]> = points.iter().flatten().map(|point| point.x).collect();
    Ok(Fitted {
        momenta,
        scatter: scatter(&chosen.field, &chosen.others, &places),
        field: LinearField {
            // Of stars with errors energies deviate by those.
            understated: match has_errors {
                true => 1.0,
                false => understated(&chosen.field, &chosen.others, &points),
            },
            expansion: chosen.field,
            ridge: chosen.ridge,
            held_out_spread: held_out.spread(),
            extent: extent(&places),
            others: chosen.others,
        },
        held_out,
    })
}

/// L_z along the streams as they were seen; with a field of stars that have errors.
fn momenta(streams: &[&Vec<Known>], points: &[Vec<PhaseSpace>], noisy: Option<&Expansion>) -> Result<Momenta, Error> {
    let mut momenta = Momenta::default();
    let stars = noisy.map(|field| Latent::new(streams).linearised(field)).transpose()?;
    for (number, points) in points.iter().enumerate() {
        let error = |star: &Star| star.covariance[1][1].sqrt();
        let errors: Option<Vec<f64>> = stars.as_ref().map(|all| all[number].iter().map(error).collect());
        momenta.add(points, errors.as_deref());
    }
    Ok(momenta)
}

/// Streams of stars without errors, and of stars that have the same.
pub fn known(streams: &[Vec<PhaseSpace>], errors: Errors) -> Vec<Vec<Known>> {
    let of = |stream: &Vec<PhaseSpace>| stream.iter().map(|&point| Known::Point(point, errors)).collect();
    streams.iter().map(of).collect()
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
