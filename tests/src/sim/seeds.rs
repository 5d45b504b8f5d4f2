//! Running one story over many seeds, and what a seed decides.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    panic::Location,
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random numbers of one part of a world: they depend on the seed and on what they are for, not
/// on what else draws some.
#[must_use]
pub fn rng_for(seed: u64, what: &str, number: u64) -> ChaCha8Rng {
    // `DefaultHasher::new` has fixed keys, unlike the one that a `HashMap` gets.
    let mut hasher = DefaultHasher::new();
    (seed, what, number).hash(&mut hasher);
    ChaCha8Rng::seed_from_u64(hasher.finish())
}

/// Runs `story` once for each of `count` seeds.
///
/// `SWARM_SEEDS=n` runs n of them instead and `SWARM_SEEDS=a..b` those from a up to b, which a longer
/// campaign has not seen yet; `SWARM_SEED=s` runs only s: the way to replay a failure.
///
/// # Panics
/// If the story does; then the line that replays it goes to stderr.
#[track_caller]
pub fn for_seeds(count: u64, story: impl Fn(u64)) {
    let caller = Location::caller();
    for seed in chosen(count) {
        let replay = Replay { seed, caller };
        story(seed);
        drop(replay);
    }
}

fn chosen(count: u64) -> Range<u64> {
    let read = |name| std::env::var(name).ok();
    if let Some(seed) = read("SWARM_SEED").and_then(|seed| seed.parse::<u64>().ok()) {
        return seed..seed.saturating_add(1);
    }
    read("SWARM_SEEDS").and_then(|seeds| parse_range(&seeds)).unwrap_or(0..count)
}

/// `a..b`, or `n` for those from zero.
fn parse_range(seeds: &str) -> Option<Range<u64>> {
    let (start, end) = seeds.split_once("..").unwrap_or(("0", seeds));
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// Says how to run a seed again if the story fails while this lives.
struct Replay {
    seed: u64,
    caller: &'static Location<'static>,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or_default();
            let Self { seed, caller } = self;
            eprintln!(
                "failed at {caller} with seed {seed}; to replay:\n  \
                 SWARM_SEED={seed} cargo test -p swarm-tests {test}\n\
                 and with SWARM_TRACE=1 to see every input and output"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_of_them_or_a_range() {
        assert_eq!(parse_range("500"), Some(0..500));
        assert_eq!(parse_range("500..2000"), Some(500..2000));
        assert_eq!(parse_range("many"), None);
    }
}
