//! Learned canonical maps: generating functions and their training on libtorch.

pub mod paper;
