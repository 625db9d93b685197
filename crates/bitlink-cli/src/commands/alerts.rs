//! `bitlink alerts`: what is told to people, what would have been, and whether it arrives. The rules are the library's.

use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::output::json;
use crate::settings::{self, Plan};
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{clean, parse_duration, so_many};
use crate::times;
use bitlink_miner_manager::alerts::{Ack, AlertOrder, Engine, Mute, Notification, Rule, Selection, Texts};
use bitlink_miner_manager::store::Reader;
use bitlink_miner_manager::{Severity, Timestamp, order_alert, replay_alerts};
use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// See what people are told, acknowledge and mute it, and try the ways by which they are
#[derive(Debug, Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    what: AlertsCommand,
    /// The configuration [default: that of `bitlink serve`]
    #[arg(long, value_name = "FILE", env = "BITLINK_CONFIG", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// List the alerts that are true now
    List {
        /// Form of the result
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: AlertsFormat,
    },
    /// Say that an alert is known: no reminders of the miners that it concerns now
    Ack {
        /// Which, as messages and the list name it
        alert: String,
        /// For how long [default: until it is over]
        #[arg(long = "for", value_name = "TIME")]
        time: Option<String>,
        /// Who sees to it, or why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Tell nothing of some miners for some time
    Mute {
        /// A name for it
        name: String,
        /// For how long
        #[arg(long = "for", value_name = "TIME", default_value = "1h", conflicts_with = "lift")]
        time: String,
        /// Only of this site
        #[arg(long, value_name = "NAME")]
        site: Vec<String>,
        /// Only of this building
        #[arg(long, value_name = "NAME")]
        building: Vec<String>,
        /// Only of this rack
        #[arg(long, value_name = "NAME")]
        rack: Vec<String>,
        /// Only of this model
        #[arg(long, value_name = "TEXT")]
        model: Vec<String>,
        /// Only of this label
        #[arg(long, value_name = "LABEL")]
        label: Vec<String>,
        /// Only of this id or address
        #[arg(long, value_name = "MINER")]
        miner: Vec<String>,
        /// Tell again of what was muted by this name
        #[arg(long)]
        lift: bool,
    },
    /// Send a message through each channel, and say what was answered
    Test {
        /// Only through this one
        #[arg(long, value_name = "NAME")]
        channel: Vec<String>,
    },
    /// Say what the rules would have told over what was recorded
    Replay {
        /// From when on
        #[arg(long, value_name = "TIME", default_value = "7d")]
        since: String,
        /// Up to when
        #[arg(long, value_name = "TIME", default_value = "now")]
        until: String,
        /// Form of the result
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: AlertsFormat,
    },
    /// Show the rules in force
    Rules {
        /// Form of the result
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: AlertsFormat,
    },
}

/// Forms of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum AlertsFormat {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
}

pub(crate) async fn run(args: &AlertsArgs, console: Console) -> Result<Exit, Failure> {
    let now = Timestamp::from(SystemTime::now());
    let span = |text: &str| parse_duration(text).map_err(Failure::usage);
    match &args.what {
        AlertsCommand::List { format } => list(args, *format, console),
        AlertsCommand::Ack { alert, time, note } => {
            let until = time.as_deref().map(span).transpose()?.map(|time| now.plus(time));
            order(args, AlertOrder::Ack { alert: alert.clone(), ack: Ack::new(until, note.as_str()) })
        }
        AlertsCommand::Mute { name, lift: true, .. } => order(args, AlertOrder::Unmute(name.clone())),
        AlertsCommand::Mute { name, time, site, building, rack, model, label, miner, .. } => {
            let mut only = Selection::default();
            let texts = |texts: &Vec<String>| Texts(texts.clone());
            (only.site, only.building, only.rack) = (texts(site), texts(building), texts(rack));
            (only.model, only.label, only.miner) = (texts(model), texts(label), texts(miner));
            order(args, AlertOrder::Mute(Mute::new(name.as_str(), only, now.plus(span(time)?))))
        }
        AlertsCommand::Test { channel } => test(args, channel, now, console).await,
        AlertsCommand::Replay { since, until, format } => {
            let zone = TimeZone::system();
            let time = |text: &str| times::parse(text, now, &zone).map_err(Failure::usage);
            replay(args, (time(since)?, time(until)?), *format, console)
        }
        AlertsCommand::Rules { format } => rules(args, *format, console),
    }
}

fn plan(args: &AlertsArgs) -> Result<(Plan, PathBuf), Failure> {
    let loaded = settings::load(args.config.as_deref())?;
    let dir = args.data.dir_or(loaded.settings.data.as_deref())?;
    Ok((loaded.plan()?, dir))
}

fn order(args: &AlertsArgs, order: AlertOrder) -> Result<Exit, Failure> {
    let loaded = settings::load(args.config.as_deref())?;
    let dir = args.data.dir_or(loaded.settings.data.as_deref())?;
    order_alert(&dir, order).map_err(|error| {
        Failure::of(Exit::SomeFailed, &error).hint("`bitlink serve` must be running with this data")
    })?;
    Ok(Exit::Fine)
}

fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::of(Exit::Usage, error)
}

fn number(n: usize) -> String {
    crate::text::count(u64::try_from(n).unwrap_or(u64::MAX))
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Bad,
        Severity::Warning => Tone::Warning,
        _ => Tone::Plain,
    }
}

fn list(args: &AlertsArgs, format: AlertsFormat, console: Console) -> Result<Exit, Failure> {
    const COLUMNS: [Column; 6] = [
        Column::left("alert", 0),
        Column::left("since", 1),
        Column::left("what", 0).cut_to(20),
        Column::right("miners", 0),
        Column::right("quiet", 1),
        Column::left("where", 0).cut_to(20),
    ];
    let (plan, dir) = plan(args)?;
    let policy = plan.service.alerts.policy().map_err(|error| wrong(&error))?;
    let zone = policy.zone().clone();
    let mut engine = Engine::restored(policy, &Reader::open(&dir)?.items()?);
    engine.awaken(SystemTime::now().into());
    let alerts = engine.alerts();
    let mut out = console.out();
    if format == AlertsFormat::Json {
        json::pretty(&mut out, &json!({"alerts": alerts, "mutes": engine.mutes().collect::<Vec<_>>()}))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&COLUMNS);
    for alert in &alerts {
        let place: Vec<String> = alert
            .group
            .iter()
            .filter(|(_, is)| !is.is_empty())
            .map(|(field, is)| format!("{field} {is}"))
            .collect();
        table.push(vec![
            Cell::new(alert.alert.clone()),
            Cell::new(alert.since.map(|at| times::full(at, &zone)).unwrap_or_default()),
            Cell::new(alert.title.clone()).stressed(tone(alert.severity)),
            Cell::new(number(alert.firing)),
            Cell::new(number(alert.quiet)),
            Cell::new(place.join(", ")),
        ]);
    }
    if !alerts.is_empty() {
        writeln!(out, "{}", table.render(console::room()))?;
    }
    for mute in engine.mutes() {
        writeln!(out, "muted: {} until {}", clean(&mute.name), times::full(mute.until, &zone))?;
    }
    writeln!(out, "{}.", so_many(u64::try_from(alerts.len()).unwrap_or(u64::MAX), "alert", "alerts"))?;
    out.flush()?;
    Ok(Exit::Fine)
}

async fn test(args: &AlertsArgs, only: &[String], now: Timestamp, console: Console) -> Result<Exit, Failure> {
    let (plan, _) = plan(args)?;
    let channels = plan.service.alerts.open().map_err(|error| wrong(&error))?;
    if let Some(unknown) = only.iter().find(|name| !channels.contains_key(*name)) {
        return Err(Failure::usage(format!("there is no channel {:?}", clean(unknown))));
    }
    if channels.is_empty() {
        return Err(Failure::new(Exit::NothingFound, "there is no channel")
            .hint("`bitlink config example` shows how one is made"));
    }
    let mut out = console.out();
    let mut exit = Exit::Fine;
    for (name, channel) in channels.iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
        let said = match channel.send(0, &Notification::test(now)).await {
            Ok(said) => format!("sent: {said}"),
            Err(error) => {
                exit = Exit::SomeFailed;
                error.in_words()
            }
        };
        writeln!(out, "{}: {}", clean(name), clean(&said))?;
    }
    out.flush()?;
    Ok(exit)
}

fn replay(
    args: &AlertsArgs,
    (from, until): (Timestamp, Timestamp),
    format: AlertsFormat,
    console: Console,
) -> Result<Exit, Failure> {
    if from >= until {
        return Err(Failure::usage("--since is not before --until"));
    }
    let (plan, dir) = plan(args)?;
    let policy = plan.service.alerts.policy().map_err(|error| wrong(&error))?;
    let zone = policy.zone().clone();
    let told = replay_alerts(&dir, policy, from, until)?;
    let mut out = console.out();
    if format == AlertsFormat::Json {
        json::pretty(&mut out, &json!({"from_ms": from, "until_ms": until, "notifications": told}))?;
        return Ok(Exit::Fine);
    }
    for notification in &told {
        writeln!(out, "{}  {}", times::full(notification.at, &zone), clean(&notification.headline()))?;
    }
    let count = u64::try_from(told.len()).unwrap_or(u64::MAX);
    writeln!(out, "{} would have been sent.", so_many(count, "message", "messages"))?;
    out.flush()?;
    Ok(Exit::Fine)
}

fn rules(args: &AlertsArgs, format: AlertsFormat, console: Console) -> Result<Exit, Failure> {
    const COLUMNS: [Column; 5] = [
        Column::left("rule", 0),
        Column::left("severity", 0),
        Column::left("for", 1),
        Column::left("together", 2),
        Column::left("when", 0).cut_to(20),
    ];
    let (plan, _) = plan(args)?;
    let policy = plan.service.alerts.policy().map_err(|error| wrong(&error))?;
    let mut out = console.out();
    if format == AlertsFormat::Json {
        json::pretty(&mut out, &json!({"rules": policy.rules()}))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&COLUMNS);
    for rule in policy.rules() {
        let Rule { name, severity, hold, group_by, when, .. } = rule;
        let together: Vec<String> = group_by.iter().map(ToString::to_string).collect();
        let when = serde_json::to_string(when)?.replace(['{', '}', '"'], "").replace(',', ", ");
        let severity_word = serde_json::to_value(severity)?.as_str().unwrap_or_default().to_owned();
        let time = if hold.0 == Duration::ZERO { "at once".to_owned() } else { hold.to_string() };
        table.push(vec![
            Cell::new(name.clone()),
            Cell::new(severity_word).stressed(tone(*severity)),
            Cell::new(time),
            Cell::new(together.join(", ")),
            Cell::new(when),
        ]);
    }
    writeln!(out, "{}", table.render(console::room()))?;
    out.flush()?;
    Ok(Exit::Fine)
}
