//! What cannot work says why, soon, and harms nobody.

use std::{net::Ipv4Addr, time::Duration};

use swarm_net::{Connection, Protocol, Security};
use swarm_node::{ErrorKind, Identity, Node, NodeConfig, NodeError, Transport};
use swarm_proto::{
    geometry::{BLOCK_LEN, RUN_BLOCKS_MAX},
    link::Link,
    message::{Goodbye, Hello, Message, PROTOCOL_VERSION, RawRun},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::world::{Share, completed, config, endpoint, get, link, node, shut_down, tracker};

/// The error of a `get` that must fail, and fail within five seconds.
async fn refusal(transport: Transport, link: &Link) -> (ErrorKind, String) {
    let config = NodeConfig { manifest_patience: Duration::from_millis(300), ..config(transport) };
    let node = Node::start(Identity::generate(), config).await.unwrap();
    let (output, start) = (tempfile::tempdir().unwrap(), Instant::now());
    let error = get(&node, link, &output).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "too late: {error}");
    assert_eq!(output.path().read_dir().unwrap().count(), 0, "nothing is left");
    shut_down([node]).await;
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_at_the_address_is_refused() {
    let share = Share::new(1000);
    let (seeder, mut link) = share.seeded(Transport::Tls).await;
    link.peers[0].key = Some(Identity::generate().peer_id());
    let (kind, error) = refusal(Transport::Tls, &link).await;
    assert_eq!(kind, ErrorKind::Network);
    assert!(error.contains("answered by another key"), "{error}");
    assert!(error.contains(&link.peers[0].to_string()), "{error}");
    shut_down([seeder]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_were_asked_are_named_with_what_came_of_it() {
    let share = Share::new(1000);
    let (server, up) = tracker(&Identity::generate(), 0).await;
    let (gone, down) = tracker(&Identity::generate(), 0).await;
    gone.shutdown().await;
    let stranger = node(Transport::Tls).await;
    let peer = endpoint(stranger.peer_id(), stranger.listen_addr());
    let link = Link {
        trackers: vec![up.clone(), down.clone()],
        peers: vec![peer.clone()],
        ..link(&share)
    };
    let (kind, error) = refusal(Transport::Tls, &link).await;
    assert_eq!(kind, ErrorKind::Network);
    for part in [
        format!("tracker {up}: the tracker does not have it"),
        format!("tracker {down}: Connection refused"),
        format!("peer {peer}: the peer says that it does not have this swarm"),
    ] {
        assert!(error.contains(&part), "{error}");
    }
    shut_down([stranger]).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_nobody_says_so() {
    let (kind, error) = refusal(Transport::Tls, &link(&Share::new(1000))).await;
    assert_eq!(kind, ErrorKind::Network);
    assert!(error.contains("names no tracker and no peer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_transports_say_what_to_do() {
    let share = Share::new(1000);
    let (plain, plain_link) = share.seeded(Transport::Plain).await;
    let (tls, tls_link) = share.seeded(Transport::Tls).await;
    let (_, error) = refusal(Transport::Tls, &plain_link).await;
    assert!(error.contains("use --transport plain on both sides"), "{error}");
    let (_, error) = refusal(Transport::Plain, &tls_link).await;
    assert!(error.contains("use the same on both sides"), "{error}");

    // The link says the same as our side, but the other side is not so.
    let mut wrong = tls_link.clone();
    wrong.peers[0].port = plain_link.peers[0].port;
    let (_, error) = refusal(Transport::Tls, &wrong).await;
    assert!(error.contains("does not answer as TLS"), "{error}");
    let mut wrong = plain_link;
    wrong.peers[0].port = tls_link.peers[0].port;
    let (_, error) = refusal(Transport::Plain, &wrong).await;
    assert!(error.contains("the other side uses TLS"), "{error}");
    shut_down([plain, tls]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_share_that_runs_already() {
    let share = Share::new(1000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let taken = NodeConfig { listen: seeder.listen_addr(), ..config(Transport::Tls) };
    let error = Node::start(Identity::generate(), taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("another program has the port"), "{error}");

    let output = tempfile::tempdir().unwrap();
    let error = get(&seeder, &link, &output).await.unwrap_err();
    assert!(matches!(error, NodeError::AlreadyRunning), "{error}");
    shut_down([seeder]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_talks_on_while_strangers_send_it_rubbish() {
    let share = Share::new(1_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let mut silent = Vec::new();
    // More than one place may have under way at a time.
    for i in 0..200 {
        let mut stream = TcpStream::connect(seeder.listen_addr()).await.unwrap();
        if i % 2 == 0 {
            stream.write_all(&[i; 100]).await.unwrap();
        }
        silent.push(stream);
    }
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &link, &output).await.unwrap();
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
}

/// A connection of somebody who is no node, past the hellos.
async fn stranger(seeder: &Node, hello: impl FnOnce(Hello) -> Hello, link: &Link) -> Connection {
    let me = Identity::generate();
    let addr = (Ipv4Addr::LOCALHOST, seeder.listen_addr().port()).into();
    let security = Security::new(&me, Transport::Tls);
    let mut conn = security.dial(addr, Some(seeder.peer_id()), Protocol::Peer).await.unwrap();
    let ours = Hello {
        version: PROTOCOL_VERSION,
        swarm: link.id,
        peer: me.peer_id(),
        features: u64::MAX,
        client: "test".into(),
        listen_port: 0,
        request_bytes_max: 1 << 20,
        run_blocks_max: 64,
    };
    conn.write(&hello(ours)).await.unwrap();
    assert_eq!(conn.read::<Hello>().await.unwrap().unwrap().peer, seeder.peer_id());
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn who_claims_to_be_another_or_breaks_a_rule_is_told_and_dropped() {
    let share = Share::new(1_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let seeder_id = seeder.peer_id();
    let honest = |hello: Hello| hello;
    let impostor = |hello: Hello| Hello { peer: seeder_id, ..hello };
    let older = |hello: Hello| Hello { version: 0, ..hello };
    let unasked = Message::Block { piece: 0, first: 0, data: vec![0; 16384].into() };
    for (mut conn, message, told) in [
        (stranger(&seeder, impostor, &link).await, Message::HaveNone, Goodbye::Misbehaved),
        (stranger(&seeder, older, &link).await, Message::HaveNone, Goodbye::Version),
        (stranger(&seeder, honest, &link).await, Message::Have(vec![0]), Goodbye::Misbehaved),
        (stranger(&seeder, honest, &link).await, unasked, Goodbye::Misbehaved),
    ] {
        conn.write(&message).await.unwrap();
        assert_eq!(goodbye(&mut conn).await, told);
    }
    shut_down([seeder]).await;
}

/// Reads to the reason why the other side ends the connection.
async fn goodbye(conn: &mut Connection) -> Goodbye {
    loop {
        let message = conn.read().await.unwrap().expect("closed without a word");
        if let Message::Goodbye(reason) = message {
            return reason;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_ask_and_never_read_hold_up_nobody() {
    let share = Share::new(20_000_000);
    let (seeder, link) = share.seeded(Transport::Tls).await;
    let piece_length = share.manifest.geometry().piece_length();
    let count = (piece_length / BLOCK_LEN).min(RUN_BLOCKS_MAX);
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut conn = stranger(&seeder, |hello| hello, &link).await;
        conn.queue(&Message::HaveNone);
        conn.write(&Message::Interested).await.unwrap();
        while conn.read().await.unwrap() != Some(Message::Unchoke) {}
        // More than the kernel takes on both sides.
        for piece in 0..share.manifest.geometry().piece_count() - 1 {
            conn.queue(&Message::Request(RawRun { piece, first: 0, count }));
        }
        conn.flush().await.unwrap();
        greedy.push(conn);
    }
    let (getter, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
    let getting = get(&getter, &link, &output).await.unwrap();
    completed(&getting).await;
    share.assert_copied_to(output.path());
    shut_down([seeder, getter]).await;
}
