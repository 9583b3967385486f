//! Resonances next to a star, by the modes that are tabulated.
//!
//! At fixed E and L_z a mode n of ψ = ψ̄ − a cos n·θ with a n·Ω = A Ω_r is a pendulum in φ = n·θ and ψ: φ̇ = n·Ω and ψ̇ = A Ω_r sin φ, with
//! w(ψ) = n·Ω/Ω_r that vanishes at the resonance and w' = dw/dψ. Its energy w²/(2w') + A cos φ is known from where the star is, and the
//! star is trapped where this is below that of the separatrix: |w| < 2 √(|A w'|) at most. The h_n and n·∂(n·Ω)/∂J of perturbation theory are in A and w',
//! for a move along n at a resonance keeps E and L_z, and changes ψ alone. Multiples of n belong to the same pendulum.
//!
//! **Source**: Chirikov (1979), Phys. Rep. 52, 263; Binney & Tremaine (2008), section 3.7.2.

use super::modes::{self, Detuned, MODES, MOST_A, MOST_B, NUMBERS, PADDED, Waves};
use crate::o2gf::Class;
use std::f64::consts::{FRAC_PI_2, PI};

/// A resonance a Ω_r + 2b Ω_z = 0 and a star's motion about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resonance {
    /// a and b.
    pub numbers: (i32, i32),
    /// Of the star's pendulum: −1 at rest, 1 on the separatrix, more where it turns over.
    pub energy: f64,
    /// Half the greatest width of the island, in ψ.
    pub half_width: f64,
    /// ψ at its middle.
    pub middle: f64,
}

impl Resonance {
    /// Whether the star is in the island.
    pub fn is_trapping(&self) -> bool {
        self.energy < 1.0
    }

    /// The resonance as a class.
    pub fn class(&self) -> Class {
        let (a, b) = self.numbers;
        Class::Resonant { n_r: -a, n_z: -2 * b }
    }

    /// n_r and |n_z|.
    pub fn order(&self) -> (f64, f64) {
        let (a, b) = self.numbers;
        (f64::from(-a), f64::from(2 * b))
    }

    /// ∮ ψ dφ/2π around the island's middle, of a trapped star: with half width W and k² = (1 + energy)/2 it is (4W/π) [E(k) − (1 − k²) K(k)],
    /// W k² in the middle and 4W/π on the separatrix.
    pub fn swing(&self) -> f64 {
        let square = (0.5 * (1.0 + self.energy)).clamp(0.0, 1.0);
        4.0 * self.half_width / PI * swing(square)
    }

    /// Whether a star that is next to the island is where it and another overlap: by two thirds of what touches, from where on what is between
    /// them is chaotic.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        const NEXT: f64 = 2.0;
        const OVERLAP: f64 = 2.0 / 3.0;
        self.energy < NEXT && self.half_width + other.half_width > OVERLAP * (self.middle - other.middle).abs()
    }
}

/// E(k) − (1 − k²) K(k) for k² by means of arithmetic and geometric means.
fn swing(square: f64) -> f64 {
    if square >= 1.0 {
        return 1.0;
    }
    // E = K (1 − Σ 2^(n−1) c_n²) with c₀ = k.
    let (mut a, mut b) = (1.0, (1.0 - square).sqrt());
    let (mut sum, mut power) = (0.5 * square, 0.5);
    while a - b > 1e-9 * a {
        let c = 0.5 * (a - b);
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
        power *= 2.0;
        sum += power * c * c;
    }
    FRAC_PI_2 / (0.5 * (a + b)) * (square - sum)
}

/// Whether a mode can vanish, and is no multiple of another.
const fn is_primitive(k: usize) -> bool {
    let (a, b) = NUMBERS[k];
    let (mut m, mut least) = (2, a < 0);
    while m <= MOST_B as i32 {
        least = least && (a % m != 0 || b % m != 0);
        m += 1;
    }
    least
}

/// How many such modes there are, and which.
const PRIMITIVES: usize = {
    let (mut k, mut many) = (0, 0);
    while k < MODES {
        many += is_primitive(k) as usize;
        k += 1;
    }
    many
};
const PRIMITIVE: [usize; PRIMITIVES] = {
    let mut which = [0; PRIMITIVES];
    let (mut k, mut many) = (0, 0);
    while k < MODES {
        if is_primitive(k) {
            which[many] = k;
            many += 1;
        }
        k += 1;
    }
    which
};

/// The place of a mode in the table.
#[inline(always)]
fn place(a: i32, b: i32) -> Option<usize> {
    (a.unsigned_abs() as usize <= MOST_A && b as usize <= MOST_B)
        .then(|| MOST_A + (b as usize - 1) * (2 * MOST_A + 1) + (a + MOST_A as i32) as usize)
}

/// What a star's pendulums are made from.
pub(super) struct Here<'a> {
    /// Coefficients of the modes of ψ, in parts of ψ̄ and 1/w, at ψ̄.
    pub modes: &'a [f32; PADDED],
    pub waves: &'a Waves,
    /// ψ of the star's coordinates, and ψ̄, nearly.
    pub guess: f64,
    pub psi: f64,
    /// Ω_z/Ω_r at ψ̄, and its slope in ψ.
    pub ratio: f64,
    pub slope: f64,
}

/// The least that is left of ψ when modes are taken off.
const LEAST: f64 = 0.1;

impl Here<'_> {
    /// The resonance whose separatrix is nearest, and the next.
    #[inline(always)]
    pub fn nearest(&self) -> [Option<Resonance>; 2] {
        let detuned = Detuned::new(self.ratio as f32);
        let mut terms = [0.0; PADDED];
        for (k, term) in terms.iter_mut().enumerate() {
            *term = self.modes[k] * self.waves.cos[k] / detuned.root[k];
        }
        let total = modes::total(|k| terms[k]);
        let mut best = [None::<Resonance>; 2];
        for k in PRIMITIVE {
            let Some(found) = self.at(k, &terms, total) else {
                continue;
            };
            let closer = |other: &Option<Resonance>| other.is_none_or(|other| found.energy < other.energy);
            if closer(&best[0]) {
                best = [Some(found), best[0]];
            } else if closer(&best[1]) {
                best[1] = Some(found);
            }
        }
        best
    }

    /// The pendulum of a mode and its multiples; `terms` are what each mode adds to ψ, and `total` is their sum.
    #[inline(always)]
    fn at(&self, k: usize, terms: &[f32; PADDED], total: f64) -> Option<Resonance> {
        let (a, b) = NUMBERS[k];
        let steep = 2.0 * f64::from(b) * self.slope;
        let here = f64::from(a) + 2.0 * f64::from(b) * self.ratio;
        let (mut own, mut high, mut depths) = (0.0, 0.0, [0.0; MOST_B]);
        for m in 1..=MOST_B as i32 / b {
            let Some(k) = place(m * a, m * b) else { break };
            own += f64::from(terms[k]);
            let depth = f64::from(self.modes[k]) * self.psi / f64::from(m);
            depths[m as usize - 1] = depth;
            high += depth * f64::from(self.waves.cos[k]);
        }
        // The torus without this resonance.
        let others = 1.0 - (total - own);
        let psi = (self.guess / others.max(LEAST)).clamp(0.0, 1.0);
        let w = here + steep * (psi - self.psi);
        let sign = steep.signum();
        let [first, second, third] = depths;
        let middle = sign * second;
        let depth = (first + third).abs();
        let kinetic = 0.5 * w * w / steep.abs();
        let energy = (kinetic + sign * high - middle) / depth;
        energy.is_finite().then(|| Resonance {
            numbers: (a, b),
            energy,
            half_width: 2.0 * (depth / steep.abs()).sqrt(),
            middle: psi - w / steep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ψ at the resonance Ω_r = Ω_z, A, and the slope of Ω_z/Ω_r.
    const MIDDLE: f64 = 0.5;
    const DEPTH: f64 = 2e-3;
    const SLOPE: f64 = -0.4;

    /// What is found at one place of a pendulum's way.
    fn found([phi, psi]: [f64; 2]) -> Resonance {
        let k = place(-2, 1).unwrap_or_default();
        // ψ̄ is known nearly.
        let near = psi + 0.01;
        let mut modes = [0.0f32; PADDED];
        modes[k] = (DEPTH / near) as f32;
        let waves = Waves::new([1.0, 0.0], [(0.5 * phi).cos(), (0.5 * phi).sin()]);
        let here = Here {
            modes: &modes,
            waves: &waves,
            guess: psi,
            psi: near,
            ratio: 1.0 + SLOPE * (near - MIDDLE),
            slope: SLOPE,
        };
        let [first, _] = here.nearest();
        first.unwrap_or_else(|| panic!("a mode has no pendulum"))
    }

    /// φ̇ = w and ψ̇ = A sin φ for a time.
    fn moved([phi, psi]: [f64; 2], time: f64) -> [f64; 2] {
        let rate = |[phi, psi]: [f64; 2]| [2.0 * SLOPE * (psi - MIDDLE), DEPTH * phi.sin()];
        let (mut at, steps) = ([phi, psi], 200);
        let h = time / f64::from(steps);
        for _ in 0..steps {
            let a = rate(at);
            let b = rate([at[0] + 0.5 * h * a[0], at[1] + 0.5 * h * a[1]]);
            at = [at[0] + h * b[0], at[1] + h * b[1]];
        }
        at
    }

    /// Wherever on its way a star is met, its pendulum is the same.
    #[test]
    fn all_places_of_a_pendulums_way_tell_the_same() {
        let half_width = 2.0 * (DEPTH / (2.0 * SLOPE).abs()).sqrt();
        for part in [0.3, 0.9, 1.1, 1.5, 4.0] {
            // From where the island is widest: φ = 0, for w' < 0.
            let mut at = [0.0, MIDDLE + part * half_width];
            let energy = 2.0 * part * part - 1.0;
            for _ in 0..400 {
                at = moved(at, 0.5);
                let found = found(at);
                assert!(
                    (found.energy - energy).abs() < 1e-3 * (1.0 + energy),
                    "{part}: {found:?}"
                );
                assert_eq!(found.is_trapping(), part < 1.0);
                assert_eq!(found.class(), Class::Resonant { n_r: 2, n_z: -2 });
                assert!((found.half_width / half_width - 1.0).abs() < 1e-3);
                assert!((found.middle - MIDDLE).abs() < 1e-6);
            }
        }
    }

    /// What a star of any energy swings is the area that it goes around.
    #[test]
    fn the_swing_is_the_area_of_a_pendulums_way() {
        for energy in [-0.999_f64, -0.5, 0.0, 0.6, 0.95, 0.9999] {
            let resonance = Resonance {
                numbers: (-1, 1),
                energy,
                half_width: 0.1,
                middle: 0.5,
            };
            // ψ² = W² (energy + cos φ)/2 up to where it vanishes, in φ = most · sin t.
            let most = (-energy).acos();
            let steps = 20_000;
            let sum: f64 = (0..steps)
                .map(|i| {
                    let t = FRAC_PI_2 * (f64::from(i) + 0.5) / f64::from(steps);
                    let height = (0.5 * (energy + (most * t.sin()).cos())).max(0.0);
                    0.1 * height.sqrt() * most * t.cos()
                })
                .sum();
            let area = 4.0 * sum * FRAC_PI_2 / f64::from(steps) / (2.0 * PI);
            assert!(
                (resonance.swing() / area - 1.0).abs() < 1e-5,
                "{energy}: {area}, {}",
                resonance.swing()
            );
        }
    }

    #[test]
    fn two_islands_that_overlap_leave_chaos_between_them() {
        let island = |energy: f64, middle: f64| Resonance {
            numbers: (-1, 1),
            energy,
            half_width: 0.1,
            middle,
        };
        let between = island(1.2, 0.3);
        assert!(between.is_shared_with(&island(1.5, 0.55)));
        assert!(!between.is_shared_with(&island(1.5, 0.65)));
        assert!(!island(5.0, 0.3).is_shared_with(&island(6.0, 0.55)));
    }
}
