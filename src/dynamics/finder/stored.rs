//! A table as plain numbers, to be kept in a file and taken up again in the same potential.

use super::coordinates::Column;
use super::errors::Errors;
use super::plane::Plane;
use super::table::{self, Axis, GHOSTS, HEAD, NUMBERS_OF_NODE, Numbers, Table};
use super::{BuildError, Finder, Settings};
use crate::o2gf::Class;
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::staeckel::StaeckelFudge;
use fearless_simd::Level;

/// All of a finder but its potential.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What it was built with.
    pub settings: Settings,
    /// The columns, `Column::NUMBERS` numbers each.
    pub columns: Vec<f64>,
    /// Numbers of the nodes.
    pub nodes: Vec<f32>,
    /// Those of the quick look-up.
    pub quick: Vec<f32>,
    /// The class of every orbit: its number, n_r and n_z.
    pub classes: Vec<[i32; 3]>,
    /// Logarithms of the errors in every cell.
    pub errors: Vec<[f32; 3]>,
    /// What these are multiplied by, in each band of nearness to resonances, to be errors that 68 % keep: logarithms.
    pub factors: Vec<[f64; 3]>,
    /// Φ at places where the table is, by which its potential is known again, (km/s)².
    pub witness: Vec<f64>,
}

/// Why numbers are no finder.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// The potential is not axisymmetric.
    #[error(transparent)]
    Symmetry(#[from] WrongSymmetry),
    /// Numbers are missing, too many, or none.
    #[error("the numbers of the table do not fit each other")]
    Damaged,
    /// The table is of another potential.
    #[error("the table was built in another potential: at {radius:.1} kpc the two differ by {difference:.1e} of Φ")]
    OtherPotential {
        /// Where, kpc.
        radius: f64,
        /// Of Φ.
        difference: f64,
    },
}

/// By what part the potentials at building and at use may differ.
const SAME: f64 = 1e-9;

impl Settings {
    /// Axes of ln R_c and x of the columns, without ghosts.
    pub(super) fn axes(&self) -> Result<[Axis; 2], BuildError> {
        if !self.is_sound() {
            return Err(BuildError::Settings);
        }
        let (first, last) = (self.radii.0.ln(), self.radii.1.ln());
        let radii = Axis {
            first,
            step: (last - first) / (self.energies as f64 - 1.0),
            count: self.energies,
        };
        // The first node is half a step from its own mirror, the last that of the least L_z.
        let step = table::x_of_circularity(self.least_circularity) / (self.momenta as f64 - 0.5);
        let sigmas = Axis {
            first: 0.5 * step,
            step,
            count: self.momenta,
        };
        Ok([radii, sigmas])
    }

    /// Where potentials are compared: in the plane, and above it.
    fn places(&self) -> Vec<[f64; 3]> {
        let (least, most) = self.radii;
        let radius = |i: usize| least * (most / least).powf(i as f64 / (self.energies as f64 - 1.0));
        let of = |i: usize| [[radius(i), 0.0, 0.0], [0.6 * radius(i), 0.0, 0.5 * radius(i)]];
        (0..self.energies).flat_map(of).collect()
    }

    fn witness<P: Potential + ?Sized>(&self, potential: &P) -> Vec<f64> {
        self.places().into_iter().map(|x| potential.potential(x)).collect()
    }
}

/// Numbers of classes in a file.
fn code(class: Class) -> [i32; 3] {
    match class {
        Class::Regular => [0, 0, 0],
        Class::Resonant { n_r, n_z } => [1, n_r, n_z],
        Class::Chaotic => [2, 0, 0],
        Class::NearVertical => [3, 0, 0],
        Class::Unconverged => [4, 0, 0],
    }
}

fn class([code, n_r, n_z]: [i32; 3]) -> Option<Class> {
    Some(match code {
        0 => Class::Regular,
        1 => Class::Resonant { n_r, n_z },
        2 => Class::Chaotic,
        3 => Class::NearVertical,
        4 => Class::Unconverged,
        _ => return None,
    })
}

impl<P: Potential> Finder<P> {
    /// All that it is but its potential.
    pub fn store(&self) -> Stored {
        Stored {
            settings: self.settings,
            columns: self.table.columns.iter().flat_map(|column| column.to_array()).collect(),
            nodes: self.table.nodes.full.clone(),
            quick: self.table.nodes.quick.clone(),
            classes: self.classes.iter().map(|&class| code(class)).collect(),
            errors: self.errors.values.clone(),
            factors: self.errors.factors.to_vec(),
            witness: self.settings.witness(self.potential()),
        }
    }

    /// The finder with these numbers in `potential`, which must be the one that they were made in.
    pub fn restore(potential: P, stored: Stored) -> Result<Self, RestoreError> {
        WrongSymmetry::check("the action finder", Symmetry::Axisymmetric, potential.symmetry())?;
        let settings = stored.settings;
        let [radii, sigmas] = settings.axes().map_err(|_| RestoreError::Damaged)?;
        let alphas = table::alpha_axis(settings.tilts);
        let columns = radii.count * (sigmas.count + GHOSTS);
        let orbits = radii.count * sigmas.count * settings.tilts;
        let errors = Errors::axes(&radii, &sigmas, settings.tilts);
        let cells: usize = errors.iter().map(|axis| axis.count).product();
        let whole = stored.columns.len() == columns * Column::NUMBERS
            && stored.nodes.len() == columns * alphas.count * NUMBERS_OF_NODE
            && stored.quick.len() == columns * alphas.count * HEAD
            && stored.classes.len() == orbits
            && stored.errors.len() == cells
            && stored.witness.len() == settings.places().len();
        let finite = stored
            .columns
            .iter()
            .chain(stored.factors.as_flattened())
            .chain(&stored.witness)
            .all(|x| x.is_finite())
            && stored
                .nodes
                .iter()
                .chain(&stored.quick)
                .chain(stored.errors.as_flattened())
                .all(|x| x.is_finite());
        let classes: Option<Vec<Class>> = stored.classes.into_iter().map(class).collect();
        let classes = classes.filter(|_| whole && finite).ok_or(RestoreError::Damaged)?;
        let factors = stored.factors.try_into().map_err(|_| RestoreError::Damaged)?;
        let here = settings.witness(&potential);
        for ((place, here), there) in settings.places().iter().zip(here).zip(&stored.witness) {
            let difference = (here - there).abs() / there.abs().max(f64::MIN_POSITIVE);
            // Also where it is no number.
            let same = difference <= SAME;
            if !same {
                let radius = place[0].hypot(place[2]);
                return Err(RestoreError::OtherPotential { radius, difference });
            }
        }
        let (columns, _) = stored.columns.as_chunks::<{ Column::NUMBERS }>();
        Ok(Self {
            plane: Plane::new(&potential),
            fudge: StaeckelFudge::new(potential)?,
            settings,
            table: Table {
                radii,
                sigmas: table::padded(&sigmas),
                alphas,
                columns: columns.iter().map(|&numbers| Column::from_array(numbers)).collect(),
                nodes: Numbers {
                    full: stored.nodes,
                    quick: stored.quick,
                },
            },
            classes,
            errors: Errors {
                axes: errors,
                values: stored.errors,
                factors,
            },
            level: Level::new(),
        })
    }
}
