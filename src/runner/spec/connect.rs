//! Whether what flows into a stage is what its ports accept.

use arrow_schema::Schema;

use super::problem::Problem;
use crate::graph::StageInstance;
use crate::ports::{Accepts, Artifact, InputPort, Need, NetworkType, OutputPort, unit_of};

/// All reasons why `output` of the stage `writer` does not fit `port`; `fitting` names outputs that are networks of given types.
pub(super) fn misfits(
    port: &InputPort,
    writer: impl Fn() -> String,
    output: &OutputPort,
    fitting: impl FnOnce(&[NetworkType]) -> Vec<String>,
) -> Vec<Problem> {
    let names = || (port.name.to_owned(), format!("{}.{}", writer(), output.name));
    let wrong = |expected| {
        let ((port, origin), found) = (names(), output.artifact.noun());
        vec![Problem::WrongArtifact {
            port,
            expected,
            origin,
            found,
        }]
    };
    match (&port.accepts, &output.artifact) {
        (Accepts::Anything, _) => Vec::new(),
        (Accepts::Network(types), Artifact::Network(of)) if types.contains(of) => Vec::new(),
        (Accepts::Network(types), Artifact::Network(of)) => {
            let (port, origin) = names();
            vec![Problem::WrongNetwork {
                port,
                expected: one_of(types),
                origin,
                found: of.to_string(),
                fitting: fitting(types),
            }]
        }
        (Accepts::Network(_), _) => wrong("network"),
        (Accepts::Table(needs), Artifact::Table(schema)) => columns(needs, schema, names),
        (Accepts::Table(_), _) => wrong("table"),
    }
}

/// Outputs of the stages known so far that are networks of one of these types, each once for all points of a sweep.
pub(super) fn fitting(types: &[NetworkType], known: &[StageInstance]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for stage in known {
        for output in &*stage.outputs {
            if !matches!(&output.artifact, Artifact::Network(of) if types.contains(of)) {
                continue;
            }
            let name = format!("{}.{}", stage.name, output.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What is wrong with the columns of a table: one mistake for all that are missing, and one for all of a unit.
fn columns(needs: &[Need], schema: &Schema, names: impl Fn() -> (String, String)) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut missing = Vec::new();
    let mut units: Vec<(&str, String, Vec<String>)> = Vec::new();
    for need in needs {
        let Ok(field) = schema.field_with_name(need.name) else {
            missing.push(need.name.to_owned());
            continue;
        };
        let (expected, found) = (need.unit, unit_of(field));
        if expected == found {
            continue;
        }
        let name = need.name.to_owned();
        match units
            .iter_mut()
            .find(|(wanted, given, _)| *wanted == expected && *given == found)
        {
            Some((.., names)) => names.push(name),
            None => units.push((expected, found, vec![name])),
        }
    }
    if !missing.is_empty() {
        let (port, origin) = names();
        problems.push(Problem::MissingColumns {
            port,
            columns: missing,
            origin,
            allowed: schema.fields().iter().map(|field| field.name().clone()).collect(),
        });
    }
    for (expected, found, columns) in units {
        let (port, origin) = names();
        problems.push(Problem::UnitMismatch {
            port,
            columns,
            expected: unit(expected),
            origin,
            found: unit(&found),
        });
    }
    problems
}

/// What a port accepts, in words.
pub(super) fn accepted(port: &InputPort) -> String {
    match &port.accepts {
        Accepts::Network(types) => format!("a network of type {}", one_of(types)),
        Accepts::Anything => "whatever a stage gives".to_owned(),
        Accepts::Table(needs) if needs.is_empty() => "a table".to_owned(),
        Accepts::Table(needs) => {
            let column = |need: &Need| format!("{} ({})", need.name, unit(need.unit));
            format!(
                "a table with {}",
                needs.iter().map(column).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// Types of networks in words.
fn one_of(types: &[NetworkType]) -> String {
    let names: Vec<&str> = types.iter().map(|of| of.0).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn unit(unit: &str) -> String {
    if unit.is_empty() {
        "no unit".to_owned()
    } else {
        unit.to_owned()
    }
}
