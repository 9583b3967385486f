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
    #[inline(always)]
    pub fn new(u: [f64; 2], v: [f64; 2]) -> Self {
        const ZERO: usize = MOST_A;
        let by_u = powers::<{ MOST_A + 1 }>(u);
        let by_v = powers::<{ MOST_B + 1 }>([v[0] * v[0] - v[1] * v[1], 2.0 * v[0] * v[1]]);
        // Of a from the least, and nothing from the most on.
        let (mut cos_u, mut sin_u) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (a, wave) in by_u.iter().enumerate() {
            let [cos, sin] = wave.map(|x| x as f32);
            (cos_u[ZERO + a], sin_u[ZERO + a]) = (cos, sin);
            (cos_u[ZERO - a], sin_u[ZERO - a]) = (cos, -sin);
        }
        let (mut cos, mut sin) = ([0.0; PADDED], [0.0; PADDED]);
        cos[..MOST_A].copy_from_slice(&cos_u[ZERO + 1..=ZERO + MOST_A]);
        sin[..MOST_A].copy_from_slice(&sin_u[ZERO + 1..=ZERO + MOST_A]);
        // What is beyond a row is of the next, which comes later, or of no mode.
        for (b, wave) in by_v.iter().enumerate().skip(1) {
            let [cos_v, sin_v] = wave.map(|x| x as f32);
            let first = MOST_A + (b - 1) * (2 * MOST_A + 1);
            for lane in 0..LANES {
                cos[first + lane] = cos_u[lane] * cos_v - sin_u[lane] * sin_v;
                sin[first + lane] = sin_u[lane] * cos_v + cos_u[lane] * sin_v;
            }
        }
        Self { cos, sin }
    }
}

/// Lanes of a row of modes, 2 `MOST_A` + 1 and more.
const LANES: usize = 16;
const _: () = assert!(LANES > 2 * MOST_A && MODES - 2 * MOST_A - 1 + LANES <= PADDED);

/// Distance from a resonance within which a mode's coefficients stop growing, in Ω_r.
pub(super) const SOFTENING: f64 = 0.03;

/// n·Ω/Ω_r of every mode, softened, for Ω_z/Ω_r.
pub(super) fn detunings(ratio: f64) -> [f64; MODES] {
    NUMBERS.map(|(a, b)| softened(f64::from(a) + 2.0 * f64::from(b) * ratio))
}

/// a and 2b of every mode; where there is none, those of no resonance.
const FACTORS: [[f32; PADDED]; 2] = {
    let mut factors = [[1.0; PADDED], [0.0; PADDED]];
    let mut k = 0;
    while k < MODES {
        factors[0][k] = NUMBERS[k].0 as f32;
        factors[1][k] = 2.0 * NUMBERS[k].1 as f32;
        k += 1;
    }
    factors
};

/// (n·Ω/Ω_r)² softened, and its root with the sign of n·Ω, of every mode.
pub(super) struct Detuned {
    pub square: [f32; PADDED],
    pub root: [f32; PADDED],
}

impl Detuned {
    #[inline(always)]
    pub fn new(ratio: f32) -> Self {
        let mut detuned = Self {
            square: [0.0; PADDED],
            root: [0.0; PADDED],
        };
        let [of_r, of_z] = &FACTORS;
        let both = detuned.square.iter_mut().zip(&mut detuned.root);
        for ((square, root), (a, b)) in both.zip(of_r.iter().zip(of_z)) {
            let w = a + b * ratio;
            *square = w * w + (SOFTENING * SOFTENING) as f32;
            *root = square.sqrt().copysign(w);
        }
        detuned
    }
}

/// The sum of a term for every mode, in lanes.
#[inline(always)]
pub(super) fn total(term: impl Fn(usize) -> f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    for first in (0..PADDED).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(first + lane);
        }
    }
    f64::from(lanes.iter().sum::<f32>())
}

/// n·Ω/Ω_r softened.
pub(super) fn softened(w: f64) -> f64 {
    (w * w + SOFTENING * SOFTENING).sqrt().copysign(w)
}
