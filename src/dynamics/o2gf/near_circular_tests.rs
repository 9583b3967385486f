//! Circular and nearly circular orbits, in spheres and galaxies.
#![allow(clippy::unwrap_used)]
use super::{Label, Settings, label};
use crate::orbit::circular::{circular_speed, epicycle};
use crate::phase_space::{Actions, PhaseSpace, norm};
use crate::potential::{Galaxy, Isochrone, Kepler, Logarithmic, Nfw, Plummer, Potential};
use crate::sample::generator;
use crate::torus;
use crate::units::GRAVITATIONAL_CONSTANT as G;
use rand::Rng;

/// A star `r` from the centre, with `radial` and 1 + `excess` times the circular speed along and across the radius, in a plane tilted by
/// `tilt`, `azimuth` from its node.
fn star<P: Potential + ?Sized>(potential: &P, r: f64, tilt: f64, azimuth: f64, [radial, excess]: [f64; 2]) -> PhaseSpace {
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

/// 400 orbits of three spheres whose actions have closed forms, or limits: J_error covers the error of J_r and J_z in 95 % of them, and Ω_r is κ.
#[test]
fn nearly_circular_orbits_of_spheres_have_their_actions() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let mut random = generator(3, 0);
    let (mut covered, mut total, mut slowest) = (0, 0, 0.0f64);
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
        let begun = std::time::Instant::now();
        let found = match label(&isochrone, &point, &Settings::default()) {
            Ok(found) => found,
            Err(error) => {
                println!("r {r} tilt {tilt} e {e}: {error}");
                total += 1;
                continue;
            }
        };
        slowest = slowest.max(begun.elapsed().as_secs_f64());
        let error = (found.action_angle.actions.r - exact.actions.r)
            .abs()
            .max((found.action_angle.actions.z - exact.actions.z).abs());
        // The exact J_r itself is rounded at 1e-13 of L.
        let rounding = 1e-13 * norm(point.angular_momentum());
        let covers = error <= found.action_error + rounding;
        total += 1;
        covered += usize::from(covers);
        let ratio = found.action_angle.frequencies.r / exact.frequencies.r;
        if !covers || (ratio - 1.0).abs() > 1e-3 {
            println!("r {r} tilt {tilt} e {e}: error {error} of {} {ratio} {found:?}", found.action_error);
        }
        assert!((ratio - 1.0).abs() < 1e-3);
        assert!(found.action_error < 0.05 && found.action_angle.actions.r >= 0.0);
    }
    println!("{covered} of {total}, slowest {slowest}");
    assert!(covered >= total * 95 / 100, "{covered} of {total}");
}

#[test]
fn probe_galaxy() {
    for (name, galaxy) in [("piffl", Galaxy::piffl_14().unwrap()), ("db", Galaxy::dehnen_binney_98_1().unwrap())] {
        let mut random = generator(4, 0);
        for i in 0..60 {
            let r = 0.1 * 1000f64.powf(random.random());
            let tilt = [0.0, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 1.5, std::f64::consts::FRAC_PI_2][i % 12];
            let e = [0.0, 1e-7, 1e-4, 1e-3, 1e-2][i % 5];
            let point = star(&galaxy, r, tilt, 0.0, [e, 0.0]);
            let begun = std::time::Instant::now();
            let found = label(&galaxy, &point, &Settings::default());
            let time = begun.elapsed().as_secs_f64();
            let rates = epicycle(&galaxy, r);
            match found {
                Ok(l) => {
                    let a = l.action_angle.actions;
                    let start = Actions { r: a.r.max(1e-3), z: a.z.max(1e-3), ..a };
                    let t = torus::iterate(&galaxy, &point, &start, 6, &torus::Settings::within(1e-6));
                    let f = l.action_angle.frequencies;
                    let t = t.map_or_else(|e| e.to_string(), |t| format!("dJr {:.1e} dJz {:.1e} Or {:.6} Oz {:.6} Op {:.6} | dth {:.1e} {:.1e} {:.1e}", a.r - t.actions.r, a.z - t.actions.z, t.frequencies.r / f.r, t.frequencies.z / f.z, t.frequencies.phi / f.phi,
                        crate::units::wrap_difference(t.angles.r - l.action_angle.angles.r), crate::units::wrap_difference(t.angles.z - l.action_angle.angles.z), crate::units::wrap_difference(t.angles.phi - l.action_angle.angles.phi)));
                    println!("{name} r {r:.3} tilt {tilt:.0e} e {e:.0e}: {time:.3} s {:?} modes {} Jr {:.3e} Jz {:.3e} Jp {:.1} err {:.1e} therr {:.1e} k/Or {:.5} nu/Oz {:.5} | {t}", l.class, l.modes, a.r, a.z, a.phi, l.action_error, l.angle_error, rates.radial / f.r, rates.vertical / f.z);
                }
                Err(error) => println!("{name} r {r:.3} tilt {tilt:.0e} e {e:.0e}: {time:.3} s {error}"),
            }
        }
    }
}
