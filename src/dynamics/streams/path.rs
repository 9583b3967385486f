//! The progenitor's orbit, both ways from where its stream is seen.

use super::pace::{MOST_STEPS, Pace, next_rate, quintic};
use super::spray::add;
use crate::numerics::root;
use crate::phase_space::PhaseSpace;
use crate::potential::{Expansion, Potential};
use crate::vector::dot;

/// A point of an orbit, and when it is there.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// From the start of the orbit in its direction, kpc/(km/s).
    time: f64,
    point: PhaseSpace,
    a: [f64; 3],
}

/// One direction of an orbit, by Adaptive Verlet.
struct Way<'a> {
    galaxy: &'a Expansion,
    pace: Pace,
    /// 1 or −1.
    sense: f64,
    rate: f64,
    nodes: Vec<Node>,
}

/// Apsides that a radial period is the mean of.
const APSIDES: usize = 9;

impl<'a> Way<'a> {
    fn new(galaxy: &'a Expansion, pace: Pace, start: PhaseSpace, sense: f64) -> Self {
        let a = galaxy.acceleration(start.x);
        Self {
            galaxy,
            pace,
            sense,
            rate: rate(&pace, start.x),
            nodes: vec![Node {
                time: 0.0,
                point: start,
                a,
            }],
        }
    }

    fn last(&self) -> Node {
        self.nodes[self.nodes.len() - 1]
    }

    fn step(&mut self) {
        let Node { time, mut point, .. } = self.last();
        let before = 0.5 / self.rate;
        add(&mut point.x, self.sense * before, point.v);
        self.rate = next_rate(self.rate, rate(&self.pace, point.x));
        let after = 0.5 / self.rate;
        add(
            &mut point.v,
            self.sense * (before + after),
            self.galaxy.acceleration(point.x),
        );
        add(&mut point.x, self.sense * after, point.v);
        self.nodes.push(Node {
            time: time + before + after,
            point,
            a: self.galaxy.acceleration(point.x),
        });
    }

    /// Goes on to a time; whether it gets there.
    fn reaches(&mut self, time: f64) -> bool {
        while self.last().time < time && self.nodes.len() < MOST_STEPS {
            self.step();
        }
        self.last().time >= time
    }

    fn at(&self, time: f64) -> PhaseSpace {
        let after = self.nodes.partition_point(|node| node.time <= time);
        if after == 0 || after == self.nodes.len() {
            return self.nodes[after.saturating_sub(1)].point;
        }
        let (from, to) = (&self.nodes[after - 1], &self.nodes[after]);
        between(from, to, self.sense, (time - from.time) / (to.time - from.time))
    }

    /// When the last step passes an apsis.
    fn apsis(&self) -> Option<f64> {
        let [.., from, to] = &self.nodes[..] else { return None };
        let radial = |t: f64| {
            let point = between(from, to, self.sense, t);
            dot(point.x, point.v)
        };
        let crosses = (dot(from.point.x, from.point.v) > 0.0) != (dot(to.point.x, to.point.v) > 0.0);
        crosses.then(|| {
            let t = root(0.0, 1.0, radial);
            from.time + t * (to.time - from.time)
        })
    }
}

fn rate(pace: &Pace, [x, y, z]: [f64; 3]) -> f64 {
    pace.rate(x * x + y * y, z * z)
}

/// The point a part `t` of the way from a node to the next.
fn between(from: &Node, to: &Node, sense: f64, t: f64) -> PhaseSpace {
    let step = sense * (to.time - from.time);
    let of = |node: &Node, k: usize| [node.point.x[k], node.point.v[k], node.a[k]];
    let found = [0, 1, 2].map(|k| quintic(of(from, k), of(to, k), step, t));
    PhaseSpace::new(found.map(|found| found[0]), found.map(|found| found[1]))
}

/// An orbit through a point, both ways.
pub(crate) struct Path<'a> {
    ahead: Way<'a>,
    back: Way<'a>,
    /// Radial period, kpc/(km/s); none where the orbit has too few apsides, or does not reach as far as it has to.
    pub period: Option<f64>,
}

impl<'a> Path<'a> {
    /// The orbit through `start`, as far back and ahead as `reach` says of its radial period.
    pub fn new(galaxy: &'a Expansion, pace: Pace, start: PhaseSpace, reach: impl Fn(f64) -> (f64, f64)) -> Self {
        let (mut back, mut ahead) = (Way::new(galaxy, pace, start, -1.0), Way::new(galaxy, pace, start, 1.0));
        let mut apsides = Vec::new();
        while apsides.len() < APSIDES && back.nodes.len() < MOST_STEPS {
            back.step();
            apsides.extend(back.apsis());
        }
        let period = match apsides[..] {
            [first, .., last] if apsides.len() == APSIDES => Some(2.0 * (last - first) / (APSIDES - 1) as f64),
            _ => None,
        };
        let period = period.filter(|&period| {
            let needed = reach(period);
            back.reaches(needed.0) && ahead.reaches(needed.1)
        });
        Self { ahead, back, period }
    }

    /// The point `time` after the start, or before it where that is negative.
    pub fn at(&self, time: f64) -> PhaseSpace {
        if time < 0.0 {
            self.back.at(-time)
        } else {
            self.ahead.at(time)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::expansion::Term;

    fn galaxy() -> Expansion {
        let halo = Term::Halo {
            core: 1.0,
            flattening: 1.0,
        };
        Expansion::new(vec![halo], vec![4.4e4]).unwrap()
    }

    /// Energy is conserved, the point is where it was a period later in radius, and what is between two steps runs on smoothly.
    #[test]
    fn an_orbit_comes_back_to_its_radius() {
        let (galaxy, start) = (galaxy(), PhaseSpace::new([12.0, 0.0, 3.0], [40.0, 120.0, 60.0]));
        let path = Path::new(&galaxy, Pace::new(300.0, 1.0), start, |period| (3.0 * period, period));
        let period = path.period.unwrap();
        let radius = |time: f64| {
            let x = path.at(time).x;
            dot(x, x).sqrt()
        };
        for periods in [-3.0, -2.0, -1.0, 1.0] {
            let off = radius(periods * period) - radius(0.0);
            // The radius changes by 40 km/s here: a thousandth of a period is 0.01 kpc.
            assert!(off.abs() < 0.01, "{periods}: {off}");
        }
        for i in 0..400 {
            let energy = galaxy.energy(&path.at(-0.0075 * f64::from(i) * period));
            assert!((energy - galaxy.energy(&start)).abs() < 1e-3 * 4.4e4, "{i}: {energy}");
        }
    }

    #[test]
    fn an_orbit_that_does_not_reach_as_far_as_it_has_to_has_no_period() {
        let start = PhaseSpace::new([12.0, 0.0, 3.0], [40.0, 120.0, 60.0]);
        let far = |_| (1e9, 0.0);
        assert_eq!(Path::new(&galaxy(), Pace::new(300.0, 1.0), start, far).period, None);
    }
}
