//! Potentials, orbits, actions and angles in plain f64.
//!
//! Lengths are in kpc, velocities in km/s, masses in M_sun, times in Gyr ([`units::Gyr`], which cannot be taken for [`units::Natural`]), actions in km/s kpc, angles in radians.
//! Batches run in parallel; nothing panics on data, and what has no answer says so with its row.
//!
//! ```
//! use dynamics::orbit::leapfrog;
//! use dynamics::phase_space::PhaseSpace;
//! use dynamics::potential::{Composite, Isochrone, Potential};
//! use dynamics::sky::Sun;
//! use dynamics::staeckel::StaeckelFudge;
//! use dynamics::units::Gyr;
//!
//! // A star 8 kpc from the centre, and its exact actions in an isochrone.
//! let star = PhaseSpace::new([8.0, 0.0, 1.0], [30.0, 200.0, -20.0]);
//! let exact = Isochrone::new(3.334e11, 5.0)?.actions(&star)?;
//! assert_eq!(exact.actions.phi, 1600.0);
//!
//! // Its orbit of 0.5 Gyr in a galaxy, with energy conserved to 1e-7, and its actions there by the Stäckel fudge.
//! let galaxy = Composite::milky_way_like()?;
//! let orbit = leapfrog::integrate_to_tolerance(&galaxy, &star, &[Gyr(0.1), Gyr(0.5)], 1e-7)?;
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
//! Tori go the other way, from actions and angles to a star; and the orbit of a star tells its actions with an error:
//!
//! ```
//! use dynamics::o2gf;
//! use dynamics::phase_space::{Actions, Angles};
//! use dynamics::potential::{Composite, Potential};
//! use dynamics::torus::{Settings, Torus};
//!
//! let galaxy = Composite::milky_way_like()?;
//! let actions = Actions { phi: 1700.0, z: 20.0, r: 60.0 }; // km/s kpc
//! let torus = Torus::new(&galaxy, &actions, &Settings::within(1e-5))?;
//! let star = torus.point(&Angles { phi: 0.3, z: 1.0, r: 2.0 }).ok_or("not on the torus")?;
//! // H is the same all over the torus.
//! assert!((galaxy.energy(&star) / torus.energy() - 1.0).abs() < 1e-4);
//!
//! let label = o2gf::label(&galaxy, &star, &o2gf::Settings::default())?;
//! let found = label.action_angle;
//! assert!((found.actions.r - actions.r).abs() < 0.1 + label.action_error);
//! assert!((found.frequencies.r / torus.frequencies().r - 1.0).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A galaxy of discs and spheroids of one's own, and its rotation curve:
//!
//! ```
//! use dynamics::orbit::circular::guiding_radius;
//! use dynamics::potential::{Disc, Galaxy, Potential, Spheroid};
//!
//! let disc = Disc { surface_density: 6e8, scale_length: 2.6, scale_height: 0.3, ..Disc::default() }; // M_sun/kpc², kpc
//! let halo = Spheroid { density: 1.5e7, axis_ratio: 0.9, scale_radius: 16.0, ..Spheroid::default() }; // M_sun/kpc³, kpc
//! let galaxy = Galaxy::new(vec![disc], vec![halo])?;
//! let circular_speed = (-galaxy.acceleration([8.0, 0.0, 0.0])[0] * 8.0).sqrt();
//! let radius = guiding_radius(&galaxy, 8.0 * circular_speed).ok_or("no circular orbit")?;
//! assert!((radius - 8.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | for | see |
//! | --- | --- |
//! | potentials and the laws they obey | [`potential`] |
//! | orbits | [`orbit`] |
//! | actions, angles and frequencies, exact | [`isochrone`], [`spherical`] |
//! | the same in any axisymmetric potential, fast | [`staeckel`] |
//! | the same from the orbit, with an error of its own | [`o2gf`] |
//! | the same from a table of orbits, faster than the fudge and better where orbits are regular | [`finder`] |
//! | from actions and angles to stars | [`torus`] |
//! | what an observer sees | [`sky`] |
//! | stars measured with errors, and draws of them | [`measured`] |
//! | particles under their own gravity | [`nbody`] |
//! | tidal streams, made and fitted | [`streams`] |
//! | the samples of the experiments | [`sample`] |

mod anomaly;
pub mod finder;
pub mod icrs;
pub mod isochrone;
mod linear_algebra;
pub mod measured;
pub mod methods;
pub mod nbody;
mod numerics;
pub mod o2gf;
pub mod orbit;
pub mod phase_space;
pub mod potential;
pub mod sample;
pub mod simplex;
pub mod sky;
pub mod spherical;
pub mod staeckel;
pub mod statistics;
pub mod streams;
pub mod torus;
pub mod units;
pub mod vector;

#[cfg(test)]
mod testing;
