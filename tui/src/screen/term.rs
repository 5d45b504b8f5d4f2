//! The terminal: taken for the screen, and given back however the program ends.

use std::{
    io::{self, Stderr, Write},
    panic,
    sync::{Condvar, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use ratatui::{
    Terminal,
    crossterm::{
        cursor,
        event::{
            DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
        },
        execute, queue,
        terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
    },
};

use super::frames::Frames;

/// Stderr, because stdout is for results.
pub type Screen = Terminal<Frames<Stderr>>;

/// How long whoever ends the process waits for another thread that gives the terminal back: far longer
/// than one write takes, and not for ever, as a terminal that is held up takes none.
const GIVING_MAX: Duration = Duration::from_secs(1);

/// Whose the terminal is. Of the process, as the terminal is.
static OWNER: Mutex<Owner> = Mutex::new(Owner::User);
static CHANGED: Condvar = Condvar::new();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    User,
    Us,
    /// The user's in a moment: a thread is giving it back.
    Between,
}

fn owner() -> MutexGuard<'static, Owner> {
    OWNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal: no echo, no line discipline, the alternate screen.
///
/// # Errors
/// If the terminal does not do that. Then it is as before.
pub fn take() -> io::Result<Screen> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Else the message is drawn over, and the shell left without echo.
            give_back();
            report(info);
        }));
    });
    *owner() = Owner::Us;
    let taken = terminal::enable_raw_mode()
        .and_then(|()| {
            // Cleared here, since ratatui would first ask where the cursor is, on stdout, which need
            // not be a terminal.
            let all = Clear(ClearType::All);
            execute!(io::stderr(), EnterAlternateScreen, all, EnableBracketedPaste, cursor::Hide)
        })
        .and_then(|()| Terminal::new(Frames::new(io::stderr())));
    taken.inspect_err(|_| give_back())
}

/// Gives the terminal back if it is ours. If another thread does it, waits until that has been done:
/// the process may be about to end.
pub fn give_back() {
    let mut now = owner();
    if *now == Owner::Us {
        *now = Owner::Between;
        drop(now);
        restore();
        *owner() = Owner::User;
        CHANGED.notify_all();
    } else {
        let _ = CHANGED.wait_timeout_while(now, GIVING_MAX, |owner| *owner == Owner::Between);
    }
}

/// Undoes all that [`take`] and [`mouse`] do. A terminal that is gone needs nothing.
fn restore() {
    let mut all = Vec::new();
    let _ =
        queue!(all, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = io::stderr().write_all(&all);
    let _ = terminal::disable_raw_mode();
}

/// Lets the terminal send what the mouse does, or not; then selecting text works as everywhere.
///
/// # Errors
/// If the terminal is gone.
pub fn mouse(on: bool) -> io::Result<()> {
    if on {
        execute!(io::stderr(), EnableMouseCapture)
    } else {
        execute!(io::stderr(), DisableMouseCapture)
    }
}

/// Whether the terminal is still ours: another thread's panic gives it back.
pub fn is_taken() -> bool {
    *owner() == Owner::Us
}

/// Columns and rows of the terminal, if it tells them.
pub fn size() -> Option<(u16, u16)> {
    terminal::size().ok()
}

/// Puts a text on the clipboard of the user's own machine, through the terminal (OSC 52). Terminals
/// that do not know it, or do not allow it, ignore it.
///
/// # Errors
/// If the terminal is gone.
pub fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stderr().lock();
    write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
    out.flush()
}

/// RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= group.len() { letter.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
