//! `bitlink audit`: who did what to which machine, and whether anybody changed the record of it.

use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{ago, clean, so_many};
use bitlink_miner_manager::control::{AuditError, AuditEvent, AuditLine, AuditLog, PlanId};
use clap::{Args, Subcommand, ValueEnum};
use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};

/// Who did what to which machine, and what came of it
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the lines of the log
    Show {
        /// Only those of this plan
        #[arg(long, value_name = "PLAN")]
        plan: Option<PlanId>,
        /// Only the last so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        last: usize,
        /// Form of the result
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
        format: Format,
    },
    /// Check that no line was changed, taken out, put in or moved, and that the end was not cut off
    Verify,
}

/// Forms of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table
    #[default]
    Table,
    /// One object a line, as they are kept
    Ndjson,
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::of(Exit::SomeFailed, &error)
    }
}

pub(crate) fn run(args: &AuditArgs, console: Console) -> Result<Exit, Failure> {
    let log = AuditLog::in_dir(&args.data.dir()?);
    match &args.what {
        What::Show { plan, last, format } => show(&log, plan.as_ref(), *last, *format, console),
        What::Verify => verify(&log, console),
    }
}

fn show(
    log: &AuditLog,
    plan: Option<&PlanId>,
    last: usize,
    format: Format,
    console: Console,
) -> Result<Exit, Failure> {
    let mut lines: VecDeque<AuditLine> = VecDeque::new();
    for line in log.lines()? {
        let line = line?;
        if plan.is_none_or(|plan| line.event.plan() == Some(plan)) {
            lines.push_back(line);
        }
        if lines.len() > last {
            lines.pop_front();
        }
    }
    if format == Format::Ndjson {
        let mut out = BufWriter::new(io::stdout().lock());
        for line in &lines {
            json::line(&mut out, line)?;
        }
        out.flush()?;
    } else {
        let now = super::control::now();
        let mut rows = Table::new(&[
            Column::right("line", 5),
            Column::left("when", 3),
            Column::left("who", 4),
            Column::left("where", 2),
            Column::left("what", 0).cut_to(20),
        ]);
        for line in &lines {
            let (place, what) = in_words(&line.event);
            rows.push(vec![
                Cell::new(line.seq.to_string()),
                Cell::new(ago(now.since(line.at))),
                Cell::new(&line.actor),
                Cell::known(place),
                Cell::new(what),
            ]);
        }
        let mut out = console.out();
        if !rows.is_empty() {
            writeln!(out, "{}", rows.render(console::room()))?;
        }
        writeln!(out, "{}.", so_many(u64::try_from(lines.len()).unwrap_or(u64::MAX), "line", "lines"))?;
        out.flush()?;
    }
    Ok(if lines.is_empty() { Exit::NothingFound } else { Exit::Fine })
}

fn in_words(event: &AuditEvent) -> (Option<String>, String) {
    use super::control::action::in_words;
    use super::control::show::place;
    match event {
        AuditEvent::PlanBegun { plan, what, targets, power, .. } => (
            None,
            format!("{plan} begins: {} on {targets} miners, {:.1} kW", in_words(what), power.as_kilowatts()),
        ),
        AuditEvent::PlanResumed { plan } => (None, format!("{plan} is taken up again")),
        AuditEvent::Command { endpoint, machine, what, .. } => {
            (Some(place(*endpoint)), format!("{machine} is told: {}", in_words(what)))
        }
        AuditEvent::Outcome { endpoint, machine, outcome, .. } => {
            (Some(place(*endpoint)), format!("{machine}: {outcome}"))
        }
        AuditEvent::PlanEnded { plan, stopped, .. } => {
            let stopped = stopped.as_ref().map(|why| format!(", stopped before its end: {why}"));
            (None, format!("{plan} is over{}", stopped.unwrap_or_default()))
        }
        AuditEvent::Credentials { scope, kept } => {
            let what = if *kept { "a password is kept for" } else { "no password is kept any more for" };
            (None, format!("{what} {scope}"))
        }
        _ => (None, "something that a newer version knows".to_owned()),
    }
}

fn verify(log: &AuditLog, console: Console) -> Result<Exit, Failure> {
    let verdict = log.verify()?;
    let mut out = console.out();
    for fault in &verdict.faults {
        let place = if fault.line == 0 { "the log".to_owned() } else { format!("line {}", fault.line) };
        writeln!(out, "{} {}", Tone::Bad.paint(&format!("{place}:")), clean(&fault.what))?;
    }
    if verdict.more > 0 {
        writeln!(out, "and {} more", verdict.more)?;
    }
    let lines = so_many(verdict.lines, "line", "lines");
    match &verdict.last {
        Some(hash) if verdict.is_sound() => {
            writeln!(out, "{lines}, none changed. The last has the hash {hash}.")?;
        }
        None if verdict.is_sound() => writeln!(out, "no lines yet")?,
        _ => writeln!(out, "{lines}: this log was changed, or damaged.")?,
    }
    out.flush()?;
    Ok(if verdict.is_sound() { Exit::Fine } else { Exit::SomeFailed })
}
