//! Figures for papers: an SVG picture as it is, as PDF, or as PNG, with the fonts that the program carries, so that the same figure
//! looks the same on a machine without any.

use std::path::Path;
use std::sync::Arc;

use resvg::tiny_skia::{Color, Pixmap};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{ImageHrefResolver, Options, Transform, Tree};

use crate::report::picture::picture;

/// DejaVu Sans and its oblique, reduced to the characters of figures.
const FONTS: [&[u8]; 2] = [
    include_bytes!("fonts/DejaVuSans.ttf"),
    include_bytes!("fonts/DejaVuSans-Oblique.ttf"),
];
const FAMILY: &str = "DejaVu Sans";

/// Pixels of a picture for one of a screen; figures are drawn twice as large as in print, which makes 576 for an inch.
const PIXELS: f32 = 4.0;
/// Pixels of a screen for an inch of print.
const SCREEN_DPI: f32 = 144.0;

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Svg,
    /// Lines and letters, in the size of a journal's column.
    Pdf,
    /// Pixels on white.
    Png,
}

impl Form {
    /// What the ending of a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        let known = [("svg", Self::Svg), ("pdf", Self::Pdf), ("png", Self::Png)];
        let found = known.into_iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
        found.map(|(_, form)| form)
    }
}

/// The picture's bytes; why not, for what is no picture.
pub fn bytes(svg: &str, form: Form) -> Result<Vec<u8>, String> {
    // A results folder may be someone else's: what draws stays, all else goes.
    let safe = picture(svg).ok_or("it is no SVG picture")?;
    match form {
        Form::Svg => Ok(svg.as_bytes().to_vec()),
        Form::Pdf => pdf(&tree(&safe)?),
        Form::Png => png(&tree(&safe)?),
    }
}

fn tree(svg: &str) -> Result<Tree, String> {
    let mut fonts = Database::new();
    for font in FONTS {
        fonts.load_font_source(Source::Binary(Arc::new(font)));
    }
    fonts.set_sans_serif_family(FAMILY);
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: Arc::new(fonts),
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    Tree::from_str(svg, &options).map_err(|error| error.to_string())
}

fn pdf(tree: &Tree) -> Result<Vec<u8>, String> {
    let page = svg2pdf::PageOptions { dpi: SCREEN_DPI };
    svg2pdf::to_pdf(tree, svg2pdf::ConversionOptions::default(), page).map_err(|error| error.to_string())
}

fn png(tree: &Tree) -> Result<Vec<u8>, String> {
    let size = tree.size();
    let [width, height] = [size.width(), size.height()].map(|side| (side * PIXELS).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or("it has no size")?;
    pixels.fill(Color::WHITE);
    resvg::render(tree, Transform::from_scale(PIXELS, PIXELS), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A figure with each kind of letter that figures have.
    const FIGURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"490\" height=\"200\" viewBox=\"0 0 245 100\" \
        font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\" font-size=\"7.5\"><style>svg:root{color:#fff}</style>\
        <image href=\"/etc/hostname\"/>\
        <text x=\"20\" y=\"40\" fill=\"currentColor\">Δ<tspan font-style=\"italic\">J</tspan><tspan dy=\"1.65\" font-size=\"5.4\" \
        font-style=\"italic\">φ</tspan><tspan dy=\"-1.65\"> (km s</tspan><tspan dy=\"-2.7\" font-size=\"5.4\">−1</tspan>\
        <tspan dy=\"2.7\"> kpc) Stäckel |a| = 2×10⊙ θΩ √ ≥ δ</tspan></text>\
        <path d=\"M100 80h.01\" stroke=\"#ff0000\" stroke-width=\"6\" stroke-linecap=\"round\" fill=\"none\"/></svg>";

    #[test]
    fn letters_come_from_the_fonts_that_are_built_in() {
        let tree = tree(&picture(FIGURE).unwrap()).unwrap();
        let mut fonts = Vec::new();
        fn texts<'t>(group: &'t resvg::usvg::Group, found: &mut Vec<&'t resvg::usvg::Text>) {
            for node in group.children() {
                match node {
                    resvg::usvg::Node::Text(text) => found.push(text),
                    resvg::usvg::Node::Group(group) => texts(group, found),
                    _ => {}
                }
            }
        }
        texts(tree.root(), &mut fonts);
        let glyphs = fonts
            .iter()
            .flat_map(|text| text.layouted())
            .flat_map(|span| &span.positioned_glyphs);
        let missing: Vec<&str> = glyphs
            .clone()
            .filter(|glyph| glyph.id.0 == 0)
            .map(|glyph| glyph.text.as_str())
            .collect();
        assert!(missing.is_empty(), "no letter for {missing:?}");
        assert!(glyphs.count() > 30);
    }

    #[test]
    fn a_pdf_has_the_width_of_a_column_and_its_fonts_within() {
        let pdf = bytes(FIGURE, Form::Pdf).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(
            text.starts_with("%PDF-") && text.contains("/MediaBox [0 0 245 100]"),
            "{}",
            &text[..400.min(text.len())]
        );
        assert!(
            text.contains("DejaVuSans") && text.contains("/FontFile"),
            "letters, not outlines"
        );
    }

    #[test]
    fn a_png_has_ink_on_white_and_dots() {
        let png = bytes(FIGURE, Form::Png).unwrap();
        let pixels = Pixmap::decode_png(&png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (1960, 800));
        let colour = |x: u32, y: u32| {
            pixels
                .pixel(x, y)
                .map(|pixel| (pixel.red(), pixel.green(), pixel.blue()))
        };
        assert_eq!(colour(5, 5), Some((255, 255, 255)));
        assert_eq!(
            colour(800, 640),
            Some((255, 0, 0)),
            "a dot is a line of no length with a round end"
        );
        let dark = pixels
            .pixels()
            .iter()
            .filter(|pixel| pixel.red() < 40 && pixel.green() < 40)
            .count();
        assert!(dark > 1000, "{dark} pixels of ink");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for form in [Form::Svg, Form::Pdf, Form::Png] {
            assert_eq!(bytes("<html/>", form), Err("it is no SVG picture".to_owned()));
        }
        assert_eq!(Form::of(Path::new("a/b.PDF")), Some(Form::Pdf));
        assert_eq!(Form::of(Path::new("a/b.csv")), None);
    }
}
