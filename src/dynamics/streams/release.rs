//! Where and how fast stars leave a progenitor.

use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::GRAVITATIONAL_CONSTANT;
use crate::vector::{cross, dot, norm};
use rand::Rng;
use rand_distr::StandardNormal;

/// Which of the two ends of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Ahead of the progenitor: released on the side of the centre.
    Leading,
    /// Behind it: released on the far side.
    Trailing,
}

impl Tail {
    /// The sense of an [`Offset`]: +1 for the trailing tail.
    pub(crate) fn sign(self) -> f64 {
        match self {
            Self::Leading => -1.0,
            Self::Trailing => 1.0,
        }
    }
}

/// The tidal field at a progenitor, with the axes of its motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tide {
    /// r_J = (GM / (Ω² − ∂²Φ/∂r²))^{1/3}, kpc.
    pub radius: f64,
    /// Ω = |x × v| / r², km/s/kpc.
    pub rate: f64,
    /// Ω² − ∂²Φ/∂r², (km/s/kpc)².
    pub gradient: f64,
    /// Unit vectors: away from the centre, along the motion, and along the angular momentum.
    pub axes: [[f64; 3]; 3],
}

/// Ω² − ∂²Φ/∂r² counts as at least this part of Ω²: where it vanishes nothing is stripped.
const LEAST_GRADIENT: f64 = 0.05;

impl Tide {
    /// The tide on `mass` M_sun at `point`.
    ///
    /// **Source**: King (1962) Eq. 11.
    /// **Fails when**: never; a radial orbit has an arbitrary plane.
    pub fn at<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, mass: f64) -> Self {
        let r = norm(point.x).max(1e-12);
        let outwards = point.x.map(|x| x / r);
        let momentum = point.angular_momentum();
        let rate = norm(momentum) / (r * r);
        let across = if rate > 0.0 {
            momentum.map(|l| l / (rate * r * r))
        } else {
            let aside = if outwards[2].abs() < 0.9 {
                [0.0, 0.0, 1.0]
            } else {
                [1.0, 0.0, 0.0]
            };
            let normal = cross(outwards, aside);
            normal.map(|n| n / norm(normal))
        };
        let hessian = potential.hessian(point.x);
        let second = dot(outwards, hessian.map(|row| dot(row, outwards)));
        let square = rate * rate;
        let gradient = (square - second).max(LEAST_GRADIENT * square).max(1e-12);
        Self {
            radius: (GRAVITATIONAL_CONSTANT * mass / gradient).cbrt(),
            rate,
            gradient,
            axes: [outwards, cross(across, outwards), across],
        }
    }

    /// The star that leaves a progenitor at `point` by `offset` into `tail`.
    pub fn release(&self, point: &PhaseSpace, offset: &Offset, tail: Tail) -> PhaseSpace {
        let sign = tail.sign();
        let along = |vector: [f64; 3], i: usize| {
            sign * (vector[0] * self.axes[0][i] + vector[1] * self.axes[1][i] + vector[2] * self.axes[2][i])
        };
        PhaseSpace {
            x: [0, 1, 2].map(|i| point.x[i] + along(offset.position, i)),
            v: [0, 1, 2].map(|i| point.v[i] + along(offset.velocity, i)),
        }
    }
}

/// A released star relative to its progenitor, along the axes of its [`Tide`], in the sense of the trailing tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// kpc.
    pub position: [f64; 3],
    /// km/s.
    pub velocity: [f64; 3],
}

/// How stars leave: a distribution of [`Offset`]s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recipe {
    /// Gaussian in radius, height, and two velocities; made for streams without the progenitor's own gravity.
    ///
    /// **Source**: Fardal, Huang & Weinberg (2015), section 2.
    Fardal(Kicks),
    /// Gaussian in the spherical coordinates of place and velocity, at the escape speed; made for use with the progenitor's own gravity.
    ///
    /// **Source**: Chen et al. (2025), table 1.
    Chen,
}

impl Default for Recipe {
    fn default() -> Self {
        Self::Fardal(Kicks::default())
    }
}

/// Means and standard deviations of the recipe of Fardal et al.: lengths in r_J, velocities in Ω r_J.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kicks {
    /// Mean k_r of the radius.
    pub radius: f64,
    /// Its standard deviation.
    pub radius_scatter: f64,
    /// Mean k_vφ of the velocity along the motion, which is k_vφ k_r Ω r_J.
    pub speed: f64,
    /// Its standard deviation.
    pub speed_scatter: f64,
    /// Standard deviation of the height above the orbit's plane.
    pub height_scatter: f64,
    /// Standard deviation of the velocity out of the plane.
    pub vertical_scatter: f64,
}

impl Default for Kicks {
    fn default() -> Self {
        Self {
            radius: 2.0,
            radius_scatter: 0.4,
            speed: 0.3,
            speed_scatter: 0.4,
            height_scatter: 0.5,
            vertical_scatter: 0.5,
        }
    }
}

/// How many normal deviates an offset takes.
pub(crate) const DEVIATES: usize = 5;

impl Recipe {
    /// One offset in the field of `tide`.
    pub fn draw<R: Rng + ?Sized>(&self, tide: &Tide, random: &mut R) -> Offset {
        loop {
            let deviates: [f64; DEVIATES] = std::array::from_fn(|_| random.sample(StandardNormal));
            // A radius of Chen et al. below zero, 4.6 standard deviations off, has no escape speed.
            if let Some(offset) = self.offset(tide, &deviates) {
                return offset;
            }
        }
    }

    /// The offset of these normal deviates; none where the radius would not be positive and has to be.
    pub(crate) fn offset(&self, tide: &Tide, deviates: &[f64; DEVIATES]) -> Option<Offset> {
        match self {
            Self::Fardal(kicks) => Some(kicks.offset(tide, deviates)),
            Self::Chen => chen(tide, deviates),
        }
    }
}

impl Kicks {
    pub(crate) fn offset(&self, tide: &Tide, [r, s, z, w, _]: &[f64; DEVIATES]) -> Offset {
        let radius = self.radius + self.radius_scatter * r;
        let speed = (self.speed + self.speed_scatter * s) * radius;
        let fast = tide.rate * tide.radius;
        Offset {
            position: [radius * tide.radius, 0.0, self.height_scatter * z * tide.radius],
            velocity: [0.0, speed * fast, self.vertical_scatter * w * fast],
        }
    }
}

/// Radius 1.6 ± 0.35 r_J, place at −30 ± 23° and 0 ± 12°, velocity towards 20 ± 20° (−0.7 correlated with the radius) and 0 ± 22°.
fn chen(tide: &Tide, [r, p, t, a, b]: &[f64; DEVIATES]) -> Option<Offset> {
    const CORRELATION: f64 = -0.7;
    let radius = (1.6 + 0.35 * r) * tide.radius;
    let turn = (1.0 - CORRELATION * CORRELATION).sqrt();
    let (phi, theta) = ((-30.0 + 23.0 * p).to_radians(), (12.0 * t).to_radians());
    let alpha = (20.0 + 20.0 * (CORRELATION * r + turn * a)).to_radians();
    let beta = (22.0 * b).to_radians();
    // GM = r_J³ (Ω² − ∂²Φ/∂r²).
    let escape = (2.0 * tide.gradient * tide.radius.powi(3) / radius).sqrt();
    let towards = |length: f64, around: f64, above: f64| {
        [
            length * above.cos() * around.cos(),
            length * above.cos() * around.sin(),
            length * above.sin(),
        ]
    };
    (radius > 0.0).then(|| Offset {
        position: towards(radius, phi, theta),
        velocity: towards(escape, alpha, beta),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::{Kepler, Logarithmic};
    use crate::sample::generator;

    /// Around a point mass ∂²Φ/∂r² = −2Ω², so r_J³ = (m/3M) r³ on a circular orbit.
    #[test]
    fn the_tidal_radius_around_a_point_mass_is_known() {
        let kepler = Kepler::new(3e11).unwrap();
        let speed = (GRAVITATIONAL_CONSTANT * 3e11 / 20.0).sqrt();
        let tide = Tide::at(&kepler, &PhaseSpace::new([0.0, 20.0, 0.0], [-speed, 0.0, 0.0]), 9e4);
        assert!(
            (tide.radius / 20.0 / 1e-7f64.cbrt() - 1.0).abs() < 1e-12,
            "{}",
            tide.radius
        );
        assert!((tide.rate - speed / 20.0).abs() < 1e-12);
        let expected = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        for (axis, expected) in tide.axes.iter().zip(expected) {
            assert!((0..3).all(|i| (axis[i] - expected[i]).abs() < 1e-15), "{:?}", tide.axes);
        }
    }

    #[test]
    fn tails_leave_on_opposite_sides() {
        let halo = Logarithmic::axisymmetric(220.0, 1.0, 0.9).unwrap();
        let progenitor = PhaseSpace::new([12.0, -3.0, 6.0], [40.0, 160.0, -70.0]);
        let tide = Tide::at(&halo, &progenitor, 2e4);
        for recipe in [Recipe::default(), Recipe::Chen] {
            let offset = recipe.draw(&tide, &mut generator(3, 0));
            let lead = tide.release(&progenitor, &offset, Tail::Leading);
            let trail = tide.release(&progenitor, &offset, Tail::Trailing);
            for i in 0..3 {
                assert!((lead.x[i] + trail.x[i] - 2.0 * progenitor.x[i]).abs() < 1e-12);
                assert!((lead.v[i] + trail.v[i] - 2.0 * progenitor.v[i]).abs() < 1e-10);
            }
            assert!(norm(lead.x) < norm(trail.x), "{recipe:?}");
        }
    }

    /// Means and standard deviations of what the papers tabulate, each within five standard errors of 40 000 draws.
    #[test]
    fn offsets_have_their_distributions() {
        let halo = Logarithmic::axisymmetric(220.0, 1.0, 0.9).unwrap();
        let tide = Tide::at(&halo, &PhaseSpace::new([12.0, 0.0, 0.0], [0.0, 200.0, 0.0]), 2e4);
        let n = 40_000;
        let mut random = generator(5, 0);
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            (mean, square.sqrt())
        };
        let near = |found: (f64, f64), mean: f64, scatter: f64| {
            let error = scatter / f64::from(n).sqrt();
            (found.0 - mean).abs() < 5.0 * error && (found.1 - scatter).abs() < 5.0 * error
        };
        let draws: Vec<Offset> = (0..n).map(|_| Recipe::default().draw(&tide, &mut random)).collect();
        let radius: Vec<f64> = draws.iter().map(|o| o.position[0] / tide.radius).collect();
        let fast = tide.rate * tide.radius;
        let speed: Vec<f64> = draws
            .iter()
            .zip(&radius)
            .map(|(o, k)| o.velocity[1] / fast / k)
            .collect();
        assert!(near(moments(&radius), 2.0, 0.4) && near(moments(&speed), 0.3, 0.4));
        let draws: Vec<Offset> = (0..n).map(|_| Recipe::Chen.draw(&tide, &mut random)).collect();
        let radius: Vec<f64> = draws.iter().map(|o| norm(o.position) / tide.radius).collect();
        let angle = |v: [f64; 3]| v[1].atan2(v[0]).to_degrees();
        let phi: Vec<f64> = draws.iter().map(|o| angle(o.position)).collect();
        let alpha: Vec<f64> = draws.iter().map(|o| angle(o.velocity)).collect();
        assert!(
            near(moments(&radius), 1.6, 0.35) && near(moments(&phi), -30.0, 23.0) && near(moments(&alpha), 20.0, 20.0)
        );
        let product: Vec<f64> = (0..n as usize)
            .map(|i| (radius[i] - 1.6) / 0.35 * (alpha[i] - 20.0) / 20.0)
            .collect();
        assert!((moments(&product).0 + 0.7).abs() < 0.03);
        // Every star of Chen et al. has just the escape speed of a point mass.
        let gm = GRAVITATIONAL_CONSTANT * 2e4;
        assert!(
            draws
                .iter()
                .all(|o| (norm(o.velocity).powi(2) * norm(o.position) / (2.0 * gm) - 1.0).abs() < 1e-9)
        );
    }
}
