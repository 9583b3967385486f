#![allow(clippy::unwrap_used)]
use super::*;
use crate::potential::laws::test_points;

/// Φ of the sum at e^x and |cos θ| = u by its Taylor polynomial about a node.
fn by_node(sum: &Expansion, [x, u]: [f64; 2], [dx, du]: [f64; 2]) -> f64 {
    let node = node(sum, x, u);
    let row = |a: usize| (0..3).map(|b| node[3 * a + b] * du.powi(b as i32)).sum::<f64>();
    (0..3).map(|a| row(a) * dx.powi(a as i32)).sum()
}

/// What a Taylor polynomial of second order in each variable leaves falls as the third power of the step, whatever the terms: of each kind there is one.
#[test]
fn nodes_are_taylor_coefficients_of_the_sum() {
    let terms = [
        Term::Disc { a: 3.0, b: 0.4 },
        Term::Disc { a: 0.0, b: 2.0 },
        Term::Multipole { scale: 6.0, order: 7 },
        Term::Halo {
            core: 4.0,
            flattening: 0.7,
        },
    ];
    for term in terms {
        let sum = Expansion::new(vec![term], vec![1e4]).unwrap();
        let value = |x: f64, u: f64| sum.potential([x.exp() * (1.0 - u * u).sqrt(), 0.0, x.exp() * u]);
        for (x, u) in [(0.3, 0.0), (1.4, 0.2), (2.2, 0.9)] {
            let off = |step: f64| {
                let [dx, du] = [step, 0.7 * step];
                (by_node(&sum, [x, u], [dx, du]) - value(x + dx, u + du)).abs()
            };
            // 8 in the limit; u is small beside the disc's thickness.
            let ratio = off(2e-2) / off(1e-2);
            assert!((6.0..20.0).contains(&ratio), "{term:?} at {x} {u}: {ratio}");
            assert!(off(1e-2) < 1e-2, "{term:?} at {x} {u}: {}", off(1e-2));
        }
    }
}

/// As the choice of the resolution says; outside, and where there are few terms, it is the sum itself.
#[test]
fn a_table_is_the_sum_within_its_tolerance() {
    let tabulated = Tabulated::of_thin_discs().unwrap();
    assert!(tabulated.table.is_some());
    let (mut inside, mut worst) = (0, [0.0f64; 2]);
    for x in test_points() {
        let (phi, acceleration) = tabulated.potential_and_acceleration(x);
        let (exact, exact_acceleration) = tabulated.sum.potential_and_acceleration(x);
        let r = norm(x);
        if r > 0.05 && r < 500.0 {
            inside += 1;
            let off = (0..3)
                .map(|i| (acceleration[i] - exact_acceleration[i]).powi(2))
                .sum::<f64>()
                .sqrt();
            worst[0] = worst[0].max(off / norm(exact_acceleration));
            worst[1] = worst[1].max((phi / exact - 1.0).abs());
        } else {
            assert_eq!((phi, acceleration), (exact, exact_acceleration));
        }
    }
    // The tolerance is of the mean over a sphere; single places are allowed ten times that. Φ is an integral of it.
    assert!(
        inside > 50 && worst[0] < 10.0 * TOLERANCE && worst[1] < TOLERANCE,
        "{inside} {worst:?}"
    );
    assert!(worst[0] > 0.0);
    let few = Tabulated::new(
        Expansion::with_reflections().unwrap().axisymmetric_part().unwrap(),
        (0.1, 100.0),
    );
    assert!(few.table.is_none());
    assert_eq!(few.acceleration([3.0, 1.0, 2.0]), few.sum.acceleration([3.0, 1.0, 2.0]));
}

/// A sum that is not axisymmetric, radii that are none, and discs too thin for any table.
#[test]
fn what_no_table_can_hold_is_the_sum_itself() {
    let of = |b: f64, last: Term| {
        let mut terms: Vec<Term> = (0..20)
            .map(|k| Term::Disc {
                a: 5.0 + f64::from(k),
                b,
            })
            .collect();
        terms.push(last);
        let coefficients = vec![1e3; terms.len()];
        Expansion::new(terms, coefficients).unwrap()
    };
    let round = Term::Multipole { scale: 5.0, order: 7 };
    let has_table = |sum: Expansion, range| Tabulated::new(sum, range).table.is_some();
    assert!(has_table(of(0.3, round), (0.1, 100.0)));
    assert!(!has_table(of(1e-5, round), (0.1, 100.0)));
    assert!(!has_table(
        of(0.3, Term::Multipole { scale: 5.0, order: 3 }),
        (0.1, 100.0)
    ));
    for range in [(0.0, 100.0), (10.0, 10.0), (10.0, f64::INFINITY), (f64::NAN, 10.0)] {
        assert!(!has_table(of(0.3, round), range));
    }
}
