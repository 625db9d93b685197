//! Scans that people start: one at a time, with live progress, and what they find can be taken into the fleet.

use super::feed::Table;
use super::happened::Happening;
use super::problem::Body;
use super::who::{Operator, Viewer};
use super::{Api, Problem};
use crate::clock;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bitlink_miner_manager::{Miner, OutcomeKind, ScanDepth, ScanEvent, ScanStream, ScanTargets};
use bitlink_model::HashRate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, begin)).routes(routes!(one, cancel)).routes(routes!(adopt))
}

/// Scans remembered.
const KEPT: usize = 20;
/// Miners of one scan that are listed.
const MOST_FOUND: usize = 70_000;

/// How a scan goes.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Scan {
    id: u64,
    targets: String,
    /// `running`, `done`, `cancelled` or `failed`.
    state: &'static str,
    /// Who began it.
    actor: String,
    started_at_ms: i64,
    elapsed_s: f64,
    /// Endpoints and names there are, and how many of them have their outcome.
    total: u64,
    done: u64,
    found_count: usize,
    rate_per_s: f64,
    eta_s: Option<f64>,
    /// How many came to what; while it runs, how many were found. They add up to the total when it is over.
    counts: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug)]
struct Kept {
    scan: Scan,
    began: Instant,
    miners: Vec<Miner>,
    stop: Arc<Notify>,
    /// The change at which it became what it is.
    change: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Scans {
    inner: Arc<Mutex<Inner>>,
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    scans: BTreeMap<u64, Kept>,
}

impl Scans {
    pub(super) fn new(news: watch::Sender<u64>) -> Self {
        Self { inner: Arc::default(), news }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that have changed since, and the last change.
    pub(super) fn since(&self, change: u64) -> (Vec<serde_json::Value>, u64) {
        let inner = self.lock();
        let changed = inner.scans.values().filter(|kept| kept.change > change);
        let last = inner.scans.values().map(|kept| kept.change).max().unwrap_or(0);
        (changed.filter_map(|kept| serde_json::to_value(&kept.scan).ok()).collect(), last)
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Kept)) {
        let mut number = 0;
        self.news.send_modify(|news| {
            *news += 1;
            number = *news;
        });
        let mut inner = self.lock();
        if let Some(kept) = inner.scans.get_mut(&id) {
            change(kept);
            kept.scan.elapsed_s = kept.began.elapsed().as_secs_f64();
            kept.change = number;
        }
    }

    /// Reads a scan to its end.
    async fn follow(self, id: u64, mut events: ScanStream, stop: Arc<Notify>) {
        let mut stopped = false;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = stop.notified(), if !stopped => {
                    events.stop();
                    stopped = true;
                    continue;
                }
            };
            match event {
                Some(ScanEvent::Started { total, .. }) => self.change(id, |kept| kept.scan.total = total),
                Some(ScanEvent::Found(miner)) => self.change(id, |kept| {
                    kept.scan.found_count += 1;
                    *kept.scan.counts.entry(OutcomeKind::Found.as_str()).or_default() += 1;
                    if kept.miners.len() < MOST_FOUND {
                        kept.miners.push(*miner);
                    }
                }),
                Some(ScanEvent::Progress { done, total, rate, eta, .. }) => self.change(id, |kept| {
                    (kept.scan.done, kept.scan.total, kept.scan.rate_per_s) = (done, total, rate);
                    kept.scan.eta_s = eta.map(|eta| eta.as_secs_f64());
                }),
                Some(ScanEvent::Complete { report, .. }) => {
                    self.change(id, |kept| {
                        let scan = &mut kept.scan;
                        scan.state = if stopped { "cancelled" } else { "done" };
                        (scan.total, scan.done, scan.eta_s) = (report.total, report.counts.sum(), None);
                        scan.rate_per_s = report.rate();
                        scan.counts = report
                            .counts
                            .iter()
                            .filter(|(_, count)| *count > 0)
                            .map(|(kind, count): (OutcomeKind, u64)| (kind.as_str(), count))
                            .collect();
                    });
                    return;
                }
                Some(_) => {}
                None => {
                    self.change(id, |kept| {
                        kept.scan.state = "failed";
                        kept.scan.error = Some("it ended by itself".to_owned());
                    });
                    return;
                }
            }
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Networks, ranges, addresses, names: `192.168.1.0/24`, `10.0.0.1-10.0.0.99`.
    targets: Vec<String>,
    /// Left out of them.
    #[serde(default)]
    exclude: Vec<String>,
    /// How much is asked of whom is found: `full`, everything; `brief`, make, model and rate.
    #[serde(default)]
    depth: Depth,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Depth {
    #[default]
    Full,
    Brief,
}

impl From<Depth> for ScanDepth {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::Full => Self::Full,
            Depth::Brief => Self::Brief,
        }
    }
}

/// Most texts of one wish.
const MOST_TARGETS: usize = 1_000;

/// Begin a scan; one runs at a time (operator)
#[utoipa::path(post, path = "/scans", tag = "scans", request_body = Wish,
    responses((status = 202, body = Scan), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, axum::Json<Scan>), Problem> {
    if wish.targets.len() + wish.exclude.len() > MOST_TARGETS {
        return Err(Problem::wrong("targets", format!("{MOST_TARGETS} are the most")));
    }
    // A file of this machine is nothing that somebody elsewhere may have read.
    if let Some(file) = wish.targets.iter().chain(&wish.exclude).find(|text| text.trim().starts_with('@')) {
        return Err(Problem::wrong("targets", format!("{file:?} names a file, which is not read from here")));
    }
    let mut targets = ScanTargets::from_args(&wish.targets)
        .map_err(|error| Problem::wrong("targets", super::problem::chain(&error)))?;
    if targets.is_empty() {
        return Err(Problem::wrong("targets", "it is not said where to look"));
    }
    if !wish.exclude.is_empty() {
        let exclude = ScanTargets::from_args(&wish.exclude)
            .map_err(|error| Problem::wrong("exclude", super::problem::chain(&error)))?;
        targets = targets
            .excluding(exclude)
            .map_err(|error| Problem::wrong("exclude", super::problem::chain(&error)))?;
    }
    let scans = &api.0.scans;
    let shown = targets.to_string();
    let (scan, events, stop) = {
        let mut inner = scans.lock();
        if inner.scans.values().any(|kept| kept.scan.state == "running") {
            return Err(Problem::conflict("a scan is running"));
        }
        let fleet = &api.0.cockpit.fleet;
        let config = fleet.scan_config().clone().with_depth(wish.depth.into());
        let events = fleet
            .clone()
            .with_scan(config)
            .scan_targets(targets)
            .map_err(|error| Problem::wrong("targets", super::problem::chain(&error)))?;
        inner.last += 1;
        let (id, stop) = (inner.last, Arc::new(Notify::new()));
        let scan = Scan {
            id,
            targets: shown.clone(),
            state: "running",
            actor: who.name.clone(),
            started_at_ms: clock::now_ms(),
            elapsed_s: 0.0,
            total: 0,
            done: 0,
            found_count: 0,
            rate_per_s: 0.0,
            eta_s: None,
            counts: BTreeMap::new(),
            error: None,
        };
        let kept = Kept {
            scan: scan.clone(),
            began: Instant::now(),
            miners: Vec::new(),
            stop: Arc::clone(&stop),
            change: 0,
        };
        inner.scans.insert(id, kept);
        while inner.scans.len() > KEPT {
            inner.scans.pop_first();
        }
        (scan, events, stop)
    };
    let id = scan.id;
    api.work(scans.clone().follow(id, events, stop));
    tracing::info!(by = who.name, targets = shown, "a scan was begun");
    api.0.happened.push(Happening::new("scan", "info", format!("{} looks for miners in {shown}", who.name)));
    Ok((StatusCode::ACCEPTED, axum::Json(scan)))
}

#[derive(Debug, Serialize, ToSchema)]
struct List {
    /// The newest first.
    scans: Vec<Scan>,
}

/// The last scans
#[utoipa::path(get, path = "/scans", tag = "scans", responses((status = 200, body = List)))]
async fn list(State(api): State<Api>, _: Viewer) -> axum::Json<List> {
    let inner = api.0.scans.lock();
    axum::Json(List { scans: inner.scans.values().rev().map(|kept| kept.scan.clone()).collect() })
}

#[derive(Debug, Serialize, ToSchema)]
struct Whole {
    #[serde(flatten)]
    scan: Scan,
    found: Vec<FoundMiner>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundMiner {
    /// Where, as `adopt` names it.
    at: String,
    ip: String,
    port: u16,
    id: String,
    model: String,
    firmware: Option<String>,
    hashrate_hs: Option<f64>,
    mac: Option<String>,
    /// Whether it is kept already, wherever it was met.
    known: bool,
    /// Whether a miner at this place is watched already.
    watched: bool,
}

fn missing() -> Problem {
    Problem::missing("there is no such scan, or it is too long ago")
}

/// A scan with what it has found
#[utoipa::path(get, path = "/scans/{id}", tag = "scans", params(("id" = u64, Path)),
    responses((status = 200, body = Whole), (status = 404, body = Problem)))]
async fn one(State(api): State<Api>, _: Viewer, Path(id): Path<u64>) -> Result<axum::Json<Whole>, Problem> {
    let table = api.table().await;
    let watched = watched(&table);
    let known: HashSet<_> =
        api.service().with_registry(|registry| registry.records().map(|record| record.id).collect());
    let inner = api.0.scans.lock();
    let kept = inner.scans.get(&id).ok_or_else(missing)?;
    let found = |miner: &Miner| {
        let identity = miner.snapshot.as_deref().map(|snapshot| &snapshot.identity);
        let firmware = identity.and_then(|identity| identity.firmware.as_ref());
        FoundMiner {
            at: SocketAddr::new(miner.ip, miner.port).to_string(),
            ip: miner.ip.to_string(),
            port: miner.port,
            id: miner.id.to_string(),
            model: miner.model.to_string(),
            firmware: firmware.map(|firmware| match &firmware.version {
                Some(version) => format!("{} {version}", firmware.family),
                None => firmware.family.to_string(),
            }),
            hashrate_hs: miner.snapshot.as_deref().and_then(|s| s.hashrate.current()).map(HashRate::as_hs),
            mac: identity.and_then(|identity| identity.mac).map(|mac| mac.to_string()),
            known: known.contains(&miner.id),
            watched: watched.contains(&(miner.ip, miner.port)),
        }
    };
    Ok(axum::Json(Whole { scan: kept.scan.clone(), found: kept.miners.iter().map(found).collect() }))
}

fn watched(table: &Table) -> HashSet<(std::net::IpAddr, u16)> {
    table.rows.iter().map(|row| (row.miner.ip, row.miner.port)).collect()
}

/// Stop a scan; what it has found stays (operator)
#[utoipa::path(delete, path = "/scans/{id}", tag = "scans", params(("id" = u64, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
async fn cancel(State(api): State<Api>, _: Operator, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    let inner = api.0.scans.lock();
    inner.scans.get(&id).ok_or_else(missing)?.stop.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Adopt {
    /// Where, as the scan names them (`at`), or `"all"` that it found.
    addresses: Addresses,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum Addresses {
    These(Vec<String>),
    All(All),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

#[derive(Debug, Serialize, ToSchema)]
struct Adopted {
    adopted: usize,
}

/// Take what a scan has found into the fleet: watched and kept from now on (operator)
#[utoipa::path(post, path = "/scans/{id}/adopt", tag = "scans", params(("id" = u64, Path)), request_body = Adopt,
    responses((status = 200, body = Adopted), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn adopt(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<u64>,
    Body(wish): Body<Adopt>,
) -> Result<axum::Json<Adopted>, Problem> {
    let miners: Vec<Miner> = {
        let inner = api.0.scans.lock();
        let kept = inner.scans.get(&id).ok_or_else(missing)?;
        match &wish.addresses {
            Addresses::All(All::All) => kept.miners.clone(),
            Addresses::These(these) => {
                let at = |miner: &Miner| SocketAddr::new(miner.ip, miner.port).to_string();
                let found: HashMap<String, &Miner> =
                    kept.miners.iter().map(|miner| (at(miner), miner)).collect();
                let find = |at: &String| {
                    found.get(at).map(|miner| Miner::clone(miner)).ok_or_else(|| {
                        Problem::wrong("addresses", format!("the scan has found nobody at {at:?}"))
                    })
                };
                these.iter().collect::<BTreeSet<_>>().into_iter().map(find).collect::<Result<_, _>>()?
            }
        }
    };
    let adopted = api.service().adopt(miners).await.map_err(|_stopped| Problem::busy("the service stops"))?;
    tracing::info!(by = who.name, adopted, "what a scan found is watched");
    api.0.feed.stir();
    Ok(axum::Json(Adopted { adopted }))
}
