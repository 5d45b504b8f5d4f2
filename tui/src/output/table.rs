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

/// A column of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    name: &'static str,
    /// The higher, the sooner it falls away where there is no room. Rank 0 stays.
    rank: u8,
    cut: Option<Cut>,
}

/// What goes of a text that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Start,
    End,
}

/// Characters that are left at least of a text that is cut.
const CUT_MIN: usize = 16;

impl Column {
    /// Shown as it is.
    pub const fn new(name: &'static str, rank: u8) -> Self {
        Self { name, rank, cut: None }
    }

    /// Names, whose start tells most.
    pub const fn name(name: &'static str, rank: u8) -> Self {
        Self { name, rank, cut: Some(Cut::End) }
    }

    /// Paths, whose end tells most.
    pub const fn path(name: &'static str, rank: u8) -> Self {
        Self { name, rank, cut: Some(Cut::Start) }
    }
}

/// Prints the rows, below the names of the columns if `header` says so. `width`: for people, on a terminal
/// with so many columns; what does not fit is cut, or left out.
///
/// # Errors
/// If the reader went away.
pub fn print(
    console: &Console,
    columns: &[Column],
    rows: &[Vec<Cell>],
    header: bool,
    width: Option<usize>,
) -> Result<(), Failure> {
    lines(columns, rows, header, width).iter().try_for_each(|line| console.result(line))
}

fn lines(
    columns: &[Column],
    rows: &[Vec<Cell>],
    header: bool,
    width: Option<usize>,
) -> Vec<String> {
    let right = |column: usize| rows.first().is_some_and(|row: &Vec<Cell>| row[column].right);
    let head = columns.iter().enumerate().map(|(n, column)| Cell {
        text: column.name.into(),
        exact: column.name.to_lowercase(),
        right: right(n),
    });
    let head: Vec<Vec<Cell>> = if header { vec![head.collect()] } else { Vec::new() };
    let all: Vec<&Vec<Cell>> = head.iter().chain(rows).collect();
    let Some(width) = width else {
        let fields = |row: &&Vec<Cell>| {
            let cells: Vec<_> = row.iter().map(|cell| cell.exact.clone()).collect();
            cells.join("\t")
        };
        return all.iter().map(fields).collect();
    };
    let widest = |n: usize| all.iter().map(|row| row[n].text.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).filter_map(widest).collect();
    let fitting = fit(columns, &widths, width);
    let line = |row: &&Vec<Cell>| {
        let cells = fitting.iter().map(|&(n, width)| {
            let text = shorten(&row[n].text, width, columns[n].cut);
            if row[n].right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

/// The columns that fit beside each other, by their places, and how wide each is.
fn fit(columns: &[Column], widths: &[usize], room: usize) -> Vec<(usize, usize)> {
    let mut kept: Vec<(usize, usize)> = widths.iter().copied().enumerate().collect();
    let least = |&(n, width): &(usize, usize)| match columns[n].cut {
        Some(_) => width.min(CUT_MIN),
        None => width,
    };
    let sum = |kept: &[(usize, usize)]| kept.iter().map(|column| least(column) + 2).sum::<usize>();
    while sum(&kept) > room + 2 {
        let worst = kept.iter().map(|&(n, _)| columns[n].rank).max().unwrap_or(0);
        if worst == 0 {
            break;
        }
        kept.retain(|&(n, _)| columns[n].rank != worst);
    }
    // What is left goes to those that are cut, from the first.
    let mut spare = (room + 2).saturating_sub(sum(&kept));
    for column in &mut kept {
        let least = least(column);
        let more = spare.min(column.1 - least);
        (column.1, spare) = (least + more, spare - more);
    }
    kept
}

fn shorten(text: &str, width: usize, cut: Option<Cut>) -> String {
    let length = text.chars().count();
    let Some(cut) = cut.filter(|_| length > width) else { return text.to_owned() };
    let kept = width.saturating_sub(1);
    match cut {
        Cut::Start => format!("…{}", text.chars().skip(length - kept).collect::<String>()),
        Cut::End => format!("{}…", text.chars().take(kept).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] = [Column::new("NAME", 0), Column::new("SIZE", 0)];

    fn rows() -> Vec<Vec<Cell>> {
        let row =
            |name: &str, text, bytes: u64| vec![Cell::text(name), Cell::number(&text, &bytes)];
        vec![row("a\tname", "1 B", 1), row("日本", "1.00 MiB", 1 << 20)]
    }

    #[test]
    fn people_get_columns() {
        assert_eq!(
            lines(&COLUMNS, &rows(), true, Some(80)),
            ["NAME            SIZE", r"a\u{9}name       1 B", "日本          1.00 MiB"]
        );
    }

    #[test]
    fn programs_get_tabs_and_exact_numbers() {
        assert_eq!(
            lines(&COLUMNS, &rows(), true, None),
            ["name\tsize", "a\\u{9}name\t1", "日本\t1048576"]
        );
        assert_eq!(lines(&COLUMNS, &rows(), false, None).len(), 2);
        assert_eq!(lines(&COLUMNS, &[], false, Some(80)), [""; 0]);
    }

    #[test]
    fn where_it_is_narrow_texts_are_cut_and_columns_fall_away() {
        let columns = [Column::name("NAME", 0), Column::new("SIZE", 1), Column::path("PATH", 0)];
        let text = |text: &str| Cell::text(text);
        let row = vec![text("a name of twenty-one."), text("1 B"), text("/data/of/some/length/x")];
        let lines = |width| lines(&columns, std::slice::from_ref(&row), false, Some(width));
        assert_eq!(lines(50), ["a name of twenty-one.  1 B  /data/of/some/length/x"]);
        assert_eq!(lines(41), ["a name of twenty-…  1 B  …f/some/length/x"]);
        assert_eq!(lines(34), ["a name of twent…  …f/some/length/x"]);
        assert_eq!(lines(5), lines(34), "less is nothing");
    }
}
