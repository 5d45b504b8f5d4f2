//! A report for tests.

use super::{
    limit::Limit,
    machine::Machine,
    measures::{Process, Rates, Run, Setup, Waits},
    report::{Kind, Report},
    stats,
    usage::Usage,
};
use crate::args::TransportKind;

/// Two getters of 256 MiB, in memory.
pub fn setup() -> Setup {
    Setup {
        swarm: None,
        getters: 2,
        bytes: 256 << 20,
        piece_length: 256 << 10,
        transport: TransportKind::Tls,
        upload_limit: None,
        download_limit: None,
        connections: 80,
        upload_slots: 8,
        memory: 40 << 20,
        disk_threads: 0,
        in_memory: true,
        folder: "/dev/shm".into(),
        runs: 3,
    }
}

fn process(cpu: f64, peak: u64) -> Process {
    let usage = Usage { cpu_user_s: Some(cpu), cpu_system_s: Some(0.25), peak_bytes: Some(peak) };
    Process { usage, ..Process::default() }
}

/// Three runs: one as fast as usual, one half and one twice.
pub fn runs() -> Vec<Run> {
    let run = |last: f64| Run {
        seconds: vec![last, last / 2.0],
        seeder: Some(Process { uploaded: 320 << 20, ..process(0.5, 20 << 20) }),
        getters: vec![
            Process { downloaded: 256 << 20, duplicate: 16384, ..process(1.0, 40 << 20) },
            Process { downloaded: 256 << 20, ..process(1.0, 30 << 20) },
        ],
        waits: Waits { network: 10, ..Waits::default() },
        machine_busy: Some(0.9375),
    };
    vec![run(4.0), run(2.0), run(1.0)]
}

/// The report of these runs.
pub fn report() -> Report {
    let (settings, runs) = (setup(), runs());
    Report {
        bench: Kind::Swarm,
        version: "0.1.0".into(),
        machine: Machine {
            cpu: "Some CPU".into(),
            cores: 2,
            memory: Some(24 << 30),
            kernel: "Linux 6.1.0".into(),
        },
        figures: stats::figures(&settings, &runs),
        settings,
        rates: Rates {
            hash: f64::from(1 << 30) * 2.0,
            hash_kernel: "AVX-512, 16 lanes".into(),
            aead: f64::from(1 << 30) * 4.0,
        },
        verified: true,
        limited_by: Limit::Processor,
        busy: stats::busy(2, &runs),
        others: Some(0.0),
        runs,
        compared: None,
    }
}
