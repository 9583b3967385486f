//! The pictures of a pipeline, made safe to stand in the page.
//!
//! A results folder may come from someone else, and an SVG can hold scripts, links and whole pages. So a picture is taken apart,
//! and only what draws is written anew: the shapes and texts that figures are made of, and the attributes that say where and in
//! which colour. In the page, and not as an image of its own, it takes the page's ink in light and in dark, and its text can be
//! searched.

use std::fmt::Write as _;

use roxmltree::{Document, Node};

use super::html::escape;

/// Elements that draw; others are left out with all that is in them.
const ELEMENTS: [&str; 13] = [
    "svg", "g", "rect", "circle", "ellipse", "line", "polyline", "polygon", "path", "text", "tspan", "title", "desc",
];

/// Attributes that say where, how large, and how an element is drawn. None of them names anything outside the element.
const ATTRIBUTES: [&str; 35] = [
    "x",
    "y",
    "dx",
    "dy",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "d",
    "points",
    "width",
    "height",
    "viewBox",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "opacity",
    "transform",
    "text-anchor",
    "dominant-baseline",
    "font-family",
    "font-size",
    "font-weight",
    "font-style",
    "role",
];

/// Attributes that are text for readers.
const WORDS: [&str; 1] = ["aria-label"];

/// The picture, written anew; `None` if it is no SVG.
pub fn picture(svg: &str) -> Option<String> {
    let document = Document::parse(svg).ok()?;
    let root = document.root_element();
    let mut drawn = String::with_capacity(svg.len());
    (root.tag_name().name() == "svg").then(|| draw(&mut drawn, root, 0))?;
    Some(drawn)
}

/// What a picture says of itself: the caption under it.
pub fn caption(svg: &str) -> Option<String> {
    let document = Document::parse(svg).ok()?;
    let said = document
        .root_element()
        .children()
        .find(|node| node.has_tag_name("desc"))?;
    said.text()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Elements within each other, of which figures have three.
const DEEPEST: usize = 32;

fn draw(out: &mut String, node: Node, depth: usize) {
    if node.is_text() {
        out.push_str(&escape(node.text().unwrap_or_default()));
    }
    let name = node.tag_name().name();
    if !node.is_element() || !ELEMENTS.contains(&name) || depth > DEEPEST {
        return;
    }
    let _ = write!(out, "<{name}");
    if depth == 0 {
        out.push_str(" xmlns=\"http://www.w3.org/2000/svg\"");
    }
    for attribute in node.attributes().filter(|attribute| attribute.namespace().is_none()) {
        let (name, value) = (attribute.name(), attribute.value());
        if WORDS.contains(&name) || (ATTRIBUTES.contains(&name) && is_plain(value)) {
            let _ = write!(out, " {name}=\"{}\"", escape(value));
        }
    }
    out.push('>');
    for child in node.children() {
        draw(out, child, depth + 1);
    }
    let _ = write!(out, "</{name}>");
}

/// Numbers, names of colours, lists and transformations: nothing that could name a place or a resource.
fn is_plain(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "#%.,+-()".contains(c);
    value.chars().all(plain) && !value.to_ascii_lowercase().contains("url")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIGURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" viewBox=\"0 0 20 20\" role=\"img\" \
        aria-label=\"J &lt; 1 km/s kpc\"><rect x=\"1\" y=\"-2.5e1\" fill=\"#1F2F3F\"/>\n\
        <text transform=\"rotate(270, 3, 4)\" fill=\"currentColor\">ΔJ &amp; Δθ</text></svg>";

    #[test]
    fn what_draws_stays() {
        let drawn = picture(FIGURE).unwrap();
        let apart = |text: &str| {
            let document = Document::parse(text).unwrap();
            let nodes = document.descendants().filter(Node::is_element);
            let shown = |node: Node| {
                let attributes: Vec<_> = node
                    .attributes()
                    .map(|a| (a.name().to_owned(), a.value().to_owned()))
                    .collect();
                (
                    node.tag_name().name().to_owned(),
                    attributes,
                    node.text().map(str::to_owned),
                )
            };
            nodes.map(shown).collect::<Vec<_>>()
        };
        assert_eq!(apart(&drawn), apart(FIGURE));
        assert_eq!(picture(&drawn).unwrap(), drawn, "a second time changes nothing");
    }

    /// Ways to make an SVG do something, all of which end.
    #[test]
    fn nothing_runs_or_is_fetched() {
        let inside = [
            "<script>bad()</script>",
            "<g onload=\"bad()\"/>",
            "<a href=\"javascript:bad()\"><text>bad</text></a>",
            "<image href=\"https://bad/x.png\"/>",
            "<use href=\"https://bad/x.svg#a\"/>",
            "<foreignObject><body xmlns=\"http://www.w3.org/1999/xhtml\"><img src=\"x\" onerror=\"bad()\"/></body></foreignObject>",
            "<style>@import url(https://bad);</style>",
            "<rect style=\"fill:url(https://bad)\"/>",
            "<rect fill=\"url(https://bad#a)\"/>",
            "<rect fill=\"URL(bad)\"/>",
            "<animate attributeName=\"href\" values=\"javascript:bad()\"/>",
            "<set attributeName=\"onmouseover\" to=\"bad()\"/>",
            "<g xmlns:x=\"http://www.w3.org/1999/xlink\"><rect x:href=\"javascript:bad()\"/></g>",
            "<x:script xmlns:x=\"http://www.w3.org/2000/svg\">bad()</x:script>",
            "<!-- --><![CDATA[<script>bad()</script>]]>",
            "<text>&lt;script&gt;bad()&lt;/script&gt;</text>",
            "<title>&lt;/title&gt;&lt;script&gt;bad()&lt;/script&gt;</title>",
            "<rect fill=\"&quot; onload=&quot;bad()\"/>",
            "<rect aria-label=\"&quot; onload=&quot;bad()\"/>",
        ];
        for inside in inside {
            let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"bad()\">{inside}<rect/></svg>");
            let drawn = picture(&svg).unwrap();
            for sign in [
                "<script", "<a", "<image", "<use", "<foreign", "<style", "<animate", "<set", " style=", "href", "url(",
                "URL(",
            ] {
                assert!(!drawn.contains(sign), "{sign} of {inside}: {drawn}");
            }
            let document = Document::parse(&drawn).unwrap();
            let mut attributes = document.descendants().flat_map(|node| node.attributes());
            assert!(
                !attributes.any(|attribute| attribute.name().starts_with("on")),
                "{drawn}"
            );
            assert!(drawn.contains("<rect>"), "{drawn}");
        }
    }

    #[test]
    fn a_picture_says_what_it_shows() {
        let with =
            |inside: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>t</title>{inside}<g/></svg>");
        assert_eq!(caption(&with("<desc> 8 &lt; 9. </desc>")).as_deref(), Some("8 < 9."));
        assert_eq!(caption(&with("<g><desc>inner</desc></g>")), None);
        assert_eq!(caption("<svg"), None);
    }

    #[test]
    fn what_is_no_picture_is_none() {
        let deep = format!("{}{}", "<g>".repeat(100_000), "</g>".repeat(100_000));
        for text in [
            "",
            "<svg",
            "<html xmlns=\"http://www.w3.org/1999/xhtml\"/>",
            "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg/>",
            &deep,
        ] {
            assert_eq!(picture(text), None);
        }
    }
}
