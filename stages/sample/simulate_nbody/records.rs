//! The table `diagnostics`: what a simulation conserves, or ought to, over time.

use dynamics::nbody::Simulation;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use tables::{RecordBatch, Values};

use crate::common::columns::{Column, TIME};
use crate::common::io;

const fn of_particles(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "",
        description,
    }
}

const fn component(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "galactocentric",
        description,
    }
}

const ENERGY: &str = "M_sun (km/s)^2";
const MOMENTUM: &str = "M_sun km/s";
const ANGULAR_MOMENTUM: &str = "M_sun km/s kpc";

/// Parts of the mass whose radii are recorded.
const FRACTIONS: [f64; 7] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
/// Where the columns begin.
const KINETIC: usize = 1;
const TOTAL: usize = 3;
const ENERGY_ERROR: usize = 4;
const VIRIAL: usize = 5;
const MOMENTA: usize = 6;
const ANGULAR_MOMENTA: usize = 9;
const HALF_MASS: usize = 18;

const COLUMNS: [Column; 22] = [
    TIME,
    of_particles("kinetic", ENERGY, "sum of m v^2 / 2"),
    of_particles("potential", ENERGY, "half the sum of m Phi, softened"),
    of_particles("energy", ENERGY, "kinetic + potential"),
    of_particles(
        "energy_error",
        "",
        "change of the energy since the first row, relative to it",
    ),
    of_particles(
        "virial_ratio",
        "",
        "-2 T / sum of m x.a: 1 in equilibrium, softened or not",
    ),
    component("momentum_x", MOMENTUM, "sum of m vx"),
    component("momentum_y", MOMENTUM, "sum of m vy"),
    component("momentum_z", MOMENTUM, "sum of m vz"),
    component("angular_momentum_x", ANGULAR_MOMENTUM, "sum of m (y vz - z vy)"),
    component("angular_momentum_y", ANGULAR_MOMENTUM, "sum of m (z vx - x vz)"),
    component("angular_momentum_z", ANGULAR_MOMENTUM, "sum of m (x vy - y vx)"),
    component("centre_x", "kpc", "centre of mass, x"),
    component("centre_y", "kpc", "centre of mass, y"),
    component("centre_z", "kpc", "centre of mass, z"),
    of_particles(
        "r_1",
        "kpc",
        "radius about the centre of mass that holds 1 % of the mass",
    ),
    of_particles("r_10", "kpc", "radius that holds 10 % of the mass"),
    of_particles("r_25", "kpc", "radius that holds 25 % of the mass"),
    of_particles("r_50", "kpc", "radius that holds 50 % of the mass"),
    of_particles("r_75", "kpc", "radius that holds 75 % of the mass"),
    of_particles("r_90", "kpc", "radius that holds 90 % of the mass"),
    of_particles("r_99", "kpc", "radius that holds 99 % of the mass"),
];

/// The schema of the table.
pub fn schema() -> Schema {
    Schema::new(COLUMNS.iter().map(Column::field).collect::<Vec<_>>())
}

/// Its rows so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    rows: Vec<[f64; COLUMNS.len()]>,
}

impl Records {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row for `simulation` as it stands.
    pub fn add(&mut self, simulation: &Simulation) {
        let found = simulation.diagnostics();
        let radii = simulation.lagrangian_radii(&FRACTIONS);
        let energy = found.energy();
        let first = self.rows.first().map_or(energy, |row| row[TOTAL]);
        // Massless particles have no energy to be relative to.
        let error = if first == 0.0 {
            0.0
        } else {
            (energy - first) / first.abs()
        };
        let head = [
            simulation.time(),
            found.kinetic,
            found.potential,
            energy,
            error,
            found.virial_ratio(),
        ];
        let vectors = [found.momentum, found.angular_momentum, found.centre];
        let values = head.into_iter().chain(vectors.into_iter().flatten()).chain(radii);
        let mut row = [0.0; COLUMNS.len()];
        row.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        self.rows.push(row);
    }

    /// The table's columns.
    pub fn columns(&self) -> Vec<(&'static str, Values)> {
        let values = |index: usize| self.rows.iter().map(|row| row[index]).collect::<Vec<_>>().into();
        COLUMNS
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name, values(index)))
            .collect()
    }

    /// The first `count` rows of a table, or all.
    pub fn from_table(table: &RecordBatch, count: usize) -> Result<Self, StageError> {
        let columns = io::columns(table, &COLUMNS)?;
        let rows = (0..table.num_rows().min(count)).map(|row| columns.map(|column| column[row]));
        Ok(Self { rows: rows.collect() })
    }

    /// Keeps what matters as metrics.
    ///
    /// Momentum is relative to √(2 T M), the mass times the root mean square speed; angular momentum to that times the
    /// half-mass radius.
    pub fn tell(&self, context: &StageContext, mass: f64) {
        let (Some(first), Some(last)) = (self.rows.first(), self.rows.last()) else {
            return;
        };
        let scale = (2.0 * first[KINETIC] * mass).sqrt();
        let largest = |value: &dyn Fn(&[f64; COLUMNS.len()]) -> f64| self.rows.iter().map(value).fold(0.0, f64::max);
        let drift = |row: &[f64; COLUMNS.len()], from: usize| {
            (from..from + 3)
                .map(|i| (row[i] - first[i]).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        context.metric("largest_energy_error", largest(&|row| row[ENERGY_ERROR].abs()), "");
        context.metric("final_energy_error", last[ENERGY_ERROR], "");
        context.metric(
            "largest_momentum_error",
            largest(&|row| drift(row, MOMENTA) / scale),
            "",
        );
        let spin = scale * first[HALF_MASS];
        context.metric(
            "largest_angular_momentum_error",
            largest(&|row| drift(row, ANGULAR_MOMENTA) / spin),
            "",
        );
        context.metric("initial_half_mass_radius", first[HALF_MASS], "kpc");
        context.metric("final_half_mass_radius", last[HALF_MASS], "kpc");
        context.metric("final_virial_ratio", last[VIRIAL], "");
    }
}
