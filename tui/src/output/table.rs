//! Lists: columns that line up for people, and fields between tabs for programs.

use std::fmt::Display;

use super::Console;
use crate::{exit::Failure, text::inert};

/// A value in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// For people.
    text: String,
    /// For programs.
    exact: String,
    /// A number: it ends where the others end.
    right: bool,
}

impl Cell {
    /// Words, which may be somebody else's.
    pub fn text(text: &str) -> Self {
        let text = inert(text);
        Self { exact: text.clone(), text, right: false }
    }

    /// A number as people read it, and as programs do.
    pub fn number(text: &impl Display, exact: &impl Display) -> Self {
        Self { text: text.to_string(), exact: exact.to_string(), right: true }
    }

    /// A moment as people read it, and in seconds since 1970.
    pub fn moment(text: &impl Display, exact: u64) -> Self {
        Self { right: false, ..Self::number(text, &exact) }
    }
}

/// Prints the rows, below the names of the columns if `header` says so. `aligned`: for people.
///
/// # Errors
/// If the reader went away.
pub fn print(
    console: &Console,
    names: &[&str],
    rows: &[Vec<Cell>],
    header: bool,
    aligned: bool,
) -> Result<(), Failure> {
    lines(names, rows, header, aligned).iter().try_for_each(|line| console.result(line))
}

fn lines(names: &[&str], rows: &[Vec<Cell>], header: bool, aligned: bool) -> Vec<String> {
    let right = |column: usize| rows.first().is_some_and(|row: &Vec<Cell>| row[column].right);
    let head = names.iter().enumerate().map(|(column, name)| Cell {
        text: (*name).into(),
        exact: name.to_lowercase(),
        right: right(column),
    });
    let head: Vec<Vec<Cell>> = if header { vec![head.collect()] } else { Vec::new() };
    let all: Vec<&Vec<Cell>> = head.iter().chain(rows).collect();
    if !aligned {
        let fields = |row: &&Vec<Cell>| {
            let cells: Vec<_> = row.iter().map(|cell| cell.exact.clone()).collect();
            cells.join("\t")
        };
        return all.iter().map(fields).collect();
    }
    let width = |column: usize| all.iter().map(|row| row[column].text.chars().count()).max();
    let widths: Vec<usize> = (0..names.len()).filter_map(width).collect();
    let line = |row: &&Vec<Cell>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| {
            let text = &cell.text;
            if cell.right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        let row =
            |name: &str, text, bytes: u64| vec![Cell::text(name), Cell::number(&text, &bytes)];
        vec![row("a\tname", "1 B", 1), row("日本", "1.00 MiB", 1 << 20)]
    }

    #[test]
    fn people_get_columns() {
        assert_eq!(
            lines(&["NAME", "SIZE"], &rows(), true, true),
            ["NAME            SIZE", r"a\u{9}name       1 B", "日本          1.00 MiB"]
        );
    }

    #[test]
    fn programs_get_tabs_and_exact_numbers() {
        assert_eq!(
            lines(&["NAME", "SIZE"], &rows(), true, false),
            ["name\tsize", "a\\u{9}name\t1", "日本\t1048576"]
        );
        assert_eq!(lines(&["NAME", "SIZE"], &rows(), false, false).len(), 2);
        assert_eq!(lines(&["NAME"], &[], false, true), [""; 0]);
    }
}
