//! What a front end asks of a running transfer.

use std::{fs, sync::Arc, time::Duration};

use swarm_node::{
    Command, GetOptions, Identity, Priority, Selection, Snapshot, Source, State, Transfer,
    Transport,
};
use tokio::time::timeout;

use crate::world::{PATIENCE, Share, completed, endpoint, get, link, node, shut_down, tracker};

/// Waits until a front end sees this.
async fn seen(transfer: &Transfer, what: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut snapshots = transfer.snapshots();
    let seen = timeout(PATIENCE, snapshots.wait_for(|snapshot| what(snapshot))).await;
    Arc::clone(&seen.expect("never seen").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn some_files_come_and_the_rest_when_it_is_wanted() {
    let share = Share::new(3_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let options = GetOptions {
        output: output.path().to_owned(),
        selection: Selection { only: vec!["deep".into()], skip: vec![] },
        ..GetOptions::default()
    };
    let getting = getter.get(Source::Link(link.clone()), options).await.unwrap();
    completed(&getting).await;
    let snapshot = seen(&getting, |snapshot| snapshot.state == State::Seeding).await;
    assert_eq!((snapshot.bytes_have, snapshot.bytes_wanted), (6, 6));
    let folder = output.path().join("share");
    assert_eq!(fs::read(folder.join("deep/er/small")).unwrap(), b"hello\n");
    assert!(!folder.join("big").exists() && !folder.join("empty").exists());

    // The same download, stopped and taken up again, wants what it wanted.
    getting.stop().await;
    shut_down([getter]).await;
    let getter = node(Transport::Tls).await;
    let getting = get(&getter, &link, &output).await.unwrap();
    let snapshot = seen(&getting, |snapshot| snapshot.state == State::Seeding).await;
    assert_eq!((snapshot.bytes_have, snapshot.bytes_wanted), (6, 6));
    let files = (0..snapshot.priorities.len() as u32).collect();
    getting.command(Command::SetPriority { files, priority: Priority::High });
    let snapshot = seen(&getting, |snapshot| {
        snapshot.state == State::Seeding && snapshot.bytes_have == snapshot.bytes
    })
    .await;
    assert_eq!(snapshot.pieces_wanted, snapshot.pieces);
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
    assert_eq!(fs::read_dir(output.path()).unwrap().count(), 1, "only the share is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_finds_what_was_changed_and_a_seeder_shares_the_rest() {
    let share = Share::new(3_000_000);
    let seeder = node(Transport::Tls).await;
    let seeding = seeder.seed(share.manifest.clone(), share.seeding(vec![])).await.unwrap();
    seen(&seeding, |snapshot| snapshot.state == State::Seeding).await;
    let big = share.path().join("big");
    let good = fs::read(&big).unwrap();
    let mut bad = good.clone();
    bad[1_000_000] ^= 1;
    fs::write(&big, bad).unwrap();
    seeding.command(Command::Verify);
    let snapshot = seen(&seeding, |snapshot| {
        snapshot.state == State::Seeding && snapshot.pieces_have < snapshot.pieces
    })
    .await;
    assert_eq!(snapshot.pieces_have, snapshot.pieces - 1);
    assert_eq!(snapshot.pieces_wanted, snapshot.pieces_have, "it is not missed");

    fs::write(&big, good).unwrap();
    seeding.command(Command::Verify);
    seen(&seeding, |snapshot| {
        snapshot.state == State::Seeding && snapshot.pieces_have == snapshot.pieces
    })
    .await;
    shut_down([seeder]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_changed_since_is_not_written_over() {
    let share = Share::new(3_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &link, &output).await.unwrap();
    completed(&getting).await;
    let big = output.path().join("share/big");
    let mut mine = fs::read(&big).unwrap();
    mine[1_000_000] ^= 1;
    fs::write(&big, &mine).unwrap();
    getting.command(Command::Verify);
    let snapshot = seen(&getting, |snapshot| {
        snapshot.state == State::Seeding && snapshot.pieces_have < snapshot.pieces
    })
    .await;
    assert_eq!(snapshot.pieces_have, snapshot.pieces - 1);
    assert_eq!(snapshot.pieces_wanted, snapshot.pieces_have);
    assert!(fs::read(&big).unwrap() == mine, "what is the user's is left alone");
    shut_down([seeder, getter]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_announce_finds_a_peer_that_came_later() {
    let share = Share::new(100_000);
    let (server, at) = tracker(&Identity::generate(), 0).await;
    let with_tracker = swarm_proto::link::Link { trackers: vec![at.clone()], ..link(&share) };
    let seeder = node(Transport::Tls).await;
    let seeding = seeder.seed(share.manifest.clone(), share.seeding(vec![at.clone()])).await;
    let seeding = seeding.unwrap();
    let first = seen(&seeding, |snapshot| snapshot.trackers[0].up).await;
    assert_eq!(first.trackers[0].name, format!("127.0.0.1:{}", at.port));
    assert_eq!(first.trackers[0].seeds, 0, "nobody else");
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &with_tracker, &output).await.unwrap();
    completed(&getting).await;
    let counted = async {
        loop {
            seeding.command(Command::Announce);
            let mut snapshots = seeding.snapshots();
            let another = snapshots.wait_for(|snapshot| snapshot.trackers[0].seeds == 1);
            if timeout(Duration::from_secs(1), another).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, counted).await.expect("the tracker is not asked again");
    shut_down([seeder, getter]).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_as_soon_as_they_are_set_and_no_longer() {
    let share = Share::new(4_000_000);
    let seeder = node(Transport::Tls).await;
    let seeding = seeder.seed(share.manifest.clone(), share.seeding(vec![])).await.unwrap();
    // Nothing may leave.
    seeding.command(Command::LimitUpload(Some(0)));
    seen(&seeding, |snapshot| snapshot.up_limit == Some(0)).await;
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let mut link = link(&share);
    link.peers = vec![endpoint(seeder.peer_id(), seeder.listen_addr())];
    let getting = get(&getter, &link, &output).await.unwrap();
    getting.command(Command::LimitDownload(Some(0)));
    let snapshot = seen(&getting, |snapshot| {
        snapshot.down_limit == Some(0) && snapshot.peers.iter().any(|peer| !peer.choked_by)
    })
    .await;
    assert!(snapshot.totals.downloaded <= 200_000, "{}", snapshot.totals.downloaded);
    seeding.command(Command::LimitUpload(None));
    getting.command(Command::LimitDownload(None));
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
}
