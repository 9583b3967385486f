//! The part of `predict` for actions and angles: piece by piece, so that tables larger than memory fit.

use dynamics::potential::Potential;
use networks::map::CanonicalMap;
use networks::region::Region;
use networks::toy;
use rayon::prelude::*;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::apply::predict::{By, Dropout, NETWORKS, Predict};
use stages::common::doubts::Doubts;
use stages::common::io::{self, PieceWriter};
use stages::common::layout::StarId;
use stages::common::potentials;
use stages::common::set_aside::{self, LeftOut};
use stages::common::sun::SunParameters;
use stages::learn::train_actions::Inputs;
use tables::RecordBatch;
use tch::{Device, Kind, Tensor};

use crate::apply::predict_errors::DrawsOfErrors;
use crate::apply::stream_means::StreamMeans;
use crate::common::field::LearnedField;
use crate::common::inside::{Doubtful, look_inside};
use crate::common::pieces::{ROWS, WholeStreams, rows_at_once, streams_follow};
use crate::common::sample::{Sample, phase_space};
use crate::common::stretch::{Stretch, Three, mean_and_deviation, spread_within, three};
use crate::common::{failed, load, load_map};
use crate::learn::train_actions::inputs_of;

/// Most pieces at a time on a GPU, which waits for a processor that launches small kernels one by one.
const ON_A_GPU: usize = 4;

/// Where accelerations come from.
enum Source<'a> {
    Known(&'a dyn Potential),
    Learned(LearnedField),
}

/// Everything that a piece of the table is put through.
pub(super) struct Predictor<'a> {
    with: &'a Predict,
    networks: Vec<Box<dyn CanonicalMap>>,
    regions: Vec<Option<Region>>,
    pub(super) inputs: Inputs,
    pub(super) sun: SunParameters,
    field: Option<Source<'a>>,
    device: Device,
    pub(super) draws_of_errors: Option<DrawsOfErrors>,
}

/// What came of a piece.
#[derive(Default)]
pub(super) struct Outcomes {
    pub stars: Stretch,
    pub set_aside: Vec<LeftOut>,
    pub unbound: usize,
    pub open: usize,
}

/// Actions and angles of the stars of a table. Stars that a toy does not bind are left out, counted and named; with
/// `by: stream`, their streams.
pub fn run(with: &Predict, context: &StageContext, device: Device) -> Result<Outcome, StageError> {
    let follow = streams_follow(context, "stars")?;
    let rows = io::count_rows(context, "stars")?;
    let together = with.by == By::Stream;
    if together && !follow {
        context.note("rows of one stream do not follow each other in the table: all of it is kept in memory");
    }
    let at_once = if together && !follow {
        rows.max(1)
    } else {
        rows_at_once(device)
    };
    // A piece for each thread, with a predictor of its own: the operations of one are too small to share. Masks of dropout come from
    // libtorch's one generator, which pieces cannot share.
    let most = match (&with.by, device) {
        (By::Dropout(_), _) => 1,
        (_, Device::Cpu) => {
            tch::set_num_threads(1);
            context.threads
        }
        _ => context.threads.min(ON_A_GPU),
    };
    let side_by_side = most.clamp(1, rows.div_ceil(at_once).max(1));
    let known = with
        .potential
        .as_ref()
        .map(|potential| potentials::build(potential, context, "potential"))
        .transpose()?;
    let mut predictors = (0..side_by_side)
        .map(|_| Predictor::new(with, known.as_deref(), context, device))
        .collect::<Result<Vec<_>, _>>()?;
    let pieces = io::pieces(context, "stars", &[], at_once)?;
    let pieces: Box<dyn Iterator<Item = _>> = if together && follow {
        Box::new(WholeStreams::new(pieces))
    } else {
        Box::new(pieces)
    };

    let mut predictions = PieceWriter::create(context, "predictions")?;
    let mut set_aside = PieceWriter::create(context, "set_aside")?;
    let mut means = StreamMeans::create(context, follow)?;
    let progress = context.progress(rows as u64, "stars");
    let (mut predicted, mut left, mut unbound, mut open, mut done) = (0, 0, 0, 0, 0);
    let (mut doubtful, mut unphysical, mut doubts) = (Doubtful::default(), 0, Doubts::default());
    let mut pieces = pieces.enumerate();
    loop {
        context.check_cancelled()?;
        let next = pieces.by_ref().take(predictors.len());
        let tables = next
            .map(|(number, piece)| Ok((number, piece?)))
            .collect::<Result<Vec<_>, StageError>>()?;
        if tables.is_empty() {
            break;
        }
        for found in predict_each(&mut predictors, &tables) {
            let found = found?;
            means.add(&found.stars);
            means.flush(found.stars.ids.last().map(|id| id.stream))?;
            if let Some(first) = found.set_aside.first() {
                set_aside::may_be_set_aside(context, with.failures, first)?;
                set_aside.append_rows(&set_aside::layout(), &found.set_aside)?;
            }
            predicted += found.stars.ids.len();
            left += found.set_aside.len();
            unbound += found.unbound;
            open += found.open;
            if let Some((_, spreads)) = &found.stars.spreads {
                let stars = found.stars.ids.iter().zip(spreads);
                stars.for_each(|(id, spread)| doubts.add(*id, spread));
            }
            doubtful.count(&found.stars.inside);
            unphysical += found.stars.physical().iter().filter(|physical| !**physical).count();
            predictions.append(found.stars.columns())?;
        }
        done += tables.iter().map(|(_, table)| table.num_rows()).sum::<usize>();
        progress.at(done as u64, "");
    }
    if predicted == 0 {
        return Err(StageError::failed(match (rows, together) {
            (0, _) => "the table of stars is empty".to_owned(),
            (_, true) => "every stream has a star that is unbound in the network's toy potential".to_owned(),
            (_, false) => "every star is unbound in the network's toy potential".to_owned(),
        }));
    }
    predictions.finish()?;
    set_aside.finish()?;
    means.finish()?;
    if left > 0 {
        context.note(format!(
            "{left} of {rows} stars have no prediction; the output set_aside says why ({unbound} are unbound in the network's toy)"
        ));
    }
    doubts.tell(context)?;
    context.metric("unbound_stars", unbound as f64, "");
    context.metric("set_aside", left as f64, "");
    let name = if together {
        "unconverged_streams"
    } else {
        "unconverged_stars"
    };
    context.metric(name, open as f64, "");
    doubtful.tell(context);
    context.metric("unphysical_stars", unphysical as f64, "");
    if unphysical > 0 {
        context.note(format!(
            "{unphysical} of {predicted} stars have an action or a frequency of a sign that no orbit has (column physical)"
        ));
    }
    Ok(Outcome::Complete)
}

/// What comes of each numbered piece, at most one for each predictor, in their order: no result depends on how many there are.
fn predict_each(predictors: &mut [Predictor], pieces: &[(usize, RecordBatch)]) -> Vec<Result<Outcomes, StageError>> {
    if let [predictor] = predictors {
        let found = pieces.iter().map(|(number, table)| predictor.predict(table, *number));
        return found.collect();
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = predictors
            .iter_mut()
            .zip(pieces)
            .map(|(predictor, (number, table))| {
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    predictor.predict(table, *number)
                })
            })
            .collect();
        let lost = |_| Err(StageError::Bug("a thread of predict panicked".to_owned()));
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(lost))
            .collect()
    })
}

impl<'a> Predictor<'a> {
    fn new(
        with: &'a Predict,
        known: Option<&'a dyn Potential>,
        context: &StageContext,
        device: Device,
    ) -> Result<Self, StageError> {
        let (mut networks, mut regions) = (Vec::new(), Vec::new());
        let mut seen = None;
        for port in NETWORKS.iter().filter(|port| context.has_input(port)) {
            let (weights, network) = load_map(context, port, device)?;
            let inputs = inputs_of(&weights).map_err(failed)?;
            if seen.as_ref().is_some_and(|seen| *seen != inputs) {
                return Err(StageError::failed(format!(
                    "input {port}: reads other columns, or has another Sun, than network"
                )));
            }
            seen = Some(inputs);
            networks.push(network);
            regions.push(Region::from_weights(&weights).map_err(failed)?);
        }
        let field = match known {
            Some(potential) => Some(Source::Known(potential)),
            None if context.has_input("field") => {
                let weights = load(context, "field")?;
                Some(Source::Learned(LearnedField::from_weights(&weights)?))
            }
            None => None,
        };
        let (inputs, sun) = seen.unwrap_or((Inputs::Cartesian, SunParameters::default()));
        Ok(Self {
            with,
            networks,
            regions,
            inputs,
            sun,
            field,
            device,
            draws_of_errors: with.errors.map(|errors| DrawsOfErrors::new(context, errors)),
        })
    }

    fn predict(&self, table: &RecordBatch, number: usize) -> Result<Outcomes, StageError> {
        if table.num_rows() == 0 {
            return Ok(Outcomes::default());
        }
        match self.with.by {
            By::Stream => self.together(table),
            _ if self.draws_of_errors.is_some() => self.with_errors(table, number),
            _ => self.alone(table, number),
        }
    }

    /// Whether actions and angles are means of several predictions.
    fn is_ensemble(&self) -> bool {
        self.networks.len() > 1 || matches!(self.with.by, By::Dropout(_))
    }

    /// Rows of (x, v) that a toy does not bind.
    fn unbound(&self, x: &Tensor, v: &Tensor) -> Result<Vec<usize>, StageError> {
        let mut rows = std::collections::BTreeSet::new();
        for network in &self.networks {
            let unbound = toy::unbound_energies(&network.toy(), x, v).map_err(failed)?;
            rows.extend(unbound.into_iter().map(|(row, _)| row));
        }
        Ok(rows.into_iter().collect())
    }

    /// Whether stars are in the regions of all networks, where these are known. The toy itself has none.
    fn inside(&self, x: &Tensor, v: &Tensor) -> Result<Vec<Option<bool>>, StageError> {
        let mut inside = vec![None; x.size()[0] as usize];
        if self.with.by == By::Toy {
            return Ok(inside);
        }
        for (network, region) in self.networks.iter().zip(&self.regions) {
            if let Some(region) = region {
                look_inside(&mut inside, network.as_ref(), region, x, v)?;
            }
        }
        Ok(inside)
    }

    fn alone(&self, table: &RecordBatch, number: usize) -> Result<Outcomes, StageError> {
        let ids = io::star_ids(table)?;
        let (x, v) = phase_space(table, self.inputs, &self.sun)?;
        self.at(&x, &v, &ids, number)
    }

    /// Each star alone, at (x, v).
    pub(super) fn at(&self, x: &Tensor, v: &Tensor, ids: &[StarId], number: usize) -> Result<Outcomes, StageError> {
        let (x, v) = (x.to_device(self.device), v.to_device(self.device));
        let unbound = self.unbound(&x, &v)?;
        let set_aside: Vec<_> = unbound
            .iter()
            .map(|&row| LeftOut {
                id: ids[row],
                reason: "it is unbound in the network's toy potential".into(),
            })
            .collect();
        let mut kept: Vec<i64> = (0..ids.len() as i64).collect();
        kept.retain(|&row| unbound.binary_search(&(row as usize)).is_err());
        let mut outcomes = Outcomes {
            unbound: unbound.len(),
            set_aside,
            ..Outcomes::default()
        };
        if kept.is_empty() {
            return Ok(outcomes);
        }
        let rows = Tensor::from_slice(&kept).to_device(self.device);
        let (x, v) = (x.index_select(0, &rows), v.index_select(0, &rows));
        let accelerations = self.accelerations(&x)?;
        let mut members = Vec::new();
        let mut converged = vec![true; kept.len()];
        for (network, draw) in self.draws(number) {
            let image = match (&self.with.by, draw) {
                (By::Toy, _) => network.by_toy(&x, &v),
                (_, None) => network.alone(&x, &v),
                (_, Some(draw)) => match network.drawn(&x, &v, draw) {
                    Some(image) => image,
                    None => return Err(StageError::Bug("samples of a network without dropout".to_owned())),
                },
            };
            let image = image.map_err(failed)?;
            outcomes.open += image.open.iter().filter(|open| **open).count();
            converged
                .iter_mut()
                .zip(&image.open)
                .for_each(|(converged, open)| *converged &= !open);
            let frequencies = accelerations
                .as_ref()
                .map(|a| network.frequencies(&x, &v, a, &image.actions).map_err(failed));
            members.push([Some(image.angles), Some(image.actions), frequencies.transpose()?]);
        }
        let kept = kept.iter().map(|&row| ids[row as usize]).collect();
        outcomes.stars = self.stretch(&members, accelerations.as_ref(), kept)?;
        outcomes.stars.converged = converged;
        outcomes.stars.inside = self.inside(&x, &v)?;
        outcomes.drop_not_finite();
        Ok(outcomes)
    }

    /// The networks, or their thinned versions, that predict a piece of this number.
    fn draws(&self, number: usize) -> Vec<(&dyn CanonicalMap, Option<i64>)> {
        match self.with.by {
            By::Dropout(Dropout { samples, seed }) => {
                // Each sample of each piece has its own seed.
                let seed = |sample: u32| {
                    let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let mixed = mixed
                        .wrapping_add(u64::from(sample) << 40)
                        .wrapping_add(number as u64 * ROWS as u64);
                    (mixed >> 1) as i64
                };
                (0..samples)
                    .map(|sample| (self.networks[0].as_ref(), Some(seed(sample))))
                    .collect()
            }
            _ => self.networks.iter().map(|network| (network.as_ref(), None)).collect(),
        }
    }

    fn together(&self, table: &RecordBatch) -> Result<Outcomes, StageError> {
        let sample = Sample::from_table(table, self.inputs, &self.sun, self.device)?;
        let toys: Vec<_> = self.networks.iter().map(|network| network.toy()).collect();
        let rows = sample.unbound(&toys)?;
        let mut outcomes = Outcomes {
            unbound: rows.len(),
            ..Outcomes::default()
        };
        let lost: std::collections::BTreeSet<i64> = rows.keys().map(|&row| sample.ids[row].stream).collect();
        let of_lost = sample.ids.iter().filter(|id| lost.contains(&id.stream));
        outcomes.set_aside = of_lost
            .map(|&id| LeftOut {
                id,
                reason: "a star of its stream is unbound in the network's toy potential".into(),
            })
            .collect();
        let left = if rows.is_empty() {
            Some(sample)
        } else {
            sample.without(rows.into_keys())
        };
        let Some(sample) = left else {
            return Ok(outcomes);
        };
        let (x, v) = (sample.flat(&sample.streams.x), sample.flat(&sample.streams.v));
        let accelerations = self.accelerations(&x)?;
        let (mut members, mut own_members) = (Vec::new(), Vec::new());
        let mut open_streams = std::collections::BTreeSet::new();
        for network in &self.networks {
            let image = network
                .together(&sample.streams)
                .ok_or_else(|| StageError::Bug("predictions by stream of a network that gives none".to_owned()))?;
            let image = image.map_err(failed)?;
            outcomes.open += image.open.iter().filter(|open| **open).count();
            let width = sample.streams.weights.size()[1] as usize;
            let first = image
                .open
                .iter()
                .enumerate()
                .filter(|(_, open)| **open)
                .map(|(index, _)| sample.rows[index * width]);
            open_streams.extend(first.map(|row| sample.ids[row].stream));
            let actions = sample.flat(&image.actions);
            let frequencies = accelerations
                .as_ref()
                .map(|a| network.frequencies(&x, &v, a, &actions).map_err(failed));
            members.push([
                Some(sample.flat(&image.angles)),
                Some(actions),
                frequencies.transpose()?,
            ]);
            own_members.push(sample.flat(&image.own_actions));
        }
        let own = Tensor::stack(&own_members, 0).mean_dim([0_i64].as_slice(), false, Kind::Double);
        outcomes.stars = self.stretch(&members, accelerations.as_ref(), sample.ids.clone())?;
        outcomes.stars.own_actions = Some(three(&own)?);
        let has_ended = |id: &StarId| !open_streams.contains(&id.stream);
        outcomes.stars.converged = sample.ids.iter().map(has_ended).collect();
        outcomes.stars.inside = self.inside(&x, &v)?;
        if !self.is_ensemble() {
            outcomes.stars.actions_sd = Some(spread_within(&outcomes.stars));
        }
        outcomes.drop_not_finite();
        Ok(outcomes)
    }

    /// Accelerations at positions (stars, 3), where there is a field.
    fn accelerations(&self, x: &Tensor) -> Result<Option<Tensor>, StageError> {
        let Some(field) = &self.field else { return Ok(None) };
        let flat = Vec::<f64>::try_from(x.to_device(Device::Cpu).contiguous().view(-1)).map_err(StageError::failed)?;
        let places = flat.as_chunks::<3>().0;
        let found: Vec<[f64; 3]> = match field {
            Source::Known(potential) => places.par_iter().map(|&place| potential.acceleration(place)).collect(),
            Source::Learned(field) => field.at(places)?,
        };
        Ok(Some(
            Tensor::from_slice(&found.concat()).view([-1, 3]).to_device(self.device),
        ))
    }

    /// Means and standard deviations over the members' [angles, actions, frequencies].
    fn stretch(
        &self,
        members: &[[Option<Tensor>; 3]],
        accelerations: Option<&Tensor>,
        ids: Vec<StarId>,
    ) -> Result<Stretch, StageError> {
        let over = |quantity: usize| -> Option<(Tensor, Tensor)> {
            let all: Vec<&Tensor> = members.iter().filter_map(|member| member[quantity].as_ref()).collect();
            (!all.is_empty()).then(|| mean_and_deviation(&Tensor::stack(&all, 0), quantity == 0))
        };
        let (angles, actions, frequencies) = (over(0), over(1), over(2));
        let part = |found: &Option<(Tensor, Tensor)>, deviation: bool| {
            let tensor = found.as_ref().map(|(mean, sd)| if deviation { sd } else { mean });
            tensor.map(three).transpose()
        };
        let is_ensemble = self.is_ensemble();
        let sd = |found: &Option<(Tensor, Tensor)>| if is_ensemble { part(found, true) } else { Ok(None) };
        let some = |values: Three<f64>| values.map(|values| values.into_iter().map(Some).collect());
        Ok(Stretch {
            ids,
            actions: part(&actions, false)?.unwrap_or_default(),
            own_actions: None,
            angles: part(&angles, false)?,
            frequencies: part(&frequencies, false)?,
            accelerations: accelerations.map(three).transpose()?,
            actions_sd: sd(&actions)?.map(some),
            angles_sd: sd(&angles)?,
            frequencies_sd: sd(&frequencies)?,
            ..Stretch::default()
        })
    }
}

impl Outcomes {
    /// Sets aside stars with a number that is none.
    fn drop_not_finite(&mut self) {
        let stars = &self.stars;
        let all = [
            Some(&stars.actions),
            stars.angles.as_ref(),
            stars.accelerations.as_ref(),
        ];
        let is_finite = |values: &Three<f64>, row: usize| values.iter().all(|values| values[row].is_finite());
        let why = |row: usize| {
            if all.iter().flatten().any(|values| !is_finite(values, row)) {
                return Some("the network gives it no actions");
            }
            let frequencies = [stars.frequencies.as_ref(), stars.frequencies_sd.as_ref()];
            frequencies
                .iter()
                .flatten()
                .any(|values| !is_finite(values, row))
                .then_some("it has no frequencies: the orbit is circular, or in the plane, of the toy")
        };
        let reasons: Vec<Option<&'static str>> = (0..stars.ids.len()).map(why).collect();
        if reasons.iter().all(Option::is_none) {
            return;
        }
        let lost = stars.ids.iter().zip(&reasons).filter_map(|(&id, why)| {
            Some(LeftOut {
                id,
                reason: (*why)?.into(),
            })
        });
        self.set_aside.extend(lost);
        let kept: Vec<usize> = (0..reasons.len()).filter(|&row| reasons[row].is_none()).collect();
        self.stars.keep(&kept);
    }
}

#[cfg(test)]
#[path = "predict_actions_tests.rs"]
mod tests;
