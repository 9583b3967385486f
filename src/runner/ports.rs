//! Ports: the named, typed ends of a stage.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, Field, SchemaRef};

use crate::units;

/// What a trained network maps, and how: a name such as `actions/smooth`. It is to networks what a schema is to tables; the kinds
/// declare theirs, and here names are compared and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkType(pub &'static str);

impl NetworkType {
    /// The type of this name, one for each name for as long as the process lives: requests name few.
    pub(crate) fn named(name: &str) -> Self {
        Self(lasting(name))
    }
}

/// A name that is read from a pipeline or a request, once for as long as the process lives: they name few ports and types.
pub fn lasting(name: &str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(name) {
        return found;
    }
    let new: &'static str = name.to_owned().leak();
    known.insert(new);
    new
}

impl std::fmt::Display for NetworkType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

/// What an output port holds, and so the file it is kept in.
#[derive(Debug, Clone, PartialEq)]
pub enum Artifact {
    /// A table, kept as `<port>.parquet`; every field's metadata holds `unit` (as astropy reads it), `frame` and `description`.
    Table(SchemaRef),
    /// A trained network, kept as `<port>.safetensors`.
    Network(NetworkType),
    /// A picture, kept as `<port>.svg`.
    Figure,
    /// Anything else, kept as `<port>.<ending>`: nobody but people and commands reads it.
    File(&'static str),
}

impl Artifact {
    /// The ending of the file that holds it.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Table(_) => "parquet",
            Self::Network(_) => "safetensors",
            Self::Figure => "svg",
            Self::File(ending) => ending,
        }
    }

    /// Whether the two are the same without a look at their columns: tables share one schema.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Table(own), Self::Table(other)) => Arc::ptr_eq(own, other),
            (Self::Table(_), _) | (_, Self::Table(_)) => false,
            _ => self == other,
        }
    }

    /// A noun for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Network(_) => "network",
            Self::Figure => "figure",
            Self::File(_) => "file",
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
    pub fn table(name: &'static str, schema: impl Into<SchemaRef>) -> Self {
        Self {
            name,
            artifact: Artifact::Table(schema.into()),
        }
    }

    /// A network output.
    pub fn network(name: &'static str, of: NetworkType) -> Self {
        Self {
            name,
            artifact: Artifact::Network(of),
        }
    }

    /// A figure output.
    pub fn figure(name: &'static str) -> Self {
        Self {
            name,
            artifact: Artifact::Figure,
        }
    }

    /// A file of this ending.
    pub fn file(name: &'static str, ending: &'static str) -> Self {
        Self {
            name,
            artifact: Artifact::File(ending),
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
    /// A trained network of one of these types.
    Network(&'static [NetworkType]),
    /// Whatever a stage gives.
    Anything,
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
    /// What the second, third, … are called in a context and in the fingerprint, where a list of outputs may be connected.
    pub others: &'static [&'static str],
    /// Whether a list may have any number of them: `p`, `p.2`, `p.3` and so on.
    pub any_number: bool,
}

impl InputPort {
    /// A required table with at least `needs`, given as (column, unit).
    pub fn table(name: &'static str, needs: &[(&'static str, &'static str)]) -> Self {
        let needs = needs.iter().map(|&(name, unit)| Need { name, unit }).collect();
        Self {
            name,
            accepts: Accepts::Table(needs),
            optional: false,
            others: &[],
            any_number: false,
        }
    }

    /// A required network of one of the types `of`.
    pub fn network(name: &'static str, of: &'static [NetworkType]) -> Self {
        Self {
            name,
            accepts: Accepts::Network(of),
            optional: false,
            others: &[],
            any_number: false,
        }
    }

    /// A required input of whatever a stage gives.
    pub fn anything(name: &'static str) -> Self {
        Self {
            name,
            accepts: Accepts::Anything,
            optional: false,
            others: &[],
            any_number: false,
        }
    }

    /// The same port, for a list: the first has the name of the port, the others these.
    pub fn repeated(mut self, others: &'static [&'static str]) -> Self {
        self.others = others;
        self
    }

    /// The same port, for a list of any length.
    pub fn any_number(mut self) -> Self {
        self.any_number = true;
        self
    }

    /// The name of the item at `item` of a list, or of what is connected without one.
    pub fn name_of(&self, item: Option<usize>) -> Option<&'static str> {
        match item {
            None | Some(0) => Some(self.name),
            Some(item) if self.any_number => Some(lasting(&format!("{}.{}", self.name, item + 1))),
            Some(item) => self.others.get(item - 1).copied(),
        }
    }

    /// Whether one of its names is this.
    pub fn is_called(&self, name: &str) -> bool {
        let number = || name.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('.'));
        name == self.name || self.others.contains(&name) || self.any_number && number().is_some()
    }

    /// All its names, of which as many are used as are connected; of a list of any length the first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.others.iter().copied())
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

/// The type of the network connected to `port`, if one is.
pub fn connected_network(connected: &Connected, port: &str) -> Option<NetworkType> {
    match connected.get(port) {
        Some(Artifact::Network(of)) => Some(*of),
        _ => None,
    }
}

/// A required column with its unit, frame and description in the metadata; the unit in the spelling of files ([`units::standard`]).
pub fn column(name: &str, data_type: DataType, unit: &str, frame: &str, description: &str) -> Field {
    let unit = units::standard(unit);
    let pairs = [("unit", unit.as_str()), ("frame", frame), ("description", description)];
    let metadata: HashMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Field::new(name, data_type, false).with_metadata(metadata)
}

/// The unit that a field's metadata states, as we write it; `""` if none.
pub fn unit_of(field: &Field) -> String {
    field
        .metadata()
        .get("unit")
        .map(|unit| units::plain(unit))
        .unwrap_or_default()
}
