//! What a command prints: its beginning and its end are kept, so that one that prints without end fills no disk.

use std::collections::VecDeque;
use std::io::{self, Write};

/// So many bytes of the beginning are kept, and as many of the end.
pub(super) const KEPT: usize = 4 << 20;

/// A log that is being written.
pub(super) struct Log<W> {
    to: W,
    kept: usize,
    begun: usize,
    end: VecDeque<String>,
    end_bytes: usize,
    lines_left_out: u64,
}

impl<W: Write> Log<W> {
    /// One that keeps so many bytes of its beginning and of its end.
    pub fn new(to: W, kept: usize) -> Self {
        Self {
            to,
            kept,
            begun: 0,
            end: VecDeque::new(),
            end_bytes: 0,
            lines_left_out: 0,
        }
    }

    /// Takes a line.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() + 1;
        if self.end.is_empty() && self.begun + bytes <= self.kept {
            self.begun += bytes;
            return writeln!(self.to, "{line}");
        }
        self.end.push_back(line.to_owned());
        self.end_bytes += bytes;
        while self.end_bytes > self.kept
            && let Some(first) = self.end.pop_front()
        {
            self.end_bytes -= first.len() + 1;
            self.lines_left_out += 1;
        }
        Ok(())
    }

    /// Writes the end; gives the number of lines between that are left out.
    pub fn finish(mut self) -> io::Result<u64> {
        if self.lines_left_out > 0 {
            writeln!(self.to, "[{} lines are left out here]", self.lines_left_out)?;
        }
        for line in self.end {
            writeln!(self.to, "{line}")?;
        }
        self.to.flush()?;
        Ok(self.lines_left_out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept(lines: usize, bytes: usize) -> (String, u64) {
        let mut text = Vec::new();
        let mut log = Log::new(&mut text, bytes);
        (0..lines).for_each(|n| log.line(&format!("line {n:03}")).unwrap());
        let left_out = log.finish().unwrap();
        (String::from_utf8(text).unwrap(), left_out)
    }

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let whole: String = (0..10).map(|n| format!("line {n:03}\n")).collect();
        for bytes in [45, 60, 90, 1000] {
            assert_eq!(kept(10, bytes), (whole.clone(), 0), "{bytes}");
        }
        let expected = "line 000\nline 001\n[96 lines are left out here]\nline 098\nline 099\n";
        assert_eq!(kept(100, 20), (expected.to_owned(), 96));
        // A line that is longer than all that is kept.
        let mut text = Vec::new();
        let mut log = Log::new(&mut text, 4);
        log.line("a line").unwrap();
        assert_eq!(log.finish().unwrap(), 1);
    }
}
