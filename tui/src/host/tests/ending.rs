//! What is left of a transfer when it ends.

use super::*;

/// The text of the first remark in which this occurs.
async fn said(world: &mut World, part: &str) -> String {
    loop {
        let remark = timeout(LONG, world.host.remarks.recv()).await.unwrap().unwrap();
        if remark.text.contains(part) {
            return remark.text;
        }
    }
}

fn stopped(session: &Session) -> bool {
    matches!(session.entries[0].phase, Phase::Stopped { .. })
}

/// A seeder, and one that has fetched everything from it and shares it on as this entry.
async fn fetched() -> (World, World, EntryId) {
    let mut seeder = World::new(&[]).await;
    let mut getter = World::new(&["--seed", "forever"]).await;
    let own = seeder.share().await;
    getter.order(add(own.link.as_ref().unwrap())).await;
    let id = getter.until(|session| arrived(session)).await.entries[0].id;
    (seeder, getter, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_keeps_its_files_unless_they_are_to_be_deleted() {
    let (mut seeder, mut getter) =
        (World::new(&[]).await, World::new(&["--seed", "forever"]).await);
    let own = seeder.share().await;
    let link = own.link.clone().unwrap();
    for (n, delete) in [(1, false), (2, true)] {
        getter.order(add(&link)).await;
        let id = EntryId(n);
        getter.until(|session| running(session) && getter_has(session, id)).await;
        getter.until(|session| session.entries[0].state() == Some(State::Seeding)).await;
        assert!(getter.copy().join("a.bin").exists());
        getter.order(Order::Remove { id, delete }).await;
        getter.until(|session| session.entries.is_empty()).await;
        assert_eq!(getter.copy().exists(), !delete);
    }
    let left = fs::read_dir(getter.dir.path().join("out")).unwrap().count();
    assert_eq!(left, 0, "not even a working folder");
    assert!(Path::new(&own.path).exists(), "the seeder's files are not ours");
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
}

fn getter_has(session: &Session, id: EntryId) -> bool {
    session.entries.iter().any(|entry| entry.id == id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stopped_can_still_be_deleted() {
    let (seeder, mut getter, id) = fetched().await;
    getter.order(Order::Stop(id)).await;
    getter.until(|session| stopped(session)).await;
    getter.order(Order::Remove { id, delete: true }).await;
    assert_eq!(said(&mut getter, "deleted").await, "share: 2 files deleted");
    getter.until(|session| session.entries.is_empty()).await;
    assert!(!getter.copy().exists());
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ran_deletes_nothing() {
    let (mut seeder, mut getter) = (World::new(&[]).await, World::new(&[]).await);
    let own = seeder.share().await;
    let manifest = seeder.dir.path().join("share.swarm");
    let made = swarm_node::create(&own.path, swarm_node::CreateOptions::default(), &mut |_| true);
    fs::write(&manifest, made.unwrap().encode()).unwrap();
    // In the folder that the share would appear in: a file of the user's like one of the share.
    fs::create_dir_all(getter.copy()).unwrap();
    let mine = getter.copy().with_file_name("a.bin");
    fs::write(&mine, vec![8; 300_000]).unwrap();

    let output = Some(getter.dir.path().join("out"));
    getter.order(Order::AddManifest { path: manifest, output }).await;
    let failed = |session: &Arc<Session>| matches!(session.entries.first(), Some(entry) if matches!(entry.phase, Phase::Failed { .. }));
    let id = getter.until(failed).await.entries[0].id;
    getter.order(Order::Remove { id, delete: true }).await;
    getter.until(|session| session.entries.is_empty()).await;
    assert!(mine.exists());
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_deleted_is_before_the_session_ends() {
    let (seeder, mut getter, id) = fetched().await;
    // Both while it is told to stop, and the session right after.
    getter.order(Order::Stop(id)).await;
    getter.order(Order::Remove { id, delete: true }).await;
    getter.order(Order::All(Command::LimitUpload(Some(7)))).await;
    getter.until(|session| session.limits.up == Some(7)).await;
    let copy = getter.copy();
    let last = getter.host.shutdown().await;
    assert_eq!(last.entries, []);
    assert!(!copy.exists());
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_while_it_begins_does_not_run_on() {
    let (mut seeder, mut getter) = (World::new(&[]).await, World::new(&[]).await);
    let own = seeder.share().await;
    getter.order(add(own.link.as_ref().unwrap())).await;
    for pause in 0..20 {
        // At another moment each time.
        for _ in 0..pause * 20 {
            tokio::task::yield_now().await;
        }
        getter.order(Order::Stop(EntryId(1))).await;
        getter.until(|session| session.entries.first().is_some_and(|_| stopped(session))).await;
        getter.order(Order::Start(EntryId(1))).await;
        getter.until(|session| !stopped(session)).await;
    }
    getter.until(|session| arrived(session)).await;
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_by_itself_is_shown_to_have_stopped() {
    let mut world = World::new(&[]).await;
    let own = world.share().await;
    world.order(Order::Engine { id: own.id, command: Command::Stop }).await;
    world.until(|session| stopped(session)).await;
    world.order(Order::Start(own.id)).await;
    world.until(|session| running(session)).await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_set_while_a_manifest_is_looked_for_holds() {
    let (mut seeder, mut getter) = (World::new(&[]).await, World::new(&[]).await);
    let own = seeder.share().await;
    let link: swarm_proto::link::Link = own.link.as_ref().unwrap().parse().unwrap();
    seeder.order(Order::Stop(own.id)).await;
    seeder.until(|session| stopped(session)).await;
    // The tracker has the manifest, and a seeder that is stopped does not hand it over.
    let link = swarm_proto::link::Link { trackers: Vec::new(), ..link };
    getter.order(add(&link.to_string())).await;
    getter.until(|session| session.entries.len() == 1).await;
    getter.order(Order::All(Command::LimitUpload(Some(1 << 20)))).await;
    getter.until(|session| session.limits.up.is_some()).await;
    seeder.order(Order::Start(own.id)).await;
    let limited = |session: &Arc<Session>| {
        session.entries[0].snapshot.as_ref().is_some_and(|s| s.up_limit == Some(1 << 20))
    };
    getter.until(limited).await;
    getter.host.shutdown().await;
    seeder.host.shutdown().await;
}
