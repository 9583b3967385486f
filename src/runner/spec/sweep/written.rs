//! `sweep:` as it is written in a file.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::parameters::has_reference;
use super::super::plain::plain;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::{is_name, mapping, noun, section, unknown_keys};
use super::values::values;
use crate::quantity::{ReadQuantity, are_equal};
use crate::search::{Axis, Search, Trial};

/// Where the values of a column stand.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::spec) enum Section {
    /// `axes`, or `zip` as in the first edition: one below the other. Values of a list have places of their own.
    Values { of: &'static str, listed: bool },
    /// `rows`, in a group or not.
    Rows { group: Option<String> },
    /// `search`: the trials that are known.
    Search,
    /// Not in the file.
    CommandLine,
}

impl Section {
    /// The path of a parameter's value in one row, or of its key where that is written once.
    pub fn place(&self, parameter: &str, row: usize) -> Option<Vec<String>> {
        match self {
            Self::Values { of, listed } => {
                let path = ["sweep", of, parameter].map(str::to_owned);
                Some(path.into_iter().chain(listed.then(|| row.to_string())).collect())
            }
            Self::Rows { group } => {
                let mut path = vec!["sweep".to_owned(), "rows".to_owned()];
                path.extend(group.clone());
                path.extend([row.to_string(), parameter.to_owned()]);
                Some(path)
            }
            Self::Search => {
                let path = ["sweep", "search", "over", parameter].map(str::to_owned);
                Some(path.to_vec())
            }
            Self::CommandLine => None,
        }
    }
}

/// A swept parameter, as written.
#[derive(Debug, Clone)]
pub(in crate::spec) struct WrittenColumn {
    /// The parameter.
    pub parameter: String,
    /// Where its values stand.
    pub section: Section,
    /// Its value in each row; `None` where it is as in `params`.
    pub values: Vec<Option<Arc<Value>>>,
}

impl WrittenColumn {
    /// Whether its value in a row is `value`.
    pub fn agrees(&self, row: usize, default: Option<&Value>, value: &Value, quantities: Option<ReadQuantity>) -> bool {
        let own = self.values[row].as_deref().or(default);
        own.is_some_and(|own| match (own, value) {
            _ if own == value => true,
            (Value::Number(own), Value::Number(value)) => own.as_f64() == value.as_f64(),
            (Value::String(own), Value::String(value)) => quantities.is_some_and(|read| are_equal(own, value, read)),
            _ => false,
        })
    }

    /// Its values in some rows, in words.
    pub fn values(&self, rows: &[usize], default: Option<&Value>) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for &row in rows {
            let value = self.values[row].as_deref().or(default).map(plain);
            found.extend(value.filter(|value| !found.contains(value)));
        }
        found
    }

    /// The place of some rows in the file; `None` where a row leaves this column out.
    pub fn written_rows(&self, rows: &[usize]) -> Vec<Option<usize>> {
        let place = |&row: &usize| self.values[row].is_some().then_some(row);
        rows.iter().map(place).collect()
    }
}

/// Parameters that are set together.
#[derive(Debug, Clone)]
pub(in crate::spec) struct Written {
    pub columns: Vec<WrittenColumn>,
    /// How many rows there are.
    pub length: usize,
}

impl Written {
    /// An axis of the command line.
    pub fn of_command_line(parameter: &str, values: &[Value]) -> Self {
        let column = WrittenColumn {
            parameter: parameter.to_owned(),
            section: Section::CommandLine,
            values: values.iter().map(|value| Some(Arc::new(value.clone()))).collect(),
        };
        Self {
            columns: vec![column],
            length: values.len(),
        }
    }

    /// The trials of a search.
    pub fn of_search(search: &Search, trials: &[Trial]) -> Self {
        let column = |(place, axis): (usize, &Axis)| WrittenColumn {
            parameter: axis.name.clone(),
            section: Section::Search,
            values: trials.iter().map(|trial| trial[place].clone().map(Arc::new)).collect(),
        };
        Self {
            columns: search.axes.iter().enumerate().map(column).collect(),
            length: trials.len(),
        }
    }

    /// Whether it is one.
    pub fn is_of_command_line(&self) -> bool {
        self.columns.iter().any(|column| column.section == Section::CommandLine)
    }

    /// Whether it is one parameter of `axes`.
    pub fn is_axis(&self) -> bool {
        matches!(&self.columns[..], [column] if matches!(column.section, Section::Values { of: "axes", .. }))
    }
}

/// Reads `sweep`: the groups of `rows`, `zip`, and the axes. Where something is wrong, one row of each is given, so that the
/// stages can be checked.
pub(in crate::spec) fn written(
    sweep: Option<&Value>,
    params: Option<&Map<String, Value>>,
    quantities: Option<ReadQuantity>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Written> {
    let before = mistakes.len();
    let path = || vec!["sweep".to_owned()];
    let example = "`sweep: { axes: { seed: [1, 2] } }`";
    let Some(sweep) = mapping(sweep, mistakes, || section("`sweep`", example, path())) else {
        return Vec::new();
    };
    let allowed = ["rows", "axes", "zip", "search"];
    unknown_keys(sweep, &allowed, mistakes, || ("`sweep`".to_owned(), path()));
    let mut reader = Reader {
        params,
        quantities,
        found: Vec::new(),
        mistakes,
    };
    reader.rows(sweep.get("rows"));
    reader.zip(sweep);
    reader.axes(sweep);
    let mut found = reader.found;
    if mistakes.len() > before {
        for written in &mut found {
            written.columns.iter_mut().for_each(|column| column.values.truncate(1));
            written.length = written.length.min(1);
        }
        found.retain(|written| written.length > 0);
    }
    found
}

struct Reader<'a> {
    params: Option<&'a Map<String, Value>>,
    quantities: Option<ReadQuantity>,
    found: Vec<Written>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    /// `rows`: a list of records, or a mapping of groups of them.
    fn rows(&mut self, rows: Option<&Value>) {
        let path = vec!["sweep".to_owned(), "rows".to_owned()];
        match rows {
            None | Some(Value::Null) => {}
            Some(Value::Array(records)) => self.group(None, records, path),
            Some(Value::Object(groups)) => {
                for (name, records) in groups {
                    let path: Vec<String> = path.iter().chain([name]).cloned().collect();
                    if !is_name(name) {
                        let (what, name) = ("group", name.clone());
                        self.mistakes
                            .push(Mistake::at(path, Part::Key, Problem::BadName { what, name }));
                        continue;
                    }
                    match records {
                        Value::Array(records) => self.group(Some(name.clone()), records, path),
                        other => self.not_rows(other, path),
                    }
                }
            }
            Some(other) => self.not_rows(other, path),
        }
    }

    fn not_rows(&mut self, found: &Value, path: Vec<String>) {
        let problem = Problem::WrongShape {
            what: format!("`{}`", path.last().map_or("rows", String::as_str)),
            expected: "a list of rows",
            found: noun(found),
            example: "one row a line, such as `- { seed: 1, streams: 128 }`".to_owned(),
        };
        self.mistakes.push(Mistake::at(path, Part::Value, problem));
    }

    /// One list of records.
    fn group(&mut self, group: Option<String>, records: &[Value], path: Vec<String>) {
        if records.is_empty() {
            let name = path.last().cloned().unwrap_or_default();
            self.mistakes
                .push(Mistake::at(path, Part::Key, Problem::EmptyList { name }));
            return;
        }
        let mut columns: Vec<WrittenColumn> = Vec::new();
        let mut elsewhere: Vec<&str> = Vec::new();
        for (row, record) in records.iter().enumerate() {
            let path: Vec<String> = path.iter().cloned().chain([row.to_string()]).collect();
            let Value::Object(record) = record else {
                let problem = Problem::WrongShape {
                    what: "a row".to_owned(),
                    expected: "a mapping",
                    found: noun(record),
                    example: "it as `{ seed: 1, streams: 128 }`".to_owned(),
                };
                self.mistakes.push(Mistake::at(path, Part::Value, problem));
                continue;
            };
            for (parameter, value) in record {
                let path: Vec<String> = path.iter().chain([parameter]).cloned().collect();
                if !self.may_set(parameter, &path) {
                    continue;
                }
                if has_reference(value) {
                    let problem = Problem::ReferenceNotAllowed { place: "a sweep" };
                    self.mistakes.push(Mistake::at(path, Part::Value, problem));
                    continue;
                }
                let known = columns.iter().position(|column| column.parameter == *parameter);
                if known.is_none() && (elsewhere.contains(&parameter.as_str()) || self.swept_twice(parameter, path)) {
                    elsewhere.push(parameter);
                    continue;
                }
                let known = known.unwrap_or_else(|| {
                    columns.push(WrittenColumn {
                        parameter: parameter.clone(),
                        section: Section::Rows { group: group.clone() },
                        values: vec![None; records.len()],
                    });
                    columns.len() - 1
                });
                columns[known].values[row] = Some(Arc::new(value.clone()));
            }
        }
        let length = records.len();
        self.found.push(Written { columns, length });
    }

    /// `zip` of the first edition: lists of one length.
    fn zip(&mut self, sweep: &Map<String, Value>) {
        let columns = self.lists(sweep, "zip");
        let Some(first) = columns.first() else { return };
        for column in columns
            .iter()
            .filter(|column| column.values.len() != first.values.len())
        {
            let problem = Problem::UnequalLists {
                name: column.parameter.clone(),
                length: column.values.len(),
                first: first.parameter.clone(),
                first_length: first.values.len(),
            };
            self.mistakes
                .push(Mistake::at(path("zip", &column.parameter), Part::Key, problem));
        }
        let length = columns.iter().map(|column| column.values.len()).min().unwrap_or(0);
        self.found.push(Written { columns, length });
    }

    fn axes(&mut self, sweep: &Map<String, Value>) {
        for column in self.lists(sweep, "axes") {
            let length = column.values.len();
            self.found.push(Written {
                columns: vec![column],
                length,
            });
        }
    }

    fn lists(&mut self, sweep: &Map<String, Value>, of: &'static str) -> Vec<WrittenColumn> {
        let what = || {
            let example = format!("`{of}: {{ seed: [1, 2] }}`");
            (format!("`{of}`"), example, vec!["sweep".to_owned(), of.to_owned()])
        };
        let entries = mapping(sweep.get(of), self.mistakes, what);
        let mut found = Vec::new();
        for (parameter, value) in entries.into_iter().flatten() {
            let path = path(of, parameter);
            if !self.may_set(parameter, &path) {
                continue;
            }
            let Some((values, listed)) = values(parameter, value, &path, self.quantities, self.mistakes) else {
                continue;
            };
            if !self.swept_twice(parameter, path) {
                found.push(WrittenColumn {
                    parameter: parameter.clone(),
                    section: Section::Values { of, listed },
                    values: values.into_iter().map(|value| Some(Arc::new(value))).collect(),
                });
            }
        }
        found
    }

    /// Whether there is such a parameter; reports it if not.
    fn may_set(&mut self, parameter: &str, path: &[String]) -> bool {
        let known = self.params.is_some_and(|params| params.contains_key(parameter));
        if !known {
            let allowed = self.params.into_iter().flat_map(Map::keys).cloned().collect();
            let name = parameter.to_owned();
            let problem = Problem::UnknownSwept { name, allowed };
            self.mistakes.push(Mistake::at(path.to_vec(), Part::Key, problem));
        }
        known
    }

    /// Whether a parameter is swept elsewhere too, which is then reported.
    fn swept_twice(&mut self, parameter: &str, path: Vec<String>) -> bool {
        let mut others = self.found.iter().flat_map(|written| &written.columns);
        let twice = others.any(|column| column.parameter == parameter);
        if twice {
            let name = parameter.to_owned();
            self.mistakes
                .push(Mistake::at(path, Part::Key, Problem::SweptTwice { name }));
        }
        twice
    }
}

fn path(of: &str, parameter: &str) -> Vec<String> {
    ["sweep", of, parameter].map(str::to_owned).to_vec()
}
