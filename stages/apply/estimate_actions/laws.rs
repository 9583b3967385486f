//! The law suite of methods (`dynamics::methods`), on the whole stage.
#![allow(clippy::unwrap_used)]

use super::{EstimateActions, Method};
use crate::learn::build_finder::BuildFinder;
use crate::testing::{faults, run, run_with, stage, stars};
use dynamics::methods::laws::{Entry, try_method};
use dynamics::methods::stars::{Kind, trials};
use dynamics::methods::{Answer, COARSE, Method as Known};
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
fn estimated(method: Value, networks: &[(&'static str, &[u8])], points: &[PhaseSpace]) -> Vec<Result<Answer, String>> {
    let numbers: Vec<[f64; 6]> = points
        .iter()
        .map(|point| [point.x, point.v].concat().try_into().unwrap())
        .collect();
    let stage: EstimateActions = stage(json!({ "method": method, "failures": "set_aside" }));
    let ran = run_with(&stage, &[("stars", &stars(&numbers, 1))], networks, &[]).completed();
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

/// A table of `build_finder`.
fn table(potential: Value, settings: dynamics::finder::Settings) -> Vec<u8> {
    let build: BuildFinder = stage(json!({
        "potential": potential,
        "radii": [settings.radii.0, settings.radii.1],
        "energies": settings.energies,
        "least_circularity": settings.least_circularity,
        "momenta": settings.momenta,
        "tilts": settings.tilts,
    }));
    run(&build, &[], &[]).completed().bytes.remove("finder").unwrap()
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
        let built = method.takes_a_table().then(|| table(with["potential"].clone(), COARSE));
        let networks: Vec<(&str, &[u8])> = built.iter().map(|bytes| ("finder", bytes.as_slice())).collect();
        let verdict = try_method(&entry, &sphere, &trials, |points| {
            estimated(json!({ method.name(): with }), &networks, points)
        });
        let broken: Vec<String> = verdict.broken.iter().map(|broken| broken.to_string()).collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

/// Settings of a small table.
const SMALL: dynamics::finder::Settings = dynamics::finder::Settings {
    radii: (5.0, 12.0),
    energies: 4,
    least_circularity: 0.4,
    momenta: 4,
    tilts: 6,
};

#[test]
fn stars_that_the_table_does_not_know_are_set_aside_or_have_the_fallbacks_actions() {
    let potential = json!({ "dehnen": { "mass": 1e11, "scale": 4.0, "inner_slope": 1.0 } });
    let potential =
        json!({ "composite": [potential, { "miyamoto_nagai": { "mass": 6e10, "radius": 3.0, "height": 0.3 } }] });
    let built = table(potential.clone(), SMALL);
    // In the table, of too little L_z, and far outside.
    let numbers = [
        [8.0, 0.0, 0.1, 10.0, 150.0, 8.0],
        [8.0, 0.0, 0.1, 90.0, 2.0, 8.0],
        [40.0, 0.0, 2.0, 10.0, 110.0, 8.0],
    ];
    let find = |with: Value| {
        let finder: EstimateActions = stage(json!({ "method": { "finder": with } }));
        run_with(&finder, &[("stars", &stars(&numbers, 1))], &[("finder", &built)], &[])
    };
    let alone = find(json!({ "potential": potential })).completed();
    assert_eq!(alone.i64("stars", "stream"), [0]);
    let reasons = alone.texts("set_aside", "reason");
    assert!(
        reasons[0].contains("L_z is below those of the table: 0.0") && reasons[1].contains("no circle between"),
        "{reasons:?}"
    );
    let o2gf: EstimateActions = stage(json!({ "method": { "o2gf": { "potential": potential } } }));
    let labels = run(&o2gf, &[("stars", &stars(&numbers, 1))], &[]).completed();
    let helped = find(json!({ "potential": potential, "fallback": { "o2gf": { "above": 1e6 } } })).completed();
    assert_eq!(helped.i64("stars", "stream"), [0, 1, 2]);
    for column in ["J_r", "J_z", "theta_z", "Omega_r", "J_error"] {
        let (found, known) = (helped.f64("stars", column), labels.f64("stars", column));
        assert_eq!(found[0], alone.f64("stars", column)[0], "{column}");
        assert_eq!(found[1..], known[1..], "{column}");
    }
    let all = find(json!({ "potential": potential, "fallback": { "o2gf": { "above": 0.0 } } })).completed();
    assert_eq!(all.f64("stars", "J_r"), labels.f64("stars", "J_r"));
    assert!(
        labels
            .texts("stars", "class")
            .iter()
            .zip(labels.i64("stars", "n_r"))
            .all(|(class, n_r)| (*class == "resonant") == (n_r != 0))
    );
    // A table of another potential, and a file that is none.
    let other = find(json!({ "potential": { "dehnen": { "mass": 1e11, "scale": 4.0, "inner_slope": 1.0 } } }));
    assert!(
        other.error().contains("built in another potential"),
        "{}",
        other.error()
    );
    let finder: EstimateActions = stage(json!({ "method": { "finder": { "potential": potential } } }));
    let broken = run_with(&finder, &[("stars", &stars(&numbers, 1))], &[("finder", b"PK")], &[]);
    assert!(broken.error().contains("input finder"), "{}", broken.error());
}

/// Trapped stars, and they alone, have the action of their libration: the first two of three.
#[test]
fn trapped_stars_have_the_action_of_their_libration() {
    let settings = dynamics::finder::Settings {
        radii: (6.0, 11.0),
        energies: 5,
        least_circularity: 0.5,
        momenta: 8,
        tilts: 12,
    };
    let galaxy = json!({ "composite": [
        { "plummer": { "mass": 5e9, "scale": 0.25 } },
        { "miyamoto_nagai": { "mass": 6.8e10, "radius": 3.0, "height": 0.28 } },
        { "nfw": { "mass": 5.4e11, "scale": 15.62 } },
    ] });
    let built = table(galaxy.clone(), settings);
    let numbers = [
        [8.0, 0.0, 0.0, 20.0, 180.0, 85.0],
        [8.0, 0.0, 0.0, 80.0, 180.0, 85.0],
        [8.0, 0.0, 0.0, 10.0, 230.0, 10.0],
    ];
    let finder: EstimateActions = stage(json!({ "method": { "finder": { "potential": galaxy } } }));
    let found = run_with(&finder, &[("stars", &stars(&numbers, 1))], &[("finder", &built)], &[]).completed();
    assert_eq!(found.texts("stars", "class"), ["resonant", "resonant", "regular"]);
    for name in ["J_libration", "J_sharp"] {
        let column = found.tables["stars"].column_by_name(name).unwrap();
        assert_eq!([0, 1, 2].map(|row| column.is_valid(row)), [true, true, false], "{name}");
    }
}

#[test]
fn a_table_of_a_learned_field_finds_what_the_fudge_does_in_it() {
    use crate::common::learned_field::{LearnedField, read, write};
    use dynamics::potential::Expansion;
    use dynamics::potential::expansion::Term;
    let halo = Term::Halo {
        core: 4.0,
        flattening: 0.9,
    };
    let terms = vec![Term::Disc { a: 3.0, b: 0.3 }, halo];
    let field = LearnedField {
        expansion: Expansion::new(terms, vec![5e4, 3e4]).unwrap(),
        extent: 60.0,
        others: None,
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), &field).unwrap();
    let field = std::fs::read(file.path()).unwrap();
    let build: BuildFinder = stage(json!({
        "radii": [5.0, 12.0], "energies": 4, "least_circularity": 0.5, "momenta": 4, "tilts": 6,
    }));
    let built = run_with(&build, &[], &[("field", &field)], &[]).completed();
    let part = read(file.path()).unwrap().expansion.axisymmetric_part().unwrap();
    let turn = dynamics::orbit::circular::circular_speed(&part, 8.0);
    let numbers = [[8.0, 0.0, 0.1, 0.1 * turn, 0.95 * turn, 0.1 * turn]];
    let by = |method: Value, networks: &[(&'static str, &[u8])]| {
        let estimate: EstimateActions = stage(json!({ "method": method }));
        run_with(&estimate, &[("stars", &stars(&numbers, 1))], networks, &[]).completed()
    };
    let table = built.bytes["finder"].as_slice();
    let ours = by(json!({ "finder": {} }), &[("field", &field), ("finder", table)]);
    let fudge = by(json!({ "staeckel_fudge": {} }), &[("field", &field)]);
    for (column, tolerance) in [("J_r", 0.1), ("J_z", 0.1), ("Omega_r", 0.02)] {
        let (a, b) = (ours.f64("stars", column)[0], fudge.f64("stars", column)[0]);
        assert!((a / b - 1.0).abs() < tolerance, "{column} {a}, {b}");
    }
}

/// A disc in a halo, each of whose others has a little more or less of both.
fn field_with_others(are: crate::common::learned_field::OthersAre) -> Vec<crate::common::learned_field::LearnedField> {
    use crate::common::learned_field::{LearnedField, Others};
    use dynamics::potential::Expansion;
    use dynamics::potential::expansion::Term;
    let halo = Term::Halo {
        core: 4.0,
        flattening: 0.9,
    };
    let of = |disc: f64, halo_part: f64| {
        let terms = vec![Term::Disc { a: 3.0, b: 0.3 }, halo];
        Expansion::new(terms, vec![5e4 * disc, 3e4 * halo_part]).unwrap()
    };
    let fields = vec![of(1.01, 1.0), of(0.99, 1.002), of(1.0, 0.997), of(1.004, 1.001)];
    let alone = |expansion: Expansion, others| LearnedField {
        expansion,
        extent: 60.0,
        others,
    };
    let whole = alone(
        of(1.0, 1.0),
        Some(Others {
            fields: fields.clone(),
            are,
            understated: 1.5,
        }),
    );
    let others = fields.into_iter().map(|field| alone(field, None));
    std::iter::once(whole).chain(others).collect()
}

/// What a field's error makes of results is what they differ by in the other fields that its stars allow.
#[test]
fn errors_of_the_field_are_those_of_its_others() {
    use crate::common::learned_field::{OthersAre, write};
    let numbers = [
        [8.0, 0.0, 0.1, 20.0, 210.0, 10.0],
        [-3.0, 12.0, 4.0, -150.0, 60.0, 90.0],
    ];
    for (are, factor) in [(OthersAre::LeftOut, 2.25 * 0.75), (OthersAre::Drawn, 2.25 * 0.25)] {
        let written = |field: &crate::common::learned_field::LearnedField| {
            let file = tempfile::NamedTempFile::new().unwrap();
            write(file.path(), field).unwrap();
            std::fs::read(file.path()).unwrap()
        };
        let files: Vec<Vec<u8>> = field_with_others(are).iter().map(written).collect();
        for method in ["staeckel_fudge", "torus", "o2gf"] {
            let run = |file: &[u8], field_errors: bool| {
                let with = json!({ "method": { method: {} }, "field_errors": field_errors });
                run_with(
                    &stage::<EstimateActions>(with),
                    &[("stars", &stars(&numbers, 1))],
                    &[("field", file)],
                    &[],
                )
                .completed()
            };
            let whole = run(&files[0], true);
            let others: Vec<_> = files[1..].iter().map(|file| run(file, false)).collect();
            for name in [
                "J_r",
                "J_z",
                "theta_phi",
                "theta_z",
                "theta_r",
                "Omega_phi",
                "Omega_z",
                "Omega_r",
            ] {
                let said = whole.f64("stars", &format!("{name}_field_error"));
                for (star, said) in said.iter().enumerate() {
                    let here = whole.f64("stars", name)[star];
                    let away = others.iter().map(|other| {
                        let away = other.f64("stars", name)[star] - here;
                        if name.starts_with("theta") {
                            dynamics::units::wrap_difference(away)
                        } else {
                            away
                        }
                    });
                    let expected = (factor * away.map(|away| away * away).sum::<f64>()).sqrt();
                    assert!(
                        expected > 0.0 && (said - expected).abs() < 1e-9 * expected,
                        "{method} {name} {star}"
                    );
                }
            }
        }
    }
}

/// Errors of a field are asked of a field that knows them.
#[test]
fn errors_of_no_field_are_refused() {
    use crate::common::learned_field::{OthersAre, write};
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), &field_with_others(OthersAre::Drawn)[1]).unwrap();
    let field = std::fs::read(file.path()).unwrap();
    let with = |method: Value| json!({ "method": method, "field_errors": true });
    let stars = stars(&[[8.0, 0.0, 0.1, 20.0, 210.0, 10.0]], 1);
    let by_fudge: EstimateActions = stage(with(json!({ "staeckel_fudge": {} })));
    let why = run_with(&by_fudge, &[("stars", &stars)], &[("field", &field)], &[]).error();
    assert!(why.contains("does not say how well it is known"), "{why}");
    let in_a_model = json!({ "staeckel_fudge": { "potential": "piffl_14" } });
    for method in [in_a_model, json!({ "finder": {} })] {
        let faults = faults::<EstimateActions>(with(method));
        assert!(faults.len() == 1 && faults[0].contains("field_errors"), "{faults:?}");
    }
}
