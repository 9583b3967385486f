//! The four test orbits of Ibata et al. (2021), section 6.4, each with a Fourier series of its own.
//!
//! `cargo run -p networks --example single_orbits -- [orbit] [none|axi] [coefficients] [n_phi n_z n_r] [ridge]`

use std::time::Instant;

use dynamics::orbit::dense;
use dynamics::potential::{Galaxy, Isochrone};
use dynamics::sample::{TEST_ORBIT_INTERVAL, TEST_ORBIT_POINTS, TEST_ORBITS};
use dynamics::units::Gyr;
use networks::field::streams_of;
use networks::fourier::{OrbitOptions, fit_orbit};
use networks::smooth::{Symmetry, fit_toy};

fn main() {
    tch::set_num_threads(1);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let galaxy = Galaxy::piffl_14().expect("a galaxy");
    for (name, start) in TEST_ORBITS {
        if arguments
            .first()
            .is_some_and(|wanted| wanted != name && wanted != "all")
        {
            continue;
        }
        let times: Vec<Gyr> = (0..TEST_ORBIT_POINTS)
            .map(|i| Gyr(i as f64 * TEST_ORBIT_INTERVAL))
            .collect();
        let points = dense::integrate(&galaxy, &start, &times, 1e-12)
            .expect("an orbit")
            .points;
        let begin = Instant::now();
        let some: Vec<_> = points.iter().step_by(8).copied().collect();
        let toy = fit_toy(&streams_of(&[some]).expect("a stream"), None, None).expect("a toy");
        let toy = Isochrone::new(toy.mass(), toy.scale_kpc()).expect("a toy");
        let toy_time = begin.elapsed().as_secs_f64();
        for symmetry in [Symmetry::None, Symmetry::Axisymmetric] {
            let label = if symmetry == Symmetry::None { "none" } else { "axi" };
            if arguments
                .get(1)
                .is_some_and(|wanted| wanted != label && wanted != "both")
            {
                continue;
            }
            let mut options = OrbitOptions {
                symmetry,
                time_reversal: symmetry != Symmetry::None,
                ..OrbitOptions::default()
            };
            if let Some(count) = arguments.get(2) {
                options.coefficients = count.parse().expect("a number");
            }
            for (reach, argument) in options.reach.iter_mut().zip(arguments.iter().skip(3)) {
                *reach = argument.parse().expect("a number");
            }
            if let Some(ridge) = arguments.get(6) {
                options.ridge = ridge.parse().expect("a number");
            }
            let begin = Instant::now();
            let map = fit_orbit(&points, toy, &options).expect("a map");
            println!(
                "{name} {label}: MAD {:.5}, held out {:.5}, {} coefficients, J (phi, z, r) {:.3?}, toy {toy_time:.1} s, fit {:.1} s",
                map.spread(&points).expect("bound points"),
                map.held_out_spread,
                map.coefficients(),
                map.actions,
                begin.elapsed().as_secs_f64(),
            );
        }
    }
}
