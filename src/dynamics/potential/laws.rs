//! The laws that every potential of the catalogue must obey.
#![allow(clippy::unwrap_used)]

use super::{Potential, Symmetry, catalogue, poisson_density};
use crate::vector::{dot, norm};

/// How closely derivatives must agree with differences.
///
/// Differences of fourth order at their best step reach about ε^(4/5) = 3e-13 of the quantity differenced. 1e-9 leaves
/// room for short length scales; a wrong formula misses by 1e-2.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// Points in all octants and directions between 1 pc and 1000 kpc, with the planes and the axis.
pub(crate) fn test_points() -> Vec<[f64; 3]> {
    let directions = [
        [0.6, 0.48, 0.64],
        [-0.36, 0.8, -0.48],
        [0.8, -0.6, 0.0],
        [0.0, 0.0, 1.0],
        [0.0, -1.0, 0.0],
        [-0.096, -0.028, 0.995],
        [0.7, -0.7, 0.0141],
    ];
    let radii = [
        0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 8.122, 16.0, 40.0, 100.0, 300.0, 1000.0,
    ];
    directions
        .iter()
        .flat_map(|direction| radii.map(|radius| direction.map(|component| component * radius)))
        .collect()
}

/// The derivative of `f` along axis `axis` at `x` by fourth-order central differences with step `h`; in the plane z = 0, where
/// a disc's density has a kink, upwards by one-sided ones.
fn difference(f: &dyn Fn([f64; 3]) -> f64, x: [f64; 3], axis: usize, h: f64) -> f64 {
    let at = |steps: f64| {
        let mut moved = x;
        moved[axis] += steps * h;
        f(moved)
    };
    if axis == 2 && x[2] == 0.0 {
        return (-25.0 * at(0.0) + 48.0 * at(1.0) - 36.0 * at(2.0) + 16.0 * at(3.0) - 3.0 * at(4.0)) / (12.0 * h);
    }
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
}

/// The smallest distance of `claimed` from the difference quotients of `f` over a range of steps.
///
/// A right derivative is met by some step between the noisy small ones and the coarse large ones; a wrong one by none.
fn distance(f: &dyn Fn([f64; 3]) -> f64, x: [f64; 3], axis: usize, claimed: f64) -> f64 {
    let r = norm(x);
    (3..=22)
        .map(|power| (difference(f, x, axis, r * 0.5f64.powi(power)) - claimed).abs())
        .fold(f64::INFINITY, f64::min)
}

/// How closely a potential must obey each law, relative to the force or the tide.
pub(crate) struct Tolerance {
    /// Force against differences of the potential.
    force: f64,
    /// Hessian against differences of the force.
    tide: f64,
    /// Density against the trace of the Hessian.
    poisson: f64,
    /// Density against that of images under its symmetry, relative to the tide.
    image: f64,
}

/// Formulae are exact.
const FORMULA: Tolerance = Tolerance {
    force: TOLERANCE,
    tide: TOLERANCE,
    poisson: TOLERANCE,
    image: IMAGE,
};

/// Rounding of a rotation, amplified where ρ is steep, which is well below any true asymmetry.
const IMAGE: f64 = 1e-10;

/// An expansion's force and Hessian are derivatives of one function too, whose third derivatives jump between the table's cells;
/// and it meets its components' density as far as it has converged: least on the axis 0.4 to 2 kpc from the centre, where the kink of
/// the gas disc's residual rings to 1.2e-3 (Piffl) and 1.9e-3 (Dehnen & Binney) of the tide, half as much with twice the multipoles.
const EXPANSION: Tolerance = Tolerance {
    force: 1e-7,
    tide: 1e-7,
    poisson: 2.5e-3,
    image: IMAGE,
};

/// A table's Hessian has differences of its potential over cells that are 1e-3 wide in cos θ at the plane, whose rounding is as many times larger.
const TABLE: Tolerance = Tolerance {
    force: 1e-7,
    tide: 1e-7,
    poisson: TOLERANCE,
    image: 1e-9,
};

/// Everything that must hold for `potential`, whatever it is.
pub(crate) fn obeys_every_law(name: &str, potential: &dyn Potential, tolerance: &Tolerance) {
    for x in test_points() {
        let r = norm(x);
        let (phi, acceleration) = (potential.potential(x), potential.acceleration(x));
        let (hessian, density) = (potential.hessian(x), potential.density(x));
        assert_eq!(
            (phi, acceleration),
            potential.potential_and_acceleration(x),
            "{name} at {x:?}: the joint call differs"
        );

        let force = norm(acceleration);
        let tide = hessian.iter().flatten().fold(0.0f64, |max, entry| max.max(entry.abs()));
        // Rounding of Φ itself, divided by the largest step: what no difference quotient can see in a flat core.
        let force_noise = 1e-14 * phi.abs() / (r * force);
        let tide_noise = 1e-14 * force / (r * tide);
        for i in 0..3 {
            let error = distance(&|x| -potential.potential(x), x, i, acceleration[i]) / force;
            assert!(
                error < tolerance.force + force_noise,
                "{name} at {x:?}: force {i} is not −∇Φ, relative error {error:.1e}"
            );
            for (j, &entry) in hessian[i].iter().enumerate() {
                let error = distance(&|x| -potential.acceleration(x)[i], x, j, entry) / tide;
                assert!(
                    error < tolerance.tide + tide_noise,
                    "{name} at {x:?}: Hessian {i}{j} is not −∂a/∂x, relative error {error:.1e}"
                );
                let asymmetry = (entry - hessian[j][i]).abs() / tide;
                assert!(
                    asymmetry < 1e-12,
                    "{name} at {x:?}: Hessian {i}{j} asymmetric by {asymmetry:.1e}"
                );
            }
        }
        // The trace of a Hessian far outside the mass is a difference of large numbers: judge it on the Hessian's scale.
        let scale = poisson_density([[tide, 0.0, 0.0], [0.0; 3], [0.0; 3]]);
        let error = (density - poisson_density(hessian)).abs() / scale;
        assert!(
            error < tolerance.poisson,
            "{name} at {x:?}: Poisson's equation misses by {error:.1e} of the tide"
        );

        has_its_symmetry(name, potential, x, (phi, acceleration, density), tolerance);
        assert!(
            dot(acceleration, x) <= 0.0 || r < 1e-2,
            "{name} at {x:?}: gravity pushes outwards"
        );
    }
    is_finite_everywhere(name, potential);
}

fn has_its_symmetry(
    name: &str,
    potential: &dyn Potential,
    x: [f64; 3],
    (phi, acceleration, density): (f64, [f64; 3], f64),
    tolerance: &Tolerance,
) {
    let rotated =
        |angle: f64, [x, y, z]: [f64; 3]| [x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos(), z];
    let mut images: Vec<[f64; 3]> = (1..8u32)
        .filter(|bits| potential.symmetry() <= Symmetry::Triaxial || [3, 4, 7].contains(bits))
        .map(|bits| [0, 1, 2].map(|axis| if bits >> axis & 1 == 1 { -x[axis] } else { x[axis] }))
        .collect();
    if potential.symmetry() <= Symmetry::Axisymmetric {
        images.push(rotated(1.234, x));
    }
    if potential.symmetry() == Symmetry::Spherical {
        let [a, b, c] = rotated(0.7, x);
        images.push([c, a, b]);
    }
    let force = norm(acceleration);
    for image in images {
        let context = format!("{name} at {x:?} and its image {image:?}");
        // Rounding of the rotation, amplified where Φ or ρ is steep; 1e-11 is well below any true asymmetry.
        assert!(
            (potential.potential(image) - phi).abs() <= 1e-11 * phi.abs().max(force * norm(x)),
            "{context}: Φ differs"
        );
        assert!(
            (norm(potential.acceleration(image)) - force).abs() <= 1e-11 * force,
            "{context}: force differs"
        );
        let scale = density
            .abs()
            .max(poisson_density(potential.hessian(x).map(|row| row.map(f64::abs))));
        assert!(
            (potential.density(image) - density).abs() <= tolerance.image * scale,
            "{context}: density differs by {:.1e}",
            (potential.density(image) - density).abs() / scale
        );
    }
}

fn is_finite_everywhere(name: &str, potential: &dyn Potential) {
    let mut points = test_points();
    points.extend([0.0, 1e-12, 1e-6, 1e-3, 1.0, 50.0, 1000.0].map(|z| [0.0, 0.0, z]));
    points.extend([1e-12, 1e-6, 1000.0].map(|r| [r, 0.0, 0.0]));
    for x in points {
        assert!(potential.potential(x).is_finite(), "{name}: Φ at {x:?}");
        assert!(
            potential.acceleration(x).iter().all(|a| a.is_finite()),
            "{name}: force at {x:?}"
        );
        assert!(
            potential.hessian(x).iter().flatten().all(|h| h.is_finite()),
            "{name}: Hessian at {x:?}"
        );
        assert!(potential.density(x).is_finite(), "{name}: density at {x:?}");
    }
    assert_eq!(
        potential.acceleration([0.0; 3]).map(f64::abs),
        [0.0; 3],
        "{name}: force at the origin"
    );
}

#[test]
fn every_potential_obeys_every_law() {
    for (name, potential) in catalogue() {
        let expanded = [
            "galaxy",
            "dehnen_binney_98_1",
            "piffl_14",
            "mcmillan_17",
            "irrgang_13_1",
        ];
        let tolerance = match name {
            "tabulated" => &TABLE,
            _ if expanded.contains(&name) => &EXPANSION,
            _ => &FORMULA,
        };
        obeys_every_law(name, &*potential, tolerance);
    }
}

/// One that could not be made would leave the laws without a word.
#[test]
fn every_potential_of_the_catalogue_can_be_made() {
    let broken: Vec<&str> = super::entries()
        .into_iter()
        .filter(|(_, entry)| entry.is_none())
        .map(|(name, _)| name)
        .collect();
    assert!(broken.is_empty(), "{broken:?} cannot be made");
    assert_eq!(catalogue().len(), super::entries().len());
}

/// Every `impl Potential for X` in this folder has an instance named after X in the catalogue.
#[test]
fn no_potential_is_missing_from_the_catalogue() {
    let names: Vec<&str> = catalogue().into_iter().map(|(name, _)| name).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("potential");
    let mut found = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let plain = line.trim();
            let Some(name) = plain
                .strip_prefix("impl Potential for ")
                .or_else(|| plain.strip_prefix("impl<P: Potential> Potential for "))
                .or_else(|| plain.strip_prefix("spherical_potential!("))
                .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap())
                .filter(|name| !name.is_empty())
            else {
                continue;
            };
            let snake = name.chars().fold(String::new(), |mut snake, c| {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
                snake
            });
            found += 1;
            assert!(
                names.iter().any(|entry| entry.starts_with(&snake)),
                "{name} has no instance in catalogue(): {names:?}"
            );
        }
    }
    assert!(found >= 7, "the scan found only {found} potentials");
}

#[test]
fn parameters_out_of_range_are_refused() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(super::Isochrone::new(bad, 1.0).is_err() && super::Isochrone::new(1.0, bad).is_err());
        assert!(super::Plummer::new(bad, 1.0).is_err() && super::Plummer::new(1.0, bad).is_err());
        assert!(super::Nfw::new(bad, 1.0).is_err() && super::Nfw::new(1.0, bad).is_err());
        assert!(super::Kepler::new(bad).is_err());
        assert!(super::MiyamotoNagai::new(bad, 1.0, 1.0).is_err() && super::MiyamotoNagai::new(1.0, 1.0, bad).is_err());
        assert!(
            super::Logarithmic::new(bad, 1.0, [1.0; 3]).is_err()
                && super::Logarithmic::new(1.0, bad, [1.0; 3]).is_err()
        );
        assert!(super::Logarithmic::new(1.0, 1.0, [1.0, bad, 1.0]).is_err());
    }
    assert!(super::Composite::new(Vec::new()).is_err());
    let message = super::Isochrone::new(-3.0, 1.0).unwrap_err().to_string();
    assert_eq!(message, "isochrone: mass must be positive and finite, not -3");
}

/// An isochrone's enclosed mass, by its force, tends to its mass; a Miyamoto–Nagai disc with a = 0 is a Plummer sphere.
#[test]
fn potentials_agree_where_they_coincide() {
    let disc = super::MiyamotoNagai::new(1e11, 0.0, 2.0).unwrap();
    let sphere = super::Plummer::new(1e11, 2.0).unwrap();
    for x in test_points() {
        assert!((disc.potential(x) / sphere.potential(x) - 1.0).abs() < 1e-14);
        // At 1000 kpc the Plummer density is a difference nowhere, so both formulas keep full precision.
        assert!((disc.density(x) / sphere.density(x) - 1.0).abs() < 1e-13);
    }
    let far = [3e5, 4e5, 0.0];
    let isochrone = super::Isochrone::new(1e11, 5.0).unwrap();
    let mass = norm(isochrone.acceleration(far)) * dot(far, far) / crate::units::GRAVITATIONAL_CONSTANT;
    // M(r)/M = 1 − 2b/r to first order: 2e-5 at 500 Mpc.
    assert!((mass / 1e11 - 1.0 + 2e-5).abs() < 1e-9);
}
