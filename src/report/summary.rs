//! The results as text, for the end of a run.

use super::data::{Data, StageData};
use super::results::{self, MEAN, MEAN_ABSOLUTE};
use crate::console::align;
use crate::console::number;

/// "measure | component | ours | paper | ratio" for one comparison; for several, a line of means for each. Columns that are empty
/// throughout are left out; one comparison without a published figure is named, for it may be of something else than errors.
pub fn table(data: &Data) -> String {
    let comparisons: Vec<_> = data.comparisons().collect();
    let several = comparisons.len() > 1;
    let mut head = vec!["measure", "component", "ours", "paper", "ratio"];
    if several {
        head[1] = "row";
    }
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for stage in &comparisons {
        let shown = |row: &&results::ErrorRow| row.statistic == MEAN_ABSOLUTE && (!several || row.component == MEAN);
        for row in stage.errors.iter().filter(shown) {
            let component = results::component(&row.component).to_owned();
            let paper = row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default();
            lines.push(vec![
                results::symbol(&row.measure).to_owned(),
                if several { data.title(stage) } else { component },
                with_unit(row.value, &row.unit),
                paper,
                row.ratio.map(number).unwrap_or_default(),
            ]);
        }
    }
    if lines.len() == 1 {
        return String::new();
    }
    let is_filled = |column: usize| lines.iter().skip(1).any(|line| !line[column].is_empty());
    // Without published figures there is no ratio to them either.
    let published = is_filled(3) || is_filled(4);
    if !published {
        lines.iter_mut().for_each(|line| line.truncate(3));
    }
    let table = align(&lines, &[2, 3, 4]);
    match comparisons.as_slice() {
        [stage] if !published => format!("{}\n{table}", data.title(stage)),
        _ => table,
    }
}

/// A number with its unit.
pub fn with_unit(value: f64, unit: &str) -> String {
    beside_unit(number(value), unit)
}

/// What was written of a number, with its unit.
pub fn beside_unit(number: String, unit: &str) -> String {
    match unit {
        "" => number,
        "deg" => number + "°",
        unit => number + " " + unit,
    }
}

/// One line for each way in which comparisons with the paper are uneven.
pub fn unevenness(data: &Data) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for stage in data.comparisons() {
        if let Some(text) = stage.unevenness() {
            let line = format!("note: {}: {text}", stage.name);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// One line for each finding and each comparison outside its tolerance.
pub fn findings(data: &Data) -> Vec<String> {
    let findings = data
        .findings()
        .map(|(stage, title, _)| format!("finding: {}: {title}", stage.label));
    let mut lines: Vec<String> = findings.collect();
    let outside = outside_tolerance(data);
    lines.extend(outside.map(|(stage, text)| format!("outside tolerance: {}: {text}", stage.label)));
    lines
}

/// Comparisons outside their tolerance, each in a sentence.
pub fn outside_tolerance(data: &Data) -> impl Iterator<Item = (&StageData, &str)> {
    let manifests = data
        .stages
        .iter()
        .filter_map(|stage| Some((stage, stage.manifest.as_ref()?)));
    manifests.flat_map(|(stage, manifest)| {
        manifest
            .outside_tolerance
            .iter()
            .map(move |text| (stage, text.as_str()))
    })
}
