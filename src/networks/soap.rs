//! An optimiser for small networks that learns which directions of a layer go together.

use tch::{Kind, Tensor};

use crate::error::Error;
use crate::weights::Weights;

/// Steps between two looks at the eigenvectors.
const EVERY: i64 = 10;

/// SOAP: Adam in the eigenbasis of the gradient's own covariances, for a network of dense layers.
///
/// For a layer's gradient M (a row for each input and one for the bias, a column for each output), L = ⟨MMᵀ⟩ and R = ⟨MᵀM⟩ are
/// running means, U and V their eigenvectors. Adam is applied to UᵀMV, and its step turned back. U and V follow L and R by one
/// step of orthogonal iteration every ten steps.
///
/// **Source** Vyas et al. (2025), "SOAP: Improving and Stabilizing Shampoo using Adam", Algorithm 3
#[derive(Debug)]
pub struct Soap {
    /// Decay of the mean of the gradient, and of its square, L and R.
    pub betas: (f64, f64),
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay per step and unit of learning rate.
    pub weight_decay: f64,
    /// Steps done.
    pub steps: i64,
    layers: Vec<Layer>,
}

/// What is known of one layer.
#[derive(Debug)]
struct Layer {
    /// Mean gradient, (inputs + 1, outputs).
    first: Tensor,
    /// Mean square of the gradient in the eigenbasis.
    second: Tensor,
    /// L, (inputs + 1)².
    left: Tensor,
    /// R, outputs².
    right: Tensor,
    /// U.
    left_basis: Tensor,
    /// V.
    right_basis: Tensor,
}

impl Layer {
    fn new(weight: &Tensor) -> Self {
        let size = weight.size();
        let (rows, columns) = (size[0] + 1, size[1]);
        let place = (weight.kind(), weight.device());
        Self {
            first: Tensor::zeros([rows, columns], place),
            second: Tensor::zeros([rows, columns], place),
            left: Tensor::zeros([rows, rows], place),
            right: Tensor::zeros([columns, columns], place),
            left_basis: Tensor::eye(rows, place),
            right_basis: Tensor::eye(columns, place),
        }
    }

    fn tensors(&self) -> [&Tensor; 6] {
        let Self {
            first,
            second,
            left,
            right,
            left_basis,
            right_basis,
        } = self;
        [first, second, left, right, left_basis, right_basis]
    }

    /// The direction of the step for this gradient, before the learning rate.
    fn direction(&mut self, gradient: &Tensor, steps: i64, (beta1, beta2): (f64, f64), epsilon: f64) -> Tensor {
        let _ = self.left.lerp_(&gradient.matmul(&gradient.tr()), 1.0 - beta2);
        let _ = self.right.lerp_(&gradient.tr().matmul(gradient), 1.0 - beta2);
        if steps == 1 {
            self.left_basis = eigenvectors(&self.left);
            self.right_basis = eigenvectors(&self.right);
        }
        let turned = |matrix: &Tensor| self.left_basis.tr().matmul(matrix).matmul(&self.right_basis);
        let _ = self.first.lerp_(gradient, 1.0 - beta1);
        let _ = self.second.lerp_(&turned(gradient).square(), 1.0 - beta2);
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powi(steps as i32));
        let root = (&self.second / corrections[1]).sqrt() + epsilon;
        let step = turned(&self.first) / corrections[0] / root;
        let back = self.left_basis.matmul(&step).matmul(&self.right_basis.tr());
        if steps % EVERY == 0 {
            let (basis, order) = iterated(&self.left, &self.left_basis);
            self.left_basis = basis;
            self.second = self.second.index_select(0, &order);
            let (basis, order) = iterated(&self.right, &self.right_basis);
            self.right_basis = basis;
            self.second = self.second.index_select(1, &order);
        }
        back
    }
}

/// Eigenvectors of a symmetric matrix as columns, the largest eigenvalue first.
fn eigenvectors(matrix: &Tensor) -> Tensor {
    let (_, vectors) = matrix.to_kind(Kind::Double).linalg_eigh("L");
    rows(&vectors.flip([1]), matrix.kind())
}

/// One step of orthogonal iteration, from `basis` with its columns in the order of their present eigenvalues; that order.
fn iterated(matrix: &Tensor, basis: &Tensor) -> (Tensor, Tensor) {
    let image = matrix.matmul(basis);
    let values = (basis * &image).sum_dim_intlist([0].as_slice(), false, matrix.kind());
    let order = values.argsort_stable(true, -1, true);
    let (basis, _) = Tensor::linalg_qr(&image.index_select(1, &order).to_kind(Kind::Double), "reduced");
    (rows(&basis, matrix.kind()), order)
}

/// LAPACK's matrices lie column by column, those of a checkpoint row by row: products of the two differ in rounding.
fn rows(matrix: &Tensor, kind: Kind) -> Tensor {
    matrix.to_kind(kind).contiguous()
}

impl Soap {
    /// A fresh optimiser of the layers whose weights (inputs, outputs) and biases (outputs) are `parameters` in turn.
    pub fn new(parameters: &[Tensor], weight_decay: f64) -> Self {
        Self {
            betas: (0.95, 0.95),
            epsilon: 1e-8,
            weight_decay,
            steps: 0,
            layers: parameters.iter().step_by(2).map(Layer::new).collect(),
        }
    }

    /// One step along the gradients of `parameters`, which are then cleared.
    pub fn step(&mut self, parameters: &mut [Tensor], rate: f64) {
        self.steps += 1;
        tch::no_grad(|| {
            for (layer, pair) in self.layers.iter_mut().zip(parameters.chunks_mut(2)) {
                let [weight, bias] = pair else { continue };
                let gradient = Tensor::cat(&[weight.grad(), bias.grad().unsqueeze(0)], 0);
                let step = layer.direction(&gradient, self.steps, self.betas, self.epsilon) * rate;
                let inputs = weight.size()[0];
                let decay = 1.0 - rate * self.weight_decay;
                let _ = weight.g_mul_scalar_(decay).g_sub_(&step.narrow(0, 0, inputs));
                let _ = bias.g_mul_scalar_(decay).g_sub_(&step.get(inputs));
                let _ = weight.grad().zero_();
                let _ = bias.grad().zero_();
            }
        });
    }

    /// Adds its state to a checkpoint.
    pub fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        for (number, layer) in self.layers.iter().enumerate() {
            weights.insert_list(&format!("soap.{number}"), &layer.tensors().map(Tensor::shallow_clone));
        }
        weights.insert_json("steps", &self.steps)
    }

    /// Goes back to a checkpoint.
    pub fn restore(&mut self, saved: &Weights) -> Result<(), Error> {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            saved.copy_list(
                &format!("soap.{number}"),
                &mut layer.tensors().map(Tensor::shallow_clone),
            )?;
        }
        self.steps = saved.json("steps")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::Device;

    use super::*;
    use crate::optimiser::{Adam, Optimiser};
    use crate::random::{generator, normal};

    /// A linear layer fitted to inputs that are nearly collinear: the loss has a valley of condition 1e4 that lies along no axis.
    fn fitted(optimiser: Optimiser, steps: usize) -> f64 {
        let mut random = generator(1, "soap", 0);
        let turn = normal(&[6, 6], 1.0, &mut random);
        let scales = Tensor::from_slice(&[1.0, 0.3, 0.1, 0.03, 0.02, 0.01]);
        let inputs = (normal(&[200, 6], 1.0, &mut random) * scales).matmul(&Tensor::linalg_qr(&turn, "reduced").0);
        let truth = normal(&[6, 4], 1.0, &mut random);
        let goal = inputs.matmul(&truth) + 0.5;
        let mut parameters = [
            Tensor::zeros([6, 4], (Kind::Double, Device::Cpu)),
            Tensor::zeros([4], (Kind::Double, Device::Cpu)),
        ]
        .map(|tensor| tensor.set_requires_grad(true));
        let (mut soap, mut adam) = (Soap::new(&parameters, 0.0), Adam::new(&parameters, 0.0));
        let loss = |parameters: &[Tensor; 2]| {
            (inputs.matmul(&parameters[0]) + &parameters[1] - &goal)
                .square()
                .mean(Kind::Double)
        };
        for step in 0..steps {
            loss(&parameters).backward();
            let rate = 0.1 * (1.0 - step as f64 / steps as f64);
            match optimiser {
                Optimiser::Soap => soap.step(&mut parameters, rate),
                Optimiser::Adam => adam.step(&mut parameters, rate),
            }
        }
        loss(&parameters).double_value(&[])
    }

    #[test]
    fn it_goes_down_a_valley_that_lies_along_no_axis_further_than_adam() {
        let (soap, adam) = (fitted(Optimiser::Soap, 200), fitted(Optimiser::Adam, 200));
        assert!(soap < 0.1 * adam, "{soap:e} {adam:e}");
    }

    #[test]
    fn the_basis_follows_a_symmetric_matrix() {
        let mut random = generator(2, "soap", 0);
        let root = normal(&[5, 5], 1.0, &mut random);
        let matrix = root.matmul(&root.tr());
        let expected = eigenvectors(&matrix);
        // From a wrong order of another basis.
        let (mut basis, order) = iterated(&matrix, &expected.flip([1]));
        assert_eq!(Vec::<i64>::try_from(order).unwrap(), [4, 3, 2, 1, 0]);
        for _ in 0..3 {
            basis = iterated(&matrix, &basis).0;
        }
        // Signs are free.
        let overlap = (basis.tr().matmul(&expected)).abs() - Tensor::eye(5, (Kind::Double, Device::Cpu));
        assert!(overlap.abs().max().double_value(&[]) < 1e-10);
    }
}
