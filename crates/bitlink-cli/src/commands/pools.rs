//! `bitlink pools`: who mines elsewhere than allowed, and the plan that puts it right.

use super::control::{Format, Way, action, carry_out, now, show, toml_file, unless_stopped};
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::output::json;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::so_many;
use bitlink_miner_manager::control::{Candidate, Plan, PoolRules, Stray};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// See that every miner mines where it should
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PoolsArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every miner that has a pool or a worker that is not allowed; with --set, plan the correction
    Check(Box<CheckArgs>),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Which miners: addresses, networks, ranges, names, @files
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// What is allowed: TOML with tables `allow` (pool, users), where * stands for any text
    #[arg(long, value_name = "FILE")]
    allow: PathBuf,
    /// Set the pools of this file where others are, as `bitlink control pools set` does
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Leave these out
    #[arg(long, value_name = "TARGET")]
    exclude: Vec<String>,
    #[command(flatten)]
    way: Way,
}

pub(crate) async fn run(args: PoolsArgs, console: Console) -> Result<Exit, Failure> {
    let data = args.data.dir()?;
    let What::Check(check) = args.what;
    let rules: PoolRules = toml_file(&check.allow, "allowed pools")?;
    if rules.allow.is_empty() {
        return Err(Failure::usage("no pool is allowed by this file, so that every miner would be stray"));
    }
    let commander = check.way.commander(&data)?;
    let looking = commander.look_but(&check.targets, &check.exclude);
    let Some(candidates) = unless_stopped(looking).await else { return Ok(Exit::Interrupted) };
    let candidates = candidates?;
    let judged: Vec<(Candidate, Option<Stray>)> = candidates
        .into_iter()
        .map(|candidate| {
            let stray = candidate.seen.as_ref().ok().map(|seen| rules.check(&seen.snapshot));
            (candidate, stray)
        })
        .collect();
    if judged.is_empty() {
        return Err(Failure::new(Exit::NothingFound, "no miner was found"));
    }
    let is_stray = |stray: &Option<Stray>| matches!(stray, Some(Stray::Elsewhere { .. }));
    let stray = judged.iter().filter(|(_, stray)| is_stray(stray)).count();
    if check.set.is_none() || check.way.format == Format::Table {
        print(&judged, check.way.format, console)?;
    }
    match check.set {
        Some(file) if stray > 0 => {
            let policy = check.way.policy();
            let astray =
                judged.into_iter().filter(|(_, stray)| is_stray(stray)).map(|(candidate, _)| candidate);
            let plan = Plan::make(action::pools(&file)?, policy, &check.way.groups()?, now(), astray)?;
            carry_out(&commander, plan, &check.way, None, console).await
        }
        _ if stray > 0 || judged.iter().any(|(_, stray)| stray.is_none()) => Ok(Exit::SomeFailed),
        _ => Ok(Exit::Fine),
    }
}

fn print(judged: &[(Candidate, Option<Stray>)], format: Format, console: Console) -> Result<(), Failure> {
    if format != Format::Table {
        let miners: Vec<Value> = judged.iter().map(in_json).collect();
        json::pretty(&mut io::stdout().lock(), &json!({ "miners": miners }))?;
        return Ok(());
    }
    let mut rows = Table::new(&[
        Column::left("address", 0),
        Column::left("machine", 4).cut_to(10),
        Column::left("pool", 1).cut_to(20),
        Column::left("worker", 2).cut_to(10),
        Column::left("what", 0).cut_to(20),
    ]);
    let (mut ours, mut untold, mut unread) = (0, 0, 0);
    for (candidate, stray) in judged {
        let name = candidate.seen.as_ref().ok().and_then(|seen| seen.snapshot.identity.name());
        match stray {
            Some(Stray::Ours) => ours += 1,
            Some(Stray::Untold) => untold += 1,
            Some(Stray::Elsewhere { stray }) => {
                for pool in stray {
                    let what = match (pool.only_user, pool.active) {
                        (_, Some(true)) => "mined on now",
                        (true, _) => "another worker",
                        _ => "not allowed",
                    };
                    rows.push(vec![
                        Cell::new(show::place(candidate.endpoint)),
                        Cell::known(name.as_deref()),
                        Cell::known(pool.url.as_deref()),
                        Cell::known(pool.user.as_deref()),
                        Cell::new(what).tone(Tone::Bad),
                    ]);
                }
            }
            _ => unread += 1,
        }
    }
    let mut out = console.out();
    if !rows.is_empty() {
        writeln!(out, "{}", rows.render(console::room()))?;
    }
    let all = judged.len();
    writeln!(
        out,
        "{}: {ours} mine where they should, {} elsewhere, {untold} do not tell, {unread} cannot be read.",
        so_many(u64::try_from(all).unwrap_or(u64::MAX), "miner", "miners"),
        all - ours - untold - unread
    )?;
    Ok(out.flush()?)
}

fn in_json((candidate, stray): &(Candidate, Option<Stray>)) -> Value {
    let mut value = match stray {
        Some(stray) => serde_json::to_value(stray).unwrap_or_default(),
        None => json!({ "pools": "unread" }),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("endpoint".to_owned(), candidate.endpoint.to_string().into());
        match &candidate.seen {
            Ok(seen) => {
                object.insert("name".to_owned(), json!(seen.snapshot.identity.name()));
                object.insert("mac_address".to_owned(), json!(seen.snapshot.identity.mac));
            }
            Err(error) => {
                object.insert("reason".to_owned(), error.to_string().into());
            }
        }
    }
    value
}
