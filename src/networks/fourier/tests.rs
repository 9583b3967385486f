#![allow(clippy::unwrap_used)]
use super::*;
use crate::features::Symmetry;
use crate::weights::Weights;
use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Isochrone, Logarithmic};
use dynamics::units::Gyr;

fn quick(symmetry: Symmetry, time_reversal: bool) -> OrbitOptions {
    OrbitOptions {
        symmetry,
        time_reversal,
        reach: [1, 8, 10],
        coefficients: 200,
        ..OrbitOptions::default()
    }
}

/// An orbit in an isochrone, seen in a toy of another mass and scale.
fn orbit() -> (Isochrone, Isochrone, Vec<PhaseSpace>) {
    let truth = Isochrone::new(3.334e11, 5.0).unwrap();
    let start = PhaseSpace::new([8.0, 1.0, 2.0], [60.0, 150.0, 70.0]);
    let times: Vec<Gyr> = (0..1500).map(|i| Gyr(f64::from(i) * 0.004)).collect();
    let points = dense::integrate(&truth, &start, &times, 1e-11).unwrap().points;
    (truth, Isochrone::new(3.7e11, 5.5).unwrap(), points)
}

#[test]
fn the_actions_of_an_isochrone_orbit_are_found_through_another_toy() {
    let (truth, toy, points) = orbit();
    let exact = truth.actions(&points[0]).unwrap().actions;
    for (symmetry, time_reversal) in [(Symmetry::None, false), (Symmetry::Axisymmetric, true)] {
        let map = fit_orbit(&points, toy, &quick(symmetry, time_reversal)).unwrap();
        // The toy's own spread is some km/s kpc; the series converges fast for nearly equal potentials.
        let error = [
            map.actions[0] - exact.phi,
            map.actions[1] - exact.z,
            map.actions[2] - exact.r,
        ];
        assert!(error.iter().all(|e| e.abs() < 1e-3), "{symmetry:?} {error:?}");
        assert!(
            map.spread(&points).unwrap() < 1e-3,
            "{:e}",
            map.spread(&points).unwrap()
        );
        assert!(map.held_out_spread < 1e-3);
    }
}

#[test]
fn left_out_points_are_predicted_as_well_as_the_others() {
    let potential = Logarithmic::axisymmetric(220.0, 1.0, 0.8).unwrap();
    let start = PhaseSpace::new([8.0, 1.0, 2.0], [60.0, 150.0, 70.0]);
    let times: Vec<Gyr> = (0..2000).map(|i| Gyr(f64::from(i) * 0.003)).collect();
    let points = dense::integrate(&potential, &start, &times, 1e-11).unwrap().points;
    let toy = Isochrone::new(3.334e11, 5.0).unwrap();
    let map = fit_orbit(&points[..1600], toy, &quick(Symmetry::Axisymmetric, true)).unwrap();
    let (seen, unseen) = (
        map.spread(&points[..1600]).unwrap(),
        map.spread(&points[1600..]).unwrap(),
    );
    assert!(unseen < 2.0 * seen && unseen < 0.5, "{seen} {unseen}");
}

#[test]
fn a_map_survives_its_file_and_is_the_same_each_time() {
    let (_, toy, points) = orbit();
    let fit = || fit_orbit(&points, toy, &quick(Symmetry::None, false)).unwrap();
    let map = fit();
    assert_eq!(map, fit());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orbit.safetensors");
    map.to_weights().unwrap().save(&file).unwrap();
    assert_eq!(OrbitMap::from_weights(&Weights::load(&file).unwrap()).unwrap(), map);
}

#[test]
fn too_few_points_and_unbound_ones_are_refused() {
    let (_, toy, mut points) = orbit();
    assert!(fit_orbit(&points[..20], toy, &OrbitOptions::default()).is_err());
    points[3].v = [2000.0, 0.0, 0.0];
    let error = fit_orbit(&points, toy, &OrbitOptions::default()).unwrap_err();
    assert!(matches!(error, crate::Error::Unbound { rows, .. } if rows == [3]));
}

#[test]
fn orbits_of_several_streams_share_a_file() {
    let (_, toy, points) = orbit();
    let map = fit_orbit(&points, toy, &quick(Symmetry::None, false)).unwrap();
    let mut other = map.clone();
    other.actions[0] += 1.0;
    let maps = OrbitMaps {
        maps: [(3, map.clone()), (12, other)].into(),
    };
    let again = OrbitMaps::from_weights(&maps.to_weights().unwrap()).unwrap();
    assert_eq!(again, maps);
    assert_eq!(
        again.actions(3, &points[7]).unwrap(),
        map.actions_of(&points).unwrap()[7]
    );
    assert!(again.actions(4, &points[0]).is_err());
}
