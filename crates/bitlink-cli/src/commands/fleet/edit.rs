//! `label`, `move` and `forget`: what people write about machines.

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::text::so_many;
use bitlink_miner_manager::model::{Edit, LabelEdit, RecordEdit};
use bitlink_miner_manager::{FleetRegistry, MinerId};
use clap::Args;

/// Put labels and notes on miners, or take them off
#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// Which miners
    #[arg(required = true, value_name = "MINER")]
    miners: Vec<String>,
    /// A label to put on; may be given more than once
    #[arg(long, value_name = "LABEL")]
    add: Vec<String>,
    /// A label to take off; may be given more than once
    #[arg(long, value_name = "LABEL")]
    remove: Vec<String>,
    /// Notes, in place of those there are; an empty text takes them away
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

/// Say where miners stand
#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// Which miners
    #[arg(required = true, value_name = "MINER")]
    miners: Vec<String>,
    /// The site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// Building, hall or container
    #[arg(long, value_name = "NAME")]
    building: Option<String>,
    /// The rack
    #[arg(long, value_name = "NAME")]
    rack: Option<String>,
    /// The shelf of the rack
    #[arg(long, value_name = "NAME")]
    shelf: Option<String>,
    /// The place on the shelf
    #[arg(long, value_name = "NAME")]
    slot: Option<String>,
    /// Begin anew: what is not named becomes unknown [default: it stays as it is]
    #[arg(long)]
    clear: bool,
}

/// Forget miners and what is written about them
///
/// A miner that is met again afterwards is the same one, with nothing written about it.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Which miners
    #[arg(required = true, value_name = "MINER")]
    miners: Vec<String>,
}

fn find(registry: &FleetRegistry, miners: &[String]) -> Result<Vec<MinerId>, Failure> {
    let mut ids = Vec::with_capacity(miners.len());
    for text in miners {
        let id = registry.find(text)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn apply(miners: &[String], edit: &RecordEdit, data: &Data, console: Console) -> Result<Exit, Failure> {
    if edit.is_empty() {
        return Err(Failure::usage("nothing to change was named").hint("--help lists what can be"));
    }
    let mut registry = data.open_for_edits(console)?;
    let ids = find(&registry, miners)?;
    let changed = registry.edit(&ids, edit)?;
    console
        .note(&format!("{} changed", so_many(u64::try_from(changed).unwrap_or(u64::MAX), "miner", "miners")));
    Ok(Exit::Fine)
}

pub(crate) fn label(args: &LabelArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let labels = if args.add.is_empty() && args.remove.is_empty() {
        LabelEdit::Keep
    } else {
        LabelEdit::Change {
            add: args.add.iter().cloned().collect(),
            remove: args.remove.iter().cloned().collect(),
        }
    };
    let notes = match args.notes.as_deref() {
        None => Edit::Keep,
        Some(text) if text.trim().is_empty() => Edit::Clear,
        Some(text) => Edit::Set(text.to_owned()),
    };
    apply(&args.miners, &RecordEdit { labels, notes, ..RecordEdit::default() }, data, console)
}

pub(crate) fn shift(args: &MoveArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let part = |name: &Option<String>| match name {
        Some(name) => Edit::Set(name.clone()),
        None if args.clear => Edit::Clear,
        None => Edit::Keep,
    };
    let edit = RecordEdit {
        site: part(&args.site),
        building: part(&args.building),
        rack: part(&args.rack),
        shelf: part(&args.shelf),
        slot: part(&args.slot),
        ..RecordEdit::default()
    };
    apply(&args.miners, &edit, data, console)
}

pub(crate) fn forget(args: &ForgetArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let mut registry = data.open_for_edits(console)?;
    let ids = find(&registry, &args.miners)?;
    registry.forget(&ids)?;
    console.note(&format!(
        "{} forgotten",
        so_many(u64::try_from(ids.len()).unwrap_or(u64::MAX), "miner", "miners")
    ));
    Ok(Exit::Fine)
}
