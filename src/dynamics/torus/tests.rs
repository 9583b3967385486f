#![allow(clippy::unwrap_used)]
use super::*;
use crate::o2gf;
use crate::orbit::dense;
use crate::potential::Galaxy;
use crate::units::{Gyr, Natural};

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
            most_modes: 300,
            ..Settings::within(1e-8)
        },
        &|_| Ok(()),
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
        let torus = Torus::new(galaxy, &j, &Settings::within(tolerance)).unwrap();
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

/// What cannot be is given up soon: no series is constant beyond rounding, and near Ω_r = Ω_z none converges.
#[test]
fn hopeless_tori_are_given_up_soon() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let beyond = Torus::new(&galaxy, &DISC[0], &Settings::within(1e-15));
    let Err(TorusError::Dispersion { modes, .. }) = beyond else {
        panic!("{beyond:?}");
    };
    assert!(modes < 1000, "{modes}");
}

/// Next to a resonance, H at a slow mode moves the actions of orbits off those of the torus: the torus knows by how much, and
/// refuses to be worse than what is asked for.
#[test]
fn errors_of_actions_by_resonances_are_known() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let close = Actions {
        phi: -436.0,
        z: 889.0,
        r: 375.0,
    };
    let settings = Settings::within(1e-4);
    let torus = Torus::new(&galaxy, &close, &settings).unwrap();
    let label = |torus: &Torus| {
        let angles = Angles {
            phi: 1.0,
            z: 2.0,
            r: 1.2,
        };
        let found = o2gf::label(&galaxy, &torus.point(&angles).unwrap(), &o2gf::Settings::default()).unwrap();
        (found.action_angle.actions.r - close.r).hypot(found.action_angle.actions.z - close.z)
    };
    // 4 Ω_r = 6 Ω_z but for 0.026 Ω_r.
    assert!(torus.action_error() > 1.0, "{}", torus.action_error());
    assert!(label(&torus) < 3.0 * torus.action_error());
    let largest_error = 0.3;
    match Torus::new(
        &galaxy,
        &close,
        &Settings {
            largest_error,
            ..settings
        },
    ) {
        Ok(better) => assert!(better.action_error() <= largest_error && label(&better) < 3.0 * largest_error),
        Err(error) => assert!(matches!(error, TorusError::Blurred { .. }), "{error}"),
    }
}

/// Orbits that start on a torus stay on it for five radial periods, and their angles advance by Ω t.
#[test]
fn orbits_stay_on_their_torus() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (j, tolerance, most) in [(DISC[0], 3e-5, 0.3), (HALO[1], 1e-4, 3.0)] {
        let torus = Torus::new(&galaxy, &j, &Settings::within(tolerance)).unwrap();
        let angles = Angles {
            phi: 0.3,
            z: 1.0,
            r: 2.0,
        };
        let start = torus.point(&angles).unwrap();
        let rates = torus.frequencies();
        let period = Gyr::from(Natural::of_phase(std::f64::consts::TAU, rates.r)).0;
        let times: Vec<Gyr> = (1..=20).map(|i| Gyr(0.25 * f64::from(i) * period)).collect();
        for (point, time) in dense::integrate(&galaxy, &start, &times, 1e-11)
            .unwrap()
            .points
            .iter()
            .zip(&times)
        {
            let found = torus.locate(point).unwrap();
            let expected = angles.after(*time, &rates);
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
            // At 2e-5 J of the last torus is wrong by up to 0.6 on the second orbit.
            &Settings::within(5e-6),
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
        most_modes: 40,
        ..Settings::within(1e-6)
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
    assert!(matches!(
        Torus::new(&triaxial, &DISC[0], &few),
        Err(TorusError::Symmetry(_))
    ));
}

/// Derivatives of H by toy actions agree with differences of the exact map, also on retrograde and nearly circular orbits.
#[test]
fn derivatives_by_toy_actions_are_exact() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let toy = Isochrone::new(2e11, 3.0).unwrap();
    for (phi, z, r) in [(900.0, 300.0, 500.0), (-1500.0, 20.0, 0.5), (-60.0, 800.0, 300.0)] {
        let actions = Actions { phi, z, r };
        for (theta_r, theta_z) in [(0.1, 0.4), (2.0, 5.0), (4.0, 3.0)] {
            let at = |actions: &Actions| {
                galaxy.energy(&toy.point(
                    actions,
                    &Angles {
                        phi: 0.0,
                        z: theta_z,
                        r: theta_r,
                    },
                ))
            };
            let circle = toy::Circle::new(&toy, &actions, wrap_difference(theta_r), None);
            let spot = toy::Spot::new(&galaxy, &circle, theta_z);
            let (h, rates) = (spot.h, spot.rates());
            assert!((h / at(&actions) - 1.0).abs() < 1e-12);
            for (q, rate) in rates.into_iter().enumerate() {
                let step = 1e-4 * [r, z, phi.abs()][q];
                let moved = |step: f64| {
                    at(&Actions {
                        r: r + if q == 0 { step } else { 0.0 },
                        z: z + if q == 1 { step } else { 0.0 },
                        phi: phi + if q == 2 { step } else { 0.0 },
                    })
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                // Differences of H of 1e5 lose its last digits, and their own third order.
                let allowed = 1e-6 * rate.abs() + 1e-10 / step * h.abs() * 1e-2 + 1e-4;
                assert!(
                    (rate - difference).abs() < allowed,
                    "{actions:?} {q}: {rate} {difference}"
                );
            }
        }
    }
}

/// Coordinates on the torus lead to toy angles and back, and their derivatives are those of the map.
#[test]
fn coordinates_on_the_torus_are_a_map() {
    let toy = Isochrone::new(2e11, 3.0).unwrap();
    let actions = Actions {
        phi: 300.0,
        z: 300.0,
        r: 600.0,
    };
    let warp = warp::Warp::new(&toy, &actions).bent(&[0.1, -0.05, 0.02, 0.03], 3);
    let grid = series::Grid::new(&warp, &series::Modes::new(4, 3), 2.0, 0.5);
    let mean = grid.weights.iter().sum::<f64>() / grid.weights.len() as f64;
    assert!((mean - 1.0).abs() < 1e-12);
    for (zeta, chi) in [(0.2, 0.3), (2.5, 1.4), (-1.0, 4.0), (3.0, -0.2)] {
        let place = warp.place(zeta, chi);
        let back = warp.coordinates(place.theta_r, place.theta_z);
        assert!(wrap_difference(back[0] - zeta).abs() < 1e-12 && wrap_difference(back[1] - chi).abs() < 1e-12);
        let step = 1e-5;
        let (up, down) = (warp.place(zeta + step, chi), warp.place(zeta - step, chi));
        let slope = |a: f64, b: f64| wrap_difference(a - b) / (2.0 * step);
        assert!((slope(up.theta_r, down.theta_r) * place.a - 1.0).abs() < 1e-8);
        assert!((slope(up.theta_z, down.theta_z) - place.shear).abs() < 1e-8 * (1.0 + place.shear.abs()));
        let (up, down) = (warp.place(zeta, chi + step), warp.place(zeta, chi - step));
        assert!((slope(up.theta_z, down.theta_z) * place.b - 1.0).abs() < 1e-8);
    }
}

/// Nearly every halo orbit of the reference tables has a torus with ΔH/|H| below 1e-4, seen at angles of its own.
#[test]
fn halo_orbits_have_tori() {
    for (name, galaxy) in [
        ("piffl_14", Galaxy::piffl_14().unwrap()),
        ("dehnen_binney_98_1", Galaxy::dehnen_binney_98_1().unwrap()),
    ] {
        let rows = crate::testing::reference_table(&format!("orbits_{name}_halo"), &["J_phi", "J_z", "J_r"]);
        let actions: Vec<Actions> = rows
            .iter()
            .step_by(32)
            .map(|row| Actions {
                phi: row[0],
                z: row[1],
                r: row[2],
            })
            .collect();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let progress = |n: usize| {
            done.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
        };
        let tori = map_tori(&galaxy, &actions, &Settings::default(), &progress);
        assert_eq!(done.into_inner(), actions.len());
        let good: Vec<&Torus> = tori.iter().filter_map(|torus| torus.as_ref().ok()).collect();
        assert!(
            good.len() + 1 >= actions.len(),
            "{name}: {} of {}",
            good.len(),
            actions.len()
        );
        for torus in good {
            let mut squares = 0.0;
            let n = 1500;
            for i in 0..n {
                let angle = |step: f64| (0.5 + f64::from(i) * step).rem_euclid(std::f64::consts::TAU);
                let point = torus
                    .point(&Angles {
                        phi: 1.0,
                        z: angle(2.399),
                        r: angle(3.883),
                    })
                    .unwrap();
                squares += (galaxy.energy(&point) / torus.energy() - 1.0).powi(2);
            }
            // H is off most in a small corner, so that the mean square over few points scatters.
            let dispersion = (squares / f64::from(n)).sqrt();
            assert!(
                torus.dispersion() <= 1e-4 && dispersion < 1.5e-4,
                "{:?}: {dispersion:.1e}",
                torus.actions()
            );
        }
    }
}
