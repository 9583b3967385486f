//! Samples of stars as a pipeline describes them.

use dynamics::phase_space::{Actions, PhaseSpace};
use dynamics::potential::Potential;
use dynamics::sample;
use rand::Rng;
use rand_distr::StandardNormal;
use runner::error::StageError;
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::parameters::{FROM_ZERO, KmPerSecond, KmPerSecondKpc, Kpc};

/// Stars of a stream where nothing else is said: Ibata et al. (2021), section 6.1.
pub(crate) fn default_stars() -> u32 {
    8
}

/// The halo sample: a radius uniform between two, a direction uniform on the sphere, a velocity in a direction uniform
/// on the sphere with the magnitude of a normal deviate. Starts that are unbound are drawn again and counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HaloSample {
    /// Smallest radius, kpc.
    pub inner_radius: Kpc,
    /// Greatest radius, kpc.
    pub outer_radius: Kpc,
    /// Standard deviation of the normal deviate, km/s.
    pub dispersion: KmPerSecond,
    /// Draw stars again that have the energy to go further out than this (in a spherical potential), kpc.
    pub within: Option<Kpc>,
}

impl Default for HaloSample {
    fn default() -> Self {
        Self {
            inner_radius: Kpc(sample::HALO_INNER_RADIUS),
            outer_radius: Kpc(sample::HALO_OUTER_RADIUS),
            dispersion: KmPerSecond(sample::HALO_DISPERSION),
            within: None,
        }
    }
}

/// Starts drawn for one orbit before the sample is given up.
const MOST_DRAWS: u32 = 10_000;

impl HaloSample {
    /// Faults of the values, at `at` below `with`.
    pub fn faults(&self, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(within) = self.within.filter(|within| *within <= self.outer_radius) {
            let message = format!("must be above outer_radius, not {}", within.get());
            faults.push(Fault::new(&format!("{at}.within"), message));
        }
        if self.inner_radius >= self.outer_radius {
            let (inner, outer) = (self.inner_radius.get(), self.outer_radius.get());
            let message = format!("inner_radius {inner} must be below outer_radius {outer}");
            faults.push(Fault::new(at, message));
        }
        faults
    }

    /// A bound start, and how many were drawn before it that are not.
    pub fn start<R: Rng>(&self, potential: &dyn Potential, random: &mut R) -> Result<(PhaseSpace, u32), StageError> {
        let limit = match self.within {
            Some(within) => potential.potential([within.get(), 0.0, 0.0]),
            None => potential.potential_at_infinity(),
        };
        let drawn = (0..MOST_DRAWS).find_map(|draws| {
            let start = self.draw(random);
            (potential.energy(&start) < limit).then_some((start, draws))
        });
        drawn.ok_or_else(|| {
            StageError::with_hint(
                format!("none of {MOST_DRAWS} stars of the halo sample is bound in this potential"),
                "lower halo.dispersion, or use a heavier potential",
            )
        })
    }

    fn draw<R: Rng>(&self, random: &mut R) -> PhaseSpace {
        let r = random.random_range(self.inner_radius.get()..self.outer_radius.get());
        let x = sample::isotropic(random).map(|u| r * u);
        let speed = (self.dispersion.get() * random.sample::<f64, _>(StandardNormal)).abs();
        PhaseSpace::new(x, sample::isotropic(random).map(|u| speed * u))
    }
}

/// The disc sample: actions uniform between 0 and the given ones, pericentres no smaller than a given one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(non_snake_case, reason = "the names of the actions")]
pub struct DiscSample {
    /// Greatest J_phi, km/s kpc.
    pub J_phi: KmPerSecondKpc,
    /// Greatest J_z, km/s kpc.
    pub J_z: KmPerSecondKpc,
    /// Greatest J_r, km/s kpc.
    pub J_r: KmPerSecondKpc,
    /// Draw actions again whose torus comes closer to the centre than this, kpc.
    pub pericentre: Kpc<FROM_ZERO>,
}

impl Default for DiscSample {
    fn default() -> Self {
        Self {
            J_phi: KmPerSecondKpc(sample::DISC_MOST.phi),
            J_z: KmPerSecondKpc(sample::DISC_MOST.z),
            J_r: KmPerSecondKpc(sample::DISC_MOST.r),
            pericentre: Kpc(sample::DISC_LEAST_PERICENTRE),
        }
    }
}

impl DiscSample {
    /// One draw of actions, whatever its pericentre.
    pub fn draw<R: Rng>(&self, random: &mut R) -> Actions {
        let most = Actions {
            phi: self.J_phi.get(),
            z: self.J_z.get(),
            r: self.J_r.get(),
        };
        sample::disc_actions(random, &most)
    }
}
