//! Rewrites a file of the first edition of the language in the second, in place: comments and layout stay.
//!
//! `${name}` as a whole value becomes `$name`, a plain `$` becomes `$$`, a text with `${name}` in it gets the quotes that it needs to be
//! YAML, and the lists of `zip` become the records of `rows`.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::spans::written;
use super::sweep::values;
use super::{is_name, yaml};

/// A change that makes a file one of the second edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// What takes their place.
    pub with: String,
}

/// The changes that make `text` a file of the second edition, in their order; none where it is one, or is no YAML.
pub fn second_edition(text: &str) -> Vec<Change> {
    let Some(root) = Tree::read(text) else {
        return Vec::new();
    };
    let mut writer = Writer {
        text,
        parameters: root.get("params").map_or_else(Vec::new, Node::keys),
        changes: Vec::new(),
    };
    for section in ["params", "stages"] {
        if let Some(node) = root.get(section) {
            writer.values(node, false);
        }
    }
    if let Some(Content::Map(entries)) = root.get("sweep").map(|sweep| &sweep.content) {
        let zip = entries.iter().find(|(key, _)| key.is("zip"));
        writer.changes.extend(zip.and_then(|(key, zip)| rows(text, key, zip)));
    }
    writer.changes.sort_by_key(|change| change.span.start);
    writer.changes
}

/// `text` with the changes made.
pub fn apply(text: &str, changes: &[Change]) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut done = 0;
    for change in changes {
        changed.push_str(&text[done..change.span.start]);
        changed.push_str(&change.with);
        done = change.span.end;
    }
    changed.push_str(&text[done..]);
    changed
}

/// Stand for the braces of `${name}` while YAML is parsed: the first edition had it without quotes in mappings of one line
/// (`{ seed: ${seed} }`), where YAML takes braces for its own. They are private-use characters, one for one, so places stay.
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// The text with the braces of every `${…}` replaced.
fn protect(text: &str) -> Cow<'_, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let mut protected = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        let stop = inside.find(|character| "{}[],\"'\n".contains(character));
        protected.push_str(&rest[..=start]);
        match stop.filter(|&stop| inside[stop..].starts_with('}')) {
            Some(stop) => {
                protected.extend([OPEN]);
                protected.push_str(&inside[..stop]);
                protected.extend([CLOSE]);
                rest = &inside[stop + 1..];
            }
            None => {
                protected.push('{');
                rest = inside;
            }
        }
    }
    protected.push_str(rest);
    Cow::Owned(protected)
}

/// The text as it is written.
fn restore(text: &str) -> String {
    text.replace(OPEN, "{").replace(CLOSE, "}")
}

/// A node with all the bytes that it covers.
struct Node {
    span: Range<usize>,
    content: Content,
}

enum Content {
    Scalar(String, ScalarStyle),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Alias,
}

impl Node {
    fn is(&self, name: &str) -> bool {
        matches!(&self.content, Content::Scalar(text, _) if text == name)
    }

    fn get(&self, name: &str) -> Option<&Self> {
        let Content::Map(entries) = &self.content else {
            return None;
        };
        entries.iter().find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    fn keys(&self) -> Vec<String> {
        let Content::Map(entries) = &self.content else {
            return Vec::new();
        };
        let names = entries.iter().filter_map(|(key, _)| match &key.content {
            Content::Scalar(text, _) => Some(text.clone()),
            _ => None,
        });
        names.collect()
    }

    /// Whether it is a list or a mapping in brackets.
    fn is_flow(&self, text: &str) -> bool {
        text[self.span.clone()].starts_with(['{', '['])
    }
}

/// Builds the nodes of a text.
struct Tree<'t> {
    text: &'t str,
    offsets: Vec<usize>,
    /// Collections that are not closed yet: where they begin, whether they are mappings, and the nodes so far.
    open: Vec<(usize, bool, Vec<Node>)>,
    root: Option<Node>,
}

impl<'t> Tree<'t> {
    fn read(text: &'t str) -> Option<Node> {
        let protected = protect(text);
        let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]);
        let mut tree = Self {
            text,
            offsets: offsets.collect(),
            open: Vec::new(),
            root: None,
        };
        for event in Parser::new_from_str(&protected) {
            let (event, span) = event.ok()?;
            let at = |index: usize| tree.offsets.get(index).copied().unwrap_or(text.len());
            let bytes = at(span.start.index())..at(span.end.index().max(span.start.index()));
            tree.take(event, bytes);
        }
        tree.root
    }

    fn take(&mut self, event: Event<'_>, bytes: Range<usize>) {
        match event {
            Event::Scalar(value, style, ..) => {
                let length = written(&self.text[bytes.clone()], style);
                let length = match style {
                    // A block goes on to where the next thing begins.
                    ScalarStyle::Literal | ScalarStyle::Folded => self.text[bytes.clone()].trim_end().len(),
                    // The parser ends a plain text of several lines where it ends.
                    ScalarStyle::Plain if self.text[bytes.clone()].trim_end().contains('\n') => bytes.len(),
                    _ => length,
                };
                let content = Content::Scalar(restore(&value), style);
                self.put(Node {
                    span: bytes.start..bytes.start + length,
                    content,
                });
            }
            Event::SequenceStart(..) => self.open.push((bytes.start, false, Vec::new())),
            Event::MappingStart(..) => self.open.push((bytes.start, true, Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes.end),
            Event::Alias(_) => self.put(Node {
                span: bytes,
                content: Content::Alias,
            }),
            _ => {}
        }
    }

    fn close(&mut self, end: usize) {
        let Some((start, is_mapping, nodes)) = self.open.pop() else {
            return;
        };
        // A block ends with its last node, brackets end with themselves.
        let last = nodes.last().map_or(end, |node| node.span.end);
        let end = if self.text[start..].starts_with(['{', '[']) {
            end
        } else {
            last
        };
        let content = if is_mapping {
            let mut nodes = nodes.into_iter();
            let mut entries = Vec::new();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                entries.push((key, value));
            }
            Content::Map(entries)
        } else {
            Content::List(nodes)
        };
        self.put(Node {
            span: start..end.max(start),
            content,
        });
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            Some((_, _, nodes)) => nodes.push(node),
            // Of several documents the first counts.
            None => self.root = self.root.take().or(Some(node)),
        }
    }
}

/// Collects the changes of texts.
struct Writer<'t> {
    text: &'t str,
    parameters: Vec<String>,
    changes: Vec<Change>,
}

impl Writer<'_> {
    /// All values at and below a node; in brackets, texts must not hold any.
    fn values(&mut self, node: &Node, in_flow: bool) {
        let in_flow = in_flow || !matches!(node.content, Content::Scalar(..)) && node.is_flow(self.text);
        match &node.content {
            Content::Scalar(value, style) => self.scalar(node.span.clone(), value, *style, in_flow),
            Content::List(items) => items.iter().for_each(|item| self.values(item, in_flow)),
            Content::Map(entries) => entries.iter().for_each(|(_, value)| self.values(value, in_flow)),
            Content::Alias => {}
        }
    }

    fn scalar(&mut self, span: Range<usize>, value: &str, style: ScalarStyle, in_flow: bool) {
        if !value.contains('$') {
            return;
        }
        let reference = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = reference.filter(|name| is_name(name)) {
            let with = format!("${name}");
            self.changes.push(Change { span, with });
            return;
        }
        let is_known = |name: &str| self.parameters.iter().any(|known| known == name);
        if value.strip_prefix('$').is_some_and(is_known) {
            return;
        }
        let written = &self.text[span.clone()];
        let mut with = doubled(written);
        let unquoted = style == ScalarStyle::Plain;
        // `$${` began a plain `${` before, and does now.
        if unquoted && in_flow && with.contains(['{', '}']) {
            with = format!("\"{}\"", with.replace('\\', "\\\\").replace('"', "\\\""));
        }
        if with != written {
            self.changes.push(Change { span, with });
        }
    }
}

/// `text` with every `$` doubled that begins neither a reference nor a pair.
fn doubled(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        found.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = if rest.starts_with("$$") || rest.starts_with("${") {
            2
        } else {
            1
        };
        found.push_str(if length == 1 { "$$" } else { &rest[..length] });
        rest = &rest[length..];
    }
    found.push_str(rest);
    found
}

/// `zip` as `rows`; nothing where its columns are not lists of one length.
fn rows(text: &str, key: &Node, zip: &Node) -> Option<Change> {
    let Content::Map(columns) = &zip.content else {
        return None;
    };
    let lists = columns.iter().map(|(name, values)| {
        let name = &text[name.span.clone()];
        Some((name, column(text, name, values)?))
    });
    let lists: Vec<(&str, Vec<String>)> = lists.collect::<Option<_>>()?;
    let count = lists.first()?.1.len();
    if lists.iter().any(|(_, items)| items.len() != count) {
        return None;
    }
    let record = |row: usize| {
        let fields = lists.iter().map(|(name, items)| format!("{name}: {}", items[row]));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    };
    let records: Vec<String> = (0..count).map(record).collect();
    let line = text[..key.span.start].rfind('\n').map_or(0, |end| end + 1);
    let indent = text[line..key.span.start].chars().count();
    let is_block = text[line..key.span.start].trim().is_empty();
    if !is_block {
        let span = key.span.start..zip.span.end;
        return Some(Change {
            span,
            with: format!("rows: [{}]", records.join(", ")),
        });
    }
    // The comment after the last value goes with it.
    let rest = text[zip.span.end..]
        .find('\n')
        .map_or(text.len(), |end| zip.span.end + end);
    let end = if text[zip.span.end..rest].trim_start().starts_with('#') {
        rest
    } else {
        zip.span.end
    };
    let blanks = " ".repeat(indent + 2);
    let mut with = "rows:".to_owned();
    for comment in comments(text, key.span.end..end, zip) {
        with.push_str(&format!("\n{blanks}{comment}"));
    }
    for record in records {
        with.push_str(&format!("\n{blanks}- {record}"));
    }
    Some(Change {
        span: key.span.start..end,
        with,
    })
}

/// The values of a column of `zip`.
fn column(text: &str, name: &str, node: &Node) -> Option<Vec<String>> {
    if let Content::List(items) = &node.content {
        return Some(items.iter().map(|item| in_brackets(text, item)).collect());
    }
    let range = yaml::read_value(&text[node.span.clone()]).ok()?;
    let (values, _) = values(name, &range, &[], None, &mut Vec::new())?;
    Some(values.iter().map(ToString::to_string).collect())
}

/// A value as it may stand in brackets, on one line.
fn in_brackets(text: &str, node: &Node) -> String {
    let written = &text[node.span.clone()];
    match &node.content {
        Content::Scalar(value, style) => {
            let plain = *style == ScalarStyle::Plain;
            let is_safe = !written.contains(['\n', ',', '[', ']', '{', '}']) && !written.contains(": ");
            let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
            if plain && is_safe || is_quoted && !written.contains('\n') {
                written.to_owned()
            } else {
                quoted(value)
            }
        }
        Content::List(items) => {
            let items: Vec<String> = items.iter().map(|item| in_brackets(text, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", in_brackets(text, key), in_brackets(text, value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Content::Alias => written.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The comments among the bytes of a node: what follows a `#` outside of its texts.
fn comments<'t>(text: &'t str, span: Range<usize>, node: &Node) -> Vec<&'t str> {
    let mut texts = Vec::new();
    scalars(node, &mut texts);
    let mut found = Vec::new();
    let mut at = span.start;
    while let Some(sign) = text[at..span.end].find('#').map(|offset| at + offset) {
        if let Some(inside) = texts.iter().find(|inside| inside.contains(&sign)) {
            at = inside.end;
            continue;
        }
        let end = text[sign..span.end].find('\n').map_or(span.end, |end| sign + end);
        found.push(text[sign..end].trim_end());
        at = end;
    }
    found
}

fn scalars(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.content {
        Content::Scalar(..) | Content::Alias => found.push(node.span.clone()),
        Content::List(items) => items.iter().for_each(|item| scalars(item, found)),
        Content::Map(entries) => entries.iter().for_each(|(key, value)| {
            scalars(key, found);
            scalars(value, found);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> String {
        let made = apply(text, &second_edition(text));
        assert_eq!(second_edition(&made), [], "nothing is left to do:\n{made}");
        made
    }

    const FIRST: &str = "\
# A pipeline of the first edition.
pipeline: p      # named so
params: { seed: 1, row: \"S = ${seed}\", price: $5, size: ${seed} }
stages:
  a: { source: { with: { seed: ${seed}, number: \"${size}\", text: ${row}-x, list: [1, '${size}'] } } }
  b:
    source:
      with:
        seed: ${seed}   # the same
        text: ${row} more
        column: \"$${x} \\\"${row}\\\"\"
sweep:
  zip:
    # Of the paper.
    row: [\"a, b\", c]   # titles
    seed:
      - 1
      - 2  # the last
  axes: { size: [1, 2] }
";

    const SECOND: &str = "\
# A pipeline of the first edition.
pipeline: p      # named so
params: { seed: 1, row: \"S = ${seed}\", price: $$5, size: $seed }
stages:
  a: { source: { with: { seed: $seed, number: $size, text: \"${row}-x\", list: [1, $size] } } }
  b:
    source:
      with:
        seed: $seed   # the same
        text: ${row} more
        column: \"$${x} \\\"${row}\\\"\"
sweep:
  rows:
    # Of the paper.
    # titles
    # the last
    - { row: \"a, b\", seed: 1 }
    - { row: c, seed: 2 }
  axes: { size: [1, 2] }
";

    #[test]
    fn a_file_is_rewritten_with_its_comments_and_layout() {
        assert_eq!(second(FIRST), SECOND);
        assert_eq!(second(SECOND), SECOND);
    }

    #[test]
    fn rows_stand_in_brackets_where_zip_did() {
        let text = "sweep: { zip: { a: [1, x: y, {b: 2}], c: [é, '$', ~] }, axes: { d: [1] } }\n";
        let made =
            "sweep: { rows: [{ a: 1, c: é }, { a: { x: y }, c: '$' }, { a: { b: 2 }, c: ~ }], axes: { d: [1] } }\n";
        assert_eq!(second(text), made);
        let block = "sweep:\n  zip:\n    a:\n      - b, c\n      - >\n        two\n        lines\n    d: [1, 2]\n";
        let made = "sweep:\n  rows:\n    - { a: \"b, c\", d: 1 }\n    - { a: \"two lines\\n\", d: 2 }\n";
        assert_eq!(second(block), made);
    }

    #[test]
    fn a_range_becomes_its_values() {
        let text = "sweep:\n  zip: { a: { range: [1, 3] }, b: [x, y, z] } # three\n";
        let made = "sweep:\n  rows:\n    # three\n    - { a: 1, b: x }\n    - { a: 2, b: y }\n    - { a: 3, b: z }\n";
        assert_eq!(second(text), made);
    }

    #[test]
    fn what_is_no_zip_of_lists_is_left() {
        for text in ["sweep: { zip: { a: [1, 2], b: [1] } }\n", "a: [1\n", ""] {
            assert_eq!(second_edition(text), [], "{text}");
        }
    }
}
