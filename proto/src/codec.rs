//! Bytes to messages and back: bounded, strict, block payloads uncopied.
//!
//! A frame is a length (u32, little-endian, of what follows it), a kind (u8) and a body. Control
//! bodies are bincode 2 (`standard()`, limited, whole input consumed); bodies that carry a payload
//! have a fixed little-endian head and then the raw bytes.
//!
//! A reader takes [`HEADER_LEN`] bytes, has [`Frame::header`] check them against the limits of
//! their kind, only then makes room for [`Header::body_len`] bytes, and hands these to
//! [`Frame::decode`]. Every message has exactly one encoding: bytes that decode are the bytes that
//! [`Frame::encode`] writes.
//!
//! This is the only module of the wire that touches bincode, so that another codec can replace it.

mod peer;
#[cfg(test)]
mod tests;
mod tracker;

pub use peer::{BLOCK_FRAME_HEAD, block_frame_head};

use std::ops::RangeInclusive;

use bincode::{
    Decode, Encode,
    enc::write::{SizeWriter, Writer},
    error::EncodeError,
};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the length and kind before each body.
pub const HEADER_LEN: usize = LENGTH_LEN + 1;
const LENGTH_LEN: usize = 4;

/// Bytes from outside that are no message. Always the other side's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A frame of length 0 has no kind.
    #[error("a frame without a kind")]
    Empty,
    /// No message of this family has this kind.
    #[error("no message here has kind {0:#04x}")]
    UnknownKind(u8),
    /// No message of this kind has a body of this length.
    #[error("a message of kind {kind:#04x} cannot have {len} bytes of body")]
    Length {
        /// The kind.
        kind: u8,
        /// Bytes of body, as announced.
        len: u32,
    },
    /// The body ends too soon, or holds a value that does not exist.
    #[error("a message of kind {kind:#04x} does not parse")]
    Malformed {
        /// The kind.
        kind: u8,
    },
    /// The body goes on after its last field, or a number is not in its shortest form.
    #[error("a message of kind {kind:#04x} is longer than its content")]
    Overlong {
        /// The kind.
        kind: u8,
    },
    /// A field is past its limit.
    #[error("a message of kind {kind:#04x} breaks a limit: {limit}")]
    Limit {
        /// The kind.
        kind: u8,
        /// Which limit.
        limit: &'static str,
    },
}

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

    /// Reads the body of a frame whose header was checked. A payload in the message is a slice of
    /// `body` and keeps it alive.
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

/// What a family of messages must know of itself to be framed.
trait Body: Sized {
    /// The lengths that a body of this kind may have; `None` if the family has no such kind.
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>>;

    /// The kind of this message.
    fn kind(&self) -> u8;

    /// Writes the body, all but its payload, which is returned.
    fn write(&self, to: &mut impl Writer) -> Result<Option<&Bytes>, EncodeError>;

    /// Reads a body whose length fits its kind; `None` if it does not parse. It may leave trailing
    /// bytes and break limits of [`Body::check`], but allocates no more than a fixed amount.
    fn read(kind: u8, body: Bytes) -> Option<Self>;

    /// Names the limit that the message breaks, if it breaks one.
    fn check(&self) -> Result<(), &'static str>;
}

impl<T: Body> Frame for T {
    fn header(bytes: [u8; HEADER_LEN]) -> Result<Header, CodecError> {
        let [length @ .., kind] = bytes;
        let body = u32::from_le_bytes(length).checked_sub(1).ok_or(CodecError::Empty)?;
        let lengths = Self::lengths(kind).ok_or(CodecError::UnknownKind(kind))?;
        if lengths.contains(&(body as usize)) {
            Ok(Header { kind, body })
        } else {
            Err(CodecError::Length { kind, len: body })
        }
    }

    fn decode(header: Header, body: Bytes) -> Result<Self, CodecError> {
        let Header { kind, body: len } = header;
        if body.len() != header.body_len() {
            return Err(CodecError::Length { kind, len });
        }
        let message = Self::read(kind, body).ok_or(CodecError::Malformed { kind })?;
        // A trailing byte or a number in more bytes than it needs makes the body longer than what
        // we would write for the same message.
        if message.encoded_len() != HEADER_LEN + header.body_len() {
            return Err(CodecError::Overlong { kind });
        }
        message.check().map_err(|limit| CodecError::Limit { kind, limit })?;
        Ok(message)
    }

    fn encode(&self, head: &mut BytesMut) -> Option<Bytes> {
        debug_assert_eq!(self.check(), Ok(()), "a message of ours keeps the limits");
        let start = head.len();
        head.put_u32_le(0);
        head.put_u8(self.kind());
        let payload = self.write(&mut Head(head)).expect(INFALLIBLE).cloned();
        let length = head.len() - start - LENGTH_LEN + payload.as_ref().map_or(0, Bytes::len);
        let length = u32::try_from(length).expect("every kind's longest body fits u32");
        head[start..start + LENGTH_LEN].copy_from_slice(&length.to_le_bytes());
        payload
    }

    fn encoded_len(&self) -> usize {
        let mut size = SizeWriter::default();
        let payload = self.write(&mut size).expect(INFALLIBLE).map_or(0, Bytes::len);
        HEADER_LEN + size.bytes_written + payload
    }
}

const INFALLIBLE: &str = "no type of ours refuses to be encoded, and the writers here take it all";

/// Lets bincode append to a buffer.
struct Head<'a>(&'a mut BytesMut);

impl Writer for Head<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes a value in bincode.
fn put(value: impl Encode, to: &mut impl Writer) -> Result<(), EncodeError> {
    bincode::encode_into_writer(value, to, bincode::config::standard())
}

/// Reads a value in bincode from the start of a body. `MEMORY` bounds what the value may take in
/// memory; without it a container's capacity would be what the other side says.
fn get<T: Decode<()>, const MEMORY: usize>(body: &[u8]) -> Option<T> {
    let config = bincode::config::standard().with_limit::<MEMORY>();
    bincode::decode_from_slice(body, config).ok().map(|(value, _)| value)
}

/// Cuts a little-endian u32 off the front of a raw body.
fn take_u32(body: &mut Bytes) -> Option<u32> {
    take(body).map(u32::from_le_bytes)
}

/// Cuts a fixed number of bytes off the front of a raw body.
fn take<const N: usize>(body: &mut Bytes) -> Option<[u8; N]> {
    let bytes = *body.first_chunk::<N>()?;
    bytes::Buf::advance(body, N);
    Some(bytes)
}

/// The one rule of every part of a manifest: it lies inside the whole, and is empty only at the end
/// of it. An empty part of an empty whole says "I do not have it".
fn check_part(total: u32, offset: u32, data: &[u8]) -> Result<(), &'static str> {
    let rest = total.checked_sub(offset).ok_or("a part starts inside its manifest")?;
    if data.len() > rest as usize {
        return Err("a part ends inside its manifest");
    }
    if data.is_empty() && rest != 0 {
        return Err("a part is empty only at the end of its manifest");
    }
    Ok(())
}

/// The rule for the names of programs: short, and safe to print.
fn check_client(client: &str) -> Result<(), &'static str> {
    let printable = client.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && client.len() <= crate::message::CLIENT_LEN_MAX {
        Ok(())
    } else {
        Err("a client name is at most 64 printable ASCII characters")
    }
}

/// `Err` with the name of the limit unless it is kept.
const fn ensure(kept: bool, limit: &'static str) -> Result<(), &'static str> {
    if kept { Ok(()) } else { Err(limit) }
}

/// The most bytes that a number takes in bincode.
mod varint {
    pub(super) const U16: usize = 3;
    pub(super) const U32: usize = 5;
    pub(super) const U64: usize = 9;
}

/// Bytes of a container's length in bincode when it has at most `count` items.
const fn count_len(count: usize) -> usize {
    match count {
        0..=250 => 1,
        251..=0xFFFF => varint::U16,
        _ => varint::U32,
    }
}
