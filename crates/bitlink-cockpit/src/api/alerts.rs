//! Of what people are told: what is true now, that somebody sees to it, and that nothing is told of some for a while.

use super::overview::word;
use super::problem::Body;
use super::records::order_not_done;
use super::who::{Operator, Viewer};
use super::{Api, Problem};
use crate::clock;
use axum::extract::State;
use axum::http::StatusCode;
use bitlink_miner_manager::alerts::{Ack, AlertOrder, AlertState, ChannelKind, Maintenance, Mute, Selection};
use bitlink_miner_manager::{ChannelNow, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(alerts))
        .routes(routes!(ack))
        .routes(routes!(mute))
        .routes(routes!(unmute))
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Alerts {
    /// Whether anything is told at all.
    enabled: bool,
    /// What is true now, told or not, the worst first.
    firing: Vec<Firing>,
    /// Of whom nothing is told for some time, as people asked.
    #[schema(value_type = Vec<Object>)]
    mutes: Vec<Mute>,
    /// Times in which nothing is told of some, as the configuration has them.
    #[schema(value_type = Vec<Object>)]
    windows: Vec<Maintenance>,
    /// Ways by which people are told.
    channels: Vec<Channel>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Firing {
    /// By which it is acknowledged.
    key: String,
    rule: String,
    severity: &'static str,
    title: String,
    since_ms: Option<i64>,
    /// Of how many miners it is true, and of how many of them nothing is told: acknowledged, muted, or hidden by another alert.
    miners: usize,
    quiet: usize,
    /// Which they are, the first hundred.
    ids: Vec<String>,
    /// By what they were put together: the rack, the site.
    group: BTreeMap<String, String>,
    /// When people were told last.
    told_ms: Option<i64>,
    /// Who sees to it, with what they wrote, and until when.
    acked_by: Option<String>,
    acked_until_ms: Option<i64>,
    /// What is lost, as far as that is known.
    lost_hs: Option<f64>,
}

impl From<AlertState> for Firing {
    fn from(state: AlertState) -> Self {
        let ms = |at: Option<Timestamp>| at.map(Timestamp::as_unix_millis);
        Self {
            key: state.alert,
            rule: state.rule,
            severity: word(state.severity),
            title: state.title,
            since_ms: ms(state.since),
            miners: state.firing,
            quiet: state.quiet,
            ids: state.miners.iter().map(ToString::to_string).collect(),
            group: state.group.into_iter().collect(),
            told_ms: ms(state.told),
            acked_until_ms: ms(state.ack.as_ref().and_then(|ack| ack.until)),
            acked_by: state.ack.map(|ack| ack.note),
            lost_hs: state.lost_hs,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Channel {
    name: String,
    #[schema(value_type = String)]
    kind: ChannelKind,
    /// When it took a message last, since the service started.
    last_sent_ms: Option<i64>,
    /// Why it did not take the last one.
    failing: Option<String>,
}

/// The alerts that are true now
#[utoipa::path(get, path = "/alerts", tag = "alerts", responses((status = 200, body = Alerts), (status = 401, body = Problem)))]
async fn alerts(State(api): State<Api>, _: Viewer) -> Result<axum::Json<Alerts>, Problem> {
    let now = api.service().alerts().await.map_err(|_stopped| Problem::busy("the service stops"))?;
    let Some(now) = now else { return Ok(axum::Json(Alerts::default())) };
    let channel = |channel: ChannelNow| Channel {
        name: channel.name,
        kind: channel.kind,
        last_sent_ms: channel.last_sent.map(Timestamp::as_unix_millis),
        failing: channel.failing,
    };
    Ok(axum::Json(Alerts {
        enabled: true,
        firing: now.firing.into_iter().map(Firing::from).collect(),
        mutes: now.mutes,
        windows: now.windows,
        channels: now.channels.into_iter().map(channel).collect(),
    }))
}

/// The longest that something is not told of.
const LONGEST_S: u64 = 90 * 86_400;

fn until(seconds: u64) -> Result<Timestamp, Problem> {
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Problem::wrong("for_s", "1 s to 90 days"));
    }
    Ok(clock::now().plus(Duration::from_secs(seconds)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AckWish {
    /// As the list names it.
    key: String,
    /// For how long; until it is over where this is left out.
    for_s: Option<u64>,
    #[serde(default)]
    note: String,
}

/// Say that somebody sees to an alert: no reminders of the miners that it concerns now (operator)
#[utoipa::path(post, path = "/alerts/ack", tag = "alerts", request_body = AckWish,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn ack(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<AckWish>,
) -> Result<StatusCode, Problem> {
    let until = wish.for_s.map(until).transpose()?;
    let note = if wish.note.is_empty() { who.name } else { format!("{}: {}", who.name, wish.note) };
    let order = AlertOrder::Ack { alert: wish.key, ack: Ack::new(until, note) };
    api.service().alert(order).await.map_err(|error| order_not_done(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MuteWish {
    /// A name for it.
    name: String,
    for_s: u64,
    /// Of whom: `site`, `building`, `rack`, `model`, `label`, `miner`, each a list; of all where it is left out.
    #[serde(default)]
    #[schema(value_type = Object)]
    only: Selection,
}

/// Tell nothing of some miners for some time (operator)
#[utoipa::path(post, path = "/alerts/mute", tag = "alerts", request_body = MuteWish,
    responses((status = 204), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn mute(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<MuteWish>,
) -> Result<StatusCode, Problem> {
    let order = AlertOrder::Mute(Mute::new(wish.name.as_str(), wish.only, until(wish.for_s)?));
    api.service().alert(order).await.map_err(|error| order_not_done(&error))?;
    tracing::info!(by = who.name, name = wish.name, "nothing is told of some miners");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnmuteWish {
    name: String,
}

/// Tell again of what was muted by a name (operator)
#[utoipa::path(post, path = "/alerts/unmute", tag = "alerts", request_body = UnmuteWish,
    responses((status = 204), (status = 404, body = Problem)))]
async fn unmute(
    State(api): State<Api>,
    _: Operator,
    Body(wish): Body<UnmuteWish>,
) -> Result<StatusCode, Problem> {
    api.service().alert(AlertOrder::Unmute(wish.name)).await.map_err(|error| order_not_done(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
