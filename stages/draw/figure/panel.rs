//! Axes, ticks and marks on plotters' SVG canvas. Pictures are drawn at twice their size, because the canvas has whole
//! pixels only, and take their ink from the page (`currentColor`), so that they read in light and in dark.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, PathElement, RGBAColor, RGBColor, Rectangle, SVGBackend,
    Text, TextStyle,
};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Stands for the page's text colour until [`finish`].
pub const INK: RGBColor = RGBColor(1, 2, 3);
/// Series colours: told apart with any colour vision, and of middling lightness, so that they show on white and on black.
pub const SERIES: [RGBColor; 3] = [RGBColor(47, 127, 208), RGBColor(217, 95, 2), RGBColor(27, 158, 119)];
/// Canvas pixels per pixel of the finished picture.
pub const SCALE: i32 = 2;
const TEXT: i32 = 13 * SCALE;

/// The canvas.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the picture could not be drawn: {0}")]
pub struct DrawError(String);

impl<E: std::error::Error + Send + Sync> From<plotters::drawing::DrawingAreaErrorKind<E>> for DrawError {
    fn from(error: plotters::drawing::DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// Draws a picture of `width` × `height` pixels.
pub fn draw(
    (width, height): (i32, i32),
    title: &str,
    content: impl FnOnce(&Canvas) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut svg = String::new();
    let size = ((width * SCALE).unsigned_abs(), (height * SCALE).unsigned_abs());
    let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    content(&canvas)?;
    canvas.present()?;
    drop(canvas);
    Ok(finish(&svg, width, height, title))
}

/// Gives the picture its size, its title for readers that cannot see it, and the page's ink.
fn finish(svg: &str, width: i32, height: i32, title: &str) -> String {
    let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let body = body
        .replace(&ink, "currentColor")
        .replace(" opacity=\"1\"", "")
        .replace("\n</text>", "</text>");
    let (wide, high) = (width * SCALE, height * SCALE);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {wide} {high}\" \
         role=\"img\" aria-label=\"{title}\" style=\"max-width:100%;height:auto\">{body}",
        title = title.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;"),
    )
}

/// One axis: its range, and what it shows.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether it is logarithmic.
    pub log: bool,
    /// Quantity and unit.
    pub label: String,
}

impl Axis {
    /// A linear axis.
    pub fn linear(low: f64, high: f64, label: impl Into<String>) -> Self {
        let (low, high) = if low < high {
            (low, high)
        } else {
            (low - 0.5, low + 0.5)
        };
        Self {
            low,
            high,
            log: false,
            label: label.into(),
        }
    }

    /// A logarithmic axis over positive values.
    pub fn log(low: f64, high: f64, label: impl Into<String>) -> Self {
        let low = if low > 0.0 { low } else { 1e-12 };
        let high = if high > low { high } else { low * 10.0 };
        let room = (high / low).powf(0.05);
        Self {
            low: low / room,
            high: high * room,
            log: true,
            label: label.into(),
        }
    }

    /// Where a value lies, from 0 at the lower to 1 at the upper end.
    fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Round values to mark, at most about `count`.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        if self.log {
            log_ticks(self.low, self.high, count)
        } else {
            linear_ticks(self.low, self.high, count)
        }
    }
}

fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let power = 10f64.powf(((high - low) / count.max(1) as f64).log10().floor() - 1.0);
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0].map(|multiple| multiple * power);
    let ends = |step: f64| ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let few = |step: &f64| ends(*step).1 - ends(*step).0 < count.max(2) as i64;
    let step = steps.into_iter().find(few).unwrap_or(steps[9]);
    (ends(step).0..=ends(step).1).map(|n| n as f64 * step).collect()
}

fn log_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |value: &f64| (low * 0.999..=high * 1.001).contains(value);
    let at = |multiples: &[f64], stride: usize| -> Vec<f64> {
        let decades = (first..=last).filter(|decade| decade.rem_euclid(stride as i32) == 0);
        decades
            .flat_map(|decade| multiples.iter().map(move |m| m * 10f64.powi(decade)))
            .filter(inside)
            .collect()
    };
    let decades = at(&[1.0], 1);
    if decades.len() > count {
        return at(&[1.0], decades.len().div_ceil(count));
    }
    let fine = [
        at(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0], 1),
        at(&[1.0, 2.0, 5.0], 1),
        at(&[1.0, 3.0], 1),
    ];
    if decades.len() >= 3 {
        return decades;
    }
    fine.into_iter().find(|ticks| ticks.len() <= count).unwrap_or(decades)
}

/// A number as a tick label, with no more digits than it needs.
pub fn tick_label(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = (value.abs().log10() + 1e-9).floor() as i32;
    let text = if (-3..5).contains(&exponent) {
        let digits = usize::try_from(3 - exponent).unwrap_or(0);
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        let mantissa = format!("{:.2}", value / 10f64.powi(exponent));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let power = superscript(exponent);
        if mantissa == "1" {
            format!("10{power}")
        } else {
            format!("{mantissa}·10{power}")
        }
    };
    text.replace('-', "−")
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut text = String::new();
    for c in exponent.to_string().chars() {
        text.push(c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]));
    }
    text
}

/// Where a panel's frame lies, in pixels of the finished picture.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// A frame with two axes to draw in.
pub struct Panel<'a, 'b> {
    canvas: &'a Canvas<'b>,
    frame: Frame,
    x: Axis,
    y: Axis,
}

impl<'a, 'b> Panel<'a, 'b> {
    /// Draws the grid, ticks and labels.
    pub fn new(canvas: &'a Canvas<'b>, frame: Frame, x: Axis, y: Axis) -> Result<Self, DrawError> {
        let panel = Self { canvas, frame, x, y };
        panel.axes()?;
        Ok(panel)
    }

    fn axes(&self) -> Result<(), DrawError> {
        let Frame {
            left,
            top,
            width,
            height,
        } = self.frame;
        let (bottom, right) = (top + height, left + width);
        for value in self.x.ticks((width / 54).max(3) as usize) {
            let (x, _) = self.pixel(value, self.y.low);
            self.stroke(&[(x, top * SCALE), (x, bottom * SCALE)], INK.mix(0.10), 1)?;
            self.text(
                &tick_label(value),
                (x, bottom * SCALE + 6 * SCALE),
                HPos::Center,
                VPos::Top,
                INK.mix(0.75),
            )?;
        }
        for value in self.y.ticks((height / 36).max(3) as usize) {
            let (_, y) = self.pixel(self.x.low, value);
            self.stroke(&[(left * SCALE, y), (right * SCALE, y)], INK.mix(0.10), 1)?;
            self.text(
                &tick_label(value),
                (left * SCALE - 6 * SCALE, y),
                HPos::Right,
                VPos::Center,
                INK.mix(0.75),
            )?;
        }
        let base = [(left * SCALE, bottom * SCALE), (right * SCALE, bottom * SCALE)];
        self.stroke(&base, INK.mix(0.6), SCALE as u32)?;
        let middle = ((left + right) * SCALE / 2, (bottom + 24) * SCALE);
        self.text(&self.x.label, middle, HPos::Center, VPos::Top, INK.mix(1.0))?;
        if !self.y.label.is_empty() {
            let at = (left * SCALE, top * SCALE - 8 * SCALE);
            self.text(&self.y.label, at, HPos::Left, VPos::Bottom, INK.mix(1.0))?;
        }
        Ok(())
    }

    /// The canvas pixel of a point.
    fn pixel(&self, x: f64, y: f64) -> (i32, i32) {
        let Frame {
            left,
            top,
            width,
            height,
        } = self.frame;
        let across = self.x.place(x).clamp(-0.5, 1.5) * f64::from(width * SCALE);
        let up = self.y.place(y).clamp(-0.5, 1.5) * f64::from(height * SCALE);
        (
            left * SCALE + across.round() as i32,
            (top + height) * SCALE - up.round() as i32,
        )
    }

    fn stroke(&self, points: &[(i32, i32)], colour: RGBAColor, width: u32) -> Result<(), DrawError> {
        self.canvas
            .draw(&PathElement::new(points.to_vec(), colour.stroke_width(width)))?;
        Ok(())
    }

    fn text(&self, text: &str, at: (i32, i32), h: HPos, v: VPos, colour: RGBAColor) -> Result<(), DrawError> {
        let style: TextStyle = ("sans-serif", TEXT)
            .into_font()
            .transform(FontTransform::None)
            .color(&colour);
        self.canvas
            .draw(&Text::new(text.to_owned(), at, style.pos(Pos::new(h, v))))?;
        Ok(())
    }

    /// A line through points; more points than pixels are thinned to the extremes of each pixel column.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor) -> Result<(), DrawError> {
        let pixels: Vec<(i32, i32)> = points.iter().map(|&(x, y)| self.pixel(x, y)).collect();
        self.stroke(&thin(&pixels), colour.mix(1.0), 2 * SCALE as u32)
    }

    /// Dots of `radius` pixels.
    pub fn dots(&self, points: &[(f64, f64)], radius: i32, colour: RGBAColor) -> Result<(), DrawError> {
        for &(x, y) in points {
            self.canvas
                .draw(&Circle::new(self.pixel(x, y), radius * SCALE / 2, colour.filled()))?;
        }
        Ok(())
    }

    /// Bars from zero, each over its interval of x.
    pub fn bars(&self, bars: &[(f64, f64, f64)], colour: RGBColor) -> Result<(), DrawError> {
        for &(low, high, value) in bars {
            let ((left, top), (right, bottom)) = (self.pixel(low, value), self.pixel(high, self.y.low));
            if top < bottom {
                let corners = [(left, top), ((right - 1).max(left + 1), bottom)];
                self.canvas.draw(&Rectangle::new(corners, colour.mix(0.85).filled()))?;
            }
        }
        Ok(())
    }

    /// A vertical line over the whole height.
    pub fn vertical(&self, x: f64, colour: RGBAColor) -> Result<(), DrawError> {
        let ((at, bottom), (_, top)) = (self.pixel(x, self.y.low), self.pixel(x, self.y.high));
        self.stroke(&[(at, bottom), (at, top)], colour, SCALE as u32)
    }

    /// A ring around a point.
    pub fn ring(&self, (x, y): (f64, f64), colour: RGBColor) -> Result<(), DrawError> {
        let style = colour.mix(1.0).stroke_width(2 * SCALE as u32);
        self.canvas.draw(&Circle::new(self.pixel(x, y), 6 * SCALE, style))?;
        Ok(())
    }

    /// A legend on one line, `rise` pixels above the frame, ending at its right edge.
    pub fn legend(&self, entries: &[(String, RGBColor)], rise: i32) -> Result<(), DrawError> {
        let key = 26 * SCALE;
        // The canvas does not know its font: half an em is the width of an average letter.
        let width = |name: &str| key + name.chars().count() as i32 * TEXT / 2 + 18 * SCALE;
        let right = (self.frame.left + self.frame.width) * SCALE + 10 * SCALE;
        let mut left = right - entries.iter().map(|(name, _)| width(name)).sum::<i32>();
        let y = (self.frame.top - rise) * SCALE;
        for (name, colour) in entries {
            self.stroke(&[(left, y), (left + 20 * SCALE, y)], colour.mix(1.0), 3 * SCALE as u32)?;
            self.text(name, (left + key, y), HPos::Left, VPos::Center, INK.mix(1.0))?;
            left += width(name);
        }
        Ok(())
    }
}

/// Keeps, of each run of points in one pixel column, the first, lowest, highest and last.
fn thin(points: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let mut kept: Vec<(i32, i32)> = Vec::new();
    for column in points.chunk_by(|a, b| a.0 == b.0) {
        let mut rows: Vec<i32> = column.iter().map(|p| p.1).collect();
        if rows.len() > 4 {
            let (first, last) = (rows[0], rows[rows.len() - 1]);
            let (low, high) = rows
                .iter()
                .fold((first, first), |(low, high), &r| (low.min(r), high.max(r)));
            rows = vec![first, low, high, last];
        }
        kept.extend(rows.into_iter().map(|row| (column[0].0, row)));
    }
    kept
}

/// A description of a unit to put after a quantity: ` / kpc`, or nothing for a pure number.
pub fn per_unit(unit: &str) -> String {
    let mut text = String::new();
    if !unit.is_empty() {
        let _ = write!(text, " / {}", unit.replace("^2", "²"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(linear_ticks(0.0, 1.0, 6), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(linear_ticks(-0.9, 0.9, 3), [-0.5, 0.0, 0.5]);
        assert_eq!(Axis::linear(-7.0, 13.0, "").ticks(4), [-5.0, 0.0, 5.0, 10.0]);
        assert_eq!(log_ticks(0.05, 30.0, 6), [0.1, 1.0, 10.0]);
        assert!(log_ticks(1e-12, 1e12, 6).len() <= 7);
        assert!(log_ticks(2.1, 2.3, 6).len() <= 6);
    }

    #[test]
    fn tick_labels_have_the_digits_they_need() {
        let labels = [0.0, 0.25, -2.0, 1e-5, 2.5e7, 1000.0, 0.6000000000000001].map(tick_label);
        assert_eq!(labels, ["0", "0.25", "−2", "10⁻⁵", "2.5·10⁷", "1000", "0.6"]);
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let points: Vec<(i32, i32)> = (0..1000).map(|n| (n / 500, (n * 37) % 101)).collect();
        let thinned = thin(&points);
        assert_eq!(thinned.len(), 8);
        assert!(thinned.contains(&(0, 0)) && thinned.contains(&(1, 100)));
    }
}
