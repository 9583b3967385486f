//! The graph of stages as a small picture: stages by name, in layers from top to bottom.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use runner::store::Manifest;

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
    column: f64,
}

const WIDTH: f64 = 148.0;
const HEIGHT: f64 = 44.0;
const GAP_X: f64 = 34.0;
const GAP_Y: f64 = 26.0;

/// Draws the graph as SVG.
pub fn svg(data: &Data) -> String {
    let mut nodes = merge(data);
    place(&mut nodes);
    let layers = nodes.iter().map(|node| node.layer + 1).max().unwrap_or(1) as f64;
    let columns = nodes.iter().map(|node| node.column + 1.0).fold(1.0, f64::max);
    // Room at the right for the edges that pass beside a layer.
    let (width, height) = (columns * (WIDTH + GAP_X) + 4.0, layers * (HEIGHT + GAP_Y) - GAP_Y + 4.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Graph of stages\">\n"
    );
    let corner = |node: &Node| {
        (
            2.0 + node.column * (WIDTH + GAP_X),
            2.0 + node.layer as f64 * (HEIGHT + GAP_Y),
        )
    };
    for node in &nodes {
        for &input in &node.inputs {
            let path = edge(corner(&nodes[input]), corner(node), node.layer - nodes[input].layer);
            let _ = writeln!(svg, "<path d=\"{path}\"/>");
        }
    }
    for node in &nodes {
        let (x, y) = corner(node);
        // The name of a used pipeline stands beside the kind: there is no room for both in one line.
        let (used, name) = match node.name.rsplit_once('.') {
            Some((used, name)) => (format!("{used}: "), name),
            None => (String::new(), node.name.as_str()),
        };
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
            escape(&shorten(name, 17 - times.chars().count())),
            y + 35.0,
            escape(&shorten(&format!("{used}{}", node.kind), 22)),
            tx = x + 10.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// From the foot of one box to the head of the next layer's; past other layers, beside the boxes.
fn edge((from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64), layers: usize) -> String {
    if layers == 1 {
        let (x0, y0, x1, y1) = (from_x + WIDTH / 2.0, from_y + HEIGHT, to_x + WIDTH / 2.0, to_y);
        let middle = (y0 + y1) / 2.0;
        return format!("M{x0:.1} {y0:.1} C{x0:.1} {middle:.1} {x1:.1} {middle:.1} {x1:.1} {y1:.1}");
    }
    let (x0, y0, x1, y1) = (from_x + WIDTH, from_y + HEIGHT / 2.0, to_x + WIDTH, to_y + HEIGHT / 2.0);
    let beside = x0.max(x1) + 0.6 * GAP_X + 2.0 * layers as f64;
    format!("M{x0:.1} {y0:.1} C{beside:.1} {y0:.1} {beside:.1} {y1:.1} {x1:.1} {y1:.1}")
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
            let (name, kind) = (stage.name.to_string(), stage.kind.clone());
            nodes.push(Node {
                name,
                kind,
                instances: 0,
                class: "",
                inputs: Vec::new(),
                layer: 0,
                column: 0.0,
            });
            nodes.len() - 1
        });
        nodes[at].instances += 1;
        match &stage.state {
            State::Failed { .. } => nodes[at].class = "bad",
            _ if stage.manifest.as_ref().is_some_and(Manifest::has_finding) => nodes[at].class = "noted",
            _ => {}
        }
        for &input in &stage.inputs {
            let from = index[&*data.stages[input].name];
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
            inputs.iter().map(|&input| nodes[input].column).sum::<f64>() / inputs.len().max(1) as f64
        };
        let mut wishes: Vec<(usize, f64)> = members.drain(..).map(|n| (n, wish(n))).collect();
        wishes.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let mut free = 0.0;
        for (n, wish) in wishes {
            nodes[n].column = wish.max(free).floor();
            free = nodes[n].column + 1.0;
        }
    }
}
