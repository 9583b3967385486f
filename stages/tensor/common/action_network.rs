//! Networks that give actions and angles, of either formulation.

use networks::isochrone::Isochrone;
use networks::paper::{self, model::PaperModel};
use networks::smooth::{self, SmoothMap};
use networks::streams::Streams;
use networks::weights::Weights;
use runner::error::StageError;
use tch::Tensor;

use crate::common::failed;
use crate::common::pieces::ROWS;

/// A network that gives actions and angles.
pub enum ActionNetwork {
    /// The smooth map.
    Smooth(SmoothMap),
    /// The paper's networks.
    Paper(PaperModel),
}

/// Actions and angles of stars.
pub struct Image {
    /// θ', rad: (stars, 3).
    pub angles: Tensor,
    /// J', km/s kpc: (stars, 3).
    pub actions: Tensor,
    /// For which stars J' did not settle.
    pub open: Vec<bool>,
}

impl ActionNetwork {
    /// The network of a file.
    pub fn from_weights(weights: &Weights, device: tch::Device) -> Result<Self, StageError> {
        match weights.text("network").map_err(failed)? {
            smooth::map::NETWORK => Ok(Self::Smooth(SmoothMap::from_weights(weights, device).map_err(failed)?)),
            paper::model::NETWORK => Ok(Self::Paper(PaperModel::from_weights(weights, device).map_err(failed)?)),
            other => Err(StageError::failed(format!(
                "unknown network `{other}` in the network file"
            ))),
        }
    }

    /// The file's content.
    pub fn to_weights(&self) -> Result<Weights, StageError> {
        match self {
            Self::Smooth(map) => map.to_weights(),
            Self::Paper(model) => model.to_weights(),
        }
        .map_err(failed)
    }

    /// Its toy.
    pub fn toy(&self) -> Isochrone {
        match self {
            Self::Smooth(map) => map.toy.clone(),
            Self::Paper(model) => tch::no_grad(|| model.toy()),
        }
    }

    /// (θ, J) of the toy.
    pub fn by_toy(&self, x: &Tensor, v: &Tensor) -> Result<Image, StageError> {
        let found = tch::no_grad(|| self.toy().from_cartesian(x, v)).map_err(failed)?;
        Ok(Image {
            open: vec![false; found.actions.size()[0] as usize],
            angles: found.angles,
            actions: found.actions,
        })
    }

    /// (θ', J') of stars at (x, v), each from itself alone; by dropout masks that `draw` seeds, if given.
    ///
    /// **Shape** (stars, 3) twice. **Fails when** a star is unbound in the toy.
    pub fn alone(&self, x: &Tensor, v: &Tensor, draw: Option<i64>) -> Result<Image, StageError> {
        let (mut angles, mut actions, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for (x, v) in x.split(ROWS as i64, 0).iter().zip(v.split(ROWS as i64, 0)) {
            let found = match (self, draw) {
                (Self::Smooth(map), _) => {
                    let toy = tch::no_grad(|| map.toy.from_cartesian(x, &v)).map_err(failed)?;
                    let refined = map.refine_exactly(&toy.angles, &toy.actions).map_err(failed)?;
                    (refined.angles, refined.actions, refined.open)
                }
                (Self::Paper(model), None) => model.predict(x, &v).map_err(failed)?,
                (Self::Paper(model), Some(draw)) => model.predict_drawn(x, &v, draw).map_err(failed)?,
            };
            angles.push(found.0);
            actions.push(found.1);
            open.extend(found.2);
        }
        Ok(Image {
            angles: Tensor::cat(&angles, 0),
            actions: Tensor::cat(&actions, 0),
            open,
        })
    }

    /// θ' and J' of the stars of streams, J' common to the stars of each, and the J' that each star by itself would have with these
    /// angles of the toy: three of [streams, stars, 3]; and of which streams J' was not found.
    pub fn together(&self, streams: &Streams) -> Result<([Tensor; 3], Vec<bool>), StageError> {
        let Self::Smooth(map) = self else {
            return Err(StageError::Bug(
                "the paper's networks give no actions by stream".to_owned(),
            ));
        };
        let points = streams.toy_points(&map.toy).map_err(failed)?;
        let found = map.refine_streams(&points).map_err(failed)?;
        let actions = found.actions.unsqueeze(-2).expand_as(&points.actions);
        let own = map.star_actions(&points, &actions);
        Ok(([found.angles, actions.contiguous(), own], found.open))
    }

    /// Ω' of stars at (x, v) with acceleration a, km/s/kpc: (stars, 3) each. `actions` is J'.
    ///
    /// **Source** Ibata et al. (2021), Eq. 16.
    pub fn frequencies(&self, x: &Tensor, v: &Tensor, a: &Tensor, actions: &Tensor) -> Result<Tensor, StageError> {
        match self {
            Self::Smooth(map) => map.rates(x, v, a, actions).map(|(_, frequencies)| frequencies),
            Self::Paper(model) => model.frequencies(x, v, a),
        }
        .map_err(failed)
    }
}
