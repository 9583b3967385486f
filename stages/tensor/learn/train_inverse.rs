//! Body of `train_inverse`.

use std::collections::BTreeSet;

use networks::inverse::Form;
use networks::inverse::train::{Options, Pairs, train};
use networks::map::{CanonicalMap, NetworkKind};
use networks::streams::Streams;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::common::set_aside::{self, SetAside};
use stages::common::sun::SunParameters;
use stages::common::training::Training;
use stages::learn::train_actions::Inputs;
use stages::learn::train_inverse::TrainInverse;
use tch::Tensor;

use crate::common::sample::Sample;
use crate::common::stretch::three;
use crate::common::{
    LearnedFrom, StageWatcher, checkpoint, failed, load_map, parameters, prepare, save, write_history,
};

/// Trains the inverse of an action network on the actions and angles that it predicts for the training stars.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainInverse = parameters(value)?;
    let device = prepare(context);
    let (weights, network) = load_map(context, "network", device)?;
    let mut lost = SetAside::default();
    let (mut stars, learning) = pairs(network.as_ref(), context, "train", device, &mut lost)?;
    let validation = if context.has_input("validation") {
        let (more, validation) = pairs(network.as_ref(), context, "validation", device, &mut lost)?;
        stars += more;
        validation
    } else {
        None
    };
    lost.write(context, with.failures, stars, "stars")?;
    let Some(learning) = learning else {
        return Ok(set_aside::all_set_aside(stars, "stars"));
    };
    let stars = learning.x.size()[0] as usize;
    // Stars count singly here.
    let learned = Streams::new(learning.x.unsqueeze(1), learning.x.zeros_like().unsqueeze(1));
    let options = options(&with, NetworkKind::of(&weights).map_err(failed)?, stars);
    let mut watcher = StageWatcher::new(context, options.epochs, "");
    let toy = network.toy();
    let trained = train(
        &toy,
        &learning,
        validation.as_ref(),
        &options,
        &mut checkpoint(context),
        &mut watcher,
    );
    let trained = trained.map_err(failed)?;
    let weights = trained.model.to_weights().map_err(failed)?;
    save(context, "network", weights, &with, LearnedFrom::of(&learned))?;
    write_history(context, &trained.history)?;
    Ok(Outcome::Complete)
}

/// Stars with the actions and angles that the network predicts; those to which it gives none are set aside.
fn pairs(
    network: &dyn CanonicalMap,
    context: &StageContext,
    port: &str,
    device: tch::Device,
    lost: &mut SetAside,
) -> Result<(usize, Option<Pairs>), StageError> {
    let sample = Sample::read(context, port, Inputs::Cartesian, &SunParameters::default(), device)?;
    let all = sample.stars();
    let mut set_aside = |sample: &Sample, rows: &BTreeSet<usize>, why: &'static str| {
        for &row in rows {
            lost.push(sample.ids[row], why);
        }
    };
    let rows: BTreeSet<usize> = sample.unbound(&[network.toy()])?.into_keys().collect();
    set_aside(&sample, &rows, "it is unbound in the network's toy potential");
    let Some(sample) = sample.without_stars(&rows) else {
        return Ok((all, None));
    };
    let real = sample.streams.weights.view(-1).gt(0.0).nonzero().view(-1);
    let flat = |tensor: &Tensor| tensor.detach().reshape([-1, 3]).index_select(0, &real);
    let (x, v) = (flat(&sample.streams.x), flat(&sample.streams.v));
    let places = Vec::<i64>::try_from(&real).map_err(StageError::failed)?;
    let image = network.alone(&x, &v).map_err(failed)?;
    context.metric(
        &format!("unconverged_stars_{port}"),
        image.open.iter().filter(|open| **open).count() as f64,
        "",
    );
    let (angles, actions) = (three(&image.angles)?, three(&image.actions)?);
    let is_number = |star: usize| angles.iter().chain(&actions).all(|values| values[star].is_finite());
    let is_good = |star: &usize| !image.open[*star] && is_number(*star);
    let (good, bad): (Vec<usize>, Vec<usize>) = (0..places.len()).partition(is_good);
    let bad = bad.into_iter().map(|star| sample.rows[places[star] as usize]).collect();
    set_aside(&sample, &bad, "the network gives it no actions");
    if good.is_empty() {
        return Ok((all, None));
    }
    let good: Vec<i64> = good.into_iter().map(|star| star as i64).collect();
    let good = Tensor::from_slice(&good).to_device(device);
    let pick = |tensor: &Tensor| tensor.index_select(0, &good);
    let pairs = Pairs {
        theta: pick(&image.angles),
        action: pick(&image.actions),
        x: pick(&x),
        v: pick(&v),
    };
    Ok((all, Some(pairs)))
}

/// The architecture follows that of the action network.
fn options(with: &TrainInverse, network: NetworkKind, stars: usize) -> Options {
    let or = |value: Option<u32>, usual: i64| value.map_or(usual, i64::from);
    let usual = if network == NetworkKind::Paper {
        Form::PAPER
    } else {
        Form::SMOOTH
    };
    let form = match usual {
        Form::Paper { width, depth, dropout } => Form::Paper {
            width: or(with.width, width),
            depth: or(with.depth, depth),
            dropout: with.dropout.unwrap_or(dropout),
        },
        Form::Smooth { width, depth } => Form::Smooth {
            width: or(with.width, width),
            depth: or(with.depth, depth),
        },
    };
    let usual = Options::for_stars(form, stars);
    let of_stars = with.training.batch.map(|batch| batch.saturating_mul(STARS_PER_STREAM));
    let training = Training {
        batch: of_stars,
        ..with.training
    };
    let (epochs, batch, learning_rate) = training.or(usual.epochs, usual.batch, usual.learning_rate);
    Options {
        form,
        epochs,
        batch,
        learning_rate,
        seed: with.seed,
    }
}

/// The parameter `training.batch` counts streams; the inverse learns from single stars.
const STARS_PER_STREAM: u32 = 8;
