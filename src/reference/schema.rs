//! A JSON Schema in words.

use serde_json::{Map, Value};

/// Walks the schema of a kind's parameters.
pub struct Walk<'a> {
    root: &'a Value,
    /// The type that is being explained, which is therefore not sent elsewhere; empty for none.
    here: &'a str,
}

impl<'a> Walk<'a> {
    /// Through `root`, on the page of the type `here`.
    pub fn new(root: &'a Value, here: &'a str) -> Self {
        Self { root, here }
    }

    /// A list with an item for each property of an object, of a list's or a mapping's objects, or for each choice.
    pub fn inside(&self, schema: &Value, depth: usize, text: &mut String) {
        let (_, schema) = self.resolve(schema);
        if let Some(item) = schema.get("items") {
            self.inside(item, depth, text);
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                let needed = list(schema, "required").any(|required| required.as_str() == Some(name));
                self.item(name, property, Some(needed), depth, text);
            }
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.inside(values, depth, text);
        }
        for choice in choices(schema).filter(|choice| !is_null(choice)) {
            match (single(choice), choice.get("const").or_else(|| only(choice))) {
                (Some((name, inner)), _) => {
                    let about = words(choice).or_else(|| words(inner));
                    self.named(name, inner, about, None, depth, text);
                }
                (None, Some(Value::String(word))) => self.named(word, &Value::Null, words(choice), None, depth, text),
                _ => self.inside(choice, depth, text),
            }
        }
    }

    fn item(&self, name: &str, schema: &Value, needed: Option<bool>, depth: usize, text: &mut String) {
        self.named(name, schema, words(schema), needed, depth, text);
    }

    fn named(
        &self,
        name: &str,
        schema: &Value,
        about: Option<&str>,
        needed: Option<bool>,
        depth: usize,
        text: &mut String,
    ) {
        let (definition, resolved) = self.resolve(schema);
        let page = definition
            .and_then(super::page_of)
            .filter(|_| definition != Some(self.here) || depth > 0);
        let mut notes = Vec::new();
        notes.extend(match page {
            Some(page) => Some(format!("one of the {page}")),
            None => self.kind_of(resolved),
        });
        match (needed, schema.get("default")) {
            (Some(true), _) => notes.push("needed".to_owned()),
            (_, Some(Value::Null | Value::Object(_))) | (Some(false), None) => notes.push("may be left out".to_owned()),
            (_, Some(default)) => notes.push(format!("default `{}`", plain(default))),
            _ => {}
        }
        let about = about
            .or_else(|| words(resolved))
            .map(|about| format!(" {}", joined(about)));
        let notes = if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join("; "))
        };
        text.push_str(&format!(
            "{}- `{name}`{notes}{}{}\n",
            "  ".repeat(depth),
            if about.is_some() { ":" } else { "" },
            about.unwrap_or_default()
        ));
        if page.is_none() && depth < 6 {
            self.inside(resolved, depth + 1, text);
        }
    }

    /// The type that a schema names, and what it is; an optional one is what it is when it is there.
    fn resolve<'s>(&'s self, mut schema: &'s Value) -> (Option<&'s str>, &'s Value) {
        let mut definition = None;
        for _ in 0..8 {
            if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
                definition = path.rsplit('/').next();
                match path.strip_prefix('#').and_then(|path| self.root.pointer(path)) {
                    Some(inner) => schema = inner,
                    None => break,
                }
                continue;
            }
            let mut others = choices(schema).filter(|choice| !is_null(choice));
            match (others.next(), others.next()) {
                (Some(only), None) if schema.get("properties").is_none() && only.get("$ref").is_some() => schema = only,
                _ => break,
            }
        }
        (definition, schema)
    }

    /// Such as "a length, kpc", "whole number" or "list".
    fn kind_of(&self, schema: &Value) -> Option<String> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        if let (Some(noun), Some(unit)) = (text("x-noun"), text("x-unit")) {
            return Some(format!("{noun}, {unit}"));
        }
        let kind = list(schema, "type").chain(schema.get("type")).filter_map(Value::as_str);
        let mut kind = kind.filter(|kind| *kind != "null");
        Some(match kind.next()? {
            "integer" => "whole number".to_owned(),
            "number" => "number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "string" if only(schema).is_none() && choices(schema).next().is_none() => "text".to_owned(),
            "array" => {
                let (_, item) = self.resolve(schema.get("items").unwrap_or(&Value::Null));
                let item = self.kind_of(item).unwrap_or_else(|| "values".to_owned());
                format!("list of {item}")
            }
            _ => return None,
        })
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    list(schema, "oneOf").chain(list(schema, "anyOf"))
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The one key that an object must have, as `{ smooth: … }` has: a choice with parameters.
fn single(schema: &Value) -> Option<(&str, &Value)> {
    let properties: &Map<String, Value> = schema.get("properties")?.as_object()?;
    let (name, inner) = properties.iter().next().filter(|_| properties.len() == 1)?;
    list(schema, "required")
        .any(|required| required.as_str() == Some(name))
        .then_some((name.as_str(), inner))
}

/// The one word that a schema allows.
fn only(schema: &Value) -> Option<&Value> {
    let words = schema.get("enum")?.as_array()?;
    words.first().filter(|_| words.len() == 1)
}

fn words(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

/// Lines of one paragraph in one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As YAML would have it in one line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string().replace(',', ", ").replace('"', ""),
    }
}
