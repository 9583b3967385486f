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
        core_hours: None,
        prune: None,
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
        ended: true,
        objectives: Some(objectives.to_vec()),
        seconds: 60.0,
        core_seconds: 120.0,
        ..Outcome::default()
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
    let by_cores = Search {
        hours: None,
        core_hours: Some(0.5),
        ..short
    };
    assert_eq!(finish(&by_cores, valley).0, all[..16], "32 minutes of cores");
}

/// A trial whose training comes down to its cost; what it has after `epoch` epochs of 90.
fn halving(trials: usize, method: Method) -> Search {
    Search {
        prune: Some(Prune {
            stage: "train".to_owned(),
            at: vec![10, 30],
            keep: 0.5,
        }),
        ..search(method, three(), trials, 1)
    }
}

fn loss(trial: &Trial, epoch: u64) -> f64 {
    valley(trial).objectives.unwrap()[0] + 1.0 / epoch as f64
}

/// Goes on as far as trials may, some of them at a time; gives the epochs that were spent.
fn halve(search: &Search, outcomes: &mut Outcomes, at_once: usize) -> (Known, u64) {
    let at = &search.prune.as_ref().unwrap().at;
    let (mut spent, mut begin) = (0, 0);
    loop {
        let known = search.known(outcomes);
        let open = |&n: &usize| {
            let outcome = outcomes.get(&key(&known.trials[n]));
            let reached = outcome.map_or(0, |outcome| outcome.rungs.len());
            match known.limits[n] {
                Limit::Pruned(_) => false,
                Limit::Until(epoch) => at[..reached].iter().all(|&at| at < epoch),
                Limit::End => !outcome.is_some_and(|outcome| outcome.ended),
            }
        };
        let open: Vec<usize> = (0..known.trials.len()).filter(open).collect();
        if open.is_empty() {
            return (known, spent);
        }
        // In an order that changes.
        begin += 1;
        for n in (0..open.len().min(at_once)).map(|n| open[(n * 7 + begin) % open.len()]) {
            let trial = &known.trials[n];
            let outcome = outcomes.entry(key(trial)).or_default();
            let before = outcome.rungs.last().map_or(0, |_| at[outcome.rungs.len() - 1]);
            let end = match known.limits[n] {
                Limit::Until(epoch) => epoch,
                _ => 90,
            };
            outcome.rungs = at.iter().filter(|&&at| at <= end).map(|&at| loss(trial, at)).collect();
            spent += end.saturating_sub(before);
            if end == 90 {
                *outcome = Outcome {
                    rungs: outcome.rungs.clone(),
                    ..valley(trial)
                };
            }
        }
    }
}

#[test]
fn halves_of_a_batch_are_given_up_and_the_best_stays() {
    let search = halving(32, Method::Sobol);
    let mut outcomes = Outcomes::new();
    let (known, spent) = halve(&search, &mut outcomes, 100);
    let count = |limit: Limit| known.limits.iter().filter(|own| **own == limit).count();
    assert!(known.last && known.trials.len() == 32);
    // Of eight trials four are given up after 10 epochs and two after 30.
    assert_eq!(
        [count(Limit::Pruned(0)), count(Limit::Pruned(1)), count(Limit::End)],
        [16, 8, 8]
    );
    assert_eq!(spent, 4 * (8 * 10 + 4 * 20 + 2 * 60));
    for batch in 0..4 {
        let of = batch * 8..batch * 8 + 8;
        let best = of
            .clone()
            .min_by(|&a, &b| loss(&known.trials[a], 90).total_cmp(&loss(&known.trials[b], 90)));
        assert_eq!(
            known.limits[best.unwrap()],
            Limit::End,
            "curves that do not cross keep their best"
        );
    }
    let results: Vec<Outcome> = (0..32).map(|n| known.outcome(n, &outcomes).unwrap()).collect();
    let kinds: Vec<Option<usize>> = order(&search, &results).iter().map(|&n| results[n].pruned).collect();
    let expected = [vec![None; 8], vec![Some(1); 8], vec![Some(0); 16]].concat();
    assert_eq!(kinds, expected, "those that came further are better");
}

/// Whatever runs beside, in whatever order and after whatever interruption: the same trials, and the same ones given up.
#[test]
fn the_same_trials_are_given_up_however_they_come() {
    for method in [Method::Sobol, Method::Tpe] {
        let search = halving(32, method);
        let (all, _) = halve(&search, &mut Outcomes::new(), 100);
        for at_once in [1, 3, 5] {
            assert_eq!(
                halve(&search, &mut Outcomes::new(), at_once).0,
                all,
                "{method:?} {at_once}"
            );
        }
        // Trials that were finished elsewhere, such as before there was pruning, are given up all the same.
        let mut outcomes = Outcomes::new();
        for trial in &all.trials {
            let rungs = [10, 30].map(|at| loss(trial, at)).to_vec();
            let ended = Outcome { rungs, ..valley(trial) };
            outcomes.insert(key(trial), ended);
        }
        assert_eq!(search.known(&outcomes), all);
        // Enlarged, it goes on from there.
        let (more, _) = halve(&halving(48, method), &mut outcomes, 4);
        assert_eq!(
            (&more.trials[..32], &more.limits[..32]),
            (&all.trials[..], &all.limits[..])
        );
    }
}

/// Of a cost that one parameter makes, that one has all importance; and one that does nothing has none, in the mean.
#[test]
fn importance_is_of_what_matters() {
    let cost = |trial: &Trial| outcome(&[(number(trial, 0).log10() + 3.0).powi(2) + 0.2 * number(trial, 1).log2()]);
    let search = search(Method::Random, three(), 120, 5);
    let (trials, outcomes) = finish(&search, cost);
    let known: Vec<(&Trial, &Outcome)> = trials.iter().map(|trial| (trial, &outcomes[&key(trial)])).collect();
    let found = importance(&search, 0, &known);
    let share = |name: &str| found.iter().find(|one| one.axis == name).unwrap().share.unwrap();
    assert_eq!(found[0].axis, "rate");
    // Costs that add up: what each explains by itself adds up to nearly all. Of their variance the rate makes 0.87, the width 0.13; of that of
    // ranks somewhat less and more.
    assert!(
        share("rate") > 2.0 * share("width") && share("width") > 0.05 && share("kind") < 0.05,
        "{found:?}"
    );
    let sum = share("rate") + share("width") + share("kind");
    assert!((0.8..1.05).contains(&sum), "{sum}");
    let rates = &found[0].slices;
    assert_eq!(
        (rates.len(), rates.iter().map(|slice| slice.trials).sum::<usize>()),
        (6, 120)
    );
    let medians: Vec<f64> = rates.iter().map(|slice| slice.median).collect();
    assert!(
        medians[0] > medians[2] && medians[5] > medians[3],
        "a valley: {medians:?}"
    );
    let kinds = &found.iter().find(|one| one.axis == "kind").unwrap().slices;
    let names: Vec<_> = kinds.iter().map(|slice| slice.values.clone().unwrap().0).collect();
    assert_eq!(names, ["bad", "good", "worse"]);
    let best = trials
        .iter()
        .map(|trial| cost(trial).objectives.unwrap()[0])
        .fold(f64::INFINITY, f64::min);
    assert!(
        found
            .iter()
            .all(|one| one.slices.iter().any(|slice| slice.best == best))
    );
    // Few trials, or one value, say nothing.
    assert!(
        importance(&search, 0, &known[..5])
            .iter()
            .all(|one| one.share.is_none())
    );
    assert_eq!(importance(&search, 0, &[]).len(), 3);
}

#[test]
fn trials_without_a_curve_are_not_waited_for() {
    let search = halving(8, Method::Sobol);
    let trials = search.known(&Outcomes::new()).trials;
    let mut outcomes = Outcomes::new();
    for (n, trial) in trials.iter().enumerate() {
        let failed = Outcome {
            objectives: None,
            ..outcome(&[])
        };
        let curve = |rungs: &[f64]| Outcome {
            rungs: rungs.to_vec(),
            ..Outcome::default()
        };
        let of = match n {
            0 | 1 => failed,
            2 => outcome(&[1.0]),
            3 => curve(&[f64::NAN]),
            n => curve(&[n as f64]),
        };
        outcomes.insert(key(trial), of);
    }
    use Limit::{End, Pruned, Until};
    let limits = search.known(&outcomes).limits;
    assert_eq!(
        limits,
        [
            End,
            End,
            Until(30),
            Pruned(0),
            Until(30),
            Until(30),
            Until(30),
            Pruned(0)
        ]
    );
}
