//! `bitlink fleet`: the machines that are known, by whatever address. Looks at and changes what is kept on this machine; sends nothing
//! to any miner.

mod at;
mod edit;
mod list;
mod sheet;

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::text::{clean, so_many};
use bitlink_miner_manager::store;
use clap::{Args, Subcommand};

/// Keep account of the machines: where they stand, and what is written about them
#[derive(Debug, Args)]
#[command(after_help = MINERS)]
pub(crate) struct FleetArgs {
    #[command(flatten)]
    data: Data,
    #[command(subcommand)]
    what: FleetCommand,
}

const MINERS: &str = "\
Miners are named by id (or how it begins), hardware address, address, serial number, host name or label.
`bitlink scan TARGET... --save` takes up what it finds.";

/// What there is to do.
#[derive(Debug, Subcommand)]
enum FleetCommand {
    List(list::ListArgs),
    Show(list::ShowArgs),
    Label(edit::LabelArgs),
    Move(edit::MoveArgs),
    Forget(edit::ForgetArgs),
    Import(sheet::ImportArgs),
    Export(sheet::ExportArgs),
    /// Make a new database of what can be read of a damaged one, which is kept
    Repair,
}

pub(crate) fn run(args: &FleetArgs, console: Console) -> Result<Exit, Failure> {
    let data = &args.data;
    match &args.what {
        FleetCommand::List(args) => list::list(args, data, console),
        FleetCommand::Show(args) => list::show(args, data, console),
        FleetCommand::Label(args) => edit::label(args, data, console),
        FleetCommand::Move(args) => edit::shift(args, data, console),
        FleetCommand::Forget(args) => edit::forget(args, data, console),
        FleetCommand::Import(args) => sheet::import(args, data, console),
        FleetCommand::Export(args) => sheet::export(args, data, console),
        FleetCommand::Repair => repair(data, console),
    }
}

fn repair(data: &Data, console: Console) -> Result<Exit, Failure> {
    let done = store::repair(&data.dir()?)?;
    let records = u64::try_from(done.whole).unwrap_or(u64::MAX);
    console.note(&format!("{} read as they were kept", so_many(records, "miner", "miners")));
    if done.carved > 0 {
        let carved = u64::try_from(done.carved).unwrap_or(u64::MAX);
        console.note(&format!(
            "{} found in what is left of the file; what is written about them may be older",
            so_many(carved, "miner", "miners")
        ));
    }
    if done.lost > 0 {
        let lost = u64::try_from(done.lost).unwrap_or(u64::MAX);
        console.note(&format!("{} lost; a scan meets them again", so_many(lost, "miner", "miners")));
    }
    if !done.items_complete {
        console.note("not all that alerts knew and had still to send could be read; who is told of something may be told again");
    }
    if !done.history_complete {
        console.note("not all readings over time could be read; the others are there");
    }
    console.note(&format!("the damaged database is kept as {}", clean(&done.kept.to_string_lossy())));
    Ok(if done.lost > 0 { Exit::SomeFailed } else { Exit::Fine })
}
