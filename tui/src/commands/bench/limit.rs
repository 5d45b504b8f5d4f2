//! What held the getters of a benchmark up.

use serde::{Deserialize, Serialize};

use super::measures::Waits;

/// What held the getters up for most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The cores were busy all the time.
    Processor,
    /// A limit that the user set.
    Setting,
    /// Writing.
    Disk,
    /// Hashing what arrived, though not all cores were busy.
    Hashing,
    /// The network, or the machines at the other end.
    Network,
    /// There was nobody to fetch from, or they did not serve.
    Peers,
    /// It was over too soon to tell.
    Unknown,
}

/// From here on the cores are what everything waits for: on a busy machine the system itself and
/// the rest of its processes take the remainder.
const BUSY: f64 = 0.8;
/// Fewer answers than this say nothing: a getter is asked ten times a second.
const ANSWERS_MIN: u32 = 3;

/// What held the getters up: the rates that were set, if they were reached (`at_set_rate`); the
/// processor, if it was `busy` with us or with others; else what they said most often.
pub fn limit(at_set_rate: bool, busy: Option<f64>, others: Option<f64>, waits: Waits) -> Limit {
    if at_set_rate {
        return Limit::Setting;
    }
    if busy.is_some_and(|busy| busy + others.unwrap_or(0.0) >= BUSY) {
        return Limit::Processor;
    }
    let all = [
        (waits.limit, Limit::Setting),
        (waits.disk, Limit::Disk),
        (waits.hashing, Limit::Hashing),
        (waits.network, Limit::Network),
        (waits.peers, Limit::Peers),
    ];
    if all.iter().map(|(count, _)| count).sum::<u32>() < ANSWERS_MIN {
        return Limit::Unknown;
    }
    all.into_iter().max_by_key(|(count, _)| *count).map_or(Limit::Unknown, |(_, limit)| limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_processor_is_the_limit_whatever_the_getters_say() {
        let waits = Waits { network: 9, ..Waits::default() };
        assert_eq!(limit(false, Some(0.95), None, waits), Limit::Processor);
        assert_eq!(
            limit(false, Some(0.5), Some(0.4), waits),
            Limit::Processor,
            "others take the rest"
        );
        assert_eq!(limit(false, Some(0.5), Some(0.1), waits), Limit::Network);
        assert_eq!(limit(false, None, Some(1.0), waits), Limit::Network);
        assert_eq!(limit(true, Some(0.1), Some(0.9), waits), Limit::Setting, "and it was reached");
    }

    #[test]
    fn else_it_is_what_they_say_most_often() {
        let waits = Waits { peers: 1, disk: 5, network: 4, ..Waits::default() };
        assert_eq!(limit(false, Some(0.2), None, waits), Limit::Disk);
        assert_eq!(limit(false, Some(0.2), None, Waits::default()), Limit::Unknown);
        assert_eq!(
            limit(false, None, None, Waits { limit: 3, ..Waits::default() }),
            Limit::Setting
        );
    }
}
