#![allow(clippy::unwrap_used)]
use super::*;
use crate::streams::Streams;
use crate::test_support::{halo_streams, paper_isochrone};
use crate::training::Unwatched;
use crate::weights::Checkpoint;
use dynamics::potential::{Expansion, Isochrone};
use tch::Kind;

fn fit(streams: &Streams, axisymmetric: bool, errors: Errors) -> Result<Fitted, Error> {
    let asked = Asked {
        axisymmetric,
        near: None,
    };
    fit_linear(&known(&streams.points()?, errors), asked)
}

fn truth() -> Isochrone {
    Isochrone::new(3.334e11, 5.0).unwrap()
}

/// Mean of |a − a_true| / |a_true| over the stars of some streams.
fn acceleration_error(field: &impl Potential, streams: &Streams) -> f64 {
    let norm = |y: [f64; 3]| y.iter().map(|c| c * c).sum::<f64>().sqrt();
    let stars: Vec<PhaseSpace> = streams.points().unwrap().into_iter().flatten().collect();
    let error = |star: &PhaseSpace| {
        let (a, exact) = (field.acceleration(star.x), truth().acceleration(star.x));
        norm([0, 1, 2].map(|i| a[i] - exact[i])) / norm(exact)
    };
    stars.iter().map(error).sum::<f64>() / stars.len() as f64
}

/// ∇Φ by differences of Φ agrees with the acceleration, and the Hessian with differences of that.
fn assert_derivatives(field: &impl Potential) {
    for x in [[5.0, -3.0, 2.0], [0.4, 0.3, -0.2], [11.0, 4.0, 0.03]] {
        let (value, acceleration) = field.potential_and_acceleration(x);
        assert_eq!((value, acceleration), (field.potential(x), field.acceleration(x)));
        let size = acceleration.iter().fold(0.0_f64, |m, a| m.max(a.abs()));
        for (axis, acceleration) in acceleration.iter().enumerate() {
            let at = |steps: f64| {
                let mut moved = x;
                moved[axis] += steps * 1e-3;
                field.potential(moved)
            };
            let slope = (45.0 * (at(1.0) - at(-1.0)) - 9.0 * (at(2.0) - at(-2.0)) + at(3.0) - at(-3.0)) / 0.06;
            // Rounding of Φ ~ 1e5, with terms up to 1e3 times larger, over 1e-3 kpc.
            assert!((slope + acceleration).abs() < 1e-5 * size, "{slope} {acceleration}");
        }
    }
}

#[test]
fn a_linear_field_finds_the_acceleration_from_exact_streams() {
    let (train, test) = (halo_streams(200, 6, 1), halo_streams(100, 6, 2));
    for axisymmetric in [true, false] {
        let fitted = fit(&train, axisymmetric, Errors::default()).unwrap();
        let (field, expansion) = (&fitted.field, &fitted.field.expansion);
        let error = acceleration_error(expansion, &test);
        // The basis holds no isochrone. A tenth of what the network of Ibata et al. (2021) reaches on 1024 streams; as much
        // again for the 64 terms more.
        let limit = if axisymmetric { 2.6e-3 } else { 5.2e-3 };
        assert!(error < limit, "axisymmetric {axisymmetric}: {error:e}");
        assert_derivatives(expansion);
        assert_eq!(expansion.symmetry() == Symmetry::Axisymmetric, axisymmetric);
        let spread = energy_spread(expansion, &test.points().unwrap());
        // (km/s)², of energies of 1e4.
        assert!(
            spread < 10.0 && field.held_out_spread < 10.0,
            "{spread} {}",
            field.held_out_spread
        );
    }
}

#[test]
fn weights_by_error_help_where_the_stars_are_noisy() {
    let errors = Errors {
        position: 0.0,
        velocity: 2.0,
    };
    let (train, test) = (halo_streams(200, 6, 1), halo_streams(100, 6, 2));
    let (mut weighted, mut equal) = (0.0, 0.0);
    for seed in 1..=3 {
        let noisy = linear::with_errors(&train, errors, seed).unwrap();
        weighted += acceleration_error(&fit(&noisy, true, errors).unwrap().field.expansion, &test);
        equal += acceleration_error(&fit(&noisy, true, Errors::default()).unwrap().field.expansion, &test);
    }
    assert!(weighted < equal, "{weighted:e} {equal:e}");
}

#[test]
fn one_star_streams_are_refused() {
    assert!(fit(&halo_streams(5, 1, 1), true, Errors::default()).is_err());
}

fn quick() -> mlp::Options {
    mlp::Options {
        width: 24,
        epochs: 120,
        batch: 16,
        ..mlp::Options::for_streams(100)
    }
}

#[test]
fn a_network_field_learns() {
    let (train, held_out) = (halo_streams(100, 6, 1), halo_streams(30, 6, 2));
    let (none, watcher) = (&mut Checkpoint::none(), &mut Unwatched);
    let whole = train_mlp(&train, Some(&held_out), &quick(), none, watcher).unwrap();
    let error = acceleration_error(&whole.field, &held_out);
    // A small network and few epochs.
    assert!(error < 0.1, "{error}");
    assert_derivatives(&whole.field);
}

#[test]
fn a_field_survives_its_file() {
    let train = halo_streams(40, 6, 1);
    let network = train_mlp(
        &train,
        None,
        &mlp::Options { epochs: 2, ..quick() },
        &mut Checkpoint::none(),
        &mut Unwatched,
    );
    let fields = [
        Field::Linear(fit(&train, false, Errors::default()).unwrap().field),
        Field::Mlp(network.unwrap().field),
    ];
    let folder = tempfile::tempdir().unwrap();
    for field in fields {
        let file = folder.path().join("field.safetensors");
        field.to_weights().unwrap().save(&file).unwrap();
        let read = Field::from_weights(&Weights::load(&file).unwrap()).unwrap();
        let x = [7.0, 3.0, -2.0];
        assert_eq!(read.potential_and_acceleration(x), field.potential_and_acceleration(x));
        if let (Field::Linear(read), Field::Linear(field)) = (&read, &field) {
            assert_eq!(read, field);
            assert!(
                field.others.len() == 4 && field.understated >= 1.0,
                "{}",
                field.understated
            );
        }
    }
    assert!(Field::from_weights(&Weights::default()).is_err());
}

#[test]
fn synthetic_streams_lie_on_orbits() {
    let train = halo_streams(20, 6, 1);
    let options = synthetic::Options {
        copies: 30,
        ..synthetic::Options::default()
    };
    let make = || synthetic_streams(&truth(), &train, &paper_isochrone(), &options).unwrap();
    let made = make();
    assert_eq!(made.streams.len() + made.rejected, 50);
    assert!(made.rejected < 10, "{}", made.rejected);
    assert_eq!(made.streams.x.size()[1], 24);
    // In the exact isochrone the actions are the same all along: the integration's own error.
    let found = paper_isochrone()
        .from_cartesian(&made.streams.x, &made.streams.v)
        .unwrap();
    let spread = (&found.actions - found.actions.mean_dim(1, true, Kind::Double))
        .abs()
        .max();
    assert!(spread.double_value(&[]) < 1e-2, "{spread:?}");
    assert!(made.streams.x.equal(&make().streams.x));
    // The first star of a training stream has the actions of its synthetic stream.
    let original = paper_isochrone()
        .from_cartesian(&train.x.narrow(0, 0, 1), &train.v.narrow(0, 0, 1))
        .unwrap();
    let difference = (original.actions.select(1, 0) - found.actions.narrow(0, 0, 1).select(1, 0))
        .abs()
        .max();
    assert!(difference.double_value(&[]) < 1e-2, "{difference:?}");
}

/// Stars as the Sun sees them, with errors of 3 % in distance, 1 km/s and 0.02 mas/yr.
fn observed(streams: &Streams, seed: u64) -> Vec<Vec<Known>> {
    use dynamics::measured::{Depth, Measured, Priors};
    use dynamics::sky::Sun;
    let mut random = crate::random::generator(seed, "errors", 0);
    let sun = Sun::default();
    let mut seen = |point: &PhaseSpace| {
        let mut star = Measured::exact(&sun.observe(point).unwrap());
        if let Depth::Distance(distance) = star.depth {
            star.covariance.deviations = [0.0, 0.0, 0.03 * distance, 0.02, 0.02];
        }
        star.v_los_error = 1.0;
        let drawn = star.draws(&sun, &Priors::default()).unwrap().draw(&mut random).unwrap();
        star.depth = Depth::Distance(drawn.distance);
        (star.mu_l_cosb, star.mu_b, star.v_los) = (drawn.mu_l_cosb, drawn.mu_b, Some(drawn.v_los));
        Known::Seen(star, sun, Errors::default())
    };
    let points = streams.points().unwrap();
    points
        .iter()
        .map(|stream| stream.iter().map(&mut seen).collect())
        .collect()
}

/// Mean of a·a_true/a_true² − 1 over the stars: how much too strong a field is.
fn too_strong(field: &impl Potential, streams: &Streams) -> f64 {
    let stars: Vec<PhaseSpace> = streams.points().unwrap().into_iter().flatten().collect();
    let part = |star: &PhaseSpace| {
        let (a, exact) = (field.acceleration(star.x), truth().acceleration(star.x));
        let dot = |a: [f64; 3], b: [f64; 3]| (0..3).map(|i| a[i] * b[i]).sum::<f64>();
        dot(a, exact) / dot(exact, exact) - 1.0
    };
    stars.iter().map(part).sum::<f64>() / stars.len() as f64
}

/// Errors make the force too weak if nothing is said of them, and do not if they are said.
#[test]
fn errors_in_variables_leave_the_force_as_it_is() {
    let (train, test) = (halo_streams(96, 8, 1), halo_streams(60, 6, 2));
    let stars = observed(&train, 1);
    let asked = Asked {
        axisymmetric: true,
        near: None,
    };
    let found = fit_linear(&stars, asked).unwrap().field.expansion;
    let where_seen: Vec<Vec<PhaseSpace>> = stars
        .iter()
        .map(|stream| stream.iter().map(|star| star.at(&[0.0; 6]).unwrap()).collect())
        .collect();
    let without = fit_linear(&known(&where_seen, Errors::default()), asked).unwrap();
    let (bias, plain) = (too_strong(&found, &test), too_strong(&without.field.expansion, &test));
    println!("bias {bias:e}, without errors {plain:e}");
    assert!(plain < -1e-2 && bias.abs() < 0.3 * plain.abs(), "{bias:e} {plain:e}");
}

/// A field that is given and a tenth too weak is mended by streams that say so.
#[test]
fn a_field_that_is_near_is_mended() {
    let good = halo_streams(40, 6, 1);
    let right = fit(&halo_streams(200, 6, 3), true, Errors::default()).unwrap();
    let right = right.field.expansion;
    let wrong = Expansion::new(
        right.terms().to_vec(),
        right.coefficients().iter().map(|c| 0.9 * c).collect(),
    );
    let wrong = wrong.unwrap();
    let asked = Asked {
        axisymmetric: true,
        near: Some(&wrong),
    };
    let stars = known(&good.points().unwrap(), Errors::default());
    let mended = fit_linear(&stars, asked).unwrap().field.expansion;
    assert!(acceleration_error(&wrong, &good) > 0.09 && acceleration_error(&mended, &good) < 5e-3);
}

/// A parallax of 0.05 mas that is known to 5 mas may be nowhere; one of its neighbours' errors is somewhere.
#[test]
fn a_star_whose_errors_leave_it_no_distance_has_no_place() {
    use dynamics::measured::{Depth, Measured};
    let sun = dynamics::sky::Sun::default();
    let seen = sun
        .observe(&PhaseSpace::new([3.0, 15.0, 9.0], [80.0, -120.0, 60.0]))
        .unwrap();
    let at = |error: f64| {
        let mut star = Measured::exact(&seen);
        star.depth = Depth::Parallax(0.05);
        star.covariance.deviations[2] = error;
        Known::Seen(star, sun, Errors::default())
    };
    assert!(at(0.0).has_place() && at(0.01).has_place());
    assert!(!at(5.0).has_place());
    let mut nowhere = Measured::exact(&seen);
    nowhere.depth = Depth::Parallax(-0.01);
    assert!(!Known::Seen(nowhere, sun, Errors::default()).has_place());
}

/// Where no symmetry is imposed, L_z still tells where stars are, and multipoles that nothing speaks for stay small.
#[test]
fn noisy_stars_need_no_symmetry_to_be_imposed() {
    let (train, test) = (halo_streams(96, 8, 1), halo_streams(60, 6, 2));
    let found = fit_linear(&observed(&train, 1), Asked::default()).unwrap();
    let error = acceleration_error(&found.field.expansion, &test);
    println!("force {error:e}");
    // 0.71 % measured, and some for another processor.
    assert!(error < 1e-2, "{error:e}");
}

/// A field that is right and given stays as it is, however few stars and however large their errors; a wrong one does no harm.
#[test]
fn noisy_stars_are_shrunk_to_a_field_that_is_near() {
    let (train, test) = (halo_streams(8, 6, 1), halo_streams(60, 6, 2));
    let stars = observed(&train, 1);
    let exact = fit(&halo_streams(200, 6, 3), true, Errors::default()).unwrap();
    let right = exact.field.expansion;
    let error = |near: Option<&Expansion>| {
        let asked = Asked {
            axisymmetric: false,
            near,
        };
        let found = fit_linear(&stars, asked).unwrap();
        acceleration_error(&found.field.expansion, &test)
    };
    let weak = right.coefficients().iter().map(|c| 0.9 * c).collect();
    let weak = Expansion::new(right.terms().to_vec(), weak).unwrap();
    let (alone, near, off) = (error(None), error(Some(&right)), error(Some(&weak)));
    println!("alone {alone:e}, near the right field {near:e}, near a weak one {off:e}");
    assert!(
        near < 1e-2 && near < 0.3 * alone && off < alone,
        "{alone:e} {near:e} {off:e}"
    );
}
