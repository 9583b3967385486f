//! Streams whose truth is known: of a file, and of our own.

use std::collections::BTreeMap;
use std::sync::Arc;

use dynamics::orbit::circular::circular_speed;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Composite, Disc, Galaxy, Logarithmic, MiyamotoNagai, Plummer, Potential, Spheroid};
use dynamics::sample::{generator, isotropic};
use dynamics::sky::Sun;
use dynamics::streams::{Distance, Measured, Model, Progenitor, Recipe, Settings, Source, Spray, Star, Stream};
use dynamics::units::Gyr;
use dynamics::vector::{cross, dot, norm};
use rand::Rng;
use rand_distr::StandardNormal;

use crate::{Failure, Options};

/// Streams, the places of their stars, and the accelerations there.
pub type Sample = (Vec<Stream>, Vec<([f64; 3], [f64; 3])>);

/// The streams of a file; with `parallax` errors of that many mas in place of distances.
pub fn read(path: &str, observed: bool, across: f64, parallax: Option<f64>) -> Result<Sample, Failure> {
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
        let distance = match parallax {
            Some(error) => {
                let deviate = (of("distance_observed") - of("distance")) / of("distance_error");
                Distance::Parallax(Measured {
                    value: 1.0 / of("distance") + if observed { error * deviate } else { 0.0 },
                    error: if observed { error } else { 0.0 },
                })
            }
            None => Distance::Kpc(measured("distance")),
        };
        streams.entry(of("stream") as i64).or_default().push(Star {
            l: of("l"),
            b: of("b"),
            across,
            distance: Some(distance),
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

/// A galaxy by its name.
pub fn galaxy(name: &str) -> Result<Arc<dyn Potential>, Failure> {
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
        "fitted" => {
            let settings = Settings {
                scales: 0,
                ..Settings::of(Source::Spray)
            };
            // Not at the middle of the priors: the fit begins there.
            let values = [6e10, 2.9, 0.25, 175.0, 6.5, 0.9].map(f64::ln);
            let galaxy = Model::new(9.0, 28.0, &settings).galaxy(&values);
            Arc::new(galaxy.ok_or("the values are not finite")?)
        }
        other => return Err(format!("no galaxy {other}").into()),
    })
}

/// Sixteen streams as those of the files: progenitors of 1e4 to 5e4 M_sun at 9 to 28 kpc.
pub fn made(potential: &dyn Potential, seed: u64, with: &Options) -> Result<Sample, Failure> {
    let sun = Sun::default();
    let (window, count) = (
        with.number("window", 60.0).to_radians(),
        with.number("stars", 100.0) as usize,
    );
    let (factor, interlopers) = (with.number("errors", 1.0), with.number("interlopers", 0.0));
    let lead = with.number("lead", 0.0).to_radians();
    let parallax = with.text("parallax").and_then(|text| text.parse().ok());
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
                across: 0.0,
                distance: Some(match parallax {
                    Some(error) => Distance::Parallax(with_error(1.0 / at.distance, error)),
                    None => Distance::Kpc(with_error(at.distance, 0.03 * at.distance)),
                }),
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
                distance: Some(match parallax {
                    Some(error) => Distance::Parallax(with_error(1.0 / field.distance, error)),
                    None => Distance::Kpc(with_error(field.distance, 0.03 * field.distance)),
                }),
                v_los: Some(with_error(field.v_los, 1.0)),
                proper_motion: Some([with_error(field.mu_l_cosb, 0.02), with_error(field.mu_b, 0.02)]),
                ..star
            };
        }
        streams.push(Stream::new(stream, seen));
    }
    Ok((streams, truth))
}
