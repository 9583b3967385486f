//! The canonical map of the paper: toy (θ, J) → (θ', J') by a generating function G, → (θ'', J'') by a change of angles P.
//!
//! Actions here are in the network's unit, 4000 km/s kpc; angles in radians; components in the order φ, z, r.

pub use dynamics::units::NETWORK_ACTION as ACTION_UNIT;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::layers::{Dropout, Network, Prepared, Shape};
use crate::cramer::solve_transposed;
use crate::streams::ToyPoints;

/// Size of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Largest width of both.
    pub width: i64,
    /// Blocks of G.
    pub generating_depth: i64,
    /// Blocks of P.
    pub point_depth: i64,
    /// Probability of dropout in blocks of width 256 or more.
    pub dropout: f64,
}

impl Architecture {
    /// As in the paper: G of 17.5 M and P of 9 M parameters.
    pub const PAPER: Self = Self {
        width: 1024,
        generating_depth: 15,
        point_depth: 11,
        dropout: 0.5,
    };

    /// Of another width and depth; P has 11 blocks for every 15 of G.
    pub fn sized(width: i64, depth: i64, dropout: f64) -> Self {
        Self {
            width,
            generating_depth: depth,
            point_depth: ((depth * 11 + 7) / 15).max(1),
            dropout,
        }
    }
}

/// How J' is found and G evaluated in a training step.
///
/// The authors' program draws new dropout masks in each of the up to ten evaluations of the iteration, so its J' never
/// settles (it is the image of a randomly thinned G of a randomly thinned J'), and takes ∂G/∂θ and ∂G/∂J' from two more
/// draws, so the map of a training step is not canonical. [`Evaluation::AUTHORS`] does the same. [`Evaluation::FAST`] finds
/// the fixed point of the whole network, from the J' of the epoch before, and takes both derivatives from one evaluation with
/// one set of masks: the same objective with fewer passes through the networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Most steps of the iteration.
    pub steps: usize,
    /// Whether the iteration draws dropout masks.
    pub dropout_in_iteration: bool,
    /// Whether ∂G/∂θ and ∂G/∂J' come from two evaluations.
    pub separate: bool,
    /// Whether the iteration starts from the stream's J' of the epoch before.
    pub warm: bool,
}

impl Evaluation {
    /// As the authors' program.
    pub const AUTHORS: Self = Self {
        steps: 10,
        dropout_in_iteration: true,
        separate: true,
        warm: false,
    };
    /// Without repeated work.
    pub const FAST: Self = Self {
        steps: 10,
        dropout_in_iteration: false,
        separate: false,
        warm: true,
    };
}

/// When the iteration for J' ends early: largest and mean change of a step, in the network's unit (the authors' values).
const TRAINING_TOLERANCE: (f64, f64) = (5e-5, 1e-6);

/// The same for predictions: 4e-9 km/s kpc.
const PREDICTION_TOLERANCE: (f64, f64) = (1e-12, 1e-12);

/// Most steps of the iteration for predictions.
const PREDICTION_STEPS: usize = 60;

/// Points in one evaluation of a prediction: bounds the memory of the widest networks to about 1 GB.
const CHUNK: i64 = 4096;

/// The two networks.
#[derive(Debug)]
pub struct PaperMap {
    architecture: Architecture,
    generating: Network,
    point: Network,
}

/// (θ'', J'') of stars, and J' of their streams.
#[derive(Debug)]
pub struct Image {
    /// θ'', radians.
    pub theta: Tensor,
    /// J'', network unit.
    pub action: Tensor,
    /// Mean J' of each stream, cut off from the graph.
    pub mean: Tensor,
}

/// What [`PreparedMap::predict`] gives.
#[derive(Debug)]
pub struct Prediction {
    /// θ'', radians, not wrapped.
    pub theta: Tensor,
    /// J'', network unit.
    pub action: Tensor,
    /// Whether the iteration for J' of a star did not end.
    pub open: Vec<bool>,
}

impl PaperMap {
    /// Initial weights.
    pub fn new(architecture: Architecture, random: &mut ChaCha8Rng, device: Device) -> Self {
        let shape = |inputs, outputs, depth| Shape {
            inputs,
            outputs,
            width: architecture.width,
            depth,
            dropout: architecture.dropout,
        };
        let generating = Network::new(shape(9, 3, architecture.generating_depth), random, device);
        Self {
            architecture,
            generating,
            point: Network::new(shape(6, 6, architecture.point_depth), random, device),
        }
    }

    /// Its size.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Trainable tensors with their names, in a fixed order.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let named = |prefix: &str, network: &Network| -> Vec<(String, Tensor)> {
            network
                .parameters()
                .into_iter()
                .map(|(name, tensor)| (format!("{prefix}.{name}"), tensor))
                .collect()
        };
        let mut list = named("generating", &self.generating);
        list.extend(named("point", &self.point));
        list
    }

    /// The map for the present weights.
    pub fn prepare(&self) -> PreparedMap {
        let generating = self.generating.prepare();
        PreparedMap {
            detached: generating.detached(),
            generating,
            point: self.point.prepare(),
            trained: true,
            graph: true,
        }
    }

    /// The same as [`PaperMap::frozen`], but what it gives can be differentiated by positions and velocities.
    pub fn differentiable(&self) -> PreparedMap {
        PreparedMap {
            graph: true,
            ..self.frozen()
        }
    }

    /// The same without a way back to the weights and without dropout, for validation and prediction.
    pub fn frozen(&self) -> PreparedMap {
        tch::no_grad(|| {
            let generating = self.generating.prepare().detached();
            let point = self.point.prepare().detached();
            PreparedMap {
                detached: generating.detached(),
                generating,
                point,
                trained: false,
                graph: false,
            }
        })
    }
}

/// The map for one set of weights.
#[derive(Debug)]
pub struct PreparedMap {
    generating: Prepared,
    detached: Prepared,
    point: Prepared,
    trained: bool,
    /// Whether derivatives of G can be differentiated again.
    graph: bool,
}

impl PreparedMap {
    /// Mean J' of each stream: iterates J' ← ⟨J − ∂G/∂θ(θ, J')⟩ from `start`, or from the stream's mean J.
    ///
    /// **Shape** `start` (streams, 3) → (streams, 3), steps taken
    pub fn mean_actions(&self, toy: &ToyPoints, start: Option<&Tensor>, evaluation: &Evaluation) -> (Tensor, usize) {
        let dropout = if self.trained && evaluation.dropout_in_iteration {
            Dropout::Drawn
        } else {
            Dropout::Off
        };
        let (theta, action) = (toy.angles.detach(), toy.actions.detach());
        let stream_mean = |values: &Tensor| toy.mean(values).squeeze_dim(1);
        let mut mean = start.map_or_else(|| stream_mean(&action), Tensor::shallow_clone);
        for step in 1..=evaluation.steps {
            let (by_theta, _) = gradients(&self.detached, &theta, &spread_out(&mean, &theta), dropout, false);
            let next = stream_mean(&(&action - by_theta));
            let change = (&next - &mean).abs();
            mean = next;
            let (largest, average) = TRAINING_TOLERANCE;
            if change.max().double_value(&[]) < largest && change.mean(Kind::Double).double_value(&[]) < average {
                return (mean, step);
            }
        }
        (mean, evaluation.steps)
    }

    /// (θ'', J'') of the stars of streams whose mean J' is `mean`, with the graph for training.
    ///
    /// J' = J − ∂G/∂θ, θ' = θ + ∂G/∂J', θ'' = P(θ'), J'' = (∂θ'/∂θ'')ᵀ J'
    ///
    /// **Shape** `mean` (streams, 3)
    ///
    /// **Source** Ibata et al. (2021), Eq. 5–8 and the listing in the appendix
    pub fn image(&self, toy: &ToyPoints, mean: &Tensor, evaluation: &Evaluation) -> Image {
        let dropout = self.dropout();
        let derivatives = |mean: &Tensor| gradients(&self.generating, &toy.angles, mean, dropout, self.graph);
        let (by_theta, mut by_action) = derivatives(&spread_out(mean, &toy.angles));
        let refined = &toy.actions - by_theta;
        let again = toy.mean(&refined);
        if evaluation.separate {
            by_action = derivatives(&again.expand_as(&refined).contiguous()).1;
        }
        let (theta, columns) = self.change_of_angles(&(&toy.angles + by_action), dropout);
        Image {
            theta,
            action: covariant(&columns, &refined),
            mean: again.detach().squeeze_dim(1),
        }
    }

    fn dropout(&self) -> Dropout {
        if self.trained { Dropout::Drawn } else { Dropout::Off }
    }

    /// θ'' for toy angles of zero on tori of mean action J', for the loss of the angles' zero point.
    ///
    /// **Shape** (streams, 3) → (streams, 3)
    pub fn angles_at_zero(&self, mean: &Tensor) -> Tensor {
        let dropout = self.dropout();
        let zero = mean.detach().zeros_like().unsqueeze(1);
        let (_, by_action) = gradients(
            &self.generating,
            &zero,
            &mean.detach().unsqueeze(1),
            dropout,
            self.graph,
        );
        self.change_of_angles(&by_action, dropout).0.squeeze_dim(1)
    }

    /// θ'' = θ' + atan2(o₀₋₂, o₃₋₅) and its Jacobian, one tensor ∂θ''/∂θ'_j for each j.
    fn change_of_angles(&self, theta: &Tensor, dropout: Dropout) -> (Tensor, [Tensor; 3]) {
        let shape = theta.size();
        let flat = theta.reshape([-1, 3]);
        let (cosine, sine) = (flat.cos(), flat.sin());
        let unit = Tensor::eye(3, (Kind::Double, flat.device())).unsqueeze(1);
        let tangents = Tensor::cat(&[-sine.unsqueeze(0) * &unit, cosine.unsqueeze(0) * &unit], -1);
        let (o, along) = self
            .point
            .forward_with_tangents(&Tensor::cat(&[cosine, sine], -1), &tangents, dropout);
        let (y, x) = (o.narrow(-1, 0, 3), o.narrow(-1, 3, 3));
        let (by_y, by_x) = (along.narrow(-1, 0, 3), along.narrow(-1, 3, 3));
        let turned = (&x * by_y - &y * by_x) / (x.square() + y.square());
        let jacobian = turned + unit;
        let column = |j: i64| jacobian.get(j).reshape(&shape);
        ((flat + y.atan2(&x)).reshape(&shape), [column(0), column(1), column(2)])
    }

    /// (θ'', J'') of single stars, each with its own J', without dropout, or with the masks that `draw` seeds.
    ///
    /// The iteration is damped when it does not contract: the factor is halved for stars whose last step grew.
    ///
    /// With a draw, all evaluations of one prediction share their masks, so that J' settles: the stars' images under one randomly
    /// thinned network each.
    ///
    /// **Shape** (stars, 3) twice
    ///
    /// **Source** of the draws: Gal & Ghahramani (2016)
    pub fn predict(&self, theta: &Tensor, action: &Tensor, draw: Option<i64>) -> Prediction {
        let dropout = if draw.is_some() { Dropout::Drawn } else { Dropout::Off };
        let stars = theta.size()[0];
        let mut parts = (Vec::new(), Vec::new());
        let mut all_open = Vec::new();
        for first in (0..stars).step_by(CHUNK as usize) {
            let length = CHUNK.min(stars - first);
            let theta = theta.narrow(0, first, length).detach();
            let action = action.narrow(0, first, length).detach();
            let draw = draw.map(|draw| draw.wrapping_add(first));
            let single = ToyPoints::of_single(&theta, &action);
            let (own, left) = self.settled_actions(&single, draw);
            all_open.extend(not_below(&left, PREDICTION_TOLERANCE.0));
            let (theta, action, own) = (single.angles, single.actions, own.unsqueeze(1));
            seeded(draw);
            let (by_theta, by_action) = gradients(&self.detached, &theta, &own, dropout, false);
            tch::no_grad(|| {
                let (angles, columns) = self.change_of_angles(&(&theta + by_action), dropout);
                parts.0.push(angles.squeeze_dim(1));
                parts.1.push(covariant(&columns, &(&action - by_theta)).squeeze_dim(1));
            });
        }
        if stars == 0 {
            return Prediction {
                theta: theta.detach(),
                action: action.detach(),
                open: all_open,
            };
        }
        Prediction {
            theta: Tensor::cat(&parts.0, 0),
            action: Tensor::cat(&parts.1, 0),
            open: all_open,
        }
    }

    /// J' of streams, (streams, 3), and how far the last step of each would still have moved it.
    ///
    /// Each stream's steps are damped when they grow, as the iteration does not contract for every one. Secants, by which the smooth map finds its
    /// J', look at fewer and fewer streams; masks of dropout belong to places among all of them.
    pub fn settled_actions(&self, toy: &ToyPoints, draw: Option<i64>) -> (Tensor, Tensor) {
        let dropout = if draw.is_some() { Dropout::Drawn } else { Dropout::Off };
        let (theta, action) = (toy.angles.detach(), toy.actions.detach());
        let stream_mean = |values: &Tensor| toy.mean(values).squeeze_dim(1);
        let mut own = stream_mean(&action);
        let mut damping = Tensor::ones_like(&own).narrow(-1, 0, 1);
        let mut before = damping.full_like(f64::INFINITY);
        for _ in 0..PREDICTION_STEPS {
            seeded(draw);
            let (by_theta, _) = gradients(&self.detached, &theta, &spread_out(&own, &theta), dropout, false);
            let step = stream_mean(&(&action - by_theta)) - &own;
            let size = step.abs().amax([-1_i64].as_slice(), true);
            let smaller = size.lt_tensor(&before);
            before = size;
            // What is not a number is open, too.
            if before.lt(PREDICTION_TOLERANCE.0).all().int64_value(&[]) == 1 {
                break;
            }
            damping = damping.where_self(&smaller, &(&damping * 0.5)).clamp_min(0.05);
            own = &own + step * &damping;
        }
        (own, before.squeeze_dim(-1))
    }
}

/// Which of some sizes are not below `limit`; what is not a number is not.
pub(super) fn not_below(sizes: &Tensor, limit: f64) -> Vec<bool> {
    let open = sizes.lt(limit).logical_not().to_device(Device::Cpu).contiguous();
    // Of a kind and shape that can always be read.
    Vec::<bool>::try_from(open).unwrap_or_default()
}

/// Sets libtorch's generator, from which masks come, so that each evaluation of one draw has the same.
fn seeded(draw: Option<i64>) {
    if let Some(draw) = draw {
        tch::manual_seed(draw);
    }
}

/// ∂G/∂θ and ∂G/∂J' for G = atan2(o₁, o₀) + o₂ with o = net(cos θ, sin θ, J'): one reverse pass gives both.
/// With `graph`, they can be differentiated again.
fn gradients(network: &Prepared, theta: &Tensor, action: &Tensor, dropout: Dropout, graph: bool) -> (Tensor, Tensor) {
    tch::with_grad(|| {
        let (theta, action) = (tracked(theta), tracked(action));
        let features = Tensor::cat(&[theta.cos(), theta.sin(), action.shallow_clone()], -1).reshape([-1, 9]);
        let o = network.forward(&features, dropout);
        let generating = o.select(-1, 1).atan2(&o.select(-1, 0)) + o.select(-1, 2);
        let mut found =
            Tensor::run_backward(&[generating.sum(Kind::Double)], &[theta, action], graph, graph).into_iter();
        match (found.next(), found.next()) {
            (Some(by_theta), Some(by_action)) => (by_theta, by_action),
            _ => unreachable!("one gradient for each of two inputs"),
        }
    })
}

fn tracked(tensor: &Tensor) -> Tensor {
    if tensor.requires_grad() {
        tensor.shallow_clone()
    } else {
        tensor.detach().set_requires_grad(true)
    }
}

/// One row per stream to one row per star.
fn spread_out(mean: &Tensor, like: &Tensor) -> Tensor {
    mean.unsqueeze(1).expand_as(like).contiguous()
}

/// Solves Σ_i K_ij J''_i = J'_j for K_ij = ∂θ''_i/∂θ'_j given by its columns j: the actions of a change of angles.
fn covariant(columns: &[Tensor; 3], action: &Tensor) -> Tensor {
    let row = |i: i64| Tensor::stack(&columns.each_ref().map(|column| column.select(-1, i)), -1);
    solve_transposed(&[row(0), row(1), row(2)], action)
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
