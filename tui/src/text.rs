//! Strings that came from somebody else, made safe to print.

/// The text with everything that could steer a terminal or mislead a reader spelled out: control
/// characters, line ends, and the characters that reorder or hide text.
pub fn inert(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_deceptive(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Characters that are not seen themselves but change how others are seen: zero-width and joiners,
/// direction marks, line and paragraph separators, tags (Unicode TR 36 and 39).
const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// The text in single quotes as a POSIX shell takes it, for a command line to pass on.
pub fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `1 file`, `2 files`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_spelled_out() {
        assert_eq!(inert("plain — naïve 日本"), "plain — naïve 日本");
        assert_eq!(inert("a\x1b[2Jb\r\n"), r"a\u{1b}[2Jb\u{d}\u{a}");
        assert_eq!(inert("exe.\u{202E}gpj"), r"exe.\u{202e}gpj");
        assert_eq!(inert("zero\u{200B}width"), r"zero\u{200b}width");
    }

    #[test]
    fn a_quoted_text_is_one_word_of_a_shell() {
        assert_eq!(shell_quoted("swarm:?id=a&dn=b"), "'swarm:?id=a&dn=b'");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
    }
}
