//! Times of torus mapping, one thread: `tori MODEL TOLERANCE < actions`, with J_r, J_z, J_φ in km/s kpc on every line of standard
//! input; prints seconds, ΔH/H and the number of modes for each, or `failed` and why; and the processor time of one pass over
//! all at the end. `benches/tori.py` sets the peer beside them.

use dynamics::phase_space::Actions;
use dynamics::potential::Galaxy;
use dynamics::torus::{Settings, Torus};
use std::io::Read;
use std::time::Instant;

/// Passes over all actions are repeated for this long, s.
const LEAST_SECONDS: f64 = 2.0;

/// Processor time of this thread in s, which others on the machine do not lengthen, if Linux tells: in steps of some milliseconds.
fn processor_seconds() -> Option<f64> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(1e-9 * schedule.split_whitespace().next()?.parse::<f64>().ok()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("which model?")?;
    let tolerance: f64 = arguments.next().ok_or("which tolerance?")?.parse()?;
    let galaxy = match model.as_str() {
        "piffl_14" => Galaxy::piffl_14()?,
        "dehnen_binney_98_1" => Galaxy::dehnen_binney_98_1()?,
        _ => return Err("piffl_14 or dehnen_binney_98_1".into()),
    };
    let settings = Settings::within(tolerance);
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut actions = Vec::new();
    for line in text.lines() {
        let numbers = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()?;
        let [r, z, phi] = numbers[..] else {
            return Err("three numbers a line".into());
        };
        actions.push(Actions { phi, z, r });
    }
    let pass = || {
        for actions in &actions {
            std::hint::black_box(Torus::new(&galaxy, actions, &settings).is_ok());
        }
    };
    // The clock's steps are long beside one pass over easy tori.
    let (before, start, mut passes) = (processor_seconds(), Instant::now(), 0);
    while start.elapsed().as_secs_f64() < LEAST_SECONDS {
        pass();
        passes += 1;
    }
    let total = processor_seconds()
        .zip(before)
        .map(|(after, before)| (after - before) / f64::from(passes));
    for actions in &actions {
        // The least of three times: others use the machine too.
        let mut least = f64::INFINITY;
        let mut made = None;
        for _ in 0..3 {
            let start = Instant::now();
            made = Some(Torus::new(&galaxy, actions, &settings));
            least = least.min(start.elapsed().as_secs_f64());
        }
        match made {
            Some(Ok(torus)) => println!("{least:.6} {:.2e} {}", torus.dispersion(), torus.modes()),
            Some(Err(error)) => println!("{least:.6} failed {error}"),
            None => {}
        }
    }
    if let Some(total) = total {
        println!("total {total:.6}");
    }
    Ok(())
}
