//! What a share is made of, and the digests that its bytes are checked against.
//!
//! [`Info`] names the swarm; the piece digests follow from its roots, and [`Extras`] may change.
//! A [`Manifest`] exists only if all of it has been checked, whoever it came from: names, order,
//! limits, and every piece digest against the root of its file.

mod extras;
mod file;

pub use extras::{
    BadSignature, COMMENT_LEN_MAX, Extras, ExtrasError, Signature, TAG_LEN_MAX, TAGS_MAX,
    TRACKERS_MAX, WEBSEED_LEN_MAX, WEBSEEDS_MAX,
};
pub use file::MANIFEST_LEN_MAX;

use bincode::Encode;

use crate::{
    geometry::{FILES_MAX, FileIndex, Geometry, GeometryError, PieceIndex},
    id::{Digest, PeerId, SwarmId},
    path::{self, NameError, PathError, SharePath},
    tree,
};

/// One file of a share.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct FileInfo {
    /// Where it is below the share's name. Empty: the share is this one file.
    pub path: SharePath,
    /// Bytes.
    pub length: u64,
    /// Whether the file may be executed.
    pub executable: bool,
    /// Root of the tree over the file's blocks (BEP 52 `pieces root`); `None` if the file is empty.
    pub root: Option<Digest>,
}

/// What names a swarm: its id is the SHA-256 of the encoding of this.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Info {
    /// Name of the share: of the file, or of the folder around the files.
    pub name: String,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// The files, sorted by path: component by component, each by its bytes.
    pub files: Vec<FileInfo>,
    /// Folders that hold nothing, sorted by path.
    pub empty_folders: Vec<SharePath>,
}

/// A manifest that has been checked: limits, names, order, and digests against the roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    id: SwarmId,
    info: Info,
    geometry: Geometry,
    digests: Box<[Digest]>,
    extras: Extras,
}

/// Does both, at the same time if it can; or leaves one undone, which is then done after it.
pub type Join<'a> = &'a dyn Fn(&mut (dyn FnMut() + Send), &mut dyn FnMut());

/// Why bytes are no manifest, or a share cannot have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes do not begin as a manifest does.
    #[error("this is not a .swarm manifest")]
    NotAManifest,
    /// A version that this program does not know.
    #[error("the manifest has version {found}, this program knows {known}; update it to read this")]
    Newer {
        /// Version of the manifest.
        found: u16,
        /// The latest version that this program reads.
        known: u16,
    },
    /// The checksum does not match.
    #[error("the manifest is damaged or cut short: its checksum does not match; get it again")]
    Damaged,
    /// The checksum matches, so whoever made it made it wrong.
    #[error("the manifest is malformed in its {part}")]
    Malformed {
        /// Where.
        part: &'static str,
    },
    /// Longer than [`MANIFEST_LEN_MAX`] when encoded.
    #[error(
        "the manifest is longer than {} MiB; use a longer piece length or fewer files",
        MANIFEST_LEN_MAX >> 20
    )]
    TooLong,
    /// The lengths of files and pieces.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The name of the share.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The path of a file or an empty folder.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Neither a file nor an empty folder.
    #[error("there is nothing to share in it")]
    Nothing,
    /// More empty folders than files are allowed.
    #[error("more than {FILES_MAX} empty folders")]
    TooManyFolders,
    /// The number of piece digests is not the number of pieces.
    #[error("{got} piece digests where the files need {want}")]
    DigestCount {
        /// Digests given.
        got: usize,
        /// Digests that the lengths ask for.
        want: usize,
    },
    /// The digests of a file do not hash to its root, or it has a root and no bytes, or the reverse.
    #[error("the digests of {path:?} do not match its root")]
    Root {
        /// The file.
        path: String,
    },
    /// What may change without changing the id.
    #[error(transparent)]
    Extras(#[from] ExtrasError),
}

impl Manifest {
    /// Makes a manifest of an `Info` whose roots are not yet known, and the digests of all pieces of
    /// all files in order. Fills in the roots.
    ///
    /// # Errors
    /// If a limit is passed or a name may not be in a manifest.
    pub fn build(
        mut info: Info,
        digests: Vec<Digest>,
        extras: Extras,
    ) -> Result<Self, ManifestError> {
        let geometry = info.check()?;
        extras.check()?;
        let want = geometry.piece_count() as usize;
        if digests.len() != want {
            return Err(ManifestError::DigestCount { got: digests.len(), want });
        }
        for (file, index) in info.files.iter_mut().zip(geometry.files()) {
            file.root = tree::root_of_file(&geometry, index, &digests);
        }
        let id = file::seal(&info)?;
        let digests = digests.into();
        file::check_len(Self { id, info, geometry, digests, extras })
    }

    /// Reads an encoded manifest. A signature in it is not looked at: see [`Manifest::publisher`].
    ///
    /// # Errors
    /// If it is not one, is damaged, is from a newer version, or breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::decode_joined(bytes, &|first, second| {
            first();
            second();
        })
    }

    /// The same by the caller's threads: a long one takes half of the time with two, as a fifth of it is
    /// hashing, and paths and digests are checked apart.
    ///
    /// # Errors
    /// As [`Manifest::decode`].
    pub fn decode_joined(bytes: &[u8], join: Join<'_>) -> Result<Self, ManifestError> {
        file::decode(bytes, join)
    }

    /// The bytes of a `.swarm` file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        file::encode(self)
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
    ///
    /// # Errors
    /// If they pass a limit.
    pub fn with_extras(self, extras: Extras) -> Result<Self, ManifestError> {
        extras.check()?;
        file::check_len(Self { extras, ..self })
    }

    /// Who vouches for the share: `None` if it is not signed.
    ///
    /// # Errors
    /// If there is a signature and it is not the publisher's over this share.
    pub fn publisher(&self) -> Result<Option<PeerId>, BadSignature> {
        match &self.extras.signature {
            None => Ok(None),
            Some(signature) => signature.verify(self.id).map(|()| Some(signature.publisher)),
        }
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

    /// How many leaves the tree under a piece's digest has, padding among them: see
    /// [`Geometry::tree_width`].
    #[must_use]
    pub fn tree_width(&self, piece: PieceIndex) -> u32 {
        self.geometry.tree_width(piece)
    }

    /// Whether these block digests, one for each block, hash to the digest of the piece.
    #[must_use]
    pub fn verifies(&self, piece: PieceIndex, leaves: &[Digest]) -> bool {
        leaves.len() == self.geometry.block_count(piece) as usize
            && tree::root(leaves, self.tree_width(piece)) == self.digest(piece)
    }
}

impl Info {
    /// A path as people read it. A share of one file has no path but its name.
    #[must_use]
    pub fn name_of<'a>(&'a self, path: &'a SharePath) -> &'a str {
        if path.is_empty() { &self.name } else { path.as_str() }
    }

    /// Checks all but the roots, and lays out the files.
    fn check(&self) -> Result<Geometry, ManifestError> {
        let geometry = self.layout()?;
        self.check_paths()?;
        Ok(geometry)
    }

    /// Lays out the files; their paths are not looked at.
    fn layout(&self) -> Result<Geometry, ManifestError> {
        path::check_name(&self.name)?;
        Ok(Geometry::new(self.piece_length, self.files.iter().map(|f| f.length))?)
    }

    fn check_paths(&self) -> Result<(), ManifestError> {
        if self.empty_folders.len() > FILES_MAX as usize {
            return Err(ManifestError::TooManyFolders);
        }
        match (&*self.files, &*self.empty_folders) {
            ([], []) => return Err(ManifestError::Nothing),
            ([file], []) if file.path.is_empty() => return Ok(()),
            _ => {}
        }
        let files = self.files.iter().map(|file| &file.path);
        let folders = &self.empty_folders;
        if folders.is_empty() {
            // Which sees to the order, too.
            return Ok(path::check_paths(files)?);
        }
        path::check_sorted(files.clone())?;
        path::check_sorted(folders)?;
        let mut paths: Vec<_> = files.chain(folders).collect();
        // Two sorted runs, which a stable sort merges in one pass.
        paths.sort();
        Ok(path::check_paths(paths)?)
    }
}

#[cfg(test)]
mod tests;
