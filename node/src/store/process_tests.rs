//! What needs a process of its own: being killed, a full disk, few file descriptors.
//!
//! Each test runs itself again in a child, which sees from a variable that it is the child.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use swarm_engine::DiskError;

use super::{
    tests::{check, download, output},
    *,
};
use crate::testing::{Sample, listing, small_pieces};

const ROLE: &str = "SWARM_TEST_CHILD";

/// This test in a child, started by `wrapper`, which gets the command as its last arguments. What
/// `given` says is handed to the child.
fn child(wrapper: &[&str], test: &str, given: &str) -> Command {
    let this = env::current_exe().unwrap();
    let mut words: Vec<_> = wrapper.iter().map(PathBuf::from).collect();
    words.push(this);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args(["--exact", "--nocapture", "--test-threads=1"]);
    command.arg(format!("store::process_tests::{test}"));
    command.env(ROLE, given).stdin(Stdio::null());
    command
}

fn given() -> Option<String> {
    env::var(ROLE).ok()
}

/// Downloads a few pieces at a time and says so, until everything is there.
fn download_step_by_step(source: PathBuf, output: &Path) {
    let manifest = Arc::new(crate::create(&source, small_pieces(), &mut |_| true).unwrap());
    let sample = Sample { dir: tempfile::tempdir().unwrap(), path: source, manifest };
    loop {
        let mut run = download(&sample, output).unwrap();
        let missing: Vec<_> = run.pieces().into_iter().filter(|&p| !run.have.has(p)).collect();
        println!("step");
        if missing.len() <= 3 {
            run.complete().unwrap();
            println!("whole");
            return;
        }
        for &piece in &missing[..3] {
            run.fetch(piece);
            println!("step");
        }
        run.store.close();
    }
}

#[test]
fn killed_at_any_moment_it_claims_nothing_that_is_not_there() {
    if let Some(given) = given() {
        let (source, output) = given.split_once(' ').unwrap();
        return download_step_by_step(source.into(), Path::new(output));
    }
    let names: Vec<_> = (0..12).map(|n| format!("{}/{n}", n % 3)).collect();
    let files = names.iter().enumerate().map(|(n, name)| (name.as_str(), n * 20_000));
    let sample = Sample::new(&files.collect::<Vec<_>>());
    let manifest = &sample.manifest;
    let output = output();
    let given = format!("{} {}", sample.path.display(), output.path().display());
    let mut kept = 0;
    for kill in 0..30 {
        let mut child =
            child(&[], "killed_at_any_moment_it_claims_nothing_that_is_not_there", &given)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        // The test harness talks, too.
        let steps = said.map(Result::unwrap).filter(|line| line.ends_with("step"));
        steps.take(1 + kill % 5).for_each(drop);
        child.kill().unwrap();
        child.wait().unwrap();

        let mut run = download(&sample, output.path()).unwrap();
        for piece in run.pieces() {
            if run.have.has(piece) {
                let verifies = check(&run.store, &mut run.answers, manifest, piece);
                assert_eq!(verifies, Ok(true), "kill {kill}, piece {}", piece.get());
            }
        }
        // What was claimed stays claimed: the work is not done again and again.
        assert!(run.have.count() >= kept, "kill {kill}");
        kept = run.have.count();
    }
    assert!(kept > 0);
    assert_eq!(download(&sample, output.path()).unwrap().complete(), Ok(()));
    assert_eq!(listing(&output.path().join("share")), listing(&sample.path));
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_lost() {
    const TEST: &str = "a_full_disk_is_reported_and_nothing_is_lost";
    let Some(disk) = given() else {
        // A file system of half a megabyte, in a namespace that ends with the child.
        let disk = output();
        let path = disk.path().to_str().unwrap();
        let mount = format!("mount -t tmpfs -o size=512k none {path} && exec \"$@\"");
        let wrapper = ["unshare", "-Urm", "sh", "-c", &mount, "sh"];
        let run = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        if run(Command::new(wrapper[0]).args(&wrapper[1..]).arg("true")) {
            assert!(run(&mut child(&wrapper, TEST, path)));
        } else {
            println!("skipped: this system lets us mount nothing");
        }
        return;
    };
    let (sample, disk) = (Sample::new(&[("a", 100_000), ("b", 300_000)]), Path::new(&disk));
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 256 << 10]).unwrap();
    let mut run = download(&sample, disk).unwrap();
    let (pieces, mut stored) = (run.pieces(), Vec::new());
    for &piece in &pieces {
        match run.try_write(piece) {
            Ok(()) => stored.push(piece),
            Err(error) => {
                assert_eq!(error, DiskError::NoSpace);
                break;
            }
        }
    }
    assert!((1..pieces.len()).contains(&stored.len()));
    for &piece in &stored {
        run.store.submit(Job::Record(piece));
    }
    // Reading goes on, and what is there can be taken up although the record could not be saved.
    assert!(run.read(stored[0]).is_ok());
    run.store.close();
    drop(run);
    fs::remove_file(ballast).unwrap();
    let mut run = download(&sample, disk).unwrap();
    assert_eq!(run.complete(), Ok(()));
    assert_eq!(listing(&disk.join("share")), listing(&sample.path));
}

#[test]
fn few_descriptors_are_enough_and_too_few_are_refused() {
    const TEST: &str = "few_descriptors_are_enough_and_too_few_are_refused";
    let Some(limit) = given() else {
        for limit in ["64", "20"] {
            let wrapper = ["sh", "-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"];
            assert!(child(&wrapper, TEST, limit).status().unwrap().success(), "{limit}");
        }
        return;
    };
    if limit == "20" {
        let error = DiskPool::new(1, swarm_net::Buffers::default(), false).unwrap_err();
        assert!(matches!(error, NodeError::FewDescriptors { limit: 20, needed: 64 }), "{error}");
        return;
    }
    let names: Vec<_> = (0..200).map(|n| format!("{n}/x")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 20_000)).collect();
    let (sample, output) = (Sample::new(&files), output());
    let mut run = download(&sample, output.path()).unwrap();
    assert_eq!(run.complete(), Ok(()));
    for piece in run.pieces() {
        assert!(run.read(piece).is_ok());
    }
    assert_eq!(listing(&output.path().join("share")), listing(&sample.path));
}
