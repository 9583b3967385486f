//! Many particles at once in the field of an [`Expansion`], by leapfrog.

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

    /// Advances every lane by `steps` kick–drift–kick steps of its own size, kpc/(km/s).
    pub fn advance(&self, batch: &mut Batch, step: &Lanes, steps: usize) {
        let level = Level::new();
        dispatch!(level, simd => self.advance_with(simd, batch, step, steps));
    }

    #[inline(always)]
    fn advance_with<S: Simd>(&self, simd: S, batch: &mut Batch, step: &Lanes, steps: usize) {
        simd.vectorize(
            #[inline(always)]
            || {
                let mut a = self.acceleration(&batch.x);
                add(&mut batch.v, &a, step, 0.5);
                for done in 1..=steps {
                    add(&mut batch.x, &batch.v, step, 1.0);
                    a = self.acceleration(&batch.x);
                    add(&mut batch.v, &a, step, if done == steps { 0.5 } else { 1.0 });
                }
            },
        )
    }
}

/// `to` += `part` · `step` · `of`, lane by lane.
#[inline(always)]
fn add(to: &mut [Lanes; 3], of: &[Lanes; 3], step: &Lanes, part: f64) {
    for (to, of) in to.iter_mut().zip(of) {
        for ((to, of), step) in to.iter_mut().zip(of).zip(step) {
            *to += part * step * of;
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
        let step = Natural::from(Gyr(0.001)).0;
        pull.advance(&mut batch, &[step; LANES], 200);
        for (i, star) in starts.iter().enumerate() {
            let orbit = leapfrog::integrate(&field, star, &[Gyr(0.2)], Gyr(0.001)).unwrap();
            for k in 0..3 {
                assert!((batch.x[k][i] - orbit.points[0].x[k]).abs() < 1e-9);
                assert!((batch.v[k][i] - orbit.points[0].v[k]).abs() < 1e-7);
            }
        }
    }
}
