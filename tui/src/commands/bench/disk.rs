//! `swarm bench disk`: a disk the way a download uses it.
//!
//! Runs of blocks are written to their places in a file, and synced now and then; runs are read for
//! others; small files are made under another name, synced together and renamed. The node's store
//! does the same, with hashing in between.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::Instant,
};

use serde::Serialize;
use serde_json::json;

use super::{
    machine::Machine,
    on_a_thread,
    scratch::{Place, Scratch},
};
use crate::{
    args::BenchDiskArgs,
    context::Context,
    exit::Failure,
    text::inert,
    units::{Bytes, Rate},
};

/// Bytes written and read at a time: what a fast peer is asked for.
const RUN: u64 = 1 << 20;
/// Bytes that wait for a sync: as many as in the node's recorder.
const SYNC_EVERY: u64 = 128 << 20;
/// Bytes in a small file: the usual block of a file system.
const SMALL: usize = 4096;

/// What a disk does. Rates are bytes a second.
#[derive(Debug, Serialize)]
struct Rates {
    /// Writing, with all syncs.
    write: f64,
    /// Of the seconds that writing took, those in syncs.
    sync_s: f64,
    /// Reading what is not in memory; `None` if the files are in memory anyway.
    read: Option<f64>,
    /// Reading what is in memory still.
    read_cached: f64,
    /// Small files a second that are made, synced and renamed.
    small_files: f64,
}

/// Measures a folder and prints what its disk does.
pub async fn run(cx: Context, args: BenchDiskArgs) -> Result<(), Failure> {
    let place = Place::at(&args.dir);
    let bytes = args.size.0.next_multiple_of(RUN).max(RUN);
    place.check(bytes.saturating_add(u64::from(args.files) * SMALL as u64))?;
    let scratch = Scratch::new(&args.dir).await?;
    let done = measure(&cx, &scratch, &place, bytes, args.files).await;
    let removed = scratch.remove().await;
    let rates = done?;
    removed?;
    let machine = Machine::here();
    cx.console.object(&json!({
        "bench": "disk",
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "folder": place.folder,
        "in_memory": place.in_memory,
        "bytes": bytes,
        "files": args.files,
        "rates": rates,
    }))?;
    cx.console.result(render(&machine, &place, bytes, args.files, &rates))
}

async fn measure(
    cx: &Context,
    scratch: &Scratch,
    place: &Place,
    bytes: u64,
    files: u32,
) -> Result<Rates, Failure> {
    let (folder, stop) = (scratch.path().to_owned(), cx.stop.clone());
    let (file, small) = (folder.join("large"), folder.join("small"));
    cx.console.note(format_args!("writing {}", Bytes(bytes)));
    let go_on =
        move || if stop.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        _ => Failure::file(&folder, &error),
    };
    let (path, check) = (file.clone(), go_on.clone());
    let (write, sync_s) =
        on_a_thread(cx, move || write(&path, bytes, &check)).await?.map_err(failed)?;
    cx.console.note(format_args!("reading {}", Bytes(bytes)));
    let read = if place.in_memory {
        None
    } else {
        let (path, check) = (file.clone(), go_on.clone());
        let read = move || drop_cache(&path).and_then(|()| read(&path, bytes, &check));
        Some(on_a_thread(cx, read).await?.map_err(failed)?)
    };
    let check = go_on.clone();
    let cached = on_a_thread(cx, move || self::read(&file, bytes, &check)).await?;
    let read_cached = cached.map_err(failed)?;
    cx.console.note(format_args!("making {files} files of {}", Bytes(SMALL as u64)));
    let made = on_a_thread(cx, move || make_files(&small, files, &go_on)).await?;
    Ok(Rates { write, sync_s, read, read_cached, small_files: made.map_err(failed)? })
}

type GoOn<'a> = &'a dyn Fn() -> io::Result<()>;

/// Bytes a second that are written and synced, and the seconds in syncs.
fn write(path: &Path, bytes: u64, go_on: GoOn<'_>) -> io::Result<(f64, f64)> {
    let file = File::create_new(path)?;
    // Not zeros: some disks make nothing of them.
    let data: Vec<u8> = (0..RUN).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8).collect();
    let (start, mut in_syncs) = (Instant::now(), 0.0);
    for at in (0..bytes).step_by(RUN as usize) {
        go_on()?;
        file.write_all_at(&data, at)?;
        let end = at + RUN;
        if end.is_multiple_of(SYNC_EVERY) || end >= bytes {
            let before = Instant::now();
            file.sync_data()?;
            in_syncs += before.elapsed().as_secs_f64();
        }
    }
    Ok((bytes as f64 / start.elapsed().as_secs_f64(), in_syncs))
}

fn read(path: &Path, bytes: u64, go_on: GoOn<'_>) -> io::Result<f64> {
    let (file, mut data) = (File::open(path)?, vec![0; RUN as usize]);
    let start = Instant::now();
    for at in (0..bytes).step_by(RUN as usize) {
        go_on()?;
        file.read_exact_at(&mut data, at)?;
    }
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

/// Asks the system to forget what it has of the file in memory.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn drop_cache(path: &Path) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    Ok(fadvise(File::open(path)?, 0, None, Advice::DontNeed)?)
}

/// There is no such call here; what is read may come from memory.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn drop_cache(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Files a second.
fn make_files(folder: &Path, files: u32, go_on: GoOn<'_>) -> io::Result<f64> {
    fs::create_dir(folder)?;
    let data = [1; SMALL];
    let start = Instant::now();
    for n in 0..files {
        go_on()?;
        File::create_new(folder.join(format!("{n}.part")))?.write_all_at(&data, 0)?;
    }
    sync_all(folder)?;
    for n in 0..files {
        fs::rename(folder.join(format!("{n}.part")), folder.join(n.to_string()))?;
    }
    File::open(folder)?.sync_all()?;
    Ok(f64::from(files) / start.elapsed().as_secs_f64())
}

/// One call for the whole file system, as the store does when there are many files.
#[cfg(target_os = "linux")]
fn sync_all(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(_: &Path) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

fn render(machine: &Machine, place: &Place, bytes: u64, files: u32, rates: &Rates) -> String {
    let rate = |value: f64| Rate(value as u64).to_string();
    let folder = inert(&place.folder.display().to_string());
    let kind = if place.in_memory { " (in memory)" } else { "" };
    let seconds = bytes as f64 / rates.write;
    let mut lines = vec![
        format!("{} in {folder}{kind} on {}", Bytes(bytes), machine.describe()),
        String::new(),
        format!(
            "{:<26}{:>13}  ({:.2} s, {:.2} s of it in syncs)",
            "write and sync",
            rate(rates.write),
            seconds,
            rates.sync_s
        ),
    ];
    if let Some(read) = rates.read {
        lines.push(format!("{:<26}{:>13}", "read from the disk", rate(read)));
    }
    lines.push(format!("{:<26}{:>13}", "read from memory", rate(rates.read_cached)));
    lines.push(format!(
        "{:<26}{:>11}/s  (of {files})",
        format!("{} files", Bytes(SMALL as u64)),
        rates.small_files as u64
    ));
    lines.push(format!(
        "\n{} limits a download into {folder} to {}, a network of {:.1} Gbit/s.",
        if place.in_memory { "Writing into memory" } else { "This disk" },
        rate(rates.write),
        rates.write * 8.0 / 1e9
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn everything_is_measured_and_a_stop_is_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let (large, go_on) = (folder.path().join("large"), || Ok(()));
        let (rate, syncs) = write(&large, 2 * RUN, &go_on).unwrap();
        assert!(rate > 0.0 && syncs >= 0.0);
        assert_eq!(fs::metadata(&large).unwrap().len(), 2 * RUN);
        drop_cache(&large).unwrap();
        assert!(read(&large, 2 * RUN, &go_on).unwrap() > 0.0);
        assert!(make_files(&folder.path().join("small"), 3, &go_on).unwrap() > 0.0);
        assert_eq!(fs::read_dir(folder.path().join("small")).unwrap().count(), 3);
        let stop = || Err(io::ErrorKind::Interrupted.into());
        assert_eq!(read(&large, RUN, &stop).unwrap_err().kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn the_table_says_what_the_disk_is_enough_for() {
        let rates = Rates {
            write: f64::from(256 << 20),
            sync_s: 1.5,
            read: Some(f64::from(512 << 20)),
            read_cached: f64::from(1 << 30) * 4.0,
            small_files: 12345.6,
        };
        let place = Place { folder: "/data".into(), in_memory: false };
        assert_eq!(
            render(&sample::report().machine, &place, 1 << 30, 2000, &rates),
            "1.00 GiB in /data on Some CPU, 2 cores, 24.0 GiB of memory, Linux 6.1.0\n\
             \nwrite and sync                256 MiB/s  (4.00 s, 1.50 s of it in syncs)\n\
             read from the disk            512 MiB/s\n\
             read from memory             4.00 GiB/s\n\
             4.00 KiB files                  12345/s  (of 2000)\n\
             \nThis disk limits a download into /data to 256 MiB/s, a network of 2.1 Gbit/s."
        );
    }
}
