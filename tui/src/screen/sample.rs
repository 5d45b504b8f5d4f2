//! Screens for tests.

use std::{fs, path::Path, sync::Arc, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
};
use swarm_node::{Snapshot, State};

use super::{
    app::{About, Action, App, Page},
    palette::Palette,
    view,
};
use crate::output::sample;

pub fn about() -> About {
    About {
        verb: "get",
        name: "weights".into(),
        id: "6kku5bfx".into(),
        piece_length: 1 << 20,
        path: "./weights".into(),
        link: "swarm:?id=6kku5bfx".into(),
    }
}

/// Two thirds of a download, with a minute behind it.
pub fn app() -> App {
    with(&downloading())
}

fn downloading() -> Snapshot {
    let mut snapshot = sample::downloading();
    snapshot.have = (0..113).map(|n| if n < 60 { 0xff } else { [0xf0, 0x81, 0][n % 3] }).collect();
    snapshot.in_flight = (700..716).collect();
    snapshot.peers[1].choked_by = true;
    snapshot
}

fn with(snapshot: &Snapshot) -> App {
    let mut app = App::new(about());
    for second in 1..=42_u64 {
        let rate = (second * second * 37) % 90;
        let snapshot = Snapshot { down_rate: rate << 20, ..snapshot.clone() };
        app.update(Action::Snapshot(Duration::from_secs(second), Arc::new(snapshot)));
    }
    app.update(Action::Line {
        warn: false,
        text: "peer 6kku5bfx joined from 10.0.0.2:6000".into(),
    });
    app.update(Action::Line { warn: true, text: "tracker 0 does not answer; trying again".into() });
    app
}

/// All views of very different transfers, for sweeps.
pub fn all_apps() -> Vec<App> {
    let mut crowded = downloading();
    crowded.peers = crowded.peers.iter().cycle().take(300).cloned().collect();
    (crowded.down_rate, crowded.eta_s, crowded.bytes) = (u64::MAX, Some(u64::MAX), u64::MAX);
    let mut empty = sample::seeding();
    empty.peers.clear();
    (empty.pieces, empty.pieces_have, empty.bytes, empty.bytes_have) = (0, 0, 0, 0);
    let trouble = Snapshot { state: State::DiskTrouble, ..downloading() };
    let mut apps: Vec<App> = [downloading(), crowded, empty, trouble].iter().map(with).collect();
    apps.push(App::new(about()));
    for (page, help) in [(Page::Peers, false), (Page::Log, false), (Page::Overview, true)] {
        let mut app = app();
        (app.page, app.help, app.scroll, app.stopping) = (page, help, 7, help);
        apps.push(app);
    }
    apps
}

/// A whole screen.
pub fn buffer(app: &App, width: u16, height: u16, colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app, Palette::new(colour))).unwrap();
    terminal.backend().buffer().clone()
}

/// Its text, a line each row.
pub fn drawn(app: &App, width: u16, height: u16) -> String {
    let buffer = buffer(app, width, height, true);
    let rows = buffer.content().chunks(width.into());
    rows.map(|row| {
        let text: String = row.iter().map(Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    })
    .collect()
}

/// Compares a whole screen with the one in `tests/screens`. With `UPDATE_SCREENS` set the file is
/// written instead, for its author to read.
pub fn assert_screen(app: &App, width: u16, height: u16, name: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let (file, text) = (dir.join(name).with_extension("txt"), drawn(app, width, height));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(text == expected, "{} should be\n{expected}but is\n{text}", file.display());
}
