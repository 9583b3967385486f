//! Rows, groups of rows, and axes.

use super::*;

fn count(graph: &Graph, name: &str) -> usize {
    graph.stages.iter().filter(|stage| *stage.name == *name).count()
}

const GROUPS: &str = "
pipeline: groups
params: { seed: 1, a: 1, b: 2, row: plain, title: 'of ${row}' }
stages:
  none: { source: { with: { seed: 5 } } }
  first: { source: { with: { seed: $seed, number: $a, text: $title } } }
  second: { source: { with: { seed: $seed, number: $b } } }
  both: { join: { from: { left: first, right: second } } }
  apart: { join: { from: { left: second, right: none } } }
sweep:
  rows:
    one:
      - { a: 10, row: ten }
      - { a: 20 }
      - { row: ten, a: 10.0 }
    other: [{ b: 3 }, { b: 4 }]
  axes: { seed: [1, 2] }
";

/// A stage varies with the groups that it mentions, itself or through its inputs, and with nothing else.
#[test]
fn groups_of_rows_are_independent() {
    let graph = parse(GROUPS).unwrap();
    let counts = ["none", "first", "second", "both", "apart"].map(|name| count(&graph, name));
    // Of the three rows two are the same.
    assert_eq!(counts, [1, 4, 4, 8, 4]);
    // What a row leaves out is as in `params`.
    let texts: Vec<_> = graph
        .stages
        .iter()
        .filter(|stage| &*stage.name == "first")
        .map(|stage| stage.stage.parameters()["text"].clone())
        .collect();
    assert_eq!(
        texts,
        [json!("of ten"), json!("of ten"), json!("of plain"), json!("of plain")]
    );
    assert_eq!(graph.points.len(), 3 * 2 * 2);
    let labels: Vec<&str> = labels(&graph)
        .into_iter()
        .filter(|label| label.starts_with("second"))
        .collect();
    assert_eq!(
        labels,
        [
            "second[b=3,seed=1]",
            "second[b=3,seed=2]",
            "second[b=4,seed=1]",
            "second[b=4,seed=2]"
        ]
    );
}

/// Parts that no stage joins have points of their own: their product is never built.
#[test]
fn independent_parts_do_not_multiply() {
    let mut text = "pipeline: p\nparams: { a: 1, b: 1, c: 1 }\nstages:\n".to_owned();
    for name in ["a", "b", "c"] {
        text += &format!("  of_{name}: {{ source: {{ with: {{ seed: ${name} }} }} }}\n");
    }
    text += "sweep: { axes: { a: { range: [1, 1000] }, b: { range: [1, 1000] }, c: { range: [1, 1000] } } }\n";
    let graph = parse(&text).unwrap();
    assert_eq!((graph.stages.len(), graph.points.len()), (3000, 3000));
    let shared = graph.stages.iter().all(|stage| stage.points.len() == 1);
    assert!(shared);
    let joined = text.replace(
        "stages:\n",
        "stages:\n  all: { join: { from: { left: of_a, right: of_b } } }\n",
    );
    let wrong = parse(&joined).err().unwrap();
    let found: Vec<_> = wrong.iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(found, ["the sweep has 1000000 points"]);
}

#[test]
fn the_command_line_keeps_the_rows_that_agree() {
    let graph = parse_with(GROUPS, &[("a", "10"), ("b", "4"), ("seed", "3")]).unwrap();
    assert_eq!(["first", "second", "both"].map(|name| count(&graph, name)), [1, 1, 1]);
    assert_eq!(&*graph.stages[0].label, "none");
    // A row that leaves a parameter out agrees with what stands in `params`.
    let graph = parse_with(GROUPS, &[("row", "plain")]).unwrap();
    assert_eq!(count(&graph, "first"), 2);
    let wrong = parse_with(GROUPS, &[("row", "eleven")]).err().unwrap();
    assert_eq!(
        wrong.iter().next().unwrap().hint.as_deref(),
        Some("values of `row`: `ten`, `plain`")
    );
}

/// Texts with commas: quoted one by one they are a list; one that the file has is itself, quoted or not.
#[test]
fn texts_of_the_command_line_may_have_commas() {
    let text = "
pipeline: p
params: { row: '', other: 'one, two' }
sweep: { rows: [{ row: 'disc, S = 8' }, { row: 'disc, S = 1' }, { row: halo }] }
stages: { one: { source: { with: { text: $row } } }, two: { source: { with: { text: $other } } } }
";
    let rows = |given: &str| count(&parse_with(text, &[("row", given)]).unwrap(), "one");
    assert_eq!(rows("\"disc, S = 8\",\"disc, S = 1\""), 2);
    assert_eq!(rows("'disc, S = 8', 'disc, S = 1', halo"), 3);
    assert_eq!(rows("halo, \"disc, S = 1\""), 2);
    for one in ["disc, S = 8", "\"disc, S = 8\"", "'disc, S = 1'", "halo"] {
        assert_eq!(rows(one), 1, "{one}");
    }
    assert!(parse_with(text, &[("row", "disc, S = 2")]).is_err());
    let twos = |given: &str| {
        let graph = parse_with(text, &[("other", given)]).unwrap();
        count(&graph, "two")
    };
    assert_eq!(["one, two", "one, three", "'a, b','c'"].map(twos), [1, 2, 2]);
}

/// A list for a parameter that is none makes an axis of it, in the place of that of the file.
#[test]
fn the_command_line_sweeps() {
    let text = "
pipeline: p
params: { a: 1, b: 2, list: [1], text: none }
sweep: { axes: { b: [3, 4, 5] } }
stages: { one: { source: { with: { seed: $a, number: $b, list: $list, text: $text } } } }
";
    let of = |given: &[(&str, &str)], key: &str| -> Vec<Value> {
        let graph = parse_with(text, given).unwrap();
        graph
            .stages
            .iter()
            .map(|stage| stage.stage.parameters()[key].clone())
            .collect()
    };
    assert_eq!(of(&[("b", "6")], "seed"), [json!(1)]);
    assert_eq!(of(&[("a", "7,8"), ("b", "6")], "seed"), [json!(7), json!(8)]);
    assert_eq!(of(&[("a", "[7, 8]"), ("b", "6")], "seed"), [json!(7), json!(8)]);
    assert_eq!(of(&[("b", "1e-3, 3e-3")], "number"), [json!(1e-3), json!(3e-3)]);
    assert_eq!(of(&[("a", "7,8")], "seed").len(), 6);
    // A list stays one, and so does a text in quotes.
    assert_eq!(of(&[("list", "1,2"), ("b", "6")], "list"), [json!([1.0, 2.0])]);
    assert_eq!(of(&[("text", "'one, two'"), ("b", "6")], "text"), [json!("one, two")]);
    let graph = parse_with(text, &[("a", "7,8"), ("b", "6")]).unwrap();
    assert_eq!(labels(&graph), ["one[a=7]", "one[a=8]"]);
    // Of rows, those with any of the values are kept; each must be there.
    let rows = text.replace("axes: { b: [3, 4, 5] }", "rows: [{ b: 3 }, { b: 4 }, { b: 5 }]");
    assert_eq!(
        labels(&parse_with(&rows, &[("b", "3,5")]).unwrap()),
        ["one[b=3]", "one[b=5]"]
    );
    assert!(parse_with(&rows, &[("b", "3,6")]).is_err());
    let wrong = parse_with(&text.replace("seed: $a", "seed: 1"), &[("a", "7,8")])
        .err()
        .unwrap();
    let wrong: Vec<_> = wrong
        .iter()
        .map(|mistake| (mistake.line, mistake.message.as_str()))
        .collect();
    assert_eq!(wrong, [(0, "`a` is swept, but no stage uses it")]);
    assert!(parse_with(text, &[("a", "[]")]).is_err());
}

/// The ends of a range may have units; the values are in the unit of the first.
#[test]
fn ranges_have_units() {
    let text = "
pipeline: p
params: { s: 1 kpc, t: 1 kpc }
sweep: { axes: { s: { range: [1 kpc, 3000 pc] }, t: { log: [1 pc, 0.1 kpc, 3] } } }
stages:
  of_s: { source: { with: { length: $s } } }
  of_t: { source: { with: { length: $t } } }
";
    let graph = parse(text).unwrap();
    let length = |stage: &crate::graph::StageInstance| stage.stage.parameters()["length"].as_f64().unwrap();
    let lengths: Vec<f64> = graph.stages.iter().map(length).collect();
    assert_eq!(lengths, [1.0, 2.0, 3.0, 0.001, 0.01, 0.1]);
    assert_eq!(&*graph.stages[1].label, "of_s[s=2 kpc]");
    for (range, reason) in [
        ("[1 kpc, 3]", "3 has no unit, but the first has kpc"),
        ("[1 kpc, 3 Gyr]", "3 Gyr is no number of kpc"),
    ] {
        let wrong = parse(&text.replace("[1 kpc, 3000 pc]", range)).err().unwrap();
        let message = format!("this is not a range: {reason}");
        assert_eq!(wrong.iter().next().unwrap().message, message);
    }
}

/// It is the quantity that must agree, not how it is written.
#[test]
fn rows_agree_in_any_unit() {
    let text = "
pipeline: p
params: { s: 1 kpc, seed: 1 }
sweep: { rows: [{ s: 5 kpc, seed: 1 }, { s: 7 kpc, seed: 2 }] }
stages: { one: { source: { with: { length: $s, seed: $seed } } } }
";
    for given in ["5 kpc", "5000 pc"] {
        let graph = parse_with(text, &[("s", given)]).unwrap();
        assert_eq!(graph.stages.len(), 1);
        assert_eq!(graph.stages[0].stage.parameters()["seed"], json!(1), "{given}");
    }
    assert!(parse_with(text, &[("s", "5 Gyr")]).is_err());
}

/// The parameter of a row may be a list or a mapping.
#[test]
fn rows_hold_lists_and_mappings() {
    let text = "
pipeline: p
params: { all: null, list: [1] }
stages: { a: { source: { with: $all } }, b: { source: { with: { list: $list } } } }
sweep: { rows: [{ all: { number: 3, list: [4] } }, { list: [1, 2] }, {}] }
";
    let graph = parse(text).unwrap();
    let found: Vec<_> = graph
        .stages
        .iter()
        .map(|stage| {
            (
                stage.stage.parameters()["number"].clone(),
                stage.stage.parameters()["list"].clone(),
            )
        })
        .collect();
    assert_eq!(found.len(), 4);
    assert_eq!(found[0], (json!(3.0), json!([4.0])));
    assert_eq!((&found[2].1, &found[3].1), (&json!([1.0]), &json!([1.0, 2.0])));
}

/// The old pair of words and the new one say the same.
#[test]
fn zip_and_rows_are_one() {
    let zip = "sweep: { zip: { mass: [1, 2], row: [a, b] }, axes: { seed: [1, 2] } }\n";
    let rows = "sweep: { rows: [{ mass: 1, row: a }, { mass: 2, row: b }], axes: { seed: [1, 2] } }\n";
    let head = "pipeline: p\nparams: { mass: 5, row: '', seed: 3 }\nstages:\n  a: { source: { with: { number: $mass, text: $row, seed: $seed } } }\n";
    let [zip, rows] = [zip, rows].map(|sweep| parse(&format!("{head}{sweep}")).unwrap());
    assert_eq!(summary(&zip), summary(&rows));
    assert_eq!(zip.points, rows.points);
}

const SEARCH: &str = "
pipeline: p
params: { rate: 1, width: 8, kind: plain, list: [1], seed: 1 }
stages:
  none: { source: { with: { seed: $seed } } }
  one: { join: { from: { left: two, right: none } } }
  two: { source: { with: { number: $rate, list: [$width], text: $kind } } }
sweep:
  axes: { seed: [1, 2] }
  search:
    over:
      rate: { log: [1e-4, 1e-2] }
      kind: [plain, wide]
      width: { integer: [16, 128], when: { kind: wide } }
    minimize: one.size
    method: sobol
    trials: 6
";

/// A search is rows of the trials that are known: what a trial does not search is as in `params`, and axes multiply.
#[test]
fn a_search_is_rows_of_its_trials() {
    let graph = parse(SEARCH).unwrap();
    let counts = ["none", "one", "two"].map(|name| count(&graph, name));
    assert_eq!(counts, [2, 12, 6]);
    let searched = graph.search.as_ref().unwrap();
    assert!(searched.known.last && searched.known.trials.len() == 6);
    for stage in graph.stages.iter().filter(|stage| &*stage.name == "two") {
        let with = stage.stage.parameters();
        let trials: Vec<usize> = stage
            .points
            .iter()
            .filter_map(|&point| searched.trials[point])
            .collect();
        assert!(trials.len() == 2 && trials[0] == trials[1]);
        let trial = &searched.known.trials[trials[0]];
        assert_eq!(trial[0].as_ref(), Some(&with["number"]));
        assert_eq!(trial[1].as_ref(), Some(&with["text"]));
        let width = trial[2].as_ref().and_then(Value::as_f64).unwrap_or(8.0);
        assert_eq!(trial[2].is_some(), with["text"] == "wide");
        assert_eq!(with["list"], json!([width]));
    }
    // What the command line sets is not searched; with a list it is an axis.
    let graph = parse_with(SEARCH, &[("kind", "wide"), ("rate", "1e-3,1e-4")]).unwrap();
    assert_eq!(count(&graph, "two"), 12);
    let axes = &graph.search.as_ref().unwrap().search.axes;
    assert_eq!(
        axes.iter().map(|axis| axis.name.as_str()).collect::<Vec<_>>(),
        ["width"]
    );
    let all = [("kind", "wide"), ("rate", "1e-3"), ("width", "16")];
    let graph = parse_with(SEARCH, &all).unwrap();
    assert!(graph.search.is_none() && count(&graph, "two") == 1);
    // One that learns knows its first trials only.
    let graph = parse(&SEARCH.replace("sobol", "tpe\n    batch: 4")).unwrap();
    let known = &graph.search.as_ref().unwrap().known;
    assert!(!known.last && known.trials.len() == 4);
}

const GATHERED: &str = "
pipeline: gathered
params: { seed: 1, width: 1, depth: 1 }
stages:
  one: { source: { with: { seed: $seed, number: $width } } }
  plain: { source: { with: { number: $depth } } }
  all: { gather: { from: { tables: { of: one, over: seed } } } }
  both: { gather: { from: { tables: [{ of: one, over: [seed, width] }, plain] } } }
  after: { gather: { from: { tables: all } } }
sweep: { axes: { seed: [1, 2, 3], width: [10, 20], depth: [5, 6] } }
";

/// What is connected over a parameter no longer varies with it.
#[test]
fn a_stage_is_connected_over_all_values_of_a_parameter() {
    let graph = parse(GATHERED).unwrap();
    let counts = ["one", "all", "both", "after"].map(|name| count(&graph, name));
    assert_eq!(counts, [6, 2, 2, 2]);
    let inputs = |label: &str| {
        let stage = graph.stages.iter().find(|stage| &*stage.label == label).unwrap();
        let from = |input: &crate::graph::Connection| format!("{} {}", input.port, graph[input.from].label);
        stage.inputs.iter().map(from).collect::<Vec<_>>()
    };
    let all = inputs("all[width=20]");
    let expected = [
        "tables one[seed=1,width=20]",
        "tables.2 one[seed=2,width=20]",
        "tables.3 one[seed=3,width=20]",
    ];
    assert_eq!(all, expected);
    let both = inputs("both[depth=6]");
    assert_eq!((both.len(), both[6].as_str()), (7, "tables.7 plain[depth=6]"));
    // Of a parameter that is set there is one value, and the stage is still connected.
    let graph = parse_with(GATHERED, &[("seed", "7")]).unwrap();
    let stage = graph.stages.iter().find(|stage| &*stage.name == "all").unwrap();
    assert_eq!(stage.inputs.len(), 1);
}

#[test]
fn mistakes_of_what_is_connected_over_parameters_are_reported() {
    let messages = |text: &str| {
        let wrong = parse(text).err().unwrap();
        wrong.iter().map(|mistake| mistake.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        messages(&GATHERED.replace("over: seed }", "over: sed }")),
        ["there is no parameter `sed`"]
    );
    assert_eq!(
        messages(&GATHERED.replace("of: one, over: seed }", "of: on, over: seed }")),
        ["there is no stage `on`"]
    );
    let shape = messages(&GATHERED.replace("over: seed }", "over: [] }"));
    assert!(
        shape[0].starts_with("input `tables` must be a stage, and the names of swept parameters"),
        "{shape:?}"
    );
    let shape = messages(&GATHERED.replace("over: seed }", "with: seed }"));
    assert!(
        shape[0].starts_with("input `tables` must be the name of a stage"),
        "{shape:?}"
    );
    // Of a port that takes one, there may be only one.
    let one = GATHERED.replace(
        "  after:",
        "  drawn: { draw: { from: { table: { of: one, over: seed } }, with: { title: t } } }\n  after:",
    );
    assert_eq!(messages(&one), ["input `table` takes one stage, not a list"]);
}

#[test]
fn mistakes_of_pruning_are_reported_together() {
    let text = "
pipeline: p
params: { width: 1 }
stages: { one: { source: { with: { number: $width } } } }
sweep: { search: { over: { width: { uniform: [1, 2] } }, minimize: one.x, trials: 8, prune: PRUNE } }
";
    let messages = |prune: &str| {
        let wrong = parse(&text.replace("PRUNE", prune)).err().unwrap();
        wrong.iter().map(|mistake| mistake.message.clone()).collect::<Vec<_>>()
    };
    assert!(parse(&text.replace("PRUNE", "{ stage: one, at: [1, 3], keep: 0.3 }")).is_ok());
    let all = messages("{ stage: 3, at: [3, 3], keep: 1, every: 2 }");
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all.iter().any(|one| one.contains("a list of rising epochs")), "{all:?}");
    assert_eq!(messages("{ stage: two, at: [3] }"), ["there is no stage `two`"]);
    assert!(messages("{ stage: one, at: [] }")[0].contains("a list of rising epochs"));
    assert!(messages("{ stage: one, at: [1], keep: 0 }")[0].contains("want a share between 0 and 1"));
}
