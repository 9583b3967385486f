#![allow(clippy::unwrap_used)]
use rand_distr::{Distribution, StandardNormal};

use super::*;

/// Equations of coefficients drawn with a known width, and the width that makes them likeliest.
#[test]
fn the_likeliest_width_is_the_one_that_coefficients_were_drawn_with() {
    let mut random = crate::random::generator(3, "widths", 0);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let (terms, equations) = (200, 1000);
    for (noise, width) in [(1.0, 3.0), (0.2, 0.5)] {
        let coefficients: Vec<f64> = (0..terms).map(|_| width * normal()).collect();
        let left: Vec<f64> = (0..terms * equations).map(|_| normal()).collect();
        let right = left.chunks(terms).map(|row| {
            let exact: f64 = row.iter().zip(&coefficients).map(|(a, c)| a * c).sum();
            exact + noise * normal()
        });
        let rows = Rows {
            right: right.collect(),
            left,
            free: equations,
            determinant: 0.0,
        };
        let whole = Normal::of(&[&rows], terms);
        let widths = |free: &[f64]| vec![10f64.powf(free[0]); terms];
        let found = descend(|free| whole.unlikeliness(&widths(free)), &[0.0], 1.0, 0.01);
        // In units of the noise, which is found beside it. 200 coefficients know their width to 5 %, 0.02 decades.
        let expected = (width / noise).log10();
        assert!((found[0] - expected).abs() < 0.06, "{} {expected}", found[0]);
        let solved = whole.solve(&widths(&found)).unwrap();
        let off: f64 = solved.iter().zip(&coefficients).map(|(a, b)| (a - b).powi(2)).sum();
        assert!((off / terms as f64).sqrt() < 2.0 * noise / (equations as f64).sqrt());
    }
}

/// Few equations of many terms of one kind: their widths may be without bound, and the coefficients are those that solve the equations.
#[test]
fn priors_without_bound_leave_a_solution() {
    let mut random = crate::random::generator(4, "wide", 0);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let (terms, equations) = (40, 6);
    let left: Vec<f64> = (0..equations)
        .flat_map(|_| (0..terms).map(|_| normal()).collect::<Vec<f64>>())
        .collect();
    let right: Vec<f64> = (0..equations).map(|_| normal()).collect();
    let rows = |right: &[f64]| Rows {
        left: left.clone(),
        right: right.to_vec(),
        free: equations,
        determinant: 0.0,
    };
    let whole = Normal::of(&[&rows(&right)], terms);
    let widths = vec![1e12; terms];
    assert!(whole.factor(&widths).is_err() && whole.unlikeliness(&widths).is_infinite());
    let found = whole.solve(&widths).unwrap();
    // The shortest solution of six equations of forty coefficients; other directions stay empty.
    assert!(found.iter().all(|c| c.abs() < 1.0), "{found:?}");
    for (row, right) in left.chunks(terms).zip(&right) {
        let sum: f64 = row.iter().zip(&found).map(|(a, c)| a * c).sum();
        assert!((sum - right).abs() < 1e-6, "{sum} {right}");
    }
    let lost = Normal::of(&[&rows(&[f64::NAN; 6])], terms).solve(&widths);
    assert!(matches!(lost, Err(Error::NotFinite { .. })));
}
