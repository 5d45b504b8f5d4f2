//! A report as people read it.

use super::{
    compare::{Comparison, Verdict},
    measures::Setup,
    report::Report,
    rows::{ROWS, Row},
    verdict,
};
use crate::{
    text::{counted, inert},
    units::{Bytes, Limit, Rate},
};

/// The whole report, without its last line end.
pub fn render(report: &Report) -> String {
    let mut lines = vec![what(&report.settings), whereabouts(report), String::new()];
    match &report.compared {
        None => lines.extend(figures(report)),
        Some(comparison) => lines.extend(changes(report, comparison)),
    }
    let rates = &report.rates;
    lines.push(String::new());
    lines.push(format!(
        "one core hashes {} ({}) and encrypts {} (AES-128-GCM)",
        Rate(rates.hash as u64),
        rates.hash_kernel,
        Rate(rates.aead as u64),
    ));
    lines.push(match report.settings.swarm {
        None => "every copy is equal to what was shared".into(),
        Some(_) => "every copy is what the manifest says".into(),
    });
    lines.extend(verdict::words(report));
    lines.join("\n")
}

/// `1 seeder, 4 getters, 256 MiB in pieces of 256 KiB over tls`.
fn what(setup: &Setup) -> String {
    let seeder = if setup.swarm.is_none() { "1 seeder, " } else { "" };
    let getters = counted(u64::from(setup.getters), "getter");
    let (bytes, piece) = (Bytes(setup.bytes), Bytes(setup.piece_length.into()));
    let mut text =
        format!("{seeder}{getters}, {bytes} in pieces of {piece} over {}", setup.transport.name());
    for (name, limit) in [("up", setup.upload_limit), ("down", setup.download_limit)] {
        if limit.is_some() {
            text += &format!(", {name} {} each", Limit(limit));
        }
    }
    text
}

fn whereabouts(report: &Report) -> String {
    let setup = &report.settings;
    let files = if setup.in_memory { "files in memory" } else { "files" };
    format!(
        "swarm {} on {}; {files} in {}",
        report.version,
        report.machine.describe(),
        inert(&setup.folder)
    )
}

fn figures(report: &Report) -> Vec<String> {
    let many = report.settings.runs > 1;
    let head = format!("{:<20}{:>13}", "", if many { "median" } else { "" });
    let mut lines = Vec::new();
    if many {
        lines.push(
            head + &format!("{:>13}{:>13}  of {} runs", "lowest", "highest", report.settings.runs),
        );
    }
    for row in rows(report) {
        let Some(spread) = (row.get)(&report.figures) else { continue };
        let show = |value| row.unit.show(value);
        let mut line = format!("{:<20}{:>13}", row.name, show(spread.median));
        if many {
            line += &format!("{:>13}{:>13}", show(spread.lowest), show(spread.highest));
        }
        lines.push(line);
    }
    lines
}

/// The figures that say something: a single getter is the first and the last.
fn rows(report: &Report) -> impl Iterator<Item = &'static Row> {
    let single = report.settings.getters == 1;
    ROWS.iter().filter(move |row| !(single && ["first_s", "median_s"].contains(&row.key)))
}

fn changes(report: &Report, comparison: &Comparison) -> Vec<String> {
    let spread = if report.settings.runs > 1 { "  lowest to highest now" } else { "" };
    let mut lines =
        vec![format!("{:<20}{:>13}{:>13}{:>8}{:8}{spread}", "", "then", "now", "ratio", "")];
    for row in rows(report) {
        let Some(change) = comparison.changes.iter().find(|change| change.figure == row.key) else {
            continue;
        };
        let ratio = change.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}x"));
        let verdict = match change.verdict {
            Verdict::Better => "  better",
            Verdict::Worse => "  worse",
            Verdict::Same | Verdict::Unjudged => "",
        };
        let (then, now) = (row.unit.show(change.then), row.unit.show(change.now));
        let mut line = format!("{:<20}{then:>13}{now:>13}{ratio:>8}{verdict:<8}", row.name);
        if let Some(spread) = (row.get)(&report.figures).filter(|_| report.settings.runs > 1) {
            let (lowest, highest) = (row.unit.show(spread.lowest), row.unit.show(spread.highest));
            line += &format!("  {lowest} to {highest}");
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.push(String::new());
    lines.push(format!(
        "compared with a report of swarm {}: {}",
        inert(&comparison.version),
        match comparison.worse().as_slice() {
            [] => format!("nothing is worse by more than {} %", comparison.threshold),
            worse => format!("worse by more than {} %: {}", comparison.threshold, worse.join(", ")),
        }
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn a_report_is_a_table_with_units() {
        let text = render(&sample::report());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..14],
            [
                "1 seeder, 2 getters, 256 MiB in pieces of 256 KiB over tls",
                "swarm 0.1.0 on Some CPU, 2 cores, 24.0 GiB of memory, Linux 6.1.0; files in memory in /dev/shm",
                "",
                "                           median       lowest      highest  of 3 runs",
                "first getter done          1.00 s       0.50 s       2.00 s",
                "median getter done         1.50 s       0.75 s       3.00 s",
                "last getter done           2.00 s       1.00 s       4.00 s",
                "into all getters        256 MiB/s    128 MiB/s    512 MiB/s",
                "sent by the seeder    1.25 copies  1.25 copies  1.25 copies",
                "received twice           16.0 KiB     16.0 KiB     16.0 KiB",
                "received corrupt              0 B          0 B          0 B",
                "CPU of the seeder          0.75 s       0.75 s       0.75 s",
                "CPU of a getter            1.25 s       1.25 s       1.25 s",
                "peak memory, seeder      20.0 MiB     20.0 MiB     20.0 MiB",
            ]
        );
        assert_eq!(
            lines[16..18],
            [
                "one core hashes 2.00 GiB/s (AVX-512, 16 lanes) and encrypts 4.00 GiB/s (AES-128-GCM)",
                "every copy is equal to what was shared",
            ]
        );
    }

    #[test]
    fn a_comparison_is_a_table_of_ratios() {
        let (old, mut new) = (sample::report(), sample::report());
        let spread = new.figures.last_s.as_mut().unwrap();
        spread.median = 2.5;
        new.compared = Some(Comparison::new(&old.version, &old.figures, &new.figures, 10.0));
        let text = render(&new);
        let lines: Vec<_> = text.lines().skip(3).take(5).collect();
        assert_eq!(
            lines,
            [
                "                             then          now   ratio          lowest to highest now",
                "first getter done          1.00 s       1.00 s   1.00x          0.50 s to 2.00 s",
                "median getter done         1.50 s       1.50 s   1.00x          0.75 s to 3.00 s",
                "last getter done           2.00 s       2.50 s   1.25x  worse   1.00 s to 4.00 s",
                "into all getters        256 MiB/s    256 MiB/s   1.00x          128 MiB/s to 512 MiB/s",
            ]
        );
        let last =
            "compared with a report of swarm 0.1.0: worse by more than 10 %: last getter done";
        assert_eq!(text.lines().nth(16), Some(last));
    }

    #[test]
    fn a_single_getter_is_not_shown_three_times() {
        let mut report = sample::report();
        (report.settings.getters, report.settings.runs) = (1, 1);
        let text = render(&report);
        let names: Vec<_> = text.lines().skip(3).take(2).collect();
        assert_eq!(
            names,
            ["last getter done           2.00 s", "into all getters        256 MiB/s"]
        );
    }
}
