//! Streams by particle spray: the progenitor's orbit back, stars released along it, and each of them forward to now.

use super::release::{Recipe, Tail, Tide};
use crate::orbit::{OrbitError, leapfrog};
use crate::phase_space::PhaseSpace;
use crate::potential::{Plummer, Potential};
use crate::units::{Gyr, Natural};
use rand::Rng;
use rayon::prelude::*;

/// What is stripped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progenitor {
    /// Where it is now.
    pub now: PhaseSpace,
    /// Its mass, M_sun: the same all the time.
    pub mass: f64,
    /// Its gravity on the stars that it lost, a Plummer sphere that moves with it; [`Recipe::Chen`] wants one.
    pub own_gravity: Option<Plummer>,
}

/// A star that was stripped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stripped {
    /// Where it is now.
    pub now: PhaseSpace,
    /// How long ago it was released.
    pub age: Gyr,
    /// Into which tail.
    pub tail: Tail,
}

/// A progenitor's orbit, ready for stars to be released along it.
///
/// Φ is static; the progenitor's mass is constant, and stars leave at a constant rate into both tails.
///
/// **Accuracy**: kick–drift–kick steps that conserve the progenitor's energy as asked for, and a twentieth of the dynamical time of its own
/// Plummer sphere where it has one. Stars do not attract the progenitor nor each other.
/// **Source**: Fardal, Huang & Weinberg (2015); Chen et al. (2025).
pub struct Spray<'a, P: Potential + ?Sized> {
    potential: &'a P,
    progenitor: Progenitor,
    recipe: Recipe,
    /// Step in kpc/(km/s).
    step: f64,
    age: Gyr,
    /// The orbit, from now backwards, a step apart.
    orbit: Vec<PhaseSpace>,
}

/// `to` += `by` · `of`.
pub(super) fn add(to: &mut [f64; 3], by: f64, of: [f64; 3]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to += by * of;
    }
}

/// Kick, drift and kick by `step`, which may be negative, from a point with acceleration `a`.
pub(super) fn advance<P: Potential + ?Sized>(potential: &P, point: &mut PhaseSpace, a: &mut [f64; 3], step: f64) {
    add(&mut point.v, 0.5 * step, *a);
    add(&mut point.x, step, point.v);
    *a = potential.acceleration(point.x);
    add(&mut point.v, 0.5 * step, *a);
}

impl<'a, P: Potential + ?Sized> Spray<'a, P> {
    /// The orbit of `progenitor` over the last `age`, with its energy conserved to `tolerance`.
    ///
    /// **Fails when** the orbit cannot be integrated; see [`leapfrog::integrate_to_tolerance`].
    pub fn new(potential: &'a P, progenitor: Progenitor, age: Gyr, tolerance: f64) -> Result<Self, OrbitError> {
        let found = leapfrog::integrate_to_tolerance(potential, &progenitor.now, &[Gyr(-age.0)], tolerance)?;
        let mut step = Natural::from(found.step).0;
        if let Some(plummer) = progenitor.own_gravity {
            let gm = -plummer.potential([0.0; 3]) * plummer.scale();
            step = step.min(0.05 * (plummer.scale().powi(3) / gm).sqrt());
        }
        let whole = Natural::from(age).0;
        let steps = (whole / step).ceil().max(1.0);
        let step = whole / steps;
        let mut orbit = vec![progenitor.now];
        let (mut point, mut a) = (progenitor.now, potential.acceleration(progenitor.now.x));
        for _ in 0..steps as usize {
            advance(potential, &mut point, &mut a, -step);
            orbit.push(point);
        }
        Ok(Self {
            potential,
            progenitor,
            recipe: Recipe::default(),
            step,
            age,
            orbit,
        })
    }

    /// The same with stars that leave as `recipe` says.
    #[must_use]
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = recipe;
        self
    }

    /// Where the progenitor was the given time ago, within its age.
    fn progenitor_at(&self, age: f64) -> PhaseSpace {
        let place = (age / self.step).clamp(0.0, (self.orbit.len() - 1) as f64);
        let index = place as usize;
        let mut point = self.orbit[index];
        let mut a = self.potential.acceleration(point.x);
        advance(self.potential, &mut point, &mut a, index as f64 * self.step - age);
        point
    }

    /// The acceleration of a star at `x` beside the progenitor at its `index`.
    fn pull(&self, x: [f64; 3], index: usize) -> [f64; 3] {
        let mut a = self.potential.acceleration(x);
        if let Some(plummer) = self.progenitor.own_gravity {
            let centre = self.orbit[index].x;
            let own = plummer.acceleration([0, 1, 2].map(|i| x[i] - centre[i]));
            add(&mut a, 1.0, own);
        }
        a
    }

    /// Where a star is now that was at `start` the time `age` ago, kpc/(km/s).
    fn forward(&self, start: PhaseSpace, age: f64) -> PhaseSpace {
        let mut index = (age / self.step).ceil() as usize;
        let mut point = start;
        // The first step ends where the next of the orbit's does.
        let mut step = age - index.saturating_sub(1) as f64 * self.step;
        let mut a = self.pull(point.x, index.min(self.orbit.len() - 1));
        while index > 0 {
            index -= 1;
            add(&mut point.v, 0.5 * step, a);
            add(&mut point.x, step, point.v);
            a = self.pull(point.x, index);
            add(&mut point.v, 0.5 * step, a);
            step = self.step;
        }
        point
    }

    /// `n` stars, half of them (or one more) trailing, released at times that are uniform over the age.
    pub fn stars<R: Rng + ?Sized>(&self, n: usize, random: &mut R) -> Vec<Stripped> {
        let whole = Natural::from(self.age).0;
        let starts: Vec<(f64, PhaseSpace, Tail)> = (0..n)
            .map(|i| {
                let age = whole * random.random::<f64>();
                let tail = if i % 2 == 0 { Tail::Trailing } else { Tail::Leading };
                let progenitor = self.progenitor_at(age);
                let tide = Tide::at(self.potential, &progenitor, self.progenitor.mass);
                let offset = self.recipe.draw(&tide, random);
                (age, tide.release(&progenitor, &offset, tail), tail)
            })
            .collect();
        starts
            .into_par_iter()
            .map(|(age, start, tail)| Stripped {
                now: self.forward(start, age),
                age: Natural(age).into(),
                tail,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::Composite;
    use crate::sample::generator;
    use crate::vector::{dot, norm};

    fn progenitor() -> Progenitor {
        Progenitor {
            now: PhaseSpace::new([15.0, 0.0, 5.0], [20.0, 150.0, 80.0]),
            mass: 2e4,
            own_gravity: None,
        }
    }

    /// Stars that leave outwards have more energy, and fall behind; those of the other tail run ahead.
    #[test]
    fn the_leading_tail_is_ahead_and_lower_in_energy() {
        let galaxy = Composite::milky_way_like().unwrap();
        let spray = Spray::new(&galaxy, progenitor(), Gyr(2.0), 1e-5).unwrap();
        let stars = spray.stars(400, &mut generator(1, 0));
        let now = progenitor().now;
        let tide = Tide::at(&galaxy, &now, 2e4);
        let ahead = |star: &PhaseSpace| dot(star.x, tide.axes[1]).atan2(dot(star.x, tide.axes[0]));
        let of = |tail: Tail, value: &dyn Fn(&PhaseSpace) -> f64| {
            let of = stars.iter().filter(|star| star.tail == tail);
            crate::statistics::median(of.map(|star| value(&star.now)).collect()).unwrap()
        };
        let energy = galaxy.energy(&now);
        let higher = |star: &PhaseSpace| galaxy.energy(star) - energy;
        assert!(of(Tail::Leading, &higher) < -100.0 && of(Tail::Trailing, &higher) > 100.0);
        assert!(of(Tail::Leading, &ahead) > 0.05 && of(Tail::Trailing, &ahead) < -0.05);
        assert!(stars.iter().all(|star| (0.0..=2.0).contains(&star.age.0)));
    }

    /// Twice as many steps do not move the stars by what matters beside the width of a stream, tens of pc.
    #[test]
    fn steps_are_short_enough() {
        let galaxy = Composite::milky_way_like().unwrap();
        let at = |tolerance: f64| {
            let spray = Spray::new(&galaxy, progenitor(), Gyr(2.0), tolerance).unwrap();
            spray.stars(50, &mut generator(1, 0))
        };
        let (coarse, fine) = (at(1e-5), at(1e-7));
        for (one, other) in coarse.iter().zip(&fine) {
            let off = norm([0, 1, 2].map(|i| one.now.x[i] - other.now.x[i]));
            assert!(off < 5e-3, "{off} kpc");
        }
    }

    #[test]
    fn its_own_gravity_keeps_stars_that_are_not_released() {
        let galaxy = Composite::milky_way_like().unwrap();
        let mut bound = progenitor();
        bound.own_gravity = Some(Plummer::new(2e4, 0.005).unwrap());
        let spray = Spray::new(&galaxy, bound, Gyr(0.5), 1e-5).unwrap();
        let then = spray.progenitor_at(Natural::from(Gyr(0.5)).0);
        let near = PhaseSpace::new([then.x[0] + 0.004, then.x[1], then.x[2]], then.v);
        let off = |star: PhaseSpace| norm([0, 1, 2].map(|i| star.x[i] - bound.now.x[i]));
        assert!(off(spray.forward(near, Natural::from(Gyr(0.5)).0)) < 0.01);
        let free = Spray::new(&galaxy, progenitor(), Gyr(0.5), 1e-5).unwrap();
        assert!(off(free.forward(near, Natural::from(Gyr(0.5)).0)) > 0.01);
    }
}
