//! The farm in numbers, each with of how many miners it is.

use super::feed::Table;
use super::happened::LastHour;
use super::who::Viewer;
use super::{Api, Problem};
use crate::clock;
use axum::extract::State;
use bitlink_miner_manager::Timestamp;
use bitlink_model::{HashRate, Miner, MinerStatus, Power, Severity};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// The farm at one time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Overview {
    taken_at_ms: i64,
    revision: u64,
    coverage: Covered,
    hashrate: Rate,
    expected: Rate,
    performance: Performance,
    power: Watts,
    efficiency: JoulesPerTerahash,
    /// What is wrong, the most frequent of the worst first.
    reasons: Vec<Reason>,
    sites: Vec<SiteSums>,
    models: Vec<ModelSums>,
    changed: LastHour,
    service: ServiceState,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Covered {
    miners: usize,
    /// Whose last reading stands for now.
    live: usize,
    active: usize,
    warning: usize,
    dead: usize,
    paused: usize,
    scanning: usize,
    oldest_reading_ms: Option<i64>,
    interval_s: f64,
    effective_interval_s: Option<f64>,
    lag_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
struct Rate {
    value_hs: Option<f64>,
    /// Of how many live miners.
    of: usize,
}

/// What is done of what is expected, by the miners of which both are known: sums over others cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
struct Performance {
    ratio: Option<f64>,
    of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
struct Watts {
    value_w: Option<f64>,
    of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
struct JoulesPerTerahash {
    value_j_per_th: Option<f64>,
    /// Of those that tell both power and hash rate.
    of: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Reason {
    rule: String,
    title: String,
    severity: &'static str,
    miners: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct SiteSums {
    /// `null`: those without a place.
    site: Option<String>,
    miners: usize,
    active: usize,
    warning: usize,
    dead: usize,
    hashrate_hs: Option<f64>,
    power_w: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ModelSums {
    model: String,
    miners: usize,
    hashrate_hs: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct ServiceState {
    version: &'static str,
    started_at_ms: i64,
    /// Whether what is known is on the disk.
    data_kept: bool,
    not_kept: Option<String>,
    /// Whether readings are recorded.
    history: bool,
    not_recorded: Option<String>,
    /// Since when it looks for miners, and when it has done so last.
    scanning_since_ms: Option<i64>,
    scanned_at_ms: Option<i64>,
}

/// The farm in numbers
#[utoipa::path(get, path = "/overview", tag = "fleet", responses((status = 200, body = Overview), (status = 401, body = Problem)))]
async fn overview(State(api): State<Api>, _: Viewer) -> axum::Json<Arc<Overview>> {
    let table = api.table().await;
    axum::Json(api.overview(&table).await)
}

#[derive(Debug, Default)]
struct Sum {
    value: f64,
    of: usize,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.value += value;
            self.of += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.of > 0).then_some(self.value)
    }
}

fn rate(miner: &Miner) -> Option<f64> {
    miner.snapshot.as_deref().filter(|_| miner.is_live)?.hashrate.current().map(HashRate::as_hs)
}

fn expected(miner: &Miner) -> Option<f64> {
    let rates = &miner.snapshot.as_deref().filter(|_| miner.is_live)?.hashrate;
    rates.expected.or(rates.nameplate).map(HashRate::as_hs)
}

fn power(miner: &Miner) -> Option<f64> {
    miner.snapshot.as_deref().filter(|_| miner.is_live)?.power.map(Power::as_watts)
}

#[derive(Debug, Default)]
struct Group {
    miners: usize,
    active: usize,
    warning: usize,
    dead: usize,
    rate: Sum,
    power: Sum,
}

impl Group {
    fn add(&mut self, miner: &Miner) {
        self.miners += 1;
        match miner.status {
            MinerStatus::Active => self.active += 1,
            MinerStatus::Warning => self.warning += 1,
            MinerStatus::Dead => self.dead += 1,
            _ => {}
        }
        self.rate.add(rate(miner));
        self.power.add(power(miner));
    }
}

pub(super) fn of(table: &Table, api: &Api) -> Overview {
    let service = api.service();
    let (mut all, mut should, mut both) =
        (Group::default(), Sum::default(), (Sum::default(), Sum::default()));
    let mut done = (Sum::default(), Sum::default());
    let mut sites: BTreeMap<Option<&str>, Group> = BTreeMap::new();
    let mut models: BTreeMap<&str, (usize, Sum)> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, (Severity, usize)> = BTreeMap::new();
    for row in &table.rows {
        let miner = &*row.miner;
        all.add(miner);
        should.add(expected(miner));
        if let (Some(rate), Some(expected)) = (rate(miner), expected(miner)) {
            done.0.add(Some(rate));
            done.1.add(Some(expected));
        }
        if let (Some(rate), Some(watts)) = (rate(miner), power(miner)) {
            both.0.add(Some(rate));
            both.1.add(Some(watts));
        }
        let site = row.record.as_deref().and_then(|record| record.position.site.as_deref());
        sites.entry(site).or_default().add(miner);
        if miner.snapshot.is_some() {
            let (count, sum) = models.entry(&miner.model).or_default();
            *count += 1;
            sum.add(rate(miner));
        }
        let mut told: Vec<&str> = Vec::new();
        for finding in &miner.findings {
            let rule = finding.rule.as_str();
            let (severity, count) = reasons.entry(rule).or_insert((finding.severity, 0));
            *severity = (*severity).max(finding.severity);
            if !told.contains(&rule) {
                *count += 1;
                told.push(rule);
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (severity, miners))| std::cmp::Reverse((*severity, *miners)));
    let mut models: Vec<_> = models.into_iter().collect();
    models.sort_by_key(|(_, (miners, _))| std::cmp::Reverse(*miners));
    let cover = &table.coverage;
    let pulse = service.pulse();
    let ratio = done.0.value().zip(done.1.value()).filter(|(_, expected)| *expected > 0.0);
    let efficiency = both.1.value().zip(both.0.value()).filter(|(_, rate)| *rate > 0.0);
    Overview {
        taken_at_ms: table.taken_at.as_unix_millis(),
        revision: table.revision,
        coverage: Covered {
            miners: cover.miners,
            live: cover.live,
            active: cover.active,
            warning: cover.warning,
            dead: cover.dead,
            paused: cover.paused,
            scanning: cover.scanning,
            oldest_reading_ms: cover.oldest_reading.map(Timestamp::as_unix_millis),
            interval_s: pulse.interval.as_secs_f64(),
            effective_interval_s: cover.effective_interval.map(|time| time.as_secs_f64()),
            lag_s: cover.lag.as_secs_f64(),
        },
        hashrate: Rate { value_hs: all.rate.value(), of: all.rate.of },
        expected: Rate { value_hs: should.value(), of: should.of },
        performance: Performance { ratio: ratio.map(|(rate, expected)| rate / expected), of: done.0.of },
        power: Watts { value_w: all.power.value(), of: all.power.of },
        efficiency: JoulesPerTerahash {
            value_j_per_th: efficiency.map(|(watts, rate)| watts / (rate / 1e12)),
            of: both.0.of,
        },
        reasons: reasons
            .into_iter()
            .map(|(rule, (severity, miners))| Reason {
                rule: rule.to_owned(),
                title: rule.replace('_', " "),
                severity: word(severity),
                miners,
            })
            .collect(),
        sites: sites
            .into_iter()
            .map(|(site, group)| SiteSums {
                site: site.map(str::to_owned),
                miners: group.miners,
                active: group.active,
                warning: group.warning,
                dead: group.dead,
                hashrate_hs: group.rate.value(),
                power_w: group.power.value(),
            })
            .collect(),
        models: models
            .into_iter()
            .take(50)
            .map(|(model, (miners, rate))| ModelSums {
                model: model.to_owned(),
                miners,
                hashrate_hs: rate.value(),
            })
            .collect(),
        changed: api.0.happened.last_hour(),
        service: ServiceState {
            version: api.0.version,
            started_at_ms: service.stats().started_at.as_unix_millis(),
            data_kept: pulse.not_kept.is_none(),
            not_kept: pulse.not_kept,
            history: pulse.history.is_some(),
            not_recorded: pulse.not_recorded,
            scanning_since_ms: pulse.scanning_since.map(on_the_wall),
            scanned_at_ms: pulse.scanned_at.map(on_the_wall),
        },
    }
}

/// When that was, by the clock on the wall.
fn on_the_wall(at: Instant) -> i64 {
    let ago = Instant::now().saturating_duration_since(at);
    let now = clock::now_ms();
    now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))
}

pub(super) const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        _ => "critical",
    }
}
