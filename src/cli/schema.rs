//! `actionfinder schema`

use super::answers;
use super::failure::{Failure, Finished};
use crate::console::print;

/// Print the JSON Schema of pipelines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The schema of what a command prints with --json instead, such as status or "runs diff"
    #[arg(long, value_name = "COMMAND")]
    of: Option<String>,
}

/// Prints the schema.
pub fn run(args: Args) -> Result<Finished, Failure> {
    if let Some(command) = args.of {
        let all = answers::schemas();
        let Some((_, schema)) = all.iter().find(|(name, _)| *name == command) else {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            return Err(Failure::Usage(format!(
                "{command} has no answer in JSON; these have: {}",
                names.join(", ")
            )));
        };
        print(&serde_json::to_string_pretty(schema).map_err(Failure::work)?);
        return Ok(Finished::Well);
    }
    let schema = runner::schema::pipeline_schema(&crate::catalog::catalog());
    print(&serde_json::to_string_pretty(&schema).map_err(Failure::work)?);
    Ok(Finished::Well)
}
