//! The HTTP server of a service: metrics, and the cockpit where there is one. It answers only to who may ask. Metrics: on the
//! loopback network whoever is on this machine, by an address or name of this machine; elsewhere whoever has the token. The
//! cockpit: whoever is signed in.

use crate::api::{self, Api, Cockpit};
use crate::metrics::{self, Format, Level, Shard, Sites, discovery, own};
use crate::mqtt::MqttWatch;
use crate::page;
use crate::tls::TlsListener;
pub use crate::tls::{TlsError, TlsFiles};
use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bitlink_miner_manager::ServiceHandle;
use futures::stream;
use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;

/// Where it listens, and who may ask.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What who asks for metrics must have (`Authorization: Bearer …`). Without one they are for this machine only.
    pub token: Option<String>,
    /// The certificate by which it speaks TLS. Without one it speaks plainly.
    pub tls: Option<TlsFiles>,
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("HttpConfig")
            .field("listen", &self.listen)
            .field("token", &token)
            .field("tls", &self.tls)
            .finish()
    }
}

/// Why it cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Operator: a demonstration lets everybody do everything.
    #[error("{0} is reached from elsewhere, and a demonstration lets everybody in")]
    Open(SocketAddr),
    /// Operator: certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Operator: a token that can be guessed.
    #[error(
        "the token has fewer than {} characters, or others than letters, digits and punctuation",
        HttpConfig::SHORTEST_TOKEN
    )]
    Token,
    /// This machine: the address is taken, or is none of its own.
    #[error("cannot listen on {at}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl HttpConfig {
    /// Fewer characters can be guessed.
    pub const SHORTEST_TOKEN: usize = 16;

    /// Open to this machine, at an address of the loopback network.
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, token: None, tls: None }
    }

    /// With a certificate.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<TlsFiles>) -> Self {
        self.tls = tls;
        self
    }

    /// With what who asks must have.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// Whether only who is on this machine reaches it.
    pub fn is_for_this_machine(&self) -> bool {
        is_loopback(self.listen.ip())
    }

    /// Whether nobody can ask who should not.
    ///
    /// # Errors
    /// [`HttpError::Token`], [`HttpError::Tls`].
    pub fn validate(&self) -> Result<(), HttpError> {
        if let Some(tls) = &self.tls {
            tls.read()?;
        }
        match &self.token {
            Some(token)
                if token.len() < Self::SHORTEST_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Err(HttpError::Token)
            }
            _ => Ok(()),
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

/// Requests that are answered at the same time. More are refused with 503.
const AT_ONCE: usize = 16;

#[derive(Debug, Clone)]
struct House {
    service: ServiceHandle,
    version: &'static str,
    token: Option<Arc<str>>,
    turns: Arc<Semaphore>,
    /// Whether it is reached from this machine only.
    is_local: bool,
}

/// A server that has taken its address.
#[must_use]
pub struct HttpServer {
    /// Of no runtime yet: that which runs the server answers.
    listener: std::net::TcpListener,
    at: SocketAddr,
    router: Router,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("at", &self.at).finish_non_exhaustive()
    }
}

impl HttpServer {
    /// Takes the address.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn bind(
        config: &HttpConfig,
        service: ServiceHandle,
        cockpit: Option<Cockpit>,
        version: &'static str,
    ) -> Result<Self, HttpError> {
        config.validate()?;
        let is_open = cockpit.as_ref().is_some_and(|cockpit| cockpit.accounts.is_demo());
        if is_open && !is_loopback(config.listen.ip()) {
            return Err(HttpError::Open(config.listen));
        }
        let tls = config.tls.as_ref().map(TlsFiles::read).transpose()?;
        let failed = |source| HttpError::Listen { at: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.and_then(TcpListener::into_std);
        let listener = listener.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, at, router: router(config, service, cockpit, version), tls })
    }

    /// With what telling an MQTT broker comes to among its metrics.
    pub fn watching_mqtt(mut self, watch: MqttWatch) -> Self {
        self.router = self.router.layer(Extension(watch));
        self
    }

    /// Where it listens.
    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    /// Answers until the future ends, then lets running answers end. That may be in another runtime than the one where it was made;
    /// what somebody sets going, as a plan, goes on in that one.
    pub async fn run(self, until: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = self.answer(until).await {
            tracing::error!(%error, "the HTTP server has ended");
        }
    }

    async fn answer(self, until: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        if let Some(acceptor) = self.tls {
            let router = self.router.into_make_service_with_connect_info::<crate::tls::Peer>();
            let listener = TlsListener::new(listener, acceptor);
            axum::serve(listener, router).with_graceful_shutdown(until).await
        } else {
            let router = self.router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, router).with_graceful_shutdown(until).await
        }
    }
}

/// All that is answered.
pub fn router(
    config: &HttpConfig,
    service: ServiceHandle,
    cockpit: Option<Cockpit>,
    version: &'static str,
) -> Router {
    let is_tls = config.tls.is_some();
    let api = cockpit.map(|cockpit| Api::new(cockpit, service.clone(), version, is_tls));
    whole(config, service, api, version)
}

/// All that is answered, with an interface that is there already.
pub(crate) fn whole(
    config: &HttpConfig,
    service: ServiceHandle,
    api: Option<Api>,
    version: &'static str,
) -> Router {
    let is_local = is_loopback(config.listen.ip());
    let house = House {
        service,
        version,
        token: config.token.as_deref().map(Arc::from),
        turns: Arc::new(Semaphore::new(AT_ONCE)),
        is_local,
    };
    let metrics = Router::new()
        .route("/metrics", get(own_metrics))
        .route("/metrics/devices", get(device_metrics))
        .route("/sd", get(service_discovery))
        .layer(middleware::from_fn_with_state(house.clone(), only_who_may))
        .route("/healthz", get(healthz))
        .with_state(house.clone());
    let Some(api) = api else { return metrics };
    let page = page::routes()
        .merge(api::router(api))
        .fallback(|| async { api::Problem::missing("there is no such page") })
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(guarded))
        .layer(middleware::from_fn_with_state(house, only_by_our_name));
    metrics.merge(page)
}

/// What a browser is told of what it may do with a page and an answer of ours.
async fn guarded(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let told = [
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in told {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// A page of another site may let a name of its own point to this machine: on the loopback network only names of this machine
/// are answered to.
async fn only_by_our_name(State(house): State<House>, request: Request, next: Next) -> Response {
    if house.is_local && !asked_host(&request).is_none_or(is_ours) {
        return api::Problem::forbidden("it is asked by a name that is none of this machine").into_response();
    }
    // Nobody else's page changes anything here, whatever cookie a browser would send with it.
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !is_own_page(request.headers(), asked_host(&request)) {
        return api::Problem::forbidden("it is asked by a page of another site").into_response();
    }
    next.run(request).await
}

/// Whether no page of another site asks. Browsers say it themselves; older ones say whose page it is. What sends neither is
/// no browser.
fn is_own_page(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    origin.split_once("://").is_some_and(|(_, at)| Some(at) == host)
}

/// Lets nobody ask who may not, and not too many at the same time.
async fn only_who_may(State(house): State<House>, request: Request, next: Next) -> Response {
    let is_let_in = if let Some(token) = &house.token {
        api::bearer(request.headers()).is_some_and(|given| crate::secret::is_same(given, token))
    } else {
        // A page of another site that is open in a browser here may ask by a name that it has let point to us; and where it
        // listens to others too, they are no part of this machine.
        let peer = crate::tls::peer(request.extensions());
        asked_host(&request).is_none_or(is_ours)
            && (house.is_local || peer.is_some_and(|peer| is_loopback(peer.ip())))
    };
    if !is_let_in {
        let status = if house.token.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        let mut refused =
            said(status, "not for you: a token is needed, or an address of the loopback network\n");
        if status == StatusCode::UNAUTHORIZED {
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        return refused;
    }
    let Ok(_turn) = house.turns.try_acquire() else {
        let mut busy = said(StatusCode::SERVICE_UNAVAILABLE, "too many ask at the same time\n");
        busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return busy;
    };
    next.run(request).await
}

fn asked_host(request: &Request) -> Option<&str> {
    let host = request.headers().get(header::HOST);
    host.map(|host| host.to_str().unwrap_or("?")).or_else(|| request.uri().host())
}

/// Whether a host names this machine from within.
fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

fn said(status: StatusCode, words: impl Into<Body>) -> Response {
    let mut response = Response::new(words.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn sites(service: &ServiceHandle) -> Sites {
    service.with_registry(|registry| {
        let site =
            |record: &Arc<bitlink_model::MinerRecord>| Some((record.id, record.position.site.clone()?));
        Sites::new(registry.records().filter_map(site))
    })
}

fn wanted(headers: &HeaderMap) -> Format {
    Format::negotiate(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()))
}

fn text(format: Format, body: Body) -> Response {
    let mut response = said(StatusCode::OK, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

async fn own_metrics(
    State(house): State<House>,
    mqtt: Option<Extension<MqttWatch>>,
    headers: HeaderMap,
) -> Response {
    let format = wanted(&headers);
    let (state, pulse) = (house.service.state(), house.service.pulse());
    let counted = house.service.stats();
    let sites = sites(&house.service);
    let round_age_s = Instant::now().saturating_duration_since(pulse.round_at).as_secs_f64();
    let own = own::Own::new(&state, &sites, &pulse, &counted, round_age_s, house.version)
        .with_mqtt(mqtt.map(|Extension(watch)| watch.counts()));
    text(format, own::page(&own, format).into())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    site: Option<String>,
    shard: Option<String>,
    level: Option<String>,
}

async fn device_metrics(
    State(house): State<House>,
    headers: HeaderMap,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let wrong = |words: &'static str| said(StatusCode::BAD_REQUEST, words);
    let Ok(Query(which)) = which else {
        return wrong("the parameters are site=NAME, shard=NUMBER/OF and level=device|board\n");
    };
    let shard = match which.shard.as_deref() {
        None => Shard::WHOLE,
        Some(shard) => match Shard::parse(shard) {
            Some(shard) => shard,
            None => return wrong("shard=NUMBER/OF counts from 0, as 0/4; there are 1,000 at most\n"),
        },
    };
    let level = match which.level.as_deref() {
        None | Some("board") => Level::Board,
        Some("device") => Level::Device,
        Some(_) => return wrong("level=device or level=board\n"),
    };
    let format = wanted(&headers);
    let state = house.service.state();
    let sites = sites(&house.service);
    let chunks = metrics::devices::page(&state, &sites, which.site.as_deref(), shard, level, format);
    text(format, Body::from_stream(stream::iter(chunks.map(Ok::<_, std::convert::Infallible>))))
}

async fn service_discovery(State(house): State<House>, request: Request) -> Response {
    // The name by which the collector has reached us is the one by which it reaches us again.
    let Some(host) = asked_host(&request).filter(|host| host.bytes().all(|b| b.is_ascii_graphic())) else {
        return said(StatusCode::BAD_REQUEST, "the request does not say by which name it was sent\n");
    };
    let groups = discovery::groups(host, house.service.state().coverage.miners);
    axum::Json(groups).into_response()
}

/// Says nothing of the fleet, and so is open to everybody who reaches it.
async fn healthz(State(house): State<House>) -> Response {
    if house.service.pulse().is_alive(Instant::now()) {
        said(StatusCode::OK, "alive\n")
    } else {
        said(StatusCode::SERVICE_UNAVAILABLE, "no round of readings has ended for long\n")
    }
}

#[cfg(test)]
mod tests;
