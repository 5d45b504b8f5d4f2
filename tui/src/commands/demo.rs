//! `swarm demo`: a tracker, a seeder and several downloaders in one process, over real connections
//! on loopback, to a verified end.

pub mod compare;
pub mod source;
mod view;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{
    StreamExt,
    future::{join_all, try_join_all},
    stream::FuturesUnordered,
};
use swarm_node::{
    GetOptions, Identity, Node, NodeConfig, SeedOptions, Snapshot, Source, Transfer, Transport,
};
use swarm_proto::{link::Endpoint, manifest::Manifest};
use swarm_tracker::Server;
use tempfile::TempDir;
use tokio::time;

use self::view::View;
use super::{Context, blocking, create, watch::settled};
use crate::{
    args::{DemoArgs, ManifestArgs},
    exit::{Code, Failure},
    output::json::{Line, from_peers},
    room,
    services::start_tracker,
    source::link_of,
    text::counted,
    units::{Bytes, Rate},
};

/// How often the view looks at the downloaders: as often as they have news.
const TICK: Duration = Duration::from_millis(100);
/// A loopback on which nothing moves for this long is a bug, and a demo that hangs is no demo.
const STALL: Duration = Duration::from_secs(60);

/// Shares and fetches on loopback until every copy is compared, or until told to stop.
pub async fn run(cx: Context, args: DemoArgs) -> Result<(), Failure> {
    let folder = temporary(args.temp.as_deref())?;
    let path = match &args.path {
        Some(path) => path.clone(),
        None => source::random(&cx, folder.path(), args.size.0).await?,
    };
    let options = ManifestArgs::default();
    let manifest = Arc::new(create::make(&cx, &path, None, &options, Vec::new(), None).await?);
    create::announce(&cx, &manifest);
    room::check_copies(folder.path(), &manifest, args.peers, source::SMALLER)?;

    let demo = Demo { args, path, manifest, folder: folder.path().to_owned() };
    let mut cast = Cast::default();
    let done = demo.play(&cx, &mut cast).await;
    cast.shutdown().await;
    done
    // The folder goes with its guard, whatever happened.
}

fn temporary(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("swarm-demo-");
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    builder.tempdir_in(&parent).map_err(|error| {
        let hint = "name a folder to work in with --temp";
        Failure::file(&parent, &error).hint(hint)
    })
}

/// What is played.
struct Demo {
    args: DemoArgs,
    path: PathBuf,
    manifest: Arc<Manifest>,
    folder: PathBuf,
}

/// Everybody who takes part.
#[derive(Default)]
struct Cast {
    tracker: Option<Server>,
    nodes: Vec<Node>,
}

impl Cast {
    async fn shutdown(self) {
        join_all(self.nodes.into_iter().map(Node::shutdown)).await;
        if let Some(tracker) = self.tracker {
            tracker.shutdown().await;
        }
    }

    /// Another node, on loopback, with a key of its own.
    async fn join(&mut self, upload_limit: Option<u64>) -> Result<(), Failure> {
        let mut config = NodeConfig { listen: loopback(), disk_threads: 1, ..Default::default() };
        config.engine.upload_limit = upload_limit;
        self.nodes.push(Node::start(Identity::generate(), config).await?);
        Ok(())
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// One downloader.
pub struct Downloader {
    transfer: Transfer,
    /// When it was complete, since the start.
    pub done: Option<Duration>,
}

impl Downloader {
    /// How it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.transfer.snapshots().borrow())
    }
}

impl Demo {
    async fn play(&self, cx: &Context, cast: &mut Cast) -> Result<(), Failure> {
        let server = start_tracker(&Identity::generate(), loopback(), Transport::Tls).await?;
        let at = Endpoint::at(Some(server.peer_id()), server.listen_addr());
        cast.tracker = Some(server);
        cast.join(self.args.upload_limit.0).await?;
        let count = self.args.peers;
        for _ in 0..count {
            cast.join(None).await?;
        }
        let Some((seeder, downloaders)) = cast.nodes.split_first() else { return Ok(()) };
        let seeder = self.seed(seeder, at.clone()).await?;
        cx.console.object(&Line::Demo {
            swarm: self.manifest.id(),
            bytes: self.bytes(),
            downloaders: count,
            folder: &self.folder,
        })?;
        cx.console.note(format_args!(
            "one seeder, a tracker and {} on loopback, in {}",
            counted(u64::from(count), "downloader"),
            self.folder.display(),
        ));
        let begun = Instant::now();
        let started = downloaders.iter().zip(1..).map(|(node, n)| self.get(node, n, at.clone()));
        let mut downloaders = try_join_all(started).await?;
        self.follow(cx, &mut downloaders, begun).await?;
        let took = begun.elapsed();
        self.compare(cx, &downloaders).await?;
        seeder.stop().await;
        self.sum_up(cx, &seeder, &downloaders, took)
    }

    fn bytes(&self) -> u64 {
        self.manifest.geometry().total_bytes()
    }

    async fn seed(&self, node: &Node, tracker: Endpoint) -> Result<Transfer, Failure> {
        let options = SeedOptions {
            path: self.path.clone(),
            trackers: vec![tracker],
            peers: Vec::new(),
            verify: false,
        };
        Ok(node.seed(Arc::clone(&self.manifest), options).await?)
    }

    /// A downloader that knows the link, as a user would.
    async fn get(&self, node: &Node, n: u32, tracker: Endpoint) -> Result<Downloader, Failure> {
        let mut link = link_of(&self.manifest);
        link.trackers = vec![tracker];
        let options = GetOptions {
            output: self.folder.join(format!("downloader-{n}")),
            ..GetOptions::default()
        };
        let transfer = node.get(Source::Link(link), options).await?;
        Ok(Downloader { transfer, done: None })
    }

    /// Shows all downloaders until all are done.
    async fn follow(
        &self,
        cx: &Context,
        downloaders: &mut [Downloader],
        begun: Instant,
    ) -> Result<(), Failure> {
        let mut view = View::new(&cx.console, downloaders.len());
        let transfers: Vec<_> = downloaders.iter().map(|d| d.transfer.clone()).collect();
        let mut running: FuturesUnordered<_> = transfers
            .iter()
            .enumerate()
            .map(|(n, transfer)| async move {
                let completed = transfer.completed().await;
                let took = begun.elapsed();
                settled(&mut transfer.snapshots()).await;
                completed.map(|()| (n, took))
            })
            .collect();
        let mut moved = (begun, 0);
        while !running.is_empty() {
            tokio::select! {
                () = cx.stop.cancelled() => return Err(Failure::interrupted()),
                Some(completed) = running.next() => {
                    let (n, took) = completed?;
                    downloaders[n].done = Some(took);
                    self.say_completed(cx, n, &downloaders[n])?;
                }
                () = time::sleep(TICK) => {}
            }
            view.show(begun.elapsed(), downloaders)?;
            let bytes = downloaders.iter().map(|d| d.snapshot().totals.downloaded).sum::<u64>();
            if bytes > moved.1 {
                moved = (Instant::now(), bytes);
            } else if moved.0.elapsed() >= STALL {
                let message = format!("nothing moved on loopback for {} s", STALL.as_secs());
                return Err(Failure::new(Code::Network, "stalled", message).hint(
                    "run it again with -vv --log-file FILE, and report what is in the file",
                ));
            }
        }
        view.clear();
        Ok(())
    }

    fn say_completed(&self, cx: &Context, n: usize, done: &Downloader) -> Result<(), Failure> {
        let snapshot = done.snapshot();
        cx.console.object(&Line::DemoCompleted {
            downloader: n as u32 + 1,
            seconds: done.done.unwrap_or_default().as_secs_f64(),
            downloaded: snapshot.totals.downloaded,
            from_seeds: snapshot.totals.from_seeds,
            from_peers: from_peers(&snapshot),
        })
    }

    /// Compares every copy with the source, byte by byte: not by the digests that made it.
    async fn compare(&self, cx: &Context, downloaders: &[Downloader]) -> Result<(), Failure> {
        let (manifest, source) = (Arc::clone(&self.manifest), self.path.clone());
        let copies: Vec<_> = downloaders.iter().map(|d| d.transfer.path().to_owned()).collect();
        let differs = blocking(cx, move |progress| {
            Ok(compare::first_difference(&manifest, &source, &copies, progress))
        });
        match differs.await? {
            _ if cx.stop.is_cancelled() => Err(Failure::interrupted()),
            None => Ok(()),
            Some(difference) => Err(Failure::new(Code::Verification, "verification", difference)),
        }
    }

    fn sum_up(
        &self,
        cx: &Context,
        seeder: &Transfer,
        downloaders: &[Downloader],
        took: Duration,
    ) -> Result<(), Failure> {
        let (bytes, count) = (self.bytes(), downloaders.len() as u32);
        let snapshots: Vec<_> = downloaders.iter().map(Downloader::snapshot).collect();
        let sum = |part: fn(&Snapshot) -> u64| snapshots.iter().map(|s| part(s)).sum::<u64>();
        let downloaded = sum(|s| s.totals.downloaded);
        let seconds = took.as_secs_f64();
        let rate = (downloaded as f64 / seconds.max(0.001)) as u64;
        let sent = seeder.snapshots().borrow().totals.uploaded;
        let copies = sent as f64 / bytes.max(1) as f64;
        cx.console.object(&Line::DemoSummary {
            verified: true,
            downloaders: count,
            bytes,
            seconds,
            rate,
            seeder_uploaded: sent,
            seeder_copies: copies,
            from_seeds: sum(|s| s.totals.from_seeds),
            from_peers: sum(from_peers),
        })?;
        let each_other = downloaded.saturating_sub(sent);
        let share = each_other as f64 * 100.0 / downloaded.max(1) as f64;
        cx.console.result(format_args!(
            "{} of {} in {seconds:.2} s, all equal to the source\n\
             {:<19} {}\n\
             {:<19} {} ({copies:.2} copies)\n\
             {:<19} {} ({share:.0} %)",
            if count == 1 { "1 copy".into() } else { format!("{count} copies") },
            Bytes(bytes),
            "into all of them",
            Rate(rate),
            "from the seeder",
            Bytes(sent),
            "from each other",
            Bytes(each_other),
        ))
    }
}
