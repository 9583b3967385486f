//! Trains a network that maps positions and velocities to actions and angles. The body is in the worker's library.

use runner::ports::{Connected, InputPort, NetworkType, OutputPort, connected_schema};
use runner::stage::{Fault, FileParameter, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, Column, OBSERVABLES};
use crate::common::networks;
use crate::common::parameters::{KmPerSecondKpc, Kpc, dropout, not_negative, positive};
use crate::common::potentials::{self, MassAndScale, PotentialParameters};
use crate::common::set_aside::{self, OnFailure};
use crate::common::sun::{self, SunParameters};
use crate::common::training::Training;
use crate::learn::tables;

/// `train_actions`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainActions {
    /// Formulation of the generating function.
    pub network: Network,
    /// The toy isochrone whose actions and angles are corrected.
    pub toy: Toy,
    /// How long and in which steps; not for `network: fourier`, which is solved.
    pub training: Training,
    /// What to do about stars that the toy does not bind, which have no toy actions; not for `network: fourier`, which has a toy for each
    /// stream: where it does not bind it, `failures` says what to do.
    pub unbound: WhenUnbound,
    /// What to do about single stars of which nothing can be learned, such as one at the centre.
    pub failures: OnFailure,
    /// Which columns are read.
    pub inputs: Inputs,
    /// The Sun, for `inputs: observables`; left out, the one that the table states, or the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sun: Option<SunParameters>,
    /// Seed of weights and batches.
    pub seed: u64,
}

/// Formulation of the generating function, with what only it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A small network of phase-space features, trained on the spread of the actions along streams.
    Smooth(Smooth),
    /// The networks G and P of Ibata et al. (2021).
    Paper(Paper),
    /// For each stream, which must be one orbit with many stars, a Fourier series in the toy's angles, by least squares. It
    /// gives the actions of other stars on the same orbits, and no angles.
    Fourier(Fourier),
}

impl Default for Network {
    fn default() -> Self {
        Self::Smooth(Smooth::default())
    }
}

/// Of `network: smooth`. What is left out of width and depth is the network's own choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smooth {
    /// Width of the hidden layers.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Height above the plane to which the map resolves a disc, kpc; left out, it follows from the stars' heights.
    pub softening: Option<Kpc>,
    /// Symmetry imposed on the map.
    pub symmetry: Symmetry,
    /// Whether the map is made odd under time reversal.
    pub time_reversal: bool,
    /// Whether radii are stretched in front of the toy, so that circular orbits of the field at the input `field` become those of the toy.
    /// For discs: nearly circular orbits have no angles in a toy of another circular speed. For halos it makes things worse.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub point_transformation: bool,
    /// Resonances [n_r, n_z] of which the map has terms of their own, that grow as 1/(n·Ω): [2, -2] for discs. Where they are is told by the
    /// network at the input `start`, which is gone on from, in the field at the input `field`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resonances: Vec<[i64; 2]>,
    /// Spread of the actions along a stream, km/s kpc, from which on it counts by its logarithm only; left out, every stream counts by its spread. Trapped
    /// and chaotic orbits have no sharp actions, and take the steps from all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<KmPerSecondKpc>,
    /// Streams made in the learned field at the input `field`, to train on besides those given.
    pub synthetic: Synthetic,
    /// Lets mean |dJ/dt| along orbits count in the loss: Ibata et al. (2021), section 7.
    pub flow: Option<FlowParameters>,
}

/// Of `network: paper`. What is left out of width, depth and dropout is the network's own choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paper {
    /// Width of the hidden layers.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Probability of dropping a unit, in [0, 1).
    pub dropout: Option<f64>,
    /// What is minimised.
    pub loss: Loss,
}

/// Of `network: fourier`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fourier {
    /// Most terms of each series; left out, the network's own choice.
    pub coefficients: Option<u32>,
    /// Symmetry imposed on the series.
    pub symmetry: Symmetry,
    /// Whether the series are made odd under time reversal.
    pub time_reversal: bool,
}

impl Network {
    /// The type of network that is trained, alone in a list.
    fn types(&self) -> &'static [NetworkType; 1] {
        match self {
            Self::Smooth(_) => &[networks::SMOOTH],
            Self::Paper(_) => &[networks::PAPER],
            Self::Fourier(_) => &[networks::FOURIER],
        }
    }
}

/// The toy potential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Toy {
    /// Found from the training streams; `network: paper` refines it in training.
    #[default]
    Found,
    /// This one.
    Fixed(MassAndScale),
    /// Refined from this one.
    From(MassAndScale),
}

impl Toy {
    /// Mass, M_sun, and scale, kpc, where they are given.
    pub fn given(self) -> Option<(f64, f64)> {
        match self {
            Self::Found => None,
            Self::Fixed(MassAndScale { mass, scale }) | Self::From(MassAndScale { mass, scale }) => {
                Some((mass.get(), scale.get()))
            }
        }
    }

    /// Whether it stays as it is given.
    pub fn is_fixed(self) -> bool {
        matches!(self, Self::Fixed(_))
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
    pub train: Along,
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
            train: Along::Orbits,
            validation: Along::Orbits,
        }
    }
}

/// Where the potential of [`FlowParameters`] stands below `with`.
pub const FLOW_POTENTIAL: &str = "network.smooth.flow.potential";

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Ibata et al. (2021), Eq. 12: actions and angles.
    #[default]
    Full,
    /// Ibata et al. (2021), Eq. 19: the spread of the actions along each stream.
    Spread,
}

impl Stage for TrainActions {
    const KIND: &'static str = "train_actions";
    const ABOUT: &'static str = "Train a network that maps positions and velocities to actions and angles";
    const REVISION: u32 = 9;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[self.inputs.columns()]);
        let mut ports = vec![InputPort::table("train", &needs)];
        if matches!(self.network, Network::Smooth(_) | Network::Paper(_)) {
            ports.push(InputPort::table("validation", &needs).optional());
            // Another network of the same formulation and size, to go on from, with its toy.
            ports.push(InputPort::network("start", self.network.types()).optional());
        }
        if matches!(self.network, Network::Smooth(_)) {
            // For `synthetic` and `flow`.
            ports.push(InputPort::network("field", &networks::POTENTIALS).optional());
        }
        ports
    }

    fn gains_by_gpu(&self, _: &Connected) -> bool {
        matches!(self.network, Network::Paper(_))
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let [of] = *self.network.types();
        for port in ["train", "validation"] {
            if let Some(schema) = connected_schema(connected, port).filter(|_| self.inputs == Inputs::Observables) {
                sun::agreed(port, schema, self.sun)?;
            }
        }
        let loss_unit = match &self.network {
            Network::Smooth(own) => {
                let flow = own.flow.as_ref().filter(|flow| flow.potential.is_none());
                if flow.is_some() && !connected.contains_key("field") {
                    return Err("network.smooth.flow: needs a potential, or a field at the input `field`".to_owned());
                }
                own.connected(connected)?;
                "km/s kpc"
            }
            Network::Paper(own) => match own.loss {
                Loss::Full => "",
                Loss::Spread => "km/s kpc",
            },
            Network::Fourier(_) => {
                return Ok(vec![
                    OutputPort::network("network", of),
                    OutputPort::table("orbits", tables::fitted_orbits().schema()),
                    set_aside::port(),
                ]);
            }
        };
        Ok(vec![
            OutputPort::network("network", of),
            OutputPort::table("history", tables::history(loss_unit).schema()),
            OutputPort::table("toy", tables::toy().schema()),
            OutputPort::table("unbound", tables::unbound().schema()),
            OutputPort::table("spread", tables::spread().schema()),
            set_aside::port(),
        ])
    }

    fn files(&self) -> Vec<FileParameter> {
        let Network::Smooth(own) = &self.network else {
            return Vec::new();
        };
        let potential = own.flow.iter().flat_map(|flow| &flow.potential);
        potential
            .flat_map(|potential| potentials::files(potential, FLOW_POTENTIAL))
            .collect()
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.training.faults();
        match &self.network {
            Network::Smooth(own) => faults.extend(own.faults()),
            Network::Paper(own) => {
                faults.extend(positive("network.paper.width", own.width));
                faults.extend(positive("network.paper.depth", own.depth));
                faults.extend(dropout("network.paper.dropout", own.dropout));
            }
            Network::Fourier(own) => {
                faults.extend(positive("network.fourier.coefficients", own.coefficients));
                faults.extend(self.training.of_solved("fourier"));
                if self.unbound != WhenUnbound::default() {
                    let message = "is not for `network: fourier`, which has a toy for each stream";
                    let mut fault = Fault::new("unbound", message);
                    fault.hint = Some("streams that their toy does not bind are set aside: see `failures`".to_owned());
                    faults.push(fault);
                }
            }
        }
        faults
    }
}

/// Greatest |n| of a resonance.
const MOST: i64 = 20;

impl Smooth {
    /// What its parameters need at the inputs.
    fn connected(&self, connected: &Connected) -> Result<(), String> {
        let has = |port| connected.contains_key(port);
        if self.point_transformation && !has("field") && !has("start") {
            return Err("network.smooth.point_transformation: needs a field at the input `field`".to_owned());
        }
        let is_told = has("field") && has("start");
        if !self.resonances.is_empty() && !is_told {
            let needs = "needs a network at the input `start`, which tells where they are, and a field at `field`";
            return Err(format!("network.smooth.resonances: {needs}"));
        }
        Ok(())
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (number, order) in self.resonances.iter().enumerate() {
            let place = format!("network.smooth.resonances[{number}]");
            if order.iter().any(|n| *n == 0 || n.abs() > MOST) {
                let message = format!("n_r and n_z must be from 1 to {MOST}, or from -{MOST} to -1");
                faults.push(Fault::new(&place, message));
            } else if self.resonances[..number].contains(order) {
                faults.push(Fault::new(&place, "is there twice".to_owned()));
            }
        }
        if self.symmetry == Symmetry::Spherical && !self.resonances.is_empty() {
            let message = "is not for `symmetry: spherical`, where J_z is not corrected";
            faults.push(Fault::new("network.smooth.resonances", message));
        }
        faults.extend(positive("network.smooth.width", self.width));
        faults.extend(positive("network.smooth.depth", self.depth));
        let Synthetic {
            copies,
            stars,
            periods,
            perturbation,
            ..
        } = self.synthetic;
        faults.extend(positive("network.smooth.synthetic.periods", Some(periods)));
        faults.extend(not_negative("network.smooth.synthetic.copies", copies));
        faults.extend(not_negative("network.smooth.synthetic.perturbation", perturbation));
        if stars < 4 {
            let message = format!("must be at least 4, not {stars}");
            faults.push(Fault::new("network.smooth.synthetic.stars", message));
        }
        if let Some(flow) = &self.flow {
            faults.extend(positive("network.smooth.flow.weight", Some(flow.weight)));
            let potential = flow.potential.iter();
            faults.extend(potential.flat_map(|potential| potentials::faults(potential, FLOW_POTENTIAL)));
        }
        faults
    }
}
