//! What is no mistake, and still to be said of a file: that it is written in the first edition of the language.

use serde_json::Value;

use super::parameters::whole_reference;
use super::sources::{Source, Sources};

/// A note for each file in which something is written as in the first edition.
pub(super) fn notes(sources: &Sources) -> Vec<String> {
    let of = |source: &Source| {
        let value = &source.document().ok()?.value;
        let zip = value.pointer("/sweep/zip").is_some();
        (zip || has_braces(value)).then(|| {
            let file = &source.name;
            format!(
                "{file} is in the first edition of the language, soon no longer read: `actionfinder fmt --edition 2 {file}` rewrites it"
            )
        })
    };
    sources.0.iter().filter_map(of).collect()
}

/// Whether `${name}` stands for a whole value, which is `$name` today.
fn has_braces(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("${") && whole_reference(text).is_some(),
        Value::Array(items) => items.iter().any(has_braces),
        Value::Object(map) => map.values().any(has_braces),
        _ => false,
    }
}
