//! The layers of the paper's networks: residual blocks of weight-normalised dense layers, widths doubling and mirrored.
//!
//! In a block "W1(D1(·))" is *one* weight-normalised layer applied twice, because PyTorch's `weight_norm` changes the
//! layer it is given in place. Twice the same affine map is again an affine map, W(Wx + b) + b = W²x + (Wb + b), so
//! [`Network::prepare`] squares each matrix once and every evaluation afterwards costs one product instead of two.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

/// Smallest width of a block that has dropout.
pub const DROPOUT_FROM_WIDTH: i64 = 256;

/// Width of the first and last block.
const NARROWEST: i64 = 64;

/// Shape of a network.
///
/// **Source** Ibata et al. (2021), section 3 and Fig. 2. Counting parameters fixes what the text leaves open: G 17.5 M
/// (15 blocks), P 9 M (11), inverse 34 M (23) come out only if the dense layers between blocks stand where the width
/// changes, and the widest blocks fill the middle.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Input features.
    pub inputs: i64,
    /// Output features.
    pub outputs: i64,
    /// Largest width; 1024 in the paper.
    pub width: i64,
    /// Number of blocks.
    pub depth: i64,
    /// Probability of dropping a value after each ReLU of a block of width 256 or more; 0.5 in the paper.
    pub dropout: f64,
}

impl Shape {
    /// Width of every block: 64, 128, … up to the largest, and back.
    pub fn widths(&self) -> Vec<i64> {
        let doubled = |steps: i64| NARROWEST.saturating_mul(1_i64.checked_shl(steps.min(32) as u32).unwrap_or(1));
        (0..self.depth)
            .map(|block| doubled(block.min(self.depth - 1 - block)).min(self.width))
            .collect()
    }
}

/// A trainable tensor of uniform numbers within ±`bound`, the same on every device.
fn uniform(shape: &[i64], bound: f64, random: &mut ChaCha8Rng, device: Device) -> Tensor {
    let count = shape.iter().product::<i64>();
    let values: Vec<f64> = (0..count).map(|_| random.random_range(-bound..bound)).collect();
    Tensor::from_slice(&values)
        .reshape(shape)
        .to_device(device)
        .set_requires_grad(true)
}

/// A dense layer, y = xWᵀ + b.
#[derive(Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    /// PyTorch's default: weights and biases uniform within ±1/√(inputs).
    fn new(inputs: i64, outputs: i64, random: &mut ChaCha8Rng, device: Device) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = uniform(&[outputs, inputs], bound, random, device);
        Self {
            weight,
            bias: uniform(&[outputs], bound, random, device),
        }
    }
}

/// A weight-normalised square layer, w = g v/|v| for each row of the matrix, that is applied twice in a row.
#[derive(Debug)]
struct Twice {
    v: Tensor,
    g: Tensor,
    bias: Option<Tensor>,
}

impl Twice {
    fn new(width: i64, biased: bool, random: &mut ChaCha8Rng, device: Device) -> Self {
        let bound = 1.0 / (width as f64).sqrt();
        let v = uniform(&[width, width], bound, random, device);
        let g = tch::no_grad(|| row_norms(&v)).set_requires_grad(true);
        Self {
            v,
            g,
            bias: biased.then(|| uniform(&[width], bound, random, device)),
        }
    }

    /// The one affine map that both applications make.
    fn composed(&self) -> Affine {
        let weight = &self.v * (&self.g / row_norms(&self.v));
        let bias = self.bias.as_ref().map(|bias| weight.mv(bias) + bias);
        Affine {
            transposed: weight.matmul(&weight).transpose(0, 1),
            bias,
        }
    }
}

fn row_norms(matrix: &Tensor) -> Tensor {
    matrix
        .square()
        .sum_dim_intlist([1_i64].as_slice(), true, Kind::Double)
        .sqrt()
}

/// A residual block, out = W2(D2(ReLU(W1(D1(ReLU(input)))))) + input.
///
/// **Source** Ibata et al. (2021), Eq. 11 and the listing in the appendix (the first layer has no bias).
#[derive(Debug)]
struct Block {
    first: Twice,
    second: Twice,
}

/// A network of the paper's architecture; its tensors are the trainable parameters.
#[derive(Debug)]
pub struct Network {
    shape: Shape,
    into: Dense,
    blocks: Vec<(Option<Dense>, Block)>,
    out: Dense,
}

impl Network {
    /// Initial weights for a seed.
    pub fn new(shape: Shape, random: &mut ChaCha8Rng, device: Device) -> Self {
        let widths = shape.widths();
        let first = widths.first().copied().unwrap_or(shape.width);
        let last = widths.last().copied().unwrap_or(shape.width);
        let into = Dense::new(shape.inputs, first, random, device);
        let mut before = first;
        let mut blocks = Vec::with_capacity(widths.len());
        for width in widths {
            let link = (width != before).then(|| Dense::new(before, width, random, device));
            let block = Block {
                first: Twice::new(width, false, random, device),
                second: Twice::new(width, true, random, device),
            };
            blocks.push((link, block));
            before = width;
        }
        Self {
            shape,
            into,
            blocks,
            out: Dense::new(last, shape.outputs, random, device),
        }
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The trainable tensors with their names, in a fixed order.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        fn dense(list: &mut Vec<(String, Tensor)>, name: &str, layer: &Dense) {
            list.push((format!("{name}.weight"), layer.weight.shallow_clone()));
            list.push((format!("{name}.bias"), layer.bias.shallow_clone()));
        }
        let mut list = Vec::new();
        dense(&mut list, "into", &self.into);
        for (index, (link, block)) in self.blocks.iter().enumerate() {
            if let Some(link) = link {
                dense(&mut list, &format!("blocks.{index}.link"), link);
            }
            for (half, layer) in [("first", &block.first), ("second", &block.second)] {
                list.push((format!("blocks.{index}.{half}.v"), layer.v.shallow_clone()));
                list.push((format!("blocks.{index}.{half}.g"), layer.g.shallow_clone()));
                if let Some(bias) = &layer.bias {
                    list.push((format!("blocks.{index}.{half}.bias"), bias.shallow_clone()));
                }
            }
        }
        dense(&mut list, "out", &self.out);
        list
    }

    /// Number of trainable numbers.
    pub fn count(&self) -> usize {
        self.parameters().iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// The effective matrices for the present weights, computed once for many evaluations. Gradients reach the weights
    /// through them; see [`Prepared::detached`] for evaluations that need none.
    pub fn prepare(&self) -> Prepared {
        let affine = |layer: &Dense| Affine {
            transposed: layer.weight.transpose(0, 1),
            bias: Some(layer.bias.shallow_clone()),
        };
        let blocks = self
            .blocks
            .iter()
            .zip(self.shape.widths())
            .map(|((link, block), width)| Stage {
                link: link.as_ref().map(affine),
                first: block.first.composed(),
                second: block.second.composed(),
                dropout: if width >= DROPOUT_FROM_WIDTH {
                    self.shape.dropout
                } else {
                    0.0
                },
            });
        Prepared {
            into: affine(&self.into),
            blocks: blocks.collect(),
            out: affine(&self.out),
        }
    }
}

/// x ↦ x A + b, with A already transposed.
#[derive(Debug)]
struct Affine {
    transposed: Tensor,
    bias: Option<Tensor>,
}

impl Affine {
    fn apply(&self, x: &Tensor) -> Tensor {
        match &self.bias {
            Some(bias) => bias.addmm(x, &self.transposed),
            None => x.mm(&self.transposed),
        }
    }

    fn detached(&self) -> Self {
        Self {
            transposed: self.transposed.detach(),
            bias: self.bias.as_ref().map(Tensor::detach),
        }
    }
}

#[derive(Debug)]
struct Stage {
    link: Option<Affine>,
    first: Affine,
    second: Affine,
    dropout: f64,
}

/// Whether an evaluation draws dropout masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropout {
    /// New masks for this evaluation, as `module.train()` in the authors' program.
    Drawn,
    /// None.
    Off,
}

/// A network ready for evaluation.
#[derive(Debug)]
pub struct Prepared {
    into: Affine,
    blocks: Vec<Stage>,
    out: Affine,
}

impl Prepared {
    /// The same matrices, cut off from the weights: gradients with respect to the inputs only.
    pub fn detached(&self) -> Self {
        let blocks = self.blocks.iter().map(|stage| Stage {
            link: stage.link.as_ref().map(Affine::detached),
            first: stage.first.detached(),
            second: stage.second.detached(),
            dropout: stage.dropout,
        });
        Self {
            into: self.into.detached(),
            blocks: blocks.collect(),
            out: self.out.detached(),
        }
    }

    /// The outputs at `x`.
    ///
    /// **Shape** (points, inputs) → (points, outputs)
    ///
    /// Dropout stands after each ReLU, as the paper's text says; masks are drawn anew at every call.
    pub fn forward(&self, x: &Tensor, dropout: Dropout) -> Tensor {
        let drop = |x: Tensor, probability: f64| match dropout {
            Dropout::Drawn if probability > 0.0 => x.dropout(probability, true),
            _ => x,
        };
        let mut x = self.into.apply(x);
        for stage in &self.blocks {
            if let Some(link) = &stage.link {
                x = link.apply(&x);
            }
            let inner = stage.first.apply(&drop(x.relu(), stage.dropout));
            x = stage.second.apply(&drop(inner.relu(), stage.dropout)) + x;
        }
        self.out.apply(&x)
    }

    /// The outputs at `x`, and their derivatives along `tangents` by forward differentiation: all directions share the
    /// activations and the masks of one evaluation, and one backward pass later goes through everything at once.
    ///
    /// **Shape** (points, inputs), (directions, points, inputs) → (points, outputs), (directions, points, outputs)
    pub fn forward_with_tangents(&self, x: &Tensor, tangents: &Tensor, dropout: Dropout) -> (Tensor, Tensor) {
        let mut x = self.into.apply(x);
        let mut tangents = tangents.matmul(&self.into.transposed);
        for stage in &self.blocks {
            if let Some(link) = &stage.link {
                x = link.apply(&x);
                tangents = tangents.matmul(&link.transposed);
            }
            let (mut inner, mut along) = (x.shallow_clone(), tangents.shallow_clone());
            for layer in [&stage.first, &stage.second] {
                // ReLU is a product with 0 or 1, and dropout with 0 or 1/(1 − p): one mask for values and tangents.
                let mut mask = inner.gt(0.0).to_kind(Kind::Double);
                if dropout == Dropout::Drawn && stage.dropout > 0.0 {
                    mask = mask.dropout(stage.dropout, true);
                }
                inner = layer.apply(&(inner * &mask));
                along = (along * mask).matmul(&layer.transposed);
            }
            x = inner + x;
            tangents = along + tangents;
        }
        (self.out.apply(&x), tangents.matmul(&self.out.transposed))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::SeedableRng;

    use super::*;

    fn seeded(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    fn shape(inputs: i64, outputs: i64, width: i64, depth: i64) -> Shape {
        Shape {
            inputs,
            outputs,
            width,
            depth,
            dropout: 0.5,
        }
    }

    fn millions(shape: Shape) -> f64 {
        Network::new(shape, &mut seeded(1), Device::Cpu).count() as f64 / 1e6
    }

    #[test]
    fn parameters_are_as_many_as_the_paper_says() {
        // G and a: 17.5 M, P: "44 M" less twice 17.5 M, inverse: 34 M, each to the digits quoted.
        assert_eq!(format!("{:.1}", millions(shape(9, 3, 1024, 15))), "17.5");
        assert_eq!(format!("{:.0}", millions(shape(6, 6, 1024, 11))), "9");
        assert_eq!(format!("{:.0}", millions(shape(9, 9, 1024, 23))), "34");
    }

    #[test]
    fn widths_double_and_mirror() {
        assert_eq!(
            shape(9, 3, 1024, 11).widths(),
            [64, 128, 256, 512, 1024, 1024, 1024, 512, 256, 128, 64]
        );
        assert_eq!(shape(9, 3, 16, 3).widths(), [16, 16, 16]);
        assert_eq!(shape(9, 3, 1024, 4).widths(), [64, 128, 128, 64]);
    }

    #[test]
    fn initial_weights_are_bounded_spread_out_and_seeded() {
        let network = Network::new(shape(4, 2, 64, 3), &mut seeded(7), Device::Cpu);
        let v = &network.blocks[0].1.first.v;
        // Uniform within ±1/8: the largest of 4096 numbers is within 1 % of the bound, the variance is bound²/3.
        let largest = v.abs().max().double_value(&[]);
        assert!(largest <= 0.125 && largest > 0.99 * 0.125, "{largest}");
        let variance = v.square().mean(Kind::Double).double_value(&[]) * 3.0 * 64.0;
        assert!((variance - 1.0).abs() < 0.1, "{variance}");
        let again = Network::new(shape(4, 2, 64, 3), &mut seeded(7), Device::Cpu);
        let other = Network::new(shape(4, 2, 64, 3), &mut seeded(8), Device::Cpu);
        assert_eq!(v, &again.blocks[0].1.first.v);
        assert_ne!(v, &other.blocks[0].1.first.v);
    }

    /// The block as the paper's listing has it, one layer after the other.
    fn listing(block: &Block, input: &Tensor) -> Tensor {
        let layer = |layer: &Twice, x: &Tensor| {
            let weight = &layer.g * &layer.v / row_norms(&layer.v);
            let y = x.matmul(&weight.transpose(0, 1));
            layer.bias.as_ref().map_or(y.shallow_clone(), |bias| &y + bias)
        };
        let x = layer(&block.first, &layer(&block.first, &input.relu()));
        layer(&block.second, &layer(&block.second, &x.relu())) + input
    }

    #[test]
    fn a_prepared_network_is_the_listing_layer_by_layer() {
        let mut random = seeded(3);
        let network = Network::new(shape(5, 2, 128, 3), &mut random, Device::Cpu);
        let x = uniform(&[7, 5], 1.0, &mut random, Device::Cpu);
        // Scales other than the initial ones, so that g and v play different parts.
        tch::no_grad(|| {
            network
                .blocks
                .iter()
                .for_each(|(_, block)| _ = block.first.g.shallow_clone().g_mul_scalar_(1.3))
        });
        let dense = |layer: &Dense, x: &Tensor| x.matmul(&layer.weight.transpose(0, 1)) + &layer.bias;
        let mut expected = dense(&network.into, &x);
        for (link, block) in &network.blocks {
            if let Some(link) = link {
                expected = dense(link, &expected);
            }
            expected = listing(block, &expected);
        }
        let expected = dense(&network.out, &expected);
        let found = network.prepare().forward(&x, Dropout::Off);
        assert_eq!(found.size(), [7, 2]);
        // Rounding of sums over 128 numbers of order one.
        assert!((found - expected).abs().max().double_value(&[]) < 1e-13);
    }

    #[test]
    fn gradients_reach_every_parameter() {
        let mut random = seeded(5);
        let network = Network::new(shape(3, 2, 128, 3), &mut random, Device::Cpu);
        let x = uniform(&[6, 3], 1.0, &mut random, Device::Cpu);
        let loss = network.prepare().forward(&x, Dropout::Off).square().sum(Kind::Double);
        loss.backward();
        for (name, tensor) in network.parameters() {
            assert!(
                tensor.grad().defined() && tensor.grad().abs().max().double_value(&[]) > 0.0,
                "{name}"
            );
        }
    }

    #[test]
    fn tangents_are_directional_derivatives() {
        let mut random = seeded(5);
        let prepared = Network::new(shape(3, 2, 128, 3), &mut random, Device::Cpu).prepare();
        let x = uniform(&[6, 3], 1.0, &mut random, Device::Cpu).detach();
        let tangents = uniform(&[4, 6, 3], 1.0, &mut random, Device::Cpu).detach();
        let (value, along) = prepared.forward_with_tangents(&x, &tangents, Dropout::Off);
        // The network is piecewise linear, so a difference over a short step is exact but for rounding (1e-16 / 1e-6).
        let step = 1e-6;
        for direction in 0..4 {
            let shifted = |sign: f64| prepared.forward(&(&x + tangents.get(direction) * (sign * step)), Dropout::Off);
            let difference = (shifted(1.0) - shifted(-1.0)) / (2.0 * step);
            assert!((difference - along.get(direction)).abs().max().double_value(&[]) < 1e-8);
        }
        assert!(
            (value - prepared.forward(&x, Dropout::Off))
                .abs()
                .max()
                .double_value(&[])
                < 1e-14
        );
    }

    #[test]
    fn dropout_is_drawn_at_each_call_and_only_in_wide_blocks() {
        let mut random = seeded(5);
        let x = uniform(&[6, 3], 1.0, &mut random, Device::Cpu);
        let difference = |width: i64, depth: i64, dropout: Dropout, random: &mut ChaCha8Rng| {
            let prepared = Network::new(shape(3, 2, width, depth), random, Device::Cpu).prepare();
            (prepared.forward(&x, dropout) - prepared.forward(&x, dropout))
                .abs()
                .max()
                .double_value(&[])
        };
        assert!(difference(256, 5, Dropout::Drawn, &mut random) > 0.0);
        assert_eq!(difference(256, 5, Dropout::Off, &mut random), 0.0);
        assert_eq!(difference(128, 5, Dropout::Drawn, &mut random), 0.0);
    }
}
