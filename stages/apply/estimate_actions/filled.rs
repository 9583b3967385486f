//! A learned field whose middle, where it was learned from no star, is filled in.
//!
//! Stars of a disc say nothing of the field within their least radius, and there a sum of discs and multipoles may as well repel.
//! No orbit of theirs gets there, but methods ask for circular orbits from the centre outwards.

use dynamics::potential::{Expansion, Potential, Symmetry, Tabulated, poisson_density};
use dynamics::vector::{difference, dot, norm, scaled, sum};

use super::hold::{INNERMOST, REACH};

/// Radii in the plane that are looked at, evenly in ln R from the innermost.
const RADII: usize = 256;

/// Within the radius r_c of its core a field is
/// Φ(x) = Φ̄ + (r/r_c)² (Φ(r_c x/r) − Φ̄) + ½ g (r² − r_c²)/r_c,
/// with Φ̄ and the attraction g those in the plane at r_c: continuous, the same at r_c, and with circular orbits at all radii. Where
/// a field attracts everywhere it has no core, and is itself.
#[derive(Debug)]
pub struct Filled {
    field: Tabulated,
    core: Option<Core>,
}

#[derive(Debug)]
struct Core {
    /// r_c, kpc.
    radius: f64,
    /// Φ̄, (km/s)².
    level: f64,
    /// g, (km/s)²/kpc.
    attraction: f64,
}

impl Filled {
    /// Of an axisymmetric field that was learned from stars out to `extent` kpc: its core ends where, on the way in, the energy of
    /// circular orbits no longer falls.
    pub fn new(field: Expansion, extent: f64) -> Self {
        let field = Tabulated::new(field, (INNERMOST * extent, REACH * extent));
        let ratio = INNERMOST.powf(1.0 / (RADII - 1) as f64);
        let mut outer = f64::INFINITY;
        let mut core = None;
        for radius in (0..RADII).map(|n| extent * ratio.powi(n as i32)) {
            let (level, acceleration) = field.potential_and_acceleration([radius, 0.0, 0.0]);
            let attraction = -acceleration[0];
            let energy = level + 0.5 * radius * attraction;
            if !(attraction > 0.0 && energy < outer) {
                return Self { field, core };
            }
            outer = energy;
            core = Some(Core {
                radius,
                level,
                attraction,
            });
        }
        Self { field, core: None }
    }

    /// The radius within which it is filled in, kpc: no orbit that gets there is known. Zero where it has no core.
    pub fn core(&self) -> f64 {
        self.core.as_ref().map_or(0.0, |core| core.radius)
    }

    /// The core, for a place within it.
    fn inside(&self, x: [f64; 3]) -> Option<&Core> {
        self.core.as_ref().filter(|core| norm(x) < core.radius)
    }
}

/// The field at r_c above a place within.
struct Above {
    /// Outwards.
    direction: [f64; 3],
    /// Where it is, kpc.
    place: [f64; 3],
    /// Its potential less Φ̄.
    excess: f64,
    /// The gradient of its potential: outwards, and what is left.
    slope: f64,
    across: [f64; 3],
}

impl Core {
    fn above(&self, field: &Tabulated, x: [f64; 3]) -> Above {
        let r = norm(x);
        let direction = if r > 0.0 { scaled(x, 1.0 / r) } else { [1.0, 0.0, 0.0] };
        let place = scaled(direction, self.radius);
        let (potential, acceleration) = field.potential_and_acceleration(place);
        let slope = -dot(direction, acceleration);
        Above {
            direction,
            place,
            excess: potential - self.level,
            slope,
            across: difference(scaled(acceleration, -1.0), scaled(direction, slope)),
        }
    }
}

impl Potential for Filled {
    fn potential(&self, x: [f64; 3]) -> f64 {
        match self.inside(x) {
            Some(_) => self.potential_and_acceleration(x).0,
            None => self.field.potential(x),
        }
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let Some(core) = self.inside(x) else {
            return self.field.potential_and_acceleration(x);
        };
        let Above {
            direction,
            excess,
            across,
            ..
        } = core.above(&self.field, x);
        let share = norm(x) / core.radius;
        let potential =
            core.level + share * share * excess + 0.5 * core.attraction * core.radius * (share * share - 1.0);
        let outwards = share * (2.0 * excess / core.radius + core.attraction);
        let gradient = sum(scaled(direction, outwards), scaled(across, share));
        (potential, scaled(gradient, -1.0))
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let Some(core) = self.inside(x) else {
            return self.field.hessian(x);
        };
        let Above {
            direction: n,
            place,
            excess,
            slope,
            across: t,
        } = core.above(&self.field, x);
        let curvature = self.field.hessian(place);
        let projected = |i: usize, k: usize| {
            let along = |k: usize| dot(curvature[k], n);
            curvature[i][k] - n[i] * along(k) - along(i) * n[k] + n[i] * n[k] * dot(n, [along(0), along(1), along(2)])
        };
        let radius = core.radius;
        std::array::from_fn(|i| {
            std::array::from_fn(|k| {
                let unit = if i == k { 1.0 } else { 0.0 };
                let isotropic = unit * (2.0 * excess / (radius * radius) + core.attraction / radius);
                let turning = (n[i] * t[k] + n[k] * t[i] - slope * (unit - n[i] * n[k])) / radius;
                isotropic + turning + projected(i, k)
            })
        })
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        match self.inside(x) {
            Some(_) => poisson_density(self.hessian(x)),
            None => self.field.density(x),
        }
    }

    fn symmetry(&self) -> Symmetry {
        self.field.symmetry()
    }

    fn potential_at_infinity(&self) -> f64 {
        self.field.potential_at_infinity()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamics::potential::expansion::Term;

    use super::*;

    /// A disc around a smaller one that repels: attraction beyond some kpc, a hill in the middle.
    fn hill() -> Expansion {
        let terms = vec![Term::Disc { a: 3.0, b: 0.5 }, Term::Disc { a: 0.5, b: 0.5 }];
        Expansion::new(terms, vec![4e5, -2.5e5]).unwrap()
    }

    #[test]
    fn a_field_that_attracts_everywhere_is_itself() {
        let field = Expansion::new(vec![Term::Disc { a: 3.0, b: 0.3 }], vec![4e5]).unwrap();
        let filled = Filled::new(field.clone(), 20.0);
        assert_eq!(filled.core(), 0.0);
        for x in [[0.0; 3], [1e-3, 0.0, 2e-3], [8.0, 1.0, -0.5]] {
            assert_eq!(
                filled.potential_and_acceleration(x),
                field.potential_and_acceleration(x)
            );
            assert_eq!(filled.hessian(x), field.hessian(x));
        }
    }

    #[test]
    fn a_hill_in_the_middle_becomes_a_bowl() {
        let (field, filled) = (hill(), Filled::new(hill(), 20.0));
        let core = filled.core();
        assert!(core > 0.1 && core < 5.0, "core {core}");
        // Outside nothing changes, and it is continuous in every direction.
        let outside = [1.2 * core, 0.3, 0.4];
        assert_eq!(
            filled.potential_and_acceleration(outside),
            field.potential_and_acceleration(outside)
        );
        for direction in [[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, 0.0, 1.0]] {
            let [inside, outside] =
                [1.0 - 1e-9, 1.0 + 1e-9].map(|share| filled.potential(scaled(direction, share * core)));
            assert!((inside - outside).abs() < 1e-7 * outside.abs(), "{direction:?}");
        }
        // Circular orbits at all radii, of energies that rise outwards.
        let mut last = f64::NEG_INFINITY;
        for n in 1..400 {
            let radius = 0.05 * f64::from(n);
            let (level, acceleration) = filled.potential_and_acceleration([radius, 0.0, 0.0]);
            assert!(acceleration[0] < 0.0, "{radius}");
            let energy = level - 0.5 * radius * acceleration[0];
            assert!(energy > last, "{radius}");
            last = energy;
        }
    }

    #[test]
    fn derivatives_within_the_core_are_those_of_the_potential() {
        let filled = Filled::new(hill(), 20.0);
        let core = filled.core();
        let at = |x: [f64; 3], i: usize, by: f64| {
            let mut x = x;
            x[i] += by;
            x
        };
        for share in [[0.3, 0.0, 0.0], [0.1, 0.4, 0.2], [-0.2, 0.1, 0.7], [0.01, 0.0, -0.02]] {
            let x = scaled(share, core);
            let step = 1e-4 * norm(x);
            let (acceleration, hessian) = (filled.acceleration(x), filled.hessian(x));
            for i in 0..3 {
                let slope = (filled.potential(at(x, i, step)) - filled.potential(at(x, i, -step))) / (2.0 * step);
                assert!(
                    (slope + acceleration[i]).abs() < 1e-5 * norm(acceleration),
                    "{share:?} {i}"
                );
                let [plus, minus] = [step, -step].map(|by| filled.acceleration(at(x, i, by)));
                for k in 0..3 {
                    let second = (minus[k] - plus[k]) / (2.0 * step);
                    assert!(
                        (second - hessian[i][k]).abs() < 1e-5 * norm(hessian[i]).max(1.0),
                        "{share:?} {i} {k}"
                    );
                }
            }
        }
    }
}
