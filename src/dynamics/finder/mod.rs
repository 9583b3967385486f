//! Actions, angles and frequencies of stars from a table of orbits of their potential, with an error and a class, at one and a half times the cost of
//! the Stäckel fudge, or actions alone at less than a tenth of it. Most median errors are below a tenth of the fudge's; next to resonances they are like
//! its own, and say so.
//!
//! E and L_z of a star are known exactly. What is left is a third integral and two angles; the table corrects guesses ψ and ϑ of these, the fudge's (module
//! `fudged`) or cheap ones (module `coordinates`: two evaluations of the potential and no quadrature), by Fourier series along the torus,
//!
//! ψ̄ = ψ + Σ a_n cos n·ϑ, θ = ϑ + Σ b_n sin n·ϑ,
//!
//! whose coefficients, with J and Ω, are functions of (E, L_z, ψ̄). They come from one orbit for each node of a grid in these three (module
//! `orbit`): so there are nodes too where tori do not exist or converge slowly, and each has its E and L_z exactly. By first-order perturbation
//! theory a_n goes like 1/(n·Ω) and b_n like 1/(n·Ω)²: the table holds the smooth products, and a star divides by its own n·Ω.
//!
//! Next to a resonance a star is a pendulum, whose separatrix is known from the same coefficients (module `resonance`): it tells which
//! stars are trapped. These have the actions of their resonance, about which their own swing, and the action of that libration.
//!
//! The error of a star is what the table misses of orbits that it was not made from (module `errors`).
//!
//! **Source**: Binney (2012) MNRAS 426, 1324, for the fudge's coordinates; Binney & Tremaine (2008), section 3.7.2, for the poles at resonances;
//! Binney & Spergel (1984), MNRAS 206, 159, for actions of sampled orbits.

mod build;
mod column;
mod coordinates;
mod errors;
mod fudged;
mod interpolate;
mod modes;
mod orbit;
mod plane;
mod quarter;
mod resonance;
mod shell;
mod stored;
mod table;

use crate::o2gf::{Class, Libration};
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound, sense};
use crate::potential::{Potential, WrongSymmetry};
use crate::staeckel::StaeckelFudge;
use coordinates::{Column, Integrals, Place};
use errors::Errors;
use fearless_simd::{Level, Simd, dispatch};
use fudged::Fudged;
use interpolate::Line;
use modes::{Detuned, PADDED, Waves};
use plane::Plane;
use resonance::{Here, Resonance};
pub use stored::{RestoreError, Stored};
use table::{Axis, GHOSTS, HEAD, Stencil, Table};

/// How fine a table is, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Radii of the circular orbits of the least and greatest energy, kpc.
    pub radii: (f64, f64),
    /// Number of energies, at least 4: ln R_c is equally spaced.
    pub energies: usize,
    /// The least |L_z|, in that of the circular orbit of the same energy: at least 0.001.
    pub least_circularity: f64,
    /// Number of values of L_z, at least 4.
    pub momenta: usize,
    /// Number of orbits of every energy and L_z, from planar to shell, at least 6.
    pub tilts: usize,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// The potential is not axisymmetric.
    #[error(transparent)]
    Symmetry(#[from] WrongSymmetry),
    /// A number of the settings makes no sense.
    #[error("a table needs radii that rise, least_circularity in 0.001 to 1, 4 energies, 4 momenta and 6 tilts")]
    Settings,
    /// At some energy no orbit at all could be followed.
    #[error("no orbit whose energy is that of the circle at {radius:.3} kpc could be followed")]
    NoOrbits {
        /// R_c, kpc.
        radius: f64,
    },
}

/// Why a star has no actions.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NotFound {
    /// Its energy is not below the potential at infinity.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// Its energy is not in the table.
    #[error("its energy is that of no circle between {least:.3} and {most:.3} kpc, where the table is")]
    Energy {
        /// Radius of the smallest circle, kpc.
        least: f64,
        /// That of the greatest.
        most: f64,
    },
    /// Its angular momentum is not in the table.
    #[error("its L_z is below those of the table: {circularity:.3} of a circle's, and the least there is {least:.3}")]
    Momentum {
        /// |L_z|/L_c.
        circularity: f64,
        /// The least in the table.
        least: f64,
    },
    /// What the table says is not that of an orbit.
    #[error("next to it the table's orbits are too different from each other")]
    Rough,
}

/// What the table says of one star.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Actions, angles and frequencies.
    pub action_angle: ActionAngle,
    /// The greatest error of J_r and J_z, km/s kpc, that 68 % of stars keep.
    pub action_error: f64,
    /// The same of the angles, radians.
    pub angle_error: f64,
    /// The same of the frequencies, in Ω_r.
    pub frequency_error: f64,
    /// Resonant where the nearest resonance traps the star, chaotic where it is outside of two that overlap; else regular, if the nearest orbit in the
    /// table is no worse.
    pub class: Class,
    /// Of a star whose class is resonant: how it swings about its resonance, whose actions are in `action_angle`; by the resonance's pendulum, whose
    /// energy and half width are known.
    pub libration: Option<Libration>,
}

/// An action finder.
#[derive(Clone, Debug)]
pub struct Finder<P> {
    fudge: StaeckelFudge<P>,
    plane: Plane,
    settings: Settings,
    table: Table,
    /// Of the orbits of the table, tilt fastest, without ghosts.
    classes: Vec<Class>,
    errors: Errors,
    level: Level,
}

/// A star that was looked up.
struct Star {
    found: ActionAngle,
    /// ln R_c, x and y.
    place: [f64; 3],
    /// L_c − |L_z|, km/s kpc.
    scale: f64,
    /// The resonances whose separatrices are nearest.
    resonances: [Option<Resonance>; 2],
    /// About the first, if it is trapped.
    libration: Option<Libration>,
}

impl<P: Potential> Finder<P> {
    fn potential(&self) -> &P {
        self.fudge.potential()
    }

    /// σ of the columns, without ghosts, in x.
    fn sigmas(&self) -> Axis {
        let Axis { first, step, count } = self.table.sigmas;
        Axis {
            first: first + step * GHOSTS as f64,
            step,
            count: count - GHOSTS,
        }
    }

    /// The coordinates of the orbits with these integrals.
    fn column(&self, integrals: &Integrals) -> Column {
        let radius = self.table.radii.cubic(integrals.circle.ln_radius);
        let sigma = self.table.sigmas.cubic(integrals.x);
        self.table.column::<4>(&radius, &sigma)
    }

    /// The star's integrals, if the table has orbits like its.
    fn integrals(&self, star: &PhaseSpace) -> Result<Integrals, NotFound> {
        let Settings {
            radii: (least, most),
            least_circularity,
            ..
        } = self.settings;
        let integrals = match Integrals::new(self.potential(), &self.plane, star) {
            Some(integrals) => integrals,
            None => {
                let (energy, limit) = (self.potential().energy(star), self.potential().potential_at_infinity());
                let is_bound = energy < limit;
                return Err(if is_bound {
                    NotFound::Energy { least, most }
                } else {
                    Unbound { energy, limit }.into()
                });
            }
        };
        let Axis { first, step, count } = self.table.radii;
        let place = (integrals.circle.ln_radius - first) / step;
        let circularity = integrals.lz.abs() / integrals.circle.momentum;
        if !(place >= 0.0 && place <= count as f64 - 1.0) {
            Err(NotFound::Energy { least, most })
        } else if circularity < least_circularity {
            Err(NotFound::Momentum {
                circularity,
                least: least_circularity,
            })
        } else {
            Ok(integrals)
        }
    }

    fn look_up_at(&self, star: &PhaseSpace, integrals: &Integrals) -> Option<Star> {
        let table = &self.table;
        let radius = table.radii.cubic(integrals.circle.ln_radius);
        let sigma = table.sigmas.cubic(integrals.x);
        let place = Fudged::new(&self.fudge, star, integrals, &table.column::<4>(&radius, &sigma))?;
        let level = self.level;
        Some(dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || self.corrected(integrals, &place, &radius, &sigma)
        )))
    }

    /// A star by what the table adds to the fudge's coordinates of it.
    #[inline(always)]
    fn corrected(&self, integrals: &Integrals, place: &Fudged, radius: &Stencil, sigma: &Stencil) -> Star {
        let alphas = &self.table.alphas;
        let waves = Waves::new(place.u, place.v);
        let mut line = Line::new(&self.table, radius, sigma);
        let at = |psi: f64| alphas.cubic(table::y_of_psi(psi));
        // Coefficients belong to ψ̄, which is not known before they are.
        let near = corrected(place.psi, &line.head(&at(place.psi)), &waves);
        let here = line.head(&at(near));
        let ends = [-NEXT, NEXT].map(|step| (near + step).clamp(0.0, 1.0));
        let [below, above] = ends.map(|psi| line.numbers(&at(psi)));
        let width = ends[1] - ends[0];
        let resonances = Here {
            modes: modes_of(&here),
            waves: &waves,
            guess: place.psi,
            psi: near,
            ratio: f64::from(here[PADDED + 3] / here[PADDED + 2]),
            slope: (above[3] / above[2] - below[3] / below[2]) / width,
        }
        .nearest();
        let psi = corrected(place.psi, &here, &waves);
        let trap = resonances[0].filter(Resonance::is_trapping);
        let psi = trap.map_or(psi, |trap| trap.middle.clamp(0.0, 1.0));
        let y = table::y_of_psi(psi);
        let alpha = alphas.cubic(y);
        let head = line.head(&alpha);
        let angles = line.angles(&alpha);
        let (angles, _) = angles.as_chunks::<PADDED>();
        let square = Detuned::new(head[PADDED + 3] / head[PADDED + 2]).square;
        let flat = table::flatness(psi) as f32;
        let mut theta = place.angles;
        for (i, (theta, modes)) in theta.iter_mut().zip(angles).enumerate() {
            *theta += modes::total(|k| {
                let share = if table::vanishes(i, k) { flat } else { 1.0 };
                share * modes[k] * waves.sin[k] / square[k]
            });
        }
        let [theta_r, theta_z, theta_phi] = theta;
        let actions = actions(integrals, psi, &head);
        let libration = trap.map(|trap| {
            let (n_r, n_z) = trap.order();
            // dJ_z/dψ.
            let climb = integrals.scale() * (above[1] * ends[1] - below[1] * ends[0]) / width;
            Libration {
                action: climb.abs() / n_z * trap.swing(),
                sharp: actions.z + n_z / n_r * actions.r,
                error: None,
            }
        });
        let rate = integrals.circle.momentum / integrals.circle.radius.powi(2);
        let [omega_r, omega_z, omega_phi] = [2, 3, 4].map(|i| f64::from(head[PADDED + i]) * rate);
        let turning = sense(integrals.lz);
        Star {
            found: ActionAngle {
                actions,
                angles: Angles::from_rzphi([theta_r, theta_z, turning * theta_phi]),
                frequencies: Frequencies::from_rzphi([omega_r, omega_z, turning * omega_phi]),
            },
            place: [integrals.circle.ln_radius, integrals.x, y],
            scale: integrals.scale(),
            resonances,
            libration,
        }
    }

    fn look_up(&self, star: &PhaseSpace) -> Option<Star> {
        self.look_up_at(star, &self.integrals(star).ok()?)
    }

    /// Actions, angles and frequencies of a star, with errors and a class.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Source**: see [the module](self).
    /// **Accuracy**: as stated with the answer.
    /// **Fails when** the star is unbound, or its energy or L_z is not in the table.
    pub fn find(&self, star: &PhaseSpace) -> Result<Found, NotFound> {
        let integrals = self.integrals(star)?;
        let Star {
            found,
            place,
            scale,
            resonances,
            libration,
        } = self.look_up_at(star, &integrals).ok_or(NotFound::Rough)?;
        let rates = found.frequencies;
        let turns = rates.r > 0.0 && rates.z > 0.0 && rates.phi * sense(found.actions.phi) > 0.0;
        // Next to the axis columns can be of different families, and nothing between them is.
        if !(found.is_finite() && turns) {
            return Err(NotFound::Rough);
        }
        let [actions, angles, frequencies] = self.errors.at(place, resonances[0].as_ref());
        let J { r, z, phi } = J::of(&found.actions);
        let class = if phi < NEAR_VERTICAL * (r + z) {
            Class::NearVertical
        } else {
            self.class_at(place, &resonances)
        };
        Ok(Found {
            action_angle: found,
            action_error: actions * scale,
            angle_error: angles,
            frequency_error: frequencies,
            class,
            libration: libration.filter(|_| matches!(class, Class::Resonant { .. })),
        })
    }

    /// The class of a star: trapped, between resonances that overlap, or that of the table's orbit nearest to its place where this is worse than regular.
    fn class_at(&self, place: [f64; 3], resonances: &[Option<Resonance>; 2]) -> Class {
        if let Some(first) = &resonances[0] {
            if first.is_trapping() {
                return first.class();
            }
            if resonances[1].is_some_and(|second| first.is_shared_with(&second)) {
                return Class::Chaotic;
            }
        }
        match self.nearest(place) {
            // A neighbour's resonance is not the star's.
            Class::Resonant { .. } => Class::Regular,
            class => class,
        }
    }

    /// The class of the table's orbit nearest to a place.
    fn nearest(&self, place: [f64; 3]) -> Class {
        let (sigmas, tilts) = (self.sigmas(), self.settings.tilts);
        let step = std::f64::consts::FRAC_PI_2 / tilts as f64;
        let nearest = |value: f64, first: f64, step: f64, count: usize| {
            ((value - first) / step).round().clamp(0.0, (count - 1) as f64) as usize
        };
        let i = nearest(
            place[0],
            self.table.radii.first,
            self.table.radii.step,
            self.table.radii.count,
        );
        let j = nearest(place[1], sigmas.first, sigmas.step, sigmas.count);
        let k = nearest(place[2], 0.5 * step, step, tilts);
        self.classes[(i * sigmas.count + j) * tilts + k]
    }

    /// |L_z| of a star in that of the circular orbit of its energy; nothing for one that is unbound.
    pub fn circularity(&self, star: &PhaseSpace) -> Option<f64> {
        let integrals = Integrals::new(self.potential(), &self.plane, star)?;
        Some(integrals.lz.abs() / integrals.circle.momentum)
    }

    /// The classes of the orbits of the table, as far as so short a window tells.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The median over the table of the error of J_r and J_z, km/s kpc.
    pub fn typical_error(&self) -> f64 {
        let all = self.errors.places();
        let scale = |[ln_radius, x, _]: [f64; 3]| {
            let momentum = self.plane.momentum(ln_radius);
            momentum * table::sigma_of(x.max(0.0)).sin().powi(2)
        };
        let errors: Vec<f64> = all.map(|place| self.errors.at(place, None)[0] * scale(place)).collect();
        crate::statistics::median(errors).unwrap_or(f64::NAN)
    }

    /// The actions alone, faster and less well: one look-up between the eight nodes around the star.
    ///
    /// **Units**, failures: those of [`find`](Self::find).
    pub fn actions(&self, star: &PhaseSpace) -> Result<Actions, NotFound> {
        let integrals = self.integrals(star)?;
        let level = self.level;
        Ok(dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || {
                let table = &self.table;
                let radius = table.radii.linear(integrals.circle.ln_radius);
                let sigma = table.sigmas.linear(integrals.x);
                let column = table.column::<2>(&radius, &sigma);
                let place = Place::new(self.potential(), &self.plane, star, &integrals, &column);
                let alpha = table.alphas.linear(table::y_of_psi(place.psi));
                let head = table.linear(&[radius, sigma, alpha]);
                let psi = corrected(place.psi, &head, &Waves::new(place.u, place.v));
                actions(&integrals, psi, &head)
            }
        )))
    }
}

/// How far apart values of ψ are that slopes are taken from.
const NEXT: f64 = 0.01;

/// |J_φ| below this part of J_r + J_z makes an orbit nearly vertical, as for O2GF.
const NEAR_VERTICAL: f64 = 0.01;

/// Sizes of actions.
struct J {
    r: f64,
    z: f64,
    phi: f64,
}

impl J {
    fn of(actions: &Actions) -> Self {
        Self {
            r: actions.r,
            z: actions.z,
            phi: actions.phi.abs(),
        }
    }
}

/// The modes of ψ.
#[inline(always)]
fn modes_of(head: &[f32; HEAD]) -> &[f32; PADDED] {
    const { assert!(PADDED < HEAD) };
    head.first_chunk().unwrap_or(&[0.0; PADDED])
}

/// ψ̄ of ψ: modes are tabulated in parts of ψ̄.
#[inline(always)]
fn corrected(psi: f64, head: &[f32; HEAD], waves: &Waves) -> f64 {
    const LEAST: f64 = 0.1;
    let detuned = Detuned::new(head[PADDED + 3] / head[PADDED + 2]);
    let sum = modes::total(|k| head[k] * waves.cos[k] / detuned.root[k]);
    (psi / (1.0 - sum).max(LEAST)).clamp(0.0, 1.0)
}

/// J_r and J_z with L_z.
fn actions(integrals: &Integrals, psi: f64, numbers: &[f32]) -> Actions {
    let scale = integrals.scale();
    let of = |i: usize, share: f64| (f64::from(numbers[PADDED + i]) * scale * share).max(0.0);
    Actions::from_rzphi([of(0, 1.0 - psi), of(1, psi), integrals.lz])
}
