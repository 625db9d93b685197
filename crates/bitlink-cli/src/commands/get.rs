//! `bitlink get`: all that one miner tells, as a card or as JSON, or word for word.

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::output::{card, json};
use crate::reach::Reach;
use crate::text::parse_duration;
use bitlink_miner_manager::transport::Patience;
use bitlink_miner_manager::{Fleet, ScanConfig};
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// Read everything that one miner tells
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The miner: an address or a host name, with the port where it is not 4028
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
    /// Print every question and answer as they were sent, for bug reports; look through it before you pass it on
    #[arg(long, help_heading = "Output", conflicts_with = "format")]
    raw: bool,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    answer_timeout: Duration,
    #[command(flatten)]
    reach: Reach,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A card
    #[default]
    Table,
    /// One document
    Json,
}

pub(crate) async fn run(args: GetArgs, console: Console) -> Result<Exit, Failure> {
    let patience = Patience::default().with_per_exchange(args.answer_timeout);
    let config = ScanConfig::default().with_patience(patience).with_credentials(args.reach.credentials());
    let fleet = args.reach.fleet().with_scan(config);
    let mut stop = Interruption::new();
    tokio::select! {
        done = read(&args, &fleet, console) => done,
        () = stop.come() => Ok(Exit::Interrupted),
    }
}

async fn read(args: &GetArgs, fleet: &Fleet, console: Console) -> Result<Exit, Failure> {
    if args.raw {
        let (miner, transcript) = fleet.get_raw(&args.host).await?;
        // The text form of a transcript escapes whatever does not print, so it is safe on a terminal.
        let mut out = BufWriter::new(io::stdout().lock());
        write!(out, "{transcript}")?;
        out.flush()?;
        miner?;
        return Ok(Exit::Fine);
    }
    let miner = fleet.get(&args.host).await?;
    match args.format {
        Format::Table => {
            let mut out = console.out();
            write!(out, "{}", card::card(&miner, console::room()))?;
            out.flush()?;
        }
        Format::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, &miner)?;
            out.flush()?;
        }
    }
    Ok(Exit::Fine)
}
