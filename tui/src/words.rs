//! What goes on, in words: the same ones in a bar, in lines, and on the full screen.

mod event;

use std::borrow::Cow;

use swarm_engine::{Bottleneck, PeerSnapshot};
use swarm_node::{Snapshot, State};

pub use self::event::describe;
use crate::{
    text::counted,
    units::{Bytes, Clock, Rate},
};

/// Bytes of bytes, so that they line up with nothing but read well.
pub fn amount(done: u64, total: u64) -> String {
    format!("{} of {}", Bytes(done), Bytes(total))
}

/// How far it is, in percent, rounded down: 100 only when all is done.
pub fn percent(done: u64, total: u64) -> f64 {
    if total == 0 { 100.0 } else { (done as f64 / total as f64 * 1000.0).floor() / 10.0 }
}

/// Peers that have everything.
pub fn seeds(snapshot: &Snapshot) -> usize {
    snapshot.peers.iter().filter(|peer| peer.pieces == snapshot.pieces).count()
}

/// What goes on, in a word or two.
pub fn state(state: State) -> &'static str {
    match state {
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Finishing => "finishing",
        State::Seeding => "sharing",
        State::Paused => "paused",
        State::DiskTrouble => "waiting for the disk",
        State::Stopped => "stopped",
    }
}

/// What goes on with a transfer, in a few words: also whether it shares less than everything.
pub fn status(snapshot: &Snapshot) -> Cow<'static, str> {
    match snapshot.pieces.saturating_sub(snapshot.pieces_have) {
        n @ 1.. if snapshot.state == State::Seeding => {
            format!("sharing all but {}", counted(n.into(), "piece")).into()
        }
        _ => state(snapshot.state).into(),
    }
}

/// Says that a file was changed that is shared. `path` is its path in the share, which is this one
/// file if that is empty.
pub fn changed(path: &str) -> String {
    let name = if path.is_empty() { "the file" } else { path };
    format!(
        "{name} was changed by another program: it is read again, and what differs is not shared; \
         share it anew for a link to what it is now"
    )
}

/// Whether all trackers were asked and none answered. One that is being asked may still do so.
pub fn no_tracker_answers(snapshot: &Snapshot) -> bool {
    let trackers = &snapshot.trackers;
    !trackers.is_empty() && trackers.iter().all(|tracker| !tracker.up && tracker.next_s > 0)
}

/// Why it is slow, if that is known.
pub fn bottleneck(snapshot: &Snapshot) -> Option<Cow<'static, str>> {
    if snapshot.state != State::Downloading {
        return None;
    }
    Some(match snapshot.bottleneck {
        Bottleneck::None | Bottleneck::Network => return None,
        Bottleneck::NoPeers if no_tracker_answers(snapshot) => {
            "no peers: no tracker answers".into()
        }
        Bottleneck::NoPeers => "no peers".into(),
        Bottleneck::NothingOffered => "no peer has what is missing".into(),
        Bottleneck::Choked => "choked by all peers".into(),
        Bottleneck::Limit => match snapshot.down_limit {
            Some(limit) => format!("limited to {}", Rate(limit)).into(),
            None => "limited".into(),
        },
        Bottleneck::RarePieces => "waiting for rare pieces".into(),
        Bottleneck::Hashing => "hashing is slow".into(),
        Bottleneck::Disk => "waiting for the disk".into(),
    })
}

/// The figures of a transfer behind its percentage: `3.49 GiB of 5.69 GiB`, `84.2 MiB/s`, ….
pub fn figures(snapshot: &Snapshot) -> Vec<String> {
    let sharing = matches!(snapshot.state, State::Seeding | State::Stopped);
    let mut parts = Vec::new();
    if sharing {
        parts.push(format!("up {}", Rate(snapshot.up_rate)));
        parts.push(format!("{} uploaded", Bytes(snapshot.totals.uploaded)));
    } else {
        parts.push(amount(snapshot.bytes_have, snapshot.bytes_wanted));
        parts.push(format!("down {}", Rate(snapshot.down_rate)));
        if snapshot.up_rate > 0 {
            parts.push(format!("up {}", Rate(snapshot.up_rate)));
        }
        if let Some(eta) = snapshot.eta_s {
            parts.push(format!("{} left", Clock(eta)));
        }
    }
    let slow = bottleneck(snapshot);
    let alone = slow.is_some() && snapshot.peers.is_empty();
    // Before what a narrow terminal has no room for.
    parts.extend(slow.map(Into::into));
    if !alone {
        parts.push(peers(snapshot));
    }
    parts
}

/// `5 peers (2 seeds)`.
pub fn peers(snapshot: &Snapshot) -> String {
    let peers: &[PeerSnapshot] = &snapshot.peers;
    let count = counted(peers.len() as u64, "peer");
    match seeds(snapshot) {
        0 => count,
        n => format!("{count} ({})", counted(n as u64, "seed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    #[test]
    fn a_hundred_percent_is_all_of_it() {
        assert_eq!(percent(999_999_999, 1_000_000_000), 99.9);
        assert_eq!(percent(0, 0), 100.0);
        assert_eq!(percent(5, 5), 100.0);
    }

    #[test]
    fn every_cause_has_its_phrase() {
        let phrase = |bottleneck| {
            let down_limit = Some(2 << 20);
            let snapshot = Snapshot { bottleneck, down_limit, ..sample::downloading() };
            self::bottleneck(&snapshot)
        };
        for (cause, expected) in [
            (Bottleneck::None, None),
            (Bottleneck::NoPeers, Some("no peers")),
            (Bottleneck::NothingOffered, Some("no peer has what is missing")),
            (Bottleneck::Choked, Some("choked by all peers")),
            (Bottleneck::Limit, Some("limited to 2.00 MiB/s")),
            (Bottleneck::RarePieces, Some("waiting for rare pieces")),
            (Bottleneck::Hashing, Some("hashing is slow")),
            (Bottleneck::Disk, Some("waiting for the disk")),
            (Bottleneck::Network, None),
        ] {
            assert_eq!(phrase(cause).as_deref(), expected, "{cause:?}");
        }
        let paused = Snapshot {
            state: State::Paused,
            bottleneck: Bottleneck::NoPeers,
            ..sample::downloading()
        };
        assert_eq!(bottleneck(&paused), None);
    }

    #[test]
    fn who_shares_less_than_everything_says_so() {
        let mut snapshot = sample::seeding();
        assert_eq!(status(&snapshot), "sharing");
        snapshot.pieces_have -= 1;
        assert_eq!(status(&snapshot), "sharing all but 1 piece");
        snapshot.pieces_have -= 1;
        assert_eq!(status(&snapshot), "sharing all but 2 pieces");
        assert_eq!(status(&sample::downloading()), "downloading");
    }

    #[test]
    fn the_figures_say_what_matters_in_each_state() {
        let mut snapshot = sample::downloading();
        assert_eq!(
            figures(&snapshot).join(", "),
            "600 MiB of 900 MiB, down 80.0 MiB/s, up 5.00 MiB/s, 0:05 left, 2 peers (1 seed)"
        );
        (snapshot.down_rate, snapshot.up_rate, snapshot.eta_s) = (0, 0, None);
        snapshot.peers.clear();
        snapshot.bottleneck = Bottleneck::NoPeers;
        assert_eq!(figures(&snapshot).join(", "), "600 MiB of 900 MiB, down 0 B/s, no peers");
        assert_eq!(
            figures(&sample::seeding()).join(", "),
            "up 5.00 MiB/s, 1.17 GiB uploaded, 2 peers (1 seed)"
        );
    }
}
