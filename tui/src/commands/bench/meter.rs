//! How much work a second a processor does.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::stats::median;

/// How long one sample lasts: hundreds of turns of the scheduler.
const SAMPLE: Duration = Duration::from_millis(150);
/// Samples of which the median counts.
const SAMPLES: usize = 3;

/// The work of one thread: each call does some and says how many bytes.
pub type Work = Box<dyn FnMut() -> u64 + Send>;

/// Bytes a second of `threads` threads that all do what `make` makes, the median of a few samples.
pub fn rate(threads: u32, make: &dyn Fn() -> Work) -> f64 {
    let mut work: Vec<Work> = (0..threads).map(|_| make()).collect();
    let samples: Vec<f64> = (0..SAMPLES).map(|_| sample(&mut work)).collect();
    median(&samples).unwrap_or_default()
}

fn sample(work: &mut [Work]) -> f64 {
    let start = Instant::now();
    let bytes: u64 = thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter_mut()
            .map(|work| {
                scope.spawn(move || {
                    let mut bytes = 0;
                    while start.elapsed() < SAMPLE {
                        bytes += work();
                    }
                    bytes
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    bytes as f64 / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[test]
    fn every_thread_does_its_own_work() {
        let next = Arc::new(AtomicU32::new(0));
        let worked = Arc::new(AtomicU32::new(0));
        let make = || -> Work {
            let (bit, worked) = (1 << next.fetch_add(1, Ordering::Relaxed), Arc::clone(&worked));
            Box::new(move || {
                worked.fetch_or(bit, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
                1 << 20
            })
        };
        assert!(rate(3, &make) > 0.0);
        assert_eq!(worked.load(Ordering::Relaxed), 0b111);
    }
}
