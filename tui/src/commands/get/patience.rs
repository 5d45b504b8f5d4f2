//! How long a download waits when nothing comes.

use std::time::{Duration, Instant};

use swarm_node::{Snapshot, State};

use crate::{
    exit::{Code, Failure},
    units::Span,
};

/// When a download is given up: when nothing comes, or the disk takes nothing, for the time that the
/// user allows. What the user paused waits as long as the user likes.
pub struct Patience {
    limit: Option<Duration>,
    since: Instant,
    received: u64,
    verified: u64,
}

impl Patience {
    /// It begins.
    pub const fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self { limit, since: now, received: 0, verified: 0 }
    }

    /// Why there is no more, if so.
    pub fn lost(&mut self, now: Instant, snapshot: &Snapshot) -> Option<Failure> {
        let (received, verified) = (snapshot.totals.downloaded, snapshot.bytes_have);
        let goes_on = match snapshot.state {
            State::Downloading => received > self.received,
            // What comes while the disk is tried again is no progress until it is kept.
            State::DiskTrouble => verified > self.verified,
            _ => true,
        };
        (self.received, self.verified) = (received, verified);
        if goes_on {
            self.since = now;
        }
        let limit = self.limit.filter(|limit| now - self.since >= *limit)?;
        Some(match (snapshot.state, snapshot.peers.is_empty()) {
            (State::DiskTrouble, _) => out_of_space(limit),
            (_, true) => out_of_patience("no peer was found", Some(limit)),
            (_, false) => out_of_patience("no peer sent anything", Some(limit)),
        })
    }
}

fn out_of_space(limit: Duration) -> Failure {
    let limit = Span(limit);
    Failure::new(Code::Disk, "disk", format!("the disk took nothing for {limit}")).hint(
        "make space on it; the same command goes on from what is verified, and --timeout sets how \
         long to wait",
    )
}

fn out_of_patience(what: &str, limit: Option<Duration>) -> Failure {
    let limit = Span(limit.unwrap_or_default());
    Failure::new(Code::Network, "no_peers", format!("{what} for {limit}")).hint(
        "check that somebody shares it and can be reached; --timeout sets how long to wait, \
         and the same command goes on from what is verified",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    #[test]
    fn patience_ends_when_nothing_comes() {
        let start = Instant::now();
        let after = |s| start + Duration::from_secs(s);
        let mut patience = Patience::new(Some(Duration::from_secs(60)), start);
        let mut snapshot = sample::downloading();
        assert_eq!(patience.lost(after(50), &snapshot), None, "the first bytes");
        assert_eq!(patience.lost(after(109), &snapshot), None);
        let failure = patience.lost(after(110), &snapshot).unwrap();
        assert_eq!(failure.code, Code::Network);
        assert_eq!(failure.message, "no peer sent anything for 1m");
        snapshot.peers.clear();
        let alone = patience.lost(after(110), &snapshot).unwrap();
        assert_eq!(alone.message, "no peer was found for 1m");
    }

    #[test]
    fn patience_ends_when_the_disk_keeps_nothing_and_not_in_a_pause() {
        let start = Instant::now();
        let after = |s| start + Duration::from_secs(s);
        let mut patience = Patience::new(Some(Duration::from_secs(60)), start);
        let mut snapshot = sample::downloading();
        snapshot.state = State::Paused;
        assert_eq!(patience.lost(after(500), &snapshot), None);
        snapshot.state = State::DiskTrouble;
        assert_eq!(patience.lost(after(550), &snapshot), None);
        snapshot.totals.downloaded += 16 << 10;
        let failure = patience.lost(after(560), &snapshot).unwrap();
        assert_eq!(failure.code, Code::Disk);
        assert_eq!(failure.message, "the disk took nothing for 1m");
        snapshot.bytes_have += 1 << 20;
        assert_eq!(patience.lost(after(570), &snapshot), None, "there is space again");
    }

    #[test]
    fn without_a_limit_patience_never_ends() {
        let start = Instant::now();
        let mut patience = Patience::new(None, start);
        let later = start + Duration::from_secs(1 << 20);
        assert_eq!(patience.lost(later, &sample::downloading()), None);
    }
}
