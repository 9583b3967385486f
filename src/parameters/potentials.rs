//! Potentials as pipelines and Python name them.

use std::sync::Arc;

use dynamics::potential::{
    Composite, Disc, Galaxy, InvalidParameter, Isochrone, Kepler, Logarithmic, MiyamotoNagai, Nfw, Plummer, Potential,
    Spheroid, Symmetry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantities::{FROM_ZERO, KmPerSecond, Kpc, SolarMasses, SolarMassesPerKpc2, SolarMassesPerKpc3};

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
    /// Double-exponential discs and spheroids, the form of both galaxies above.
    Galaxy(GalaxyParameters),
    /// The sum of several.
    Composite(Vec<PotentialParameters>),
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

/// A disc Σ₀ exp(−R_hole/R − R/R_d) · exp(−|z|/z_d)/(2 z_d).
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
}

/// A spheroid ρ₀ (m/r₀)^(−γ) (1 + m/r₀)^(γ−β) exp(−(m/r_cut)²), m² = R² + z²/q².
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
    /// Scale radius r₀, kpc.
    pub scale_radius: Kpc,
    /// Cut-off radius r_cut, kpc; left out, there is none.
    #[serde(default)]
    pub cutoff_radius: Option<Kpc>,
}

fn no_hole() -> Kpc<FROM_ZERO> {
    Kpc(0.0)
}

fn one() -> f64 {
    1.0
}

impl GalaxyParameters {
    fn components(&self) -> (Vec<Disc>, Vec<Spheroid>) {
        let disc = |disc: &ExponentialDisc| Disc {
            surface_density: disc.surface_density.get(),
            scale_length: disc.scale_length.get(),
            scale_height: disc.scale_height.get(),
            hole_radius: disc.hole_radius.get(),
        };
        let spheroid = |spheroid: &SpheroidParameters| Spheroid {
            density: spheroid.density.get(),
            axis_ratio: spheroid.axis_ratio,
            inner_slope: spheroid.inner_slope,
            outer_slope: spheroid.outer_slope,
            scale_radius: spheroid.scale_radius.get(),
            cutoff_radius: spheroid.cutoff_radius.map_or(f64::INFINITY, Kpc::get),
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

    /// What it looks the same under.
    pub fn symmetry(&self) -> Symmetry {
        match self {
            Self::Kepler(_) | Self::Isochrone(_) | Self::Plummer(_) | Self::Nfw(_) => Symmetry::Spherical,
            Self::MiyamotoNagai(_) | Self::DehnenBinney981 | Self::Piffl14 | Self::Galaxy(_) => Symmetry::Axisymmetric,
            Self::Logarithmic(with) => match with.axes {
                [p, q, s] if p == q && q == s => Symmetry::Spherical,
                [p, q, _] if p == q => Symmetry::Axisymmetric,
                _ => Symmetry::Triaxial,
            },
            Self::Composite(parts) => parts.iter().map(Self::symmetry).max().unwrap_or(Symmetry::Spherical),
        }
    }

    /// The potential.
    pub fn build(&self) -> Result<Box<dyn Potential>, InvalidParameter> {
        fn boxed<P: Potential + 'static>(
            potential: Result<P, InvalidParameter>,
        ) -> Result<Box<dyn Potential>, InvalidParameter> {
            potential.map(|potential| Box::new(potential) as Box<dyn Potential>)
        }
        match self {
            Self::Kepler(with) => boxed(Kepler::new(with.mass.get())),
            Self::Isochrone(with) => boxed(Isochrone::new(with.mass.get(), with.scale.get())),
            Self::Plummer(with) => boxed(Plummer::new(with.mass.get(), with.scale.get())),
            Self::Nfw(with) => boxed(Nfw::new(with.mass.get(), with.scale.get())),
            Self::MiyamotoNagai(with) => boxed(MiyamotoNagai::new(
                with.mass.get(),
                with.radius.get(),
                with.height.get(),
            )),
            Self::Logarithmic(with) => boxed(Logarithmic::new(with.velocity.get(), with.core.get(), with.axes)),
            Self::DehnenBinney981 => boxed(Galaxy::dehnen_binney_98_1()),
            Self::Piffl14 => boxed(Galaxy::piffl_14()),
            Self::Galaxy(with) => {
                let (discs, spheroids) = with.components();
                boxed(Galaxy::new(discs, spheroids))
            }
            Self::Composite(parts) => {
                let parts = parts.iter().map(|part| part.build().map(Arc::from));
                boxed(Composite::new(parts.collect::<Result<_, _>>()?))
            }
        }
    }
}
