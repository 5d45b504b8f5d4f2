//! Commands that answer a question and end.

use serde_json::{Map, Value};

use crate::world::{World, assert_fails, bytes};

/// The example below a heading of the manual.
pub fn example(heading: &str) -> Map<String, Value> {
    let manual = include_str!("../../../docs/json.md");
    let (_, section) = manual.split_once(&format!("\n### {heading}\n")).unwrap();
    let line = section.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str(line).unwrap()
}

/// Asserts that an object has the fields of the manual's example.
pub fn assert_like_the_manual(heading: &str, printed: &str) -> Value {
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let printed: Map<String, Value> = serde_json::from_str(printed).unwrap();
    let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&printed), keys(&example(heading)), "{heading}");
    Value::Object(printed)
}

/// A folder with a file, an empty file, a file below and an empty folder.
fn world_with_share() -> World {
    let world = World::new();
    world.write("share/big", bytes(300_000, 1));
    world.write("share/empty", "");
    world.write("share/sub/small", "small");
    std::fs::create_dir(world.path("share/nothing")).unwrap();
    world
}

#[test]
fn help_and_version_are_results() {
    let world = World::new();
    let version = world.run(&["--version"]);
    assert_eq!((version.code, version.stderr.as_str()), (0, ""));
    assert_eq!(version.stdout, format!("swarm {}\n", env!("CARGO_PKG_VERSION")));
    for args in [&["--help"][..], &["get", "--help"], &["help", "seed"]] {
        let help = world.run(args);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{args:?}");
        assert!(help.stdout.contains("Examples:"), "{args:?}");
    }
    assert!(world.run(&["--help"]).stdout.contains("Exit codes:"));
}

#[test]
fn a_mistyped_command_is_answered_with_the_right_one() {
    let ran = World::new().run(&["sede"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("error: unrecognized subcommand 'sede'"), "{}", ran.stderr);
    assert!(ran.stderr.contains("'seed'"), "{}", ran.stderr);
}

#[test]
fn misuse_is_an_event_for_programs_too() {
    let ran = World::new().run(&["get", "--json"]);
    assert_eq!(ran.code, 2);
    let event: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(event["event"], "error");
    assert_eq!((event["code"].as_u64(), event["kind"].as_str()), (Some(2), Some("usage")));
}

#[test]
fn a_dry_run_of_create_prints_what_would_be_in_it_and_writes_nothing() {
    let world = world_with_share();
    let ran = world.run(&["create", "share", "--dry-run"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "name       share");
    assert_eq!(lines[1], "size       293 KiB (300005 bytes) in 3 files, 1 empty folder");
    assert_eq!(&lines[2..5], ["pieces     6 of 64.0 KiB", "files", "     293 KiB  big"]);
    assert_eq!(lines.last(), Some(&"           -  nothing/"));
    let ran = world.run(&["create", "share", "--dry-run", "--json", "-o", "x.swarm"]);
    let printed = assert_like_the_manual("create --dry-run", &ran.stdout);
    assert_eq!((&printed["manifest"], &printed["pieces"]), (&"x.swarm".into(), &6.into()));
    assert_eq!(std::fs::read_dir(world.path("")).unwrap().count(), 1);
}

#[test]
fn a_share_of_one_file_is_listed_by_its_name() {
    let world = World::new();
    world.write("film", "a film");
    let path = |args: &[&str]| {
        let ran = world.run(args);
        let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
        printed["files"][0]["path"].clone()
    };
    assert_eq!(path(&["create", "film", "--dry-run", "--json"]), "film");
    assert_eq!(world.run(&["create", "film"]).code, 0);
    assert_eq!(path(&["show", "film.swarm", "--json"]), "film");
    assert_eq!(path(&["get", "film.swarm", "-o", "copy", "--dry-run", "--json"]), "film");
}

#[test]
fn create_prints_the_link_and_nothing_else() {
    let world = world_with_share();
    let ran = world.run(&["create", "share", "--comment", "hello", "--tag", "a", "--tag", "b"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("swarm:?id="), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("&dn=share\n"), "{}", ran.stdout);
    assert_eq!(
        ran.stderr.lines().collect::<Vec<_>>(),
        ["share: 3 files, 293 KiB, 6 pieces of 64.0 KiB", "wrote share.swarm",]
    );
    let shown = world.run(&["show", "share.swarm"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(lines[0], "name       share");
    assert_eq!(lines[2], "size       293 KiB (300005 bytes) in 3 files, 1 empty folder");
    assert_eq!(lines[3], "pieces     6 of 64.0 KiB");
    assert_eq!(&lines[5..8], ["comment    hello", "tags       a, b", "signed by  nobody"]);
    assert_eq!(lines[8], format!("link       {}", ran.stdout.trim_end()));
    assert_eq!(
        &lines[9..],
        [
            "files",
            "     293 KiB  big",
            "         0 B  empty",
            "         5 B  sub/small",
            "           -  nothing/",
        ]
    );
}

#[test]
fn objects_are_as_the_manual_says() {
    let world = world_with_share();
    let ran = world.run(&["create", "share", "--json", "--sign"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let created = assert_like_the_manual("create", &ran.stdout);
    let shown =
        assert_like_the_manual("show", &world.run(&["show", "share.swarm", "--json"]).stdout);
    assert_eq!(shown["swarm"], created["swarm"]);
    assert_eq!(shown["publisher"]["valid"], true);
    assert_eq!(shown["files"][2]["path"], "sub/small");
    assert_eq!(shown["files"][1]["root"], Value::Null);
    assert_eq!(shown["empty_folders"][0], "nothing");

    let link = created["link"].as_str().unwrap();
    let of_link = assert_like_the_manual("show link", &world.run(&["show", link, "--json"]).stdout);
    assert_eq!((&of_link["swarm"], &of_link["name"]), (&created["swarm"], &"share".into()));

    let args = ["verify", "share.swarm", "--json"];
    let verified = assert_like_the_manual("verify", &world.run(&args).stdout);
    assert_eq!((&verified["verified"], &verified["bytes_good"]), (&true.into(), &300_005.into()));

    let config = world.run(&["config", "show", "--json", "--upload-limit", "1M"]);
    let config = assert_like_the_manual("config show", &config.stdout);
    assert_eq!(config["settings"]["upload-limit"]["value"], 1 << 20);
    assert_eq!(config["settings"]["upload-limit"]["origin"], "flag");
    assert_like_the_manual("config path", &world.run(&["config", "path", "--json"]).stdout);
    assert_like_the_manual("config init", &world.run(&["config", "init", "--json"]).stdout);
}

#[test]
fn one_file_is_a_share_too() {
    let world = World::new();
    world.write("movie.mkv", bytes(100_000, 2));
    let link = world.create("movie.mkv");
    assert!(link.ends_with("&dn=movie.mkv"), "{link}");
    let shown = world.run(&["show", "movie.mkv.swarm"]).stdout;
    assert!(!shown.contains("files\n"), "{shown}");
    let verified = world.run(&["verify", "movie.mkv.swarm"]);
    assert_eq!((verified.code, verified.stdout.as_str()), (0, "verified: 1 file, 97.7 KiB\n"));
}

#[test]
fn verify_names_what_is_bad() {
    let world = world_with_share();
    world.create("share");
    let mut bytes = bytes(300_000, 1);
    bytes[100_000] ^= 1;
    world.write("share/big", bytes);
    std::fs::remove_file(world.path("share/sub/small")).unwrap();
    let ran = world.run(&["verify", "share.swarm", "share", "--progress", "none"]);
    assert_eq!(ran.code, 5);
    assert_eq!(ran.stdout, "missing  sub/small\ndamaged  big\n");
    assert_eq!(
        ran.stderr.lines().next(),
        Some(
            "error: share is not what the manifest says: 229 KiB of 293 KiB verified, 2 bad files"
        )
    );
    let ran = world.run(&["verify", "share.swarm", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &answer["bad_pieces"][0]), (5, &1.into()));
}

#[test]
fn settings_come_from_flag_variable_file_and_default() {
    let world = World::new();
    let show = |variable: Option<&str>, args: &[&str]| {
        let mut command = world.command(&[&["config", "show"], args].concat());
        if let Some(value) = variable {
            command.env("SWARM_CONNECTIONS", value);
        }
        let out = command.output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let text = String::from_utf8(out.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with("connections")).unwrap().to_owned();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(show(None, &[]), "80 default");
    std::fs::create_dir(world.home()).unwrap();
    std::fs::write(world.home().join("config.toml"), "connections = 5\n").unwrap();
    assert_eq!(show(None, &[]), "5 file");
    assert_eq!(show(Some("6"), &[]), "6 environment");
    assert_eq!(show(Some("6"), &["--connections", "7"]), "7 flag");
}

#[test]
fn config_init_writes_a_file_that_changes_nothing_and_is_not_overwritten() {
    let world = World::new();
    let path = world.home().join("config.toml");
    let before = world.run(&["config", "show"]).stdout;
    let ran = world.run(&["config", "init"]);
    assert_eq!((ran.code, ran.stdout), (0, format!("{}\n", path.display())));
    assert_eq!(world.run(&["config", "show"]).stdout, before);
    let again = world.run(&["config", "init"]);
    assert_fails(&again, 6, &format!("{}: exists already", path.display()));
    assert_eq!(world.run(&["config", "init", "--force"]).code, 0);
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("upload-limit"), "{shell}");
    }
    let page = world.run(&["man"]);
    assert_eq!(page.code, 0);
    assert!(page.stdout.contains(".TH swarm 1"), "{}", page.stdout);
    assert_eq!(world.run(&["man", "pages"]).code, 0);
    for name in ["swarm", "swarm-seed", "swarm-get", "swarm-config-show"] {
        assert!(world.path(&format!("pages/{name}.1")).is_file(), "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let world = World::new();
    for n in 0..2000 {
        world.write(&format!("share/{n:0100}"), "x");
    }
    world.create("share");
    // More than a pipe holds, so that the program is still writing when nobody reads any more.
    let closed = world.start(&["show", "share.swarm", "--all"]).close_stdout().end();
    assert_eq!((closed.code, closed.stderr.as_str()), (141, ""));
}
