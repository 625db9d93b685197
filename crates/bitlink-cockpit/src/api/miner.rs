//! One machine: everything that is known of it, and what it says itself when it is asked.

use super::who::{Operator, Viewer};
use super::{Api, Problem};
use crate::clock;
use axum::extract::{Path, State};
use bitlink_miner_manager::Miner;
use bitlink_miner_manager::control::capabilities_of;
use bitlink_miner_manager::transport::{RecordedExchange, Transcript};
use bitlink_model::{ActionKind, MinerRecord, Support};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(miner)).routes(routes!(raw))
}

#[derive(Debug, Serialize, ToSchema)]
struct Whole {
    /// As it is watched, with its last reading and what is wrong; see docs/units.md.
    #[schema(value_type = Object)]
    miner: Arc<Miner>,
    /// As it is kept: evidence, addresses, position, labels, notes.
    #[schema(value_type = Object)]
    record: Option<Arc<MinerRecord>>,
    /// Whether its reading stands for now.
    live: bool,
    age_s: Option<f64>,
    /// What its firmware can be told.
    can: Vec<&'static str>,
    /// What it cannot, or what nobody knows how to tell it, with why.
    cannot: Vec<Cannot>,
    /// Its own page.
    url: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Cannot {
    action: &'static str,
    why: String,
}

/// One machine
#[utoipa::path(get, path = "/miners/{id}", tag = "fleet", params(("id" = String, Path, description = "its id")),
    responses((status = 200, body = Whole), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn miner(
    State(api): State<Api>,
    _: Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<Whole>, Problem> {
    let table = api.table().await;
    let row = table.get(&id).ok_or_else(|| Problem::missing("there is no such miner"))?;
    let now = clock::now();
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    let identity = row.miner.snapshot.as_deref().map(|snapshot| &snapshot.identity);
    if let Some(capabilities) = identity.and_then(capabilities_of) {
        for kind in ActionKind::ALL {
            match capabilities.of(*kind) {
                Support::No { why } => cannot.push(Cannot { action: kind.as_str(), why: why.into_owned() }),
                _ => can.push(kind.as_str()),
            }
        }
    }
    Ok(axum::Json(Whole {
        live: row.miner.is_live,
        age_s: row.miner.last_updated.map(|then| now.since(then).as_secs_f64()),
        can,
        cannot,
        url: format!("http://{}/", host(&row.miner)),
        miner: Arc::clone(&row.miner),
        record: row.record.clone(),
    }))
}

/// As a browser names it.
fn host(miner: &Miner) -> String {
    match miner.ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Raw {
    exchanges: Vec<Exchange>,
    /// Whether exchanges were left out for their size.
    truncated: bool,
    /// Why it could not be read as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Exchange {
    /// Where.
    to: String,
    /// The question: of HTTP requests the first line, without what was sent to log in.
    asked: String,
    /// The answer, with the values of passwords and tokens left out.
    answered: Option<String>,
    error: Option<String>,
    took_s: f64,
}

/// What the machine itself says, asked now (operator)
#[utoipa::path(get, path = "/miners/{id}/raw", tag = "fleet", params(("id" = String, Path, description = "its id")),
    responses((status = 200, body = Raw), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn raw(
    State(api): State<Api>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<axum::Json<Raw>, Problem> {
    let table = api.table().await;
    let row = table.get(&id).ok_or_else(|| Problem::missing("there is no such miner"))?;
    let at = std::net::SocketAddr::new(row.miner.ip, row.miner.port);
    // It is asked by one question at a time; not by many people at once.
    let Ok(_turn) = api.0.turns.acquire().await else { return Err(Problem::busy("the service stops")) };
    let (miner, transcript) = api
        .0
        .cockpit
        .fleet
        .get_raw(&at.to_string())
        .await
        .map_err(|error| Problem::failed("it cannot be asked", &error))?;
    let Transcript { exchanges, dropped, .. } = transcript;
    Ok(axum::Json(Raw {
        exchanges: exchanges.iter().map(shown).collect(),
        truncated: dropped > 0,
        error: miner.err().map(|error| error.to_string()),
    }))
}

fn shown(exchange: &RecordedExchange) -> Exchange {
    let asked = String::from_utf8_lossy(&exchange.request);
    let is_http = asked.lines().next().is_some_and(|line| line.contains(" HTTP/1."));
    let asked = if is_http { asked.lines().next().unwrap_or_default().to_owned() } else { masked(&asked) };
    let (answered, error) = match &exchange.outcome {
        Ok(reply) => (Some(masked(&String::from_utf8_lossy(&reply.bytes))), None),
        Err(failure) => (None, Some(format!("{failure:?}"))),
    };
    Exchange {
        to: exchange.endpoint.to_string(),
        asked,
        answered,
        error,
        took_s: exchange.took.as_secs_f64(),
    }
}

/// Names whose values open something.
const SECRETS: &[&str] = &[
    "pass",
    "passwd",
    "password",
    "pwd",
    "token",
    "access_token",
    "accesstoken",
    "jwt",
    "secret",
    "key",
    "sign",
    "set-cookie",
];

/// A text without the values of JSON members and headers that open something.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        out.push_str(before);
        let inner = quoted.get(1..).unwrap_or_default();
        let Some(end) = end_of_text(inner) else {
            out.push_str(quoted);
            return out;
        };
        let (name, after) = inner.split_at(end);
        let after = after.get(1..).unwrap_or_default();
        out.push('"');
        out.push_str(name);
        out.push('"');
        rest = after;
        let is_secret = SECRETS.contains(&name.to_ascii_lowercase().as_str());
        let value = after.trim_start().strip_prefix(':').map(str::trim_start);
        if is_secret
            && let Some(value) = value.and_then(|value| value.strip_prefix('"'))
            && let Some(end) = end_of_text(value)
        {
            out.push_str(":\"…\"");
            rest = value.get(end + 1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Where a JSON text ends that has begun before.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}
