//! Downloads that do not go through at once, or not at all.

use super::*;

#[test]
fn an_interrupted_download_goes_on() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &["--upload-limit", "2M"]);
    let link = seeding["link"].as_str().unwrap();
    for interrupt in [
        |r: Running| Some(r.stop()),
        |r: Running| {
            r.kill();
            None
        },
    ] {
        let mut running = world.start(&get(link, "copy", &[]));
        running.event("started");
        while running.event("progress")["bytes_have"].as_u64().unwrap() < 1 << 20 {}
        if let Some(stopped) = interrupt(running) {
            assert_eq!(stopped.code, 7, "{stopped:?}");
            assert_eq!(last_event(&stopped)["kind"], "stopped");
            assert!(stopped.stderr.contains("hint: run the same command again"), "{stopped:?}");
        }
        assert!(!world.path("copy/share/big").exists());
    }
    let ran = world.run(&get(link, "copy", &[]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let resumed = find_event(&ran, "completed")["resumed"].as_u64().unwrap();
    assert!(resumed >= 1 << 20, "{resumed}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn a_choice_of_files_survives_a_kill_and_ends_with_everything() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &[]);
    let link = seeding["link"].as_str().unwrap();
    let wrong = ["get", link, "-o", "copy", "--listen", "127.0.0.1:0", "--only", "*.txt"];
    assert_fails(&world.run(&wrong), 2, "no file of the share fits '*.txt'");
    assert!(!world.path("copy").exists());

    let slow = ["--skip", "bin", "--skip", "none", "--download-limit", "2M"];
    let mut killed = world.start(&get(link, "copy", &slow));
    while killed.event("progress")["bytes_have"].as_u64().unwrap() < 1 << 20 {}
    killed.kill();
    // What was chosen is not said again.
    let ran = world.run(&get(link, "copy", &["--seed", "never"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let chosen =
        "\nfetching 1 of 3 files, 6.00 MiB of 6.07 MiB as before; --only '*' fetches all\n";
    assert!(ran.stderr.contains(chosen), "{ran:?}");
    let completed = find_event(&ran, "completed");
    assert_eq!(completed["bytes"], SIZE);
    assert_eq!(fs::read(world.path("copy/share/big")).unwrap(), bytes(SIZE, 1));
    assert!(!world.path("copy/share/bin").exists() && !world.path("copy/share/none").exists());

    let ran = world.run(&get(link, "copy", &["--seed", "never", "--only", "*"]));
    assert_eq!(find_event(&ran, "completed")["resumed"], SIZE, "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!(fs::read_dir(world.path("copy")).unwrap().count(), 1);
    seeder.stop();
}

#[test]
fn a_second_download_of_the_same_into_the_same_folder_is_refused() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &["--upload-limit", "100k"]);
    let link = seeding["link"].as_str().unwrap();
    let mut first = world.start(&get(link, "copy", &[]));
    first.event("started");
    let second = world.run(&["get", link, "-o", "copy", "--listen", "127.0.0.1:0", "-q"]);
    assert_eq!((second.code, second.stdout.as_str()), (8, ""), "{second:?}");
    assert!(second.stderr.contains("hint: wait for it or stop it"), "{second:?}");
    assert_eq!(first.stop().code, 7);
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn something_else_in_the_way_is_left_alone() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &[]);
    let link = seeding["link"].as_str().unwrap();
    world.write("copy/share/big", "precious");
    let ran = world.run(&["get", link, "-o", "copy", "--listen", "127.0.0.1:0", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran:?}");
    assert!(ran.stderr.contains("hint: move it away or choose another folder"), "{ran:?}");
    assert_eq!(fs::read(world.path("copy/share/big")).unwrap(), b"precious");

    world.write("file", "");
    let ran = world.run(&["get", link, "-o", "file", "--listen", "127.0.0.1:0", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran:?}");
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn nobody_there() {
    let world = World::new();
    write_share(&world);
    let link = world.create("share");
    let ran = world.run(&["get", &link]);
    assert_fails(&ran, 4, "nobody to ask: no tracker and no peer");

    // A port that nobody listens on: taken and given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = format!("{}@{free}", "a".repeat(52));
    for flag in ["--tracker", "--peer"] {
        let ran = world.run(&["get", &link, flag, &peer, "--timeout", "1s", "-q"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran:?}");
        let ran =
            world.run(&["get", "share.swarm", flag, &peer, "--timeout", "1s", "-q", "-o", "x"]);
        assert_fails(&ran, 4, "no peer was found for 1s");
    }
}

#[test]
fn whoever_names_a_wrong_key_hears_of_it() {
    let world = World::new();
    write_share(&world);
    let (other, seeding) = seed(&world, &[]);
    let at = |endpoint: &Value| endpoint.as_str().unwrap().split_once('@').unwrap().1.to_owned();
    let (peer, tracker) = (at(&seeding["peer"]), at(&seeding["tracker"]));
    let wrong = |addr: &str| format!("{}@{addr}", "a".repeat(52));
    let named = [wrong(&peer), wrong(&tracker)];
    // Another node than the first: it has a key of its own.
    let more = ["--identity", "other.key", "--peer", &named[0], "--tracker", &named[1]];
    let (mut misled, _) = seed(&world, &more);
    let (mut peer_told, mut tracker_told) = (false, false);
    while !(peer_told && tracker_told) {
        let event: Value = serde_json::from_str(&misled.line().unwrap()).unwrap();
        peer_told |= event["event"] == "wrong_key" && event["addr"] == peer.as_str();
        tracker_told |= event["event"] == "tracker_wrong_key" && event["name"] == tracker.as_str();
    }
    let ran = misled.stop();
    let warning =
        format!("warning: the peer at {peer} proved another key than the one that was named\n");
    assert_eq!(ran.stderr.matches(&warning).count(), 1, "{ran:?}");
    let line =
        format!("warning: tracker {tracker} proved another key than the one that was named\n");
    assert_eq!(ran.stderr.matches(&line).count(), 1, "{ran:?}");
    other.stop();
}

#[test]
fn a_wrong_key_is_refused() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &[]);
    let (right, peer) = (seeding["swarm"].as_str().unwrap(), seeding["peer"].as_str().unwrap());
    let (_, addr) = peer.split_once('@').unwrap();
    let link = format!("swarm:?id={right}&x.pe={}@{addr}", "a".repeat(52));
    let ran = world.run(&get(&link, "copy", &["--timeout", "2s"]));
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(last_event(&seeder.stop())["uploaded"], 0);
}

#[test]
fn a_manifest_whose_files_are_elsewhere_or_changed() {
    let world = World::new();
    write_share(&world);
    world.create("share");
    fs::rename(world.path("share"), world.path("moved")).unwrap();
    let ran = world.run(&["seed", "share.swarm", "-q"]);
    assert_fails(&ran, 1, "share: no such file or folder");
    assert!(ran.stderr.contains("--data"), "{ran:?}");
    let mut damaged = bytes(SIZE, 1);
    damaged[SIZE / 2] ^= 1;
    world.write("moved/big", damaged);
    let ran =
        world.run(&["seed", "share.swarm", "--data", "moved", "--listen", "127.0.0.1:0", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert!(ran.stderr.contains("hint: run `swarm verify`"), "{ran:?}");
}
