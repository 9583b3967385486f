//! Line-of-sight velocities that were not measured: those with which the actions of a stream's stars agree.
//!
//! **Source** the idea: Ibata et al. (2021), section 7.

use tch::Tensor;

use crate::error::Error;
use crate::isochrone::dot;
use crate::smooth::SmoothMap;

/// Velocities tried for a star before the search.
const TRIED: i64 = 48;

/// Part of the range in which a star is bound in the toy that is searched: next to its ends actions are huge.
const PART: f64 = 0.97;

/// Steps of the search.
const STEPS: usize = 12;

/// Half the distance over which actions are differenced, km/s.
const DIFFERENCE: f64 = 0.1;

/// Scaled residual at which a star counts half.
const ROBUST: f64 = 2.5;

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

/// Least scale of an action where none is measured, in units of that of all.
const LEAST_SHARE: f64 = 0.2;

/// Fewest deviations of known stars that scales are taken from.
const LEAST_KNOWN: usize = 8;

/// A 3-vector or 3 × 3 matrix in plain numbers, for one star.
type V3 = [f64; 3];
type M3 = [V3; 3];

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
    let mut streams: std::collections::BTreeMap<i64, Vec<usize>> = std::collections::BTreeMap::new();
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
    let member: std::collections::BTreeSet<usize> = rows.into_iter().collect();
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
        let potential = map.toy.energy(&stars.x, &Tensor::zeros_like(&stars.v));
        let middle = -dot(&stars.v, &stars.along);
        let square = middle.square() - dot(&stars.v, &stars.v) - potential * 2.0;
        Ok((numbers(&middle)?, numbers(&(square.clamp_min(0.0).sqrt() * PART))?))
    })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    Ok(Vec::try_from(
        tensor.detach().to_device(tch::Device::Cpu).contiguous().view(-1),
    )?)
}

fn vectors(tensor: &Tensor) -> Result<Vec<V3>, Error> {
    Ok(numbers(tensor)?.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect())
}

/// A hundredth of what actions of the data are like: scales to begin with.
fn typical(map: &SmoothMap) -> V3 {
    [0.01 * map.action_scale(); 3]
}

fn distance(a: V3, b: V3) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).abs()).sum()
}

/// Actions of each star at velocities over its whole range.
struct Grid {
    place: std::collections::HashMap<usize, usize>,
    velocities: Vec<Vec<f64>>,
    actions: Vec<Vec<V3>>,
}

impl Grid {
    fn new(map: &SmoothMap, stars: &Sightlines, rows: &[usize], middle: &[f64], half: &[f64]) -> Result<Self, Error> {
        let tried = |row: usize| match stars.known[row] {
            Some(u) => vec![u],
            None => (0..TRIED)
                .map(|k| middle[row] + half[row] * (2.0 * (k as f64 + 0.5) / TRIED as f64 - 1.0))
                .collect(),
        };
        let velocities: Vec<Vec<f64>> = rows.iter().map(|&row| tried(row)).collect();
        let owners: Vec<usize> = rows
            .iter()
            .zip(&velocities)
            .flat_map(|(&row, us)| std::iter::repeat_n(row, us.len()))
            .collect();
        let all = actions_at(map, stars, &owners, &velocities.concat(), false)?;
        let mut rest = all.as_slice();
        let actions = velocities.iter().map(|us| {
            let (own, others) = rest.split_at(us.len());
            rest = others;
            own.to_vec()
        });
        let actions = actions.collect();
        let place = rows.iter().enumerate().map(|(place, &row)| (row, place)).collect();
        Ok(Self {
            place,
            velocities,
            actions,
        })
    }

    /// First guesses for a stream.
    fn guess(&self, members: &[usize], is_open: &[bool], velocity: &mut [f64]) {
        let of = |row: usize| self.place[&row];
        let nearest = |row: usize, common: V3| -> (usize, f64) {
            let options = self.actions[of(row)]
                .iter()
                .map(|actions| distance(*actions, common))
                .enumerate();
            options.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::INFINITY))
        };
        let known: Vec<V3> = members
            .iter()
            .filter(|row| !is_open[**row])
            .map(|&row| self.actions[of(row)][0])
            .collect();
        let common = if known.is_empty() {
            // Each point of each curve is a candidate; the best is where the other curves come closest, by the median of distances.
            let candidates = members.iter().flat_map(|&row| self.actions[of(row)].iter().copied());
            let cost = |common: V3| {
                let mut away: Vec<f64> = members.iter().map(|&row| nearest(row, common).1).collect();
                away.sort_by(f64::total_cmp);
                // One of them is the curve it lies on.
                let worst = away.len() - away.len() / 4;
                away[..worst].iter().sum::<f64>()
            };
            let best = candidates
                .map(|common| (common, cost(common)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            best.map_or([0.0; 3], |(common, _)| common)
        } else {
            [0, 1, 2].map(|axis| median(known.iter().map(|actions| actions[axis]).collect()))
        };
        for &row in members.iter().filter(|row| is_open[**row]) {
            velocity[row] = self.velocities[of(row)][nearest(row, common).0];
        }
    }
}

/// J' of stars `owners` with velocities `u`.
fn actions_at(
    map: &SmoothMap,
    stars: &Sightlines,
    owners: &[usize],
    u: &[f64],
    exactly: bool,
) -> Result<Vec<V3>, Error> {
    let mut all = Vec::with_capacity(owners.len());
    for (owners, u) in owners.chunks(4096).zip(u.chunks(4096)) {
        let rows: Vec<i64> = owners.iter().map(|&row| row as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(stars.x.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
        let u = Tensor::from_slice(u).to_device(stars.x.device()).unsqueeze(-1);
        let toy = tch::no_grad(|| {
            map.toy
                .from_cartesian(&pick(&stars.x), &(pick(&stars.v) + pick(&stars.along) * u))
        })?;
        let actions = if exactly {
            map.refine_exactly(&toy.angles, &toy.actions)?.actions
        } else {
            map.refine_roughly(&toy.angles, &toy.actions)
        };
        all.extend(vectors(&actions)?);
    }
    Ok(all)
}

/// Actions at the present velocities, and how they change with them.
struct Curves {
    place: std::collections::HashMap<usize, usize>,
    actions: Vec<V3>,
    slopes: Vec<V3>,
}

struct Fit {
    /// Change of each member's velocity.
    steps: Vec<f64>,
    deviations: Vec<f64>,
    /// What is left of each member's actions, along which its velocity has no say; km/s kpc.
    residuals: Vec<V3>,
}

impl Curves {
    fn new(map: &SmoothMap, stars: &Sightlines, rows: &[usize], velocity: &[f64]) -> Result<Self, Error> {
        let at = |shift: f64| {
            let u: Vec<f64> = rows.iter().map(|&row| velocity[row] + shift).collect();
            actions_at(map, stars, rows, &u, true)
        };
        let (actions, ahead, behind) = (at(0.0)?, at(DIFFERENCE)?, at(-DIFFERENCE)?);
        let slope =
            |(ahead, behind): (&V3, &V3)| [0, 1, 2].map(|axis| (ahead[axis] - behind[axis]) / (2.0 * DIFFERENCE));
        Ok(Self {
            place: rows.iter().enumerate().map(|(place, &row)| (row, place)).collect(),
            slopes: ahead.iter().zip(&behind).map(slope).collect(),
            actions,
        })
    }

    /// How far actions of known stars are from their stream's mean, 1.48 median, scaled to the scatter of one star; nothing where few
    /// are known.
    fn scatter(
        &self,
        streams: &std::collections::BTreeMap<i64, Vec<usize>>,
        is_open: &[bool],
        typical: &V3,
    ) -> Option<V3> {
        let mut away: [Vec<f64>; 3] = Default::default();
        for members in streams.values() {
            let known: Vec<V3> = members
                .iter()
                .filter(|row| !is_open[**row])
                .map(|row| self.actions[self.place[row]])
                .collect();
            let count = known.len() as f64;
            if known.len() < 2 {
                continue;
            }
            for (axis, away) in away.iter_mut().enumerate() {
                let mean = known.iter().map(|actions| actions[axis]).sum::<f64>() / count;
                let scaled = (count / (count - 1.0)).sqrt();
                away.extend(known.iter().map(|actions| (actions[axis] - mean).abs() * scaled));
            }
        }
        (away[0].len() >= LEAST_KNOWN)
            .then(|| [0, 1, 2].map(|axis| (1.48 * median(away[axis].clone())).max(1e-6 * typical[axis])))
    }

    /// Common actions and velocities of a stream by weighted least squares.
    fn fit(&self, members: &[usize], is_open: &[bool], scales: &V3) -> Fit {
        let scaled = |vector: &V3| [0, 1, 2].map(|axis| vector[axis] / scales[axis]);
        let actions: Vec<V3> = members
            .iter()
            .map(|row| scaled(&self.actions[self.place[row]]))
            .collect();
        let slopes: Vec<V3> = members
            .iter()
            .map(|row| scaled(&self.slopes[self.place[row]]))
            .collect();
        let projections: Vec<M3> = members
            .iter()
            .zip(&slopes)
            .map(|(row, slope)| if is_open[*row] { across(slope) } else { IDENTITY })
            .collect();
        let mut weights = vec![1.0; members.len()];
        let mut common = [0, 1, 2].map(|axis| median(actions.iter().map(|actions| actions[axis]).collect()));
        let mut information = IDENTITY;
        for _ in 0..5 {
            let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
            for ((actions, projection), weight) in actions.iter().zip(&projections).zip(&weights) {
                let projected = times(projection, actions);
                for i in 0..3 {
                    right[i] += weight * projected[i];
                    (0..3).for_each(|j| matrix[i][j] += weight * projection[i][j]);
                }
            }
            // Where all curves are parallel there is no meeting point along them: stay near the middle.
            (0..3).for_each(|i| {
                matrix[i][i] += 1e-9;
                right[i] += 1e-9 * common[i];
            });
            let Some(inverse) = inverse(&matrix) else { break };
            information = inverse;
            common = times(&inverse, &right);
            for ((actions, projection), weight) in actions.iter().zip(&projections).zip(&mut weights) {
                let away = times(projection, &minus(actions, &common));
                *weight = 1.0 / (1.0 + inner(&away, &away) / (ROBUST * ROBUST));
            }
        }
        let mut fit = Fit {
            steps: Vec::new(),
            deviations: Vec::new(),
            residuals: Vec::new(),
        };
        for ((actions, slope), projection) in actions.iter().zip(&slopes).zip(&projections) {
            let away = minus(actions, &common);
            let square = inner(slope, slope).max(1e-12);
            fit.steps.push(-inner(slope, &away) / square);
            let of_common = inner(slope, &times(&information, slope)) / (square * square);
            fit.deviations.push((1.0 / square + of_common).sqrt());
            let left = times(projection, &away);
            fit.residuals.push([0, 1, 2].map(|axis| left[axis] * scales[axis]));
        }
        fit
    }
}

/// Scales from what is left of actions that the velocities were fitted to: 1.48 median |residual|, but none below a part of that of all
/// three. A velocity can make one action agree exactly, whose scale would vanish and rule alone.
fn scales_of(leftovers: &[Vec<f64>; 3], floor: f64) -> V3 {
    // Of three actions of a star one is used up by its velocity.
    let used = 1.48 * 1.5_f64.sqrt();
    let sizes = |of: &[f64]| used * median(of.iter().map(|left| left.abs()).collect());
    let least = (LEAST_SHARE * sizes(&leftovers.concat())).max(floor);
    [0, 1, 2].map(|axis| sizes(&leftovers[axis]).max(least))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

const IDENTITY: M3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// 1 − d dᵀ/|d|².
fn across(d: &V3) -> M3 {
    let square = inner(d, d).max(1e-300);
    let mut matrix = IDENTITY;
    for i in 0..3 {
        for j in 0..3 {
            matrix[i][j] -= d[i] * d[j] / square;
        }
    }
    matrix
}

fn inner(a: &V3, b: &V3) -> f64 {
    (0..3).map(|axis| a[axis] * b[axis]).sum()
}

fn minus(a: &V3, b: &V3) -> V3 {
    [0, 1, 2].map(|axis| a[axis] - b[axis])
}

fn times(matrix: &M3, vector: &V3) -> V3 {
    [0, 1, 2].map(|row| inner(&matrix[row], vector))
}

fn inverse(m: &M3) -> Option<M3> {
    let cross = |a: &V3, b: &V3| {
        [
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        ]
    };
    let columns = [cross(&m[1], &m[2]), cross(&m[2], &m[0]), cross(&m[0], &m[1])];
    let determinant = inner(&m[0], &columns[0]);
    (determinant.abs() > 1e-300).then(|| [0, 1, 2].map(|i| [0, 1, 2].map(|j| columns[j][i] / determinant)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::{Device, Kind};

    use super::*;
    use crate::sky::Sun;
    use crate::smooth::map::Shape;
    use crate::test_support::{halo_streams, paper_isochrone};

    /// Exact orbits seen from the Sun, and the map that knows their actions: the true isochrone with G = 0.
    fn sightlines(streams: usize, known: usize) -> (SmoothMap, Sightlines, Vec<f64>) {
        let sample = halo_streams(streams, 8, 31);
        let shape = Shape {
            width: 8,
            depth: 1,
            ..Shape::default()
        };
        let map = SmoothMap::new(paper_isochrone(), shape, &sample.x, &sample.v, 1).unwrap();
        let (x, v) = (sample.x.view([-1, 3]), sample.v.view([-1, 3]));
        let sun = Sun::new(8.122, 0.0, [11.1, 7.2, 7.25], 243.0);
        let from_sun = &x - Tensor::from_slice(&sun.position);
        let along = &from_sun / dot(&from_sun, &from_sun).sqrt().unsqueeze(-1);
        let truth = numbers(&dot(&(&v - Tensor::from_slice(&sun.velocity)), &along)).unwrap();
        let u = Tensor::from_slice(&truth).unsqueeze(-1);
        let v = v - &along * u;
        let stars = Sightlines {
            stream: (0..streams as i64 * 8).map(|row| row / 8).collect(),
            x,
            v,
            along,
            known: (0..streams * 8)
                .map(|row| (row % 8 < known).then(|| truth[row]))
                .collect(),
        };
        (map, stars, truth)
    }

    #[test]
    fn missing_velocities_are_found_by_actions_that_agree() {
        for known in [3, 0] {
            let (map, stars, truth) = sightlines(12, known);
            let found = recover(&map, &stars, &mut |_| ()).unwrap();
            let mut errors: Vec<f64> = Vec::new();
            for (row, found) in found.iter().enumerate() {
                match found {
                    Found::Recovered(u, deviation) => {
                        assert!(deviation.is_finite() && *deviation >= 0.0);
                        errors.push((u - truth[row]).abs());
                    }
                    Found::Known => assert!(row % 8 < known),
                    other => panic!("{row}: {other:?}"),
                }
            }
            assert_eq!(errors.len(), 12 * (8 - known));
            errors.sort_by(f64::total_cmp);
            // The map is exact: what is left is a few stars whose actions meet at another velocity, too.
            assert!(errors[errors.len() / 2] < 1e-3, "{known}: {}", errors[errors.len() / 2]);
            assert!(
                errors[errors.len() * 8 / 10] < 1.0,
                "{known}: {}",
                errors[errors.len() * 8 / 10]
            );
        }
    }

    #[test]
    fn stars_that_nothing_can_be_said_of_are_named() {
        let (map, mut stars, _) = sightlines(2, 2);
        stars.stream[15] = 99;
        stars.v = stars.v.copy();
        stars.v.get(4).copy_(&Tensor::from_slice(&[2000.0, 2000.0, 2000.0]));
        let found = recover(&map, &stars, &mut |_| ()).unwrap();
        assert_eq!(found[4], Found::Unbound);
        assert_eq!(found[15], Found::Alone);
        assert_eq!(found[0], Found::Known);
        assert!(matches!(found[5], Found::Recovered(..)));
        assert_eq!(stars.x.device(), Device::Cpu);
        assert_eq!(stars.x.kind(), Kind::Double);
    }
}
