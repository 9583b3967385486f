//! How well a model can be a galaxy where its streams' stars are: a fit to the true accelerations there.

use dynamics::potential::Potential;
use dynamics::streams::{Model, Settings};
use dynamics::vector::norm;

use crate::{Failure, RADII, force_errors, truth};

/// Fits to accelerations with errors of `error` of their size, and prints what is off elsewhere.
pub fn base(
    potential: &dyn Potential,
    places: &[([f64; 3], [f64; 3])],
    settings: &Settings,
    error: f64,
) -> Result<Vec<f64>, Failure> {
    let radii: Vec<f64> = places.iter().map(|(x, _)| norm(*x)).collect();
    let (low, high) = radii
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(a, b), r| (a.min(*r), b.max(*r)));
    let model = Model::new(low.max(1.0), high.max(2.0), settings);
    let n = model.parameters.len();
    let mut values = model.means();
    let residuals = |values: &[f64]| -> Option<Vec<f64>> {
        let galaxy = model.galaxy(values)?;
        Some(
            places
                .iter()
                .flat_map(|(x, a)| {
                    let found = galaxy.acceleration(*x);
                    let size = error * norm(*a);
                    [0, 1, 2].map(|k| (a[k] - found[k]) / size)
                })
                .collect(),
        )
    };
    let cost = |values: &[f64]| {
        let prior: f64 = model
            .parameters
            .iter()
            .zip(values)
            .map(|(p, v)| ((v - p.mean) / p.deviation).powi(2))
            .sum();
        residuals(values).map_or(f64::INFINITY, |r| r.iter().map(|r| r * r).sum::<f64>() + prior)
    };
    let mut damping = 1e-2;
    let mut matrix = vec![vec![0.0; n]; n];
    for _ in 0..150 {
        let here = residuals(&values).ok_or("no galaxy")?;
        let columns: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let mut moved = values.clone();
                let step = 1e-4 * model.parameters[i].step;
                moved[i] += step;
                let there = residuals(&moved).unwrap_or_else(|| here.clone());
                there.iter().zip(&here).map(|(t, h)| (h - t) / step).collect()
            })
            .collect();
        let mut side = vec![0.0; n];
        for i in 0..n {
            for j in 0..n {
                matrix[i][j] = columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).sum();
            }
            let p = &model.parameters[i];
            matrix[i][i] += p.deviation.powi(-2);
            side[i] = columns[i].iter().zip(&here).map(|(a, b)| a * b).sum::<f64>()
                + p.deviation.powi(-2) * (p.mean - values[i]);
        }
        loop {
            let mut damped = matrix.clone();
            for (i, row) in damped.iter_mut().enumerate() {
                row[i] *= 1.0 + damping;
            }
            let step = solve(damped, side.clone());
            let moved: Vec<f64> = values.iter().zip(&step).map(|(v, s)| v + s).collect();
            if cost(&moved) < cost(&values) {
                values = moved;
                damping *= 0.3;
                break;
            }
            damping *= 4.0;
            if damping > 1e8 {
                break;
            }
        }
        if damping > 1e8 {
            break;
        }
    }
    let galaxy = model.galaxy(&values).ok_or("no galaxy")?;
    let (force, radial) = force_errors(&galaxy, places);
    print!(
        "  cost {:.1} force {force:.2} radial {radial:+.2} | off %, sigma:",
        cost(&values)
    );
    for radius in RADII {
        let at = |values: &[f64]| model.galaxy(values).map(|galaxy| truth(&galaxy, radius));
        let (found, of) = (truth(&galaxy, radius), truth(potential, radius));
        print!("  {radius}:");
        for k in 0..3 {
            let gradient: Vec<f64> = (0..n)
                .map(|i| {
                    let mut moved = values.clone();
                    let step = 1e-3 * model.parameters[i].step;
                    moved[i] += step;
                    at(&moved).map_or(0.0, |moved| (moved[k] - found[k]) / step)
                })
                .collect();
            let solved = solve(matrix.clone(), gradient.clone());
            let error = solved
                .iter()
                .zip(&gradient)
                .map(|(a, b)| a * b)
                .sum::<f64>()
                .max(0.0)
                .sqrt();
            print!(
                " {:+.2}({:.2})",
                100.0 * (found[k] / of[k] - 1.0),
                100.0 * error / of[k]
            );
        }
    }
    println!();
    let named = model.parameters.iter().zip(&values);
    let text: Vec<String> = named
        .map(|(p, v)| format!("{} {:+.1}", p.name, (v - p.mean) / p.deviation))
        .collect();
    println!("    {}", text.join(", "));
    Ok(values)
}

fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))
            .unwrap_or(i);
        a.swap(i, pivot);
        b.swap(i, pivot);
        for j in i + 1..n {
            let f = a[j][i] / a[i][i];
            for k in i..n {
                a[j][k] -= f * a[i][k];
            }
            b[j] -= f * b[i];
        }
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    b
}
