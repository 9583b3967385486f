//! Lines of a text.

use std::ops::Range;

/// Offsets of line starts.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Offset of the first byte of each line.
    pub starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Of a text.
    pub fn new(text: &'a str) -> Self {
        let starts = [0]
            .into_iter()
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// Index of the line that holds `offset`.
    pub fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// Bytes of the lines `first..=last`, with their ends.
    pub fn bytes(&self, first: usize, last: usize) -> Range<usize> {
        let end = self.starts.get(last + 1).copied().unwrap_or(self.text.len());
        self.starts[first]..end
    }

    /// Line and column, both from 1.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.index(offset);
        let before = self
            .text
            .get(self.starts[line]..offset)
            .map_or(0, |before| before.chars().count());
        (line + 1, before + 1)
    }
}
