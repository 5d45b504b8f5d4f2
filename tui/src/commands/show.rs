//! `swarm show`: what a manifest or a link says. Everything in it was written by somebody else.

use serde_json::{Value, json};
use swarm_node::Source;
use swarm_proto::{
    link::{Endpoint, Link},
    manifest::{FileInfo, Info, Manifest},
    path::SharePath,
};

use crate::{
    args::ShowArgs,
    exit::{Code, Failure},
    output::Console,
    source::{link_of, read_source},
    text::{counted, inert},
    units::{Bytes, Date},
};

/// How many files are listed unless all are asked for: what fits on a screen.
const FILES_SHOWN: usize = 40;

/// Prints what a manifest or a link says.
pub fn run(console: &Console, args: &ShowArgs) -> Result<(), Failure> {
    match read_source(&args.source)? {
        Source::Link(link) => {
            console.object(&link_object(&link))?;
            link_lines(&link).iter().try_for_each(|line| console.result(line))
        }
        Source::Manifest(manifest) => {
            console.object(&manifest_object(&manifest))?;
            let lines = manifest_lines(&manifest, if args.all { usize::MAX } else { FILES_SHOWN });
            lines.iter().try_for_each(|line| console.result(line))?;
            manifest.publisher().map(|_| ()).map_err(|bad| {
                Failure::new(Code::Manifest, "signature", bad.to_string())
                    .hint("do not trust it; get the manifest from the publisher again")
                    .answered()
            })
        }
    }
}

/// What `--json` says of a file, wherever files are listed. A share that is one file has no path in
/// it but its name.
pub fn file_object(info: &Info, file: &FileInfo) -> Value {
    json!({
        "path": info.name_of(&file.path),
        "bytes": file.length,
        "executable": file.executable,
    })
}

/// What `--json` says of a manifest.
fn manifest_object(manifest: &Manifest) -> Value {
    let (info, extras, geometry) = (manifest.info(), manifest.extras(), manifest.geometry());
    let file = |file: &FileInfo| {
        let mut object = file_object(info, file);
        object["root"] = file.root.map(|root| root.to_string()).into();
        object
    };
    let publisher = extras.signature.as_ref().map(|signature| {
        json!({
            "key": signature.publisher,
            "sequence": signature.sequence,
            "valid": manifest.publisher().is_ok(),
        })
    });
    json!({
        "swarm": manifest.id(),
        "name": info.name,
        "bytes": geometry.total_bytes(),
        "piece_length": info.piece_length,
        "pieces": geometry.piece_count(),
        "files": info.files.iter().map(file).collect::<Vec<_>>(),
        "empty_folders": info.empty_folders.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "trackers": texts(&extras.trackers),
        "webseeds": extras.webseeds,
        "comment": extras.comment,
        "created": extras.created,
        "tags": extras.tags,
        "publisher": publisher,
        "link": link_of(manifest).to_string(),
    })
}

fn link_object(link: &Link) -> Value {
    json!({
        "swarm": link.id,
        "name": link.name,
        "trackers": texts(&link.trackers),
        "peers": texts(&link.peers),
    })
}

fn texts(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(ToString::to_string).collect()
}

/// One labelled line.
pub fn line(label: &str, text: &str) -> String {
    format!("{label:<10} {}", inert(text))
}

fn manifest_lines(manifest: &Manifest, files_max: usize) -> Vec<String> {
    let (info, extras, geometry) = (manifest.info(), manifest.extras(), manifest.geometry());
    let [size, pieces] = size_lines(info, geometry.total_bytes(), geometry.piece_count());
    let id = line("id", &manifest.id().to_string());
    let mut lines = vec![line("name", &info.name), id, size, pieces];
    if extras.created > 0 {
        lines.push(line("created", &Date(extras.created).to_string()));
    }
    if !extras.comment.is_empty() {
        lines.push(line("comment", &extras.comment));
    }
    if !extras.tags.is_empty() {
        lines.push(line("tags", &extras.tags.join(", ")));
    }
    lines.push(line("signed by", &publisher(manifest)));
    lines.extend(texts(&extras.trackers).iter().map(|tracker| line("tracker", tracker)));
    lines.extend(extras.webseeds.iter().map(|url| line("webseed", url)));
    lines.push(line("link", &link_of(manifest).to_string()));
    lines.extend(file_lines(info, files_max));
    lines
}

/// A heading, and a line for each file and empty folder or for the first of them. None at all for a
/// share that is one file: it is described by its name and size.
pub fn file_lines(info: &Info, files_max: usize) -> Vec<String> {
    if info.files.iter().all(|file| file.path.is_empty()) && info.empty_folders.is_empty() {
        return Vec::new();
    }
    let file = |file: &FileInfo| {
        let mark = if file.executable { "*" } else { "" };
        let size = Bytes(file.length);
        format!("  {size:>10}  {}{mark}", inert(file.path.as_str()))
    };
    let folder = |path: &SharePath| format!("  {:>10}  {}/", "-", inert(path.as_str()));
    let all = info.files.iter().map(file).chain(info.empty_folders.iter().map(folder));
    let mut lines = vec!["files".into()];
    lines.extend(all.take(files_max));
    let more = (info.files.len() + info.empty_folders.len()).saturating_sub(files_max);
    if more > 0 {
        lines.push(format!("  … and {more} more; --all lists them"));
    }
    lines
}

/// How much it is, and in how many pieces.
pub fn size_lines(info: &Info, bytes: u64, pieces: u32) -> [String; 2] {
    let mut held = counted(info.files.len() as u64, "file");
    if !info.empty_folders.is_empty() {
        held += &format!(", {}", counted(info.empty_folders.len() as u64, "empty folder"));
    }
    let size = format!("{} ({bytes} bytes) in {held}", Bytes(bytes));
    let pieces = format!("{pieces} of {}", Bytes(u64::from(info.piece_length)));
    [line("size", &size), line("pieces", &pieces)]
}

fn publisher(manifest: &Manifest) -> String {
    match (manifest.publisher(), &manifest.extras().signature) {
        (Ok(Some(key)), Some(signature)) => format!("{key} (no. {})", signature.sequence),
        (Err(bad), _) => format!("FALSE SIGNATURE in the name of {}", bad.publisher),
        _ => "nobody".into(),
    }
}

fn link_lines(link: &Link) -> Vec<String> {
    let name = link.name.as_deref().unwrap_or("-");
    let mut lines = vec![line("name", name), line("id", &link.id.to_string())];
    lines.extend(texts(&link.trackers).iter().map(|tracker| line("tracker", tracker)));
    lines.extend(texts(&link.peers).iter().map(|peer| line("peer", peer)));
    lines
}
