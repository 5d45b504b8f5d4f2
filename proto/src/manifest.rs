//! What a share is made of, and the digests that its bytes are checked against.

use bytes::Bytes;

use crate::{
    geometry::{BLOCK_LEN, FileIndex, Geometry, PieceIndex},
    id::{Digest, PeerId, SwarmId},
    link::Endpoint,
    tree,
};

/// One file of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Components below the share's name. Empty: the share is this one file.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Whether the file may be executed.
    pub executable: bool,
    /// Root of the tree over the file's blocks (BEP 52 `pieces root`); `None` if the file is empty.
    pub root: Option<Digest>,
}

/// What names a swarm: its id is the SHA-256 of the encoding of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Name of the share: of the file, or of the folder around the files.
    pub name: String,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// The files, sorted by path.
    pub files: Vec<FileInfo>,
    /// Folders that hold nothing, sorted by path.
    pub empty_folders: Vec<Vec<String>>,
}

/// What may change without changing the id. Claims of whoever handed the manifest over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Trackers of the swarm.
    pub trackers: Vec<Endpoint>,
    /// URLs that serve the same bytes over HTTP.
    pub webseeds: Vec<String>,
    /// A note by whoever made it.
    pub comment: String,
    /// When it was made, seconds since 1970.
    pub created: u64,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who vouches for it.
    pub signature: Option<Signature>,
}

/// A publisher's Ed25519 signature over `domain || id || sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The publisher's key.
    pub publisher: PeerId,
    /// A later manifest of the same publisher has a higher number.
    pub sequence: u64,
    /// The 64 bytes.
    pub bytes: [u8; 64],
}

/// A manifest that has been checked: limits, names, order, and digests against the roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    id: SwarmId,
    info: Info,
    info_bytes: Bytes,
    geometry: Geometry,
    digests: Box<[Digest]>,
    extras: Extras,
}

/// Why bytes are no manifest, or a share cannot have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Placeholder.
    #[error("placeholder")]
    Placeholder,
}

impl Manifest {
    /// Makes a manifest of an `Info` whose roots are not yet known, and the piece digests of all
    /// files in order. Fills in the roots.
    ///
    /// # Errors
    /// If a limit is passed or a name may not be in a manifest.
    pub fn build(info: Info, digests: Vec<Digest>, extras: Extras) -> Result<Self, ManifestError> {
        let _ = (info, digests, extras);
        todo!()
    }

    /// Reads an encoded manifest.
    ///
    /// # Errors
    /// If it is not one, is damaged, is from a newer version, or breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let _ = bytes;
        todo!()
    }

    /// The bytes of a `.swarm` file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// The swarm's id.
    #[must_use]
    pub const fn id(&self) -> SwarmId {
        self.id
    }

    /// What names the swarm.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What may change without changing the id.
    #[must_use]
    pub const fn extras(&self) -> &Extras {
        &self.extras
    }

    /// The same share with other extras.
    #[must_use]
    pub fn with_extras(self, extras: Extras) -> Self {
        Self { extras, ..self }
    }

    /// Where every byte lies.
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// A file.
    #[must_use]
    pub fn file(&self, file: FileIndex) -> &FileInfo {
        &self.info.files[file.as_usize()]
    }

    /// The digest of a piece.
    #[must_use]
    pub fn digest(&self, piece: PieceIndex) -> Digest {
        self.digests[piece.as_usize()]
    }

    /// How many leaves the tree under a piece's digest has, padding among them: the full piece's
    /// width in a file of several pieces, else the next power of two of its blocks (BEP 52).
    #[must_use]
    pub fn tree_width(&self, piece: PieceIndex) -> u32 {
        let full = self.geometry.piece_length() / BLOCK_LEN;
        let file = self.geometry.span(piece).file;
        if self.geometry.file_len(file) > u64::from(self.geometry.piece_length()) {
            full
        } else {
            self.geometry.block_count(piece).next_power_of_two()
        }
    }

    /// Whether these block digests, one for each block, hash to the digest of the piece.
    #[must_use]
    pub fn verifies(&self, piece: PieceIndex, leaves: &[Digest]) -> bool {
        leaves.len() == self.geometry.block_count(piece) as usize
            && tree::root(leaves, self.tree_width(piece)) == self.digest(piece)
    }
}
