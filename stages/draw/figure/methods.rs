//! J against time along one orbit, by every method in the same panels: figure 4 of Ibata et al. (2021).

use runner::error::StageError;
use runner::ports::{Connected, InputPort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::actions_along_orbits::{Along, Track, deviations, dot, median, times, tracks};
use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, points};
use super::range::round;
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, any_of};
use crate::common::columns::{self, ACTIONS};

/// `draw: methods`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// The stream that is drawn.
    pub stream: i64,
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
        for (method, table) in tables {
            let (tracks, along) = tracks(table, times_of_same_stars(table, tables)?)?;
            let track = tracks.into_iter().find(|track| track.stream == self.stream);
            let missing = || StageError::failed(format!("input {method}: there is no stream {}", self.stream));
            drawn.push(ByMethod {
                method,
                track: track.ok_or_else(missing)?,
                along,
            });
        }
        Ok(methods(&drawn))
    }
}

/// The actions along the orbit by one method.
pub struct ByMethod {
    /// Its port.
    pub method: &'static str,
    /// The actions.
    pub track: Track,
    /// What its stars are put in order by.
    pub along: Along,
}

/// Draws three panels (φ, z, r) with all methods over one axis and one range.
pub fn methods(all: &[ByMethod]) -> Picture {
    let along = all.first().map_or(Along::Number, |one| one.along);
    let x = along.axis(all.iter().flat_map(|one| one.track.along.iter().copied()));
    let zero = ZERO
        .iter()
        .find_map(|method| all.iter().find(|one| one.method == *method));
    let rows = ACTIONS.iter().enumerate().map(|(component, action)| {
        let symbol = Label::symbol(action.name);
        let middle = zero.map_or(0.0, |one| round(median(&one.track.actions[component]), 6));
        let values = |one: &ByMethod| -> Vec<(f64, f64)> {
            let pairs = one.track.along.iter().zip(&one.track.actions[component]);
            pairs.map(|(&along, action)| (along, action - middle)).collect()
        };
        let every = all.iter().flat_map(&values).map(|point| point.1);
        let y = Axis::over(every.chain([0.0]), Label::plain("Δ").then(&symbol), action.unit);
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
            let (name, colour) = shown(one.method);
            let places = points(values(one));
            panel.with(Series::new(
                name,
                Mark::Dots(dot(places.len())),
                Colour::Series(colour),
                places,
            ))
        });
        Row::one(80.0, panel)
    });
    let stars = all.first().map_or(0, |one| one.track.along.len());
    let stream = all.first().map_or(0, |one| one.track.stream);
    let spreads: Vec<String> = all.iter().map(spread).collect();
    let of = zero.map(|one| shown(one.method).0).unwrap_or_default();
    Picture {
        title: "Actions along an orbit by method".to_owned(),
        caption: format!(
            "Actions of stream {stream} at {stars} points by each method, against {}, minus the median by {of}. Root mean square \
             deviations of J_φ, J_z, J_r from their own medians, km/s kpc: {}.",
            along.noun(),
            spreads.join("; "),
        ),
        rows: rows.collect(),
        shared: Shared { x: true, y: false },
    }
}

fn shown(method: &str) -> (&'static str, usize) {
    let place = PORTS.iter().position(|port| *port == method).unwrap_or(0);
    SHOWN[place]
}

/// The root mean square deviations by a method, in words.
fn spread(one: &ByMethod) -> String {
    let rms = [0, 1, 2].map(|component| {
        let curve = deviations(&one.track, component);
        let square = curve.iter().map(|(_, d)| d * d).sum::<f64>() / curve.len().max(1) as f64;
        Label::number(round(square.sqrt(), 2)).text()
    });
    format!("{} {}", shown(one.method).0, rms.join(", "))
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
