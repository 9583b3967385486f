//! From the paths of mistakes to their lines and columns.

use std::cell::OnceCell;
use std::ops::Range;

use super::super::parameters::whole_reference;
use super::super::problem::Problem;
use super::super::spans::{FormMistake, Found, Part};
use super::lines::Lines;
use super::{At, Diagnostic, Link, Mistake, Related, Text, clipped};

/// What is said of the place where a file is used.
pub(super) const USED: &str = "used here";

/// The files of a pipeline, and how they use each other.
pub(super) struct Places<'a> {
    texts: &'a [Text<'a>],
    lines: Vec<OnceCell<Lines<'a>>>,
    links: &'a [Link],
}

impl<'a> Places<'a> {
    /// Of these files.
    pub fn new(texts: &'a [Text<'a>], links: &'a [Link]) -> Self {
        let lines = texts.iter().map(|_| OnceCell::new()).collect();
        Self { texts, lines, links }
    }

    fn lines(&self, file: usize) -> &Lines<'a> {
        self.lines[file].get_or_init(|| Lines::new(self.texts[file].text))
    }

    /// Mistakes of form in a file.
    pub fn of_form(&self, file: usize) -> Vec<Diagnostic> {
        let form = self.texts[file].spans.as_ref().map_or(&[][..], |spans| &spans.mistakes);
        let scope = self.links.iter().position(|link| link.file == file).unwrap_or(0);
        let one = |mistake: &FormMistake| {
            let mut diagnostic = self.at(file, &mistake.problem, Some(mistake.span.clone()), &[]);
            let related = mistake.related.iter();
            let related = related.map(|(span, message)| self.related(file, span.clone(), (*message).to_owned()));
            diagnostic.related.extend(related);
            diagnostic.related.extend(self.used(scope));
            diagnostic
        };
        form.iter().map(one).collect()
    }

    /// A mistake with its place; nothing where a wrong form at this place explains it already.
    pub fn diagnostic(&self, mistake: &Mistake, scope: usize) -> Option<Diagnostic> {
        let file = self.links[scope].file;
        let mut diagnostic = match &mistake.at {
            At::File | At::CommandLine => self.at(file, &mistake.problem, None, &[]),
            At::Bytes(span) => self.at(file, &mistake.problem, Some(span.clone()), &[]),
            At::Path(path, part) => {
                let spans = self.texts[file].spans.as_ref();
                let place = spans.map(|spans| spans.find(path, *part));
                let span = place.as_ref().map_or(0..0, |place| place.span.clone());
                if spans.is_some_and(|spans| spans.mistakes.iter().any(|form| form.span == span)) {
                    return None;
                }
                let mut diagnostic = self.at(file, &mistake.problem, Some(span), path);
                let place = place.filter(|_| *part == Part::Value);
                let origin = place.and_then(|place| self.origin(mistake, scope, path, &place));
                diagnostic.related.extend(origin);
                diagnostic
            }
        };
        diagnostic.related.extend(self.used(scope));
        Some(diagnostic)
    }

    /// Where the file is used, and the one that uses it.
    fn used(&self, mut scope: usize) -> Vec<Related> {
        let mut found = Vec::new();
        while let Some((parent, name)) = &self.links[scope].parent {
            scope = *parent;
            let path = ["use", name.as_str()].map(str::to_owned);
            let file = self.links[scope].file;
            if let Some(spans) = &self.texts[file].spans {
                found.push(self.related(file, spans.find(&path, Part::Key).span, USED.to_owned()));
            }
        }
        found
    }

    /// Where the value of the `$name` at `place` is set.
    fn origin(&self, mistake: &Mistake, mut scope: usize, path: &[String], place: &Found) -> Option<Related> {
        let mut name = whole_reference(place.scalar.as_deref()?)?.to_owned();
        if path.first().is_none_or(|first| first == "params") {
            return None;
        }
        let rest = &path[place.steps..];
        loop {
            let link = &self.links[scope];
            let mut settings = mistake.settings.iter();
            let setting = settings.find(|setting| setting.scope == scope && setting.name == name);
            let outside = match (setting, &link.parent) {
                (Some(_), _) => None,
                _ if link.command_line.contains(&name) => return None,
                (None, Some((parent, used))) if link.with.contains(&name) => Some((*parent, used)),
                _ => None,
            };
            let (at, mut source) = match (setting, outside) {
                (Some(setting), _) => (scope, setting.place.clone()),
                (None, Some((parent, used))) => (parent, ["use", used, "with", &name].map(str::to_owned).to_vec()),
                (None, None) => (scope, ["params", &name].map(str::to_owned).to_vec()),
            };
            source.extend(rest.iter().cloned());
            let file = self.links[at].file;
            let found = self.texts[file].spans.as_ref()?.find(&source, Part::Value);
            let further = found.scalar.as_deref().and_then(whole_reference);
            match further.filter(|_| outside.is_some()) {
                Some(further) => (scope, name) = (at, further.to_owned()),
                None if found.steps < 2 => return None,
                None => return Some(self.related(file, found.span, format!("`{name}` is set here"))),
            }
        }
    }

    fn related(&self, file: usize, span: Range<usize>, message: String) -> Related {
        let (line, column) = self.lines(file).place(span.start);
        Related {
            file: self.texts[file].name.to_owned(),
            line,
            column,
            span,
            message,
        }
    }

    fn at(&self, file: usize, problem: &Problem, span: Option<Range<usize>>, path: &[String]) -> Diagnostic {
        let place = |span: &Range<usize>| self.lines(file).place(span.start);
        let (line, column) = span.as_ref().map_or((0, 0), place);
        let (message, hint) = (clipped(&problem.to_string()), problem.hint().as_deref().map(clipped));
        Diagnostic {
            code: problem.name(),
            file: self.texts[file].name.to_owned(),
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
