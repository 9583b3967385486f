//! Derivatives of many small systems at once, by automatic differentiation.

use tch::{Kind, Tensor};

/// The Jacobian of `outputs` [stars, m], each row of which depends on its own row of the inputs […, k] only (stars in the same
/// order): [stars, m, Σ k].
pub(crate) fn rows_of_jacobian(outputs: &Tensor, inputs: &[&Tensor]) -> Tensor {
    let count = outputs.size()[1];
    let row = |row: i64| {
        let sum = outputs.select(1, row).sum(Kind::Double);
        let gradients = Tensor::run_backward(&[sum], inputs, true, false);
        let flat = gradients
            .iter()
            .zip(inputs)
            .map(|(gradient, input)| gradient.reshape([-1, input.size()[input.dim() - 1]]));
        Tensor::cat(&flat.collect::<Vec<_>>(), -1)
    };
    Tensor::stack(&(0..count).map(row).collect::<Vec<_>>(), 1)
}
