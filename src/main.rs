//! `actionfinder`: declarative experiment pipelines for action-angle dynamics.

fn main() {}
