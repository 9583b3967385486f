//! Actions, angles and frequencies of stars in a given potential, or in a learned field, without a network.

mod draws;
mod field_errors;
pub(crate) mod field_part;
mod filled;
mod hold;
mod layout;
mod methods;
mod one_orbit;

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Potential, Symmetry};
use runner::arrow_schema::Schema;
use runner::context::{Progress, StageContext};
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, take_rows};

use crate::common::columns::{self, CARTESIAN, TIME};
use crate::common::doubts::Doubts;
use crate::common::io::{self, PieceWriter, TableContext, identity, quantity, star_ids};
use crate::common::layout::Layout;
use crate::common::measured::{ErrorParameters, MeasuredStars};
use crate::common::networks;
use crate::common::parameters::{FROM_ZERO, KmPerSecondKpc};
use crate::common::potentials::{self, MassAndScale, PotentialParameters};
use crate::common::set_aside::{self, OnFailure, SetAside};
use crate::common::spread::Written;
use draws::Draws;
use field_part::LeftOut;
use hold::Hold;
use layout::layout;
use methods::{Classes, Estimate, Find, Found, Guard};

/// `estimate_actions`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateActions {
    /// How.
    pub method: Method,
    /// What to do about stars without actions: those that are unbound, or where the method fails.
    #[serde(default)]
    pub failures: OnFailure,
    /// Errors of what was measured (`parallax_error`, `l_b_corr`, …), and what actions, angles and frequencies they allow: standard deviations
    /// and correlations. Stars are then where their observables say; left out, where x y z vx vy vz say, without errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorParameters>,
    /// Whether it is told how well results are known that the input `field` gives: they are found in the other fields, too, that its stars allow, four of
    /// `train_potential` or eight of `fit_galaxy`, and take as many times longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub field_errors: bool,
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
    /// By the table of `build_finder` that is connected to the input `finder`, in its potential: about two thirds as fast as the Stäckel fudge, with an error and a
    /// class of each star.
    Finder(FinderParameters),
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

/// Actions from a table of orbits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinderParameters {
    /// The potential that the table was built in; left out, as for the Stäckel fudge.
    #[serde(default)]
    pub potential: Option<PotentialParameters>,
    /// What finds the actions of stars that the table does not know, or not well enough; left out, the first have none.
    #[serde(default)]
    pub fallback: Option<Fallback>,
}

/// What finds actions where the table does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fallback {
    /// The orbit through the star, as by the method `o2gf`.
    O2gf(Above),
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Above {
    /// Where `J_error` by the table is above this, km/s kpc.
    pub above: KmPerSecondKpc<FROM_ZERO>,
}

fn default_departure() -> f64 {
    0.01
}

fn default_target() -> KmPerSecondKpc {
    KmPerSecondKpc(5e-2)
}

impl Method {
    /// The potential; `None` for the field that is connected.
    fn potential(&self) -> Option<PotentialParameters> {
        match self {
            Self::Isochrone(with) => Some(PotentialParameters::Isochrone(*with)),
            Self::Spherical(with) | Self::StaeckelFudge(with) => with.potential.clone(),
            Self::Torus(with) => with.potential.clone(),
            Self::O2gf(with) => with.potential.clone(),
            Self::Finder(with) => with.potential.clone(),
        }
    }

    /// Whether it estimates its own errors.
    fn judges_itself(&self) -> bool {
        matches!(self, Self::O2gf(_) | Self::Finder(_))
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
            Self::Finder(_) => Kind::Finder,
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

impl EstimateActions {
    fn layout(&self) -> Layout<Estimate> {
        let spread = self.errors.map(|errors| errors.written(true));
        let layout = layout(self.method.judges_itself(), spread);
        layout.when(self.field_errors, field_errors::layout)
    }
}

impl Stage for EstimateActions {
    const KIND: &'static str = "estimate_actions";
    const ABOUT: &'static str = "Compute actions, angles and frequencies in a given potential";
    const REVISION: u32 = 22;
    const ROLE: Role = Role::Apply;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = match &self.method {
            Method::O2gf(with) if with.one_orbit_per_stream => columns::needs(&[&[TIME], &CARTESIAN]),
            _ if self.errors.is_some() => columns::needs(&[&ErrorParameters::NEEDS]),
            _ => columns::needs(&[&CARTESIAN]),
        };
        let mut ports = vec![InputPort::table("stars", &needs)];
        if self.method.potential().is_none() {
            ports.push(InputPort::network("field", &[networks::LINEAR_FIELD]));
        }
        if let Method::Finder(_) = self.method {
            ports.push(InputPort::network("finder", &[networks::FINDER]));
        }
        ports
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        if let (Some(_), Some(schema)) = (&self.errors, connected_schema(connected, "stars"))
            && let Some(reason) = ErrorParameters::lacking("stars", schema)
        {
            return Err(reason);
        }
        // Whatever another method left there goes.
        let all = field_errors::layout(layout(true, Some(Written::ALL))).schema();
        let names: Vec<&str> = all.fields().iter().map(|field| field.name().as_str()).collect();
        let schema = self.layout().beside(input, &names);
        let outputs = vec![OutputPort::table("stars", schema), set_aside::port()];
        Ok(columns::named(outputs, connected))
    }

    fn files(&self) -> Vec<FileParameter> {
        let potential = self.method.potential();
        potential.map_or_else(Vec::new, |potential| {
            potentials::files(&potential, &self.method.place())
        })
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
        let needs = (self.method.name(), self.method.symmetry());
        faults.extend(potentials::misfit(found, &place, needs));
        faults.extend(self.errors.and_then(|errors| errors.fault()));
        if self.field_errors && self.method.potential().is_some() {
            faults.push(Fault::new(
                "field_errors",
                "are of a learned field: leave out `potential`, and connect the input `field`",
            ));
        } else if self.field_errors && matches!(self.method, Method::Finder(_)) {
            faults.push(Fault::new(
                "field_errors",
                "are not known to a table, which is of one field; take `o2gf`",
            ));
        }
        if let Method::O2gf(with) = &self.method {
            if with.one_orbit_per_stream && self.errors.is_some() {
                faults.push(Fault::new("errors", "are of single stars, not of one_orbit_per_stream"));
            }
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
        let rows = io::count_rows(context, "stars")?;
        let (potential, parts) = match self.method.potential() {
            Some(potential) => {
                let method = (self.method.name(), self.method.symmetry());
                let built = potentials::build_for(&potential, context, &self.method.place(), method)?;
                (Some(built), None)
            }
            None => (None, Some(field_part::read(context, self.field_errors)?)),
        };
        let fields = 1 + parts.as_ref().map_or(0, |parts| parts.others.len());
        let progress = context.progress((fields * rows) as u64, "stars");
        let at_work = |potential, hold| AtWork::new(self, context, potential, hold, &progress);
        let at_work: Vec<AtWork> = match (&potential, &parts) {
            (Some(potential), _) => vec![at_work(potential.as_ref(), None)?],
            (None, Some(parts)) => std::iter::once(&parts.part)
                .chain(&parts.others)
                .map(|part| at_work(&part.potential, Some(&part.hold)))
                .collect::<Result<_, _>>()?,
            (None, None) => Vec::new(),
        };
        let mut left_out = parts.as_ref().map(|parts| LeftOut::of(&parts.whole));
        let errors = parts.as_ref().and_then(|parts| parts.errors.as_ref());
        let is_whole = matches!(&self.method, Method::O2gf(with) if with.one_orbit_per_stream);
        let at_once = if is_whole { rows.max(1) } else { ROWS };
        let mut written = Output::default();
        for table in io::pieces(context, "stars", &[], at_once)? {
            let table = table?;
            let mut pieces = at_work.iter().map(|at_work| at_work.estimate(&table));
            let Some(found) = pieces.next() else { continue };
            let mut found = found?;
            let others: Vec<Vec<Found>> = pieces
                .map(|piece| Ok(piece?.estimates))
                .collect::<Result<_, StageError>>()?;
            if let Some(errors) = errors {
                field_errors::add(&mut found.estimates, &others, errors);
            }
            if let (Some(left_out), Some(parts)) = (&mut left_out, &parts) {
                left_out.count(&parts.part.potential, &found.stars);
            }
            written.add(self, context, &table, found.estimates)?;
        }
        if let Some(left_out) = left_out {
            left_out.tell(context);
        }
        written.finish(self, context, rows)
    }
}

/// Rows looked at together.
const ROWS: usize = 1 << 14;

/// What every piece of the table is put through.
struct AtWork<'a> {
    with: &'a EstimateActions,
    context: &'a StageContext,
    find: Find<'a>,
    guard: Guard<'a>,
    progress: &'a Progress,
}

/// What was found for the rows of a piece.
struct Piece {
    stars: Vec<PhaseSpace>,
    estimates: Vec<Found>,
}

impl<'a> AtWork<'a> {
    fn new(
        with: &'a EstimateActions,
        context: &'a StageContext,
        potential: &'a dyn Potential,
        hold: Option<&'a Hold>,
        progress: &'a Progress,
    ) -> Result<Self, StageError> {
        Ok(Self {
            with,
            context,
            find: with.method.finder(potential, context)?,
            guard: Guard::new(potential, hold),
            progress,
        })
    }

    fn estimate(&self, table: &RecordBatch) -> Result<Piece, StageError> {
        let Self {
            with,
            context,
            find,
            guard,
            progress,
        } = self;
        let (stream, star) = identity(table)?;
        if let Some(errors) = &with.errors {
            let measured = MeasuredStars::new(table)?;
            let draws = Draws::new(context, errors, measured.sun);
            let rows: Vec<usize> = (0..stream.len()).collect();
            let one = |&row: &usize| {
                let key = (stream[row], star[row]);
                draws.estimate(&measured.star(row), measured.known_errors(row), key, &|star| {
                    guard.estimate(star, find)
                })
            };
            let estimates = methods::all(context, progress, &rows, |_| 1, one)?;
            let place = |row: usize| {
                let seen = measured.star(row).nominal(&measured.sun)?;
                Some(measured.sun.locate(&seen))
            };
            let stars = rows.into_iter().filter_map(place).collect();
            return Ok(Piece { stars, estimates });
        }
        let stars: Vec<PhaseSpace> = quantity(table)?;
        let estimates = match &with.method {
            Method::O2gf(own) if own.one_orbit_per_stream => {
                let times = io::column(table, TIME.name)?;
                let streams = methods::rows_of_streams(stream);
                let one = |rows: &Vec<usize>| guard.estimate_stream(own, &stars, times, rows);
                let found = methods::all(context, progress, &streams, Vec::len, one)?;
                let found = streams.into_iter().flatten().zip(found.into_iter().flatten());
                let mut found: Vec<(usize, Found)> = found.collect();
                found.sort_by_key(|(row, _)| *row);
                found.into_iter().map(|(_, found)| found).collect()
            }
            _ => methods::all(context, progress, &stars, |_| 1, |star| guard.estimate(star, find))?,
        };
        Ok(Piece { stars, estimates })
    }
}

/// What has been written.
#[derive(Default)]
struct Output {
    writer: Option<PieceWriter>,
    without: SetAside,
    classes: Classes,
    doubts: Doubts,
    of_field: field_errors::Tally,
}

impl Output {
    /// Adds the rows of a piece that have actions; the others are kept for the output `set_aside`.
    fn add(
        &mut self,
        with: &EstimateActions,
        context: &StageContext,
        table: &RecordBatch,
        estimates: Vec<Found>,
    ) -> Result<(), StageError> {
        let (mut there, mut found) = (Vec::new(), Vec::new());
        for ((row, id), estimate) in star_ids(table)?.into_iter().enumerate().zip(estimates) {
            match estimate {
                Ok(estimate) => {
                    if let Some(spread) = &estimate.spread {
                        self.doubts.add(id, spread);
                    }
                    there.push(row);
                    found.push(estimate);
                }
                Err(reason) => self.without.push(id, reason),
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        self.classes.add(&found);
        self.of_field.add(&found);
        let rows = take_rows(table, &there).map_err(StageError::failed)?;
        self.append(with, context, &rows, &found)
    }

    fn append(
        &mut self,
        with: &EstimateActions,
        context: &StageContext,
        rows: &RecordBatch,
        found: &[Estimate],
    ) -> Result<(), StageError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(PieceWriter::create(context, "stars")?),
        };
        writer.append_beside(rows, &with.layout(), found)
    }

    /// Ends the outputs.
    fn finish(mut self, with: &EstimateActions, context: &StageContext, rows: usize) -> Result<Outcome, StageError> {
        if rows == 0 {
            self.append(with, context, &context.read_table("stars")?, &[])?;
        }
        self.doubts.tell(context)?;
        let is_written = self.writer.is_some();
        self.writer.map_or(Ok(()), PieceWriter::finish)?;
        self.without.write(context, with.failures, rows, "stars")?;
        if !is_written {
            return Ok(set_aside::all_set_aside(rows, "stars"));
        }
        if with.method.judges_itself() {
            self.classes.tell(context);
        }
        if with.field_errors {
            self.of_field.tell(context);
        } else if with.method.judges_itself() && with.method.potential().is_none() {
            context.note("J_error is of the method alone: what the learned field is off by is not in it; o2gf with `field_errors` tells");
        }
        Ok(Outcome::Complete)
    }
}

#[cfg(test)]
mod laws;
