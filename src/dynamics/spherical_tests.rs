#![allow(clippy::unwrap_used)]

use super::*;
use crate::isochrone::tests::{bound_point, flat};
use crate::orbit::circular::circular_speed;
use crate::potential::{Composite, Dehnen, Isochrone, Kepler, Logarithmic, MiyamotoNagai, Nfw, Plummer, TruncatedFlat};
use crate::sample;
use crate::testing::reference_table;
use crate::units::wrap_difference;
use crate::vector::cross;
use proptest::prelude::*;
use rand::Rng;
use std::sync::Arc;

/// Differences of ours from a table of the Plummer sphere's orbits, the greatest of each column: actions relative to their
/// sum, angles in radians, frequencies relative.
fn differences(table: &str) -> [f64; 9] {
    let columns = [
        "x",
        "y",
        "z",
        "vx",
        "vy",
        "vz",
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
    let finder = SphericalActions::new(Plummer::new(5e5, 0.02).unwrap()).unwrap();
    let mut worst = [0.0f64; 9];
    for row in reference_table(table, &columns) {
        let point = PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]);
        let ours = flat(&finder.actions(&point).unwrap());
        let total = row[6].abs() + row[7] + row[8];
        for i in 0..9 {
            let difference = ours[i] - row[6 + i];
            worst[i] = worst[i].max(match i {
                0..3 => difference.abs() / total,
                3..6 => wrap_difference(difference).abs(),
                _ => (difference / row[6 + i]).abs(),
            });
        }
    }
    worst
}

/// All 400 rows in 40-digit arithmetic (`tests/reference/plummer_exact.py`).
#[test]
fn agrees_with_long_arithmetic_on_the_plummer_sphere() {
    let worst = differences("plummer_exact");
    assert!(worst.iter().all(|&worst| worst < 1e-10), "{worst:?}");
}

/// The peer's table has its angles and frequencies from interpolation: by long arithmetic they are off by 1.65e-4.
#[test]
fn agrees_with_the_reference_plummer_sphere_as_far_as_that_is_right() {
    let worst = differences("plummer");
    assert!(worst[..3].iter().all(|&worst| worst < 1e-6), "{worst:?}");
    assert!(worst[3..].iter().all(|&worst| worst < 1.65e-4), "{worst:?}");
}

/// Against the isochrone's closed form, relative to the total action, and in angles away from degenerate orbits.
fn assert_matches(point: &PhaseSpace, tolerance: f64) {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let exact = isochrone.actions(point).unwrap();
    let ours = SphericalActions::new(isochrone).unwrap().actions(point).unwrap();
    let (a, b) = (flat(&exact), flat(&ours));
    assert!(b.iter().all(|value| value.is_finite()), "{point:?} gave {ours:?}");
    let total = a[0].abs() + a[1] + a[2] + 1e-300;
    for i in 0..9 {
        let error = match i {
            0..3 => (a[i] - b[i]).abs() / total,
            3..6 => wrap_difference(a[i] - b[i]).abs(),
            _ => (a[i] - b[i]).abs() / a[8],
        };
        assert!(
            error < tolerance,
            "{point:?}: item {i} is {} and not {}, error {error:.1e}",
            b[i],
            a[i]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn agrees_with_the_isochrone(point in bound_point()) {
        // Far inside the core the potential's variation over the orbit is lost in its rounding.
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        let centre = isochrone.potential([0.0; 3]);
        assert_matches(&point, 1e-9 + 1e-13 * centre.abs() / (isochrone.energy(&point) - centre));
    }
}

#[test]
fn degenerate_orbits_agree_with_the_isochrone() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let circular = 8.0 * crate::potential::SphericalProfile::dphi_over_r(&isochrone, 8.0).sqrt();
    for tiny in [1e-9, 1e-6, 1e-4, 1e-2, 1.0, 10.0, 30.0] {
        // Rounding of the velocity itself turns the angles of a nearly circular orbit.
        let tolerance = 1e-8f64.max(1e-14 * circular / tiny);
        assert_matches(&PhaseSpace::new([8.0, 0.0, 0.0], [tiny, circular, 0.0]), tolerance);
        assert_matches(
            &PhaseSpace::new([0.0, 8.0, 0.0], [circular + tiny, 0.0, tiny]),
            tolerance,
        );
        assert_matches(&PhaseSpace::new([8.0, 0.0, 0.0], [-100.0, tiny, 0.0]), 1e-8);
        assert_matches(&PhaseSpace::new([1.0, 2.0, 3.0], [10.0, 20.0, 30.0 + tiny]), 1e-8);
        assert_matches(&PhaseSpace::new([8.0, 3.0, 1.0], [0.0, tiny, 0.0]), 1e-8);
    }
    // Exactly circular or radial: some angle is arbitrary, but nothing is lost.
    for (x, v) in [
        ([8.0, 0.0, 0.0], [0.0, circular, 0.0]),
        ([8.0, 0.0, 0.0], [50.0, 0.0, 0.0]),
        ([0.0, 0.0, 8.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [10.0, 20.0, 30.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ] {
        let point = PhaseSpace::new(x, v);
        let (exact, ours) = (
            isochrone.actions(&point).unwrap(),
            SphericalActions::new(isochrone).unwrap().actions(&point).unwrap(),
        );
        assert!(
            flat(&ours).iter().all(|value| value.is_finite()),
            "{point:?} gave {ours:?}"
        );
        assert!(
            (exact.actions.r - ours.actions.r).abs() <= 1e-9 * (exact.actions.r + 1.0),
            "{point:?}: {ours:?}"
        );
        assert!(
            (exact.frequencies.r / ours.frequencies.r - 1.0).abs() < 1e-8,
            "{point:?}: {ours:?}"
        );
    }
}

/// Kepler's law Ω_r = Ω_φ, and J_r = GM/√(−2E) − L: a potential that is not smooth in r².
#[test]
fn agrees_with_kepler() {
    let kepler = Kepler::new(1e11).unwrap();
    let finder = SphericalActions::new(kepler).unwrap();
    let gm = crate::units::GRAVITATIONAL_CONSTANT * 1e11;
    for v in [[10.0, 200.0, 30.0], [-100.0, 10.0, 0.0], [50.0, 1.0, 250.0]] {
        let point = PhaseSpace::new([8.0, 1.0, 0.5], v);
        let answer = finder.actions(&point).unwrap();
        let l = norm(point.angular_momentum());
        let expected = gm / (-2.0 * kepler.energy(&point)).sqrt() - l;
        assert!((answer.actions.r / expected - 1.0).abs() < 1e-9);
        assert!((answer.frequencies.z / answer.frequencies.r - 1.0).abs() < 1e-9);
    }
}

/// Ω = ∂H/∂J by differences of the actions themselves: dE = Ω_r dJ_r + Ω_z dL.
#[test]
fn frequencies_are_the_gradient_of_the_energy_in_cuspy_and_cored_halos() {
    fn check(potential: impl Potential + Clone) {
        let finder = SphericalActions::new(potential.clone()).unwrap();
        let base = PhaseSpace::new([8.0, 2.0, 1.0], [60.0, 120.0, -40.0]);
        let answer = finder.actions(&base).unwrap();
        for axis in 0..3 {
            let at = |step: f64| {
                let mut moved = base;
                moved.v[axis] += step;
                let found = finder.actions(&moved).unwrap().actions;
                (potential.energy(&moved), found.r, found.z + found.phi.abs())
            };
            let (plus, minus) = (at(0.01), at(-0.01));
            let expected = answer.frequencies.r * (plus.1 - minus.1) + answer.frequencies.z * (plus.2 - minus.2);
            // Second-order differences: (0.01/100)² of the value.
            assert!((expected - (plus.0 - minus.0)).abs() < 1e-6 * (plus.0 - minus.0).abs().max(1.0));
        }
    }
    check(Nfw::new(1e12, 20.0).unwrap());
    check(Logarithmic::new(220.0, 0.1, [1.0; 3]).unwrap());
}

#[test]
fn refuses_what_it_cannot_answer() {
    assert!(SphericalActions::new(MiyamotoNagai::new(1e10, 3.0, 0.3).unwrap()).is_err());
    let finder = SphericalActions::new(Plummer::new(5e5, 0.02).unwrap()).unwrap();
    let fast = PhaseSpace::new([0.01, 0.0, 0.0], [0.0, 30.0, 0.0]);
    assert!(finder.actions(&fast).is_err());
    assert_eq!(finder.actions_of(&[fast]).unwrap_err().rows[0].row, 0);
}

/// J_r, Ω_r and Ω_z between the turning points, from the definitions: ∫ v_r dr/π, π/∫ dr/v_r, ∫ L dr/(r² v_r) over that.
///
/// Below the middle r = r₋ cosh t, above it r = r₊ − (r₊ − r_m) τ²: there v_r/sinh t and v_r/τ are smooth, and five Gaussian nodes in
/// each of many panels give twelve digits.
fn by_quadrature(potential: &dyn Potential, (inner, outer): (f64, f64)) -> (f64, f64, f64) {
    const GAUSS: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_888_9),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
        (0.906_179_845_938_664, 0.236_926_885_056_189_08),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    ];
    let phi = |r: f64| potential.potential([r, 0.0, 0.0]);
    let (low, high) = (phi(inner), phi(outer));
    // L² and v² at the pericentre from both turning points: 2(E − Φ) r² = L².
    let ratio = (inner / outer).powi(2);
    let l2 = 2.0 * (high - low) / (1.0 - ratio) * inner * inner;
    let l = l2.sqrt();
    let mut sums = [0.0; 3];
    let mut add = |from: f64, to: f64, panels: usize, at: &dyn Fn(f64) -> (f64, f64, f64)| {
        let width = (to - from) / panels as f64;
        for panel in 0..panels {
            for (node, weight) in GAUSS {
                let (r, dr, v_r) = at(from + width * (panel as f64 + 0.5 + 0.5 * node));
                let step = 0.5 * weight * width * dr;
                sums[0] += step * v_r;
                sums[1] += step / v_r;
                sums[2] += step * l / (r * r * v_r);
            }
        }
    };
    let middle = 0.5 * (inner + outer);
    let most = (middle / inner).acosh();
    add(0.0, most, 12 + (8.0 * most) as usize, &|t| {
        let (r, dr) = (inner * t.cosh(), inner * t.sinh());
        (
            r,
            dr,
            (l2 / (inner * inner) * t.tanh().powi(2) - 2.0 * (phi(r) - low)).sqrt(),
        )
    });
    let width = outer - middle;
    add(0.0, 1.0, 20, &|tau| {
        let r = outer - width * tau * tau;
        let turned = l2 * (1.0 / (r * r) - 1.0 / (outer * outer));
        (r, 2.0 * width * tau, (2.0 * (high - phi(r)) - turned).sqrt())
    });
    (sums[0] / PI, PI / sums[1], sums[2] / sums[1])
}

/// Where (r v_r)² of energy E and angular momentum L vanishes between `inside`, where it does not, and beyond `outside`.
fn turning_point(potential: &dyn Potential, energy: f64, l: f64, inside: f64, outside: f64) -> f64 {
    let (mut inside, mut outside) = (inside.ln(), outside.ln());
    for _ in 0..200 {
        let middle = 0.5 * (inside + outside);
        let r = middle.exp();
        if 2.0 * r * r * (energy - potential.potential([r, 0.0, 0.0])) > l * l {
            inside = middle
        } else {
            outside = middle
        }
    }
    (0.5 * (inside + outside)).exp()
}

fn spheres() -> Vec<Arc<dyn Potential>> {
    let halo = Arc::new(Nfw::new(1e12, 20.0).unwrap());
    let bulge = Arc::new(Plummer::new(1e10, 0.4).unwrap());
    vec![
        Arc::new(Isochrone::new(3.334e11, 5.0).unwrap()),
        Arc::new(Plummer::new(1e11, 3.0).unwrap()),
        halo.clone(),
        Arc::new(Logarithmic::new(220.0, 0.5, [1.0; 3]).unwrap()),
        Arc::new(Composite::new(vec![halo, bulge]).unwrap()),
        Arc::new(Dehnen::new(1e11, 5.0, 2.0).unwrap()),
        Arc::new(Dehnen::hernquist(1e11, 5.0).unwrap()),
        Arc::new(TruncatedFlat::new(1e12, 100.0).unwrap()),
    ]
}

/// A direction, and one across it.
fn frame(random: &mut impl Rng) -> ([f64; 3], [f64; 3]) {
    let radial = sample::isotropic(random);
    let across = cross(radial, sample::isotropic(random));
    (radial, across.map(|component| component / norm(across)))
}

fn assert_right(potential: &Arc<dyn Potential>, point: &PhaseSpace, turning_points: (f64, f64), l: f64) {
    let found = SphericalActions::new(potential.clone())
        .unwrap()
        .actions(point)
        .unwrap();
    let (j_r, omega_r, omega_z) = by_quadrature(potential.as_ref(), turning_points);
    let errors = [
        (found.actions.r - j_r).abs() / (j_r + l),
        (found.actions.z + found.actions.phi.abs() - l).abs() / (j_r + l),
        (found.frequencies.r / omega_r - 1.0).abs(),
        (found.frequencies.z / omega_z - 1.0).abs(),
    ];
    assert!(
        errors.iter().all(|&error| error < 1e-8),
        "{point:?}: {errors:?}, {found:?} for J_r {j_r}, Ω_r {omega_r}, Ω_z {omega_z}"
    );
}

/// There x·v is rounding, of either sign, and so is what f is at the star.
#[test]
fn stars_at_an_apsis_are_right_in_every_orientation() {
    let spheres = spheres();
    for i in 0..2000 {
        let mut random = sample::generator(14, i);
        let potential = &spheres[i as usize % spheres.len()];
        let (radial, across) = frame(&mut random);
        let r = 10f64.powf(random.random_range(-0.5..1.7));
        let circular = circular_speed(potential.as_ref(), r);
        let part: f64 = if random.random() {
            random.random_range(0.05..0.95)
        } else {
            random.random_range(1.05..1.3)
        };
        let point = PhaseSpace::new(radial.map(|u| r * u), across.map(|u| part * circular * u));
        let (energy, l) = (potential.energy(&point), r * part * circular);
        let turning_points = if part < 1.0 {
            (turning_point(potential.as_ref(), energy, l, 0.99 * r, 1e-9 * r), r)
        } else {
            (r, turning_point(potential.as_ref(), energy, l, 1.01 * r, 1e9 * r))
        };
        assert_right(potential, &point, turning_points, l);
    }
}

#[test]
fn nearly_radial_orbits_are_right() {
    let spheres = spheres();
    for i in 0..2000 {
        let mut random = sample::generator(15, i);
        let potential = &spheres[i as usize % spheres.len()];
        let (radial, across) = frame(&mut random);
        let r = 10f64.powf(random.random_range(-0.5..1.7));
        let speed = circular_speed(potential.as_ref(), r) * random.random_range(0.05..1.2);
        let part = 10f64.powf(random.random_range(-14.0..-3.0));
        let outwards = if random.random() { 1.0 } else { -1.0 };
        let v = [0, 1, 2].map(|i| speed * (outwards * radial[i] + part * across[i]));
        let point = PhaseSpace::new(radial.map(|u| r * u), v);
        // Rounding of the velocity changes the angular momentum of the most radial ones, which turns them at the centre of a Jaffe sphere.
        let (energy, l) = (potential.energy(&point), norm(point.angular_momentum()));
        let find = |beyond: f64| turning_point(potential.as_ref(), energy, l, r, beyond);
        assert_right(potential, &point, (find(1e-30 * r), find(1e9 * r)), l);
    }
}
