//! `bitlink control`: commands miners, through plans and nothing else. Arguments and the order of things; the rules are in the
//! library.

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::reach::Reach;
use crate::text::{clean, parse_duration};
use action::{Completing, Fan, Switch};
use bitlink_miner_manager::control::{
    CommandError, Commander, Groups, JournalError, Plan, PlanError, PlanId, Policy,
};
use bitlink_miner_manager::model::{Action, Power, Secret, Span};
use bitlink_miner_manager::transport::Patience;
use bitlink_miner_manager::{Fleet, ScanConfig};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) mod action;
mod live;
pub(crate) mod show;

/// Command miners: planned, staggered, proven, and written down
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct ControlArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
Every command becomes a plan: --dry-run prints it and sends nothing. The first few miners must come back healthy before
the rest goes; a plan that goes wrong stops by itself. What was begun is in the data directory:
  bitlink control list                       the plans
  bitlink control resume PLAN                goes on with one that was broken off
  bitlink control undo PLAN                  puts back pools, limits, modes and lights as they were read before
  bitlink audit show                         who did what, and what came of it";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Restart the machines
    Reboot(Selection),
    /// Restart the mining program
    Restart(Selection),
    /// Stop hashing until told otherwise
    Pause(Selection),
    /// Go on hashing; or, with the name of a plan, go on with a plan that was broken off
    Resume(ResumeArgs),
    /// Switch the light by which a machine is found
    Locate {
        /// On or off
        #[arg(value_enum)]
        switch: Switch,
        #[command(flatten)]
        selection: Selection,
    },
    /// Set pools, or switch to another of those that are set
    #[command(subcommand)]
    Pools(PoolsVerb),
    /// Limit the power, or set the firmware's power mode
    #[command(subcommand)]
    Power(PowerVerb),
    /// Drive the chips at a frequency
    Frequency {
        /// In MHz
        #[arg(value_name = "MHZ")]
        megahertz: f64,
        #[command(flatten)]
        selection: Selection,
    },
    /// Drive the fans: auto, off (machines in a fluid), or at a share of full speed
    Fans {
        /// auto, off, or P%
        #[arg(value_name = "auto|off|P%", value_parser = action::fan)]
        fans: Fan,
        #[command(flatten)]
        selection: Selection,
    },
    /// Set how a machine gets its address
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Change the password; the new one comes from BITLINK_NEW_PASSWORD or is asked for, and is never on the command line
    Password {
        /// The account [default: the firmware's only one]
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        selection: Selection,
    },
    /// Put everything back to how it was delivered
    FactoryReset(Selection),
    /// Install a firmware from a file
    Update {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        selection: Selection,
    },
    /// Read logs; one file for each miner
    Logs {
        /// Where the files go
        #[arg(long, value_name = "DIR", default_value = ".")]
        to: PathBuf,
        #[command(flatten)]
        selection: Selection,
    },
    /// Put back what a plan has changed, where it was read before
    Undo {
        /// The plan
        #[arg(value_name = "PLAN")]
        plan: PlanId,
        #[command(flatten)]
        way: Way,
    },
    /// List the plans that were begun
    List {
        /// Form of the result
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
        format: ListFormat,
    },
}

#[derive(Debug, Subcommand)]
enum PoolsVerb {
    /// Replace all pools by those of a file: TOML with tables `pool` (url, user, password), the first to be tried first.
    /// Names of workers may hold {ip}, {ip_1} to {ip_4}, {mac}, {serial}, {hostname}, {model} and {worker}
    Set {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        selection: Selection,
    },
    /// Mine on another of the pools that are set
    Switch {
        /// Its number, as `bitlink get` shows it
        #[arg(value_name = "N")]
        pool: u32,
        #[command(flatten)]
        selection: Selection,
    },
}

#[derive(Debug, Subcommand)]
enum PowerVerb {
    /// Hold the power below a limit
    Limit {
        /// In watts
        #[arg(value_name = "WATTS")]
        watts: f64,
        #[command(flatten)]
        selection: Selection,
    },
    /// Set the firmware's power mode or preset, by its own word
    Mode {
        /// The word (low, normal, high, …)
        #[arg(value_name = "MODE")]
        mode: String,
        #[command(flatten)]
        selection: Selection,
    },
}

#[derive(Debug, Subcommand)]
enum NetworkVerb {
    /// By DHCP
    Dhcp(Selection),
    /// By hand; for one miner
    Static {
        /// The new address and the length of its network's prefix
        #[arg(value_name = "ADDRESS/PREFIX", value_parser = action::network)]
        address: (std::net::Ipv4Addr, u8),
        /// The way out
        #[arg(long, value_name = "ADDRESS")]
        gateway: std::net::Ipv4Addr,
        /// Who resolves names; may be given twice
        #[arg(long, value_name = "ADDRESS")]
        dns: Vec<std::net::Ipv4Addr>,
        #[command(flatten)]
        selection: Selection,
    },
}

/// Who is meant, and how carefully.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Which miners: addresses, networks, ranges, names, @files
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// Leave these out; takes the forms of targets, and may be given more than once
    #[arg(long, value_name = "TARGET")]
    exclude: Vec<String>,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, Args)]
struct ResumeArgs {
    #[command(flatten)]
    selection: Selection,
    /// With a plan: send again what may have been sent, where doing it twice comes to the same as doing it once
    #[arg(long, help_heading = "Plans")]
    resend: bool,
    /// With a plan that sets pools: the file with them, for their passwords, which are not written down
    #[arg(long, value_name = "FILE", help_heading = "Plans")]
    pools: Option<PathBuf>,
    /// With a plan that installs a firmware: the file
    #[arg(long, value_name = "FILE", help_heading = "Plans")]
    firmware: Option<PathBuf>,
}

/// How carefully, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct Way {
    /// Print the plan and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    yes: bool,
    /// Miners in one batch, which is the most that may be down at once, or `all`
    #[arg(long, value_name = "N", default_value = "20", value_parser = limit, help_heading = "Care")]
    batch: Limit,
    /// Between the end of a batch and the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, help_heading = "Care")]
    pause: Duration,
    /// Miners that go first and must come back healthy
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Care")]
    canary: u32,
    /// Failures that are put up with
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Care")]
    max_failures: u32,
    /// Miners that are talked to at one time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Care")]
    concurrency: u32,
    /// Most miners that the plan may touch, or `off`
    #[arg(long, value_name = "N", default_value = "1000", value_parser = limit, help_heading = "Care")]
    max_miners: Limit,
    /// Most power that the plan may switch, in kW, or `off`
    #[arg(long, value_name = "KW", default_value = "5000", value_parser = limit, help_heading = "Care")]
    max_kw: Limit,
    /// Most power that may be switched in one second, in kW, or `off`
    #[arg(long, value_name = "KW", default_value = "100", value_parser = limit, help_heading = "Care")]
    kw_per_second: Limit,
    /// After this no command goes out
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Care")]
    deadline: Option<Duration>,
    /// How long the effect is waited for [default: as the action needs]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Care")]
    prove_within: Option<Duration>,
    /// Racks and breakers of which only so many or so much at a time: TOML with tables `group`
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    groups: Option<PathBuf>,
    /// Also command machines that show neither hardware address nor serial number
    #[arg(long, help_heading = "Care")]
    allow_unidentified: bool,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    answer_timeout: Duration,
    /// Port of targets that name none [default: 4028]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Vec<u16>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) format: Format,
    #[command(flatten)]
    reach: Reach,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
    /// Each event as it comes, one a line
    Ndjson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ListFormat {
    /// A table
    #[default]
    Table,
    /// One document
    Json,
}

/// A number, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u32>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "off" | "all" => Ok(Limit(None)),
        number => match number.parse() {
            Ok(0) | Err(_) => Err("expected a number from 1 on, or `off`".to_owned()),
            Ok(number) => Ok(Limit(Some(number))),
        },
    }
}

impl Limit {
    fn kilowatts(self) -> Option<Power> {
        self.0.and_then(|kw| Power::from_kilowatts(f64::from(kw)).ok())
    }
}

impl Way {
    pub(crate) fn policy(&self) -> Policy {
        Policy::default()
            .with_batch(self.batch.0)
            .with_pause(self.pause)
            .with_canary(self.canary)
            .with_max_failures(self.max_failures)
            .with_concurrency(self.concurrency)
            .with_max_miners(self.max_miners.0)
            .with_max_power(self.max_kw.kilowatts())
            .with_max_power_per_s(self.kw_per_second.kilowatts())
            .with_deadline(self.deadline.map(Span::from))
            .with_prove_within(self.prove_within.map(Span::from))
            .with_unidentified(self.allow_unidentified)
    }

    fn fleet(&self) -> Fleet {
        let patience = Patience::default().with_per_exchange(self.answer_timeout);
        let mut config =
            ScanConfig::default().with_patience(patience).with_credentials(self.reach.credentials());
        if !self.port.is_empty() {
            config = config.with_ports(self.port.clone());
        }
        self.reach.fleet().with_scan(config)
    }

    pub(crate) fn groups(&self) -> Result<Groups, Failure> {
        self.groups.as_deref().map_or_else(|| Ok(Groups::default()), |file| toml_file(file, "groups"))
    }

    /// Whoever commands: with the passwords that are kept, if there are any.
    pub(crate) fn commander(&self, data: &Path) -> Result<Commander, Failure> {
        let vault = super::credentials::open_if_any(data)?;
        let commander = Commander::with_vault(&self.fleet(), vault);
        Ok(commander.with_data(data).with_actor(actor()))
    }
}

/// Reads a file of settings; what is not known in it is refused.
pub(crate) fn toml_file<T: serde::de::DeserializeOwned>(file: &Path, what: &str) -> Result<T, Failure> {
    let shown = clean(&file.to_string_lossy()).into_owned();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("the file of {what} {shown} cannot be read")).because(&error)
    })?;
    toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("the file of {what} {shown} is wrong")).because(&error))
}

/// Who gives the command, as far as the environment says.
pub(crate) fn actor() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name: &String| !name.is_empty());
    let user = name("USER").or_else(|| name("LOGNAME")).or_else(|| name("USERNAME"));
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    match name("SUDO_USER") {
        Some(behind) if behind != user => format!("{user} (for {behind})"),
        _ => user,
    }
}

pub(crate) async fn run(args: ControlArgs, console: Console) -> Result<Exit, Failure> {
    let data = args.data.dir()?;
    let (action, selection, logs) = match args.verb {
        Verb::List { format } => return show::list(&data, format == ListFormat::Json, console),
        Verb::Undo { plan, way } => return undo(&data, &plan, &way, console).await,
        Verb::Resume(resume) => match plan_named(&resume.selection.targets) {
            Some(id) => return take_up(&data, &id, &resume, console).await,
            None => (Action::Resume, resume.selection, None),
        },
        Verb::Reboot(selection) => (Action::Reboot, selection, None),
        Verb::Restart(selection) => (Action::Restart, selection, None),
        Verb::Pause(selection) => (Action::Pause, selection, None),
        Verb::Locate { switch, selection } => (Action::Locate { on: switch == Switch::On }, selection, None),
        Verb::Pools(PoolsVerb::Set { file, selection }) => (action::pools(&file)?, selection, None),
        Verb::Pools(PoolsVerb::Switch { pool, selection }) => (Action::SwitchPool { pool }, selection, None),
        Verb::Power(PowerVerb::Limit { watts, selection }) => (action::power_limit(watts)?, selection, None),
        Verb::Power(PowerVerb::Mode { mode, selection }) => (Action::PowerMode { mode }, selection, None),
        Verb::Frequency { megahertz, selection } => (action::frequency(megahertz)?, selection, None),
        Verb::Fans { fans, selection } => (Action::Fans { fans: fans.0 }, selection, None),
        Verb::Network(NetworkVerb::Dhcp(selection)) => (action::dhcp(), selection, None),
        Verb::Network(NetworkVerb::Static { address, gateway, dns, selection }) => {
            (action::static_address(address, gateway, dns), selection, None)
        }
        Verb::Password { user, selection } => (action::password(user, console)?, selection, None),
        Verb::FactoryReset(selection) => (Action::FactoryReset, selection, None),
        Verb::Update { file, selection } => (action::update(&file)?, selection, None),
        Verb::Logs { to, selection } => (Action::ReadLogs, selection, Some(to)),
    };
    let way = &selection.way;
    let commander = way.commander(&data)?;
    let looking = commander.look_but(&selection.targets, &selection.exclude);
    let Some(candidates) = unless_stopped(looking).await else { return Ok(Exit::Interrupted) };
    let candidates = candidates?;
    let plan = Plan::make(action, way.policy(), &way.groups()?, now(), candidates)?;
    carry_out(&commander, plan, way, logs.as_deref(), console).await
}

pub(crate) fn now() -> bitlink_miner_manager::Timestamp {
    std::time::SystemTime::now().into()
}

/// Prints a plan, asks, and carries it out.
pub(crate) async fn carry_out(
    commander: &Commander,
    plan: Plan,
    way: &Way,
    logs: Option<&Path>,
    console: Console,
) -> Result<Exit, Failure> {
    if way.dry_run {
        show::plan(&plan, way.format, console)?;
        return Ok(if plan.targets.is_empty() { Exit::NothingFound } else { Exit::Fine });
    }
    if plan.targets.is_empty() {
        show::plan(&plan, way.format, console)?;
        return Ok(show::nothing(&plan));
    }
    if !way.yes && plan.action.kind().writes() {
        show::outline(&plan, console)?;
        if !show::confirmed(&plan, console)? {
            console.note("nothing was sent");
            return Ok(Exit::Interrupted);
        }
    }
    let run = commander.execute(plan.clone())?;
    live::follow(run, &plan, way.format, logs, console).await
}

/// The one plan that is named, if the words name one: `20261126-033628-reboot-5e3e75`.
fn plan_named(words: &[String]) -> Option<PlanId> {
    let [word] = words else { return None };
    let (date, rest) = word.split_once('-')?;
    let is_plan = date.len() == 8
        && date.bytes().all(|byte| byte.is_ascii_digit())
        && rest.split('-').next().is_some_and(|time| time.len() == 6)
        && !rest.contains(['.', '/', ':']);
    if is_plan { word.parse().ok() } else { None }
}

async fn take_up(data: &Path, id: &PlanId, args: &ResumeArgs, console: Console) -> Result<Exit, Failure> {
    let way = &args.selection.way;
    let commander = way.commander(data)?;
    let store = bitlink_miner_manager::control::PlanStore::in_dir(data);
    let past = store.read(id)?;
    let (waiting, begun) = past.open();
    console.note(&format!(
        "plan {id}: {} of {} have an outcome, {begun} are unknown, {waiting} were not reached",
        past.counts().total(),
        past.plan.targets.len()
    ));
    let mut plan = past.plan.clone();
    if waiting == 0 && begun == 0 {
        return show::past(&past, way.format, console);
    }
    if way.dry_run {
        show::plan(&plan, way.format, console)?;
        return Ok(Exit::Fine);
    }
    let completing = Completing { pools: args.pools.as_deref(), firmware: args.firmware.as_deref() };
    action::complete(&mut plan, &completing, console)?;
    if !way.yes && !show::confirmed_to_go_on(&plan, waiting, begun, console)? {
        return Ok(Exit::Interrupted);
    }
    let action = plan.action.clone();
    let run = commander.resume(id, args.resend, |plan| plan.complete_with(action))?;
    live::follow(run, &plan, way.format, None, console).await
}

async fn undo(data: &Path, id: &PlanId, way: &Way, console: Console) -> Result<Exit, Failure> {
    let commander = way.commander(data)?;
    let password = action::pool_password().unwrap_or_else(|| Secret::new("x"));
    let groups = way.groups()?;
    let making = commander.undo(id, way.policy(), &groups, &password);
    let Some(plan) = unless_stopped(making).await else { return Ok(Exit::Interrupted) };
    carry_out(&commander, plan?, way, None, console).await
}

/// Waits for something, or until somebody stops the program.
pub(crate) async fn unless_stopped<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut stop = Interruption::new();
    tokio::select! {
        done = work => Some(done),
        () = stop.come() => None,
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let failure = Self::of(Exit::Usage, &error);
        match error {
            PlanError::TooManyMiners { .. } => failure.hint("--max-miners allows more"),
            PlanError::TooMuchPower { .. } => failure.hint("--max-kw allows more"),
            _ => failure,
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match error {
            JournalError::Missing { .. } => Exit::NothingFound,
            _ => Exit::SomeFailed,
        };
        let failure = Self::of(exit, &error);
        match error {
            JournalError::Missing { .. } => failure.hint("`bitlink control list` has all of them"),
            JournalError::Full { .. } => {
                failure.hint("make room; nothing is sent that cannot be written down")
            }
            _ => failure,
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Look(error) => error.into(),
            CommandError::Plan(error) => error.into(),
            CommandError::Journal(error) => error.into(),
            error => Self::of(Exit::SomeFailed, &error),
        }
    }
}

/// Whether anybody can be asked.
pub(crate) fn can_ask() -> bool {
    console::can_ask()
}
