//! The program `bitlink`: reads its arguments, runs a command, and ends with a code that other programs can rely on.

mod args;
mod choice;
mod columns;
mod commands;
mod console;
mod failure;
mod hearing;
mod kept;
mod live;
mod log;
mod output;
mod reach;
mod screen;
mod settings;
mod table;
mod text;
mod times;
mod top;

use args::{Cli, Command};
use clap::Parser;
use console::Console;
use failure::{Exit, Failure};
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    report_panics();
    let cli = Cli::parse();
    let console = Console { color: cli.global.color, quiet: cli.global.quiet };
    // A service is told by its configuration how to write messages.
    if !matches!(cli.command, Command::Serve(_)) {
        log::start(cli.global.verbose, console);
    }
    // Every address being tried costs a descriptor, and the usual soft limit of 1,024 is soon reached. What the
    // system does not allow is done without: a scan narrows itself.
    let _ = rlimit::increase_nofile_limit(u64::MAX);

    match std::panic::catch_unwind(|| run(cli.command, cli.global.verbose, console)) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            if !failure.is_quiet() {
                // Nobody left to tell.
                let _ = write!(console.err(), "{failure}");
            }
            failure.exit().into()
        }
        Err(_panic) => Exit::Bug.into(),
    }
}

fn run(command: Command, verbose: u8, console: Console) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::SomeFailed, "cannot start").because(&error))?;
    let exit = runtime.block_on(async {
        match command {
            Command::Demo(args) => commands::demo::run(args, console).await,
            Command::Scan(args) => commands::scan::run(args, console).await,
            Command::Get(args) => commands::get::run(args, console).await,
            Command::Listen(args) => commands::listen::run(args, console).await,
            Command::Monitor(args) => commands::monitor::run(args, console).await,
            Command::Simulate(args) => commands::simulate::run(args, console).await,
            Command::Detect(args) => commands::detect::run(&args, console),
            Command::Fleet(args) => commands::fleet::run(&args, console),
            Command::Control(args) => commands::control::run(*args, console).await,
            Command::Audit(args) => commands::audit::run(&args, console),
            Command::Pools(args) => commands::pools::run(args, console).await,
            Command::Credentials(args) => commands::credentials::run(&args, console),
            Command::Alerts(args) => commands::alerts::run(&args, console).await,
            Command::Diff(args) => commands::diff::run(&args, console),
            Command::History(args) => commands::history::run(&args, console),
            Command::Users(args) => commands::users::run(&args, console).await,
            Command::Serve(args) => commands::serve::run(args, verbose, console).await,
            Command::Config(args) => commands::config::run(&args, console),
            Command::Top(args) => commands::top::run(*args, console).await,
            Command::Completions(args) => commands::generate::completions(&args),
            Command::Man(args) => commands::generate::man(&args),
        }
    });
    // A name that is being looked up holds a thread that cannot be stopped; nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// Makes a panic say what to do with it, after the terminal is in order again.
fn report_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        screen::restore_terminal();
        usual(panic);
        eprintln!(
            "\nThis is a mistake in bitlink {}, not in what you did. Please report it with the lines above and the \
             command you gave; RUST_BACKTRACE=1 adds more to them.",
            env!("CARGO_PKG_VERSION")
        );
    }));
}
