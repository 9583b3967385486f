//! Line-of-sight velocities that were not measured: those with which the actions of a stream's stars agree.
//!
//! **Source** the idea: Ibata et al. (2021), section 7.

mod curves;
mod fit;

use std::collections::{BTreeMap, BTreeSet};

use tch::Tensor;

use self::curves::{Curves, Grid, TRIED, numbers};
use self::fit::scales_of;
use crate::error::Error;
use crate::isochrone::dot;
use crate::smooth::SmoothMap;

/// Part of the range in which a star is bound in the toy that is searched: next to its ends actions are huge.
const PART: f64 = 0.97;

/// Steps of the search.
const STEPS: usize = 12;

/// Stars of which one velocity component u is missing or not: v = v₀ + u n.
#[derive(Debug)]
pub struct Sightlines {
    /// Stream of each star, in any numbering.
    pub stream: Vec<i64>,
    /// Positions (stars, 3), kpc.
    pub x: Tensor,
    /// Velocities without the part along the line of sight (stars, 3), km/s.
    pub v: Tensor,
    /// Unit vectors along the line of sight (stars, 3).
    pub along: Tensor,
    /// The measured part, km/s, where there is one.
    pub known: Vec<Option<f64>>,
}

/// What was found for a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// It was known.
    Known,
    /// The velocity and its standard deviation, km/s.
    Recovered(f64, f64),
    /// No velocity binds it in the toy.
    Unbound,
    /// It is alone in its stream: there is nothing to agree with.
    Alone,
}

/// Finds the velocities that are missing.
///
/// For each star J'(u) is a curve in the space of actions. A first guess comes from a grid over the velocities that bind the star: the
/// nearest to the mean of the stars that are known, or, where none is, to the place that all curves of the stream come closest to.
/// From there, with curves replaced by their tangents, common actions and all u are found together by weighted least squares
/// (weights fall with the residual, so that a star which does not belong does not rule the stream), several times.
/// Scales of the three actions are the scatter that the map itself leaves along all streams, measured on the stars that are known, or
/// where none is on what the fits leave; from them come standard deviations.
///
/// `tell` is told the number of steps done of [`steps`].
pub fn recover(map: &SmoothMap, stars: &Sightlines, tell: &mut dyn FnMut(usize)) -> Result<Vec<Found>, Error> {
    let count = stars.stream.len();
    let (middle, half) = bounds(map, stars)?;
    let is_open: Vec<bool> = (0..count)
        .map(|row| stars.known[row].is_none() && half[row] > 0.0)
        .collect();
    let usable =
        |row: usize| half[row] > 0.0 && stars.known[row].is_none_or(|u| (u - middle[row]).abs() < half[row] / PART);
    let mut streams: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for row in (0..count).filter(|&row| usable(row)) {
        streams.entry(stars.stream[row]).or_default().push(row);
    }
    streams.retain(|_, rows| rows.len() > 1);
    let mut velocity: Vec<f64> = (0..count).map(|row| stars.known[row].unwrap_or(middle[row])).collect();
    let rows: Vec<usize> = streams.values().flatten().copied().collect();
    if !rows.is_empty() {
        let grid = Grid::new(map, stars, &rows, &middle, &half)?;
        tell(1);
        for members in streams.values() {
            grid.guess(members, &is_open, &mut velocity);
        }
    }
    let mut deviation = vec![f64::NAN; count];
    let mut scales = typical(map);
    let mut measured = false;
    for step in 0..STEPS {
        let curves = Curves::new(map, stars, &rows, &velocity)?;
        if step == 0
            && let Some(scatter) = curves.scatter(&streams, &is_open, &scales)
        {
            (scales, measured) = (scatter, true);
        }
        let mut leftovers: [Vec<f64>; 3] = Default::default();
        for members in streams.values() {
            let fit = curves.fit(members, &is_open, &scales);
            for (place, &row) in members.iter().enumerate() {
                if is_open[row] {
                    let longest = half[row] / TRIED as f64 * 2.0;
                    let next = velocity[row] + fit.steps[place].clamp(-longest, longest);
                    velocity[row] = next.clamp(middle[row] - half[row], middle[row] + half[row]);
                    deviation[row] = fit.deviations[place];
                }
                for (left, residual) in leftovers.iter_mut().zip(fit.residuals[place]) {
                    left.push(residual);
                }
            }
        }
        // Where no velocity is known, the scatter that is left when near says how well actions are conserved.
        if step >= 3 && !measured {
            scales = scales_of(&leftovers, 1e-6 * typical(map)[0]);
        }
        tell(step + 2);
    }
    let member: BTreeSet<usize> = rows.into_iter().collect();
    let found = |row: usize| match stars.known[row] {
        Some(_) => Found::Known,
        None if half[row] <= 0.0 => Found::Unbound,
        None if !member.contains(&row) => Found::Alone,
        None => Found::Recovered(velocity[row], deviation[row]),
    };
    Ok((0..count).map(found).collect())
}

/// Steps that [`recover`] tells.
pub fn steps() -> usize {
    STEPS + 1
}

/// Middle and half width of the velocities along the line of sight that are searched; half width 0 where none binds the star.
fn bounds(map: &SmoothMap, stars: &Sightlines) -> Result<(Vec<f64>, Vec<f64>), Error> {
    tch::no_grad(|| {
        let potential = map.toy.escape(&stars.x);
        let middle = -dot(&stars.v, &stars.along);
        let square = middle.square() - dot(&stars.v, &stars.v) - potential * 2.0;
        Ok((numbers(&middle)?, numbers(&(square.clamp_min(0.0).sqrt() * PART))?))
    })
}

/// A hundredth of what actions of the data are like: scales to begin with.
fn typical(map: &SmoothMap) -> [f64; 3] {
    [0.01 * map.action_scale(); 3]
}

#[cfg(test)]
mod tests;
