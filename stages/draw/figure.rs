//! Draws a picture of a table, as SVG for the report and for papers.

mod actions_along_orbits;
mod agreement;
mod field;
mod loss_curves;
mod methods;
mod orbits;
mod panel;
mod residuals;
mod rotation_curve;

use std::collections::HashMap;

use runner::arrow_schema::{DataType, SchemaRef};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, connected_schema, unit_of};
use runner::stage::{Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{self, ACTIONS, POSITION};
use crate::common::io::TableContext;

/// `figure`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What is drawn.
    pub draw: Draw,
    /// The stream, for `draw: methods`.
    #[serde(default)]
    pub stream: i64,
}

/// What is drawn, and from which input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Draw {
    /// Training and validation loss against epoch, from `history`.
    LossCurves,
    /// Histograms of predicted − true, from `residuals`, the second output of `compare`.
    Residuals,
    /// Positions from above and in the meridional plane, from `stars`.
    Orbits,
    /// Deviations of the actions along each orbit, from `stars` with actions.
    ActionsAlongOrbits,
    /// Actions along one orbit by several methods, from the inputs that are connected of `staeckel_fudge`, `torus`, `o2gf`
    /// and `network`.
    Methods,
    /// Predicted against true actions, from `predicted` and `truth`, star by star.
    Agreement,
    /// Circular speed against radius, of the tables `curve` of `tabulate_field` that are connected to `free`, `potential` and
    /// `energy`, over the truth.
    RotationCurve,
    /// Acceleration in the meridional plane and its errors, from the table `meridian` of `tabulate_field`.
    Field,
}

/// The inputs of `draw: methods`, which name what is drawn.
const METHODS: [&str; 4] = ["staeckel_fudge", "torus", "o2gf", "network"];

/// The inputs of `draw: rotation_curve`, which name what is drawn.
const CURVES: [&str; 3] = ["free", "potential", "energy"];

impl Draw {
    fn ports(self) -> &'static [&'static str] {
        match self {
            Self::LossCurves => &["history"],
            Self::Residuals => &["residuals"],
            Self::Orbits | Self::ActionsAlongOrbits => &["stars"],
            Self::Methods => &METHODS,
            Self::Agreement => &["predicted", "truth"],
            Self::RotationCurve => &CURVES,
            Self::Field => &["meridian"],
        }
    }
}

impl Stage for Figure {
    const KIND: &'static str = "figure";
    const ABOUT: &'static str =
        "Draw loss curves, residuals, orbits, actions along orbits or against the truth, rotation curves, or a field";
    const REVISION: u32 = 5;
    const ROLE: Role = Role::Draw;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = match self.draw {
            // The unit of a loss depends on the loss, so only its columns are asked for, in `outputs`.
            Draw::LossCurves => vec![("epoch", "")],
            Draw::Residuals => columns::needs(&[]),
            Draw::Orbits => columns::needs(&[&POSITION]),
            Draw::ActionsAlongOrbits | Draw::Methods | Draw::Agreement => columns::needs(&[&ACTIONS]),
            Draw::RotationCurve => vec![("R", "kpc"), ("v_c", "km/s")],
            Draw::Field => vec![
                ("R", "kpc"),
                ("z", "kpc"),
                ("a_R", "(km/s)^2/kpc"),
                ("a_z", "(km/s)^2/kpc"),
            ],
        };
        let ports = self.draw.ports().iter();
        let port = |port| match self.draw {
            Draw::Methods | Draw::RotationCurve => InputPort::table(port, &needs).optional(),
            _ => InputPort::table(port, &needs),
        };
        ports.map(|name| port(name)).collect()
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if self.draw == Draw::Methods && connected.is_empty() {
            return Err(format!("needs at least one of {}", METHODS.join(", ")));
        }
        if self.draw == Draw::RotationCurve && connected.is_empty() {
            return Err(format!("needs at least one of {}", CURVES.join(", ")));
        }
        let port = self.draw.ports()[0];
        if let Some(schema) = connected_schema(connected, port) {
            if self.draw == Draw::LossCurves {
                let missing = ["train_loss", "validation_loss", "best"].into_iter();
                if let Some(name) = missing.into_iter().find(|name| schema.column_with_name(name).is_none()) {
                    return Err(format!(
                        "{port}: has no column {name}, as the history of a training does"
                    ));
                }
            }
            if self.draw == Draw::Residuals && residual_columns(schema).is_empty() {
                return Err(format!("{port}: has no column of numbers besides stream and star"));
            }
        }
        Ok(vec![OutputPort::figure("figure")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let ports = self.draw.ports().iter().filter(|port| context.has_input(port));
        let tables: Vec<(&str, RecordBatch)> = ports
            .map(|port| Ok((*port, context.read_table(port)?)))
            .collect::<Result<_, StageError>>()?;
        let svg = match tables.as_slice() {
            _ if self.draw == Draw::Methods => self.methods(&tables)?,
            _ if self.draw == Draw::RotationCurve => {
                let curves: Vec<_> = tables.iter().map(curve).collect::<Result<_, _>>()?;
                rotation_curve::rotation_curve(&curves).map_err(StageError::failed)?
            }
            [(_, predicted), (_, truth)] => {
                agreement::agreement(&pairs(predicted, truth)?).map_err(StageError::failed)?
            }
            [(_, table)] => self.svg(table)?,
            _ => return Err(StageError::failed("nothing to draw is connected")),
        };
        let path = context.output("figure")?;
        std::fs::write(path, svg).map_err(|source| StageError::io(path, source))?;
        Ok(Outcome::Complete)
    }
}

impl Figure {
    /// The picture of `table`.
    fn svg(&self, table: &RecordBatch) -> Result<String, StageError> {
        let svg = match self.draw {
            Draw::LossCurves => loss_curves::loss_curves(&history(table)?),
            Draw::Residuals => residuals::residuals(&residual_values(table)?),
            Draw::Orbits => orbits::orbits(&stars(table)?),
            Draw::RotationCurve => rotation_curve::rotation_curve(&[curve(&("free", table.clone()))?]),
            Draw::Field => field::field(&arrows(table)?),
            Draw::ActionsAlongOrbits | Draw::Methods | Draw::Agreement => {
                let (tracks, along) = tracks(table, times(table)?)?;
                actions_along_orbits::actions_along_orbits(&tracks, along)
            }
        };
        svg.map_err(StageError::failed)
    }

    fn methods(&self, tables: &[(&str, RecordBatch)]) -> Result<String, StageError> {
        let mut drawn = Vec::new();
        for (method, table) in tables {
            let (tracks, along) = tracks(table, times_of_same_stars(table, tables)?)?;
            let track = tracks.into_iter().find(|track| track.stream == self.stream);
            let missing = || StageError::failed(format!("input {method}: there is no stream {}", self.stream));
            drawn.push((*method, track.ok_or_else(missing)?, along));
        }
        methods::methods(&drawn).map_err(StageError::failed)
    }
}

fn f64s(table: &RecordBatch, name: &str) -> Result<Vec<f64>, StageError> {
    tables::f64_column(table, name)
        .map(<[f64]>::to_vec)
        .map_err(StageError::failed)
}

fn i64s<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a [i64], StageError> {
    tables::i64_column(table, name).map_err(StageError::failed)
}

fn unit(schema: &SchemaRef, name: &str) -> String {
    schema
        .column_with_name(name)
        .map_or("", |(_, field)| unit_of(field))
        .to_owned()
}

fn history(table: &RecordBatch) -> Result<loss_curves::History, StageError> {
    Ok(loss_curves::History {
        epoch: i64s(table, "epoch")?.iter().map(|&epoch| epoch as f64).collect(),
        train: f64s(table, "train_loss")?,
        validation: f64s(table, "validation_loss")?,
        best: tables::bool_column(table, "best").map_err(StageError::failed)?,
        unit: unit(&table.schema(), "train_loss"),
    })
}

fn residual_columns(schema: &SchemaRef) -> Vec<&str> {
    let numbers = schema
        .fields()
        .iter()
        .filter(|field| field.data_type() == &DataType::Float64);
    numbers.map(|field| field.name().as_str()).collect()
}

fn residual_values(table: &RecordBatch) -> Result<Vec<residuals::Residuals>, StageError> {
    let schema = table.schema();
    let column = |name: &str| {
        Ok(residuals::Residuals {
            name: name.to_owned(),
            unit: unit(&schema, name),
            values: f64s(table, name)?,
        })
    };
    residual_columns(&schema).into_iter().map(column).collect()
}

fn stars(table: &RecordBatch) -> Result<orbits::Stars, StageError> {
    let [x, y, z] = crate::common::io::columns(table, &POSITION)?;
    let position = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]).collect();
    Ok(orbits::Stars {
        stream: i64s(table, "stream")?.to_vec(),
        position,
    })
}

/// Circular speeds of the table of an input.
fn curve((name, table): &(&str, RecordBatch)) -> Result<rotation_curve::Curve, StageError> {
    let truth = table.column_by_name("true_v_c").map(|_| f64s(table, "true_v_c"));
    Ok(rotation_curve::Curve {
        name: (*name).to_owned(),
        radius: f64s(table, "R")?,
        speed: f64s(table, "v_c")?,
        truth: truth.transpose()?,
    })
}

/// Accelerations in the meridional plane.
fn arrows(table: &RecordBatch) -> Result<Vec<field::Arrow>, StageError> {
    let pairs = |first: &str, second: &str| -> Result<Vec<(f64, f64)>, StageError> {
        Ok(f64s(table, first)?.into_iter().zip(f64s(table, second)?).collect())
    };
    let (places, accelerations) = (pairs("R", "z")?, pairs("a_R", "a_z")?);
    let truth: Vec<Option<_>> = match table.column_by_name("error") {
        Some(_) => {
            let exact = pairs("true_a_R", "true_a_z")?.into_iter();
            exact.zip(f64s(table, "error")?).map(Some).collect()
        }
        None => vec![None; places.len()],
    };
    let all = places.into_iter().zip(accelerations).zip(truth);
    Ok(all
        .map(|((place, a), truth)| field::Arrow { place, a, truth })
        .collect())
}

/// True and predicted actions of the stars that both tables have.
fn pairs(predicted: &RecordBatch, truth: &RecordBatch) -> Result<[agreement::Pairs; 3], StageError> {
    let (stream, star) = crate::common::io::identity(predicted)?;
    let rows: HashMap<_, _> = stream.iter().zip(star).zip(0..).collect();
    let (stream, star) = crate::common::io::identity(truth)?;
    let pair = |(row, key)| Some((row, *rows.get(&key)?));
    let both: Vec<(usize, usize)> = stream.iter().zip(star).enumerate().filter_map(pair).collect();
    if both.is_empty() {
        return Err(StageError::failed("predicted and truth have no star in common"));
    }
    let (truth, predicted) = (
        crate::common::io::columns(truth, &ACTIONS)?,
        crate::common::io::columns(predicted, &ACTIONS)?,
    );
    Ok([0, 1, 2].map(|n| both.iter().map(|&(t, p)| (truth[n][t], predicted[n][p])).collect()))
}

/// The times of the stars of a table, where they are known.
fn times(table: &RecordBatch) -> Result<Option<Vec<f64>>, StageError> {
    table.column_by_name("t").map(|_| f64s(table, "t")).transpose()
}

/// The same, or those of another table of the same stars: predictions have none.
fn times_of_same_stars(table: &RecordBatch, all: &[(&str, RecordBatch)]) -> Result<Option<Vec<f64>>, StageError> {
    let stars = crate::common::io::identity(table)?;
    for other in std::iter::once(table).chain(all.iter().map(|(_, other)| other)) {
        if other.column_by_name("t").is_some() && crate::common::io::identity(other)? == stars {
            return times(other);
        }
    }
    Ok(None)
}

/// The rows of each stream, in the order of time where it is known.
fn tracks(
    table: &RecordBatch,
    time: Option<Vec<f64>>,
) -> Result<(Vec<actions_along_orbits::Track>, &'static str), StageError> {
    let actions = crate::common::io::columns(table, &ACTIONS)?;
    let (stream, star) = (i64s(table, "stream")?, i64s(table, "star")?);
    let along: Vec<f64> = time
        .clone()
        .unwrap_or_else(|| star.iter().map(|&star| star as f64).collect());
    let mut rows: Vec<usize> = (0..stream.len()).collect();
    rows.sort_by(|&a, &b| stream[a].cmp(&stream[b]).then(along[a].total_cmp(&along[b])));
    let track = |rows: &[usize]| actions_along_orbits::Track {
        stream: stream[rows[0]],
        along: rows.iter().map(|&row| along[row]).collect(),
        actions: actions.map(|values| rows.iter().map(|&row| values[row]).collect()),
    };
    let tracks = rows.chunk_by(|&a, &b| stream[a] == stream[b]).map(track).collect();
    Ok((tracks, if time.is_some() { "t / Gyr" } else { "star" }))
}

#[cfg(test)]
mod tests;
