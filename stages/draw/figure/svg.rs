//! A picture as SVG, which takes its ink from the page, and by itself is dark where its reader's screen is.

use std::fmt::Write as _;

use super::layout::{self, Item, Place, Words};
use super::picture::Picture;
use super::style::{FONTS, SCREEN, TEXT, WIDTH};
use super::text::{Height, Label, SMALL};

/// Colours of a picture that stands by itself; in a page it has the page's.
const STYLE: &str = "svg:root{color:#1a1a1a;background:#fff}\
                     @media(prefers-color-scheme:dark){svg:root{color:#e6e6e6;background:#16181c}}";

/// The picture.
pub fn svg(picture: &Picture) -> String {
    let layout::Drawn { height, items } = layout::drawn(picture);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\" font-family=\"{FONTS}\" font-size=\"{TEXT}\">\n<title>{title}</title>\n<desc>{}</desc>\n\
         <style>{STYLE}</style>\n",
        WIDTH * SCREEN,
        height * SCREEN,
        escaped(&picture.full_caption()),
        title = escaped(&picture.title),
    );
    for item in &items {
        draw(&mut svg, item);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, item: &Item) {
    match item {
        Item::Lines {
            paths,
            width,
            colour,
            dashed,
        } => {
            let d = path(paths, false);
            if d.is_empty() {
                return;
            }
            let dashes = if *dashed {
                " stroke-dasharray=\"3 2\""
            } else {
                " stroke-linecap=\"round\""
            };
            let seen = seen("stroke", colour.opacity());
            let _ = writeln!(
                svg,
                "<path d=\"{d}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{seen}{dashes} stroke-linejoin=\"round\"/>",
                colour.svg(),
                number(*width),
            );
        }
        Item::Areas { paths, colour, opacity } => {
            let seen = seen("fill", opacity * colour.opacity());
            let _ = writeln!(
                svg,
                "<path d=\"{}\" fill=\"{}\"{seen}/>",
                path(paths, true),
                colour.svg()
            );
        }
        Item::Words(words) => text(svg, words),
    }
}

fn seen(what: &str, opacity: f64) -> String {
    match opacity {
        1.0 => String::new(),
        part => format!(" {what}-opacity=\"{}\"", number(part)),
    }
}

/// A path through places; a single one is a dot, which its round end makes visible.
fn path(paths: &[Vec<Place>], closed: bool) -> String {
    let mut d = String::new();
    for places in paths {
        for (n, (x, y)) in places.iter().enumerate() {
            let letter = if n == 0 { 'M' } else { 'L' };
            let _ = write!(d, "{letter}{} {}", number(*x), number(*y));
        }
        if places.len() == 1 {
            d.push_str("h.01");
        } else if closed {
            d.push('Z');
        }
    }
    d
}

/// To a hundredth of a point.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn text(svg: &mut String, words: &Words) {
    let anchor = match words.align {
        0.0 => "start",
        1.0 => "end",
        _ => "middle",
    };
    // Capitals are 0.73 of the size high.
    let (x, y) = words.at;
    let place = match words.upright {
        false => format!("x=\"{}\" y=\"{}\"", number(x), number(y + 0.36 * TEXT)),
        true => format!(
            "transform=\"rotate(-90) translate({} {})\"",
            number(-y),
            number(x + 0.36 * TEXT)
        ),
    };
    let _ = writeln!(
        svg,
        "<text {place} text-anchor=\"{anchor}\" fill=\"currentColor\">{}</text>",
        runs(&words.label)
    );
}

/// The runs of a label, raised and lowered.
fn runs(label: &Label) -> String {
    let mut text = String::new();
    let mut before = 0.0;
    for run in &label.0 {
        let rise = match run.height {
            Height::Line => 0.0,
            Height::Below => 0.22 * TEXT,
            Height::Above => -0.36 * TEXT,
        };
        let mut attributes = String::new();
        if rise != before {
            let _ = write!(attributes, " dy=\"{}\"", number(rise - before));
        }
        if run.height != Height::Line {
            let _ = write!(attributes, " font-size=\"{}\"", number(SMALL * TEXT));
        }
        if run.italic {
            attributes.push_str(" font-style=\"italic\"");
        }
        before = rise;
        match attributes.is_empty() {
            true => text.push_str(&escaped(&run.text)),
            false => {
                let _ = write!(text, "<tspan{attributes}>{}</tspan>", escaped(&run.text));
            }
        }
    }
    text
}

/// Text made safe to stand in XML, which takes no control characters in any form.
fn escaped(text: &str) -> String {
    let is_none_of_xml = |c: char| c.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&c);
    text.replace(is_none_of_xml, "\u{fffd}")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whatever_a_name_holds_is_a_text_of_xml() {
        let all: String = (0..=0x100)
            .chain([0xfffd, 0xfffe, 0xffff, 0x1f600])
            .filter_map(char::from_u32)
            .collect();
        let xml = format!("<text>{}</text>", escaped(&all));
        let read = roxmltree::Document::parse(&xml).unwrap();
        let read = read.root_element().text().unwrap().to_owned();
        assert_eq!(read.chars().count(), all.chars().count());
        for (found, was) in read.chars().zip(all.chars()) {
            assert!(found == was || found == '\u{fffd}', "{was:?}");
        }
    }
}
