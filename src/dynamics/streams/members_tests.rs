#![allow(clippy::unwrap_used)]

use rand::Rng;
use rand_distr::StandardNormal;

use super::{Candidate, LEAST_KNOWN, Members, NotAStream, Progenitor, Spray, members};
use crate::phase_space::{ActionAngle, Actions, Angles, PhaseSpace};
use crate::potential::Composite;
use crate::sample::{angles, generator};
use crate::staeckel::StaeckelFudge;
use crate::units::{Gyr, wrap_angle};

fn candidate(w: [f64; 6]) -> Candidate {
    Candidate {
        actions: Actions {
            phi: w[0],
            z: w[1],
            r: w[2],
        },
        angles: Angles {
            phi: wrap_angle(w[3]),
            z: wrap_angle(w[4]),
            r: wrap_angle(w[5]),
        },
        covariance: None,
    }
}

/// Stars of a smooth halo: mixed in phase.
fn halo(n: usize, seed: u64) -> Vec<Candidate> {
    let random = &mut generator(seed, 0);
    (0..n)
        .map(|_| {
            let [a, b, c]: [f64; 3] = std::array::from_fn(|_| random.sample(StandardNormal));
            let angles = angles(random);
            let w = [1500.0 * a, 600.0 * b.exp(), 500.0 * c.exp()];
            candidate([w[0], w[1], w[2], angles.phi, angles.z, angles.r])
        })
        .collect()
}

/// A tidal stream in a galaxy.
fn stream(n: usize) -> Vec<Candidate> {
    let galaxy = Composite::milky_way_like().unwrap();
    let now = PhaseSpace::new([15.0, 0.0, 5.0], [20.0, 150.0, 80.0]);
    let progenitor = Progenitor {
        now,
        mass: 2e4,
        own_gravity: None,
    };
    let spray = Spray::new(&galaxy, progenitor, Gyr(3.0), 1e-5).unwrap();
    let fudge = StaeckelFudge::new(&galaxy).unwrap();
    let stars = spray.stars(n, &mut generator(1, 0));
    let found = stars.iter().map(|star| fudge.actions(&star.now).unwrap());
    found
        .map(|ActionAngle { actions, angles, .. }| Candidate {
            actions,
            angles,
            covariance: None,
        })
        .collect()
}

#[test]
fn stars_of_a_spray_are_found_in_a_smooth_halo() {
    let stream = stream(200);
    let (known, hidden) = stream.split_at(10);
    let stars: Vec<Candidate> = halo(20_000, 2).into_iter().chain(hidden.iter().copied()).collect();
    let found = members(known, &stars).unwrap();
    assert!(found.settled);
    let chosen = |p: &f64| *p > 0.5;
    let right = found.probabilities[20_000..].iter().filter(|p| chosen(p)).count();
    let wrong = found.probabilities[..20_000].iter().filter(|p| chosen(p)).count();
    assert!(right >= 185 && wrong <= 2, "{right} of 190, {wrong} others");
    assert!((found.expected - 190.0).abs() < 6.0, "{}", found.expected);
}

/// A Gaussian clump, so dense around with others that many a star may be either.
struct Doubtful {
    known: Vec<Candidate>,
    stars: Vec<Candidate>,
    members: usize,
}

const MEAN: [f64; 6] = [800.0, 700.0, 600.0, 6.2, 3.0, 0.1];
const DEVIATIONS: [f64; 6] = [90.0, 60.0, 50.0, 0.5, 0.4, 0.45];

/// `noise`: errors, in deviations of the clump.
fn doubtful(noise: f64) -> Doubtful {
    let random = &mut generator(7, 1);
    let members = 400;
    let normal =
        |random: &mut rand_chacha::ChaCha20Rng| -> [f64; 6] { std::array::from_fn(|_| random.sample(StandardNormal)) };
    let blur = |mut star: Candidate, error: [f64; 6]| {
        if noise > 0.0 {
            let scale = |i: usize| noise * DEVIATIONS[i];
            let Candidate { actions, angles, .. } = star;
            let w = [actions.phi, actions.z, actions.r, angles.phi, angles.z, angles.r];
            star = candidate(std::array::from_fn(|i| w[i] + scale(i) * error[i]));
            star.covariance = Some(std::array::from_fn(|i| {
                std::array::from_fn(|j| if i == j { scale(i) * scale(i) } else { 0.0 })
            }));
        }
        star
    };
    let mut clump: Vec<Candidate> = (0..members + 30)
        .map(|_| {
            let unit = normal(random);
            // Angles vary with actions, as those of a stream do.
            let along = |i: usize| {
                if i < 3 {
                    unit[i]
                } else {
                    0.6 * unit[i - 3] + 0.8 * unit[i]
                }
            };
            let star = candidate(std::array::from_fn(|i| MEAN[i] + DEVIATIONS[i] * along(i)));
            blur(star, normal(random))
        })
        .collect();
    let known = clump.split_off(members);
    let others = (0..30_000).map(|_| {
        let angles = angles(random);
        let [a, b, c]: [f64; 3] = std::array::from_fn(|i| MEAN[i] + DEVIATIONS[i] * random.random_range(-4.0..4.0));
        let star = candidate([a, b, c, angles.phi, angles.z, angles.r]);
        blur(star, normal(random))
    });
    let others: Vec<Candidate> = others.collect();
    let stars: Vec<Candidate> = clump.into_iter().chain(others).collect();
    Doubtful { known, stars, members }
}

/// Of stars with probability p a part p are members.
fn is_calibrated(found: &Members, members: usize) {
    let bins = [(0.1, 0.4), (0.4, 0.7), (0.7, 0.95)];
    for (low, high) in bins {
        let within = |(_, p): &(usize, &f64)| (low..high).contains(*p);
        let of: Vec<(usize, &f64)> = found.probabilities.iter().enumerate().filter(within).collect();
        let right = of.iter().filter(|(star, _)| *star < members).count() as f64;
        let (count, said) = (of.len() as f64, of.iter().map(|(_, p)| **p).sum::<f64>());
        // Four standard deviations of a count.
        let tolerance = 4.0 * (said * (1.0 - said / count)).sqrt();
        assert!(count > 30.0, "{low} to {high}: {count} stars");
        assert!(
            (right - said).abs() < tolerance,
            "{low} to {high}: {right} of {count}, {said} said"
        );
    }
    let miss = found.expected - members as f64;
    assert!(miss.abs() < 0.15 * members as f64, "{}", found.expected);
}

#[test]
fn probabilities_are_what_they_say() {
    let Doubtful {
        known,
        stars,
        members: count,
    } = doubtful(0.0);
    is_calibrated(&members(&known, &stars).unwrap(), count);
}

/// The clump is found without the errors.
#[test]
fn errors_are_not_taken_for_the_stream() {
    let Doubtful {
        known,
        stars,
        members: count,
    } = doubtful(0.7);
    let found = members(&known, &stars).unwrap();
    is_calibrated(&found, count);
    for (i, expected) in DEVIATIONS.into_iter().enumerate() {
        let deviation = found.covariance[i][i].sqrt();
        assert!(
            (deviation / expected - 1.0).abs() < 0.2,
            "{i}: {deviation}, not {expected}"
        );
    }
}

/// Neither where angles begin nor the order of the stars matters.
#[test]
fn the_zero_of_angles_means_nothing() {
    let stream = stream(60);
    let stars: Vec<Candidate> = halo(2000, 4).into_iter().chain(stream[20..].iter().copied()).collect();
    let turned = |star: &Candidate| {
        let (a, t) = (star.actions, star.angles);
        candidate([a.phi, a.z, a.r, t.phi + 2.0, t.z - 1.0, t.r + 3.0])
    };
    let known = &stream[..20];
    let found = members(known, &stars).unwrap();
    let known: Vec<Candidate> = known.iter().rev().map(turned).collect();
    let stars: Vec<Candidate> = stars.iter().rev().map(turned).collect();
    let other = members(&known, &stars).unwrap();
    for (a, b) in found.probabilities.iter().zip(other.probabilities.iter().rev()) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    let turn = wrap_angle(other.angles.phi - found.angles.phi);
    assert!((turn - 2.0).abs() < 1e-6, "{turn}");
}

#[test]
fn what_is_no_stream_is_told() {
    let few = &halo(LEAST_KNOWN - 1, 1);
    assert_eq!(members(few, &[]), Err(NotAStream::TooFew { known: LEAST_KNOWN - 1 }));
    assert!(matches!(members(&halo(40, 1), &[]), Err(NotAStream::AllAround { .. })));
    let one = vec![candidate(MEAN); 12];
    assert_eq!(members(&one, &halo(100, 1)), Err(NotAStream::Flat));
    // Nobody to be found is no error.
    let found = members(&stream(30), &[]).unwrap();
    assert!(found.probabilities.is_empty() && found.expected == 0.0);
}
