//! From the text of a file to a tree of values, by `serde_yaml`.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Values that one file may hold: a generous bound, so that aliases cannot multiply them without end.
pub(super) const MOST_VALUES: usize = 1_000_000;

/// Why a text is not one YAML document.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It holds more values than any pipeline does, with or without the help of aliases.
    TooMany { aliases: bool },
    /// The nesting is deeper than any pipeline needs.
    TooDeep,
    /// The parser's message, and its byte offset in the text.
    Syntax(String, Option<usize>),
}

/// A document's values, and what else was seen in passing.
#[derive(Debug)]
pub(super) struct Document {
    /// The tree.
    pub value: Value,
    /// Whether its form is wrong in a way that does not stop the reading: a key given twice, a key that is not text, a
    /// tag, a number that is not finite, a wrong `<<`.
    pub suspicious: bool,
    /// Whether another document follows.
    pub several: bool,
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Document, ReadError> {
    // The parser itself takes a time that grows with the square of the depth.
    if deepest(text) > DEEPEST {
        return Err(ReadError::TooDeep);
    }
    let state = State {
        left: Cell::new(MOST_VALUES),
        suspicious: Cell::new(false),
    };
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let value = match documents.next() {
        Some(document) => Node(&state)
            .deserialize(document)
            .map_err(|error| explain(&error, &state, text))?,
        None => Value::Null,
    };
    let several = documents.next().is_some();
    Ok(Document {
        value,
        suspicious: state.suspicious.get(),
        several,
    })
}

/// Reads a value of the command line.
pub(super) fn read_value(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::String(String::new()));
    }
    match read(text) {
        Ok(Document {
            suspicious: false,
            several: false,
            value,
        }) => Ok(value),
        Ok(_) => Err(format!("`{text}` is not a plain value")),
        Err(ReadError::Syntax(..)) => Err(format!("`{text}` is not valid YAML")),
        Err(_) => Err("too large a value".to_owned()),
    }
}

/// Far beyond what a pipeline needs, and what the parser takes.
const DEEPEST: usize = 1000;

/// How many brackets are open at most, not counting those in quotes and comments. In a text without quotes they count too, so
/// this is only an estimate.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut before = b'\n';
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let begins = before.is_ascii_whitespace() || b"[{,:".contains(&before);
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'\'' if begins => drop(bytes.find(|&next| next == b'\'')),
            b'"' if begins => {
                let mut escaped = false;
                bytes.find(|&next| {
                    let ends = next == b'"' && !escaped;
                    escaped = next == b'\\' && !escaped;
                    ends
                });
            }
            b'#' if before.is_ascii_whitespace() => drop(bytes.find(|&next| next == b'\n')),
            _ => {}
        }
        deepest = deepest.max(depth);
        before = byte;
    }
    deepest
}

/// Whether a name that is anchored by `&name` is used by `*name`.
fn has_aliases(text: &str) -> bool {
    let names = |mark: char| {
        let pieces = text.split(mark).skip(1);
        pieces.map(|piece| {
            piece
                .split(|next: char| next.is_whitespace() || ",[]{}".contains(next))
                .next()
        })
    };
    let anchors: HashSet<&str> = names('&').flatten().filter(|name| !name.is_empty()).collect();
    names('*').flatten().any(|name| anchors.contains(name))
}

fn explain(error: &serde_yaml::Error, state: &State, text: &str) -> ReadError {
    let message = error.to_string();
    if state.left.get() == 0 || message.starts_with("repetition limit") {
        let aliases = has_aliases(text);
        return ReadError::TooMany { aliases };
    }
    if message.starts_with("recursion limit") {
        return ReadError::TooDeep;
    }
    let offset = error.location().map(|location| location.index());
    // Of characters that YAML forbids, only the position is told, and only in words.
    if let Some((message, position)) = message.rsplit_once(" at position ") {
        return ReadError::Syntax(message.to_owned(), position.parse().ok().or(offset));
    }
    ReadError::Syntax(without_places(&message), offset)
}

/// The message without its ` at line 1 column 2`: a diagnostic shows the place.
fn without_places(message: &str) -> String {
    let mut kept = String::new();
    let mut rest = message;
    while let Some(start) = rest.find(" at line ") {
        kept.push_str(&rest[..start]);
        let tail = &rest[start + " at line ".len()..];
        rest = tail.trim_start_matches(|character: char| character.is_ascii_digit());
        rest = rest.strip_prefix(" column ").unwrap_or(rest);
        rest = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    }
    kept.push_str(rest);
    kept
}

struct State {
    left: Cell<usize>,
    suspicious: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Node<'a>(&'a State);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.left.get().saturating_sub(1);
        self.0.left.set(left);
        if left == 0 {
            return Err(de::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if !value.is_finite() {
            self.0.suspicious.set(true);
        }
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = entries.next_key_seed(Key(self.0))? {
            let value = entries.next_value_seed(self)?;
            if key == "<<" {
                match value {
                    Value::Object(mapping) => merged.push(mapping),
                    Value::Array(list) => {
                        for item in list {
                            match item {
                                Value::Object(mapping) => merged.push(mapping),
                                _ => self.0.suspicious.set(true),
                            }
                        }
                    }
                    _ => self.0.suspicious.set(true),
                }
            } else if map.contains_key(&key) {
                self.0.suspicious.set(true);
            } else {
                map.insert(key, value);
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            map.entry(key).or_insert(value);
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        self.0.suspicious.set(true);
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant_seed(self)
    }
}

struct Key<'a>(&'a State);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        self.not_text(key)
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        self.not_text(key)
    }

    fn visit_u64<E>(self, key: u64) -> Result<String, E> {
        self.not_text(key)
    }

    fn visit_f64<E>(self, key: f64) -> Result<String, E> {
        self.not_text(key)
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        self.not_text("~")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.not_text("[…]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<String, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.not_text("{…}")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<String, A::Error> {
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant_seed(self)
    }
}

impl Key<'_> {
    fn not_text<E>(&self, key: impl fmt::Display) -> Result<String, E> {
        self.0.suspicious.set(true);
        Ok(key.to_string())
    }
}

/// Whether YAML reads this plain text as something other than text.
pub(super) fn is_not_text(plain: &str) -> bool {
    let word = plain.starts_with(|character: char| character.is_ascii_alphabetic());
    if word && !["true", "false", "null"].contains(&plain.to_ascii_lowercase().as_str()) {
        return false;
    }
    serde_yaml::Deserializer::from_str(plain)
        .next()
        .and_then(|document| serde_yaml::Value::deserialize(document).ok())
        .is_some_and(|value| !value.is_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        let document = read(text).unwrap();
        assert!(!document.suspicious && !document.several);
        document.value
    }

    #[test]
    fn numbers_in_all_their_forms() {
        let text =
            "{ a: 3.334e11, b: 1e-7, c: 1E3, d: +2, e: -0.5, f: 1., g: 0x10, h: 18446744073709551615, i: 1e400 }";
        let found = read(text).unwrap().value;
        assert_eq!(
            found,
            json!({ "a": 3.334e11, "b": 1e-7, "c": 1e3, "d": 2, "e": -0.5, "f": 1.0, "g": 16, "h": u64::MAX, "i": "1e400" })
        );
    }

    #[test]
    fn references_are_plain_texts() {
        let text = "{ a: $x, b: [$y, 1], c: \"${x}, ${y}\", d: $$x }";
        let expected = json!({ "a": "$x", "b": ["$y", 1], "c": "${x}, ${y}", "d": "$$x" });
        assert_eq!(value(text), expected);
    }

    #[test]
    fn merges_give_way_to_explicit_keys() {
        let text = "x: &x { a: 1, b: 2 }\ny: &y { b: 3, c: 4 }\nz: { <<: [*x, *y], a: 9 }\n";
        assert_eq!(value(text)["z"], json!({ "a": 9, "b": 2, "c": 4 }));
    }

    #[test]
    fn bombs_end_quickly() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let alias = format!("*a{}, ", level - 1).repeat(9);
            text += &format!("a{level}: &a{level} [{alias}]\n");
        }
        assert!(matches!(read(&text), Err(ReadError::TooMany { aliases: true })));
        let long = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(5000), "*a, ".repeat(5000));
        assert!(matches!(read(&long), Err(ReadError::TooMany { aliases: true })));
        let many = format!("a: \"& *\"\nb: [{}]\n", "x, ".repeat(1_000_001));
        assert!(matches!(read(&many), Err(ReadError::TooMany { aliases: false })));
    }

    /// Of any size, in no time.
    #[test]
    fn what_is_too_deep_is_refused_at_once() {
        for (open, count) in [
            ("[", 500),
            ("[", 5_000_000),
            ("{a: ", 100_000),
            ("- ", 100_000),
            ("- [", 100_000),
        ] {
            let begun = std::time::Instant::now();
            assert!(
                matches!(read(&open.repeat(count)), Err(ReadError::TooDeep)),
                "{open} {count}"
            );
            assert!(begun.elapsed().as_secs() < 5, "{open} {count}: {:?}", begun.elapsed());
        }
        assert_eq!(
            deepest("a: [1, [2]] # [[[\nb: '[[[' \nc: \"[[\\\"[[[\"\nd: {e: [f]}"),
            2
        );
    }

    #[test]
    fn messages_lose_their_places() {
        let message = "did not find x at line 2 column 1, while parsing y at line 1 column 4";
        assert_eq!(without_places(message), "did not find x, while parsing y");
    }
}
