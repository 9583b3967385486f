//! Errors of measurement, from the table to the actions.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use dynamics::phase_space::PhaseSpace;
use dynamics::sky::{Observables, Sun};
use dynamics::units::{wrap_angle, wrap_difference};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use runner::arrow_schema::Schema;
use runner::stage::Stage;
use serde_json::json;
use tables::{RecordBatch, Values};

use crate::apply::estimate_actions::EstimateActions;
use crate::common::columns::{ACTIONS, ANGLES, FREQUENCIES, OBSERVABLES, identity};
use crate::common::measured::{CORRELATIONS, ERRORS, PARALLAX};
use crate::common::sun::{SunParameters, seen_from};
use crate::observe::observe::Observe;
use crate::sample::import_streams::ImportStreams;
use crate::testing::{Ran, faults, planned, run, stage, stars};

/// A star as it is, and as Gaia might measure it: ℓ cos b, b, ϖ, μ_ℓ cos b and μ_b with one correlation each pair, and v_los.
#[derive(Clone)]
struct Star {
    truth: PhaseSpace,
    seen: Observables,
    parallax: f64,
    errors: [f64; 6],
    correlations: [f64; 10],
}

/// Stars around the Sun, half of a disc and half of a halo, with errors that grow as stars get fainter, as those of Gaia DR3 do: parallaxes to 0.02
/// mas and velocities to 0.5 km/s where they are bright, 0.1 mas and 8 km/s at G = 18.
fn population(count: usize, circular_speed: f64, seed: u64) -> Vec<Star> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let sun = Sun::default();
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let mut normal = || random.sample::<f64, _>(StandardNormal);
        let direction = [normal(), normal(), normal()];
        let length = direction.iter().map(|c| c * c).sum::<f64>().sqrt();
        let is_halo = found.len() % 2 == 0;
        let motion = [normal(), normal(), normal()];
        let (common, own) = (normal(), [0; 5].map(|_| normal()));
        let of_velocity = normal();
        let distance = random.random_range(0.3..4.0);
        let flat = if is_halo { 1.0 } else { 0.2 };
        let offset = [0, 1, 2].map(|i| distance * direction[i] / length * if i == 2 { flat } else { 1.0 });
        let x = [0, 1, 2].map(|i| sun.position()[i] + offset[i]);
        let radius = x[0].hypot(x[1]);
        let v = if is_halo {
            motion.map(|m| 120.0 * m)
        } else {
            let (v_r, v_phi) = (35.0 * motion[0], circular_speed - 10.0 + 25.0 * motion[1]);
            // The galaxy turns clockwise.
            let (cos, sin) = (x[0] / radius, x[1] / radius);
            [v_r * cos + v_phi * sin, v_r * sin - v_phi * cos, 18.0 * motion[2]]
        };
        let truth = PhaseSpace::new(x, v);
        let seen = sun.observe(&truth).unwrap();
        let magnitude = random.random_range(-1.0..5.0) + 5.0 * (100.0 * seen.distance).log10();
        let faint = 10.0_f64.powf(0.2 * (magnitude - 14.5)).max(1.0);
        let of_parallax = 0.02 * faint;
        let degrees = of_parallax / 3.6e6;
        let v_los_error = (0.5 * faint * faint).min(8.0);
        let errors = [
            0.8 * degrees,
            0.7 * degrees,
            of_parallax,
            1.1 * of_parallax,
            0.9 * of_parallax,
            v_los_error,
        ];
        // A common part in all five makes each pair's correlation the product of its two weights.
        let weights: [f64; 5] = [0.3, -0.5, 0.6, 0.4, -0.4];
        let deviate = |i: usize| weights[i] * common + (1.0 - weights[i] * weights[i]).sqrt() * own[i];
        let off = [0, 1, 2, 3, 4].map(|i| errors[i] * deviate(i));
        let mut correlations = Vec::new();
        for i in 0..5 {
            correlations.extend((i + 1..5).map(|j| weights[i] * weights[j]));
        }
        let parallax = 1.0 / seen.distance + off[2];
        found.push(Star {
            truth,
            parallax,
            seen: Observables {
                distance: 1.0 / parallax,
                l: (seen.l + off[0] / seen.b.to_radians().cos()).rem_euclid(360.0),
                b: seen.b + off[1],
                v_los: seen.v_los + v_los_error * of_velocity,
                mu_l_cosb: seen.mu_l_cosb + off[3],
                mu_b: seen.mu_b + off[4],
            },
            errors,
            correlations: correlations.try_into().unwrap(),
        });
    }
    found
}

/// The table of what was measured; stars without `v_los` where `is_seen` says so.
fn measured(stars: &[Star], has_v_los: impl Fn(usize) -> bool) -> RecordBatch {
    let sun = SunParameters::default();
    let errors = [ERRORS[3], ERRORS[4], ERRORS[1], ERRORS[5], ERRORS[6], ERRORS[7]];
    let columns = OBSERVABLES
        .iter()
        .chain([&PARALLAX])
        .chain(&errors)
        .chain(&CORRELATIONS);
    let fields = columns.map(|column| seen_from(&sun, column).with_nullable(column.name == "v_los"));
    let schema = Schema::new(identity().into_iter().chain(fields).collect::<Vec<_>>());
    let numbers: Vec<i64> = (0..stars.len() as i64).collect();
    let of = |value: &dyn Fn(&Star) -> f64| -> Values { stars.iter().map(value).collect::<Vec<f64>>().into() };
    let v_los = stars
        .iter()
        .enumerate()
        .map(|(row, star)| Some(star.seen.v_los).filter(|_| has_v_los(row)));
    let mut table = vec![
        ("stream", numbers.into()),
        ("star", vec![0_i64; stars.len()].into()),
        ("distance", of(&|star| star.seen.distance)),
        ("l", of(&|star| star.seen.l)),
        ("b", of(&|star| star.seen.b)),
        ("v_los", v_los.collect::<Vec<_>>().into()),
        ("mu_l_cosb", of(&|star| star.seen.mu_l_cosb)),
        ("mu_b", of(&|star| star.seen.mu_b)),
        ("parallax", of(&|star| star.parallax)),
    ];
    for (place, column) in errors.iter().enumerate() {
        table.push((column.name, of(&|star| star.errors[place])));
    }
    for (place, column) in CORRELATIONS.iter().enumerate() {
        table.push((column.name, of(&|star| star.correlations[place])));
    }
    tables::build(&Arc::new(schema), table).unwrap()
}

fn truths(population: &[Star], method: &serde_json::Value) -> Ran {
    let points: Vec<[f64; 6]> = population
        .iter()
        .map(|star| [star.truth.x, star.truth.v].concat().try_into().unwrap())
        .collect();
    let exact = stage::<EstimateActions>(json!({ "method": method }));
    run(&exact, &[("stars", &stars(&points, 1))], &[]).completed()
}

/// For actions, angles and frequencies: the parts of stars whose truth is in the intervals of 68.27 and 95 %; and within one standard deviation
/// of the estimate and 1.96.
fn coverage(population: &[Star], method: &serde_json::Value) -> Vec<(&'static str, [f64; 4])> {
    let truth = truths(population, method);
    let with = stage::<EstimateActions>(json!({ "method": method, "errors": { "intervals": "all", "seed": 3 } }));
    let found = run(&with, &[("stars", &measured(population, |_| true))], &[]).completed();
    let place: HashMap<i64, usize> = truth.i64("stars", "stream").into_iter().zip(0..).collect();
    let both = found.i64("stars", "stream").into_iter().enumerate();
    let rows: Vec<(usize, usize)> = both
        .filter_map(|(row, stream)| Some((row, *place.get(&stream)?)))
        .collect();
    assert!(
        rows.len() as f64 > 0.97 * population.len() as f64,
        "{} have results",
        rows.len()
    );
    let part = |holds: &dyn Fn(usize, usize) -> bool| {
        rows.iter().filter(|&&(row, of_truth)| holds(row, of_truth)).count() as f64 / rows.len() as f64
    };
    let columns = ACTIONS.iter().chain(&ANGLES).chain(&FREQUENCIES);
    let measure = |name: &'static str| {
        let (exact, estimate) = (truth.f64("stars", name), found.f64("stars", name));
        let of = |ending: &str| found.f64("stars", &format!("{name}_{ending}"));
        let (deviation, bounds) = (of("sd"), ["low_68", "high_68", "low_95", "high_95"].map(of));
        let is_angle = name.starts_with("theta");
        let away = |value: f64, from: f64| {
            if is_angle {
                wrap_difference(value - from)
            } else {
                value - from
            }
        };
        let inside = |bound: usize| {
            part(&|row, of_truth| {
                // Around the circle the interval is the one that has the estimate in it, or nearly.
                let [low, high] = [bounds[bound][row], bounds[bound + 1][row]];
                let middle = if is_angle {
                    low + 0.5 * wrap_angle(high - low)
                } else {
                    0.5 * (low + high)
                };
                let half = if is_angle {
                    0.5 * wrap_angle(high - low)
                } else {
                    0.5 * (high - low)
                };
                away(exact[of_truth], middle).abs() <= half
            })
        };
        let within =
            |most: f64| part(&|row, of_truth| away(estimate[row], exact[of_truth]).abs() < most * deviation[row]);
        (name, [inside(0), inside(2), within(1.0), within(1.96)])
    };
    columns.map(|column| measure(column.name)).collect()
}

/// The intervals hold the truth as often as they say: of 2000 stars to 3 % at 68 and 2 % at 95 %, where chance makes 1 and 0.5. Of standard deviations
/// that is not asked: where parallaxes are known badly draws are skew, and 68 to 72 % of the truths lie within one, 93 to 95 % within 1.96.
#[test]
fn truths_lie_within_the_errors_as_often_as_they_say() {
    let isochrone = json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } });
    let fudge = json!({ "staeckel_fudge": { "potential": "piffl_14" } });
    for (method, circular_speed, seed) in [(isochrone, 235.0, 1), (fudge, 240.0, 2)] {
        let population = population(2000, circular_speed, seed);
        let covered = coverage(&population, &method);
        println!("{method}: {covered:.3?}");
        for (name, [inside_68, inside_95, ..]) in covered {
            let near = |part: f64, expected: f64, most: f64| (part - expected).abs() < most;
            assert!(near(inside_68, 0.683, 0.03), "{method}: {name} {inside_68:.3} of 0.683");
            assert!(near(inside_95, 0.95, 0.02), "{method}: {name} {inside_95:.3} of 0.95");
        }
    }
}

/// A file as Gaia writes it, without a mapping: errors and correlations come through to the actions.
#[test]
fn a_gaia_table_gives_actions_with_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaia.csv");
    let header = "source_id,ra,ra_error,dec,dec_error,parallax,parallax_error,pmra,pmra_error,pmdec,pmdec_error,ra_dec_corr,ra_parallax_corr,\
                  ra_pmra_corr,ra_pmdec_corr,dec_parallax_corr,dec_pmra_corr,dec_pmdec_corr,parallax_pmra_corr,parallax_pmdec_corr,\
                  pmra_pmdec_corr,radial_velocity,radial_velocity_error,l,b\n";
    let rows = "4611686018427387905,200.0,0.02,-35.0,0.03,0.8,0.04,-20.0,0.05,-12.0,0.03,0.1,-0.2,0.3,-0.1,0.2,0.1,0.4,-0.5,0.3,0.6,35.0,1.5,0,0\n\
                4611686018427387906,201.0,0.02,-34.0,0.03,0.5,0.04,-5.0,0.05,-4.0,,,,,,,,,,,,,,0,0\n\
                4611686018427387907,201.0,0.02,-34.0,0.03,-0.03,0.04,-5.0,0.05,-4.0,0.03,,,,,,,,,,,10.0,1.0,0,0\n";
    std::fs::write(&path, format!("{header}{rows}")).unwrap();
    let import = |with: serde_json::Value| {
        let import: ImportStreams = stage(with);
        let settled = Stage::settled(&import, &|path| path.to_owned()).unwrap().unwrap();
        assert_eq!(settled.check(), []);
        run(&settled, &[], &[("path", path.clone())])
    };
    let with = json!({ "path": path, "parallax_zero_point": -0.02, "missing_v_los": "keep" });
    let imported = import(with).completed();
    assert_eq!(
        imported.i64("stars", "stream"),
        [4_611_686_018_427_387_905, 4_611_686_018_427_387_906]
    );
    assert!((imported.f64("stars", "parallax")[0] - 0.82).abs() < 1e-15);
    assert!((imported.f64("stars", "distance")[0] - 1.0 / 0.82).abs() < 1e-15);
    assert_eq!(imported.texts("set_aside_rows", "column"), ["parallax"]);
    let column = |name: &str| {
        tables::optional_f64_column(&imported.tables["stars"], name)
            .unwrap()
            .unwrap()
    };
    // A turn leaves the trace of the proper motions' covariance, and its determinant.
    let [a, b, c] = ["mu_l_cosb_error", "mu_b_error", "mu_l_cosb_mu_b_corr"].map(|name| column(name)[0].unwrap());
    assert!((a * a + b * b - 0.05 * 0.05 - 0.03 * 0.03).abs() < 1e-15);
    assert!((a * b * (1.0 - c * c).sqrt() - 0.05 * 0.03 * 0.8).abs() < 1e-15);
    assert_eq!(column("mu_b_error")[1], None);
    assert_eq!(column("v_los"), [Some(35.0), None]);
    assert_eq!(column("v_los_error"), [Some(1.5), None]);

    // The second star lacks v_los: without a prior it is set aside, with one it has the actions that all its velocities allow.
    let method = json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } });
    let table = &imported.tables["stars"];
    let strict = stage::<EstimateActions>(json!({ "method": method, "errors": { "correlations": "all" } }));
    let ran = run(&strict, &[("stars", table)], &[]).completed();
    assert_eq!(ran.i64("stars", "stream"), [4_611_686_018_427_387_905]);
    assert_eq!(
        ran.texts("set_aside", "reason"),
        ["it has no v_los, and no prior says what it may be"]
    );
    assert!(ran.f64("stars", "J_phi_sd")[0] > 1.0 && ran.f64("stars", "set_aside_draws") == [0.0]);
    assert!(ran.tables["stars"].column_by_name("theta_z_Omega_r_corr").is_some());
    let with = json!({ "method": method, "errors": { "v_los_dispersion": 150, "samples": 200 } });
    let ran = run(&stage::<EstimateActions>(with), &[("stars", table)], &[]).completed();
    assert_eq!(ran.i64("stars", "stream").len(), 2);
    let spread = ran.f64("stars", "J_r_sd");
    assert!(spread[1] > 5.0 * spread[0], "{spread:?}");
    assert!(ran.notes().contains("1 of 2 stars lack the error"), "{}", ran.notes());
}

/// A star without an error has no standard deviation that says it is known exactly, and one that lacks some says so.
#[test]
fn a_star_without_errors_is_not_known_exactly() {
    let measured = measured(&population(4, 235.0, 8), |_| true);
    let schema = measured.schema();
    let without = |names: &[(&str, usize)]| {
        let columns: Vec<arrow::array::ArrayRef> = (0..measured.num_columns())
            .map(|at| {
                let name = schema.field(at).name().clone();
                if !name.ends_with("_error") {
                    return measured.column(at).clone();
                }
                let values = tables::f64_column(&measured, &name).unwrap().iter().enumerate();
                let lacks = |row: usize| {
                    names
                        .iter()
                        .any(|(lacking, of)| *of == row && (lacking.is_empty() || *lacking == name))
                };
                let values: arrow::array::Float64Array = values
                    .map(|(row, value)| Some(*value).filter(|_| !lacks(row)))
                    .collect();
                Arc::new(values) as arrow::array::ArrayRef
            })
            .collect();
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let table = without(&[("", 1), ("parallax_error", 2), ("l_error", 3)]);
    let with = json!({ "method": { "isochrone": { "mass": 3.334e11, "scale": 5.0 } }, "errors": {} });
    let ran = run(&stage::<EstimateActions>(with), &[("stars", &table)], &[]).completed();
    let found = &ran.tables["stars"];
    for name in ["J_r_sd", "J_phi_low_68", "J_phi_high_95", "J_z_J_r_corr"] {
        let values = tables::optional_f64_column(found, name).unwrap().unwrap();
        let known: Vec<bool> = values.iter().map(Option::is_some).collect();
        assert_eq!(known, [true, false, true, true], "{name}");
    }
    let known = found.column_by_name("errors_known").unwrap();
    let known: &arrow::array::BooleanArray = known.as_any().downcast_ref().unwrap();
    assert_eq!(known.iter().flatten().collect::<Vec<_>>(), [true, false, false, true]);
    let notes = ran.notes();
    assert!(
        notes.contains("1 of 4 stars lack the error") && notes.contains("first 2:0"),
        "{notes}"
    );
    assert!(
        notes.contains("1 of 4 stars have no errors") && notes.contains("first 1:0"),
        "{notes}"
    );
}

/// The estimate is that of the star as it was measured; draws belong to a star, whatever else is in the table, and to a seed.
#[test]
fn draws_of_a_star_are_its_own() {
    let population = population(40, 235.0, 5);
    let method = json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } });
    let with = |seed: u32| json!({ "method": method, "errors": { "seed": seed } });
    let table = measured(&population, |_| true);
    let all = run(&stage::<EstimateActions>(with(1)), &[("stars", &table)], &[]).completed();
    let again = run(&stage::<EstimateActions>(with(1)), &[("stars", &table)], &[]).completed();
    assert_eq!(all.bytes["stars"], again.bytes["stars"]);
    let other = run(&stage::<EstimateActions>(with(2)), &[("stars", &table)], &[]).completed();
    assert_ne!(all.f64("stars", "J_r_sd"), other.f64("stars", "J_r_sd"));
    assert_eq!(all.f64("stars", "J_r"), other.f64("stars", "J_r"));
    let some = run(
        &stage::<EstimateActions>(with(1)),
        &[("stars", &table.slice(30, 10))],
        &[],
    )
    .completed();
    for name in ["J_r_sd", "theta_r_sd", "Omega_z_sd"] {
        let of_all = all.f64("stars", name);
        assert_eq!(some.f64("stars", name), of_all[of_all.len() - 10..], "{name}");
    }

    // Without errors the table says so before anything runs; single stars cannot be one orbit.
    let bare = stars(&[[8.0, 0.0, 0.0, 0.0, 200.0, 10.0]], 1);
    let seen = run(&Observe::default(), &[("stars", &bare)], &[]).completed();
    let reason = planned(
        &stage::<EstimateActions>(with(1)),
        &[("stars", seen.tables["stars"].schema())],
    )
    .unwrap_err();
    assert!(reason.starts_with("stars: has no errors"), "{reason}");
    let orbit =
        json!({ "method": { "o2gf": { "potential": "piffl_14", "one_orbit_per_stream": true } }, "errors": {} });
    assert!(faults::<EstimateActions>(orbit)[0].starts_with("errors: are of single stars"));
}

/// One star that no draw can hold does not stop the others.
#[test]
fn a_bad_star_is_set_aside_alone() {
    let mut population = population(12, 235.0, 6);
    population[3].seen.v_los = 5000.0;
    population[5].correlations = [0.9, 0.9, 0.0, 0.0, -0.9, 0.0, 0.0, 0.0, 0.0, 0.0];
    let with = json!({ "method": { "isochrone": { "mass": 3.334e11, "scale": 5.0 } }, "errors": {} });
    let ran = run(
        &stage::<EstimateActions>(with),
        &[("stars", &measured(&population, |_| true))],
        &[],
    )
    .completed();
    let (lost, reasons) = (ran.i64("set_aside", "stream"), ran.texts("set_aside", "reason"));
    let why = |stream: i64| reasons[lost.iter().position(|&lost| lost == stream).unwrap()];
    assert!(why(3).starts_with("unbound"), "{}", why(3));
    assert_eq!(why(5), "its correlations contradict each other");
    assert!(ran.i64("stars", "stream").len() >= 8);
}

/// Observed stars say with what errors they were, and these are the errors that they have.
#[test]
fn observed_errors_are_those_that_are_written() {
    let points: Vec<[f64; 6]> = population(2000, 235.0, 7)
        .iter()
        .map(|star| [star.truth.x, star.truth.v].concat().try_into().unwrap())
        .collect();
    let with = json!({
        "errors": {
            "parallax": 0.02, "mu_l_cosb": 0.02, "mu_b": 0.025, "v_los": 1.0, "mu_l_cosb_mu_b_corr": 0.5, "b": 1e-5,
            "magnitudes": { "brightest": 0.0, "faintest": 6.0, "v_los_limit": 15.0 },
        },
        "seed": 2,
    });
    let exact = run(&Observe::default(), &[("stars", &stars(&points, 1))], &[]).completed();
    let ran = run(&stage::<Observe>(with), &[("stars", &stars(&points, 1))], &[]).completed();
    let column = |name: &str| {
        tables::optional_f64_column(&ran.tables["stars"], name)
            .unwrap()
            .unwrap()
    };
    let reduced = |name: &str, truth: Vec<f64>| {
        let (found, deviations) = (column(name), column(&format!("{name}_error")));
        let rows = truth.into_iter().zip(found).zip(deviations);
        rows.filter_map(|((truth, found), deviation)| Some((found? - truth) / deviation?))
            .collect::<Vec<f64>>()
    };
    let rms = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let parallaxes = exact
        .f64("stars", "distance")
        .into_iter()
        .map(|distance| 1.0 / distance)
        .collect();
    let parallax = reduced("parallax", parallaxes);
    let others = ["mu_l_cosb", "mu_b", "v_los", "b"].map(|name| reduced(name, exact.f64("stars", name)));
    // 2000 deviates: their rms is known to 1.6 %; three times that.
    for values in others.iter().chain([&parallax]) {
        assert!((rms(values) - 1.0).abs() < 0.05, "{}", rms(values));
    }
    let pairs = others[0].iter().zip(&others[1]).map(|(a, b)| a * b);
    assert!((pairs.sum::<f64>() / 2000.0 - 0.5).abs() < 0.08);
    let (deviations, magnitudes) = (ran.f64("stars", "parallax_error"), ran.f64("stars", "magnitude"));
    assert!(
        deviations
            .iter()
            .zip(&magnitudes)
            .all(|(sd, magnitude)| (*sd == 0.02) == (*magnitude <= 13.0))
    );
    assert!(
        column("v_los")
            .iter()
            .zip(&magnitudes)
            .all(|(v, magnitude)| v.is_none() == (*magnitude > 15.0))
    );
    let schema = ran.tables["stars"].schema();
    assert!(schema.column_with_name("vx").is_none() && schema.column_with_name("vx_true").is_some());

    // What was observed so goes on to actions with errors; the truth is there to compare them with.
    let with =
        json!({ "method": { "isochrone": { "mass": 3.334e11, "scale": 5.0 } }, "errors": { "v_los_dispersion": 150 } });
    let found = run(&stage::<EstimateActions>(with), &[("stars", &ran.tables["stars"])], &[]).completed();
    assert!(found.i64("stars", "stream").len() > 1900);
    let several = json!({ "errors": { "parallax": 0.1, "distance": 0.1 } });
    assert!(faults::<Observe>(several)[0].contains("exclude each other"));
}
