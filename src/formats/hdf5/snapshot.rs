//! Snapshots of simulations, as Gadget, GIZMO, Arepo and SWIFT write them: particles by type, and a header with units, time and scale
//! factor.
//!
//! Lengths are in units of `UnitLength`/h, times a where coordinates are comoving; velocities are kept as v/√a there; masses in `UnitMass`/h
//! (Springel 2005, MNRAS 364, 1105, section 3 and the users' guide of Gadget-2).

use std::path::{Path, PathBuf};

use hdf5_reader::Attribute;
use hdf5_reader::group::Group;

use super::part::{self, Part};
use super::{Opened, damaged, failed, of_group};
use crate::error::FormatError;
use crate::table::Column;

/// What the types of particles are called.
const TYPES: [&str; 6] = ["gas", "dark", "disc", "bulge", "stars", "black_holes"];

/// More files than any snapshot has.
const MOST_FILES: f64 = 65536.0;

/// What the header says.
pub(super) struct Header {
    /// Length, velocity and mass in cgs, as they are kept.
    length: Option<f64>,
    velocity: Option<f64>,
    mass: Option<f64>,
    /// Time as it is kept: the scale factor in a comoving run.
    time: Option<f64>,
    scale_factor: f64,
    h: f64,
    is_comoving: bool,
    /// Masses by type, where all particles of a type have one.
    masses: Vec<f64>,
    files: f64,
}

/// The numbers of an attribute.
fn numbers(attribute: &Attribute) -> Option<Vec<f64>> {
    attribute
        .read_1d::<f64>()
        .ok()
        .or_else(|| Some(attribute.read_1d::<f32>().ok()?.into_iter().map(f64::from).collect()))
        .or_else(|| attribute.read_as_f64().ok().map(|number| vec![number]))
}

impl Header {
    /// The header, if the file is a snapshot.
    pub fn of(path: &Path, root: &Group) -> Result<Option<Self>, FormatError> {
        let Ok(header) = root.group("Header") else {
            return Ok(None);
        };
        let (groups, _) = root.member_names().map_err(|error| failed(path, "its root", &error))?;
        if !groups.iter().any(|name| name.starts_with("PartType")) {
            return Ok(None);
        }
        let others = ["Parameters", "Units", "InternalCodeUnits", "Cosmology"].map(|name| root.group(name).ok());
        let places = || std::iter::once(&header).chain(others.iter().flatten());
        let find = |names: &[&str]| {
            let mut found = names
                .iter()
                .flat_map(|name| places().filter_map(move |group| group.attribute(name).ok()));
            found.find_map(|attribute| numbers(&attribute))
        };
        let one = |names: &[&str]| find(names).and_then(|numbers| numbers.first().copied());
        let length = one(&["UnitLength_in_cm", "UnitLength_In_CGS", "Unit length in cgs (U_L)"]);
        let mass = one(&["UnitMass_in_g", "UnitMass_In_CGS", "Unit mass in cgs (U_M)"]);
        let seconds = one(&["Unit time in cgs (U_t)"]);
        let velocity = one(&["UnitVelocity_in_cm_per_s", "UnitVelocity_In_CGS"])
            .or(length.zip(seconds).map(|(length, time)| length / time));
        let (time, redshift) = (one(&["Time"]), one(&["Redshift"]));
        // Without a word on it: where the time is the scale factor of the redshift, in a universe with matter.
        let is_scale = time
            .zip(redshift)
            .is_some_and(|(time, redshift)| (time * (1.0 + redshift) - 1.0).abs() < 1e-6);
        let said = one(&["ComovingIntegrationOn", "Cosmological run"]).map(|flag| flag != 0.0);
        let has_matter = one(&["Omega0", "Omega_Matter", "Omega_m"]).is_some_and(|omega| omega > 0.0);
        let is_comoving = said.unwrap_or(is_scale && has_matter);
        // SWIFT keeps no factors of h.
        let is_swift = seconds.is_some();
        let scale = if is_comoving {
            redshift.map(|redshift| 1.0 / (1.0 + redshift)).or(time)
        } else {
            None
        };
        Ok(Some(Self {
            length,
            velocity,
            mass,
            time,
            scale_factor: scale.filter(|a| a.is_finite() && *a > 0.0).unwrap_or(1.0),
            h: one(&["HubbleParam"]).filter(|h| *h > 0.0 && !is_swift).unwrap_or(1.0),
            is_comoving,
            masses: find(&["MassTable"]).unwrap_or_default(),
            files: one(&["NumFilesPerSnapshot"]).unwrap_or(1.0),
        }))
    }

    /// All files of the snapshot that `path` is one of, in the order of their numbers.
    pub fn files(&self, path: &Path) -> Result<Vec<PathBuf>, FormatError> {
        if self.files <= 1.0 {
            return Ok(vec![path.to_owned()]);
        }
        let (shown, count) = (path.display(), self.files);
        if !(count < MOST_FILES && count.fract() == 0.0) {
            return Err(damaged(path, &format!("it says it is one of {count} files")));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let words: Vec<&str> = name.split('.').collect();
        let is_number = |word: &&str| !word.is_empty() && word.parse::<f64>().is_ok_and(|number| number < count);
        // Before the ending, and after the name.
        let place = (1..words.len().saturating_sub(1)).rfind(|&place| is_number(&words[place]));
        let Some(place) = place else {
            return Err(FormatError::with_hint(
                format!("{shown} is one of {count} files of a snapshot, and its name does not say which"),
                "name them as they were written: snap_000.0.hdf5, snap_000.1.hdf5, …",
            ));
        };
        let numbers = (0..count as usize).map(|number| number.to_string());
        let files = numbers.map(|number| {
            let mut words = words.clone();
            words[place] = &number;
            path.with_file_name(words.join("."))
        });
        let files: Vec<PathBuf> = files.collect();
        match files.iter().find(|file| !file.is_file()) {
            Some(missing) => {
                let missing = missing.file_name().unwrap_or_default().to_string_lossy();
                Err(FormatError::with_hint(
                    format!("{shown} is one of {count} files of a snapshot, and {missing} is not beside it"),
                    "copy all of them into one folder",
                ))
            }
            None => Ok(files),
        }
    }

    /// The particles of one type, in all files of the snapshot: the one that is wanted, or the only one.
    pub fn open(&self, path: &Path, root: &Group, table: Option<&str>) -> Result<Opened, FormatError> {
        let shown = path.display();
        let mut files = Vec::new();
        for file in self.files(path)? {
            let root = if file == path {
                root.clone()
            } else {
                super::root(&file)?
            };
            files.push((file, root));
        }
        let type_of = |name: &str| name.strip_prefix("PartType")?.parse::<usize>().ok();
        let mut there: Vec<usize> = Vec::new();
        for (file, root) in &files {
            let (groups, _) = root.member_names().map_err(|error| failed(file, "its root", &error))?;
            there.extend(groups.iter().filter_map(|name| type_of(name)));
        }
        there.sort_unstable();
        there.dedup();
        let called = |of: &usize| {
            TYPES
                .get(*of)
                .map_or_else(|| format!("PartType{of}"), |name| (*name).to_owned())
        };
        let names = || there.iter().map(called).collect::<Vec<_>>().join(", ");
        let wanted = match (table, there.as_slice()) {
            (None, [only]) => Some(*only),
            (None, _) => {
                return Err(FormatError::with_hint(
                    format!("{shown} has particles of several types: {}", names()),
                    "say which: such as `particles: stars`",
                ));
            }
            (Some(name), _) => TYPES.iter().position(|of| *of == name).or_else(|| type_of(name)),
        };
        let Some(wanted) = wanted.filter(|of| there.contains(of)) else {
            return Err(FormatError::with_hint(
                format!("{shown} has no particles {}", table.unwrap_or_default()),
                format!("there are: {}", names()),
            ));
        };
        let name = format!("PartType{wanted}");
        let mut opened = Opened {
            files: Vec::new(),
            notes: vec![self.note(path)],
        };
        for (file, root) in files {
            // A file without such particles has no group for them.
            let Ok(group) = root.group(&name) else { continue };
            let mut opening = of_group(&file, &group)?;
            self.add(wanted, &mut opening.parts);
            opened.files.push(opening);
        }
        Ok(opened)
    }

    /// Units of the columns that the header knows, and columns that it holds itself.
    fn add(&self, of: usize, parts: &mut Vec<Part>) {
        let in_cgs = |unit: Option<f64>, power: f64, name: &str| {
            let factor = unit? * power;
            (factor > 0.0 && factor.is_finite()).then(|| format!("{factor:e} {name}"))
        };
        let (a, h) = (self.scale_factor, self.h);
        let length = in_cgs(self.length, a / h, "cm");
        let velocity = in_cgs(self.velocity, a.sqrt(), "cm/s");
        let mass = in_cgs(self.mass, 1.0 / h, "g");
        for part in parts.iter_mut() {
            let Column { name, unit, .. } = &mut part.column;
            let known = match name.split('[').next().unwrap_or_default() {
                "Coordinates" | "CenterOfMass" => &length,
                "Velocities" | "Velocity" => &velocity,
                "Masses" | "Mass" => &mass,
                _ => continue,
            };
            if let Some(known) = known {
                *unit = Some(known.clone());
            }
        }
        let has_mass = parts.iter().any(|part| part.column.name == "Masses");
        if let Some(number) = self.masses.get(of).filter(|number| **number > 0.0 && !has_mass) {
            parts.push(part::constant("Masses", *number, mass, "mass, the same for all"));
        }
        if let Some(time) = self.time.filter(|_| !self.is_comoving) {
            let seconds = self
                .length
                .zip(self.velocity)
                .map(|(length, velocity)| length / velocity);
            let unit = in_cgs(seconds, 1.0 / h, "s");
            parts.push(part::constant("Time", time, unit, "time of the snapshot"));
        }
    }

    fn note(&self, path: &Path) -> String {
        let shown = path.display();
        match (self.length.is_some(), self.is_comoving) {
            (false, _) => format!("the header of {shown} states no units: those of the mapping count"),
            (true, true) => format!(
                "{shown} is comoving: lengths are turned into physical ones by its a = {} and h = {}",
                self.scale_factor, self.h
            ),
            (true, false) => format!("units and time are those of the header of {shown}"),
        }
    }
}
