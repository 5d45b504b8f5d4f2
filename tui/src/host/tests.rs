//! Sessions with real nodes and files, on loopback.

mod ending;

use std::{fs, path::Path, time::Duration};

use clap::{CommandFactory, FromArgMatches};
use swarm_node::{Identity, State};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    args::{self, Cli},
    config::{File, Settings, Typed},
    context::Context,
    history::Journal,
    output::{Console, Mode},
    paths::Paths,
    services::Services,
};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A session in a folder of its own.
struct World {
    host: Host,
    dir: TempDir,
}

impl World {
    async fn new(flags: &[&str]) -> Self {
        Self::open(tempfile::tempdir().unwrap(), flags, false).await
    }

    /// A session that goes on with what is kept in the folder, and keeps what it has.
    async fn kept(dir: TempDir, flags: &[&str]) -> Self {
        Self::open(dir, flags, true).await
    }

    async fn open(dir: TempDir, flags: &[&str], kept: bool) -> Self {
        let output = dir.path().join("out");
        let fixed = ["swarm", "tui", "--listen", "127.0.0.1:0", "-o", output.to_str().unwrap()];
        let matches = Cli::command().try_get_matches_from(fixed.iter().chain(flags)).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        let args::Command::Tui(tui) = cli.command else { panic!("not tui") };
        let args::TuiArgs { network, swarm, fetch, hook, .. } = *tui;
        let typed = Typed { network, swarm, fetch, hook };
        let settings =
            Settings::resolve(&matches, &cli.output, typed, File::default(), false).unwrap();
        let cx = Context {
            console: Console::new(false, true, Mode::Hidden),
            paths: Paths::find(Some(dir.path().join("home").into())),
            settings,
            stop: CancellationToken::new(),
            history: Journal::start(None, |_| {}),
        };
        let services = Services::start(&cx, Identity::generate(), None, false).await.unwrap();
        let setup = Setup { cx, services, peers: Vec::new(), tracker_listen: None };
        let earlier =
            if kept { Earlier::open(&dir.path().join("session")) } else { Earlier::default() };
        Self { host: Host::start(setup, earlier), dir }
    }

    async fn order(&self, order: Order) {
        self.host.orders.send(order).await.unwrap();
    }

    /// Waits until the session is so.
    async fn until(&mut self, so: impl FnMut(&Arc<Session>) -> bool) -> Arc<Session> {
        let seen = timeout(LONG, self.host.session.wait_for(so)).await;
        Arc::clone(&seen.expect("it happens in time").unwrap())
    }

    /// Shares a folder of two files; waits until it has a link.
    async fn share(&mut self) -> Arc<Entry> {
        let path = self.dir.path().join("share");
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("a.bin"), vec![7; 300_000]).unwrap();
        fs::write(path.join("sub/b.bin"), vec![9; 5]).unwrap();
        self.order(Order::AddPath { path }).await;
        let session = self.until(|session| running(session)).await;
        Arc::clone(&session.entries[0])
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("out/share")
    }
}

fn running(session: &Session) -> bool {
    session.entries.first().is_some_and(|entry| entry.phase == Phase::Running)
}

fn arrived(session: &Session) -> bool {
    session.entries.first().is_some_and(|entry| entry.completed_s.is_some())
}

fn add(link: &str) -> Order {
    Order::AddLink { link: link.into(), output: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_session_shares_another_fetches_and_asks_how_long_to_share() {
    let (mut seeder, mut getter) = (World::new(&[]).await, World::new(&[]).await);
    let own = seeder.share().await;
    assert_eq!((own.origin, own.decided), (Origin::Own, true));
    assert!(seeder.host.session.borrow().tracker.is_some(), "it runs a tracker");

    getter.order(add(own.link.as_ref().unwrap())).await;
    let session = getter.until(|session| arrived(session)).await;
    let entry = &session.entries[0];
    assert_eq!((entry.name.as_str(), entry.origin), ("share", Origin::Downloaded));
    assert!(!entry.decided, "the user is asked");
    assert_eq!(entry.share.as_ref().unwrap().files.len(), 2);
    assert_eq!(fs::read(getter.copy().join("sub/b.bin")).unwrap(), [9; 5]);

    let id = entry.id;
    getter.order(Order::Share { id, policy: Policy::Never }).await;
    let stopped =
        |session: &Arc<Session>| matches!(session.entries[0].phase, Phase::Stopped { .. });
    getter.until(stopped).await;
    getter.order(Order::Share { id, policy: Policy::Forever }).await;
    getter.until(|session| running(session)).await;

    let last = getter.host.shutdown().await;
    assert_eq!(last.entries[0].snapshot.as_ref().unwrap().bytes, 300_005);
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_share_a_manifest_is_to_share_what_it_is_of() {
    let mut world = World::new(&[]).await;
    let (data, file) = (world.dir.path().join("data.bin"), world.dir.path().join("named.swarm"));
    fs::write(&data, vec![7; 300_000]).unwrap();
    let manifest = swarm_node::create(&data, swarm_node::CreateOptions::default(), &mut |_| true);
    fs::write(&file, manifest.unwrap().encode()).unwrap();
    world.order(Order::AddPath { path: file }).await;
    let session = world.until(|session| running(session)).await;
    assert_eq!((session.entries.len(), &session.entries[0].path), (1, &data));
    assert_eq!(session.entries[0].snapshot.as_ref().unwrap().bytes, 300_000);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_program_is_run_for_what_arrives_and_ends_with_the_session() {
    let hook = ["--on-complete", "sh", "--on-complete", "-c", "--on-complete"];
    let script = "printf %s \"$SWARM_NAME $SWARM_BYTES\" > \"$SWARM_PATH.facts\"; exec sleep 1000";
    let flags = [&hook[..], &[script, "--seed", "forever"]].concat();
    let (mut seeder, mut getter) = (World::new(&[]).await, World::new(&flags).await);
    let own = seeder.share().await;
    getter.order(add(own.link.as_ref().unwrap())).await;
    getter.until(|session| session.entries.first().is_some_and(|entry| entry.hooked)).await;
    let facts = getter.copy().with_extension("facts");
    while !fs::read_to_string(&facts).is_ok_and(|text| text == "share 300005") {
        tokio::task::yield_now().await;
    }
    assert!(!seeder.host.session.borrow().entries[0].hooked, "it has fetched nothing");
    // Waits for the program, which would not end by itself.
    timeout(LONG, getter.host.shutdown()).await.unwrap();
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_stays_with_its_reason_and_can_be_tried_again() {
    let mut world = World::new(&[]).await;
    // Somebody in a link who has the folder's name taken: a file is where the folder has to go.
    let mut seeder = World::new(&[]).await;
    let own = seeder.share().await;
    fs::create_dir_all(world.dir.path().join("out")).unwrap();
    fs::write(world.copy(), "in the way").unwrap();
    world.order(add(own.link.as_ref().unwrap())).await;
    let failed = |session: &Arc<Session>| matches!(session.entries.first(), Some(entry) if matches!(entry.phase, Phase::Failed { .. }));
    let session = world.until(failed).await;
    let Phase::Failed { message, hint } = &session.entries[0].phase else { panic!() };
    assert!(message.contains("exists and is something else"), "{message}");
    assert!(hint.is_some());

    fs::remove_file(world.copy()).unwrap();
    world.order(Order::Start(session.entries[0].id)).await;
    world.until(|session| arrived(session)).await;
    world.host.shutdown().await;
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_is_said_and_not_listed() {
    let mut world = World::new(&[]).await;
    let first = timeout(LONG, world.host.remarks.recv()).await.unwrap().unwrap();
    assert!(first.text.contains("this machine only"), "{first:?}");
    for order in [
        add("swarm:?id=nonsense"),
        Order::AddPath { path: "/nowhere/at/all".into() },
        Order::AddManifest { path: "/nowhere.swarm".into(), output: None },
    ] {
        world.order(order).await;
        let remark = timeout(LONG, world.host.remarks.recv()).await.unwrap().unwrap();
        assert!(remark.warn && remark.entry.is_none(), "{remark:?}");
    }
    assert!(world.host.session.borrow().entries.is_empty());
    world.host.shutdown().await;
}

/// What is kept on the disk, as of now.
fn kept(dir: &TempDir) -> serde_json::Value {
    let text = fs::read(dir.path().join("session/list.json")).unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap_or_default()["entries"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_what_was_held_is_held() {
    let mut seeder = World::kept(tempfile::tempdir().unwrap(), &["--upload-limit", "10k"]).await;
    let own = seeder.share().await;
    let mut getter = World::kept(tempfile::tempdir().unwrap(), &[]).await;
    getter.order(add(own.link.as_ref().unwrap())).await;
    getter.until(|session| running(session)).await;
    let id = EntryId(1);
    getter.order(Order::Engine { id, command: Command::Pause }).await;
    let limit = Command::LimitDownload(Some(1 << 30));
    getter.order(Order::Engine { id, command: limit }).await;
    getter.until(|session| session.entries[0].is_paused()).await;
    getter.host.shutdown().await;

    let mut getter = World::kept(getter.dir, &[]).await;
    let session = getter.until(|session| !session.entries.is_empty()).await;
    let entry = &session.entries[0];
    assert_eq!((entry.name.as_str(), entry.limits.down), ("share", Some(1 << 30)));
    assert_eq!(entry.link, own.link);
    getter.until(|session| session.entries[0].is_paused()).await;
    assert!(!getter.copy().join("a.bin").exists());
    // The seeder comes back, too, where a fixed port would have kept its link good.
    seeder.host.shutdown().await;
    let mut seeder = World::kept(seeder.dir, &["--upload-limit", "none"]).await;
    let session = seeder.until(|session| running(session)).await;
    assert_eq!(session.entries[0].limits.up, None, "what is said now counts");
    let link = session.entries[0].link.clone().unwrap();
    getter.order(Order::Remove { id: session.entries[0].id, delete: true }).await;
    getter.until(|session| session.entries.is_empty()).await;

    // What has arrived is shared on by the next session without anybody else there.
    getter.order(add(&link)).await;
    getter.until(|session| arrived(session)).await;
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
    let mut getter = World::kept(getter.dir, &[]).await;
    let session =
        getter.until(|session| session.entries.first().is_some_and(|e| e.is_shared_on())).await;
    let entry = &session.entries[0];
    assert!(entry.completed_s.is_some() && !entry.decided, "the question was not answered");
    getter.order(Order::Share { id: entry.id, policy: Policy::Never }).await;
    getter.until(|session| matches!(session.entries[0].phase, Phase::Stopped { .. })).await;
    getter.host.shutdown().await;
    let mut getter = World::kept(getter.dir, &[]).await;
    let session = getter.until(|session| !session.entries.is_empty()).await;
    assert_eq!(session.entries[0].phase, Phase::Stopped { why: "asked not to".into() });
    getter.order(Order::Start(session.entries[0].id)).await;
    let session = getter.until(|session| running(session)).await;
    assert_eq!(session.entries[0].policy, Policy::Forever, "the user wants it");
    getter.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_or_gone_is_told_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::kept(dir, &[]).await;
    for name in ["gone", "changed", "same"] {
        let path = world.dir.path().join(name);
        fs::write(&path, vec![5; 100_000]).unwrap();
        world.order(Order::AddPath { path }).await;
    }
    let all = |session: &Arc<Session>| {
        session.entries.len() == 3 && session.entries.iter().all(|e| e.phase == Phase::Running)
    };
    world.until(all).await;
    let World { host, dir } = world;
    // It is killed: nothing is said to the next session but what was kept while it ran.
    let prints = |kept: &serde_json::Value| {
        let entries = kept.as_array().map_or(&[][..], Vec::as_slice);
        entries.iter().filter(|entry| entry["aim"]["share"]["print"].is_string()).count()
    };
    while prints(&kept(&dir)) < 3 {
        tokio::task::yield_now().await;
    }
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("session"), copy.path().join("session"));
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(&from).unwrap().map(|file| file.unwrap().file_name()) {
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
    host.shutdown().await;
    fs::remove_file(dir.path().join("gone")).unwrap();
    fs::write(dir.path().join("changed"), vec![6; 100_000]).unwrap();

    let mut world = World::kept(copy, &[]).await;
    let settled = |session: &Arc<Session>| {
        let failed = |entry: &&Arc<Entry>| matches!(entry.phase, Phase::Failed { .. });
        session.entries.iter().filter(failed).count() == 2
            && session.entries.iter().any(|entry| entry.phase == Phase::Running)
    };
    let session = world.until(settled).await;
    let why: Vec<_> = session
        .entries
        .iter()
        .map(|entry| match &entry.phase {
            Phase::Failed { message, .. } => message.rsplit(": ").next().unwrap(),
            _ => "",
        })
        .collect();
    assert_eq!(why, ["no such file or folder", "piece 0 does not verify", ""]);
    // Added again it is shared as it is now.
    world.order(Order::AddPath { path: dir.path().join("changed") }).await;
    world.until(|session| session.entries[1].phase == Phase::Running).await;
    assert_eq!(world.host.session.borrow().entries.len(), 3);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_what_is_added_later_too() {
    let mut world = World::new(&["--upload-limit", "3M"]).await;
    world.order(Order::All(Command::LimitUpload(Some(1 << 20)))).await;
    world.share().await;
    let limited = |session: &Arc<Session>| {
        session.entries[0].snapshot.as_ref().is_some_and(|s| s.up_limit == Some(1 << 20))
    };
    world.until(limited).await;
    world.host.shutdown().await;
}

#[test]
fn a_session_and_an_order_can_be_written_down_and_read() {
    let entry = crate::screen::sample::entry(7, &crate::output::sample::seeding());
    let session = Session { entries: vec![Arc::new(entry)], ..Session::default() };
    let text = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
    let order = Order::Engine { id: EntryId(7), command: Command::Pause };
    let text = serde_json::to_string(&order).unwrap();
    assert_eq!(text, r#"{"engine":{"id":7,"command":"pause"}}"#);
    assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
}
