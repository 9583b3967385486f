//! Radii stretched in front of a toy, by the field that is learned.

use dynamics::statistics::quantile;
use dynamics::vector::norm;
use networks::isochrone::Isochrone;
use runner::context::StageContext;
use runner::error::StageError;
use stages::learn::train_actions::{Network, TrainActions};

use crate::common::failed;
use crate::common::sample::Sample;
use crate::learn::train_actions::learned_field;

/// The toy of the network to go on from, which must have what is asked for.
pub fn to_go_on_with(with: &TrainActions, toy: Isochrone) -> Result<Isochrone, StageError> {
    let Network::Smooth(own) = &with.network else {
        return Ok(toy);
    };
    if own.point_transformation && toy.stretch.is_none() {
        return Err(StageError::with_hint(
            "input start: its toy has no point transformation",
            "give the network to start from one, or leave it out here",
        ));
    }
    Ok(toy)
}

/// The toy with radii stretched to the field's circular orbits, where that is asked for.
pub fn stretched(
    context: &StageContext,
    with: &TrainActions,
    toy: Isochrone,
    train: &Sample,
) -> Result<Isochrone, StageError> {
    let is_wanted = matches!(&with.network, Network::Smooth(own) if own.point_transformation);
    let Some(field) = (if is_wanted { learned_field(context)? } else { None }) else {
        return Ok(toy);
    };
    let stars = train.streams.points().map_err(failed)?;
    let range = reach(stars.iter().flatten().map(|star| norm(star.x)).collect());
    let stretch = toy.stretch_for(&field, range).map_err(|error| {
        let hint = "leave out point_transformation, or the stars that are no part of the disc";
        StageError::with_hint(error.to_string(), hint)
    })?;
    let [least, most] = stretch.range();
    context.note(format!(
        "radii are stretched by {least:.3} to {most:.3}, so that circular orbits are circular in the toy"
    ));
    Ok(Isochrone {
        stretch: Some(stretch),
        ..toy
    })
}

/// Stars may be so many times nearer or farther than a twentieth of all of them.
const OUTLYING: f64 = 3.0;

/// Least and greatest radius of stars, without those that are far from the rest: a single one would take the knots from all others.
fn reach(radii: Vec<f64>) -> [f64; 2] {
    let of = |fraction| quantile(radii.clone(), fraction).unwrap_or(f64::NAN);
    let [least, near, far, most] = [0.0, 0.05, 0.95, 1.0].map(of);
    [least.max(near / OUTLYING), most.min(far * OUTLYING)]
}

#[cfg(test)]
mod tests {
    use super::reach;

    #[test]
    fn single_stars_do_not_say_where_radii_are_stretched() {
        let usual: Vec<f64> = (0..60).map(|star| 5.0 + 0.2 * f64::from(star)).collect();
        assert_eq!(reach(usual.clone()), [5.0, 16.8]);
        let [least, most] = reach([&usual[..], &[0.0, 1e6]].concat());
        assert!(
            (1.5..5.0).contains(&least) && (16.8..51.0).contains(&most),
            "{least} {most}"
        );
        assert!(reach(Vec::new()).iter().all(|r| r.is_nan()));
    }
}
