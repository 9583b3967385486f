#![allow(clippy::unwrap_used)]
use dynamics::potential::{Composite, Logarithmic, MiyamotoNagai};
use tch::Kind;

use super::*;
use crate::isochrone::Isochrone;
use crate::test_support::{assert_gradient, distance, halo_points};

fn galaxy() -> Composite {
    Composite::new(vec![
        std::sync::Arc::new(MiyamotoNagai::new(7e10, 3.0, 0.3).unwrap()),
        std::sync::Arc::new(Logarithmic::new(180.0, 6.0, [1.0, 1.0, 0.8]).unwrap()),
    ])
    .unwrap()
}

fn toy() -> Isochrone {
    Isochrone::new(3.3e11, 4.5, tch::Device::Cpu)
}

fn stretch() -> PointTransformation {
    toy().stretch_for(&galaxy(), [3.0, 14.0]).unwrap()
}

/// Stars inside its knots and beyond them.
fn stars() -> (Tensor, Tensor) {
    let (x, v) = halo_points(40, 3);
    let far = Tensor::from_slice(&[0.1, 0.5, 1.0, 3.0]).repeat([10]).unsqueeze(-1);
    (x * far, v)
}

#[test]
fn circular_orbits_of_the_field_are_circular_in_the_toy() {
    let field = galaxy();
    let actions = |toy: &Isochrone, r: f64| {
        let speed = (-field.acceleration([r, 0.0, 0.0])[0] * r).sqrt();
        let row = |row: [f64; 3]| Tensor::from_slice(&row).view([1, 3]);
        let found = toy
            .from_cartesian(&row([r, 0.0, 0.0]), &row([0.0, speed, 0.0]))
            .unwrap();
        [found.actions.double_value(&[0, 2]), r * speed]
    };
    let plain = toy();
    let stretched = Isochrone {
        stretch: Some(stretch()),
        ..toy()
    };
    for r in [3.2, 4.1, 5.7, 8.0, 9.3, 12.4] {
        let [radial, momentum] = actions(&stretched, r);
        // 32 cubic pieces of a smooth curve.
        assert!(radial < 1e-7 * momentum, "{r}: {radial:e}");
    }
    let most = [4.1, 8.0, 12.4]
        .map(|r| actions(&plain, r)[0])
        .into_iter()
        .fold(0.0, f64::max);
    assert!(most > 1.0, "{most}");
}

#[test]
fn there_and_back_is_the_same_point_and_single_stars_are_stretched_alike() {
    let (stretch, (x, v)) = (stretch(), stars());
    let (own_x, own_v) = stretch.forward(&x, &v);
    let (back_x, back_v) = stretch.backward(&own_x, &own_v);
    assert!(distance(&x, &back_x) < 1e-11 && distance(&v, &back_v) < 1e-9);
    for star in 0..x.size()[0] {
        let of = |tensor: &Tensor| [0, 1, 2].map(|i| tensor.double_value(&[star, i]));
        let found = stretch.stretched(&PhaseSpace { x: of(&x), v: of(&v) });
        let (x, v) = (of(&own_x), of(&own_v));
        for i in 0..3 {
            assert!((found.x[i] - x[i]).abs() < 1e-11 && (found.v[i] - v[i]).abs() < 1e-9);
        }
    }
}

/// Angular momenta stay, and volumes and areas of phase space: M Ω Mᵀ = Ω.
#[test]
fn it_is_canonical() {
    let (stretch, (x, v)) = (stretch(), stars());
    let (own_x, own_v) = stretch.forward(&x, &v);
    let momentum = |x: &Tensor, v: &Tensor| x.linalg_cross(v, -1);
    assert!(distance(&momentum(&x, &v), &momentum(&own_x, &own_v)) < 1e-9);
    let point = Tensor::cat(&[&x.get(2), &v.get(2)], -1).set_requires_grad(true);
    let both = |point: &Tensor| {
        let (x, v) = stretch.forward(&point.narrow(-1, 0, 3), &point.narrow(-1, 3, 3));
        Tensor::cat(&[x, v], -1)
    };
    assert_gradient(&point, 1e-4, 1e-8, both);
    let image = both(&point);
    let rows: Vec<Tensor> = (0..6)
        .map(|row| Tensor::run_backward(&[image.get(row)], &[&point], true, false)[0].shallow_clone())
        .collect();
    let matrix = Tensor::stack(&rows, 0);
    let eye = Tensor::eye(3, (Kind::Double, tch::Device::Cpu));
    let zero = Tensor::zeros_like(&eye);
    let omega = Tensor::cat(&[&Tensor::cat(&[&zero, &eye], 1), &Tensor::cat(&[&-&eye, &zero], 1)], 0);
    assert!(distance(&matrix.matmul(&omega).matmul(&matrix.tr()), &omega) < 1e-10);
}

/// dθ/dt and dJ/dt of a star that moves in the field are those of the stretched toy a little later and earlier.
#[test]
fn rates_are_those_along_an_orbit() {
    let field = galaxy();
    let toy = Isochrone {
        stretch: Some(stretch()),
        ..toy()
    };
    let (x, v) = halo_points(20, 5);
    let all = |tensor: &Tensor| Vec::<f64>::try_from(tensor.contiguous().view(-1)).unwrap();
    let pulls = |x: &Tensor| {
        let pulls: Vec<f64> = all(x)
            .chunks(3)
            .flat_map(|x| field.acceleration([x[0], x[1], x[2]]))
            .collect();
        Tensor::from_slice(&pulls).view([-1, 3])
    };
    let a = pulls(&x);
    let found = toy.motion(&x, &v, &a).unwrap();
    // A step of leapfrog each way, symmetric: its error goes as the third power of the step.
    let step = 1e-5;
    let side = |sign: f64| {
        let kick = sign * step;
        let half = &v + &a * (0.5 * kick);
        let x = &x + &half * kick;
        let v = half + pulls(&x) * (0.5 * kick);
        toy.from_cartesian(&x, &v).unwrap()
    };
    let (later, earlier) = (side(1.0), side(-1.0));
    let turn = std::f64::consts::TAU;
    let angles = &later.angles - &earlier.angles;
    let angles = &angles - (&angles / turn).round() * turn;
    let of_angles = angles / (2.0 * step);
    let of_actions = (later.actions - earlier.actions) / (2.0 * step);
    let size = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    assert!(distance(&found.of_angles, &of_angles) < 1e-5 * size(&of_angles));
    assert!(distance(&found.of_actions, &of_actions) < 1e-5 * size(&of_actions));
}

/// Below the speed of `escape` a star is bound in the toy whichever way it moves, and just above it not every way.
#[test]
fn escape_is_that_of_the_stretched_toy() {
    let toy = Isochrone {
        stretch: Some(stretch()),
        ..toy()
    };
    let (x, v) = stars();
    let way = &v / v.norm_scalaropt_dim(2, [-1i64].as_slice(), true);
    let outward = &x / x.norm_scalaropt_dim(2, [-1i64].as_slice(), true);
    let across = x.linalg_cross(&v, -1);
    let across = &across / across.norm_scalaropt_dim(2, [-1i64].as_slice(), true);
    let speed = (toy.escape(&x) * -2.0).sqrt().unsqueeze(-1);
    for way in [&way, &outward, &across] {
        assert!(toy.unbound(&x, &(way * &speed * 0.9999)).unwrap().is_empty());
    }
    let open = [&outward, &across].map(|way| toy.unbound(&x, &(way * &speed * 1.0001)).unwrap());
    let either = (0..x.size()[0] as usize).all(|row| open.iter().any(|rows| rows.contains(&row)));
    assert!(either, "{open:?}");
}

/// A force that falls faster than r⁻³ has no stable circular orbits.
struct Steep;

impl Potential for Steep {
    fn potential(&self, x: [f64; 3]) -> f64 {
        -1e6 / dynamics::vector::norm(x).powi(3)
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        let r = dynamics::vector::norm(x);
        x.map(|c| -3e6 * c / r.powi(5))
    }

    fn hessian(&self, _: [f64; 3]) -> [[f64; 3]; 3] {
        panic!("not asked for")
    }

    fn density(&self, _: [f64; 3]) -> f64 {
        panic!("not asked for")
    }

    fn symmetry(&self) -> dynamics::potential::Symmetry {
        dynamics::potential::Symmetry::Spherical
    }
}

#[test]
fn fields_without_circular_orbits_and_damaged_files_are_refused() {
    let told = toy().stretch_for(&Steep, [3.0, 14.0]).unwrap_err().to_string();
    assert!(told.contains("no stable circular orbit at"), "{told}");
    assert!(toy().stretch_for(&galaxy(), [5.0, 5.0]).is_err());
    assert!(toy().stretch_for(&galaxy(), [0.0, 5.0]).is_err());
    let good = stretch();
    assert_eq!(good.clone().checked().unwrap(), good);
    for damaged in [
        PointTransformation {
            pieces: Vec::new(),
            ..good.clone()
        },
        PointTransformation {
            step: -1.0,
            ..good.clone()
        },
        PointTransformation {
            start: f64::NAN,
            ..good
        },
    ] {
        assert!(damaged.checked().unwrap_err().to_string().contains("damaged"));
    }
}

/// What is not a number comes out as that, and its neighbours come out as without it.
#[test]
fn a_star_that_is_not_a_number_harms_no_other() {
    let (stretch, (x, v)) = (stretch(), stars());
    let both = |(x, v): (Tensor, Tensor)| Tensor::cat(&[x, v], -1);
    for map in [PointTransformation::forward, PointTransformation::backward] {
        let whole = both(map(&stretch, &x, &v));
        for wrong in [f64::NAN, f64::INFINITY] {
            let broken = x.copy();
            let _ = broken.get(3).fill_(wrong);
            let found = both(map(&stretch, &broken, &v));
            assert_eq!(found.get(3).isfinite().all().int64_value(&[]), 0);
            for row in [0, 2, 4, 39] {
                assert!(distance(&found.get(row), &whole.get(row)) < 1e-9, "{row}");
            }
        }
    }
}
