//! The multilayer perceptron with SiLU, and the derivatives of what is made of its outputs.

use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::random::normal;
use crate::weights::Weights;

/// Numbers of inputs and outputs, and the hidden layers between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub inputs: i64,
    /// Width of the hidden layers.
    pub width: i64,
    /// Number of hidden layers.
    pub depth: i64,
    pub outputs: i64,
}

impl Size {
    /// Inputs and outputs of each layer.
    fn layers(self) -> impl Iterator<Item = (i64, i64)> {
        let of = move |layer: i64| if layer == 0 { self.inputs } else { self.width };
        (0..=self.depth).map(move |layer| {
            let outputs = if layer == self.depth { self.outputs } else { self.width };
            (of(layer), outputs)
        })
    }
}

/// What the outputs are before any training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Zero everywhere.
    Zero,
    /// As random as the hidden layers.
    Random,
}

/// What a perceptron is given at points, and what its outputs are multiplied with; with the derivatives of both by three variables
/// where these were asked for.
#[derive(Debug)]
pub struct Inputs {
    /// […, inputs].
    pub values: Tensor,
    /// […, 3, inputs].
    pub tangents: Option<Tensor>,
    /// […, outputs].
    pub factors: Tensor,
    /// […, 3, outputs].
    pub factor_tangents: Option<Tensor>,
}

impl Inputs {
    /// The same of each tensor.
    pub(crate) fn each(&self, change: &impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            values: change(&self.values),
            tangents: self.tangents.as_ref().map(change),
            factors: change(&self.factors),
            factor_tangents: self.factor_tangents.as_ref().map(change),
        }
    }
}

/// Linear layers with SiLU between them.
#[derive(Debug)]
pub(crate) struct Perceptron {
    /// Weight (inputs × outputs) and bias of each layer in turn.
    layers: Vec<Tensor>,
}

impl Perceptron {
    /// Initial weights: of variance 1/inputs in hidden layers, biases of 0.1.
    pub fn new(size: Size, start: Start, random: &mut ChaCha8Rng, device: Device) -> Self {
        let mut layers = Vec::new();
        for (layer, (inputs, outputs)) in (0..).zip(size.layers()) {
            if layer == size.depth && start == Start::Zero {
                layers.push(Tensor::zeros([inputs, outputs], (Kind::Double, Device::Cpu)));
                layers.push(Tensor::zeros([outputs], (Kind::Double, Device::Cpu)));
            } else {
                layers.push(normal(&[inputs, outputs], (1.0 / inputs as f64).sqrt(), random));
                layers.push(normal(&[outputs], 0.1, random));
            }
        }
        Self { layers }.on(device)
    }

    fn on(self, device: Device) -> Self {
        let place = |layer: Tensor| layer.to_device(device).set_requires_grad(true);
        Self {
            layers: self.layers.into_iter().map(place).collect(),
        }
    }

    /// The same with more inputs and outputs, whose weights are zero.
    pub fn widened(&self, [inputs, outputs]: [i64; 2]) -> Self {
        let mut layers = self.parameters();
        let last = layers.len() - 2;
        let zeros = |rows: i64, of: &Tensor| Tensor::zeros([rows, of.size()[1]], (of.kind(), of.device()));
        layers[0] = Tensor::cat(&[&layers[0], &zeros(inputs, &layers[0])], 0);
        let weight = layers[last].tr();
        layers[last] = Tensor::cat(&[&weight, &zeros(outputs, &weight)], 0).tr().contiguous();
        let bias = &layers[last + 1];
        layers[last + 1] = Tensor::cat(&[bias, &Tensor::zeros([outputs], (bias.kind(), bias.device()))], 0);
        let trained = |layer: Tensor| layer.detach().set_requires_grad(true);
        Self {
            layers: layers.into_iter().map(trained).collect(),
        }
    }

    /// Weight and bias of each layer in turn: everything that is trained.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.layers.iter().map(Tensor::shallow_clone).collect()
    }

    /// A copy in another precision that is trained by itself, or the same weights where the precision is theirs.
    pub fn working(&self, kind: Kind) -> Self {
        let of = |layer: &Tensor| match layer.kind() == kind {
            true => layer.shallow_clone(),
            false => layer.detach().to_kind(kind).set_requires_grad(true),
        };
        Self {
            layers: self.layers.iter().map(of).collect(),
        }
    }

    /// Takes over the weights of another of the same size.
    pub fn copy_from(&mut self, other: &Self) {
        tch::no_grad(|| {
            let pairs = self.layers.iter_mut().zip(&other.layers);
            pairs.for_each(|(to, from)| to.copy_(from));
        });
    }

    /// Puts the layers into a file.
    pub fn save(&self, weights: &mut Weights) {
        weights.insert_list("parameters", &self.layers);
    }

    /// The perceptron of a file.
    pub fn read(weights: &Weights, size: Size, device: Device) -> Result<Self, Error> {
        // No more layers than the file has tensors: before anything is made of a number in it.
        if !(0..=weights.tensors.len() as i64).contains(&size.depth) {
            let depth = size.depth;
            return Err(Error::Data(format!("the network file holds no {depth} hidden layers")));
        }
        let mut layers = Vec::new();
        for (inputs, outputs) in size.layers() {
            for shape in [&[inputs, outputs][..], &[outputs]] {
                let name = format!("parameters.{}", layers.len());
                layers.push(weights.shaped(&name, shape)?.shallow_clone());
            }
        }
        Ok(Self { layers }.on(device))
    }

    /// The outputs. **Shape** […, inputs] → […, outputs].
    pub fn forward(&self, values: &Tensor) -> Tensor {
        let mut value = values.shallow_clone();
        for (number, layer) in self.layers.chunks_exact(2).enumerate() {
            value = value.matmul(&layer[0]) + &layer[1];
            if 2 * number + 2 < self.layers.len() {
                value = value.silu();
            }
        }
        value
    }

    /// The derivatives of Σ_k factor_k output_k by the three variables: its gradient by the inputs is pulled back through the network by
    /// plain products, so that the gradient with respect to the weights needs only one ordinary backward pass. **Shape** […, 3].
    pub fn slope(&self, inputs: &Inputs) -> Tensor {
        let (Some(tangents), Some(factor_tangents)) = (&inputs.tangents, &inputs.factor_tangents) else {
            return Tensor::zeros_like(&inputs.values);
        };
        let parameters = &self.layers;
        let last = parameters.len() - 2;
        let mut value = inputs.values.shallow_clone();
        let mut rates = Vec::with_capacity(last / 2);
        for layer in (0..last).step_by(2) {
            let input = value.matmul(&parameters[layer]) + &parameters[layer + 1];
            let gate = input.sigmoid();
            value = &input * &gate;
            // (a σ(a))′ = σ + a σ (1 − σ) = σ + silu (1 − σ)
            rates.push(&gate + &value * (1.0 - &gate));
        }
        let outputs = value.matmul(&parameters[last]) + &parameters[last + 1];
        let mut back = inputs.factors.matmul(&parameters[last].tr());
        for (layer, rate) in (0..last).step_by(2).zip(&rates).rev() {
            back = (back * rate).matmul(&parameters[layer].tr());
        }
        let kind = tangents.kind();
        (tangents * back.unsqueeze(-2)).sum_dim_intlist(-1, false, kind)
            + (factor_tangents * outputs.unsqueeze(-2)).sum_dim_intlist(-1, false, kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::random::generator;

    const SIZE: Size = Size {
        inputs: 4,
        width: 6,
        depth: 2,
        outputs: 2,
    };

    #[test]
    fn it_is_zero_at_first_where_that_is_asked_for_and_the_same_from_its_file() {
        let values = normal(&[5, 4], 1.0, &mut generator(2, "test", 0));
        let made = |start| Perceptron::new(SIZE, start, &mut generator(1, "test", 0), Device::Cpu);
        assert_eq!(made(Start::Zero).forward(&values).abs().max().double_value(&[]), 0.0);
        let whole = made(Start::Random);
        let mut weights = Weights::default();
        whole.save(&mut weights);
        let read = Perceptron::read(&weights, SIZE, Device::Cpu).unwrap();
        assert!(read.forward(&values).equal(&whole.forward(&values)));
        for (depth, width) in [(3, 6), (1, 6), (2, 5), (-1, 6), (i64::MAX, 6)] {
            let size = Size { depth, width, ..SIZE };
            assert!(Perceptron::read(&weights, size, Device::Cpu).is_err(), "{size:?}");
        }
    }

    /// Inputs and factors linear in three variables, so that their tangents are constants.
    #[test]
    fn the_slope_is_the_gradient_of_outputs_times_factors() {
        let mut random = generator(3, "test", 0);
        let network = Perceptron::new(SIZE, Start::Random, &mut random, Device::Cpu);
        let (of_inputs, of_factors) = (normal(&[3, 4], 1.0, &mut random), normal(&[3, 2], 1.0, &mut random));
        let x = normal(&[7, 3], 1.0, &mut random).set_requires_grad(true);
        let (values, factors) = (x.matmul(&of_inputs), x.matmul(&of_factors));
        let sum = (network.forward(&values) * &factors).sum(Kind::Double);
        let exact = Tensor::run_backward(&[sum], &[&x], false, false).remove(0);
        let slope = network.slope(&Inputs {
            values,
            tangents: Some(of_inputs.expand([7, 3, 4], false)),
            factors,
            factor_tangents: Some(of_factors.expand([7, 3, 2], false)),
        });
        // Sums of a few numbers of order one.
        assert!((slope - exact).abs().max().double_value(&[]) < 1e-13);
    }
}
