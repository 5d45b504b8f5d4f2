//! Bytes to messages and back: incremental, bounded, block payloads uncopied.
//!
//! A frame is a length (u32, little-endian, of what follows it), a kind (u8) and a body. Control
//! bodies are bincode 2 (`standard()`, limited, whole input consumed); the body of a block is raw.

use bytes::{Bytes, BytesMut};

use crate::{
    announce::{TrackerHello, TrackerReply, TrackerRequest},
    message::{Hello, Message},
};

/// Bytes from outside that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Placeholder.
    #[error("placeholder")]
    Placeholder,
}

/// Bytes of the length and kind before each body.
pub const HEADER_LEN: usize = 5;

/// Length and kind of a frame that is about to arrive, checked against the limit of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    kind: u8,
    body: u32,
}

impl Header {
    /// Bytes of body that follow.
    #[must_use]
    pub const fn body_len(self) -> usize {
        self.body as usize
    }
}

/// A family of messages that can be framed: each type that crosses the wire.
pub trait Frame: Sized {
    /// Checks a header before anything is allocated for its body.
    ///
    /// # Errors
    /// If the kind is unknown to this family or the body too long or short for it.
    fn header(bytes: [u8; HEADER_LEN]) -> Result<Header, CodecError>;

    /// Reads the body of a frame whose header was checked.
    ///
    /// # Errors
    /// If the bytes are no message of that kind.
    fn decode(header: Header, body: Bytes) -> Result<Self, CodecError>;

    /// Appends the frame to `head`, all but a payload that need not be copied, which is returned to
    /// be sent after it.
    fn encode(&self, head: &mut BytesMut) -> Option<Bytes>;

    /// Bytes of the whole frame.
    fn encoded_len(&self) -> usize;
}

macro_rules! placeholder {
    ($($t:ty),*) => {$(
        impl Frame for $t {
            fn header(_: [u8; HEADER_LEN]) -> Result<Header, CodecError> {
                todo!()
            }
            fn decode(_: Header, _: Bytes) -> Result<Self, CodecError> {
                todo!()
            }
            fn encode(&self, _: &mut BytesMut) -> Option<Bytes> {
                todo!()
            }
            fn encoded_len(&self) -> usize {
                todo!()
            }
        }
    )*};
}
placeholder!(Hello, Message, TrackerHello, TrackerRequest, TrackerReply);
