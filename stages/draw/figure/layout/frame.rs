//! A panel's frame: marks, ticks on all sides, numbers, titles, colour bar.

use super::{APART, BAR, Frame, GAP, Item, LINE, Place, Words, Written, marks, numbers};
use crate::draw::figure::axis::{Axis, Ticks};
use crate::draw::figure::picture::{Guide, Panel, Row};
use crate::draw::figure::style::{Colour, FRAME, TEXT, THIN, TICKS};
use crate::draw::figure::text::Label;

/// Draws a panel.
pub fn draw(items: &mut Vec<Item>, frame: Frame, panel: &Panel, written: Written) {
    let (x, across) = numbers::across(frame.width, &panel.x);
    let up = numbers::up(frame.height, &panel.y);
    marks::areas(items, frame, panel);
    guides(items, frame, panel);
    outline(items, frame);
    for (axis, ticks, along) in [(&x, &across, true), (&panel.y, &up, false)] {
        let major = ticks.major.iter().map(|(value, _)| *value);
        tick_marks(items, frame, axis, major, (along, TICKS.0));
        tick_marks(items, frame, axis, ticks.minor.iter().copied(), (along, TICKS.1));
    }
    marks::lines(items, frame, panel);
    if written.x {
        numbers_below(items, frame, &x, &across, written.in_two);
    }
    if written.y {
        numbers_beside(items, frame, panel, &up);
    }
    for (n, line) in heading(panel, frame.width).into_iter().rev().enumerate() {
        let at = (frame.left, frame.top - LINE * (n as f64 + 0.5) - 0.5);
        words(items, line, at, 0.0);
    }
    if let Some(colours) = &panel.colours {
        colour_bar(items, frame, colours);
    }
}

/// What stands above a frame: in one line, or parted between words where it is wider.
pub fn heading(panel: &Panel, width: f64) -> Vec<Label> {
    let [run] = panel.heading.0.as_slice() else {
        return (!panel.heading.is_empty())
            .then(|| panel.heading.clone())
            .into_iter()
            .collect();
    };
    let mut lines: Vec<String> = Vec::new();
    for word in run.text.split(' ') {
        match lines.last_mut() {
            Some(line) if Label::plain(format!("{line} {word}")).width(TEXT) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| Label::plain(line).within(width)).collect()
}

/// The widest of an axis' numbers.
pub fn widest(ticks: &Ticks) -> f64 {
    ticks
        .major
        .iter()
        .map(|(_, label)| label.width(TEXT))
        .fold(0.0, f64::max)
}

/// The title of an axis in one line, or in two where it is longer than the frame.
pub fn lines(axis: &Axis, room: f64) -> Vec<Label> {
    let title = axis.title();
    let unit = axis.in_unit();
    match title.width(TEXT) > room && !unit.is_empty() && !axis.quantity.is_empty() {
        true => vec![axis.counted(), unit],
        false if title.is_empty() => Vec::new(),
        false => vec![title],
    }
}

/// Whether the title of any x axis of a row is wider than its frame.
pub fn in_two(row: &Row, width: f64) -> bool {
    let panels = row.panels.iter().flatten();
    let mut titles = panels.map(|panel| numbers::across(width, &panel.x).0.title());
    titles.any(|title| title.width(TEXT) > width)
}

/// The title of an x axis, in one line or in two.
pub fn x_lines(axis: &Axis, in_two: bool) -> Vec<Label> {
    lines(axis, if in_two { 0.0 } else { f64::INFINITY })
}

fn words(items: &mut Vec<Item>, label: Label, at: Place, align: f64) {
    items.push(Item::Words(Words {
        label,
        at,
        align,
        upright: false,
    }));
}

fn line(items: &mut Vec<Item>, paths: Vec<Vec<Place>>, width: f64, colour: Colour, dashed: bool) {
    if !paths.is_empty() {
        items.push(Item::Lines {
            paths,
            width,
            colour,
            dashed,
        });
    }
}

fn outline(
    items: &mut Vec<Item>,
    Frame {
        left,
        top,
        width,
        height,
    }: Frame,
) {
    let (right, bottom) = (left + width, top + height);
    let corners = vec![
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
        (right, top),
    ];
    line(items, vec![corners], FRAME, Colour::Ink, false);
}

fn guides(items: &mut Vec<Item>, frame: Frame, panel: &Panel) {
    let Frame {
        left,
        top,
        width,
        height,
    } = frame;
    for guide in &panel.guides {
        let (value, is_level) = match *guide {
            Guide::Level(y) => (y, true),
            Guide::Upright(x) | Guide::Dashed(x) => (x, false),
        };
        let axis = if is_level { &panel.y } else { &panel.x };
        if !axis.within(value) {
            continue;
        }
        let path = match is_level {
            true => {
                let y = top + height * (1.0 - axis.place(value));
                vec![(left, y), (left + width, y)]
            }
            false => {
                let x = left + width * axis.place(value);
                vec![(x, top), (x, top + height)]
            }
        };
        let (colour, dashed) = match guide {
            Guide::Dashed(_) => (Colour::Ink, true),
            _ => (Colour::Faint, false),
        };
        line(items, vec![path], THIN, colour, dashed);
    }
}

/// Ticks inwards from both sides of a frame.
fn tick_marks(
    items: &mut Vec<Item>,
    frame: Frame,
    axis: &Axis,
    values: impl Iterator<Item = f64>,
    (along, length): (bool, f64),
) {
    let Frame {
        left,
        top,
        width,
        height,
    } = frame;
    let (right, bottom) = (left + width, top + height);
    let pair = |value: f64| match along {
        true => {
            let x = left + width * axis.place(value);
            [
                vec![(x, bottom), (x, bottom - length)],
                vec![(x, top), (x, top + length)],
            ]
        }
        false => {
            let y = bottom - height * axis.place(value);
            [
                vec![(left, y), (left + length, y)],
                vec![(right, y), (right - length, y)],
            ]
        }
    };
    line(items, values.flat_map(pair).collect(), THIN, Colour::Ink, false);
}

fn numbers_below(items: &mut Vec<Item>, frame: Frame, axis: &Axis, ticks: &Ticks, in_two: bool) {
    let bottom = frame.top + frame.height + GAP;
    for (value, label) in ticks.written() {
        let at = frame.left + frame.width * axis.place(*value);
        words(items, label.clone(), (at, bottom + 0.5 * TEXT), 0.5);
    }
    for (n, title) in x_lines(axis, in_two).into_iter().enumerate() {
        let at = (frame.left + 0.5 * frame.width, bottom + LINE * (1.5 + n as f64));
        words(items, title, at, 0.5);
    }
}

fn numbers_beside(items: &mut Vec<Item>, frame: Frame, panel: &Panel, ticks: &Ticks) {
    let Frame { left, top, height, .. } = frame;
    for (value, label) in ticks.written() {
        let at = top + height * (1.0 - panel.y.place(*value));
        words(items, label.clone(), (left - GAP, at), 1.0);
    }
    let titles = lines(&panel.y, height);
    for (n, title) in titles.iter().rev().enumerate() {
        let x = left - GAP - widest(ticks) - APART - LINE * (n as f64 + 0.5);
        items.push(Item::Words(Words {
            label: title.clone(),
            at: (x, top + 0.5 * height),
            align: 0.5,
            upright: true,
        }));
    }
}

/// The scale of a map, at the right of its frame.
fn colour_bar(items: &mut Vec<Item>, frame: Frame, colours: &Axis) {
    const STEPS: usize = 64;
    let left = frame.left + frame.width + BAR.1;
    let bar = Frame {
        left,
        width: BAR.0,
        ..frame
    };
    let height = frame.height / STEPS as f64;
    for n in 0..STEPS {
        let bottom = bar.top + bar.height - n as f64 * height;
        // Each covers the seam to the next.
        let top = (bottom - 1.5 * height).max(bar.top);
        let right = left + BAR.0;
        items.push(Item::Areas {
            paths: vec![vec![(left, bottom), (right, bottom), (right, top), (left, top)]],
            colour: Colour::Map((n as f64 + 0.5) / STEPS as f64),
            opacity: 1.0,
        });
    }
    outline(items, bar);
    let ticks = numbers::up(frame.height, colours);
    let major = ticks.major.iter().map(|(value, _)| *value);
    tick_marks(items, bar, colours, major, (false, TICKS.1));
    let right = left + BAR.0 + GAP;
    for (value, label) in ticks.written() {
        let at = bar.top + bar.height * (1.0 - colours.place(*value));
        words(items, label.clone(), (right, at), 0.0);
    }
    items.push(Item::Words(Words {
        label: colours.title(),
        at: (right + widest(&ticks) + APART + 0.5 * LINE, bar.top + 0.5 * bar.height),
        align: 0.5,
        upright: true,
    }));
}
