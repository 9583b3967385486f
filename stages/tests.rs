//! What holds for all kinds, and the bodies of the small ones.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use runner::stage::Outcome;
use serde_json::json;

use crate::apply::estimate_actions::EstimateActions;
use crate::apply::predict::Predict;
use crate::common::columns::{self, CARTESIAN, OBSERVABLES};
use crate::learn::train_actions::TrainActions;
use crate::observe::observe::Observe;
use crate::observe::split::Split;
use crate::sample::integrate_orbits::IntegrateOrbits;
use crate::testing::{faults, planned, reference, run, stage, stars};

fn isochrone() -> serde_json::Value {
    json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } })
}

fn orbits(more: serde_json::Value) -> IntegrateOrbits {
    let mut with = json!({ "potential": isochrone(), "streams": 12, "seed": 3 });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage(with)
}

#[test]
fn orbits_conserve_energy_and_actions() {
    let ran = run(&orbits(json!({})), &[], &[]).completed();
    assert_eq!(ran.i64("stars", "stream").len(), 96);
    assert!(ran.metric("largest_energy_error") <= 1e-7);
    let times = ran.f64("stars", "t");
    assert!(times.iter().all(|t| (0.0..0.1).contains(t)));
    assert!(
        times.chunks(8).all(<[f64]>::is_sorted),
        "stars are in the order of time"
    );
    let estimated = run(
        &stage::<EstimateActions>(json!({ "method": isochrone() })),
        &[("stars", &ran.tables["stars"])],
        &[],
    );
    let estimated = estimated.completed();
    for name in ["J_phi", "J_z", "J_r"] {
        for stream in estimated.f64("stars", name).chunks(8) {
            let (low, high) = stream
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), &j| (low.min(j), high.max(j)));
            // The leapfrog keeps energy to 1e-7 and J_r ~ GM/√(2|E|) with it; actions here are of order 1000.
            assert!(high - low < 1e-3 * high.abs().max(100.0), "{name}: {stream:?}");
        }
    }
    assert!(
        estimated.tables["stars"].column_by_name("t").is_some(),
        "other columns are kept"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_streams() {
    let bytes = |more| run(&orbits(more), &[], &[]).completed().bytes["stars"].clone();
    assert_eq!(bytes(json!({})), bytes(json!({})));
    assert_ne!(bytes(json!({})), bytes(json!({ "seed": 4 })));
    let (few, many) = (
        run(&orbits(json!({})), &[], &[]),
        run(&orbits(json!({ "streams": 20 })), &[], &[]),
    );
    assert_eq!(few.f64("stars", "x"), many.f64("stars", "x")[..96]);
}

#[test]
fn the_halo_sample_follows_its_parameters() {
    let with = json!({ "stars": 1, "times": "regular", "streams": 200, "halo": { "inner_radius": 10, "outer_radius": 11, "within": 15 } });
    let ran = run(&orbits(with), &[], &[]).completed();
    let [x, y, z] = ["x", "y", "z"].map(|name| ran.f64("stars", name));
    for row in 0..200 {
        let r = x[row].hypot(y[row]).hypot(z[row]);
        assert!((10.0..=11.0).contains(&r), "{r}");
    }
    // Nearly half of all speeds carry a star beyond 15 kpc.
    assert!(ran.metric("starts_redrawn") > 50.0);
    assert!(faults::<IntegrateOrbits>(json!({ "potential": isochrone() }))[0].starts_with("streams:"));
    let bad =
        json!({ "potential": isochrone(), "streams": 0, "stars": 0, "energy_tolerance": 2, "halo": { "within": 3 } });
    assert_eq!(faults::<IntegrateOrbits>(bad).len(), 4);
}

#[test]
fn orbits_start_from_a_table() {
    let starts = stars(
        &[[8.0, 0.0, 0.0, 0.0, 200.0, 10.0], [10.0, 0.0, 1.0, 20.0, 180.0, 0.0]],
        1,
    );
    let with = json!({ "potential": { "plummer": { "mass": 3e11, "scale": 5 } }, "sample": "starts", "stars": 3, "times": "regular" });
    let ran = run(&stage::<IntegrateOrbits>(with.clone()), &[("starts", &starts)], &[]).completed();
    assert_eq!(ran.i64("stars", "stream"), [0, 0, 0, 1, 1, 1]);
    assert_eq!((ran.f64("stars", "x")[0], ran.f64("stars", "t")[3]), (8.0, 0.0));
    let twice = stars(
        &[[8.0, 0.0, 0.0, 0.0, 200.0, 10.0], [10.0, 0.0, 1.0, 20.0, 180.0, 0.0]],
        2,
    );
    assert!(
        run(&stage::<IntegrateOrbits>(with), &[("starts", &twice)], &[])
            .error()
            .contains("more than one star")
    );
}

#[test]
fn actions_agree_with_the_reference() {
    let reference = tables::read(&reference("isochrone.parquet")).unwrap();
    let points: Vec<[f64; 6]> = (0..reference.num_rows())
        .map(|row| CARTESIAN.map(|column| tables::f64_column(&reference, column.name).unwrap()[row]))
        .collect();
    let ran = run(
        &stage::<EstimateActions>(json!({ "method": isochrone() })),
        &[("stars", &stars(&points, 1))],
        &[],
    );
    let ran = ran.completed();
    for name in ["J_phi", "J_z", "J_r"] {
        let truth = tables::f64_column(&reference, name).unwrap();
        let scale = truth.iter().fold(0.0, |scale: f64, j| scale.max(j.abs()));
        for (found, truth) in ran.f64("stars", name).iter().zip(truth) {
            // The kernel is tested to 1e-9 where it lives; here only that columns are not mixed up.
            assert!((found - truth).abs() < 1e-8 * scale, "{name}: {found} for {truth}");
        }
    }
}

#[test]
fn unbound_stars_are_named() {
    let points = [[8.0, 0.0, 0.0, 0.0, 200.0, 10.0], [8.0, 0.0, 0.0, 900.0, 0.0, 0.0]];
    let ran = run(
        &stage::<EstimateActions>(json!({ "method": isochrone(), "failures": "fail" })),
        &[("stars", &stars(&points, 2))],
        &[],
    );
    assert!(
        ran.error()
            .contains("1 of 2 stars have no result, first stream 0, star 1: unbound: energy "),
        "{}",
        ran.error()
    );
    let lenient = stage::<EstimateActions>(json!({ "method": isochrone() }));
    let ran = run(&lenient, &[("stars", &stars(&points, 2))], &[]).completed();
    assert_eq!(
        (ran.i64("stars", "star"), ran.i64("set_aside", "star")),
        (vec![0], vec![1])
    );
    assert_eq!(ran.metric("set_aside"), 1.0);
    assert!(ran.texts("set_aside", "reason")[0].starts_with("unbound"));
    let ran = run(&lenient, &[("stars", &stars(&points[1..], 1))], &[]);
    assert!(matches!(ran.result, Ok(Outcome::Finding { .. })));
}

fn some_stars() -> tables::RecordBatch {
    let points: Vec<[f64; 6]> = (0..400)
        .map(|n| {
            let phase = f64::from(n);
            [
                9.0 * phase.cos(),
                9.0 * phase.sin(),
                (0.3 * phase).sin(),
                30.0,
                200.0 * phase.cos(),
                -10.0,
            ]
        })
        .collect();
    stars(&points, 4)
}

#[test]
fn observation_goes_there_and_back() {
    let table = some_stars();
    let ran = run(&stage::<Observe>(json!({})), &[("stars", &table)], &[]).completed();
    let sun = dynamics::sky::Sun::default();
    let observed = OBSERVABLES.map(|column| ran.f64("stars", column.name));
    let x = ran.f64("stars", "x");
    for row in 0..table.num_rows() {
        let [distance, l, b, v_los, mu_l_cosb, mu_b] = observed.each_ref().map(|values| values[row]);
        let seen = dynamics::sky::Observables {
            distance,
            l,
            b,
            v_los,
            mu_l_cosb,
            mu_b,
        };
        // The round trip itself is tested to 1e-12 where it lives; here that no column is mistaken for another.
        assert!((sun.locate(&seen).x[0] - x[row]).abs() < 1e-10);
    }
}

#[test]
fn errors_of_observation_have_their_size_and_leave_the_rest() {
    let table = some_stars();
    let exact = run(&stage::<Observe>(json!({})), &[("stars", &table)], &[]).completed();
    let with = json!({ "errors": { "v_los": 2.0, "distance": 0.1 }, "seed": 5 });
    let noisy = run(&stage::<Observe>(with.clone()), &[("stars", &table)], &[]).completed();
    let rms = |values: Vec<f64>| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let difference = |name: &str, relative: bool| {
        let (exact, noisy) = (exact.f64("stars", name), noisy.f64("stars", name));
        rms(exact
            .iter()
            .zip(&noisy)
            .map(|(e, n)| (n - e) / if relative { *e } else { 1.0 })
            .collect())
    };
    // 400 deviates: their rms is known to 3.5 %; four times that.
    assert!((difference("v_los", false) / 2.0 - 1.0).abs() < 0.14);
    assert!((difference("distance", true) / 0.1 - 1.0).abs() < 0.14);
    assert_eq!(exact.f64("stars", "mu_b"), noisy.f64("stars", "mu_b"));
    // What follows from them follows from what was observed; the truth has a name of its own.
    let sun = dynamics::sky::Sun::default();
    let seen = OBSERVABLES.map(|column| noisy.f64("stars", column.name));
    let located = CARTESIAN.map(|column| noisy.f64("stars", column.name));
    for row in 0..table.num_rows() {
        let [distance, l, b, v_los, mu_l_cosb, mu_b] = seen.each_ref().map(|values| values[row]);
        let point = sun.locate(&dynamics::sky::Observables {
            distance,
            l,
            b,
            v_los,
            mu_l_cosb,
            mu_b,
        });
        let again = [point.x, point.v].concat();
        assert!(
            located.iter().zip(again).all(|(values, value)| values[row] == value),
            "row {row}"
        );
    }
    for column in CARTESIAN {
        let truth = noisy.f64("stars", &format!("{}_true", column.name));
        assert_eq!(truth, exact.f64("stars", column.name));
        assert_ne!(truth, noisy.f64("stars", column.name));
    }
    let names = |ran: &crate::testing::Ran| {
        ran.tables["stars"]
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect::<Vec<_>>()
    };
    assert!(
        !names(&exact).iter().any(|name| name.ends_with("_true")),
        "{:?}",
        names(&exact)
    );
    // Observed again, with errors again: the truth stays the truth.
    let again = run(
        &stage::<Observe>(json!({ "errors": { "b": 1.0 } })),
        &[("stars", &noisy.tables["stars"])],
        &[],
    )
    .completed();
    assert_eq!(again.f64("stars", "z_true"), exact.f64("stars", "z"));
    assert_eq!(
        run(&stage::<Observe>(with), &[("stars", &table)], &[]).bytes,
        noisy.bytes
    );
    for refused in [json!({ "errors": { "l": -1 } }), json!({ "sun": { "r0": 0 } })] {
        assert!(serde_json::from_value::<Observe>(refused).is_err());
    }
}

#[test]
fn errors_over_a_pole_come_down_the_other_side() {
    let table = some_stars();
    let ran = run(
        &stage::<Observe>(json!({ "errors": { "b": 45.0 } })),
        &[("stars", &table)],
        &[],
    )
    .completed();
    let latitudes = ran.f64("stars", "b");
    assert!(latitudes.iter().all(|b| b.abs() <= 90.0), "{latitudes:?}");
}

#[test]
fn with_errors_nothing_is_written_that_does_not_follow_from_what_was_observed() {
    let names = |missing: &[&str]| {
        let with = json!({ "errors": { "v_los": 1.0 }, "missing": missing });
        let ran = run(&stage::<Observe>(with), &[("stars", &some_stars())], &[]).completed();
        let schema = ran.tables["stars"].schema();
        ["x", "z", "vx", "vz", "x_true", "vz_true"].map(|name| schema.column_with_name(name).is_some())
    };
    assert_eq!(names(&[]), [true; 6]);
    assert_eq!(names(&["v_los"]), [true, true, false, false, true, true]);
    assert_eq!(names(&["mu_b", "v_los"]), [true, true, false, false, true, true]);
    assert_eq!(names(&["distance"]), [false, false, false, false, true, true]);
}

#[test]
fn missing_observables_are_left_out() {
    let ran = run(
        &stage::<Observe>(json!({ "missing": ["v_los", "mu_l_cosb"] })),
        &[("stars", &some_stars())],
        &[],
    );
    let ran = ran.completed();
    let schema = ran.tables["stars"].schema();
    let there: Vec<bool> = OBSERVABLES
        .iter()
        .map(|c| schema.column_with_name(c.name).is_some())
        .collect();
    assert_eq!(there, [true, true, true, false, false, true]);
}

#[test]
fn split_keeps_streams_whole_and_loses_none() {
    let table = some_stars();
    let ran = run(
        &stage::<Split>(json!({ "train": 0.3, "seed": 1 })),
        &[("stars", &table)],
        &[],
    )
    .completed();
    let streams = |port: &str| ran.i64(port, "stream").into_iter().collect::<BTreeSet<i64>>();
    assert_eq!((streams("train").len(), streams("test").len()), (30, 70));
    assert!(streams("train").is_disjoint(&streams("test")));
    assert_eq!(
        (ran.i64("train", "star").len(), ran.i64("test", "star").len()),
        (120, 280)
    );
    assert_eq!(ran.tables["train"].schema(), table.schema());
    let other = run(
        &stage::<Split>(json!({ "train": 0.3, "seed": 2 })),
        &[("stars", &table)],
        &[],
    )
    .completed();
    assert_ne!(ran.bytes, other.bytes);
}

#[test]
fn smaller_training_sets_are_nested_and_share_the_test_set() {
    let table = some_stars();
    let split = |train: u32| {
        let with = json!({ "train_streams": train, "test_streams": 20, "seed": 1 });
        run(&stage::<Split>(with), &[("stars", &table)], &[]).completed()
    };
    let (large, small) = (split(64), split(16));
    assert_eq!(large.bytes["test"], small.bytes["test"]);
    let streams = |ran: &crate::testing::Ran| ran.i64("train", "stream").into_iter().collect::<BTreeSet<i64>>();
    assert!(streams(&small).is_subset(&streams(&large)));
    let ran = run(
        &stage::<Split>(json!({ "train_streams": 99, "test_streams": 2 })),
        &[("stars", &table)],
        &[],
    );
    assert!(
        ran.error().contains("100 streams cannot be split into 99"),
        "{}",
        ran.error()
    );
    assert_eq!(faults::<Split>(json!({ "train": 1.5, "train_streams": 0 })).len(), 3);
}

#[test]
fn a_set_for_validation_takes_nothing_from_the_others() {
    let table = some_stars();
    let split = |with: serde_json::Value| run(&stage::<Split>(with), &[("stars", &table)], &[]);
    let streams =
        |ran: &crate::testing::Ran, port: &str| -> BTreeSet<i64> { ran.i64(port, "stream").into_iter().collect() };
    let two = split(json!({ "train_streams": 50, "test_streams": 20, "seed": 1 })).completed();
    let three =
        split(json!({ "train_streams": 50, "validation_streams": 10, "test_streams": 20, "seed": 1 })).completed();
    assert_eq!(
        (&two.bytes["train"], &two.bytes["test"]),
        (&three.bytes["train"], &three.bytes["test"])
    );
    assert!(!two.tables.contains_key("validation"));
    let validation = streams(&three, "validation");
    assert_eq!(validation.len(), 10);
    assert!(validation.is_disjoint(&streams(&three, "train")) && validation.is_disjoint(&streams(&three, "test")));
    // A larger training set leaves it as it is.
    let more =
        split(json!({ "train_streams": 70, "validation_streams": 10, "test_streams": 20, "seed": 1 })).completed();
    assert_eq!(streams(&more, "validation"), validation);
    let parts = split(json!({ "train": 0.5, "validation": 0.2 })).completed();
    assert_eq!(
        ["train", "validation", "test"].map(|port| streams(&parts, port).len()),
        [50, 20, 30]
    );
    let error = split(json!({ "train_streams": 80, "validation_streams": 10, "test_streams": 20 })).error();
    assert!(
        error.contains("80 for training, 10 for validation and 20 for the test"),
        "{error}"
    );
    assert_eq!(
        faults::<Split>(json!({ "validation": 0.0, "validation_streams": 0 })).len(),
        3
    );
}

#[test]
fn networks_parameters_have_ranges() {
    let bad = json!({
        "network": { "paper": { "dropout": 1.0, "width": 0, "depth": 0 } },
        "training": { "epochs": 0, "batch": 0, "learning_rate": -1.0 },
    });
    assert_eq!(faults::<TrainActions>(bad).len(), 6);
    let solved = json!({ "network": { "fourier": {} }, "training": { "epochs": 2 } });
    assert_eq!(faults::<TrainActions>(solved).len(), 1);
    assert_eq!(faults::<TrainActions>(json!({})), [] as [String; 0]);
    let negative =
        serde_json::from_value::<TrainActions>(json!({ "toy": { "fixed": { "mass": -2.0, "scale": 1.0 } } }));
    assert_eq!(
        negative.unwrap_err().to_string(),
        "a mass must be positive (M_sun), not -2"
    );
    let bare = Arc::new(columns::stars(&[&CARTESIAN[..3]]));
    assert!(planned(&stage::<Predict>(json!({})), &[("stars", bare)]).is_err());
}

/// Every potential of the law suite has a name in YAML, and the other way round; every name makes a potential.
#[test]
fn every_potential_can_be_named() {
    use crate::common::potentials::PotentialParameters;
    // One of its own with each name, beside the entries of the catalogue of that name.
    let named = [
        ("kepler", json!({ "kepler": { "mass": 1e11 } })),
        ("isochrone", isochrone()),
        ("plummer", json!({ "plummer": { "mass": 1e10, "scale": 0.5 } })),
        ("nfw", json!({ "nfw": { "mass": 1e12, "scale": 20 } })),
        (
            "miyamoto_nagai",
            json!({ "miyamoto_nagai": { "mass": 6.8e10, "radius": 3, "height": 0.28 } }),
        ),
        (
            "logarithmic",
            json!({ "logarithmic": { "velocity": 220, "core": 2, "axes": [1, 0.9, 0.7] } }),
        ),
        ("dehnen_binney_98_1", json!("dehnen_binney_98_1")),
        ("piffl_14", json!("piffl_14")),
        ("mw_potential_2014", json!("mw_potential_2014")),
        ("mcmillan_17", json!("mcmillan_17")),
        ("milky_way_potential_2017", json!("milky_way_potential_2017")),
        ("milky_way_potential_2022", json!("milky_way_potential_2022")),
        ("law_majewski_10", json!("law_majewski_10")),
        ("irrgang_13_1", json!("irrgang_13_1")),
        ("irrgang_13_2", json!("irrgang_13_2")),
        ("irrgang_13_3", json!("irrgang_13_3")),
        ("hernquist", json!({ "hernquist": { "mass": 5e9, "scale": 1 } })),
        (
            "dehnen",
            json!({ "dehnen": { "mass": 5e9, "scale": 1, "inner_slope": 1.5 } }),
        ),
        (
            "power_law_cutoff",
            json!({ "power_law_cutoff": { "mass": 5e9, "slope": 1.8, "cutoff_radius": 1.9 } }),
        ),
        (
            "truncated_flat",
            json!({ "truncated_flat": { "mass": 1e12, "scale": 200 } }),
        ),
        (
            "turned",
            json!({ "turned": { "angle": 30, "potential": { "logarithmic": { "velocity": 220, "core": 2, "axes": [1, 0.9, 0.7] } } } }),
        ),
        (
            "galaxy",
            json!({ "galaxy": { "discs": [{ "surface_density": 1e9, "scale_length": 2.5, "scale_height": 0.3 }] } }),
        ),
        (
            "composite",
            json!({ "composite": [isochrone(), { "plummer": { "mass": 1e10, "scale": 0.5 } }] }),
        ),
    ];
    for (name, named) in &named {
        let potential: PotentialParameters = serde_json::from_value(named.clone()).unwrap();
        assert_eq!(potential.misfits("potential"), [], "{name}");
        assert!(
            potential.build().unwrap().acceleration([8.0, 0.0, 0.1])[0] < 0.0,
            "{named} pulls inwards"
        );
    }
    let schema = schemars::schema_for!(PotentialParameters).to_value();
    let choices = schema["oneOf"].as_array().unwrap().iter();
    let names = choices.map(|choice| match choice["const"].as_str() {
        Some(name) => name.to_owned(),
        None => choice["required"][0].as_str().unwrap().to_owned(),
    });
    // A file's potential is one of the others.
    let names: BTreeSet<String> = names.filter(|name| name != "agama").collect();
    assert_eq!(names, named.iter().map(|(name, _)| (*name).to_owned()).collect());
    // A type or model of the law suite for every name; Hernquist's sphere is Dehnen's.
    let entries: Vec<&str> = dynamics::potential::catalogue()
        .into_iter()
        .map(|(entry, _)| entry)
        .collect();
    for name in &names {
        let is_tried = entries
            .iter()
            .any(|entry| entry.starts_with(name.as_str()) || entry.ends_with(name.as_str()));
        assert!(is_tried, "{name} is in no law suite: {entries:?}");
    }
    // What fields are learned as, and their table; nobody writes coefficients down.
    let unnamed = ["expansion", "tabulated"];
    for (entry, _) in dynamics::potential::catalogue() {
        let is_named = names.iter().any(|name| entry.starts_with(name.as_str()));
        assert!(is_named || unnamed.contains(&entry), "{entry} has no name in YAML");
    }
    let flat = json!({ "logarithmic": { "velocity": 220, "core": 2, "axes": [1, 0, 1] } });
    let flat: PotentialParameters = serde_json::from_value(flat).unwrap();
    assert_eq!(flat.misfits("potential").len(), 1);
}

/// What a plan knows of numbers of streams and stars, it holds against what is asked for.
#[test]
fn counts_are_known_before_anything_runs() {
    use runner::ports::{Counts, Most};
    use runner::stage::Stage;

    use crate::observe::select_orbits::SelectOrbits;

    let of = |streams, stars| {
        let most = Most {
            streams: Some(streams),
            stars: Some(stars),
        };
        Counts::of("stars", most)
    };
    let orbits = orbits(json!({ "stars": 40 })).counts(&Counts::default()).unwrap();
    assert_eq!(orbits, of(12, 40));
    let split = |more| stage::<Split>(more).counts(&of(12, 40));
    let parts = split(json!({ "train_streams": 8, "test_streams": 4 })).unwrap();
    assert_eq!(
        (parts.at("train").streams, parts.at("test").streams),
        (Some(8), Some(4))
    );
    let faults = split(json!({ "train_streams": 8, "test_streams": 5 })).unwrap_err();
    assert_eq!(faults[0].at, ["train_streams"]);
    assert!(
        split(json!({ "train_streams": 12 })).is_err(),
        "none are left for the test"
    );
    assert!(split(json!({ "train": 0.5 })).is_ok());
    let unknown = Counts::default();
    assert!(stage::<Split>(json!({ "train_streams": 8 })).counts(&unknown).is_ok());
    let select = |stars| stage::<SelectOrbits>(json!({ "stars": 8 })).counts(&of(12, stars));
    assert!(select(8).is_err() && select(2000).is_ok());
}

/// An error of many degrees would put stars anywhere.
#[test]
fn errors_on_the_sky_have_a_limit() {
    assert_eq!(faults::<Observe>(json!({ "errors": { "b": 500 } })).len(), 1);
    assert_eq!(faults::<Observe>(json!({ "errors": { "l": 90, "b": 1 } })).len(), 1);
}
