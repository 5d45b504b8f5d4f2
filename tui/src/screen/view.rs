//! Where everything stands.
//!
//! ```text
//! title      what it is, what it does, for how long, with whom
//! tabs       the pages, and which share this is
//! bar        how far                                                  (pages of one transfer)
//! figures    how much, how fast, how long still                       (pages of one transfer)
//! why        what goes on, and why it is not faster                   (pages of one transfer)
//! page       the page
//! banner     whether to share on, when something has arrived
//! footer     keys
//! ```
//! Where there is less room they fall away in this order: the page, the banner, the footer, the tabs,
//! the title, the phrase, the bar. One row shows the figures alone. Where the page has a part of a transfer two
//! rows of it and the tabs stay longer, since the user has come for it: the title, the phrase, the bar, the
//! footer, the page, the tabs. Where it has several transfers, it stays longest.

use ratatui::{Frame, layout::Rect};

use super::{app::App, banner, header, help, modal, page::Page, why};
use crate::look::{Glyphs, Palette, flatten};

/// Rows of each part, from the top.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rows {
    title: u16,
    tabs: u16,
    bar: u16,
    figures: u16,
    why: u16,
    page: u16,
    banner: u16,
    footer: u16,
}

impl Rows {
    /// Gives out `height` rows. What takes first falls away last.
    fn of(height: u16, about: About, banner: bool) -> Self {
        let mut rows = Self::default();
        let mut left = height;
        let mut take = |part: &mut u16, wants: u16| {
            let taken = wants.min(left);
            *part += taken;
            left -= taken;
        };
        match about {
            About::One => {
                take(&mut rows.figures, 1);
                take(&mut rows.bar, 1);
                take(&mut rows.why, 1);
            }
            About::Part => {
                take(&mut rows.figures, 1);
                take(&mut rows.tabs, 1);
                take(&mut rows.page, 2);
                take(&mut rows.footer, 1);
                take(&mut rows.bar, 1);
                take(&mut rows.why, 1);
            }
            About::All => take(&mut rows.page, 2),
        }
        take(&mut rows.title, 1);
        let (footer, tabs) = (1 - rows.footer, 1 - rows.tabs);
        take(&mut rows.tabs, tabs);
        take(&mut rows.footer, footer);
        take(&mut rows.banner, u16::from(banner));
        take(&mut rows.page, u16::MAX);
        rows
    }
}

/// What the page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// One transfer as a whole: its figures say more than the page.
    One,
    /// A part of one transfer, for which the user has come.
    Part,
    /// Several transfers.
    All,
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, app: &App, palette: Palette) {
    let area = frame.area();
    let about = match (app.subject(), app.page) {
        (None, _) => About::All,
        (Some(_), Page::Overview) => About::One,
        (Some(_), _) => About::Part,
    };
    let rows = Rows::of(area.height, about, app.banner().is_some());
    let mut y = area.y;
    let mut next = |height: u16| {
        let part = Rect { y, height, ..area };
        y += height;
        part
    };
    header::title(frame, next(rows.title), app, palette);
    header::tabs(frame, next(rows.tabs), app, palette);
    let (bar, figures, why) = (next(rows.bar), next(rows.figures), next(rows.why));
    let (page, banner, footer) = (next(rows.page), next(rows.banner), next(rows.footer));
    if let Some(entry) = app.subject() {
        header::bar(frame, bar, entry, palette);
        header::figures(frame, figures, entry, rows.bar == 0, palette);
        why::draw(frame, why, entry, palette);
    }
    (app.page.spec().draw)(frame, page, app, palette);
    banner::draw(frame, banner, app, palette);
    help::footer(frame, footer, app, palette);
    modal::draw(frame, area, footer, app, palette);
    if palette.glyphs() == Glyphs::Ascii {
        flatten(frame.buffer_mut());
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;
    use swarm_node::Snapshot;

    use super::*;
    use crate::{
        look::Theme,
        screen::{app::Modal, sample},
    };

    #[test]
    fn what_matters_most_falls_away_last() {
        let only_figures = Rows { figures: 1, ..Rows::default() };
        assert_eq!(Rows::of(1, About::One, true), only_figures);
        assert_eq!(Rows::of(1, About::Part, true), only_figures);
        let one = Rows { title: 1, tabs: 1, bar: 1, figures: 1, why: 1, ..Rows::default() };
        assert_eq!(Rows::of(5, About::One, true), one, "20x5 says which page it is");
        let part = Rows { figures: 1, tabs: 1, page: 2, footer: 1, ..Rows::default() };
        assert_eq!(Rows::of(5, About::Part, true), part);
        let list = Rows { page: 2, title: 1, ..Rows::default() };
        assert_eq!(Rows::of(3, About::All, true), list);
        for height in 0..200 {
            let about = [About::One, About::Part, About::All][usize::from(height) % 3];
            let r = Rows::of(height, about, height % 2 == 0);
            let sum = r.title + r.tabs + r.bar + r.figures + r.why + r.page + r.banner + r.footer;
            assert_eq!(sum, height, "no row is lost or given twice");
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
        let mut app = sample::app();
        sample::assert_screen(&app, 20, 5, "overview-20x5");
        for (key, name) in [("2", "peers"), ("3", "pieces"), ("4", "files"), ("5", "swarm")] {
            sample::press(&mut app, key);
            sample::assert_screen(&app, 20, 5, &format!("{name}-20x5"));
        }
    }

    #[test]
    fn the_help_lies_over_the_rest() {
        let mut app = sample::app();
        sample::press(&mut app, "?");
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
        // A QR code is for a camera, which knows no theme.
        let codes = |app: &App| matches!(app.modal, Some(Modal::Qr(_)));
        for app in sample::all_apps().into_iter().filter(|app| !codes(app)) {
            for cell in sample::buffer(&app, 100, 30, true).content() {
                let named = !matches!(cell.fg, Color::White | Color::Black | Color::Rgb(..));
                assert!(named && cell.bg == Color::Reset, "{cell:?}");
            }
            let plain = sample::buffer(&app, 100, 30, false);
            assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset));
        }
    }

    #[test]
    fn where_only_ascii_is_known_nothing_else_is_drawn() {
        let palette = Palette::new(Theme::Default, Glyphs::Ascii, true);
        for app in sample::all_apps() {
            let buffer = sample::buffer_in(&app, 100, 50, palette);
            assert!(buffer.content().iter().all(|cell| cell.symbol().is_ascii()));
        }
        sample::assert_text(
            &sample::text(&sample::buffer_in(&sample::app(), 80, 24, palette)),
            "overview-ascii-80x24",
        );
    }

    #[test]
    fn a_million_pieces_fit_any_size() {
        let app = sample::with(&Snapshot {
            pieces: 1_000_000,
            have: (0..125_000_u32).map(|n| (n % 251) as u8).collect(),
            in_flight: (0..1_000_000).step_by(1000).collect(),
            ..sample::downloading()
        });
        for (width, height) in [(200, 60), (80, 24), (200, 60)] {
            let drawn = sample::drawn(&app, width, height);
            assert!(drawn.contains("1000 in flight"), "{drawn}");
        }
    }
}
