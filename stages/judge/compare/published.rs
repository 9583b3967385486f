//! Statistics of errors, and the figures that were published of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::parameters::{Degrees, KmPerSecond, KmPerSecondKpc, Kpc, Percent};

/// Where the figures in `paper` come from.
pub const PAPER: &str = "Ibata et al. (2021)";
/// Errors of the actions that somebody published, by component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "the names of the actions")]
pub struct Published {
    /// Where.
    pub source: String,
    /// How the errors of the stars were averaged.
    #[serde(default)]
    pub statistic: Statistic,
    /// Of J_phi, km/s kpc; with `relative: true`, %.
    #[serde(default)]
    pub J_phi: Option<KmPerSecondKpc>,
    /// Of J_z, km/s kpc; with `relative: true`, %.
    #[serde(default)]
    pub J_z: Option<KmPerSecondKpc>,
    /// Of J_r, km/s kpc; with `relative: true`, %.
    #[serde(default)]
    pub J_r: Option<KmPerSecondKpc>,
}

/// How errors of stars are averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Mean of the absolute errors.
    #[default]
    MeanAbsolute,
    /// Median of the absolute errors.
    MedianAbsolute,
    /// Root of the mean square error.
    RootMeanSquare,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MeanAbsolute, Self::MedianAbsolute, Self::RootMeanSquare];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanAbsolute => "mean_absolute",
            Self::MedianAbsolute => "median_absolute",
            Self::RootMeanSquare => "root_mean_square",
        }
    }

    /// Of the errors of stars.
    pub fn of(self, residuals: &[f64]) -> f64 {
        match self {
            Self::MeanAbsolute => mean(residuals.iter().map(|residual| residual.abs())),
            Self::MedianAbsolute => median(residuals.iter().map(|residual| residual.abs()).collect()),
            Self::RootMeanSquare => mean(residuals.iter().map(|residual| residual * residual)).sqrt(),
        }
    }
}

impl Published {
    /// The figure for a component, if it is of this statistic.
    pub fn of(&self, statistic: Statistic, component: &str) -> Option<f64> {
        let value = match component {
            "phi" => self.J_phi,
            "z" => self.J_z,
            "r" => self.J_r,
            _ => None,
        };
        value.filter(|_| statistic == self.statistic).map(KmPerSecondKpc::get)
    }
}

/// Mean absolute errors; `null` where the paper gives none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(non_snake_case, reason = "the names of the measures")]
pub struct PaperFigures {
    /// Actions, km/s kpc; with `relative: true`, %.
    pub delta_J: Option<KmPerSecondKpc>,
    /// Angles, degrees; with `relative: true`, %.
    pub delta_theta: Option<Degrees>,
    /// Positions, kpc; with `relative: true`, %.
    pub delta_x: Option<Kpc>,
    /// Velocities, km/s; with `relative: true`, %.
    pub delta_v: Option<KmPerSecond>,
    /// Accelerations, %.
    pub delta_a: Option<Percent>,
}

/// The mean; 0 of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// The median; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}
