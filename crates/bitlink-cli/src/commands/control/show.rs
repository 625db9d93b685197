//! Plans and what they came to, for people and for programs; and the question before one is carried out.

use super::Format;
use super::action::in_words;
use crate::columns::address;
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{count, duration, so_many};
use bitlink_miner_manager::control::{
    Counts, Hindrance, Outcome, Past, Plan, PlanStore, Progress, Refusal, Report, SkipReason, Stop,
};
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

/// Prints a plan.
pub(super) fn plan(plan: &Plan, format: Format, console: Console) -> Result<(), Failure> {
    match format {
        Format::Table => table(plan, console),
        Format::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::pretty(&mut out, plan)?;
            Ok(out.flush()?)
        }
        Format::Ndjson => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::line(&mut out, &json::event("plan", serde_json::to_value(plan)?))?;
            Ok(out.flush()?)
        }
    }
}

fn table(plan: &Plan, console: Console) -> Result<(), Failure> {
    let mut out = console.out();
    let mut targets = Table::new(&[
        Column::right("step", 3),
        Column::left("address", 0),
        Column::left("machine", 4).cut_to(10),
        Column::left("known by", 5),
        Column::right("kW", 2),
    ]);
    let steps = plan.batches.iter().zip(1_usize..).flat_map(|(batch, number)| {
        let word = if batch.canary { "first".to_owned() } else { number.to_string() };
        std::iter::repeat_n(word, usize::try_from(batch.size).unwrap_or(0))
    });
    for (target, step) in plan.targets.iter().zip(steps) {
        let assumed = if target.power_assumed { "~" } else { "" };
        targets.push(vec![
            Cell::new(step),
            Cell::new(place(target.endpoint)),
            Cell::known(target.name.as_deref()),
            Cell::new(target.marks.to_string()),
            Cell::new(format!("{assumed}{:.1}", target.power.as_kilowatts())),
        ]);
    }
    if !targets.is_empty() {
        writeln!(out, "{}", targets.render(console::room()))?;
    }
    let mut skipped = Table::new(&[
        Column::left("left out", 0),
        Column::left("machine", 4).cut_to(10),
        Column::left("why", 1).cut_to(20),
    ]);
    for one in &plan.skipped {
        skipped.push(vec![
            Cell::new(place(one.endpoint)),
            Cell::known(one.name.as_deref()),
            Cell::new(one.reason.to_string()).tone(Tone::Warning),
        ]);
    }
    if !skipped.is_empty() {
        writeln!(out, "{}", skipped.render(console::room()))?;
    }
    for line in summary(plan) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// A plan in a few lines on standard error, before somebody is asked.
pub(super) fn outline(plan: &Plan, console: Console) -> Result<(), Failure> {
    let mut err = console.err();
    for line in summary(plan) {
        writeln!(err, "{line}")?;
    }
    Ok(())
}

fn summary(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = plan.targets.len() + plan.skipped.len();
    let unsupported =
        plan.skipped.iter().filter(|one| matches!(one.reason, SkipReason::Unsupported { .. })).count();
    if unsupported > 0 {
        lines.push(format!("{unsupported} of {whole} cannot do this."));
    }
    for (reason, count) in plan.skip_counts() {
        if reason != "unsupported" {
            lines.push(format!("{count} of {whole} left out: {}.", reason.replace('_', " ")));
        }
    }
    let unverified = plan.targets.iter().filter(|target| target.unverified).count();
    if unverified > 0 {
        lines.push(format!("{unverified} should be able to, as documented; nobody has seen it."));
    }
    if plan.assumed_powers > 0 {
        lines.push(format!(
            "{} did not tell their power; {} each is assumed.",
            plan.assumed_powers, plan.policy.assumed_power
        ));
    }
    let most = plan.batches.iter().map(|batch| batch.power).max();
    let power = if plan.power.as_watts() > 0.0 {
        let most = most.map_or(0.0, bitlink_miner_manager::model::Power::as_kilowatts);
        format!(", {:.1} kW in all and at most {most:.1} kW in a step", plan.power.as_kilowatts())
    } else {
        String::new()
    };
    lines.push(format!(
        "Plan {}: {} on {} in {}{power}, about {}.",
        plan.id,
        in_words(&plan.action),
        so_many(large(plan.targets.len()), "miner", "miners"),
        so_many(large(plan.batches.len()), "step", "steps"),
        duration(plan.estimate.as_duration()),
    ));
    if plan.policy.deadline.is_some_and(|deadline| deadline < plan.estimate) {
        lines.push("It will take longer than its deadline allows.".to_owned());
    }
    lines
}

/// Asks whether a plan is to be carried out. Where a machine may be lost by it, the number of miners has to be typed.
pub(super) fn confirmed(plan: &Plan, console: Console) -> Result<bool, Failure> {
    let miners = plan.targets.len();
    let power = if plan.power.as_watts() > 0.0 {
        format!(", switching {:.1} kW", plan.power.as_kilowatts())
    } else {
        String::new()
    };
    let what = format!("{} on {}{power}?", in_words(&plan.action), so_many(large(miners), "miner", "miners"));
    if plan.kind().is_dangerous() {
        let answer = ask(&format!("{what} Machines may be lost by this. Type {miners} to go on: "), console)?;
        Ok(answer.trim() == miners.to_string())
    } else {
        Ok(is_yes(&ask(&format!("{what} [y/N] "), console)?))
    }
}

pub(super) fn confirmed_to_go_on(
    plan: &Plan,
    waiting: usize,
    begun: usize,
    console: Console,
) -> Result<bool, Failure> {
    let question =
        format!("{} on {waiting} more, and look what became of {begun}? [y/N] ", in_words(&plan.action));
    Ok(is_yes(&ask(&question, console)?))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn ask(question: &str, console: Console) -> Result<String, Failure> {
    if !super::can_ask() {
        return Err(Failure::usage("there is no terminal to ask, and nothing is sent unasked")
            .hint("--dry-run prints the plan; --yes carries it out without asking"));
    }
    Ok(console::ask(question, console)?)
}

/// Prints what a plan came to.
pub(super) fn report(plan: &Plan, report: &Report, format: Format, console: Console) -> Result<(), Failure> {
    if format == Format::Json {
        let outcomes: Vec<Value> =
            report.outcomes.iter().zip(0_u32..).map(|(outcome, target)| one(plan, target, outcome)).collect();
        let document = json!({ "plan": plan, "outcomes": outcomes, "result": totals(report) });
        let mut out = BufWriter::new(io::stdout().lock());
        json::pretty(&mut out, &document)?;
        return Ok(out.flush()?);
    }
    let mut out = console.out();
    write!(out, "{}", outcomes(plan, &report.outcomes.iter().map(Some).collect::<Vec<_>>()))?;
    if let Some(why) = &report.stopped {
        writeln!(out, "Stopped before its end: {}.", crate::text::clean(&why.to_string()))?;
    }
    let taken = duration(report.elapsed);
    writeln!(out, "{} in {taken}. Plan {}.", in_counts(&report.counts), plan.id)?;
    if report.outcomes.iter().any(Outcome::is_postponed) {
        writeln!(out, "`bitlink control resume {}` goes on with those that were not reached.", plan.id)?;
    }
    Ok(out.flush()?)
}

/// Prints what a plan had come to that is over.
pub(super) fn past(past: &Past, format: Format, console: Console) -> Result<Exit, Failure> {
    let known: Vec<Option<&Outcome>> = past
        .progress
        .iter()
        .map(|progress| match progress {
            Progress::Ended { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    let counts = past.counts();
    if format == Format::Table {
        let mut out = console.out();
        write!(out, "{}", outcomes(&past.plan, &known))?;
        writeln!(out, "{}. Plan {}.", in_counts(&counts), past.plan.id)?;
        out.flush()?;
    } else {
        let outcomes: Vec<Value> = known
            .iter()
            .zip(0_u32..)
            .filter_map(|(outcome, target)| Some(one(&past.plan, target, (*outcome)?)))
            .collect();
        let document = json!({ "plan": past.plan, "outcomes": outcomes, "result": { "counts": counts } });
        json::pretty(&mut io::stdout().lock(), &document)?;
    }
    Ok(if counts.failures() + counts.not_attempted > 0 { Exit::SomeFailed } else { Exit::Fine })
}

fn outcomes(plan: &Plan, outcomes: &[Option<&Outcome>]) -> String {
    let mut rows = Table::new(&[
        Column::left("address", 0),
        Column::left("machine", 4).cut_to(10),
        Column::left("outcome", 0),
        Column::left("why", 1).cut_to(20),
    ]);
    for (target, outcome) in plan.targets.iter().zip(outcomes.iter().copied()) {
        // Those that were not reached are counted below.
        let Some(outcome) = outcome.filter(|outcome| !is_unreached(outcome)) else { continue };
        rows.push(vec![
            Cell::new(place(target.endpoint)),
            Cell::known(target.name.as_deref()),
            Cell::new(outcome.word().replace('_', " ")).tone(tone(outcome)),
            Cell::new(outcome.why().unwrap_or_default()),
        ]);
    }
    if rows.is_empty() { String::new() } else { format!("{}\n", rows.render(console::room())) }
}

const fn is_unreached(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotAttempted {
            because: Hindrance::Stopped | Hindrance::Cancelled | Hindrance::Deadline,
            ..
        }
    )
}

const fn tone(outcome: &Outcome) -> Tone {
    match outcome {
        Outcome::Verified | Outcome::Applied { .. } => Tone::Good,
        Outcome::Unknown { .. } => Tone::Bad,
        Outcome::NotAttempted { .. } => Tone::Dim,
        _ => Tone::Warning,
    }
}

fn in_counts(counts: &Counts) -> String {
    let parts = [
        (counts.verified, "verified"),
        (counts.applied, "applied without proof"),
        (counts.refused, "refused"),
        (counts.unsupported, "unsupported"),
        (counts.unknown, "unknown"),
        (counts.not_attempted, "not attempted"),
    ];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    let text: Vec<String> = parts.map(|(n, what)| format!("{} {what}", count(u64::from(*n)))).collect();
    if text.is_empty() { "nothing was done".to_owned() } else { text.join(", ") }
}

/// One target and its outcome.
pub(super) fn one(plan: &Plan, target: u32, outcome: &Outcome) -> Value {
    let mut value = serde_json::to_value(outcome).unwrap_or_default();
    let machine = usize::try_from(target).ok().and_then(|index| plan.targets.get(index));
    if let (Some(object), Some(machine)) = (value.as_object_mut(), machine) {
        object.insert("target".to_owned(), target.into());
        object.insert("endpoint".to_owned(), machine.endpoint.to_string().into());
        object.insert("machine".to_owned(), serde_json::to_value(&machine.marks).unwrap_or_default());
        if let Some(name) = &machine.name {
            object.insert("name".to_owned(), name.as_str().into());
        }
    }
    value
}

pub(super) fn totals(report: &Report) -> Value {
    json!({
        "plan": report.plan, "counts": report.counts, "stopped": report.stopped,
        "elapsed_s": json::seconds(report.elapsed), "most_at_once": report.most_at_once,
    })
}

/// The code of a plan: the worst that can be said of it.
pub(super) fn exit(plan: &Plan, report: &Report) -> Exit {
    let denied = |outcome: &Outcome| matches!(outcome, Outcome::Refused { by: Refusal::AccessDenied, .. });
    let counts = &report.counts;
    if !report.adds_up() {
        Exit::Bug
    } else if report.stopped == Some(Stop::Cancelled) {
        Exit::Interrupted
    } else if counts.verified + counts.applied == 0 && report.outcomes.iter().any(denied) {
        Exit::AccessDenied
    } else if counts.failures() + counts.not_attempted > 0 || !plan.skipped.is_empty() {
        Exit::SomeFailed
    } else {
        Exit::Fine
    }
}

/// The code when nobody can be commanded.
pub(super) fn nothing(plan: &Plan) -> Exit {
    let any = |wanted: fn(&SkipReason) -> bool| plan.skipped.iter().any(|one| wanted(&one.reason));
    if any(|reason| matches!(reason, SkipReason::AccessDenied { .. })) {
        Exit::AccessDenied
    } else if any(|reason| !matches!(reason, SkipReason::Dead { .. })) {
        Exit::SomeFailed
    } else {
        Exit::NothingFound
    }
}

/// Lists plans.
pub(super) fn list(data: &Path, is_json: bool, console: Console) -> Result<Exit, Failure> {
    let (plans, unreadable) = PlanStore::in_dir(data).list()?;
    if unreadable > 0 {
        console.note(&format!("warning: {unreadable} files of plans cannot be read"));
    }
    if is_json {
        let plans: Vec<Value> = plans
            .iter()
            .map(|plan| {
                json!({
                    "plan": plan.id, "made_at_ms": plan.made_at, "actor": plan.actor, "action": plan.kind,
                    "targets": plan.targets, "counts": plan.counts, "open": plan.open, "running": plan.running,
                    "stopped": plan.stopped,
                })
            })
            .collect();
        json::pretty(&mut io::stdout().lock(), &json!({ "plans": plans }))?;
        return Ok(Exit::Fine);
    }
    let mut rows = Table::new(&[
        Column::left("plan", 0),
        Column::left("by", 4),
        Column::right("miners", 3),
        Column::left("state", 2),
        Column::left("outcomes", 1).cut_to(20),
    ]);
    for plan in &plans {
        let (state, tone) = match (plan.running, plan.open) {
            (true, _) => ("running".to_owned(), Tone::Strong),
            (false, 0) => ("done".to_owned(), Tone::Good),
            (false, open) => (format!("{open} open"), Tone::Warning),
        };
        rows.push(vec![
            Cell::new(plan.id.as_str()),
            Cell::new(&plan.actor),
            Cell::new(plan.targets.to_string()),
            Cell::new(state).tone(tone),
            Cell::new(in_counts(&plan.counts)),
        ]);
    }
    let mut out = console.out();
    if !rows.is_empty() {
        writeln!(out, "{}", rows.render(console::room()))?;
    }
    writeln!(out, "{}.", so_many(large(plans.len()), "plan", "plans"))?;
    out.flush()?;
    Ok(if plans.is_empty() { Exit::NothingFound } else { Exit::Fine })
}

pub(crate) fn place(at: SocketAddr) -> String {
    address(at.ip(), at.port())
}

fn large(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
