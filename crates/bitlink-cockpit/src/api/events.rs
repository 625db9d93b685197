//! What is new, live, as server-sent events: rows of the fleet that have changed, the overview, what happens, and how scans and
//! plans go. Whoever was away goes on where it stopped. A slow reader gets the newest when it comes for it: nothing is queued.

use super::feed::Table;
use super::fleet::{cells, columns};
use super::problem::Params;
use super::who::{Viewer, who};
use super::{Api, Problem};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::query::Field;
use futures::stream;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
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
    waiting: VecDeque<(&'static str, serde_json::Value)>,
    overview_of: u64,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// The next message; `None` when who listens may not any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((name, data)) = self.waiting.pop_front() {
                // Only what is told whole may be gone on from: in the middle of slices the old place counts.
                let event = Event::default().event(name).data(data.to_string());
                return Some(if self.waiting.is_empty() { event.id(self.id()) } else { event });
            }
            tokio::select! {
                _ = self.beat.tick() => {
                    who(&self.headers, &self.api)?;
                    let table = self.api.table().await;
                    self.look(&table);
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

    fn id(&self) -> String {
        format!("{}.{}.{}", self.api.0.feed.epoch, self.revision.unwrap_or(0), self.seq)
    }

    /// What is new of the fleet.
    fn look(&mut self, table: &Table) {
        if self.overview_of != table.revision {
            self.overview_of = table.revision;
            if let Ok(overview) = serde_json::to_value(&*table.overview) {
                self.waiting.push_back(("overview", overview));
            }
        }
        let Some(fields) = &self.fields else {
            self.revision = Some(table.revision);
            return;
        };
        let now = Timestamp::from(SystemTime::now());
        let changed = self.revision.and_then(|revision| table.since(revision));
        let (rows, gone, reset) = match changed {
            Some((rows, gone)) if rows.is_empty() && gone.is_empty() => {
                self.revision = Some(table.revision);
                return;
            }
            Some((rows, gone)) => (rows, gone, false),
            None => (table.rows.iter().collect(), Vec::new(), true),
        };
        let names: Vec<_> = fields.iter().map(|field| field.key).collect();
        let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
        let mut slices = rows.chunks(SLICE).peekable();
        let mut first = true;
        loop {
            let slice = slices.next().unwrap_or_default();
            let more = slices.peek().is_some();
            let rows: Vec<_> = slice.iter().map(|row| cells(row, fields, now)).collect();
            let mut told =
                json!({ "revision": table.revision, "columns": names, "rows": rows, "more": more });
            if let (true, Some(object)) = (first, told.as_object_mut()) {
                object.insert("reset".to_owned(), reset.into());
                object.insert("gone".to_owned(), gone.clone().into());
            }
            self.waiting.push_back(("fleet", told));
            first = false;
            if !more {
                break;
            }
        }
        self.revision = Some(table.revision);
    }

    /// What has happened, and how scans and plans go.
    fn hear(&mut self) {
        let (list, missed) = self.api.0.happened.since(self.seq);
        if missed > 0 {
            self.waiting.push_back(("lagged", json!({ "missed": missed })));
        }
        for happening in list {
            self.seq = happening.seq;
            if let Ok(told) = serde_json::to_value(&*happening) {
                self.waiting.push_back(("happened", told));
            }
        }
        let (scans, last_scan) = self.api.0.scans.since(self.works);
        let (plans, last_plan) = self.api.0.plans.since(self.works);
        self.waiting.extend(scans.into_iter().map(|scan| ("scan", scan)));
        self.waiting.extend(plans.into_iter().map(|plan| ("plan", plan)));
        self.works = self.works.max(last_scan).max(last_plan);
    }
}
