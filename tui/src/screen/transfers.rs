//! The list of transfers.

use std::{cmp::Ordering, path::Path};

use ratatui::{
    Frame,
    layout::{Margin, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph, Wrap},
};
use swarm_node::{Snapshot, State};

use super::{
    app::{App, RowKey},
    filter::{Fact, Facts, Value},
    page::{Page, Sort, Spec},
    table::{self, Column, View},
    why,
};
use crate::{
    host::{Entry, Origin, Phase},
    look::Palette,
    text::inert,
    units::{Bytes, Clock, Rate},
    words::{percent, state},
};

/// Of the session.
pub const PAGE: Spec = Spec {
    title: "Transfers",
    about: "all transfers",
    rows,
    sorts: &[
        Sort::unseen("added"),
        Sort::by("name", "NAME"),
        Sort::by("state", "STATE"),
        Sort::by("size", "SIZE"),
        Sort::by("done", "DONE"),
        Sort::by("down", "↓ RATE"),
        Sort::by("up", "↑ RATE"),
        Sort::by("left", "LEFT"),
        Sort::by("peers", "PEERS"),
        Sort::by("ratio", "RATIO"),
    ],
    step: Spec::one_by_one,
    draw,
};

/// Cells of the bar.
const BAR: usize = 10;

#[derive(Debug, Clone, Copy)]
enum Col {
    Mark,
    Name,
    Kind,
    State,
    Bar,
    Done,
    Size,
    Down,
    Up,
    Left,
    Peers,
    Ratio,
    Place,
}

/// What falls away first has the highest rank.
const COLUMNS: &[Column<Col>] = &[
    Column::left(Col::Mark, "", 1, 0),
    Column::grow(Col::Name, "NAME", 12, 0),
    Column::left(Col::Kind, "KIND", 4, 6),
    Column::left(Col::State, "STATE", 11, 5),
    Column::left(Col::Bar, "", BAR as u16, 9),
    Column::right(Col::Done, "DONE", 5, 0),
    Column::right(Col::Size, "SIZE", 8, 8),
    Column::right(Col::Down, "↓ RATE", 10, 1),
    Column::right(Col::Up, "↑ RATE", 10, 2),
    Column::right(Col::Left, "LEFT", 8, 3),
    Column::right(Col::Peers, "PEERS", 5, 4),
    Column::right(Col::Ratio, "RATIO", 5, 7),
    Column::fill(Col::Place, "PLACE", 24, 10),
];

fn rows(app: &App) -> Vec<RowKey> {
    let list = app.list(Page::Transfers);
    let entries = app.scene().session.entries.iter();
    let mut entries: Vec<_> = entries.filter(|entry| list.filter.passes(&***entry)).collect();
    table::sort(&mut entries, list.reverse, |a, b| compare(a, b, PAGE.sorts[list.sort].name));
    entries.into_iter().map(|entry| RowKey::Entry(entry.id)).collect()
}

/// The order of two transfers: names from A, figures from the greatest.
fn compare(a: &Entry, b: &Entry, by: &str) -> Ordering {
    let figure = |pick: fn(&Snapshot) -> u64| {
        let of = |entry: &Entry| entry.snapshot.as_ref().map(|snapshot| pick(snapshot));
        of(b).cmp(&of(a))
    };
    match by {
        "name" => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        "state" => word(a).cmp(word(b)),
        "size" => size(b).cmp(&size(a)),
        "done" => done(b).total_cmp(&done(a)),
        "down" => figure(|snapshot| snapshot.down_rate),
        "up" => figure(|snapshot| snapshot.up_rate),
        // The soonest first, and those that do not say last.
        "left" => left(a).unwrap_or(u64::MAX).cmp(&left(b).unwrap_or(u64::MAX)),
        "peers" => figure(|snapshot| snapshot.peers.len() as u64),
        "ratio" => b.ratio().total_cmp(&a.ratio()),
        // As they were added.
        _ => Ordering::Equal,
    }
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let rows = app.rows();
    let entries = &app.scene().session.entries;
    if rows.is_empty() {
        let folder = &app.scene().session.output;
        return empty(frame, area, folder, entries.is_empty(), palette);
    }
    // The last row says what goes on with the selected one.
    let said = u16::from(area.height >= 10);
    let why_at = Rect { y: area.bottom() - said, height: said, ..area };
    let area = Rect { height: area.height - said, ..area };
    if let Some(entry) = app.entry() {
        why::line(frame, why_at, entry, palette);
    }
    // A frame takes rows and columns that a small terminal needs.
    let inner = if area.height >= 6 {
        let (down, up) = entries
            .iter()
            .filter_map(|entry| entry.snapshot.as_ref())
            .fold((0_u64, 0_u64), |(down, up), s| {
                (down.saturating_add(s.down_rate), up.saturating_add(s.up_rate))
            });
        let title = table::title(rows.len(), entries.len(), "transfer");
        let totals = Line::from(vec![
            Span::styled(format!(" ↓ {:>10}", Rate(down).to_string()), palette.down()),
            Span::styled(format!("  ↑ {:>10} ", Rate(up).to_string()), palette.up()),
        ]);
        let mut block = Block::bordered().border_style(palette.dim()).title(title);
        if area.width >= 60 {
            block = block.title_top(totals.right_aligned());
        }
        let inner = block.inner(area);
        frame.render_widget(block, area);
        inner
    } else {
        area
    };
    let list = app.list(Page::Transfers);
    let view = View { rows: rows.len(), cursor: app.cursor(), sort: list.heading(PAGE.sorts) };
    let find = |at: usize| match rows[at] {
        RowKey::Entry(id) => app.scene().entry(id),
        _ => None,
    };
    table::draw(frame.buffer_mut(), inner, COLUMNS, view, palette, find, |entry, column| {
        cell(entry, column, palette)
    });
}

/// Nothing is there, or nothing matches.
fn empty(frame: &mut Frame<'_>, area: Rect, folder: &Path, none: bool, palette: Palette) {
    let folder = match folder.to_str() {
        Some("." | "") => "this folder".into(),
        _ => inert(&folder.display().to_string()),
    };
    let text = if none {
        vec![
            Line::styled("Nothing is shared or fetched yet.", palette.strong()),
            Line::raw(""),
            Line::raw("a      add: paste a link to fetch, or type a path to share"),
            Line::raw(format!("       what is fetched appears in {folder}")),
            Line::raw("8      what was shared and fetched before"),
            Line::raw("?      all keys"),
            Line::raw("q      quit"),
        ]
    } else {
        vec![Line::raw("No transfer matches the filter. Esc shows all of them again.")]
    };
    let inner = area.inner(Margin::new(2.min(area.width / 4), u16::from(area.height > 8)));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
}

fn cell(entry: &Entry, column: Col, palette: Palette) -> Line<'static> {
    let snapshot = entry.snapshot.as_ref().filter(|_| entry.phase == Phase::Running);
    let (glyph, style) = mark(entry, palette);
    let plain = |text: String| Line::from(text);
    match column {
        Col::Mark => Line::styled(glyph, style),
        Col::Name => plain(inert(&entry.name)),
        Col::Kind => Line::styled(kind(entry.origin, entry.fetched), palette.dim()),
        Col::State => Line::styled(word(entry), style),
        Col::Bar => match parts(entry) {
            Some((part, all)) => Line::styled(table::bar(part, all, BAR), style),
            None => Line::default(),
        },
        Col::Done => match parts(entry) {
            Some((part, all)) => plain(short_percent(part, all)),
            None => plain("-".into()),
        },
        Col::Size => plain(size(entry).map_or_else(|| "-".into(), |size| Bytes(size).to_string())),
        Col::Down => rate(snapshot.map(|s| s.down_rate), palette.down()),
        Col::Up => rate(snapshot.map(|s| s.up_rate), palette.up()),
        Col::Left => plain(left(entry).map_or_else(|| "-".into(), span)),
        Col::Peers => plain(snapshot.map_or_else(|| "-".into(), |s| s.peers.len().to_string())),
        Col::Place => Line::styled(inert(&entry.path.display().to_string()), palette.dim()),
        Col::Ratio => plain(snapshot.map_or_else(|| "-".into(), |_| ratio(entry.ratio()))),
    }
}

/// `61 %`, `100 %` only when all is done.
pub fn short_percent(part: u64, all: u64) -> String {
    format!("{:.0} %", percent(part, all).floor())
}

/// A rate, or a dash where nothing moves.
pub fn rate(rate: Option<u64>, style: Style) -> Line<'static> {
    match rate {
        None | Some(0) => Line::from("-"),
        Some(rate) => Line::styled(Rate(rate).to_string(), style),
    }
}

/// A ratio in five characters.
pub fn ratio(ratio: f64) -> String {
    match ratio {
        r if r < 9.995 => format!("{r:.2}"),
        r if r < 99.95 => format!("{r:.1}"),
        r if r < 99_999.5 => format!("{r:.0}"),
        _ => ">99k".into(),
    }
}

/// A time in eight characters: a clock up to a day, then days.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..86_400 => Clock(seconds).to_string(),
        86_400..864_000 => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
        864_000..86_400_000 => format!("{}d", seconds / 86_400),
        _ => ">999d".into(),
    }
}

/// A transfer's glyph and its colour.
pub fn mark(entry: &Entry, palette: Palette) -> (&'static str, Style) {
    match (&entry.phase, entry.state()) {
        (Phase::Failed { .. }, _) | (Phase::Running, Some(State::DiskTrouble)) => {
            ("!", palette.bad())
        }
        (Phase::Stopped { .. }, _) | (Phase::Running, Some(State::Stopped)) => ("■", palette.dim()),
        (Phase::Finding { .. } | Phase::Hashing { .. }, _) => ("●", palette.busy()),
        (Phase::Running, Some(State::Seeding)) => ("✓", palette.good()),
        (Phase::Running, Some(State::Paused)) => ("‖", palette.warn()),
        (Phase::Running, _) => ("●", palette.down()),
    }
}

/// What it does, in a word that fits its column.
pub fn word(entry: &Entry) -> &'static str {
    match (&entry.phase, entry.state()) {
        (Phase::Finding { .. }, _) => "looking",
        (Phase::Hashing { .. }, _) => "reading",
        (Phase::Stopped { .. }, _) => "stopped",
        (Phase::Failed { .. }, _) => "failed",
        (Phase::Running, Some(State::DiskTrouble)) => "disk",
        (Phase::Running, Some(now)) => state(now),
        (Phase::Running, None) => "starting",
    }
}

/// Whose files they are, in a word. `fetched`: they were not always the user's own.
pub const fn kind(origin: Origin, fetched: bool) -> &'static str {
    match (origin, fetched) {
        (Origin::Own, false) => "own",
        (Origin::Own, true) | (Origin::Downloaded, _) => "got",
    }
}

/// How much is done, of how much.
pub fn parts(entry: &Entry) -> Option<(u64, u64)> {
    match (&entry.phase, &entry.snapshot) {
        (Phase::Hashing { done, total }, _) => Some((*done, (*total).max(1))),
        (_, Some(snapshot)) => Some((snapshot.bytes_have, snapshot.bytes_wanted)),
        _ => None,
    }
}

fn done(entry: &Entry) -> f64 {
    parts(entry).map_or(0.0, |(part, all)| percent(part, all))
}

fn size(entry: &Entry) -> Option<u64> {
    entry.share.as_ref().map(|share| share.bytes)
}

fn left(entry: &Entry) -> Option<u64> {
    let snapshot = entry.snapshot.as_ref().filter(|_| entry.phase == Phase::Running)?;
    snapshot.eta_s
}

impl Facts for Entry {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        let snapshot = self.snapshot.as_ref();
        Some(match fact {
            Fact::Name => self.name.as_str().into(),
            Fact::State => word(self).into(),
            Fact::Kind => kind(self.origin, self.fetched).into(),
            Fact::Size => size(self)?.into(),
            Fact::Done => done(self).into(),
            Fact::Down => snapshot?.down_rate.into(),
            Fact::Up => snapshot?.up_rate.into(),
            Fact::Rate => snapshot?.down_rate.max(snapshot?.up_rate).into(),
            Fact::Eta => left(self)?.into(),
            Fact::Peers => (snapshot?.peers.len() as u64).into(),
            Fact::Ratio => self.ratio().into(),
            Fact::Bad => u64::from(snapshot?.corrupt_pieces).into(),
            Fact::Copies => u64::from(snapshot?.copies_min).into(),
            Fact::Client | Fact::Address => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    fn names(app: &App) -> Vec<u64> {
        let ids = app.rows().iter().map(|row| match row {
            RowKey::Entry(id) => id.0,
            _ => 0,
        });
        ids.collect()
    }

    #[test]
    fn narrow_tables_lose_what_matters_least() {
        let titles = |width| {
            let columns = table::fitting(COLUMNS, width);
            columns.iter().map(|(column, _)| column.title).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(titles(110), " NAME KIND STATE  DONE SIZE ↓ RATE ↑ RATE LEFT PEERS RATIO");
        assert_eq!(titles(98), " NAME KIND STATE DONE SIZE ↓ RATE ↑ RATE LEFT PEERS RATIO");
        assert_eq!(titles(78), " NAME KIND STATE DONE ↓ RATE ↑ RATE LEFT PEERS");
        assert_eq!(titles(60), " NAME DONE ↓ RATE ↑ RATE LEFT PEERS");
        assert_eq!(titles(20), " NAME DONE");
    }

    #[test]
    fn transfers_are_sorted_and_filtered_and_the_selection_follows() {
        let mut app = sample::session();
        assert_eq!(names(&app), [1, 2, 3, 4, 5]);
        sample::press(&mut app, "jj");
        sample::press(&mut app, "ss");
        assert_eq!(names(&app), [1, 5, 4, 2, 3], "by state: downloading, failed, reading, sharing");
        assert_eq!(app.cursor(), Some(4), "the third is still selected");
        sample::press(&mut app, "/kind:got state:shar\n");
        assert_eq!(names(&app), [3]);
    }

    #[test]
    fn figures_fit_their_columns() {
        for seconds in [0, 59, 86_399, 86_400, 863_999, 864_000, 86_399_999, u64::MAX] {
            assert!(span(seconds).len() <= 8, "{}", span(seconds));
        }
        for r in [0.0, 9.99, 9.999, 99.94, 99.96, 1234.5, 1e9, f64::INFINITY] {
            assert!(ratio(r).len() <= 5, "{}", ratio(r));
        }
    }

    #[test]
    fn all_transfers_on_a_roomy_and_on_a_usual_terminal() {
        sample::assert_screen(&sample::session(), 100, 30, "transfers-100x30");
        sample::assert_screen(&sample::session(), 80, 24, "transfers-80x24");
    }
}
