//! Mistakes with their places, and how they are shown.

mod draw;
mod lines;
mod places;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use self::places::{Places, USED};
use super::problem::Problem;
use super::spans::{Part, Spans};

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
    /// The use of a file in which it is; `None` until that is known.
    pub scope: Option<usize>,
    pub at: At,
    pub problem: Problem,
    /// Parameters that a sweep sets here.
    pub settings: Vec<Setting>,
}

/// A parameter that a sweep sets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    /// The use of a file whose parameter it is.
    pub scope: usize,
    /// Its name there.
    pub name: String,
    /// The path of its value in the sweep of that file.
    pub place: Vec<String>,
}

impl Mistake {
    /// A mistake at one place.
    pub(super) fn new(at: At, problem: Problem) -> Self {
        Self {
            scope: None,
            at,
            problem,
            settings: Vec::new(),
        }
    }

    /// A mistake at the key or value with this path.
    pub(super) fn at(path: Vec<String>, part: Part, problem: Problem) -> Self {
        Self::new(At::Path(path, part), problem)
    }

    /// The same in this use of a file, unless it is known to be in another.
    pub(super) fn within(mut self, scope: usize) -> Self {
        self.scope.get_or_insert(scope);
        self
    }
}

/// One use of a file, for its mistakes.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Which file.
    pub file: usize,
    /// The use in whose file it is used, and under which name.
    pub parent: Option<(usize, String)>,
    /// Parameters that are set there.
    pub with: HashSet<String>,
    /// Parameters that the command line sets.
    pub command_line: HashSet<String>,
}

/// A file with the places in it, where they are needed.
pub(super) struct Text<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub spans: Option<Spans>,
}

/// A second place that belongs to a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file.
    pub file: String,
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
    /// The file.
    pub file: String,
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

/// All mistakes of a pipeline and of the files that it uses, file by file in the order of their places.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostics {
    file: String,
    /// Names and texts of the files with mistakes.
    #[serde(skip)]
    texts: Vec<(String, String)>,
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
        let text = Text {
            name: file,
            text: "",
            spans: None,
        };
        Self::new(&[text], &[Link::default()], vec![Mistake::new(At::File, problem)])
    }

    /// Finds the places of mistakes in `texts`. Those with a path need the spans of their file.
    pub(super) fn new(texts: &[Text<'_>], links: &[Link], mistakes: Vec<Mistake>) -> Self {
        let places = Places::new(texts, links);
        let mut found: Vec<(usize, Diagnostic)> = Vec::new();
        for file in 0..texts.len() {
            found.extend(places.of_form(file).into_iter().map(|diagnostic| (file, diagnostic)));
        }
        for mistake in mistakes {
            let scope = mistake.scope.unwrap_or(0);
            found.extend(
                places
                    .diagnostic(&mistake, scope)
                    .map(|diagnostic| (links[scope].file, diagnostic)),
            );
        }
        let start = |diagnostic: &Diagnostic| diagnostic.span.as_ref().map_or(0, |span| span.start);
        found.sort_by_key(|(file, diagnostic)| (*file, start(diagnostic)));
        // One mistake may be met at many sweep points, in many uses of its file, or through many aliases.
        let mut known = HashSet::new();
        found.retain(|(file, mistake)| {
            let related = mistake.related.iter().filter(|related| related.message != USED);
            let related: Vec<_> = related
                .map(|related| (related.file.clone(), related.span.clone()))
                .collect();
            known.insert((*file, mistake.span.clone(), mistake.message.clone(), related))
        });
        let shown = texts
            .iter()
            .enumerate()
            .filter(|(file, _)| found.iter().any(|(own, _)| own == file));
        Self {
            file: texts.first().map_or("", |text| text.name).to_owned(),
            texts: shown
                .map(|(_, text)| (text.name.to_owned(), harmless(text.text)))
                .collect(),
            mistakes: found.into_iter().map(|(_, diagnostic)| diagnostic).collect(),
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
        let mut out = draw::draw(&self.mistakes, &self.texts, colour);
        let noun = if self.mistakes.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        };
        out += &format!("{} {noun} in {}\n", self.mistakes.len(), self.file);
        out
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

/// The text of the user goes to a terminal: no control characters in it.
fn harmless(text: &str) -> String {
    let text = text.chars().map(|character| {
        if harmful(character) {
            "?".repeat(character.len_utf8())
        } else {
            character.to_string()
        }
    });
    text.collect()
}
