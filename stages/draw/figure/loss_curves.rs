//! Loss against epoch, with the epoch whose weights were kept: figure 3 of Ibata et al. (2021), trainings side by side.

use runner::error::StageError;
use runner::ports::{Connected, InputPort, connected_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::actions_along_orbits::dot;
use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Point, Row, Series, Shared, points};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, f64s, i64s, unit};

/// `draw: loss_curves`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LossCurves {
    /// What stands above each panel, such as the number of streams: as many as there are histories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<String>,
}

const PORTS: [&str; 4] = ["history", "history_2", "history_3", "history_4"];

impl Drawing for LossCurves {
    fn ports(&self) -> Vec<InputPort> {
        // The unit of a loss depends on the loss, so of its columns only the names are asked for, in `fits`.
        vec![InputPort::table(PORTS[0], &[("epoch", "")]).repeated(&PORTS[1..])]
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        for (port, schema) in PORTS
            .iter()
            .filter_map(|port| Some((port, connected_schema(connected, port)?)))
        {
            let missing = ["train_loss", "validation_loss", "best"].into_iter();
            if let Some(name) = missing.into_iter().find(|name| schema.column_with_name(name).is_none()) {
                return Err(format!(
                    "{port}: has no column {name}, as the history of a training does"
                ));
            }
        }
        match (self.panels.len(), connected.len()) {
            (0, _) => Ok(()),
            (named, there) if named == there || there == 0 => Ok(()),
            (named, there) => Err(format!("panels: {named} names for {there} histories")),
        }
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let named = tables.iter().enumerate().map(|(n, (_, table))| {
            let name = self.panels.get(n).cloned().unwrap_or_default();
            history(name, table)
        });
        Ok(loss_curves(&named.collect::<Result<Vec<_>, _>>()?))
    }
}

/// A training's history.
pub struct History {
    /// What stands above its panel.
    pub name: String,
    /// Epochs.
    pub epoch: Vec<f64>,
    /// Loss over the training streams.
    pub train: Vec<f64>,
    /// Loss over the validation streams; between measurements the last one is repeated.
    pub validation: Vec<f64>,
    /// Whether the epoch's weights were kept.
    pub best: Vec<bool>,
    /// Unit of the losses.
    pub unit: String,
}

impl History {
    /// Validation where it was measured.
    fn measured(&self) -> Vec<(f64, f64)> {
        let rows = (0..self.epoch.len()).filter(|&row| row == 0 || self.validation[row] != self.validation[row - 1]);
        rows.map(|row| (self.epoch[row], self.validation[row])).collect()
    }

    /// The epoch whose weights were kept, with its validation loss.
    fn best(&self) -> Option<(f64, f64)> {
        let row = self.best.iter().rposition(|best| *best)?;
        Some((self.epoch[row], self.validation[row]))
    }
}

/// How many panels stand in a row: four would be too narrow.
fn across(panels: usize) -> usize {
    match panels {
        4 => 2,
        few => few.clamp(1, 3),
    }
}

/// Draws both losses over a logarithmic axis, the same in all panels, side by side.
pub fn loss_curves(histories: &[History]) -> Picture {
    let losses = histories
        .iter()
        .flat_map(|history| history.train.iter().chain(&history.validation));
    let unit = histories.first().map_or("", |history| history.unit.as_str());
    let y = Axis::log_over(losses.copied(), 12, Label::plain("loss"), unit);
    let epochs = histories.iter().flat_map(|history| history.epoch.iter().copied());
    let x = Axis::over(epochs, Label::plain("epoch"), "");
    let panels = histories.iter().enumerate().map(|(n, history)| {
        let best = history.best();
        let pairs =
            |values: &[f64]| -> Vec<Point> { points(history.epoch.iter().copied().zip(values.iter().copied())) };
        let name = if history.name.is_empty() {
            format!("history {}", n + 1)
        } else {
            history.name.clone()
        };
        let panel = Panel::new(name, x.clone(), y.clone())
            .headed(heading(history))
            .with(Series::new(
                "training",
                Mark::Line,
                Colour::Series(0),
                pairs(&history.train),
            ))
            .with(Series::new(
                "validation",
                Mark::Dots(dot(history.measured().len())),
                Colour::Series(1),
                points(history.measured()),
            ));
        let panel = match best {
            Some((epoch, _)) => panel.guide(Guide::Upright(epoch)),
            None => panel,
        };
        Some(panel.with(Series::new("best", Mark::Disc, Colour::Series(1), points(best))))
    });
    let mut panels = panels.collect::<Vec<_>>().into_iter();
    let (columns, height) = (across(histories.len()), if histories.len() > 1 { 110.0 } else { 130.0 });
    let rows = (0..histories.len().div_ceil(columns)).map(|_| Row {
        panels: panels.by_ref().take(columns).collect(),
        height,
    });
    let measured: usize = histories.iter().map(|history| history.measured().len()).sum();
    let trained = match histories.len() {
        1 => "the training streams (line) and the validation streams (dots)".to_owned(),
        count => format!("the training streams (lines) and the validation streams (dots) of {count} trainings"),
    };
    Picture {
        title: "Loss against epoch".to_owned(),
        caption: format!(
            "Loss over {trained}, against epoch. Validation was measured {measured} times; the disc marks the epoch whose weights \
             were kept{}.",
            kept(histories),
        ),
        stars_outside: None,
        rows: rows.collect(),
        shared: Shared { x: true, y: true },
    }
}

/// What stands above a panel; alone, the best epoch.
fn heading(history: &History) -> Label {
    match (history.name.as_str(), history.best()) {
        ("", None) => Label::default(),
        ("", Some((epoch, _))) => Label::plain(format!("best epoch {epoch}")),
        (name, _) => Label::plain(name),
    }
}

/// The best epochs of trainings with names, for the caption.
fn kept(histories: &[History]) -> String {
    let named = histories.iter().filter(|history| !history.name.is_empty());
    let each = named.filter_map(|history| Some(format!("{} at {}", history.name, history.best()?.0)));
    let each: Vec<String> = each.collect();
    match each.is_empty() {
        true => String::new(),
        false => format!(" ({})", each.join("; ")),
    }
}

fn history(name: String, table: &RecordBatch) -> Result<History, StageError> {
    Ok(History {
        name,
        epoch: i64s(table, "epoch")?.iter().map(|&epoch| epoch as f64).collect(),
        train: f64s(table, "train_loss")?,
        validation: f64s(table, "validation_loss")?,
        best: tables::bool_column(table, "best").map_err(StageError::failed)?,
        unit: unit(&table.schema(), "train_loss"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_is_drawn_where_it_was_measured() {
        let history = |name: &str| History {
            name: name.to_owned(),
            epoch: vec![1.0, 2.0, 3.0, 4.0, 5.0],
            train: vec![9.0, 7.0, 5.0, 4.0, 3.0],
            validation: vec![8.0, 8.0, 6.0, 6.0, 7.0],
            best: vec![false, false, true, false, false],
            unit: "km/s kpc".to_owned(),
        };
        let picture = loss_curves(&[history("S = 16"), history("S = 128")]);
        let panels: Vec<&Panel> = picture.panels().collect();
        assert_eq!(panels[0].series[1].points, points([(1.0, 8.0), (3.0, 6.0), (5.0, 7.0)]));
        assert_eq!(panels[0].series[2].points, [Point::at(3.0, 6.0)]);
        assert_eq!(panels[0].y, panels[1].y, "one range for all");
        assert_eq!(panels[1].heading.text(), "S = 128");
        assert!(picture.caption.contains("measured 6 times"));
        assert!(
            picture.caption.contains("(S = 16 at 3; S = 128 at 3)"),
            "{}",
            picture.caption
        );
        let across = |count: usize| -> Vec<usize> {
            let histories: Vec<History> = (0..count).map(|_| history("")).collect();
            loss_curves(&histories)
                .rows
                .iter()
                .map(|row| row.panels.len())
                .collect()
        };
        assert_eq!([1, 2, 3, 4].map(across), [vec![1], vec![2], vec![3], vec![2, 2]]);
    }
}
