//! Least squares for the generating function, by trigonometric sums over the mode lattice.
//!
//! The unknown modes are n = (n_r, n_z) with n_z even. Products of two cosines or sines are sums and differences of
//! cosines of lattice modes, so the normal matrix needs only one sum per mode of the doubled lattice: the cost is the
//! number of samples times the number of modes, not times its square.

use super::cholesky::Symmetric;

/// One sample along the orbit in toy coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Time, kpc/(km/s).
    pub t: f64,
    /// Toy actions J_r, J_z.
    pub j: [f64; 2],
    /// Unwrapped toy angles θ_r, θ_z, θ_φ.
    pub theta: [f64; 3],
}

/// The modes of a generating function: all n with (n_r/N_r)² + (n_z/N_z)² ≤ 1 in one half plane, n_z even.
#[derive(Debug, Clone)]
pub(crate) struct Modes {
    /// (n_r, n_z/2).
    pub list: Vec<(usize, isize)>,
    n_r: usize,
    n_z: usize,
}

impl Modes {
    /// All modes up to n_r and 2·half_n_z.
    pub(crate) fn new(n_r: usize, half_n_z: usize) -> Self {
        let mut list = Vec::new();
        for k in 0..=n_r {
            for l in -(half_n_z as isize)..=half_n_z as isize {
                let inside = (k as f64 / n_r.max(1) as f64).powi(2) + (l as f64 / half_n_z.max(1) as f64).powi(2);
                if inside <= 1.0 + 1e-9 && (k > 0 || l > 0) {
                    list.push((k, l));
                }
            }
        }
        Self {
            list,
            n_r,
            n_z: half_n_z,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

/// e^{ikx} for k = 0..=n, as separate parts.
fn powers(angle: f64, n: usize, re: &mut Vec<f64>, im: &mut Vec<f64>) {
    let (s, c) = angle.sin_cos();
    re.clear();
    im.clear();
    re.push(1.0);
    im.push(0.0);
    for k in 0..n {
        let (a, b) = (re[k], im[k]);
        re.push(a * c - b * s);
        im.push(a * s + b * c);
    }
}

/// What the fit gives; the coefficients S_n and ∂S_n/∂J themselves are not needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit {
    /// J_r, J_z.
    pub j: [f64; 2],
    /// θ_r, θ_z, θ_φ at t = 0.
    pub theta: [f64; 3],
    /// Ω_r, Ω_z, Ω_φ.
    pub omega: [f64; 3],
}

/// Sums over samples with weights: all that the fit needs of an orbit.
pub(crate) struct Sums {
    /// Lines from which the angles' deviations are fitted, which keeps digits.
    line: [[f64; 2]; 3],
    weight: f64,
    /// Σ w J.
    j: [f64; 2],
    /// Σ w t, Σ w t².
    t: [f64; 2],
    /// Σ w δ, Σ w t δ, with δ = θ − (reference line), for r, z, φ.
    theta: [[f64; 2]; 3],
    /// Σ w cos on the doubled lattice.
    cosine: Vec<f64>,
    /// On the lattice: Σ w {J_r cos, J_z cos, sin, t sin, δ_r sin, δ_z sin, δ_φ sin}.
    base: Vec<[f64; 7]>,
}

/// Sums over a stretch of an orbit.
pub(crate) fn accumulate(samples: &[Sample], weights: &[f64], modes: &Modes) -> Option<Sums> {
    let (first, last) = (samples.first()?, samples.last()?);
    let line: [[f64; 2]; 3] = std::array::from_fn(|k| {
        let slope = (last.theta[k] - first.theta[k]) / (last.t - first.t);
        [first.theta[k] - slope * first.t, slope]
    });
    let (n_r, n_z) = (modes.n_r, modes.n_z);
    let wide = 4 * n_z + 1;
    let narrow = 2 * n_z + 1;
    let mut cosine = vec![0.0; (2 * n_r + 1) * wide];
    let mut base: [Vec<f64>; 7] = std::array::from_fn(|_| vec![0.0; (n_r + 1) * narrow]);
    let mut sums = Sums {
        line,
        weight: 0.0,
        j: [0.0; 2],
        t: [0.0; 2],
        theta: [[0.0; 2]; 3],
        cosine: Vec::new(),
        base: Vec::new(),
    };
    let (mut ar, mut ai, mut pr, mut pi) = (vec![], vec![], vec![], vec![]);
    let (mut zr, mut zi) = (vec![0.0; wide], vec![0.0; wide]);
    for (sample, &w) in samples.iter().zip(weights) {
        powers(sample.theta[0], 2 * n_r, &mut ar, &mut ai);
        powers(2.0 * sample.theta[1], 2 * n_z, &mut pr, &mut pi);
        for l in 0..=2 * n_z {
            (zr[2 * n_z + l], zi[2 * n_z + l]) = (pr[l], pi[l]);
            (zr[2 * n_z - l], zi[2 * n_z - l]) = (pr[l], -pi[l]);
        }
        let t = sample.t;
        let rest: [f64; 3] = std::array::from_fn(|k| sample.theta[k] - line[k][0] - line[k][1] * t);
        sums.weight += w;
        sums.t[0] += w * t;
        sums.t[1] += w * t * t;
        for k in 0..2 {
            sums.j[k] += w * sample.j[k];
        }
        for (sum, rest) in sums.theta.iter_mut().zip(rest) {
            sum[0] += w * rest;
            sum[1] += w * t * rest;
        }
        for (k, row) in cosine.chunks_exact_mut(wide).enumerate() {
            let (c, s) = (w * ar[k], w * ai[k]);
            for ((sum, zr), zi) in row.iter_mut().zip(&zr).zip(&zi) {
                *sum += c * zr - s * zi;
            }
        }
        let factors = [
            w * sample.j[0],
            w * sample.j[1],
            w,
            w * t,
            w * rest[0],
            w * rest[1],
            w * rest[2],
        ];
        let (zr, zi) = (&zr[n_z..n_z + narrow], &zi[n_z..n_z + narrow]);
        for (quantity, factor) in base.iter_mut().zip(factors).take(2) {
            for (k, row) in quantity.chunks_exact_mut(narrow).enumerate() {
                let (c, s) = (factor * ar[k], factor * ai[k]);
                for ((sum, zr), zi) in row.iter_mut().zip(zr).zip(zi) {
                    *sum += c * zr - s * zi;
                }
            }
        }
        for (quantity, factor) in base.iter_mut().zip(factors).skip(2) {
            for (k, row) in quantity.chunks_exact_mut(narrow).enumerate() {
                let (c, s) = (factor * ar[k], factor * ai[k]);
                for ((sum, zr), zi) in row.iter_mut().zip(zr).zip(zi) {
                    *sum += s * zr + c * zi;
                }
            }
        }
    }
    sums.cosine = cosine;
    sums.base = modes
        .list
        .iter()
        .map(|&(k, l)| {
            let place = k * narrow + (n_z as isize + l) as usize;
            std::array::from_fn(|q| base[q][place])
        })
        .collect();
    Some(sums)
}

/// Generating function, actions, angles and frequencies from the sums.
///
/// `ridge` keeps small what the orbit does not determine, high modes above all.
pub(crate) fn solve(sums: &Sums, modes: &Modes, ridge: f64) -> Option<Fit> {
    let line = &sums.line;
    let wide = 4 * modes.n_z + 1;
    let cosine = |k: isize, l: isize| {
        let (k, l) = if k < 0 { (-k, -l) } else { (k, l) };
        sums.cosine[k as usize * wide + (2 * modes.n_z as isize + l) as usize]
    };
    let count = modes.len();
    let n = |i: usize| (modes.list[i].0 as isize, modes.list[i].1);

    let mut actions = Symmetric::zeros(count + 2);
    let mut angles = Symmetric::zeros(count + 2);
    let mut sides = [vec![0.0; count + 2]];
    let mut turns: Vec<Vec<f64>> = vec![vec![0.0; count + 2]; 3];
    *actions.at(0, 0) = sums.weight;
    *actions.at(1, 1) = sums.weight;
    sides[0][..2].copy_from_slice(&sums.j);
    *angles.at(0, 0) = sums.weight;
    *angles.at(1, 0) = sums.t[0];
    *angles.at(1, 1) = sums.t[1];
    for (turn, theta) in turns.iter_mut().zip(&sums.theta) {
        turn[..2].copy_from_slice(theta);
    }
    for i in 0..count {
        let (k, l) = n(i);
        let (nr, nz) = (k as f64, 2.0 * l as f64);
        let base = &sums.base[i];
        let c = cosine(k, l);
        *actions.at(i + 2, 0) = 2.0 * nr * c;
        *actions.at(i + 2, 1) = 2.0 * nz * c;
        sides[0][i + 2] = 2.0 * (nr * base[0] + nz * base[1]);
        *angles.at(i + 2, 0) = -2.0 * base[2];
        *angles.at(i + 2, 1) = -2.0 * base[3];
        for q in 0..3 {
            turns[q][i + 2] = -2.0 * base[4 + q];
        }
        for j in 0..=i {
            let (p, q) = n(j);
            let (minus, plus) = (cosine(k - p, l - q), cosine(k + p, l + q));
            *actions.at(i + 2, j + 2) = 2.0 * (nr * p as f64 + nz * 2.0 * q as f64) * (minus + plus);
            *angles.at(i + 2, j + 2) = 2.0 * (minus - plus);
        }
    }
    let ridge = |i: usize| {
        let (k, l) = if i < 2 { return 0.0 } else { n(i - 2) };
        ridge * (1 + k * k + 4 * l * l) as f64
    };
    if !actions.solve(ridge, &mut sides) || !angles.solve(ridge, &mut turns) {
        return None;
    }
    Some(Fit {
        j: [sides[0][0], sides[0][1]],
        theta: std::array::from_fn(|k| turns[k][0] + line[k][0]),
        omega: std::array::from_fn(|k| turns[k][1] + line[k][1]),
    })
}
