//! `list` and `show`: the machines that are known, and everything that is known of one.

use super::at;
use crate::choice::Choice;
use crate::columns::address;
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{UNKNOWN, ago, clean, so_many};
use bitlink_miner_manager::model::Seen;
use bitlink_miner_manager::query::{self, Field, Subject};
use bitlink_miner_manager::{MinerRecord, Timestamp};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::SystemTime;

/// List the miners that are known
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: ListFormat,
    /// Only those with this label; more than one must all be there
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Only those of which nobody has said where they stand
    #[arg(long)]
    unplaced: bool,
    /// Those that were forgotten, and no others
    #[arg(long)]
    forgotten: bool,
    /// The fleet as it was at a time, as far as `bitlink serve` has recorded it: 02:10, 2026-11-26T02:10, or 6h (ago)
    #[arg(long, value_name = "TIME", conflicts_with = "forgotten")]
    at: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

/// Show everything that is known of a miner, and since when
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Which miner
    #[arg(value_name = "MINER")]
    miner: String,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: ShowFormat,
}

/// Forms of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ListFormat {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
    /// One miner on each line, as `export` writes them
    Csv,
}

/// Forms of one miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ShowFormat {
    /// A card
    #[default]
    Table,
    /// One document
    Json,
}

/// The one document of a list.
#[derive(serde::Serialize)]
struct Document<'a> {
    miners: &'a [&'a MinerRecord],
}

/// Whether what is kept of a machine tells what is asked for; readings are with those who watch.
fn check(choice: &Choice) -> Result<(), Failure> {
    let fields = choice.filter.iter().flat_map(query::Filter::fields);
    let mut fields = fields.chain(choice.sort.iter().flat_map(query::Sort::fields));
    let Some(Field { key, .. }) = fields.find(|field| !field.is_kept()) else { return Ok(()) };
    Err(Failure::usage(format!("{key} is not kept: it takes a reading of the miner"))
        .hint("`bitlink top` and `bitlink monitor` ask the miners; `--at` shows what was recorded"))
}

pub(crate) fn list(args: &ListArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    check(&args.choice)?;
    let now = Timestamp::from(SystemTime::now());
    let registry = data.read(console)?;
    let forgotten: Vec<&Arc<MinerRecord>> =
        registry.registry().all_records().filter(|record| record.forgotten.is_some()).collect();
    let all = if args.forgotten { forgotten } else { registry.by_place() };
    let wanted = |record: &&MinerRecord| {
        args.label.iter().all(|label| record.labels.contains(label.trim()))
            && (!args.unplaced || record.position.is_unknown())
            && args.choice.filter.as_ref().is_none_or(|filter| {
                filter.matches(&Subject::new(&query::unwatched(record), Some(record), now))
            })
    };
    if let Some(at) = &args.at {
        if args.choice.sort.is_some() {
            return Err(Failure::usage("--sort is for the list of now, and not for one of --at"));
        }
        let form = match args.format {
            ListFormat::Table => at::Form::Table,
            ListFormat::Json => at::Form::Json,
            ListFormat::Csv => at::Form::Csv,
        };
        let is_wanted = |id| match registry.registry().get(id) {
            Some(record) => wanted(&record.as_ref()),
            // Who is not known any more has no label and no place.
            None => args.label.is_empty() && !args.unplaced && args.choice.filter.is_none(),
        };
        return at::list(&data.dir()?, at, form, is_wanted, console);
    }
    let mut records: Vec<&MinerRecord> = all.into_iter().map(AsRef::as_ref).filter(wanted).collect();
    if let Some(sort) = &args.choice.sort {
        let miners: Vec<_> = records.iter().map(|record| query::unwatched(record)).collect();
        let both = miners.iter().zip(&records).enumerate();
        let order =
            sort.order(both.map(|(place, (miner, record))| (place, Subject::new(miner, Some(record), now))));
        records = order.into_iter().filter_map(|place| records.get(place).copied()).collect();
    }
    match args.format {
        ListFormat::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, &Document { miners: &records })?;
            out.flush()?;
        }
        ListFormat::Csv => {
            let mut out = BufWriter::new(io::stdout().lock());
            bitlink_miner_manager::store::sheet::write(&mut out, records.iter().copied())?;
            out.flush()?;
        }
        ListFormat::Table => table(&records, console)?,
    }
    Ok(match () {
        () if registry.damage().is_some() => Exit::SomeFailed,
        () if records.is_empty() => Exit::NothingFound,
        () => Exit::Fine,
    })
}

const COLUMNS: [Column; 8] = [
    Column::left("id", 3),
    Column::left("address", 0),
    Column::left("model", 2).cut_to(10).easy_at(16),
    Column::left("mac address", 4),
    Column::left("serial", 6).cut_to(8),
    Column::left("position", 0).cut_to(8).easy_at(20),
    Column::left("labels", 1).cut_to(6).easy_at(16),
    Column::right("last seen", 5),
];

fn table(records: &[&MinerRecord], console: Console) -> Result<(), Failure> {
    let now = Timestamp::from(SystemTime::now());
    let mut table = Table::new(&COLUMNS);
    for record in records {
        table.push(row(record, now));
    }
    let mut out = console.out();
    if !table.is_empty() {
        writeln!(out, "{}", table.render(console::room()))?;
    }
    writeln!(out, "{}.", so_many(u64::try_from(records.len()).unwrap_or(u64::MAX), "miner", "miners"))?;
    out.flush()?;
    Ok(())
}

fn row(record: &MinerRecord, now: Timestamp) -> Vec<Cell> {
    let shared = record.macs.first().is_some_and(|seen| seen.shared);
    let labels: Vec<&str> = record.labels.iter().map(String::as_str).collect();
    let position = Some(record.position.to_string()).filter(|text| !text.is_empty());
    vec![
        Cell::new(record.id.to_string()),
        place(record),
        Cell::known(record.identity.name()),
        Cell::known(record.mac().map(|mac| mac.to_string())).stressed(if shared {
            Tone::Warning
        } else {
            Tone::Plain
        }),
        Cell::known(record.serial()),
        Cell::known(position),
        Cell::new(labels.join(", ")),
        Cell::new(ago(now.since(record.last_seen))),
    ]
}

/// Where it answers; where it did, in brackets, when another machine is there now.
fn place(record: &MinerRecord) -> Cell {
    match (record.endpoint, record.last_endpoint()) {
        (Some(at), _) => Cell::new(address(at.ip(), at.port())),
        (None, Some(was)) => Cell::new(format!("({})", address(was.ip(), was.port()))).tone(Tone::Dim),
        (None, None) => Cell::known(None::<&str>),
    }
}

pub(crate) fn show(args: &ShowArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let registry = data.read(console)?;
    let id = registry.find(&args.miner)?;
    let Some(record) = registry.registry().get(id) else { return Ok(Exit::NothingFound) };
    match args.format {
        ShowFormat::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, &**record)?;
            out.flush()?;
        }
        ShowFormat::Table => {
            let mut out = console.out();
            write!(out, "{}", card(record, Timestamp::from(SystemTime::now())))?;
            out.flush()?;
        }
    }
    Ok(if registry.damage().is_some() { Exit::SomeFailed } else { Exit::Fine })
}

/// Everything that is known of a machine, with when it was so.
fn card(record: &MinerRecord, now: Timestamp) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut say = |name, text: String| lines.push((name, text));
    say("id", record.id.to_string());
    let at = match (record.endpoint, record.last_endpoint()) {
        (Some(at), _) => address(at.ip(), at.port()),
        (None, Some(was)) => {
            format!("not known; last at {}, where another miner answers now", address(was.ip(), was.port()))
        }
        (None, None) => UNKNOWN.to_owned(),
    };
    say("address", at);
    let position: Vec<String> = record
        .position
        .parts()
        .iter()
        .filter_map(|(name, part)| part.map(|part| format!("{name} {part}")))
        .collect();
    say("position", if position.is_empty() { UNKNOWN.to_owned() } else { position.join(", ") });
    say("labels", record.labels.iter().cloned().collect::<Vec<_>>().join(", "));
    record.notes.lines().for_each(|line| say("notes", line.to_owned()));
    say("first seen", ago(now.since(record.first_seen)));
    say("last seen", ago(now.since(record.last_seen)));
    let firmware = record.identity.firmware.as_ref().map(|firmware| match &firmware.version {
        Some(version) => format!("{} {version}", firmware.family),
        None => firmware.family.to_string(),
    });
    say("firmware", firmware.unwrap_or_default());
    evidence(&mut say, "mac address", &record.macs, now, ToString::to_string);
    evidence(&mut say, "serial", &record.serials, now, Clone::clone);
    evidence(&mut say, "control board", &record.control_board_serials, now, Clone::clone);
    evidence(&mut say, "hash board", &record.board_serials, now, Clone::clone);
    evidence(&mut say, "hostname", &record.hostnames, now, ToString::to_string);
    evidence(&mut say, "addresses", &record.endpoints, now, |at| address(at.ip(), at.port()));

    let name = record.identity.name().unwrap_or_else(|| "unknown".into());
    let mut text = format!("{}\n\n", Tone::Strong.paint(&clean(&name)));
    let mut before = "";
    for (name, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
        let title = if *name == before { "" } else { name };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {title:<13}  {}", clean(line));
        before = name;
    }
    text
}

fn evidence<T>(
    say: &mut impl FnMut(&'static str, String),
    name: &'static str,
    list: &[Seen<T>],
    now: Timestamp,
    text: impl Fn(&T) -> String,
) {
    for seen in list {
        let mut line = text(&seen.value);
        if seen.shared {
            line.push_str(", which other miners have too");
        }
        if !seen.current {
            line = format!("{line}, until {}", ago(now.since(seen.last_seen)));
        }
        say(name, line);
    }
}
