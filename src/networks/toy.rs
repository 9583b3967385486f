//! Mass and scale of the toy isochrone from the streams themselves: those that keep the toy actions most constant.

use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::isochrone::{G, Isochrone, dot};
use crate::streams::{Streams, mean, scales};

/// Greatest semi-major axis of an orbit in the toy, in units of the distance of the farthest star.
const WIDEST: f64 = 2.0;

/// A point of the search: (ln mass, ln scale) and its cost.
type Vertex = ([f64; 2], f64);

/// The median over the streams of the mean absolute deviation of the toy actions, km/s kpc; infinite if a point is unbound,
/// or so loosely bound that its actions mean little: |E| below 2 % of its kinetic energy, or an orbit in the toy wider than
/// `widest`, kpc, by G M / 2|E|. There J_r rises without bound, and a few such streams rule every mean.
fn cost(streams: &Streams, also: Option<&Streams>, widest: f64, [mass, scale]: [f64; 2]) -> f64 {
    tch::no_grad(|| {
        let toy = Isochrone::new(mass.exp(), scale.exp(), streams.x.device());
        let least = G * mass.exp() / (2.0 * widest);
        let is_bound = |set: &Streams| {
            let kinetic = dot(&set.v, &set.v) * 0.5;
            let energy = toy.energy(&set.x, &set.v);
            let is_loose = (&energy + kinetic * 0.02).ge(0.0).logical_or(&energy.gt(-least));
            is_loose.any().int64_value(&[]) == 0
        };
        if !is_bound(streams) || !also.is_none_or(is_bound) {
            return f64::INFINITY;
        }
        match toy.from_cartesian(&streams.x, &streams.v) {
            Ok(found) => {
                let deviation = (&found.actions - mean(&found.actions, &streams.weights)).abs() * &streams.weights;
                let count = streams.weights.sum_dim_intlist(-2, false, Kind::Double).squeeze_dim(-1);
                let spread = deviation.sum_dim_intlist([-2, -1].as_slice(), false, Kind::Double) / (count * 3.0);
                spread.median().double_value(&[])
            }
            Err(_) => f64::INFINITY,
        }
    })
}

/// The toy with the smallest median spread: a coarse grid unless `start` is given, then Nelder and Mead's simplex in the
/// logarithms of mass and scale. It binds all points, those of `also` included, whose spread is not looked at.
///
/// **Fails when** no toy on the grid binds all points, or the start does not.
pub fn fit_toy(streams: &Streams, also: Option<&Streams>, start: Option<(f64, f64)>) -> Result<Isochrone, Error> {
    let (length, speed) = scales(&streams.x, &streams.v);
    let farthest = |set: &Streams| dot(&set.x, &set.x).max().double_value(&[]).sqrt();
    let widest = WIDEST * also.map_or(0.0, farthest).max(farthest(streams));
    let cost = |point| cost(streams, also, widest, point);
    let begin = match start {
        Some((mass, scale)) => {
            let point = [mass.ln(), scale.ln()];
            (point, cost(point))
        }
        None => {
            // The mass that a circular orbit of twice the median speed would need, and up to 60 times more.
            let unit = length * speed * speed / G;
            let grid = (0..14).flat_map(|i| (0..9).map(move |j| (f64::from(i), f64::from(j))));
            let vertices = grid.map(|(i, j)| {
                let point = [
                    (unit * 0.5 * 1.45_f64.powf(i)).ln(),
                    (length * 0.05 * 1.7_f64.powf(j)).ln(),
                ];
                (point, cost(point))
            });
            vertices
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap_or(([0.0; 2], f64::INFINITY))
        }
    };
    if !begin.1.is_finite() {
        if let Some((mass, scale)) = start {
            let toy = Isochrone::new(mass, scale, Device::Cpu);
            let rows = toy.unbound(&streams.x.to_device(Device::Cpu), &streams.v.to_device(Device::Cpu))?;
            return Err(Error::Unbound {
                rows,
                points: streams.x.numel() / 3,
            });
        }
        let message =
            "no isochrone binds all points: the fastest stars may not belong to the system, or units are wrong";
        return Err(Error::Data(message.to_owned()));
    }
    let ([mass, scale], _) = simplex(begin, cost);
    Ok(Isochrone::new(mass.exp(), scale.exp(), streams.x.device()))
}

/// Nelder & Mead (1965) with the usual coefficients, in two dimensions.
fn simplex(begin: Vertex, cost: impl Fn([f64; 2]) -> f64) -> Vertex {
    let along = |from: [f64; 2], to: [f64; 2], t: f64| [0, 1].map(|i| from[i] + t * (to[i] - from[i]));
    let vertex = |point: [f64; 2]| (point, cost(point));
    let [m, s] = begin.0;
    let mut corners = [begin, vertex([m + 0.1, s]), vertex([m, s + 0.2])];
    for _ in 0..120 {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let [best, good, worst] = corners;
        let size = (0..2)
            .map(|i| (worst.0[i] - best.0[i]).abs() + (good.0[i] - best.0[i]).abs())
            .sum::<f64>();
        if size < 1e-5 {
            break;
        }
        let middle = along(best.0, good.0, 0.5);
        let reflected = vertex(along(worst.0, middle, 2.0));
        corners[2] = if reflected.1 < best.1 {
            let expanded = vertex(along(worst.0, middle, 3.0));
            if expanded.1 < reflected.1 { expanded } else { reflected }
        } else if reflected.1 < good.1 {
            reflected
        } else {
            let contracted = vertex(along(worst.0, middle, if reflected.1 < worst.1 { 1.5 } else { 0.5 }));
            if contracted.1 < worst.1.min(reflected.1) {
                contracted
            } else {
                corners[1] = vertex(along(best.0, good.0, 0.5));
                vertex(along(best.0, worst.0, 0.5))
            }
        };
    }
    corners.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(begin)
}

/// Part of the sum of the toy's actions below which an orbit leads through the centre as far as a map can tell.
const RADIAL: f64 = 1e-6;

/// Rows of bound points whose toy angles have no meaning, so that nothing can be learned from them: those whose orbit leads through
/// the centre (angular momentum below 1e-6 of the sum of the actions), or whose actions or angles are not numbers.
pub fn undetermined(toy: &Isochrone, x: &Tensor, v: &Tensor) -> Result<Vec<usize>, Error> {
    let found = tch::no_grad(|| toy.from_cartesian(x, v))?;
    let j = &found.actions;
    let turning = j.narrow(-1, 0, 1).abs() + j.narrow(-1, 1, 1);
    let all = &turning + j.narrow(-1, 2, 1).clamp_min(0.0);
    let is_good = turning.gt_tensor(&(all * RADIAL)).squeeze_dim(-1);
    let is_number = (j + &found.angles).isfinite().all_dim(-1, false);
    let bad = is_good.logical_and(&is_number).logical_not().to_device(Device::Cpu);
    let rows: Vec<i64> = Vec::try_from(&bad.contiguous().view(-1).nonzero().view(-1))?;
    Ok(rows.into_iter().map(|row| row as usize).collect())
}

/// Row and energy, (km/s)², of each point that is unbound in `toy`.
pub fn unbound_energies(toy: &Isochrone, x: &Tensor, v: &Tensor) -> Result<Vec<(usize, f64)>, Error> {
    let rows = toy.unbound(x, v)?;
    let energies = Vec::<f64>::try_from(
        tch::no_grad(|| toy.energy(x, v))
            .to_device(Device::Cpu)
            .contiguous()
            .view(-1),
    )?;
    Ok(rows.into_iter().map(|row| (row, energies[row])).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{halo_streams, paper_isochrone};

    #[test]
    fn the_toy_is_found_from_the_streams() {
        let streams = halo_streams(60, 8, 10);
        for start in [None, Some((4.5e11, 7.0))] {
            let toy = fit_toy(&streams, None, start).unwrap();
            // The spread vanishes at the truth, and the simplex ends at 1e-5 in the logarithms.
            assert!(
                (toy.mass() / 3.334e11 - 1.0).abs() < 1e-3,
                "{} {}",
                toy.mass(),
                toy.scale_kpc()
            );
            assert!((toy.scale_kpc() / 5.0 - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn no_orbit_in_a_fitted_toy_is_far_wider_than_the_data() {
        let streams = halo_streams(60, 8, 10);
        // A star at 60 kpc that the potential of the others binds by a hundredth of its kinetic energy.
        let truth = paper_isochrone();
        let x = Tensor::from_slice(&[60.0, 0.0, 0.0]).view([1, 1, 3]);
        let escape = (-2.0 * truth.energy(&x, &x.zeros_like()).double_value(&[0, 0])).sqrt();
        let v = Tensor::from_slice(&[0.0, 0.995 * escape, 0.0]).view([1, 1, 3]);
        let loose = Streams::new(x, v);
        let toy = fit_toy(&streams, Some(&loose), None).unwrap();
        let energy = toy.energy(&loose.x, &loose.v).double_value(&[0, 0]);
        let wide = G * toy.mass() / (-2.0 * energy);
        assert!(energy < 0.0 && wide <= 2.0 * 60.0 * (1.0 + 1e-9), "{wide} kpc");
        // It would be in the toy that the streams want.
        let wanted = truth.energy(&loose.x, &loose.v).double_value(&[0, 0]);
        assert!(G * truth.mass() / (-2.0 * wanted) > 10.0 * 60.0);
    }
}
