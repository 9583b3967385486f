//! What a JSON Schema, as schemars makes it of a type, says of the value at one place.

use serde_json::{Map, Value};

use crate::quantity::{NOUN, UNIT};

/// What may stand at a place.
#[derive(Default)]
pub(super) struct Shape<'s> {
    /// Whether nothing may.
    pub nullable: bool,
    /// Choices of an enum.
    pub choices: Vec<Choice<'s>>,
    /// What else may.
    pub plain: Vec<Plain<'s>>,
}

/// A choice of an enum: a name alone, or `{ name: parameters }`.
pub(super) struct Choice<'s> {
    pub name: &'s str,
    /// Schema of its parameters; `None` where it has none.
    pub parameters: Option<&'s Value>,
    /// Whether its name alone will do: it has no parameters, or needs none of them.
    pub alone: bool,
}

/// A value that is no choice.
pub(super) enum Plain<'s> {
    Anything,
    Flag,
    Text,
    Whole { least: Option<i128>, most: Option<i128> },
    Number(Bounds<'s>),
    List(List<'s>),
    Mapping(Mapping<'s>),
}

/// The range of a number.
pub(super) struct Bounds<'s> {
    pub least: Option<f64>,
    pub above: Option<f64>,
    pub most: Option<f64>,
    pub below: Option<f64>,
    /// What it measures, with its article: `a mass`.
    pub noun: &'s str,
    /// Its unit; empty where none is said.
    pub unit: &'s str,
    /// Such a number with a unit, as it may be written.
    pub example: &'s str,
}

/// The items of a list.
pub(super) struct List<'s> {
    first: &'s [Value],
    others: Option<&'s Value>,
    pub least: usize,
    pub most: usize,
}

impl<'s> List<'s> {
    /// Schema of the item at `index`.
    pub fn item(&self, index: usize) -> Option<&'s Value> {
        self.first.get(index).or(self.others)
    }
}

/// The keys of a mapping.
pub(super) struct Mapping<'s> {
    properties: Option<&'s Map<String, Value>>,
    /// Schema of the values of all other keys, where there may be any.
    pub others: Option<&'s Value>,
    pub required: Vec<&'s str>,
}

impl<'s> Mapping<'s> {
    /// Names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.properties
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str))
    }

    /// Schema of the value of a key.
    pub fn value(&self, key: &str) -> Option<&'s Value> {
        self.properties.and_then(|map| map.get(key)).or(self.others)
    }
}

impl<'s> Shape<'s> {
    /// What `schema`, a part of `root`, allows.
    pub fn of(schema: &'s Value, root: &'s Value) -> Self {
        let mut shape = Self::default();
        shape.add(schema, root, false, 0);
        shape
    }

    /// The choice called `name`.
    pub fn choice(&self, name: &str) -> Option<&Choice<'s>> {
        self.choices.iter().find(|choice| choice.name == name)
    }

    /// The number with a unit that it takes.
    pub fn quantity(&self) -> Option<&Bounds<'s>> {
        self.plain.iter().find_map(|plain| match plain {
            Plain::Number(bounds) if !bounds.unit.is_empty() => Some(bounds),
            _ => None,
        })
    }

    /// The kinds of value it takes, in words.
    pub fn expected(&self) -> String {
        let bare = self.choices.iter().any(|choice| choice.alone);
        let with = self.choices.iter().any(|choice| choice.parameters.is_some());
        let choices = [(bare, "a name"), (with, "a mapping")].into_iter();
        let choices = choices.filter(|(any, _)| *any).map(|(_, words)| words.to_owned());
        let mut words: Vec<String> = choices.collect();
        for plain in &self.plain {
            let said = plain.expected();
            if !words.contains(&said) {
                words.push(said);
            }
        }
        words.join(" or ")
    }

    fn add(&mut self, schema: &'s Value, root: &'s Value, alternative: bool, depth: usize) {
        let target = schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|name| root.pointer(name.strip_prefix('#')?));
        if let Some(target) = target.filter(|_| depth < DEEPEST) {
            return self.add(target, root, alternative, depth + 1);
        }
        if let Some(name) = schema.get("const").and_then(Value::as_str) {
            return self.word(name);
        }
        if let Some(names) = schema.get("enum").and_then(Value::as_array) {
            names.iter().filter_map(Value::as_str).for_each(|name| self.word(name));
            self.nullable |= names.iter().any(Value::is_null);
            return;
        }
        for (key, alternative) in [("oneOf", true), ("anyOf", false), ("allOf", false)] {
            if let Some(all) = schema.get(key).and_then(Value::as_array) {
                all.iter().for_each(|one| self.add(one, root, alternative, depth + 1));
                return;
            }
        }
        match schema.get("type") {
            Some(Value::Array(types)) => types
                .iter()
                .filter_map(Value::as_str)
                .for_each(|name| self.typed(name, schema, root, alternative)),
            Some(Value::String(name)) => self.typed(name, schema, root, alternative),
            _ => self.plain.push(Plain::Anything),
        }
    }

    fn word(&mut self, name: &'s str) {
        self.choices.push(Choice {
            name,
            parameters: None,
            alone: true,
        });
    }

    fn typed(&mut self, name: &str, schema: &'s Value, root: &'s Value, alternative: bool) {
        let float = |key: &str| schema.get(key).and_then(Value::as_f64);
        let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
        let plain = match name {
            "null" => {
                self.nullable = true;
                return;
            }
            "boolean" => Plain::Flag,
            "string" => Plain::Text,
            "integer" => {
                let (least, most) = limits(text("format"));
                let said = |key: &str| schema.get(key).and_then(Value::as_i64).map(i128::from);
                Plain::Whole {
                    least: said("minimum").or(least),
                    most: said("maximum").or(most),
                }
            }
            "number" => Plain::Number(Bounds {
                least: float("minimum"),
                above: float("exclusiveMinimum"),
                most: float("maximum"),
                below: float("exclusiveMaximum"),
                noun: text(NOUN),
                unit: text(UNIT),
                example: schema
                    .pointer("/examples/0")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            }),
            "array" => {
                let count = |key: &str| schema.get(key).and_then(Value::as_u64).map(|count| count as usize);
                let first = schema.get("prefixItems").and_then(Value::as_array);
                Plain::List(List {
                    first: first.map_or(&[][..], Vec::as_slice),
                    others: schema.get("items").filter(|items| items.is_object()),
                    least: count("minItems").unwrap_or(0),
                    most: count("maxItems").unwrap_or(usize::MAX),
                })
            }
            "object" => {
                let mapping = mapping(schema);
                // An alternative with one key is a choice with its parameters.
                if let (true, &[name]) = (alternative, &mapping.required[..])
                    && mapping.names().eq([name])
                {
                    let parameters = mapping.value(name);
                    self.choices.push(Choice {
                        name,
                        parameters,
                        alone: parameters.is_some_and(|parameters| needs_none(parameters, root)),
                    });
                    return;
                }
                Plain::Mapping(mapping)
            }
            _ => Plain::Anything,
        };
        self.plain.push(plain);
    }
}

/// References that a schema may follow one after the other.
const DEEPEST: usize = 32;

/// Whether a value of this schema may be an empty mapping.
fn needs_none(schema: &Value, root: &Value) -> bool {
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|name| root.pointer(name.strip_prefix('#')?));
    let schema = target.unwrap_or(schema);
    schema.get("type").is_some_and(|kind| kind == "object") && mapping(schema).required.is_empty()
}

fn mapping(schema: &Value) -> Mapping<'_> {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        // A struct that was not told to refuse others: none of ours.
        None if properties.is_some() => None,
        Some(others) => Some(others),
        None => Some(&Value::Bool(true)),
    };
    Mapping {
        properties,
        others,
        required: required.into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

/// The smallest and the largest number of a format of whole numbers.
fn limits(format: &str) -> (Option<i128>, Option<i128>) {
    let signed = |bits: u32| (Some(-(1_i128 << (bits - 1))), Some((1_i128 << (bits - 1)) - 1));
    let unsigned = |bits: u32| (Some(0), Some((1_i128 << bits) - 1));
    match format {
        "uint8" => unsigned(8),
        "uint16" => unsigned(16),
        "uint32" => unsigned(32),
        "uint64" | "uint" => unsigned(64),
        "int8" => signed(8),
        "int16" => signed(16),
        "int32" => signed(32),
        "int64" | "int" => signed(64),
        _ => (None, None),
    }
}

impl Plain<'_> {
    /// What it is, in words.
    pub fn expected(&self) -> String {
        match self {
            Self::Anything => "a value".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Whole { least: Some(least), .. } if *least >= 0 => format!("a whole number, {least} or more"),
            Self::Whole { .. } => "a whole number".to_owned(),
            Self::Number(Bounds { unit: "", .. }) => "a number".to_owned(),
            Self::Number(Bounds { unit, .. }) => format!("a number in {unit}"),
            Self::List(List { least, most, .. }) if least == most => format!("a list of {least}"),
            Self::List(_) => "a list".to_owned(),
            Self::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

impl Bounds<'_> {
    /// The bound that `number` does not keep, in words.
    pub fn broken(&self, number: f64) -> Option<String> {
        let bounds: [(Option<f64>, bool, &str); 4] = [
            (self.above, self.above.is_none_or(|bound| number > bound), "above"),
            (self.least, self.least.is_none_or(|bound| number >= bound), "at least"),
            (self.below, self.below.is_none_or(|bound| number < bound), "below"),
            (self.most, self.most.is_none_or(|bound| number <= bound), "at most"),
        ];
        let (bound, _, words) = bounds.into_iter().find(|(_, kept, _)| !kept)?;
        let bound = bound?;
        if words == "above" && bound == 0.0 {
            return Some("positive".to_owned());
        }
        Some(format!("{words} {bound}"))
    }
}
