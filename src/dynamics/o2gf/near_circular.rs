//! Nearly circular orbits: their spectra have no radial line above rounding, and their motion is that of epicycles.
//!
//! Next to the circular orbit of the same angular momentum, r = r_g − a cos θ_r and, near the plane, z = b sin θ_z, so that
//! J_r = (v_r² + κ²(r − r_g)²)/2κ and J_z = (v_z² + ν²z²)/2ν, with the frequencies of the circular orbit.
//! In a sphere the plane of the orbit may have any tilt.
//!
//! **Source**: Binney & Tremaine (2008), section 3.2.3.

use super::{Class, Label};
use crate::orbit::circular::{epicycle, guiding_radius};
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, SphericalMotion, sense};
use crate::potential::{Potential, Symmetry};
use crate::units::wrap_angle;
use crate::vector::{dot, norm};

/// Radial amplitude over r_g up to which the epicycle is right beyond what an orbit tells: J_r is wrong by its cube, frequencies by its square.
pub(crate) const SHARP: f64 = 1e-4;

/// The same up to which it serves where the orbit tells less: in a harmonic core Ω_r and 2 Ω_z are one line.
pub(crate) const ROUGH: f64 = 1e-2;

/// Vertical amplitude over R_g up to which an orbit counts as planar, and the relative change of ∂²Φ/∂z² up to there: a thin disc
/// has a kink in its density.
const MOST_VERTICAL: f64 = 1e-5;
const MOST_STIFFENING: f64 = 2e-4;

/// Terms left out of J, as a multiple of the relative amplitude times J.
const THIRD_ORDER: f64 = 4.0;

/// Rounding of actions, relative to the angular momentum.
const ROUNDING: f64 = 1e-12;

/// The label of a point on a nearly circular orbit, of relative radial amplitude below `most`; nothing for any other.
pub(crate) fn label<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, most: f64) -> Option<Label> {
    match potential.symmetry() {
        Symmetry::Spherical => in_a_sphere(potential, point, most),
        Symmetry::Axisymmetric => in_the_plane(potential, point, most),
        Symmetry::Triaxial | Symmetry::Twofold => None,
    }
}

/// Motion about a point of equilibrium: displacement and velocity, with the frequency.
struct Oscillation {
    displacement: f64,
    velocity: f64,
    frequency: f64,
}

impl Oscillation {
    fn amplitude(&self) -> f64 {
        self.displacement.hypot(self.velocity / self.frequency)
    }

    fn action(&self) -> f64 {
        0.5 * self.frequency * self.amplitude().powi(2)
    }

    /// The phase from the lowest point, where displacement = −a cos θ.
    fn phase_from_lowest(&self) -> f64 {
        self.velocity.atan2(-self.frequency * self.displacement)
    }

    /// The phase from the rising zero, where displacement = a sin θ.
    fn phase_from_rising(&self) -> f64 {
        (self.frequency * self.displacement).atan2(self.velocity)
    }
}

fn in_a_sphere<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, most: f64) -> Option<Label> {
    let (r, l) = (norm(point.x), norm(point.angular_momentum()));
    let radius = guiding_radius(potential, l)?;
    let kappa = epicycle(potential, radius).radial;
    let radial = Oscillation {
        displacement: r - radius,
        velocity: dot(point.x, point.v) / r,
        frequency: kappa,
    };
    let e = radial.amplitude() / radius;
    // Written so that NaN, of a star at the centre, is none.
    let is_nearly_circular = kappa > 0.0 && e < most;
    if !is_nearly_circular {
        return None;
    }
    let (theta_r, omega) = (radial.phase_from_lowest(), l / (radius * radius));
    let found = ActionAngle::spherical(
        point,
        &SphericalMotion {
            j_r: radial.action(),
            theta_r,
            // The star runs ahead of its guiding centre by (2Ω/κ) e sin θ_r.
            lag: -2.0 * omega / kappa * e * theta_r.sin(),
            rates: (kappa, omega),
        },
    );
    let error = THIRD_ORDER * e * found.actions.r + ROUNDING * l;
    Some(regular(found, error, THIRD_ORDER * e * e, e * e))
}

fn in_the_plane<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, most: f64) -> Option<Label> {
    let [x, y, z] = point.x;
    let (r, l) = (x.hypot(y), point.angular_momentum()[2]);
    let radius = guiding_radius(potential, l)?;
    let rates = epicycle(potential, radius);
    let radial = Oscillation {
        displacement: r - radius,
        velocity: (x * point.v[0] + y * point.v[1]) / r,
        frequency: rates.radial,
    };
    let vertical = Oscillation {
        displacement: z,
        velocity: point.v[2],
        frequency: rates.vertical,
    };
    let (e, height) = (radial.amplitude() / radius, vertical.amplitude());
    let is_nearly_circular = e < most && height < MOST_VERTICAL * radius;
    if !(rates.radial > 0.0 && rates.vertical > 0.0 && is_nearly_circular) {
        return None;
    }
    let stiffness = potential.hessian([radius, 0.0, height])[2][2] / rates.vertical.powi(2);
    let stiffening = (stiffness - 1.0).abs();
    if stiffening.is_nan() || stiffening > MOST_STIFFENING {
        return None;
    }
    let (theta_r, sense) = (radial.phase_from_lowest(), sense(l));
    let found = ActionAngle {
        actions: Actions {
            phi: l,
            z: vertical.action(),
            r: radial.action(),
        },
        angles: Angles {
            phi: wrap_angle(y.atan2(x) - sense * 2.0 * rates.azimuthal / rates.radial * e * theta_r.sin()),
            z: wrap_angle(vertical.phase_from_rising()),
            r: wrap_angle(theta_r),
        },
        frequencies: Frequencies {
            phi: sense * rates.azimuthal,
            z: rates.vertical,
            r: rates.radial,
        },
    };
    // The vertical motion moves the guiding radius by about (ν/κ)² z²/R, and that the radial amplitude.
    let shift = (rates.vertical / rates.radial * height).powi(2) / radius;
    let error = THIRD_ORDER * e * (found.actions.r + found.actions.z)
        + stiffening * found.actions.z
        + rates.radial * shift * (radial.amplitude() + shift)
        + ROUNDING * l.abs();
    Some(regular(
        found,
        error,
        THIRD_ORDER * e * e + stiffening,
        e * e + stiffening,
    ))
}

fn regular(found: ActionAngle, action_error: f64, angle_error: f64, frequency_error: f64) -> Label {
    Label {
        action_angle: found,
        action_error,
        window_error: action_error,
        angle_error,
        frequency_error,
        periods: 0.0,
        modes: 1,
        energy_error: 0.0,
        class: Class::Regular,
        libration: None,
    }
}
