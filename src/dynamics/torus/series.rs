//! Series Σ s sin(k η + 2 l χ) over a sparse set of modes, at single places and on grids.

use super::warp::{Place, Vertical, Warp};
use std::collections::BTreeSet;
use std::f64::consts::PI;

/// The modes (k, l) of a series; of (k, l) and (−k, −l) one is listed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Modes {
    pub list: Vec<(usize, isize)>,
    pub most_k: usize,
    pub most_l: usize,
}

/// What grows next to a mode.
const NEIGHBOURS: [(isize, isize); 12] = [
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (1, -1),
    (-1, 1),
    (-1, -1),
    (2, 0),
    (-2, 0),
    (0, 2),
    (0, -2),
];

/// cos and sin of n x for n = 0..=most.
fn powers(x: f64, most: usize) -> Vec<(f64, f64)> {
    let (sin, cos) = x.sin_cos();
    let mut out = Vec::with_capacity(most + 1);
    let mut now = (1.0, 0.0);
    for _ in 0..=most {
        out.push(now);
        now = (now.0 * cos - now.1 * sin, now.0 * sin + now.1 * cos);
    }
    out
}

impl Modes {
    fn of(list: Vec<(usize, isize)>) -> Self {
        let most_k = list.iter().map(|mode| mode.0).max().unwrap_or(1);
        let most_l = list.iter().map(|mode| mode.1.unsigned_abs()).max().unwrap_or(1);
        Self { list, most_k, most_l }
    }

    /// One half plane of an ellipse with these half axes.
    pub(super) fn new(most_k: usize, most_l: usize) -> Self {
        let mut list = Vec::new();
        for k in 0..=most_k {
            for l in -(most_l as isize)..=most_l as isize {
                let inside = (k as f64 / most_k.max(1) as f64).powi(2) + (l as f64 / most_l.max(1) as f64).powi(2);
                if inside <= 1.0 + 1e-9 && (k > 0 || l > 0) {
                    list.push((k, l));
                }
            }
        }
        Self::of(list)
    }

    /// These modes without those below `drop`, with the neighbours of those above `grow`.
    pub(super) fn grown(&self, importance: &[f64], drop: f64, grow: f64) -> Self {
        let mut set: BTreeSet<(usize, isize)> = BTreeSet::new();
        for (&(k, l), &importance) in self.list.iter().zip(importance) {
            if importance > drop {
                set.insert((k, l));
            }
            if importance > grow {
                for (more_k, more_l) in NEIGHBOURS {
                    let (k, l) = (k as isize + more_k, l + more_l);
                    let (k, l) = if k < 0 || (k == 0 && l < 0) { (-k, -l) } else { (k, l) };
                    if (k, l) != (0, 0) {
                        set.insert((k as usize, l));
                    }
                }
            }
        }
        Self::of(set.into_iter().collect())
    }

    /// These modes and the neighbours of all.
    pub(super) fn widened(&self) -> Self {
        self.grown(&vec![f64::INFINITY; self.list.len()], 0.0, 0.0)
    }

    /// k, 2 l, cos(k η + 2 l χ), sin(k η + 2 l χ) of every mode.
    fn each(&self, eta: f64, chi: f64, mut f: impl FnMut(usize, f64, f64, f64, f64)) {
        let radial = powers(eta, self.most_k);
        let vertical = powers(2.0 * chi, self.most_l);
        for (i, &(k, l)) in self.list.iter().enumerate() {
            let (a, b) = radial[k];
            let (c, d) = vertical[l.unsigned_abs()];
            let d = if l < 0 { -d } else { d };
            f(i, k as f64, 2.0 * l as f64, a * c - b * d, b * c + a * d);
        }
    }

    /// Derivatives of Σ s sin by η and χ.
    pub(super) fn slopes(&self, s: &[f64], eta: f64, chi: f64) -> [f64; 2] {
        let mut sums = [0.0; 2];
        self.each(eta, chi, |i, k, l, cos, _| {
            let term = s[i] * cos;
            sums[0] += k * term;
            sums[1] += l * term;
        });
        sums
    }

    /// Σ s sin.
    pub(super) fn sum(&self, s: &[f64], eta: f64, chi: f64) -> f64 {
        let mut sum = 0.0;
        self.each(eta, chi, |i, _, _, _, sin| sum += s[i] * sin);
        sum
    }

    /// Adds `value` sin to every coefficient.
    pub(super) fn add(&self, s: &mut [f64], value: f64, eta: f64, chi: f64) {
        self.each(eta, chi, |i, _, _, _, sin| s[i] += value * sin);
    }

    /// Σ s sin for three series, and the derivatives of the first two by η and χ.
    pub(super) fn sums(&self, series: &[Vec<f64>; 3], eta: f64, chi: f64) -> ([f64; 3], [[f64; 2]; 2]) {
        let mut sums = [0.0; 3];
        let mut slopes = [[0.0; 2]; 2];
        self.each(eta, chi, |i, k, l, cos, sin| {
            for q in 0..3 {
                sums[q] += series[q][i] * sin;
            }
            for q in 0..2 {
                let term = series[q][i] * cos;
                slopes[q][0] += k * term;
                slopes[q][1] += l * term;
            }
        });
        (sums, slopes)
    }
}

/// cos and sin of n x_i, row n holding all i.
struct Waves {
    cos: Vec<f64>,
    sin: Vec<f64>,
}

impl Waves {
    fn new(most: usize, points: &[f64]) -> Self {
        let n = points.len();
        let mut waves = Self {
            cos: vec![0.0; (most + 1) * n],
            sin: vec![0.0; (most + 1) * n],
        };
        for (i, &x) in points.iter().enumerate() {
            for (order, (cos, sin)) in powers(x, most).into_iter().enumerate() {
                waves.cos[order * n + i] = cos;
                waves.sin[order * n + i] = sin;
            }
        }
        waves
    }
}

/// Σ f cos(k η + 2 l χ) over a grid for all 0 ≤ k and −most ≤ l ≤ most.
pub(super) struct Spectrum {
    values: Vec<f64>,
    most_l: isize,
}

impl Spectrum {
    /// For modes of either sign.
    #[inline]
    pub(super) fn at(&self, k: isize, l: isize) -> f64 {
        let (k, l) = if k < 0 { (-k, -l) } else { (k, l) };
        self.values[k as usize * (2 * self.most_l + 1) as usize + (self.most_l + l) as usize]
    }
}

/// A grid over a quarter of the torus; time reversal and reflection in the plane give the rest.
pub(super) struct Grid {
    pub places: Vec<Place>,
    /// ∂(θ_r, θ_z)/∂(η, χ), with mean 1: by it a mean over the grid is one over toy angles.
    pub weights: Vec<f64>,
    size: (usize, usize),
    eta: Waves,
    chi: Waves,
}

impl Grid {
    /// `over` points per mode and half turn; a `shift` of ½ puts them in the middle of cells.
    pub(super) fn new(warp: &Warp, modes: &Modes, over: f64, shift: f64) -> Self {
        let n = ((over * modes.most_k as f64) as usize).max(6);
        let m = ((2.0 * over * modes.most_l as f64) as usize).max(8);
        let eta: Vec<f64> = (0..n).map(|i| PI * (i as f64 + shift) / n as f64).collect();
        let chi: Vec<f64> = (0..m).map(|j| PI * (j as f64 + shift) / m as f64).collect();
        let columns: Vec<Vertical> = chi.iter().map(|&chi| warp.vertical(chi)).collect();
        let mut places: Vec<Place> = Vec::with_capacity(n * m);
        for &eta in &eta {
            let row = warp.radial(eta);
            places.extend(columns.iter().map(|column| row.at(column)));
        }
        let mut weights: Vec<f64> = places.iter().map(|place| 1.0 / (place.a * place.b)).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        weights.iter_mut().for_each(|weight| *weight /= mean);
        let double: Vec<f64> = chi.iter().map(|chi| 2.0 * chi).collect();
        Self {
            places,
            weights,
            size: (n, m),
            eta: Waves::new(2 * modes.most_k, &eta),
            chi: Waves::new(2 * modes.most_l, &double),
        }
    }

    /// ∂S/∂η and ∂S/∂χ on the grid for S = Σ s sin(k η + 2 l χ).
    pub(super) fn slopes(&self, modes: &Modes, s: &[f64]) -> [Vec<f64>; 2] {
        let width = 2 * modes.most_l + 1;
        let mut tables = [0; 2].map(|_| vec![0.0; (modes.most_k + 1) * width]);
        for (&(k, l), s) in modes.list.iter().zip(s) {
            let place = k * width + (modes.most_l as isize + l) as usize;
            tables[0][place] = k as f64 * s;
            tables[1][place] = 2.0 * l as f64 * s;
        }
        tables.map(|table| self.synthesis(&table, modes.most_k, modes.most_l))
    }

    /// True angles θ_r and θ_z on the grid: toy angles plus the first two of these sine series.
    pub(super) fn angles(&self, modes: &Modes, ds: &[Vec<f64>; 3]) -> Vec<(f64, f64)> {
        let (n, m) = self.size;
        let wave =
            |waves: &Waves, order: usize, of: usize, i: usize| (waves.cos[order * of + i], waves.sin[order * of + i]);
        let mut out: Vec<(f64, f64)> = self.places.iter().map(|place| (place.theta_r, place.theta_z)).collect();
        // Σ s sin(kη + 2lχ) = Σ_k sin kη Σ_l s cos 2lχ + cos kη Σ_l s sin 2lχ.
        let mut rows = vec![[[0.0; 2]; 2]; m];
        for k in 0..=modes.most_k {
            rows.fill([[0.0; 2]; 2]);
            let first = modes.list.partition_point(|mode| mode.0 < k);
            for (i, &(_, l)) in modes
                .list
                .iter()
                .enumerate()
                .skip(first)
                .take_while(|(_, mode)| mode.0 == k)
            {
                for (j, row) in rows.iter_mut().enumerate() {
                    let (cos, sin) = wave(&self.chi, l.unsigned_abs(), m, j);
                    let sin = if l < 0 { -sin } else { sin };
                    for (q, row) in row.iter_mut().enumerate() {
                        row[0] += ds[q][i] * cos;
                        row[1] += ds[q][i] * sin;
                    }
                }
            }
            for (i, out) in out.chunks_exact_mut(m).enumerate() {
                let (cos, sin) = wave(&self.eta, k, n, i);
                for (out, row) in out.iter_mut().zip(&rows) {
                    out.0 += sin * row[0][0] + cos * row[0][1];
                    out.1 += sin * row[1][0] + cos * row[1][1];
                }
            }
        }
        out
    }

    fn synthesis(&self, table: &[f64], most_k: usize, most_l: usize) -> Vec<f64> {
        let (n, m) = self.size;
        let mut out = vec![0.0; n * m];
        let (mut even, mut odd) = (vec![0.0; m], vec![0.0; m]);
        for (k, row) in table.chunks_exact(2 * most_l + 1).enumerate().take(most_k + 1) {
            even.fill(row[most_l]);
            odd.fill(0.0);
            for l in 1..=most_l {
                let (sum, difference) = (row[most_l + l] + row[most_l - l], row[most_l + l] - row[most_l - l]);
                if sum == 0.0 && difference == 0.0 {
                    continue;
                }
                let (cos, sin) = (&self.chi.cos[l * m..][..m], &self.chi.sin[l * m..][..m]);
                for j in 0..m {
                    even[j] += sum * cos[j];
                    odd[j] += difference * sin[j];
                }
            }
            for (i, out) in out.chunks_exact_mut(m).enumerate() {
                let (cos, sin) = (self.eta.cos[k * n + i], self.eta.sin[k * n + i]);
                for j in 0..m {
                    out[j] += cos * even[j] - sin * odd[j];
                }
            }
        }
        out
    }

    /// Σ f cos(k η + 2 l χ) for k ≤ most_k, |l| ≤ most_l.
    pub(super) fn analysis(&self, f: &[f64], most_k: usize, most_l: usize) -> Spectrum {
        let (n, m) = self.size;
        let width = 2 * most_l + 1;
        let mut values = vec![0.0; (most_k + 1) * width];
        let (mut even, mut odd) = (vec![0.0; m], vec![0.0; m]);
        for (k, row) in values.chunks_exact_mut(width).enumerate() {
            even.fill(0.0);
            odd.fill(0.0);
            for (i, f) in f.chunks_exact(m).enumerate() {
                let (cos, sin) = (self.eta.cos[k * n + i], self.eta.sin[k * n + i]);
                for j in 0..m {
                    even[j] += cos * f[j];
                    odd[j] += sin * f[j];
                }
            }
            for l in 0..=most_l {
                let c = crate::linear_algebra::dot(&even, &self.chi.cos[l * m..][..m]);
                let s = crate::linear_algebra::dot(&odd, &self.chi.sin[l * m..][..m]);
                row[most_l + l] = c - s;
                row[most_l - l] = c + s;
            }
        }
        Spectrum {
            values,
            most_l: most_l as isize,
        }
    }
}
