//! Actions, angles, accelerations and velocities of stars, by a network or by a method that knows the potential; and whatever a command of
//! the user's makes of them.

pub mod command;
pub mod estimate_accelerations;
pub mod estimate_actions;
pub mod find_members;
pub mod predict;
pub mod recover_velocities;
pub mod tabulate_field;
