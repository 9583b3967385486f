//! Galaxies recovered from small streams.
#![allow(clippy::unwrap_used)]
use super::frame::Seen;
use super::observed::Observed;
use super::*;
use crate::orbit::circular::circular_speed;
use crate::phase_space::PhaseSpace;
use crate::potential::{Composite, Logarithmic, MiyamotoNagai, Potential};
use crate::sample::{generator, isotropic};
use crate::sky::{Observables, Sun};
use crate::statistics::median;
use crate::units::Gyr;
use crate::vector::{cross, norm};
use rand::Rng;
use rand_distr::StandardNormal;
use std::sync::Arc;

/// A star with errors of 1 % in distance, 0.5 km/s and 0.01 mas/yr.
fn observed<R: Rng>(star: &PhaseSpace, random: &mut R) -> Star {
    let seen = Sun::default().observe(star).unwrap();
    let mut measured = |value: f64, error: f64| Measured {
        value: value + error * random.sample::<f64, _>(StandardNormal),
        error,
    };
    Star {
        l: seen.l,
        b: seen.b,
        across: 0.0,
        distance: Some(Distance::Kpc(measured(seen.distance, 0.01 * seen.distance))),
        v_los: Some(measured(seen.v_los, 0.5)),
        proper_motion: Some([measured(seen.mu_l_cosb, 0.01), measured(seen.mu_b, 0.01)]),
        correlation: 0.0,
    }
}

/// Streams of 40 stars from progenitors of 2e4 M_sun at 11 to 22 kpc, stripped for 1.5 Gyr.
fn streams(galaxy: &dyn Potential, count: i64) -> Vec<Stream> {
    (0..count)
        .map(|stream| {
            let mut random = generator(11, stream as u64);
            let r = 11.0 + 11.0 * stream as f64 / count as f64;
            let n = isotropic(&mut random);
            let across = cross(n, isotropic(&mut random));
            let speed = circular_speed(galaxy, r);
            let v = [0, 1, 2].map(|i| speed * (0.75 * across[i] / norm(across) + 0.2 * n[i]));
            let progenitor = Progenitor {
                now: PhaseSpace::new(n.map(|n| r * n), v),
                mass: 2e4,
                own_gravity: None,
            };
            let spray = Spray::new(galaxy, progenitor, Gyr(1.5), 1e-5).unwrap();
            let stars = spray.stars(40, &mut random);
            Stream::new(
                stream,
                stars.iter().map(|star| observed(&star.now, &mut random)).collect(),
            )
        })
        .collect()
}

fn small() -> Settings {
    Settings {
        releases: 50,
        iterations: 10,
        looks: 6,
        averaged: 4,
        scales: 2,
        age: Gyr(1.5),
        ..Settings::of(Source::Spray)
    }
}

#[test]
fn a_galaxy_is_recovered_and_threads_do_not_matter() {
    let galaxy = Composite::milky_way_like().unwrap();
    let mut streams = streams(&galaxy, 8);
    // One star of the first stream is of the field.
    streams[0].stars[3].v_los = Some(Measured {
        value: 400.0,
        error: 1.0,
    });
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&streams, &Sun::default(), &small(), None, false, &|_| true).unwrap())
    };
    let (found, again) = (on(1), on(3));
    assert_eq!(found.values, again.values);
    assert_eq!(found.posterior, again.posterior);
    for row in found.at_radii(&[12.0, 16.0, 20.0], 1) {
        let off = row.circular_speed.value / circular_speed(&galaxy, row.radius) - 1.0;
        println!("{row:?} {off}");
        assert!(off.abs() < 0.03, "{off} at {}", row.radius);
        // Errors are there, and neither nothing nor everything.
        assert!((0.1..20.0).contains(&row.circular_speed.error), "{row:?}");
        // What is free costs; draws of both are as noisy as two hundred of them.
        let [free, held] = [row.circular_speed.bound, row.circular_speed.parametric];
        assert!(held > 0.0 && held < 1.1 * free, "{row:?}");
    }
    assert!(
        found.streams[0].membership[3] < 0.05,
        "{}",
        found.streams[0].membership[3]
    );
    for stream in &found.streams {
        let members = stream.membership.iter().filter(|member| **member > 0.5).count();
        assert!(
            stream.chi < 2.0 && members > 30,
            "{} {} {members}",
            stream.stream,
            stream.chi
        );
    }
}

/// Points of a curve of which a few are independent tell less, and so do places that are not known.
#[test]
fn what_tells_less_counts_less() {
    let galaxy = Composite::milky_way_like().unwrap();
    let streams = streams(&galaxy, 3);
    let bound = |settings: &Settings, streams: &[Stream]| {
        let found = fit(streams, &Sun::default(), settings, None, false, &|_| true).unwrap();
        found.at_radii(&[16.0], 1)[0].flattening.bound
    };
    // Of many looks, so that their noise does not decide.
    let many = || Settings {
        releases: 100,
        looks: 6,
        again: 24,
        iterations: 40,
        ..small()
    };
    let few = Settings {
        independent: Some(10),
        ..many()
    };
    let all = bound(&many(), &streams);
    assert!(bound(&few, &streams) > 1.2 * all);
    // Stars are where they were, and known across the stream to three degrees.
    let mut vague = streams.clone();
    vague
        .iter_mut()
        .flat_map(|one| &mut one.stars)
        .for_each(|star| star.across = 3.0);
    assert!(bound(&many(), &vague) > 1.1 * all);
}

/// Streams of a triaxial halo speak against an axisymmetric galaxy, those of an axisymmetric one do not. χ² of seven terms is 7 ± 4 by chance.
#[test]
fn a_galaxy_that_is_not_axisymmetric_is_told() {
    let settings = Settings {
        iterations: 30,
        averaged: 10,
        ..small()
    };
    let chi2 = |axes: [f64; 3]| {
        let disc = MiyamotoNagai::new(6.8e10, 3.0, 0.28).unwrap();
        let halo = Logarithmic::new(175.0, 8.0, axes).unwrap();
        let galaxy = Composite::new(vec![Arc::new(disc), Arc::new(halo)]).unwrap();
        let found = fit(&streams(&galaxy, 8), &Sun::default(), &settings, None, false, &|_| true).unwrap();
        let asymmetry = found.asymmetry.unwrap();
        println!("{asymmetry:?} {:?}", found.posterior.map(|posterior| posterior.misfit));
        assert_eq!(asymmetry.terms, 7);
        asymmetry.chi2
    };
    let (round, triaxial) = (chi2([1.0, 1.0, 0.85]), chi2([1.0, 0.9, 0.85]));
    assert!(round < 20.0, "{round}");
    assert!(triaxial > 35.0, "{triaxial}");
    // Where nothing is symmetric there is nothing to ask, and where nothing is free.
    let free = Settings {
        correction: Correction::Free,
        iterations: 2,
        ..small()
    };
    let streams = streams(&Composite::milky_way_like().unwrap(), 2);
    let found = fit(&streams, &Sun::default(), &free, None, false, &|_| true).unwrap();
    assert_eq!(found.asymmetry, None);
    let held = fit_as(&found, &streams, &Sun::default(), &small(), true, &|_| true).unwrap();
    assert_eq!(held.asymmetry, None);
}

#[test]
fn held_streams_leave_the_galaxy_as_it_is_and_orbits_are_told_from_streams() {
    let galaxy = Composite::milky_way_like().unwrap();
    let streams = streams(&galaxy, 3);
    let sun = Sun::default();
    let spray = fit(&streams[..2], &sun, &small(), None, false, &|_| true).unwrap();
    let held = fit_as(&spray, &streams[2..], &sun, &small(), true, &|_| true).unwrap();
    assert_eq!(held.values, spray.values);
    assert!(held.posterior.is_none() && held.streams.len() == 1);
    let orbits = Settings {
        scales: 2,
        ..Settings::of(Source::Orbit)
    };
    let orbit = fit(&streams[..2], &sun, &orbits, None, false, &|_| true).unwrap();
    assert!(
        orbit.ln_likelihood < spray.ln_likelihood - 20.0,
        "{} {}",
        orbit.ln_likelihood,
        spray.ln_likelihood
    );
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let galaxy = Composite::milky_way_like().unwrap();
    let mut streams = streams(&galaxy, 2);
    let sun = Sun::default();
    let why = |streams: &[Stream]| fit(streams, &sun, &small(), None, false, &|_| true).err();
    assert_eq!(why(&[]), Some(FitError::NoStreams));
    streams[1].stars.truncate(5);
    let unfit = |stream, why| Some(FitError::Stream(StreamError { stream, why }));
    assert_eq!(why(&streams), unfit(1, Unfit::TooFew { stars: 5 }));
    streams.truncate(1);
    let stopped = fit(&streams, &sun, &small(), None, false, &|iteration| iteration < 1).err();
    assert_eq!(stopped, Some(FitError::Stopped));
    streams[0].stars.iter_mut().for_each(|star| star.distance = None);
    assert_eq!(why(&streams), unfit(0, Unfit::NoDistance));
    streams[0].stars[2].b = f64::NAN;
    let what = "the place on the sky";
    assert_eq!(why(&streams), unfit(0, Unfit::NotFinite { star: 2, what }));
}

/// Where the search for a stream's orbit begins, its own stars are: stars of the field along its line of sight do not move it.
#[test]
fn stars_of_the_field_do_not_say_where_to_begin() {
    let galaxy = Composite::milky_way_like().unwrap();
    let sun = Sun::default();
    let mut random = generator(5, 0);
    for (number, mut stream) in streams(&galaxy, 12).into_iter().enumerate() {
        // Every fifth star is one of the halo on the same line of sight.
        let is_field = |star: usize| star % 5 == number % 5;
        for star in (0..stream.stars.len()).filter(|star| is_field(*star)) {
            let seen = sun.observe(&PhaseSpace::new(
                sun.locate(&Observables {
                    l: stream.stars[star].l,
                    b: stream.stars[star].b,
                    distance: 10f64.powf(random.random_range(0.2..1.4)),
                    v_los: 0.0,
                    mu_l_cosb: 0.0,
                    mu_b: 0.0,
                })
                .x,
                [0; 3].map(|_| 120.0 * random.sample::<f64, _>(StandardNormal)),
            ));
            stream.stars[star] = observed(&sun.locate(&seen.unwrap()), &mut random);
        }
        let ready = Observed::new(&stream, &sun, 0.03, 2e4_f64.ln()).unwrap();
        let mut own: Vec<&Seen> = (ready.seen.iter().enumerate())
            .filter_map(|(star, seen)| (!is_field(star)).then_some(seen))
            .collect();
        own.sort_by(|a, b| a.along.abs().total_cmp(&b.along.abs()));
        for (k, most) in [(1, 0.15), (2, 25.0), (3, 0.5), (4, 0.5)] {
            let there = median(own[..5].iter().map(|seen| seen.values[k]).collect()).unwrap();
            let off = ready.start[k] - there;
            assert!(off.abs() < most, "stream {number}, observable {k}: {off}");
        }
    }
}
