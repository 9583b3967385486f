//! Heliocentric observables on tensors: (distance, l, b, v_los, μ_l cos b, μ_b) → galactocentric (x, v).
//!
//! **Units** kpc, deg, deg, km/s, mas/yr, mas/yr → kpc, km/s. The same conventions as the plain f64 code in `dynamics`.

use dynamics::sky::Side;
use dynamics::units::KM_S_PER_KPC_MAS_YR;
use tch::Tensor;

use crate::isochrone::part;

/// Where the Sun is and how it moves in the galactocentric frame of [`dynamics::sky`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sun {
    /// Position, kpc.
    position: [f64; 3],
    /// Velocity, km/s.
    velocity: [f64; 3],
    side: Side,
}

impl From<dynamics::sky::Sun> for Sun {
    fn from(sun: dynamics::sky::Sun) -> Self {
        Self {
            position: sun.position(),
            velocity: sun.velocity(),
            side: sun.side,
        }
    }
}

impl Sun {
    /// Positions and velocities of observables.
    ///
    /// **Shape** […, 6] → two of […, 3].
    pub fn to_cartesian(&self, observables: &Tensor) -> (Tensor, Tensor) {
        let degree = std::f64::consts::PI / 180.0;
        let distance = part(observables, 0);
        let (l, b) = (part(observables, 1) * degree, part(observables, 2) * degree);
        let along = part(observables, 3);
        let tangential = &distance * KM_S_PER_KPC_MAS_YR;
        let (east, north) = (part(observables, 4) * &tangential, part(observables, 5) * tangential);
        let (sin_l, cos_l, sin_b, cos_b) = (l.sin(), l.cos(), b.sin(), b.cos());
        let towards_x = |component: Tensor| match self.side {
            Side::MinusX => component,
            Side::PlusX => -component,
        };
        let outward = [towards_x(&cos_b * &cos_l), &cos_b * &sin_l, sin_b.shallow_clone()];
        let flat = &along * &cos_b - &north * &sin_b;
        let velocity = [
            towards_x(&flat * &cos_l - &east * &sin_l),
            flat * &sin_l + east * &cos_l,
            along * sin_b + north * cos_b,
        ];
        let x: Vec<Tensor> = outward
            .iter()
            .zip(self.position)
            .map(|(unit, sun)| unit * &distance + sun)
            .collect();
        let v: Vec<Tensor> = velocity
            .iter()
            .zip(self.velocity)
            .map(|(speed, sun)| speed + sun)
            .collect();
        (Tensor::stack(&x, -1), Tensor::stack(&v, -1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::assert_gradient;

    #[test]
    fn the_centre_at_rest_is_where_it_should_be() {
        let sun = Sun::from(dynamics::sky::Sun::default());
        let reflex = [
            8.122,
            0.0,
            0.0,
            -11.1,
            -250.2 / (8.122 * KM_S_PER_KPC_MAS_YR),
            -7.25 / (8.122 * KM_S_PER_KPC_MAS_YR),
        ];
        let (x, v) = sun.to_cartesian(&Tensor::from_slice(&reflex));
        // A sum of a few numbers below 300: rounding.
        assert!(x.abs().max().double_value(&[]) < 1e-14);
        assert!(v.abs().max().double_value(&[]) < 1e-12);
    }

    #[test]
    fn the_gradient_agrees_with_central_differences() {
        let sun = Sun::from(dynamics::sky::Sun {
            z: 0.02,
            ..dynamics::sky::Sun::default()
        });
        let point = Tensor::from_slice(&[5.3, 210.0, -35.0, -120.0, 2.4, -4.1]);
        assert_gradient(&point, 1e-4, 1e-8, |point| {
            let (x, v) = sun.to_cartesian(point);
            Tensor::cat(&[x, v], -1)
        });
    }
}
