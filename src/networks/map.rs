//! Maps from positions and velocities to actions and angles, whatever their network.

use tch::Tensor;

/// θ' and J' that a map gives to single stars, or to the stars of streams that share their J'.
#[derive(Debug)]
pub struct Image {
    /// θ' in [0, 2π): (stars, 3), or (streams, stars, 3).
    pub angles: Tensor,
    /// J', km/s kpc: (stars, 3), or (streams, 3).
    pub actions: Tensor,
    /// For which of them no J' was found that solves its equation: what stands there then means little.
    pub open: Vec<bool>,
}
