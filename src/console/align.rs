//! Columns of text.

use std::fmt::Write as _;

use super::one_line;

/// Columns of equal width; those in `right` are set to the right. A cell never leaves its line.
pub fn align(lines: &[Vec<String>], right: &[usize]) -> String {
    let cells = |line: &Vec<String>| line.iter().map(|cell| one_line(cell).into_owned()).collect();
    let lines: Vec<Vec<String>> = lines.iter().map(cells).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(n))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut out = String::new();
        for (n, cell) in line.iter().enumerate() {
            let room = " ".repeat(widths[n] - cell.chars().count());
            let _ = if right.contains(&n) {
                write!(out, "{room}{cell}  ")
            } else {
                write!(out, "{cell}{room}  ")
            };
        }
        let _ = writeln!(text, "{}", out.trim_end());
    }
    text
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
    }
}
