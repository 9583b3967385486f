//! How a table is built: coordinates of all columns first, then their orbits, then the orbits by which errors are known.

use super::column::{Orbits, Seed};
use super::errors::Errors;
use super::plane::Plane;
use super::table::{self, Axis, By, Numbers, Table};
use super::{BuildError, Finder, Settings};
use crate::o2gf::Class;
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::staeckel::StaeckelFudge;
use fearless_simd::Level;
use rayon::prelude::*;

/// The least |L_z|/L_c of a table: with less an orbit passes so close to the axis that no series follows it.
pub(super) const LEAST_CIRCULARITY: f64 = 1e-3;

impl Settings {
    pub(super) fn is_sound(&self) -> bool {
        let (least, most) = self.radii;
        least > 0.0
            && most > least
            && most.is_finite()
            && (LEAST_CIRCULARITY..1.0).contains(&self.least_circularity)
            && self.energies >= 4
            && self.momenta >= 4
            && self.tilts >= 6
    }

    /// How many units of work a table takes, for a bar of progress.
    pub fn work(&self) -> usize {
        self.energies + self.energies * self.momenta + (self.energies - 1) * self.momenta
    }
}

impl<P: Potential> Finder<P> {
    /// The action finder of `potential`, which must be axisymmetric. `progress(n)` is told how many more units of
    /// [`work`](Settings::work) are done.
    ///
    /// The same bytes for any number of threads.
    pub fn build(potential: P, settings: &Settings, progress: &(dyn Fn(usize) + Sync)) -> Result<Self, BuildError> {
        WrongSymmetry::check("the action finder", Symmetry::Axisymmetric, potential.symmetry())?;
        let [radii, sigmas] = settings.axes()?;
        let plane = Plane::new(&potential);
        let fudge = StaeckelFudge::new(potential)?;
        let potential = fudge.potential();
        let seeds: Vec<Vec<Option<Seed>>> = (0..radii.count)
            .into_par_iter()
            .with_max_len(1)
            .map(|i| {
                let mut guess = 1.0;
                let row = (0..sigmas.count).map(|j| {
                    let seed = Seed::new(potential, &plane, radii.at(i), table::sigma_of(sigmas.at(j)), guess);
                    guess = seed.map_or(guess, |seed| seed.shell);
                    seed
                });
                let row = row.collect();
                progress(1);
                row
            })
            .collect();
        let seeds = smoothed(&filled(&seeds, &radii)?);
        let alphas = table::alpha_axis(settings.tilts);
        let made: Vec<Made> = (0..radii.count * sigmas.count)
            .into_par_iter()
            .with_max_len(1)
            .map(|at| {
                let (ln_radius, sigma) = (
                    radii.at(at / sigmas.count),
                    table::sigma_of(sigmas.at(at % sigmas.count)),
                );
                let seed = &seeds[at / sigmas.count][at % sigmas.count];
                let orbits = Orbits::new(&fudge, &plane, ln_radius, sigma, seed, settings.tilts);
                progress(1);
                Made::of(orbits.as_ref(), settings.tilts, &alphas)
            })
            .collect();
        let columns: Vec<_> = made.iter().map(|made| made.column.clone()).collect();
        let table = Table::assemble(radii, sigmas, alphas, &columns).ok_or_else(|| {
            let bare = |i: &usize| {
                columns[i * sigmas.count..(i + 1) * sigmas.count]
                    .iter()
                    .all(Option::is_none)
            };
            let first = (0..radii.count).find(bare).unwrap_or(0);
            BuildError::NoOrbits {
                radius: radii.at(first).exp(),
            }
        })?;
        let mut finder = Self {
            fudge,
            plane,
            settings: *settings,
            table,
            classes: made.into_iter().flat_map(|made| made.classes).collect(),
            errors: Errors::none(&radii, &sigmas, settings.tilts),
            level: Level::new(),
        };
        let shells: Vec<f64> = seeds.iter().flatten().map(|seed| seed.shell).collect();
        finder.errors = Errors::measure(&finder, &shells, settings.tilts, progress);
        Ok(finder)
    }
}

/// What a column gives the table.
struct Made {
    column: Option<(super::coordinates::Column, Numbers)>,
    classes: Vec<Class>,
}

impl Made {
    fn of(orbits: Option<&Orbits>, tilts: usize, alphas: &Axis) -> Self {
        let class = |k: usize| {
            let node = orbits.and_then(|orbits| orbits.nodes[k].as_ref());
            node.map_or(Class::Unconverged, |node| node.class())
        };
        let column = orbits.and_then(|orbits| {
            let circle = orbits.integrals.circle;
            let scale = orbits.integrals.scale();
            let radius2 = circle.radius.powi(2);
            let nodes = |by: By| {
                table::regular(
                    by,
                    &orbits.nodes,
                    circle.momentum,
                    radius2,
                    scale / circle.momentum,
                    alphas,
                )
            };
            let (full, quick) = (nodes(By::Fudge)?, nodes(By::Anomalies)?);
            Some((orbits.column, Numbers { full, quick }))
        });
        Self {
            column,
            classes: (0..tilts).map(class).collect(),
        }
    }
}

/// Every column's seed; where there is none, that of the nearest in L_z.
fn filled(seeds: &[Vec<Option<Seed>>], radii: &Axis) -> Result<Vec<Vec<Seed>>, BuildError> {
    let row = |(i, row): (usize, &Vec<Option<Seed>>)| {
        let of = |j: usize| {
            let there = (0..row.len()).filter(|&k| row[k].is_some());
            let nearest = there.min_by_key(|&k| (k.abs_diff(j), k));
            nearest.and_then(|k| row[k]).ok_or(BuildError::NoOrbits {
                radius: radii.at(i).exp(),
            })
        };
        (0..row.len()).map(of).collect()
    };
    seeds.iter().enumerate().map(row).collect()
}

/// The same with every Δ² averaged with its neighbours, for what is interpolated between columns must vary slowly.
fn smoothed(seeds: &[Vec<Seed>]) -> Vec<Vec<Seed>> {
    let mean = |i: usize, j: usize| {
        let (mut sum, mut weights) = (0.0, 0.0);
        let around = |at: usize, count: usize| at.saturating_sub(1)..(at + 2).min(count);
        for di in around(i, seeds.len()) {
            for dj in around(j, seeds[i].len()) {
                let weight = [2.0, 1.0][i.abs_diff(di)] * [2.0, 1.0][j.abs_diff(dj)];
                sum += weight * seeds[di][dj].focus2;
                weights += weight;
            }
        }
        sum / weights
    };
    let row = |i: usize| {
        (0..seeds[i].len())
            .map(|j| Seed {
                focus2: mean(i, j),
                ..seeds[i][j]
            })
            .collect()
    };
    (0..seeds.len()).map(row).collect()
}
