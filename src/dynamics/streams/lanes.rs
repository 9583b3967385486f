//! Many particles at once in the field of an [`Expansion`].

use super::pace::{MOST_STEPS, Pace, next_rate, quintic};
use crate::potential::Expansion;
use crate::potential::expansion::Term;
use fearless_simd::{Level, Simd, dispatch};

/// Particles that are advanced side by side.
pub(crate) const LANES: usize = 8;

type Lanes = [f64; LANES];

/// Positions and velocities of [`LANES`] particles.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// kpc.
    pub x: [Lanes; 3],
    /// km/s.
    pub v: [Lanes; 3],
}

/// Multipoles of one scale s: Φ = −M u − s² (D·x) u³ − s³ (x·Q x) u⁵, u = (r² + s²)^(−1/2).
#[derive(Clone, Debug)]
struct Shell {
    square: f64,
    monopole: f64,
    /// s² D, where there is one.
    dipole: Option<[f64; 3]>,
    /// s³ Q: xx, yy, zz, xy, xz, yz.
    quadrupole: [f64; 6],
}

/// The acceleration of an expansion, for lanes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pull {
    /// a, b², GM.
    discs: Vec<[f64; 3]>,
    /// s², 1/q², v₀².
    haloes: Vec<[f64; 3]>,
    shells: Vec<Shell>,
}

impl Pull {
    /// Height of the thinnest disc, kpc; that of no disc is without end.
    pub fn height(&self) -> f64 {
        self.discs
            .iter()
            .map(|[_, b2, _]| b2.sqrt())
            .fold(f64::INFINITY, f64::min)
    }

    pub fn new(galaxy: &Expansion) -> Self {
        let mut pull = Self::default();
        for (term, &c) in galaxy.terms().iter().zip(galaxy.coefficients()) {
            match *term {
                Term::Disc { a, b } if a > 0.0 => pull.discs.push([a, b * b, c * (a + b)]),
                Term::Disc { b, .. } => pull.shell(b).monopole += c * b,
                Term::Halo { core, flattening } => pull.haloes.push([core * core, 1.0 / (flattening * flattening), c]),
                Term::Multipole { scale, order } => {
                    let shell = pull.shell(scale);
                    let (square, cube) = (c * scale * scale, c * scale * scale * scale);
                    match order {
                        0..3 => shell.dipole.get_or_insert([0.0; 3])[order] += square,
                        3 => {
                            shell.quadrupole[0] += cube;
                            shell.quadrupole[1] -= cube;
                        }
                        // P = xy is x·Qx with Q_xy = Q_yx = ½.
                        4..7 => shell.quadrupole[order - 1] += 0.5 * cube,
                        _ => {
                            shell.quadrupole[0] -= cube;
                            shell.quadrupole[1] -= cube;
                            shell.quadrupole[2] += 2.0 * cube;
                        }
                    }
                }
            }
        }
        pull
    }

    fn shell(&mut self, scale: f64) -> &mut Shell {
        let square = scale * scale;
        let place = self.shells.iter().position(|shell| shell.square == square);
        let place = place.unwrap_or_else(|| {
            self.shells.push(Shell {
                square,
                monopole: 0.0,
                dipole: None,
                quadrupole: [0.0; 6],
            });
            self.shells.len() - 1
        });
        &mut self.shells[place]
    }

    #[inline(always)]
    fn acceleration(&self, [x, y, z]: &[Lanes; 3]) -> [Lanes; 3] {
        let mut a = [[0.0; LANES]; 3];
        for &[scale, b2, gm] in &self.discs {
            for i in 0..LANES {
                let zeta = (z[i] * z[i] + b2).sqrt();
                let sum = scale + zeta;
                let square = x[i] * x[i] + y[i] * y[i] + sum * sum;
                let cube = -gm / (square * square.sqrt());
                a[0][i] += x[i] * cube;
                a[1][i] += y[i] * cube;
                a[2][i] += z[i] * cube * sum / zeta;
            }
        }
        for &[core, flat, v2] in &self.haloes {
            for i in 0..LANES {
                let factor = -v2 / (core + x[i] * x[i] + y[i] * y[i] + z[i] * z[i] * flat);
                a[0][i] += x[i] * factor;
                a[1][i] += y[i] * factor;
                a[2][i] += z[i] * factor * flat;
            }
        }
        for shell in &self.shells {
            let [xx, yy, zz, xy, xz, yz] = shell.quadrupole;
            for i in 0..LANES {
                let u2 = 1.0 / (x[i] * x[i] + y[i] * y[i] + z[i] * z[i] + shell.square);
                let u3 = u2 * u2.sqrt();
                let u5 = u3 * u2;
                let q = [
                    xx * x[i] + xy * y[i] + xz * z[i],
                    xy * x[i] + yy * y[i] + yz * z[i],
                    xz * x[i] + yz * y[i] + zz * z[i],
                ];
                let form = x[i] * q[0] + y[i] * q[1] + z[i] * q[2];
                let radial = -(shell.monopole * u3 + 5.0 * form * u5 * u2);
                a[0][i] += radial * x[i] + 2.0 * u5 * q[0];
                a[1][i] += radial * y[i] + 2.0 * u5 * q[1];
                a[2][i] += radial * z[i] + 2.0 * u5 * q[2];
            }
            if let Some(d) = shell.dipole {
                for i in 0..LANES {
                    let u2 = 1.0 / (x[i] * x[i] + y[i] * y[i] + z[i] * z[i] + shell.square);
                    let u3 = u2 * u2.sqrt();
                    let form = 3.0 * u2 * (d[0] * x[i] + d[1] * y[i] + d[2] * z[i]);
                    a[0][i] += u3 * (d[0] - form * x[i]);
                    a[1][i] += u3 * (d[1] - form * y[i]);
                    a[2][i] += u3 * (d[2] - form * z[i]);
                }
            }
        }
        a
    }

    /// Advances every lane by its own time, kpc/(km/s), in steps of their own; a lane that would need more than [`MOST_STEPS`] is not a number.
    pub fn advance(&self, batch: &mut Batch, times: &Lanes, pace: &Pace) {
        let level = Level::new();
        dispatch!(level, simd => self.advance_with(simd, batch, times, pace));
    }

    #[inline(always)]
    fn advance_with<S: Simd>(&self, simd: S, batch: &mut Batch, times: &Lanes, pace: &Pace) {
        simd.vectorize(
            #[inline(always)]
            || self.advance_lanes(batch, times, pace),
        )
    }

    /// Adaptive Verlet until every lane is beyond its time; what lies between the last two points of a lane is a quintic.
    #[inline(always)]
    fn advance_lanes(&self, batch: &mut Batch, times: &Lanes, pace: &Pace) {
        let rates = |[x, y, z]: &[Lanes; 3]| -> Lanes {
            std::array::from_fn(|i| pace.rate(x[i] * x[i] + y[i] * y[i], z[i] * z[i]))
        };
        let mut rate = rates(&batch.x);
        let (mut before, mut since, mut time): (Batch, Lanes, Lanes) = (batch.clone(), [0.0; LANES], [0.0; LANES]);
        for _ in 0..MOST_STEPS {
            if (0..LANES).all(|i| time[i].is_nan() || time[i] >= times[i]) {
                break;
            }
            // Lanes that are there stand still.
            let goes: Lanes = std::array::from_fn(|i| if time[i] < times[i] { 1.0 } else { 0.0 });
            for i in 0..LANES {
                since[i] = if goes[i] > 0.0 { time[i] } else { since[i] };
                for k in 0..3 {
                    before.x[k][i] = if goes[i] > 0.0 { batch.x[k][i] } else { before.x[k][i] };
                    before.v[k][i] = if goes[i] > 0.0 { batch.v[k][i] } else { before.v[k][i] };
                }
            }
            let first: Lanes = std::array::from_fn(|i| 0.5 * goes[i] / rate[i]);
            add(&mut batch.x, &batch.v, &first);
            let middle = rates(&batch.x);
            for i in 0..LANES {
                let next = next_rate(rate[i], middle[i]);
                rate[i] = if goes[i] > 0.0 { next } else { rate[i] };
            }
            let second: Lanes = std::array::from_fn(|i| 0.5 * goes[i] / rate[i]);
            let whole: Lanes = std::array::from_fn(|i| first[i] + second[i]);
            add(&mut batch.v, &self.acceleration(&batch.x), &whole);
            add(&mut batch.x, &batch.v, &second);
            for i in 0..LANES {
                time[i] += whole[i];
            }
        }
        let (from, to) = (self.acceleration(&before.x), self.acceleration(&batch.x));
        for i in 0..LANES {
            if time[i] < times[i] {
                (0..3).for_each(|k| (batch.x[k][i], batch.v[k][i]) = (f64::NAN, f64::NAN));
                continue;
            }
            let step = time[i] - since[i];
            if step > 0.0 {
                for k in 0..3 {
                    let [x, v] = quintic(
                        [before.x[k][i], before.v[k][i], from[k][i]],
                        [batch.x[k][i], batch.v[k][i], to[k][i]],
                        step,
                        (times[i] - since[i]) / step,
                    );
                    (batch.x[k][i], batch.v[k][i]) = (x, v);
                }
            }
        }
    }
}

/// `to` += `by` · `of`, lane by lane.
#[inline(always)]
fn add(to: &mut [Lanes; 3], of: &[Lanes; 3], by: &Lanes) {
    for (to, of) in to.iter_mut().zip(of) {
        for ((to, of), by) in to.iter_mut().zip(of).zip(by) {
            *to += by * of;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::orbit::leapfrog;
    use crate::phase_space::PhaseSpace;
    use crate::potential::Potential;
    use crate::potential::expansion::HARMONICS;
    use crate::sample;
    use crate::units::{Gyr, Natural};
    use crate::vector::{dot, norm};

    fn field() -> Expansion {
        let mut terms = vec![
            Term::Disc { a: 3.0, b: 0.3 },
            Term::Halo {
                core: 4.0,
                flattening: 0.9,
            },
        ];
        let mut coefficients = vec![6e4, 3e4];
        for scale in [5.0, 11.0] {
            terms.push(Term::Disc { a: 0.0, b: scale });
            coefficients.push(900.0);
            for order in 0..HARMONICS {
                terms.push(Term::Multipole { scale, order });
                coefficients.push(150.0 - 60.0 * order as f64);
            }
        }
        Expansion::new(terms, coefficients).unwrap()
    }

    #[test]
    fn lanes_move_as_one_particle_does() {
        let field = field();
        let pull = Pull::new(&field);
        let starts = sample::halo(&mut sample::generator(4, 0), LANES);
        let of = |value: &dyn Fn(&PhaseSpace) -> f64| std::array::from_fn(|i| value(&starts[i]));
        let mut batch = Batch {
            x: [0, 1, 2].map(|k| of(&|star| star.x[k])),
            v: [0, 1, 2].map(|k| of(&|star| star.v[k])),
        };
        let a = pull.acceleration(&batch.x);
        for (i, star) in starts.iter().enumerate() {
            let expected = field.acceleration(star.x);
            for k in 0..3 {
                assert!((a[k][i] - expected[k]).abs() < 1e-11 * (1.0 + expected[k].abs()) * 1e2);
            }
        }
        // Two radial periods and more of most, each lane for its own time.
        let ages: [f64; LANES] = std::array::from_fn(|i| 0.4 + 0.1 * i as f64);
        let times = ages.map(|age| Natural::from(Gyr(age)).0);
        pull.advance(&mut batch, &times, &Pace::new(250.0, 0.3));
        for (i, star) in starts.iter().enumerate() {
            let orbit = leapfrog::integrate(&field, star, &[Gyr(ages[i])], Gyr(1e-5)).unwrap();
            let there = PhaseSpace::new([0, 1, 2].map(|k| batch.x[k][i]), [0, 1, 2].map(|k| batch.v[k][i]));
            let off = norm([0, 1, 2].map(|k| there.x[k] - orbit.points[0].x[k]));
            let gained = (field.energy(&there) - field.energy(star)) / dot(star.x, field.acceleration(star.x));
            // Stars leave with energies that differ by some 1e-2 of v_c² = −x·a, and streams are some 0.1 kpc wide.
            assert!(off < 0.1 && gained.abs() < 2e-3, "{i}: {off} kpc, {gained:e}");
        }
    }

    /// A lane that cannot get to its time in so many steps is nowhere, and the others are not touched by it.
    #[test]
    fn a_lane_that_takes_too_many_steps_is_nowhere() {
        let pull = Pull::new(&field());
        let star = sample::halo(&mut sample::generator(4, 0), 1)[0];
        let mut batch = Batch {
            x: star.x.map(|x| [x; LANES]),
            v: star.v.map(|v| [v; LANES]),
        };
        let times: [f64; LANES] = std::array::from_fn(|i| if i == 3 { 1e9 } else { 0.3 });
        pull.advance(&mut batch, &times, &Pace::new(250.0, 0.3));
        for i in 0..LANES {
            assert_eq!(batch.x[0][i].is_nan() && batch.v[2][i].is_nan(), i == 3, "{i}");
        }
    }
}
