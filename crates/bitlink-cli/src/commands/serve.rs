//! `bitlink serve`: looks for miners, watches them and keeps account of them, for months. Wording and signals; the work is the
//! library's.

mod demo;
mod mqtt;
mod systemd;

use crate::columns::{self, findings_by_weight};
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::log;
use crate::output::json::with_causes;
use crate::settings::{self, Loaded, LogFormat, Plan};
use crate::text::{clean, duration, so_many};
use bitlink_cockpit::accounts::Accounts;
use bitlink_cockpit::http::{HttpConfig, HttpServer};
use bitlink_cockpit::mqtt::MqttWatch;
use bitlink_cockpit::{Cockpit, Configured};
use bitlink_miner_manager::alerts::{CourierEvent, QueuedMessage};
use bitlink_miner_manager::control::Vault;
use bitlink_miner_manager::model::MinerRecord;
use bitlink_miner_manager::{
    Change, Coverage, FleetRegistry, Miner, MonitorEvent, OutcomeKind, Service, ServiceEvent, ServiceHandle,
    ServiceStream,
};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use systemd::News;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};
use tracing::{debug, error, info, warn};

/// Look for miners, watch them and keep account of them, until told to stop
///
/// SIGTERM and Ctrl-C end it in good order, SIGHUP lets it read its configuration anew.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct ServeArgs {
    /// Where to look for miners, in place of what the configuration says
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// The configuration [default: bitlink/bitlink.toml in the user's configuration directory or in /etc]
    #[arg(long, value_name = "FILE", env = "BITLINK_CONFIG")]
    config: Option<PathBuf>,
    /// Show the cockpit and metrics at this address, in place of what the configuration says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Show all of it on so many simulated miners in this program, with a day behind them: needs no hardware, reads no
    /// configuration, sends nothing to anybody and keeps nothing [default: 500]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "500", value_parser = demo::miners)]
    #[arg(conflicts_with = "targets")]
    demo: Option<usize>,
    /// How often each simulated miner is read, 1s to 1h [default: 5s; of more than 2,000 miners 10s]
    #[arg(long, requires = "demo", value_name = "TIME", value_parser = demo::interval)]
    interval: Option<Duration>,
    /// Let some simulated miners call themselves what attacks pages and terminals
    #[arg(long, requires = "demo", hide = true)]
    demo_hostile: bool,
    /// Form of the messages, in place of what the configuration says
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
`bitlink config example` prints a configuration, `bitlink config unit` a unit of systemd.
`bitlink fleet` has what is known of the machines, also while this runs.";

/// How often the fleet is summed up in a message.
const SUMMED_UP_EVERY: Duration = Duration::from_hours(1);

impl ServeArgs {
    /// What the configuration says, with what the command line says instead.
    fn load(&self) -> Result<(Loaded, Plan), Failure> {
        let mut loaded = settings::load(self.config.as_deref())?;
        if !self.targets.is_empty() {
            loaded.settings.networks.clone_from(&self.targets);
        }
        if let Some(listen) = self.listen {
            loaded.show_at(listen);
        }
        let plan = loaded.plan()?;
        Ok((loaded, plan))
    }
}

pub(crate) async fn run(args: ServeArgs, verbose: u8, console: Console) -> Result<Exit, Failure> {
    if let Some(miners) = args.demo {
        return demo::run(&args, miners, verbose, console).await;
    }
    let (loaded, plan) = args.load()?;
    if plan.service.networks.is_empty() && plan.service.always.is_empty() {
        return Err(Failure::usage("it is not said where to look for miners")
            .hint("name networks, as `bitlink serve 192.168.1.0/24`, or in a configuration"));
    }
    let settings = &loaded.settings;
    log::start_service(settings.log, args.log_format, verbose, console);
    let dir = args.data.dir_or(settings.data.as_deref())?;
    let registry = FleetRegistry::open(&dir)?;
    let known = registry.registry().len();
    if let Some(damage) = registry.damage() {
        error!(error = %with_causes(damage), "the data is damaged: miners are watched, and nothing is kept; `bitlink fleet repair` helps");
    }
    warn_of_passwords(&loaded);
    let mut signals = Signals::new();
    let mut events = Service::new(plan.fleet.clone()).with_config(plan.service.clone()).start(registry)?;
    let service = events.handle();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        config = loaded.file.as_deref().map(|file| file.display().to_string()),
        data = %dir.display(),
        known,
        networks = %plan.service.networks,
        "started"
    );
    let telling = plan.mqtt.as_ref().map(|mqtt| mqtt::Telling::start(mqtt, &service));
    let watch = telling.as_ref().map(mqtt::Telling::watch);
    let configured = Configured::new(loaded.file.as_deref(), loaded.said.clone());
    let shown = match &plan.http {
        Some(http) => {
            let cockpit = if plan.cockpit { Some(cockpit(&plan, &dir, configured.clone())?) } else { None };
            Some(Shown::start(http, &service, cockpit, watch).await?)
        }
        None => None,
    };
    let origin = Origin { args: &args, plan: &plan, configured };
    attend(&mut events, &service, &mut signals, Some(origin)).await?;
    systemd::tell(News::Stopping);
    info!("stopping");
    if let Some(shown) = shown {
        shown.end().await;
    }
    if let Some(telling) = telling {
        telling.end().await;
    }
    service.shutdown().await;
    while let Some(event) = events.recv().await {
        tell(&event);
    }
    sum_up(&service);
    info!("stopped");
    Ok(Exit::Fine)
}

/// What is read anew on demand, and what was read at the start.
struct Origin<'a> {
    args: &'a ServeArgs,
    plan: &'a Plan,
    configured: Configured,
}

/// Says what happens until somebody stops it, and does what the system and people wish. Without a configuration there is none to be
/// read anew.
async fn attend(
    events: &mut ServiceStream,
    service: &ServiceHandle,
    signals: &mut Signals,
    origin: Option<Origin<'_>>,
) -> Result<(), Failure> {
    systemd::tell(News::Ready(&status_line(service)));
    let mut beat = interval(systemd::beat());
    let mut summed_up = Instant::now();
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Stop => return Ok(()),
                Signal::Reload => {
                    systemd::tell(News::Reloading);
                    if let Some(origin) = &origin {
                        reload(origin, service).await;
                    }
                    systemd::tell(News::Ready(&status_line(service)));
                }
            },
            event = events.recv() => match event {
                Some(event) => tell(&event),
                None => {
                    return Err(Failure::new(Exit::Bug, "the service ended by itself; please report this"));
                }
            },
            _ = beat.tick() => {
                if service.pulse().is_alive(Instant::now()) {
                    systemd::tell(News::Alive(&status_line(service)));
                } else {
                    error!("no round of readings has ended for long; please report this");
                }
                if summed_up.elapsed() >= SUMMED_UP_EVERY {
                    sum_up(service);
                    summed_up = Instant::now();
                }
            }
        }
    }
}

/// The server that shows metrics.
#[derive(Debug)]
struct Shown {
    at: SocketAddr,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _threads: Threads,
}

/// Threads of their own for who asks: with tens of thousands of miners there is always a queue of readings, and each part of an
/// answer would stand in it.
#[derive(Debug)]
struct Threads {
    handle: runtime::Handle,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    fn start() -> std::io::Result<Self> {
        let mut threads = runtime::Builder::new_multi_thread();
        let runtime = threads.worker_threads(2).thread_name("bitlink-http").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

/// Without waiting for them, which is not allowed where this is dropped.
impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shown {
    async fn start(
        config: &HttpConfig,
        service: &ServiceHandle,
        cockpit: Option<Cockpit>,
        mqtt: Option<MqttWatch>,
    ) -> Result<Self, Failure> {
        let with_cockpit = cockpit.is_some();
        let first_run =
            cockpit.as_ref().and_then(|cockpit| cockpit.accounts.first_run_word().map(str::to_owned));
        let mut server = HttpServer::bind(config, service.clone(), cockpit, env!("CARGO_PKG_VERSION"))
            .await
            .map_err(|error| Failure::new(Exit::SomeFailed, "it cannot be shown").because(&error))?;
        if let Some(watch) = mqtt {
            server = server.watching_mqtt(watch);
        }
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let at = server.at();
        if with_cockpit {
            info!(address = %at, page = format!("{scheme}://{at}/"), "the cockpit and metrics are shown");
            if config.tls.is_none() && !at.ip().is_loopback() {
                warn!(
                    "others can read what is sent to the cockpit, passwords too: give it a certificate (tls_cert, tls_key)"
                );
            }
        } else {
            info!(address = %at, "metrics are shown");
        }
        if let Some(word) = first_run {
            info!(
                token = word,
                "nobody can sign in yet: open the page and make the first user with this token"
            );
        }
        let (end, ended) = oneshot::channel::<()>();
        let threads = Threads::start()
            .map_err(|error| Failure::new(Exit::SomeFailed, "it cannot be shown").because(&error))?;
        // That its sender is gone is as good as its word.
        let task = threads.handle.spawn(server.run(async move { drop(ended.await) }));
        Ok(Self { at, end, task, _threads: threads })
    }

    /// Where.
    const fn at(&self) -> SocketAddr {
        self.at
    }

    /// Lets running answers end, for a while.
    async fn end(mut self) {
        drop(self.end);
        if tokio::time::timeout(LAST_ANSWERS, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// What people see and do.
fn cockpit(plan: &Plan, data: &Path, configured: Configured) -> Result<Cockpit, Failure> {
    let accounts = Accounts::open(data).map_err(|error| Failure::of(Exit::SomeFailed, &error))?;
    Ok(Cockpit {
        accounts,
        fleet: plan.fleet.clone(),
        data: data.to_path_buf(),
        vault: vault(data),
        groups: plan.groups.clone(),
        configured,
    })
}

/// The passwords that are kept for machines, where the passphrase is at hand: nobody is asked for it.
fn vault(data: &Path) -> Option<Vault> {
    if !Vault::path_in(data).exists() {
        return None;
    }
    let opened = match std::env::var("BITLINK_PASSPHRASE") {
        Ok(passphrase) => Vault::open(data, &passphrase).map_err(|error| with_causes(&error)),
        Err(_) => Err("BITLINK_PASSPHRASE is not set".to_owned()),
    };
    match opened {
        Ok(vault) => Some(vault),
        Err(error) => {
            warn!(error, "commands from the cockpit go without the passwords that are kept for machines");
            None
        }
    }
}

/// How long those who are being answered when it stops may take.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Reads the configuration anew. One that is wrong changes nothing.
async fn reload(origin: &Origin<'_>, service: &ServiceHandle) {
    let started_with = origin.plan;
    let reloaded = match origin.args.load() {
        Ok((loaded, plan)) => {
            origin.configured.set(loaded.file.as_deref(), loaded.said.clone());
            warn_of_passwords(&loaded);
            if plan.web != started_with.web {
                warn!("the ports of web servers count from the next start on");
            }
            if plan.http != started_with.http || plan.cockpit != started_with.cockpit {
                warn!("where it is shown counts from the next start on");
            }
            if plan.mqtt != started_with.mqtt {
                warn!("which MQTT broker is told counts from the next start on");
            }
            service.reconfigure(plan.fleet, plan.service).await.map_err(Failure::from)
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = reloaded {
        error!(error = %failure.in_one_line(), "the configuration is not changed");
    }
}

fn warn_of_passwords(loaded: &Loaded) {
    if loaded.shows_passwords() {
        warn!("others can read the passwords in the configuration (chmod 600)");
    }
}

/// What there is to say in one line, for the service manager.
fn status_line(service: &ServiceHandle) -> String {
    let Coverage { miners, active, warning, dead, .. } = service.state().coverage;
    let pulse = service.pulse();
    let kept = match (pulse.not_kept.is_some(), pulse.not_recorded.is_some()) {
        (true, _) => "; CANNOT KEEP DATA",
        (false, true) => "; CANNOT RECORD READINGS",
        (false, false) => "",
    };
    let miners = so_many(u64::try_from(miners).unwrap_or(u64::MAX), "miner", "miners");
    format!("{miners}: {active} active, {warning} in warning, {dead} dead{kept}")
}

fn sum_up(service: &ServiceHandle) {
    let state = service.state();
    let Coverage { miners, live, active, warning, dead, polls_answered, polls_failed, lag, .. } =
        state.coverage;
    let lag_s = lag.as_secs_f64();
    info!(miners, live, active, warning, dead, polls_answered, polls_failed, lag_s, "the fleet");
}

/// A message for what is worth one.
fn tell(event: &ServiceEvent) {
    match event {
        ServiceEvent::Monitor(event) => tell_of_monitor(event),
        ServiceEvent::Met { record, change, displaced, absorbed } => {
            let (id, miner, address) = named(record);
            let displaced = displaced.map(|id| id.to_string());
            let absorbed = absorbed.map(|id| id.to_string());
            match change {
                Change::New => info!(%id, %miner, %address, displaced, "a new miner"),
                Change::Back => info!(%id, %miner, %address, displaced, "a miner that was forgotten is back"),
                Change::Moved { from } => {
                    info!(%id, %miner, %address, from = %columns::address(from.ip(), from.port()), displaced, "a miner has moved");
                }
                Change::BoardSwapped { from, to } => {
                    info!(%id, %miner, %address, %from, %to, displaced, "a miner has another control board");
                }
                _ => debug!(%id, %miner, %address, displaced, absorbed, "a miner is known better"),
            }
        }
        ServiceEvent::Conflict { record, conflict } => {
            let (id, miner, address) = named(record);
            let elsewhere = conflict.elsewhere.map(|at| columns::address(at.ip(), at.port()));
            warn!(%id, %miner, %address, evidence = %clean(&conflict.evidence.to_string()), with = %conflict.with, elsewhere, "two miners with one identity");
        }
        ServiceEvent::Vanished(record) => {
            let (id, miner, address) = named(record);
            warn!(%id, %miner, %address, "a miner has vanished");
        }
        ServiceEvent::Returned(record) => {
            let (id, miner, address) = named(record);
            info!(%id, %miner, %address, "a miner has returned");
        }
        ServiceEvent::ScanBegan { total } => info!(addresses = total, "looking for miners"),
        ServiceEvent::ScanEnded(report) => {
            let of = |kind| report.counts.of(kind);
            info!(
                found = of(OutcomeKind::Found),
                access_denied = of(OutcomeKind::AccessDenied),
                not_identified = of(OutcomeKind::NotIdentified),
                failed = of(OutcomeKind::Failed) + of(OutcomeKind::Denied),
                took = %duration(report.elapsed),
                "looked for miners"
            );
        }
        ServiceEvent::ScanFailed(error) => {
            error!(error = %clean(&with_causes(&**error)), "cannot look for miners");
        }
        ServiceEvent::Heard { ip } => info!(address = %ip, "a miner shows itself"),
        ServiceEvent::Deaf(error) => {
            error!(error = %clean(&with_causes(&**error)), "miners that show themselves cannot be heard");
        }
        ServiceEvent::Unwatchable { target, error } => {
            warn!(target = %clean(target), error = %clean(&with_causes(&**error)), "cannot be watched");
        }
        ServiceEvent::NotKept { error, waiting } => {
            error!(error = %with_causes(error), waiting, "what is known cannot be kept; miners are watched all the same");
        }
        ServiceEvent::KeptAgain => info!("what is known is kept again"),
        ServiceEvent::NotRecorded { reason } => {
            error!(error = %clean(reason), "readings are not recorded; miners are watched all the same");
        }
        ServiceEvent::RecordedAgain { missed } => info!(missed, "readings are recorded again"),
        ServiceEvent::Alert(event) => tell_of_alerts(event),
        ServiceEvent::Reconfigured => info!("other settings count"),
        ServiceEvent::Lagged(missed) => warn!(missed, "messages were left out"),
        _ => {}
    }
}

fn tell_of_alerts(event: &CourierEvent) {
    let about = |message: &QueuedMessage| {
        let error = message.error.as_deref().map(|error| clean(error).into_owned());
        (message.channel.clone(), clean(&message.notification.headline()).into_owned(), error)
    };
    match event {
        CourierEvent::Sent(message) => {
            let (channel, alert, _) = about(message);
            info!(channel, alert, "people were told");
        }
        CourierEvent::Failed(message) => {
            let ((channel, alert, error), tries) = (about(message), message.tries);
            warn!(channel, alert, error, tries, "people could not be told; it is tried again");
        }
        CourierEvent::GivenUp(message) => {
            let (channel, alert, error) = about(message);
            error!(channel, alert, error, "people were not told, and it is not tried again");
        }
        CourierEvent::NotKept(why) => {
            error!(error = %clean(why), "what alerts know cannot be kept; people are told all the same");
        }
        CourierEvent::Overrun(missed) => error!(missed, "too many messages wait; the oldest are left out"),
        _ => {}
    }
}

fn tell_of_monitor(event: &MonitorEvent) {
    match event {
        MonitorEvent::StatusChanged { miner, from, to } => {
            let (id, address, model) = (miner.id, address(miner), clean(&miner.model).into_owned());
            let worst = findings_by_weight(miner).first().map(|worst| clean(&worst.message).into_owned());
            info!(%id, miner = model, %address, %from, %to, reason = worst, "status");
        }
        MonitorEvent::IdentityChanged { miner, before } => {
            let (id, address, model) = (miner.id, address(miner), clean(&miner.model).into_owned());
            info!(%id, miner = model, %address, %before, "another machine answers");
        }
        MonitorEvent::Lagged { missed, .. } => debug!(missed, "events were left out"),
        _ => {}
    }
}

fn address(miner: &Miner) -> String {
    columns::address(miner.ip, miner.port)
}

fn named(record: &MinerRecord) -> (String, String, String) {
    let name = record.identity.name().unwrap_or_else(|| "unknown".into());
    let address = record.last_endpoint().map(|at| columns::address(at.ip(), at.port())).unwrap_or_default();
    (record.id.to_string(), clean(&name).into_owned(), address)
}

/// What somebody wishes.
enum Signal {
    Stop,
    Reload,
}

/// Wishes of the system and of people. They count from when this is made.
struct Signals {
    #[cfg(unix)]
    stop: Vec<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    reload: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self {
            stop: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect(),
            reload: signal(SignalKind::hangup()).ok(),
        }
    }

    /// Waits until it is to stop.
    async fn stopped(&mut self) {
        while matches!(self.next().await, Signal::Reload) {}
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        use std::task::Poll;
        std::future::poll_fn(|cx| {
            if self.stop.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                return Poll::Ready(Signal::Stop);
            }
            match self.reload.as_mut().map(|signal| signal.poll_recv(cx)) {
                Some(Poll::Ready(_)) => Poll::Ready(Signal::Reload),
                _ => Poll::Pending,
            }
        })
        .await
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}
