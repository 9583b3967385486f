//! Times one training step of the paper's networks at full size; `benches/paper_network.py` puts PyTorch beside it.
//!
//! `paper_network step [streams] [steps] [cpu | cuda]`
//!
//! Nothing here is linked to CUDA: with `cuda`, name PyTorch's `libtorch_cuda.so` in `LD_PRELOAD`, as `benches/gpu.sh` does.

use std::time::Instant;

use networks::Error;
use networks::isochrone::Isochrone;
use networks::paper::map::{Architecture, Evaluation};
use networks::paper::model::PaperModel;
use networks::paper::train as paper;
use networks::random::generator;
use networks::streams::Streams;
use networks::training::{EpochRecord, Watcher};
use networks::weights::Checkpoint;
use tch::{Device, Kind, Tensor};

const MASS: f64 = 3.334e11;

/// The halo sample of section 6.1, eight stars a stream within 0.1 Gyr, by the isochrone's own angles.
fn arcs(count: usize, seed: u64) -> Streams {
    let truth = Isochrone::new(MASS, 5.0, Device::Cpu);
    let mut random = generator(seed, "halo", 0);
    let (mut x, mut v) = (Vec::new(), Vec::new());
    for point in dynamics::sample::halo(&mut random, 2 * count) {
        x.extend(point.x);
        v.extend(point.v);
    }
    let points = |y: &[f64]| Tensor::from_slice(y).view([-1, 3]);
    let (x, v) = (points(&x), points(&v));
    let bound = truth
        .energy(&x, &v)
        .lt(0.0)
        .nonzero()
        .view(-1)
        .narrow(0, 0, count as i64);
    let found = truth
        .from_cartesian(&x.index_select(0, &bound), &v.index_select(0, &bound))
        .expect("bound points");
    tch::manual_seed(seed as i64);
    let times = Tensor::rand([count as i64, 8, 1], (Kind::Double, Device::Cpu)) * (0.1 * 1.022_712_165_053_707_7);
    let angles = found.angles.unsqueeze(1) + found.frequencies.unsqueeze(1) * times;
    let (x, v) = truth.to_cartesian(&angles, &found.actions.unsqueeze(1).expand_as(&angles));
    Streams::new(x, v)
}

/// Processor time of this thread so far, s (Linux).
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|first| first.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) * 1e-9
}

/// Seconds at the end of each epoch: of the processor, or of wall clock where a GPU works.
struct Clock {
    device: Device,
    begin: Instant,
    ends: Vec<f64>,
}

impl Clock {
    fn start(device: Device) -> Self {
        let mut clock = Self {
            device,
            begin: Instant::now(),
            ends: Vec::new(),
        };
        clock.look();
        clock
    }

    fn look(&mut self) {
        self.ends.push(match self.device {
            Device::Cuda(index) => {
                // Kernels are queued: what was asked for is done only after this.
                tch::Cuda::synchronize(index as i64);
                self.begin.elapsed().as_secs_f64()
            }
            _ => processor(),
        });
    }
}

impl Watcher for Clock {
    fn epoch(&mut self, _record: &EpochRecord, _total: usize) {
        self.look();
    }

    fn stop(&self) -> bool {
        false
    }
}

fn step(streams: usize, steps: usize, device: Device) -> Result<(), Error> {
    tch::set_num_threads(1);
    let data = arcs(streams, 1).on(device);
    for (name, evaluation) in [("fast", Evaluation::FAST), ("as the authors", Evaluation::AUTHORS)] {
        let options = paper::Options {
            evaluation,
            epochs: steps,
            loss: paper::Loss::Full,
            ..paper::Options::default()
        };
        let start = PaperModel::new((MASS, 5.0), false, Architecture::PAPER, 1, device);
        let mut clock = Clock::start(device);
        paper::train(&data, None, start, &options, &mut Checkpoint::none(), &mut clock)?;
        let seconds: Vec<String> = clock
            .ends
            .windows(2)
            .map(|pair| format!("{:.3}", pair[1] - pair[0]))
            .collect();
        let which = if device == Device::Cpu { "processor" } else { "wall" };
        println!("{name}: {which} s {}", seconds.join(" "));
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    tch::set_num_threads(1);
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize, usual: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let device = match arguments.get(4).map(String::as_str) {
        Some("cuda") => Device::Cuda(0),
        _ => Device::Cpu,
    };
    step(number(2, 64), number(3, 3), device)
}
