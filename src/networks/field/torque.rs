//! How L_z changes along a stream in a field that is not axisymmetric: dL_z/dt = x a_y − y a_x, which is linear in the field.
//!
//! L_z − ∫ (x a_y − y a_x) dt is the same for all stars of a stream, as E is. The integral goes along the orbit of one star in the field found
//! last, from that star to the point of the orbit that is next to another one in position and velocity. Torques are small, so that the orbit
//! need not be near: what matters is where the stream is within a tenth of its distance. Stars further from it are [`Along::is_far`].

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::potential::expansion::{Expansion, Term};
use dynamics::vector::{dot, norm};

/// Steps of the orbit, in radians of a circular one.
const STEP: f64 = 0.1;

/// Steps each way: a turn and more. Stars that are further are next to some other turn, with nearly the same L_z.
const STEPS: usize = 70;

/// How far a star may be from its stream's path, in units of its distance from the centre and of its speed: errors of 3 % in distance
/// leave 0.05 to 0.1.
const NEAR: f64 = 0.2;

/// Where a star is along its stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Along {
    /// ∫ (x a_y − y a_x) dt up to it, km/s kpc, of every term and of the field that the terms are added to; none where nothing turns it.
    pub torques: Vec<f64>,
    /// How far from the path it is.
    away: f64,
}

impl Along {
    /// Whether it is too far from the path for torques along this to mean much.
    pub fn is_far(&self) -> bool {
        self.away > NEAR
    }
}

/// Where each star of a stream is along it.
pub(super) fn along(stars: &[PhaseSpace], field: &Expansion, terms: &[Term], mean: Option<&Expansion>) -> Vec<Along> {
    let mut rows = vec![vec![0.0; terms.len() + 1]; stars.len()];
    let Some(first) = stars.first() else {
        return Vec::new();
    };
    let count = stars.len() as f64;
    let middle = [0, 1, 2].map(|i| stars.iter().map(|star| star.x[i]).sum::<f64>() / count);
    let away = |star: &PhaseSpace| (0..3).map(|i| (star.x[i] - middle[i]).powi(2)).sum::<f64>();
    let central = stars.iter().min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(first);
    let path = Path::through(central, field);
    let nearest: Vec<Nearest> = stars.iter().map(|star| path.nearest(star)).collect();
    let indices = nearest.iter().map(|near| near.index).chain([STEPS]);
    let (least, most) = indices.fold((STEPS, STEPS), |(least, most), index| {
        (least.min(index), most.max(index))
    });
    let turning = |x: [f64; 3], a: [f64; 3]| x[0] * a[1] - x[1] * a[0];
    let mut fill = |column: usize, acceleration: &dyn Fn([f64; 3]) -> [f64; 3]| {
        let mut sums = vec![0.0; path.points.len()];
        let mut at = sums.clone();
        for i in least..=most {
            let x = path.points[i].x;
            at[i] = turning(x, acceleration(x));
            if i > least {
                sums[i] = sums[i - 1] + 0.5 * (path.times[i] - path.times[i - 1]) * (at[i - 1] + at[i]);
            }
        }
        for (row, near) in rows.iter_mut().zip(&nearest) {
            row[column] = sums[near.index] - sums[STEPS] + near.beyond * at[near.index];
        }
    };
    for (column, term) in terms.iter().enumerate() {
        if !term.is_axisymmetric() {
            fill(column, &|x| term.value(x).1);
        }
    }
    if let Some(mean) = mean {
        fill(terms.len(), &|x| mean.acceleration(x));
    }
    let all = rows.into_iter().zip(nearest);
    all.map(|(torques, near)| Along {
        torques,
        away: near.away,
    })
    .collect()
}

/// An orbit before and after a star, which is its point number [`STEPS`].
struct Path {
    points: Vec<PhaseSpace>,
    /// Since the star, kpc/(km/s).
    times: Vec<f64>,
}

/// The point of an orbit that is next to a star.
struct Nearest {
    index: usize,
    /// How much later the star is, kpc/(km/s).
    beyond: f64,
    /// How far off it is, in units of the star's distance and speed.
    away: f64,
}

impl Path {
    /// By leapfrog, whose steps are short where the acceleration is large.
    fn through(star: &PhaseSpace, field: &Expansion) -> Self {
        let way = |sign: f64| {
            let (mut point, mut time) = (*star, 0.0);
            let mut pull = field.acceleration(point.x);
            let one = move |_| {
                // The second holds where there is hardly any acceleration.
                let (size, speed) = (norm(point.x), norm(point.v));
                let step = sign * STEP * (size / norm(pull)).sqrt().min(size / speed);
                let half = [0, 1, 2].map(|i| point.v[i] + 0.5 * step * pull[i]);
                point.x = [0, 1, 2].map(|i| point.x[i] + step * half[i]);
                pull = field.acceleration(point.x);
                point.v = [0, 1, 2].map(|i| half[i] + 0.5 * step * pull[i]);
                time += step;
                (point, time)
            };
            (0..STEPS).map(one)
        };
        let mut all: Vec<(PhaseSpace, f64)> = way(-1.0).collect();
        all.reverse();
        all.push((*star, 0.0));
        all.extend(way(1.0));
        let (points, times) = all.into_iter().unzip();
        Self { points, times }
    }

    fn nearest(&self, star: &PhaseSpace) -> Nearest {
        let square = |a: [f64; 3], b: [f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>();
        let (size, speed) = (dot(star.x, star.x), dot(star.v, star.v));
        let away = |point: &PhaseSpace| square(point.x, star.x) / size + square(point.v, star.v) / speed;
        let found = self
            .points
            .iter()
            .map(away)
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let index = found.map_or(STEPS, |(index, _)| index);
        let point = &self.points[index];
        let between = [0, 1, 2].map(|i| star.x[i] - point.x[i]);
        let beyond = dot(between, point.v) / dot(point.v, point.v);
        let step = STEP * norm(point.x) / norm(point.v);
        Nearest {
            index,
            beyond: beyond.max(-step).min(step),
            away: away(point).sqrt(),
        }
    }
}

#[cfg(test)]
#[path = "torque_tests.rs"]
mod tests;
