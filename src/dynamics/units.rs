//! Units: kpc, km/s, M_sun, Gyr at every boundary; energies (km/s)², actions km/s kpc, frequencies km/s/kpc.
//!
//! With these units the natural time is kpc/(km/s) = 0.978 Gyr; only [`KPC_PER_KM_S_GYR`] ever converts it.

/// Newton's constant G in kpc (km/s)² / M_sun.
pub const GRAVITATIONAL_CONSTANT: f64 = 4.300917270e-6;

/// 1 km/s in kpc/Gyr. Multiplies a time in Gyr to give it in kpc/(km/s), and a frequency in km/s/kpc to give rad/Gyr.
pub const KPC_PER_KM_S_GYR: f64 = 1.022_712_165_053_707_7;

/// A time in Gyr, as users give and see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Gyr(pub f64);

/// A time in kpc/(km/s), in which motions are integrated and frequencies in km/s/kpc count radians.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Natural(pub f64);

impl From<Gyr> for Natural {
    fn from(time: Gyr) -> Self {
        Self(time.0 * KPC_PER_KM_S_GYR)
    }
}

impl From<Natural> for Gyr {
    fn from(time: Natural) -> Self {
        Self(time.0 / KPC_PER_KM_S_GYR)
    }
}

impl Gyr {
    /// These numbers, which are in Gyr.
    pub fn all(times: &[f64]) -> Vec<Self> {
        times.iter().copied().map(Self).collect()
    }
}

impl Natural {
    /// The radians by which an angle of frequency `rate`, km/s/kpc, advances in this time.
    pub fn phase(self, rate: f64) -> f64 {
        rate * self.0
    }

    /// The time in which an angle of frequency `rate`, km/s/kpc, advances by `phase` radians.
    pub fn of_phase(phase: f64, rate: f64) -> Self {
        Self(phase / rate)
    }
}

/// The transverse velocity in km/s of 1 mas/yr at 1 kpc: one astronomical unit per Julian year (IAU 2012 B2).
pub const KM_S_PER_KPC_MAS_YR: f64 = 149_597_870.7 / 31_557_600.0;

/// Scale by which networks divide positions, kpc.
pub const NETWORK_POSITION: f64 = 20.0;

/// Scale by which networks divide velocities, km/s.
pub const NETWORK_VELOCITY: f64 = 200.0;

/// Scale by which networks divide actions, km/s kpc. Angles stay in radians.
pub const NETWORK_ACTION: f64 = NETWORK_POSITION * NETWORK_VELOCITY;

/// `angle` brought into [0, 2π).
pub fn wrap_angle(angle: f64) -> f64 {
    let wrapped = angle.rem_euclid(std::f64::consts::TAU);
    // rem_euclid of a tiny negative number rounds to 2π itself, and of a whole turn backwards it is −0, which the sum makes 0.
    if wrapped < std::f64::consts::TAU {
        wrapped + 0.0
    } else {
        0.0
    }
}

/// `angle` brought into [−π, π): the signed difference of two angles.
pub fn wrap_difference(angle: f64) -> f64 {
    wrap_angle(angle + std::f64::consts::PI) - std::f64::consts::PI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_agree_with_their_definitions() {
        // IAU 2012 B2 au, parsec = 648000/π au, Julian year: exact numbers.
        let kpc_in_km = 149_597_870.7 * 648_000.0 / std::f64::consts::PI * 1e3;
        let gyr_in_s = 31_557_600.0 * 1e9;
        // The project's figure rests on an older parsec, 8e-12 from this one; no time here is known so well.
        assert!((gyr_in_s / kpc_in_km / KPC_PER_KM_S_GYR - 1.0).abs() < 1e-11);
        let mas = std::f64::consts::PI / 180.0 / 3.6e6;
        assert!(
            (mas * kpc_in_km / 31_557_600.0 / KM_S_PER_KPC_MAS_YR - 1.0).abs() < 1e-15,
            "only rounding remains"
        );
    }

    #[test]
    fn angles_wrap_into_their_interval() {
        let turn = std::f64::consts::TAU;
        for angle in [-1e-300, -1e-17, 0.0, -0.0, 7.0, -7.0, 1e3, turn, -turn, -3.0 * turn] {
            let wrapped = wrap_angle(angle);
            assert!(
                (0.0..turn).contains(&wrapped) && wrapped.is_sign_positive(),
                "{angle} gave {wrapped}"
            );
            assert!(
                ((wrapped - angle) / std::f64::consts::TAU - ((wrapped - angle) / std::f64::consts::TAU).round()).abs()
                    < 1e-13
            );
        }
        assert!((wrap_difference(6.2) + 0.083_185_307_179_586).abs() < 1e-14);
    }
}
