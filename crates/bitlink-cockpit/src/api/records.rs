//! What people write of machines: places, labels, notes; and that a machine is forgotten.

use super::problem::Body;
use super::who::Operator;
use super::{Api, Problem};
use axum::extract::State;
use bitlink_miner_manager::{AmendError, RegistryFailure, sheet_edits};
use bitlink_model::{Edit, LabelEdit, MinerId, RecordEdit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(change, forget)).routes(routes!(import)).routes(routes!(export))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    ids: Vec<String>,
    edit: Written,
}

/// What becomes of what is written: what is left out stays, `null` or an empty text becomes unknown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    site: Edit<String>,
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    building: Edit<String>,
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    rack: Edit<String>,
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    shelf: Edit<String>,
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    slot: Edit<String>,
    #[serde(deserialize_with = "edit")]
    #[schema(value_type = Option<String>)]
    notes: Edit<String>,
    labels_add: BTreeSet<String>,
    labels_remove: BTreeSet<String>,
}

fn edit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Edit<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(match text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
        Some(text) => Edit::Set(text),
        None => Edit::Clear,
    })
}

impl From<Written> for RecordEdit {
    fn from(written: Written) -> Self {
        let Written { site, building, rack, shelf, slot, notes, labels_add: add, labels_remove: remove } =
            written;
        let labels = if add.is_empty() && remove.is_empty() {
            LabelEdit::Keep
        } else {
            LabelEdit::Change { add, remove }
        };
        Self { site, building, rack, shelf, slot, labels, notes }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Changed {
    changed: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct Forgotten {
    forgotten: usize,
}

/// Most machines that one order is about.
const MOST: usize = 100_000;

fn ids(texts: &[String]) -> Result<Vec<MinerId>, Problem> {
    if texts.is_empty() || texts.len() > MOST {
        return Err(Problem::wrong("ids", format!("1 to {MOST} machines")));
    }
    let parse = |text: &String| {
        let bare = text.split('~').next().unwrap_or(text);
        bare.parse().map_err(|_no_id| Problem::wrong("ids", format!("{text:?} is no id of a miner")))
    };
    texts.iter().map(parse).collect()
}

/// Why an order is not done, in the words of HTTP.
pub(super) fn order_not_done(error: &AmendError) -> Problem {
    match error {
        AmendError::Registry(error) => Problem::wrong("ids", error.to_string()),
        AmendError::ReadOnly => Problem::conflict(error.to_string()),
        AmendError::Alert(error) => Problem::missing(error.to_string()),
        AmendError::Stopped => Problem::busy(error.to_string()),
        _ => Problem::failed("it cannot be kept", error),
    }
}

/// Write places, labels and notes of machines: all of them or none (operator)
#[utoipa::path(patch, path = "/miners", tag = "fleet", request_body = Change,
    responses((status = 200, body = Changed), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn change(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<Change>,
) -> Result<axum::Json<Changed>, Problem> {
    let edit = RecordEdit::from(wish.edit);
    let edits = ids(&wish.ids)?.into_iter().map(|id| (id, edit.clone())).collect();
    let changed = api.service().amend(edits, Vec::new()).await.map_err(|error| order_not_done(&error))?;
    tracing::info!(by = who.name, changed, "places, labels or notes were written");
    api.0.feed.stir();
    Ok(axum::Json(Changed { changed }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forget {
    ids: Vec<String>,
}

/// Forget machines: they are not watched any more until they are met again (operator)
#[utoipa::path(delete, path = "/miners", tag = "fleet", request_body = Forget,
    responses((status = 200, body = Forgotten), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn forget(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<Forget>,
) -> Result<axum::Json<Forgotten>, Problem> {
    let forgotten =
        api.service().amend(Vec::new(), ids(&wish.ids)?).await.map_err(|error| order_not_done(&error))?;
    tracing::info!(by = who.name, forgotten, "miners were forgotten");
    api.0.feed.stir();
    Ok(axum::Json(Forgotten { forgotten }))
}

#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// Lines that were read.
    lines: usize,
    /// Machines that are different now.
    changed: usize,
}

/// Take places, labels and notes from a sheet (CSV, as `bitlink fleet export` writes it): all of it or nothing (operator)
#[utoipa::path(post, path = "/miners/import", tag = "fleet", request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Taken), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn import(
    State(api): State<Api>,
    Operator(who): Operator,
    sheet: String,
) -> Result<axum::Json<Taken>, Problem> {
    let edits = api
        .off(move |api| {
            let read = api.service().with_registry(|registry| sheet_edits(registry, sheet.as_bytes()));
            read.map_err(|error| match &error {
                RegistryFailure::Sheet(_) | RegistryFailure::Lines { .. } => {
                    Problem::wrong("body", super::problem::chain(&error))
                }
                _ => Problem::failed("the sheet cannot be read", &error),
            })
        })
        .await?;
    let lines = edits.len();
    let changed = api.service().amend(edits, Vec::new()).await.map_err(|error| order_not_done(&error))?;
    tracing::info!(by = who.name, lines, changed, "places were taken from a sheet");
    api.0.feed.stir();
    Ok(axum::Json(Taken { lines, changed }))
}

/// Places, labels and notes as a sheet (CSV), as `bitlink fleet import` takes it
#[utoipa::path(get, path = "/miners/export", tag = "fleet", responses((status = 200, content_type = "text/csv")))]
async fn export(State(api): State<Api>, _: super::who::Viewer) -> Result<axum::response::Response, Problem> {
    api.off(|api| {
        let mut text = Vec::new();
        let records: Vec<_> = api.service().with_registry(|registry| registry.records().cloned().collect());
        bitlink_miner_manager::store::sheet::write(&mut text, records.iter().map(AsRef::as_ref))
            .map_err(|error| Problem::failed("the sheet cannot be written", &error))?;
        Ok(super::fleet::file(
            "text/csv; charset=utf-8",
            "places.csv",
            String::from_utf8_lossy(&text).into_owned(),
        ))
    })
    .await
}
