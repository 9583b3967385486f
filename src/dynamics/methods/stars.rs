//! A catalogue of awkward stars, in any potential.

use crate::numerics::root;
use crate::orbit::circular::circular_speed;
use crate::orbit::dense;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::{Gyr, Natural};
use crate::vector::{cross, dot, norm, scaled, sum};
use std::f64::consts::TAU;

/// What is awkward about a star.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Ordinary,
    /// At a turning point, or so near that x·v is rounding.
    Apsis,
    /// Without angular momentum, or nearly.
    Radial,
    /// On a circle, or nearly, in the plane or tilted.
    Circular,
    /// In the plane, or nearly.
    Planar,
    /// On the z axis, or next to it, and not moving along it.
    Axis,
    /// On the z axis, or next to it, and moving along it or at rest.
    AlongAxis,
    /// At the centre, or next to it, and moving.
    Centre,
    /// At rest, but not at the centre.
    Rest,
    /// At rest at the centre.
    Nothing,
    /// Without angular momentum about the z axis, or nearly.
    Polar,
    /// Turning the other way.
    Retrograde,
    /// With an energy just below that at infinity.
    NearlyUnbound,
    /// Beyond 1000 kpc.
    Far,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Ordinary,
        Self::Apsis,
        Self::Radial,
        Self::Circular,
        Self::Planar,
        Self::Axis,
        Self::AlongAxis,
        Self::Centre,
        Self::Rest,
        Self::Nothing,
        Self::Polar,
        Self::Retrograde,
        Self::NearlyUnbound,
        Self::Far,
    ];
}

/// One star of the catalogue, with what the laws compare it to.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it is.
    pub kind: Kind,
    /// What it is, in detail.
    pub name: String,
    /// The star.
    pub star: PhaseSpace,
    /// Where it is at other times of its orbit: the times from now.
    pub later: Vec<(Gyr, PhaseSpace)>,
    /// The star moved by [`CHANGE`] of its orbit's size and speed.
    pub near: Vec<PhaseSpace>,
    /// |E| and ½v² differ by this factor: that by which a change of the star is magnified in its energy.
    pub condition: f64,
}

/// The change under which answers must be continuous, relative.
pub const CHANGE: f64 = 1e-9;

/// The other times of an orbit, in periods of the circular orbit of its energy.
const LATER: [f64; 2] = [3.1, 0.37];

/// Orientations: a direction, and one across it.
fn frames() -> Vec<([f64; 3], [f64; 3])> {
    let directions = [
        [0.6, 0.48, 0.64],
        [-0.36, 0.8, -0.48],
        [0.1, -0.7, 0.2],
        [-0.3, -0.2, 0.9],
        [0.9, -0.1, -0.3],
        [0.5, 0.5, 0.7],
    ];
    let other = [[0.3, 0.5, -0.8], [0.7, 0.1, 0.4], [-0.2, 0.9, 0.3]];
    directions
        .iter()
        .zip(other.iter().cycle())
        .map(|(&direction, &other)| {
            let direction = scaled(direction, 1.0 / norm(direction));
            let across = cross(direction, other);
            (direction, scaled(across, 1.0 / norm(across)))
        })
        .collect()
}

/// The catalogue in `potential`: sizes are in kpc, speeds in those of circular orbits there.
pub fn catalogue<P: Potential + ?Sized>(potential: &P) -> Vec<(Kind, String, PhaseSpace)> {
    let mut stars = Vec::new();
    let mut add = |kind: Kind, name: String, x: [f64; 3], v: [f64; 3]| stars.push((kind, name, PhaseSpace::new(x, v)));
    let speed = |r: f64| circular_speed(potential, r);
    let at = 8.0;
    let v_c = speed(at);

    for (i, &(n, t)) in frames().iter().enumerate() {
        let x = scaled(n, at);
        // What would be a circle were the potential a sphere.
        let circle = (-dot(x, potential.acceleration(x))).max(0.0).sqrt();
        let ordinary = sum(scaled(n, 0.3 * v_c), scaled(t, 0.8 * v_c));
        add(Kind::Ordinary, format!("frame {i}"), x, ordinary);
        add(Kind::Apsis, format!("apocentre, frame {i}"), x, scaled(t, 0.6 * v_c));
        add(Kind::Apsis, format!("pericentre, frame {i}"), x, scaled(t, 1.2 * v_c));
        let radial = scaled(n, if i % 2 == 0 { 0.5 * v_c } else { -0.5 * v_c });
        add(Kind::Radial, format!("frame {i}"), x, radial);
        add(Kind::Circular, format!("frame {i}"), x, scaled(t, circle));
        add(Kind::Rest, format!("frame {i}"), x, [0.0; 3]);
    }
    let (n, t) = frames()[0];
    let x = scaled(n, at);
    let circle = (-dot(x, potential.acceleration(x))).max(0.0).sqrt();
    for slow in [1e-14, 1e-12, 1e-9, 1e-6, 1e-3] {
        let near = sum(scaled(t, 0.7 * v_c), scaled(n, -slow * v_c));
        add(Kind::Apsis, format!("v_r/v {slow:e}"), x, near);
        let planar = [slow * v_c, 0.7 * v_c, 0.0];
        add(
            Kind::Apsis,
            format!("in the plane, v_r/v {slow:e}"),
            [at, 0.0, 0.0],
            planar,
        );
        let nearly = sum(scaled(t, circle), scaled(n, slow * v_c));
        add(Kind::Circular, format!("v_r/v_t {slow:e}"), x, nearly);
        let planar = [slow * v_c, v_c, 0.0];
        add(
            Kind::Circular,
            format!("in the plane, v_r/v_t {slow:e}"),
            [at, 0.0, 0.0],
            planar,
        );
    }
    for small in [0.1, 1.0, 30.0] {
        add(
            Kind::Circular,
            format!("in the plane at {small} kpc"),
            [small, 0.0, 0.0],
            [0.0, speed(small), 0.0],
        );
    }
    for slow in [1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3] {
        for (sign, word) in [(1.0, "outwards"), (-1.0, "inwards")] {
            let v = sum(scaled(n, 0.7 * sign * v_c), scaled(t, 0.7 * slow * v_c));
            add(Kind::Radial, format!("{word}, v_t/v {slow:e}"), x, v);
        }
        let rest = scaled(t, slow * v_c);
        add(Kind::Radial, format!("all but at rest, v/v_c {slow:e}"), x, rest);
    }
    let swing = [0.3 * v_c, 0.8 * v_c, 0.0];
    let place = [0.8 * at, 0.6 * at, 0.0];
    add(Kind::Planar, "z = v_z = 0".to_owned(), place, swing);
    for small in [1e-12, 1e-9, 1e-6, 1e-4, 1e-3] {
        add(
            Kind::Planar,
            format!("z {small:e} kpc"),
            [place[0], place[1], small],
            swing,
        );
        add(
            Kind::Planar,
            format!("v_z {small:e} km/s"),
            place,
            [swing[0], swing[1], small],
        );
        let both = [swing[0], swing[1], -100.0 * small];
        add(
            Kind::Planar,
            format!("z {small:e}, v_z {:e}", -100.0 * small),
            [place[0], place[1], small],
            both,
        );
    }
    for close in [0.0, 1e-16, 1e-12, 1e-9, 1e-6, 1e-3] {
        let x = [0.6 * close, 0.8 * close, 0.7 * at];
        add(
            Kind::AlongAxis,
            format!("R {close:e} kpc, along it"),
            x,
            [0.0, 0.0, 0.5 * v_c],
        );
        add(
            Kind::Axis,
            format!("R {close:e} kpc, across it"),
            x,
            [0.5 * v_c, 0.3 * v_c, 0.2 * v_c],
        );
        add(Kind::AlongAxis, format!("R {close:e} kpc, at rest"), x, [0.0; 3]);
    }
    let slow = 0.5 * v_c;
    for (kind, word, v) in [
        (Kind::Centre, "in the plane", [slow, 0.0, 0.0]),
        (Kind::AlongAxis, "along the axis", [0.0, 0.0, slow]),
        (Kind::Centre, "between", [-0.4 * slow, 0.5 * slow, 0.7 * slow]),
    ] {
        add(kind, format!("at the centre, {word}"), [0.0; 3], v);
        for close in [1e-12, 1e-6, 1e-3] {
            add(
                kind,
                format!("{close:e} kpc off the centre, {word}"),
                scaled(t, close),
                v,
            );
        }
    }
    add(Kind::Nothing, "at rest at the centre".to_owned(), [0.0; 3], [0.0; 3]);
    add(Kind::Rest, "in the plane".to_owned(), [at, 0.0, 0.0], [0.0; 3]);
    for turn in [0.0, 1e-14, 1e-9, 1e-6, 1e-3, -1e-9] {
        let v = [0.3 * v_c, turn * v_c, 0.7 * v_c];
        add(Kind::Polar, format!("v_φ/v {turn:e}"), [at, 0.0, 0.2 * at], v);
    }
    add(
        Kind::Retrograde,
        "in the plane".to_owned(),
        [at, 0.0, 0.0],
        [0.2 * v_c, -0.8 * v_c, 0.0],
    );
    let tilted = [0.2 * v_c, -0.7 * v_c, 0.4 * v_c];
    add(Kind::Retrograde, "tilted".to_owned(), [at, 0.0, 0.1 * at], tilted);
    add(
        Kind::Retrograde,
        "circular".to_owned(),
        [at, 0.0, 0.0],
        [0.0, -v_c, 0.0],
    );
    let limit = potential.potential_at_infinity();
    if limit.is_finite() {
        for below in [1e-2, 1e-3, 1e-5] {
            let escape = (2.0 * (1.0 - below) * (limit - potential.potential(x))).max(0.0).sqrt();
            let v = sum(scaled(n, 0.5 * escape), scaled(t, 0.75f64.sqrt() * escape));
            add(Kind::NearlyUnbound, format!("E/Φ {below:e}"), x, v);
        }
    }
    for far in [1100.0, 5000.0] {
        let x = scaled(n, far);
        let circle = (-dot(x, potential.acceleration(x))).max(0.0).sqrt();
        let v = sum(scaled(n, 0.3 * circle), scaled(t, 0.8 * circle));
        add(Kind::Far, format!("{far} kpc"), x, v);
    }
    stars
}

/// The circular orbit in the plane that has the energy `energy`: its radius, kpc, and speed, km/s.
fn circular_orbit_of<P: Potential + ?Sized>(potential: &P, energy: f64) -> (f64, f64) {
    let excess = |ln_r: f64| {
        let r = ln_r.exp();
        potential.potential([r, 0.0, 0.0]) + 0.5 * circular_speed(potential, r).powi(2) - energy
    };
    let radius = root(1e-4f64.ln(), 1e7f64.ln(), excess).exp();
    (radius, circular_speed(potential, radius))
}

/// The catalogue with other times of every orbit and changed stars.
///
/// A star whose orbit cannot be followed has no other times.
pub fn trials<P: Potential + ?Sized>(potential: &P) -> Vec<Trial> {
    let with = |(kind, name, star): (Kind, String, PhaseSpace)| {
        let energy = potential.energy(&star);
        let (radius, speed) = circular_orbit_of(potential, energy);
        let period = TAU * radius / speed;
        let later = LATER.into_iter().filter_map(|periods| {
            let time = Gyr::from(Natural(periods * period));
            let orbit = dense::integrate(potential, &star, &[time], 1e-13).ok()?;
            Some((time, *orbit.points.first()?))
        });
        // A star at the centre or at rest is moved by a part of its orbit's size and speed.
        let (size, fastness) = (norm(star.x).max(radius.min(8.0)), norm(star.v).max(speed));
        let moved = |a: [f64; 3], b: [f64; 3]| PhaseSpace {
            x: sum(star.x, scaled(a, CHANGE * size)),
            v: sum(star.v, scaled(b, CHANGE * fastness)),
        };
        let near = vec![
            moved([0.5, -0.3, 0.8], [-0.7, 0.6, 0.4]),
            moved([-0.2, 0.9, -0.4], [0.1, -0.8, -0.6]),
        ];
        let limit = potential.potential_at_infinity();
        Trial {
            kind,
            name,
            star,
            later: later.collect(),
            near,
            condition: 1.0
                + if limit.is_finite() {
                    star.kinetic_energy() / (limit - energy)
                } else {
                    0.0
                },
        }
    };
    catalogue(potential).into_iter().map(with).collect()
}
