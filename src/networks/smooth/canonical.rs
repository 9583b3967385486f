//! The smooth map as a [`CanonicalMap`].

use tch::{Device, Tensor};

use super::map::SmoothMap;
use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::map::{CanonicalMap, CommonActions, Derivatives, Image, StreamImage};
use crate::streams::Streams;
use crate::weights::Weights;

/// Stars looked at together: bounds memory. A GPU waits for each of many small kernels, so that it is given more.
fn chunk(device: Device) -> i64 {
    match device {
        Device::Cpu => 4096,
        _ => 65_536,
    }
}

impl CanonicalMap for SmoothMap {
    fn toy(&self) -> Isochrone {
        self.toy.clone()
    }

    fn alone(&self, x: &Tensor, v: &Tensor) -> Result<Image, Error> {
        let (mut angles, mut actions, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let chunk = chunk(x.device());
        for (x, v) in x.split(chunk, 0).iter().zip(v.split(chunk, 0)) {
            let toy = tch::no_grad(|| self.toy.from_cartesian(x, &v))?;
            let found = self.refine_exactly(&toy.angles, &toy.actions)?;
            angles.push(found.angles);
            actions.push(found.actions);
            open.extend(found.open);
        }
        Ok(Image {
            angles: Tensor::cat(&angles, 0),
            actions: Tensor::cat(&actions, 0),
            open,
        })
    }

    fn together(&self, streams: &Streams) -> Option<Result<StreamImage, Error>> {
        Some(streams.toy_points(&self.toy).and_then(|points| {
            let found = self.refine_streams(&points)?;
            let actions = found.actions.unsqueeze(-2).expand_as(&points.actions);
            Ok(StreamImage {
                own_actions: self.star_actions(&points, &actions),
                angles: found.angles,
                actions: actions.contiguous(),
                open: found.open,
            })
        }))
    }

    fn common_actions(&self, streams: &Streams) -> Result<CommonActions, Error> {
        let Image { actions, open, .. } = self.refine_streams(&streams.toy_points(&self.toy)?)?;
        Ok(CommonActions { actions, open })
    }

    fn derivatives(&self, streams: &Streams, common: &CommonActions) -> Result<Derivatives, Error> {
        let actions = common.actions.unsqueeze(1).expand_as(&streams.x);
        let chunk = chunk(streams.x.device());
        let flat = |tensor: &Tensor| tensor.contiguous().view([-1, 3]).split(chunk, 0);
        let (mut of_actions, mut of_angles) = (Vec::new(), Vec::new());
        let chunks = flat(&streams.x).into_iter().zip(flat(&streams.v)).zip(flat(&actions));
        for ((x, v), actions) in chunks {
            let found = self.jacobian(&x, &v, Some(&actions))?;
            of_actions.push(found.of_actions);
            of_angles.push(found.of_angles);
        }
        Ok(Derivatives {
            of_actions: Tensor::cat(&of_actions, 0),
            of_angles: Tensor::cat(&of_angles, 0),
        })
    }

    fn frequencies(&self, x: &Tensor, v: &Tensor, a: &Tensor, actions: &Tensor) -> Result<Tensor, Error> {
        self.rates(x, v, a, actions).map(|(_, frequencies)| frequencies)
    }

    fn to_weights(&self) -> Result<Weights, Error> {
        SmoothMap::to_weights(self)
    }
}
