#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn axis(name: &str, values: Values) -> Axis {
    Axis {
        name: name.to_owned(),
        values,
        unit: None,
        when: None,
    }
}

fn search(method: Method, axes: Vec<Axis>, trials: usize, seed: u64) -> Search {
    Search {
        axes,
        method,
        trials,
        batch: 8,
        seed,
        hours: None,
        objectives: vec![minimize("a.x")],
        bounds: Vec::new(),
    }
}

fn minimize(of: &str) -> Objective {
    Objective {
        of: of.to_owned(),
        sense: Sense::Minimize,
    }
}

fn outcome(objectives: &[f64]) -> Outcome {
    Outcome {
        objectives: Some(objectives.to_vec()),
        violation: 0.0,
        seconds: 60.0,
    }
}

/// Runs a search to its end.
fn finish(search: &Search, of: impl Fn(&Trial) -> Outcome) -> (Vec<Trial>, Outcomes) {
    let mut outcomes = Outcomes::new();
    loop {
        let known = search.known(&outcomes);
        let open: Vec<&Trial> = known
            .trials
            .iter()
            .filter(|trial| !outcomes.contains_key(&key(trial)))
            .collect();
        if open.is_empty() {
            assert!(known.last);
            return (known.trials, outcomes);
        }
        let new: Vec<_> = open.into_iter().map(|trial| (key(trial), of(trial))).collect();
        outcomes.extend(new);
    }
}

fn number(trial: &Trial, axis: usize) -> f64 {
    trial[axis].as_ref().and_then(Value::as_f64).unwrap()
}

/// A valley that is narrow across, in a learning rate and a width that go together; a wrong choice costs.
fn valley(trial: &Trial) -> Outcome {
    let (rate, width) = (number(trial, 0).log10() + 3.0, number(trial, 1).log2() - 6.0);
    let cost = (rate + 0.4 * width).powi(2) + 0.1 * (width - 0.5).powi(2);
    outcome(&[cost + if trial[2] == Some(json!("good")) { 0.0 } else { 0.3 }])
}

fn three() -> Vec<Axis> {
    vec![
        axis("rate", Values::Log(1e-5, 1e-1)),
        axis("width", Values::LogInteger(4, 1024)),
        axis(
            "kind",
            Values::Choice(vec![json!("bad"), json!("good"), json!("worse")]),
        ),
    ]
}

fn best(outcomes: &Outcomes) -> f64 {
    let costs = outcomes.values().map(|outcome| outcome.objectives.as_ref().unwrap()[0]);
    costs.fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// In the median of several seeds, over all trials but the first that are spread alike.
#[test]
fn learning_from_trials_beats_chance() {
    let of = |method| {
        let one = |seed| best(&finish(&search(method, three(), 80, seed), valley).1);
        median((1..=15).map(one).collect())
    };
    let [tpe, random, sobol] = [Method::Tpe, Method::Random, Method::Sobol].map(of);
    assert!(3.0 * tpe < random && 3.0 * tpe < sobol, "{tpe} {random} {sobol}");
}

/// A batch depends on the results of the batches before it only: what is known after any part of the outcomes is the beginning of all.
#[test]
fn known_trials_are_the_beginning_of_all() {
    for method in [Method::Tpe, Method::Sobol, Method::Random] {
        let whole = search(method, three(), 40, 3);
        let (all, outcomes) = finish(&whole, valley);
        assert_eq!(all.len(), 40);
        let different: std::collections::BTreeSet<String> = all.iter().map(key).collect();
        assert_eq!(different.len(), 40, "no trial is made twice");
        for missing in [0, 3, 8, 21, 39] {
            let mut part = outcomes.clone();
            part.remove(&key(&all[missing]));
            let known = whole.known(&part);
            let batch = if method == Method::Tpe { missing / 8 * 8 + 8 } else { 40 };
            assert_eq!(known.trials, all[..batch], "{method:?}, without {missing}");
            assert_eq!(known.last, batch == 40);
        }
        // One with more trials begins with the same ones; another seed does not.
        let longer = Search {
            trials: 60,
            ..whole.clone()
        };
        assert_eq!(finish(&longer, valley).0[..40], all);
        let other = Search {
            seed: 4,
            ..whole.clone()
        };
        assert_ne!(finish(&other, valley).0[..8], all[..8]);
    }
}

#[test]
fn values_keep_their_places() {
    let axes = [
        axis("a", Values::Uniform(-2.0, 3.0)),
        axis("b", Values::Log(1e-4, 1e-2)),
        axis("c", Values::Integer(-3, 5)),
        axis("d", Values::LogInteger(1, 100)),
        axis("e", Values::Choice(vec![json!(1), json!("two"), json!({ "three": 3 })])),
        Axis {
            unit: Some("Myr".to_owned()),
            ..axis("f", Values::Uniform(1.0, 2.0))
        },
    ];
    for axis in &axes {
        for n in 0..=200 {
            let value = axis.at(f64::from(n) / 200.0);
            assert_eq!(axis.at(axis.place(&value)), value, "{} {value}", axis.name);
        }
    }
    assert_eq!([0.0, 1.0].map(|end| axes[1].at(end)), [json!(1e-4), json!(1e-2)]);
    assert_eq!([0.0, 1.0].map(|end| axes[2].at(end)), [json!(-3), json!(5)]);
    assert_eq!([0.0, 1.0].map(|end| axes[3].at(end)), [json!(1), json!(100)]);
    assert_eq!(axes[5].at(0.5), json!("1.5 Myr"));
    // Of whole numbers each has its share.
    let count = (0..9000)
        .filter(|n| axes[2].at((f64::from(*n) + 0.5) / 9000.0) == json!(5))
        .count();
    assert_eq!(count, 1000);
}

/// A parameter under a condition has a value exactly where that holds.
#[test]
fn conditions_hold() {
    let mut axes = three();
    axes.push(Axis {
        when: Some(Condition {
            name: "kind".to_owned(),
            is: vec![json!("good"), json!("bad")],
        }),
        ..axis("modes", Values::Integer(1, 9))
    });
    for method in [Method::Tpe, Method::Sobol] {
        let (trials, _) = finish(&search(method, axes.clone(), 40, 1), valley);
        let holds = |trial: &&Trial| trial[2] != Some(json!("worse"));
        assert!(trials.iter().all(|trial| trial[3].is_some() == holds(&trial)));
        assert!((5..40).contains(&trials.iter().filter(holds).count()));
    }
    // Where the command line sets what it is on, it is searched always.
    let left = search(Method::Sobol, axes, 40, 1)
        .without(|name| name == "kind")
        .unwrap();
    assert!(
        left.known(&Outcomes::new())
            .trials
            .iter()
            .all(|trial| trial.len() == 3 && trial[2].is_some())
    );
}

#[test]
fn trials_out_of_bounds_come_behind() {
    let one = search(Method::Random, three(), 4, 1);
    let out = |violation, objectives| Outcome {
        violation,
        ..outcome(objectives)
    };
    let failed = Outcome {
        objectives: None,
        ..outcome(&[])
    };
    let all = [
        outcome(&[3.0]),
        out(0.1, &[1.0]),
        failed,
        outcome(&[2.0]),
        out(0.05, &[9.0]),
        outcome(&[f64::NAN]),
    ];
    assert_eq!(order(&one, &all), [3, 0, 4, 1, 2, 5]);
    let most = Search {
        objectives: vec![Objective {
            sense: Sense::Maximize,
            ..minimize("a.x")
        }],
        ..one
    };
    assert_eq!(order(&most, &all)[..2], [0, 3]);
}

/// With several objectives: the front is what nothing is better than in all, and is sought.
#[test]
fn fronts_are_found() {
    let two = Search {
        objectives: vec![minimize("a.x"), minimize("a.y")],
        ..search(Method::Tpe, three(), 64, 1)
    };
    let all = [[1.0, 5.0], [2.0, 2.0], [5.0, 1.0], [3.0, 3.0], [2.0, 6.0], [2.5, 1.8]].map(|pair| outcome(&pair));
    assert_eq!(front(&two, &all), [0, 1, 2, 5]);
    let order = order(&two, &all);
    assert_eq!(order[..2], [0, 2], "the ends of the front first");
    assert_eq!(order[4..], [3, 4], "then the next front");
    let pair = |trial: &Trial| {
        let (rate, width) = (number(trial, 0).log10() + 3.0, number(trial, 1).log2() - 6.0);
        outcome(&[rate.powi(2) + width.powi(2), (rate - 1.0).powi(2) + width.powi(2)])
    };
    let near = |search: &Search| {
        let (_, outcomes) = finish(search, pair);
        // On the front both distances sum to one.
        let sum = |outcome: &Outcome| outcome.objectives.iter().flatten().map(|cost| cost.sqrt()).sum::<f64>();
        outcomes.values().filter(|outcome| sum(outcome) < 1.2).count()
    };
    let by_chance = Search {
        method: Method::Random,
        ..two.clone()
    };
    assert!(
        near(&two) > 2 * near(&by_chance).max(1),
        "{} {}",
        near(&two),
        near(&by_chance)
    );
}

/// After the hours are spent no batch begins; more hours go on from there.
#[test]
fn hours_end_a_search() {
    let whole = search(Method::Tpe, three(), 80, 1);
    let (all, _) = finish(&whole, valley);
    let short = Search {
        hours: Some(0.2),
        ..whole
    };
    assert_eq!(finish(&short, valley).0, all[..16], "16 minutes after the second batch");
}
