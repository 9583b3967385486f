//! What a picture holds, as plain data: a drawing makes it of tables; [`super::svg`] shows it, [`super::data`] tabulates it.

use super::axis::Axis;
use super::style::Colour;
use super::text::Label;

/// A picture.
pub struct Picture {
    /// What it is, in a few words.
    pub title: String,
    /// The caption: what is shown, of how many, from where.
    pub caption: String,
    /// How many stars of how many any panel leaves out, where its points are stars; a star is a point in several panels.
    pub stars_outside: Option<(usize, usize)>,
    /// Panels in rows; a place without one is empty.
    pub rows: Vec<Row>,
    /// Whether the panels of a column have one x axis, and those of a row one y axis.
    pub shared: Shared,
}

/// Panels beside each other.
pub struct Row {
    /// The panels, of equal width.
    pub panels: Vec<Option<Panel>>,
    /// Height of the frames, points.
    pub height: f64,
}

impl Row {
    /// A row of one panel.
    pub fn one(height: f64, panel: Panel) -> Self {
        Self {
            panels: vec![Some(panel)],
            height,
        }
    }
}

/// Axes that are numbered once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shared {
    /// The panels of a column have the same x axis.
    pub x: bool,
    /// The panels of a row have the same y axis.
    pub y: bool,
}

/// A frame with what is drawn in it.
pub struct Panel {
    /// Name, for the table.
    pub name: String,
    /// What stands above the frame.
    pub heading: Label,
    /// Across.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Thin lines for the eye, which are no data.
    pub guides: Vec<Guide>,
    /// What is drawn, the first lowest.
    pub series: Vec<Series>,
    /// What the colours of tiles say.
    pub colours: Option<Axis>,
    /// Whether its y axis is one that another panel has numbered.
    pub numbered_elsewhere: bool,
}

impl Panel {
    /// An empty frame.
    pub fn new(name: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            name: name.into(),
            heading: Label::default(),
            x,
            y,
            guides: Vec::new(),
            series: Vec::new(),
            colours: None,
            numbered_elsewhere: false,
        }
    }

    /// The same with a heading.
    pub fn headed(mut self, heading: Label) -> Self {
        self.heading = heading;
        self
    }

    /// The same with a thin line.
    pub fn guide(mut self, guide: Guide) -> Self {
        self.guides.push(guide);
        self
    }

    /// The same with a series.
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }
}

/// A thin line over the whole of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guide {
    /// At a y.
    Level(f64),
    /// At an x.
    Upright(f64),
    /// At an x, dashed.
    Dashed(f64),
}

/// What is drawn of one thing in one way.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// How.
    pub mark: Mark,
    /// In which colour.
    pub colour: Colour,
    /// Where.
    pub points: Vec<Point>,
    /// How many values lie outside the axes and are among no point, as those of a histogram.
    pub beyond: usize,
}

impl Series {
    /// A series of points.
    pub fn new(name: impl Into<String>, mark: Mark, colour: Colour, points: Vec<Point>) -> Self {
        Self {
            name: name.into(),
            mark,
            colour,
            points,
            beyond: 0,
        }
    }
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    /// A line through them.
    Line,
    /// A dashed line through them.
    Dashes,
    /// Dots of a diameter, points.
    Dots(f64),
    /// A disc with a rim, to be seen among all else.
    Disc,
    /// What lies between their `y_low` and `y_high`.
    Band,
    /// Bars of a histogram, from the lower end of the axis.
    Bars,
    /// Rectangles whose colours tell their `value`.
    Tiles,
    /// Arrows of a width from (x, y) to (`x_high`, `y_high`).
    Arrows(f64),
}

/// One place, with what a mark needs besides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// From where to where across.
    pub across: Option<(f64, f64)>,
    /// From where to where upwards.
    pub up: Option<(f64, f64)>,
    /// What a colour tells.
    pub value: Option<f64>,
}

impl Point {
    /// A place.
    pub fn at(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            ..Self::default()
        }
    }
}

/// Places from pairs of coordinates.
pub fn points(pairs: impl IntoIterator<Item = (f64, f64)>) -> Vec<Point> {
    pairs.into_iter().map(|(x, y)| Point::at(x, y)).collect()
}

impl Panel {
    /// Whether a point lies inside the axes; a logarithmic one holds nothing that is not positive.
    pub fn shows(&self, point: &Point) -> bool {
        self.x.within(point.x) && self.y.within(point.y)
    }

    /// How many values of how many lie outside the axes.
    pub fn outside(&self) -> (usize, usize) {
        let each = self.series.iter().map(|series| {
            let outside = series.points.iter().filter(|point| !self.shows(point)).count() + series.beyond;
            // A histogram's values are counted by its bars.
            let all = match series.mark {
                Mark::Bars => series.points.iter().map(|bar| bar.y as usize).sum::<usize>() + series.beyond,
                _ => series.points.len(),
            };
            (outside, all)
        });
        each.fold((0, 0), |(outside, all), (more, of)| (outside + more, all + of))
    }
}

impl Picture {
    /// All panels, row by row.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| row.panels.iter().flatten())
    }

    /// How many values of how many lie outside the axes of their panels.
    pub fn outside(&self) -> (usize, usize) {
        let each = self.panels().map(Panel::outside);
        each.fold((0, 0), |(outside, all), (more, of)| (outside + more, all + of))
    }

    /// The caption, and how much of what could be drawn is not seen.
    pub fn full_caption(&self) -> String {
        let ((outside, all), noun) = match self.stars_outside {
            Some(stars) => (stars, "star"),
            None => (self.outside(), "point"),
        };
        let seen = match outside {
            0 => String::new(),
            1 => format!(" One of {} lies outside the axes.", counted(all, noun)),
            _ => format!(" {outside} of {} lie outside the axes.", counted(all, noun)),
        };
        format!("{}{seen}", self.caption)
    }
}

/// How many of so many stars lie outside the axes.
pub fn stars_outside(stars: usize, is_outside: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
    Some(((0..stars).filter(|&star| is_outside(star)).count(), stars))
}

/// At most so many of `rows`, evenly spread, and what a caption says of that.
pub fn thinned(rows: usize, most: usize) -> (usize, String) {
    let every = rows.div_ceil(most).max(1);
    match every {
        1 => (1, String::new()),
        _ => (every, format!(" One star in {every} is drawn.")),
    }
}

/// A number of things: "1 star", "8 stars".
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
