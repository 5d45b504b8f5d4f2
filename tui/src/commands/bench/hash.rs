//! `swarm bench hash`: SHA-256 in every way that this processor can run it.

use serde::Serialize;
use serde_json::json;
use swarm_proto::{
    digest::{Kernel, hash_blocks_with},
    geometry::BLOCK_LEN,
};

use super::{machine::Machine, meter, on_a_thread};
use crate::{context::Context, exit::Failure, units::Rate};

/// Bytes hashed at a time: a piece of usual length, more than the first two caches hold.
const PIECE: usize = 256 * BLOCK_LEN as usize;

/// One way of hashing.
#[derive(Debug, Serialize)]
struct Row {
    kernel: String,
    /// It is the one that the program uses here.
    used: bool,
    /// Bytes a second on one core.
    one_core: f64,
    all_cores: f64,
}

/// Measures every kernel that this processor has, and prints their rates.
pub async fn run(cx: Context) -> Result<(), Failure> {
    let machine = Machine::here();
    let cores = machine.cores;
    let mut rows = Vec::new();
    for kernel in Kernel::available() {
        let name = kernel.to_string();
        cx.console.note(format_args!("measuring {name}"));
        let (one_core, all_cores) =
            on_a_thread(&cx, move || (rate(kernel, 1), rate(kernel, cores))).await?;
        rows.push(Row { kernel: name, used: kernel == Kernel::best(), one_core, all_cores });
    }
    cx.console.object(&json!({
        "bench": "hash",
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "kernels": rows,
    }))?;
    cx.console.result(render(&machine, &rows))
}

/// Bytes a second that this many threads hash.
pub fn rate(kernel: Kernel, threads: u32) -> f64 {
    meter::rate(threads, &|| {
        let data: Vec<u8> = (0..PIECE).map(|i| (i ^ (i >> 8)) as u8).collect();
        let mut leaves = Vec::new();
        Box::new(move || {
            leaves.clear();
            hash_blocks_with(kernel, &data, &mut leaves);
            PIECE as u64
        })
    })
}

fn render(machine: &Machine, rows: &[Row]) -> String {
    let mut lines = vec![
        format!("SHA-256 of {} KiB blocks on {}", BLOCK_LEN / 1024, machine.describe()),
        String::new(),
        format!("{:<22}{:>13}{:>13}", "", "one core", "all cores"),
    ];
    let rate = |value: f64| Rate(value as u64).to_string();
    for row in rows {
        let (one, all) = (rate(row.one_core), rate(row.all_cores));
        let used = if row.used { "  <- used here" } else { "" };
        lines.push(format!("{:<22}{one:>13}{all:>13}{used}", row.kernel));
    }
    if let Some(used) = rows.iter().find(|row| row.used) {
        let gbit = used.all_cores * 8.0 / 1e9;
        lines.push(format!(
            "\nHashing alone limits a download on this machine to {}, a network of {gbit:.0} Gbit/s.",
            rate(used.all_cores)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn the_table_names_the_kernel_that_is_used() {
        let row = |kernel: &str, used, rate: u32| Row {
            kernel: kernel.into(),
            used,
            one_core: f64::from(rate),
            all_cores: f64::from(rate) * 2.0,
        };
        let rows = [row("portable", false, 256 << 20), row("AVX2, 8 lanes", true, 1 << 30)];
        assert_eq!(
            render(&sample::report().machine, &rows),
            "SHA-256 of 16 KiB blocks on Some CPU, 2 cores, 24.0 GiB of memory, Linux 6.1.0\n\
             \n                           one core    all cores\n\
             portable                  256 MiB/s    512 MiB/s\n\
             AVX2, 8 lanes            1.00 GiB/s   2.00 GiB/s  <- used here\n\
             \nHashing alone limits a download on this machine to 2.00 GiB/s, a network of 17 Gbit/s."
        );
    }
}
