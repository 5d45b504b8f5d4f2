//! What was shared and fetched before: one row for each run of a transfer, the latest first, and the
//! sums of them.

use std::{cmp::Ordering, path::PathBuf};

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph},
};

use super::{
    app::{App, RowKey},
    filter::{Fact, Facts, Value},
    page::{Page, Sort, Spec},
    table::{self, Column, View, cut},
    transfers::{kind, rate, ratio, short_percent, span},
};
use crate::{
    history::{Role, Run},
    host::Origin,
    look::Palette,
    text::{counted, inert},
    units::{Bytes, Date},
};

/// Of all that the history has.
pub const PAGE: Spec = Spec {
    title: "History",
    about: "what was shared and fetched before",
    rows,
    sorts: &[
        Sort::by("time", "BEGAN"),
        Sort::by("name", "NAME"),
        Sort::by("size", "SIZE"),
        Sort::by("received", "RECEIVED"),
        Sort::by("sent", "SENT"),
        Sort::by("rate", "↓ MEAN"),
    ],
    step: Spec::one_by_one,
    draw,
};

/// One transfer in one process, from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Tells it from all others.
    pub id: u64,
    /// Name of the share, as it came.
    pub name: String,
    /// Whether it was shared or fetched.
    pub origin: Origin,
    /// What was shared was fetched to its place in another run.
    pub fetched: bool,
    /// Where it is, or was to be.
    pub path: PathBuf,
    /// What it is fetched with.
    pub link: String,
    /// How it ended, in a word.
    pub end: &'static str,
    /// When it began, in seconds since 1970.
    pub started_s: u64,
    /// How long it ran, in seconds.
    pub seconds: u64,
    /// Bytes in the share.
    pub bytes: u64,
    /// Bytes of them that were verified at the end.
    pub bytes_have: u64,
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received a second, over the time that took.
    pub down_rate: u64,
    /// Peers that payload came from or went to.
    pub peers: u32,
}

impl Past {
    /// A run; `id` tells it from all others. Runs are only ever added, so their count does.
    pub fn of(run: &Run, id: u64, fetched: bool) -> Self {
        Self {
            id,
            name: run.name.clone(),
            origin: match run.role {
                Role::Get => Origin::Downloaded,
                Role::Seed => Origin::Own,
            },
            fetched,
            path: run.path.clone(),
            link: run.link.clone(),
            end: run.end.word(),
            started_s: run.started,
            seconds: run.seconds as u64,
            bytes: run.bytes,
            bytes_have: run.bytes_have,
            downloaded: run.downloaded,
            uploaded: run.uploaded,
            down_rate: run.down_rate(),
            peers: run.peers_from.max(run.peers_to),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Col {
    Time,
    Name,
    Kind,
    End,
    Done,
    Size,
    Received,
    Sent,
    Rate,
    Ran,
    Peers,
    Place,
}

/// What falls away first has the highest rank.
const COLUMNS: &[Column<Col>] = &[
    Column::left(Col::Time, "BEGAN", 16, 1),
    Column::grow(Col::Name, "NAME", 12, 0),
    Column::left(Col::Kind, "KIND", 4, 6),
    Column::left(Col::End, "END", 11, 4),
    Column::right(Col::Done, "DONE", 5, 0),
    Column::right(Col::Size, "SIZE", 8, 5),
    Column::right(Col::Received, "RECEIVED", 8, 3),
    Column::right(Col::Sent, "SENT", 8, 2),
    Column::right(Col::Rate, "↓ MEAN", 10, 7),
    Column::right(Col::Ran, "RAN", 8, 8),
    Column::right(Col::Peers, "PEERS", 5, 9),
    Column::fill(Col::Place, "PLACE", 24, 10),
];

fn rows(app: &App) -> Vec<RowKey> {
    let list = app.list(Page::History);
    let mut past: Vec<_> = app.past.iter().filter(|past| list.filter.passes(*past)).collect();
    table::sort(&mut past, list.reverse, |a, b| compare(a, b, PAGE.sorts[list.sort].name));
    past.into_iter().map(|past| RowKey::Record(past.id)).collect()
}

/// The latest first, names from A, figures from the greatest.
fn compare(a: &Past, b: &Past, by: &str) -> Ordering {
    match by {
        "name" => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        "size" => b.bytes.cmp(&a.bytes),
        "received" => b.downloaded.cmp(&a.downloaded),
        "sent" => b.uploaded.cmp(&a.uploaded),
        "rate" => b.down_rate.cmp(&a.down_rate),
        _ => b.started_s.cmp(&a.started_s),
    }
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let rows = app.rows();
    let sum = |pick: fn(&Past) -> u64| app.past.iter().map(pick).fold(0, u64::saturating_add);
    let (received, sent) = (sum(|past| past.downloaded), sum(|past| past.uploaded));
    let count = counted(app.past.len() as u64, "run");
    let mut block = Block::bordered().border_style(palette.dim()).title(format!(" {count} "));
    if area.width >= 70 {
        let ratio = ratio(sent as f64 / received.max(1) as f64);
        let ratio = if received > 0 { format!(", ratio {ratio}") } else { String::new() };
        let totals = format!(" received {}, sent {}{ratio} ", Bytes(received), Bytes(sent));
        block = block.title_top(Line::from(totals).right_aligned());
    }
    if let Some(past) = app.selected_past() {
        let place = inert(&past.path.display().to_string());
        block =
            block.title_bottom(cut(Line::from(format!(" {place} ")), area.width.saturating_sub(2)));
    }
    // In a few rows the list matters more than a frame.
    let inner = if area.height >= 6 { block.inner(area) } else { area };
    if inner != area {
        frame.render_widget(block, area);
    }
    if rows.is_empty() {
        let text = if app.past.is_empty() {
            " nothing was shared or fetched yet"
        } else {
            " no run matches the filter"
        };
        return frame.render_widget(Paragraph::new(text).style(palette.dim()), inner);
    }
    let list = app.list(Page::History);
    let view = View { rows: rows.len(), cursor: app.cursor(), sort: list.heading(PAGE.sorts) };
    let find = |at: usize| match rows[at] {
        RowKey::Record(id) => app.past.iter().find(|past| past.id == id),
        _ => None,
    };
    table::draw(frame.buffer_mut(), inner, COLUMNS, view, palette, find, |past, column| {
        cell(past, column, palette)
    });
}

fn cell(past: &Past, column: Col, palette: Palette) -> Line<'static> {
    let bytes = |bytes: u64| match bytes {
        0 => Line::from("-"),
        bytes => Line::from(Bytes(bytes).to_string()),
    };
    match column {
        // Without the zone, for which there is no room.
        Col::Time => {
            Line::from(Date(past.started_s).to_string().chars().take(16).collect::<String>())
        }
        Col::Name => Line::from(inert(&past.name)),
        Col::Kind => Line::styled(kind(past.origin, past.fetched), palette.dim()),
        Col::End => Line::from(past.end),
        Col::Done => Line::from(short_percent(past.bytes_have, past.bytes)),
        Col::Size => bytes(past.bytes),
        Col::Received => bytes(past.downloaded),
        Col::Sent => bytes(past.uploaded),
        Col::Rate => rate(Some(past.down_rate), palette.down()),
        Col::Ran => Line::from(span(past.seconds)),
        Col::Place => Line::styled(inert(&past.path.display().to_string()), palette.dim()),
        Col::Peers => Line::from(past.peers.min(99_999).to_string()),
    }
}

impl Facts for Past {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        Some(match fact {
            Fact::Name => self.name.as_str().into(),
            Fact::State => self.end.into(),
            Fact::Kind => kind(self.origin, self.fetched).into(),
            Fact::Size => self.bytes.into(),
            Fact::Down | Fact::Rate => self.down_rate.into(),
            Fact::Peers => u64::from(self.peers).into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::Order,
        screen::{app::Effect, sample},
    };

    fn past(id: u64, name: &str, origin: Origin) -> Past {
        Past {
            id,
            name: name.into(),
            origin,
            fetched: false,
            path: format!("/data/{name}").into(),
            link: format!("swarm:?dn={name}"),
            end: if id == 2 { "interrupted" } else { "done" },
            started_s: 1_750_000_000 + id * 5000,
            seconds: 3725,
            bytes: 10 << 30,
            bytes_have: if id == 2 { 4 << 30 } else { 10 << 30 },
            downloaded: if origin == Origin::Own { 0 } else { 10 << 30 },
            uploaded: id << 30,
            down_rate: if origin == Origin::Own { 0 } else { 80 << 20 },
            peers: 7,
        }
    }

    #[test]
    fn the_past_is_sorted_filtered_and_summed_up() {
        let mut app = sample::session();
        app.past =
            [("a", Origin::Own), ("linux.iso", Origin::Downloaded), ("b", Origin::Downloaded)]
                .into_iter()
                .zip(1..)
                .map(|((name, origin), id)| past(id, name, origin))
                .collect();
        sample::press(&mut app, "8");
        let records = |ids: [u64; 3]| ids.map(RowKey::Record);
        assert_eq!(app.rows(), records([3, 2, 1]), "the latest first");
        sample::press(&mut app, "s");
        assert_eq!(app.rows(), records([1, 3, 2]), "by name");
        sample::assert_screen(&app, 100, 30, "history-100x30");
        sample::assert_screen(&app, 80, 24, "history-80x24");
        sample::press(&mut app, "/state:inter\n");
        assert_eq!(app.rows(), [RowKey::Record(2)]);
    }

    #[test]
    fn a_run_is_opened_again_where_it_was() {
        let mut app = sample::session();
        app.update(sample::news(43, vec![sample::entry(1, &sample::downloading())]));
        app.past = vec![past(1, "own", Origin::Own), past(2, "linux.iso", Origin::Downloaded)];
        sample::press(&mut app, "8");
        assert_eq!(sample::press(&mut app, "oyp"), [], "nothing is selected, nor is a transfer");
        let effects = sample::press(&mut app, "joy");
        let link = || "swarm:?dn=linux.iso".to_owned();
        assert_eq!(effects, [Effect::OpenFolder("/data".into()), Effect::Copy(link())]);
        sample::assert_screen(&app, 80, 24, "history-row-80x24");
        let fetch = Order::AddLink { link: link(), output: Some("/data".into()) };
        assert_eq!(sample::press(&mut app, "\n"), [Effect::Order(fetch)]);
        assert_eq!(app.page, Page::Transfers);
        let share = Order::AddPath { path: "/data/own".into() };
        assert_eq!(sample::press(&mut app, "8j\n"), [Effect::Order(share)]);
    }
}
