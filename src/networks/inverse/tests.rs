#![allow(clippy::unwrap_used)]

use tch::Device;

use super::train::{Options, Pairs, train};
use super::*;
use crate::test_support::{halo_points, paper_isochrone};
use crate::training::Unwatched;
use crate::weights::Checkpoint;

const PAPER: Form = Form::Paper {
    width: 32,
    depth: 5,
    dropout: 0.5,
};

/// True actions and angles of the isochrone of section 6.1, to be inverted with a toy 20 % off.
fn pairs(count: usize, seed: u64) -> Pairs {
    let (x, v) = halo_points(count, seed);
    let found = paper_isochrone().from_cartesian(&x, &v).unwrap();
    Pairs {
        theta: found.angles,
        action: found.actions,
        x,
        v,
    }
}

fn toy() -> Isochrone {
    Isochrone::new(1.2 * 3.334e11, 6.0, Device::Cpu)
}

fn options(form: Form, epochs: usize, stars: usize) -> Options {
    let usual = Options::for_stars(form, stars);
    Options {
        epochs,
        batch: usual.batch.min(64),
        learning_rate: 4e-3,
        ..usual
    }
}

fn errors(model: &InverseModel, pairs: &Pairs) -> (f64, f64) {
    let (x, v) = model.predict(&pairs.theta, &pairs.action);
    let mean = |a: &Tensor, b: &Tensor| (a - b).abs().mean(Kind::Double).double_value(&[]);
    (mean(&x, &pairs.x), mean(&v, &pairs.v))
}

#[test]
fn a_short_training_brings_stars_nearer_than_the_toy_alone() {
    let (learning, validation) = (pairs(400, 1), pairs(200, 2));
    for form in [Form::SMOOTH, PAPER] {
        let options = options(form, 40, 400);
        let trained = train(
            &toy(),
            &learning,
            Some(&validation),
            &options,
            &mut Checkpoint::none(),
            &mut Unwatched,
        )
        .unwrap();
        let (x, v) = toy().to_cartesian(&validation.theta, &validation.action);
        let mean = |a: &Tensor, b: &Tensor| (a - b).abs().mean(Kind::Double).double_value(&[]);
        let alone = (mean(&x, &validation.x), mean(&v, &validation.v));
        let found = errors(&trained.model, &validation);
        // A fifth for the smooth form; the paper's begins from nothing, and 40 short epochs only show that it learns.
        let (first, last) = (trained.history[0].validation_loss, trained.history[39].validation_loss);
        match form {
            Form::Smooth { .. } => {
                assert!(
                    found.0 < 0.2 * alone.0 && found.1 < 0.2 * alone.1,
                    "{found:?} {alone:?}"
                );
            }
            Form::Paper { .. } => assert!(last < 0.5 * first, "{first} {last}"),
        }
        let weights = trained.model.to_weights().unwrap();
        let again = errors(&InverseModel::from_weights(&weights, Device::Cpu).unwrap(), &validation);
        assert_eq!(found, again);
    }
}

#[test]
fn an_exact_toy_needs_no_correction() {
    let pairs = pairs(50, 3);
    let model = InverseModel::new(paper_isochrone(), Form::SMOOTH, &pairs.theta, &pairs.action, 1);
    let (x, v) = errors(&model, &pairs);
    // The toy's own round trip.
    assert!(x < 1e-8 && v < 1e-7, "{x} {v}");
}

#[test]
fn angles_are_periodic() {
    let pairs = pairs(30, 4);
    let turned = &pairs.theta + std::f64::consts::TAU;
    for form in [Form::SMOOTH, PAPER] {
        let model = InverseModel::new(toy(), form, &pairs.theta, &pairs.action, 1);
        let (x, v) = model.predict(&pairs.theta, &pairs.action);
        let (again_x, again_v) = model.predict(&turned, &pairs.action);
        assert!((x - again_x).abs().max().double_value(&[]) < 1e-9);
        assert!((v - again_v).abs().max().double_value(&[]) < 1e-8);
    }
}
