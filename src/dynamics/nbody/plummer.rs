//! Particles drawn from Plummer's distribution function.

use super::Particles;
use crate::potential::Plummer;
use crate::sample::{generator, isotropic};
use crate::units::GRAVITATIONAL_CONSTANT;
use rand::Rng;

impl Plummer {
    /// `n` particles of equal mass from the isotropic distribution function f(E) ∝ (−E)^{7/2}, seeded: of those within the radius that holds
    /// `mass_fraction` of the mass, in (0, 1], and together of that mass. Velocities are those of the whole sphere.
    ///
    /// Radii invert the mass profile, r = a (X^{−2/3} − 1)^{−1/2}; speeds are a fraction q of the escape speed drawn from
    /// q²(1 − q²)^{7/2} by rejection. Total momentum is then moved to zero, and so is the likeliest centre of the sphere. Not the
    /// centre of mass: a few particles hundreds of scale lengths out, which the others do not feel, displace that by
    /// a √(7/n) and more, and angular momenta about it would change as much as by all encounters of 10⁶ particles.
    ///
    /// **Units**: kpc, km/s, M_sun.
    /// **Source**: Aarseth, Hénon & Wielen (1974), appendix.
    pub fn sample(&self, n: usize, mass_fraction: f64, seed: u64) -> Particles {
        let mut random = generator(seed, 0);
        let random = &mut random;
        let mut particles = Particles {
            masses: vec![self.mass() * mass_fraction / n as f64; n],
            ..Particles::default()
        };
        for _ in 0..n {
            let within = mass_fraction * random.random::<f64>();
            let r = self.scale() / (within.powf(-2.0 / 3.0) - 1.0).sqrt();
            let escape = (2.0 * GRAVITATIONAL_CONSTANT * self.mass() / self.scale().hypot(r)).sqrt();
            let speed = escape * fraction_of_escape_speed(random);
            particles.positions.push(isotropic(random).map(|u| r * u));
            particles.velocities.push(isotropic(random).map(|u| speed * u));
        }
        let weight = |square: f64| 1.0 / (1.0 + square / (self.scale() * self.scale()));
        centre(&mut particles.positions, weight);
        centre(&mut particles.velocities, |_| 1.0);
        particles
    }
}

/// q from q²(1 − q²)^{7/2}, whose greatest value, at q² = 2/9, is 0.0922.
fn fraction_of_escape_speed<R: Rng + ?Sized>(random: &mut R) -> f64 {
    loop {
        let (q, height): (f64, f64) = (random.random(), 0.1 * random.random::<f64>());
        if height < q * q * (1.0 - q * q).powf(3.5) {
            return q;
        }
    }
}

/// Moves all vectors so that their mean, each with a weight that depends on the square of its size, is zero.
///
/// With the weight 1/(1 + r²/a²) that is where the density ∏ (1 + r²/a²)^{−5/2} is greatest.
fn centre(vectors: &mut [[f64; 3]], weight: impl Fn(f64) -> f64) {
    // Of the distance a round leaves 2/7 with that weight, and the rounding of large numbers with equal weights.
    for _ in 0..30 {
        let (mut sum, mut weights) = ([0.0; 3], 0.0);
        for v in vectors.iter() {
            let w = weight(v.iter().map(|v| v * v).sum());
            weights += w;
            sum = [0, 1, 2].map(|i| sum[i] + w * v[i]);
        }
        let mean = sum.map(|sum| sum / weights);
        for v in vectors.iter_mut() {
            *v = [0, 1, 2].map(|i| v[i] - mean[i]);
        }
    }
}
