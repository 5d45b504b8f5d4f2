//! How long a finished download goes on sharing.
//!
//! A swarm is fast because those who have finished stay for those who have not; a script is useful
//! because it ends. The default serves both: share as long as somebody who is connected still lacks
//! something, at most one copy, and never longer than [`NEEDED_MAX`].

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use swarm_node::{Snapshot, State};

use crate::units::Span;

/// The default never shares longer than this: a download in a script must end.
const NEEDED_MAX: Duration = Duration::from_secs(600);
/// How long nobody may have lacked anything before the default stops. Two rounds of news from peers,
/// so that one who has just joined is seen.
const NEEDED_GRACE: Duration = Duration::from_secs(3);
/// How long somebody may lack something and take nothing before the default stops: a peer that hangs
/// must not keep everyone else.
const NEEDED_IDLE: Duration = Duration::from_secs(60);
/// How long a finished download is shared whatever its policy says, while its user has not said yet
/// for how long.
const ASK_MAX: Duration = Duration::from_secs(600);

/// What to do after completion.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Policy {
    /// Share while somebody who is connected lacks something, until one copy is uploaded.
    #[default]
    Needed,
    /// Stop at once.
    Never,
    /// Share until told to stop.
    Forever,
    /// Share until this many copies are uploaded.
    Ratio(f64),
    /// Share for this long.
    Time(Duration),
}

/// The text names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected needed, never, forever, ratio:R (such as ratio:1.5) or time:D (such as time:30m)"
)]
pub struct PolicyError;

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Ok(match text.trim().split_once(':') {
            None => match text.trim() {
                "needed" => Self::Needed,
                "never" => Self::Never,
                "forever" => Self::Forever,
                _ => return Err(PolicyError),
            },
            Some(("ratio", ratio)) => {
                let ratio = ratio.parse().map_err(|_| PolicyError)?;
                if !(0.0..=1e6).contains(&ratio) {
                    return Err(PolicyError);
                }
                Self::Ratio(ratio)
            }
            Some(("time", span)) => Self::Time(span.parse::<Span>().map_err(|_| PolicyError)?.0),
            Some(_) => return Err(PolicyError),
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needed => f.write_str("needed"),
            Self::Never => f.write_str("never"),
            Self::Forever => f.write_str("forever"),
            Self::Ratio(ratio) => write!(f, "ratio:{ratio}"),
            Self::Time(span) => write!(f, "time:{}", Span(*span)),
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Policy {
    /// What will happen, to be read after "sharing on ".
    pub fn describe(&self) -> String {
        match self {
            Self::Needed => "while a connected peer needs it".into(),
            Self::Never => "not at all".into(),
            Self::Forever => "until stopped".into(),
            Self::Ratio(ratio) => format!("until ratio {ratio}"),
            Self::Time(span) => format!("for {}", Span(*span)),
        }
    }
}

/// Sharing after completion. Pure: times are distances from the completion.
#[derive(Debug)]
pub struct Sharing {
    policy: Policy,
    /// The user is asked for how long, and has not said it yet.
    asking: bool,
    /// When somebody was last seen who lacks something.
    needed: Duration,
    /// When something was last uploaded.
    uploading: Duration,
    /// As of then, and before the transfer that the snapshots are of.
    uploaded: u64,
    before: u64,
}

impl Sharing {
    /// Sharing begins: the download was completed just now.
    pub const fn new(policy: Policy) -> Self {
        let zero = Duration::ZERO;
        Self { policy, asking: false, needed: zero, uploading: zero, uploaded: 0, before: 0 }
    }

    /// The same while the user is asked for how long: the policy holds only if no answer comes.
    pub const fn asking(policy: Policy) -> Self {
        Self { asking: true, ..Self::new(policy) }
    }

    /// It goes on so long after the completion, with so many bytes uploaded already.
    pub const fn after(self, age: Duration, before: u64) -> Self {
        Self { needed: age, uploading: age, uploaded: before, before, ..self }
    }

    /// Whether the user is asked and has not said it yet.
    pub const fn is_asking(&self) -> bool {
        self.asking
    }

    /// The user has said for how long, counted from the completion.
    pub const fn decide(&mut self, policy: Policy) {
        (self.policy, self.asking) = (policy, false);
    }

    /// Whether to stop now, and why, for a sentence that begins with "stopped sharing: ".
    pub fn ended(&mut self, now: Duration, snapshot: &Snapshot) -> Option<&'static str> {
        // The user has wanted more files since.
        if snapshot.state == State::Downloading {
            return None;
        }
        let uploaded = self.before.saturating_add(snapshot.totals.uploaded);
        if uploaded > self.uploaded {
            (self.uploaded, self.uploading) = (uploaded, now);
        }
        if snapshot.peers.iter().any(|peer| peer.pieces < snapshot.pieces) {
            self.needed = now;
        }
        let copies = |ratio: f64| uploaded as f64 >= ratio * snapshot.bytes as f64;
        if self.asking && now < ASK_MAX {
            return None;
        }
        match self.policy {
            Policy::Never => Some("asked not to"),
            Policy::Forever => None,
            Policy::Ratio(ratio) => copies(ratio).then_some("ratio reached"),
            Policy::Time(span) => (now >= span).then_some("time is up"),
            Policy::Needed if copies(1.0) => Some("one copy uploaded"),
            Policy::Needed if now >= NEEDED_MAX => Some("time is up"),
            Policy::Needed if now - self.needed >= NEEDED_GRACE => Some("nobody needs it"),
            Policy::Needed if now - self.uploading >= NEEDED_IDLE => Some("nobody takes it"),
            Policy::Needed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// A complete share of 1000 bytes in 10 pieces with one peer that has this many of them.
    fn snapshot(peer_pieces: Option<u32>, uploaded: u64) -> Snapshot {
        let mut snapshot = sample::seeding();
        (snapshot.pieces, snapshot.bytes, snapshot.totals.uploaded) = (10, 1000, uploaded);
        snapshot.peers.truncate(usize::from(peer_pieces.is_some()));
        snapshot.peers.iter_mut().for_each(|peer| peer.pieces = peer_pieces.unwrap_or(0));
        snapshot
    }

    #[test]
    fn policies_are_written_as_they_are_read() {
        for text in ["needed", "never", "forever", "ratio:1.5", "ratio:0", "time:30m"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for text in ["", "always", "ratio", "ratio:", "ratio:-1", "ratio:NaN", "time:x", "a:b"] {
            assert_eq!(text.parse::<Policy>(), Err(PolicyError), "{text}");
        }
    }

    #[test]
    fn the_default_stays_while_a_peer_lacks_something_and_takes_it() {
        let mut sharing = Sharing::new(Policy::Needed);
        assert_eq!(sharing.ended(secs(2), &snapshot(Some(3), 0)), None);
        assert_eq!(sharing.ended(secs(30), &snapshot(Some(3), 100)), None);
        assert_eq!(sharing.ended(secs(80), &snapshot(Some(9), 100)), None);
        assert_eq!(sharing.ended(secs(82), &snapshot(Some(10), 100)), None);
        assert_eq!(sharing.ended(secs(83), &snapshot(Some(10), 100)), Some("nobody needs it"));
    }

    #[test]
    fn the_default_ends_alone_after_a_copy_after_a_stall_and_after_ten_minutes() {
        let alone = Sharing::new(Policy::Needed).ended(secs(3), &snapshot(None, 0));
        assert_eq!(alone, Some("nobody needs it"));
        let copied = Sharing::new(Policy::Needed).ended(secs(1), &snapshot(Some(3), 1000));
        assert_eq!(copied, Some("one copy uploaded"));
        let stalled = Sharing::new(Policy::Needed).ended(secs(60), &snapshot(Some(3), 0));
        assert_eq!(stalled, Some("nobody takes it"));
        let long = Sharing::new(Policy::Needed).ended(secs(600), &snapshot(Some(3), 10));
        assert_eq!(long, Some("time is up"));
    }

    #[test]
    fn while_the_user_is_asked_it_goes_on_and_then_the_answer_holds() {
        let alone = snapshot(None, 5000);
        let mut sharing = Sharing::asking(Policy::Needed);
        assert_eq!(sharing.ended(secs(599), &alone), None);
        assert_eq!(sharing.ended(secs(600), &alone), Some("one copy uploaded"), "no answer");
        let mut sharing = Sharing::asking(Policy::Needed);
        sharing.decide(Policy::Time(secs(60)));
        assert_eq!(sharing.ended(secs(59), &alone), None);
        assert_eq!(sharing.ended(secs(60), &alone), Some("time is up"));
        sharing.decide(Policy::Never);
        assert_eq!(sharing.ended(secs(60), &alone), Some("asked not to"));
    }

    #[test]
    fn what_was_shared_before_counts() {
        let alone = snapshot(None, 500);
        let mut ratio = Sharing::new(Policy::Ratio(2.0)).after(secs(9), 1499);
        assert_eq!(ratio.ended(secs(10), &alone), None);
        let mut ratio = Sharing::new(Policy::Ratio(2.0)).after(secs(9), 1500);
        assert_eq!(ratio.ended(secs(10), &alone), Some("ratio reached"));
        let mut needed = Sharing::new(Policy::Needed).after(secs(100), 0);
        assert_eq!(needed.ended(secs(102), &alone), None, "peers have still to come back");
        assert_eq!(needed.ended(secs(103), &alone), Some("nobody needs it"));
    }

    #[test]
    fn the_users_choice_holds_whoever_is_there() {
        let crowd = snapshot(Some(3), 1500);
        let ended = |policy, s| Sharing::new(policy).ended(secs(s), &crowd).is_some();
        assert!(ended(Policy::Never, 0));
        assert!(!ended(Policy::Forever, 1 << 30));
        assert!(ended(Policy::Ratio(1.5), 1));
        assert!(!ended(Policy::Ratio(1.6), 1 << 30));
        assert!(!ended(Policy::Time(secs(60)), 59));
        assert!(ended(Policy::Time(secs(60)), 60));
    }
}
