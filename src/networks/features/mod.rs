//! What a network is given: smooth functions of the toy point (x, v) = Toy(θ, J') and of J', so that the generating
//! function is periodic in θ by construction.

mod dual;
mod resonance;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use self::dual::Dual;
pub use self::resonance::Resonance;
use crate::isochrone::{Isochrone, magnitude, part};
use crate::perceptron::Inputs;

/// Symmetry imposed on the map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// None.
    #[default]
    None,
    /// About the z axis, and of the two sides of the plane z = 0: J_φ is not corrected.
    Axisymmetric,
    /// About the centre: only J_r is corrected.
    Spherical,
}

/// Which features there are, and their scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Symmetry of G.
    pub symmetry: Symmetry,
    /// Whether G is odd under time reversal.
    pub time_reversal: bool,
    /// Typical distance from the centre, kpc.
    pub length: f64,
    /// Typical speed, km/s.
    pub speed: f64,
    /// Height above the plane at which |z| is softened, in units of `length`.
    #[serde(default = "usual_softening")]
    pub height: f64,
    /// Resonances that G has terms of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resonances: Vec<Resonance>,
}

fn usual_softening() -> f64 {
    SOFTENING
}

/// A distance below which the cylindrical radius is softened, and |z| of all but thin discs, in units of the typical distance.
pub(crate) const SOFTENING: f64 = 0.05;

/// The softening of |z| for points whose median |z| is `median`, in units of the typical distance.
pub(crate) fn height(median: f64) -> f64 {
    (0.25 * median).clamp(1e-3, SOFTENING)
}

impl Features {
    /// Whether the points lie in a disc too thin for the usual features: a second softening of |z| and the roots of
    /// J_z and J_r, which orbits near the plane and near circles depend on, come on top.
    fn is_thin(&self) -> bool {
        self.height < SOFTENING
    }

    /// How many outputs the network has: G = p·o₁ + q·o₂ + o₃ with p ∝ x·v, q ∝ z v_z, and two terms for each resonance; those that are even
    /// under time reversal are left out where G is odd.
    pub fn outputs(&self) -> i64 {
        let odd = if self.symmetry == Symmetry::Spherical { 1 } else { 2 };
        let resonances = self.resonances.len() as i64;
        odd + resonances + (1 + resonances) * i64::from(!self.time_reversal)
    }

    /// How many features a point has.
    pub(crate) fn count(&self, toy: &Isochrone) -> i64 {
        let point = Tensor::ones([1, 3], (Kind::Double, toy.gm.device()));
        let inputs = tch::no_grad(|| self.at(toy, &point, &point));
        inputs.values.size().last().copied().unwrap_or(0)
    }

    /// Features at the toy points of (θ, J'), by plain tensors: differentiate with autograd.
    pub fn at(&self, toy: &Isochrone, angles: &Tensor, actions: &Tensor) -> Inputs {
        let (x, v) = toy.to_own(angles, actions);
        let components = |y: &Tensor| [0, 1, 2].map(|axis| Dual::constant(part(y, axis)));
        self.collect(&components(&x), &components(&v), angles, actions)
    }

    /// Features at the toy points of (θ, J') and their derivatives by θ, in closed form; no graph is made.
    pub fn with_tangents(&self, toy: &Isochrone, angles: &Tensor, actions: &Tensor) -> Inputs {
        tch::no_grad(|| {
            let (x, v) = toy.to_own(angles, actions);
            let (flow_x, flow_v) = toy.flows(&x, &v);
            let components = |y: &Tensor, flow: &Tensor| {
                [0, 1, 2].map(|axis| Dual {
                    value: part(y, axis),
                    tangent: Some(part(flow, axis)),
                })
            };
            self.collect(&components(&x, &flow_x), &components(&v, &flow_v), angles, actions)
        })
    }

    fn collect(&self, [x, y, z]: &[Dual; 3], [vx, vy, vz]: &[Dual; 3], angles: &Tensor, actions: &Tensor) -> Inputs {
        let with_tangents = x.tangent.is_some();
        let (h, u) = (1.0 / self.length, 1.0 / self.speed);
        let ([x, y, z], [vx, vy, vz]) = ([x, y, z].map(|a| a.scale(h)), [vx, vy, vz].map(|a| a.scale(u)));
        let plane = x.square().add(&y.square());
        let r = plane.add(&z.square()).sqrt();
        let radius = plane.plus(SOFTENING * SOFTENING).sqrt();
        let planar = x.mul(&vx).add(&y.mul(&vy));
        let q = z.mul(&vz);
        let p = planar.add(&q);
        let radial = p.div(&r);
        let total = magnitude(&part(actions, 0)) + part(actions, 1) + part(actions, 2);
        let share = |j: Tensor| Dual::constant(j / &total);

        let mut features = vec![
            r.ln(),
            radial.saturated_square(),
            Dual::constant((&total * (h * u)).log()),
            share(part(actions, 2)),
        ];
        if !self.time_reversal {
            features.push(p.saturated());
            features.push(radial.saturated());
        }
        if self.symmetry != Symmetry::Spherical {
            features.push(z.square().plus(self.height * self.height).ln().scale(0.5));
            if self.is_thin() {
                let root = |axis: i64| Dual::constant((part(actions, axis) / &total).sqrt());
                features.extend([root(1), root(2), z.square().plus(SOFTENING * SOFTENING).ln().scale(0.5)]);
            }
            features.push(vz.saturated_square());
            features.push(z.div(&r).square());
            features.push(p.mul(&q).saturated());
            features.push(share(magnitude(&part(actions, 0))));
            if !self.time_reversal {
                features.push(q.saturated());
                features.push(planar.div(&radius));
            }
        }
        if self.symmetry == Symmetry::None {
            features.extend([x.div(&radius), y.div(&radius), z.scale(1.0)]);
            if !self.time_reversal {
                features.extend([vx, vy, vz, share(part(actions, 0))]);
            }
        }
        let mut factors = vec![p];
        if self.symmetry != Symmetry::Spherical {
            factors.push(q);
        }
        if !self.time_reversal {
            factors.push(Dual::constant(Tensor::ones_like(&total)));
        }
        for resonance in &self.resonances {
            let terms = resonance.terms(angles, actions, with_tangents);
            features.push(terms.side);
            factors.push(terms.sine);
            if !self.time_reversal {
                factors.push(terms.cosine);
            }
        }
        let (values, tangents) = stack(&features);
        let (factors, factor_tangents) = stack(&factors);
        Inputs {
            values,
            tangents,
            factors,
            factor_tangents,
        }
    }
}

/// The median of |z|, kpc.
pub(crate) fn median_height(x: &Tensor) -> f64 {
    part(x, 2).abs().median().double_value(&[])
}

fn stack(duals: &[Dual]) -> (Tensor, Option<Tensor>) {
    let values: Vec<Tensor> = duals.iter().map(|dual| dual.value.shallow_clone()).collect();
    let any = duals.iter().find_map(|dual| dual.tangent.as_ref());
    let tangents = any.map(|like| {
        let zero = Tensor::zeros_like(like);
        let tangents: Vec<&Tensor> = duals
            .iter()
            .map(|dual| dual.tangent.as_ref().unwrap_or(&zero))
            .collect();
        Tensor::stack(&tangents, -1)
    });
    (Tensor::stack(&values, -1), tangents)
}
