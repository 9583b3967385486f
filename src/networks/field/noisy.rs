//! Φ from stars with errors: where they are, the coefficients, and how wide the priors of these are, in turn.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Expansion;
use dynamics::potential::expansion::Term;

use super::conserved::{Chosen, Form, Rows};
use super::latent::{Known, Latent, Star};
use super::linear::Asked;
use super::priors::{Normal, descend};
use super::torque::along;
use crate::error::Error;

/// Times that stars and field are found in turn.
const ITERATIONS: usize = 8;

/// Turns before L_z counts in a field without symmetry: the first field is too bad for the paths that torques are summed along.
const WITHOUT_MOMENTUM: usize = 2;

/// A spread of L_z, in units of |L|, by which L_z says nothing.
const LOOSE: f64 = 10.0;

/// A spread that is larger is no normal one: orbits of many turns are lost track of, and their L_z biases a field. Then it says nothing.
const MOST_SPREAD: f64 = 0.1;

/// The least spread, next to no other error.
const LEAST_SPREAD: f64 = 1e-4;

/// Decades to which widths and spreads are found.
const DECADES: f64 = 0.1;

/// Logarithms to the base 10 of what the stars' likelihood chooses.
#[derive(Debug, Clone, Default)]
struct Scales {
    /// Widths of the priors of discs and multipoles, in (km/s)² and units of the errors' scale.
    widths: [f64; 2],
    /// Spread of L_z along streams in units of |L|, of stars next to the stream's path and of others; none where L_z is conserved.
    spreads: Option<[f64; 2]>,
}

impl Scales {
    /// Those that are free, with as many groups of terms as there are.
    fn free(&self, groups: usize) -> Vec<f64> {
        let spreads = self.spreads.iter().flatten();
        self.widths[..groups].iter().chain(spreads).copied().collect()
    }

    fn with(&self, free: &[f64], groups: usize) -> Self {
        let mut scales = self.clone();
        scales.widths[..groups].copy_from_slice(&free[..groups]);
        if let (Some(spreads), [near, far]) = (&mut scales.spreads, &free[groups..]) {
            *spreads = [*near, *far];
        }
        scales
    }

    /// Without the spreads that are too large to be believed.
    fn believed(&self) -> Self {
        let mut scales = self.clone();
        for spread in scales.spreads.iter_mut().flatten() {
            if *spread > MOST_SPREAD.log10() {
                *spread = LOOSE.log10();
            }
        }
        scales
    }

    fn of(&self, terms: &[Term]) -> Vec<f64> {
        let of = |term: &Term| self.widths[usize::from(matches!(term, Term::Multipole { .. }))];
        terms.iter().map(|term| 10f64.powf(of(term))).collect()
    }
}

/// The field, and σ_E of all stars in it.
pub(super) struct Settled {
    pub chosen: Chosen,
    pub deviations: Vec<Vec<f64>>,
}

/// The field of streams of stars with errors, from a first one.
///
/// Coefficients are normal about 0, so that the field is near `form.mean`; widths, of discs and of multipoles, are those that make the stars
/// likeliest. Where nothing is known of a symmetry, so is the part of |L| that L_z is not conserved by beside its torque; see [`super::torque`].
pub(super) fn settle(streams: &[&Vec<Known>], form: &Form, asked: Asked, first: Expansion) -> Result<Settled, Error> {
    let axisymmetric = asked.axisymmetric;
    let groups = if axisymmetric { 1 } else { 2 };
    let is_turned = !asked.conserves_momentum();
    let mut latent = Latent::new(streams);
    let mut scales = Scales {
        widths: [2.0, 1.0],
        spreads: None,
    };
    let mut field = first;
    let mut settled = None;
    for iteration in 0..ITERATIONS {
        let mut stars = latent.linearised(&field)?;
        if is_turned {
            for (stars, points) in stars.iter_mut().zip(latent.points()) {
                turn(stars, &points, &field, form);
            }
        }
        if iteration == WITHOUT_MOMENTUM && !axisymmetric {
            scales.spreads = Some([-2.0, -0.5]);
        }
        let loosened = |scales: &Scales| -> Vec<Vec<Star>> {
            let spreads = match scales.spreads {
                Some(spreads) => spreads.map(|power| 10f64.powf(power).clamp(LEAST_SPREAD, LOOSE)),
                None if axisymmetric => [0.0; 2],
                None => [LOOSE; 2],
            };
            let of = |stream: &Vec<Star>| stream.iter().map(|star| star.loosened(spreads)).collect();
            stars.iter().map(of).collect()
        };
        let rows = |scales: &Scales| -> Vec<Rows> { loosened(scales).iter().map(|stream| form.rows(stream)).collect() };
        let mut last: Option<(Option<[f64; 2]>, Normal)> = None;
        let unlikeliness = |free: &[f64]| {
            let moved = scales.with(free, groups);
            let normal = match last.take() {
                Some((spreads, normal)) if spreads == moved.spreads => normal,
                _ => Normal::of(&rows(&moved).iter().collect::<Vec<_>>(), form.terms.len()),
            };
            let found = normal.unlikeliness(&moved.of(form.terms));
            last = Some((moved.spreads, normal));
            found
        };
        let is_new = iteration == 0 || iteration == WITHOUT_MOMENTUM;
        let free = descend(
            unlikeliness,
            &scales.free(groups),
            if is_new { 1.0 } else { 0.25 },
            DECADES,
        );
        scales = scales.with(&free, groups);
        let used = scales.believed();
        let chosen = form.fit_within(&rows(&used), &used.of(form.terms))?;
        latent.settle(&loosened(&used), &chosen.field, form.terms.len(), form.with_momentum);
        let of = |stream: &Vec<Star>| stream.iter().map(Star::deviation).collect();
        field = chosen.field.clone();
        settled = Some(Settled {
            deviations: stars.iter().map(of).collect(),
            chosen,
        });
    }
    settled.ok_or_else(|| Error::Data("no field was found".to_owned()))
}

fn turn(stars: &mut [Star], points: &[PhaseSpace], field: &Expansion, form: &Form) {
    for (star, along) in stars.iter_mut().zip(along(points, field, form.terms, form.mean)) {
        star.along = along;
    }
}
