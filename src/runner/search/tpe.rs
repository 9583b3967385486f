//! A tree-structured Parzen estimator (Bergstra et al. 2011), with one density over all parameters together (Falkner et al. 2018).
//!
//! Trials are split into good ones and the rest. Of each a density is estimated: the mean of a flat one and of a kernel around every trial, a
//! product over the parameters. Of some points drawn from that of the good ones, the one with the largest ratio of the two densities is
//! next: there the expected improvement is largest. The kernel of a number is a logistic one between 0 and 1, which can be drawn and
//! integrated exactly; that of a choice has most of its weight on the trial's own.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Axis;

/// The place of a trial in each axis, between 0 and 1; `None` where it is not searched.
pub(super) type Seen = Vec<Option<f64>>;

/// Points that are drawn for each proposal.
const CANDIDATES: usize = 48;

/// The width of a kernel (standard deviation) around a lone trial.
const WIDTH: f64 = 0.2;

/// The next point. `seen` has the trials with results, best first, and behind them those without; `fresh` says of which points there was no
/// trial yet: these are taken first.
pub(super) fn next(
    axes: &[Axis],
    seen: &[Seen],
    with_results: usize,
    random: &mut ChaCha8Rng,
    fresh: impl Fn(&Seen) -> bool,
) -> Seen {
    let (good, rest) = seen.split_at(good_ones(with_results).min(seen.len()));
    let (good, rest) = (Density::new(axes, good), Density::new(axes, rest));
    let mut best: Option<((bool, f64), Seen)> = None;
    for _ in 0..CANDIDATES {
        let point = good.draw(random);
        let rank = (fresh(&point), good.log_at(&point) - rest.log_at(&point));
        let better = |(fresh, ratio): (bool, f64)| rank.0.cmp(&fresh).then(rank.1.total_cmp(&ratio)).is_gt();
        if best.as_ref().is_none_or(|(best, _)| better(*best)) {
            best = Some((rank, point));
        }
    }
    best.map(|(_, point)| point).unwrap_or_default()
}

/// How many of some trials count as good ones.
fn good_ones(trials: usize) -> usize {
    trials.div_ceil(8).clamp(2, 25)
}

/// A density over all parameters.
struct Density<'a> {
    axes: &'a [Axis],
    trials: &'a [Seen],
    /// The scale of the logistic kernels.
    scale: f64,
}

impl<'a> Density<'a> {
    fn new(axes: &'a [Axis], trials: &'a [Seen]) -> Self {
        let (count, dimensions) = (trials.len().max(1) as f64, axes.len() as f64);
        let width = WIDTH * count.powf(-1.0 / (dimensions + 4.0));
        let scale = width * 3f64.sqrt() / std::f64::consts::PI;
        Self { axes, trials, scale }
    }

    /// A point of it.
    fn draw(&self, random: &mut ChaCha8Rng) -> Seen {
        let around = self.trials.get(random.random_range(0..=self.trials.len()));
        let place = |(n, axis): (usize, &Axis)| {
            let center = around.and_then(|trial| trial[n]);
            let (share, uniform): (f64, f64) = (random.random(), random.random());
            Some(match (center, axis.values.choices()) {
                (None, _) => uniform,
                (Some(center), None) => self.kernel(center).at(uniform),
                (Some(_), Some(_)) if share < self.flat() => uniform,
                (Some(center), Some(_)) => center,
            })
        };
        self.axes.iter().enumerate().map(place).collect()
    }

    /// The logarithm of the density at a point.
    fn log_at(&self, point: &Seen) -> f64 {
        let around = |trial: &Seen| {
            let one = |((axis, place), center): ((&Axis, &Option<f64>), &Option<f64>)| match (place, center) {
                (Some(place), Some(center)) => match axis.values.choices() {
                    None => self.kernel(*center).density(*place),
                    Some(choices) => {
                        let same = (place * choices as f64).floor() == (center * choices as f64).floor();
                        self.flat()
                            + if same {
                                (1.0 - self.flat()) * choices as f64
                            } else {
                                0.0
                            }
                    }
                },
                _ => 1.0,
            };
            self.axes.iter().zip(point).zip(trial).map(one).product::<f64>()
        };
        let sum = 1.0 + self.trials.iter().map(around).sum::<f64>();
        (sum / (self.trials.len() + 1) as f64).ln()
    }

    /// The share of a choice's kernel that is the same for all choices.
    fn flat(&self) -> f64 {
        1.0 / (self.trials.len() + 1) as f64
    }

    fn kernel(&self, center: f64) -> Kernel {
        let scale = self.scale;
        let below = |place: f64| 1.0 / (1.0 + (-(place - center) / scale).exp());
        let (first, last) = (below(0.0), below(1.0));
        Kernel {
            center,
            scale,
            first,
            last,
        }
    }
}

/// A logistic distribution between 0 and 1.
struct Kernel {
    center: f64,
    scale: f64,
    /// The distribution function of the whole one at 0 and at 1.
    first: f64,
    last: f64,
}

impl Kernel {
    /// The place below which lies this share of it.
    fn at(&self, share: f64) -> f64 {
        let below = self.first + share * (self.last - self.first);
        (self.center + self.scale * (below / (1.0 - below)).ln()).clamp(0.0, 1.0)
    }

    fn density(&self, place: f64) -> f64 {
        let decay = (-(place - self.center).abs() / self.scale).exp();
        decay / (self.scale * (1.0 + decay).powi(2) * (self.last - self.first))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::Values;
    use super::*;

    fn axis(values: Values) -> Axis {
        Axis {
            name: "x".to_owned(),
            values,
            unit: None,
            when: None,
        }
    }

    /// Densities integrate to one, over numbers and choices, and draws follow them.
    #[test]
    fn densities_are_densities() {
        let choices = Values::Choice((0..3).map(Into::into).collect());
        let axes = [axis(Values::Uniform(0.0, 1.0)), axis(choices)];
        let trials = [
            vec![Some(0.02), Some(0.5)],
            vec![Some(0.7), Some(0.9)],
            vec![None, Some(0.1)],
        ];
        let density = Density::new(&axes, &trials);
        let steps = 2000;
        let middle = |n: usize| (n as f64 + 0.5) / f64::from(steps);
        let (mut total, mut low) = (0.0, 0.0);
        for n in 0..steps as usize {
            for choice in [1.0, 3.0, 5.0].map(|third| third / 6.0) {
                let share = density.log_at(&vec![Some(middle(n)), Some(choice)]).exp() / f64::from(3 * steps);
                total += share;
                low += if middle(n) < 0.1 && choice > 0.4 && choice < 0.6 {
                    share
                } else {
                    0.0
                };
            }
        }
        assert!((total - 1.0).abs() < 1e-4, "{total}");
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let draws = 40_000;
        let inside = |point: &Seen| {
            let (x, choice) = (point[0].unwrap_or(1.0), point[1].unwrap_or(0.0));
            x < 0.1 && (choice * 3.0).floor() == 1.0
        };
        let found = (0..draws).filter(|_| inside(&density.draw(&mut random))).count();
        let expected = low * f64::from(draws);
        assert!(
            (found as f64 - expected).abs() < 5.0 * expected.sqrt(),
            "{found} of {expected}"
        );
    }
}
