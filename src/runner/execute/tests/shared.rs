//! Results folders above a shared cache: what one made the others have, and whatever becomes of the cache, every run ends as without it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::shared::{
    Address, Content, Folder, Mode, Name, OtherResults, Put, Remote as Away, Setting, Shared, Trouble,
};
use crate::store::Damage;

/// A place above a cache, as a process of its own opens it each time.
pub(super) fn above(cache: &Path, mode: Mode) -> Place {
    let cache = cache.to_owned();
    Place {
        shared: Some(Box::new(move || {
            shared(Box::new(Folder::new(cache.clone(), mode == Mode::ReadWrite)), mode)
        })),
        ..Place::new()
    }
}

fn shared(remote: Box<dyn Away>, mode: Mode) -> Arc<Shared> {
    let address = Address::Folder(PathBuf::from("/cache"));
    Arc::new(Shared::new(Setting { address, mode }, remote))
}

/// The cache and a place where the diamond was run.
fn made() -> (tempfile::TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let first = above(folder.path(), Mode::ReadWrite);
    assert_eq!(first.good(&diamond(|_| ())).ran(), "a b c d e");
    (folder, first)
}

impl Place {
    /// Labels of the stages whose outputs are here.
    fn here(&self, graph: &Graph) -> String {
        let here = |(stage, entry): (&crate::graph::StageInstance, &Entry)| match entry {
            Entry::Hit(cached) if cached.is_here => Some(stage.label.to_string()),
            _ => None,
        };
        let plan = self.plan(graph);
        let labels: Vec<String> = graph.stages.iter().zip(&plan.entries).filter_map(here).collect();
        labels.join(" ")
    }

    /// Contents of all outputs that are here, by kind, hash and file.
    fn outputs(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.results().join("cache/v1");
        let files = self.files().into_iter();
        let files = files.filter(|file| file.extension().is_some_and(|ending| ending == "parquet"));
        let files =
            files.filter_map(|file| Some((file.strip_prefix(&entries).ok()?.display().to_string(), file.clone())));
        files.map(|(name, file)| (name, fs::read(file).unwrap())).collect()
    }
}

/// A file of the cache that holds this.
fn objects(cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(cache.join("v1/objects")).unwrap() {
        found.extend(
            fs::read_dir(folder.unwrap().path())
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    found.sort();
    found
}

#[test]
fn what_one_made_another_has() {
    let (cache, first) = made();
    let graph = diamond(|_| ());
    let second = above(cache.path(), Mode::ReadWrite);
    assert_eq!(second.words(&graph), "a hit, b hit, c hit, d hit, e hit");
    assert!(!second.results().exists(), "planning wrote something");
    let done = second.good(&graph);
    assert_eq!((done.ran().as_str(), done.summary.ran, done.summary.fresh), ("", 0, 5));
    // Only what someone looks at is fetched.
    assert_eq!(second.here(&graph), "e");
    let (ours, theirs) = (second.outputs(), first.outputs());
    assert_eq!(ours.len(), 1);
    assert!(ours.iter().all(|(name, content)| theirs[name] == *content));
    // What is known of the others is kept: the cache is not asked again.
    fs::rename(cache.path().join("v1"), cache.path().join("elsewhere")).unwrap();
    assert_eq!(second.good(&graph).ran(), "");
    assert_eq!(second.words(&graph), "a hit, b hit, c hit, d hit, e hit");
}

#[test]
fn what_a_stage_reads_is_fetched() {
    let (cache, first) = made();
    let other = diamond(|graph| stage(graph, "e").revision = 2);
    let second = above(cache.path(), Mode::Read);
    assert_eq!(second.good(&other).ran(), "e");
    assert_eq!(second.here(&other), "c d e");
    assert_eq!(
        second.number(&other, "e", "sum.parquet"),
        first.number(&diamond(|_| ()), "e", "sum.parquet")
    );
    // It is only read: what was made there is not put into it.
    assert_eq!(above(cache.path(), Mode::Read).good(&other).ran(), "e");
    // All of it can be fetched.
    let store = second.store();
    for (kind, hash) in store.all_away() {
        store.bring(&kind, &hash).unwrap();
    }
    assert_eq!((second.here(&other).as_str(), store.all_away().len()), ("a b c d e", 0));
    assert!(
        store
            .verify_all()
            .unwrap()
            .entries
            .iter()
            .all(|entry| entry.problems.is_empty())
    );
}

#[test]
fn what_is_damaged_there_is_made_again_and_mended() {
    let graph = diamond(|_| ());
    let other = diamond(|graph| stage(graph, "e").revision = 2);
    let (cache, first) = made();
    let whole: Vec<Vec<u8>> = objects(cache.path())
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    let damages: [fn(&mut Vec<u8>); 3] = [|content| content[0] ^= 1, |content| content.push(b'0'), Vec::clear];
    for damage in damages {
        for (file, content) in objects(cache.path()).iter().zip(&whole) {
            let mut damaged = content.clone();
            damage(&mut damaged);
            fs::write(file, damaged).unwrap();
        }
        // `e` reads `c` and `d`, these `a` and `b`: all of them are damaged.
        let second = above(cache.path(), Mode::ReadWrite);
        let done = second.run(&other);
        assert_eq!((done.summary.failures.len(), done.ran().as_str()), (0, "a b c d e"));
        assert!(
            done.summary
                .warnings
                .iter()
                .any(|text| text.contains("is not what was written")),
            "{:?}",
            done.summary
        );
        assert_eq!(
            second.number(&other, "e", "sum.parquet"),
            first.number(&graph, "e", "sum.parquet")
        );
        // What nobody has read yet is found by the next who does.
        above(cache.path(), Mode::ReadWrite).run(&graph);
        let now: Vec<Vec<u8>> = objects(cache.path())
            .iter()
            .map(|file| fs::read(file).unwrap())
            .collect();
        assert_eq!(now, whole, "what was made again is there in its place");
        assert_eq!(above(cache.path(), Mode::ReadWrite).good(&graph).ran(), "");
        for entry in fs::read_dir(cache.path().join("v1/entries/join")).unwrap() {
            let file = entry.unwrap().path();
            if fs::read_to_string(&file).unwrap().contains("revision\\\":2") {
                fs::remove_file(file).unwrap();
            }
        }
    }
}

#[test]
fn an_entry_that_is_damaged_there_is_passed_over() {
    let (cache, _) = made();
    let graph = diamond(|_| ());
    for kind in ["source", "join"] {
        for entry in fs::read_dir(cache.path().join("v1/entries").join(kind)).unwrap() {
            let file = entry.unwrap().path();
            let mut text = fs::read(&file).unwrap();
            let middle = text.len() / 2;
            text[middle] ^= 1;
            fs::write(&file, text).unwrap();
        }
    }
    let second = above(cache.path(), Mode::ReadWrite);
    let done = second.run(&graph);
    assert_eq!((done.summary.failures.len(), done.ran().as_str()), (0, "a b c d e"));
    assert!(
        done.summary.warnings.iter().any(|text| text.contains("passed over")),
        "{:?}",
        done.summary.warnings
    );
    // They were put there again.
    assert_eq!(above(cache.path(), Mode::ReadWrite).good(&graph).ran(), "");
}

/// A place that is gone after so many calls.
#[derive(Debug)]
struct Dying {
    place: Folder,
    left: AtomicUsize,
}

impl Dying {
    fn alive(&self) -> Result<(), Trouble> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop)
            .map_err(|_| Trouble::Unreachable("no connection".to_owned()))
    }
}

impl Away for Dying {
    fn get(&self, name: &Name<'_>, to: &mut dyn io::Write) -> Result<bool, Trouble> {
        self.alive()?;
        self.place.get(name, to)
    }

    fn put(&self, name: &Name<'_>, content: Content<'_>, place: Put) -> Result<bool, Trouble> {
        self.alive()?;
        self.place.put(name, content, place)
    }

    fn size(&self, name: &Name<'_>) -> Result<Option<u64>, Trouble> {
        self.alive()?;
        self.place.size(name)
    }

    fn list(&self, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
        self.alive()?;
        self.place.list(each)
    }
}

#[test]
fn whenever_it_dies_the_run_ends_with_one_warning() {
    let (cache, first) = made();
    // Some of it is there, and some is not.
    let graph = diamond(|graph| stage(graph, "d").revision = 2);
    let plain = Place::new();
    plain.good(&graph);
    let mut shut = 0;
    for left in 0..24 {
        let folder = cache.path().to_owned();
        let place = Place {
            shared: Some(Box::new(move || {
                let place = Folder::new(folder.clone(), true);
                let left = AtomicUsize::new(left);
                shared(Box::new(Dying { place, left }), Mode::ReadWrite)
            })),
            ..Place::new()
        };
        let done = place.run(&graph);
        assert_eq!(done.summary.failures, [], "after {left} calls");
        assert!(
            done.summary.warnings.len() <= 1,
            "after {left} calls: {:?}",
            done.summary.warnings
        );
        shut += done.summary.warnings.len();
        let (ours, all) = (place.outputs(), plain.outputs());
        assert!(
            ours.iter().all(|(name, content)| all[name] == *content),
            "after {left} calls"
        );
        assert_eq!(
            place.number(&graph, "e", "sum.parquet"),
            first.number(&diamond(|_| ()), "e", "sum.parquet")
        );
        // What is in the cache is whole, however far it came.
        let reader = above(cache.path(), Mode::Read);
        reader.good(&graph);
        for entry in fs::read_dir(cache.path().join("v1/entries/join")).unwrap() {
            let file = entry.unwrap().path();
            if fs::read_to_string(&file).unwrap().contains("revision\\\":2") {
                fs::remove_file(file).unwrap();
            }
        }
    }
    assert!((3..24).contains(&shut), "it died in {shut} of 24 runs");
}

#[test]
fn those_who_write_at_once_do_no_harm() {
    let cache = tempfile::tempdir().unwrap();
    let graph = diamond(|_| ());
    let places: Vec<Place> = (0..4).map(|_| above(cache.path(), Mode::ReadWrite)).collect();
    std::thread::scope(|scope| {
        for place in &places {
            let graph = &graph;
            scope.spawn(move || place.good(graph));
        }
    });
    let reader = above(cache.path(), Mode::Read);
    assert_eq!(reader.good(&graph).ran(), "");
    // Who finds an output there before it needs it leaves it there.
    let all = |place: &Place| {
        let store = place.store();
        for (kind, hash) in store.all_away() {
            store.bring(&kind, &hash).unwrap();
        }
        place.outputs()
    };
    let outputs = all(&reader);
    assert_eq!(outputs.len(), 7);
    for place in &places {
        assert_eq!(all(place), outputs);
    }
}

#[test]
fn the_results_of_someone_else_are_a_layer_below() {
    let first = Place::new();
    let graph = diamond(|_| ());
    first.good(&graph);
    let before = first.files();
    let theirs = first.results();
    let second = Place {
        shared: Some(Box::new(move || {
            shared(Box::new(OtherResults::find(&theirs).unwrap()), Mode::Read)
        })),
        ..Place::new()
    };
    assert_eq!(second.good(&graph).ran(), "");
    assert_eq!(second.here(&graph), "e");
    assert_eq!(first.files(), before, "it was only read");
    // An output that is damaged there is not believed.
    let entry = first.entry(&graph, "d").join("sum.parquet");
    fs::write(&entry, "9\n").unwrap();
    let other = diamond(|graph| stage(graph, "e").revision = 2);
    let done = second.run(&other);
    assert_eq!((done.summary.failures.len(), done.ran().as_str()), (0, "d e"));
    assert_eq!(second.number(&other, "e", "sum.parquet"), 10.0);
}

#[test]
fn what_is_damaged_here_comes_from_there() {
    let (cache, first) = made();
    let graph = diamond(|_| ());
    let file = first.entry(&graph, "c").join("sum.parquet");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "12345678\n").unwrap();
    let done = first.good(&graph);
    assert_eq!(done.ran(), "", "it was fetched");
    assert_eq!(fs::read(&file).unwrap(), whole);
    // One that cannot be had there either is made again.
    fs::remove_dir_all(cache.path().join("v1")).unwrap();
    fs::write(&file, "12345678\n").unwrap();
    assert_eq!(first.good(&graph).ran(), "c");
}

#[test]
fn what_is_gone_there_is_made_again() {
    let (cache, _) = made();
    let graph = diamond(|_| ());
    let second = above(cache.path(), Mode::ReadWrite);
    second.good(&graph);
    for file in objects(cache.path()) {
        fs::remove_file(file).unwrap();
    }
    let store = second.store();
    let (kind, hash) = store.all_away().into_iter().next().unwrap();
    let gone = store.bring(&kind, &hash).unwrap_err();
    assert!(
        matches!(&gone, Damage::Unfetched(why) if why.contains("no longer")),
        "{gone:?}"
    );
    let other = diamond(|graph| stage(graph, "e").revision = 2);
    let done = second.run(&other);
    assert_eq!((done.summary.failures.len(), done.ran().as_str()), (0, "a b c d e"));
}

#[test]
fn gc_forgets_what_no_run_needs_and_verify_finds_every_change() {
    let (cache, first) = made();
    let graph = diamond(|_| ());
    let second = above(cache.path(), Mode::Read);
    second.good(&graph);
    let store = second.store();
    fs::remove_dir_all(store.pipeline_folder(&graph.pipeline)).unwrap();
    let survey: Survey = store.survey(&Choice::default(), std::time::SystemTime::now()).unwrap();
    assert_eq!(survey.unused.len(), 5);
    store.remove(&survey.unused).unwrap();
    assert_eq!((store.all().len(), store.all_away().len()), (0, 0));
    // A change that its size and time do not tell.
    let [a, b, c] = ["a", "b", "c"].map(|label| first.entry(&graph, label));
    let file = a.join("values.parquet");
    let times = fs::metadata(&file).unwrap();
    fs::write(&file, "2\n").unwrap();
    fs::File::options()
        .append(true)
        .open(&file)
        .unwrap()
        .set_modified(times.modified().unwrap())
        .unwrap();
    fs::write(b.join("stray.txt"), "").unwrap();
    fs::remove_file(c.join("fingerprint.json")).unwrap();
    let found = first.store().verify_all().unwrap();
    let problems: Vec<&String> = found.entries.iter().flat_map(|entry| &entry.problems).collect();
    assert_eq!(
        (found.entries.len(), problems.len(), found.unknown.len()),
        (5, 2, 1),
        "{found:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("values.parquet is damaged")),
        "{problems:?}"
    );
    // What is damaged here is not put there.
    let entry = found
        .entries
        .iter()
        .find(|entry| entry.problems.iter().any(|text| text.contains("values")))
        .unwrap();
    fs::remove_dir_all(cache.path().join("v1")).unwrap();
    assert_eq!(
        first.store().push("source", &entry.fingerprint),
        crate::shared::Pushed::Damaged
    );
}
