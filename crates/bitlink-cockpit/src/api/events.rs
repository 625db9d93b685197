//! What is new, live, as server-sent events: rows of the fleet that have changed, the overview, what happens, and how scans and
//! plans go. Whoever was away goes on where it stopped. A slow reader gets the newest when it comes for it: nothing is queued.

use super::feed::Table;
use super::fleet::{Cells, columns};
use super::problem::Params;
use super::who::{Viewer, who};
use super::{Api, Problem};
use crate::clock;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use bitlink_miner_manager::query::Field;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(events))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Fields of the rows, with commas between; the id always comes first. Without it no rows are told
    columns: Option<String>,
    /// The id of the last message that was read, where the header `Last-Event-ID` cannot be sent
    since: Option<String>,
}

/// Rows in one message.
const SLICE: usize = 2_000;
const BEAT: Duration = Duration::from_secs(1);

/// What happens, live (server-sent events)
#[utoipa::path(get, path = "/events", tag = "fleet", params(Wanted),
    responses((status = 200, content_type = "text/event-stream"), (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn events(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<Wanted>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let fields = match wanted.columns.as_deref() {
        None | Some("") => None,
        Some(names) => {
            let mut fields = columns(Some(names))?;
            fields.retain(|field| field.key != "id");
            fields.splice(0..0, columns(Some("id"))?);
            Some(fields)
        }
    };
    let permit = Arc::clone(&api.0.listeners)
        .try_acquire_owned()
        .map_err(|_full| Problem::busy("too many listen at the same time"))?;
    let last =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned).or(wanted.since);
    let place = last.and_then(|id| Place::parse(&id, &api.0.feed.epoch));
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        revision: place.map(|place| place.revision),
        seq: place.map_or_else(|| api.0.happened.last(), |place| place.seq),
        works: 0,
        news: api.0.news.subscribe(),
        headers: shown_by(&headers),
        api,
        fields,
        waiting: VecDeque::new(),
        telling: None,
        beat,
        overview_of: 0,
        _permit: permit,
    };
    let told = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok((
        [("x-accel-buffering", "no"), ("cache-control", "no-store")],
        Sse::new(told).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))),
    ))
}

/// How far somebody has read.
#[derive(Debug, Clone, Copy)]
struct Place {
    revision: u64,
    seq: u64,
}

impl Place {
    fn parse(id: &str, epoch: &str) -> Option<Self> {
        let mut parts = id.split('.');
        let (run, revision, seq) = (parts.next()?, parts.next()?, parts.next()?);
        (run == epoch).then_some(())?;
        Some(Self { revision: revision.parse().ok()?, seq: seq.parse().ok()? })
    }
}

/// The headers by which somebody has shown who they are.
fn shown_by(headers: &HeaderMap) -> HeaderMap {
    let shows = |name: &HeaderName| name == header::COOKIE || name == header::AUTHORIZATION;
    headers
        .iter()
        .filter(|(name, _)| shows(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

struct Listener {
    api: Api,
    /// Who listens, asked anew again and again: who has signed out hears no more.
    headers: HeaderMap,
    fields: Option<Vec<&'static Field>>,
    /// The revision that it has; `None` before the first.
    revision: Option<u64>,
    seq: u64,
    /// The last change of scans and plans that it was told.
    works: u64,
    news: watch::Receiver<u64>,
    beat: Interval,
    waiting: VecDeque<(&'static str, String)>,
    telling: Option<Telling>,
    overview_of: u64,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// The next message; `None` when who listens may not any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((name, data)) = self.waiting.pop_front() {
                return Some(self.message(name, data));
            }
            if let (Some(telling), Some(columns)) = (&mut self.telling, &self.fields) {
                let (slice, more) = telling.slice(columns);
                if !more {
                    self.telling = None;
                }
                return Some(self.message("fleet", slice));
            }
            tokio::select! {
                _ = self.beat.tick() => {
                    who(&self.headers, &self.api)?;
                    let table = self.api.table().await;
                    self.look(&table).await;
                    self.hear();
                }
                changed = self.news.changed() => match changed {
                    Ok(()) => self.hear(),
                    // The service has ended; the connection does with it.
                    Err(_) => drop(self.beat.tick().await),
                },
            }
        }
    }

    /// With how far somebody has read who has read this, where nothing else waits: only what is told whole may be gone on
    /// from, and in the middle of slices the old place counts.
    fn message(&self, name: &'static str, data: String) -> Event {
        let event = Event::default().event(name).data(data);
        if !self.waiting.is_empty() || self.telling.is_some() {
            return event;
        }
        event.id(format!("{}.{}.{}", self.api.0.feed.epoch, self.revision.unwrap_or(0), self.seq))
    }

    /// What is new of the fleet.
    async fn look(&mut self, table: &Arc<Table>) {
        if self.overview_of != table.revision {
            self.overview_of = table.revision;
            let overview = self.api.overview(table).await;
            self.tell("overview", &*overview);
        }
        let before = self.revision.replace(table.revision);
        if self.fields.is_none() {
            return;
        }
        let (rows, gone, reset) = match before.and_then(|revision| table.since(revision)) {
            Some((rows, gone)) if rows.is_empty() && gone.is_empty() => return,
            Some((rows, gone)) => (rows, gone, false),
            None => ((0..table.rows.len()).collect(), Vec::new(), true),
        };
        let gone = gone.iter().map(ToString::to_string).collect();
        self.telling = Some(Telling { table: Arc::clone(table), rows, told: 0, reset, gone });
    }

    /// What has happened, and how scans and plans go.
    fn hear(&mut self) {
        let (list, missed) = self.api.0.happened.since(self.seq);
        if missed > 0 {
            self.tell("lagged", &json!({ "missed": missed }));
        }
        for happening in list {
            self.seq = happening.seq;
            self.tell("happened", &*happening);
        }
        let (scans, last_scan) = self.api.0.scans.since(self.works);
        let (plans, last_plan) = self.api.0.plans.since(self.works);
        for scan in scans {
            self.tell("scan", &scan);
        }
        for plan in plans {
            self.tell("plan", &plan);
        }
        self.works = self.works.max(last_scan).max(last_plan);
    }

    fn tell(&mut self, name: &'static str, what: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(what) {
            self.waiting.push_back((name, text));
        }
    }
}

/// Rows that are being told, a slice at a time: each is written when the one before it has been taken.
#[derive(Debug)]
struct Telling {
    table: Arc<Table>,
    /// Their places in the table.
    rows: Vec<usize>,
    told: usize,
    /// Whether they are all there are, and whatever else somebody has is not there any more.
    reset: bool,
    gone: Vec<String>,
}

impl Telling {
    /// The next slice, and whether there are more.
    fn slice(&mut self, columns: &[&'static Field]) -> (String, bool) {
        let now = clock::now();
        let rest = self.rows.get(self.told..).unwrap_or_default();
        let places = rest.get(..SLICE).unwrap_or(rest);
        let rows = places.iter().filter_map(|place| self.table.rows.get(*place));
        let is_first = self.told == 0;
        let slice = Slice {
            revision: self.table.revision,
            columns: columns.iter().map(|field| field.key).collect(),
            rows: rows.map(|row| Cells { row, columns, now }).collect(),
            more: places.len() < rest.len(),
            reset: is_first.then_some(self.reset),
            gone: is_first.then_some(self.gone.as_slice()),
        };
        let text = serde_json::to_string(&slice).unwrap_or_default();
        let more = slice.more;
        self.told += places.len();
        (text, more)
    }
}

/// Rows of one message.
#[derive(Serialize)]
struct Slice<'a> {
    revision: u64,
    columns: Vec<&'static str>,
    rows: Vec<Cells<'a>>,
    more: bool,
    /// With the first one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<&'a [String]>,
}
