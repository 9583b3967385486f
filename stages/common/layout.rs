//! Tables made of rows. Each column is named once, with its unit, what it says and where in a row it comes from, so that the schema of
//! an output and what is written there cannot part.

use std::rc::Rc;

use dynamics::phase_space::ActionAngle;
use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::column;
use tables::Values;

use crate::common::columns::{self, Column, STAR, STREAM};
use crate::common::quantities::Quantity;
use crate::common::sun::{self, SunParameters};

/// Which star: its stream, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StarId {
    /// The stream, which is one orbit.
    pub stream: i64,
    /// The star in its stream.
    pub star: i64,
}

/// A star, and one quantity of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfStar<Q> {
    /// Which star.
    pub id: StarId,
    /// What is known of it.
    pub value: Q,
}

/// The columns of a table whose rows are made of `R`.
pub struct Layout<R> {
    columns: Vec<Part<R>>,
}

/// One column.
struct Part<R> {
    name: &'static str,
    field: Field,
    values: Reader<R>,
}

/// Reads the values of a column out of rows.
type Reader<R> = Box<dyn Fn(&[R]) -> Values>;

impl<R: 'static> Default for Layout<R> {
    fn default() -> Self {
        Self { columns: Vec::new() }
    }
}

impl<R: 'static> Layout<R> {
    /// No column yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `stream` and `star`.
    pub fn of_stars(id: fn(&R) -> StarId) -> Self {
        let [stream, star] = columns::identity();
        Self::new()
            .with(STREAM, stream, move |row| id(row).stream)
            .with(STAR, star, move |row| id(row).star)
    }

    /// `stream`.
    pub fn of_streams(stream: fn(&R) -> i64) -> Self {
        let [field, _] = columns::identity();
        Self::new().with(STREAM, field, stream)
    }

    fn with<T: 'static>(mut self, name: &'static str, field: Field, of: impl Fn(&R) -> T + 'static) -> Self
    where
        Vec<T>: Into<Values>,
    {
        let values = Box::new(move |rows: &[R]| rows.iter().map(&of).collect::<Vec<T>>().into());
        self.columns.push(Part { name, field, values });
        self
    }

    /// A column of numbers.
    pub fn number(self, column: impl Into<Column>, of: impl Fn(&R) -> f64 + 'static) -> Self {
        let column = column.into();
        self.with(column.name, column.field(), of)
    }

    /// A column of numbers, some of which may be missing.
    pub fn number_or_none(self, column: impl Into<Column>, of: impl Fn(&R) -> Option<f64> + 'static) -> Self {
        let column = column.into();
        self.with(column.name, column.field().with_nullable(true), of)
    }

    /// A column of whole numbers.
    pub fn count(self, name: &'static str, description: &'static str, of: impl Fn(&R) -> i64 + 'static) -> Self {
        self.with(name, column(name, DataType::Int64, "", "", description), of)
    }

    /// A column of truth values.
    pub fn flag(self, name: &'static str, description: &'static str, of: impl Fn(&R) -> bool + 'static) -> Self {
        self.with(name, column(name, DataType::Boolean, "", "", description), of)
    }

    /// A column of truth values, some of which may be missing.
    pub fn flag_or_none(self, name: &'static str, description: &'static str, of: fn(&R) -> Option<bool>) -> Self {
        let field = column(name, DataType::Boolean, "", "", description);
        self.with(name, field.with_nullable(true), of)
    }

    /// A column of texts.
    pub fn text(mut self, name: &'static str, description: &'static str, of: fn(&R) -> &str) -> Self {
        let values = Box::new(move |rows: &[R]| rows.iter().map(of).collect::<Vec<&str>>().into());
        let field = column(name, DataType::Utf8, "", "", description);
        self.columns.push(Part { name, field, values });
        self
    }

    /// Columns of numbers that come together.
    pub fn numbers<const N: usize>(mut self, columns: &[Column; N], of: impl Fn(&R) -> [f64; N] + 'static) -> Self {
        let of = Rc::new(of);
        for (index, column) in columns.iter().enumerate() {
            let of = of.clone();
            self = self.number(*column, move |row| of(row)[index]);
        }
        self
    }

    /// The same of numbers some of which may be missing.
    pub fn numbers_or_none<const N: usize>(mut self, columns: &[Column; N], of: fn(&R) -> [Option<f64>; N]) -> Self {
        for (index, column) in columns.iter().enumerate() {
            self = self.number_or_none(*column, move |row| of(row)[index]);
        }
        self
    }

    /// The columns of a quantity.
    pub fn quantity<Q: Quantity<N> + 'static, const N: usize>(self, of: impl Fn(&R) -> Q + 'static) -> Self {
        self.numbers(&Q::COLUMNS, move |row| of(row).components())
    }

    /// Actions, angles and frequencies.
    pub fn action_angle(self, of: fn(&R) -> &ActionAngle) -> Self {
        self.quantity(move |row| of(row).actions)
            .quantity(move |row| of(row).angles)
            .quantity(move |row| of(row).frequencies)
    }

    /// More columns, where a condition holds.
    pub fn when(self, holds: bool, more: impl FnOnce(Self) -> Self) -> Self {
        if holds { more(self) } else { self }
    }

    /// The same columns; observables say which Sun they were seen from.
    pub fn seen_from(mut self, sun: &SunParameters) -> Self {
        for column in &mut self.columns {
            column.field = sun::marked(sun, column.field.clone());
        }
        self
    }

    /// Without the columns that are not `kept`.
    pub fn only(mut self, kept: impl Fn(&str) -> bool) -> Self {
        self.columns.retain(|column| kept(column.name));
        self
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.columns.iter().map(|column| &column.field)
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// The schema of the table.
    pub fn schema(&self) -> Schema {
        Schema::new(self.fields().cloned().collect::<Vec<_>>())
    }

    /// The schema `input` without these columns and `dropped`, followed by these columns.
    pub fn beside(&self, input: &Schema, dropped: &[&str]) -> Schema {
        let stays = |name: &str| !self.has(name) && !dropped.contains(&name);
        let kept = input.fields().iter().filter(|field| stays(field.name())).cloned();
        let own = self.fields().map(|field| field.clone().into());
        Schema::new(kept.chain(own).collect::<Vec<_>>())
    }

    /// The columns of some rows.
    pub fn columns(&self, rows: &[R]) -> Vec<(&'static str, Values)> {
        let named = self.columns.iter().map(|column| (column.name, (column.values)(rows)));
        named.collect()
    }
}

impl<Q: 'static> Layout<OfStar<Q>> {
    /// One quantity of stars.
    pub fn of_one<const N: usize>() -> Self
    where
        Q: Quantity<N> + Copy,
    {
        Self::of_stars(|row| row.id).quantity(|row| row.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamics::phase_space::Actions;

    struct Row {
        id: StarId,
        actions: Actions,
        class: String,
    }

    fn layout() -> Layout<Row> {
        Layout::of_stars(|row: &Row| row.id)
            .quantity(|row| row.actions)
            .text("class", "what it is", |row| &row.class)
    }

    fn rows() -> Vec<Row> {
        let row = |n: i64| Row {
            id: StarId { stream: n, star: 2 * n },
            actions: Actions {
                r: n as f64,
                z: 10.0 * n as f64,
                phi: 100.0 * n as f64,
            },
            class: format!("class {n}"),
        };
        vec![row(1), row(2)]
    }

    #[test]
    fn what_is_written_fits_the_schema() {
        let table = tables::build(&layout().schema().into(), layout().columns(&rows())).unwrap();
        let names: Vec<_> = table
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        assert_eq!(names, ["stream", "star", "J_phi", "J_z", "J_r", "class"]);
        assert_eq!(tables::f64_column(&table, "J_phi").unwrap(), [100.0, 200.0]);
        assert_eq!(tables::f64_column(&table, "J_r").unwrap(), [1.0, 2.0]);
        assert_eq!(tables::str_column(&table, "class").unwrap(), ["class 1", "class 2"]);
    }

    #[test]
    fn a_table_keeps_its_other_columns_beside_new_ones() {
        let input = columns::stars(&[&columns::POSITION, &columns::ACTIONS]);
        let beside = layout().only(|name| name != "star").beside(&input, &["z"]);
        let names: Vec<_> = beside.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["star", "x", "y", "stream", "J_phi", "J_z", "J_r", "class"]);
    }
}
