//! `actionfinder`: declarative experiment pipelines for action–angle dynamics.

mod catalog;
#[cfg(test)]
mod catalog_tests;
mod cli;
mod console;
mod libtorch;
mod reference;
mod report;
mod worker;

fn main() -> std::process::ExitCode {
    cli::main()
}
