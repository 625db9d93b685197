//! Who did what to which machine, and whether anybody changed the record of it.

use super::problem::Params;
use super::who::Viewer;
use super::{Api, Problem};
use axum::extract::State;
use bitlink_miner_manager::control::{AuditLine, AuditLog};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(lines)).routes(routes!(verify))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// So many lines, 2,000 at most
    limit: usize,
    /// Those before this number
    before: Option<u64>,
    /// Only those of this plan
    plan: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { limit: 200, before: None, plan: None }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Lines {
    /// The newest first, as they are kept, but without the readings before and after.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<serde_json::Value>,
}

/// The last lines of the audit log
#[utoipa::path(get, path = "/audit", tag = "audit", params(Wanted),
    responses((status = 200, body = Lines), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn lines(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<Wanted>,
) -> Result<axum::Json<Lines>, Problem> {
    if !(1..=2_000).contains(&wanted.limit) {
        return Err(Problem::wrong("limit", "1 to 2,000"));
    }
    api.off(move |api| {
        let failed = |error| Problem::failed("the audit log cannot be read", &error);
        let mut last: VecDeque<AuditLine> = VecDeque::new();
        for line in AuditLog::in_dir(&api.0.cockpit.data).lines().map_err(failed)? {
            let line = line.map_err(failed)?;
            if wanted.before.is_some_and(|before| line.seq >= before) {
                break;
            }
            let is_meant = wanted
                .plan
                .as_deref()
                .is_none_or(|plan| line.event.plan().is_some_and(|of| of.as_str() == plan));
            if is_meant {
                last.push_back(line);
                if last.len() > wanted.limit {
                    last.pop_front();
                }
            }
        }
        let shown = |line: &AuditLine| {
            let mut value = serde_json::to_value(line).ok()?;
            if let Some(object) = value.as_object_mut() {
                object.remove("before");
                object.remove("after");
                object.remove("prev");
            }
            Some(value)
        };
        Ok(axum::Json(Lines { lines: last.iter().rev().filter_map(shown).collect() }))
    })
    .await
}

#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    /// Whether nobody has changed it.
    ok: bool,
    lines: u64,
    /// The hash of the last line.
    last: Option<String>,
    /// What is wrong, the first hundred.
    faults: Vec<Fault>,
    /// How many more are wrong.
    more: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Fault {
    line: u64,
    what: String,
}

/// Check the whole chain of the audit log
#[utoipa::path(get, path = "/audit/verify", tag = "audit", responses((status = 200, body = Verdict), (status = 401, body = Problem)))]
async fn verify(State(api): State<Api>, _: Viewer) -> Result<axum::Json<Verdict>, Problem> {
    api.off(|api| {
        let found = AuditLog::in_dir(&api.0.cockpit.data)
            .verify()
            .map_err(|error| Problem::failed("the audit log cannot be read", &error))?;
        let faults: Vec<_> =
            found.faults.iter().map(|fault| Fault { line: fault.line, what: fault.what.clone() }).collect();
        Ok(axum::Json(Verdict {
            ok: faults.is_empty(),
            lines: found.lines,
            last: found.last,
            faults,
            more: found.more,
        }))
    })
    .await
}
