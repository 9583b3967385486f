//! Successive halving (Jamieson & Talwalkar 2016), synchronous: the trials of a batch go on together to one epoch after the other, and at each of
//! these the best by their validation curves go on.
//!
//! Who is given up depends on the curves of the batch alone, so it is the same whatever runs beside, and after an interruption. A trial that
//! was given up keeps its checkpoint.

use serde::Serialize;

use super::{Outcome, Search};

/// Which trials of a batch are given up early.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prune {
    /// The training: a stage with a validation curve.
    pub stage: String,
    /// The epochs after which trials are compared, rising.
    pub at: Vec<u64>,
    /// The share that goes on, at least one.
    pub keep: f64,
}

/// How far a trial is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// To its end.
    End,
    /// Until this epoch of its training is over; then the others of its batch are waited for.
    Until(u64),
    /// No further: it was given up at this place of [`Prune::at`].
    Pruned(usize),
}

impl Limit {
    /// What came of a trial with this limit, if it has come to it.
    pub(super) fn judge(self, outcome: &Outcome) -> Option<Outcome> {
        match self {
            Self::End if outcome.ended => Some(outcome.clone()),
            Self::End | Self::Until(_) => None,
            // What it may have given before does not count: the same trials are given up, whatever is in the store.
            Self::Pruned(rung) => Some(Outcome {
                ended: true,
                objectives: None,
                pruned: Some(rung),
                ..outcome.clone()
            }),
        }
    }
}

impl Search {
    /// How far each trial of a batch is to go, given what came of them until now.
    pub(super) fn limits(&self, batch: &[Option<&Outcome>]) -> Vec<Limit> {
        let mut limits = vec![Limit::End; batch.len()];
        let Some(prune) = &self.prune else { return limits };
        let has_ended = |n: usize| batch[n].is_some_and(|outcome| outcome.ended);
        let mut left: Vec<usize> = (0..batch.len()).collect();
        for (rung, &epoch) in prune.at.iter().enumerate() {
            let loss = |n: usize| batch[n].and_then(|outcome| outcome.rungs.get(rung)).copied();
            if left.iter().any(|&n| loss(n).is_none() && !has_ended(n)) {
                left.iter().for_each(|&n| limits[n] = Limit::Until(epoch));
                return limits;
            }
            // One without a curve has ended: well, and is kept, or not, and is worst.
            let is_good = |n: usize| batch[n].is_some_and(|outcome| outcome.objectives.is_some());
            let cost = |n: usize| match loss(n) {
                Some(loss) if loss.is_nan() => f64::INFINITY,
                Some(loss) => loss,
                None if is_good(n) => f64::NEG_INFINITY,
                None => f64::INFINITY,
            };
            let most = left.len() as f64 * prune.keep;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a batch"
            )]
            let kept = (most.ceil() as usize).clamp(1, left.len().max(1));
            // Of equals the first.
            left.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(a.cmp(&b)));
            for n in left.split_off(kept.min(left.len())) {
                if loss(n).is_some() {
                    limits[n] = Limit::Pruned(rung);
                }
            }
            left.sort_unstable();
        }
        limits
    }
}
