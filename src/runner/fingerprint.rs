//! What decides whether a stage must run: everything that its outputs depend on, as canonical JSON.
//!
//! The text that is hashed is the text that is kept beside the outputs, and [`explain`] compares two such texts. So an
//! explanation cannot leave out anything that was hashed.

use std::collections::BTreeMap;

use arrow_schema::{Field, Schema};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use crate::store::hash::Hash256;

use crate::graph::StageInstance;
use crate::ports::{Artifact, OutputPort};

/// Version of the store's format and of the fingerprint; part of both.
pub const STORE_VERSION: u32 = 1;

/// All that a stage's outputs depend on. Fields in alphabetical order, as canonical JSON wants them.
#[derive(Serialize)]
pub struct Fingerprint<'a> {
    /// Content hashes of the user's files, by parameter.
    pub files: BTreeMap<&'a str, Hash256>,
    /// Content hashes of the inputs, by port.
    pub inputs: BTreeMap<&'a str, Input<'a>>,
    /// Stage kind.
    pub kind: &'a str,
    /// Outputs with their schemas.
    outputs: Outputs<'a>,
    /// Parameters with defaults filled in.
    parameters: Canonical<'a>,
    /// Revision of the kind.
    pub revision: u32,
    /// Version of the store's format.
    pub store: u32,
    /// For kinds that run in a worker: what the numbers depend on besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerFacts>,
}

/// One input in a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// Hash of the artifact's content.
    Content(Hash256),
    /// Not known before the stage with this label ran. Such a fingerprint only serves to explain.
    Waiting(&'a str),
}

/// What a network's numbers depend on besides its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerFacts {
    /// `cpu` or `cuda`.
    pub device: &'static str,
    /// Type of the numbers: `float64`.
    pub dtype: &'static str,
    /// Version of libtorch.
    pub libtorch: String,
}

impl<'a> Fingerprint<'a> {
    /// The fingerprint of a stage instance.
    pub fn new(
        instance: &'a StageInstance,
        inputs: BTreeMap<&'a str, Input<'a>>,
        files: BTreeMap<&'a str, Hash256>,
        worker: Option<WorkerFacts>,
    ) -> Self {
        Self {
            files,
            inputs,
            kind: instance.kind,
            outputs: Outputs(&instance.outputs),
            parameters: Canonical(&instance.parameters),
            revision: instance.revision,
            store: STORE_VERSION,
            worker,
        }
    }

    /// Canonical JSON: sorted keys, no spaces, shortest numbers that read back the same.
    pub fn to_json(&self) -> String {
        let mut text = Vec::with_capacity(1024);
        // Writing to memory cannot fail, and all keys are strings.
        let _ = serde_json::to_writer(&mut text, self);
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Content(hash) => hash.serialize(serializer),
            Self::Waiting(stage) => serializer.collect_str(&format_args!("{WAITING}{stage}")),
        }
    }
}

const WAITING: &str = "after ";

/// A JSON value with its keys sorted at every level.
struct Canonical<'a>(&'a Value);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                let mut out = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    out.serialize_entry(key, &Canonical(value))?;
                }
                out.end()
            }
            Value::Array(values) => {
                let mut out = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    out.serialize_element(&Canonical(value))?;
                }
                out.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

/// Output ports by name; their order is no part of their meaning.
struct Outputs<'a>(&'a [OutputPort]);

impl Serialize for Outputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ports: Vec<_> = self.0.iter().collect();
        ports.sort_unstable_by_key(|port| port.name);
        let mut out = serializer.serialize_map(Some(ports.len()))?;
        for port in ports {
            match &port.artifact {
                Artifact::Table(schema) => out.serialize_entry(port.name, &Columns(schema))?,
                other => out.serialize_entry(port.name, other.noun())?,
            }
        }
        out.end()
    }
}

/// The columns of a table, in order.
struct Columns<'a>(&'a Schema);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("columns", &Fields(self.0))?;
        if !self.0.metadata().is_empty() {
            out.serialize_entry("metadata", &self.0.metadata().iter().collect::<BTreeMap<_, _>>())?;
        }
        out.end()
    }
}

struct Fields<'a>(&'a Schema);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.fields().iter().map(|field| Column(field)))
    }
}

struct Column<'a>(&'a Field);

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut metadata: Vec<_> = self.0.metadata().iter().collect();
        metadata.sort_unstable();
        let mut out = serializer.serialize_map(Some(metadata.len() + 3))?;
        out.serialize_entry("name", self.0.name())?;
        out.serialize_entry("nullable", &self.0.is_nullable())?;
        out.serialize_entry("type", &Shown(self.0.data_type()))?;
        // After the three fixed keys, under a prefix, so that no metadata key can be mistaken for one of them.
        for (key, value) in metadata {
            out.serialize_entry(&format_args!("with {key}").to_string(), value)?;
        }
        out.end()
    }
}

struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What changed from one fingerprint (canonical JSON) to another, one sentence a change; empty when they are equal.
pub fn explain(old: &str, new: &str) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let (Some(old), Some(new)) = (read(old), read(new)) else {
        return vec!["the record of the last run cannot be read".to_owned()];
    };
    let mut changes = Vec::new();
    compare(&mut Vec::new(), Some(&old), Some(&new), &mut changes);
    changes
}

/// Walks both values together and says where they differ.
fn compare<'a>(path: &mut Vec<String>, old: Option<&'a Value>, new: Option<&'a Value>, changes: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(before)), Some(Value::Object(after))) if !is_choice(before, after) => {
            let keys = before
                .keys()
                .chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                path.push(key.clone());
                compare(path, before.get(key), after.get(key), changes);
                path.pop();
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, pair) in before.iter().zip(after).enumerate() {
                let name = pair.1.get("name").and_then(Value::as_str);
                path.push(name.map_or_else(|| index.to_string(), str::to_owned));
                compare(path, Some(pair.0), Some(pair.1), changes);
                path.pop();
            }
        }
        _ => changes.push(sentence(path, old, new)),
    }
}

/// Whether these are two choices of an enum, such as `{isochrone: …}` and `{plummer: …}`, better shown whole.
fn is_choice(before: &serde_json::Map<String, Value>, after: &serde_json::Map<String, Value>) -> bool {
    before.len() == 1 && after.len() == 1 && before.keys().ne(after.keys())
}

fn sentence(path: &[String], old: Option<&Value>, new: Option<&Value>) -> String {
    let (section, rest) = path
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let name = rest.join(".");
    let change = || match (old, new) {
        (None, Some(new)) => format!("added: {}", brief(new)),
        (Some(old), None) => format!("removed: was {}", brief(old)),
        _ => format!(
            "{} → {}",
            old.map(brief).unwrap_or_default(),
            new.map(brief).unwrap_or_default()
        ),
    };
    match section {
        "inputs" | "files" => {
            let noun = if section == "inputs" { "input" } else { "file" };
            let waiting = new.and_then(Value::as_str).and_then(|text| text.strip_prefix(WAITING));
            match (old, new, waiting) {
                (_, _, Some(stage)) => format!("{noun} {name}: may change, because {stage} is stale"),
                (None, ..) => format!("{noun} {name}: added"),
                (_, None, _) => format!("{noun} {name}: removed"),
                _ => format!("{noun} {name}: content changed"),
            }
        }
        "outputs" if rest.len() > 2 => format!("output {}: column {}: {}", rest[0], rest[2..].join(" "), change()),
        "outputs" => format!("output {}: columns changed", rest.first().map_or("", String::as_str)),
        "parameters" => format!("parameter {name}: {}", change()),
        "worker" if rest.is_empty() => "place of work changed".to_owned(),
        "worker" => format!("{name}: {}", change()),
        "store" => format!("format of the store: {}", change()),
        other => format!("{other}: {}", change()),
    }
}

/// A value in at most 60 characters.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::toys::{Source, toy_graph};

    fn json(change: impl FnOnce(&mut StageInstance)) -> String {
        let mut graph = toy_graph(|toys| {
            toys.add(
                "a",
                Source {
                    seed: 1,
                    ..Source::default()
                },
                &[],
            );
        });
        let instance = &mut graph.stages[0];
        instance.parameters = serde_json::json!({ "zeta": 1.5e-9, "alpha": { "c": [1, 2.0], "b": "x" } });
        change(instance);
        let inputs = BTreeMap::from([("stars", Input::Content(Hash256::of("stars")))]);
        let files = BTreeMap::from([("data", Hash256::of("data"))]);
        Fingerprint::new(instance, inputs, files, None).to_json()
    }

    #[test]
    fn json_is_canonical() {
        let text = json(|_| ());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&Canonical(&value)).unwrap(), text);
        assert!(
            text.contains(r#""parameters":{"alpha":{"b":"x","c":[1,2.0]},"zeta":1.5e-9}"#),
            "{text}"
        );
    }

    #[test]
    fn explanation_names_what_changed() {
        let old = json(|_| ());
        let changed = |change: fn(&mut StageInstance)| explain(&old, &json(change)).join("; ");
        assert_eq!(changed(|_| ()), "");
        assert_eq!(changed(|stage| stage.revision = 2), "revision: 1 → 2");
        assert_eq!(changed(|stage| stage.kind = "other"), "kind: source → other");
        assert_eq!(
            changed(|stage| stage.parameters["zeta"] = 2.into()),
            "parameter zeta: 1.5e-9 → 2"
        );
        assert_eq!(
            changed(|stage| stage.parameters["alpha"]["c"][1] = 3.0.into()),
            "parameter alpha.c.1: 2.0 → 3.0"
        );
        assert_eq!(
            changed(|stage| stage.parameters["new"] = true.into()),
            "parameter new: added: true"
        );
        let unit = |stage: &mut StageInstance| {
            let column = crate::ports::column("value", arrow_schema::DataType::Float64, "deg", "", "a number");
            stage.outputs[0].artifact = Artifact::Table(Schema::new(vec![column]).into());
        };
        assert_eq!(changed(unit), "output values: column value with unit: kpc → deg");
    }

    #[test]
    fn explanation_of_inputs_and_files() {
        let hash = |text: &str| Hash256::of(text).hex();
        let form =
            |stars: &str, data: &str| format!(r#"{{"files":{{"data":"{data}"}},"inputs":{{"stars":"{stars}"}}}}"#);
        let old = form(&hash("a"), &hash("b"));
        assert_eq!(
            explain(&old, &form(&hash("c"), &hash("b"))),
            ["input stars: content changed"]
        );
        assert_eq!(
            explain(&old, &form(&hash("a"), &hash("c"))),
            ["file data: content changed"]
        );
        assert_eq!(
            explain(&old, &form("after orbits", &hash("b"))),
            ["input stars: may change, because orbits is stale"]
        );
        assert_eq!(explain("", &old), ["the record of the last run cannot be read"]);
    }
}
