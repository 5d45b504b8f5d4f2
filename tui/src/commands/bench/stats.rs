//! From runs to figures.

use super::{
    measures::{Figures, Process, Run, Setup},
    spread::{Spread, median},
};

/// The figures of the runs.
pub fn figures(setup: &Setup, runs: &[Run]) -> Figures {
    let over = |figure: &dyn Fn(&Run) -> Option<f64>| Spread::of(runs.iter().map(figure));
    let sum = |run: &Run, part: fn(&Process) -> u64| {
        Some(run.getters.iter().map(|getter| part(getter) as f64).sum::<f64>())
    };
    let payload = setup.bytes as f64 * f64::from(setup.getters);
    Figures {
        first_s: over(&|run| run.seconds.iter().copied().min_by(f64::total_cmp)),
        median_s: over(&|run| median(&run.seconds)),
        last_s: over(&last),
        rate: over(&|run| last(run).filter(|last| *last > 0.0).map(|last| payload / last)),
        seed_copies: over(&|run| {
            let sent = run.seeder.as_ref()?.uploaded as f64;
            (setup.bytes > 0).then(|| sent / setup.bytes as f64)
        }),
        duplicate_bytes: over(&|run| sum(run, |getter| getter.duplicate)),
        corrupt_bytes: over(&|run| sum(run, |getter| getter.corrupt)),
        seeder_cpu_s: over(&|run| run.seeder.as_ref()?.usage.cpu_s()),
        seeder_peak_bytes: over(&|run| run.seeder.as_ref()?.usage.peak()),
        getter_cpu_s: over(&|run| Some(getters_cpu(run)? / run.getters.len().max(1) as f64)),
        getter_peak_bytes: over(&|run| {
            let peaks = run.getters.iter().map(|getter| getter.usage.peak());
            peaks.collect::<Option<Vec<_>>>()?.into_iter().max_by(f64::total_cmp)
        }),
    }
}

/// Whether the rates that the user set are what was reached: then nothing else is the limit.
pub fn at_set_rate(setup: &Setup, figures: &Figures) -> bool {
    /// Start and end take some of the time, and a limit lets a burst pass.
    const NEARLY: f64 = 0.85;
    let reached = |limit: Option<u64>, copies: Option<Spread>, seconds: Option<Spread>| {
        let (limit, copies, seconds) = (limit? as f64, copies?.median, seconds?.median);
        Some(setup.bytes as f64 * copies >= NEARLY * limit * seconds)
    };
    let one = Some(Spread { median: 1.0, lowest: 1.0, highest: 1.0 });
    reached(setup.upload_limit, figures.seed_copies, figures.last_s) == Some(true)
        || reached(setup.download_limit, one, figures.median_s) == Some(true)
}

/// When the last getter was done.
fn last(run: &Run) -> Option<f64> {
    run.seconds.iter().copied().max_by(f64::total_cmp)
}

/// How busy all cores of the machine were with our processes while a run lasted, from 0 to 1: the
/// median of the runs.
pub fn busy(cores: u32, runs: &[Run]) -> Option<f64> {
    Spread::of(runs.iter().map(|run| busy_in(cores, run))).map(|spread| spread.median)
}

/// The same for everything else that ran on it.
pub fn others(cores: u32, runs: &[Run]) -> Option<f64> {
    let of_run = |run: &Run| Some((run.machine_busy? - busy_in(cores, run)?).max(0.0));
    Spread::of(runs.iter().map(of_run)).map(|spread| spread.median)
}

fn busy_in(cores: u32, run: &Run) -> Option<f64> {
    let seeder = run.seeder.as_ref().map_or(Some(0.0), |seeder| seeder.usage.cpu_s())?;
    let available = last(run)? * f64::from(cores);
    // What the processes did before the clock started is counted too: hence the cap.
    let used = seeder + getters_cpu(run)?;
    (available > 0.0).then(|| (used / available).min(1.0))
}

fn getters_cpu(run: &Run) -> Option<f64> {
    run.getters.iter().map(|getter| getter.usage.cpu_s()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn figures_are_medians_of_the_runs() {
        let (setup, runs) = (sample::setup(), sample::runs());
        let figures = figures(&setup, &runs);
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        assert_eq!(median(figures.first_s), Some(1.0));
        assert_eq!(median(figures.median_s), Some(1.5));
        assert_eq!(median(figures.last_s), Some(2.0));
        assert_eq!(median(figures.rate), Some(f64::from(256 << 20)));
        assert_eq!(
            figures.rate.map(|rate| (rate.lowest, rate.highest)),
            Some((f64::from(128 << 20), f64::from(512 << 20)))
        );
        assert_eq!(median(figures.seed_copies), Some(1.25));
        assert_eq!(median(figures.duplicate_bytes), Some(16384.0));
        assert_eq!(median(figures.corrupt_bytes), Some(0.0));
        assert_eq!(median(figures.seeder_cpu_s), Some(0.75));
        assert_eq!(median(figures.getter_cpu_s), Some(1.25));
        assert_eq!(median(figures.getter_peak_bytes), Some(f64::from(40 << 20)));
    }

    #[test]
    fn without_a_seeder_of_ours_its_figures_are_unknown() {
        let mut runs = sample::runs();
        runs[0].seeder = None;
        let figures = figures(&sample::setup(), &runs);
        assert_eq!((figures.seed_copies, figures.seeder_cpu_s), (None, None));
        assert!(figures.getter_cpu_s.is_some());
    }

    #[test]
    fn a_rate_that_was_set_and_reached_is_noticed() {
        let mut setup = sample::setup();
        let figures = figures(&setup, &sample::runs());
        assert!(!at_set_rate(&setup, &figures), "none is set");
        // The seeder sends 320 MiB in 2 s, a getter in the middle receives 256 MiB in 1.5 s.
        setup.upload_limit = Some(200 << 20);
        assert!(!at_set_rate(&setup, &figures));
        setup.upload_limit = Some(170 << 20);
        assert!(at_set_rate(&setup, &figures));
        (setup.upload_limit, setup.download_limit) = (None, Some(180 << 20));
        assert!(at_set_rate(&setup, &figures));
    }

    #[test]
    fn cores_are_busy_as_far_as_our_processes_kept_them_so() {
        let runs = sample::runs();
        // 0.75 s and two times 1.25 s, of 4 s, 2 s and 1 s on two cores.
        assert_eq!(busy(2, &runs), Some(3.25 / 4.0));
        assert_eq!(busy(1, &runs[2..]), Some(1.0), "never more than all of it");
        assert_eq!(others(2, &runs), Some(0.9375 - 3.25 / 4.0));
        assert_eq!(others(2, &runs[2..]), Some(0.0), "clocks that differ a little");
    }
}
