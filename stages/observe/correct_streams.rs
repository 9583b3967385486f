//! Moves the stars of tidal streams onto the orbits of their progenitors, by what simulations in a given field say.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Expansion;
use dynamics::sky::{Observables, Sun};
use dynamics::streams::{
    Corrected, Distance, FitError, Settings, Sight, Star, TrackPoint, correct, first_guess, settings,
};
use dynamics::units;
use dynamics::vector::norm;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, Column, OBSERVABLES, heliocentric};
use crate::common::io::{TableContext, called, rows_by_star};
use crate::common::layout::{Layout, StarId};
use crate::common::learned_field::{self, LearnedField};
use crate::common::measured::{DISTANCE_MODULUS, ERRORS, PARALLAX};
use crate::common::networks;
use crate::common::parameters::{Gyr, SolarMasses, positive};
use crate::common::set_aside::{self, OnFailure};
use crate::common::sun::{self, SunParameters};
use crate::common::tidal_streams::{self, CHI, Errors, PLACE, Streams, is_above, unusable};

/// `correct_streams`
///
/// Each stream is simulated in the field that is given, which stays as it is: its own seven numbers are fitted as `fit_galaxy` fits them. The
/// mean of its particles less the progenitor's orbit, at the same angle along it, is taken from every star. What is left lies about one orbit, and
/// keeps its errors and the stream's own width. Learn a field from it with `train_potential`, and correct the streams again in that (Ibata et al.
/// 2021, footnote 1).
///
/// The output `field` is the field itself, to which `train_potential` may shrink the next one. Left out, it is an exponential disc of 5e10 M_sun
/// (R_d = 2.6 kpc, b = 0.3 kpc) in a logarithmic halo of 180 km/s (core 5 kpc, q = 0.95).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectStreams {
    /// Time since stripping began, Gyr.
    pub age: Gyr,
    /// Masses of the progenitors, M_sun: the middle of a prior of a factor of two.
    pub mass: SolarMasses,
    /// How far the progenitors may be from the middle of their stars along the orbit, one standard deviation, in radial periods.
    pub progenitor: f64,
    /// Releases of stars into each tail.
    pub releases: u32,
    /// Errors of the observables that have no column of their own.
    pub errors: Errors,
    /// Where the Sun is and how it moves; left out, as the table says.
    pub sun: Option<SunParameters>,
    /// What to do about stars that cannot be corrected.
    pub failures: OnFailure,
    /// Seed.
    pub seed: u64,
}

impl Default for CorrectStreams {
    fn default() -> Self {
        let usual = settings();
        Self {
            age: Gyr(usual.age.0),
            mass: SolarMasses(usual.mass),
            progenitor: usual.progenitor,
            releases: usual.releases as u32,
            errors: Errors::default(),
            sun: None,
            failures: OnFailure::default(),
            seed: 0,
        }
    }
}

/// What is added to what is seen, in the frame of the stream's own great circle.
const OFFSETS: [Column; 6] = [
    heliocentric(
        "phi1_offset",
        "deg",
        "orbit less stream: along the stream's great circle",
    ),
    heliocentric("phi2_offset", "deg", "orbit less stream: across it"),
    heliocentric("distance_offset", "kpc", "orbit less stream: distance from the Sun"),
    heliocentric("v_los_offset", "km/s", "orbit less stream: line-of-sight velocity"),
    heliocentric(
        "mu_phi1_offset",
        "mas/yr",
        "orbit less stream: proper motion along phi1, times cos phi2",
    ),
    heliocentric(
        "mu_phi2_offset",
        "mas/yr",
        "orbit less stream: proper motion along phi2",
    ),
];

/// The mean of a stream.
const MEANS: [Column; 6] = [
    heliocentric(
        "phi1",
        "deg",
        "longitude along the stream's great circle, 0 in the middle of its stars",
    ),
    heliocentric("phi2", "deg", "latitude about it"),
    OBSERVABLES[0],
    OBSERVABLES[3],
    heliocentric("mu_phi1", "mas/yr", "proper motion along phi1, times cos phi2"),
    heliocentric("mu_phi2", "mas/yr", "proper motion along phi2"),
];

/// A star that was corrected.
struct Row {
    now: PhaseSpace,
    seen: Observables,
    offset: Sight,
    /// As they were observed.
    star: Star,
}

impl Row {
    /// The error of its distance, kpc, or of its parallax, mas.
    fn depth_error(&self, of_parallax: bool) -> f64 {
        let d = self.seen.distance;
        match (self.star.distance, of_parallax) {
            (Some(Distance::Kpc(own)), false) => own.error,
            (Some(Distance::Kpc(own)), true) => own.error / (d * d),
            (Some(Distance::Parallax(own)), true) => own.error,
            (Some(Distance::Parallax(own)), false) => own.error * d * d,
            (None, _) => 0.0,
        }
    }

    fn motion_error(&self, which: usize) -> f64 {
        self.star.proper_motion.map_or(0.0, |motion| motion[which].error)
    }
}

/// What is written beside the columns of the input.
fn of_stars(input: &Schema) -> Layout<Row> {
    let is_parallax = input.column_with_name(PARALLAX.name).is_some() && input.column_with_name("distance").is_none();
    Layout::new()
        .quantity(|row: &Row| row.seen)
        .quantity(|row: &Row| row.now)
        .when(is_parallax, |layout| {
            layout
                .number(PARALLAX, |row| 1.0 / row.seen.distance)
                .number(ERRORS[1], |row| row.depth_error(true))
        })
        .when(!is_parallax, |layout| {
            layout.number(ERRORS[0], |row| row.depth_error(false))
        })
        .number(ERRORS[5], |row| row.motion_error(0))
        .number(ERRORS[6], |row| row.motion_error(1))
        .number(ERRORS[7], |row| row.star.v_los.map_or(0.0, |own| own.error))
        .numbers(&OFFSETS, |row| row.offset)
}

/// Columns of the input that say of the star as it was what the output says of it as it is now, and their errors.
fn replaced(input: &Schema) -> Vec<&'static str> {
    let is_parallax = input.column_with_name("distance").is_none();
    let of_depth = if is_parallax {
        [ERRORS[0]; 2]
    } else {
        [PARALLAX, ERRORS[1]]
    };
    let others = [DISTANCE_MODULUS, ERRORS[2]];
    of_depth.iter().chain(&others).map(|column| column.name).collect()
}

/// A point of a stream.
struct OffsetRow {
    stream: i64,
    point: TrackPoint,
}

fn of_offsets() -> Layout<OffsetRow> {
    Layout::of_streams(|row: &OffsetRow| row.stream)
        .number(
            (
                "psi",
                "rad",
                "angle about the galaxy's centre along the progenitor's orbit",
            ),
            |row| row.point.angle,
        )
        .numbers(&MEANS, |row| row.point.stream)
        .numbers(&OFFSETS, |row| row.point.offset)
}

fn of_streams() -> Layout<Corrected> {
    let stars = |row: &Corrected| row.stars.iter().flatten().count() as i64;
    let layout =
        Layout::of_streams(|row: &Corrected| row.fitted.stream).count("stars", "its stars that are corrected", stars);
    let layout = tidal_streams::of_likelihood(layout, |row| &row.fitted);
    tidal_streams::of_progenitor(layout, |row| &row.fitted)
}

impl CorrectStreams {
    fn settings(&self) -> Settings {
        Settings {
            age: units::Gyr(self.age.get()),
            mass: self.mass.get(),
            progenitor: self.progenitor,
            releases: self.releases as usize,
            seed: self.seed,
            ..settings()
        }
    }
}

impl Stage for CorrectStreams {
    const KIND: &'static str = "correct_streams";
    const ABOUT: &'static str = "Move the stars of tidal streams onto their progenitors' orbits in a field";
    const REVISION: u32 = 3;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::table("stars", &PLACE),
            InputPort::network("field", &[networks::LINEAR_FIELD]).optional(),
        ]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let sun = sun::agreed("stars", input, self.sun)?;
        if connected_schema(connected, "stars").is_some() {
            unusable("stars", input, &self.errors).map_or(Ok(()), Err)?;
            if let Some(lacking) = OBSERVABLES[3..]
                .iter()
                .find(|column| input.column_with_name(column.name).is_none())
            {
                return Err(format!("stars: needs a column {} ({})", lacking.name, lacking.unit));
            }
        }
        let schema = of_stars(input).seen_from(&sun).beside(input, &replaced(input));
        let outputs = vec![
            OutputPort::table("stars", schema),
            OutputPort::network("field", networks::LINEAR_FIELD),
            OutputPort::table("offsets", of_offsets().seen_from(&sun).schema()),
            OutputPort::table("streams", of_streams().schema()),
            set_aside::port(),
        ];
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = positive("progenitor", Some(self.progenitor)).into_iter().collect();
        faults.extend(positive("releases", Some(self.releases)));
        faults.extend(self.errors.faults());
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let sun = sun::agreed("stars", table.schema_ref(), self.sun).map_err(StageError::failed)?;
        let sun = Sun::from(&sun);
        let given = context
            .has_input("field")
            .then(|| learned_field::read(context.input("field")?));
        let given = given.transpose()?;
        let galaxy = match &given {
            Some(field) => field.expansion.clone(),
            None => first_guess().ok_or_else(|| StageError::failed("there is no field to begin with"))?,
        };
        let mut of = Streams::read(&table, &self.errors)?;
        let corrected = loop {
            if of.streams.is_empty() {
                break Vec::new();
            }
            match self.corrected(context, &galaxy, &of, &sun) {
                Ok(corrected) => break corrected,
                // The others may have one.
                Err(FitError::NoOrbit { stream }) => {
                    let place = of.streams.iter().position(|one| one.stream == stream);
                    of.leave_out(place.unwrap_or(0), "its stream has no orbit in the field");
                }
                Err(error) if error == FitError::Stopped || context.cancel.is_cancelled() => {
                    return Err(StageError::Cancelled);
                }
                Err(error) => return Err(StageError::failed(format!("input stars: {error}"))),
            }
        };
        let mut rows: Vec<(StarId, Row)> = Vec::new();
        let mut lost = std::mem::take(&mut of.set_aside);
        for ((one, stream), ids) in corrected.iter().zip(&of.streams).zip(&of.ids) {
            for ((found, &star), &id) in one.stars.iter().zip(&stream.stars).zip(ids) {
                let row = found.as_ref().map_err(ToString::to_string).and_then(|found| {
                    let seen = sun.observe(&found.now).map_err(|error| error.to_string())?;
                    let (now, offset) = (found.now, found.offset);
                    Ok(Row {
                        now,
                        seen,
                        offset,
                        star,
                    })
                });
                match row {
                    Ok(row) => rows.push((id, row)),
                    Err(why) => lost.push(id, why),
                }
            }
        }
        lost.write(context, self.failures, table.num_rows(), "stars")?;
        if rows.is_empty() {
            return Ok(set_aside::all_set_aside(table.num_rows(), "stars"));
        }
        doubt(context, &corrected)?;
        let extent = rows.iter().map(|(_, row)| norm(row.now.x));
        let field = given.unwrap_or(LearnedField {
            extent: extent.fold(0.0, f64::max),
            expansion: galaxy,
            others: None,
        });
        learned_field::write(context.output("field")?, &field)?;
        let places = rows_by_star("stars", &table)?;
        rows.sort_by_key(|(id, _)| places.get(id).copied());
        let there: Vec<usize> = rows.iter().filter_map(|(id, _)| places.get(id).copied()).collect();
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        let table = tables::take_rows(&table, &there).map_err(StageError::failed)?;
        context.write_beside("stars", &table, &of_stars(table.schema_ref()), &rows)?;
        let points = corrected.iter().flat_map(|one| {
            let stream = one.fitted.stream;
            one.track.iter().map(move |&point| OffsetRow { stream, point })
        });
        context.write_rows("offsets", &of_offsets(), &points.collect::<Vec<_>>())?;
        context.write_rows("streams", &of_streams(), &corrected)?;
        Ok(Outcome::Complete)
    }
}

impl CorrectStreams {
    fn corrected(
        &self,
        context: &StageContext,
        galaxy: &Expansion,
        of: &Streams,
        sun: &Sun,
    ) -> Result<Vec<Corrected>, FitError> {
        let settings = self.settings();
        let progress = context.progress(settings.iterations as u64, "iterations");
        let go_on = |_| {
            progress.add(1);
            !context.cancel.is_cancelled()
        };
        correct(galaxy, &of.streams, sun, &settings, &go_on)
    }
}

/// What speaks against the simulated streams.
fn doubt(context: &StageContext, corrected: &[Corrected]) -> Result<(), StageError> {
    let sum: f64 = corrected.iter().map(|one| one.fitted.ln_likelihood).sum();
    context.metric("ln_likelihood", sum, "");
    let chi = dynamics::statistics::rms(corrected.iter().map(|one| one.fitted.chi));
    context.metric("chi", chi.unwrap_or(f64::NAN), "");
    let bad = |one: &&Corrected| is_above(one.fitted.chi, CHI);
    let worst = corrected.iter().max_by(|a, b| a.fitted.chi.total_cmp(&b.fitted.chi));
    if let Some(worst) = worst.filter(bad) {
        context.finding(format!(
            "{} of the streams do not fit in this field, the worst stream {} with a χ of {:.1}",
            corrected.iter().filter(bad).count(),
            called(context, worst.fitted.stream)?,
            worst.fitted.chi
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::observe::observe::Observe;
    use crate::sample::spray_streams::SprayStreams;
    use crate::testing::{faults, planned, run, stage};

    /// Three streams of 24 stars in a galaxy like the first guess, with errors.
    fn sky() -> ::tables::RecordBatch {
        let spray = stage::<SprayStreams>(json!({
            "potential": { "composite": [{ "miyamoto_nagai": { "mass": 5e10, "radius": 3.0, "height": 0.3 } },
                { "logarithmic": { "velocity": 180.0, "core": 5.0, "axes": [1.0, 1.0, 0.95] } }] },
            "streams": 3, "stars": 24, "age": 1.0, "progenitors": { "radius": [12.0, 20.0], "mass": [2e4, 2e4] }, "seed": 2,
        }));
        let stars = run(&spray, &[], &[]).completed();
        let observe =
            stage::<Observe>(json!({ "errors": { "distance": 0.01, "v_los": 1.0, "mu_l_cosb": 0.02, "mu_b": 0.02 } }));
        let mut observed = run(&observe, &[("stars", &stars.tables["stars"])], &[]).completed();
        observed.tables.remove("stars").unwrap()
    }

    fn small() -> CorrectStreams {
        stage(json!({ "age": 1.0, "releases": 32 }))
    }

    #[test]
    fn stars_are_moved_by_what_is_told_and_keep_their_errors() {
        let sky = sky();
        let ran = run(&small(), &[("stars", &sky)], &[]).completed();
        let places = rows_by_star("stars", &sky).unwrap();
        let (streams, stars) = (ran.i64("stars", "stream"), ran.i64("stars", "star"));
        assert!(streams.len() > 60, "{}", ran.notes());
        let before = |name: &str| ::tables::f64_column(&sky, name).unwrap().to_vec();
        for (name, offset) in [("v_los", Some("v_los_offset")), ("v_los_error", None)] {
            let (from, to) = (before(name), ran.f64("stars", name));
            let offset = offset.map(|offset| ran.f64("stars", offset));
            for (row, (stream, star)) in streams.iter().zip(&stars).enumerate() {
                let place = places[&StarId {
                    stream: *stream,
                    star: *star,
                }];
                let expected = from[place] + offset.as_ref().map_or(0.0, |offset| offset[row]);
                assert!((to[row] - expected).abs() < 1e-9, "{name}: {} {expected}", to[row]);
            }
        }
        // What is seen is what is there.
        let sun = Sun::default();
        let points: Vec<PhaseSpace> = crate::common::io::quantity(&ran.tables["stars"]).unwrap();
        for (point, distance) in points.iter().zip(ran.f64("stars", "distance")) {
            assert!((sun.observe(point).unwrap().distance - distance).abs() < 1e-9);
        }
        assert_eq!(ran.i64("streams", "stream"), [0, 1, 2]);
        assert!(ran.f64("streams", "chi").iter().all(|chi| *chi < 1.5) && ran.findings().is_empty());
        assert_eq!(ran.tables["offsets"].num_rows(), 120);
    }

    #[test]
    fn what_cannot_be_corrected_is_set_aside() {
        // Two of the three streams, and three stars of another one.
        let rows: Vec<usize> = (0..51).collect();
        let few = ::tables::take_rows(&sky(), &rows).unwrap();
        let ran = run(&small(), &[("stars", &few)], &[]).completed();
        assert_eq!(ran.i64("streams", "stream"), [0, 1]);
        assert!(
            ran.texts("set_aside", "reason")
                .contains(&"in its stream there are 3 stars; at least 8 are needed")
        );
        let wrong = planned(&small(), &[("stars", std::sync::Arc::new(columns::stars(&[])))]);
        assert!(wrong.is_err_and(|why| why.contains("distance")));
        assert_eq!(
            faults::<CorrectStreams>(json!({ "releases": 0, "errors": { "distance": -1.0 } })).len(),
            2
        );
    }
}
