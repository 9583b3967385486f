//! The laws that every method obeys at every star.
//!
//! Actions are judged relative to J_r + J_z + |J_φ|, frequencies relative to Ω_r, and an angle by how far a star moves with
//! it: times the root of the part that its action has in all, for a vanishing action has no phase.

use super::stars::{Kind, Trial};
use super::{Answer, Method};
use crate::phase_space::{ActionAngle, PhaseSpace};
use crate::potential::{Potential, Symmetry};
use crate::units::{Natural, wrap_difference};
use std::fmt;

/// One law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// A star has an answer, or a reason why not: a sentence. Stars of the kinds that a method can do have answers.
    Answers,
    /// Everything is finite; J_r, J_z ≥ 0; J_φ = L_z; Ω_r, Ω_z > 0; Ω_φ has the sign of J_φ; angles are in [0, 2π), and none is −0.
    Signs,
    /// A stated error is not negative. Of stars that a method can do, stated errors, which excuse it from other laws, are at most `MOST_STATED`
    /// times what it is known for.
    Stated,
    /// In a sphere 1 ≤ Ω_r/|Ω_φ| ≤ 2, and |Ω_φ| = Ω_z.
    Frequencies,
    /// At another time of the orbit actions are the same and angles have advanced by Ω t.
    Along,
    /// A change of the star by [`CHANGE`](super::stars::CHANGE) changes the answer by next to nothing.
    Continuous,
    /// Two methods agree within their errors.
    Agreement,
    /// No star takes seconds, even to fail: counted in evaluations of the potential.
    Effort,
}

/// See [`Law::Stated`].
const MOST_STATED: f64 = 10.0;

/// How good a method's answers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Of actions, relative to their sum.
    pub actions: f64,
    /// Of angles, radians, each weighted by the root of its action's part in the sum.
    pub angles: f64,
    /// Of frequencies, relative to Ω_r.
    pub frequencies: f64,
    /// By how much a change of 1e-9 may change any of these: where the method chooses, it jumps by its own error.
    pub jump: f64,
}

/// What the suite knows of a method.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// How good it is where it answers.
    pub accuracy: Accuracy,
    /// Kinds of stars of which each must have an answer.
    pub answers: Vec<Kind>,
    /// Most evaluations of the potential for one star.
    pub most_evaluations: u64,
    /// Whether it is fast enough to try every star at all its times and changes.
    pub thorough: bool,
}

impl Entry {
    /// That of a method in a potential of some symmetry.
    pub fn of(method: Method, symmetry: Symmetry) -> Self {
        let but =
            |without: &[Kind]| -> Vec<Kind> { Kind::ALL.into_iter().filter(|kind| !without.contains(kind)).collect() };
        let exact = Accuracy {
            actions: 1e-9,
            angles: 1e-7,
            frequencies: 1e-8,
            jump: 1e-6,
        };
        let (accuracy, answers, most_evaluations) = match (method, symmetry) {
            (Method::Isochrone, _) => (exact, but(&[]), 0),
            (Method::Spherical, _) => (exact, but(&[]), 100_000),
            (Method::StaeckelFudge, Symmetry::Spherical) => {
                let accuracy = Accuracy {
                    actions: 1e-3,
                    angles: 1e-2,
                    frequencies: 1e-2,
                    jump: 1e-3,
                };
                (accuracy, but(&[]), 100_000)
            }
            // What is known of the fudge: a few per cent on halo orbits. In spherical coordinates it takes L for 1e-5 of L_c at least.
            (Method::StaeckelFudge, _) => {
                let accuracy = Accuracy {
                    actions: 0.1,
                    angles: 0.5,
                    frequencies: 0.1,
                    jump: 2e-3,
                };
                (accuracy, but(&[Kind::Nothing, Kind::AlongAxis]), 3_000_000)
            }
            (Method::Torus, _) => {
                let accuracy = Accuracy {
                    actions: 3e-3,
                    angles: 0.05,
                    frequencies: 3e-3,
                    jump: 1e-3,
                };
                (accuracy, vec![], 30_000_000)
            }
            (Method::O2gf, _) => {
                let accuracy = Accuracy {
                    actions: 1e-4,
                    angles: 1e-2,
                    frequencies: 1e-3,
                    jump: 1e-3,
                };
                let answers = vec![
                    Kind::Ordinary,
                    Kind::Apsis,
                    Kind::Circular,
                    Kind::Planar,
                    Kind::Retrograde,
                ];
                (accuracy, answers, 3_000_000)
            }
            // Of a coarse table; what it states is for a part of the stars.
            (Method::Finder, _) => {
                let accuracy = Accuracy {
                    actions: 0.02,
                    angles: 0.3,
                    frequencies: 0.02,
                    jump: 1e-3,
                };
                let answers = vec![Kind::Ordinary, Kind::Apsis, Kind::Planar, Kind::Retrograde];
                (accuracy, answers, 1000)
            }
        };
        Self {
            name: method.name(),
            accuracy,
            answers,
            most_evaluations,
            thorough: !matches!(method, Method::Torus | Method::O2gf),
        }
    }
}

/// A law that does not hold at a star.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The method.
    pub method: &'static str,
    /// The law.
    pub law: Law,
    /// The star: its kind and name.
    pub star: String,
    /// How.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} breaks {:?} at {}: {}",
            self.method, self.law, self.star, self.what
        )
    }
}

/// What came of a method's trial.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What does not hold.
    pub broken: Vec<Broken>,
    /// Stars that were set aside, with the reason.
    pub set_aside: Vec<(String, String)>,
    /// The answer for every star of the catalogue, in order.
    pub answers: Vec<Result<Answer, String>>,
}

/// Tries a method at every star of `trials`. `find` is given all stars at once: those of the catalogue, and after each its
/// other times and its changes.
pub fn try_method<P: Potential + ?Sized>(
    entry: &Entry,
    potential: &P,
    trials: &[Trial],
    find: impl FnOnce(&[PhaseSpace]) -> Vec<Result<Answer, String>>,
) -> Verdict {
    let kept = if entry.thorough { usize::MAX } else { 1 };
    let stars: Vec<PhaseSpace> = trials
        .iter()
        .flat_map(|trial| {
            let later = trial.later.iter().take(kept).map(|later| later.1);
            std::iter::once(trial.star)
                .chain(later)
                .chain(trial.near.iter().take(kept).copied())
        })
        .collect();
    let mut answers = find(&stars).into_iter();
    let mut verdict = Verdict::default();
    for trial in trials {
        let mut next = |what: &str| {
            answers
                .next()
                .unwrap_or_else(|| Err(format!("no answer at all for the star {what}")))
        };
        let found = next("itself");
        let later: Vec<_> = trial.later.iter().take(kept).map(|_| next("at another time")).collect();
        let near: Vec<_> = trial.near.iter().take(kept).map(|_| next("changed")).collect();
        let star = format!("{:?}, {}", trial.kind, trial.name);
        let mut broken = |law: Law, what: String| {
            verdict.broken.push(Broken {
                method: entry.name,
                law,
                star: star.clone(),
                what,
            });
        };
        for (answer, star) in std::iter::once((&found, &trial.star))
            .chain(later.iter().zip(trial.later.iter().map(|later| &later.1)))
            .chain(near.iter().zip(&trial.near))
        {
            alone(entry, potential, trial.kind, star, answer, &mut broken);
        }
        match &found {
            Ok(found) => {
                for (answer, (time, _)) in later.iter().zip(&trial.later) {
                    if let Ok(answer) = answer {
                        let sphere = potential.symmetry() == Symmetry::Spherical;
                        along(entry, trial, sphere, found, answer, Natural::from(*time), &mut broken);
                    }
                }
                for answer in near.iter().flatten() {
                    continuous(entry, trial, found, answer, &mut broken);
                }
            }
            Err(reason) => verdict.set_aside.push((star.clone(), reason.clone())),
        }
        verdict.answers.push(found);
    }
    verdict
}

/// False for what is no number.
fn within(miss: f64, tolerance: f64) -> bool {
    miss <= tolerance
}

fn sum(found: &ActionAngle) -> f64 {
    found.actions.r + found.actions.z + found.actions.phi.abs()
}

/// What holds for one answer by itself.
fn alone<P: Potential + ?Sized>(
    entry: &Entry,
    potential: &P,
    kind: Kind,
    star: &PhaseSpace,
    answer: &Result<Answer, String>,
    broken: &mut impl FnMut(Law, String),
) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => {
            if entry.answers.contains(&kind) {
                broken(Law::Answers, format!("{star:?} is set aside: {reason}"));
            }
            let words = reason.split_whitespace().count();
            let vague = reason.contains("NaN") || reason.contains("inf ") || reason.contains("not finite");
            if !(3..=25).contains(&words) || vague {
                broken(Law::Answers, format!("the reason is no sentence for a user: {reason}"));
            }
            return;
        }
    };
    let found = answer.found;
    let ActionAngle {
        actions,
        angles,
        frequencies,
    } = found;
    let values = [
        actions.r,
        actions.z,
        actions.phi,
        angles.r,
        angles.z,
        angles.phi,
        frequencies.r,
        frequencies.z,
        frequencies.phi,
    ];
    if !values.iter().all(|value| value.is_finite()) {
        broken(Law::Signs, format!("{star:?} gave {found:?}"));
        return;
    }
    let angle = |angle: f64| (0.0..std::f64::consts::TAU).contains(&angle) && angle.is_sign_positive();
    let lz = star.angular_momentum()[2];
    let sense = frequencies.phi * actions.phi;
    if !(actions.r >= 0.0
        && actions.z >= 0.0
        && (actions.phi - lz).abs() <= 1e-12 * lz.abs()
        && angle(angles.r)
        && angle(angles.z)
        && angle(angles.phi)
        && frequencies.r > 0.0
        && frequencies.z > 0.0
        && sense >= 0.0)
    {
        broken(Law::Signs, format!("{star:?} gave {found:?}"));
    }
    for (name, stated) in [
        ("actions", answer.action_error),
        ("angles", answer.angle_error),
        ("frequencies", answer.frequency_error),
    ] {
        if let Some(stated) = stated.filter(|stated| stated.is_nan() || *stated < 0.0) {
            broken(
                Law::Stated,
                format!("{star:?} has {name} with a stated error of {stated:.1e}"),
            );
        }
    }
    if entry.answers.contains(&kind) && kind != Kind::Nothing {
        let total = sum(&found).max(f64::MIN_POSITIVE);
        let accuracy = &entry.accuracy;
        for (name, stated, known) in [
            (
                "actions",
                answer.action_error.map(|error| error / total),
                accuracy.actions,
            ),
            ("angles", answer.angle_error, accuracy.angles),
            ("frequencies", answer.frequency_error, accuracy.frequencies),
        ] {
            if let Some(stated) = stated.filter(|stated| !within(*stated, MOST_STATED * known)) {
                let text = format!("{star:?} has {name} with a stated error of {stated:.1e}, known for {known:.0e}");
                broken(Law::Stated, text);
            }
        }
    }
    if potential.symmetry() == Symmetry::Spherical {
        let tolerance = entry.accuracy.frequencies;
        let ratio = frequencies.r / frequencies.phi.abs();
        let same = (frequencies.phi.abs() - frequencies.z).abs() / frequencies.r;
        if !((1.0 - tolerance..=2.0 + 2.0 * tolerance).contains(&ratio) && same <= tolerance) {
            broken(
                Law::Frequencies,
                format!("{star:?} gave {frequencies:?}, Ω_r/|Ω_φ| = {ratio}"),
            );
        }
    }
}

/// The error that a method states, or else that which it is known for, relative.
fn error_of(entry: &Entry, answer: &Answer, total: f64) -> f64 {
    // An estimate of an error is right to a factor of about three.
    let stated = answer.action_error.map_or(0.0, |error| 3.0 * error / total);
    stated.max(entry.accuracy.actions)
}

fn angle_error_of(entry: &Entry, answer: &Answer) -> f64 {
    answer
        .angle_error
        .map_or(0.0, |error| 3.0 * error)
        .max(entry.accuracy.angles)
}

fn frequency_error_of(entry: &Entry, answer: &Answer) -> f64 {
    answer
        .frequency_error
        .map_or(0.0, |error| 3.0 * error)
        .max(entry.accuracy.frequencies)
}

/// Rounding of the energy and of Φ, relative to the actions: on orbits much smaller than the potential's scale.
fn rounding(trial: &Trial) -> f64 {
    1e-13 * trial.condition
}

fn along(
    entry: &Entry,
    trial: &Trial,
    sphere: bool,
    found: &Answer,
    other: &Answer,
    time: Natural,
    broken: &mut impl FnMut(Law, String),
) {
    let (before, after) = (found.found, other.found);
    let total = sum(&before).max(f64::MIN_POSITIVE);
    let tolerance = error_of(entry, found, total) + error_of(entry, other, total) + rounding(trial);
    for (name, a, b) in [
        ("J_r", before.actions.r, after.actions.r),
        ("J_z", before.actions.z, after.actions.z),
        ("J_φ", before.actions.phi, after.actions.phi),
    ] {
        if !within((a - b).abs(), tolerance * total) {
            broken(Law::Along, format!("{:?}: {name} is {a} and later {b}", trial.star));
        }
    }
    let turn = time.phase(before.frequencies.r).abs();
    let tolerance =
        angle_error_of(entry, found) + angle_error_of(entry, other) + frequency_error_of(entry, found) * turn;
    // Without L_z its sign, and with it the sense of θ_φ, is rounding.
    let senseless = before.actions.phi * after.actions.phi <= 0.0 && before.actions.phi.abs() < 1e-10 * total;
    let tilted = ((before.actions.z + before.actions.phi.abs()) / total).sqrt();
    // A star that never leaves the plane has no vertical phase, but one that all but does not has; and in a sphere that of any
    // other plane.
    let flat = trial.star.x[2] == 0.0 && trial.star.v[2] == 0.0;
    let weights = [
        (before.actions.r / total).sqrt(),
        if flat && !sphere { 0.0 } else { tilted },
        if senseless { 0.0 } else { tilted },
    ];
    for (i, (name, a, b, rate)) in [
        ("θ_r", before.angles.r, after.angles.r, before.frequencies.r),
        ("θ_z", before.angles.z, after.angles.z, before.frequencies.z),
        ("θ_φ", before.angles.phi, after.angles.phi, before.frequencies.phi),
    ]
    .into_iter()
    .enumerate()
    {
        let miss = wrap_difference(b - a - time.phase(rate));
        if !within(weights[i] * miss.abs(), tolerance) {
            broken(
                Law::Along,
                format!(
                    "{:?}: {name} misses Ω t by {miss:.1e}, {tolerance:.1e} allowed",
                    trial.star
                ),
            );
        }
    }
}

/// Weights of angles by their own actions.
fn weights(found: &ActionAngle) -> [f64; 3] {
    let total = sum(found).max(f64::MIN_POSITIVE);
    [found.actions.r, found.actions.z, found.actions.phi.abs()].map(|action| (action / total).sqrt())
}

fn angle_misses(a: &ActionAngle, b: &ActionAngle) -> [(&'static str, f64); 3] {
    let weights = [weights(a), weights(b)];
    let weight = |i: usize| weights[0][i].min(weights[1][i]);
    [
        ("θ_r", weight(0) * wrap_difference(a.angles.r - b.angles.r).abs()),
        ("θ_z", weight(1) * wrap_difference(a.angles.z - b.angles.z).abs()),
        ("θ_φ", weight(2) * wrap_difference(a.angles.phi - b.angles.phi).abs()),
    ]
}

/// Actions relative to their sum, frequencies relative to Ω_r.
fn misses(a: &ActionAngle, b: &ActionAngle) -> [(&'static str, f64); 6] {
    let total = sum(a).max(sum(b)).max(f64::MIN_POSITIVE);
    // Without L_z the sign of Ω_φ means nothing.
    let turning = if a.frequencies.phi * b.frequencies.phi < 0.0 && weights(a)[2] < 1e-3 {
        a.frequencies.phi.abs() - b.frequencies.phi.abs()
    } else {
        a.frequencies.phi - b.frequencies.phi
    };
    [
        ("J_r", (a.actions.r - b.actions.r).abs() / total),
        ("J_z", (a.actions.z - b.actions.z).abs() / total),
        ("J_φ", (a.actions.phi - b.actions.phi).abs() / total),
        ("Ω_r", (a.frequencies.r / b.frequencies.r - 1.0).abs()),
        ("Ω_z", (a.frequencies.z - b.frequencies.z).abs() / b.frequencies.r),
        ("Ω_φ", turning.abs() / b.frequencies.r),
    ]
}

fn continuous(entry: &Entry, trial: &Trial, found: &Answer, other: &Answer, broken: &mut impl FnMut(Law, String)) {
    if trial.kind == Kind::Nothing {
        return;
    }
    let total = sum(&found.found).max(f64::MIN_POSITIVE);
    let stated = (error_of(entry, found, total) - entry.accuracy.actions).max(0.0);
    let jump = entry.accuracy.jump * (1.0 + 0.01 * trial.condition);
    let actions = jump + 2.0 * stated;
    // That of frequencies has no meaning for how actions jump, but that of actions has for frequencies.
    let frequencies = actions + 2.0 * (frequency_error_of(entry, found) - entry.accuracy.frequencies);
    for (name, miss) in misses(&found.found, &other.found) {
        let tolerance = if name.starts_with('J') { actions } else { frequencies };
        if !within(miss, tolerance) {
            let text = format!(
                "{:?}: {name} jumps by {miss:.1e}, {:?} to {:?}",
                trial.star, found.found, other.found
            );
            broken(Law::Continuous, text);
        }
    }
    // The root of a small action moves by the root of the change.
    let tolerance = 1e-3 + entry.accuracy.angles.min(10.0 * entry.accuracy.jump);
    for (name, miss) in angle_misses(&found.found, &other.found) {
        if !within(miss, tolerance + angle_error_of(entry, found) - entry.accuracy.angles) {
            let text = format!(
                "{:?}: {name} jumps by {miss:.1e}, {:?} to {:?}",
                trial.star, found.found, other.found
            );
            broken(Law::Continuous, text);
        }
    }
}

/// What two methods do not agree on, among the stars that both answer.
pub fn agreement(trials: &[Trial], one: (&Entry, &Verdict), two: (&Entry, &Verdict)) -> Vec<Broken> {
    let mut broken = Vec::new();
    for ((trial, a), b) in trials.iter().zip(&one.1.answers).zip(&two.1.answers) {
        let (Ok(a), Ok(b)) = (a, b) else { continue };
        if trial.kind == Kind::Nothing {
            continue;
        }
        let total = sum(&a.found).max(sum(&b.found)).max(f64::MIN_POSITIVE);
        let actions = error_of(one.0, a, total) + error_of(two.0, b, total) + rounding(trial);
        let frequencies = frequency_error_of(one.0, a) + frequency_error_of(two.0, b) + rounding(trial);
        let angles = angle_error_of(one.0, a) + angle_error_of(two.0, b) + rounding(trial);
        let judged = misses(&a.found, &b.found)
            .into_iter()
            .map(|(name, miss)| (name, miss, if name.starts_with('J') { actions } else { frequencies }))
            .chain(
                angle_misses(&a.found, &b.found)
                    .into_iter()
                    .map(|(name, miss)| (name, miss, angles)),
            );
        for (name, miss, tolerance) in judged {
            if !within(miss, tolerance) {
                broken.push(Broken {
                    method: one.0.name,
                    law: Law::Agreement,
                    star: format!("{:?}, {}", trial.kind, trial.name),
                    what: format!(
                        "{:?}: {name} differs from {} by {miss:.1e}, {tolerance:.1e} allowed: {:?}, {:?}",
                        trial.star, two.0.name, a.found, b.found
                    ),
                });
            }
        }
    }
    broken
}
