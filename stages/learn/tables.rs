//! The tables that trainings write beside their networks.

use crate::common::columns::ENERGY;
use crate::common::layout::{Layout, StarId};

/// A row of `history`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: i64,
    /// Over the training streams.
    pub train_loss: f64,
    /// Over the validation streams.
    pub validation_loss: f64,
    /// At its end.
    pub learning_rate: f64,
    /// Whether its weights were kept.
    pub best: bool,
}

/// The table `history` of a training; `loss_unit` is that of the losses.
pub fn history(loss_unit: &'static str) -> Layout<Epoch> {
    Layout::new()
        .count("epoch", "epoch, from 1", |row: &Epoch| row.epoch)
        .number(("train_loss", loss_unit, "loss over the training streams"), |row| {
            row.train_loss
        })
        .number(
            ("validation_loss", loss_unit, "loss over the validation streams"),
            |row| row.validation_loss,
        )
        .number(("learning_rate", "", "learning rate at the end of the epoch"), |row| {
            row.learning_rate
        })
        .flag("best", "whether this epoch's weights were kept", |row| row.best)
}

/// The row of `toy`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Toy {
    /// M_sun.
    pub mass: f64,
    /// kpc.
    pub scale: f64,
}

/// The table `toy`: the toy potential of a network.
pub fn toy() -> Layout<Toy> {
    Layout::new()
        .number(("mass", "M_sun", "mass of the toy isochrone"), |row: &Toy| row.mass)
        .number(("scale", "kpc", "scale length of the toy isochrone"), |row| row.scale)
}

/// A row of `unbound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unbound {
    /// Which star.
    pub id: StarId,
    /// (km/s)².
    pub energy: f64,
}

/// The table `unbound`: stars that the toy does not bind.
pub fn unbound() -> Layout<Unbound> {
    Layout::of_stars(|row: &Unbound| row.id).number(ENERGY, |row| row.energy)
}

/// A row of `spread`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Training or validation.
    pub set: &'static str,
    /// Toy or network.
    pub map: &'static str,
    /// Of the actions.
    pub component: &'static str,
    /// km/s kpc.
    pub mean: Option<f64>,
    /// km/s kpc.
    pub median: Option<f64>,
    /// Of at least two stars.
    pub streams: i64,
}

/// The table `spread`: how constant actions are along the streams of a training.
pub fn spread() -> Layout<Spread> {
    let unit = "km/s kpc";
    let mean = "mean over the streams of the mean absolute deviation of the actions along each";
    let median = "median over the streams of the same";
    Layout::new()
        .text("set", "training or validation", |row: &Spread| row.set)
        .text("map", "toy or network", |row| row.map)
        .text("component", "phi, z, r, or their mean", |row| row.component)
        .number_or_none(("mean", unit, mean), |row| row.mean)
        .number_or_none(("median", unit, median), |row| row.median)
        .count("streams", "streams of at least two stars", |row| row.streams)
}

/// A row of `orbits`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedOrbit {
    /// Its stream.
    pub stream: i64,
    /// That of its own.
    pub toy: Toy,
    /// How many.
    pub coefficients: i64,
    /// km/s kpc.
    pub held_out_spread: f64,
}

/// The table `orbits`: orbits that have a series each.
pub fn fitted_orbits() -> Layout<FittedOrbit> {
    let spread = "mean absolute deviation of the actions of stars left out of the fit";
    Layout::new()
        .count("stream", "number of the stream", |row: &FittedOrbit| row.stream)
        .number(("mass", "M_sun", "mass of its toy isochrone"), |row| row.toy.mass)
        .number(("scale", "kpc", "scale length of its toy isochrone"), |row| {
            row.toy.scale
        })
        .count("coefficients", "terms of its series", |row| row.coefficients)
        .number(("held_out_spread", "km/s kpc", spread), |row| row.held_out_spread)
}
