//! The trained map of the paper with its toy isochrone: positions and velocities to actions and angles, in physical units.

use tch::{Device, Kind, Tensor};

use super::map::{ACTION_UNIT, Architecture, Evaluation, PaperMap, not_below};
use crate::autograd::rows_of_jacobian;
use crate::error::Error;
use crate::isochrone::{G, Isochrone, wrap};
use crate::map::{CanonicalMap, CommonActions, Derivatives, Image, NetworkKind};
use crate::random::generator;
use crate::streams::{Streams, ToyPoints};
use crate::weights::Weights;

/// How far a step may still move a settled J', in the network's unit: twice what the training asks of the stream that moves most.
pub const SETTLED: f64 = 1e-4;

/// Streams whose derivatives are found at once.
const STREAMS: i64 = 64;

/// Toy isochrone and networks.
#[derive(Debug)]
pub struct PaperModel {
    /// ln of GM, kpc (km/s)².
    log_gm: Tensor,
    /// ln of b, kpc.
    log_scale: Tensor,
    /// Whether mass and scale are trained.
    free: bool,
    /// The networks.
    pub map: PaperMap,
}

impl PaperModel {
    /// Initial weights, and a toy of mass M_sun and scale kpc that is fixed or `free`.
    pub fn new((mass, scale): (f64, f64), free: bool, architecture: Architecture, seed: u64, device: Device) -> Self {
        let logarithm = |value: f64| Tensor::full([], value.ln(), (Kind::Double, device)).set_requires_grad(free);
        let map = PaperMap::new(architecture, &mut generator(seed, "weights", 0), device);
        Self {
            log_gm: logarithm(G * mass),
            log_scale: logarithm(scale),
            free,
            map,
        }
    }

    /// The toy; gradients reach its mass and scale where these are free.
    pub fn toy(&self) -> Isochrone {
        Isochrone {
            gm: self.log_gm.exp(),
            scale: self.log_scale.exp(),
            stretch: None,
        }
    }

    /// Whether mass and scale of the toy are trained.
    pub fn is_free(&self) -> bool {
        self.free
    }

    /// Everything that is trained, in a fixed order.
    pub fn parameters(&self) -> Vec<Tensor> {
        let mut list: Vec<Tensor> = self.map.parameters().into_iter().map(|(_, tensor)| tensor).collect();
        if self.free {
            list.extend([self.log_gm.shallow_clone(), self.log_scale.shallow_clone()]);
        }
        list
    }

    /// Toy angles and actions. **Fails when** a point is unbound: [`Error::Unbound`] with the rows.
    pub fn toy_points(&self, x: &Tensor, v: &Tensor, weights: &Tensor) -> Result<ToyPoints, Error> {
        let found = self.toy().from_cartesian(x, v)?;
        Ok(ToyPoints {
            angles: found.angles,
            actions: found.actions / ACTION_UNIT,
            weights: weights.shallow_clone(),
        })
    }

    /// The streams' toy points without a graph.
    pub fn fixed_points(&self, streams: &Streams) -> Result<ToyPoints, Error> {
        tch::no_grad(|| self.toy_points(&streams.x, &streams.v, &streams.weights))
    }

    /// Angles in [0, 2π) and actions (km/s kpc) of single stars; by dropout masks that `draw` seeds, where it is given.
    fn predict(&self, x: &Tensor, v: &Tensor, draw: Option<i64>) -> Result<Image, Error> {
        let found = tch::no_grad(|| self.toy().from_cartesian(x, v))?;
        let image = self
            .map
            .frozen()
            .predict(&found.angles, &(found.actions / ACTION_UNIT), draw);
        Ok(Image {
            angles: wrap(&image.theta),
            actions: image.action * ACTION_UNIT,
            open: image.open,
        })
    }

    /// The file's content.
    pub fn to_weights(&self) -> Result<Weights, Error> {
        let mut weights = Weights::default();
        for (name, tensor) in self.map.parameters() {
            weights.insert(name, &tensor);
        }
        let toy = tch::no_grad(|| self.toy());
        toy.save(&mut weights)?;
        NetworkKind::Paper.write(&mut weights);
        weights.insert_json("architecture", &self.map.architecture())?;
        weights.insert_json("free", &self.free)?;
        Ok(weights)
    }

    /// The model of a file.
    pub fn from_weights(weights: &Weights, device: Device) -> Result<Self, Error> {
        NetworkKind::Paper.expect(weights)?;
        let architecture: Architecture = weights.json("architecture")?;
        let toy = (
            weights.shaped("toy.gm", &[])?.double_value(&[]) / G,
            weights.shaped("toy.scale", &[])?.double_value(&[]),
        );
        weights.holds("layers", architecture.generating_depth)?;
        weights.holds("layers", architecture.point_depth)?;
        weights.holds("width", architecture.width)?;
        let model = Self::new(toy, weights.json("free")?, architecture, 0, device);
        for (name, mut tensor) in model.map.parameters() {
            let saved = weights.tensor(&name)?;
            if saved.size() != tensor.size() {
                let (found, wanted) = (saved.size(), tensor.size());
                return Err(Error::Data(format!(
                    "weights `{name}` have shape {found:?}, not {wanted:?}"
                )));
            }
            tch::no_grad(|| tensor.copy_(saved));
        }
        Ok(model)
    }
}

impl CanonicalMap for PaperModel {
    fn toy(&self) -> Isochrone {
        tch::no_grad(|| PaperModel::toy(self))
    }

    fn alone(&self, x: &Tensor, v: &Tensor) -> Result<Image, Error> {
        self.predict(x, v, None)
    }

    /// **Source** Gal & Ghahramani (2016)
    fn drawn(&self, x: &Tensor, v: &Tensor, draw: i64) -> Option<Result<Image, Error>> {
        Some(self.predict(x, v, Some(draw)))
    }

    /// Found as predictions find J' of single stars; open where the last step would still have moved an action by more than
    /// [`SETTLED`].
    fn common_actions(&self, streams: &Streams) -> Result<CommonActions, Error> {
        let points = self.fixed_points(streams)?;
        let (mean, left) = self.map.frozen().settled_actions(&points, None);
        Ok(CommonActions {
            actions: mean * ACTION_UNIT,
            open: not_below(&left, SETTLED),
        })
    }

    fn derivatives(&self, streams: &Streams, common: &CommonActions) -> Result<Derivatives, Error> {
        let map = self.map.differentiable();
        let mean = &common.actions / ACTION_UNIT;
        let (mut of_actions, mut of_angles) = (Vec::new(), Vec::new());
        for first in (0..streams.len() as i64).step_by(STREAMS as usize) {
            let chunk = |tensor: &Tensor| tensor.narrow(0, first, STREAMS.min(tensor.size()[0] - first));
            let leaf = |tensor: &Tensor| chunk(tensor).detach().copy().set_requires_grad(true);
            let (x, v) = (leaf(&streams.x), leaf(&streams.v));
            let toy = self.toy_points(&x, &v, &chunk(&streams.weights))?;
            let image = map.image(&toy, &chunk(&mean), &Evaluation::FAST);
            let both = Tensor::cat(&[image.action * ACTION_UNIT, image.theta], -1).reshape([-1, 6]);
            let rows = rows_of_jacobian(&both, &[&x, &v]);
            of_actions.push(rows.narrow(1, 0, 3));
            of_angles.push(rows.narrow(1, 3, 3));
        }
        Ok(Derivatives {
            of_actions: Tensor::cat(&of_actions, 0),
            of_angles: Tensor::cat(&of_angles, 0),
        })
    }

    /// Each star at its own J', which stays.
    fn frequencies(&self, x: &Tensor, v: &Tensor, a: &Tensor, _actions: &Tensor) -> Result<Tensor, Error> {
        let map = self.map.differentiable();
        let toy = CanonicalMap::toy(self);
        let mut found = Vec::new();
        for first in (0..x.size()[0]).step_by(STREAMS as usize) {
            let chunk = |tensor: &Tensor| tensor.narrow(0, first, STREAMS.min(x.size()[0] - first));
            let motion = toy.motion(&chunk(x), &chunk(v), &chunk(a))?;
            let theta = motion.at.angles.unsqueeze(1).set_requires_grad(true);
            let points = ToyPoints {
                weights: Tensor::ones_like(&theta.detach().narrow(-1, 0, 1)),
                actions: (motion.at.actions / ACTION_UNIT).unsqueeze(1),
                angles: theta.shallow_clone(),
            };
            let (mean, _) = map.settled_actions(&points, None);
            let image = map.image(&points, &mean, &Evaluation::FAST);
            let rows = rows_of_jacobian(&image.theta.reshape([-1, 3]), &[&theta]);
            found.push(rows.matmul(&motion.of_angles.unsqueeze(-1)).squeeze_dim(-1));
        }
        if found.is_empty() {
            return Ok(x.zeros_like());
        }
        Ok(Tensor::cat(&found, 0))
    }

    fn to_weights(&self) -> Result<Weights, Error> {
        PaperModel::to_weights(self)
    }
}
