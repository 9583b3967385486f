//! Helpers of the tests.

use rand::Rng;
use tch::{Kind, Tensor};

use crate::isochrone::Isochrone;
use crate::random::{generator, normal};
use crate::smooth::SmoothMap;
use crate::streams::{Streams, ToyPoints};
use crate::training::{EpochRecord, Watcher};

/// Asserts that the Jacobian of `function` by autograd agrees with central differences of relative step `step`, to
/// `tolerance` relative to the largest entry of each row.
pub fn assert_gradient(point: &Tensor, step: f64, tolerance: f64, function: impl Fn(&Tensor) -> Tensor) {
    let point = point.detach().copy().set_requires_grad(true);
    let outputs = function(&point).view(-1);
    let inputs = point.numel() as i64;
    let mut numeric = Vec::new();
    for index in 0..inputs {
        let width = step * point.view(-1).double_value(&[index]).abs().max(1e-3);
        let shifted = |sign: f64| {
            let mut values = Vec::<f64>::try_from(point.detach().view(-1)).expect("values");
            values[index as usize] += sign * width;
            tch::no_grad(|| function(&Tensor::from_slice(&values).view(point.size().as_slice())).view(-1))
        };
        // Fourth order: the step can be large, so rounding stays small.
        let near = shifted(1.0) - shifted(-1.0);
        let far = shifted(2.0) - shifted(-2.0);
        numeric.push((near * 8.0 - far) / (12.0 * width));
    }
    let numeric = Tensor::stack(&numeric, -1);
    for row in 0..outputs.numel() as i64 {
        let gradient = Tensor::run_backward(&[outputs.get(row)], &[&point], true, false)[0].view(-1);
        let scale = numeric.get(row).abs().max().double_value(&[]).max(1e-12);
        let error = (gradient - numeric.get(row)).abs().max().double_value(&[]) / scale;
        assert!(error < tolerance, "output {row}: relative error {error:e}");
    }
}

/// Bound points like those of section 6.1: [count, 3] positions and velocities, away from the singular orbits.
pub fn halo_points(count: usize, seed: u64) -> (Tensor, Tensor) {
    let mut random = generator(seed, "halo points", 0);
    let mut numbers = |low: f64, high: f64| random.random_range(low..high);
    let (mut x, mut v) = (Vec::new(), Vec::new());
    for _ in 0..count {
        for _ in 0..3 {
            x.push(numbers(-9.0, 9.0));
            v.push(numbers(-140.0, 140.0));
        }
    }
    let shape = [count as i64, 3];
    (Tensor::from_slice(&x).view(shape), Tensor::from_slice(&v).view(shape))
}

/// The isochrone of section 6.1.
pub fn paper_isochrone() -> Isochrone {
    Isochrone::new(3.334e11, 5.0, tch::Device::Cpu)
}

/// Gives the outputs of a map's network random weights of this size: a new map is the identity.
pub fn bend(map: &SmoothMap, size: f64) {
    let mut parameters = map.perceptron.parameters();
    let last = parameters.len() - 2;
    let random = normal(&parameters[last].size(), size, &mut generator(5, "test", 0));
    tch::no_grad(|| parameters[last].copy_(&random));
}

/// θ' and J' of the stars of streams, all of which have one: two of [streams, stars, 3].
pub fn image(map: &SmoothMap, points: &ToyPoints) -> (Tensor, Tensor) {
    let found = map.refine_streams(points).expect("an image");
    assert!(!found.open.contains(&true), "{:?}", found.open);
    let actions = found.actions.unsqueeze(-2).expand_as(&points.actions).contiguous();
    (found.angles, actions)
}

/// Asks to stop after so many more epochs.
pub struct StopAfter(pub usize);

impl Watcher for StopAfter {
    fn epoch(&mut self, _record: &EpochRecord, _total: usize) {
        self.0 = self.0.saturating_sub(1);
    }

    fn stop(&self) -> bool {
        self.0 == 0
    }
}

/// The largest |a − b|.
pub fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().to_kind(Kind::Double).double_value(&[])
}

/// The largest |a − b| of angles, around the circle.
pub fn angle_distance(a: &Tensor, b: &Tensor) -> f64 {
    let turn = std::f64::consts::TAU;
    let difference = (a - b) / turn;
    ((&difference - difference.round()) * turn)
        .abs()
        .max()
        .double_value(&[])
}

/// Exact orbits in the isochrone of section 6.1, `stars` points each at random times within 0.3 kpc/(km/s), several turns.
pub fn halo_streams(count: usize, stars: usize, seed: u64) -> Streams {
    streams_over(count, stars, 0.3, seed)
}

/// The same within `span`, kpc/(km/s).
pub fn streams_over(count: usize, stars: usize, span: f64, seed: u64) -> Streams {
    let (mut x, v) = halo_points(count, seed);
    x = x.unsqueeze(1);
    let found = paper_isochrone().from_cartesian(&x, &v.unsqueeze(1)).expect("bound");
    let mut random = generator(seed, "times", 0);
    let times: Vec<f64> = (0..count * stars).map(|_| random.random_range(0.0..span)).collect();
    let times = Tensor::from_slice(&times).view([count as i64, stars as i64, 1]);
    let angles = &found.angles + found.frequencies * times;
    let (x, v) = paper_isochrone().to_cartesian(&angles, &found.actions.expand_as(&angles));
    Streams::new(x, v)
}
