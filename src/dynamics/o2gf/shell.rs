//! Orbits next to a shell orbit, the one without radial motion at their energy and L_z.
//!
//! From one crossing of the plane z = 0 to the next, reflected, (R, v_R) are mapped to (R, v_R) with areas kept; the shell orbit is a
//! fixed point of that map. Next to it the map turns ellipses by half a vertical period's worth of θ_r, so its derivative M gives
//! Ω_r/Ω_z, the area of the star's ellipse over 2π is J_r, and the shell orbit's own action gives J_z = J_z⁰(E) − (Ω_r/Ω_z) J_r. Both
//! are right to third order in the amplitude, where the spectrum of the orbit has no radial line above what the shell does not
//! fit.
//!
//! **Source**: Binney & Tremaine (2008), section 3.2.2 for surfaces of section; Lichtenberg & Lieberman (1992), section 3.3 for
//! the linear map.

use super::{Class, Label};
use crate::numerics::gauss_legendre;
use crate::orbit::circular::epicycle;
use crate::orbit::dense;
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace};
use crate::potential::Potential;
use crate::units::{Natural, wrap_angle};
use std::f64::consts::{PI, TAU};
use std::sync::LazyLock;

/// Up to what amplitude the quadratic limit is taken. Frequencies are wrong by the square of the greater of the two.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    /// Radial amplitude over R.
    radius: f64,
    /// The same over the width of the surface of section, beyond which v_z vanishes.
    section: f64,
}

/// Where the limit is used, and where it serves if the orbit tells less.
pub(crate) const SHARP: Reach = Reach {
    radius: 3e-3,
    section: 0.01,
};
pub(crate) const ROUGH: Reach = Reach {
    radius: 1e-2,
    section: 0.1,
};

/// Differences for derivatives, in parts of the same.
const DIFFERENCE: f64 = 1e-3;

/// Local tolerance of orbits, and steps that half a vertical period may take.
const TOLERANCE: f64 = 1e-12;
const MOST_STEPS: usize = 4000;

/// Points in half a vertical period at which it is looked for the next crossing.
const LOOKS: usize = 32;

/// Half periods over which J_r is averaged.
const AVERAGED: usize = 8;

/// Error of the actions of the shell orbit, relative to its sum, and relative error of the frequencies from differences.
const QUADRATURE: f64 = 1e-8;
const DERIVATIVE: f64 = 1e-6;

/// Half the rule of 20 points for the action of the shell, in each of four panels.
static RULE: LazyLock<[(f64, f64); 20]> = LazyLock::new(gauss_legendre);
const PANELS: usize = 4;

/// A place on the surface of section: R, v_R.
type Place = [f64; 2];

/// What half a vertical period does to a place.
#[derive(Clone, Copy)]
struct Return {
    place: Place,
    /// Its length, kpc/(km/s).
    time: f64,
    /// The advance of φ in the sense of L_z.
    phi: f64,
}

/// The surface of section of one energy and L_z.
struct Section<'a, P: ?Sized> {
    potential: &'a P,
    energy: f64,
    lz: f64,
    /// About half a vertical period.
    half: f64,
}

/// The map and its derivatives at a place.
struct Linear {
    value: Return,
    /// ∂(R', v_R')/∂(R, v_R).
    map: [[f64; 2]; 2],
    time: [f64; 2],
    phi: [f64; 2],
}

/// The label of a point next to a shell orbit; of amplitude within `most`; nothing for any other. `half` is
/// about half a vertical period, kpc/(km/s).
pub(crate) fn label<P: Potential + ?Sized>(potential: &P, point: &PhaseSpace, half: f64, most: Reach) -> Option<Label> {
    let section = Section {
        potential,
        energy: potential.energy(point),
        lz: point.angular_momentum()[2],
        half,
    };
    let (star, elapsed) = section.reach(point)?;
    let place = place_of(&star);
    let centre = section.fixed_point(place)?;
    let linear = section.linear(centre)?;
    let shape = Ellipse::new(&linear)?;
    let turns = section.half_turns(centre, &linear)?;
    let alpha = shape.angle + TAU * ((PI * turns as f64 - shape.angle) / TAU).round();

    let mut places = vec![place];
    for _ in 0..AVERAGED {
        places.push(section.next(places[places.len() - 1])?.place);
    }
    let areas: Vec<f64> = places.iter().map(|&place| shape.action(place, centre)).collect();
    let j_r = areas.iter().sum::<f64>() / areas.len() as f64;
    let spread = areas.iter().map(|area| (area - j_r).abs()).fold(0.0, f64::max);
    let amplitude = (2.0 * j_r / shape.stiffness).sqrt();
    let e = amplitude / centre[0];
    let of_section = amplitude * shape.stiffness / section.vertical_speed(centre)?;
    // Written so that NaN is none.
    let is_next_to_a_shell = e < most.radius && of_section < most.section;
    if !is_next_to_a_shell {
        return None;
    }

    let Return { time, phi, .. } = linear.value;
    let sense = crate::phase_space::sense(section.lz);
    let rates = Frequencies {
        phi: sense * phi / time,
        z: PI / time,
        r: alpha / time,
    };
    let shell = (section.twice_kinetic(centre, time)? - section.lz.abs() * phi) / PI;
    let actions = Actions {
        phi: section.lz,
        z: (shell - alpha / PI * j_r).max(0.0),
        r: j_r,
    };

    // Angles at the crossing: θ_z and θ_φ are those of the shell but for a linear function of the place.
    let away = [place[0] - centre[0], place[1] - centre[1]];
    let late = linear.over_map_less_one(linear.time)?;
    let ahead = linear.over_map_less_one([0, 1].map(|i| linear.phi[i] - phi / time * linear.time[i]))?;
    let of = |slope: [f64; 2]| slope[0] * away[0] + slope[1] * away[1];
    let downwards = if star.v[2] < 0.0 { PI } else { 0.0 };
    let angles = Angles {
        phi: wrap_angle(star.x[1].atan2(star.x[0]) - sense * of(ahead) - rates.phi * elapsed),
        z: wrap_angle(downwards + rates.z * (of(late) - elapsed)),
        r: wrap_angle(shape.phase(away) + rates.r * (of(late) - elapsed)),
    };
    let action_error = (spread + QUADRATURE * (shell + section.lz.abs())) * (1.0 + alpha / PI);
    Some(Label {
        action_angle: ActionAngle {
            actions,
            angles,
            frequencies: rates,
        },
        action_error,
        window_error: spread,
        angle_error: 3.0 * e.max(of_section),
        frequency_error: e.max(of_section).powi(2) + DERIVATIVE,
        periods: AVERAGED as f64 * alpha / TAU,
        modes: 1,
        energy_error: TOLERANCE,
        class: Class::Regular,
        libration: None,
    })
}

/// R and v_R.
fn place_of(point: &PhaseSpace) -> Place {
    let r = point.x[0].hypot(point.x[1]);
    [r, (point.x[0] * point.v[0] + point.x[1] * point.v[1]) / r]
}

/// The invariant ellipses of a map that turns.
struct Ellipse {
    /// v_R over R of the half axes: J_r = (stiffness δR² + δv_R²/stiffness)/2.
    stiffness: f64,
    /// The angle by which the map turns, in (0, 2π).
    angle: f64,
}

impl Ellipse {
    /// Of a map; nothing if it does not turn. Reversal of time makes its diagonal elements equal.
    fn new(linear: &Linear) -> Option<Self> {
        let [[a, b], [c, d]] = linear.map;
        let square = -b * c;
        (square > 0.0).then(|| Self {
            stiffness: (-c / b).sqrt(),
            angle: wrap_angle(square.sqrt().copysign(b).atan2(0.5 * (a + d))),
        })
    }

    fn action(&self, place: Place, centre: Place) -> f64 {
        let [r, v] = [place[0] - centre[0], place[1] - centre[1]];
        0.5 * (self.stiffness * r * r + v * v / self.stiffness)
    }

    /// θ_r: zero at the least R.
    fn phase(&self, [r, v]: Place) -> f64 {
        v.atan2(-self.stiffness * r)
    }
}

impl Linear {
    /// The s of s·(M − 1) = `slope`.
    fn over_map_less_one(&self, slope: [f64; 2]) -> Option<[f64; 2]> {
        let [[a, b], [c, d]] = self.map;
        let (a, d) = (a - 1.0, d - 1.0);
        let determinant = a * d - b * c;
        (determinant > LEAST_DETERMINANT).then(|| {
            [
                (slope[0] * d - slope[1] * c) / determinant,
                (slope[1] * a - slope[0] * b) / determinant,
            ]
        })
    }
}

/// |M − 1| below which the map does not tell where its fixed point is: Ω_r = 2 Ω_z, as in a harmonic core.
const LEAST_DETERMINANT: f64 = 1e-8;

impl<P: Potential + ?Sized> Section<'_, P> {
    /// v_z at a place; nothing outside the section.
    fn vertical_speed(&self, [r, v]: Place) -> Option<f64> {
        let azimuthal = self.lz / r;
        let square = 2.0 * (self.energy - self.potential.potential([r, 0.0, 0.0])) - v * v - azimuthal * azimuthal;
        (r > 0.0 && square > 0.0).then(|| square.sqrt())
    }

    fn point(&self, place: Place) -> Option<PhaseSpace> {
        let [r, v] = place;
        let up = self.vertical_speed(place)?;
        Some(PhaseSpace::new([r, 0.0, 0.0], [v, self.lz / r, up]))
    }

    /// The points at equal steps of `LOOKS` to half a period, to 1.6 of them.
    fn path(&self, start: &PhaseSpace) -> Option<(Vec<PhaseSpace>, f64)> {
        let step = self.half / LOOKS as f64;
        let times: Vec<Natural> = (0..=LOOKS * 8 / 5).map(|i| Natural(step * i as f64)).collect();
        let mut points = Vec::with_capacity(times.len());
        dense::follow_within(self.potential, start, &times, TOLERANCE, MOST_STEPS, |_, point| {
            points.push(point);
        })
        .ok()?;
        Some((points, step))
    }

    /// The next crossing of the plane, and the time until then.
    fn crossing(&self, start: &PhaseSpace) -> Option<(PhaseSpace, f64, Vec<PhaseSpace>)> {
        let (mut points, step) = self.path(start)?;
        let side = if start.x[2] == 0.0 { start.v[2] } else { start.x[2] };
        let past = points.iter().skip(1).position(|point| point.x[2] * side <= 0.0)? + 1;
        points.truncate(past + 1);
        let (mut point, mut time) = (points[past], step * past as f64);
        for _ in 0..4 {
            let rest = -point.x[2] / point.v[2];
            if rest == 0.0 || rest.abs() < 1e-15 * self.half {
                break;
            }
            if rest.is_nan() || rest.abs() > step {
                return None;
            }
            let mut end = None;
            dense::follow_within(
                self.potential,
                &point,
                &[Natural(rest)],
                TOLERANCE,
                MOST_STEPS,
                |_, point| {
                    end = Some(point);
                },
            )
            .ok()?;
            (point, time) = (end?, time + rest);
        }
        Some((point, time, points))
    }

    /// Where the star next crosses the plane, and when.
    fn reach(&self, point: &PhaseSpace) -> Option<(PhaseSpace, f64)> {
        if point.x[2] == 0.0 {
            return Some((*point, 0.0));
        }
        self.crossing(point).map(|(point, time, _)| (point, time))
    }

    fn next(&self, place: Place) -> Option<Return> {
        let (end, time, points) = self.crossing(&self.point(place)?)?;
        let sense = crate::phase_space::sense(self.lz);
        let azimuth = |point: &PhaseSpace| point.x[1].atan2(point.x[0]);
        let mut phi = 0.0;
        let mut before = 0.0;
        for now in points[1..points.len() - 1].iter().chain([&end]).map(azimuth) {
            // Forwards, but for rounding: an orbit over the pole turns by half a turn at once.
            phi += wrap_angle(sense * (now - before) + 0.5) - 0.5;
            before = now;
        }
        Some(Return {
            place: place_of(&end),
            time,
            phi,
        })
    }

    /// The map and its derivatives by differences.
    fn linear(&self, place: Place) -> Option<Linear> {
        let frequency = epicycle(self.potential, place[0]).azimuthal;
        let width = DIFFERENCE * (self.vertical_speed(place)? / frequency).min(place[0]);
        let steps = [width, width * frequency];
        let mut linear = Linear {
            value: self.next(place)?,
            map: [[0.0; 2]; 2],
            time: [0.0; 2],
            phi: [0.0; 2],
        };
        for (i, step) in steps.into_iter().enumerate() {
            let at = |sign: f64| {
                let mut moved = place;
                moved[i] += sign * step;
                self.next(moved)
            };
            let (high, low) = (at(1.0)?, at(-1.0)?);
            let slope = |high: f64, low: f64| 0.5 * (high - low) / step;
            for k in 0..2 {
                linear.map[k][i] = slope(high.place[k], low.place[k]);
            }
            linear.time[i] = slope(high.time, low.time);
            linear.phi[i] = slope(high.phi, low.phi);
        }
        Some(linear)
    }

    /// The shell orbit's place, by Newton's method.
    fn fixed_point(&self, start: Place) -> Option<Place> {
        let mut place = start;
        for _ in 0..6 {
            let linear = self.linear(place)?;
            let [[a, b], [c, d]] = linear.map;
            let (a, d) = (1.0 - a, 1.0 - d);
            let determinant = a * d - b * c;
            if determinant.is_nan() || determinant < LEAST_DETERMINANT {
                return None;
            }
            let miss = [0, 1].map(|i| linear.value.place[i] - place[i]);
            let step = [
                (d * miss[0] + b * miss[1]) / determinant,
                (c * miss[0] + a * miss[1]) / determinant,
            ];
            // By symmetry the shell orbit crosses the plane at right angles.
            place = [place[0] + step[0], 0.0];
            let far = (place[0] / start[0] - 1.0).abs() > 10.0 * ROUGH.radius;
            if far {
                return None;
            }
            if step[0].abs() < 1e-9 * place[0] {
                break;
            }
        }
        Some(place)
    }

    /// How many half turns of θ_r, to the nearest, an orbit next to the shell makes while it crosses the plane once.
    fn half_turns(&self, centre: Place, linear: &Linear) -> Option<usize> {
        let width =
            DIFFERENCE * (self.vertical_speed(centre)? / epicycle(self.potential, centre[0]).azimuthal).min(centre[0]);
        let moved = [centre[0] + width, 0.0];
        let radii = |place: Place, time: f64| {
            let times: Vec<Natural> = (0..LOOKS).map(|i| Natural(time * i as f64 / LOOKS as f64)).collect();
            let mut radii = Vec::with_capacity(LOOKS);
            let start = self.point(place)?;
            dense::follow_within(self.potential, &start, &times, TOLERANCE, MOST_STEPS, |_, point| {
                radii.push(crate::vector::norm(point.x));
            })
            .ok()?;
            Some(radii)
        };
        let time = self.next(moved)?.time;
        let (own, other) = (radii(centre, linear.value.time)?, radii(moved, time)?);
        let differences: Vec<f64> = other.iter().zip(&own).map(|(other, own)| other - own).collect();
        Some(differences.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count())
    }

    /// ∫ v² dt over half a vertical period of the shell orbit.
    fn twice_kinetic(&self, place: Place, time: f64) -> Option<f64> {
        let panel = time / PANELS as f64;
        let nodes = (0..PANELS).flat_map(|i| RULE.iter().map(move |&(node, weight)| (i as f64 + node, weight)));
        let (times, weights): (Vec<Natural>, Vec<f64>) = nodes
            .map(|(node, weight)| (Natural(node * panel), weight * panel))
            .unzip();
        let mut sum = 0.0;
        dense::follow_within(
            self.potential,
            &self.point(place)?,
            &times,
            TOLERANCE,
            MOST_STEPS,
            |i, point| {
                sum += weights[i] * 2.0 * point.kinetic_energy();
            },
        )
        .ok()?;
        Some(sum)
    }
}
