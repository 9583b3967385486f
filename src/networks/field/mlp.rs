//! Φ as a small network of the position, with no symmetry: trained on the energies of the stars of streams.

use dynamics::potential::{Isochrone, Potential};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{density, hessian_by_differences};
use crate::error::Error;
use crate::isochrone::{dot, part};
use crate::map::NetworkKind;
use crate::optimiser::{Decay, Optimiser};
use crate::perceptron::{Perceptron, Size, Start};
use crate::random::generator;
use crate::streams::{Streams, mean, scales};
use crate::training::{EpochRecord, Plan, Task, Watcher, learn};
use crate::weights::{Checkpoint, Weights};

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Width of the two hidden layers.
    pub width: i64,
    /// Passes over the training streams.
    pub epochs: usize,
    /// Streams in one step.
    pub batch: usize,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Seed of weights and batches.
    pub seed: u64,
}

impl Options {
    /// What works well for a training set of `streams` streams.
    pub fn for_streams(streams: usize) -> Self {
        let batch = (streams / 16).clamp(4, 64);
        Self {
            width: 64,
            epochs: (8000 / streams.div_ceil(batch)).clamp(100, 2000),
            batch,
            learning_rate: 1e-2,
            seed: 1,
        }
    }
}

/// Φ(x) = V² o(f(x)), o a network 6–w–…–1 with SiLU of the standardised features f, in plain numbers; plus an isochrone where
/// the network is a correction to one.
///
/// With s the typical distance, f = x/√(r² + s²/4), ln(r² + (s/50)²), ln(R² + (s/20)²), ln(z² + (s/50)²): Φ may have any shape,
/// but fine structure only near the plane z = 0 and the centre. It means nothing far from the training stars: then Φ has no
/// limit at infinity, and any orbit counts as bound.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpField {
    /// What the network corrects, if anything.
    toy: Option<Isochrone>,
    length: f64,
    /// V², (km/s)².
    unit: f64,
    centre: Vec<f64>,
    width: Vec<f64>,
    /// Weights (inputs × outputs, row-major) and biases of each layer.
    layers: Vec<(Vec<f64>, Vec<f64>)>,
}

/// How many features a position has.
pub(crate) const FEATURES: usize = 6;

impl MlpField {
    /// The field of `layers` (weights and biases in turn) for features with the mean and width `standard`, V² = `unit`.
    pub(crate) fn new(
        toy: Option<Isochrone>,
        length: f64,
        unit: f64,
        standard: (Vec<f64>, Vec<f64>),
        layers: Vec<(Vec<f64>, Vec<f64>)>,
    ) -> Self {
        let (centre, width) = standard;
        Self {
            toy,
            length,
            unit,
            centre,
            width,
            layers,
        }
    }

    /// Features and their gradients.
    fn features(&self, x: [f64; 3]) -> [(f64, [f64; 3]); FEATURES] {
        let s = self.length;
        let r2 = x.iter().map(|c| c * c).sum::<f64>();
        let inverse = 1.0 / (r2 + 0.25 * s * s).sqrt();
        let direction = |axis: usize| {
            let gradient = [0, 1, 2].map(|i| {
                let own = if i == axis { inverse } else { 0.0 };
                own - x[axis] * x[i] * inverse.powi(3)
            });
            (x[axis] * inverse, gradient)
        };
        let logarithm = |mask: [f64; 3], softening: f64| {
            let square: f64 = (0..3).map(|i| mask[i] * x[i] * x[i]).sum::<f64>() + (softening * s).powi(2);
            (square.ln(), [0, 1, 2].map(|i| 2.0 * mask[i] * x[i] / square))
        };
        [
            direction(0),
            direction(1),
            direction(2),
            logarithm([1.0, 1.0, 1.0], 0.02),
            logarithm([1.0, 1.0, 0.0], 0.05),
            logarithm([0.0, 0.0, 1.0], 0.02),
        ]
    }

    pub(super) fn to_weights(&self) -> Result<Weights, Error> {
        let mut weights = Weights::default();
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let weight = Tensor::from_slice(weight).view([-1, bias.len() as i64]);
            weights.insert(format!("weight.{index}"), &weight);
            weights.insert(format!("bias.{index}"), &Tensor::from_slice(bias));
        }
        weights.insert("centre", &Tensor::from_slice(&self.centre));
        weights.insert("width", &Tensor::from_slice(&self.width));
        NetworkKind::MlpField.write(&mut weights);
        weights.insert_json("scales", &[self.length, self.unit])?;
        if let Some(toy) = &self.toy {
            weights.insert_json("toy", &[toy.mass(), toy.scale()])?;
        }
        Ok(weights)
    }

    pub(super) fn from_weights(weights: &Weights) -> Result<Self, Error> {
        let get =
            |name: &str| -> Result<Vec<f64>, Error> { Ok(Vec::try_from(weights.tensor(name)?.contiguous().view(-1))?) };
        let mut layers = Vec::new();
        let mut inputs = FEATURES;
        let count = weights
            .tensors
            .keys()
            .filter(|name| name.starts_with("weight."))
            .count();
        for index in 0..count {
            let (weight, bias) = (get(&format!("weight.{index}"))?, get(&format!("bias.{index}"))?);
            if weight.len() != inputs * bias.len() {
                return Err(Error::Data(format!("layer {index} of the field has a wrong shape")));
            }
            inputs = bias.len();
            layers.push((weight, bias));
        }
        let [length, unit] = weights.json("scales")?;
        let (centre, width) = (get("centre")?, get("width")?);
        if inputs != 1 || centre.len() != FEATURES || width.len() != FEATURES {
            return Err(Error::Data("the field's network has a wrong shape".to_owned()));
        }
        let toy: Option<[f64; 2]> = match weights.metadata.contains_key("toy") {
            true => Some(weights.json("toy")?),
            false => None,
        };
        let toy = toy.map(|[mass, scale]| Isochrone::new(mass, scale)).transpose();
        let toy = toy.map_err(|error| Error::Data(error.to_string()))?;
        Ok(Self::new(toy, length, unit, (centre, width), layers))
    }
}

impl Potential for MlpField {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.potential_and_acceleration(x).0
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    /// By differences of the acceleration, to about 1e-6 of its largest entry.
    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        hessian_by_differences(|x| self.acceleration(x), x, 2e-3)
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        density(self.hessian(x))
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let features = self.features(x);
        let mut value: Vec<f64> = (0..FEATURES)
            .map(|i| (features[i].0 - self.centre[i]) / self.width[i])
            .collect();
        // Slopes of the activations of each hidden layer, for the way back.
        let mut rates = Vec::with_capacity(self.layers.len());
        for (number, (weight, bias)) in self.layers.iter().enumerate() {
            let mut next = bias.clone();
            for (value, row) in value.iter().zip(weight.chunks_exact(bias.len())) {
                next.iter_mut()
                    .zip(row)
                    .for_each(|(sum, weight)| *sum += value * weight);
            }
            if number + 1 < self.layers.len() {
                let mut slopes = Vec::with_capacity(next.len());
                for input in &mut next {
                    let gate = 1.0 / (1.0 + (-*input).exp());
                    *input *= gate;
                    slopes.push(gate + *input * (1.0 - gate));
                }
                rates.push(slopes);
            }
            value = next;
        }
        let mut potential = self.unit * value[0];
        let mut back = vec![1.0];
        for (number, (weight, bias)) in self.layers.iter().enumerate().rev() {
            if let Some(rates) = rates.get(number) {
                back.iter_mut().zip(rates).for_each(|(slope, rate)| *slope *= rate);
            }
            back = weight
                .chunks_exact(bias.len())
                .map(|row| row.iter().zip(&back).map(|(weight, slope)| weight * slope).sum())
                .collect();
        }
        let mut acceleration = [0.0; 3];
        for i in 0..FEATURES {
            for (sum, gradient) in acceleration.iter_mut().zip(features[i].1) {
                *sum -= self.unit * back[i] / self.width[i] * gradient;
            }
        }
        if let Some(toy) = &self.toy {
            let (value, own) = toy.potential_and_acceleration(x);
            potential += value;
            acceleration = [0, 1, 2].map(|i| acceleration[i] + own[i]);
        }
        (potential, acceleration)
    }

    fn potential_at_infinity(&self) -> f64 {
        f64::INFINITY
    }
}

/// A trained field.
#[derive(Debug)]
pub struct Trained {
    /// The field of the epoch with the smallest spread on the validation set.
    pub field: MlpField,
    /// One record an epoch; losses are mean absolute deviations of the energy, (km/s)².
    pub history: Vec<EpochRecord>,
}

/// Standardised features of stars and their kinetic energies in units of V².
struct Set {
    features: Tensor,
    kinetic: Tensor,
    weights: Tensor,
}

/// Trains a field by [`Soap`](crate::soap::Soap) on mean absolute deviations of the energy; the epoch that is best on
/// `validation` (or on `train` without one) is kept. Interruptions as in [`crate::smooth::train()`].
pub fn train_mlp(
    train: &Streams,
    validation: Option<&Streams>,
    options: &Options,
    checkpoint: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<Trained, Error> {
    if train.is_empty() || train.weights.size()[1] < 2 {
        let message = "training needs at least one stream of at least two stars";
        return Err(Error::Data(message.to_owned()));
    }
    let (length, speed) = scales(&train.x, &train.v);
    let mut field = MlpField {
        toy: None,
        length,
        unit: speed * speed,
        centre: vec![0.0; FEATURES],
        width: vec![1.0; FEATURES],
        layers: Vec::new(),
    };
    let raw = features_of(&train.x, length);
    let flat = raw.view([-1, FEATURES as i64]);
    let (centre, width) = (flat.mean_dim(0, false, Kind::Double), flat.std_dim(0, true, false));
    field.centre = Vec::try_from(&centre)?;
    field.width = Vec::try_from(&width)?;
    let place = |streams: &Streams| Set {
        features: (features_of(&streams.x, length) - &centre) / &width,
        kinetic: dot(&streams.v, &streams.v).unsqueeze(-1) * (0.5 / field.unit),
        weights: streams.weights.shallow_clone(),
    };
    let learning = place(train);
    let validation = validation.filter(|set| !set.is_empty()).map(place);

    let size = Size {
        inputs: FEATURES as i64,
        width: options.width,
        depth: 2,
        outputs: 1,
    };
    let mut random = generator(options.seed, "weights", 0);
    let network = Perceptron::new(size, Start::Random, &mut random, train.x.device());
    let parameters = network.parameters();
    let plan = Plan {
        rows: train.len(),
        batch: options.batch,
        epochs: options.epochs,
        seed: options.seed,
        optimiser: Optimiser::Soap,
        weight_decay: 0.0,
        clip: 1.0,
        learning_rate: options.learning_rate,
        warm_up: 100,
        decay: Decay::Cosine(1e-4),
        start_loss: f64::INFINITY,
    };
    let mut task = Energy {
        network,
        learning,
        validation,
        unit: field.unit,
    };
    let history = learn(&mut task, &parameters, &plan, checkpoint, watcher)?;
    for pair in parameters.chunks_exact(2) {
        let flat = |tensor: &Tensor| Vec::<f64>::try_from(tensor.detach().contiguous().view(-1));
        field.layers.push((flat(&pair[0])?, flat(&pair[1])?));
    }
    Ok(Trained { field, history })
}

/// The network and the streams that it learns from.
struct Energy {
    network: Perceptron,
    learning: Set,
    validation: Option<Set>,
    unit: f64,
}

impl Task for Energy {
    fn loss(&mut self, batch: &Tensor) -> Result<(Tensor, f64), Error> {
        let set = self.learning.pick(batch);
        let deviation = set.absolute_deviation(&self.network);
        let sum = deviation.double_value(&[]);
        Ok((deviation / set.weights.sum(Kind::Double), sum))
    }

    fn measure(&mut self, _epoch: usize, sum: f64) -> Result<(f64, Option<f64>), Error> {
        let stars = self.learning.weights.sum(Kind::Double).double_value(&[]);
        let train_loss = sum / stars * self.unit;
        let validation_loss = self.validation.as_ref().map_or(train_loss, |set| {
            let deviation = tch::no_grad(|| set.absolute_deviation(&self.network));
            (deviation / set.weights.sum(Kind::Double)).double_value(&[]) * self.unit
        });
        Ok((train_loss, Some(validation_loss)))
    }
}

impl Set {
    fn pick(&self, batch: &Tensor) -> Self {
        let pick = |tensor: &Tensor| tensor.index_select(0, batch);
        Self {
            features: pick(&self.features),
            kinetic: pick(&self.kinetic),
            weights: pick(&self.weights),
        }
    }

    /// Σ |E − mean E of the stream| over the stars, in units of V².
    fn absolute_deviation(&self, network: &Perceptron) -> Tensor {
        let energy = network.forward(&self.features) + &self.kinetic;
        let deviation = (&energy - mean(&energy, &self.weights)) * &self.weights;
        deviation.abs().sum(Kind::Double)
    }
}

/// The features of [`MlpField`] on tensors, […, 3] → […, 6].
pub(crate) fn features_of(x: &Tensor, length: f64) -> Tensor {
    let r2 = dot(x, x);
    let z2 = part(x, 2).square();
    let direction = x / (&r2 + 0.25 * length * length).sqrt().unsqueeze(-1);
    let logarithms = [
        (&r2 + (0.02 * length).powi(2)).log(),
        (&r2 - &z2 + (0.05 * length).powi(2)).log(),
        (z2 + (0.02 * length).powi(2)).log(),
    ];
    Tensor::cat(&[direction, Tensor::stack(&logarithms, -1)], -1)
}

/// Their gradients, […, 3] → […, 3, 6].
pub(crate) fn gradients_of_features(x: &Tensor, length: f64) -> Tensor {
    let (r2, z2) = (dot(x, x), part(x, 2).square());
    let inverse = (&r2 + 0.25 * length * length).rsqrt().unsqueeze(-1).unsqueeze(-1);
    let eye = Tensor::eye(3, (Kind::Double, x.device()));
    let direction = eye * &inverse - x.unsqueeze(-1) * x.unsqueeze(-2) * inverse.pow_tensor_scalar(3);
    let logarithm = |square: Tensor, mask: [f64; 3]| {
        let mask = Tensor::from_slice(&mask).to_device(x.device());
        (x * mask * 2.0 / square.unsqueeze(-1)).unsqueeze(-1)
    };
    let all = [
        direction,
        logarithm(&r2 + (0.02 * length).powi(2), [1.0, 1.0, 1.0]),
        logarithm(&r2 - &z2 + (0.05 * length).powi(2), [1.0, 1.0, 0.0]),
        logarithm(z2 + (0.02 * length).powi(2), [0.0, 0.0, 1.0]),
    ];
    Tensor::cat(&all, -1)
}
