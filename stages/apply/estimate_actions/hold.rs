//! Whether a learned field can hold a star at all. Its potential has no zero point at infinity, so that no energy is too high for it;
//! but an orbit in it means something only near the stars that it was learned from.

use dynamics::phase_space::{ActionAngle, PhaseSpace};
use dynamics::potential::Potential;

/// How far an orbit may go, in units of the distance of the farthest star that the field was learned from.
pub(super) const REACH: f64 = 3.0;

/// Spheres, evenly in ln r from the innermost.
const SPHERES: usize = 128;

/// The innermost radius that is looked at, in units of the farthest star's distance.
pub(super) const INNERMOST: f64 = 1e-3;

/// Places on each sphere from the axis to the plane.
const LATITUDES: usize = 32;

/// The potential of an axisymmetric field, the same on both sides of the plane, on spheres.
#[derive(Debug)]
pub struct Hold {
    spheres: Vec<Sphere>,
    core: f64,
    reach: f64,
}

#[derive(Debug)]
struct Sphere {
    radius: f64,
    /// R² and Φ.
    places: [(f64, f64); LATITUDES],
    /// The least Φ on this sphere and all inside.
    least: f64,
}

/// What bounds the orbit of a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Radius that it does not cross, kpc.
    radius: f64,
    /// Speed that it does not pass, km/s.
    speed: f64,
}

impl Hold {
    /// Of a field that was learned from stars out to `extent` kpc, and is filled in within `core` kpc.
    pub fn new(field: &dyn Potential, core: f64, extent: f64) -> Self {
        let ratio = (REACH / INNERMOST).powf(1.0 / (SPHERES - 1) as f64);
        let mut least = field.potential([0.0; 3]);
        let spheres = (0..SPHERES).map(|n| {
            let radius = extent * INNERMOST * ratio.powi(n as i32);
            let places = std::array::from_fn(|latitude| {
                let angle = std::f64::consts::FRAC_PI_2 * latitude as f64 / (LATITUDES - 1) as f64;
                let (plane, height) = (radius * angle.sin(), radius * angle.cos());
                (plane * plane, field.potential([plane, 0.0, height]))
            });
            least = places.iter().map(|&(_, potential)| potential).fold(least, f64::min);
            Sphere { radius, places, least }
        });
        Self {
            spheres: spheres.collect(),
            core,
            reach: extent * REACH,
        }
    }

    /// What bounds a star: the part of the (R, |z|) half-plane around it where Φ + L_z²/2R² is below its energy, which must end before the
    /// reach, and must not get into the core. Far from the stars that it was learned from a field may fall to anything; what an orbit cannot
    /// get to does not matter.
    pub fn bounds(&self, star: &PhaseSpace, energy: f64) -> Result<Bounds, String> {
        let momentum = star.x[0] * star.v[1] - star.x[1] * star.v[0];
        let half = 0.5 * momentum * momentum;
        let open = self.open(self.around(star.x), |sphere, latitude| {
            let (plane, potential) = self.spheres[sphere].places[latitude];
            potential + half / plane.max(f64::MIN_POSITIVE) <= energy
        });
        let wall = open.and_then(|[_, farthest]| self.spheres.get(farthest + 1)).ok_or_else(|| {
            format!(
                "the learned field does not hold it within {:.0} kpc, three times the farthest star it was learned from",
                self.reach
            )
        })?;
        let nearest = open.map_or(0, |[nearest, _]| nearest);
        if self.core > 0.0 && self.spheres[nearest].radius < self.core {
            return Err(format!(
                "its orbit may get within {:.2} kpc of the centre, where the learned field does not attract",
                self.core
            ));
        }
        Ok(Bounds {
            radius: wall.radius,
            speed: (2.0 * (energy - wall.least)).max(0.0).sqrt(),
        })
    }

    /// The spheres and the latitudes between which a place lies: numbers of both, the lesser first.
    fn around(&self, x: [f64; 3]) -> [[usize; 2]; 2] {
        let plane = x[0].hypot(x[1]);
        let distance = plane.hypot(x[2]);
        let above = self.spheres.partition_point(|sphere| sphere.radius <= distance);
        let latitude = plane.atan2(x[2].abs()) / std::f64::consts::FRAC_PI_2 * (LATITUDES - 1) as f64;
        let below = (latitude as usize).min(LATITUDES - 2);
        [[above.saturating_sub(1), above], [below, below + 1]]
    }

    /// The nearest and the farthest sphere with a place that is open and can be reached from those `around`, or those on either side of the
    /// star, where they lie beyond these; `None` where the star lies beyond all.
    fn open(&self, around: [[usize; 2]; 2], is_open: impl Fn(usize, usize) -> bool) -> Option<[usize; 2]> {
        let [spheres, latitudes] = around;
        let [mut nearest, mut farthest] = spheres;
        if farthest >= self.spheres.len() {
            return None;
        }
        let mut seen = [[false; LATITUDES]; SPHERES];
        let mut next: Vec<(usize, usize)> = Vec::new();
        let mut visit = |sphere: usize, latitude: usize, next: &mut Vec<_>| {
            if !std::mem::replace(&mut seen[sphere][latitude], true) && is_open(sphere, latitude) {
                next.push((sphere, latitude));
            }
        };
        for sphere in spheres {
            for latitude in latitudes {
                visit(sphere, latitude, &mut next);
            }
        }
        while let Some((sphere, latitude)) = next.pop() {
            (nearest, farthest) = (nearest.min(sphere), farthest.max(sphere));
            for sphere in sphere.saturating_sub(1)..=(sphere + 1).min(SPHERES - 1) {
                visit(sphere, latitude, &mut next);
            }
            for latitude in latitude.saturating_sub(1)..=(latitude + 1).min(LATITUDES - 1) {
                visit(sphere, latitude, &mut next);
            }
        }
        Some([nearest, farthest])
    }
}

impl Bounds {
    /// Whether an orbit within these bounds can have such actions and frequencies.
    pub fn check(&self, found: &ActionAngle) -> Result<(), String> {
        let (actions, frequencies) = (&found.actions, &found.frequencies);
        // (1/2π)∮p dq over a way of four times the radius at the highest speed, and a margin for where potentials are looked up.
        let most = self.radius * self.speed;
        for (name, action) in [("J_r", actions.r), ("J_z", actions.z)] {
            if !(action >= -1e-9 * most && action <= most) {
                return Err(format!(
                    "{name} = {action:.3e} km/s kpc: no orbit in the learned field can have it"
                ));
            }
        }
        let wrong = [
            ("Omega_r", frequencies.r, 1.0),
            ("Omega_z", frequencies.z, 1.0),
            ("Omega_phi", frequencies.phi, actions.phi.signum()),
        ];
        for (name, frequency, sign) in wrong {
            if frequency * sign < 0.0 {
                return Err(format!(
                    "{name} = {frequency:.3e} km/s/kpc has the wrong sign: no orbit in the learned field has it"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamics::phase_space::{Actions, Angles, Frequencies};
    use dynamics::potential::expansion::Term;
    use dynamics::potential::{Expansion, Isochrone};

    use super::*;

    fn star(x: [f64; 3], v: [f64; 3]) -> PhaseSpace {
        PhaseSpace::new(x, v)
    }

    #[test]
    fn a_bound_star_is_held_and_a_fast_one_is_not() {
        let field = Isochrone::new(3.334e11, 5.0).unwrap();
        let hold = Hold::new(&field, 0.0, 20.0);
        let bounds = |star: &PhaseSpace| hold.bounds(star, field.energy(star));
        for speed in [0.0, 1.0, 100.0, 200.0, 280.0] {
            let star = star([8.0, 0.0, 1.0], [0.2 * speed, 0.9 * speed, 0.38 * speed]);
            let bounds = bounds(&star).unwrap();
            bounds.check(&field.actions(&star).unwrap()).unwrap();
        }
        // Bound, but to nearly 1000 kpc; then not at all.
        for speed in [440.0, 600.0] {
            let gave = bounds(&star([8.0, 0.0, 1.0], [0.0, speed, 0.0])).unwrap_err();
            assert!(gave.contains("does not hold it within 60 kpc"), "{gave}");
        }
    }

    #[test]
    fn a_field_that_repels_holds_nothing() {
        let field = Expansion::new(vec![Term::Disc { a: 3.0, b: 0.3 }], vec![-5e4]).unwrap();
        let hold = Hold::new(&field, 0.0, 20.0);
        let star = star([8.0, 0.0, 1.0], [20.0, 200.0, 10.0]);
        assert!(hold.bounds(&star, field.energy(&star)).is_err());
    }

    /// An isochrone with a deep hole on the axis, far from the plane, as a field that was learned from a disc may have.
    #[derive(Debug)]
    struct Hole(Isochrone);

    impl Potential for Hole {
        fn potential(&self, x: [f64; 3]) -> f64 {
            let square = x[0] * x[0] + x[1] * x[1] + (x[2].abs() - 40.0).powi(2);
            self.0.potential(x) - 3e5 * (-square / 200.0).exp()
        }

        fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
            self.0.acceleration(x)
        }

        fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
            self.0.hessian(x)
        }

        fn density(&self, x: [f64; 3]) -> f64 {
            self.0.density(x)
        }
    }

    #[test]
    fn a_hole_that_an_orbit_cannot_get_to_does_not_matter() {
        let field = Hole(Isochrone::new(3.334e11, 5.0).unwrap());
        let hold = Hold::new(&field, 0.0, 15.0);
        let bounds = |star: &PhaseSpace| hold.bounds(star, field.energy(star));
        let disc = star([8.0, 0.0, 0.1], [20.0, 210.0, 10.0]);
        assert!(bounds(&disc).unwrap().radius < 15.0);
        // Along the axis it gets there, and on to the reach.
        let polar = star([0.1, 0.0, 8.0], [0.0, 0.0, 350.0]);
        assert!(bounds(&polar).is_err());
    }

    #[test]
    fn an_orbit_that_may_get_into_the_core_is_not_held() {
        let field = Isochrone::new(3.334e11, 5.0).unwrap();
        let hold = Hold::new(&field, 4.0, 20.0);
        let bounds = |star: &PhaseSpace| hold.bounds(star, field.energy(star));
        assert!(bounds(&star([8.0, 0.0, 0.1], [20.0, 210.0, 10.0])).is_ok());
        let gave = bounds(&star([8.0, 0.0, 0.1], [20.0, 60.0, 10.0])).unwrap_err();
        assert!(gave.contains("within 4.00 kpc of the centre"), "{gave}");
    }

    #[test]
    fn what_no_orbit_can_have_is_refused_with_its_name() {
        let bounds = Bounds {
            radius: 20.0,
            speed: 400.0,
        };
        let found = |z: f64, frequency: f64| ActionAngle {
            actions: Actions {
                r: 100.0,
                phi: -1000.0,
                z,
            },
            angles: Angles {
                r: 1.0,
                phi: 1.0,
                z: 1.0,
            },
            frequencies: Frequencies {
                r: frequency,
                phi: -30.0,
                z: 40.0,
            },
        };
        assert_eq!(bounds.check(&found(50.0, 40.0)), Ok(()));
        assert!(
            bounds
                .check(&found(1e13, 40.0))
                .unwrap_err()
                .starts_with("J_z = 1.000e13")
        );
        assert!(bounds.check(&found(-3.0, 40.0)).is_err());
        assert!(bounds.check(&found(f64::NAN, 40.0)).is_err());
        assert!(
            bounds
                .check(&found(50.0, -36.8))
                .unwrap_err()
                .starts_with("Omega_r = -3.680e1")
        );
    }
}
