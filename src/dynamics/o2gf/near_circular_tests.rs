//! Circular and nearly circular orbits, in spheres and galaxies.
#![allow(clippy::unwrap_used)]
use super::{Class, Settings, label};
use crate::orbit::circular::{circular_speed, epicycle};
use crate::orbit::dense;
use crate::phase_space::{Actions, PhaseSpace};
use crate::potential::{Galaxy, Isochrone, Kepler, Logarithmic, Nfw, Plummer, Potential};
use crate::sample::generator;
use crate::torus;
use crate::units::Natural;
use crate::vector::norm;
use rand::Rng;

/// A star `r` from the centre, with `radial` and 1 + `excess` times the circular speed along and across the radius, in a plane tilted by
/// `tilt`, `azimuth` from its node.
fn star<P: Potential + ?Sized>(
    potential: &P,
    r: f64,
    tilt: f64,
    azimuth: f64,
    [radial, excess]: [f64; 2],
) -> PhaseSpace {
    let speed = circular_speed(potential, r);
    let (s, c) = azimuth.sin_cos();
    let (sin, cos) = tilt.sin_cos();
    let along = [c, s * cos, s * sin];
    let across = [-s, c * cos, c * sin];
    PhaseSpace::new(
        along.map(|u| r * u),
        [0, 1, 2].map(|i| speed * (radial * along[i] + (1.0 + excess) * across[i])),
    )
}

/// 400 orbits of the isochrone, circular to 1 %, in planes of any tilt: J_error covers the error of J_r and J_z in 95 % of them, Ω_r is right
/// to 1e-3, and nearly circular ones are fast.
#[test]
fn nearly_circular_orbits_of_spheres_have_their_actions() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let mut random = generator(3, 0);
    let (mut covered, mut total) = (0, 0);
    for i in 0..400 {
        let r = 0.1 * 1000f64.powf(random.random());
        let tilt = match i % 4 {
            0 => 0.0,
            1 => std::f64::consts::FRAC_PI_2,
            _ => std::f64::consts::FRAC_PI_2 * random.random::<f64>(),
        };
        let azimuth = if i % 3 == 0 { 0.0 } else { 6.0 * random.random::<f64>() };
        let e = [0.0, 1e-14, 1e-10, 1e-7, 1e-5, 9e-5, 2e-4, 1e-3, 1e-2][i % 9];
        let kicks = [e * (random.random::<f64>() - 0.5), e * (random.random::<f64>() - 0.5)];
        let point = star(&isochrone, r, tilt, azimuth, kicks);
        let exact = isochrone.actions(&point).unwrap();
        let found = label(&isochrone, &point, &Settings::default()).unwrap();
        let (actions, rates) = (found.action_angle.actions, found.action_angle.frequencies);
        let error = (actions.r - exact.actions.r)
            .abs()
            .max((actions.z - exact.actions.z).abs());
        // The exact J_r itself is rounded at 1e-13 of L.
        let rounding = 1e-13 * norm(point.angular_momentum());
        total += 1;
        covered += usize::from(error <= found.action_error + rounding);
        assert!(
            (rates.r / exact.frequencies.r - 1.0).abs() < 1e-3,
            "r {r} tilt {tilt} e {e}: {found:?}"
        );
        assert!(
            (rates.z / exact.frequencies.z - 1.0).abs() < 1e-3,
            "r {r} tilt {tilt} e {e}: {found:?}"
        );
        assert!(
            found.class == Class::Regular && found.action_error < 1.0,
            "r {r} tilt {tilt} e {e}: {found:?}"
        );
        if e <= 1e-5 {
            // Energies of 1e-10 of L Ω are noise to nothing here.
            assert!(error < 1e-8, "r {r} tilt {tilt} e {e}: {error} {found:?}");
        }
    }
    assert!(covered >= total * 95 / 100, "{covered} of {total}");
}

/// In other spheres J_r = κ a²/2 and Ω_r = κ, from the point's own velocity.
#[test]
fn circular_orbits_of_other_spheres_are_epicycles() {
    let spheres: [(&str, Box<dyn Potential>); 4] = [
        ("kepler", Box::new(Kepler::new(1e11).unwrap())),
        ("nfw", Box::new(Nfw::new(1e12, 20.0).unwrap())),
        ("plummer", Box::new(Plummer::new(1e11, 2.0).unwrap())),
        ("logarithmic", Box::new(Logarithmic::new(220.0, 0.1, [1.0; 3]).unwrap())),
    ];
    for (name, sphere) in &spheres {
        for r in [0.1, 1.0, 8.0, 100.0] {
            for tilt in [0.0, 0.001, 0.7, std::f64::consts::FRAC_PI_2] {
                let kick = 1e-5;
                let point = star(sphere.as_ref(), r, tilt, 0.3, [kick, 0.0]);
                let found = label(sphere.as_ref(), &point, &Settings::default()).unwrap();
                let (rates, speed) = (epicycle(sphere.as_ref(), r), circular_speed(sphere.as_ref(), r));
                let j_r = 0.5 * (kick * speed).powi(2) / rates.radial;
                let found_rates = found.action_angle.frequencies;
                assert!(
                    (found_rates.r / rates.radial - 1.0).abs() < 1e-6,
                    "{name} {r} {tilt}: {found:?}"
                );
                assert!(
                    (found_rates.z / rates.azimuthal - 1.0).abs() < 1e-6,
                    "{name} {r} {tilt}: {found:?}"
                );
                assert!(
                    (found.action_angle.actions.r / j_r - 1.0).abs() < 1e-4,
                    "{name} {r} {tilt}: {found:?}"
                );
            }
        }
    }
}

/// Circular orbits of galaxies in the plane and next to it have κ and ν, whatever the star's height and velocity from none to 1e-7.
#[test]
fn circular_orbits_of_galaxies_are_epicycles() {
    for galaxy in [Galaxy::piffl_14().unwrap(), Galaxy::dehnen_binney_98_1().unwrap()] {
        for r in [0.1, 1.0, 3.0, 8.0, 30.0, 100.0] {
            for tilt in [0.0, 1e-12, 1e-9, 1e-7] {
                let point = star(&galaxy, r, tilt, 0.0, [0.0, 0.0]);
                let found = label(&galaxy, &point, &Settings::default()).unwrap();
                let (rates, found_rates) = (epicycle(&galaxy, r), found.action_angle.frequencies);
                assert!(
                    (found_rates.r / rates.radial - 1.0).abs() < 1e-6,
                    "{r} {tilt}: {found:?}"
                );
                assert!(
                    (found_rates.z / rates.vertical - 1.0).abs() < 1e-3,
                    "{r} {tilt}: {found:?}"
                );
                let actions = found.action_angle.actions;
                assert!(actions.r < 1e-8 && found.action_error < 1e-6, "{r} {tilt}: {found:?}");
                let j_z = 0.5 * point.v[2].powi(2) / rates.vertical;
                assert!((actions.z - j_z).abs() <= 1e-3 * j_z, "{r} {tilt}: {found:?} {j_z}");
            }
        }
    }
}

/// Circular velocities out of the plane of a galaxy: the label says the same along the orbit, and what a torus says where there is one.
#[test]
fn tilted_circular_orbits_of_galaxies_keep_their_actions() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for r in [1.0, 5.0, 8.0, 18.0, 26.0, 40.0, 100.0] {
        for tilt in [1e-3, 0.03, 0.1, 0.3, 1.0, 1.5] {
            for e in [0.0, 1e-3] {
                let point = star(&galaxy, r, tilt, 0.0, [e, 0.0]);
                let first = label(&galaxy, &point, &Settings::default()).unwrap();
                let name = format!("r {r} tilt {tilt} e {e}");
                let time = Natural::of_phase(2.3 * std::f64::consts::TAU, first.action_angle.frequencies.r).into();
                let moved = dense::integrate(&galaxy, &point, &[time], 1e-12).unwrap().points[0];
                let later = label(&galaxy, &moved, &Settings::default()).unwrap();
                let (a, b) = (first.action_angle, later.action_angle);
                if first.class != Class::Regular || later.class != Class::Regular {
                    println!("{name}: {:?} {:?}", first.class, later.class);
                    continue;
                }
                let error = 3.0 * (first.action_error + later.action_error) + 1e-6;
                assert!((a.actions.r - b.actions.r).abs() < error, "{name}: {first:?} {later:?}");
                assert!((a.actions.z - b.actions.z).abs() < error, "{name}: {first:?} {later:?}");
                for (a, b) in [
                    (a.frequencies.r, b.frequencies.r),
                    (a.frequencies.z, b.frequencies.z),
                    (a.frequencies.phi, b.frequencies.phi),
                ] {
                    assert!((a / b - 1.0).abs() < 1e-4, "{name}: {first:?} {later:?}");
                    let stated =
                        3.0 * (first.frequency_error + later.frequency_error) * first.action_angle.frequencies.r;
                    assert!((a - b).abs() < stated + 1e-8 * b.abs(), "{name}: {first:?} {later:?}");
                }
                let start = Actions {
                    r: a.actions.r.max(1e-3),
                    ..a.actions
                };
                if let Ok(torus) = torus::iterate(&galaxy, &point, &start, 4, &torus::Settings::within(1e-6)) {
                    // The torus' own: ΔH of ten times its tolerance moves actions by |n| ΔH/|n·Ω| next to a resonance.
                    let slowest = (1..=6)
                        .flat_map(|n_r| [-6, -4, -2].map(|n_z| (f64::from(n_r), f64::from(n_z))))
                        .map(|(n_r, n_z)| (n_r * a.frequencies.r + n_z * a.frequencies.z).abs() / (n_r + n_z.abs()))
                        .fold(a.frequencies.r, f64::min);
                    let error = 3.0 * first.action_error + 1e-5 * galaxy.energy(&point).abs() / slowest;
                    assert!(
                        (a.actions.r - torus.actions.r).abs() < error,
                        "{name}: {first:?} {torus:?}"
                    );
                    assert!(
                        (a.actions.z - torus.actions.z).abs() < error,
                        "{name}: {first:?} {torus:?}"
                    );
                    assert!(
                        (a.frequencies.r / torus.frequencies.r - 1.0).abs() < 1e-3,
                        "{name}: {first:?} {torus:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn stars_at_the_centre_and_on_radial_orbits_have_a_plain_reason() {
    let (isochrone, halo) = (Isochrone::new(3.334e11, 5.0).unwrap(), Nfw::new(1e12, 16.0).unwrap());
    let galaxy = Galaxy::piffl_14().unwrap();
    let potentials: [&dyn Potential; 3] = [&isochrone, &halo, &galaxy];
    for potential in potentials {
        for (x, v) in [
            ([0.0; 3], [0.0; 3]),
            ([0.0; 3], [0.0, 0.0, 100.0]),
            ([0.0; 3], [30.0, 20.0, 100.0]),
            ([8.0, 0.0, 0.0], [0.0; 3]),
            ([8.0, 1.0, 3.0], [0.0; 3]),
            ([0.0, 0.0, 8.0], [0.0, 0.0, 50.0]),
            ([1e-9, 0.0, 0.0], [0.0, 50.0, 0.0]),
        ] {
            let found = label(potential, &PhaseSpace::new(x, v), &Settings::default());
            if let Err(error) = found {
                assert!(error.to_string().split_whitespace().count() <= 25, "{error}");
            }
        }
    }
}
