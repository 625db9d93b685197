//! The HTTP interface under `/api/v1`: what is known of the fleet, live events, and everything that people do to it. Speaks with
//! the facade only; every command goes through the control engine and the audit log. `docs/api.md` is for its users.

mod alerts;
mod audit;
mod events;
mod feed;
mod fleet;
mod happened;
mod history;
mod miner;
mod overview;
mod pieces;
mod plans;
mod problem;
mod records;
mod scans;
mod session;
mod settings;
mod users;
mod who;

pub use problem::Problem;
pub use settings::Configured;
pub(crate) use who::bearer;

use crate::accounts::Accounts;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use bitlink_miner_manager::control::{Commander, Groups, Vault};
use bitlink_miner_manager::store::{Reader, StoreError};
use bitlink_miner_manager::{Fleet, ServiceHandle};
use feed::Feed;
use happened::Happened;
use plans::Plans;
use scans::Scans;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::AbortOnDropHandle;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What the interface needs beside a running service.
#[derive(Debug)]
pub struct Cockpit {
    /// Who may do what.
    pub accounts: Accounts,
    /// How miners are reached, for scans, commands and raw replies.
    pub fleet: Fleet,
    /// Where the service's data is.
    pub data: PathBuf,
    /// Passwords that are kept for machines.
    pub vault: Option<Vault>,
    /// Racks and breakers of which only so many may be down at once.
    pub groups: Groups,
    /// What the configuration says, for admins.
    pub configured: Configured,
}

/// The interface of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: ServiceHandle,
    cockpit: Cockpit,
    commander: Commander,
    version: &'static str,
    is_tls: bool,
    demo_csrf: String,
    feed: Feed,
    happened: Happened,
    scans: Scans,
    plans: Plans,
    /// Questions to the store and orders of large fleets, off the runtime's threads and not many at the same time.
    turns: Semaphore,
    /// Live connections.
    listeners: Arc<Semaphore>,
    /// Told whenever something has happened that live connections show at once.
    news: watch::Sender<u64>,
    /// Scans and plans that run.
    works: Works,
    _collector: AbortOnDropHandle<()>,
}

/// Work that goes on when who began it has gone, and ends with the service.
#[derive(Debug)]
struct Works {
    running: std::sync::Mutex<tokio::task::JoinSet<()>>,
    /// Where miners are read: whoever answers questions can be another.
    runtime: tokio::runtime::Handle,
}

impl Works {
    /// In the runtime that is around.
    fn new() -> Self {
        Self { running: std::sync::Mutex::default(), runtime: tokio::runtime::Handle::current() }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn_on(work, &self.runtime);
    }
}

/// Questions that take long, at one time.
const TURNS: usize = 4;
/// Live connections at one time: each browser has one.
const LISTENERS: usize = 64;
/// The largest body of a request.
const LARGEST_BODY: usize = 8 << 20;

impl Api {
    pub(crate) fn new(cockpit: Cockpit, service: ServiceHandle, version: &'static str, is_tls: bool) -> Self {
        let commander = Commander::with_vault(&cockpit.fleet, cockpit.vault.clone()).with_data(&cockpit.data);
        let news = watch::Sender::new(0);
        let happened = Happened::new(news.clone());
        // owned by the state, which ends it when it goes
        let collector = AbortOnDropHandle::new(tokio::spawn(happened.clone().collect(service.subscribe())));
        Self(Arc::new(Inner {
            commander,
            version,
            is_tls,
            demo_csrf: crate::secret::word(),
            feed: Feed::new(),
            happened,
            scans: Scans::new(news.clone()),
            plans: Plans::new(news.clone()),
            turns: Semaphore::new(TURNS),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            news,
            works: Works::new(),
            service,
            cockpit,
            _collector: collector,
        }))
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.cockpit.accounts
    }

    fn service(&self) -> &ServiceHandle {
        &self.0.service
    }

    fn version(&self) -> &'static str {
        self.0.version
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls
    }

    fn demo_csrf(&self) -> &str {
        &self.0.demo_csrf
    }

    /// Does something that takes long, off the runtime's threads.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Api) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(_turn) = self.0.turns.acquire().await else { return Err(Problem::busy("the service stops")) };
        let api = self.clone();
        match tokio::task::spawn_blocking(move || work(&api)).await {
            Ok(done) => done,
            Err(error) => Err(Problem::failed("the answer could not be made", &error)),
        }
    }

    /// Asks what is kept.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.off(|api| {
            let failed = |error: StoreError| Problem::failed("what is kept cannot be read", &error);
            let reader = Reader::open(&api.0.cockpit.data).map_err(failed)?;
            question(&reader).map_err(failed)
        })
        .await
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Bit-Link Miner Manager",
    description = "Find, watch and command Bitcoin miners. Numbers are in base units, and the name of a field carries the unit; \
                   what is not known is left out or null and never 0."
))]
struct Document;

fn parts() -> (Router<Api>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .nest(
            "/api/v1",
            OpenApiRouter::new()
                .merge(session::routes())
                .merge(users::routes())
                .merge(fleet::routes())
                .merge(overview::routes())
                .merge(miner::routes())
                .merge(records::routes())
                .merge(events::routes())
                .merge(history::routes())
                .merge(scans::routes())
                .merge(plans::routes())
                .merge(audit::routes())
                .merge(alerts::routes())
                .merge(settings::routes()),
        )
        .split_for_parts();
    "1".clone_into(&mut document.info.version);
    (router, document)
}

/// What the interface can be asked, as an OpenAPI document.
pub fn document() -> String {
    let (_, document) = parts();
    document.to_pretty_json().unwrap_or_default()
}

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    let (router, _) = parts();
    router
        .route(
            "/api/v1/openapi.json",
            axum::routing::get(|_: who::Viewer| async {
                ([(axum::http::header::CONTENT_TYPE, "application/json")], document())
            }),
        )
        .route(
            "/api/{*rest}",
            axum::routing::any(|| async {
                Problem::missing("there is no such thing; /api/v1/openapi.json has all there is")
            }),
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(api)
}

#[cfg(test)]
mod tests;
