//! What is said when a download begins and when all of it is there.

use std::time::Duration;

use swarm_node::{Node, Priority, Snapshot, Transfer, Transport};
use swarm_proto::link::Endpoint;

use crate::{
    commands::create,
    context::Context,
    exit::Failure,
    output::json::{Line, from_peers},
    reach::link_host,
    room,
    units::{Bytes, Clock, Rate},
};

/// Says what is fetched, and what there is of it already. `chosen`: files were chosen on this command
/// line.
pub fn started(
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
    if let Some(warning) = room::lacking(&cx.settings.output.value, transfer, snapshot) {
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

/// Says that everything is verified and in place.
pub fn completed(
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
