//! Actions that stay the same along orbits of a field that is known or learned: mean |dJ/dt| as a part of the loss.

use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::units::Natural;
use rayon::prelude::*;
use tch::{Kind, Tensor};

use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::streams::{Streams, ToyPoints};

/// How far stars are moved to both sides, in radians of their radial phase in the toy. They are moved along true orbits, on which
/// the actions of the true map are the same at any distance, so that this need not be small.
const PHASE: f64 = 0.1;

/// Accuracy of the integration over so short a way.
const TOLERANCE: f64 = 1e-11;

/// Every training star a little earlier and a little later on its orbit.
///
/// ⟨|J'(later) − J'(earlier)|⟩ / (2 × 0.1) is the mean |dJ'/dt| for t in radians of radial phase, which has the unit of actions. Both
/// are looked at with the J' of the star's stream, as everything in a training step.
///
/// **Source** Ibata et al. (2021), section 7: the loss for a fixed potential
#[derive(Debug)]
pub struct Flow {
    /// Weight of dJ/dt beside the spread.
    pub weight: f64,
    /// Where the stars were.
    pub before: Streams,
    /// Where they will be.
    pub after: Streams,
}

impl Flow {
    /// Moves the stars of `streams` in `field`; a star that the toy would then not bind stays where it is, and counts nothing.
    pub fn new(
        field: &(impl Potential + ?Sized),
        streams: &Streams,
        toy: &Isochrone,
        weight: f64,
    ) -> Result<Self, Error> {
        let everyone = Streams::new(streams.x.shallow_clone(), streams.v.shallow_clone());
        let stars: Vec<PhaseSpace> = everyone.points()?.into_iter().flatten().collect();
        let toy = toy.plain()?;
        let moved = |star: &PhaseSpace, side: f64| -> Option<PhaseSpace> {
            let time = Natural::of_phase(side * PHASE, toy.radial_frequency(star)?);
            let orbit = dense::integrate(field, star, &[time.into()], TOLERANCE).ok()?;
            let point = *orbit.points.first()?;
            (toy.energy(&point) < 0.0).then_some(point)
        };
        let pairs: Vec<[PhaseSpace; 2]> = stars
            .par_iter()
            .map(|star| match (moved(star, -1.0), moved(star, 1.0)) {
                (Some(before), Some(after)) => [before, after],
                _ => [*star, *star],
            })
            .collect();
        let place = |side: usize| {
            let vector = |of: fn(&PhaseSpace) -> [f64; 3]| {
                let values: Vec<f64> = pairs.iter().flat_map(|pair| of(&pair[side])).collect();
                Tensor::from_slice(&values)
                    .view(streams.x.size().as_slice())
                    .to_device(streams.x.device())
            };
            Streams {
                x: vector(|point| point.x),
                v: vector(|point| point.v),
                weights: streams.weights.shallow_clone(),
            }
        };
        Ok(Self {
            weight,
            before: place(0),
            after: place(1),
        })
    }

    /// Toy angles and actions before and after.
    pub(super) fn toy_points(&self, toy: &Isochrone) -> Result<[ToyPoints; 2], Error> {
        Ok([self.before.toy_points(toy)?, self.after.toy_points(toy)?])
    }
}

/// dJ/dt from something before and after, t in radians of radial phase.
pub(super) fn rate([before, after]: &[Tensor; 2]) -> Tensor {
    (after - before) / (2.0 * PHASE)
}

/// Mean |dJ'/dt| of the actions before and after, over stars and components.
pub(super) fn mean_rate(actions: &[Tensor; 2], weights: &Tensor) -> f64 {
    let sum = (rate(actions).abs() * weights).sum(Kind::Double);
    (sum / (weights.sum(Kind::Double) * 3.0)).double_value(&[])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::smooth::train::{Options, train_from};
    use crate::smooth::{Shape, SmoothMap};
    use crate::test_support::{halo_streams, paper_isochrone};
    use crate::training::Unwatched;
    use crate::weights::Checkpoint;
    use dynamics::potential::Isochrone as PlainIsochrone;

    fn field() -> PlainIsochrone {
        PlainIsochrone::new(3.334e11, 5.0).unwrap()
    }

    #[test]
    fn true_actions_do_not_change_and_others_do() {
        let streams = halo_streams(10, 4, 3);
        let rate = |toy: &Isochrone| {
            let flow = Flow::new(&field(), &streams, toy, 1.0).unwrap();
            let actions = flow.toy_points(toy).unwrap().map(|points| points.actions);
            mean_rate(&actions, &streams.weights)
        };
        let wrong = Isochrone::new(1.1 * 3.334e11, 5.5, streams.x.device());
        let [exact, wrong] = [rate(&paper_isochrone()), rate(&wrong)];
        // Actions of 1e3 at a tolerance of 1e-11.
        assert!(exact < 1e-6 && wrong > 1.0, "{exact:e} {wrong}");
    }

    #[test]
    fn a_known_field_teaches_more_than_the_spread_of_few_stars() {
        let (streams, validation) = (halo_streams(24, 3, 6), halo_streams(16, 6, 7));
        let toy = Isochrone::new(1.1 * 3.334e11, 5.5, streams.x.device());
        let shape = Shape {
            width: 16,
            depth: 2,
            ..Shape::default()
        };
        let flow = Flow::new(&field(), &streams, &toy, 1.0).unwrap();
        let train = |flow: Option<&Flow>| {
            let options = Options {
                shape,
                epochs: 80,
                batch: 8,
                refresh: 4,
                ..Options::for_streams(24)
            };
            let map = SmoothMap::new(toy.clone(), shape, &streams.x, &streams.v, 1).unwrap();
            let (none, watcher) = (&mut Checkpoint::none(), &mut Unwatched);
            train_from(map, &streams, flow, Some(&validation), &options, none, watcher).unwrap()
        };
        let spread = |trained: &crate::smooth::Trained| trained.history.last().unwrap().validation_loss;
        let (with, without) = (train(Some(&flow)), train(None));
        assert!(without.rate.is_none() && with.rate.unwrap() < 10.0);
        assert!(
            spread(&with) < 0.7 * spread(&without),
            "{} {}",
            spread(&with),
            spread(&without)
        );
    }
}
