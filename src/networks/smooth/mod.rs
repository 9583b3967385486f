//! The smooth formulation: a small network of phase-space features as generating function, trained on the spread of
//! the actions along streams (no labels).

pub mod dual;
pub mod features;
pub mod flow;
pub mod jacobian;
pub mod map;
pub mod toy;
pub mod train;

pub use features::Symmetry;
pub use flow::Flow;
pub use jacobian::Jacobian;
pub use map::{Shape, SmoothMap, Streams, ToyPoints};
pub use toy::{fit_toy, unbound_energies, undetermined};
pub use train::{Options, Trained, train, train_from};

#[cfg(test)]
mod tests;
