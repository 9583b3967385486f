//! The stage kinds: parameters, ports, and bodies that need no libtorch.
//!
//! One file per kind; the parameter struct is the stage. What several kinds share: [`parameters`] (parameter types),
//! [`columns`] (table columns with units). The list of kinds is the program's `src/catalog.rs`.

pub mod bin_errors;
pub mod columns;
pub mod compare;
pub mod estimate_accelerations;
pub mod estimate_actions;
pub mod figure;
pub mod import_streams;
pub mod integrate_orbits;
pub mod io;
pub mod learned_field;
pub mod map_tori;
pub mod observe;
pub mod parameters;
pub mod potentials;
pub mod predict;
pub mod recover_velocities;
mod room;
pub mod samples;
pub mod select_orbits;
pub mod set_aside;
pub mod simulate_nbody;
pub mod split;
pub mod tabulate_field;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_inverse;
pub mod train_potential;
pub mod units;

#[cfg(test)]
mod galaxy_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
