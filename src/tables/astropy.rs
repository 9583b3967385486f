//! What astropy reads of our tables beside the units of columns: the header that it keeps in Parquet and ECSV files.

use arrow_schema::{DataType, Field, Schema};

/// The key of the header in the metadata of a Parquet file.
pub(crate) const HEADER: &str = "table_meta_yaml";

/// The key of the length of the longest text in a column.
pub(crate) fn length_key(column: &str) -> String {
    format!("table::len::{column}")
}

/// The unit that a field's metadata states; `""` if none.
pub fn unit_of(field: &Field) -> &str {
    field.metadata().get("unit").map_or("", String::as_str)
}

/// The lines that say type, unit and description of each column, as YAML.
pub fn astropy_header(schema: &Schema) -> String {
    let mut lines = "datatype:\n".to_owned();
    for field in schema.fields() {
        let kind = match field.data_type() {
            DataType::Int64 => "int64",
            DataType::Boolean => "bool",
            DataType::Utf8 => "string",
            _ => "float64",
        };
        let unit = unit_of(field);
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(", unit: {}", quoted(unit))
        };
        let said = field.metadata().get("description").filter(|text| !text.is_empty());
        let said = said
            .map(|text| format!(", description: {}", quoted(text)))
            .unwrap_or_default();
        lines += &format!("- {{name: {}{unit}, datatype: {kind}{said}}}\n", quoted(field.name()));
    }
    lines
}

/// A text in quotes, in which YAML reads two for one.
fn quoted(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", text.replace('\'', "''"))
}
