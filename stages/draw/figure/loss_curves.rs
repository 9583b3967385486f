//! Loss against epoch, with the epoch whose weights were kept.

use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw, per_unit};
use plotters::style::Color;

/// A training's history.
pub struct History {
    /// Epochs.
    pub epoch: Vec<f64>,
    /// Loss over the training streams.
    pub train: Vec<f64>,
    /// Loss over the validation streams.
    pub validation: Vec<f64>,
    /// Whether the epoch's weights were kept.
    pub best: Vec<bool>,
    /// Unit of the losses.
    pub unit: String,
}

/// Draws both curves over a logarithmic axis.
pub fn loss_curves(history: &History) -> Result<String, DrawError> {
    let losses = history
        .train
        .iter()
        .chain(&history.validation)
        .copied()
        .filter(|loss| *loss > 0.0);
    let (low, high) = losses.fold((f64::INFINITY, 0.0f64), |(low, high), loss| {
        (low.min(loss), high.max(loss))
    });
    let (low, high) = if low.is_finite() { (low, high) } else { (0.1, 1.0) };
    let last = history.epoch.last().copied().unwrap_or(1.0);
    let first = history.epoch.first().copied().unwrap_or(0.0);
    draw(
        (760, 380),
        "Loss against epoch for the training and the validation streams",
        |canvas| {
            let frame = Frame {
                left: 64,
                top: 44,
                width: 680,
                height: 276,
            };
            let y = Axis::log(low, high, format!("loss{}", per_unit(&history.unit)));
            let panel = Panel::new(canvas, frame, Axis::linear(first, last, "epoch"), y)?;
            let points = |losses: &[f64]| -> Vec<(f64, f64)> {
                history.epoch.iter().copied().zip(losses.iter().copied()).collect()
            };
            let (train, validation) = (points(&history.train), points(&history.validation));
            let best = history.best.iter().rposition(|best| *best);
            if let Some(&(epoch, _)) = best.and_then(|row| validation.get(row)) {
                panel.vertical(epoch, INK.mix(0.35))?;
            }
            panel.line(&train, SERIES[0])?;
            panel.line(&validation, SERIES[1])?;
            let mut legend = vec![("training".to_owned(), SERIES[0]), ("validation".to_owned(), SERIES[1])];
            if let Some(&point) = best.and_then(|row| validation.get(row)) {
                panel.ring(point, SERIES[1])?;
                legend.push((format!("best: epoch {}", point.0), INK));
            }
            panel.legend(&legend, 15)
        },
    )
}
