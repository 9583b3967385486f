#![allow(clippy::unwrap_used)]

use super::*;
use crate::isochrone::tests::flat;
use crate::potential::{Composite, Galaxy, Isochrone, Logarithmic};
use crate::testing::reference_table;
use crate::units::wrap_difference;

/// Mean absolute errors of (J_r, J_z, θ_r, θ_z, θ_φ): ours, and those of the fudge in the table.
fn errors(galaxy: &Galaxy, table: &str) -> ([f64; 5], [f64; 5]) {
    let columns = [
        "x",
        "y",
        "z",
        "vx",
        "vy",
        "vz",
        "J_r",
        "J_z",
        "theta_r",
        "theta_z",
        "theta_phi",
        "fudge_J_r",
        "fudge_J_z",
        "fudge_theta_r",
        "fudge_theta_z",
        "fudge_theta_phi",
    ];
    let rows = reference_table(table, &columns);
    let finder = StaeckelFudge::new(galaxy).unwrap();
    let (mut ours, mut theirs) = ([0.0; 5], [0.0; 5]);
    for row in &rows {
        let point = PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]);
        let found = finder.actions(&point).unwrap();
        assert!(
            flat(&found).iter().all(|value| value.is_finite()),
            "{point:?} gave {found:?}"
        );
        let found = [
            found.actions.r,
            found.actions.z,
            found.angles.r,
            found.angles.z,
            found.angles.phi,
        ];
        for i in 0..5 {
            let difference = |value: f64| {
                if i < 2 {
                    value - row[6 + i]
                } else {
                    wrap_difference(value - row[6 + i])
                }
            };
            ours[i] += difference(found[i]).abs() / rows.len() as f64;
            theirs[i] += difference(row[11 + i]).abs() / rows.len() as f64;
        }
    }
    (ours, theirs)
}

#[test]
fn is_no_worse_than_the_fudge_in_the_reference_tables() {
    let (dehnen_binney, piffl) = (Galaxy::dehnen_binney_98_1().unwrap(), Galaxy::piffl_14().unwrap());
    for (galaxy, table) in [
        (&dehnen_binney, "orbits_dehnen_binney_98_1_halo"),
        (&dehnen_binney, "orbits_dehnen_binney_98_1_disk"),
        (&piffl, "orbits_piffl_14_halo"),
        (&piffl, "orbits_piffl_14_disk"),
    ] {
        let (ours, theirs) = errors(galaxy, table);
        // Halo actions are a fifth to a third better than theirs. On discs J_r is 4 % worse, and angles lie within 15 %
        // either way: held here, to be improved.
        for i in 0..5 {
            let slack = if i >= 2 {
                1.2
            } else if table.ends_with("halo") {
                0.9
            } else {
                1.05
            };
            assert!(ours[i] < slack * theirs[i], "{table}: ours {ours:?}, theirs {theirs:?}");
        }
    }
}

/// In a spherical potential the fudge is exact for any focal distance.
#[test]
fn agrees_with_the_isochrone() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let finder = StaeckelFudge::new(isochrone).unwrap();
    for point in crate::sample::halo(&mut crate::sample::generator(5, 0), 200) {
        let Ok(exact) = isochrone.actions(&point) else { continue };
        let found = flat(&finder.actions_with_focus(&point, 0.05).unwrap());
        let exact = flat(&exact);
        let total = exact[0].abs() + exact[1] + exact[2];
        for i in 0..3 {
            assert!(
                (found[i] - exact[i]).abs() < 1e-2 * total,
                "{point:?}: {found:?} is not {exact:?}"
            );
        }
    }
}

#[test]
fn bound_orbits_always_have_an_answer() {
    let galaxy = Composite::milky_way_like().unwrap();
    let finder = StaeckelFudge::new(galaxy).unwrap();
    for x in [
        [8.0, 0.0, 0.0],
        [0.0, 0.0, 5.0],
        [0.0, 0.0, 0.0],
        [1e-9, 0.0, 3.0],
        [3.0, -4.0, 1e-12],
    ] {
        for v in [
            [0.0; 3],
            [0.0, 1e-9, 0.0],
            [0.0, 226.0, 0.0],
            [100.0, 0.0, 0.0],
            [0.0, 0.0, 100.0],
            [50.0, 50.0, 50.0],
        ] {
            let point = PhaseSpace::new(x, v);
            let answer = finder.actions(&point).unwrap();
            assert!(
                flat(&answer).iter().all(|value| value.is_finite()),
                "{point:?} gave {answer:?}"
            );
            assert!(answer.actions.r >= 0.0 && answer.actions.z >= 0.0);
        }
    }
}

#[test]
fn refuses_what_it_cannot_answer() {
    assert!(StaeckelFudge::new(Logarithmic::new(220.0, 1.0, [1.0, 0.9, 0.7]).unwrap()).is_err());
    let finder = StaeckelFudge::new(Isochrone::new(3.334e11, 5.0).unwrap()).unwrap();
    assert!(
        finder
            .actions_of(&[PhaseSpace::new([8.0, 0.0, 0.0], [0.0, 600.0, 0.0])])
            .is_err()
    );
}
