//! The next trials.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::tpe::{self, Seen};
use super::{Axis, Method, Outcome, Search, Trial, key};

/// So many trials at least are spread evenly before the first that learns from others.
const SPREAD: usize = 10;

/// A trial that was made already is tried again elsewhere so often.
const TRIES: usize = 100;

impl Search {
    /// The next `count` trials after some, with what came of these.
    pub(super) fn propose(&self, before: &[Trial], outcomes: &[Outcome], count: usize) -> Vec<Trial> {
        let mut known: HashSet<String> = before.iter().map(key).collect();
        let order = super::order(self, outcomes);
        let mut seen: Vec<Seen> = order.iter().map(|&n| self.seen(&before[n])).collect();
        let mut proposed = Vec::with_capacity(count);
        for number in before.len()..before.len() + count {
            let learns = self.method == Method::Tpe && before.len() >= SPREAD;
            let mut random = self.random(number);
            let mut trial = if learns {
                let fresh = |seen: &Seen| !known.contains(&key(&self.trial(seen)));
                self.trial(&tpe::next(&self.axes, &seen, outcomes.len(), &mut random, fresh))
            } else {
                self.spread(number)
            };
            for _ in 0..TRIES {
                if !known.contains(&key(&trial)) {
                    break;
                }
                let places: Vec<f64> = self.axes.iter().map(|_| random.random()).collect();
                trial = self.at(&places);
            }
            known.insert(key(&trial));
            // Trials of this batch have no results yet: they count as bad ones, so that the next goes elsewhere.
            seen.push(self.seen(&trial));
            proposed.push(trial);
        }
        proposed
    }

    /// A trial that depends on its number alone.
    fn spread(&self, number: usize) -> Trial {
        let mut random = self.random(number);
        let dimensions = sobol_burley::NUM_DIMENSIONS as usize;
        let (sequence, index) = (self.seed ^ (self.seed >> 32), number % (1 << 16));
        let places: Vec<f64> = (0..self.axes.len())
            .map(|axis| match self.method {
                Method::Sobol | Method::Tpe if axis < dimensions =>
                {
                    #[expect(clippy::cast_possible_truncation, reason = "a seed of 32 bits; numbers below 65536")]
                    f64::from(sobol_burley::sample(index as u32, axis as u32, sequence as u32))
                }
                _ => random.random(),
            })
            .collect();
        self.at(&places)
    }

    fn random(&self, number: usize) -> ChaCha8Rng {
        let digest = Sha256::digest(format!("search {} {number}", self.seed));
        ChaCha8Rng::from_seed(digest.into())
    }

    /// The trial at some places between 0 and 1.
    fn at(&self, places: &[f64]) -> Trial {
        let mut trial: Trial = Vec::with_capacity(self.axes.len());
        for (axis, place) in self.axes.iter().zip(places) {
            let value = self.is_searched(axis, &trial).then(|| axis.at(*place));
            trial.push(value);
        }
        trial
    }

    /// The same, where a parameter may have no place: it is then in the middle.
    fn trial(&self, seen: &Seen) -> Trial {
        let places: Vec<f64> = seen.iter().map(|place| place.unwrap_or(0.5)).collect();
        self.at(&places)
    }

    fn seen(&self, trial: &Trial) -> Seen {
        let axes = self.axes.iter().zip(trial);
        axes.map(|(axis, value)| value.as_ref().map(|value| axis.place(value)))
            .collect()
    }

    /// Whether the condition of a parameter holds, given the values of those before it.
    fn is_searched(&self, axis: &Axis, trial: &Trial) -> bool {
        let Some(on) = &axis.when else { return true };
        let other = self.axes.iter().position(|other| other.name == on.name);
        let value = other.and_then(|other| trial.get(other)).and_then(Option::as_ref);
        value.is_some_and(|value| on.is.contains(value))
    }
}
