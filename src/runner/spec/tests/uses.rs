//! `use`, `defaults`, and what a pipeline of several files says of itself.

use super::*;

/// Files in a folder of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn load_with(&self, overrides: &[(&str, &str)]) -> Result<Graph, Diagnostics> {
        let overrides = overrides
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&self.path("p.yaml"), &overrides.collect::<Vec<_>>(), &kinds::catalog())
    }

    fn load(&self) -> Graph {
        self.load_with(&[])
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
    }

    /// The mistakes, with the folder left out.
    fn wrong(&self) -> String {
        let shown = self.load_with(&[]).err().unwrap().render(false);
        shown.replace(&format!("{}/", self.0.path().display()), "")
    }
}

const INNER: &str = "
pipeline: inner
params: { seed: 7, number: 2.0, row: '' }
defaults: { source: { text: $row, number: 5 } }
stages:
  sets: { source: { with: { seed: $seed, number: $number } } }
  other: { source: { with: { text: fixed } } }
  joined: { join: { from: { left: sets, right: other } } }
sweep:
  rows:
    - { row: first }
    - { row: second, number: 3 }
    - { row: third, number: 3 }
";

fn two() -> Files {
    let outer = "
pipeline: outer
params: { seed: 1 }
use:
  a: { pipeline: inner.yaml, with: { seed: $seed } }
  b: { pipeline: inner.yaml, with: { number: 3 }, to: [sets] }
stages:
  end: { join: { from: { left: a.joined.rest, right: b.sets } } }
sweep: { axes: { seed: [1, 2] } }
";
    Files::new(&[("p.yaml", outer), ("inner.yaml", INNER)])
}

#[test]
fn used_stages_have_names_defaults_and_rows_of_their_own() {
    let graph = two().load();
    assert_eq!(graph.pipeline, "outer");
    let of = |name: &str| {
        graph
            .stages
            .iter()
            .filter(|stage| *stage.name == *name)
            .collect::<Vec<_>>()
    };
    let found: Vec<_> = graph.stages.iter().map(|stage| &*stage.name).collect();
    let mut names = found.clone();
    names.dedup();
    assert_eq!(names, ["a.sets", "a.other", "a.joined", "b.sets", "end"], "{found:?}");
    // Each of the six varies with the rows of its file and the axis of the outer one.
    assert_eq!(of("a.sets").len(), 6);
    assert_eq!(&*of("a.sets")[0].label, "a.sets[seed=1,row=first]");
    assert_eq!(of("a.sets")[0].stage.parameters()["text"], json!("first"));
    // A stage's own `with` wins over the defaults, key by key.
    assert_eq!(of("a.other").len(), 1);
    assert_eq!(of("a.other")[0].stage.parameters()["text"], json!("fixed"));
    assert_eq!(of("a.other")[0].stage.parameters()["number"], json!(5.0));
    // Rows that agree are kept.
    let texts: Vec<_> = of("b.sets")
        .iter()
        .map(|stage| stage.stage.parameters()["text"].clone())
        .collect();
    assert_eq!(texts, [json!("second"), json!("third")]);
    assert!(
        of("b.sets")
            .iter()
            .all(|stage| stage.stage.parameters()["seed"] == json!(7))
    );
    assert_eq!(of("end").len(), 12);
    for stage in of("end") {
        assert_eq!(stage.inputs[0].output, "rest");
        assert_eq!(stage.points.len(), 1);
    }
    assert_eq!(graph.points.len(), 12);
    let names: Vec<&str> = graph.points[0].iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["seed", "a.row", "a.number", "b.row", "b.number"]);
}

#[test]
fn the_command_line_sets_parameters_of_used_pipelines() {
    let graph = two()
        .load_with(&[("a.number", "3"), ("seed", "4"), ("b.seed", "9")])
        .unwrap();
    let of = |name: &str| {
        graph
            .stages
            .iter()
            .filter(|stage| *stage.name == *name)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a.sets").len(), 2);
    assert!(
        of("a.sets")
            .iter()
            .all(|stage| stage.stage.parameters()["seed"] == json!(4))
    );
    assert!(
        of("b.sets")
            .iter()
            .all(|stage| stage.stage.parameters()["seed"] == json!(9))
    );
    let wrong = two()
        .load_with(&[("a.number", "4"), ("a.sed", "1"), ("c.seed", "1")])
        .err()
        .unwrap();
    let said: Vec<_> = wrong.iter().map(|mistake| mistake.message.as_str()).collect();
    let expected = [
        "`-p a.sed=…`: there is no parameter `a.sed`",
        "`-p c.seed=…`: there is no parameter `c.seed`",
        "`-p a.number=4`: no row of the sweep has this value",
    ];
    assert_eq!(said, expected);
}

#[test]
fn outer_columns_choose_the_rows_of_a_used_file() {
    let outer = "
pipeline: outer
params: { which: 2 }
use: { a: { pipeline: inner.yaml, with: { number: $which } } }
stages: { end: { draw: { from: { table: a.sets }, with: { title: t } } } }
sweep: { axes: { which: [2, 3] } }
";
    let graph = Files::new(&[("p.yaml", outer), ("inner.yaml", INNER)]).load();
    let of = |name: &str| graph.stages.iter().filter(|stage| *stage.name == *name).count();
    assert_eq!((of("a.sets"), of("end")), (3, 3));
    let points: Vec<_> = graph
        .points
        .iter()
        .map(|point| ((*point[0].1).clone(), (*point[1].1).clone()))
        .collect();
    assert_eq!(
        points,
        [
            (json!(2), json!("first")),
            (json!(3), json!("second")),
            (json!(3), json!("third"))
        ]
    );
    let none = outer.replace("[2, 3]", "[2, 3, 4]");
    let wrong = Files::new(&[("p.yaml", &none), ("inner.yaml", INNER)]).wrong();
    assert!(wrong.contains("no row there has `number: 4`"), "{wrong}");
    assert!(wrong.contains("p.yaml:4:"), "{wrong}");
}

#[test]
fn uses_nest_and_paths_start_at_the_folder_of_their_file() {
    let files = Files::new(&[
        (
            "p.yaml",
            "pipeline: p\nuse: { a: { pipeline: below/a.yaml, to: [b.reading] } }\n",
        ),
        (
            "below/a.yaml",
            "pipeline: a\nuse: { b: { pipeline: deep/b.yaml, with: { skip: 3 } } }\nstages: { idle: { source: {} } }\n",
        ),
        (
            "below/deep/b.yaml",
            "pipeline: b\nparams: { skip: 1 }\nstages:\n  reading: { read: { with: { path: data.txt, skip: $skip } } }\n  idle: { source: {} }\n",
        ),
        ("below/deep/data.txt", "1"),
    ]);
    let graph = files.load();
    assert_eq!(labels(&graph), ["a.b.reading"]);
    assert_eq!(graph.stages[0].files[0].path, files.path("below/deep/data.txt"));
    assert_eq!(graph.stages[0].stage.parameters()["skip"], json!(3));
}

/// The line of the file where the mistake is, and where that file is used; each mistake once, however often it is used.
#[test]
fn mistakes_in_used_files_are_shown_there() {
    let outer = "
pipeline: outer
params: { number: 2 }
use:
  a: { pipeline: inner.yaml, with: { number: [1] } }
  b: { pipeline: inner.yaml }
  c: { pipeline: inner.yaml, with: { seed: $number } }
";
    let inner = INNER.replace("text: fixed", "txt: fixed").replace("sweep:", "swep:");
    let files = Files::new(&[("p.yaml", outer), ("inner.yaml", &inner)]);
    let diagnostics = files.load_with(&[]).err().unwrap();
    let name = |file: &str| Path::new(file).file_name().unwrap().to_string_lossy().into_owned();
    let found: Vec<_> = diagnostics
        .iter()
        .map(|mistake| {
            let related = mistake.related.iter();
            let related: Vec<_> = related.map(|one| (name(&one.file), one.line, one.column)).collect();
            (name(&mistake.file), mistake.line, mistake.code, related)
        })
        .collect();
    let place = |line, column| ("p.yaml".to_owned(), line, column);
    let inner = || "inner.yaml".to_owned();
    let expected = [
        (inner(), 6, "WrongType", vec![place(5, 38), place(5, 3)]),
        (inner(), 7, "UnknownKey", vec![place(5, 3)]),
        (inner(), 9, "UnknownKey", vec![place(5, 3)]),
    ];
    assert_eq!(found, expected, "{diagnostics}");
    let shown = files.wrong();
    assert!(shown.contains("inner.yaml:6:"), "{shown}");
    assert!(shown.contains("  used at p.yaml:5:3\n"), "{shown}");
    assert!(shown.contains("  `number` is set at p.yaml:5:38\n"), "{shown}");
}

/// What a seal and a record stand for are the texts of all files, as they were read at once.
#[test]
fn a_pipeline_file_is_all_of_its_files() {
    let files = two();
    let read = || PipelineFile::read(&files.path("p.yaml")).unwrap();
    let (before, graph) = (read(), |file: &PipelineFile| {
        file.resolve(&[], &kinds::catalog()).unwrap()
    });
    assert_eq!(graph(&before).stages.len(), 27);
    std::fs::write(files.path("inner.yaml"), INNER.replace("seed: 7", "seed: 8")).unwrap();
    let after = read();
    assert_ne!(before.hash(), after.hash());
    assert!(before.text().contains("seed: 7") && after.text().contains("seed: 8"));
    let seed = |file: &PipelineFile| {
        graph(file)
            .stages
            .iter()
            .find(|stage| &*stage.name == "b.sets")
            .unwrap()
            .stage
            .parameters()["seed"]
            .clone()
    };
    assert_eq!((seed(&before), seed(&after)), (json!(7), json!(8)));
    let place = before.place("a.sets", &["source"]).unwrap();
    assert!(place.ends_with("inner.yaml:6"), "{place}");
    assert!(before.place("end", &["join"]).unwrap().ends_with("p.yaml:8"));
    std::fs::remove_file(files.path("inner.yaml")).unwrap();
    assert_eq!(read().resolve(&[], &kinds::catalog()).err().unwrap().len(), 2);
}

#[test]
fn the_first_edition_is_read_with_a_note_for_each_file() {
    let first = INNER
        .replace("$seed", "\"${seed}\"")
        .replace("$number", "\"${number}\"");
    let outer = "pipeline: p\nuse: { a: { pipeline: inner.yaml }, b: { pipeline: inner.yaml } }\n";
    let graph = Files::new(&[("p.yaml", outer), ("inner.yaml", &first)]).load();
    assert_eq!(graph.notes.len(), 1, "{:?}", graph.notes);
    assert!(graph.notes[0].contains("inner.yaml is in the first edition"));
    assert_eq!(two().load().notes, Vec::<String>::new());
    let zip = "pipeline: p\nparams: { seed: 1 }\nstages: { a: { source: { with: { seed: $seed } } } }\nsweep: { zip: { seed: [1, 2] } }\n";
    assert_eq!(parse(zip).unwrap().notes.len(), 1);
}
