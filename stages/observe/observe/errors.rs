//! Errors of observation, and stars as they are seen with them.

use dynamics::measured::{Covariance, Depth, Measured};
use dynamics::phase_space::PhaseSpace;
use dynamics::sky::Observables;
use rand::Rng;
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{Column, heliocentric};
use crate::common::parameters::{Degrees, FROM_ZERO, KmPerSecond, Mas, MasPerYear, not_negative};

/// Standard deviations of Gaussian errors; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Error of the distance as a fraction of it; a distance that would not be positive is drawn again.
    pub distance: f64,
    /// Instead, the error of the parallax, mas, of which the distance is then the inverse; one that would not be positive is drawn again.
    #[serde(skip_serializing_if = "is_none")]
    pub parallax: Mas<FROM_ZERO>,
    /// Instead, the error of the distance modulus in magnitudes.
    #[serde(skip_serializing_if = "is_zero")]
    pub distance_modulus: f64,
    /// Error of the longitude on the sky (times cos b), degrees.
    pub l: Degrees<FROM_ZERO>,
    /// Error of the latitude, degrees.
    pub b: Degrees<FROM_ZERO>,
    /// Error of the line-of-sight velocity, km/s.
    pub v_los: KmPerSecond<FROM_ZERO>,
    /// Error of the proper motion in longitude, mas/yr.
    pub mu_l_cosb: MasPerYear<FROM_ZERO>,
    /// Error of the proper motion in latitude, mas/yr.
    pub mu_b: MasPerYear<FROM_ZERO>,
    /// Correlation of the errors of the two proper motions.
    #[serde(skip_serializing_if = "is_zero")]
    pub mu_l_cosb_mu_b_corr: f64,
    /// Magnitudes of the stars, on which the errors then depend as Gaia's do: those given are of bright stars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub magnitudes: Option<Magnitudes>,
}

/// Absolute magnitudes G of the stars, drawn evenly between two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Magnitudes {
    /// Of the brightest.
    pub brightest: f64,
    /// Of the faintest.
    pub faintest: f64,
    /// Stars that seem fainter than this have no line-of-sight velocity; left out, all have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v_los_limit: Option<f64>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_none(value: &Mas<FROM_ZERO>) -> bool {
    value.get() == 0.0
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            distance: 0.0,
            parallax: Mas(0.0),
            distance_modulus: 0.0,
            l: Degrees(0.0),
            b: Degrees(0.0),
            v_los: KmPerSecond(0.0),
            mu_l_cosb: MasPerYear(0.0),
            mu_b: MasPerYear(0.0),
            mu_l_cosb_mu_b_corr: 0.0,
            magnitudes: None,
        }
    }
}

impl Magnitudes {
    /// Stars brighter than this have the same errors.
    const BRIGHT: f64 = 13.0;

    /// By how much the errors of a star of this apparent magnitude exceed those of bright ones.
    ///
    /// **Source**: the end-of-mission formula of Gaia's parallaxes, σ ∝ (40 + 800 z + 30 z²)^½ with z = 10^(0.4 (G − 15)), whose shape the third data
    /// release has.
    fn faint(magnitude: f64) -> f64 {
        let of = |magnitude: f64| {
            let z = 10.0_f64.powf(0.4 * (magnitude - 15.0));
            (40.0 + 800.0 * z + 30.0 * z * z).sqrt()
        };
        of(magnitude.max(Self::BRIGHT)) / of(Self::BRIGHT)
    }
}

/// An error of this size, degrees, leaves nothing known of where a star is on the sky.
const LARGEST_ANGLE: f64 = 45.0;

/// A star as it was seen.
pub(super) struct Seen {
    /// With the errors that were drawn.
    pub drawn: Observables,
    /// Where it is by that.
    pub located: PhaseSpace,
    /// Where it is.
    pub truth: PhaseSpace,
    /// Without them, but with their size.
    pub measured: Measured,
    /// Apparent magnitude.
    pub magnitude: Option<f64>,
}

/// Draws before a star is given up.
pub(super) const TRIES: usize = 10_000;

impl Errors {
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }

    /// `star` with errors. Always takes the same random numbers, so that one error more does not change the others.
    /// What is wrong with them.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, error) in [("l", self.l.get()), ("b", self.b.get())] {
            if error > LARGEST_ANGLE {
                let message = format!("an error on the sky is at most {LARGEST_ANGLE} deg, not {error}");
                faults.push(Fault::new(&format!("errors.{name}"), message));
            }
        }
        let distance = self.distance;
        if !(0.0..1.0).contains(&distance) {
            let message = format!("is a fraction, from 0 and below 1, not {distance}");
            faults.push(Fault::new("errors.distance", message));
        }
        let Errors {
            distance,
            parallax,
            distance_modulus,
            mu_l_cosb_mu_b_corr,
            magnitudes,
            ..
        } = *self;
        if [distance, parallax.get(), distance_modulus]
            .iter()
            .filter(|error| **error > 0.0)
            .count()
            > 1
        {
            let message =
                "has several errors of how far stars are: distance, parallax and distance_modulus exclude each other";
            faults.push(Fault::new("errors", message));
        }
        faults.extend(not_negative("errors.distance_modulus", distance_modulus));
        if !(-1.0..=1.0).contains(&mu_l_cosb_mu_b_corr) {
            let message = format!("is from −1 to 1, not {mu_l_cosb_mu_b_corr}");
            faults.push(Fault::new("errors.mu_l_cosb_mu_b_corr", message));
        }
        if let Some(Magnitudes {
            brightest, faintest, ..
        }) = magnitudes
            && brightest.partial_cmp(&faintest).is_none_or(std::cmp::Ordering::is_gt)
        {
            let message = format!("must not be below brightest, {brightest}, as {faintest} is");
            faults.push(Fault::new("errors.magnitudes.faintest", message));
        }
        faults
    }

    /// What is measured of a star, before the errors are drawn, with its apparent magnitude; and with errors of which each is the larger the fainter
    /// it is.
    pub(super) fn measured<R: Rng>(&self, star: &Observables, random: &mut R) -> (Measured, Option<f64>) {
        let magnitude = self.magnitudes.map(|magnitudes| {
            let Magnitudes {
                brightest, faintest, ..
            } = magnitudes;
            let absolute = brightest + (faintest - brightest) * random.random::<f64>();
            absolute + modulus(star.distance)
        });
        let faint = magnitude.map_or(1.0, Magnitudes::faint);
        let limit = self.magnitudes.and_then(|magnitudes| magnitudes.v_los_limit);
        let is_too_faint = limit.zip(magnitude).is_some_and(|(limit, magnitude)| magnitude > limit);
        let (depth, of_depth) = if self.parallax.get() > 0.0 {
            (Depth::Parallax(1.0 / star.distance), self.parallax.get())
        } else if self.distance_modulus > 0.0 {
            (Depth::Modulus(modulus(star.distance)), self.distance_modulus)
        } else {
            (Depth::Distance(star.distance), self.distance * star.distance)
        };
        let mut correlations = [0.0; 10];
        correlations[9] = self.mu_l_cosb_mu_b_corr;
        let deviations = [
            self.l.get(),
            self.b.get(),
            of_depth,
            self.mu_l_cosb.get(),
            self.mu_b.get(),
        ];
        let measured = Measured {
            l: star.l,
            b: star.b,
            depth,
            mu_l_cosb: star.mu_l_cosb,
            mu_b: star.mu_b,
            v_los: Some(star.v_los).filter(|_| !is_too_faint),
            covariance: Covariance {
                deviations: deviations.map(|deviation| faint * deviation),
                correlations,
            },
            v_los_error: faint * self.v_los.get(),
        };
        (measured, magnitude)
    }
}

/// The distance modulus of a distance in kpc.
pub(super) fn modulus(distance: f64) -> f64 {
    5.0 * (100.0 * distance).log10()
}

/// The magnitude that errors depend on.
pub(super) const MAGNITUDE: Column = heliocentric("magnitude", "mag", "apparent magnitude G");
