//! Stages in worker processes.

use super::*;

/// Not a test: a worker process.
#[test]
#[ignore = "runs only as a child of other tests"]
fn worker_child() {
    if let Some(request) = std::env::args()
        .next_back()
        .filter(|path| path.ends_with("request.json"))
    {
        std::process::exit(worker::serve(Path::new(&request), &remote_body));
    }
}

impl Place {
    fn with_worker() -> Self {
        let arguments = [
            "--exact",
            "execute::tests::workers::worker_child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
            "--",
        ];
        let worker = WorkerCommand {
            program: std::env::current_exe().unwrap(),
            arguments: arguments.map(str::to_owned).into(),
            environment: Vec::new(),
        };
        Self {
            worker: Some(worker),
            ..Self::new()
        }
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
    let graph = toy_graph(|toys| {
        toys.add("a", source(1), &[]);
        toys.add("r", remote("add"), &[("a", "a")]).resources.threads = Some(1);
        toys.add("j", Join::default(), &[("a", "r")]);
    });
    let done = place.good(&graph);
    assert_eq!(done.notes("r"), ["device cpu gpus [] threads 1"]);
    assert!((place.number(&graph, "j", "sum.parquet") - 2.0).abs() < 1e-12);
    assert_eq!(place.good(&graph).ran(), "");
    let report = collect(&graph, &place.plan(&graph), &place.store());
    assert!(report.stages[1].metric("loss").unwrap().is_nan());
    // The device class and the version of libtorch are part of a worker's fingerprint, and of no other's.
    place.options.libtorch = "2.12.0".to_owned();
    assert_eq!(place.why(&graph, "r"), ["libtorch: 2.11.0 → 2.12.0"]);
    place.options.libtorch = "2.11.0".to_owned();
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
    let acts = ["fail", "panic", "kill", "exit"];
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
    assert!(message("panic").message.contains("row 7 is odd") && message("panic").bug);
    let kill = &message("kill").message;
    assert!(
        kill.contains("killed by signal 9 (out of memory?)") && kill.contains("allocating a lot"),
        "{kill}"
    );
    assert!(
        message("exit").message.contains("exit code 3"),
        "{}",
        message("exit").message
    );
    assert_eq!(done.summary.findings.len(), 1);
}

#[test]
fn a_cancelled_worker_saves_its_checkpoint() {
    let place = Place::with_worker();
    let graph = one(remote("wait"));
    let cancel = place.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
    });
    let done = place.run(&graph);
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
            let summary = execute(&graph, &plan, &store, &mut [], &place.budget, &place.cancel, None);
            let executed = begun.elapsed();
            assert_eq!(summary.fresh, graph.stages.len());
            println!("{count} stages: open {opened:.1?}, planned after {planned:.1?}, executed after {executed:.1?}");
        }
    }
}
