//! Imports a user's streams, from one table or from the snapshots of a simulation: names and units are mapped, bad rows are
//! named and set aside.
//!
//! One file of stars, `path`; or one file for each snapshot, `snapshots`, in which every particle is a stream, told by its
//! id, and every snapshot one of its stars. Without a column for `stream` the rows of a file are stars that belong to none:
//!
//! ```yaml
//! import_streams:
//!   with:
//!     snapshots: [snapshot_000.parquet, snapshot_001.parquet, snapshot_002.parquet]
//!     times: [0.0, 0.01, 0.02] # Gyr; left out, from a column mapped to t, or not at all
//!     columns: { stream: id, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz }
//! ```

mod file;
mod identity;
mod kept;
mod plausible;
mod recognised;
mod rows;
mod settled;
mod source;
mod twice;
mod values;
mod write;

use std::path::{Path, PathBuf};

use dynamics::sky::Sun;
use formats::{Ending, FORMATS, How};
use runner::arrow_schema::{DataType, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, column};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use formats::Format;

pub use self::identity::{Ids, number_of};
pub use self::kept::{All, Keep};
pub use self::recognised::{Partial, STREAM_NAMES, as_far_as_known, misfit, recognised, unit_of};
pub use self::source::{ColumnMap, GAP, Source};
pub use self::twice::not_used;

use self::identity::Place;
use self::kept::{KEPT, KeptWriter};
use self::plausible::Medians;
use self::rows::Read;
use self::source::COLUMNS;
use self::twice::Twice;
use self::values::{Reading, Recipe, V_LOS, is_error};
use self::write::{SetAsideWriter, StarsWriter};
use crate::common::columns::{self, CARTESIAN, TIME};
use crate::common::parameters::{ANY, Gyr, Mas};
use crate::common::sun::{self, SunParameters};

/// `import_streams`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportStreams {
    /// The file: absolute, or relative to the pipeline's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Instead of `path`, one file for each snapshot of a simulation, in the order of time. The rows of a `stream` in them, which is
    /// a particle, are its stars 0, 1, 2, …; particles that are not in all of them are set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<PathBuf>,
    /// The other files of snapshots that were written in several, as Gadget and Arepo do; left out, those beside each, by their numbers:
    /// `snap_000.1.hdf5` and so on beside `snap_000.0.hdf5`, as many as its header says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PathBuf>,
    /// Times of the snapshots, Gyr.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Gyr<ANY>>,
    /// Its format; left out, told by the ending of its name.
    #[serde(default)]
    pub format: Option<Format>,
    /// What separates the columns of a text; left out, told by its header. A space stands for any number of spaces and tabs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Which table of a file that has several: its name, or its number from 1; left out, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Which particles of a snapshot in HDF5; left out, those there are, if of one type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub particles: Option<Particles>,
    /// Our columns, and where they come from. Needed are all of `x y z vx vy vz`, or `distance` (or `parallax`, `distance_modulus`) with
    /// `l b mu_l_cosb mu_b` or `ra dec pmra pmdec`; and `stream`, unless the stars belong to none. Left out, columns are known by their names, as
    /// Gaia, galstreams, galpy, astropy and VizieR have them, errors and correlations too. Of a file with both, what is seen on the sky is used
    /// where it has line-of-sight velocities; a note says so, and a finding where the two contradict each other.
    #[serde(default, skip_serializing_if = "ColumnMap::is_empty")]
    pub columns: ColumnMap,
    /// Columns of the file that travel with the stars as they are: a list of names, or `all` that are not mapped. The output `kept` has
    /// them with each star's row in the file, and `actionfinder export` puts them beside its results, in the order of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Whether streams have numbers or names; left out, told by their labels. A name's number is made of its letters alone, and the
    /// column `name` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Ids>,
    /// Where the Sun is and how it moves: for positions and velocities, which follow from the sky where the file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sun: Option<SunParameters>,
    /// Zero point of parallaxes, mas, which is taken off them; or map a column to `parallax_zero_point`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallax_zero_point: Option<Mas<ANY>>,
    /// What becomes of rows without `v_los`; set aside, if nothing is said. Kept, they are for `recover_velocities`, and no row has
    /// positions and velocities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_v_los: Option<MissingVLos>,
}

/// Types of particles, as Gadget numbers them: from 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Particles {
    /// `PartType0`.
    Gas,
    /// `PartType1`, also called halo.
    Dark,
    /// `PartType2`, in simulations of one galaxy.
    Disc,
    /// `PartType3`, in simulations of one galaxy.
    Bulge,
    /// `PartType4`.
    Stars,
    /// `PartType5`.
    BlackHoles,
}

impl Particles {
    /// The group that holds them.
    fn group(self) -> &'static str {
        match self {
            Self::Gas => "PartType0",
            Self::Dark => "PartType1",
            Self::Disc => "PartType2",
            Self::Bulge => "PartType3",
            Self::Stars => "PartType4",
            Self::BlackHoles => "PartType5",
        }
    }
}

/// What becomes of rows without a line-of-sight velocity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingVLos {
    /// They are set aside.
    SetAside,
    /// They are kept, with nothing in `v_los`.
    Keep,
}

/// The output of rows of a file that are no stars.
const SET_ASIDE_ROWS: &str = "set_aside_rows";

impl Stage for ImportStreams {
    const KIND: &'static str = "import_streams";
    const ABOUT: &'static str =
        "Import a table of streams (Parquet, CSV, ECSV, FITS, VOTable, HDF5), or snapshots, mapping columns and units";
    const REVISION: u32 = 9;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let set_aside = Schema::new(vec![
            column(
                "snapshot",
                DataType::Int64,
                "",
                "",
                "place of the file in snapshots, from 0; 0 for a single file",
            ),
            column(
                "row",
                DataType::Int64,
                "",
                "",
                "row in the file, from 1, not counting a header",
            ),
            column(
                "column",
                DataType::Utf8,
                "",
                "",
                "column of the file; empty where it is the row",
            ),
            column("reason", DataType::Utf8, "", "", "what is wrong with the value"),
        ]);
        let timed = (!self.times.is_empty()).then(|| TIME.field());
        let recipe = self.recipe();
        let sun = self.sun.unwrap_or_default();
        let written = recipe.written(&self.columns).into_iter().map(|place| {
            let field = sun::seen_from(&sun, &COLUMNS[place]);
            field.with_nullable(is_error(place) || (place == V_LOS && recipe.keeps_missing_v_los))
        });
        let fields = columns::identity()
            .into_iter()
            .chain(timed)
            .chain(written)
            .chain([columns::name()]);
        let stars = OutputPort::table("stars", Schema::new(fields.collect::<Vec<_>>()));
        let kept = self.keep.as_ref().map(|_| OutputPort::table(KEPT, kept::schema()));
        let outputs = [stars, OutputPort::table(SET_ASIDE_ROWS, set_aside)];
        Ok(outputs.into_iter().chain(kept).collect())
    }

    fn check(&self) -> Vec<Fault> {
        // Without a mapping the file tells; see `settled`.
        let mut faults = if self.columns.is_empty() {
            Vec::new()
        } else {
            self.columns.faults()
        };
        if self.path.is_some() != self.snapshots.is_empty() {
            faults.push(Fault::new(
                "",
                "needs either path, one file, or snapshots, a list of files",
            ));
        }
        if self.path.is_none() && self.columns.star.is_some() {
            faults.push(Fault::new("columns.star", "stars are numbered by their snapshots"));
        }
        if self.path.is_none() && self.columns.stream.is_none() {
            let mut fault = Fault::new("columns", "lacks stream, by which a particle is known in all snapshots");
            fault.hint = Some("such as `stream: id`, or `stream: ParticleIDs`".to_owned());
            faults.push(fault);
        }
        if !self.times.is_empty() {
            let (times, snapshots) = (self.times.len(), self.snapshots.len());
            if times != snapshots {
                faults.push(Fault::new("times", format!("are {times}, of {snapshots} snapshots")));
            }
            if let Some(pair) = self.times.windows(2).find(|pair| pair[0] >= pair[1]) {
                faults.push(Fault::new(
                    "times",
                    format!("must increase: {} comes before {}", pair[0].get(), pair[1].get()),
                ));
            }
            if self.columns.t.is_some() {
                faults.push(Fault::new("columns.t", "times of the snapshots are given already"));
            }
        }
        let files = self.files();
        for (place, file) in files.iter().enumerate() {
            if file.place.is_some()
                && files[..place]
                    .iter()
                    .any(|other| other.place.is_some() && other.path == file.path)
            {
                faults.push(Fault::new(
                    &file.name(),
                    format!("{} is listed twice", file.path.display()),
                ));
            }
            if self.format.is_some() {
                continue;
            }
            let (message, hint) = match Format::of(&file.path) {
                Some(Ending::Read(_)) => continue,
                Some(Ending::NotRead(format)) => (format.message(&file.path), format.hint),
                None => (
                    format!("{} has no ending that tells its format", file.path.display()),
                    FORMATS,
                ),
            };
            let mut fault = Fault::new(&file.name(), message);
            fault.hint = Some(hint.to_owned());
            faults.push(fault);
        }
        if let Some(separator) = self.separator {
            let may_separate = separator.is_ascii_punctuation() || separator == ' ' || separator == '\t';
            if !may_separate || "\"#.+-_".contains(separator) {
                faults.push(Fault::new(
                    "separator",
                    format!("{separator:?} cannot separate columns"),
                ));
            }
        }
        if self.keep.is_some() && self.path.is_none() {
            faults.push(Fault::new("keep", "keeps columns of one file, and there are snapshots"));
        }
        if self.table.is_some() && self.particles.is_some() {
            faults.push(Fault::new("table", "particles say already which table is read"));
        }
        if self.sun.is_some() && !self.columns.is_empty() && !self.columns.has_sky() {
            faults.push(Fault::new("sun", "is used only where stars are seen on the sky"));
        }
        if self.parallax_zero_point.is_some() {
            if !self.columns.is_empty() && !self.columns.has("parallax") {
                faults.push(Fault::new("parallax_zero_point", "no column is mapped to parallax"));
            } else if self.columns.has("parallax_zero_point") {
                faults.push(Fault::new("parallax_zero_point", "a column is mapped to it already"));
            }
        }
        if self.missing_v_los.is_some() && !self.columns.is_empty() && !self.columns.has_v_los() {
            faults.push(Fault::new("missing_v_los", "no column is mapped to v_los"));
        }
        faults
    }

    fn files(&self) -> Vec<FileParameter> {
        let one = self.path.iter().map(|path| FileParameter {
            parameter: "path".into(),
            place: None,
            called: None,
            path: path.clone(),
        });
        let many = self.snapshots.iter().enumerate().map(|(place, path)| FileParameter {
            parameter: "snapshots".into(),
            place: Some(place),
            called: None,
            path: path.clone(),
        });
        let parts = self.parts.iter().enumerate().map(|(place, path)| FileParameter {
            parameter: "parts".into(),
            place: Some(place),
            called: None,
            path: path.clone(),
        });
        one.chain(many).chain(parts).collect()
    }

    fn settled(&self, at: &dyn Fn(&Path) -> PathBuf) -> Result<Option<Self>, Vec<Fault>> {
        settled::settled(self, at)
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let mut wanted = self.columns.wanted();
        let kept = match (&self.keep, &self.path) {
            (Some(keep), Some(_)) => {
                let mapped: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
                kept::wanted(keep, context.file("path")?, self.how(), &mapped)?
            }
            _ => Vec::new(),
        };
        wanted.extend(kept.iter().map(|column| (column.name.as_str(), formats::Role::Kept)));
        self.expect_parts(context)?;
        let twice = Twice::of_file(self, context, self.how())?;
        let compared: Vec<String> = twice.wanted().into_iter().map(|(name, _)| name.to_owned()).collect();
        wanted.extend(compared.iter().map(|name| (name.as_str(), formats::Role::Number)));
        let mut import = Import::new(self, context, kept.clone(), twice);
        match &self.path {
            // Stars that belong to no stream stay in the order of the file.
            Some(_) if self.columns.stream.is_none() && self.columns.star.is_none() => {
                let path = context.file("path")?;
                let rows = (TOGETHER / wanted.len().max(1)).max(1);
                file::read_pieces(path, self.how(), &wanted, rows, |table| import.take(&[table]))?;
            }
            Some(_) => import.take(&[file::read(context.file("path")?, self.how(), &wanted)?])?,
            None => {
                let read = |place| file::read(context.file(&format!("snapshots.{place}"))?, self.how(), &wanted);
                let tables = (0..self.snapshots.len()).map(read).collect::<Result<Vec<_>, _>>()?;
                import.take(&tables)?;
            }
        }
        import.finish()
    }
}

/// Numbers read together, at least.
const TOGETHER: usize = 1 << 19;

/// An import at work: rows go from the file into the outputs.
struct Import<'a> {
    stage: &'a ImportStreams,
    context: &'a StageContext,
    /// What the files are called.
    files: Vec<String>,
    stars: StarsWriter,
    set_aside: SetAsideWriter,
    kept: Option<KeptWriter>,
    said: write::Said,
    medians: Medians,
    twice: Twice,
    rows: usize,
    usable: usize,
    incomplete: usize,
}

impl<'a> Import<'a> {
    fn new(stage: &'a ImportStreams, context: &'a StageContext, kept: Vec<formats::Column>, twice: Twice) -> Self {
        let read = stage.path.iter().chain(&stage.snapshots);
        Self {
            stage,
            context,
            files: read.map(|path| path.display().to_string()).collect(),
            stars: StarsWriter::new(stage),
            set_aside: SetAsideWriter::new(stage),
            kept: stage.keep.as_ref().map(|_| KeptWriter::new(kept)),
            said: write::Said::default(),
            medians: Medians::default(),
            twice,
            rows: 0,
            usable: 0,
            incomplete: 0,
        }
    }

    /// Takes the next rows of a file, or all of several.
    fn take(&mut self, tables: &[formats::Table]) -> Result<(), StageError> {
        let Self { stage, context, .. } = *self;
        context.check_cancelled()?;
        let readings = tables
            .iter()
            .zip(&self.files)
            .map(|(table, file)| Reading::new(table, &stage.columns, stage.recipe(), file));
        let readings = readings.collect::<Result<Vec<_>, _>>()?;
        let mut read = Read::new(tables, &readings, &stage.columns, stage.ids, &|place| stage.row(place))?;
        if stage.path.is_none() {
            self.incomplete += read.set_aside_incomplete(tables.len(), stage.columns.stream_name());
        }
        self.rows += tables.iter().map(|table| table.rows).sum::<usize>();
        self.usable += read.rows.len();
        self.said.add(stage, tables, &read);
        tables.iter().for_each(|table| self.medians.begin(table));
        let (medians, twice) = (&mut self.medians, &mut self.twice);
        self.stars
            .append(stage, context, &readings, &read, &mut |row, values| {
                medians.add(values);
                // Of several files each has its own.
                if let [table] = tables {
                    twice.compare(table, row.at(), values);
                }
            })?;
        if let (Some(kept), Some(table)) = (&mut self.kept, tables.first()) {
            kept.append(context, table, &read)?;
        }
        self.set_aside.append(context, std::mem::take(&mut read.bad))
    }

    /// Ends the outputs, and says what was read.
    fn finish(self) -> Result<Outcome, StageError> {
        let (stage, context, rows) = (self.stage, self.context, self.rows);
        if stage.path.is_none() {
            context.metric("incomplete_streams", self.incomplete as f64, "");
        }
        let first = self.set_aside.finish(stage, context, rows)?;
        if self.usable == 0 {
            let files = &self.files;
            let more = if files.len() > 1 {
                format!(" and {} more files", files.len() - 1)
            } else {
                String::new()
            };
            let files = format!("{}{more}", files[0]);
            return Err(StageError::failed(match first {
                None => format!("{files} has no rows"),
                Some(bad) => {
                    let row = stage.row((bad.snapshot, bad.row));
                    format!(
                        "none of the {rows} rows of {files} can be used; row {row}{}",
                        bad.shown()
                    )
                }
            }));
        }
        write::notes(stage, context, &self.said);
        self.twice.tell(stage, context);
        self.medians.tell(stage, context);
        if let Some(kept) = self.kept {
            kept.finish(context)?;
        }
        self.stars.finish(context)?;
        Ok(Outcome::Complete)
    }
}

impl ImportStreams {
    /// What a row is called.
    fn row(&self, (snapshot, row): Place) -> String {
        match self.path {
            Some(_) => (row + 1).to_string(),
            None => format!("{} of snapshot {snapshot}", row + 1),
        }
    }

    /// Whether a file may be one of several of a snapshot.
    fn is_hdf5(&self, path: &Path) -> bool {
        match self.format {
            Some(format) => format == Format::Hdf5,
            None => Format::of(path) == Some(Ending::Read(Format::Hdf5)),
        }
    }

    /// An error if a file of a snapshot is not among those that were looked at for changes.
    fn expect_parts(&self, context: &StageContext) -> Result<(), StageError> {
        let part = |place| context.file(&format!("parts.{place}"));
        let known = (0..self.parts.len()).map(part).collect::<Result<Vec<_>, _>>()?;
        let files = self.files().into_iter();
        for file in files.filter(|file| file.parameter != "parts" && self.is_hdf5(&file.path)) {
            let path = context.file(&file.name())?;
            let all = file::parts(path, self.how())?;
            if let Some(other) = all
                .iter()
                .find(|part| *part != path && !known.contains(&part.as_path()))
            {
                return Err(StageError::with_hint(
                    format!("{} belongs to the snapshot, and is not in `parts`", other.display()),
                    "leave `parts` out to take the files that are beside each other",
                ));
            }
        }
        Ok(())
    }

    /// How the files are read.
    fn how(&self) -> How<'_> {
        How {
            format: self.format,
            separator: self.separator,
            table: self.particles.map(Particles::group).or(self.table.as_deref()),
        }
    }

    /// What follows from the columns of the file.
    fn recipe(&self) -> Recipe {
        let keeps_missing_v_los = self.missing_v_los == Some(MissingVLos::Keep);
        let has_none = CARTESIAN.iter().all(|column| !self.columns.has(column.name));
        let follow = has_none && self.columns.has_sky() && self.columns.has_v_los() && !keeps_missing_v_los;
        Recipe {
            sun: follow.then(|| Sun::from(&self.sun.unwrap_or_default())),
            from_equatorial: self.columns.has_equatorial(),
            zero_point: self.parallax_zero_point.map_or(0.0, |zero_point| zero_point.get()),
            keeps_missing_v_los,
        }
    }
}

#[cfg(test)]
mod said_tests;
#[cfg(test)]
mod tests;
