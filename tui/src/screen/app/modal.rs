//! What lies over the pages and takes the keys: a line to type in, a question, the help, a QR code.

use super::action::Effect;

/// Bytes that a line takes: the longest link has a few thousand.
const LINE_MAX: usize = 16 << 10;

/// What lies over the page.
#[derive(Debug, Clone, PartialEq)]
pub enum Modal {
    /// All keys that mean something here, scrolled down so many rows.
    Help(usize),
    /// A line to type in.
    Prompt(Prompt),
    /// A question whose answer is No unless the user types y.
    Confirm(Confirm),
    /// A text as a QR code.
    Qr(String),
}

/// A line to type in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub kind: PromptKind,
    /// What was typed.
    pub line: EditLine,
    /// What is wrong with what was entered.
    pub error: Option<String>,
    /// Words that would complete it, when Tab was pressed and there are several.
    pub hints: Vec<String>,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// A command, as on the command line.
    Command,
    /// A link, a manifest or a path to add.
    Add,
    /// What the rows of the list must match.
    Filter,
    /// How much may be sent a second.
    LimitUp,
    /// How much may be received a second.
    LimitDown,
}

impl PromptKind {
    /// What stands before the line.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Command => ":",
            Self::Add => "add link or path: ",
            Self::Filter => "/",
            Self::LimitUp => "upload limit (such as 10M, or none): ",
            Self::LimitDown => "download limit (such as 10M, or none): ",
        }
    }
}

/// A question with a safe answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// What is asked, a line each; texts of others are safe to print.
    pub question: Vec<String>,
    /// What is done after a yes.
    pub then: Vec<Effect>,
}

/// A line of text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditLine {
    text: String,
    /// In bytes, at the start of a character.
    cursor: usize,
}

impl EditLine {
    /// A line with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor, and what behind.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }

    /// Inserts what was typed or pasted, as far as there is room. Line ends and other controls in
    /// it are left out: a pasted link may have been wrapped.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() > LINE_MAX {
                return;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }

    /// Deletes the character before the cursor.
    pub fn backspace(&mut self) {
        if let Some(c) = self.text[..self.cursor].chars().next_back() {
            self.cursor -= c.len_utf8();
            self.text.remove(self.cursor);
        }
    }

    /// Deletes the character at the cursor.
    pub fn delete(&mut self) {
        if self.cursor < self.text.len() {
            self.text.remove(self.cursor);
        }
    }

    /// Takes away the word before the cursor.
    pub fn delete_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    /// Takes away all before the cursor.
    pub fn delete_to_start(&mut self) {
        self.text.replace_range(..self.cursor, "");
        self.cursor = 0;
    }

    /// One character back.
    pub fn left(&mut self) {
        let before = self.text[..self.cursor].chars().next_back();
        self.cursor -= before.map_or(0, char::len_utf8);
    }

    /// One character on.
    pub fn right(&mut self) {
        let after = self.text[self.cursor..].chars().next();
        self.cursor += after.map_or(0, char::len_utf8);
    }

    /// To the start.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// Behind the last character.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_by_characters_whatever_their_length() {
        let mut line = EditLine::new("naïve");
        line.left();
        line.left();
        line.backspace();
        assert_eq!(line.parts(), ("na", "ve"));
        line.insert("日\n本\x1b");
        assert_eq!(line.text(), "na日本ve");
        line.delete();
        line.right();
        line.right();
        assert_eq!(line.parts(), ("na日本e", ""));
    }

    #[test]
    fn words_and_the_start_go_at_once() {
        let mut line = EditLine::new("limit up  10M");
        line.delete_word();
        assert_eq!(line.text(), "limit up  ");
        line.delete_word();
        assert_eq!(line.text(), "limit ");
        line.delete_to_start();
        line.delete_word();
        line.backspace();
        assert_eq!(line.text(), "");
    }

    #[test]
    fn a_line_takes_no_more_than_a_link_needs() {
        let mut line = EditLine::default();
        line.insert(&"x".repeat(1 << 20));
        assert_eq!(line.text().len(), LINE_MAX);
    }
}
