//! What a user names to be fetched, shared or shown: a link, or the file of a manifest.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use swarm_node::Source;
use swarm_proto::{
    link::Link,
    manifest::{MANIFEST_LEN_MAX, Manifest, ManifestError},
};

use crate::{
    exit::{Code, Failure},
    read,
};

/// Reads a manifest file.
pub fn read_manifest(path: &Path) -> Result<Manifest, Failure> {
    if path.is_dir() {
        let message = format!("{} is a folder, not a .swarm manifest", path.display());
        return Err(Failure::new(Code::Manifest, "manifest", message)
            .hint("`swarm seed` shares a folder, `swarm create` makes its manifest"));
    }
    let read = read::at_most(path, MANIFEST_LEN_MAX as u64);
    let bytes = read
        .map_err(|error| Failure::file(path, &error))?
        .ok_or_else(|| in_file(path, ManifestError::TooLong.into()))?;
    Manifest::decode(&bytes).map_err(|error| in_file(path, error.into()))
}

fn in_file(path: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
        .hint_if_none("get it again from where it came from, or name another file")
}

/// Whether a text is, or should have been, a link: it is empty, or begins like one (RFC 3986, 3.1).
fn is_link(text: &str) -> bool {
    let text = text.trim_ascii();
    text.is_empty()
        || text.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        })
}

/// What the user names to be fetched or shown: a link, or the path of a manifest.
pub fn read_source(text: &str) -> Result<Source, Failure> {
    let path = Path::new(text);
    // A file may be called anything, but nobody means a file by `magnet:?…` that is not there.
    if is_link(text) && !path.exists() {
        let link = text.parse::<Link>().map_err(|error| {
            let magnet = text.trim_ascii().starts_with("magnet:");
            let foreign = if magnet { "; nothing is fetched from BitTorrent" } else { "" };
            let hint = format!(
                "copy the whole link, `swarm:?id=…`, as `swarm seed` printed it, in quotes{foreign}"
            );
            Failure::from(error).hint_if_none(&hint)
        });
        return Ok(Source::Link(link?));
    }
    read_manifest(path).map(|manifest| Source::Manifest(Arc::new(manifest))).map_err(|failure| {
        match failure.kind {
            "not_found" => failure.hint("give the path of a .swarm file, or a link in quotes"),
            _ => failure,
        }
    })
}

/// Whether a path is called what manifests are called.
pub fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "swarm")
}

/// The file or folder of a manifest, if nobody says where it is: beside the manifest.
pub fn beside(manifest_path: &Path, manifest: &Manifest) -> PathBuf {
    manifest_path.with_file_name(&manifest.info().name)
}

/// A link to the share, as far as the manifest alone can make one.
pub fn link_of(manifest: &Manifest) -> Link {
    Link {
        id: manifest.id(),
        name: Some(manifest.info().name.clone()),
        trackers: manifest.extras().trackers.clone(),
        peers: Vec::new(),
    }
}
