//! `actionfinder schema`

use super::failure::{Failure, Finished};
use crate::console::print;

/// Print the JSON Schema of pipelines.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the schema.
pub fn run(_: Args) -> Result<Finished, Failure> {
    let schema = runner::schema::pipeline_schema(&crate::catalog::catalog());
    print(&serde_json::to_string_pretty(&schema).map_err(Failure::work)?);
    Ok(Finished::Well)
}
