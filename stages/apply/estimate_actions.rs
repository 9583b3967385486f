//! Actions, angles and frequencies of stars in a given potential, or in a learned field, without a network.

mod hold;
mod methods;
mod one_orbit;

use dynamics::potential::Symmetry;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::take_rows;

use crate::common::columns::{self, CARTESIAN, J_ERROR, TIME};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::layout::Layout;
use crate::common::networks;
use crate::common::parameters::KmPerSecondKpc;
use crate::common::potentials::{self, MassAndScale, PotentialParameters};
use crate::common::set_aside::{self, OnFailure, SetAside};
use methods::{Estimate, Quality};

/// `estimate_actions`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateActions {
    /// How.
    pub method: Method,
    /// What to do about stars without actions: those that are unbound, or where the method fails.
    #[serde(default)]
    pub failures: OnFailure,
}

/// How actions are computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Exactly, in an isochrone sphere.
    Isochrone(MassAndScale),
    /// By quadrature, in a spherical potential.
    Spherical(InPotential),
    /// By the Stäckel fudge, in an axisymmetric potential: fast and approximate.
    StaeckelFudge(InPotential),
    /// By iterating tori, in an axisymmetric potential.
    Torus(TorusParameters),
    /// From the orbit through the star, in an axisymmetric potential (Sanders & Binney 2014): slow, and with an estimate
    /// of its own error.
    O2gf(O2gfParameters),
}

/// The potential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InPotential {
    /// The potential; left out, the axisymmetric part of the field that is connected to the input `field`.
    #[serde(default)]
    pub potential: Option<PotentialParameters>,
}

/// Torus mapping iterated to the star.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TorusParameters {
    /// The potential; left out, as for the Stäckel fudge.
    #[serde(default)]
    pub potential: Option<PotentialParameters>,
    /// Root mean square of ΔH/|H| that every torus must reach.
    #[serde(default = "crate::sample::map_tori::default_tolerance")]
    pub tolerance: f64,
    /// Most tori made for a star.
    #[serde(default = "default_iterations")]
    pub iterations: u32,
}

fn default_iterations() -> u32 {
    10
}

/// Actions from orbits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct O2gfParameters {
    /// The potential; left out, as for the Stäckel fudge.
    #[serde(default)]
    pub potential: Option<PotentialParameters>,
    /// Error of actions at which a label needs no more work, km/s kpc.
    #[serde(default = "default_target")]
    pub target: KmPerSecondKpc,
    /// Stars whose actions are worse than this have none; left out, every label is kept with its error and class.
    #[serde(default)]
    pub largest_error: Option<KmPerSecondKpc>,
    /// Whether the stars of a stream lie on one orbit and have the times `t`: then one label serves them all.
    #[serde(default)]
    pub one_orbit_per_stream: bool,
    /// With `one_orbit_per_stream`, how far a star may be from where the orbit is at its time, as a fraction of the orbit's size and speed. A star
    /// so far off has angles wrong by about as many radians and actions by about that part of them: 0.01 lets pass what tables round, observed stars
    /// need their relative errors.
    #[serde(default = "default_departure")]
    pub largest_departure: f64,
}

fn default_departure() -> f64 {
    0.01
}

fn default_target() -> KmPerSecondKpc {
    KmPerSecondKpc(5e-2)
}

/// What is written beside the columns of the input; `is_judged`, with the opinion that O2GF has of itself.
fn layout(is_judged: bool) -> Layout<Estimate> {
    let classes = "regular, resonant, chaotic, near-vertical or unconverged";
    let of_angles = ("theta_error", "rad", "estimated error of the angles");
    let error = |row: &Estimate, of: fn(&Quality) -> f64| row.quality.as_ref().map_or(0.0, of);
    let layout = Layout::new().action_angle(|row: &Estimate| &row.found);
    layout.when(is_judged, |layout| {
        layout
            .number(J_ERROR, move |row| error(row, |quality| quality.action_error))
            .number(of_angles, move |row| error(row, |quality| quality.angle_error))
            .text("class", classes, |row| {
                row.quality.as_ref().map_or("", |quality| quality.class)
            })
    })
}

impl Method {
    /// The potential; `None` for the field that is connected.
    fn potential(&self) -> Option<PotentialParameters> {
        match self {
            Self::Isochrone(with) => Some(PotentialParameters::Isochrone(*with)),
            Self::Spherical(with) | Self::StaeckelFudge(with) => with.potential.clone(),
            Self::Torus(with) => with.potential.clone(),
            Self::O2gf(with) => with.potential.clone(),
        }
    }

    /// Whether it estimates its own errors.
    fn judges_itself(&self) -> bool {
        matches!(self, Self::O2gf(_))
    }

    /// Which it is, for the law suite of methods.
    fn kind(&self) -> dynamics::methods::Method {
        use dynamics::methods::Method as Kind;
        match self {
            Self::Isochrone(_) => Kind::Isochrone,
            Self::Spherical(_) => Kind::Spherical,
            Self::StaeckelFudge(_) => Kind::StaeckelFudge,
            Self::Torus(_) => Kind::Torus,
            Self::O2gf(_) => Kind::O2gf,
        }
    }

    fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Where its potential stands below `with`.
    fn place(&self) -> String {
        format!("method.{}.potential", self.name())
    }

    /// The least symmetric potential it can do.
    fn symmetry(&self) -> Symmetry {
        self.kind().symmetry()
    }
}

impl Stage for EstimateActions {
    const KIND: &'static str = "estimate_actions";
    const ABOUT: &'static str = "Compute actions, angles and frequencies in a given potential";
    const REVISION: u32 = 12;
    const ROLE: Role = Role::Apply;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = match &self.method {
            Method::O2gf(with) if with.one_orbit_per_stream => columns::needs(&[&[TIME], &CARTESIAN]),
            _ => columns::needs(&[&CARTESIAN]),
        };
        let mut ports = vec![InputPort::table("stars", &needs)];
        if self.method.potential().is_none() {
            ports.push(InputPort::network("field", &[networks::LINEAR_FIELD]));
        }
        ports
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        // Whatever another method left there goes.
        let all = layout(true).schema();
        let names: Vec<&str> = all.fields().iter().map(|field| field.name().as_str()).collect();
        let schema = layout(self.method.judges_itself()).beside(input, &names);
        let outputs = vec![OutputPort::table("stars", schema), set_aside::port()];
        Ok(columns::named(outputs, connected))
    }

    fn files(&self) -> Vec<FileParameter> {
        let potential = self.method.potential();
        potential.map_or_else(Vec::new, |potential| potentials::files(&potential, &self.method.place()))
    }

    fn check(&self) -> Vec<Fault> {
        let at = format!("method.{}", self.method.name());
        let place = self.method.place();
        let mut faults = Vec::new();
        let found = match self.method.potential() {
            Some(potential) => {
                faults.extend(potentials::faults(&potential, &place));
                potential.symmetry()
            }
            None => Symmetry::Axisymmetric,
        };
        if found > self.method.symmetry() {
            let message = potentials::needs(self.method.name(), self.method.symmetry());
            faults.push(Fault::new(&place, message));
        }
        if let Method::O2gf(with) = &self.method {
            faults.extend(crate::common::parameters::positive(
                &format!("{at}.largest_departure"),
                Some(with.largest_departure),
            ));
        }
        if let Method::Torus(with) = &self.method {
            faults.extend(crate::sample::map_tori::tolerance_fault(
                &format!("{at}.tolerance"),
                with.tolerance,
            ));
            faults.extend(crate::common::parameters::positive(
                &format!("{at}.iterations"),
                Some(with.iterations),
            ));
        }
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let stars = quantity(&table)?;
        let estimates = self.method.estimate(context, &table, &stars)?;
        let mut without = SetAside::default();
        let (mut there, mut found) = (Vec::new(), Vec::new());
        for ((row, id), estimate) in star_ids(&table)?.into_iter().enumerate().zip(estimates) {
            match estimate {
                Ok(estimate) => {
                    there.push(row);
                    found.push(estimate);
                }
                Err(reason) => without.push(id, reason),
            }
        }
        without.write(context, self.failures, stars.len(), "stars")?;
        if there.is_empty() && !stars.is_empty() {
            return Ok(set_aside::all_set_aside(stars.len(), "stars"));
        }
        let judged = self.method.judges_itself();
        if judged {
            methods::count_classes(context, &found);
        }
        let table = take_rows(&table, &there).map_err(StageError::failed)?;
        context.write_beside("stars", &table, &layout(judged), &found)?;
        Ok(Outcome::Complete)
    }
}

#[cfg(test)]
mod laws;
