//! One process of a benchmark: the seeder, a getter, or the one that cleans up behind a benchmark
//! that was killed.
//!
//! It lives as long as its stdin is open, so nothing is left when the benchmark ends, however it
//! ends.

use std::{
    fs,
    io::{self, BufRead},
    path::Path,
    process, thread,
    time::Duration,
};

use serde_json::Error as JsonError;
use swarm_node::{GetOptions, Identity, Node, SeedOptions, Source, State, Transfer, Transport};
use swarm_proto::link::{Endpoint, Link};
use tokio::{sync::mpsc, time};

use super::{
    measures::Process,
    message::{GO, Job, MANIFEST, News, manifest_of},
    usage::Usage,
};
use crate::{
    args::PartArgs,
    commands::{Context, create},
    exit::{Code, Failure},
    services::{start_tracker, tracker_endpoint},
    source::{link_of, read_manifest},
};

/// A part that has not ended this long after its stdin is ended by force: it would otherwise stay
/// for ever on a disk that hangs.
const GRACE: Duration = Duration::from_secs(10);
/// How often, and how many times, the folder of a dead benchmark is removed: its other parts end at
/// the same moment, and may still be writing.
const REMOVE_EVERY: Duration = Duration::from_millis(100);
const REMOVE_TIMES: usize = 50;

/// Does what stdin says.
pub async fn run(cx: Context, args: PartArgs) -> Result<(), Failure> {
    let mut input = Input::open();
    let done = work(&cx, &args.folder, &mut input).await;
    match done {
        Ok(()) => Ok(()),
        // The owner tells the user; stderr is not ours to write to.
        Err(failure) => say(&News::Failed {
            code: failure.code as u8,
            message: failure.message,
            hint: failure.hint,
        }),
    }
}

async fn work(cx: &Context, folder: &Path, input: &mut Input) -> Result<(), Failure> {
    let line = input.line().await.unwrap_or_default();
    let job: Job = serde_json::from_str(&line).map_err(|error: JsonError| {
        Failure::usage(format!("no job: {error}"))
            .hint("run `swarm bench`, which starts this itself")
    })?;
    match job {
        Job::Keep => keep(folder, input).await,
        Job::Seed { data } => seed(cx, folder, &data, input).await,
        Job::Get { output, link, peers } => {
            let source = source(folder, link.as_deref())?;
            let peers = peers.iter().map(|peer| peer.parse()).collect::<Result<_, _>>()?;
            let trackers = cx.settings.trackers.value.clone();
            let manifest = folder.join(manifest_of(&output));
            let options = GetOptions {
                output: folder.join(output),
                trackers,
                peers,
                ..GetOptions::default()
            };
            get(cx, source, options, &manifest, input).await
        }
    }
}

/// Waits for the end of the benchmark. One that ends as it should has removed its folder.
async fn keep(folder: &Path, input: &mut Input) -> Result<(), Failure> {
    say(&News::Ready { link: None })?;
    while input.line().await.is_some() {}
    for _ in 0..REMOVE_TIMES {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                time::sleep(REMOVE_EVERY).await;
            }
            _ => break,
        }
    }
    Ok(())
}

/// What `swarm seed` does: a node and a tracker beside it.
async fn seed(cx: &Context, folder: &Path, data: &str, input: &mut Input) -> Result<(), Failure> {
    let manifest = read_manifest(&folder.join(MANIFEST))?;
    let (transport, listen) = (cx.settings.transport.value.into(), cx.settings.listen.value);
    let server = start_tracker(&Identity::generate(), listen, transport).await?;
    let at = tracker_endpoint(&server, transport, listen.ip().to_string());
    let node = Node::start(Identity::generate(), cx.settings.node()).await?;
    let key = (transport == Transport::Tls).then(|| node.peer_id());
    let peer = Endpoint::at(key, node.listen_addr());
    let link = Link { trackers: vec![at.clone()], peers: vec![peer], ..link_of(&manifest) };
    let options = SeedOptions {
        path: folder.join(data),
        trackers: vec![at],
        peers: Vec::new(),
        verify: false,
    };
    let transfer = node.seed(manifest.into(), options).await?;
    say(&News::Ready { link: Some(link.to_string()) })?;
    tokio::select! {
        () = cx.stop.cancelled() => {}
        () = input.ended() => {}
    }
    say_ended(&transfer).await?;
    node.shutdown().await;
    server.shutdown().await;
    Ok(())
}

/// What `swarm get` does; it shares on until the end of the benchmark.
async fn get(
    cx: &Context,
    source: Source,
    options: GetOptions,
    keep: &Path,
    input: &mut Input,
) -> Result<(), Failure> {
    let node = Node::start(Identity::generate(), cx.settings.node()).await?;
    say(&News::Ready { link: None })?;
    if input.line().await.as_deref() != Some(GO) {
        return Ok(());
    }
    let transfer = tokio::select! {
        () = input.ended() => return Ok(()),
        transfer = node.get(source, options) => transfer?,
    };
    let manifest = transfer.manifest();
    say(&News::Started {
        swarm: manifest.id().to_string(),
        bytes: manifest.geometry().total_bytes(),
        piece_length: manifest.geometry().piece_length(),
    })?;
    let ended = tokio::select! {
        done = fetch(&transfer) => { done?; false }
        () = input.ended() => true,
        () = cx.stop.cancelled() => true,
    };
    if !ended {
        // At once: the clock runs until the owner reads it.
        say(&News::Completed { bytes: manifest.geometry().total_bytes() })?;
        tokio::select! {
            () = input.ended() => {}
            () = cx.stop.cancelled() => {}
        }
    }
    say_ended(&transfer).await?;
    node.shutdown().await;
    // The owner checks the copy with it, after the clock has stopped.
    create::save(keep, transfer.manifest(), true)
}

/// Follows the transfer until everything is in place.
async fn fetch(transfer: &Transfer) -> Result<(), Failure> {
    let mut snapshots = transfer.snapshots();
    let mut completed = std::pin::pin!(transfer.completed());
    loop {
        tokio::select! {
            biased;
            done = &mut completed => return Ok(done?),
            Ok(()) = snapshots.changed() => {}
        }
        let snapshot = snapshots.borrow_and_update().clone();
        if snapshot.state != State::Seeding {
            say(&News::Progress {
                bytes_have: snapshot.bytes_have,
                downloaded: snapshot.totals.downloaded,
                bottleneck: snapshot.bottleneck,
            })?;
        }
    }
}

fn source(folder: &Path, link: Option<&str>) -> Result<Source, Failure> {
    match link {
        Some(link) => Ok(Source::Link(link.parse()?)),
        None => Ok(Source::Manifest(read_manifest(&folder.join(MANIFEST))?.into())),
    }
}

async fn say_ended(transfer: &Transfer) -> Result<(), Failure> {
    let usage = Usage::now();
    // The last snapshot has the final counts.
    transfer.stop().await;
    let totals = transfer.snapshots().borrow().totals;
    say(&News::Ended(Process {
        usage,
        downloaded: totals.downloaded,
        uploaded: totals.uploaded,
        duplicate: totals.duplicate,
        corrupt: totals.corrupt,
        from_seeds: totals.from_seeds,
    }))
}

fn say(news: &News) -> Result<(), Failure> {
    use io::Write;
    let written = serde_json::to_string(news).map_err(io::Error::other).and_then(|text| {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush())
    });
    // Whoever would read it is gone, and so are we.
    written.map_err(|_| Failure::new(Code::Pipe, "pipe", "the benchmark is gone"))
}

/// Lines from stdin.
struct Input(mpsc::Receiver<String>);

impl Input {
    /// A thread reads, because a read from stdin cannot be taken back; it does not keep the process
    /// from ending.
    fn open() -> Self {
        let (lines, input) = mpsc::channel(1);
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    break;
                }
            }
            drop(lines);
            thread::sleep(GRACE);
            process::exit(Code::Other as i32);
        });
        Self(input)
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// Waits for the end.
    async fn ended(&mut self) {
        while self.line().await.is_some() {}
    }
}
