//! What the tests of formats share.

use std::path::PathBuf;

use crate::cells::{Cells, Label};
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Table, Wanted};

/// A file of `tests/reference/formats/`.
pub(crate) fn reference(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/formats")).join(name)
}

/// All that a reader of one format reads.
pub(crate) fn whole(
    wanted: &[Wanted],
    read: impl FnOnce(&mut Pieces) -> Result<(), FormatError>,
) -> Result<Table, FormatError> {
    let mut whole = Table::default();
    let mut take = |table| {
        whole = table;
        true
    };
    read(&mut Pieces::new(wanted, Vec::new(), usize::MAX, &mut take))?;
    Ok(whole)
}

/// Rows as texts, with why a value is none.
pub(crate) fn shown(table: &Table) -> Vec<String> {
    let cell = |cells: &Cells, row| match cells {
        Cells::Numbers(numbers) => numbers
            .get(row)
            .map_or_else(|reason| format!("({reason})"), |number| number.to_string()),
        Cells::Labels(labels) => match labels.get(row) {
            Label::Number(number) => number.to_string(),
            Label::Name(place) => format!("'{}'", labels.name(place)),
            Label::Bad(place) => format!("({})", labels.reason(place)),
            Label::Missing => "Missing".to_owned(),
        },
        Cells::Kept(array) => format!("{array:?}"),
    };
    let row = |row| {
        let cells = table.columns.iter().map(|(_, cells)| cell(cells, row));
        cells.collect::<Vec<_>>().join(" ")
    };
    (0..table.rows).map(row).collect()
}
