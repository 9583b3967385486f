//! What pipelines and Python write down: [`quantities`] with units and ranges, and [`potentials`] by name.

pub mod potentials;
pub mod quantities;
