//! Actions of stars whose errors of measurement are known: of the star as it was measured, and of stars drawn from the errors.

use dynamics::measured::{Measured, Priors};
use dynamics::phase_space::PhaseSpace;
use dynamics::sky::Sun;
use rand_chacha::ChaCha8Rng;
use runner::context::StageContext;

use super::methods::{Estimate, Found, Quality};
use crate::common::measured::{ErrorParameters, key};
use crate::common::spread::{KnownErrors, Nine, Spread, action_angle, nine};

/// Draws stars and looks what actions they have.
pub struct Draws {
    sun: Sun,
    priors: Priors,
    samples: u32,
    random: ChaCha8Rng,
}

impl Draws {
    /// As `with` says, of stars that were seen from `sun`.
    pub fn new(context: &StageContext, with: &ErrorParameters, sun: Sun) -> Self {
        Self {
            sun,
            priors: with.priors(),
            samples: with.samples,
            random: context.random(with.seed, "errors"),
        }
    }

    /// The actions of a star as it was measured, with the spread of those of its draws. Where a prior says what was not measured, or that the
    /// parallax does not say how far it is, they are the means of the draws.
    pub fn estimate(
        &self,
        star: &Measured,
        errors: KnownErrors,
        (stream, number): (i64, i64),
        find: &dyn Fn(&PhaseSpace) -> Found,
    ) -> Found {
        let is_measured = self.priors.distance.is_none() && star.v_los.is_some();
        let measured = if is_measured {
            let seen = star.observables().ok_or("its distance is not positive")?;
            Some(find(&self.sun.locate(&seen))?)
        } else {
            None
        };
        let draws = star.draws(&self.sun, &self.priors).map_err(|error| error.to_string())?;
        let mut random = self.random.clone();
        random.set_stream(key(stream, number));
        let mut worst: Option<Quality> = None;
        let mut found: Vec<Nine> = Vec::with_capacity(self.samples as usize);
        for _ in 0..self.samples {
            let Some(seen) = draws.draw(&mut random) else { continue };
            let Ok(estimate) = find(&self.sun.locate(&seen)) else {
                continue;
            };
            found.push(nine(&estimate.found));
            let is_worse = |quality: &Quality| worst.is_none_or(|worst| quality.action_error > worst.action_error);
            worst = estimate.quality.filter(is_worse).or(worst);
        }
        let spread = Spread::of(&found, self.samples as usize, errors);
        let spread = spread.ok_or("fewer than two of the stars drawn from its errors have actions")?;
        let estimate = measured.unwrap_or_else(|| Estimate {
            found: action_angle(spread.mean),
            quality: worst,
            spread: None,
            of_field: None,
        });
        Ok(Estimate {
            spread: Some(Box::new(spread)),
            ..estimate
        })
    }
}
