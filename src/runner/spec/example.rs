//! A value that a JSON Schema takes, to stand where a parameter is missing while the rest of its stage is looked at.

use serde_json::{Map, Value, json};

/// One of two different values, where the schema leaves a choice, for a property of `root`.
pub(super) fn of_property(root: &Value, name: &str, second: bool) -> Option<Value> {
    of(root.get("properties")?.get(name)?, root, second, 0)
}

fn of(schema: &Value, root: &Value, second: bool, depth: usize) -> Option<Value> {
    // A type may hold itself.
    if depth > 12 {
        return None;
    }
    let inner = |schema: &Value| of(schema, root, second, depth + 1);
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return inner(root.pointer(name.strip_prefix('#')?)?);
    }
    if let Some(value) = schema.get("const") {
        return Some(value.clone());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return (if second { values.last() } else { values.first() }).cloned();
    }
    if let Some(choices) = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array())
    {
        return if second {
            choices.iter().rev().find_map(inner)
        } else {
            choices.iter().find_map(inner)
        };
    }
    let kind = match schema.get("type")? {
        Value::Array(kinds) => kinds.first()?.as_str()?,
        kind => kind.as_str()?,
    };
    Some(match kind {
        "integer" => json!(if second { 100 } else { 1 }),
        "number" => json!(if second { 100.0 } else { 0.5 }),
        "boolean" => json!(second),
        "string" => json!(if second { "b" } else { "a" }),
        "array" => json!([inner(schema.get("items")?)?]),
        "object" => {
            let required = schema.get("required").and_then(Value::as_array);
            let mut map = Map::new();
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                map.insert(name.to_owned(), inner(schema.get("properties")?.get(name)?)?);
            }
            Value::Object(map)
        }
        _ => return None,
    })
}
