//! Columns while they are read: some rows at a time, so that a long file needs no more memory than a short one.

use crate::cells::{ColumnBuilder, Role, Value};
use crate::kept::Type;
use crate::table::{Table, Wanted};

/// What takes the rows that were read, and says whether it wants more.
pub(crate) type Each<'a> = dyn FnMut(Table) -> bool + 'a;

/// The columns that are wanted of a file, as far as they were read, and where they go.
pub(crate) struct Pieces<'a> {
    /// Columns of the file, by name.
    pub wanted: &'a [Wanted<'a>],
    /// Types of those that are kept, in their order; none while these are found.
    types: Option<Vec<Type>>,
    /// Rows given together.
    pub most: usize,
    each: &'a mut Each<'a>,
    are_texts: Vec<bool>,
    columns: Vec<ColumnBuilder>,
    table: Table,
    is_given: bool,
}

impl<'a> Pieces<'a> {
    /// Columns whose types are to be found; see [`Self::into_types`].
    pub fn of_types(wanted: &'a [Wanted<'a>], each: &'a mut Each<'a>) -> Self {
        Self::with(wanted, None, usize::MAX, each)
    }

    /// Columns that are given to `each`, `most` rows at a time.
    pub fn new(wanted: &'a [Wanted<'a>], types: Vec<Type>, most: usize, each: &'a mut Each<'a>) -> Self {
        Self::with(wanted, Some(types), most, each)
    }

    fn with(wanted: &'a [Wanted<'a>], types: Option<Vec<Type>>, most: usize, each: &'a mut Each<'a>) -> Self {
        Self {
            wanted,
            types,
            most: most.max(1),
            each,
            are_texts: Vec::new(),
            columns: Vec::new(),
            table: Table::default(),
            is_given: false,
        }
    }

    /// Begins, once columns were found: which of them the file writes as texts, and the units that it states.
    pub fn begin(&mut self, are_texts: Vec<bool>, units: Vec<(String, String)>) {
        self.are_texts = are_texts;
        self.table.units = units;
        self.columns = self.builders();
    }

    /// Units that a row of the file states.
    pub fn state_units(&mut self, units: Vec<(String, String)>) {
        self.table.units = units;
    }

    fn builders(&self) -> Vec<ColumnBuilder> {
        let mut types = self.types.iter().flatten();
        let wanted = self.wanted.iter().zip(&self.are_texts);
        let builder = |((_, role), &is_text): (&Wanted, &bool)| match (role, &self.types) {
            (Role::Kept, None) => ColumnBuilder::unknown(is_text),
            (Role::Kept, Some(_)) => ColumnBuilder::kept(types.next().copied().unwrap_or(Type::Text)),
            (Role::Number, _) => ColumnBuilder::numbers(),
            (Role::Label, _) => ColumnBuilder::labels(),
        };
        wanted.map(builder).collect()
    }

    /// Adds a value to the wanted column at a place.
    pub fn push(&mut self, place: usize, value: Value) {
        if let Some(column) = self.columns.get_mut(place) {
            column.push(value);
        }
    }

    /// The wanted column at a place, for those who add many values.
    pub fn column(&mut self, place: usize) -> Option<&mut ColumnBuilder> {
        self.columns.get_mut(place)
    }

    /// Adds a row that is none, with the reason; it is ended like others.
    pub fn push_odd(&mut self, reason: String) {
        self.table.odd_rows.push((self.table.rows, reason));
        self.columns.iter_mut().for_each(|column| column.push(Value::Missing));
    }

    /// Rows that were ended, in all pieces.
    pub fn rows(&self) -> usize {
        self.table.first + self.table.rows
    }

    /// Ends a row, of which each column has its value, and says whether to go on.
    pub fn end_row(&mut self) -> bool {
        self.end_rows(1)
    }

    /// Ends so many rows.
    pub fn end_rows(&mut self, count: usize) -> bool {
        self.table.rows += count;
        self.table.rows < self.most || self.give()
    }

    fn give(&mut self) -> bool {
        if self.types.is_none() {
            return true;
        }
        let fresh = self.builders();
        let columns = std::mem::replace(&mut self.columns, fresh);
        let named = self.wanted.iter().zip(columns);
        let next = Table {
            first: self.rows(),
            units: self.table.units.clone(),
            ..Table::default()
        };
        let mut table = std::mem::replace(&mut self.table, next);
        table.columns = named
            .filter_map(|((name, _), column)| Some(((*name).to_owned(), column.finish()?)))
            .collect();
        self.is_given = true;
        (self.each)(table)
    }

    /// Ends the table, with what there is to say about the file: who takes the rows gets one piece at least.
    pub fn finish(&mut self, notes: Vec<String>) {
        if self.table.rows > 0 || !self.is_given || !notes.is_empty() {
            self.table.notes = notes;
            self.give();
        }
    }

    /// The types that were found.
    pub fn into_types(self) -> Vec<Type> {
        self.columns.iter().filter_map(ColumnBuilder::found_type).collect()
    }
}
