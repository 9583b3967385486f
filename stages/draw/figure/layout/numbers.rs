//! Which numbers stand along an axis: three at least, as far as there is room.

use super::GAP;
use crate::draw::figure::axis::{Axis, Ticks};
use crate::draw::figure::style::TEXT;
use crate::draw::figure::text::Label;

/// Fewer tell too little of a scale.
pub const LEAST: usize = 3;
/// How far numbers may reach beyond the left and the right end of a frame.
const BEYOND: (f64, f64) = (5.5, 2.5);
/// Most numbers below a frame.
const ACROSS: usize = 6;

/// Marks below a frame, with the axis that they number: where fewer than three numbers have room, they are made shorter.
pub fn across(width: f64, axis: &Axis) -> (Axis, Ticks) {
    let ticks = |axis: &Axis| {
        chosen(axis, ACROSS, GAP, |value, label| {
            let (at, half) = (width * axis.place(value), 0.5 * label.width(TEXT));
            let (left, right) = (at - half, at + half);
            (left >= -BEYOND.0 && right <= width + BEYOND.1).then_some((left, right))
        })
    };
    let mut best = (axis.clone(), ticks(axis));
    for shorter in axis.shorter() {
        if best.1.written().count() >= LEAST {
            break;
        }
        let short = ticks(&shorter);
        if short.written().count() > best.1.written().count() {
            best = (shorter, short);
        }
    }
    best
}

/// Marks beside a frame.
pub fn up(height: f64, axis: &Axis) -> Ticks {
    let most = ((height / (1.8 * TEXT)) as usize).clamp(LEAST, 7);
    chosen(axis, most, 0.1 * TEXT, |value, _| {
        let (at, half) = (height * axis.place(value), 0.5 * TEXT);
        // Numbers at the very ends would touch those of the frames above and beneath.
        (at >= 0.35 * TEXT && at <= height - 0.35 * TEXT).then_some((at - half, at + half))
    })
}

/// The first choice of an axis that has three numbers and at most so many, all of them inside and apart; else the one with most of them.
/// `extent` says where a number begins and ends, if it has a place.
fn chosen(axis: &Axis, most: usize, apart: f64, extent: impl Fn(f64, &Label) -> Option<(f64, f64)>) -> Ticks {
    let mut best = Ticks::default();
    for mut ticks in axis.choices() {
        let mut ends = Vec::new();
        for (value, label) in &mut ticks.major {
            match extent(*value, label) {
                Some(end) => ends.push(end),
                None => *label = Label::default(),
            }
        }
        let count = ends.len();
        if count > most || ends.windows(2).any(|pair| pair[0].1 + apart > pair[1].0) {
            continue;
        }
        if count >= LEAST {
            return ticks;
        }
        if count > best.written().count() {
            best = ticks;
        }
    }
    best
}
