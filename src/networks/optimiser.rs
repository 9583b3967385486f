//! Optimisers: Adam, SOAP behind the same door, clipping of gradients, and how the learning rate goes.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::Error;
use crate::soap::Soap;
use crate::weights::Weights;

/// Which optimiser takes the steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// [`Adam`].
    #[default]
    Adam,
    /// [`Soap`], for networks of dense layers.
    Soap,
}

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls as a half cosine to this fraction of the peak.
    Cosine(f64),
}

/// Learning rate as a function of the optimiser's step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Rate after the warm-up.
    pub peak: f64,
    /// Steps over which the rate rises linearly.
    pub warm_up: usize,
    /// Steps in all.
    pub total: usize,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let fall = match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine(floor) => {
                let done = (step as f64 / self.total.max(1) as f64).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        };
        self.peak * rise * fall
    }
}

/// Adam with decoupled weight decay over a list of tensors (Kingma & Ba 2015; Loshchilov & Hutter 2019).
/// Its state can be saved, so that an interrupted training goes on with the same bytes.
#[derive(Debug)]
pub struct Adam {
    /// Decay of the mean of the gradient and of its square.
    pub betas: (f64, f64),
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay per step and unit of learning rate.
    pub weight_decay: f64,
    /// Steps done.
    pub steps: i64,
    /// Running mean of the gradient, one per parameter.
    pub first: Vec<Tensor>,
    /// Running mean of its square.
    pub second: Vec<Tensor>,
}

impl Adam {
    /// A fresh optimiser of `parameters` with the usual constants (0.9, 0.999, 1e-8).
    pub fn new(parameters: &[Tensor], weight_decay: f64) -> Self {
        let zeros = || {
            parameters
                .iter()
                .map(Tensor::zeros_like)
                .map(|zero| zero.set_requires_grad(false))
                .collect()
        };
        Self {
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay,
            steps: 0,
            first: zeros(),
            second: zeros(),
        }
    }

    /// One step along the gradients of `parameters`, which are then cleared.
    pub fn step(&mut self, parameters: &mut [Tensor], rate: f64) {
        self.steps += 1;
        let (beta1, beta2) = self.betas;
        let correction1 = 1.0 - beta1.powi(self.steps as i32);
        let correction2 = 1.0 - beta2.powi(self.steps as i32);
        tch::no_grad(|| {
            for ((parameter, first), second) in parameters.iter_mut().zip(&mut self.first).zip(&mut self.second) {
                let mut gradient = parameter.grad();
                if !gradient.defined() {
                    continue;
                }
                let _ = first.lerp_(&gradient, 1.0 - beta1);
                let _ = second
                    .g_mul_scalar_(beta2)
                    .addcmul_(&gradient, &(&gradient * (1.0 - beta2)));
                let mean_square = (&*second / correction2).sqrt() + self.epsilon;
                let _ = parameter.g_mul_scalar_(1.0 - rate * self.weight_decay);
                let _ = parameter.g_sub_(&(&*first * (rate / correction1) / mean_square));
                let _ = gradient.zero_();
            }
        });
    }
}

/// Scales the gradients so that their common norm is at most `limit`; gives the norm before.
///
/// **Fails when** the norm is not finite.
pub fn clip_gradients(parameters: &[Tensor], limit: f64) -> Result<f64, Error> {
    tch::no_grad(|| {
        let squares: Vec<Tensor> = parameters
            .iter()
            .map(Tensor::grad)
            .filter(Tensor::defined)
            .map(|g| g.square().sum(g.kind()))
            .collect();
        let norm = if squares.is_empty() {
            0.0
        } else {
            Tensor::stack(&squares, 0)
                .sum(squares[0].kind())
                .sqrt()
                .double_value(&[])
        };
        if !norm.is_finite() {
            return Err(Error::NotFinite {
                what: "the gradient of the loss".to_owned(),
            });
        }
        if norm > limit {
            for mut gradient in parameters.iter().map(Tensor::grad).filter(Tensor::defined) {
                let _ = gradient.g_mul_scalar_(limit / norm);
            }
        }
        Ok(norm)
    })
}

/// The optimiser at work.
#[derive(Debug)]
pub(crate) enum Stepper {
    Adam(Adam),
    Soap(Soap),
}

impl Stepper {
    pub fn new(optimiser: Optimiser, parameters: &[Tensor], weight_decay: f64) -> Self {
        match optimiser {
            Optimiser::Adam => Self::Adam(Adam::new(parameters, weight_decay)),
            Optimiser::Soap => Self::Soap(Soap::new(parameters, weight_decay)),
        }
    }

    pub fn steps(&self) -> usize {
        match self {
            Self::Adam(adam) => adam.steps as usize,
            Self::Soap(soap) => soap.steps as usize,
        }
    }

    pub fn step(&mut self, parameters: &mut [Tensor], rate: f64) {
        match self {
            Self::Adam(adam) => adam.step(parameters, rate),
            Self::Soap(soap) => soap.step(parameters, rate),
        }
    }

    pub fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        match self {
            Self::Adam(adam) => {
                weights.insert_list("first", &adam.first);
                weights.insert_list("second", &adam.second);
                weights.insert_json("steps", &adam.steps)
            }
            Self::Soap(soap) => soap.save(weights),
        }
    }

    pub fn restore(&mut self, saved: &Weights) -> Result<(), Error> {
        match self {
            Self::Adam(adam) => {
                saved.copy_list("first", &mut adam.first)?;
                saved.copy_list("second", &mut adam.second)?;
                adam.steps = saved.json("steps")?;
                Ok(())
            }
            Self::Soap(soap) => soap.restore(saved),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn adam_finds_the_minimum_of_a_parabola_and_forgets_nothing_when_saved() {
        let start = || Tensor::from_slice(&[3.0, -2.0]).set_requires_grad(true);
        let go = |parameters: &mut [Tensor], adam: &mut Adam, steps: usize| {
            for _ in 0..steps {
                (&parameters[0] - 1.0).square().sum(tch::Kind::Double).backward();
                adam.step(parameters, 0.05);
            }
        };
        let mut whole = [start()];
        let mut adam = Adam::new(&whole, 0.0);
        go(&mut whole, &mut adam, 600);
        // Adam's last steps are of the order of the rate times a small ratio; 1e-3 is far below the rate.
        assert!((&whole[0] - 1.0).abs().max().double_value(&[]) < 1e-3);

        let mut halves = [start()];
        let mut adam = Adam::new(&halves, 0.0);
        go(&mut halves, &mut adam, 300);
        let mut resumed = Adam::new(&halves, 0.0);
        resumed.steps = adam.steps;
        resumed.first = adam.first.iter().map(Tensor::copy).collect();
        resumed.second = adam.second.iter().map(Tensor::copy).collect();
        go(&mut halves, &mut resumed, 300);
        assert!(halves[0].equal(&whole[0]));
    }

    #[test]
    fn the_rate_rises_then_falls_to_its_floor() {
        let schedule = Schedule {
            peak: 1.0,
            warm_up: 10,
            total: 1000,
            decay: Decay::Cosine(0.01),
        };
        assert!(schedule.rate(0) < 0.11);
        assert!(schedule.rate(10) > 0.99);
        assert!((schedule.rate(1000) - 0.01).abs() < 1e-12);
        assert_eq!(
            Schedule {
                decay: Decay::Constant,
                ..schedule
            }
            .rate(900),
            1.0
        );
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let parameter = Tensor::from_slice(&[3.0, 4.0]).set_requires_grad(true);
        (parameter.square().sum(tch::Kind::Double) * 0.5).backward();
        let norm = clip_gradients(std::slice::from_ref(&parameter), 1.0).unwrap();
        assert_eq!(norm, 5.0);
        assert_eq!(
            Vec::<f64>::try_from(parameter.grad()).unwrap(),
            [0.6000000000000001, 0.8]
        );
    }
}
