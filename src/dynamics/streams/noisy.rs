//! What equations tell whose slopes are noisy.
//!
//! Slopes J̄ = J + ε of finitely many particles solve J̄ᵀ W r = 0. At the truth the mean of that is zero whatever ε is; its derivative is H = Jᵀ W J in
//! the mean and its variance V = J̄ᵀ W J̄, which is H and the noise. So it conveys H V⁻¹ H (Godambe 1960), which is at most H, and nothing where V is all
//! noise. The combination H V⁻¹ J̄ᵀ W r of the same equations has that for its matrix, and can be added to priors: where slopes are noise, they rule.
//!
//! H = V − N is known but for the error of N, and may come out negative in some direction. Directions are the eigenvectors of H beside V, and what is
//! negative counts as nothing.
//!
//! **Source**: Godambe (1960), Annals of Mathematical Statistics 31, 1208; regression calibration, Carroll et al. (2006), Measurement Error in
//! Nonlinear Models, chapter 4.

use crate::linear_algebra::eigen;

/// What is told by one set of equations; matrices are row-major.
pub(crate) struct Told {
    /// H V⁻¹ H.
    pub conveyed: Vec<f64>,
    /// H, without what is negative of it.
    pub information: Vec<f64>,
    /// H V⁻¹ g.
    pub gradient: Vec<f64>,
}

/// Directions whose variance, scaled, is below this part of the greatest are not in the equations.
const NONE: f64 = 1e-12;

/// What a gradient g of the variance `spread`, V, and the mean derivative `known`, H, tells.
pub(crate) fn told(spread: &[f64], known: &[f64], gradient: &[f64]) -> Told {
    let n = gradient.len();
    let scale: Vec<f64> = (0..n).map(|i| spread[i * n + i].max(1e-300).sqrt()).collect();
    let scaled = (0..n * n).map(|at| spread[at] / (scale[at / n] * scale[at % n]));
    let axes = eigen(scaled.collect(), n);
    let greatest = axes.iter().map(|(value, _)| *value).fold(0.0, f64::max);
    let there: Vec<_> = axes.iter().filter(|(value, _)| *value > NONE * greatest).collect();
    // Rows of R with Rᵀ R = V, and those of its inverse.
    let of = |part: &dyn Fn(f64, f64, f64) -> f64| -> Vec<Vec<f64>> {
        let row = |(value, axis): &&(f64, Vec<f64>)| {
            axis.iter()
                .zip(&scale)
                .map(|(entry, scale)| part(value.sqrt(), *entry, *scale))
                .collect()
        };
        there.iter().map(row).collect()
    };
    let root = of(&|length, entry, scale| length * entry * scale);
    let inverse = of(&|length, entry, scale| entry / (length * scale));
    // H beside V.
    let times = |row: &Vec<f64>| -> Vec<f64> { known.chunks_exact(n).map(|known| dot(known, row)).collect() };
    let beside: Vec<f64> = (inverse.iter().map(times))
        .flat_map(|times| inverse.iter().map(move |row| dot(&times, row)))
        .collect();
    let mut told = Told {
        conveyed: vec![0.0; n * n],
        information: vec![0.0; n * n],
        gradient: vec![0.0; n],
    };
    for (part, turned) in eigen(beside, there.len()) {
        let part = part.max(0.0);
        let (direction, dual) = (combined(&turned, &root, n), combined(&turned, &inverse, n));
        let along = part * dot(&dual, gradient);
        for i in 0..n {
            told.gradient[i] += along * direction[i];
            for j in 0..n {
                let product = direction[i] * direction[j];
                told.information[i * n + j] += part * product;
                told.conveyed[i * n + j] += part * part * product;
            }
        }
    }
    told
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// Σ c_l r_l of rows of `n` numbers.
fn combined(coefficients: &[f64], rows: &[Vec<f64>], n: usize) -> Vec<f64> {
    let mut sum = vec![0.0; n];
    for (by, row) in coefficients.iter().zip(rows) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += by * value);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::generator;
    use rand::Rng;
    use rand_distr::StandardNormal;

    const N: usize = 4;

    /// J of `rows` rows of independent numbers of these standard deviations, by row.
    fn slopes(random: &mut impl Rng, rows: usize, sizes: [f64; N]) -> Vec<[f64; N]> {
        let mut number = || random.sample::<f64, _>(StandardNormal);
        (0..rows).map(|_| sizes.map(|size| size * number())).collect()
    }

    fn products(one: &[[f64; N]], other: &[[f64; N]]) -> Vec<f64> {
        let entry = |at: usize| one.iter().zip(other).map(|(a, b)| a[at / N] * b[at % N]).sum();
        (0..N * N).map(entry).collect()
    }

    fn close(one: &[f64], other: &[f64], tolerance: f64) {
        assert!(
            one.iter().zip(other).all(|(a, b)| (a - b).abs() < tolerance),
            "{one:?} {other:?}"
        );
    }

    /// Without noise it is H itself, a column of nothing included.
    #[test]
    fn exact_slopes_tell_all() {
        let slopes = slopes(&mut generator(1, 0), 30, [1.0, 1e3, 0.0, 1e-3]);
        let known = products(&slopes, &slopes);
        let gradient = [0.3, 20.0, 0.0, 1e-3];
        let told = told(&known, &known, &gradient);
        for (at, expected) in known.iter().enumerate() {
            let size = (known[at / N * (N + 1)] * known[at % N * (N + 1)]).sqrt();
            assert!((told.conveyed[at] - expected).abs() <= 1e-12 * size);
            assert!((told.information[at] - expected).abs() <= 1e-12 * size);
        }
        close(&told.gradient, &gradient, 1e-10);
    }

    /// What is conveyed is H V⁻¹ H: here H and V are diagonal. What is negative of H is nothing.
    #[test]
    fn noise_tells_nothing() {
        let diagonal = |values: [f64; N]| -> Vec<f64> {
            (0..N * N)
                .map(|at| if at / N == at % N { values[at / N] } else { 0.0 })
                .collect()
        };
        let told = told(
            &diagonal([2.0, 4.0, 8.0, 5.0]),
            &diagonal([2.0, 1.0, 0.0, -3.0]),
            &[1.0; N],
        );
        close(&told.conveyed, &diagonal([2.0, 0.25, 0.0, 0.0]), 1e-12);
        close(&told.information, &diagonal([2.0, 1.0, 0.0, 0.0]), 1e-12);
        close(&told.gradient, &[1.0, 0.25, 0.0, 0.0], 1e-12);
    }

    /// The law that bars are of: parameters from slopes with noise and priors scatter about the truth by the inverse of what is conveyed and the
    /// priors. Slopes of the last parameter are nearly all noise.
    #[test]
    fn solutions_scatter_as_they_say() {
        const ROWS: usize = 400;
        let mut random = generator(2, 0);
        let truth = slopes(&mut random, ROWS, [0.1, 0.2, 0.1, 0.02]);
        let (mut squares, mut said) = ([0.0; N], [0.0; N]);
        let tries = 400;
        for _ in 0..tries {
            let noise = slopes(&mut random, ROWS, [0.03, 0.03, 0.1, 0.1]);
            let noisy: Vec<[f64; N]> = (truth.iter().zip(&noise))
                .map(|(truth, noise)| std::array::from_fn(|k| truth[k] + noise[k]))
                .collect();
            let spread = products(&noisy, &noisy);
            let expected = products(&truth, &truth);
            // Parameters are drawn from their priors, of one.
            let parameters: [f64; N] = std::array::from_fn(|_| random.sample(StandardNormal));
            let mut gradient = [0.0; N];
            for (truth, noisy) in truth.iter().zip(&noisy) {
                let residual = dot(truth, &parameters) + random.sample::<f64, _>(StandardNormal);
                gradient
                    .iter_mut()
                    .zip(noisy)
                    .for_each(|(sum, slope)| *sum += slope * residual);
            }
            let told = told(&spread, &expected, &gradient);
            let mut matrix = crate::linear_algebra::Symmetric::zeros(N);
            for i in 0..N {
                for j in 0..=i {
                    *matrix.at(i, j) = told.conveyed[i * N + j] + if i == j { 1.0 } else { 0.0 };
                }
            }
            let Some(factor) = matrix.factor(|_| 0.0) else {
                panic!("not positive definite")
            };
            let mut found = told.gradient.clone();
            factor.solve(&mut found);
            for k in 0..N {
                squares[k] += (found[k] - parameters[k]).powi(2) / f64::from(tries);
                let mut unit = vec![0.0; N];
                unit[k] = 1.0;
                factor.solve(&mut unit);
                said[k] += unit[k] / f64::from(tries);
            }
        }
        for k in 0..N {
            let ratio = (squares[k] / said[k]).sqrt();
            // Four standard errors of a standard deviation from 400 numbers, and a few per cent for products of noise that differ from their mean.
            assert!((ratio - 1.0).abs() < 0.18, "{k}: {ratio}");
        }
    }
}
