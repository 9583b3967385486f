//! The two separated motions of one star.
//!
//! With q = Δ² sinh² u and y = cos² v the point is R² = q(1 − y), z² = (q + Δ²) y, and with
//! W(q, y) = [q + Δ²(1 − y)] Φ the momenta of a Stäckel potential are
//!
//! p_u² = 2Eq − K − 2W(q, y₀) − L_z²Δ²/q, p_v² = K + 2EΔ²(1 − y) − 2[W(q₀, y) − W(q₀, y₀)] − L_z²/(1 − y),
//!
//! the same for every (q₀, y₀). These variables need no Δ > 0: with Δ = 0, K is L².
//! f(q) = q p_u² = (q − q₁)(q₂ − q) g(q) and f(y) = (1 − y) p_v² = (y₁ − y) g(y) have smooth positive g, so that in
//! q = ½(q₁ + q₂) − ½(q₂ − q₁) cos ζ and y = ½ y₁ (1 − cos ζ) every integral is one of an even periodic function, but for
//! factors 1/q and 1/(1 − y), which are steep where L_z is small: there the endpoint's value is integrated analytically.

use super::cosine_rule::CosineRule;
use super::roots::{Root, climb, descend};
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace};
use crate::potential::Potential;
use crate::units::wrap_angle;
use std::f64::consts::{FRAC_PI_2, PI};

/// Width (q₂ − q₁)/q, and y₁, below which g is constant: rounding of f is 1e-16/width² of it.
const NARROW: f64 = 2e-5;
const FLAT: f64 = 1e-10;

/// Height over radius below which a_z/z is taken from this height.
const NEXT_TO_PLANE: f64 = 1e-6;

/// Nodes for a round orbit, by √(apocentre/pericentre), and the least number by apocentre over √(pericentre² + Δ²):
/// 1e-4 of J_r, far below the fudge's own error.
const RADIAL_NODES: (f64, f64) = (7.0, 3.0);

/// Nodes for orbits near the plane and for others, which see discs as a narrow feature.
const VERTICAL_NODES: (f64, f64) = (8.0, 12.0);

/// What is known of an orbit's size before its motion is: that of the circular orbit of its energy.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    /// R_c², kpc².
    pub radius2: f64,
    /// L_c, km/s kpc.
    pub momentum: f64,
}

/// The least L_z that the motion is given, in L_c: actions err by so much, and where the axis is passed the layers of the
/// integrals are still numbers.
const LEAST: f64 = 1e-10;

/// The least L in spherical coordinates, in L_c: W is known to 1e-15 of L_c², and K = L² must be known to 1e-5 of itself.
const LEAST_TOTAL: f64 = 1e-5;

/// Part of R_c² below which a star is as good as at q = 0, where f vanishes for every orbit.
const CENTRAL: f64 = 1e-6;

/// p_u² at the foci, or p_v² on the axis, over what they are elsewhere, below which an orbit with next to no L_z is on the border
/// between those that pass the axis inside the foci and outside them. Nearer to it the actions are continuous still,
/// but those found later on the same orbit are of the other side. An orbit that turns at a greater sin² v than the last is not on the border until rounding says nothing of its p_v².
const BORDER: f64 = 1e-7;
const BORDER_ROUNDING: f64 = 1e-10;
const BORDER_SINE2: f64 = 1e-3;

/// The potential along both coordinates, with the integrals of one orbit.
pub(super) struct Motion<'a, P: ?Sized> {
    potential: &'a P,
    /// Δ².
    focus2: f64,
    energy: f64,
    /// L_z, or the least that leaves the actions as they are: where it is nothing the axis is passed in no time, and the limits
    /// of Ω_φ and θ_φ are lost.
    lz: f64,
    scale: Scale,
    /// Where W is taken: y₀ and 1 − y₀ for the motion in q, q₀ for that in y.
    reference: (f64, f64, f64),
    /// W(q₀, y₀).
    level: f64,
    k: f64,
}

/// A star in these coordinates.
#[derive(Clone, Copy)]
pub(super) struct Star {
    pub q: f64,
    pub y: f64,
    /// sin² v = 1 − y, with the digits of a small one.
    pub sine2: f64,
    /// Velocity about the axis.
    pub v_phi: f64,
    pub p_u: f64,
    /// p_v with the sign that is positive for motion upwards.
    pub p_n: f64,
    pub above: bool,
}

impl Star {
    pub fn new(point: &PhaseSpace, focus2: f64) -> Self {
        let [x, y, z] = point.x;
        let (ring, height) = (x * x + y * y, z * z);
        let radius = ring.sqrt();
        let (v_radius, v_phi) = if radius > 0.0 {
            let [vx, vy, _] = point.v;
            ((x * vx + y * vy) / radius, (x * vy - y * vx) / radius)
        } else {
            (point.v[0].hypot(point.v[1]), 0.0)
        };
        // q² + q(Δ² − r²) − Δ²R² = 0, without cancellation on either side of r = Δ.
        let excess = ring + height - focus2;
        let root = (excess * excess + 4.0 * focus2 * ring).sqrt();
        let q = if excess > 0.0 {
            0.5 * (excess + root)
        } else if ring > 0.0 {
            2.0 * focus2 * ring / (root - excess)
        } else {
            0.0
        };
        let outer = q + focus2;
        let y = if outer > 0.0 { (height / outer).min(1.0) } else { 0.0 };
        let sine2 = if q > 0.0 { (ring / q).min(1.0) } else { 1.0 - y };
        let y = if sine2 < 0.5 { 1.0 - sine2 } else { y };
        let (a, b, sine) = (q.sqrt(), outer.sqrt(), sine2.sqrt());
        let cosine = y.sqrt().copysign(z);
        Self {
            q,
            y,
            sine2,
            v_phi,
            p_u: v_radius * b * sine + point.v[2] * a * cosine,
            p_n: point.v[2] * b * sine - v_radius * a * cosine,
            above: z >= 0.0,
        }
    }
}

/// The range of q, g(q₁), and whether g is the same in all of it.
struct RadialLimits {
    q1: f64,
    q2: f64,
    g1: f64,
    constant: bool,
}

/// The range of y above 0, g(y₁), and whether g is the same in all of it.
struct VerticalLimit {
    y1: f64,
    /// 1 − y₁, with the digits of a small one.
    sine2: f64,
    g1: f64,
    constant: bool,
}

/// An action, and the integrals of ∂p/∂(E, K, L_z) over ζ ∈ [0, π] and up to the star.
struct Integrals {
    action: f64,
    whole: [f64; 3],
    part: [f64; 3],
}

/// Why there are no separated motions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMotion {
    /// Δ² is negative and the orbit reaches too far in for such coordinates.
    NoRoom,
    /// The orbit is on the border between those that pass the axis inside the foci and outside them.
    Border,
}

/// Sums over nodes on the way to [`Integrals`].
#[derive(Default)]
struct Sums {
    action: f64,
    whole: [f64; 3],
    part: [f64; 3],
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, weight: f64, action: f64, values: [f64; 3]) {
        self.action += action;
        for (i, value) in values.into_iter().enumerate() {
            self.whole[i] += value;
            self.part[i] += weight * value;
        }
    }
}

impl<'a, P: Potential + ?Sized> Motion<'a, P> {
    /// The motion through `star` with W taken along its own coordinates: exact at the star.
    pub fn through(potential: &'a P, star: &Star, focus2: f64, energy: f64, phi: f64, lz: f64, scale: Scale) -> Self {
        let least = LEAST * scale.momentum;
        let lz = if lz < 0.0 { lz.min(-least) } else { lz.max(least) };
        let sine2 = star.sine2;
        let level = (star.q + focus2 * sine2) * phi;
        // L_z²/sin² v is q v_φ², whatever happens on the axis.
        let k = star.p_n * star.p_n - 2.0 * energy * focus2 * sine2 + star.q * star.v_phi * star.v_phi;
        // In spherical coordinates K is L².
        let k = if focus2 == 0.0 {
            k.max((LEAST_TOTAL * scale.momentum).powi(2))
        } else {
            k
        };
        Self {
            potential,
            focus2,
            energy,
            lz,
            scale,
            reference: (star.q, star.y, star.sine2),
            level,
            k,
        }
    }

    /// p_v² in the plane.
    pub fn vertical_in_plane(&self) -> f64 {
        self.vertical(0.0, 1.0)
    }

    /// W(q, y), with 1 − y.
    fn weighted(&self, q: f64, y: f64, sine2: f64) -> f64 {
        let x = [(q * sine2).sqrt(), 0.0, ((q + self.focus2) * y).sqrt()];
        (q + self.focus2 * sine2) * self.potential.potential(x)
    }

    /// f(q) = q p_u².
    fn radial(&self, q: f64) -> f64 {
        q * self.radial_momentum2(q) - self.lz * self.lz * self.focus2
    }

    /// p_u² but for what L_z takes.
    fn radial_momentum2(&self, q: f64) -> f64 {
        let (_, y, sine2) = self.reference;
        2.0 * (self.energy * q - self.weighted(q, y, sine2)) - self.k
    }

    /// f(q) and f'(q).
    fn radial_slope(&self, q: f64) -> (f64, f64) {
        let (_, y, sine2) = self.reference;
        let outer = q + self.focus2;
        let x = [(q * sine2).sqrt(), 0.0, (outer * y).sqrt()];
        let (phi, a) = self.potential.potential_and_acceleration(x);
        let scale = q + self.focus2 * sine2;
        let w = scale * phi;
        // q ∂W/∂q, with q ∂R/∂q = R/2.
        let gradient = q * phi - 0.5 * scale * (a[0] * x[0] + a[2] * x[2] * q / outer.max(f64::MIN_POSITIVE));
        let p2 = 2.0 * (self.energy * q - w) - self.k;
        (
            q * p2 - self.lz * self.lz * self.focus2,
            p2 + 2.0 * (self.energy * q - gradient),
        )
    }

    /// f(y) = (1 − y) p_v².
    fn vertical(&self, y: f64, sine2: f64) -> f64 {
        sine2 * self.vertical_momentum2(y, sine2) - self.lz * self.lz
    }

    /// p_v² but for what L_z takes.
    fn vertical_momentum2(&self, y: f64, sine2: f64) -> f64 {
        let w = self.weighted(self.reference.0, y, sine2);
        self.k + 2.0 * (self.energy * self.focus2 * sine2 - (w - self.level))
    }

    /// f(y) and f'(y).
    fn vertical_slope(&self, y: f64) -> (f64, f64) {
        let q = self.reference.0;
        let (outer, sine2) = (q + self.focus2, 1.0 - y);
        let x = [(q * sine2).sqrt(), 0.0, (outer * y).sqrt()];
        let (phi, a) = self.potential.potential_and_acceleration(x);
        let scale = q + self.focus2 * sine2;
        // (1 − y) ∂Φ/∂y, with ∂z²/∂y = q + Δ²; next to the plane a_z/z is that a little above it.
        let least = NEXT_TO_PLANE * (q + self.focus2).sqrt();
        let up = if x[2] > least {
            a[2] / x[2]
        } else if least > 0.0 {
            self.potential.acceleration([x[0], 0.0, least])[2] / least
        } else {
            -self.potential.hessian(x)[2][2]
        };
        let turn = 0.5 * (a[0] * x[0] - sine2 * outer * up);
        let p2 = self.k + 2.0 * (self.energy * self.focus2 * sine2 - (scale * phi - self.level));
        let slope = -p2 - 2.0 * (sine2 * self.focus2 * (self.energy - phi) + scale * turn);
        (sine2 * p2 - self.lz * self.lz, slope)
    }

    /// Where f(q) vanishes on either side of the star. `turning2` is −x·a/r² there.
    fn radial_limits(&self, star: &Star, turning2: f64) -> RadialLimits {
        let q = star.q;
        let (_, slope) = self.radial_slope(q);
        let value = q * star.p_u * star.p_u;
        let outer = (q + self.focus2).max(f64::MIN_POSITIVE);
        // f/(q + Δ²) is about (r v_r)², which curves by −κ²/2 in r², and κ² is about 2Ω².
        let bend = (0.5 * turning2 * outer).max(f64::MIN_POSITIVE);
        let tilt = slope - value / outer;
        let radicand = (tilt * tilt + 4.0 * bend * value).sqrt();
        let above = if tilt > 0.0 {
            (tilt + radicand) / (2.0 * bend)
        } else {
            2.0 * value / (radicand - tilt).max(f64::MIN_POSITIVE)
        };
        // At q = 0 the star itself tells nothing.
        let central = CENTRAL * self.scale.radius2;
        let aside = q < central && self.radial(central) > 0.0;
        let inside = if aside { central } else { q };
        let guess = if above.is_finite() {
            q + above
        } else {
            self.scale.radius2
        };
        let guess = guess.max(if aside { 2.0 * central } else { q * (1.0 + 1e-14) });
        let most = climb(inside, guess, f64::INFINITY, |q| self.radial_slope(q));
        // With the outer root divided out f is nearly linear in q.
        let rest = (most.at - q).max(0.0);
        let guess = if aside {
            0.5 * central
        } else if rest > 1e-6 * most.at {
            let (h, dh) = (value / rest, slope / rest + value / (rest * rest));
            if dh > 0.0 { q - h / dh } else { 0.5 * q }
        } else {
            // The star is at apocentre: the parabola of the same curvature.
            q + most.slope / bend
        };
        let least = if inside > 0.0 {
            descend(inside, guess.clamp(1e-3 * inside, inside), |at| {
                let (value, slope) = self.radial_slope(at);
                let rest = (most.at - at).max(1e-14 * most.at);
                (value / rest, slope / rest + value / (rest * rest), slope)
            })
        } else {
            Root { at: 0.0, slope }
        };
        if most.at - least.at < NARROW * q {
            // Rounding of f would spoil the roots and g: the parabola through the star's own p_u is exact here.
            let h = 1e-3 * q;
            let g = ((self.radial_slope(q - h).1 - self.radial_slope(q + h).1) / (4.0 * h)).max(f64::MIN_POSITIVE);
            let shift = 0.5 * slope / g;
            let half = (value / g + shift * shift).sqrt();
            let (q1, q2) = ((q + shift - half).min(q), (q + shift + half).max(q));
            return RadialLimits {
                q1,
                q2,
                g1: g,
                constant: true,
            };
        }
        let least = self.passage(most.at).unwrap_or(least);
        let g1 = (least.slope / (most.at - least.at)).max(0.0);
        RadialLimits {
            q1: least.at,
            q2: most.at.max(q),
            g1,
            constant: false,
        }
    }

    /// The inner root of f(q) where all that keeps the star from q = 0 is a little L_z, or in spherical coordinates a little L.
    ///
    /// There a = L_z² Δ², or L², is small beside b in f = q b − a, or q (2 q b − a): q = a/b, again and again.
    fn passage(&self, most: f64) -> Option<Root> {
        let small = 1e-3 * most;
        let spherical = self.focus2 == 0.0;
        let b = |at: f64| {
            if spherical {
                let (_, y, sine2) = self.reference;
                let x = [(at * sine2).sqrt(), 0.0, (at * y).sqrt()];
                2.0 * (self.energy - self.potential.potential(x))
            } else {
                self.radial_momentum2(at)
            }
        };
        let a = if spherical {
            self.k
        } else {
            self.lz * self.lz * self.focus2
        };
        let mut at = a / b(0.0);
        if !(self.focus2 >= 0.0 && at > 0.0 && at < small) {
            return None;
        }
        for _ in 0..8 {
            at = a / b(at);
        }
        let slope = self.radial_slope(at).1;
        (at > 0.0 && at < small && slope > 0.0).then_some(Root { at, slope })
    }

    /// Whether the orbit is on the border between those that pass the axis inside the foci and outside them.
    ///
    /// Every orbit that keeps close to the axis inside the foci has next to no p_v² at v = 0: there it is on the border only if it
    /// comes so far.
    fn borders(&self, limits: &RadialLimits, limit: &VerticalLimit) -> bool {
        if !(self.focus2 > 0.0 && self.lz * self.lz < BORDER * self.scale.momentum.powi(2)) {
            return false;
        }
        let [foci, middle] = [0.0, self.focus2.min(0.5 * limits.q2)].map(|q| self.radial_momentum2(q));
        let [axis, plane] = [(1.0, 0.0), (0.0, 1.0)].map(|(y, sine2)| self.vertical_momentum2(y, sine2));
        let on_axis = if limit.sine2 < BORDER_SINE2 {
            BORDER
        } else {
            BORDER_ROUNDING
        };
        foci.abs() < BORDER * middle.abs() || axis.abs() < on_axis * plane.abs()
    }

    /// Where f(y) vanishes above the star, at 1 or below.
    fn vertical_limit(&self, star: &Star) -> VerticalLimit {
        let y = star.y;
        let (_, slope) = self.vertical_slope(y);
        let value = star.sine2 * star.p_n * star.p_n;
        let guess = if slope < 0.0 {
            y - value / slope
        } else {
            0.5 * (1.0 + y)
        };
        let top = climb(y, guess.clamp(y, 1.0), 1.0, |y| self.vertical_slope(y));
        let constant = top.at < FLAT && slope < 0.0;
        let (y1, g1) = if constant {
            (y - value / slope, -slope)
        } else {
            (top.at.clamp(y, 1.0), (-top.slope).max(0.0))
        };
        let limit = VerticalLimit {
            y1,
            sine2: 1.0 - y1,
            g1,
            constant,
        };
        if constant { limit } else { self.over_the_axis(limit) }
    }

    /// The same where all that keeps the star from the axis is a little L_z: 1 − y = L_z²/p_v², again and again.
    fn over_the_axis(&self, limit: VerticalLimit) -> VerticalLimit {
        let mut sine2 = self.lz * self.lz / self.vertical_momentum2(1.0, 0.0);
        if !(sine2 > 0.0 && sine2 < 1e-3) {
            return limit;
        }
        for _ in 0..8 {
            sine2 = self.lz * self.lz / self.vertical_momentum2(1.0 - sine2, sine2);
        }
        let slope = self.vertical_slope(1.0 - sine2).1;
        if !(sine2 > 0.0 && sine2 < 1e-3 && slope < 0.0) {
            return limit;
        }
        VerticalLimit {
            y1: 1.0 - sine2,
            sine2,
            g1: -slope,
            constant: false,
        }
    }

    /// Actions, angles and frequencies.
    pub fn solve(&self, star: &Star, turning2: f64, point: &PhaseSpace) -> Result<ActionAngle, NoMotion> {
        let limits = self.radial_limits(star, turning2);
        if self.focus2 < 0.0 && limits.q1 < -2.0 * self.focus2 {
            return Err(NoMotion::NoRoom);
        }
        let limit = self.vertical_limit(star);
        if self.borders(&limits, &limit) {
            return Err(NoMotion::Border);
        }
        let radial = self.radial_integrals(star, &limits);
        let vertical = self.vertical_integrals(star, &limit);
        let passing = star.q < limits.q1 || star.sine2 < limit.sine2;
        Ok(self.combine(&radial, &vertical, star, point, passing))
    }

    fn radial_integrals(&self, star: &Star, limits: &RadialLimits) -> Integrals {
        let &RadialLimits { q1, q2, g1, constant } = limits;
        let focus2 = self.focus2;
        let (middle, half, mean) = (0.5 * (q1 + q2), 0.5 * (q2 - q1), (q1 * q2).sqrt());
        // The values at q₁ of what the factor 1/q multiplies.
        let (mut move1, mut time1) = ((g1 / (q1 + focus2)).sqrt(), 1.0 / (g1 * (q1 + focus2)).sqrt());
        if !(move1.is_finite() && time1.is_finite() && q1 > 0.0) {
            (move1, time1) = (0.0, 0.0);
        }
        // ∂p/∂K is like 1/q too where Δ² is small, as 1/√((q + Δ²)(q + L_z²Δ²/K)): that part is subtracted likewise.
        let steep = |d: f64| if d > -q1 { q1 / (q1 + d) } else { 0.0 };
        let share = if time1 > 0.0 && self.k > 0.0 {
            0.5 * (steep(focus2) + steep(self.lz * self.lz * focus2 / self.k)) * q1 * time1
        } else {
            0.0
        };
        let (round, sharp) = (
            (q2 / q1).sqrt().min(1e3).sqrt(),
            (q2 / (q1 + focus2).max(1e-3 * q2)).sqrt(),
        );
        let rule = CosineRule::at_least((RADIAL_NODES.0 * round).max(RADIAL_NODES.1 * sharp));
        let zeta = 2.0 * (star.q - q1).max(0.0).sqrt().atan2((q2 - star.q).max(0.0).sqrt());
        let weights = rule.weights(zeta);
        let mut sums = Sums::default();
        for (cos, weight) in rule.cosines.iter().zip(weights) {
            let q = middle - half * cos;
            let product = half * (1.0 - cos) * half * (1.0 + cos);
            let g = if constant {
                g1
            } else {
                (self.radial(q) / product).max(f64::MIN_POSITIVE)
            };
            let outer = q + focus2;
            let root = (g * outer).sqrt();
            let time = 1.0 / root;
            sums.add(
                weight,
                product / q * (root / outer - move1),
                [q * time, time - share / q, (time - time1) / q],
            );
        }
        // ∫ dζ/q, whole and up to ζ.
        let (all, some) = if q1 > 0.0 {
            (
                PI / mean,
                2.0 / mean * ((q2 / q1).sqrt() * (0.5 * zeta).sin()).atan2((0.5 * zeta).cos()),
            )
        } else {
            (0.0, 0.0)
        };
        let n = rule.nodes() as f64;
        let factors = [0.5, -0.25, -0.5 * self.lz * focus2];
        let finish = |[e, k, l]: [f64; 3], layer: f64| {
            [
                factors[0] * e,
                factors[1] * (k + share * layer),
                factors[2] * (l + time1 * layer),
            ]
        };
        Integrals {
            action: 0.5 * (sums.action / n + move1 * half * half / (middle + mean)),
            whole: finish(sums.whole.map(|sum| sum * PI / n), all),
            part: finish(sums.part, some),
        }
    }

    fn vertical_integrals(&self, star: &Star, limit: &VerticalLimit) -> Integrals {
        let &VerticalLimit {
            y1,
            sine2: top,
            g1,
            constant,
        } = limit;
        let side = top.sqrt();
        let (mut move1, mut time1) = (g1.sqrt(), 1.0 / g1.sqrt());
        if !time1.is_finite() {
            (move1, time1) = (0.0, 0.0);
        }
        let rule = CosineRule::at_least(if y1 < 0.05 { VERTICAL_NODES.0 } else { VERTICAL_NODES.1 });
        let above = if star.y < 0.5 { y1 - star.y } else { star.sine2 - top };
        let zeta = 2.0 * star.y.sqrt().atan2(above.max(0.0).sqrt());
        let weights = rule.weights(zeta);
        let mut sums = Sums::default();
        for (cos, weight) in rule.cosines.iter().zip(weights) {
            let (y, rest) = (0.5 * y1 * (1.0 - cos), 0.5 * y1 * (1.0 + cos));
            let sine2 = if y < 0.5 { 1.0 - y } else { top + rest };
            let g = if constant {
                g1
            } else {
                (self.vertical(y, sine2) / rest).max(f64::MIN_POSITIVE)
            };
            let root = g.sqrt();
            let time = 1.0 / root;
            let values = [self.focus2 * sine2 * time, time, (time - time1) / sine2];
            sums.add(weight, rest / sine2 * (root - move1), values);
        }
        // ∫ dζ/(1 − y), whole and up to ζ.
        let (all, some) = if side > 0.0 {
            (
                PI / side,
                2.0 / side * (side * (0.5 * zeta).sin()).atan2((0.5 * zeta).cos()),
            )
        } else {
            (0.0, 0.0)
        };
        let n = rule.nodes() as f64;
        let finish = |[e, k, l]: [f64; 3], layer: f64| [0.5 * e, 0.25 * k, -0.5 * self.lz * (l + time1 * layer)];
        Integrals {
            action: sums.action / n + move1 * y1 / (1.0 + side),
            whole: finish(sums.whole.map(|sum| sum * PI / n), all),
            part: finish(sums.part, some),
        }
    }

    /// Angles and frequencies from the gradients of both actions and of the generating function.
    ///
    /// `passing` is whether the star is nearer to the axis than its orbit comes: with less L_z than [`Motion`] has.
    fn combine(
        &self,
        radial: &Integrals,
        vertical: &Integrals,
        star: &Star,
        point: &PhaseSpace,
        passing: bool,
    ) -> ActionAngle {
        let [re, rk, rl] = radial.whole.map(|value| value / PI);
        let [ze, zk, zl] = vertical.whole.map(|value| 2.0 * value / PI);
        let determinant = re * zk - rk * ze;
        let (omega_r, omega_z) = (zk / determinant, -rk / determinant);
        let omega_phi = (rk * zl - rl * zk) / determinant;
        // ∂K/∂J from the same inverse.
        let (k_r, k_z) = (-ze / determinant, re / determinant);
        let k_phi = (ze * rl - re * zl) / determinant;

        let outwards = if star.p_u < 0.0 { -1.0 } else { 1.0 };
        // From the upward crossing of the plane, along the motion: `vertical.whole` is a quarter of a turn.
        let (quarters, sign) = match (star.above, star.p_n >= 0.0) {
            (true, true) => (0.0, 1.0),
            (true, false) => (2.0, -1.0),
            (false, false) => (2.0, 1.0),
            (false, true) => (4.0, -1.0),
        };
        let w: [f64; 3] =
            std::array::from_fn(|i| outwards * radial.part[i] + quarters * vertical.whole[i] + sign * vertical.part[i]);
        let lz = point.angular_momentum()[2];
        let azimuth = if passing && lz.abs() < self.lz.abs() {
            // A quarter of a turn before the direction in which it leaves the axis.
            point.v[1].atan2(point.v[0]) - self.lz.signum() * FRAC_PI_2
        } else {
            point.x[1].atan2(point.x[0])
        };
        let theta_phi = azimuth + w[0] * omega_phi + w[1] * k_phi + w[2];
        ActionAngle {
            actions: Actions {
                phi: lz,
                z: vertical.action.max(0.0),
                r: radial.action.max(0.0),
            },
            angles: Angles {
                phi: wrap_angle(theta_phi),
                z: wrap_angle(w[0] * omega_z + w[1] * k_z),
                r: wrap_angle(w[0] * omega_r + w[1] * k_r),
            },
            frequencies: Frequencies {
                phi: omega_phi,
                z: omega_z,
                r: omega_r,
            },
        }
    }
}
