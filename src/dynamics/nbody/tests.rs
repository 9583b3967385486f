//! Laws of the N-body code.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::potential::{Plummer, SphericalProfile};
use crate::statistics;
use crate::units::{GRAVITATIONAL_CONSTANT, KPC_PER_KM_S_GYR};
use crate::vector::{dot, norm};
use std::f64::consts::PI;

/// Acceleration and potential at row `i` by direct summation in f64.
fn direct(positions: &[[f64; 3]], masses: &[f64], softening: f64, i: usize) -> [f64; 4] {
    let mut sum = [0.0; 4];
    for (j, (x, m)) in positions.iter().zip(masses).enumerate() {
        if i != j {
            let d = [0, 1, 2].map(|k| x[k] - positions[i][k]);
            let inverse = 1.0 / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + softening * softening).sqrt();
            let gm = GRAVITATIONAL_CONSTANT * m;
            for k in 0..3 {
                sum[k] += gm * d[k] * inverse.powi(3);
            }
            sum[3] -= gm * inverse;
        }
    }
    sum
}

/// Rms relative errors of acceleration and potential over every `stride`-th particle.
fn errors(gravity: &Gravity, particles: &Particles, softening: f64, stride: usize) -> (f64, f64) {
    let rows: Vec<usize> = (0..particles.masses.len()).step_by(stride).collect();
    let (mut force, mut potential) = (0.0, 0.0);
    for &i in &rows {
        let exact = direct(&particles.positions, &particles.masses, softening, i);
        let a = gravity.acceleration[i];
        let off = norm([0, 1, 2].map(|k| a[k] - exact[k])) / norm([exact[0], exact[1], exact[2]]);
        force += off * off;
        potential += (gravity.potential[i] / exact[3] - 1.0).powi(2);
    }
    let n = rows.len() as f64;
    ((force / n).sqrt(), (potential / n).sqrt())
}

fn sphere(n: usize) -> Particles {
    Plummer::new(1e6, 1.0).unwrap().sample(n, 1.0, 1)
}

fn field(particles: &Particles, softening: f64, opening: f64, precision: Precision) -> Gravity {
    field_of_order(3, particles, softening, opening, precision)
}

fn field_of_order(order: u32, particles: &Particles, softening: f64, opening: f64, precision: Precision) -> Gravity {
    let settings = Settings {
        softening,
        opening,
        order,
        precision,
        ..Settings::default()
    };
    let mut gravity = Gravity::default();
    gravity
        .evaluate(&particles.positions, &particles.masses, &settings)
        .unwrap();
    gravity
}

/// The dynamical time √(a³/GM) of `sphere`, Gyr.
fn dynamical_time() -> f64 {
    (1.0 / (GRAVITATIONAL_CONSTANT * 1e6)).sqrt() / KPC_PER_KM_S_GYR
}

#[test]
fn a_fraction_of_the_sphere_ends_where_it_should() {
    let model = Plummer::new(1e6, 1.0).unwrap();
    let inner = model.sample(20_000, 0.999, 1);
    // M(<r)/M = (1 + 1/r²)^{-3/2}: the radius that holds 0.999 of the mass.
    let edge = (0.999_f64.powf(-2.0 / 3.0) - 1.0).sqrt().recip();
    let far = inner.positions.iter().map(|x| norm(*x)).fold(0.0, f64::max);
    // The centre is moved by 0.01 or so; twenty particles are expected in the outermost thousandth.
    assert!(far < edge + 0.1 && far > 0.5 * edge, "{far} of {edge}");
    assert!((inner.masses.iter().sum::<f64>() / 0.999e6 - 1.0).abs() < 1e-12);
    let half = inner.positions.iter().filter(|x| norm(**x) < 1.0).count() as f64;
    // M(<1)/M = 2^{-3/2}; four standard deviations of a count.
    let expected = 20_000.0 * 2.0_f64.powf(-1.5) / 0.999;
    assert!((half - expected).abs() < 4.0 * expected.sqrt(), "{half}, {expected}");
}

#[test]
fn forces_agree_with_direct_summation() {
    let particles = sphere(20_000);
    let mut before = f64::INFINITY;
    // Few particles make for large relative errors: central ones feel nearly no force. 10⁶ particles do better.
    for (theta, bound) in [(0.6, 4e-2), (0.48, 3e-2), (0.3, 1e-2), (0.15, 2e-3), (0.05, 1e-4)] {
        let (force, potential) = errors(&field(&particles, 0.05, theta, Precision::Single), &particles, 0.05, 20);
        println!("{theta} {force:e} {potential:e}");
        assert!(
            force < bound && potential < 0.1 * bound,
            "{theta}: {force:e}, {potential:e}"
        );
        assert!(force < before, "{theta}: {force:e} after {before:e}");
        before = force;
    }
}

#[test]
fn high_orders_agree_better_with_direct_summation() {
    let particles = sphere(20_000);
    let mut before = f64::INFINITY;
    // 10⁶ particles do better, by a factor of two or three. Single precision ends below 1e-5.
    for (order, theta, bound) in [(4, 0.6, 2e-3), (5, 0.6, 6e-4), (6, 0.6, 2e-4), (8, 0.5, 2e-5)] {
        let gravity = field_of_order(order, &particles, 0.05, theta, Precision::Single);
        let (force, potential) = errors(&gravity, &particles, 0.05, 20);
        println!("{order} {theta} {force:e} {potential:e}");
        assert!(
            force < bound && potential < 0.1 * bound,
            "{order}: {force:e}, {potential:e}"
        );
        assert!(force < before, "{order}: {force:e} after {before:e}");
        before = force;
    }
}

#[test]
fn expansions_are_of_their_order() {
    // Two clusters of a leaf each: what the expansion leaves out falls as size over distance to that power.
    let blob = sphere(16);
    let error = |order: u32, distance: f64| {
        let mut both = Particles::default();
        for side in [0.0, distance] {
            // Enough particles to fill more than one leaf, so that there are two cells.
            for copy in 0..if order == 3 { 1 } else { 4 } {
                for x in &blob.positions {
                    let inside = x.map(|x| (1.0 - 0.1 * f64::from(copy)) * x / (1.0 + norm([x, 0.0, 0.0])));
                    both.positions
                        .push([inside[0] + side, inside[1] + 0.5 * side, inside[2] - 0.3 * side]);
                    both.masses.push(1e6);
                }
            }
        }
        let found = field_of_order(order, &both, 0.05, 0.9, Precision::Double);
        let exact = field(&both, 0.05, 1e-3, Precision::Double);
        let off: f64 = (found.acceleration.iter().zip(&exact.acceleration))
            .map(|(a, b)| norm([0, 1, 2].map(|i| a[i] - b[i])).powi(2))
            .sum();
        // Relative to what the clusters exert on each other.
        off.sqrt() * distance * distance
    };
    for order in ORDERS {
        // Not so far that rounding shows.
        let near = 80.0 / f64::from(order - 1);
        let (near, far) = (error(order, near), error(order, 2.0 * near));
        let power = (near / far).log2();
        println!("{order} {near:e} {power}");
        assert!(
            near > 0.0 && (power - f64::from(order)).abs() < 0.4,
            "{order}: {near:e} {far:e}, power {power}"
        );
    }
}

#[test]
fn momentum_is_conserved_to_rounding() {
    let particles = sphere(20_000);
    // N terms rounded at random add up to √N of them; a hundred epsilons allow for sums inside cells.
    for (order, precision, bound) in [
        (3, Precision::Single, 1e-7),
        (3, Precision::Double, 1e-15),
        (5, Precision::Single, 1e-7),
        (5, Precision::Double, 1e-15),
    ] {
        let gravity = field_of_order(order, &particles, 0.05, 0.7, precision);
        let (mut sum, mut size) = ([0.0; 3], 0.0);
        for a in &gravity.acceleration {
            sum = [0, 1, 2].map(|i| sum[i] + a[i]);
            size += norm(*a);
        }
        assert!(norm(sum) < bound * size, "{precision:?}: {:e}", norm(sum) / size);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let particles = sphere(20_000);
    let settings = Settings {
        softening: 0.05,
        opening: 0.6,
        ..Settings::default()
    };
    for order in [3, 5] {
        let settings = Settings { order, ..settings };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let gravity = pool.install(|| field_of_order(order, &particles, 0.05, 0.6, Precision::Single));
            (gravity.acceleration, gravity.potential)
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5));
        // Nor does what the buffers were used for before.
        let mut gravity = field(&particles, 0.05, 0.3, Precision::Double);
        gravity
            .evaluate(&particles.positions, &particles.masses, &settings)
            .unwrap();
        assert!(one == (gravity.acceleration, gravity.potential));
    }
}

#[test]
fn the_sample_is_a_plummer_sphere_in_equilibrium() {
    let n = 40_000;
    let particles = sphere(n);
    let potential = Plummer::new(1e6, 1.0).unwrap();
    let mean = |rows: &[[f64; 3]]| norm([0, 1, 2].map(|i| rows.iter().map(|x| x[i]).sum::<f64>() / n as f64));
    assert!(mean(&particles.velocities) < 1e-13);
    // The gradient of the logarithm of the density ∏ (1 + r²)^{−5/2} of the sample, centred as it is.
    let slope: Vec<[f64; 3]> = (particles.positions.iter())
        .map(|x| x.map(|c| 5.0 * c / (1.0 + dot(*x, *x))))
        .collect();
    assert!(mean(&slope) < 1e-13, "{:e}", mean(&slope));
    // v² − x·∇Φ is zero on average; its scatter gives the error of the mean, four of which are allowed.
    let rows: Vec<f64> = (particles.positions.iter().zip(&particles.velocities))
        .map(|(x, v)| dot(*v, *v) - dot(*x, *x) * potential.dphi_over_r(norm(*x)))
        .collect();
    let average = rows.iter().sum::<f64>() / n as f64;
    let scatter = statistics::scatter(&rows).unwrap();
    assert!(
        average.abs() < 4.0 * scatter / (n as f64).sqrt(),
        "{average:e}, scatter {scatter:e}"
    );
    // The same with the sample's own field, unsoftened.
    let settings = Settings {
        softening: 0.0,
        ..Settings::default()
    };
    let simulation = Simulation::new(particles.clone(), &settings).unwrap();
    let diagnostics = simulation.diagnostics();
    let noise = scatter * 1e6 / (n as f64).sqrt() / (2.0 * diagnostics.kinetic);
    assert!(
        (diagnostics.virial_ratio() - 1.0).abs() < 5.0 * noise,
        "{diagnostics:?}, {noise:e}"
    );
    // Energy −3πGM²/64a; the same number of standard errors, which energy shares with the virial to a factor near 1.
    let energy = -3.0 * PI / 64.0 * GRAVITATIONAL_CONSTANT * 1e12;
    assert!((diagnostics.energy() / energy - 1.0).abs() < 0.02, "{diagnostics:?}");
    // M(r)/M = r³/(1 + r²)^{3/2}, against the Kolmogorov–Smirnov statistic's 1 in 10⁴.
    let mut radii: Vec<f64> = particles.positions.iter().map(|x| norm(*x)).collect();
    radii.sort_by(f64::total_cmp);
    let worst = (radii.iter().enumerate())
        .map(|(i, r)| ((i as f64 + 0.5) / n as f64 - (r / r.hypot(1.0)).powi(3)).abs())
        .fold(0.0, f64::max);
    assert!(worst < 2.23 / (n as f64).sqrt(), "{worst}");
    // Half the mass lies within a/√(2^{2/3} − 1), with an error of 0.5/√N over dM/dr.
    let [half] = simulation.lagrangian_radii(&[0.5])[..] else {
        panic!("one radius")
    };
    assert!((half - 1.304_766).abs() < 0.03, "{half}");
}

#[test]
fn a_small_sphere_keeps_its_integrals() {
    let settings = Settings {
        softening: 0.1,
        opening: 0.3,
        step: dynamical_time() / 50.0,
        ..Settings::default()
    };
    let mut simulation = Simulation::new(sphere(1000), &settings).unwrap();
    let before = simulation.diagnostics();
    let mut steps = 0;
    let reached = simulation.advance_to(5.0 * dynamical_time(), |simulation| {
        steps += 1;
        simulation.steps() == steps
    });
    assert_eq!(reached, Ok(true));
    assert_eq!(steps, 250);
    let after = simulation.diagnostics();
    let drift = (after.energy() / before.energy() - 1.0).abs();
    assert!(drift < 1e-4, "{drift:e}");
    // Single precision rounds each kick by 1e-7 of a velocity dispersion of 20 km/s or less.
    assert!(norm(after.momentum) < 1e-6 * 1e6 * 20.0, "{after:?}");
    let torque = norm([0, 1, 2].map(|i| after.angular_momentum[i] - before.angular_momentum[i]));
    // Expansions do not conserve angular momentum; compared with 1e6 M_sun × 20 km/s × 1 kpc.
    assert!(torque < 1e-3 * 1e6 * 20.0, "{torque:e}");
}

/// Two bodies of 5e5 M_sun with semi-major axis 1 kpc and eccentricity 0.3, at apocentre.
fn binary() -> (Particles, f64) {
    let (gm, e) = (GRAVITATIONAL_CONSTANT * 1e6, 0.3);
    let (x, v) = (0.5 * (1.0 + e), 0.5 * (gm * (1.0 - e) / (1.0 + e)).sqrt());
    let particles = Particles {
        masses: vec![5e5; 2],
        positions: vec![[x, 0.0, 0.0], [-x, 0.0, 0.0]],
        velocities: vec![[0.0, v, 0.0], [0.0, -v, 0.0]],
    };
    (particles, 2.0 * PI / gm.sqrt() / KPC_PER_KM_S_GYR)
}

#[test]
fn two_bodies_move_on_keplers_ellipse() {
    let (start, period) = binary();
    let miss = |steps: f64| {
        let settings = Settings {
            softening: 0.0,
            step: period / steps,
            precision: Precision::Double,
            ..Settings::default()
        };
        let mut simulation = Simulation::new(start.clone(), &settings).unwrap();
        simulation.advance_to(period, |_| true).unwrap();
        let x = simulation.particles().positions[0];
        norm([0, 1, 2].map(|i| x[i] - start.positions[0][i]))
    };
    let (coarse, fine) = (miss(1000.0), miss(2000.0));
    assert!(
        fine < 1e-4 && (3.8..4.2).contains(&(coarse / fine)),
        "{coarse:e} {fine:e}"
    );
}

#[test]
fn time_runs_backwards_too() {
    let settings = Settings {
        softening: 0.1,
        step: dynamical_time() / 50.0,
        precision: Precision::Double,
        moving_cells: false,
        ..Settings::default()
    };
    let start = sphere(500);
    let mut simulation = Simulation::new(start.clone(), &settings).unwrap();
    simulation.advance_to(dynamical_time(), |_| true).unwrap();
    simulation.reverse();
    simulation.advance_to(2.0 * dynamical_time(), |_| true).unwrap();
    let worst = (simulation.particles().positions.iter().zip(&start.positions))
        .map(|(a, b)| norm([0, 1, 2].map(|i| a[i] - b[i])))
        .fold(0.0, f64::max);
    // Rounding, grown over two dynamical times.
    assert!(worst < 1e-10, "{worst:e}");
}

#[test]
fn a_run_goes_on_as_if_never_interrupted() {
    let settings = Settings {
        softening: 0.1,
        step: dynamical_time() / 20.0,
        ..Settings::default()
    };
    let mut whole = Simulation::new(sphere(3000), &settings).unwrap();
    let mut part = Simulation::new(sphere(3000), &settings).unwrap();
    assert_eq!(whole.advance_to(dynamical_time(), |_| true), Ok(true));
    assert_eq!(part.advance_to(dynamical_time(), |part| part.steps() < 7), Ok(false));
    assert_eq!(part.steps(), 7);
    let mut rest = Simulation::resume(part.state(), &settings).unwrap();
    assert_eq!(rest.advance_to(dynamical_time(), |_| true), Ok(true));
    assert_eq!(rest.state(), whole.state());
    assert_eq!(whole.steps(), 20);
}

#[test]
fn nothing_one_and_coincident_particles() {
    let none = Simulation::new(Particles::default(), &Settings::default()).unwrap();
    assert_eq!(none.diagnostics().energy(), 0.0);
    assert_eq!(none.lagrangian_radii(&[0.5]), [0.0]);
    let mut one = Simulation::new(
        Particles {
            masses: vec![1e6],
            positions: vec![[1.0, 2.0, 3.0]],
            velocities: vec![[10.0, 0.0, 0.0]],
        },
        &Settings::default(),
    )
    .unwrap();
    assert_eq!(
        (one.gravity().acceleration[0], one.gravity().potential[0]),
        ([0.0; 3], 0.0)
    );
    one.advance_to(0.1, |_| true).unwrap();
    let along = one.particles().positions[0][0];
    assert!((along - 1.0 - 10.0 * one.time() * KPC_PER_KM_S_GYR).abs() < 1e-12);
    // A hundred particles in one place and a hundred in another: the tree ends, and each feels only the others.
    for (softening, own) in [(0.1, 99.0 / 0.1), (0.0, 0.0)] {
        let mut positions = vec![[0.5; 3]; 100];
        positions.extend(vec![[1.5, 0.5, 0.5]; 100]);
        let particles = Particles {
            masses: vec![1.0; 200],
            velocities: vec![[0.0; 3]; 200],
            positions,
        };
        let gravities = [3, 5].map(|order| field_of_order(order, &particles, softening, 0.6, Precision::Double));
        let square = 1.0 + softening * softening;
        let all = (gravities.iter()).flat_map(|gravity| gravity.acceleration.iter().zip(&gravity.potential));
        for (a, phi) in all {
            let pull = GRAVITATIONAL_CONSTANT * 100.0 * square.powf(-1.5);
            assert!((a[0].abs() / pull - 1.0).abs() < 1e-12 && a[1] == 0.0, "{a:?}");
            assert!(
                (phi / (GRAVITATIONAL_CONSTANT * (own + 100.0 / square.sqrt())) + 1.0).abs() < 1e-12,
                "{phi}"
            );
        }
    }
    let massless = Particles {
        masses: vec![0.0; 40],
        ..sphere(40)
    };
    assert!(
        field(&massless, 0.1, 0.6, Precision::Single)
            .potential
            .iter()
            .all(|&phi| phi == 0.0)
    );
}

#[test]
fn particles_far_apart_keep_their_accuracy() {
    // A sphere, another 1e6 scale lengths away, and a lone particle 1e12 away: keys of 21 levels part none of the spheres.
    let one = sphere(2000);
    let mut all = one.clone();
    all.positions
        .extend(one.positions.iter().map(|x| [x[0] + 1e6, x[1] - 3e5, x[2]]));
    all.positions.push([0.0, 1e12, 0.0]);
    all.masses = vec![500.0; all.positions.len()];
    for (order, opening, precision) in [
        (3, 0.1, Precision::Single),
        (3, 0.1, Precision::Double),
        (8, 0.5, Precision::Single),
        (8, 0.5, Precision::Double),
    ] {
        let gravity = field_of_order(order, &all, 0.05, opening, precision);
        let (force, potential) = errors(&gravity, &all, 0.05, 20);
        assert!(force < 1e-3 && potential < 1e-4, "{force:e} {potential:e}");
        let lone = all.positions.len() - 1;
        let exact = direct(&all.positions, &all.masses, 0.05, lone);
        assert!((gravity.acceleration[lone][1] / exact[1] - 1.0).abs() < 1e-5);
    }
}

#[test]
fn what_cannot_be_simulated_says_so() {
    let particles = || sphere(10);
    let settings = Settings::default();
    let failure = |particles: Particles, settings: &Settings| Simulation::new(particles, settings).unwrap_err();
    let mut wrong = particles();
    wrong.positions[3][1] = f64::NAN;
    assert_eq!(failure(wrong, &settings), NbodyError::Position { row: 3 });
    let mut wrong = particles();
    wrong.velocities[4][2] = f64::INFINITY;
    assert_eq!(failure(wrong, &settings), NbodyError::Velocity { row: 4 });
    let mut wrong = particles();
    wrong.masses[5] = -1.0;
    assert_eq!(failure(wrong, &settings), NbodyError::Mass { row: 5, mass: -1.0 });
    let mut wrong = particles();
    wrong.velocities.pop();
    assert_eq!(
        failure(wrong, &settings),
        NbodyError::Lengths {
            positions: 10,
            others: 9
        }
    );
    for wrong in [
        Settings {
            softening: -1.0,
            ..settings
        },
        Settings {
            opening: 1.0,
            ..settings
        },
        Settings {
            softening: f64::NAN,
            ..settings
        },
        Settings { step: 0.0, ..settings },
        Settings { order: 2, ..settings },
        Settings { order: 9, ..settings },
        Settings {
            step: f64::NAN,
            ..settings
        },
    ] {
        assert!(matches!(failure(particles(), &wrong), NbodyError::Setting { .. }));
    }
    let mut simulation = Simulation::new(particles(), &settings).unwrap();
    assert!(matches!(
        simulation.advance_to(-1.0, |_| true),
        Err(NbodyError::Time { .. })
    ));
    assert!(matches!(
        simulation.advance_to(f64::NAN, |_| true),
        Err(NbodyError::Time { .. })
    ));
}
