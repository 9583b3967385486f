//! Libration actions of trapped stars by the table's pendulums beside those of their orbits' own spectra: `finder_libration MODEL R_MIN R_MAX ENERGIES
//! LEAST_CIRCULARITY MOMENTA TILTS FILE…`, with files as `examples/finder.rs` reads. What does not swing, J_z + |n_z|/n_r J_r, is put beside the spectrum's, too.

mod finder_arguments;

use dynamics::finder::Finder;
use dynamics::o2gf::{self, Class};
use dynamics::phase_space::PhaseSpace;
use finder_arguments::Asked;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Asked {
        model,
        galaxy,
        settings,
        files,
    } = Asked::read()?;
    let finder = Finder::build(galaxy.as_ref(), &settings, &|_| {})?;
    println!("{model}: n_r n_z, by O2GF | J_l and J_s of the pendulum | of the spectrum | of the table");
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let label: Vec<f64> = words[..16].iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
            let star = PhaseSpace::new([label[0], label[1], label[2]], [label[3], label[4], label[5]]);
            let Ok(found) = finder.find(&star) else { continue };
            let (Class::Resonant { n_r, n_z }, Some(libration)) = (found.class, found.libration) else {
                continue;
            };
            let own = o2gf::label(galaxy.as_ref(), &star, &o2gf::Settings::default())?;
            let own = own.libration.map_or("none".to_owned(), |own| {
                let error = own.error.unwrap_or(f64::NAN);
                format!("{:.4} {:.4}, to {error:.1e}", own.action, own.sharp)
            });
            println!(
                "{n_r} {n_z}, {} | {:.4} {:.4} | {own} | J_error {:.2}",
                words[16], libration.action, libration.sharp, found.action_error
            );
        }
    }
    Ok(())
}
