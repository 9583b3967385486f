//! Whether the numbers of a file can be in the units that they are taken in: by the medians of distances and speeds.

use dynamics::units::KM_S_PER_KPC_MAS_YR;
use formats::Table;
use runner::context::StageContext;
use runner::stage::Stage;

use super::ImportStreams;
use super::source::{COLUMNS, Source};
use super::values::{CARTESIAN, SKY, V_LOS, Values};
use crate::common::units::{examples, factor};

/// What is known of stars by a median.
struct Quantity {
    what: &'static str,
    unit: &'static str,
    /// Between these the median of any table of stars lies.
    bounds: (f64, f64),
    /// Our columns that it follows from.
    columns: &'static [&'static str],
    /// Whether these are seen on the sky.
    on_sky: bool,
}

/// kpc: the nearest stars are some parsecs away, and a megaparsec is beyond the middle of the Local Group.
const DISTANCES: (f64, f64) = (0.005, 1000.0);
/// km/s: what moves by less stands still beside the Sun, what moves by more leaves any galaxy.
const SPEEDS: (f64, f64) = (0.5, 2000.0);

/// Place of the speed across the line of sight: it follows from distances, too, which stand before it.
const ACROSS: usize = 1;

const QUANTITIES: [Quantity; 5] = [
    Quantity {
        what: "distance",
        unit: "kpc",
        bounds: DISTANCES,
        columns: &["distance", "parallax", "distance_modulus"],
        on_sky: true,
    },
    Quantity {
        what: "speed across the line of sight",
        unit: "km/s",
        bounds: SPEEDS,
        columns: &["mu_l_cosb", "mu_b", "pmra", "pmdec"],
        on_sky: true,
    },
    Quantity {
        what: "speed along the line of sight",
        unit: "km/s",
        // Members of one stream may turn around there.
        bounds: (0.1, 2000.0),
        columns: &["v_los", "radial_velocity"],
        on_sky: true,
    },
    Quantity {
        what: "distance from the Galactic centre",
        unit: "kpc",
        bounds: DISTANCES,
        columns: &["x", "y", "z"],
        on_sky: false,
    },
    Quantity {
        what: "speed",
        unit: "km/s",
        bounds: SPEEDS,
        columns: &["vx", "vy", "vz"],
        on_sky: false,
    },
];

/// The median of positive numbers, to half a per cent, in memory that does not grow.
#[derive(Debug, Clone)]
struct Median {
    /// Numbers by their logarithm.
    counts: Vec<u64>,
    all: u64,
}

/// Decades that are counted, on both sides of 1, and parts of each.
const DECADES: usize = 15;
const PARTS: usize = 256;

impl Default for Median {
    fn default() -> Self {
        Self {
            counts: vec![0; 2 * DECADES * PARTS],
            all: 0,
        }
    }
}

impl Median {
    /// Adds a number. What is 0 is so in every unit, and is passed over.
    fn add(&mut self, value: f64) {
        if value.is_nan() || value == 0.0 {
            return;
        }
        let place = (value.abs().log10() + DECADES as f64) * PARTS as f64;
        let place = place.clamp(0.0, (self.counts.len() - 1) as f64) as usize;
        self.counts[place] += 1;
        self.all += 1;
    }

    fn get(&self) -> Option<f64> {
        let mut below = 0;
        let place = self.counts.iter().position(|count| {
            below += count;
            below > 0 && 2 * below >= self.all
        })?;
        Some(10.0_f64.powf((place as f64 + 0.5) / PARTS as f64 - DECADES as f64))
    }
}

/// What is known of the stars of a table.
#[derive(Default)]
pub(super) struct Medians {
    /// Of [`QUANTITIES`].
    medians: [Median; QUANTITIES.len()],
    /// Units that the file states, by column.
    stated: Vec<(String, String)>,
}

impl Medians {
    /// Takes the units of a file.
    pub fn begin(&mut self, table: &Table) {
        if self.stated.is_empty() {
            let units = table.units.iter().map(|(name, _)| name);
            let stated = units.filter_map(|name| Some((name.clone(), table.unit(name)?.to_owned())));
            self.stated = stated.collect();
        }
    }

    /// Adds a star.
    pub fn add(&mut self, values: &Values) {
        let norm = |at: usize| (values[at].powi(2) + values[at + 1].powi(2) + values[at + 2].powi(2)).sqrt();
        let distance = values[SKY];
        let motion = values[SKY + 4].hypot(values[SKY + 5]);
        let numbers = [
            distance,
            KM_S_PER_KPC_MAS_YR * distance * motion,
            values[V_LOS],
            norm(CARTESIAN),
            norm(CARTESIAN + 3),
        ];
        for (median, number) in self.medians.iter_mut().zip(numbers) {
            median.add(number);
        }
    }

    /// Says what cannot be. What follows from the sky is told of that.
    pub fn tell(&self, stage: &ImportStreams, context: &StageContext) {
        let is_seen = stage.columns.has_sky();
        let mut is_far = false;
        for (number, (quantity, median)) in QUANTITIES.iter().zip(&self.medians).enumerate() {
            let (least, most) = quantity.bounds;
            let Some(median) = median.get().filter(|_| is_seen == quantity.on_sky) else {
                continue;
            };
            // Where distances are wrong, so are speeds that follow from them.
            if (least..=most).contains(&median) || (number == ACROSS && is_far) {
                continue;
            }
            is_far |= number + 1 == ACROSS;
            context.finding(self.sentence(stage, quantity, median, number == ACROSS));
        }
    }

    /// What is said of a median that cannot be.
    fn sentence(&self, stage: &ImportStreams, quantity: &Quantity, median: f64, by_distance: bool) -> String {
        let Quantity {
            what, unit, columns, ..
        } = quantity;
        let mapped = stage.columns.numbers().into_iter();
        let mapped: Vec<(usize, &Source)> = mapped
            .filter(|(place, _)| columns.contains(&COLUMNS[*place].name))
            .collect();
        let names: Vec<&str> = mapped.iter().map(|(_, source)| source.name()).collect();
        let files = stage.files();
        let file = files.first().map(|file| file.path.display().to_string());
        let Some((place, first)) = mapped.first() else {
            return format!("the median {what} is {} {unit}", shown(median));
        };
        let ours = &COLUMNS[*place];
        let stated = self.stated.iter().find(|(name, _)| name == first.name());
        let (taken, right) = match (first.unit(), stated) {
            (Some(unit), _) => (format!("in {unit}"), "unit: …"),
            (None, Some((_, unit))) => (format!("in {unit}, as the file says"), "factor: …"),
            (None, None) => (format!("in {}, for the file states no unit", ours.unit), "unit: …"),
        };
        let verb = if names.len() > 1 { "are" } else { "is" };
        let too = if by_distance { " or that of distances" } else { "" };
        format!(
            "{}: the median {what} is {} {unit} if {} {verb} {taken}; if the unit{too} is another ({}), map `{}: {{ column: {}, {right} }}`",
            file.unwrap_or_default(),
            shown(median),
            names.join(" "),
            others(ours.unit),
            ours.name,
            first.name(),
        )
    }
}

/// Other units than ours of what it measures.
fn others(ours: &str) -> String {
    let is_other = |unit: &&str| factor(unit, ours).is_ok_and(|factor| (factor - 1.0).abs() > 1e-9);
    examples(ours)
        .split(", ")
        .filter(is_other)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A number to two digits.
fn shown(value: f64) -> String {
    match value {
        value if !(1e-4..1e6).contains(&value) => format!("{value:.1e}"),
        value => {
            let digits = 1 - value.log10().floor() as i32;
            let scale = 10.0_f64.powi(digits);
            format!("{}", (value * scale).round() / scale)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_known_to_a_per_cent_whatever_their_size() {
        for scale in [1e-9, 0.02, 1.0, 3e7] {
            let mut median = Median::default();
            (0..=1000).for_each(|number| median.add(scale * (1.0 + f64::from(number))));
            let found = median.get().unwrap_or_default() / (501.0 * scale);
            assert!((found - 1.0).abs() < 0.01, "{scale}: {found}");
        }
        let mut odd = Median::default();
        [0.0, f64::NAN, 0.0].into_iter().for_each(|value| odd.add(value));
        assert_eq!(odd.get(), None);
        [1e-300, 1e300, 1e300].into_iter().for_each(|value| odd.add(value));
        assert!(odd.get().is_some_and(|median| median > 1e14));
    }

    #[test]
    fn numbers_have_two_digits() {
        let of = [0.0012345, 45_678.0, 7.9, 1234.0, 3e-7].map(shown);
        assert_eq!(
            (others("mas").as_str(), others("kpc").as_str()),
            ("arcsec, uas", "pc, Mpc")
        );
        assert_eq!(of, ["0.0012", "46000", "7.9", "1200", "3.0e-7"]);
    }
}
