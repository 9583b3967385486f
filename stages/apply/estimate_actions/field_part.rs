//! The axisymmetric part of a learned field, as the potential of a method.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Expansion, Potential};
use runner::context::StageContext;
use runner::error::StageError;

use super::filled::Filled;
use super::hold::Hold;
use crate::common::learned_field::{self, LearnedField};

/// Reads the field that is connected: its axisymmetric part, filled in where it was learned from no star, what that can hold, and what it
/// leaves out.
pub fn read(context: &StageContext) -> Result<(Filled, Hold, LeftOut), StageError> {
    let LearnedField { expansion, extent } = learned_field::read(context.input("field")?)?;
    let part = expansion.axisymmetric_part();
    let part = part.ok_or_else(|| StageError::failed("input field: has no axisymmetric part"))?;
    let part = Filled::new(part, extent);
    let hold = Hold::new(&part, part.core(), extent);
    let left_out = LeftOut {
        whole: expansion,
        sum: 0.0,
        stars: 0,
    };
    Ok((part, hold, left_out))
}

/// What the part leaves out of the acceleration of stars.
pub struct LeftOut {
    whole: Expansion,
    sum: f64,
    stars: usize,
}

impl LeftOut {
    /// Counts `stars` in.
    pub fn count(&mut self, part: &dyn Potential, stars: &[PhaseSpace]) {
        for star in stars {
            let (whole, part) = (self.whole.acceleration(star.x), part.acceleration(star.x));
            let length = |a: [f64; 3]| a.iter().map(|c| c * c).sum::<f64>().sqrt();
            self.sum += length([0, 1, 2].map(|i| whole[i] - part[i])) / length(whole).max(f64::MIN_POSITIVE);
        }
        self.stars += stars.len();
    }

    /// Tells its mean as a metric.
    pub fn tell(self, context: &StageContext) {
        let mean = self.sum / self.stars.max(1) as f64;
        context.metric("not_axisymmetric", 100.0 * mean, "%");
    }
}
