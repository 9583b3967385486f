#![allow(clippy::unwrap_used)]
use super::*;
use crate::o2gf;
use crate::orbit::dense;
use crate::potential::Galaxy;
use crate::units::KPC_PER_KM_S_GYR;

const DISC: [Actions; 2] = [Actions { phi: 1747.0, z: 2.98, r: 29.38 }, Actions { phi: -2500.0, z: 30.0, r: 45.0 }];
const HALO: [Actions; 2] = [Actions { phi: 894.0, z: 163.0, r: 299.8 }, Actions { phi: 3672.0, z: 558.1, r: 317.2 }];

fn difference(a: &Angles, b: &Angles) -> f64 {
    [a.r - b.r, a.z - b.z, a.phi - b.phi].map(|angle| wrap_difference(angle).abs()).into_iter().fold(0.0, f64::max)
}

/// In an isochrone the torus is known exactly, whatever toy is chosen.
#[test]
fn the_isochrone_has_its_own_tori() {
    let exact = Isochrone::new(3.334e11, 5.0).unwrap();
    let actions = Actions { phi: -900.0, z: 400.0, r: 200.0 };
    let toy = Isochrone::new(3.0e11, 4.2).unwrap();
    let torus = fit::fit(&exact, toy, actions, &Settings { tolerance: 1e-8, most_modes: 300 }).unwrap();
    let rates = exact.frequencies(&actions);
    for (ours, true_rate) in [
        (torus.frequencies().r, rates.r),
        (torus.frequencies().z, rates.z),
        (torus.frequencies().phi, rates.phi),
    ] {
        assert!((ours / true_rate - 1.0).abs() < 1e-6, "{ours} {true_rate}");
    }
    assert!((torus.energy() / exact.energy_of(&actions) - 1.0).abs() < 1e-8);
    for angles in [Angles { phi: 1.0, z: 2.0, r: 3.0 }, Angles { phi: 5.0, z: 4.5, r: 0.3 }] {
        let point = torus.point(&angles).unwrap();
        let found = exact.actions(&point).unwrap();
        assert!((found.actions.r - actions.r).abs() < 1e-3 && (found.actions.z - actions.z).abs() < 1e-3);
        assert!(difference(&found.angles, &angles) < 1e-5, "{found:?} {angles:?}");
        let located = torus.locate(&point).unwrap();
        assert!((located.actions.r - actions.r).abs() < 1e-7 && difference(&located.angles, &angles) < 1e-9);
    }
}

/// A torus point's own O2GF label has the torus' actions, angles and frequencies.
#[test]
fn tori_agree_with_o2gf() {
    for (galaxy, name) in [(Galaxy::piffl_14().unwrap(), "piffl"), (Galaxy::dehnen_binney_98_1().unwrap(), "db98")] {
        for (kind, tori, tolerance, most_j, most_angle) in [
            ("disc", DISC, 3e-5, 0.02, 0.1_f64.to_radians()),
            ("halo", HALO, 1e-3, 0.3, 0.5_f64.to_radians()),
        ] {
            let settings = Settings { tolerance, ..Settings::default() };
            for (torus, j) in map_tori(&galaxy, &tori, &settings, &|_| ()).into_iter().zip(tori) {
                let torus = torus.unwrap();
                let angles = Angles { phi: 1.0, z: 2.0, r: 1.2 };
                let point = torus.point(&angles).unwrap();
                let label = o2gf::label(&galaxy, &point, &o2gf::Settings::default()).unwrap();
                let found = label.action_angle;
                let (dr, dz) = ((found.actions.r - j.r).abs(), (found.actions.z - j.z).abs());
                let turned = difference(&found.angles, &angles);
                let rates = [
                    found.frequencies.r / torus.frequencies().r,
                    found.frequencies.z / torus.frequencies().z,
                    found.frequencies.phi / torus.frequencies().phi,
                ];
                println!(
                    "{name} {kind}: dH {:.1e} modes {} dJr {dr:.3} dJz {dz:.3} label {:.1e} angles {:.3} deg rates {rates:?}",
                    torus.dispersion(), torus.modes(), label.action_error, turned.to_degrees()
                );
                // The medians asked for, allowed threefold for single points.
                assert!(dr < 3.0 * most_j && dz < 3.0 * most_j, "{name} {kind} {j:?}: {dr} {dz}");
                assert!(turned < 3.0 * most_angle, "{name} {kind} {j:?}: {turned}");
                assert!(rates.iter().all(|ratio| (ratio - 1.0).abs() < 1e-3), "{rates:?}");
            }
        }
    }
}

/// Orbits that start on a torus stay on it for five radial periods, and their angles advance by Ω t.
#[test]
fn orbits_stay_on_their_torus() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (j, tolerance, most) in [(DISC[0], 3e-5, 0.3), (HALO[1], 1e-3, 3.0)] {
        let torus = Torus::new(&galaxy, &j, &Settings { tolerance, ..Settings::default() }).unwrap();
        let angles = Angles { phi: 0.3, z: 1.0, r: 2.0 };
        let start = torus.point(&angles).unwrap();
        let rates = torus.frequencies();
        let period = std::f64::consts::TAU / rates.r / KPC_PER_KM_S_GYR;
        let times: Vec<f64> = (1..=20).map(|i| 0.25 * f64::from(i) * period).collect();
        for (point, time) in dense::integrate(&galaxy, &start, &times, 1e-11).unwrap().points.iter().zip(&times) {
            let found = torus.locate(point).unwrap();
            let t = time * KPC_PER_KM_S_GYR;
            let expected = Angles { phi: angles.phi + rates.phi * t, z: angles.z + rates.z * t, r: angles.r + rates.r * t };
            let (dr, dz) = ((found.actions.r - j.r).abs(), (found.actions.z - j.z).abs());
            let turned = difference(&found.angles, &expected);
            println!("{dr:.3} {dz:.3} {turned:.4}");
            assert!(dr < most && dz < most && turned < 0.02, "{dr} {dz} {turned}");
        }
    }
}

/// Iterated tori give the four test orbits' published actions, and what they spread is below the paper's torus row.
#[test]
fn iterated_tori_find_the_actions_of_a_point() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (x, v, j_r, j_z) in [
        ([8.29, 0.1, 0.1], [30.22, 211.1, 19.22], 29.38, 2.92),
        ([26.0, 0.1, 0.1], [0.1, 141.8, 83.1], 317.20, 558.09),
    ] {
        let point = PhaseSpace::new(x, v);
        let guess = Actions { phi: 0.0, z: 1.2 * j_z, r: 0.9 * j_r };
        let found = iterate(&galaxy, &point, &guess, 6, &Settings::default()).unwrap();
        println!("{found:?}");
        assert!((found.actions.r - j_r).abs() < 1.0 && (found.actions.z - j_z).abs() < 1.0, "{found:?}");
    }
}

#[test]
fn what_has_no_torus_is_an_error() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let few = Settings { tolerance: 1e-6, most_modes: 40 };
    let vertical = Actions { phi: -20.0, z: 500.0, r: 500.0 };
    assert!(matches!(Torus::new(&galaxy, &vertical, &few), Err(TorusError::Dispersion { .. })));
    let negative = Actions { phi: 100.0, z: -1.0, r: 10.0 };
    assert_eq!(Torus::new(&galaxy, &negative, &few).unwrap_err(), TorusError::Actions);
    let triaxial = crate::potential::Logarithmic::new(220.0, 2.0, [1.0, 0.9, 0.7]).unwrap();
    assert_eq!(Torus::new(&triaxial, &DISC[0], &few).unwrap_err(), TorusError::NotAxisymmetric);
}
