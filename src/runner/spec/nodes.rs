//! The stages of all files that a pipeline uses, connected.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::diagnostics::Mistake;
use super::outline::{Stage, Use};
use super::problem::Problem;
use super::scopes::Scope;
use super::spans::Part;

/// A stage in one use of its file.
pub(super) struct Node<'a> {
    /// The use.
    pub scope: usize,
    /// What is written there.
    pub stage: &'a Stage<'a>,
    /// Its name in the pipeline: `galaxies.sets`.
    pub name: String,
    /// Its inputs.
    pub from: Vec<Input<'a>>,
    /// Whether `from` cannot be read.
    pub broken: bool,
}

impl<'a> Node<'a> {
    /// What lies under its `with`.
    pub fn defaults(&self, scopes: &[Scope<'a>]) -> Option<&'a Map<String, Value>> {
        let outline = scopes[self.scope].outline?;
        outline.defaults?.get(self.stage.kind?.name)?.as_object()
    }

    /// Whether a parameter is as in `defaults`.
    pub fn is_default(&self, scopes: &[Scope<'a>], key: &str) -> bool {
        let own = match self.stage.with {
            None | Some(Value::Null) => false,
            Some(Value::Object(with)) => with.contains_key(key),
            Some(_) => true,
        };
        !own && self.defaults(scopes).is_some_and(|defaults| defaults.contains_key(key))
    }

    /// Whether the file says something of a parameter, given by its dotted path below `with`.
    pub fn is_given(&self, scopes: &[Scope<'a>], path: &str) -> bool {
        let below = |at: &'a Value, part: &str| match at {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        };
        let own = self.stage.with.and_then(|with| path.split('.').try_fold(with, below));
        own.is_some() || self.is_default(scopes, path.split('.').next().unwrap_or_default())
    }

    /// The path of `with`; that of the kind, where there is none.
    pub fn path_of_with(&self, scopes: &[Scope<'a>]) -> Vec<String> {
        let with = self.stage.with.is_some() || self.defaults(scopes).is_some();
        self.stage.path(with.then_some("with"))
    }

    /// Makes the path of a parameter that of its default, if it is as there.
    pub fn as_written(&self, scopes: &[Scope<'a>], path: &mut Vec<String>) {
        let (Some(kind), Some(key)) = (self.stage.kind, path.get(4)) else {
            return;
        };
        if self.is_default(scopes, key) && path.starts_with(&self.stage.path(["with"])) {
            path.splice(..4, ["defaults".to_owned(), kind.name.to_owned()]);
        }
    }
}

/// Where an input comes from.
pub(super) struct Input<'a> {
    /// Input port.
    pub port: &'a str,
    /// Its place, from 0, in a list.
    pub item: Option<usize>,
    /// Index of the stage that writes; `None` if it does not exist, which is then reported.
    pub node: Option<usize>,
    /// Its output, where one is named.
    pub output: Option<&'a str>,
    /// Swept parameters, all of whose values are connected.
    pub over: &'a [&'a str],
}

/// The stages of the pipeline and of what it uses: those of a file after those of the files that it uses. Of a use with
/// `to` only what that needs.
pub(super) fn nodes<'a>(scopes: &[Scope<'a>], mistakes: &mut Vec<Mistake>) -> Vec<Node<'a>> {
    let mut found = Found {
        scopes,
        nodes: Vec::new(),
        wanted: Vec::new(),
        stages: vec![HashMap::new(); scopes.len()],
        first: vec![0; scopes.len()],
        mistakes,
    };
    found.scope(0);
    let mut index = Vec::with_capacity(found.nodes.len());
    let mut kept = 0;
    for &wanted in &found.wanted {
        index.push(wanted.then_some(kept));
        kept += usize::from(wanted);
    }
    let nodes = found
        .nodes
        .into_iter()
        .zip(&found.wanted)
        .filter(|(_, wanted)| **wanted);
    let mut nodes: Vec<Node<'_>> = nodes.map(|(node, _)| node).collect();
    for input in nodes.iter_mut().flat_map(|node| &mut node.from) {
        input.node = input.node.and_then(|node| index[node]);
    }
    nodes
}

/// What a text leads to.
enum Writer<'t> {
    /// A stage, and what follows its name.
    Stage(usize, Option<&'t str>),
    /// A whole use of a file.
    Use(usize),
    /// Nothing: so far it could be followed.
    Unknown(&'t str),
    /// Into a file that cannot be read, which is said already.
    Unread,
}

struct Found<'a, 's> {
    scopes: &'s [Scope<'a>],
    nodes: Vec<Node<'a>>,
    wanted: Vec<bool>,
    /// For each use of a file, its own stages.
    stages: Vec<HashMap<&'a str, usize>>,
    /// For each use of a file, the first of its stages and of those of all that it uses.
    first: Vec<usize>,
    mistakes: &'s mut Vec<Mistake>,
}

impl<'a> Found<'a, '_> {
    fn scope(&mut self, index: usize) {
        self.first[index] = self.nodes.len();
        let scope = &self.scopes[index];
        let Some(outline) = scope.outline else { return };
        for (used, child) in outline.uses.iter().zip(&scope.children) {
            if let Some(child) = *child {
                self.scope(child);
                self.only(index, used, child);
            }
        }
        let own = self.nodes.len();
        for stage in &outline.stages {
            self.stages[index].insert(stage.name, self.nodes.len());
            self.nodes.push(Node {
                scope: index,
                stage,
                name: format!("{}{}", scope.prefix, stage.name),
                from: Vec::new(),
                broken: stage.broken,
            });
        }
        self.wanted.resize(self.nodes.len(), true);
        for node in own..self.nodes.len() {
            self.connect(index, node);
        }
    }

    fn connect(&mut self, scope: usize, node: usize) {
        let stage = self.nodes[node].stage;
        for source in &stage.from {
            let mut input = Input {
                port: source.port,
                item: source.item,
                node: None,
                output: None,
                over: &source.over,
            };
            let path = || stage.path_of_source(source.port, source.item);
            match source.writer.map(|text| self.find(scope, text, text)) {
                Some(Writer::Stage(node, output)) => (input.node, input.output) = (Some(node), output),
                Some(Writer::Use(child)) => {
                    let name = source.writer.unwrap_or_default();
                    self.unknown(scope, name, path(), Some(child));
                }
                Some(Writer::Unknown(name)) => self.unknown(scope, name, path(), None),
                Some(Writer::Unread) | None => {}
            }
            self.nodes[node].broken |= input.node.is_none();
            self.nodes[node].from.push(input);
        }
    }

    /// Follows a text from a use of a file to a stage.
    fn find<'t>(&self, scope: usize, text: &'t str, whole: &'t str) -> Writer<'t> {
        let (first, rest) = match text.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (text, None),
        };
        let known = &whole[..whole.len() - text.len() + first.len()];
        if let Some(&node) = self.stages[scope].get(first) {
            return if self.wanted[node] {
                Writer::Stage(node, rest)
            } else {
                Writer::Unknown(known)
            };
        }
        let uses = self.scopes[scope].outline.map_or(&[][..], |outline| &outline.uses);
        let Some(place) = uses.iter().position(|used| used.name == first) else {
            return Writer::Unknown(known);
        };
        match (self.scopes[scope].children.get(place).copied().flatten(), rest) {
            (Some(child), _) if self.scopes[child].outline.is_none() => Writer::Unread,
            (Some(child), Some(rest)) => self.find(child, rest, whole),
            (Some(child), None) => Writer::Use(child),
            (None, _) => Writer::Unread,
        }
    }

    /// Of the stages of a use of a file, keeps only those that its `to` needs.
    fn only(&mut self, scope: usize, used: &Use<'a>, child: usize) {
        if used.to.is_empty() || self.scopes[child].outline.is_none() {
            return;
        }
        let mut open = Vec::new();
        for &(place, name) in &used.to {
            match self.find(child, name, name) {
                Writer::Stage(node, None) => open.push(node),
                Writer::Use(inner) => {
                    let prefix = &self.scopes[inner].prefix;
                    let all = self.first[inner]..self.nodes.len();
                    open.extend(all.filter(|&node| self.wanted[node] && self.nodes[node].name.starts_with(prefix)));
                }
                Writer::Stage(..) | Writer::Unknown(_) => {
                    let path = used.path(["to", &place.to_string()]);
                    let allowed = self.names(child);
                    let name = name.to_owned();
                    let problem = Problem::UnknownStage { name, allowed };
                    self.mistakes
                        .push(Mistake::at(path, Part::Value, problem).within(scope));
                }
                Writer::Unread => {}
            }
        }
        let mut needed = vec![false; self.nodes.len() - self.first[child]];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut needed[node - self.first[child]], true) {
                open.extend(self.nodes[node].from.iter().filter_map(|input| input.node));
            }
        }
        for (wanted, needed) in self.wanted[self.first[child]..].iter_mut().zip(needed) {
            *wanted &= needed;
        }
    }

    /// Names of the stages that a use of a file can name.
    fn names(&self, scope: usize) -> Vec<String> {
        let prefix = &self.scopes[scope].prefix;
        let all =
            (self.first[scope]..self.nodes.len()).filter(|&node| self.wanted.get(node).is_none_or(|wanted| *wanted));
        let names = all.filter_map(|node| self.nodes[node].name.strip_prefix(prefix.as_str()));
        let (own, used): (Vec<&str>, Vec<&str>) = names.partition(|name| !name.contains('.'));
        own.into_iter().chain(used).map(str::to_owned).collect()
    }

    fn unknown(&mut self, scope: usize, name: &str, path: Vec<String>, inside: Option<usize>) {
        let mut allowed = self.names(scope);
        if let Some(inside) = inside {
            let prefix = &self.scopes[inside].prefix[self.scopes[scope].prefix.len()..];
            allowed.retain(|name| name.starts_with(prefix));
        }
        let name = name.to_owned();
        let problem = Problem::UnknownStage { name, allowed };
        self.mistakes
            .push(Mistake::at(path, Part::Value, problem).within(scope));
    }
}
