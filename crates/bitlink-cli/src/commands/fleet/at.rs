//! `list --at`: the fleet as it was at a time, as far as `bitlink serve` has recorded it.

use crate::columns;
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::output::csv::{ours, record, theirs};
use crate::output::json;
use crate::table::{Cell, Column, Table};
use crate::text::so_many;
use crate::times;
use bitlink_miner_manager::history::StateAt;
use bitlink_miner_manager::model::{HashRate, Metric, Power, Temperature};
use bitlink_miner_manager::store::Reader;
use bitlink_miner_manager::{MinerId, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// How far back a reading may lie to count as one of the time: some rounds of the slowest interval that is usual.
const WITHIN: Duration = Duration::from_mins(3);

/// One miner of the document.
#[derive(Debug, Serialize)]
struct Line {
    id: MinerId,
    #[serde(flatten)]
    facts: bitlink_miner_manager::history::Facts,
    #[serde(flatten)]
    status: Option<bitlink_miner_manager::history::StatusFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashrate_hs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chip_max_celsius: Option<f64>,
}

#[derive(Serialize)]
struct Document<'a> {
    at_ms: Timestamp,
    miners: &'a [Line],
}

/// What form it is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Json,
    Csv,
}

pub(super) fn list(
    dir: &Path,
    text: &str,
    form: Form,
    wanted: impl Fn(MinerId) -> bool,
    console: Console,
) -> Result<Exit, Failure> {
    let (zone, now) = (TimeZone::system(), Timestamp::from(std::time::SystemTime::now()));
    let at = times::parse(text, now, &zone).map_err(Failure::usage)?;
    let states = Reader::open(dir)?.fleet_at(at, WITHIN)?;
    let lines: Vec<Line> =
        states.into_iter().filter(|(id, _)| wanted(*id)).map(|(id, state)| line(id, state)).collect();
    if !lines.is_empty() && lines.iter().all(|line| line.hashrate_hs.is_none()) {
        console.note(
            "note: no reading was recorded around this time; statuses are the last that were known then",
        );
    }
    match form {
        Form::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, &Document { at_ms: at, miners: &lines })?;
            out.flush()?;
        }
        Form::Csv => csv(&lines)?,
        Form::Table => {
            let mut out = console.out();
            writeln!(out, "{}\n", times::full(at, &zone))?;
            if !lines.is_empty() {
                writeln!(out, "{}", table(&lines).render(console::room()))?;
            }
            writeln!(out, "{}.", so_many(u64::try_from(lines.len()).unwrap_or(u64::MAX), "miner", "miners"))?;
            out.flush()?;
        }
    }
    Ok(if lines.is_empty() { Exit::NothingFound } else { Exit::Fine })
}

fn line(id: MinerId, state: StateAt) -> Line {
    let of = |metric: Metric| state.values.get(&metric).copied();
    let (hashrate_hs, power_w, chip_max_celsius) =
        (of(Metric::HASHRATE), of(Metric::POWER), of(Metric::TEMP_CHIP_MAX));
    Line { id, facts: state.facts, status: state.status, hashrate_hs, power_w, chip_max_celsius }
}

const COLUMNS: [Column; 8] = [
    Column::left("id", 4),
    Column::left("address", 0),
    Column::left("model", 2).cut_to(10).easy_at(16),
    Column::left("status", 0),
    Column::right("hash rate", 0),
    Column::right("power", 3),
    Column::right("chip", 3),
    Column::left("finding", 1).cut_to(12).easy_at(30),
];

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for line in lines {
        let status = line.status.as_ref();
        let worst = status.and_then(|fact| fact.findings.iter().max_by_key(|finding| finding.severity));
        let shown = status.map(|fact| fact.status.to_string());
        let cell = Cell::known(shown);
        table.push(vec![
            Cell::new(line.id.to_string()),
            Cell::known(line.facts.address.as_deref()),
            Cell::known(line.facts.model.as_deref()),
            match status {
                Some(fact) => cell.stressed(columns::status_tone(fact.status)),
                None => cell,
            },
            Cell::known(
                line.hashrate_hs.and_then(|rate| HashRate::from_hs(rate).ok()).map(|rate| rate.to_string()),
            ),
            Cell::known(
                line.power_w.and_then(|power| Power::from_watts(power).ok()).map(|power| power.to_string()),
            ),
            Cell::known(
                line.chip_max_celsius
                    .and_then(|chip| Temperature::from_celsius(chip).ok())
                    .map(|chip| chip.to_string()),
            ),
            Cell::new(worst.map(|finding| finding.message.as_str()).unwrap_or_default()),
        ]);
    }
    table
}

fn csv(lines: &[Line]) -> Result<(), Failure> {
    const HEADER: [&str; 9] = [
        "id",
        "address",
        "model",
        "firmware",
        "status",
        "hashrate_hs",
        "power_w",
        "chip_max_celsius",
        "findings",
    ];
    let mut out = BufWriter::new(io::stdout().lock());
    record(&mut out, HEADER.map(ours))?;
    let number = |number: Option<f64>| ours(number.map(|number| number.to_string()).unwrap_or_default());
    for line in lines {
        let rules = line.status.iter().flat_map(|fact| &fact.findings).map(|finding| finding.rule.as_str());
        let fields = [
            ours(line.id),
            theirs(line.facts.address.as_ref()),
            theirs(line.facts.model.as_ref()),
            theirs(line.facts.firmware.as_ref()),
            ours(line.status.as_ref().map(|fact| fact.status.to_string()).unwrap_or_default()),
            number(line.hashrate_hs),
            number(line.power_w),
            number(line.chip_max_celsius),
            ours(rules.collect::<Vec<_>>().join(";")),
        ];
        record(&mut out, fields)?;
    }
    out.flush()?;
    Ok(())
}
