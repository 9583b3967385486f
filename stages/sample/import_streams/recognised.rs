//! Columns that are known by their names, as Gaia, galstreams, galpy, astropy, VizieR and snapshots of simulations have them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::source::{COLUMNS, ColumnMap};
use crate::common::units::factor;

/// Other names for `stream`.
pub const STREAM_NAMES: [&str; 5] = ["stream_id", "source_id", "name", "id", "particleids"];

/// Our columns, and other names for them, in any case. A column's own name is always known.
const OTHER_NAMES: [(&str, &[&str]); 22] = [
    ("stream", &STREAM_NAMES),
    ("star", &[]),
    ("t", &["time"]),
    ("x", &["coordinates[0]", "position[0]", "pos[0]"]),
    ("y", &["coordinates[1]", "position[1]", "pos[1]"]),
    ("z", &["coordinates[2]", "position[2]", "pos[2]"]),
    ("vx", &["v_x", "velocities[0]", "velocity[0]", "vel[0]"]),
    ("vy", &["v_y", "velocities[1]", "velocity[1]", "vel[1]"]),
    ("vz", &["v_z", "velocities[2]", "velocity[2]", "vel[2]"]),
    ("distance", &["dist"]),
    ("distance_modulus", &["distmod", "dist_mod"]),
    ("parallax", &["plx"]),
    ("parallax_zero_point", &["zero_point", "zpt", "parallax_zpt"]),
    ("l", &["glon"]),
    ("b", &["glat"]),
    ("mu_l_cosb", &["pm_l_cosb", "pml_cosb", "pmll", "pml"]),
    ("mu_b", &["pm_b", "pmbb", "pmb"]),
    ("ra", &["ra_icrs", "raj2000"]),
    ("dec", &["de_icrs", "dec_icrs", "dej2000", "decj2000"]),
    ("pmra", &["pm_ra_cosdec", "pmra_cosdec"]),
    ("pmdec", &["pm_dec", "pmde"]),
    ("v_los", &["radial_velocity", "vlos", "rv", "hrv"]),
];

/// Columns that have errors.
const WITH_ERRORS: [&str; 12] = [
    "distance",
    "distance_modulus",
    "parallax",
    "l",
    "b",
    "mu_l_cosb",
    "mu_b",
    "ra",
    "dec",
    "pmra",
    "pmdec",
    "v_los",
];

/// Ways to spell the error of a column, by what stands before and after its name.
const ERRORS: [(&str, &str); 5] = [("", "_error"), ("", "_err"), ("", "_e"), ("e_", ""), ("", "_unc")];

/// A name of galpy's for a correlation.
const PROPER_MOTIONS: (&str, &str) = ("pmra_pmdec_corr", "pmcorr");

pub(super) const EQUATORIAL: [&str; 4] = ["ra", "dec", "pmra", "pmdec"];
pub(super) const GALACTIC: [&str; 4] = ["l", "b", "mu_l_cosb", "mu_b"];
pub(super) const CARTESIAN: [&str; 6] = ["x", "y", "z", "vx", "vy", "vz"];
/// Of these one is taken, the first that is there: whoever adds distances to a table of parallaxes prefers them.
pub(super) const DEPTHS: [&str; 3] = ["distance", "distance_modulus", "parallax"];

/// Ours where stars are and how they move, as three kinds of tables have it; the sky's stand without what says how far stars are.
const SETS: [&[&str]; 3] = [&EQUATORIAL, &GALACTIC, &CARTESIAN];

/// A mapping that is not whole.
pub struct Partial {
    /// Our columns that are known, each with the file's.
    pub known: Vec<(String, String)>,
    /// Ours that are not, each with the columns of the file whose names are like it.
    pub gaps: Vec<(&'static str, Vec<String>)>,
}

/// The mapping of a file some of whose columns have other names, as far as it is known: for the kind of table that it is most like.
pub fn as_far_as_known(names: &[String]) -> Partial {
    let found = by_names(names);
    let like = |ours: &str| -> Vec<String> { names.iter().filter(|name| is_like(name, ours)).cloned().collect() };
    // In thirds: what is known counts for more than what is only alike.
    let nearness = |set: &[&str]| -> usize {
        let of = |ours: &&str| match found.contains_key(*ours) {
            true => 3,
            false => 2 * usize::from(!like(ours).is_empty()),
        };
        set.iter().map(of).sum::<usize>() * 12 / set.len()
    };
    // Of those that are as near, the first.
    let set = SETS
        .into_iter()
        .rev()
        .max_by_key(|set| nearness(set))
        .unwrap_or(&CARTESIAN);
    let is_sky = set != CARTESIAN;
    let depth = DEPTHS
        .into_iter()
        .find(|depth| found.contains_key(*depth))
        .or_else(|| DEPTHS.into_iter().find(|depth| !like(depth).is_empty()))
        .unwrap_or("distance");
    let wanted = set
        .iter()
        .copied()
        .chain([depth, "v_los"].into_iter().filter(|_| is_sky));
    let wanted: Vec<&'static str> = wanted.collect();
    let others = SETS.into_iter().flatten().chain(&DEPTHS).chain(&["v_los"]);
    let others: Vec<&str> = others.copied().filter(|name| !wanted.contains(name)).collect();
    let is_other = |ours: &str| {
        others.iter().any(|name| is_of(ours, name)) || (ours == "parallax_zero_point" && !wanted.contains(&"parallax"))
    };
    let has_stream = found.contains_key("stream");
    let is_missing = |ours: &&&str| !found.contains_key(**ours);
    let gaps = wanted
        .iter()
        .filter(is_missing)
        .map(|ours| (*ours, like(ours)))
        .collect();
    let mapped = found
        .into_iter()
        .filter(|(ours, _)| !is_other(ours) && (has_stream || ours != "star"));
    Partial {
        known: mapped.map(|(ours, theirs)| (ours, theirs.to_owned())).collect(),
        gaps,
    }
}

/// Whether a name begins as one that ours may have: `pm_RA_star` as `pmra`. Of short ones the whole first word is: `x_kpc` as `x`.
fn is_like(name: &str, ours: &str) -> bool {
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(|c| c.is_ascii_alphanumeric());
        kept.map(|c| c.to_ascii_lowercase()).collect()
    };
    let is_error = ERRORS.iter().any(|(before, after)| {
        (!before.is_empty() && name.starts_with(before)) || (!after.is_empty() && name.ends_with(after))
    });
    let first = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let others = OTHER_NAMES.iter().find(|(own, _)| *own == ours);
    let mut all = std::iter::once(ours).chain(others.into_iter().flat_map(|(_, others)| others.iter().copied()));
    !is_error
        && all.any(|known| match known.len() {
            0..=3 => first.eq_ignore_ascii_case(known),
            _ => letters(name).starts_with(&letters(known)),
        })
}

/// The mapping of the columns of a file by their names, those of errors and correlations too; or what is missing.
pub fn recognised(names: &[String]) -> Result<ColumnMap, String> {
    let mut found = by_names(names);
    let depth = DEPTHS.into_iter().find(|depth| found.contains_key(*depth));
    let has = |all: &[&str]| all.iter().all(|name| found.contains_key(*name));
    let seen = [&EQUATORIAL, &GALACTIC]
        .into_iter()
        .find(|set| depth.is_some() && has(*set));
    // What was measured is used where it is whole: its axes are no one's choice, and errors are of it. Some x and y, such as a detector's, are
    // no positions in the Galaxy.
    let is_whole = has(&CARTESIAN);
    let dropped: Vec<&str> = match seen {
        Some(seen) if !is_whole || has(&["v_los"]) => {
            let others = SETS
                .into_iter()
                .filter(|set| *set != seen.as_slice())
                .flatten()
                .copied();
            let other_depths = DEPTHS.into_iter().filter(|name| Some(*name) != depth);
            others.chain(other_depths).collect()
        }
        _ if is_whole => [&EQUATORIAL[..], &GALACTIC, &DEPTHS, &["v_los"]].concat(),
        _ => DEPTHS.into_iter().filter(|name| Some(*name) != depth).collect(),
    };
    found.retain(|ours, _| !dropped.iter().any(|dropped| is_of(ours, dropped)));
    if !found.contains_key("parallax") {
        found.remove("parallax_zero_point");
    }

    if !found.contains_key("stream") {
        found.remove("star");
    }
    let pairs = found.into_iter().map(|(ours, theirs)| (ours, Value::from(theirs)));
    let map: ColumnMap =
        serde_json::from_value(Value::Object(pairs.collect::<Map<_, _>>())).map_err(|error| error.to_string())?;
    match map.faults().into_iter().next() {
        Some(fault) => Err(fault.message),
        None => Ok(map),
    }
}

/// Our columns whose names are there, each with the file's.
pub(super) fn by_names(names: &[String]) -> BTreeMap<String, &str> {
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    let there = |name: &str| names.iter().find(|column| column.eq_ignore_ascii_case(name));
    let known = COLUMNS.iter().map(|column| column.name).chain(["stream", "star"]);
    for ours in known.filter(|ours| *ours != "radial_velocity" && *ours != "radial_velocity_error") {
        let others = OTHER_NAMES.iter().find(|(name, _)| *name == ours);
        let all = std::iter::once(&ours).chain(others.into_iter().flat_map(|(_, others)| others.iter()));
        if let Some(column) = all.into_iter().find_map(|name| there(name)) {
            found.insert(ours.to_owned(), column);
        }
    }
    for ours in WITH_ERRORS {
        let error = format!("{ours}_error");
        let Some(column) = found.get(ours) else { continue };
        if !found.contains_key(&error) {
            let spelt = ERRORS
                .iter()
                .find_map(|(before, after)| there(&format!("{before}{column}{after}")));
            found.extend(spelt.map(|spelt| (error, spelt.as_str())));
        }
    }
    let (ours, theirs) = PROPER_MOTIONS;
    if let Some(column) = there(theirs) {
        found.entry(ours.to_owned()).or_insert(column);
    }
    found
}

/// The unit of our column of this name; none of names and pure numbers.
pub fn unit_of(ours: &str) -> &'static str {
    let column = COLUMNS.iter().find(|column| column.name == ours);
    column.map_or("", |column| column.unit)
}

/// Why a unit that a file states is none for our column, where it is none.
pub fn misfit(ours: &str, stated: &str) -> Option<String> {
    let column = COLUMNS
        .iter()
        .find(|column| column.name == ours && !column.unit.is_empty())?;
    let is_stated = !stated.trim().is_empty();
    is_stated
        .then(|| factor(stated, column.unit).err())
        .flatten()
        .map(|why| why.to_string())
}

/// Whether a column is `name`, its error, or a correlation with it.
fn is_of(column: &str, name: &str) -> bool {
    if column == name || column.strip_suffix("_error") == Some(name) {
        return true;
    }
    let Some(pair) = column.strip_suffix("_corr") else {
        return false;
    };
    let before = pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
    let after = pair.strip_suffix(name).is_some_and(|rest| rest.ends_with('_'));
    before || after
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Result<Vec<(String, String)>, String> {
        let names: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let map = serde_json::to_value(recognised(&names)?).unwrap();
        let text = |value: &Value| value.get("column").unwrap_or(value).as_str().unwrap().to_owned();
        Ok(map
            .as_object()
            .unwrap()
            .iter()
            .map(|(ours, theirs)| (ours.clone(), text(theirs)))
            .collect())
    }

    fn theirs(found: &[(String, String)], ours: &str) -> Option<String> {
        found
            .iter()
            .find(|(name, _)| name == ours)
            .map(|(_, theirs)| theirs.clone())
    }

    #[test]
    fn other_names_leave_gaps_with_what_is_like_them() {
        let of = |text: &str| as_far_as_known(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let cartesian = of("id x_kpc y_kpc z_kpc vx_kms vy_kms vz_kms");
        let gaps = |partial: &Partial| -> Vec<String> {
            let gap = |(ours, like): &(&str, Vec<String>)| format!("{ours}:{}", like.join(","));
            partial.gaps.iter().map(gap).collect()
        };
        assert_eq!(
            gaps(&cartesian),
            ["x:x_kpc", "y:y_kpc", "z:z_kpc", "vx:vx_kms", "vy:vy_kms", "vz:vz_kms"]
        );
        let sky = of("ra dec pm_RA_star pm_RA_star_error pmdec parallax parallax_error l b radial_velocity");
        assert_eq!(gaps(&sky), ["pmra:pm_RA_star"]);
        let known: Vec<&str> = sky.known.iter().map(|(ours, _)| ours.as_str()).collect();
        assert_eq!(known, ["dec", "parallax", "parallax_error", "pmdec", "ra", "v_los"]);
        assert_eq!(of("p q r s u w").gaps.len(), 6);
    }

    #[test]
    fn gaia_is_known_with_errors_and_correlations() {
        let found = of(
            "solution_id source_id ra ra_error dec dec_error parallax parallax_error pmra pmra_error pmdec pmdec_error ra_dec_corr \
             ra_parallax_corr ra_pmra_corr ra_pmdec_corr dec_parallax_corr dec_pmra_corr dec_pmdec_corr parallax_pmra_corr \
             parallax_pmdec_corr pmra_pmdec_corr phot_g_mean_mag radial_velocity radial_velocity_error l b ecl_lon",
        )
        .unwrap();
        assert_eq!(theirs(&found, "stream").unwrap(), "source_id");
        assert_eq!(theirs(&found, "v_los").unwrap(), "radial_velocity");
        assert_eq!(theirs(&found, "v_los_error").unwrap(), "radial_velocity_error");
        assert_eq!(found.iter().filter(|(ours, _)| ours.ends_with("_corr")).count(), 10);
        assert_eq!(found.iter().filter(|(ours, _)| ours.ends_with("_error")).count(), 6);
        // Gaia's own l and b follow from ra and dec.
        assert_eq!(theirs(&found, "l"), None);
    }

    #[test]
    fn others_are_known_too() {
        let galstreams = of("name ra dec distance pm_ra_cosdec pm_dec radial_velocity").unwrap();
        assert_eq!(theirs(&galstreams, "pmra").unwrap(), "pm_ra_cosdec");
        let galpy = of("name ra dec distance distance_e pmra pmra_e pmdec pmdec_e pmcorr vlos vlos_e").unwrap();
        assert_eq!(theirs(&galpy, "pmra_pmdec_corr").unwrap(), "pmcorr");
        assert_eq!(theirs(&galpy, "distance_error").unwrap(), "distance_e");
        let vizier = of("Source RA_ICRS e_RA_ICRS DE_ICRS e_DE_ICRS Plx e_Plx pmRA e_pmRA pmDE e_pmDE id").unwrap();
        assert_eq!(theirs(&vizier, "dec_error").unwrap(), "e_DE_ICRS");
        assert_eq!(theirs(&vizier, "parallax_error").unwrap(), "e_Plx");
        let astropy = of("id l b distance pm_l_cosb pm_b radial_velocity").unwrap();
        assert_eq!(theirs(&astropy, "mu_b").unwrap(), "pm_b");
        let whole = "stream x y z vx vy vz ra dec parallax parallax_error pmra pmdec";
        let twice = of(&format!("{whole} radial_velocity")).unwrap();
        assert_eq!((theirs(&twice, "x"), theirs(&twice, "ra").is_some()), (None, true));
        // Without a velocity along the line of sight the sky says less.
        let without = of(whole).unwrap();
        assert_eq!(
            (theirs(&without, "ra"), theirs(&without, "parallax_error")),
            (None, None)
        );
        assert_eq!(theirs(&without, "x").unwrap(), "x");
        let cartesian = of("stream star x y z vx vy vz J_r distance").unwrap();
        assert_eq!(theirs(&cartesian, "distance"), None);
        assert_eq!(theirs(&cartesian, "J_r").unwrap(), "J_r");
        // Distances of one's own come before parallaxes, and take their correlations along.
        let both = of("source_id ra dec parallax parallax_error ra_parallax_corr pmra pmdec dist").unwrap();
        assert_eq!(
            (theirs(&both, "parallax"), theirs(&both, "ra_parallax_corr")),
            (None, None)
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        // Without one stars are known by their rows.
        assert_eq!(theirs(&of("ra dec parallax pmra pmdec").unwrap(), "stream"), None);
        assert_eq!(of("id ra dec parallax pmra").unwrap_err(), "lacks pmdec");
    }
}
