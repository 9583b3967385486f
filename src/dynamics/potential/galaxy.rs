//! Galaxies of double-exponential discs and spheroids, in the form of GalPot.
//!
//! The thin structure of the discs is analytic ([`Disc`]); the discs' residual density and the spheroids go through
//! one multipole expansion ([`Multipole`]), tabulated once as a twice differentiable function ([`PolarTable`]). So one
//! force costs the same for any number of spheroids and any l_max.

use super::disc::Disc;
use super::milky_way::{dehnen_binney_98_1, piffl_14};
use super::multipole::{Multipole, Resolution};
use super::polar_table::PolarTable;
use super::spheroid::Spheroid;
use super::{InvalidParameter, Potential, Symmetry, not_negative, positive};

/// An axisymmetric galaxy.
///
/// Φ = Σ_discs 4πG Σ(r) H(z) + Σ_l Φ_l(r) P_l(cos θ)
///
/// **Units**: kpc, km/s, M_sun.
/// **Source**: Dehnen & Binney (1998), section 2.3.
/// **Accuracy**: force to 1e-5 in the median and 1e-4 at worst of the converged expansion at the default
/// [`Resolution`]; force, Hessian and potential are derivatives of one function.
/// **Fails when**: never; the centre of a cusp has force 0 and a Hessian floored at 1e-12 kpc.
#[derive(Debug, Clone)]
pub struct Galaxy {
    discs: Vec<Disc>,
    spheroids: Vec<Spheroid>,
    table: PolarTable,
}

/// Radii below this count as this, kpc: a cusp's centre stays finite.
const SMALLEST_RADIUS: f64 = 1e-12;

impl Galaxy {
    /// The galaxy of these components at the default resolution.
    pub fn new(discs: Vec<Disc>, spheroids: Vec<Spheroid>) -> Result<Self, InvalidParameter> {
        Self::with_resolution(discs, spheroids, Resolution::default())
    }

    /// The same with a given resolution.
    pub fn with_resolution(
        discs: Vec<Disc>,
        spheroids: Vec<Spheroid>,
        resolution: Resolution,
    ) -> Result<Self, InvalidParameter> {
        Self::check(&discs, &spheroids)?;
        let (inner, outer, thinnest) = extent(&discs, &spheroids);
        let density = |radius: f64, z: f64| {
            discs.iter().map(|disc| disc.residual_density(radius, z)).sum::<f64>()
                + spheroids
                    .iter()
                    .map(|spheroid| spheroid.density(radius, z))
                    .sum::<f64>()
        };
        let multipole = Multipole::expand(density, inner, outer, thinnest, resolution);
        let table = PolarTable::new(&multipole, resolution.angular_nodes);
        Ok(Self {
            discs,
            spheroids,
            table,
        })
    }

    /// Whether these components make a galaxy.
    pub fn check(discs: &[Disc], spheroids: &[Spheroid]) -> Result<(), InvalidParameter> {
        let bad = |parameter, value, requirement| InvalidParameter {
            potential: "galaxy",
            parameter,
            value,
            requirement,
        };
        if discs.is_empty() && spheroids.is_empty() {
            return Err(bad("number of components", 0.0, "at least one"));
        }
        for disc in discs {
            not_negative("galaxy", "surface_density", disc.surface_density)?;
            positive("galaxy", "scale_length", disc.scale_length)?;
            positive("galaxy", "scale_height", disc.scale_height)?;
            not_negative("galaxy", "hole_radius", disc.hole_radius)?;
        }
        for spheroid in spheroids {
            not_negative("galaxy", "density", spheroid.density)?;
            positive("galaxy", "axis_ratio", spheroid.axis_ratio)?;
            positive("galaxy", "scale_radius", spheroid.scale_radius)?;
            positive("galaxy", "sharpness", spheroid.sharpness)?;
            positive("galaxy", "cutoff_strength", spheroid.cutoff_strength)?;
            let cut = spheroid.cutoff_radius;
            if cut.is_nan() || cut <= 0.0 {
                return Err(bad("cutoff_radius", cut, "positive, or infinite for none"));
            }
            if spheroid.inner_slope.is_nan() || spheroid.inner_slope >= 2.5 {
                return Err(bad("inner_slope", spheroid.inner_slope, "below 2.5"));
            }
            if spheroid.outer_slope.is_nan() || (cut.is_infinite() && spheroid.outer_slope <= 2.1) {
                return Err(bad(
                    "outer_slope",
                    spheroid.outer_slope,
                    "above 2.1 where there is no cut-off",
                ));
            }
        }
        Ok(())
    }

    /// Model 1 of Dehnen & Binney (1998).
    pub fn dehnen_binney_98_1() -> Result<Self, InvalidParameter> {
        let (discs, spheroids) = dehnen_binney_98_1();
        Self::new(discs, spheroids)
    }

    /// The model of Piffl et al. (2014).
    pub fn piffl_14() -> Result<Self, InvalidParameter> {
        let (discs, spheroids) = piffl_14();
        Self::new(discs, spheroids)
    }

    /// Its discs.
    pub fn discs(&self) -> &[Disc] {
        &self.discs
    }

    /// Its spheroids.
    pub fn spheroids(&self) -> &[Spheroid] {
        &self.spheroids
    }
}

/// Innermost and outermost radius of the expansion's grid, and the thinnest disc, kpc.
fn extent(discs: &[Disc], spheroids: &[Spheroid]) -> (f64, f64, f64) {
    let (mut inner, mut outer, mut thinnest) = (f64::INFINITY, 0.0_f64, 1e3_f64);
    for disc in discs {
        inner = inner.min(1e-3 * disc.scale_length.min(disc.scale_height));
        outer = outer.max(100.0 * disc.scale_length.max(disc.scale_height));
        thinnest = thinnest.min(disc.scale_height);
    }
    for spheroid in spheroids {
        let (scale, cut) = (spheroid.scale_radius, spheroid.cutoff_radius);
        inner = inner.min(1e-3 * scale.min(cut));
        // Where the cut-off leaves e^−100.
        let end = 100f64.powf(1.0 / spheroid.cutoff_strength);
        outer = outer.max(if cut.is_finite() { end * cut } else { 1e4 * scale });
    }
    (inner, outer, thinnest)
}

fn radius(x: [f64; 3]) -> f64 {
    (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]).sqrt().max(SMALLEST_RADIUS)
}

impl Potential for Galaxy {
    fn potential(&self, x: [f64; 3]) -> f64 {
        let r = radius(x);
        let table = self.table.potential(x[2], r);
        self.discs.iter().fold(table, |sum, disc| sum + disc.potential(x[2], r))
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let r = radius(x);
        let (mut potential, mut acceleration) = (0.0, [0.0; 3]);
        self.table.add_force(x, r, &mut potential, &mut acceleration);
        for disc in &self.discs {
            disc.add_force(x, r, &mut potential, &mut acceleration);
        }
        (potential, acceleration)
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let r = radius(x);
        let mut hessian = [[0.0; 3]; 3];
        self.table.add_hessian(x, r, &mut hessian);
        for disc in &self.discs {
            disc.add_hessian(x, r, &mut hessian);
        }
        hessian
    }

    /// The components' density, not the expansion's.
    fn density(&self, x: [f64; 3]) -> f64 {
        let (radius, z) = (x[0].hypot(x[1]), x[2]);
        self.discs.iter().map(|disc| disc.density(radius, z)).sum::<f64>()
            + self
                .spheroids
                .iter()
                .map(|spheroid| spheroid.density(radius, z))
                .sum::<f64>()
    }

    fn symmetry(&self) -> Symmetry {
        Symmetry::Axisymmetric
    }
}

#[cfg(test)]
#[path = "galaxy_tests.rs"]
mod tests;
