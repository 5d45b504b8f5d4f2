//! What the bytes mean that a terminal sends: keys, pasted text, the wheel of the mouse. Pure.
//!
//! The sequences are those of ECMA-48 and xterm, with what other terminals send for the same keys. Held
//! keys other than Ctrl do not matter here, and whatever is not known is passed over.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::screen::app::Action;

/// How long after ESC the rest of a sequence may take, over a network too; then it was the Esc key.
const REST: Duration = Duration::from_millis(50);
/// How long a paste may stop in its middle; then what marks its end was lost.
const PASTE_REST: Duration = Duration::from_secs(1);
/// Bytes of a sequence: all that are known are shorter.
const SEQUENCE_MAX: usize = 64;
/// Bytes kept of a paste: more than a line takes.
const PASTE_MAX: usize = 64 << 10;
/// Rows that a notch of the wheel scrolls.
const NOTCH: isize = 3;

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Takes apart what is read, however it is cut.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What does not mean anything yet.
    held: Vec<u8>,
    /// What was pasted, until its end comes.
    paste: Option<Vec<u8>>,
}

/// What stands at the start of some bytes.
enum Item {
    /// So many bytes are that, or nothing that is known.
    Is(usize, Option<Action>),
    /// They are pasted text from here.
    Paste(usize),
    /// More has to come.
    Part,
}

impl Decoder {
    /// Takes in what was read, and hands out what it means.
    pub fn feed(&mut self, bytes: &[u8], mut act: impl FnMut(Action)) {
        self.held.extend_from_slice(bytes);
        loop {
            if self.paste.is_some() {
                match self.pasted() {
                    Some(text) => act(Action::Paste(text)),
                    None => return,
                }
            }
            match item(&self.held) {
                Item::Is(length, action) => {
                    self.held.drain(..length);
                    action.map(&mut act);
                }
                Item::Paste(length) => {
                    self.held.drain(..length);
                    self.paste = Some(Vec::new());
                }
                Item::Part => return,
            }
        }
    }

    /// How long to wait for more before [`Self::give_up`], if something is not finished.
    pub const fn patience(&self) -> Option<Duration> {
        match (&self.paste, self.held.as_slice()) {
            (Some(_), _) => Some(PASTE_REST),
            (None, []) => None,
            (None, _) => Some(REST),
        }
    }

    /// Nothing followed: it is what it is.
    pub fn give_up(&mut self, mut act: impl FnMut(Action)) {
        let held = std::mem::take(&mut self.held);
        if let Some(mut paste) = self.paste.take() {
            paste.extend(held);
            act(Action::Paste(text(&paste)));
        } else if held.first() == Some(&ESC) {
            act(key(KeyCode::Esc));
            // The same two bytes are ESC and the key.
            if held.len() > 1 {
                self.feed(&held[1..], act);
            }
        }
    }

    /// The pasted text, once its end has come.
    fn pasted(&mut self) -> Option<String> {
        let paste = self.paste.as_mut()?;
        let end = self.held.windows(PASTE_END.len()).position(|bytes| bytes == PASTE_END);
        // The end may be cut in two.
        let sure = end.unwrap_or_else(|| self.held.len().saturating_sub(PASTE_END.len() - 1));
        let room = PASTE_MAX.saturating_sub(paste.len());
        paste.extend(self.held.drain(..sure).take(room));
        end?;
        self.held.drain(..PASTE_END.len());
        self.paste.take().map(|paste| text(&paste))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const fn key(code: KeyCode) -> Action {
    Action::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// What the bytes begin with.
fn item(bytes: &[u8]) -> Item {
    let one = |code| Item::Is(1, Some(key(code)));
    match bytes {
        [] | [ESC] => Item::Part,
        [ESC, b'[', rest @ ..] => sequence(rest),
        [ESC, b'O'] => Item::Part,
        // What some keys are while the terminal is in its application mode.
        [ESC, b'O', last, ..] => Item::Is(3, named(*last)),
        // No key here is held with Alt, so what follows is the next key, typed in haste.
        [ESC, ..] => one(KeyCode::Esc),
        [b'\r' | b'\n', ..] => one(KeyCode::Enter),
        [b'\t', ..] => one(KeyCode::Tab),
        [0x08 | 0x7f, ..] => one(KeyCode::Backspace),
        [letter @ 1..=26, ..] => {
            let code = KeyCode::Char((letter - 1 + b'a').into());
            Item::Is(1, Some(Action::Key(KeyEvent::new(code, KeyModifiers::CONTROL))))
        }
        [0..=31, ..] => Item::Is(1, None),
        [first, ..] => character(*first, bytes),
    }
}

/// A character in UTF-8.
fn character(first: u8, bytes: &[u8]) -> Item {
    let length = match first {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Item::Is(1, None),
    };
    let known = &bytes[..length.min(bytes.len())];
    match std::str::from_utf8(known) {
        Ok(text) => Item::Is(length, text.chars().next().map(|c| key(KeyCode::Char(c)))),
        // As far as it goes it is right.
        Err(error) if error.error_len().is_none() => Item::Part,
        Err(_) => Item::Is(1, None),
    }
}

/// A control sequence behind its ESC [.
fn sequence(rest: &[u8]) -> Item {
    const START: usize = 2;
    match rest {
        // The Linux console's function keys.
        [b'[', ..] => return if rest.len() < 2 { Item::Part } else { Item::Is(START + 2, None) },
        // The mouse, from terminals that know only the oldest way.
        [b'M', state, _, _, ..] => {
            return Item::Is(START + 4, wheel(u32::from(*state).wrapping_sub(32)));
        }
        [b'M', ..] => return Item::Part,
        _ => {}
    }
    let Some(end) = rest.iter().position(|byte| !(0x20..0x40).contains(byte)) else {
        let long = rest.len() > SEQUENCE_MAX;
        return if long { Item::Is(START + rest.len(), None) } else { Item::Part };
    };
    let (parameters, last) = (&rest[..end], rest[end]);
    if !(0x40..0x7f).contains(&last) {
        // It breaks off, and something else begins.
        return Item::Is(START + end, None);
    }
    let length = START + end + 1;
    let (mouse, numbers) = match parameters {
        [b'<', numbers @ ..] => (true, numbers),
        numbers => (false, numbers),
    };
    let first = numbers.split(|byte| *byte == b';').next().unwrap_or_default();
    let first: Option<u32> = std::str::from_utf8(first).ok().and_then(|text| text.parse().ok());
    let action = match (last, first) {
        (b'M' | b'm', Some(state)) if mouse => wheel(state),
        (b'M', Some(state)) => wheel(state.wrapping_sub(32)),
        (b'~', Some(200)) => return Item::Paste(length),
        (b'~', Some(1 | 7)) => Some(key(KeyCode::Home)),
        (b'~', Some(3)) => Some(key(KeyCode::Delete)),
        (b'~', Some(4 | 8)) => Some(key(KeyCode::End)),
        (b'~', Some(5)) => Some(key(KeyCode::PageUp)),
        (b'~', Some(6)) => Some(key(KeyCode::PageDown)),
        (last, _) => named(last),
    };
    Item::Is(length, action)
}

/// Keys whose sequences end with a letter of their own.
fn named(last: u8) -> Option<Action> {
    Some(key(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'Z' => KeyCode::BackTab,
        _ => return None,
    }))
}

/// The wheel, of all that the mouse may do. Bits 2 to 4 are held keys.
const fn wheel(state: u32) -> Option<Action> {
    match state & !0b1_1100 {
        64 => Some(Action::Wheel(-NOTCH)),
        65 => Some(Action::Wheel(NOTCH)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the bytes mean, in words, when they are read in these pieces.
    fn meaning(pieces: &[&[u8]]) -> Vec<String> {
        let (mut decoder, mut all) = (Decoder::default(), Vec::new());
        let word = |action| match action {
            Action::Key(event) if event.modifiers.is_empty() => event.code.to_string(),
            Action::Key(event) => format!("Ctrl-{}", event.code),
            Action::Paste(text) => format!("paste {text}"),
            Action::Wheel(rows) => format!("wheel {rows}"),
            action => format!("{action:?}"),
        };
        for piece in pieces {
            decoder.feed(piece, |action| all.push(word(action)));
        }
        while decoder.patience().is_some() {
            decoder.give_up(|action| all.push(word(action)));
        }
        all
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        for (bytes, expected) in [
            (&b"q"[..], "q"),
            ("é".as_bytes(), "é"),
            ("日".as_bytes(), "日"),
            (b"\r", "Enter"),
            (b"\n", "Enter"),
            (b"\t", "Tab"),
            (b"\x7f", "Backspace"),
            (b"\x08", "Backspace"),
            (b"\x03", "Ctrl-c"),
            (b"\x1a", "Ctrl-z"),
            (b"\x1b", "Esc"),
            (b"\x1b[A", "Up"),
            (b"\x1bOB", "Down"),
            (b"\x1b[1;5D", "Left"),
            (b"\x1b[H", "Home"),
            (b"\x1b[1~", "Home"),
            (b"\x1b[8~", "End"),
            (b"\x1bOF", "End"),
            (b"\x1b[3~", "Del"),
            (b"\x1b[5~", "Page Up"),
            (b"\x1b[6;2~", "Page Down"),
            (b"\x1b[Z", "Back Tab"),
            (b"\x1b[<64;10;5M", "wheel -3"),
            (b"\x1b[<69;10;5M", "wheel 3"),
            (b"\x1b[97;1;1M", "wheel 3"),
            (b"\x1b[M`!!", "wheel -3"),
            (b"\x1b[200~a\x1b[b\r\n\x1b[201~", "paste a\u{1b}[b\r\n"),
        ] {
            assert_eq!(meaning(&[bytes]), [expected], "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let unknown: [&[u8]; 9] = [
            b"\0",
            b"\x1f",
            b"\xff",
            b"\xe6\x97",
            b"\x1b[I",
            b"\x1b[[A",
            b"\x1bOP",
            b"\x1b[<0;10;5M",
            b"\x1b[15;2~",
        ];
        for bytes in unknown {
            assert_eq!(meaning(&[bytes, b"q"]), ["q"], "{bytes:?}");
        }
        // It breaks off.
        assert_eq!(meaning(&[b"\x1b[1;\x1b[A"]), ["Up"]);
        assert_eq!(meaning(&[b"\x1b[", &[b'1'; 100], b"q"]), ["q"]);
    }

    #[test]
    fn esc_is_a_key_if_nothing_follows_that_belongs_to_it() {
        assert_eq!(meaning(&[b"\x1bq"]), ["Esc", "q"]);
        assert_eq!(meaning(&[b"\x1b\x1b[A"]), ["Esc", "Up"]);
        assert_eq!(meaning(&[b"\x1b["]), ["Esc", "["]);
        assert_eq!(meaning(&[b"\x1b[1;"]), ["Esc", "[", "1", ";"]);
        assert_eq!(meaning(&[b"\x1b[200~no end"]), ["paste no end"]);
    }

    #[test]
    fn a_paste_takes_no_more_than_a_line() {
        let long = vec![b'x'; 1 << 20];
        let all = meaning(&[b"\x1b[200~", &long, &long, b"\x1b[201~q"]);
        assert_eq!((all[0].len(), all[1].as_str()), (PASTE_MAX + 6, "q"));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_cut(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    &b"q"[..], b"\x1b[A", b"\x1bOB", b"\x1b[<64;10;5M", b"\x1b[3~", b"\x03",
                    b"\x1b[200~two\nlines\x1b[201~", "日é".as_bytes(), b"\x1b[M`!!", b"\xff",
                ]),
                0..8,
            ),
            at in 0_usize..40,
        ) {
            let bytes = parts.concat();
            let (before, after) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(meaning(&[before, after]), meaning(&[&bytes]));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            meaning(&[&bytes]);
        }
    }
}
