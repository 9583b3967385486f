//! Units that users' tables and pipelines come in, in the spellings of astropy, FITS and VOUnit, as factors to ours.
//!
//! A unit is a product of powers of symbols and numbers: `km/s`, `km / s`, `km s-1`, `km.s**-1`, `km s⁻¹`, `(km/s)^2/kpc`,
//! `10**3 pc`, `mas.yr**-1`. It is read from left to right; `/` divides by the one factor that follows it, as in our `km/s kpc`.

mod quantity;
mod symbols;

use std::fmt;

pub use self::quantity::read;
use self::symbols::symbol;

/// Powers of the quantities that a unit is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dimension {
    length: i32,
    time: i32,
    mass: i32,
    angle: i32,
}

/// A unit: `coefficient` × 10^`decimals` in metres, seconds, kilograms and radians. Powers of ten are kept apart so that kpc to pc
/// is 1000 to the last bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    coefficient: f64,
    decimals: i32,
    dimension: Dimension,
}

/// Why a unit does not convert to ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It cannot be read.
    NotUnderstood {
        /// As it is written.
        unit: String,
    },
    /// It measures something else.
    Measures {
        /// As it is written.
        unit: String,
        /// What it measures.
        found: Dimension,
        /// Our unit.
        ours: String,
        /// What that measures.
        expected: Dimension,
    },
}

/// Longest unit that is shown and read.
const LONGEST: usize = 64;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnderstood { unit } => {
                let shown: String = unit.chars().take(LONGEST).collect();
                write!(f, "\"{shown}\" is not a unit that is understood")
            }
            Self::Measures {
                unit,
                found,
                ours,
                expected,
            } => write!(f, "\"{unit}\" is {found}, not {expected} ({ours})"),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |length, time, mass, angle| Self {
            length,
            time,
            mass,
            angle,
        };
        let named = [
            (of(0, 0, 0, 0), "a pure number"),
            (of(1, 0, 0, 0), "a length"),
            (of(0, 1, 0, 0), "a time"),
            (of(0, 0, 1, 0), "a mass"),
            (of(0, 0, 0, 1), "an angle"),
            (of(1, -1, 0, 0), "a speed"),
            (of(0, -1, 0, 1), "an angle per time"),
            (of(0, -1, 0, 0), "a frequency"),
            (of(2, -1, 0, 0), "an action"),
            (of(2, -2, 0, 0), "an energy per mass"),
            (of(1, -2, 0, 0), "an acceleration"),
            (of(-2, 0, 1, 0), "a surface density"),
            (of(-3, 0, 1, 0), "a density"),
        ];
        if let Some((_, name)) = named.iter().find(|(dimension, _)| dimension == self) {
            return f.write_str(name);
        }
        let powers = [
            ("length", self.length),
            ("time", self.time),
            ("mass", self.mass),
            ("angle", self.angle),
        ];
        let powers = powers.iter().filter(|(_, power)| *power != 0);
        let texts: Vec<String> = powers.map(|(name, power)| format!("{name}^{power}")).collect();
        f.write_str(&texts.join(" "))
    }
}

impl Dimension {
    /// Whether quantities of the two convert. A radian is a number where something else is measured too (rad/Gyr is a frequency), but
    /// an angle is no pure number.
    fn converts(self, other: Self) -> bool {
        let plain = |of: Self| Self { angle: 0, ..of };
        self == other || (plain(self) == plain(other) && plain(self) != Self::default())
    }
}

impl Unit {
    const ONE: Self = Self {
        coefficient: 1.0,
        decimals: 0,
        dimension: Dimension {
            length: 0,
            time: 0,
            mass: 0,
            angle: 0,
        },
    };

    /// Reads a unit.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut rest = Rest { text: text.trim() };
        let unit = rest.product()?;
        rest.text.is_empty().then_some(unit)
    }

    fn times(self, other: Self, power: i32) -> Option<Self> {
        let add = |a: i32, b: i32| a.checked_add(b.checked_mul(power)?);
        Some(Self {
            coefficient: self.coefficient * other.coefficient.powi(power),
            decimals: add(self.decimals, other.decimals)?,
            dimension: Dimension {
                length: add(self.dimension.length, other.dimension.length)?,
                time: add(self.dimension.time, other.dimension.time)?,
                mass: add(self.dimension.mass, other.dimension.mass)?,
                angle: add(self.dimension.angle, other.dimension.angle)?,
            },
        })
    }
}

/// What is left to read.
struct Rest<'a> {
    text: &'a str,
}

impl<'a> Rest<'a> {
    fn skip(&mut self, token: &str) -> bool {
        let rest = self.text.strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn skip_spaces(&mut self) {
        self.text = self.text.trim_start();
    }

    /// The longest beginning of characters that are `wanted`.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.text.find(|c| !wanted(c)).unwrap_or(self.text.len());
        let (taken, rest) = self.text.split_at(end);
        self.text = rest;
        taken
    }

    /// Factors side by side, or with `*`, `.`, `·` or `/` between them.
    fn product(&mut self) -> Option<Unit> {
        let mut product = Unit::ONE;
        let mut power = if self.skip("/") { -1 } else { 1 };
        loop {
            self.skip_spaces();
            let (factor, own) = self.factor()?;
            product = product.times(factor, own.checked_mul(power)?)?;
            self.skip_spaces();
            if self.text.is_empty() || self.text.starts_with(')') {
                return Some(product);
            }
            power = if self.skip("/") { -1 } else { 1 };
            if power == 1 {
                let _ = ["*", ".", "·", "×"].into_iter().any(|sign| self.skip(sign));
            }
        }
    }

    /// A symbol, a number or a product in brackets, and its power.
    fn factor(&mut self) -> Option<(Unit, i32)> {
        if self.skip("(") {
            let product = self.product()?;
            self.skip(")").then_some(())?;
            return Some((product, self.power()?));
        }
        if self.text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number();
        }
        let name = self.take(|c| c.is_alphabetic() || "_°⊙☉′″\"'%".contains(c));
        Some((symbol(name)?, self.power()?))
    }

    /// A number; only 10 has powers, as in `10**3` and `10+3`.
    fn number(&mut self) -> Option<(Unit, i32)> {
        let whole = self.take(|c| c.is_ascii_digit());
        if whole == "10" && !self.text.starts_with('.') {
            let ten = Unit {
                decimals: 1,
                ..Unit::ONE
            };
            return Some((ten, self.power()?));
        }
        let mut digits = whole.to_owned();
        let after = self
            .text
            .strip_prefix('.')
            .filter(|after| after.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(after) = after {
            self.text = after;
            digits += ".";
            digits += self.take(|c| c.is_ascii_digit());
        }
        let exponent = self.text.strip_prefix(['e', 'E']);
        let exponent = exponent.filter(|after| {
            after
                .trim_start_matches(['+', '-'])
                .starts_with(|c: char| c.is_ascii_digit())
        });
        let mut decimals = 0;
        if let Some(after) = exponent {
            self.text = after;
            decimals = self.integer()?;
        }
        let coefficient: f64 = digits.parse().ok()?;
        // 0.001 is a power of ten to the last bit too.
        let tenth = (0..20).find(|&n| coefficient == 1.0 / 10f64.powi(n));
        let number = Unit {
            coefficient: if tenth.is_some() { 1.0 } else { coefficient },
            decimals: decimals - tenth.unwrap_or(0),
            ..Unit::ONE
        };
        (coefficient > 0.0).then_some((number, 1))
    }

    /// The power of what was read: `**2`, `^-1`, `2`, `-1`, `⁻¹`, or none.
    fn power(&mut self) -> Option<i32> {
        const RAISED: [char; 12] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹', '⁻', '⁺'];
        let raised = self.take(|c| RAISED.contains(&c));
        if !raised.is_empty() {
            let plain = raised.chars().filter_map(|c| {
                let place = RAISED.iter().position(|&raised| raised == c)?;
                Some(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', '+'][place])
            });
            return plain.collect::<String>().parse().ok();
        }
        let before = self.text;
        self.skip_spaces();
        if self.skip("**") || self.skip("^") {
            self.skip_spaces();
            if self.skip("(") {
                self.skip_spaces();
                let power = self.integer()?;
                self.skip_spaces();
                return self.skip(")").then_some(power);
            }
            return self.integer();
        }
        self.text = before;
        let is_power = |text: &str| {
            text.trim_start_matches(['+', '-'])
                .starts_with(|c: char| c.is_ascii_digit())
        };
        if is_power(self.text) { self.integer() } else { Some(1) }
    }

    /// A whole number of one or two digits.
    fn integer(&mut self) -> Option<i32> {
        let negative = self.skip("-");
        if !negative {
            self.skip("+");
        }
        let digits = self.take(|c| c.is_ascii_digit());
        let number: i32 = digits.parse().ok().filter(|number| *number < 100)?;
        // 2.5 is no power of ours.
        let is_whole = !(self.text.starts_with('.') && self.text[1..].starts_with(|c: char| c.is_ascii_digit()));
        is_whole.then_some(if negative { -number } else { number })
    }
}

/// By what two units differ: `coefficient` × 10^`decimals`.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    coefficient: f64,
    decimals: i32,
}

/// The number by which a quantity in `from` is multiplied to be in `to`, our unit.
pub fn factor(from: &str, to: &str) -> Result<f64, Mismatch> {
    let Ratio { coefficient, decimals } = ratio(from, to)?;
    Ok(match decimals {
        // A division by a whole power of ten rounds once, a product with its inverse twice.
        ..0 => coefficient / 10f64.powi(-decimals),
        _ => coefficient * 10f64.powi(decimals),
    })
}

fn ratio(from: &str, to: &str) -> Result<Ratio, Mismatch> {
    let parse = |unit: &str| Unit::parse(unit).ok_or_else(|| Mismatch::NotUnderstood { unit: unit.to_owned() });
    let (theirs, ours) = (parse(from)?, parse(to)?);
    if !theirs.dimension.converts(ours.dimension) {
        return Err(Mismatch::Measures {
            unit: from.to_owned(),
            found: theirs.dimension,
            ours: to.to_owned(),
            expected: ours.dimension,
        });
    }
    Ok(Ratio {
        coefficient: theirs.coefficient / ours.coefficient,
        decimals: theirs.decimals - ours.decimals,
    })
}

/// Units of our tables.
const OURS: [&str; 15] = [
    "kpc",
    "km/s",
    "Gyr",
    "deg",
    "rad",
    "mas",
    "mas/yr",
    "km/s kpc",
    "km/s/kpc",
    "(km/s)^2",
    "(km/s)^2/kpc",
    "M_sun",
    "M_sun/kpc^2",
    "M_sun/kpc^3",
    "%",
];

/// A unit as our tables spell it, where they have it; another as it is written. `None` where it is not understood.
pub fn spelled(text: &str) -> Option<&str> {
    let text = text.trim();
    if text.is_empty() {
        return Some(text);
    }
    let unit = Unit::parse(text)?;
    let same = |ours: &&&str| {
        let dimension = Unit::parse(ours).map(|ours| ours.dimension);
        dimension == Some(unit.dimension) && factor(text, ours).is_ok_and(|factor| (factor - 1.0).abs() < 1e-12)
    };
    Some(OURS.iter().find(same).map_or(text, |ours| *ours))
}

/// Some units of what `ours` measures, for hints.
pub fn examples(ours: &str) -> &'static str {
    match ours {
        "kpc" => "kpc, pc, Mpc",
        "km/s" => "km/s, km s-1, m/s, kpc/Gyr, pc/Myr",
        "deg" | "rad" => "deg, rad, arcmin, arcsec",
        "mas" => "mas, arcsec, uas",
        "mas/yr" => "mas/yr, mas yr-1, arcsec/yr, uas/yr",
        "Gyr" => "Gyr, Myr, yr",
        "km/s kpc" => "km/s kpc, kpc km s-1, kpc^2/Gyr, kpc^2/Myr",
        "km/s/kpc" => "km/s/kpc, rad/Gyr, rad/Myr",
        "M_sun" => "M_sun, Msun, solMass, kg",
        "M_sun/kpc^2" => "M_sun/kpc^2, M_sun/pc^2, kg/m^2",
        "M_sun/kpc^3" => "M_sun/kpc^3, M_sun/pc^3, kg/m^3",
        "%" => "%",
        _ => "km/s, kpc",
    }
}

#[cfg(test)]
mod tests;
