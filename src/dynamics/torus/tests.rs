#![allow(clippy::unwrap_used)]
use super::*;
use crate::o2gf;
use crate::orbit::dense;
use crate::potential::Galaxy;
use crate::units::KPC_PER_KM_S_GYR;

const DISC: [Actions; 2] = [
    Actions {
        phi: 1747.0,
        z: 2.98,
        r: 29.38,
    },
    Actions {
        phi: -1600.0,
        z: 20.0,
        r: 40.0,
    },
];
const HALO: [Actions; 2] = [
    Actions {
        phi: 894.0,
        z: 163.0,
        r: 299.8,
    },
    Actions {
        phi: 3672.0,
        z: 558.1,
        r: 317.2,
    },
];

fn difference(a: &Angles, b: &Angles) -> f64 {
    [a.r - b.r, a.z - b.z, a.phi - b.phi]
        .map(|angle| wrap_difference(angle).abs())
        .into_iter()
        .fold(0.0, f64::max)
}

/// In an isochrone the torus is known exactly, whatever toy is chosen.
#[test]
fn the_isochrone_has_its_own_tori() {
    let exact = Isochrone::new(3.334e11, 5.0).unwrap();
    let actions = Actions {
        phi: -900.0,
        z: 400.0,
        r: 200.0,
    };
    let toy = Isochrone::new(3.0e11, 4.2).unwrap();
    let torus = fit::fit(
        &exact,
        toy,
        actions,
        &Settings {
            tolerance: 1e-8,
            most_modes: 300,
        },
    )
    .unwrap();
    let rates = exact.frequencies(&actions);
    for (ours, true_rate) in [
        (torus.frequencies().r, rates.r),
        (torus.frequencies().z, rates.z),
        (torus.frequencies().phi, rates.phi),
    ] {
        assert!((ours / true_rate - 1.0).abs() < 1e-6, "{ours} {true_rate}");
    }
    assert!((torus.energy() / exact.energy_of(&actions) - 1.0).abs() < 1e-8);
    for angles in [
        Angles {
            phi: 1.0,
            z: 2.0,
            r: 3.0,
        },
        Angles {
            phi: 5.0,
            z: 4.5,
            r: 0.3,
        },
    ] {
        let point = torus.point(&angles).unwrap();
        let found = exact.actions(&point).unwrap();
        assert!((found.actions.r - actions.r).abs() < 1e-3 && (found.actions.z - actions.z).abs() < 1e-3);
        assert!(difference(&found.angles, &angles) < 1e-5, "{found:?} {angles:?}");
        let located = torus.locate(&point).unwrap();
        assert!((located.actions.r - actions.r).abs() < 1e-7 && difference(&located.angles, &angles) < 1e-9);
    }
}

/// A torus point's own O2GF label has the torus' actions, angles and frequencies: the medians asked of samples (0.02 and
/// 0.1° on disc orbits, 0.3 and 0.5° on halo orbits), allowed twofold for single points.
#[test]
fn tori_agree_with_o2gf() {
    let piffl = Galaxy::piffl_14().unwrap();
    let dehnen = Galaxy::dehnen_binney_98_1().unwrap();
    for (galaxy, j, tolerance, most_j, most_degrees) in [
        (&piffl, DISC[0], 1e-4, 0.04, 0.2),
        (&dehnen, DISC[0], 1e-4, 0.04, 0.2),
        (&piffl, DISC[1], 1e-4, 0.04, 0.2),
        (&piffl, HALO[0], 1e-4, 0.6, 1.0),
        (&piffl, HALO[1], 1e-4, 0.6, 1.0),
    ] {
        let torus = Torus::new(
            galaxy,
            &j,
            &Settings {
                tolerance,
                ..Settings::default()
            },
        )
        .unwrap();
        let angles = Angles {
            phi: 1.0,
            z: 2.0,
            r: 1.2,
        };
        let point = torus.point(&angles).unwrap();
        let label = o2gf::label(galaxy, &point, &o2gf::Settings::default()).unwrap();
        let found = label.action_angle;
        let (dr, dz) = ((found.actions.r - j.r).abs(), (found.actions.z - j.z).abs());
        let turned = difference(&found.angles, &angles).to_degrees();
        let rates = [
            found.frequencies.r / torus.frequencies().r,
            found.frequencies.z / torus.frequencies().z,
            found.frequencies.phi / torus.frequencies().phi,
        ];
        assert!(
            dr < most_j && dz < most_j && turned < most_degrees,
            "{j:?}: {dr} {dz} {turned}"
        );
        assert!(rates.iter().all(|ratio| (ratio - 1.0).abs() < 1e-3), "{j:?}: {rates:?}");
    }
}

/// Where Ω_r ≈ Ω_z a surface of constant H exists that no orbit stays on; it must not be returned.
#[test]
fn resonant_tori_are_refused() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let resonant = Actions {
        phi: -2500.0,
        z: 30.0,
        r: 45.0,
    };
    let torus = Torus::new(&galaxy, &resonant, &Settings::default());
    assert!(matches!(torus, Err(TorusError::Resonant { n_r: 2, n_z: -2, .. })));
}

/// Orbits that start on a torus stay on it for five radial periods, and their angles advance by Ω t.
#[test]
fn orbits_stay_on_their_torus() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (j, tolerance, most) in [(DISC[0], 3e-5, 0.3), (HALO[1], 1e-4, 3.0)] {
        let torus = Torus::new(
            &galaxy,
            &j,
            &Settings {
                tolerance,
                ..Settings::default()
            },
        )
        .unwrap();
        let angles = Angles {
            phi: 0.3,
            z: 1.0,
            r: 2.0,
        };
        let start = torus.point(&angles).unwrap();
        let rates = torus.frequencies();
        let period = std::f64::consts::TAU / rates.r / KPC_PER_KM_S_GYR;
        let times: Vec<f64> = (1..=20).map(|i| 0.25 * f64::from(i) * period).collect();
        for (point, time) in dense::integrate(&galaxy, &start, &times, 1e-11)
            .unwrap()
            .points
            .iter()
            .zip(&times)
        {
            let found = torus.locate(point).unwrap();
            let t = time * KPC_PER_KM_S_GYR;
            let expected = Angles {
                phi: angles.phi + rates.phi * t,
                z: angles.z + rates.z * t,
                r: angles.r + rates.r * t,
            };
            let (dr, dz) = ((found.actions.r - j.r).abs(), (found.actions.z - j.z).abs());
            let turned = difference(&found.angles, &expected);
            assert!(dr < most && dz < most && turned < 0.04, "{dr} {dz} {turned}");
        }
    }
}

/// Iterated tori give the published actions of two test orbits from a guess that is wrong by a fifth.
#[test]
fn iterated_tori_find_the_actions_of_a_point() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (x, v, j_r, j_z) in [
        ([8.29, 0.1, 0.1], [50.22, 187.1, 54.22], 75.96, 29.24),
        ([26.0, 0.1, 0.1], [0.1, 141.8, 83.1], 317.20, 558.09),
    ] {
        let point = PhaseSpace::new(x, v);
        let guess = Actions {
            phi: 0.0,
            z: 1.2 * j_z,
            r: 0.9 * j_r,
        };
        let found = iterate(
            &galaxy,
            &point,
            &guess,
            6,
            &Settings {
                tolerance: 2e-5,
                ..Settings::default()
            },
        )
        .unwrap();
        assert!(
            (found.actions.r - j_r).abs() < 0.5 && (found.actions.z - j_z).abs() < 0.8,
            "{found:?}"
        );
    }
}

#[test]
fn what_has_no_torus_is_an_error() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let few = Settings {
        tolerance: 1e-6,
        most_modes: 40,
    };
    let vertical = Actions {
        phi: -20.0,
        z: 500.0,
        r: 500.0,
    };
    assert!(matches!(
        Torus::new(&galaxy, &vertical, &few),
        Err(TorusError::Dispersion { .. })
    ));
    let negative = Actions {
        phi: 100.0,
        z: -1.0,
        r: 10.0,
    };
    assert_eq!(Torus::new(&galaxy, &negative, &few).unwrap_err(), TorusError::Actions);
    let triaxial = crate::potential::Logarithmic::new(220.0, 2.0, [1.0, 0.9, 0.7]).unwrap();
    assert_eq!(
        Torus::new(&triaxial, &DISC[0], &few).unwrap_err(),
        TorusError::NotAxisymmetric
    );
}
