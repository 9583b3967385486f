//! Which columns of a file are which of ours, by the names that are usual.

use std::path::Path;

use formats::{Column, How};
use serde_json::Value;
use stages::sample::import_streams::{Partial, as_far_as_known, recognised};

use crate::cli::common::quoted;
use crate::cli::export::said;
use crate::cli::failure::Failure;

/// Our columns, each with the file's, those of errors and correlations too.
pub type Pairs = Vec<(String, String)>;

/// The columns of a file that say where stars are and how they move, along the line of sight as well.
pub fn mapped(file: &Path, how: How) -> Result<Pairs, Failure> {
    let columns = formats::columns(file, how).map_err(|error| Failure::Work(said(&error)))?;
    once(file, &columns, choose)
}

/// The same as far as it is known, with what may be a stream; ours that are not known are gaps.
///
/// **Fails when** the file has fewer columns than are needed.
pub fn with_gaps(file: &Path, columns: &[Column]) -> Result<Partial, Failure> {
    const FEWEST: usize = 6;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let partial = match known(&names) {
        Ok(known) => Partial {
            known,
            gaps: Vec::new(),
        },
        Err(why) => {
            let partial = as_far_as_known(&names);
            if names.len() < FEWEST || partial.gaps.is_empty() {
                return Err(lacks(file, &names, &why, ""));
            }
            partial
        }
    };
    has_once(file, columns, &partial.known)?;
    Ok(partial)
}

/// What `find` finds among the names; none of the file's columns that it takes may be there twice.
fn once(file: &Path, columns: &[Column], find: fn(&[String]) -> Result<Pairs, String>) -> Result<Pairs, Failure> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let pairs = find(&names).map_err(|why| {
        let own = quoted(&file.display().to_string());
        let help = "\n  help: map columns of other names in a pipeline: actionfinder new --from";
        lacks(file, &names, &why, &format!("{help} {own} my_stars.yaml"))
    })?;
    has_once(file, columns, &pairs)?;
    Ok(pairs)
}

fn has_once(file: &Path, columns: &[Column], pairs: &Pairs) -> Result<(), Failure> {
    let wanted: Vec<&str> = pairs.iter().map(|(_, theirs)| theirs.as_str()).collect();
    formats::has_once(file, columns, &wanted).map_err(|error| Failure::Work(said(&error)))
}

fn lacks(file: &Path, columns: &[String], why: &str, help: &str) -> Failure {
    let found = shortened(columns);
    let several = match formats::Format::of(file) {
        Some(formats::Ending::Read(format)) if format.has_tables() => {
            "\n  of a file with several tables, name one: --table"
        }
        _ => "",
    };
    Failure::Usage(format!(
        "{}: {why}\n  its columns: {found}\n  needed: {}{several}{help}",
        file.display(),
        "x y z vx vy vz; or ra dec pmra pmdec, or l b mu_l_cosb mu_b, with distance or parallax, and radial_velocity"
    ))
}

/// Our columns, each with the file's.
fn known(columns: &[String]) -> Result<Pairs, String> {
    let map = serde_json::to_value(recognised(columns)?).map_err(|error| error.to_string())?;
    let source = |value: &Value| value.get("column").unwrap_or(value).as_str().map(str::to_owned);
    let pairs = map.as_object().into_iter().flatten();
    Ok(pairs
        .filter_map(|(ours, value)| Some((ours.clone(), source(value)?)))
        .collect())
}

fn choose(columns: &[String]) -> Result<Pairs, String> {
    let pairs: Pairs = known(columns)?
        .into_iter()
        // Numbers and names of stars are no streams: such stars are known by their rows, and what names them is kept.
        .filter(|(ours, theirs)| !matches!(ours.as_str(), "stream" | "star") || ours.eq_ignore_ascii_case(theirs))
        .collect();
    let has_stream = pairs.iter().any(|(ours, _)| ours == "stream");
    let pairs: Pairs = pairs
        .into_iter()
        .filter(|(ours, _)| has_stream || ours != "star")
        .collect();
    match pairs.iter().any(|(ours, _)| ours == "v_los" || ours == "vx") {
        true => Ok(pairs),
        false => Err("has no column radial_velocity".to_owned()),
    }
}

/// Names, as many as a line holds.
fn shortened(columns: &[String]) -> String {
    const MOST: usize = 24;
    let mut text = columns.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if columns.len() > MOST {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Result<Pairs, String> {
        choose(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn errors_come_along_and_a_velocity_is_needed() {
        let clusters = of("name RA Dec distance distance_e pmra pmdec vlos").unwrap();
        let theirs = |ours: &str| {
            clusters
                .iter()
                .find(|(name, _)| name == ours)
                .map(|(_, theirs)| theirs.as_str())
        };
        assert_eq!(
            (theirs("v_los"), theirs("distance_error")),
            (Some("vlos"), Some("distance_e"))
        );
        assert_eq!(
            of("source_id ra dec parallax pmra pmdec").unwrap_err(),
            "has no column radial_velocity"
        );
        assert_eq!(
            of("id ra dec parallax pmra radial_velocity").unwrap_err(),
            "lacks pmdec"
        );
        assert!(of("a b_").is_err());
    }
}
