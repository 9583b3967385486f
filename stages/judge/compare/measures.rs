//! The quantities that can be compared.

use runner::arrow_schema::{DataType, Schema};
use runner::ports::{column, unit_of};

use super::PaperFigures;
use crate::common::columns::{self, ACCELERATION, ACTIONS, ANGLES, Column, FREQUENCIES, POSITION, VELOCITY};

/// A quantity with its components.
#[derive(Clone, Copy)]
pub struct Measure {
    pub name: &'static str,
    pub columns: &'static [Column],
    pub components: &'static [&'static str],
    pub unit: &'static str,
    pub paper: fn(&PaperFigures) -> Option<f64>,
}

const CYLINDRICAL: &[&str] = &["phi", "z", "r"];
const CARTESIAN: &[&str] = &["x", "y", "z"];

/// The only component of a line-of-sight velocity.
const V_LOS: [Column; 1] = [crate::apply::recover_velocities::V_LOS];

/// All of them.
pub const MEASURES: [Measure; 7] = [
    Measure {
        name: "delta_J",
        columns: &ACTIONS,
        components: CYLINDRICAL,
        unit: "km/s kpc",
        paper: |paper| paper.delta_J.map(f64::from),
    },
    Measure {
        name: "delta_theta",
        columns: &ANGLES,
        components: CYLINDRICAL,
        unit: "deg",
        paper: |paper| paper.delta_theta.map(f64::from),
    },
    Measure {
        name: "delta_x",
        columns: &POSITION,
        components: CARTESIAN,
        unit: "kpc",
        paper: |paper| paper.delta_x.map(f64::from),
    },
    Measure {
        name: "delta_v",
        columns: &VELOCITY,
        components: CARTESIAN,
        unit: "km/s",
        paper: |paper| paper.delta_v.map(f64::from),
    },
    Measure {
        name: "delta_a",
        columns: &ACCELERATION,
        components: CARTESIAN,
        unit: "%",
        paper: |paper| paper.delta_a.map(f64::from),
    },
    Measure {
        name: "delta_Omega",
        columns: &FREQUENCIES,
        components: CYLINDRICAL,
        unit: "km/s/kpc",
        paper: |_| None,
    },
    Measure {
        name: "delta_v_los",
        columns: &V_LOS,
        components: &["los"],
        unit: "km/s",
        paper: |_| None,
    },
];

/// The measures whose columns are in both tables, in their unit.
pub fn common(predicted: &Schema, truth: &Schema) -> Vec<Measure> {
    let has = |schema: &Schema, column: &Column| {
        schema
            .column_with_name(column.name)
            .is_some_and(|(_, field)| unit_of(field) == column.unit)
    };
    let in_both = |measure: &Measure| measure.columns.iter().all(|c| has(predicted, c) && has(truth, c));
    MEASURES.into_iter().filter(in_both).collect()
}

/// The columns of the output `residuals`.
pub fn residuals_schema(measures: &[Measure]) -> Schema {
    let fields = measures.iter().flat_map(|measure| {
        measure.columns.iter().map(|c| {
            let description = format!("predicted - true: {}", c.description);
            column(c.name, DataType::Float64, measure.unit, c.frame, &description)
        })
    });
    Schema::new(columns::identity().into_iter().chain(fields).collect::<Vec<_>>())
}
