//! What an event of the engine means.

use swarm_node::Event;
use swarm_proto::message::Goodbye;

use super::changed;
use crate::text::inert;

/// What an event means, safe to print, and whether it is a warning. `path` knows the files of the
/// share by their numbers.
pub fn describe(event: &Event, path: impl FnOnce(usize) -> Option<String>) -> (bool, String) {
    let (warn, text) = match event {
        Event::PeerJoined { peer, addr } => {
            (false, format!("peer {} joined from {addr}", peer.short()))
        }
        Event::PeerLeft { peer, reason: None } => (false, format!("peer {} left", peer.short())),
        Event::PeerLeft { peer, reason: Some(reason) } => {
            (false, format!("peer {} dropped: {}", peer.short(), why(*reason)))
        }
        Event::PeerBanned { peer, piece } => (
            true,
            format!("peer {} sent bad data for piece {piece}: no longer talked to", peer.short()),
        ),
        Event::WrongKey { addr } => {
            (true, format!("the peer at {addr} proved another key than the one that was named"))
        }
        Event::PieceCorrupt { piece } => {
            (true, format!("piece {piece} did not verify; what is bad is fetched again"))
        }
        Event::DiskFull => (true, "the disk is full: downloading waits for space".into()),
        Event::DiskRecovered => (false, "the disk takes data again".into()),
        Event::DiskFailed { message } => (true, format!("disk: {message}")),
        Event::FileChanged { file } => (true, changed(&path(*file as usize).unwrap_or_default())),
        Event::Completed => (false, "everything is verified and in place".into()),
        Event::TrackerUp { name, .. } => (false, format!("tracker {name} answers")),
        Event::TrackerWrongKey { name, .. } => {
            (true, format!("tracker {name} proved another key than the one that was named"))
        }
        Event::TrackerDown { name, .. } => {
            (true, format!("tracker {name} does not answer; trying again"))
        }
    };
    (warn, inert(&text))
}

/// Why we ended a connection.
const fn why(reason: Goodbye) -> &'static str {
    match reason {
        Goodbye::Shutdown => "this node shuts down",
        Goodbye::SwarmStopped => "the transfer was stopped",
        Goodbye::UnknownSwarm => "it wants another share",
        Goodbye::TooManyPeers => "there is no room for another peer",
        Goodbye::Duplicate => "connected already",
        Goodbye::Myself => "it is this node itself",
        Goodbye::NothingToExchange => "neither has anything for the other",
        Goodbye::Misbehaved => "it broke the protocol",
        Goodbye::CorruptData => "it sent data that does not verify",
        Goodbye::TimedOut => "it did not answer in time",
        Goodbye::Version => "it speaks another version of the protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_and_nothing_that_others_wrote_can_steer_the_terminal() {
        let path = "a/b\x1b[2J";
        let said = |event| describe(&event, |file| (file == 3).then(|| path.to_owned())).1;
        let changed = said(Event::FileChanged { file: 3 });
        assert!(changed.starts_with(r"a/b\u{1b}[2J was changed by another program: "), "{changed}");
        let alone = said(Event::FileChanged { file: 4 });
        assert!(alone.starts_with("the file was changed by another program: "), "{alone}");
        let failed = said(Event::DiskFailed { message: "no\nspace".into() });
        assert_eq!(failed, r"disk: no\u{a}space");
    }

    #[test]
    fn a_goodbye_has_its_reason() {
        let peer = swarm_proto::id::PeerId::new([0; 32]);
        let left = |reason| describe(&Event::PeerLeft { peer, reason }, |_| None);
        assert_eq!(left(None), (false, format!("peer {} left", peer.short())));
        let dropped = format!("peer {} dropped: it broke the protocol", peer.short());
        assert_eq!(left(Some(Goodbye::Misbehaved)), (false, dropped));
    }
}
