//! The part of `predict` for stars whose errors of measurement are known: predictions of stars drawn from the errors.

use std::borrow::Cow;

use dynamics::measured::{Measured, NoDraws, Priors};
use dynamics::phase_space::PhaseSpace;
use rand_chacha::ChaCha8Rng;
use runner::context::StageContext;
use runner::error::StageError;
use stages::common::io;
use stages::common::layout::StarId;
use stages::common::measured::{ErrorParameters, MeasuredStars, key};
use stages::common::set_aside::LeftOut;
use stages::common::spread::{Nine, Spread};
use stages::common::sun;
use stages::learn::train_actions::Inputs;
use tables::RecordBatch;
use tch::Tensor;

use crate::apply::predict_actions::{Outcomes, Predictor};
use crate::common::stretch::{Stretch, Three};

/// How stars are drawn.
pub struct DrawsOfErrors {
    with: ErrorParameters,
    priors: Priors,
    random: ChaCha8Rng,
}

impl DrawsOfErrors {
    /// As `with` says.
    pub fn new(context: &StageContext, with: ErrorParameters) -> Self {
        Self {
            with,
            priors: with.priors(),
            random: context.random(with.seed, "errors"),
        }
    }
}

/// The numbers of a prediction; frequencies that there are none of are 0.
fn nine(stars: &Stretch, row: usize) -> Nine {
    let of = |values: Option<&Three<f64>>| values.map_or([0.0; 3], |values| values.each_ref().map(|one| one[row]));
    let (j, theta) = (of(Some(&stars.actions)), of(stars.angles.as_ref()));
    let omega = of(stars.frequencies.as_ref());
    [
        j[0], j[1], j[2], theta[0], theta[1], theta[2], omega[0], omega[1], omega[2],
    ]
}

/// Puts the means of the draws in the place of a prediction.
fn replace(stars: &mut Stretch, row: usize, mean: &Nine) {
    let groups = [
        Some(&mut stars.actions),
        stars.angles.as_mut(),
        stars.frequencies.as_mut(),
    ];
    for (group, means) in groups.into_iter().zip(mean.as_chunks::<3>().0) {
        for (values, &mean) in group.into_iter().flatten().zip(means) {
            values[row] = mean;
        }
    }
}

impl Predictor<'_> {
    /// Predictions of stars as they were measured, with the spread of those drawn from the errors; where a prior says what was not measured, or
    /// that the parallax does not say how far a star is, the means of the draws.
    pub(super) fn with_errors(&self, table: &RecordBatch, number: usize) -> Result<Outcomes, StageError> {
        let Some(errors) = &self.draws_of_errors else {
            return Err(StageError::Bug("no errors to draw from".to_owned()));
        };
        if self.inputs == Inputs::Observables {
            sun::agreed("stars", table.schema_ref(), Some(self.sun)).map_err(StageError::failed)?;
        }
        let ids = io::star_ids(table)?;
        let columns = MeasuredStars::new(table)?;
        let (sun, samples) = (columns.sun, errors.with.samples as usize);
        let measured: Vec<Measured> = (0..ids.len()).map(|row| columns.star(row)).collect();
        let mut draws = Vec::with_capacity(ids.len());
        let (mut nominal, mut set_aside) = (Vec::new(), Vec::new());
        for (row, star) in measured.iter().enumerate() {
            let drawn = star.draws(&sun, &errors.priors);
            match drawn.as_ref().err() {
                Some(NoDraws::NoVelocity) => {
                    set_aside.push((row, Cow::from("it has no v_los, and no prior says what it may be")));
                }
                Some(NoDraws::NoCovariance(_)) => {
                    set_aside.push((row, "its correlations contradict each other".into()))
                }
                None => match star.nominal(&sun) {
                    Some(seen) => nominal.push((row, sun.locate(&seen))),
                    None => set_aside.push((row, "its distance is not positive".into())),
                },
            }
            draws.push(drawn.ok());
        }
        let mut found = self.of_places(&nominal, number)?;
        let lost = found.set_aside.drain(..);
        set_aside.extend(lost.map(|left| (left.id.stream as usize, left.reason)));

        let mut random: Vec<ChaCha8Rng> = Vec::with_capacity(ids.len());
        for id in &ids {
            let mut own = errors.random.clone();
            own.set_stream(key(id.stream, id.star));
            random.push(own);
        }
        let mut answers: Vec<Vec<Nine>> = vec![Vec::with_capacity(samples); ids.len()];
        for _ in 0..samples {
            let mut drawn = Vec::with_capacity(found.stars.ids.len());
            for id in &found.stars.ids {
                let row = id.stream as usize;
                let seen = draws[row].as_ref().and_then(|draws| draws.draw(&mut random[row]));
                drawn.extend(seen.map(|seen| (row, sun.locate(&seen))));
            }
            let stars = self.of_places(&drawn, number)?.stars;
            for (place, id) in stars.ids.iter().enumerate() {
                answers[id.stream as usize].push(nine(&stars, place));
            }
        }

        let (mut kept, mut spreads) = (Vec::new(), Vec::new());
        for place in 0..found.stars.ids.len() {
            let row = found.stars.ids[place].stream as usize;
            let Some(spread) = Spread::of(&answers[row], samples, columns.known_errors(row)) else {
                set_aside.push((
                    row,
                    "fewer than two of the stars drawn from its errors have a prediction".into(),
                ));
                continue;
            };
            if errors.priors.distance.is_some() || measured[row].v_los.is_none() {
                replace(&mut found.stars, place, &spread.mean);
            }
            kept.push(place);
            spreads.push(spread);
        }
        found.stars.keep(&kept);
        found.stars.ids = found.stars.ids.iter().map(|id| ids[id.stream as usize]).collect();
        found.stars.spreads = Some((errors.with, spreads));
        set_aside.sort_unstable_by_key(|(row, _)| *row);
        let named = set_aside.into_iter();
        found.set_aside = named.map(|(row, reason)| LeftOut { id: ids[row], reason }).collect();
        Ok(found)
    }

    /// Predictions of stars, each alone, whose `stream` is the row that they stand for.
    fn of_places(&self, stars: &[(usize, PhaseSpace)], number: usize) -> Result<Outcomes, StageError> {
        if stars.is_empty() {
            return Ok(Outcomes::default());
        }
        let ids: Vec<StarId> = stars
            .iter()
            .map(|(row, _)| StarId {
                stream: *row as i64,
                star: 0,
            })
            .collect();
        let tensor = |of: fn(&PhaseSpace) -> [f64; 3]| {
            let flat: Vec<f64> = stars.iter().flat_map(|(_, star)| of(star)).collect();
            Tensor::from_slice(&flat).view([-1, 3])
        };
        let (x, v) = (tensor(|star| star.x), tensor(|star| star.v));
        self.at(&x, &v, &ids, number)
    }
}
