//! J against time along one orbit, by every method in the same panels: figure 4 of Ibata et al. (2021).

use runner::error::StageError;
use runner::ports::{Connected, InputPort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::actions_along_orbits::{Along, Track, deviations, dot, median, times, tracks};
use super::axis::Axis;
use super::names::{StreamNames, or_usual};
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, points, stars_outside};
use super::range::{all_shown, round};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, any_of};
use crate::common::columns::{self, ACTIONS};

/// `draw: methods`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// The stream that is drawn.
    pub stream: i64,
    /// What the methods are called in the legend.
    pub names: MethodNames,
}

/// Names in the legend, by input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MethodNames {
    /// Of `staeckel_fudge`.
    pub staeckel_fudge: Option<String>,
    /// Of `torus`.
    pub torus: Option<String>,
    /// Of `o2gf`.
    pub o2gf: Option<String>,
    /// Of `network`.
    pub network: Option<String>,
}

impl MethodNames {
    /// In the order of the ports.
    fn all(&self) -> [&Option<String>; 4] {
        [&self.staeckel_fudge, &self.torus, &self.o2gf, &self.network]
    }
}

/// The inputs, which name what is drawn.
const PORTS: [&str; 4] = ["staeckel_fudge", "torus", "o2gf", "network"];

/// Their names in the legend, and their colours: the torus is blue and ours orange, as in the paper.
const SHOWN: [(&str, usize); 4] = [("Stäckel fudge", 2), ("torus", 0), ("O2GF", 3), ("network", 1)];

/// The methods by which the zero of an axis is chosen, the best known first.
const ZERO: [&str; 4] = ["torus", "o2gf", "network", "staeckel_fudge"];

impl Drawing for Methods {
    fn ports(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&ACTIONS]);
        PORTS.map(|port| InputPort::table(port, &needs).optional()).to_vec()
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        any_of(&PORTS, connected)
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let mut drawn = Vec::new();
        let mut streams = StreamNames::default();
        for (method, table) in tables {
            let (tracks, along) = tracks(table, times_of_same_stars(table, tables)?)?;
            let track = tracks.into_iter().find(|track| track.stream == self.stream);
            let missing = || StageError::failed(format!("input {method}: there is no stream {}", self.stream));
            let names = StreamNames::of(table)?;
            if names != StreamNames::default() {
                streams = names;
            }
            let place = PORTS.iter().position(|port| port == method).unwrap_or(0);
            let (usual, colour) = SHOWN[place];
            drawn.push(ByMethod {
                method,
                name: or_usual(self.names.all()[place], usual),
                colour,
                track: track.ok_or_else(missing)?,
                along,
            });
        }
        Ok(methods(&drawn, &streams.call(self.stream)))
    }
}

/// The actions along the orbit by one method.
pub struct ByMethod {
    /// Its port.
    pub method: &'static str,
    /// Its name in the legend.
    pub name: String,
    /// The number of its colour.
    pub colour: usize,
    /// The actions.
    pub track: Track,
    /// What its stars are put in order by.
    pub along: Along,
}

/// Draws three panels (φ, z, r) with all methods over one axis and one range.
pub fn methods(all: &[ByMethod], stream: &str) -> Picture {
    let along = all.first().map_or(Along::Number, |one| one.along);
    let x = along.axis(all.iter().flat_map(|one| one.track.along.iter().copied()));
    let zero = ZERO
        .iter()
        .find_map(|method| all.iter().find(|one| one.method == *method));
    let middles = [0, 1, 2].map(|component| zero.map_or(0.0, |one| round(median(&one.track.actions[component]), 6)));
    let from_middle = |one: &ByMethod, component: usize| -> Vec<f64> {
        let values = one.track.actions[component].iter();
        values.map(|action| action - middles[component]).collect()
    };
    let axes = [0, 1, 2].map(|component| {
        let shown = all_shown(all.iter().map(|one| from_middle(one, component)));
        let quantity = Label::plain("Δ").then(&Label::symbol(ACTIONS[component].name));
        Axis::over(shown.into_iter().chain([0.0]), quantity, ACTIONS[component].unit)
    });
    let outside = outside(all, &axes, &from_middle);
    let rows = ACTIONS.iter().zip(axes).enumerate().map(|(component, (action, y))| {
        let symbol = Label::symbol(action.name);
        let middle = middles[component];
        let heading = Label::plain("Δ")
            .then(&symbol)
            .plus(" = ")
            .then(&symbol)
            .plus(" − ")
            .then(&Label::exact(middle));
        let panel = Panel::new(action.name, x.clone(), y)
            .headed(heading)
            .guide(Guide::Level(0.0));
        let panel = all.iter().fold(panel, |panel, one| {
            let places = points(one.track.along.iter().copied().zip(from_middle(one, component)));
            let dots = Mark::Dots(dot(places.len()));
            panel.with(Series::new(one.name.clone(), dots, Colour::Series(one.colour), places))
        });
        Row::one(80.0, panel)
    });
    let stars = all.first().map_or(0, |one| one.track.along.len());
    let spreads: Vec<String> = all.iter().map(spread).collect();
    let of = zero.map(|one| one.name.as_str()).unwrap_or_default();
    Picture {
        title: "Actions along an orbit by method".to_owned(),
        caption: format!(
            "Actions of {stream} at {stars} points by each method, against {}, minus the median by {of}. Root mean square \
             deviations of J_φ, J_z, J_r from their own medians, km/s kpc: {}.",
            along.noun(),
            spreads.join("; "),
        ),
        stars_outside: outside,
        rows: rows.collect(),
        shared: Shared { x: true, y: false },
    }
}

/// How many of the points of all methods lie outside an axis of theirs.
fn outside(
    all: &[ByMethod],
    axes: &[Axis; 3],
    values: &impl Fn(&ByMethod, usize) -> Vec<f64>,
) -> Option<(usize, usize)> {
    let of = |one: &ByMethod| {
        let values = [0, 1, 2].map(|component| values(one, component));
        stars_outside(one.track.along.len(), |star| {
            (0..3).any(|component| !axes[component].within(values[component][star]))
        })
    };
    let sum = |(outside, stars): (usize, usize), (more, of): (usize, usize)| (outside + more, stars + of);
    Some(all.iter().filter_map(of).fold((0, 0), sum))
}

/// The root mean square deviations by a method, in words.
fn spread(one: &ByMethod) -> String {
    let rms = [0, 1, 2].map(|component| {
        let curve = deviations(&one.track, component);
        let square = curve.iter().map(|(_, d)| d * d).sum::<f64>() / curve.len().max(1) as f64;
        Label::number(round(square.sqrt(), 2)).text()
    });
    format!("{} {}", one.name, rms.join(", "))
}

/// The same, or those of another table of the same stars: predictions have none.
fn times_of_same_stars(table: &RecordBatch, all: &Tables) -> Result<Option<Vec<f64>>, StageError> {
    let stars = crate::common::io::identity(table)?;
    for other in std::iter::once(table).chain(all.iter().map(|(_, other)| other)) {
        if other.column_by_name("t").is_some() && crate::common::io::identity(other)? == stars {
            return times(other);
        }
    }
    Ok(None)
}
