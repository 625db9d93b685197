//! Readings over time, and what has happened.

use super::fleet::file;
use super::happened::{Happening, severity_of};
use super::overview::word;
use super::problem::Params;
use super::who::Viewer;
use super::{Api, Problem};
use crate::clock;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::history::{
    Event, EventKind, HistoryReader, Query, Sample, Series, SeriesName, Step, Tier, write_csv, write_ndjson,
};
use bitlink_model::{Metric, MetricPlace, MinerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(history)).routes(routes!(metrics)).routes(routes!(log))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Whose: `miner:ID`, `fleet`, `site:NAME`, `rack:PLACE`, `label:NAME`
    of: String,
    /// Which readings, with commas between: `hashrate,temp_chip_max,board.0.chip_temperature`
    metric: String,
    /// From when on, in ms since 1970; what is negative counts from now
    from: i64,
    /// Up to when; 0 is now
    to: i64,
    /// How many points each line has at most, 5,000 at most
    points: usize,
    /// `json`, or a file: `csv`, `ndjson`
    format: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            of: "fleet".to_owned(),
            metric: "hashrate".to_owned(),
            from: -6 * 3_600_000,
            to: 0,
            points: 600,
            format: "json".to_owned(),
        }
    }
}

const MOST_POINTS: usize = 5_000;
const MOST_METRICS: usize = 64;

/// Readings over time.
#[derive(Debug, Serialize, ToSchema)]
struct Lines {
    of: String,
    from_ms: i64,
    to_ms: i64,
    series: Vec<Line>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Line {
    metric: String,
    unit: &'static str,
    /// Time between two points where they are summaries; `null`: every reading.
    step_s: Option<f64>,
    /// `[ms, least, mean, greatest, last]`. A time without readings has no point.
    points: Vec<(i64, f64, f64, f64, f64)>,
}

/// Whose history a text names.
fn whose(of: &str) -> Result<SeriesName, Problem> {
    let wrong = || Problem::wrong("of", "it is miner:ID, fleet, site:NAME, rack:PLACE or label:NAME");
    if of == "fleet" {
        return Ok(SeriesName::Group(of.to_owned()));
    }
    match of.split_once(':') {
        Some(("miner", id)) => {
            let id = id.split('~').next().unwrap_or(id);
            id.parse().map(SeriesName::Miner).map_err(|_no_id| wrong())
        }
        Some((kind @ ("site" | "rack" | "label"), name)) if !name.is_empty() => {
            Ok(SeriesName::Group(format!("{kind}/{name}")))
        }
        _ => Err(wrong()),
    }
}

/// A time, from now where it is negative.
fn span(from: i64, to: i64) -> Result<(Timestamp, Timestamp), Problem> {
    let now = clock::now_ms();
    let at = |time: i64| Timestamp::from_unix_millis(if time <= 0 { now.saturating_add(time) } else { time });
    // The last reading is in it.
    let (from, to) = (at(from), if to == 0 { Timestamp::from_unix_millis(now + 1_000) } else { at(to) });
    if from < to { Ok((from, to)) } else { Err(Problem::wrong("from", "it is not before `to`")) }
}

fn metrics_named(names: &str) -> Result<Vec<Metric>, Problem> {
    let names: Vec<_> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > MOST_METRICS {
        return Err(Problem::wrong("metric", format!("{MOST_METRICS} are the most")));
    }
    if names == ["all"] {
        return Ok(Vec::new());
    }
    if names.is_empty() {
        return Err(Problem::wrong("metric", "none is named; `all` is all there are"));
    }
    let parse = |name: &&str| {
        name.parse()
            .map_err(|error: bitlink_model::UnknownMetric| Problem::wrong("metric", error.to_string()))
    };
    names.iter().map(parse).collect()
}

/// Readings of a machine or a group over time
#[utoipa::path(get, path = "/history", tag = "history", params(Wanted),
    responses((status = 200, body = Lines), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn history(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    if !matches!(wanted.format.as_str(), "json" | "csv" | "ndjson") {
        return Err(Problem::wrong("format", "the forms are json, csv and ndjson"));
    }
    if !(2..=MOST_POINTS).contains(&wanted.points) {
        return Err(Problem::wrong("points", format!("2 to {MOST_POINTS}")));
    }
    let (name, (from, to), metrics) =
        (whose(&wanted.of)?, span(wanted.from, wanted.to)?, metrics_named(&wanted.metric)?);
    let query = Query::new(name, from, to).with_metrics(metrics.clone()).with_step(Step::Auto);
    let mut series = api.ask(move |reader| reader.series(&query)).await?;
    series.sort_by_key(|series| metrics.iter().position(|metric| *metric == series.metric));
    let written = |done: std::io::Result<()>, text: Vec<u8>| match done {
        Ok(()) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => Err(Problem::failed("the file could not be made", &error)),
    };
    let mut text = Vec::new();
    match wanted.format.as_str() {
        "csv" => {
            let done = write_csv(&mut text, &wanted.of, &series);
            Ok(file("text/csv; charset=utf-8", "history.csv", written(done, text)?))
        }
        "ndjson" => {
            let done = write_ndjson(&mut text, &wanted.of, &series);
            Ok(file("application/x-ndjson", "history.ndjson", written(done, text)?))
        }
        _ => Ok(axum::Json(Lines {
            of: wanted.of,
            from_ms: from.as_unix_millis(),
            to_ms: to.as_unix_millis(),
            series: series.iter().map(|series| line(series, from, to, wanted.points)).collect(),
        })
        .into_response()),
    }
}

/// A line of no more points than wanted: several readings of a stretch become one with their least, mean and greatest.
fn line(series: &Series, from: Timestamp, to: Timestamp, most: usize) -> Line {
    let step_s = match series.tier {
        Tier::Raw => None,
        Tier::Quarter => Some(900.0),
        Tier::SixHours => Some(21_600.0),
    };
    let point = |s: &Sample| (s.at.as_unix_millis(), s.min, s.mean, s.max, s.last);
    let samples = &series.samples;
    let points = if samples.len() <= most {
        samples.iter().map(point).collect()
    } else {
        let (from, to) = (from.as_unix_millis(), to.as_unix_millis());
        let stretch = ((to - from) / i64::try_from(most).unwrap_or(1)).max(1);
        let mut points: Vec<(i64, f64, f64, f64, f64)> = Vec::with_capacity(most);
        let mut open: Option<(i64, f64, f64)> = None;
        for sample in samples {
            let (at, min, mean, max, last) = point(sample);
            let bucket = (at - from).div_euclid(stretch);
            let weight = f64::from(sample.readings.max(1));
            match (&mut open, points.last_mut()) {
                (Some((same, sum, weights)), Some(of)) if *same == bucket => {
                    *sum += mean * weight;
                    *weights += weight;
                    *of = (at, of.1.min(min), *sum / *weights, of.3.max(max), last);
                }
                _ => {
                    open = Some((bucket, mean * weight, weight));
                    points.push((at, min, mean, max, last));
                }
            }
        }
        points
    };
    Line { metric: series.metric.to_string(), unit: series.metric.info().unit, step_s, points }
}

#[derive(Debug, Serialize, ToSchema)]
struct Metrics {
    metrics: Vec<MetricInfo>,
    /// Groups that are summed up, as `of` names them.
    groups: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MetricInfo {
    name: String,
    unit: &'static str,
    /// `miner`, `board`, `sensor`, `fan`, `pool`, `psu` or `group`.
    of: &'static str,
    about: &'static str,
}

/// What readings are recorded, and of which groups there are sums
#[utoipa::path(get, path = "/history/metrics", tag = "history", responses((status = 200, body = Metrics)))]
async fn metrics(State(api): State<Api>, _: Viewer) -> Result<axum::Json<Metrics>, Problem> {
    let groups = api.ask(HistoryReader::groups).await?;
    let groups = groups.iter().map(|group| group.replacen('/', ":", 1)).collect();
    let info = |metric: Metric| {
        let info = metric.info();
        let of = match info.place {
            MetricPlace::Board => "board",
            MetricPlace::BoardSensor => "sensor",
            MetricPlace::Fan => "fan",
            MetricPlace::Pool => "pool",
            MetricPlace::Psu => "psu",
            MetricPlace::Group => "group",
            _ => "miner",
        };
        MetricInfo { name: info.name.to_owned(), unit: info.unit, of, about: info.about }
    };
    Ok(axum::Json(Metrics { metrics: Metric::kinds().map(info).collect(), groups }))
}

/// What the store tells of what happened.
const KINDS: &[&str] = &["status", "facts", "met", "service"];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct LogWanted {
    /// Of which machine: `miner:ID`; all of them where none is named, or `fleet`
    of: String,
    /// Only of this kind: `status`, `facts`, `met`, `service`
    kind: Option<String>,
    /// From when on, in ms since 1970; what is negative counts from now
    from: i64,
    /// Up to when; 0 is now
    to: i64,
    /// The last so many, 5,000 at most
    limit: usize,
}

impl Default for LogWanted {
    fn default() -> Self {
        Self { of: "fleet".to_owned(), kind: None, from: -24 * 3_600_000, to: 0, limit: 200 }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Log {
    /// The newest first.
    entries: Vec<Happening>,
}

/// What has happened: statuses with their reasons, changes of firmware, pools, boards and addresses, and of the service
#[utoipa::path(get, path = "/log", tag = "history", params(LogWanted),
    responses((status = 200, body = Log), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn log(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<LogWanted>,
) -> Result<axum::Json<Log>, Problem> {
    let id: Option<MinerId> = match whose(&wanted.of)? {
        SeriesName::Miner(id) => Some(id),
        SeriesName::Group(group) if group == "fleet" => None,
        SeriesName::Group(_) => return Err(Problem::wrong("of", "the log is of miner:ID or of the fleet")),
    };
    if let Some(kind) = &wanted.kind
        && !KINDS.contains(&kind.as_str())
    {
        return Err(Problem::wrong("kind", format!("the kinds are {}", KINDS.join(", "))));
    }
    if !(1..=MOST_POINTS).contains(&wanted.limit) {
        return Err(Problem::wrong("limit", format!("1 to {MOST_POINTS}")));
    }
    let (from, to) = span(wanted.from, wanted.to)?;
    // Of one kind there may be few among many.
    let most = if wanted.kind.is_some() { MOST_POINTS } else { wanted.limit };
    let events = api.ask(move |reader| reader.last_events(id, from, to, most)).await?;
    let table = api.table().await;
    let address = |id: MinerId| {
        let row = table.get(&id.to_string());
        row.map(|row| row.miner.ip.to_string())
    };
    let mut entries: Vec<Happening> = events.iter().map(|event| told(event, address)).collect();
    entries.retain(|entry| wanted.kind.as_deref().is_none_or(|kind| entry.kind == kind));
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms));
    entries.truncate(wanted.limit);
    Ok(axum::Json(Log { entries }))
}

fn told(event: &Event, address: impl Fn(MinerId) -> Option<String>) -> Happening {
    let (kind, severity, text, to) = match &event.kind {
        EventKind::Status(fact) => {
            let worst = fact.findings.iter().max_by_key(|finding| finding.severity);
            let text = worst.map_or_else(
                || fact.status.to_string(),
                |worst| format!("{}: {}", fact.status, worst.message),
            );
            let severity = worst.map_or_else(|| severity_of(fact.status), |worst| word(worst.severity));
            ("status", severity, text, Some(fact.status))
        }
        EventKind::Facts(facts) => {
            let parts = [&facts.address, &facts.model, &facts.firmware, &facts.hostname, &facts.mode];
            let mut text: Vec<String> = parts.into_iter().flatten().cloned().collect();
            let pools = facts.pools.values().filter_map(|pool| pool.url.clone());
            text.extend(pools.take(3));
            if !facts.boards.is_empty() {
                text.push(format!("{} boards", facts.boards.len()));
            }
            ("facts", "info", format!("is now: {}", text.join(", ")), None)
        }
        EventKind::Absorbed { into } => ("met", "info", format!("turned out to be {into}"), None),
        EventKind::Started => ("service", "info", "recording began".to_owned(), None),
        EventKind::Stopped => ("service", "info", "recording ended".to_owned(), None),
        EventKind::Gap { ticks, reason } => {
            ("service", "warning", format!("{ticks} rounds were not recorded: {reason}"), None)
        }
        _ => ("service", "info", String::new(), None),
    };
    let mut happening = Happening::new(kind, severity, text);
    happening.at_ms = event.at.as_unix_millis();
    happening.id = event.miner.map(|id| id.to_string());
    happening.address = event.miner.and_then(address);
    happening.to = to;
    happening
}
