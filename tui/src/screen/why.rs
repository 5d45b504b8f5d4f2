//! Why it is not faster, in a phrase, with what to do about it. The cause is found by the engine from
//! what it measures; here it only gets its words.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use swarm_engine::Bottleneck;
use swarm_node::{Snapshot, State};

use crate::{
    host::{Entry, Phase},
    look::Palette,
    text::{counted, inert},
    units::{Bytes, Rate},
    words::no_tracker_answers,
};

/// How a phrase is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// As it should be.
    Calm,
    /// It could be faster.
    Slow,
    /// It does not go on by itself.
    Stuck,
}

/// Draws the line below the figures: the phrase, or, of a transfer that has no figures and whose cause
/// stands in their place, what can be done.
pub fn draw(frame: &mut Frame<'_>, area: Rect, entry: &Entry, palette: Palette) {
    let (tone, phrase) = phrase(entry);
    let (cause, advice) = phrase.split_once("; ").unwrap_or((&phrase, ""));
    let mut line = Line::from(" ");
    if has_figures(entry) {
        line.spans.push(spoken(tone, cause, palette));
        line.spans.push(Span::raw("  "));
    } else {
        line.spans.push(Span::raw("  "));
    }
    line.spans.push(Span::raw(advice.to_owned()));
    frame.render_widget(line, area);
}

/// Draws the phrase of a transfer in a list, where nothing else says it.
pub fn line(frame: &mut Frame<'_>, area: Rect, entry: &Entry, palette: Palette) {
    let (tone, phrase) = phrase(entry);
    let (cause, advice) = phrase.split_once("; ").unwrap_or((&phrase, ""));
    let spans = [" ".into(), spoken(tone, cause, palette), format!("  {advice}").into()];
    frame.render_widget(Line::from_iter(spans), area);
}

/// Draws the cause alone.
pub fn cause(frame: &mut Frame<'_>, area: Rect, entry: &Entry, palette: Palette) {
    let (tone, phrase) = phrase(entry);
    let cause = phrase.split_once("; ").map_or(phrase.as_str(), |(cause, _)| cause);
    frame.render_widget(Line::from(vec![Span::raw(" "), spoken(tone, cause, palette)]), area);
}

fn has_figures(entry: &Entry) -> bool {
    entry.phase == Phase::Running && entry.snapshot.is_some()
}

fn spoken(tone: Tone, text: &str, palette: Palette) -> Span<'static> {
    let (glyph, style) = match tone {
        Tone::Calm => (" ", palette.dim()),
        Tone::Slow => ("▸", palette.warn().patch(palette.strong())),
        Tone::Stuck => ("!", palette.bad()),
    };
    Span::styled(format!("{glyph} {text}"), style)
}

/// The cause, and after `; ` what can be done.
fn phrase(entry: &Entry) -> (Tone, String) {
    match (&entry.phase, &entry.snapshot) {
        (Phase::Finding { trouble: None }, _) => {
            (Tone::Calm, "asking those in the link for the manifest".into())
        }
        (Phase::Finding { trouble: Some(why) }, _) => {
            let why = inert(why.strip_prefix("no manifest: ").unwrap_or(why));
            (Tone::Slow, format!("{why}; asking again, is it still shared there?"))
        }
        (Phase::Hashing { done, total }, _) => {
            (Tone::Calm, format!("reading and hashing: {} of {}", Bytes(*done), Bytes(*total)))
        }
        (Phase::Stopped { why }, _) if why.is_empty() => {
            (Tone::Stuck, "stopped; p starts it".into())
        }
        (Phase::Stopped { why }, _) => {
            (Tone::Stuck, format!("stopped: {}; p starts it", inert(why)))
        }
        (Phase::Failed { message, hint }, _) => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!("{}, ", inert(hint)));
            (Tone::Stuck, format!("{}; {hint}r tries again", inert(message)))
        }
        (Phase::Running, None) => (Tone::Calm, "starting".into()),
        (Phase::Running, Some(snapshot)) => running(snapshot),
    }
}

fn running(snapshot: &Snapshot) -> (Tone, String) {
    match snapshot.state {
        State::Checking => (Tone::Calm, "checking what is on the disk already".into()),
        State::Finishing => (Tone::Calm, "everything is verified; putting it in place".into()),
        State::Paused => (Tone::Slow, "paused; p goes on".into()),
        State::DiskTrouble => {
            (Tone::Stuck, "the disk is full or does not take data; goes on when it does".into())
        }
        State::Stopped => (Tone::Stuck, "stopped".into()),
        State::Seeding => sharing(snapshot),
        State::Downloading => downloading(snapshot),
    }
}

fn downloading(snapshot: &Snapshot) -> (Tone, String) {
    let peers = snapshot.peers.len() as u64;
    match snapshot.bottleneck {
        Bottleneck::None => (Tone::Calm, String::new()),
        Bottleneck::NoPeers if no_tracker_answers(snapshot) => {
            (Tone::Slow, "no peers: no tracker answers; trying again by itself, n asks now".into())
        }
        Bottleneck::NoPeers => {
            (Tone::Slow, "no peers: nobody who has it is connected; n asks the trackers".into())
        }
        Bottleneck::NothingOffered => (
            Tone::Slow,
            format!(
                "{} connected, but none has what is missing; waiting for one who has",
                counted(peers, "peer")
            ),
        ),
        Bottleneck::Choked => {
            let all =
                if peers == 1 { "the only peer".into() } else { format!("all {peers} peers") };
            (Tone::Slow, format!("choked by {all}: they serve others first; it goes in turns"))
        }
        Bottleneck::Limit => {
            let limit = snapshot
                .down_limit
                .map_or_else(String::new, |limit| format!(" of {}", Rate(limit)));
            (Tone::Slow, format!("at your own download limit{limit}; l changes it"))
        }
        Bottleneck::RarePieces => (
            Tone::Slow,
            "waiting for rare pieces: what is missing is with few peers, all busy".into(),
        ),
        Bottleneck::Hashing => {
            (Tone::Slow, "verifying: this machine hashes slower than data arrives".into())
        }
        Bottleneck::Disk => {
            (Tone::Slow, "the disk: data arrives faster than it can be written".into())
        }
        Bottleneck::Network => (Tone::Calm, "as fast as the network and the peers are".into()),
    }
}

fn sharing(snapshot: &Snapshot) -> (Tone, String) {
    let wanting = snapshot.peers.iter().filter(|peer| peer.wants_us).count() as u64;
    let limited = snapshot.up_limit.is_some_and(|limit| snapshot.up_rate >= limit / 10 * 9);
    if limited {
        let limit = snapshot.up_limit.unwrap_or_default();
        return (Tone::Slow, format!("at your own upload limit of {}; u changes it", Rate(limit)));
    }
    let rest =
        if snapshot.pieces_have < snapshot.pieces { ", as far as it was wanted" } else { "" };
    match wanting {
        0 => (
            Tone::Calm,
            format!("everything is here and verified{rest}; nobody wants anything now"),
        ),
        n => (
            Tone::Calm,
            format!(
                "everything is here and verified{rest}; sharing with {} who want it",
                counted(n, "peer")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    fn said(snapshot: &Snapshot) -> (Tone, String) {
        phrase(&sample::entry(0, snapshot))
    }

    #[test]
    fn every_cause_has_its_phrase() {
        let why = |bottleneck| {
            let down_limit = Some(2 << 20);
            said(&Snapshot { bottleneck, down_limit, ..sample::downloading() }).1
        };
        assert_eq!(
            why(Bottleneck::Limit),
            "at your own download limit of 2.00 MiB/s; l changes it"
        );
        assert_eq!(
            why(Bottleneck::Choked),
            "choked by all 2 peers: they serve others first; it goes in turns"
        );
        assert_eq!(why(Bottleneck::Network), "as fast as the network and the peers are");
        for cause in [
            Bottleneck::NoPeers,
            Bottleneck::NothingOffered,
            Bottleneck::RarePieces,
            Bottleneck::Hashing,
            Bottleneck::Disk,
        ] {
            let (tone, phrase) = said(&Snapshot { bottleneck: cause, ..sample::downloading() });
            assert!(tone == Tone::Slow && phrase.len() <= 88, "{phrase}");
        }
    }

    #[test]
    fn what_failed_says_why_and_below_what_to_do() {
        let mut app = sample::session();
        sample::press(&mut app, "jjjj2");
        let drawn = sample::drawn(&app, 100, 30);
        let lines: Vec<_> = drawn.lines().skip(3).take(2).collect();
        assert_eq!(
            lines,
            [
                " ! no manifest: tracker 10.0.0.1:7000: no answer in time",
                "   check that somebody shares it, r tries again"
            ]
        );
    }

    #[test]
    fn trackers_that_do_not_answer_are_named_as_the_cause() {
        let mut snapshot = Snapshot { bottleneck: Bottleneck::NoPeers, ..sample::downloading() };
        assert!(said(&snapshot).1.starts_with("no peers: nobody who has it"));
        snapshot.trackers.iter_mut().for_each(|tracker| tracker.up = false);
        assert!(said(&snapshot).1.starts_with("no peers: no tracker answers"));
    }

    #[test]
    fn who_shares_is_told_what_holds_that_back() {
        let snapshot = Snapshot {
            state: State::Seeding,
            up_rate: 1 << 20,
            up_limit: Some(1 << 20),
            ..sample::downloading()
        };
        assert_eq!(said(&snapshot).1, "at your own upload limit of 1.00 MiB/s; u changes it");
    }
}
