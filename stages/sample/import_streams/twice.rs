//! Files that say twice where stars are: in Cartesian coordinates and as they are seen on the sky, or in two distances. One is used, with errors
//! and without: [`super::recognised`] says which. Here it is said to the user, and whether the two contradict each other.

use formats::{Column, How, Kind, Role, Table, Wanted};
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Stage;

use super::file;
use super::recognised::{CARTESIAN, DEPTHS, EQUATORIAL, GALACTIC, by_names};
use super::source::{COLUMNS, ColumnMap, Source};
use super::values::{self, SKY, Values};
use super::{ImportStreams, unit_of};

/// What of the columns of these names is not used beside what is `mapped`, in sentences.
pub fn not_used(names: &[String], mapped: &[(String, String)]) -> Vec<String> {
    let found = by_names(names);
    let is_used = |ours: &str| mapped.iter().any(|(used, _)| used == ours);
    let theirs = |ours: &[&str]| -> Option<Vec<&str>> {
        let all = ours.iter().map(|ours| found.get(*ours).copied());
        let all: Vec<&str> = all.collect::<Option<_>>()?;
        let is_taken = all.iter().any(|name| mapped.iter().any(|(_, used)| used == name));
        (!is_taken).then_some(all)
    };
    let of_map = |ours: &[&str]| -> Vec<&str> {
        let of = |ours: &&str| mapped.iter().find(|(used, _)| used == ours);
        ours.iter().filter_map(of).map(|(_, theirs)| theirs.as_str()).collect()
    };
    let v_los = ["v_los", "radial_velocity"];
    let sky = [&DEPTHS[..], &EQUATORIAL, &GALACTIC, &v_los].concat();
    let mut sentences = Vec::new();
    let mut say = |used: &[&str], unused: &[&str], why: &str| {
        let (used, unused) = (used.join(" "), unused.join(" "));
        sentences.push(format!(
            "the file says twice where stars are: `{used}` are used, `{unused}` are not{why}"
        ));
    };
    let uses_sky = DEPTHS.into_iter().any(is_used) && ["ra", "l"].into_iter().any(is_used);
    if uses_sky {
        if let Some(unused) = theirs(&CARTESIAN) {
            say(&of_map(&sky), &unused, "; map only these in `columns` to use them");
        }
        let other = if is_used("ra") { &GALACTIC } else { &EQUATORIAL };
        if let Some(unused) = theirs(other) {
            say(&of_map(&sky), &unused, "");
        }
        for depth in DEPTHS.iter().filter(|depth| !is_used(depth)) {
            if let Some(unused) = theirs(&[*depth]) {
                let (used, unused) = (of_map(&DEPTHS).join(" "), unused.join(" "));
                sentences.push(format!("distances are those of `{used}`, not of `{unused}`"));
            }
        }
    } else if is_used("x") {
        let depth = DEPTHS.into_iter().find(|depth| found.contains_key(*depth));
        for set in [&EQUATORIAL, &GALACTIC] {
            let all = depth.map(|depth| [&[depth][..], set].concat());
            let Some(unused) = all.and_then(|all| theirs(&all)) else {
                continue;
            };
            let why = match found.contains_key("v_los") {
                true => "",
                false => ", nor are errors of them, for want of a velocity along the line of sight",
            };
            say(&of_map(&CARTESIAN), &unused, why);
            break;
        }
    }
    sentences
}

/// What a file says of its stars besides what is used of it.
pub(super) struct Twice {
    sentences: Vec<String>,
    /// Columns of positions and velocities that are not used: they follow from the sky.
    cartesian: Vec<Source>,
    compared: Compared,
}

/// Rows in which positions or velocities are others than those that follow.
#[derive(Default)]
struct Compared {
    rows: usize,
    others: usize,
    first: Option<Other>,
}

/// The first of them: its row from 0, the column, what the file has there, and what follows.
struct Other {
    row: usize,
    place: usize,
    said: f64,
    follows: f64,
}

/// The least part of a length by which positions and velocities differ, and of their errors.
const PART: f64 = 0.01;
const ERRORS: f64 = 3.0;

impl Twice {
    /// That of a file with these columns.
    pub fn of(stage: &ImportStreams, there: &[Column]) -> Self {
        let names: Vec<String> = there.iter().map(|column| column.name.clone()).collect();
        let mapped = pairs(&stage.columns);
        let found = by_names(&names);
        let is_free = |name: &&str| {
            let of_it = || there.iter().filter(|column| column.name == **name);
            mapped.iter().all(|(_, used)| used != name)
                && of_it().count() == 1
                && of_it().all(|column| matches!(column.kind, Kind::Numbers | Kind::Texts))
        };
        let theirs = CARTESIAN.iter().filter_map(|ours| found.get(*ours).copied());
        let theirs: Vec<&str> = theirs.filter(is_free).collect();
        let is_whole = stage.recipe().sun.is_some() && theirs.len() == CARTESIAN.len();
        let cartesian = theirs.into_iter().filter(|_| is_whole).map(Source::plain);
        Self {
            sentences: not_used(&names, &mapped),
            cartesian: cartesian.collect(),
            compared: Compared::default(),
        }
    }

    /// That of a file.
    pub fn of_file(stage: &ImportStreams, context: &StageContext, how: How) -> Result<Self, StageError> {
        let name = stage.files().first().map(|file| file.name()).unwrap_or_default();
        // What is wrong with the file is said where it is read.
        let there = file::columns(context.file(&name)?, how).unwrap_or_default();
        Ok(Self::of(stage, &there))
    }

    /// Columns that are read to be compared.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let names = self.cartesian.iter().map(Source::name);
        names.map(|name| (name, Role::Number)).collect()
    }

    /// Compares a row of a table with what follows.
    pub fn compare(&mut self, table: &Table, row: usize, values: &Values) {
        let mut said = [0.0; 6];
        for (at, source) in self.cartesian.iter().enumerate() {
            let ours = &COLUMNS[values::CARTESIAN + at];
            let scale = source.scale(ours, table.unit(source.name()), "");
            let number = table.numbers(source.name()).map(|numbers| numbers.get(row));
            // What has another unit, or no number, cannot be compared.
            let (Ok(scale), Some(Ok(number))) = (scale, number) else {
                return;
            };
            said[at] = number * scale;
        }
        if self.cartesian.is_empty() {
            return;
        }
        self.compared.rows += 1;
        let place = place_of_other(&said, values);
        self.compared.others += usize::from(place.is_some());
        let row = table.first + row;
        let is_first = self.compared.first.as_ref().is_none_or(|first| row < first.row);
        if let Some(at) = place.filter(|_| is_first) {
            self.compared.first = Some(Other {
                row,
                place: values::CARTESIAN + at,
                said: said[at],
                follows: values[values::CARTESIAN + at],
            });
        }
    }

    /// Says what is used, and what contradicts it.
    pub fn tell(&self, stage: &ImportStreams, context: &StageContext) {
        for sentence in &self.sentences {
            context.note(sentence);
        }
        let Some(first) = &self.compared.first else { return };
        let names: Vec<&str> = self.cartesian.iter().map(Source::name).collect();
        let ours = &COLUMNS[first.place];
        let (name, unit) = (names[first.place - values::CARTESIAN], unit_of(ours.name));
        let Compared { rows, others, .. } = self.compared;
        context.finding(format!(
            "`{}` of the file contradict the sky in {others} of {rows} rows; the first is row {}; there {name} is {:.4} {unit}, and {:.4} follows \
             from the sky, which is used; state the Sun of the file by `sun`, or map only `{}`",
            names.join(" "),
            stage.row((0, first.row)),
            first.said,
            first.follows,
            names.join(" "),
        ));
    }
}

/// Which of the six numbers differs most from what follows, if one does by more than a part of their lengths, and than errors allow.
fn place_of_other(said: &[f64; 6], values: &Values) -> Option<usize> {
    let norm = |numbers: [f64; 3]| numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    let follows = |at: usize| values[values::CARTESIAN + at];
    let known = |value: f64| if value.is_nan() { 0.0 } else { value };
    let [distance_error, parallax_error, modulus_error] = [0, 1, 2].map(|at| known(values[values::ERRORS + at]));
    let distance = values[SKY];
    // 5 lg e = 2.17 magnitudes are a factor e of distance.
    let of_distance =
        distance_error + parallax_error * distance * distance + modulus_error * distance / 2.171_472_409_516_259;
    let motion = values[SKY + 4].hypot(values[SKY + 5]);
    let of_motion = known(values[values::ERRORS + 5]).hypot(known(values[values::ERRORS + 6]));
    let across = dynamics::units::KM_S_PER_KPC_MAS_YR * (motion * of_distance + distance * of_motion);
    let errors = [of_distance, across.hypot(known(values[values::ERRORS + 7]))];
    let mut other: Option<(usize, f64)> = None;
    for (half, error) in errors.into_iter().enumerate() {
        let ats = [0, 1, 2].map(|axis| 3 * half + axis);
        let apart = ats.map(|at| (said[at] - follows(at)).abs());
        let most = (PART * norm(ats.map(follows))).max(ERRORS * error);
        if norm(apart) <= most {
            continue;
        }
        let (at, worst) = ats
            .into_iter()
            .zip(apart)
            .fold((0, 0.0), |worst, next| match next.1 > worst.1 {
                true => next,
                false => worst,
            });
        if other.is_none_or(|(_, before)| worst / most > before) {
            other = Some((at, worst / most));
        }
    }
    other.map(|(at, _)| at)
}

/// The columns that are mapped, each with the file's.
fn pairs(map: &ColumnMap) -> Vec<(String, String)> {
    let numbers = map.numbers().into_iter();
    numbers
        .map(|(place, source)| (COLUMNS[place].name.to_owned(), source.name().to_owned()))
        .collect()
}
