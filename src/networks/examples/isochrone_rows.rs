//! The rows of Ibata et al. (2021), section 6.1, on exact isochrone orbits: prints errors and times.
//!
//! `cargo run -p networks --example isochrone_rows -- [train streams] [test streams] [mass factor] [scale factor] [epochs] [width] [batch] [rate] [refresh] [soap] [single]`

use std::time::Instant;

use networks::isochrone::{G, Isochrone};
use networks::smooth::{Options, Streams, train};
use networks::soap::Optimiser;
use networks::training::{Unwatched, generator};
use networks::weights::Checkpoint;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

/// Halo streams: radius in [6, 16] kpc, speed |N(0, 150 km/s)|, both isotropic; 8 stars at random times within 0.1 Gyr.
fn streams(truth: &Isochrone, count: usize, seed: u64) -> Streams {
    let mut random = generator(seed, "example streams", 0);
    let (mut x, mut v, mut t) = (Vec::new(), Vec::new(), Vec::new());
    while t.len() < 8 * count {
        let mut direction = || {
            let d: [f64; 3] = std::array::from_fn(|_| StandardNormal.sample(&mut random));
            let norm = d.iter().map(|c| c * c).sum::<f64>().sqrt();
            d.map(|c| c / norm)
        };
        let (dx, dv) = (direction(), direction());
        let r: f64 = random.random_range(6.0..16.0);
        let normal: f64 = StandardNormal.sample(&mut random);
        let energy = (normal * 150.0).powi(2) / 2.0 - 3.334e11 * G / (5.0 + (r * r + 25.0).sqrt());
        // Orbits that could go much further are left out, as in the pipelines.
        if energy > -3.334e11 * G / (5.0 + (80.0_f64 * 80.0 + 25.0).sqrt()) {
            continue;
        }
        x.extend(dx.map(|c| c * r));
        v.extend(dv.map(|c| c * (normal * 150.0).abs()));
        // In kpc/(km/s).
        t.extend((0..8).map(|_| random.random_range(0.0..0.1) * 1.022_712_165_053_707_7));
    }
    let shape = [count as i64, 1, 3];
    let found = truth.from_cartesian(&Tensor::from_slice(&x).view(shape), &Tensor::from_slice(&v).view(shape));
    let found = found.expect("bound orbits");
    let t = Tensor::from_slice(&t).view([count as i64, 8, 1]);
    let angles = &found.angles + &found.frequencies * t;
    let (x, v) = truth.to_cartesian(&angles, &found.actions.expand_as(&angles));
    Streams::new(x, v)
}

fn main() {
    tch::set_num_threads(1);
    let argument = |index: usize, default: f64| {
        std::env::args()
            .nth(index)
            .map_or(default, |a| a.parse().expect("a number"))
    };
    let (mass, scale) = (3.334e11, 5.0);
    let truth = Isochrone::new(mass, scale, Device::Cpu);
    let learn = streams(&truth, argument(1, 512.0) as usize, 1);
    let test = streams(&truth, argument(2, 512.0) as usize, 2);
    let toy = Isochrone::new(mass * argument(3, 1.1), scale * argument(4, 1.1), Device::Cpu);
    let mut options = Options::for_streams(learn.len());
    options.epochs = argument(5, options.epochs as f64) as usize;
    options.shape.width = argument(6, options.shape.width as f64) as i64;
    options.batch = argument(7, options.batch as f64) as usize;
    options.learning_rate = argument(8, options.learning_rate);
    options.refresh = argument(9, options.refresh as f64) as usize;
    if argument(10, 0.0) > 0.0 {
        options.optimiser = Optimiser::Soap;
    }
    options.single = argument(11, 0.0) > 0.0;
    let begin = Instant::now();
    let trained = match train(
        &learn,
        Some(&test),
        &toy,
        &options,
        &mut Checkpoint::none(),
        &mut Unwatched,
    ) {
        Ok(trained) => trained,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    let wall = begin.elapsed().as_secs_f64();
    for record in trained
        .history
        .iter()
        .filter(|r| r.epoch % (options.epochs / 8).max(1) == 0)
    {
        println!(
            "{:5} train {:.4} validation {:.4} {:.1} s",
            record.epoch, record.train_loss, record.validation_loss, record.seconds
        );
    }
    let expected = truth.from_cartesian(&test.x, &test.v).expect("bound");
    let points = test.toy_points(&trained.map.toy).expect("bound");
    let begin = Instant::now();
    let together = trained.map.predict(&points);
    let predict = begin.elapsed().as_secs_f64();
    let (angles, actions) = trained.map.predict(&points.single());
    for (name, (angles, actions)) in [
        ("streams", together),
        ("stars  ", (angles.squeeze_dim(-2), actions.squeeze_dim(-2))),
    ] {
        let dj = (actions - &expected.actions).abs();
        let turn = std::f64::consts::TAU;
        let dt = (angles - &expected.angles) / turn;
        let dt = ((&dt - dt.round()) * 360.0).abs();
        let mean =
            |d: &Tensor| Vec::<f64>::try_from(d.mean_dim([0, 1].as_slice(), false, Kind::Double)).expect("three");
        let relative = dj.mean(Kind::Double) / expected.actions.abs().mean(Kind::Double);
        println!(
            "{name} dJ {:.4} {:.3?} median {:.4} relative {:.1e}  dtheta {:.4} {:.3?} median {:.4}",
            dj.mean(Kind::Double).double_value(&[]),
            mean(&dj),
            dj.median().double_value(&[]),
            relative.double_value(&[]),
            dt.mean(Kind::Double).double_value(&[]),
            mean(&dt),
            dt.median().double_value(&[]),
        );
    }
    println!("training {wall:.1} s, prediction {predict:.2} s");
}
