//! Which columns of a file are which of ours, by the names that are usual.

use std::path::Path;

use formats::How;

use crate::cli::export::said;
use crate::cli::failure::Failure;

/// Our columns, with the names that files have for them, in any case.
const KNOWN: [(&str, &[&str]); 19] = [
    ("x", &["x"]),
    ("y", &["y"]),
    ("z", &["z"]),
    ("vx", &["vx", "v_x"]),
    ("vy", &["vy", "v_y"]),
    ("vz", &["vz", "v_z"]),
    ("ra", &["ra", "ra_icrs", "raj2000"]),
    ("dec", &["dec", "de_icrs", "dej2000", "decj2000"]),
    ("l", &["l", "glon"]),
    ("b", &["b", "glat"]),
    ("distance", &["distance", "dist"]),
    ("parallax", &["parallax", "plx"]),
    ("pmra", &["pmra", "pm_ra_cosdec"]),
    ("pmdec", &["pmdec", "pm_dec", "pmde"]),
    ("mu_l_cosb", &["mu_l_cosb", "pm_l_cosb", "pml"]),
    ("mu_b", &["mu_b", "pm_b", "pmb"]),
    ("radial_velocity", &["radial_velocity", "v_los", "vlos", "rv", "hrv"]),
    ("stream", &["stream"]),
    ("star", &["star"]),
];

/// The sets of columns that say where a star is and how it moves; of two with a bar, one.
const SETS: [&[&str]; 3] = [
    &["x", "y", "z", "vx", "vy", "vz"],
    &["ra", "dec", "distance|parallax", "pmra", "pmdec", "radial_velocity"],
    &["l", "b", "distance|parallax", "mu_l_cosb", "mu_b", "radial_velocity"],
];

/// Our columns, each with the file's.
pub type Pairs = Vec<(&'static str, String)>;

/// The columns of a file that are needed.
pub fn mapped(file: &Path) -> Result<Pairs, Failure> {
    let columns = formats::columns(file, How::default()).map_err(|error| Failure::Work(said(&error)))?;
    let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
    choose(&columns).map_err(|why| {
        let found = shortened(&columns);
        Failure::Usage(format!(
            "{}: {why}\n  its columns: {found}\n  needed: {}\n  other names are mapped in a pipeline: actionfinder new",
            file.display(),
            "x y z vx vy vz; or ra dec pmra pmdec, or l b mu_l_cosb mu_b, with distance or parallax, and radial_velocity"
        ))
    })
}

/// The first of the names for our column that a file has.
fn find<'a>(columns: &'a [String], ours: &str) -> Option<&'a String> {
    let (_, names) = KNOWN.iter().find(|(name, _)| *name == ours)?;
    names
        .iter()
        .find_map(|name| columns.iter().find(|column| column.eq_ignore_ascii_case(name)))
}

/// The columns of the first set that is complete, and what tells the stars apart; or what is missing of the set of which most is there.
fn choose(columns: &[String]) -> Result<Pairs, String> {
    let mut nearest: Option<(usize, Vec<&str>)> = None;
    for set in SETS {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for either in set {
            let there = either.split('|').find_map(|ours| Some((ours, find(columns, ours)?)));
            match there {
                Some((ours, theirs)) => found.push((ours, theirs.clone())),
                None => missing.push(either.split('|').next().unwrap_or_default()),
            }
        }
        if missing.is_empty() {
            // Stars of no stream are known by their rows, and what else the file says of them is kept.
            if let Some(stream) = find(columns, "stream") {
                found.insert(0, ("stream", stream.clone()));
                found.extend(find(columns, "star").map(|star| ("star", star.clone())));
            }
            return Ok(found);
        }
        if nearest.as_ref().is_none_or(|(most, _)| found.len() > *most) {
            nearest = Some((found.len(), missing));
        }
    }
    match nearest {
        Some((found, missing)) if found > 0 => Err(format!("has no column {}", missing.join(", "))),
        _ => Err("has no column that is known".to_owned()),
    }
}

/// Names, as many as a line holds.
fn shortened(columns: &[String]) -> String {
    const MOST: usize = 24;
    let mut text = columns.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if columns.len() > MOST {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn usual_names_are_known_in_any_case() {
        let of = |text: &str| choose(&names(text)).unwrap();
        let gaia = of("source_id ra dec parallax pmra pmdec phot_g_mean_mag radial_velocity");
        assert_eq!(gaia[2], ("parallax", "parallax".to_owned()));
        let clusters = of("name RA Dec distance pmra pmdec vlos");
        assert_eq!(clusters[5], ("radial_velocity", "vlos".to_owned()));
        assert_eq!(of("id X Y Z v_x v_y v_z x_err").len(), 6);
        assert_eq!(of("stream star l b dist pml pmb rv").last().unwrap().0, "star");
        // Distances come before parallaxes.
        assert_eq!(of("id ra dec parallax dist pmra pmdec rv")[2].0, "distance");
    }

    #[test]
    fn what_is_missing_is_said_of_the_set_that_is_nearest() {
        let of = |text: &str| choose(&names(text)).unwrap_err();
        assert_eq!(
            of("source_id ra dec parallax pmra pmdec"),
            "has no column radial_velocity"
        );
        assert_eq!(of("id l b rv"), "has no column distance, mu_l_cosb, mu_b");
        assert_eq!(of("a b_"), "has no column that is known");
    }
}
