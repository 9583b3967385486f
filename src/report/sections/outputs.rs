//! Every output: where its file is, and the command that opens it.

use std::fmt::Write as _;
use std::path::Path;

use super::super::data::Data;
use super::super::html::{escape, table};
use super::Here;

/// More outputs than these are found by a command.
const LISTED: usize = 200;

/// The section.
pub fn outputs(html: &mut String, data: &Data, here: &Here) {
    let all: usize = data.stages.iter().map(|stage| stage.outputs.len()).sum();
    if all == 0 {
        return;
    }
    let stages = data.stages.iter();
    let outputs = stages.flat_map(|stage| stage.outputs.iter().map(move |(port, file)| (stage, port, file)));
    let rows = outputs.take(LISTED).map(|(stage, port, file)| {
        let rows = match file.extension() {
            Some(ending) if ending == "parquet" => tables::count_rows(file).ok(),
            _ => None,
        };
        let name = escape(&format!("{}.{port}", stage.label));
        // What is in the shared cache only has a command that fetches it.
        let link = match address(here.folder, file).filter(|_| file.exists()) {
            Some(address) => format!("<a href=\"{}\">{name}</a>", escape(&address)),
            None => name,
        };
        let about = match file.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => "table",
            Some("safetensors") => "network",
            Some("svg") => "figure",
            _ => "file",
        };
        let command = here.given.opens(&format!("{}.{port}", stage.label), about == "figure");
        vec![
            link,
            about.to_owned(),
            rows.map(|rows| rows.to_string()).unwrap_or_default(),
            format!("<code>{}</code>", escape(&command)),
        ]
    });
    let columns = [("output", false), ("what", false), ("rows", true), ("opened by", false)];
    html.push_str("<h2>Outputs</h2>\n");
    html.push_str(
        "<p class=\"quiet\">Tables are Parquet with units; <code>actionfinder export</code> writes FITS, ECSV, CSV, PDF and PNG.</p>\n",
    );
    let _ = writeln!(
        html,
        "<details><summary>{all} outputs</summary><div>\n{}",
        table(&columns, &rows.collect::<Vec<_>>())
    );
    if all > LISTED {
        let _ = writeln!(
            html,
            "<p>And {} more: <code>actionfinder show {}</code> lists all.</p>",
            all - LISTED,
            escape(&here.given.to_string())
        );
    }
    html.push_str("</div></details>\n");
}

/// A file's address from the page's folder; `None` where there is no way from the one to the other.
fn address(folder: &Path, file: &Path) -> Option<String> {
    let (folder, file) = (std::path::absolute(folder).ok()?, std::path::absolute(file).ok()?);
    let common = folder.ancestors().find(|above| file.starts_with(above))?;
    let up = folder.strip_prefix(common).ok()?.components().count();
    let down = file.strip_prefix(common).ok()?.to_str()?;
    let mut address = "../".repeat(up);
    for byte in down.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_relative_and_escaped() {
        let of = |folder: &str, file: &str| address(Path::new(folder), Path::new(file));
        assert_eq!(
            of("/r/p", "/r/cache/k/a.parquet").as_deref(),
            Some("../cache/k/a.parquet")
        );
        assert_eq!(of("/r/p", "/r/p/a b.svg").as_deref(), Some("a%20b.svg"));
        assert_eq!(of("/r/p/q", "/r/x").as_deref(), Some("../../x"));
    }
}
