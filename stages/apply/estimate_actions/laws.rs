//! The law suite of methods (`dynamics::methods`), on the whole stage.
#![allow(clippy::unwrap_used)]

use super::{EstimateActions, Method};
use crate::testing::{run, stage, stars};
use dynamics::methods::laws::{Entry, try_method};
use dynamics::methods::stars::{Kind, trials};
use dynamics::methods::{Answer, Method as Known};
use dynamics::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace};
use dynamics::potential::{Isochrone, Potential};
use serde_json::{Value, json};

/// The names of all variants of [`Method`], as pipelines write them: from the schema, so that none can be forgotten.
fn names() -> Vec<String> {
    let schema = serde_json::to_value(schemars::schema_for!(Method)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap();
    let name = |variant: &Value| variant["required"][0].as_str().unwrap().to_owned();
    variants.iter().map(name).collect()
}

#[test]
fn every_method_has_an_entry_in_the_law_suite() {
    let known: Vec<&str> = Known::ALL.into_iter().map(Known::name).collect();
    assert_eq!(names(), known);
}

/// What the stage says of the stars, in their order.
fn estimated(method: Value, points: &[PhaseSpace]) -> Vec<Result<Answer, String>> {
    let numbers: Vec<[f64; 6]> = points
        .iter()
        .map(|point| [point.x, point.v].concat().try_into().unwrap())
        .collect();
    let stage: EstimateActions = stage(json!({ "method": method, "failures": "set_aside" }));
    let ran = run(&stage, &[("stars", &stars(&numbers, 1))], &[]).completed();
    let mut answers: Vec<Result<Answer, String>> = points.iter().map(|_| Err("not in the table".to_owned())).collect();
    for (stream, reason) in ran
        .i64("set_aside", "stream")
        .iter()
        .zip(ran.texts("set_aside", "reason"))
    {
        answers[*stream as usize] = Err(reason.to_owned());
    }
    let column = |name: &str| ran.f64("stars", name);
    let [j_phi, j_z, j_r] = ["J_phi", "J_z", "J_r"].map(column);
    let [phi, z, r] = ["theta_phi", "theta_z", "theta_r"].map(column);
    let [omega_phi, omega_z, omega_r] = ["Omega_phi", "Omega_z", "Omega_r"].map(column);
    let errors = ran.tables["stars"]
        .column_by_name("J_error")
        .map(|_| ["J_error", "theta_error"].map(column));
    for (row, &stream) in ran.i64("stars", "stream").iter().enumerate() {
        answers[stream as usize] = Ok(Answer {
            found: ActionAngle {
                actions: Actions {
                    phi: j_phi[row],
                    z: j_z[row],
                    r: j_r[row],
                },
                angles: Angles {
                    phi: phi[row],
                    z: z[row],
                    r: r[row],
                },
                frequencies: Frequencies {
                    phi: omega_phi[row],
                    z: omega_z[row],
                    r: omega_r[row],
                },
            },
            action_error: errors.as_ref().map(|errors| errors[0][row]),
            angle_error: errors.as_ref().map(|errors| errors[1][row]),
            frequency_error: None,
        });
    }
    answers
}

#[test]
fn the_stage_obeys_every_law_whatever_the_method() {
    let sphere = Isochrone::new(3.334e11, 5.0).unwrap();
    let parameters = json!({ "mass": 3.334e11, "scale": 5.0 });
    for method in Known::ALL {
        let entry = Entry::of(method, sphere.symmetry());
        let mut trials = trials(&sphere);
        // Slow methods are tried at every star where they are, in `dynamics`.
        if !entry.thorough {
            trials.retain(|trial| trial.kind == Kind::Ordinary);
        }
        let with = match method {
            Known::Isochrone => parameters.clone(),
            _ => json!({ "potential": { "isochrone": parameters } }),
        };
        let verdict = try_method(&entry, &sphere, &trials, |points| {
            estimated(json!({ method.name(): with }), points)
        });
        let broken: Vec<String> = verdict.broken.iter().map(|broken| broken.to_string()).collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
