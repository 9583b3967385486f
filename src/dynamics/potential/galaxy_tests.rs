#![allow(clippy::unwrap_used)]

use super::*;
use crate::statistics::median;
use crate::testing::reference_table;

/// v_c of the two models by direct integration of their force in the plane (`tests/reference/circular_speed.py`): to
/// 1e-6. AGAMA's default expansion has 222.0363 and 240.2255.
#[test]
fn circular_speeds_are_those_of_direct_integration() {
    for (galaxy, radius, expected) in [
        (Galaxy::dehnen_binney_98_1().unwrap(), 8.0, 222.070383),
        (Galaxy::piffl_14().unwrap(), 8.122, 240.237185),
    ] {
        let speed = (-galaxy.acceleration([radius, 0.0, 0.0])[0] * radius).sqrt();
        assert!((speed / expected - 1.0).abs() < 1e-6, "{speed} instead of {expected}");
    }
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Two independent peers agree to 6e-4 in force at worst, 1e-4 in the median, and to 20 (km/s)² in Φ but for a constant.
#[test]
fn forces_agree_with_an_independent_expansion() {
    for (name, galaxy) in [
        ("dehnen_binney_98_1", Galaxy::dehnen_binney_98_1().unwrap()),
        ("piffl_14", Galaxy::piffl_14().unwrap()),
    ] {
        let table = reference_table(&format!("potential_{name}"), &["x", "y", "z", "phi", "ax", "ay", "az"]);
        let mut errors = Vec::new();
        let mut offsets = Vec::new();
        for row in &table {
            let (phi, a) = galaxy.potential_and_acceleration([row[0], row[1], row[2]]);
            let scale = (row[4] * row[4] + row[5] * row[5] + row[6] * row[6]).sqrt();
            let difference = ((a[0] - row[4]).powi(2) + (a[1] - row[5]).powi(2) + (a[2] - row[6]).powi(2)).sqrt();
            errors.push(difference / scale);
            offsets.push(phi - row[3]);
        }
        let (worst, typical) = (greatest(&errors), median(errors).unwrap());
        let middle = median(offsets.clone()).unwrap();
        let spread = offsets
            .iter()
            .fold(0.0f64, |max, offset| max.max((offset - middle).abs()));
        assert!(worst < 6e-4 && typical < 1.5e-4 && spread < 20.0);
    }
}

/// Doubling l_max and halving every grid changes forces by less than 1e-5 in the median and 1e-4 at worst.
#[test]
fn the_default_resolution_has_converged() {
    let coarse = Resolution::default();
    let fine = Resolution {
        l_max: 2 * coarse.l_max,
        radial_step: 0.5 * coarse.radial_step,
        angular_nodes: 2 * coarse.angular_nodes,
    };
    for (discs, spheroids) in [dehnen_binney_98_1(), piffl_14()] {
        let near = Galaxy::with_resolution(discs.clone(), spheroids.clone(), coarse).unwrap();
        let far = Galaxy::with_resolution(discs, spheroids, fine).unwrap();
        let mut errors = Vec::new();
        for i in 0..40 {
            let r = 0.03 * 1.25f64.powi(i);
            for u in [
                0.0, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.98, 0.999, 1.0,
            ] {
                let x = [r * f64::sqrt(1.0 - u * u), 0.0, r * u];
                let (a, b) = (near.acceleration(x), far.acceleration(x));
                let error = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
                let error = error / b.iter().map(|b| b * b).sum::<f64>().sqrt();
                errors.push(error);
            }
        }
        let (worst, typical) = (greatest(&errors), median(errors).unwrap());
        assert!(
            typical < 1e-5 && worst < 1e-4,
            "median {typical:.1e}, worst {worst:.1e}"
        );
    }
}

/// ∇²Φ is 4πG times the components' own density, wherever that density matters.
///
/// Second derivatives converge more slowly than forces: 1e-2 of the local density, 1e-4 of the local tide.
#[test]
fn poisson_holds_against_the_components() {
    for (name, galaxy) in [
        ("dehnen_binney_98_1", Galaxy::dehnen_binney_98_1().unwrap()),
        ("piffl_14", Galaxy::piffl_14().unwrap()),
    ] {
        let mut worst = (0.0f64, [0.0; 3]);
        for i in 0..48 {
            let r = 0.01 * 1.28f64.powi(i);
            for u in [
                0.0, 0.001, 0.004, 0.013, 0.05, 0.12, 0.2, 0.28, 0.33, 0.5, 0.7, 0.9, 0.97, 0.999, 1.0,
            ] {
                let x = [r * f64::sqrt(1.0 - u * u), 0.0, r * u];
                let hessian = galaxy.hessian(x);
                let tide = hessian.iter().flatten().fold(0.0f64, |max, entry| max.max(entry.abs()));
                let scale = galaxy.density(x)
                    + 0.01 * crate::potential::poisson_density([[tide, 0.0, 0.0], [0.0; 3], [0.0; 3]]);
                let error = (crate::potential::poisson_density(hessian) - galaxy.density(x)).abs() / scale;
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        assert!(worst.0 < 1e-2, "{name}: {worst:?}");
    }
}

/// Far out the force is that of the total mass, and Φ that of infinity.
#[test]
fn the_mass_is_the_components() {
    let (discs, spheroids) = dehnen_binney_98_1();
    let mass = discs.iter().map(Disc::mass).sum::<f64>() + spheroids.iter().map(|s| s.mass_within(2e4)).sum::<f64>();
    let galaxy = Galaxy::new(discs, spheroids).unwrap();
    for r in [2e4, 1e5, 1e8] {
        let force = -galaxy.acceleration([0.6 * r, 0.0, 0.8 * r])[2] / 0.8;
        let found = force * r * r / crate::units::GRAVITATIONAL_CONSTANT;
        // The halo's quadrupole at 20 cut-off radii is 1e-4 of the monopole.
        assert!((found / mass - 1.0).abs() < 3e-4, "{found} instead of {mass} at {r}");
    }
}

#[test]
fn the_potential_alone_is_the_one_with_the_force() {
    for galaxy in [Galaxy::piffl_14().unwrap(), Galaxy::dehnen_binney_98_1().unwrap()] {
        for i in 0..400 {
            // From within the table to beyond it.
            let (r, u) = (1e-7 * 1.09f64.powi(i), (0.618 * f64::from(i)).fract());
            let x = [
                0.6 * r * (1.0 - u * u).sqrt(),
                -0.8 * r * (1.0 - u * u).sqrt(),
                r * (2.0 * u - 1.0),
            ];
            assert_eq!(galaxy.potential(x), galaxy.potential_and_acceleration(x).0, "{x:?}");
        }
        assert_eq!(
            galaxy.potential([0.0; 3]),
            galaxy.potential_and_acceleration([0.0; 3]).0
        );
    }
}
