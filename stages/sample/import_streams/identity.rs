//! Which stream a row belongs to.
//!
//! Streams have whole numbers or names. A label is a number if it is written as one (`7`, not `07`), else a name. Of the rows that can
//! be used otherwise: all numbers, they are numbers; all names, they are names. Where both occur, the labels are
//! 1. names, if all are digits of one width, as in `01` to `12`;
//! 2. numbers, if most rows have one: rows with a name are set aside, and change nothing else;
//! 3. names, if all are digits, as in `007`, `07`, `7`;
//! 4. else an error that names a row of each, until `ids` says what they are.
//!
//! A name's number is made of its letters alone, so that two files agree on it, whatever else is in them.

use std::collections::HashMap;

use formats::{Label, Labels};
use runner::error::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What streams are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// Whole numbers; rows with a name are set aside.
    Numbers,
    /// Names, those of digits too.
    Names,
}

/// The number of a stream called `name`: the first 53 bits of the SHA-256 of its UTF-8, which a number in double precision holds too.
pub fn number_of(name: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let first = hash[..8]
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (first >> 11) as i64
}

/// How streams are told from each other.
pub(super) enum Streams {
    /// By their numbers.
    Numbers,
    /// By their names, in the order in which they appear; the key of a stream is its place here.
    Names(Vec<(i64, String)>),
}

impl Streams {
    /// The number of the stream with this key.
    pub fn number(&self, key: i64) -> i64 {
        match self {
            Self::Numbers => key,
            Self::Names(names) => names[key as usize].0,
        }
    }

    /// Its name, if it has one.
    pub fn name(&self, key: i64) -> Option<&str> {
        match self {
            Self::Numbers => None,
            Self::Names(names) => Some(&names[key as usize].1),
        }
    }

    /// The stream as a message calls it.
    pub fn shown(&self, key: i64) -> String {
        self.name(key).map_or_else(|| key.to_string(), str::to_owned)
    }
}

/// Digits only.
fn is_digits(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a name cannot be a number.
fn among_numbers(name: &str) -> String {
    if is_digits(name) && !name.starts_with('0') {
        return format!("{name}, too large for a whole number of 64 bits");
    }
    match name.parse::<f64>() {
        Ok(_) => format!("{name}, not the usual way to write a whole number"),
        Err(_) => format!("\"{name}\", a name among numbers"),
    }
}

/// A row, by the place of its table and its place there.
pub(super) type Place = (usize, usize);

/// What the labels of the `usable` rows are. `shown` says what a row is called.
fn decide(
    tables: &[&Labels],
    usable: &dyn Fn(Place) -> bool,
    shown: &dyn Fn(Place) -> String,
) -> Result<Ids, StageError> {
    let (mut numbers, mut names) = (0_usize, 0_usize);
    let (mut first_number, mut first_name) = (None, None);
    let (mut all_digits, mut widths) = (true, (usize::MAX, 0));
    for (at, labels) in tables.iter().enumerate() {
        for row in 0..labels.len() {
            let label = labels.get(row);
            if matches!(label, Label::Missing | Label::Bad(_)) || !usable((at, row)) {
                continue;
            }
            let width = match label {
                Label::Name(place) => {
                    let name = labels.name(place);
                    names += 1;
                    first_name = first_name.or(Some(((at, row), name.to_owned())));
                    all_digits &= is_digits(name);
                    name.len()
                }
                Label::Number(number) => {
                    numbers += 1;
                    first_number = first_number.or(Some(((at, row), number)));
                    all_digits &= number >= 0;
                    // A zero has a width too.
                    number
                        .unsigned_abs()
                        .checked_ilog10()
                        .map_or(1, |digits| digits as usize + 1)
                }
                Label::Missing | Label::Bad(_) => continue,
            };
            widths = (widths.0.min(width), widths.1.max(width));
        }
    }
    let (Some((number_at, number)), Some((name_at, name))) = (first_number, first_name) else {
        return Ok(if names == 0 { Ids::Numbers } else { Ids::Names });
    };
    if all_digits && widths.0 == widths.1 {
        return Ok(Ids::Names);
    }
    if numbers > names {
        return Ok(Ids::Numbers);
    }
    if all_digits {
        return Ok(Ids::Names);
    }
    Err(StageError::with_hint(
        format!(
            "streams have names and numbers: row {} has \"{name}\", row {} has {number}",
            shown(name_at),
            shown(number_at)
        ),
        "write `ids: names`, or `ids: numbers`, which sets aside the rows with names",
    ))
}

/// The streams of the rows that are `usable`, and the key of each row, or why it has none.
pub(super) struct Identities<'a> {
    tables: Vec<&'a Labels>,
    pub streams: Streams,
    /// Keys of the names of each table, where streams have names.
    keys: Vec<Vec<Option<i64>>>,
    /// Keys of names that are numbers.
    of_numbers: HashMap<i64, i64>,
}

impl<'a> Identities<'a> {
    pub fn new(
        tables: Vec<&'a Labels>,
        ids: Option<Ids>,
        usable: &dyn Fn(Place) -> bool,
        shown: &dyn Fn(Place) -> String,
    ) -> Result<Self, StageError> {
        let ids = match ids {
            Some(ids) => ids,
            None => decide(&tables, usable, shown)?,
        };
        let mut all = Self {
            tables,
            streams: Streams::Numbers,
            keys: Vec::new(),
            of_numbers: HashMap::new(),
        };
        if ids == Ids::Names {
            all.name(usable)?;
        }
        Ok(all)
    }

    /// Gives keys to the names of usable rows, as they appear.
    fn name(&mut self, usable: &dyn Fn(Place) -> bool) -> Result<(), StageError> {
        let (mut names, mut seen): (Vec<(i64, String)>, HashMap<String, i64>) = (Vec::new(), HashMap::new());
        let mut numbers: HashMap<i64, String> = HashMap::new();
        for (at, labels) in self.tables.iter().enumerate() {
            let mut keys = vec![None; labels.names()];
            for row in 0..labels.len() {
                let text = match labels.get(row) {
                    Label::Name(place) if keys[place as usize].is_some() => continue,
                    Label::Name(place) => labels.name(place).to_owned(),
                    Label::Number(number) if self.of_numbers.contains_key(&number) => continue,
                    Label::Number(number) => number.to_string(),
                    Label::Missing | Label::Bad(_) => continue,
                };
                if !usable((at, row)) {
                    continue;
                }
                let key = match seen.get(&text) {
                    Some(key) => *key,
                    None => {
                        let number = number_of(&text);
                        if let Some(other) = numbers.insert(number, text.clone()) {
                            return Err(StageError::failed(format!(
                                "the stream names {other} and {text} give the same number: change one"
                            )));
                        }
                        names.push((number, text.clone()));
                        seen.insert(text, names.len() as i64 - 1);
                        names.len() as i64 - 1
                    }
                };
                match labels.get(row) {
                    Label::Name(place) => keys[place as usize] = Some(key),
                    Label::Number(number) => drop(self.of_numbers.insert(number, key)),
                    Label::Missing | Label::Bad(_) => {}
                }
            }
            self.keys.push(keys);
        }
        self.streams = Streams::Names(names);
        Ok(())
    }

    /// The key of a row's stream, or why it has none.
    pub fn key(&self, (at, row): Place) -> Result<i64, String> {
        let labels = self.tables[at];
        let is_named = matches!(self.streams, Streams::Names(_));
        let key = match labels.get(row) {
            Label::Missing => return Err("missing".to_owned()),
            Label::Bad(place) => return Err(labels.reason(place).to_owned()),
            Label::Number(number) if is_named => self.of_numbers.get(&number).copied(),
            Label::Number(number) => Some(number),
            Label::Name(place) if is_named => self.keys[at][place as usize],
            Label::Name(place) => return Err(among_numbers(labels.name(place))),
        };
        key.ok_or_else(|| "not usable".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Number and name of a stream.
    type Called = (i64, Option<String>);

    /// What each label's stream is called; `None` if it is set aside.
    fn streams(texts: &[&str], ids: Option<Ids>) -> Result<Vec<Option<Called>>, String> {
        let mut labels = Labels::default();
        texts.iter().for_each(|text| labels.push_text(text.as_bytes()));
        let shown = |(_, row): Place| (row + 1).to_string();
        let found = Identities::new(vec![&labels], ids, &|_| true, &shown).map_err(|error| error.to_string())?;
        let of = |row| {
            let key = found.key((0, row)).ok()?;
            Some((found.streams.number(key), found.streams.name(key).map(str::to_owned)))
        };
        Ok((0..texts.len()).map(of).collect())
    }

    /// What each label became.
    fn words(texts: &[&str], ids: Option<Ids>) -> String {
        let word = |stream: Option<(i64, Option<String>)>| match stream {
            None => "aside".to_owned(),
            Some((number, None)) => number.to_string(),
            Some((_, Some(name))) => format!("'{name}'"),
        };
        match streams(texts, ids) {
            Ok(streams) => streams.into_iter().map(word).collect::<Vec<_>>().join(" "),
            Err(error) => error,
        }
    }

    #[test]
    fn the_rule_over_mixtures() {
        assert_eq!(words(&["7", "12", "-3"], None), "7 12 -3");
        assert_eq!(words(&["7.0", "12.0"], None), "7 12");
        assert_eq!(words(&["GD-1", "Pal 5"], None), "'GD-1' 'Pal 5'");
        assert_eq!(words(&["007", "7", "07"], None), "'007' '7' '07'");
        let padded: Vec<String> = (1..=20).map(|number| format!("{number:02}")).collect();
        let padded: Vec<&str> = padded.iter().map(String::as_str).collect();
        assert!(words(&padded, None).starts_with("'01' '02'") && words(&padded, None).ends_with("'19' '20'"));
        assert_eq!(words(&["7", "12", "# end"], None), "7 12 aside");
        assert_eq!(words(&["7", "12", "100", "007"], None), "7 12 100 aside");
        assert_eq!(words(&["7", "12", "1.5", ""], None), "7 12 aside aside");
        assert_eq!(words(&["7", "12", "18446744073709551615"], None), "7 12 aside");
        let error = words(&["GD-1", "5", "Pal 5"], None);
        assert!(error.contains("row 1 has \"GD-1\", row 2 has 5"), "{error}");
        assert_eq!(words(&["GD-1", "5", "Pal 5"], Some(Ids::Names)), "'GD-1' '5' 'Pal 5'");
        assert_eq!(words(&["GD-1", "5", "Pal 5"], Some(Ids::Numbers)), "aside 5 aside");
    }

    #[test]
    fn a_names_number_is_its_own() {
        // SHA-256 of the letters, first 53 bits.
        assert_eq!(number_of("GD-1"), number_of("GD-1"));
        assert!((0..1 << 53).contains(&number_of("GD-1")) && number_of("GD-1") != number_of("GD-2"));
        let one = streams(&["GD-1", "Pal 5"], None).unwrap();
        let other = streams(&["Orphan", "Pal 5", "GD-1"], None).unwrap();
        assert_eq!((&one[0], &one[1]), (&other[2], &other[1]));
    }

    proptest! {
        #[test]
        fn one_label_is_one_stream_and_another_is_another(texts in prop::collection::vec("0{0,2}[1-9]{1,2}|[a-c]{1,2}|-[1-9]", 1..30)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for ids in [None, Some(Ids::Names), Some(Ids::Numbers)] {
                let Ok(found) = streams(&texts, ids) else { continue };
                let (mut of_text, mut of_stream) = (BTreeMap::new(), BTreeMap::new());
                for (text, stream) in texts.iter().zip(found) {
                    prop_assert_eq!(of_text.entry(*text).or_insert_with(|| stream.clone()), &stream);
                    if let Some(stream) = stream {
                        prop_assert_eq!(of_stream.entry(stream).or_insert(*text), text);
                    }
                }
            }
        }

        #[test]
        fn an_odd_label_changes_no_other(numbers in prop::collection::vec(any::<i64>(), 2..20), odd in "[a-z#]{1,8}", at: prop::sample::Index) {
            let mut texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
            texts.insert(at.index(numbers.len()), odd);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let found = streams(&texts, None).unwrap();
            let kept: Vec<i64> = found.into_iter().flatten().map(|(number, _)| number).collect();
            prop_assert_eq!(kept, numbers);
        }
    }
}
