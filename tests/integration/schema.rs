//! Pipelines as other programs see them: YAML to any reader, and valid against `actionfinder schema`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::pipelines::shipped;
use crate::program::{Place, project};

/// The schema as an editor gets it.
fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&Place::new().well(&["schema"]).out).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// What is wrong with a value, each in a line.
fn faults(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    let faults = validator.iter_errors(value);
    faults
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

/// Every pipeline that a user may open in an editor, by its name.
fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for path in shipped() {
        texts.insert(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
    }
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let blocks = readme
        .split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next());
    for (number, block) in blocks.filter(|block| block.starts_with("pipeline:")).enumerate() {
        texts.insert(format!("README.md, block {number}"), block.to_owned());
    }
    let place = Place::new();
    place.well(&["new", "mine.yaml"]);
    texts.insert(
        "new".to_owned(),
        std::fs::read_to_string(place.path("mine.yaml")).unwrap(),
    );
    texts.insert(
        "kinds.yaml".to_owned(),
        std::fs::read_to_string(project("tests/golden/kinds.yaml")).unwrap(),
    );
    texts
}

#[test]
fn every_pipeline_is_yaml_and_valid_against_the_schema() {
    let (validator, texts) = (validator(), texts());
    assert!(texts.len() > 15 && texts.keys().any(|name| name.starts_with("README")));
    let mut wrong = Vec::new();
    for (name, text) in &texts {
        match serde_yaml::from_str::<Value>(text) {
            Ok(value) => wrong.extend(
                faults(&validator, &value)
                    .iter()
                    .map(|fault| format!("{name}: {fault}")),
            ),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Readers of YAML 1.1, such as PyYAML, take `1e-8` and `3.3e11` for text: a power of ten needs a point before it and a sign.
#[test]
fn every_number_is_one_to_old_readers_of_yaml() {
    let is_text = |word: &str| {
        let word = word.trim_start_matches(['-', '+']);
        let number = word.starts_with(|first: char| first.is_ascii_digit()) && word.parse::<f64>().is_ok();
        let parts = word.split_once(['e', 'E']);
        number && parts.is_some_and(|(digits, power)| !digits.contains('.') || !power.starts_with(['-', '+']))
    };
    assert!(["1e-8", "3.3e11", "-2e+3"].iter().all(|word| is_text(word)));
    assert!(!["1.0e-8", "12", "e5", "1.5"].iter().any(|word| is_text(word)));
    for (name, text) in texts() {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            for word in line.split([' ', ',', '[', ']', '{', '}', ':']) {
                assert!(!is_text(word), "{name}: {word} in {line}");
            }
        }
    }
}

/// What the schema is for: an editor marks what `plan` would.
#[test]
fn the_schema_marks_mistakes() {
    let validator = validator();
    let good = json!({
        "pipeline": "p",
        "params": { "seed": 1, "all": { "streams": 8 } },
        "use": { "a": { "pipeline": "a.yaml", "with": { "seed": "$seed", "paper": { "delta_J": 1 } }, "to": ["errors", "b.sets"] } },
        "defaults": { "split": { "seed": "$seed" } },
        "stages": {
            "sets": { "split": { "from": { "stars": "a.b.sets.test" }, "with": { "train_streams": "$streams", "test_streams": 3 } } },
            "errors": { "compare": { "from": { "predicted": "a.x", "truth": "sets" }, "with": { "row": "S = ${streams}", "paper": "$paper" } } }
        },
        "sweep": {
            "rows": { "one": [{ "seed": 1 }], "other": [{}] },
            "axes": { "x": { "log": [1e-4, 1e-2, 5] }, "y": { "range": [1, 3] } }
        }
    });
    assert_eq!(faults(&validator, &good), Vec::<String>::new());
    let wrong: [(&str, Value); 9] = [
        ("/use/a/pipeline", json!(3)),
        ("/use/a/to", json!([])),
        ("/use/a/with", json!([1])),
        ("/defaults", json!({ "splt": {} })),
        ("/defaults/split", json!({ "sed": 1 })),
        ("/stages/sets/split/with/test_streams", json!("three")),
        ("/stages/sets/split/from/stars", json!("a b")),
        ("/sweep/rows/one", json!({ "seed": 1 })),
        ("/sweep/axes/x", json!({ "log": [1, 2] })),
    ];
    for (pointer, value) in wrong {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!faults(&validator, &bad).is_empty(), "{pointer}");
    }
    let nothing = json!({ "pipeline": "p" });
    assert!(!faults(&validator, &nothing).is_empty());
}
