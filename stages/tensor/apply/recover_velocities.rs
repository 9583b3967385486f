//! Body of `recover_velocities`.

use dynamics::phase_space::PhaseSpace;
use dynamics::sky::Observables;
use networks::region::Region;
use networks::sky::Sun;
use networks::smooth::SmoothMap;
use networks::velocities::{Found, Sightlines, recover, steps};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::apply::recover_velocities::{Completed, RecoverVelocities, V_LOS, completed, recovered};
use stages::common::columns::OBSERVABLES;
use stages::common::io::{self, TableContext};
use stages::common::layout::StarId;
use stages::common::quantities::Quantity;
use stages::common::set_aside::SetAside;
use stages::common::sun;
use tables::RecordBatch;
use tch::Tensor;

use crate::common::inside::{Doubtful, look_inside};
use crate::common::stretch::three;
use crate::common::{failed, load, parameters, prepare};

/// Completes a table.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: RecoverVelocities = parameters(value)?;
    let device = prepare(context);
    let weights = load(context, "network")?;
    let region = Region::from_weights(&weights).map_err(failed)?;
    let map = SmoothMap::from_weights(&weights, device).map_err(failed)?;
    let table = context.read_table("stars")?;
    let ids = io::star_ids(&table)?;
    let stream: Vec<i64> = ids.iter().map(|id| id.stream).collect();
    let known = known(&table, &with, &stream)?;
    let sun = sun::agreed("stars", table.schema_ref(), with.sun).map_err(StageError::failed)?;
    let sun = Sun::from(dynamics::sky::Sun::from(&sun));
    let columns: Vec<Tensor> = OBSERVABLES
        .iter()
        .map(|column| match column.name == V_LOS.name {
            true => Ok(Tensor::zeros([ids.len() as i64], (tch::Kind::Double, tch::Device::Cpu))),
            false => Ok(Tensor::from_slice(io::column(&table, column.name)?)),
        })
        .collect::<Result<_, StageError>>()?;
    let six = Tensor::stack(&columns, -1).to_device(device);
    let (x, v) = sun.to_cartesian(&six);
    let one = Tensor::from_slice(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).to_device(device);
    let along = sun.to_cartesian(&(&six + one)).1 - &v;
    let stars = Sightlines {
        stream,
        x,
        v,
        along,
        known,
    };
    let progress = context.progress(steps() as u64, "steps");
    let found = recover(&map, &stars, &mut |done| progress.at(done as u64, "")).map_err(failed)?;
    write(context, &with, &table, &stars, &found, &ids, (&map, region.as_ref()))
}

/// The measured velocities that are used.
fn known(table: &RecordBatch, with: &RecoverVelocities, stream: &[i64]) -> Result<Vec<Option<f64>>, StageError> {
    let there = tables::optional_f64_column(table, V_LOS.name).map_err(StageError::failed)?;
    let mut known = there.unwrap_or_else(|| vec![None; stream.len()]);
    if let Some(most) = with.known_stars {
        let mut seen = std::collections::HashMap::new();
        for (stream, value) in stream.iter().zip(&mut known).filter(|(_, value)| value.is_some()) {
            let count: &mut u32 = seen.entry(stream).or_default();
            *count += 1;
            if *count > most {
                *value = None;
            }
        }
    }
    Ok(known)
}

fn write(
    context: &StageContext,
    with: &RecoverVelocities,
    table: &RecordBatch,
    stars: &Sightlines,
    found: &[Found],
    ids: &[StarId],
    (map, region): (&SmoothMap, Option<&Region>),
) -> Result<Outcome, StageError> {
    let velocity = |row: usize| match found[row] {
        Found::Known => stars.known[row],
        Found::Recovered(u, deviation) => Some(u).filter(|u| u.is_finite() && deviation.is_finite()),
        Found::Unbound | Found::Alone => None,
    };
    let u: Vec<f64> = (0..found.len()).map(|row| velocity(row).unwrap_or(0.0)).collect();
    let along = Tensor::from_slice(&u).to_device(stars.x.device()).unsqueeze(-1) * &stars.along;
    let v = &stars.v + along;
    let mut inside = vec![None; found.len()];
    let rows: Vec<usize> = (0..found.len()).filter(|&row| velocity(row).is_some()).collect();
    if let Some(region) = region.filter(|_| !rows.is_empty()) {
        let index: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let index = Tensor::from_slice(&index).to_device(v.device());
        let mut known = vec![None; rows.len()];
        look_inside(
            &mut known,
            map,
            region,
            &stars.x.index_select(0, &index),
            &v.index_select(0, &index),
        )?;
        rows.iter().zip(known).for_each(|(&row, known)| inside[row] = known);
    }
    let (x, v) = (three(&stars.x)?, three(&v)?);
    let seen = OBSERVABLES.map(|column| match column.name == V_LOS.name {
        true => Ok(u.as_slice()),
        false => io::column(table, column.name),
    });
    let seen = seen.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of_row = |row: usize| Completed {
        id: ids[row],
        seen: Observables::of(std::array::from_fn(|n| seen[n][row])),
        point: PhaseSpace::new(x.each_ref().map(|x| x[row]), v.each_ref().map(|v| v[row])),
        deviation: match found[row] {
            Found::Recovered(_, deviation) => Some(deviation),
            _ => None,
        },
        inside: inside[row],
    };
    let whole: Vec<Completed> = rows.into_iter().map(of_row).collect();
    context.write_rows("stars", &completed(), &whole)?;
    let new: Vec<Completed> = whole.into_iter().filter(|star| star.deviation.is_some()).collect();
    context.write_rows("recovered", &recovered(), &new)?;
    let mut lost = SetAside::default();
    for row in 0..found.len() {
        let why = match found[row] {
            Found::Unbound => "no line-of-sight velocity binds it in the network's toy potential",
            Found::Alone => "there is no other star of its stream whose actions are known",
            Found::Recovered(..) if velocity(row).is_none() => "the network gives it no actions",
            _ => continue,
        };
        lost.push(ids[row], why);
    }
    context.metric("recovered", new.len() as f64, "");
    let mut doubtful = Doubtful::default();
    doubtful.count(&inside);
    doubtful.tell(context);
    lost.write(context, with.failures, found.len(), "stars")?;
    Ok(Outcome::Complete)
}
