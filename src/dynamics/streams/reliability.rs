//! How much of what slopes say of a star is no noise of finitely many particles.
//!
//! Where few particles are, or some of them have passed a disc or a pericentre often, slopes of the track are those of a few particles, and look as
//! if the star told much. Equations in which such slopes count in full have their noise for a matrix.
//!
//! With J̄ the mean of K looks, C the covariance of what streams share and T what takes a stream's own parameters out, a star's leverage is
//! t = tr(C T J̄ᵀ W J̄ Tᵀ); what noise makes of it is n = Σ_a tr(C T (J_a − J̄)ᵀ W (J_a − J̄) Tᵀ)/(K(K − 1)). Its reliability λ = 1 − n/t is the part of a
//! star that counts: of scores λ s with matrix λ H and variance λ² (H + N), λ = H/(H + N) gives the least variance of the solution.
//!
//! **Source**: the reliability ratio of Fuller (1987), Measurement Error Models, section 1.1.

use super::frame::OBSERVED;
use super::galaxy::Parameter;
use super::likelihood::Judged;
use super::problem::State;
use super::slopes::{Slopes, mean};
use super::system::Equations;
use crate::linear_algebra::Factor;
use rayon::prelude::*;

/// The least reliability: a stream of which nothing is known from here keeps near what its stars say.
const LEAST: f64 = 0.05;

/// Looks from which noise can be told.
const ENOUGH: usize = 3;

/// Tells the reliability of all stars, where streams share parameters and their slopes are those of looks enough; none where the equations are singular.
pub(crate) fn learn(
    states: &mut [State],
    equations: &[Equations],
    judged: &[Vec<Option<Judged>>],
    parameters: &[Parameter],
    values: &[f64],
) -> Option<()> {
    if parameters.is_empty() || states.iter().all(|state| state.kept.len() < ENOUGH) {
        return Some(());
    }
    let (shared, _) = Equations::together(equations, parameters, values)?;
    for ((state, one), judged) in states.iter_mut().zip(equations).zip(judged) {
        // A stream that is silent this time stays as it was.
        if judged.iter().any(Option::is_some) {
            state.reliability = Some(reliabilities(&shared, one, state.kept.all(), judged)?);
        }
    }
    Some(())
}

/// The reliability of each star of a stream whose slopes are the mean of `draws`. `shared` is the factored matrix of what streams share.
fn reliabilities(shared: &Factor, stream: &Equations, draws: &[Slopes], judged: &[Option<Judged>]) -> Option<Vec<f64>> {
    let projection = stream.projection(stream.damping)?;
    let columns = projection.first()?.len();
    let mean = mean(draws);
    let count = draws.len() as f64;
    // tr(C T Jᵀ W J Tᵀ) of the rows J of a star.
    let leverage = |rows: &[[f64; OBSERVED]], star: &Judged| -> f64 {
        let left: [Vec<f64>; OBSERVED] = std::array::from_fn(|k| {
            let entry = |row: &Vec<f64>| row.iter().zip(rows).map(|(t, of)| t * of[k]).sum();
            projection.iter().map(entry).collect()
        });
        let mut sum = 0.0;
        for k in 0..OBSERVED {
            let mut solved = left[k].clone();
            shared.solve(&mut solved);
            for (other, weights) in left.iter().zip(&star.inverse) {
                sum += weights[k] * other.iter().zip(&solved).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        sum
    };
    let one = |(star, judged): (usize, &Option<Judged>)| -> f64 {
        let Some(judged) = judged else { return 1.0 };
        let rows = star * columns..(star + 1) * columns;
        let middle = &mean[rows.clone()];
        let noise: f64 = (draws.iter())
            .map(|draw| {
                let off = draw[rows.clone()].iter().zip(middle);
                let off: Slopes = off
                    .map(|(row, middle)| std::array::from_fn(|k| row[k] - middle[k]))
                    .collect();
                leverage(&off, judged)
            })
            .sum();
        part(noise / (count * (count - 1.0)), leverage(middle, judged))
    };
    Some(judged.par_iter().enumerate().map(one).collect())
}

/// The part of a leverage that is no noise; of a star that tells nothing all counts.
fn part(noise: f64, leverage: f64) -> f64 {
    let reliability = 1.0 - noise / leverage;
    if reliability.is_finite() {
        reliability.max(LEAST)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::system::Shares;
    use super::*;
    use crate::sample::generator;
    use rand_distr::StandardNormal;

    /// Stars whose slopes' mean has no noise, as much noise as signal, and little else: λ is 1, ½ and 1/26 in the mean.
    #[test]
    fn what_is_reliable_is_no_noise() {
        use rand::Rng;
        const DRAWS: usize = 10;
        let (shared, columns, stars) = (2, 4, 900);
        let mut random = generator(4, 0);
        let mut rows = |size: f64| -> Vec<[f64; OBSERVED]> {
            (0..columns)
                .map(|_| std::array::from_fn(|_| size * random.sample::<f64, _>(StandardNormal)))
                .collect()
        };
        let noises = [0.0, 1.0, 5.0].map(|noise| noise * (DRAWS as f64).sqrt());
        let mut draws: Vec<Slopes> = vec![Slopes::new(); DRAWS];
        for star in 0..stars {
            let truth = rows(1.0);
            for draw in &mut draws {
                let noise = rows(noises[star % 3]);
                draw.extend(
                    truth
                        .iter()
                        .zip(noise)
                        .map(|(truth, noise)| -> [f64; OBSERVED] { std::array::from_fn(|k| truth[k] + noise[k]) }),
                );
            }
        }
        let one = Judged {
            ln_likelihood: 0.0,
            membership: 1.0,
            chi2: 0.0,
            observables: OBSERVED,
            weight: 1.0,
            information: 1.0,
            inverse: std::array::from_fn(|k| std::array::from_fn(|l| if k == l { 1.0 } else { 0.0 })),
            residual: [0.0; OBSERVED],
        };
        let mut judged = vec![Some(one); stars];
        judged[7] = None;
        let shares = Shares {
            shared,
            columns,
            prior: (&[0.0; 2], &[1.0; 2]),
            own: &[0.0; 2],
        };
        let equations = Equations::new(&shares, &mean(&draws), &judged);
        let parameters = vec![
            Parameter {
                name: String::new(),
                mean: 0.0,
                deviation: 1.0,
                step: 1.0,
            };
            shared
        ];
        let (factor, _) = Equations::together(std::slice::from_ref(&equations), &parameters, &[0.0; 2]).unwrap();
        let found = reliabilities(&factor, &equations, &draws, &judged).unwrap();
        assert_eq!(found[7], 1.0);
        let middle = |kind: usize| {
            let of: Vec<f64> = found.iter().skip(kind).step_by(3).copied().collect();
            crate::statistics::median(of).unwrap()
        };
        assert!((middle(0) - 1.0).abs() < 1e-12);
        // n is of ten draws and t of one, of ten numbers each: a median of 300 such ratios is known to 0.03.
        assert!((middle(1) - 0.5).abs() < 0.1, "{}", middle(1));
        // Not below the least that is left.
        assert!((LEAST..0.15).contains(&middle(2)), "{}", middle(2));
        assert_eq!((part(0.0, 0.0), part(3.0, 4.0), part(5.0, 4.0)), (1.0, 0.25, LEAST));
    }
}
