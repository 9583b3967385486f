//! What a command says of its work: a line of JSON on its standard output for each thing. All other lines are its log.

use runner::event::Told;
use serde::Deserialize;

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Line {
    /// How much is done.
    Progress(Progress),
    /// A number worth keeping.
    Metric {
        name: String,
        /// Nothing stands for a number that is none.
        value: Option<f64>,
        #[serde(default)]
        unit: String,
    },
    /// A sentence worth keeping.
    Note(String),
    /// Why what it gives is not to be believed, or only in part.
    Finding(String),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Progress {
    /// A share of the whole, from 0 to 1.
    Share(f64),
    Count {
        done: u64,
        total: u64,
        #[serde(default)]
        unit: String,
        #[serde(default)]
        message: String,
    },
}

/// What a line says.
pub(super) enum Said {
    /// Something to pass on.
    Told(Told),
    /// Nothing to us.
    Log,
    /// It begins as one of ours, and cannot be read.
    Garbled,
}

/// Words that our lines begin with.
const WORDS: [&str; 4] = ["progress", "metric", "note", "finding"];

/// A share is told in parts of so many.
const PARTS: u64 = 100;

/// Reads a line.
pub(super) fn read(line: &str) -> Said {
    let line = line.trim();
    if !line.starts_with('{') {
        return Said::Log;
    }
    match serde_json::from_str::<Line>(line) {
        Ok(Line::Progress(Progress::Share(share))) => Said::Told(Told::Progress {
            done: (share.clamp(0.0, 1.0) * PARTS as f64).round() as u64,
            total: PARTS,
            unit: "%".to_owned(),
            message: String::new(),
        }),
        Ok(Line::Progress(Progress::Count {
            done,
            total,
            unit,
            message,
        })) => Said::Told(Told::Progress {
            done,
            total,
            unit,
            message,
        }),
        Ok(Line::Metric { name, value, unit }) => Said::Told(Told::Metric {
            name,
            value: value.unwrap_or(f64::NAN),
            unit,
        }),
        Ok(Line::Note(text)) => Said::Told(Told::Note { text }),
        Ok(Line::Finding(text)) => Said::Told(Told::Finding { text }),
        Err(_) => {
            let first = line[1..].trim_start().strip_prefix('"').unwrap_or_default();
            let is_ours = |word: &&str| first.strip_prefix(*word).is_some_and(|rest| rest.starts_with('"'));
            match WORDS.iter().any(is_ours) {
                true => Said::Garbled,
                false => Said::Log,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_logged_or_garbled() {
        let told = |line: &str| match read(line) {
            Said::Told(told) => format!("{told:?}"),
            Said::Log => "log".to_owned(),
            Said::Garbled => "garbled".to_owned(),
        };
        assert!(told(r#"{"progress": 0.3}"#).contains("done: 30, total: 100"));
        assert!(told(r#"{"progress": {"done": 3, "total": 7, "unit": "stars"}}"#).contains("done: 3, total: 7"));
        assert!(told(r#" {"metric": {"name": "spread", "value": 2.5, "unit": "km/s"}}"#).contains("2.5"));
        assert!(told(r#"{"metric": {"name": "spread", "value": null}}"#).contains("NaN"));
        assert!(told(r#"{"note": "so it is"}"#).starts_with("Note"));
        assert!(told(r#"{"finding": "not to be believed"}"#).starts_with("Finding"));
        for log in ["plain", "{", r#"{"level": "info"}"#, r#"{"notes": "many"}"#, ""] {
            assert_eq!(told(log), "log", "{log}");
        }
        for garbled in [
            r#"{"progress": "much"}"#,
            r#"{"metric": 3}"#,
            r#"{ "note": 3}"#,
            r#"{"note": "a", "b": 1}"#,
        ] {
            assert_eq!(told(garbled), "garbled", "{garbled}");
        }
    }
}
