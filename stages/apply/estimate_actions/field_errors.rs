//! How well the actions of stars are known where the field is: what they are in other fields that its stars allow.

use dynamics::units::wrap_difference;
use runner::context::StageContext;

use super::methods::{Estimate, Found};
use crate::common::columns::Column;
use crate::common::layout::Layout;
use crate::common::learned_field::Others;
use crate::common::spread::{Nine, is_angle, nine};

const fn column(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "",
        description,
    }
}

/// Standard deviations that the error of the field makes; J_φ is L_z in every axisymmetric field.
const COLUMNS: [Column; 8] = [
    column(
        "J_z_field_error",
        "km/s kpc",
        "error of J_z by that of the learned field",
    ),
    column("J_r_field_error", "km/s kpc", "of J_r"),
    column("theta_phi_field_error", "rad", "of theta_phi"),
    column("theta_z_field_error", "rad", "of theta_z"),
    column("theta_r_field_error", "rad", "of theta_r"),
    column("Omega_phi_field_error", "km/s/kpc", "of Omega_phi"),
    column("Omega_z_field_error", "km/s/kpc", "of Omega_z"),
    column("Omega_r_field_error", "km/s/kpc", "of Omega_r"),
];

/// Adds these columns, of which a star has none that has no actions in one of the fields.
pub fn layout(layout: Layout<Estimate>) -> Layout<Estimate> {
    layout.numbers_or_none(&COLUMNS, |row| match &row.of_field {
        Some(all) => std::array::from_fn(|column| Some(all[column + 1])),
        None => [None; 8],
    })
}

/// Adds to `estimates` how much they are off in the `others`, estimates of the same stars.
pub fn add(estimates: &mut [Found], others: &[Vec<Found>], by: &Others) {
    for (star, estimate) in estimates.iter_mut().enumerate() {
        let Ok(estimate) = estimate else { continue };
        let found = nine(&estimate.found);
        let all: Option<Vec<Nine>> = others
            .iter()
            .map(|other| Some(nine(&other[star].as_ref().ok()?.found)))
            .collect();
        estimate.of_field = all.map(|all| {
            std::array::from_fn(|place| {
                let away = |other: &Nine| match is_angle(place) {
                    true => wrap_difference(other[place] - found[place]),
                    false => other[place] - found[place],
                };
                let away: Vec<f64> = all.iter().map(away).collect();
                by.deviation(&away)
            })
        });
    }
}

/// What the errors of the field were.
#[derive(Debug, Default)]
pub struct Tally {
    /// Of J_r and J_z, the greater.
    of_actions: Vec<f64>,
    unknown: usize,
}

impl Tally {
    /// Counts these in.
    pub fn add(&mut self, estimates: &[Estimate]) {
        for estimate in estimates {
            match &estimate.of_field {
                Some([_, j_z, j_r, ..]) => self.of_actions.push(j_z.max(*j_r)),
                None => self.unknown += 1,
            }
        }
    }

    /// Tells their median, and of how many stars they are not known.
    pub fn tell(self, context: &StageContext) {
        if let Some(median) = dynamics::statistics::median(self.of_actions) {
            context.metric("J_field_error", median, "km/s kpc");
        }
        context.metric("field_error_unknown", self.unknown as f64, "");
    }
}
