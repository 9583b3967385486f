#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::graph::{DeviceWish, Point};

mod sweeps;
mod uses;

fn parse(text: &str) -> Result<Graph, Diagnostics> {
    parse_with(text, &[])
}

fn parse_with(text: &str, overrides: &[(&str, &str)]) -> Result<Graph, Diagnostics> {
    let overrides: Vec<_> = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    parse_str(text, "test.yaml", &broken_folder(), &overrides, &kinds::catalog())
}

fn broken_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/broken")
}

fn labels(graph: &Graph) -> Vec<&str> {
    graph.stages.iter().map(|stage| &*stage.label).collect()
}

fn summary(graph: &Graph) -> Vec<(String, Value, Vec<usize>)> {
    let stages = graph.stages.iter();
    stages
        .map(|stage| (stage.label.to_string(), stage.stage.parameters(), stage.points.clone()))
        .collect()
}

const SMALL: &str = "
pipeline: small
about: For tests
params: { seed: 1, scale: 5, name: n, title: \"${name}-${scale}\" }
stages:
  drawn: { draw: { from: { table: joined.rest }, with: { title: \"${title}: $${x}\" } } }
  joined: { join: { from: { right: two, left: one }, on: { device: 'cuda:1', threads: 2 } } }
  one: { source: { with: { seed: $seed, number: $scale, list: [1, $scale] } } }
  two: { source: { with: { number: 1e-7 } } }
";

#[test]
fn a_small_pipeline_resolves() {
    let graph = parse(SMALL).unwrap();
    assert_eq!((graph.pipeline.as_str(), graph.about.as_str()), ("small", "For tests"));
    assert_eq!(labels(&graph), ["one", "two", "joined", "drawn"]);
    assert_eq!(graph.points, [Point::default()]);
    let [one, two, joined, drawn] = &graph.stages[..] else {
        panic!("four stages")
    };
    assert_eq!(one.stage.parameters()["number"], json!(5.0));
    assert_eq!(one.stage.parameters()["list"], json!([1.0, 5.0]));
    assert_eq!(one.stage.parameters()["seed"], json!(1));
    assert_eq!(two.stage.parameters()["number"], json!(1e-7));
    assert_eq!(drawn.stage.parameters(), json!({ "title": "n-5: ${x}" }));
    assert_eq!(
        joined
            .inputs
            .iter()
            .map(|input| (input.port, input.from.index()))
            .collect::<Vec<_>>(),
        [("left", 0), ("right", 1)]
    );
    assert_eq!(
        (joined.resources.device, joined.resources.threads),
        (DeviceWish::Numbered(1), Some(2))
    );
    assert_eq!((drawn.inputs[0].output, drawn.inputs[0].from.index()), ("rest", 2));
    assert_eq!(drawn.points, [0]);
}

/// What has no unit says so, and not that a number was expected.
#[test]
fn a_unit_where_there_is_none_is_named() {
    let text = "pipeline: p\nstages: { fixed: { source: { with: { number: 3 kpc, seed: 2 pc } } } }\n";
    let wrong = parse(text).err().unwrap();
    let found: Vec<_> = wrong
        .iter()
        .map(|mistake| (mistake.message.as_str(), mistake.hint.as_deref()))
        .collect();
    let expected = [
        (
            "this is a number without a unit, not the text \"3 kpc\"",
            Some("write `3`, if that is meant"),
        ),
        (
            "this is a number without a unit, not the text \"2 pc\"",
            Some("write `2`, if that is meant"),
        ),
    ];
    assert_eq!(found, expected);
}

/// A number with a unit is the number that it is in the unit of its parameter, wherever it is written.
#[test]
fn numbers_with_units_are_numbers() {
    let text = "
pipeline: p
params: { size: 700 pc }
stages:
  fixed: { source: { with: { length: 0.7 } } }
  same: { source: { with: { length: 700 pc } } }
  knob: { source: { with: { length: \"${size}\" } } }
";
    let lengths = |graph: &Graph| -> Vec<Value> {
        let stages = graph.stages.iter();
        stages.map(|stage| stage.stage.parameters()["length"].clone()).collect()
    };
    assert_eq!(lengths(&parse(text).unwrap()), [json!(0.7), json!(0.7), json!(0.7)]);
    let given = parse_with(text, &[("size", "3 kpc")]).unwrap();
    assert_eq!(lengths(&given), [json!(0.7), json!(0.7), json!(3.0)]);
    assert_eq!(
        given.parameters,
        [("size".to_owned(), json!("3 kpc"))],
        "as it was written"
    );
    // Labels say what was written; what is one value is one stage.
    let swept = format!("{text}sweep: {{ axes: {{ size: [2, 2000 pc, 3 kpc] }} }}\n");
    let swept = parse(&swept).unwrap();
    assert_eq!(labels(&swept), ["fixed", "same", "knob[size=2]", "knob[size=3 kpc]"]);
    assert_eq!(swept.stages[2].points, [0, 1]);
}

#[test]
fn overrides_keep_their_types() {
    let graph = parse_with(SMALL, &[("scale", "7"), ("name", "a: b"), ("seed", "3")]);
    let message = graph.err().unwrap().render(false);
    assert!(message.contains("`name` is a mapping"), "{message}");
    let graph = parse_with(SMALL, &[("scale", "7e0"), ("name", "'1'"), ("seed", "3")]).unwrap();
    assert_eq!(graph.stages[0].stage.parameters()["number"], json!(7.0));
    assert_eq!(graph.stages[0].stage.parameters()["seed"], json!(3));
    assert_eq!(graph.stages[3].stage.parameters()["title"], json!("1-7: ${x}"));
}

#[test]
fn comments_whitespace_and_key_order_change_nothing() {
    let other = "
# a comment
stages:
  two:
    source:
      with:
        number:   0.0000001   # the same number
  one: { source: { with: { list: [1.0, $scale], number: $scale, seed: $seed } } }
  joined:
    join: { on: { threads: 2, device: cuda:1 }, from: { left: one.table, right: two } }
  drawn: { draw: { with: { title: \"${title}: $${x}\" }, from: { table: joined.rest } } }
about: For tests
params: { seed: 1, scale: 5.0, name: n, title: '${name}-${scale}' }
pipeline: small
";
    let by_name = |text: &str| {
        let mut stages = summary(&parse(text).unwrap());
        stages.sort_by(|a, b| a.0.cmp(&b.0));
        stages
            .into_iter()
            .map(|(label, parameters, _)| (label, parameters.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(by_name(SMALL), by_name(other));
}

#[test]
fn anchors_and_merges_work_as_users_expect() {
    let text = "
pipeline: p
stages:
  a: { source: { with: &base { seed: 1, number: 2 } } }
  b: { source: { with: { <<: *base, seed: 9 } } }
  c: { source: { with: *base } }
";
    let graph = parse(text).unwrap();
    let numbers: Vec<_> = graph
        .stages
        .iter()
        .map(|stage| {
            (
                stage.stage.parameters()["seed"].clone(),
                stage.stage.parameters()["number"].clone(),
            )
        })
        .collect();
    assert_eq!(
        numbers,
        [(json!(1), json!(2.0)), (json!(9), json!(2.0)), (json!(1), json!(2.0))]
    );
}

const SWEPT: &str = "
pipeline: swept
params: { seed: 1, mass: 1, scale: 2, row: '', half: $scale }
stages:
  data: { source: { with: { seed: $seed } } }
  other: { source: {} }
  toy: { join: { from: { left: data, right: other }, with: { weight: $half } } }
  picture: { draw: { from: { table: toy }, with: { title: fixed } } }
sweep:
  axes: { seed: { range: [1, 2] } }
  zip: { mass: [1.0e11, 2.5e11, 3.0e11], scale: [0, 1, 1.0], row: [exact, more, less] }
";

#[test]
fn shared_stages_appear_once() {
    let graph = parse(SWEPT).unwrap();
    assert_eq!(graph.points.len(), 6);
    assert_eq!(
        *graph.points[3],
        [
            ("mass", json!(2.5e11)),
            ("scale", json!(1)),
            ("row", json!("more")),
            ("seed", json!(2))
        ]
        .map(|(name, value)| (name.into(), value.into()))
    );
    let expected = [
        ("data[seed=1]", vec![0, 2, 4]),
        ("data[seed=2]", vec![1, 3, 5]),
        ("other", vec![0, 1, 2, 3, 4, 5]),
        ("toy[scale=0,seed=1]", vec![0]),
        ("toy[scale=0,seed=2]", vec![1]),
        ("toy[scale=1,seed=1]", vec![2, 4]),
        ("toy[scale=1,seed=2]", vec![3, 5]),
        ("picture[scale=0,seed=1]", vec![0]),
        ("picture[scale=0,seed=2]", vec![1]),
        ("picture[scale=1,seed=1]", vec![2, 4]),
        ("picture[scale=1,seed=2]", vec![3, 5]),
    ];
    let found: Vec<_> = graph
        .stages
        .iter()
        .map(|stage| (&*stage.label, stage.points.clone()))
        .collect();
    assert_eq!(found, expected);
    for (index, stage) in graph.stages.iter().enumerate() {
        assert!(stage.inputs.iter().all(|input| input.from.index() < index));
    }
}

#[test]
fn a_parameter_of_the_command_line_is_not_swept() {
    let graph = parse_with(SWEPT, &[("seed", "7"), ("row", "exact")]).unwrap();
    assert_eq!(labels(&graph), ["data", "other", "toy", "picture"]);
    assert_eq!(graph.stages[0].stage.parameters()["seed"], json!(7));
    assert_eq!(graph.points.len(), 1);
}

#[test]
fn mistakes_of_one_file_are_all_reported() {
    let text = "
pipeline: many
stages:
  a: { source: { with: { sed: x, number: [], text: 1, list: [a, 1, b], colum: 3 } } }
  b: { read: { with: { method: { scaled: { facto: q } }, verbos: 1 } } }
  c: { apply: {} }
  d: { apply: { from: { network: a, table: b } } }
";
    let diagnostics = parse(text).err().unwrap();
    let found: Vec<_> = diagnostics
        .iter()
        .map(|mistake| (mistake.line, mistake.column, mistake.code))
        .collect();
    let expected = [
        (4, 26, "UnknownKey"), // sed
        (4, 31, "WrongType"),  // its value, as a seed
        (4, 34, "WrongType"),  // number: a list is shown by its key
        (4, 52, "WrongType"),  // text
        (4, 62, "WrongType"),  // list, first
        (4, 68, "WrongType"),  // list, third
        (4, 72, "UnknownKey"), // colum
        (4, 79, "WrongType"),  // its value, as a column
        (5, 16, "MissingParameter"),
        (5, 44, "UnknownKey"),
        (5, 51, "WrongType"),
        (5, 58, "UnknownKey"),
        (5, 66, "WrongType"),
        (6, 8, "MissingInput"),
        (6, 8, "MissingInput"),
    ];
    assert_eq!(found, expected, "{diagnostics}");
}

/// A stage with mistakes of one sort does not hide those of another.
#[test]
fn mistakes_of_one_sort_hide_no_others() {
    let text = "
pipeline: many
params: { known: 1 }
stages:
  a: { source: {} }
  b: { join: { with: { weight: 7 }, from: { left: a, rigth: a } } }
  c: { source: { with: { number: $unknown, colum: x, list: 3, seed: $known } } }
  d: { source: { with: { sed: $unknown } } }
  e: { read: { with: { path: $unknown } } }
  f: { read: { with: $unknown } }
";
    let diagnostics = parse(text).err().unwrap();
    let found: Vec<_> = diagnostics.iter().map(|mistake| (mistake.line, mistake.code)).collect();
    let expected = [
        (6, "Fault"),
        (6, "UnknownInput"),
        (7, "UnknownParameter"),
        (7, "UnknownKey"),
        (7, "WrongType"), // list
        (8, "UnknownKey"),
        (8, "UnknownParameter"),
        (9, "MissingParameter"), // skip
        (9, "UnknownParameter"),
        (10, "UnknownParameter"),
    ];
    assert_eq!(found, expected, "{diagnostics}");
}

/// Processor time of this thread, which other work on the machine does not stretch much; Linux tells it in a file.
fn cpu() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    std::time::Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// A pipeline of `count` cheap stages, about 100 bytes each.
fn long_pipeline(count: usize) -> String {
    let mut text =
        "pipeline: long\nparams: { seed: 1 }\nstages:\n  s0: { source: { with: { seed: $seed } } }\n".to_owned();
    for index in 1..count {
        let before = index - 1;
        let first = if index % 3 == 0 { before } else { before / 2 };
        if index % 4 == 0 {
            text += &format!(
                "  s{index}: {{ source: {{ with: {{ seed: $seed, number: {index}.5, text: \"number {index}, of a long file\" }} }} }}\n"
            );
        } else {
            text += &format!(
                "  s{index}: {{ join: {{ from: {{ left: s{first}, right: s{before} }}, with: {{ weight: 0.25 }}, on: {{ threads: 1 }} }} }}\n"
            );
        }
    }
    text
}

#[test]
fn ten_thousand_stages_take_no_longer_than_a_blink() {
    let text = long_pipeline(10_000);
    let catalog = kinds::catalog();
    let time = |text: &str| {
        let start = cpu();
        let result = parse_str(text, "long.yaml", Path::new("."), &[], &catalog);
        (cpu() - start, result)
    };
    let (elapsed, graph) = (0..3).map(|_| time(&text)).min_by_key(|(elapsed, _)| *elapsed).unwrap();
    assert_eq!(graph.unwrap().stages.len(), 10_000);
    eprintln!("{} bytes resolve in {elapsed:?}", text.len());
    // Many mistakes cost about as much again, not a power of it.
    let (wrong, result) = time(&text.replace("weight", "wieght"));
    let diagnostics = result.err().unwrap();
    let start = Instant::now();
    assert!(diagnostics.render(false).contains("… and"));
    eprintln!(
        "{} mistakes are found in {wrong:?} and drawn in {:?}",
        diagnostics.len(),
        start.elapsed()
    );
    // A generous bound for a busy machine: a quadratic step would take minutes.
    assert!(elapsed.as_secs_f64() < 5.0 && wrong.as_secs_f64() < 20.0);
}

#[test]
fn many_points_and_stages_stay_linear() {
    let mut text = long_pipeline(100);
    text += "sweep: { axes: { seed: { range: [1, 200] } } }\n";
    let start = Instant::now();
    let graph = parse(&text).unwrap();
    eprintln!(
        "{} instances of 100 stages × 200 points in {:?}",
        graph.stages.len(),
        start.elapsed()
    );
    assert!(graph.stages.len() > 10_000);
    assert!(start.elapsed().as_secs_f64() < 20.0);
}

/// Values given on the command line with some of the broken files.
fn overrides_of(name: &str) -> Vec<(String, String)> {
    let given: &[(&str, &str)] = match name {
        "no_such_file" => &[],
        "command_line" => &[("sead", "1"), ("seed", "[1"), ("text", "${seed}"), ("row", "5")],
        _ => &[],
    };
    given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn broken_files() -> Vec<String> {
    let entries = std::fs::read_dir(broken_folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.extend(["no_such_file", "a_folder", "too_many_values"].map(str::to_owned));
    names.sort();
    names
}

fn load_broken(name: &str) -> Diagnostics {
    if name == "too_many_values" {
        let text = format!("pipeline: p\nparams: {{ list: [{}] }}\n", "0, ".repeat(1_000_001));
        return parse(&text).err().unwrap();
    }
    let path = match name {
        "a_folder" => broken_folder(),
        _ => broken_folder().join(format!("{name}.yaml")),
    };
    let result = load(&path, &overrides_of(name), &kinds::catalog());
    result.err().unwrap_or_else(|| panic!("{name} is not broken"))
}

#[test]
fn broken_files_say_what_is_wrong() {
    for name in broken_files() {
        let start = Instant::now();
        let diagnostics = load_broken(&name);
        assert!(start.elapsed().as_secs_f64() < 10.0, "{name}");
        let folder = broken_folder().display().to_string();
        let shown = diagnostics
            .render(false)
            .replace(&format!("{folder}/"), "")
            .replace(&folder, "broken");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }
}

#[test]
fn every_problem_has_a_broken_file() {
    let files = broken_files();
    assert!(files.len() >= 40, "{} broken files", files.len());
    let mut missing: Vec<&str> = Problem::NAMES.to_vec();
    for name in files {
        let diagnostics = load_broken(&name);
        missing.retain(|name| diagnostics.iter().all(|diagnostic| diagnostic.code != *name));
    }
    assert!(missing.is_empty(), "no file shows {missing:?}");
}

#[test]
fn places_lie_inside_the_file() {
    for name in broken_files() {
        let length = |file: &str| std::fs::read(file).map_or(0, |bytes| bytes.len());
        for diagnostic in load_broken(&name).iter() {
            let own = diagnostic.span.iter().map(|span| (&diagnostic.file, span));
            let related = diagnostic.related.iter().map(|related| (&related.file, &related.span));
            for (file, span) in own.chain(related) {
                let inside = span.start <= span.end && span.end <= length(file);
                assert!(inside, "{name}: {diagnostic:?}");
            }
        }
    }
}

/// Whole numbers are whole numbers however they are written, and the same parameters.
#[test]
fn whole_numbers_in_every_form() {
    let of = |seed: &str| {
        let text = format!(
            "pipeline: p\nparams: {{ seed: 1 }}\nstages:\n  a: {{ source: {{ with: {{ seed: {seed}, small: 4.0 }} }} }}\n"
        );
        summary(&parse(&text).unwrap())
    };
    for written in ["1e3", "1000.0", "+1000", "1.0e+3", "0x3e8"] {
        assert_eq!(of(written), of("1000"), "{written}");
    }
    let text =
        "pipeline: p\nparams: { seed: 1 }\nstages:\n  a: { source: { with: { seed: $seed }, on: { threads: 2e0 } } }\n";
    let graph = parse_with(text, &[("seed", "1e3")]).unwrap();
    assert_eq!(graph.stages[0].stage.parameters()["seed"], json!(1000));
    assert_eq!(graph.stages[0].resources.threads, Some(2));
    let graph = parse(&(text.to_owned() + "sweep: { axes: { seed: [1e3, 1000, 2.0] } }\n")).unwrap();
    assert_eq!(labels(&graph), ["a[seed=1000]", "a[seed=2]"]);
}

/// `auto` asks for a GPU only where the stage gains by one; what is asked for by name stands.
#[test]
fn a_gpu_is_for_who_gains_by_it() {
    let device = |gains: bool, device: &str| {
        let text = format!(
            "pipeline: p\nstages:\n  a: {{ source: {{}} }}\n  b: {{ train: {{ from: {{ train: a }}, with: {{ field: {gains} }}, on: {{ device: {device} }} }} }}\n"
        );
        parse(&text).unwrap().stages[1].resources.device
    };
    assert_eq!(device(true, "auto"), DeviceWish::Auto);
    assert_eq!(device(false, "auto"), DeviceWish::Cpu);
    assert_eq!(device(false, "cuda"), DeviceWish::Cuda);
    assert_eq!(device(true, "cpu"), DeviceWish::Cpu);
}

/// Lines of any length, and many mistakes on them, are drawn in part.
#[test]
fn long_lines_and_keys_are_drawn() {
    let key = "k".repeat(70_000);
    let long = "{ source: {} }, ".repeat(10_000);
    let texts = [
        format!("{key}: 1\n"),
        format!("pipeline: p\nstages: {{ {key}: {{ source: {{ }} }} }}\n"),
        format!("pipeline: p\n{key}: 1\n{key}: 2\nstages: {{ a: {{ sourc: {{ }} }} }}\n"),
        format!("{{ pipeline: p, about: \"{key}\", stages: {{ a: {{ source: {{ with: {{ seed: x }} }} }} }} }}"),
        format!("{{ pipeline: p, about: \"{key}\", stages: {{ a: {{ source: {{}} }}, a: {{ source: {{}} }} }} }}"),
        format!(
            "pipeline: p\nparams: {{ l: [{long}], m: '{key}' }}\nstages: {{ a: {{ source: {{ with: {{ seed: $m }} }} }} }}\n"
        ),
        format!("{{ \"pipeline\": \"p\", {}é: 1", "\"é\": [1, 2], ".repeat(20_000)),
        format!("pipeline: p\nstages:\n  a: {{ source: {{ with: {{ text: \"{key}\n"),
    ];
    for text in texts {
        let diagnostics = parse(&text).err().unwrap();
        let shown = diagnostics.render(false);
        assert!(shown.len() < 40_000, "{} bytes", shown.len());
        assert!(shown.lines().all(|line| line.chars().count() < 2 * 500), "{shown}");
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// A valid pipeline: each stage reads earlier ones.
    fn pipelines() -> impl Strategy<Value = (usize, String)> {
        let stage = (0..3_u8, any::<prop::sample::Index>(), -1e3..1e3_f64, 0..1000_u64);
        (prop::collection::vec(stage, 1..30), 1..4_usize).prop_map(|(stages, points)| {
            let mut text = "pipeline: p\nparams: { seed: 1, weight: 0.5 }\nstages:\n".to_owned();
            for (index, (shape, input, number, seed)) in stages.iter().enumerate() {
                let input = if index == 0 { 0 } else { input.index(index) };
                text += &match shape {
                    1 if index > 0 => format!("  s{index}: {{ join: {{ from: {{ left: s{input} }}, with: {{ weight: $weight }} }} }}\n"),
                    2 => format!("  s{index}: {{ source: {{ with: {{ seed: $seed, number: {number} }} }} }}\n"),
                    _ => format!("  s{index}:\n    source:\n      with:\n        seed: {seed}\n        text: \"${{seed}} of $${{seed}}\"\n"),
                };
            }
            let count = stages.len();
            let last = format!("  last: {{ source: {{ with: {{ seed: $seed }} }} }}\nsweep: {{ axes: {{ seed: {{ range: [1, {points}] }} }} }}\n");
            (count, text + &last)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn valid_pipelines_resolve((count, text) in pipelines()) {
            let graph = parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut names: Vec<&str> = graph.stages.iter().map(|stage| &*stage.name).collect();
            names.dedup();
            prop_assert_eq!(names.len(), count + 1);
            let labels: std::collections::HashSet<&str> = graph.stages.iter().map(|stage| &*stage.label).collect();
            prop_assert_eq!(labels.len(), graph.stages.len());
            // Comments and blank lines change nothing.
            let spaced = text.replace('\n', "   # note: {a}\n\n").replace(": {", ":   {");
            prop_assert_eq!(summary(&graph), summary(&parse(&spaced).unwrap()));
        }

        #[test]
        fn damaged_pipelines_never_panic_and_stay_inside_the_file(
            (_, text) in pipelines(), at in any::<prop::sample::Index>(), damage in "[ -~é\t\n]{0,3}", removed in 0..4_usize,
        ) {
            let characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            let text: String = characters[..at].iter().copied().chain(damage.chars()).chain(characters[end..].iter().copied()).collect();
            if let Err(diagnostics) = parse(&text) {
                prop_assert!(!diagnostics.is_empty());
                prop_assert!(!diagnostics.render(false).is_empty());
                for diagnostic in diagnostics.iter() {
                    let span = diagnostic.span.clone().unwrap_or(0..0);
                    prop_assert!(text.get(span).is_some(), "{:?}", diagnostic);
                    prop_assert!(diagnostic.line <= text.lines().count().max(1));
                }
            }
        }
    }
}
