#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use runner::quantity::NotAQuantity;

use super::*;
use crate::common::columns::{ACTIONS, ANGLES, CARTESIAN, Column, FREQUENCIES, OBSERVABLES, TIME};

fn ours() -> Vec<Column> {
    let groups: [&[Column]; 6] = [&[TIME], &CARTESIAN, &OBSERVABLES, &ACTIONS, &ANGLES, &FREQUENCIES];
    groups.concat()
}

#[test]
fn conversions_agree_with_their_definitions() {
    let parsec_km = 3.085_677_581_491_367e13;
    let year_s = 31_557_600.0;
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-14, "{found} {expected}");
    close(factor("pc/Myr", "km/s").unwrap(), parsec_km / (1e6 * year_s));
    close(
        factor("kpc^2/Myr", "km/s kpc").unwrap(),
        1e3 * parsec_km / (1e6 * year_s),
    );
    close(factor("rad/Gyr", "km/s/kpc").unwrap(), 1e3 * parsec_km / (1e9 * year_s));
    close(factor("rad", "deg").unwrap(), 57.295_779_513_082_32);
    close(factor("hourangle", "deg").unwrap(), 15.0);
    close(factor("arcsec/yr", "mas/yr").unwrap(), 1e3);
    // Powers of ten are exact.
    assert_eq!(factor("pc", "kpc"), Ok(1e-3));
    assert_eq!(factor("Mpc", "kpc"), Ok(1e3));
    assert_eq!(factor("m/s", "km/s"), Ok(1e-3));
    assert_eq!(factor("uas/yr", "mas/yr"), Ok(1e-3));
    for column in ours() {
        assert_eq!(factor(column.unit, column.unit), Ok(1.0), "{}", column.name);
    }
    for unit in [
        "kpc", "km/s", "deg", "rad", "mas", "mas/yr", "Gyr", "km/s kpc", "km/s/kpc",
    ] {
        for example in examples(unit).split(", ") {
            assert!(factor(example, unit).is_ok(), "{example} for {unit}");
        }
    }
}

#[test]
fn the_spellings_of_astropy_fits_and_vounit_are_read() {
    for (unit, spellings) in [
        (
            "km/s",
            "km s-1|km / s|km.s-1|km s**-1|km.s**-1|km*s^-1|km s^{-1}|km s⁻¹|km·s⁻¹|KM/S|km/sec|s-1 km|km s^(-1)|1000 m/s|10+3 m / s|10**3 m.s**-1|\
             1e5 cm/s|kilometer / second",
        ),
        (
            "mas/yr",
            "mas / yr|mas yr-1|mas.yr-1|mas.yr**-1|MAS/YR|mas/a|mas/year|10-3 arcsec/yr|0.001 arcsec / yr",
        ),
        ("kpc", "1000 pc|10+3pc|kiloparsec|KPC|10^3 pc"),
        ("deg", "degree|degrees|°|DEG|60 arcmin|3600\""),
        (
            "km/s kpc",
            "kpc km / s|kpc km s-1|km kpc / s|kpc.km.s-1|(km/s) kpc|km.kpc/s",
        ),
        (
            "km/s/kpc",
            "km / (kpc s)|km s-1 kpc-1|km/s/kpc|km.s-1.kpc-1|rad km/s/kpc|km/(s kpc)",
        ),
        ("(km/s)^2", "km2 / s2|km2 s-2|km**2 s**-2|km²/s²"),
        ("(km/s)^2/kpc", "km2 / (kpc s2)|km2 s-2 kpc-1"),
        ("Gyr", "10+9 yr|1000 Myr|Ga|gigayear"),
        ("M_sun", "solMass|Msun|M⊙"),
    ] {
        for spelling in spellings.split('|').filter(|spelling| !spelling.contains('{')) {
            let found = factor(spelling, unit).unwrap_or_else(|error| panic!("{spelling}: {error}"));
            assert!((found - 1.0).abs() < 1e-14, "{spelling} is {found} {unit}");
        }
    }
}

#[test]
fn what_does_not_convert_says_both_dimensions() {
    for (from, to, words) in [
        ("km", "km/s", "\"km\" is a length, not a speed (km/s)"),
        (
            "km/s kpc",
            "km/s/kpc",
            "\"km/s kpc\" is an action, not a frequency (km/s/kpc)",
        ),
        ("deg", "kpc", "\"deg\" is an angle, not a length (kpc)"),
        (
            "pc3 / yr",
            "kpc",
            "\"pc3 / yr\" is length^3 time^-1, not a length (kpc)",
        ),
        ("1", "deg", "\"1\" is a pure number, not an angle (deg)"),
        ("parsnip", "kpc", "\"parsnip\" is not a unit that is understood"),
        ("MPC", "kpc", "\"MPC\" is not a unit that is understood"),
    ] {
        assert_eq!(factor(from, to).unwrap_err().to_string(), words);
    }
    for nonsense in [
        "",
        "km/",
        "/",
        "km//s",
        "(km",
        "km)",
        "km**",
        "km^2.5",
        "s-",
        "k",
        "0 kpc",
        "magnitude",
        "km s--1",
        "km^999999999",
    ] {
        assert!(Unit::parse(nonsense).is_none(), "{nonsense}");
    }
    assert!(Unit::parse(&"(".repeat(1_000_000)).is_none());
}

/// Products of powers of symbols.
fn products() -> impl Strategy<Value = Vec<(&'static str, i32)>> {
    let symbols = prop::sample::select(vec![
        "km", "kpc", "pc", "s", "yr", "Myr", "mas", "rad", "deg", "solMass", "m",
    ]);
    prop::collection::vec((symbols, prop::sample::select(vec![-3, -2, -1, 1, 2, 3])), 1..4)
}

#[test]
fn numbers_with_units_are_read_to_the_last_bit() {
    for (text, unit, expected) in [
        ("700 pc", "kpc", 0.7),
        ("0.7 kpc", "kpc", 0.7),
        ("100 Myr", "Gyr", 0.1),
        ("60kyr", "Gyr", 6e-5),
        ("3.3e11 M_sun", "M_sun", 3.3e11),
        ("+.57 Mpc", "kpc", 570.0),
        ("5.e2 pc", "kpc", 0.5),
        ("30 arcmin", "deg", 0.5),
        ("7 arcmin", "deg", 7.0 / 60.0),
        ("7\"", "deg", 7.0 / 3600.0),
        ("-0.1 turn", "deg", -36.0),
        ("230 m/s", "km/s", 0.23),
        ("1 Gm s-1", "km/s", 1e6),
        ("50 M_sun / pc^2", "M_sun/kpc^2", 5e7),
        ("0.1 M_sun pc-3", "M_sun/kpc^3", 1e8),
        ("20 µas/yr", "mas/yr", 0.02),
        ("2.6 %", "%", 2.6),
        ("2.6%", "%", 2.6),
    ] {
        assert_eq!(read(text, unit), Ok(expected), "{text}");
    }
    let close = |found: Result<f64, NotAQuantity>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 1e-15;
    assert!(close(read("1 kpc/Gyr", "km/s"), factor("kpc/Gyr", "km/s").unwrap()));
    assert!(close(
        read("0.1 kpc^2/Myr", "km/s kpc"),
        0.1 * factor("kpc^2/Myr", "km/s kpc").unwrap()
    ));
}

#[test]
fn what_is_no_number_with_a_unit_says_why() {
    for text in [
        "",
        "5",
        "kpc",
        "five kpc",
        "3,3e11 pc",
        "1'000 pc",
        "1/2 kpc",
        "1_000 pc",
        "5 10 pc",
        "1e999 kpc",
        ". kpc",
        "- 5 kpc",
        "5 *kpc",
        "1e99999999999 kpc",
    ] {
        assert_eq!(read(text, "kpc"), Err(NotAQuantity::NoQuantity), "{text}");
    }
    let other = |found: &str| {
        Err(NotAQuantity::OtherDimension {
            found: found.to_owned(),
        })
    };
    assert_eq!(read("100 Myr", "kpc"), other("a time"));
    assert_eq!(read("3 %", "kpc"), other("a pure number"));
    assert_eq!(read("3 rad", "kpc"), other("an angle"));
    let unknown = read("5 parsnips", "kpc");
    assert!(
        matches!(unknown, Err(NotAQuantity::UnknownUnit { unit, allowed }) if unit == "parsnips" && allowed == ["kpc", "pc", "Mpc"])
    );
}

proptest! {
    #[test]
    fn powers_of_ten_between_units_lose_nothing(digits in 1_i64..10_000_000, places in 0_u32..6, pair in 0_usize..6) {
        let (unit, ours, decimals) = [
            ("pc", "kpc", -3), ("Mpc", "kpc", 3), ("yr", "Gyr", -9), ("m/s", "km/s", -3), ("M_sun/pc^2", "M_sun/kpc^2", 6), ("uas/yr", "mas/yr", -3),
        ][pair];
        let number = digits as f64 / 10f64.powi(places as i32);
        let exact: f64 = format!("{digits}e{}", decimals - places as i32).parse().unwrap();
        prop_assert_eq!(read(&format!("{number} {unit}"), ours), Ok(exact));
        prop_assert_eq!(read(&format!("{digits}e-{places} {unit}"), ours), Ok(exact));
        prop_assert_eq!(read(&format!("{number:e}{unit}"), ours), Ok(exact));
    }

    #[test]
    fn any_text_is_a_number_with_a_unit_or_not(text in "[-+0-9.eE]{0,6} ?\\PC{0,10}") {
        let _ = read(&text, "kpc");
    }

    #[test]
    fn one_unit_in_every_spelling_is_one_unit(product in products()) {
        let joined = |between: &str, power: &dyn Fn(i32) -> String| {
            let factors = product.iter().map(|(symbol, raised)| format!("{symbol}{}", if *raised == 1 { String::new() } else { power(*raised) }));
            factors.collect::<Vec<_>>().join(between)
        };
        let astropy = |sign: i32| {
            let factors = product.iter().filter(|(_, power)| power.signum() == sign);
            let texts = factors.map(|(symbol, power)| if power.abs() == 1 { (*symbol).to_owned() } else { format!("{symbol}{}", power.abs()) });
            texts.collect::<Vec<_>>()
        };
        let above = astropy(1);
        let below = astropy(-1);
        let numerator = if above.is_empty() { "1".to_owned() } else { above.join(" ") };
        let generic = match below.len() {
            0 => numerator,
            1 => format!("{numerator} / {}", below[0]),
            _ => format!("{numerator} / ({})", below.join(" ")),
        };
        let expected = Unit::parse(&joined(" ", &|power| power.to_string())).unwrap();
        for spelling in [
            joined(".", &|power| power.to_string()),
            joined(".", &|power| format!("**{power}")),
            joined(" * ", &|power| format!("^{power}")),
            joined("*", &|power| format!("**({power})")),
            generic,
        ] {
            let found = Unit::parse(&spelling).unwrap_or_else(|| panic!("{spelling}"));
            prop_assert_eq!(found.dimension, expected.dimension);
            prop_assert_eq!(found.decimals, expected.decimals);
            prop_assert!((found.coefficient / expected.coefficient - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn any_text_is_a_unit_or_none(text in "\\PC{0,40}") {
        let _ = Unit::parse(&text);
    }
}
