//! Units that users' tables come in, as factors to ours.

use dynamics::units::KPC_PER_KM_S_GYR;

/// Our unit, and those it can be made from with their factors.
type Conversions = (&'static str, &'static [(&'static str, f64)]);

/// 1 pc/Myr = 1 kpc/Gyr in km/s.
const KPC_PER_GYR: f64 = 1.0 / KPC_PER_KM_S_GYR;
const DEGREE: f64 = std::f64::consts::PI / 180.0;

const CONVERSIONS: [Conversions; 8] = [
    ("kpc", &[("kpc", 1.0), ("pc", 1e-3), ("Mpc", 1e3)]),
    (
        "km/s",
        &[
            ("km/s", 1.0),
            ("m/s", 1e-3),
            ("pc/Myr", KPC_PER_GYR),
            ("kpc/Gyr", KPC_PER_GYR),
            ("kpc/Myr", 1e3 * KPC_PER_GYR),
        ],
    ),
    (
        "deg",
        &[
            ("deg", 1.0),
            ("rad", 1.0 / DEGREE),
            ("arcmin", 1.0 / 60.0),
            ("arcsec", 1.0 / 3600.0),
        ],
    ),
    ("rad", &[("rad", 1.0), ("deg", DEGREE)]),
    ("mas/yr", &[("mas/yr", 1.0), ("arcsec/yr", 1e3), ("uas/yr", 1e-3)]),
    ("Gyr", &[("Gyr", 1.0), ("Myr", 1e-3), ("yr", 1e-9)]),
    (
        "km/s kpc",
        &[
            ("km/s kpc", 1.0),
            ("km/s pc", 1e-3),
            ("kpc^2/Gyr", KPC_PER_GYR),
            ("kpc^2/Myr", 1e3 * KPC_PER_GYR),
        ],
    ),
    // As every angular frequency, an angle in radians per time.
    (
        "km/s/kpc",
        &[
            ("km/s/kpc", 1.0),
            ("rad/Gyr", KPC_PER_GYR),
            ("rad/Myr", 1e3 * KPC_PER_GYR),
        ],
    ),
];

/// The number by which a quantity in `from` is multiplied to be in `to`; `None` if they do not measure the same.
pub fn factor(from: &str, to: &str) -> Option<f64> {
    known(to)
        .iter()
        .find(|(name, _)| *name == from)
        .map(|&(_, factor)| factor)
}

/// The units that convert to `to`, with their factors.
pub fn known(to: &str) -> &'static [(&'static str, f64)] {
    CONVERSIONS
        .iter()
        .find(|(ours, _)| *ours == to)
        .map_or(&[], |&(_, from)| from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn conversions_agree_with_their_definitions() {
        let parsec_km = 3.085_677_581_491_367e13;
        let year_s = 31_557_600.0;
        let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-10;
        assert!(close(factor("pc/Myr", "km/s").unwrap(), parsec_km / (1e6 * year_s)));
        assert!(close(
            factor("kpc^2/Myr", "km/s kpc").unwrap(),
            1e3 * parsec_km / (1e6 * year_s)
        ));
        assert!(close(
            factor("rad/Gyr", "km/s/kpc").unwrap(),
            1e3 * parsec_km / (1e9 * year_s)
        ));
        assert!(close(factor("rad", "deg").unwrap(), 57.295_779_513_082_32));
        assert_eq!(factor("pc", "kpc"), Some(1e-3));
        assert_eq!(factor("kpc", "km/s"), None);
    }

    #[test]
    fn every_column_has_its_own_unit_among_those_known() {
        use crate::columns::{ACTIONS, ANGLES, CARTESIAN, FREQUENCIES, OBSERVABLES, TIME};
        let groups: [&[crate::columns::Column]; 6] =
            [&[TIME], &CARTESIAN, &OBSERVABLES, &ACTIONS, &ANGLES, &FREQUENCIES];
        for column in groups.concat() {
            assert_eq!(factor(column.unit, column.unit), Some(1.0), "{}", column.name);
        }
    }
}
