//! TLS 1.3 records (RFC 8446, section 5): sealing and opening what goes over the wire once the
//! handshake is done.
//!
//! rustls does the handshake and derives the keys, also the later ones. Its own record layer moves
//! every byte through two or three buffers, a tenth of the CPU time of a fast transfer. Here a
//! payload is sealed from where it lies into what is sent, and opened from what was received into
//! where it will lie. The ciphers are those that rustls itself would use.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets};

/// Kind, version and length.
const HEADER: usize = 5;
const TAG: usize = 16;
/// Longest content of a record.
pub(crate) const CONTENT_MAX: usize = 1 << 14;
/// What a record is longer than its content, if it is not padded: the head, the inner kind, the tag.
pub(crate) const OVERHEAD: usize = HEADER + 1 + TAG;
/// Longest record. Padding is part of what is limited (RFC 8446, section 5.4), and the tags of our
/// ciphers are all that the ciphertext is longer by.
pub(crate) const RECORD_MAX: usize = CONTENT_MAX + OVERHEAD;
/// Room for what [`Session::seal_due`] may have to say.
pub(crate) const DUE_MAX: usize = 2 * OVERHEAD + 5 + 2;
/// Records in a row that may come without carrying any data; rustls's own limit. A peer that sends
/// nothing else costs us work and gets nowhere.
const FRUITLESS_MAX: u32 = 32;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// Handshake messages that come after the handshake.
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// Alerts that end nothing, or end everything in good order.
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

/// The other side's fault, but for [`RecordError::Keys`]. The session is over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("a TLS record is longer than the standard allows")]
    Overflow,
    #[error("a TLS record was forged or damaged")]
    BadTag,
    #[error("a TLS record came that has no place here")]
    Unexpected,
    #[error("the other side reports TLS alert {0}")]
    Alerted(u8),
    #[error("no new TLS keys: {0}")]
    Keys(String),
}

impl RecordError {
    /// What the other side is told; it needs no telling of its own alert.
    const fn alert(&self) -> Option<u8> {
        match self {
            Self::Overflow => Some(22),
            Self::BadTag => Some(20),
            Self::Unexpected => Some(10),
            Self::Keys(_) => Some(80),
            Self::Alerted(_) => None,
        }
    }
}

/// What was in a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// So many bytes of data, at least one.
    Data(usize),
    /// Nothing for the application.
    Control,
    /// The other side sends no more.
    End,
}

/// Where keys come from when the ones in use have sealed enough.
pub(crate) trait NextKeys: Send {
    /// The next key for what we send, and the number of its first record.
    fn next_tx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error>;
    /// The next key for what we receive, and the number of its first record.
    fn next_rx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error>;
}

/// The keys of a session and what is due to be said on its own behalf.
pub(crate) struct Session {
    keys: Box<dyn NextKeys>,
    tx: Direction,
    rx: Direction,
    /// Records that one key may seal (RFC 8446, section 5.5).
    limit: u64,
    /// Records without data since the last one that had some.
    fruitless: u32,
    /// A new key of ours is to be announced.
    key_update_due: bool,
    alert_due: Option<[u8; 2]>,
}

/// One direction's key.
struct Direction {
    key: LessSafeKey,
    iv: [u8; 12],
    /// Number of the next record.
    record: u64,
}

impl Direction {
    fn new((record, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, RecordError> {
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(RecordError::Keys("a cipher that was not offered".into())),
        };
        let of_another_length = |_| RecordError::Keys("a key of another length".into());
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| of_another_length(()))?;
        let iv = iv.as_ref().try_into().map_err(|_| of_another_length(()))?;
        Ok(Self { key: LessSafeKey::new(key), iv, record })
    }

    /// Each record has its own (RFC 8446, section 5.3).
    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.record.to_be_bytes()) {
            *byte ^= number;
        }
        self.record += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals content of this kind into the front of `out`; returns the length of the record.
    fn seal(&mut self, kind: u8, content: &[u8], out: &mut [u8]) -> usize {
        let sealed = content.len() + 1 + TAG;
        let head = [DATA, 3, 3, (sealed >> 8) as u8, sealed as u8];
        let (out_head, out) = out.split_at_mut(HEADER);
        let (out, out_tail) = out.split_at_mut(content.len());
        out_head.copy_from_slice(&head);
        let nonce = self.nonce();
        self.key
            .seal_out_of_place_scatter(
                nonce,
                Aad::from(head),
                content,
                out,
                &[kind],
                &mut out_tail[..1 + TAG],
            )
            .expect("the lengths fit and a record is far shorter than a cipher's limit");
        HEADER + sealed
    }
}

impl Session {
    /// What goes on after a handshake.
    pub(crate) fn new(
        secrets: ExtractedSecrets,
        keys: Box<dyn NextKeys>,
        limit: u64,
    ) -> Result<Self, RecordError> {
        Ok(Self {
            keys,
            tx: Direction::new(secrets.tx)?,
            rx: Direction::new(secrets.rx)?,
            // Half of it: the limit is looked at now and then, and not for each record.
            limit: limit / 2,
            fruitless: 0,
            key_update_due: false,
            alert_due: None,
        })
    }

    /// Says that we send no more.
    pub(crate) const fn close(&mut self) {
        self.alert_due = Some([1, CLOSE_NOTIFY]);
    }

    /// Says what is wrong with the other side.
    pub(crate) fn fail(&mut self, error: &RecordError) {
        self.alert_due = error.alert().map(|alert| [2, alert]);
    }

    /// Whether [`Session::seal_due`] has something to say.
    pub(crate) const fn is_due(&self) -> bool {
        self.key_update_due || self.alert_due.is_some() || self.tx.record >= self.limit
    }

    /// Seals what the session has to say for itself into the front of `out`, which has room for
    /// [`DUE_MAX`] bytes. Returns the length. Called before each batch of data.
    pub(crate) fn seal_due(&mut self, out: &mut [u8]) -> Result<usize, RecordError> {
        let mut len = 0;
        if self.key_update_due || self.tx.record >= self.limit {
            self.key_update_due = false;
            // The last record under the old key; it asks for nothing in return.
            len += self.tx.seal(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], out);
            self.tx = Direction::new(self.keys.next_tx().map_err(no_keys)?)?;
        }
        if let Some(alert) = self.alert_due.take() {
            len += self.tx.seal(ALERT, &alert, &mut out[len..]);
        }
        Ok(len)
    }

    /// Seals data, at most [`CONTENT_MAX`] bytes, into the front of `out`, which has room for
    /// [`OVERHEAD`] bytes more. Returns the length of the record.
    pub(crate) fn seal(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        debug_assert!(data.len() <= CONTENT_MAX, "a record would be too long");
        self.tx.seal(DATA, data, out)
    }

    /// The length of the record that `received` begins with, once its head is there.
    pub(crate) fn record_len(received: &[u8]) -> Result<Option<usize>, RecordError> {
        let Some([kind, _, _, high, low]) = received.first_chunk() else { return Ok(None) };
        let sealed = usize::from(u16::from_be_bytes([*high, *low]));
        // After the handshake everything is sealed, and what is sealed calls itself data.
        if *kind != DATA || sealed < 1 + TAG {
            return Err(RecordError::Unexpected);
        }
        let len = HEADER + sealed;
        if len > RECORD_MAX { Err(RecordError::Overflow) } else { Ok(Some(len)) }
    }

    /// The room that [`Session::open_into`] needs for a record of this length: its content and
    /// the kind and padding behind it.
    pub(crate) const fn inner_len(record_len: usize) -> usize {
        record_len - HEADER - TAG
    }

    /// Opens a whole record into `out`, of [`Session::inner_len`] bytes. The content begins at its
    /// front; what is behind that means nothing.
    pub(crate) fn open_into(
        &mut self,
        record: &[u8],
        out: &mut [u8],
    ) -> Result<Opened, RecordError> {
        let (head, sealed) = record.split_at(HEADER);
        let (sealed, tag) = sealed.split_at(sealed.len() - TAG);
        let nonce = self.rx.nonce();
        self.rx
            .key
            .open_separate_gather(nonce, Aad::from(head), sealed, tag, out)
            .map_err(|_| RecordError::BadTag)?;
        self.take(out)
    }

    /// Opens a whole record where it lies. Its content begins at [`Session::CONTENT_AT`].
    pub(crate) fn open_in_place(&mut self, record: &mut [u8]) -> Result<Opened, RecordError> {
        let (head, sealed) = record.split_at_mut(HEADER);
        let nonce = self.rx.nonce();
        let inner = self
            .rx
            .key
            .open_in_place(nonce, Aad::from(&*head), sealed)
            .map_err(|_| RecordError::BadTag)?;
        self.take(inner)
    }

    /// Where the content of a record that was opened in place begins.
    pub(crate) const CONTENT_AT: usize = HEADER;

    /// Takes in what was sealed: content, its kind, and zeros (RFC 8446, section 5.4).
    fn take(&mut self, inner: &[u8]) -> Result<Opened, RecordError> {
        let end = inner.iter().rposition(|&byte| byte != 0).ok_or(RecordError::Unexpected)?;
        let (content, kind) = (&inner[..end], inner[end]);
        if kind == DATA && !content.is_empty() {
            self.fruitless = 0;
            return Ok(Opened::Data(content.len()));
        }
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_MAX {
            return Err(RecordError::Unexpected);
        }
        match (kind, content) {
            (DATA, []) | (ALERT, [_, USER_CANCELED]) => Ok(Opened::Control),
            (ALERT, [_, CLOSE_NOTIFY]) => Ok(Opened::End),
            (ALERT, &[_, alert]) => Err(RecordError::Alerted(alert)),
            // Nothing may follow it in its record: that would be under the old key.
            (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, asks @ (0 | 1)]) => {
                self.rx = Direction::new(self.keys.next_rx().map_err(no_keys)?)?;
                self.key_update_due |= asks == 1;
                Ok(Opened::Control)
            }
            // We resume no session, so a ticket is of no use.
            (HANDSHAKE, [NEW_SESSION_TICKET, ..]) => Ok(Opened::Control),
            _ => Err(RecordError::Unexpected),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn no_keys(error: rustls::Error) -> RecordError {
    RecordError::Keys(error.to_string())
}

impl fmt::Debug for Session {
    /// No keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("sent", &self.tx.record)
            .field("received", &self.rx.record)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
