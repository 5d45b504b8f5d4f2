//! The swarm in figures: beside the chart, and as a page.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph},
};
use swarm_node::Snapshot;

use super::{
    app::{App, RowKey},
    page::Spec,
    palette::Palette,
};
use crate::{
    output::percent,
    text::counted,
    units::{Bytes, Clock},
};

pub const PAGE: Spec = Spec {
    title: "Swarm",
    about: "trackers, counts, efficiency",
    rows: |_: &App| Vec::<RowKey>::new(),
    sorts: &[],
    step: Spec::one_by_one,
    draw: |frame, area, app, palette| {
        if let Some(snapshot) = app.snapshot() {
            draw(frame, area, snapshot, palette);
        }
    },
};

/// Draws them in a frame, the most telling first.
pub fn draw(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let totals = &snapshot.totals;
    let count = |which: fn(&swarm_engine::PeerSnapshot) -> bool| {
        snapshot.peers.iter().filter(|peer| which(peer)).count()
    };
    let copies_style = if snapshot.copies_min == 0 { palette.bad() } else { palette.dim() };
    let seeds = percent(totals.from_seeds, totals.downloaded.max(1));
    let mut lines = vec![
        Line::from(format!(
            " served by {}, serving {}",
            count(|peer| peer.interested && !peer.choked_by),
            count(|peer| peer.wants_us && !peer.choking),
        )),
        Line::styled(
            format!(" copies {:.1} mean, {} least", snapshot.copies_mean, snapshot.copies_min),
            copies_style,
        ),
        Line::from(format!(" {} in, {seeds:.0} % from seeds", Bytes(totals.downloaded))),
    ];
    lines.extend(snapshot.trackers.iter().map(|tracker| {
        let next = Clock(tracker.next_s.into());
        if tracker.up {
            let seeds = counted(tracker.seeds.into(), "seed");
            Line::from(format!(" tracker: {seeds}, {} others", tracker.leechers))
        } else {
            Line::styled(format!(" ! tracker away, next in {next}"), palette.warn())
        }
    }));
    let block = Block::bordered().border_style(palette.dim()).title(" Swarm ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
