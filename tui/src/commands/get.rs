//! `swarm get`: fetches a share, verifies it, and shares on for a while.

mod dry;
mod find;
mod patience;
mod say;
mod stream;

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::try_join;
use swarm_engine::Order;
use swarm_node::{Identity, Node, Source, Transfer};

use self::patience::Patience;
use super::{Context, watch::Watch};
use crate::{
    args::GetArgs,
    exit::{Code, Failure},
    history::{Role, everywhere},
    hook::{self, Facts, Hook},
    output::json::Line,
    paths::Key,
    share::Policy,
    source::{link_of, read_source},
    units::Bytes,
};

/// Fetches until everything is verified and in place, and shares on for as long as the user wants.
pub async fn run(mut cx: Context, args: GetArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    if args.dry_run && cx.settings.output.value == Path::new("-") {
        return Err(Failure::usage("--dry-run writes nothing, and -o - would be nothing else")
            .hint("leave one of them out"));
    }
    // The folder goes when all is done, whatever happened.
    let stream = stream::prepare(&mut cx, &args)?;
    let source = read_source(&args.source)?;
    hook::check(&cx.settings.on_complete.value, env::var_os("PATH").as_deref())?;
    // A new key for each run: two downloads on one machine are two nodes of the swarm.
    let identity = match &args.peer.identity {
        Some(file) => cx.paths.identity(Key::Node, Some(file))?,
        None => Identity::generate(),
    };
    let mut config = cx.settings.node();
    if let Some(limit) = cx.settings.timeout.value.0 {
        config.manifest_patience = config.manifest_patience.min(limit);
    }
    if stream.is_some() {
        config.engine.order = Order::Sequential;
    }
    let node = Node::start(identity, config).await?;
    if args.dry_run {
        let looked = dry::run(&cx, &args, &node, source).await;
        node.shutdown().await;
        return looked;
    }
    let done = fetch(&cx, &args, &node, source, begun, stream.as_ref()).await;
    node.shutdown().await;
    done
}

/// Fetches everything, to stdout if there is a folder for that.
async fn fetch(
    cx: &Context,
    args: &GetArgs,
    node: &Node,
    source: Source,
    begun: Instant,
    stream: Option<&stream::Folder>,
) -> Result<(), Failure> {
    let link = match &source {
        Source::Link(link) => link.to_string(),
        Source::Manifest(manifest) => link_of(manifest).to_string(),
    };
    let transfer = find::transfer(cx, args, node, source, stream).await?;
    let mut watch = Watch::new(cx, &transfer, Role::Get, link.clone(), begun);
    let first = watch.latest();
    let resumed = first.bytes_have;
    let chosen = !args.only.is_empty() || !args.skip.is_empty();
    say::started(cx, node, &transfer, &first, chosen)?;

    let everything = async {
        let in_place = async { Ok(transfer.completed().await?) };
        match stream {
            None => in_place.await,
            Some(_) => try_join(in_place, stream::to_stdout(&transfer)).await.map(|((), ())| ()),
        }
    };
    let arrived = download(cx, &transfer, &mut watch, everything).await;
    // What has led to the end is said before it.
    watch.catch_up()?;
    watch.clear();
    arrived.map_err(|failure| match stream {
        None => failure,
        Some(_) => stream::without_rest(failure),
    })?;
    let snapshot = watch.settled().await;
    let took = begun.elapsed();
    let said =
        say::completed(cx, &transfer, &snapshot, resumed, took).and_then(|()| match stream {
            None => cx.console.result(transfer.path().display()),
            Some(_) => Ok(()),
        });
    // All is there, whether anybody reads our output or not.
    let hook = start_hook(cx, &transfer, &link, snapshot.bytes_have, took);
    let shared = match said {
        Ok(()) => share_on(cx, cx.settings.seed.value, &mut watch).await,
        failed => failed,
    };
    watch.clear();
    transfer.stop().await;
    if shared.is_ok() {
        watch.ended();
    }
    let hooked = match hook {
        Some(hook) => hook.finish().await,
        None => Ok(()),
    };
    shared.and(hooked)?;
    let uploaded = Some(watch.latest().totals.uploaded);
    let (swarm, seconds) = (Some(transfer.id()), begun.elapsed().as_secs_f64());
    cx.console.object(&Line::Stopped { swarm, seconds, uploaded })
}

/// Follows the transfer until everything is where it is to be.
async fn download(
    cx: &Context,
    transfer: &Transfer,
    watch: &mut Watch,
    everything: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut patience = Patience::new(cx.settings.timeout.value.0, Instant::now());
    let mut everything = std::pin::pin!(everything);
    loop {
        let snapshot = tokio::select! {
            biased;
            done = &mut everything => return done,
            () = cx.stop.cancelled() => break,
            news = watch.next() => news?,
        };
        if let Some(failure) = patience.lost(Instant::now(), &snapshot) {
            transfer.stop().await;
            return Err(failure);
        }
    }
    transfer.stop().await;
    watch.ended();
    let snapshot = watch.latest();
    let (done, all) = (Bytes(snapshot.bytes_have), Bytes(snapshot.bytes_wanted));
    Err(Failure::new(Code::Stopped, "stopped", format!("stopped with {done} of {all} verified"))
        .hint("run the same command again to go on from there"))
}

/// Runs the program that the user has for this.
fn start_hook(
    cx: &Context,
    transfer: &Transfer,
    link: &str,
    bytes: u64,
    took: Duration,
) -> Option<Hook> {
    let (path, name) = (everywhere(transfer.path()), &transfer.manifest().info().name);
    let facts = Facts { path: &path, name, id: transfer.id(), link, bytes, took };
    Hook::start(&cx.settings.on_complete.value, &facts, &cx.console, cx.stop.clone())
}

/// Serves others until the policy or the user ends it.
async fn share_on(cx: &Context, policy: Policy, watch: &mut Watch) -> Result<(), Failure> {
    let policy = watch.answer().unwrap_or(policy);
    if policy == Policy::Never {
        return Ok(());
    }
    let (mut sharing, start) = (watch.sharing(policy), Instant::now());
    if sharing.is_asking() {
        cx.console.note("sharing on; the screen asks for how long");
    } else {
        cx.console.note(format_args!("sharing on {} (Ctrl-C ends it)", policy.describe()));
    }
    loop {
        let snapshot = tokio::select! {
            () = cx.stop.cancelled() => return Ok(()),
            news = watch.next() => news?,
        };
        watch.answer().into_iter().for_each(|policy| sharing.decide(policy));
        if let Some(why) = sharing.ended(start.elapsed(), &snapshot) {
            watch.clear();
            let uploaded = Bytes(snapshot.totals.uploaded);
            // Who has chosen knows what else there is.
            let more = match cx.settings.asks_to_share() {
                true => "; with --seed forever the same command shares it on",
                false => "",
            };
            cx.console.note(format_args!("stopped sharing: {why}; {uploaded} uploaded{more}"));
            return Ok(());
        }
    }
}
