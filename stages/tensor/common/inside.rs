//! Whether stars are where a network was trained.

use networks::map::CanonicalMap;
use networks::region::Region;
use runner::context::StageContext;
use runner::error::StageError;
use tch::Tensor;

use crate::common::failed;
use crate::common::stretch::three;

/// Looks whether stars at (x, v) are in the region of a network, too: what is outside of one is outside.
pub fn look_inside(
    inside: &mut [Option<bool>],
    network: &dyn CanonicalMap,
    region: &Region,
    x: &Tensor,
    v: &Tensor,
) -> Result<(), StageError> {
    let [phi, z, r] = three(&network.by_toy(x, v).map_err(failed)?.actions)?;
    for (row, inside) in inside.iter_mut().enumerate() {
        *inside = Some(inside.unwrap_or(true) && region.holds([phi[row], z[row], r[row]]));
    }
    Ok(())
}

/// Predictions that are to be believed less than others.
#[derive(Default)]
pub struct Doubtful {
    /// Stars of which it is known whether they are inside.
    known: usize,
    outside: usize,
}

/// A share of stars outside that says that they are not of the training stars' population, of whom a hundredth is outside.
const OTHERS: f64 = 0.03;

impl Doubtful {
    /// Counts stars in.
    pub fn count(&mut self, inside: &[Option<bool>]) {
        self.known += inside.iter().flatten().count();
        self.outside += inside.iter().filter(|inside| **inside == Some(false)).count();
    }

    /// Says how many are outside, where that is known.
    pub fn tell(&self, context: &StageContext) {
        let Self { known, outside } = *self;
        if known > 0 {
            context.metric("outside_stars", outside as f64, "");
        }
        let text = format!(
            "{outside} of {known} stars are outside the region that the network was trained in (column inside)"
        );
        if 2 * outside > known {
            context.finding(text);
        } else if outside as f64 > OTHERS * known as f64 {
            context.note(text);
        }
    }
}
