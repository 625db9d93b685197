//! `bitlink config`: the configuration of a service, shown and checked. Touches no network.

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::settings::{self, EXAMPLE};
use crate::text::{clean, duration, so_many};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::PathBuf;

/// The configuration of `bitlink serve`
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: ConfigCommand,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether a configuration is right, and what it comes to
    Check {
        /// The file [default: the one that `bitlink serve` would read]
        file: Option<PathBuf>,
    },
    /// Print a configuration with every setting
    Example,
    /// Print a unit of systemd
    Unit,
}

const UNIT: &str = include_str!("../../assets/bitlink.service");

pub(crate) fn run(args: &ConfigArgs, console: Console) -> Result<Exit, Failure> {
    let text = match &args.what {
        ConfigCommand::Example => EXAMPLE.to_owned(),
        ConfigCommand::Unit => UNIT.to_owned(),
        ConfigCommand::Check { file } => {
            let loaded = settings::load(file.as_deref())?;
            let Some(file) = &loaded.file else {
                return Err(Failure::new(Exit::NothingFound, "there is no configuration")
                    .hint("`bitlink config example > bitlink.toml` begins with one"));
            };
            let plan = loaded.plan()?;
            if loaded.shows_passwords() {
                console.note("warning: others can read the passwords in it (chmod 600)");
            }
            let rescan = match plan.service.rescan {
                Some(pause) => format!("looked through every {}", duration(pause)),
                None => "looked through once".to_owned(),
            };
            format!(
                "{} is right: {} {rescan}, miners read every {}\n",
                clean(&file.to_string_lossy()),
                so_many(plan.networks, "address", "addresses"),
                duration(plan.interval),
            )
        }
    };
    console.out().write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    //! The unit fits the program.
    use super::UNIT;

    #[test]
    fn the_unit_starts_what_there_is() {
        let started = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
        <crate::args::Cli as clap::Parser>::try_parse_from(started.split(' ')).unwrap();
    }
}
