//! The page of a kind of stage.

use std::sync::Arc;

use runner::arrow_schema::{DataType, Field, Schema};
use runner::catalog::Kind;
use runner::ports::{Accepts, Artifact, Connected, InputPort, OutputPort, column, unit_of};
use runner::stage::{AnyStage, Place};

use super::choices::told;
use super::schema::Walk;

/// What it does, takes and gives.
pub fn page(kind: &Kind) -> String {
    let place = match kind.place {
        Place::Here => "",
        Place::Worker => ", with libtorch (`on: { device, threads }`)",
        Place::Command => ", in a program of yours (`on: { threads }`)",
    };
    let mut text = format!(
        "# {}\n\n{}.\n\nRole: {}{place}. Revision {}.\n",
        kind.name,
        kind.about.trim_end_matches('.'),
        kind.role.word(),
        kind.revision
    );
    let example = kind.example();
    if let Some(stage) = &example {
        let told = told(kind, stage.as_ref(), inputs);
        let others = stage.other_input("NAME");
        if !told.is_empty() || others.is_some() {
            text.push_str("\n## Inputs (`from`)\n");
            told.write(&mut text);
        }
        if let Some(port) = others {
            text.push_str(&format!(
                "\n{}, any number of them by names of your choice\n",
                input(&port).trim_end()
            ));
        }
    }
    text.push_str("\n## Parameters (`with`)\n\n");
    Walk::new(kind.parameters(), "").inside(kind.parameters(), 0, &mut text);
    if let Some(stage) = example.as_deref()
        && let Some(ports) = outputs(stage)
    {
        text.push_str("\n## Outputs\n\n");
        ports.iter().for_each(|port| text.push_str(&output(port)));
        let usual = columns_of(&ports);
        told(kind, stage, |stage| {
            let columns = outputs(stage).map(|ports| columns_of(&ports)).unwrap_or_default();
            columns.into_iter().filter(|column| !usual.contains(column)).collect()
        })
        .write(&mut text);
    }
    text
}

/// The lines of all columns, with their ports.
fn columns_of(ports: &[OutputPort]) -> Vec<String> {
    let mut lines = Vec::new();
    for port in ports {
        if let Artifact::Table(schema) = &port.artifact {
            let text = columns(schema);
            let of_port = text.lines().filter_map(|line| line.trim().strip_prefix("- `"));
            lines.extend(of_port.map(|line| format!("- `{}.{line}\n", port.name)));
        }
    }
    lines
}

fn input(port: &InputPort) -> String {
    let what = match &port.accepts {
        Accepts::Table(needs) => {
            let columns = needs.iter().map(|need| match need.unit {
                "" => format!("`{}`", need.name),
                unit => format!("`{}` [{unit}]", need.name),
            });
            let columns: Vec<_> = columns.collect();
            match columns.is_empty() {
                true => "table".to_owned(),
                false => format!("table with {}", columns.join(", ")),
            }
        }
        Accepts::Anything => "table, network, figure or file".to_owned(),
        Accepts::Network(of) => {
            let types: Vec<_> = of.iter().map(|of| format!("`{of}`")).collect();
            format!("network of type {}", types.join(" or "))
        }
    };
    let several = match (port.any_number, port.others.is_empty()) {
        (true, _) => "; a list of any length may be connected, or `{ of: STAGE, over: PARAMETER }`",
        (false, false) => "; a list may be connected",
        (false, true) => "",
    };
    let optional = if port.optional { "; may be left out" } else { "" };
    format!("- `{}`: {what}{several}{optional}\n", port.name)
}

/// The lines of a stage's input ports.
fn inputs(stage: &dyn AnyStage) -> Vec<String> {
    stage.inputs().iter().map(input).collect()
}

/// Columns that a table has besides what it must, where a kind wants at least something to work on: none, those of positions and
/// velocities, of actions, of a training, of the sky.
const USUAL: [&[(&str, &str)]; 5] = [
    &[],
    &[
        ("x", "kpc"),
        ("y", "kpc"),
        ("z", "kpc"),
        ("vx", "km/s"),
        ("vy", "km/s"),
        ("vz", "km/s"),
    ],
    &[("J_phi", "km/s kpc"), ("J_z", "km/s kpc"), ("J_r", "km/s kpc")],
    &[("train_loss", ""), ("validation_loss", ""), ("best", "")],
    &[
        ("distance", "kpc"),
        ("v_los", "km/s"),
        ("mu_l_cosb", "mas/yr"),
        ("mu_b", "mas/yr"),
    ],
];

/// Columns that stand for all others of an input: what a stage makes of them stands for what it makes of each.
const OTHERS: [(&str, DataType, &str); 2] = [
    ("COLUMN", DataType::Float64, "a column of numbers of the input"),
    ("TEXT", DataType::Utf8, "a column of texts of the input"),
];

/// With what must be connected, or else all, connected to tables and networks of the least that they accept, or of a little more.
fn outputs(stage: &dyn AnyStage) -> Option<Vec<OutputPort>> {
    let made = |all: bool, others: bool, usual: &&[_]| stage.outputs(&connected(stage, all, others, usual)?).ok();
    let ways = [(false, true), (true, true), (false, false), (true, false)];
    ways.into_iter()
        .find_map(|(all, others)| USUAL.iter().find_map(|usual| made(all, others, usual)))
}

/// The line of an output, and of its columns.
fn output(port: &OutputPort) -> String {
    let what = match &port.artifact {
        Artifact::Table(_) => "table".to_owned(),
        Artifact::Network(of) => format!("network of type `{of}`"),
        Artifact::Figure => "figure (SVG)".to_owned(),
        Artifact::File(ending) => format!("file (.{ending})"),
    };
    let mut text = format!("- `{}`: {what}\n", port.name);
    if let Artifact::Table(schema) = &port.artifact {
        text.push_str(&columns(schema));
    }
    text
}

/// The columns of a table, a line each; those that stand for others as what they stand for.
fn columns(schema: &Schema) -> String {
    let about = |field: &Field| field.metadata().get("description").cloned().unwrap_or_default();
    let is_other = |field: &Field| {
        let same = |(name, _, told): &(&str, DataType, &str)| field.name() == name && about(field) == *told;
        OTHERS.iter().any(same)
    };
    let mut text = String::new();
    for field in schema.fields().iter().filter(|field| !is_other(field)) {
        let unit = match unit_of(field).as_str() {
            "" => String::new(),
            unit => format!(" [{unit}]"),
        };
        let about = about(field);
        let colon = if about.is_empty() { "" } else { ": " };
        text.push_str(&format!("  - `{}`{unit}{colon}{about}\n", field.name()));
    }
    let others: Vec<&Arc<Field>> = schema.fields().iter().filter(|field| is_other(field)).collect();
    match others.as_slice() {
        [] => {}
        [one] => text.push_str(&format!(
            "  - every other column of {} of the input\n",
            tables::noun(one.data_type())
        )),
        _ => text.push_str("  - every other column of the input\n"),
    }
    text
}

fn connected(stage: &dyn AnyStage, all: bool, others: bool, usual: &[(&str, &str)]) -> Option<Connected> {
    let inputs = stage.inputs().into_iter().filter(|port| all || !port.optional);
    let artifact = |port: &InputPort| match &port.accepts {
        Accepts::Table(needs) => {
            let needs = needs.iter().map(|need| (need.name, need.unit));
            let mut fields: Vec<Field> = Vec::new();
            for (name, unit) in needs.chain(usual.iter().copied()) {
                if !fields.iter().any(|field| field.name() == name) {
                    fields.push(column(name, DataType::Float64, unit, "", "as in the input"));
                }
            }
            if others {
                fields.extend(OTHERS.map(|(name, of, about)| column(name, of, "", "", about)));
            }
            Some(Artifact::Table(Arc::new(Schema::new(fields))))
        }
        Accepts::Anything => Some(Artifact::Table(Arc::new(Schema::empty()))),
        Accepts::Network(of) => of.first().map(|of| Artifact::Network(*of)),
    };
    inputs.map(|port| Some((port.name, artifact(&port)?))).collect()
}
