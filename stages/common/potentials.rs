//! Potentials as a pipeline names them.

use runner::stage::Fault;

pub use parameters::potentials::*;

/// Faults of the values of `potential`, which stands at `at` below `with`.
pub fn faults(potential: &PotentialParameters, at: &str) -> Vec<Fault> {
    let misfits = potential.misfits(at).into_iter();
    misfits.map(|misfit| Fault::new(&misfit.at, misfit.message)).collect()
}
