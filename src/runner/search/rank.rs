//! Which of several trials are better.

use std::cmp::Reverse;

use super::{Outcome, Search, Sense};

/// All trials, best first: those within bounds by their objectives, then those that were given up by how late and by their loss then, then those
/// out of bounds by how far, then those that failed. With several
/// objectives one trial is better than another if fewer are better than it in all of them (non-dominated sorting), and among such if it is
/// lonelier (crowding distance).
pub fn order(search: &Search, outcomes: &[Outcome]) -> Vec<usize> {
    let costs: Vec<Option<Vec<f64>>> = outcomes.iter().map(|outcome| costs(search, outcome)).collect();
    let mut good: Vec<usize> = (0..outcomes.len())
        .filter(|&n| costs[n].is_some() && outcomes[n].violation <= 0.0)
        .collect();
    let mut others: Vec<usize> = (0..outcomes.len()).filter(|n| !good.contains(n)).collect();
    let cost = |n: usize| costs[n].as_deref().unwrap_or_default();
    if search.objectives.len() == 1 {
        good.sort_by(|&a, &b| cost(a)[0].total_cmp(&cost(b)[0]));
    } else {
        good = sorted(&good, &cost);
    }
    let place = |n: usize| {
        let outcome = &outcomes[n];
        match outcome.pruned {
            Some(rung) => (
                0,
                Reverse(rung),
                outcome.rungs.get(rung).copied().unwrap_or(f64::INFINITY),
            ),
            None => (1 + usize::from(costs[n].is_none()), Reverse(0), outcome.violation),
        }
    };
    others.sort_by(|&a, &b| {
        let (a, b) = (place(a), place(b));
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
    });
    good.into_iter().chain(others).collect()
}

/// The trials within bounds that none is better than in one objective and no worse in the others.
pub fn front(search: &Search, outcomes: &[Outcome]) -> Vec<usize> {
    let costs: Vec<Option<Vec<f64>>> = outcomes.iter().map(|outcome| costs(search, outcome)).collect();
    let good = |n: &usize| costs[*n].is_some() && outcomes[*n].violation <= 0.0;
    let good: Vec<usize> = (0..outcomes.len()).filter(good).collect();
    let cost = |n: usize| costs[n].as_deref().unwrap_or_default();
    undominated(&good, &cost)
}

/// The objectives as costs: smaller is better.
fn costs(search: &Search, outcome: &Outcome) -> Option<Vec<f64>> {
    let values = outcome.objectives.as_ref()?;
    let cost = |(objective, value): (&super::Objective, &f64)| match objective.sense {
        Sense::Minimize => *value,
        Sense::Maximize => -value,
    };
    let costs: Vec<f64> = search.objectives.iter().zip(values).map(cost).collect();
    (costs.len() == search.objectives.len() && costs.iter().all(|cost| !cost.is_nan())).then_some(costs)
}

fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

fn undominated<'c>(all: &[usize], cost: &impl Fn(usize) -> &'c [f64]) -> Vec<usize> {
    let is_best = |n: &&usize| !all.iter().any(|other| dominates(cost(*other), cost(**n)));
    all.iter().filter(is_best).copied().collect()
}

/// Front after front, the loneliest of each first.
fn sorted<'c>(all: &[usize], cost: &impl Fn(usize) -> &'c [f64]) -> Vec<usize> {
    let mut left = all.to_vec();
    let mut done = Vec::with_capacity(all.len());
    while !left.is_empty() {
        let mut front = undominated(&left, cost);
        left.retain(|n| !front.contains(n));
        let lonely = loneliness(&front, cost);
        let mut by: Vec<(usize, f64)> = front.drain(..).zip(lonely).collect();
        by.sort_by(|a, b| b.1.total_cmp(&a.1));
        done.extend(by.into_iter().map(|(n, _)| n));
    }
    done
}

/// The crowding distance of each: how far its neighbours in each objective are apart; infinite at the ends.
fn loneliness<'c>(front: &[usize], cost: &impl Fn(usize) -> &'c [f64]) -> Vec<f64> {
    let mut sums = vec![0.0; front.len()];
    let objectives = front.first().map_or(0, |&n| cost(n).len());
    for objective in 0..objectives {
        let value = |place: usize| cost(front[place])[objective];
        let mut places: Vec<usize> = (0..front.len()).collect();
        places.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
        let width = value(places[places.len() - 1]) - value(places[0]);
        for (n, &place) in places.iter().enumerate() {
            let between = match (n.checked_sub(1), places.get(n + 1)) {
                (Some(before), Some(&after)) if width > 0.0 => (value(after) - value(places[before])) / width,
                (Some(_), Some(_)) => 0.0,
                _ => f64::INFINITY,
            };
            sums[place] += between;
        }
    }
    sums
}
