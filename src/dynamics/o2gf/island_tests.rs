#![allow(clippy::unwrap_used)]
use super::*;
use crate::linear_algebra::Symmetric;
use crate::o2gf::track::Track;
use crate::o2gf::{Class, Label, Settings, label};
use crate::orbit::dense;
use crate::phase_space::PhaseSpace;
use crate::potential::{Galaxy, Potential};
use crate::units::{Gyr, Natural};

/// Trapped stars of Piffl et al. (2014), of the disc and the halo, about Ω_r = Ω_z and 3 Ω_r = 4 Ω_z.
const TRAPPED: [([f64; 3], [f64; 3]); 2] = [
    ([-5.569448, -5.364748, -1.103140], [210.4945, -129.2463, -24.23517]),
    ([5.078712, -7.898764, -2.173194], [109.0430, 36.06652, 98.93263]),
];

fn known(galaxy: &Galaxy, star: &PhaseSpace) -> (Label, Libration, f64) {
    let label = label(galaxy, star, &Settings::default()).unwrap();
    let libration = label.libration.unwrap();
    (label, libration, libration.error.unwrap())
}

/// Time, R and v_R where an orbit crosses z = 0 upwards: by cubics through both ends of a step.
fn section(galaxy: &Galaxy, star: &PhaseSpace, step: f64, count: usize) -> Vec<[f64; 3]> {
    let times: Vec<Gyr> = (0..count).map(|i| Natural(step * i as f64).into()).collect();
    let points = dense::integrate(galaxy, star, &times, 1e-11).unwrap().points;
    let crossing = |(number, pair): (usize, &[PhaseSpace])| {
        let [from, to] = [&pair[0], &pair[1]];
        let pulls = [from, to].map(|point| galaxy.acceleration(point.x));
        let cubic = |t: f64, v: [f64; 2], s: [f64; 2]| {
            let u = 1.0 - t;
            u * u * (v[0] * (1.0 + 2.0 * t) + s[0] * step * t) + t * t * (v[1] * (1.0 + 2.0 * u) - s[1] * step * u)
        };
        let place = |t: f64, k: usize| cubic(t, [from.x[k], to.x[k]], [from.v[k], to.v[k]]);
        let speed = |t: f64, k: usize| cubic(t, [from.v[k], to.v[k]], pulls.map(|pull| pull[k]));
        let t = crate::numerics::root(0.0, 1.0, |t| place(t, 2));
        let radius = place(t, 0).hypot(place(t, 1));
        let outwards = (place(t, 0) * speed(t, 0) + place(t, 1) * speed(t, 1)) / radius;
        [step * (number as f64 + t), radius, outwards]
    };
    let is_upwards = |(_, pair): &(usize, &[PhaseSpace])| pair[0].x[2] < 0.0 && pair[1].x[2] >= 0.0;
    points.windows(2).enumerate().filter(is_upwards).map(crossing).collect()
}

/// The area over 2π of an island by points on its edge: R and v_R are waves of how far the libration has come, six harmonics by least squares.
fn area(points: &[[f64; 3]], rate: f64) -> f64 {
    const HARMONICS: usize = 6;
    const TERMS: usize = 2 * HARMONICS + 1;
    let mut matrix = Symmetric::zeros(TERMS);
    let mut sides = [vec![0.0; TERMS], vec![0.0; TERMS]];
    for [time, radius, outwards] in points {
        let waves: [f64; TERMS] = std::array::from_fn(|k| {
            let phase = k.div_ceil(2) as f64 * rate * time;
            if k % 2 == 0 { phase.cos() } else { phase.sin() }
        });
        for i in 0..TERMS {
            sides[0][i] += waves[i] * radius;
            sides[1][i] += waves[i] * outwards;
            for j in 0..=i {
                *matrix.at(i, j) += waves[i] * waves[j];
            }
        }
    }
    assert!(matrix.solve(|_| 0.0, &mut sides));
    let [radius, outwards] = &sides;
    let of = |k: usize| k as f64 * (radius[2 * k] * outwards[2 * k - 1] - radius[2 * k - 1] * outwards[2 * k]);
    (1..=HARMONICS).map(of).sum::<f64>().abs() / 2.0
}

/// By the invariant of Poincaré the two are the same. Six harmonics of an edge leave out less than a thousandth of its area.
#[test]
fn the_action_is_the_area_of_the_island() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (x, v) in TRAPPED {
        let star = PhaseSpace::new(x, v);
        let (label, libration, error) = known(&galaxy, &star);
        let Class::Resonant { n_r, n_z } = label.class else {
            panic!("{:?}", label.class)
        };
        let (a, b) = coprime(n_r, -n_z).unwrap();
        let mut track = Track::start(&galaxy, &star, 96.0).unwrap();
        track.extend(&galaxy, 960.0, 1e-10).unwrap();
        let samples = track.samples().unwrap();
        let turns = [f64::from(a), f64::from(b)];
        let [_, rate, _] = Swing::new(&samples, turns)
            .unwrap()
            .frequencies(&samples, turns)
            .unwrap();
        let step = TAU / 60.0 / label.action_angle.frequencies.r;
        let crossings = section(&galaxy, &star, step, 60 * 800);
        for island in 0..a as usize {
            let points: Vec<[f64; 3]> = crossings.iter().skip(island).step_by(a as usize).copied().collect();
            let area = area(&points, rate);
            assert!(
                error < 0.1 && (libration.action - area).abs() < error + 1e-3 * area,
                "{libration:?} {area}"
            );
        }
    }
}

/// Wherever on its orbit a star is. J_r and J_z themselves, which are of the toy, know J_s to no better than their error.
#[test]
fn both_actions_stay_along_the_orbit() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (x, v) in TRAPPED {
        let star = PhaseSpace::new(x, v);
        let (label, libration, error) = known(&galaxy, &star);
        let later = dense::integrate(&galaxy, &star, &[Gyr(7.3)], 1e-11).unwrap().points[0];
        let (_, then, its) = known(&galaxy, &later);
        assert!((libration.action - then.action).abs() < error + its);
        assert!((libration.sharp - then.sharp).abs() < error + its);
        let Class::Resonant { n_r, n_z } = label.class else {
            panic!("{:?}", label.class)
        };
        let actions = label.action_angle.actions;
        let ratio = f64::from(-n_z) / f64::from(n_r);
        let of_toy = actions.z + ratio * actions.r;
        assert!((libration.sharp - of_toy).abs() < (1.0 + ratio) * label.action_error + error);
    }
}

/// A star on a torus of its own, and one whose orbit is chaotic.
#[test]
fn what_is_not_trapped_has_none() {
    let galaxy = Galaxy::piffl_14().unwrap();
    for (x, v) in [
        ([8.0, 0.0, 0.1], [20.0, 210.0, 15.0]),
        ([9.981643, -2.580795, -0.9170340], [-2.995520, -19.64074, 23.41972]),
    ] {
        let label = label(&galaxy, &PhaseSpace::new(x, v), &Settings::default()).unwrap();
        assert!(label.libration.is_none() && !matches!(label.class, Class::Resonant { .. }));
    }
    assert_eq!(coprime(6, 4), Some((3, 2)));
    assert_eq!(coprime(3, -4), None);
    assert_eq!(coprime(1, 0), None);
}
