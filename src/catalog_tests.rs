//! Every mistake at every place of every kind: said once, where it is, and in our words.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;

use runner::catalog::Kind;
use runner::spec::{Diagnostic, parse_str};
use serde_json::{Map, Value, json};

use crate::catalog::catalog;

/// Words of libraries, and of the machine below.
const FOREIGN: [&str; 28] = [
    "serde",
    "polars",
    "arrow",
    "variant",
    "newtype",
    "expected unit",
    "invalid type",
    "invalid value",
    "invalid length",
    "unknown field",
    "missing field",
    "duplicate field",
    "struct ",
    "enum",
    "tuple",
    "sequence",
    "string or map",
    "data did not match",
    "untagged",
    "u32",
    "u64",
    "usize",
    "i64",
    "f64",
    "Option",
    "deserialize",
    "os error",
    "null",
];

/// A schema with the definitions that it refers to.
#[derive(Clone, Copy)]
struct Schema<'s> {
    at: &'s Value,
    root: &'s Value,
}

/// A choice of an enum, and the schema of its parameters.
type Choice<'s> = (String, Option<Schema<'s>>);

impl<'s> Schema<'s> {
    fn with(self, at: &'s Value) -> Self {
        Self { at, ..self }
    }

    /// What a reference stands for, and its name.
    fn resolved(self) -> (Self, Option<&'s str>) {
        match self.at["$ref"].as_str() {
            Some(name) => (self.with(self.root.pointer(&name[1..]).unwrap()), Some(name)),
            None => (self, None),
        }
    }

    /// The alternatives that are not nothing; a schema alone is its own only one.
    fn alternatives(self) -> Vec<Self> {
        let (this, _) = self.resolved();
        match this.at.get("anyOf").and_then(Value::as_array) {
            Some(all) => all.iter().flat_map(|one| this.with(one).alternatives()).collect(),
            None if this.at["type"] == "null" => Vec::new(),
            None => vec![this],
        }
    }

    fn choices(self) -> Vec<Choice<'s>> {
        let mut found = Vec::new();
        for one in self.alternatives() {
            let all = one.at.get("oneOf").and_then(Value::as_array);
            for choice in all.map_or_else(|| vec![one.at], |all| all.iter().collect()) {
                if let Some(name) = choice["const"].as_str() {
                    found.push((name.to_owned(), None));
                }
                for name in choice["enum"].as_array().into_iter().flatten() {
                    found.push((name.as_str().unwrap().to_owned(), None));
                }
                if all.is_some() && choice["type"] == "object" {
                    let (name, inner) = choice["properties"].as_object().unwrap().iter().next().unwrap();
                    found.push((name.clone(), Some(one.with(inner))));
                }
            }
        }
        found
    }

    /// The alternative of a type.
    fn of_type(self, name: &str) -> Option<Self> {
        let is = |one: &Self| {
            one.at["type"] == name || one.at["type"].as_array().is_some_and(|all| all.contains(&json!(name)))
        };
        self.alternatives().into_iter().find(is)
    }

    fn properties(self) -> Vec<(&'s str, Self)> {
        let all = self.at["properties"].as_object().into_iter().flatten();
        all.map(|(name, schema)| (name.as_str(), self.with(schema))).collect()
    }

    fn required(self) -> Vec<&'s str> {
        self.at["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// A right value with no more than it must have.
    fn example(self) -> Value {
        if let Some((name, parameters)) = self.choices().into_iter().next() {
            return match parameters {
                None => json!(name),
                Some(parameters) => Value::Object(Map::from_iter([(name, parameters.example())])),
            };
        }
        if let Some(object) = self.of_type("object") {
            let required = object.required();
            let of =
                |(name, schema): (&str, Self)| required.contains(&name).then(|| (name.to_owned(), schema.example()));
            return Value::Object(object.properties().into_iter().filter_map(of).collect());
        }
        if let Some(list) = self.of_type("array") {
            let count = list.at["minItems"].as_u64().unwrap_or(1);
            return (0..count).map(|_| list.with(&list.at["items"]).example()).collect();
        }
        for (name, value) in [
            ("number", json!(0.5)),
            ("integer", json!(1)),
            ("boolean", json!(true)),
            ("string", json!("a")),
        ] {
            if self.of_type(name).is_some() {
                return value;
            }
        }
        panic!("no example of {}", self.at)
    }

    /// Wrong values for this place: what is written, and the path below it that is to be shown.
    fn wrong(self) -> Vec<(Value, Vec<String>)> {
        let mut found = Vec::new();
        let mut here = |value: Value| found.push((value, Vec::new()));
        let choices = self.choices();
        let takes = |name: &str| self.of_type(name).is_some();
        if !self.is_nullable() {
            here(Value::Null);
        }
        if !takes("boolean") {
            here(json!(true));
        }
        if takes("integer") && !takes("number") {
            here(json!(2.5));
            here(json!(1e30));
            if self.of_type("integer").unwrap().at["minimum"] == json!(0) {
                here(json!(-7));
            }
        } else if !takes("number") {
            here(json!(3));
            here(json!(-0.5));
        } else if self.of_type("number").unwrap().at.get("exclusiveMinimum").is_some() {
            here(json!(0));
            here(json!(-2.5));
        }
        if !takes("string") {
            here(json!("nonsense"));
        }
        if let Some(unit) = self.of_type("number").and_then(|number| number.at["x-unit"].as_str()) {
            here(json!(format!("2.5 {unit}x")));
            here(json!(format!("2.5 {unit} s")));
            here(json!(format!("1e999 {unit}")));
        }
        if let Some(list) = self.of_type("array") {
            if let Some(most) = list.at["maxItems"].as_u64() {
                here((0..=most).map(|_| list.with(&list.at["items"]).example()).collect());
            }
        } else {
            here(json!([1]));
            here(json!([]));
        }
        if let Some(object) = self.of_type("object") {
            let right = self.example_of(object);
            // Some mappings are the user's own.
            if object.at["additionalProperties"] != json!(true) {
                let mut more = right.clone();
                more["nonsense_key"] = json!(1);
                found.push((more, vec!["nonsense_key".to_owned()]));
            }
            for name in object.required() {
                let mut less = right.clone();
                less.as_object_mut().unwrap().shift_remove(name);
                found.push((less, Vec::new()));
                // Misspelt, it is not missing besides.
                if name.len() > 4 {
                    let mut misspelt = right.clone();
                    let value = misspelt.as_object_mut().unwrap().shift_remove(name).unwrap();
                    let wrong = format!("{name}x");
                    misspelt[wrong.as_str()] = value;
                    found.push((misspelt, vec![wrong]));
                }
            }
        } else if choices.is_empty() {
            found.push((json!({ "nonsense": 1 }), Vec::new()));
        } else {
            found.push((json!({}), Vec::new()));
            found.push((json!({ "nonsense": 1 }), vec!["nonsense".to_owned()]));
            if let [(first, _), .., (last, _)] = choices.as_slice() {
                let two = json!({ first.as_str(): {}, last.as_str(): {} });
                found.push((two, vec![last.clone()]));
            }
        }
        for (name, parameters) in choices {
            found.push((json!(format!("{name}x")), Vec::new()));
            match parameters {
                None => {
                    found.push((json!({ name.as_str(): {} }), vec![name.clone()]));
                    found.push((json!({ name.as_str(): { "mass": 1 } }), vec![name]));
                }
                Some(parameters) => {
                    let misspelt = format!("{name}x");
                    found.push((json!({ misspelt.as_str(): parameters.example() }), vec![misspelt]));
                    let needs_none = parameters
                        .of_type("object")
                        .is_some_and(|object| object.required().is_empty());
                    if !needs_none {
                        found.push((json!(name), Vec::new()));
                    }
                }
            }
        }
        found
    }

    fn example_of(self, object: Self) -> Value {
        let required = object.required();
        let of = |(name, schema): (&str, Self)| required.contains(&name).then(|| (name.to_owned(), schema.example()));
        Value::Object(object.properties().into_iter().filter_map(of).collect())
    }

    fn is_nullable(self) -> bool {
        let (this, _) = self.resolved();
        let null = json!("null");
        this.at["type"] == null
            || this.at["type"].as_array().is_some_and(|all| all.contains(&null))
            || this.at["anyOf"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| this.with(one).is_nullable()))
    }
}

/// What is found out on the way.
struct Trial<'k> {
    kind: &'k Kind,
    tried: usize,
    wrong: Vec<String>,
}

impl Trial<'_> {
    fn mistakes(&self, with: &Value) -> (String, Vec<Diagnostic>) {
        let text = format!(
            "pipeline: p\nstages:\n  s: {{ {}: {{ with: {with} }} }}\n",
            self.kind.name
        );
        let found = match parse_str(&text, "p.yaml", Path::new("/nowhere"), &[], &catalog()) {
            Ok(_) => Vec::new(),
            // What is connected, and what values mean together, is another matter.
            Err(found) => found
                .iter()
                .filter(|one| !["MissingInput", "Fault"].contains(&one.code))
                .cloned()
                .collect(),
        };
        (text, found)
    }

    /// Tries all wrong values at one place; `put` makes all parameters of what stands there.
    fn place(&mut self, schema: Schema<'_>, path: &[String], inside: &[&str], put: &dyn Fn(Value) -> Value) {
        let right = put(schema.example());
        let key = |one: &Diagnostic| (one.path.clone(), one.message.clone());
        let before: HashSet<_> = self.mistakes(&right).1.iter().map(key).collect();
        // Nothing may be said of the form of what is right.
        for (at, message) in &before {
            if FOREIGN.iter().any(|word| message.contains(word)) {
                self.wrong.push(format!("right: {right}\n  {at}: {message}"));
            }
        }
        for (value, below) in schema.wrong() {
            if path.is_empty() && !value.is_object() {
                continue;
            }
            self.tried += 1;
            let with = put(value);
            let (text, found) = self.mistakes(&with);
            let new: Vec<_> = found.iter().filter(|one| !before.contains(&key(one))).collect();
            let [one] = new[..] else {
                let said: Vec<_> = new.iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
                self.wrong.push(format!("{with}\n  {} mistakes: {said:?}", new.len()));
                continue;
            };
            let expected: Vec<&str> = ["stages", "s", self.kind.name, "with"]
                .into_iter()
                .chain(path.iter().chain(&below).map(String::as_str))
                .collect();
            let said = format!("{} {}", one.message, one.hint.clone().unwrap_or_default());
            let foreign: Vec<_> = FOREIGN.iter().filter(|word| said.contains(**word)).collect();
            let last = below.last().or(path.last()).map_or("with", String::as_str);
            let shown = one.span.clone().map_or("", |span| &text[span]);
            // A value, or the key that stands for it.
            let at_place =
                one.path == expected.join(".") && !shown.is_empty() && (shown.contains(last) || text.contains(shown));
            if !foreign.is_empty() || !at_place || said.split_whitespace().count() > 60 {
                self.wrong
                    .push(format!("{with}\n  {} ({shown}): {said} {foreign:?}", one.path));
            }
        }
        self.below(schema, path, inside, put);
    }

    fn below(&mut self, schema: Schema<'_>, path: &[String], inside: &[&str], put: &dyn Fn(Value) -> Value) {
        let mut inside = inside.to_vec();
        for one in schema.alternatives().into_iter().chain([schema]) {
            if let Some(name) = one.resolved().1 {
                // A type may hold itself.
                if inside.contains(&name) {
                    return;
                }
                inside.push(name);
            }
        }
        if let Some(object) = schema.of_type("object") {
            let right = schema.example_of(object);
            for (name, value) in object.properties() {
                let path: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
                self.place(value, &path, &inside, &|value| {
                    let mut all = right.clone();
                    all[name] = value;
                    put(all)
                });
            }
        }
        if let Some(list) = schema.of_type("array") {
            let path: Vec<String> = path.iter().cloned().chain(["0".to_owned()]).collect();
            let items = list.with(&list.at["items"]);
            let count = list.at["minItems"].as_u64().unwrap_or(1);
            self.place(items, &path, &inside, &|value| {
                let others = (1..count).map(|_| items.example());
                put([value].into_iter().chain(others).collect())
            });
        }
        for (name, parameters) in schema.choices() {
            let Some(parameters) = parameters else { continue };
            let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            self.place(parameters, &path, &inside, &|value| {
                put(json!({ name.as_str(): value }))
            });
        }
    }
}

#[test]
fn every_mistake_at_every_place_of_every_kind_is_said_once_and_in_our_words() {
    let catalog = catalog();
    let (mut tried, mut wrong) = (0, Vec::new());
    for kind in catalog.kinds() {
        let mut trial = Trial {
            kind,
            tried: 0,
            wrong: Vec::new(),
        };
        let root = kind.parameters();
        trial.place(Schema { at: root, root }, &[], &[], &|with| with);
        tried += trial.tried;
        wrong.extend(trial.wrong.into_iter().map(|one| format!("{}: {one}", kind.name)));
    }
    eprintln!("{tried} mistakes");
    assert!(tried > 1000, "{tried} mistakes");
    let shown: Vec<_> = wrong.iter().take(40).cloned().collect();
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), shown.join("\n"));
}

/// What a description names, it is in.
const UNITS: [&str; 10] = [
    "kpc", "km/s", "Gyr", "M_sun", "deg", "degrees", "mas/yr", "rad", "Myr", "%",
];

/// Calls `visit` with every place of a schema below `schema`, its path, and what is said of it.
fn places<'s>(
    schema: Schema<'s>,
    about: &str,
    path: &str,
    depth: usize,
    visit: &mut dyn FnMut(Schema<'s>, &str, &str),
) {
    // A potential may hold potentials.
    if depth > 6 {
        return;
    }
    visit(schema, about, path);
    let mut below = |schema: Schema<'s>, about: &str, name: &str| {
        places(schema, about, &format!("{path}.{name}"), depth + 1, visit);
    };
    if let Some(object) = schema.of_type("object") {
        for (name, value) in object.properties() {
            below(value, value.at["description"].as_str().unwrap_or_default(), name);
        }
    }
    if let Some(list) = schema.of_type("array") {
        below(list.with(&list.at["items"]), about, "0");
    }
    for (name, parameters) in schema.choices() {
        if let Some(parameters) = parameters {
            below(parameters, about, &name);
        }
    }
}

/// Whether the last word of the first clauses of a description is a unit: "Scale length R_d, kpc." or "in kpc".
fn names_a_unit(about: &str) -> bool {
    let words = about.split([',', ';', ':', '.', '(', ')']).map(str::trim);
    let is_unit = |words: &str| {
        UNITS.iter().any(|unit| {
            words == *unit
                || words.ends_with(&format!(" in {unit}"))
                || words
                    .strip_prefix(unit)
                    .is_some_and(|rest| rest.starts_with(['/', '²', '³', ' ']) && words.len() < 16)
        })
    };
    words.into_iter().any(is_unit)
}

#[test]
fn every_number_that_has_a_unit_says_so_in_its_schema() {
    let (mut with, mut wrong) = (0, Vec::new());
    for kind in catalog().kinds() {
        let root = kind.parameters();
        places(
            Schema { at: root, root },
            "",
            kind.name,
            0,
            &mut |schema, about, path| {
                let Some(number) = schema.of_type("number") else { return };
                match number.at["x-unit"].as_str() {
                    None if names_a_unit(about) => wrong.push(format!("{path}: {about}")),
                    None => {}
                    Some(unit) => {
                        with += 1;
                        let example = number.at["examples"][0].as_str().unwrap();
                        assert!(stages::common::units::read(example, unit).is_ok(), "{path}: {example}");
                        assert!(number.at["x-noun"].is_string(), "{path}");
                    }
                }
            },
        );
    }
    assert!(wrong.is_empty(), "without x-unit:\n{}", wrong.join("\n"));
    assert!(with > 80, "{with} numbers with units");
}

/// `2`, `2.0`, `2 kpc` and `2000 pc` are the same parameters, at every place that has a unit.
#[test]
fn every_number_that_has_a_unit_may_be_written_with_one() {
    let catalog = catalog();
    let mut tried = HashSet::new();
    for kind in catalog.kinds() {
        let root = kind.parameters();
        quantities(
            Schema { at: root, root },
            kind.name,
            0,
            &|with| with,
            &mut |path, unit, put| {
                let parameters = |value: Value| {
                    let with = put(value);
                    let found = runner::spec::parameters(kind, &with);
                    found.unwrap_or_else(|wrong| panic!("{path}: {with}: {}", wrong.join("; ")))
                };
                let expected = parameters(json!(2));
                for same in [
                    json!(2.0),
                    json!(format!("2 {unit}")),
                    json!(format!("2.0e0{unit}")),
                    json!(format!("{} {}", thousandths(unit).0, thousandths(unit).1)),
                ] {
                    assert_eq!(parameters(same.clone()), expected, "{path}: {same}");
                }
                assert_ne!(parameters(json!(format!("3 {unit}"))), expected, "{path}");
                tried.insert(path.to_owned());
            },
        );
    }
    assert!(tried.len() > 80, "{} places", tried.len());
}

/// Two of a unit, in smaller ones.
fn thousandths(unit: &str) -> (&str, &str) {
    match unit {
        "kpc" => ("2000", "pc"),
        "Gyr" => ("2000", "Myr"),
        "km/s" => ("2000", "m/s"),
        "M_sun" => ("2", "Msun"),
        "km/s kpc" => ("2000", "km/s pc"),
        "deg" => ("120", "arcmin"),
        "mas" => ("2000", "uas"),
        "mas/yr" => ("2000", "uas/yr"),
        "M_sun/kpc^2" => ("2e-6", "M_sun/pc^2"),
        "M_sun/kpc^3" => ("2e-9", "M_sun/pc^3"),
        "%" => ("2", "%"),
        other => panic!("no other unit for {other}"),
    }
}

type Put<'p> = &'p dyn Fn(Value) -> Value;

/// Calls `visit` with the path and the unit of every quantity, and what makes all parameters of it.
fn quantities(schema: Schema<'_>, path: &str, depth: usize, put: Put<'_>, visit: &mut dyn FnMut(&str, &str, Put<'_>)) {
    if depth > 6 {
        return;
    }
    if let Some(unit) = schema.of_type("number").and_then(|number| number.at["x-unit"].as_str()) {
        visit(path, unit, put);
    }
    if let Some(object) = schema.of_type("object") {
        let right = schema.example_of(object);
        for (name, value) in object.properties() {
            let put = |value: Value| {
                let mut all = right.clone();
                all[name] = value;
                put(all)
            };
            quantities(value, &format!("{path}.{name}"), depth + 1, &put, visit);
        }
    }
    if let Some(list) = schema.of_type("array") {
        let items = list.with(&list.at["items"]);
        let count = list.at["minItems"].as_u64().unwrap_or(1);
        let put = |value: Value| {
            let others = (1..count).map(|_| items.example());
            put([value].into_iter().chain(others).collect())
        };
        quantities(items, &format!("{path}.0"), depth + 1, &put, visit);
    }
    for (name, parameters) in schema.choices() {
        let Some(parameters) = parameters else { continue };
        let put = |value: Value| put(json!({ name.as_str(): value }));
        quantities(parameters, &format!("{path}.{name}"), depth + 1, &put, visit);
    }
}

/// Whoever raises a revision says so.
#[test]
fn the_changelog_has_every_kind_at_its_revision() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md")).unwrap();
    // The newest release that names a kind comes first.
    for kind in catalog().kinds() {
        let heading = text
            .lines()
            .find(|line| line.starts_with(&format!("#### `{}`,", kind.name)));
        let expected = format!("#### `{}`, revision {}", kind.name, kind.revision);
        assert_eq!(heading, Some(expected.as_str()), "CHANGELOG.md");
        if kind.revision > 1 {
            let part = text.split(&expected).nth(1).unwrap().split("\n#").next().unwrap();
            let line = format!("\n- {}: ", kind.revision);
            assert!(
                part.contains(&line),
                "{}: what revision {} changes",
                kind.name,
                kind.revision
            );
        }
    }
}

/// The tree shows the flow: a kind lies in the folder of its role, in the file of its name.
#[test]
fn every_kind_lies_in_the_folder_of_its_role() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages");
    for kind in catalog().kinds() {
        let file = folder.join(kind.role.word()).join(format!("{}.rs", kind.name));
        assert!(file.is_file(), "{} is not there", file.display());
    }
}
