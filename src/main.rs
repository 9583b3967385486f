//! `actionfinder`: declarative experiment pipelines for action–angle dynamics.

mod catalog;
#[cfg(test)]
mod catalog_tests;
mod cli;
mod console;
mod handover;
mod libtorch;
mod reference;
mod remote;
mod report;
mod worker;

fn main() -> std::process::ExitCode {
    cli::main()
}
