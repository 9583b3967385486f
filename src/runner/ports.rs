//! Ports: the named, typed ends of a stage.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// What an output port holds, and so the file it is kept in.
#[derive(Debug, Clone, PartialEq)]
pub enum Artifact {
    /// A table, kept as `<port>.parquet`; every field's metadata holds `unit`, `frame` and `description`.
    Table(SchemaRef),
    /// A trained network, kept as `<port>.safetensors`.
    Network,
    /// A picture, kept as `<port>.svg`.
    Figure,
}

impl Artifact {
    /// The ending of the file that holds it.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Table(_) => "parquet",
            Self::Network => "safetensors",
            Self::Figure => "svg",
        }
    }

    /// A noun for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Network => "network",
            Self::Figure => "figure",
        }
    }
}

/// One output of a stage. The first of a stage's outputs is the one meant when a reference names only the stage.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputPort {
    /// Name used after the dot in `stage.port`.
    pub name: &'static str,
    /// What it holds.
    pub artifact: Artifact,
}

impl OutputPort {
    /// A table output.
    pub fn table(name: &'static str, schema: Schema) -> Self {
        Self {
            name,
            artifact: Artifact::Table(Arc::new(schema)),
        }
    }

    /// A network output.
    pub fn network(name: &'static str) -> Self {
        Self {
            name,
            artifact: Artifact::Network,
        }
    }

    /// A figure output.
    pub fn figure(name: &'static str) -> Self {
        Self {
            name,
            artifact: Artifact::Figure,
        }
    }
}

/// A column that an input table must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Column name.
    pub name: &'static str,
    /// Unit its metadata must state; `""` for a pure number.
    pub unit: &'static str,
}

/// What an input port accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// A table with at least these columns in these units.
    Table(Vec<Need>),
    /// A trained network.
    Network,
}

/// One input of a stage, filled by `from: { port: stage.output }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPort {
    /// Name used in `from`.
    pub name: &'static str,
    /// What may be connected.
    pub accepts: Accepts,
    /// Whether the stage can run without it.
    pub optional: bool,
}

impl InputPort {
    /// A required table with at least `needs`, given as (column, unit).
    pub fn table(name: &'static str, needs: &[(&'static str, &'static str)]) -> Self {
        let needs = needs.iter().map(|&(name, unit)| Need { name, unit }).collect();
        Self {
            name,
            accepts: Accepts::Table(needs),
            optional: false,
        }
    }

    /// A required network.
    pub fn network(name: &'static str) -> Self {
        Self {
            name,
            accepts: Accepts::Network,
            optional: false,
        }
    }

    /// The same port, not required.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// What is connected to a stage's inputs at plan time, by input port.
pub type Connected = BTreeMap<&'static str, Artifact>;

/// At most so many streams a table has, and stars in each of them, as far as that is known before anything runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Most {
    /// Streams.
    pub streams: Option<u64>,
    /// Stars in a stream.
    pub stars: Option<u64>,
}

/// What is known of the tables at some ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(Vec<(&'static str, Most)>);

impl Counts {
    /// One port.
    pub fn of(port: &'static str, most: Most) -> Self {
        Self(vec![(port, most)])
    }

    /// These and one port more.
    pub fn and(mut self, port: &'static str, most: Most) -> Self {
        self.0.push((port, most));
        self
    }

    /// What is known of the table at `port`.
    pub fn at(&self, port: &str) -> Most {
        let known = self.0.iter().find(|(name, _)| *name == port);
        known.map_or_else(Most::default, |(_, most)| *most)
    }
}

/// The schema connected to `port`, if a table is connected there.
pub fn connected_schema<'a>(connected: &'a Connected, port: &str) -> Option<&'a SchemaRef> {
    match connected.get(port) {
        Some(Artifact::Table(schema)) => Some(schema),
        _ => None,
    }
}

/// A required column with its unit, frame and description in the metadata.
pub fn column(name: &str, data_type: DataType, unit: &str, frame: &str, description: &str) -> Field {
    let pairs = [("unit", unit), ("frame", frame), ("description", description)];
    let metadata: HashMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Field::new(name, data_type, false).with_metadata(metadata)
}

/// The unit that a field's metadata states; `""` if none.
pub fn unit_of(field: &Field) -> &str {
    field.metadata().get("unit").map_or("", String::as_str)
}
