//! The inverse map: actions and angles (θ'', J'') to positions and velocities, learned from an action network's own
//! predictions with the toy isochrone as a stepping stone.
//!
//! [`Form::Paper`] is Ibata et al. (2021), section 5: (t_x, t_y, J) = net(t_x'', t_y'', J''), then the toy's analytic inverse.
//! [`Form::Smooth`] puts (θ'', J'') through the toy's inverse first and corrects the point (x₀, v₀) found there,
//! x = x₀ + a₁ x₀ + a₂ T v₀ + a₃ (x₀ × v₀)/V and v likewise, with coefficients from a small network of smooth features of the
//! point: periodic in θ'', and without the singular angles of near-circular and near-planar orbits.

pub mod train;

use dynamics::units::{NETWORK_POSITION as LENGTH_UNIT, NETWORK_VELOCITY as SPEED_UNIT};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::features::{Features, SOFTENING, Symmetry};
use crate::isochrone::{Isochrone, floored, wrap};
use crate::map::{Inverse, Located, NetworkKind};
use crate::paper::layers::{Dropout, Network, Shape};
use crate::paper::map::ACTION_UNIT;
use crate::perceptron::{Perceptron, Size, Start};
use crate::random::generator;
use crate::streams::scales;
use crate::weights::Weights;

impl Inverse for InverseModel {
    fn locate(&self, angles: &Tensor, actions: &Tensor) -> Result<Located, Error> {
        let (x, v) = self.predict(angles, actions);
        let unsolved = vec![None; angles.size()[0] as usize];
        Ok(Located { x, v, unsolved })
    }
}

/// Architecture of an inverse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A small network of smooth features.
    Smooth {
        /// Width of the hidden layers.
        width: i64,
        /// Number of hidden layers.
        depth: i64,
    },
    /// The paper's residual network.
    Paper {
        /// Largest width; 1024 in the paper.
        width: i64,
        /// Blocks; 23 in the paper.
        depth: i64,
        /// Probability of dropout in blocks of width 256 or more.
        dropout: f64,
    },
}

impl Form {
    /// The default: seconds to train on one core.
    pub const SMOOTH: Self = Self::Smooth { width: 64, depth: 3 };
    /// As in the paper: 34 M parameters.
    pub const PAPER: Self = Self::Paper {
        width: 1024,
        depth: 23,
        dropout: 0.5,
    };
}

#[derive(Debug)]
enum Body {
    Smooth {
        features: Features,
        centre: Tensor,
        width: Tensor,
        network: Perceptron,
    },
    Paper(Network),
}

/// An inverse map.
#[derive(Debug)]
pub struct InverseModel {
    toy: Isochrone,
    form: Form,
    body: Body,
}

/// What the network of an [`InverseModel`] is given and should give, one row per star.
#[derive(Debug)]
struct Examples {
    inputs: Tensor,
    /// Directions of the corrections (stars, 3 directions, 3 axes) for the smooth form.
    basis: Option<Tensor>,
    targets: Tensor,
}

impl Examples {
    fn pick(&self, rows: &Tensor) -> Self {
        let pick = |tensor: &Tensor| tensor.index_select(0, rows);
        Self {
            inputs: pick(&self.inputs),
            basis: self.basis.as_ref().map(pick),
            targets: pick(&self.targets),
        }
    }
}

impl InverseModel {
    /// Initial weights of an inverse for stars like those of (θ'', J''), whose features it standardises.
    ///
    /// **Shape** (stars, 3), radians and km/s kpc
    pub fn new(toy: Isochrone, form: Form, theta: &Tensor, action: &Tensor, seed: u64) -> Self {
        let device = theta.device();
        let mut random = generator(seed, "weights", 0);
        let body = match form {
            Form::Paper { width, depth, dropout } => Body::Paper(Network::new(
                Shape {
                    inputs: 9,
                    outputs: 9,
                    width,
                    depth,
                    dropout,
                },
                &mut random,
                device,
            )),
            Form::Smooth { width, depth } => tch::no_grad(|| {
                let (x, v) = toy.to_cartesian(theta, &floored(action));
                let (length, speed) = scales(&x, &v);
                let features = Features {
                    symmetry: Symmetry::None,
                    time_reversal: false,
                    length,
                    speed,
                    height: SOFTENING,
                    resonances: Vec::new(),
                };
                let values = features.at(&toy, theta, &floored(action)).values;
                let size = size(*values.size().last().unwrap_or(&1), width, depth);
                Body::Smooth {
                    features,
                    centre: values.mean_dim([0_i64].as_slice(), false, Kind::Double),
                    width: values.std_dim([0_i64].as_slice(), true, false).clamp_min(1e-6),
                    // No correction to begin with.
                    network: Perceptron::new(size, Start::Zero, &mut random, device),
                }
            }),
        };
        Self { toy, form, body }
    }

    /// Everything that is trained, in a fixed order.
    pub fn parameters(&self) -> Vec<Tensor> {
        match &self.body {
            Body::Smooth { network, .. } => network.parameters(),
            Body::Paper(network) => network.parameters().into_iter().map(|(_, tensor)| tensor).collect(),
        }
    }

    /// Inputs and targets for stars whose (θ'', J'') and (x, v) are known.
    fn examples(&self, theta: &Tensor, action: &Tensor, x: &Tensor, v: &Tensor) -> Result<Examples, Error> {
        tch::no_grad(|| match &self.body {
            Body::Smooth { .. } => {
                let (inputs, basis, start) = self.look(theta, action);
                let targets = Tensor::cat(&[x / LENGTH_UNIT, v / SPEED_UNIT], -1) - start;
                Ok(Examples {
                    inputs,
                    basis: Some(basis),
                    targets,
                })
            }
            Body::Paper(_) => {
                let toy = self.toy.from_cartesian(x, v)?;
                // θ = atan2(t_y, t_x) + π/2, so the targets are cosine and sine of θ − π/2.
                let turned = toy.angles - std::f64::consts::FRAC_PI_2;
                let targets = Tensor::cat(&[turned.cos(), turned.sin(), toy.actions / ACTION_UNIT], -1);
                Ok(Examples {
                    inputs: circular(theta, action),
                    basis: None,
                    targets,
                })
            }
        })
    }

    /// Standardised features, directions of correction, and the scaled toy point, for the smooth form.
    fn look(&self, theta: &Tensor, action: &Tensor) -> (Tensor, Tensor, Tensor) {
        let action = floored(action);
        let (x, v) = self.toy.to_cartesian(theta, &action);
        let start = Tensor::cat(&[&x / LENGTH_UNIT, &v / SPEED_UNIT], -1);
        let Body::Smooth {
            features,
            centre,
            width,
            ..
        } = &self.body
        else {
            return (circular(theta, &action), Tensor::zeros_like(&x), start);
        };
        let (outward, along) = (x / features.length, v / features.speed);
        let across = outward.linalg_cross(&along, -1);
        let inputs = (features.at(&self.toy, theta, &action).values - centre) / width;
        (inputs, Tensor::stack(&[outward, along, across], -2), start)
    }

    /// The network's answer in the form of the targets.
    fn answer(&self, examples: &Examples, dropout: Dropout) -> Tensor {
        match &self.body {
            Body::Paper(network) => network.prepare().forward(&examples.inputs, dropout),
            Body::Smooth { network, .. } => {
                let coefficients = network.forward(&examples.inputs).reshape([-1, 2, 3]);
                match &examples.basis {
                    Some(basis) => coefficients.bmm(basis).reshape([-1, 6]),
                    None => coefficients.reshape([-1, 6]),
                }
            }
        }
    }

    /// Positions (kpc) and velocities (km/s) of stars.
    ///
    /// **Shape** (stars, 3) twice, radians and km/s kpc → (stars, 3) twice
    pub fn predict(&self, theta: &Tensor, action: &Tensor) -> (Tensor, Tensor) {
        tch::no_grad(|| match &self.body {
            Body::Smooth { .. } => {
                let (inputs, basis, start) = self.look(theta, action);
                let targets = start.zeros_like();
                let found = self.answer(
                    &Examples {
                        inputs,
                        basis: Some(basis),
                        targets,
                    },
                    Dropout::Off,
                ) + start;
                (
                    found.narrow(-1, 0, 3) * LENGTH_UNIT,
                    found.narrow(-1, 3, 3) * SPEED_UNIT,
                )
            }
            Body::Paper(_) => {
                let inputs = circular(theta, action);
                let targets = inputs.zeros_like();
                let found = self.answer(
                    &Examples {
                        inputs,
                        basis: None,
                        targets,
                    },
                    Dropout::Off,
                );
                let turned = found.narrow(-1, 3, 3).atan2(&found.narrow(-1, 0, 3));
                let angles = wrap(&(turned + std::f64::consts::FRAC_PI_2));
                self.toy
                    .to_cartesian(&angles, &floored(&(found.narrow(-1, 6, 3) * ACTION_UNIT)))
            }
        })
    }

    /// The file's content.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        let mut weights = Weights::default();
        NetworkKind::Inverse.write(&mut weights);
        weights.insert_json("form", &self.form)?;
        self.toy.save(&mut weights)?;
        weights.insert_list("parameters", &self.parameters());
        if let Body::Smooth {
            features,
            centre,
            width,
            ..
        } = &self.body
        {
            weights.insert_json("features", features)?;
            weights.insert("centre", centre);
            weights.insert("width", width);
        }
        Ok(weights)
    }

    /// The inverse of a file.
    pub fn from_weights(weights: &Weights, device: Device) -> Result<Self, Error> {
        NetworkKind::Inverse.expect(weights)?;
        let get = |name: &str, size: &[i64]| weights.shaped(name, size).map(|tensor| tensor.to_device(device));
        let form: Form = weights.json("form")?;
        let toy = Isochrone::read(weights, device)?;
        let body = match form {
            Form::Paper { width, depth, dropout } => {
                weights.holds("layers", depth)?;
                weights.holds("width", width)?;
                let shape = Shape {
                    inputs: 9,
                    outputs: 9,
                    width,
                    depth,
                    dropout,
                };
                let network = Network::new(shape, &mut generator(0, "weights", 0), device);
                let mut parameters: Vec<Tensor> = network.parameters().into_iter().map(|(_, tensor)| tensor).collect();
                weights.copy_list("parameters", &mut parameters)?;
                Body::Paper(network)
            }
            Form::Smooth { width, depth } => {
                let features: Features = weights.json("features")?;
                let inputs = features.count(&toy);
                Body::Smooth {
                    features,
                    centre: get("centre", &[inputs])?,
                    width: get("width", &[inputs])?,
                    network: Perceptron::read(weights, size(inputs, width, depth), device)?,
                }
            }
        };
        Ok(Self { toy, form, body })
    }
}

/// The perceptron of the smooth form: 3 coefficients for the position, 3 for the velocity.
fn size(inputs: i64, width: i64, depth: i64) -> Size {
    Size {
        inputs,
        width,
        depth,
        outputs: 6,
    }
}

/// (cos θ, sin θ, J) with actions in the network's unit.
fn circular(theta: &Tensor, action: &Tensor) -> Tensor {
    Tensor::cat(&[theta.cos(), theta.sin(), action / ACTION_UNIT], -1)
}

#[cfg(test)]
mod tests;
