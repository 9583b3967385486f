#![allow(clippy::unwrap_used)]

mod samples;

use std::sync::Arc;

use runner::ports::Artifact;

use super::action_space::ActionSpace;
use super::actions_along_orbits::{ActionsAlongOrbits, Along, tracks};
use super::agreement::Agreement;
use super::field::Field;
use super::integrals::Integrals;
use super::layout::{Item, Words, drawn as laid_out};
use super::loss_curves::LossCurves;
use super::methods::Methods;
use super::orbits::Orbits;
use super::picture::Mark;
use super::residuals::Residuals;
use super::rotation_curve::RotationCurve;
use super::style::{TEXT, WIDTH};
use super::*;
use crate::common::columns;
use samples::*;

/// Every drawing with tables for its ports.
fn drawn() -> Vec<(Draw, Vec<(&'static str, RecordBatch)>)> {
    vec![
        (
            Draw::LossCurves(LossCurves::default()),
            vec![("history", history_table())],
        ),
        (
            Draw::LossCurves(LossCurves {
                panels: ["S = 16", "S = 128", "S = 1024"].map(str::to_owned).to_vec(),
            }),
            vec![
                ("history", history_table()),
                ("history_2", history_table().slice(0, 200)),
                ("history_3", history_table().slice(0, 300)),
            ],
        ),
        (Draw::Residuals(Residuals {}), vec![("residuals", residual_table())]),
        (Draw::Orbits(Orbits {}), vec![("stars", star_table())]),
        (
            Draw::ActionSpace(ActionSpace {}),
            vec![("stars", star_table()), ("beside", star_table())],
        ),
        (Draw::Integrals(Integrals {}), vec![("stars", torus_table())]),
        (
            Draw::ActionsAlongOrbits(ActionsAlongOrbits {}),
            vec![("stars", star_table())],
        ),
        (
            Draw::RotationCurve(RotationCurve {}),
            vec![("free", curve_table()), ("galaxy", galaxy_table())],
        ),
        (Draw::RotationCurve(RotationCurve {}), vec![("galaxy", galaxy_table())]),
        (Draw::Field(Field {}), vec![("meridian", meridian_table())]),
        (
            Draw::Methods(Methods { stream: 3 }),
            vec![
                ("staeckel_fudge", along_table(0.02)),
                ("torus", along_table(0.0005)),
                ("o2gf", along_table(0.003)),
                ("network", along_table(0.005)),
            ],
        ),
        (
            Draw::Agreement(Agreement {}),
            vec![("predicted", along_table(0.02)), ("truth", along_table(0.0))],
        ),
    ]
}

#[test]
fn the_same_table_gives_the_same_bytes() {
    for (n, (draw, tables)) in drawn().into_iter().enumerate() {
        let ports = draw.drawing().ports();
        let names: Vec<&str> = ports.iter().flat_map(InputPort::names).collect();
        assert!(tables.iter().all(|(port, _)| names.contains(port)), "{draw:?}");
        let picture = || draw.drawing().draw(&tables).unwrap();
        let svg = svg::svg(&picture());
        assert_eq!(svg, svg::svg(&picture()));
        assert!(
            svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
            "{draw:?}"
        );
        assert!(svg.contains("currentColor"), "{draw:?} takes the page's ink");
        assert!(svg.contains("prefers-color-scheme"), "{draw:?} is dark on dark screens");
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{draw:?}");
        assert!(svg.len() < 500_000, "{draw:?} is {} bytes", svg.len());
        if let Ok(folder) = std::env::var("ACTIONFINDER_KEEP_FIGURES") {
            let name: String = format!("{draw:?}")
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            std::fs::write(format!("{folder}/{n:02}_{name}.svg"), &svg).unwrap();
        }
    }
}

/// All texts of a picture.
fn words(items: &[Item]) -> Vec<&Words> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Words(words) => Some(words),
            _ => None,
        })
        .collect()
}

fn overlap(a: [f64; 4], b: [f64; 4]) -> bool {
    // A tenth of a point is none.
    a[0] + 0.1 < b[2] && b[0] + 0.1 < a[2] && a[1] + 0.1 < b[3] && b[1] + 0.1 < a[3]
}

#[test]
fn every_text_lies_inside_the_picture_and_on_no_other() {
    for (draw, tables) in drawn() {
        let laid = laid_out(&draw.drawing().draw(&tables).unwrap());
        let words = words(&laid.items);
        assert!(words.len() > 4, "{draw:?}");
        for (n, word) in words.iter().enumerate() {
            let corners = word.corners();
            let [left, top, right, bottom] = corners;
            let inside = left >= 0.0 && top >= 0.0 && right <= WIDTH && bottom <= laid.height;
            assert!(
                inside,
                "{draw:?}: {} at {corners:?} of {WIDTH} × {}",
                word.label.text(),
                laid.height
            );
            for other in &words[n + 1..] {
                assert!(
                    !overlap(corners, other.corners()),
                    "{draw:?}: {} on {}",
                    word.label.text(),
                    other.label.text()
                );
            }
        }
    }
}

#[test]
fn every_place_lies_inside_the_picture() {
    for (draw, tables) in drawn() {
        let laid = laid_out(&draw.drawing().draw(&tables).unwrap());
        for item in &laid.items {
            let (Item::Lines { paths, .. } | Item::Areas { paths, .. }) = item else {
                continue;
            };
            for (x, y) in paths.iter().flatten() {
                assert!(
                    (0.0..=WIDTH).contains(x) && (0.0..=laid.height).contains(y),
                    "{draw:?}: {x}, {y}"
                );
            }
        }
    }
}

#[test]
fn text_is_large_enough_in_a_column_of_a_journal() {
    const { assert!(TEXT >= 7.0 && WIDTH <= 245.0) };
    for (draw, tables) in drawn() {
        let svg = svg::svg(&draw.drawing().draw(&tables).unwrap());
        assert!(svg.contains(&format!("viewBox=\"0 0 {WIDTH} ")), "{draw:?}");
    }
}

#[test]
fn every_axis_says_what_it_shows_and_in_which_unit() {
    for (draw, tables) in drawn() {
        let picture = draw.drawing().draw(&tables).unwrap();
        for panel in picture.panels() {
            for axis in [&panel.x, &panel.y].into_iter().chain(&panel.colours) {
                assert!(!axis.quantity.is_empty(), "{draw:?}: {}", panel.name);
                let is_pure = ["epoch", "stars", "star"].contains(&axis.quantity.text().as_str());
                assert!(is_pure || !axis.unit.is_empty(), "{draw:?}: {}", axis.quantity.text());
                let count = axis.ticks(4).major.len();
                assert!(
                    (2..=5).contains(&count),
                    "{draw:?}: {count} numbers at {}",
                    axis.quantity.text()
                );
            }
        }
    }
}

#[test]
fn every_series_is_in_the_legend_where_there_are_several() {
    for (draw, tables) in drawn() {
        let picture = draw.drawing().draw(&tables).unwrap();
        let laid = laid_out(&picture);
        let said: Vec<String> = words(&laid.items).iter().map(|word| word.label.text()).collect();
        let mut names: Vec<&str> = picture
            .panels()
            .flat_map(|panel| &panel.series)
            .filter(|series| series.mark != Mark::Tiles)
            .map(|series| series.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            for name in names {
                assert!(said.iter().any(|said| said == name), "{draw:?}: {name} among {said:?}");
            }
        }
    }
}

#[test]
fn the_table_has_every_point_and_the_caption_counts_those_outside() {
    for (draw, tables) in drawn() {
        let picture = draw.drawing().draw(&tables).unwrap();
        let rows = data::rows(&picture);
        let points: usize = picture
            .panels()
            .flat_map(|panel| &panel.series)
            .map(|series| series.points.len())
            .sum();
        assert_eq!(rows.len(), points, "{draw:?}");
        let (outside, all) = picture.outside();
        let caption = picture.full_caption();
        assert_eq!(outside > 0, caption.contains("outside the axes"), "{draw:?}: {caption}");
        if outside > 1 {
            assert!(
                caption.contains(&format!("{outside} points of {all}")),
                "{draw:?}: {caption}"
            );
        }
        // As the stage writes it.
        let layout = data::layout();
        let written = tables::build(&Arc::new(layout.schema()), layout.columns(&rows)).unwrap();
        let inside = tables::bool_column(&written, "inside").unwrap();
        let beyond: usize = picture
            .panels()
            .flat_map(|panel| &panel.series)
            .map(|series| series.beyond)
            .sum();
        assert_eq!(
            inside.iter().filter(|inside| !**inside).count() + beyond,
            outside,
            "{draw:?}"
        );
    }
}

#[test]
fn captions_are_sentences_that_count_what_is_shown() {
    for (draw, tables) in drawn() {
        let caption = draw.drawing().draw(&tables).unwrap().full_caption();
        assert!(
            caption.ends_with('.') && caption.chars().any(|c| c.is_ascii_digit()),
            "{draw:?}: {caption}"
        );
    }
}

#[test]
fn empty_tables_still_give_a_picture() {
    for (draw, tables) in drawn() {
        // These are of stars that must be there.
        if matches!(draw, Draw::Methods(_) | Draw::Agreement(_)) {
            continue;
        }
        let empty: Vec<_> = tables.iter().map(|(port, rows)| (*port, rows.slice(0, 0))).collect();
        let svg = svg::svg(&draw.drawing().draw(&empty).unwrap());
        assert!(!svg.contains("NaN"), "{draw:?}");
    }
}

#[test]
fn a_history_without_losses_is_refused() {
    let schema = columns::stars(&[]);
    let connected = Connected::from([("history", Artifact::Table(Arc::new(schema)))]);
    let refused = LossCurves::default().fits(&connected).unwrap_err();
    assert_eq!(
        refused,
        "history: has no column train_loss, as the history of a training does"
    );
    let history = || Artifact::Table(history_table().schema());
    let two = Connected::from([("history", history()), ("history_2", history())]);
    let one = LossCurves {
        panels: vec!["S = 16".to_owned()],
    };
    assert_eq!(one.fits(&two).unwrap_err(), "panels: 1 names for 2 histories");
    assert!(LossCurves::default().fits(&two).is_ok());
}

#[test]
fn streams_are_put_in_order_of_time() {
    let (tracks, along) = tracks(&star_table(), None).unwrap();
    assert_eq!((tracks.len(), along), (60, Along::Number));
    assert!(
        tracks
            .iter()
            .all(|track| track.along == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    );
}

#[test]
fn methods_are_drawn_over_each_other_in_one_range() {
    let figure = Methods { stream: 3 };
    let picture = figure
        .draw(&[("torus", along_table(0.001)), ("network", along_table(0.01))])
        .unwrap();
    for panel in picture.panels() {
        let names: Vec<&str> = panel.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["torus", "network"]);
        assert_eq!(panel.x.title().text(), "t (Gyr)");
    }
    assert_eq!(picture.outside().0, 0);
    // A table without times takes those of another that has the same stars.
    let both = figure
        .draw(&[("staeckel_fudge", along_table(0.1)), ("network", star_table())])
        .unwrap();
    assert!(both.panels().all(|panel| panel.x.title().text() == "t (Gyr)"));
    let alone = figure.draw(&[("network", star_table())]).unwrap();
    assert!(alone.panels().all(|panel| panel.x.title().text() == "star"));
    let missing = Methods { stream: 99 };
    assert!(missing.draw(&[("o2gf", star_table())]).is_err());
    assert!(figure.fits(&Connected::new()).is_err());
}
