//! Slopes of what is predicted of a stream's stars, as often as they were looked for.

use super::frame::OBSERVED;
use crate::statistics::median;
use rayon::prelude::*;

/// A row for each star and column.
pub(crate) type Slopes = Vec<[f64; OBSERVED]>;

/// Slopes of several draws of kicks, whose noise is independent.
#[derive(Clone, Default)]
pub(crate) struct Looks(Vec<Slopes>);

/// A slope further than this many standard deviations from the median of all looks counts as there.
const FAR: f64 = 3.0;

/// The standard deviation of a Gaussian by its median absolute deviation.
const OF_MEDIAN: f64 = 1.4826;

impl Looks {
    pub fn add(&mut self, slopes: &[[f64; OBSERVED]]) {
        self.0.push(slopes.to_vec());
    }

    /// All of them, as they are: their noise has no mean. A fit goes by these; tamed ones made it likelier in three of six samples and less likely
    /// in the others.
    pub fn all(&self) -> &[Slopes] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Their mean, row by row, where those that are far from the others are tamed.
    pub fn robust_mean(&self) -> Slopes {
        let rows = self.0.first().map_or(0, Vec::len);
        let of = |row: usize| {
            let mut looks: Slopes = self.0.iter().map(|one| one[row]).collect();
            tame(&mut looks);
            std::array::from_fn(|k| looks.iter().map(|look| look[k]).sum::<f64>() / looks.len() as f64)
        };
        (0..rows).into_par_iter().map(of).collect()
    }
}

/// Brings looks at one slope that are far from the others nearer: where few particles are the slope of a track jumps, and one such jump would
/// outweigh all other stars.
fn tame(looks: &mut [[f64; OBSERVED]]) {
    for k in 0..OBSERVED {
        let of = |value: &dyn Fn(f64) -> f64| median(looks.iter().map(|look| value(look[k])).collect());
        let Some(middle) = of(&|slope| slope) else { continue };
        let reach = FAR * OF_MEDIAN * of(&|slope| (slope - middle).abs()).unwrap_or(0.0);
        for look in looks.iter_mut() {
            look[k] = look[k].max(middle - reach).min(middle + reach);
        }
    }
}

/// The mean of several, row by row.
pub(crate) fn mean(all: &[Slopes]) -> Slopes {
    let Some(first) = all.first() else { return Vec::new() };
    let mut mean = vec![[0.0; OBSERVED]; first.len()];
    for one in all {
        for (mean, value) in mean.iter_mut().flatten().zip(one.iter().flatten()) {
            *mean += value / all.len() as f64;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::generator;
    use rand::Rng;
    use rand_distr::StandardNormal;

    /// Ten looks at slopes of nothing, with noise of one. What is kept of Gaussian noise is 0.32, and tamed 0.33; one jump of a million alone is 1e5.
    #[test]
    fn one_jump_does_not_make_a_mean() {
        const ROWS: usize = 400;
        let mut random = generator(3, 0);
        let mut looks = Looks::default();
        for look in 0..10 {
            let row = |row: usize| {
                std::array::from_fn(|_| {
                    let jump = if row % 10 == look { 1e6 } else { 0.0 };
                    jump + random.sample::<f64, _>(StandardNormal)
                })
            };
            looks.add(&(0..ROWS).map(row).collect::<Slopes>());
        }
        let squares: f64 = looks.robust_mean().iter().flatten().map(|mean| mean * mean).sum();
        let found = (squares / (OBSERVED * ROWS) as f64).sqrt();
        // A jump that counts as three standard deviations, of ten looks, adds 0.3, and 0.4 is what was found.
        assert!((0.35..0.5).contains(&found), "{found}");
    }

    #[test]
    fn of_two_looks_none_is_the_odd_one() {
        let mut looks = Looks::default();
        looks.add(&[[1.0; OBSERVED]]);
        looks.add(&[[5.0; OBSERVED]]);
        assert_eq!(looks.robust_mean(), [[3.0; OBSERVED]]);
        let mut both = [[1.0; OBSERVED], [5.0; OBSERVED]];
        tame(&mut both);
        assert_eq!(both[1], [5.0; OBSERVED]);
        assert_eq!(Looks::default().robust_mean(), Slopes::new());
    }
}
