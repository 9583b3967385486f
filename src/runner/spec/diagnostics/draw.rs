//! Mistakes as a person sees them.

use std::fmt;
use std::ops::Range;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::Diagnostic;
use super::lines::Lines;

/// At most so many mistakes are drawn.
const SHOWN: usize = 100;
const WIDTH: usize = 100;
/// A longer line is shown in part.
const LONG_LINE: usize = 500;
/// So many bytes of a long line are shown on both sides of a mistake, and of the mistake itself.
const AROUND: usize = 60;

/// Each mistake with file, line, column, the source line, a caret, the message and a hint; then the places in other files
/// that belong to it.
pub(super) fn draw(mistakes: &[Diagnostic], texts: &[(String, String)], colour: bool) -> String {
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
    let sources = texts.iter().map(|(file, text)| Source {
        file,
        text,
        lines: Lines::new(text),
    });
    let sources: Vec<Source<'_>> = sources.collect();
    let mut out = String::new();
    for mistake in mistakes.iter().take(SHOWN) {
        let source = sources.iter().find(|source| source.file == mistake.file);
        let shown = Shown { mistake, source };
        if handler.render_report(&mut out, &shown).is_err() {
            let Diagnostic {
                file,
                line,
                column,
                message,
                ..
            } = mistake;
            out += &format!("{file}:{line}:{column}: {message}\n");
        }
        for other in mistake.related.iter().filter(|other| other.file != mistake.file) {
            let what = other.message.trim_end_matches(" here");
            out += &format!("  {what} at {}:{}:{}\n", other.file, other.line, other.column);
        }
        out.push('\n');
    }
    if mistakes.len() > SHOWN {
        out += &format!("… and {} more\n\n", mistakes.len() - SHOWN);
    }
    out
}

/// A mistake as miette draws it.
struct Shown<'a> {
    mistake: &'a Diagnostic,
    source: Option<&'a Source<'a>>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.mistake, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.mistake.span, self.mistake.message.starts_with("`-p ")) {
            (None, false) => write!(f, "{}: {}", self.mistake.file, self.mistake.message),
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
        self.mistake.span.as_ref()?;
        self.source.map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let source = self.source?;
        let span = source.shown(&self.mistake.span.clone()?);
        let long = source.is_long(&span);
        let main = LabeledSpan::new_primary_with_span(None, span);
        // Two places of one long line are too far apart to be drawn together.
        let related = self
            .mistake
            .related
            .iter()
            .filter(|place| place.file == self.mistake.file);
        let related = related.filter(move |place| !long && !source.is_long(&place.span));
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
