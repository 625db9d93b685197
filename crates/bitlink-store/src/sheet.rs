//! Positions, labels and notes as a sheet: CSV with a header, which people fill in with a spreadsheet and give back.
//!
//! A line names a machine by `id`, `mac_address`, `serial` or `ip` (whichever are given must mean the same one) and says where
//! it stands and what is written about it. **A column that is not there, and a cell that is empty, leave things as they are; a
//! cell with a lone `-` clears.** Several labels have semicolons between them. What an export writes, an import takes back
//! without changing anything. [`read`] gives values, and applies nothing.

use bitlink_model::{Edit, LabelEdit, Mac, MinerId, MinerRecord, RecordEdit};
use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};

/// The columns of an export. Other programs rely on their names; new ones are added at the end.
pub const COLUMNS: &[&str] = &[
    "id",
    "mac_address",
    "serial",
    "ip",
    "make",
    "model",
    "hostname",
    "site",
    "building",
    "rack",
    "shelf",
    "slot",
    "labels",
    "notes",
    "first_seen_ms",
    "last_seen_ms",
    "port",
];

const KEYS: &[&str] = &["id", "mac_address", "serial", "ip"];
const WRITTEN: &[&str] = &["site", "building", "rack", "shelf", "slot", "labels", "notes"];
/// Largest sheet that is read, in bytes: a million lines.
const LARGEST: u64 = 1 << 28;

/// Why a sheet cannot be read as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// The file could not be read.
    #[error("the sheet cannot be read")]
    Read(#[source] io::Error),
    /// User: a header that is not understood. Nothing else was looked at.
    #[error("line 1: {0}")]
    Header(String),
    /// User: larger than anybody's farm.
    #[error("the sheet is larger than {} MiB", LARGEST >> 20)]
    TooLong,
}

/// A line that cannot be used, and why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineError {
    /// The line of the file, the header being 1. Where a cell has line ends in it, the line where the row begins.
    pub line: u64,
    /// What is wrong, in words.
    pub what: String,
}

/// One line: which machine, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line of the file.
    pub line: u64,
    /// By what the machine is named.
    pub key: RowKey,
    /// What is to change.
    pub edit: RecordEdit,
}

/// By what a line names its machine. At least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of a record")]
pub struct RowKey {
    pub id: Option<MinerId>,
    pub mac: Option<Mac>,
    pub serial: Option<String>,
    pub ip: Option<IpAddr>,
    pub port: Option<u16>,
}

impl RowKey {
    /// Where it is said to answer; without a port at any.
    pub fn is_at(&self, endpoint: SocketAddr) -> bool {
        self.ip == Some(endpoint.ip()) && self.port.is_none_or(|port| port == endpoint.port())
    }
}

/// A sheet, line by line.
pub type Rows = Vec<Result<Row, LineError>>;

/// Reads a sheet. Lines that cannot be used stand among the others as errors.
///
/// # Errors
/// [`SheetError`] where the header or the file is no use at all.
pub fn read(from: impl io::Read) -> Result<Rows, SheetError> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(SheetError::Read)?;
    if bytes.len() as u64 > LARGEST {
        return Err(SheetError::TooLong);
    }
    let mut reader = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(bytes.as_slice());
    let header = reader.headers().map_err(sheet_error)?.clone();
    let columns = columns(&header)?;
    let mut lines = Lines { bytes: &bytes, at: 0, line: 1 };
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            // Spreadsheets leave empty lines at the end.
            Ok(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => {}
            Ok(cells) => {
                let line = lines.of(cells.position());
                rows.push(row(line, &columns, &cells).map_err(|what| LineError { line, what }));
            }
            Err(error) => {
                let line = lines.of(error.position());
                let what = match error.into_kind() {
                    csv::ErrorKind::Io(error) => return Err(SheetError::Read(error)),
                    csv::ErrorKind::Utf8 { .. } => "a text that is not UTF-8".to_owned(),
                    other => format!("{other:?}"),
                };
                rows.push(Err(LineError { line, what }));
            }
        }
    }
    Ok(rows)
}

/// Counts lines as editors do, up to where a row begins; rows are asked for in their order.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let begin = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        // A row is said to begin where the last one ended: before what is left of its line end, and before empty lines.
        let rest = self.bytes.get(begin..).unwrap_or_default();
        let begin = begin + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.bytes.get(self.at..begin).unwrap_or_default();
        self.line += (passed.split(|byte| *byte == b'\n').count() - 1) as u64;
        self.at = self.at.max(begin);
        self.line
    }
}

fn sheet_error(error: csv::Error) -> SheetError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => SheetError::Read(error),
        csv::ErrorKind::Utf8 { .. } => SheetError::Header("a text that is not UTF-8".to_owned()),
        other => SheetError::Header(format!("{other:?}")),
    }
}

/// Which column is what. Every name must be known, and stand once.
fn columns(header: &StringRecord) -> Result<Vec<&'static str>, SheetError> {
    let mut found: Vec<&'static str> = Vec::new();
    for (index, name) in header.iter().enumerate() {
        // What some spreadsheets put before a file in UTF-8.
        let name = if index == 0 { name.trim_start_matches('\u{feff}') } else { name };
        let name = name.trim();
        let known = COLUMNS.iter().find(|known| **known == name).ok_or_else(|| {
            SheetError::Header(format!("there is no column {name:?}; there are {}", COLUMNS.join(", ")))
        })?;
        if found.contains(known) {
            return Err(SheetError::Header(format!("the column {name} is there twice")));
        }
        found.push(known);
    }
    let has = |names: &[&str]| names.iter().any(|name| found.contains(name));
    if !has(KEYS) {
        return Err(SheetError::Header(format!(
            "no column names a machine: one of {} is needed",
            KEYS.join(", ")
        )));
    }
    if !has(WRITTEN) {
        let needed = WRITTEN.join(", ");
        return Err(SheetError::Header(format!(
            "no column says anything of a machine: one of {needed} is needed"
        )));
    }
    Ok(found)
}

fn row(line: u64, columns: &[&'static str], cells: &StringRecord) -> Result<Row, String> {
    if cells.len() != columns.len() {
        return Err(format!("{} cells, and the header has {}", cells.len(), columns.len()));
    }
    let mut key = RowKey::default();
    let mut edit = RecordEdit::default();
    for (name, cell) in columns.iter().zip(cells) {
        let bare = cell.trim();
        if bare.is_empty() {
            continue;
        }
        let text = unguarded(cell);
        let wrong = |what: &str| format!("{name} {bare:?} is {what}");
        match *name {
            "id" => {
                let id = u64::from_str_radix(bare, 16).ok().filter(|_| bare.len() == 16);
                key.id = Some(MinerId::from_u64(id.ok_or_else(|| wrong("not 16 hexadecimal digits"))?));
            }
            "mac_address" => {
                key.mac =
                    Some(bare.parse().map_err(|_: bitlink_model::MacError| wrong("no hardware address"))?);
            }
            "serial" => key.serial = Some(text.trim().to_owned()),
            "ip" => key.ip = Some(bare.parse().map_err(|_: std::net::AddrParseError| wrong("no address"))?),
            "port" => key.port = Some(bare.parse().map_err(|_: std::num::ParseIntError| wrong("no port"))?),
            "site" => edit.site = part(cell),
            "building" => edit.building = part(cell),
            "rack" => edit.rack = part(cell),
            "shelf" => edit.shelf = part(cell),
            "slot" => edit.slot = part(cell),
            "notes" => edit.notes = part(cell),
            "labels" => {
                edit.labels = match part(cell) {
                    Edit::Keep => LabelEdit::Keep,
                    Edit::Clear => LabelEdit::Replace(BTreeSet::new()),
                    Edit::Set(text) => LabelEdit::Replace(
                        text.split(';')
                            .map(str::trim)
                            .filter(|label| !label.is_empty())
                            .map(str::to_owned)
                            .collect(),
                    ),
                };
            }
            // What a miner says of itself is not changed by a sheet.
            _ => {}
        }
    }
    if key == (RowKey { port: key.port, ..RowKey::default() }) {
        return Err("no machine is named".to_owned());
    }
    Ok(Row { line, key, edit })
}

fn part(cell: &str) -> Edit<String> {
    if cell.trim() == "-" { Edit::Clear } else { Edit::Set(unguarded(cell).trim().to_owned()) }
}

/// Characters with which a spreadsheet takes a text for a formula.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// Whether a spreadsheet takes a text for a formula, whatever spaces and apostrophes stand before it.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\'').starts_with(FORMULA)
}

/// A text with an apostrophe before it where a spreadsheet would take it for a formula, or where it would be taken for such
/// a text when it comes back.
fn guarded(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

/// Writes a sheet of machines.
///
/// # Errors
/// Those of the writer.
pub fn write(
    to: impl io::Write,
    records: impl IntoIterator<Item: Borrow<MinerRecord>>,
) -> Result<(), io::Error> {
    // RFC 4180 ends lines so.
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(to);
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    };
    writer.write_record(COLUMNS).map_err(failed)?;
    for record in records {
        writer.write_record(cells(record.borrow())).map_err(failed)?;
    }
    writer.flush()
}

fn cells(record: &MinerRecord) -> [String; 17] {
    let identity = &record.identity;
    let position = &record.position;
    let ours = |text: Option<&String>| text.map(|text| guarded(text)).unwrap_or_default();
    let theirs = |text: Option<&str>| text.map(|text| guarded(&printable(text))).unwrap_or_default();
    let endpoint = record.last_endpoint();
    [
        record.id.to_string(),
        record.mac().map(|mac| mac.to_string()).unwrap_or_default(),
        theirs(record.serial()),
        endpoint.map(|endpoint| endpoint.ip().to_string()).unwrap_or_default(),
        theirs(identity.make.as_ref().map(bitlink_model::Make::as_str)),
        theirs(identity.model.as_deref()),
        theirs(identity.hostname.as_deref()),
        ours(position.site.as_ref()),
        ours(position.building.as_ref()),
        ours(position.rack.as_ref()),
        ours(position.shelf.as_ref()),
        ours(position.slot.as_ref()),
        guarded(&record.labels.iter().map(String::as_str).collect::<Vec<_>>().join(";")),
        guarded(&record.notes),
        record.first_seen.as_unix_millis().to_string(),
        record.last_seen.as_unix_millis().to_string(),
        endpoint.map(|endpoint| endpoint.port().to_string()).unwrap_or_default(),
    ]
}

/// A miner's text with whatever could do harm in it made visible.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let harmless = !c.is_control()
            && !matches!(c, '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        if harmless { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    out
}

#[cfg(test)]
mod tests;
