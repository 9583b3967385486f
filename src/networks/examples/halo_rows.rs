//! The halo rows of Ibata et al. (2021), sections 6.2 and 6.3, learned in every way this crate has: prints errors and times.
//!
//! `cargo run -p networks --example halo_rows -- FOLDER STREAMS [key=value]…` keeps labels and fields in FOLDER.
//!
//! Keys: `labels` 1 to find the labels of the test streams and end, `potential` db98 or piffl, `test` number of test streams, `arcs` 1 for 0.1 Gyr arcs to learn from, `field` none,
//! linear, free (linear without symmetry), mlp or exact, `map` 0 for the field alone, `noise` km/s, and those of the map's training:
//! `width`, `epochs`, `batch`, `rate`, `copies`, `seed`, `symmetry` axi, `px` and `pv` (perturbations of the copies).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use dynamics::o2gf;
use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Galaxy, Potential};
use dynamics::sample;
use dynamics::units::{Gyr, Natural, wrap_difference};
use networks::field::{self, Field, fit_linear, streams_of, synthetic_streams, train_mlp};
use networks::smooth::{self, Streams, Symmetry, fit_toy, train};
use networks::training::{EpochRecord, Watcher};
use networks::weights::{Checkpoint, Weights};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

struct Printer(Instant);

impl Watcher for Printer {
    fn epoch(&mut self, record: &EpochRecord, total: usize) {
        if record.epoch.is_multiple_of((total / 10).max(1)) {
            let (epoch, train, held_out) = (record.epoch, record.train_loss, record.validation_loss);
            println!(
                "  {epoch:5} train {train:.4} held out {held_out:.4} {:.0} s",
                self.0.elapsed().as_secs_f64()
            );
        }
    }

    fn stop(&self) -> bool {
        false
    }
}

/// A stream: points and the times at which its star was there, Gyr.
type Stream = (Vec<PhaseSpace>, Vec<f64>);

/// Stream `number` of the halo sample: 8 stars at random times within seven radial periods, or 0.1 Gyr.
fn stream(galaxy: &Galaxy, seed: u64, number: u64, arc: bool) -> Stream {
    let mut random = sample::generator(seed, number);
    let (start, _) = sample::bound(galaxy, || sample::halo_start(&mut random)).expect("a bound start");
    let energy = galaxy.energy(&start);
    // The radius of the circular orbit of the same energy, whose epicycle period stands for the radial period.
    let circular = |r: f64| galaxy.potential([r, 0.0, 0.0]) + 0.5 * r * galaxy.acceleration([r, 0.0, 0.0])[0].abs();
    let (mut low, mut high) = (1e-3f64, 1e5f64);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if circular(middle) < energy {
            low = middle
        } else {
            high = middle
        }
    }
    let rate = (galaxy.acceleration([low, 0.0, 0.0])[0].abs() / low).sqrt() * 2.0f64.sqrt();
    let span = if arc {
        0.1
    } else {
        Gyr::from(Natural::of_phase(7.0 * std::f64::consts::TAU, rate)).0
    };
    let times = sample::times(&mut random, 8, span);
    let orbit = dense::integrate(galaxy, &start, &Gyr::all(&times), 1e-10).expect("an orbit");
    (orbit.points, times)
}

#[derive(Serialize, Deserialize)]
struct Truth {
    /// φ, z, r.
    actions: [f64; 3],
    angles: [f64; 3],
    rates: [f64; 3],
    error: f64,
}

/// Labels of the first star of each stream, kept in a file, which grows by 8 at a time where `more` are to be found.
fn labels(potential: &(impl Potential + ?Sized), streams: &[Stream], file: &Path, more: bool) -> Vec<Option<Truth>> {
    let text = std::fs::read_to_string(file).unwrap_or("[]".to_owned());
    let mut known: Vec<Option<Truth>> = serde_json::from_str(&text).expect("labels");
    let begin = Instant::now();
    while more && known.len() < streams.len() {
        let starts: Vec<PhaseSpace> = streams[known.len()..]
            .iter()
            .take(8)
            .map(|(points, _)| points[0])
            .collect();
        let found = o2gf::labels(potential, &starts, &o2gf::Settings::default(), &|_| ());
        known.extend(found.into_iter().map(|label| {
            let label = label.ok()?;
            let (j, t, o) = (
                label.action_angle.actions,
                label.action_angle.angles,
                label.action_angle.frequencies,
            );
            Some(Truth {
                actions: [j.phi, j.z, j.r],
                angles: [t.phi, t.z, t.r],
                rates: [o.phi, o.z, o.r],
                error: label.action_error,
            })
        }));
        std::fs::write(file, serde_json::to_string(&known).expect("text")).expect("a file");
        println!("{} labels: {:.0} s", known.len(), begin.elapsed().as_secs_f64());
    }
    known.truncate(streams.len());
    known
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints errors of predictions [streams, 8, 3] against the labels, of all orbits and of those labelled well.
fn report(name: &str, angles: &Tensor, actions: &Tensor, streams: &[Stream], truths: &[Option<Truth>]) {
    let flat = |t: &Tensor| Vec::<f64>::try_from(t.contiguous().view(-1)).expect("numbers");
    let (angles, actions) = (flat(angles), flat(actions));
    for limit in [0.2, f64::INFINITY] {
        let (mut dj, mut dt) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
        let mut orbits = 0;
        for (number, (truth, (_, times))) in truths.iter().zip(streams).enumerate() {
            let Some(truth) = truth.as_ref().filter(|truth| truth.error < limit) else {
                continue;
            };
            orbits += 1;
            for (star, time) in times.iter().enumerate() {
                for k in 0..3 {
                    let at = (number * 8 + star) * 3 + k;
                    dj[k].push((actions[at] - truth.actions[k]).abs());
                    let angle = truth.angles[k] + Natural::from(Gyr(time - times[0])).phase(truth.rates[k]);
                    dt[k].push(wrap_difference(angles[at] - angle).abs().to_degrees());
                }
            }
        }
        let mean = |v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
        let means = |d: &[Vec<f64>; 3]| [mean(&d[0]), mean(&d[1]), mean(&d[2])];
        let (j, t) = (means(&dj), means(&dt));
        println!(
            "{name} ({orbits} of {} labelled below {limit}): dJ {:.3} (phi {:.3}, z {:.3}, r {:.3}; medians {:.3} {:.3} {:.3}), dtheta {:.3} ({:.3} {:.3} {:.3}; median {:.3}) deg",
            streams.len(),
            j.iter().sum::<f64>() / 3.0,
            j[0],
            j[1],
            j[2],
            median(&mut dj[0]),
            median(&mut dj[1]),
            median(&mut dj[2]),
            t.iter().sum::<f64>() / 3.0,
            t[0],
            t[1],
            t[2],
            median(&mut dt.concat()),
        );
    }
}

fn acceleration_error(field: &impl Potential, galaxy: &Galaxy, streams: &[Stream]) -> (f64, f64) {
    let norm = |y: [f64; 3]| y.iter().map(|c| c * c).sum::<f64>().sqrt();
    let mut errors: Vec<f64> = streams
        .iter()
        .flat_map(|(points, _)| points)
        .map(|point| {
            let (a, exact) = (field.acceleration(point.x), galaxy.acceleration(point.x));
            100.0 * norm([0, 1, 2].map(|i| a[i] - exact[i])) / norm(exact)
        })
        .collect();
    (errors.iter().sum::<f64>() / errors.len() as f64, median(&mut errors))
}

fn main() {
    tch::set_num_threads(1);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = PathBuf::from(&arguments[0]);
    let count: usize = arguments[1].parse().expect("a number of streams");
    let keys: BTreeMap<&str, &str> = arguments[2..].iter().filter_map(|a| a.split_once('=')).collect();
    let text = |key: &str, default: &'static str| keys.get(key).map_or(default.to_owned(), |v| (*v).to_owned());
    let number = |key: &str, default: f64| keys.get(key).map_or(default, |v| v.parse().expect("a number"));

    let name = text("potential", "db98");
    let galaxy = if name == "db98" {
        Galaxy::dehnen_binney_98_1()
    } else {
        Galaxy::piffl_14()
    }
    .expect("a galaxy");
    let arc = number("arcs", 0.0) > 0.0;
    let set = |seed: u64, count: usize, arc: bool| -> Vec<Stream> {
        (0..count as u64).map(|i| stream(&galaxy, seed, i, arc)).collect()
    };
    let tensors = |streams: &[Stream]| {
        let plain: Vec<_> = streams.iter().map(|(points, _)| points.clone()).collect();
        streams_of(&plain).expect("streams")
    };
    let (learn_plain, test_plain) = (set(1, count, arc), set(3, number("test", 256.0) as usize, false));
    let held_plain = set(2, (count / 4).clamp(8, 128), arc);
    let (mut learn, held_out, test) = (tensors(&learn_plain), tensors(&held_plain), tensors(&test_plain));
    let file = folder.join(format!("{name}_labels.json"));
    if number("labels", 0.0) > 0.0 {
        labels(&galaxy, &test_plain, &file, true);
        return;
    }

    let kind = text("field", "none");
    let noise = field::Errors {
        position: 0.0,
        velocity: number("noise", 0.0),
    };
    let errors = (noise.velocity > 0.0).then_some(noise);
    if errors.is_some() {
        learn = field::linear::with_errors(&learn, noise, 9).expect("noise");
    }
    let begin = Instant::now();
    let learned = match kind.as_str() {
        "linear" => Some(Field::Linear(fit_linear(&learn, true, errors).expect("a field").field)),
        "free" => Some(Field::Linear(fit_linear(&learn, false, errors).expect("a field").field)),
        "mlp" => {
            let mut options = field::mlp::Options::for_streams(count);
            options.epochs = number("field_epochs", options.epochs as f64) as usize;
            options.learning_rate = number("field_rate", options.learning_rate);
            options.seed = number("seed", 1.0) as u64;
            let file = folder.join(format!("{name}_{count}_mlp.safetensors"));
            if let Ok(saved) = Weights::load(&file) {
                Some(Field::from_weights(&saved).expect("a field"))
            } else {
                let trained = train_mlp(
                    &learn,
                    Some(&held_out),
                    &options,
                    &mut Checkpoint::none(),
                    &mut Printer(begin),
                );
                let field = Field::Mlp(trained.expect("a field").field);
                field.to_weights().expect("weights").save(&file).expect("a file");
                Some(field)
            }
        }
        _ => None,
    };
    if let Some(field) = &learned {
        let (mean, median) = acceleration_error(field, &galaxy, &test_plain);
        let ridge = if let Field::Linear(field) = field {
            field.ridge
        } else {
            0.0
        };
        let spread = field::energy_spread(field, &field::plain(&held_out).expect("points"));
        println!(
            "field {kind}: {:.1} s, ridge {ridge:.0e}, held-out energy spread {spread:.3}, acceleration error {mean:.4} % (median {median:.4} %)",
            begin.elapsed().as_secs_f64()
        );
    }
    if number("map", 1.0) == 0.0 {
        return;
    }
    let begin = Instant::now();
    let toy = fit_toy(&learn, None, None).expect("a toy");
    println!(
        "toy mass {:.4e}, scale {:.3}: {:.1} s",
        toy.mass(),
        toy.scale_kpc(),
        begin.elapsed().as_secs_f64()
    );
    let bound = |streams: &Streams| toy.unbound(&streams.x, &streams.v).expect("rows").len();
    println!(
        "unbound in the toy: {} held-out, {} test stars",
        bound(&held_out),
        bound(&test)
    );
    let synthetic = if kind == "none" {
        None
    } else {
        let options = field::synthetic::Options {
            copies: number("copies", 6144.0) as usize,
            position: number("px", 0.15),
            velocity: number("pv", 0.15),
            ..field::synthetic::Options::default()
        };
        let made = match &learned {
            Some(field) => synthetic_streams(field, &learn, &toy, &options),
            None => synthetic_streams(&galaxy, &learn, &toy, &options),
        };
        let made = made.expect("synthetic streams");
        println!(
            "{} synthetic streams, {} rejected: {:.1} s",
            made.streams.len(),
            made.rejected,
            begin.elapsed().as_secs_f64()
        );
        Some(made.streams)
    };
    let data = synthetic.as_ref().unwrap_or(&learn);
    let mut options = if synthetic.is_some() {
        smooth::Options::for_synthetic(data.len())
    } else {
        smooth::Options::for_streams(data.len())
    };
    options.single = number("single", 1.0) > 0.0;
    options.shape.width = number("width", options.shape.width as f64) as i64;
    options.epochs = number("epochs", options.epochs as f64) as usize;
    options.batch = number("batch", options.batch as f64) as usize;
    options.learning_rate = number("rate", options.learning_rate);
    options.weight_decay = number("decay", options.weight_decay);
    options.seed = number("seed", 1.0) as u64;
    if text("symmetry", "none") == "axi" {
        options.shape.symmetry = Symmetry::Axisymmetric;
        options.shape.time_reversal = true;
    }
    println!("{options:?}");
    let begin = Instant::now();
    let trained = train(
        data,
        Some(&held_out),
        &toy,
        &options,
        &mut Checkpoint::none(),
        &mut Printer(begin),
    )
    .expect("a map");
    println!("map: {:.0} s", begin.elapsed().as_secs_f64());
    let points = test.toy_points(&toy).expect("bound test stars");
    let (angles, actions) = trained.map.predict(&points);
    let spread = |streams: &Streams| {
        let points = streams.toy_points(&toy).expect("bound").single();
        let actions = trained.map.predict(&points).1.squeeze_dim(-2);
        (&actions - actions.mean_dim(1, true, Kind::Double))
            .abs()
            .mean(Kind::Double)
            .double_value(&[])
    };
    println!(
        "spread of single stars: held-out {:.3}, test {:.3}",
        spread(&held_out),
        spread(&test)
    );
    trained
        .map
        .to_weights()
        .expect("weights")
        .save(&folder.join(format!("{}.safetensors", text("save", "map"))))
        .expect("a file");
    let truths = labels(&galaxy, &test_plain, &file, false);
    let mut known: Vec<f64> = truths.iter().flatten().map(|truth| truth.error).collect();
    println!(
        "{} of {} orbits have a label, median error {:.3}",
        known.len(),
        truths.len(),
        median(&mut known)
    );

    report("streams", &angles, &actions, &test_plain, &truths);
    let (angles, actions) = trained.map.predict(&points.single());
    report(
        "stars",
        &angles.squeeze_dim(-2),
        &actions.squeeze_dim(-2),
        &test_plain,
        &truths,
    );
}
