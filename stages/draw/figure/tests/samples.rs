//! Small tables for every drawing.

use std::sync::Arc;

use runner::arrow_schema::{DataType, Schema};
use tables::Values;

use crate::apply::tabulate_field::Content;
use crate::common::columns::{self, ACTIONS, ENERGY, POSITION};
use crate::draw::figure::{RecordBatch, f64s};

fn table(schema: Schema, columns: Vec<(&str, Values)>) -> RecordBatch {
    tables::build(&Arc::new(schema), columns).unwrap()
}

/// Numbers that look measured and are the same everywhere.
pub fn noise(count: usize, scale: f64) -> Vec<f64> {
    (0..count)
        .map(|n| scale * ((n as f64 * 12.9898).sin() * 43758.5453).fract())
        .collect()
}

pub fn history_table() -> RecordBatch {
    let epochs = 400;
    let curve = |floor: f64| {
        (0..epochs)
            .map(|n| 300.0 * (-f64::from(n) / 40.0).exp() + floor)
            .collect::<Vec<_>>()
    };
    let validation: Vec<f64> = curve(2.0)
        .iter()
        .zip(noise(400, 0.4))
        .map(|(loss, wobble)| loss + wobble)
        .collect();
    let best = validation
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(b.1))
        .unwrap()
        .0;
    table(
        crate::learn::tables::history("km/s kpc").schema(),
        vec![
            ("epoch", (1..=400i64).collect::<Vec<_>>().into()),
            ("train_loss", curve(1.5).into()),
            ("validation_loss", validation.into()),
            ("learning_rate", vec![1e-3; 400].into()),
            ("best", (0..400).map(|row| row == best).collect::<Vec<_>>().into()),
        ],
    )
}

pub fn star_table() -> RecordBatch {
    let (streams, stars) = (60i64, 8i64);
    let count = (streams * stars) as usize;
    let row = |n: usize| (n as i64 / stars, n as i64 % stars);
    let angle = |n: usize| row(n).0 as f64 * 2.4 + row(n).1 as f64 * 0.1;
    let radius = |n: usize| 6.0 + (row(n).0 as f64 * 0.37).fract() * 10.0;
    let each = |f: &dyn Fn(usize) -> f64| -> Values { (0..count).map(f).collect::<Vec<_>>().into() };
    table(
        columns::stars(&[&POSITION, &ACTIONS]),
        vec![
            ("stream", (0..count).map(|n| row(n).0).collect::<Vec<_>>().into()),
            ("star", (0..count).map(|n| row(n).1).collect::<Vec<_>>().into()),
            ("x", each(&|n| radius(n) * angle(n).cos())),
            ("y", each(&|n| radius(n) * angle(n).sin())),
            ("z", each(&|n| 4.0 * (angle(n) * 1.7).sin())),
            ("J_phi", each(&|n| 1500.0 + (n as f64).sin())),
            ("J_z", each(&|n| 150.0 + (n as f64).cos())),
            ("J_r", each(&|n| 80.0 + 0.1 * (n as f64 * 3.0).cos())),
        ],
    )
}

/// How many stars of [`spread_table`] are far out.
pub const OUTLIERS: usize = 12;

/// Actions of many orders of magnitude, and a few far out.
pub fn spread_table() -> RecordBatch {
    let count = 300;
    let far = |n: usize, value: f64| if n < OUTLIERS { 1.0e5 + value } else { value };
    let each = |f: &dyn Fn(usize) -> f64| -> Values { (0..count).map(f).collect::<Vec<_>>().into() };
    let (around, up, radial) = (noise(count, 3.0e3), noise(count, 1.0), noise(count + 7, 1.0));
    table(
        columns::stars(&[&ACTIONS]),
        vec![
            ("stream", (0..count as i64).collect::<Vec<_>>().into()),
            ("star", vec![0i64; count].into()),
            ("J_phi", each(&|n| far(n, around[n]))),
            ("J_z", each(&|n| 30.0 * (2.0 * up[n]).exp())),
            ("J_r", each(&|n| 90.0 * (2.5 * radial[n + 7]).exp())),
        ],
    )
}

/// Stars of streams of which some have names.
pub fn named_table() -> RecordBatch {
    let stars = star_table();
    let names = ["GD-1", "Orphan"];
    let streams = tables::i64_column(&stars, "stream").unwrap();
    let names: Vec<Option<&str>> = streams
        .iter()
        .map(|stream| names.get(*stream as usize).copied())
        .collect();
    let fields = stars
        .schema()
        .fields()
        .iter()
        .cloned()
        .chain([columns::name().into()])
        .collect::<Vec<_>>();
    let schema = stars.schema();
    let own = schema.fields().iter().zip(stars.columns());
    let mut columns: Vec<(&str, Values)> = own
        .map(|(field, values)| (field.name().as_str(), values.clone().into()))
        .collect();
    columns.push((columns::NAME, names.into()));
    table(Schema::new(fields), columns)
}

pub fn residual_table() -> RecordBatch {
    let scales = [0.02, 0.01, 3.0, 0.001, 0.002, 0.003];
    let names = ["J_phi", "J_z", "J_r", "theta_phi", "theta_z", "theta_r"];
    let mut columns: Vec<(&str, Values)> = vec![
        ("stream", (0..4000i64).collect::<Vec<_>>().into()),
        ("star", vec![0i64; 4000].into()),
    ];
    for (name, scale) in names.into_iter().zip(scales) {
        let peaked = noise(4000, 1.0)
            .iter()
            .zip(noise(4000, 1.3))
            .map(|(a, b)| scale * a * b * b)
            .collect::<Vec<_>>();
        columns.push((name, peaked.into()));
    }
    table(columns::stars(&[&ACTIONS, &columns::ANGLES]), columns)
}

/// Of a field without a potential.
pub const BESIDE_TRUTH: Content = Content {
    potential: false,
    truth: true,
};

/// A rotation curve that is off by what `noise` gives.
pub fn curve_table() -> RecordBatch {
    let radius: Vec<f64> = (0..80).map(|n| 1.0 + 0.25 * f64::from(n)).collect();
    let truth: Vec<f64> = radius.iter().map(|r| 220.0 * (r / (r + 1.0)).sqrt()).collect();
    let speed: Vec<f64> = truth.iter().zip(noise(80, 2.0)).map(|(v, off)| v + off).collect();
    table(
        crate::apply::tabulate_field::curve(BESIDE_TRUTH).schema(),
        vec![
            ("R", radius.into()),
            ("v_c", speed.into()),
            ("v_c_spread", vec![0.1; 80].into()),
            ("density", vec![1e7; 80].into()),
            ("curl", vec![0.0; 80].into()),
            ("true_v_c", truth.into()),
            ("true_density", vec![1e7; 80].into()),
            ("true_potential", vec![-1e5; 80].into()),
        ],
    )
}

pub fn meridian_table() -> RecordBatch {
    let places: Vec<(f64, f64)> = (0..20)
        .flat_map(|row| (0..20).map(move |column| (1.0 + f64::from(column), f64::from(row) - 9.5)))
        .collect();
    let each =
        |f: &dyn Fn(f64, f64) -> f64| -> Values { places.iter().map(|&(r, z)| f(r, z)).collect::<Vec<_>>().into() };
    let pull = |r: f64, z: f64| -4.0e4 / (r * r + z * z);
    table(
        crate::apply::tabulate_field::meridian(BESIDE_TRUTH).schema(),
        vec![
            ("R", each(&|r, _| r)),
            ("z", each(&|_, z| z)),
            ("a_R", each(&|r, z| 1.02 * r * pull(r, z))),
            ("a_phi", each(&|_, _| 0.0)),
            ("a_z", each(&|r, z| z * pull(r, z))),
            ("curl", each(&|_, _| 0.0)),
            ("true_a_R", each(&|r, z| r * pull(r, z))),
            ("true_a_z", each(&|r, z| z * pull(r, z))),
            ("error", each(&|r, z| 2.0 * r / r.hypot(z))),
            ("true_potential", each(&|r, z| 4.0e4 * r.hypot(z).ln())),
        ],
    )
}

/// Orbits with their energies.
pub fn torus_table() -> RecordBatch {
    let count = 300;
    let around: Vec<f64> = noise(count, 2500.0);
    let energy = around
        .iter()
        .zip(noise(count, 2.0e4))
        .map(|(l, off)| -1.6e5 + 12.0 * l.abs() + off.abs());
    table(
        columns::stars(&[&[ACTIONS[0], ENERGY]]),
        vec![
            ("stream", (0..count as i64).collect::<Vec<_>>().into()),
            ("star", vec![0i64; count].into()),
            ("energy", energy.collect::<Vec<_>>().into()),
            ("J_phi", around.into()),
        ],
    )
}

/// The table `galaxy` of a fit.
pub fn galaxy_table() -> RecordBatch {
    let radius: Vec<f64> = (1..12).map(|n| 2.0 * f64::from(n)).collect();
    let fields = [("R", "kpc"), ("v_c", "km/s"), ("v_c_sd", "km/s")];
    let fields = fields.map(|(name, unit)| runner::ports::column(name, DataType::Float64, unit, "", ""));
    table(
        Schema::new(fields.to_vec()),
        vec![
            (
                "v_c",
                radius
                    .iter()
                    .map(|r| 215.0 * (r / (r + 1.0)).sqrt())
                    .collect::<Vec<_>>()
                    .into(),
            ),
            (
                "v_c_sd",
                radius.iter().map(|r| 1.0 + 0.2 * r).collect::<Vec<_>>().into(),
            ),
            ("R", radius.into()),
        ],
    )
}

/// The table `streams` of streams that were simulated in a field, of this χ.
pub fn turn_table(chi: f64) -> RecordBatch {
    let number = |name| runner::ports::column(name, DataType::Float64, "", "", "");
    let stream = runner::ports::column("stream", DataType::Int64, "", "", "");
    let chis: Vec<f64> = noise(16, 0.2).iter().map(|off| chi * (1.0 + off)).collect();
    table(
        Schema::new(vec![stream, number("chi"), number("ln_likelihood")]),
        vec![
            ("stream", (0..16i64).collect::<Vec<_>>().into()),
            (
                "ln_likelihood",
                chis.iter().map(|chi| 900.0 - 100.0 * chi).collect::<Vec<_>>().into(),
            ),
            ("chi", chis.into()),
        ],
    )
}

/// The same stars with times, and with actions that are off by as much as a method might be.
pub fn along_table(scale: f64) -> RecordBatch {
    let stars = star_table();
    let mut columns: Vec<(&str, Values)> = Vec::new();
    let schema = stars.schema();
    for (field, values) in schema.fields().iter().zip(stars.columns()) {
        let name = field.name().as_str();
        match name.starts_with('J') {
            true => {
                let off = noise(stars.num_rows(), scale);
                let own = f64s(&stars, name).unwrap().into_iter().zip(off);
                columns.push((
                    name,
                    own.map(|(action, off)| 0.001 * action + 99.0 + off)
                        .collect::<Vec<_>>()
                        .into(),
                ));
            }
            false => columns.push((name, values.clone().into())),
        }
    }
    let times = (0..stars.num_rows()).map(|row| 0.5 * row as f64).collect::<Vec<_>>();
    columns.push(("t", times.into()));
    table(columns::stars(&[&[columns::TIME], &POSITION, &ACTIONS]), columns)
}
