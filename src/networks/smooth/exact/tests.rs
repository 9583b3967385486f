#![allow(clippy::unwrap_used)]
use tch::Device;

use super::*;
use crate::isochrone::Isochrone;
use crate::smooth::map::Shape;
use crate::test_support::{angle_distance, bend, distance, halo_points, paper_isochrone};

/// A map with random weights of this size in the last layer, in a toy 20 % off.
fn map(size: f64) -> SmoothMap {
    let (x, v) = halo_points(200, 11);
    let shape = Shape {
        width: 16,
        depth: 2,
        ..Shape::default()
    };
    let toy = Isochrone::new(1.2 * 3.334e11, 6.0, Device::Cpu);
    let map = SmoothMap::new(toy, shape, &x.unsqueeze(1), &v.unsqueeze(1), 3).unwrap();
    bend(&map, size);
    map
}

fn solved_rows(located: &Located) -> Tensor {
    let flags: Vec<bool> = located.unsolved.iter().map(Option::is_none).collect();
    places(&flags, Device::Cpu)
}

#[test]
fn from_positions_to_actions_and_back_to_rounding() {
    let (x, v) = halo_points(150, 21);
    for size in [0.0, 0.02, 0.05] {
        let map = map(size);
        let toy = map.toy.from_cartesian(&x, &v).unwrap();
        let refined = map.refine_exactly(&toy.angles, &toy.actions).unwrap();
        let located = map.locate(&refined.angles, &refined.actions).unwrap();
        let rows = solved_rows(&located);
        // Those left out have an action at the floor, or lie where a random map folds.
        assert!(rows.numel() >= 130, "{size}: {}", rows.numel());
        let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
        // Residuals of 1e-11 rad times tens of kpc, amplified next to circular and planar orbits.
        assert!(distance(&pick(&located.x), &pick(&x)) < 1e-6);
        assert!(distance(&pick(&located.v), &pick(&v)) < 1e-5);
    }
}

#[test]
fn the_fixed_point_is_met_to_rounding() {
    let map = map(0.05);
    let (x, v) = halo_points(50, 22);
    let toy = map.toy.from_cartesian(&x, &v).unwrap();
    let refined = map.refine_exactly(&toy.angles, &toy.actions).unwrap();
    let closed: Vec<bool> = refined.open.iter().map(|open| !open).collect();
    let rows = places(&closed, Device::Cpu);
    assert!(rows.numel() >= 45);
    let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
    let again = pick(&toy.actions) - map.slope(&pick(&toy.angles), &pick(&refined.actions));
    assert!(distance(&again, &pick(&refined.actions)) < 1e-6);
    // Many damped steps come to the same place.
    let damped = damped(&map, &ToyPoints::of_single(&toy.angles, &toy.actions)).squeeze_dim(1);
    assert!(distance(&pick(&damped), &pick(&refined.actions)) < 1e-5);
}

/// J' by many damped steps of the fixed point: […, 1, 3].
fn damped(map: &SmoothMap, points: &ToyPoints) -> Tensor {
    let start = floored(&points.mean(&points.actions));
    (0..200).fold(start, |refined, _| map.refine(points, &refined, 0.4))
}

#[test]
fn streams_have_one_action_each() {
    let map = map(0.05);
    let (x, v) = halo_points(60, 25);
    let toy = map.toy.from_cartesian(&x, &v).unwrap();
    // Fifteen streams of four stars; the last star of every second one is a filler.
    let weights = Tensor::ones([15, 4, 1], (Kind::Double, Device::Cpu));
    let _ = weights.slice(0, 0, 15, 2).narrow(1, 3, 1).fill_(0.0);
    let points = ToyPoints {
        angles: toy.angles.view([15, 4, 3]),
        actions: toy.actions.view([15, 4, 3]),
        weights,
    };
    let found = map.refine_streams(&points).unwrap();
    let closed: Vec<bool> = found.open.iter().map(|open| !open).collect();
    let rows = places(&closed, Device::Cpu);
    assert!(rows.numel() >= 13);
    let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
    // J' = ⟨J − ∂G/∂θ⟩ over the stars that count: to rounding.
    let common = found.actions.unsqueeze(1).expand_as(&points.actions).contiguous();
    let mean = points.mean(&map.star_actions(&points, &common)).squeeze_dim(1);
    assert!(distance(&pick(&mean), &pick(&found.actions)) < 1e-6);
    // The damped fixed point alone comes to the same place.
    assert!(distance(&pick(&damped(&map, &points).squeeze_dim(1)), &pick(&found.actions)) < 1e-5);
}

#[test]
fn stars_without_a_position_are_named() {
    let map = map(0.05);
    let theta = Tensor::from_slice(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]).view([2, 3]);
    let action = Tensor::from_slice(&[1500.0, 100.0, 200.0, 1500.0, 100.0, -5.0]).view([2, 3]);
    let located = map.locate(&theta, &action).unwrap();
    assert_eq!(located.unsolved, [None, Some(Unsolved::Degenerate)]);
    // Where the map folds, nothing is returned without being checked.
    let wild = self::map(1.5);
    let (x, v) = halo_points(16, 23);
    let truth = paper_isochrone().from_cartesian(&x, &v).unwrap();
    let located = wild.locate(&truth.angles, &truth.actions).unwrap();
    assert!(located.unsolved.iter().any(Option::is_some));
    let rows = solved_rows(&located);
    let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
    if rows.numel() > 0 {
        let toy = wild.toy.from_cartesian(&pick(&located.x), &pick(&located.v)).unwrap();
        let again = wild.refine_exactly(&toy.angles, &toy.actions).unwrap();
        assert!(angle_distance(&again.angles, &pick(&truth.angles)) < 1e-5);
    }
}

#[test]
fn mixed_derivatives_agree_with_differences() {
    let map = map(0.05);
    let (x, v) = halo_points(6, 24);
    let toy = map.toy.from_cartesian(&x, &v).unwrap();
    let slopes = map.slopes(&toy.angles, &toy.actions);
    let step = 1e-5;
    for axis in 0..3 {
        let mut shift = [0.0; 3];
        shift[axis as usize] = step;
        let shift = Tensor::from_slice(&shift);
        let at = |sign: f64| map.slopes(&(&toy.angles + &shift * sign), &toy.actions).by_action;
        let difference = (at(1.0) - at(-1.0)) / (2.0 * step);
        // Truncation of second order: 1e-10 times third derivatives of order one to ten.
        assert!(distance(&difference, &slopes.mixed.select(-1, axis)) < 1e-6);
    }
}
