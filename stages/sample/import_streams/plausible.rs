//! Whether the numbers of a file can be in the units that they are taken in: by the medians of distances and speeds.

use dynamics::units::KM_S_PER_KPC_MAS_YR;
use formats::Table;
use runner::context::StageContext;
use runner::stage::Stage;

use super::ImportStreams;
use super::source::{COLUMNS, Source};
use super::values::{CARTESIAN, SKY, V_LOS, Values};
use crate::common::units::{examples, factor};

/// Distances, kpc, between which the median of any table of stars lies: the nearest known are some parsecs away, and a megaparsec is beyond
/// the Local Group's middle.
const DISTANCES: (f64, f64) = (0.005, 1000.0);
/// Speeds across the line of sight, km/s: what moves by less stands still beside the Sun, what moves by more leaves any galaxy.
const ACROSS: (f64, f64) = (0.5, 2000.0);
/// The same along it, where a table may be of stars that turn around.
const ALONG: (f64, f64) = (0.1, 2000.0);

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
    distance: Median,
    across: Median,
    along: Median,
    radius: Median,
    speed: Median,
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
        self.distance.add(distance);
        self.across
            .add(KM_S_PER_KPC_MAS_YR * distance * values[SKY + 4].hypot(values[SKY + 5]));
        self.along.add(values[V_LOS]);
        self.radius.add(norm(CARTESIAN));
        self.speed.add(norm(CARTESIAN + 3));
    }

    /// Says what cannot be.
    pub fn tell(&self, stage: &ImportStreams, context: &StageContext) {
        let is_seen = stage.columns.has_sky();
        let (depth, motion) = (
            ["distance", "parallax", "distance_modulus"],
            ["mu_l_cosb", "mu_b", "pmra", "pmdec"],
        );
        let checks: [(&Median, (f64, f64), &str, &str, &[&str]); 5] = [
            (&self.distance, DISTANCES, "distance", "kpc", &depth),
            (&self.across, ACROSS, "speed across the line of sight", "km/s", &motion),
            (
                &self.along,
                ALONG,
                "speed along the line of sight",
                "km/s",
                &["v_los", "radial_velocity"],
            ),
            (
                &self.radius,
                DISTANCES,
                "distance from the Galactic centre",
                "kpc",
                &["x", "y", "z"],
            ),
            (&self.speed, ACROSS, "speed", "km/s", &["vx", "vy", "vz"]),
        ];
        let mut is_far = false;
        for (number, (median, (least, most), what, unit, ours)) in checks.into_iter().enumerate() {
            // What follows from the sky is told of that.
            let Some(median) = median.get().filter(|_| is_seen == (number < 3)) else {
                continue;
            };
            // Where distances are wrong, so are speeds that follow from them.
            if (least..=most).contains(&median) || (number == 1 && is_far) {
                continue;
            }
            is_far |= number == 0;
            context.finding(self.sentence(stage, (what, median, unit), ours, number == 1));
        }
    }

    /// What is said of a median that cannot be, which follows from columns of ours.
    fn sentence(
        &self,
        stage: &ImportStreams,
        (what, median, unit): (&str, f64, &str),
        ours: &[&str],
        by_distance: bool,
    ) -> String {
        let mapped = stage.columns.numbers().into_iter();
        let mapped: Vec<(usize, &Source)> = mapped
            .filter(|(place, _)| ours.contains(&COLUMNS[*place].name))
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
