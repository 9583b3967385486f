//! The learned map in the laws of methods: every awkward star has an answer that keeps them within the map's own error, or one that
//! is flagged, or is set aside with a reason.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use dynamics::methods::Answer;
use dynamics::methods::laws::{Accuracy, Entry, Verdict, try_method};
use dynamics::methods::stars::{Kind as Awkward, trials};
use dynamics::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace};
use dynamics::potential::Isochrone;
use networks::features::Symmetry;
use networks::isochrone::Isochrone as Toy;
use networks::smooth::{Options, Shape, train};
use networks::streams::Streams;
use networks::training::Unwatched;
use networks::weights::Checkpoint;
use stages::common::columns;

use super::*;
use crate::learn::spread;

/// Mass, M_sun, and scale, kpc, of the potential in which the stars move.
const TRUE: (f64, f64) = (3.334e11, 5.0);

/// Numbers that look random, in [0, 1).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Streams of eight stars on orbits of a halo.
fn halo(streams: usize, seed: u64) -> Streams {
    let mut numbers = Numbers(seed);
    let (mut actions, mut angles) = (Vec::new(), Vec::new());
    for _ in 0..streams {
        let (l, r, tilt) = (
            200.0 + 2300.0 * numbers.next(),
            20.0 + 900.0 * numbers.next(),
            2.0 * numbers.next() - 1.0,
        );
        for _ in 0..8 {
            actions.extend([l * tilt, l * (1.0 - tilt.abs()), r]);
            angles.extend([(); 3].map(|()| std::f64::consts::TAU * numbers.next()));
        }
    }
    let shaped = |values: &[f64]| Tensor::from_slice(values).view([-1, 8, 3]);
    let (x, v) = Toy::new(TRUE.0, TRUE.1, Device::Cpu).to_cartesian(&shaped(&angles), &shaped(&actions));
    Streams::new(x, v)
}

/// A small map from a toy that is 10 % off, and the region that it knows.
fn small_map() -> (Box<dyn CanonicalMap>, Option<Region>) {
    let learning = halo(160, 1);
    let options = Options {
        shape: Shape {
            symmetry: Symmetry::Axisymmetric,
            width: 32,
            depth: 2,
            ..Shape::default()
        },
        epochs: 60,
        ..Options::for_streams(160)
    };
    let toy = Toy::new(1.1 * TRUE.0, 1.1 * TRUE.1, Device::Cpu);
    let trained = train(&learning, None, &toy, &options, &mut Checkpoint::none(), &mut Unwatched).unwrap();
    let region = spread::region(&trained.map, &learning).unwrap();
    (Box::new(trained.map), region)
}

/// What `predict` says of a star: an answer, with what speaks against it, or why there is none.
type Said = Result<(ActionAngle, Option<&'static str>), String>;

/// What `predict` says of stars: in their order.
fn predicted(predictor: &Predictor, stars: &[PhaseSpace]) -> Vec<Said> {
    let schema = Arc::new(columns::stars(&[&columns::CARTESIAN]));
    let mut found: Vec<Said> = vec![Err("the star is lost".to_owned()); stars.len()];
    let of = |axis: usize| {
        stars
            .iter()
            .map(|star| [star.x, star.v].concat()[axis])
            .collect::<Vec<f64>>()
    };
    let ids: Vec<i64> = (0..stars.len() as i64).collect();
    let mut list = vec![("stream", ids.clone().into()), ("star", ids.into())];
    list.extend(
        columns::CARTESIAN
            .iter()
            .enumerate()
            .map(|(axis, column)| (column.name, of(axis).into())),
    );
    let outcomes = predictor.predict(&tables::build(&schema, list).unwrap(), 0).unwrap();
    for LeftOut {
        id: StarId { stream, .. },
        reason: why,
    } in &outcomes.set_aside
    {
        found[*stream as usize] = Err(why.to_string());
    }
    let (stars, physical) = (&outcomes.stars, outcomes.stars.physical());
    for (row, stream) in stars.ids.iter().map(|id| id.stream).enumerate() {
        let at = |values: &Three<f64>| values.each_ref().map(|values| values[row]);
        let ([j_phi, j_z, j_r], [phi, z, r]) = (at(&stars.actions), at(stars.angles.as_ref().unwrap()));
        let [omega_phi, omega_z, omega_r] = at(stars.frequencies.as_ref().unwrap());
        let answer = ActionAngle {
            actions: Actions {
                phi: j_phi,
                z: j_z,
                r: j_r,
            },
            angles: Angles { phi, z, r },
            frequencies: Frequencies {
                phi: omega_phi,
                z: omega_z,
                r: omega_r,
            },
        };
        let doubt = if !stars.converged[row] {
            Some("its search did not end")
        } else if stars.inside[row] != Some(true) {
            Some("it is outside the region of the training")
        } else {
            (!physical[row]).then_some("it is no orbit's")
        };
        found[stream as usize] = Ok((answer, doubt));
    }
    found
}

#[test]
fn awkward_stars_keep_the_laws_or_are_flagged_or_set_aside() {
    let potential = Isochrone::new(TRUE.0, TRUE.1).unwrap();
    let with = Predict::default();
    let (network, region) = small_map();
    let predictor = Predictor {
        with: &with,
        networks: vec![network],
        regions: vec![region],
        inputs: Inputs::Cartesian,
        sun: SunParameters::default(),
        field: Some(Source::Known(&potential)),
        device: Device::Cpu,
        draws_of_errors: None,
    };

    // The map's own error: the greatest of other stars of the population that are inside.
    let others: Vec<PhaseSpace> = halo(128, 7).points().unwrap().concat();
    let (mut actions, mut frequencies, mut sure) = (0.0_f64, 0.0_f64, 0);
    for (star, answer) in others.iter().zip(predicted(&predictor, &others)) {
        let Ok((answer, None)) = answer else { continue };
        let truth = potential.actions(star).unwrap();
        let sum = truth.actions.r + truth.actions.z + truth.actions.phi.abs();
        actions = actions.max(
            (answer.actions.r - truth.actions.r)
                .abs()
                .max((answer.actions.z - truth.actions.z).abs())
                / sum,
        );
        frequencies = frequencies.max((answer.frequencies.r - truth.frequencies.r).abs() / truth.frequencies.r);
        sure += 1;
    }
    assert!(sure * 100 > 97 * others.len(), "{sure} of {}", others.len());
    // 0.003 and 0.009.
    assert!(actions < 0.01 && frequencies < 0.03, "{actions} {frequencies}");

    let entry = Entry {
        name: "learned map",
        accuracy: Accuracy {
            actions: 3.0 * actions,
            angles: 1.0,
            frequencies: 3.0 * frequencies,
            jump: 1e-3,
        },
        // A star of any kind may be flagged; of ordinary ones, below, one.
        answers: vec![],
        most_evaluations: 0,
        thorough: true,
    };
    let trials = trials(&potential);
    let verdict: Verdict = try_method(&entry, &potential, &trials, |stars| {
        // J_φ is not corrected: it is L_z to the tolerance of the search, 1e-12 of the sample's actions.
        let lz = |star: &PhaseSpace| star.angular_momentum()[2];
        let answer = |(star, found): (&PhaseSpace, Said)| match found {
            Ok((mut answer, None)) => {
                assert!((answer.actions.phi - lz(star)).abs() < 1e-8, "{answer:?} {}", lz(star));
                answer.actions.phi = lz(star);
                Ok(Answer::from(answer))
            }
            Ok((answer, Some(doubt))) => {
                let a = &answer;
                let values = [
                    a.actions.r,
                    a.actions.z,
                    a.actions.phi,
                    a.frequencies.r,
                    a.frequencies.z,
                    a.frequencies.phi,
                ];
                assert!(values.iter().all(|value| value.is_finite()), "{answer:?}");
                Err(doubt.to_owned())
            }
            Err(reason) => Err(reason),
        };
        stars.iter().zip(predicted(&predictor, stars)).map(answer).collect()
    });
    let broken: Vec<String> = verdict.broken.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // Where J_z and J_r are 4 % of L there are few training orbits: there an ordinary star is on the region's edge.
    let ordinary = trials
        .iter()
        .zip(&verdict.answers)
        .filter(|(trial, _)| trial.kind == Awkward::Ordinary);
    let (believed, doubted): (Vec<_>, Vec<_>) = ordinary.partition(|(_, answer)| answer.is_ok());
    assert!(believed.len() >= 5 && doubted.len() <= 1, "{doubted:?}");
    assert!(verdict.set_aside.len() < trials.len() - 6, "{:?}", verdict.set_aside);
}
