//! The smooth generating function G(θ, J') and the canonical map it makes.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::features::{Features, Sight, Symmetry, height, median_height, scales};
use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::training::{generator, normal};
use crate::weights::Weights;

/// Value of the metadata `network` in a file of this map.
pub const NETWORK: &str = "smooth";

/// Most steps towards the J' of a prediction; those that contract well end within twenty.
const ITERATIONS: usize = 60;

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
    /// Weight and bias of each layer in turn.
    pub(crate) parameters: Vec<Tensor>,
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
                height: softening.map_or_else(|| height(median_height(x) / length), |softening| softening / length),
            };
            let found = toy.from_cartesian(x, v)?;
            let sight = features.at(&toy, &found.angles, &floored(&found.actions));
            let values = sight.values.view([-1, *sight.values.size().last().unwrap_or(&1)]);
            let centre = values.mean_dim(0, false, Kind::Double);
            let width = values.std_dim(0, true, false).clamp_min(1e-6);

            let device = x.device();
            let mut random = generator(seed, "weights", 0);
            let mut parameters = Vec::new();
            let mut inputs = centre.size1()?;
            for _ in 0..shape.depth {
                parameters.push(normal(
                    &[inputs, shape.width],
                    (1.0 / inputs as f64).sqrt(),
                    &mut random,
                ));
                parameters.push(normal(&[shape.width], 0.1, &mut random));
                inputs = shape.width;
            }
            let outputs = features.outputs();
            parameters.push(Tensor::zeros([inputs, outputs], (Kind::Double, Device::Cpu)));
            parameters.push(Tensor::zeros([outputs], (Kind::Double, Device::Cpu)));
            let parameters = parameters
                .into_iter()
                .map(|p| p.to_device(device).set_requires_grad(true))
                .collect();
            Ok(Self {
                toy,
                shape,
                features,
                centre,
                width,
                parameters,
            })
        })
    }

    /// Form of G.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// What actions of the data are like: median distance times median speed, km/s kpc.
    pub(crate) fn action_scale(&self) -> f64 {
        self.features.length * self.features.speed
    }

    /// Unit of G, km/s kpc.
    fn amplitude(&self) -> f64 {
        0.1 * self.action_scale()
    }

    /// G(θ, J') itself, up to a function of J' (rad km/s kpc); differentiate with autograd. **Shape** […, 3] → […].
    pub fn generating_function(&self, angles: &Tensor, actions: &Tensor) -> Tensor {
        let sight = self.features.at(&self.toy, angles, actions);
        let mut hidden = (sight.values - &self.centre) / &self.width;
        let last = self.parameters.len() - 2;
        for layer in (0..last).step_by(2) {
            hidden = (hidden.matmul(&self.parameters[layer]) + &self.parameters[layer + 1]).silu();
        }
        let outputs = hidden.matmul(&self.parameters[last]) + &self.parameters[last + 1];
        (outputs * sight.factors).sum_dim_intlist(-1, false, Kind::Double) * self.amplitude()
    }

    /// Standardised features with tangents at (θ, J'), all that a training step needs to know of them.
    pub(crate) fn look(&self, angles: &Tensor, actions: &Tensor) -> Sight {
        tch::no_grad(|| {
            let sight = self.features.with_tangents(&self.toy, angles, actions);
            let values = (sight.values - &self.centre) / &self.width;
            let tangents = sight.tangents.map(|tangents| (tangents / &self.width).contiguous());
            let factor_tangents = sight.factor_tangents.map(|tangents| tangents * self.amplitude());
            Sight {
                values,
                tangents,
                factors: sight.factors * self.amplitude(),
                factor_tangents,
            }
        })
    }

    /// ∂G/∂θ from features. **Shape** […, 3].
    pub(crate) fn slope(&self, sight: &Sight) -> Tensor {
        slope(&self.parameters, sight)
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
            let slope = self.slope(&self.look(&points.angles, &refined.expand_as(&points.actions)));
            let toy = points.mean(&points.actions);
            let reach = toy.abs().sum_dim_intlist([-1].as_slice(), true, Kind::Double);
            let next = points.mean(&(&points.actions - slope));
            floored(&next.clamp_tensor(Some(&toy - &reach), Some(&toy + &reach)))
        })
    }

    /// (θ', J') of toy points; J' is common to the stars of a stream, and found by a damped fixed-point iteration.
    ///
    /// **Shape** two of […, stars, 3]. With one star a stream this is the plain canonical map.
    pub fn predict(&self, points: &ToyPoints) -> (Tensor, Tensor) {
        let refined = self.solve(points).expand_as(&points.actions).contiguous();
        let shift = self.angle_shift(&points.angles, &refined);
        (crate::isochrone::wrap(&(&points.angles + shift)), refined)
    }

    /// The fixed point J' = ⟨J − ∂G/∂θ(θ, J')⟩ of each stream, from the toy's mean J.
    ///
    /// Steps are damped by 0.7; whenever a stream's step grows, its damping is halved, as the iteration does not contract for every
    /// star. A stream whose step is below 1e-12 of the data's actions stays, so that its J' depends on nothing but itself; of one that
    /// does not end, the J' whose step was least is taken.
    ///
    /// **Shape** […, 1, 3].
    fn solve(&self, points: &ToyPoints) -> Tensor {
        let enough = 1e-12 * self.action_scale();
        let mut refined = floored(&points.mean(&points.actions));
        let mut best = refined.shallow_clone();
        let mut least = refined.narrow(-1, 0, 1).full_like(f64::INFINITY);
        let mut before = least.shallow_clone();
        let mut damping = least.full_like(0.7);
        for _ in 0..ITERATIONS {
            let step = self.image(points, &refined) - &refined;
            let size = step.abs().amax([-1].as_slice(), true);
            let better = size.lt_tensor(&least);
            best = refined.where_self(&better, &best);
            least = size.where_self(&better, &least);
            let is_open = size.gt(enough);
            if is_open.any().int64_value(&[]) == 0 {
                break;
            }
            damping = damping
                .where_self(&size.lt_tensor(&before), &(&damping * 0.5))
                .clamp_min(0.02);
            refined = floored(&(&refined + step * &damping * is_open));
            before = size;
        }
        best
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
        weights.insert_list("parameters", &self.parameters);
        weights.insert("centre", &self.centre);
        weights.insert("width", &self.width);
        weights.insert("toy.gm", &self.toy.gm);
        weights.insert("toy.scale", &self.toy.scale);
        weights.metadata.insert("map".to_owned(), "actions".to_owned());
        weights.metadata.insert("network".to_owned(), NETWORK.to_owned());
        weights.insert_json("shape", &self.shape)?;
        weights.insert_json("features", &self.features)?;
        Ok(weights)
    }

    /// The map of a file.
    pub fn from_weights(weights: &Weights, device: Device) -> Result<Self, Error> {
        let get = |name: &str, size: &[i64]| weights.shaped(name, size).map(|tensor| tensor.to_device(device));
        let shape: Shape = weights.json("shape")?;
        let features: Features = weights.json("features")?;
        let toy = Isochrone {
            gm: get("toy.gm", &[])?,
            scale: get("toy.scale", &[])?,
        };
        // As many inputs as there are features of a point.
        let point = Tensor::ones([1, 3], (Kind::Double, device));
        let sight = tch::no_grad(|| features.at(&toy, &point, &point));
        let inputs = *sight.values.size().last().unwrap_or(&0);
        let parameters = weights.perceptron(inputs, shape.width, shape.depth, features.outputs())?;
        Ok(Self {
            centre: get("centre", &[inputs])?,
            width: get("width", &[inputs])?,
            parameters: parameters
                .iter()
                .map(|tensor| tensor.to_device(device).set_requires_grad(true))
                .collect(),
            toy,
            shape,
            features,
        })
    }
}

/// ∂G/∂θ from features and weights of one kind: the gradient of G by the features is pulled back through the network by plain
/// products, so that the gradient with respect to the weights needs only one ordinary backward pass. **Shape** […, 3].
pub(crate) fn slope(parameters: &[Tensor], sight: &Sight) -> Tensor {
    let (Some(tangents), Some(factor_tangents)) = (&sight.tangents, &sight.factor_tangents) else {
        return Tensor::zeros_like(&sight.values);
    };
    let last = parameters.len() - 2;
    let mut value = sight.values.shallow_clone();
    let mut rates = Vec::with_capacity(last / 2);
    for layer in (0..last).step_by(2) {
        let input = value.matmul(&parameters[layer]) + &parameters[layer + 1];
        let gate = input.sigmoid();
        value = &input * &gate;
        // (a σ(a))′ = σ + a σ (1 − σ) = σ + silu (1 − σ)
        rates.push(&gate + &value * (1.0 - &gate));
    }
    let outputs = value.matmul(&parameters[last]) + &parameters[last + 1];
    // Back from G to its features.
    let mut back = sight.factors.matmul(&parameters[last].tr());
    for (layer, rate) in (0..last).step_by(2).zip(&rates).rev() {
        back = (back * rate).matmul(&parameters[layer].tr());
    }
    let kind = tangents.kind();
    (tangents * back.unsqueeze(-2)).sum_dim_intlist(-1, false, kind)
        + (factor_tangents * outputs.unsqueeze(-2)).sum_dim_intlist(-1, false, kind)
}

/// J_z and J_r of at least 1e-6 of |J_φ| + J_z + J_r: below, the toy angles have no meaning.
pub(crate) fn floored(actions: &Tensor) -> Tensor {
    let flat = actions.narrow(-1, 0, 1);
    let others = actions.narrow(-1, 1, 2);
    let total = flat.abs()
        + others
            .clamp_min(0.0)
            .sum_dim_intlist([-1].as_slice(), true, actions.kind());
    // At rest in the centre all three vanish.
    let least = (total.detach() * 1e-6).clamp_min(1e-30);
    Tensor::cat(&[flat, others.maximum(&least)], -1)
}

/// Positions and velocities of streams; shorter streams are filled up with stars of weight zero.
#[derive(Debug)]
pub struct Streams {
    /// Positions [streams, stars, 3], kpc.
    pub x: Tensor,
    /// Velocities [streams, stars, 3], km/s.
    pub v: Tensor,
    /// 1 for a star, 0 for a filler: [streams, stars, 1].
    pub weights: Tensor,
}

impl Streams {
    /// Streams of equally many stars.
    pub fn new(x: Tensor, v: Tensor) -> Self {
        let weights = Tensor::ones_like(&x.narrow(-1, 0, 1));
        Self { x, v, weights }
    }

    /// The same on `device`.
    pub fn on(&self, device: Device) -> Self {
        Self {
            x: self.x.to_device(device),
            v: self.v.to_device(device),
            weights: self.weights.to_device(device),
        }
    }

    /// The number of streams.
    pub fn len(&self) -> usize {
        self.x.size()[0] as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Toy angles and actions. **Fails when** a point is unbound.
    pub fn toy_points(&self, toy: &Isochrone) -> Result<ToyPoints, Error> {
        let found = tch::no_grad(|| toy.from_cartesian(&self.x, &self.v))?;
        Ok(ToyPoints {
            angles: found.angles,
            actions: found.actions,
            weights: self.weights.shallow_clone(),
        })
    }
}

/// Toy angles and actions of streams.
#[derive(Debug)]
pub struct ToyPoints {
    /// […, stars, 3], rad.
    pub angles: Tensor,
    /// […, stars, 3], km/s kpc.
    pub actions: Tensor,
    /// […, stars, 1].
    pub weights: Tensor,
}

impl ToyPoints {
    /// Mean over the stars of each stream: […, stars, 3] → […, 1, 3].
    pub(crate) fn mean(&self, values: &Tensor) -> Tensor {
        mean(values, &self.weights)
    }

    /// The same of each tensor.
    pub(crate) fn each(&self, change: &impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            angles: change(&self.angles),
            actions: change(&self.actions),
            weights: change(&self.weights),
        }
    }

    /// Some of the streams.
    pub(crate) fn pick(&self, rows: &Tensor) -> Self {
        self.each(&|tensor| tensor.index_select(0, rows))
    }

    /// Single stars, […, 3], as streams of one.
    pub fn of_single(angles: &Tensor, actions: &Tensor) -> Self {
        Self {
            angles: angles.unsqueeze(-2),
            actions: actions.unsqueeze(-2),
            weights: Tensor::ones_like(&angles.narrow(-1, 0, 1).unsqueeze(-2)),
        }
    }

    /// Every star as a stream of its own: for predictions that use nothing but the star itself.
    pub fn single(&self) -> Self {
        Self::of_single(&self.angles, &self.actions)
    }

    /// Mean absolute deviation of `values` from the stream means, over stars and components.
    pub(crate) fn spread(&self, values: &Tensor) -> f64 {
        let deviation = (values - self.mean(values)).abs() * &self.weights;
        (deviation.sum(Kind::Double) / (self.weights.sum(Kind::Double) * 3.0)).double_value(&[])
    }
}

/// Weighted mean over the stars.
pub(crate) fn mean(values: &Tensor, weights: &Tensor) -> Tensor {
    let kind = values.kind();
    (values * weights).sum_dim_intlist(-2, true, kind) / weights.sum_dim_intlist(-2, true, kind)
}
