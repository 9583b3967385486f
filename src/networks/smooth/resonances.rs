//! Where in the actions of a map the resonances of a field are.

use dynamics::potential::Potential;
use tch::{Device, Kind, Tensor};

use super::map::SmoothMap;
use crate::error::Error;
use crate::features::Resonance;
use crate::isochrone::part;
use crate::map::CanonicalMap;
use crate::streams::{Streams, mean};

/// Stars looked at together: second derivatives of G take some 50 kB for each.
const CHUNK: i64 = 4096;

/// The resonances of `orders` (n_r, n_z) that orbits of `field` come near, with their places in the map's J'; and the J' of the orbits [orbits, 3].
///
/// The frequencies of an orbit are the mean over its stars of dθ'/dt in the field (Ibata et al. 2021, Eq. 16).
pub fn find_resonances(
    map: &SmoothMap,
    field: &(impl Potential + ?Sized),
    orbits: &Streams,
    orders: &[[i64; 2]],
) -> Result<(Vec<Resonance>, Tensor), Error> {
    let common = map.common_actions(orbits)?;
    let flat = |tensor: &Tensor| tensor.contiguous().view([-1, 3]).split(CHUNK, 0);
    let own = common.actions.unsqueeze(1).expand_as(&orbits.x);
    let chunks = flat(&orbits.x).into_iter().zip(flat(&orbits.v)).zip(flat(&own));
    let rates = chunks.map(|((x, v), own)| map.frequencies(&x, &v, &accelerations(field, &x)?, &own));
    let rates = Tensor::cat(&rates.collect::<Result<Vec<_>, Error>>()?, 0).view(orbits.x.size().as_slice());
    let frequencies = mean(&rates, &orbits.weights).squeeze_dim(1);
    let open = Tensor::from_slice(&common.open).to_device(orbits.x.device());
    let is_known = frequencies
        .isfinite()
        .all_dim(-1, false)
        .logical_and(&part(&frequencies, 2).gt(0.0))
        .logical_and(&open.logical_not());
    let known = is_known.nonzero().squeeze_dim(-1).to_kind(Kind::Int64);
    let (actions, frequencies) = (
        common.actions.index_select(0, &known),
        frequencies.index_select(0, &known),
    );
    let found: Result<Vec<Option<Resonance>>, Error> = orders
        .iter()
        .map(|&[r, z]| Resonance::of([0, z, r], &actions, &frequencies))
        .collect();
    Ok((found?.into_iter().flatten().collect(), actions))
}

/// (km/s)²/kpc, [stars, 3].
fn accelerations(field: &(impl Potential + ?Sized), x: &Tensor) -> Result<Tensor, Error> {
    let places = Vec::<f64>::try_from(x.to_device(Device::Cpu).contiguous().view(-1))?;
    let pulls = places
        .chunks_exact(3)
        .flat_map(|x| field.acceleration([x[0], x[1], x[2]]));
    Ok(Tensor::from_slice(&pulls.collect::<Vec<f64>>())
        .view([-1, 3])
        .to_device(x.device()))
}
