//! The spray against a progenitor of particles that attract each other, stripped by the same galaxy.
#![allow(clippy::unwrap_used)]
use super::spray::add;
use super::*;
use crate::nbody::{Gravity, Particles, Settings};
use crate::phase_space::PhaseSpace;
use crate::potential::{Logarithmic, Plummer, Potential};
use crate::sample::generator;
use crate::statistics::{mean, scatter};
use crate::units::{Gyr, Natural};
use crate::vector::{cross, dot, norm};

const MASS: f64 = 3e4;

fn halo() -> Logarithmic {
    Logarithmic::axisymmetric(220.0, 1.0, 0.9).unwrap()
}

/// A progenitor of `n` particles that starts at `start` and is followed for `age` in the field of the galaxy and of its own.
fn simulate(start: PhaseSpace, n: usize, scale: f64, age: Gyr) -> Particles {
    let galaxy = halo();
    let mut particles = Plummer::new(MASS, scale).unwrap().sample(n, 0.98, 1);
    let settings = Settings {
        softening: 0.15 * scale,
        ..Settings::default()
    };
    let dynamical = (scale.powi(3) / (crate::units::GRAVITATIONAL_CONSTANT * MASS)).sqrt();
    let whole = Natural::from(age).0;
    let steps = (whole / (0.08 * dynamical)).ceil() as usize;
    let step = whole / steps as f64;
    // Positions are kept relative to the centre's orbit: the tree computes in single precision.
    let mut centre = start;
    let mut gravity = Gravity::default();
    let pull = |particles: &Particles, centre: &PhaseSpace, gravity: &mut Gravity| -> Vec<[f64; 3]> {
        gravity
            .evaluate(&particles.positions, &particles.masses, &settings)
            .unwrap();
        let there = galaxy.acceleration(centre.x);
        let tide = particles
            .positions
            .iter()
            .map(|x| galaxy.acceleration([0, 1, 2].map(|i| centre.x[i] + x[i])));
        tide.zip(&gravity.acceleration)
            .map(|(a, own)| [0, 1, 2].map(|i| a[i] - there[i] + own[i]))
            .collect()
    };
    let mut a = pull(&particles, &centre, &mut gravity);
    for _ in 0..steps {
        let there = galaxy.acceleration(centre.x);
        add(&mut centre.v, 0.5 * step, there);
        add(&mut centre.x, step, centre.v);
        for ((x, v), a) in particles.positions.iter_mut().zip(&mut particles.velocities).zip(&a) {
            add(v, 0.5 * step, *a);
            add(x, step, *v);
        }
        a = pull(&particles, &centre, &mut gravity);
        let there = galaxy.acceleration(centre.x);
        add(&mut centre.v, 0.5 * step, there);
        for (v, a) in particles.velocities.iter_mut().zip(&a) {
            add(v, 0.5 * step, *a);
        }
    }
    for (x, v) in particles.positions.iter_mut().zip(&mut particles.velocities) {
        add(x, 1.0, centre.x);
        add(v, 1.0, centre.v);
    }
    particles
}

/// The densest place among the particles, by spheres that shrink, and how many lie within `radius` of it.
fn densest(particles: &Particles, from: [f64; 3], radius: f64) -> (PhaseSpace, usize) {
    let mut centre = PhaseSpace::new(from, [0.0; 3]);
    let mut within = Vec::new();
    for step in 0..12 {
        let reach = (1.0 * 0.6_f64.powi(step)).max(radius);
        within = (0..particles.positions.len())
            .filter(|&k| norm([0, 1, 2].map(|i| particles.positions[k][i] - centre.x[i])) < reach)
            .collect();
        let middle = |of: &Vec<[f64; 3]>| [0, 1, 2].map(|i| mean(within.iter().map(|&k| of[k][i])).unwrap());
        centre = PhaseSpace::new(middle(&particles.positions), middle(&particles.velocities));
    }
    (centre, within.len())
}

/// In degrees, kpc, km/s: angle ahead of the progenitor along its motion, then r, height over its plane, v_r, speed along.
fn coordinates(star: &PhaseSpace, progenitor: &PhaseSpace) -> [f64; 5] {
    let outwards = progenitor.x.map(|x| x / norm(progenitor.x));
    let momentum = progenitor.angular_momentum();
    let across = momentum.map(|l| l / norm(momentum));
    let along = cross(across, outwards);
    let r = norm(star.x);
    let radial = dot(star.x, star.v) / r;
    [
        dot(star.x, along).atan2(dot(star.x, outwards)).to_degrees(),
        r,
        dot(star.x, across),
        radial,
        (dot(star.v, star.v) - radial * radial).sqrt(),
    ]
}

/// Mean and scatter of the four coordinates in bins of the angle along the stream, with the number of stars.
fn track(stars: &[[f64; 5]], edges: &[(f64, f64)]) -> Vec<(usize, [f64; 4], [f64; 4])> {
    let bin = |&(low, high): &(f64, f64)| {
        let inside: Vec<&[f64; 5]> = stars.iter().filter(|star| (low..high).contains(&star[0])).collect();
        let of = |k: usize| inside.iter().map(|star| star[k + 1]).collect::<Vec<_>>();
        let middle = [0, 1, 2, 3].map(|k| mean(of(k).into_iter()).unwrap_or(f64::NAN));
        (
            inside.len(),
            middle,
            [0, 1, 2, 3].map(|k| scatter(&of(k)).unwrap_or(f64::NAN)),
        )
    };
    edges.iter().map(bin).collect()
}

/// Stars of both streams in bins along them: means within `track_within` of the scatter of a bin and four standard errors, scatters within a factor `width_within`.
fn compare(n: usize, scale: f64, age: Gyr, track_within: f64, width_within: f64) {
    let galaxy = halo();
    let start = PhaseSpace::new([12.0, 0.0, 4.0], [30.0, 170.0, 60.0]);
    let particles = simulate(start, n, scale, age);
    let forward = crate::orbit::leapfrog::integrate_to_tolerance(&galaxy, &start, &[age], 1e-8).unwrap();
    let tidal = Tide::at(&galaxy, &start, MASS).radius;
    let (now, bound) = densest(&particles, forward.points[0].x, tidal);
    // What is left now and what was there at first, in the middle.
    let mass = 0.5 * MASS * (0.98 + bound as f64 / n as f64);
    let stars: Vec<[f64; 5]> = (particles.positions.iter().zip(&particles.velocities))
        .map(|(&x, &v)| PhaseSpace::new(x, v))
        .filter(|star| norm([0, 1, 2].map(|i| star.x[i] - now.x[i])) > 2.0 * tidal)
        .map(|star| coordinates(&star, &now))
        .collect();
    let progenitor = Progenitor {
        now,
        mass,
        own_gravity: None,
    };
    let spray = Spray::new(&galaxy, progenitor, age, 1e-6).unwrap();
    let sprayed: Vec<[f64; 5]> = spray
        .stars(4000, &mut generator(1, 0))
        .iter()
        .map(|star| coordinates(&star.now, &now))
        .collect();
    let edges = [(-12.0, -7.0), (-7.0, -3.0), (3.0, 7.0), (7.0, 12.0)];
    println!("bound {bound} of {n}, stripped {}", stars.len());
    for ((nbody, spray), edge) in track(&stars, &edges).iter().zip(track(&sprayed, &edges)).zip(edges) {
        println!("{edge:?} nbody {nbody:?}\n spray {spray:?}");
        assert!(nbody.0 > 20, "{} particles in {edge:?}", nbody.0);
        for k in 0..4 {
            let off = (nbody.1[k] - spray.1[k]).abs();
            let error = nbody.2[k] / (nbody.0 as f64).sqrt();
            assert!(
                off < track_within * spray.2[k] + 4.0 * error,
                "{edge:?} coordinate {k}: {off} off"
            );
            let ratio = nbody.2[k] / spray.2[k];
            assert!(
                (1.0 / width_within..width_within).contains(&ratio),
                "{edge:?} coordinate {k}: {ratio}"
            );
        }
    }
}

#[test]
fn a_spray_looks_like_a_small_nbody_stream() {
    compare(1000, 0.022, Gyr(2.0), 0.5, 1.6);
}

/// 4000 particles.
#[test]
#[ignore = "takes minutes"]
fn a_spray_looks_like_an_nbody_stream() {
    compare(4000, 0.012, Gyr(3.0), 0.5, 1.6);
}
