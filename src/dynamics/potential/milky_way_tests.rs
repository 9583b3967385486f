#![allow(clippy::unwrap_used)]

use super::*;
use crate::statistics::median;
use crate::vector::norm;

/// How closely a model is that of another code: force relative to itself, at worst and in the median, and Φ but for a constant, (km/s)².
struct Close {
    worst: f64,
    typical: f64,
    potential: f64,
}

/// Formulae agree to the digits of G, of masses, and of the table.
const FORMULA: Close = Close {
    worst: 1e-8,
    typical: 1e-8,
    potential: 1e-3,
};

/// AGAMA's expansion has this error itself: see `forces_agree_with_an_independent_expansion`.
const EXPANSION: Close = Close {
    worst: 6e-4,
    typical: 1.5e-4,
    potential: 20.0,
};

/// By model and code.
const CLOSE: [(&str, &str, Close); 15] = [
    ("mw_potential_2014", "galpy", FORMULA),
    ("mw_potential_2014", "gala", FORMULA),
    // AGAMA expands the bulge.
    (
        "mw_potential_2014",
        "agama",
        Close {
            worst: 2e-5,
            typical: 2e-6,
            potential: 0.2,
        },
    ),
    ("milky_way_potential_2017", "gala", FORMULA),
    ("milky_way_potential_2017", "agama", FORMULA),
    ("milky_way_potential_2022", "gala", FORMULA),
    ("milky_way_potential_2022", "agama", FORMULA),
    ("law_majewski_10", "gala", FORMULA),
    ("irrgang_13_3", "galpy", FORMULA),
    // galpy's basis functions, with a halo that ends smoothly or needs many of them.
    (
        "irrgang_13_1",
        "galpy",
        Close {
            worst: 2e-3,
            typical: 1e-3,
            potential: 60.0,
        },
    ),
    (
        "irrgang_13_2",
        "galpy",
        Close {
            worst: 2e-3,
            typical: 1e-3,
            potential: 60.0,
        },
    ),
    // AGAMA's file has masses of three digits.
    (
        "irrgang_13_1",
        "agama",
        Close {
            worst: 3e-3,
            typical: 1e-3,
            potential: 100.0,
        },
    ),
    ("piffl_14", "agama", EXPANSION),
    ("mcmillan_17", "agama", EXPANSION),
    // Rounded parameters in basis functions.
    (
        "mcmillan_17",
        "galpy",
        Close {
            worst: 4e-3,
            typical: 1e-3,
            potential: 300.0,
        },
    ),
];

/// `tests/reference/milky_way.csv` holds every model as galpy, gala and AGAMA have it; every model but one is in it.
#[test]
fn models_are_those_of_the_codes_that_publish_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/milky_way.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<(&str, &str, Vec<f64>)> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split(',');
            let (model, code) = (cells.next().unwrap(), cells.next().unwrap());
            (model, code, cells.map(|cell| cell.parse().unwrap()).collect())
        })
        .collect();
    let mut broken = Vec::new();
    for model in MilkyWay::ALL {
        let potential = model.build().unwrap();
        assert_eq!(potential.symmetry(), model.symmetry());
        assert_eq!(MilkyWay::named(model.name()), Some(model));
        let mut codes: Vec<&str> = rows
            .iter()
            .filter(|row| row.0 == model.name())
            .map(|row| row.1)
            .collect();
        codes.dedup();
        // Its values are in another table.
        assert!(
            !codes.is_empty() || model == MilkyWay::DehnenBinney981,
            "{} has no values",
            model.name()
        );
        for code in codes {
            let close = CLOSE.iter().find(|close| (close.0, close.1) == (model.name(), code));
            let close = &close
                .unwrap_or_else(|| panic!("no tolerance for {model:?} by {code}"))
                .2;
            let (mut errors, mut offsets) = (Vec::new(), Vec::new());
            for (.., row) in rows.iter().filter(|row| (row.0, row.1) == (model.name(), code)) {
                let (phi, a) = potential.potential_and_acceleration([row[0], row[1], row[2]]);
                let theirs = [row[4], row[5], row[6]];
                errors.push(norm([0, 1, 2].map(|i| a[i] - theirs[i])) / norm(theirs));
                offsets.push(phi - row[3]);
            }
            assert!(errors.len() >= 20);
            let middle = median(offsets.clone()).unwrap();
            let spread = offsets.iter().map(|offset| (offset - middle).abs()).fold(0.0, f64::max);
            let worst = errors.iter().copied().fold(0.0, f64::max);
            let typical = median(errors).unwrap();
            if worst > close.worst || typical > close.typical || spread > close.potential {
                broken.push(format!(
                    "{model:?} by {code}: force {typical:.1e}, {worst:.1e} at worst; Φ {spread:.1e}"
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
