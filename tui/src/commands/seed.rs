//! `swarm seed`: shares a file or folder, and prints the command to fetch it.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use swarm_node::{SeedOptions, Transfer};
use swarm_proto::{link::Link, manifest::Manifest};

use super::{Context, create, watch::Watch};
use crate::{
    args::SeedArgs,
    exit::Failure,
    history::Role,
    output::json::Line,
    paths::Key,
    services::Services,
    source::{beside, is_manifest, link_of, read_manifest},
    text::shell_quoted,
    units::Bytes,
};

/// Shares until told to stop.
pub async fn run(cx: Context, args: SeedArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    // Hashing takes long: whatever can be known to be wrong is said before it.
    let input = Input::open(&args)?;
    let services = start(&cx, &args, &input).await?;
    let done = share(&cx, &args, input, &services, begun).await;
    services.shutdown().await;
    done
}

/// What is shared: a manifest that exists, or something that still needs one.
enum Input {
    Manifest(Box<Manifest>, PathBuf),
    Files(PathBuf),
}

impl Input {
    /// Looks at what the user names. A file that is called `.swarm` is a manifest.
    fn open(args: &SeedArgs) -> Result<Self, Failure> {
        let path = &args.path;
        let meta = path.metadata().map_err(|error| Failure::file(path, &error))?;
        if !(meta.is_file() && is_manifest(path)) {
            if args.data.is_some() || args.skip_verify {
                return Err(Failure::usage("--data and --skip-verify need a manifest")
                    .hint("name a FILE.swarm, or leave the flag out"));
            }
            return Ok(Self::Files(path.clone()));
        }
        let manifest = read_manifest(path)?;
        let data = args.data.clone().unwrap_or_else(|| beside(path, &manifest));
        data.metadata().map_err(|error| {
            Failure::file(&data, &error).hint("name the file or folder of the manifest with --data")
        })?;
        Ok(Self::Manifest(Box::new(manifest), data))
    }

    /// What is shared.
    fn path(&self) -> &Path {
        match self {
            Self::Manifest(_, path) | Self::Files(path) => path,
        }
    }

    fn has_trackers(&self) -> bool {
        match self {
            Self::Manifest(manifest, _) => !manifest.extras().trackers.is_empty(),
            Self::Files(_) => false,
        }
    }
}

/// Starts what listens: the node, and a tracker if nobody named one.
async fn start(cx: &Context, args: &SeedArgs, input: &Input) -> Result<Services, Failure> {
    let identity = cx.paths.identity(Key::Node, args.peer.identity.as_deref())?;
    let services = Services::start(cx, identity, Some(input.path()), true).await?;
    if cx.settings.trackers.value.is_empty()
        && !input.has_trackers()
        && let Err(failure) = services.start_tracker(cx, args.tracker.tracker_listen).await
    {
        services.shutdown().await;
        return Err(failure);
    }
    Ok(services)
}

/// Makes or takes the manifest, serves, and says so, until told to stop.
async fn share(
    cx: &Context,
    args: &SeedArgs,
    input: Input,
    services: &Services,
    begun: Instant,
) -> Result<(), Failure> {
    let (manifest, path, verify) = match input {
        Input::Manifest(manifest, data) => (*manifest, data, !args.skip_verify),
        // What has just been read needs no second reading.
        Input::Files(path) => (make(cx, args, &path, services).await?, path, false),
    };
    let manifest = Arc::new(manifest);
    create::announce(cx, &manifest);

    let mut trackers = cx.settings.trackers.value.clone();
    trackers.extend(services.tracker().map(|tracker| tracker.local.clone()));
    let options =
        SeedOptions { path: path.clone(), trackers, peers: args.peer.peers.clone(), verify };
    let transfer = tokio::select! {
        () = cx.stop.cancelled() => return Err(Failure::interrupted()),
        transfer = services.node.seed(Arc::clone(&manifest), options) => transfer?,
    };
    let link = say_where(cx, &manifest, &path, services)?;
    let uploaded = serve(cx, &transfer, link, begun).await?;
    let (swarm, seconds) = (Some(manifest.id()), begun.elapsed().as_secs_f64());
    cx.console.note(format_args!("stopped sharing: {} uploaded", Bytes(uploaded)));
    cx.console.object(&Line::Stopped { swarm, seconds, uploaded: Some(uploaded) })
}

async fn make(
    cx: &Context,
    args: &SeedArgs,
    path: &Path,
    services: &Services,
) -> Result<Manifest, Failure> {
    let trackers = services.trackers(cx, &[]);
    let signer = match args.manifest.sign {
        true => Some(cx.paths.identity(Key::Node, args.peer.identity.as_deref())?),
        false => None,
    };
    let manifest = create::make(cx, path, None, &args.manifest, trackers, signer.as_ref()).await?;
    if let Some(file) = &args.save {
        // The same share makes the same manifest; who says --save again wants the new one.
        create::save(file, &manifest, true)?;
        cx.console.note(format_args!("wrote {}", file.display()));
    }
    Ok(manifest)
}

/// Says how others fetch it. Returns the link.
fn say_where(
    cx: &Context,
    manifest: &Manifest,
    path: &Path,
    services: &Services,
) -> Result<String, Failure> {
    let trackers = services.trackers(cx, &manifest.extras().trackers);
    let name = &manifest.info().name;
    let peers = vec![services.peer.clone()];
    let link = Link { trackers: trackers.clone(), peers, ..link_of(manifest) };
    let (link, peer) = (link.to_string(), services.peer.to_string());
    let listen = services.node.listen_addr();
    let trackers: Vec<_> = trackers.iter().map(ToString::to_string).collect();
    cx.console.object(&Line::Seeding {
        link: &link,
        swarm: manifest.id(),
        name,
        path,
        bytes: manifest.geometry().total_bytes(),
        pieces: manifest.geometry().piece_count(),
        listen,
        peer: &peer,
        tracker: trackers.first().map(String::as_str),
        trackers: &trackers,
    })?;
    cx.console.note(format_args!("sharing on {listen}; others fetch it with"));
    cx.console.result(format_args!("swarm get {}", shell_quoted(&link)))?;
    if services.peer.key.is_none() {
        cx.console.warn("transport is plain: nothing is encrypted and nobody proves who they are");
    }
    let host: Option<IpAddr> = services.peer.host.parse().ok();
    if host.is_some_and(|ip| ip.is_loopback()) {
        cx.console.warn("this link works on this machine only; give --advertise HOST for others");
    }
    Ok(link)
}

/// Serves until told to stop. Returns the bytes uploaded.
async fn serve(
    cx: &Context,
    transfer: &Transfer,
    link: String,
    begun: Instant,
) -> Result<u64, Failure> {
    let mut watch = Watch::new(cx, transfer, Role::Seed, link, begun);
    loop {
        tokio::select! {
            () = cx.stop.cancelled() => break,
            news = watch.next() => { news?; }
        }
    }
    watch.clear();
    transfer.stop().await;
    watch.ended();
    Ok(watch.latest().totals.uploaded)
}
