//! Published models of the Milky Way, by name.

use super::{
    Composite, Dehnen, Disc, Galaxy, InvalidParameter, Logarithmic, MiyamotoNagai, Nfw, Plummer, Potential,
    PowerLawCutoff, Profile, Resolution, Spheroid, Symmetry, TruncatedFlat, Turned,
};
use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::sync::Arc;

/// A published model of the Milky Way. The z axis points to a Galactic pole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MilkyWay {
    /// Model 1 of Dehnen & Binney (1998).
    DehnenBinney981,
    /// The model of Piffl et al. (2014).
    Piffl14,
    /// `MWPotential2014` of Bovy (2015), for R₀ = 8 kpc and v_c(R₀) = 220 km/s.
    MwPotential2014,
    /// The best model of McMillan (2017).
    McMillan17,
    /// `MilkyWayPotential` of gala (Price-Whelan 2017).
    MilkyWayPotential2017,
    /// `MilkyWayPotential2022` of gala (Price-Whelan 2017), whose disc is three Miyamoto–Nagai discs.
    MilkyWayPotential2022,
    /// Law & Majewski (2010), with a triaxial halo.
    LawMajewski10,
    /// Model I of Irrgang et al. (2013): the halo of Allen & Santillan (1991).
    Irrgang131,
    /// Model II of Irrgang et al. (2013): a halo with a flat rotation curve.
    Irrgang132,
    /// Model III of Irrgang et al. (2013): an NFW halo.
    Irrgang133,
}

impl MilkyWay {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::DehnenBinney981,
        Self::Piffl14,
        Self::MwPotential2014,
        Self::McMillan17,
        Self::MilkyWayPotential2017,
        Self::MilkyWayPotential2022,
        Self::LawMajewski10,
        Self::Irrgang131,
        Self::Irrgang132,
        Self::Irrgang133,
    ];

    /// Its name, as a pipeline writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DehnenBinney981 => "dehnen_binney_98_1",
            Self::Piffl14 => "piffl_14",
            Self::MwPotential2014 => "mw_potential_2014",
            Self::McMillan17 => "mcmillan_17",
            Self::MilkyWayPotential2017 => "milky_way_potential_2017",
            Self::MilkyWayPotential2022 => "milky_way_potential_2022",
            Self::LawMajewski10 => "law_majewski_10",
            Self::Irrgang131 => "irrgang_13_1",
            Self::Irrgang132 => "irrgang_13_2",
            Self::Irrgang133 => "irrgang_13_3",
        }
    }

    /// The model of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// What it looks the same under.
    pub fn symmetry(self) -> Symmetry {
        match self {
            Self::LawMajewski10 => Symmetry::Twofold,
            _ => Symmetry::Axisymmetric,
        }
    }

    /// The potential.
    pub fn build(self) -> Result<Box<dyn Potential>, InvalidParameter> {
        let galaxy = |(discs, spheroids)| Ok(Box::new(Galaxy::new(discs, spheroids)?) as Box<dyn Potential>);
        let sum = |parts| Ok(Box::new(Composite::new(parts)?) as Box<dyn Potential>);
        match self {
            Self::DehnenBinney981 => galaxy(dehnen_binney_98_1()),
            Self::Piffl14 => galaxy(piffl_14()),
            Self::McMillan17 => galaxy(mcmillan_17()),
            Self::MwPotential2014 => sum(mw_potential_2014()?),
            Self::MilkyWayPotential2017 => sum(vec![
                Arc::new(MiyamotoNagai::new(6.8e10, 3.0, 0.28)?),
                Arc::new(Dehnen::hernquist(5e9, 1.0)?),
                Arc::new(Dehnen::hernquist(1.71e9, 0.07)?),
                Arc::new(Nfw::new(5.4e11, 15.62)?),
            ]),
            Self::MilkyWayPotential2022 => sum(milky_way_potential_2022()?),
            Self::LawMajewski10 => sum(vec![
                Arc::new(MiyamotoNagai::new(1e11, 6.5, 0.26)?),
                Arc::new(Dehnen::hernquist(3.4e10, 0.7)?),
                Arc::new(
                    // v_halo² of their Eq. 3 is our v₀²/2; the axis with q₁ is turned by 97° from x to y.
                    Turned::new(
                        Logarithmic::new(2f64.sqrt() * 121.858, 12.0, [1.38, 1.0, 1.36])?,
                        97f64.to_radians(),
                    ),
                ),
            ]),
            Self::Irrgang131 => sum(vec![
                Arc::new(Plummer::new(409.0 * irrgang_mass(), 0.23)?),
                Arc::new(MiyamotoNagai::new(2856.0 * irrgang_mass(), 4.22, 0.292)?),
                Arc::new(allen_santillan()?),
            ]),
            Self::Irrgang132 => sum(vec![
                Arc::new(Plummer::new(175.0 * irrgang_mass(), 0.184)?),
                Arc::new(MiyamotoNagai::new(2829.0 * irrgang_mass(), 4.85, 0.305)?),
                Arc::new(TruncatedFlat::new(69_725.0 * irrgang_mass(), 200.0)?),
            ]),
            Self::Irrgang133 => sum(vec![
                Arc::new(Plummer::new(439.0 * irrgang_mass(), 0.236)?),
                Arc::new(MiyamotoNagai::new(3096.0 * irrgang_mass(), 3.262, 0.289)?),
                Arc::new(Nfw::new(142_200.0 * irrgang_mass(), 45.02)?),
            ]),
        }
    }
}

/// The mass for which G is 100 (km/s)² kpc, M_sun: the unit of Irrgang et al. (2013).
fn irrgang_mass() -> f64 {
    100.0 / G
}

/// The halo of Allen & Santillan (1991) with γ = 2, M(r) = M u²/(1 + u), u = r/a, which ends at 200 kpc: its density
/// ∝ 2/(u (1 + u)²) + 1/(1 + u)² is that of two spheroids. The end is a little soft.
fn allen_santillan() -> Result<Galaxy, InvalidParameter> {
    const SCALE: f64 = 2.562;
    const EDGE: f64 = 200.0;
    let unit = 1018.0 * irrgang_mass() / (4.0 * std::f64::consts::PI * SCALE.powi(3));
    let part = |density, inner, outer| Spheroid {
        cutoff_strength: 20.0,
        ..spheroid(density, 1.0, inner, outer, SCALE, EDGE)
    };
    let round = Resolution {
        l_max: 0,
        radial_step: 0.03,
        angular_nodes: 4,
    };
    let parts = vec![part(2.0 * unit, 1.0, 3.0), part(unit, 0.0, 2.0)];
    Galaxy::with_resolution(Vec::new(), parts, round)
}

/// Bovy (2015), table 1: a bulge, a disc and a halo with 5, 60 and 35 % of the force at R₀ = 8 kpc, where v_c = 220 km/s.
fn mw_potential_2014() -> Result<Vec<Arc<dyn Potential>>, InvalidParameter> {
    const RADIUS: f64 = 8.0;
    const SQUARE: f64 = 220.0 * 220.0;
    // v_c² at R₀ of the same component with 1 M_sun.
    let unit = |potential: &dyn Potential| -potential.acceleration([RADIUS, 0.0, 0.0])[0] * RADIUS;
    let bulge = |mass| PowerLawCutoff::new(mass, 1.8, 1.9);
    let disc = |mass| MiyamotoNagai::new(mass, 3.0, 0.28);
    let halo = |mass| Nfw::new(mass, 16.0);
    Ok(vec![
        Arc::new(bulge(0.05 * SQUARE / unit(&bulge(1.0)?))?),
        Arc::new(disc(0.60 * SQUARE / unit(&disc(1.0)?))?),
        Arc::new(halo(0.35 * SQUARE / unit(&halo(1.0)?))?),
    ])
}

/// Masses and scale lengths a, relative to its own, of three Miyamoto–Nagai discs of one height b, `ratio` scale lengths, whose sum is nearly
/// an exponential disc: the polynomials of Smith et al. (2015), table 1, for positive densities.
pub(crate) fn three_discs(ratio: f64) -> [(f64, f64); 3] {
    /// m₁ m₂ m₃ (of the disc's mass) and a₁ a₂ a₃ (of R_d), as polynomials of b/R_d from the fourth power down.
    const SMITH: [[f64; 5]; 6] = [
        [0.0036, -0.0330, 0.1117, -0.1335, 0.1749],
        [-0.0131, 0.1090, -0.3035, 0.2921, -5.7976],
        [-0.0048, 0.0454, -0.1425, 0.1012, 6.7120],
        [-0.0158, 0.0993, -0.2070, -0.7089, 0.6445],
        [-0.0319, 0.1514, -0.1279, -0.9325, 2.6836],
        [-0.0326, 0.1816, -0.2943, -0.6329, 2.3193],
    ];
    let value = |row: &[f64; 5]| row.iter().fold(0.0, |sum, coefficient| sum * ratio + coefficient);
    std::array::from_fn(|k| (value(&SMITH[k]), value(&SMITH[k + 3])))
}

/// The exponential disc of 4.7717e10 M_sun, R_d = 2.6 kpc and z_d = 0.3 kpc is the sum of [`three_discs`].
fn milky_way_potential_2022() -> Result<Vec<Arc<dyn Potential>>, InvalidParameter> {
    const MASS: f64 = 4.7717e10;
    const LENGTH: f64 = 2.6;
    const HEIGHT: f64 = 0.3;
    // b/R_d for a profile sech²(z/z_d): their Eq. 10.
    let ratio: f64 = HEIGHT / LENGTH;
    let ratio = -0.033 * ratio.powi(3) + 0.262 * ratio * ratio + 0.659 * ratio;
    let mut parts: Vec<Arc<dyn Potential>> = Vec::new();
    for (mass, a) in three_discs(ratio) {
        parts.push(Arc::new(MiyamotoNagai::of_any_mass(
            MASS * mass,
            LENGTH * a,
            ratio * LENGTH,
        )?));
    }
    parts.push(Arc::new(Dehnen::hernquist(5e9, 1.0)?));
    parts.push(Arc::new(Dehnen::hernquist(1.8142e9, 0.068_886_7)?));
    parts.push(Arc::new(Nfw::new(5.5427e11, 15.626)?));
    Ok(parts)
}

/// Discs and spheroids of model 1 of Dehnen & Binney (1998).
pub fn dehnen_binney_98_1() -> (Vec<Disc>, Vec<Spheroid>) {
    (
        vec![
            disc(1.182e8, 2.0, 1.0, 0.0),
            disc(1.655e9, 2.0, 0.18, 0.0),
            disc(1.32e8, 4.0, 0.04, 4.0),
        ],
        vec![
            spheroid(7.111e8, 0.8, -2.0, 2.959, 3.83, 1000.0),
            spheroid(4.271e8, 0.6, 1.8, 1.8, 1.0, 1.9),
        ],
    )
}

/// Discs and spheroids of the model of Piffl et al. (2014).
pub fn piffl_14() -> (Vec<Disc>, Vec<Spheroid>) {
    (
        vec![
            disc(5.707e8, 2.68, 0.2, 0.0),
            disc(2.51e8, 2.68, 0.7, 0.0),
            disc(9.45e7, 5.36, 0.04, 4.0),
        ],
        vec![
            spheroid(9.49e10, 0.5, 0.0, 1.8, 0.075, 2.1),
            spheroid(1.816e7, 1.0, 1.0, 3.0, 14.4, 1e5),
        ],
    )
}

/// Discs and spheroids of the best model of McMillan (2017), tables 1 to 3, in the digits of the author's GalPot: stars, then gas,
/// whose discs are isothermal.
pub fn mcmillan_17() -> (Vec<Disc>, Vec<Spheroid>) {
    let gas = |density, length, height, hole| Disc {
        profile: Profile::Isothermal,
        ..disc(density, length, height, hole)
    };
    (
        vec![
            disc(8.95679e8, 2.49955, 0.3, 0.0),
            disc(1.83444e8, 3.02134, 0.9, 0.0),
            gas(5.31319e7, 7.0, 0.085, 4.0),
            gas(2.17995e9, 1.5, 0.045, 12.0),
        ],
        vec![
            spheroid(9.8351e10, 0.5, 0.0, 1.8, 0.075, 2.1),
            spheroid(8.53702e6, 1.0, 1.0, 3.0, 19.5725, f64::INFINITY),
        ],
    )
}

fn disc(surface_density: f64, scale_length: f64, scale_height: f64, hole_radius: f64) -> Disc {
    Disc {
        surface_density,
        scale_length,
        scale_height,
        hole_radius,
        profile: Profile::Exponential,
    }
}

fn spheroid(density: f64, axis_ratio: f64, inner: f64, outer: f64, scale_radius: f64, cutoff_radius: f64) -> Spheroid {
    Spheroid {
        density,
        axis_ratio,
        inner_slope: inner,
        outer_slope: outer,
        scale_radius,
        cutoff_radius,
        ..Spheroid::default()
    }
}

#[cfg(test)]
#[path = "milky_way_tests.rs"]
mod tests;
