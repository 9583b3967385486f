//! The form of a pipeline file: its sections, as written.

mod defaults;
mod stage;
mod uses;

use serde_json::{Map, Value};

pub(super) use self::stage::Stage;
pub(super) use self::uses::Use;
use super::diagnostics::{At, Mistake};
use super::parameters::has_reference;
use super::problem::Problem;
use super::spans::Part;
use super::sweep::{self, Written};
use super::{LONGEST_NAME, is_name, mapping, noun, section, unknown_keys};
use crate::catalog::Catalog;
use crate::search::Search;
use crate::store::RESERVED;

/// A pipeline as written.
pub(super) struct Outline<'a> {
    /// `pipeline`.
    pub pipeline: String,
    /// `about`.
    pub about: String,
    /// `params`.
    pub params: Option<&'a Map<String, Value>>,
    /// `defaults`: for each kind, what lies under the `with` of its stages.
    pub defaults: Option<&'a Map<String, Value>>,
    /// `use`.
    pub uses: Vec<Use<'a>>,
    /// `stages`.
    pub stages: Vec<Stage<'a>>,
    /// `sweep`.
    pub sweep: Vec<Written>,
    /// Its `search`.
    pub search: Option<Search>,
}

impl<'a> Outline<'a> {
    /// Reads the sections of a pipeline; `None` if it is not even a mapping.
    pub(super) fn new(root: &'a Value, catalog: &'a Catalog, mistakes: &mut Vec<Mistake>) -> Option<Self> {
        let example = "`pipeline: NAME` and `stages:`, each on a line of its own";
        let root = mapping(Some(root), mistakes, || section("a pipeline", example, Vec::new()))?;
        unknown_keys(
            root,
            &["pipeline", "about", "params", "defaults", "use", "stages", "sweep"],
            mistakes,
            || ("a pipeline".to_owned(), Vec::new()),
        );
        let pipeline = text(root, "pipeline", mistakes);
        match &pipeline {
            None if !root.contains_key("pipeline") => {
                missing("pipeline", "`pipeline: NAME` in the first line", mistakes)
            }
            // Results lie in a folder of the pipeline's name, beside the store's own folders.
            Some(name) if RESERVED.contains(&name.as_str()) => mistakes.push(Mistake::at(
                vec!["pipeline".to_owned()],
                Part::Value,
                Problem::ReservedName { name: name.clone() },
            )),
            Some(name) => check_name("pipeline", name, &["pipeline"], Part::Value, mistakes),
            None => {}
        }
        let about = text(root, "about", mistakes);
        let params = mapping(root.get("params"), mistakes, || {
            section("`params`", "`params: { seed: 1 }`", vec!["params".to_owned()])
        });
        for name in params.into_iter().flat_map(Map::keys) {
            check_name("parameter", name, &["params", name], Part::Key, mistakes);
        }
        let uses = uses::uses(root.get("use"), mistakes);
        let example = "one stage a line below `stages:`, such as `orbits: { KIND: { with: {…} } }`";
        let stages = match root.get("stages") {
            None if !uses.is_empty() => None,
            None => {
                missing("stages", "`stages:`, and below it one stage a line", mistakes);
                None
            }
            Some(value) if value.is_null() || value.as_object().is_some_and(Map::is_empty) => {
                mistakes.push(Mistake::at(vec!["stages".to_owned()], Part::Key, Problem::NoStages));
                None
            }
            value => mapping(value, mistakes, || {
                section("`stages`", example, vec!["stages".to_owned()])
            }),
        };
        let stages = stages.into_iter().flatten();
        let stages: Vec<Stage<'_>> = stages
            .map(|(name, body)| stage::stage(name, body, catalog, mistakes))
            .collect();
        uses::check_names(&uses, &stages, mistakes);
        let defaults = defaults::defaults(root.get("defaults"), &stages, catalog, mistakes);
        let sweep = sweep::written(root.get("sweep"), params, catalog.quantities(), mistakes);
        let search = root.get("sweep").and_then(|sweep| sweep.get("search"));
        let search = sweep::search(search, &sweep, params, catalog.quantities(), mistakes);
        let (pipeline, about) = (pipeline.unwrap_or_default(), about.unwrap_or_default());
        Some(Self {
            pipeline,
            about,
            params,
            defaults,
            uses,
            stages,
            sweep,
            search,
        })
    }
}

fn missing(key: &'static str, example: &'static str, mistakes: &mut Vec<Mistake>) {
    mistakes.push(Mistake::new(At::Bytes(0..0), Problem::MissingKey { key, example }));
}

fn check_name(what: &'static str, name: &str, path: &[&str], part: Part, mistakes: &mut Vec<Mistake>) {
    let problem = if name.len() > LONGEST_NAME {
        Problem::LongName {
            what,
            letters: name.chars().count(),
            most: LONGEST_NAME,
        }
    } else if !is_name(name) {
        let name = name.to_owned();
        Problem::BadName { what, name }
    } else {
        return;
    };
    let path = path.iter().map(|key| (*key).to_owned()).collect();
    mistakes.push(Mistake::at(path, part, problem));
}

/// A text without references: only `$$` and what looks like one have a meaning in the language.
fn text(root: &Map<String, Value>, key: &'static str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let problem = match root.get(key)? {
        value if has_reference(value) => Problem::ReferenceNotAllowed {
            place: "the head of a pipeline",
        },
        Value::String(text) => return Some(text.clone()),
        other => {
            let (what, example) = (format!("`{key}`"), format!("`{key}: \"…\"`"));
            Problem::WrongShape {
                what,
                expected: "a text",
                found: noun(other),
                example,
            }
        }
    };
    mistakes.push(Mistake::at(vec![key.to_owned()], Part::Value, problem));
    None
}
