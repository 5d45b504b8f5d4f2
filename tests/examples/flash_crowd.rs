//! How near the engine comes to the shortest possible time, in the simulator.
//!
//! ```text
//! cargo run --release -p swarm-tests --example flash_crowd            # the usual cases
//! cargo run --release -p swarm-tests --example flash_crowd -- leechers=16 mib=64 piece=256 \
//!     up=50 down=100 rtt=1 seeders=1 seed=1 disk=800 timeline=500     # one of your own
//! ```
//!
//! For each case: when the last and the median leecher had everything, that time over the bound of
//! Kumar and Ross (HOTWEB 2006), how many copies the seeders sent, and how much came twice. With
//! `timeline=500` also every 500 ms: how busy the uplinks were, how many pieces are out, and
//! what held the leechers back.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use swarm_tests::sim::{Failure, Host, KIB, MIB, NodeId, Scenario, World};

/// One crowd. Rates in Mbit/s, times in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Case {
    seed: u64,
    seeders: usize,
    leechers: usize,
    mib: u64,
    /// KiB.
    piece: u64,
    up: u64,
    down: u64,
    rtt: u64,
    /// What a node reads or writes and hashes, MB a second.
    disk: u64,
    /// Between two lines about how it goes; 0 for none.
    timeline: u64,
}

const CROWD: Case = Case {
    seed: 1,
    seeders: 1,
    leechers: 16,
    mib: 64,
    piece: 256,
    up: 50,
    down: 100,
    rtt: 1,
    disk: 800,
    timeline: 0,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let cases = if args.is_empty() {
        vec![
            CROWD,
            Case { rtt: 100, ..CROWD },
            Case { leechers: 4, ..CROWD },
            Case { leechers: 50, ..CROWD },
            Case { leechers: 1, up: 1000, down: 1000, rtt: 1, ..CROWD },
            Case { leechers: 1, up: 1000, down: 1000, rtt: 100, mib: 256, ..CROWD },
            Case { leechers: 1, up: 10_000, down: 10_000, disk: 10_000, mib: 256, ..CROWD },
            Case { leechers: 4, up: 10_000, down: 10_000, disk: 10_000, mib: 256, ..CROWD },
        ]
    } else {
        vec![parse(&args)]
    };
    println!(
        "seeds leech   MiB  piece   up/down Mbit/s   rtt |   last s  median s  /bound | \
         seed copies  duplicate % | wall s"
    );
    for case in cases {
        if let Err(failure) = run(case) {
            println!("{case:?}: {failure}");
        }
    }
}

fn parse(args: &[String]) -> Case {
    let mut case = CROWD;
    for arg in args {
        let Some((name, value)) = arg.split_once('=') else { continue };
        let Ok(value) = value.parse::<u64>() else { continue };
        match name {
            "seed" => case.seed = value,
            "seeders" => case.seeders = value as usize,
            "leechers" => case.leechers = value as usize,
            "mib" => case.mib = value,
            "piece" => case.piece = value,
            "up" => case.up = value,
            "down" => case.down = value,
            "rtt" => case.rtt = value,
            "disk" => case.disk = value,
            "timeline" => case.timeline = value,
            _ => eprintln!("there is no {name}"),
        }
    }
    case
}

fn run(case: Case) -> Result<(), Failure> {
    let host = Host::mbit(case.up, case.down).rtt(Duration::from_millis(case.rtt));
    let mut world = Scenario::new(case.seed)
        .share(case.mib * MIB, case.piece * KIB)
        .seeders(case.seeders, host)
        .with(|node| node.disk.rate = case.disk * 1_000_000)
        .leechers(case.leechers, host)
        .with(|node| node.disk.rate = case.disk * 1_000_000)
        .build();
    let started = Instant::now();
    if case.timeline > 0 {
        timeline(&mut world, case)?;
    }
    world.finish(Duration::from_secs(3600))?;
    let report = world.report();
    let seconds = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
    let (last, median) = (seconds(report.last_finish()), seconds(report.median_finish()));
    println!(
        "{:5} {:5} {:5} {:6} {:8}/{:8} {:5} | {last:8.3}  {median:8.3} {:8.3} | {:11.2} {:12.2} | {:6.2}",
        case.seeders,
        case.leechers,
        case.mib,
        case.piece,
        case.up,
        case.down,
        case.rtt,
        last / bound(case),
        report.seed_copies(),
        report.duplicate() as f64 * 100.0 / (report.bytes * case.leechers as u64) as f64,
        started.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// The shortest possible time for all to have everything, in seconds: the seeders must send one
/// copy, each leecher must receive one, and all together must send one for each leecher.
fn bound(case: Case) -> f64 {
    let bits = (case.mib * MIB * 8) as f64;
    let (up, down) = (case.up as f64 * 1e6, case.down as f64 * 1e6);
    let (seeders, leechers) = (case.seeders as f64, case.leechers as f64);
    let once = bits / (up * seeders);
    let receive = bits / down;
    let all = leechers * bits / (up * (seeders + leechers));
    once.max(receive).max(all)
}

fn timeline(world: &mut World, case: Case) -> Result<(), Failure> {
    let step = Duration::from_millis(case.timeline);
    let nodes: Vec<NodeId> = world.nodes().collect();
    let (seeders, leechers) = nodes.split_at(case.seeders);
    let busy = |world: &World, nodes: &[NodeId]| -> Duration {
        nodes.iter().map(|&node| world.uplink_busy(node)).sum()
    };
    let mut before = (Duration::ZERO, Duration::ZERO);
    println!("     s | seeders' uplinks | leechers' uplinks | pieces: out, mean | held back by");
    while !world.all_finished() {
        world.run_for(step)?;
        let now = (busy(world, seeders), busy(world, leechers));
        let percent = |part: Duration, nodes: &[NodeId]| {
            part.as_secs_f64() * 100.0 / (step.as_secs_f64() * nodes.len() as f64)
        };
        let mut causes: BTreeMap<String, usize> = BTreeMap::new();
        for snapshot in leechers.iter().filter_map(|&node| world.snapshot(node)) {
            *causes.entry(format!("{:?}", snapshot.bottleneck)).or_default() += 1;
        }
        let copies = world.copies();
        let out = copies.iter().filter(|&&copies| copies > case.seeders as u32).count();
        let held: u32 = copies.iter().map(|copies| copies - case.seeders as u32).sum();
        println!(
            "{:6.2} | {:15.1}% | {:16.1}% | {out:6} {:10.1} | {causes:?}",
            world.now().since(swarm_engine::Time::ZERO).as_secs_f64(),
            percent(now.0 - before.0, seeders),
            percent(now.1 - before.1, leechers),
            f64::from(held) / leechers.len() as f64,
        );
        before = now;
    }
    Ok(())
}
