//! Axes: their range, what they show, and their ticks.

use super::range::round;
use super::text::Label;

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether it is logarithmic.
    pub log: bool,
    /// Symbol of the quantity.
    pub quantity: Label,
    /// Its unit; empty for a pure number.
    pub unit: Label,
    /// The power of ten that its numbers are divided by, where it is not that of [`Axis::exponent`].
    pub power: Option<i32>,
    /// What its numbers are counted from.
    pub from: f64,
}

impl Axis {
    /// A linear axis with these ends.
    pub fn linear(low: f64, high: f64, quantity: Label, unit: &str) -> Self {
        let is_range = low < high && (high - low).is_finite();
        let (low, high) = match (is_range, low.is_finite()) {
            (true, _) => (low, high),
            (false, true) => (low - 0.5, low + 0.5),
            (false, false) => (0.0, 1.0),
        };
        Self {
            low,
            high,
            log: false,
            quantity,
            unit: Label::unit(unit),
            power: None,
            from: 0.0,
        }
    }

    /// A logarithmic axis with these ends, which are positive.
    pub fn log(low: f64, high: f64, quantity: Label, unit: &str) -> Self {
        let low = if low > 0.0 && low.is_finite() { low } else { 0.1 };
        let high = if high > low && high.is_finite() {
            high
        } else {
            low * 10.0
        };
        Self {
            low,
            high,
            log: true,
            quantity,
            unit: Label::unit(unit),
            power: None,
            from: 0.0,
        }
    }

    /// A linear axis over values, with room at both ends.
    pub fn over(values: impl Iterator<Item = f64>, quantity: Label, unit: &str) -> Self {
        let (low, high) = ends(values);
        let room = 0.04 * (high - low);
        Self::linear(low - room, high + room, quantity, unit)
    }

    /// A logarithmic axis over the positive ones of values, at most `decades` of them, with room at both ends.
    pub fn log_over(values: impl Iterator<Item = f64>, decades: i32, quantity: Label, unit: &str) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0));
        let low = low.max(high * 10f64.powi(-decades));
        let room = (high / low).powf(0.05).max(1.1);
        Self::log(low / room, high * room, quantity, unit)
    }

    /// A logarithmic axis over the positive ones of values for a narrow frame: three or five powers of ten, of which three can be numbered,
    /// as far apart from its ends as their numbers are wide.
    pub fn decades_over(values: impl Iterator<Item = f64>, quantity: Label, unit: &str) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0));
        if low > high {
            return Self::log(low, high, quantity, unit);
        }
        let (before, after) = (0.4, 0.6);
        let top = (high.log10() - after).ceil();
        // Three small powers are too wide side by side.
        let three = low.log10() >= top - 2.0 - before && top >= 0.0;
        let below = before + if three { 2.0 } else { 4.0 };
        Self::log(10f64.powf(top - below), 10f64.powf(top + after), quantity, unit)
    }

    /// The same with shorter numbers: divided by a power of ten, or counted from a round one.
    pub fn shorter(&self) -> Vec<Self> {
        if self.log {
            return Vec::new();
        }
        let most = self.low.abs().max(self.high.abs()).log10().floor() as i32;
        let divided = [most - most.rem_euclid(3), most, most - 1].map(|power| Self {
            power: Some(power),
            ..self.clone()
        });
        let step = 10f64.powf((self.high - self.low).log10().floor());
        let from = (0.5 * (self.low + self.high) / step).round() * step;
        let counted = Self { from, ..self.clone() };
        divided.into_iter().chain([counted]).collect()
    }

    /// Whether a value lies between its ends.
    pub fn within(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Where a value lies, from 0 at the lower to 1 at the upper end.
    pub fn place(&self, value: f64) -> f64 {
        match self.log {
            true => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    /// The power of ten that the numbers of a linear axis are divided by, so that they are short.
    pub fn exponent(&self) -> i32 {
        if let Some(power) = self.power {
            return power;
        }
        let most = (self.low - self.from).abs().max((self.high - self.from).abs());
        match self.log || most == 0.0 || (1e-2..1e5).contains(&most) {
            true => 0,
            false => most.log10().floor() as i32,
        }
    }

    /// The unit in brackets, with the power of ten; empty for a pure number.
    pub fn in_unit(&self) -> Label {
        let power = match self.exponent() {
            0 => Label::default(),
            power => Label::power_of_ten(power),
        };
        let space = if power.is_empty() || self.unit.is_empty() {
            ""
        } else {
            " "
        };
        match power.is_empty() && self.unit.is_empty() {
            true => Label::default(),
            false => Label::plain("(").then(&power).plus(space).then(&self.unit).plus(")"),
        }
    }

    /// What is written along it.
    pub fn title(&self) -> Label {
        let unit = self.in_unit();
        let quantity = self.counted();
        match unit.is_empty() || quantity.is_empty() {
            true => quantity.then(&unit),
            false => quantity.plus(" ").then(&unit),
        }
    }

    /// The quantity, less what its numbers are counted from.
    pub fn counted(&self) -> Label {
        let quantity = self.quantity.clone();
        match self.from {
            0.0 => quantity,
            from => quantity
                .plus(if from < 0.0 { " + " } else { " − " })
                .then(&Label::exact(round(from.abs(), 9))),
        }
    }

    /// Marks that it may have, the better ones first: those of the usual steps from many to few, then those of others.
    pub fn choices(&self) -> Vec<Ticks> {
        match self.log {
            true => logarithmic(self.low, self.high),
            false => linear((self.low, self.high), self.from, 10f64.powi(self.exponent())),
        }
    }
}

/// Marks along an axis.
#[derive(Debug, Clone, Default)]
pub struct Ticks {
    /// Values with their numbers, which are empty where there is no room for them.
    pub major: Vec<(f64, Label)>,
    /// Values between them.
    pub minor: Vec<f64>,
}

impl Ticks {
    /// Those with a number.
    pub fn written(&self) -> impl Iterator<Item = &(f64, Label)> {
        self.major.iter().filter(|(_, label)| !label.is_empty())
    }
}

/// The least and the greatest; infinities, the wrong way round, for none.
pub fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let finite = values.filter(|value| value.is_finite());
    finite.fold(start, |(low, high), value| (low.min(value), high.max(value)))
}

/// Multiples of a step that lie between ends.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|n| n as f64 * step).collect()
}

/// A step, into how many parts smaller marks divide it, and how many digits more than its power of ten its multiples have.
type Step = (f64, i32, i32);
/// Steps within a decade: the usual ones, and those for frames where of these too few or too many have room.
const STEPS: [&[Step]; 2] = [
    &[(1.0, 5, 0), (2.0, 4, 0), (5.0, 5, 0)],
    &[
        (4.0, 4, 0),
        (3.0, 3, 0),
        (6.0, 3, 0),
        (8.0, 4, 0),
        (2.5, 5, 1),
        (1.5, 3, 1),
    ],
];
/// More numbers than this no axis has.
const MOST: usize = 12;

fn linear((low, high): (f64, f64), from: f64, scale: f64) -> Vec<Ticks> {
    let power = 10f64.powf((high - low).log10().floor() - 1.0);
    let of = |family: &'static [Step]| {
        let tens = [1.0, 10.0].into_iter();
        tens.flat_map(move |ten| {
            family
                .iter()
                .map(move |&(step, parts, more)| (step * power * ten, parts, more))
        })
    };
    let all = STEPS.into_iter().flat_map(of);
    all.filter_map(|step| stepped((low, high), (from, scale), step))
        .collect()
}

/// The marks of a step, if there are any and not too many.
fn stepped((low, high): (f64, f64), (from, scale): (f64, f64), (step, parts, more): Step) -> Option<Ticks> {
    let major = multiples(low, high, step);
    if !(1..=MOST).contains(&major.len()) {
        return None;
    }
    let is_new = |value: &f64| !major.iter().any(|other| (other - value).abs() < 1e-6 * step);
    let minor = multiples(low, high, step / f64::from(parts));
    let minor = minor.into_iter().filter(is_new).collect();
    // As many digits as tell the numbers apart.
    let digits = (f64::from(more) - (step / scale * 1.001).log10().floor()).max(0.0) as usize;
    let number = |value: &f64| (*value, Label::fixed((value - from) / scale, digits));
    Some(Ticks {
        major: major.iter().map(number).collect(),
        minor,
    })
}

/// Parts of a decade that are numbered.
const PARTS: [&[f64]; 6] = [
    &[1.0, 3.0],
    &[1.0, 2.0, 5.0],
    &[1.0, 2.0, 3.0, 5.0],
    &[1.0, 2.0, 3.0, 5.0, 7.0],
    &[1.0, 2.0, 4.0, 6.0, 8.0],
    &ALL,
];
const ALL: [f64; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

fn logarithmic(low: f64, high: f64) -> Vec<Ticks> {
    if high < 4.0 * low {
        return linear((low, high), 0.0, 1.0);
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let at = |multiples: &[f64], every: i32, from: i32| -> Vec<f64> {
        let decades = (first..=last).filter(|decade| decade.rem_euclid(every) == from);
        let values = decades.flat_map(|decade| multiples.iter().map(move |multiple| multiple * 10f64.powi(decade)));
        values.filter(|value| (low..=high).contains(value)).collect()
    };
    let between = if last - first <= 10 { &ALL[..] } else { &ALL[..1] };
    let between = at(between, 1, 0);
    let ticks = |major: &[f64], number: fn(f64) -> Label| Ticks {
        minor: between.iter().copied().filter(|value| !major.contains(value)).collect(),
        major: major.iter().map(|value| (*value, number(*value))).collect(),
    };
    let power = |value: f64| Label::power_of_ten(value.log10().round() as i32);
    let some = |major: &Vec<f64>| (1..=MOST).contains(&major.len());
    // All decades, or every so many of them; where there are too few, parts of them.
    let every = 1..=(last - first).max(1);
    let decades = every.flat_map(|every| (0..every).map(move |from| (every, from)));
    let decades = decades.map(|(every, from)| at(&ALL[..1], every, from)).filter(some);
    let decades = decades.flat_map(|major| {
        // Where one is written as a power, all are.
        let plain = major.iter().all(|value| (0.99e-3..0.99e5).contains(value));
        let plain = plain.then(|| ticks(&major, Label::number));
        plain.into_iter().chain([ticks(&major, power)])
    });
    let parts = PARTS.iter().map(|parts| at(parts, 1, 0)).filter(some);
    decades.chain(parts.map(|major| ticks(&major, Label::number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first choice of at least three numbers and at most so many.
    fn ticks(axis: &Axis, count: usize) -> Ticks {
        let fits = |ticks: &Ticks| (3..=count).contains(&ticks.major.len());
        axis.choices().into_iter().find(fits).unwrap()
    }

    fn numbers(axis: &Axis, count: usize) -> Vec<String> {
        ticks(axis, count).major.iter().map(|(_, label)| label.text()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = |low, high| Axis::linear(low, high, Label::plain("x"), "km/s");
        assert_eq!(numbers(&axis(0.0, 1.0), 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(numbers(&axis(-0.9, 0.9), 3), ["−0.5", "0", "0.5"]);
        assert_eq!(numbers(&axis(-4.2, 4.2), 5), ["−4", "−2", "0", "2", "4"]);
        assert_eq!(numbers(&axis(-4.2, 4.2), 4), ["−4", "0", "4"], "rather than one");
        assert_eq!(
            numbers(&axis(1500.0122, 1500.0158), 3),
            ["1500.013", "1500.014", "1500.015"]
        );
        assert_eq!(numbers(&axis(-7.0, 13.0), 4), ["−5", "0", "5", "10"]);
        assert_eq!(ticks(&axis(0.0, 1.0), 6).minor.len(), 15, "three between two");
        // Small and large numbers are divided by what the title says.
        assert_eq!(numbers(&axis(-3e-6, 3e-6), 3), ["−2", "0", "2"]);
        assert_eq!(axis(-3e-6, 3e-6).title().text(), "x (10⁻⁶ km s⁻¹)");
        assert_eq!(axis(-3.0, 3.0).title().text(), "x (km s⁻¹)");
        // Those of a narrow range may be counted from a round one.
        let counted = axis(-1501.08, -1498.92).shorter().pop().unwrap();
        assert_eq!(numbers(&counted, 3), ["−1", "0", "1"]);
        assert_eq!(counted.title().text(), "x + 1500 (km s⁻¹)");
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_their_parts() {
        let axis = |low, high| Axis::log(low, high, Label::plain("x"), "");
        assert_eq!(numbers(&axis(0.05, 30.0), 6), ["0.1", "1", "10"]);
        assert_eq!(numbers(&axis(2.1, 11.0), 6), ["3", "5", "10"]);
        assert_eq!(numbers(&axis(0.9, 15.0), 6), ["1", "3", "10"]);
        assert!(numbers(&axis(1e-12, 1e12), 6).len() <= 6);
        assert!(ticks(&axis(0.05, 30.0), 6).minor.contains(&0.5));
    }

    #[test]
    fn every_range_has_choices_of_three_numbers_and_more() {
        for n in 0..400 {
            let high = 10f64.powf(f64::from(n) * 0.0173 - 3.0);
            for low in [0.0, -high, 0.31 * high, 0.77 * high] {
                let axis = Axis::linear(low, high, Label::plain("x"), "");
                assert!(ticks(&axis, 5).major.len() >= 3, "{low} {high}");
            }
            for factor in [1.5, 4.0, 4.1, 30.0, 1e3, 1e5, 1e9] {
                let axis = Axis::log(high / factor, high, Label::plain("x"), "");
                assert!(ticks(&axis, 6).major.len() >= 3, "{factor} {high}");
            }
        }
    }

    #[test]
    fn no_values_still_make_an_axis() {
        for axis in [
            Axis::over(std::iter::empty(), Label::plain("x"), ""),
            Axis::log_over([0.0, -1.0].into_iter(), 5, Label::plain("x"), ""),
            Axis::over([3.0].into_iter(), Label::plain("x"), ""),
        ] {
            assert!(
                axis.low < axis.high && axis.high.is_finite() && axis.low.is_finite(),
                "{axis:?}"
            );
        }
    }
}
