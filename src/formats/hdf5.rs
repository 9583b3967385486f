//! Tables in HDF5 files: the datasets of a group, the fields of a compound dataset (as astropy writes it), or the particles of a
//! snapshot ([`snapshot`]).
//!
//! The library is `hdf5-reader`: it only reads, is Rust throughout (a bare machine has neither libhdf5 nor cmake), and is written for
//! damaged files: bounded allocations, no cycles.

mod part;
mod snapshot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, Dataset, Hdf5File};

use self::part::{Part, Type};
use crate::bytes;
use crate::cells::{Value, clipped};
use crate::ecsv;
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Column, places};

/// The most that deflate can pack, about: a dataset that says it is larger lies.
const MOST_PACKED: u64 = 1100;

/// Groups within groups that are looked through for tables.
const DEEPEST: usize = 4;

/// A table that was found: in one file, or in those of a snapshot one after the other.
struct Opened {
    files: Vec<Opening>,
    notes: Vec<String>,
}

/// What one file has of it: its columns, and where their values are.
struct Opening {
    path: PathBuf,
    parts: Vec<Part>,
    datasets: Vec<Dataset>,
    rows: usize,
}

impl From<Opening> for Opened {
    fn from(one: Opening) -> Self {
        Self {
            files: vec![one],
            notes: Vec::new(),
        }
    }
}

/// The columns of a table.
pub(crate) fn columns(path: &Path, table: Option<&str>) -> Result<Vec<Column>, FormatError> {
    guarded(path, || {
        let opened = open(path, table)?;
        let first = opened.files.into_iter().next();
        let parts = first.into_iter().flat_map(|file| file.parts);
        Ok(parts.map(|part| part.column).collect())
    })
}

/// Reads columns of a table, those of each file of a snapshot together.
pub(crate) fn read(path: &Path, table: Option<&str>, pieces: &mut Pieces) -> Result<(), FormatError> {
    guarded(path, || {
        let Opened { files, notes } = open(path, table)?;
        for (number, file) in files.iter().enumerate() {
            if number == 0 {
                let units = file.parts.iter();
                let units = units.filter_map(|part| Some((part.column.name.clone(), part.column.unit.clone()?)));
                pieces.begin(vec![false; pieces.wanted.len()], units.collect());
            }
            read_file(file, pieces)?;
            if !pieces.end_rows(file.rows) {
                return Ok(());
            }
        }
        pieces.finish(notes);
        Ok(())
    })
}

/// The files of the snapshot that a file is one of, in their order; the file alone where it is none of several.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    guarded(path, || match snapshot::Header::of(path, &root(path)?)? {
        Some(header) => header.files(path),
        None => Ok(vec![path.to_owned()]),
    })
}

/// What the library does not foresee in a damaged file is an error, too.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged(path, "it contradicts itself")))
}

fn damaged(path: &Path, what: &str) -> FormatError {
    FormatError::with_hint(
        format!("{} is a damaged or incomplete HDF5 file: {what}", path.display()),
        "fetch or copy it again",
    )
}

/// An error of the library in our words.
fn failed(path: &Path, place: &str, error: &hdf5_reader::error::Error) -> FormatError {
    use hdf5_reader::error::Error;
    let mut inner = error;
    while let Error::Context { source, .. } = inner {
        inner = source;
    }
    match inner {
        Error::UnsupportedFilter(_) => FormatError::with_hint(
            format!("{}: {place} is packed by a method that is not read", path.display()),
            "write it with gzip, or unpacked",
        ),
        _ => damaged(path, &format!("{place} cannot be read")),
    }
}

/// Adds the columns of one file.
fn read_file(file: &Opening, pieces: &mut Pieces) -> Result<(), FormatError> {
    let Opening {
        path,
        parts,
        datasets,
        rows,
    } = file;
    let (wanted, rows) = (pieces.wanted, *rows);
    let there: Vec<&str> = parts.iter().map(|part| part.column.name.as_str()).collect();
    let places = places(path, wanted, &there)?;
    for ((_, role), &place) in wanted.iter().zip(&places) {
        parts[place].column.expect(path, *role)?;
    }
    // One dataset at a time is in memory, besides what is wanted of it.
    for (number, dataset) in datasets.iter().enumerate() {
        let of_it = |at: &usize| parts[places[*at]].dataset == Some(number);
        let ats: Vec<usize> = (0..places.len()).filter(of_it).collect();
        let Some(&first) = ats.first() else { continue };
        if parts[places[first]].of == Type::Strings {
            let strings = dataset
                .read_strings()
                .map_err(|error| failed(path, dataset.name(), &error))?;
            for at in ats {
                strings
                    .iter()
                    .for_each(|text| pieces.push(at, Value::Text(text.as_bytes())));
            }
            continue;
        }
        let bytes = bytes_of(path, dataset)?;
        // astropy keeps what is masked in a field beside it.
        let mask_of = |part: &Part| {
            let name = format!("{}.mask", part.column.name);
            parts
                .iter()
                .find(|mask| mask.column.name == name && mask.dataset == part.dataset && mask.of == Type::Flag)
        };
        for at in ats {
            let part = &parts[places[at]];
            let mask = mask_of(part);
            for row in 0..rows {
                let is_masked = mask.is_some_and(|mask| mask.value(&bytes, row) == Value::Flag(true));
                let value = if is_masked {
                    Value::Missing
                } else {
                    part.value(&bytes, row)
                };
                pieces.push(at, value);
            }
        }
    }
    for (at, &place) in places.iter().enumerate() {
        if let Type::Constant(number) = parts[place].of {
            (0..rows).for_each(|_| pieces.push(at, Value::Double(number)));
        }
    }
    Ok(())
}

/// All bytes of a dataset, if the file can hold so many.
fn bytes_of(path: &Path, dataset: &Dataset) -> Result<Vec<u8>, FormatError> {
    let failed = |error| failed(path, dataset.name(), &error);
    let said = dataset.raw_byte_len().map_err(failed)? as u64;
    let held = std::fs::metadata(path)
        .map_err(|error| FormatError::io(path, error))?
        .len();
    if said > held.saturating_mul(MOST_PACKED) {
        return Err(damaged(
            path,
            &format!("{} says it has {said} bytes", clipped(dataset.name())),
        ));
    }
    dataset.read_raw_bytes().map_err(failed)
}

fn open(path: &Path, table: Option<&str>) -> Result<Opened, FormatError> {
    let root = root(path)?;
    if let Some(header) = snapshot::Header::of(path, &root)? {
        return header.open(path, &root, table);
    }
    let opened = match table {
        Some(name) => named(path, &root, name),
        None => only(path, &root),
    };
    opened.map(Opened::from)
}

fn root(path: &Path) -> Result<Group, FormatError> {
    // A file that is not there is said by the system.
    let begin = bytes::begin(path, 64)?.bytes;
    let held = std::fs::metadata(path)
        .map_err(|error| FormatError::io(path, error))?
        .len();
    if end(&begin).is_none_or(|end| end > held) {
        return Err(FormatError::with_hint(
            format!(
                "{} is cut off: its head says it goes on after {held} bytes",
                path.display()
            ),
            "fetch or copy it again",
        ));
    }
    let file = Hdf5File::open(path).map_err(|error| failed(path, "its head", &error))?;
    file.root_group().map_err(|error| failed(path, "its root", &error))
}

/// Where a file that begins so ends, as its superblock says (HDF5 File Format Specification 3.0, II.A), where it does in 8 bytes; `None` if it ends before it says.
fn end(begin: &[u8]) -> Option<u64> {
    // Behind a block of the user's own it stands elsewhere.
    if !begin.starts_with(b"\x89HDF") {
        return Some(0);
    }
    let (size, at) = match *begin.get(8)? {
        0 => (13, 40),
        1 => (13, 44),
        _ => (9, 28),
    };
    if *begin.get(size)? != 8 {
        return Some(0);
    }
    let end = begin.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*end))
}

/// The table of this name: a group, or a compound dataset.
fn named(path: &Path, root: &Group, name: &str) -> Result<Opening, FormatError> {
    let mut group = root.clone();
    let words: Vec<&str> = name.split('/').filter(|word| !word.is_empty()).collect();
    for (at, word) in words.iter().enumerate() {
        if let Ok(next) = group.group(word) {
            group = next;
        } else if let (Ok(dataset), true) = (group.dataset(word), at + 1 == words.len()) {
            return compound(path, &group, dataset);
        } else {
            let mut there = Vec::new();
            tables(root, "", 0, &mut there);
            return Err(FormatError::with_hint(
                format!("{} has no table {}", path.display(), clipped(name)),
                format!("tables there are: {}", shown(&there)),
            ));
        }
    }
    of_group(path, &group)
}

/// The only table there is.
fn only(path: &Path, root: &Group) -> Result<Opening, FormatError> {
    let mut there = Vec::new();
    tables(root, "", 0, &mut there);
    match there.as_slice() {
        [] => Err(FormatError::with_hint(
            format!(
                "{} has no table: no group with columns, and no snapshot",
                path.display()
            ),
            "write its columns as Parquet or CSV",
        )),
        [one] if one.is_empty() => of_group(path, root),
        [one] => named(path, root, one),
        many => Err(FormatError::with_hint(
            format!("{} has {} tables: {}", path.display(), many.len(), shown(many)),
            format!("write `table: {}`", many[0]),
        )),
    }
}

fn shown(tables: &[String]) -> String {
    let names = tables
        .iter()
        .take(20)
        .map(|name| if name.is_empty() { "/".to_owned() } else { clipped(name) });
    names.collect::<Vec<_>>().join(", ")
}

/// Paths of the groups with columns, and of compound datasets.
fn tables(group: &Group, at: &str, depth: usize, found: &mut Vec<String>) {
    let Ok((groups, datasets)) = group.members() else {
        return;
    };
    let below = |name: &str| format!("{at}/{name}").trim_start_matches('/').to_owned();
    let compounds = datasets.iter().filter(|dataset| part::is_compound(dataset));
    found.extend(compounds.map(|dataset| below(dataset.name())));
    let is_column =
        |dataset: &Dataset| !part::is_compound(dataset) && !is_meta(dataset.name()) && matches!(dataset.ndim(), 1 | 2);
    if datasets.iter().any(is_column) {
        found.push(at.to_owned());
    }
    if depth < DEEPEST {
        for group in groups {
            tables(&group, &below(group.name()), depth + 1, found);
        }
    }
}

/// Datasets in which astropy keeps what it says about a table.
fn is_meta(name: &str) -> bool {
    name.ends_with(".__table_column_meta__")
}

/// A compound dataset, with the units that astropy keeps beside it.
fn compound(path: &Path, group: &Group, dataset: Dataset) -> Result<Opening, FormatError> {
    let mut parts = part::parts(&dataset, 0);
    let beside = group.dataset(&format!("{}.__table_column_meta__", dataset.name()));
    let lines = beside
        .ok()
        .and_then(|meta| meta.read_strings().ok())
        .unwrap_or_default();
    if let Some(header) = ecsv::header(&lines.join("\n")) {
        for part in &mut parts {
            let name = part.column.name.split('[').next().unwrap_or_default();
            let said = |list: &[(String, String)]| {
                list.iter()
                    .find(|(column, _)| column == name)
                    .map(|(_, text)| text.clone())
            };
            part.column.unit = said(&header.units);
            part.column.description = said(&header.descriptions);
        }
    }
    if parts.is_empty() {
        let message = format!("{}: {} is no table of columns", path.display(), clipped(dataset.name()));
        return Err(FormatError::unfit(message));
    }
    Ok(Opening {
        path: path.to_owned(),
        rows: rows_of(&dataset),
        parts,
        datasets: vec![dataset],
    })
}

/// The datasets of a group that have one length: most of them.
fn of_group(path: &Path, group: &Group) -> Result<Opening, FormatError> {
    let failed = |error| failed(path, group.name(), &error);
    let is_pandas = ["pandas_type", "pandas_version"]
        .iter()
        .any(|name| group.attribute(name).is_ok());
    if is_pandas {
        return Err(FormatError::with_hint(
            format!(
                "{}: {} was written by pandas, in a form of its own",
                path.display(),
                clipped(group.name())
            ),
            "in Python: pandas.read_hdf(FILE).to_parquet(\"stars.parquet\")",
        ));
    }
    let datasets = group.datasets().map_err(failed)?;
    let datasets: Vec<Dataset> = datasets
        .into_iter()
        .filter(|dataset| matches!(dataset.ndim(), 1 | 2) && !part::is_compound(dataset) && !is_meta(dataset.name()))
        .collect();
    let lengths = datasets.iter().map(rows_of);
    let count = |rows: usize| datasets.iter().filter(|dataset| rows_of(dataset) == rows).count();
    let Some(rows) = lengths.max_by_key(|&rows| (count(rows), rows)) else {
        let message = format!("{}: {} has no columns", path.display(), clipped(group.name()));
        return Err(FormatError::unfit(message));
    };
    let datasets: Vec<Dataset> = datasets
        .into_iter()
        .filter(|dataset| rows_of(dataset) == rows)
        .collect();
    let parts = datasets
        .iter()
        .enumerate()
        .flat_map(|(number, dataset)| part::parts(dataset, number));
    Ok(Opening {
        path: path.to_owned(),
        parts: parts.collect(),
        rows,
        datasets,
    })
}

fn rows_of(dataset: &Dataset) -> usize {
    let rows = dataset.shape().first().copied().unwrap_or(0);
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// The text of an attribute.
fn text(attribute: &Attribute) -> Option<String> {
    let text = attribute.read_string().ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
