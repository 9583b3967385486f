//! The sections of the report.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::data::{Data, StageData, State, plain};
use super::graph;
use super::html::{escape, table};
use super::picture::{caption, picture};
use super::results::{self, ErrorRow, MEAN};
use crate::console::{duration, number};

/// The whole report.
pub fn body(data: &Data) -> String {
    let mut html = String::new();
    head(&mut html, data);
    failures(&mut html, data);
    overview(&mut html, data);
    findings(&mut html, data);
    details(&mut html, data);
    figures(&mut html, data);
    stages(&mut html, data);
    provenance(&mut html, data);
    html
}

fn head(html: &mut String, data: &Data) {
    let _ = writeln!(html, "<h1>{}</h1>", escape(&data.pipeline));
    if !data.about.is_empty() {
        let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(&data.about));
    }
}

fn failures(html: &mut String, data: &Data) {
    for stage in &data.stages {
        if let State::Failed { message, hint } = &stage.state {
            let hint = hint
                .as_ref()
                .map(|hint| format!("<p>{}</p>", escape(hint)))
                .unwrap_or_default();
            let (label, message) = (escape(&stage.label), escape(message));
            let _ = writeln!(
                html,
                "<div class=\"remark poor\"><strong>{label} failed</strong><pre>{message}</pre>{hint}</div>"
            );
        }
    }
}

/// The settings as HTML; a dash outside a sweep.
fn settings(data: &Data, stage: &StageData) -> String {
    let parts: Vec<String> = data
        .settings(stage)
        .iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => escape(text),
            value => format!(
                "<span class=\"quiet\">{}</span> {}",
                escape(name),
                escape(&plain(value))
            ),
        })
        .collect();
    parts.join(" · ")
}

fn with_unit(value: f64, unit: &str) -> String {
    let unit = match unit {
        "" => String::new(),
        "deg" => "°".to_owned(),
        "%" => " %".to_owned(),
        unit => format!(" <small>{}</small>", escape(unit)),
    };
    format!("{}{unit}", number(value))
}

fn pill(ratio: Option<f64>) -> String {
    let Some(ratio) = ratio else { return String::new() };
    let class = if ratio <= 1.0 {
        "good"
    } else if ratio <= 2.0 {
        "fair"
    } else {
        "poor"
    };
    format!("<span class=\"pill {class}\">{}</span>", number(ratio))
}

fn percent(relative: f64) -> String {
    if relative.is_finite() {
        format!("{} %", number(relative * 100.0))
    } else {
        String::new()
    }
}

fn overview(html: &mut String, data: &Data) {
    let several = data.comparisons().count() > 1;
    let mut rows = Vec::new();
    for stage in data.comparisons() {
        for measure in results::measures(&stage.errors) {
            let Some(row) = results::headline(&stage.errors, measure) else {
                continue;
            };
            let mut cells = Vec::new();
            cells.extend(several.then(|| escape(&data.title(stage))));
            cells.push(format!("<b>{}</b>", escape(results::symbol(measure))));
            cells.push(with_unit(row.value, &row.unit));
            cells.push(row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default());
            cells.push(pill(row.ratio));
            cells.push(percent(row.relative));
            rows.push(cells);
        }
    }
    if rows.is_empty() {
        return;
    }
    let mut columns = Vec::new();
    columns.extend(several.then_some(("row", false)));
    columns.extend([
        ("measure", false),
        ("ours", true),
        ("paper", true),
        ("ours / paper", true),
        ("relative", true),
    ]);
    html.push_str(
        "<h2>Results</h2>\n<p class=\"quiet\">Mean absolute errors over the stars of the test streams and over the \
                   three components; relative: divided by the mean size of the true values. ours / paper below 1 is better \
                   than the paper.</p>\n",
    );
    html.push_str(&table(&columns, &rows));
}

fn findings(html: &mut String, data: &Data) {
    let mut outside = data.stages.iter().flat_map(|stage| {
        let manifest = stage.manifest.iter();
        manifest.flat_map(move |manifest| manifest.outside_tolerance.iter().map(move |text| (stage, text)))
    });
    let (mut first, mut any) = (true, false);
    let mut open = |html: &mut String| {
        if std::mem::take(&mut first) {
            html.push_str("<h2>Findings</h2>\n");
        }
    };
    let mut skipped: HashMap<&str, Vec<&str>> = HashMap::new();
    for stage in &data.stages {
        if let State::Skipped { because } = &stage.state {
            skipped.entry(because).or_default().push(&stage.name);
        }
    }
    for (stage, title, detail) in data.findings() {
        open(html);
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
    for (stage, text) in outside.by_ref() {
        open(html);
        any = true;
        let (label, text) = (escape(&stage.label), escape(text));
        let _ = writeln!(
            html,
            "<div class=\"remark poor\"><strong>{label}: outside its tolerance</strong>{text}</div>"
        );
    }
    if !any && data.stages.iter().all(|stage| stage.state == State::Done) {
        html.push_str("<p class=\"quiet\">No findings: every stage gave its outputs, and no comparison is outside its tolerance.</p>\n");
    }
}

fn details(html: &mut String, data: &Data) {
    let comparisons: Vec<&StageData> = data.comparisons().collect();
    if comparisons.is_empty() {
        return;
    }
    html.push_str("<h2>Every component</h2>\n");
    for (n, stage) in comparisons.iter().enumerate() {
        let open = if n < 2 || comparisons.len() <= 3 { " open" } else { "" };
        let title = escape(&data.title(stage));
        let _ = writeln!(
            html,
            "<details{open}><summary>{title} <span class=\"quiet\">{}</span></summary><div>",
            escape(&stage.name)
        );
        html.push_str(&components(&stage.errors));
        html.push_str("</div></details>\n");
    }
}

/// Measure and component of a row, as HTML.
fn name(row: &ErrorRow) -> String {
    let (measure, component) = (results::symbol(&row.measure), results::component(&row.component));
    escape(&format!("{measure} {component}"))
}

/// One line per measure and component, with mean and median beside each other.
fn components(errors: &[ErrorRow]) -> String {
    let mut rows = Vec::new();
    let means = errors.iter().filter(|row| row.statistic == results::MEAN_ABSOLUTE);
    for row in means {
        let median = errors.iter().find(|other| {
            other.statistic == "median_absolute" && other.measure == row.measure && other.component == row.component
        });
        let strong = |text: String| {
            if row.component == MEAN {
                format!("<b>{text}</b>")
            } else {
                text
            }
        };
        rows.push(vec![
            strong(name(row)),
            strong(with_unit(row.value, &row.unit)),
            median
                .map(|median| with_unit(median.value, &median.unit))
                .unwrap_or_default(),
            percent(row.relative),
            row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default(),
            pill(row.ratio),
        ]);
    }
    let elsewhere = errors
        .iter()
        .filter(|row| row.statistic == results::ROOT_MEAN_SQUARE && row.paper.is_some());
    for row in elsewhere {
        rows.push(vec![
            format!(
                "{} <small>root mean square, beside {}</small>",
                name(row),
                escape(&row.source)
            ),
            with_unit(row.value, &row.unit),
            String::new(),
            percent(row.relative),
            row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default(),
            pill(row.ratio),
        ]);
    }
    let columns = [
        ("error", false),
        ("mean", true),
        ("median", true),
        ("relative", true),
        ("published", true),
        ("ours / published", true),
    ];
    let mut html = table(&columns, &rows);
    if let Some(row) = errors.first() {
        let set_aside = if row.set_aside > 0 {
            format!("; {} set aside", row.set_aside)
        } else {
            String::new()
        };
        let _ = writeln!(html, "<p class=\"quiet\">{} stars compared{set_aside}.</p>", row.stars);
    }
    html
}

fn figures(html: &mut String, data: &Data) {
    let mut first = true;
    for stage in &data.stages {
        for (_, path) in stage
            .outputs
            .iter()
            .filter(|(_, path)| path.extension().is_some_and(|e| e == "svg"))
        {
            let Ok(svg) = std::fs::read_to_string(path) else {
                continue;
            };
            if std::mem::take(&mut first) {
                html.push_str("<h2>Figures</h2>\n<div class=\"figures\">\n");
            }
            let line = data.setting_line(stage);
            let line = if line.is_empty() { line } else { format!(" ({line})") };
            let inputs = || stage.inputs.iter().filter_map(|&place| data.stages.get(place));
            let mut rows = inputs().filter_map(|stage| stage.row.as_deref());
            let row = rows.next().map(|row| format!(": {row}")).unwrap_or_default();
            let from: Vec<&str> = inputs().map(|stage| &*stage.name).collect();
            let said = caption(&svg).map(|said| match from.is_empty() {
                true => said,
                false => format!("{said} From {}.", from.join(", ")),
            });
            let said = said.map(|said| format!(" {}", escape(&said))).unwrap_or_default();
            let heading = escape(&format!("{}{row}{line}.", stage.name.replace('_', " ")));
            let drawn = picture(&svg);
            let drawn = drawn
                .unwrap_or_else(|| "<p class=\"quiet\">The file of this figure is not an SVG picture.</p>".to_owned());
            let _ = writeln!(
                html,
                "<figure>{drawn}<figcaption><b>{heading}</b>{said}</figcaption></figure>"
            );
        }
    }
    if !first {
        html.push_str("</div>\n");
    }
}

fn stages(html: &mut String, data: &Data) {
    html.push_str("<h2>Stages</h2>\n<div class=\"wide graph\">\n");
    html.push_str(&graph::svg(data));
    html.push_str("</div>\n<details><summary>Time, device, fingerprint and metrics of every stage</summary><div>\n");
    let rows: Vec<Vec<String>> = data.stages.iter().map(stage_row).collect();
    let columns = [
        ("stage", false),
        ("state", false),
        ("time", true),
        ("device", false),
        ("fingerprint", false),
        ("metrics and notes", false),
    ];
    html.push_str(&table(&columns, &rows));
    html.push_str("</div></details>\n");
}

fn stage_row(stage: &StageData) -> Vec<String> {
    let state = match &stage.state {
        State::Done => "done".to_owned(),
        State::Failed { .. } => "<b>failed</b>".to_owned(),
        State::Skipped { because } => format!("skipped, because of {}", escape(because)),
        State::Unfinished { .. } => "unfinished".to_owned(),
        State::NotRun => "not run".to_owned(),
    };
    let mut cells = vec![
        format!("{}<br><small>{}</small>", escape(&stage.label), escape(&stage.kind)),
        state,
    ];
    let Some(manifest) = &stage.manifest else {
        cells.extend(std::iter::repeat_n(String::new(), 4));
        return cells;
    };
    let threads = if manifest.threads == 1 {
        "1 thread".to_owned()
    } else {
        format!("{} threads", manifest.threads)
    };
    cells.push(duration(manifest.seconds));
    cells.push(format!("{}<br><small>{threads}</small>", escape(&manifest.device)));
    cells.push(format!("<code>{}</code>", manifest.fingerprint.short()));
    let metrics = manifest
        .metrics
        .iter()
        .map(|metric| format!("{} = {}", escape(&metric.name), with_unit(metric.value, &metric.unit)));
    let notes = manifest.notes.iter().map(|note| escape(note));
    cells.push(metrics.chain(notes).collect::<Vec<_>>().join("<br>"));
    cells
}

fn provenance(html: &mut String, data: &Data) {
    html.push_str("<h2>Provenance</h2>\n<dl>\n");
    for (name, value) in &data.facts {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    html.push_str("</dl>\n");
}
