//! In which order what a run writes is put on the disk.

use super::*;
use crate::store::Manifest;
use crate::store::commit::Disk;

/// Writes down what is asked of it, and what it is told.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<Step>>>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Everything is on the disk; what was whole when that was begun: folders with a manifest, their files, entries in their places.
    SyncedAll(Vec<PathBuf>),
    Synced(PathBuf),
    /// A folder with these files is about to be moved.
    Renamed(PathBuf, PathBuf, Vec<PathBuf>),
    /// A stage is said to have ended.
    Finished(String),
}

impl Written {
    fn push(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

/// A disk that can write everything at once, or cannot.
#[derive(Debug)]
struct Recording {
    written: Written,
    cache: PathBuf,
    can_sync_all: bool,
}

impl Recording {
    fn whole(&self) -> Vec<PathBuf> {
        let inside = |folder: &Path| crate::store::files::entries(folder).unwrap_or_default();
        let partial = inside(&self.cache.join("partial")).into_iter();
        // The manifest is written last.
        let written = |folder: &PathBuf| {
            fs::read(folder.join("manifest.json")).is_ok_and(|text| Manifest::parse(&text).is_some())
        };
        let partial = partial
            .filter(written)
            .flat_map(|folder| inside(&folder).into_iter().chain([folder]));
        let kinds = inside(&self.cache.join("v1")).into_iter().filter(|path| path.is_dir());
        partial.chain(kinds.flat_map(|kind| inside(&kind))).collect()
    }
}

impl Disk for Recording {
    fn sync_all(&self) -> bool {
        let whole = self.whole();
        // As long as a disk takes, so that groups form.
        std::thread::sleep(Duration::from_millis(5));
        if self.can_sync_all {
            self.written.push(Step::SyncedAll(whole));
        }
        self.can_sync_all
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        std::thread::sleep(Duration::from_millis(1));
        fs::File::open(path)?.sync_all()?;
        self.written.push(Step::Synced(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let files = fs::read_dir(from).into_iter().flatten().flatten();
        let files = files.map(|entry| entry.path()).collect();
        // Written down before, so that a sync that ends meanwhile does not count.
        let step = Step::Renamed(from.to_owned(), to.to_owned(), files);
        if from.exists() {
            self.written.push(step);
        }
        fs::rename(from, to)
    }
}

impl Sink for Written {
    fn take(&mut self, event: &Event) {
        if let Event::StageFinished { stage, .. } = event {
            self.push(Step::Finished(stage.clone()));
        }
    }
}

/// Whether one of these steps put `path` on the disk, alone or as `among` all.
fn is_synced(path: &Path, among: &Path, steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::SyncedAll(whole) => whole.iter().any(|whole| whole == among),
        Step::Synced(synced) => synced == path,
        _ => false,
    })
}

/// No entry becomes visible before its files, and no stage is said to have ended before its entry, is on the disk.
#[test]
fn nothing_is_seen_before_it_is_on_the_disk() {
    for can_sync_all in [true, false] {
        let place = Place::new();
        let graph = toy_graph(|toys| {
            for chain in 0..12 {
                toys.add(&format!("a{chain}"), source(chain), &[]);
                toys.add(&format!("b{chain}"), Join { add: 1.0 }, &[("a", &format!("a{chain}"))]);
            }
        });
        let written = Written::default();
        let disk = Recording {
            written: written.clone(),
            cache: place.results().join("cache"),
            can_sync_all,
        };
        let store = place.store().on(disk);
        let plan = plan(&graph, &store, &place.options).unwrap();
        let summary = execute(place.work(&graph, &plan, &store), &mut [Box::new(written.clone())]);
        assert_eq!((summary.failures.len(), summary.ran), (0, 24));
        let steps = written.0.lock().unwrap().clone();
        let mut renamed = 0;
        for (at, step) in steps.iter().enumerate() {
            let Step::Renamed(from, to, files) = step else { continue };
            renamed += 1;
            assert!(files.len() >= 3, "{files:?}");
            for path in files.iter().chain([from]) {
                assert!(
                    is_synced(path, path, &steps[..at]),
                    "{} is not on the disk",
                    path.display()
                );
            }
            let hash = to.file_name().unwrap().to_str().unwrap();
            let finished = steps.iter().position(|step| match step {
                Step::Finished(label) => place.entry(&graph, label).ends_with(hash),
                _ => false,
            });
            let finished = finished.unwrap();
            assert!(at < finished && is_synced(to.parent().unwrap(), to, &steps[at..finished]));
        }
        assert_eq!(renamed, 24);
        let together = steps.iter().filter(|step| matches!(step, Step::SyncedAll(_))).count();
        assert_eq!(together > 0, can_sync_all);
        assert!(together < 24, "{together} syncs for 24 stages");
        assert_eq!(place.good(&graph).ran(), "");
    }
}
