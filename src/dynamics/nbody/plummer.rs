//! Particles drawn from Plummer's distribution function.

use super::Particles;
use crate::potential::Plummer;
use crate::sample::{generator, isotropic};
use crate::units::GRAVITATIONAL_CONSTANT;
use rand::Rng;

impl Plummer {
    /// `n` particles of equal mass from the isotropic distribution function f(E) ∝ (−E)^{7/2}, seeded.
    ///
    /// Radii invert the mass profile, r = a (X^{−2/3} − 1)^{−1/2}; speeds are a fraction q of the escape speed drawn from
    /// q²(1 − q²)^{7/2} by rejection. Centre of mass and total momentum are then moved to zero.
    ///
    /// **Units**: kpc, km/s, M_sun.
    /// **Source**: Aarseth, Hénon & Wielen (1974), appendix.
    pub fn sample(&self, n: usize, seed: u64) -> Particles {
        let mut random = generator(seed, 0);
        let random = &mut random;
        let mut particles = Particles {
            masses: vec![self.mass() / n as f64; n],
            ..Particles::default()
        };
        for _ in 0..n {
            let within: f64 = random.random();
            let r = self.scale() / (within.powf(-2.0 / 3.0) - 1.0).sqrt();
            let escape = (2.0 * GRAVITATIONAL_CONSTANT * self.mass() / self.scale().hypot(r)).sqrt();
            let speed = escape * fraction_of_escape_speed(random);
            particles.positions.push(isotropic(random).map(|u| r * u));
            particles.velocities.push(isotropic(random).map(|u| speed * u));
        }
        centre(&mut particles.positions);
        centre(&mut particles.velocities);
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

/// Takes their mean from all vectors: twice, because the first mean carries the rounding of large numbers.
fn centre(vectors: &mut [[f64; 3]]) {
    let n = vectors.len() as f64;
    for _ in 0..2 {
        let mean = [0, 1, 2].map(|i| vectors.iter().map(|v| v[i]).sum::<f64>() / n);
        for v in vectors.iter_mut() {
            *v = [0, 1, 2].map(|i| v[i] - mean[i]);
        }
    }
}
