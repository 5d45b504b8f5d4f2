//! The table of peers. Unless the user sorts them their order is that of their coming, so that
//! nothing jumps.

use std::cmp::Ordering;

use ratatui::{
    Frame,
    layout::{Margin, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph, Wrap},
};
use swarm_engine::PeerSnapshot;
use swarm_node::Snapshot;

use super::{
    app::{App, RowKey},
    filter::{Fact, Facts, Value},
    page::{Page, Sort, Spec},
    table::{self, Column, View},
    transfers::rate,
};
use crate::{
    look::Palette,
    text::{inert, shell_quoted},
    units::Bytes,
    words::percent,
};

/// Of the selected transfer.
pub const PAGE: Spec = Spec {
    title: "Peers",
    about: "its peers",
    rows: |app| rows(app, Page::Peers),
    sorts: &[
        Sort::unseen("came"),
        Sort::by("down", "↓ RATE"),
        Sort::by("up", "↑ RATE"),
        Sort::by("have", "HAVE"),
        Sort::by("delay", "DELAY"),
        Sort::by("bad", "BAD"),
    ],
    step: Spec::one_by_one,
    draw,
};

/// Cells of a peer's bar.
const BAR: usize = 10;
/// Rows of what is known of the selected peer.
const DETAILS: u16 = 4;

#[derive(Debug, Clone, Copy)]
enum Col {
    Address,
    Client,
    Flags,
    Bar,
    Have,
    Down,
    Up,
    Asked,
    Delay,
    Bad,
}

/// What falls away first has the highest rank.
const COLUMNS: &[Column<Col>] = &[
    Column::grow(Col::Address, "ADDRESS", 21, 0),
    Column::left(Col::Client, "CLIENT", 12, 5),
    Column::left(Col::Flags, "FLAGS", 5, 3),
    Column::left(Col::Bar, "", BAR as u16, 4),
    Column::right(Col::Have, "HAVE", 5, 0),
    Column::right(Col::Down, "↓ RATE", 10, 1),
    Column::right(Col::Up, "↑ RATE", 10, 2),
    Column::right(Col::Asked, "ASKED", 8, 8),
    Column::right(Col::Delay, "DELAY", 7, 7),
    Column::right(Col::Bad, "BAD", 4, 6),
];

/// What the letters of the flags mean, for the help.
pub const FLAGS: &[(&str, &str)] = &[
    ("D d", "it sends to us; d: it has what we want and does not send"),
    ("U u", "we send to it; u: it wants what we have and has to wait"),
    ("O", "it has our place for a try (optimistic)"),
    ("S", "it did not deliver in time (snubbed)"),
    ("I", "it opened the connection"),
];

/// A peer, and how many pieces there are to have.
struct Peer<'a> {
    peer: &'a PeerSnapshot,
    pieces: u32,
}

/// The peers that match the filter, in the order that is wanted.
pub fn rows(app: &App, page: Page) -> Vec<RowKey> {
    let list = app.list(page);
    let Some(snapshot) = app.snapshot() else { return Vec::new() };
    let pieces = snapshot.pieces;
    let peers = snapshot.peers.iter();
    let mut peers: Vec<_> =
        peers.filter(|peer| list.filter.passes(&Peer { peer, pieces })).collect();
    table::sort(&mut peers, list.reverse, |a, b| compare(a, b, PAGE.sorts[list.sort].name));
    peers.into_iter().map(|peer| RowKey::Peer(peer.id)).collect()
}

/// Figures from the greatest, delays from the shortest.
fn compare(a: &PeerSnapshot, b: &PeerSnapshot, by: &str) -> Ordering {
    match by {
        "down" => b.down_rate.cmp(&a.down_rate),
        "up" => b.up_rate.cmp(&a.up_rate),
        "have" => b.pieces.cmp(&a.pieces),
        // Those that are not known are 0.
        "delay" => a.latency_us.wrapping_sub(1).cmp(&b.latency_us.wrapping_sub(1)),
        "bad" => b.bad_blocks.cmp(&a.bad_blocks),
        _ => Ordering::Equal,
    }
}

/// The whole page: the table, and what is known of the selected peer.
fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let selected = app.cursor().and_then(|at| app.rows().get(at)).and_then(|row| find(app, row));
    let below = if selected.is_some() && area.height >= DETAILS + 6 { DETAILS } else { 0 };
    let list = Rect { height: area.height - below, ..area };
    table(frame, list, app, Page::Peers, palette);
    if let (Some(peer), Some(snapshot)) = (selected, app.snapshot()) {
        details(frame, Rect { y: list.bottom(), height: below, ..area }, peer, snapshot, palette);
    }
}

fn find<'a>(app: &'a App, row: &RowKey) -> Option<&'a PeerSnapshot> {
    let RowKey::Peer(id) = row else { return None };
    app.snapshot()?.peers.iter().find(|peer| peer.id == *id)
}

/// Draws as many peers as fit, in a frame. `page` is the one whose rows they are.
pub fn table(frame: &mut Frame<'_>, area: Rect, app: &App, page: Page, palette: Palette) {
    let Some(snapshot) = app.snapshot() else { return };
    let rows = app.rows();
    let title = table::title(rows.len(), snapshot.peers.len(), "peer");
    let block = Block::bordered().border_style(palette.dim()).title(title);
    if rows.is_empty() {
        return nobody(frame, area, block, app, snapshot, palette);
    }
    let inner = table::framed(frame, area, block);
    let list = app.list(page);
    let view = View { rows: rows.len(), cursor: app.cursor(), sort: list.heading(PAGE.sorts) };
    let buffer = frame.buffer_mut();
    let shown = table::draw(
        buffer,
        inner,
        COLUMNS,
        view,
        palette,
        |at| find(app, &rows[at]),
        |peer, column| cell(peer, column, snapshot.pieces, palette),
    );
    table::extent(buffer, area, &shown, rows.len(), palette);
}

/// In the place of a table without rows: what others would have to do to be in it, or what it waits
/// for.
fn nobody(
    frame: &mut Frame<'_>,
    area: Rect,
    mut block: Block<'_>,
    app: &App,
    snapshot: &Snapshot,
    palette: Palette,
) {
    let inside = table::within(area, &block).inner(Margin::new(1.min(area.width / 4), 0));
    let (width, height) = (usize::from(inside.width).max(1), usize::from(inside.height));
    let complete = snapshot.bytes_have == snapshot.bytes_wanted;
    let link = app.entry().and_then(|entry| entry.link.as_ref()).filter(|_| complete);
    let dim = |text: &'static str| vec![Line::styled(text, palette.dim())];
    let lines = if !snapshot.peers.is_empty() {
        dim("no peer matches the filter")
    } else if let Some(link) = link {
        let command = format!("swarm get {}", shell_quoted(&inert(link)));
        // Without a break at a space, so that it is a copy of the command if the lines are joined.
        let letters: Vec<_> = command.chars().collect();
        if letters.len().div_ceil(width) <= height {
            block = block.title("─ others fetch it with ");
            letters.chunks(width).map(|line| line.iter().collect::<String>().into()).collect()
        } else {
            dim("Nobody is connected. y copies the link for others, Y shows it as a QR code.")
        }
    } else {
        dim("Nobody is connected. It goes on by itself when somebody is.")
    };
    table::framed(frame, area, block);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
}

fn cell(peer: &PeerSnapshot, column: Col, pieces: u32, palette: Palette) -> Line<'static> {
    let plain = |text: String| Line::from(text);
    match column {
        Col::Address => plain(peer.addr.to_string()),
        Col::Client => plain(inert(&peer.client)),
        Col::Flags => plain(flags(peer)),
        Col::Bar => {
            Line::styled(table::bar(peer.pieces.into(), pieces.into(), BAR), palette.good())
        }
        Col::Have => plain(have(peer, pieces)),
        Col::Down => rate(Some(peer.down_rate), palette.down()),
        Col::Up => rate(Some(peer.up_rate), palette.up()),
        Col::Asked if peer.requested == 0 => plain("-".into()),
        Col::Asked => plain(Bytes(peer.requested).to_string()),
        Col::Delay => plain(delay(peer.latency_us)),
        Col::Bad if peer.bad_blocks == 0 => Line::styled("0", palette.dim()),
        Col::Bad => Line::styled(peer.bad_blocks.min(9999).to_string(), palette.bad()),
    }
}

/// What the table has no room for.
fn details(
    frame: &mut Frame<'_>,
    area: Rect,
    peer: &PeerSnapshot,
    snapshot: &Snapshot,
    palette: Palette,
) {
    let title = format!(" {}  {} ", peer.id, inert(&peer.client));
    let block = Block::bordered().border_style(palette.dim()).title(title);
    let words: Vec<_> = [
        (peer.interested && !peer.choked_by, "it sends to us"),
        (peer.interested && peer.choked_by, "it has what we want and does not send"),
        (!peer.interested, "it has nothing that we lack"),
        (peer.wants_us && !peer.choking, "we send to it"),
        (peer.wants_us && peer.choking, "it waits for its turn with us"),
        (!peer.wants_us, "it wants nothing of ours"),
        (peer.optimistic, "tried out"),
        (peer.snubbed, "did not deliver in time"),
        (!peer.dialed, "it connected to us"),
    ]
    .iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, words)| *words)
    .collect();
    let figures = format!(
        " {} of {} pieces   {} from it   {} to it   window {}",
        peer.pieces,
        snapshot.pieces,
        Bytes(peer.downloaded),
        Bytes(peer.uploaded),
        Bytes(peer.window),
    );
    let lines = vec![
        Line::from(figures),
        Line::from(vec![Span::styled(format!(" {}", words.join(", ")), Style::new())]),
    ];
    frame.render_widget(Paragraph::new(lines).block(block), area);
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

fn have(peer: &PeerSnapshot, pieces: u32) -> String {
    if peer.pieces >= pieces {
        return "seed".into();
    }
    format!("{:.0} %", percent(peer.pieces.into(), pieces.into()).floor())
}

/// A delay in seven characters.
pub fn delay(us: u64) -> String {
    match us {
        // Nothing has been asked of it yet.
        0 | u64::MAX => "-".into(),
        1..1000 => format!("{us} µs"),
        1000..10_000_000 => format!("{} ms", us / 1000),
        _ => format!("{} s", (us / 1_000_000).min(99_999)),
    }
}

impl Facts for Peer<'_> {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        let peer = self.peer;
        Some(match fact {
            Fact::Name => format!("{} {}", peer.addr, peer.client).into(),
            Fact::Client => peer.client.as_str().into(),
            Fact::Address => peer.addr.to_string().into(),
            Fact::State if peer.pieces >= self.pieces => "seed".into(),
            Fact::State if peer.snubbed => "snubbed".into(),
            Fact::State if peer.choked_by => "choking".into(),
            Fact::State => "open".into(),
            Fact::Done => percent(peer.pieces.into(), self.pieces.into()).into(),
            Fact::Down => peer.down_rate.into(),
            Fact::Up => peer.up_rate.into(),
            Fact::Rate => peer.down_rate.max(peer.up_rate).into(),
            Fact::Bad => u64::from(peer.bad_blocks).into(),
            Fact::Kind | Fact::Size | Fact::Eta | Fact::Peers | Fact::Ratio | Fact::Copies => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    #[test]
    fn narrow_tables_lose_the_columns_that_matter_least() {
        let titles = |width| {
            let columns = table::fitting(COLUMNS, width);
            columns.iter().map(|(column, _)| column.title).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(titles(110), "ADDRESS CLIENT FLAGS  HAVE ↓ RATE ↑ RATE ASKED DELAY BAD");
        assert_eq!(titles(98), "ADDRESS CLIENT FLAGS  HAVE ↓ RATE ↑ RATE DELAY BAD");
        assert_eq!(titles(78), "ADDRESS FLAGS  HAVE ↓ RATE ↑ RATE");
        assert_eq!(titles(58), "ADDRESS FLAGS HAVE ↓ RATE ↑ RATE");
        assert_eq!(titles(30), "ADDRESS HAVE");
        assert_eq!(titles(1), "ADDRESS HAVE");
    }

    #[test]
    fn peers_stand_as_they_came_until_they_are_sorted() {
        let mut app = sample::app();
        sample::press(&mut app, "2");
        let came = app.rows().to_vec();
        sample::press(&mut app, "sss");
        assert_eq!(app.rows(), came, "the seed came first, and has most");
        sample::press(&mut app, "S");
        assert_eq!(app.rows(), [came[1].clone(), came[0].clone()]);
        sample::press(&mut app, "/state:seed\n");
        assert_eq!(app.rows(), [came[0].clone()]);
    }

    #[test]
    fn all_peers_on_a_roomy_and_on_a_usual_terminal() {
        let mut app = sample::app();
        sample::press(&mut app, "2j");
        sample::assert_screen(&app, 100, 30, "peers-100x30");
        sample::assert_screen(&app, 80, 24, "peers-80x24");
    }
}
