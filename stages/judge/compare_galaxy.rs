//! A fitted galaxy beside what others have published.

use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::io::{self, TableContext};
use crate::common::layout::Layout;
use crate::common::parameters::Kpc;

/// `compare_galaxy`
///
/// Published circular speeds, flattenings and masses beside those of the table `galaxy` of `fit_galaxy`, at the same radii.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareGalaxy {
    /// What was published.
    pub published: Vec<Published>,
}

/// A published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Who published it, and what it says exactly.
    pub source: String,
    /// What it is.
    pub quantity: Quantity,
    /// Its distance from the centre, kpc: one of the radii of `fit_galaxy`.
    pub radius: Kpc,
    /// The figure, in km/s, in M_sun, or without a unit.
    pub value: f64,
    /// Its standard deviation, with what its authors say of systematic errors; left out where the figure is of something else than ours, and no
    /// deviation can be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Circular speed in the plane, km/s.
    VC,
    /// Axis ratio of the surface of equal potential through the radius in the plane.
    Q,
    /// Mass within the radius, M_sun.
    Mass,
}

impl Quantity {
    /// The columns of the value and its standard deviation.
    fn columns(self) -> [&'static str; 2] {
        match self {
            Self::VC => ["v_c", "v_c_sd"],
            Self::Q => ["q", "q_sd"],
            Self::Mass => ["mass", "mass_sd"],
        }
    }
}

/// A figure, and what was found in its place.
struct Row {
    published: Published,
    found: f64,
    error: Option<f64>,
    inside: bool,
}

impl Row {
    /// The difference in standard deviations of both.
    fn deviation(&self) -> Option<f64> {
        let both = self
            .error
            .zip(self.published.error)
            .map(|(one, other)| one.hypot(other));
        both.filter(|both| *both > 0.0)
            .map(|both| (self.found - self.published.value) / both)
    }
}

/// The table `beside`.
fn layout() -> Layout<Row> {
    Layout::new()
        .text("source", "who published it", |row: &Row| &row.published.source)
        .text("quantity", "v_c in km/s, q, or mass in M_sun", |row| {
            row.published.quantity.columns()[0]
        })
        .number(("R", "kpc", "distance from the centre"), |row| {
            row.published.radius.get()
        })
        .number(("published", "", "published, in the unit of the quantity"), |row| {
            row.published.value
        })
        .number_or_none(("published_sd", "", "its standard deviation"), |row| {
            row.published.error
        })
        .number(("found", "", "found, in the unit of the quantity"), |row| row.found)
        .number_or_none(("found_sd", "", "its standard deviation"), |row| row.error)
        .number_or_none(
            ("deviation", "", "found − published, in standard deviations of both"),
            Row::deviation,
        )
        .flag("inside", "whether there are stars at that distance", |row| row.inside)
}

/// The columns that are needed.
const NEEDS: [(&str, &str); 8] = [
    ("R", "kpc"),
    ("v_c", "km/s"),
    ("v_c_sd", "km/s"),
    ("q", ""),
    ("q_sd", ""),
    ("mass", "M_sun"),
    ("mass_sd", "M_sun"),
    ("inside", ""),
];

/// Radii that differ by less than this are the same, kpc.
const SAME: f64 = 1e-6;

impl Stage for CompareGalaxy {
    const KIND: &'static str = "compare_galaxy";
    const ABOUT: &'static str = "Compare a fitted galaxy with published circular speeds, flattenings and masses";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Judge;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("galaxy", &NEEDS)]
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![OutputPort::table("beside", layout().schema())])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.published.is_empty() {
            faults.push(Fault::new("published", "needs at least one figure to compare with"));
        }
        for (place, one) in self.published.iter().enumerate() {
            if !(one.value.is_finite() && one.value > 0.0) {
                let at = format!("published.{place}.value");
                faults.push(Fault::new(&at, format!("must be positive, not {}", one.value)));
            }
            if let Some(error) = one.error.filter(|error| !(error.is_finite() && *error >= 0.0)) {
                let at = format!("published.{place}.error");
                faults.push(Fault::new(&at, format!("must not be negative, not {error}")));
            }
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("galaxy")?;
        let rows = self.published.iter().map(|published| beside(&table, published));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let farthest = rows.iter().filter_map(Row::deviation).map(f64::abs).reduce(f64::max);
        if let Some(farthest) = farthest {
            context.metric("greatest_deviation", farthest, "");
        }
        context.write_rows("beside", &layout(), &rows)?;
        Ok(Outcome::Complete)
    }
}

/// What was found where `published` was.
fn beside(table: &RecordBatch, published: &Published) -> Result<Row, StageError> {
    let radius = published.radius.get();
    let row = io::column(table, "R")?.iter().position(|r| (r - radius).abs() < SAME);
    let row = row.ok_or_else(|| {
        StageError::with_hint(
            format!(
                "input galaxy: has no row at {radius} kpc, of which {} tells",
                published.source
            ),
            "radii of fit_galaxy says where it has rows",
        )
    })?;
    let [name, error] = published.quantity.columns();
    let number = |name: &str| {
        let column = tables::optional_f64_column(table, name).map_err(StageError::failed)?;
        Ok::<_, StageError>(column.and_then(|column| column[row]))
    };
    let found =
        number(name)?.ok_or_else(|| StageError::failed(format!("input galaxy: {name} is missing at {radius} kpc")))?;
    let inside = tables::bool_column(table, "inside").map_err(StageError::failed)?;
    Ok(Row {
        published: published.clone(),
        found,
        error: number(error)?,
        inside: inside[row],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamics::streams::{AtRadius, Known};
    use serde_json::json;

    use super::*;
    use crate::learn::fit_galaxy::galaxy_table;
    use crate::testing::{faults, run, stage};

    fn galaxy() -> RecordBatch {
        let known = |value, error| Known {
            value,
            error,
            form: 0.0,
            bound: error,
            parametric: error,
        };
        let rows = [8.0, 20.0].map(|radius| {
            let at = AtRadius {
                radius,
                circular_speed: known(230.0, 3.0),
                flattening: known(0.9, f64::NAN),
                enclosed_mass: known(2e11, 1e10),
            };
            (at, radius > 10.0)
        });
        galaxy_table(&rows)
    }

    fn compared(published: serde_json::Value) -> crate::testing::Ran {
        let stage = stage::<CompareGalaxy>(json!({ "published": published }));
        run(&stage, &[("galaxy", &galaxy())], &[])
    }

    #[test]
    fn figures_stand_beside_each_other() {
        let ran = compared(json!([
            { "source": "A", "quantity": "v_c", "radius": 8, "value": 225.0, "error": 4.0 },
            { "source": "B", "quantity": "q", "radius": 20, "value": 0.8, "error": 0.1 },
            { "source": "C", "quantity": "mass", "radius": 20, "value": 2.1e11, "error": 0.0 },
            { "source": "D, of the halo alone", "quantity": "mass", "radius": 20, "value": 1e11 },
        ]))
        .completed();
        assert_eq!(ran.f64("beside", "found"), [230.0, 0.9, 2e11, 2e11]);
        let deviations = tables::optional_f64_column(&ran.tables["beside"], "deviation")
            .unwrap()
            .unwrap();
        // Without both errors there is no saying how far off it is.
        assert_eq!(deviations, [Some(1.0), None, Some(-1.0), None]);
        assert_eq!(ran.texts("beside", "quantity"), ["v_c", "q", "mass", "mass"]);
        assert_eq!(ran.metric("greatest_deviation"), 1.0);
    }

    #[test]
    fn radii_without_a_row_and_figures_that_cannot_be_are_refused() {
        let none = compared(json!([{ "source": "A", "quantity": "q", "radius": 9, "value": 0.8, "error": 0.1 }]));
        assert!(none.error().contains("no row at 9 kpc"), "{}", none.error());
        assert_eq!(faults::<CompareGalaxy>(json!({ "published": [] })).len(), 1);
        let wrong = json!([{ "source": "A", "quantity": "q", "radius": 9, "value": -1.0, "error": -0.1 }]);
        assert_eq!(faults::<CompareGalaxy>(json!({ "published": wrong })).len(), 2);
    }
}
