//! What a learned field's own stars say against it, as metrics, and as sentences where a limit is passed. The limits and what they are
//! set against: [`networks::field::evidence`].

use networks::field::evidence::{AtStars, CHI, Energies, Momenta, RATES, SCATTER, STRANGE, TURNED, UNEXPLAINED};
use runner::context::StageContext;

/// A share as whole per cents, or as it is where it is small; one star at the centre can make it any number.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        _ if percent.is_nan() => "an unknown part".to_owned(),
        _ if percent < 10.0 => format!("{percent:.1} %"),
        _ if percent <= 1000.0 => format!("{percent:.0} %"),
        _ => "more than 1000 %".to_owned(),
    }
}

/// Energies along streams: `set` is `held_out`, or `training` where no stream was.
pub fn of_energies(context: &StageContext, energies: &Energies, set: &str, with_errors: bool) {
    context.metric(&format!("{set}_energy_spread"), energies.spread(), "(km/s)^2");
    context.metric(
        &format!("{set}_energy_spread_of_kinetic"),
        100.0 * energies.relative(),
        "%",
    );
    let unexplained = energies.unexplained();
    context.metric(&format!("{set}_unexplained_variance"), 100.0 * unexplained, "%");
    let chi = energies.chi();
    if with_errors {
        context.metric(&format!("{set}_chi"), chi, "");
    }
    let is_unexplained = unexplained > UNEXPLAINED || unexplained.is_nan();
    if is_unexplained && !with_errors {
        let text = if unexplained < 1.0 {
            let share = percent(unexplained);
            format!(
                "the field leaves {share} of the variance of ½v² along streams unexplained; its force may be too weak by as much"
            )
        } else {
            "the field explains nothing of how ½v² varies along streams: without any it varied no more".to_owned()
        };
        context.finding(text);
    }
    if with_errors && chi > CHI {
        context.finding(format!(
                "energies scatter {chi:.1} times as much as their stated errors: these are too small, or a stream is not one orbit"
            ));
    } else if with_errors && is_unexplained {
        context.finding(format!(
            "errors make {} of the variance of ½v² along streams, and hide what the field does there; a χ of {chi:.2} flatters",
            percent(unexplained)
        ));
    }
}

/// L_z along streams that an axisymmetric field is learned from.
pub fn of_momenta(context: &StageContext, momenta: &Momenta, with_errors: bool) {
    context.metric("momentum_spread", 100.0 * momenta.relative(), "%");
    if with_errors {
        let chi = momenta.chi();
        context.metric("momentum_chi", chi, "");
        if chi > CHI || chi.is_nan() {
            context.finding(format!(
                "L_z differs along streams {chi:.1} times as much as its errors let it: the field is not axisymmetric, or a stream is not one orbit"
            ));
        }
    } else if momenta.relative() > TURNED || momenta.relative().is_nan() {
        context.finding(format!(
            "L_z differs along streams by {} of |L|: the field is not axisymmetric, or a stream is not one orbit",
            percent(momenta.relative())
        ));
    }
}

/// Rates of the actions under the field: the share of what the motion alone changes that the force does not undo; `set` as in [`of_energies`].
pub fn of_rates(context: &StageContext, unexplained: f64, set: &str) {
    context.metric(&format!("{set}_unexplained_rates"), 100.0 * unexplained, "%");
    if unexplained > RATES || unexplained.is_nan() {
        context.finding(format!(
            "under the field actions keep {} of the squared rate that they have without any force",
            percent(unexplained)
        ));
    }
}

/// What the field owes to the streams that happened to be there.
pub fn of_scatter(context: &StageContext, scatter: f64) {
    context.metric("acceleration_scatter", 100.0 * scatter, "%");
    if scatter > SCATTER || scatter.is_nan() {
        context.finding(format!(
            "the acceleration at the stars is uncertain by {}: it changes as much when streams are left out",
            percent(scatter)
        ));
    }
}

/// The field at the stars; `hollow` is the share of them at which its density may be negative.
pub fn of_places(context: &StageContext, found: &AtStars, hollow: f64) {
    let shares = [
        (
            "repelled_stars",
            found.repelled,
            STRANGE,
            "the field repels: it pushes",
            "of the stars away from the centre",
        ),
        (
            "negative_density_stars",
            found.hollow,
            hollow,
            "the field has a negative density at",
            "of the stars",
        ),
        (
            "rough_stars",
            found.rough,
            STRANGE,
            "the field is rough: at",
            "of the stars its radial force changes faster than in any galaxy",
        ),
    ];
    for (metric, share, limit, before, after) in shares {
        context.metric(metric, 100.0 * share, "%");
        if share > limit {
            context.finding(format!("{before} {} {after}", percent(share)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn shares_are_told_in_two_digits_or_as_out_of_bounds() {
        let told = [0.012, 0.5, 9.99, 5.5e20, f64::INFINITY, f64::NAN].map(percent);
        let expected = [
            "1.2 %",
            "50 %",
            "999 %",
            "more than 1000 %",
            "more than 1000 %",
            "an unknown part",
        ];
        assert_eq!(told, expected.map(str::to_owned));
    }
}
