//! Trains a network that maps positions and velocities to actions and angles. The body is in the worker's library.

use runner::ports::{Connected, InputPort, NetworkType, OutputPort};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, Column, OBSERVABLES};
use crate::common::networks;
use crate::common::parameters::{Kpc, SolarMasses, SunParameters, positive};
use crate::common::potentials::PotentialParameters;
use crate::common::set_aside::{self, OnFailure};

/// `train_actions`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainActions {
    /// Formulation of the generating function.
    pub network: Network,
    /// The toy isochrone whose actions and angles are corrected.
    pub toy: ToyParameters,
    /// Streams made in a learned field, to train on besides those given. Only with an input `field`, for `network: smooth`.
    pub synthetic: Synthetic,
    /// Lets mean |dJ/dt| along orbits count in the loss, for `network: smooth`: Ibata et al. (2021), section 7.
    pub flow: Option<FlowParameters>,
    /// What to do about stars that the toy does not bind, which have no toy actions.
    pub unbound: WhenUnbound,
    /// What to do about single stars of which nothing can be learned, such as one at the centre.
    pub failures: OnFailure,
    /// Which columns are read.
    pub inputs: Inputs,
    /// The Sun, for `inputs: observables`.
    pub sun: SunParameters,
    /// Symmetry imposed on the map.
    pub symmetry: Symmetry,
    /// Whether the map is made odd under time reversal.
    pub time_reversal: bool,
    /// What is minimised; left out, the network's own choice: `spread` for smooth, `full` for paper.
    pub loss: Option<Loss>,
    /// Passes over the training streams; left out, the network's own choice, as for all that follow.
    pub epochs: Option<u32>,
    /// Streams in one optimisation step.
    pub batch: Option<u32>,
    /// Learning rate at its highest.
    pub learning_rate: Option<f64>,
    /// Width of the hidden layers.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Height above the plane to which the map resolves a disc, kpc, for `network: smooth`; left out, it follows from the stars'
    /// heights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub softening: Option<Kpc>,
    /// Most terms of each series, for `network: fourier`.
    pub coefficients: Option<u32>,
    /// Probability of dropping a unit, in [0, 1).
    pub dropout: Option<f64>,
    /// Seed of weights and batches.
    pub seed: u64,
}

/// Formulation of the generating function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A small network of phase-space features, trained on the spread of the actions along streams.
    #[default]
    Smooth,
    /// The networks G and P of Ibata et al. (2021).
    Paper,
    /// For each stream, which must be one orbit with many stars, a Fourier series in the toy's angles, by least squares. It
    /// gives the actions of other stars on the same orbits, and no angles.
    Fourier,
}

impl Network {
    /// The type of network that is trained, alone in a list.
    fn types(self) -> &'static [NetworkType; 1] {
        match self {
            Self::Smooth => &[networks::SMOOTH],
            Self::Paper => &[networks::PAPER],
            Self::Fourier => &[networks::FOURIER],
        }
    }
}

/// The toy potential.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToyParameters {
    /// Mass, M_sun; left out, found from the training streams.
    pub mass: Option<SolarMasses>,
    /// Scale length, kpc; left out, found from the training streams.
    pub scale: Option<Kpc>,
    /// Whether mass and scale are refined in training.
    pub free: bool,
}

impl Default for ToyParameters {
    fn default() -> Self {
        Self {
            mass: None,
            scale: None,
            free: true,
        }
    }
}

/// Orbits in a learned field: one through each training stream, and others through perturbed copies of training stars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Synthetic {
    /// Perturbed copies of training stars, for each training stream.
    pub copies: f64,
    /// Stars on each orbit, of which half are looked at at a time.
    pub stars: u32,
    /// Length of an orbit in radial periods of the toy.
    pub periods: f64,
    /// Size of the perturbation: of positions relative to the distance from the centre, of velocities to the sample's.
    pub perturbation: f64,
    /// What the map is trained on: such orbits, or the training streams themselves, so that the field counts in `flow` only.
    pub training: Along,
    /// Where the spread that chooses the best epoch is looked at: along orbits in the field, one through the first star of each
    /// validation stream, or along those streams themselves. The spread along an arc, or along a stream with errors, hardly tells how good a
    /// map is; that along a whole orbit does.
    pub validation: Along,
}

/// Where a spread is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Along {
    /// Orbits in the learned field.
    #[default]
    Orbits,
    /// The given streams.
    Streams,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            copies: 3.0,
            stars: 24,
            periods: 7.0,
            perturbation: 0.15,
            training: Along::Orbits,
            validation: Along::Orbits,
        }
    }
}

/// Mean |dJ/dt| along the orbits of training stars, for t in radians of radial phase, as a part of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowParameters {
    /// Its weight beside the spread of the actions.
    pub weight: f64,
    /// The potential in which the stars move; left out, the field at the input `field`.
    pub potential: Option<PotentialParameters>,
}

impl Default for FlowParameters {
    fn default() -> Self {
        Self {
            weight: 1.0,
            potential: None,
        }
    }
}

/// What to do about stars that the toy does not bind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnbound {
    /// Report them and train nothing.
    #[default]
    Finding,
    /// Report them, leave their streams out, and train on the others.
    SetAside,
}

/// Which columns a network reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// `x y z vx vy vz`.
    #[default]
    Cartesian,
    /// `distance l b v_los mu_l_cosb mu_b`.
    Observables,
}

impl Inputs {
    /// The columns.
    pub fn columns(self) -> &'static [Column; 6] {
        match self {
            Self::Cartesian => &CARTESIAN,
            Self::Observables => &OBSERVABLES,
        }
    }
}

/// Symmetry imposed on the map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// None.
    #[default]
    None,
    /// About the z axis: `J_phi` is not corrected.
    Axisymmetric,
    /// About the centre: only radial modes.
    Spherical,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Ibata et al. (2021), Eq. 12: actions and angles.
    Full,
    /// Ibata et al. (2021), Eq. 19: the spread of the actions along each stream.
    Spread,
}

impl TrainActions {
    /// The loss that is minimised.
    pub fn resolved_loss(&self) -> Loss {
        self.loss.unwrap_or(match self.network {
            Network::Smooth | Network::Fourier => Loss::Spread,
            Network::Paper => Loss::Full,
        })
    }
}

impl Stage for TrainActions {
    const KIND: &'static str = "train_actions";
    const ABOUT: &'static str = "Train a network that maps positions and velocities to actions and angles";
    const REVISION: u32 = 8;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[self.inputs.columns()]);
        vec![
            InputPort::table("train", &needs),
            InputPort::table("validation", &needs).optional(),
            // Another network of the same formulation and size, to go on from, with its toy.
            InputPort::network("start", self.network.types()).optional(),
            // For `synthetic` and `flow`.
            InputPort::network("field", &networks::POTENTIALS).optional(),
        ]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if connected.contains_key("field") && self.network != Network::Smooth {
            return Err("field: streams in a learned field are for network: smooth".to_owned());
        }
        if let Some(flow) = &self.flow
            && flow.potential.is_none()
            && !connected.contains_key("field")
        {
            return Err("flow: needs a potential, or a field at the input `field`".to_owned());
        }
        if connected.contains_key("start") && self.network == Network::Fourier {
            return Err("start: network: fourier is solved, not trained, and goes on from nothing".to_owned());
        }
        let of = self.network.types()[0];
        if self.network == Network::Fourier {
            return Ok(vec![
                OutputPort::network("network", of),
                OutputPort::table("orbits", columns::fitted_orbits()),
                set_aside::port(),
            ]);
        }
        let loss_unit = match self.resolved_loss() {
            Loss::Full => "",
            Loss::Spread => "km/s kpc",
        };
        Ok(vec![
            OutputPort::network("network", of),
            OutputPort::table("history", columns::history(loss_unit)),
            OutputPort::table("toy", columns::toy()),
            OutputPort::table("unbound", columns::unbound()),
            OutputPort::table("spread", columns::spread()),
            set_aside::port(),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(self.toy.faults(self.network));
        faults.extend(self.foreign_to_its_network());
        faults.extend(positive("coefficients", self.coefficients));
        faults.extend(positive("epochs", self.epochs));
        faults.extend(positive("batch", self.batch));
        faults.extend(positive("learning_rate", self.learning_rate));
        faults.extend(positive("width", self.width));
        faults.extend(positive("depth", self.depth));
        let Synthetic {
            copies,
            stars,
            periods,
            perturbation,
            ..
        } = self.synthetic;
        faults.extend(positive("synthetic.periods", Some(periods)));
        for (at, value) in [("synthetic.copies", copies), ("synthetic.perturbation", perturbation)] {
            if !(value >= 0.0 && value.is_finite()) {
                faults.push(Fault::new(at, format!("must not be negative, not {value}")));
            }
        }
        if let Some(flow) = &self.flow {
            faults.extend(positive("flow.weight", Some(flow.weight)));
            faults.extend(
                flow.potential
                    .iter()
                    .flat_map(|potential| potential.faults("flow.potential")),
            );
            if self.network != Network::Smooth {
                faults.push(Fault::new("flow", "is for network: smooth"));
            }
        }
        if stars < 4 {
            faults.push(Fault::new(
                "synthetic.stars",
                format!("must be at least 4, not {stars}"),
            ));
        }
        if let Some(dropout) = self.dropout.filter(|dropout| !(0.0..1.0).contains(dropout)) {
            faults.push(Fault::new(
                "dropout",
                format!("must be at least 0 and below 1, not {dropout}"),
            ));
        }
        faults
    }
}

impl TrainActions {
    /// Parameters that the network has not.
    fn foreign_to_its_network(&self) -> Vec<Fault> {
        let is_fourier = self.network == Network::Fourier;
        let of_trainings = [
            ("epochs", self.epochs.is_some()),
            ("batch", self.batch.is_some()),
            ("learning_rate", self.learning_rate.is_some()),
            ("width", self.width.is_some()),
            ("depth", self.depth.is_some()),
            ("dropout", self.dropout.is_some()),
            ("loss", self.loss.is_some()),
        ];
        let given = of_trainings.into_iter().filter(|(_, given)| *given && is_fourier);
        let mut faults: Vec<Fault> = given
            .map(|(at, _)| Fault::new(at, "network: fourier is solved, not trained, and has none"))
            .collect();
        if !is_fourier && self.coefficients.is_some() {
            faults.push(Fault::new("coefficients", "is for network: fourier"));
        }
        if self.network != Network::Smooth && self.softening.is_some() {
            faults.push(Fault::new("softening", "is for network: smooth"));
        }
        faults
    }
}

impl ToyParameters {
    fn faults(&self, network: Network) -> Vec<Fault> {
        let mut faults = Vec::new();
        match (self.mass, self.scale) {
            (Some(_), Some(_)) => {}
            (Some(_), None) => faults.push(Fault::new("toy", "has a mass but no scale")),
            (None, Some(_)) => faults.push(Fault::new("toy", "has a scale but no mass")),
            (None, None) if network == Network::Paper => {
                faults.push(Fault::new(
                    "toy",
                    "network: paper needs a mass and a scale to start from",
                ));
            }
            (None, None) if !self.free => {
                faults.push(Fault::new("toy", "free: false needs a mass and a scale"));
            }
            (None, None) => {}
        }
        for fault in &mut faults {
            fault.hint = Some("for example: toy: { mass: 3.0e11, scale: 5.0 } (M_sun, kpc)".to_owned());
        }
        faults
    }
}
