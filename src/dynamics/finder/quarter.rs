//! Functions of an angle between 0 and π/2 by its sine and cosine: tables in place of arcs and logarithms.

/// Steps of p = sin/(sin + cos), in which all that is smooth in the angle is smooth.
const STEPS: usize = 1024;

/// Such a function: values and slopes, times the step, at equal steps of p.
pub(super) struct Quarter {
    rows: Vec<[f64; 2]>,
}

impl Quarter {
    /// From the function of the angle and its slope.
    pub fn new(value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Self {
        let row = |i: usize| {
            let p = i as f64 / STEPS as f64;
            let angle = p.atan2(1.0 - p);
            // dp/dangle = 1/(sin + cos)².
            let stretch = (angle.sin() + angle.cos()).powi(2);
            [value(angle), slope(angle) * stretch / STEPS as f64]
        };
        Self {
            rows: (0..=STEPS).map(row).collect(),
        }
    }

    /// The value where sine and cosine are these, or any multiple of them; both at least 0, and not both 0.
    #[inline(always)]
    pub fn at(&self, sine: f64, cosine: f64) -> f64 {
        let place = sine / (sine + cosine) * STEPS as f64;
        let i = (place as usize).min(STEPS - 1);
        let [low, high] = [self.rows[i], self.rows[i + 1]];
        super::plane::hermite(place - i as f64, [low[0], high[0]], [low[1], high[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{x_of, x_of_circularity, y_of, y_of_psi};
    use std::f64::consts::FRAC_PI_2;

    #[test]
    fn tables_are_what_they_are_made_from() {
        for i in 0..=2000 {
            let angle = FRAC_PI_2 * f64::from(i) / 2000.0;
            let (x, y) = (x_of_circularity(angle.cos().powi(2)), y_of_psi(angle.sin().powi(2)));
            assert!((x - x_of(angle)).abs() < 3e-9, "{angle}: {x}");
            assert!((y - y_of(angle)).abs() < 1e-12, "{angle}: {y}");
        }
    }
}
