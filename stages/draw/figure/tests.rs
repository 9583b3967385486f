#![allow(clippy::unwrap_used)]

mod samples;

use std::sync::Arc;

use runner::ports::Artifact;

use super::action_space::{ActionSpace, SetNames};
use super::actions_along_orbits::{ActionsAlongOrbits, Along, tracks};
use super::agreement::Agreement;
use super::axis::{Axis, Ticks};
use super::convergence::Convergence;
use super::field::Field;
use super::integrals::Integrals;
use super::layout::{Item, Placed, Words, drawn as laid_out, numbers, placed};
use super::loss_curves::LossCurves;
use super::methods::Methods;
use super::orbits::Orbits;
use super::picture::Mark;
use super::residuals::Residuals;
use super::rotation_curve::{CurveNames, RotationCurve};
use super::style::{TEXT, WIDTH};
use super::text::Label;
use super::*;
use crate::common::columns::{self, ACTIONS, ENERGY};
use samples::*;

fn stream(stream: i64) -> Methods {
    Methods {
        stream,
        ..Methods::default()
    }
}

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
        (Draw::Orbits(Orbits {}), vec![("stars", named_table())]),
        (
            Draw::ActionSpace(ActionSpace::default()),
            vec![("stars", star_table()), ("beside", star_table())],
        ),
        (
            Draw::ActionSpace(ActionSpace {
                names: SetNames {
                    stars: Some("a light galaxy".to_owned()),
                    beside: Some("a galaxy with a name that is much longer than the column of a journal".to_owned()),
                },
            }),
            vec![("stars", spread_table()), ("beside", spread_table())],
        ),
        (Draw::Integrals(Integrals {}), vec![("stars", torus_table())]),
        (
            Draw::ActionsAlongOrbits(ActionsAlongOrbits {}),
            vec![("stars", star_table())],
        ),
        (
            Draw::RotationCurve(RotationCurve::default()),
            vec![("free", curve_table()), ("galaxy", galaxy_table())],
        ),
        (
            Draw::RotationCurve(RotationCurve::default()),
            vec![("galaxy", galaxy_table())],
        ),
        (Draw::Field(Field {}), vec![("meridian", meridian_table())]),
        (
            Draw::Convergence(Convergence::default()),
            vec![
                ("turns", turn_table(2.5)),
                ("turns_2", turn_table(1.4)),
                ("turns_3", turn_table(1.1)),
                ("beside", turn_table(1.0)),
            ],
        ),
        (
            Draw::Convergence(Convergence::default()),
            vec![("turns", turn_table(1.0))],
        ),
        (
            Draw::Methods(stream(3)),
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
                let is_pure = ["epoch", "stars", "star", "field", "χ", "ln L"].contains(&axis.quantity.text().as_str());
                assert!(is_pure || !axis.unit.is_empty(), "{draw:?}: {}", axis.quantity.text());
            }
        }
    }
}

#[test]
fn every_axis_has_three_numbers_at_least() {
    for (draw, tables) in drawn() {
        let picture = draw.drawing().draw(&tables).unwrap();
        for Placed { frame, panel, written } in placed(&picture, 0.0).0 {
            let of = |axis: &Axis, ticks: Ticks| (axis.quantity.text(), axis.low, axis.high, ticks.written().count());
            let across = numbers::across(frame.width, &panel.x);
            let mut all = Vec::new();
            all.extend(written.x.then(|| of(&across.0, across.1)));
            all.extend(written.y.then(|| of(&panel.y, numbers::up(frame.height, &panel.y))));
            all.extend(
                panel
                    .colours
                    .as_ref()
                    .map(|axis| of(axis, numbers::up(frame.height, axis))),
            );
            for (name, low, high, count) in all {
                assert!(
                    (3..=7).contains(&count),
                    "{draw:?}: {count} numbers at {name} from {low} to {high}"
                );
            }
        }
    }
}

/// Whatever the range, in the narrowest frame.
#[test]
fn narrow_frames_have_three_numbers() {
    for n in 0..600 {
        let high = 10f64.powf(f64::from(n) * 0.0131 - 3.0);
        for low in [-high, -0.62 * high, 0.0, 0.31 * high] {
            let (axis, ticks) = numbers::across(56.0, &Axis::linear(low, high, Label::plain("x"), ""));
            assert!(ticks.written().count() >= 3, "{low} {high}: {}", axis.title().text());
        }
        for low in [high / 7.0, high * 1e-2, high * 1e-4] {
            let axis = Axis::decades_over([low, high].into_iter(), Label::plain("x"), "");
            let (axis, ticks) = numbers::across(56.0, &axis);
            assert!(axis.high >= high && axis.low <= low.max(high * 1.01e-3), "{low} {high}");
            assert!(ticks.written().count() >= 3, "{low} {high}");
        }
    }
}

#[test]
fn streams_and_tables_are_called_by_their_names() {
    let said = |picture: &Picture| -> Vec<String> {
        let laid = laid_out(picture);
        words(&laid.items).iter().map(|word| word.label.text()).collect()
    };
    let orbits = said(&Orbits {}.draw(&[("stars", named_table())]).unwrap());
    for name in ["GD-1", "Orphan", "stream 2"] {
        assert!(orbits.iter().any(|said| said == name), "{name} among {orbits:?}");
    }
    let along = said(&ActionsAlongOrbits {}.draw(&[("stars", named_table())]).unwrap());
    assert!(along.iter().any(|said| said == "Orphan"), "{along:?}");
    let one = stream(1).draw(&[("torus", named_table())]).unwrap();
    assert!(
        one.caption.starts_with("Actions of Orphan at 8 points"),
        "{}",
        one.caption
    );
    let names = CurveNames {
        galaxy: Some("from eight streams".to_owned()),
        ..CurveNames::default()
    };
    let curves = RotationCurve { names }
        .draw(&[("free", curve_table()), ("galaxy", galaxy_table())])
        .unwrap();
    let said = said(&curves);
    assert!(said.iter().any(|said| said == "from eight streams"), "{said:?}");
    assert!(said.iter().any(|said| said == "free acceleration"), "{said:?}");
}

/// Some stars at the edge of all do not squeeze the others, and the caption counts them.
#[test]
fn outliers_do_not_rule_a_figure_of_actions() {
    let picture = ActionSpace::default().draw(&[("stars", spread_table())]).unwrap();
    let (outside, all) = picture.stars_outside.unwrap();
    assert_eq!((outside, all), (OUTLIERS, 300));
    assert!(
        picture
            .full_caption()
            .ends_with(&format!("{OUTLIERS} of 300 stars lie outside the axes."))
    );
    let across = &picture.panels().next().unwrap().x;
    assert!(across.high - across.low < 2.0e4, "{} {}", across.low, across.high);
}

#[test]
fn energies_that_are_missing_are_told_plainly() {
    let connected = |schema| Connected::from([("stars", Artifact::Table(Arc::new(schema)))]);
    let refused = Integrals {}.fits(&connected(columns::stars(&[&ACTIONS]))).unwrap_err();
    assert!(
        refused.starts_with("stars: has no column energy; `map_tori` writes one"),
        "{refused}"
    );
    assert!(
        Integrals {}
            .fits(&connected(columns::stars(&[&[ACTIONS[0], ENERGY]])))
            .is_ok()
    );
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
                let is_said =
                    |said: &String| said == name || said.strip_suffix('…').is_some_and(|cut| name.starts_with(cut));
                assert!(said.iter().any(is_said), "{draw:?}: {name} among {said:?}");
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
        let (outside, _) = picture.outside();
        let caption = picture.full_caption();
        assert!(
            outside == 0 || caption.contains("outside the axes"),
            "{draw:?}: {caption}"
        );
        if let Some((stars, of)) = picture.stars_outside.filter(|stars| stars.0 > 1) {
            assert!(
                caption.contains(&format!("{stars} of {of} stars")),
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
    let figure = stream(3);
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
    let missing = stream(99);
    assert!(missing.draw(&[("o2gf", star_table())]).is_err());
    assert!(figure.fits(&Connected::new()).is_err());
}
