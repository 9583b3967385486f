//! Stages in worker processes.

use super::*;

/// Not a test: a worker process.
#[test]
#[ignore = "runs only as a child of other tests"]
fn worker_child() {
    let last = std::env::args().next_back();
    let Some(parent) = last.and_then(|last| last.parse().ok()) else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if !variable("RUNNER_DIE").is_empty() {
        assert!(worker::die_with_parent(parent).unwrap());
    }
    // As a worker that is long at loading its libraries: held while a file is there.
    let hold = PathBuf::from(variable("RUNNER_HOLD"));
    if hold.exists() {
        tell(&hold.with_extension("arrived"), std::process::id().to_string());
        while hold.exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let mut bodies = toy_bodies();
    if !variable("RUNNER_REVISION").is_empty() {
        bodies[0].revision += 1;
    }
    let code = worker::serve(parent, &bodies);
    if hold.parent().is_some_and(|folder| folder.is_dir()) {
        tell(&hold.with_extension("left"), code.to_string());
    }
    std::process::exit(code);
}

/// Writes a file that others wait for: once it appears, it is whole.
fn tell(path: &Path, text: String) {
    let half = path.with_extension("half");
    fs::write(&half, text).unwrap();
    fs::rename(half, path).unwrap();
}

/// This test binary as a worker.
pub(super) fn worker_command() -> WorkerCommand {
    let arguments = [
        "--exact",
        "execute::tests::workers::worker_child",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
        "--",
    ];
    WorkerCommand {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(str::to_owned).into(),
        environment: Vec::new(),
    }
}

impl Place {
    fn with_worker() -> Self {
        Self::with_workers(&[])
    }

    /// With workers that have these variables.
    fn with_workers(variables: &[(&str, &Path)]) -> Self {
        let mut place = Self::new();
        place.set(variables);
        place
    }

    fn set(&mut self, variables: &[(&str, &Path)]) {
        let mut command = worker_command();
        let own = |(name, value): &(&str, &Path)| ((*name).to_owned(), value.to_str().unwrap().to_owned());
        command.environment = variables.iter().map(own).collect();
        self.executor = Box::new(Processes::new(command, 2));
    }
}

fn remote(act: &str) -> Remote {
    Remote {
        act: act.to_owned(),
        seed: 0,
    }
}

#[test]
fn a_worker_does_its_stage() {
    let mut place = Place::with_worker();
    let on = |threads: Option<usize>| {
        toy_graph(|toys| {
            toys.add("a", source(1), &[]);
            toys.add("r", remote("add"), &[("a", "a")]).resources.threads = threads;
            toys.add("j", Join::default(), &[("a", "r")]);
        })
    };
    let graph = on(Some(1));
    let done = place.good(&graph);
    assert_eq!(done.notes("r"), ["device cpu gpus [] threads 1"]);
    // Tensors have one thread where nothing is stated, whatever the machine has free; with another number sums are rounded differently.
    assert_eq!(place.good(&on(None)).ran(), "");
    assert_eq!(place.why(&on(Some(2)), "r"), ["threads: 1 → 2"]);
    assert!((place.number(&graph, "j", "sum.parquet") - 2.0).abs() < 1e-12);
    assert_eq!(place.good(&graph).ran(), "");
    let report = collect(&graph, &place.plan(&graph), &place.store());
    assert!(report.stages[1].metric("loss").unwrap().is_nan());
    // The device class and the version of libtorch are part of a worker's fingerprint, and of no other's.
    place.options.environment = libtorch("2.12.0");
    assert_eq!(place.why(&graph, "r"), ["libtorch: 2.11.0 → 2.12.0"]);
    place.options.environment = libtorch("2.11.0");
    (place.options.gpus, place.budget.gpus) = (2, vec!["4".to_owned(), "GPU-8932f937".to_owned()]);
    assert_eq!(place.why(&graph, "r"), ["device: cpu → cuda"]);
    let done = place.good(&graph);
    assert_eq!(
        (done.ran().as_str(), done.notes("r")[0].as_str()),
        ("r", "device cuda:0 gpus [4] threads 1")
    );
}

#[test]
fn a_workers_troubles_are_told_clearly() {
    let place = Place::with_worker();
    let acts = ["fail", "panic", "kill", "abort", "exit"];
    let graph = toy_graph(|toys| {
        for act in acts {
            toys.add(act, remote(act), &[]);
        }
        toys.add("find", remote("find"), &[]);
    });
    let done = place.run(&graph);
    let message = |act: &str| {
        done.summary
            .failures
            .iter()
            .find(|failure| failure.stage == act)
            .unwrap()
    };
    assert_eq!(message("fail").message, "orbit 3 escapes");
    assert_eq!(message("fail").hint.as_deref(), Some("use fewer orbits"));
    let panic = &message("panic").message;
    assert!(
        panic.starts_with("bug: panicked: row 7 is odd (") && panic.contains("toys.rs:") && message("panic").bug,
        "{panic}"
    );
    // The kind is named: what is under a label may be far up in the file.
    let kill = &message("kill").message;
    assert!(
        kill.starts_with("remote was killed by signal 9 (out of memory?)") && kill.contains("allocating a lot"),
        "{kill}"
    );
    let abort = &message("abort").message;
    assert!(
        abort.starts_with("remote asked for more memory than there is"),
        "{abort}"
    );
    assert!(message("abort").hint.as_deref().unwrap().starts_with("free memory"));
    assert!(
        message("exit").message.contains("exit code 3"),
        "{}",
        message("exit").message
    );
    assert_eq!(done.summary.findings.len(), 1);
}

/// One that takes too long saves a checkpoint, and goes on from it when it is begun again.
#[test]
fn what_takes_too_much_is_ended_and_begun_again_as_often_as_asked() {
    let place = Place::with_worker();
    let graph = toy_graph(|toys| {
        let long = &mut toys.add("long", remote("wait"), &[]).resources;
        (long.limits.time, long.retries) = (Some(Duration::from_millis(200)), 2);
        let large = &mut toys.add("large", remote("take"), &[]).resources;
        (large.limits.memory, large.retries) = (Some(100_000_000), 1);
        let small = &mut toys.add("small", remote("add"), &[]).resources;
        (small.limits.memory, small.limits.time) = (Some(10_000_000_000), Some(Duration::from_secs(600)));
        toys.add("crash", remote("exit"), &[]).resources.retries = 2;
        toys.add("wrong", remote("fail"), &[]).resources.retries = 2;
    });
    let done = place.run(&graph);
    let retries = |label: &str| {
        let notes = done.notes(label).into_iter();
        notes.filter(|note| note.starts_with("retry")).collect::<Vec<_>>()
    };
    assert_eq!(retries("long"), ["retry 1 of 2: it ran out of time"]);
    assert_eq!(retries("large"), ["retry 1 of 1: it ran out of memory"]);
    assert_eq!(
        retries("crash"),
        ["retry 1 of 2: it crashed", "retry 2 of 2: it crashed"]
    );
    assert_eq!([retries("small"), retries("wrong")], [Vec::<String>::new(), Vec::new()]);
    let mut failed: Vec<_> = done.summary.failures.iter().map(|failure| &*failure.stage).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["crash", "large", "wrong"]);
    let large = done.summary.failures.iter().find(|failure| failure.stage == "large");
    let large = &large.unwrap().message;
    assert!(
        large.starts_with("remote took ") && large.ends_with("`on: { memory }` gives it 100 MB"),
        "{large}"
    );
    // What it told before it was ended is not among what it gives; that it was ended is.
    let report = collect(&graph, &place.plan(&graph), &place.store());
    let notes = &report.stages[0].manifest.as_ref().unwrap().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].starts_with("retry 1 of 2") && notes[1].starts_with("device"),
        "{notes:?}"
    );
    // Limits are no part of what a stage is.
    let without = toy_graph(|toys| {
        toys.add("long", remote("wait"), &[]);
    });
    assert_eq!(place.good(&without).ran(), "");
}

#[test]
fn the_first_failure_may_end_the_run() {
    let mut place = Place::with_worker();
    place.fail_fast = true;
    let graph = toy_graph(|toys| {
        toys.add("fail", remote("fail"), &[]);
        toys.add("long", remote("wait"), &[]);
    });
    let done = place.run(&graph);
    assert_eq!(done.summary.failures.len(), 1);
    assert!(done.summary.interrupted, "the other stage waits for nothing else");
}

/// A body that needs no libtorch has a process of its own too: what it does to it, the others go on.
#[test]
fn a_crash_fails_one_stage() {
    let place = Place::with_worker();
    let graph = toy_graph(|toys| {
        toys.add("good", source(1), &[]);
        let crash = Fail {
            crash: true,
            ..Fail::default()
        };
        toys.add("crashes", crash, &[("a", "good")]);
        toys.add("after", Join::default(), &[("a", "crashes")]);
        toys.add("other", Join::default(), &[("a", "good")]);
    });
    let done = place.run(&graph);
    assert_eq!(done.summary.failures.len(), 1, "{:?}", done.summary.failures);
    let failure = &done.summary.failures[0];
    assert_eq!((failure.stage.as_str(), failure.bug), ("crashes", false));
    assert!(
        failure.message.starts_with("fail crashed: signal 6"),
        "{}",
        failure.message
    );
    assert_eq!((done.summary.ran, done.summary.skipped), (2, 1));
    assert_eq!(place.words(&graph), "good hit, crashes stale, after waiting, other hit");
}

#[test]
fn a_cancelled_worker_saves_its_checkpoint() {
    let place = Place::with_worker();
    let graph = one(remote("wait"));
    let cancel = place.cancel.clone();
    let done = place.run_with(&graph, at_progress(0, move || cancel.cancel()));
    assert!(done.summary.interrupted, "{:?}", done.summary.failures);
    let place = Place {
        cancel: Cancel::default(),
        ..place
    };
    place.good(&graph);
    assert!(
        (place.number(&graph, "a", "sum.parquet") - 2.0).abs() < 1e-12,
        "it went on from its checkpoint"
    );
}

/// Starts a run whose worker is held before it looks for its lock, kills the run, and gives the file that holds the orphan.
fn orphan(place: &Place, die: bool) -> PathBuf {
    let hold = place.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let mut command = processes::child_of(&place.results(), "mark");
    command.env("RUNNER_HOLD", &hold).env("RUNNER_MARK", "13");
    if die {
        command.env("RUNNER_DIE", "yes");
    }
    let mut run = command.spawn().unwrap();
    assert!(appears(&hold.with_extension("arrived")), "no worker was started");
    run.kill().unwrap();
    run.wait().unwrap();
    hold
}

/// The worst moment: the orphan goes on while the next run's worker is at the same work.
#[test]
fn an_orphan_that_wakes_late_harms_nothing() {
    let mut place = Place::with_worker();
    let graph = one(remote("mark"));
    let hold = orphan(&place, false);
    let gate = place.folder.path().join("gate");
    place.set(&[("RUNNER_GATE", &gate), ("RUNNER_MARK", Path::new("2"))]);
    let (left, opened) = (hold.with_extension("left"), gate.clone());
    let done = place.run_with(
        &graph,
        at_progress(0, move || {
            fs::remove_file(&hold).unwrap();
            // The body at work ends only after the orphan is gone.
            let gone = appears(&left);
            fs::write(&opened, "").unwrap();
            assert!(gone, "the orphan waits on");
        }),
    );
    assert_eq!(done.summary.failures, []);
    let left = place.folder.path().join("hold.left");
    assert_ne!(fs::read_to_string(left).unwrap(), "0", "the orphan did not stop");
    assert!((place.number(&graph, "a", "sum.parquet") - 2.0).abs() < 1e-12);
    let report = collect(&graph, &place.plan(&graph), &place.store());
    assert!(report.stages[0].artifact(&place.store(), "sum").unwrap().is_ok());
    // Nothing of the killed run is left.
    assert!(
        place
            .files()
            .iter()
            .all(|file| !file.to_string_lossy().contains("/partial/"))
    );
}

/// It gets the lock, for nobody else wants it, or waits for it: in neither case it begins.
#[test]
fn an_orphan_does_not_begin() {
    for held in [false, true] {
        let place = Place::with_worker();
        let hold = orphan(&place, false);
        let graph = one(remote("mark"));
        let json = place
            .plan(&graph)
            .facts
            .fingerprint(&graph, StageId::new(0), |_, _| Input::Waiting(""));
        let lock = place.store().worker_lock_path(&Hash256::of(json));
        let lock = held.then(|| crate::store::KeyLock::wait(&lock).unwrap());
        fs::remove_file(&hold).unwrap();
        assert!(appears(&hold.with_extension("left")), "it waits on");
        assert_eq!(fs::read_to_string(hold.with_extension("left")).unwrap(), "75");
        assert!(place.files().iter().all(|file| !file.ends_with("sum.parquet")));
        drop(lock);
    }
}

/// What it writes when its parent is gone, nobody publishes: it takes it away itself.
#[test]
fn an_orphan_at_work_leaves_nothing() {
    let place = Place::with_worker();
    let (gate, hold) = (place.folder.path().join("gate"), place.folder.path().join("hold"));
    let mut command = processes::child_of(&place.results(), "mark");
    command
        .env("RUNNER_HOLD", &hold)
        .env("RUNNER_MARK", "13")
        .env("RUNNER_GATE", &gate);
    let mut run = command.spawn().unwrap();
    assert!(appears(&gate.with_extension("waits")), "no body was begun");
    let attempts = || fs::read_dir(place.results().join("cache/partial")).unwrap().count();
    assert_eq!(attempts(), 1);
    run.kill().unwrap();
    run.wait().unwrap();
    fs::write(&gate, "").unwrap();
    assert!(appears(&hold.with_extension("left")), "it works on");
    assert_eq!(attempts(), 0, "{:?}", place.files());
}

/// It need not even wake up.
#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_has_not_begun_dies_with_its_parent() {
    let place = Place::with_worker();
    let hold = orphan(&place, true);
    let process = fs::read_to_string(hold.with_extension("arrived")).unwrap();
    let stat = PathBuf::from(format!("/proc/{process}/stat"));
    // Gone, or dead and not yet cleared away.
    let dead = || fs::read_to_string(&stat).map_or(true, |text| text.rsplit_once(')').unwrap().1.starts_with(" Z"));
    let begun = Instant::now();
    while !dead() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it lives on");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_worker_of_another_revision_refuses() {
    let place = Place::with_workers(&[("RUNNER_REVISION", Path::new("other"))]);
    let done = place.run(&one(remote("add")));
    assert_eq!(
        done.summary.failures[0].message,
        "the program knows revision 1 of remote, its library of network stages revision 2"
    );
    assert!(!done.summary.failures[0].bug);
}

/// Puts something else in the place of what a body wrote.
struct Tampering(Threads);

impl Executor for Tampering {
    fn run(&self, request: &Request, gpu: Option<&str>, teller: &Teller, cancel: &Cancel) -> Result<Ended, StageError> {
        let ended = self.0.run(request, gpu, teller, cancel);
        for output in request.outputs.values() {
            fs::write(&output.path, "4\n").unwrap();
        }
        ended
    }
}

/// What is published is what the body wrote, and nothing that was put there afterwards.
#[test]
fn outputs_changed_behind_a_bodys_back_are_not_published() {
    let mut place = Place::new();
    place.executor = Box::new(Tampering(Threads::new(toy_bodies())));
    let graph = one(remote("add"));
    let done = place.run(&graph);
    let failure = &done.summary.failures[0];
    assert!(
        failure.message.starts_with("output sum is not what the stage wrote"),
        "{}",
        failure.message
    );
    assert_eq!(place.words(&graph), "a stale");
}

/// The process of each stage that told it, in order.
fn told(done: &Done) -> Vec<u32> {
    let process = |event: &Event| match event {
        Event::Stage {
            told: Told::Metric { name, value, .. },
            ..
        } if name == "process" => Some(*value as u32),
        _ => None,
    };
    done.events.iter().filter_map(process).collect()
}

fn teller(seed: i64) -> Remote {
    Remote {
        act: "tell".to_owned(),
        seed,
    }
}

/// One worker does a stage after the other, until a body fails in it, or as many as it may.
#[test]
fn a_worker_is_asked_again_until_a_body_fails() {
    let mut place = Place::with_worker();
    place.budget.cpu_threads = 1;
    let graph = toy_graph(|toys| {
        for seed in 0..3 {
            toys.add(&format!("a{seed}"), teller(seed), &[]);
        }
        toys.add("fails", remote("fail"), &[]);
        for seed in 3..6 {
            toys.add(&format!("b{seed}"), teller(seed), &[]);
        }
    });
    let done = place.run(&graph);
    assert_eq!(done.summary.failures.len(), 1);
    let processes = told(&done);
    let [first, second] = [processes[0], processes[5]];
    assert_eq!(processes, [first, first, first, second, second, second]);
    assert_ne!(first, second);
    // With other threads the environment is another, and so is the process.
    let other = toy_graph(|toys| {
        toys.add("a", teller(10), &[]).resources.threads = Some(1);
        toys.add("b", teller(11), &[]).resources.threads = Some(2);
        toys.add("c", teller(12), &[]).resources.threads = Some(1);
    });
    place.budget.cpu_threads = 2;
    let mut processes = told(&place.good(&other));
    processes.sort_unstable();
    processes.dedup();
    assert!(processes.len() >= 2, "{processes:?}");
}

#[test]
fn a_worker_does_not_live_for_ever() {
    let mut place = Place::with_worker();
    place.budget.cpu_threads = 1;
    let graph = toy_graph(|toys| {
        for seed in 0..150 {
            toys.add(&format!("s{seed}"), teller(seed), &[]);
        }
    });
    let mut processes = told(&place.good(&graph));
    assert_eq!(processes.len(), 150);
    processes.dedup();
    assert_eq!(processes.len(), 3, "each does 64 at most");
}

/// Kills the worker that told its number as soon as its stage has ended: it has nothing to do then.
struct KillsIdle(Option<i32>);

impl Sink for KillsIdle {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Stage {
                told: Told::Metric { value, .. },
                ..
            } => self.0 = Some(*value as i32),
            Event::StageFinished { .. } => {
                let process = self.0.take().and_then(rustix::process::Pid::from_raw).unwrap();
                rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn a_worker_that_dies_idle_is_replaced() {
    let mut place = Place::with_worker();
    place.budget.cpu_threads = 1;
    let graph = toy_graph(|toys| {
        toys.add("s0", teller(0), &[]);
        for seed in 1..5 {
            toys.add(&format!("s{seed}"), teller(seed), &[("a", &format!("s{}", seed - 1))]);
        }
    });
    let done = place.run_with(&graph, vec![Box::new(KillsIdle(None))]);
    assert_eq!(done.summary.failures, []);
    let mut processes = told(&done);
    processes.dedup();
    assert_eq!(processes.len(), 5);
}

/// User and system time of this process, in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Times a plan that finds all fresh; run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn no_op_plan_time() {
    for count in [1_000, 10_000] {
        let place = Place::new();
        let graph = toy_graph(|toys| {
            for number in 0..count {
                let name = format!("s{number}");
                if number % 4 == 0 {
                    toys.add(&name, source(number), &[]);
                } else {
                    let stage = Join {
                        add: f64::from(i32::try_from(number).unwrap()),
                    };
                    toys.add(&name, stage, &[("a", &format!("s{}", number - 1))]);
                }
            }
        });
        let begun = Instant::now();
        place.good(&graph);
        println!("{count} stages: first run {:.1} s", begun.elapsed().as_secs_f64());
        // Wall-clock times suffer from others on the machine; processor time, over many rounds, does not.
        let (rounds, used) = (10, processor_seconds());
        for _ in 0..rounds {
            let store = place.store();
            assert!(plan(&graph, &store, &place.options).unwrap().is_fresh());
        }
        let each = (processor_seconds() - used) / f64::from(rounds);
        println!(
            "{count} stages: processor time of opening and planning {:.1} ms",
            each * 1e3
        );
        for _ in 0..5 {
            let begun = Instant::now();
            let store = place.store();
            let opened = begun.elapsed();
            let plan = plan(&graph, &store, &place.options).unwrap();
            let planned = begun.elapsed();
            assert!(plan.is_fresh());
            let summary = execute(place.work(&graph, &plan, &store), &mut []);
            let executed = begun.elapsed();
            assert_eq!(summary.fresh, graph.stages.len());
            println!("{count} stages: open {opened:.1?}, planned after {planned:.1?}, executed after {executed:.1?}");
        }
    }
}
