//! What was asked: the parameters, the sweep, and the command that asks it again.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::data::{Data, plain};
use super::super::html::{escape, table};
use super::Here;

/// More values of a swept parameter than these are counted, not listed.
const LISTED: usize = 8;

/// The section.
pub fn asked(html: &mut String, data: &Data, here: &Here) {
    html.push_str("<h2>What was asked</h2>\n");
    let points = data.points.iter().filter(|point| !point.is_empty()).count();
    let swept = match points {
        0 | 1 => String::new(),
        points => format!(", at {points} points of a sweep"),
    };
    let _ = writeln!(
        html,
        "<p>{} stages{swept}. Again: <code>actionfinder run {}</code></p>",
        data.stages.len(),
        escape(&here.given.to_string())
    );
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, values) in swept_values(data) {
        let shown: Vec<String> = values.iter().take(LISTED).map(|value| plain(value)).collect();
        let more = values.len().saturating_sub(LISTED);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        rows.push(vec![escape(name), escape(&format!("{}{more}", shown.join(", ")))]);
    }
    let is_swept = |name: &str| data.points.iter().flatten().any(|(own, _)| **own == *name);
    let fixed = data
        .parameters
        .iter()
        .filter(|(name, value)| !is_swept(name) && !value.is_null());
    rows.extend(fixed.map(|(name, value)| vec![escape(name), escape(&plain(value))]));
    if rows.is_empty() {
        return;
    }
    let open = if rows.len() <= LISTED { " open" } else { "" };
    let _ = writeln!(
        html,
        "<details{open}><summary>Parameters</summary><div>\n{}</div></details>",
        table(&[("parameter", false), ("value", false)], &rows)
    );
}

/// Each swept parameter with its values, in the order they come.
fn swept_values(data: &Data) -> Vec<(&str, Vec<&Value>)> {
    let mut swept: Vec<(&str, Vec<&Value>)> = Vec::new();
    for (name, value) in data.points.iter().flatten() {
        let known = swept.iter().position(|(own, _)| *own == &**name);
        let place = known.unwrap_or_else(|| {
            swept.push((name, Vec::new()));
            swept.len() - 1
        });
        if !swept[place].1.contains(&&**value) {
            swept[place].1.push(value);
        }
    }
    swept
}
