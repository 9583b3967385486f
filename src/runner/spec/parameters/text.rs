//! References in texts: `$name` is a whole value, `${name}` a part of a longer text, `$$` a plain `$`.

use serde_json::Value;

use super::super::is_name;

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// The value of a parameter.
    Name(&'a str),
    /// A `$` that means nothing.
    Bad(&'a str),
}

/// The name in a text that is a reference and nothing else: `$name`, or, as in the first edition, `${name}`.
pub(in crate::spec) fn whole_reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name
        .strip_prefix('{')
        .map_or(Some(name), |name| name.strip_suffix('}'))?;
    is_name(name).then_some(name)
}

/// Splits a text at its references; `$$` is a plain `$`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    if let Some(name) = whole_reference(text) {
        return vec![Piece::Name(name)];
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..start]));
        rest = &rest[start..];
        let (piece, length) = if rest.starts_with("$$") {
            (Piece::Text("$"), 2)
        } else if rest.starts_with("${") {
            let length = rest.find('}').map_or(rest.len(), |stop| stop + 1);
            let name = rest[2..length].strip_suffix('}').filter(|name| is_name(name));
            (name.map_or(Piece::Bad(&rest[..length]), Piece::Name), length)
        } else {
            let word = |next: char| next.is_ascii_alphanumeric() || next == '_';
            let length = 1 + rest[1..].find(|next| !word(next)).unwrap_or(rest.len() - 1);
            (Piece::Bad(&rest[..length]), length)
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

/// Calls `visit` with the name of every reference in `value`.
pub(in crate::spec) fn references<'v>(value: &'v Value, visit: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) if text.contains('$') => {
            for piece in pieces(text) {
                if let Piece::Name(name) = piece {
                    visit(name);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        Value::Object(map) => map.values().for_each(|value| references(value, visit)),
        _ => {}
    }
}

/// Whether `value` refers to any parameter, well or badly, or holds a `$$`.
pub(in crate::spec) fn has_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(map) => map.values().any(has_reference),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_split_at_references() {
        for whole in ["$a", "${a}"] {
            assert_eq!(pieces(whole), [Piece::Name("a")]);
        }
        assert_eq!(pieces("$a-b"), [Piece::Name("a-b")]);
        assert_eq!(
            pieces("x ${a}-${b_1}"),
            [
                Piece::Text("x "),
                Piece::Name("a"),
                Piece::Text("-"),
                Piece::Name("b_1")
            ]
        );
        assert_eq!(pieces("$${a}"), [Piece::Text("$"), Piece::Text("{a}")]);
        assert_eq!(pieces("$$a"), [Piece::Text("$"), Piece::Text("a")]);
        assert_eq!(pieces("5 $$"), [Piece::Text("5 "), Piece::Text("$")]);
        assert_eq!(pieces("${a b}"), [Piece::Bad("${a b}")]);
        assert_eq!(pieces("${a"), [Piece::Bad("${a")]);
        assert_eq!(
            pieces("S = $a."),
            [Piece::Text("S = "), Piece::Bad("$a"), Piece::Text(".")]
        );
        assert_eq!(pieces("$"), [Piece::Bad("$")]);
    }
}
