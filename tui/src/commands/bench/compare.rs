//! Then and now.

use serde::{Deserialize, Serialize};

use super::{
    measures::{Figures, Setup},
    rows::{Better, ROWS, Row},
};
use crate::{
    text::inert,
    units::{Bytes, Limit},
};

/// How the figures have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of the earlier run.
    pub version: String,
    /// Percent by which a figure may be worse.
    pub threshold: f64,
    pub changes: Vec<Change>,
}

/// How one figure has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its name in the report.
    pub figure: String,
    /// The median then.
    pub then: f64,
    /// The median now.
    pub now: f64,
    /// Now over then; `None` where it was nothing.
    pub ratio: Option<f64>,
    pub verdict: Verdict,
}

/// What to think of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better by more than the threshold.
    Better,
    /// Within the threshold.
    Same,
    /// Worse by more than the threshold.
    Worse,
    /// Nobody can say which way is better.
    Unjudged,
}

impl Comparison {
    /// Compares the medians with those of an earlier run, which was of this version. A figure that
    /// either side lacks is left out.
    pub fn new(version: &str, old: &Figures, new: &Figures, threshold: f64) -> Self {
        let changes = ROWS.iter().filter_map(|row| {
            let (then, now) = ((row.get)(old)?.median, (row.get)(new)?.median);
            Some(Change {
                figure: row.key.into(),
                then,
                now,
                ratio: (then > 0.0).then(|| now / then),
                verdict: judge(row, then, now, threshold),
            })
        });
        Self { version: version.into(), threshold, changes: changes.collect() }
    }

    /// The figures that are worse, as a table calls them.
    pub fn worse(&self) -> Vec<&'static str> {
        let is_worse = |row: &&Row| {
            let mut changes = self.changes.iter();
            changes.any(|change| change.figure == row.key && change.verdict == Verdict::Worse)
        };
        ROWS.iter().filter(is_worse).map(|row| row.name).collect()
    }
}

fn judge(row: &Row, then: f64, now: f64, threshold: f64) -> Verdict {
    let worse_by = match row.better {
        Better::Less => now - then,
        Better::More => then - now,
        Better::Unjudged => return Verdict::Unjudged,
    };
    if worse_by.abs() <= row.grain || worse_by.abs() <= then * threshold / 100.0 {
        Verdict::Same
    } else if worse_by > 0.0 {
        Verdict::Worse
    } else {
        Verdict::Better
    }
}

/// In what the earlier run was set up differently, in words: then the figures say nothing about each
/// other. The number of runs may differ, and the folder, if both are in memory or neither is.
pub fn differences(old: &Setup, new: &Setup) -> Vec<String> {
    let mut all = Vec::new();
    let mut check = |what: &str, old: String, new: String| {
        if old != new {
            all.push(format!("{what}: {} then, {} now", inert(&old), inert(&new)));
        }
    };
    let share = |setup: &Setup| setup.swarm.clone().unwrap_or_else(|| "random bytes".into());
    // Exact: two sizes that look alike are not the same.
    let bytes = |bytes: u64| format!("{} ({bytes} bytes)", Bytes(bytes));
    let limit = |limit| Limit(limit).to_string();
    let files = |in_memory| if in_memory { "memory" } else { "a disk" }.to_owned();
    check("share", share(old), share(new));
    check("getters", old.getters.to_string(), new.getters.to_string());
    check("size", bytes(old.bytes), bytes(new.bytes));
    check("piece length", bytes(old.piece_length.into()), bytes(new.piece_length.into()));
    check("transport", old.transport.name().into(), new.transport.name().into());
    check("upload limit", limit(old.upload_limit), limit(new.upload_limit));
    check("download limit", limit(old.download_limit), limit(new.download_limit));
    check("connections", old.connections.to_string(), new.connections.to_string());
    check("upload slots", old.upload_slots.to_string(), new.upload_slots.to_string());
    check("memory", bytes(old.memory), bytes(new.memory));
    check("disk threads", old.disk_threads.to_string(), new.disk_threads.to_string());
    check("files in", files(old.in_memory), files(new.in_memory));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::{report::Report, sample, spread::Spread};

    fn at(value: f64) -> Option<Spread> {
        Some(Spread { median: value, lowest: value, highest: value })
    }

    fn compared(old: &Report, new: &Report, threshold: f64) -> Comparison {
        Comparison::new(&old.version, &old.figures, &new.figures, threshold)
    }

    fn verdict(comparison: &Comparison, figure: &str) -> (Option<f64>, Verdict) {
        let change = comparison.changes.iter().find(|change| change.figure == figure).unwrap();
        (change.ratio, change.verdict)
    }

    #[test]
    fn nothing_has_changed_since_the_same_report() {
        let report = sample::report();
        let comparison = compared(&report, &report, 0.0);
        assert_eq!(comparison.worse(), [""; 0]);
        assert_eq!(verdict(&comparison, "last_s"), (Some(1.0), Verdict::Same));
        assert_eq!(verdict(&comparison, "duplicate_bytes"), (Some(1.0), Verdict::Unjudged));
        assert_eq!(comparison.changes.len(), ROWS.len());
    }

    #[test]
    fn worse_is_more_seconds_and_less_throughput_beyond_the_threshold() {
        let (old, mut new) = (sample::report(), sample::report());
        new.figures.last_s = at(2.5);
        new.figures.median_s = at(1.5 * 1.09);
        new.figures.first_s = at(0.5);
        new.figures.rate = at(f64::from(128 << 20));
        let comparison = compared(&old, &new, 10.0);
        assert_eq!(verdict(&comparison, "last_s"), (Some(1.25), Verdict::Worse));
        assert_eq!(verdict(&comparison, "first_s"), (Some(0.5), Verdict::Better));
        assert_eq!(verdict(&comparison, "median_s").1, Verdict::Same, "within the threshold");
        assert_eq!(verdict(&comparison, "rate"), (Some(0.5), Verdict::Worse));
        assert_eq!(comparison.worse(), ["last getter done", "into all getters"]);
    }

    #[test]
    fn what_a_clock_cannot_tell_apart_is_the_same() {
        let (mut old, mut new) = (sample::report(), sample::report());
        (old.figures.seeder_cpu_s, new.figures.seeder_cpu_s) = (at(0.02), at(0.04));
        (old.figures.corrupt_bytes, new.figures.corrupt_bytes) = (at(0.0), at(5.0));
        let comparison = compared(&old, &new, 0.0);
        assert_eq!(verdict(&comparison, "seeder_cpu_s"), (Some(2.0), Verdict::Same));
        assert_eq!(verdict(&comparison, "corrupt_bytes"), (None, Verdict::Unjudged));
    }

    #[test]
    fn a_figure_that_one_side_lacks_is_left_out() {
        let (mut old, new) = (sample::report(), sample::report());
        old.figures.seeder_cpu_s = None;
        let comparison = compared(&old, &new, 10.0);
        assert_eq!(comparison.changes.len(), ROWS.len() - 1);
    }

    #[test]
    fn different_setups_are_told_apart() {
        let old = sample::setup();
        let mut new = Setup { runs: 9, folder: "/elsewhere".into(), ..old.clone() };
        assert_eq!(differences(&old, &new), [""; 0]);
        new.bytes = 1 << 20;
        new.upload_limit = Some(1 << 20);
        assert_eq!(
            differences(&old, &new),
            [
                "size: 256 MiB (268435456 bytes) then, 1.00 MiB (1048576 bytes) now",
                "upload limit: none then, 1.00 MiB/s now",
            ]
        );
    }
}
