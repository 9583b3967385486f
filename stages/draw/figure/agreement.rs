//! Predicted minus true actions against true ones, star by star: figure 5 of Ibata et al. (2021).

use dynamics::statistics::quantile;
use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, counted, points, stars_outside, thinned};
use super::range::{agreed, round};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, count_streams, table};
use crate::common::columns::{self, ACTIONS};
use crate::common::io::{self, rows_by_star, star_ids};

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

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let [predicted, truth] = PORTS.map(|port| table(tables, port));
        let (pairs, streams) = pairs(predicted?, truth?)?;
        Ok(agreement(&pairs, streams))
    }
}

/// True and predicted values of one action, star by star.
pub type Pairs = Vec<(f64, f64)>;

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 4000;

/// Draws the differences of J_φ, J_z and J_r, over one range where they are of one size.
pub fn agreement(actions: &[Pairs; 3], streams: usize) -> Picture {
    let differences = actions.each_ref().map(|pairs| -> Pairs {
        pairs
            .iter()
            .map(|&(truth, predicted)| (truth, predicted - truth))
            .collect()
    });
    let reaches = agreed(&differences.each_ref().map(reach));
    let stars = actions[0].len();
    let (every, drawn) = thinned(stars, MOST_DOTS);
    let across = differences.each_ref().map(ends);
    let outside = stars_outside(stars, |star| {
        (0..3).any(|component| {
            let (truth, difference) = differences[component][star];
            let (low, high) = across[component];
            difference.abs() > reaches[component] || !(low..=high).contains(&truth)
        })
    });
    let rows = ACTIONS.iter().zip(differences).zip(reaches).zip(across).map(
        |(((action, differences), reach), (low, high))| {
            let symbol = Label::symbol(action.name);
            let x = Axis::linear(low, high, Label::plain("true ").then(&symbol), action.unit);
            let y = Axis::linear(-reach, reach, Label::plain("Δ").then(&symbol), action.unit);
            let mean = differences.iter().map(|(_, d)| d.abs()).sum::<f64>() / differences.len().max(1) as f64;
            let heading = Label::plain("mean |Δ")
                .then(&symbol)
                .plus("| = ")
                .then(&Label::number(round(mean, 2)));
            let heading = heading.plus(" ").then(&Label::unit(action.unit));
            let places = points(differences.into_iter().step_by(every));
            let panel = Panel::new(action.name, x, y).headed(heading).guide(Guide::Level(0.0));
            let name = "predicted − true";
            Row::one(
                84.0,
                panel.with(Series::new(name, Mark::Dots(1.2), Colour::Series(0), places)),
            )
        },
    );
    Picture {
        title: "Predicted minus true actions".to_owned(),
        caption: format!(
            "Predicted minus true actions against the true ones, for {} in {} that both inputs have. Above each panel, the mean over \
             all of them.{drawn}",
            counted(stars, "star"),
            counted(streams, "stream"),
        ),
        stars_outside: outside,
        rows: rows.collect(),
        shared: Shared::default(),
    }
}

/// The half-width that shows all but the widest tail of differences.
fn reach(differences: &Pairs) -> f64 {
    let sizes: Vec<f64> = differences
        .iter()
        .map(|(_, d)| d.abs())
        .filter(|size| size.is_finite())
        .collect();
    let most = sizes.iter().copied().fold(0.0, f64::max);
    let reach = (6.0 * quantile(sizes, 0.7).unwrap_or(0.0)).min(1.08 * most);
    if reach > 0.0 { reach } else { (1.08 * most).max(1e-12) }
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

/// True and predicted actions of the stars that both tables have, and the number of their streams.
fn pairs(predicted: &RecordBatch, truth: &RecordBatch) -> Result<([Pairs; 3], usize), StageError> {
    let rows = rows_by_star("predicted", predicted)?;
    let pair = |(row, id)| Some((row, *rows.get(&id)?));
    let stars = star_ids(truth)?;
    let both: Vec<(usize, usize)> = stars.iter().copied().enumerate().filter_map(pair).collect();
    if both.is_empty() {
        return Err(StageError::failed("predicted and truth have no star in common"));
    }
    let streams: Vec<i64> = both.iter().map(|&(row, _)| stars[row].stream).collect();
    let (truth, predicted) = (io::columns(truth, &ACTIONS)?, io::columns(predicted, &ACTIONS)?);
    let pairs = [0, 1, 2].map(|n| both.iter().map(|&(t, p)| (truth[n][t], predicted[n][p])).collect());
    Ok((pairs, count_streams(&streams)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_the_panels_and_those_outside_are_counted() {
        let pairs: Pairs = (0..1000)
            .map(|n| f64::from(n) * 1e-3)
            .map(|j| (j, j + 2.5e-4))
            .collect();
        let mut one_off = pairs.clone();
        one_off[500].1 += 1.0;
        let picture = agreement(&[pairs.clone(), pairs, one_off], 10);
        let panels: Vec<&Panel> = picture.panels().collect();
        assert_eq!(panels[0].heading.text(), "mean |ΔJ_φ| = 2.5×10⁻⁴ km s⁻¹ kpc");
        assert_eq!(panels[0].x.title().text(), "true J_φ (km s⁻¹ kpc)");
        assert_eq!(picture.outside(), (1, 3000));
        assert!(
            picture
                .full_caption()
                .ends_with("One of 1000 stars lies outside the axes."),
            "{}",
            picture.full_caption()
        );
        // A few stars far out do not squeeze the others.
        let mut pairs: Pairs = (0..1000).map(|n| f64::from(n) * 1e-3).map(|j| (j, j)).collect();
        pairs.push((1e6, 1e6));
        let (low, high) = ends(&pairs);
        assert!(low > -0.1 && low < 0.01 && high > 0.99 && high < 1.1, "{low} {high}");
    }
}
