//! What waits to be sent: bytes, and parts of files that the kernel takes from where they are.

use std::{collections::VecDeque, fs::File, sync::Arc};

use bytes::Bytes;

/// A part of a file.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) file: Arc<File>,
    /// Bytes before it.
    pub(crate) offset: u64,
    /// Bytes of it; not 0.
    pub(crate) len: usize,
}

/// Frames on their way out, payloads uncopied.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// What goes next.
    bytes: VecDeque<Bytes>,
    /// What goes after it, in order: a part of a file, and the bytes behind that.
    behind: VecDeque<(Span, VecDeque<Bytes>)>,
}

impl Queue {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let last = self.behind.back_mut().map_or(&mut self.bytes, |(_, behind)| behind);
        last.push_back(bytes);
    }

    pub(crate) fn push_file(&mut self, span: Span) {
        self.behind.push_back((span, VecDeque::new()));
    }

    /// The bytes that go next, as far as the next part of a file.
    pub(crate) const fn bytes(&mut self) -> &mut VecDeque<Bytes> {
        &mut self.bytes
    }

    /// Whether a part of a file goes next.
    pub(crate) fn next_is_file(&self) -> bool {
        self.bytes.is_empty() && !self.behind.is_empty()
    }

    /// The part of a file that goes next, or right after the bytes.
    pub(crate) fn file(&mut self) -> Option<&mut Span> {
        self.behind.front_mut().map(|(span, _)| span)
    }

    /// So many bytes of the part of a file have left, which was next.
    pub(crate) fn file_sent(&mut self, n: usize) {
        debug_assert!(self.bytes.is_empty(), "bytes before it go first");
        let Some((span, _)) = self.behind.front_mut() else { return };
        span.offset += n as u64;
        span.len -= n;
        if span.len == 0 {
            self.bytes = self.behind.pop_front().map(|(_, behind)| behind).unwrap_or_default();
        }
    }

    /// The part of a file that is next goes as these bytes instead.
    pub(crate) fn replace_file(&mut self, bytes: Bytes) {
        let Some((_, behind)) = self.behind.pop_front() else { return };
        self.bytes.push_back(bytes);
        self.bytes.extend(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(queue: &mut Queue) -> Vec<Bytes> {
        queue.bytes().drain(..).collect()
    }

    #[test]
    fn bytes_and_files_keep_their_order() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let span = |offset, len| Span { file: Arc::clone(&file), offset, len };
        let mut queue = Queue::default();
        queue.push(Bytes::from_static(b"a"));
        queue.push_file(span(10, 5));
        queue.push_file(span(20, 2));
        queue.push(Bytes::from_static(b"b"));
        queue.push(Bytes::from_static(b"c"));

        assert_eq!(next(&mut queue), ["a"]);
        queue.file_sent(3);
        let Some(Span { offset: 13, len: 2, .. }) = queue.file() else { panic!() };
        queue.file_sent(2);
        assert!(next(&mut queue).is_empty());
        let Some(Span { offset: 20, len: 2, .. }) = queue.file() else { panic!() };
        queue.replace_file(Bytes::from_static(b"file"));
        assert_eq!(next(&mut queue), ["file", "b", "c"]);
        assert!(queue.file().is_none());
    }
}
