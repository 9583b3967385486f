//! How much each parameter of a search matters, and what its values gave.

use std::fmt::Write as _;

use runner::search::Slice;

use super::super::data::{Data, plain};
use super::super::html::{escape, table};
use super::percent;
use crate::console::number;

/// The section; nothing where nothing was searched.
pub fn searched(html: &mut String, data: &Data) {
    for explained in data.search.iter().filter(|explained| explained.trials > 1) {
        let _ = writeln!(
            html,
            "<h2>Search for {}</h2>\n<p class=\"quiet\">{} trials with a result. Share: of the variance of their ranks, what a parameter explains by \
             itself (ω² of a one-way analysis of variance over the slices). Trials that learn from others gather where it is good, and shares \
             are of where they are.</p>",
            escape(&explained.objective),
            explained.trials
        );
        let mut rows = Vec::new();
        for one in &explained.parameters {
            for (n, slice) in one.slices.iter().enumerate() {
                let first = |text: String| if n == 0 { text } else { String::new() };
                rows.push(vec![
                    first(format!("<b>{}</b>", escape(&one.axis))),
                    first(one.share.map(percent).unwrap_or_default()),
                    escape(&values(slice)),
                    slice.trials.to_string(),
                    number(slice.best),
                    number(slice.median),
                ]);
            }
        }
        let columns = [
            ("parameter", false),
            ("share", true),
            ("values", false),
            ("trials", true),
            ("best", true),
            ("median", true),
        ];
        html.push_str(&table(&columns, &rows));
    }
}

fn values(slice: &Slice) -> String {
    match &slice.values {
        None => "not searched".to_owned(),
        Some((least, most)) if least == most => plain(least),
        Some((least, most)) => format!("{} to {}", plain(least), plain(most)),
    }
}
