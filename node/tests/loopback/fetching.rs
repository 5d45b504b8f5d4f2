//! Shares arrive, whoever comes and goes meanwhile.

use std::{fs, net::Ipv6Addr};

use swarm_node::{Command, ErrorKind, Identity, Node, NodeConfig, Transport};
use tokio::{
    runtime::{Handle, Runtime},
    time::timeout,
};

use crate::world::{
    PATIENCE, Share, completed, config, endpoint, get, link, node, shut_down, tracker,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_alone_is_enough_without_a_tracker() {
    for transport in [Transport::Tls, Transport::Plain] {
        let share = Share::new(3_000_000);
        let (seeder, link) = share.seeded(transport).await;
        let (getter, output) = (node(transport).await, tempfile::tempdir().unwrap());
        let getting = get(&getter, &link.to_string().parse().unwrap(), &output).await.unwrap();
        completed(&getting).await;
        share.assert_copied_to(output.path());
        shut_down([seeder, getter]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_are_read_as_they_come_and_not_once_they_were_changed() {
    let share = Share::new(3_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &link, &output).await.unwrap();
    let (mut bytes, mut last) = (Vec::new(), None);
    for piece in share.manifest.geometry().pieces() {
        let read = timeout(PATIENCE, getting.read(piece)).await.expect("no piece in sight");
        bytes.extend(read.unwrap());
        last = Some(piece);
    }
    let mut source = fs::read(share.path().join("big")).unwrap();
    source.extend(b"hello\n");
    assert!(bytes == source, "what was read differs");

    completed(&getting).await;
    fs::write(output.path().join("share/deep/er/small"), b"jello\n").unwrap();
    let error = getting.read(last.unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "a file was changed by somebody else");
    getting.stop().await;
    let error = getting.read(last.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    shut_down([seeder, getter]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloaders_meet_through_a_tracker_and_serve_each_other() {
    let share = Share::new(20_000_000);
    let (server, at) = tracker(&Identity::generate(), 0).await;
    let seeder = node(Transport::Tls).await;
    let seeding =
        seeder.seed(share.manifest.clone(), share.seeding(vec![at.clone()])).await.unwrap();
    let link = swarm_proto::link::Link { trackers: vec![at], ..link(&share) };
    let (mut nodes, mut gets) = (vec![seeder], Vec::new());
    for _ in 0..4 {
        let (node, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
        gets.push((get(&node, &link, &output).await.unwrap(), output));
        nodes.push(node);
    }
    for (getting, output) in &gets {
        completed(getting).await;
        share.assert_copied_to(output.path());
    }
    let events = seeding.snapshots().borrow().totals;
    assert!(events.uploaded < 4 * 20_000_000, "the seeder sent {} bytes", events.uploaded);
    shut_down(nodes).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_works_and_so_does_a_dead_tracker_beside_a_peer() {
    let share = Share::new(1_000_000);
    let v6 = || NodeConfig { listen: (Ipv6Addr::LOCALHOST, 0).into(), ..config(Transport::Tls) };
    let seeder = Node::start(Identity::generate(), v6()).await.unwrap();
    let seeding = seeder.seed(share.manifest.clone(), share.seeding(vec![])).await.unwrap();
    let (server, dead) = tracker(&Identity::generate(), 0).await;
    server.shutdown().await;
    let link = seeding.link("::1", vec![dead]).to_string().parse().unwrap();
    let getter = Node::start(Identity::generate(), v6()).await.unwrap();
    let output = tempfile::tempdir().unwrap();
    let getting = get(&getter, &link, &output).await.unwrap();
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_in_the_middle_is_done_without() {
    let share = Share::new(8_000_000);
    // This one lives on a runtime of its own, which is killed without a word.
    let doomed_runtime = Runtime::new().unwrap();
    let (doomed_share, doomed_handle) = (share.clone(), doomed_runtime.handle().clone());
    let (doomed, mut link) = doomed_handle
        .spawn(async move { doomed_share.seeded(Transport::Tls).await })
        .await
        .unwrap();
    let mut slow = config(Transport::Tls);
    slow.engine.download_limit = Some(8_000_000);
    let getter = Node::start(Identity::generate(), slow).await.unwrap();
    let output = tempfile::tempdir().unwrap();
    let getting = get(&getter, &link, &output).await.unwrap();
    let mut snapshots = getting.snapshots();
    timeout(PATIENCE, snapshots.wait_for(|s| s.pieces_have > 0)).await.unwrap().unwrap();
    assert!(snapshots.borrow().pieces_have < share.manifest.geometry().piece_count());
    doomed_runtime.shutdown_background();
    drop(doomed);

    let (seeder, other) = share.seeded(Transport::Tls).await;
    link.peers = other.peers;
    let addr = seeder.listen_addr();
    getting.command(Command::AddPeer { id: Some(seeder.peer_id()), addr });
    getting.command(Command::LimitDownload(None));
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_that_is_restarted_soon_knows_everybody_again() {
    let share = Share::new(1_000_000);
    let identity = Identity::generate();
    let (server, at) = tracker(&identity, 0).await;
    let seeder = node(Transport::Tls).await;
    let seeding =
        seeder.seed(share.manifest.clone(), share.seeding(vec![at.clone()])).await.unwrap();
    let mut snapshots = seeding.snapshots();
    timeout(PATIENCE, snapshots.wait_for(|s| s.trackers[0].up)).await.unwrap().unwrap();
    server.shutdown().await;
    let (server, again) = tracker(&identity, at.port).await;
    assert_eq!(again, at);

    // The manifest, too, is there again, since the seeder puts it.
    let link = swarm_proto::link::Link { trackers: vec![at], ..link(&share) };
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &link, &output).await.unwrap();
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_stopped_goes_on_from_what_is_verified() {
    let share = Share::new(8_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let output = tempfile::tempdir().unwrap();
    let mut slow = config(Transport::Tls);
    slow.engine.download_limit = Some(8_000_000);
    let first = Node::start(Identity::generate(), slow).await.unwrap();
    let getting = get(&first, &link, &output).await.unwrap();
    let mut snapshots = getting.snapshots();
    timeout(PATIENCE, snapshots.wait_for(|s| s.pieces_have > 3)).await.unwrap().unwrap();
    getting.stop().await;
    let had = getting.snapshots().borrow().bytes_have;
    assert!(getting.completed().await.is_err());
    shut_down([first]).await;

    let second = node(Transport::Tls).await;
    let getting = get(&second, &link, &output).await.unwrap();
    assert!(getting.snapshots().borrow().bytes_have >= had);
    completed(&getting).await;
    share.assert_copied_to(output.path());
    let fetched = getting.snapshots().borrow().totals.downloaded;
    assert!(fetched <= share.manifest.geometry().total_bytes() - had, "{fetched} after {had}");
    shut_down([seeder, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_leaves_no_task_behind() {
    let share = Share::new(1_000_000);
    let (server, at) = tracker(&Identity::generate(), 0).await;
    let idle = Handle::current().metrics().num_alive_tasks();
    let (seeder, getter) = (node(Transport::Tls).await, node(Transport::Tls).await);
    seeder.seed(share.manifest.clone(), share.seeding(vec![at.clone()])).await.unwrap();
    let output = tempfile::tempdir().unwrap();
    // Nobody listens at the second address, so a dial is under way or waited for.
    let nowhere = endpoint(seeder.peer_id(), "127.0.0.1:9".parse().unwrap());
    let link = swarm_proto::link::Link { trackers: vec![at], peers: vec![nowhere], ..link(&share) };
    let getting = get(&getter, &link, &output).await.unwrap();
    assert!(Handle::current().metrics().num_alive_tasks() > idle);
    shut_down([seeder, getter]).await;
    assert!(getting.snapshots().has_changed().is_err(), "the driver is gone");
    server.shutdown().await;
    // The runtime takes a moment to count a task as gone after its last word.
    let gone = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a task is left");
}
