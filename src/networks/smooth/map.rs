//! The smooth generating function G(θ, J') and the canonical map it makes.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::about;
use crate::error::Error;
use crate::features::{Features, Resonance, Symmetry, height, median_height};
use crate::isochrone::{Isochrone, floored};
use crate::map::NetworkKind;
use crate::perceptron::{Inputs, Perceptron, Size, Start};
use crate::random::generator;
use crate::streams::{ToyPoints, scales};
use crate::weights::Weights;

/// Form of the generating function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Symmetry of G.
    pub symmetry: Symmetry,
    /// Whether G is odd under time reversal.
    pub time_reversal: bool,
    /// Width of the hidden layers.
    pub width: i64,
    /// Number of hidden layers.
    pub depth: i64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            symmetry: Symmetry::None,
            time_reversal: false,
            width: 64,
            depth: 3,
        }
    }
}

impl Shape {
    fn size(self, inputs: i64, features: &Features) -> Size {
        Size {
            inputs,
            width: self.width,
            depth: self.depth,
            outputs: features.outputs(),
        }
    }
}

/// The canonical map J = J' + ∂G/∂θ, θ' = θ + ∂G/∂J', from the toy's (θ, J) to (θ', J').
///
/// G(θ, J') = A Σ_k c_k o_k − (its value at θ = 0), where o is a multilayer perceptron with SiLU of the standardised
/// features at the toy point of (θ, J'), and c = (p, q, 1); p ∝ x·v, q ∝ z v_z.
#[derive(Debug)]
pub struct SmoothMap {
    /// The toy model.
    pub toy: Isochrone,
    pub(crate) shape: Shape,
    pub(crate) features: Features,
    centre: Tensor,
    width: Tensor,
    pub(crate) perceptron: Perceptron,
}

impl SmoothMap {
    /// A map whose G is zero, made for points like those of (`x`, `v`), whose features it standardises.
    ///
    /// **Shape** [streams, stars, 3]. **Fails when** a point is unbound in the toy.
    pub fn new(toy: Isochrone, shape: Shape, x: &Tensor, v: &Tensor, seed: u64) -> Result<Self, Error> {
        Self::softened(toy, shape, None, x, v, seed)
    }

    /// The same with features that soften |z| at the height `softening` (kpc) above the plane, which otherwise follows from the
    /// points. Below 0.05 of their typical distance the finer features for thin discs come on top.
    pub fn softened(
        toy: Isochrone,
        shape: Shape,
        softening: Option<f64>,
        x: &Tensor,
        v: &Tensor,
        seed: u64,
    ) -> Result<Self, Error> {
        tch::no_grad(|| {
            let (length, speed) = scales(x, v);
            let features = Features {
                symmetry: shape.symmetry,
                time_reversal: shape.time_reversal,
                length,
                speed,
                resonances: Vec::new(),
                height: softening.map_or_else(|| height(median_height(x) / length), |softening| softening / length),
            };
            let found = toy.from_cartesian(x, v)?;
            let (centre, width) = moments(&features.at(&toy, &found.angles, &floored(&found.actions)).values);
            let size = shape.size(centre.size1()?, &features);
            let perceptron = Perceptron::new(size, Start::Zero, &mut generator(seed, "weights", 0), x.device());
            Ok(Self {
                toy,
                shape,
                features,
                centre,
                width,
                perceptron,
            })
        })
    }

    /// The same map with terms of `resonances` in G, which are zero until they are trained. `actions` are J' by which their features are
    /// standardised, [any, 3].
    ///
    /// **Fails when** it has such terms already.
    pub fn with_resonances(self, resonances: Vec<Resonance>, actions: &Tensor) -> Result<Self, Error> {
        if !self.features.resonances.is_empty() {
            return Err(Error::Data(
                "the network to start from has terms of resonances already".to_owned(),
            ));
        }
        let outputs = self.features.outputs();
        let features = Features {
            resonances,
            ..self.features
        };
        tch::no_grad(|| {
            let angles = Tensor::zeros_like(actions);
            let (centre, width) = moments(&features.at(&self.toy, &angles, &floored(actions)).values);
            let known = self.centre.size1()?;
            let after = |own: &Tensor, all: Tensor| Tensor::cat(&[own, &all.slice(0, known, None, 1)], 0);
            let (centre, width) = (after(&self.centre, centre), after(&self.width, width));
            let more = [centre.size1()? - known, features.outputs() - outputs];
            Ok(Self {
                perceptron: self.perceptron.widened(more),
                features,
                centre,
                width,
                ..self
            })
        })
    }

    /// The resonances that G has terms of.
    pub fn resonances(&self) -> &[Resonance] {
        &self.features.resonances
    }

    /// Form of G.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// What actions of the data are like: median distance times median speed, km/s kpc.
    pub fn action_scale(&self) -> f64 {
        self.features.length * self.features.speed
    }

    /// Unit of G, km/s kpc.
    fn amplitude(&self) -> f64 {
        0.1 * self.action_scale()
    }

    /// G(θ, J') itself, up to a function of J' (rad km/s kpc); differentiate with autograd. **Shape** […, 3] → […].
    pub fn generating_function(&self, angles: &Tensor, actions: &Tensor) -> Tensor {
        let inputs = self.features.at(&self.toy, angles, actions);
        let outputs = self.perceptron.forward(&((inputs.values - &self.centre) / &self.width));
        (outputs * inputs.factors).sum_dim_intlist(-1, false, Kind::Double) * self.amplitude()
    }

    /// Standardised features with tangents at (θ, J'), all that a training step needs to know of them.
    pub(crate) fn inputs(&self, angles: &Tensor, actions: &Tensor) -> Inputs {
        tch::no_grad(|| {
            let inputs = self.features.with_tangents(&self.toy, angles, actions);
            let values = (inputs.values - &self.centre) / &self.width;
            let tangents = inputs.tangents.map(|tangents| (tangents / &self.width).contiguous());
            let factor_tangents = inputs.factor_tangents.map(|tangents| tangents * self.amplitude());
            Inputs {
                values,
                tangents,
                factors: inputs.factors * self.amplitude(),
                factor_tangents,
            }
        })
    }

    /// ∂G/∂θ of toy points at J'. **Shape** […, 3].
    pub(crate) fn slope(&self, angles: &Tensor, actions: &Tensor) -> Tensor {
        self.perceptron.slope(&self.inputs(angles, actions))
    }

    /// One damped step of the fixed point J' = ⟨J − ∂G/∂θ(θ, J')⟩ over the stars of each stream.
    ///
    /// No J' may leave the toy's by more than the sum of the toy's |actions|: next to escape the iteration can run away, and
    /// such a stream would then rule the loss.
    ///
    /// **Shape** angles, actions […, stars, 3], weights […, stars, 1], J' […, 1, 3].
    pub(crate) fn refine(&self, points: &ToyPoints, refined: &Tensor, damping: f64) -> Tensor {
        let next = self.image(points, refined);
        floored(&(refined * (1.0 - damping) + next * damping))
    }

    /// ⟨J − ∂G/∂θ(θ, J')⟩ over the stars of each stream, within reach of the toy's.
    fn image(&self, points: &ToyPoints, refined: &Tensor) -> Tensor {
        tch::no_grad(|| {
            let slope = self.slope(&points.angles, &refined.expand_as(&points.actions));
            let toy = points.mean(&points.actions);
            let reach = toy.abs().sum_dim_intlist([-1].as_slice(), true, Kind::Double);
            let next = points.mean(&(&points.actions - slope));
            floored(&next.clamp_tensor(Some(&toy - &reach), Some(&toy + &reach)))
        })
    }

    /// ∂G/∂J' at (θ, J'), with G(0, J') subtracted so that θ' = 0 where θ = 0.
    pub(crate) fn angle_shift(&self, angles: &Tensor, refined: &Tensor) -> Tensor {
        let refined = refined.detach().set_requires_grad(true);
        tch::with_grad(|| {
            let g = self.generating_function(&angles.detach(), &refined)
                - self.generating_function(&Tensor::zeros_like(angles), &refined);
            Tensor::run_backward(&[g.sum(Kind::Double)], &[&refined], false, false)[0].detach()
        })
    }

    /// The file's content: weights and what is needed to use them.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        let mut weights = Weights::default();
        self.perceptron.save(&mut weights);
        weights.insert("centre", &self.centre);
        weights.insert("width", &self.width);
        self.toy.save(&mut weights)?;
        NetworkKind::Smooth.write(&mut weights);
        weights.insert_json("shape", &self.shape)?;
        weights.insert_json("features", &self.features)?;
        if !self.resonances().is_empty() {
            let text = about::RESONANCES.to_owned();
            weights.metadata.insert("resonances_are".to_owned(), text);
        }
        Ok(weights)
    }

    /// The map of a file.
    pub fn from_weights(weights: &Weights, device: Device) -> Result<Self, Error> {
        NetworkKind::Smooth.expect(weights)?;
        let get = |name: &str, size: &[i64]| weights.shaped(name, size).map(|tensor| tensor.to_device(device));
        let shape: Shape = weights.json("shape")?;
        let features: Features = weights.json("features")?;
        features.resonances.iter().try_for_each(Resonance::check)?;
        let toy = Isochrone::read(weights, device)?;
        let inputs = features.count(&toy);
        Ok(Self {
            centre: get("centre", &[inputs])?,
            width: get("width", &[inputs])?,
            perceptron: Perceptron::read(weights, shape.size(inputs, &features), device)?,
            toy,
            shape,
            features,
        })
    }
}

/// Mean and standard deviation of each feature over all points.
fn moments(values: &Tensor) -> (Tensor, Tensor) {
    let values = values.view([-1, *values.size().last().unwrap_or(&1)]);
    let width = values.std_dim(0, true, false).clamp_min(1e-6);
    (values.mean_dim(0, false, Kind::Double), width)
}
