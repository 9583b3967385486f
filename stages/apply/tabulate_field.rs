//! A learned field on a grid, beside a known one: rotation curve, density and curl. The body is in the worker's library.

use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::{Connected, InputPort, OutputPort, column};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::networks;
use crate::common::parameters::Kpc;
use crate::common::potentials::PotentialParameters;
use crate::common::room::too_many_rows;

/// `tabulate_field`
///
/// Two tables of a field: `curve` in the plane z = 0 against R, and `meridian` over R and z. Values are means over azimuths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TabulateField {
    /// The true potential, to stand beside the learned field.
    pub potential: Option<PotentialParameters>,
    /// Smallest R, kpc.
    pub from: Kpc,
    /// Largest R, kpc.
    pub to: Kpc,
    /// Largest |z| of `meridian`, kpc.
    pub height: Kpc,
    /// Radii of `curve`; `meridian` has a quarter of them, and as many heights.
    pub points: u32,
    /// Azimuths over which is averaged.
    pub azimuths: u32,
}

impl Default for TabulateField {
    fn default() -> Self {
        Self {
            potential: None,
            from: Kpc(1.0),
            to: Kpc(20.0),
            height: Kpc(10.0),
            points: 96,
            azimuths: 12,
        }
    }
}

fn number(name: &str, unit: &str, description: &str) -> Field {
    column(name, DataType::Float64, unit, "galactocentric", description)
}

/// The table `curve`; with the truth where there is one.
pub fn curve(with_truth: bool) -> Schema {
    let mut fields = vec![
        number("R", "kpc", "distance from the axis"),
        number(
            "v_c",
            "km/s",
            "circular speed √(−R a_R) at the mean a_R; negative where the field points outwards",
        ),
        number(
            "v_c_spread",
            "km/s",
            "root mean square deviation of the circular speed over azimuths",
        ),
        number("density", "M_sun/kpc^3", "−∇·a/4πG"),
        number("curl", "", "mean |∇×a| R/|a|: 0 of a field with a potential"),
    ];
    if with_truth {
        fields.push(number("true_v_c", "km/s", "circular speed in the given potential"));
        fields.push(number("true_density", "M_sun/kpc^3", "density of the given potential"));
    }
    Schema::new(fields)
}

/// The table `meridian`; with the truth where there is one.
pub fn meridian(with_truth: bool) -> Schema {
    let unit = "(km/s)^2/kpc";
    let mut fields = vec![
        number("R", "kpc", "distance from the axis"),
        number("z", "kpc", "height above the plane"),
        number("a_R", unit, "acceleration away from the axis"),
        number("a_phi", unit, "acceleration around the axis"),
        number("a_z", unit, "vertical acceleration"),
        number("curl", "", "mean |∇×a| r/|a|: 0 of a field with a potential"),
    ];
    if with_truth {
        fields.push(number(
            "true_a_R",
            unit,
            "acceleration away from the axis in the given potential",
        ));
        fields.push(number("true_a_z", unit, "vertical acceleration in the given potential"));
        fields.push(number("error", "%", "mean |a − true a|/|true a|"));
    }
    Schema::new(fields)
}

impl Stage for TabulateField {
    const KIND: &'static str = "tabulate_field";
    const ABOUT: &'static str =
        "Tabulate a learned field: rotation curve, density, curl, and its errors beside a known one";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::network("field", &networks::FIELDS)]
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let with_truth = self.potential.is_some();
        Ok(vec![
            OutputPort::table("curve", curve(with_truth)),
            OutputPort::table("meridian", meridian(with_truth)),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(potential) = &self.potential {
            faults.extend(potential.faults("potential"));
        }
        if self.from >= self.to {
            let message = format!("must be above `from`, {} kpc", self.from.get());
            faults.push(Fault::new("to", message));
        }
        for (at, count, least) in [("points", self.points, 8), ("azimuths", self.azimuths, 1)] {
            if count < least {
                faults.push(Fault::new(at, format!("must be at least {least}, not {count}")));
            }
        }
        // Of `meridian`, at every azimuth.
        let few = self.points / 4;
        faults.extend(too_many_rows("points", &[few, few, self.azimuths]));
        faults
    }
}
