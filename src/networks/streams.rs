//! Stars of streams as tensors, and their toy angles and actions: what every network learns from.

use dynamics::phase_space::PhaseSpace;
use tch::{Device, Kind, Tensor};

use crate::error::Error;
use crate::isochrone::{Isochrone, dot};

/// Positions and velocities of streams; shorter streams are filled up with stars of weight zero.
#[derive(Debug)]
pub struct Streams {
    /// Positions [streams, stars, 3], kpc.
    pub x: Tensor,
    /// Velocities [streams, stars, 3], km/s.
    pub v: Tensor,
    /// 1 for a star, 0 for a filler: [streams, stars, 1].
    pub weights: Tensor,
}

impl Streams {
    /// Streams of equally many stars.
    pub fn new(x: Tensor, v: Tensor) -> Self {
        let weights = Tensor::ones_like(&x.narrow(-1, 0, 1));
        Self { x, v, weights }
    }

    /// Streams of plain points; shorter ones are filled up with copies of their first star of weight zero.
    ///
    /// **Fails when** a stream has no star.
    pub fn of_points(points: &[Vec<PhaseSpace>]) -> Result<Self, Error> {
        let stars = points.iter().map(Vec::len).max().unwrap_or(0);
        let (mut x, mut v, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (number, stream) in points.iter().enumerate() {
            let first = stream
                .first()
                .ok_or_else(|| Error::Data(format!("stream {number} has no stars")))?;
            for star in 0..stars {
                let point = stream.get(star).unwrap_or(first);
                x.extend(point.x);
                v.extend(point.v);
                weights.push(if star < stream.len() { 1.0 } else { 0.0 });
            }
        }
        let shape = |last: i64| [points.len() as i64, stars as i64, last];
        Ok(Self {
            x: Tensor::from_slice(&x).view(shape(3)),
            v: Tensor::from_slice(&v).view(shape(3)),
            weights: Tensor::from_slice(&weights).view(shape(1)),
        })
    }

    /// The stars of each stream as plain points, fillers left out.
    pub fn points(&self) -> Result<Vec<Vec<PhaseSpace>>, Error> {
        let flat = |tensor: &Tensor| -> Result<Vec<f64>, Error> {
            Ok(Vec::try_from(
                tensor
                    .detach()
                    .to_device(Device::Cpu)
                    .to_kind(Kind::Double)
                    .contiguous()
                    .view(-1),
            )?)
        };
        let (x, v, weights) = (flat(&self.x)?, flat(&self.v)?, flat(&self.weights)?);
        let stars = self.x.size()[1] as usize;
        let point = |row: usize| {
            let vector = |values: &[f64]| [values[3 * row], values[3 * row + 1], values[3 * row + 2]];
            PhaseSpace::new(vector(&x), vector(&v))
        };
        let stream = |stream: usize| {
            let rows = (stream * stars..(stream + 1) * stars).filter(|&row| weights[row] > 0.0);
            rows.map(point).collect()
        };
        Ok((0..self.len()).map(stream).collect())
    }

    /// The same on `device`.
    pub fn on(&self, device: Device) -> Self {
        Self {
            x: self.x.to_device(device),
            v: self.v.to_device(device),
            weights: self.weights.to_device(device),
        }
    }

    /// The number of streams.
    pub fn len(&self) -> usize {
        self.x.size()[0] as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Toy angles and actions, without a graph. **Fails when** a point is unbound.
    pub fn toy_points(&self, toy: &Isochrone) -> Result<ToyPoints, Error> {
        let found = tch::no_grad(|| toy.from_cartesian(&self.x, &self.v))?;
        Ok(ToyPoints {
            angles: found.angles,
            actions: found.actions,
            weights: self.weights.shallow_clone(),
        })
    }
}

/// Toy angles and actions of the stars of streams.
#[derive(Debug)]
pub struct ToyPoints {
    /// θ, rad: […, stars, 3].
    pub angles: Tensor,
    /// J, km/s kpc, or in the unit of the network that they are given to: […, stars, 3].
    pub actions: Tensor,
    /// 1 for a star, 0 for a filler: […, stars, 1].
    pub weights: Tensor,
}

impl ToyPoints {
    /// Single stars, […, 3], as streams of one.
    pub fn of_single(angles: &Tensor, actions: &Tensor) -> Self {
        Self {
            angles: angles.unsqueeze(-2),
            actions: actions.unsqueeze(-2),
            weights: Tensor::ones_like(&angles.narrow(-1, 0, 1).unsqueeze(-2)),
        }
    }

    /// Every star as a stream of its own: for predictions that use nothing but the star itself.
    pub fn single(&self) -> Self {
        Self::of_single(&self.angles, &self.actions)
    }

    /// Mean over the stars of each stream: […, stars, n] → […, 1, n].
    pub fn mean(&self, values: &Tensor) -> Tensor {
        mean(values, &self.weights)
    }

    /// Mean over all stars and components of […, stars, n].
    pub fn average(&self, values: &Tensor) -> Tensor {
        let components = *values.size().last().unwrap_or(&1) as f64;
        (values * &self.weights).sum(Kind::Double) / (self.weights.sum(Kind::Double) * components)
    }

    /// Mean absolute deviation of `values` from the stream means, over stars and components.
    pub fn spread(&self, values: &Tensor) -> Tensor {
        self.average(&(values - self.mean(values)).abs())
    }

    /// The same of each tensor.
    pub(crate) fn each(&self, change: &impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            angles: change(&self.angles),
            actions: change(&self.actions),
            weights: change(&self.weights),
        }
    }

    /// The streams of these indexes.
    pub(crate) fn pick(&self, streams: &Tensor) -> Self {
        self.each(&|tensor| tensor.index_select(0, streams))
    }
}

/// Weighted mean over the stars: […, stars, n] → […, 1, n].
pub(crate) fn mean(values: &Tensor, weights: &Tensor) -> Tensor {
    let kind = values.kind();
    (values * weights).sum_dim_intlist(-2, true, kind) / weights.sum_dim_intlist(-2, true, kind)
}

/// Scales of the data: the medians of distance (kpc) and speed (km/s).
pub(crate) fn scales(x: &Tensor, v: &Tensor) -> (f64, f64) {
    let median = |y: &Tensor| dot(y, y).sqrt().median().double_value(&[]);
    (median(x), median(v))
}
