//! Mistakes with their places, and how they are shown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use super::parameters::whole_reference;
use super::problem::Problem;
use super::spans::{Found, Part, Spans};

/// At most so many mistakes are drawn.
const SHOWN: usize = 100;
const WIDTH: usize = 100;
/// A longer line is shown in part.
const LONG_LINE: usize = 500;
/// So many bytes of a long line are shown on both sides of a mistake, and of the mistake itself.
const AROUND: usize = 60;
const LONGEST_QUOTE: usize = 100;

/// Where a mistake is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum At {
    /// The file as a whole.
    File,
    /// Bytes of the file.
    Bytes(Range<usize>),
    /// A key or value by its path.
    Path(Vec<String>, Part),
    /// The command line.
    CommandLine,
}

/// A mistake before its place is looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mistake {
    pub at: At,
    pub problem: Problem,
    /// Parameters that a sweep or the command line sets here, with the path of their value in the sweep.
    pub settings: Vec<(String, Option<Vec<String>>)>,
}

impl Mistake {
    /// A mistake at one place.
    pub(super) fn new(at: At, problem: Problem) -> Self {
        Self {
            at,
            problem,
            settings: Vec::new(),
        }
    }

    /// A mistake at the key or value with this path.
    pub(super) fn at(path: Vec<String>, part: Part, problem: Problem) -> Self {
        Self::new(At::Path(path, part), problem)
    }
}

/// A second place that belongs to a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is there.
    pub message: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What sort of mistake, such as `UnknownKind`.
    pub code: &'static str,
    /// Line, from 1; 0 where the mistake is not at one place of the file (for example, on the command line).
    pub line: usize,
    /// Column in characters, from 1; 0 likewise.
    pub column: usize,
    /// Bytes of the file.
    pub span: Option<Range<usize>>,
    /// Path of keys, joined by dots; empty where there is none.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// All mistakes of one pipeline file, in the order of their places.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostics {
    file: String,
    #[serde(skip)]
    text: String,
    mistakes: Vec<Diagnostic>,
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Diagnostics {
    /// A mistake of the file as a whole.
    pub(super) fn whole(file: &str, problem: Problem) -> Self {
        Self::new(file, "", vec![Mistake::new(At::File, problem)], None)
    }

    /// Finds the places; `spans` is needed for mistakes with a path.
    pub(super) fn new(file: &str, text: &str, mistakes: Vec<Mistake>, spans: Option<&Spans>) -> Self {
        let lines = Lines::new(text);
        let form = spans.map_or(&[][..], |spans| &spans.mistakes);
        let mut found: Vec<Diagnostic> = form
            .iter()
            .map(|mistake| {
                let mut diagnostic = lines.diagnostic(&mistake.problem, Some(mistake.span.clone()), &[]);
                let related = mistake
                    .related
                    .iter()
                    .map(|(span, message)| lines.related(span.clone(), (*message).to_owned()));
                diagnostic.related.extend(related);
                diagnostic
            })
            .collect();
        for mistake in mistakes {
            let diagnostic = match &mistake.at {
                At::File | At::CommandLine => lines.diagnostic(&mistake.problem, None, &[]),
                At::Bytes(span) => lines.diagnostic(&mistake.problem, Some(span.clone()), &[]),
                At::Path(path, part) => {
                    let place = spans.map(|spans| spans.find(path, *part));
                    let span = place.as_ref().map_or(0..0, |place| place.span.clone());
                    // A wrong form at this place explains it already.
                    if form.iter().any(|form| form.span == span) {
                        continue;
                    }
                    let mut diagnostic = lines.diagnostic(&mistake.problem, Some(span), path);
                    if let (Some(spans), Some(place)) = (spans, place) {
                        diagnostic
                            .related
                            .extend(origin(spans, path, &place, &mistake.settings, &lines));
                    }
                    diagnostic
                }
            };
            found.push(diagnostic);
        }
        found.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or(0, |span| span.start));
        // One mistake may be met at many sweep points, or through many aliases.
        let mut known = HashSet::new();
        found.retain(|mistake| {
            let related: Vec<_> = mistake.related.iter().map(|related| related.span.clone()).collect();
            known.insert((mistake.span.clone(), mistake.message.clone(), related))
        });
        // Text of the user goes to a terminal: no control characters in it.
        let text = text.chars().map(|character| {
            if harmful(character) {
                "?".repeat(character.len_utf8())
            } else {
                character.to_string()
            }
        });
        Self {
            file: file.to_owned(),
            text: text.collect(),
            mistakes: found,
        }
    }

    /// The mistakes, in the order of their places; those of the command line come first.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.mistakes.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// Never true for what `load` returns.
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// The name of the file as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All mistakes for a reader: file, line, column, the source line, a caret, the message and a hint.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_wrap_lines(false)
            .with_context_lines(1)
            .with_links(false)
            .without_syntax_highlighting();
        let source = Source {
            file: &self.file,
            text: &self.text,
            lines: Lines::new(&self.text),
        };
        let mut out = String::new();
        for mistake in self.mistakes.iter().take(SHOWN) {
            let shown = Shown {
                mistake,
                file: &self.file,
                source: &source,
            };
            if handler.render_report(&mut out, &shown).is_err() {
                out += &format!(
                    "{}:{}:{}: {}\n",
                    self.file, mistake.line, mistake.column, mistake.message
                );
            }
            out.push('\n');
        }
        if self.mistakes.len() > SHOWN {
            out += &format!("… and {} more\n\n", self.mistakes.len() - SHOWN);
        }
        let noun = if self.mistakes.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        };
        out + &format!("{} {noun} in {}\n", self.mistakes.len(), self.file)
    }
}

/// A message with whatever of the user's is quoted in it cut to a readable length.
fn clipped(message: &str) -> String {
    let parts = message.split('`').enumerate().map(|(index, part)| {
        let quoted = index % 2 == 1;
        match part.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) if quoted => Cow::Owned(format!("{}…", &part[..end])),
            _ => Cow::Borrowed(part),
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

fn harmful(character: char) -> bool {
    character.is_control() && !['\n', '\r', '\t'].contains(&character)
}

/// Where the value of the `$name` at `place` is set.
fn origin(
    spans: &Spans,
    path: &[String],
    place: &Found,
    settings: &[(String, Option<Vec<String>>)],
    lines: &Lines<'_>,
) -> Option<Related> {
    let name = whole_reference(place.scalar.as_deref()?)?;
    if path.first().is_none_or(|first| first == "params") {
        return None;
    }
    let setting = settings
        .iter()
        .find(|(set, _)| set == name)
        .map(|(_, path)| path.clone());
    let mut source = setting.unwrap_or_else(|| Some(vec!["params".to_owned(), name.to_owned()]))?;
    source.extend(path[place.steps..].iter().cloned());
    let found = spans.find(&source, Part::Value);
    (found.steps >= 2).then(|| lines.related(found.span, format!("`{name}` is set here")))
}

/// Offsets of line starts.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = [0]
            .into_iter()
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// Index of the line that holds `offset`.
    fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// Bytes of the lines `first..=last`, with their ends.
    fn bytes(&self, first: usize, last: usize) -> Range<usize> {
        let end = self.starts.get(last + 1).copied().unwrap_or(self.text.len());
        self.starts[first]..end
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.index(offset);
        let before = self
            .text
            .get(self.starts[line]..offset)
            .map_or(0, |before| before.chars().count());
        (line + 1, before + 1)
    }

    fn related(&self, span: Range<usize>, message: String) -> Related {
        let (line, column) = self.place(span.start);
        Related {
            line,
            column,
            span,
            message,
        }
    }

    fn diagnostic(&self, problem: &Problem, span: Option<Range<usize>>, path: &[String]) -> Diagnostic {
        let (line, column) = span.as_ref().map_or((0, 0), |span| self.place(span.start));
        let (message, hint) = (clipped(&problem.to_string()), problem.hint().as_deref().map(clipped));
        Diagnostic {
            code: problem.name(),
            line,
            column,
            span,
            path: path.join("."),
            message,
            hint,
            related: Vec::new(),
        }
    }
}

/// A mistake as miette draws it.
struct Shown<'a> {
    mistake: &'a Diagnostic,
    file: &'a str,
    source: &'a Source<'a>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.mistake, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.mistake.span, self.mistake.message.starts_with("`-p ")) {
            (None, false) => write!(f, "{}: {}", self.file, self.mistake.message),
            _ => f.write_str(&self.mistake.message),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.mistake
            .hint
            .as_ref()
            .map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.mistake.span.as_ref().map(|_| self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.source.shown(&self.mistake.span.clone()?);
        let long = self.source.is_long(&span);
        let main = LabeledSpan::new_primary_with_span(None, span);
        // Two places of one long line are too far apart to be drawn together.
        let related = self.mistake.related.iter();
        let related = related.filter(move |place| !long && !self.source.is_long(&place.span));
        let related = related.map(|place| LabeledSpan::new_with_span(Some(place.message.clone()), place.span.clone()));
        Some(Box::new([main].into_iter().chain(related)))
    }
}

/// The text with an index of its lines, so that drawing many mistakes of a long file stays fast.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    lines: Lines<'a>,
}

/// The first place from `at` on where a character begins.
fn boundary_after(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|&place| text.is_char_boundary(place))
        .unwrap_or(text.len())
}

/// The last place up to `at` where a character begins.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0)
}

impl Source<'_> {
    /// Whether a place is in a line too long to be drawn.
    fn is_long(&self, span: &Range<usize>) -> bool {
        let line = self.lines.index(span.start);
        self.lines.bytes(line, line).len() > LONG_LINE
    }

    /// The part of a place that is drawn.
    fn shown(&self, span: &Range<usize>) -> Range<usize> {
        let end = span.end.min(span.start + AROUND);
        if self.is_long(span) {
            span.start..boundary_after(self.text, end)
        } else {
            span.clone()
        }
    }
}

impl SourceCode for Source<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, miette::MietteError> {
        let end = span.offset() + span.len();
        if end > self.text.len() {
            return Err(miette::MietteError::OutOfBounds);
        }
        let (start_line, end_line) = (self.lines.index(span.offset()), self.lines.index(end));
        // Without lines around it only the place is asked for.
        let place_only = before == 0 && after == 0;
        if !place_only && self.is_long(&(span.offset()..end)) {
            let line = self.lines.bytes(start_line, end_line);
            let start = boundary_before(self.text, span.offset().saturating_sub(AROUND)).max(line.start);
            let stop = boundary_after(self.text, (end + AROUND).min(line.end));
            let (data, read) = (&self.text.as_bytes()[start..stop], SourceSpan::from(start..stop));
            return Ok(Box::new(MietteSpanContents::new_named(
                self.file.to_owned(),
                data,
                read,
                start_line,
                start - line.start,
                1,
            )));
        }
        let lines = self.lines.starts.len() - 1;
        // A long neighbour is left out.
        let short = |line: usize| self.lines.bytes(line, line).len() <= LONG_LINE;
        let before = if (start_line.saturating_sub(before)..start_line).all(short) {
            before
        } else {
            0
        };
        let after = if (end_line + 1..=(end_line + after).min(lines)).all(short) {
            after
        } else {
            0
        };
        let first = start_line.saturating_sub(before);
        let last = (end_line + after).min(self.lines.starts.len() - 1);
        let bytes = self.lines.bytes(first, last);
        let column = if place_only { span.offset() - bytes.start } else { 0 };
        let start = if place_only { span.offset() } else { bytes.start };
        let data = &self.text.as_bytes()[start..bytes.end];
        let read = SourceSpan::from(start..bytes.end);
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.to_owned(),
            data,
            read,
            first,
            column,
            last + 1 - first,
        )))
    }
}
