//! The bytes of a `.swarm` file.
//!
//! | bytes | what |
//! |---|---|
//! | 6 | `SWARM\0` |
//! | 2 | version, little-endian |
//! | | three byte strings: `Info`, piece layers, `Extras`; each its length (bincode) and its bytes |
//! | 32 | SHA-256 of all before |
//!
//! `Info` and `Extras` are bincode. The piece layers are the digests of all pieces of all files of
//! more than one piece, in order; the digest of a file's only piece is its root.

use bincode::{BorrowDecode, Decode, de::Decoder, error::DecodeError};

use super::{Extras, FileInfo, Info, Join, Manifest, ManifestError};
use crate::{
    bin, digest,
    geometry::{FILES_MAX, FileIndex, Geometry},
    id::{Digest, SwarmId},
    path::{NAME_LEN_MAX, SharePath},
    tree::{has_layer, root_of_file},
};

/// The most bytes of an encoded manifest: 4 million pieces and a million files with paths of a
/// hundred bytes.
pub const MANIFEST_LEN_MAX: usize = 256 << 20;

const MAGIC: [u8; 6] = *b"SWARM\0";
const VERSION: u16 = 1;
const HEAD_LEN: usize = MAGIC.len() + size_of::<u16>();
const CHECKSUM_LEN: usize = 32;
/// The most bytes of a length in bincode.
const LENGTH_LEN_MAX: usize = 9;

/// The most memory that an `Info` may take: a million files with paths of four hundred bytes.
const INFO_MEMORY_MAX: usize = 512 << 20;
/// The most memory that `Extras` may take; their own limits come to less.
const EXTRAS_MEMORY_MAX: usize = 1 << 20;

/// What lies between head and checksum.
#[derive(BorrowDecode)]
struct Body<'a> {
    info: &'a [u8],
    layers: &'a [u8],
    extras: &'a [u8],
}

/// What is in it, checked.
struct Contents {
    info: Info,
    geometry: Geometry,
    digests: Box<[Digest]>,
    extras: Extras,
}

/// The id of a share that is being made, if everybody will be able to read its `Info`.
pub(super) fn seal(info: &Info) -> Result<SwarmId, ManifestError> {
    let bytes = bin::encode(info);
    bin::decode::<Info, INFO_MEMORY_MAX>(&bytes).map_err(|_| ManifestError::TooLong)?;
    Ok(id(&bytes))
}

/// Lets a manifest pass that is being made, if everybody will be able to read it.
pub(super) fn check_len(manifest: Manifest) -> Result<Manifest, ManifestError> {
    let layers = layer_digests(&manifest.geometry) * size_of::<Digest>();
    let sections = bin::encoded_len(&manifest.info) + layers + bin::encoded_len(&manifest.extras);
    if HEAD_LEN + 3 * LENGTH_LEN_MAX + sections + CHECKSUM_LEN > MANIFEST_LEN_MAX {
        return Err(ManifestError::TooLong);
    }
    Ok(manifest)
}

fn id(info: &[u8]) -> SwarmId {
    SwarmId::new(*digest::sha256(info).as_bytes())
}

/// The bytes of a manifest file.
pub(super) fn encode(manifest: &Manifest) -> Vec<u8> {
    let info = bin::encode(&manifest.info);
    let extras = bin::encode(&manifest.extras);
    let layers_len = layer_digests(&manifest.geometry) * size_of::<Digest>();

    // A manifest can be long, so it is put together where it stays.
    let sections = info.len() + layers_len + extras.len();
    let mut bytes = Vec::with_capacity(HEAD_LEN + 3 * LENGTH_LEN_MAX + sections + CHECKSUM_LEN);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(bin::encode(info.len()));
    bytes.extend(info);
    bytes.extend(bin::encode(layers_len));
    for file in files_with_layers(&manifest.geometry) {
        for piece in manifest.geometry.file_pieces(file) {
            bytes.extend(manifest.digest(piece).as_bytes());
        }
    }
    bytes.extend(bin::encode(extras.len()));
    bytes.extend(extras);
    let checksum = digest::sha256(&bytes);
    bytes.extend(checksum.as_bytes());
    bytes
}

/// What a manifest file says, if nothing in it is damaged or has another encoding.
pub(super) fn decode(bytes: &[u8], join: Join<'_>) -> Result<Manifest, ManifestError> {
    let (sealed, checksum) = open(bytes)?;
    let is_intact = || digest::sha256(sealed).as_bytes() == checksum;
    let body = match bin::decode::<Body<'_>, MANIFEST_LEN_MAX>(&sealed[HEAD_LEN..]) {
        Ok(body) => body,
        Err(_) if is_intact() => return Err(ManifestError::Malformed { part: "sections" }),
        Err(_) => return Err(ManifestError::Damaged),
    };
    let hash = || is_intact().then(|| id(body.info));
    let (id, read) = both(join, hash, || read(&body, join));
    // What is damaged may be malformed in any way.
    let id = id.ok_or(ManifestError::Damaged)?;
    let Contents { info, geometry, digests, extras } = read?;
    Ok(Manifest { id, info, geometry, digests, extras })
}

/// What comes of both. What was left undone is done here.
fn both<A: Send, B>(
    join: Join<'_>,
    first: impl Fn() -> A + Sync,
    second: impl Fn() -> B,
) -> (A, B) {
    let (mut a, mut b) = (None, None);
    join(&mut || a = Some(first()), &mut || b = Some(second()));
    (a.unwrap_or_else(first), b.unwrap_or_else(second))
}

/// Takes off head and checksum. The head stays in what the checksum is of.
fn open(bytes: &[u8]) -> Result<(&[u8], &[u8; CHECKSUM_LEN]), ManifestError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(ManifestError::NotAManifest);
    }
    if bytes.len() > MANIFEST_LEN_MAX {
        return Err(ManifestError::TooLong);
    }
    // The version comes before the checksum: what follows it may be all different.
    let version = bytes[MAGIC.len()..].first_chunk().copied().map(u16::from_le_bytes);
    match version {
        Some(VERSION) => {}
        Some(found) if found > VERSION => {
            return Err(ManifestError::Newer { found, known: VERSION });
        }
        _ => return Err(ManifestError::Damaged),
    }
    let split = bytes.split_last_chunk::<CHECKSUM_LEN>();
    split.filter(|(sealed, _)| sealed.len() >= HEAD_LEN).ok_or(ManifestError::Damaged)
}

/// Reads what is in a manifest and checks all of it.
fn read(body: &Body<'_>, join: Join<'_>) -> Result<Contents, ManifestError> {
    let info: Info = bin::decode::<_, INFO_MEMORY_MAX>(body.info)
        .map_err(|_| ManifestError::Malformed { part: "list of files" })?;
    let geometry = info.layout()?;
    let (paths, digests) =
        both(join, || info.check_paths(), || digests(&info, &geometry, body.layers));
    paths?;
    let digests = digests?;
    let extras: Extras = bin::decode::<_, EXTRAS_MEMORY_MAX>(body.extras)
        .map_err(|_| ManifestError::Malformed { part: "extras" })?;
    extras.check()?;
    Ok(Contents { info, geometry, digests, extras })
}

/// The digests of all pieces, from the layers of long files and the roots of short ones, each
/// checked against its root.
fn digests(
    info: &Info,
    geometry: &Geometry,
    layers: &[u8],
) -> Result<Box<[Digest]>, ManifestError> {
    let (layers, rest) = layers.as_chunks::<32>();
    let in_layers = layer_digests(geometry);
    if layers.len() != in_layers || !rest.is_empty() {
        return Err(ManifestError::DigestCount { got: layers.len(), want: in_layers });
    }
    let mut layers = layers.iter().map(|bytes| Digest::new(*bytes));
    let mut digests = Vec::with_capacity(geometry.piece_count() as usize);
    for (index, file) in geometry.files().zip(&info.files) {
        // Each file with bytes has a root, and only those: so there is a digest for each piece.
        let is_whole = (geometry.file_len(index) > 0) == file.root.is_some();
        if has_layer(geometry, index) {
            digests.extend(layers.by_ref().take(geometry.file_pieces(index).len()));
        } else {
            digests.extend(file.root);
        }
        if !is_whole || root_of_file(geometry, index, &digests) != file.root {
            return Err(ManifestError::Root { path: info.name_of(&file.path).to_owned() });
        }
    }
    Ok(digests.into())
}

fn files_with_layers(geometry: &Geometry) -> impl Iterator<Item = FileIndex> {
    geometry.files().filter(|&file| has_layer(geometry, file))
}

/// How many digests there are in all piece layers.
fn layer_digests(geometry: &Geometry) -> usize {
    files_with_layers(geometry).map(|file| geometry.file_pieces(file).len()).sum()
}

impl<C> Decode<C> for Info {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let text = &mut String::new();
        Ok(Self {
            name: bin::text(decoder, NAME_LEN_MAX)?,
            piece_length: u32::try_from(bin::number(decoder)?)
                .map_err(|_| DecodeError::LimitExceeded)?,
            files: bin::list_of(decoder, FILES_MAX as usize, |decoder| file(decoder, text))?,
            empty_folders: bin::list_of(decoder, FILES_MAX as usize, |decoder| {
                SharePath::decode(decoder, text)
            })?,
        })
    }
}
bincode::impl_borrow_decode!(Info);

/// Reads a file, its path by way of a text whose room is used again.
fn file<D: Decoder>(decoder: &mut D, text: &mut String) -> Result<FileInfo, DecodeError> {
    Ok(FileInfo {
        path: SharePath::decode(decoder, text)?,
        length: bin::number(decoder)?,
        executable: Decode::decode(decoder)?,
        root: Decode::decode(decoder)?,
    })
}
