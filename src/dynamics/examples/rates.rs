//! Rates of the dynamics kernels on one thread, as `name value` lines; `benches/dynamics.py` sets the peer beside them.

use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Galaxy, Potential};
use dynamics::sample;
use dynamics::staeckel::StaeckelFudge;
use dynamics::statistics::median;
use dynamics::units::Gyr;
use std::hint::black_box;
use std::time::Instant;

/// Points per second, the best of `repeats` passes over `points`.
fn rate(points: &[PhaseSpace], repeats: usize, mut f: impl FnMut(&PhaseSpace)) -> f64 {
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            points.iter().for_each(&mut f);
            points.len() as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let galaxy = Galaxy::piffl_14()?;
    let mut random = sample::generator(3, 0);
    let points: Vec<PhaseSpace> = sample::halo(&mut random, 2100)
        .into_iter()
        .filter(|point| galaxy.energy(point) < 0.0)
        .take(2000)
        .collect();
    // The same points for the peer.
    if let Some(path) = std::env::args().nth(1) {
        let rows: Vec<String> = points
            .iter()
            .map(|p| {
                [p.x, p.v]
                    .concat()
                    .iter()
                    .map(|c| format!("{c:.17e}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        std::fs::write(path, rows.join("\n"))?;
    }
    let force = rate(&points, 50, |point| {
        black_box(galaxy.acceleration(point.x));
    });
    println!("force {force:.4e}");
    let fudge = StaeckelFudge::new(&galaxy)?;
    let first = Instant::now();
    for point in &points {
        fudge.actions(point)?;
    }
    println!("fudge_first_pass_s {:.3}", first.elapsed().as_secs_f64());
    let full = rate(&points[..100], 100, |point| {
        let _ = black_box(fudge.actions(point));
    });
    println!("fudge_with_angles {full:.4e}");
    for tolerance in [1e-8, 1e-10, 1e-12] {
        let mut worst: Vec<f64> = Vec::new();
        let orbits = rate(&points[..200], 1, |point| {
            if let Ok(orbit) = dense::integrate(&galaxy, point, &[Gyr(1.0)], tolerance) {
                worst.push(orbit.energy_error);
            }
        });
        println!(
            "orbits_1gyr_{tolerance:e} {orbits:.4e} median_dE {:.1e}",
            median(worst).unwrap_or(f64::NAN)
        );
    }
    Ok(())
}
