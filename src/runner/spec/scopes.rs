//! Uses of files: the pipeline itself, and each use of another, with what that one uses in turn.

use serde_json::{Map, Value};

use super::diagnostics::{Link, Mistake};
use super::outline::{Outline, Use};
use super::parameters::CommandLine;
use super::problem::Problem;
use super::sources::Sources;
use super::spans::Part;

/// More than any pipeline needs; files that use others twice would multiply without end.
const MOST: usize = 1000;

/// One use of a file: what is written there, in a place of its own.
pub(super) struct Scope<'a> {
    /// Which file.
    pub file: usize,
    /// What it says; `None` where that cannot be read, which is then reported.
    pub outline: Option<&'a Outline<'a>>,
    /// The use in whose file it is used, and how; `None` for the pipeline itself.
    pub parent: Option<(usize, &'a Use<'a>)>,
    /// What the names of its stages and parameters begin with: `galaxies.`, or nothing.
    pub prefix: String,
    /// Its own uses of files, in the order of its outline; `None` where there is no such file, which is then reported.
    pub children: Vec<Option<usize>>,
}

impl<'a> Scope<'a> {
    /// Its `params`.
    pub fn params(&self) -> Option<&'a Map<String, Value>> {
        self.outline.and_then(|outline| outline.params)
    }
}

/// All uses of files, those of the first one first: each comes after the one that it is in.
pub(super) fn scopes<'a>(
    sources: &Sources,
    outlines: &'a [Option<Outline<'a>>],
    mistakes: &mut Vec<Mistake>,
) -> Vec<Scope<'a>> {
    let mut tree = Tree {
        sources,
        outlines,
        found: Vec::new(),
        too_many: false,
        mistakes,
    };
    tree.add(0, None, String::new());
    tree.found
}

struct Tree<'a, 'm> {
    sources: &'m Sources,
    outlines: &'a [Option<Outline<'a>>],
    found: Vec<Scope<'a>>,
    /// Whether it was said that there are too many.
    too_many: bool,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a> Tree<'a, '_> {
    fn add(&mut self, file: usize, parent: Option<(usize, &'a Use<'a>)>, prefix: String) -> usize {
        let (index, outline) = (self.found.len(), self.outlines[file].as_ref());
        self.found.push(Scope {
            file,
            outline,
            parent,
            prefix,
            children: Vec::new(),
        });
        for used in outline.into_iter().flat_map(|outline| &outline.uses) {
            let child = self.file(index, used).map(|file| {
                let prefix = format!("{}{}.", self.found[index].prefix, used.name);
                self.add(file, Some((index, used)), prefix)
            });
            self.found[index].children.push(child);
        }
        index
    }

    /// The file of a use, if it can be used here.
    fn file(&mut self, scope: usize, used: &Use<'_>) -> Option<usize> {
        let own = self.found[scope].file;
        let problem = match self.sources.0[own].uses.get(used.pipeline?)? {
            Err(reason) => Problem::UnreadableUse { reason: reason.clone() },
            Ok(file) => match self.circle(scope, *file) {
                Some(path) => Problem::UseCycle { path },
                None if self.found.len() >= MOST && std::mem::replace(&mut self.too_many, true) => return None,
                None if self.found.len() >= MOST => Problem::TooManyUses { most: MOST },
                None => return Some(*file),
            },
        };
        let path = used.path(["pipeline"]);
        self.mistakes
            .push(Mistake::at(path, Part::Value, problem).within(scope));
        None
    }

    /// The way from a file to its use within itself.
    fn circle(&self, mut scope: usize, file: usize) -> Option<String> {
        let mut way = vec![file];
        loop {
            way.push(self.found[scope].file);
            if self.found[scope].file == file {
                let names = way.iter().rev().map(|&file| self.sources.0[file].name.as_str());
                return Some(names.collect::<Vec<_>>().join(" → "));
            }
            (scope, _) = self.found[scope].parent?;
        }
    }
}

/// What diagnostics need to know of each use.
pub(super) fn links(scopes: &[Scope<'_>], command_line: &CommandLine) -> Vec<Link> {
    let link = |(index, scope): (usize, &Scope<'_>)| Link {
        file: scope.file,
        parent: scope.parent.map(|(parent, used)| (parent, used.name.to_owned())),
        with: scope
            .parent
            .and_then(|(_, used)| used.with)
            .into_iter()
            .flat_map(Map::keys)
            .cloned()
            .collect(),
        command_line: command_line
            .get(index)
            .into_iter()
            .flat_map(|own| own.keys())
            .cloned()
            .collect(),
    };
    scopes.iter().enumerate().map(link).collect()
}
