//! `actionfinder graph`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use runner::graph::{Graph, StageInstance};

use super::answers::{Connection, Drawn};
use super::common::{self, Parameters};
use super::failure::{Failure, Finished};
use crate::console::{answer, one_line};

/// Print the graph of stages.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
    /// Language to write
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// Show every instance of a swept stage
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
}

/// Prints the graph.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let graph = common::load(&args.pipeline, &args.parameters)?;
    answer(|| drawn(&graph, args.all), || draw(&graph, args.format, args.all));
    Ok(Finished::Well)
}

/// A stage's name, with what is swept where all instances are wanted.
fn name(stage: &StageInstance, all: bool) -> String {
    if all {
        stage.label.to_string()
    } else {
        stage.name.to_string()
    }
}

fn drawn(graph: &Graph, all: bool) -> Drawn {
    let stages = graph.stages.iter();
    let of = |stage: &StageInstance| {
        let to = name(stage, all);
        let inputs = stage.inputs.iter().map(move |input| Connection {
            from: name(&graph[input.from], all),
            output: input.output.to_owned(),
            to: to.clone(),
            input: input.port.to_owned(),
        });
        inputs.collect::<Vec<_>>()
    };
    let connections: BTreeSet<Connection> = stages.clone().flat_map(of).collect();
    Drawn {
        stages: stages.map(|stage| (name(stage, all), stage.kind.to_owned())).collect(),
        connections: connections.into_iter().collect(),
    }
}

fn draw(graph: &Graph, format: Format, all: bool) -> String {
    let mut nodes: Vec<(String, &str)> = Vec::new();
    let mut edges: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
    let mut at: Vec<usize> = Vec::new();
    for stage in &graph.stages {
        let own = name(stage, all);
        let index = nodes.iter().position(|(name, _)| *name == own).unwrap_or_else(|| {
            nodes.push((own, stage.kind));
            nodes.len() - 1
        });
        at.push(index);
        for input in &*stage.inputs {
            edges.insert((at[input.from.index()], index, input.output));
        }
    }
    let quote = |text: &str| one_line(text).replace('"', "'");
    let mut text = match format {
        Format::Mermaid => "flowchart LR\n".to_owned(),
        Format::Dot => format!(
            "digraph \"{}\" {{\n  rankdir=LR\n  node [shape=box]\n",
            quote(&graph.pipeline)
        ),
    };
    for (n, (name, kind)) in nodes.iter().enumerate() {
        let name = quote(name);
        let _ = match format {
            Format::Mermaid => writeln!(text, "  s{n}[\"{name}<br><small>{kind}</small>\"]"),
            Format::Dot => writeln!(text, "  s{n} [label=\"{name}\\n{kind}\"]"),
        };
    }
    for (from, to, output) in edges {
        let _ = match format {
            Format::Mermaid => writeln!(text, "  s{from} -- {output} --> s{to}"),
            Format::Dot => writeln!(text, "  s{from} -> s{to} [label=\"{output}\"]"),
        };
    }
    if format == Format::Dot {
        text.push_str("}\n");
    }
    text
}
