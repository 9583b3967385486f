//! The sections of the report.

mod aggregated;
mod asked;
mod believed;
mod came_out;
mod outputs;
mod searched;

use std::fmt::Write as _;
use std::path::Path;

use super::data::{Data, StageData, State, plain};
use super::graph;
use super::html::{escape, table};
use super::picture::{caption, picture};
use crate::cli::Given;
use crate::console::{duration, number};

/// Where the report is written, and for whom.
pub struct Here<'a> {
    /// The pipeline as commands take it: its file, and what was set.
    pub given: &'a Given,
    /// The folder of the page.
    pub folder: &'a Path,
}

/// The whole report.
pub fn body(data: &Data, here: &Here) -> String {
    let mut html = String::new();
    head(&mut html, data);
    failures(&mut html, data);
    believed::banner(&mut html, data);
    asked::asked(&mut html, data, here);
    came_out::came_out(&mut html, data);
    searched::searched(&mut html, data);
    aggregated::aggregated(&mut html, data);
    believed::believed(&mut html, data);
    figures(&mut html, data);
    outputs::outputs(&mut html, data, here);
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
        "%" => "\u{a0}%".to_owned(),
        unit => format!("\u{a0}<small>{}</small>", escape(unit).replace(' ', "\u{a0}")),
    };
    if unit.is_empty() {
        return plain_number(value);
    }
    format!("{}{unit}", number(value))
}

/// A number without a unit: a count is whole.
fn plain_number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        number(value)
    }
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
        format!("{}\u{a0}%", number(relative * 100.0))
    } else {
        String::new()
    }
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
