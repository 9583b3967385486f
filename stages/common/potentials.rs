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
    needs: (&str, Symmetry),
) -> Result<Box<dyn Potential>, StageError> {
    let potential = build(potential, context, at)?;
    match misfit(potential.symmetry(), at, needs) {
        Some(fault) => Err(StageError::with_hint(fault.message, fault.hint.unwrap_or_default())),
        None => Ok(potential),
    }
}

/// That a method cannot do a potential of less symmetry than it needs, and what can.
pub fn misfit(found: Symmetry, at: &str, (method, needed): (&str, Symmetry)) -> Option<Fault> {
    if found <= needed {
        return None;
    }
    let wanted = match needed {
        Symmetry::Spherical => "a spherical",
        _ => "an axisymmetric",
    };
    let hint = match found {
        Symmetry::Spherical | Symmetry::Axisymmetric => "`staeckel_fudge`, `torus` and `o2gf` take an axisymmetric one",
        Symmetry::Triaxial | Symmetry::Twofold => {
            "no method takes such a potential; `train_actions` learns actions from orbits in it, as pipelines/triaxial.yaml does"
        }
    };
    let fault = Fault::new(
        at,
        format!("{method} needs {wanted} potential, and this one is {found}"),
    );
    Some(Fault {
        hint: Some(hint.to_owned()),
        ..fault
    })
}

#[cfg(test)]
#[path = "potentials_tests.rs"]
mod tests;
