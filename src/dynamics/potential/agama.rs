//! Potentials in the ini files of AGAMA.
//!
//! A file has sections `[Potential …]`, each with a `type` and its parameters, and its potential is their sum. Lengths are in kpc,
//! velocities in km/s and masses in M_sun, as in the files that come with AGAMA. Keys are read in any case; a line that begins with
//! `#` or `;` is a comment.
//!
//! | type | parameters |
//! | --- | --- |
//! | `Disk` | surfaceDensity or mass, scaleRadius, scaleHeight (below 0: isothermal), innerCutoffRadius |
//! | `Spheroid` | densityNorm or mass, scaleRadius, axisRatioZ, alpha, beta, gamma, outerCutoffRadius, cutoffStrength |
//! | `Dehnen` | mass, scaleRadius, gamma, axisRatioZ |
//! | `NFW`, `Plummer`, `Isochrone` | mass, scaleRadius |
//! | `MiyamotoNagai` | mass, scaleRadius, scaleHeight |
//! | `Logarithmic` | v0, scaleRadius, axisRatioY, axisRatioZ |
//! | `Multipole`, `CylSpline` | `density`, one of the first three types, which is expanded in our way |
//!
//! **Source**: Vasiliev (2019), and the reference guide of AGAMA, section “Potential”.

use super::{
    Composite, Dehnen, Disc, Galaxy, InvalidParameter, Isochrone, Kepler, Logarithmic, MiyamotoNagai, Nfw, Plummer,
    Potential, Profile, Spheroid,
};
use std::f64::consts::PI;
use std::sync::Arc;

/// A file that is not read, and the line that says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct NotRead {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// The potential of a file with this text.
pub fn read(text: &str) -> Result<Box<dyn Potential>, NotRead> {
    let sections = sections(text)?;
    let last = text.lines().count().max(1);
    let (mut discs, mut spheroids) = (Vec::new(), Vec::new());
    let mut others: Vec<Arc<dyn Potential>> = Vec::new();
    for section in sections {
        match section.part()? {
            Part::Disc(disc) => discs.push(disc),
            Part::Spheroid(spheroid) => spheroids.push(spheroid),
            Part::Other(potential) => others.push(potential),
        }
    }
    let whole = |error: InvalidParameter| NotRead {
        line: last,
        message: error.to_string(),
    };
    if discs.is_empty() && spheroids.is_empty() && others.is_empty() {
        return Err(NotRead {
            line: last,
            message: "the file ends without a section [Potential]".to_owned(),
        });
    }
    if !(discs.is_empty() && spheroids.is_empty()) {
        let galaxy = Galaxy::new(discs, spheroids).map_err(whole)?;
        if others.is_empty() {
            return Ok(Box::new(galaxy));
        }
        others.insert(0, Arc::new(galaxy));
    }
    Ok(Box::new(Composite::new(others).map_err(whole)?))
}

/// What one section makes.
enum Part {
    Disc(Disc),
    Spheroid(Spheroid),
    Other(Arc<dyn Potential>),
}

/// `key = value` on a line.
struct Entry {
    line: usize,
    key: String,
    value: String,
}

struct Section {
    line: usize,
    entries: Vec<Entry>,
}

fn sections(text: &str) -> Result<Vec<Section>, NotRead> {
    let mut sections: Vec<Section> = Vec::new();
    for (row, text) in text.lines().enumerate() {
        let (line, text) = (row + 1, text.trim().trim_start_matches('\u{feff}'));
        let wrong = |message: String| NotRead { line, message };
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !name.trim().to_lowercase().starts_with("potential") {
                return Err(wrong(format!("section [{name}] is no [Potential]")));
            }
            sections.push(Section {
                line,
                entries: Vec::new(),
            });
            continue;
        }
        let Some((key, value)) = text.split_once('=') else {
            return Err(wrong(format!("`{text}` is neither a [section] nor key = value")));
        };
        let Some(section) = sections.last_mut() else {
            return Err(wrong(format!(
                "`{}` stands before the first section [Potential]",
                key.trim()
            )));
        };
        let value = value.split_once('#').map_or(value, |(value, _)| value);
        let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
        if section.entries.iter().any(|entry| entry.key == key) {
            return Err(wrong(format!("`{key}` is given twice in its section")));
        }
        section.entries.push(Entry { line, key, value });
    }
    Ok(sections)
}

/// How finely AGAMA expands or tabulates; ours is fixed.
const RESOLUTION: [&str; 10] = [
    "lmax",
    "mmax",
    "gridsizer",
    "gridsizez",
    "rmin",
    "rmax",
    "zmin",
    "zmax",
    "smoothing",
    "fixorder",
];

impl Section {
    /// The value of a key, by the first of its `names` that is there.
    fn take(&mut self, names: &[&str]) -> Option<Entry> {
        let place = self
            .entries
            .iter()
            .position(|entry| names.contains(&entry.key.as_str()))?;
        Some(self.entries.remove(place))
    }

    fn number(&mut self, names: &[&str]) -> Result<Option<f64>, NotRead> {
        let Some(entry) = self.take(names) else { return Ok(None) };
        match entry.value.parse::<f64>() {
            Ok(value) if !value.is_nan() => Ok(Some(value)),
            _ => Err(NotRead {
                line: entry.line,
                message: format!("`{}` must be a number, not `{}`", entry.key, entry.value),
            }),
        }
    }

    /// A number whose default is AGAMA's.
    fn or(&mut self, names: &[&str], default: f64) -> Result<f64, NotRead> {
        Ok(self.number(names)?.unwrap_or(default))
    }

    fn wrong(&self, message: impl Into<String>) -> NotRead {
        NotRead {
            line: self.line,
            message: message.into(),
        }
    }

    fn part(mut self) -> Result<Part, NotRead> {
        let Some(mut of) = self.take(&["type"]) else {
            return Err(self.wrong("the section has no `type`"));
        };
        if ["multipole", "cylspline"].contains(&of.value.to_lowercase().as_str()) {
            let density = self.take(&["density"]);
            of = density.ok_or_else(|| NotRead {
                line: of.line,
                message: format!(
                    "type {} is read only with `density`, not from coefficients or a snapshot",
                    of.value
                ),
            })?;
            self.entries.retain(|entry| !RESOLUTION.contains(&entry.key.as_str()));
        }
        let part = match of.value.to_lowercase().as_str() {
            "disk" => Part::Disc(self.disc()?),
            "spheroid" => Part::Spheroid(self.spheroid()?),
            "dehnen" => self.dehnen()?,
            "nfw" => self.sphere(|mass, scale| Ok(Arc::new(Nfw::new(mass, scale)?)))?,
            "plummer" => self.sphere(|mass, scale| match scale {
                0.0 => Ok(Arc::new(Kepler::new(mass)?)),
                scale => Ok(Arc::new(Plummer::new(mass, scale)?)),
            })?,
            "isochrone" => self.sphere(|mass, scale| Ok(Arc::new(Isochrone::new(mass, scale)?)))?,
            "miyamotonagai" => self.miyamoto_nagai()?,
            "logarithmic" => self.logarithmic()?,
            _ => {
                return Err(NotRead {
                    line: of.line,
                    message: format!(
                        "type {} is not read: Disk, Spheroid, Dehnen, NFW, Plummer, Isochrone, MiyamotoNagai and Logarithmic are",
                        of.value
                    ),
                });
            }
        };
        match self.entries.first() {
            None => Ok(part),
            Some(entry) => Err(NotRead {
                line: entry.line,
                message: format!("`{}` is not read for type {}", entry.key, of.value),
            }),
        }
    }

    /// What a constructor refuses, at the section's line.
    fn made<P>(&self, made: Result<P, InvalidParameter>) -> Result<P, NotRead> {
        made.map_err(|error| self.wrong(error.to_string()))
    }

    fn other<P: Potential + 'static>(&self, made: Result<P, InvalidParameter>) -> Result<Part, NotRead> {
        Ok(Part::Other(Arc::new(self.made(made)?)))
    }

    fn sphere(
        &mut self,
        make: impl Fn(f64, f64) -> Result<Arc<dyn Potential>, InvalidParameter>,
    ) -> Result<Part, NotRead> {
        let (mass, scale) = (self.or(&["mass"], 1.0)?, self.or(&["scaleradius", "rscale"], 1.0)?);
        Ok(Part::Other(self.made(make(mass, scale))?))
    }

    fn miyamoto_nagai(&mut self) -> Result<Part, NotRead> {
        let (mass, radius) = (self.or(&["mass"], 1.0)?, self.or(&["scaleradius", "rscale"], 1.0)?);
        let height = self.or(&["scaleheight", "scaleradius2"], 1.0)?;
        self.other(MiyamotoNagai::of_any_mass(mass, radius, height))
    }

    fn logarithmic(&mut self) -> Result<Part, NotRead> {
        let Some(velocity) = self.number(&["v0"])? else {
            return Err(self.wrong("type Logarithmic needs `v0`"));
        };
        let core = self.or(&["scaleradius", "rscale"], 1.0)?;
        let axes = [
            1.0,
            self.or(&["axisratioy", "p"], 1.0)?,
            self.or(&["axisratioz", "q"], 1.0)?,
        ];
        self.other(Logarithmic::new(velocity, core, axes))
    }

    /// The axis ratio q; there must be no other p than 1.
    fn flattening(&mut self) -> Result<f64, NotRead> {
        if self.or(&["axisratioy", "p"], 1.0)? != 1.0 {
            return Err(self.wrong("a triaxial density is not read: `axisRatioY` must be 1"));
        }
        self.or(&["axisratioz", "q"], 1.0)
    }

    fn dehnen(&mut self) -> Result<Part, NotRead> {
        let (mass, scale) = (self.or(&["mass"], 1.0)?, self.or(&["scaleradius", "rscale"], 1.0)?);
        let (slope, flattening) = (self.or(&["gamma"], 1.0)?, self.flattening()?);
        if flattening == 1.0 {
            return self.other(Dehnen::new(mass, scale, slope));
        }
        let spheroid = Spheroid {
            density: (3.0 - slope) * mass / (4.0 * PI * flattening * scale.powi(3)),
            axis_ratio: flattening,
            inner_slope: slope,
            outer_slope: 4.0,
            scale_radius: scale,
            ..Spheroid::default()
        };
        self.made(Galaxy::check(&[], &[spheroid]))?;
        Ok(Part::Spheroid(spheroid))
    }

    fn disc(&mut self) -> Result<Disc, NotRead> {
        let height = self.or(&["scaleheight", "scaleradius2"], 1.0)?;
        for (key, plain) in [("sersicindex", 1.0), ("modulationamplitude", 0.0)] {
            if self.or(&[key], plain)? != plain {
                return Err(self.wrong(format!("a Disk with `{key}` is not read")));
            }
        }
        let unit = Disc {
            surface_density: 1.0,
            scale_length: self.or(&["scaleradius", "rscale"], 1.0)?,
            scale_height: height.abs(),
            hole_radius: self.or(&["innercutoffradius"], 0.0)?,
            profile: if height < 0.0 {
                Profile::Isothermal
            } else {
                Profile::Exponential
            },
        };
        self.made(Galaxy::check(&[unit], &[]))?;
        let surface_density = self.norm(&["surfacedensity", "sigma0"], || Some(unit.mass()))?;
        let disc = Disc {
            surface_density,
            ..unit
        };
        self.made(Galaxy::check(&[disc], &[]))?;
        self.entries
            .retain(|entry| !["lmax", "mmax"].contains(&entry.key.as_str()));
        Ok(disc)
    }

    fn spheroid(&mut self) -> Result<Spheroid, NotRead> {
        let unit = Spheroid {
            density: 1.0,
            axis_ratio: self.flattening()?,
            inner_slope: self.or(&["gamma"], 1.0)?,
            outer_slope: self.or(&["beta"], 4.0)?,
            sharpness: self.or(&["alpha"], 1.0)?,
            scale_radius: self.or(&["scaleradius", "rscale"], 1.0)?,
            cutoff_radius: self.or(&["outercutoffradius"], f64::INFINITY)?,
            cutoff_strength: self.or(&["cutoffstrength", "xi"], 2.0)?,
        };
        self.made(Galaxy::check(&[], &[unit]))?;
        let density = self.norm(&["densitynorm", "rho0"], || unit.mass())?;
        let spheroid = Spheroid { density, ..unit };
        self.made(Galaxy::check(&[], &[spheroid]))?;
        self.entries
            .retain(|entry| !["lmax", "mmax"].contains(&entry.key.as_str()));
        Ok(spheroid)
    }

    /// A density by its own key, or by the mass and that of a unit density.
    fn norm(&mut self, names: &[&str], unit: impl Fn() -> Option<f64>) -> Result<f64, NotRead> {
        let (own, mass) = (self.number(names)?, self.number(&["mass"])?);
        match (own, mass) {
            (Some(own), None) => Ok(own),
            (None, Some(mass)) => match unit() {
                Some(unit) => Ok(mass / unit),
                None => Err(self.wrong(format!("has no finite mass: give `{}`", names[0]))),
            },
            (None, None) => Err(self.wrong(format!("needs `{}` or `mass`", names[0]))),
            (Some(_), Some(_)) => Err(self.wrong(format!("`{}` and `mass` exclude each other", names[0]))),
        }
    }
}

#[cfg(test)]
#[path = "agama_tests.rs"]
mod tests;
