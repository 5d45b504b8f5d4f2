//! Where everything stands.
//!
//! ```text
//! title      what it is, what it does, for how long, with whom
//! tabs       the views, and which share this is
//! bar        how far
//! figures    how much, how fast, how long still, and why not faster
//! pieces     the piece map                                  (overview)
//! chart      rates of the last minute | the swarm           (overview)
//! peers      the table of peers                             (overview, or all of the peers view)
//! log        the last lines said                            (overview, or all of the log view)
//! footer     keys
//! ```
//! Where there is less room they fall away in this order: the log's second line, rows of the map
//! above two, the chart, the log, the map, the peers, the tabs, the footer, the title, the bar. One
//! row shows the figures alone. Below 80 columns the chart has the whole width.

use ratatui::{Frame, layout::Rect};

use super::{
    app::{App, Page},
    chart, facts, header, help,
    palette::Palette,
    peers, pieces,
};

/// Rows of each part, from the top.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rows {
    title: u16,
    tabs: u16,
    bar: u16,
    figures: u16,
    pieces: u16,
    chart: u16,
    peers: u16,
    log: u16,
    footer: u16,
}

impl Rows {
    /// Gives out `height` rows. What takes first falls away last.
    fn of(height: u16, page: Page) -> Self {
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
        take(&mut rows.figures, 1, 1);
        take(&mut rows.bar, 1, 1);
        take(&mut rows.title, 1, 1);
        take(&mut rows.footer, 1, 1);
        take(&mut rows.tabs, 1, 1);
        match page {
            Page::Peers => take(&mut rows.peers, 3, u16::MAX),
            Page::Log => take(&mut rows.log, 1, u16::MAX),
            Page::Overview => {
                // Frame, header and up to four peers; frame and two rows; a line; frame and four.
                take(&mut rows.peers, 4, 7);
                take(&mut rows.pieces, 3, 4);
                take(&mut rows.log, 1, 1);
                take(&mut rows.chart, 6, 6);
                if rows.pieces > 0 {
                    take(&mut rows.pieces, 1, 4);
                }
                take(&mut rows.log, 1, 1);
                take(&mut rows.peers, 1, u16::MAX);
            }
        }
        rows
    }
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, app: &App, palette: Palette) {
    let area = frame.area();
    let rows = Rows::of(area.height, app.page);
    let mut y = area.y;
    let mut next = |height: u16| {
        let part = Rect { y, height, ..area };
        y += height;
        part
    };
    header::title(frame, next(rows.title), app, palette);
    header::tabs(frame, next(rows.tabs), app, palette);
    let (bar, figures) = (next(rows.bar), next(rows.figures));
    let (map, chart) = (next(rows.pieces), next(rows.chart));
    let (peers, log, footer) = (next(rows.peers), next(rows.log), next(rows.footer));
    if let Some(snapshot) = &app.scene().snapshot {
        header::bar(frame, bar, snapshot, palette);
        header::figures(frame, figures, snapshot, rows.bar == 0, palette);
        pieces::draw(frame, map, snapshot, palette);
        let beside = if area.width >= 80 { area.width * 2 / 5 } else { 0 };
        let graph = Rect { width: area.width - beside, ..chart };
        chart::draw(frame, graph, app.scene(), palette);
        facts::draw(frame, Rect { x: graph.right(), width: beside, ..chart }, snapshot, palette);
        peers::draw(frame, peers, snapshot, app.scroll, palette);
    }
    let back = if app.page == Page::Log { app.scroll } else { 0 };
    app.log.draw(frame, log, back, palette);
    help::footer(frame, footer, app, palette);
    if app.help {
        help::draw(frame, area, palette);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;

    use super::*;
    use crate::screen::sample;

    #[test]
    fn what_matters_most_falls_away_last() {
        let rows = Rows::of(30, Page::Overview);
        assert_eq!((rows.pieces, rows.chart, rows.peers, rows.log), (8, 6, 9, 2));
        let rows = Rows::of(24, Page::Overview);
        assert_eq!((rows.pieces, rows.chart, rows.peers, rows.log), (5, 6, 7, 1));
        let rows = Rows::of(16, Page::Overview);
        assert_eq!((rows.pieces, rows.chart, rows.peers, rows.log), (4, 0, 7, 0));
        let only_figures = Rows { figures: 1, ..Rows::default() };
        assert_eq!(Rows::of(1, Page::Overview), only_figures);
        for height in 0..200 {
            let r = Rows::of(height, Page::Overview);
            let sum = r.title + r.tabs + r.bar + r.figures + r.pieces + r.chart + r.peers + r.log;
            assert_eq!(sum + r.footer, height, "no row is lost or given twice");
        }
    }

    #[test]
    fn a_download_on_a_roomy_terminal() {
        sample::assert_screen(&sample::app(), 100, 30, "overview-100x30");
    }

    #[test]
    fn a_download_on_a_usual_terminal() {
        sample::assert_screen(&sample::app(), 80, 24, "overview-80x24");
    }

    #[test]
    fn a_download_in_a_corner() {
        sample::assert_screen(&sample::app(), 20, 5, "overview-20x5");
    }

    #[test]
    fn the_help_lies_over_the_rest() {
        let mut app = sample::app();
        app.help = true;
        sample::assert_screen(&app, 80, 24, "help-80x24");
    }

    #[test]
    fn no_size_is_too_small_or_too_odd() {
        for app in sample::all_apps() {
            // Every size where something falls away, and some beyond.
            for width in (1..=40).chain((43..=110).step_by(4)).chain([160, 200]) {
                for height in (1..=31).chain([45, 60]) {
                    sample::drawn(&app, width, height);
                }
            }
        }
    }
    #[test]
    fn colours_are_those_of_the_terminals_theme_or_none() {
        for app in sample::all_apps() {
            for cell in sample::buffer(&app, 100, 30, true).content() {
                let named = !matches!(cell.fg, Color::White | Color::Black | Color::Rgb(..));
                assert!(named && cell.bg == Color::Reset, "{cell:?}");
            }
            let plain = sample::buffer(&app, 100, 30, false);
            assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset));
        }
    }
}
