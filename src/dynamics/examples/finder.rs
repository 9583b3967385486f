//! The action finder beside the Stäckel fudge, one thread: `finder MODEL R_MIN R_MAX ENERGIES LEAST_CIRCULARITY MOMENTA TILTS FILE…` with the name of a
//! galaxy, such as piffl_14, builds a table and judges it by every file of labels: lines of x … vz, J_r, J_z, J_φ, θ_r, θ_z, θ_φ, Ω_r, Ω_z, Ω_φ, the
//! label's error and its class, as `examples/finder_labels.rs` writes them. Labels worse than 0.15 km/s kpc are left out and counted.

mod finder_arguments;

use dynamics::finder::Finder;
use dynamics::o2gf::Class;
use dynamics::phase_space::{Actions, PhaseSpace};
use dynamics::potential::Potential;
use dynamics::staeckel::StaeckelFudge;
use dynamics::units::wrap_difference;
use finder_arguments::Asked;
use std::hint::black_box;
use std::time::Instant;

/// Labels worse than this judge nothing, km/s kpc.
const SHARP: f64 = 0.15;

/// Mean, median and 90th percentile.
fn summary(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        values
            .get((part * values.len() as f64) as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    format!("{mean:.4} | {:.4} | {:.3}", at(0.5), at(0.9))
}

/// Stars per second, the best of many passes.
fn rate(stars: &[PhaseSpace], mut f: impl FnMut(&PhaseSpace)) -> f64 {
    let pass = |_| {
        let start = Instant::now();
        stars.iter().for_each(&mut f);
        stars.len() as f64 / start.elapsed().as_secs_f64()
    };
    (0..60).map(pass).fold(0.0, f64::max)
}

fn misses(actions: &Actions, label: &[f64]) -> [f64; 2] {
    [(actions.r - label[6]).abs(), (actions.z - label[7]).abs()]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Asked {
        model,
        galaxy,
        settings,
        files,
    } = Asked::read()?;
    let start = Instant::now();
    let finder = Finder::build(galaxy.as_ref(), &settings, &|_| {})?;
    println!("{model}: built in {:.1} s", start.elapsed().as_secs_f64());
    let fudge = StaeckelFudge::new(galaxy.as_ref())?;
    for file in files {
        judge(&file, &finder, &fudge)?;
    }
    Ok(())
}

fn judge(
    file: &str,
    finder: &Finder<&dyn Potential>,
    fudge: &StaeckelFudge<&dyn Potential>,
) -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(file)?;
    let (mut found, mut quick, mut fudged) = (Vec::new(), Vec::new(), Vec::new());
    let (mut angles, mut frequencies, mut stars) = (Vec::new(), Vec::new(), Vec::new());
    let (mut covered, mut outside, mut blurred) = ([0usize; 2], 0, 0);
    // |L_z|/L_c, and whether actions and angles are within their errors.
    let mut rounds: Vec<(f64, [bool; 2])> = Vec::new();
    let mut classes = std::collections::BTreeMap::<(&str, &str), usize>::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let label: Vec<f64> = words[..16].iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
        let star = PhaseSpace::new([label[0], label[1], label[2]], [label[3], label[4], label[5]]);
        let Ok(answer) = finder.find(&star) else {
            outside += 1;
            continue;
        };
        stars.push(star);
        let name = match answer.class {
            Class::Regular => "Regular",
            Class::Resonant { .. } => "Resonant",
            Class::Chaotic => "Chaotic",
            Class::NearVertical => "NearVertical",
            Class::Unconverged => "Unconverged",
        };
        let known = ["Regular", "Resonant", "Chaotic", "NearVertical", "Unconverged"];
        let truth = known.iter().find(|known| **known == words[16]).ok_or("no class")?;
        *classes.entry((truth, name)).or_default() += 1;
        if label[15] > SHARP {
            blurred += 1;
            continue;
        }
        let now = answer.action_angle;
        let miss = misses(&now.actions, &label);
        // A label has an error of its own.
        let within = miss[0].max(miss[1]) < answer.action_error.hypot(label[15]);
        found.push(miss);
        quick.push(misses(&finder.actions(&star)?, &label));
        fudged.push(misses(&fudge.actions(&star)?.actions, &label));
        let turned = [
            now.angles.r - label[9],
            now.angles.z - label[10],
            now.angles.phi - label[11],
        ]
        .map(|turn| wrap_difference(turn).abs());
        let within = [within, turned.iter().copied().fold(0.0, f64::max) < answer.angle_error];
        for (covered, within) in covered.iter_mut().zip(within) {
            *covered += usize::from(within);
        }
        rounds.push((finder.circularity(&star).unwrap_or(0.0), within));
        angles.push(turned.map(f64::to_degrees));
        frequencies.push([
            (now.frequencies.r / label[12] - 1.0).abs(),
            (now.frequencies.z / label[13] - 1.0).abs(),
            (now.frequencies.phi / label[14] - 1.0).abs(),
        ]);
    }
    let count = found.len();
    println!("{file}: {count} judged, {outside} not in the table, {blurred} labels blurred; mean | median | p90");
    for (name, misses) in [("finder", &found), ("fast", &quick), ("fudge", &fudged)] {
        let of = |k: usize| summary(misses.iter().map(|miss| miss[k]).collect());
        println!("  {name}: J_r {} J_z {}", of(0), of(1));
    }
    for (low, high) in [(0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.7), (0.7, 0.95), (0.95, 1.1)] {
        let inside = |(_, (round, _)): &(usize, &(f64, [bool; 2]))| (low..high).contains(round);
        let rows: Vec<usize> = rounds.iter().enumerate().filter(inside).map(|(row, _)| row).collect();
        if rows.is_empty() {
            continue;
        }
        let of = |k: usize| summary(rows.iter().map(|&row| found[row][k]).collect());
        let share = |k: usize| 100 * rows.iter().filter(|&&row| rounds[row].1[k]).count() / rows.len();
        println!(
            "  |L_z|/L_c {low} to {high}: {} stars, J_r {} J_z {}, within {} %, angles {} %",
            rows.len(),
            of(0),
            of(1),
            share(0),
            share(1)
        );
    }
    for (k, name) in ["r", "z", "φ"].iter().enumerate() {
        println!(
            "  θ_{name} (degrees) {} Ω_{name} (relative) {}",
            summary(angles.iter().map(|turn| turn[k]).collect()),
            summary(frequencies.iter().map(|miss| 1e3 * miss[k]).collect())
        );
    }
    println!(
        "  within the stated error (with the label's own): actions {:.1} %, angles {:.1} %",
        100.0 * covered[0] as f64 / count as f64,
        100.0 * covered[1] as f64 / count as f64
    );
    for ((truth, ours), many) in &classes {
        println!("  class {truth} by O2GF, {ours} here: {many}");
    }
    println!(
        "  stars per second: finder {:.3e}, fast {:.3e}, fudge {:.3e}",
        rate(&stars, |star| {
            let _ = black_box(finder.find(star));
        }),
        rate(&stars, |star| {
            let _ = black_box(finder.actions(star));
        }),
        rate(&stars, |star| {
            let _ = black_box(fudge.actions(star));
        })
    );
    Ok(())
}
