//! The whole fleet as a table: any field as a column, filtered, in any order, a page of it or all of it as a file.

use super::feed::{Row, Table};
use super::problem::Params;
use super::who::Viewer;
use super::{Api, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::query::{FIELDS, Field, Filter, Kind, Sort, Value, csv_row, field};
use serde::{Deserialize, Serialize};
use serde_json::value::Number;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(fields)).routes(routes!(miners))
}

impl Api {
    /// The fleet as it is now, put together off the runtime's threads when it is not fresh.
    pub(super) async fn table(&self) -> Arc<Table> {
        let api = self.clone();
        let made = tokio::task::spawn_blocking(move || api.table_now()).await;
        made.unwrap_or_else(|_stopping| self.table_now())
    }

    fn table_now(&self) -> Arc<Table> {
        self.0.feed.table(self.service(), &self.0.happened)
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Fields {
    fields: Vec<FieldInfo>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FieldInfo {
    /// Its name as a column, in filters and orders.
    key: &'static str,
    /// Shorter names, under which a bare number in a filter is in the unit of people.
    aliases: &'static [&'static str],
    title: &'static str,
    /// The base unit.
    unit: Option<&'static str>,
    /// `text`, `enum`, `number`, `time` or `bool`.
    kind: &'static str,
    /// The words there are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    values: &'static [&'static str],
    sortable: bool,
    filterable: bool,
    description: &'static str,
}

/// All fields by which miners can be shown, filtered and put in order
#[utoipa::path(get, path = "/fields", tag = "fleet", responses((status = 200, body = Fields)))]
async fn fields(_: Viewer) -> axum::Json<Fields> {
    let info = |field: &'static Field| {
        let (kind, values): (_, &[&str]) = match field.kind {
            Kind::Text => ("text", &[]),
            Kind::Word(words) => ("enum", words),
            Kind::Number => ("number", &[]),
            Kind::Time => ("time", &[]),
            Kind::Bool => ("bool", &[]),
        };
        FieldInfo {
            key: field.key,
            aliases: field.aliases,
            title: field.title,
            unit: field.unit,
            kind,
            values,
            sortable: true,
            filterable: true,
            description: field.about,
        }
    };
    axum::Json(Fields { fields: FIELDS.iter().map(info).collect() })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Who: `status:warning chip_temp>85`; see the documentation
    filter: String,
    /// In which order: `-hashrate,address`
    sort: String,
    /// Which fields, with commas between
    columns: Option<String>,
    /// From which row on
    offset: usize,
    /// How many rows, 100,000 at most
    limit: usize,
    /// `json`, or the whole match as a file: `csv`, `ndjson`
    format: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            filter: String::new(),
            sort: String::new(),
            columns: None,
            offset: 0,
            limit: 1_000,
            format: "json".to_owned(),
        }
    }
}

const MOST_ROWS: usize = 100_000;
const MOST_COLUMNS: usize = 64;
const USUAL: &str = "id,status,address,model,hashrate_hs,hashrate_ratio,temp_celsius,power_w,efficiency_j_per_th,fan_min_rpm,uptime_s,worker,reason,last_seen_ms";

/// A page of the fleet, or all of it as a file.
#[derive(Debug, Serialize, ToSchema)]
struct Page {
    revision: u64,
    taken_at_ms: i64,
    /// Miners that are watched.
    total: usize,
    /// Miners that pass the filter.
    matched: usize,
    columns: Vec<&'static str>,
    /// The values of each row in the order of the columns; `null` is not known.
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<serde_json::Value>>,
}

pub(super) fn columns(names: Option<&str>) -> Result<Vec<&'static Field>, Problem> {
    let names = names.filter(|names| !names.trim().is_empty()).unwrap_or(USUAL);
    let fields: Vec<_> = names
        .split(',')
        .map(str::trim)
        .map(|name| {
            field(name).ok_or_else(|| {
                Problem::wrong("columns", format!("there is no field {name:?}; /api/v1/fields has all"))
            })
        })
        .collect::<Result<_, _>>()?;
    if fields.len() > MOST_COLUMNS {
        return Err(Problem::wrong("columns", format!("{MOST_COLUMNS} columns are the most")));
    }
    Ok(fields)
}

pub(super) fn filter(text: &str) -> Result<Filter, Problem> {
    Filter::parse(text).map_err(|error| Problem::wrong("filter", error.to_string()).at(error.at))
}

/// A value as JSON: whole numbers without a point.
pub(super) fn json(value: Value<'_>) -> serde_json::Value {
    /// Whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Unknown => serde_json::Value::Null,
        Value::Bool(yes) => yes.into(),
        Value::Text(text) => text.into_owned().into(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => whole(number).into(),
        Value::Number(number) => Number::from_f64(number).map_or(serde_json::Value::Null, Into::into),
    }
}

#[allow(clippy::cast_possible_truncation)] // it is whole and exact
fn whole(number: f64) -> i64 {
    number as i64
}

pub(super) fn cells(row: &Row, columns: &[&'static Field], now: Timestamp) -> Vec<serde_json::Value> {
    let subject = row.subject(now);
    columns
        .iter()
        .map(|field| if field.key == "id" { row.key.to_string().into() } else { json(field.value(&subject)) })
        .collect()
}

/// The fleet: filtered, in order, a page of it or all of it as a file
#[utoipa::path(get, path = "/miners", tag = "fleet", params(Wanted),
    responses((status = 200, body = Page), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn miners(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let filter = filter(&wanted.filter)?;
    let sort = Sort::parse(&wanted.sort).map_err(|error| Problem::wrong("sort", error.to_string()))?;
    let columns = columns(wanted.columns.as_deref())?;
    if wanted.limit > MOST_ROWS {
        return Err(Problem::wrong("limit", format!("{MOST_ROWS} rows are the most")));
    }
    if !matches!(wanted.format.as_str(), "json" | "csv" | "ndjson") {
        return Err(Problem::wrong("format", "the forms are json, csv and ndjson"));
    }
    api.off(move |api| {
        let table = api.table_now();
        let now = Timestamp::from(std::time::SystemTime::now());
        let subjects = table.rows.iter().map(|row| row.subject(now)).enumerate();
        let order = sort.order(subjects.filter(|(_, subject)| filter.matches(subject)));
        let rows = || order.iter().filter_map(|place| table.rows.get(*place));
        Ok(match wanted.format.as_str() {
            "csv" => as_csv(rows(), &columns, now),
            "ndjson" => as_ndjson(rows(), &columns, now),
            _ => axum::Json(Page {
                revision: table.revision,
                taken_at_ms: table.taken_at.as_unix_millis(),
                total: table.rows.len(),
                matched: order.len(),
                columns: columns.iter().map(|field| field.key).collect(),
                rows: rows()
                    .skip(wanted.offset)
                    .take(wanted.limit)
                    .map(|row| cells(row, &columns, now))
                    .collect(),
            })
            .into_response(),
        })
    })
    .await
}

#[allow(single_use_lifetimes, reason = "a lifetime in `impl Trait` has to have a name")]
fn as_csv<'a>(rows: impl Iterator<Item = &'a Row>, columns: &[&'static Field], now: Timestamp) -> Response {
    let mut text = String::new();
    csv_row(columns.iter().map(|field| Value::Text(field.key.into())), &mut text);
    for row in rows {
        let subject = row.subject(now);
        csv_row(columns.iter().map(|field| field.value(&subject)), &mut text);
    }
    file("text/csv; charset=utf-8", "miners.csv", text)
}

#[allow(single_use_lifetimes, reason = "a lifetime in `impl Trait` has to have a name")]
fn as_ndjson<'a>(
    rows: impl Iterator<Item = &'a Row>,
    columns: &[&'static Field],
    now: Timestamp,
) -> Response {
    let mut text = String::new();
    for row in rows {
        let object: serde_json::Map<_, _> =
            columns.iter().map(|field| field.key.to_owned()).zip(cells(row, columns, now)).collect();
        text.push_str(&serde_json::Value::Object(object).to_string());
        text.push('\n');
    }
    file("application/x-ndjson", "miners.ndjson", text)
}

/// Something to be kept as a file.
pub(super) fn file(kind: &'static str, name: &str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    response
}
