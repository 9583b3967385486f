//! Networks of the position that give the acceleration, as corrections to the toy isochrone's.

use dynamics::potential::Isochrone as PlainIsochrone;
use dynamics::units::{NETWORK_POSITION, NETWORK_VELOCITY};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::field::mlp::{FEATURES, MlpField, features_of, gradients_of_features};
use crate::isochrone::{Isochrone, dot, part};
use crate::map::NetworkKind;
use crate::paper::layers::{Dropout, Network, Shape as PaperShape};
use crate::perceptron::{Inputs, Perceptron, Size, Start};
use crate::random::generator;
use crate::streams::scales;
use crate::weights::Weights;

/// Length and speed in the units of the paper's networks.
pub const PAPER_UNITS: (f64, f64) = (NETWORK_POSITION, NETWORK_VELOCITY);

/// Which network gives the acceleration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// a = a_iso + net_a(x, a_iso), with the layers of Ibata et al. (2021), Eq. 14: 15 blocks up to 1024 wide there.
    Paper {
        /// Largest width.
        width: i64,
        /// Number of blocks.
        depth: i64,
        /// Probability of dropout in blocks of width 256 or more.
        dropout: f64,
    },
    /// a = a_iso + |a_iso| o(f), o a perceptron with SiLU of the features f of a position.
    Smooth {
        /// Width of the hidden layers.
        width: i64,
        /// Number of hidden layers.
        depth: i64,
    },
    /// a = −∇(Φ_iso + V² o(f)): curl-free by construction.
    Potential {
        /// Width of the hidden layers.
        width: i64,
        /// Number of hidden layers.
        depth: i64,
    },
}

/// A field a(x) in training, or trained.
#[derive(Debug)]
pub struct Model {
    /// The toy whose acceleration is corrected.
    pub toy: Isochrone,
    form: Form,
    /// Typical distance (kpc) and speed (km/s).
    pub(super) units: (f64, f64),
    centre: Tensor,
    width: Tensor,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    Paper(Network),
    Perceptron(Perceptron),
}

/// What a model needs to know of positions, computed once.
#[derive(Debug)]
pub struct Seen {
    /// The toy's acceleration […, 3].
    base: Tensor,
    /// Features […, n].
    values: Tensor,
    /// Gradients of the features […, 3, n], for a potential.
    tangents: Option<Tensor>,
}

impl Seen {
    /// Those of the streams `batch`.
    pub fn pick(&self, batch: &Tensor) -> Self {
        let pick = |tensor: &Tensor| tensor.index_select(0, batch);
        Self {
            base: pick(&self.base),
            values: pick(&self.values),
            tangents: self.tangents.as_ref().map(pick),
        }
    }
}

impl Model {
    /// Initial weights, for stars like those at `x` with velocities `v`; the correction of a smooth form is zero at first.
    pub fn new(toy: &Isochrone, form: Form, x: &Tensor, v: &Tensor, seed: u64) -> Self {
        let device = x.device();
        let toy = Isochrone {
            gm: toy.gm.detach(),
            scale: toy.scale.detach(),
            // Only its force is used.
            stretch: None,
        };
        let mut random = generator(seed, "weights", 0);
        let (units, parts) = match form {
            Form::Paper { width, depth, dropout } => {
                let shape = PaperShape {
                    inputs: 6,
                    outputs: 3,
                    width,
                    depth,
                    dropout,
                };
                (PAPER_UNITS, Parts::Paper(Network::new(shape, &mut random, device)))
            }
            Form::Smooth { width, depth } | Form::Potential { width, depth } => {
                let size = Size {
                    inputs: form.features(),
                    width,
                    depth,
                    outputs: if matches!(form, Form::Smooth { .. }) { 3 } else { 1 },
                };
                let network = Perceptron::new(size, Start::Zero, &mut random, device);
                (scales(x, v), Parts::Perceptron(network))
            }
        };
        let count = form.features();
        let mut model = Self {
            toy,
            form,
            units,
            centre: Tensor::zeros([count], (Kind::Double, device)),
            width: Tensor::ones([count], (Kind::Double, device)),
            parts,
        };
        if !matches!(form, Form::Paper { .. }) {
            let values = model.see(x).values.view([-1, count]);
            model.centre = values.mean_dim(0, false, Kind::Double);
            model.width = values.std_dim(0, true, false).clamp_min(1e-6);
        }
        model
    }

    /// Its form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Everything that is trained, in a fixed order.
    pub fn parameters(&self) -> Vec<Tensor> {
        match &self.parts {
            Parts::Paper(network) => network.parameters().into_iter().map(|(_, tensor)| tensor).collect(),
            Parts::Perceptron(network) => network.parameters(),
        }
    }

    /// What is needed of positions […, 3].
    pub fn see(&self, x: &Tensor) -> Seen {
        tch::no_grad(|| {
            let base = self.toy.acceleration(x);
            let (length, speed) = self.units;
            let raw = match self.form {
                Form::Paper { .. } => Tensor::cat(&[x / length, &base * (length / (speed * speed))], -1),
                Form::Smooth { .. } => with_side(&features_of(x, length), x, length),
                Form::Potential { .. } => features_of(x, length),
            };
            let tangents = matches!(self.form, Form::Potential { .. })
                .then(|| (gradients_of_features(x, length) / &self.width).contiguous());
            Seen {
                base,
                values: (raw - &self.centre) / &self.width,
                tangents,
            }
        })
    }

    /// Accelerations, (km/s)²/kpc […, 3].
    pub fn evaluate(&self, seen: &Seen, dropout: Dropout) -> Tensor {
        let (length, speed) = self.units;
        match &self.parts {
            Parts::Paper(network) => {
                let inputs = seen.values.reshape([-1, 6]);
                let outputs = network.prepare().forward(&inputs, dropout);
                &seen.base + outputs.view_as(&seen.base) * (speed * speed / length)
            }
            Parts::Perceptron(network) => match &seen.tangents {
                None => &seen.base + network.forward(&seen.values) * dot(&seen.base, &seen.base).sqrt().unsqueeze(-1),
                Some(tangents) => {
                    let one = Tensor::ones_like(&seen.base.narrow(-1, 0, 1));
                    let inputs = Inputs {
                        values: seen.values.shallow_clone(),
                        tangents: Some(tangents.shallow_clone()),
                        factor_tangents: Some(Tensor::zeros_like(&one).unsqueeze(-1)),
                        factors: one,
                    };
                    &seen.base - network.slope(&inputs) * (speed * speed)
                }
            },
        }
    }

    /// Accelerations at positions […, 3], (km/s)²/kpc, without a graph.
    pub fn accelerations(&self, x: &Tensor) -> Tensor {
        tch::no_grad(|| self.evaluate(&self.see(x), Dropout::Off))
    }

    /// The potential, of a form that has one.
    pub fn potential(&self) -> Result<Option<MlpField>, Error> {
        let (Form::Potential { .. }, Parts::Perceptron(network)) = (self.form, &self.parts) else {
            return Ok(None);
        };
        let flat = |tensor: &Tensor| Vec::<f64>::try_from(tensor.detach().to_device(Device::Cpu).contiguous().view(-1));
        let mut layers = Vec::new();
        for pair in network.parameters().chunks_exact(2) {
            layers.push((flat(&pair[0])?, flat(&pair[1])?));
        }
        let toy = PlainIsochrone::new(self.toy.mass(), self.toy.scale_kpc());
        let toy = toy.map_err(|error| Error::Data(error.to_string()))?;
        let (length, speed) = self.units;
        let standard = (flat(&self.centre)?, flat(&self.width)?);
        Ok(Some(MlpField::new(Some(toy), length, speed * speed, standard, layers)))
    }

    /// The file's content: of a form with a potential, that of the potential.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        if let Some(field) = self.potential()? {
            return crate::field::Field::Mlp(field).to_weights();
        }
        let mut weights = Weights::default();
        weights.insert_list("parameters", &self.parameters());
        weights.insert("centre", &self.centre);
        weights.insert("width", &self.width);
        self.toy.save(&mut weights)?;
        NetworkKind::FreeField.write(&mut weights);
        weights.insert_json("form", &self.form)?;
        weights.insert_json("units", &self.units)?;
        Ok(weights)
    }

    /// The model of a file without a potential.
    pub fn from_weights(weights: &Weights, device: Device) -> Result<Self, Error> {
        NetworkKind::FreeField.expect(weights)?;
        let get = |name: &str, size: &[i64]| weights.shaped(name, size).map(|tensor| tensor.to_device(device));
        let toy = Isochrone::read(weights, device)?;
        let form: Form = weights.json("form")?;
        let (Form::Paper { width, depth, .. } | Form::Smooth { width, depth } | Form::Potential { width, depth }) =
            form;
        weights.holds("layers", depth)?;
        weights.holds("width", width)?;
        let origin = Tensor::ones([1, 3], (Kind::Double, device));
        let mut model = Self::new(&toy, form, &origin, &origin, 0);
        model.units = weights.json("units")?;
        model.centre = get("centre", &model.centre.size())?;
        model.width = get("width", &model.width.size())?;
        weights.copy_list("parameters", &mut model.parameters())?;
        Ok(model)
    }
}

impl Form {
    fn features(self) -> i64 {
        match self {
            Self::Paper { .. } => 6,
            Self::Smooth { .. } => FEATURES as i64 + 1,
            Self::Potential { .. } => FEATURES as i64,
        }
    }
}

/// One feature more: which side of a thin disc a position is on, where the vertical acceleration turns round.
fn with_side(features: &Tensor, x: &Tensor, length: f64) -> Tensor {
    let z = part(x, 2);
    let side = &z / (z.square() + (0.02 * length).powi(2)).sqrt();
    Tensor::cat(&[features, &side.unsqueeze(-1)], -1)
}
