//! `swarm bench`: what this machine can do, and what limits it.
//!
//! A benchmark of a swarm runs a seeder and getters as processes of their own ([`party`], [`part`]),
//! several times ([`mod@run`]), and makes a [`report`] of what they say. What is measured of one part of
//! the machine alone is in [`hash`], [`disk`] and [`tls`].

mod compare;
mod disk;
mod hash;
mod limit;
mod machine;
mod measures;
mod message;
mod meter;
mod part;
mod party;
mod report;
mod rows;
mod run;
#[cfg(test)]
mod sample;
mod scratch;
mod spread;
mod stats;
mod table;
mod tls;
mod usage;
mod verdict;
mod view;

use std::path::Path;

use swarm_node::{Source, default_piece_length};
use swarm_proto::digest::Kernel;
use tokio::task;

use self::{
    compare::Comparison,
    machine::Machine,
    measures::{Rates, Run, Setup, Waits},
    message::MANIFEST,
    report::{Kind, Report},
    run::Stage,
    scratch::{Place, Scratch},
};
use super::{Context, create, demo::source};
use crate::{
    args::{BenchArgs, BenchCommand, BenchSwarmArgs, ManifestArgs},
    config::{Origin, Settings},
    exit::{Code, Failure},
    read,
    source::{link_of, read_source},
    text::counted,
};

/// Getters on this machine alone, when the user names no number.
const GETTERS: u32 = 4;
/// A report with a hundred runs of 65 processes is smaller.
const REPORT_LEN_MAX: u64 = 16 << 20;

/// Measures what the user asks for.
pub async fn run(cx: Context, args: BenchArgs) -> Result<(), Failure> {
    match args.what {
        None => swarm(cx, args.swarm).await,
        Some(BenchCommand::Hash) => hash::run(cx).await,
        Some(BenchCommand::Disk(args)) => disk::run(cx, args).await,
        Some(BenchCommand::Tls) => tls::run(cx).await,
        Some(BenchCommand::Part(args)) => part::run(cx, *args).await,
    }
}

/// Does work that blocks for seconds at most.
async fn on_a_thread<T: Send + 'static>(
    cx: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = task::spawn_blocking(work).await;
    if cx.stop.is_cancelled() {
        return Err(Failure::interrupted());
    }
    // The work does not panic.
    done.map_err(Failure::bug)
}

/// Measures a whole swarm.
async fn swarm(cx: Context, args: BenchSwarmArgs) -> Result<(), Failure> {
    // Whatever can be known to be wrong is said before anything takes long.
    let old = args.compare.as_deref().map(read_report).transpose()?;
    let source = args.source.as_deref().map(read_source).transpose()?;
    if source.is_none() {
        refuse_network_flags(&cx.settings)?;
        if args.size.0 == 0 {
            return Err(Failure::usage("--size: there is nothing to share")
                .hint("give at least a byte, or some megabytes to measure something"));
        }
    }
    let usual = if source.is_some() { 1 } else { GETTERS };
    let getters = args.getters.unwrap_or(usual);
    let mut setup = Setup::new(&cx.settings, getters, args.runs);
    let place = match &source {
        None => {
            setup.bytes = args.size.0;
            setup.piece_length =
                args.piece_length.unwrap_or_else(|| default_piece_length(args.size.0));
            // The source and a copy for each getter.
            let bytes = args.size.0.saturating_mul(u64::from(getters) + 1);
            let place = Place::choose(args.dir.as_deref(), bytes);
            place.check(bytes)?;
            place
        }
        // A real download goes to a disk, unless the user says otherwise.
        Some(_) => Place::at(args.dir.as_deref().unwrap_or(&std::env::temp_dir())),
    };
    (setup.in_memory, setup.folder) = (place.in_memory, place.folder.display().to_string());
    if let (Some(old), None) = (&old, &source) {
        refuse_to_compare(old, &setup)?;
    }
    let scratch = Scratch::new(&place.folder).await?;
    cx.console.note(format_args!(
        "working in {}{}",
        scratch.path().display(),
        if place.in_memory { ", which is memory" } else { "" },
    ));
    let done = measure(&cx, &args, source, &scratch, &mut setup).await;
    let removed = scratch.remove().await;
    let (rates, runs) = done?;
    removed?;
    finish(&cx, &args, old.as_ref(), setup, rates, runs)
}

/// On loopback there is nobody to reach and nobody else to ask. What variables and the configuration
/// file say of that is for real transfers, and not meant.
fn refuse_network_flags(settings: &Settings) -> Result<(), Failure> {
    let typed = [
        ("--listen", settings.listen.origin),
        ("--advertise", settings.advertise.origin),
        ("--tracker", settings.trackers.origin),
    ];
    match typed.into_iter().find(|(_, origin)| *origin == Origin::Flag) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::usage(format!("{flag} is for a real network"))
            .hint("name a link or manifest to fetch, or leave the flag out")),
    }
}

/// Measures the processor, prepares what is shared, and does the runs.
async fn measure(
    cx: &Context,
    args: &BenchSwarmArgs,
    source: Option<Source>,
    scratch: &Scratch,
    setup: &mut Setup,
) -> Result<(Rates, Vec<Run>), Failure> {
    cx.console.note("measuring the processor");
    let rates = on_a_thread(cx, || Rates {
        hash: hash::rate(Kernel::best(), 1),
        hash_kernel: Kernel::best().to_string(),
        aead: tls::rate(),
    });
    let rates = rates.await?;
    let stage = match source {
        None => local(cx, args, scratch.path(), setup).await?,
        Some(source) => remote(args, scratch.path(), source)?,
    };
    let mut runs = Vec::new();
    for n in 1..=args.runs {
        runs.push(stage.run(cx, n, setup).await?);
    }
    Ok((rates, runs))
}

/// Random bytes on this machine.
async fn local(
    cx: &Context,
    args: &BenchSwarmArgs,
    folder: &Path,
    setup: &Setup,
) -> Result<Stage, Failure> {
    let path = source::random(cx, folder, args.size.0).await?;
    let options =
        ManifestArgs { piece_length: Some(setup.piece_length), ..ManifestArgs::default() };
    let manifest = create::make(cx, &path, None, &options, Vec::new(), None).await?;
    create::announce(cx, &manifest);
    create::save(&folder.join(MANIFEST), &manifest, false)?;
    let getters = counted(u64::from(setup.getters), "getter");
    cx.console.note(format_args!("a seeder and {getters} on loopback, each its own process"));
    Ok(Stage::local(folder, path, manifest))
}

/// A share that others have.
fn remote(args: &BenchSwarmArgs, folder: &Path, source: Source) -> Result<Stage, Failure> {
    let (link, named) = match source {
        Source::Link(link) => {
            let named = link.trackers.len() + link.peers.len();
            (Some(link.to_string()), named)
        }
        Source::Manifest(manifest) => {
            create::save(&folder.join(MANIFEST), &manifest, false)?;
            (None, link_of(&manifest).trackers.len())
        }
    };
    let peers: Vec<_> = args.peers.iter().map(ToString::to_string).collect();
    if named + peers.len() + args.tuning.trackers.len() == 0 {
        return Err(Failure::new(
            Code::Network,
            "no_peers",
            "nobody to ask: no tracker and no peer",
        )
        .hint("give --tracker KEY@HOST:PORT or --peer KEY@HOST:PORT"));
    }
    Ok(Stage::remote(folder, link, peers))
}

/// Makes the report, prints it, and says whether anything got worse.
fn finish(
    cx: &Context,
    args: &BenchSwarmArgs,
    old: Option<&Report>,
    settings: Setup,
    rates: Rates,
    runs: Vec<Run>,
) -> Result<(), Failure> {
    let machine = Machine::here();
    let (busy, others) = (stats::busy(machine.cores, &runs), stats::others(machine.cores, &runs));
    let mut waits = Waits::default();
    runs.iter().for_each(|run| waits.merge(run.waits));
    let figures = stats::figures(&settings, &runs);
    let at_set_rate = stats::at_set_rate(&settings, &figures);
    let mut report = Report {
        bench: Kind::Swarm,
        version: env!("CARGO_PKG_VERSION").into(),
        figures,
        limited_by: limit::limit(at_set_rate, busy, others, waits),
        machine,
        settings,
        rates,
        verified: true,
        busy,
        others,
        runs,
        compared: None,
    };
    if let Some(old) = old {
        // A share that was fetched is known only now.
        refuse_to_compare(old, &report.settings)?;
        for difference in report.machine.differences(&old.machine) {
            cx.console.warn(format_args!("not the same machine: {difference}"));
        }
        report.compared =
            Some(Comparison::new(&old.version, &old.figures, &report.figures, args.threshold.0));
    }
    cx.console.object(&report)?;
    cx.console.result(table::render(&report))?;
    let worse = report.compared.as_ref().map(Comparison::worse).unwrap_or_default();
    if worse.is_empty() {
        return Ok(());
    }
    let message = format!("worse by more than {} %: {}", args.threshold.0, worse.join(", "));
    Err(Failure::new(Code::Slower, "slower", message)
        .hint("chance is part of it: compare again with more --runs on a machine with nothing else to do")
        .answered())
}

/// Reads what `--json` printed earlier.
fn read_report(path: &Path) -> Result<Report, Failure> {
    let wrong = |why: String| {
        let message = format!("{}: {why}", path.display());
        Failure::new(Code::Usage, "report", message)
            .hint("name a file that `swarm bench --json > FILE` has written")
    };
    let bytes = read::at_most(path, REPORT_LEN_MAX).map_err(|error| Failure::file(path, &error))?;
    let bytes = bytes.ok_or_else(|| wrong("too long for a report".into()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("not a report: {error}")))
}

fn refuse_to_compare(old: &Report, setup: &Setup) -> Result<(), Failure> {
    let differences = compare::differences(&old.settings, setup);
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!("the earlier report is of something else: {}", differences.join("; "));
    Err(Failure::new(Code::Usage, "report", message)
        .hint("give the flags that the earlier run had, or make a new report to compare with"))
}
