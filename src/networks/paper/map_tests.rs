#![allow(clippy::unwrap_used)]
use rand::{Rng, SeedableRng};

use super::*;

const SMALL: Architecture = Architecture {
    width: 16,
    generating_depth: 3,
    point_depth: 2,
    dropout: 0.5,
};

fn random_tensor(shape: &[i64], low: f64, high: f64, random: &mut ChaCha8Rng) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product::<i64>())
        .map(|_| random.random_range(low..high))
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// A map of random weights, gentle enough for the iteration to contract: the initial G bends by radians.
fn gentle(random: &mut ChaCha8Rng) -> PaperMap {
    let map = PaperMap::new(SMALL, random, Device::Cpu);
    tch::no_grad(|| {
        for (name, mut tensor) in map.parameters() {
            match name.as_str() {
                "generating.out.weight" => _ = tensor.g_mul_scalar_(0.2),
                "generating.out.bias" => tensor.copy_(&Tensor::from_slice(&[1.0, 0.2, 0.0])),
                "point.out.weight" => _ = tensor.g_mul_scalar_(0.2),
                "point.out.bias" => tensor.copy_(&Tensor::from_slice(&[0.1, -0.2, 0.3, 1.0, 1.0, 1.0])),
                _ => {}
            }
        }
    });
    map
}

fn sample(streams: i64, stars: i64, random: &mut ChaCha8Rng) -> ToyPoints {
    let theta = random_tensor(&[streams, stars, 3], 0.0, 6.0, random);
    let torus = random_tensor(&[streams, 1, 3], 0.1, 0.5, random);
    let action = torus + random_tensor(&[streams, stars, 3], -0.02, 0.02, random);
    let weights = Tensor::ones([streams, stars, 1], (Kind::Double, Device::Cpu));
    ToyPoints {
        angles: theta,
        actions: action,
        weights,
    }
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

#[test]
fn images_have_the_shape_of_their_points() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let map = gentle(&mut random).prepare();
    let toy = sample(5, 4, &mut random);
    let (mean, _) = map.mean_actions(&toy, None, &Evaluation::FAST);
    let image = map.image(&toy, &mean, &Evaluation::FAST);
    assert_eq!((mean.size(), image.mean.size()), (vec![5, 3], vec![5, 3]));
    assert_eq!(
        (image.theta.size(), image.action.size()),
        (vec![5, 4, 3], vec![5, 4, 3])
    );
    assert_eq!(map.angles_at_zero(&mean).size(), [5, 3]);
}

#[test]
fn gradients_of_the_generating_function_agree_with_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let map = PaperMap::new(SMALL, &mut random, Device::Cpu).prepare();
    let toy = sample(6, 1, &mut random);
    let (theta, action) = (&toy.angles, &toy.actions);
    let value = |theta: &Tensor, action: &Tensor| {
        let features = Tensor::cat(&[theta.cos(), theta.sin(), action.shallow_clone()], -1).reshape([-1, 9]);
        let o = map.generating.forward(&features, Dropout::Off);
        o.select(-1, 1).atan2(&o.select(-1, 0)) + o.select(-1, 2)
    };
    let (by_theta, by_action) = gradients(&map.generating, theta, action, Dropout::Off, true);
    let step = 1e-6;
    for component in 0..3 {
        let mut shift = [0.0; 3];
        shift[component] = step;
        let shift = Tensor::from_slice(&shift);
        let column = component as i64;
        // Second differences of a smooth function: step² and rounding over step, both below 1e-9 times a curvature of 1e2.
        let difference = (value(&(theta + &shift), action) - value(&(theta - &shift), action)) / (2.0 * step);
        assert!(largest(&(difference - by_theta.select(-1, column).reshape([-1]))) < 1e-7);
        let difference = (value(theta, &(action + &shift)) - value(theta, &(action - &shift))) / (2.0 * step);
        assert!(largest(&(difference - by_action.select(-1, column).reshape([-1]))) < 1e-7);
    }
}

#[test]
fn the_jacobian_of_p_agrees_with_differences_and_actions_solve_its_equation() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let map = PaperMap::new(SMALL, &mut random, Device::Cpu).prepare();
    let toy = sample(20, 1, &mut random);
    let (_, columns) = map.change_of_angles(&toy.angles, Dropout::Off);
    let step = 1e-6;
    for (j, column) in columns.iter().enumerate() {
        let mut shift = [0.0; 3];
        shift[j] = step;
        let shift = Tensor::from_slice(&shift);
        let ahead = map.change_of_angles(&(&toy.angles + &shift), Dropout::Off).0;
        let behind = map.change_of_angles(&(&toy.angles - &shift), Dropout::Off).0;
        // Angles are known up to a turn, so the difference is taken of their sines.
        let difference = (ahead - behind).sin() / (2.0 * step);
        assert!(largest(&((difference - column) / (column.abs() + 1.0))) < 1e-6);
    }
    let solved = covariant(&columns, &toy.actions);
    let back = Tensor::stack(
        &columns
            .each_ref()
            .map(|column| (column * &solved).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Double)),
        -1,
    );
    assert!(largest(&(back - &toy.actions)) < 1e-12);
}

#[test]
fn the_map_is_symplectic() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let map = gentle(&mut random).prepare();
    let toy = sample(8, 1, &mut random);
    let (theta, action) = (toy.angles.squeeze_dim(1), toy.actions.squeeze_dim(1));
    let step = 1e-6;
    let mut columns = Vec::new();
    for component in 0..6 {
        let mut shift = [0.0; 6];
        shift[component] = step;
        let (by_theta, by_action) = (Tensor::from_slice(&shift[..3]), Tensor::from_slice(&shift[3..]));
        let ahead = map.predict(&(&theta + &by_theta), &(&action + &by_action), None);
        let behind = map.predict(&(&theta - &by_theta), &(&action - &by_action), None);
        assert!(ahead.open.iter().chain(&behind.open).all(|open| !open));
        let turn = (ahead.theta - behind.theta).sin();
        columns.push(Tensor::cat(&[turn, ahead.action - behind.action], -1) / (2.0 * step));
    }
    let jacobian = Tensor::stack(&columns, -1);
    let unit = Tensor::eye(3, (Kind::Double, Device::Cpu));
    let zero = unit.zeros_like();
    let form = Tensor::cat(
        &[
            Tensor::cat(&[zero.shallow_clone(), unit.shallow_clone()], 1),
            Tensor::cat(&[-unit, zero], 1),
        ],
        0,
    );
    let carried = jacobian.transpose(1, 2).matmul(&form).matmul(&jacobian);
    // Far from the identity, or the law would say nothing.
    assert!(largest(&(&jacobian - Tensor::eye(6, (Kind::Double, Device::Cpu)))) > 0.1);
    // Differences over 2e-6 of a map known to 1e-12 (tolerance of the iteration): 1e-6.
    assert!(largest(&(carried - form)) < 3e-6);
}

#[test]
fn a_single_star_is_a_stream_of_one() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let map = gentle(&mut random).prepare();
    let toy = sample(7, 1, &mut random);
    let (mean, _) = map.mean_actions(&toy, None, &Evaluation::FAST);
    let image = map.image(&toy, &mean, &Evaluation::FAST);
    let alone = map.predict(&toy.angles.squeeze_dim(1), &toy.actions.squeeze_dim(1), None);
    // The training's iteration stops at a mean change of 1e-6.
    assert!(largest(&(image.action.squeeze_dim(1) - alone.action)) < 1e-4);
    assert!(largest(&(image.theta.squeeze_dim(1) - alone.theta)) < 1e-3);
}

#[test]
fn a_draw_of_masks_is_repeatable_and_no_two_are_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let size = Architecture::sized(256, 5, 0.5);
    let map = PaperMap::new(size, &mut random, Device::Cpu).frozen();
    let toy = sample(1, 6, &mut random);
    let (theta, action) = (toy.angles.squeeze_dim(0), toy.actions.squeeze_dim(0));
    let at = |draw| map.predict(&theta, &action, draw).theta;
    assert!(at(Some(1)).equal(&at(Some(1))));
    assert!(largest(&(at(Some(1)) - at(Some(2)))) > 1e-6);
    assert!(largest(&(at(Some(1)) - at(None))) > 1e-6);
}

#[test]
fn a_warm_start_takes_fewer_steps_to_the_same_actions() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let map = gentle(&mut random).prepare();
    let toy = sample(7, 8, &mut random);
    let (cold, steps) = map.mean_actions(&toy, None, &Evaluation::FAST);
    let (warm, fewer) = map.mean_actions(&toy, Some(&cold), &Evaluation::FAST);
    assert!(steps > 2 && fewer == 1, "{steps}, {fewer}");
    assert!(largest(&(cold - warm)) < 5e-5);
}

#[test]
fn double_backward_agrees_with_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let map = gentle(&mut random);
    let toy = sample(4, 3, &mut random);
    let (mean, _) = map.prepare().mean_actions(&toy, None, &Evaluation::FAST);
    for evaluation in [Evaluation::FAST, Evaluation::AUTHORS] {
        let loss = || {
            let prepared = map.prepare();
            let image = prepared.image(&toy, &mean, &evaluation);
            let zero = prepared.angles_at_zero(&mean);
            image.action.square().mean(Kind::Double)
                + image.theta.sin().mean(Kind::Double)
                + zero.sin().mean(Kind::Double)
        };
        map.parameters()
            .iter()
            .for_each(|(_, tensor)| tensor.shallow_clone().zero_grad());
        loss().backward();
        let mut checked = 0;
        for (name, tensor) in map.parameters() {
            let flat = tensor.detach().view(-1);
            let index = random.random_range(0..flat.size()[0]);
            let moved = |by: f64| {
                let mut entry = flat.narrow(0, index, 1);
                let _ = entry.g_add_scalar_(by);
                let value = loss().double_value(&[]);
                let _ = entry.g_add_scalar_(-by);
                value
            };
            let step = 1e-6;
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let gradient = tensor.grad();
            let gradient = if gradient.defined() {
                gradient.view(-1).double_value(&[index])
            } else {
                0.0
            };
            // Rounding 1e-16 / 1e-6; a kink of a ReLU within the step is unlikely at this seed.
            assert!(
                (difference - gradient).abs() < 1e-7 * (1.0 + gradient.abs()),
                "{name}: {difference} {gradient}"
            );
            checked += usize::from(gradient.abs() > 1e-6);
        }
        assert!(checked > 10, "{checked}");
    }
}
