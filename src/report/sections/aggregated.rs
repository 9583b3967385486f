//! Tables of means, as `aggregate` writes them.

use std::fmt::Write as _;

use runner::stage::Role;

use super::super::data::Data;
use super::super::html::{escape, table};
use super::super::means;
use super::settings;

/// The section; nothing where there is no such table.
pub fn aggregated(html: &mut String, data: &Data) {
    let mut first = true;
    for stage in data.stages.iter().filter(|stage| stage.role == Role::Judge) {
        let file = stage.outputs.iter().find(|(port, _)| port == means::PORT);
        let Some(Ok(read)) = file.map(|(_, path)| means::read(path, means::MOST)) else {
            continue;
        };
        if std::mem::take(&mut first) {
            html.push_str(
                "<h2>Means</h2>\n<p class=\"quiet\">Mean ± standard deviation over the tables, such as those of several seeds; in brackets \
                 the standard error of the mean.</p>\n",
            );
        }
        let _ = writeln!(
            html,
            "<h3>{} <span class=\"quiet\">{}</span></h3>",
            escape(&stage.name),
            settings(data, stage)
        );
        let columns: Vec<(&str, bool)> = read
            .columns
            .iter()
            .map(|(name, is_number)| (name.as_str(), *is_number))
            .collect();
        let cells = |row: &Vec<String>| row.iter().map(|cell| escape(cell)).collect();
        let rows: Vec<Vec<String>> = read.rows.iter().map(cells).collect();
        html.push_str(&table(&columns, &rows));
        if read.left_out > 0 {
            let _ = writeln!(html, "<p class=\"quiet\">and {} rows more.</p>", read.left_out);
        }
    }
}
