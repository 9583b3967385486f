//! Where each key and value stands in the text: built only when there is something to report.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::problem::Problem;
use super::yaml;

/// Which half of a key and its value a mistake is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The key.
    Key,
    /// The value; for a mapping or list in block form, the key stands for it.
    Value,
}

/// A node with the bytes it covers. Aliases share the node of their anchor.
#[derive(Debug)]
struct Marked {
    span: Range<usize>,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar(String),
    List(Vec<Rc<Marked>>),
    Map(Entries),
}

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Entry>,
    by_key: HashMap<String, usize>,
    merged: Vec<Rc<Marked>>,
}

#[derive(Debug)]
struct Entry {
    key_span: Range<usize>,
    value: Rc<Marked>,
}

impl Entries {
    fn get(&self, key: &str) -> Option<&Entry> {
        let own = self.by_key.get(key).map(|&index| &self.list[index]);
        own.or_else(|| self.merged.iter().find_map(|node| merged_entry(node, key)))
    }
}

fn merged_entry<'a>(node: &'a Marked, key: &str) -> Option<&'a Entry> {
    match &node.shape {
        Shape::Map(entries) => entries.get(key),
        Shape::List(nodes) => nodes.iter().find_map(|node| merged_entry(node, key)),
        Shape::Scalar(_) => None,
    }
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes to show.
    pub span: Range<usize>,
    /// How many steps of the path exist in the text.
    pub steps: usize,
    /// The text of the node reached, where it is a scalar.
    pub scalar: Option<String>,
}

/// The index, and the mistakes of form seen while building it.
#[derive(Debug)]
pub(super) struct Spans {
    root: Option<Rc<Marked>>,
    /// Mistakes of form, by their bytes; a related place where there is one.
    pub mistakes: Vec<FormMistake>,
    /// Where a second document begins.
    pub second_document: Option<Range<usize>>,
}

/// A mistake of form.
#[derive(Debug)]
pub(super) struct FormMistake {
    pub span: Range<usize>,
    pub problem: Problem,
    pub related: Option<(Range<usize>, &'static str)>,
}

impl Spans {
    /// Marks every node of `text`.
    pub(super) fn new(text: &str) -> Self {
        let mut builder = Builder {
            text,
            offsets: text
                .char_indices()
                .map(|(offset, _)| offset)
                .chain([text.len()])
                .collect(),
            open: Vec::new(),
            anchors: HashMap::new(),
            spans: Self {
                root: None,
                mistakes: Vec::new(),
                second_document: None,
            },
        };
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            if let Event::DocumentStart(_) = event {
                documents += 1;
                if documents == 2 {
                    builder.spans.second_document = Some(builder.bytes(&span));
                    break;
                }
            }
            builder.take(event, &span);
        }
        while builder.close(None) {}
        builder.spans
    }

    /// Follows `path` as far as it exists.
    pub(super) fn find(&self, path: &[String], part: Part) -> Found {
        let Some(mut node) = self.root.as_ref() else {
            return Found {
                span: 0..0,
                steps: 0,
                scalar: None,
            };
        };
        let mut key_span: Option<&Range<usize>> = None;
        let mut steps = 0;
        for step in path {
            let next = match &node.shape {
                Shape::Map(entries) => entries.get(step).map(|entry| (Some(&entry.key_span), &entry.value)),
                Shape::List(items) => {
                    let index = step.trim_start_matches('[').trim_end_matches(']').parse::<usize>();
                    index.ok().and_then(|index| items.get(index)).map(|item| (None, item))
                }
                Shape::Scalar(_) => None,
            };
            let Some((key, value)) = next else { break };
            (key_span, node) = (key, value);
            steps += 1;
        }
        let scalar = match &node.shape {
            Shape::Scalar(text) => Some(text.clone()),
            _ => None,
        };
        // Where the path breaks off, what is missing would stand in the node reached: its key shows it best.
        let complete = steps == path.len();
        let by_key = (complete && part == Part::Key) || scalar.is_none();
        let span = match key_span {
            Some(key) if by_key => key,
            _ => &node.span,
        };
        Found {
            span: span.clone(),
            steps,
            scalar,
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Marked>>,
    spans: Spans,
}

struct Open {
    start: Range<usize>,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Marked>>),
    Map {
        entries: Entries,
        key: Option<(String, Range<usize>)>,
    },
}

impl Builder<'_> {
    fn bytes(&self, span: &Span) -> Range<usize> {
        let last = self.offsets.len() - 1;
        let at = |index: usize| self.offsets[index.min(last)];
        at(span.start.index())..at(span.end.index().max(span.start.index()))
    }

    fn mistake(&mut self, span: Range<usize>, problem: Problem) {
        self.spans.mistakes.push(FormMistake {
            span,
            problem,
            related: None,
        });
    }

    fn tag(&mut self, tag: Option<&Tag>, span: &Range<usize>) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.mistake(span.clone(), Problem::Tag { tag: tag.to_string() });
        }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) {
        let bytes = self.bytes(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                self.scalar(&text, style, anchor, bytes);
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                self.open.push(Open {
                    start: bytes,
                    anchor,
                    content: Content::List(Vec::new()),
                });
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                let content = Content::Map {
                    entries: Entries::default(),
                    key: None,
                };
                self.open.push(Open {
                    start: bytes,
                    anchor,
                    content,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(Some(bytes));
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.unwrap_or_else(|| {
                    Rc::new(Marked {
                        span: bytes.clone(),
                        shape: Shape::Scalar(String::new()),
                    })
                });
                self.put(node, bytes, false);
            }
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, bytes: Range<usize>) {
        let bytes = bytes.start..bytes.start + written(&self.text[bytes], style);
        let text = text.to_owned();
        let plain = style == ScalarStyle::Plain;
        let number = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
        if plain && (number == ".inf" || number == ".nan") {
            self.mistake(bytes.clone(), Problem::NotFinite { value: text.clone() });
        }
        let node = Rc::new(Marked {
            span: bytes.clone(),
            shape: Shape::Scalar(text),
        });
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node, bytes, plain);
    }

    fn close(&mut self, end: Option<Range<usize>>) -> bool {
        let Some(Open { start, anchor, content }) = self.open.pop() else {
            return false;
        };
        // An opening bracket, or the first character of a block.
        let first = self.offsets.partition_point(|&offset| offset <= start.start);
        let first = self.offsets.get(first).copied().unwrap_or(start.start);
        let span = start.start..first.min(end.map_or(first, |end| end.end.max(start.start)));
        let shape = match content {
            Content::List(items) => Shape::List(items),
            Content::Map { entries, .. } => Shape::Map(entries),
        };
        let node = Rc::new(Marked {
            span: span.clone(),
            shape,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node, span, false);
        true
    }

    /// Puts a finished node where it belongs: into the list, as the next key, or as the value of that key.
    fn put(&mut self, node: Rc<Marked>, span: Range<usize>, plain: bool) {
        let mut mistakes = Vec::new();
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.spans.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                None => {
                    let text = match &node.shape {
                        Shape::Scalar(text) => text.clone(),
                        Shape::List(_) => "[…]".to_owned(),
                        Shape::Map(_) => "{…}".to_owned(),
                    };
                    let scalar = matches!(node.shape, Shape::Scalar(_));
                    if !scalar || (plain && yaml::is_not_text(&text)) {
                        mistakes.push(FormMistake {
                            span: span.clone(),
                            problem: Problem::KeyNotText { key: text.clone() },
                            related: None,
                        });
                    }
                    *key = Some((text, span));
                }
                Some((text, key_span)) if text == "<<" => {
                    let mapping = |node: &Marked| matches!(node.shape, Shape::Map(_));
                    let good = match &node.shape {
                        Shape::List(items) => items.iter().all(|item| mapping(item)),
                        _ => mapping(&node),
                    };
                    if !good {
                        mistakes.push(FormMistake {
                            span: key_span,
                            problem: Problem::BadMerge,
                            related: None,
                        });
                    }
                    entries.merged.push(node);
                }
                Some((text, key_span)) => match entries.by_key.get(&text) {
                    Some(&first) => mistakes.push(FormMistake {
                        span: key_span,
                        problem: Problem::DuplicateKey { key: text },
                        related: Some((entries.list[first].key_span.clone(), "first given here")),
                    }),
                    None => {
                        entries.by_key.insert(text, entries.list.len());
                        entries.list.push(Entry { key_span, value: node });
                    }
                },
            },
        }
        self.spans.mistakes.extend(mistakes);
    }
}

/// How many bytes of `text` a scalar covers: the parser counts blanks and comments after it too.
pub(super) fn written(text: &str, style: ScalarStyle) -> usize {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => {
            let first_line = text.lines().next().unwrap_or_default();
            let end = first_line.find(" #").unwrap_or(first_line.len());
            return first_line[..end].trim_end().len();
        }
    };
    let mut escaped = false;
    for (offset, character) in text.char_indices().skip(1) {
        if character == quote && !escaped {
            return offset + 1;
        }
        escaped = character == '\\' && quote == '"' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shown<'a>(text: &'a str, path: &str, part: Part) -> (&'a str, usize) {
        let spans = Spans::new(text);
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let found = spans.find(&path, part);
        (&text[found.span], found.steps)
    }

    #[test]
    fn keys_values_and_broken_paths() {
        let text = "é: { b: $c, d: [1, 22] }\r\nx:\r\n  y: \"ü\" # z\r\n";
        assert_eq!(shown(text, "é.b", Part::Key), ("b", 2));
        assert_eq!(shown(text, "é.b", Part::Value), ("$c", 2));
        assert_eq!(shown(text, "é.d.[1]", Part::Value), ("22", 3));
        assert_eq!(shown(text, "é.d.1", Part::Value), ("22", 3));
        assert_eq!(shown(text, "x.y", Part::Value), ("\"ü\"", 2));
        assert_eq!(shown(text, "x.q", Part::Value), ("x", 1));
        assert_eq!(shown(text, "é.b.q", Part::Value), ("$c", 2));
    }

    #[test]
    fn anchors_and_merges_lead_to_the_text_they_stand_for() {
        let text = "a: &a { k: 1 }\nb: *a\nc: { <<: *a, m: 2 }\n";
        assert_eq!(shown(text, "b.k", Part::Value), ("1", 2));
        assert_eq!(shown(text, "c.k", Part::Key), ("k", 2));
        assert_eq!(shown(text, "c.m", Part::Value), ("2", 2));
    }
}
