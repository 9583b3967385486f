//! Predicted against true actions, and their difference below: figure 5 of Ibata et al. (2021).

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{self, ACTIONS};
use crate::common::io::{self, rows_by_star, star_ids};

use super::actions_along_orbits::SYMBOLS;
use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw, per_unit, tick_label};
use super::{Drawing, Tables, table};
use plotters::style::Color;

/// `draw: agreement`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Agreement {}

const PORTS: [&str; 2] = ["predicted", "truth"];

impl Drawing for Agreement {
    fn ports(&self) -> Vec<InputPort> {
        PORTS
            .map(|port| InputPort::table(port, &columns::needs(&[&ACTIONS])))
            .to_vec()
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        let [predicted, truth] = PORTS.map(|port| table(tables, port));
        agreement(&pairs(predicted?, truth?)?).map_err(StageError::failed)
    }
}

/// True and predicted values of one action, star by star.
pub type Pairs = Vec<(f64, f64)>;

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 2000;
const WIDTH: i32 = 250;
const LEFT: i32 = 84;

/// Draws a column of two panels for each of J_φ, J_z, J_r.
pub fn agreement(actions: &[Pairs; 3]) -> Result<String, DrawError> {
    let size = (3 * (WIDTH + LEFT) + 10, 470);
    draw(size, "Predicted against true actions, and their difference", |canvas| {
        for (column, (pairs, symbol)) in actions.iter().zip(SYMBOLS).enumerate() {
            let frame = |top, height| Frame {
                left: LEFT + column as i32 * (WIDTH + LEFT),
                top,
                width: WIDTH,
                height,
            };
            let (low, high) = ends(pairs);
            let inside =
                |dots: Pairs| -> Pairs { dots.into_iter().filter(|dot| (low..=high).contains(&dot.0)).collect() };
            let across_both = |dot: &(f64, f64)| (low..=high).contains(&dot.1);
            let unit = per_unit("km/s kpc");
            let across = |label: String| Axis::linear(low, high, label);
            let up = Axis::linear(low, high, format!("predicted {symbol}{unit}"));
            let panel = Panel::new(canvas, frame(34, WIDTH), across(String::new()), up)?;
            panel.line(&[(low, low), (high, high)], INK)?;
            let shown: Pairs = inside(thinned(pairs)).into_iter().filter(across_both).collect();
            panel.dots(&shown, 2, SERIES[column].mix(0.5))?;

            let differences: Pairs = pairs
                .iter()
                .map(|&(truth, predicted)| (truth, predicted - truth))
                .collect();
            let mean = differences.iter().map(|(_, d)| d.abs()).sum::<f64>() / differences.len().max(1) as f64;
            // All but the widest tail; what lies beyond is drawn at the edge.
            let reach = (6.0 * mean).max(1e-12);
            let rounded: f64 = format!("{mean:.1e}").parse().unwrap_or_default();
            let title = format!("difference, mean size {}", tick_label(rounded));
            let panel = Panel::new(
                canvas,
                frame(330, 84),
                across(format!("true {symbol}{unit}")),
                Axis::linear(-reach, reach, title),
            )?;
            panel.line(&[(low, 0.0), (high, 0.0)], INK)?;
            let shown = inside(thinned(&differences));
            let shown: Pairs = shown.iter().map(|&(x, d)| (x, d.clamp(-reach, reach))).collect();
            panel.dots(&shown, 2, SERIES[column].mix(0.5))?;
        }
        Ok(())
    })
}

fn thinned(pairs: &Pairs) -> Pairs {
    let stride = pairs.len().div_ceil(MOST_DOTS).max(1);
    pairs.iter().step_by(stride).copied().collect()
}

/// The range of true values but for the outermost half per cent at either end, which would squeeze all others, with a little
/// room.
fn ends(pairs: &Pairs) -> (f64, f64) {
    let mut truth: Vec<f64> = pairs
        .iter()
        .map(|pair| pair.0)
        .filter(|truth| truth.is_finite())
        .collect();
    truth.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (truth.get(truth.len() / 200), truth.iter().nth_back(truth.len() / 200)) else {
        return (0.0, 1.0);
    };
    let room = (0.06 * (high - low)).max(1e-12);
    (low - room, high + room)
}

/// True and predicted actions of the stars that both tables have.
fn pairs(predicted: &RecordBatch, truth: &RecordBatch) -> Result<[Pairs; 3], StageError> {
    let rows = rows_by_star("predicted", predicted)?;
    let pair = |(row, id)| Some((row, *rows.get(&id)?));
    let both: Vec<(usize, usize)> = star_ids(truth)?.into_iter().enumerate().filter_map(pair).collect();
    if both.is_empty() {
        return Err(StageError::failed("predicted and truth have no star in common"));
    }
    let (truth, predicted) = (io::columns(truth, &ACTIONS)?, io::columns(predicted, &ACTIONS)?);
    Ok([0, 1, 2].map(|n| both.iter().map(|&(t, p)| (truth[n][t], predicted[n][p])).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_size_of_the_difference_stands_above_its_panel() {
        let pairs: Pairs = (0..10_000)
            .map(|n| f64::from(n) * 1e-4)
            .map(|j| (j, j + 2.5e-4))
            .collect();
        let svg = agreement(&[pairs.clone(), pairs.clone(), pairs]).unwrap_or_default();
        assert_eq!(svg.matches("mean size 2.5·10⁻⁴").count(), 3);
        assert!(svg.matches("<circle").count() <= 6 * MOST_DOTS);
        // A few stars far out do not squeeze the others.
        let mut pairs: Pairs = (0..1000).map(|n| f64::from(n) * 1e-3).map(|j| (j, j)).collect();
        pairs.push((1e6, 1e6));
        let (low, high) = ends(&pairs);
        assert!(low > -0.1 && low < 0.01 && high > 0.99 && high < 1.1, "{low} {high}");
        assert!(svg.contains("true J_φ / km/s kpc") && svg.contains("predicted J_r / km/s kpc"));
    }
}
