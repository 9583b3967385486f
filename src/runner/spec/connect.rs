//! Whether what flows into a stage is what its ports accept.

use arrow_schema::Schema;

use super::problem::Problem;
use crate::ports::{Accepts, Artifact, InputPort, Need, OutputPort, unit_of};

/// All reasons why `output` of the stage `writer` does not fit `port`.
pub(super) fn misfits(port: &InputPort, writer: &str, output: &OutputPort) -> Vec<Problem> {
    let names = || (port.name.to_owned(), format!("{writer}.{}", output.name));
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
        (Accepts::Network, Artifact::Network) => Vec::new(),
        (Accepts::Network, _) => wrong("network"),
        (Accepts::Table(needs), Artifact::Table(schema)) => {
            let (port, origin) = names();
            columns(needs, schema, &port, &origin)
        }
        (Accepts::Table(_), _) => wrong("table"),
    }
}

/// What is wrong with the columns of a table: one mistake for all that are missing, and one for all of a unit.
fn columns(needs: &[Need], schema: &Schema, port: &str, origin: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut missing = Vec::new();
    let mut units: Vec<(&str, &str, Vec<String>)> = Vec::new();
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
            .find(|(wanted, given, _)| (*wanted, *given) == (expected, found))
        {
            Some((.., names)) => names.push(name),
            None => units.push((expected, found, vec![name])),
        }
    }
    if !missing.is_empty() {
        problems.push(Problem::MissingColumns {
            port: port.to_owned(),
            columns: missing,
            origin: origin.to_owned(),
            allowed: schema.fields().iter().map(|field| field.name().clone()).collect(),
        });
    }
    problems.extend(
        units
            .into_iter()
            .map(|(expected, found, columns)| Problem::UnitMismatch {
                port: port.to_owned(),
                columns,
                expected: unit(expected),
                origin: origin.to_owned(),
                found: unit(found),
            }),
    );
    problems
}

/// What a port accepts, in words.
pub(super) fn accepted(port: &InputPort) -> String {
    match &port.accepts {
        Accepts::Network => "a network".to_owned(),
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

fn unit(unit: &str) -> String {
    if unit.is_empty() {
        "no unit".to_owned()
    } else {
        unit.to_owned()
    }
}
