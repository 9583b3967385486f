//! A pipeline for the columns of a file: the template, with the file's own mapping, or without streams a known potential.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use formats::{Column, How, Label, Role};
use stages::sample::import_streams::{GAP, Partial, STREAM_NAMES, misfit, not_used, unit_of};

use crate::cli::export::said;
use crate::cli::failure::Failure;
use crate::cli::quick::columns::{self, Pairs};
use crate::cli::quick::{absolute, quoted};
use crate::console::count;

/// Fewest streams that a map is learned from: some choose its best epoch, and some test it.
const FEWEST: usize = 10;

/// A pipeline, and what was found in the file that it is for.
pub struct Written {
    /// The pipeline.
    pub yaml: String,
    /// Lines that say what was found.
    pub found: Vec<String>,
    /// Whether its user has columns still to name.
    pub has_gaps: bool,
}

/// What a file has.
struct Found {
    /// Its path, the same from any folder.
    path: String,
    /// Which table of several.
    table: Option<String>,
    columns: Vec<Column>,
    /// Our columns, each with the file's.
    mapped: Pairs,
    /// Ours that are not known by their names, each with what may be the file's.
    gaps: Vec<(&'static str, Vec<String>)>,
    rows: usize,
    streams: usize,
}

/// Writes a pipeline called `name` for a file of stars.
///
/// Where columns that say where stars are have other names, it has gaps.
pub fn pipeline(template: &str, file: &Path, table: Option<&str>, name: &str) -> Result<Written, Failure> {
    let how = How {
        table,
        ..How::default()
    };
    let mut found = look(file, how)?;
    // What was not measured is drawn only beside errors of what was.
    if !found.has("v_los", "vx") && !found.has_errors() {
        found.gaps.push(("v_los", Vec::new()));
    }
    let mut lines = vec![told(&found)];
    if !found.gaps.is_empty() {
        let gaps: Vec<&str> = found.gaps.iter().map(|(ours, _)| *ours).collect();
        let gaps = gaps.join(", ");
        lines.push(format!(
            "not known by their names: {gaps}; write the file's columns for them in place of {GAP}"
        ));
    }
    let names: Vec<String> = found.columns.iter().map(|column| column.name.clone()).collect();
    lines.extend(not_used(&names, &found.mapped));
    for (ours, theirs) in &found.mapped {
        let misfit = found
            .column(theirs)
            .and_then(|column| misfit(ours, column.unit.as_deref()?));
        lines.extend(misfit.map(|why| format!("look at column {theirs}: {why}")));
    }
    let learns = found.streams >= FEWEST && found.has("v_los", "vx");
    let why = match (found.streams, learns) {
        (0, _) => "no column tells streams: the pipeline finds actions in a known potential".to_owned(),
        (streams, true) => format!("{streams} streams: the pipeline learns the field and the actions from them"),
        (streams, false) if streams < FEWEST => {
            format!("{streams} streams are too few to learn from: the pipeline takes a known potential")
        }
        (streams, false) => {
            format!("{streams} streams without line-of-sight velocities: the pipeline takes a known potential")
        }
    };
    lines.push(why.clone());
    if !found.has("v_los", "vx") {
        lines.push("no line-of-sight velocities: they are drawn, which standard deviations tell".to_owned());
    } else if found.has_errors() {
        lines.push("the file states errors: actions get standard deviations and intervals".to_owned());
    }
    let yaml = match learns {
        true => learned(template, &found, file, name),
        false => known(&found, file, name, &why),
    };
    Ok(Written {
        yaml,
        found: lines,
        has_gaps: !found.gaps.is_empty(),
    })
}

fn look(file: &Path, how: How) -> Result<Found, Failure> {
    let failed = |error: formats::FormatError| Failure::Work(said(&error));
    let columns = formats::columns(file, how).map_err(failed)?;
    let Partial {
        known: mut mapped,
        mut gaps,
    } = columns::with_gaps(file, &columns)?;
    mapped.retain(|(ours, _)| ours != "stream");
    // What was not measured need not be there, beside errors.
    let has_errors = mapped.iter().any(|(ours, _)| ours.ends_with("_error"));
    gaps.retain(|(ours, like)| *ours != "v_los" || !has_errors || !like.is_empty());
    let read = |name: &str| formats::read(file, how, &[(name, Role::Label)]).map_err(failed);
    let mut found = Found {
        path: absolute(file)?,
        table: how.table.map(str::to_owned),
        rows: 0,
        streams: 0,
        columns: Vec::new(),
        mapped: Vec::new(),
        gaps,
    };
    // A label that hardly comes twice is that of a star.
    for column in columns.iter().filter(|column| is_label(&column.name)) {
        let table = read(&column.name)?;
        let labels: HashSet<(bool, i64)> = (0..table.rows)
            .filter_map(|row| match table.labels(&column.name)?.get(row) {
                Label::Number(number) => Some((true, number)),
                Label::Name(place) => Some((false, place.into())),
                _ => None,
            })
            .collect();
        found.rows = table.rows;
        if !labels.is_empty() && 2 * labels.len() <= table.rows {
            found.streams = labels.len();
            mapped.insert(0, ("stream".to_owned(), column.name.clone()));
            break;
        }
    }
    if found.streams == 0 {
        mapped.retain(|(ours, _)| ours != "star");
        let any = mapped.first().map(|(_, theirs)| theirs);
        if let Some(any) = any.or(columns.first().map(|column| &column.name)) {
            found.rows = read(any)?.rows;
        }
    }
    Ok(Found {
        columns,
        mapped,
        ..found
    })
}

fn is_label(name: &str) -> bool {
    let names = std::iter::once(&"stream").chain(&STREAM_NAMES);
    names.into_iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Found {
    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether one of two of our columns is there.
    fn has(&self, one: &str, other: &str) -> bool {
        let is_it = |ours: &str| ours == one || ours == other;
        self.mapped.iter().any(|(ours, _)| is_it(ours)) || self.gaps.iter().any(|(ours, _)| is_it(ours))
    }

    fn has_errors(&self) -> bool {
        self.mapped.iter().any(|(ours, _)| ours.ends_with("_error"))
    }

    fn has_truth(&self) -> bool {
        ["J_phi", "J_z", "J_r"].iter().all(|name| self.has(name, name))
    }

    /// Columns that are not mapped, with their units.
    fn others(&self) -> Vec<String> {
        let is_other =
            |column: &&Column| column.can_be_kept() && self.mapped.iter().all(|(_, name)| *name != column.name);
        let others = self.columns.iter().filter(is_other);
        others
            .map(|column| match column.unit.as_deref() {
                Some(unit) if !unit.is_empty() => format!("{} [{unit}]", one_line(&column.name)),
                _ => one_line(&column.name),
            })
            .collect()
    }

    /// The parameters of `import_streams`, as YAML below `with`.
    fn parameters(&self) -> String {
        let mut yaml = format!("        path: {}\n", quoted(&self.path));
        if let Some(table) = &self.table {
            let _ = writeln!(yaml, "        table: {}", quoted(table));
        }
        let others = self.others();
        if !others.is_empty() {
            yaml += "        keep: all # what is not mapped travels along, into exported files\n";
        }
        yaml += "        # Our columns: the file's. Where its unit or sign differs: x: { column: X_gal, unit: pc, factor: -1 }\n";
        yaml += "        columns:\n";
        for (ours, theirs) in &self.mapped {
            let stated = self
                .column(theirs)
                .and_then(|column| column.unit.as_deref())
                .unwrap_or_default();
            let comment = match (unit_of(ours), stated.trim()) {
                ("", _) => String::new(),
                (unit, "") => format!(" # no unit is stated: {unit}"),
                (_, stated) => format!(" # {}", one_line(stated)),
            };
            let _ = writeln!(yaml, "          {ours}: {}{comment}", quoted(theirs));
        }
        for (ours, like) in &self.gaps {
            let like = like.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
            let maybe = if like.is_empty() {
                String::new()
            } else {
                format!(", perhaps {like}")
            };
            let unit = unit_of(ours);
            let _ = writeln!(yaml, "          {ours}: {GAP} # the file's column, in {unit}{maybe}");
        }
        for line in others.chunks(8) {
            let _ = writeln!(yaml, "          # not mapped: {}", line.join(", "));
        }
        yaml
    }
}

/// A text that ends no comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn told(found: &Found) -> String {
    let ending = |ending: &str| found.mapped.iter().filter(|(ours, _)| ours.ends_with(ending)).count();
    let (errors, correlations) = (ending("_error"), ending("_corr"));
    let kept = found.others().len();
    let mapped = found.mapped.len() - errors - correlations;
    let rows = count(found.rows, "row");
    let mut text = format!("{rows}; {mapped} columns are known by their names");
    if errors + correlations > 0 {
        let _ = write!(text, ", of errors {errors} and of correlations {correlations} besides");
    }
    if kept > 0 {
        let _ = write!(text, "; kept as they are: {kept} more");
    }
    text
}

/// The template, with what the file has.
fn learned(template: &str, found: &Found, file: &Path, name: &str) -> String {
    let (_, body) = template.split_once("\npipeline: your_data\n").unwrap_or(("", template));
    let (before, rest) = body.split_once("        # Absolute, or relative").unwrap_or((body, ""));
    let (_, after) = rest.split_once("\n\n").unwrap_or(("", rest));
    let mut after = after.to_owned();
    if !found.has_truth() {
        let (kept, rest) = after.split_once("  # Leave these two out").unwrap_or((&after, ""));
        let (_, rest) = rest.split_once("\n\n").unwrap_or(("", rest));
        after = format!("{kept}{rest}");
    }
    if found.has_errors() {
        after = after.replace(
            "  alone: { predict: { from: { network: actions, stars: sets.test } } }\n",
            "  # Training takes stars as they were measured; here each is drawn from its errors.\n  alone:\n    predict: { from: { network: actions, \
             stars: sets.test }, with: { errors: { samples: 64, seed: $seed } } }\n",
        );
    }
    format!(
        "{}pipeline: {}\n{before}{}\n{after}",
        head(file, name),
        quoted(name),
        found.parameters()
    )
}

fn head(file: &Path, name: &str) -> String {
    let file = one_line(&file.display().to_string());
    format!("# Written by `actionfinder new --from` for the columns of {file}.\n#   actionfinder run {name}.yaml\n")
}

/// Actions in a known potential.
fn known(found: &Found, file: &Path, name: &str, why: &str) -> String {
    let dispersion = match found.has("v_los", "vx") {
        true => "",
        false => ", v_los_dispersion: 120 km/s",
    };
    let (seed, errors) = match found.has_errors() || !dispersion.is_empty() {
        true => (
            "  seed: 1\n",
            format!("        errors: {{ samples: 64, seed: $seed{dispersion} }}\n"),
        ),
        false => ("", String::new()),
    };
    let quoted_name = quoted(name);
    let (head, parameters) = (head(file, name), found.parameters());
    format!(
        "{head}# {why}.\npipeline: {quoted_name}
about: Actions of my stars in a known potential

params:
  potential: mcmillan_17 # a name (actionfinder explain), {{ agama: FILE.ini }}, or a formula
{seed}
stages:
  stars:
    import_streams:
      with:
{parameters}
  # The Stäckel fudge is fast, and good to some per cent. With an error of its own, and slow: {{ o2gf: {{ potential: $potential }} }}
  actions:
    estimate_actions:
      from: {{ stars: stars }}
      with:
        method: {{ staeckel_fudge: {{ potential: $potential }} }}
{errors}
  space:
    figure: {{ from: {{ stars: actions }}, with: {{ draw: action_space }} }}
"
    )
}
