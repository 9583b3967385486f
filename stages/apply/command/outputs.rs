//! What a command gives: as the pipeline says it, and as it is checked when the command has ended.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Float64Type, Int64Type};
use formats::{Format, How, Role as ReadAs};
use indexmap::IndexMap;
use runner::arrow_schema::{DataType, Field, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Artifact, Connected, column, connected_schema, lasting, unit_of};
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::Values;

use super::folder::WorkingFolder;
use super::{Command, TableFormat};
use crate::common::columns::{NAME, STAR, STREAM};
use crate::common::io::{TableContext, count_rows};
use crate::common::units;

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A table, of which every column is declared.
    Table(TableOutput),
    /// A picture, in SVG.
    Figure,
    /// Any other file; nothing in it is checked.
    File(FileOutput),
}

/// The columns and rows of a table: those of an input and more, or its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TableOutput {
    /// The input whose columns it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Columns of that input which it has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Columns that it has besides, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub add: IndexMap<String, NewColumn>,
    /// All its columns by name, where it is like no input.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, NewColumn>,
    /// How many rows it has, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

/// A number of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// As many as this input.
    As(String),
    /// So many.
    Count(u64),
}

/// A column. Its unit is stated here, as the command need not know of units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewColumn {
    /// What its values are.
    pub r#type: ColumnType,
    /// Its unit; nothing for a pure number.
    pub unit: String,
    /// The frame of reference that its values belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Frame>,
    /// What it is, in one line.
    pub description: String,
    /// Whether values may be missing. A number that is NaN is missing; where none may be, that is an error.
    pub missing: bool,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Numbers.
    #[default]
    Float,
    /// Whole numbers.
    Integer,
    /// Texts.
    Text,
    /// Truth values.
    Boolean,
}

/// A frame of reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// About the centre of the Galaxy.
    Galactocentric,
    /// Seen from the Sun.
    Heliocentric,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileOutput {
    /// The ending of its name.
    pub ending: String,
}

impl Default for FileOutput {
    fn default() -> Self {
        Self {
            ending: "txt".to_owned(),
        }
    }
}

impl ColumnType {
    fn data_type(self) -> DataType {
        match self {
            Self::Float => DataType::Float64,
            Self::Integer => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
        }
    }

    /// That of a column of ours.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        [Self::Float, Self::Integer, Self::Text, Self::Boolean]
            .into_iter()
            .find(|this| this.data_type() == *data_type)
    }
}

impl NewColumn {
    fn field(&self, name: &str) -> Field {
        let unit = units::spelled(&self.unit).unwrap_or(&self.unit);
        let frame = match self.frame {
            None => "",
            Some(Frame::Galactocentric) => "galactocentric",
            Some(Frame::Heliocentric) => "heliocentric",
        };
        column(name, self.r#type.data_type(), unit, frame, &self.description).with_nullable(self.missing)
    }

    fn faults(&self, name: &str, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let measures = self.r#type == ColumnType::Float || self.r#type == ColumnType::Integer;
        if units::spelled(&self.unit).is_none() {
            let mut fault = Fault::new(
                &format!("{at}.unit"),
                format!("\"{}\" is not a unit that is understood", self.unit),
            );
            fault.hint = Some("units are such as kpc, km/s, mas/yr, km/s kpc".to_owned());
            faults.push(fault);
        } else if !measures && !self.unit.is_empty() {
            faults.push(Fault::new(&format!("{at}.unit"), "only numbers have a unit"));
        }
        let fixed = [
            (STREAM, ColumnType::Integer, "integer"),
            (STAR, ColumnType::Integer, "integer"),
            (NAME, ColumnType::Text, "text"),
        ];
        if let Some((_, _, word)) = fixed.iter().find(|(known, of, _)| *known == name && *of != self.r#type) {
            let message = format!("a column called `{name}` has `type: {word}`, as in all tables");
            faults.push(Fault::new(at, message));
        }
        faults
    }
}

impl Output {
    /// What it holds, given what is connected; or why that cannot be, beginning with the path of the parameter below the output.
    pub(super) fn artifact(&self, connected: &Connected) -> Result<Artifact, String> {
        match self {
            Self::Figure => Ok(Artifact::Figure),
            Self::File(file) => Ok(Artifact::File(lasting(&file.ending))),
            Self::Table(table) => Ok(Artifact::Table(Arc::new(table.schema(connected)?))),
        }
    }

    /// What is wrong with its parameters.
    pub(super) fn faults(&self, at: &str) -> Vec<Fault> {
        match self {
            Self::Figure => Vec::new(),
            Self::Table(table) => table.faults(&format!("{at}.table")),
            Self::File(FileOutput { ending }) => {
                let letters = ending.chars().all(|letter| letter.is_ascii_alphanumeric());
                if letters && (1..=16).contains(&ending.len()) {
                    return Vec::new();
                }
                let mut fault = Fault::new(&format!("{at}.file.ending"), "cannot end the name of a file");
                fault.hint = Some("write letters and digits, without the point: `ending: json`".to_owned());
                vec![fault]
            }
        }
    }
}

impl TableOutput {
    fn schema(&self, connected: &Connected) -> Result<Schema, String> {
        let (mut fields, mut metadata) = (Vec::new(), Default::default());
        if let Some(like) = &self.like {
            let Some(schema) = connected_schema(connected, like) else {
                return Err(format!("table.like: no table is connected to `{like}`"));
            };
            for (place, name) in self.drop.iter().enumerate() {
                if schema.column_with_name(name).is_none() {
                    return Err(format!("table.drop.{place}: `{like}` has no column {name}"));
                }
            }
            let stays = |field: &&Arc<Field>| !self.drop.contains(field.name());
            fields.extend(schema.fields().iter().filter(stays).cloned());
            metadata = schema.metadata().clone();
        }
        for (name, column) in self.add.iter().chain(&self.columns) {
            if fields.iter().any(|field| field.name() == name) {
                let like = self.like.as_deref().unwrap_or_default();
                return Err(format!(
                    "table.add.{name}: `{like}` has a column {name}; drop it, or add another"
                ));
            }
            fields.push(Arc::new(column.field(name)));
        }
        if let Some(Rows::As(input)) = &self.rows
            && connected_schema(connected, input).is_none()
        {
            return Err(format!("table.rows.as: no table is connected to `{input}`"));
        }
        Ok(Schema::new_with_metadata(fields, metadata))
    }

    fn faults(&self, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        match (&self.like, self.columns.is_empty()) {
            (None, true) => faults.push(Fault::new(at, "needs `like` or `columns`")),
            (Some(_), false) => {
                let mut fault = Fault::new(&format!("{at}.columns"), "are all the columns: `like` says other ones");
                fault.hint = Some("write `add` for columns besides those of `like`".to_owned());
                faults.push(fault);
            }
            (None, false) if !self.add.is_empty() => {
                faults.push(Fault::new(
                    &format!("{at}.add"),
                    "needs `like`, beside whose columns it adds",
                ));
            }
            (None, false) if !self.drop.is_empty() => {
                faults.push(Fault::new(
                    &format!("{at}.drop"),
                    "needs `like`, of whose columns it drops some",
                ));
            }
            _ => {}
        }
        for (list, columns) in [("add", &self.add), ("columns", &self.columns)] {
            for (name, column) in columns {
                let at = format!("{at}.{list}.{name}");
                if name.is_empty() {
                    faults.push(Fault::new(&at, "is no name of a column"));
                }
                faults.extend(column.faults(name, &at));
            }
        }
        faults
    }
}

/// Takes what the command wrote: checked, and with its metadata.
pub(super) fn take(command: &Command, folder: &WorkingFolder, context: &StageContext) -> Result<(), StageError> {
    for (name, output) in &command.outputs {
        let artifact = context.outputs.get(name).map(|file| &file.artifact);
        let artifact = artifact.ok_or_else(|| StageError::Bug(format!("no output port {name}")))?;
        let path = folder.output(name, artifact, command.tables);
        let shown = path.strip_prefix(folder.path()).unwrap_or(&path).display();
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            return Err(StageError::with_hint(
                format!("the command has ended well, and has not written its output {name}"),
                format!("it belongs into the file {shown} of the working folder"),
            ));
        }
        match output {
            Output::Table(table) => take_table(name, table, command.tables, &path, context)?,
            Output::Figure => {
                let text = fs::read(&path).map_err(|error| StageError::io(&path, error))?;
                let svg = drawing(&text).ok_or_else(|| {
                    StageError::with_hint(format!("output {name}: {shown} is no SVG"), "save the figure as SVG")
                })?;
                let to = context.output(name)?;
                fs::write(to, svg).map_err(|error| StageError::io(to, error))?;
            }
            Output::File(_) => {
                let to = context.output(name)?;
                fs::copy(&path, to).map_err(|error| StageError::io(to, error))?;
            }
        }
    }
    Ok(())
}

/// The drawing in an SVG file, without what stands before it, which matters to nobody who shows it.
fn drawing(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let begins = text.find("<svg")?;
    let before = text[..begins].trim_start_matches('\u{feff}').trim_start();
    let is_prolog = before.is_empty() || before.starts_with("<?xml") || before.starts_with("<!");
    (is_prolog && text.trim_end().ends_with("</svg>")).then(|| &text[begins..])
}

fn take_table(
    name: &str,
    table: &TableOutput,
    format: TableFormat,
    path: &Path,
    context: &StageContext,
) -> Result<(), StageError> {
    let failed = |message: String| StageError::failed(format!("output {name}: {message}"));
    let how = How {
        format: Some(match format {
            TableFormat::Parquet => Format::Parquet,
            TableFormat::Csv => Format::Csv,
        }),
        separator: (format == TableFormat::Csv).then_some(','),
        table: None,
    };
    let schema = context.output_schema(name)?;
    let there = formats::columns(path, how).map_err(|error| failed(error.to_string()))?;
    let lacks = schema
        .fields()
        .iter()
        .find(|field| there.iter().all(|column| column.name != *field.name()));
    if let Some(field) = lacks {
        return Err(failed(format!("it lacks the column {}", field.name())));
    }
    for column in &there {
        let Ok(field) = schema.field_with_name(&column.name) else {
            return Err(StageError::with_hint(
                format!("output {name}: its column {} is not declared", column.name),
                "declare it below `add` or `columns`, or leave it out",
            ));
        };
        let stated = column.unit.as_deref().and_then(units::spelled).unwrap_or_default();
        let declared = unit_of(field);
        if !stated.is_empty() && stated != declared {
            return Err(failed(format!(
                "its column {} says that it is in {stated}, and is declared in \"{declared}\"",
                column.name
            )));
        }
    }
    let wanted: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), ReadAs::Kept))
        .collect();
    let read = formats::read(path, how, &wanted).map_err(|error| failed(error.to_string()))?;
    if let Some((row, why)) = read.odd_rows.first() {
        return Err(failed(format!("row {row}: {why}")));
    }
    let mut columns: Vec<(&str, Values)> = Vec::with_capacity(wanted.len());
    for field in schema.fields() {
        let kept = read.kept(field.name()).ok_or_else(|| {
            failed(format!(
                "its column {} holds neither numbers nor texts nor truth values",
                field.name()
            ))
        })?;
        let fitted = fitted(kept, field.data_type()).ok_or_else(|| {
            let (found, declared) = (tables::noun(kept.data_type()), tables::noun(field.data_type()));
            failed(format!(
                "its column {} holds {found}, and is declared as {declared}",
                field.name()
            ))
        })?;
        columns.push((field.name(), fitted.into()));
    }
    let made = tables::build(&schema, columns).map_err(|error| failed(error.to_string()))?;
    check_rows(name, table, made.num_rows(), context)?;
    context.write_batch(name, &made)
}

fn check_rows(name: &str, table: &TableOutput, found: usize, context: &StageContext) -> Result<(), StageError> {
    let (expected, whose) = match &table.rows {
        None => return Ok(()),
        Some(Rows::Count(count)) => (usize::try_from(*count).unwrap_or(usize::MAX), "as declared".to_owned()),
        Some(Rows::As(input)) => (count_rows(context, input)?, format!("as its input {input}")),
    };
    if found == expected {
        return Ok(());
    }
    Err(StageError::failed(format!(
        "output {name}: has {found} rows, not {expected} {whose}"
    )))
}

/// Above, not every whole number is a number of ours.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The same values in the declared type; `None` where they are no such values.
fn fitted(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    if array.data_type() == to {
        return Some(array.clone());
    }
    if array.null_count() == array.len() {
        return Some(new_null_array(to, array.len()));
    }
    let fits = match (array.data_type(), to) {
        (DataType::Int64, DataType::Float64) => true,
        (DataType::Float64, DataType::Int64) => {
            let mut values = array.as_primitive::<Float64Type>().iter().flatten();
            values.all(|value| value.fract() == 0.0 && value.abs() < EXACT)
        }
        // Other languages have no truth values in texts.
        (DataType::Int64, DataType::Boolean) => {
            let mut values = array.as_primitive::<Int64Type>().iter().flatten();
            values.all(|value| value == 0 || value == 1)
        }
        // Names that are numbers.
        (DataType::Int64, DataType::Utf8) => true,
        _ => false,
    };
    fits.then(|| cast(array, to).ok()).flatten()
}
