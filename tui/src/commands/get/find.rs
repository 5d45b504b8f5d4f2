//! Asking those who were named for the manifest, until somebody has it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::{GetOptions, Node, NodeError, Selection, Source, Transfer};
use swarm_proto::{link::Link, manifest::Manifest};
use tokio::time;

use super::stream;
use crate::{
    args::GetArgs,
    context::Context,
    exit::{Code, Failure},
    text::inert,
};

/// Between two rounds of asking for the manifest: all may have refused for good, and a refusal takes
/// no time.
const ROUND_PAUSE: Duration = Duration::from_secs(2);

/// Finds the manifest and starts the transfer. Nothing is made on the disk for what cannot be streamed.
pub async fn transfer(
    cx: &Context,
    args: &GetArgs,
    node: &Node,
    mut source: Source,
    stream: Option<&stream::Folder>,
) -> Result<Transfer, Failure> {
    let mut options = asking(cx, args, &source)?;
    if let Some(folder) = stream {
        let ask = async || node.manifest(source.clone(), &options).await;
        let manifest = ask_until_found(cx, ask).await?;
        stream::check(&manifest, folder)?;
        if let Source::Link(link) = source {
            options.trackers.extend(link.trackers);
            options.peers.extend(link.peers);
        }
        source = Source::Manifest(manifest);
    }
    ask_until_found(cx, async || node.get(source.clone(), options.clone()).await).await
}

/// Finds the manifest, and nothing more. Also tells what would be asked for.
pub async fn manifest(
    cx: &Context,
    args: &GetArgs,
    node: &Node,
    source: Source,
) -> Result<(Arc<Manifest>, GetOptions), Failure> {
    let options = asking(cx, args, &source)?;
    let found = ask_until_found(cx, async || node.manifest(source.clone(), &options).await).await?;
    Ok((found, options))
}

/// Whom to ask for what, if there is anybody; says that it begins.
fn asking(cx: &Context, args: &GetArgs, source: &Source) -> Result<GetOptions, Failure> {
    let settings = &cx.settings;
    if nobody_to_ask(source, settings.trackers.value.len() + args.peer.peers.len())
        // What is at hand can be looked at without anybody.
        && !(args.dry_run && matches!(source, Source::Manifest(_)))
    {
        return Err(nobody_named(source));
    }
    if let Source::Link(link) = source {
        let name = link.name.as_deref().map_or_else(|| link.id.short(), inert);
        cx.console.note(format_args!("asking for the manifest of {name}"));
    }
    Ok(GetOptions {
        output: settings.output.value.clone(),
        trackers: settings.trackers.value.clone(),
        peers: args.peer.peers.clone(),
        selection: Selection { only: args.only.clone(), skip: args.skip.clone() },
    })
}

/// Asks for the manifest until somebody has it, patience ends, or the user wants it to end; says who
/// does not have it and why, as often as that changes.
async fn ask_until_found<T>(
    cx: &Context,
    ask: impl AsyncFn() -> Result<T, NodeError>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let mut said = String::new();
    loop {
        let error = match cx.stop.run_until_cancelled(ask()).await {
            None => return Err(Failure::interrupted()),
            Some(Ok(found)) => return Ok(found),
            Some(Err(error @ NodeError::NoManifest { .. })) => Failure::from(error),
            Some(Err(error)) => return Err(error.into()),
        };
        if cx.settings.timeout.value.0.is_some_and(|limit| begun.elapsed() >= limit) {
            return Err(error);
        }
        if error.message != said {
            let hint = error.hint.as_deref().unwrap_or_default();
            cx.console.warn(format_args!("{}; asking again; {hint}", inert(&error.message)));
            said = error.message;
        }
        // A user who has had enough is noticed above.
        cx.stop.run_until_cancelled(time::sleep(ROUND_PAUSE)).await;
    }
}

/// Whether neither the source nor the user names anybody.
fn nobody_to_ask(source: &Source, named: usize) -> bool {
    let of_source = match source {
        Source::Link(link) => link.trackers.len() + link.peers.len(),
        Source::Manifest(manifest) => manifest.extras().trackers.len(),
    };
    named + of_source == 0
}

fn nobody_named(source: &Source) -> Failure {
    let failure = Failure::new(Code::Network, "no_peers", "nobody to ask: no tracker and no peer");
    match source {
        // Every link that we print has more than an id.
        Source::Link(Link { name: None, .. }) => failure.hint(
            "the link ends after its id: put it in quotes, or the shell cuts it at the first &",
        ),
        _ => failure.hint("give --tracker KEY@HOST:PORT or --peer KEY@HOST:PORT"),
    }
}
