//! How far off the force of `fit_linear` is on orbits whose stars have errors, in galaxies whose force is known.
//!
//! ```text
//! cargo run -p networks --example noisy_field -- GALAXY SEEDS [streams=256] [stars=8] [errors=1] [symmetry=none] [near=1.0]
//! ```
//! GALAXY is a galaxy of the Milky Way by its name, or `triaxial`. Errors are 3 % of distances, 1 km/s and 0.02 mas/yr times `errors`; orbits of 0.1 Gyr.
//! `near` gives the true field times that number as `field`. Figures are in %: mean |Δa|/|a| at the stars of other orbits, and how much too strong the force is.

use std::sync::Arc;
use std::time::Instant;

use dynamics::measured::{Depth, Measured, Priors};
use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Composite, Expansion, Logarithmic, MilkyWay, MiyamotoNagai, Plummer, Potential};
use dynamics::sample::{bound, generator, halo_start, times};
use dynamics::sky::Sun;
use dynamics::units::Gyr;
use dynamics::vector::{dot, norm};
use networks::field::{Asked, Errors, Known, fit_linear, known};

type Failure = Box<dyn std::error::Error>;

fn galaxy(name: &str) -> Result<Arc<dyn Potential>, Failure> {
    if name == "triaxial" {
        return Ok(Arc::new(Composite::new(vec![
            Arc::new(Plummer::new(5e9, 0.25)?),
            Arc::new(MiyamotoNagai::new(6.8e10, 3.0, 0.28)?),
            Arc::new(Logarithmic::new(175.0, 8.0, [1.0, 0.93, 0.85])?),
        ])?));
    }
    let known = MilkyWay::named(name).ok_or("no such galaxy")?;
    Ok(known.build()?.into())
}

fn orbits(
    potential: &dyn Potential,
    count: usize,
    stars: usize,
    duration: f64,
    seed: u64,
) -> Result<Vec<Vec<PhaseSpace>>, Failure> {
    let one = |stream: usize| {
        let mut random = generator(seed, stream as u64);
        let start = bound(potential, || halo_start(&mut random))
            .ok_or("nothing is bound")?
            .0;
        let times = times(&mut generator(seed, stream as u64 + (1 << 63)), stars, duration);
        let orbit = dense::integrate_to_tolerance(potential, &start, &Gyr::all(&times), 1e-7)
            .map_err(|error| error.to_string())?;
        Ok(orbit.points)
    };
    (0..count).map(one).collect()
}

fn observed(orbits: &[Vec<PhaseSpace>], errors: f64, stated: f64, seed: u64) -> Result<Vec<Vec<Known>>, Failure> {
    let mut random = generator(seed, 1 << 40);
    let sun = Sun::default();
    let mut seen = |point: &PhaseSpace| {
        let mut star = Measured::exact(&sun.observe(point).map_err(|error| error.to_string())?);
        if let Depth::Distance(distance) = star.depth {
            star.covariance.deviations = [0.0, 0.0, 0.03 * distance * errors, 0.02 * errors, 0.02 * errors];
        }
        star.v_los_error = errors;
        let drawn = star
            .draws(&sun, &Priors::default())?
            .draw(&mut random)
            .ok_or("no draw")?;
        star.depth = Depth::Distance(drawn.distance);
        star.covariance.deviations.iter_mut().for_each(|error| *error *= stated);
        star.v_los_error *= stated;
        (star.mu_l_cosb, star.mu_b, star.v_los) = (drawn.mu_l_cosb, drawn.mu_b, Some(drawn.v_los));
        Ok(Known::Seen(star, sun, Errors::default()))
    };
    orbits
        .iter()
        .map(|stream| stream.iter().map(&mut seen).collect())
        .collect()
}

/// Mean |Δa|/|a| and of a·a_true/a_true² − 1 at these places.
fn judged(field: &impl Potential, truth: &dyn Potential, orbits: &[Vec<PhaseSpace>]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    let mut count = 0.0;
    for star in orbits.iter().flatten() {
        let (a, exact) = (field.acceleration(star.x), truth.acceleration(star.x));
        sums[0] += norm([0, 1, 2].map(|i| a[i] - exact[i])) / norm(exact);
        sums[1] += dot(a, exact) / dot(exact, exact) - 1.0;
        count += 1.0;
    }
    sums.map(|sum| 100.0 * sum / count)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(&format!("{name}=")))
    };
    let number = |name: &str, usual: f64| option(name).map_or(Ok(usual), str::parse::<f64>);
    let (name, seeds) = (
        arguments.first().ok_or("which galaxy?")?,
        arguments.get(1).ok_or("which seeds?")?,
    );
    let (streams, stars) = (number("streams", 256.0)? as usize, number("stars", 8.0)? as usize);
    let errors = number("errors", 1.0)?;
    let axisymmetric = option("symmetry") == Some("axisymmetric");
    let truth = galaxy(name)?;
    let other = orbits(&*truth, 128, 8, 0.1, 1_000)?;
    for seed in seeds.split(',') {
        let seed: u64 = seed.parse()?;
        let train = orbits(&*truth, streams, stars, number("duration", 0.1)?, seed)?;
        // The true field as a sum of simple potentials: what exact orbits give.
        let near = match option("near") {
            None => None,
            Some(factor) => {
                // Another galaxy by its name, or the true one times a number.
                let (factor, other_galaxy) = factor
                    .parse()
                    .map_or((1.0, galaxy(factor)), |factor: f64| (factor, Ok(truth.clone())));
                let exact = orbits(&*other_galaxy?, 256, 8, 0.1, 2_000)?;
                let asked = Asked {
                    axisymmetric: name != "triaxial",
                    near: None,
                };
                let exact = fit_linear(&known(&exact, Errors::default()), asked)?.field.expansion;
                println!("near: {:.3?} %", judged(&exact, &*truth, &other));
                let coefficients = exact.coefficients().iter().map(|c| factor * c).collect();
                Some(Expansion::new(exact.terms().to_vec(), coefficients).ok_or("not finite")?)
            }
        };
        let asked = Asked {
            axisymmetric,
            near: near.as_ref(),
        };
        let stars = if errors > 0.0 {
            observed(&train, errors, number("stated", 1.0)?, seed)?
        } else {
            known(&train, Errors::default())
        };
        let begun = Instant::now();
        let fitted = fit_linear(&stars, asked)?;
        let [force, strong] = judged(&fitted.field.expansion, &*truth, &other);
        let [own, _] = judged(&fitted.field.expansion, &*truth, &train);
        println!(
            "{name} {seed}: force {force:.3} strong {strong:+.3} (own stars {own:.3}); ridge {:e} chi {:.3} unexplained {:.4} scatter {:.2} %; {:.1} s",
            fitted.field.ridge,
            fitted.held_out.chi(),
            fitted.held_out.unexplained(),
            100.0 * fitted.scatter,
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
