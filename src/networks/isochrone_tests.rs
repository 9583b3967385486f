#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::{angle_distance, assert_gradient, distance, halo_points, paper_isochrone};

fn row(values: [f64; 3]) -> Tensor {
    Tensor::from_slice(&values)
}

#[test]
fn round_trip_returns_every_point() {
    let toy = paper_isochrone();
    let (x, v) = halo_points(2000, 1);
    let found = toy.from_cartesian(&x, &v).unwrap();
    let (x2, v2) = toy.to_cartesian(&found.angles, &found.actions);
    // 1e-9 relative to 10 kpc and 200 km/s.
    assert!(distance(&x, &x2) < 1e-8, "{}", distance(&x, &x2));
    assert!(distance(&v, &v2) < 2e-7, "{}", distance(&v, &v2));
}

#[test]
fn the_other_way_round_too() {
    let toy = paper_isochrone();
    let actions = Tensor::from_slice(&[1500.0, 300.0, 200.0, -900.0, 800.0, 50.0, 10.0, 1500.0, 700.0]).view([3, 3]);
    let angles = Tensor::from_slice(&[0.3, 5.0, 2.0, 4.0, 1.0, 6.0, 3.0, 3.0, 3.2]).view([3, 3]);
    let (x, v) = toy.to_cartesian(&angles, &actions);
    let found = toy.from_cartesian(&x, &v).unwrap();
    assert!(distance(&found.actions, &actions) < 1e-9 * 2000.0);
    assert!(angle_distance(&found.angles, &angles) < 1e-8);
}

#[test]
fn a_planar_circular_orbit_has_its_azimuth_as_angle() {
    let toy = paper_isochrone();
    let (r, b): (f64, f64) = (8.0, 5.0);
    let s = (r * r + b * b).sqrt();
    let speed = (G * 3.334e11 * r * r / (s * (b + s) * (b + s))).sqrt();
    for (azimuth, sense) in [(0.7_f64, 1.0), (0.7, -1.0), (5.9, 1.0), (5.9, -1.0)] {
        let (sin, cos) = azimuth.sin_cos();
        let x = row([r * cos, r * sin, 0.0]);
        let v = row([-sense * speed * sin, sense * speed * cos, 0.0]);
        let found = toy.from_cartesian(&x, &v).unwrap();
        assert!((found.actions.double_value(&[0]) - sense * r * speed).abs() < 1e-9);
        assert!(found.actions.double_value(&[1]).abs() < 1e-9);
        // J_r is a difference of numbers near 2000.
        assert!(found.actions.double_value(&[2]).abs() < 1e-11 * 2000.0);
        assert!(
            (found.angles.double_value(&[0]) - azimuth).abs() < 1e-8,
            "{azimuth} {sense}"
        );
    }
}

#[test]
fn angles_run_with_their_frequencies_along_an_orbit() {
    let toy = paper_isochrone();
    let (x, v) = halo_points(50, 2);
    let begin = toy.from_cartesian(&x, &v).unwrap();
    // A short leapfrog; time in kpc/(km/s).
    let (mut y, mut u) = (x.copy(), v.copy());
    let (step, steps) = (1e-6, 2000);
    let force = |y: &Tensor| {
        let s = (dot(y, y) + 25.0).sqrt().unsqueeze(-1);
        y * (-G * 3.334e11) / (&s * (&s + 5.0).square())
    };
    for _ in 0..steps {
        u += force(&y) * (step / 2.0);
        y += &u * step;
        u += force(&y) * (step / 2.0);
    }
    let end = toy.from_cartesian(&y, &u).unwrap();
    let predicted = begin.angles + begin.frequencies * (step * f64::from(steps));
    // The leapfrog's own error, of order (Ω step)².
    assert!(angle_distance(&end.angles, &predicted) < 1e-7);
    assert!(distance(&end.actions, &begin.actions) < 1e-4);
}

#[test]
fn gradients_agree_with_central_differences() {
    let toy = paper_isochrone();
    let points = [
        [8.0, 1.0, 2.0, 30.0, 150.0, -60.0],
        [-3.0, 9.0, -4.0, 120.0, 90.0, 20.0],
        [6.0, -7.0, 0.5, 10.0, 140.0, 5.0],
    ];
    for point in points {
        assert_gradient(&Tensor::from_slice(&point), 1e-4, 1e-6, |point| {
            let found = toy
                .from_cartesian(&point.narrow(-1, 0, 3), &point.narrow(-1, 3, 3))
                .unwrap();
            Tensor::cat(&[found.actions, found.angles, found.frequencies], -1)
        });
        let found = toy
            .from_cartesian(
                &row([point[0], point[1], point[2]]),
                &row([point[3], point[4], point[5]]),
            )
            .unwrap();
        assert_gradient(&Tensor::cat(&[found.angles, found.actions], -1), 1e-4, 1e-6, |point| {
            let (x, v) = toy.to_cartesian(&point.narrow(-1, 0, 3), &point.narrow(-1, 3, 3));
            Tensor::cat(&[x, v], -1)
        });
    }
}

#[test]
fn gradients_with_respect_to_mass_and_scale_agree_with_central_differences() {
    let (x, v) = (row([8.0, 1.0, 2.0]), row([30.0, 150.0, -60.0]));
    let toy = |parameters: &Tensor| Isochrone {
        gm: parameters.get(0),
        scale: parameters.get(1),
        stretch: None,
    };
    let parameters = Tensor::from_slice(&[G * 3.334e11, 5.0]);
    assert_gradient(&parameters, 1e-4, 1e-7, |parameters| {
        let found = toy(parameters).from_cartesian(&x, &v).unwrap();
        Tensor::cat(&[found.actions, found.angles, found.frequencies], -1)
    });
    let (angles, actions) = (row([1.0, 2.0, 3.5]), row([1200.0, 300.0, 250.0]));
    assert_gradient(&parameters, 1e-4, 1e-7, |parameters| {
        let (x, v) = toy(parameters).to_cartesian(&angles, &actions);
        Tensor::cat(&[x, v], -1)
    });
}

#[test]
fn the_map_is_canonical() {
    // The Jacobian of (x, v) → (θ, J) must be symplectic: M Ω Mᵀ = Ω.
    let toy = paper_isochrone();
    let (x, v) = halo_points(20, 3);
    for star in 0..20 {
        let point = Tensor::cat(&[x.get(star), v.get(star)], 0).set_requires_grad(true);
        let found = toy
            .from_cartesian(&point.narrow(0, 0, 3), &point.narrow(0, 3, 3))
            .unwrap();
        let outputs = Tensor::cat(&[found.angles, found.actions], 0);
        let rows: Vec<Tensor> = (0..6)
            .map(|row| Tensor::run_backward(&[outputs.get(row)], &[&point], true, false)[0].copy())
            .collect();
        let jacobian = Tensor::stack(&rows, 0);
        let eye = Tensor::eye(3, (Kind::Double, Device::Cpu));
        let zero = Tensor::zeros_like(&eye);
        let top = Tensor::cat(&[&zero, &eye], 1);
        let omega = Tensor::cat(&[&top, &Tensor::cat(&[&-&eye, &zero], 1)], 0);
        let product = jacobian.matmul(&omega).matmul(&jacobian.tr());
        // Entries of the Jacobian reach 1e3, so products lose that much of 1e-16 and a little more near e = 0.
        assert!(
            distance(&product, &omega) < 1e-9,
            "star {star}: {}",
            distance(&product, &omega)
        );
    }
}

#[test]
fn flows_are_the_derivatives_by_the_angles() {
    let toy = paper_isochrone();
    let (x, v) = halo_points(10, 4);
    let found = toy.from_cartesian(&x, &v).unwrap();
    let angles = found.angles.detach().set_requires_grad(true);
    let (x2, v2) = toy.to_cartesian(&angles, &found.actions);
    let (flow_x, flow_v) = toy.flows(&x, &v);
    for axis in 0..3 {
        for (value, flow) in [(&x2, &flow_x), (&v2, &flow_v)] {
            let sum = part(value, axis).sum(Kind::Double);
            let gradient = Tensor::run_backward(&[sum], &[&angles], true, false);
            let size = gradient[0].abs().max().double_value(&[]);
            assert!(distance(&gradient[0], &part(flow, axis)) < 1e-9 * size);
        }
    }
}

#[test]
fn second_derivatives_of_the_inverse_exist_and_agree() {
    let toy = paper_isochrone();
    let actions = row([1200.0, 300.0, 250.0]);
    assert_gradient(&row([1.0, 2.0, 3.5]), 1e-4, 1e-7, |angles| {
        let angles = if angles.requires_grad() {
            angles.shallow_clone()
        } else {
            angles.copy().set_requires_grad(true)
        };
        tch::with_grad(|| {
            let (x, v) = toy.to_cartesian(&angles, &actions);
            let sum = x.sum(Kind::Double) + v.sum(Kind::Double) * 0.1;
            Tensor::run_backward(&[sum], &[&angles], true, true)[0].shallow_clone()
        })
    });
}

#[test]
fn unbound_points_are_named_by_row() {
    let toy = paper_isochrone();
    let (x, v) = halo_points(6, 5);
    let speeds = Tensor::from_slice(&[1.0, 1.0, 9.0, 1.0, 1.0, 9.0]).view([6, 1]);
    match toy.from_cartesian(&x, &(v * speeds)) {
        Err(Error::Unbound { rows, points }) => assert_eq!((rows, points), (vec![2, 5], 6)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_gradient_stays_finite_in_the_plane() {
    let toy = paper_isochrone();
    let x = row([8.0, 1.0, 0.0]).set_requires_grad(true);
    let v = row([20.0, 180.0, 0.0]).set_requires_grad(true);
    let found = toy.from_cartesian(&x, &v).unwrap();
    let gradient = Tensor::run_backward(
        &[found.angles.sum(Kind::Double) + found.actions.sum(Kind::Double)],
        &[&x, &v],
        false,
        false,
    );
    assert!(gradient.iter().all(|g| g.isfinite().all().int64_value(&[]) == 1));
}

/// Every value of every row of the reference table to 1e-9 (angles to 1e-8 rad), by the truth in 50-digit arithmetic.
///
/// **Source**: `tests/reference/isochrone_digits.py`.
#[test]
fn agrees_with_long_arithmetic_on_the_reference_points() {
    let table = |name: &str, columns: usize| -> Vec<f64> {
        let path = format!("{}/../../tests/reference/{name}.csv", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().skip(1);
        let cells = rows.flat_map(|line| line.split(',').take(columns));
        cells.map(|cell| cell.parse().unwrap()).collect()
    };
    let points = Tensor::from_slice(&table("isochrone", 6)).view([-1, 6]);
    let truth = Tensor::from_slice(&table("isochrone_digits", 9)).view([-1, 3, 3]);
    assert_eq!((points.size()[0], truth.size()[0]), (389, 389));
    let found = paper_isochrone()
        .from_cartesian(&points.narrow(1, 0, 3), &points.narrow(1, 3, 3))
        .unwrap();
    let relative = |found: &Tensor, truth: Tensor| ((found - &truth) / truth).abs().amax([0], false);
    let actions = relative(&found.actions, truth.select(1, 0));
    let frequencies = relative(&found.frequencies, truth.select(1, 2));
    let angles = angle_distance(&found.angles, &truth.select(1, 1));
    assert!(actions.max().double_value(&[]) < 1e-9, "{actions}");
    assert!(frequencies.max().double_value(&[]) < 1e-9, "{frequencies}");
    assert!(angles < 1e-8, "{angles:e}");
}
