//! Units in the header that astropy writes: at the top of an ECSV file, and in the metadata of a Parquet file.

use serde_yaml::Value;

/// What the header says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header {
    /// Units by column.
    pub units: Vec<(String, String)>,
    /// Descriptions by column.
    pub descriptions: Vec<(String, String)>,
    /// What separates columns, if that is said.
    pub delimiter: Option<char>,
}

/// Reads the YAML of a header: `datatype: [{name: x, unit: pc, datatype: float64}, …]`. Of one that cannot be read, nothing.
pub(crate) fn header(yaml: &str) -> Option<Header> {
    let whole: Value = serde_yaml::from_str(yaml).ok()?;
    let columns = whole.get("datatype").and_then(Value::as_sequence)?;
    let delimiter = whole.get("delimiter").and_then(Value::as_str);
    let said = |column: &Value, key: &str| Some((text(column.get("name")?)?, text(column.get(key)?)?));
    Some(Header {
        units: columns.iter().filter_map(|column| said(column, "unit")).collect(),
        descriptions: columns
            .iter()
            .filter_map(|column| said(column, "description"))
            .collect(),
        delimiter: delimiter.and_then(|text| text.chars().next()),
    })
}

/// A text or number, also in `!astropy.units.Unit {unit: pc}`.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Tagged(tagged) => text(&tagged.value),
        Value::Mapping(mapping) => mapping.get("unit").and_then(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn units_are_found_in_what_astropy_writes() {
        let yaml = "---\ndatatype:\n- {name: id, datatype: int64}\n- name: x\n  unit: !astropy.units.Unit {unit: pc}\n  datatype: float64\n\
            - {name: v, unit: km / s, datatype: float64, description: 'radial: away'}\ndelimiter: ','\nmeta: !!omap\n- {__serialized_columns__: {}}\nschema: astropy-2.0\n";
        let found = header(yaml).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(found.units, [pair("x", "pc"), pair("v", "km / s")]);
        assert_eq!(found.descriptions, [pair("v", "radial: away")]);
        assert_eq!(found.delimiter, Some(','));
        for nonsense in ["", "[", "datatype: 3", "a: b", "\t- x"] {
            assert_eq!(header(nonsense), None, "{nonsense}");
        }
    }
}
