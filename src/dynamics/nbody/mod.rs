//! Collisionless N-body: particles that attract each other, softened, integrated together.
//!
//! ```
//! use dynamics::nbody::{Settings, Simulation};
//! use dynamics::potential::Plummer;
//!
//! let particles = Plummer::new(5e5, 0.02)?.sample(1000, 1.0, 1);
//! let mut simulation = Simulation::new(particles, &Settings { softening: 0.001, step: 1e-5, ..Settings::default() })?;
//! let before = simulation.diagnostics().energy();
//! simulation.advance_to(1e-4, |simulation| simulation.time() < 1.0)?;
//! assert!((simulation.diagnostics().energy() / before - 1.0).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Method**: an octree with leaves of at most 16 particles, 64 at high orders; a dual-tree walk that expands the field of
//! one cell about the centre of another, to third order in their sizes over their distance (Dehnen 2000, 2002), or to
//! the order asked for; kick–drift–kick leapfrog with one step for all. Sinks gather from a symmetric list of pairs, so that forces do not depend on the
//! number of threads, and momentum is conserved to rounding.

mod expansion;
mod gravity;
mod kernel;
mod multipole;
mod plummer;
mod simulation;
mod tree;

pub use gravity::Gravity;
pub use multipole::ORDERS;
pub use simulation::{Diagnostics, Simulation, State};

#[cfg(test)]
mod tests;

/// Masses, positions and velocities, particle by particle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Particles {
    /// Masses in M_sun.
    pub masses: Vec<f64>,
    /// Positions in kpc.
    pub positions: Vec<[f64; 3]>,
    /// Velocities in km/s.
    pub velocities: Vec<[f64; 3]>,
}

/// The floating-point numbers that pair forces are computed in; sums over cells, positions and velocities are f64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32: pair forces good to 1e-6; |Σ m a| / Σ m |a| about 1e-9 for 10⁶ particles.
    #[default]
    Single,
    /// f64: errors of the pair forces to rounding, at 1.6 times the cost.
    Double,
}

/// How a simulation computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Plummer softening ε in kpc, 0 or more.
    pub softening: f64,
    /// Opening angle, between 0 and 1, see [`DEFAULT_OPENING`]: θ_min of Dehnen's (2002) mass-dependent criterion at third
    /// order, and twice the larger radius of two cells over their distance at higher ones.
    pub opening: f64,
    /// Order of the expansions, one of [`ORDERS`]: 3 where errors of 1e-3 and more are good enough, 5 or 6 for 1e-4.
    pub order: u32,
    /// Step in Gyr.
    pub step: f64,
    /// Precision of pair forces.
    pub precision: Precision,
    /// Whether the tree's cells lie elsewhere at every step. Where they stay, so do the errors of the forces: with 10⁵
    /// particles actions drift by 2 to 3 % more within an orbit than where they move (10⁶: not measured). A run with moving cells does not go back the way it came.
    pub moving_cells: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            softening: 0.001,
            opening: DEFAULT_OPENING,
            order: 3,
            step: 1.0 / 16384.0,
            precision: Precision::Single,
            moving_cells: true,
        }
    }
}

/// The opening angle that gives an rms relative force error below 5e-3 in a Plummer sphere of 10⁶ particles at third order.
///
/// The error there, with ε = 0.05 a, rms over 1000 particles, and the time relative to this opening's:
///
/// | order | θ | error | time |
/// | --- | --- | --- | --- |
/// | 3 | 0.6 | 8.0e-3 | 0.8 |
/// | 3 | 0.48 | 4.8e-3 | 1 |
/// | 3 | 0.3 | 1.8e-3 | 2.3 |
/// | 5 | 0.6 | 9.6e-5 | 11 |
/// | 6 | 0.68 | 5.7e-5 | 12 |
pub const DEFAULT_OPENING: f64 = 0.48;

/// Why particles cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NbodyError {
    /// A position is not a finite number.
    #[error("particle {row}: its position is not finite, or beyond 1e100 kpc")]
    Position {
        /// The particle.
        row: usize,
    },
    /// A velocity is not a finite number.
    #[error("particle {row}: its velocity is not finite, or beyond 1e100 km/s")]
    Velocity {
        /// The particle.
        row: usize,
    },
    /// A mass is negative or not a finite number.
    #[error("particle {row}: a mass of {mass} M_sun; it must be 0 or more, and finite")]
    Mass {
        /// The particle.
        row: usize,
        /// Its mass.
        mass: f64,
    },
    /// The force on a particle is not a finite number.
    #[error("particle {row}: the force on it is not finite; is the softening too small?")]
    Field {
        /// The particle.
        row: usize,
    },
    /// As many of everything are needed as there are positions.
    #[error("{positions} positions, but {others} masses or velocities")]
    Lengths {
        /// Number of positions.
        positions: usize,
        /// Number of masses or velocities.
        others: usize,
    },
    /// More particles than the tree can count.
    #[error("{count} particles; at most 4294967295 are possible")]
    TooMany {
        /// Their number.
        count: usize,
    },
    /// A setting out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A time that lies before the present one, or is not a number.
    #[error("cannot go on to {time} Gyr from {now} Gyr")]
    Time {
        /// The time asked for, Gyr.
        time: f64,
        /// The present time, Gyr.
        now: f64,
    },
}
