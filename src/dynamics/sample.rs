//! The samples of stars that the experiments start from, seeded.

use crate::phase_space::{Actions, Angles, PhaseSpace};
use crate::potential::Potential;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rand_distr::StandardNormal;

/// Innermost start of the halo sample, kpc.
pub const HALO_INNER_RADIUS: f64 = 6.0;
/// Outermost start of the halo sample, kpc.
pub const HALO_OUTER_RADIUS: f64 = 16.0;
/// Dispersion of the halo sample's speed, km/s.
pub const HALO_DISPERSION: f64 = 150.0;

/// The four test orbits of section 6.4 in the potential of Piffl et al. (2014), by name.
///
/// **Source**: Sanders & Binney (2016); Ibata et al. (2021), section 6.4.
pub const TEST_ORBITS: [(&str, PhaseSpace); 4] = [
    ("thin", PhaseSpace::new([8.29, 0.1, 0.1], [30.22, 211.1, 19.22])),
    ("thick", PhaseSpace::new([8.29, 0.1, 0.1], [50.22, 187.1, 54.22])),
    ("halo", PhaseSpace::new([8.29, 0.1, 0.1], [100.22, 109.1, 101.22])),
    ("stream", PhaseSpace::new([26.0, 0.1, 0.1], [0.1, 141.8, 83.1])),
];

/// How many points of each test orbit are looked at.
pub const TEST_ORBIT_POINTS: usize = 10_000;

/// The time between two of them, Gyr.
pub const TEST_ORBIT_INTERVAL: f64 = 0.9777e-3;

/// Greatest actions of the disc sample, km/s kpc.
pub const DISC_MOST: Actions = Actions {
    phi: 3000.0,
    z: 50.0,
    r: 50.0,
};

/// The least pericentre of the disc sample, kpc.
pub const DISC_LEAST_PERICENTRE: f64 = 5.0;

/// One set of actions of the disc sample, uniform between 0 and `most`.
///
/// The sample keeps those whose torus stays [`DISC_LEAST_PERICENTRE`] from the centre
/// ([`Torus::pericentre`](crate::torus::Torus::pericentre)), and takes its stars at angles that are uniform.
///
/// **Source**: Ibata et al. (2021), section 6.3.
pub fn disc_actions<R: Rng + ?Sized>(random: &mut R, most: &Actions) -> Actions {
    Actions {
        phi: random.random_range(0.0..most.phi),
        z: random.random_range(0.0..most.z),
        r: random.random_range(0.0..most.r),
    }
}

/// Angles uniform in [0, 2π).
pub fn angles<R: Rng + ?Sized>(random: &mut R) -> Angles {
    let mut angle = || random.random_range(0.0..std::f64::consts::TAU);
    Angles {
        phi: angle(),
        z: angle(),
        r: angle(),
    }
}

/// The random numbers of one stream of a seeded sample: they do not depend on how many streams there are.
pub fn generator(seed: u64, stream: u64) -> ChaCha20Rng {
    let mut generator = ChaCha20Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

/// A direction uniform on the sphere.
pub fn isotropic<R: Rng + ?Sized>(random: &mut R) -> [f64; 3] {
    let cos: f64 = random.random_range(-1.0..=1.0);
    let phi = random.random_range(0.0..std::f64::consts::TAU);
    let sin = (1.0 - cos * cos).sqrt();
    [sin * phi.cos(), sin * phi.sin(), cos]
}

/// One start of the halo sample: r uniform in 6–16 kpc in a random direction, velocity isotropic with speed |N(0, 150 km/s)|.
///
/// Nothing here knows a potential: about one start in a hundred is faster than the escape speed. [`bound`] redraws those.
///
/// **Source**: Ibata et al. (2021), section 6.1.
pub fn halo_start<R: Rng + ?Sized>(random: &mut R) -> PhaseSpace {
    let r = random.random_range(HALO_INNER_RADIUS..HALO_OUTER_RADIUS);
    let x = isotropic(random).map(|u| r * u);
    let speed = (HALO_DISPERSION * random.sample::<f64, _>(StandardNormal)).abs();
    PhaseSpace {
        x,
        v: isotropic(random).map(|u| speed * u),
    }
}

/// `n` starts of the halo sample.
pub fn halo<R: Rng + ?Sized>(random: &mut R, n: usize) -> Vec<PhaseSpace> {
    (0..n).map(|_| halo_start(random)).collect()
}

/// The first of `draw`'s points that is bound in `potential`, and how many were set aside for not being so.
pub fn bound<P: Potential + ?Sized>(
    potential: &P,
    mut draw: impl FnMut() -> PhaseSpace,
) -> Option<(PhaseSpace, usize)> {
    const MOST: usize = 10_000;
    (0..MOST).find_map(|rejected| {
        let point = draw();
        (potential.energy(&point) < potential.potential_at_infinity()).then_some((point, rejected))
    })
}

/// `n` times uniform in [0, duration), in order.
pub fn times<R: Rng + ?Sized>(random: &mut R, n: usize, duration: f64) -> Vec<f64> {
    let mut times: Vec<f64> = (0..n).map(|_| duration * random.random::<f64>()).collect();
    times.sort_by(f64::total_cmp);
    times
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::Isochrone;
    use crate::vector::{dot, norm};

    #[test]
    fn the_halo_sample_has_its_distribution() {
        let n = 40_000;
        let sample = halo(&mut generator(7, 0), n);
        let mean = |f: &dyn Fn(&PhaseSpace) -> f64| sample.iter().map(f).sum::<f64>() / n as f64;
        assert!(sample.iter().all(|point| (6.0..16.0).contains(&norm(point.x))));
        // Standard errors of these means are 0.014 kpc, 160 (km/s)², 0.0016, 0.003 and 0.003: five of each.
        assert!((mean(&|point| norm(point.x)) - 11.0).abs() < 0.07);
        assert!((mean(&|point| dot(point.v, point.v)) - 22_500.0).abs() < 800.0);
        assert!((mean(&|point| (point.x[2] / norm(point.x)).powi(2)) - 1.0 / 3.0).abs() < 0.008);
        assert!(mean(&|point| dot(point.x, point.v) / norm(point.x) / norm(point.v)).abs() < 0.015);
        assert!(mean(&|point| point.v[2] / norm(point.v)).abs() < 0.015);
    }

    #[test]
    fn a_stream_is_the_same_whatever_the_others() {
        let one = halo_start(&mut generator(1, 5));
        assert_eq!(one, halo_start(&mut generator(1, 5)));
        assert_ne!(one, halo_start(&mut generator(1, 6)));
        assert_ne!(one, halo_start(&mut generator(2, 5)));
    }

    #[test]
    fn unbound_starts_are_redrawn_and_counted() {
        let light = Isochrone::new(5e10, 5.0).unwrap();
        let mut random = generator(3, 0);
        let mut rejected = 0;
        for _ in 0..100 {
            let (point, more) = bound(&light, || halo_start(&mut random)).unwrap();
            assert!(light.energy(&point) < 0.0);
            rejected += more;
        }
        assert!(rejected > 0);
        let never = PhaseSpace::new([8.0, 0.0, 0.0], [1e4, 0.0, 0.0]);
        assert_eq!(bound(&light, || never), None);
    }

    #[test]
    fn the_disc_sample_has_its_ranges() {
        let n = 20_000;
        let mut random = generator(11, 0);
        let sample: Vec<Actions> = (0..n).map(|_| disc_actions(&mut random, &DISC_MOST)).collect();
        for (of, most) in [
            ((|j: &Actions| j.phi) as fn(&Actions) -> f64, 3000.0),
            (|j| j.z, 50.0),
            (|j| j.r, 50.0),
        ] {
            assert!(sample.iter().map(of).all(|value| (0.0..most).contains(&value)));
            // The standard error of the mean of a uniform deviate is 0.002 here: five of them.
            let mean = sample.iter().map(of).sum::<f64>() / f64::from(n);
            assert!((mean / most - 0.5).abs() < 0.01, "{mean} of {most}");
        }
    }

    #[test]
    fn times_are_in_order_within_the_path() {
        let times = times(&mut generator(1, 0), 8, 0.1);
        assert!(times.is_sorted() && times.len() == 8 && times.iter().all(|t| (0.0..0.1).contains(t)));
    }
}
