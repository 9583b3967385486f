//! Stars in the space of actions: each action against each, with histograms on the diagonal.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::names::or_usual;
use super::picture::{Mark, Panel, Picture, Point, Row, Series, Shared, counted, points, stars_outside, thinned};
use super::range::all_shown;
use super::residuals::bars;
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, count_streams, f64s, i64s};
use crate::common::columns::{self, ACTIONS};

/// `draw: action_space`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionSpace {
    /// What the tables are called in the legend.
    pub names: SetNames,
}

/// Names in the legend, by input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SetNames {
    /// Of `stars`.
    pub stars: Option<String>,
    /// Of `beside`.
    pub beside: Option<String>,
}

/// The tables: a second one may have the same stars in another potential.
const PORTS: [&str; 2] = ["stars", "beside"];

impl Drawing for ActionSpace {
    fn ports(&self) -> Vec<InputPort> {
        let [stars, beside] = PORTS.map(|port| InputPort::table(port, &columns::needs(&[&ACTIONS])));
        vec![stars, beside.optional()]
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let sets = tables.iter().map(|(name, table)| {
            let [phi, z, r] = ACTIONS.map(|action| f64s(table, action.name));
            let given = if *name == PORTS[0] {
                &self.names.stars
            } else {
                &self.names.beside
            };
            Ok(Set {
                name: or_usual(given, name),
                actions: [phi?, z?, r?],
                streams: count_streams(i64s(table, "stream")?),
            })
        });
        Ok(action_space(&sets.collect::<Result<Vec<_>, StageError>>()?))
    }
}

/// Stars of one table.
pub struct Set {
    /// Name in the legend.
    pub name: String,
    /// J_φ, J_z and J_r, km/s kpc.
    pub actions: [Vec<f64>; 3],
    /// Number of its streams.
    pub streams: usize,
}

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 3000;
const BINS: usize = 24;

/// Draws J_z and J_r, logarithmic, against J_φ and each other.
pub fn action_space(sets: &[Set]) -> Picture {
    let axis = |component: usize| {
        let values = sets.iter().map(|set| set.actions[component].iter().copied());
        let (symbol, unit) = (Label::symbol(ACTIONS[component].name), ACTIONS[component].unit);
        match component {
            0 => Axis::over(all_shown(values.map(Iterator::collect)).into_iter(), symbol, unit),
            _ => {
                let logs = values.map(|values| values.filter(|value| *value > 0.0).map(f64::ln).collect());
                Axis::decades_over(all_shown(logs).map(f64::exp).into_iter(), symbol, unit)
            }
        }
    };
    let axes = [axis(0), axis(1), axis(2)];
    let counts = [0, 1, 2].map(|component| histograms(sets, &axes[component], component));
    let highest = counts
        .iter()
        .flatten()
        .flat_map(|(bars, _)| bars)
        .map(|bar| bar.y)
        .fold(1.0, f64::max);
    let rows = (0..3).map(|row| Row {
        panels: (0..3)
            .map(|column| match column {
                _ if column < row => Some(plane(sets, &axes, (column, row))),
                _ if column == row => Some(along(sets, &axes[row], (row, highest))),
                _ => None,
            })
            .collect(),
        height: 60.0,
    });
    let each = sets.iter().map(|set| {
        let stars = counted(set.actions[0].len(), "star");
        format!("{stars} in {} ({})", counted(set.streams, "stream"), set.name)
    });
    let outside = sets.iter().filter_map(|set| {
        stars_outside(set.actions[0].len(), |star| {
            (0..3).any(|component| !axes[component].within(set.actions[component][star]))
        })
    });
    let outside = outside.fold((0, 0), |(outside, stars), (more, of)| (outside + more, stars + of));
    let most = sets.iter().map(|set| set.actions[0].len()).max().unwrap_or(0);
    Picture {
        title: "Stars in the space of actions".to_owned(),
        caption: format!(
            "Actions of {}. Histograms are of all stars, and of log J for J_z and J_r.{}",
            each.collect::<Vec<_>>().join(" and "),
            thinned(most, MOST_DOTS).1,
        ),
        stars_outside: Some(outside),
        rows: rows.collect(),
        shared: Shared { x: true, y: true },
    }
}

/// One action against another.
fn plane(sets: &[Set], axes: &[Axis; 3], (across, up): (usize, usize)) -> Panel {
    let name = format!("{} {}", ACTIONS[across].name, ACTIONS[up].name);
    let panel = Panel::new(name, axes[across].clone(), axes[up].clone());
    sets.iter().enumerate().fold(panel, |panel, (n, set)| {
        let (every, _) = thinned(set.actions[0].len(), MOST_DOTS);
        let pairs = set.actions[across].iter().copied().zip(set.actions[up].iter().copied());
        let dots = Mark::Dots(if pairs.len() > 400 { 0.9 } else { 1.6 });
        panel.with(Series::new(
            set.name.clone(),
            dots,
            Colour::Series(n),
            points(pairs.step_by(every)),
        ))
    })
}

/// The histograms of one action, over equal parts of its axis, with how many stars are outside.
fn histograms(sets: &[Set], axis: &Axis, component: usize) -> Vec<(Vec<Point>, usize)> {
    let at = |place: f64| match axis.log {
        true => axis.low * (axis.high / axis.low).powf(place),
        false => axis.low + place * (axis.high - axis.low),
    };
    let of = |set: &Set| {
        let mut counts = vec![0usize; BINS];
        let mut beyond = 0;
        for value in &set.actions[component] {
            match axis.within(*value) {
                true => counts[((axis.place(*value) * BINS as f64) as usize).min(BINS - 1)] += 1,
                false => beyond += 1,
            }
        }
        let to_axis = |bar: Point| Point {
            x: at(bar.x),
            across: bar.across.map(|(low, high)| (at(low), at(high))),
            ..bar
        };
        let bars = bars(&counts, 0.0, 1.0 / BINS as f64).into_iter().map(to_axis);
        (bars.collect(), beyond)
    };
    sets.iter().map(of).collect()
}

/// The panel of the histograms of one action; all three have one height, which is numbered at the first.
fn along(sets: &[Set], axis: &Axis, (component, highest): (usize, f64)) -> Panel {
    let y = Axis::linear(0.0, 1.08 * highest, Label::plain("stars"), "");
    let mut panel = Panel::new(ACTIONS[component].name, axis.clone(), y);
    panel.numbered_elsewhere = component > 0;
    let histograms = histograms(sets, axis, component);
    sets.iter()
        .zip(histograms)
        .enumerate()
        .fold(panel, |panel, (n, (set, (bars, beyond)))| {
            let mut series = Series::new(set.name.clone(), Mark::Bars, Colour::Series(n), bars);
            series.beyond = beyond;
            panel.with(series)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_star_is_in_three_planes_and_three_histograms() {
        let set = |name: &str| Set {
            name: name.to_owned(),
            actions: [vec![-1500.0, 0.0, 2000.0], vec![10.0, 0.0, 300.0], vec![0.0, 50.0, 1e4]],
            streams: 1,
        };
        let picture = action_space(&[set("stars"), set("beside")]);
        let panels: Vec<&Panel> = picture.panels().collect();
        assert_eq!(panels.len(), 6);
        let of = |mark: fn(Mark) -> bool| -> Vec<usize> {
            let series = panels
                .iter()
                .flat_map(|panel| &panel.series)
                .filter(|series| mark(series.mark));
            series.map(|series| series.points.len()).collect()
        };
        assert_eq!(of(|mark| matches!(mark, Mark::Dots(_))), [3; 6]);
        assert_eq!(of(|mark| mark == Mark::Bars), [BINS; 6]);
        // An action of 0 has no place on a logarithmic axis: it is outside wherever it would stand.
        assert_eq!(picture.outside(), (2 * (1 + 1 + 2 + 1 + 1), 36));
        assert_eq!(picture.stars_outside, Some((4, 6)));
        assert!(picture.full_caption().ends_with("4 of 6 stars lie outside the axes."));
        assert!(action_space(&[]).panels().all(|panel| panel.series.is_empty()));
    }
}
