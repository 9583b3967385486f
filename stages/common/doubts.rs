//! Stars whose standard deviations and intervals say less than they seem to, counted and told.

use runner::context::StageContext;
use runner::error::StageError;

use crate::common::io::called;
use crate::common::layout::StarId;
use crate::common::spread::{KnownErrors, Spread};

/// Stars that have something in common: how many, and the first of them.
#[derive(Debug, Clone, Default)]
struct Counted {
    count: usize,
    first: Vec<StarId>,
}

/// So many stars are named.
const NAMED: usize = 3;

/// More draws set aside than this part of all are told.
const MANY_DRAWS: f64 = 0.1;

impl Counted {
    fn add(&mut self, id: StarId) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(id);
        }
    }

    /// The first stars in words, by their streams, and their numbers there.
    fn named(&self, context: &StageContext) -> Result<String, StageError> {
        let one = |id: &StarId| Ok(format!("{}:{}", called(context, id.stream)?, id.star));
        let names = self.first.iter().map(one).collect::<Result<Vec<_>, StageError>>()?;
        Ok(names.join(", "))
    }
}

/// Of the stars of a table.
#[derive(Debug, Clone, Default)]
pub struct Doubts {
    stars: usize,
    some_known: Counted,
    none_known: Counted,
    set_aside: Counted,
}

impl Doubts {
    /// Adds a star.
    pub fn add(&mut self, id: StarId, spread: &Spread) {
        self.stars += 1;
        match spread.errors {
            KnownErrors::All => {}
            KnownErrors::Some => self.some_known.add(id),
            KnownErrors::None => self.none_known.add(id),
        }
        if spread.set_aside > MANY_DRAWS {
            self.set_aside.add(id);
        }
    }

    /// Says what there is to say.
    pub fn tell(&self, context: &StageContext) -> Result<(), StageError> {
        let all = self.stars;
        let said = [
            (
                &self.some_known,
                "stars lack the error of something that was measured, which counts as exact (errors_known)",
            ),
            (
                &self.none_known,
                "stars have no errors: their standard deviations, intervals and correlations are missing",
            ),
            (
                &self.set_aside,
                "stars have more than a tenth of their draws set aside: their intervals are of the others",
            ),
        ];
        for (counted, what) in said.into_iter().filter(|(counted, _)| counted.count > 0) {
            let (count, first) = (counted.count, counted.named(context)?);
            context.note(format!("{count} of {all} {what}; first {first}"));
        }
        Ok(())
    }
}
