//! Loss against epoch, with the epoch whose weights were kept.

use runner::error::StageError;
use runner::ports::{Connected, InputPort, connected_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw, per_unit};
use super::{Drawing, Tables, f64s, i64s, table, unit};
use plotters::style::Color;

/// `draw: loss_curves`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LossCurves {}

const PORT: &str = "history";

impl Drawing for LossCurves {
    fn ports(&self) -> Vec<InputPort> {
        // The unit of a loss depends on the loss, so of its columns only the names are asked for, in `fits`.
        vec![InputPort::table(PORT, &[("epoch", "")])]
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        let Some(schema) = connected_schema(connected, PORT) else {
            return Ok(());
        };
        let missing = ["train_loss", "validation_loss", "best"].into_iter();
        match missing.into_iter().find(|name| schema.column_with_name(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(format!(
                "{PORT}: has no column {name}, as the history of a training does"
            )),
        }
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        loss_curves(&history(table(tables, PORT)?)?).map_err(StageError::failed)
    }
}

/// A training's history.
pub struct History {
    /// Epochs.
    pub epoch: Vec<f64>,
    /// Loss over the training streams.
    pub train: Vec<f64>,
    /// Loss over the validation streams.
    pub validation: Vec<f64>,
    /// Whether the epoch's weights were kept.
    pub best: Vec<bool>,
    /// Unit of the losses.
    pub unit: String,
}

/// Draws both curves over a logarithmic axis.
pub fn loss_curves(history: &History) -> Result<String, DrawError> {
    let losses = history
        .train
        .iter()
        .chain(&history.validation)
        .copied()
        .filter(|loss| *loss > 0.0);
    let (low, high) = losses.fold((f64::INFINITY, 0.0f64), |(low, high), loss| {
        (low.min(loss), high.max(loss))
    });
    let (low, high) = if low.is_finite() { (low, high) } else { (0.1, 1.0) };
    let last = history.epoch.last().copied().unwrap_or(1.0);
    let first = history.epoch.first().copied().unwrap_or(0.0);
    draw(
        (760, 380),
        "Loss against epoch for the training and the validation streams",
        |canvas| {
            let frame = Frame {
                left: 64,
                top: 44,
                width: 680,
                height: 276,
            };
            let y = Axis::log(low, high, format!("loss{}", per_unit(&history.unit)));
            let panel = Panel::new(canvas, frame, Axis::linear(first, last, "epoch"), y)?;
            let points = |losses: &[f64]| -> Vec<(f64, f64)> {
                history.epoch.iter().copied().zip(losses.iter().copied()).collect()
            };
            let (train, validation) = (points(&history.train), points(&history.validation));
            let best = history.best.iter().rposition(|best| *best);
            if let Some(&(epoch, _)) = best.and_then(|row| validation.get(row)) {
                panel.vertical(epoch, INK.mix(0.35))?;
            }
            panel.line(&train, SERIES[0])?;
            panel.line(&validation, SERIES[1])?;
            let mut legend = vec![("training".to_owned(), SERIES[0]), ("validation".to_owned(), SERIES[1])];
            if let Some(&point) = best.and_then(|row| validation.get(row)) {
                panel.ring(point, SERIES[1])?;
                legend.push((format!("best: epoch {}", point.0), INK));
            }
            panel.legend(&legend, 15)
        },
    )
}

fn history(table: &RecordBatch) -> Result<History, StageError> {
    Ok(History {
        epoch: i64s(table, "epoch")?.iter().map(|&epoch| epoch as f64).collect(),
        train: f64s(table, "train_loss")?,
        validation: f64s(table, "validation_loss")?,
        best: tables::bool_column(table, "best").map_err(StageError::failed)?,
        unit: unit(&table.schema(), "train_loss"),
    })
}
