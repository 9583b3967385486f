//! Stars in the space of actions: J_z and J_r against J_φ.

use plotters::style::Color;
use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::panel::{Axis, DrawError, Frame, Panel, SERIES, draw};
use super::{Drawing, Tables, f64s};
use crate::common::columns::{self, ACTIONS};

/// `draw: action_space`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionSpace {}

/// The tables: a second one may have the same stars in another potential.
const PORTS: [&str; 2] = ["stars", "beside"];

impl Drawing for ActionSpace {
    fn ports(&self) -> Vec<InputPort> {
        let [stars, beside] = PORTS.map(|port| InputPort::table(port, &columns::needs(&[&ACTIONS])));
        vec![stars, beside.optional()]
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        let sets: Vec<_> = tables
            .iter()
            .map(|(name, table)| {
                let [phi, z, r] = ACTIONS.map(|action| f64s(table, action.name));
                Ok(Set {
                    name,
                    phi: phi?,
                    others: [z?, r?],
                })
            })
            .collect::<Result<_, StageError>>()?;
        action_space(&sets).map_err(StageError::failed)
    }
}

/// Stars of one table.
struct Set {
    /// Name in the legend.
    name: &'static str,
    /// J_φ, km/s kpc.
    phi: Vec<f64>,
    /// J_z and J_r, km/s kpc.
    others: [Vec<f64>; 2],
}

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 6000;

/// How far below the greatest the least J_z and J_r are shown; what is smaller stands at the edge.
const DECADES: f64 = 1e-5;

/// Draws J_z and J_r, logarithmic, against J_φ.
fn action_space(sets: &[Set]) -> Result<String, DrawError> {
    let wide = sets
        .iter()
        .flat_map(|set| &set.phi)
        .fold(1e-9, |most: f64, phi| most.max(phi.abs()))
        * 1.05;
    let others = || sets.iter().flat_map(|set| set.others.iter().flatten().copied());
    let most = others().fold(1e-9, f64::max);
    let least = others()
        .filter(|value| *value > 0.0)
        .fold(most, f64::min)
        .max(most * DECADES);
    draw((760, 412), "Stars in the space of actions", |canvas| {
        for (which, name) in ["J_z", "J_r"].into_iter().enumerate() {
            let frame = Frame {
                left: [72, 456][which],
                top: 56,
                width: 288,
                height: 300,
            };
            let across = Axis::linear(-wide, wide, "J_phi / km/s kpc");
            let panel = Panel::new(
                canvas,
                frame,
                across,
                Axis::log(least, most, format!("{name} / km/s kpc")),
            )?;
            for (set, colour) in sets.iter().zip(SERIES) {
                let stride = set.phi.len().div_ceil(MOST_DOTS).max(1);
                let pairs = set.phi.iter().zip(&set.others[which]).step_by(stride);
                let dots: Vec<(f64, f64)> = pairs.map(|(&phi, &other)| (phi, other.max(least))).collect();
                panel.dots(&dots, 6, colour.mix(0.6))?;
            }
            if which == 1 && sets.len() > 1 {
                let names = sets
                    .iter()
                    .zip(SERIES)
                    .map(|(set, colour)| (set.name.to_owned(), colour));
                panel.legend(&names.collect::<Vec<_>>(), 42)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_star_is_drawn_in_both_panels_and_nothing_is_not_a_number() {
        let set = |name| Set {
            name,
            phi: vec![-1500.0, 0.0, 2000.0],
            others: [vec![10.0, 0.0, 300.0], vec![0.0, 50.0, 1e4]],
        };
        let one = action_space(&[set("stars")]).unwrap_or_default();
        let two = action_space(&[set("stars"), set("beside")]).unwrap_or_default();
        let dots = |svg: &str| svg.matches("<circle").count();
        assert_eq!((dots(&one), dots(&two)), (6, 12));
        assert!(two.contains("beside") && !one.contains("beside"));
        assert!(action_space(&[]).is_ok_and(|svg| !svg.contains("NaN") && !svg.contains("inf")));
    }
}
