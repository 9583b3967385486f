//! Swept parameters that no stage uses.

use std::collections::BTreeSet;

use super::super::diagnostics::{At, Mistake};
use super::super::nodes::Node;
use super::super::problem::Problem;
use super::super::scopes::Scope;
use super::super::spans::Part;
use super::super::sweep::{Section, Sweep};

/// Reports them. Not while references are misspelt or files cannot be read, which may use them, nor where only some stages
/// of a file are wanted.
pub(super) fn report(
    scopes: &[Scope<'_>],
    nodes: &[Node<'_>],
    sweep: &Sweep,
    used: &BTreeSet<usize>,
    mistakes: &mut Vec<Mistake>,
) {
    let misspelt = |mistake: &Mistake| {
        matches!(
            mistake.problem,
            Problem::UnknownParameter { .. } | Problem::BadReference { .. } | Problem::UnknownKey { .. }
        )
    };
    let unread = |scope: &Scope<'_>| scope.outline.is_none() || scope.children.contains(&None);
    if mistakes.iter().any(misspelt) || scopes.iter().any(unread) || nodes.iter().any(|node| node.stage.kind.is_none())
    {
        return;
    }
    for dimension in &sweep.dimensions {
        let columns = dimension.columns.clone();
        // A column of rows may only name its row, as long as another one is used.
        if columns.clone().any(|column| used.contains(&column)) {
            continue;
        }
        for column in columns {
            let column = &sweep.columns[column];
            if !is_whole(scopes, column.scope) {
                continue;
            }
            let first = (0..dimension.length).find_map(|row| column.place(row));
            let mut path = first.unwrap_or_default();
            if let Section::Values { listed: true, .. } = column.section {
                path.pop();
            }
            let name = column.parameter.clone();
            let at = match column.section {
                Section::CommandLine => At::CommandLine,
                _ => At::Path(path, Part::Key),
            };
            let mistake = Mistake::new(at, Problem::UnusedSwept { name });
            mistakes.push(mistake.within(column.scope));
        }
    }
}

/// Whether all stages of a use of a file are wanted.
fn is_whole(scopes: &[Scope<'_>], mut scope: usize) -> bool {
    while let Some((parent, used)) = scopes[scope].parent {
        if !used.to.is_empty() {
            return false;
        }
        scope = parent;
    }
    true
}
