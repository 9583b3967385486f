//! A galaxy of few parameters with a flexible correction.

use super::settings::Settings;
use crate::potential::Expansion;
use crate::potential::expansion::{HARMONICS, Term};
use crate::potential::three_discs;
use crate::units::GRAVITATIONAL_CONSTANT;

/// One parameter: what is known of it beforehand, and how far it is moved to see what changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Mean of the Gaussian prior.
    pub mean: f64,
    /// Standard deviation of the prior.
    pub deviation: f64,
    /// Difference step: large beside what the noise of finitely many particles makes of it.
    pub step: f64,
}

fn parameter(name: &str, mean: f64, deviation: f64, step: f64) -> Parameter {
    Parameter {
        name: name.to_owned(),
        mean,
        deviation,
        step,
    }
}

/// Which multipoles the correction has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correction {
    /// l = 0 and 2, m = 0.
    #[default]
    Axisymmetric,
    /// All of l = 0, 1, 2.
    Free,
}

/// The form of a galaxy's disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disc {
    /// Exponential in R, as discs of galaxies are (Freeman 1970), made of three of Miyamoto & Nagai (Smith et al. 2015).
    Exponential,
    /// One of Miyamoto & Nagai (1975).
    MiyamotoNagai,
}

/// An exponential disc in a flattened logarithmic halo; discs of other scales and multipoles of several, which are shrunk to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// ln M_d, ln of the disc's length (or a), ln b, ln v₀, ln r_s, ln q, then coefficients in units of `UNIT`: of the discs, spheres and other multipoles.
    pub parameters: Vec<Parameter>,
    disc: Disc,
    discs: Vec<f64>,
    scales: Vec<f64>,
    orders: Vec<usize>,
    /// A scale among the outer stars, kpc.
    outer: f64,
    /// The galaxy, where it is not free at all.
    held: Option<Expansion>,
}

/// Unit of the correction's coefficients, (km/s)². One of l = 0 changes v_c² by at most 0.385 of it, at √2 times its scale.
pub const UNIT: f64 = 1e4;

/// Scale radii of the other discs, kpc.
const DISCS: [f64; 3] = [2.0, 5.0, 12.0];

/// Middle of the prior of the disc's scale length, kpc; and of a in Miyamoto & Nagai (1975).
const LENGTH: f64 = 2.6;
const MIYAMOTO_NAGAI_LENGTH: f64 = 3.0;

/// Up to which b/R_d the polynomials of Smith et al. (2015) hold.
const WIDEST: f64 = 3.0;

/// Parameters without the correction, which come first.
pub(super) const BASE: usize = 6;

impl Model {
    /// A model for stars between the radii `inner` and `outer` kpc.
    pub fn new(inner: f64, outer: f64, settings: &Settings) -> Self {
        let (count, shrinkage) = (settings.scales, settings.shrinkage);
        let mut parameters = vec![
            parameter("ln_disc_mass", 5e10_f64.ln(), 1.0, 0.15),
            parameter("ln_disc_radius", LENGTH.ln(), 0.4, 0.1),
            parameter("ln_disc_height", 0.3_f64.ln(), 0.5, 0.3),
            parameter("ln_halo_velocity", 180.0_f64.ln(), 0.4, 0.03),
            parameter("ln_halo_core", 5.0_f64.ln(), 0.8, 0.12),
            parameter("ln_halo_flattening", 0.95_f64.ln(), 0.15, 0.05),
        ];
        let (low, high) = (0.5 * inner, outer / std::f64::consts::SQRT_2);
        let place = |k: usize| if count > 1 { k as f64 / (count - 1) as f64 } else { 0.5 };
        let scales: Vec<f64> = (0..count).map(|k| low * (high / low).powf(place(k))).collect();
        let discs = if settings.discs > 0.0 {
            DISCS.to_vec()
        } else {
            Vec::new()
        };
        let orders = match settings.correction {
            Correction::Axisymmetric => vec![HARMONICS - 1],
            Correction::Free => (0..HARMONICS).rev().collect(),
        };
        for k in 0..discs.len() {
            parameters.push(parameter(&format!("disc_{k}"), 0.0, settings.discs, 0.3));
        }
        for k in 0..count {
            parameters.push(parameter(&format!("sphere_{k}"), 0.0, shrinkage, 0.3));
        }
        for order in &orders {
            for k in 0..count {
                parameters.push(parameter(&format!("multipole_{order}_{k}"), 0.0, shrinkage, 0.3));
            }
        }
        Self {
            parameters,
            disc: Disc::Exponential,
            discs,
            scales,
            orders,
            outer: high,
            held: None,
        }
    }

    /// A galaxy as it is, without parameters.
    pub fn held(galaxy: Expansion) -> Self {
        Self {
            parameters: Vec::new(),
            disc: Disc::Exponential,
            discs: Vec::new(),
            scales: Vec::new(),
            orders: Vec::new(),
            outer: 1.0,
            held: Some(galaxy),
        }
    }

    /// The same with a disc of another form, one of Miyamoto & Nagai (1975), whose a takes the place of the scale length.
    pub(crate) fn with_another_disc(&self) -> Self {
        let mut other = self.clone();
        other.disc = Disc::MiyamotoNagai;
        if let Some(length) = other.parameters.get_mut(1) {
            length.mean = MIYAMOTO_NAGAI_LENGTH.ln();
        }
        other
    }

    /// The galaxy of these values of the parameters; none if one of them is not finite.
    pub fn galaxy(&self, values: &[f64]) -> Option<Expansion> {
        if let Some(held) = &self.held {
            return Some(held.clone());
        }
        let (&[mass, a, b, velocity, core, flattening], rest) = values.split_first_chunk::<BASE>()?;
        let (a, b) = (a.exp(), b.exp());
        let parts = match self.disc {
            Disc::Exponential => three_discs((b / a).min(WIDEST))
                .map(|(part, length)| (part, length * a))
                .to_vec(),
            Disc::MiyamotoNagai => vec![(1.0, a)],
        };
        let (mut terms, mut coefficients) = (Vec::new(), Vec::new());
        for (part, a) in parts {
            terms.push(Term::Disc { a, b });
            coefficients.push(GRAVITATIONAL_CONSTANT * mass.exp() * part / (a + b));
        }
        terms.push(Term::Halo {
            core: core.exp(),
            flattening: flattening.exp(),
        });
        coefficients.push((2.0 * velocity).exp());
        terms.extend(self.discs.iter().map(|&a| Term::Disc { a, b }));
        terms.extend(self.scales.iter().map(|&scale| Term::Disc { a: 0.0, b: scale }));
        for &order in &self.orders {
            terms.extend(self.scales.iter().map(|&scale| Term::Multipole { scale, order }));
        }
        coefficients.extend(rest.iter().map(|c| c * UNIT));
        Expansion::new(terms, coefficients)
    }

    /// Multipoles that no galaxy of the model has, as it is symmetric: one of each kind, on the scale of the outer stars.
    pub(crate) fn missing(&self) -> Vec<Term> {
        let missing = (0..HARMONICS).filter(|order| self.held.is_none() && !self.orders.contains(order));
        let of = |order| Term::Multipole {
            scale: self.outer,
            order,
        };
        missing.map(of).filter(|term| !term.is_axisymmetric()).collect()
    }

    /// The galaxy of these values with one more term, whose coefficient is in units of [`UNIT`].
    pub(crate) fn with(&self, values: &[f64], term: Term, coefficient: f64) -> Option<Expansion> {
        let galaxy = self.galaxy(values)?;
        let terms = galaxy.terms().iter().copied().chain([term]);
        let coefficients = galaxy.coefficients().iter().copied().chain([coefficient * UNIT]);
        Expansion::new(terms.collect(), coefficients.collect())
    }

    /// The prior's means.
    pub fn means(&self) -> Vec<f64> {
        self.parameters.iter().map(|parameter| parameter.mean).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::orbit::circular::circular_speed;
    use crate::potential::{Logarithmic, MiyamotoNagai, Potential, Symmetry};
    use crate::streams::settings::Source;

    fn model_of(scales: usize, discs: f64, correction: Correction) -> Model {
        let settings = Settings {
            scales,
            discs,
            correction,
            ..Settings::of(Source::Spray)
        };
        Model::new(6.0, 30.0, &settings)
    }

    #[test]
    fn without_a_correction_it_is_disc_and_halo() {
        let model = model_of(0, 0.0, Correction::Axisymmetric).with_another_disc();
        let galaxy = model.galaxy(&model.means()).unwrap();
        let disc = MiyamotoNagai::new(5e10, 3.0, 0.3).unwrap();
        let halo = Logarithmic::axisymmetric(180.0, 5.0, 0.95).unwrap();
        for x in [[8.0, 1.0, 2.0], [-3.0, 14.0, -9.0]] {
            let (one, two, found) = (disc.acceleration(x), halo.acceleration(x), galaxy.acceleration(x));
            assert!((0..3).all(|i| (one[i] + two[i] - found[i]).abs() < 1e-9 * found[i].abs()));
        }
    }

    /// An exponential disc without height has v² = 4πGΣ₀R_d y² [I₀K₀ − I₁K₁], y = R/2R_d (Freeman 1970); at its greatest, R = 2.15 R_d, it is
    /// 0.387 G M/R_d. Three discs keep it to two per cent.
    #[test]
    fn the_disc_is_exponential() {
        let model = model_of(0, 0.0, Correction::Axisymmetric);
        let mut values = model.means();
        (values[1], values[2], values[3]) = (2.6_f64.ln(), 0.01_f64.ln(), 1e-3_f64.ln());
        let galaxy = model.galaxy(&values).unwrap();
        let unit = GRAVITATIONAL_CONSTANT * values[0].exp() / 2.6;
        // v² R_d/(G M) = 2 y² [I₀K₀ − I₁K₁] at y = 0.5, 1.075 and 2.
        for (y, expected) in [(0.5, 0.278_0), (1.075, 0.387_0), (2.0, 0.297_2)] {
            let found = circular_speed(&galaxy, 2.0 * y * 2.6).powi(2) / unit;
            println!("{y} {found} {expected}");
            assert!((found / expected - 1.0).abs() < 0.03, "{y}: {found}");
        }
    }

    #[test]
    fn the_correction_acts_where_it_should() {
        let model = model_of(5, 0.0, Correction::Axisymmetric);
        let corrects = |name: &str| {
            ["disc_", "sphere_", "multipole_"]
                .iter()
                .any(|kind| name.starts_with(kind))
        };
        let corrects: Vec<bool> = (model.parameters.iter())
            .map(|parameter| corrects(&parameter.name))
            .collect();
        assert_eq!(corrects, [[false; BASE].as_slice(), &[true; 10]].concat());
        let plain = model.galaxy(&model.means()).unwrap();
        let mut values = model.means();
        values[BASE + 2] = 1.0;
        let corrected = model.galaxy(&values).unwrap();
        let change = |r: f64| circular_speed(&corrected, r).powi(2) - circular_speed(&plain, r).powi(2);
        let middle = std::f64::consts::SQRT_2 * model.scales[2];
        assert!((change(middle) / UNIT - 0.385).abs() < 1e-3);
        assert!(change(0.5 * middle) < change(middle) && change(2.0 * middle) < change(middle));
        assert_eq!(corrected.symmetry(), Symmetry::Axisymmetric);
        let free = model_of(2, 0.0, Correction::Free);
        assert_eq!(free.parameters.len(), BASE + 2 * (1 + HARMONICS));
        assert_eq!(free.galaxy(&free.means()).unwrap().symmetry(), Symmetry::Triaxial);
    }

    /// The speed in the plane of an exponential disc, which one disc of Miyamoto & Nagai does not have.
    #[test]
    fn discs_of_other_scales_change_the_plane_alone() {
        let model = model_of(0, 0.3, Correction::Axisymmetric);
        let plain = model.galaxy(&model.means()).unwrap();
        let mut values = model.means();
        values[BASE + 1] = 1.0;
        let more = model.galaxy(&values).unwrap();
        let change = |x: [f64; 3]| plain.acceleration(x)[0] - more.acceleration(x)[0];
        // R²(a + b)/(R² + (a + b)²)^{3/2} at its greatest, R = √2 (a + b).
        let r = 2f64.sqrt() * 5.3;
        assert!((change([r, 0.0, 0.0]) * r / UNIT - 0.385).abs() < 1e-3);
        assert!(change([r, 0.0, r]) < 0.5 * change([r, 0.0, 0.0]));
    }
}
