//! Applies a trained network to a table of stars. The body is in the worker's library.

use dynamics::phase_space::PhaseSpace;
use runner::arrow_schema::{Field, Schema};
use runner::ports::{Connected, Counts, InputPort, Most, NetworkType, OutputPort, connected_network, connected_schema};
use runner::stage::{Fault, FileParameter, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{
    self, ACCELERATION, ACTIONS, ACTIONS_SD, ANGLES, ANGLES_SD, CARTESIAN, Column, FREQUENCIES, FREQUENCIES_SD,
    OBSERVABLES, POSITION,
};
use crate::common::layout::{Layout, OfStar};
use crate::common::measured::ErrorParameters;
use crate::common::networks::{self, is_actions};
use crate::common::potentials::{self, PotentialParameters};
use crate::common::quantities::Acceleration;
use crate::common::set_aside::{self, OnFailure};
use crate::common::spread::Spread;

/// `predict`
///
/// What is predicted is what the network maps: actions and angles of positions and velocities, the other way round, or accelerations of
/// positions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Predict {
    /// How a network for actions is applied.
    pub by: By,
    /// A known potential, for frequencies and accelerations; else those of the learned field at the input `field`, if one is
    /// connected.
    pub potential: Option<PotentialParameters>,
    /// What to do about stars without a prediction.
    pub failures: OnFailure,
    /// Errors of what was measured (`parallax_error`, `l_b_corr`, …), and what predictions they allow: standard deviations, intervals and
    /// correlations. For `by: star` and one network of actions and angles; stars are then where their observables say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorParameters>,
}

/// How a network for actions is applied; other networks are applied in one way, `star`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Each star alone: its actions follow from its own position and velocity, whatever its stream.
    #[default]
    Star,
    /// All stars of a stream together, which then get the same actions.
    Stream,
    /// By the network's toy alone: what the network starts from.
    Toy,
    /// Each star alone, by random dropout masks of which mean and standard deviation are given (Gal & Ghahramani 2016).
    Dropout(Dropout),
    /// The other way round: actions and angles to positions and velocities, by the equations of the network itself, to rounding.
    Inverse,
}

/// Random masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// How many there are.
    pub samples: u32,
    /// Their seed.
    #[serde(default)]
    pub seed: u64,
}

/// What the networks of an ensemble are called.
pub const NETWORKS: [&str; 8] = [
    "network",
    "network.2",
    "network.3",
    "network.4",
    "network.5",
    "network.6",
    "network.7",
    "network.8",
];

/// Means over the stars of a stream, by component in the order of columns; deviations of more than one star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamMean {
    /// Its number.
    pub stream: i64,
    /// Those with a prediction.
    pub stars: i64,
    /// km/s kpc.
    pub actions: [f64; 3],
    /// km/s kpc.
    pub actions_sd: [Option<f64>; 3],
    /// km/s/kpc.
    pub frequencies: [f64; 3],
    /// km/s/kpc.
    pub frequencies_sd: [Option<f64>; 3],
}

/// The table `streams`; with frequencies where there are some.
pub fn stream_means(with_frequencies: bool) -> Layout<StreamMean> {
    Layout::of_streams(|row: &StreamMean| row.stream)
        .count("stars", "stars of the stream with a prediction", |row| row.stars)
        .numbers(&ACTIONS, |row| row.actions)
        .when(with_frequencies, |layout| {
            layout.numbers(&FREQUENCIES, |row| row.frequencies)
        })
        .numbers_or_none(&ACTIONS_SD, |row| row.actions_sd)
        .when(with_frequencies, |layout| {
            layout.numbers_or_none(&FREQUENCIES_SD, |row| row.frequencies_sd)
        })
}

/// What is predicted by a network for actions.
struct Content {
    angles: bool,
    /// Whether there are frequencies and accelerations.
    field: bool,
    /// Whether actions and angles are means of several predictions.
    ensemble: bool,
    /// Whether actions are those that the stars of a stream share.
    shared: bool,
    /// What is written of errors of measurement.
    errors: Option<ErrorParameters>,
}

impl Content {
    /// The columns of stars.
    fn schema(&self) -> Schema {
        let mut stars: Vec<&[Column]> = vec![&ACTIONS];
        let mut uncertain: Vec<&[Column]> = Vec::new();
        if self.angles {
            stars.push(&ANGLES);
        }
        if self.field {
            stars.extend([&FREQUENCIES[..], &ACCELERATION]);
        }
        if self.ensemble || self.shared {
            uncertain.push(&ACTIONS_SD);
        }
        if self.ensemble && self.angles {
            uncertain.push(&ANGLES_SD);
        }
        if self.ensemble && self.field {
            uncertain.push(&FREQUENCIES_SD);
        }
        let nullable = |groups: Vec<&[Column]>| -> Vec<Field> {
            groups
                .into_iter()
                .flatten()
                .map(|column| column.field().with_nullable(true))
                .collect()
        };
        let whole =
            |groups: Vec<&[Column]>| -> Vec<Field> { groups.into_iter().flatten().map(Column::field).collect() };
        let (ids, trust) = (columns::identity().to_vec(), columns::trust().to_vec());
        let spread = self.errors.map(|errors| spread_layout(&errors, self.field).schema());
        let spread = spread.iter().flat_map(|schema| schema.fields().iter());
        let spread: Vec<Field> = spread.map(|field| field.as_ref().clone()).collect();
        Schema::new([ids, whole(stars), nullable(uncertain), spread, trust].concat())
    }
}

impl By {
    /// The types of network that can be applied in this way.
    fn types(self) -> &'static [NetworkType] {
        match self {
            Self::Star => &networks::LEARNED,
            Self::Stream | Self::Inverse => &[networks::SMOOTH],
            Self::Toy => &networks::ACTIONS,
            Self::Dropout(_) => &[networks::PAPER],
        }
    }

    /// Whether frequencies follow where there is a field.
    fn takes_field(self) -> bool {
        matches!(self, Self::Star | Self::Stream | Self::Dropout(_))
    }
}

impl Predict {
    /// The columns that the table of stars has not, given what the network maps.
    fn fits(&self, of: NetworkType, stars: &Schema) -> Result<(), String> {
        let all: &[&[Column]] = match of {
            networks::INVERSE => &[&ACTIONS, &ANGLES],
            networks::FOURIER => &[&CARTESIAN],
            of if is_actions(of) && self.by == By::Inverse => &[&ACTIONS, &ANGLES],
            of if is_actions(of) && self.errors.is_some() => &[&ErrorParameters::NEEDS],
            of if is_actions(of) && columns::has(stars, &OBSERVABLES) => &[],
            of if is_actions(of) && columns::has(stars, &CARTESIAN) => &[],
            of if is_actions(of) => {
                return Err("stars: needs the columns x y z vx vy vz, or distance l b v_los mu_l_cosb mu_b".to_owned());
            }
            _ => &[&POSITION],
        };
        match all.iter().find(|group| !columns::has(stars, group)) {
            None => Ok(()),
            Some(_) => Err(format!(
                "stars: a network of type {of} needs {}",
                columns::named_all(all)
            )),
        }
    }
}

/// The columns of what errors of measurement make of predictions.
pub fn spread_layout(errors: &ErrorParameters, has_frequencies: bool) -> Layout<Spread> {
    errors.written(has_frequencies).layout(Layout::new(), |row| Some(row))
}

/// Why errors of measurement have no meaning here.
fn fits_errors(of: NetworkType, connected: &Connected) -> Result<(), String> {
    if !is_actions(of) || of == networks::FOURIER {
        return Err(format!("errors: are for networks of actions and angles, not for {of}"));
    }
    if connected.contains_key(NETWORKS[1]) {
        return Err("errors: are for one network, not for an ensemble".to_owned());
    }
    let lacking = connected_schema(connected, "stars").and_then(|stars| ErrorParameters::lacking("stars", stars));
    lacking.map_or(Ok(()), Err)
}

impl Stage for Predict {
    const KIND: &'static str = "predict";
    const ABOUT: &'static str = "Apply a trained network to a table of stars";
    const REVISION: u32 = 13;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let network = InputPort::network(NETWORKS[0], self.by.types());
        let mut ports = vec![
            match self.by {
                By::Star | By::Stream => network.repeated(&NETWORKS[1..]),
                By::Toy | By::Dropout(_) | By::Inverse => network,
            },
            // Which columns depends on the network: see `outputs`.
            InputPort::table("stars", &columns::needs(&[])),
        ];
        if self.by.takes_field() && self.potential.is_none() {
            ports.push(InputPort::network("field", &networks::FIELDS).optional());
        }
        ports
    }

    fn gains_by_gpu(&self, connected: &Connected) -> bool {
        connected_network(connected, NETWORKS[0]) == Some(networks::PAPER)
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let of = connected_network(connected, NETWORKS[0]).unwrap_or(networks::SMOOTH);
        if let Some(stars) = connected_schema(connected, "stars") {
            self.fits(of, stars)?;
        }
        if self.errors.is_some() {
            fits_errors(of, connected)?;
        }
        let has_field = connected.contains_key("field");
        let members = || NETWORKS[1..].iter().filter(|port| connected.contains_key(**port));
        let other = |port: &&&str| connected_network(connected, port).is_none_or(|of| !is_actions(of));
        if !is_actions(of) {
            let foreign = [
                (has_field, "field"),
                (self.potential.is_some(), "potential"),
                (members().next().is_some(), NETWORKS[1]),
            ];
            if let Some((_, what)) = foreign.iter().find(|(given, _)| *given) {
                return Err(format!("{what}: is for networks of actions and angles, not for {of}"));
            }
        } else if let Some(port) = members().find(other) {
            return Err(format!("{port}: is no network of actions and angles, as the first is"));
        }
        let outputs = match of {
            of if self.by != By::Inverse && (of == networks::FOURIER || is_actions(of)) => {
                let content = Content {
                    angles: of != networks::FOURIER,
                    field: self.potential.is_some() || has_field,
                    ensemble: members().next().is_some() || matches!(self.by, By::Dropout(_)),
                    shared: self.by == By::Stream,
                    errors: self.errors,
                };
                vec![
                    OutputPort::table("predictions", content.schema()),
                    OutputPort::table("streams", stream_means(content.field).schema()),
                    set_aside::port(),
                ]
            }
            of if of == networks::INVERSE || is_actions(of) => vec![
                OutputPort::table("predictions", Layout::<OfStar<PhaseSpace>>::of_one().schema()),
                set_aside::port(),
            ],
            _ => vec![OutputPort::table(
                "predictions",
                Layout::<OfStar<Acceleration>>::of_one().schema(),
            )],
        };
        Ok(columns::named(outputs, connected))
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let stars = inputs.at("stars");
        let streams = Most {
            streams: stars.streams,
            stars: Some(1),
        };
        Ok(Counts::of("predictions", stars).and("streams", streams))
    }

    fn files(&self) -> Vec<FileParameter> {
        let potential = self.potential.iter();
        potential
            .flat_map(|potential| potentials::files(potential, "potential"))
            .collect()
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let By::Dropout(Dropout { samples, .. }) = self.by
            && samples < 2
        {
            faults.push(Fault::new(
                "by.dropout.samples",
                format!("must be 2 or more, not {samples}"),
            ));
        }
        if let Some(errors) = &self.errors {
            faults.extend(errors.fault());
            if self.by != By::Star {
                faults.push(Fault::new("errors", "are for `by: star`"));
            }
        }
        if let Some(potential) = &self.potential {
            faults.extend(potentials::faults(potential, "potential"));
            if !self.by.takes_field() {
                faults.push(Fault::new("potential", "is for `by: star` and `by: stream`"));
            }
        }
        faults
    }
}
