//! Forces by an octree and a dual-tree walk.

use super::expansion::{Expansion, Third};
use super::kernel::{self, Bodies, Real};
use super::multipole::{Multipole, ORDERS};
use super::tree::{Body, Cell, Tree, square_distance};
use super::{NbodyError, Precision, Settings};
use crate::units::GRAVITATIONAL_CONSTANT;
use fearless_simd::Level;
use rayon::prelude::*;

/// Cells with no more particles than this part of the whole are walked as one task, whatever the number of threads.
const TASKS: usize = 512;

/// Acceleration in (km/s)²/kpc and potential in (km/s)², particle by particle.
///
/// Buffers are kept from one evaluation to the next.
#[derive(Debug, Default)]
pub struct Gravity {
    tree: Tree,
    /// In Morton order: acceleration and potential.
    sorted: Vec<[f64; 4]>,
    /// Place in Morton order of every row.
    place: Vec<u32>,
    /// Acceleration of every row, (km/s)²/kpc.
    pub acceleration: Vec<[f64; 3]>,
    /// Potential at every row without the particle's own, (km/s)².
    pub potential: Vec<f64>,
}

/// What is pending when a sink cell is reached: the sources not yet dealt with, and the expansion so far.
struct Task<T> {
    sink: u32,
    sources: Vec<u32>,
    expansion: T,
}

/// One walk's constants.
struct Walk<'a, E> {
    cells: &'a [Cell],
    /// Centre and reach of every cell, close together for the walk.
    spheres: Vec<([f64; 3], f64)>,
    /// How distant cells are seen.
    expansion: E,
    bodies: &'a [Body],
    softening: f64,
    /// 1 / total mass.
    inverse_mass: f64,
    /// G × total mass.
    strength: f64,
    /// The widest vectors this processor has.
    level: Level,
}

/// One task's buffers.
struct Buffers<R, E: Expansion, const L: usize> {
    /// Sources not yet dealt with, of every sink from the task's down to the present one.
    pending: Vec<u32>,
    open: Vec<u32>,
    far: Vec<u32>,
    near: Vec<u32>,
    room: E::Room,
    near_bodies: Vec<Bodies<R, L>>,
}

impl<R, E: Expansion, const L: usize> Buffers<R, E, L> {
    fn new() -> Self {
        Self {
            pending: Vec::new(),
            open: Vec::new(),
            far: Vec::new(),
            near: Vec::new(),
            room: E::Room::default(),
            near_bodies: Vec::new(),
        }
    }
}

impl Gravity {
    /// The field of `masses` (M_sun) at `positions` (kpc), Plummer-softened with the `softening` ε (kpc) of `settings`:
    /// Φ_i = −G Σ_j m_j / √(r_ij² + ε²).
    ///
    /// **Accuracy**: set by `opening` and `order`, see [`Settings`]; the step does not matter here.
    /// **Source**: Dehnen (2000, 2002).
    /// **Fails when** a position is not finite or a mass negative or not finite, with its row, or a setting is out of range.
    pub fn evaluate(&mut self, positions: &[[f64; 3]], masses: &[f64], settings: &Settings) -> Result<(), NbodyError> {
        self.evaluate_in(positions, masses, [0.0; 3], settings)
    }

    /// [`Gravity::evaluate`] with a tree whose cube reaches below the particles by `offset` (0 to 1) of its edge: other cells,
    /// and other errors.
    pub(super) fn evaluate_in(
        &mut self,
        positions: &[[f64; 3]],
        masses: &[f64],
        offset: [f64; 3],
        settings: &Settings,
    ) -> Result<(), NbodyError> {
        check_field(settings)?;
        check(positions, masses)?;
        self.tree.build(positions, masses, offset, settings);
        self.sorted.resize(positions.len(), [0.0; 4]);
        self.place.resize(positions.len(), 0);
        if positions.is_empty() || self.tree.mass == 0.0 {
            self.sorted.fill([0.0; 4]);
        } else {
            match settings.precision {
                Precision::Single => walk::<f32, 16>(&self.tree, settings, &mut self.sorted),
                Precision::Double => walk::<f64, 8>(&self.tree, settings, &mut self.sorted),
            }
        }
        for (place, &(_, row)) in self.tree.order.iter().enumerate() {
            self.place[row as usize] = place as u32;
        }
        let sorted = &self.sorted;
        let of = |place: &u32| sorted[*place as usize];
        (self.place.par_iter().map(|place| {
            let [x, y, z, _] = of(place);
            [x, y, z]
        }))
        .collect_into_vec(&mut self.acceleration);
        self.place
            .par_iter()
            .map(|place| of(place)[3])
            .collect_into_vec(&mut self.potential);
        let is_wild = |a: &[f64; 3]| !(a[0] + a[1] + a[2]).is_finite();
        match self.acceleration.par_iter().position_first(is_wild) {
            Some(row) => Err(NbodyError::Field { row }),
            None => Ok(()),
        }
    }
}

/// The field at every particle of `tree` in Morton order, in `L` lanes.
fn walk<R: Real, const L: usize>(tree: &Tree, settings: &Settings, field: &mut [[f64; 4]]) {
    let (softening, level) = (settings.softening, Level::new());
    if settings.order == 3 {
        let expansion = Third::<R, L>::new(tree, softening, level);
        Walk::new(tree, expansion, softening, level).run::<R, L>(field);
    } else {
        let expansion = Multipole::<R, L>::new(tree, settings.order, softening, level);
        Walk::new(tree, expansion, softening, level).run::<R, L>(field);
    }
}

/// Softening 0 or more, opening between 0 and 1, order from 3 to the highest.
pub(super) fn check_field(settings: &Settings) -> Result<(), NbodyError> {
    let Settings {
        softening,
        opening,
        order,
        ..
    } = *settings;
    let checks = [
        (
            "softening",
            softening,
            (0.0..1e100).contains(&softening),
            "0 or more, in kpc",
        ),
        ("opening", opening, opening > 0.0 && opening < 1.0, "between 0 and 1"),
        ("order", f64::from(order), ORDERS.contains(&order), "between 3 and 8"),
    ];
    match checks.into_iter().find(|check| !check.2) {
        Some((name, value, _, range)) => Err(NbodyError::Setting { name, value, range }),
        None => Ok(()),
    }
}

/// Positions finite, masses finite and not negative, or the first row that is not so.
pub(super) fn check(positions: &[[f64; 3]], masses: &[f64]) -> Result<(), NbodyError> {
    if positions.len() != masses.len() {
        return Err(NbodyError::Lengths {
            positions: positions.len(),
            others: masses.len(),
        });
    }
    // Squares of distances must not overflow either.
    let good = |x: &[f64; 3]| x.iter().all(|x| x.abs() < 1e100);
    if let Some(row) = positions.par_iter().position_first(|x| !good(x)) {
        return Err(NbodyError::Position { row });
    }
    match masses.par_iter().position_first(|m| !(0.0..1e100).contains(m)) {
        Some(row) => Err(NbodyError::Mass { row, mass: masses[row] }),
        None => Ok(()),
    }
}

impl<'a, E: Expansion> Walk<'a, E> {
    fn new(tree: &'a Tree, expansion: E, softening: f64, level: Level) -> Self {
        Self {
            cells: &tree.cells,
            spheres: tree.cells.par_iter().map(|cell| (cell.centre, cell.reach)).collect(),
            expansion,
            bodies: &tree.bodies,
            softening,
            inverse_mass: 1.0 / tree.mass,
            strength: GRAVITATIONAL_CONSTANT * tree.mass,
            level,
        }
    }

    /// The field at every particle in Morton order.
    ///
    /// Every sink cell gathers what its own sources do to it, in an order that depends on the tree alone, and no two tasks
    /// write to one particle: the result does not depend on the number of threads. Whether two cells are expanded is
    /// decided from the unordered pair, so each does to the other what the other does to it and momentum is conserved.
    fn run<R: Real, const L: usize>(&self, field: &mut [[f64; 4]]) {
        let most = (self.bodies.len() / TASKS).max(16);
        let mut tasks = Vec::new();
        let mut buffers = Buffers::<R, E, L>::new();
        let mut upper = vec![Task {
            sink: 0,
            sources: vec![0],
            expansion: self.expansion.nothing(),
        }];
        while let Some(task) = upper.pop() {
            let sink = self.cells[task.sink as usize];
            if sink.is_leaf() || sink.range().len() <= most {
                tasks.push(task);
                continue;
            }
            buffers.pending = task.sources;
            let expansion = self.meet(task.sink, 0, &task.expansion, &mut buffers);
            for daughter in sink.daughters() {
                let offset = self.offset(daughter, task.sink);
                upper.push(Task {
                    sink: daughter,
                    sources: buffers.pending.clone(),
                    expansion: self.expansion.shift(&expansion, offset),
                });
            }
        }
        tasks.sort_unstable_by_key(|task| self.cells[task.sink as usize].first);
        let mut rest = field;
        let mut work = Vec::with_capacity(tasks.len());
        for task in tasks {
            let (mine, others) = rest.split_at_mut(self.cells[task.sink as usize].range().len());
            rest = others;
            work.push((task, mine));
        }
        work.into_par_iter()
            .for_each_init(Buffers::<R, E, L>::new, |buffers, (mut task, field)| {
                std::mem::swap(&mut buffers.pending, &mut task.sources);
                self.descend(task.sink, 0, &task.expansion, buffers, field);
            });
    }

    fn offset(&self, to: u32, from: u32) -> [f64; 3] {
        [0, 1, 2].map(|i| self.cells[to as usize].centre[i] - self.cells[from as usize].centre[i])
    }

    /// The field at the particles of `sink`, whose sources are pending from `start`.
    fn descend<R: Real, const L: usize>(
        &self,
        sink: u32,
        start: usize,
        expansion: &E::Local,
        buffers: &mut Buffers<R, E, L>,
        field: &mut [[f64; 4]],
    ) {
        let cell = &self.cells[sink as usize];
        let expansion = self.meet(sink, start, expansion, buffers);
        if cell.is_leaf() {
            self.attract(cell, &expansion, buffers, field);
            return;
        }
        let (from, to) = (start, buffers.pending.len());
        let mut rest = field;
        for daughter in cell.daughters() {
            let (mine, others) = rest.split_at_mut(self.cells[daughter as usize].range().len());
            rest = others;
            let copy = buffers.pending.len();
            buffers.pending.extend_from_within(from..to);
            let shifted = self.expansion.shift(&expansion, self.offset(daughter, sink));
            self.descend(daughter, copy, &shifted, buffers, mine);
            buffers.pending.truncate(to);
        }
    }

    /// Deals with the sources pending from `start` as far as `sink` as a whole can: adds those far enough to its
    /// expansion, leaves leaves too near a leaf in `near`, and replaces the rest by what its daughters must see to.
    fn meet<R, const L: usize>(
        &self,
        sink: u32,
        start: usize,
        expansion: &E::Local,
        buffers: &mut Buffers<R, E, L>,
    ) -> E::Local {
        let cell = self.cells[sink as usize];
        let Buffers {
            pending,
            open,
            far,
            near,
            room,
            ..
        } = buffers;
        far.clear();
        near.clear();
        open.clear();
        open.extend(pending.drain(start..));
        let mut nearest = f64::INFINITY;
        while let Some(source) = open.pop() {
            if source == sink {
                if cell.is_leaf() {
                    near.push(source);
                } else {
                    pending.extend(cell.daughters());
                }
                continue;
            }
            let (centre, reach) = self.spheres[source as usize];
            let square = square_distance(cell.centre, centre);
            let reach = E::together(cell.reach, reach);
            if square > reach * reach {
                nearest = nearest.min(square);
                far.push(source);
                continue;
            }
            let other = &self.cells[source as usize];
            if cell.is_leaf() && other.is_leaf() {
                near.push(source);
            } else if cell.is_leaf() || (!other.is_leaf() && (other.radius, source) > (cell.radius, sink)) {
                open.extend(other.daughters());
            } else {
                pending.push(source);
            }
        }
        let mut out = expansion.clone();
        if !far.is_empty() {
            self.expansion.gather(cell.centre, far, nearest.sqrt(), room, &mut out);
        }
        out
    }

    /// The field at the particles of a leaf: its expansion, and the particles of the leaves near it one by one.
    fn attract<R: Real, const L: usize>(
        &self,
        cell: &Cell,
        expansion: &E::Local,
        buffers: &mut Buffers<R, E, L>,
        field: &mut [[f64; 4]],
    ) {
        let Buffers { near, near_bodies, .. } = buffers;
        // Every particle of the leaves at hand lies within this of the centre, which makes it the unit of length.
        let extent = (near.iter())
            .map(|&leaf| {
                let leaf = &self.cells[leaf as usize];
                square_distance(leaf.centre, cell.centre).sqrt() + leaf.radius
            })
            .fold(self.softening, f64::max);
        let unit = if extent > 0.0 { 1.0 / extent } else { 1.0 };
        near_bodies.clear();
        let mut l = L;
        for &leaf in near.iter() {
            for body in &self.bodies[self.cells[leaf as usize].range()] {
                if l == L {
                    near_bodies.push(Bodies::NONE);
                    l = 0;
                }
                if let Some(lanes) = near_bodies.last_mut() {
                    for i in 0..3 {
                        lanes.x[i].0[l] = R::of((body.x[i] - cell.centre[i]) * unit);
                    }
                    lanes.mass.0[l] = R::of(body.mass * self.inverse_mass);
                }
                l += 1;
            }
        }
        let softening = self.softening * unit;
        let softening_square = R::of(softening * softening);
        let own = softening_square.inverse_root();
        const AT_ONCE: usize = 2;
        let sinks = &self.bodies[cell.range()];
        for (sinks, field) in sinks.chunks(AT_ONCE).zip(field.chunks_mut(AT_ONCE)) {
            let mut places = [[R::ZERO; 3]; AT_ONCE];
            for (place, sink) in places.iter_mut().zip(sinks) {
                for (i, x) in place.iter_mut().enumerate() {
                    *x = R::of((sink.x[i] - cell.centre[i]) * unit);
                }
            }
            let near = kernel::attract(self.level, &places, near_bodies, softening_square);
            for ((sink, field), [ax, ay, az, psi]) in sinks.iter().zip(field).zip(near) {
                let (x, c) = (sink.x, cell.centre);
                let [far_psi, fx, fy, fz] = self.expansion.field(expansion, [x[0] - c[0], x[1] - c[1], x[2] - c[2]]);
                let square = unit * unit;
                // To the last bit what the particle added to ψ itself.
                let own = (R::of(sink.mass * self.inverse_mass) * own).wide();
                *field = [
                    self.strength * (ax * square + fx),
                    self.strength * (ay * square + fy),
                    self.strength * (az * square + fz),
                    -self.strength * ((psi - own) * unit + far_psi),
                ];
            }
        }
    }
}
