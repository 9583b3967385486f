//! The same galaxy with a disc of another form, which streams away from the plane do not tell from it.

use super::galaxy::Model;
use crate::linear_algebra::Symmetric;
use crate::potential::{Expansion, Potential};
use crate::vector::norm;

/// Relative error of each component of an acceleration: with those of some hundred places masses are as uncertain as streams leave them.
const ERROR: f64 = 0.025;

/// Most places that are compared.
const PLACES: usize = 400;

/// Steps of Levenberg and Marquardt.
const STEPS: usize = 40;

/// The galaxy of `model` whose accelerations at `places` are those of `galaxy` as nearly as its priors let it be, from `start` on.
pub(crate) fn alike(model: &Model, galaxy: &Expansion, places: &[[f64; 3]], start: &[f64]) -> Option<Expansion> {
    let chosen: Vec<[f64; 3]> = places
        .iter()
        .step_by(places.len().div_ceil(PLACES).max(1))
        .copied()
        .collect();
    let targets: Vec<[f64; 3]> = chosen.iter().map(|x| galaxy.acceleration(*x)).collect();
    let parameters = &model.parameters;
    let residuals = |values: &[f64]| -> Option<Vec<f64>> {
        let trial = model.galaxy(values)?;
        let pairs = chosen.iter().zip(&targets);
        Some(
            pairs
                .flat_map(|(x, target)| {
                    let (found, size) = (trial.acceleration(*x), ERROR * norm(*target));
                    [0, 1, 2].map(|k| (target[k] - found[k]) / size)
                })
                .chain(
                    parameters
                        .iter()
                        .zip(values)
                        .map(|(of, value)| (of.mean - value) / of.deviation),
                )
                .collect(),
        )
    };
    let cost = |residuals: &[f64]| residuals.iter().map(|residual| residual * residual).sum::<f64>();
    let mut values = start.to_vec();
    let mut here = residuals(&values)?;
    let mut damping = 1e-2;
    for _ in 0..STEPS {
        let columns: Vec<Vec<f64>> = (0..parameters.len())
            .map(|i| {
                let step = 1e-4 * parameters[i].step;
                let mut moved = values.clone();
                moved[i] += step;
                Some(
                    residuals(&moved)?
                        .iter()
                        .zip(&here)
                        .map(|(there, here)| (here - there) / step)
                        .collect(),
                )
            })
            .collect::<Option<_>>()?;
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut matrix = Symmetric::zeros(parameters.len());
        for i in 0..parameters.len() {
            for j in 0..=i {
                *matrix.at(i, j) = product(&columns[i], &columns[j]);
            }
        }
        let mut step: Vec<f64> = columns.iter().map(|column| product(column, &here)).collect();
        matrix.factor(|_| damping)?.solve(&mut step);
        let moved: Vec<f64> = values.iter().zip(&step).map(|(value, step)| value + step).collect();
        match residuals(&moved) {
            Some(there) if cost(&there) < cost(&here) => {
                (values, here) = (moved, there);
                damping *= 0.3;
            }
            _ => damping *= 5.0,
        }
    }
    model.galaxy(&values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::orbit::circular::circular_speed;
    use crate::sample::{generator, isotropic};
    use crate::streams::settings::{Settings, Source};

    /// Away from the plane the two have one force; in it, near the disc, they do not.
    #[test]
    fn discs_of_two_forms_differ_in_the_plane() {
        let model = Model::new(9.0, 28.0, &Settings::of(Source::Spray));
        let galaxy = model.galaxy(&model.means()).unwrap();
        let mut random = generator(4, 0);
        let places: Vec<[f64; 3]> = (0..600)
            .map(|i| isotropic(&mut random).map(|n| n * (9.0 + 0.03 * f64::from(i))))
            .collect();
        let other = alike(&model.with_another_disc(), &galaxy, &places, &model.means()).unwrap();
        let off = |x: [f64; 3]| {
            let (one, two) = (galaxy.acceleration(x), other.acceleration(x));
            norm([0, 1, 2].map(|k| one[k] - two[k])) / norm(one)
        };
        let mean = places.iter().map(|x| off(*x)).sum::<f64>() / places.len() as f64;
        assert!(mean < 5e-3, "{mean}");
        let change = circular_speed(&other, 6.0) / circular_speed(&galaxy, 6.0) - 1.0;
        assert!(change.abs() > 5.0 * mean && change.abs() < 0.1, "{change} {mean}");
        let same = alike(&model, &galaxy, &places, &model.means()).unwrap();
        assert!((circular_speed(&same, 9.0) / circular_speed(&galaxy, 9.0) - 1.0).abs() < 1e-6);
    }
}
