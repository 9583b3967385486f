//! From Galactocentric phase space to what is observed on the sky, and back.
//!
//! **Axes** (right-handed, those of the authors' code and of astropy's `Galactocentric`): origin at the Galactic centre,
//! the Sun at x = −R0, y = 0, z = z_sun; x points from the Sun to the centre, y in the direction of Galactic rotation
//! (l = 90°), z to the North Galactic Pole. The Galaxy turns clockwise seen from the pole, so disc stars have L_z < 0.
//! Velocities are those in the Galaxy's rest frame. The plane of the axes is that of b = 0: there is no tilt with z_sun.
//! [`Side::PlusX`] is the mirror image in x, the habit of galpy: the Sun at x = +R0, disc stars with L_z > 0, axes left-handed.

use crate::phase_space::PhaseSpace;
use crate::units::KM_S_PER_KPC_MAS_YR;
use crate::vector::dot;

/// On which side of the Galactic centre the x axis has the Sun; y always points in the direction of rotation, z to the North
/// Galactic Pole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The Sun at x = −R0, axes right-handed, L_z < 0 for rotation: astropy's `Galactocentric`, and Ibata et al. (2021).
    #[default]
    MinusX,
    /// The Sun at x = +R0, axes left-handed, L_z > 0 for rotation: galpy.
    PlusX,
}

impl Side {
    /// Multiplies components along x: ours for −1 and +1.
    pub const fn sign(self) -> f64 {
        match self {
            Self::MinusX => 1.0,
            Self::PlusX => -1.0,
        }
    }

    /// The mirror image in x of the axes of [`Side::MinusX`], or of its image: its own inverse.
    fn turned(self, mut star: PhaseSpace) -> PhaseSpace {
        star.x[0] *= self.sign();
        star.v[0] *= self.sign();
        star
    }
}

/// Where the Sun is and how it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sun {
    /// Distance R0 from the Galactic centre, kpc.
    pub r0: f64,
    /// Height above the plane, kpc.
    pub z: f64,
    /// Peculiar velocity U towards the centre, km/s.
    pub u: f64,
    /// Peculiar velocity V in the direction of rotation, km/s.
    pub v: f64,
    /// Peculiar velocity W to the North Galactic Pole, km/s.
    pub w: f64,
    /// Velocity of the local standard of rest, km/s.
    pub v_lsr: f64,
    /// On which side of the centre it is.
    pub side: Side,
}

impl Sun {
    /// R0 of the Gravity Collaboration (2018), U and W of Schönrich et al. (2010), V and V_LSR of Bovy (2020), z = 0:
    /// section 6.1 of Ibata et al. (2021) and the authors' code.
    pub const DEFAULT: Self = Self {
        r0: 8.122,
        z: 0.0,
        u: 11.1,
        v: 7.2,
        w: 7.25,
        v_lsr: 243.0,
        side: Side::MinusX,
    };
}

impl Default for Sun {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A star as seen from the Sun, in Galactic coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observables {
    /// Heliocentric distance d, kpc.
    pub distance: f64,
    /// Galactic longitude ℓ in [0, 360), degrees.
    pub l: f64,
    /// Galactic latitude b, degrees.
    pub b: f64,
    /// Heliocentric line-of-sight velocity, km/s.
    pub v_los: f64,
    /// Proper motion μ_ℓ cos b, mas/yr.
    pub mu_l_cosb: f64,
    /// Proper motion μ_b, mas/yr.
    pub mu_b: f64,
}

/// The star has no direction.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "the star is at the Sun, or its position is not finite: it has no direction on the sky (distance {distance} kpc)"
)]
pub struct NoDirection {
    /// Its distance in kpc.
    pub distance: f64,
}

/// Unit vectors along the line of sight, increasing ℓ, and increasing b.
fn triad(sin_l: f64, cos_l: f64, sin_b: f64, cos_b: f64) -> [[f64; 3]; 3] {
    [
        [cos_l * cos_b, sin_l * cos_b, sin_b],
        [-sin_l, cos_l, 0.0],
        [-cos_l * sin_b, -sin_l * sin_b, cos_b],
    ]
}

impl Sun {
    /// Position and velocity (U, V + V_LSR, W) with the Sun at x = −R0, whichever side it is.
    fn on_minus_x(&self) -> PhaseSpace {
        PhaseSpace::new([-self.r0, 0.0, self.z], [self.u, self.v + self.v_lsr, self.w])
    }

    /// Galactocentric position in kpc.
    pub fn position(&self) -> [f64; 3] {
        self.side.turned(self.on_minus_x()).x
    }

    /// Galactocentric velocity in km/s.
    pub fn velocity(&self) -> [f64; 3] {
        self.side.turned(self.on_minus_x()).v
    }

    /// What the Sun sees of a star.
    ///
    /// **Units**: kpc, km/s; kpc, degrees, km/s, mas/yr. **Accuracy**: rounding.
    /// **Fails when** the star is at the Sun.
    pub fn observe(&self, star: &PhaseSpace) -> Result<Observables, NoDirection> {
        let (sun, star) = (self.on_minus_x(), self.side.turned(*star));
        let [x, y, z] = [0, 1, 2].map(|i| star.x[i] - sun.x[i]);
        let velocity = [0, 1, 2].map(|i| star.v[i] - sun.v[i]);
        let across = x.hypot(y);
        let distance = across.hypot(z);
        if !(distance > 0.0 && distance.is_finite()) {
            return Err(NoDirection { distance });
        }
        let (sin_l, cos_l) = if across > 0.0 {
            (y / across, x / across)
        } else {
            (0.0, 1.0)
        };
        let [sight, along_l, along_b] = triad(sin_l, cos_l, z / distance, across / distance);
        let mas_yr = 1.0 / (distance * KM_S_PER_KPC_MAS_YR);
        let l = y.atan2(x).to_degrees();
        Ok(Observables {
            distance,
            l: if l < 0.0 { (l + 360.0) % 360.0 } else { l },
            b: z.atan2(across).to_degrees(),
            v_los: dot(velocity, sight),
            mu_l_cosb: dot(velocity, along_l) * mas_yr,
            mu_b: dot(velocity, along_b) * mas_yr,
        })
    }

    /// The star that the Sun sees so: the inverse of [`observe`](Self::observe).
    pub fn locate(&self, seen: &Observables) -> PhaseSpace {
        let sun = self.on_minus_x();
        let (sin_l, cos_l) = seen.l.to_radians().sin_cos();
        let (sin_b, cos_b) = seen.b.to_radians().sin_cos();
        let [sight, along_l, along_b] = triad(sin_l, cos_l, sin_b, cos_b);
        let km_s = seen.distance * KM_S_PER_KPC_MAS_YR;
        let (v_l, v_b) = (seen.mu_l_cosb * km_s, seen.mu_b * km_s);
        self.side.turned(PhaseSpace {
            x: [0, 1, 2].map(|i| sun.x[i] + seen.distance * sight[i]),
            v: [0, 1, 2].map(|i| sun.v[i] + seen.v_los * sight[i] + v_l * along_l[i] + v_b * along_b[i]),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample;
    use crate::vector::norm;

    #[test]
    fn returns_to_the_same_star() {
        let suns = [
            Sun::default(),
            Sun {
                r0: 8.224,
                z: 0.0208,
                ..Sun::default()
            },
            Sun {
                z: 0.0208,
                side: Side::PlusX,
                ..Sun::default()
            },
        ];
        let mut stars = sample::halo(&mut sample::generator(11, 0), 5000);
        stars.push(PhaseSpace::new([-8.122, 0.0, 3.0], [1.0, 2.0, 3.0]));
        stars.push(PhaseSpace::new([-8.122, 0.0, -1e-3], [1.0, 2.0, 3.0]));
        stars.push(PhaseSpace::new([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]));
        for sun in suns {
            for star in &stars {
                let seen = sun.observe(star).unwrap();
                assert!((0.0..360.0).contains(&seen.l) && (-90.0..=90.0).contains(&seen.b));
                let back = sun.locate(&seen);
                // Relative to the distances and speeds that are subtracted on the way.
                let length = norm(star.x) + sun.r0;
                let speed = norm(star.v) + 250.0;
                for i in 0..3 {
                    assert!(
                        (back.x[i] - star.x[i]).abs() < 1e-12 * length,
                        "{star:?} comes back as {back:?}"
                    );
                    assert!(
                        (back.v[i] - star.v[i]).abs() < 1e-12 * speed,
                        "{star:?} comes back as {back:?}"
                    );
                }
            }
        }
    }

    /// astropy 8.0.2:
    /// ```python
    /// import astropy.units as u, astropy.coordinates as c
    /// h = c.SkyCoord(u=(-5.5 + 8.122) * u.kpc, v=3.25 * u.kpc, w=1.75 * u.kpc, U=(-75 - 11.1) * u.km / u.s,
    ///                V=(120.5 - 250.2) * u.km / u.s, W=(-42.25 - 7.25) * u.km / u.s, frame="galactic",
    ///                representation_type="cartesian", differential_type="cartesian")
    /// h = c.Galactic(h.data)
    /// h.set_representation_cls(c.SphericalRepresentation, s=c.SphericalCosLatDifferential)
    /// print(h.distance, h.l, h.b, h.radial_velocity, h.pm_l_cosb, h.pm_b)
    /// ```
    /// `Galactocentric(galcen_coord=<l = b = 0>, galcen_distance=8.122 kpc, z_sun=0, galcen_v_sun=(11.1, 250.2, 7.25))`
    /// gives l = 51.104486, b = 22.737581 and the rest alike: its roll differs from the Galactic frame by 2e-5 degrees.
    #[test]
    fn agrees_with_astropy() {
        let seen = Sun::default()
            .observe(&PhaseSpace::new([-5.5, 3.25, 1.75], [-75.0, 120.5, -42.25]))
            .unwrap();
        let found = [seen.distance, seen.l, seen.b, seen.v_los, seen.mu_l_cosb, seen.mu_b];
        let expected = [
            4.527_679_758_993_56,
            51.104_478_521_656_5,
            22.737_604_082_973_8,
            -162.092_780_202_091,
            -0.672_214_235_726_947,
            0.664_335_087_482_837,
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            // astropy's figures are printed to 15 digits; its proper motions pass through several unit conversions.
            assert!((found / expected - 1.0).abs() < 1e-13, "{found} is not {expected}");
        }
    }

    #[test]
    fn on_plus_x_all_is_mirrored() {
        let (minus, plus) = (
            Sun::default(),
            Sun {
                side: Side::PlusX,
                ..Sun::default()
            },
        );
        assert_eq!((plus.position()[0], plus.velocity()[0]), (8.122, -11.1));
        // The Sun goes round with L_z > 0 there.
        let sun = PhaseSpace::new(plus.position(), plus.velocity());
        assert!(sun.angular_momentum()[2] > 2000.0);
        for star in sample::halo(&mut sample::generator(12, 0), 100) {
            let image = Side::PlusX.turned(star);
            assert_eq!(minus.observe(&star), plus.observe(&image));
        }
    }

    #[test]
    fn a_star_at_rest_moves_as_the_sun_makes_it() {
        let sun = Sun::default();
        // The Galactic centre: it recedes at −U and drifts by −(V + V_LSR)/R0, the proper motion of Sgr A*.
        let seen = sun.observe(&PhaseSpace::new([0.0; 3], [0.0; 3])).unwrap();
        assert_eq!((seen.l, seen.b, seen.v_los), (0.0, 0.0, -11.1));
        assert!((seen.mu_l_cosb + 250.2 / 8.122 / 4.740_470_463_533_349).abs() < 1e-12);
        assert!(sun.observe(&PhaseSpace::new(sun.position(), [0.0; 3])).is_err());
    }
}
