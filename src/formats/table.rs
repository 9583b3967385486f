//! What is read of a file: the same of every format.

use std::path::Path;

use arrow::array::ArrayRef;

use crate::cells::{Cells, Labels, Numbers, Role, clipped};
use crate::error::FormatError;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, whole or not.
    Numbers,
    /// Texts: those of numbers are numbers, too.
    Texts,
    /// What is neither, by the noun of a message: "truth values".
    Other(&'static str),
}

/// Values that are true or false.
pub(crate) const FLAGS: &str = "truth values";

impl Column {
    /// The unit that the file states, as [`Table::unit`].
    pub fn stated_unit(&self) -> Option<&str> {
        self.unit.as_deref().and_then(said)
    }

    /// Whether it can be kept as it is.
    pub fn can_be_kept(&self) -> bool {
        matches!(self.kind, Kind::Numbers | Kind::Texts | Kind::Other(FLAGS))
    }
}

/// A column as the file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; `name[0]`, `name[1]`, … where each row holds several numbers.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Its unit as the file spells it.
    pub unit: Option<String>,
    /// What the file says about it.
    pub description: Option<String>,
}

impl Column {
    /// An error if the column cannot be read as `role`.
    pub(crate) fn expect(&self, path: &Path, role: Role) -> Result<(), FormatError> {
        let wanted = match role {
            Role::Number => "numbers",
            Role::Label => "numbers or names",
            Role::Kept => "numbers, texts or truth values",
        };
        match self.kind {
            Kind::Numbers | Kind::Texts => Ok(()),
            Kind::Other(FLAGS) if role == Role::Kept => Ok(()),
            Kind::Other(noun) => Err(FormatError::unfit(format!(
                "{}: column {} holds {noun}, not {wanted}",
                path.display(),
                clipped(&self.name)
            ))),
        }
    }
}

/// A column of the file, by its name, and what it is read as.
pub type Wanted<'a> = (&'a str, Role);

/// Some columns of a file.
#[derive(Default)]
pub struct Table {
    /// In the order in which they were wanted.
    pub columns: Vec<(String, Cells)>,
    /// Number of rows.
    pub rows: usize,
    /// Rows of the file that come before them.
    pub first: usize,
    /// Rows that are none, and why.
    pub odd_rows: Vec<(usize, String)>,
    /// Units that the file states, by column.
    pub units: Vec<(String, String)>,
    /// What there is to say about the file.
    pub notes: Vec<String>,
}

impl Table {
    /// A column that was read as numbers.
    pub fn numbers(&self, name: &str) -> Option<&Numbers> {
        self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Numbers(numbers) if column == name => Some(numbers),
            _ => None,
        })
    }

    /// A column that was read as labels.
    pub fn labels(&self, name: &str) -> Option<&Labels> {
        self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Labels(labels) if column == name => Some(labels),
            _ => None,
        })
    }

    /// A column that was kept as it is.
    pub fn kept(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Kept(array) if column == name => Some(array),
            _ => None,
        })
    }

    /// The unit that the file states for a column.
    pub fn unit(&self, name: &str) -> Option<&str> {
        let stated = self.units.iter().find(|(column, _)| column == name);
        stated.and_then(|(_, unit)| said(unit))
    }
}

/// A unit as it is written in a file, without the words for none.
fn said(unit: &str) -> Option<&str> {
    let is_none = ["", "-", "--", "---", "None", "none", "unitless", "dimensionless"].contains(&unit.trim());
    (!is_none).then_some(unit.trim())
}

/// Places of the wanted columns among those there are. One that is not there, or is there twice, is an error.
pub(crate) fn places(path: &Path, wanted: &[Wanted], there: &[&str]) -> Result<Vec<usize>, FormatError> {
    expect_columns(path, wanted, there)?;
    let mut places = Vec::with_capacity(wanted.len());
    for (name, _) in wanted {
        let mut found = (0..there.len()).filter(|&place| there[place] == *name);
        places.extend(found.next());
        if let Some(second) = found.next() {
            let first = places.last().map_or(0, |place| place + 1);
            return Err(FormatError::with_hint(
                format!(
                    "{} has the column {name} twice: columns {first} and {}",
                    path.display(),
                    second + 1
                ),
                "give one of them another name",
            ));
        }
    }
    Ok(places)
}

/// Names that a message shows.
const SHOWN: usize = 20;

/// Some of the names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| clipped(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// An error with the columns that there are, if some are not.
fn expect_columns(path: &Path, wanted: &[Wanted], there: &[&str]) -> Result<(), FormatError> {
    let mut missing: Vec<&str> = Vec::new();
    for (name, _) in wanted {
        if !there.contains(name) && !missing.contains(name) {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    // Upper case and underscores are what names differ in most; of short names nothing else may differ.
    let plain = |name: &str| {
        let letters = name.chars().take(SHOWN * 4).filter(|c| c.is_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let there_plain: Vec<String> = there.iter().take(1000).map(|name| plain(name)).collect();
    let similar = |name: &str| {
        let wanted = plain(name);
        let distances = there_plain
            .iter()
            .map(|other| strsim::damerau_levenshtein(&wanted, other));
        let (distance, place) = distances.zip(0..).min()?;
        (distance <= name.chars().count() / 3)
            .then(|| format!("did you mean {} instead of {name}?", clipped(there[place])))
    };
    let mut hints: Vec<String> = missing.iter().take(SHOWN).filter_map(|name| similar(name)).collect();
    hints.push(format!("columns there are: {}", listed(there)));
    Err(FormatError::with_hint(
        format!("{} has no {noun} {}", path.display(), listed(&missing)),
        hints.join("; "),
    ))
}
