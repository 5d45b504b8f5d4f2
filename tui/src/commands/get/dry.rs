//! `swarm get --dry-run`: what would be fetched, and where to.

use serde_json::json;
use swarm_node::{Node, Source};
use swarm_proto::manifest::Info;

use super::{Context, find};
use crate::{
    args::GetArgs,
    commands::show::{file_lines, file_object, line, size_lines},
    exit::Failure,
    room,
    text::inert,
    units::Bytes,
};

/// Finds the manifest and prints it.
pub async fn run(cx: &Context, args: &GetArgs, node: &Node, source: Source) -> Result<(), Failure> {
    let (manifest, options) = find::manifest(cx, args, node, source).await?;
    let (info, geometry) = (manifest.info(), manifest.geometry());
    let chosen = options.selection.files(&manifest)?;
    let bytes_wanted: u64 = chosen.iter().map(|&file| geometry.file_len(file)).sum();
    let pieces_wanted: u32 =
        chosen.iter().map(|&file| geometry.file_pieces(file).len() as u32).sum();
    let path = options.output.join(&info.name);
    let (exists, free) = (path.exists(), room::free_at(&options.output));

    let files = geometry.files().map(|file| {
        let mut object = file_object(info, manifest.file(file));
        // In order, as the list is.
        object["wanted"] = chosen.binary_search(&file).is_ok().into();
        object
    });
    cx.console.object(&json!({
        "dry_run": true,
        "swarm": manifest.id(),
        "name": info.name,
        "path": path,
        "exists": exists,
        "free": free,
        "bytes": geometry.total_bytes(),
        "bytes_wanted": bytes_wanted,
        "pieces": geometry.piece_count(),
        "pieces_wanted": pieces_wanted,
        "files": files.collect::<Vec<_>>(),
    }))?;

    let whole = chosen.len() == info.files.len();
    let wanted = Info {
        files: chosen.iter().map(|&file| manifest.file(file).clone()).collect(),
        // They are made when everything is there.
        empty_folders: if whole { info.empty_folders.clone() } else { Vec::new() },
        ..info.clone()
    };
    let mut lines = vec![line("name", &info.name)];
    lines.extend(size_lines(&wanted, bytes_wanted, pieces_wanted));
    if !whole {
        lines.push(line("of", &Bytes(geometry.total_bytes()).to_string()));
    }
    let there = if exists { "; it is there already: what is right in it is kept" } else { "" };
    lines.push(line("into", &format!("{}{there}", inert(&path.display().to_string()))));
    if let Some(free) = free {
        let short = if free < bytes_wanted { ", which is too little" } else { "" };
        lines.push(line("free", &format!("{}{short}", Bytes(free))));
    }
    lines.extend(file_lines(&wanted, usize::MAX));
    cx.console.result(lines.join("\n"))
}
