//! The table of peers. One table of columns makes the header and the rows; where it is narrow, the
//! columns that matter least fall away first. The order of peers is that of their coming, so that
//! nothing jumps.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::Style,
    text::{Line, Span, Text},
    widgets::{Block, Row, Table},
};
use swarm_engine::PeerSnapshot;

use super::{
    app::{App, RowKey, window},
    page::{Page, Spec},
    palette::Palette,
};
use crate::{
    output::percent,
    text::{counted, inert},
    units::{Bytes, Rate},
};

/// Cells of a peer's bar.
const BAR: usize = 10;

struct Column {
    title: &'static str,
    width: u16,
    /// Figures stand right, names left.
    right: bool,
    /// The higher, the sooner it falls away. Rank 0 stays.
    rank: u8,
    cell: fn(&PeerSnapshot, u32) -> String,
    style: fn(&PeerSnapshot, Palette) -> Style,
}

fn plain(_: &PeerSnapshot, _: Palette) -> Style {
    Style::new()
}

#[rustfmt::skip]
const COLUMNS: &[Column] = &[
    Column { title: "ADDRESS", width: 21, right: false, rank: 0, cell: |peer, _| peer.addr.to_string(), style: plain },
    Column { title: "CLIENT", width: 12, right: false, rank: 4, cell: |peer, _| inert(&peer.client), style: plain },
    Column { title: "FLAGS", width: 5, right: false, rank: 2, cell: |peer, _| flags(peer), style: plain },
    Column { title: "HAVE", width: BAR as u16, right: false, rank: 3, cell: bar, style: |_, palette| palette.good() },
    Column { title: "", width: 5, right: true, rank: 0, cell: have, style: plain },
    Column { title: "↓ RATE", width: 10, right: true, rank: 0, cell: |peer, _| rate(peer.down_rate), style: |_, palette| palette.down() },
    Column { title: "↑ RATE", width: 10, right: true, rank: 1, cell: |peer, _| rate(peer.up_rate), style: |_, palette| palette.up() },
    Column { title: "ASKED", width: 8, right: true, rank: 7, cell: |peer, _| asked(peer), style: plain },
    Column { title: "DELAY", width: 7, right: true, rank: 6, cell: |peer, _| delay(peer.latency_us), style: plain },
    Column { title: "BAD", width: 3, right: true, rank: 5, cell: |peer, _| peer.bad_blocks.to_string(), style: |peer, palette| if peer.bad_blocks > 0 { palette.bad() } else { palette.dim() } },
];

/// What the letters of the flags mean, for the help.
pub const FLAGS: &[(&str, &str)] = &[
    ("D d", "it sends to us; d: it has what we want and does not send"),
    ("U u", "we send to it; u: it wants what we have and has to wait"),
    ("O", "it has our place for a try (optimistic)"),
    ("S", "it did not deliver in time (snubbed)"),
    ("I", "it opened the connection"),
];

pub const PAGE: Spec = Spec {
    title: "Peers",
    about: "its peers",
    rows: |app| rows(app, Page::Peers),
    sorts: &[],
    step: Spec::one_by_one,
    draw,
};

/// The peers, in the order they came.
pub fn rows(app: &App, page: Page) -> Vec<RowKey> {
    let filter = &app.list(page).filter;
    let peers = app.snapshot().map_or(&[][..], |snapshot| &snapshot.peers);
    let wanted =
        peers.iter().filter(|peer| filter.passes(&format!("{} {}", peer.addr, peer.client)));
    wanted.map(|peer| RowKey::Peer(peer.id)).collect()
}

/// Draws as many peers as fit, in a frame.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let Some(snapshot) = app.snapshot() else { return };
    let rows = app.rows();
    let count = rows.len();
    // The frame and the header.
    let room = usize::from(area.height.saturating_sub(3));
    let cursor = app.cursor();
    let shown = window(cursor.unwrap_or(0), count, room);
    let mut block = Block::bordered()
        .border_style(palette.dim())
        .title(format!(" {} ", counted(count as u64, "peer")));
    if shown.len() < count && area.width >= 40 {
        let text = format!(" {}-{} of {count} ", shown.start + 1, shown.end);
        block = block.title_bottom(Line::from(text).right_aligned());
    }
    let columns = columns(area.width.saturating_sub(2));
    let header = Row::new(columns.iter().map(|column| column.text(column.title.to_owned())));
    let rows = shown.filter_map(|at| {
        let RowKey::Peer(id) = rows.get(at)? else { return None };
        let peer = snapshot.peers.iter().find(|peer| peer.id == *id)?;
        let row = Row::new(columns.iter().map(|column| {
            let text = column.text((column.cell)(peer, snapshot.pieces));
            text.patch_style((column.style)(peer, palette))
        }));
        Some(if cursor == Some(at) { row.style(palette.selected()) } else { row })
    });
    let widths = columns.iter().map(|column| Constraint::Length(column.width));
    let table = Table::new(rows, widths).header(header.style(palette.dim())).block(block);
    frame.render_widget(table, area);
}

impl Column {
    fn text(&self, text: String) -> Text<'static> {
        let line = Line::from(Span::raw(text));
        Text::from(if self.right { line.right_aligned() } else { line })
    }
}

/// The columns that fit, a space between them.
fn columns(width: u16) -> Vec<&'static Column> {
    let mut columns: Vec<_> = COLUMNS.iter().collect();
    let needed = |columns: &[&Column]| columns.iter().map(|column| column.width + 1).sum::<u16>();
    while needed(&columns) > width + 1 {
        let Some(least) = columns.iter().map(|column| column.rank).max().filter(|rank| *rank > 0)
        else {
            break;
        };
        columns.retain(|column| column.rank != least);
    }
    columns
}

fn flags(peer: &PeerSnapshot) -> String {
    let mut flags = String::new();
    match (peer.interested, peer.choked_by) {
        (true, false) => flags.push('D'),
        (true, true) => flags.push('d'),
        _ => {}
    }
    match (peer.wants_us, peer.choking) {
        (true, false) => flags.push('U'),
        (true, true) => flags.push('u'),
        _ => {}
    }
    let rest = [(peer.optimistic, 'O'), (peer.snubbed, 'S'), (!peer.dialed, 'I')];
    flags.extend(rest.iter().filter(|(set, _)| *set).map(|(_, letter)| letter));
    flags
}

fn bar(peer: &PeerSnapshot, pieces: u32) -> String {
    let full = (percent(peer.pieces.into(), pieces.into()) / 100.0 * BAR as f64) as usize;
    let full = full.min(BAR);
    "█".repeat(full) + &"░".repeat(BAR - full)
}

fn have(peer: &PeerSnapshot, pieces: u32) -> String {
    if peer.pieces >= pieces {
        return "seed".into();
    }
    format!("{:.0} %", percent(peer.pieces.into(), pieces.into()).floor())
}

fn rate(rate: u64) -> String {
    if rate == 0 { "-".into() } else { Rate(rate).to_string() }
}

fn asked(peer: &PeerSnapshot) -> String {
    if peer.requested == 0 { "-".into() } else { Bytes(peer.requested).to_string() }
}

fn delay(us: u64) -> String {
    match us {
        // Nothing has been asked of it yet.
        0 | u64::MAX => "-".into(),
        1..1000 => format!("{us} µs"),
        1000..10_000_000 => format!("{} ms", us / 1000),
        _ => format!("{} s", us / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_tables_lose_the_columns_that_matter_least() {
        let titles = |width| columns(width).iter().map(|c| c.title).collect::<Vec<_>>().join(" ");
        assert_eq!(titles(100), "ADDRESS CLIENT FLAGS HAVE  ↓ RATE ↑ RATE ASKED DELAY BAD");
        assert_eq!(titles(80), "ADDRESS CLIENT FLAGS HAVE  ↓ RATE ↑ RATE");
        assert_eq!(titles(60), "ADDRESS FLAGS  ↓ RATE ↑ RATE");
        assert_eq!(titles(1), "ADDRESS  ↓ RATE");
    }
}
