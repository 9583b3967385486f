//! Exact actions, angles and frequencies of the isochrone, and the way back.
//!
//! With k = GM, a = k/(−2E), c = a − b and the eccentric anomaly η, the radial motion is √(b² + r²) = b + c(1 − e cos η).
//! η is found from e cos η and e sin η together, never from an arc cosine, and every difference of nearly equal numbers
//! is rewritten as a sum, so that near-circular, near-radial, planar and polar orbits keep their digits.
//!
//! **Source**: Hénon (1959); Binney & Tremaine (2008) section 3.5.2; Eq. 3–4 of Ibata et al. (2021), where √(L² − 4GMb)
//! should read √(L² + 4GMb).

use crate::anomaly::Anomaly;
use crate::phase_space::{
    ActionAngle, Actions, Angles, Frequencies, PhaseSpace, SphericalMotion, Unbound, UnboundRows, actions_of_rows,
    sense,
};
use crate::potential::Isochrone;
use crate::vector::{dot, norm};

/// The shape of one orbit: everything that is the same all along it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// GM.
    pub(crate) k: f64,
    pub(crate) b: f64,
    /// |x × v|.
    pub(crate) l: f64,
    /// √(L² + 4GMb).
    pub(crate) root: f64,
    /// √(−2E).
    pub(crate) speed: f64,
    pub(crate) a: f64,
    pub(crate) c: f64,
    pub(crate) e: f64,
    /// 1 − e².
    pub(crate) one_minus_e2: f64,
}

impl Shape {
    /// Ω_r and Ω_z.
    pub(crate) fn frequencies(&self) -> (f64, f64) {
        let radial = self.speed.powi(3) / self.k;
        (radial, 0.5 * (1.0 + self.l / self.root) * radial)
    }

    /// θ_z minus the angle in the orbital plane from the ascending node.
    pub(crate) fn lag(&self, anomaly: &Anomaly, theta_r: f64) -> f64 {
        let (sin, cos) = anomaly.half;
        let one_minus_e = self.one_minus_e2 / (1.0 + self.e);
        let first = ((1.0 + self.e).sqrt() * sin).atan2(one_minus_e.sqrt() * cos);
        let second = ((self.c * (1.0 + self.e) + 2.0 * self.b).sqrt() * sin)
            .atan2((self.c * one_minus_e + 2.0 * self.b).sqrt() * cos);
        let ratio = self.l / self.root;
        0.5 * (1.0 + ratio) * theta_r - first - ratio * second
    }
}

impl Isochrone {
    /// Actions, angles and frequencies of one phase-space point.
    ///
    /// J_φ = L_z, J_z = L − |L_z|, J_r = k/√(−2E) − ½(L + √(L² + 4kb)), with k = GM and L = |x × v|.
    ///
    /// On a planar orbit θ_z is measured from the x axis; on a radial one the orbital plane is taken through the z axis.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Source**: see [the module](self).
    /// **Accuracy**: relative rounding of the point's energy and angular momentum, about 1e-13.
    /// **Fails when** the energy is not negative, or the point not finite.
    pub fn actions(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let (k, b) = (self.gm(), self.scale());
        let r2 = dot(point.x, point.x);
        let v2 = dot(point.v, point.v);
        let w = (b * b + r2).sqrt();
        let speed2 = 2.0 * k / (b + w) - v2;
        if !(speed2 > 0.0 && speed2.is_finite()) {
            return Err(Unbound {
                energy: -0.5 * speed2,
                limit: 0.0,
            });
        }
        let l = norm(point.angular_momentum());
        // w − b, and c(−2E) = v²b + k(w − b)/(w + b), are sums of positive terms.
        let depth = r2 / (w + b);
        let speed = speed2.sqrt();
        let a = k / speed2;
        let c = (v2 * b + k * depth / (w + b)) / speed2;
        let root = (l * l + 4.0 * k * b).sqrt();
        let (e_cos, e_sin) = if c > 0.0 {
            ((c - depth) / c, dot(point.x, point.v) / (c * speed))
        } else {
            (0.0, 0.0)
        };
        let one_minus_e2 = if c > 0.0 {
            (l * l * a / (k * c * c)).min(1.0)
        } else {
            1.0
        };
        let shape = Shape {
            k,
            b,
            l,
            root,
            speed,
            a,
            c,
            e: e_cos.hypot(e_sin),
            one_minus_e2,
        };

        // k/√(−2E) − ½(L + root) as a multiple of e², which vanishes on a circular orbit.
        let total = (k * a).sqrt();
        let j_r = (shape.e * k * c).powi(2) / ((k * c + l * total) * (total + 0.5 * (root - l)));
        let eta = e_sin.atan2(e_cos);
        let theta_r = eta - e_sin * c / a;
        Ok(ActionAngle::spherical(
            point,
            &SphericalMotion {
                j_r: if c > 0.0 { j_r } else { 0.0 },
                theta_r,
                lag: shape.lag(&Anomaly::new(eta), theta_r),
                rates: shape.frequencies(),
            },
        ))
    }

    /// [`actions`](Self::actions) of many points, in parallel; all unbound rows together if there are any.
    pub fn actions_of(&self, points: &[PhaseSpace]) -> Result<Vec<ActionAngle>, UnboundRows> {
        actions_of_rows(points, 1024, |point| self.actions(point))
    }

    /// Frequencies of the orbit with the given actions, km/s/kpc.
    pub fn frequencies(&self, actions: &Actions) -> Frequencies {
        let (radial, vertical) = self.shape(actions).frequencies();
        Frequencies {
            phi: sense(actions.phi) * vertical,
            z: vertical,
            r: radial,
        }
    }

    /// Energy H(J) = −k² / 2 (J_r + ½(L + √(L² + 4kb)))² with L = J_z + |J_φ|, in (km/s)².
    pub fn energy_of(&self, actions: &Actions) -> f64 {
        -0.5 * self.shape(actions).speed.powi(2)
    }

    /// The phase-space point with the given actions and angles: the inverse of [`actions`](Self::actions).
    ///
    /// **Units**: km/s kpc, radians; kpc, km/s. **Accuracy**: about 1e-13, relative.
    /// **Fails when** J_z or J_r is negative or not finite: then the point is not finite.
    pub fn point(&self, actions: &Actions, angles: &Angles) -> PhaseSpace {
        let shape = self.shape(actions);
        let Shape { b, l, c, e, .. } = shape;
        let theta_r = crate::units::wrap_difference(angles.r);
        let anomaly = Anomaly::solve(theta_r, if shape.a > 0.0 { e * c / shape.a } else { 0.0 });
        let (sin_eta, _) = anomaly.whole();
        let half = anomaly.half.0;
        // √(b² + r²) − b = c(1 − e cos η), with 1 − e kept exact for radial orbits.
        let depth = c * (shape.one_minus_e2 / (1.0 + e) + 2.0 * e * half * half);
        let r = (depth * (depth + 2.0 * b)).sqrt();
        let (v_r, v_t) = if r > 0.0 {
            (c * e * sin_eta * shape.speed / r, l / r)
        } else {
            // At pericentre, be it the centre, a star moves across its direction.
            (0.0, (shape.k / b - shape.speed * shape.speed).max(0.0).sqrt())
        };

        let sense = sense(actions.phi);
        let node = angles.phi - sense * angles.z;
        let psi = angles.z - shape.lag(&anomaly, theta_r);
        let (cos_i, sin_i) = if l > 0.0 {
            (
                actions.phi / l,
                (actions.z * (actions.z + 2.0 * actions.phi.abs())).sqrt() / l,
            )
        } else {
            (0.0, 1.0)
        };
        let (sin_node, cos_node) = node.sin_cos();
        let (sin_psi, cos_psi) = psi.sin_cos();
        let along = [cos_node, sin_node, 0.0];
        let across = [-cos_i * sin_node, cos_i * cos_node, sin_i];
        let radial = [0, 1, 2].map(|i| cos_psi * along[i] + sin_psi * across[i]);
        let tangential = [0, 1, 2].map(|i| -sin_psi * along[i] + cos_psi * across[i]);
        PhaseSpace {
            x: radial.map(|u| r * u),
            v: [0, 1, 2].map(|i| v_r * radial[i] + v_t * tangential[i]),
        }
    }

    /// The orbit with these actions.
    pub(crate) fn shape(&self, actions: &Actions) -> Shape {
        let (k, b) = (self.gm(), self.scale());
        let l = actions.z + actions.phi.abs();
        let j = actions.r;
        let root = (l * l + 4.0 * k * b).sqrt();
        let g = 0.5 * (l + root);
        let total = j + g;
        let a = total * total / k;
        // k c = total² − kb, and kc − L total = J_r (J_r + 2g − L), since g² = kb + Lg.
        let excess = j * (j + root);
        let kc = excess + l * total;
        let e = if kc > 0.0 {
            (excess * (kc + l * total)).sqrt() / kc
        } else {
            0.0
        };
        let one_minus_e2 = if kc > 0.0 { (l * total / kc).powi(2) } else { 1.0 };
        Shape {
            k,
            b,
            l,
            root,
            speed: k / total,
            a,
            c: kc / k,
            e,
            one_minus_e2,
        }
    }
}

#[cfg(test)]
#[path = "isochrone_tests.rs"]
pub(crate) mod tests;
