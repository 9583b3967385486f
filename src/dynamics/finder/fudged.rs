//! A star as the Stäckel fudge has it, in the Δ² of its column: the coordinates that the full look-up corrects.

use super::coordinates::{Column, Integrals};
use crate::phase_space::{PhaseSpace, sense};
use crate::potential::Potential;
use crate::staeckel::StaeckelFudge;

/// ψ = J_z/(J_r + J_z) and angles of the fudge: nearly those of the torus, and wound as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fudged {
    /// The part of J_z.
    pub psi: f64,
    /// cos θ_r, sin θ_r.
    pub u: [f64; 2],
    /// cos θ_z, sin θ_z.
    pub v: [f64; 2],
    /// θ_r, θ_z, and θ_φ in the sense of L_z.
    pub angles: [f64; 3],
}

impl Fudged {
    /// Nothing where the fudge has no answer.
    pub fn new<P: Potential>(
        fudge: &StaeckelFudge<P>,
        point: &PhaseSpace,
        integrals: &Integrals,
        column: &Column,
    ) -> Option<Self> {
        let focus2 = column.focus2 * integrals.circle.radius.powi(2);
        let found = fudge.actions_with_focus2(point, focus2).ok()?;
        let (actions, angles) = (found.actions, found.angles);
        let both = actions.r + actions.z;
        let psi = if both > 0.0 { actions.z / both } else { 0.5 };
        let wave = |angle: f64| {
            let (sin, cos) = angle.sin_cos();
            [cos, sin]
        };
        Some(Self {
            psi,
            u: wave(angles.r),
            v: wave(angles.z),
            angles: [angles.r, angles.z, sense(integrals.lz) * angles.phi],
        })
    }
}
