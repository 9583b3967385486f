#![allow(clippy::unwrap_used)]

use super::*;

/// Two discs, every multipole and a halo, with coefficients of both signs.
fn lopsided() -> Expansion {
    let discs = [Term::Disc { a: 2.0, b: 0.3 }, Term::Disc { a: 0.0, b: 9.0 }];
    let multipoles = (0..HARMONICS).map(|order| Term::Multipole { scale: 4.0, order });
    let halo = Term::Halo {
        core: 3.0,
        flattening: 0.8,
    };
    let coefficients = vec![3e4, 5e4, 300.0, -200.0, 100.0, 400.0, -500.0, 250.0, 150.0, -350.0, 2e4];
    Expansion::new(
        discs.into_iter().chain(multipoles).chain([halo]).collect(),
        coefficients,
    )
    .unwrap()
}

#[test]
fn derivatives_are_those_of_every_term() {
    for x in [[5.0, -3.0, 2.0], [0.4, 0.3, -0.2], [11.0, 4.0, 0.03]] {
        for term in lopsided().terms() {
            let (_, slope) = term.value(x);
            let hessian = term.hessian(x);
            for i in 0..3 {
                let at = |steps: f64| {
                    let mut moved = x;
                    moved[i] += steps * 1e-3;
                    term.value(moved)
                };
                // Sixth order over 1e-3 kpc: far below rounding, which is 1e-16 of values below one over 1e-3.
                let weigh = |value: &dyn Fn(f64) -> f64| {
                    (45.0 * (value(1.0) - value(-1.0)) - 9.0 * (value(2.0) - value(-2.0)) + value(3.0) - value(-3.0))
                        / 0.06
                };
                assert!((weigh(&|s| at(s).0) + slope[i]).abs() < 1e-11, "{term:?} at {x:?}");
                for (j, entry) in hessian[i].iter().enumerate() {
                    assert!((weigh(&|s| at(s).1[j]) + entry).abs() < 1e-11, "{term:?} at {x:?}");
                }
            }
        }
    }
}

#[test]
fn the_sum_is_that_of_its_terms() {
    let field = lopsided();
    let x = [5.0, -3.0, 2.0];
    let pairs = || field.terms().iter().zip(field.coefficients());
    let (value, acceleration) = field.potential_and_acceleration(x);
    let sum = pairs().map(|(term, c)| c * term.value(x).0).sum::<f64>();
    // Another order of the sum, of terms of both signs.
    let size = pairs().map(|(term, c)| (c * term.value(x).0).abs()).sum::<f64>();
    assert!((value - sum).abs() < 1e-14 * size);
    for (axis, component) in acceleration.iter().enumerate() {
        let sum = pairs().map(|(term, c)| c * term.value(x).1[axis]).sum::<f64>();
        assert!((component / sum - 1.0).abs() < 1e-13);
    }
}

#[test]
fn the_axisymmetric_part_is_the_mean_over_rotations() {
    let field = lopsided();
    let part = field.axisymmetric_part().unwrap();
    assert_eq!(
        (field.symmetry(), part.symmetry()),
        (Symmetry::Triaxial, Symmetry::Axisymmetric)
    );
    let (radius, z) = (7.0_f64, 1.5);
    // Harmonics of degree two at most: the mean over eight angles and both sides is exact.
    let places = (0..8).flat_map(|n| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(n) / 8.0).sin_cos();
        [z, -z].map(|z| [radius * cos, radius * sin, z])
    });
    let mean = places.map(|x| field.potential(x)).sum::<f64>() / 16.0;
    assert!((mean / part.potential([radius, 0.0, z]) - 1.0).abs() < 1e-13);
    let multipoles = Expansion::new(vec![Term::Multipole { scale: 1.0, order: 0 }], vec![1.0]).unwrap();
    assert_eq!(multipoles.axisymmetric_part(), None);
}

#[test]
fn terms_survive_their_rows_and_nonsense_is_refused() {
    for term in lopsided().terms() {
        assert_eq!(Term::from_row(term.to_row()), Some(*term));
    }
    for row in [
        [-1.0, 1.0, 0.0],
        [-1.0, f64::NAN, 1.0],
        [8.0, 1.0, 0.0],
        [0.5, 1.0, 0.0],
        [2.0, 0.0, 0.0],
        [-2.0, 0.0, 1.0],
        [-2.0, 1.0, 0.0],
        [-3.0, 1.0, 1.0],
    ] {
        assert_eq!(Term::from_row(row), None, "{row:?}");
    }
    let term = Term::Disc { a: 1.0, b: 1.0 };
    assert!(Expansion::new(vec![], vec![]).is_none());
    assert!(Expansion::new(vec![term], vec![f64::NAN]).is_none());
    assert!(Expansion::new(vec![term], vec![1.0, 2.0]).is_none());
}
