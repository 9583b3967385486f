#![allow(clippy::unwrap_used)]

use super::laws::{Broken, Entry, Law, Verdict, agreement, try_method};
use super::stars::{Kind, Trial, trials};
use super::{Method, finder};
use crate::potential::{Composite, Isochrone, Nfw, Potential, Symmetry};
use rayon::prelude::*;
use std::cell::Cell;

thread_local!(static EVALUATIONS: Cell<u64> = const { Cell::new(0) });

/// Counts how often it is asked for, thread by thread: a method works on one star in one thread.
struct Counted<'a>(&'a dyn Potential);

impl Counted<'_> {
    fn count(&self) -> &dyn Potential {
        EVALUATIONS.with(|count| count.set(count.get() + 1));
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

/// A law that does not hold yet.
struct Known {
    potential: &'static str,
    method: &'static str,
    law: Law,
    /// The beginning of the star's kind and name.
    star: &'static str,
    why: &'static str,
}

/// All of them; what holds after all must go from here.
const KNOWN: &[Known] = &[
    Known {
        potential: "galaxy",
        method: "staeckel_fudge",
        law: Law::Along,
        star: "Rest, frame 3",
        why: "without L_z, and falling from next to the axis, it is chaotic",
    },
    Known {
        potential: "disguised",
        method: "staeckel_fudge",
        law: Law::Agreement,
        star: "NearlyUnbound, E/Φ 1e-5",
        why: "apocentre over pericentre is 10⁵: 48 nodes are too few for Ω_z and Ω_φ, whose errors are 18 % of Ω_r",
    },
];

/// Tries every one of `methods` in `potential` at every star.
fn tried(
    name: &str,
    potential: &dyn Potential,
    isochrone: Option<Isochrone>,
    methods: &[Method],
) -> (Vec<Trial>, Vec<(Entry, Verdict)>) {
    tried_at(name, potential, isochrone, methods, trials(potential))
}

/// Tries every one of `methods` in `potential` at some stars.
fn tried_at(
    name: &str,
    potential: &dyn Potential,
    isochrone: Option<Isochrone>,
    methods: &[Method],
    trials: Vec<Trial>,
) -> (Vec<Trial>, Vec<(Entry, Verdict)>) {
    let counted = Counted(potential);
    let mut done: Vec<(Entry, Verdict)> = Vec::new();
    for &method in methods {
        let entry = Entry::of(method, potential.symmetry());
        let find = finder(method, &counted, isochrone).unwrap();
        let mut efforts = Vec::new();
        let mut verdict = try_method(&entry, potential, &trials, |stars| {
            let found: Vec<_> = stars
                .par_iter()
                .with_max_len(1)
                .map(|star| {
                    EVALUATIONS.with(|count| count.set(0));
                    let answer = find(star);
                    (answer, EVALUATIONS.with(Cell::get))
                })
                .collect();
            let (answers, effort): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            efforts = stars.iter().copied().zip(effort).collect();
            answers
        });
        for (star, effort) in efforts {
            if effort > entry.most_evaluations {
                let what = format!("{star:?} takes {effort} evaluations of the potential");
                let (method, star) = (entry.name, String::new());
                verdict.broken.push(Broken {
                    method,
                    law: Law::Effort,
                    star,
                    what,
                });
            }
        }
        println!("{name}, {}: {} set aside", entry.name, verdict.set_aside.len());
        done.push((entry, verdict));
    }
    (trials, done)
}

/// Fails with everything that does not hold and is not known; and with what is known and does hold.
fn judge(name: &str, trials: &[Trial], done: &[(Entry, Verdict)]) {
    let mut broken: Vec<Broken> = done.iter().flat_map(|(_, verdict)| verdict.broken.clone()).collect();
    for (i, (entry, verdict)) in done.iter().enumerate() {
        for (other, theirs) in &done[..i] {
            broken.extend(agreement(trials, (entry, verdict), (other, theirs)));
        }
    }
    let is = |known: &Known, broken: &Broken| {
        known.potential == name
            && known.method == broken.method
            && known.law == broken.law
            && broken.star.starts_with(known.star)
    };
    for known in KNOWN {
        let tried = known.potential == name && done.iter().any(|(entry, _)| entry.name == known.method);
        let still = broken.iter().any(|broken| is(known, broken));
        assert!(!tried || still, "this holds now: {} ({})", known.star, known.why);
    }
    broken.retain(|broken| !KNOWN.iter().any(|known| is(known, broken)));
    let text: Vec<String> = broken.iter().map(|broken| broken.to_string()).collect();
    assert!(text.is_empty(), "in {name}, {} times:\n{}", text.len(), text.join("\n"));
}

#[test]
fn fast_methods_obey_every_law_in_an_isochrone() {
    let isochrone = Isochrone::new(3.334e11, 5.0).unwrap();
    let methods = [Method::Isochrone, Method::Spherical, Method::StaeckelFudge];
    let (trials, done) = tried("isochrone", &isochrone, Some(isochrone), &methods);
    judge("isochrone", &trials, &done);
}

#[test]
fn fast_methods_obey_every_law_in_a_cusp() {
    let halo = Nfw::new(1e12, 20.0).unwrap();
    let (trials, done) = tried("nfw", &halo, None, &[Method::Spherical, Method::StaeckelFudge]);
    judge("nfw", &trials, &done);
}

/// A sphere that says less of itself than it is: true too, and the fudge must find out.
struct Disguised<P>(P);

impl<P: Potential> Potential for Disguised<P> {
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

#[test]
fn the_fudge_obeys_every_law_in_a_sphere_that_it_does_not_know() {
    let sphere = Isochrone::new(3.334e11, 5.0).unwrap();
    let exact = [Method::Isochrone, Method::Spherical];
    let (_, mut done) = tried("disguised", &sphere, Some(sphere), &exact);
    let (trials, fudge) = tried("disguised", &Disguised(sphere), None, &[Method::StaeckelFudge]);
    done.extend(fudge);
    judge("disguised", &trials, &done);
}

#[test]
fn the_fudge_obeys_every_law_in_a_galaxy() {
    let galaxy = Composite::milky_way_like().unwrap();
    let (trials, done) = tried("galaxy", &galaxy, None, &[Method::StaeckelFudge]);
    judge("galaxy", &trials, &done);
}

#[test]
fn tori_obey_every_law_in_a_galaxy() {
    let galaxy = Composite::milky_way_like().unwrap();
    let (trials, done) = tried("galaxy", &galaxy, None, &[Method::Torus]);
    judge("galaxy", &trials, &done);
}

/// Stars of whose orbits O2GF averages a libration, which takes longer than a spectrum.
fn is_slow(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Radial | Kind::Rest | Kind::Polar | Kind::Axis | Kind::NearlyUnbound
    )
}

fn o2gf_obeys_every_law(of: impl Fn(Kind) -> bool) {
    let galaxy = Composite::milky_way_like().unwrap();
    let mut trials = trials(&galaxy);
    trials.retain(|trial| of(trial.kind));
    let (trials, done) = tried_at("galaxy", &galaxy, None, &[Method::O2gf], trials);
    judge("galaxy", &trials, &done);
}

#[test]
fn o2gf_obeys_every_law_in_a_galaxy() {
    o2gf_obeys_every_law(|kind| !is_slow(kind));
}

#[test]
fn o2gf_obeys_every_law_without_angular_momentum() {
    o2gf_obeys_every_law(is_slow);
}
