//! What may change without changing the id: hints, notes, and who vouches for the share.

use bincode::{Decode, Encode, de::Decoder, error::DecodeError};
use ed25519_dalek::VerifyingKey;

use crate::{
    bin,
    id::{PeerId, SwarmId},
    link::{Endpoint, LinkError},
    path,
};

/// The most trackers in a manifest.
pub const TRACKERS_MAX: usize = 64;
/// The most webseeds in a manifest.
pub const WEBSEEDS_MAX: usize = 64;
/// The most bytes in a webseed's URL: what browsers and servers are known to take.
pub const WEBSEED_LEN_MAX: usize = 2048;
/// The most bytes in a comment: a screenful.
pub const COMMENT_LEN_MAX: usize = 4096;
/// The most tags in a manifest.
pub const TAGS_MAX: usize = 32;
/// The most bytes in a tag.
pub const TAG_LEN_MAX: usize = 64;

/// What may change without changing the id. Claims of whoever handed the manifest over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode)]
pub struct Extras {
    /// Trackers of the swarm, at most [`TRACKERS_MAX`].
    pub trackers: Vec<Endpoint>,
    /// URLs that serve the same bytes over HTTP, at most [`WEBSEEDS_MAX`].
    pub webseeds: Vec<String>,
    /// A note by whoever made it, at most [`COMMENT_LEN_MAX`] bytes; may have line breaks.
    pub comment: String,
    /// When it was made, seconds since 1970.
    pub created: u64,
    /// Words to find it by, at most [`TAGS_MAX`].
    pub tags: Vec<String>,
    /// Who vouches for it.
    pub signature: Option<Signature>,
}

/// A publisher's Ed25519 signature over [`Signature::message`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signature {
    /// The publisher's key.
    pub publisher: PeerId,
    /// A later manifest of the same publisher has a higher number.
    pub sequence: u64,
    /// The 64 bytes.
    pub bytes: [u8; 64],
}

/// Why extras cannot be in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtrasError {
    /// More of something than a manifest may have.
    #[error("more than {max} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A text is longer than it may be.
    #[error("a {what} of the manifest is longer than {max} bytes")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A text has characters that move the cursor, turn the direction of text or cannot be seen.
    #[error("a {what} of the manifest has control or invisible characters in it")]
    Unprintable {
        /// Which text.
        what: &'static str,
    },
    /// A webseed is not a web address.
    #[error("the webseed {0:?} does not begin with http:// or https://")]
    Webseed(String),
    /// A tracker is not one that can be dialled.
    #[error("a tracker of the manifest: {0}")]
    Tracker(#[from] LinkError),
}

/// The signature in a manifest is not its publisher's over this share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the manifest is signed in the name of {publisher}, but the signature is false")]
pub struct BadSignature {
    /// Who is said to have signed.
    pub publisher: PeerId,
}

impl Extras {
    /// Checks every limit.
    pub(super) fn check(&self) -> Result<(), ExtrasError> {
        for (what, count, max) in [
            ("trackers", self.trackers.len(), TRACKERS_MAX),
            ("webseeds", self.webseeds.len(), WEBSEEDS_MAX),
            ("tags", self.tags.len(), TAGS_MAX),
        ] {
            if count > max {
                return Err(ExtrasError::TooMany { what, max });
            }
        }
        self.trackers.iter().try_for_each(Endpoint::check)?;
        for url in &self.webseeds {
            check_text("webseed", url, WEBSEED_LEN_MAX)?;
            if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(ExtrasError::Webseed(url.clone()));
            }
        }
        for tag in &self.tags {
            check_text("tag", tag, TAG_LEN_MAX)?;
        }
        if self.comment.len() > COMMENT_LEN_MAX {
            return Err(ExtrasError::TooLong { what: "comment", max: COMMENT_LEN_MAX });
        }
        self.comment.split('\n').try_for_each(|line| check_text("comment", line, COMMENT_LEN_MAX))
    }
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), ExtrasError> {
    if text.len() > max {
        Err(ExtrasError::TooLong { what, max })
    } else if !path::is_printable(text) {
        Err(ExtrasError::Unprintable { what })
    } else {
        Ok(())
    }
}

impl Signature {
    /// Keeps a signature over a manifest from being taken for one over anything else that the same
    /// key signs.
    const DOMAIN: &[u8] = b"swarm manifest signature 1\0";

    /// The bytes to be signed: the domain `swarm manifest signature 1` and a zero byte, the id,
    /// and the sequence number as eight little-endian bytes.
    #[must_use]
    pub fn message(id: SwarmId, sequence: u64) -> Vec<u8> {
        [Self::DOMAIN, id.as_bytes(), &sequence.to_le_bytes()].concat()
    }

    /// Checks the signature, strictly: no weak keys, and one encoding only (RFC 8032 leaves both
    /// open).
    ///
    /// # Errors
    /// If it is not the publisher's over this share.
    pub fn verify(&self, id: SwarmId) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&self.bytes);
        VerifyingKey::from_bytes(self.publisher.as_bytes())
            .and_then(|key| key.verify_strict(&Self::message(id, self.sequence), &signature))
            .map_err(|_| BadSignature { publisher: self.publisher })
    }
}

impl<C> Decode<C> for Extras {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self {
            trackers: bin::list(decoder, TRACKERS_MAX)?,
            webseeds: bin::list_of(decoder, WEBSEEDS_MAX, |d| bin::text(d, WEBSEED_LEN_MAX))?,
            comment: bin::text(decoder, COMMENT_LEN_MAX)?,
            created: Decode::decode(decoder)?,
            tags: bin::list_of(decoder, TAGS_MAX, |d| bin::text(d, TAG_LEN_MAX))?,
            signature: Decode::decode(decoder)?,
        })
    }
}
bincode::impl_borrow_decode!(Extras);
