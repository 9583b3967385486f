//! The smooth formulation: a small network of phase-space features as generating function, trained on the spread of
//! the actions along streams (no labels).

mod canonical;
pub mod exact;
pub mod flow;
pub mod jacobian;
pub mod map;
mod resonances;
pub mod train;

pub use flow::Flow;
pub use jacobian::Jacobian;
pub use map::{Shape, SmoothMap};
pub use resonances::find_resonances;
pub use train::{Options, Trained, train, train_from};

#[cfg(test)]
mod tests;
