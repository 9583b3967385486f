//! The order of the stages, and cycles among them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::diagnostics::Mistake;
use super::nodes::Node;
use super::problem::Problem;
use super::spans::Part;

/// Indices of the stages, inputs first and otherwise in their order; then those that wait for a cycle. Reports cycles.
pub(super) fn order(stages: &[Node<'_>], mistakes: &mut Vec<Mistake>) -> Vec<(usize, bool)> {
    let mut waiting = vec![0_usize; stages.len()];
    let mut readers = vec![Vec::new(); stages.len()];
    for (index, stage) in stages.iter().enumerate() {
        for source in stage.from.iter().filter_map(|source| source.node) {
            waiting[index] += 1;
            readers[source].push(index);
        }
    }
    let mut ready: BinaryHeap<_> = (0..stages.len())
        .filter(|&index| waiting[index] == 0)
        .map(Reverse)
        .collect();
    let mut found = Vec::with_capacity(stages.len());
    while let Some(Reverse(index)) = ready.pop() {
        found.push((index, false));
        for &reader in &readers[index] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    let stuck: Vec<usize> = (0..stages.len()).filter(|&index| waiting[index] > 0).collect();
    let mut seen = HashSet::new();
    for &start in &stuck {
        // Every stuck stage has a stuck input, so walking towards inputs ends in a cycle, new or seen.
        let (mut walk, mut places, mut at) = (Vec::new(), HashMap::new(), start);
        while seen.insert(at) {
            places.insert(at, walk.len());
            walk.push(at);
            let stuck = |source: &usize| waiting[*source] > 0;
            let Some(next) = stages[at].from.iter().filter_map(|source| source.node).find(stuck) else {
                break;
            };
            at = next;
        }
        if let Some(&first) = places.get(&at) {
            report_cycle(stages, &walk[first..], mistakes);
        }
    }
    found.extend(stuck.into_iter().map(|index| (index, true)));
    found
}

/// Reports a cycle given from reader to input, at the input of its first stage in the file that closes it.
fn report_cycle(stages: &[Node<'_>], cycle: &[usize], mistakes: &mut Vec<Mistake>) {
    let mut forward: Vec<usize> = cycle.iter().rev().copied().collect();
    let first = forward
        .iter()
        .enumerate()
        .min_by_key(|(_, stage)| **stage)
        .map_or(0, |(place, _)| place);
    forward.rotate_left(first);
    let (Some(&start), Some(&last)) = (forward.first(), forward.last()) else {
        return;
    };
    let names = forward.iter().chain([&start]).map(|&index| stages[index].stage.name);
    let path = names.collect::<Vec<_>>().join(" → ");
    let source = stages[start].from.iter().find(|source| source.node == Some(last));
    let (port, item) = source.map_or(("", None), |source| (source.port, source.item));
    let (stage, scope) = (stages[start].stage, stages[start].scope);
    let mistake = Mistake::at(stage.path_of_source(port, item), Part::Value, Problem::Cycle { path });
    mistakes.push(mistake.within(scope));
}
