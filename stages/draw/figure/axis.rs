//! Axes: their range, what they show, and their ticks.

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
        let most = self.low.abs().max(self.high.abs());
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
        match unit.is_empty() || self.quantity.is_empty() {
            true => self.quantity.clone().then(&unit),
            false => self.quantity.clone().plus(" ").then(&unit),
        }
    }

    /// Values to mark with numbers, about `count`, and those to mark between them.
    pub fn ticks(&self, count: usize) -> Ticks {
        match self.log {
            true => logarithmic(self.low, self.high, count),
            false => linear(self.low, self.high, count, 10f64.powi(self.exponent())),
        }
    }
}

/// Marks along an axis.
pub struct Ticks {
    /// Values with their numbers.
    pub major: Vec<(f64, Label)>,
    /// Values between them.
    pub minor: Vec<f64>,
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

fn linear(low: f64, high: f64, count: usize, scale: f64) -> Ticks {
    let power = 10f64.powf(((high - low) / count.max(1) as f64).log10().floor() - 1.0);
    let steps: Vec<(f64, i32)> = [1.0, 10.0, 100.0, 1000.0]
        .iter()
        .flat_map(|ten| [(power * ten, 5), (2.0 * power * ten, 4), (5.0 * power * ten, 5)])
        .collect();
    let number_of = |(step, _): &(f64, i32)| multiples(low, high, *step).len();
    // As few as asked for, but never fewer than two.
    let few = steps
        .iter()
        .position(|step| number_of(step) <= count.max(2))
        .unwrap_or(0);
    let few = (0..=few)
        .rev()
        .find(|&place| number_of(&steps[place]) >= 2)
        .unwrap_or(0);
    let (step, parts) = steps[few];
    let major = multiples(low, high, step);
    let is_new = |value: &f64| !major.iter().any(|other| (other - value).abs() < 1e-6 * step);
    let minor = multiples(low, high, step / f64::from(parts))
        .into_iter()
        .filter(is_new)
        .collect();
    // As many digits as tell the numbers apart.
    let digits = (0.0 - (step / scale * 1.001).log10().floor()).max(0.0) as usize;
    let number = |value: &f64| (*value, Label::fixed(value / scale, digits));
    Ticks {
        major: major.iter().map(number).collect(),
        minor,
    }
}

fn logarithmic(low: f64, high: f64, count: usize) -> Ticks {
    if high < 4.0 * low {
        return linear(low, high, count, 1.0);
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |value: &f64| (low..=high).contains(value);
    let at = |multiples: &'static [f64], every: i32| -> Vec<f64> {
        let decades = (first..=last).filter(|decade| decade.rem_euclid(every) == 0);
        let values = decades.flat_map(|decade| multiples.iter().map(move |multiple| multiple * 10f64.powi(decade)));
        values.filter(inside).collect()
    };
    const ALL: [f64; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let decades = at(&ALL[..1], 1);
    let sets = [at(&ALL, 1), at(&[1.0, 2.0, 5.0], 1), at(&[1.0, 3.0], 1)];
    let major = match decades.len() {
        0..=1 => sets
            .into_iter()
            .find(|set| set.len() <= count.max(2))
            .unwrap_or(decades),
        few if few <= count => decades,
        many => at(&ALL[..1], many.div_ceil(count.max(1)) as i32),
    };
    let between = if last - first <= 10 {
        at(&ALL, 1)
    } else {
        at(&ALL[..1], 1)
    };
    let minor = between.into_iter().filter(|value| !major.contains(value)).collect();
    let number = |value: &f64| (*value, Label::number(*value));
    Ticks {
        major: major.iter().map(number).collect(),
        minor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(axis: &Axis, count: usize) -> Vec<String> {
        axis.ticks(count).major.iter().map(|(_, label)| label.text()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = |low, high| Axis::linear(low, high, Label::plain("x"), "km/s");
        assert_eq!(numbers(&axis(0.0, 1.0), 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(numbers(&axis(-0.9, 0.9), 3), ["−0.5", "0", "0.5"]);
        assert_eq!(
            numbers(&axis(-4.2, 4.2), 4),
            ["−4", "−2", "0", "2", "4"],
            "rather than one"
        );
        assert_eq!(
            numbers(&axis(1500.0122, 1500.0158), 3),
            ["1500.013", "1500.014", "1500.015"]
        );
        assert_eq!(numbers(&axis(-7.0, 13.0), 4), ["−5", "0", "5", "10"]);
        assert_eq!(axis(0.0, 1.0).ticks(6).minor.len(), 15, "three between two");
        // Small and large numbers are divided by what the title says.
        assert_eq!(numbers(&axis(-3e-6, 3e-6), 3), ["−2", "0", "2"]);
        assert_eq!(axis(-3e-6, 3e-6).title().text(), "x (10⁻⁶ km s⁻¹)");
        assert_eq!(axis(-3.0, 3.0).title().text(), "x (km s⁻¹)");
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_their_parts() {
        let axis = |low, high| Axis::log(low, high, Label::plain("x"), "");
        assert_eq!(numbers(&axis(0.05, 30.0), 6), ["0.1", "1", "10"]);
        assert_eq!(numbers(&axis(2.1, 11.0), 6), ["5", "10"]);
        assert!(numbers(&axis(1e-12, 1e12), 6).len() <= 6);
        assert!(axis(0.05, 30.0).ticks(6).minor.contains(&0.5));
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
