//! The files of a share as a tree. Folders are folded and unfolded with Enter; a filter shows the files
//! that match, each with its whole path.

use std::{ops::Range, sync::Arc};

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph},
};
use swarm_engine::Priority;
use swarm_node::Snapshot;

use super::{
    app::{App, RowKey},
    filter::{Fact, Facts, Value},
    map,
    page::{Page, Spec},
    table::{self, Column, View},
    transfers::short_percent,
};
use crate::{
    host::{Share, ShareFile},
    look::Palette,
    text::{counted, inert},
    units::Bytes,
    words::percent,
};

/// Of the selected transfer.
pub const PAGE: Spec = Spec {
    title: "Files",
    about: "its files, how far each is, and which are wanted",
    rows,
    sorts: &[],
    step: Spec::one_by_one,
    draw,
};

/// A share of more files than this begins with its folders folded.
const UNFOLDED_MAX: usize = 200;
/// Cells of the bar.
const BAR: usize = 10;

#[derive(Debug, Clone, Copy)]
enum Col {
    Name,
    Wanted,
    Bar,
    Done,
    Size,
    Files,
}

/// What falls away first has the highest rank.
const COLUMNS: &[Column<Col>] = &[
    Column::grow(Col::Name, "NAME", 12, 0),
    Column::right(Col::Files, "FILES", 7, 4),
    Column::left(Col::Wanted, "WANTED", 6, 2),
    Column::left(Col::Bar, "", BAR as u16, 3),
    Column::right(Col::Done, "DONE", 5, 0),
    Column::right(Col::Size, "SIZE", 8, 1),
];

/// The rows that are seen: folders that hold files, and the files of those that are unfolded; or the
/// files that match.
fn rows(app: &App) -> Vec<RowKey> {
    let Some(share) = app.entry().and_then(|entry| entry.share.as_ref()) else { return Vec::new() };
    let list = app.list(Page::Files);
    if !list.filter.is_empty() {
        let snapshot = app.snapshot().map(|snapshot| &**snapshot);
        let files = (0_u32..).zip(&share.files);
        let wanted =
            files.filter(|(n, file)| list.filter.passes(&Row { n: *n, file, share, snapshot }));
        return wanted.map(|(n, _)| RowKey::File(n)).collect();
    }
    let unfolded = share.files.len() <= UNFOLDED_MAX;
    // A toggled folder is the other way round.
    visible(&share.files, |folder| list.open.contains(&RowKey::Folder(folder)) != unfolded)
}

/// Goes through the files, which are sorted by path, and leaves out what is in a folded folder.
fn visible(files: &[ShareFile], is_open: impl Fn(Arc<[String]>) -> bool) -> Vec<RowKey> {
    let mut rows = Vec::new();
    let mut at = 0;
    // The folders around the file before, each of them unfolded.
    let mut around: Vec<&str> = Vec::new();
    while let Some(file) = files.get(at) {
        let folders = &file.path[..file.path.len().saturating_sub(1)];
        let shared = around.iter().zip(folders).take_while(|(a, b)| **a == b.as_str()).count();
        around.truncate(shared);
        let mut folded = None;
        for depth in shared..folders.len() {
            let folder: Arc<[String]> = folders[..=depth].into();
            rows.push(RowKey::Folder(Arc::clone(&folder)));
            if !is_open(folder) {
                folded = Some(depth + 1);
                break;
            }
            around.push(&folders[depth]);
        }
        match folded {
            Some(depth) => at = below(files, &folders[..depth]).end,
            None => {
                rows.push(RowKey::File(at as u32));
                at += 1;
            }
        }
    }
    rows
}

/// The files in a folder: neighbours, because all are sorted by path.
fn below(files: &[ShareFile], folder: &[String]) -> Range<usize> {
    let start = files.partition_point(|file| file.path.as_slice() < folder);
    let within = |file: &ShareFile| file.path.starts_with(folder);
    start..start + files[start..].partition_point(within)
}

/// How much of some neighbouring files is verified, and how long they are. Exact: only the last piece
/// of a file is shorter than the others.
fn progress(share: &Share, files: &[ShareFile], have: &[u8]) -> (u64, u64) {
    let piece = u64::from(share.piece_length);
    let verified = |file: &ShareFile| {
        let (first, count) = (file.first_piece as usize, file.pieces as usize);
        let Some(last) = (first + count).checked_sub(1).filter(|_| count > 0) else { return 0 };
        let whole = map::ones(have, first, last) as u64 * piece;
        let rest = file.length - piece * (u64::from(file.pieces) - 1).min(file.length / piece);
        whole + if map::bit(have, last) { rest } else { 0 }
    };
    files.iter().fold((0, 0), |(done, all), file| (done + verified(file), all + file.length))
}

/// The files that a row stands for.
fn files_of(share: &Share, row: &RowKey) -> Option<Range<usize>> {
    match row {
        RowKey::File(n) => {
            let n = *n as usize;
            (n < share.files.len()).then_some(n..n + 1)
        }
        RowKey::Folder(folder) => Some(below(&share.files, folder)),
        _ => None,
    }
}

/// How much some files are wanted; `None` if not all alike.
fn wanted(snapshot: &Snapshot, files: Range<usize>) -> Option<Priority> {
    if snapshot.priorities.is_empty() {
        return Some(Priority::Normal);
    }
    let all = snapshot.priorities.get(files)?;
    let first = *all.first()?;
    all.iter().all(|priority| *priority == first).then_some(first)
}

const fn word(priority: Option<Priority>) -> &'static str {
    match priority {
        Some(Priority::Skip) => "skip",
        Some(Priority::Low) => "low",
        Some(Priority::Normal) => "normal",
        Some(Priority::High) => "high",
        None => "mixed",
    }
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let Some(share) = app.entry().and_then(|entry| entry.share.as_ref()) else {
        let text = " what is in it is known when the manifest is here";
        return frame.render_widget(Paragraph::new(text).style(palette.dim()), area);
    };
    let rows = app.rows();
    let list = app.list(Page::Files);
    let count = counted(share.files.len() as u64, "file");
    let title = if list.filter.is_empty() {
        format!(" {count}, {} ", Bytes(share.bytes))
    } else {
        format!(" {} of {count} ", rows.len())
    };
    let block = Block::bordered().border_style(palette.dim()).title(title);
    let inner = table::framed(frame, area, block);
    if rows.is_empty() {
        let text = " no file matches the filter";
        return frame.render_widget(Paragraph::new(text).style(palette.dim()), inner);
    }
    let view = View { rows: rows.len(), cursor: app.cursor(), sort: None };
    let have = app.snapshot().map_or(&[][..], |snapshot| &snapshot.have);
    let flat = !list.filter.is_empty();
    let unfolded = share.files.len() <= UNFOLDED_MAX;
    let find = |at: usize| {
        let key = &rows[at];
        let range = files_of(share, key)?;
        let (done, all) = progress(share, &share.files[range.clone()], have);
        let priority = app.snapshot().map_or(Some(Priority::Normal), |s| wanted(s, range.clone()));
        let kind = match key {
            RowKey::Folder(path) => {
                Kind::Folder { path, open: list.open.contains(key) != unfolded }
            }
            _ => Kind::File { path: &share.files[range.start].path, flat },
        };
        Some(Item { kind, files: range.len(), done, all, priority })
    };
    let buffer = frame.buffer_mut();
    let shown = table::draw(buffer, inner, COLUMNS, view, palette, find, |item, column| {
        cell(item, column, palette)
    });
    table::extent(buffer, area, &shown, rows.len(), palette);
}

/// What a row shows. A folder's figures are of all files below it: they are counted once a row.
struct Item<'a> {
    kind: Kind<'a>,
    files: usize,
    /// Bytes that are verified, of so many.
    done: u64,
    all: u64,
    priority: Option<Priority>,
}

/// What a row is of.
enum Kind<'a> {
    Folder {
        path: &'a [String],
        open: bool,
    },
    /// Under its whole path if `flat`, else indented under its folder.
    File {
        path: &'a [String],
        flat: bool,
    },
}

fn cell(item: &Item<'_>, column: Col, palette: Palette) -> Line<'static> {
    let Item { done, all, priority, .. } = *item;
    let style = match priority {
        Some(Priority::Skip) => palette.dim(),
        _ if done == all => palette.good(),
        _ => palette.down(),
    };
    match (column, &item.kind) {
        (Col::Name, Kind::Folder { path, open }) => {
            let fold = if *open { '▾' } else { '▸' };
            let name = path.last().map_or("", String::as_str);
            let indent = "  ".repeat(path.len() - 1);
            Line::styled(format!("{indent}{fold} {}/", inert(name)), palette.strong())
        }
        (Col::Name, Kind::File { path, flat }) => {
            let name = match path.last() {
                None => "(the share is this one file)".into(),
                Some(_) if *flat => path.join("/"),
                Some(name) => format!("{}{name}", "  ".repeat(path.len())),
            };
            Line::from(inert(&name))
        }
        (Col::Files, Kind::Folder { .. }) => Line::styled(item.files.to_string(), palette.dim()),
        (Col::Files, Kind::File { .. }) => Line::default(),
        (Col::Wanted, _) if priority == Some(Priority::Normal) => {
            Line::styled(word(priority), palette.dim())
        }
        (Col::Wanted, _) => Line::styled(word(priority), palette.warn()),
        (Col::Bar, _) => Line::styled(table::bar(done, all, BAR), style),
        (Col::Done, _) => Line::from(short_percent(done, all)),
        (Col::Size, _) => Line::from(Bytes(all).to_string()),
    }
}

/// A file, for the filter.
struct Row<'a> {
    n: u32,
    file: &'a ShareFile,
    share: &'a Share,
    snapshot: Option<&'a Snapshot>,
}

impl Facts for Row<'_> {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        Some(match fact {
            Fact::Name => self.file.path.join("/").into(),
            Fact::Size => self.file.length.into(),
            Fact::Done => {
                let file = std::slice::from_ref(self.file);
                let (done, all) = progress(self.share, file, &self.snapshot?.have);
                percent(done, all).into()
            }
            Fact::State => {
                let n = self.n as usize;
                word(wanted(self.snapshot?, n..n + 1)).into()
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::screen::sample;

    /// Files of these paths and lengths, with pieces of 4 bytes.
    fn share(files: &[(&str, u64)]) -> Share {
        let mut first_piece = 0;
        let files = files.iter().map(|(path, length)| {
            let pieces = length.div_ceil(4) as u32;
            first_piece += pieces;
            let path = path.split('/').map(str::to_owned).collect();
            ShareFile { path, length: *length, first_piece: first_piece - pieces, pieces }
        });
        let files = files.collect();
        let entry = sample::entry(0, &sample::downloading());
        Share { files, piece_length: 4, ..(*entry.share.unwrap()).clone() }
    }

    fn text(rows: &[RowKey]) -> Vec<String> {
        let text = rows.iter().map(|row| match row {
            RowKey::File(n) => n.to_string(),
            RowKey::Folder(path) => path.join("/"),
            _ => String::new(),
        });
        text.collect()
    }

    #[test]
    fn a_folded_folder_hides_what_is_in_it() {
        let share =
            share(&[("a", 1), ("b/c/d", 1), ("b/c/e", 1), ("b/f", 1), ("g/h", 1), ("i", 1)]);
        let all = visible(&share.files, |_| true);
        assert_eq!(text(&all), ["0", "b", "b/c", "1", "2", "3", "g", "4", "5"]);
        assert_eq!(text(&visible(&share.files, |_| false)), ["0", "b", "g", "5"]);
        let one = visible(&share.files, |folder| folder.join("/") != "b/c");
        assert_eq!(text(&one), ["0", "b", "b/c", "3", "g", "4", "5"]);
        assert_eq!(below(&share.files, &["b".into()]), 1..4);
        assert_eq!(below(&share.files, &["x".into()]), 6..6);
    }

    #[test]
    fn a_folder_is_not_taken_for_one_whose_name_begins_alike() {
        let share = share(&[("a/b", 1), ("ab/c", 1)]);
        assert_eq!(below(&share.files, &["a".into()]), 0..1);
        assert_eq!(text(&visible(&share.files, |_| true)), ["a", "0", "ab", "1"]);
    }

    #[test]
    fn what_is_verified_is_counted_to_the_byte() {
        // Pieces 0 to 2 are of a, none of b, 3 of c.
        let share = share(&[("a", 9), ("b", 0), ("c", 4)]);
        let of = |have: u8| progress(&share, &share.files, &[have]);
        assert_eq!(of(0b1111_0000), (13, 13));
        assert_eq!(of(0b1100_0000), (8, 13));
        assert_eq!(of(0b0010_0000), (1, 13), "the last piece of a is one byte");
        assert_eq!(of(0b0001_0000), (4, 13));
        assert_eq!(progress(&share, &share.files, &[]), (0, 13));
        assert_eq!(progress(&share, &share.files[1..2], &[0xff]), (0, 0));
    }

    #[test]
    fn a_folder_says_if_its_files_are_not_wanted_alike() {
        let priorities = vec![Priority::Skip, Priority::Skip, Priority::High];
        let snapshot = Snapshot { priorities, ..sample::downloading() };
        let of = |range| word(wanted(&snapshot, range));
        assert_eq!((of(0..2), of(1..3), of(2..3)), ("skip", "mixed", "high"));
        assert_eq!(word(wanted(&sample::downloading(), 0..3)), "normal");
    }

    #[test]
    fn fifty_thousand_files_scroll_smoothly() {
        let paths: Vec<_> =
            (0..50_000).map(|n| format!("d{:03}/e{:02}/f{n:05}", n / 500, n / 50 % 10)).collect();
        let files: Vec<_> = paths.iter().map(|path| (path.as_str(), 10)).collect();
        let mut app = sample::app();
        sample::share(&mut app, share(&files));
        sample::press(&mut app, "4");
        assert_eq!(app.rows().len(), 100, "folded, for there are many");
        sample::press(&mut app, "jjj\nj\nj");
        assert_eq!(app.rows().len(), 100 + 10 + 50);
        let start = Instant::now();
        let drawn = sample::drawn(&app, 200, 60);
        println!("50 000 files at 200x60: {:?}", start.elapsed());
        assert!(drawn.contains("▾ d002/"), "{drawn}");
        sample::press(&mut app, "/f0155\n");
        assert_eq!(app.rows().len(), 10);
    }

    #[test]
    fn all_files_on_a_roomy_and_on_a_usual_terminal() {
        let mut app = sample::app();
        sample::press(&mut app, "4j");
        sample::assert_screen(&app, 100, 30, "files-100x30");
        sample::assert_screen(&app, 80, 24, "files-80x24");
    }
}
