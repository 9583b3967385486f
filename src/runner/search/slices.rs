//! How much each parameter of a search matters, and what trials with its values gave.

use serde_json::Value;

use super::{Axis, Outcome, Search, Sense, Trial};

/// Fewer trials say nothing of shares.
const FEWEST: usize = 8;

/// At most so many slices has a number.
const MOST_SLICES: usize = 6;

/// A parameter of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The parameter.
    pub axis: String,
    /// The share of the variance of the trials' ranks that it explains by itself: ω² of a one-way analysis of variance over the slices,
    /// (S_b − (k − 1) M_w)/(S_t + M_w), which is 0 on average where there is nothing to explain. `None` where trials are too few.
    pub share: Option<f64>,
    /// Its values, in slices; of a number with about as many trials each.
    pub slices: Vec<Slice>,
}

/// Trials with some values of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The least and the greatest value; `None` where it is not searched.
    pub values: Option<(Value, Value)>,
    /// How many trials.
    pub trials: usize,
    /// The best of their objectives.
    pub best: f64,
    /// The median of them.
    pub median: f64,
}

/// The parameters, by what an objective was in the trials that have one; the most important first.
pub fn importance(search: &Search, objective: usize, trials: &[(&Trial, &Outcome)]) -> Vec<Importance> {
    let sense = search
        .objectives
        .get(objective)
        .map_or(Sense::Minimize, |objective| objective.sense);
    let value = |outcome: &Outcome| {
        outcome
            .objectives
            .as_ref()?
            .get(objective)
            .copied()
            .filter(|value| !value.is_nan())
    };
    let mut known: Vec<(&Trial, f64)> = trials
        .iter()
        .filter_map(|(trial, outcome)| Some((*trial, value(outcome)?)))
        .collect();
    let cost = |value: f64| if sense == Sense::Minimize { value } else { -value };
    known.sort_by(|a, b| cost(a.1).total_cmp(&cost(b.1)));
    let axes = search.axes.iter().enumerate();
    let mut all: Vec<Importance> = axes
        .map(|(place, axis)| {
            let slices = slices(place, axis, &known);
            Importance {
                axis: axis.name.clone(),
                share: share(&slices, known.len()),
                slices: slices
                    .iter()
                    .map(|members| slice(place, axis, members, &known))
                    .collect(),
            }
        })
        .collect();
    all.sort_by(|a, b| b.share.unwrap_or(0.0).total_cmp(&a.share.unwrap_or(0.0)));
    all
}

/// The ranks of the trials of each slice. Trials with equal values are in one.
fn slices(place: usize, axis: &Axis, known: &[(&Trial, f64)]) -> Vec<Vec<usize>> {
    let at = |rank: usize| {
        known[rank]
            .0
            .get(place)
            .and_then(Option::as_ref)
            .map(|value| axis.place(value))
    };
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (at(a).unwrap_or(f64::INFINITY), at(b).unwrap_or(f64::INFINITY));
        a.total_cmp(&b)
    });
    let searched = order.iter().filter(|&&rank| at(rank).is_some()).count();
    let count = match axis.values.choices() {
        Some(_) => usize::MAX,
        None => searched.isqrt().clamp(1, MOST_SLICES),
    };
    let mut slices: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut first = 0;
    for (n, &rank) in order.iter().enumerate() {
        if n == 0 || at(order[n - 1]) != at(rank) {
            first = n;
        }
        let slice = match at(rank) {
            None => usize::MAX,
            Some(_) if count == usize::MAX => first,
            Some(_) => first * count / searched,
        };
        match slices.last_mut() {
            Some((last, members)) if *last == slice => members.push(rank),
            _ => slices.push((slice, vec![rank])),
        }
    }
    slices.into_iter().map(|(_, members)| members).collect()
}

fn share(slices: &[Vec<usize>], trials: usize) -> Option<f64> {
    let (n, k) = (trials as f64, slices.len() as f64);
    if trials < FEWEST || slices.len() < 2 || slices.len() >= trials {
        return None;
    }
    let mean = (n - 1.0) / 2.0;
    let square = |ranks: &[usize]| ranks.iter().map(|&rank| (rank as f64 - mean).powi(2)).sum::<f64>();
    let total: f64 = slices.iter().map(|ranks| square(ranks)).sum();
    let between = |ranks: &Vec<usize>| {
        let own = ranks.iter().map(|&rank| rank as f64).sum::<f64>() / ranks.len() as f64;
        ranks.len() as f64 * (own - mean).powi(2)
    };
    let between: f64 = slices.iter().map(between).sum();
    let within = (total - between) / (n - k);
    Some(((between - (k - 1.0) * within) / (total + within)).max(0.0))
}

fn slice(place: usize, axis: &Axis, members: &[usize], known: &[(&Trial, f64)]) -> Slice {
    let value = |rank: usize| known[rank].0.get(place).and_then(Option::as_ref);
    let at = |value: &&Value| axis.place(value);
    let values = || members.iter().filter_map(|&rank| value(rank));
    let least = values().min_by(|a, b| at(a).total_cmp(&at(b)));
    let most = values().max_by(|a, b| at(a).total_cmp(&at(b)));
    // Ranks are in the order of the objective.
    let mut ranks = members.to_vec();
    ranks.sort_unstable();
    let (low, high) = (ranks[(ranks.len() - 1) / 2], ranks[ranks.len() / 2]);
    Slice {
        values: least.zip(most).map(|(least, most)| (least.clone(), most.clone())),
        trials: members.len(),
        best: known[ranks[0]].1,
        median: (known[low].1 + known[high].1) / 2.0,
    }
}
