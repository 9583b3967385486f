//! The progenitor's orbit, both ways from where its stream is seen.

use super::pace::{Pace, next_rate, quintic};
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

/// No orbit is followed for more steps.
const MOST_STEPS: usize = 100_000;

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

    /// Whether it may go on to a time.
    fn goes_on_to(&self, time: f64) -> bool {
        self.last().time < time && self.nodes.len() < MOST_STEPS
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
    /// Radial period, kpc/(km/s); none where the orbit has too few apsides.
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
        if let Some(period) = period {
            let needed = reach(period);
            while back.goes_on_to(needed.0) {
                back.step();
            }
            while ahead.goes_on_to(needed.1) {
                ahead.step();
            }
        }
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
