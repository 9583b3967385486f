//! Where everything of a picture goes: from panels to lines, areas and texts, in points from the upper left corner.

mod frame;
mod marks;
pub mod numbers;

use super::axis::{Axis, Ticks};
use super::picture::{Mark, Panel, Picture, Row};
use super::style::{Colour, TEXT, WIDTH};
#[cfg(test)]
use super::text::Height;
use super::text::Label;

/// A place.
pub type Place = (f64, f64);

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Lines, each through some places; a line of one place is a dot.
    Lines {
        /// Their places.
        paths: Vec<Vec<Place>>,
        /// Their width.
        width: f64,
        /// Their colour.
        colour: Colour,
        /// Whether they are dashed.
        dashed: bool,
    },
    /// Areas.
    Areas {
        /// Their corners.
        paths: Vec<Vec<Place>>,
        /// Their colour.
        colour: Colour,
        /// How much they cover.
        opacity: f64,
    },
    /// Words.
    Words(Words),
}

/// A text with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// What it says.
    pub label: Label,
    /// The middle of its height, and along it what `align` says.
    pub at: Place,
    /// Which part of it is at `at`: 0 its beginning, 0.5 its middle, 1 its end.
    pub align: f64,
    /// Whether it runs upwards.
    pub upright: bool,
}

impl Words {
    #[cfg(test)]
    /// Its corners: left, top, right, bottom.
    pub fn corners(&self) -> [f64; 4] {
        let width = self.label.width(TEXT);
        let (before, after) = (self.align * width, (1.0 - self.align) * width);
        let has = |height: Height| self.label.0.iter().any(|run| run.height == height);
        let above = if has(Height::Above) { 0.6 * TEXT } else { 0.5 * TEXT };
        let below = if has(Height::Below) { 0.65 * TEXT } else { 0.5 * TEXT };
        let (x, y) = self.at;
        match self.upright {
            false => [x - before, y - above, x + after, y + below],
            true => [x - above, y - after, x + below, y + before],
        }
    }
}

/// A frame's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Frame {
    /// Where a point of a panel goes.
    fn place(&self, panel: &Panel, (x, y): (f64, f64)) -> Place {
        (
            self.left + self.width * panel.x.place(x),
            self.top + self.height * (1.0 - panel.y.place(y)),
        )
    }
}

/// A picture's height, and all that is drawn.
pub struct Drawn {
    /// Height.
    pub height: f64,
    /// What is drawn, the first lowest.
    pub items: Vec<Item>,
}

/// A line of text with the room around it.
const LINE: f64 = 10.0;
/// Room between a frame and its numbers.
const GAP: f64 = 3.5;
/// Room at the edges of the picture.
const EDGE: f64 = 3.0;
/// Room between a number and the title beyond it, which may have subscripts.
const APART: f64 = 2.5;
/// Room between frames that share an axis.
const SEAM: f64 = 9.5;
/// Width of a colour bar, and its distance from the frame.
const BAR: (f64, f64) = (7.0, 5.0);

/// Room that a panel takes besides its frame.
#[derive(Debug, Clone, Copy, Default)]
struct Margins {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// How much of a panel's surroundings is written.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Numbers and title of the x axis.
    pub x: bool,
    /// Numbers and title of the y axis.
    pub y: bool,
    /// Whether the titles of x axes have their units beneath, as one of the row must.
    in_two: bool,
}

/// A panel with its frame.
pub struct Placed<'p> {
    /// Its frame.
    pub frame: Frame,
    /// The panel.
    pub panel: &'p Panel,
    /// What is written around it.
    pub written: Written,
}

/// Draws a picture.
pub fn drawn(picture: &Picture) -> Drawn {
    let mut items = Vec::new();
    let legend = legend(picture, &mut items);
    let (panels, height) = placed(picture, legend);
    for Placed { frame, panel, written } in panels {
        frame::draw(&mut items, frame, panel, written);
    }
    Drawn { height, items }
}

/// Panels below a legend of some height, and the height of the picture.
pub fn placed(picture: &Picture, legend: f64) -> (Vec<Placed<'_>>, f64) {
    let mut top = EDGE + legend;
    let columns = picture.rows.iter().map(|row| row.panels.len()).max();
    let columns = columns.unwrap_or(0).max(1);
    let margins: Vec<Margins> = (0..columns).map(|column| column_margins(picture, column)).collect();
    let taken: f64 = margins.iter().map(|margins| margins.left + margins.right).sum();
    let width = (WIDTH - 2.0 * EDGE - taken) / columns as f64;
    let mut panels = Vec::new();
    for (place, row) in picture.rows.iter().enumerate() {
        let height = row.height;
        let around = row_margins(picture, place, width);
        let in_two = frame::in_two(row, width);
        top += around.top;
        let mut left = EDGE;
        for (column, margins) in margins.iter().enumerate() {
            left += margins.left;
            if let Some(panel) = row.panels.get(column).and_then(Option::as_ref) {
                panels.push(Placed {
                    frame: Frame {
                        left,
                        top,
                        width,
                        height,
                    },
                    panel,
                    written: Written {
                        in_two,
                        ..written(picture, place, column)
                    },
                });
            }
            left += width + margins.right;
        }
        top += height + around.bottom;
    }
    (panels, (top + EDGE).ceil())
}

/// Whether a panel's axes are numbered: where they are shared, only the lowest and the leftmost are.
fn written(picture: &Picture, row: usize, column: usize) -> Written {
    let below = picture.rows.get(row + 1).and_then(|row| row.panels.get(column));
    let before = column
        .checked_sub(1)
        .and_then(|column| picture.rows[row].panels.get(column));
    let is_panel = |place: Option<&Option<Panel>>| place.is_some_and(Option::is_some);
    // Beside a histogram on the diagonal the axis is another one.
    let own = picture.rows[row].panels.get(column).and_then(Option::as_ref);
    let same = |of: fn(&Panel) -> &Axis, other: Option<&Option<Panel>>| {
        own.zip(other.and_then(Option::as_ref))
            .is_some_and(|(own, other)| of(own) == of(other))
    };
    Written {
        x: !(picture.shared.x && is_panel(below) && same(|panel| &panel.x, below)),
        y: !(own.is_some_and(|own| own.numbered_elsewhere)
            || picture.shared.y && is_panel(before) && same(|panel| &panel.y, before)),
        in_two: false,
    }
}

/// Room beside the frames of a column.
fn column_margins(picture: &Picture, column: usize) -> Margins {
    let mut margins = Margins {
        left: SEAM * 0.5,
        right: SEAM * 0.5,
        ..Margins::default()
    };
    for (place, row) in picture.rows.iter().enumerate() {
        let Some(panel) = row.panels.get(column).and_then(Option::as_ref) else {
            continue;
        };
        if written(picture, place, column).y {
            let numbers = frame::widest(&y_ticks(panel, row));
            let lines = frame::lines(&panel.y, row.height).len() as f64;
            margins.left = margins.left.max(GAP + numbers + APART + LINE * lines);
        }
        if let Some(colours) = &panel.colours {
            let numbers = frame::widest(&numbers::up(row.height, colours));
            margins.right = margins.right.max(BAR.0 + BAR.1 + GAP + numbers + APART + LINE);
        }
    }
    margins
}

fn y_ticks(panel: &Panel, row: &Row) -> Ticks {
    numbers::up(row.height, &panel.y)
}

/// Room above and beneath the frames of a row.
fn row_margins(picture: &Picture, row: usize, width: f64) -> Margins {
    let mut margins = Margins {
        top: 0.5 * SEAM,
        bottom: 0.5 * SEAM,
        ..Margins::default()
    };
    for (column, panel) in picture.rows[row].panels.iter().enumerate() {
        let Some(panel) = panel else { continue };
        let lines = frame::heading(panel, width).len() as f64;
        if lines > 0.0 {
            margins.top = margins.top.max(LINE * lines + 1.0);
        }
        if written(picture, row, column).x {
            let axis = numbers::across(width, &panel.x).0;
            let lines = frame::x_lines(&axis, frame::in_two(&picture.rows[row], width)).len() as f64;
            margins.bottom = margins.bottom.max(GAP + LINE * (1.0 + lines) + 1.0);
        }
    }
    margins
}

/// The legend in lines from the upper edge: each name once, beside its mark. Gives its height.
fn legend(picture: &Picture, items: &mut Vec<Item>) -> f64 {
    const KEY: f64 = 14.0;
    let mut entries: Vec<(&str, Vec<(Mark, Colour)>)> = Vec::new();
    for series in picture.panels().flat_map(|panel| &panel.series) {
        let mark = (series.mark, series.colour);
        match entries.iter_mut().find(|(name, _)| *name == series.name) {
            // A band belongs to the line that it is around: their key is one.
            Some((_, marks)) if marks.contains(&mark) => {}
            Some((_, marks)) => marks.push(mark),
            None if series.mark == Mark::Tiles => {}
            None => entries.push((&series.name, vec![mark])),
        }
    }
    if entries.len() < 2 {
        return 0.0;
    }
    let (mut left, mut line) = (EDGE, 0.0);
    for (name, marks) in entries {
        let label = Label::plain(name).within(WIDTH - 2.0 * EDGE - KEY - GAP);
        let width = KEY + GAP + label.width(TEXT);
        if left > EDGE && left + width > WIDTH - EDGE {
            (left, line) = (EDGE, line + 1.0);
        }
        let middle = EDGE + LINE * (line + 0.5);
        for (mark, colour) in marks {
            marks::key(items, mark, colour, (left, middle), KEY);
        }
        items.push(Item::Words(Words {
            label,
            at: (left + KEY + GAP, middle),
            align: 0.0,
            upright: false,
        }));
        left += width + 8.0;
    }
    LINE * (line + 1.0) + 2.0
}
