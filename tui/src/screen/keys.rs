//! The keys: one table makes the bindings, the footer and the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use swarm_engine::Priority;
use swarm_node::Snapshot;

use super::{
    app::{Act, App, Kind, Modal, ShareChoice},
    page::Page,
};
use crate::host::{Entry, Phase};

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys that do it.
    codes: &'static [KeyCode],
    /// With Ctrl held.
    ctrl: bool,
    /// What it does.
    pub act: Act,
    /// Where it does it.
    on: On,
    /// How the keys are written.
    pub label: &'static str,
    /// For the footer, where it has a place.
    pub short: Option<&'static str>,
    /// For the help.
    pub long: &'static str,
}

/// Where a key means something.
#[derive(Debug, Clone, Copy)]
enum On {
    /// Everywhere, even where a line is typed.
    Always,
    /// On pages, while this holds.
    Page(fn(&App) -> bool),
    /// While the help is open.
    Help,
    /// While a question is open.
    Confirm,
    /// While a QR code is shown.
    Qr,
}

impl On {
    fn holds(self, app: &App) -> bool {
        match (self, &app.modal) {
            (Self::Always, _)
            | (Self::Help, Some(Modal::Help(_)))
            | (Self::Confirm, Some(Modal::Confirm(_)))
            | (Self::Qr, Some(Modal::Qr(_))) => true,
            (Self::Page(when), None) => when(app),
            _ => false,
        }
    }
}

const fn bind(
    codes: &'static [KeyCode],
    act: Act,
    on: On,
    label: &'static str,
    short: Option<&'static str>,
    long: &'static str,
) -> Binding {
    Binding { codes, ctrl: false, act, on, label, short, long }
}

const fn ctrl(binding: Binding) -> Binding {
    Binding { ctrl: true, ..binding }
}

const ANY: On = On::Page(|_| true);
const SESSION: On = On::Page(|app| app.kind == Kind::Session);
const ENTRY: On = On::Page(|app| chosen(app).is_some());
const RUNNING: On = On::Page(|app| chosen(app).is_some_and(|entry| entry.phase == Phase::Running));
const REMOVABLE: On = On::Page(|app| app.kind == Kind::Session && chosen(app).is_some());
const ENDED: On = On::Page(|app| {
    if SHARED_ONCE.holds(app) {
        return false;
    }
    let ended = |phase: &Phase| matches!(phase, Phase::Failed { .. } | Phase::Stopped { .. });
    chosen(app).is_some_and(|entry| ended(&entry.phase))
});
/// It is complete, and no longer shared.
const SHARED_ONCE: On = On::Page(|app| {
    let ended = |entry: &Entry| matches!(entry.phase, Phase::Stopped { .. });
    let all = |s: &Snapshot| s.bytes_wanted > 0 && s.bytes_have == s.bytes_wanted;
    let entry = chosen(app).filter(|entry| ended(entry));
    entry.and_then(|entry| entry.snapshot.as_deref()).is_some_and(all)
});
const PAST: On = On::Page(|app| app.page == Page::History && app.selected_past().is_some());
const BANNER: On = On::Page(|app| app.banner().is_some());
const SEVERAL: On = On::Page(|app| app.scene().session.entries.len() > 1);
const ROWS: On = On::Page(|app| app.page != Page::Swarm);
const SORTED: On = On::Page(|app| !app.page.spec().sorts.is_empty());
const LISTED: On = On::Page(|app| app.page == Page::Transfers && app.entry().is_some());
const CHART: On = On::Page(|app| app.page == Page::Overview);
const FILES: On = On::Page(|app| app.page == Page::Files);
const MAP: On = On::Page(|app| app.page == Page::Pieces);

/// The transfer that keys are about: where none is shown, none.
fn chosen(app: &App) -> Option<&Entry> {
    app.entry().filter(|_| app.page != Page::History).map(AsRef::as_ref)
}

use KeyCode::{BackTab, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

/// All bindings, in the order of the footer and the help. Of two for the same key the first that
/// holds counts.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    bind(&[Enter], Act::Share(ShareChoice::Keep), BANNER, "Enter", None, "go on sharing what has just arrived, as it is set"),
    bind(&[Char('t')], Act::Share(ShareChoice::Ratio), BANNER, "t", None, "share it until as much was sent as is in it"),
    bind(&[Char('h')], Act::Share(ShareChoice::Hour), BANNER, "h", None, "share it for an hour"),
    bind(&[Char('F')], Act::Share(ShareChoice::Forever), BANNER, "F", None, "share it until you stop it"),
    bind(&[Char('x')], Act::Share(ShareChoice::Stop), BANNER, "x", None, "stop sharing it; it stays on the disk"),

    bind(&[Char('y'), Char('Y')], Act::Yes, On::Confirm, "y", Some("yes"), "do it"),
    bind(&[Char('n'), Esc, Enter, Char('q')], Act::No, On::Confirm, "n", Some("no"), "leave it; so does Enter"),
    bind(&[Esc, Char('q'), Char('Q'), Enter, Char(' ')], Act::No, On::Qr, "Esc", Some("close"), "close it"),
    bind(&[Char('?'), Esc, Char('q'), Enter], Act::Help, On::Help, "Esc", Some("close"), "close it"),
    bind(&[Up, Char('k')], Act::Up, On::Help, "Up k", None, "scroll up"),
    bind(&[Down, Char('j')], Act::Down, On::Help, "Down j", Some("scroll"), "scroll down"),
    bind(&[PageUp], Act::PageUp, On::Help, "PgUp", None, "scroll up"),
    bind(&[PageDown, Char(' ')], Act::PageDown, On::Help, "PgDn", None, "scroll down"),

    bind(&[Char('q')], Act::Quit, ANY, "q", Some("quit"), "stop; what is verified stays, and a download can go on later"),
    bind(&[Char('a')], Act::Add, SESSION, "a", Some("add"), "add a link, a manifest or a path; pasting does it too"),
    bind(&[Enter], Act::Open, LISTED, "Enter", Some("details"), "look into it: how far, from whom, why not faster"),
    bind(&[Char('+'), Char('=')], Act::Want(Priority::High), FILES, "+", Some("first"), "fetch the file or folder before all others"),
    bind(&[Char('0')], Act::Want(Priority::Normal), FILES, "0", None, "fetch it as every other"),
    bind(&[Char('-')], Act::Want(Priority::Low), FILES, "-", Some("last"), "fetch it after all others"),
    bind(&[Char('x')], Act::Want(Priority::Skip), FILES, "x", Some("skip"), "do not fetch it"),
    bind(&[Enter], Act::Open, PAST, "Enter", Some("open again"), "fetch it again where it was, or share it again"),
    bind(&[Char('y')], Act::CopyLink, PAST, "y", Some("copy link"), "copy its link, if the terminal allows it (OSC 52)"),
    bind(&[Char('Y')], Act::Qr, PAST, "Y", None, "its link as a QR code"),
    bind(&[Char('o')], Act::OpenFolder, PAST, "o", Some("folder"), "open its folder"),
    bind(&[Char('p'), Char(' ')], Act::Pause, ENTRY, "p", Some("pause"), "pause it, or go on"),
    bind(&[Char('r')], Act::Retry, SHARED_ONCE, "r", Some("share again"), "share it again"),
    bind(&[Char('r')], Act::Retry, ENDED, "r", Some("retry"), "try again"),
    bind(&[Char('d')], Act::Remove, REMOVABLE, "d", Some("remove"), "take it off the list; its files stay"),
    bind(&[Char('D')], Act::Delete, REMOVABLE, "D", None, "take it off the list and delete its files; asks first"),
    bind(&[Char('P')], Act::PauseAll, SEVERAL, "P", None, "pause all"),
    bind(&[Char('R')], Act::ResumeAll, SEVERAL, "R", None, "let all go on"),
    bind(&[Char('l')], Act::LimitDown, RUNNING, "l", Some("limit"), "limit what it receives"),
    bind(&[Char('u')], Act::LimitUp, RUNNING, "u", None, "limit what it sends"),
    bind(&[Char('y')], Act::CopyLink, ENTRY, "y", Some("copy link"), "copy its link, if the terminal allows it (OSC 52)"),
    bind(&[Char('Y')], Act::Qr, ENTRY, "Y", None, "its link as a QR code"),
    bind(&[Char('o')], Act::OpenFolder, ENTRY, "o", None, "open its folder"),
    bind(&[Char('n')], Act::Announce, RUNNING, "n", None, "ask its trackers for peers now"),
    bind(&[Char('v')], Act::Verify, RUNNING, "v", None, "read all of it again and verify it"),

    bind(&[Char('/')], Act::Filter, ROWS, "/", Some("filter"), "show only the rows that match"),
    bind(&[Char('s')], Act::Sort, SORTED, "s", Some("sort"), "sort by the next column"),
    bind(&[Char('S')], Act::Reverse, SORTED, "S", None, "sort the other way round"),
    bind(&[Up, Char('k')], Act::Up, ANY, "Up k", None, "a row up"),
    bind(&[Down, Char('j')], Act::Down, ANY, "Down j", None, "a row down"),
    bind(&[Left], Act::Left, MAP, "Left", None, "the piece before"),
    bind(&[Right], Act::Right, MAP, "Right", None, "the piece after"),
    bind(&[PageUp], Act::PageUp, ANY, "PgUp", None, "ten rows up"),
    bind(&[PageDown], Act::PageDown, ANY, "PgDn", None, "ten rows down"),
    bind(&[Home, Char('g')], Act::First, ANY, "Home g", None, "the first row"),
    bind(&[End, Char('G')], Act::Last, ANY, "End G", None, "the last row"),
    bind(&[Enter], Act::Open, FILES, "Enter", None, "fold the folder up, or unfold it"),
    bind(&[Esc], Act::Back, ANY, "Esc", None, "one step back: filter, selection, list"),
    bind(&[Char('['), BackTab], Act::PrevPage, ANY, "[", None, "the page before"),
    bind(&[Tab, Char(']')], Act::NextPage, ANY, "Tab", None, "the next page; its number goes there at once"),
    bind(&[Char('J'), Char('>')], Act::NextEntry, SEVERAL, "J >", None, "the next transfer"),
    bind(&[Char('K'), Char('<')], Act::PrevEntry, SEVERAL, "K <", None, "the transfer before"),
    bind(&[Char('-')], Act::ZoomOut, CHART, "-", None, "the chart shows more time"),
    bind(&[Char('+'), Char('=')], Act::ZoomIn, CHART, "+", None, "the chart shows less time"),
    bind(&[Char('f')], Act::Freeze, ANY, "f", None, "hold the screen still; the transfers go on"),
    bind(&[Char('m')], Act::Mouse, ANY, "m", None, "let the mouse's wheel scroll, or give the mouse back"),
    bind(&[Char(':')], Act::Command, ANY, ":", Some("command"), "type a command, as on the command line"),
    bind(&[Char('?'), Char('h')], Act::Help, ANY, "?", Some("help"), "this help"),
    ctrl(bind(&[Char('z')], Act::Suspend, On::Always, "Ctrl-Z", None, "suspend; fg brings it back")),
    ctrl(bind(&[Char('c')], Act::Quit, On::Always, "Ctrl-C", None, "the same as q; while stopping it ends at once")),
];

/// What a key means now, if anything.
pub fn meaning(app: &App, event: KeyEvent) -> Option<Act> {
    // Some terminals report the release as well.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let held = event.modifiers.contains(KeyModifiers::CONTROL);
    if let (Char(digit), false, None) = (event.code, held, &app.modal)
        && let Some(n @ 1..) = digit.to_digit(10)
    {
        return app.pages().get(n as usize - 1).map(|page| Act::Show(*page));
    }
    let is = |b: &&Binding| b.ctrl == held && b.codes.contains(&event.code) && b.on.holds(app);
    BINDINGS.iter().find(is).map(|binding| binding.act)
}

/// Whether a key means the same wherever it is pressed.
pub fn is_for_the_process(event: KeyEvent) -> bool {
    let held = event.modifiers.contains(KeyModifiers::CONTROL);
    let is = |b: &Binding| b.ctrl == held && b.codes.contains(&event.code);
    BINDINGS.iter().any(|binding| matches!(binding.on, On::Always) && is(binding))
}

/// The bindings that mean something now: none whose key an earlier one has taken, as the banner's do.
pub fn current(app: &App) -> impl Iterator<Item = &'static Binding> {
    let mut taken = Vec::new();
    BINDINGS.iter().filter(|binding| binding.on.holds(app)).filter(move |binding| {
        let free = !taken.contains(&(binding.ctrl, binding.codes[0]));
        taken.extend(binding.codes.iter().map(|&code| (binding.ctrl, code)));
        free
    })
}

/// The bindings that mean something on the page below whatever lies over it.
pub fn of_page(app: &App) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(|binding| match binding.on {
        On::Always => true,
        On::Page(when) => when(app),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    fn press(app: &App, code: KeyCode) -> Option<Act> {
        meaning(app, KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn no_key_has_two_meanings_on_one_page() {
        for app in sample::all_apps() {
            let bindings: Vec<_> = BINDINGS.iter().filter(|b| b.on.holds(&app)).collect();
            for (n, a) in bindings.iter().enumerate() {
                for b in &bindings[n + 1..] {
                    let shared = a.codes.iter().any(|code| b.codes.contains(code));
                    // While the banner is up its keys come first, and it says so.
                    let banner = matches!(a.act, Act::Share(_));
                    assert!(a.ctrl != b.ctrl || !shared || banner, "{} and {}", a.long, b.long);
                }
            }
        }
    }

    /// To press `x` for "skip" and stop sharing would be a bad surprise.
    #[test]
    fn what_the_banner_takes_is_not_offered_for_anything_else() {
        let mut app = sample::session();
        sample::press(&mut app, "5");
        assert!(app.banner().is_some() && app.page == Page::Files);
        let offered = |app: &App, key| {
            let mut all = current(app).filter(|binding| binding.codes[0] == Char(key));
            (all.next().map(|binding| binding.act), all.next().is_none())
        };
        assert_eq!(offered(&app, 'x'), (Some(Act::Share(ShareChoice::Stop)), true));
        assert_eq!(press(&app, Char('x')), Some(Act::Share(ShareChoice::Stop)));
        let mut app = sample::app();
        sample::press(&mut app, "4");
        assert!(app.banner().is_none() && app.page == Page::Files);
        assert_eq!(offered(&app, 'x'), (Some(Act::Want(Priority::Skip)), true));
    }

    #[test]
    fn ctrl_and_the_release_of_a_key_count() {
        let app = sample::app();
        let c = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
        assert_eq!(meaning(&app, c), Some(Act::Quit));
        assert_eq!(press(&app, Char('c')), None);
        let mut q = KeyEvent::new(Char('q'), KeyModifiers::NONE);
        assert_eq!(meaning(&app, q), Some(Act::Quit));
        q.kind = KeyEventKind::Release;
        assert_eq!(meaning(&app, q), None);
    }

    #[test]
    fn a_number_shows_the_page_that_bears_it() {
        let app = sample::app();
        assert_eq!(press(&app, Char('1')), Some(Act::Show(Page::Overview)));
        assert_eq!(press(&app, Char('6')), Some(Act::Show(Page::Log)));
        assert_eq!(press(&app, Char('9')), None);
        let app = App::new(Kind::Session);
        assert_eq!(press(&app, Char('1')), Some(Act::Show(Page::Transfers)));
    }

    #[test]
    fn a_question_takes_the_keys() {
        let mut app = sample::app();
        let confirm = super::super::app::Confirm { question: Vec::new(), then: Vec::new() };
        app.modal = Some(Modal::Confirm(confirm));
        assert_eq!(press(&app, Char('y')), Some(Act::Yes));
        assert_eq!(press(&app, Enter), Some(Act::No));
        assert_eq!(press(&app, Char('p')), None);
    }
}
