//! How much work a second a processor does.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::spread::median;

/// How long one sample lasts: hundreds of turns of the scheduler.
const SAMPLE: Duration = Duration::from_millis(150);
/// Samples of which the median counts.
const SAMPLES: usize = 3;

/// The work of one thread: each call does some and says how many bytes.
pub type Work = Box<dyn FnMut() -> u64 + Send>;

/// Bytes a second of `threads` threads that all do what `make` makes, the median of a few samples.
pub fn rate(threads: u32, make: &dyn Fn() -> Work) -> f64 {
    let mut work: Vec<Work> = (0..threads).map(|_| make()).collect();
    let samples: Vec<f64> = (0..SAMPLES).map(|_| sample(&mut work, SAMPLE)).collect();
    median(&samples).unwrap_or_default()
}

/// Bytes a second that all do together for so long; each works at least once.
fn sample(work: &mut [Work], length: Duration) -> f64 {
    let start = Instant::now();
    let bytes: u64 = thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter_mut()
            .map(|work| {
                scope.spawn(move || {
                    let mut bytes = work();
                    while start.elapsed() < length {
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
        let done: Vec<Arc<AtomicU32>> = (0..3).map(|_| Arc::default()).collect();
        let mut work: Vec<Work> = done
            .iter()
            .map(|done| {
                let done = Arc::clone(done);
                let work = move || u64::from(done.fetch_add(1, Ordering::Relaxed)) + 1;
                Box::new(work) as Work
            })
            .collect();
        assert!(sample(&mut work, Duration::ZERO) > 0.0);
        assert_eq!(
            done.iter().map(|done| done.load(Ordering::Relaxed)).collect::<Vec<_>>(),
            [1; 3]
        );
    }
}
