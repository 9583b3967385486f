//! Fits a galaxy to streams, and says how far it is from the truth.
//!
//! `streams FILE exact|errors [KEY=VALUE...]`: a CSV file with the columns stream, x y z, ax ay az (the truth), l b, distance v_los mu_l_cosb
//! mu_b, and of the last four also `_observed` and `_error`. `streams GALAXY [KEY=VALUE...]`: streams of our own in `mcmillan_like`,
//! `dehnen_binney_98_1`, `piffl_14`, `flattened` (q = 0.7) or `triaxial`. Keys: source, correction, scales, shrinkage, releases, iterations, seed (of the
//! kicks), progenitor, held (folds that are held out); for our own also sample (its seed), recipe, window (deg), stars, interlopers (a part), errors (a factor), lead (deg).

use dynamics::orbit::circular::circular_speed;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Composite, Disc, Galaxy, Logarithmic, MiyamotoNagai, Plummer, Potential, Spheroid};
use dynamics::sample::{generator, isotropic};
use dynamics::sky::Sun;
use dynamics::streams::*;
use dynamics::units::Gyr;
use dynamics::vector::{cross, dot, norm};
use rand::Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;
use std::sync::Arc;

type Failure = Box<dyn std::error::Error>;

/// Streams, the places of their stars, and the accelerations there.
type Sample = (Vec<Stream>, Vec<([f64; 3], [f64; 3])>);

const RADII: [f64; 5] = [10.0, 12.0, 15.0, 20.0, 25.0];

/// Circular speeds of the galaxy that the files were made in, at [`RADII`].
const OF_FILES: [f64; 5] = [232.05, 229.84, 226.59, 222.80, 220.21];

fn read(path: &str, observed: bool) -> Result<Sample, Failure> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("an empty file")?.split(',').collect();
    let mut streams: BTreeMap<i64, Vec<Star>> = BTreeMap::new();
    let mut truth = Vec::new();
    for line in lines {
        let values: Vec<f64> = line.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let of = |name: &str| {
            names
                .iter()
                .position(|known| *known == name)
                .map_or(f64::NAN, |place| values[place])
        };
        let measured = |name: &str| match observed {
            true => Measured {
                value: of(&format!("{name}_observed")),
                error: of(&format!("{name}_error")),
            },
            false => Measured {
                value: of(name),
                error: 0.0,
            },
        };
        streams.entry(of("stream") as i64).or_default().push(Star {
            l: of("l"),
            b: of("b"),
            distance: Some(Distance::Kpc(measured("distance"))),
            v_los: Some(measured("v_los")),
            proper_motion: Some([measured("mu_l_cosb"), measured("mu_b")]),
            correlation: 0.0,
        });
        truth.push((["x", "y", "z"].map(of), ["ax", "ay", "az"].map(of)));
    }
    Ok((
        streams
            .into_iter()
            .map(|(stream, stars)| Stream::new(stream, stars))
            .collect(),
        truth,
    ))
}

fn galaxy(name: &str) -> Result<Arc<dyn Potential>, Failure> {
    let halo = |density, axis_ratio| Spheroid {
        density,
        axis_ratio,
        inner_slope: 1.0,
        outer_slope: 3.0,
        sharpness: 1.0,
        scale_radius: 16.0,
        cutoff_radius: f64::INFINITY,
        cutoff_strength: 2.0,
    };
    let disc = Disc {
        surface_density: 8e8,
        scale_length: 2.6,
        scale_height: 0.3,
        hole_radius: 0.0,
        ..Disc::default()
    };
    Ok(match name {
        "dehnen_binney_98_1" => Arc::new(Galaxy::dehnen_binney_98_1()?),
        "piffl_14" => Arc::new(Galaxy::piffl_14()?),
        "milky_way_like" => Arc::new(Composite::milky_way_like()?),
        "flattened" => Arc::new(Galaxy::new(vec![disc], vec![halo(1.5e7, 0.7)])?),
        "triaxial" => Arc::new(Composite::new(vec![
            Arc::new(Plummer::new(5e9, 0.25)?),
            Arc::new(MiyamotoNagai::new(6.8e10, 3.0, 0.28)?),
            Arc::new(Logarithmic::new(175.0, 8.0, [1.0, 0.93, 0.85])?),
        ])?),
        other => return Err(format!("no galaxy {other}").into()),
    })
}

/// Sixteen streams as those of the files: progenitors of 1e4 to 5e4 M_sun at 9 to 28 kpc.
fn made(potential: &dyn Potential, with: &Options) -> Result<Sample, Failure> {
    let sun = Sun::default();
    let seed = with.number("sample", 1.0) as u64;
    let (window, count) = (
        with.number("window", 60.0).to_radians(),
        with.number("stars", 100.0) as usize,
    );
    let (factor, interlopers) = (with.number("errors", 1.0), with.number("interlopers", 0.0));
    let lead = with.number("lead", 0.0).to_radians();
    let chen = with.text("recipe") == Some("chen");
    let (mut streams, mut truth) = (Vec::new(), Vec::new());
    for stream in 0..16_i64 {
        let mut random = generator(seed, stream as u64);
        let mut uniform = |low: f64, high: f64| random.random_range(low..high);
        let r = if stream == 0 { 20.0 } else { uniform(9.0, 28.0) };
        let mass = 10f64.powf(uniform(4.0, 4.7));
        let (fast, radial) = (uniform(0.55, 1.0), uniform(-0.4, 0.4));
        let n = isotropic(&mut random);
        let across = cross(n, isotropic(&mut random));
        let x = n.map(|n| r * n);
        let speed = circular_speed(potential, r);
        let v = [0, 1, 2].map(|i| speed * (fast * across[i] / norm(across) + radial * n[i]));
        let now = PhaseSpace::new(x, v);
        let own_gravity = if chen { Some(Plummer::new(mass, 0.006)?) } else { None };
        let spray = Spray::new(potential, Progenitor { now, mass, own_gravity }, Gyr(3.0), 1e-5)?;
        let spray = spray.with_recipe(if chen { Recipe::Chen } else { Recipe::default() });
        let momentum = now.angular_momentum();
        let along = cross(momentum.map(|l| l / norm(momentum)), n);
        let angle = |star: &PhaseSpace| dot(star.x, along).atan2(dot(star.x, n));
        let mut stars = Vec::new();
        for _ in 0..40 {
            let more = spray.stars(count, &mut random).into_iter().map(|star| star.now);
            stars.extend(more.filter(|star| (angle(star) - lead).abs() < window));
            if stars.len() >= count {
                break;
            }
        }
        stars.truncate(count);
        let mut normal = || random.sample::<f64, _>(StandardNormal);
        let mut seen = Vec::new();
        for star in &stars {
            let a = potential.acceleration(star.x);
            truth.push((star.x, a));
            let at = sun.observe(star)?;
            let mut with_error = |value: f64, error: f64| Measured {
                value: value + factor * error * normal(),
                error: factor * error,
            };
            seen.push(Star {
                l: at.l,
                b: at.b,
                distance: Some(Distance::Kpc(with_error(at.distance, 0.03 * at.distance))),
                v_los: Some(with_error(at.v_los, 1.0)),
                proper_motion: Some([with_error(at.mu_l_cosb, 0.02), with_error(at.mu_b, 0.02)]),
                correlation: 0.0,
            });
        }
        // Halo stars along the line of sight of some of the stream's own.
        for place in 0..(interlopers * seen.len() as f64).round() as usize {
            let star = seen[place];
            let distance = 10f64.powf(0.2 + 1.2 * (0.5 + 0.28 * normal()).clamp(0.0, 1.0));
            let x = {
                let at = dynamics::sky::Observables {
                    distance,
                    l: star.l,
                    b: star.b,
                    v_los: 0.0,
                    mu_l_cosb: 0.0,
                    mu_b: 0.0,
                };
                sun.locate(&at).x
            };
            let field = sun.observe(&PhaseSpace::new(x, [0, 1, 2].map(|_| 120.0 * normal())))?;
            let mut with_error = |value: f64, error: f64| Measured {
                value: value + factor * error * normal(),
                error: factor * error,
            };
            seen[place] = Star {
                distance: Some(Distance::Kpc(with_error(field.distance, 0.03 * field.distance))),
                v_los: Some(with_error(field.v_los, 1.0)),
                proper_motion: Some([with_error(field.mu_l_cosb, 0.02), with_error(field.mu_b, 0.02)]),
                ..star
            };
        }
        streams.push(Stream::new(stream, seen));
    }
    Ok((streams, truth))
}

struct Options(BTreeMap<String, String>);

impl Options {
    fn number(&self, key: &str, usual: f64) -> f64 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// Mean |Δa| / |a| and mean relative error of the radial part, per cent.
fn force_errors(galaxy: &dyn Potential, truth: &[([f64; 3], [f64; 3])]) -> (f64, f64) {
    let (mut off, mut radial) = (0.0, 0.0);
    for (x, a) in truth {
        let found = galaxy.acceleration(*x);
        off += norm([0, 1, 2].map(|i| found[i] - a[i])) / norm(*a);
        radial += dot(found, *x) / dot(*a, *x) - 1.0;
    }
    let n = truth.len() as f64;
    (100.0 * off / n, 100.0 * radial / n)
}

/// −ln L of streams that were held out, over `folds`, the galaxy found from the others.
fn held_out(streams: &[Stream], sun: &Sun, settings: &Settings, folds: usize) -> Result<f64, Failure> {
    let mut sum = 0.0;
    for fold in 0..folds {
        let part = |inside: bool| {
            let of = streams
                .iter()
                .enumerate()
                .filter(|(place, _)| (place % folds == fold) == inside);
            of.map(|(_, stream)| stream.clone()).collect::<Vec<_>>()
        };
        let found = fit(&part(false), sun, settings, None, false, &|_| true)?;
        sum -= fit_as(&found, &part(true), sun, settings, true, &|_| true)?.ln_likelihood;
    }
    Ok(sum)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("usage: streams FILE|GALAXY [KEY=VALUE...]")?;
    let rest: Vec<String> = arguments.collect();
    let with = Options(
        rest.iter()
            .filter_map(|text| text.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    );
    let own = galaxy(&what).ok();
    let (streams, truth) = match &own {
        Some(potential) => made(potential.as_ref(), &with)?,
        None => read(&what, rest.iter().any(|text| text == "errors"))?,
    };
    let source = if with.text("source") == Some("orbit") {
        Source::Orbit
    } else {
        Source::Spray
    };
    let usual = Settings::of(source);
    let settings = Settings {
        correction: if with.text("correction") == Some("free") {
            Correction::Free
        } else {
            Correction::Axisymmetric
        },
        scales: with.number("scales", usual.scales as f64) as usize,
        shrinkage: with.number("shrinkage", usual.shrinkage),
        releases: with.number("releases", usual.releases as f64) as usize,
        iterations: with.number("iterations", usual.iterations as f64) as usize,
        looks: with.number("looks", usual.looks as f64) as usize,
        averaged: with.number("averaged", usual.averaged as f64) as usize,
        progenitor: with.number("progenitor", usual.progenitor),
        seed: with.number("seed", 0.0) as u64,
        ..usual
    };
    let sun = Sun::default();
    let start = std::time::Instant::now();
    let found = fit(&streams, &sun, &settings, None, false, &|_| true)?;
    let seconds = start.elapsed().as_secs_f64();
    let (force, radial) = force_errors(&found.galaxy, &truth);
    let misfit = found.posterior.as_ref().map_or(f64::NAN, |posterior| posterior.misfit);
    println!(
        "{what} {rest:?}: force {force:.2} radial {radial:+.2} lnL {:.0} misfit {misfit:.2} seconds {seconds:.0}",
        found.ln_likelihood
    );
    for (row, of_file) in found.at_radii(&RADII, 1).iter().zip(OF_FILES) {
        let true_speed = own
            .as_ref()
            .map_or(of_file, |potential| circular_speed(potential, row.radius));
        let true_q = own
            .as_ref()
            .and_then(|potential| flattening(potential, row.radius))
            .unwrap_or(f64::NAN);
        let true_mass = own
            .as_ref()
            .map_or(f64::NAN, |potential| enclosed_mass(potential, row.radius));
        let pull = |known: Known, truth: f64| (known.value - truth) / known.error;
        println!(
            "  R {} v_c {:.2} +- {:.2} true {true_speed:.2} pull {:+.2} | q {:.4} +- {:.4} true {true_q:.4} pull {:+.2} | M {:.4e} +- {:.1e} true {true_mass:.4e} pull {:+.2}",
            row.radius,
            row.circular_speed.value,
            row.circular_speed.error,
            pull(row.circular_speed, true_speed),
            row.flattening.value,
            row.flattening.error,
            pull(row.flattening, true_q),
            row.enclosed_mass.value,
            row.enclosed_mass.error,
            pull(row.enclosed_mass, true_mass),
        );
    }
    for (parameter, value) in found.parameters.iter().zip(&found.values) {
        print!("  {} {value:.3}", parameter.name);
    }
    println!();
    for stream in &found.streams {
        print!(
            "  [{} chi {:.2} out {:.2} lead {:+.3} M {:.0}]",
            stream.stream, stream.chi, stream.outliers, stream.lead, stream.mass
        );
    }
    println!();
    let folds = with.number("held", 0.0) as usize;
    if folds > 1 {
        println!(
            "  held out, {folds} folds: -lnL {:.0}",
            held_out(&streams, &sun, &settings, folds)?
        );
    }
    Ok(())
}
