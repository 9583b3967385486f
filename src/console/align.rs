//! Columns of text.

use std::borrow::Cow;

use super::one_line;

/// Columns of equal width; those in `right` are set to the right. A cell never leaves its line.
pub fn align(lines: &[Vec<String>], right: &[usize]) -> String {
    let cells = lines
        .iter()
        .map(|line| line.iter().map(|cell| Cell::of(cell)).collect());
    let lines: Vec<Vec<Cell>> = cells.collect();
    let mut widths: Vec<usize> = Vec::new();
    for line in &lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.width.max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        for ((n, cell), width) in line.iter().enumerate().zip(&widths) {
            let room = width - cell.width;
            let (before, after) = if right.contains(&n) { (room, 0) } else { (0, room) };
            text.extend(std::iter::repeat_n(' ', before));
            text.push_str(&cell.text);
            text.extend(std::iter::repeat_n(' ', after + 2));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// What is shown of a cell, and how wide that is.
struct Cell<'a> {
    text: Cow<'a, str>,
    width: usize,
}

impl<'a> Cell<'a> {
    fn of(text: &'a str) -> Self {
        let text = one_line(text);
        let width = if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        };
        Self { text, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let lines = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["φφ".to_owned(), "22".to_owned()],
        ];
        assert_eq!(align(&lines, &[1]), "a    1\nφφ  22\n");
        assert_eq!(align(&[Vec::new(), vec!["a".to_owned(), String::new()]], &[]), "\na\n");
    }
}
