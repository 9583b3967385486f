//! How all figures look: sizes in points at the width of a journal's column, and colours.

/// Width of a picture, points: one column, 3.4 in.
pub const WIDTH: f64 = 245.0;
/// Pixels of a screen for a point.
pub const SCREEN: f64 = 2.0;
/// Size of all text, points.
pub const TEXT: f64 = 7.5;
/// Widths of lines, points.
pub const FRAME: f64 = 0.7;
/// Of guides.
pub const THIN: f64 = 0.5;
/// Of curves.
pub const CURVE: f64 = 1.1;
/// Lengths of ticks that are numbered, and of others.
pub const TICKS: (f64, f64) = (3.6, 2.0);
/// Fonts; widths of labels are those of the first.
pub const FONTS: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// A colour by its part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Colour {
    /// The page's own ink.
    Ink,
    /// The same, faint.
    Faint,
    /// One of the series, in the order of [`SERIES`].
    Series(usize),
    /// From 0 to 1 along the scale of maps.
    Map(f64),
}

/// Colours of Okabe and Ito, told apart with any colour vision: blue, vermilion, green, purple. Others of theirs are too light on
/// white or too dark on black.
pub const SERIES: [(u8, u8, u8); 4] = [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)];

/// Viridis, every ninth.
const MAP: [(u8, u8, u8); 9] = [
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
];

impl Colour {
    /// The colour as SVG has it.
    pub fn svg(self) -> String {
        let hex = |(r, g, b): (u8, u8, u8)| format!("#{r:02x}{g:02x}{b:02x}");
        match self {
            Self::Ink | Self::Faint => "currentColor".to_owned(),
            Self::Series(n) => hex(SERIES[n % SERIES.len()]),
            Self::Map(place) => hex(between(place)),
        }
    }

    /// How much of it covers what is beneath.
    pub fn opacity(self) -> f64 {
        match self {
            Self::Faint => 0.4,
            _ => 1.0,
        }
    }
}

/// A colour of the map, linear between its neighbours.
fn between(place: f64) -> (u8, u8, u8) {
    let at = place.clamp(0.0, 1.0) * (MAP.len() - 1) as f64;
    let (from, part) = (
        (at as usize).min(MAP.len() - 2),
        at - (at as usize).min(MAP.len() - 2) as f64,
    );
    let (a, b) = (MAP[from], MAP[from + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
