//! The symbols of units.

use std::f64::consts::PI;

use super::{Dimension, Unit};

const LENGTH: Dimension = Dimension {
    length: 1,
    time: 0,
    mass: 0,
    angle: 0,
};
const TIME: Dimension = Dimension {
    length: 0,
    time: 1,
    mass: 0,
    angle: 0,
};
const MASS: Dimension = Dimension {
    length: 0,
    time: 0,
    mass: 1,
    angle: 0,
};
const ANGLE: Dimension = Dimension {
    length: 0,
    time: 0,
    mass: 0,
    angle: 1,
};
const NUMBER: Dimension = Dimension {
    length: 0,
    time: 0,
    mass: 0,
    angle: 0,
};
const DEGREE: f64 = PI / 180.0;

/// Names, prefixes that they take, and value: coefficient, power of ten, dimension. IAU 2012 B2 (astronomical unit, parsec), IAU 2015
/// B3 (solar radius); a year is the Julian one.
type Definition = (&'static [&'static str], &'static [Prefix], f64, i32, Dimension);
type Prefix = (&'static str, i32);

const METRIC: &[Prefix] = &[
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("µ", -6),
    ("μ", -6),
    ("n", -9),
];
/// Of parsecs and years: a milliparsec or a milliyear is rather a megaparsec or a megayear misspelt.
const LARGE: &[Prefix] = &[("k", 3), ("M", 6), ("G", 9)];
const SMALL: &[Prefix] = &[("m", -3), ("u", -6), ("µ", -6), ("μ", -6), ("n", -9)];
const LONG: &[Prefix] = &[
    ("kilo", 3),
    ("mega", 6),
    ("giga", 9),
    ("centi", -2),
    ("milli", -3),
    ("micro", -6),
];
const NONE: &[Prefix] = &[];

const DEFINITIONS: [Definition; 27] = [
    (&["%"], NONE, 1.0, -2, NUMBER),
    (&["mag"], SMALL, 1.0, 0, NUMBER),
    (&["m"], METRIC, 1.0, 0, LENGTH),
    (&["meter", "meters", "metre", "metres"], LONG, 1.0, 0, LENGTH),
    (&["pc"], LARGE, PARSEC, 16, LENGTH),
    (&["parsec", "parsecs"], LONG, PARSEC, 16, LENGTH),
    (&["au", "AU", "ua"], NONE, 1.495_978_707, 11, LENGTH),
    (&["lyr"], LARGE, 9.460_730_472_580_8, 15, LENGTH),
    (&["solRad", "R_sun", "Rsun", "R⊙"], NONE, 6.957, 8, LENGTH),
    (&["s"], METRIC, 1.0, 0, TIME),
    (&["sec", "second", "seconds"], NONE, 1.0, 0, TIME),
    (&["min", "minute", "minutes"], NONE, 6.0, 1, TIME),
    (&["h", "hr", "hour", "hours"], NONE, 3.6, 3, TIME),
    (&["d", "day", "days"], NONE, 8.64, 4, TIME),
    (&["yr", "a"], LARGE, 3.155_76, 7, TIME),
    (&["year", "years"], LONG, 3.155_76, 7, TIME),
    (&["rad"], SMALL, 1.0, 0, ANGLE),
    (&["radian", "radians"], LONG, 1.0, 0, ANGLE),
    (&["deg", "degree", "degrees", "°"], NONE, DEGREE, 0, ANGLE),
    (
        &["arcmin", "arcminute", "arcminutes", "amin", "′", "'"],
        NONE,
        DEGREE / 60.0,
        0,
        ANGLE,
    ),
    (&["arcsec", "as", "asec"], SMALL, DEGREE / 3600.0, 0, ANGLE),
    (&["arcsec"], LONG, DEGREE / 3600.0, 0, ANGLE),
    (&["arcsecond", "arcseconds", "″", "\""], LONG, DEGREE / 3600.0, 0, ANGLE),
    (&["hourangle"], NONE, 15.0 * DEGREE, 0, ANGLE),
    (&["cycle", "cycles", "rev", "turn"], NONE, 2.0 * PI, 0, ANGLE),
    (&["g"], METRIC, 1.0, -3, MASS),
    (
        &["solMass", "M_sun", "Msun", "M_Sun", "MSun", "Msol", "M⊙", "M☉"],
        NONE,
        1.988_409_870_698_051,
        30,
        MASS,
    ),
];

/// 648000/π astronomical units, 10^16 m.
const PARSEC: f64 = 1.495_978_707 * 6.48 / PI;

/// The unit that a symbol stands for. Capitals throughout, as old FITS files have them, are read as small letters.
pub(super) fn symbol(name: &str) -> Option<Unit> {
    defined(name).or_else(|| {
        let is_capitals = name.chars().all(|c| c.is_ascii_uppercase());
        is_capitals.then(|| defined(&name.to_ascii_lowercase())).flatten()
    })
}

fn defined(name: &str) -> Option<Unit> {
    let unit = |coefficient, decimals, dimension| Unit {
        coefficient,
        decimals,
        dimension,
    };
    let plain = DEFINITIONS.iter().find(|(names, ..)| names.contains(&name));
    if let Some(&(_, _, coefficient, decimals, dimension)) = plain {
        return Some(unit(coefficient, decimals, dimension));
    }
    for &(names, prefixes, coefficient, decimals, dimension) in &DEFINITIONS {
        for &(prefix, power) in prefixes {
            if name.strip_prefix(prefix).is_some_and(|rest| names.contains(&rest)) {
                return Some(unit(coefficient, decimals + power, dimension));
            }
        }
    }
    None
}
