//! The stage kinds: parameters, ports, and bodies that need no libtorch.
//!
//! A folder for each [role](runner::stage::Role), in the order of the flow, and a file for each kind; the parameter struct is the stage.
//! What several kinds share is in [`common`]: parameter types with units, table columns, potentials, units, reading and writing
//! tables, stars that are set aside. The list of kinds is the program's `src/catalog.rs`.

pub mod apply;
pub mod common;
pub mod draw;
pub mod judge;
pub mod learn;
pub mod observe;
pub mod sample;

#[cfg(test)]
mod errors_tests;
#[cfg(test)]
mod galaxy_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
