//! Body of `tabulate_field`.

use std::f64::consts::{PI, TAU};

use dynamics::potential::Potential;
use dynamics::units::GRAVITATIONAL_CONSTANT;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::apply::tabulate_field::{Content, Ring, TabulateField, circular_speed, curve, meridian};
use stages::common::io::TableContext;
use stages::common::potentials;

use crate::common::field::LearnedField;
use crate::common::{load, parameters, prepare};

/// Tabulates a field.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: TabulateField = parameters(value)?;
    prepare(context);
    let field = LearnedField::from_weights(&load(context, "field")?)?;
    let truth = with
        .potential
        .as_ref()
        .map(|potential| potentials::build(potential, context, "potential"))
        .transpose()?;
    let content = Content {
        potential: field.has_potential(),
        truth: truth.is_some(),
    };
    let count = with.points as usize;
    let radii = between(with.from.get(), with.to.get(), count);
    let plane: Vec<(f64, f64)> = radii.iter().map(|&radius| (radius, 0.0)).collect();
    let rings = rings(&field, truth.as_deref(), &plane, with.azimuths as usize)?;
    let mean = |rings: &[Ring], f: fn(&Ring) -> f64| rings.iter().map(f).sum::<f64>() / rings.len() as f64;
    if truth.is_some() {
        let error = mean(&rings, |ring| (ring.speed() / ring.true_speed() - 1.0).abs());
        context.metric("v_c_error", 100.0 * error, "%");
    }
    context.write_rows("curve", &curve(content), &rings)?;

    let few = (count / 4).max(2);
    let heights = between(-with.height.get(), with.height.get(), few);
    let radii = between(with.from.get(), with.to.get(), few);
    let places: Vec<(f64, f64)> = heights
        .iter()
        .flat_map(|&z| radii.iter().map(move |&radius| (radius, z)))
        .collect();
    let rings = self::rings(&field, truth.as_deref(), &places, with.azimuths as usize)?;
    context.metric("curl", mean(&rings, |ring| ring.curl), "");
    if truth.is_some() {
        context.metric("grid_error", mean(&rings, |ring| ring.error), "%");
    }
    context.write_rows("meridian", &meridian(content), &rings)?;
    Ok(Outcome::Complete)
}

/// `count` numbers from `low` to `high`.
fn between(low: f64, high: f64, count: usize) -> Vec<f64> {
    let step = (high - low) / (count.max(2) - 1) as f64;
    (0..count).map(|n| low + step * n as f64).collect()
}

/// A place and its neighbours, and the accelerations there.
type Around<'a> = (&'a [[f64; 3]], &'a [[f64; 3]]);

/// Step of the differences, relative to the distance from the centre: the disc of a galaxy is a hundredth as thick as it is wide.
const STEP: f64 = 1e-3;

fn rings(
    field: &LearnedField,
    truth: Option<&dyn Potential>,
    places: &[(f64, f64)],
    azimuths: usize,
) -> Result<Vec<Ring>, StageError> {
    // Each place comes with four neighbours along each axis: differences of fourth order give all derivatives.
    let mut points = Vec::new();
    for &(radius, z) in places {
        let step = STEP * radius.hypot(z);
        for azimuth in 0..azimuths {
            let (sin, cos) = (TAU * azimuth as f64 / azimuths as f64).sin_cos();
            let centre = [radius * cos, radius * sin, z];
            points.push(centre);
            for axis in 0..3 {
                for shift in [-2.0, -1.0, 1.0, 2.0] {
                    let mut moved = centre;
                    moved[axis] += shift * step;
                    points.push(moved);
                }
            }
        }
    }
    let found = field.at(&points)?;
    let all = points
        .chunks_exact(13 * azimuths)
        .zip(found.chunks_exact(13 * azimuths));
    let ring = |(&place, (points, found)): (&(f64, f64), Around)| {
        let stars: Vec<_> = points.chunks_exact(13).zip(found.chunks_exact(13)).collect();
        let mean = |of: &dyn Fn([f64; 3]) -> f64| {
            stars.iter().map(|(points, _)| of(points[0])).sum::<f64>() / stars.len() as f64
        };
        Ring {
            potential: mean(&|x| field.potential(x)),
            true_potential: mean(&|x| truth.map_or(0.0, |truth| truth.potential(x))),
            ..ring(place, &stars, truth)
        }
    };
    Ok(places.iter().zip(all).map(ring).collect())
}

fn ring(place: (f64, f64), around: &[Around], truth: Option<&dyn Potential>) -> Ring {
    let (radius, z) = place;
    let distance = radius.hypot(z);
    let step = STEP * distance;
    let norm = |y: [f64; 3]| y.iter().map(|c| c * c).sum::<f64>().sqrt();
    let share = 1.0 / around.len() as f64;
    let mut made = Ring {
        place,
        ..Ring::default()
    };
    let mut speeds = Vec::new();
    for (points, found) in around {
        let (x, a) = (points[0], found[0]);
        let (cos, sin) = (x[0] / radius, x[1] / radius);
        let outwards = a[0] * cos + a[1] * sin;
        let own = [outwards, a[1] * cos - a[0] * sin, a[2]];
        speeds.push(circular_speed(radius, outwards));
        // slope[j][i] = ∂a_i/∂x_j
        let slope = [0, 1, 2].map(|axis| {
            let at = &found[1 + 4 * axis..5 + 4 * axis];
            [0, 1, 2].map(|i| (at[0][i] - 8.0 * at[1][i] + 8.0 * at[2][i] - at[3][i]) / (12.0 * step))
        });
        let curl = [
            slope[1][2] - slope[2][1],
            slope[2][0] - slope[0][2],
            slope[0][1] - slope[1][0],
        ];
        let divergence = slope[0][0] + slope[1][1] + slope[2][2];
        for (sum, value) in made.a.iter_mut().zip(own) {
            *sum += value * share;
        }
        made.curl += norm(curl) * distance / norm(a) * share;
        made.density -= divergence / (4.0 * PI * GRAVITATIONAL_CONSTANT) * share;
        if let Some(potential) = truth {
            let exact = potential.acceleration(x);
            made.truth[0] += (exact[0] * cos + exact[1] * sin) * share;
            made.truth[1] += exact[2] * share;
            made.true_density += potential.density(x) * share;
            made.error += 100.0 * norm([0, 1, 2].map(|i| a[i] - exact[i])) / norm(exact) * share;
        }
    }
    let mean = speeds.iter().sum::<f64>() * share;
    made.spread = (speeds.iter().map(|speed| (speed - mean).powi(2)).sum::<f64>() * share).sqrt();
    made
}
