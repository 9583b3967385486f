//! How far apart two answers are.

pub mod aggregate;
pub mod bin_errors;
pub mod compare;
pub mod compare_galaxy;
