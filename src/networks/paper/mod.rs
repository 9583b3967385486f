//! The paper's formulation: generating function G(θ, J') and point transformation P(θ'), both deep networks.

pub mod layers;
pub mod map;
pub mod model;
pub mod train;
