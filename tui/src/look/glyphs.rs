//! Which characters the terminal can show. Everything is drawn with the same few block, box and
//! arrow characters of old terminals, none of a patched font; where not even those can be relied on
//! the whole screen is turned into ASCII at the end, so that no widget has to know.

use clap::ValueEnum;
use ratatui::buffer::Buffer;
use serde::{Deserialize, Serialize};

/// Characters to draw with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Glyphs {
    /// Two pieces or more side by side in a cell of the map, told apart by colour
    Half,
    /// Whole blocks, each state with its own
    Block,
    /// Letters and signs only
    Ascii,
}

impl Glyphs {
    /// What the locale promises: the first of these variables that is set decides (POSIX). Where none
    /// is, as in most containers, the terminal outside is a modern one.
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| variable(name))
            .find(|value| !value.is_empty());
        let plain = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            !(locale.contains("utf-8") || locale.contains("utf8"))
        });
        if plain { Self::Ascii } else { Self::Block }
    }
}

/// Replaces every character that is not ASCII.
pub fn flatten(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if !symbol.is_ascii() {
            let plain = symbol.chars().next().map_or(' ', plain);
            cell.set_char(plain);
        }
    }
}

/// What stands for a character.
const fn plain(c: char) -> char {
    match c {
        '─' | '━' | '┄' | '┬' | '┴' | '–' | '—' | '−' => '-',
        '│' | '├' | '┤' | '┊' | '▏' | '‖' => '|',
        '┌' | '┐' | '└' | '┘' | '┼' => '+',
        '█' | '▇' | '▆' | '■' => '#',
        '▓' | '▅' | '▄' | '▌' | '▐' => '+',
        '▒' | '▃' => '~',
        '░' | '·' | '▁' | '▂' | '…' => '.',
        '↓' | '▾' | '▼' => 'v',
        '↑' | '▴' | '▲' => '^',
        '→' | '▸' => '>',
        '←' | '◂' => '<',
        '✓' | '●' | '•' => '*',
        '×' => 'x',
        'µ' => 'u',
        // Braille, of the chart.
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28FF}' => '*',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Glyphs {
        Glyphs::of_locale(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_locale_that_is_not_utf_8_gets_ascii() {
        assert_eq!(of(&[("LANG", "en_US.UTF-8")]), Glyphs::Block);
        assert_eq!(of(&[("LANG", "C.utf8")]), Glyphs::Block);
        assert_eq!(of(&[("LANG", "C")]), Glyphs::Ascii);
        assert_eq!(of(&[("LANG", "de_DE.ISO-8859-1")]), Glyphs::Ascii);
        assert_eq!(of(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Glyphs::Ascii);
        assert_eq!(
            of(&[("LC_ALL", ""), ("LC_CTYPE", "de_DE.UTF-8"), ("LANG", "C")]),
            Glyphs::Block
        );
        assert_eq!(of(&[]), Glyphs::Block);
    }

    #[test]
    fn nothing_but_ascii_is_left() {
        let text = "┌█▓▒·!│↓ ↑ ✓ ⣀ 日本 né";
        let mut buffer = Buffer::empty(Rect::new(0, 0, 30, 1));
        buffer.set_string(0, 0, text, ratatui::style::Style::new());
        flatten(&mut buffer);
        let flat: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(flat.trim_end(), "+#+~.!|v ^ * * ? ?  n?");
    }
}
