//! The action finder: exact where the truth is known, better than the fudge in a galaxy, the same for any number of threads, and lawful.
#![allow(clippy::unwrap_used)]

use dynamics::finder::{BuildError, Finder, Found, NotFound, RestoreError, Settings};
use dynamics::methods::laws::{Broken, Entry, Law, agreement, try_method};
use dynamics::methods::stars::trials;
use dynamics::methods::{Answer, COARSE, Method, finder};
use dynamics::o2gf::{self, Class, Libration};
use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Composite, Isochrone, Logarithmic, Potential, Symmetry};
use dynamics::sample;
use dynamics::staeckel::StaeckelFudge;
use dynamics::statistics::median;
use dynamics::units::{Gyr, wrap_difference};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A sphere that says less of itself than it is.
#[derive(Clone, Copy)]
struct Disguised(Isochrone);

impl Potential for Disguised {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.0.potential(x)
    }
    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.0.acceleration(x)
    }
    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        self.0.hessian(x)
    }
    fn density(&self, x: [f64; 3]) -> f64 {
        self.0.density(x)
    }
    fn symmetry(&self) -> Symmetry {
        Symmetry::Axisymmetric
    }
}

fn isochrone() -> Isochrone {
    Isochrone::new(3.334e11, 5.0).unwrap()
}

const SMALL: Settings = Settings {
    radii: (5.0, 12.0),
    energies: 5,
    least_circularity: 0.4,
    momenta: 6,
    tilts: 8,
};

const TINY: Settings = Settings {
    energies: 4,
    momenta: 4,
    tilts: 6,
    ..SMALL
};

/// Halo stars whose energy and L_z are in a table.
fn stars_in<P: Potential>(finder: &Finder<P>, count: usize, seed: u64) -> Vec<(PhaseSpace, Found)> {
    let mut random = sample::generator(seed, 0);
    let drawn = std::iter::repeat_with(|| sample::halo_start(&mut random));
    drawn
        .filter_map(|star| Some((star, finder.find(&star).ok()?)))
        .take(count)
        .collect()
}

#[test]
fn in_a_sphere_that_it_does_not_know_it_finds_what_is_exact() {
    let finder = Finder::build(Disguised(isochrone()), &SMALL, &|_| {}).unwrap();
    let stars = stars_in(&finder, 200, 5);
    let (mut within, mut parts) = (0, Vec::new());
    for (star, found) in &stars {
        let exact = isochrone().actions(star).unwrap();
        let quick = finder.actions(star).unwrap();
        let total = exact.actions.r + exact.actions.z + exact.actions.phi.abs();
        let now = found.action_angle;
        let miss = |r: f64, z: f64| (r - exact.actions.r).abs().max((z - exact.actions.z).abs());
        let here = miss(now.actions.r, now.actions.z);
        assert!(here < 1e-2 * total, "{star:?}: {exact:?}, {found:?}");
        parts.push(here / total);
        assert!(miss(quick.r, quick.z) < 0.02 * total, "{star:?}: {exact:?}, {quick:?}");
        assert_eq!(now.actions.phi, exact.actions.phi);
        assert!(
            (now.frequencies.r / exact.frequencies.r - 1.0).abs() < 3e-3,
            "{star:?}: {exact:?}, {found:?}"
        );
        assert!(
            (now.frequencies.phi / exact.frequencies.phi - 1.0).abs() < 3e-3,
            "{star:?}: {exact:?}, {found:?}"
        );
        let angle = wrap_difference(now.angles.r - exact.angles.r).abs();
        assert!(angle < 0.05, "{star:?}: {exact:?}, {found:?}");
        within += usize::from(here < found.action_error);
    }
    assert!(median(parts).unwrap() < 5e-4);
    // 68 % in the mean; five standard errors of 200 stars are 16 %.
    assert!(
        (100..=180).contains(&within),
        "{within} of {} within their errors",
        stars.len()
    );
}

#[test]
fn in_a_galaxy_it_is_better_than_the_fudge_and_its_errors_hold() {
    let galaxy = Composite::milky_way_like().unwrap();
    let finder = Finder::build(&galaxy, &SMALL, &|_| {}).unwrap();
    let fudge = StaeckelFudge::new(&galaxy).unwrap();
    let (mut misses, mut fudged, mut within) = (Vec::new(), Vec::new(), 0);
    for (star, found) in stars_in(&finder, 40, 6) {
        let label = o2gf::label(&galaxy, &star, &o2gf::Settings::default()).unwrap();
        if label.class != Class::Regular {
            continue;
        }
        let truth = label.action_angle.actions;
        let miss = |r: f64, z: f64| (r - truth.r).abs().max((z - truth.z).abs());
        let now = found.action_angle.actions;
        misses.push(miss(now.r, now.z));
        let other = fudge.actions(&star).unwrap().actions;
        fudged.push(miss(other.r, other.z));
        within += usize::from(miss(now.r, now.z) < found.action_error);
    }
    let count = misses.len();
    let (ours, theirs) = (median(misses).unwrap(), median(fudged).unwrap());
    assert!(ours < 0.7 * theirs, "{ours} and {theirs} of {count} stars");
    assert!(3 * within > count, "{within} of {count} within their errors");
}

/// What a trapped star's action of libration is at one place of its orbit, it is at all others, as well as so coarse a table tells; and the more it
/// swings the greater it is.
#[test]
fn a_trapped_star_keeps_the_action_of_its_libration() {
    let galaxy = Composite::milky_way_like().unwrap();
    let settings = Settings {
        radii: (6.0, 11.0),
        energies: 5,
        least_circularity: 0.5,
        momenta: 8,
        tilts: 12,
    };
    let finder = Finder::build(&galaxy, &settings, &|_| {}).unwrap();
    let mut before = 0.0;
    for v in [[20.0, 180.0, 85.0], [60.0, 190.0, 85.0], [80.0, 180.0, 85.0]] {
        let star = PhaseSpace::new([8.0, 0.0, 0.0], v);
        let times: Vec<Gyr> = (0..100).map(|i| Gyr(0.0731 * f64::from(i))).collect();
        let orbit = dense::integrate(&galaxy, &star, &times, 1e-10).unwrap().points;
        let along: Vec<Libration> = orbit
            .iter()
            .filter_map(|point| finder.find(point).unwrap().libration)
            .collect();
        assert_eq!(along.len(), orbit.len(), "{v:?} is not always trapped");
        let usual = median(along.iter().map(|libration| libration.action).collect()).unwrap();
        let close = along.iter().filter(|now| (now.action / usual - 1.0).abs() < 0.25);
        let close = close.count();
        assert!(close > 68, "{v:?}: {close} of 100 are near {usual}");
        let sharp = along[0].sharp;
        assert!(along.iter().all(|now| (now.sharp / sharp - 1.0).abs() < 1e-3), "{v:?}");
        assert!(usual > before, "{v:?}: {usual} after {before}");
        before = usual;
        // The orbit's own spectrum, which knows of no pendulum.
        let label = o2gf::label(&galaxy, &star, &o2gf::Settings::default()).unwrap();
        let own = label.libration.unwrap();
        assert!(own.error.unwrap() < 0.05, "{v:?}: {own:?}");
        assert!((usual / own.action - 1.0).abs() < 0.25, "{v:?}: {usual} beside {own:?}");
        assert!((sharp / own.sharp - 1.0).abs() < 1e-2, "{v:?}: {sharp} beside {own:?}");
    }
}

#[test]
fn a_table_is_the_same_for_any_number_of_threads() {
    let build = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Finder::build(Disguised(isochrone()), &TINY, &|_| {}).unwrap())
    };
    let (one, three) = (build(1), build(3));
    for ((star, a), (_, b)) in stars_in(&one, 200, 7).iter().zip(stars_in(&three, 200, 7)) {
        assert_eq!(*a, b, "{star:?}");
    }
}

#[test]
fn what_is_not_in_the_table_is_said() {
    let finder = Finder::build(Disguised(isochrone()), &TINY, &|_| {}).unwrap();
    let at = |x: f64, v: [f64; 3]| finder.find(&PhaseSpace::new([x, 0.0, 0.0], v));
    assert!(matches!(at(8.0, [900.0, 0.0, 0.0]), Err(NotFound::Unbound(_))));
    assert!(matches!(at(60.0, [0.0, 100.0, 0.0]), Err(NotFound::Energy { .. })));
    assert!(matches!(at(8.0, [150.0, 5.0, 0.0]), Err(NotFound::Momentum { .. })));
    assert!(at(8.0, [50.0, -180.0, 20.0]).unwrap().action_angle.frequencies.phi < 0.0);
    let refused = |settings: Settings| Finder::build(isochrone(), &settings, &|_| {}).err();
    assert_eq!(refused(Settings { tilts: 5, ..SMALL }), Some(BuildError::Settings));
    assert_eq!(
        refused(Settings {
            radii: (5.0, f64::NAN),
            ..SMALL
        }),
        Some(BuildError::Settings)
    );
    let triaxial = Logarithmic::new(220.0, 2.0, [1.0, 0.9, 0.7]).unwrap();
    assert!(matches!(
        Finder::build(triaxial, &SMALL, &|_| {}).err(),
        Some(BuildError::Symmetry(_))
    ));
}

#[test]
fn progress_counts_all_the_work() {
    let done = AtomicUsize::new(0);
    let count = |n: usize| {
        done.fetch_add(n, Ordering::Relaxed);
    };
    Finder::build(Disguised(isochrone()), &TINY, &count).unwrap();
    assert_eq!(done.into_inner(), TINY.work());
}

/// Counts how often it is asked for, in all threads.
struct Counted<'a>(&'a dyn Potential, AtomicU64);

impl Counted<'_> {
    fn count(&self) -> &dyn Potential {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0
    }
}

impl Potential for Counted<'_> {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.count().potential(x)
    }
    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.count().acceleration(x)
    }
    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        self.count().hessian(x)
    }
    fn density(&self, x: [f64; 3]) -> f64 {
        self.count().density(x)
    }
    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        self.count().potential_and_acceleration(x)
    }
    fn symmetry(&self) -> Symmetry {
        self.0.symmetry()
    }
    fn potential_at_infinity(&self) -> f64 {
        self.0.potential_at_infinity()
    }
}

/// A coarse table of all L_z from 2 to 30 kpc: what it cannot tell it says.
#[test]
fn it_obeys_every_law_in_a_galaxy() {
    let galaxy = Composite::milky_way_like().unwrap();
    let counted = Counted(&galaxy, AtomicU64::new(0));
    let table = Finder::build(&counted, &COARSE, &|_| {}).unwrap();
    let entry = Entry::of(Method::Finder, Symmetry::Axisymmetric);
    let trials = trials(&galaxy);
    let mut most = 0;
    let ours = try_method(&entry, &galaxy, &trials, |stars| {
        let answer = |star: &PhaseSpace| {
            let before = counted.1.load(Ordering::Relaxed);
            let found = table.find(star);
            most = most.max(counted.1.load(Ordering::Relaxed) - before);
            let found = found.map_err(|reason| reason.to_string())?;
            Ok(Answer::from(found))
        };
        stars.iter().map(answer).collect()
    });
    assert!(
        most <= entry.most_evaluations,
        "{most} evaluations of the potential for a star"
    );
    let fudge = finder(Method::StaeckelFudge, &galaxy, None).unwrap();
    let known = Entry::of(Method::StaeckelFudge, Symmetry::Axisymmetric);
    let theirs = try_method(&known, &galaxy, &trials, |stars| stars.iter().map(&fudge).collect());
    let mut broken = ours.broken.clone();
    // Not so yet: the first columns of so coarse a table leave the disc, and towards the circle Ω_z still depends on where from.
    let is_known = |broken: &Broken| {
        let circular = broken.star.starts_with("Circular") || broken.star.ends_with("circular");
        broken.law == Law::Continuous && circular && broken.what.contains(": Ω_z jumps")
    };
    assert!(broken.iter().any(is_known), "this holds now");
    broken.retain(|broken| !is_known(broken));
    broken.extend(agreement(&trials, (&entry, &ours), (&known, &theirs)));
    println!("{} set aside of {}", ours.set_aside.len(), trials.len());
    let text: Vec<String> = broken.iter().map(|broken| broken.to_string()).collect();
    assert!(text.is_empty(), "{} times:\n{}", text.len(), text.join("\n"));
}

#[test]
fn a_table_that_was_stored_finds_the_same_in_its_own_potential_and_nothing_in_another() {
    let finder = Finder::build(Disguised(isochrone()), &TINY, &|_| {}).unwrap();
    let stored = finder.store();
    let again = Finder::restore(Disguised(isochrone()), stored.clone()).unwrap();
    assert_eq!(again.store(), stored);
    for (star, found) in stars_in(&finder, 100, 8) {
        assert_eq!(again.find(&star), Ok(found));
        assert_eq!(again.actions(&star), finder.actions(&star));
    }
    let heavier = Disguised(Isochrone::new(3.335e11, 5.0).unwrap());
    let other = Finder::restore(heavier, stored.clone()).err();
    assert!(matches!(other, Some(RestoreError::OtherPotential { .. })), "{other:?}");
    let mut short = stored.clone();
    short.nodes.pop();
    assert_eq!(
        Finder::restore(Disguised(isochrone()), short).err(),
        Some(RestoreError::Damaged)
    );
    let mut odd = stored;
    odd.classes[0][0] = 9;
    assert_eq!(
        Finder::restore(Disguised(isochrone()), odd).err(),
        Some(RestoreError::Damaged)
    );
}
