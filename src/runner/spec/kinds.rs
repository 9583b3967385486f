//! Stage kinds for the tests of this folder. Their bodies never run.

use std::path::PathBuf;

use arrow_schema::{DataType, Schema};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::context::StageContext;
use crate::error::StageError;
use crate::ports::{Connected, InputPort, NetworkType, OutputPort, column};
use crate::quantity::NotAQuantity;
use crate::stage::{Fault, FileParameter, Outcome, Role, Stage};

pub(crate) fn catalog() -> Catalog {
    Catalog::default()
        .with_quantities(lengths)
        .with::<Source>()
        .with::<Read>()
        .with::<Join>()
        .with::<Train>()
        .with::<Apply>()
        .with::<Draw>()
        .with::<Gather>()
}

/// Knows two lengths, a time, and how far apart the lengths are.
fn lengths(text: &str, wanted: &str) -> Result<f64, NotAQuantity> {
    let (number, unit) = text.split_once(' ').ok_or(NotAQuantity::NoQuantity)?;
    let number: f64 = number.parse().map_err(|_| NotAQuantity::NoQuantity)?;
    match (unit, wanted) {
        ("kpc", "kpc") | ("pc", "pc") => Ok(number),
        ("kpc", "pc") => Ok(number * 1000.0),
        ("pc", "kpc") => Ok(number / 1000.0),
        ("Gyr", _) => Err(NotAQuantity::OtherDimension {
            found: "a time".to_owned(),
        }),
        _ => Err(NotAQuantity::UnknownUnit {
            unit: unit.to_owned(),
            allowed: vec!["kpc".to_owned(), "pc".to_owned()],
        }),
    }
}

fn table(port: &'static str, name: &str, unit: &str) -> OutputPort {
    OutputPort::table(
        port,
        Schema::new(vec![column(name, DataType::Float64, unit, "", "a number")]),
    )
}

fn one() -> f64 {
    1.0
}

fn never() -> Result<Outcome, StageError> {
    Err(StageError::Bug("these bodies never run".to_owned()))
}

/// A table from nothing.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Source {
    /// Any text.
    text: String,
    /// Any number.
    number: f64,
    /// Seed of nothing.
    seed: u64,
    /// Any numbers.
    list: Vec<f64>,
    /// Whether so.
    flag: bool,
    /// Name of the column.
    column: String,
    /// Unit of the column.
    unit: Unit,
    /// Three numbers.
    three: [f64; 3],
    /// A small number.
    small: u8,
    /// A length.
    length: Option<Length>,
    /// What its schema does not tell.
    #[schemars(schema_with = "anything")]
    untold: bool,
}

fn anything(_: &mut SchemaGenerator) -> schemars::Schema {
    true.into()
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(extend("exclusiveMinimum" = 0, "x-noun" = "a length", "x-unit" = "kpc", "examples" = ["5 kpc"]))]
struct Length(f64);

impl TryFrom<f64> for Length {
    type Error = String;

    fn try_from(length: f64) -> Result<Self, String> {
        if length > 0.0 {
            Ok(Self(length))
        } else {
            Err("a length must be positive".to_owned())
        }
    }
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
struct Unit(String);

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.0
    }
}

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if ["kpc", "km/s"].contains(&name.as_str()) {
            Ok(Self(name))
        } else {
            Err(format!("no such unit: {name}"))
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        let (column, unit) = ("x".to_owned(), Unit("kpc".to_owned()));
        Self {
            text: String::new(),
            number: 0.0,
            seed: 0,
            list: Vec::new(),
            flag: false,
            column,
            unit,
            three: [0.0; 3],
            small: 0,
            length: None,
            untold: false,
        }
    }
}

impl Stage for Source {
    const KIND: &'static str = "source";
    const ABOUT: &'static str = "Makes a table of one column";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![table("table", &self.column, &self.unit.0)])
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

/// How [`Read`] reads.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Method {
    /// As it is.
    #[default]
    Plain,
    /// Scaled.
    Scaled {
        /// Factor.
        factor: f64,
        /// Added afterwards.
        #[serde(default)]
        offset: f64,
    },
    /// With all that it needs.
    Ready(Ready),
}

/// Parameters of [`Method::Ready`].
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Ready {
    /// Any number.
    steps: u32,
}

/// A table from a file of the user.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The file.
    path: PathBuf,
    /// Rows to skip.
    skip: u32,
    /// How.
    #[serde(default)]
    method: Method,
    /// Whether to tell more.
    #[serde(default)]
    verbose: bool,
    /// Whether to tell nothing.
    #[serde(default)]
    quiet: bool,
}

impl Stage for Read {
    const KIND: &'static str = "read";
    const ABOUT: &'static str = "Reads a file";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![table("table", "x", "kpc")])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Method::Scaled { factor, .. } = self.method
            && factor <= 0.0
        {
            let mut fault = Fault::new(
                "method.scaled.factor",
                format!("factor is {factor}, but must be above 0"),
            );
            fault.hint = Some("a usual factor is 1".to_owned());
            faults.push(fault);
        }
        if self.verbose && self.quiet {
            faults.push(Fault::new("", "verbose and quiet exclude each other"));
        }
        faults
    }

    fn files(&self) -> Vec<FileParameter> {
        vec![FileParameter {
            parameter: "path".into(),
            place: None,
            called: None,
            path: self.path.clone(),
        }]
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

/// One or two tables into two.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Join {
    /// Weight of the left table.
    #[serde(default = "one")]
    weight: f64,
    /// Whether both tables must be given.
    #[serde(default)]
    both: bool,
}

impl Stage for Join {
    const KIND: &'static str = "join";
    const ABOUT: &'static str = "Joins tables that have a column x in kpc";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = [("x", "kpc")];
        vec![
            InputPort::table("left", &needs),
            InputPort::table("right", &needs).optional(),
        ]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if self.both && !connected.contains_key("right") {
            return Err("`both` is set, but nothing is connected to `right`".to_owned());
        }
        Ok(vec![table("joined", "x", "kpc"), table("rest", "x", "kpc")])
    }

    fn check(&self) -> Vec<Fault> {
        if (0.0..=1.0).contains(&self.weight) {
            return Vec::new();
        }
        vec![Fault::new(
            "weight",
            format!("weight is {}, but must be from 0 to 1", self.weight),
        )]
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

const MAP: NetworkType = NetworkType("map");
const FIELD: NetworkType = NetworkType("field");

/// A table into a network.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Train {
    /// Whether it is a field.
    #[serde(default)]
    field: bool,
}

impl Stage for Train {
    const KIND: &'static str = "train";
    const ABOUT: &'static str = "Trains a network";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("train", &[("x", "kpc")])]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        let of = if self.field { FIELD } else { MAP };
        Ok(vec![OutputPort::network("network", of), table("history", "loss", "")])
    }

    fn gains_by_gpu(&self, _: &Connected) -> bool {
        self.field
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

/// A network and a table into a table.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Apply {}

impl Stage for Apply {
    const KIND: &'static str = "apply";
    const ABOUT: &'static str = "Applies a network";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::network("network", &[MAP]),
            InputPort::table("table", &[("x", "kpc")]),
        ]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![table("applied", "x", "kpc")])
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

/// A table into a figure.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Draw {
    /// Title of the figure.
    title: String,
}

impl Stage for Draw {
    const KIND: &'static str = "draw";
    const ABOUT: &'static str = "Draws a table";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("table", &[])]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![OutputPort::figure("figure")])
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}

/// Any number of tables.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Gather {}

impl Stage for Gather {
    const KIND: &'static str = "gather";
    const ABOUT: &'static str = "Tables";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Judge;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("tables", &[("x", "kpc")]).any_number()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![table("table", "x", "kpc")])
    }

    fn run(&self, _: &mut StageContext) -> Result<Outcome, StageError> {
        never()
    }
}
