//! A stream's stars made ready for a fit: frame, window, where its orbit may be, and what else could be in its place.

use super::frame::{Distance, Frame, OBSERVED, Seen, Star};
use super::particles::OWN;
use crate::sky::Sun;
use crate::statistics::{median, quantile};
use crate::vector::{cross, difference, dot, norm, solve3};

/// The stars of one stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its number.
    pub stream: i64,
    /// Its stars.
    pub stars: Vec<Star>,
}

impl Stream {
    /// A stream of these stars.
    pub fn new(stream: i64, stars: Vec<Star>) -> Self {
        Self { stream, stars }
    }

    /// Why it cannot be fitted, if it cannot.
    pub fn fault(&self) -> Option<Unfit> {
        let mut faults = self.stars.iter().enumerate();
        if self.stars.len() < LEAST_STARS {
            return Some(Unfit::TooFew {
                stars: self.stars.len(),
            });
        }
        faults
            .find_map(|(star, of)| of.fault().map(|what| Unfit::NotFinite { star, what }))
            .or_else(|| self.usual_distance().is_none().then_some(Unfit::NoDistance))
    }

    /// The distance in the middle of its stars', kpc.
    fn usual_distance(&self) -> Option<f64> {
        let kpc = self.stars.iter().filter_map(|star| match star.distance {
            Some(Distance::Kpc(d)) => Some(d.value),
            _ => None,
        });
        median(kpc.collect()).or_else(|| distance_of_parallaxes(&self.stars))
    }
}

/// Why a stream cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("stream {stream}: {why}")]
pub struct StreamError {
    /// The stream.
    pub stream: i64,
    /// Why.
    pub why: Unfit,
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Fewer stars than parameters.
    #[error("there are {stars} stars; at least {LEAST_STARS} are needed")]
    TooFew {
        /// Its stars.
        stars: usize,
    },
    /// A star that cannot be used; see [`Star::fault`].
    #[error("star {star}: {what} is not finite, or its error is negative")]
    NotFinite {
        /// The star's place in the stream.
        star: usize,
        /// What.
        what: &'static str,
    },
    /// No star has a distance.
    #[error("no star has a distance or a parallax")]
    NoDistance,
}

/// A stream has at least as many stars.
pub const LEAST_STARS: usize = 8;

/// Prior standard deviations of the stream's own parameters where its stars tell them.
const OWN_DEVIATION: [f64; OWN] = [0.05, 0.1, 15.0, 0.4, 0.4, 0.03, 0.8];

/// The same of v_los and proper motions where no star has any.
const UNKNOWN: [f64; OBSERVED] = [0.05, 0.5, 150.0, 3.0, 3.0];

/// Standard deviations of what is not of the stream: v in km/s, ln d, φ2 in rad.
const FIELD: (f64, f64, f64) = (150.0, 0.6, 0.1);

/// A stream ready for a fit.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub stream: i64,
    pub frame: Frame,
    pub seen: Vec<Seen>,
    /// Where the search for the stream's own parameters begins.
    pub start: [f64; OWN],
    pub deviations: [f64; OWN],
    /// Mean and standard deviation of stars that do not belong to it, with ln d.
    pub field: [(f64, f64); OBSERVED],
    /// Distances of its nearest and farthest part from the centre of the galaxy, kpc.
    pub radii: (f64, f64),
}

/// The mean parallax by inverse variances, as a distance between 0.1 and 200 kpc.
fn distance_of_parallaxes(stars: &[Star]) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for star in stars {
        if let Some(Distance::Parallax(p)) = star.distance {
            let weight = 1.0 / (p.error * p.error).max(1e-12);
            sum += weight * p.value;
            weights += weight;
        }
    }
    (weights > 0.0).then(|| (weights / sum.max(1e-12 * weights)).clamp(0.1, 200.0))
}

/// How many of a star's neighbours on the sky say what is usual there.
const NEIGHBOURS: usize = 15;

/// A star that is off their median by so many standard deviations, by the median of their own distances from it, is another one.
const UNUSUAL: f64 = 6.0;

/// Neighbours are looked for among so many stars, evenly spread over the table: what is usual needs no more.
const LOOKED_AT: usize = 2000;

/// Which stars are as their neighbours on the sky: stars of the field in front of a stream are not, and tell nothing of where its orbit may be.
/// All of them where fewer than half would be left.
fn typical(stars: &[Star], sun: &Sun) -> Vec<bool> {
    let frame = Frame::new(stars, Frame::towards(&stars[0]), sun);
    let seen: Vec<Seen> = stars.iter().map(|star| frame.seen(star)).collect();
    let directions: Vec<[f64; 3]> = stars.iter().map(Frame::towards).collect();
    let step = stars.len().div_ceil(LOOKED_AT);
    let is_typical = |star: usize| {
        let off = |other: &usize| norm(difference(directions[*other], directions[star]));
        let mut others: Vec<usize> = (0..stars.len()).step_by(step).filter(|other| *other != star).collect();
        let count = NEIGHBOURS.min(others.len());
        if count < others.len() {
            others.select_nth_unstable_by(count, |a, b| off(a).total_cmp(&off(b)));
        }
        let one = &seen[star];
        let alike = |other: &&usize| seen[**other].is_parallax == one.is_parallax;
        (0..OBSERVED).all(|k| {
            let there = others[..count].iter().filter(alike).map(|&other| seen[other].values[k]);
            let there: Vec<f64> = there.filter(|value| value.is_finite()).collect();
            let Some(middle) = median(there.clone()).filter(|_| one.values[k].is_finite()) else {
                return true;
            };
            let spread = 1.4826 * median(there.iter().map(|value| (value - middle).abs()).collect()).unwrap_or(0.0);
            (one.values[k] - middle).abs() <= UNUSUAL * spread.hypot(one.errors[k][k].sqrt()).max(f64::MIN_POSITIVE)
        })
    };
    let typical: Vec<bool> = (0..stars.len()).map(is_typical).collect();
    match 2 * typical.iter().filter(|typical| **typical).count() >= stars.len() {
        true => typical,
        false => vec![true; stars.len()],
    }
}

/// The direction of the star in the middle of a stream as the centre of the galaxy sees it, and the radii that it reaches.
fn middle(stars: &[Star], usual: f64, sun: &Sun) -> ([f64; 3], (f64, f64)) {
    let places: Vec<[f64; 3]> = stars
        .iter()
        .map(|star| {
            let distance = match star.distance {
                Some(Distance::Kpc(d)) => d.value,
                _ => usual,
            };
            let (n, from) = (Frame::towards(star), sun.position());
            [0, 1, 2].map(|i| from[i] + distance * n[i])
        })
        .collect();
    let mut sum = [0.0; 3];
    for place in &places {
        let r = norm(*place).max(1e-9);
        sum = [0, 1, 2].map(|i| sum[i] + place[i] / r);
    }
    let first = sum.map(|x| x / norm(sum).max(1e-9));
    // The side to which most of the stars lie that are far from the middle.
    let mut pole = [0.0; 3];
    for place in &places {
        let normal = cross(first, *place);
        let sense = if dot(normal, pole) < 0.0 { -1.0 } else { 1.0 };
        pole = [0, 1, 2].map(|i| pole[i] + sense * normal[i]);
    }
    let second = cross(pole, first);
    let angles: Vec<f64> = places
        .iter()
        .map(|place| dot(*place, second).atan2(dot(*place, first) * norm(second)))
        .collect();
    let end = |fraction: f64| quantile(angles.clone(), fraction).unwrap_or(0.0);
    let centre = 0.5 * (end(0.03) + end(0.97));
    let nearest = (angles.iter().enumerate()).min_by(|a, b| (a.1 - centre).abs().total_cmp(&(b.1 - centre).abs()));
    let nearest = nearest.map_or(0, |(index, _)| index);
    let radii: Vec<f64> = places.iter().map(|place| norm(*place)).collect();
    let reach = |fraction: f64| quantile(radii.clone(), fraction).unwrap_or(10.0);
    (Frame::towards(&stars[nearest]), (reach(0.05), reach(0.95)))
}

/// The value at 0 of a quadratic through (t, y, weight), without the outliers: none of fewer than three points.
///
/// **Source**: Beaton & Tukey (1974).
fn value_at_zero(points: &[(f64, f64, f64)]) -> Option<f64> {
    let mut robust = vec![1.0; points.len()];
    let mut value = median(points.iter().map(|point| point.1).collect())?;
    for _ in 0..8 {
        let mut rows = [[0.0; 3]; 3];
        let mut side = [0.0; 3];
        for ((t, y, weight), robust) in points.iter().zip(&robust) {
            let powers = [1.0, *t, t * t];
            for i in 0..3 {
                side[i] += weight * robust * powers[i] * y;
                for j in 0..3 {
                    rows[i][j] += weight * robust * powers[i] * powers[j];
                }
            }
        }
        for (i, row) in rows.iter_mut().enumerate().skip(1) {
            row[i] += 1e-9 + 1e-6 * row[i];
        }
        let Some(found) = solve3(rows, side) else { break };
        value = found[0];
        let residuals: Vec<f64> = points
            .iter()
            .map(|(t, y, _)| y - found[0] - found[1] * t - found[2] * t * t)
            .collect();
        let size = 1.4826 * median(residuals.iter().map(|r| r.abs()).collect())?;
        for (robust, residual) in robust.iter_mut().zip(&residuals) {
            let u = residual / (4.685 * size).max(1e-9);
            *robust = (1.0 - u * u).max(0.0).powi(2);
        }
    }
    Some(value)
}

impl Observed {
    /// Least and greatest distance from the centre of the stars of some streams, kpc.
    pub fn radii(all: &[Self]) -> (f64, f64) {
        let each = all.iter().map(|one| one.radii);
        each.fold((f64::INFINITY, 0.0), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// `progenitor` is the prior standard deviation of the progenitor's place along the orbit, in radial periods.
    pub fn new(stream: &Stream, sun: &Sun, progenitor: f64, ln_mass: f64) -> Result<Self, StreamError> {
        let unfit = |why| StreamError {
            stream: stream.stream,
            why,
        };
        if let Some(why) = stream.fault() {
            return Err(unfit(why));
        }
        let usual = stream.usual_distance().ok_or_else(|| unfit(Unfit::NoDistance))?;
        let typical = typical(&stream.stars, sun);
        let chosen = stream.stars.iter().zip(&typical).filter(|(_, typical)| **typical);
        let (towards, radii) = middle(&chosen.map(|(star, _)| *star).collect::<Vec<_>>(), usual, sun);
        let frame = Frame::new(&stream.stars, towards, sun);
        let seen: Vec<Seen> = stream.stars.iter().map(|star| frame.seen(star)).collect();
        let along = |fraction: f64| quantile(seen.iter().map(|star| star.along).collect(), fraction).unwrap_or(0.0);
        let reach = (0.6 * (along(0.98) - along(0.02))).max(1e-3);
        let mut start = [0.0; OWN];
        let mut deviations = OWN_DEVIATION;
        let at_rest = frame.observe(&crate::phase_space::PhaseSpace::new(
            frame.locate(0.0, [0.0, usual.ln(), 0.0, 0.0, 0.0]).x,
            [0.0; 3],
        ));
        for k in 0..OBSERVED {
            let points = (seen.iter().zip(&typical))
                .filter_map(|(star, typical)| typical.then_some(star))
                .filter(|star| star.values[k].is_finite() && !(k == 1 && star.is_parallax));
            let points: Vec<(f64, f64, f64)> = points
                .map(|star| {
                    let t = star.along / reach;
                    (t, star.values[k], (1.0 - t * t).max(0.0).powi(3) + 1e-3)
                })
                .collect();
            match value_at_zero(&points) {
                Some(value) => start[k] = value,
                None if k == 1 => {
                    start[k] = usual.ln();
                    deviations[k] = 0.3;
                }
                None => {
                    start[k] = at_rest.1[k];
                    deviations[k] = UNKNOWN[k];
                }
            }
        }
        deviations[OBSERVED] = progenitor;
        start[OBSERVED + 1] = ln_mass;
        let (speed, ln_d, latitude) = FIELD;
        let turning = speed / (crate::units::KM_S_PER_KPC_MAS_YR * usual);
        let spread = [latitude, ln_d, speed, turning, turning];
        let field = std::array::from_fn(|k| {
            let values: Vec<f64> = seen
                .iter()
                .map(|star| star.values[k])
                .filter(|value| value.is_finite())
                .collect();
            let middle = if k == 1 {
                usual.ln()
            } else {
                median(values.clone()).unwrap_or(start[k])
            };
            let wide = quantile(values.clone(), 0.84).unwrap_or(0.0) - quantile(values, 0.16).unwrap_or(0.0);
            (middle, if k == 1 { spread[k] } else { spread[k].max(wide) })
        });
        Ok(Self {
            stream: stream.stream,
            frame,
            seen,
            start,
            deviations,
            field,
            radii,
        })
    }
}
