//! Tips for those who know other programs: the words that they try first, and what is meant by them
//! here. What clap would guess from the spelling alone is further off.

use std::{ffi::OsStr, path::Path};

use clap::{
    Command, CommandFactory, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;

/// A command of this program, and what others call it.
const COMMANDS: &[(&str, &[&str])] = &[
    ("seed", &["send", "upload", "publish", "serve", "host", "offer", "put", "up"]),
    ("get", &["receive", "recv", "pull", "leech", "join", "down", "clone"]),
    ("tui", &["ui", "top", "watch", "monitor", "gui", "pause", "limit", "add"]),
    ("ls", &["list", "status"]),
    ("show", &["info", "inspect", "files"]),
    ("verify", &["check", "recheck", "hash"]),
    ("create", &["make", "new"]),
    ("config", &["settings", "set"]),
    ("--version", &["version"]),
];

/// A flag of this program, and what others call it.
const FLAGS: &[(&str, &[&str])] = &[
    (
        "--output",
        &[
            "-d",
            "--dir",
            "--dest",
            "--destination",
            "--directory",
            "--directory-prefix",
            "--download-dir",
            "--save-path",
            "--path",
            "--out",
            "-w",
            "-P",
            "-O",
        ],
    ),
    (
        "--download-limit",
        &[
            "--max-download-limit",
            "--max-overall-download-limit",
            "--limit-download",
            "--limit-down",
            "--limit-rate",
            "--max-download",
            "--downlimit",
            "--down-limit",
            "--down",
            "--limit",
            "--bwlimit",
            "--rate",
        ],
    ),
    (
        "--upload-limit",
        &[
            "--max-upload-limit",
            "--max-overall-upload-limit",
            "--limit-upload",
            "--limit-up",
            "--limit-rate",
            "--max-upload",
            "--uplimit",
            "--up-limit",
            "--up",
            "--limit",
            "--bwlimit",
            "--rate",
        ],
    ),
    (
        "--seed ratio:R or --seed time:D",
        &["--seed-ratio", "--seed-time", "--ratio", "--share-ratio", "--seedratio"],
    ),
    ("--seed forever", &["--keep", "--keep-sharing", "--keep-seeding", "--share", "--forever"]),
    ("--seed never", &["--no-seed", "--no-share", "--exit", "-e"]),
    ("--only", &["--select-file", "--include", "--file", "--files", "--get"]),
    ("--skip", &["--exclude", "--no-get"]),
    ("--connections", &["--max-peers", "--bt-max-peers", "--peerlimit", "--max-connections"]),
    ("--listen ADDR:PORT", &["--port", "--listen-port", "--bind", "-p"]),
    ("--tracker", &["--announce", "--bt-tracker"]),
    ("--on-complete", &["--on-download-complete", "--on-bt-download-complete", "--exec", "--run"]),
    ("--progress tui", &["--tui", "--ui", "--fullscreen"]),
    ("--progress none", &["--no-progress", "--no-bar"]),
];

/// Puts the tip that helps in the place of clap's. `args` are those of the command line, without the
/// program's name.
pub fn improve(mut error: Error, args: &[impl AsRef<OsStr>]) -> Error {
    let advice = match (error.kind(), invalid(&error)) {
        (ErrorKind::InvalidSubcommand, Some(word)) => for_command(&word),
        (ErrorKind::UnknownArgument, Some(flag)) => {
            // It tells how to fetch a file called `-d`.
            error.remove(ContextKind::Suggested);
            for_flag(&flag, args)
        }
        _ => return error,
    };
    if let Some(advice) = advice {
        let known = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg];
        known.into_iter().for_each(|kind| drop(error.remove(kind)));
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(advice)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// The word or flag that is not known.
fn invalid(error: &Error) -> Option<String> {
    [ContextKind::InvalidSubcommand, ContextKind::InvalidArg].into_iter().find_map(|kind| {
        match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        }
    })
}

fn for_command(word: &str) -> Option<String> {
    if word.starts_with("swarm:") {
        return Some("`swarm get 'swarm:?id=…'` fetches it; put the link in quotes".into());
    }
    if Path::new(word).extension().is_some_and(|extension| extension == "swarm") {
        return Some(format!("`swarm get {word}` fetches what a manifest describes"));
    }
    // A file of that name may lie here by chance.
    if let Some(command) = meant(COMMANDS, word) {
        return Some(format!("here this is `swarm {command}`"));
    }
    Path::new(word).exists().then(|| format!("`swarm seed {word}` shares it"))
}

fn for_flag(flag: &str, args: &[impl AsRef<OsStr>]) -> Option<String> {
    let cli = Cli::command();
    let command = args.iter().find_map(|arg| cli.find_subcommand(arg.as_ref()));
    let command = command.unwrap_or(&cli);
    let here: Vec<_> = FLAGS
        .iter()
        .filter(|(ours, theirs)| theirs.contains(&flag) && has(command, ours))
        .map(|(ours, _)| format!("`{ours}`"))
        .collect();
    (!here.is_empty()).then(|| format!("here this is {}", here.join(" or ")))
}

fn meant(table: &[(&'static str, &[&str])], word: &str) -> Option<&'static str> {
    table.iter().find(|(_, theirs)| theirs.contains(&word)).map(|(ours, _)| *ours)
}

/// Whether the command takes the flag that the tip begins with.
fn has(command: &Command, tip: &str) -> bool {
    let name = tip.split_whitespace().next().and_then(|flag| flag.strip_prefix("--"));
    // It has what the whole program has once it is built, which happens when it is parsed.
    command.get_arguments().any(|arg| arg.get_long() == name) || name == Some("progress")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tip for a command line.
    fn tip(line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let error = Cli::command().try_get_matches_from([&["swarm"], &words[..]].concat());
        let text = improve(error.unwrap_err(), &words).to_string();
        let mut tips = text.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
        let tip = tips.next().unwrap_or_default().to_owned();
        assert_eq!(tips.next(), None, "one tip is enough: {text}");
        tip
    }

    #[test]
    fn words_of_other_programs_are_understood() {
        assert_eq!(tip("upload ./weights"), "here this is `swarm seed`");
        assert_eq!(tip("status"), "here this is `swarm ls`");
        assert_eq!(tip("get -d /data x"), "here this is `--output`");
        assert_eq!(tip("get --max-download-limit 5M x"), "here this is `--download-limit`");
        assert_eq!(tip("get --seed-time=0 x"), "here this is `--seed ratio:R or --seed time:D`");
        assert_eq!(
            tip("get --bwlimit 5M x"),
            "here this is `--download-limit` or `--upload-limit`"
        );
        assert_eq!(tip("seed --tui x"), "here this is `--progress tui`");
        assert_eq!(tip("--tui"), "here this is `--progress tui`");
    }

    #[test]
    fn what_a_command_does_not_have_is_not_advised() {
        assert_eq!(tip("verify --limit 5M x"), "");
        // What clap makes of it is its own guess.
        assert!(!tip("seed --dir /data x").contains("--output"));
    }

    #[test]
    fn what_is_given_without_a_command_gets_one() {
        assert!(tip("swarm:?id=a").starts_with("`swarm get 'swarm:"));
        assert_eq!(tip("a.swarm"), "`swarm get a.swarm` fetches what a manifest describes");
        assert_eq!(tip("./src"), "`swarm seed ./src` shares it");
    }

    #[test]
    fn a_slip_of_the_finger_is_left_to_clap() {
        assert_eq!(tip("verfiy"), "a similar subcommand exists: 'verify'");
        assert_eq!(tip("get --progres tui x"), "a similar argument exists: '--progress'");
    }

    #[test]
    fn every_tip_names_what_exists_and_no_word_that_means_something() {
        let cli = Cli::command();
        for (ours, theirs) in COMMANDS {
            assert!(*ours == "--version" || cli.find_subcommand(ours).is_some(), "{ours}");
            for word in *theirs {
                assert!(cli.find_subcommand(word).is_none(), "{word}");
            }
        }
        for (ours, _) in FLAGS {
            assert!(cli.get_subcommands().any(|command| has(command, ours)), "{ours}");
        }
    }
}
