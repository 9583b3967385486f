//! Seals: they speak only while nothing has changed.

use super::*;
use crate::seal::{Answer, Key, answer, seal};
use crate::spec::PipelineFile;
use crate::store::nanoseconds;
use crate::store::runs::Asked;

/// A run of a source that reads a file, and of what follows from it, sealed.
struct Sealed {
    place: Place,
    graph: Graph,
    yaml: PathBuf,
}

impl Sealed {
    fn new() -> Self {
        let place = Place::new();
        let (yaml, data) = (place.folder.path().join("p.yaml"), place.folder.path().join("number"));
        fs::write(&yaml, "pipeline: toys\n").unwrap();
        fs::write(&data, "3\n").unwrap();
        let source = Source {
            file: Some(data),
            ..source(1)
        };
        let graph = toy_graph(|toys| {
            toys.add("a", source, &[]);
            toys.add("b", Join { add: 1.0 }, &[("a", "a")]);
        });
        place.good(&graph);
        let sealed = Self { place, graph, yaml };
        assert!(sealed.seal());
        sealed
    }

    fn key(&self, overrides: &[(&str, &str)]) -> Key {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let overrides: Vec<_> = overrides.iter().map(own).collect();
        Key::new(
            &self.place.results(),
            &PipelineFile::read(&self.yaml).unwrap(),
            &overrides,
        )
        .unwrap()
    }

    fn said() -> Answer {
        Answer {
            asked: Asked {
                pipeline: "toys".to_owned(),
                file: PathBuf::from("p.yaml"),
                yaml: Hash256::of("pipeline: toys\n"),
                overrides: Vec::new(),
                to: Vec::new(),
                parameters: serde_json::Map::new(),
            },
            fresh: 2,
            skipped: 0,
            worker: None,
            outside_tolerance: false,
            plan: "nothing to run".to_owned(),
            results: "δJ".to_owned(),
        }
    }

    /// Seals as if it were a minute later: the time of a file's last change of attributes cannot be set back.
    fn seal(&self) -> bool {
        self.seal_after(60)
    }

    fn seal_after(&self, seconds: i64) -> bool {
        let now = nanoseconds(std::time::SystemTime::now()) + seconds * 1_000_000_000;
        let (store, plan) = (self.place.store(), self.place.plan(&self.graph));
        let beside = [crate::store::state::path(&store.pipeline_folder("toys"))];
        seal(&self.key(&[]), &self.graph, &plan, &store, Self::said(), &beside, now).unwrap()
    }

    fn answer(&self) -> Option<Answer> {
        answer(&self.place.results(), &self.key(&[]))
    }
}

#[test]
fn a_seal_says_what_it_was_told_until_a_file_changes() {
    let sealed = Sealed::new();
    assert_eq!(sealed.answer(), Some(Sealed::said()));
    assert_eq!(answer(&sealed.place.results(), &sealed.key(&[("seed", "2")])), None);
    let cached = sealed.place.entry(&sealed.graph, "a");
    let folder = sealed.place.folder.path();
    let files = [
        folder.join("p.yaml"),
        cached.join("manifest.json"),
        cached.join("fingerprint.json"),
        cached.join("values.parquet"),
        cached.join("negative.parquet"),
        folder.join("results/toys/state.json"),
        folder.join("number"),
    ];
    for file in files {
        let before = fs::read(&file).unwrap();
        // The same length, and the time of the last change set back: only the time of the attributes tells.
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        let mut changed = before.clone();
        changed[0] ^= 1;
        fs::write(&file, &changed).unwrap();
        let opened = fs::File::options().append(true).open(&file).unwrap();
        opened.set_modified(modified).unwrap();
        assert_eq!(sealed.answer(), None, "{} changed", file.display());
        fs::write(&file, &before).unwrap();
        sealed.place.good(&sealed.graph);
        assert!(sealed.seal(), "{}", file.display());
        assert_eq!(sealed.answer(), Some(Sealed::said()), "{} is as before", file.display());
    }
    fs::remove_file(cached.join("manifest.json")).unwrap();
    assert_eq!(sealed.answer(), None, "an entry is gone");
}

#[test]
fn a_damaged_seal_says_nothing() {
    let sealed = Sealed::new();
    let folder = sealed.place.results().join("cache/seals");
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        for damaged in [
            good[..at].to_vec(),
            [&good[..at], &[good[at] ^ 4], &good[at + 1..]].concat(),
        ] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(sealed.answer(), None, "byte {at}");
        }
    }
    fs::write(&file, good).unwrap();
    assert_eq!(sealed.answer(), Some(Sealed::said()));
}

#[test]
fn what_may_change_unseen_or_is_not_done_is_not_sealed() {
    let sealed = Sealed::new();
    fs::write(sealed.place.folder.path().join("number"), "4\n").unwrap();
    assert!(!sealed.seal(), "a stage is stale");
    sealed.place.good(&sealed.graph);
    assert!(!sealed.seal_after(0), "the file was written just now");
    assert!(sealed.seal_after(3), "a change after this would be seen");
}
