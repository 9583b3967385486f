#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use runner::arrow_schema::Schema;
use runner::ports::Artifact;
use tables::Values;

use super::action_space::ActionSpace;
use super::actions_along_orbits::{ActionsAlongOrbits, tracks};
use super::agreement::Agreement;
use super::field::Field;
use super::loss_curves::LossCurves;
use super::methods::Methods;
use super::orbits::Orbits;
use super::residuals::Residuals;
use super::rotation_curve::RotationCurve;
use super::*;
use crate::apply::tabulate_field::Content;
use crate::common::columns::{self, ACTIONS, POSITION};

fn table(schema: Schema, columns: Vec<(&str, Values)>) -> RecordBatch {
    tables::build(&Arc::new(schema), columns).unwrap()
}

/// Numbers that look measured and are the same everywhere.
fn noise(count: usize, scale: f64) -> Vec<f64> {
    (0..count)
        .map(|n| scale * ((n as f64 * 12.9898).sin() * 43758.5453).fract())
        .collect()
}

fn history_table() -> RecordBatch {
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

fn star_table() -> RecordBatch {
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

fn residual_table() -> RecordBatch {
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
const BESIDE_TRUTH: Content = Content {
    potential: false,
    truth: true,
};

/// A rotation curve that is off by what `noise` gives.
fn curve_table() -> RecordBatch {
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

fn meridian_table() -> RecordBatch {
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

/// Every drawing with tables for its ports.
fn drawn() -> Vec<(Draw, Vec<(&'static str, RecordBatch)>)> {
    vec![
        (Draw::LossCurves(LossCurves {}), vec![("history", history_table())]),
        (Draw::Residuals(Residuals {}), vec![("residuals", residual_table())]),
        (Draw::Orbits(Orbits {}), vec![("stars", star_table())]),
        (
            Draw::ActionSpace(ActionSpace {}),
            vec![("stars", star_table()), ("beside", star_table())],
        ),
        (
            Draw::ActionsAlongOrbits(ActionsAlongOrbits {}),
            vec![("stars", star_table())],
        ),
        (Draw::RotationCurve(RotationCurve {}), vec![("free", curve_table())]),
        (Draw::Field(Field {}), vec![("meridian", meridian_table())]),
        (Draw::Methods(Methods { stream: 3 }), vec![("o2gf", star_table())]),
        (
            Draw::Agreement(Agreement {}),
            vec![("predicted", star_table()), ("truth", star_table())],
        ),
    ]
}

#[test]
fn the_same_table_gives_the_same_bytes() {
    for (draw, tables) in drawn() {
        let ports: Vec<&str> = draw.drawing().ports().iter().map(|port| port.name).collect();
        assert!(tables.iter().all(|(port, _)| ports.contains(port)), "{draw:?}");
        let svg = draw.drawing().draw(&tables).unwrap();
        assert_eq!(svg, draw.drawing().draw(&tables).unwrap());
        assert!(
            svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
            "{draw:?}"
        );
        assert!(svg.contains("currentColor"), "{draw:?} takes the page's ink");
        assert!(
            !svg.contains("NaN") && !svg.contains("#010203") && !svg.contains("#000000"),
            "{draw:?}"
        );
        assert!(svg.len() < 1_000_000, "{draw:?} is {} bytes", svg.len());
        if let Ok(folder) = std::env::var("ACTIONFINDER_KEEP_FIGURES") {
            std::fs::write(format!("{folder}/{draw:?}.svg"), &svg).unwrap();
        }
    }
}

#[test]
fn loss_curves_mark_the_best_epoch() {
    let history = history_table();
    let best = tables::bool_column(&history, "best")
        .unwrap()
        .iter()
        .position(|best| *best)
        .unwrap()
        + 1;
    let svg = LossCurves {}.draw(&[("history", history)]).unwrap();
    assert!(svg.contains(&format!("best: epoch {best}")));
}

#[test]
fn empty_tables_still_give_a_picture() {
    for (draw, tables) in drawn() {
        // These are of stars that must be there.
        if matches!(draw, Draw::Methods(_) | Draw::Agreement(_)) {
            continue;
        }
        let empty: Vec<_> = tables.iter().map(|(port, table)| (*port, table.slice(0, 0))).collect();
        let svg = draw.drawing().draw(&empty).unwrap();
        assert!(!svg.contains("NaN"), "{draw:?}");
    }
}

#[test]
fn a_history_without_losses_is_refused() {
    let schema = columns::stars(&[]);
    let connected = Connected::from([("history", Artifact::Table(Arc::new(schema)))]);
    let refused = LossCurves {}.fits(&connected).unwrap_err();
    assert_eq!(
        refused,
        "history: has no column train_loss, as the history of a training does"
    );
}

#[test]
fn streams_are_put_in_order_of_time() {
    let (tracks, along) = tracks(&star_table(), None).unwrap();
    assert_eq!((tracks.len(), along), (60, "star"));
    assert!(
        tracks
            .iter()
            .all(|track| track.along == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    );
}

#[test]
fn methods_stand_side_by_side_each_on_its_scale() {
    let figure = Methods { stream: 3 };
    let svg = figure
        .draw(&[("staeckel_fudge", star_table()), ("o2gf", star_table())])
        .unwrap();
    assert_eq!(svg.matches("rms").count(), 6);
    assert!(svg.contains("staeckel fudge") && svg.contains("o2gf"));
    // A table without times takes those of another that has the same stars.
    let stars = star_table();
    let fields = stars.schema();
    let timed = columns::stars(&[&[columns::TIME], &POSITION, &ACTIONS]);
    let mut with_times: Vec<(&str, Values)> = fields
        .fields()
        .iter()
        .zip(stars.columns())
        .map(|(field, values)| (field.name().as_str(), values.clone().into()))
        .collect();
    with_times.push((
        "t",
        (0..stars.num_rows())
            .map(|row| 0.5 * row as f64)
            .collect::<Vec<_>>()
            .into(),
    ));
    let both = figure
        .draw(&[("staeckel_fudge", table(timed, with_times)), ("network", star_table())])
        .unwrap();
    assert_eq!(both.matches("t / Gyr").count(), 2, "{both}");
    assert!(!svg.contains("t / Gyr"));
    let missing = Methods { stream: 99 };
    assert!(missing.draw(&[("o2gf", star_table())]).is_err());
    assert!(figure.fits(&Connected::new()).is_err());
}
