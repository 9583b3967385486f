//! The numbers of a row in our units and range, and what follows from them.

use dynamics::icrs::Equatorial;
use dynamics::measured::{Covariance, Depth, PAIRS};
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

/// Places in [`COLUMNS`]: of t, of x y z vx vy vz, of distance l b v_los mu_l_cosb mu_b, of parallax and distance modulus, of errors and
/// correlations as they are written, and of what these follow from: ra dec pmra pmdec radial_velocity, zero point, errors, correlations.
pub(super) const T: usize = 0;
pub(super) const CARTESIAN: usize = 1;
pub(super) const SKY: usize = 7;
pub(super) const V_LOS: usize = SKY + 3;
const PARALLAX: usize = 22;
const MODULUS: usize = 23;
pub(super) const ERRORS: usize = 24;
const CORRELATIONS: usize = 32;
const EQUATORIAL: usize = 42;
const RADIAL_VELOCITY: usize = EQUATORIAL + 4;
const ZERO_POINT: usize = EQUATORIAL + 5;
const EQUATORIAL_ERRORS: usize = EQUATORIAL + 6;
const EQUATORIAL_CORRELATIONS: usize = EQUATORIAL + 11;

/// Whether it is the place of an error or a correlation, which may be missing.
pub(super) fn is_error(place: usize) -> bool {
    (ERRORS..EQUATORIAL).contains(&place) || place >= EQUATORIAL_ERRORS
}

/// What is read and what is made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// The Sun by which positions and velocities follow from the sky, where they do.
    pub sun: Option<Sun>,
    /// Whether Galactic coordinates follow from equatorial ones.
    pub from_equatorial: bool,
    /// What is taken off parallaxes, mas.
    pub zero_point: f64,
    /// Whether rows without a line-of-sight velocity are kept.
    pub keeps_missing_v_los: bool,
}

impl Recipe {
    /// The columns that are written, by their place in [`COLUMNS`].
    pub fn written(&self, map: &ColumnMap) -> Vec<usize> {
        let on_sky = self.from_equatorial && map.has_all(&["ra_error", "dec_error"]);
        let of_motion = self.from_equatorial && map.has_all(&["pmra_error", "pmdec_error"]);
        // Of l, b, parallax, mu_l_cosb and mu_b.
        let has_error = [on_sky, on_sky, map.has("parallax_error"), of_motion, of_motion];
        let is_written = |place: usize| {
            let name = COLUMNS[place].name;
            let of_cartesian = (CARTESIAN..SKY).contains(&place);
            let correlation = place.checked_sub(CORRELATIONS).and_then(|pair| PAIRS.get(pair));
            map.has(name)
                || (of_cartesian && self.sun.is_some())
                || correlation.is_some_and(|&(i, j)| self.from_equatorial && has_error[i] && has_error[j])
                || match name {
                    "distance" => map.has("parallax") || map.has("distance_modulus"),
                    "l" | "b" | "mu_l_cosb" | "mu_b" => self.from_equatorial,
                    "v_los" => map.has_v_los(),
                    "l_error" | "b_error" => on_sky,
                    "mu_l_cosb_error" | "mu_b_error" => of_motion,
                    "v_los_error" => map.has("radial_velocity_error"),
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
            let is_v_los = input.place == V_LOS || input.place == RADIAL_VELOCITY;
            let may_be_missing = is_error(input.place) || (is_v_los && self.recipe.keeps_missing_v_los);
            if may_be_missing && input.numbers.is_missing(row) {
                continue;
            }
            let number = input.numbers.get(row);
            let value = number.and_then(|number| Source::in_range(input.column, number * input.scale));
            values[input.place] = value.map_err(|reason| (input.source.name().to_owned(), reason))?;
        }
        self.derive(values)?;
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

    fn derive(&self, values: &mut Values) -> Result<(), Unusable> {
        for (from, to) in [(RADIAL_VELOCITY, V_LOS), (EQUATORIAL_ERRORS + 4, ERRORS + 7)] {
            if !values[from].is_nan() {
                values[to] = values[from];
            }
        }
        if !values[PARALLAX].is_nan() {
            let of_star = Some(values[ZERO_POINT]).filter(|zero_point| !zero_point.is_nan());
            let parallax = values[PARALLAX] - of_star.unwrap_or(self.recipe.zero_point);
            if parallax <= 0.0 {
                let mapped = self.inputs.iter().find(|input| input.place == PARALLAX);
                let name = mapped.map_or("parallax", |input| input.source.name());
                let reason = format!("{parallax} mas: only a positive parallax gives a distance");
                return Err((name.to_owned(), reason));
            }
            values[PARALLAX] = parallax;
            values[SKY] = 1.0 / parallax;
        }
        if let Some(distance) = Depth::Modulus(values[MODULUS]).distance() {
            values[SKY] = distance;
        }
        if self.recipe.from_equatorial {
            let [ra, dec, pmra, pmdec] = [0, 1, 2, 3].map(|at| values[EQUATORIAL + at]);
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
            derive_errors(&star, values);
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
        Ok(())
    }
}

/// The errors and correlations of Galactic coordinates from those of equatorial ones; what follows from one that is missing is, too.
fn derive_errors(star: &Equatorial, values: &mut Values) {
    // Gaia's errors of positions are in mas.
    let degrees = 1.0 / 3.6e6;
    let [ra, dec, pmra, pmdec] = [0, 1, 2, 3].map(|at| values[EQUATORIAL_ERRORS + at]);
    let given = [ra * degrees, dec * degrees, values[ERRORS + 1], pmra, pmdec];
    let known = |value: f64| if value.is_nan() { 0.0 } else { value };
    let covariance = Covariance {
        deviations: given.map(known),
        correlations: std::array::from_fn(|pair| known(values[EQUATORIAL_CORRELATIONS + pair])),
    };
    let Covariance {
        deviations,
        correlations,
    } = covariance.turned(star.rotation());
    let [ra, dec, parallax, pmra, pmdec] = given.map(|error| !error.is_nan());
    let is_known = [ra && dec, ra && dec, parallax, pmra && pmdec, pmra && pmdec];
    for (at, place) in [(0, 3), (1, 4), (3, 5), (4, 6)] {
        if is_known[at] {
            values[ERRORS + place] = deviations[at];
        }
    }
    for (pair, (i, j)) in PAIRS.into_iter().enumerate() {
        if is_known[i] && is_known[j] {
            values[CORRELATIONS + pair] = correlations[pair];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::measured;

    #[test]
    fn places_are_those_of_the_columns() {
        let names = |at: usize| [0, 1, 2, 3, 4, 5].map(|place| COLUMNS[at + place].name);
        assert_eq!(names(CARTESIAN), ["x", "y", "z", "vx", "vy", "vz"]);
        assert_eq!(names(SKY), ["distance", "l", "b", "v_los", "mu_l_cosb", "mu_b"]);
        assert_eq!(
            names(EQUATORIAL)[..5],
            ["ra", "dec", "pmra", "pmdec", "radial_velocity"]
        );
        assert_eq!((COLUMNS[T].name, COLUMNS[V_LOS].name), ("t", "v_los"));
        assert_eq!(
            (COLUMNS[PARALLAX].name, COLUMNS[MODULUS].name),
            ("parallax", "distance_modulus")
        );
        assert_eq!(COLUMNS[RADIAL_VELOCITY].name, "radial_velocity");
        assert_eq!(COLUMNS[ZERO_POINT].name, "parallax_zero_point");
        assert_eq!(COLUMNS[ERRORS..CORRELATIONS], measured::ERRORS);
        assert_eq!(COLUMNS[CORRELATIONS..EQUATORIAL], measured::CORRELATIONS);
        let of_equatorial = [
            "ra_error",
            "dec_error",
            "pmra_error",
            "pmdec_error",
            "radial_velocity_error",
            "ra_dec_corr",
        ];
        assert_eq!(names(EQUATORIAL_ERRORS), of_equatorial);
        assert_eq!(COLUMNS[EQUATORIAL_CORRELATIONS].name, "ra_dec_corr");
        let five = ["ra", "dec", "parallax", "pmra", "pmdec"];
        for (pair, (i, j)) in PAIRS.into_iter().enumerate() {
            let name = format!("{}_{}_corr", five[i], five[j]);
            assert_eq!(COLUMNS[EQUATORIAL_CORRELATIONS + pair].name, name);
        }
        assert_eq!(COLUMNS.len(), EQUATORIAL_CORRELATIONS + PAIRS.len());
    }
}
