//! Figures.

pub mod figure;
