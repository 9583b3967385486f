//! The Stäckel fudge: actions, angles and frequencies in any axisymmetric potential, nearly.
//!
//! In prolate coordinates R = Δ sinh u sin v, z = Δ cosh u cos v a Stäckel potential separates: with
//! U(u, v) = (sinh² u + sin² v) Φ, p_u²/2Δ² = E sinh² u − I₃ − δU(u) − L_z²/(2Δ² sinh² u) and
//! p_v²/2Δ² = E sin² v + I₃ + δV(v) − L_z²/(2Δ² sin² v). Any other potential is treated as if it did: δU is taken along the
//! star's v and δV along its u. Δ is chosen for each orbit.
//!
//! **Source**: Binney (2012) MNRAS 426, 1324; Sanders & Binney (2016) section 3; Sanders (2012) for Δ.

use crate::numerics::{integrate_panel, root};
use crate::phase_space::{
    ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound, UnboundRows, collect_rows, dot,
};
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::units::wrap_angle;
use rayon::prelude::*;
use std::f64::consts::PI;

/// Action finder by the Stäckel fudge.
#[derive(Clone, Debug)]
pub struct StaeckelFudge<P> {
    potential: P,
}

/// The two separated motions of one star.
struct Separated<'a, P> {
    potential: &'a P,
    focus: f64,
    energy: f64,
    lz: f64,
    /// The star's coordinates and momenta.
    u: f64,
    v: f64,
    p_u: f64,
    p_v: f64,
    /// U at the star, with the integrals that make p_u² and p_v² come out right there.
    centre: f64,
}

impl<P: Potential> StaeckelFudge<P> {
    /// The action finder of `potential`, which must be axisymmetric.
    pub fn new(potential: P) -> Result<Self, WrongSymmetry> {
        WrongSymmetry::check("the Stäckel fudge", Symmetry::Axisymmetric, potential.symmetry())?;
        Ok(Self { potential })
    }

    /// The focal distance Δ in kpc that suits the given places best.
    ///
    /// In a Stäckel potential ∂²[(sinh² u + sin² v)Φ]/∂u∂v = 0, that is (Δ² − z² + R²)Φ_Rz = 3zΦ_R − 3RΦ_z + Rz(Φ_RR − Φ_zz):
    /// the least squares over `places` (R, z). At least a hundredth of the mean radius, at most twice the greatest.
    fn best_focus(&self, places: impl Iterator<Item = (f64, f64)>) -> f64 {
        let (mut top, mut bottom, mut least, mut count, mut most) = (0.0, 0.0, 0.0, 0.0, 0.0f64);
        for (radius, z) in places {
            let at = [radius, 0.0, z];
            let (a, h) = (self.potential.acceleration(at), self.potential.hessian(at));
            let right = -3.0 * z * a[0] + 3.0 * radius * a[2] + radius * z * (h[0][0] - h[2][2]);
            let r2 = radius * radius + z * z;
            let weight = r2 * r2;
            top += weight * h[0][2] * (right + (z * z - radius * radius) * h[0][2]);
            bottom += weight * h[0][2] * h[0][2];
            least += r2;
            count += 1.0;
            most = most.max(r2);
        }
        let square = if bottom > 0.0 { top / bottom } else { 0.0 };
        let square = if square.is_finite() { square } else { 0.0 };
        square.clamp(1e-4 * least / count, 4.0 * most).sqrt()
    }

    /// The focal distance Δ in kpc for the orbit of a point: first where the star is, then over the region it visits.
    pub fn focal_distance(&self, point: &PhaseSpace, energy: f64) -> f64 {
        let radius = point.x[0].hypot(point.x[1]);
        let r = radius.hypot(point.x[2]).max(1e-6);
        let mut focus = self.best_focus(
            [0.2, 0.5, 0.8]
                .into_iter()
                .map(|tilt: f64| (r * tilt.cos(), r * tilt.sin())),
        );
        // The places and their weight r⁴ were chosen for the least errors on the reference orbits: more towards pericentre.
        for _ in 0..2 {
            let orbit = Separated::through(&self.potential, point, energy, focus);
            let (inner, outer, pole) = orbit.limits();
            let places = [0.0, 0.03, 0.13, 0.35, 0.86].into_iter().flat_map(|s| {
                let u: f64 = inner + (outer - inner) * s;
                [0.2, 0.53, 0.78, 1.0].map(|t| {
                    let v: f64 = 0.5 * PI - (0.5 * PI - pole).max(0.02) * t;
                    (focus * u.sinh() * v.sin(), focus * u.cosh() * v.cos())
                })
            });
            focus = self.best_focus(places);
        }
        focus
    }

    /// Actions, angles and frequencies of one phase-space point, with Δ chosen for its orbit.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Accuracy**: exact in a Stäckel potential of the same Δ; otherwise a few per cent for halo orbits, better for disc ones.
    /// **Fails when** the orbit is not bound, or the point not finite.
    pub fn actions(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let energy = self.potential.energy(point);
        if !(energy < self.potential.potential_at_infinity() && energy.is_finite()) {
            return Err(Unbound {
                energy,
                limit: self.potential.potential_at_infinity(),
            });
        }
        self.actions_with_focus(point, self.focal_distance(point, energy))
    }

    /// [`actions`](Self::actions) with a given focal distance Δ > 0 in kpc.
    pub fn actions_with_focus(&self, point: &PhaseSpace, focus: f64) -> Result<ActionAngle, Unbound> {
        let energy = self.potential.energy(point);
        let limit = self.potential.potential_at_infinity();
        if !(energy < limit && energy.is_finite()) {
            return Err(Unbound { energy, limit });
        }
        let orbit = Separated::through(&self.potential, point, energy, focus);
        Ok(orbit.answer(point))
    }

    /// [`actions`](Self::actions) of many points, in parallel; all unbound rows together if there are any.
    pub fn actions_of(&self, points: &[PhaseSpace]) -> Result<Vec<ActionAngle>, UnboundRows> {
        collect_rows(
            points
                .par_iter()
                .with_min_len(64)
                .map(|point| self.actions(point))
                .collect(),
        )
    }
}

impl<'a, P: Potential> Separated<'a, P> {
    fn through(potential: &'a P, point: &PhaseSpace, energy: f64, focus: f64) -> Self {
        let [x, y, z] = point.x;
        let radius = x.hypot(y);
        let lz = x * point.v[1] - y * point.v[0];
        let v_radius = if radius > 0.0 {
            (x * point.v[0] + y * point.v[1]) / radius
        } else {
            point.v[0].hypot(point.v[1])
        };
        // sinh² u from its quadratic, without cancellation on either side of r = Δ.
        let (excess, ring) = (
            (radius * radius + z * z) / (focus * focus) - 1.0,
            (radius / focus).powi(2),
        );
        let discriminant = (excess * excess + 4.0 * ring).sqrt();
        let sinh2 = if excess > 0.0 {
            0.5 * (excess + discriminant)
        } else {
            2.0 * ring / (discriminant - excess)
        };
        let (sinh_u, cosh_u) = (sinh2.sqrt(), (1.0 + sinh2).sqrt());
        let u = sinh_u.asinh();
        let cos_v = (z / (focus * cosh_u)).clamp(-1.0, 1.0);
        let sin_v = if sinh_u > 0.0 {
            (radius / (focus * sinh_u)).min(1.0)
        } else {
            (1.0 - cos_v * cos_v).sqrt()
        };
        let v = sin_v.atan2(cos_v);
        let p_u = focus * (v_radius * cosh_u * sin_v + point.v[2] * sinh_u * cos_v);
        let p_v = focus * (v_radius * sinh_u * cos_v - point.v[2] * cosh_u * sin_v);
        let mut orbit = Self {
            potential,
            focus,
            energy,
            lz,
            u,
            v,
            p_u,
            p_v,
            centre: 0.0,
        };
        orbit.centre = orbit.weighted(u, v);
        orbit
    }

    /// (sinh² u + sin² v) Φ.
    fn weighted(&self, u: f64, v: f64) -> f64 {
        let (sinh, sin) = (u.sinh(), v.sin());
        let x = [self.focus * sinh * sin, 0.0, self.focus * u.cosh() * v.cos()];
        (sinh * sinh + sin * sin) * self.potential.potential(x)
    }

    /// p_u² at u: the star's own value, plus what E, L_z and the potential add on the way.
    fn p_u2(&self, u: f64) -> f64 {
        let (here, star) = (u.sinh().powi(2), self.u.sinh().powi(2));
        let energy = self.energy * (here - star) - (self.weighted(u, self.v) - self.centre);
        let barrier = if self.lz == 0.0 {
            0.0
        } else {
            self.lz * self.lz * (1.0 / here - 1.0 / star)
        };
        self.p_u * self.p_u + 2.0 * self.focus * self.focus * energy - barrier
    }

    /// p_v² at v.
    fn p_v2(&self, v: f64) -> f64 {
        let (here, star) = (v.sin().powi(2), self.v.sin().powi(2));
        let energy = self.energy * (here - star) - (self.weighted(self.u, v) - self.centre);
        let barrier = if self.lz == 0.0 {
            0.0
        } else {
            self.lz * self.lz * (1.0 / here - 1.0 / star)
        };
        self.p_v * self.p_v + 2.0 * self.focus * self.focus * energy - barrier
    }

    /// Where p_u² falls to zero on each side of the star, and where p_v² does towards the pole.
    fn limits(&self) -> (f64, f64, f64) {
        let inner = {
            let mut low = self.u;
            for _ in 0..60 {
                low *= 0.7;
                if self.p_u2(low) < 0.0 {
                    break;
                }
            }
            if self.p_u2(low) < 0.0 {
                root(low, self.u, |u| self.p_u2(u))
            } else {
                0.0
            }
        };
        let outer = {
            let mut high = self.u.max(1e-6);
            for _ in 0..200 {
                high = high * 1.2 + 0.02;
                if self.p_u2(high) < 0.0 {
                    break;
                }
            }
            root(self.u, high, |u| self.p_u2(u))
        };
        // By symmetry the motion in v runs between v and π − v: work in the upper half.
        let star = self.v.min(PI - self.v);
        let mut low = star;
        for _ in 0..60 {
            low *= 0.7;
            if self.p_v2(low) < 0.0 {
                break;
            }
        }
        let pole = if self.p_v2(low) < 0.0 {
            root(low, star, |v| self.p_v2(v))
        } else {
            0.0
        };
        (inner, outer, pole)
    }

    fn answer(&self, point: &PhaseSpace) -> ActionAngle {
        let (inner, outer, pole) = self.limits();
        let square = self.focus * self.focus;
        // In q = middle − half cos η, p = √(p²) and dq/p is regular. Rows: J, and ∂p²/2 by E, I₃ (times 2Δ²) and L_z, over p.
        let radial = |eta: f64| {
            let (middle, half) = (0.5 * (inner + outer), 0.5 * (outer - inner));
            let (sin, cos) = eta.sin_cos();
            let u = middle - half * cos;
            let sinh2 = u.sinh().powi(2).max(1e-300);
            let p = self.p_u2(u).max(0.0).sqrt();
            let time = regular(half * sin, p);
            [
                half * sin * p,
                square * sinh2 * time,
                -square * time,
                -self.lz / sinh2 * time,
            ]
        };
        let vertical = |eta: f64| {
            let half = 0.5 * PI - pole;
            let (sin, cos) = eta.sin_cos();
            let v = 0.5 * PI - half * cos;
            let sin2 = v.sin().powi(2).max(1e-300);
            let p = self.p_v2(v).max(0.0).sqrt();
            let time = regular(half * sin, p);
            [
                half * sin * p,
                square * sin2 * time,
                square * time,
                -self.lz / sin2 * time,
            ]
        };
        let eta_u = angle_between(inner, outer, self.u);
        let eta_v = angle_between(pole, PI - pole, self.v);
        let part_u = integrate(0.0, eta_u, radial);
        let part_v = integrate(0.0, eta_v, vertical);
        let full_u = add(part_u, integrate(eta_u, PI, radial));
        let half_v = integrate(0.0, 0.5 * PI, vertical);
        let full_v = half_v.map(|value| 2.0 * value);

        // J_r = full_u/π, J_z = full_v/π; their gradients by (E, I₃, L_z) give the frequencies and angles.
        let scale = 1.0 / PI;
        let (re, ri, rl) = (full_u[1] * scale, full_u[2] * scale, full_u[3] * scale);
        let (ze, zi, zl) = (full_v[1] * scale, full_v[2] * scale, full_v[3] * scale);
        let determinant = re * zi - ri * ze;
        let (omega_r, omega_z) = (zi / determinant, -ri / determinant);
        let omega_phi = (ri * zl - rl * zi) / determinant;
        // ∂I₃/∂J from the same inverse.
        let (i_r, i_z) = (-ze / determinant, re / determinant);
        let i_phi = (ze * rl - re * zl) / determinant;

        // ∂W/∂(E, I₃, L_z) along the star's branch: radially from pericentre, vertically from the upward crossing of the plane.
        let outwards = if self.p_u < 0.0 { -1.0 } else { 1.0 };
        let [_, e_u, i_u, l_u] = part_u.map(|value| outwards * value);
        // p_v < 0 is upward motion; from v = π/2 downwards in v. Integral from the plane to the star, along the motion.
        let crossing = [0, 1, 2, 3].map(|i| half_v[i] - part_v[i]);
        let [_, e_v, i_v, l_v] = if self.p_v <= 0.0 {
            crossing
        } else {
            [0, 1, 2, 3].map(|i| full_v[i] - crossing[i])
        };
        let (w_e, w_i, w_l) = (e_u + e_v, i_u + i_v, l_u + l_v);
        let theta_r = w_e * omega_r + w_i * i_r;
        let theta_z = w_e * omega_z + w_i * i_z;
        let azimuth = point.x[1].atan2(point.x[0]);
        let theta_phi = azimuth + w_e * omega_phi + w_i * i_phi + w_l;
        let sense = if self.lz < 0.0 { -1.0 } else { 1.0 };
        // On an orbit without L_z the azimuth jumps by π at the axis; the average rate is Ω_z.
        let omega_phi = if self.lz == 0.0 { sense * omega_z } else { omega_phi };
        let theta_phi = if self.lz == 0.0 { azimuth } else { theta_phi };
        let answer = ActionAngle {
            actions: Actions {
                phi: self.lz,
                z: full_v[0] * scale,
                r: full_u[0] * scale,
            },
            angles: Angles {
                phi: wrap_angle(theta_phi),
                z: wrap_angle(theta_z),
                r: wrap_angle(theta_r),
            },
            frequencies: Frequencies {
                phi: omega_phi,
                z: omega_z,
                r: omega_r,
            },
        };
        self.finite_or_epicyclic(answer, point)
    }

    /// The answer, with whatever a degenerate orbit (exactly circular, planar, at rest) leaves undefined filled in from epicycles.
    fn finite_or_epicyclic(&self, mut answer: ActionAngle, point: &PhaseSpace) -> ActionAngle {
        let radius = point.x[0].hypot(point.x[1]).max(1e-9);
        let fields = [answer.frequencies.r, answer.frequencies.z, answer.frequencies.phi];
        if fields.iter().any(|field| !field.is_finite()) {
            let h = self.potential.hessian([radius, 0.0, 0.0]);
            let circular2 = -dot(
                self.potential.acceleration([radius, 0.0, 0.0]),
                [1.0 / radius, 0.0, 0.0],
            );
            let sense = if self.lz < 0.0 { -1.0 } else { 1.0 };
            answer.frequencies = Frequencies {
                phi: sense * circular2.max(0.0).sqrt(),
                z: h[2][2].max(0.0).sqrt(),
                r: (h[0][0] + 3.0 * circular2).max(0.0).sqrt(),
            };
        }
        for angle in [&mut answer.angles.r, &mut answer.angles.z] {
            if !angle.is_finite() {
                *angle = 0.0;
            }
        }
        if !answer.angles.phi.is_finite() {
            answer.angles.phi = wrap_angle(point.x[1].atan2(point.x[0]));
        }
        answer
    }
}

/// `step`/`p`, where both vanish together at a turning point.
fn regular(step: f64, p: f64) -> f64 {
    if p > 0.0 { step / p } else { 0.0 }
}

/// The η in [0, π] at which middle − half cos η is q.
fn angle_between(low: f64, high: f64, q: f64) -> f64 {
    2.0 * (q - low).max(0.0).sqrt().atan2((high - q).max(0.0).sqrt())
}

/// Integral of the four rows over [low, high], on panels of at most a quarter turn.
fn integrate(low: f64, high: f64, mut f: impl FnMut(f64) -> [f64; 4]) -> [f64; 4] {
    let panels = ((high - low) / (0.25 * PI)).ceil().max(1.0) as usize;
    let width = (high - low) / panels as f64;
    (0..panels).fold([0.0; 4], |sum, i| {
        let from = low + width * i as f64;
        add(sum, integrate_panel(from, from + width, &mut f))
    })
}

fn add(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [0, 1, 2, 3].map(|i| a[i] + b[i])
}

#[cfg(test)]
#[path = "staeckel_tests.rs"]
mod tests;
