//! A value that a JSON Schema takes, to stand where a parameter is missing while the rest of its stage is looked at, or explained.

use serde_json::{Map, Value, json};

/// One of two different values, where the schema leaves a choice, for `schema`, a part of `root`.
pub(crate) fn of(schema: &Value, root: &Value, second: bool) -> Option<Value> {
    example(schema, root, second, 0)
}

fn example(schema: &Value, root: &Value, second: bool, depth: usize) -> Option<Value> {
    // A type may hold itself.
    if depth > 12 {
        return None;
    }
    let inner = |schema: &Value| example(schema, root, second, depth + 1);
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
        "array" => {
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
            let first = schema.get("prefixItems").and_then(Value::as_array);
            let item = |index| first.and_then(|first| first.get(index)).or_else(|| schema.get("items"));
            let items = (0..count as usize).map(|index| inner(item(index)?));
            Value::Array(items.collect::<Option<Vec<_>>>()?)
        }
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
