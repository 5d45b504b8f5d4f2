//! `swarm create`: a manifest of what is on the disk.

mod dry;
mod list;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use swarm_node::{CreateOptions, Identity};
use swarm_proto::{
    link::Endpoint,
    manifest::{Extras, Manifest, Signature},
};

use super::{Context, blocking};
use crate::{
    args::{CreateArgs, ManifestArgs},
    exit::{Code, Failure},
    paths::Key,
    source::link_of,
    text::{counted, inert},
    units::Bytes,
};

/// Makes a manifest, writes it, and prints its link.
pub async fn run(cx: Context, args: CreateArgs) -> Result<(), Failure> {
    let list = args.path == Path::new("-");
    if args.null && !list {
        return Err(Failure::usage("-0 is about a list on stdin").hint("give - as the path"));
    }
    if list && args.manifest.name.is_none() {
        return Err(Failure::usage("a list on stdin says no name for the share")
            .hint("give one with --name; a file called - is ./-"));
    }
    // Hashing takes long: whatever can be known to be wrong is said before it.
    if !args.force {
        refuse_to_replace(&target(&args)?)?;
    }
    let (path, files) = match list {
        true => (Path::new("."), Some(list::of_stdin(&cx, args.null).await?)),
        false => (args.path.as_path(), None),
    };
    if args.dry_run {
        let options = options(&args.manifest, files, Extras::default());
        return dry::run(&cx, path, options, args.output).await;
    }
    let signer = match args.manifest.sign {
        true => Some(cx.paths.identity(Key::Node, args.identity.as_deref())?),
        false => None,
    };
    let trackers = if args.trackers.is_empty() {
        cx.settings.trackers.value.clone()
    } else {
        args.trackers.clone()
    };
    let manifest = make(&cx, path, files, &args.manifest, trackers, signer.as_ref()).await?;
    let output = args.output.unwrap_or_else(|| default_output(&manifest.info().name));
    save(&output, &manifest, args.force)?;
    announce(&cx, &manifest);
    cx.console.note(format_args!("wrote {}", output.display()));
    let link = link_of(&manifest).to_string();
    cx.console.object(&json!({
        "swarm": manifest.id(),
        "name": manifest.info().name,
        "manifest": output,
        "link": link,
        "bytes": manifest.geometry().total_bytes(),
        "files": manifest.info().files.len(),
        "pieces": manifest.geometry().piece_count(),
        "piece_length": manifest.info().piece_length,
    }))?;
    cx.console.result(link)
}

/// Reads and hashes `path`, or only these files of it, and makes its manifest, signed if there is
/// somebody to sign it.
pub async fn make(
    cx: &Context,
    path: &Path,
    files: Option<Vec<Vec<String>>>,
    args: &ManifestArgs,
    trackers: Vec<Endpoint>,
    signer: Option<&Identity>,
) -> Result<Manifest, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let extras = Extras {
        trackers,
        comment: args.comment.clone().unwrap_or_default(),
        created: now,
        tags: args.tags.clone(),
        ..Extras::default()
    };
    let (path, options) = (path.to_owned(), options(args, files, extras));
    let manifest = blocking(cx, move |progress| swarm_node::create(&path, options, progress)).await;
    let manifest = manifest.map_err(unfit)?;
    match signer {
        Some(identity) => sign(manifest, identity, now),
        None => Ok(manifest),
    }
}

fn options(args: &ManifestArgs, files: Option<Vec<Vec<String>>>, extras: Extras) -> CreateOptions {
    CreateOptions {
        name: args.name.clone(),
        piece_length: args.piece_length,
        extras,
        files,
        follow_symlinks: args.follow_symlinks,
    }
}

/// There is no manifest yet that could be bad: what was asked for does not fit into one.
fn unfit(failure: Failure) -> Failure {
    match failure.code {
        Code::Manifest => Failure { code: Code::Usage, kind: "usage", ..failure },
        _ => failure,
    }
}

/// Says what was hashed.
pub fn announce(cx: &Context, manifest: &Manifest) {
    let (info, geometry) = (manifest.info(), manifest.geometry());
    cx.console.note(format_args!(
        "{}: {}, {}, {} of {}",
        inert(&info.name),
        counted(info.files.len() as u64, "file"),
        Bytes(geometry.total_bytes()),
        counted(u64::from(geometry.piece_count()), "piece"),
        Bytes(u64::from(info.piece_length)),
    ));
}

/// Writes a manifest. Without `force` nothing is replaced; with it, an old one is replaced whole.
pub fn save(path: &Path, manifest: &Manifest, force: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::file(path, &error),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", process::id()));
    let part = if force { PathBuf::from(name) } else { path.to_owned() };
    let mut file = File::create_new(&part).map_err(failed)?;
    let written = file
        .write_all(&manifest.encode())
        .and_then(|()| file.sync_all())
        .and_then(|()| if force { fs::rename(&part, path) } else { Ok(()) });
    if written.is_err() {
        // It is ours, made above; half of a manifest is of no use to anybody.
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed)
}

fn refuse_to_replace(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Failure {
    Failure::file(path, &io::ErrorKind::AlreadyExists.into())
        .hint("--force replaces it; -o names another file")
}

/// The file that the manifest will be written to, before its name is known for certain.
fn target(args: &CreateArgs) -> Result<PathBuf, Failure> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    if let Some(name) = &args.manifest.name {
        return Ok(default_output(name));
    }
    // `.` and `x/..` have no name of their own.
    let path = args.path.canonicalize().map_err(|error| Failure::file(&args.path, &error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(default_output(&name))
}

fn default_output(name: &str) -> PathBuf {
    format!("{name}.swarm").into()
}

fn sign(manifest: Manifest, identity: &Identity, sequence: u64) -> Result<Manifest, Failure> {
    let bytes = identity.sign(&Signature::message(manifest.id(), sequence));
    let signature = Signature { publisher: identity.peer_id(), sequence, bytes };
    let extras = Extras { signature: Some(signature), ..manifest.extras().clone() };
    Ok(manifest.with_extras(extras)?)
}
