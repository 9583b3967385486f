//! What astropy reads of our tables: units in its spelling, and the header that it keeps in Parquet and ECSV files.

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

/// One of our units as a product of powers, which astropy, FITS and VOUnit read alike: `km/s kpc` is `km s-1 kpc`, `(km/s)^2/kpc` is
/// `km2 s-2 kpc-1`. Astropy takes `km/s kpc` for `km/(s kpc)`.
pub fn astropy_unit(unit: &str) -> String {
    // Units of others that are numbers, too, are right as they are.
    if unit
        .split([' ', '/', '*', '.', '('])
        .any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    {
        return unit.to_owned();
    }
    let mut factors: Vec<(String, i32)> = Vec::new();
    let whole = unit.replace("**", "^");
    let mut rest = whole.trim();
    let mut sign = 1;
    while !rest.is_empty() {
        // A factor: a symbol, or symbols in brackets.
        let (inside, after) = match rest.strip_prefix('(').and_then(|open| open.split_once(')')) {
            Some((inside, after)) => (inside, after),
            None => rest.split_at(rest.find([' ', '/', '^', '*', '.']).unwrap_or(rest.len())),
        };
        let (power, after) = power(after);
        let mut inner = 1;
        for part in inside.split_inclusive(['/', ' ']) {
            let symbol = part.trim_end_matches(['/', ' ']);
            let (symbol, own) = split_power(symbol);
            if !symbol.is_empty() {
                factors.push((spelled(symbol).to_owned(), own * power * sign * inner));
            }
            inner = if part.ends_with('/') { -1 } else { 1 };
        }
        let next = after.trim_start();
        sign = if next.starts_with('/') { -1 } else { 1 };
        rest = next.trim_start_matches(['/', ' ', '*', '.']);
        if rest.len() == whole.len() {
            // Nothing was taken: it is no unit of ours.
            return unit.to_owned();
        }
    }
    let texts = factors.iter().map(|(symbol, power)| match power {
        1 => symbol.clone(),
        power => format!("{symbol}{power}"),
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// A power after a factor: `^2`, or none.
fn power(text: &str) -> (i32, &str) {
    let Some(digits) = text.strip_prefix('^') else {
        return (1, text);
    };
    let end = digits
        .find(|c: char| !(c.is_ascii_digit() || c == '-'))
        .unwrap_or(digits.len());
    (digits[..end].parse().unwrap_or(1), &digits[end..])
}

/// The power that a symbol has itself, as in `s-1`.
fn split_power(symbol: &str) -> (&str, i32) {
    let end = symbol
        .find(|c: char| c.is_ascii_digit() || c == '-')
        .unwrap_or(symbol.len());
    let power = symbol[end..].parse().unwrap_or(1);
    if end == 0 { (symbol, 1) } else { (&symbol[..end], power) }
}

fn spelled(symbol: &str) -> &str {
    match symbol {
        "M_sun" | "Msun" => "solMass",
        symbol => symbol,
    }
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
        let unit = astropy_unit(unit_of(field));
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(", unit: {}", quoted(&unit))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_products_of_powers() {
        for (ours, theirs) in [
            ("", ""),
            ("kpc", "kpc"),
            ("km/s", "km s-1"),
            ("km/s kpc", "km s-1 kpc"),
            ("km/s/kpc", "km s-1 kpc-1"),
            ("(km/s)^2", "km2 s-2"),
            ("(km/s)^2/kpc", "km2 s-2 kpc-1"),
            ("M_sun", "solMass"),
            ("M_sun/kpc^3", "solMass kpc-3"),
            ("mas/yr", "mas yr-1"),
            ("%", "%"),
            ("km s-1 kpc", "km s-1 kpc"),
            ("mas.yr**-1", "mas yr-1"),
            ("km / s", "km s-1"),
            ("1e+10 solMass", "1e+10 solMass"),
            ("km2 s-2 kpc-1", "km2 s-2 kpc-1"),
        ] {
            assert_eq!(astropy_unit(ours), theirs, "{ours}");
        }
    }
}
