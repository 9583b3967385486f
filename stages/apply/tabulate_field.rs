//! A learned field on a grid, beside a known one: rotation curve, density and curl. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort, connected_network};
use runner::stage::{Fault, FileParameter, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::Column;
use crate::common::layout::Layout;
use crate::common::networks;
use crate::common::parameters::Kpc;
use crate::common::potentials::{self, PotentialParameters};
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

/// What the columns of the tables depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Whether the field has a potential.
    pub potential: bool,
    /// Whether a known potential stands beside it.
    pub truth: bool,
}

/// Means over a ring around the axis.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ring {
    /// Distance from the axis and height, kpc.
    pub place: (f64, f64),
    /// a_R, a_φ, a_z, (km/s)²/kpc.
    pub a: [f64; 3],
    /// Root mean square deviation of the circular speed, km/s.
    pub spread: f64,
    /// Relative to |a| over the distance from the centre.
    pub curl: f64,
    /// M_sun/kpc³.
    pub density: f64,
    /// a_R and a_z in the given potential.
    pub truth: [f64; 2],
    /// Density of the given potential.
    pub true_density: f64,
    /// |a − true a|/|true a|, %.
    pub error: f64,
    /// Φ of the field, if it has one, (km/s)².
    pub potential: f64,
    /// Φ that is given, (km/s)².
    pub true_potential: f64,
}

/// √(−R a_R), negative where a_R points outwards.
pub fn circular_speed(radius: f64, outwards: f64) -> f64 {
    (-radius * outwards).abs().sqrt().copysign(-outwards)
}

impl Ring {
    /// Of the field, km/s.
    pub fn speed(&self) -> f64 {
        circular_speed(self.place.0, self.a[0])
    }

    /// In the given potential, km/s.
    pub fn true_speed(&self) -> f64 {
        circular_speed(self.place.0, self.truth[0])
    }
}

const fn number(name: &'static str, unit: &'static str, description: &'static str) -> Column {
    Column {
        name,
        unit,
        frame: "galactocentric",
        description,
    }
}

const R: Column = number("R", "kpc", "distance from the axis");

/// Φ of the field and of the known potential, after other columns.
fn with_potentials(layout: Layout<Ring>, content: Content) -> Layout<Ring> {
    let unit = "(km/s)^2";
    let own = number(
        "potential",
        unit,
        "potential of the field; its zero point is the field's own",
    );
    let known = number("true_potential", unit, "potential that is given");
    layout
        .when(content.potential, |layout| {
            layout.number(own, |ring: &Ring| ring.potential)
        })
        .when(content.truth, |layout| {
            layout.number(known, |ring: &Ring| ring.true_potential)
        })
}

/// The table `curve`.
pub fn curve(content: Content) -> Layout<Ring> {
    let speed = "circular speed √(−R a_R) at the mean a_R; negative where the field points outwards";
    let spread = "root mean square deviation of the circular speed over azimuths";
    let curl = "mean |∇×a| R/|a|: 0 of a field with a potential";
    let (true_speed, true_density) = (
        "circular speed in the given potential",
        "density of the given potential",
    );
    let layout = Layout::new()
        .number(R, |ring: &Ring| ring.place.0)
        .number(number("v_c", "km/s", speed), Ring::speed)
        .number(number("v_c_spread", "km/s", spread), |ring| ring.spread)
        .number(number("density", "M_sun/kpc^3", "−∇·a/4πG"), |ring| ring.density)
        .number(number("curl", "", curl), |ring| ring.curl)
        .when(content.truth, |layout| {
            layout
                .number(number("true_v_c", "km/s", true_speed), Ring::true_speed)
                .number(number("true_density", "M_sun/kpc^3", true_density), |ring| {
                    ring.true_density
                })
        });
    with_potentials(layout, content)
}

/// The table `meridian`.
pub fn meridian(content: Content) -> Layout<Ring> {
    let unit = "(km/s)^2/kpc";
    let curl = "mean |∇×a| r/|a|: 0 of a field with a potential";
    let true_outwards = "acceleration away from the axis in the given potential";
    let true_upwards = "vertical acceleration in the given potential";
    let layout = Layout::new()
        .number(R, |ring: &Ring| ring.place.0)
        .number(number("z", "kpc", "height above the plane"), |ring| ring.place.1)
        .number(number("a_R", unit, "acceleration away from the axis"), |ring| ring.a[0])
        .number(number("a_phi", unit, "acceleration around the axis"), |ring| ring.a[1])
        .number(number("a_z", unit, "vertical acceleration"), |ring| ring.a[2])
        .number(number("curl", "", curl), |ring| ring.curl)
        .when(content.truth, |layout| {
            layout
                .number(number("true_a_R", unit, true_outwards), |ring| ring.truth[0])
                .number(number("true_a_z", unit, true_upwards), |ring| ring.truth[1])
                .number(number("error", "%", "mean |a − true a|/|true a|"), |ring| ring.error)
        });
    with_potentials(layout, content)
}

impl Stage for TabulateField {
    const KIND: &'static str = "tabulate_field";
    const ABOUT: &'static str =
        "Tabulate a learned field: potential, rotation curve, density, curl, and its errors beside a known one";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::network("field", &networks::FIELDS)]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let of = connected_network(connected, "field");
        let content = Content {
            potential: of.is_some_and(|of| networks::POTENTIALS.contains(&of)),
            truth: self.potential.is_some(),
        };
        Ok(vec![
            OutputPort::table("curve", curve(content).schema()),
            OutputPort::table("meridian", meridian(content).schema()),
        ])
    }

    fn files(&self) -> Vec<FileParameter> {
        let potential = self.potential.iter();
        potential
            .flat_map(|potential| potentials::files(potential, "potential"))
            .collect()
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(potential) = &self.potential {
            faults.extend(potentials::faults(potential, "potential"));
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
