#![allow(clippy::unwrap_used)]
use dynamics::sky::Sun;
use tch::{Device, Kind};

use super::*;
use crate::smooth::map::Shape;
use crate::test_support::{halo_streams, paper_isochrone};

/// Exact orbits seen from the Sun, and the map that knows their actions: the true isochrone with G = 0.
fn sightlines(streams: usize, known: usize) -> (SmoothMap, Sightlines, Vec<f64>) {
    let sample = halo_streams(streams, 8, 31);
    let shape = Shape {
        width: 8,
        depth: 1,
        ..Shape::default()
    };
    let map = SmoothMap::new(paper_isochrone(), shape, &sample.x, &sample.v, 1).unwrap();
    let (x, v) = (sample.x.view([-1, 3]), sample.v.view([-1, 3]));
    let sun = Sun::default();
    let from_sun = &x - Tensor::from_slice(&sun.position());
    let along = &from_sun / dot(&from_sun, &from_sun).sqrt().unsqueeze(-1);
    let truth = numbers(&dot(&(&v - Tensor::from_slice(&sun.velocity())), &along)).unwrap();
    let u = Tensor::from_slice(&truth).unsqueeze(-1);
    let v = v - &along * u;
    let stars = Sightlines {
        stream: (0..streams as i64 * 8).map(|row| row / 8).collect(),
        x,
        v,
        along,
        known: (0..streams * 8)
            .map(|row| (row % 8 < known).then(|| truth[row]))
            .collect(),
    };
    (map, stars, truth)
}

#[test]
fn missing_velocities_are_found_by_actions_that_agree() {
    for known in [3, 0] {
        let (map, stars, truth) = sightlines(12, known);
        let found = recover(&map, &stars, &mut |_| ()).unwrap();
        let mut errors: Vec<f64> = Vec::new();
        for (row, found) in found.iter().enumerate() {
            match found {
                Found::Recovered(u, deviation) => {
                    assert!(deviation.is_finite() && *deviation >= 0.0);
                    errors.push((u - truth[row]).abs());
                }
                Found::Known => assert!(row % 8 < known),
                other => panic!("{row}: {other:?}"),
            }
        }
        assert_eq!(errors.len(), 12 * (8 - known));
        errors.sort_by(f64::total_cmp);
        // The map is exact: what is left is a few stars whose actions meet at another velocity, too.
        assert!(errors[errors.len() / 2] < 1e-3, "{known}: {}", errors[errors.len() / 2]);
        assert!(
            errors[errors.len() * 8 / 10] < 1.0,
            "{known}: {}",
            errors[errors.len() * 8 / 10]
        );
    }
}

#[test]
fn stars_that_nothing_can_be_said_of_are_named() {
    let (map, mut stars, _) = sightlines(2, 2);
    stars.stream[15] = 99;
    stars.v = stars.v.copy();
    stars.v.get(4).copy_(&Tensor::from_slice(&[2000.0, 2000.0, 2000.0]));
    let found = recover(&map, &stars, &mut |_| ()).unwrap();
    assert_eq!(found[4], Found::Unbound);
    assert_eq!(found[15], Found::Alone);
    assert_eq!(found[0], Found::Known);
    assert!(matches!(found[5], Found::Recovered(..)));
    assert_eq!(stars.x.device(), Device::Cpu);
    assert_eq!(stars.x.kind(), Kind::Double);
}
