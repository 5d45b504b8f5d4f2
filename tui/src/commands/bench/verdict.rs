//! The last words of a benchmark: what limits a download on this machine, and what it costs.

use super::{limit::Limit, report::Report};
use crate::{text::inert, units::Rate};

/// Other programs that take more than this of all cores change the figures.
const OTHERS: f64 = 0.1;

/// The last words of a report.
pub fn words(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("{}.", limited(report))];
    lines.extend(cost(report));
    if busy_with_others(report).is_some() {
        lines.push(
            "Run it again when the machine has nothing else to do: it will be faster.".into(),
        );
    }
    lines
}

/// How busy other programs kept the cores, if that matters.
fn busy_with_others(report: &Report) -> Option<f64> {
    report.others.filter(|others| *others > OTHERS)
}

/// ` (its 2 cores were busy for 81 %)`.
fn busy(report: &Report) -> String {
    let Some(busy) = report.busy else { return String::new() };
    let mut text =
        format!(" (its {} cores were busy for {:.0} %", report.machine.cores, busy * 100.0);
    if let Some(others) = busy_with_others(report) {
        text += &format!(", and for {:.0} % with other programs", others * 100.0);
    }
    text + ")"
}

fn limited(report: &Report) -> String {
    let busy = busy(report);
    let local = report.settings.swarm.is_none();
    match report.limited_by {
        Limit::Processor => {
            format!("Limited by the processor{busy}{}", shares(report).unwrap_or_default())
        }
        Limit::Setting => "Limited by the rates that were set".into(),
        Limit::Disk if report.settings.in_memory => {
            format!("Limited by writing into memory, not by the processor{busy}")
        }
        Limit::Hashing => format!("Limited by hashing, though not all cores were busy{busy}"),
        Limit::Disk => format!(
            "Limited by the disk of {}, not by the processor{busy}; see `swarm bench disk`",
            inert(&report.settings.folder)
        ),
        Limit::Network if local => {
            format!("Limited by waiting for each other, not by the processor{busy}")
        }
        Limit::Network => format!(
            "Limited by the network or the machines at the other end, not by the processor{busy}"
        ),
        Limit::Peers => format!("Limited by waiting for peers, not by the processor{busy}"),
        Limit::Unknown => {
            format!("Over too soon to say what limits it{busy}; give a larger --size")
        }
    }
}

/// Which part of the CPU time went where: `; hashing took about …`.
fn shares(report: &Report) -> Option<String> {
    let (hash, aead) = parts(report)?;
    let rest = (1.0 - hash - aead).max(0.0);
    let percent = |part: f64| (part * 100.0).round();
    let mut text = format!(": about {:.0} % of the work was hashing", percent(hash));
    if aead > 0.0 {
        text += &format!(", {:.0} % encryption", percent(aead));
    }
    Some(text + &format!(" and {:.0} % moving bytes", percent(rest)))
}

/// Hashing and encryption as parts of all CPU time, by the rates of this processor.
fn parts(report: &Report) -> Option<(f64, f64)> {
    let figures = &report.figures;
    let getters = f64::from(report.settings.getters);
    let cpu =
        figures.getter_cpu_s?.median * getters + figures.seeder_cpu_s.map_or(0.0, |cpu| cpu.median);
    let payload = report.settings.bytes as f64 * getters;
    let part = |bytes: f64, rate: f64| if cpu > 0.0 { (bytes / rate / cpu).min(1.0) } else { 0.0 };
    let encrypted = report.settings.transport == crate::args::TransportKind::Tls;
    // Every byte is sealed once and opened once; with a link the other machine seals.
    let times = if report.settings.swarm.is_none() { 2.0 } else { 1.0 };
    let aead = if encrypted { part(payload * times, report.rates.aead) } else { 0.0 };
    Some((part(payload, report.rates.hash), aead))
}

/// What one download costs, and what network that is enough for.
fn cost(report: &Report) -> Option<String> {
    let cpu = report.figures.getter_cpu_s?.median;
    let (bytes, cores) = (report.settings.bytes as f64, f64::from(report.machine.cores));
    if cpu < 0.05 || bytes <= 0.0 {
        return None;
    }
    let per_gib = cpu / bytes * f64::from(1 << 30);
    let rate = bytes / cpu * cores;
    Some(format!(
        "A getter takes {per_gib:.2} s of CPU a GiB: all cores are enough for {}, a network of {:.1} Gbit/s.",
        Rate(rate as u64),
        rate * 8.0 / 1e9,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn the_last_words_say_where_the_time_went_and_what_it_is_enough_for() {
        let mut report = sample::report();
        report.others = Some(0.25);
        assert_eq!(
            words(&report),
            [
                "Limited by the processor (its 2 cores were busy for 81 %, and for 25 % with other \
                 programs): about 8 % of the work was hashing, 8 % encryption and 85 % moving bytes.",
                "A getter takes 5.00 s of CPU a GiB: all cores are enough for 410 MiB/s, a network \
                 of 3.4 Gbit/s.",
                "Run it again when the machine has nothing else to do: it will be faster.",
            ]
        );
    }

    #[test]
    fn a_slow_disk_is_named() {
        let mut report = sample::report();
        (report.limited_by, report.busy, report.settings.in_memory) = (Limit::Disk, None, false);
        assert_eq!(
            words(&report)[0],
            "Limited by the disk of /dev/shm, not by the processor; see `swarm bench disk`."
        );
    }
}
