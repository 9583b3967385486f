//! What is written of a star beside the columns of the input.

use dynamics::o2gf::Libration;

use super::methods::{Estimate, Quality};
use crate::common::columns::J_ERROR;
use crate::common::layout::Layout;
use crate::common::spread::Written;

/// Columns of the resonance n_r Ω_r + n_z Ω_z ≈ 0.
const N_R: (&str, &str) = (
    "n_r",
    "of the resonance n_r Ω_r + n_z Ω_z ≈ 0 that the star is in, 0 without one",
);
const N_Z: (&str, &str) = ("n_z", "the same for Ω_z");

/// Columns of a star that a resonance traps.
const J_LIBRATION: (&str, &str, &str) = (
    "J_libration",
    "km/s kpc",
    "action of the libration about the resonance that the star is trapped in, none elsewhere or where it is not known",
);
const J_SHARP: (&str, &str, &str) = (
    "J_sharp",
    "km/s kpc",
    "J_z + |n_z|/n_r J_r of such a star, which does not swing",
);
const J_LIBRATION_ERROR: (&str, &str, &str) = (
    "J_libration_error",
    "km/s kpc",
    "estimated error of both, none by the table of finder",
);

fn resonance(row: &Estimate, of: usize) -> i64 {
    row.quality.map_or(0, |quality| i64::from(quality.class.resonance[of]))
}

fn libration(row: &Estimate, of: fn(&Libration) -> Option<f64>) -> Option<f64> {
    row.quality?.libration.as_ref().and_then(of)
}

/// What is written beside the columns of the input; `is_judged`, with the opinion that a method has of itself and the libration of trapped
/// stars; with what errors of measurement make of it.
pub fn layout(is_judged: bool, spread: Option<Written>) -> Layout<Estimate> {
    let classes = "regular, resonant, chaotic, near-vertical or unconverged";
    let of_angles = ("theta_error", "rad", "estimated error of the angles");
    let error = |row: &Estimate, of: fn(&Quality) -> f64| row.quality.as_ref().map_or(0.0, of);
    let layout = Layout::new().action_angle(|row: &Estimate| &row.found);
    let layout = layout.when(is_judged, |layout| {
        layout
            .number(J_ERROR, move |row| error(row, |quality| quality.action_error))
            .number(of_angles, move |row| error(row, |quality| quality.angle_error))
            .text("class", classes, |row| {
                row.quality.as_ref().map_or("", |quality| quality.class.name)
            })
            .count(N_R.0, N_R.1, |row| resonance(row, 0))
            .count(N_Z.0, N_Z.1, |row| resonance(row, 1))
            .number_or_none(J_LIBRATION, |row| libration(row, |libration| Some(libration.action)))
            .number_or_none(J_SHARP, |row| libration(row, |libration| Some(libration.sharp)))
            .number_or_none(J_LIBRATION_ERROR, |row| libration(row, |libration| libration.error))
    });
    match spread {
        Some(written) => written.layout(layout, |row| row.spread.as_deref()),
        None => layout,
    }
}
