//! Where a value stands, on the way down to it.

use super::super::diagnostics::Mistake;
use super::super::problem::Problem;
use super::super::spans::Part;

/// A path of keys on the way down a tree; written out only for a mistake.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Trail<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Keys(&'a [&'a str]),
    Key(&'a str),
    Index(usize),
}

impl<'a> Trail<'a> {
    /// A path from the top.
    pub(in crate::spec) fn new(keys: &'a [&'a str]) -> Self {
        Self {
            parent: None,
            step: Step::Keys(keys),
        }
    }

    /// One step down.
    pub(in crate::spec) fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    /// An item down.
    pub(in crate::spec) fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// The path as keys.
    pub(in crate::spec) fn path(&self) -> Vec<String> {
        let mut path = self.parent.map_or_else(Vec::new, Trail::path);
        match self.step {
            Step::Keys(keys) => path.extend(keys.iter().map(|key| (*key).to_owned())),
            Step::Key(key) => path.push(key.to_owned()),
            Step::Index(index) => path.push(index.to_string()),
        }
        path
    }

    /// A mistake at this value.
    pub(in crate::spec) fn mistake(&self, problem: Problem) -> Mistake {
        Mistake::at(self.path(), Part::Value, problem)
    }
}
