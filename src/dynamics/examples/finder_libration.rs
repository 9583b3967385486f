//! Libration actions of trapped stars beside areas of islands: `finder_libration MODEL R_MIN R_MAX ENERGIES LEAST_CIRCULARITY MOMENTA TILTS FILE…`, with files as
//! `examples/finder.rs` reads. The orbit of every star that the table calls trapped is followed, and where it crosses z = 0 upwards it draws islands
//! in R and v_R, each of 2π times the action of the libration. What does not swing, J_z + |n_z|/n_r J_r, is put beside the label's.

mod finder_arguments;

use dynamics::finder::Finder;
use dynamics::o2gf::Class;
use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::units::Gyr;
use finder_arguments::Asked;
use std::f64::consts::TAU;

/// Radial periods, and points in each.
const PERIODS: f64 = 3000.0;
const DENSITY: f64 = 60.0;

/// R and v_R where the orbit crosses z = 0 upwards: by cubics through both ends of a step.
fn section(galaxy: &dyn Potential, star: &PhaseSpace, rate: f64) -> Result<Vec<[f64; 2]>, Box<dyn std::error::Error>> {
    // kpc/(km/s) in Gyr.
    const GYR: f64 = 0.977_792_221;
    let step = TAU / rate / DENSITY;
    let times: Vec<Gyr> = (0..(PERIODS * DENSITY) as usize)
        .map(|i| Gyr(GYR * step * i as f64))
        .collect();
    let points = dense::integrate(galaxy, star, &times, 1e-11)?.points;
    let mut crossings = Vec::new();
    for pair in points
        .windows(2)
        .filter(|pair| pair[0].x[2] < 0.0 && pair[1].x[2] >= 0.0)
    {
        let at = |t: f64| -> PhaseSpace {
            let [from, to] = [&pair[0], &pair[1]];
            let (a, b) = (galaxy.acceleration(from.x), galaxy.acceleration(to.x));
            let cubic = |v: [f64; 2], s: [f64; 2]| {
                let u = 1.0 - t;
                u * u * (v[0] * (1.0 + 2.0 * t) + s[0] * step * t) + t * t * (v[1] * (1.0 + 2.0 * u) - s[1] * step * u)
            };
            PhaseSpace::new(
                [0, 1, 2].map(|k| cubic([from.x[k], to.x[k]], [from.v[k], to.v[k]])),
                [0, 1, 2].map(|k| cubic([from.v[k], to.v[k]], [a[k], b[k]])),
            )
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if at(middle).x[2] < 0.0 {
                low = middle
            } else {
                high = middle
            }
        }
        let PhaseSpace { x, v } = at(high);
        let radius = x[0].hypot(x[1]);
        crossings.push([radius, (x[0] * v[0] + x[1] * v[1]) / radius]);
    }
    Ok(crossings)
}

/// The area of an island over 2π, the mean of `islands` that the crossings go through in turn. They walk slowly around each of them: its edge is what
/// they draw in whole turns. Nothing where they do not walk.
fn area(section: &[[f64; 2]], islands: usize) -> Option<f64> {
    let mut total = 0.0;
    for island in 0..islands {
        let points: Vec<[f64; 2]> = section.iter().skip(island).step_by(islands).copied().collect();
        let range = |k: usize| {
            let values = points.iter().map(|point| point[k]);
            values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
        };
        let [width, height] = [range(0), range(1)];
        let ways: Vec<[f64; 2]> = points
            .windows(2)
            .map(|pair| [(pair[1][0] - pair[0][0]) / width, (pair[1][1] - pair[0][1]) / height])
            .collect();
        // By how much the way has turned.
        let mut turned = vec![0.0];
        for pair in ways.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            let turn = (a[0] * b[1] - a[1] * b[0]).atan2(a[0] * b[0] + a[1] * b[1]);
            turned.push(turned[turned.len() - 1] + turn);
        }
        let loops = (turned.last()?.abs() / TAU).floor();
        let end = turned.iter().position(|turned| turned.abs() >= TAU * loops)?;
        if loops < 1.0 || (end as f64) < 8.0 * loops {
            return None;
        }
        let around = &points[..end];
        let next = around.iter().cycle().skip(1);
        let twice: f64 = around.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum();
        total += 0.5 * twice.abs() / loops / TAU;
    }
    Some(total / islands as f64)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Asked {
        model,
        galaxy,
        settings,
        files,
    } = Asked::read()?;
    let finder = Finder::build(galaxy.as_ref(), &settings, &|_| {})?;
    println!("{model}: n_r n_z, by O2GF | J_l, the island's | J_s, O2GF's");
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let label: Vec<f64> = words[..16].iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
            let star = PhaseSpace::new([label[0], label[1], label[2]], [label[3], label[4], label[5]]);
            let Ok(found) = finder.find(&star) else { continue };
            let (Class::Resonant { n_r, n_z }, Some(libration)) = (found.class, found.libration) else {
                continue;
            };
            let (mut a, mut b) = (n_r.unsigned_abs(), n_z.unsigned_abs());
            while b > 0 {
                (a, b) = (b, a % b);
            }
            let section = section(galaxy.as_ref(), &star, found.action_angle.frequencies.r)?;
            let island = area(&section, (n_r.unsigned_abs() / a) as usize);
            let sharp = label[7] + f64::from(n_z.abs()) / f64::from(n_r) * label[6];
            println!(
                "{n_r} {n_z}, {} | {:.4}, {} | {:.3}, {sharp:.3} (label to {:.2})",
                words[16],
                libration.action,
                island.map_or("none".into(), |area| format!("{area:.4}")),
                libration.sharp,
                label[15],
            );
        }
    }
    Ok(())
}
