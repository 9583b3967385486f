//! Whether what flows into a stage is what its ports accept.

use super::problem::Problem;
use crate::ports::{Accepts, Artifact, InputPort, Need, OutputPort, unit_of};

/// All reasons why `output` does not fit `port`; `origin` is how messages name it.
pub(super) fn misfits(port: &InputPort, origin: &str, output: &OutputPort) -> Vec<Problem> {
    let (port_name, origin) = (port.name.to_owned(), origin.to_owned());
    let wrong = |expected| {
        let found = output.artifact.noun();
        vec![Problem::WrongArtifact {
            port: port_name.clone(),
            expected,
            origin: origin.clone(),
            found,
        }]
    };
    match (&port.accepts, &output.artifact) {
        (Accepts::Network, Artifact::Network) => Vec::new(),
        (Accepts::Network, _) => wrong("network"),
        (Accepts::Table(needs), Artifact::Table(schema)) => needs
            .iter()
            .filter_map(|need| {
                let (port, column, origin) = (port_name.clone(), need.name.to_owned(), origin.clone());
                let Ok(field) = schema.field_with_name(need.name) else {
                    let allowed = schema.fields().iter().map(|field| field.name().clone()).collect();
                    return Some(Problem::MissingColumn {
                        port,
                        column,
                        origin,
                        allowed,
                    });
                };
                let (expected, found) = (unit(need.unit), unit(unit_of(field)));
                (unit_of(field) != need.unit).then_some(Problem::UnitMismatch {
                    port,
                    column,
                    expected,
                    origin,
                    found,
                })
            })
            .collect(),
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
