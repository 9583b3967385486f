//! Body of `recover_velocities`.

use networks::sky::Sun;
use networks::smooth::SmoothMap;
use networks::velocities::{Found, Sightlines, recover, steps};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use serde_json::Value;
use stages::apply::recover_velocities::{RecoverVelocities, V_LOS, V_LOS_SD};
use stages::common::columns::{CARTESIAN, OBSERVABLES};
use stages::common::io::{self, TableContext};
use stages::common::set_aside::SetAside;
use tables::{RecordBatch, Values};
use tch::Tensor;

use crate::common::stretch::three;
use crate::common::{failed, load, parameters, prepare};

/// Completes a table.
pub fn run(value: Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let with: RecoverVelocities = parameters(value)?;
    let device = prepare(context);
    let map = SmoothMap::from_weights(&load(context, "network")?, device).map_err(failed)?;
    let table = context.read_table("stars")?;
    let (stream, star) = io::identity(&table)?;
    let known = known(&table, &with, stream)?;
    let sun = dynamics::sky::Sun::from(&with.sun);
    let sun = Sun::new(sun.r0, sun.z, [sun.u, sun.v, sun.w], sun.v_lsr);
    let columns: Vec<Tensor> = OBSERVABLES
        .iter()
        .map(|column| match column.name == V_LOS.name {
            true => Ok(Tensor::zeros(
                [stream.len() as i64],
                (tch::Kind::Double, tch::Device::Cpu),
            )),
            false => Ok(Tensor::from_slice(io::column(&table, column.name)?)),
        })
        .collect::<Result<_, StageError>>()?;
    let six = Tensor::stack(&columns, -1).to_device(device);
    let (x, v) = sun.to_cartesian(&six);
    let one = Tensor::from_slice(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).to_device(device);
    let along = sun.to_cartesian(&(&six + one)).1 - &v;
    let stars = Sightlines {
        stream: stream.to_vec(),
        x,
        v,
        along,
        known,
    };
    let progress = context.progress(steps() as u64, "steps");
    let found = recover(&map, &stars, &mut |done| progress.at(done as u64, "")).map_err(failed)?;
    write(context, &with, &table, &stars, &found, star)
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
    star: &[i64],
) -> Result<Outcome, StageError> {
    let stream = &stars.stream;
    let velocity = |row: usize| match found[row] {
        Found::Known => stars.known[row],
        Found::Recovered(u, deviation) => Some(u).filter(|u| u.is_finite() && deviation.is_finite()),
        Found::Unbound | Found::Alone => None,
    };
    let rows: Vec<usize> = (0..found.len()).filter(|&row| velocity(row).is_some()).collect();
    let u: Vec<f64> = (0..found.len()).map(|row| velocity(row).unwrap_or(0.0)).collect();
    let along = Tensor::from_slice(&u).to_device(stars.x.device()).unsqueeze(-1) * &stars.along;
    let six = three(&stars.x)?.into_iter().chain(three(&(&stars.v + along))?);
    let pick = |values: &[f64]| -> Values { rows.iter().map(|&row| values[row]).collect::<Vec<_>>().into() };
    let ids = |ids: &[i64], rows: &[usize]| -> Values { rows.iter().map(|&row| ids[row]).collect::<Vec<_>>().into() };
    let mut whole = vec![("stream", ids(stream, &rows)), ("star", ids(star, &rows))];
    for column in &OBSERVABLES {
        let values = match column.name == V_LOS.name {
            true => pick(&u),
            false => pick(io::column(table, column.name)?),
        };
        whole.push((column.name, values));
    }
    whole.extend(
        CARTESIAN
            .iter()
            .zip(six)
            .map(|(column, values)| (column.name, pick(&values))),
    );
    let deviation = |row: usize| match found[row] {
        Found::Recovered(_, deviation) if velocity(row).is_some() => Some(deviation),
        _ => None,
    };
    whole.push((
        V_LOS_SD.name,
        rows.iter().map(|&row| deviation(row)).collect::<Vec<_>>().into(),
    ));
    whole.push((
        "recovered",
        rows.iter()
            .map(|&row| deviation(row).is_some())
            .collect::<Vec<_>>()
            .into(),
    ));
    context.write_table("stars", whole)?;

    let new: Vec<usize> = rows.iter().copied().filter(|&row| deviation(row).is_some()).collect();
    context.write_table(
        "recovered",
        vec![
            ("stream", ids(stream, &new)),
            ("star", ids(star, &new)),
            (V_LOS.name, new.iter().map(|&row| u[row]).collect::<Vec<_>>().into()),
            (
                V_LOS_SD.name,
                new.iter().filter_map(|&row| deviation(row)).collect::<Vec<_>>().into(),
            ),
        ],
    )?;
    let mut lost = SetAside::default();
    for row in 0..found.len() {
        let why = match found[row] {
            Found::Unbound => "no line-of-sight velocity binds it in the network's toy potential",
            Found::Alone => "there is no other star of its stream whose actions are known",
            Found::Recovered(..) if velocity(row).is_none() => "the network gives it no actions",
            _ => continue,
        };
        lost.push(stream[row], star[row], why);
    }
    context.metric("recovered", new.len() as f64, "");
    lost.write(context, with.failures, found.len(), "stars")?;
    Ok(Outcome::Complete)
}
