//! Fits a galaxy to tidal streams as they are observed.

use std::collections::BTreeMap;

use dynamics::sky::Sun;
use dynamics::streams::{
    AtRadius, Correction, Distance, Fit, FitError, FittedStream, Measured, Settings, Source, Star, Stream, fit, fit_as,
};
use dynamics::units;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns;
use crate::common::io::{self, TableContext, called, identity, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::learned_field::{self, LearnedField};
use crate::common::networks;
use crate::common::parameters::{FROM_ZERO, FieldSymmetry, Gyr, KmPerSecond, Kpc, MasPerYear, SolarMasses, positive};
use crate::common::sun::{self, SunParameters};

/// `fit_galaxy`
///
/// Each stream is made anew in a trial galaxy (progenitor back, stripped stars forward), and its track is compared with what is observed of its
/// stars. Taken as known: a static galaxy, l and b, and that progenitors lose mass steadily. Distances, or parallaxes, of some stars are needed;
/// v_los and proper motions are used where they are. Errors are the columns `distance_error`, `v_los_error` and so on, or the parameter `errors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitGalaxy {
    /// What streams are taken for.
    pub streams: StreamsAre,
    /// Symmetry of the correction to the disc and the halo.
    pub symmetry: FieldSymmetry,
    /// How many scales the correction has; 0 for none.
    pub scales: u32,
    /// Standard deviation to which its coefficients are shrunk, where one is a change of v_c² by at most 0.385 of the square of a hundred kilometres a second.
    pub shrinkage: f64,
    /// Time since stripping began, Gyr: the middle of a prior of 40 %.
    pub age: Gyr,
    /// Masses of the progenitors, M_sun: the middle of a prior of a factor of two.
    pub mass: SolarMasses,
    /// How far the progenitors may be from the middle of their stars along the orbit, one standard deviation, in radial periods.
    pub progenitor: f64,
    /// Releases of stars into each tail.
    pub releases: u32,
    /// Parts into which streams are divided, each left out once and judged by a galaxy of the others; 0 for none.
    pub held_out: u32,
    /// Errors of the observables that have no column of their own.
    pub errors: Errors,
    /// Where the Sun is and how it moves; left out, as the table says.
    pub sun: Option<SunParameters>,
    /// Radii of the output `galaxy`, kpc.
    pub radii: Vec<Kpc>,
    /// Seed.
    pub seed: u64,
}

impl Default for FitGalaxy {
    fn default() -> Self {
        let usual = Settings::of(Source::Spray);
        Self {
            streams: StreamsAre::default(),
            symmetry: FieldSymmetry::Axisymmetric,
            scales: usual.scales as u32,
            shrinkage: usual.shrinkage,
            age: Gyr(usual.age.0),
            mass: SolarMasses(usual.mass),
            progenitor: usual.progenitor,
            releases: usual.releases as u32,
            held_out: 0,
            errors: Errors::default(),
            sun: None,
            radii: [5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0].map(Kpc).to_vec(),
            seed: 0,
        }
    }
}

/// What streams are taken for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamsAre {
    /// What makes the stars likelier: both are fitted.
    #[default]
    Found,
    /// Stars stripped from progenitors.
    Stripped,
    /// Stars on one orbit each.
    Orbits,
}

/// Standard deviations of observables without a column of errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Of distances, as a fraction of them.
    pub distance: f64,
    /// Of parallaxes, mas.
    pub parallax: f64,
    /// Of line-of-sight velocities, km/s.
    pub v_los: KmPerSecond<FROM_ZERO>,
    /// Of each proper motion, mas/yr.
    pub proper_motion: MasPerYear<FROM_ZERO>,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            distance: 0.0,
            parallax: 0.0,
            v_los: KmPerSecond(0.0),
            proper_motion: MasPerYear(0.0),
        }
    }
}

/// A stream whose χ is above this does not fit.
const CHI: f64 = 1.5;

/// Streams that disagree with each other by more than this many times their errors make these doubtful.
const MISFIT: f64 = 2.0;

/// Sky positions, which every star needs.
const PLACE: [(&str, &str); 4] = [("stream", ""), ("star", ""), ("l", "deg"), ("b", "deg")];

/// Observables that may be there, with their units.
const OBSERVABLES: [(&str, &str); 5] = [
    ("distance", "kpc"),
    ("parallax", "mas"),
    ("v_los", "km/s"),
    ("mu_l_cosb", "mas/yr"),
    ("mu_b", "mas/yr"),
];

/// A stream, and its χ in a galaxy of others.
struct StreamRow {
    fitted: FittedStream,
    held_out: Option<f64>,
}

/// The table `streams`.
fn of_streams() -> Layout<StreamRow> {
    Layout::of_streams(|row: &StreamRow| row.fitted.stream)
        .count("stars", "its stars", |row| row.fitted.stars as i64)
        .number(
            (
                "chi",
                "",
                "root of the mean chi squared of an observable, over its stars by membership",
            ),
            |row| row.fitted.chi,
        )
        .number(("ln_likelihood", "", "ln of the likelihood of its stars"), |row| {
            row.fitted.ln_likelihood
        })
        .number(
            ("outliers", "", "part of its stars that belong to something else"),
            |row| row.fitted.outliers,
        )
        .number(("mass", "M_sun", "mass of the progenitor"), |row| row.fitted.mass)
        .number(
            (
                "lead",
                "",
                "how far the progenitor is ahead of the middle of the stars, in radial periods",
            ),
            |row| row.fitted.lead,
        )
        .number_or_none(("held_out_chi", "", "chi in a galaxy of other streams"), |row| {
            row.held_out
        })
}

/// A radius, and whether there are stars.
struct RadiusRow {
    at: AtRadius,
    inside: bool,
}

/// The table `galaxy`.
fn of_galaxy() -> Layout<RadiusRow> {
    let known = |value: f64| value.is_finite().then_some(value);
    Layout::new()
        .number(("R", "kpc", "distance from the centre"), |row: &RadiusRow| {
            row.at.radius
        })
        .number(
            (
                "v_c",
                "km/s",
                "circular speed in the plane, where it rests on the form of the disc",
            ),
            |row| row.at.circular_speed.value,
        )
        .number_or_none(
            (
                "v_c_sd",
                "km/s",
                "standard deviation of v_c, the form of the disc being right",
            ),
            move |row| known(row.at.circular_speed.error),
        )
        .number_or_none(
            (
                "q",
                "",
                "axis ratio of the surface of equal potential through R in the plane",
            ),
            move |row| known(row.at.flattening.value),
        )
        .number_or_none(("q_sd", "", "standard deviation of q"), move |row| {
            known(row.at.flattening.error)
        })
        .number(("mass", "M_sun", "mass within the distance"), |row| {
            row.at.enclosed_mass.value
        })
        .number_or_none(("mass_sd", "M_sun", "standard deviation of mass"), move |row| {
            known(row.at.enclosed_mass.error)
        })
        .flag("inside", "whether there are stars at that distance", |row| row.inside)
}

/// A star, and the probability that it belongs to its stream.
struct Member {
    id: StarId,
    membership: f64,
}

/// The table `members`.
fn of_members() -> Layout<Member> {
    let membership = ("membership", "", "probability that the star belongs to its stream");
    Layout::of_stars(|row: &Member| row.id).number(membership, |row| row.membership)
}

impl Stage for FitGalaxy {
    const KIND: &'static str = "fit_galaxy";
    const ABOUT: &'static str = "Fit a galaxy to tidal streams, with error bars";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Learn;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &PLACE)]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if let Some(schema) = runner::ports::connected_schema(connected, "stars") {
            sun::agreed("stars", schema, self.sun)?;
            let has = |name: &str| schema.column_with_name(name).is_some();
            match (has("distance"), has("parallax")) {
                (false, false) => return Err("stars: needs a column distance (kpc) or parallax (mas)".to_owned()),
                (true, true)
                    if self.errors != Errors::default() && !has("distance_error") && !has("parallax_error") =>
                {
                    return Err(
                        "stars: has both distance and parallax, without a column of errors of either".to_owned(),
                    );
                }
                _ => {}
            }
            for (name, unit) in OBSERVABLES {
                for name in [name.to_owned(), format!("{name}_error")] {
                    let found = schema
                        .column_with_name(&name)
                        .map(|(_, field)| runner::ports::unit_of(field));
                    if let Some(found) = found.filter(|found| *found != unit) {
                        return Err(format!("stars: {name} must be in {unit}, not {found}"));
                    }
                }
            }
        }
        let outputs = vec![
            OutputPort::network("field", networks::LINEAR_FIELD),
            OutputPort::table("streams", of_streams().schema()),
            OutputPort::table("galaxy", of_galaxy().schema()),
            OutputPort::table("members", of_members().schema()),
        ];
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = positive("shrinkage", Some(self.shrinkage)).into_iter().collect();
        faults.extend(positive("progenitor", Some(self.progenitor)));
        faults.extend(positive("releases", Some(self.releases)));
        if self.held_out == 1 {
            faults.push(Fault::new(
                "held_out",
                "one part would leave nothing to learn from: two at least, or 0",
            ));
        }
        for (at, value) in [
            ("errors.distance", self.errors.distance),
            ("errors.parallax", self.errors.parallax),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                faults.push(Fault::new(at, format!("must not be negative, not {value}")));
            }
        }
        if self.scales > 12 {
            faults.push(Fault::new("scales", format!("at most 12, not {}", self.scales)));
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let streams = self.read(&table)?;
        let sun = sun::agreed("stars", table.schema_ref(), self.sun).map_err(StageError::failed)?;
        let sun = Sun::from(&sun);
        let found = self.fit(context, &streams, &sun)?;
        let held = self.hold_out(context, &streams, &sun, &found)?;
        self.doubt(context, &found, &held)?;
        self.write(context, &table, &found, &held)?;
        Ok(Outcome::Complete)
    }
}

/// One observable of all stars, with errors.
struct Observable {
    values: Vec<Option<f64>>,
    errors: Vec<f64>,
}

impl Observable {
    /// The column `name` with its errors: their own column, or `usual(value)`.
    fn read(table: &RecordBatch, name: &str, usual: impl Fn(f64) -> f64) -> Result<Option<Self>, StageError> {
        let column = |name: &str| tables::optional_f64_column(table, name).map_err(StageError::failed);
        let Some(values) = column(name)? else { return Ok(None) };
        let own = column(&format!("{name}_error"))?;
        let errors = values.iter().enumerate().map(|(row, value)| {
            let own = own.as_ref().and_then(|own| own[row]);
            own.unwrap_or_else(|| usual(value.unwrap_or(0.0)))
        });
        Ok(Some(Self {
            errors: errors.collect(),
            values,
        }))
    }

    fn at(&self, row: usize) -> Option<Measured> {
        Some(Measured {
            value: self.values[row]?,
            error: self.errors[row],
        })
    }
}

impl FitGalaxy {
    /// The streams in order of their numbers, their stars in order of the rows.
    fn read(&self, table: &RecordBatch) -> Result<Vec<Stream>, StageError> {
        let (names, _) = identity(table)?;
        let (l, b) = (io::column(table, "l")?, io::column(table, "b")?);
        let of = &self.errors;
        let distance = Observable::read(table, "distance", |value| of.distance * value)?;
        let parallax = Observable::read(table, "parallax", |_| of.parallax)?;
        let v_los = Observable::read(table, "v_los", |_| of.v_los.get())?;
        let motions = [
            Observable::read(table, "mu_l_cosb", |_| of.proper_motion.get())?,
            Observable::read(table, "mu_b", |_| of.proper_motion.get())?,
        ];
        let correlations = tables::optional_f64_column(table, "mu_l_cosb_mu_b_corr").map_err(StageError::failed)?;
        let mut streams: BTreeMap<i64, Vec<Star>> = BTreeMap::new();
        for row in 0..table.num_rows() {
            let at = |of: &Option<Observable>| of.as_ref()?.at(row);
            let distance = at(&distance).map(Distance::Kpc);
            let [along_l, along_b] = [at(&motions[0]), at(&motions[1])];
            streams.entry(names[row]).or_default().push(Star {
                l: l[row],
                b: b[row],
                distance: distance.or(at(&parallax).map(Distance::Parallax)),
                v_los: at(&v_los),
                proper_motion: along_l.zip(along_b).map(|(l, b)| [l, b]),
                correlation: correlations.as_ref().and_then(|all| all[row]).unwrap_or(0.0),
            });
        }
        Ok(streams
            .into_iter()
            .map(|(stream, stars)| Stream::new(stream, stars))
            .collect())
    }

    fn settings(&self, source: Source) -> Settings {
        Settings {
            correction: match self.symmetry {
                FieldSymmetry::Axisymmetric => Correction::Axisymmetric,
                FieldSymmetry::None => Correction::Free,
            },
            scales: self.scales as usize,
            shrinkage: self.shrinkage,
            releases: self.releases as usize,
            age: units::Gyr(self.age.get()),
            progenitor: self.progenitor,
            mass: self.mass.get(),
            seed: self.seed,
            ..Settings::of(source)
        }
    }

    /// The likelier fit of those asked for.
    fn fit(&self, context: &StageContext, streams: &[Stream], sun: &Sun) -> Result<(Source, Fit), StageError> {
        let sources: &[Source] = match self.streams {
            StreamsAre::Found => &[Source::Spray, Source::Orbit],
            StreamsAre::Stripped => &[Source::Spray],
            StreamsAre::Orbits => &[Source::Orbit],
        };
        let steps: usize = sources.iter().map(|source| self.settings(*source).iterations).sum();
        let progress = context.progress(steps as u64, "iterations");
        let mut best: Option<(Source, Fit)> = None;
        for &source in sources {
            let settings = self.settings(source);
            let go_on = |_| {
                progress.add(1);
                !context.cancel.is_cancelled()
            };
            let found = fit(streams, sun, &settings, None, false, &go_on);
            let found = found.map_err(|error| failed(context, error))?;
            let word = match source {
                Source::Spray => "stripped",
                Source::Orbit => "orbits",
            };
            context.metric(&format!("ln_likelihood_{word}"), found.ln_likelihood, "");
            if best
                .as_ref()
                .is_none_or(|(_, best)| found.ln_likelihood > best.ln_likelihood)
            {
                best = Some((source, found));
            }
        }
        best.ok_or_else(|| StageError::failed("there is nothing to fit"))
    }

    /// χ of each stream in a galaxy of others.
    fn hold_out(
        &self,
        context: &StageContext,
        streams: &[Stream],
        sun: &Sun,
        (source, _): &(Source, Fit),
    ) -> Result<Vec<Option<f64>>, StageError> {
        let parts = self.held_out as usize;
        let mut held = vec![None; streams.len()];
        if parts < 2 {
            return Ok(held);
        }
        let settings = self.settings(*source);
        let go_on = |_| !context.cancel.is_cancelled();
        let mut sum = 0.0;
        for part in 0..parts.min(streams.len()) {
            let (out, within): (Vec<usize>, Vec<usize>) = (0..streams.len()).partition(|place| place % parts == part);
            let of = |places: &[usize]| places.iter().map(|&place| streams[place].clone()).collect::<Vec<_>>();
            let galaxy = fit(&of(&within), sun, &settings, None, false, &go_on);
            let found = galaxy.and_then(|galaxy| fit_as(&galaxy, &of(&out), sun, &settings, true, &go_on));
            let found = found.map_err(|error| failed(context, error))?;
            sum += found.ln_likelihood;
            for (place, stream) in out.iter().zip(&found.streams) {
                held[*place] = Some(stream.chi);
            }
        }
        context.metric("held_out_ln_likelihood", sum, "");
        Ok(held)
    }

    /// What speaks against the fit.
    fn doubt(
        &self,
        context: &StageContext,
        (source, found): &(Source, Fit),
        held: &[Option<f64>],
    ) -> Result<(), StageError> {
        let worst = found.streams.iter().max_by(|a, b| a.chi.total_cmp(&b.chi));
        let bad = found.streams.iter().filter(|stream| is_above(stream.chi, CHI)).count();
        if let Some(worst) = worst {
            context.metric("greatest_chi", worst.chi, "");
            if bad > 0 {
                context.finding(format!(
                    "{bad} of the streams do not fit, the worst stream {} with a χ of {:.1}: another galaxy, a perturbed stream, or errors too small",
                    called(context, worst.stream)?,
                    worst.chi
                ));
            }
        }
        let stuck = found.streams.iter().find(|stream| is_above(stream.outliers, 0.5));
        if let Some(stuck) = stuck {
            context.finding(format!(
                "stream {}: {:.0} % of its stars do not belong to the fitted stream; its fit may be stuck",
                called(context, stuck.stream)?,
                100.0 * stuck.outliers
            ));
        }
        if let Some(posterior) = &found.posterior {
            context.metric("misfit", posterior.misfit, "");
            if is_above(posterior.misfit, MISFIT) {
                context.finding(format!(
                    "streams disagree on the galaxy {:.1} times as much as their errors let them; the error bars are widened by that",
                    posterior.misfit
                ));
            }
        } else {
            context.finding("the streams do not say how well they know the galaxy: there are no error bars");
        }
        let held: Vec<f64> = held.iter().flatten().copied().collect();
        if let Some(chi) = dynamics::statistics::rms(held.iter().copied()) {
            context.metric("held_out_chi", chi, "");
            if is_above(chi, CHI) {
                context.finding(format!(
                    "streams that were left out have a χ of {chi:.1} in the galaxy of the others"
                ));
            }
        }
        if *source == Source::Orbit && self.streams == StreamsAre::Found {
            context.note("stars lie on orbits rather than in stripped streams: the fit as orbits is the likelier");
        }
        Ok(())
    }

    fn write(
        &self,
        context: &StageContext,
        table: &RecordBatch,
        (_, found): &(Source, Fit),
        held: &[Option<f64>],
    ) -> Result<(), StageError> {
        let field = LearnedField {
            extent: found.radii.1,
            expansion: found.galaxy.clone(),
        };
        learned_field::write(context.output("field")?, &field)?;
        let rows = found.streams.iter().zip(held).map(|(fitted, &held_out)| StreamRow {
            fitted: fitted.clone(),
            held_out,
        });
        context.write_rows("streams", &of_streams(), &rows.collect::<Vec<_>>())?;
        let radii: Vec<f64> = self.radii.iter().map(|radius| radius.get()).collect();
        let rows = found.at_radii(&radii, self.seed).into_iter().map(|at| RadiusRow {
            at,
            inside: at.radius >= found.radii.0 && at.radius <= found.radii.1,
        });
        context.write_rows("galaxy", &of_galaxy(), &rows.collect::<Vec<_>>())?;
        // Memberships are by stream; the rows of the table need not be.
        let of = |stream: &FittedStream| (stream.stream, stream.membership.clone().into_iter());
        let mut next: BTreeMap<i64, std::vec::IntoIter<f64>> = found.streams.iter().map(of).collect();
        let rows = star_ids(table)?.into_iter().map(|id| Member {
            id,
            membership: next.get_mut(&id.stream).and_then(Iterator::next).unwrap_or(0.0),
        });
        context.write_rows("members", &of_members(), &rows.collect::<Vec<_>>())
    }
}

/// Whether a figure is above a limit, or is no number.
fn is_above(figure: f64, limit: f64) -> bool {
    figure > limit || figure.is_nan()
}

fn failed(context: &StageContext, error: FitError) -> StageError {
    if error == FitError::Stopped || context.cancel.is_cancelled() {
        return StageError::Cancelled;
    }
    StageError::failed(format!("input stars: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamics::orbit::circular::circular_speed;
    use serde_json::json;

    use super::*;
    use crate::observe::observe::Observe;
    use crate::sample::spray_streams::SprayStreams;
    use crate::testing::{faults, planned, run, stage};

    fn sky() -> RecordBatch {
        let spray = stage::<SprayStreams>(json!({
            "potential": { "composite": [{ "miyamoto_nagai": { "mass": 6.8e10, "radius": 3.0, "height": 0.28 } },
                { "nfw": { "mass": 5.4e11, "scale": 15.62 } }] },
            "streams": 5, "stars": 24, "age": 1.0, "progenitors": { "radius": [10.0, 20.0] }, "seed": 2,
        }));
        let stars = run(&spray, &[], &[]).completed();
        let observe =
            stage::<Observe>(json!({ "errors": { "distance": 0.02, "v_los": 1.0, "mu_l_cosb": 0.02, "mu_b": 0.02 } }));
        let mut observed = run(&observe, &[("stars", &stars.tables["stars"])], &[]).completed();
        observed.tables.remove("stars").unwrap()
    }

    fn small(more: serde_json::Value) -> FitGalaxy {
        let mut all = json!({
            "age": 1.0, "releases": 32, "scales": 1, "radii": [12.0, 16.0], "streams": "stripped",
            "errors": { "distance": 0.02, "v_los": 1.0, "proper_motion": 0.02 },
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage(all)
    }

    #[test]
    fn a_galaxy_comes_as_a_field_with_tables() {
        let sky = sky();
        let ran = run(&small(json!({ "streams": "found" })), &[("stars", &sky)], &[]).completed();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("field");
        std::fs::write(&path, &ran.bytes["field"]).unwrap();
        let field = learned_field::read(&path).unwrap();
        for (row, radius) in [12.0, 16.0].into_iter().enumerate() {
            let speed = ran.f64("galaxy", "v_c")[row];
            assert!((circular_speed(&field.expansion, radius) - speed).abs() < 1e-9);
            // What five short streams tell.
            assert!((190.0..260.0).contains(&speed), "{speed}");
        }
        assert!(ran.metric("ln_likelihood_stripped") > ran.metric("ln_likelihood_orbits"));
        assert_eq!(ran.i64("streams", "stream"), [0, 1, 2, 3, 4]);
        assert_eq!(ran.tables["members"].num_rows(), 120);
        assert!(
            ran.f64("members", "membership")
                .iter()
                .filter(|member| **member > 0.5)
                .count()
                > 100
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let sky = sky();
        // Errors a hundred times too small.
        let proud =
            json!({ "errors": { "distance": 2e-4, "v_los": 0.01, "proper_motion": 2e-4 }, "streams": "orbits" });
        let ran = run(&small(proud), &[("stars", &sky)], &[]).completed();
        let findings = ran
            .told
            .iter()
            .filter(|told| matches!(told, runner::event::Told::Finding { .. }))
            .count();
        assert!(findings > 0, "{:?}", ran.told);
        let wrong = planned(
            &small(json!({})),
            &[("stars", std::sync::Arc::new(columns::stars(&[])))],
        );
        assert!(wrong.is_err_and(|why| why.contains("distance")));
        assert!(faults::<FitGalaxy>(json!({ "held_out": 1, "shrinkage": 0.0 })).len() == 2);
        let few = tables::take_rows(&sky, &[0, 1, 2]).unwrap();
        assert!(
            run(&small(json!({})), &[("stars", &few)], &[])
                .error()
                .contains("has 3 stars")
        );
    }
}
