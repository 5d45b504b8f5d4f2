//! The swarm in figures: beside the chart, and as a page with trackers, how well the swarm works, and
//! what our own settings allow.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use swarm_engine::{PeerSnapshot, TrackerSnapshot};
use swarm_node::Snapshot;

use super::{
    app::{App, RowKey},
    page::Spec,
    peers::delay,
    table,
    transfers::ratio,
};
use crate::{
    look::Palette,
    text::{counted, inert},
    units::{Bytes, Clock, Rate},
    words::percent,
};

/// Of the selected transfer.
pub const PAGE: Spec = Spec {
    title: "Swarm",
    about: "trackers, counts, efficiency",
    rows: |_: &App| Vec::<RowKey>::new(),
    sorts: &[],
    step: Spec::one_by_one,
    draw: page,
};

/// Draws the most telling figures in a frame.
pub fn draw(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let totals = &snapshot.totals;
    let seeds = percent(totals.from_seeds, totals.downloaded.max(1));
    let mut lines = vec![
        Line::from(format!(
            " served by {}, serving {} of {}",
            count(snapshot, |peer| peer.interested && !peer.choked_by),
            snapshot.unchoked,
            snapshot.upload_slots,
        )),
        Line::from(format!(" {} in, {seeds:.0} % from seeds", Bytes(totals.downloaded))),
        Line::from(format!(
            " asked for {}{}",
            Bytes(snapshot.requested),
            if snapshot.endgame { ", end game" } else { "" }
        )),
    ];
    lines.extend(snapshot.trackers.iter().map(|tracker| {
        let (glyph, style) = mark(tracker, palette);
        let next = Clock(tracker.next_s.into());
        let text = if tracker.up {
            format!(
                " tracker: {}, {} others",
                counted(tracker.seeds.into(), "seed"),
                tracker.leechers
            )
        } else {
            format!(" tracker away, next in {next}")
        };
        Line::from(vec![Span::styled(format!(" {glyph}"), style), Span::raw(text)])
    }));
    let block = Block::bordered().border_style(palette.dim()).title(" Swarm ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn count(snapshot: &Snapshot, which: fn(&PeerSnapshot) -> bool) -> usize {
    snapshot.peers.iter().filter(|peer| which(peer)).count()
}

const fn mark(tracker: &TrackerSnapshot, palette: Palette) -> (&'static str, Style) {
    if tracker.up { ("✓", palette.good()) } else { ("!", palette.bad()) }
}

/// A figure and what it is.
type Fact = (&'static str, String, Style);

fn page(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let Some(snapshot) = app.snapshot() else { return };
    let trackers = (snapshot.trackers.len() as u16 + 3).clamp(4, (area.height / 3).max(4));
    let top = Rect { height: trackers.min(area.height), ..area };
    draw_trackers(frame, top, snapshot, palette);
    let rest = Rect { y: top.bottom(), height: area.height - top.height, ..area };
    let panes: [(&str, Vec<Fact>); 4] = [
        (" Efficiency ", efficiency(snapshot, palette)),
        (" Peers ", peers(snapshot, palette)),
        (" Copies ", copies(snapshot, palette)),
        (" This machine ", here(snapshot, palette)),
    ];
    // Two beside each other if there is room, in rows as high as the higher of them.
    let across: usize = if area.width >= 80 { 2 } else { 1 };
    let mut y = rest.y;
    for pair in panes.chunks(across) {
        let height = pair.iter().map(|(_, facts)| facts.len() as u16 + 2).max().unwrap_or(0);
        let height = height.min(rest.bottom() - y);
        let width = area.width / across as u16;
        for (n, (title, facts)) in pair.iter().enumerate() {
            let last = n + 1 == across;
            let x = area.x + width * n as u16;
            let width = if last { area.right() - x } else { width };
            pane(frame, Rect { x, y, width, height }, title, facts, palette);
        }
        y += height;
    }
}

fn pane(frame: &mut Frame<'_>, area: Rect, title: &str, facts: &[Fact], palette: Palette) {
    let lines = facts.iter().map(|(label, text, style)| {
        Line::from(vec![
            Span::styled(format!(" {label:<15}"), palette.dim()),
            Span::styled(text.clone(), *style),
        ])
    });
    let block = Block::bordered().border_style(palette.dim()).title(title.to_owned());
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn draw_trackers(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let block = Block::bordered().border_style(palette.dim()).title(" Trackers ");
    let inner = table::framed(frame, area, block);
    if snapshot.trackers.is_empty() {
        let text = " none: peers are found through the link and through other peers";
        return frame.render_widget(Paragraph::new(text).style(palette.dim()), inner);
    }
    let header = Line::styled(
        format!(" {:<11}{:>6}{:>10}{:>12}  {}", "", "SEEDS", "LEECHERS", "NEXT ASK", "NAME"),
        palette.dim(),
    );
    let lines = snapshot.trackers.iter().map(|tracker| {
        let (glyph, style) = mark(tracker, palette);
        let word = if tracker.up { "answers" } else { "away" };
        let figures = if tracker.up {
            format!("{:>6}{:>10}", tracker.seeds, tracker.leechers)
        } else {
            format!("{:>6}{:>10}", "-", "-")
        };
        let next = format!("{:>12}", Clock(tracker.next_s.into()).to_string());
        Line::from(vec![
            Span::styled(format!(" {glyph} {word:<9}"), style),
            Span::raw(figures + &next),
            Span::raw(format!("  {}", inert(&tracker.name))),
        ])
    });
    let lines: Vec<_> = std::iter::once(header).chain(lines).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

/// How little was wasted, and how much the swarm spared its seeds.
fn efficiency(snapshot: &Snapshot, palette: Palette) -> Vec<Fact> {
    let totals = &snapshot.totals;
    let all = totals.downloaded.max(1);
    let plain = Style::new();
    let bad = if snapshot.corrupt_pieces > 0 || totals.corrupt > 0 { palette.bad() } else { plain };
    let share = |label, bytes| {
        let amount = Bytes(bytes).to_string();
        (label, format!("{amount:<9}{:>5.1} %", percent(bytes, all)), plain)
    };
    let sent = Bytes(totals.uploaded).to_string();
    let per_byte = ratio(totals.uploaded as f64 / snapshot.bytes.max(1) as f64);
    let corrupt = Bytes(totals.corrupt).to_string();
    let pieces = counted(snapshot.corrupt_pieces.into(), "piece");
    vec![
        ("received", Bytes(totals.downloaded).to_string(), plain),
        share("  from seeds", totals.from_seeds),
        share("  from peers", totals.downloaded.saturating_sub(totals.from_seeds)),
        share("  twice", totals.duplicate),
        ("  bad", format!("{corrupt:<9} {pieces}"), bad),
        ("sent", format!("{sent:<9} ratio {per_byte}"), plain),
    ]
}

/// Who is there, and who serves whom.
fn peers(snapshot: &Snapshot, palette: Palette) -> Vec<Fact> {
    let plain = Style::new();
    let seeds = snapshot.peers.iter().filter(|peer| peer.pieces >= snapshot.pieces).count();
    let serving = count(snapshot, |peer| peer.interested && !peer.choked_by);
    let offering = count(snapshot, |peer| peer.interested);
    let served = count(snapshot, |peer| peer.wants_us && !peer.choking);
    let wanting = count(snapshot, |peer| peer.wants_us);
    let snubbed = count(snapshot, |peer| peer.snubbed);
    let slow = if snubbed > 0 { palette.warn() } else { plain };
    let known = snapshot.known_peers.max(snapshot.peers.len() as u32);
    let (slots, anew) = (snapshot.upload_slots, Clock(snapshot.choke_s.into()));
    vec![
        ("connected", format!("{} of {known} known", snapshot.peers.len()), plain),
        ("  seeds", seeds.to_string(), plain),
        ("serve us", format!("{serving} of {offering} that could"), plain),
        ("we serve", format!("{served} of {wanting} that want"), plain),
        ("  slots", format!("{slots}, anew in {anew}"), plain),
        ("too slow", snubbed.to_string(), slow),
    ]
}

fn copies(snapshot: &Snapshot, palette: Palette) -> Vec<Fact> {
    let least = snapshot.copies_min;
    let (word, style) = match least {
        0 => ("nowhere at present", palette.bad()),
        1 => ("in one place only", palette.warn()),
        _ => ("in several places", Style::new()),
    };
    vec![
        ("rarest piece", format!("{least}, {word}"), style),
        ("mean copies", format!("{:.1}", snapshot.copies_mean), Style::new()),
        ("end game", if snapshot.endgame { "on" } else { "off" }.into(), Style::new()),
    ]
}

/// What is asked for and on its way to the disk, and what is allowed.
fn here(snapshot: &Snapshot, palette: Palette) -> Vec<Fact> {
    let plain = Style::new();
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| "none".into(), |rate| Rate(rate).to_string());
    let used = snapshot.requested.saturating_add(snapshot.storing);
    let full = if used >= snapshot.buffer / 4 * 3 { palette.warn() } else { plain };
    let window = snapshot.peers.iter().map(|peer| peer.window).fold(0, u64::saturating_add);
    let known = |us: &u64| !matches!(us, 0 | &u64::MAX);
    let mut delays: Vec<_> =
        snapshot.peers.iter().map(|peer| peer.latency_us).filter(known).collect();
    delays.sort_unstable();
    let median = delays.get(delays.len() / 2).copied().unwrap_or(0);
    vec![
        ("asked for", Bytes(snapshot.requested).to_string(), plain),
        ("  window", Bytes(window).to_string(), plain),
        ("to the disk", Bytes(snapshot.storing).to_string(), plain),
        ("memory for it", Bytes(snapshot.buffer).to_string(), full),
        ("delay", format!("{} median", delay(median)), plain),
        ("limit ↓", limit(snapshot.down_limit), plain),
        ("limit ↑", limit(snapshot.up_limit), plain),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    fn text(facts: &[Fact], label: &str) -> String {
        facts.iter().find(|fact| fact.0.trim() == label).map(|fact| fact.1.clone()).unwrap()
    }

    #[test]
    fn what_came_from_whom_adds_up() {
        let facts = efficiency(&sample::downloading(), sample::palette());
        assert_eq!(text(&facts, "received"), "610 MiB");
        assert_eq!(text(&facts, "from seeds"), "200 MiB   32.7 %");
        assert_eq!(text(&facts, "from peers"), "410 MiB   67.2 %");
        assert_eq!(text(&facts, "twice"), "4.00 MiB   0.6 %");
    }

    #[test]
    fn rare_pieces_are_pointed_out() {
        let of = |copies_min| {
            let snapshot = Snapshot { copies_min, ..sample::downloading() };
            text(&copies(&snapshot, sample::palette()), "rarest piece")
        };
        assert_eq!(of(0), "0, nowhere at present");
        assert_eq!(of(1), "1, in one place only");
        assert_eq!(of(12), "12, in several places");
    }

    #[test]
    fn the_swarm_on_a_roomy_and_on_a_usual_terminal() {
        let mut app = sample::app();
        sample::press(&mut app, "5");
        sample::assert_screen(&app, 100, 30, "swarm-100x30");
        sample::assert_screen(&app, 80, 24, "swarm-80x24");
    }
}
