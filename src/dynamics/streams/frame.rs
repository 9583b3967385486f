//! Stars of a stream in the frame of their own great circle, and what is observed of them.

use crate::phase_space::PhaseSpace;
use crate::sky::Sun;
use crate::units::KM_S_PER_KPC_MAS_YR;
use crate::vector::{cross, dot, norm};

/// A value with its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// Its standard deviation; 0 where it is exact.
    pub error: f64,
}

/// How far a star is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// Distance, kpc, whose logarithm has a Gaussian error.
    Kpc(Measured),
    /// Parallax, mas, of either sign.
    Parallax(Measured),
}

/// What is observed of a star; its place along the stream is taken as exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Star {
    /// Galactic longitude, degrees.
    pub l: f64,
    /// Galactic latitude, degrees.
    pub b: f64,
    /// Standard deviation of its place across the stream, degrees: 0 for a star, more for a point of a track.
    pub across: f64,
    /// Distance or parallax, where there is one.
    pub distance: Option<Distance>,
    /// Line-of-sight velocity, km/s.
    pub v_los: Option<Measured>,
    /// Proper motions μ_ℓ cos b and μ_b, mas/yr.
    pub proper_motion: Option<[Measured; 2]>,
    /// Correlation of the errors of the two proper motions.
    pub correlation: f64,
}

impl Star {
    /// What is not finite of it, or has an error that is negative; nothing if it can be used.
    pub fn fault(&self) -> Option<&'static str> {
        let fine = |of: Measured| of.value.is_finite() && of.error >= 0.0 && of.error.is_finite();
        let distance = match self.distance {
            Some(Distance::Kpc(d)) if !(fine(d) && d.value > 0.0) => Some("the distance"),
            Some(Distance::Parallax(p)) if !fine(p) => Some("the parallax"),
            _ => None,
        };
        let mut motions = self.proper_motion.iter().flatten();
        let placed = self.across >= 0.0 && self.across.is_finite();
        if !(self.l.is_finite() && self.b.abs() <= 90.0 && placed) {
            Some("the place on the sky")
        } else if distance.is_some() {
            distance
        } else if self.v_los.is_some_and(|v| !fine(v)) {
            Some("v_los")
        } else if motions.any(|motion| !fine(*motion)) || self.correlation.is_nan() || self.correlation.abs() >= 1.0 {
            Some("the proper motion")
        } else {
            None
        }
    }
}

/// The observables that are predicted, in this order: φ2 (rad), ln d or the parallax (mas), v_los (km/s), μ_φ1 cos φ2 and μ_φ2 (mas/yr).
pub(crate) const OBSERVED: usize = 5;

/// What is seen of a point of phase space without angles: direction and proper motion (mas/yr) as vectors in a frame's axes, ln d, v_los.
pub(crate) const SIGHT: usize = 8;

/// A star in its stream's frame.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// φ1, rad.
    pub along: f64,
    /// The observables; what was not observed is not finite.
    pub values: [f64; OBSERVED],
    /// Variances and covariances of their errors.
    pub errors: [[f64; OBSERVED]; OBSERVED],
    /// Whether the second is a parallax.
    pub is_parallax: bool,
}

/// The line of sight at a place of a frame, and where φ1 and φ2 grow there.
fn directions(along: f64, latitude: f64) -> [[f64; 3]; 3] {
    let ((sin_1, cos_1), (sin_2, cos_2)) = (along.sin_cos(), latitude.sin_cos());
    [
        [cos_1 * cos_2, sin_1 * cos_2, sin_2],
        [-sin_1, cos_1, 0.0],
        [-cos_1 * sin_2, -sin_1 * sin_2, cos_2],
    ]
}

impl Seen {
    /// Its direction, in the frame's axes.
    pub fn towards(&self) -> [f64; 3] {
        let [sight, ..] = directions(self.along, self.values[0]);
        sight
    }

    /// Its proper motion as a vector in the frame's axes, mas/yr; not finite where it was not observed.
    pub fn motion(&self) -> [f64; 3] {
        let [_, east, north] = directions(self.along, self.values[0]);
        [0, 1, 2].map(|i| self.values[3] * east[i] + self.values[4] * north[i])
    }
}

/// A frame whose equator is a stream's great circle, as the Sun sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Unit vectors towards (φ1, φ2) = (0, 0), (90°, 0) and the pole.
    axes: [[f64; 3]; 3],
    sun: Sun,
}

fn direction(l: f64, b: f64) -> [f64; 3] {
    let ((sin_l, cos_l), (sin_b, cos_b)) = (l.to_radians().sin_cos(), b.to_radians().sin_cos());
    [cos_l * cos_b, sin_l * cos_b, sin_b]
}

/// Unit vectors of increasing longitude and latitude in `axes`, at direction `n`.
fn tangents(axes: &[[f64; 3]; 3], n: [f64; 3]) -> [[f64; 3]; 2] {
    let east = cross(axes[2], n);
    let length = norm(east);
    let east = if length > 1e-12 {
        east.map(|e| e / length)
    } else {
        axes[1]
    };
    [east, cross(n, east)]
}

const GALACTIC: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Frame {
    /// The frame whose equator is nearest to the stars, with φ1 = 0 at `middle` of them.
    pub fn new(stars: &[Star], middle: [f64; 3], sun: &Sun) -> Self {
        // The pole is where Σ (n · pole)² is least: power iteration with Σ n nᵀ taken from a multiple of the unit matrix.
        let mut matrix = [[0.0; 3]; 3];
        for star in stars {
            let n = direction(star.l, star.b);
            for i in 0..3 {
                for j in 0..3 {
                    matrix[i][j] -= n[i] * n[j];
                }
            }
        }
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] += stars.len() as f64;
        }
        let mut pole = [0.36, 0.48, 0.8];
        for _ in 0..500 {
            let next = matrix.map(|row| dot(row, pole));
            pole = next.map(|x| x / norm(next));
        }
        let sideways = cross(pole, middle);
        let second = sideways.map(|x| x / norm(sideways));
        Self {
            axes: [cross(second, pole), second, pole],
            sun: *sun,
        }
    }

    /// The direction of a star.
    pub fn towards(star: &Star) -> [f64; 3] {
        direction(star.l, star.b)
    }

    /// A star in this frame.
    pub fn seen(&self, star: &Star) -> Seen {
        let n = direction(star.l, star.b);
        let [x, y, z] = self.axes.map(|axis| dot(axis, n));
        let mut values = [f64::NAN; OBSERVED];
        let mut errors = [[0.0; OBSERVED]; OBSERVED];
        values[0] = z.clamp(-1.0, 1.0).asin();
        errors[0][0] = star.across.to_radians().powi(2);
        match star.distance {
            Some(Distance::Kpc(d)) => {
                values[1] = d.value.ln();
                errors[1][1] = (d.error / d.value).powi(2);
            }
            Some(Distance::Parallax(p)) => {
                values[1] = p.value;
                errors[1][1] = p.error * p.error;
            }
            None => {}
        }
        if let Some(v) = star.v_los {
            values[2] = v.value;
            errors[2][2] = v.error * v.error;
        }
        if let Some(motion) = star.proper_motion {
            let (here, there) = (tangents(&GALACTIC, n), tangents(&self.axes, n));
            let turn = there.map(|to| here.map(|from| dot(to, from)));
            let mixed = star.correlation * motion[0].error * motion[1].error;
            let covariance = [[motion[0].error.powi(2), mixed], [mixed, motion[1].error.powi(2)]];
            for i in 0..2 {
                values[3 + i] = turn[i][0] * motion[0].value + turn[i][1] * motion[1].value;
                for j in 0..2 {
                    errors[3 + i][3 + j] = (0..2)
                        .flat_map(|k| (0..2).map(move |l| (k, l)))
                        .map(|(k, l)| turn[i][k] * covariance[k][l] * turn[j][l])
                        .sum();
                }
            }
        }
        Seen {
            along: y.atan2(x),
            values,
            errors,
            is_parallax: matches!(star.distance, Some(Distance::Parallax(_))),
        }
    }

    /// φ1 of a point of phase space and its observables, with ln d.
    #[inline]
    pub fn observe(&self, star: &PhaseSpace) -> (f64, [f64; OBSERVED]) {
        let (sun, motion) = (self.sun.position(), self.sun.velocity());
        let (away, velocity) = (
            [0, 1, 2].map(|i| star.x[i] - sun[i]),
            [0, 1, 2].map(|i| star.v[i] - motion[i]),
        );
        let [x, y, z] = self.axes.map(|axis| dot(axis, away));
        let [u, v, w] = self.axes.map(|axis| dot(axis, velocity));
        let across = (x * x + y * y).sqrt().max(1e-12);
        let distance = (across * across + z * z).sqrt();
        let turning = 1.0 / (distance * KM_S_PER_KPC_MAS_YR);
        let outwards = (x * u + y * v) / across;
        let observables = [
            (z / distance).asin(),
            distance.ln(),
            (x * u + y * v + z * w) / distance,
            (x * v - y * u) / across * turning,
            (across * w - z * outwards) / distance * turning,
        ];
        (y.atan2(x), observables)
    }

    /// What is seen of a point of phase space, without angles.
    #[inline]
    pub fn sight(&self, star: &PhaseSpace) -> [f64; SIGHT] {
        let (sun, motion) = (self.sun.position(), self.sun.velocity());
        let away = [0, 1, 2].map(|i| star.x[i] - sun[i]);
        let velocity = [0, 1, 2].map(|i| star.v[i] - motion[i]);
        let n = self.axes.map(|axis| dot(axis, away));
        let velocity = self.axes.map(|axis| dot(axis, velocity));
        let distance = dot(n, n).sqrt().max(1e-12);
        let n = n.map(|n| n / distance);
        let v_los = dot(n, velocity);
        let turning = 1.0 / (distance * KM_S_PER_KPC_MAS_YR);
        let m = [0, 1, 2].map(|i| (velocity[i] - v_los * n[i]) * turning);
        [n[0], n[1], n[2], m[0], m[1], m[2], distance.ln(), v_los]
    }

    /// The point of phase space that is seen so; the inverse of [`Self::observe`].
    pub fn locate(&self, along: f64, [latitude, ln_d, v_los, mu_1, mu_2]: [f64; OBSERVED]) -> PhaseSpace {
        let [sight, east, north] = directions(along, latitude);
        self.place(sight, ln_d, v_los, [0, 1, 2].map(|i| mu_1 * east[i] + mu_2 * north[i]))
    }

    /// The point of phase space that [`Self::sight`] sees so: direction, ln d, v_los and proper motion.
    pub fn place(&self, sight: [f64; 3], ln_d: f64, v_los: f64, proper_motion: [f64; 3]) -> PhaseSpace {
        let (sun, motion) = (self.sun.position(), self.sun.velocity());
        let distance = ln_d.exp();
        let fast = distance * KM_S_PER_KPC_MAS_YR;
        let turned = |vector: [f64; 3], i: usize| (0..3).map(|k| self.axes[k][i] * vector[k]).sum::<f64>();
        let velocity = [0, 1, 2].map(|i| v_los * sight[i] + fast * proper_motion[i]);
        PhaseSpace {
            x: [0, 1, 2].map(|i| sun[i] + distance * turned(sight, i)),
            v: [0, 1, 2].map(|i| motion[i] + turned(velocity, i)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample;

    fn measured(value: f64) -> Measured {
        Measured { value, error: 0.1 }
    }

    fn observed(point: &PhaseSpace) -> Star {
        let seen = Sun::default().observe(point).unwrap();
        Star {
            l: seen.l,
            b: seen.b,
            across: 0.0,
            distance: Some(Distance::Kpc(measured(seen.distance))),
            v_los: Some(measured(seen.v_los)),
            proper_motion: Some([measured(seen.mu_l_cosb), measured(seen.mu_b)]),
            correlation: 0.3,
        }
    }

    #[test]
    fn a_frame_sees_what_the_sky_does() {
        let points = sample::halo(&mut sample::generator(2, 0), 40);
        let stars: Vec<Star> = points.iter().map(observed).collect();
        let frame = Frame::new(&stars, Frame::towards(&stars[0]), &Sun::default());
        for (point, star) in points.iter().zip(&stars) {
            let (along, observables) = frame.observe(point);
            let seen = frame.seen(star);
            assert!((along - seen.along).abs() < 1e-10);
            for (found, expected) in observables.iter().zip(seen.values) {
                assert!(
                    (found - expected).abs() < 1e-9 * (1.0 + found.abs()),
                    "{found} {expected}"
                );
            }
            let back = frame.locate(along, observables);
            assert!((0..3).all(|i| (back.x[i] - point.x[i]).abs() < 1e-10 && (back.v[i] - point.v[i]).abs() < 1e-8));
            // A rotation keeps the size of the error ellipse.
            let trace = seen.errors[3][3] + seen.errors[4][4];
            let determinant = seen.errors[3][3] * seen.errors[4][4] - seen.errors[3][4].powi(2);
            assert!((trace - 0.02).abs() < 1e-12 && (determinant - 1e-4 * (1.0 - 0.09)).abs() < 1e-12);
        }
        assert!(frame.seen(&stars[0]).along.abs() < 1e-9);
    }

    #[test]
    fn the_equator_is_the_stream() {
        // A great circle that is tilted by 50°.
        let stars: Vec<Star> = (0..30)
            .map(|i| {
                let t = f64::from(i) * 0.05;
                let (x, y, z) = (
                    t.cos(),
                    t.sin() * 50f64.to_radians().cos(),
                    t.sin() * 50f64.to_radians().sin(),
                );
                observed(&PhaseSpace::new(
                    [-8.122 + 10.0 * x, 10.0 * y, 10.0 * z],
                    [0.0, 100.0, 0.0],
                ))
            })
            .collect();
        let frame = Frame::new(&stars, Frame::towards(&stars[15]), &Sun::default());
        for (i, star) in stars.iter().enumerate() {
            let seen = frame.seen(star);
            assert!(seen.values[0].abs() < 1e-9 && (seen.along.abs() - (i as f64 - 15.0).abs() * 0.05).abs() < 1e-9);
        }
    }
}
