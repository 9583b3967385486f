//! The columns of every table: name, unit, frame, description, said once.

use std::sync::{PoisonError, RwLock};

use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::{Artifact, Connected, OutputPort, column, connected_schema};

/// A required column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in tables.
    pub name: &'static str,
    /// Unit string.
    pub unit: &'static str,
    /// `galactocentric`, `heliocentric` or `""`.
    pub frame: &'static str,
    /// One line.
    pub description: &'static str,
}

impl Column {
    /// The Arrow field, f64 and not null.
    pub fn field(&self) -> Field {
        column(self.name, DataType::Float64, self.unit, self.frame, self.description)
    }
}

const fn galactocentric(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "galactocentric",
        description,
    }
}

/// A column of what is seen from the Sun.
pub(crate) const fn heliocentric(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "heliocentric",
        description,
    }
}

impl From<(&'static str, &'static str, &'static str)> for Column {
    /// Name, unit and description of numbers that belong to no frame.
    fn from((name, unit, description): (&'static str, &'static str, &'static str)) -> Self {
        Self {
            name,
            unit,
            frame: "",
            description,
        }
    }
}

/// Time along the orbit.
pub const TIME: Column = Column {
    name: "t",
    unit: "Gyr",
    frame: "",
    description: "time along the orbit",
};

/// Positions.
pub const POSITION: [Column; 3] = [
    galactocentric(
        "x",
        "kpc",
        "position along x; the Sun is at −R0, with side: plus_x at +R0",
    ),
    galactocentric(
        "y",
        "kpc",
        "position along y, in which direction the Galaxy turns at the Sun",
    ),
    galactocentric("z", "kpc", "height above the plane"),
];

/// Velocities.
pub const VELOCITY: [Column; 3] = [
    galactocentric("vx", "km/s", "velocity along x"),
    galactocentric("vy", "km/s", "velocity along y"),
    galactocentric("vz", "km/s", "velocity along z"),
];

/// Positions, then velocities.
pub const CARTESIAN: [Column; 6] = [
    POSITION[0],
    POSITION[1],
    POSITION[2],
    VELOCITY[0],
    VELOCITY[1],
    VELOCITY[2],
];

/// Accelerations.
pub const ACCELERATION: [Column; 3] = [
    galactocentric("ax", "(km/s)^2/kpc", "acceleration along x"),
    galactocentric("ay", "(km/s)^2/kpc", "acceleration along y"),
    galactocentric("az", "(km/s)^2/kpc", "acceleration along z"),
];

/// Actions, in the order φ, z, r.
pub const ACTIONS: [Column; 3] = [
    galactocentric(
        "J_phi",
        "km/s kpc",
        "azimuthal action x vy − y vx, below 0 for stars that rotate with the Galaxy, with side: plus_x above",
    ),
    galactocentric("J_z", "km/s kpc", "vertical action"),
    galactocentric("J_r", "km/s kpc", "radial action"),
];

/// Angles, in the order φ, z, r.
pub const ANGLES: [Column; 3] = [
    galactocentric("theta_phi", "rad", "azimuthal angle, in [0, 2 pi), from x to y"),
    galactocentric("theta_z", "rad", "vertical angle, in [0, 2 pi)"),
    galactocentric("theta_r", "rad", "radial angle, in [0, 2 pi), 0 at pericentre"),
];

/// Frequencies, in the order φ, z, r.
pub const FREQUENCIES: [Column; 3] = [
    galactocentric("Omega_phi", "km/s/kpc", "azimuthal frequency, of the sign of J_phi"),
    galactocentric("Omega_z", "km/s/kpc", "vertical frequency"),
    galactocentric("Omega_r", "km/s/kpc", "radial frequency"),
];

/// Standard deviations of actions.
pub const ACTIONS_SD: [Column; 3] = [
    galactocentric("J_phi_sd", "km/s kpc", "standard deviation of J_phi"),
    galactocentric("J_z_sd", "km/s kpc", "standard deviation of J_z"),
    galactocentric("J_r_sd", "km/s kpc", "standard deviation of J_r"),
];

/// Standard deviations of angles.
pub const ANGLES_SD: [Column; 3] = [
    galactocentric(
        "theta_phi_sd",
        "rad",
        "standard deviation of theta_phi, around the circle",
    ),
    galactocentric("theta_z_sd", "rad", "standard deviation of theta_z, around the circle"),
    galactocentric("theta_r_sd", "rad", "standard deviation of theta_r, around the circle"),
];

/// Standard deviations of frequencies.
pub const FREQUENCIES_SD: [Column; 3] = [
    galactocentric("Omega_phi_sd", "km/s/kpc", "standard deviation of Omega_phi"),
    galactocentric("Omega_z_sd", "km/s/kpc", "standard deviation of Omega_z"),
    galactocentric("Omega_r_sd", "km/s/kpc", "standard deviation of Omega_r"),
];

/// What is observed of a star.
pub const OBSERVABLES: [Column; 6] = [
    heliocentric("distance", "kpc", "distance from the Sun"),
    heliocentric("l", "deg", "Galactic longitude"),
    heliocentric("b", "deg", "Galactic latitude"),
    heliocentric("v_los", "km/s", "line-of-sight velocity relative to the Sun"),
    heliocentric(
        "mu_l_cosb",
        "mas/yr",
        "proper motion in Galactic longitude, times cos b",
    ),
    heliocentric("mu_b", "mas/yr", "proper motion in Galactic latitude"),
];

/// How well actions are known.
pub const J_ERROR: Column = Column {
    name: "J_error",
    unit: "km/s kpc",
    frame: "",
    description: "estimated error of the actions",
};

/// Energy per mass.
pub const ENERGY: Column = galactocentric("energy", "(km/s)^2", "energy per mass");

/// The stream of a star.
pub const STREAM: &str = "stream";

/// The number of a star in its stream.
pub const STAR: &str = "star";

/// [`STREAM`] and [`STAR`], which name a row.
pub fn identity() -> [Field; 2] {
    [
        column(
            STREAM,
            DataType::Int64,
            "",
            "",
            "number of the stream; a stream is one orbit",
        ),
        column(STAR, DataType::Int64, "", "", "number of the star in its stream"),
    ]
}

/// Name of a stream, where streams have names.
pub const NAME: &str = "name";

/// The column [`NAME`]; empty where streams have numbers.
pub fn name() -> Field {
    column(
        NAME,
        DataType::Utf8,
        "",
        "",
        "name of the stream, where streams have names",
    )
    .with_nullable(true)
}

/// The same outputs, their tables of streams with the column [`NAME`] where one of the tables connected has it. [`crate::common::io`] fills it.
pub fn named(mut outputs: Vec<OutputPort>, connected: &Connected) -> Vec<OutputPort> {
    let has = |schema: &Schema, column| schema.column_with_name(column).is_some();
    let mut tables = connected.keys().filter_map(|port| connected_schema(connected, port));
    if tables.any(|schema| has(schema, NAME)) {
        for output in &mut outputs {
            if let Artifact::Table(schema) = &mut output.artifact
                && has(schema, "stream")
                && !has(schema, NAME)
            {
                let fields = schema.fields().iter().cloned().chain([name().into()]);
                *schema = Schema::new(fields.collect::<Vec<_>>()).into();
            }
        }
    }
    outputs
}

/// A table of `stream`, `star` and columns. Of each set of columns there is one for all stages: a sweep may ask for a hundred thousand.
pub fn stars(groups: &[&[Column]]) -> Schema {
    static MADE: RwLock<Vec<(Vec<Column>, Schema)>> = RwLock::new(Vec::new());
    let columns = || groups.iter().copied().flatten();
    let known = MADE.read().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, schema)) = known.iter().find(|(known, _)| known.iter().eq(columns())) {
        return schema.clone();
    }
    drop(known);
    let fields = identity().into_iter().chain(columns().map(Column::field));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let mut known = MADE.write().unwrap_or_else(PoisonError::into_inner);
    known.push((columns().copied().collect(), schema.clone()));
    schema
}

/// Whether a table has these columns.
pub fn has(schema: &Schema, columns: &[Column]) -> bool {
    columns
        .iter()
        .all(|column| schema.column_with_name(column.name).is_some())
}

/// Names of columns and their unit, for messages.
pub fn named_all(groups: &[&[Column]]) -> String {
    let names = groups.iter().map(|group| {
        let names: Vec<&str> = group.iter().map(|column| column.name).collect();
        names.join(" ")
    });
    names.collect::<Vec<_>>().join(" ")
}

/// The needs of an input port: `stream`, `star` and columns.
pub fn needs(groups: &[&[Column]]) -> Vec<(&'static str, &'static str)> {
    let columns = groups
        .iter()
        .flat_map(|group| group.iter().map(|column| (column.name, column.unit)));
    [("stream", ""), ("star", "")].into_iter().chain(columns).collect()
}

/// Whether the search for a star's actions ended.
pub const CONVERGED: &str = "converged";

/// Whether a star is where its network was trained.
pub const INSIDE: &str = "inside";

/// What [`INSIDE`] says.
pub const INSIDE_MEANS: &str =
    "whether its toy actions lie where the network was trained; missing where that is not known";

/// Whether its actions and frequencies are those of an orbit.
pub const PHYSICAL: &str = "physical";

/// Whether a star's prediction is to be believed.
pub fn trust() -> [Field; 3] {
    let flag = |name, description| column(name, DataType::Boolean, "", "", description);
    [
        flag(CONVERGED, "whether the search for its actions ended"),
        flag(INSIDE, INSIDE_MEANS).with_nullable(true),
        flag(
            PHYSICAL,
            "whether J_z and J_r are not negative, and Omega_z and Omega_r, where there are any, positive",
        ),
    ]
}
