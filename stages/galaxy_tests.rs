//! Bodies that work in a galaxy's potential: tori, and every method of actions.
#![allow(clippy::unwrap_used)]

use dynamics::units::wrap_difference;
use serde_json::json;

use crate::apply::estimate_actions::EstimateActions;
use crate::common::potentials::PotentialParameters;
use crate::judge::compare::Compare;
use crate::sample::integrate_orbits::IntegrateOrbits;
use crate::sample::map_tori::MapTori;
use crate::testing::{Ran, faults, planned, run, stage, stars};

fn disc_tori(more: serde_json::Value) -> Ran {
    let mut with = json!({ "potential": "piffl_14", "sample": "disc", "streams": 4, "stars": 3, "tolerance": 1e-5 });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run(&stage::<MapTori>(with), &[], &[]).completed()
}

#[test]
fn tori_of_the_disc_have_stars_with_their_actions() {
    let tori = disc_tori(json!({ "largest_error": 0.1 }));
    assert_eq!(tori.i64("stars", "stream"), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assert_eq!(tori.i64("tori", "stream"), [0, 1, 2, 3]);
    assert!(
        tori.f64("tori", "dispersion")
            .iter()
            .all(|&dispersion| dispersion <= 1e-3)
    );
    // A third of all J_phi lie inside 5 kpc.
    assert!(tori.metric("pericentre_too_small") > 0.0);
    let radius = tori.f64("stars", "x").into_iter().zip(tori.f64("stars", "y"));
    assert!(radius.map(|(x, y)| x.hypot(y)).all(|radius| radius > 4.9));

    // O2GF, which knows nothing of the torus, finds its actions, angles and frequencies. Where a mode n leaves H off by ΔH, it
    // leaves J off by n ΔH/(n·Ω), which is most for n = (1, −1): these discs have Ω_r ≈ Ω_z. Single points may be three times the
    // root mean square off, and the label twice what it says of itself.
    let o2gf = json!({ "method": { "o2gf": { "potential": "piffl_14", "target": 0.01 } } });
    let found = run(
        &stage::<EstimateActions>(o2gf),
        &[("stars", &tori.tables["stars"])],
        &[],
    )
    .completed();
    let (action_error, angle_error) = (found.f64("stars", "J_error"), found.f64("stars", "theta_error"));
    let known = (0..12).filter(|&star| action_error[star] < 0.2).count();
    assert!(known >= 9, "{action_error:?}");
    let of_torus = |name: &str, star: usize| tori.f64("tori", name)[star / 3];
    for star in 0..12 {
        let (r, z) = (of_torus("Omega_r", star), of_torus("Omega_z", star));
        let slowest = r.min(z).min((r - z).abs());
        let wander = 3.0 * of_torus("dispersion", star) * of_torus("energy", star).abs() / slowest;
        // Angles are off by ∂S_n/∂J, and S_n = H_n/(n·Ω) changes over the distance in J from where n·Ω vanishes, about J (n·Ω)/Ω;
        // at most 0.1 rad, which is what a torus' own check allows.
        let smallest = of_torus("J_r", star).min(of_torus("J_z", star));
        let off = |name: &str| found.f64("stars", name)[star] - tori.f64("stars", name)[star];
        for name in ["J_phi", "J_z", "J_r"] {
            let bound = wander + 2.0 * action_error[star] + 1e-3;
            assert!(
                off(name).abs() < bound,
                "{name} of {star}: {} beyond {bound}",
                off(name)
            );
        }
        for name in ["theta_phi", "theta_z", "theta_r"] {
            let off = wrap_difference(off(name));
            let bound = (wander * r / (slowest * smallest)).min(0.1) + 2.0 * angle_error[star] + 1e-3;
            assert!(off.abs() < bound, "{name} of {star}: {off} beyond {bound}");
        }
        for name in ["Omega_phi", "Omega_z", "Omega_r"] {
            assert!(off(name).abs() < 0.1, "{name} of {star}: {}", off(name));
        }
    }
}

#[test]
fn a_sample_of_tori_is_the_same_for_any_number_of_them_and_seeded() {
    let bytes = |more| disc_tori(more).bytes["stars"].clone();
    assert_eq!(bytes(json!({})), bytes(json!({})));
    assert_ne!(bytes(json!({})), bytes(json!({ "seed": 1 })));
    let (few, more) = (disc_tori(json!({})), disc_tori(json!({ "streams": 5 })));
    assert_eq!(few.f64("stars", "x"), more.f64("stars", "x")[..12]);
}

/// Stars of a short arc advance by Ω t from one phase, and differ in energy no more than those at random phases do.
#[test]
fn stars_of_an_arc_lie_on_one_stretch_of_their_orbit() {
    let duration = 0.05;
    let arcs = disc_tori(json!({ "duration": duration, "stars": 4 }));
    let streams = arcs.i64("stars", "stream");
    let t = |row: usize, name: &str| {
        let first = streams.iter().position(|stream| *stream == streams[row]).unwrap();
        let (angle, rate) = (
            arcs.f64("stars", &format!("theta_{name}")),
            arcs.f64("stars", &format!("Omega_{name}")),
        );
        wrap_difference(angle[row] - angle[first])
            / dynamics::units::Natural::from(dynamics::units::Gyr(1.0)).phase(rate[row])
    };
    for row in 0..streams.len() {
        // A fifth of a turn at most: no angle is wrapped past the half.
        let times = ["phi", "z", "r"].map(|name| t(row, name));
        assert!(
            times
                .iter()
                .all(|time| (time - times[0]).abs() < 1e-12 && time.abs() < duration),
            "{times:?}"
        );
    }
    assert_eq!(arcs.f64("tori", "J_r"), disc_tori(json!({})).f64("tori", "J_r"));
}

#[test]
fn tori_of_given_actions_keep_their_streams_and_name_failures() {
    let tori = disc_tori(json!({}));
    let with = json!({ "potential": "piffl_14", "sample": "actions", "stars": 2, "tolerance": 1e-5 });
    let again = run(&stage::<MapTori>(with), &[("actions", &tori.tables["stars"])], &[]).completed();
    assert_eq!(again.f64("tori", "J_r"), tori.f64("tori", "J_r"));
    assert_eq!(again.i64("stars", "stream"), [0, 0, 1, 1, 2, 2, 3, 3]);
    let strict = json!({ "potential": "piffl_14", "sample": "actions", "tolerance": 1e-15 });
    let none = run(&stage::<MapTori>(strict), &[("actions", &tori.tables["stars"])], &[]);
    assert!(matches!(none.result, Ok(runner::stage::Outcome::Finding { .. })));
}

#[test]
fn o2gf_knows_its_errors_and_serves_a_stream_with_one_label() {
    let sample = json!({
        "potential": "piffl_14", "sample": "test_orbits", "stars": 3, "duration": 0.6, "integrator": "dop853",
        "energy_tolerance": 1e-10
    });
    let orbits = run(&stage::<IntegrateOrbits>(sample), &[], &[]).completed();
    let label = |shared| {
        let with = json!({ "method": { "o2gf": { "potential": "piffl_14", "one_orbit_per_stream": shared } } });
        run(
            &stage::<EstimateActions>(with),
            &[("stars", &orbits.tables["stars"])],
            &[],
        )
        .completed()
    };
    let shared = label(true);
    assert_eq!(shared.texts("stars", "class")[0], "regular");
    let error = shared.f64("stars", "J_error");
    // The thin and the thick orbit by Sanders & Binney (2016), to their printed digits.
    for (row, true_r, true_z) in [(0, 29.38, 2.92), (3, 75.96, 29.25)] {
        assert!((shared.f64("stars", "J_r")[row] - true_r).abs() < 0.02 + error[row]);
        assert!((shared.f64("stars", "J_z")[row] - true_z).abs() < 0.02 + error[row]);
    }
    let single = label(false);
    for row in 0..6 {
        let difference = wrap_difference(shared.f64("stars", "theta_r")[row] - single.f64("stars", "theta_r")[row]);
        assert!(difference.abs() < 1e-3, "{row}: {difference}");
    }
}

#[test]
fn a_method_says_which_potentials_it_can_do() {
    let messages = |method| faults::<EstimateActions>(json!({ "method": method }));
    let lopsided = json!({ "logarithmic": { "velocity": 220, "core": 1, "axes": [1, 0.8, 0.7] } });
    // Which says what can do it.
    for method in ["staeckel_fudge", "torus", "o2gf", "finder"] {
        let told = messages(json!({ method: { "potential": lopsided } })).concat();
        let message = format!("{method} needs an axisymmetric potential, and this one is triaxial");
        assert!(
            told.contains(&message) && told.contains("`train_actions` learns actions"),
            "{told}"
        );
    }
    let told = messages(json!({ "spherical": { "potential": "piffl_14" } })).concat();
    assert!(
        told.contains("needs a spherical potential, and this one is axisymmetric"),
        "{told}"
    );
    assert!(told.contains("`o2gf` take an axisymmetric one"), "{told}");
    assert!(messages(json!({ "torus": { "potential": "piffl_14", "tolerance": 0 } }))[0].contains("between 0 and 1"));
    assert_eq!(faults::<MapTori>(json!({ "potential": lopsided })).len(), 2);
    let refused = json!({ "potential": "piffl_14", "disc": { "J_r": -1 } });
    assert!(serde_json::from_value::<MapTori>(refused).is_err());
}

#[test]
fn a_galaxy_of_ones_own_components_is_that_of_the_catalogue() {
    let own = json!({ "galaxy": {
        "discs": [
            { "surface_density": 5.707e8, "scale_length": 2.68, "scale_height": 0.2 },
            { "surface_density": 2.51e8, "scale_length": 2.68, "scale_height": 0.7 },
            { "surface_density": 9.45e7, "scale_length": 5.36, "scale_height": 0.04, "hole_radius": 4 }
        ],
        "spheroids": [
            { "density": 9.49e10, "axis_ratio": 0.5, "inner_slope": 0, "outer_slope": 1.8, "scale_radius": 0.075, "cutoff_radius": 2.1 },
            { "density": 1.816e7, "inner_slope": 1, "outer_slope": 3, "scale_radius": 14.4, "cutoff_radius": 1e5 }
        ]
    } });
    let own: PotentialParameters = serde_json::from_value(own).unwrap();
    assert_eq!(own.misfits("potential"), []);
    let at = [8.0, 1.0, 0.5];
    let ours = own.build().unwrap().acceleration(at);
    assert_eq!(ours, PotentialParameters::Piffl14.build().unwrap().acceleration(at));
    let flat = json!({ "galaxy": { "spheroids": [
        { "density": 1e8, "axis_ratio": 0, "inner_slope": 1, "outer_slope": 3, "scale_radius": 1 }
    ] } });
    let flat: PotentialParameters = serde_json::from_value(flat).unwrap();
    assert_eq!(flat.misfits("potential").len(), 1);
    let empty: PotentialParameters = serde_json::from_value(json!({ "galaxy": {} })).unwrap();
    assert_eq!(empty.misfits("potential").len(), 1);
}

#[test]
fn spread_along_streams_needs_no_truth() {
    // Two stars on each of two streams; L_z of the first stream is 1600 and 1608, of the second 1000 twice.
    let table = stars(
        &[
            [8.0, 0.0, 0.0, 0.0, 200.0, 10.0],
            [8.0, 0.0, 0.0, 0.0, 201.0, 10.0],
            [0.0, 5.0, 1.0, -200.0, 0.0, 0.0],
            [5.0, 0.0, 1.0, 0.0, 200.0, 0.0],
        ],
        2,
    );
    let isochrone = json!({ "method": { "isochrone": { "mass": 3.334e11, "scale": 5 } } });
    let found = run(&stage::<EstimateActions>(isochrone), &[("stars", &table)], &[]).completed();
    let published = json!({ "source": "somebody", "statistic": "root_mean_square", "J_phi": 8.0 });
    let with = |streams| json!({ "against": "stream_mean", "streams": streams, "published": published });
    let compared = |streams| {
        run(
            &stage::<Compare>(with(streams)),
            &[("predicted", &found.tables["stars"])],
            &[],
        )
    };
    let first = compared(json!([0])).completed();
    let row = |statistic: &str| {
        (0..first.tables["errors"].num_rows())
            .find(|&row| {
                first.texts("errors", "statistic")[row] == statistic && first.texts("errors", "component")[row] == "phi"
            })
            .unwrap()
    };
    // 1604 ± 4: mean absolute and root mean square alike.
    for statistic in ["mean_absolute", "root_mean_square"] {
        assert!((first.f64("errors", "value")[row(statistic)] - 4.0).abs() < 1e-9);
    }
    assert_eq!(first.texts("errors", "source")[row("root_mean_square")], "somebody");
    let both = compared(json!([])).completed();
    assert!((both.f64("errors", "value")[row("mean_absolute")] - 2.0).abs() < 1e-9);
    assert!(compared(json!([7])).error().contains("no stream 7"));
    let angles = stage::<Compare>(json!({ "against": "stream_mean", "paper": { "delta_theta": 1 } }));
    let planned = planned(&angles, &[("predicted", found.tables["stars"].schema())]);
    assert!(planned.unwrap_err().contains("only actions"));
}
