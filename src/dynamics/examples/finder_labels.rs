//! Stars of a sample with labels by O2GF, as text: `finder_labels MODEL SAMPLE COUNT SEED [TARGET [R_MIN R_MAX LEAST_CIRCULARITY]]`, with the name of a
//! galaxy, such as piffl_14, disc or halo, the error at which a label is good enough (0.05 km/s kpc), and what a table holds, where only stars in it are
//! wanted; a line for every star with x … vz, J_r, J_z, J_φ, θ_r, θ_z, θ_φ, Ω_r, Ω_z, Ω_φ, the error of the label and its class. `examples/finder.rs` reads it.

use dynamics::o2gf;
use dynamics::orbit::circular::circular_speed;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{MilkyWay, Potential};
use dynamics::sample;
use dynamics::torus::{self, Torus};

/// Whether a star's energy is that of a circular orbit between two radii, and its |L_z| this part of that orbit's at least.
fn is_in(galaxy: &dyn Potential, star: &PhaseSpace, (mut low, mut high): (f64, f64), circularity: f64) -> bool {
    let energy = galaxy.energy(star);
    let of = |radius: f64| galaxy.potential([radius, 0.0, 0.0]) + 0.5 * circular_speed(galaxy, radius).powi(2);
    if !(of(low)..of(high)).contains(&energy) {
        return false;
    }
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if of(middle) < energy {
            low = middle;
        } else {
            high = middle;
        }
    }
    let around = star.x[0] * star.v[1] - star.x[1] * star.v[0];
    around.abs() >= circularity * low * circular_speed(galaxy, low)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (needed, target) = arguments
        .split_at_checked(4)
        .ok_or("which model, sample, count and seed?")?;
    let [model, sample, count, seed] = needed else {
        return Err("which model, sample, count and seed?".into());
    };
    let mut settings = o2gf::Settings::default();
    if let Some(target) = target.first() {
        settings.target = target.parse()?;
    }
    let galaxy = MilkyWay::named(model).ok_or("no such galaxy")?.build()?;
    let galaxy = galaxy.as_ref();
    let within: Vec<f64> = target
        .iter()
        .skip(1)
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let is_wanted = |star: &PhaseSpace| match within[..] {
        [least, most, circularity] => is_in(galaxy, star, (least, most), circularity),
        _ => true,
    };
    let mut random = sample::generator(seed.parse()?, 0);
    let count: usize = count.parse()?;
    let mut stars: Vec<PhaseSpace> = Vec::with_capacity(count);
    while stars.len() < count {
        if sample == "halo" {
            let bound = sample::bound(galaxy, || sample::halo_start(&mut random));
            let star = bound.ok_or("no star is bound")?.0;
            stars.extend(Some(star).filter(&is_wanted));
        } else {
            let actions = sample::disc_actions(&mut random, &sample::DISC_MOST);
            let angles = sample::angles(&mut random);
            let torus = Torus::new(galaxy, &actions, &torus::Settings::within(1e-4));
            let far = torus
                .as_ref()
                .is_ok_and(|torus| torus.pericentre() > sample::DISC_LEAST_PERICENTRE);
            let star = torus.ok().filter(|_| far).and_then(|torus| torus.point(&angles));
            stars.extend(star.filter(&is_wanted));
        }
    }
    let labels = o2gf::labels(galaxy, &stars, &settings, &|_| {});
    for (star, label) in stars.iter().zip(labels) {
        let Ok(label) = label else { continue };
        let found = label.action_angle;
        let numbers = [
            star.x.to_vec(),
            star.v.to_vec(),
            vec![found.actions.r, found.actions.z, found.actions.phi],
            vec![found.angles.r, found.angles.z, found.angles.phi],
            vec![found.frequencies.r, found.frequencies.z, found.frequencies.phi],
            vec![label.action_error],
        ]
        .concat();
        let text: Vec<String> = numbers.iter().map(|number| format!("{number:.12e}")).collect();
        println!("{} {:?}", text.join(" "), label.class);
    }
    Ok(())
}
