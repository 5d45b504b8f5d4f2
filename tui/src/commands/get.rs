//! `swarm get`: fetches a share, verifies it, and shares on for a while.

mod dry;
mod room;
mod stream;

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::try_join;
use swarm_engine::Order;
use swarm_node::{
    GetOptions, Identity, Node, NodeError, Priority, Selection, Snapshot, Source, State, Transfer,
    Transport,
};
use swarm_proto::link::{Endpoint, Link};
use tokio::time;

use super::{Context, create, watch::Watch};
use crate::{
    args::GetArgs,
    exit::{Code, Failure},
    history::{Role, everywhere},
    hook::{self, Facts, Hook},
    output::json::{Line, from_peers},
    paths::Key,
    reach::link_host,
    share::Policy,
    source::{link_of, read_source},
    text::inert,
    units::{Bytes, Clock, Rate, Span},
};

/// Between two rounds of asking for the manifest: all may have refused for good, and a refusal takes
/// no time.
const ROUND_PAUSE: Duration = Duration::from_secs(2);

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
        let looked = look(&cx, &args, &node, source).await;
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
    if let (Some(folder), Source::Manifest(manifest)) = (stream, &source) {
        stream::check(manifest, folder)?;
    }
    let transfer = start(cx, args, node, source).await?;
    if let Some(folder) = stream {
        stream::check(transfer.manifest(), folder)?;
    }
    let mut watch = Watch::new(cx, &transfer, Role::Get, link.clone(), begun);
    let first = watch.latest();
    let resumed = first.bytes_have;
    let chosen = !args.only.is_empty() || !args.skip.is_empty();
    say_started(cx, node, &transfer, &first, chosen)?;

    let everything = async {
        let in_place = async { Ok(transfer.completed().await?) };
        match stream {
            None => in_place.await,
            Some(_) => try_join(in_place, stream::to_stdout(&transfer)).await.map(|((), ())| ()),
        }
    };
    let arrived = download(cx, &transfer, &mut watch, everything).await;
    watch.clear();
    arrived.map_err(|failure| match stream {
        None => failure,
        Some(_) => stream::without_rest(failure),
    })?;
    let snapshot = watch.settled().await;
    let took = begun.elapsed();
    let said = say_completed(cx, &transfer, &snapshot, resumed, took).and_then(|()| match stream {
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

/// Finds the manifest and starts the transfer.
async fn start(
    cx: &Context,
    args: &GetArgs,
    node: &Node,
    source: Source,
) -> Result<Transfer, Failure> {
    let options = asking(cx, args, &source)?;
    let ask = async || node.get(source.clone(), options.clone()).await;
    tokio::select! {
        () = cx.stop.cancelled() => Err(Failure::interrupted()),
        transfer = ask_until_found(cx, ask) => transfer,
    }
}

/// Finds the manifest and says what a download would be.
async fn look(cx: &Context, args: &GetArgs, node: &Node, source: Source) -> Result<(), Failure> {
    let options = asking(cx, args, &source)?;
    tokio::select! {
        () = cx.stop.cancelled() => Err(Failure::interrupted()),
        looked = dry::run(cx, node, source, &options) => looked,
    }
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

/// Asks for the manifest until somebody has it or patience ends, and says who does not have it and
/// why, as often as that changes.
async fn ask_until_found<T>(
    cx: &Context,
    ask: impl AsyncFn() -> Result<T, NodeError>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let mut said = String::new();
    loop {
        let error = match ask().await {
            Ok(found) => return Ok(found),
            Err(error @ NodeError::NoManifest { .. }) => Failure::from(error),
            Err(error) => return Err(error.into()),
        };
        if cx.settings.timeout.value.0.is_some_and(|limit| begun.elapsed() >= limit) {
            return Err(error);
        }
        if error.message != said {
            let hint = error.hint.as_deref().unwrap_or_default();
            cx.console.warn(format_args!("{}; asking again; {hint}", inert(&error.message)));
            said = error.message;
        }
        time::sleep(ROUND_PAUSE).await;
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

/// When a download is given up: when nothing comes, or the disk takes nothing, for the time that the
/// user allows. What the user paused waits as long as the user likes.
struct Patience {
    limit: Option<Duration>,
    since: Instant,
    received: u64,
    verified: u64,
}

impl Patience {
    const fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self { limit, since: now, received: 0, verified: 0 }
    }

    fn lost(&mut self, now: Instant, snapshot: &Snapshot) -> Option<Failure> {
        let (received, verified) = (snapshot.totals.downloaded, snapshot.bytes_have);
        let goes_on = match snapshot.state {
            State::Downloading => received > self.received,
            // What comes while the disk is tried again is no progress until it is kept.
            State::DiskTrouble => verified > self.verified,
            _ => true,
        };
        (self.received, self.verified) = (received, verified);
        if goes_on {
            self.since = now;
        }
        let limit = self.limit.filter(|limit| now - self.since >= *limit)?;
        Some(match (snapshot.state, snapshot.peers.is_empty()) {
            (State::DiskTrouble, _) => out_of_space(limit),
            (_, true) => out_of_patience("no peer was found", Some(limit)),
            (_, false) => out_of_patience("no peer sent anything", Some(limit)),
        })
    }
}

fn out_of_space(limit: Duration) -> Failure {
    let limit = Span(limit);
    Failure::new(Code::Disk, "disk", format!("the disk took nothing for {limit}")).hint(
        "make space on it; the same command goes on from what is verified, and --timeout sets how \
         long to wait",
    )
}

fn out_of_patience(what: &str, limit: Option<Duration>) -> Failure {
    let limit = Span(limit.unwrap_or_default());
    Failure::new(Code::Network, "no_peers", format!("{what} for {limit}")).hint(
        "check that somebody shares it and can be reached; --timeout sets how long to wait, \
         and the same command goes on from what is verified",
    )
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

fn say_started(
    cx: &Context,
    node: &Node,
    transfer: &Transfer,
    snapshot: &Snapshot,
    chosen: bool,
) -> Result<(), Failure> {
    let (manifest, path) = (transfer.manifest(), transfer.path());
    let resumed = snapshot.bytes_have;
    create::announce(cx, manifest);
    if let Some(choice) = choice(snapshot) {
        let before = if chosen { "" } else { " as before; --only '*' fetches all" };
        cx.console.note(format_args!("{choice}{before}"));
    }
    if resumed > 0 {
        let (have, all) = (Bytes(resumed), Bytes(snapshot.bytes_wanted));
        cx.console.note(format_args!("going on from {have} of {all} verified earlier"));
    }
    if let Some(warning) = room::lacking(&cx.settings.output.value, snapshot) {
        cx.console.warn(warning);
    }
    let transport: Transport = cx.settings.transport.value.into();
    if transport == Transport::Plain {
        cx.console.warn("transport is plain: nothing is encrypted and nobody proves who they are");
    }
    let listen = node.listen_addr();
    let key = (transport == Transport::Tls).then(|| node.peer_id());
    let host = link_host(listen, cx.settings.advertise.value.as_deref());
    let peer = Endpoint { key, host, port: listen.port() }.to_string();
    cx.console.object(&Line::Started {
        swarm: transfer.id(),
        name: &manifest.info().name,
        path,
        bytes: manifest.geometry().total_bytes(),
        bytes_have: resumed,
        pieces: manifest.geometry().piece_count(),
        listen,
        peer: &peer,
    })
}

/// `fetching 3 of 5 files, 1.20 GiB of 4.00 GiB`, if not all are wanted.
fn choice(snapshot: &Snapshot) -> Option<String> {
    let files = snapshot.priorities.len();
    let skipped = snapshot.priorities.iter().filter(|&&p| p == Priority::Skip).count();
    let (wanted, all) = (Bytes(snapshot.bytes_wanted), Bytes(snapshot.bytes));
    let files = (skipped > 0).then(|| format!("{} of {files} files", files - skipped))?;
    Some(format!("fetching {files}, {wanted} of {all}"))
}

fn say_completed(
    cx: &Context,
    transfer: &Transfer,
    snapshot: &Snapshot,
    resumed: u64,
    took: Duration,
) -> Result<(), Failure> {
    let totals = &snapshot.totals;
    cx.console.note(summary(snapshot, took));
    cx.console.object(&Line::Completed {
        path: transfer.path(),
        bytes: snapshot.bytes_have,
        seconds: took.as_secs_f64(),
        swarm: transfer.id(),
        resumed,
        downloaded: totals.downloaded,
        from_seeds: totals.from_seeds,
        from_peers: from_peers(snapshot),
        uploaded: totals.uploaded,
        duplicate: totals.duplicate,
        corrupt: totals.corrupt,
    })
}

/// `verified 5.30 GiB in 1:03 (84.2 MiB/s): 40 % from seeds, 60 % from other peers`.
fn summary(snapshot: &Snapshot, took: Duration) -> String {
    let downloaded = snapshot.totals.downloaded;
    let mut text = format!("verified {} in {}", Bytes(snapshot.bytes_have), Clock(took.as_secs()));
    if downloaded > 0 {
        let rate = downloaded as f64 / took.as_secs_f64().max(0.001);
        let share = |part: u64| (part as f64 * 100.0 / downloaded as f64).round();
        let seeds = share(snapshot.totals.from_seeds);
        text += &format!(
            " ({}): {seeds:.0} % from seeds, {:.0} % from other peers",
            Rate(rate as u64),
            100.0 - seeds
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    #[test]
    fn a_choice_of_files_is_said() {
        let mut snapshot = sample::downloading();
        assert_eq!(choice(&snapshot), None);
        snapshot.priorities = vec![Priority::High, Priority::Skip, Priority::Normal];
        snapshot.bytes_wanted = 700 << 20;
        let said = choice(&snapshot).unwrap();
        assert_eq!(said, "fetching 2 of 3 files, 700 MiB of 900 MiB");
    }

    #[test]
    fn patience_ends_when_nothing_comes() {
        let start = Instant::now();
        let after = |s| start + Duration::from_secs(s);
        let mut patience = Patience::new(Some(Duration::from_secs(60)), start);
        let mut snapshot = sample::downloading();
        assert_eq!(patience.lost(after(50), &snapshot), None, "the first bytes");
        assert_eq!(patience.lost(after(109), &snapshot), None);
        let failure = patience.lost(after(110), &snapshot).unwrap();
        assert_eq!(failure.code, Code::Network);
        assert_eq!(failure.message, "no peer sent anything for 1m");
        snapshot.peers.clear();
        let alone = patience.lost(after(110), &snapshot).unwrap();
        assert_eq!(alone.message, "no peer was found for 1m");
    }

    #[test]
    fn patience_ends_when_the_disk_keeps_nothing_and_not_in_a_pause() {
        let start = Instant::now();
        let after = |s| start + Duration::from_secs(s);
        let mut patience = Patience::new(Some(Duration::from_secs(60)), start);
        let mut snapshot = sample::downloading();
        snapshot.state = State::Paused;
        assert_eq!(patience.lost(after(500), &snapshot), None);
        snapshot.state = State::DiskTrouble;
        assert_eq!(patience.lost(after(550), &snapshot), None);
        snapshot.totals.downloaded += 16 << 10;
        let failure = patience.lost(after(560), &snapshot).unwrap();
        assert_eq!(failure.code, Code::Disk);
        assert_eq!(failure.message, "the disk took nothing for 1m");
        snapshot.bytes_have += 1 << 20;
        assert_eq!(patience.lost(after(570), &snapshot), None, "there is space again");
    }

    #[test]
    fn without_a_limit_patience_never_ends() {
        let start = Instant::now();
        let mut patience = Patience::new(None, start);
        let later = start + Duration::from_secs(1 << 20);
        assert_eq!(patience.lost(later, &sample::downloading()), None);
    }

    #[test]
    fn the_summary_says_where_the_bytes_came_from() {
        let mut snapshot = sample::seeding();
        assert_eq!(
            summary(&snapshot, Duration::from_secs(61)),
            "verified 900 MiB in 1:01 (10.0 MiB/s): 33 % from seeds, 67 % from other peers"
        );
        snapshot.totals.downloaded = 0;
        assert_eq!(summary(&snapshot, Duration::ZERO), "verified 900 MiB in 0:00");
    }
}
