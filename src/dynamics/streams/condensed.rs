//! A field of many terms as one of few: learned fields have a hundred discs, and a simulated stream asks for millions of accelerations.

use crate::linear_algebra::dot;
use crate::potential::{Expansion, Potential};
use crate::vector::norm;
use std::f64::consts::TAU;

/// Radii, and directions at each, where the two are compared.
const RADII: usize = 24;
const DIRECTIONS: usize = 24;

/// Terms that are few enough as they are.
const FEW: usize = 16;

/// A field of the fewest of the terms, by greedy choice, whose accelerations between the radii `inner` and `outer` are those of `field` within
/// the relative root mean square `tolerance`; the field itself where it has few terms, or that takes too many.
///
/// **Source**: orthogonal matching pursuit, Pati, Rezaiifar & Krishnaprasad (1993).
pub(crate) fn condensed(field: &Expansion, (inner, outer): (f64, f64), tolerance: f64) -> Expansion {
    let count = field.terms().len();
    if count <= FEW {
        return field.clone();
    }
    let places: Vec<[f64; 3]> = (0..RADII)
        .flat_map(|i| {
            let r = inner * (outer / inner).powf(i as f64 / (RADII - 1) as f64);
            // Spiral points of Saff & Kuijlaars (1997), turned from shell to shell.
            (0..DIRECTIONS).map(move |k| {
                let z = (2 * k + 1) as f64 / DIRECTIONS as f64 - 1.0;
                let (sin, cos) = (TAU * (0.618_034 * k as f64 + 0.414_214 * i as f64)).sin_cos();
                let across = (1.0 - z * z).sqrt();
                [r * across * cos, r * across * sin, r * z]
            })
        })
        .collect();
    let sizes: Vec<f64> = places.iter().map(|&place| norm(field.acceleration(place))).collect();
    let column = |acceleration: &dyn Fn([f64; 3]) -> [f64; 3]| -> Vec<f64> {
        let places = places.iter().zip(&sizes);
        places
            .flat_map(|(&place, size)| acceleration(place).map(|a| a / size))
            .collect()
    };
    let columns: Vec<Vec<f64>> = (field.terms().iter())
        .map(|term| column(&|place| term.value(place).1))
        .collect();
    let lengths: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
    let target = column(&|place| field.acceleration(place));
    let (mut rest, mut left) = (target.clone(), columns.clone());
    let (mut chosen, mut directions): (Vec<usize>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    let goal = tolerance * tolerance * places.len() as f64;
    while dot(&rest, &rest) > goal {
        let gain = |k: usize| {
            let length = dot(&left[k], &left[k]).sqrt();
            // What is left of a column that the chosen ones make up is rounding.
            (length > 1e-7 * lengths[k]).then(|| (dot(&rest, &left[k]) / length).abs())
        };
        let gains = (0..count)
            .filter(|k| !chosen.contains(k))
            .filter_map(|k| Some((k, gain(k)?)));
        let Some((best, _)) = gains
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|_| 2 * chosen.len() < count)
        else {
            return field.clone();
        };
        let length = dot(&left[best], &left[best]).sqrt();
        let direction: Vec<f64> = left[best].iter().map(|value| value / length).collect();
        for column in left.iter_mut().chain([&mut rest]) {
            let along = dot(column, &direction);
            column
                .iter_mut()
                .zip(&direction)
                .for_each(|(value, of)| *value -= along * of);
        }
        chosen.push(best);
        directions.push(direction);
    }
    // The triangle of the chosen columns, from the last one back.
    let mut coefficients = vec![0.0; chosen.len()];
    for i in (0..chosen.len()).rev() {
        let known: f64 = (i + 1..chosen.len())
            .map(|j| coefficients[j] * dot(&directions[i], &columns[chosen[j]]))
            .sum();
        coefficients[i] = (dot(&directions[i], &target) - known) / dot(&directions[i], &columns[chosen[i]]);
    }
    let terms = chosen.iter().map(|&k| field.terms()[k]).collect();
    Expansion::new(terms, coefficients).unwrap_or_else(|| field.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::expansion::Term;

    #[test]
    fn a_field_of_many_terms_is_one_of_few() {
        // 45 discs with coefficients of both signs about those of a galaxy.
        let mut terms = Vec::new();
        let mut coefficients = Vec::new();
        for i in 0..15 {
            for flattening in [1.0, 0.35, 0.05] {
                let size = 0.4 * 1.5_f64.powi(i);
                terms.push(Term::Disc {
                    a: size * (1.0 - flattening),
                    b: size * flattening,
                });
                coefficients.push(9e3 + 6e3 * f64::from(i % 3 - 1) * flattening);
            }
        }
        let field = Expansion::new(terms, coefficients).unwrap();
        let few = condensed(&field, (5.0, 30.0), 3e-4);
        assert!(few.terms().len() < 20, "{}", few.terms().len());
        for x in [[7.0, 1.0, 2.0], [-3.0, 14.0, -9.0], [20.0, 5.0, 0.3]] {
            let (one, two) = (field.acceleration(x), few.acceleration(x));
            let off = norm([0, 1, 2].map(|i| one[i] - two[i])) / norm(one);
            assert!(off < 2e-3, "{off:e}");
        }
        let plain = super::super::first_guess().unwrap();
        assert_eq!(condensed(&plain, (5.0, 30.0), 1e-9), plain);
    }
}
