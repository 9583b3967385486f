//! The sum of any potentials.

use super::{InvalidParameter, MiyamotoNagai, Nfw, Plummer, Potential, Symmetry};
use std::sync::Arc;

/// The sum of its components.
#[derive(Clone)]
pub struct Composite {
    components: Vec<Arc<dyn Potential>>,
}

impl Composite {
    /// The sum of `components`; at least one.
    pub fn new(components: Vec<Arc<dyn Potential>>) -> Result<Self, InvalidParameter> {
        if components.is_empty() {
            let requirement = "at least one";
            return Err(InvalidParameter {
                potential: "composite",
                parameter: "number of components",
                value: 0.0,
                requirement,
            });
        }
        Ok(Self { components })
    }

    /// A simple galaxy for examples and tests: Plummer bulge, Miyamoto–Nagai disc, NFW halo; v_c(8 kpc) = 226 km/s.
    pub fn milky_way_like() -> Result<Self, InvalidParameter> {
        Self::new(vec![
            Arc::new(Plummer::new(5e9, 0.25)?),
            Arc::new(MiyamotoNagai::new(6.8e10, 3.0, 0.28)?),
            Arc::new(Nfw::new(5.4e11, 15.62)?),
        ])
    }

    /// The components.
    pub fn components(&self) -> &[Arc<dyn Potential>] {
        &self.components
    }
}

impl Potential for Composite {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.components.iter().map(|component| component.potential(x)).sum()
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let mut sum = [[0.0; 3]; 3];
        for component in &self.components {
            let term = component.hessian(x);
            for i in 0..3 {
                for j in 0..3 {
                    sum[i][j] += term[i][j];
                }
            }
        }
        sum
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        self.components.iter().map(|component| component.density(x)).sum()
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let mut sum = (0.0, [0.0; 3]);
        for component in &self.components {
            let (phi, acceleration) = component.potential_and_acceleration(x);
            sum.0 += phi;
            for (total, part) in sum.1.iter_mut().zip(acceleration) {
                *total += part;
            }
        }
        sum
    }

    fn symmetry(&self) -> Symmetry {
        self.components
            .iter()
            .map(|component| component.symmetry())
            .max()
            .unwrap_or(Symmetry::Twofold)
    }

    fn potential_at_infinity(&self) -> f64 {
        self.components
            .iter()
            .map(|component| component.potential_at_infinity())
            .sum()
    }
}
