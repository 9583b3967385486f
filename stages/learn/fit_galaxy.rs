//! Fits a galaxy to tidal streams as they are observed.

mod tables;

use std::sync::atomic::{AtomicUsize, Ordering};

use dynamics::sky::Sun;
use dynamics::streams::{Correction, Fit, FitError, Settings, Source, Stream, fit, fit_as};
use dynamics::units;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub use self::tables::galaxy_table;

use self::tables::{Member, RadiusRow, StreamRow, of_galaxy, of_members, of_streams};
use crate::common::columns;
use crate::common::io::{TableContext, called};
use crate::common::learned_field::{self, LearnedField, Others, OthersAre};
use crate::common::networks;
use crate::common::parameters::{FieldSymmetry, Gyr, Kpc, SolarMasses, not_negative, positive};
use crate::common::set_aside::{self, OnFailure};
use crate::common::sun::{self, SunParameters};
use crate::common::tidal_streams::{CHI, Errors, PLACE, Streams, is_above, unusable};

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
    /// Symmetry of the correction to the disc and the halo; that streams speak against it is a finding.
    pub symmetry: FieldSymmetry,
    /// How many scales the correction has; 0 for none.
    pub scales: u32,
    /// Standard deviation to which its coefficients are shrunk, where one is a change of v_c² by at most 0.385 of the square of a hundred kilometres a second.
    pub shrinkage: f64,
    /// Shrinkages to choose from: that in whose galaxies the streams that are left out are likeliest; needs `held_out`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shrinkages: Vec<f64>,
    /// Standard deviation of the coefficients of discs of other scales, in the unit of `shrinkage`; 0 for none of them.
    pub discs: f64,
    /// How many of a stream's stars are independent; left out, all. Points of a track are far more than what was measured of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub independent: Option<u32>,
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
    /// What to do about streams that cannot be fitted.
    pub failures: OnFailure,
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
            shrinkages: Vec::new(),
            discs: usual.discs,
            independent: None,
            age: Gyr(usual.age.0),
            mass: SolarMasses(usual.mass),
            progenitor: usual.progenitor,
            releases: usual.releases as u32,
            held_out: 0,
            errors: Errors::default(),
            sun: None,
            radii: [5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0].map(Kpc).to_vec(),
            failures: OnFailure::default(),
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

/// Galaxies drawn from the posterior that the field has beside it.
const DRAWN: usize = 8;

/// Streams that disagree with each other by more than this many times their errors make these doubtful.
const MISFIT: f64 = 2.0;

/// χ² of an asymmetric term, in the mean over all of them, above which the galaxy is not symmetric: of seven terms, one sample in 20 000 has more by chance.
const ASYMMETRY: f64 = 4.5;

impl Stage for FitGalaxy {
    const KIND: &'static str = "fit_galaxy";
    const ABOUT: &'static str = "Fit a galaxy to tidal streams, with error bars";
    const REVISION: u32 = 8;
    const ROLE: Role = Role::Learn;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &PLACE)]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if let Some(schema) = runner::ports::connected_schema(connected, "stars") {
            sun::agreed("stars", schema, self.sun)?;
            if let Some(why) = unusable("stars", schema, &self.errors) {
                return Err(why);
            }
        }
        let outputs = vec![
            OutputPort::network("field", networks::LINEAR_FIELD),
            OutputPort::table("streams", of_streams().schema()),
            OutputPort::table("galaxy", of_galaxy().schema()),
            OutputPort::table("members", of_members().schema()),
            set_aside::port(),
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
        faults.extend(positive("independent", self.independent));
        if let Some(wrong) = self.shrinkages.iter().find(|one| !(**one > 0.0 && one.is_finite())) {
            faults.push(Fault::new("shrinkages", format!("must be positive, not {wrong}")));
        }
        if !self.shrinkages.is_empty() && self.held_out == 0 {
            let mut fault = Fault::new("shrinkages", "are chosen by streams that are held out, and none is");
            fault.hint = Some("such as `held_out: 4`".to_owned());
            faults.push(fault);
        }
        faults.extend(not_negative("discs", self.discs));
        faults.extend(self.errors.faults());
        if self.scales > 12 {
            faults.push(Fault::new("scales", format!("at most 12, not {}", self.scales)));
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let sun = sun::agreed("stars", table.schema_ref(), self.sun).map_err(StageError::failed)?;
        let sun = Sun::from(&sun);
        let mut of = Streams::read(&table, &self.errors)?;
        let found = loop {
            if of.streams.is_empty() {
                break None;
            }
            match self.fit(context, &of.streams, &sun) {
                Ok(found) => break Some(found),
                // The others may have one.
                Err(FitError::NoOrbit { stream }) => {
                    let place = of.streams.iter().position(|one| one.stream == stream);
                    of.leave_out(place.unwrap_or(0), "its stream has no orbit in the trial galaxy");
                }
                Err(error) => return Err(failed(context, error)),
            }
        };
        std::mem::take(&mut of.set_aside).write(context, self.failures, table.num_rows(), "stars")?;
        let Some((source, mut found)) = found else {
            return Ok(set_aside::all_set_aside(table.num_rows(), "stars"));
        };
        let Held { shrinkage, chi: held } = self.hold_out(context, &of.streams, &sun, source)?;
        if shrinkage != self.shrinkage {
            let go_on = |_| !context.cancel.is_cancelled();
            let again = fit(
                &of.streams,
                &sun,
                &self.settings(source, shrinkage),
                None,
                false,
                &go_on,
            );
            found = again.map_err(|error| failed(context, error))?;
        }
        let found = (source, found);
        self.doubt(context, &found, &held)?;
        self.write(context, &of, &found, &held)?;
        Ok(Outcome::Complete)
    }
}

/// What streams that are left out say.
struct Held {
    /// The shrinkage under which they are likeliest.
    shrinkage: f64,
    /// χ of each stream in the galaxy of others.
    chi: Vec<Option<f64>>,
}

impl FitGalaxy {
    fn settings(&self, source: Source, shrinkage: f64) -> Settings {
        Settings {
            correction: match self.symmetry {
                FieldSymmetry::Axisymmetric => Correction::Axisymmetric,
                FieldSymmetry::None => Correction::Free,
            },
            scales: self.scales as usize,
            shrinkage,
            discs: self.discs,
            independent: self.independent.map(|independent| independent as usize),
            releases: self.releases as usize,
            age: units::Gyr(self.age.get()),
            progenitor: self.progenitor,
            mass: self.mass.get(),
            seed: self.seed,
            ..Settings::of(source)
        }
    }

    /// The likelier fit of those asked for.
    fn fit(&self, context: &StageContext, streams: &[Stream], sun: &Sun) -> Result<(Source, Fit), FitError> {
        let sources: &[Source] = match self.streams {
            StreamsAre::Found => &[Source::Spray, Source::Orbit],
            StreamsAre::Stripped => &[Source::Spray],
            StreamsAre::Orbits => &[Source::Orbit],
        };
        let steps: usize = sources
            .iter()
            .map(|source| self.settings(*source, self.shrinkage).iterations)
            .sum();
        let progress = context.progress(steps as u64, "iterations");
        let mut best: Option<(Source, Fit)> = None;
        for &source in sources {
            let settings = self.settings(source, self.shrinkage);
            let next = AtomicUsize::new(0);
            // A stream that begins once more asks within an iteration.
            let go_on = |iteration| {
                if next.fetch_max(iteration + 1, Ordering::Relaxed) <= iteration {
                    progress.add(1);
                }
                !context.cancel.is_cancelled()
            };
            let found = fit(streams, sun, &settings, None, false, &go_on)?;
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
        best.ok_or(FitError::NoStreams)
    }

    /// Leaves streams out, under each shrinkage to choose from.
    fn hold_out(
        &self,
        context: &StageContext,
        streams: &[Stream],
        sun: &Sun,
        source: Source,
    ) -> Result<Held, StageError> {
        let none = Held {
            shrinkage: self.shrinkage,
            chi: vec![None; streams.len()],
        };
        if self.held_out < 2 {
            return Ok(none);
        }
        if streams.len() < 2 {
            context.note("there is one stream, and none to judge it by: nothing is held out");
            return Ok(none);
        }
        let own = [self.shrinkage];
        let choice: &[f64] = if self.shrinkages.is_empty() {
            &own
        } else {
            &self.shrinkages
        };
        let mut best: Option<(f64, Held)> = None;
        for &shrinkage in choice {
            let (ln_likelihood, chi) = self.judged(context, streams, sun, &self.settings(source, shrinkage))?;
            if choice.len() > 1 {
                context.metric(&format!("held_out_ln_likelihood_{shrinkage}"), ln_likelihood, "");
            }
            if best.as_ref().is_none_or(|(most, _)| ln_likelihood > *most) {
                best = Some((ln_likelihood, Held { shrinkage, chi }));
            }
        }
        let Some((ln_likelihood, held)) = best else {
            return Ok(none);
        };
        context.metric("held_out_ln_likelihood", ln_likelihood, "");
        if choice.len() > 1 {
            context.metric("shrinkage", held.shrinkage, "");
        }
        Ok(held)
    }

    /// ln of the likelihood of streams, each left out once, in galaxies of the others, and their χ.
    fn judged(
        &self,
        context: &StageContext,
        streams: &[Stream],
        sun: &Sun,
        settings: &Settings,
    ) -> Result<(f64, Vec<Option<f64>>), StageError> {
        // Of galaxies that judge, nothing more is asked.
        let settings = &Settings {
            asks: false,
            ..settings.clone()
        };
        let parts = (self.held_out as usize).min(streams.len());
        let go_on = |_| !context.cancel.is_cancelled();
        let (mut sum, mut chi) = (0.0, vec![None; streams.len()]);
        for part in 0..parts {
            let (out, within): (Vec<usize>, Vec<usize>) = (0..streams.len()).partition(|place| place % parts == part);
            let of = |places: &[usize]| places.iter().map(|&place| streams[place].clone()).collect::<Vec<_>>();
            let galaxy = fit(&of(&within), sun, settings, None, false, &go_on);
            let found = galaxy.and_then(|galaxy| fit_as(&galaxy, &of(&out), sun, settings, true, &go_on));
            let found = found.map_err(|error| failed(context, error))?;
            sum += found.ln_likelihood;
            for (place, stream) in out.iter().zip(&found.streams) {
                chi[*place] = Some(stream.chi);
            }
        }
        Ok((sum, chi))
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
                    "{bad} of the streams do not fit, the worst stream {} with a χ of {:.1}; their errors count as that much larger",
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
        if let Some(asymmetry) = &found.asymmetry {
            context.metric("asymmetry_chi2", asymmetry.chi2, "");
            context.metric("asymmetry_force", asymmetry.force, "");
            if is_above(asymmetry.chi2, ASYMMETRY * asymmetry.terms as f64) {
                context.finding(format!(
                    "the streams speak against the symmetry: {} terms that it rules out would lower χ² by {:.0}; take `symmetry: none`",
                    asymmetry.terms, asymmetry.chi2
                ));
            }
        } else if self.symmetry == FieldSymmetry::Axisymmetric {
            context.finding("the streams do not say whether the galaxy has the symmetry that it was given");
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
        of: &Streams,
        (_, found): &(Source, Fit),
        held: &[Option<f64>],
    ) -> Result<(), StageError> {
        let fields = found.draws(DRAWN, self.seed);
        // Where next to nothing is known, some that are drawn are no galaxies.
        let is_known = fields.len() == DRAWN && fields.iter().all(learned_field::is_readable);
        let field = LearnedField {
            extent: found.radii.1,
            expansion: found.galaxy.clone(),
            others: is_known.then_some(Others {
                fields,
                are: OthersAre::Drawn,
                understated: 1.0,
            }),
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
        let stars = of.ids.iter().flatten();
        let memberships = found.streams.iter().flat_map(|stream| &stream.membership);
        let mut rows: Vec<Member> = stars
            .zip(memberships)
            .map(|(&id, &membership)| Member { id, membership })
            .collect();
        rows.sort_by_key(|row| row.id);
        context.write_rows("members", &of_members(), &rows)
    }
}

fn failed(context: &StageContext, error: FitError) -> StageError {
    if error == FitError::Stopped || context.cancel.is_cancelled() {
        return StageError::Cancelled;
    }
    StageError::failed(format!("input stars: {error}"))
}

#[cfg(test)]
mod tests;
