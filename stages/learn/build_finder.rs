//! A table of the orbits of a potential, by which `estimate_actions` finds actions at once.

use dynamics::finder::{Finder, Settings};
use dynamics::o2gf::Class;
use dynamics::potential::{Potential, Symmetry};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::estimate_actions::field_part;
use crate::common::parameters::Kpc;
use crate::common::potentials::{self, PotentialParameters};
use crate::common::{finder_file, networks};

/// `build_finder`
///
/// One orbit for every node of a grid in energy, L_z and inclination; others, at places between, tell the errors. About 10 ms each on one thread: a
/// table of a disc takes a minute or two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildFinder {
    /// The potential, axisymmetric; left out, the axisymmetric part of the field that is connected to the input `field`, as
    /// `estimate_actions` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub potential: Option<PotentialParameters>,
    /// Radii of the circular orbits of the least and the greatest energy, kpc: stars of other energies are not found.
    pub radii: [Kpc; 2],
    /// Number of energies: 7 for each factor e of the radii are enough.
    #[serde(default = "default_energies")]
    pub energies: u32,
    /// The least |L_z| of a star that is found, in that of the circular orbit of its energy: 0.77 for discs.
    #[serde(default = "default_circularity")]
    pub least_circularity: f64,
    /// Number of values of L_z for every energy.
    #[serde(default = "default_momenta")]
    pub momenta: u32,
    /// Number of orbits for every energy and L_z, from planar to shell.
    #[serde(default = "default_tilts")]
    pub tilts: u32,
}

fn default_energies() -> u32 {
    10
}

fn default_circularity() -> f64 {
    0.3
}

fn default_momenta() -> u32 {
    16
}

fn default_tilts() -> u32 {
    18
}

/// The least numbers of energies, of L_z and of inclinations: the table is cubic between four of the first two.
const LEAST: [(&str, u32); 3] = [("energies", 4), ("momenta", 4), ("tilts", 6)];

/// The least of `least_circularity`: no series follows orbits that pass the axis closer.
const LEAST_CIRCULARITY: f64 = 1e-3;

/// What it is called, and the symmetry that it needs.
const FINDER: (&str, Symmetry) = ("the action finder", Symmetry::Axisymmetric);

impl BuildFinder {
    fn settings(&self) -> Settings {
        let [least, most] = self.radii;
        Settings {
            radii: (least.get(), most.get()),
            energies: self.energies as usize,
            least_circularity: self.least_circularity,
            momenta: self.momenta as usize,
            tilts: self.tilts as usize,
        }
    }
}

impl Stage for BuildFinder {
    const KIND: &'static str = "build_finder";
    const ABOUT: &'static str = "Build a table of orbits that turns positions and velocities into actions at once";
    const REVISION: u32 = 4;
    const ROLE: Role = Role::Learn;

    fn inputs(&self) -> Vec<InputPort> {
        match self.potential {
            Some(_) => Vec::new(),
            None => vec![InputPort::network("field", &[networks::LINEAR_FIELD])],
        }
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![OutputPort::network("finder", networks::FINDER)])
    }

    fn files(&self) -> Vec<FileParameter> {
        let potential = self.potential.as_ref();
        potential.map_or_else(Vec::new, |potential| potentials::files(potential, "potential"))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(potential) = &self.potential {
            faults.extend(potentials::faults(potential, "potential"));
            faults.extend(potentials::misfit(potential.symmetry(), "potential", FINDER));
        }
        let [least, most] = self.radii.map(Kpc::get);
        if least >= most {
            faults.push(Fault::new("radii", format!("must rise, not from {least} to {most}")));
        }
        for ((name, least), found) in LEAST.into_iter().zip([self.energies, self.momenta, self.tilts]) {
            if found < least {
                faults.push(Fault::new(name, format!("must be at least {least}, not {found}")));
            }
        }
        let circularity = self.least_circularity;
        if !(LEAST_CIRCULARITY..1.0).contains(&circularity) {
            let message = format!("must be from {LEAST_CIRCULARITY} to below 1, not {circularity}");
            faults.push(Fault::new("least_circularity", message));
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let potential: Box<dyn Potential> = match &self.potential {
            Some(potential) => potentials::build_for(potential, context, "potential", FINDER)?,
            None => Box::new(field_part::read(context, false)?.part.potential),
        };
        let settings = self.settings();
        let progress = context.progress(settings.work() as u64, "columns of orbits");
        let finder = Finder::build(potential.as_ref(), &settings, &|done| progress.add(done as u64))
            .map_err(StageError::failed)?;
        context.check_cancelled()?;
        let regular = finder
            .classes()
            .iter()
            .filter(|class| **class == Class::Regular)
            .count();
        context.metric("orbits", finder.classes().len() as f64, "");
        context.metric("regular_orbits", regular as f64, "");
        context.metric("J_error", finder.typical_error(), "km/s kpc");
        finder_file::write(context.output("finder")?, &finder.store())?;
        Ok(Outcome::Complete)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{faults, run, stage};

    #[test]
    fn settings_that_make_no_table_are_faults() {
        let of = |more: serde_json::Value| {
            let mut all = json!({ "potential": "piffl_14", "radii": [4.0, 12.0] });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            faults::<BuildFinder>(all)
        };
        assert_eq!(of(json!({})), Vec::<String>::new());
        assert_eq!(
            of(json!({ "radii": [12.0, 4.0] })),
            ["radii: must rise, not from 12 to 4 | "]
        );
        assert_eq!(of(json!({ "tilts": 5, "momenta": 2 })).len(), 2);
        assert!(of(json!({ "least_circularity": 0.0 }))[0].starts_with("least_circularity: must be from 0.001"));
        let bar = json!({ "logarithmic": { "velocity": 220.0, "core": 0.5, "axes": [1.0, 0.9, 0.8] } });
        let refused = of(json!({ "potential": bar }));
        let told =
            "potential: the action finder needs an axisymmetric potential, and this one is triaxial | no method takes";
        assert!(refused[0].starts_with(told), "{refused:?}");
    }

    #[test]
    fn a_table_is_the_same_again_whatever_the_number_of_threads() {
        let built = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let sphere = json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } });
            let small = json!({ "potential": sphere, "radii": [5.0, 12.0], "energies": 4, "momenta": 4, "tilts": 6 });
            let stage: BuildFinder = stage(small);
            pool.install(|| run(&stage, &[], &[]).completed())
        };
        let one = built(1);
        assert_eq!(one.bytes["finder"], built(3).bytes["finder"]);
        assert_eq!(one.metric("orbits"), 96.0);
        assert!(one.metric("J_error") < 50.0);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &one.bytes["finder"]).unwrap();
        let stored = finder_file::read(file.path()).unwrap();
        let again = tempfile::NamedTempFile::new().unwrap();
        finder_file::write(again.path(), &stored).unwrap();
        assert_eq!(std::fs::read(again.path()).unwrap(), one.bytes["finder"]);
        std::fs::write(file.path(), &one.bytes["finder"][..1000]).unwrap();
        assert!(
            finder_file::read(file.path())
                .unwrap_err()
                .to_string()
                .contains("input finder")
        );
    }
}
