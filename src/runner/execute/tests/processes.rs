//! Laws that need other processes. This test binary runs itself, with `child` as the only test.

use super::*;

/// Not a test: what a child process does, as `RUNNER_CHILD` says.
#[test]
#[ignore = "runs only as a child of other tests"]
fn child() {
    let Some(results) = std::env::var_os("RUNNER_CHILD") else {
        return;
    };
    let place = PathBuf::from(results);
    let store = Store::open(&place);
    let act = std::env::var("RUNNER_ACT").unwrap();
    if act == "full" {
        // As a full disk: no file may grow beyond 40 kB.
        limit_file_size(40_000);
    }
    let graph = match act.as_str() {
        "full" => large(),
        "mark" => one(Remote { act, seed: 0 }),
        _ => killed(),
    };
    let mut place = Place::new();
    let plan = plan(&graph, &store, &place.options).unwrap();
    place.executor = Box::new(Processes::new(workers::worker_command(), 2));
    let summary = execute(place.work(&graph, &plan, &store), &mut [Box::new(Lines)]);
    for failure in summary.failures {
        println!("FAILED {} {}", failure.stage, failure.message);
    }
}

/// Says a line for each event, as it comes.
struct Lines;

impl Sink for Lines {
    fn take(&mut self, _: &Event) {
        println!("{EVENT}");
    }
}

/// The line for an event.
const EVENT: &str = "event";

fn limit_file_size(bytes: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        },
    )
    .unwrap();
}

pub(super) fn child_of(results: &Path, act: &str) -> Command {
    // A file that grows too large is to be an error, as on a full disk, not a deadly signal.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "execute::tests::processes::child",
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env("RUNNER_CHILD", results)
        .env("RUNNER_ACT", act)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Many small stages, so that a kill hits publication as well as bodies.
fn killed() -> Graph {
    toy_graph(|toys| {
        toys.add("s0", source(0), &[]);
        toys.add("slow", slow(1, 20, 2), &[]);
        for number in 1..25_i64 {
            toys.add(&format!("s{number}"), source(number), &[]);
            let before = if number == 1 {
                "s0".to_owned()
            } else {
                format!("j{}", number - 1)
            };
            let join = Join { add: 0.5 };
            toys.add(
                &format!("j{number}"),
                join,
                &[("a", &before), ("b", &format!("s{number}.values"))],
            );
        }
    })
}

/// Every entry in the store is whole: what its manifest says is there, and is what an undisturbed run writes.
fn assert_whole(store: &Store, expected: &BTreeMap<PathBuf, Hash256>) -> usize {
    let mut entries = 0;
    let root = store.results().join("cache/v1");
    for kind in fs::read_dir(&root)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        for entry in fs::read_dir(kind.path()).unwrap().flatten() {
            let hash = Hash256::parse(entry.file_name().to_str().unwrap()).unwrap();
            let kind_name = kind.file_name().into_string().unwrap();
            let manifest = store
                .manifest(&kind_name, &hash)
                .expect("an entry without a manifest is visible");
            assert!(store.fingerprint_of(&kind_name, &hash).is_some());
            for output in &manifest.outputs {
                let file = entry.path().join(&output.file);
                let relative = file.strip_prefix(&root).unwrap();
                assert_eq!(Hash256::of_file(&file).unwrap(), output.sha256);
                assert_eq!(expected.get(relative), Some(&output.sha256), "{}", relative.display());
            }
            entries += 1;
        }
    }
    entries
}

#[test]
fn a_kill_at_any_moment_does_no_harm() {
    let graph = killed();
    let undisturbed = Place::new();
    let output = child_of(&undisturbed.results(), "run").output().unwrap();
    assert!(output.status.success());
    let events_of_a_run = events(&output.stdout[..]).count();
    assert!(events_of_a_run > 2 * graph.stages.len(), "{events_of_a_run} events");
    let root = undisturbed.results().join("cache/v1");
    let hashes = undisturbed
        .files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "parquet"));
    let expected: BTreeMap<PathBuf, Hash256> = hashes
        .map(|file| {
            (
                file.strip_prefix(&root).unwrap().to_owned(),
                Hash256::of_file(&file).unwrap(),
            )
        })
        .collect();
    let mut moments = rand_chacha::ChaCha8Rng::from_seed([7; 32]);
    let (mut place, mut killed_midway) = (Place::new(), 0);
    for _ in 0..36 {
        let mut child = child_of(&place.results(), "run").spawn().unwrap();
        // At one of its events, and wherever the signal then finds it.
        let moment = moments.next_u32() as usize % events_of_a_run;
        let mut told = events(child.stdout.take().unwrap());
        told.nth(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        let entries = assert_whole(&place.store(), &expected);
        killed_midway += usize::from(entries > 0 && entries < graph.stages.len());
        if entries == graph.stages.len() {
            place = Place::new();
        }
    }
    assert!(killed_midway >= 10, "only {killed_midway} kills hit a run midway");
    let done = place.good(&graph);
    assert_eq!(done.summary.ran + done.summary.fresh, graph.stages.len());
    assert_eq!(assert_whole(&place.store(), &expected), graph.stages.len());
    assert!(
        place
            .files()
            .iter()
            .all(|file| !file.to_string_lossy().contains("/partial/"))
    );
    assert_eq!(place.good(&graph).ran(), "");
}

/// The events that a child tells of, as they come.
fn events(said: impl io::Read) -> impl Iterator<Item = String> {
    let lines = io::BufRead::lines(io::BufReader::new(said)).map_while(Result::ok);
    lines.filter(|line| line == EVENT)
}

fn large() -> Graph {
    toy_graph(|toys| {
        toys.add("small", source(1), &[]);
        toys.add("large", Fill { bytes: 100_000 }, &[]);
        toys.add("after", Join::default(), &[("a", "large")]);
    })
}

#[test]
fn a_body_that_cannot_write_fails_cleanly() {
    let place = Place::new();
    let output = child_of(&place.results(), "full").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("FAILED"))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.contains("FAILED large") && line.contains("zeros.parquet"),
        "{line}"
    );
    assert_eq!(place.words(&large()), "small hit, large stale, after waiting");
    assert!(place.files().iter().all(|file| !file.ends_with("zeros.parquet")));
    assert_eq!(place.run(&large()).ran(), "after large");
}

/// A small disk, gone when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts it, or changes it with `remount,`.
    fn mount(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        let command = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0);
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs the right to mount; scripts/test.sh runs it where there is that right"]
fn a_full_disk_fails_cleanly() {
    let mut place = Place::new();
    let results = place.results();
    fs::create_dir(&results).unwrap();
    let disk = Mounted(results);
    assert!(disk.mount("size=64k"), "needs the right to mount");
    // Every size of the free space, so that every step of publication meets the full disk once.
    let graph = toy_graph(|toys| {
        for seed in 0..40 {
            toys.add(&format!("s{seed:02}"), source(seed), &[]);
        }
    });
    place.budget.cpu_threads = 1;
    let mut met = 0;
    for _ in 0..3 {
        let done = place.run(&graph);
        for failure in &done.summary.failures {
            assert!(failure.message.contains("No space left"), "{}", failure.message);
            assert!(
                failure.message.contains("results"),
                "names no file: {}",
                failure.message
            );
            met += 1;
        }
        for stage in collect(&graph, &place.plan(&graph), &place.store()).stages {
            if matches!(stage.entry, Entry::Hit(_)) {
                assert!(stage.artifact(&place.store(), "values").unwrap().is_ok());
            }
        }
    }
    assert!(met > 0, "the disk never was full");
    assert!(disk.mount("remount,size=16m"));
    place.good(&graph);
    assert_eq!(place.good(&graph).ran(), "");
}
