//! Circular orbits in the plane z = 0, and how far an orbit reaches.

use super::{OrbitError, dense};
use crate::numerics::root;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::Natural;
use crate::vector::norm;
use std::f64::consts::TAU;

/// Circular speed √(R ∂Φ/∂R) in km/s at `radius` kpc in the plane, along the x axis; 0 where gravity points outwards.
pub fn circular_speed<P: Potential + ?Sized>(potential: &P, radius: f64) -> f64 {
    (-potential.acceleration([radius, 0.0, 0.0])[0] * radius)
        .max(0.0)
        .sqrt()
}

/// The rotation curve: [`circular_speed`] at each of `radii`.
pub fn rotation_curve<P: Potential + ?Sized>(potential: &P, radii: &[f64]) -> Vec<f64> {
    radii.iter().map(|&radius| circular_speed(potential, radius)).collect()
}

/// The guiding radius in kpc: that of the circular orbit of angular momentum `lz` km/s kpc, of either sign.
///
/// **Accuracy**: rounding. **Fails when** no circular orbit between 1e-9 and 1e9 kpc has it: none.
pub fn guiding_radius<P: Potential + ?Sized>(potential: &P, lz: f64) -> Option<f64> {
    let excess = |ln_r: f64| ln_r.exp() * circular_speed(potential, ln_r.exp()) - lz.abs();
    let (low, high) = (1e-9f64.ln(), 1e9f64.ln());
    (excess(low) < 0.0 && excess(high) > 0.0).then(|| root(low, high, excess).exp())
}

/// The circular orbit of angular momentum `lz`, at the x axis; see [`guiding_radius`].
pub fn circular_orbit<P: Potential + ?Sized>(potential: &P, lz: f64) -> Option<PhaseSpace> {
    let radius = guiding_radius(potential, lz)?;
    Some(PhaseSpace::new([radius, 0.0, 0.0], [0.0, lz / radius, 0.0]))
}

/// Frequencies of nearly circular orbits, km/s/kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epicycle {
    /// Radial: κ² = ∂²Φ/∂R² + 3Ω².
    pub radial: f64,
    /// Vertical: ν² = ∂²Φ/∂z².
    pub vertical: f64,
    /// Azimuthal: Ω² = ∂Φ/∂R / R.
    pub azimuthal: f64,
}

/// Epicyclic, vertical and circular frequencies at `radius` kpc in the plane; 0 for one that is not real.
///
/// **Source**: Binney & Tremaine (2008), section 3.2.3.
pub fn epicycle<P: Potential + ?Sized>(potential: &P, radius: f64) -> Epicycle {
    let hessian = potential.hessian([radius, 0.0, 0.0]);
    let azimuthal2 = circular_speed(potential, radius).powi(2) / (radius * radius);
    Epicycle {
        radial: (hessian[0][0] + 3.0 * azimuthal2).max(0.0).sqrt(),
        vertical: hessian[2][2].max(0.0).sqrt(),
        azimuthal: azimuthal2.sqrt(),
    }
}

/// How far an orbit reaches, kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Least distance from the centre.
    pub pericentre: f64,
    /// Greatest distance from the centre.
    pub apocentre: f64,
    /// Greatest |z|.
    pub z_max: f64,
}

/// The extent of the orbit through `point` in the next `periods` periods (of a circular orbit of its apocentre's size).
///
/// From 128 points a period of an orbit of order 8, with a parabola through each extremum.
///
/// **Accuracy**: 1e-4 of the distance on orbits of apocentre/pericentre below 10; an orbit that is not closed fills its
/// extent only in time.
/// **Fails when** the orbit is not finite.
pub fn extent<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, periods: f64) -> Result<Extent, OrbitError> {
    const PER_PERIOD: f64 = 128.0;
    let force = norm(potential.acceleration(point.x));
    let (mut size, mut points) = (norm(point.x).max(1e-9), Vec::new());
    let mut period = TAU * (size / force).sqrt().max(norm(point.v) / force);
    // A star at pericentre does not know its period: the first pass finds how far it goes.
    for _ in 0..2 {
        let times: Vec<Natural> = (0..=(periods.max(1.0) * PER_PERIOD) as usize)
            .map(|i| Natural(period / PER_PERIOD * i as f64))
            .collect();
        points.clear();
        dense::follow(potential, point, &times, 1e-10, |_, point| points.push(point))?;
        size = points.iter().map(|p| norm(p.x)).fold(size, f64::max);
        period = TAU * size / circular_speed(potential, size).max(f64::MIN_POSITIVE);
    }
    let radii: Vec<f64> = points.iter().map(|p| norm(p.x)).collect();
    let heights: Vec<f64> = points.iter().map(|p| p.x[2].abs()).collect();
    Ok(Extent {
        pericentre: -highest(radii.iter().map(|r| -r)),
        apocentre: highest(radii.iter().copied()),
        z_max: highest(heights.iter().copied()),
    })
}

/// The greatest value, with parabolas through each inner maximum.
fn highest(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let peak = |w: &[f64]| {
        let (rise, fall) = (w[1] - w[0], w[1] - w[2]);
        if rise > 0.0 && fall > 0.0 {
            w[1] + 0.125 * (rise - fall).powi(2) / (rise + fall)
        } else {
            w[1]
        }
    };
    let ends = [values.first(), values.last()].into_iter().flatten().copied();
    values
        .windows(3)
        .map(peak)
        .chain(ends)
        .fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::{Isochrone, Kepler, Plummer};
    use crate::units::GRAVITATIONAL_CONSTANT as G;

    #[test]
    fn circular_orbits_are_those_of_the_formulae() {
        let (kepler, plummer) = (Kepler::new(1e11).unwrap(), Plummer::new(1e11, 2.0).unwrap());
        for radius in [0.1, 2.0, 30.0f64] {
            let gm = G * 1e11;
            assert!((circular_speed(&kepler, radius) / (gm / radius).sqrt() - 1.0).abs() < 1e-14);
            let speed = (gm * radius * radius).sqrt() / (radius * radius + 4.0).powf(0.75);
            assert!((rotation_curve(&plummer, &[radius])[0] / speed - 1.0).abs() < 1e-13);
            // Kepler: κ = ν = Ω, and R_g = L²/GM.
            let Epicycle {
                radial,
                vertical,
                azimuthal,
            } = epicycle(&kepler, radius);
            assert!((radial / azimuthal - 1.0).abs() < 1e-7 && (vertical / azimuthal - 1.0).abs() < 1e-13);
            let lz = -(gm * radius).sqrt();
            assert!((guiding_radius(&kepler, lz).unwrap() / radius - 1.0).abs() < 1e-12);
            let orbit = circular_orbit(&plummer, lz).unwrap();
            assert!((orbit.angular_momentum()[2] / lz - 1.0).abs() < 1e-14);
            let speed = circular_speed(&plummer, orbit.x[0]);
            assert!((orbit.v[1] / speed + 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn small_oscillations_of_the_isochrone_have_its_frequencies() {
        let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
        for radius in [1.0, 8.0, 40.0] {
            let speed = circular_speed(&isochrone, radius);
            let exact = isochrone
                .actions(&PhaseSpace::new([radius, 0.0, 0.0], [0.0, speed, 0.0]))
                .unwrap();
            let found = epicycle(&isochrone, radius);
            assert!((found.radial / exact.frequencies.r - 1.0).abs() < 1e-10);
            assert!((found.azimuthal / exact.frequencies.phi - 1.0).abs() < 1e-10);
        }
    }

    /// Kepler ellipses reach from a(1 − e) to a(1 + e), and up to sin i times that along the major axis.
    #[test]
    fn ellipses_reach_as_far_as_they_must() {
        let kepler = Kepler::new(1e11).unwrap();
        for e in [0.01, 0.3, 0.7f64] {
            let near = 8.0 * (1.0 - e);
            let speed = (G * 1e11 / near * (1.0 + e)).sqrt();
            // Perpendicular to the major axis, which lies 30° above the plane.
            let (sin, cos) = (0.5, 0.75f64.sqrt());
            let start = PhaseSpace::new([near * cos, 0.0, near * sin], [0.0, speed, 0.0]);
            let found = extent(&kepler, &start, 3.0).unwrap();
            assert!((found.pericentre / near - 1.0).abs() < 1e-4, "{found:?}");
            assert!((found.apocentre / (8.0 * (1.0 + e)) - 1.0).abs() < 1e-4, "{found:?}");
            assert!((found.z_max / (4.0 * (1.0 + e)) - 1.0).abs() < 1e-4, "{found:?}");
        }
    }
}
