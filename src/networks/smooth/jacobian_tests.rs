#![allow(clippy::unwrap_used)]
use tch::{Device, Kind, Tensor};

use super::super::tests::random_map;
use super::*;
use crate::features::Symmetry;
use crate::streams::Streams;
use crate::test_support::{angle_distance, distance, halo_points, image, paper_isochrone};

const SYMMETRIES: [Symmetry; 3] = [Symmetry::None, Symmetry::Axisymmetric, Symmetry::Spherical];

/// ∂(J', θ')/∂(x, v) by differences of sixth order of the map itself, all shifts at once.
fn by_differences(map: &SmoothMap, x: &Tensor, v: &Tensor) -> Tensor {
    let stars = x.size()[0];
    let widths = [2e-3, 2e-3, 2e-3, 4e-2, 4e-2, 4e-2];
    let widths = Tensor::from_slice(&widths);
    let steps = Tensor::from_slice(&[-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]);
    // [axis, step, star, 6]
    let shifts = widths.diag(0).view([6, 1, 1, 6]) * steps.view([1, 6, 1, 1]);
    let moved = (Tensor::cat(&[x, v], -1) + shifts).view([-1, 1, 6]);
    let streams = Streams::new(moved.narrow(-1, 0, 3), moved.narrow(-1, 3, 3));
    let (angles, actions) = image(map, &streams.toy_points(&map.toy).unwrap());
    let found = |values: Tensor| values.view([6, 6, stars, 3]);
    let (angles, actions) = (found(angles), found(actions));
    let turn = std::f64::consts::TAU;
    let pair = |step: i64| {
        let difference = |values: &Tensor| values.select(1, 2 + step) - values.select(1, 3 - step);
        let turns = difference(&angles) / turn;
        Tensor::cat(&[difference(&actions), (&turns - turns.round()) * turn], -1)
    };
    let slopes = (pair(1) * 45.0 - pair(2) * 9.0 + pair(3)) / (widths * 60.0).view([6, 1, 1]);
    slopes.permute([1, 2, 0])
}

#[test]
fn the_jacobian_is_that_of_the_map() {
    for symmetry in SYMMETRIES {
        let map = random_map(symmetry, false);
        let (x, v) = halo_points(12, 7);
        let found = map.jacobian(&x, &v, None).unwrap();
        let numeric = by_differences(&map, &x, &v);
        // Rows have their own units: each entry is compared with the largest of its row. Steps of 2e-3 kpc make rounding of
        // the iterated J' (1e-11 relative) an error of 1e-8.
        let size = numeric.abs().amax([-1].as_slice(), true);
        let error = distance(&(&numeric / &size), &(found.matrix() / &size));
        assert!(error < 1e-6, "{symmetry:?}: {error:e}");
        let points = Streams::new(x.unsqueeze(1), v.unsqueeze(1));
        let (angles, actions) = image(&map, &points.toy_points(&map.toy).unwrap());
        assert!(distance(&actions.squeeze_dim(1), &found.actions) < 1e-8);
        assert!(angle_distance(&angles.squeeze_dim(1), &found.angles) < 1e-10);
        assert!(found.residual.max().double_value(&[]) < 1e-8);
    }
}

/// M Ω Mᵀ = Ω, whatever the weights: Poisson brackets are kept.
#[test]
fn the_jacobian_is_symplectic() {
    let map = random_map(Symmetry::None, false);
    let (x, v) = halo_points(200, 8);
    let found = map.jacobian(&x, &v, None).unwrap();
    let eye = Tensor::eye(3, (Kind::Double, Device::Cpu));
    let zero = Tensor::zeros_like(&eye);
    let rotation = |sign: f64| {
        Tensor::cat(
            &[
                Tensor::cat(&[zero.shallow_clone(), &eye * sign], 1),
                Tensor::cat(&[&eye * -sign, zero.shallow_clone()], 1),
            ],
            0,
        )
    };
    // Canonical pairs are (x, v) and (θ', J'); the rows are J' first.
    let matrix = found.matrix();
    let product = matrix.matmul(&rotation(1.0)).matmul(&matrix.transpose(1, 2));
    let error = (product - rotation(-1.0)).abs().amax([1, 2].as_slice(), false);
    // Rounding of products of derivatives as large as 1e2 by 1e4 and second derivatives through Kepler's equation; one star next
    // to a singular orbit may be worse.
    assert!(
        error.median().double_value(&[]) < 1e-11,
        "{:e}",
        error.median().double_value(&[])
    );
    assert!(
        error.max().double_value(&[]) < 1e-7,
        "{:e}",
        error.max().double_value(&[])
    );
}

/// In the exact toy G = 0: along the motion in its own field actions stay, and angles advance by its frequencies.
#[test]
fn rates_in_the_toys_own_field_are_zero_and_its_frequencies() {
    let (x, v) = halo_points(50, 9);
    let toy = paper_isochrone();
    let shape = random_map(Symmetry::None, false).shape();
    let map = SmoothMap::new(toy.clone(), shape, &x.unsqueeze(1), &v.unsqueeze(1), 1).unwrap();
    let found = map.jacobian(&x, &v, None).unwrap();
    let (still, frequencies) = map.rates(&x, &v, &toy.acceleration(&x), &found.actions).unwrap();
    // (km/s)², of terms as large as 1e4.
    assert!(still.abs().max().double_value(&[]) < 1e-7, "{still:?}");
    let exact = toy.from_cartesian(&x, &v).unwrap().frequencies;
    assert!(distance(&frequencies, &exact) < 1e-7);
}

/// In any field the rates are the Jacobian times (v, a).
#[test]
fn rates_are_the_jacobian_along_the_motion() {
    for symmetry in SYMMETRIES {
        let map = random_map(symmetry, false);
        let (x, v) = halo_points(50, 9);
        let a = paper_isochrone().acceleration(&x) * 1.1 + Tensor::from_slice(&[50.0, -30.0, 80.0]);
        let found = map.jacobian(&x, &v, None).unwrap();
        let (of_actions, of_angles) = map.rates(&x, &v, &a, &found.actions).unwrap();
        let flow = Tensor::cat(&[&v, &a], -1).unsqueeze(-1);
        for (rates, matrix) in [(of_actions, &found.of_actions), (of_angles, &found.of_angles)] {
            let terms = (matrix.abs().matmul(&flow.abs())).squeeze_dim(-1);
            let miss = (rates - matrix.matmul(&flow).squeeze_dim(-1)).abs() / terms;
            assert!(miss.max().double_value(&[]) < 1e-9, "{symmetry:?}: {miss:?}");
        }
    }
}

/// Next to the axis the Jacobian grows like 1/R; the rates of a star on its way across do not.
#[test]
fn rates_are_steady_across_the_axis() {
    let map = random_map(Symmetry::Axisymmetric, false);
    let close = [1e-6, 1e-9, 1e-12, 1e-16, 0.0];
    let at: Vec<f64> = close.iter().flat_map(|r| [0.6 * r, 0.8 * r, 5.6]).collect();
    let x = Tensor::from_slice(&at).view([-1, 3]);
    let v = Tensor::from_slice(&[108.0, 65.0, 43.0]).expand_as(&x).contiguous();
    let found = map.jacobian(&x, &v, None).unwrap();
    let a = paper_isochrone().acceleration(&x) * 1.1;
    let (_, frequencies) = map.rates(&x, &v, &a, &found.actions).unwrap();
    // That of θ_φ has the sense of L_z, which is rounding here.
    let size = frequencies.abs();
    let on_it = size.select(0, close.len() as i64 - 1);
    let miss = ((size - &on_it) / on_it).abs().max().double_value(&[]);
    assert!(miss < 1e-5, "{miss:e}");
}

#[test]
fn a_star_that_the_toy_does_not_bind_is_named() {
    let map = random_map(Symmetry::None, false);
    let (x, v) = halo_points(5, 10);
    let fast = &v * Tensor::from_slice(&[1.0, 1.0, 1.0, 50.0, 1.0]).view([5, 1]);
    match map.jacobian(&x, &fast, None) {
        Err(Error::Unbound { rows, points }) => assert_eq!((rows, points), (vec![3], 5)),
        other => panic!("{other:?}"),
    }
}
