//! Potentials, orbits, actions and angles in plain f64.
//!
//! Lengths are in kpc, velocities in km/s, masses in M_sun, times in Gyr, actions in km/s kpc, angles in radians.
//! Batches run in parallel; nothing panics on data, and what has no answer says so with its row.
//!
//! ```
//! use dynamics::orbit::leapfrog;
//! use dynamics::phase_space::PhaseSpace;
//! use dynamics::potential::{Composite, Isochrone, Potential};
//! use dynamics::sky::Sun;
//! use dynamics::staeckel::StaeckelFudge;
//!
//! // A star 8 kpc from the centre, and its exact actions in an isochrone.
//! let star = PhaseSpace::new([8.0, 0.0, 1.0], [30.0, 200.0, -20.0]);
//! let exact = Isochrone::new(3.334e11, 5.0)?.actions(&star)?;
//! assert_eq!(exact.actions.phi, 1600.0);
//!
//! // Its orbit of 0.5 Gyr in a galaxy, with energy conserved to 1e-7, and its actions there by the Stäckel fudge.
//! let galaxy = Composite::milky_way_like()?;
//! let orbit = leapfrog::integrate_to_tolerance(&galaxy, &star, &[0.1, 0.5], 1e-7)?;
//! let fudge = StaeckelFudge::new(&galaxy)?;
//! let (before, after) = (fudge.actions(&star)?.actions, fudge.actions(&orbit.points[1])?.actions);
//! assert!((before.r - after.r).abs() < 1.0 && (before.z - after.z).abs() < 1.0);
//!
//! // Where the Sun sees it.
//! let seen = Sun::default().observe(&star)?;
//! assert!((seen.distance - 16.153).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | for | see |
//! | --- | --- |
//! | potentials and the laws they obey | [`potential`] |
//! | orbits | [`orbit`] |
//! | actions, angles and frequencies, exact | [`isochrone`], [`spherical`] |
//! | the same in any axisymmetric potential, fast | [`staeckel`] |
//! | what an observer sees | [`sky`] |
//! | particles under their own gravity | [`nbody`] |
//! | the samples of the experiments | [`sample`] |

pub mod isochrone;
pub mod nbody;
mod numerics;
pub mod o2gf;
pub mod orbit;
pub mod phase_space;
pub mod potential;
pub mod sample;
mod simplex;
pub mod sky;
pub mod spherical;
pub mod staeckel;
pub mod torus;
pub mod units;

#[cfg(test)]
mod testing;
