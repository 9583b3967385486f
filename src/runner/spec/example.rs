//! A value that a JSON Schema takes, to stand where a parameter is missing while the rest of its stage is looked at, or explained.

use serde_json::{Map, Value, json};

/// One of two different values, where the schema leaves a choice, for `schema`, a part of `root`.
pub(crate) fn of(schema: &Value, root: &Value, second: bool) -> Option<Value> {
    example(schema, root, second, 0)
}

/// `base`, an example of all parameters, with one more of them, or with another choice of one: its path, whether it must be there, and all.
/// Of a choice with parameters, each that may be left out is added, too.
pub(crate) fn variants(root: &Value, base: &Value) -> Vec<(Vec<String>, bool, Value)> {
    let mut all = Vec::new();
    let Some(properties) = root.get("properties").and_then(Value::as_object) else {
        return all;
    };
    for (name, schema) in properties {
        let is_needed = requires(root, name);
        let mut put = |path: Vec<String>, value: Value| {
            let mut with = base.clone();
            with[name.as_str()] = value;
            all.push((path, is_needed, with));
        };
        let found = choices(schema, root);
        if found.is_empty() {
            let value = unusual(schema, root).filter(|value| !value.is_null());
            value.into_iter().for_each(|value| put(vec![name.clone()], value));
        }
        for (choice, inner) in found {
            let Some(inner) = inner else {
                put(vec![name.clone(), choice.clone()], json!(choice));
                continue;
            };
            let Some(value) = of(inner, root, false) else { continue };
            put(vec![name.clone(), choice.clone()], json!({ choice.as_str(): value }));
            let inner = resolved(inner, root);
            for (more, schema) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let Some(added) = unusual(schema, root).filter(|_| !requires(inner, more)) else {
                    continue;
                };
                let mut value = value.clone();
                value[more.as_str()] = added;
                let path = vec![name.clone(), choice.clone(), more.clone()];
                put(path, json!({ choice.as_str(): value }));
            }
        }
    }
    all
}

/// A value; of a truth value the one that is not its default, which is false where it has none.
fn unusual(schema: &Value, root: &Value) -> Option<Value> {
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Some(json!(schema.get("default") != Some(&json!(true)))),
        _ => of(schema, root, false),
    }
}

fn requires(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|required| required == name)
}

fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let name = schema.get("$ref").and_then(Value::as_str);
    let place = name.and_then(|name| root.pointer(name.strip_prefix('#')?));
    place.unwrap_or(schema)
}

/// The words among which a schema lets choose, each with what is below it.
fn choices<'s>(schema: &'s Value, root: &'s Value) -> Vec<(String, Option<&'s Value>)> {
    let schema = resolved(schema, root);
    let words = schema.get("enum").and_then(Value::as_array);
    let word = |value: &Value| Some((value.as_str()?.to_owned(), None));
    let mut found: Vec<(String, Option<&Value>)> = words.into_iter().flatten().filter_map(word).collect();
    found.extend(schema.get("const").and_then(word));
    for alternatives in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key)?.as_array()) {
        for one in alternatives {
            let properties = resolved(one, root).get("properties").and_then(Value::as_object);
            match properties
                .filter(|all| all.len() == 1)
                .and_then(|all| all.iter().next())
            {
                Some((name, inner)) if requires(resolved(one, root), name) => found.push((name.clone(), Some(inner))),
                _ => found.extend(choices(one, root)),
            }
        }
    }
    found
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
