//! Stars of a sample with labels by O2GF, as text: `finder_labels MODEL SAMPLE COUNT SEED`, with piffl_14 or dehnen_binney_98_1 and disc or
//! halo; a line for every star with x … vz, J_r, J_z, J_φ, θ_r, θ_z, θ_φ, Ω_r, Ω_z, Ω_φ, the label's error and its class.
//! `examples/finder.rs` reads it.

use dynamics::o2gf;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Galaxy;
use dynamics::sample;
use dynamics::torus::{Settings, Torus};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, sample, count, seed] = &arguments[..] else {
        return Err("which model, sample, count and seed?".into());
    };
    let galaxy = match model.as_str() {
        "piffl_14" => Galaxy::piffl_14()?,
        "dehnen_binney_98_1" => Galaxy::dehnen_binney_98_1()?,
        _ => return Err("piffl_14 or dehnen_binney_98_1".into()),
    };
    let mut random = sample::generator(seed.parse()?, 0);
    let count: usize = count.parse()?;
    let mut stars: Vec<PhaseSpace> = Vec::with_capacity(count);
    while stars.len() < count {
        if sample == "halo" {
            let bound = sample::bound(&galaxy, || sample::halo_start(&mut random));
            stars.push(bound.ok_or("no star is bound")?.0);
        } else {
            let actions = sample::disc_actions(&mut random, &sample::DISC_MOST);
            let angles = sample::angles(&mut random);
            let torus = Torus::new(&galaxy, &actions, &Settings::within(1e-4));
            let far = torus
                .as_ref()
                .is_ok_and(|torus| torus.pericentre() > sample::DISC_LEAST_PERICENTRE);
            stars.extend(torus.ok().filter(|_| far).and_then(|torus| torus.point(&angles)));
        }
    }
    for star in &stars {
        let label = o2gf::label(&galaxy, star, &o2gf::Settings::default());
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
