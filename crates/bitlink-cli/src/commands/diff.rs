//! `bitlink diff`: what is different about the miners between two times. Reads what `bitlink serve` has recorded; asks no miner.

use crate::columns;
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{UNKNOWN, clean, so_many};
use crate::times;
use bitlink_miner_manager::history::{BoardFact, Changed, Difference, PoolFact};
use bitlink_miner_manager::model::HashRate;
use bitlink_miner_manager::store::Reader;
use bitlink_miner_manager::{MinerStatus, Timestamp};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use std::io::{self, BufWriter, Write};
use std::time::SystemTime;

/// Say what is different about the miners between two times
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct DiffArgs {
    /// The earlier time
    #[arg(value_name = "T1")]
    from: String,
    /// The later time
    #[arg(value_name = "T2", default_value = "now")]
    until: String,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: DiffFormat,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
Status, findings, address, model, firmware, mode, pools and hash boards are those that counted at each time; hash rates are means over
the quarter of an hour before it, and are told when they differ by more than 5 %.
Times: 6h (ago), 02:10, 2026-11-26, 2026-11-26T02:10, with Z or +01:00 behind it, or now.

Examples:
  bitlink diff 02:05 02:15           what changed at 02:10
  bitlink diff 24h                   what is different from yesterday";

/// Forms of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DiffFormat {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
}

/// The one document of a comparison.
#[derive(serde::Serialize)]
struct Document<'a> {
    from_ms: Timestamp,
    until_ms: Timestamp,
    miners: &'a [Difference],
}

pub(crate) fn run(args: &DiffArgs, console: Console) -> Result<Exit, Failure> {
    let (zone, now) = (TimeZone::system(), Timestamp::from(SystemTime::now()));
    let time = |text: &str| times::parse(text, now, &zone).map_err(Failure::usage);
    let (from, until) = (time(&args.from)?, time(&args.until)?);
    if from >= until {
        return Err(Failure::usage("the first time is not before the second"));
    }
    let differences = Reader::open(&args.data.dir()?)?.compare(from, until)?;
    if args.format == DiffFormat::Json {
        let mut out = BufWriter::new(io::stdout().lock());
        json::pretty(&mut out, &Document { from_ms: from, until_ms: until, miners: &differences })?;
        out.flush()?;
        return Ok(Exit::Fine);
    }
    let mut out = console.out();
    writeln!(out, "{} to {}\n", times::full(from, &zone), times::full(until, &zone))?;
    if !differences.is_empty() {
        writeln!(out, "{}", table(&differences).render(console::room()))?;
    }
    let count = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    writeln!(out, "{} different.", so_many(count, "miner is", "miners are"))?;
    out.flush()?;
    Ok(Exit::Fine)
}

const COLUMNS: [Column; 4] = [
    Column::left("id", 3),
    Column::left("address", 0),
    Column::left("model", 2).cut_to(10).easy_at(16),
    Column::left("what", 0).cut_to(20).easy_at(60),
];

fn table(differences: &[Difference]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for difference in differences {
        for (line, change) in difference.changes.iter().enumerate() {
            let (words, tone) = in_words(change);
            let of_first = |text: Option<&str>| if line == 0 { Cell::known(text) } else { Cell::new("") };
            let id = difference.miner.to_string();
            table.push(vec![
                of_first(Some(&id)),
                of_first(difference.address.as_deref()),
                of_first(difference.model.as_deref()),
                Cell::new(words).stressed(tone),
            ]);
        }
    }
    table
}

fn in_words(change: &Changed) -> (String, Tone) {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    match change {
        Changed::New => ("new".to_owned(), Tone::Plain),
        Changed::Status { from, to } => {
            let word = |status: &Option<MinerStatus>| {
                status.map_or_else(|| UNKNOWN.to_owned(), |status| status.to_string())
            };
            (format!("{} → {}", word(from), word(to)), to.map_or(Tone::Plain, columns::status_tone))
        }
        Changed::Found(finding) => (format!("found: {}", finding.message), Tone::Warning),
        Changed::Cleared(finding) => (format!("cleared: {}", finding.message), Tone::Good),
        Changed::Fact { name, from, to } => (format!("{name} {} → {}", known(from), known(to)), Tone::Plain),
        Changed::Pool { number, from, to } => {
            let word = |pool: &Option<PoolFact>| match pool {
                Some(pool) => format!("{} {}", known(&pool.url), known(&pool.user)),
                None => "none".to_owned(),
            };
            (format!("pool {number} {} → {}", word(from), word(to)), Tone::Plain)
        }
        Changed::Board { slot, from, to } => {
            let word = |board: &Option<BoardFact>| match board {
                None => "none".to_owned(),
                Some(BoardFact { present: Some(false), .. }) => "gone".to_owned(),
                Some(board) => {
                    let chips = board.chips.map(|chips| so_many(chips.into(), "chip", "chips"));
                    let parts: Vec<String> = board.serial.clone().into_iter().chain(chips).collect();
                    if parts.is_empty() { "there".to_owned() } else { parts.join(", ") }
                }
            };
            (format!("board {slot} {} → {}", word(from), word(to)), Tone::Warning)
        }
        Changed::HashRate { from_hs, to_hs } => {
            let rate = |rate: &Option<f64>| rate.and_then(|rate| HashRate::from_hs(rate).ok());
            let word =
                |rate: Option<HashRate>| rate.map_or_else(|| UNKNOWN.to_owned(), |rate| rate.to_string());
            let (from, to) = (rate(from_hs), rate(to_hs));
            let share = from.zip(to).and_then(|(from, to)| to.ratio_to(from));
            let by =
                share.map(|share| format!(" ({:+.0} %)", share.as_percent() - 100.0)).unwrap_or_default();
            let tone = if to < from { Tone::Warning } else { Tone::Good };
            (format!("hash rate {} → {}{by}", word(from), word(to)), tone)
        }
        Changed::Meanwhile { times } => {
            let times = so_many(u64::try_from(*times).unwrap_or(u64::MAX), "change", "changes");
            (format!("{times} of status or findings in between"), Tone::Dim)
        }
        other => (clean(&format!("{other:?}")).into_owned(), Tone::Plain),
    }
}
