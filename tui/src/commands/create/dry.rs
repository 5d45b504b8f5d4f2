//! `swarm create --dry-run`: what would be in the manifest.

use std::path::{Path, PathBuf};

use serde_json::json;
use swarm_node::CreateOptions;
use swarm_proto::geometry::Geometry;

use super::{Context, blocking, default_output, unfit};
use crate::{
    commands::show::{file_lines, file_object, line, size_lines},
    exit::{Code, Failure},
};

/// Prints it. `output` is where the manifest would be, if the user says so.
pub async fn run(
    cx: &Context,
    path: &Path,
    options: CreateOptions,
    output: Option<PathBuf>,
) -> Result<(), Failure> {
    let path = path.to_owned();
    let info = blocking(cx, move |_| swarm_node::outline(&path, &options)).await.map_err(unfit)?;
    let geometry = Geometry::new(info.piece_length, info.files.iter().map(|file| file.length));
    let geometry =
        geometry.map_err(|error| Failure::new(Code::Usage, "usage", error.to_string()))?;
    let (bytes, pieces) = (geometry.total_bytes(), geometry.piece_count());
    let output = output.unwrap_or_else(|| default_output(&info.name));
    let files = info.files.iter().map(|file| file_object(&info, file));
    cx.console.object(&json!({
        "dry_run": true,
        "name": info.name,
        "manifest": output,
        "bytes": bytes,
        "piece_length": info.piece_length,
        "pieces": pieces,
        "files": files.collect::<Vec<_>>(),
        "empty_folders": info.empty_folders.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))?;
    let mut lines = vec![line("name", &info.name)];
    lines.extend(size_lines(&info, bytes, pieces));
    lines.extend(file_lines(&info, usize::MAX));
    cx.console.result(lines.join("\n"))
}
