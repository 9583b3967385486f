//! What decides whether a stage must run: everything that its outputs depend on, as canonical JSON.
//!
//! The text that is hashed is the text that is kept beside the outputs, and [`explain`] compares two such texts. So an
//! explanation cannot leave out anything that was hashed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use arrow_schema::{Fields, Schema};
use serde_json::Value;

pub use crate::store::hash::Hash256;

use crate::canonical::{push_key, push_text};
use crate::graph::{Graph, StageInstance};
use crate::ports::{Artifact, OutputPort};

/// Version of the store's format and of the fingerprint; part of both.
pub const STORE_VERSION: u32 = 1;

/// All that a stage's outputs depend on.
pub struct Fingerprint<'a> {
    /// The stage: kind, revision, parameters with defaults filled in, outputs with their schemas.
    pub stage: &'a StageInstance,
    /// Content hashes of the inputs, by port.
    pub inputs: BTreeMap<&'a str, Input<'a>>,
    /// Content hashes of the user's files, by parameter.
    pub files: BTreeMap<&'a str, Hash256>,
    /// For kinds whose threads share sums, in a worker or a command: what the numbers depend on besides.
    pub worker: Option<WorkerFacts<'a>>,
}

/// One input in a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// Hash of the artifact's content.
    Content(Hash256),
    /// Not known before the stage with this label ran. Such a fingerprint only serves to explain.
    Waiting(&'a str),
}

/// What a worker's numbers depend on besides its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFacts<'a> {
    /// `cpu` or `cuda`.
    pub device: &'static str,
    /// What else the program says that they depend on, such as the version of a library.
    pub environment: &'a BTreeMap<String, String>,
    /// Threads that share one operation on tensors: sums are rounded differently with another number.
    pub threads: usize,
}

impl Fingerprint<'_> {
    /// Canonical JSON: sorted keys, no spaces, shortest numbers that read back the same.
    pub fn to_json(&self, columns: &ColumnTexts) -> String {
        let Self {
            stage,
            inputs,
            files,
            worker,
        } = self;
        let mut text = String::with_capacity(4096);
        let mut comma = "";
        text.push_str("{\"files\":{");
        for (parameter, hash) in files {
            push_key(&mut text, std::mem::replace(&mut comma, ","), parameter);
            push_hash(&mut text, hash);
        }
        text.push_str("},\"inputs\":{");
        comma = "";
        for (port, input) in inputs {
            push_key(&mut text, std::mem::replace(&mut comma, ","), port);
            match input {
                Input::Content(hash) => push_hash(&mut text, hash),
                Input::Waiting(stage) => push_text(&mut text, &format!("{WAITING}{stage}")),
            }
        }
        text.push_str("},\"kind\":");
        push_text(&mut text, stage.kind);
        text.push_str(",\"outputs\":");
        push_outputs(&mut text, &stage.outputs, columns);
        text.push_str(",\"parameters\":");
        text.push_str(stage.parameters.as_str());
        let _ = write!(text, ",\"revision\":{},\"store\":{STORE_VERSION}", stage.revision);
        if let Some(WorkerFacts {
            device,
            environment,
            threads,
        }) = worker
        {
            text.push_str(",\"worker\":{\"device\":");
            push_text(&mut text, device);
            text.push_str(",\"environment\":{");
            comma = "";
            for (name, value) in *environment {
                push_key(&mut text, std::mem::replace(&mut comma, ","), name);
                push_text(&mut text, value);
            }
            let _ = write!(text, "}},\"threads\":{threads}}}");
        }
        text.push('}');
        text
    }
}

const WAITING: &str = "after ";

/// The columns of tables as canonical JSON, each set of columns written once for all stages that share it. Only saves
/// time: what is not here is written when it is wanted.
#[derive(Debug, Clone, Default)]
pub struct ColumnTexts {
    /// By address, which nothing else can have while the columns are kept here.
    known: HashMap<usize, (Fields, String)>,
}

impl ColumnTexts {
    /// Those of all outputs in a graph.
    pub fn of(graph: &Graph) -> Self {
        let mut found = Self::default();
        for output in graph.stages.iter().flat_map(|stage| &*stage.outputs) {
            if let Artifact::Table(schema) = &output.artifact {
                let fields = schema.fields();
                found.known.entry(fields.as_ptr().addr()).or_insert_with(|| {
                    let mut text = String::new();
                    push_columns(&mut text, fields);
                    (fields.clone(), text)
                });
            }
        }
        found
    }
}

fn push_hash(text: &mut String, hash: &Hash256) {
    text.push('"');
    hash.write_hex(text);
    text.push('"');
}

/// Output ports by name; their order is no part of their meaning.
fn push_outputs(text: &mut String, outputs: &[OutputPort], columns: &ColumnTexts) {
    let mut ports: Vec<_> = outputs.iter().collect();
    ports.sort_unstable_by_key(|port| port.name);
    let mut comma = "";
    text.push('{');
    for port in ports {
        push_key(text, std::mem::replace(&mut comma, ","), port.name);
        match &port.artifact {
            Artifact::Table(schema) => push_table(text, schema, columns),
            Artifact::Network(of) => push_text(text, &format!("network {of}")),
            Artifact::Figure => push_text(text, port.artifact.noun()),
            Artifact::File(ending) => push_text(text, &format!("file {ending}")),
        }
    }
    text.push('}');
}

/// The columns of a table, in order, and its metadata.
fn push_table(text: &mut String, schema: &Schema, columns: &ColumnTexts) {
    text.push_str("{\"columns\":");
    match columns.known.get(&schema.fields().as_ptr().addr()) {
        Some((fields, known)) if fields.len() == schema.fields().len() => text.push_str(known),
        _ => push_columns(text, schema.fields()),
    }
    if !schema.metadata().is_empty() {
        let metadata: BTreeMap<_, _> = schema.metadata().iter().collect();
        let mut comma = "";
        text.push_str(",\"metadata\":{");
        for (key, value) in metadata {
            push_key(text, std::mem::replace(&mut comma, ","), key);
            push_text(text, value);
        }
        text.push('}');
    }
    text.push('}');
}

fn push_columns(text: &mut String, fields: &Fields) {
    let mut comma = "";
    text.push('[');
    for field in fields {
        text.push_str(std::mem::replace(&mut comma, ","));
        text.push_str("{\"name\":");
        push_text(text, field.name());
        text.push_str(if field.is_nullable() {
            ",\"nullable\":true,\"type\":"
        } else {
            ",\"nullable\":false,\"type\":"
        });
        push_text(text, &field.data_type().to_string());
        // What people read of a column changes nothing in it.
        let metadata = field.metadata().iter().filter(|(key, _)| *key != "description");
        let mut metadata: Vec<_> = metadata.collect();
        metadata.sort_unstable();
        // After the three fixed keys, under a prefix, so that no metadata key can be mistaken for one of them.
        for (key, value) in metadata {
            push_key(text, ",", &format!("with {key}"));
            push_text(text, value);
        }
        text.push('}');
    }
    text.push(']');
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
    if changes.is_empty() {
        changes.push("an older version of the program wrote down other things".to_owned());
    }
    changes
}

/// Walks both values together and says where they differ.
fn compare<'a>(path: &mut Vec<String>, old: Option<&'a Value>, new: Option<&'a Value>, changes: &mut Vec<String>) {
    // Records of earlier versions hold descriptions of columns.
    if old == new || path.last().is_some_and(|key| key == "with description") {
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
        "outputs" if rest.len() == 1 && [old, new].into_iter().flatten().all(Value::is_string) => {
            format!("output {name}: {}", change())
        }
        "outputs" => format!("output {}: columns changed", rest.first().map_or("", String::as_str)),
        "parameters" => format!("parameter {name}: {}", change()),
        "worker" if rest.is_empty() => "place of work changed".to_owned(),
        "worker" => format!("{}: {}", rest.last().map_or("", String::as_str), change()),
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

    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::canonical::Canonical;
    use crate::ports::NetworkType;
    use crate::toys::{Source, toy_graph};

    fn parameters() -> Value {
        json!({ "zeta": 1.5e-9, "alpha": { "c": [1, 2.0], "b": "x" } })
    }

    /// The fingerprint with one parameter changed.
    fn json_with(change: impl FnOnce(&mut Value)) -> String {
        let mut parameters = parameters();
        change(&mut parameters);
        json(|stage| stage.parameters = Canonical::of(&parameters))
    }

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
        instance.parameters = Canonical::of(&parameters());
        change(instance);
        let inputs = BTreeMap::from([("stars", Input::Content(Hash256::of("stars")))]);
        let files = BTreeMap::from([("data", Hash256::of("data"))]);
        let shared = ColumnTexts::of(&graph);
        let fingerprint = Fingerprint {
            stage: &graph.stages[0],
            inputs,
            files,
            worker: None,
        };
        let text = fingerprint.to_json(&shared);
        assert_eq!(
            text,
            fingerprint.to_json(&ColumnTexts::default()),
            "shared columns change nothing"
        );
        text
    }

    #[test]
    fn json_is_canonical() {
        let text = json(|_| ());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(Canonical::of(&value).as_str(), text);
        assert!(
            text.contains(r#""parameters":{"alpha":{"b":"x","c":[1,2]},"zeta":1.5e-9}"#),
            "{text}"
        );
    }

    /// What is read differently by people alone is no other stage.
    #[test]
    fn descriptions_and_ways_of_writing_numbers_change_nothing() {
        let old = json(|_| ());
        let described = |stage: &mut StageInstance| {
            let Artifact::Table(schema) = &stage.outputs[0].artifact else {
                panic!("a table")
            };
            let fields = schema.fields().iter().map(|field| {
                let mut metadata = field.metadata().clone();
                metadata.insert("description".to_owned(), "in other words".to_owned());
                field.as_ref().clone().with_metadata(metadata)
            });
            let fields: Vec<_> = fields.collect();
            Arc::make_mut(&mut stage.outputs)[0].artifact = Artifact::Table(Schema::new(fields).into());
        };
        assert_eq!(json(described), old);
        assert_eq!(json_with(|parameters| parameters["alpha"]["c"] = json!([1.0, 2])), old);
        let number = |value: Value| Canonical::of(&value).as_str().to_owned();
        assert_eq!(number(json!(1e3)), "1000");
        assert_eq!(number(json!(-0.0)), "0");
        assert_eq!(number(json!(u64::MAX)), "18446744073709551615");
        assert_eq!(number(json!(2.5e-3)), "0.0025");
        assert_ne!(number(json!(9007199254740993_u64)), number(json!(9007199254740992.0)));
    }

    #[test]
    fn explanation_names_what_changed() {
        let old = json(|_| ());
        let changed = |change: fn(&mut StageInstance)| explain(&old, &json(change)).join("; ");
        let given = |change: fn(&mut Value)| explain(&old, &json_with(change)).join("; ");
        assert_eq!(changed(|_| ()), "");
        assert_eq!(changed(|stage| stage.revision = 2), "revision: 1 → 2");
        assert_eq!(changed(|stage| stage.kind = "other"), "kind: source → other");
        assert_eq!(
            given(|parameters| parameters["zeta"] = 2.into()),
            "parameter zeta: 1.5e-9 → 2"
        );
        assert_eq!(
            given(|parameters| parameters["alpha"]["c"][1] = 3.0.into()),
            "parameter alpha.c.1: 2 → 3"
        );
        assert_eq!(
            given(|parameters| parameters["new"] = true.into()),
            "parameter new: added: true"
        );
        let unit = |stage: &mut StageInstance| {
            let column = crate::ports::column("value", arrow_schema::DataType::Float64, "deg", "", "a number");
            Arc::make_mut(&mut stage.outputs)[0].artifact = Artifact::Table(Schema::new(vec![column]).into());
        };
        assert_eq!(changed(unit), "output values: column value with unit: kpc → deg");
    }

    /// Another type of network is another output.
    #[test]
    fn the_type_of_a_network_is_in_the_fingerprint() {
        let network = |of| {
            json(move |stage| {
                Arc::make_mut(&mut stage.outputs)[0].artifact = Artifact::Network(NetworkType(of));
            })
        };
        assert_eq!(network("map"), network("map"));
        let change = explain(&network("map"), &network("field"));
        assert_eq!(change, ["output values: network map → network field"]);
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
