//! The acceleration, learned from a trained action map: along an orbit actions stay and angles advance evenly (Eq. 14–17 of
//! Ibata et al. 2021, section 4).
//!
//! [`Equations`] are what the map says at each star; a [`Model`] is a network that is trained to obey them, and
//! [`fit_potential`] solves them for a sum of simple potentials.
//!
//! **Units** kpc, km/s, (km/s)²/kpc.

pub mod equations;
pub mod linear;
pub mod model;
pub mod train;

pub use equations::Equations;
pub use linear::fit_potential;
pub use model::{Form, Model};
pub use train::{Losses, Options, Trained, train};

#[cfg(test)]
mod tests;
