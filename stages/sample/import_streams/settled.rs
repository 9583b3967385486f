//! What the header of a file says before anything runs: columns that are known by their names, and mapped ones that are not there.

use std::path::{Path, PathBuf};

use formats::Column;
use runner::error::StageError;
use runner::stage::{Fault, FileParameter, Stage};

use super::source::COLUMNS;
use super::{ImportStreams, Keep, file, recognised};

/// The stage with what its files say; or all that is wrong with what it asks of them.
pub(super) fn settled(
    stage: &ImportStreams,
    at: &dyn Fn(&Path) -> PathBuf,
) -> Result<Option<ImportStreams>, Vec<Fault>> {
    let files = stage.files();
    let read: Vec<&FileParameter> = files.iter().filter(|file| file.parameter != "parts").collect();
    // What is wrong with the files themselves is reported elsewhere.
    if read.is_empty() || read.iter().any(|file| !at(&file.path).is_file()) {
        return Err(Vec::new());
    }
    let mut found = ImportStreams {
        parts: with_others(stage, &files, at)?,
        ..stage.clone()
    };
    let columns = |file: &FileParameter| {
        let columns = file::columns(&at(&file.path), stage.how());
        columns.map_err(|error| vec![fault(&file.name(), error)])
    };
    let is_mapped = !stage.columns.is_empty();
    if !is_mapped {
        found.columns = known_by_name(stage, read[0], &columns(read[0])?)?;
    }
    for file in read {
        let faults = misfits(&found, is_mapped, file, &columns(file)?);
        if !faults.is_empty() {
            return Err(faults);
        }
    }
    Ok((found != *stage).then_some(found))
}

/// A mistake of a file as one of a parameter.
fn fault(at: &str, error: StageError) -> Fault {
    match error {
        StageError::Failed { message, hint } => Fault {
            hint,
            ..Fault::new(at, message)
        },
        error => Fault::new(at, error.to_string()),
    }
}

/// The parts of snapshots, where they are not given those beside each.
fn with_others(
    stage: &ImportStreams,
    files: &[FileParameter],
    at: &dyn Fn(&Path) -> PathBuf,
) -> Result<Vec<PathBuf>, Vec<Fault>> {
    let mut parts = stage.parts.clone();
    if !parts.is_empty() {
        return Ok(parts);
    }
    for file in files.iter().filter(|file| stage.is_hdf5(&file.path)) {
        let path = at(&file.path);
        let all = file::parts(&path, stage.how()).map_err(|error| vec![fault(&file.name(), error)])?;
        let others = all.iter().filter(|part| **part != path);
        parts.extend(others.filter_map(|part| Some(file.path.with_file_name(part.file_name()?))));
    }
    Ok(parts)
}

/// The mapping of columns by their names.
fn known_by_name(
    stage: &ImportStreams,
    file: &FileParameter,
    there: &[Column],
) -> Result<super::ColumnMap, Vec<Fault>> {
    let names: Vec<String> = there.iter().map(|column| column.name.clone()).collect();
    let mut columns = recognised(&names).map_err(|reason| {
        let there = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut fault = Fault::new(&file.name(), format!("{}: {reason}", file.path.display()));
        fault.hint = Some(format!("map others by `columns`; columns there are: {there}"));
        vec![fault]
    })?;
    if stage.path.is_none() {
        // A star is a snapshot, and its time may be stated.
        columns.star = None;
        columns.t = columns.t.filter(|_| stage.times.is_empty());
    }
    Ok(columns)
}

/// Columns that a file does not have or has twice, and units of it that are none of ours: of each the mistake where it is mapped or kept.
fn misfits(stage: &ImportStreams, is_mapped: bool, file: &FileParameter, there: &[Column]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut expect = |parameter: String, name: &str| match file::has_once(&file.path, there, name) {
        Ok(()) => true,
        Err(error) => {
            faults.push(fault(&parameter, error));
            false
        }
    };
    // What is known by its name stands nowhere in the pipeline.
    let place = |ours: &str| match is_mapped {
        true => format!("columns.{ours}"),
        false => file.name(),
    };
    for (ours, source) in [("stream", &stage.columns.stream), ("star", &stage.columns.star)] {
        if let Some(source) = source {
            expect(place(ours), source.name());
        }
    }
    let numbers = stage.columns.numbers().into_iter();
    let numbers: Vec<_> = numbers
        .filter(|(number, source)| expect(place(COLUMNS[*number].name), source.name()))
        .collect();
    if let Some(Keep::Names(names)) = &stage.keep {
        for (number, name) in names.iter().enumerate() {
            expect(format!("keep.{number}"), name);
        }
    }
    for (number, source) in numbers {
        let ours = &COLUMNS[number];
        let column = there.iter().find(|column| column.name == source.name());
        let unit = column.and_then(Column::stated_unit);
        if let Err(error) = source.scale(ours, unit, &file.path.display().to_string()) {
            faults.push(fault(&place(ours.name), error));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    /// What the plan says of a file with this text, each `place: message | hint`.
    fn planned(text: &str, name: &str, with: Value) -> Result<Option<ImportStreams>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let mut with = with;
        with["path"] = json!(name);
        let stage: ImportStreams = crate::testing::stage(with);
        let shown = |fault: Fault| {
            format!(
                "{}: {} | {}",
                fault.at.join("."),
                fault.message,
                fault.hint.unwrap_or_default()
            )
        };
        settled(&stage, &|path| folder.path().join(path)).map_err(|faults| faults.into_iter().map(shown).collect())
    }

    #[test]
    fn every_column_that_is_not_there_is_a_mistake_where_it_is_mapped() {
        let header = "name,X,y,z,vx,vy,vz,e_vr,feh,feh,note\n1,8,0,0,0,220,0,1,0,0,a\n";
        let columns = json!({
            "stream": "nam", "star": "number", "x": "X_GAL", "y": "y", "z": { "column": "Z", "unit": "pc" },
            "vx": "vx", "vy": "vy", "vz": "vz", "v_los_error": "e_vlos",
        });
        let said = planned(
            header,
            "a.csv",
            json!({ "columns": columns, "keep": ["note", "Note", "feh"] }),
        )
        .unwrap_err();
        let places: Vec<&str> = said.iter().map(|said| said.split(':').next().unwrap()).collect();
        let expected = [
            "columns.stream",
            "columns.star",
            "columns.x",
            "columns.z",
            "columns.v_los_error",
            "keep.1",
            "keep.2",
        ];
        assert_eq!(places, expected, "{said:?}");
        assert!(
            said[0].contains("a.csv has no column nam | did you mean name instead of nam?"),
            "{}",
            said[0]
        );
        assert!(said[3].contains("did you mean z instead of Z?"), "{}", said[3]);
        assert!(said[6].contains("has the column feh twice"), "{}", said[6]);

        // What is there is no mistake, and changes nothing.
        let right = json!({ "stream": "name", "x": "X", "y": "y", "z": "z", "vx": "vx", "vy": "vy", "vz": "vz" });
        assert_eq!(
            planned(header, "a.csv", json!({ "columns": right, "keep": ["note"] })),
            Ok(None)
        );
    }

    #[test]
    fn a_unit_of_the_header_that_is_none_of_ours_is_a_mistake() {
        let column = |name: &str, unit: &str| format!("# - {{name: {name}, unit: {unit}, datatype: float64}}\n");
        let units = [
            ("x", "mas"),
            ("y", "pc"),
            ("z", "kpc"),
            ("vx", "km/s"),
            ("vy", "km/s"),
            ("vz", "kpc"),
        ];
        let top: String = units.map(|(name, unit)| column(name, unit)).concat();
        let text = format!("# %ECSV 1.0\n# ---\n# datatype:\n{top}x y z vx vy vz\n8 0 0 0 220 0\n");
        let columns = json!({ "x": "x", "y": "y", "z": "z", "vx": "vx", "vy": "vy", "vz": "vz" });
        let said = planned(&text, "a.ecsv", json!({ "columns": columns })).unwrap_err();
        let places: Vec<&str> = said.iter().map(|said| said.split(':').next().unwrap()).collect();
        assert_eq!(places, ["columns.x", "columns.vz"], "{said:?}");
        // Known by their names, they are a mistake of the file.
        assert!(planned(&text, "a.ecsv", json!({})).unwrap_err()[0].starts_with("path: a.ecsv: the unit of column x"));
    }

    #[test]
    fn an_incomplete_cartesian_set_is_of_the_user() {
        let header = "source_id,ra,dec,parallax,pmra,pmdec,radial_velocity,x,y,vx\n1,1,1,1,1,1,1,1033.5,20.1,0\n";
        let found = planned(header, "gaia.csv", json!({ "keep": "all" })).unwrap().unwrap();
        assert!(found.columns.x.is_none() && found.columns.y.is_none() && found.columns.vx.is_none());
        assert!(found.recipe().sun.is_some());
        // Nor is a whole one used where the sky is whole; where it is not, that is.
        let whole = header.replace("x,y,vx", "x,y,vx,z,vy,vz");
        let found = planned(&whole, "gaia.csv", json!({})).unwrap().unwrap();
        assert!(found.columns.x.is_none() && found.recipe().sun.is_some());
        let without = whole.replace("radial_velocity", "rv_template");
        let found = planned(&without, "gaia.csv", json!({})).unwrap().unwrap();
        assert!(found.columns.has_cartesian() && !found.columns.has_sky());
        // Where there is nothing else, what lacks is said.
        assert!(planned("x,y,z,vx,vy\n", "a.csv", json!({})).unwrap_err()[0].contains("lacks vz"));
    }
}
