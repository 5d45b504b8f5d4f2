//! Some of everything about one transfer.
//!
//! ```text
//! pieces     the piece map, with a row of how many copies there are
//! chart      rates of the last minutes | the swarm
//! peers      the table of peers
//! log        the last lines said
//! ```
//! Where there is less room they fall away in this order: the log's second line, rows of the map
//! above two, the chart, the log, the row of copies, the map, the peers. Below 80 columns the chart has the whole width.

use ratatui::{Frame, layout::Rect};

use super::{
    app::App,
    chart, log,
    page::{Page, Spec},
    peers, pieces, swarm,
};
use crate::look::Palette;

/// Of the selected transfer.
pub const PAGE: Spec = Spec {
    title: "Overview",
    about: "some of everything",
    rows: |app| peers::rows(app, Page::Overview),
    sorts: peers::PAGE.sorts,
    step: Spec::one_by_one,
    draw,
};

/// Rows of each part, from the top.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rows {
    pieces: u16,
    chart: u16,
    peers: u16,
    log: u16,
}

impl Rows {
    /// Gives out `height` rows. What takes first falls away last. `map` rows show every piece alone.
    fn of(height: u16, map: u16) -> Self {
        let mut rows = Self::default();
        let mut left = height;
        // A part takes what it wants only if it can have at least what it needs.
        let mut take = |part: &mut u16, needs: u16, wants: u16| {
            if left >= needs {
                let taken = wants.min(left);
                *part += taken;
                left -= taken;
            }
        };
        // Frame, header and up to three peers; frame, two rows and the copies; a line; frame and four.
        take(&mut rows.peers, 4, 6);
        take(&mut rows.pieces, 3, 5);
        take(&mut rows.log, 1, 1);
        take(&mut rows.chart, 6, 6);
        if rows.pieces > 0 {
            take(&mut rows.pieces, 1, 4);
        }
        take(&mut rows.log, 1, 1);
        // On a large terminal all grow.
        let spare = left;
        let mut take = |part: &mut u16, wants: u16| {
            *part += wants;
            left -= wants;
        };
        let more = (spare / 4).min(map.saturating_sub(rows.pieces));
        take(&mut rows.pieces, more);
        take(&mut rows.chart, spare / 5);
        take(&mut rows.peers, spare - more - spare / 5);
        rows
    }
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let map_rows =
        app.snapshot().map_or(0, |snapshot| pieces::map_rows(snapshot.pieces, area.width, palette));
    let rows = Rows::of(area.height, map_rows);
    let mut y = area.y;
    let mut next = |height: u16| {
        let part = Rect { y, height, ..area };
        y += height;
        part
    };
    let (map, chart) = (next(rows.pieces), next(rows.chart));
    let (peers, log) = (next(rows.peers), next(rows.log));
    if let (Some(entry), Some(snapshot)) = (app.entry(), app.snapshot()) {
        pieces::map(frame, map, snapshot, palette);
        let beside = if area.width >= 80 { area.width * 2 / 5 } else { 0 };
        let graph = Rect { width: area.width - beside, ..chart };
        chart::draw(frame, graph, app.scene().rates(entry.id), app.chart_s, palette);
        swarm::draw(frame, Rect { x: graph.right(), width: beside, ..chart }, snapshot, palette);
        peers::table(frame, peers, app, Page::Overview, palette);
    }
    log::draw(frame, log, app, &log::rows(app), palette);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_falls_away_last() {
        let parts = |height| {
            let rows = Rows::of(height, u16::MAX);
            (rows.pieces, rows.chart, rows.peers, rows.log)
        };
        assert_eq!(parts(24), (9, 6, 7, 2));
        assert_eq!(parts(18), (5, 6, 6, 1));
        assert_eq!(parts(11), (5, 0, 6, 0));
        assert_eq!(parts(3), (3, 0, 0, 0));
        assert_eq!(parts(64), (19, 14, 29, 2));
        assert_eq!(Rows::of(64, 12).pieces, 12, "the map takes no more than it can show");
        for height in 0..200 {
            let (pieces, chart, peers, log) = parts(height);
            assert_eq!(pieces + chart + peers + log, height, "no row is lost or given twice");
        }
    }
}
