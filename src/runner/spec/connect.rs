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
    let check = |schema: &Schema, need: &Need| {
        let column = need.name.to_owned();
        let Ok(field) = schema.field_with_name(need.name) else {
            let allowed = schema.fields().iter().map(|field| field.name().clone()).collect();
            let (port, origin) = names();
            return Some(Problem::MissingColumn {
                port,
                column,
                origin,
                allowed,
            });
        };
        if unit_of(field) == need.unit {
            return None;
        }
        let ((port, origin), expected, found) = (names(), unit(need.unit), unit(unit_of(field)));
        Some(Problem::UnitMismatch {
            port,
            column,
            expected,
            origin,
            found,
        })
    };
    match (&port.accepts, &output.artifact) {
        (Accepts::Network, Artifact::Network) => Vec::new(),
        (Accepts::Network, _) => wrong("network"),
        (Accepts::Table(needs), Artifact::Table(schema)) => {
            needs.iter().filter_map(|need| check(schema, need)).collect()
        }
        (Accepts::Table(_), _) => wrong("table"),
    }
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
