//! The tables that a fitted galaxy comes with.

use dynamics::streams::{AtRadius, FittedStream};

use crate::common::layout::{Layout, StarId};
use crate::common::tidal_streams::{of_likelihood, of_progenitor};

/// A stream, and its χ in a galaxy of others.
pub(super) struct StreamRow {
    pub fitted: FittedStream,
    pub held_out: Option<f64>,
}

/// The table `streams`.
pub(super) fn of_streams() -> Layout<StreamRow> {
    let layout = Layout::of_streams(|row: &StreamRow| row.fitted.stream)
        .count("stars", "its stars", |row| row.fitted.stars as i64);
    let layout = of_likelihood(layout, |row| &row.fitted).number(
        ("outliers", "", "part of its stars that belong to something else"),
        |row| row.fitted.outliers,
    );
    of_progenitor(layout, |row| &row.fitted)
        .number_or_none(("held_out_chi", "", "chi in a galaxy of other streams"), |row| {
            row.held_out
        })
}

/// A radius, and whether there are stars.
pub(super) struct RadiusRow {
    pub at: AtRadius,
    pub inside: bool,
}

/// The table `galaxy`.
pub(super) fn of_galaxy() -> Layout<RadiusRow> {
    let known = |value: f64| value.is_finite().then_some(value);
    Layout::new()
        .number(("R", "kpc", "distance from the centre"), |row: &RadiusRow| {
            row.at.radius
        })
        .number(
            (
                "v_c",
                "km/s",
                "circular speed in the plane, where it rests on the form of the disc",
            ),
            |row| row.at.circular_speed.value,
        )
        .number_or_none(("v_c_sd", "km/s", "standard deviation of v_c"), move |row| {
            known(row.at.circular_speed.error)
        })
        .number_or_none(
            (
                "v_c_bound",
                "km/s",
                "the least that v_c_sd could be: streams as modelled, errors as stated",
            ),
            move |row| known(row.at.circular_speed.bound),
        )
        .number_or_none(
            (
                "q",
                "",
                "axis ratio of the surface of equal potential through R in the plane",
            ),
            move |row| known(row.at.flattening.value),
        )
        .number_or_none(("q_sd", "", "standard deviation of q"), move |row| {
            known(row.at.flattening.error)
        })
        .number_or_none(
            (
                "q_bound",
                "",
                "the least that q_sd could be: streams as modelled, errors as stated",
            ),
            move |row| known(row.at.flattening.bound),
        )
        .number(("mass", "M_sun", "mass within the distance"), |row| {
            row.at.enclosed_mass.value
        })
        .number_or_none(("mass_sd", "M_sun", "standard deviation of mass"), move |row| {
            known(row.at.enclosed_mass.error)
        })
        .number_or_none(
            (
                "mass_bound",
                "M_sun",
                "the least that mass_sd could be: streams as modelled, errors as stated",
            ),
            move |row| known(row.at.enclosed_mass.bound),
        )
        .flag("inside", "whether there are stars at that distance", |row| row.inside)
}

/// The table `galaxy` of these radii, and of whether there are stars there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub fn galaxy_table(rows: &[(AtRadius, bool)]) -> tables::RecordBatch {
    let rows: Vec<RadiusRow> = rows.iter().map(|&(at, inside)| RadiusRow { at, inside }).collect();
    tables::build(&of_galaxy().schema().into(), of_galaxy().columns(&rows)).unwrap()
}

/// A star, and the probability that it belongs to its stream.
pub(super) struct Member {
    pub id: StarId,
    pub membership: f64,
}

/// The table `members`.
pub(super) fn of_members() -> Layout<Member> {
    let membership = ("membership", "", "probability that the star belongs to its stream");
    Layout::of_stars(|row: &Member| row.id).number(membership, |row| row.membership)
}
