//! The `swarm` program: arguments to a command, and what it says to an exit code.
#![expect(unreachable_pub, reason = "in a program `pub` offers nothing to anybody outside")]

mod args;
mod commands;
mod config;
mod context;
mod exit;
mod history;
mod hook;
mod host;
mod logging;
mod look;
mod output;
mod paths;
mod reach;
mod read;
mod room;
mod screen;
mod services;
mod share;
mod signals;
mod source;
mod text;
mod units;
mod words;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::{
    args::{Cli, Command, ProgressMode},
    config::{File, Settings, Typed},
    context::Context,
    exit::{Code, Failure},
    history::Journal,
    output::{Console, Mode, on_terminal},
    paths::Paths,
};

fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((matches, cli))
    });
    match parsed {
        Ok((matches, cli)) => run(&matches, cli),
        Err(error) => {
            let args: Vec<_> = std::env::args_os().skip(1).collect();
            misuse(&args::tips::improve(error, &args))
        }
    }
}

/// Help, version, or a command line that means nothing.
fn misuse(error: &clap::Error) -> ExitCode {
    // There is nobody to tell that nobody listens.
    let _ = error.print();
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let text = error.to_string();
        // Its first paragraph; the lines after the first name the arguments.
        let lines: Vec<_> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let message = lines.join(" ");
        let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(&message))
            .hint("`swarm help COMMAND` explains a command");
        let _ = Console::new(true, true, Mode::Hidden).object(&output::json::Line::error(&failure));
    }
    ExitCode::from(error.exit_code() as u8)
}

fn run(matches: &ArgMatches, cli: Cli) -> ExitCode {
    // Until the settings are known, what the flags say has to do.
    let asked = cli.output.progress.unwrap_or(ProgressMode::Auto);
    let mut console = console(&cli, asked);
    let done = screen_possible(&cli).and_then(|()| settings(matches, &cli));
    let done = done.and_then(|(paths, settings)| {
        console = self::console(&cli, settings.progress.value)
            .with_look(settings.theme.value, settings.glyphs.value);
        let file = cli.output.log_file.as_deref();
        logging::start(&console, cli.output.verbose, cli.output.quiet, file)?;
        dispatch(cli.command, console.clone(), paths, settings)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.code != Code::Pipe {
                console.failure(&failure);
            }
            failure.code.into()
        }
    }
}

fn console(cli: &Cli, asked: ProgressMode) -> Console {
    let (json, quiet) = (cli.output.json, cli.output.quiet);
    Console::new(json, quiet, Mode::decide(asked, json, quiet, on_terminal()))
}

/// A full screen that was asked for on this command line needs somebody who sees it and types.
fn screen_possible(cli: &Cli) -> Result<(), Failure> {
    let (what, instead) = match (&cli.command, cli.output.progress) {
        (Command::Tui(_), _) => ("swarm tui", "use `swarm get` and `swarm seed` in scripts"),
        (_, Some(ProgressMode::Tui)) => {
            ("--progress tui", "leave it out, or give --progress plain")
        }
        _ => return Ok(()),
    };
    if cli.output.json {
        return Err(Failure::usage(format!("{what} is for people and --json for programs"))
            .hint("give one of them"));
    }
    if !(on_terminal() && io::stdin().is_terminal()) {
        let message = format!("{what} needs a terminal for input and for stderr");
        return Err(Failure::usage(message).hint(instead));
    }
    Ok(())
}

fn settings(matches: &ArgMatches, cli: &Cli) -> Result<(Paths, Settings), Failure> {
    let mut paths = Paths::find(std::env::var_os("SWARM_HOME"));
    let named = cli.output.config.is_some();
    if named {
        paths.config.clone_from(&cli.output.config);
    }
    let file = match cli.command {
        // A broken file must not keep its user from a new one, or from the manual.
        Command::Config(ref config) if !config.reads_file() => File::default(),
        Command::Completions(_) | Command::Man(_) => File::default(),
        // Whoever runs it has read it, and passes on what is in force.
        Command::Bench(ref bench) if bench.is_part() => File::default(),
        _ => File::read(paths.config.as_deref(), named)?,
    };
    let typed = typed(&cli.command);
    let settings = Settings::resolve(matches, &cli.output, typed, file, on_terminal())?;
    Ok((paths, settings))
}

/// The settings among the flags of a command.
fn typed(command: &Command) -> Typed {
    let hook = match command {
        Command::Get(get) => Some(&get.hook),
        Command::Tui(tui) => Some(&tui.hook),
        Command::Config(args::ConfigArgs { command: args::ConfigCommand::Show(show) }) => {
            Some(&show.hook)
        }
        _ => None,
    };
    let (network, swarm, fetch) = match command {
        Command::Get(get) => (Some(&get.network), Some(&get.swarm), Some(&get.fetch)),
        Command::Seed(seed) => (Some(&seed.network), Some(&seed.swarm), None),
        Command::Tui(tui) => (Some(&tui.network), Some(&tui.swarm), Some(&tui.fetch)),
        Command::Tracker(tracker) => (Some(&tracker.network), None, None),
        Command::Bench(bench) => {
            let (network, swarm) = bench.settings();
            (Some(network), Some(swarm), None)
        }
        Command::Config(args::ConfigArgs { command: args::ConfigCommand::Show(show) }) => {
            (Some(&show.network), Some(&show.swarm), Some(&show.fetch))
        }
        _ => (None, None, None),
    };
    Typed {
        network: network.cloned().unwrap_or_default(),
        swarm: swarm.cloned().unwrap_or_default(),
        fetch: fetch.cloned().unwrap_or_default(),
        hook: hook.cloned().unwrap_or_default(),
    }
}

fn dispatch(
    command: Command,
    console: Console,
    paths: Paths,
    settings: Settings,
) -> Result<(), Failure> {
    // These need neither network nor patience.
    let command = match command {
        Command::Config(args) => return commands::config::run(&console, &paths, &settings, &args),
        Command::Completions(args) => return commands::completions::run(&console, &args),
        Command::Man(args) => return commands::man::run(&console, &args),
        Command::Show(args) => return commands::show::run(&console, &args),
        Command::History(args) => return commands::history::history(&console, &paths, &args),
        Command::Ls(args) => return commands::history::ls(&console, &paths, &args),
        Command::Stats => return commands::history::stats(&console, &paths),
        command => command,
    };
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system(&error))?;
    runtime.block_on(async {
        let stop = signals::stop_on_signal(console.clone());
        let stop = stop.map_err(|error| Failure::system(&error))?;
        let (warner, kept) = (console.clone(), settings.history.value);
        let history = Journal::start(paths.history.clone().filter(|_| kept), move |text| {
            warner.warn(text);
        });
        let cx = Context { console, paths, settings, history, stop };
        match command {
            Command::Seed(args) => commands::seed::run(cx, args).await,
            Command::Get(args) => commands::get::run(cx, args).await,
            Command::Tui(args) => commands::tui::run(cx, *args).await,
            Command::Create(args) => commands::create::run(cx.for_answer(), args).await,
            Command::Verify(args) => commands::verify::run(cx.for_answer(), args).await,
            Command::Tracker(args) => commands::tracker::run(cx, args).await,
            Command::Demo(args) => commands::demo::run(cx, args).await,
            Command::Bench(args) => commands::bench::run(cx.for_answer(), *args).await,
            // Done above.
            Command::Show(_)
            | Command::History(_)
            | Command::Ls(_)
            | Command::Stats
            | Command::Config(_)
            | Command::Completions(_)
            | Command::Man(_) => Ok(()),
        }
    })
}

/// Lets this process open as many files and sockets as the system allows it. Systems keep the usual
/// limit low for programs that use `select`, which this is not.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // A system that refuses leaves us with the limit that we had.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
