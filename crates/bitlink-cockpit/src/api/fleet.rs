//! The whole fleet as a table: any field as a column, filtered, in any order, a page of it or all of it as a file.

#![allow(
    single_use_lifetimes,
    reason = "a derived schema uses one once, and in `impl Trait` it has to have a name"
)]

use super::feed::{Row, Table};
use super::overview::Overview;
use super::problem::Params;
use super::who::Viewer;
use super::{Api, Problem};
use crate::clock;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::query::{FIELDS, Field, Filter, Kind, Sort, Value, csv_row, field};
use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
use std::convert::Infallible;
use std::iter::once;
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

    /// Its sums, which go through all of it and are made off the runtime's threads too.
    pub(super) async fn overview(&self, table: &Arc<Table>) -> Arc<Overview> {
        let (api, of) = (self.clone(), Arc::clone(table));
        let made = tokio::task::spawn_blocking(move || of.overview(&api)).await;
        made.unwrap_or_else(|_stopping| table.overview(self))
    }

    fn table_now(&self) -> Arc<Table> {
        self.0.feed.table(self.service())
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
struct Page<'a> {
    revision: u64,
    taken_at_ms: i64,
    /// Miners that are watched.
    total: usize,
    /// Miners that pass the filter.
    matched: usize,
    columns: &'a [&'static str],
    /// The values of each row in the order of the columns; `null` is not known.
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Cells<'a>>,
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

/// What a row shows, written straight from what is known: a large fleet has a million cells.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    pub(super) row: &'a Row,
    pub(super) columns: &'a [&'static Field],
    pub(super) now: Timestamp,
}

impl<'a> Cells<'a> {
    fn values(&self) -> impl Iterator<Item = Value<'a>> {
        let (row, subject) = (self.row, self.row.subject(self.now));
        self.columns.iter().map(move |field| match field.key {
            "id" => Value::Text(row.key.to_string().into()),
            _ => field.value(&subject),
        })
    }
}

/// The values in the order of the columns.
impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values())
    }
}

/// The values by their names.
struct Named<'a>(Cells<'a>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.columns.iter().map(|field| field.key).zip(self.0.values()))
    }
}

/// The fleet: filtered, in order, a page of it or all of it as a file
#[utoipa::path(get, path = "/miners", tag = "fleet", params(Wanted),
    responses((status = 200, body = Page<'_>), (status = 401, body = Problem), (status = 422, body = Problem)))]
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
        let now = clock::now();
        let rows = order(&table, &filter, &sort, now);
        let cells = |row| Cells { row, columns: &columns, now };
        Ok(match wanted.format.as_str() {
            "csv" => {
                let mut head = String::new();
                csv_row(columns.iter().map(|field| Value::Text(field.key.into())), &mut head);
                let rows = in_pieces(&rows, |row, text: &mut String| csv_row(cells(row).values(), text));
                file("text/csv; charset=utf-8", "miners.csv", whole(once(head).chain(rows)))
            }
            "ndjson" => {
                let rows = in_pieces(&rows, |row, text: &mut Vec<u8>| {
                    // Neither can writing to memory fail, nor has a row a name that is no text.
                    let _ = serde_json::to_writer(&mut *text, &Named(cells(row)));
                    text.push(b'\n');
                });
                file("application/x-ndjson", "miners.ndjson", whole(rows))
            }
            _ => axum::Json(Page {
                revision: table.revision,
                taken_at_ms: table.taken_at.as_unix_millis(),
                total: table.rows.len(),
                matched: rows.len(),
                columns: &columns.iter().map(|field| field.key).collect::<Vec<_>>(),
                rows: rows.into_iter().skip(wanted.offset).take(wanted.limit).map(cells).collect(),
            })
            .into_response(),
        })
    })
    .await
}

/// Rows that one processor takes at a time.
const PIECE: usize = 512;

/// The rows that pass, in order: found and compared on all processors.
fn order<'a>(table: &'a Table, filter: &Filter, sort: &Sort, now: Timestamp) -> Vec<&'a Row> {
    let place = |(place, row): (usize, &'a Row)| {
        let subject = row.subject(now);
        filter.matches(&subject).then(|| sort.place(place, &subject))
    };
    let mut placed: Vec<_> =
        table.rows.par_iter().enumerate().with_min_len(PIECE).filter_map(place).collect();
    placed.par_sort_unstable_by(|a, b| sort.compare(a, b));
    placed.iter().filter_map(|placed| table.rows.get(placed.place())).collect()
}

/// Rows as texts, each of some hundred of them, written on all processors.
fn in_pieces<'a, T: Default + Send>(rows: &[&'a Row], write: impl Fn(&'a Row, &mut T) + Sync) -> Vec<T> {
    let piece = |rows: &[&'a Row]| {
        let mut text = T::default();
        for row in rows {
            write(row, &mut text);
        }
        text
    };
    rows.par_chunks(PIECE).map(piece).collect()
}

/// Pieces as one body, without putting them together in memory.
fn whole(pieces: impl IntoIterator<Item = impl Into<Bytes>>) -> Body {
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok::<_, Infallible>(piece.into())).collect();
    Body::from_stream(futures::stream::iter(pieces))
}

/// Something to be kept as a file.
pub(super) fn file(kind: &'static str, name: &str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    response
}
