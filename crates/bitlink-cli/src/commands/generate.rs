//! `bitlink completions` and `bitlink man`: what packagers install beside the program.

use crate::args::Cli;
use crate::failure::{Exit, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page for the program and one for each command into this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bitlink", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Fine)
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let Some(directory) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        io::stdout().write_all(&page)?;
        return Ok(Exit::Fine);
    };
    let cannot = |error: io::Error| {
        let what = format!("cannot write manual pages to {}", directory.display());
        Failure::new(Exit::SomeFailed, what).because(&error)
    };
    std::fs::create_dir_all(directory).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(cannot)?;
    Ok(Exit::Fine)
}
