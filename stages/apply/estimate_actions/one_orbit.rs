//! Streams whose stars are said to lie on one orbit: whether they do, and their labels from one integration.

use dynamics::o2gf::{self, Label};
use dynamics::orbit::OrbitError;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::units::Gyr;

use super::O2gfParameters;
use super::methods::Estimate;

/// Orbits tried before a stream is given up: a star that is itself off the orbit must not set aside all the others.
const TRIED: usize = 4;

/// No orbit is followed for longer, Gyr: a star that is said to be so far from the others is off their orbit.
const LONGEST: f64 = 100.0;

/// What a column of times may be instead of Gyr: a factor that makes Gyr of it, and its name.
const SLIPS: [(f64, &str); 6] = [
    (1e-3, "if they are in Myr"),
    (1e-9, "if they are in yr"),
    (1e3, "if they are multiplied by 1000"),
    (1.0 / dynamics::units::KPC_PER_KM_S_GYR, "if they are in kpc/(km/s)"),
    (dynamics::units::KPC_PER_KM_S_GYR, "if they are multiplied by 1.0227"),
    (-1.0, "if they are reversed"),
];

/// How far a star is from where the orbit is at its time.
#[derive(Clone, Copy)]
struct Departure {
    /// kpc.
    distance: f64,
    /// km/s.
    velocity: f64,
    /// The distance over the size of the orbit.
    place: f64,
    /// The larger of that and of the difference of velocity over the orbit's greatest speed.
    relative: f64,
    /// Differences of energy over the smaller frequency, and of L_z: actions off those of the orbit, km/s kpc.
    actions: [f64; 2],
}

/// The stars of one stream.
pub struct OneOrbit<'a> {
    potential: &'a dyn Potential,
    with: &'a O2gfParameters,
    stars: Vec<PhaseSpace>,
    times: Vec<Gyr>,
}

impl<'a> OneOrbit<'a> {
    /// The stars `rows` of a table.
    pub fn new(
        potential: &'a dyn Potential,
        with: &'a O2gfParameters,
        stars: &[PhaseSpace],
        times: &[f64],
        rows: &[usize],
    ) -> Self {
        Self {
            potential,
            with,
            stars: rows.iter().map(|&row| stars[row]).collect(),
            times: rows.iter().map(|&row| Gyr(times[row])).collect(),
        }
    }

    /// The label of each star from that of one in the middle of the stream, or why it has none.
    pub fn estimates(&self) -> Vec<Result<Estimate, String>> {
        let (first, departures) = match self.common_orbit() {
            Ok(found) => found,
            Err(error) => return self.stars.iter().map(|_| Err(error.to_string())).collect(),
        };
        let slip = self.slip(first, &departures);
        let label = o2gf::label(self.potential, &self.stars[first], &self.with.settings());
        let estimate = |(departure, &time): (&Departure, &Gyr)| {
            if !self.fits(departure) {
                return Err(reason(departure, slip));
            }
            let label = label.as_ref().map_err(|error| error.to_string())?;
            self.with
                .accept(&widened(label.after(Gyr(time.0 - self.times[first].0)), departure))
        };
        departures.iter().zip(&self.times).map(estimate).collect()
    }

    fn fits(&self, departure: &Departure) -> bool {
        departure.relative <= self.with.largest_departure
    }

    /// The star, of those in the middle of the stream first, whose orbit most stars lie on, and how far off it each is.
    fn common_orbit(&self) -> Result<(usize, Vec<Departure>), OrbitError> {
        let mut by_time: Vec<usize> = (0..self.stars.len()).collect();
        by_time.sort_by(|&a, &b| self.times[a].0.total_cmp(&self.times[b].0));
        let middle = by_time.len() / 2;
        by_time.sort_by_key(|&star| {
            let place = by_time_place(&self.times, star);
            place.abs_diff(middle)
        });
        let mut best: Option<(usize, usize, Vec<Departure>)> = None;
        let mut failed = None;
        for &star in by_time.iter().take(TRIED) {
            let departures = match self.departures(star, 1.0) {
                Ok(departures) => departures,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            let fitting = departures.iter().filter(|departure| self.fits(departure)).count();
            let enough = 2 * fitting > self.stars.len();
            if best.as_ref().is_none_or(|(most, ..)| fitting > *most) {
                best = Some((fitting, star, departures));
            }
            if enough {
                break;
            }
        }
        match (best, failed) {
            (Some((_, star, departures)), _) => Ok((star, departures)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok((0, Vec::new())),
        }
    }

    /// How far each star is off the orbit through star `first`, times multiplied by `factor`.
    fn departures(&self, first: usize, factor: f64) -> Result<Vec<Departure>, OrbitError> {
        let start = &self.stars[first];
        let elapsed: Vec<Gyr> = self
            .times
            .iter()
            .map(|time| Gyr(factor * (time.0 - self.times[first].0)))
            .collect();
        let is_near = |time: Gyr| time.0.abs() <= LONGEST;
        let followed: Vec<Gyr> = elapsed
            .iter()
            .map(|&time| if is_near(time) { time } else { Gyr(0.0) })
            .collect();
        let orbit = o2gf::positions_along(self.potential, start, &followed)?;
        let length = |a: [f64; 3]| a.iter().map(|c| c * c).sum::<f64>().sqrt();
        let most = |of: fn(&PhaseSpace) -> [f64; 3]| orbit.iter().map(|point| length(of(point))).fold(0.0, f64::max);
        let (size, speed) = (most(|point| point.x), most(|point| point.v));
        let energy = self.potential.energy(start);
        let momentum = start.angular_momentum()[2];
        let departure = |((star, point), &time): ((&PhaseSpace, &PhaseSpace), &Gyr)| {
            let distance = length([0, 1, 2].map(|i| star.x[i] - point.x[i]));
            let velocity = length([0, 1, 2].map(|i| star.v[i] - point.v[i]));
            Departure {
                distance,
                velocity,
                place: distance / size,
                relative: if is_near(time) {
                    (distance / size).max(velocity / speed)
                } else {
                    f64::INFINITY
                },
                actions: [
                    (self.potential.energy(star) - energy).abs(),
                    (star.angular_momentum()[2] - momentum).abs(),
                ],
            }
        };
        Ok(self.stars.iter().zip(&orbit).zip(&elapsed).map(departure).collect())
    }

    /// What the times may be instead, if most stars that do not fit would then.
    fn slip(&self, first: usize, departures: &[Departure]) -> Option<&'static str> {
        let off = departures.iter().filter(|departure| !self.fits(departure)).count();
        if 2 * off < self.stars.len() || off == 0 {
            return None;
        }
        SLIPS.into_iter().find_map(|(factor, name)| {
            let fitting = self
                .departures(first, factor)
                .ok()?
                .iter()
                .filter(|departure| self.fits(departure))
                .count();
            (2 * (self.stars.len() - fitting) < off).then_some(name)
        })
    }
}

/// The place of a star in order of time.
fn by_time_place(times: &[Gyr], star: usize) -> usize {
    let before = |&other: &usize| times[other].0.total_cmp(&times[star].0).then(other.cmp(&star)).is_lt();
    (0..times.len()).filter(before).count()
}

/// The label of a star that is not quite on the orbit: its errors are at least as large.
fn widened(mut label: Label, departure: &Departure) -> Label {
    let rates = label.action_angle.frequencies;
    let [energy, momentum] = departure.actions;
    let off = (energy / rates.r.min(rates.z)).max(momentum);
    label.action_error = label.action_error.max(off);
    if let Some(libration) = &mut label.libration {
        libration.error = libration.error.map(|error| error.max(off));
    }
    label.angle_error = label.angle_error.max(departure.relative);
    label
}

fn reason(departure: &Departure, slip: Option<&str>) -> String {
    let Departure { distance, velocity, .. } = departure;
    let slip = slip.map(|slip| format!("; the times fit {slip}")).unwrap_or_default();
    if departure.relative.is_infinite() {
        return format!("its time is more than {LONGEST} Gyr from that of the star in the middle of its stream{slip}");
    }
    if departure.relative > departure.place {
        return format!("at its time a star on the orbit of its stream moves otherwise, by {velocity:.1} km/s{slip}");
    }
    format!("at its time the orbit of its stream is {distance:.3} kpc away{slip}")
}
