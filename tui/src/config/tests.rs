//! That settings come from where they should, and say so.

use clap::{CommandFactory, FromArgMatches};

use super::*;
use crate::args::{Cli, Command, GetArgs};

fn resolve(args: &[&str], file: &str) -> Result<Settings, Failure> {
    let matches = Cli::command().try_get_matches_from(args).unwrap();
    let cli = Cli::from_arg_matches(&matches).unwrap();
    let Command::Get(get) = cli.command else { panic!("not get") };
    let GetArgs { network, swarm, fetch, hook, .. } = get;
    let typed = Typed { network, swarm, fetch, hook };
    Settings::resolve(&matches, &cli.output, typed, File::parse(file).unwrap(), false)
}

#[test]
fn a_flag_wins_over_the_file_which_wins_over_the_default() {
    let file = "upload-limit = '1M'\nconnections = 9";
    let settings = resolve(&["swarm", "get", "x", "--upload-limit", "2M"], file).unwrap();
    let limit = &settings.upload_limit;
    assert_eq!((limit.value, limit.origin), (Limit(Some(2 << 20)), Origin::Flag));
    let connections = &settings.connections;
    assert_eq!((connections.value, connections.origin), (9, Origin::File));
    let slots = &settings.upload_slots;
    assert_eq!((slots.value, slots.origin), (8, Origin::Default));
}

#[test]
fn a_program_and_its_arguments_stay_apart() {
    let file = "on-complete = ['tool', 'a b']";
    let words = |args: &[&str]| resolve(args, file).unwrap().on_complete;
    assert_eq!(words(&["swarm", "get", "x"]).value, ["tool", "a b"]);
    let flags = ["swarm", "get", "x", "--on-complete", "run", "--on-complete", "--seed"];
    let typed = words(&flags);
    assert_eq!((typed.value, typed.origin), (vec!["run".into(), "--seed".into()], Origin::Flag));
    assert_eq!(words(&["swarm", "get", "x", "--on-complete", ""]).value, [""; 0]);
}

#[test]
fn the_file_may_not_forbid_all_peers() {
    for name in ["connections", "upload-slots"] {
        let error = resolve(&["swarm", "get", "x"], &format!("{name} = 0")).unwrap_err();
        assert_eq!(error.to_string(), format!("{name}: at least 1 is needed"));
    }
}

#[test]
fn the_help_names_the_defaults() {
    let cli = Cli::command();
    let get = cli.find_subcommand("get").unwrap();
    let limits = |args: &[&str]| {
        let all = resolve(&[&["swarm", "get", "x"], args].concat(), "").unwrap();
        let Settings { connections, upload_slots, memory, disk_threads, .. } = all;
        (connections.value, upload_slots.value, memory.value, disk_threads.value)
    };
    for flag in ["connections", "upload-slots", "memory", "disk-threads"] {
        let arg = get.get_arguments().find(|arg| arg.get_long() == Some(flag)).unwrap();
        let help = arg.get_help().unwrap().to_string();
        let default = help.split_once("[default: ").unwrap().1.trim_end_matches(']');
        assert_eq!(limits(&[&format!("--{flag}"), default]), limits(&[]), "{flag}");
    }
}

#[test]
fn a_global_flag_after_the_command_counts() {
    let settings = resolve(&["swarm", "get", "x", "--progress", "none"], "").unwrap();
    assert_eq!(settings.progress.origin, Origin::Flag);
}

#[test]
fn what_is_wrong_with_a_file_is_one_line() {
    let error = |text| File::parse(text).unwrap_err();
    let unknown = error("listen = '1.2.3.4:5'\nuplaod-limit = 5");
    assert!(unknown.starts_with("line 2: unknown field `uplaod-limit`, expected "), "{unknown}");
    assert_eq!(
        error("upload-limit = 'fast'"),
        "line 1: expected a rate such as 10M, 10MiB/s or 100Mbit, or none for no limit"
    );
    assert!(!error("listen = ").contains('\n'));
}

#[test]
fn the_template_holds_every_setting_with_its_default() {
    let settings: String = TEMPLATE
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(['#', ' '])))
        .fold(String::new(), |text, line| text + line + "\n");
    let defaults = resolve(&["swarm", "get", "x"], "").unwrap().rows();
    let written = resolve(&["swarm", "get", "x"], &settings).unwrap().rows();
    for (default, written) in defaults.iter().zip(&written) {
        assert_eq!(written.origin, Origin::File, "{}", written.name);
        // These depend on the machine.
        if !matches!(written.name, "advertise" | "glyphs") {
            assert_eq!(written.text, default.text, "{}", written.name);
        }
    }
}

#[test]
fn the_template_as_written_changes_nothing() {
    let rows = resolve(&["swarm", "get", "x"], TEMPLATE).unwrap().rows();
    assert!(rows.iter().all(|row| row.origin == Origin::Default));
}

#[test]
fn nonsense_is_refused() {
    let error = |flags: &[&str]| {
        resolve(&[&["swarm", "get", "x"], flags].concat(), "").unwrap_err().message
    };
    assert_eq!(error(&["--memory", "5k"]), "memory: at least 1.00 MiB is needed");
    assert_eq!(
        error(&["--advertise", "host:80"]),
        r#"advertise: "host:80" is no host name or address"#
    );
}

#[test]
fn limits_reach_the_engine() {
    let flags = ["swarm", "get", "x", "--download-limit", "1M", "--connections", "3"];
    let config = resolve(&flags, "").unwrap().node();
    assert_eq!(config.engine.download_limit, Some(1 << 20));
    assert_eq!((config.engine.connections_max, config.engine.dials_max), (3, 2));
}
