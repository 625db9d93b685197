//! The whole fleet as a table: any field as a column, filtered, in any order, a page of it or all of it as a file.

#![allow(
    single_use_lifetimes,
    reason = "a derived schema uses one once, and in `impl Trait` it has to have a name"
)]

use super::feed::{Row, Table};
use super::overview::Overview;
use super::pieces::{Packer, Packing};
use super::problem::Params;
use super::who::Viewer;
use super::{Api, Problem};
use crate::clock;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::query::{FIELDS, Field, Filter, Kind, Sort, Subject, Value, csv_row, field};
use rayon::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
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
    rows: [(); 0],
}

impl Page<'_> {
    /// What comes before the rows and what after them: those are written by themselves, and an empty list holds their place.
    fn around(&self) -> serde_json::Result<(String, &'static str)> {
        const AFTER: &str = "]}";
        let mut before = serde_json::to_string(self)?;
        before.truncate(before.len().saturating_sub(AFTER.len()));
        Ok((before, AFTER))
    }
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
        let (row, now) = (self.row, self.now);
        self.columns.iter().map(move |field| row.value(field, now))
    }
}

/// The values in the order of the columns.
impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values())
    }
}

/// Values by their names.
struct Named<'a>(&'a [&'static Field], &'a [Value<'a>]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|field| field.key).zip(self.1))
    }
}

/// The fleet: filtered, in order, a page of it or all of it as a file
#[utoipa::path(get, path = "/miners", tag = "fleet", params(Wanted),
    responses((status = 200, body = Page<'_>), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn miners(
    State(api): State<Api>,
    _: Viewer,
    Params(wanted): Params<Wanted>,
    headers: HeaderMap,
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
    let accepted = Packing::of(&headers);
    api.off(move |api| {
        let table = api.table_now();
        let now = clock::now();
        let mut rows = order(&table, &filter, &sort, now);
        let matched = rows.len();
        if wanted.format == "json" {
            rows = rows.into_iter().skip(wanted.offset).take(wanted.limit).collect();
        }
        // What is small is packed on its way out, as every answer is.
        let packing = if rows.len() > PIECE { accepted } else { Packing::Plain };
        let sheet = Sheet { rows: &rows, columns: &columns, now, packing };
        match wanted.format.as_str() {
            "csv" => sheet.csv(),
            "ndjson" => sheet.lines(),
            _ => sheet.page(&Page {
                revision: table.revision,
                taken_at_ms: table.taken_at.as_unix_millis(),
                total: table.rows.len(),
                matched,
                columns: &columns.iter().map(|field| field.key).collect::<Vec<_>>(),
                rows: [],
            }),
        }
    })
    .await
}

/// Rows that one processor takes at a time.
const PIECE: usize = 512;
/// Rows that are looked at together: what is known of a machine lies in many places of the memory, and is fetched for several
/// machines at once when all are asked one thing before the next. Few enough for all of it to stay near the processor.
const TOGETHER: usize = 64;

/// The rows that pass, in order: found and compared on all processors.
fn order<'a>(table: &'a Table, filter: &Filter, sort: &Sort, now: Timestamp) -> Vec<&'a Row> {
    let mut placed: Vec<_> = table
        .rows
        .par_chunks(TOGETHER)
        .enumerate()
        .with_min_len(PIECE / TOGETHER)
        .flat_map_iter(|(chunk, rows)| {
            let subjects: Vec<_> = rows.iter().map(|row| row.subject_for(filter, now)).collect();
            let passing = filter.pass(&subjects);
            let place = move |(place, (passes, subject)): (usize, (bool, Subject<'a>))| {
                passes.then(|| sort.place(chunk * TOGETHER + place, &subject))
            };
            passing.into_iter().zip(subjects).enumerate().filter_map(place)
        })
        .collect();
    placed.par_sort_unstable_by(|a, b| sort.compare(a, b));
    placed.iter().filter_map(|placed| table.rows.get(placed.place())).collect()
}

/// Rows and columns that are to be written.
struct Sheet<'a> {
    rows: &'a [&'a Row],
    columns: &'a [&'static Field],
    now: Timestamp,
    packing: Packing,
}

impl Sheet<'_> {
    fn csv(&self) -> Result<Response, Problem> {
        let names: Vec<_> = self.columns.iter().map(|field| Value::Text(field.key.into())).collect();
        let mut head = String::new();
        csv_row(&names, &mut head);
        let rows = |row: &[Value<'_>], _, text: &mut String| csv_row(row, text);
        Ok(kept_as("miners.csv", self.written("text/csv; charset=utf-8", head, rows, "")?))
    }

    fn lines(&self) -> Result<Response, Problem> {
        let rows = |row: &[Value<'_>], _, text: &mut Vec<u8>| {
            // Neither can writing to memory fail, nor has a row a name that is no text.
            let _ = serde_json::to_writer(&mut *text, &Named(self.columns, row));
            text.push(b'\n');
        };
        let answer = self.written("application/x-ndjson", String::new(), rows, "")?;
        Ok(kept_as("miners.ndjson", answer))
    }

    fn page(&self, page: &Page<'_>) -> Result<Response, Problem> {
        let failed = |error| Problem::failed("the answer could not be written", &error);
        let (before, after) = page.around().map_err(failed)?;
        let rows = |row: &[Value<'_>], is_first: bool, text: &mut Vec<u8>| {
            if !is_first {
                text.push(b',');
            }
            // Writing to memory cannot fail.
            let _ = serde_json::to_writer(text, row);
        };
        self.written("application/json", before, rows, after)
    }

    /// The whole answer; its rows are written and packed on all processors, some hundred at a time.
    fn written<T: Default + Into<Vec<u8>>>(
        &self,
        kind: &'static str,
        before: String,
        write: impl Fn(&[Value<'_>], bool, &mut T) + Sync,
        after: &str,
    ) -> Result<Response, Problem> {
        let piece = |packer: &mut Packer, (nth, rows): (usize, &[&Row])| {
            let mut text = T::default();
            let mut is_first = nth == 0;
            for together in rows.chunks(TOGETHER) {
                for row in self.values(together).chunks(self.columns.len().max(1)) {
                    write(row, is_first, &mut text);
                    is_first = false;
                }
            }
            packer.piece(text)
        };
        let packer = || self.packing.packer();
        let rows =
            self.rows.par_chunks(PIECE).enumerate().map_init(packer, piece).collect::<Result<Vec<_>, _>>();
        let mut packer = packer();
        let around = packer.piece(before).and_then(|before| Ok((before, packer.piece(after)?)));
        match rows.and_then(|rows| Ok((rows, around?))) {
            Ok((rows, (before, after))) => {
                Ok(self.packing.answer(kind, once(before).chain(rows).chain(once(after))))
            }
            Err(error) => Err(Problem::failed("the answer could not be packed", &error)),
        }
    }

    /// The values of rows, one row after the other, looked up one field after the other.
    fn values<'a>(&self, rows: &[&'a Row]) -> Vec<Value<'a>> {
        let mut values = vec![Value::Unknown; rows.len() * self.columns.len()];
        for (place, field) in self.columns.iter().enumerate() {
            let cells = values.iter_mut().skip(place).step_by(self.columns.len());
            for (cell, row) in cells.zip(rows) {
                *cell = row.value(field, self.now);
            }
        }
        values
    }
}

/// Something to be kept as a file.
pub(super) fn file(kind: &'static str, name: &str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    kept_as(name, response)
}

/// An answer that is to be kept as a file.
fn kept_as(name: &str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
#[allow(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime only")]
mod tests {
    use super::super::feed::Key;
    use super::*;
    use axum::body::to_bytes;
    use bitlink_miner_manager::Miner;
    use flate2::read::GzDecoder;
    use serde_json::Value as Json;
    use std::io::Read;

    const COLUMNS: &[&str] = &["id", "status", "address", "model", "fan_rpm"];

    fn rows(many: u32) -> Vec<Row> {
        let row = |n: u32| {
            let miner = Arc::new(Miner::unheard(std::net::Ipv4Addr::from(0x0a00_0000 + n).into(), 4028));
            Row::new(Key { id: miner.id, twin: n }, &miner, 1)
        };
        (0..many).map(row).collect()
    }

    /// An answer as it is written plainly; packed it has to be the same.
    async fn told(
        rows: &[Row],
        answer: impl Fn(&Sheet<'_>) -> Result<Response, Problem>,
    ) -> (Response, String) {
        let rows: Vec<&Row> = rows.iter().collect();
        let columns: Vec<_> = COLUMNS.iter().map(|name| field(name).unwrap()).collect();
        let mut texts = Vec::new();
        for packing in [Packing::Gzip, Packing::Plain] {
            let sheet =
                Sheet { rows: &rows, columns: &columns, now: Timestamp::from_unix_millis(0), packing };
            let (head, body) = answer(&sheet).unwrap().into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let mut text = String::new();
            if packing == Packing::Gzip {
                assert_eq!(head.headers[header::CONTENT_ENCODING], "gzip");
                GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
            } else {
                assert!(!head.headers.contains_key(header::CONTENT_ENCODING));
                text.push_str(std::str::from_utf8(&body).unwrap());
            }
            texts.push((Response::from_parts(head, Body::empty()), text));
        }
        let plain = texts.pop().unwrap();
        assert!(texts.pop().unwrap().1 == plain.1);
        plain
    }

    #[tokio::test]
    async fn a_large_sheet_has_every_row_once_and_in_order() {
        for many in [0, 1, 64, 65, 512, 513, 2_000] {
            let rows = rows(many);
            let id = |n: usize| rows[n].key.to_string();
            let page = Page {
                revision: 7,
                taken_at_ms: 1,
                total: 5_000,
                matched: rows.len(),
                columns: COLUMNS,
                rows: [],
            };
            let (head, text) = told(&rows, |sheet| sheet.page(&page)).await;
            assert_eq!(head.headers()[header::CONTENT_TYPE], "application/json");
            let page: Json = serde_json::from_str(&text).unwrap();
            assert_eq!((&page["total"], &page["matched"]), (&Json::from(5_000), &Json::from(many)));
            assert_eq!(page["columns"], Json::from(COLUMNS));
            let cells = page["rows"].as_array().unwrap();
            assert_eq!(cells.len(), rows.len());
            assert!(cells.iter().enumerate().all(|(n, row)| row[0] == id(n).as_str() && row[4].is_null()));

            let (head, text) = told(&rows, |sheet| sheet.csv()).await;
            assert_eq!(head.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"miners.csv\"");
            let lines: Vec<_> = text.split_terminator("\r\n").collect();
            assert_eq!((lines[0], lines.len()), (COLUMNS.join(",").as_str(), rows.len() + 1));
            assert!(
                lines[1..].iter().enumerate().all(|(n, line)| line.starts_with(&(id(n) + ",scanning,10.")))
            );

            let (_, text) = told(&rows, |sheet| sheet.lines()).await;
            assert_eq!(text.lines().count(), rows.len());
            for (n, line) in text.lines().enumerate() {
                let row: Json = serde_json::from_str(line).unwrap();
                assert_eq!((&row["id"], &row["status"]), (&Json::from(id(n)), &Json::from("scanning")));
            }
        }
    }
}
