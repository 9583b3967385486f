#![allow(clippy::unwrap_used)]

use super::*;
use crate::anomaly::solve_kepler;
use crate::potential::Potential;
use crate::testing::reference_table;
use crate::units::wrap_difference;
use proptest::prelude::*;
use std::f64::consts::PI;

fn reference_isochrone() -> Isochrone {
    Isochrone::new(3.334e11, 5.0).unwrap()
}

/// The values of an answer in the order J_φ, J_z, J_r, θ_φ, θ_z, θ_r, Ω_φ, Ω_z, Ω_r.
pub(crate) fn flat(answer: &ActionAngle) -> [f64; 9] {
    let ActionAngle {
        actions: j,
        angles: t,
        frequencies: o,
    } = answer;
    [j.phi, j.z, j.r, t.phi, t.z, t.r, o.phi, o.z, o.r]
}

const COLUMNS: [&str; 9] = [
    "J_phi",
    "J_z",
    "J_r",
    "theta_phi",
    "theta_z",
    "theta_r",
    "Omega_phi",
    "Omega_z",
    "Omega_r",
];

/// Differences of two answers: actions and frequencies relative to the second answer's, angles in radians.
fn differences(found: &[f64], truth: &[f64]) -> [f64; 9] {
    std::array::from_fn(|i| match i {
        3..6 => wrap_difference(found[i] - truth[i]).abs(),
        _ => (found[i] - truth[i]).abs() / truth[i].abs(),
    })
}

/// Every value of every row of the reference table to rounding (at worst 1.1e-14, angles 1.8e-15 rad), by the truth in 50-digit
/// arithmetic.
///
/// **Source**: `tests/reference/isochrone_digits.py`.
#[test]
fn agrees_with_long_arithmetic_on_the_reference_points() {
    let points = reference_table("isochrone", &["x", "y", "z", "vx", "vy", "vz"]);
    let truth = reference_table("isochrone_digits", &COLUMNS);
    assert_eq!((points.len(), truth.len()), (389, 389));
    let mut worst = [0.0f64; 9];
    for (row, truth) in points.iter().zip(&truth) {
        let point = PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]);
        let ours = flat(&reference_isochrone().actions(&point).unwrap());
        for (worst, difference) in worst.iter_mut().zip(differences(&ours, truth)) {
            *worst = worst.max(difference);
        }
    }
    for (name, worst) in COLUMNS.iter().zip(worst) {
        assert!(worst < 1e-13, "{name}: off by up to {worst:e}");
    }
}

/// The table agrees too, but for 5 of its rows near escape, where its own digits end: there we differ from it by what it
/// differs from the truth.
#[test]
fn agrees_with_the_reference_table() {
    let mut columns = vec!["x", "y", "z", "vx", "vy", "vz"];
    columns.extend(COLUMNS);
    let rows = reference_table("isochrone", &columns);
    let mut beyond = 0;
    for (row, truth) in rows.iter().zip(reference_table("isochrone_digits", &COLUMNS)) {
        let point = PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]);
        let ours = flat(&reference_isochrone().actions(&point).unwrap());
        // Actions relative to their sum: the table's J_r is a difference of such numbers.
        let total = truth[0].abs() + truth[1] + truth[2];
        let off = |i: usize, from: &[f64]| match i {
            0..3 => (ours[i] - from[i]).abs() / total,
            3..6 => 0.1 * wrap_difference(ours[i] - from[i]).abs(),
            _ => (ours[i] - from[i]).abs() / truth[i].abs(),
        };
        let off = (0..9).map(|i| off(i, &row[6..])).fold(0.0, f64::max);
        beyond += usize::from(off > 1e-9);
        assert!(off < 2e-8, "{point:?}: off by {off:e}");
    }
    assert_eq!(beyond, 5);
}

/// |Δx|/|x| + |Δv|/|v| after going to actions and angles and back.
fn round_trip_error(isochrone: &Isochrone, point: &PhaseSpace) -> f64 {
    let there = isochrone.actions(point).unwrap();
    assert!(
        flat(&there).iter().all(|value| value.is_finite()),
        "{point:?} gave {there:?}"
    );
    let back = isochrone.point(&there.actions, &there.angles);
    // Positions against the larger of |x| and b, velocities against the larger of |v| and what the core gives.
    let length = norm(point.x).max(isochrone.scale());
    let velocity = norm(point.v).max((isochrone.gm() / length).sqrt());
    let difference = |a: [f64; 3], b: [f64; 3]| norm([a[0] - b[0], a[1] - b[1], a[2] - b[2]]);
    difference(point.x, back.x) / length + difference(point.v, back.v) / velocity
}

pub(crate) fn bound_point() -> impl Strategy<Value = PhaseSpace> {
    let direction = || (-1.0..1.0f64, 0.0..std::f64::consts::TAU);
    (-3.0..2.5f64, direction(), 0.0..0.999f64, direction()).prop_map(|(log_r, x, fraction, v)| {
        let unit = |(cos, phi): (f64, f64)| {
            let sin = (1.0 - cos * cos).sqrt();
            [sin * phi.cos(), sin * phi.sin(), cos]
        };
        let r = 10f64.powf(log_r);
        let escape = (2.0 * reference_isochrone().gm() / (5.0 + r.hypot(5.0))).sqrt();
        PhaseSpace::new(unit(x).map(|u| r * u), unit(v).map(|u| fraction * escape * u))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn returns_to_the_same_point(point in bound_point()) {
        let error = round_trip_error(&reference_isochrone(), &point);
        prop_assert!(error < 1e-9, "{error:.1e}");
    }

    #[test]
    fn energy_and_frequencies_follow_from_the_actions(point in bound_point()) {
        let isochrone = reference_isochrone();
        let answer = isochrone.actions(&point).unwrap();
        let energy = isochrone.energy(&point);
        // Near escape the energy is a difference of large numbers: compare on the potential's scale.
        let scale = isochrone.potential(point.x).abs();
        prop_assert!((isochrone.energy_of(&answer.actions) - energy).abs() < 1e-12 * scale);
        let again = isochrone.frequencies(&answer.actions);
        prop_assert!((again.r / answer.frequencies.r - 1.0).abs() < 1e-9);
        prop_assert!((again.phi / answer.frequencies.phi - 1.0).abs() < 1e-9);
    }
}

/// Ω = ∂H/∂J by differences.
#[test]
fn frequencies_are_the_gradient_of_the_energy() {
    let isochrone = reference_isochrone();
    let actions = Actions {
        phi: -1200.0,
        z: 300.0,
        r: 500.0,
    };
    let omega = isochrone.frequencies(&actions);
    let slope = |by: [f64; 3]| {
        let moved = |s: f64| Actions {
            phi: actions.phi + s * by[0],
            z: actions.z + s * by[1],
            r: actions.r + s * by[2],
        };
        (isochrone.energy_of(&moved(1.0)) - isochrone.energy_of(&moved(-1.0))) / 2.0
    };
    // Second-order differences with a step of 0.1 in 1e3: (1e-4)² of the value.
    for (found, by) in [
        (omega.phi, [0.1, 0.0, 0.0]),
        (omega.z, [0.0, 0.1, 0.0]),
        (omega.r, [0.0, 0.0, 0.1]),
    ] {
        assert!((slope(by) / 0.1 / found - 1.0).abs() < 1e-7);
    }
}

#[test]
fn the_map_is_canonical() {
    let isochrone = reference_isochrone();
    let points = [
        PhaseSpace::new([8.0, 1.0, 2.0], [-30.0, 180.0, 60.0]),
        PhaseSpace::new([-3.0, 9.0, -5.0], [110.0, 90.0, 20.0]),
        PhaseSpace::new([0.5, 0.3, 0.1], [40.0, -120.0, 90.0]),
        PhaseSpace::new([20.0, -30.0, 10.0], [10.0, 5.0, -60.0]),
    ];
    for point in points {
        // Columns: derivatives of (θ, J) by x/kpc and v/(km/s), steps of 1e-4 of each; their error is (1e-4)^4 by Richardson.
        let value = |axis: usize, step: f64| {
            let mut moved = point;
            if axis < 3 {
                moved.x[axis] += step
            } else {
                moved.v[axis - 3] += step
            }
            let f = flat(&isochrone.actions(&moved).unwrap());
            [f[3], f[4], f[5], f[0], f[1], f[2]]
        };
        let mut jacobian = [[0.0; 6]; 6];
        for axis in 0..6 {
            let h = if axis < 3 {
                1e-3 * norm(point.x)
            } else {
                1e-3 * norm(point.v)
            };
            let (p1, m1, p2, m2) = (
                value(axis, h),
                value(axis, -h),
                value(axis, 2.0 * h),
                value(axis, -2.0 * h),
            );
            for (i, row) in jacobian.iter_mut().enumerate() {
                let wrap = |d: f64| if i < 3 { wrap_difference(d) } else { d };
                row[axis] = (8.0 * wrap(p1[i] - m1[i]) - wrap(p2[i] - m2[i])) / (12.0 * h);
            }
        }
        for i in 0..6 {
            for j in 0..6 {
                let bracket: f64 = (0..3)
                    .map(|q| jacobian[i][q] * jacobian[j][q + 3] - jacobian[i][q + 3] * jacobian[j][q])
                    .sum();
                let expected = if j == i + 3 {
                    1.0
                } else if i == j + 3 {
                    -1.0
                } else {
                    0.0
                };
                // Brackets of two angles are 1/(km/s kpc), of two actions km/s kpc: compare with the sizes of their terms.
                let scale: f64 = (0..3)
                    .map(|q| (jacobian[i][q] * jacobian[j][q + 3]).abs() + (jacobian[i][q + 3] * jacobian[j][q]).abs())
                    .sum();
                assert!(
                    (bracket - expected).abs() < 1e-7 * scale.max(expected.abs()),
                    "{point:?}: {{{i},{j}}} = {bracket}"
                );
            }
        }
    }
}

/// Along an orbit, actions stay and angles advance by Ω t: checked with a step of the exact flow, θ → θ + Ω t.
#[test]
fn angles_advance_with_their_frequencies_along_an_integrated_orbit() {
    use crate::orbit::leapfrog;
    use crate::units::Gyr;
    let isochrone = reference_isochrone();
    let start = PhaseSpace::new([8.0, 1.0, 2.0], [-30.0, -180.0, 60.0]);
    let orbit = leapfrog::integrate(&isochrone, &start, &[Gyr(0.5), Gyr(1.0)], Gyr(1e-5)).unwrap();
    let first = isochrone.actions(&start).unwrap();
    for (time, point) in [(0.5, orbit.points[0]), (1.0, orbit.points[1])] {
        let exact = first.angles.after(Gyr(time), &first.frequencies);
        let expected = isochrone.point(&first.actions, &exact);
        for i in 0..3 {
            // The leapfrog's phase error: (Ωh)²/24 per radian, times 40 rad.
            assert!(
                (expected.x[i] - point.x[i]).abs() < 1e-5,
                "{expected:?} is not {point:?}"
            );
            assert!((expected.v[i] - point.v[i]).abs() < 2e-4);
        }
    }
}

/// m is a difference of nearly equal numbers near pericentres: η can be no better than its rounding, a few 1e-16 η, over 1 − ε cos η.
#[test]
fn keplers_equation_is_solved_to_rounding() {
    for power in 0..=30 {
        for epsilon in [0.0, 1.0 - 0.6f64.powi(power), 0.6f64.powi(power) * 0.99, 1.0 - 1e-16] {
            for step in 0..=3000 {
                let eta = PI * 10f64.powf(-0.005 * f64::from(step));
                let m = eta - epsilon * eta.sin();
                let found = solve_kepler(m, epsilon);
                let allowed = 1e-15 * eta + 4e-16 * eta / (1.0 - epsilon * eta.cos());
                // Where nothing of m is left but rounding, any η from 0 will do.
                assert!(
                    (found - eta).abs() < allowed
                        || (m.abs() < 1e-14 * eta && found - epsilon * found.sin() - m < 1e-15 * eta),
                    "ε = {epsilon}, η = {eta:e}: {found:e}"
                );
                assert_eq!(solve_kepler(-m, epsilon), -found);
            }
        }
    }
}

#[test]
fn degenerate_orbits_keep_their_digits() {
    use crate::potential::SphericalProfile;
    let isochrone = reference_isochrone();
    let circular = 8.0 * isochrone.dphi_over_r(8.0).sqrt();
    for tiny in [0.0, 1e-300, 1e-18, 1e-12, 1e-9, 1e-6, 1e-3] {
        for point in [
            // Near-circular and planar, both ways round.
            PhaseSpace::new([8.0, 0.0, 0.0], [tiny, circular, 0.0]),
            PhaseSpace::new([0.0, 8.0, 0.0], [circular * (1.0 + tiny), tiny, 0.0]),
            // Nearly planar, eccentric.
            PhaseSpace::new([8.0, 3.0, tiny], [50.0, 150.0, 0.0]),
            PhaseSpace::new([8.0, 3.0, 0.0], [50.0, -150.0, tiny]),
            // Near-radial, in the plane, along the axis and oblique.
            PhaseSpace::new([8.0, 0.0, 0.0], [-100.0, tiny, 0.0]),
            PhaseSpace::new([0.0, 0.0, 8.0], [tiny, 0.0, 100.0]),
            PhaseSpace::new([1.0, 2.0, 3.0], [10.0, 20.0, 30.0 + tiny]),
            PhaseSpace::new([tiny, 0.0, 0.0], [0.0, 0.0, 50.0]),
            // Polar, on and near the axis.
            PhaseSpace::new([tiny, 0.0, 5.0], [30.0, 100.0, 20.0]),
            // At rest at the centre, or near it.
            PhaseSpace::new([tiny, 0.0, 0.0], [0.0, tiny, 0.0]),
            PhaseSpace::new([8.0, 0.0, tiny], [0.0, 0.0, 0.0]),
        ] {
            let error = round_trip_error(&isochrone, &point);
            assert!(error < 1e-9, "{point:?} comes back with an error of {error:.1e}");
            let answer = isochrone.actions(&point).unwrap();
            assert!(answer.actions.z >= 0.0 && answer.actions.r >= 0.0, "{answer:?}");
        }
    }
    // A circular orbit: J_r is the square of the perturbation, not rounding. ½ J_r κ = ½ v_r² at the guiding radius.
    let answer = isochrone
        .actions(&PhaseSpace::new([8.0, 0.0, 0.0], [1e-5, circular, 0.0]))
        .unwrap();
    let expected = 0.5e-10 / answer.frequencies.r;
    assert!(
        (answer.actions.r / expected - 1.0).abs() < 1e-5,
        "{} is not {expected}",
        answer.actions.r
    );
    assert!(wrap_difference(answer.angles.phi).abs() < 1e-5);
}

#[test]
fn unbound_points_are_named() {
    let isochrone = reference_isochrone();
    let bound = PhaseSpace::new([8.0, 0.0, 0.0], [0.0, 200.0, 0.0]);
    let fast = PhaseSpace::new([8.0, 0.0, 0.0], [0.0, 600.0, 0.0]);
    let broken = PhaseSpace::new([8.0, f64::NAN, 0.0], [0.0, 200.0, 0.0]);
    let error = isochrone.actions_of(&[bound, fast, bound, broken]).unwrap_err();
    assert_eq!(error.rows.iter().map(|bad| bad.row).collect::<Vec<_>>(), [1, 3]);
    assert!(error.rows[0].energy > 0.0 && error.rows[1].energy.is_nan());
    assert!(error.to_string().starts_with("2 of 4 points are unbound"), "{error}");
    assert_eq!(isochrone.actions_of(&[bound, bound]).unwrap().len(), 2);
}
