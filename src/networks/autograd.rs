//! Derivatives of many small systems at once, by automatic differentiation.

use tch::{Kind, Tensor};

/// The root that Newton's method comes to: steps without a graph until none is greater than `least`, and two more with a graph, which
/// make first and second derivatives exact. `detached` is `step` of what the graph does not reach.
pub(crate) fn implicit(
    begin: Tensor,
    least: f64,
    detached: impl Fn(&Tensor) -> Tensor,
    step: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let found = tch::no_grad(|| {
        let mut found = begin;
        for _ in 0..60 {
            let next = detached(&found);
            let change = (&next - &found).abs().max().double_value(&[]);
            found = next;
            if change.is_nan() || change < least {
                break;
            }
        }
        found
    });
    step(&step(&found))
}

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
