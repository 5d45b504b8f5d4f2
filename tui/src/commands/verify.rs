//! `swarm verify`: reads files and checks every piece against the manifest. Changes nothing.

use std::sync::Arc;

use serde_json::json;
use swarm_node::Verification;

use super::{Context, blocking};
use crate::{
    args::VerifyArgs,
    exit::{Code, Failure},
    source::{beside, read_manifest},
    text::{counted, inert},
    units::Bytes,
};

/// How many bad files are named on the screen; `--json` names all.
const NAMED_MAX: usize = 100;

/// Reads everything, and says what is not as the manifest says.
pub async fn run(cx: Context, args: VerifyArgs) -> Result<(), Failure> {
    let manifest = Arc::new(read_manifest(&args.manifest)?);
    let is_named = args.path.is_some();
    let path = args.path.unwrap_or_else(|| beside(&args.manifest, &manifest));
    // Without this, a mistyped path would read as a share of which everything is missing.
    std::fs::metadata(&path).map_err(|error| {
        let failure = Failure::file(&path, &error);
        if is_named {
            return failure;
        }
        failure.hint("it is not beside the manifest: name it, `swarm verify FILE.swarm PATH`")
    })?;

    let (of, at) = (Arc::clone(&manifest), path.clone());
    let found = blocking(&cx, move |progress| swarm_node::verify(&of, &at, progress)).await?;

    let Verification { good_bytes, bad_pieces, missing, damaged } = &found;
    let (bytes, files) = (manifest.geometry().total_bytes(), manifest.info().files.len() as u64);
    let ok =
        *good_bytes == bytes && bad_pieces.is_empty() && missing.is_empty() && damaged.is_empty();
    cx.console.object(&json!({
        "swarm": manifest.id(),
        "path": path,
        "verified": ok,
        "bytes": bytes,
        "bytes_good": good_bytes,
        "bad_pieces": bad_pieces,
        "missing": missing,
        "damaged": damaged,
    }))?;
    if ok {
        let size = Bytes(bytes);
        return cx.console.result(format_args!("verified: {}, {size}", counted(files, "file")));
    }
    let named = |what: &'static str, names: &[String]| {
        names.iter().map(|name| format!("{what}  {}", inert(name))).collect::<Vec<_>>()
    };
    let lines = [named("missing", missing), named("damaged", damaged)].concat();
    for line in lines.iter().take(NAMED_MAX) {
        cx.console.result(line)?;
    }
    if lines.len() > NAMED_MAX {
        cx.console.result(format_args!("… and {} more", lines.len() - NAMED_MAX))?;
    }
    let message = format!(
        "{} is not what the manifest says: {} of {} verified, {}",
        path.display(),
        Bytes(*good_bytes),
        Bytes(bytes),
        counted((missing.len() + damaged.len()) as u64, "bad file"),
    );
    Err(Failure::new(Code::Verification, "verification", message)
        .hint("move damaged files away; `swarm get` with the same manifest fetches what is missing")
        .answered())
}
