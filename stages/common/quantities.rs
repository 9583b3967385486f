//! Quantities of several components: which columns they have in tables, and in which order.

use dynamics::phase_space::{Actions, Angles, Frequencies, PhaseSpace};
use dynamics::sky::Observables;

use crate::common::columns::{ACCELERATION, ACTIONS, ANGLES, CARTESIAN, Column, FREQUENCIES, OBSERVABLES, POSITION};

/// A quantity of `N` components, each of which is a column of numbers.
pub trait Quantity<const N: usize>: Sized {
    /// The columns.
    const COLUMNS: [Column; N];

    /// The components, in the order of the columns.
    fn components(&self) -> [f64; N];

    /// The quantity of these components.
    fn of(components: [f64; N]) -> Self;
}

/// A place, kpc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position(pub [f64; 3]);

/// An acceleration, (km/s)²/kpc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Acceleration(pub [f64; 3]);

impl Quantity<3> for Position {
    const COLUMNS: [Column; 3] = POSITION;

    fn components(&self) -> [f64; 3] {
        self.0
    }

    fn of(components: [f64; 3]) -> Self {
        Self(components)
    }
}

impl Quantity<3> for Acceleration {
    const COLUMNS: [Column; 3] = ACCELERATION;

    fn components(&self) -> [f64; 3] {
        self.0
    }

    fn of(components: [f64; 3]) -> Self {
        Self(components)
    }
}

impl Quantity<6> for PhaseSpace {
    const COLUMNS: [Column; 6] = CARTESIAN;

    fn components(&self) -> [f64; 6] {
        let ([x, y, z], [vx, vy, vz]) = (self.x, self.v);
        [x, y, z, vx, vy, vz]
    }

    fn of([x, y, z, vx, vy, vz]: [f64; 6]) -> Self {
        Self::new([x, y, z], [vx, vy, vz])
    }
}

/// In tables the order is φ, z, r.
macro_rules! of_phi_z_r {
    ($($quantity:ty: $columns:expr),* $(,)?) => {$(
        impl Quantity<3> for $quantity {
            const COLUMNS: [Column; 3] = $columns;

            fn components(&self) -> [f64; 3] {
                [self.phi, self.z, self.r]
            }

            fn of([phi, z, r]: [f64; 3]) -> Self {
                Self { phi, z, r }
            }
        }
    )*};
}

of_phi_z_r! { Actions: ACTIONS, Angles: ANGLES, Frequencies: FREQUENCIES }

impl Quantity<6> for Observables {
    const COLUMNS: [Column; 6] = OBSERVABLES;

    fn components(&self) -> [f64; 6] {
        [self.distance, self.l, self.b, self.v_los, self.mu_l_cosb, self.mu_b]
    }

    fn of([distance, l, b, v_los, mu_l_cosb, mu_b]: [f64; 6]) -> Self {
        Self {
            distance,
            l,
            b,
            v_los,
            mu_l_cosb,
            mu_b,
        }
    }
}
