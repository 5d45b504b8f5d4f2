//! Screens for tests.

use std::{fs, path::Path, sync::Arc, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use swarm_engine::{BlockState, Bottleneck, PartialSnapshot, RunSnapshot, TrackerSnapshot};
use swarm_node::{Snapshot, State};
use swarm_proto::id::PeerId;

use super::{
    app::{Action, App, Effect, Kind},
    view,
};
use crate::{
    host::{Entry, EntryId, Limits, Origin, Phase, Remark, Session, Share, ShareFile},
    look::{Glyphs, Palette, Theme},
    output::sample,
    share::Policy,
};

/// A download of this snapshot.
pub fn entry(id: u64, snapshot: &Snapshot) -> Entry {
    let files = [("model/a.bin", 600), ("model/b.bin", 299), ("readme.md", 1)];
    let mut first_piece = 0;
    let files = files.map(|(path, pieces)| {
        let path = path.split('/').map(str::to_owned).collect();
        first_piece += pieces;
        let length = u64::from(pieces) << 20;
        ShareFile { path, length, first_piece: first_piece - pieces, pieces }
    });
    Entry {
        id: EntryId(id),
        name: if id == 0 { "weights".into() } else { format!("weights-{id}") },
        path: format!("./weights{}", if id == 0 { String::new() } else { id.to_string() }).into(),
        link: Some("swarm:?id=6kku5bfx".into()),
        origin: Origin::Downloaded,
        fetched: false,
        phase: Phase::Running,
        share: Some(Arc::new(Share {
            swarm: snapshot.swarm,
            piece_length: 1 << 20,
            pieces: snapshot.pieces,
            bytes: snapshot.bytes,
            files: files.into(),
            comment: String::new(),
        })),
        snapshot: Some(Arc::new(snapshot.clone())),
        policy: Policy::Needed,
        decided: true,
        limits: Limits::default(),
        added_s: 1_750_000_000,
        completed_s: None,
        took_s: None,
        received_before: 0,
        sent_before: 0,
        met: 0,
        hooked: false,
    }
}

/// Two thirds of a download, with a minute behind it.
pub fn app() -> App {
    with(&downloading())
}

/// What [`app`] shows.
pub fn downloading() -> Snapshot {
    let mut snapshot = sample::downloading();
    snapshot.have = (0..113).map(|n| if n < 60 { 0xff } else { [0xf0, 0x81, 0][n % 3] }).collect();
    snapshot.in_flight = (700..716).collect();
    snapshot.peers[1].choked_by = true;
    snapshot.bottleneck = Bottleneck::Limit;
    snapshot.down_limit = Some(80 << 20);
    snapshot.availability =
        (0..900_u32).map(|n| if n == 650 { 1 } else { 2 + (n / 7 % 5) as u8 }).collect();
    let tracker = |name: &str, up| TrackerSnapshot {
        name: name.into(),
        up,
        next_s: if up { 1712 } else { 9 },
        seeds: 1,
        leechers: 4,
    };
    snapshot.trackers =
        vec![tracker("tracker.example:7000", true), tracker("10.0.0.9:7000", false)];
    let [a, b] = [snapshot.peers[0].id, snapshot.peers[1].id];
    snapshot.partials = (700..716).map(|piece| partial(piece, a, b)).collect();
    snapshot
}

/// A piece of 64 blocks in every state, each further than the one before.
fn partial(piece: u32, a: PeerId, b: PeerId) -> PartialSnapshot {
    let more = piece - 700;
    let states = [
        (20 + more, BlockState::Stored(a)),
        (10, BlockState::Storing(b)),
        (14, BlockState::Requested(b)),
        (20 - more, BlockState::Missing),
    ];
    let mut first = 0;
    let runs = states.map(|(count, state)| {
        first += count;
        RunSnapshot { first: first - count, count, state }
    });
    PartialSnapshot { piece, blocks: 64, runs: runs.into() }
}

/// The same screen of other files.
pub fn share(app: &mut App, share: Share) {
    let share = Some(Arc::new(share));
    app.update(news(43, vec![Entry { share, ..entry(0, &downloading()) }]));
}

/// A command's transfer, with 42 seconds behind it.
pub fn with(snapshot: &Snapshot) -> App {
    let mut app = App::new(Kind::One { verb: "get" });
    for second in 1..=42_u64 {
        let rate = (second * second * 37) % 90;
        let snapshot = Snapshot { down_rate: rate << 20, ..snapshot.clone() };
        app.update(news(second, vec![entry(0, &snapshot)]));
    }
    say(&mut app, false, "peer 6kku5bfx joined from 10.0.0.2:6000");
    say(&mut app, true, "tracker 10.0.0.1:7000 does not answer; trying again");
    app
}

/// A session of five transfers, each in another state.
pub fn session() -> App {
    let mut app = App::new(Kind::Session);
    let down = downloading();
    let own = Entry { origin: Origin::Own, ..entry(2, &sample::seeding()) };
    let none = |id, phase| Entry { phase, snapshot: None, ..entry(id, &down) };
    let failed = Phase::Failed {
        message: "no manifest: tracker 10.0.0.1:7000: no answer in time".into(),
        hint: Some("check that somebody shares it".into()),
    };
    let entries = vec![
        entry(1, &down),
        own,
        Entry { decided: false, ..entry(3, &sample::seeding()) },
        none(4, Phase::Hashing { done: 1 << 30, total: 3 << 30 }),
        none(5, failed),
    ];
    for second in 1..=42 {
        app.update(news(second, entries.clone()));
    }
    say(&mut app, false, "listening on 0.0.0.0:6881");
    app
}

/// News of these transfers.
pub fn news(second: u64, entries: Vec<Entry>) -> Action {
    let entries = entries.into_iter().map(Arc::new).collect();
    let session = Session { entries, ..Session::default() };
    Action::Session(Duration::from_secs(second), Arc::new(session))
}

fn say(app: &mut App, warn: bool, text: &str) {
    app.update(Action::Remark(Remark {
        entry: warn.then_some(EntryId(0)),
        warn,
        text: text.into(),
    }));
}

/// Presses these keys: each character is one; Enter is `\n`, Esc `\x1b`, Tab `\t`.
pub fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let codes = keys.chars().map(|key| match key {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        '\t' => KeyCode::Tab,
        key => KeyCode::Char(key),
    });
    codes
        .flat_map(|code| app.update(Action::Key(KeyEvent::new(code, KeyModifiers::NONE))))
        .collect()
}

/// All pages of very different transfers, and all that lies over them, for sweeps.
pub fn all_apps() -> Vec<App> {
    let mut crowded = downloading();
    crowded.peers = crowded.peers.iter().cycle().take(300).cloned().collect();
    (crowded.down_rate, crowded.eta_s, crowded.bytes) = (u64::MAX, Some(u64::MAX), u64::MAX);
    let mut empty = sample::seeding();
    empty.peers.clear();
    (empty.pieces, empty.pieces_have, empty.bytes, empty.bytes_have) = (0, 0, 0, 0);
    let trouble = Snapshot { state: State::DiskTrouble, ..downloading() };
    let mut apps: Vec<App> = [downloading(), crowded, empty, trouble].iter().map(with).collect();
    apps.push(App::new(Kind::One { verb: "seed" }));
    apps.push(App::new(Kind::Session));
    for keys in ["2jj", "3", "4jj\n", "5", "6kk", "?", ":limit u", "/a", "q", "Y"] {
        let mut app = app();
        press(&mut app, keys);
        apps.push(app);
    }
    let over = ["", "jjj", "jjjj2", "D", "a", "?jjjj", ":nonsense\n", "8", "2f", "jD"];
    for keys in over {
        let mut app = session();
        press(&mut app, keys);
        apps.push(app);
    }
    apps
}

/// The usual colours and glyphs.
pub fn palette() -> Palette {
    Palette::new(Theme::Default, Glyphs::Block, true)
}

/// A whole screen.
pub fn buffer(app: &App, width: u16, height: u16, colour: bool) -> Buffer {
    buffer_in(app, width, height, Palette::new(Theme::Default, Glyphs::Block, colour))
}

/// A whole screen in other colours or glyphs.
pub fn buffer_in(app: &App, width: u16, height: u16, palette: Palette) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app, palette)).unwrap();
    terminal.backend().buffer().clone()
}

/// Its text, a line each row.
pub fn drawn(app: &App, width: u16, height: u16) -> String {
    text(&buffer(app, width, height, true))
}

/// The text of a screen, a line each row.
pub fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(buffer.area.width.into());
    rows.map(|row| {
        let text: String = row.iter().map(Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    })
    .collect()
}

/// Compares a whole screen with the one in `tests/screens`. With `UPDATE_SCREENS` set the file is
/// written instead, for its author to read.
pub fn assert_screen(app: &App, width: u16, height: u16, name: &str) {
    assert_text(&drawn(app, width, height), name);
}

/// The same for the text of a screen.
pub fn assert_text(text: &str, name: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let file = dir.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(text == expected, "{} should be\n{expected}but is\n{text}", file.display());
}
