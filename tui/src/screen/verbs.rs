//! The line behind `:`. Its verbs are those of the command line, parsed in the same way.

use std::path::PathBuf;

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{share::Policy, units::Limit};

/// A whole line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

/// What may be typed.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Verb {
    /// Add links, manifests or paths
    Add(What),
    /// Fetch links or what manifests describe
    #[command(visible_alias = "download")]
    Get(What),
    /// Share files or folders
    Seed(What),
    /// Pause the selected transfer
    Pause(Which),
    /// Let the selected transfer go on
    Resume(Which),
    /// Limit the selected transfer
    Limit {
        /// Which way
        #[arg(value_name = "down|up")]
        way: Way,
        /// Such as 10M, or none
        rate: Limit,
        #[command(flatten)]
        which: Which,
    },
    /// Say for how long the selected download is shared
    Share {
        /// needed, never, forever, ratio:R or time:D
        policy: Policy,
    },
    /// Take the selected transfer off the list
    #[command(visible_alias = "rm")]
    Remove {
        /// Delete its files too; asks first
        #[arg(long)]
        delete: bool,
    },
    /// Try the selected transfer again
    Retry,
    /// Read all of it again and verify it
    Verify,
    /// Ask its trackers for peers now
    Announce,
    /// Copy its link
    Copy,
    /// Its link as a QR code
    Qr,
    /// Open its folder
    Open,
    /// Show only the rows that match
    Filter {
        /// As behind `/`
        words: Vec<String>,
    },
    /// Sort by a column
    Sort {
        /// Its name
        column: Vec<String>,
    },
    /// Go to a page
    Show {
        /// Its name
        page: String,
    },
    /// List the keys and commands
    Help {
        /// One of them
        verb: Option<String>,
    },
    /// End the program
    #[command(visible_alias = "q")]
    Quit,
    /// Fail as a bug would, to see what that leaves of the terminal. Not in what people install.
    #[cfg(debug_assertions)]
    #[command(hide = true)]
    Panic,
}

/// What is to be added.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct What {
    /// Links, manifests or paths
    #[arg(required = true)]
    pub what: Vec<String>,
    /// The folder that it appears in
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

/// Which transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Which {
    /// All of them
    #[arg(long)]
    pub all: bool,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// To peers.
    Up,
    /// From peers.
    Down,
}

/// What a line means.
///
/// # Errors
/// What is wrong with it, and what may have been meant, on one line.
pub fn parse(line: &str) -> Result<Verb, String> {
    let words = words(line)?;
    let verb = words.first().cloned().unwrap_or_default();
    Line::try_parse_from(words).map(|line| line.verb).map_err(|error| explain(&error, &verb))
}

/// How a verb is written: `limit <down|up> <RATE>`.
fn usage(verb: &str) -> Option<String> {
    let mut line = Line::command();
    let usage = line.find_subcommand_mut(verb)?.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ")?.replace("[OPTIONS] ", "");
    Some(usage.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The verbs that begin so, each with what it does.
pub fn completions(start: &str) -> Vec<(String, String)> {
    let begins =
        |command: &&clap::Command| command.get_name().starts_with(start) && !command.is_hide_set();
    let about = |command: &clap::Command| {
        let about = command.get_about().map(ToString::to_string);
        (command.get_name().to_owned(), about.unwrap_or_default())
    };
    Line::command().get_subcommands().filter(begins).map(about).collect()
}

/// What clap says, without its many lines.
fn explain(error: &clap::Error, verb: &str) -> String {
    let meant =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // The likeliest is the last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    });
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    match (meant, error.kind()) {
        (Some(meant), _) => format!("{first}; did you mean {meant}?"),
        (None, ErrorKind::InvalidSubcommand) => format!("{first}; help lists them"),
        (None, kind) => {
            let missing = kind == ErrorKind::MissingRequiredArgument;
            let what = if missing { "something is missing" } else { first };
            usage(verb).map_or_else(|| what.to_owned(), |usage| format!("{what}; write {usage}"))
        }
    }
}

/// Parts a line into words as a shell does: quotes keep spaces, and nothing else is special.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(end)) if c == end => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(format!("a {quote} is not closed")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_read_as_on_the_command_line() {
        let what = vec!["swarm:?id=a&dn=b".into(), "my file".into()];
        let add = What { what, output: Some("/data".into()) };
        assert_eq!(parse("add 'swarm:?id=a&dn=b' \"my file\" -o /data"), Ok(Verb::Add(add)));
        let limit =
            Verb::Limit { way: Way::Up, rate: Limit(Some(10 << 20)), which: Which { all: true } };
        assert_eq!(parse("limit up 10M --all"), Ok(limit));
        assert_eq!(parse("share ratio:2"), Ok(Verb::Share { policy: Policy::Ratio(2.0) }));
        assert_eq!(parse("q"), Ok(Verb::Quit));
    }

    #[test]
    fn what_is_wrong_is_one_line_with_a_way_out() {
        let error = |line| parse(line).unwrap_err();
        assert_eq!(error("pasue"), "unrecognized subcommand 'pasue'; did you mean pause?");
        assert_eq!(
            error("limit 3M"),
            "invalid value '3M' for '<down|up>'; write limit <down|up> <RATE>"
        );
        assert!(
            error("limit up fast")
                .starts_with("invalid value 'fast' for '<RATE>': expected a rate")
        );
        assert_eq!(error("add"), "something is missing; write add <WHAT>...");
        assert_eq!(error("share"), "something is missing; write share <POLICY>");
        assert_eq!(error("add 'x"), "a ' is not closed");
        assert_eq!(error("xyzzy"), "unrecognized subcommand 'xyzzy'; help lists them");
        for line in ["", "-h", "--help", "add --nonsense x", "share sometimes"] {
            assert!(!error(line).contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_verb_is_completed() {
        let names =
            |start| completions(start).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("re"), ["resume", "remove", "retry"]);
        assert_eq!(names("ann"), ["announce"]);
        assert!(completions("").iter().all(|(_, about)| !about.is_empty()));
    }
}
