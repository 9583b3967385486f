//! How a galaxy is fitted, and why it may not be.

use super::galaxy::Correction;
use super::observed::StreamError;
use crate::units::Gyr;

/// What a stream is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Stars stripped from a progenitor.
    #[default]
    Spray,
    /// Stars on one orbit.
    Orbit,
}

/// How a galaxy is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What streams are.
    pub source: Source,
    /// Multipoles of the correction.
    pub correction: Correction,
    /// Scales of the correction; none for 0.
    pub scales: usize,
    /// Standard deviation of its coefficients, in 1e4 (km/s)²: a circular speed of 220 km/s may be off by two per cent for each.
    pub shrinkage: f64,
    /// Standard deviation of the coefficients of discs of other scales, in the same unit; 0 for none of them.
    pub discs: f64,
    /// How many of a stream's stars are independent: fewer than there are where they are points of one curve.
    pub independent: Option<usize>,
    /// Standard deviation of the window in which a track is the mean of its particles, relative to the stream's length.
    pub window: f64,
    /// Releases into each tail.
    pub releases: usize,
    /// Iterations.
    pub iterations: usize,
    /// How many of them, the first, look for slopes; the others use the mean of those, and cost little.
    pub looks: usize,
    /// Draws of kicks that residuals are the mean of.
    pub draws: usize,
    /// How many iterations, halfway between those and the averaged ones, look for slopes anew; 0 for none.
    pub again: usize,
    /// How many of the last iterations the result is the mean of.
    pub averaged: usize,
    /// Middle of the prior of the time since stripping began.
    pub age: Gyr,
    /// Prior standard deviation of the progenitor's place from the middle of its stars, radial periods.
    pub progenitor: f64,
    /// Middle of the prior of the progenitors' masses, M_sun.
    pub mass: f64,
    /// Whether streams are asked about what the galaxy's symmetry rules out.
    pub asks: bool,
    /// Seed of the kicks.
    pub seed: u64,
}

impl Settings {
    /// What works for streams of the given kind.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            correction: Correction::default(),
            scales: 5,
            shrinkage: 0.5,
            discs: 0.0,
            independent: None,
            window: 0.07,
            releases: 150,
            iterations: match source {
                Source::Spray => 40,
                Source::Orbit => 30,
            },
            looks: match source {
                Source::Spray => 6,
                Source::Orbit => 30,
            },
            draws: 2,
            again: 10,
            averaged: match source {
                Source::Spray => 20,
                Source::Orbit => 10,
            },
            age: Gyr(3.0),
            progenitor: 0.03,
            mass: 2e4,
            asks: true,
            seed: 0,
        }
    }
}

impl Settings {
    /// Iterations that look for slopes anew.
    pub(crate) fn second_looks(&self) -> std::ops::Range<usize> {
        let first = self.looks + AGAIN_AFTER;
        first..(first + self.again).min(self.iterations)
    }

    /// Whether an iteration looks for slopes.
    pub(crate) fn looks_at(&self, iteration: usize) -> bool {
        iteration < self.looks || self.second_looks().contains(&iteration)
    }

    /// Whether the second looks have begun and the streams' own scatter is learned anew: it was that of a search on its way.
    pub(crate) fn learns_anew(&self, iteration: usize) -> bool {
        let second = self.second_looks();
        (second.start..second.end.min(second.start + LEARNING)).contains(&iteration)
    }

    /// Whether an iteration learns the streams' own scatter.
    pub(crate) fn learns_at(&self, iteration: usize) -> bool {
        iteration < LEARNING || self.learns_anew(iteration)
    }

    /// Iterations whose slopes the uncertainty is told by: the second looks, or where there are none the last of the first ones.
    fn kept(&self) -> std::ops::Range<usize> {
        let (second, first) = (self.second_looks(), self.looks.min(self.iterations));
        match second.is_empty() {
            true => first.saturating_sub(KEPT)..first,
            false => second,
        }
    }

    /// Whether an iteration's slopes are kept for the uncertainty.
    pub(crate) fn keeps(&self, iteration: usize) -> bool {
        self.kept().contains(&iteration)
    }
}

/// Iterations in which the streams' own scatter is learned, at the beginning and with the second looks.
const LEARNING: usize = 8;

/// Of the first looks, where there are no second ones, so many are kept.
const KEPT: usize = 6;

/// Iterations between the first looks and the second ones.
const AGAIN_AFTER: usize = 5;

/// Why a galaxy cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A stream cannot be used.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// No stream is left.
    #[error("there are no streams to fit")]
    NoStreams,
    /// A stream's orbit has no radial period in the galaxy reached.
    #[error("stream {stream} has no orbit in the trial galaxy")]
    NoOrbit {
        /// The stream.
        stream: i64,
    },
    /// The equations have no solution.
    #[error("iteration {iteration}: the equations of the fit have no solution")]
    Singular {
        /// The iteration.
        iteration: usize,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}
