//! How likely a star is, given the mean track of its stream and the scatter about it.

use super::frame::{OBSERVED, Seen};
use std::f64::consts::TAU;

/// Degrees of freedom of Student's t that members and the field follow: a track's scatter has tails.
const FREEDOM: f64 = 6.0;

type Square = [[f64; OBSERVED]; OBSERVED];

/// A star with its prediction: what its likelihood and the next step of a fit need.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// ln of the likelihood, members and others together.
    pub ln_likelihood: f64,
    /// The probability that it belongs to the stream.
    pub membership: f64,
    /// χ² of what was observed of it.
    pub chi2: f64,
    /// How many observables that were.
    pub observables: usize,
    /// Weight of its residuals: membership times that of Student's t.
    pub weight: f64,
    /// Weight in Fisher's information: membership times (ν + n)/(ν + n + 2) of Student's t (Lange, Little & Taylor 1989).
    pub information: f64,
    /// Inverse covariance; zero in rows of what was not observed.
    pub inverse: Square,
    /// Observed minus predicted; zero where not observed.
    pub residual: [f64; OBSERVED],
}

impl Judged {
    /// The same star as only a part of one.
    pub fn share(mut self, part: f64) -> Self {
        self.ln_likelihood *= part;
        self.weight *= part;
        self.information *= part;
        self
    }

    /// √(mean χ² of an observable) of stars by their membership.
    pub fn chi(all: &[Option<Self>]) -> f64 {
        let known = || all.iter().flatten();
        let freedom: f64 = known().map(|star| star.membership * star.observables as f64).sum();
        let chi2: f64 = known().map(|star| star.membership * star.chi2).sum();
        (chi2 / freedom.max(1e-9)).sqrt()
    }
}

/// ln Γ(x) for x > 0 (Lanczos).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = COEFFICIENTS
        .iter()
        .enumerate()
        .fold(0.999_999_999_999_809_9, |sum, (k, c)| sum + c / (x + k as f64 + 1.0));
    let t = x + 7.5;
    0.5 * TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// ln of Student's t of n dimensions at χ², whose matrix of scale has that ln of its determinant.
fn ln_student(n: f64, ln_determinant: f64, chi2: f64) -> f64 {
    ln_gamma(0.5 * (FREEDOM + n))
        - ln_gamma(0.5 * FREEDOM)
        - 0.5 * n * (0.5 * TAU * FREEDOM).ln()
        - 0.5 * ln_determinant
        - 0.5 * (FREEDOM + n) * (chi2 / FREEDOM).ln_1p()
}

/// The inverse of the rows and columns of `matrix` that are `known`, and ln of its determinant; none if it is not positive definite.
fn inverse(matrix: &Square, known: &[bool; OBSERVED]) -> Option<(Square, f64)> {
    let mut left = *matrix;
    let mut right = [[0.0; OBSERVED]; OBSERVED];
    for i in 0..OBSERVED {
        right[i][i] = 1.0;
        if !known[i] {
            left[i] = [0.0; OBSERVED];
            left.iter_mut().for_each(|row| row[i] = 0.0);
            left[i][i] = 1.0;
        }
    }
    let mut ln_determinant = 0.0;
    for i in 0..OBSERVED {
        let pivot = left[i][i];
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        ln_determinant += pivot.ln();
        for j in 0..OBSERVED {
            left[i][j] /= pivot;
            right[i][j] /= pivot;
        }
        for k in 0..OBSERVED {
            if k != i {
                let factor = left[k][i];
                for j in 0..OBSERVED {
                    left[k][j] -= factor * left[i][j];
                    right[k][j] -= factor * right[i][j];
                }
            }
        }
    }
    for i in 0..OBSERVED {
        if !known[i] {
            right[i][i] = 0.0;
        }
    }
    Some((right, ln_determinant))
}

/// What is observed where the track has these observables: the parallax in place of ln d where that is measured.
pub(crate) fn predicted(seen: &Seen, mut track: [f64; OBSERVED]) -> [f64; OBSERVED] {
    if seen.is_parallax {
        track[1] = (-track[1]).exp();
    }
    track
}

/// The star `seen` where the track is `track` (with ln d) and the stream's own covariance is `scatter`, `outliers` being the part of stars that are
/// not of the stream but of the `field`.
pub(crate) fn judge(
    seen: &Seen,
    track: &[f64; OBSERVED],
    scatter: &Square,
    outliers: f64,
    field: &[(f64, f64); OBSERVED],
) -> Option<Judged> {
    let at = predicted(seen, *track);
    let mut covariance = *scatter;
    let (mut middle, mut spread) = (field.map(|f| f.0), field.map(|f| f.1));
    if seen.is_parallax {
        // dϖ / d ln d = −ϖ.
        covariance[1] = covariance[1].map(|c| -at[1] * c);
        covariance.iter_mut().for_each(|row| row[1] *= -at[1]);
        middle[1] = (-middle[1]).exp();
        spread[1] *= middle[1];
    }
    let known: [bool; OBSERVED] = std::array::from_fn(|k| seen.values[k].is_finite());
    for (row, errors) in covariance.iter_mut().zip(&seen.errors) {
        for (sum, error) in row.iter_mut().zip(errors) {
            *sum += error;
        }
    }
    let (inverse, ln_determinant) = inverse(&covariance, &known)?;
    let residual: [f64; OBSERVED] = std::array::from_fn(|k| if known[k] { seen.values[k] - at[k] } else { 0.0 });
    let chi2: f64 = (0..OBSERVED)
        .map(|i| {
            (0..OBSERVED)
                .map(|j| residual[i] * inverse[i][j] * residual[j])
                .sum::<f64>()
        })
        .sum();
    let observables = known.iter().filter(|known| **known).count();
    let n = observables as f64;
    let member = ln_student(n, ln_determinant, chi2);
    // The field has the same tails: a star that is far from both is not taken for a member.
    let (mut of_field, mut ln_spread) = (0.0, 0.0);
    for k in (0..OBSERVED).filter(|&k| known[k]) {
        let variance = spread[k] * spread[k] + seen.errors[k][k];
        of_field += (seen.values[k] - middle[k]).powi(2) / variance;
        ln_spread += variance.ln();
    }
    let other = ln_student(n, ln_spread, of_field);
    let (one, two) = ((1.0 - outliers).ln() + member, outliers.max(1e-300).ln() + other);
    let most = one.max(two);
    let ln_likelihood = most + ((one - most).exp() + (two - most).exp()).ln();
    let membership = (one - ln_likelihood).exp();
    ln_likelihood.is_finite().then_some(Judged {
        ln_likelihood,
        membership,
        chi2,
        observables,
        weight: membership * (FREEDOM + n) / (FREEDOM + chi2),
        information: membership * (FREEDOM + n) / (FREEDOM + n + 2.0),
        inverse,
        residual,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scatter() -> Square {
        let sizes = [0.01, 0.03, 1.5, 0.04, 0.03];
        let mut covariance = [[0.0; OBSERVED]; OBSERVED];
        for i in 0..OBSERVED {
            for j in 0..OBSERVED {
                covariance[i][j] = sizes[i] * sizes[j] * if i == j { 1.0 } else { 0.3 };
            }
        }
        covariance
    }

    const FIELD: [(f64, f64); OBSERVED] = [(0.0, 0.1), (2.5, 0.6), (0.0, 150.0), (0.0, 2.0), (0.0, 2.0)];

    fn star(is_parallax: bool, known: [bool; OBSERVED]) -> Seen {
        let values = [0.005, if is_parallax { 0.09 } else { 2.52 }, 31.0, 1.03, -0.52];
        let mut errors = [[0.0; OBSERVED]; OBSERVED];
        for (k, error) in [0.0, 0.02, 1.0, 0.02, 0.02].into_iter().enumerate() {
            errors[k][k] = error * error;
        }
        errors[3][4] = 1e-4;
        errors[4][3] = 1e-4;
        Seen {
            along: 0.0,
            values: std::array::from_fn(|k| if known[k] { values[k] } else { f64::NAN }),
            errors,
            is_parallax,
        }
    }

    /// The gradient of ln L over the track is the weight times C⁻¹ (observed − predicted), by central differences.
    #[test]
    fn the_gradient_is_that_of_the_likelihood() {
        let track = [0.0, 2.5, 30.0, 1.0, -0.5];
        for is_parallax in [false, true] {
            for known in [
                [true; 5],
                [true, true, false, true, true],
                [true, false, true, false, false],
            ] {
                let seen = star(is_parallax, known);
                // A parallax's own scatter depends on the distance; that is left out of the gradient, so it is made small here.
                let scatter = if is_parallax {
                    scatter().map(|row| row.map(|c| 1e-6 * c))
                } else {
                    scatter()
                };
                let at = |track: &[f64; 5]| judge(&seen, track, &scatter, 0.1, &FIELD).unwrap();
                let judged = at(&track);
                for k in 0..OBSERVED {
                    let step = 1e-4 * [0.01, 0.03, 1.5, 0.04, 0.03][k];
                    let (mut above, mut below) = (track, track);
                    above[k] += step;
                    below[k] -= step;
                    let slope = (at(&above).ln_likelihood - at(&below).ln_likelihood) / (2.0 * step);
                    let change = if is_parallax && k == 1 { -(-track[1]).exp() } else { 1.0 };
                    let expected: f64 =
                        judged.weight * change * (0..5).map(|j| judged.inverse[k][j] * judged.residual[j]).sum::<f64>();
                    assert!(
                        (slope - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                        "{k}: {slope} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn likelihoods_are_normalised() {
        // Over one observable at a time, by a sum on a fine grid.
        let mut seen = star(false, [false, false, true, false, false]);
        let sum: f64 = (-200_000..200_000)
            .map(|i| {
                seen.values[2] = 30.0 + f64::from(i) * 0.02;
                0.02 * judge(&seen, &[0.0, 2.5, 30.0, 1.0, -0.5], &scatter(), 0.2, &FIELD)
                    .unwrap()
                    .ln_likelihood
                    .exp()
            })
            .sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn what_is_far_off_does_not_belong() {
        let mut seen = star(false, [true; 5]);
        let track = [0.0, 2.5, 30.0, 1.0, -0.5];
        assert!(judge(&seen, &track, &scatter(), 0.1, &FIELD).unwrap().membership > 0.99);
        seen.values[2] = 130.0;
        assert!(judge(&seen, &track, &scatter(), 0.1, &FIELD).unwrap().membership < 1e-3);
        // Far from the stream, and from most of the field: there too.
        (seen.values[2], seen.values[3]) = (1500.0, 25.0);
        assert!(judge(&seen, &track, &scatter(), 0.1, &FIELD).unwrap().membership < 1e-3);
        assert!((ln_gamma(5.5) - 3.957_813_967_618_716_5).abs() < 1e-12);
    }
}
