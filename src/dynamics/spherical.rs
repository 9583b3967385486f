//! Exact actions, angles and frequencies in any spherical potential.
//!
//! With u = r² the radial motion is (r v_r)² = f(u) = 2u(E − Φ) − L² = (u − u₋)(u₊ − u) g(u), and g is positive and
//! smooth. In u = u₋ + (u₊ − u₋) sin²(η/2) all integrals are regular at both turning points; panels graded towards η = 0
//! resolve near-radial orbits; and on near-circular ones g = −f[u₋, u, u₊] is averaged from f'' = −κ²/2, a sum of positive
//! terms, instead of being divided out.

use crate::numerics::{gauss_legendre, integrate_graded, integrate_panel, root};
use crate::phase_space::{ActionAngle, PhaseSpace, SphericalMotion, Unbound, UnboundRows, actions_of_rows};
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::vector::{dot, norm};
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Relative width (u₊ − u₋)/u below which divided differences of f are averaged from f''.
const NARROW: f64 = 0.1;

/// (E − Φ(0))/|Φ(0)| below which E − Φ has lost five digits.
const DEEP: f64 = 1e-5;

/// (r v_r)² over the numbers of which it is a difference in f, above which its sign is beyond doubt.
const CLEAR: f64 = 1e-10;

/// Angular momentum that a radial orbit is given, over that of its farther turning point at the speed halfway: the radial action does not
/// notice it, and a star that is not exactly radial has more.
const LEAST: f64 = 1e-20;

/// The rule for averages over short distances: exact to degree 9, so 1e-10 or better over a tenth.
static RULE: LazyLock<[(f64, f64); 5]> = LazyLock::new(gauss_legendre);

/// Exact actions, angles and frequencies in a spherical potential.
#[derive(Clone, Debug)]
pub struct SphericalActions<P> {
    potential: P,
}

/// One orbit: its integrals and turning points.
struct RadialOrbit<'a, P> {
    potential: &'a P,
    energy: f64,
    l: f64,
    /// The star's r, and its v²/2.
    star: (f64, f64),
    /// Whether E − Φ is the star's v²/2 less the work against gravity, and not a difference of nearly equal numbers.
    deep: bool,
    inner: f64,
    outer: f64,
    narrow: bool,
}

impl<P: Potential> SphericalActions<P> {
    /// The action finder of `potential`, which must be spherical.
    pub fn new(potential: P) -> Result<Self, WrongSymmetry> {
        WrongSymmetry::check("spherical actions", Symmetry::Spherical, potential.symmetry())?;
        Ok(Self { potential })
    }

    /// Actions, angles and frequencies of one phase-space point.
    ///
    /// J_φ = L_z, J_z = L − |L_z|, J_r = (1/π) ∫ v_r dr between the turning points.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Source**: Binney & Tremaine (2008) section 3.5.2.
    /// **Accuracy**: 1e-9 or better, relative to the orbit's total action and frequencies.
    /// **Fails when** the orbit is not bound, or the point not finite.
    pub fn actions(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let energy = self.potential.energy(point);
        let limit = self.potential.potential_at_infinity();
        if !(energy < limit && energy.is_finite()) {
            return Err(Unbound { energy, limit });
        }
        let l = norm(point.angular_momentum());
        let Some((orbit, below, above)) = RadialOrbit::through(&self.potential, point, energy, l) else {
            let centre = self.potential.hessian([0.0; 3])[0][0].max(0.0).sqrt();
            let at_rest = SphericalMotion {
                j_r: 0.0,
                theta_r: 0.0,
                lag: 0.0,
                rates: (2.0 * centre, centre),
            };
            return Ok(ActionAngle::spherical(point, &at_rest));
        };

        let eta = 2.0 * below.sqrt().atan2(above.sqrt());
        let finest = 2.0 * (orbit.inner / (orbit.outer - orbit.inner).max(f64::MIN_POSITIVE)).sqrt();
        let finest = finest.min(PI);
        let part = integrate_graded(0.0, eta, finest, |eta| orbit.integrands(eta));
        let rest = integrate_graded(eta, PI, finest, |eta| orbit.integrands(eta));
        let [half_period, advance, j_r] = [0, 1, 2].map(|i| part[i] + rest[i]);
        let omega_r = PI / half_period;
        let omega_z = advance / half_period;
        let outwards = if dot(point.x, point.v) < 0.0 { -1.0 } else { 1.0 };
        Ok(ActionAngle::spherical(
            point,
            &SphericalMotion {
                j_r: j_r / PI,
                theta_r: outwards * omega_r * part[0],
                lag: outwards * (omega_z * part[0] - part[1]),
                rates: (omega_r, omega_z),
            },
        ))
    }

    /// [`actions`](Self::actions) of many points, in parallel; all unbound rows together if there are any.
    pub fn actions_of(&self, points: &[PhaseSpace]) -> Result<Vec<ActionAngle>, UnboundRows> {
        actions_of_rows(points, 64, |point| self.actions(point))
    }
}

impl<'a, P: Potential> RadialOrbit<'a, P> {
    /// The orbit through `point`, and how far r² there lies above and below that of the turning points.
    ///
    /// None if the star rests at the centre.
    fn through(potential: &'a P, point: &PhaseSpace, energy: f64, l: f64) -> Option<(Self, f64, f64)> {
        let u = dot(point.x, point.x);
        let centre = potential.potential([0.0; 3]);
        let mut orbit = Self {
            potential,
            energy,
            l,
            star: (u.sqrt(), point.kinetic_energy()),
            deep: energy - centre < DEEP * centre.abs(),
            inner: u,
            outer: u,
            narrow: false,
        };
        let depth = orbit.kinetic(0.0);
        if depth.is_nan() || depth <= 0.0 {
            return None;
        }
        // f and f' at the star, from its velocity: exact however close to circular the orbit is.
        let radial = dot(point.x, point.v);
        let value = radial * radial;
        let slope = dot(point.v, point.v) + dot(point.x, potential.acceleration(point.x));
        let (below, above) = (orbit.near(u, value, slope, -1.0), orbit.near(u, value, slope, 1.0));

        // A turning point that is not near is sought from where f is clearly positive: from the star, or where x·v may be
        // nothing but rounding, as at the other turning point, from the greatest f.
        let clear = value > CLEAR * 2.0 * u * (energy.abs() + (energy - orbit.star.1).abs());
        let inside = if clear || (below.is_some() && above.is_some()) {
            u
        } else {
            orbit.summit(u, slope)
        };
        let above = above.unwrap_or_else(|| {
            let low = inside.max(u);
            let mut bracket = 2.0 * low.max(l * l / (2.0 * depth)).max(f64::MIN_POSITIVE);
            while orbit.f(bracket) > 0.0 && bracket < 1e200 {
                bracket *= 4.0;
            }
            (root(low, bracket, |u| orbit.f(u)) - u).max(0.0)
        });
        orbit.outer = u + above;
        orbit.l = l.max(LEAST * (2.0 * orbit.outer * orbit.kinetic(0.25 * orbit.outer)).sqrt());
        let (below, inner) = below.map(|below| (below, u - below)).unwrap_or_else(|| {
            let (low, high) = (orbit.l * orbit.l / (2.0 * depth), inside.min(u));
            let inner = if high > low && orbit.f(high) > 0.0 {
                root(low.max(f64::MIN_POSITIVE).ln(), high.ln(), |log_u| orbit.f(log_u.exp())).exp()
            } else {
                low
            };
            ((u - inner).max(0.0), inner)
        });
        orbit.inner = inner;
        orbit.narrow = above + below < NARROW * u;
        Some((orbit, below, above))
    }

    /// How far above (`sign` 1) or below (−1) the star's u f vanishes, from its value and slope there; none if that is far.
    ///
    /// The quadratic through the star gives the distance; where it is small it is refined with the mean of f''.
    fn near(&self, u: f64, value: f64, slope: f64, sign: f64) -> Option<f64> {
        let width = |curvature: f64| {
            let along = sign * slope;
            let radicand = (along * along + 4.0 * curvature * value).max(0.0).sqrt();
            if along > 0.0 {
                (along + radicand) / (2.0 * curvature)
            } else {
                2.0 * value / (radicand - along).max(1e-300)
            }
        };
        let curvature = -0.5 * self.f_second(u);
        let mut distance = width(curvature);
        if !(curvature > 0.0 && distance < 0.5 * NARROW * u) {
            return None;
        }
        for _ in 0..12 {
            let next = width(-self.second_difference(u, u, u + sign * distance));
            let change = (next - distance).abs();
            distance = next;
            if change <= 1e-16 * distance {
                break;
            }
        }
        Some(distance)
    }

    /// Where f is greatest, given its slope at the star: f' falls from the centre outwards.
    fn summit(&self, u: f64, slope: f64) -> f64 {
        let (mut low, mut high) = (u, u);
        if slope >= 0.0 {
            high = (2.0 * u).max(1e-6);
            while self.slope(high) > 0.0 && high < 1e200 {
                high *= 4.0;
            }
        } else {
            low = 0.25 * u;
            while self.slope(low) < 0.0 && low > 1e-200 {
                low *= 0.25;
            }
        }
        root(low, high, |u| self.slope(u))
    }

    /// E − Φ, which is v²/2.
    fn kinetic(&self, u: f64) -> f64 {
        let r = u.sqrt();
        if !self.deep {
            return self.energy - self.potential.potential([r, 0.0, 0.0]);
        }
        let (from, kinetic) = self.star;
        let force = |r: f64| self.potential.acceleration([r, 0.0, 0.0])[0];
        let [work] = integrate_panel(from, r, &mut |r| [force(r)]);
        kinetic + work
    }

    /// f(u) = (r v_r)².
    fn f(&self, u: f64) -> f64 {
        2.0 * u * self.kinetic(u) - self.l * self.l
    }

    /// f'(u) = 2(E − Φ) − rΦ'.
    fn slope(&self, u: f64) -> f64 {
        let r = u.sqrt();
        2.0 * self.kinetic(u) + r * self.potential.acceleration([r, 0.0, 0.0])[0]
    }

    /// f''(u) = −κ²/2, κ² = Φ'' + 3Φ'/r.
    fn f_second(&self, u: f64) -> f64 {
        let hessian = self.potential.hessian([u.sqrt(), 0.0, 0.0]);
        -0.5 * (hessian[0][0] + 3.0 * hessian[1][1])
    }

    /// The divided difference f[u0, u1, u2] = ∫∫ f'' over the triangle (Hermite–Genocchi), for points close together.
    fn second_difference(&self, u0: f64, u1: f64, u2: f64) -> f64 {
        let mut sum = 0.0;
        for (s, weight_s) in *RULE {
            for (t, weight_t) in *RULE {
                sum += weight_s * weight_t * s * self.f_second(u0 + s * ((u1 - u0) + t * (u2 - u1)));
            }
        }
        sum
    }

    /// The divided difference f[u0, u1], the mean of f' between points close together.
    fn first_difference(&self, u0: f64, u1: f64) -> f64 {
        RULE.iter()
            .map(|(node, weight)| weight * self.slope(u0 + node * (u1 - u0)))
            .sum()
    }

    /// dt, dψ and v_r dr, each per dη.
    fn integrands(&self, eta: f64) -> [f64; 3] {
        let width = self.outer - self.inner;
        let (sin, cos) = (0.5 * eta).sin_cos();
        let u = self.inner + width * sin * sin;
        let (below, above) = (width * sin * sin, width * cos * cos);
        // Close to a turning point f is a small difference of large numbers: there it is the mean of f' times the distance.
        let g = if self.narrow {
            -self.second_difference(self.inner, u, self.outer)
        } else if above < NARROW * u {
            -self.first_difference(u, self.outer) / below
        } else if below < NARROW * u {
            self.first_difference(self.inner, u) / above
        } else {
            self.f(u) / (below * above)
        };
        let root_g = g.max(f64::MIN_POSITIVE).sqrt();
        [
            0.5 / root_g,
            0.5 * self.l / (u * root_g),
            0.5 * (width * sin * cos).powi(2) * root_g / u,
        ]
    }
}

#[cfg(test)]
#[path = "spherical_tests.rs"]
mod tests;
