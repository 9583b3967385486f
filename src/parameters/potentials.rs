//! Potentials as pipelines and Python name them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dynamics::potential::{
    Composite, Dehnen, Disc, Galaxy, InvalidParameter, Isochrone, Kepler, Logarithmic, MilkyWay, MiyamotoNagai, Nfw,
    Plummer, Potential, PowerLawCutoff, Profile, Spheroid, Symmetry, TruncatedFlat, Turned, agama,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantities::{
    ANY, Degrees, FROM_ZERO, KmPerSecond, Kpc, SolarMasses, SolarMassesPerKpc2, SolarMassesPerKpc3,
};

/// Mass and scale of a spherical potential with two parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MassAndScale {
    /// Total mass, M_sun.
    pub mass: SolarMasses,
    /// Scale length, kpc.
    pub scale: Kpc,
}

/// Mass of a potential with one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MassAlone {
    /// Mass, M_sun.
    pub mass: SolarMasses,
}

/// A gravitational potential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PotentialParameters {
    /// The point mass: −GM / r.
    Kepler(MassAlone),
    /// The isochrone sphere: −GM / (b + √(b² + r²)).
    Isochrone(MassAndScale),
    /// The Plummer sphere: −GM / √(a² + r²).
    Plummer(MassAndScale),
    /// The NFW halo: the mass is 4πρ₀r_s³, the scale r_s.
    Nfw(MassAndScale),
    /// Hernquist's sphere: −GM / (r + a).
    Hernquist(MassAndScale),
    /// The sphere of Dehnen (1993), ρ ∝ r^(−γ) (r + a)^(γ−4).
    Dehnen(DehnenParameters),
    /// The sphere ρ ∝ r^(−α) exp(−(r/r_c)²).
    PowerLawCutoff(PowerLawCutoffParameters),
    /// The halo of Wilkinson & Evans (1999), with a flat rotation curve up to about `scale`.
    TruncatedFlat(MassAndScale),
    /// The disc of Miyamoto & Nagai.
    MiyamotoNagai(DiscParameters),
    /// The logarithmic halo ½v₀² ln(r_c² + (x/p)² + (y/q)² + (z/s)²).
    Logarithmic(LogarithmicParameters),
    /// Model 1 of Dehnen & Binney (1998).
    #[serde(rename = "dehnen_binney_98_1")]
    DehnenBinney981,
    /// The model of Piffl et al. (2014).
    #[serde(rename = "piffl_14")]
    Piffl14,
    /// MWPotential2014 of Bovy (2015): R₀ = 8 kpc, v_c(R₀) = 220 km/s.
    #[serde(rename = "mw_potential_2014")]
    MwPotential2014,
    /// The best model of McMillan (2017).
    #[serde(rename = "mcmillan_17")]
    McMillan17,
    /// MilkyWayPotential of gala (Price-Whelan 2017).
    #[serde(rename = "milky_way_potential_2017")]
    MilkyWayPotential2017,
    /// MilkyWayPotential2022 of gala.
    #[serde(rename = "milky_way_potential_2022")]
    MilkyWayPotential2022,
    /// Law & Majewski (2010), with a triaxial halo.
    #[serde(rename = "law_majewski_10")]
    LawMajewski10,
    /// Model I of Irrgang et al. (2013).
    #[serde(rename = "irrgang_13_1")]
    Irrgang131,
    /// Model II of Irrgang et al. (2013).
    #[serde(rename = "irrgang_13_2")]
    Irrgang132,
    /// Model III of Irrgang et al. (2013).
    #[serde(rename = "irrgang_13_3")]
    Irrgang133,
    /// Double-exponential discs and spheroids, the form of both galaxies above.
    Galaxy(GalaxyParameters),
    /// The sum of several.
    Composite(Vec<PotentialParameters>),
    /// Another, turned about the z axis.
    Turned(Box<TurnedParameters>),
    /// An ini file of AGAMA; a relative path is from the pipeline's file, or in Python from the current folder.
    Agama(PathBuf),
}

/// A Dehnen sphere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DehnenParameters {
    /// Mass, M_sun.
    pub mass: SolarMasses,
    /// Scale radius a, kpc.
    pub scale: Kpc,
    /// Inner slope γ, at least 0 and below 3.
    pub inner_slope: f64,
}

/// A power law with a cut-off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerLawCutoffParameters {
    /// Total mass, M_sun.
    pub mass: SolarMasses,
    /// Slope α, at least 0 and below 2.
    pub slope: f64,
    /// Cut-off radius r_c, kpc.
    pub cutoff_radius: Kpc,
}

/// A potential that is turned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TurnedParameters {
    /// Angle from x towards y, deg.
    pub angle: Degrees<ANY>,
    /// The potential.
    pub potential: PotentialParameters,
}

/// A disc of Miyamoto & Nagai.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscParameters {
    /// Mass, M_sun.
    pub mass: SolarMasses,
    /// Scale radius a, kpc.
    pub radius: Kpc,
    /// Scale height b, kpc.
    pub height: Kpc,
}

/// Discs and spheroids; at least one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GalaxyParameters {
    /// Discs.
    pub discs: Vec<ExponentialDisc>,
    /// Bulges and haloes.
    pub spheroids: Vec<SpheroidParameters>,
}

/// A disc Σ₀ exp(−R_hole/R − R/R_d), exponential or isothermal in z.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDisc {
    /// Central surface density Σ₀, M_sun/kpc².
    pub surface_density: SolarMassesPerKpc2<FROM_ZERO>,
    /// Scale length R_d, kpc.
    pub scale_length: Kpc,
    /// Scale height z_d, kpc.
    pub scale_height: Kpc,
    /// Radius of the central hole, kpc.
    #[serde(default = "no_hole")]
    pub hole_radius: Kpc<FROM_ZERO>,
    /// How the density falls with height.
    #[serde(default)]
    pub profile: VerticalProfile,
}

/// The density of a disc against height.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerticalProfile {
    /// exp(−|z|/z_d)/(2 z_d).
    #[default]
    Exponential,
    /// sech²(z/2z_d)/(4 z_d).
    Isothermal,
}

/// A spheroid ρ₀ (m/r₀)^(−γ) (1 + (m/r₀)^α)^((γ−β)/α) exp(−(m/r_cut)^ξ), m² = R² + z²/q².
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpheroidParameters {
    /// Density scale ρ₀, M_sun/kpc³.
    pub density: SolarMassesPerKpc3<FROM_ZERO>,
    /// Axis ratio q.
    #[serde(default = "one")]
    pub axis_ratio: f64,
    /// Inner slope γ.
    pub inner_slope: f64,
    /// Outer slope β.
    pub outer_slope: f64,
    /// How sharply one slope turns into the other, α.
    #[serde(default = "one")]
    pub sharpness: f64,
    /// Scale radius r₀, kpc.
    pub scale_radius: Kpc,
    /// Cut-off radius r_cut, kpc; left out, there is none.
    #[serde(default)]
    pub cutoff_radius: Option<Kpc>,
    /// How sharply it is cut off, ξ.
    #[serde(default = "two")]
    pub cutoff_strength: f64,
}

fn no_hole() -> Kpc<FROM_ZERO> {
    Kpc(0.0)
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

impl GalaxyParameters {
    fn components(&self) -> (Vec<Disc>, Vec<Spheroid>) {
        let disc = |disc: &ExponentialDisc| Disc {
            surface_density: disc.surface_density.get(),
            scale_length: disc.scale_length.get(),
            scale_height: disc.scale_height.get(),
            hole_radius: disc.hole_radius.get(),
            profile: match disc.profile {
                VerticalProfile::Exponential => Profile::Exponential,
                VerticalProfile::Isothermal => Profile::Isothermal,
            },
        };
        let spheroid = |spheroid: &SpheroidParameters| Spheroid {
            density: spheroid.density.get(),
            axis_ratio: spheroid.axis_ratio,
            inner_slope: spheroid.inner_slope,
            outer_slope: spheroid.outer_slope,
            sharpness: spheroid.sharpness,
            scale_radius: spheroid.scale_radius.get(),
            cutoff_radius: spheroid.cutoff_radius.map_or(f64::INFINITY, Kpc::get),
            cutoff_strength: spheroid.cutoff_strength,
        };
        (
            self.discs.iter().map(disc).collect(),
            self.spheroids.iter().map(spheroid).collect(),
        )
    }
}

/// A logarithmic halo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogarithmicParameters {
    /// Circular velocity v₀ at large radii, km/s.
    pub velocity: KmPerSecond,
    /// Core radius r_c, kpc.
    pub core: Kpc,
    /// Axis ratios p, q, s.
    #[serde(default = "round")]
    pub axes: [f64; 3],
}

fn round() -> [f64; 3] {
    [1.0; 3]
}

/// A value that a potential cannot have.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// The dotted path of the value.
    pub at: String,
    /// What is wrong, with the number.
    pub message: String,
}

impl Misfit {
    fn new(at: String, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { at, message }
    }
}

/// Why a potential cannot be made, in a sentence: a value, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMade(pub String);

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotMade {}

impl From<InvalidParameter> for NotMade {
    fn from(error: InvalidParameter) -> Self {
        Self(error.to_string())
    }
}

/// Finds the file at a dotted path, which is written as the second.
type Find<'a> = dyn Fn(&str, &Path) -> Result<PathBuf, NotMade> + 'a;

impl PotentialParameters {
    /// Values that do not fit; `at` is the dotted path of this potential.
    pub fn misfits(&self, at: &str) -> Vec<Misfit> {
        match self {
            Self::Logarithmic(with) if with.axes.iter().any(|&ratio| !(ratio > 0.0 && ratio.is_finite())) => {
                vec![Misfit::new(
                    format!("{at}.logarithmic.axes"),
                    format!("must be positive, not {:?}", with.axes),
                )]
            }
            Self::Galaxy(with) => {
                let (discs, spheroids) = with.components();
                let misfit = Galaxy::check(&discs, &spheroids).err();
                let misfit = misfit.map(|error| Misfit::new(format!("{at}.galaxy"), error.to_string()));
                misfit.into_iter().collect()
            }
            Self::Dehnen(with) if !(0.0..3.0).contains(&with.inner_slope) => {
                let message = format!("must be at least 0 and below 3, not {}", with.inner_slope);
                vec![Misfit::new(format!("{at}.dehnen.inner_slope"), message)]
            }
            Self::PowerLawCutoff(with) if !(0.0..2.0).contains(&with.slope) => {
                let message = format!("must be at least 0 and below 2, not {}", with.slope);
                vec![Misfit::new(format!("{at}.power_law_cutoff.slope"), message)]
            }
            Self::Turned(with) => with.potential.misfits(&format!("{at}.turned.potential")),
            Self::Composite(parts) if parts.is_empty() => {
                vec![Misfit::new(format!("{at}.composite"), "needs at least one potential")]
            }
            Self::Composite(parts) => {
                let parts = parts.iter().enumerate();
                parts
                    .flat_map(|(index, part)| part.misfits(&format!("{at}.composite.{index}")))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The published model of this name, if it is one.
    fn model(&self) -> Option<MilkyWay> {
        match self {
            Self::DehnenBinney981 => Some(MilkyWay::DehnenBinney981),
            Self::Piffl14 => Some(MilkyWay::Piffl14),
            Self::MwPotential2014 => Some(MilkyWay::MwPotential2014),
            Self::McMillan17 => Some(MilkyWay::McMillan17),
            Self::MilkyWayPotential2017 => Some(MilkyWay::MilkyWayPotential2017),
            Self::MilkyWayPotential2022 => Some(MilkyWay::MilkyWayPotential2022),
            Self::LawMajewski10 => Some(MilkyWay::LawMajewski10),
            Self::Irrgang131 => Some(MilkyWay::Irrgang131),
            Self::Irrgang132 => Some(MilkyWay::Irrgang132),
            Self::Irrgang133 => Some(MilkyWay::Irrgang133),
            _ => None,
        }
    }

    /// The files that it is in, each with its dotted path; `at` is that of this potential.
    pub fn files(&self, at: &str) -> Vec<(String, PathBuf)> {
        match self {
            Self::Agama(path) => vec![(format!("{at}.agama"), path.clone())],
            Self::Turned(with) => with.potential.files(&format!("{at}.turned.potential")),
            Self::Composite(parts) => {
                let parts = parts.iter().enumerate();
                parts
                    .flat_map(|(index, part)| part.files(&format!("{at}.composite.{index}")))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// What it looks the same under; of a file, which is not read yet, the most that it could be.
    pub fn symmetry(&self) -> Symmetry {
        match self {
            Self::Kepler(_)
            | Self::Isochrone(_)
            | Self::Plummer(_)
            | Self::Nfw(_)
            | Self::Hernquist(_)
            | Self::Dehnen(_)
            | Self::PowerLawCutoff(_)
            | Self::TruncatedFlat(_)
            | Self::Agama(_) => Symmetry::Spherical,
            Self::Logarithmic(with) => match with.axes {
                [p, q, s] if p == q && q == s => Symmetry::Spherical,
                [p, q, _] if p == q => Symmetry::Axisymmetric,
                _ => Symmetry::Triaxial,
            },
            Self::Turned(with) => match with.potential.symmetry() {
                Symmetry::Triaxial => Symmetry::Twofold,
                other => other,
            },
            Self::Composite(parts) => parts.iter().map(Self::symmetry).max().unwrap_or(Symmetry::Spherical),
            _ => self.model().map_or(Symmetry::Axisymmetric, MilkyWay::symmetry),
        }
    }

    /// The potential; files are where they are written.
    pub fn build(&self) -> Result<Box<dyn Potential>, NotMade> {
        self.build_with(&|_, path| Ok(path.to_owned()), "")
    }

    /// The same with the files that `find` finds; `at` is the dotted path of this potential.
    pub fn build_with(&self, find: &Find, at: &str) -> Result<Box<dyn Potential>, NotMade> {
        fn boxed<P: Potential + 'static>(
            potential: Result<P, InvalidParameter>,
        ) -> Result<Box<dyn Potential>, NotMade> {
            Ok(Box::new(potential?))
        }
        match self {
            Self::Kepler(with) => boxed(Kepler::new(with.mass.get())),
            Self::Isochrone(with) => boxed(Isochrone::new(with.mass.get(), with.scale.get())),
            Self::Plummer(with) => boxed(Plummer::new(with.mass.get(), with.scale.get())),
            Self::Nfw(with) => boxed(Nfw::new(with.mass.get(), with.scale.get())),
            Self::Hernquist(with) => boxed(Dehnen::hernquist(with.mass.get(), with.scale.get())),
            Self::Dehnen(with) => boxed(Dehnen::new(with.mass.get(), with.scale.get(), with.inner_slope)),
            Self::PowerLawCutoff(with) => boxed(PowerLawCutoff::new(
                with.mass.get(),
                with.slope,
                with.cutoff_radius.get(),
            )),
            Self::TruncatedFlat(with) => boxed(TruncatedFlat::new(with.mass.get(), with.scale.get())),
            Self::MiyamotoNagai(with) => boxed(MiyamotoNagai::new(
                with.mass.get(),
                with.radius.get(),
                with.height.get(),
            )),
            Self::Logarithmic(with) => boxed(Logarithmic::new(with.velocity.get(), with.core.get(), with.axes)),
            Self::DehnenBinney981
            | Self::Piffl14
            | Self::MwPotential2014
            | Self::McMillan17
            | Self::MilkyWayPotential2017
            | Self::MilkyWayPotential2022
            | Self::LawMajewski10
            | Self::Irrgang131
            | Self::Irrgang132
            | Self::Irrgang133 => {
                let model = self
                    .model()
                    .ok_or_else(|| NotMade("a model without a name".to_owned()))?;
                Ok(model.build()?)
            }
            Self::Galaxy(with) => {
                let (discs, spheroids) = with.components();
                boxed(Galaxy::new(discs, spheroids))
            }
            Self::Composite(parts) => {
                let part = |(index, part): (usize, &Self)| {
                    part.build_with(find, &format!("{at}.composite.{index}")).map(Arc::from)
                };
                let parts = parts.iter().enumerate().map(part);
                boxed(Composite::new(parts.collect::<Result<_, _>>()?))
            }
            Self::Turned(with) => {
                let inner = with.potential.build_with(find, &format!("{at}.turned.potential"))?;
                Ok(Box::new(Turned::new(inner, with.angle.get().to_radians())))
            }
            Self::Agama(shown) => {
                let wrong = |reason: String| NotMade(format!("{}, {reason}", shown.display()));
                let text = std::fs::read(find(&format!("{at}.agama"), shown)?);
                let text = text.map_err(|error| NotMade(format!("{}: {error}", shown.display())))?;
                let text = String::from_utf8(text).map_err(|_| wrong("which is no text".to_owned()))?;
                agama::read(&text).map_err(|error| wrong(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A galaxy in AGAMA's format, at two places of a composite, is found by its place and read; its faults name file and line.
    #[test]
    fn files_of_agama_are_read_where_they_stand() {
        let folder = std::env::temp_dir().join(format!("agama-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (good, bad) = (folder.join("a.ini"), folder.join("b.ini"));
        std::fs::write(&good, "[Potential]\ntype = Plummer\nmass = 1e11\nscaleRadius = 3\n").unwrap();
        std::fs::write(&bad, "# a bar\n[Potential bar]\ntype = Ferrers\nmass = 1e10\n").unwrap();
        let plummer = PotentialParameters::Plummer(MassAndScale {
            mass: SolarMasses::try_from(1e11).unwrap(),
            scale: Kpc::try_from(3.0).unwrap(),
        });
        let turned = PotentialParameters::Turned(Box::new(TurnedParameters {
            angle: Degrees::try_from(20.0).unwrap(),
            potential: PotentialParameters::Agama("a.ini".into()),
        }));
        let both = PotentialParameters::Composite(vec![plummer.clone(), turned]);
        let name = "potential.composite.1.turned.potential.agama";
        assert_eq!(both.files("potential"), [(name.to_owned(), PathBuf::from("a.ini"))]);
        let find = |at: &str, shown: &Path| match at {
            _ if at == name => Ok(good.clone()),
            "potential.agama" => Ok(bad.clone()),
            _ => Err(NotMade(format!("{at}: {}", shown.display()))),
        };
        let (sum, one) = (both.build_with(&find, "potential").unwrap(), plummer.build().unwrap());
        let at = [3.0, -1.0, 0.5];
        assert!((sum.potential(at) / one.potential(at) - 2.0).abs() < 1e-14);
        let broken = PotentialParameters::Agama("models/b.ini".into());
        let error = broken.build_with(&find, "potential").err().unwrap().to_string();
        assert!(
            error.starts_with("models/b.ini, line 3: type Ferrers is not read"),
            "{error}"
        );
        assert_eq!(broken.symmetry(), Symmetry::Spherical);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
