//! Decisions made of bytes.

use std::time::Duration;

/// Turns the bytes of a fuzz target's input into decisions, one after another. Once they are used
/// up it says 0 to everything.
#[derive(Debug)]
pub(super) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// Of these bytes.
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether they are used up.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next of them.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// True in one of `n` cases, if bytes come by chance.
    pub(super) fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == 1
    }

    /// Any number, made of the next four.
    pub(super) fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Mostly less than `n`, and sometimes anything.
    pub(super) fn around(&mut self, n: u32) -> u32 {
        match self.byte() {
            255 => self.number(),
            254 => n,
            byte => u32::from(byte) % n.max(1),
        }
    }

    /// Less than `n`; 0 if that is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// Up to 255 bytes.
    pub(super) fn some(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (some, rest) = self.0.split_at(len);
        self.0 = rest;
        some
    }

    /// From a microsecond to about nine minutes, each scale as likely as the others.
    pub(super) fn duration(&mut self) -> Duration {
        Duration::from_micros(1 << (self.byte() % 30))
    }
}
