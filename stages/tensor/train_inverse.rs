//! Body of `train_inverse`.

use networks::inverse::Form;
use networks::inverse::train::{Options, Pairs, train};
use networks::smooth;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::parameters::SunParameters;
use stages::train_actions::Inputs;
use stages::train_inverse::TrainInverse;
use tch::Tensor;

use crate::action_network::{self, ActionNetwork};
use crate::common::{StageWatcher, checkpoint, failed, parameters, prepare, write_history};
use crate::sample::Sample;

/// Trains the inverse of an action network on the actions and angles that it predicts for the training stars.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TrainInverse = parameters(value)?;
    let device = prepare(context);
    let network = ActionNetwork::from_weights(&action_network::weights(context, "network")?, device)?;
    let learning = pairs(&network, context, "train", device)?;
    let held_out = context
        .has_input("validation")
        .then(|| pairs(&network, context, "validation", device))
        .transpose()?;
    let stars = learning.x.size()[0] as usize;
    let options = options(&with, &network, stars);
    let mut watcher = StageWatcher::new(context, options.epochs, "");
    let toy = network.toy();
    let trained = train(
        &toy,
        &learning,
        held_out.as_ref(),
        &options,
        &mut checkpoint(context),
        &mut watcher,
    );
    let trained = trained.map_err(failed)?;
    let weights = trained.model.to_weights().map_err(failed)?;
    weights.save(context.output("network")?).map_err(failed)?;
    write_history(context, &trained.history)?;
    Ok(Outcome::Complete)
}

/// Stars with the actions and angles that the network predicts. Streams with a star that the toy does not bind are left
/// out and noted.
fn pairs(
    network: &ActionNetwork,
    context: &StageContext,
    port: &str,
    device: tch::Device,
) -> Result<Pairs, StageError> {
    let sample = Sample::read(context, port, Inputs::Cartesian, &SunParameters::default(), device)?;
    let unbound = smooth::unbound_energies(&network.toy(), &sample.streams.x, &sample.streams.v).map_err(failed)?;
    let rows: Vec<usize> = unbound.iter().map(|&(place, _)| sample.rows[place]).collect();
    let left = if rows.is_empty() {
        Some(sample)
    } else {
        sample.without(&rows)
    };
    let Some(sample) = left else {
        return Err(StageError::failed(format!(
            "{port}: every stream has a star that is unbound in the network's toy"
        )));
    };
    if !rows.is_empty() {
        context.note(format!(
            "{port}: {} stars are unbound in the network's toy; their streams are left out",
            rows.len()
        ));
    }
    let streams = &sample.streams;
    let real = streams.weights.view(-1).gt(0.0).nonzero().view(-1);
    let flat = |tensor: &Tensor| tensor.detach().reshape([-1, 3]).index_select(0, &real);
    let (x, v) = (flat(&streams.x), flat(&streams.v));
    let image = network.alone(&x, &v, None)?;
    context.metric(&format!("unconverged_stars_{port}"), image.open as f64, "");
    Ok(Pairs {
        theta: image.angles,
        action: image.actions,
        x,
        v,
    })
}

/// The architecture follows that of the action network.
fn options(with: &TrainInverse, network: &ActionNetwork, stars: usize) -> Options {
    let or = |value: Option<u32>, usual: i64| value.map_or(usual, i64::from);
    let form = match (network, Form::SMOOTH, Form::PAPER) {
        (ActionNetwork::Paper(_), _, Form::Paper { width, depth, dropout }) => Form::Paper {
            width: or(with.width, width),
            depth: or(with.depth, depth),
            dropout: with.dropout.unwrap_or(dropout),
        },
        (ActionNetwork::Smooth(_), Form::Smooth { width, depth }, _) => Form::Smooth {
            width: or(with.width, width),
            depth: or(with.depth, depth),
        },
        (_, usual, _) => usual,
    };
    let usual = Options::for_stars(form, stars);
    Options {
        form,
        epochs: with.epochs.map_or(usual.epochs, |epochs| epochs as usize),
        batch: with
            .batch
            .map_or(usual.batch, |batch| batch as usize * STARS_PER_STREAM),
        learning_rate: with.learning_rate.unwrap_or(usual.learning_rate),
        seed: with.seed,
    }
}

/// The parameter `batch` counts streams; the inverse learns from single stars.
const STARS_PER_STREAM: usize = 8;
