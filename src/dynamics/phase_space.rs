//! Points of phase space in the two coordinate systems, as plain data.

/// A point in Galactocentric Cartesian coordinates (axes: see [`crate::sky`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseSpace {
    /// Position x, y, z in kpc.
    pub x: [f64; 3],
    /// Velocity vx, vy, vz in km/s.
    pub v: [f64; 3],
}

impl PhaseSpace {
    /// The point at position `x` (kpc) with velocity `v` (km/s).
    pub const fn new(x: [f64; 3], v: [f64; 3]) -> Self {
        Self { x, v }
    }

    /// Angular momentum x × v in km/s kpc.
    pub fn angular_momentum(&self) -> [f64; 3] {
        cross(self.x, self.v)
    }

    /// Kinetic energy per mass v²/2 in (km/s)².
    pub fn kinetic_energy(&self) -> f64 {
        0.5 * dot(self.v, self.v)
    }

    /// The same point with its velocity reversed.
    pub fn reversed(&self) -> Self {
        Self {
            x: self.x,
            v: self.v.map(|v| -v),
        }
    }
}

/// Actions in km/s kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Actions {
    /// J_φ = L_z, of either sign.
    pub phi: f64,
    /// J_z ≥ 0.
    pub z: f64,
    /// J_r ≥ 0.
    pub r: f64,
}

/// Angles in radians, in [0, 2π): θ_r = 0 at pericentre, θ_z = 0 crossing z = 0 upwards, θ_φ = φ on a planar circular orbit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Angles {
    /// θ_φ; decreases with time where J_φ < 0.
    pub phi: f64,
    /// θ_z.
    pub z: f64,
    /// θ_r.
    pub r: f64,
}

/// Frequencies dθ/dt = ∂H/∂J in km/s/kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequencies {
    /// Ω_φ, of the sign of J_φ.
    pub phi: f64,
    /// Ω_z.
    pub z: f64,
    /// Ω_r.
    pub r: f64,
}

/// Everything an action finder knows of one phase-space point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionAngle {
    /// Actions in km/s kpc.
    pub actions: Actions,
    /// Angles in radians.
    pub angles: Angles,
    /// Frequencies in km/s/kpc.
    pub frequencies: Frequencies,
}

/// One row of a batch that has no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnboundRow {
    /// Index of the point in the batch.
    pub row: usize,
    /// Its energy in (km/s)²; NaN if the point itself is not finite.
    pub energy: f64,
}

/// The point is not bound, so it has no actions.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the orbit is unbound: its energy {energy} (km/s)² is not below {limit} (km/s)², so it has no actions")]
pub struct Unbound {
    /// Energy in (km/s)²; NaN if the point itself is not finite.
    pub energy: f64,
    /// The potential at infinity in (km/s)².
    pub limit: f64,
}

/// Some points of a batch are not bound.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{} of {total} points are unbound and have no actions; first rows: {}", .rows.len(), first_rows(.rows))]
pub struct UnboundRows {
    /// Every unbound row, in order.
    pub rows: Vec<UnboundRow>,
    /// How many points the batch had.
    pub total: usize,
}

fn first_rows(rows: &[UnboundRow]) -> String {
    let mut text: Vec<String> = rows
        .iter()
        .take(5)
        .map(|bad| format!("{} (energy {:.6e})", bad.row, bad.energy))
        .collect();
    if rows.len() > 5 {
        text.push("…".to_owned());
    }
    text.join(", ")
}

/// Separates the answers of a batch from its unbound rows.
pub(crate) fn collect_rows<T>(answers: Vec<Result<T, Unbound>>) -> Result<Vec<T>, UnboundRows> {
    let total = answers.len();
    let mut good = Vec::with_capacity(total);
    let mut rows = Vec::new();
    for (row, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(value) => good.push(value),
            Err(unbound) => rows.push(UnboundRow {
                row,
                energy: unbound.energy,
            }),
        }
    }
    if rows.is_empty() {
        Ok(good)
    } else {
        Err(UnboundRows { rows, total })
    }
}

/// a · b.
pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// a × b.
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// |a| without overflow.
pub(crate) fn norm(a: [f64; 3]) -> f64 {
    a[0].hypot(a[1]).hypot(a[2])
}
