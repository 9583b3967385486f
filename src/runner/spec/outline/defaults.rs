//! `defaults:`: for a kind, what lies under the `with` of each of its stages. A key of a stage's own `with` wins, whole.

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::{mapping, section};
use super::Stage;
use crate::catalog::Catalog;

/// Reads `defaults`, and reports those of kinds that there are none of.
pub(super) fn defaults<'a>(
    written: Option<&'a Value>,
    stages: &[Stage<'_>],
    catalog: &Catalog,
    mistakes: &mut Vec<Mistake>,
) -> Option<&'a Map<String, Value>> {
    let example = "`defaults: { KIND: { NAME: VALUE } }`";
    let path = || vec!["defaults".to_owned()];
    let written = mapping(written, mistakes, || section("`defaults`", example, path()))?;
    for (kind, with) in written {
        let path = || vec!["defaults".to_owned(), kind.clone()];
        let example = || format!("`{kind}: {{ NAME: VALUE }}`");
        mapping(Some(with), mistakes, || (format!("`{kind}`"), example(), path()));
        let problem = if catalog.get(kind).is_none() {
            let allowed = catalog.kinds().iter().map(|kind| kind.name.to_owned()).collect();
            let kind = kind.clone();
            Problem::UnknownKind { kind, allowed }
        } else if !stages.iter().any(|stage| stage.kind.is_none_or(|own| own.name == kind)) {
            Problem::UnusedDefaults { kind: kind.clone() }
        } else {
            continue;
        };
        mistakes.push(Mistake::at(path(), Part::Key, problem));
    }
    Some(written)
}
