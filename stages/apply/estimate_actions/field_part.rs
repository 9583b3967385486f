//! The axisymmetric part of a learned field, as the potential of a method.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Expansion, Potential};
use runner::context::StageContext;
use runner::error::StageError;

use super::filled::Filled;
use super::hold::Hold;
use crate::common::learned_field::{self, LearnedField, Others};

/// An axisymmetric part of a field, filled in where it was learned from no star, and what it can hold.
pub struct Part {
    /// The potential.
    pub potential: Filled,
    /// What it can hold.
    pub hold: Hold,
}

/// The parts of the field that is connected.
pub struct Parts {
    /// Of the field itself.
    pub part: Part,
    /// All of the field itself.
    pub whole: Expansion,
    /// Of the other fields that its stars allow.
    pub others: Vec<Part>,
    /// How errors follow from those, where they are asked for.
    pub errors: Option<Others>,
}

impl Part {
    fn new(field: &Expansion, extent: f64) -> Result<Self, StageError> {
        let part = field.axisymmetric_part();
        let part = part.ok_or_else(|| StageError::failed("input field: has no axisymmetric part"))?;
        let potential = Filled::new(part, extent);
        let hold = Hold::new(&potential, potential.core(), extent);
        Ok(Self { potential, hold })
    }
}

/// Reads the field that is connected; `with_others`, with the other fields that its stars allow.
///
/// **Fails when** these are asked for, and the field has none.
pub fn read(context: &StageContext, with_others: bool) -> Result<Parts, StageError> {
    let LearnedField {
        expansion,
        extent,
        others,
    } = learned_field::read(context.input("field")?)?;
    let others = others.filter(|others| with_others && !others.fields.is_empty());
    if with_others && others.is_none() {
        return Err(StageError::failed(
            "input field: does not say how well it is known, which field_errors needs; those of train_potential and fit_galaxy do, unless next to nothing is known",
        ));
    }
    let fields = others.as_ref().map_or(&[][..], |others| &others.fields);
    Ok(Parts {
        part: Part::new(&expansion, extent)?,
        others: fields
            .iter()
            .map(|field| Part::new(field, extent))
            .collect::<Result<_, _>>()?,
        errors: others,
        whole: expansion,
    })
}

/// What the part leaves out of the acceleration of stars.
pub struct LeftOut<'a> {
    whole: &'a Expansion,
    sum: f64,
    stars: usize,
}

impl<'a> LeftOut<'a> {
    /// Of no star yet, in this field.
    pub fn of(whole: &'a Expansion) -> Self {
        Self {
            whole,
            sum: 0.0,
            stars: 0,
        }
    }

    /// Counts `stars` in.
    pub fn count(&mut self, part: &dyn Potential, stars: &[PhaseSpace]) {
        for star in stars {
            let (whole, part) = (self.whole.acceleration(star.x), part.acceleration(star.x));
            let length = |a: [f64; 3]| a.iter().map(|c| c * c).sum::<f64>().sqrt();
            self.sum += length([0, 1, 2].map(|i| whole[i] - part[i])) / length(whole).max(f64::MIN_POSITIVE);
        }
        self.stars += stars.len();
    }

    /// Tells its mean as a metric.
    pub fn tell(self, context: &StageContext) {
        let mean = self.sum / self.stars.max(1) as f64;
        context.metric("not_axisymmetric", 100.0 * mean, "%");
    }
}
