//! JSON Schema of a pipeline file, for editors.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Kind};
use crate::quantity::{PATTERN, UNIT};
use crate::spec::LONGEST_NAME;

/// The JSON Schema (2020-12) of pipeline files with the kinds of `catalog`.
///
/// Wherever a parameter value is allowed, so is a text that refers to a parameter of the pipeline (`$name`, or `${name}` in a
/// longer text). Parameters that a stage needs may stand in `defaults`: they are only asked for where a file has none.
/// Where a number with a unit is allowed, so is one with another unit (`100 Myr`).
pub fn pipeline_schema(catalog: &Catalog) -> Value {
    let mut definitions = Map::new();
    definitions.insert("reference".to_owned(), reference());
    definitions.insert("resources".to_owned(), resources());
    let (mut kinds, mut defaults, mut needs) = (Map::new(), Map::new(), Map::new());
    for kind in catalog.kinds() {
        let name = kind.name.to_owned();
        defaults.insert(name.clone(), default(kind));
        needs.extend(need(kind).map(|need| (name.clone(), need)));
        kinds.insert(name, stage(kind, &mut definitions));
    }
    let stage = json!({
        "description": "One stage: its kind, and inside it `from`, `with` and `on`",
        "type": "object",
        "properties": kinds,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    definitions.insert("stage".to_owned(), stage);
    let needs = json!({ "properties": { "stages": { "additionalProperties": { "properties": needs } } } });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "actionfinder pipeline",
        "type": "object",
        "properties": {
            "pipeline": { "type": "string", "pattern": NAME, "maxLength": LONGEST_NAME, "description": "Name of the pipeline, and of its folder of results" },
            "about": { "type": "string", "description": "One line on what it is for" },
            "params": {
                "description": "Knobs: used as $name, set with -p name=value, swept by `sweep`",
                "type": ["object", "null"],
                "propertyNames": { "pattern": NAME, "maxLength": LONGEST_NAME },
            },
            "defaults": {
                "description": "For a kind, what lies under the `with` of each of its stages, whose own keys win",
                "type": ["object", "null"],
                "properties": defaults,
                "additionalProperties": false,
            },
            "use": uses(),
            "stages": {
                "description": "Stages by name",
                "type": "object",
                "propertyNames": { "pattern": NAME, "maxLength": LONGEST_NAME },
                "additionalProperties": { "$ref": "#/$defs/stage" },
                "minProperties": 1,
            },
            "sweep": sweep(),
        },
        "required": ["pipeline"],
        "anyOf": [{ "required": ["stages"] }, { "required": ["use"] }],
        "if": { "not": { "required": ["defaults"] } },
        "then": needs,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";

fn reference() -> Value {
    json!({
        "description": "The value of a parameter of the pipeline",
        "type": "string",
        "pattern": "^\\$[A-Za-z_][A-Za-z0-9_-]*$|\\$\\{[A-Za-z_][A-Za-z0-9_-]*\\}",
    })
}

fn uses() -> Value {
    let one = json!({
        "description": "Another pipeline: its stages are NAME.STAGE here",
        "type": "object",
        "properties": {
            "pipeline": { "description": "Its file, absolute or relative to the folder of this one", "type": "string", "minLength": 1 },
            "with": {
                "description": "Values of its parameters; of rows there that set one, those that agree are kept",
                "type": ["object", "null"],
                "propertyNames": { "pattern": NAME, "maxLength": LONGEST_NAME },
            },
            "to": {
                "description": "Only these stages and what they need",
                "type": "array",
                "items": { "type": "string", "pattern": STAGE },
                "minItems": 1,
            },
        },
        "required": ["pipeline"],
        "additionalProperties": false,
    });
    json!({
        "description": "Other pipelines by name, with parameters, defaults, rows and axes of their own",
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME, "maxLength": LONGEST_NAME },
        "additionalProperties": one,
    })
}

/// A stage, in a used pipeline or not; after another dot, its output.
const STAGE: &str = "^[A-Za-z_][A-Za-z0-9_-]*([.][A-Za-z_][A-Za-z0-9_-]*)*$";

fn sweep() -> Value {
    let number = json!({ "anyOf": [{ "type": "number" }, { "type": "string", "pattern": PATTERN }] });
    let numbers =
        |least: u8, most: u8| json!({ "type": "array", "items": number, "minItems": least, "maxItems": most });
    let generated = |key: &str, description: &str, numbers: Value| {
        json!({
            "description": description,
            "type": "object",
            "properties": { key: numbers },
            "required": [key],
            "additionalProperties": false,
        })
    };
    let range = generated(
        "range",
        "First, last and optionally step; both ends count",
        numbers(2, 3),
    );
    let log = generated(
        "log",
        "First, last and how many, each a constant factor above the one before",
        numbers(3, 3),
    );
    let values = json!({ "anyOf": [{ "type": "array", "minItems": 1 }, range, log] });
    let records = json!({
        "description": "One row an item; what it leaves out is as in `params`",
        "type": "array",
        "items": { "type": "object", "propertyNames": { "pattern": NAME } },
        "minItems": 1,
    });
    let groups = json!({
        "description": "Groups of rows that vary independently",
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME },
        "additionalProperties": records,
    });
    json!({
        "description": "Runs the stages for many values of parameters; shared stages run once",
        "type": ["object", "null"],
        "properties": {
            "rows": {
                "description": "Parameters that are set together, row by row",
                "anyOf": [records, groups],
            },
            "search": search(&number),
            "axes": {
                "description": "Every combination of these values",
                "type": ["object", "null"],
                "additionalProperties": values,
            },
            "zip": {
                "description": "As in the first edition: lists of one length that advance together. Write `rows`",
                "deprecated": true,
                "type": ["object", "null"],
                "additionalProperties": values,
            },
        },
        "additionalProperties": false,
    })
}

/// `search:` of a sweep.
fn search(number: &Value) -> Value {
    let ends = json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2 });
    let when = json!({
        "description": "Searched only where a choice above has this value, or one of these; elsewhere as in `params`",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
    });
    let list = json!({ "type": "array", "minItems": 1 });
    let space = |kind: &str, description: &str, values: &Value| {
        json!({
            "description": description,
            "type": "object",
            "properties": { kind: values, "when": when },
            "required": [kind],
            "additionalProperties": false,
        })
    };
    let spaces = json!({ "anyOf": [
        list,
        space("uniform", "A number between two", &ends),
        space("log", "A number between two, its logarithms all alike", &ends),
        space("integer", "A whole number from one to another", &ends),
        space("log_integer", "A whole number from one to another, their logarithms all alike", &ends),
        space("choice", "One of these values", &list),
    ] });
    let measure = json!({ "type": "string", "pattern": "[.]" });
    let measures = json!({ "anyOf": [measure, { "type": "array", "items": measure, "minItems": 1 }] });
    let bound = json!({
        "type": "object",
        "properties": { "at_most": { "type": "number" }, "at_least": { "type": "number" } },
        "minProperties": 1,
        "additionalProperties": false,
    });
    json!({
        "description": "Tries values of parameters, and learns from the results which to try next",
        "type": ["object", "null"],
        "properties": {
            "over": {
                "description": "The parameters, and what they may be",
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": spaces,
                "minProperties": 1,
            },
            "minimize": measures,
            "maximize": measures,
            "within": {
                "description": "Measures that must stay within bounds",
                "type": ["object", "null"],
                "additionalProperties": bound,
            },
            "method": { "enum": ["tpe", "sobol", "random"] },
            "trials": { "description": "How many trials", "type": "integer", "minimum": 1 },
            "batch": { "description": "How many are proposed at a time; 8 by default", "type": "integer", "minimum": 1 },
            "seed": { "type": "integer", "minimum": 0 },
            "hours": {
                "description": "No batch begins after so many hours of stages, all trials together",
                "type": "number",
                "exclusiveMinimum": 0,
            },
            "core_hours": {
                "description": "The same of hours times threads",
                "type": "number",
                "exclusiveMinimum": 0,
            },
            "prune": {
                "description": "Successive halving: of each batch only a share goes on after these epochs, by the validation loss",
                "type": "object",
                "properties": {
                    "stage": { "description": "The training", "type": "string" },
                    "at": { "type": "array", "items": { "type": "integer", "minimum": 1 }, "minItems": 1 },
                    "keep": { "description": "The share; 0.5 by default", "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
                },
                "required": ["stage", "at"],
                "additionalProperties": false,
            },
        },
        "required": ["over", "trials"],
        "additionalProperties": false,
    })
}

fn resources() -> Value {
    json!({
        "description": "Where and with how much",
        "type": ["object", "null"],
        "properties": {
            "device": {
                "description": "auto, cpu, cuda, or cuda:N",
                "anyOf": [{ "type": "string", "pattern": "^(auto|cpu|cuda|cuda:[0-9]+)$" }, { "$ref": "#/$defs/reference" }],
            },
            "threads": {
                "description": "CPU threads; those of a training are part of its fingerprint, as sums are rounded differently with another number",
                "anyOf": [{ "type": "integer", "minimum": 1 }, { "$ref": "#/$defs/reference" }],
            },
            "memory": {
                "description": "The most memory it may take, with all that it starts, such as 4 GB; more ends it",
                "anyOf": [{ "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?\\s*([kMGT]B|[MGT]iB)\\s*$" }, { "$ref": "#/$defs/reference" }],
            },
            "timeout": {
                "description": "The longest time it may take, such as 10 min or 2 h; longer ends it, and a training saves a checkpoint",
                "anyOf": [{ "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?\\s*(s|min|h|d)\\s*$" }, { "$ref": "#/$defs/reference" }],
            },
            "retries": {
                "description": "How often it is begun again where it crashed, or was ended for its memory or its time",
                "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 100 }, { "$ref": "#/$defs/reference" }],
            },
            "priority": {
                "description": "Stages of higher priority begin first, with all that they need; 0 where nothing is said",
                "anyOf": [{ "type": "integer", "minimum": -100, "maximum": 100 }, { "$ref": "#/$defs/reference" }],
            },
            "gpu_share": {
                "description": "What part of a GPU it takes, such as 0.25: others may run there beside it; a whole one where nothing is said",
                "anyOf": [{ "type": "number", "minimum": 0.001, "maximum": 1 }, { "$ref": "#/$defs/reference" }],
            },
            "partition": {
                "description": "The partition of its job, for `run --executor slurm`",
                "anyOf": [{ "type": "string", "pattern": "^[-A-Za-z0-9_.,+@:]+$" }, { "$ref": "#/$defs/reference" }],
            },
            "account": {
                "description": "The account of its job, for `run --executor slurm`",
                "anyOf": [{ "type": "string", "pattern": "^[-A-Za-z0-9_.,+@:]+$" }, { "$ref": "#/$defs/reference" }],
            },
        },
        "additionalProperties": false,
    })
}

/// The schema of one kind; its own definitions move to `definitions` as `kind.Name`.
fn stage(kind: &Kind, definitions: &mut Map<String, Value>) -> Value {
    let mut with = (kind.schema)();
    let mut own = Map::new();
    if let Some(object) = with.as_object_mut() {
        object.shift_remove("$schema");
        object.shift_remove("title");
        if let Some(Value::Object(found)) = object.shift_remove("$defs") {
            own = found;
        }
    }
    let without: BTreeSet<String> = own
        .iter()
        .filter(|(_, definition)| needs_nothing(definition))
        .map(|(name, _)| format!("#/$defs/{name}"))
        .collect();
    allow_bare_words(&mut with, &without);
    for (name, mut definition) in own {
        allow_bare_words(&mut definition, &without);
        allow_references(&mut definition, kind.name);
        definitions.insert(format!("{}.{name}", kind.name), definition);
    }
    // What is needed may stand in `defaults`.
    if let Some(object) = with.as_object_mut() {
        object.shift_remove("required");
    }
    allow_references(&mut with, kind.name);
    let name = json!({ "type": "string", "pattern": STAGE });
    let over = json!({
        "description": "All of a stage over swept parameters",
        "type": "object",
        "properties": {
            "of": name,
            "over": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] },
        },
        "required": ["of", "over"],
        "additionalProperties": false,
    });
    let writer = json!({ "anyOf": [name, over] });
    json!({
        "description": kind.about,
        "type": ["object", "null"],
        "properties": {
            "from": {
                "description": "Inputs: `port: stage` or `port: stage.output`; a used pipeline's as `port: name.stage`; where a port takes several, a list of them, or `{ of: stage, over: parameter }`",
                "type": ["object", "null"],
                "additionalProperties": { "anyOf": [writer.clone(), { "type": "array", "items": writer, "minItems": 1 }] },
            },
            "with": { "anyOf": [with, { "$ref": "#/$defs/reference" }, { "type": "null" }] },
            "on": { "$ref": "#/$defs/resources" },
        },
        "additionalProperties": false,
    })
}

/// The schema of the defaults of a kind: any of its parameters.
fn default(kind: &Kind) -> Value {
    let schema = kind.parameters();
    let names = schema.get("properties").and_then(Value::as_object);
    let names = names.into_iter().flat_map(Map::keys);
    let same = |name: &String| {
        let target = format!(
            "#/$defs/stage/properties/{}/properties/with/anyOf/0/properties/{name}",
            kind.name
        );
        (name.clone(), json!({ "$ref": target }))
    };
    json!({
        "type": "object",
        "properties": names.map(same).collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

/// What a stage of a kind cannot do without, where nothing lies under its `with`.
fn need(kind: &Kind) -> Option<Value> {
    let required = kind.parameters().get("required")?;
    Some(json!({
        "type": "object",
        "properties": { "with": { "type": ["object", "string"], "required": required } },
        "required": ["with"],
    }))
}

fn or_reference(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "$ref": "#/$defs/reference" }] })
}

/// Whether a value of this schema may be an empty mapping.
fn needs_nothing(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object") && schema.get("required").is_none()
}

/// Lets every choice whose parameters can all be left out stand as a word alone; `without` are the definitions of such parameters.
fn allow_bare_words(schema: &mut Value, without: &BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| allow_bare_words(item, without)),
        Value::Object(object) => {
            object.values_mut().for_each(|value| allow_bare_words(value, without));
            let Some(Value::Array(choices)) = object.get_mut("oneOf") else {
                return;
            };
            let bare = |choice: &Value| {
                let [(name, parameters)] = &choice.get("properties")?.as_object()?.iter().collect::<Vec<_>>()[..]
                else {
                    return None;
                };
                let reference = parameters.get("$ref").and_then(Value::as_str);
                let nothing = reference.map_or_else(|| needs_nothing(parameters), |name| without.contains(name));
                nothing.then(|| json!({ "type": "string", "const": name }))
            };
            let words: Vec<Value> = choices.iter().filter_map(bare).collect();
            choices.extend(words);
        }
        _ => {}
    }
}

/// Lets every value inside `schema` be a reference to a parameter instead, and renames `$ref`s into `kind`'s names.
fn allow_references(schema: &mut Value, kind: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key(UNIT) {
        // The bounds are those of a number, the pattern is that of a text.
        object.insert("type".to_owned(), json!(["number", "string"]));
        object.insert("pattern".to_owned(), json!(PATTERN));
    }
    if let Some(Value::String(target)) = object.get_mut("$ref")
        && let Some(name) = target.strip_prefix("#/$defs/")
    {
        *target = format!("#/$defs/{kind}.{name}");
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(|value| wrap(value, kind));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(value) = object.get_mut(key).filter(|value| value.is_object()) {
            wrap(value, kind);
        }
    }
    for key in ["prefixItems"] {
        if let Some(Value::Array(items)) = object.get_mut(key) {
            items.iter_mut().for_each(|value| wrap(value, kind));
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(choices)) = object.get_mut(key) {
            choices.iter_mut().for_each(|value| allow_references(value, kind));
        }
    }
}

fn wrap(schema: &mut Value, kind: &str) {
    allow_references(schema, kind);
    let inner = schema.take();
    *schema = or_reference(inner);
    // Editors show the description of the outermost schema.
    if let Some(description) = schema.pointer("/anyOf/0/description").cloned()
        && let Some(object) = schema.as_object_mut()
    {
        object.insert("description".to_owned(), description);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn kinds_definitions_and_references() {
        let schema = pipeline_schema(&crate::spec::kinds::catalog());
        let read = schema.pointer("/$defs/stage/properties/read").unwrap();
        assert_eq!(read["description"], "Reads a file");
        let need = schema
            .pointer("/then/properties/stages/additionalProperties/properties/read")
            .unwrap();
        assert_eq!(need["required"], json!(["with"]));
        let with = read.pointer("/properties/with/anyOf/0").unwrap();
        assert_eq!(
            with.pointer("/properties/skip/anyOf/1/$ref").unwrap(),
            "#/$defs/reference"
        );
        assert_eq!(with.pointer("/properties/skip/description").unwrap(), "Rows to skip.");
        assert!(schema.pointer("/$defs/read.Method").is_some());
    }

    /// A choice whose parameters can be left out may be a word alone, and only such a choice.
    #[test]
    fn choices_without_needs_may_be_words() {
        let choice = |name: &str, parameters: Value| json!({ "type": "object", "properties": { name: parameters }, "required": [name], "additionalProperties": false });
        let free = json!({ "type": "object", "properties": { "width": { "type": "integer" } } });
        let bound = json!({ "type": "object", "properties": { "mass": {} }, "required": ["mass"] });
        assert!(needs_nothing(&free) && !needs_nothing(&bound));
        let mut schema = json!({ "oneOf": [
            choice("smooth", json!({ "$ref": "#/$defs/Smooth" })),
            choice("fixed", json!({ "$ref": "#/$defs/Mass" })),
            choice("inline", free),
            { "type": "string", "const": "found" },
        ] });
        allow_bare_words(&mut schema, &BTreeSet::from(["#/$defs/Smooth".to_owned()]));
        let words = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|choice| choice["const"].as_str());
        assert_eq!(words.collect::<Vec<_>>(), ["found", "smooth", "inline"]);
    }

    #[test]
    fn every_reference_has_its_definition() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(target)) = object.get("$ref") {
                        found.push(target.clone());
                    }
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let schema = pipeline_schema(&crate::spec::kinds::catalog());
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 10);
        for target in found {
            assert!(schema.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
        }
    }
}
