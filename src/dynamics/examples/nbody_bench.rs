//! One force evaluation of a Plummer sphere, timed. `benches/nbody.py` runs it beside falcON.
//!
//! `nbody_bench POSITIONS FIELD SOFTENING REPEATS OPENING...`: positions in f64, three by three, with equal masses of total
//! 1/G; writes acceleration and potential of the last opening, four by four, and prints one line for each opening.

use dynamics::nbody::{Gravity, Precision, Settings};
use dynamics::units::GRAVITATIONAL_CONSTANT;
use std::time::Instant;

/// Processor time of this process so far in seconds, all threads together; 0 where the system does not say.
fn processor_time() -> f64 {
    // Linux: nanoseconds on a processor come first.
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    threads.filter_map(nanoseconds).sum::<f64>() * 1e-9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [positions, field, softening, repeats, openings @ ..] = arguments.as_slice() else {
        return Err("usage: nbody_bench POSITIONS FIELD SOFTENING REPEATS OPENING...".into());
    };
    let numbers: Vec<f64> = (std::fs::read(positions)?.chunks_exact(8))
        .map(|bytes| Ok(f64::from_le_bytes(bytes.try_into()?)))
        .collect::<Result<_, std::array::TryFromSliceError>>()?;
    let positions: Vec<[f64; 3]> = numbers.chunks_exact(3).map(|x| [x[0], x[1], x[2]]).collect();
    let masses = vec![1.0 / GRAVITATIONAL_CONSTANT / positions.len() as f64; positions.len()];
    let mut settings = Settings {
        softening: softening.parse()?,
        ..Settings::default()
    };
    if std::env::var("PRECISION").as_deref() == Ok("double") {
        settings.precision = Precision::Double;
    }
    let mut gravity = Gravity::default();
    for opening in openings {
        // ORDER:OPENING, or the opening alone at the usual order.
        let (order, angle) = opening.split_once(':').unwrap_or(("3", opening));
        (settings.order, settings.opening) = (order.parse()?, angle.parse()?);
        for _ in 0..repeats.parse()? {
            let (start, before) = (Instant::now(), processor_time());
            gravity.evaluate(&positions, &masses, &settings)?;
            let (wall, used) = (start.elapsed().as_secs_f64(), processor_time() - before);
            println!("opening {opening} wall {wall:.3} processor {used:.3}");
        }
    }
    let bytes: Vec<u8> = (gravity.acceleration.iter().zip(&gravity.potential))
        .flat_map(|(a, phi)| [a[0], a[1], a[2], *phi])
        .flat_map(f64::to_le_bytes)
        .collect();
    std::fs::write(field, bytes)?;
    Ok(())
}
