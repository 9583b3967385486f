//! The marks of series, cut off at their frames, and their keys in the legend.

use super::{Frame, Item, Place};
use crate::draw::figure::picture::{Mark, Panel, Point, Series};
use crate::draw::figure::style::{CURVE, Colour, FRAME};

/// How much bands and bars cover.
const PALE: f64 = 0.3;
/// Diameter of a disc.
const DISC: f64 = 4.6;
/// A line's places this close to each other across are thinned to the extremes.
const FINE: f64 = 0.25;

/// Marks that fill, which lie beneath the frame.
pub fn areas(items: &mut Vec<Item>, frame: Frame, panel: &Panel) {
    for series in &panel.series {
        match series.mark {
            Mark::Band => band(items, frame, panel, series),
            Mark::Bars => bars(items, frame, panel, series),
            Mark::Tiles => tiles(items, frame, panel, series),
            _ => {}
        }
    }
}

/// Marks that are lines and dots, which lie above the frame.
pub fn lines(items: &mut Vec<Item>, frame: Frame, panel: &Panel) {
    for series in &panel.series {
        let colour = series.colour;
        let seen = || series.points.iter().filter(|point| panel.shows(point));
        let dots = || {
            seen()
                .map(|point| vec![frame.place(panel, (point.x, point.y))])
                .collect()
        };
        match series.mark {
            Mark::Line | Mark::Dashes => {
                let places = series.points.iter().map(|point| frame.place(panel, (point.x, point.y)));
                let paths = cut(&thin(&places.collect::<Vec<_>>()), frame);
                let dashed = series.mark == Mark::Dashes;
                items.push(Item::Lines {
                    paths,
                    width: CURVE,
                    colour,
                    dashed,
                });
            }
            Mark::Dots(width) => items.push(Item::Lines {
                paths: dots(),
                width,
                colour,
                dashed: false,
            }),
            Mark::Disc => disc(items, dots(), colour),
            Mark::Arrows(width) => {
                let arrow = |point: &Point| Some([(point.x, point.y), (point.across?.1, point.up?.1)]);
                let arrows = seen()
                    .filter_map(arrow)
                    .map(|ends| ends.map(|end| frame.place(panel, end)));
                arrows_of(items, arrows, (width, colour), Some(frame));
            }
            Mark::Band | Mark::Bars | Mark::Tiles => {}
        }
    }
}

/// The key of a mark, in the legend.
pub fn key(items: &mut Vec<Item>, mark: Mark, colour: Colour, (left, middle): Place, width: f64) {
    let across = vec![vec![(left, middle), (left + width, middle)]];
    let dot = vec![vec![(left + 0.5 * width, middle)]];
    let block = |half: f64| {
        let (top, bottom, right) = (middle - half, middle + half, left + width);
        vec![vec![(left, top), (right, top), (right, bottom), (left, bottom)]]
    };
    match mark {
        Mark::Line => items.push(Item::Lines {
            paths: across,
            width: CURVE,
            colour,
            dashed: false,
        }),
        Mark::Dashes => items.push(Item::Lines {
            paths: across,
            width: CURVE,
            colour,
            dashed: true,
        }),
        Mark::Dots(width) => items.push(Item::Lines {
            paths: dot,
            width: width.max(2.0),
            colour,
            dashed: false,
        }),
        Mark::Disc => disc(items, dot, colour),
        Mark::Arrows(thick) => {
            arrows_of(
                items,
                [[(left, middle), (left + width, middle)]].into_iter(),
                (thick, colour),
                None,
            );
        }
        Mark::Band | Mark::Bars | Mark::Tiles => items.push(Item::Areas {
            paths: block(3.0),
            colour,
            opacity: PALE,
        }),
    }
}

fn disc(items: &mut Vec<Item>, paths: Vec<Vec<Place>>, colour: Colour) {
    let rim = Item::Lines {
        paths: paths.clone(),
        width: DISC + 2.0 * FRAME,
        colour: Colour::Ink,
        dashed: false,
    };
    items.push(rim);
    items.push(Item::Lines {
        paths,
        width: DISC,
        colour,
        dashed: false,
    });
}

/// Arrows, cut off at a frame.
fn arrows_of(
    items: &mut Vec<Item>,
    arrows: impl Iterator<Item = [Place; 2]>,
    (width, colour): (f64, Colour),
    frame: Option<Frame>,
) {
    let with_head = |[from, to]: [Place; 2]| {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let head = (0.35 * length).min(2.6) / length.max(1e-9);
        let wing = |side: f64| {
            (
                to.0 - head * (dx + side * 0.6 * dy),
                to.1 - head * (dy - side * 0.6 * dx),
            )
        };
        [vec![from, to], vec![wing(1.0), to, wing(-1.0)]]
    };
    let paths = arrows.flat_map(with_head);
    let paths = match frame {
        Some(frame) => paths.flat_map(|path| cut(&path, frame)).collect(),
        None => paths.collect(),
    };
    items.push(Item::Lines {
        paths,
        width,
        colour,
        dashed: false,
    });
}

fn band(items: &mut Vec<Item>, frame: Frame, panel: &Panel, series: &Series) {
    // Points without a band part it.
    for run in series.points.chunk_by(|a, b| a.up.is_some() == b.up.is_some()) {
        let edge = |pick: fn((f64, f64)) -> f64| {
            let ends = run.iter().filter_map(move |point| Some((point.x, pick(point.up?))));
            ends.map(|end| {
                let (x, y) = frame.place(panel, end);
                (x, y.clamp(frame.top, frame.top + frame.height))
            })
        };
        let mut path: Vec<Place> = edge(|(low, _)| low).collect();
        let mut back: Vec<Place> = edge(|(_, high)| high).collect();
        back.reverse();
        path.extend(back);
        if !path.is_empty() {
            items.push(Item::Areas {
                paths: vec![path],
                colour: series.colour,
                opacity: PALE,
            });
        }
    }
}

/// Bars with the outline of them all.
fn bars(items: &mut Vec<Item>, frame: Frame, panel: &Panel, series: &Series) {
    let floor = frame.top + frame.height;
    let mut outline = Vec::new();
    for (n, bar) in series.points.iter().enumerate() {
        let Some((low, high)) = bar.across else { continue };
        let (left, top) = frame.place(panel, (low, bar.y));
        let (right, _) = frame.place(panel, (high, bar.y));
        let top = top.clamp(frame.top, floor);
        if n == 0 {
            outline.push((left, floor));
        }
        outline.extend([(left, top), (right, top)]);
        if n + 1 == series.points.len() {
            outline.push((right, floor));
        }
    }
    if outline.is_empty() {
        return;
    }
    let colour = series.colour;
    items.push(Item::Areas {
        paths: vec![outline.clone()],
        colour,
        opacity: PALE,
    });
    items.push(Item::Lines {
        paths: vec![outline],
        width: FRAME,
        colour,
        dashed: false,
    });
}

fn tiles(items: &mut Vec<Item>, frame: Frame, panel: &Panel, series: &Series) {
    let Some(colours) = &panel.colours else { return };
    for tile in series.points.iter().filter(|tile| panel.shows(tile)) {
        let (Some((x_low, x_high)), Some((y_low, y_high)), Some(value)) = (tile.across, tile.up, tile.value) else {
            continue;
        };
        let (left, bottom) = frame.place(panel, (x_low, y_low));
        let (right, top) = frame.place(panel, (x_high, y_high));
        // A little over the seams, which else would show.
        let (left, right) = (left.max(frame.left), (right + 0.8).min(frame.left + frame.width));
        let (top, bottom) = ((top - 0.8).max(frame.top), bottom.min(frame.top + frame.height));
        items.push(Item::Areas {
            paths: vec![vec![(left, bottom), (right, bottom), (right, top), (left, top)]],
            colour: Colour::Map(colours.place(value)),
            opacity: 1.0,
        });
    }
}

/// Keeps, of each run of places in one narrow column, the first, lowest, highest and last.
fn thin(places: &[Place]) -> Vec<Place> {
    let mut kept = Vec::new();
    for column in places.chunk_by(|a, b| (a.0 / FINE).floor() == (b.0 / FINE).floor()) {
        if column.len() <= 4 {
            kept.extend_from_slice(column);
            continue;
        }
        let by_height = |a: &&Place, b: &&Place| a.1.total_cmp(&b.1);
        kept.push(column[0]);
        kept.extend(column.iter().min_by(by_height));
        kept.extend(column.iter().max_by(by_height));
        kept.push(column[column.len() - 1]);
    }
    kept
}

/// The parts of a line that lie in a frame.
fn cut(places: &[Place], frame: Frame) -> Vec<Vec<Place>> {
    let mut parts: Vec<Vec<Place>> = Vec::new();
    for pair in places.windows(2) {
        let Some((from, to)) = inside(pair[0], pair[1], frame) else {
            continue;
        };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&from) => part.push(to),
            _ => parts.push(vec![from, to]),
        }
    }
    parts
}

/// The part of a segment that lies in a frame (Liang and Barsky 1984, ACM Trans. Graphics 3, 1).
fn inside(from: Place, to: Place, frame: Frame) -> Option<(Place, Place)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    if !(dx.is_finite() && dy.is_finite()) {
        return None;
    }
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    let edges = [
        (-dx, from.0 - frame.left),
        (dx, frame.left + frame.width - from.0),
        (-dy, from.1 - frame.top),
        (dy, frame.top + frame.height - from.1),
    ];
    for (speed, room) in edges {
        if speed == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if speed < 0.0 {
            enter = enter.max(room / speed);
        } else {
            leave = leave.min(room / speed);
        }
    }
    let at = |part: f64| match part {
        0.0 => from,
        1.0 => to,
        _ => (from.0 + part * dx, from.1 + part * dy),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_extremes() {
        let places: Vec<Place> = (0..1000)
            .map(|n| (f64::from(n / 500), f64::from((n * 37) % 101)))
            .collect();
        let thinned = thin(&places);
        assert_eq!(thinned.len(), 8);
        assert!(thinned.contains(&(0.0, 0.0)) && thinned.contains(&(1.0, 100.0)));
    }

    #[test]
    fn lines_end_at_the_frame() {
        let frame = Frame {
            left: 0.0,
            top: 0.0,
            width: 10.0,
            height: 10.0,
        };
        let places = [(1.0, 5.0), (5.0, 5.0), (15.0, 5.0), (15.0, 20.0), (5.0, 5.0)];
        let parts = cut(&places, frame);
        assert_eq!(parts[0], [(1.0, 5.0), (5.0, 5.0), (10.0, 5.0)]);
        assert_eq!((parts.len(), parts[1][1]), (2, (5.0, 5.0)));
        assert!(
            parts
                .iter()
                .flatten()
                .all(|(x, y)| (0.0..=10.0).contains(x) && (0.0..=10.0).contains(y))
        );
        assert!(cut(&[(20.0, 1.0), (20.0, 9.0)], frame).is_empty());
    }
}
