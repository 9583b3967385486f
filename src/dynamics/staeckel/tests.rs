#![allow(clippy::unwrap_used)]

use super::*;
use crate::isochrone::tests::flat;
use crate::orbit::dense;
use crate::potential::{Composite, Galaxy, Isochrone, Logarithmic};
use crate::sample;
use crate::statistics::scatter;
use crate::testing::reference_table;
use crate::units::{Gyr, Natural, wrap_difference};
use crate::vector::norm;
use proptest::prelude::*;
use rand::Rng as _;

/// Mean absolute errors of (J_r, J_z, θ_r, θ_z, θ_φ): ours, and those of the fudge in the table.
fn errors(galaxy: &Galaxy, table: &str) -> ([f64; 5], [f64; 5]) {
    let columns = [
        "x",
        "y",
        "z",
        "vx",
        "vy",
        "vz",
        "J_r",
        "J_z",
        "theta_r",
        "theta_z",
        "theta_phi",
        "fudge_J_r",
        "fudge_J_z",
        "fudge_theta_r",
        "fudge_theta_z",
        "fudge_theta_phi",
    ];
    let rows = reference_table(table, &columns);
    let finder = StaeckelFudge::new(galaxy).unwrap();
    let (mut ours, mut theirs) = ([0.0; 5], [0.0; 5]);
    for row in &rows {
        let point = PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]);
        let found = finder.actions(&point).unwrap();
        let found = [
            found.actions.r,
            found.actions.z,
            found.angles.r,
            found.angles.z,
            found.angles.phi,
        ];
        for i in 0..5 {
            let difference = |value: f64| {
                if i < 2 {
                    value - row[6 + i]
                } else {
                    wrap_difference(value - row[6 + i])
                }
            };
            ours[i] += difference(found[i]).abs() / rows.len() as f64;
            theirs[i] += difference(row[11 + i]).abs() / rows.len() as f64;
        }
    }
    (ours, theirs)
}

#[test]
fn is_no_worse_than_the_fudge_in_the_reference_tables() {
    let (dehnen_binney, piffl) = (Galaxy::dehnen_binney_98_1().unwrap(), Galaxy::piffl_14().unwrap());
    for (galaxy, table) in [
        (&dehnen_binney, "orbits_dehnen_binney_98_1_halo"),
        (&dehnen_binney, "orbits_dehnen_binney_98_1_disk"),
        (&piffl, "orbits_piffl_14_halo"),
        (&piffl, "orbits_piffl_14_disk"),
    ] {
        let (ours, theirs) = errors(galaxy, table);
        for i in 0..5 {
            // One of the twenty seems worse: θ_r of Piffl's disc, 0.144° for 0.126°. The truth there is of orbits in the peer's
            // expansion of the potential, whose force differs by 1e-4: labels in ours differ from it by 0.059° in the mean (nearly
            // circular orbits turn with their guiding radius), and from them ours is off by 0.115°. The next test holds that.
            let slack = if (i, table) == (2, "orbits_piffl_14_disk") {
                1.17
            } else {
                1.0
            };
            assert!(
                ours[i] <= slack * theirs[i],
                "{table}: ours {ours:?}, theirs {theirs:?}"
            );
        }
    }
}

/// Against labels in the very potential it works in, θ_r of Piffl's disc is no worse than the peer's against those in the peer's.
#[test]
fn is_no_worse_than_the_fudge_in_the_table_against_labels_of_its_own_potential() {
    let columns = ["x", "y", "z", "vx", "vy", "vz", "theta_r", "fudge_theta_r"];
    let galaxy = Galaxy::piffl_14().unwrap();
    let rows: Vec<_> = reference_table("orbits_piffl_14_disk", &columns)
        .into_iter()
        .skip(3)
        .step_by(8)
        .collect();
    let points: Vec<_> = rows
        .iter()
        .map(|row| PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]))
        .collect();
    let finder = StaeckelFudge::new(&galaxy).unwrap();
    let labels = crate::o2gf::labels(&galaxy, &points, &crate::o2gf::Settings::default(), &|_| ());
    let (mut ours, mut theirs) = (0.0, 0.0);
    for ((row, point), label) in rows.iter().zip(&points).zip(labels) {
        let found = finder.actions(point).unwrap().angles.r;
        ours += wrap_difference(found - label.unwrap().action_angle.angles.r).abs();
        theirs += wrap_difference(row[7] - row[6]).abs();
    }
    assert!(ours <= theirs, "ours {ours}, theirs {theirs}");
}

/// In a spherical potential the fudge is exact with Δ = 0: what is left is quadrature.
#[test]
fn is_exact_in_the_isochrone() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let finder = StaeckelFudge::new(isochrone).unwrap();
    let mut worst = [0.0f64; 9];
    for point in sample::halo(&mut sample::generator(5, 0), 400) {
        let Ok(exact) = isochrone.actions(&point) else { continue };
        // Orbits that reach within a thirtieth of their apocentre have too few nodes: these are tested for being finite.
        if exact.actions.z + exact.actions.phi.abs() < 0.25 * exact.actions.r {
            continue;
        }
        let (found, exact) = (flat(&finder.actions_with_focus2(&point, 0.0).unwrap()), flat(&exact));
        let total = exact[0].abs() + exact[1] + exact[2];
        for i in 0..9 {
            let error = match i {
                0..3 => (found[i] - exact[i]).abs() / total,
                3..6 => wrap_difference(found[i] - exact[i]).abs(),
                _ => (found[i] - exact[i]).abs() / exact[8],
            };
            worst[i] = worst[i].max(error);
        }
    }
    // The nodes are chosen for 1e-4.
    assert!(worst.iter().all(|&worst| worst < 1e-4), "{worst:?}");
}

/// Actions constant and angles linear along the four test orbits, to the level known of the fudge.
#[test]
fn actions_are_constant_and_angles_linear_along_orbits() {
    let galaxy = Galaxy::piffl_14().unwrap();
    let finder = StaeckelFudge::new(&galaxy).unwrap();
    // Sanders & Binney (2016), the fudge's spread of J_r and J_z (0.3 is printed for 0.35); then the greatest deviation of θ_r, θ_z allowed, radians.
    let spreads = [
        (0.07, 0.007, 0.02, 0.15),
        (1.0, 0.35, 0.03, 0.15),
        (9.0, 5.0, 0.1, 0.3),
        (4.0, 3.0, 0.1, 0.3),
    ];
    for ((name, start), limits) in sample::TEST_ORBITS.iter().zip(spreads) {
        let times: Vec<Gyr> = (0..400).map(|i| Gyr(0.0123 * f64::from(i))).collect();
        let orbit = dense::integrate(&galaxy, start, &times, 1e-10).unwrap();
        let found: Vec<_> = orbit.points.iter().map(|p| finder.actions(p).unwrap()).collect();
        let n = found.len() as f64;
        let spread = |f: &dyn Fn(&ActionAngle) -> f64| scatter(&found.iter().map(f).collect::<Vec<f64>>()).unwrap();
        // Angles unwrapped, against the best straight line.
        let bend = |f: &dyn Fn(&ActionAngle) -> f64| {
            let mut angles = vec![f(&found[0])];
            for a in &found[1..] {
                let last = angles[angles.len() - 1];
                angles.push(last + wrap_difference(f(a) - last));
            }
            let t: Vec<f64> = times.iter().map(|&t| Natural::from(t).0).collect();
            let (mt, ma) = (t.iter().sum::<f64>() / n, angles.iter().sum::<f64>() / n);
            let rate = t.iter().zip(&angles).map(|(t, a)| (t - mt) * (a - ma)).sum::<f64>()
                / t.iter().map(|t| (t - mt).powi(2)).sum::<f64>();
            t.iter()
                .zip(&angles)
                .map(|(t, a)| (a - ma - rate * (t - mt)).abs())
                .fold(0.0, f64::max)
        };
        let (r, z) = (spread(&|a| a.actions.r), spread(&|a| a.actions.z));
        let (br, bz) = (bend(&|a| a.angles.r), bend(&|a| a.angles.z));
        assert!(r < limits.0 && z < limits.1, "{name}: J_r {r}, J_z {z}");
        assert!(br < limits.2 && bz < limits.3, "{name}: θ_r {br}, θ_z {bz}");
    }
}

#[test]
fn bound_orbits_always_have_an_answer() {
    let galaxy = Composite::milky_way_like().unwrap();
    let finder = StaeckelFudge::new(galaxy).unwrap();
    for x in [
        [8.0, 0.0, 0.0],
        [0.0, 0.0, 5.0],
        [0.0, 0.0, 0.0],
        [1e-9, 0.0, 3.0],
        [3.0, -4.0, 1e-12],
    ] {
        for v in [
            [0.0; 3],
            [0.0, 1e-9, 0.0],
            [0.0, 226.0, 0.0],
            [100.0, 0.0, 0.0],
            [0.0, 0.0, 100.0],
            [50.0, 50.0, 50.0],
        ] {
            is_answered(&finder, &PhaseSpace::new(x, v));
        }
    }
}

/// Every star has an answer but one at rest at the centre, or in motion along the axis: with an L_z of 3e-4 of what it might have.
fn is_answered<P: Potential>(finder: &StaeckelFudge<P>, point: &PhaseSpace) {
    let [x, v] = [point.x, point.v];
    let along = x[0].hypot(x[1]) < 2e-3 * x[2].abs() || x == [0.0; 3];
    let along = along && v[0].hypot(v[1]) <= 2e-3 * v[2].abs().max(100.0);
    let momentum = finder.foci.circular(finder.potential.energy(point)).momentum;
    let along = along && point.angular_momentum()[2].abs() <= 3.2e-4 * momentum;
    for answer in [finder.actions(point), finder.actions_with_focus2(point, 3.0)] {
        match answer {
            Ok(answer) => {
                assert!(answer.is_finite(), "{point:?} gave {answer:?}");
                assert!(answer.actions.r >= 0.0 && answer.actions.z >= 0.0);
            }
            Err(NoActions::AtRest) => assert!(norm(x) < 1e-6 && norm(v) < 1e-3, "{point:?} is not at rest"),
            Err(NoActions::AlongAxis) => assert!(along, "{point:?} has no answer"),
            Err(error) => panic!("{point:?}: {error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Planar, vertical, radial, circular, retrograde and nearly unbound orbits.
    #[test]
    fn every_bound_orbit_has_an_answer(
        ln_r in -3.0..5.0f64, latitude in 0..4usize, tilt in 0.0..1.6f64, phi in 0.0..6.3f64,
        share in prop_oneof![Just(1e-9), Just(0.5), Just(0.999_999), 0.0..1.0f64],
        kind in 0..6usize, a in -1.0..1.0f64, b in -1.0..1.0f64,
    ) {
        thread_local!(static FINDER: StaeckelFudge<Composite> =
            StaeckelFudge::new(Composite::milky_way_like().unwrap()).unwrap());
        FINDER.with(|finder| {
            let latitude = [0.0, tilt, std::f64::consts::FRAC_PI_2, 1e-9][latitude];
            let r = ln_r.exp();
            let radial = [latitude.cos() * phi.cos(), latitude.cos() * phi.sin(), latitude.sin()];
            let around = [-phi.sin(), phi.cos(), 0.0];
            let up = [-latitude.sin() * phi.cos(), -latitude.sin() * phi.sin(), latitude.cos()];
            let x = radial.map(|u| r * u);
            let (phi_here, acceleration) = finder.potential.potential_and_acceleration(x);
            let escape = (-2.0 * phi_here).sqrt();
            let circular = (-dot(x, acceleration)).max(0.0).sqrt();
            let v: [f64; 3] = std::array::from_fn(|i| match kind {
                0 => escape * share * radial[i],
                1 => circular * around[i],
                2 => -circular * around[i],
                3 => escape * share * up[i],
                4 => escape * share * (if b < 0.0 { -1.0 } else { 1.0 }) * around[i],
                _ => escape * share * (a * radial[i] + b * around[i] + (1.0 - a.abs().max(b.abs())) * up[i]) / 1.8,
            });
            is_answered(finder, &PhaseSpace::new(x, v));
        });
    }
}

#[test]
fn refuses_what_it_cannot_answer() {
    assert!(StaeckelFudge::new(Logarithmic::new(220.0, 1.0, [1.0, 0.9, 0.7]).unwrap()).is_err());
    let finder = StaeckelFudge::new(Composite::milky_way_like().unwrap()).unwrap();
    let fast = PhaseSpace::new([8.0, 0.0, 0.0], [0.0, 800.0, 0.0]);
    assert!(matches!(finder.actions(&fast), Err(NoActions::Unbound(_))));
    let rest = PhaseSpace::new([0.0; 3], [0.0; 3]);
    assert_eq!(finder.actions(&rest), Err(NoActions::AtRest));
}

/// Stars near the axis have answers, however they move: without L_z, straight up, or along their radius; one in a thousand may be
/// on the border itself.
#[test]
fn stars_near_the_axis_have_answers() {
    let finder = StaeckelFudge::new(Composite::milky_way_like().unwrap()).unwrap();
    let mut random = sample::generator(11, 0);
    let (mut set_aside, mut total) = (0, 0);
    for i in 0..4000 {
        let mut log = |from: f64, to: f64| from * (to / from).powf(random.random());
        let (z, slope) = (log(0.05, 100.0), log(5e-3, 0.1));
        let x = [slope * z, 0.0, z];
        let speed = (-2.0 * finder.potential.potential(x)).sqrt() * log(1e-9, 0.95);
        let away = if i % 3 == 0 { slope } else { 0.0 };
        let across = if i % 2 == 0 { 0.0 } else { log(1e-9, 0.1) * speed };
        let point = PhaseSpace::new(x, [away * speed, across, speed]);
        for answer in [finder.actions(&point), finder.actions_with_focus2(&point, 3.0)] {
            total += 1;
            match answer {
                Ok(answer) => assert!(answer.is_finite(), "{point:?}: {answer:?}"),
                Err(error) => {
                    set_aside += 1;
                    assert_eq!(error, NoActions::AlongAxis, "{point:?}");
                }
            }
        }
    }
    assert!(set_aside * 1000 <= total, "{set_aside} of {total}");
}

/// Towards the axis the actions have a limit, which a star does not lose that falls along it.
#[test]
fn actions_are_continuous_towards_the_axis() {
    let finder = StaeckelFudge::new(Composite::milky_way_like().unwrap()).unwrap();
    for (z, share) in [
        (0.25, 0.1),
        (0.25, 0.7),
        (3.0, 0.1),
        (3.0, 0.7),
        (30.0, 0.1),
        (30.0, 0.7),
    ] {
        for focus2 in [None, Some(3.0)] {
            let actions = |slope: f64| {
                let x = [slope * z, 0.0, z];
                let speed = (-2.0 * finder.potential.potential(x)).sqrt() * share;
                let point = PhaseSpace::new(x, [0.0, 0.0, speed]);
                let found = focus2.map_or_else(
                    || finder.actions(&point),
                    |focus2| finder.actions_with_focus2(&point, focus2),
                );
                found.map(|found| (found.actions, found.frequencies))
            };
            let ((far, far_rates), (near, rates)) = (actions(2e-2).unwrap(), actions(1e-2).unwrap());
            for slope in [6e-3, 2e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 0.0] {
                let Ok((found, found_rates)) = actions(slope) else {
                    assert!(slope < 6e-3, "z {z} share {share}: none at {slope}");
                    continue;
                };
                for (found, near, far) in [
                    (found_rates.r, rates.r, far_rates.r),
                    (found_rates.z, rates.z, far_rates.z),
                    (found_rates.phi, rates.phi, far_rates.phi),
                ] {
                    let allowed = (far - near).abs() + 0.05 * near.abs();
                    assert!(
                        (found - near).abs() < allowed,
                        "z {z} share {share} {slope}: {found} for {near}"
                    );
                }
                // They go with the square of the distance.
                let allowed = 1e-6 * (near.r + near.z);
                assert!(
                    (found.r - near.r).abs() <= (far.r - near.r).abs() + allowed,
                    "z {z} share {share} {slope}"
                );
                assert!(
                    (found.z - near.z).abs() <= (far.z - near.z).abs() + allowed,
                    "z {z} share {share} {slope}"
                );
            }
        }
    }
}
