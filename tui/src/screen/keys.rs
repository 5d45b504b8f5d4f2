//! The keys: one table makes the bindings, the footer and the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{Key, Page};

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    /// The keys that do it.
    codes: &'static [KeyCode],
    /// With Ctrl held.
    ctrl: bool,
    /// What it does.
    key: Key,
    /// How the keys are written.
    pub label: &'static str,
    /// For the footer, where it has a place.
    pub short: Option<&'static str>,
    /// For the help.
    pub long: &'static str,
}

const fn bind(
    codes: &'static [KeyCode],
    key: Key,
    label: &'static str,
    short: Option<&'static str>,
    long: &'static str,
) -> Binding {
    Binding { codes, ctrl: false, key, label, short, long }
}

use KeyCode::Char;

/// All bindings, in the order of the footer and the help.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    bind(&[Char('q')], Key::Quit, "q", Some("quit"), "stop; a download goes on when the command is run again"),
    Binding { ctrl: true, ..bind(&[Char('c')], Key::Quit, "Ctrl-C", None, "the same; a second time ends it at once") },
    bind(&[Char('p'), Char(' ')], Key::Pause, "p", Some("pause"), "pause, or go on"),
    bind(&[Char('f')], Key::Freeze, "f", Some("freeze"), "hold the screen still; the transfer goes on"),
    bind(&[Char('y')], Key::Copy, "y", Some("copy link"), "copy the link, if the terminal allows it (OSC 52)"),
    bind(&[KeyCode::Tab], Key::Next, "Tab", Some("next view"), "the next view"),
    bind(&[Char('1')], Key::Show(Page::Overview), "1", None, "some of everything"),
    bind(&[Char('2')], Key::Show(Page::Peers), "2", None, "all peers"),
    bind(&[Char('3')], Key::Show(Page::Log), "3", None, "the log"),
    bind(&[KeyCode::Up, Char('k')], Key::Up, "Up k", None, "a row up"),
    bind(&[KeyCode::Down, Char('j')], Key::Down, "Down j", None, "a row down"),
    bind(&[KeyCode::PageUp], Key::PageUp, "PgUp", None, "ten rows up"),
    bind(&[KeyCode::PageDown], Key::PageDown, "PgDn", None, "ten rows down"),
    Binding { ctrl: true, ..bind(&[Char('z')], Key::Suspend, "Ctrl-Z", None, "suspend; fg brings it back") },
    bind(&[KeyCode::Esc], Key::Back, "Esc", None, "close this help"),
    bind(&[Char('?'), Char('h')], Key::Help, "?", Some("help"), "this help"),
];

/// What a key means, if anything.
pub fn meaning(event: KeyEvent) -> Option<Key> {
    // Some terminals report the release as well.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let found = BINDINGS.iter().find(|b| b.ctrl == ctrl && b.codes.contains(&event.code));
    found.map(|binding| binding.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        for (n, a) in BINDINGS.iter().enumerate() {
            for b in &BINDINGS[n + 1..] {
                let shared = a.codes.iter().any(|code| b.codes.contains(code));
                assert!(a.ctrl != b.ctrl || !shared, "{} and {}", a.label, b.label);
            }
        }
    }

    #[test]
    fn ctrl_and_the_release_of_a_key_count() {
        let c = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
        assert_eq!(meaning(c), Some(Key::Quit));
        assert_eq!(meaning(KeyEvent::new(Char('c'), KeyModifiers::NONE)), None);
        let mut q = KeyEvent::new(Char('q'), KeyModifiers::NONE);
        assert_eq!(meaning(q), Some(Key::Quit));
        q.kind = KeyEventKind::Release;
        assert_eq!(meaning(q), None);
    }
}
