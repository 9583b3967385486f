//! The graph of stages as a small picture: stages by name, in layers from left to right.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::data::{Data, State};
use super::html::escape;

/// A stage name with its instances merged.
struct Node {
    name: String,
    kind: String,
    instances: usize,
    class: &'static str,
    inputs: Vec<usize>,
    layer: usize,
    row: f64,
}

const WIDTH: f64 = 148.0;
const HEIGHT: f64 = 44.0;
const GAP_X: f64 = 46.0;
const GAP_Y: f64 = 16.0;

/// Draws the graph as SVG.
pub fn svg(data: &Data) -> String {
    let mut nodes = merge(data);
    place(&mut nodes);
    let layers = nodes.iter().map(|node| node.layer + 1).max().unwrap_or(1) as f64;
    let rows = nodes.iter().map(|node| node.row + 1.0).fold(1.0, f64::max);
    let (width, height) = (
        layers * (WIDTH + GAP_X) - GAP_X + 4.0,
        rows * (HEIGHT + GAP_Y) - GAP_Y + 4.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Graph of stages\">\n"
    );
    let corner = |node: &Node| {
        (
            2.0 + node.layer as f64 * (WIDTH + GAP_X),
            2.0 + node.row * (HEIGHT + GAP_Y),
        )
    };
    for node in &nodes {
        let (x, y) = corner(node);
        for &input in &node.inputs {
            let (from_x, from_y) = corner(&nodes[input]);
            let (from_x, from_y, to_y) = (from_x + WIDTH, from_y + HEIGHT / 2.0, y + HEIGHT / 2.0);
            let bend = (x - from_x) / 2.0;
            let (c1, c2) = (from_x + bend, x - bend);
            let _ = writeln!(
                svg,
                "<path d=\"M{from_x:.1} {from_y:.1} C{c1:.1} {from_y:.1} {c2:.1} {to_y:.1} {x:.1} {to_y:.1}\"/>"
            );
        }
    }
    for node in &nodes {
        let (x, y) = corner(node);
        let times = if node.instances > 1 {
            format!(" × {}", node.instances)
        } else {
            String::new()
        };
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"7\"/>\
             <text x=\"{tx:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" fill=\"currentColor\">{}{times}</text>\
             <text class=\"kind\" x=\"{tx:.1}\" y=\"{:.1}\" font-size=\"11\">{}</text>",
            node.class,
            y + 19.0,
            escape(&shorten(&node.name, 17 - times.chars().count())),
            y + 35.0,
            escape(&shorten(&node.kind, 22)),
            tx = x + 10.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn merge(data: &Data) -> Vec<Node> {
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nodes: Vec<Node> = Vec::new();
    for stage in &data.stages {
        let at = *index.entry(&stage.name).or_insert_with(|| {
            let (name, kind) = (stage.name.clone(), stage.kind.clone());
            nodes.push(Node {
                name,
                kind,
                instances: 0,
                class: "",
                inputs: Vec::new(),
                layer: 0,
                row: 0.0,
            });
            nodes.len() - 1
        });
        nodes[at].instances += 1;
        match &stage.state {
            State::Failed { .. } => nodes[at].class = "bad",
            _ if stage.manifest.as_ref().is_some_and(|m| m.finding().is_some()) => nodes[at].class = "noted",
            _ => {}
        }
        for &input in &stage.inputs {
            let from = index[data.stages[input].name.as_str()];
            if from != at && !nodes[at].inputs.contains(&from) {
                nodes[at].inputs.push(from);
            }
        }
    }
    nodes
}

/// Layers by the longest way from a source; in a layer, stages stand near what they read.
fn place(nodes: &mut [Node]) {
    for n in 0..nodes.len() {
        nodes[n].layer = nodes[n]
            .inputs
            .iter()
            .map(|&input| nodes[input].layer + 1)
            .max()
            .unwrap_or(0);
    }
    let layers = nodes.iter().map(|node| node.layer + 1).max().unwrap_or(0);
    for layer in 0..layers {
        let mut members: Vec<usize> = (0..nodes.len()).filter(|&n| nodes[n].layer == layer).collect();
        let wish = |n: usize| {
            let inputs = &nodes[n].inputs;
            inputs.iter().map(|&input| nodes[input].row).sum::<f64>() / inputs.len().max(1) as f64
        };
        let mut wishes: Vec<(usize, f64)> = members.drain(..).map(|n| (n, wish(n))).collect();
        wishes.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let mut free = 0.0;
        for (n, wish) in wishes {
            nodes[n].row = wish.max(free).floor();
            free = nodes[n].row + 1.0;
        }
    }
}
