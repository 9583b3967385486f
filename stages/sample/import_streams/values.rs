//! The numbers of a row in our units and range, and what follows from them.

use dynamics::icrs::Equatorial;
use dynamics::sky::{Observables, Sun};
use formats::{Numbers, Table};
use runner::error::StageError;

use super::file;
use super::source::{COLUMNS, ColumnMap, Source};
use crate::common::columns::Column;

/// One number for each of [`COLUMNS`]; NaN where there is none.
pub(super) type Values = [f64; COLUMNS.len()];

/// Nothing yet.
pub(super) const NO_VALUES: Values = [f64::NAN; COLUMNS.len()];

/// Places in [`COLUMNS`]: of t, of x y z vx vy vz, of distance l b v_los mu_l_cosb mu_b, and of ra dec parallax pmra pmdec radial_velocity.
pub(super) const T: usize = 0;
const CARTESIAN: usize = 1;
const SKY: usize = 7;
pub(super) const V_LOS: usize = SKY + 3;
const EQUATORIAL: usize = COLUMNS.len() - 6;

/// What is read and what is made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// The Sun by which positions and velocities follow from the sky, where they do.
    pub sun: Option<Sun>,
    /// Whether Galactic coordinates follow from equatorial ones.
    pub from_equatorial: bool,
    /// Whether rows without a line-of-sight velocity are kept.
    pub keeps_missing_v_los: bool,
}

impl Recipe {
    /// The columns that are written, by their place in [`COLUMNS`].
    pub fn written(&self, map: &ColumnMap) -> Vec<usize> {
        let is_written = |place: usize| {
            let name = COLUMNS[place].name;
            let of_cartesian = (CARTESIAN..SKY).contains(&place);
            map.has(name)
                || (of_cartesian && self.sun.is_some())
                || match name {
                    "distance" => map.has("parallax"),
                    "l" | "b" | "mu_l_cosb" | "mu_b" => self.from_equatorial,
                    "v_los" => map.has_v_los(),
                    _ => false,
                }
        };
        (0..EQUATORIAL).filter(|&place| is_written(place)).collect()
    }
}

/// A mapped column of one file.
struct Input<'a> {
    place: usize,
    column: &'static Column,
    source: &'a Source,
    /// Multiplies a number to be in our unit.
    scale: f64,
    numbers: &'a Numbers,
}

/// The numbers of one file.
pub(super) struct Reading<'a> {
    inputs: Vec<Input<'a>>,
    recipe: Recipe,
}

/// Why a row cannot be used: the column of the file, and what is wrong.
pub(super) type Unusable = (String, String);

impl<'a> Reading<'a> {
    pub fn new(table: &'a Table, map: &'a ColumnMap, recipe: Recipe, said: &str) -> Result<Self, StageError> {
        let input = |(place, source): (usize, &'a Source)| {
            let column = &COLUMNS[place];
            Ok(Input {
                place,
                column,
                source,
                scale: source.scale(column, table.unit(source.name()), said)?,
                numbers: file::numbers(table, source.name())?,
            })
        };
        let inputs = map
            .numbers()
            .into_iter()
            .map(input)
            .collect::<Result<_, StageError>>()?;
        Ok(Self { inputs, recipe })
    }

    /// The numbers of a row, or why there are none.
    pub fn fill(&self, row: usize, values: &mut Values) -> Result<(), Unusable> {
        *values = NO_VALUES;
        for input in &self.inputs {
            let is_v_los = input.place == V_LOS || input.place == EQUATORIAL + 5;
            if is_v_los && self.recipe.keeps_missing_v_los && input.numbers.is_missing(row) {
                continue;
            }
            let number = input.numbers.get(row);
            let value = number.and_then(|number| Source::in_range(input.column, number * input.scale));
            values[input.place] = value.map_err(|reason| (input.source.name().to_owned(), reason))?;
        }
        self.derive(values);
        // A number that is too large shows only in what follows from it.
        let overflows = self.recipe.sun.is_some() && !values[CARTESIAN..SKY].iter().all(|value| value.is_finite());
        match self.inputs.first().filter(|_| overflows) {
            Some(input) => Err((
                input.source.name().to_owned(),
                "part of a row whose position or velocity is too large".to_owned(),
            )),
            None => Ok(()),
        }
    }

    fn derive(&self, values: &mut Values) {
        let [ra, dec, parallax, pmra, pmdec, radial_velocity] = [0, 1, 2, 3, 4, 5].map(|at| values[EQUATORIAL + at]);
        if !radial_velocity.is_nan() {
            values[V_LOS] = radial_velocity;
        }
        if !parallax.is_nan() {
            values[SKY] = 1.0 / parallax;
        }
        if self.recipe.from_equatorial {
            let star = Equatorial {
                ra,
                dec,
                mu_ra_cosdec: pmra,
                mu_dec: pmdec,
            };
            let found = star.to_galactic();
            for (at, value) in [(1, found.l), (2, found.b), (4, found.mu_l_cosb), (5, found.mu_b)] {
                values[SKY + at] = value;
            }
        }
        if let Some(sun) = &self.recipe.sun {
            let [distance, l, b, v_los, mu_l_cosb, mu_b] = [0, 1, 2, 3, 4, 5].map(|at| values[SKY + at]);
            let star = sun.locate(&Observables {
                distance,
                l,
                b,
                v_los,
                mu_l_cosb,
                mu_b,
            });
            values[CARTESIAN..SKY].copy_from_slice(&[star.x, star.v].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_columns() {
        let names = |at: usize| [0, 1, 2, 3, 4, 5].map(|place| COLUMNS[at + place].name);
        assert_eq!(names(CARTESIAN), ["x", "y", "z", "vx", "vy", "vz"]);
        assert_eq!(names(SKY), ["distance", "l", "b", "v_los", "mu_l_cosb", "mu_b"]);
        assert_eq!(
            names(EQUATORIAL),
            ["ra", "dec", "parallax", "pmra", "pmdec", "radial_velocity"]
        );
        assert_eq!((COLUMNS[T].name, COLUMNS[V_LOS].name), ("t", "v_los"));
    }
}
