//! Can it be believed: findings, comparisons outside their tolerance, then what stages counted that speaks for or against them.

use std::collections::HashMap;
use std::fmt::Write as _;

use runner::store::Metric;

use super::super::data::{Data, State};
use super::super::html::{escape, table};
use super::settings;
use crate::console::{count, number};
use crate::report::outside_tolerance;

/// Metrics that speak for or against a stage, with what they say.
const CHECKS: [(&str, &str); 35] = [
    (
        "spread_toy_validation",
        "variation of actions along validation streams, by the toy alone",
    ),
    (
        "spread_validation",
        "variation of actions along validation streams, by the network",
    ),
    (
        "spread_training",
        "variation of actions along training streams, by the network",
    ),
    (
        "validation_unexplained_variance",
        "variance of ½v² along validation streams that the field leaves",
    ),
    (
        "held_out_unexplained_variance",
        "variance of ½v² along streams left out that the field leaves",
    ),
    (
        "validation_unexplained_rates",
        "squared rate of actions along validation streams that the field leaves",
    ),
    ("held_out_action_rate", "rate of the actions along streams left out"),
    ("held_out_chi", "χ of streams left out: about 1 where errors are right"),
    (
        "acceleration_scatter",
        "change of the acceleration when streams are left out",
    ),
    ("repelled_stars", "stars that the field pushes away from the centre"),
    (
        "negative_density_stars",
        "stars at which the field's density is negative",
    ),
    ("rough_stars", "stars at which the field is rough"),
    (
        "expected_purity",
        "share of likely members that are expected to be right",
    ),
    ("misfit", "misfit of the model"),
    ("outside_stars", "stars outside the region of training"),
    ("unconverged_stars", "stars whose inversion did not converge"),
    ("unconverged_streams", "streams whose inversion did not converge"),
    ("unphysical_stars", "stars with a negative J_r or J_z"),
    ("unbound_stars", "stars unbound in the toy or the field"),
    ("unbound_streams", "streams unbound in the toy or the field"),
    ("ill_conditioned_stars", "stars whose equations are nearly singular"),
    ("unsettled_streams", "streams that did not settle"),
    ("synthetic_rejected", "synthetic streams rejected"),
    ("set_aside", "rows set aside"),
    ("set_aside_rows", "rows of the file set aside"),
    ("set_aside_draws", "draws set aside"),
    ("incomplete_streams", "streams that lack stars"),
    ("streams_set_aside", "streams set aside"),
    ("starts_redrawn", "starts drawn again"),
    ("not_axisymmetric", "part of the field that is not axisymmetric"),
    ("curl", "curl of the field"),
    ("v_c_error", "error of the circular speed"),
    ("J_error", "typical error of the actions"),
    ("largest_dispersion", "largest dispersion of energy on a torus"),
    ("largest_energy_error", "largest relative error of the energy"),
];

/// The section.
pub fn believed(html: &mut String, data: &Data) {
    html.push_str("<h2 id=\"believed\">Can it be believed</h2>\n");
    let mut skipped: HashMap<&str, Vec<&str>> = HashMap::new();
    for stage in &data.stages {
        if let State::Skipped { because } = &stage.state {
            skipped.entry(because).or_default().push(&stage.name);
        }
    }
    let mut any = false;
    for (stage, title, detail) in data.findings() {
        any = true;
        let after = match skipped.get(&*stage.label) {
            None => String::new(),
            Some(names) => format!(
                "<p class=\"quiet\">Not run because of it: {}.</p>",
                escape(&names.join(", "))
            ),
        };
        let detail = match detail {
            "" => String::new(),
            detail => format!("<pre>{}</pre>", escape(detail)),
        };
        let _ = writeln!(
            html,
            "<div class=\"remark\"><strong>{}: {}</strong><span class=\"quiet\">{}</span>{detail}{after}</div>",
            escape(&stage.name),
            escape(title),
            settings(data, stage),
        );
    }
    let outside = outside_tolerance(data).map(|(stage, text)| vec![escape(&stage.label), escape(text)]);
    let outside: Vec<Vec<String>> = outside.collect();
    if !outside.is_empty() {
        any = true;
        html.push_str("<div class=\"remark poor\"><strong>Outside tolerance</strong>\n");
        html.push_str(&table(&[("comparison", false), ("what", false)], &outside));
        html.push_str("</div>\n");
    }
    let done = data.stages.iter().filter(|stage| stage.state == State::Done).count();
    if done < data.stages.len() {
        let left = data.stages.len() - done;
        let _ = writeln!(html, "<p>{left} of {} not done.</p>", count(data.stages.len(), "stage"));
    }
    if !any && done == data.stages.len() {
        html.push_str("<p>No stage gave a finding.</p>\n");
    }
    checks(html, data);
}

/// The findings and the comparisons outside their tolerance, counted, for the head of the page.
pub fn banner(html: &mut String, data: &Data) {
    let findings = data.findings().count();
    let outside = outside_tolerance(data).count();
    let mut parts = Vec::new();
    parts.extend((findings > 0).then(|| count(findings, "finding")));
    parts.extend((outside > 0).then(|| format!("{} outside tolerance", count(outside, "measure"))));
    if !parts.is_empty() {
        let _ = writeln!(
            html,
            "<div class=\"remark\"><a href=\"#believed\">{}: read these first</a></div>",
            parts.join(", ")
        );
    }
}

/// What a check found at all instances of a stage.
struct Check<'a> {
    stage: &'a str,
    about: &'static str,
    unit: &'a str,
    values: Vec<f64>,
}

fn checks(html: &mut String, data: &Data) {
    let mut found: Vec<Check> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for stage in &data.stages {
        let Some(manifest) = &stage.manifest else { continue };
        for (name, about) in CHECKS {
            let last = |metric: &&Metric| metric.name == name;
            let Some(metric) = manifest.metrics.iter().rfind(last) else {
                continue;
            };
            let place = *places.entry((&stage.name, about)).or_insert_with(|| {
                found.push(Check {
                    stage: &stage.name,
                    about,
                    unit: &metric.unit,
                    values: Vec::new(),
                });
                found.len() - 1
            });
            found[place].values.push(metric.value);
        }
    }
    if found.is_empty() {
        return;
    }
    let is_none = |check: &Check| check.unit.is_empty() && check.values.iter().all(|value| *value == 0.0);
    let rows: Vec<Vec<String>> = found
        .iter()
        .filter(|check| !is_none(check))
        .map(|check| vec![escape(check.stage), escape(check.about), range(check)])
        .collect();
    if !rows.is_empty() {
        html.push_str(&table(&[("stage", false), ("check", false), ("found", true)], &rows));
    }
    // In no stage at all, in the order of the list.
    let nowhere = |about: &str| {
        let mut own = found.iter().filter(|check| check.about == about).peekable();
        own.peek().is_some() && own.all(is_none)
    };
    let none: Vec<&str> = CHECKS
        .iter()
        .map(|(_, about)| *about)
        .filter(|about| nowhere(about))
        .collect();
    if !none.is_empty() {
        let _ = writeln!(html, "<p class=\"quiet\">None: {}.</p>", escape(&none.join("; ")));
    }
}

/// A number, or the least and the greatest.
fn range(check: &Check) -> String {
    let least = check.values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = check.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least == greatest {
        super::with_unit(least, check.unit)
    } else {
        let least = if check.unit.is_empty() {
            super::plain_number(least)
        } else {
            number(least)
        };
        format!("{least} to {}", super::with_unit(greatest, check.unit))
    }
}
