//! Fits a galaxy to streams, and says how far it is from the truth.
//!
//! `streams FILE exact|errors [KEY=VALUE...]`: a CSV file with the columns stream, x y z, ax ay az (the truth), l b, distance v_los mu_l_cosb
//! mu_b, and of the last four also `_observed` and `_error`. `streams GALAXY [KEY=VALUE...]`: streams of our own in `milky_way_like`,
//! `dehnen_binney_98_1`, `piffl_14`, `flattened` (q = 0.7), `triaxial` or `fitted` (of the form that is fitted). Keys: source, correction, scales, shrinkage, discs, releases, looks,
//! again, draws, width (of the track's window), iterations, seed (of the kicks), progenitor, age, independent, held (folds that are held out); across (deg) for a file; parallax (an error in mas, in place of distances); for our own also sample (its seed), recipe, window (deg), stars,
//! interlopers (a part), errors (a factor), lead (deg).
//!
//! `streams coverage GALAXY [seeds=20] [first=1] [KEY=VALUE...]` fits as many samples of our own and says how often the error bars hold; a fit
//! takes about a minute of one thread: `RAYON_NUM_THREADS=2 cargo run --release -p dynamics --example streams -- coverage piffl_14 seeds=20`.

mod sample;

use std::collections::BTreeMap;

use dynamics::orbit::circular::circular_speed;
use dynamics::potential::Potential;
use dynamics::sky::Sun;
use dynamics::streams::*;
use dynamics::units::Gyr;
use dynamics::vector::{dot, norm};

use self::sample::{galaxy, made, read};

type Failure = Box<dyn std::error::Error>;

const RADII: [f64; 5] = [10.0, 12.0, 15.0, 20.0, 25.0];

/// Circular speeds of the galaxy that the files were made in, at [`RADII`].
const OF_FILES: [f64; 5] = [232.05, 229.84, 226.59, 222.80, 220.21];

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

fn settings(with: &Options) -> Settings {
    let source = match with.text("source") {
        Some("orbit") => Source::Orbit,
        _ => Source::Spray,
    };
    let usual = Settings::of(source);
    Settings {
        correction: match with.text("correction") {
            Some("free") => Correction::Free,
            _ => Correction::Axisymmetric,
        },
        scales: with.number("scales", usual.scales as f64) as usize,
        shrinkage: with.number("shrinkage", usual.shrinkage),
        discs: with.number("discs", usual.discs),
        independent: with.text("independent").and_then(|text| text.parse().ok()),
        age: Gyr(with.number("age", usual.age.0)),
        window: with.number("width", usual.window),
        releases: with.number("releases", usual.releases as f64) as usize,
        iterations: with.number("iterations", usual.iterations as f64) as usize,
        looks: with.number("looks", usual.looks as f64) as usize,
        draws: with.number("draws", usual.draws as f64) as usize,
        again: with.number("again", usual.again as f64) as usize,
        averaged: with.number("averaged", usual.averaged as f64) as usize,
        progenitor: with.number("progenitor", usual.progenitor),
        seed: with.number("seed", 0.0) as u64,
        ..usual
    }
}

/// The truth at a radius: v_c, q and M.
fn truth(potential: &dyn Potential, radius: f64) -> [f64; 3] {
    [
        circular_speed(potential, radius),
        flattening(potential, radius).unwrap_or(f64::NAN),
        enclosed_mass(potential, radius),
    ]
}

/// What was found there, in the same order.
fn known(at: &AtRadius) -> [Known; 3] {
    [at.circular_speed, at.flattening, at.enclosed_mass]
}

/// How often |found − true| is within one bar, and how large it is, over samples of different seeds.
fn coverage(name: &str, with: &Options) -> Result<(), Failure> {
    let potential = galaxy(name)?;
    let (first, seeds) = (with.number("first", 1.0) as u64, with.number("seeds", 20.0) as u64);
    let sun = Sun::default();
    // By radius and quantity: (found − true)/true, and the same in bars, in bounds, and in those of disc and halo alone.
    let mut off: Vec<[Vec<[f64; 4]>; 3]> = vec![Default::default(); RADII.len()];
    // By radius and quantity, relative to the truth: the bounds, the bar, and what of it the form of the disc is.
    let mut sizes: Vec<[Vec<[f64; 4]>; 3]> = vec![Default::default(); RADII.len()];
    let mut forces = Vec::new();
    for seed in first..first + seeds {
        let (streams, places) = made(potential.as_ref(), seed, with)?;
        let found = fit(&streams, &sun, &settings(with), None, false, &|_| true)?;
        let (force, radial) = force_errors(&found.galaxy, &places);
        forces.push(force);
        let misfit = found.posterior.as_ref().map_or(f64::NAN, |posterior| posterior.misfit);
        print!(
            "seed {seed}: force {force:.2} % radial {radial:+.2} % lnL {:.0} misfit {misfit:.2} asymmetry {:.1}; v_c off in bars",
            found.ln_likelihood,
            found.asymmetry.as_ref().map_or(f64::NAN, |asked| asked.chi2)
        );
        for ((row, of), sizes) in found.at_radii(&RADII, 1).iter().zip(&mut off).zip(&mut sizes) {
            let truths = truth(potential.as_ref(), row.radius);
            for (k, (known, truth)) in known(row).iter().zip(truths).enumerate() {
                let off = known.value - truth;
                of[k].push([
                    off / truth,
                    off / known.error,
                    off / known.bound,
                    off / known.parametric,
                ]);
                let all = [known.parametric, known.bound, known.error, known.form];
                sizes[k].push(all.map(|size| 100.0 * size / truth));
            }
            let [off, bars, ..] = of[0].last().copied().unwrap_or([f64::NAN; 4]);
            print!(" {bars:+.2} ({:+.2} %)", 100.0 * off);
        }
        println!();
    }
    let rms = |values: &[f64]| (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt();
    println!(
        "{name}, {seeds} seeds: force {:.2} % in the mean, {:.2} % at worst",
        forces.iter().sum::<f64>() / forces.len() as f64,
        forces.iter().copied().fold(0.0, f64::max)
    );
    let mut all = [[0.0; 2]; 3];
    for (radius, of) in RADII.iter().zip(&off) {
        print!("  {radius} kpc");
        for ((name, of), all) in ["v_c", "q", "M"].iter().zip(of).zip(&mut all) {
            let part = |k: usize| of.iter().map(|off| off[k]).collect::<Vec<f64>>();
            let within = part(1).iter().filter(|pull| pull.abs() < 1.0).count();
            all[0] += within as f64;
            all[1] += of.len() as f64;
            let mean = part(0).iter().sum::<f64>() / of.len() as f64;
            print!(
                " | {name}: {within} of {} within a bar, rms {:.2} bars, {:.2} bounds, {:.2} without correction; off {:+.2} % (rms {:.2})",
                of.len(),
                rms(&part(1)),
                rms(&part(2)),
                rms(&part(3)),
                100.0 * mean,
                100.0 * rms(&part(0))
            );
        }
        println!();
    }
    for (radius, sizes) in RADII.iter().zip(&sizes) {
        print!("  {radius} kpc, in % (rms)");
        for (name, of) in ["v_c", "q", "M"].iter().zip(sizes) {
            let [parametric, bound, bar, form] =
                [0, 1, 2, 3].map(|k| rms(&of.iter().map(|sizes| sizes[k]).collect::<Vec<f64>>()));
            print!(
                " | {name}: bounds {parametric:.3} without correction, {bound:.3}; bar {bar:.3}, of which form {form:.3}"
            );
        }
        println!();
    }
    for (name, [within, of]) in ["v_c", "q", "M"].iter().zip(all) {
        println!("  {name}: {:.0} % of {of} within one bar", 100.0 * within / of);
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments
        .next()
        .ok_or("usage: streams [coverage] FILE|GALAXY [KEY=VALUE...]")?;
    let rest: Vec<String> = arguments.collect();
    let with = Options(
        rest.iter()
            .filter_map(|text| text.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    );
    if what == "coverage" {
        return coverage(rest.first().ok_or("coverage of which galaxy?")?, &with);
    }
    let own = galaxy(&what).ok();
    let (streams, places) = match &own {
        Some(potential) => made(potential.as_ref(), with.number("sample", 1.0) as u64, &with)?,
        None => read(
            &what,
            rest.iter().any(|text| text == "errors"),
            with.number("across", 0.0),
            with.text("parallax").and_then(|text| text.parse().ok()),
        )?,
    };
    let (settings, sun) = (settings(&with), Sun::default());
    let start = std::time::Instant::now();
    let found = fit(&streams, &sun, &settings, None, false, &|_| true)?;
    let seconds = start.elapsed().as_secs_f64();
    let (force, radial) = force_errors(&found.galaxy, &places);
    let misfit = found.posterior.as_ref().map_or(f64::NAN, |posterior| posterior.misfit);
    println!(
        "{what} {rest:?}: force {force:.2} radial {radial:+.2} lnL {:.0} misfit {misfit:.2} seconds {seconds:.0}",
        found.ln_likelihood
    );
    if let Some(asked) = &found.asymmetry {
        println!(
            "  asymmetry: chi2 {:.1} of {} terms, {:.2} % of the force",
            asked.chi2,
            asked.terms,
            100.0 * asked.force
        );
    }
    for (row, of_file) in found.at_radii(&RADII, 1).iter().zip(OF_FILES) {
        let truth = own.as_ref().map_or([of_file, f64::NAN, f64::NAN], |potential| {
            truth(potential.as_ref(), row.radius)
        });
        print!("  R {}", row.radius);
        for ((name, known), truth) in ["v_c", "q", "M"].iter().zip(known(row)).zip(truth) {
            print!(
                " | {name} {:.5e} +- {:.1e} (bound {:.1e}) true {truth:.5e} pull {:+.2}",
                known.value,
                known.error,
                known.bound,
                (known.value - truth) / known.error
            );
        }
        println!();
    }
    for (parameter, value) in found.parameters.iter().zip(&found.values) {
        print!("  {} {value:.3}", parameter.name);
    }
    println!();
    for stream in &found.streams {
        print!(
            "  [{} chi {:.2} lnL {:.0} out {:.2} lead {:+.3} M {:.0}]",
            stream.stream, stream.chi, stream.ln_likelihood, stream.outliers, stream.lead, stream.mass
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
