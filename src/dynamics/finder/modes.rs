//! The Fourier modes of the table, n·ϑ = a ϑ_u + 2b ϑ_v.

/// Highest a and b.
pub(super) const MOST_A: usize = 6;
pub(super) const MOST_B: usize = 3;

/// How many there are without the constant, and the same rounded up to whole vectors.
pub(super) const MODES: usize = MOST_A + MOST_B * (2 * MOST_A + 1);
pub(super) const PADDED: usize = MODES.div_ceil(16) * 16;

/// a and b of every mode: for b = 0 the positive a, then b by b all a from the least.
pub(super) const NUMBERS: [(i32, i32); MODES] = {
    let mut numbers = [(0, 0); MODES];
    let (mut i, mut a) = (0, 1);
    while a <= MOST_A as i32 {
        numbers[i] = (a, 0);
        i += 1;
        a += 1;
    }
    let mut b = 1;
    while b <= MOST_B as i32 {
        a = -(MOST_A as i32);
        while a <= MOST_A as i32 {
            numbers[i] = (a, b);
            i += 1;
            a += 1;
        }
        b += 1;
    }
    numbers
};

/// cos n·ϑ and sin n·ϑ.
pub(super) struct Waves {
    pub cos: [f32; PADDED],
    pub sin: [f32; PADDED],
}

/// cos kϑ and sin kϑ for k = 0 … N − 1.
fn powers<const N: usize>([cos, sin]: [f64; 2]) -> [[f64; 2]; N] {
    let mut all = [[1.0, 0.0]; N];
    for k in 1..N {
        let [c, s] = all[k - 1];
        all[k] = [c * cos - s * sin, c * sin + s * cos];
    }
    all
}

/// Calls `mode(i, cos n·ϑ, sin n·ϑ)` for every mode in order.
#[inline(always)]
pub(super) fn each(u: [f64; 2], v: [f64; 2], mut mode: impl FnMut(usize, f64, f64)) {
    let by_u = powers::<{ MOST_A + 1 }>(u);
    let by_v = powers::<{ MOST_B + 1 }>([v[0] * v[0] - v[1] * v[1], 2.0 * v[0] * v[1]]);
    for (a, [cos, sin]) in by_u.iter().enumerate().skip(1) {
        mode(a - 1, *cos, *sin);
    }
    for (b, [cv, sv]) in by_v.iter().enumerate().skip(1) {
        let zero = MOST_A + (b - 1) * (2 * MOST_A + 1) + MOST_A;
        mode(zero, *cv, *sv);
        for (a, [cu, su]) in by_u.iter().enumerate().skip(1) {
            let ([cc, ss], [cs, sc]) = ([cu * cv, su * sv], [cu * sv, su * cv]);
            mode(zero + a, cc - ss, cs + sc);
            mode(zero - a, cc + ss, cs - sc);
        }
    }
}

impl Waves {
    pub fn new(u: [f64; 2], v: [f64; 2]) -> Self {
        let mut waves = Self {
            cos: [0.0; PADDED],
            sin: [0.0; PADDED],
        };
        each(u, v, |i, cos, sin| {
            waves.cos[i] = cos as f32;
            waves.sin[i] = sin as f32;
        });
        waves
    }
}

/// Distance from a resonance within which a mode's coefficients stop growing, in Ω_r.
pub(super) const SOFTENING: f64 = 0.03;

/// n·Ω/Ω_r of every mode, softened, for Ω_z/Ω_r.
pub(super) fn detunings(ratio: f64) -> [f64; MODES] {
    NUMBERS.map(|(a, b)| softened(f64::from(a) + 2.0 * f64::from(b) * ratio))
}

/// n·Ω/Ω_r softened.
pub(super) fn softened(w: f64) -> f64 {
    (w * w + SOFTENING * SOFTENING).sqrt().copysign(w)
}
