//! Potentials as a pipeline names them.

use dynamics::potential::{Potential, Symmetry};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::{Fault, FileParameter};

pub use parameters::potentials::*;

/// Faults of the values of `potential`, which stands at `at` below `with`.
pub fn faults(potential: &PotentialParameters, at: &str) -> Vec<Fault> {
    let misfits = potential.misfits(at).into_iter();
    misfits.map(|misfit| Fault::new(&misfit.at, misfit.message)).collect()
}

/// The files that `potential` is in, which stands at `at` below `with`.
pub fn files(potential: &PotentialParameters, at: &str) -> Vec<FileParameter> {
    let file = |(parameter, path): (String, _)| FileParameter {
        parameter: parameter.into(),
        place: None,
        called: None,
        path,
    };
    potential.files(at).into_iter().map(file).collect()
}

/// Makes `potential`, which the stage of `context` has at `at` below `with`.
pub fn build(
    potential: &PotentialParameters,
    context: &StageContext,
    at: &str,
) -> Result<Box<dyn Potential>, StageError> {
    let find = |name: &str, _: &std::path::Path| {
        let file = context.file(name).map_err(|error| NotMade(error.to_string()))?;
        Ok(file.to_owned())
    };
    potential.build_with(&find, at).map_err(StageError::failed)
}

/// The same for a method that needs some symmetry: a file shows only now what it has.
pub fn build_for(
    potential: &PotentialParameters,
    context: &StageContext,
    at: &str,
    (method, needed): (&str, Symmetry),
) -> Result<Box<dyn Potential>, StageError> {
    let potential = build(potential, context, at)?;
    if potential.symmetry() > needed {
        return Err(StageError::failed(needs(method, needed)));
    }
    Ok(potential)
}

/// That a method cannot do a potential of less symmetry than it needs.
pub fn needs(method: &str, needed: Symmetry) -> String {
    let needed = match needed {
        Symmetry::Spherical => "a spherical",
        _ => "an axisymmetric",
    };
    format!("{method} needs {needed} potential")
}

#[cfg(test)]
#[path = "potentials_tests.rs"]
mod tests;
