//! `use:`: other pipelines, whose stages are brought in under a name.

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::parameters::has_reference;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::{mapping, noun, section, unknown_keys};
use super::{Stage, check_name};

/// One use of another pipeline, as written.
pub(in crate::spec) struct Use<'a> {
    /// Its name.
    pub name: &'a str,
    /// Path of the file; `None` if it cannot be read, which is then reported.
    pub pipeline: Option<&'a str>,
    /// Values of its parameters.
    pub with: Option<&'a Map<String, Value>>,
    /// The stages that are wanted, with their place in the list; all, if it is empty.
    pub to: Vec<(usize, &'a str)>,
}

impl Use<'_> {
    /// The path of this use, and what is below it.
    pub fn path<'k>(&self, below: impl IntoIterator<Item = &'k str>) -> Vec<String> {
        let start = ["use", self.name].map(str::to_owned);
        start.into_iter().chain(below.into_iter().map(str::to_owned)).collect()
    }
}

/// Reads `use`.
pub(super) fn uses<'a>(written: Option<&'a Value>, mistakes: &mut Vec<Mistake>) -> Vec<Use<'a>> {
    let example = "`use: { NAME: { pipeline: FILE } }`";
    let path = vec!["use".to_owned()];
    let written = mapping(written, mistakes, || section("`use`", example, path));
    let written = written.into_iter().flatten();
    written.map(|(name, body)| one(name, body, mistakes)).collect()
}

fn one<'a>(name: &'a str, body: &'a Value, mistakes: &mut Vec<Mistake>) -> Use<'a> {
    let mut found = Use {
        name,
        pipeline: None,
        with: None,
        to: Vec::new(),
    };
    check_name("used pipeline", name, &["use", name], Part::Key, mistakes);
    let wrong = |what: &str, expected, value: &Value| Problem::WrongShape {
        what: what.to_owned(),
        expected,
        found: noun(value),
        example: format!("`{name}: {{ pipeline: FILE, with: {{…}}, to: [STAGE] }}`"),
    };
    let Value::Object(body) = body else {
        let problem = wrong(&format!("`{name}`"), "a mapping", body);
        mistakes.push(Mistake::at(found.path([]), Part::Value, problem));
        return found;
    };
    unknown_keys(body, &["pipeline", "with", "to"], mistakes, || {
        (format!("`{name}`"), found.path([]))
    });
    let problem = match body.get("pipeline") {
        Some(value) if has_reference(value) => Some(Problem::ReferenceNotAllowed { place: "`use`" }),
        Some(Value::String(file)) => {
            found.pipeline = Some(file);
            None
        }
        Some(other) => Some(wrong("`pipeline`", "the path of a file", other)),
        None => Some(Problem::NoFile { name: name.to_owned() }),
    };
    if let Some(problem) = problem {
        let below = body.contains_key("pipeline").then_some("pipeline");
        let part = if below.is_some() { Part::Value } else { Part::Key };
        mistakes.push(Mistake::at(found.path(below), part, problem));
    }
    found.with = mapping(body.get("with"), mistakes, || {
        section("`with`", "`with: { NAME: VALUE }`", found.path(["with"]))
    });
    let Some(to) = body.get("to") else { return found };
    let names = to.as_array().filter(|names| !names.is_empty());
    let Some(names) = names else {
        let problem = wrong("`to`", "a list of stages", to);
        mistakes.push(Mistake::at(found.path(["to"]), Part::Value, problem));
        return found;
    };
    for (index, name) in names.iter().enumerate() {
        match name {
            Value::String(name) if !has_reference(&names[index]) => found.to.push((index, name)),
            other => {
                let problem = wrong("an item of `to`", "the name of a stage", other);
                let path = found.path(["to", &index.to_string()]);
                mistakes.push(Mistake::at(path, Part::Value, problem));
            }
        }
    }
    found
}

/// Reports used pipelines that are called like a stage.
pub(super) fn check_names(uses: &[Use<'_>], stages: &[Stage<'_>], mistakes: &mut Vec<Mistake>) {
    for one in uses {
        if stages.iter().any(|stage| stage.name == one.name) {
            let name = one.name.to_owned();
            mistakes.push(Mistake::at(one.path([]), Part::Key, Problem::UsedLikeStage { name }));
        }
    }
}
