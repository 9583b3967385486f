//! Tidal streams: stars stripped from a progenitor, made in any potential, and fitted.
//!
//! ```
//! use dynamics::phase_space::PhaseSpace;
//! use dynamics::potential::Composite;
//! use dynamics::sample::generator;
//! use dynamics::streams::{Progenitor, Spray};
//! use dynamics::units::Gyr;
//!
//! let galaxy = Composite::milky_way_like()?;
//! let progenitor = Progenitor { now: PhaseSpace::new([15.0, 0.0, 5.0], [20.0, 150.0, 80.0]), mass: 2e4, own_gravity: None };
//! let spray = Spray::new(&galaxy, progenitor, Gyr(1.0), 1e-5)?;
//! let stars = spray.stars(100, &mut generator(1, 0));
//! assert_eq!(stars.len(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asymmetry;
mod condensed;
mod corrected;
mod disc_form;
mod fit;
mod frame;
mod galaxy;
mod lanes;
mod likelihood;
mod made;
mod members;
mod noisy;
mod observed;
mod pace;
mod particles;
mod path;
mod posterior;
mod problem;
mod release;
mod reliability;
mod settings;
mod slopes;
mod spray;
mod system;
mod track;

#[cfg(test)]
mod fit_tests;
#[cfg(test)]
mod members_tests;
#[cfg(test)]
mod nbody_tests;

pub use asymmetry::Asymmetry;
pub use corrected::{Corrected, CorrectedStar, NotCorrected, Sight, TrackPoint, correct, first_guess, settings};
pub use fit::{Fit, FittedStream, fit, fit_as};
pub use frame::{Distance, Measured, Star};
pub use galaxy::{Correction, Model, Parameter};
pub use members::{Candidate, LEAST_KNOWN, Members, NotAStream, members};
pub use observed::{LEAST_STARS, Stream, StreamError, Unfit};
pub use posterior::{AtRadius, Known, Posterior, enclosed_mass, flattening};
pub use release::{Kicks, Offset, Recipe, Tail, Tide};
pub use settings::{FitError, Settings, Source};
pub use spray::{Progenitor, Spray, Stripped};
