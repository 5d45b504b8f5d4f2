//! The network by itself, with messages whose sizes are known.

use bytes::Bytes;

use super::*;
use crate::sim::clock::Queue;

/// A network, and what its ends learned so far.
struct Rig {
    net: Net,
    queue: Queue<Event>,
    log: Vec<(Time, Notice)>,
}

impl Rig {
    fn new(hosts: &[Host]) -> Self {
        let mut net = Net::default();
        for &host in hosts {
            net.add(host);
        }
        Self { net, queue: Queue::new(), log: Vec::new() }
    }

    fn send(&mut self, conn: ConnId, message: Message) {
        self.net.send(self.queue.now(), conn, message);
    }

    /// Runs until nothing happens or the time has come.
    fn run(&mut self, until: Duration) {
        loop {
            let now = self.queue.now();
            while let Some(notice) = self.net.notice() {
                self.log.push((now, notice));
            }
            for (time, event) in self.net.later() {
                self.queue.at(time, event);
            }
            if self.queue.peek().is_none_or(|next| next > Time::ZERO + until) {
                return;
            }
            if let Some(event) = self.queue.pop() {
                self.net.handle(self.queue.now(), event);
            }
        }
    }

    /// Seconds at which messages came to an end.
    fn arrivals(&self, at: ConnId) -> Vec<f64> {
        let received = |(time, notice): &(Time, Notice)| match notice {
            Notice::Received(conn, _) if *conn == at => {
                Some((time.since(Time::ZERO).as_secs_f64() * 1e4).round() / 1e4)
            }
            _ => None,
        };
        self.log.iter().filter_map(received).collect()
    }

    fn closed(&self, at: ConnId) -> bool {
        self.log.iter().any(|(_, notice)| matches!(notice, Notice::Closed(conn) if *conn == at))
    }
}

/// A host of 1 MB/s each way, 10 ms from the middle.
const HOST: Host = Host { up: 1_000_000, down: 1_000_000, delay: Duration::from_millis(10) };
const EVER: Duration = Duration::from_secs(1000);

/// A message of so many bytes on the wire.
fn block(bytes: usize) -> Message {
    let empty = Message::Block { piece: 0, first: 0, data: Bytes::new() }.encoded_len();
    let message = Message::Block { piece: 0, first: 0, data: vec![0; bytes - empty].into() };
    assert_eq!(message.encoded_len(), bytes);
    message
}

#[test]
fn a_message_takes_its_time_on_both_links_and_the_path() {
    let mut rig = Rig::new(&[HOST, HOST]);
    let [a, b] = rig.net.open(0, 1);
    rig.send(a, block(10_000));
    rig.run(EVER);
    assert_eq!(rig.arrivals(b), [0.010 + 0.020 + 0.010]);
}

#[test]
fn connections_share_an_uplink_fairly() {
    let mut rig = Rig::new(&[HOST, HOST, HOST]);
    let [a, to_b] = rig.net.open(0, 1);
    let [c, to_d] = rig.net.open(0, 2);
    rig.send(a, block(1_000_000));
    rig.send(c, block(1_000));
    rig.send(c, block(500_000));
    rig.run(EVER);
    // The short message waits for one turn of the long one and takes one, not for all of it.
    let d = rig.arrivals(to_d);
    assert!(d[0] < 0.070, "{d:?}");
    // Half a megabyte at half the rate, then the rest of the long one at the full rate.
    assert!((1.0..1.08).contains(&d[1]), "{d:?}");
    assert!((1.5..1.58).contains(&rig.arrivals(to_b)[0]), "{:?}", rig.arrivals(to_b));
}

#[test]
fn a_slow_receiver_does_not_cost_the_others() {
    let slow = Host { down: 10_000, ..HOST };
    let mut rig = Rig::new(&[HOST, slow, HOST]);
    let [a, _] = rig.net.open(0, 1);
    let [c, to_d] = rig.net.open(0, 2);
    rig.send(a, block(1_000_000));
    rig.send(c, block(1_000_000));
    rig.run(EVER);
    // What the slow one's window lets through shares the uplink at first: 64 KiB and a turn.
    assert!(rig.arrivals(to_d)[0] < 1.15, "{:?}", rig.arrivals(to_d));
}

#[test]
fn every_byte_is_flushed_once_and_only_as_the_buffer_has_room() {
    let mut rig = Rig::new(&[HOST, HOST]);
    let [a, _] = rig.net.open(0, 1);
    rig.send(a, block(1_000_000));
    let flushed = |rig: &Rig| -> u64 {
        let bytes = |(_, notice): &(Time, Notice)| match notice {
            Notice::Flushed(_, bytes) => *bytes,
            _ => 0,
        };
        rig.log.iter().map(bytes).sum()
    };
    rig.run(Duration::ZERO);
    assert_eq!(flushed(&rig), SOCKET_BUFFER);
    // Two turns have been sent, and there is room for as much again.
    rig.run(Duration::from_millis(40));
    assert_eq!(flushed(&rig), SOCKET_BUFFER + 2 * TURN);
    rig.run(EVER);
    assert_eq!(flushed(&rig), 1_000_000);
}

#[test]
fn a_cut_connection_goes_on_when_it_is_healed() {
    let mut rig = Rig::new(&[HOST, HOST]);
    let [a, b] = rig.net.open(0, 1);
    rig.send(a, block(100_000));
    rig.run(Duration::from_millis(60));
    rig.net.cut(0, 1);
    rig.run(Duration::from_secs(10));
    assert!(rig.arrivals(b).is_empty());
    rig.queue.skip_to(Time::ZERO + Duration::from_secs(10));
    rig.net.heal(rig.queue.now(), 0, 1);
    rig.run(EVER);
    assert_eq!(rig.arrivals(b).len(), 1);
    assert!((10.0..10.2).contains(&rig.arrivals(b)[0]), "{:?}", rig.arrivals(b));
}

#[test]
fn a_closed_connection_delivers_what_was_queued_and_drops_what_comes() {
    let mut rig = Rig::new(&[HOST, HOST]);
    let [a, b] = rig.net.open(0, 1);
    rig.send(b, block(100_000));
    rig.send(a, block(5_000));
    rig.net.close(Time::ZERO, a);
    rig.send(a, block(5_000));
    rig.run(EVER);
    assert_eq!(rig.arrivals(b).len(), 1);
    assert!(rig.arrivals(a).is_empty());
    assert!(rig.closed(a) && rig.closed(b));
    assert!(rig.net.links.is_empty());
}

#[test]
fn closing_a_connection_that_cannot_send_ends_it_anyway() {
    let mut rig = Rig::new(&[HOST, HOST]);
    let [a, b] = rig.net.open(0, 1);
    rig.net.cut(0, 1);
    rig.net.close(Time::ZERO, a);
    rig.run(LINGER);
    assert!(rig.closed(a) && !rig.closed(b));
    rig.net.heal(rig.queue.now(), 0, 1);
    rig.run(EVER);
    assert!(rig.closed(b));
}

#[test]
fn others_learn_of_a_death_when_they_can() {
    let mut rig = Rig::new(&[HOST, HOST, HOST]);
    let [dead, b] = rig.net.open(0, 1);
    let [_, c] = rig.net.open(0, 2);
    rig.net.cut(0, 2);
    rig.net.kill(Time::ZERO, 0);
    rig.run(Duration::from_secs(5));
    assert!(!rig.closed(dead) && rig.closed(b) && !rig.closed(c));
    rig.queue.skip_to(Time::ZERO + Duration::from_secs(5));
    rig.net.heal(rig.queue.now(), 0, 2);
    rig.run(EVER);
    assert!(rig.closed(c));
}
