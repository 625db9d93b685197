//! `docs/hardware.md`: what is read of each firmware family, and how well that is known. Written from the snapshots of the
//! fixtures, so that it says what the code does and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// What it writes.
pub(crate) const DOCUMENT: &str = "docs/hardware.md";
/// The snapshots that the protocol crate's tests keep, one to a fixture.
const SNAPSHOTS: &str = "crates/bitlink-protocol/src/dialects/snapshots";
/// What each family can be told, as the protocol crate's tests keep it.
const COMMANDS: &str = "crates/bitlink-protocol/src/dialects/commands/capabilities.snap";
/// Where the shapes of the fixtures come from, family by family.
const SOURCES: &str = "crates/bitlink-protocol/fixtures/sources.tsv";
/// Where other people's clients read the same as ours, as `cargo xtask interop --write` found it.
const PEERS: &str = "xtask/interop/agreed.tsv";
/// What the fields of that file are called here.
const PEERS_FIELDS: [(&str, &str); 12] = [
    ("model", "model"),
    ("mac", "MAC"),
    ("firmware", "firmware"),
    ("ths", "rate now"),
    ("boards", "boards"),
    ("chips", "chips"),
    ("board_c", "board °C"),
    ("chip_c", "chip °C"),
    ("fans", "fans"),
    ("power_w", "power"),
    ("pools", "pools"),
    ("uptime", "uptime"),
];

/// A table of the document: its title and its columns, each with the places in a snapshot that fill it.
const TABLES: [(&str, &[Column]); 4] = [
    (
        "Who it is",
        &[
            Column::of("model", &["identity.model"]),
            Column::of("MAC", &["identity.mac_address"]),
            Column::of("serial", &["identity.serial", "identity.control_board_serial"]),
            Column::of("host name", &["identity.hostname"]),
            Column::of("firmware", &["identity.firmware.version"]),
            Column::of("control board", &["identity.control_board"]),
            Column::of("light", &["light_on"]),
        ],
    ),
    (
        "What it does",
        &[
            Column::of("rate now", &["hashrate.realtime_hs", "hashrate.one_minute_hs"]),
            Column::of("average", &["hashrate.average_hs"]),
            Column::of("expected", &["hashrate.expected_hs"]),
            Column::of("state", &["mining_state"]),
            Column::of("uptime", &["uptime_s", "elapsed_s"]),
            Column::of("shares", &["shares.accepted"]),
            Column::of("pools", &["pools.url"]),
            Column::of("mode", &["tuning.mode"]),
            Column::of("faults", &["errors.message"]),
        ],
    ),
    (
        "Its boards",
        &[
            Column::of("boards", &["boards.slot"]),
            Column::of("boards expected", &["boards_expected"]),
            Column::of("chips", &["boards.chips"]),
            Column::of("chips expected", &["boards.chips_expected", "chips_expected"]),
            Column::of("bad chips", &["boards.chips_bad", "boards.chip_map"]),
            Column::of("rate", &["boards.hashrate_hs"]),
            Column::of("board °C", &["boards.board_temperature_celsius", "temperatures.board_max_celsius"]),
            Column::of("chip °C", &["boards.chip_temperature_celsius", "temperatures.chip_max_celsius"]),
            Column::of("frequency", &["boards.frequency_hz", "tuning.frequency_hz"]),
            Column::of("voltage", &["boards.voltage_v", "tuning.voltage_v"]),
        ],
    ),
    (
        "Air and power",
        &[
            Column::of("fans", &["fans.speed_rpm"]),
            Column::of("duty", &["fans.duty_ratio"]),
            Column::of("inlet °C", &["temperatures.inlet_celsius"]),
            Column::of("outlet °C", &["temperatures.outlet_celsius"]),
            Column::of("ambient °C", &["temperatures.ambient_celsius"]),
            Column::of("power", &["power_w"]),
            Column::of("limit", &["power_limit_w"]),
            Column::of("supply", &["psus.index"]),
        ],
    ),
];

/// A column.
#[derive(Debug)]
struct Column {
    title: &'static str,
    places: &'static [&'static str],
}

impl Column {
    const fn of(title: &'static str, places: &'static [&'static str]) -> Self {
        Self { title, places }
    }
}

/// Where a value comes from, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Nameplate,
    Derived,
    Read,
}

impl Mark {
    /// What stands in the table.
    const fn sign(self) -> &'static str {
        match self {
            Self::Nameplate => "model",
            Self::Derived => "derived",
            Self::Read => "●",
        }
    }
}

/// What the fixtures of one family show.
#[derive(Debug, Default)]
struct Family {
    fixtures: BTreeSet<String>,
    marks: BTreeMap<String, Mark>,
}

/// How well the shapes of a family's replies are known.
#[derive(Debug)]
struct Origin {
    family: String,
    basis: Basis,
    source: String,
    open: String,
}

/// What the shapes were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Firmware,
    Document,
    Captures,
    Clients,
}

impl Basis {
    fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "firmware" => Self::Firmware,
            "document" => Self::Document,
            "captures" => Self::Captures,
            "clients" => Self::Clients,
            _ => bail!("`{word}` is no basis: firmware, document, captures or clients"),
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Firmware => "source of the firmware",
            Self::Document => "maker's document",
            Self::Captures => "replies of real machines",
            Self::Clients => "**unverified**: only as other clients read it",
        }
    }
}

/// The step that checks the document, or writes it.
pub(crate) fn step(write: bool) -> Step {
    Step::new("hardware", move |workspace| hardware(workspace, write))
}

fn hardware(workspace: &Workspace, write: bool) -> Result<Outcome> {
    let document = document(workspace.root())?;
    let path = workspace.root().join(DOCUMENT);
    if write {
        fs::write(&path, document).with_context(|| path.display().to_string())?;
    } else {
        let there = fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            there == document,
            "{DOCUMENT} is not what the fixtures say: `cargo xtask hardware` writes it"
        );
    }
    Ok(Outcome::Passed)
}

/// The whole text.
///
/// # Errors
/// When a family has fixtures and no source, or a source and no fixtures.
fn document(root: &Path) -> Result<String> {
    let families = families(&root.join(SNAPSHOTS))?;
    let text = fs::read_to_string(root.join(SOURCES)).context(SOURCES)?;
    let origins = origins(&text).context(SOURCES)?;
    let agreed = fs::read_to_string(root.join(PEERS)).map(|text| agreements(&text)).unwrap_or_default();
    for family in families.keys() {
        ensure!(origins.iter().any(|o| o.family == *family), "{SOURCES} has no line for `{family}`");
    }
    for origin in &origins {
        ensure!(families.contains_key(&origin.family), "`{}` has no fixture", origin.family);
    }
    let commands = fs::read_to_string(root.join(COMMANDS)).context(COMMANDS)?;
    let commands = commands_table(&commands).context(COMMANDS)?;
    Ok(rendered(&families, &origins, &agreed, &commands))
}

/// What the snapshots in a folder show, by family.
fn families(folder: &Path) -> Result<BTreeMap<String, Family>> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "snap") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let (family, marks) = marks(&text).with_context(|| path.display().to_string())?;
        let known = families.entry(family).or_default();
        known.fixtures.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        for (place, mark) in marks {
            let best = known.marks.entry(place).or_insert(mark);
            *best = mark.max(*best);
        }
    }
    Ok(families)
}

/// The family of a snapshot, and every place in it that holds something.
fn marks(text: &str) -> Result<(String, BTreeMap<String, Mark>)> {
    let json = text.splitn(3, "---").nth(2).context("no snapshot of insta's")?;
    let json: Value = serde_json::from_str(json)?;
    let snapshot = json.get("snapshot").context("no snapshot of a miner")?;
    let family = snapshot.pointer("/identity/firmware/family").and_then(Value::as_str);
    let provenance = snapshot.get("provenance");
    let mut marks = BTreeMap::new();
    walk(snapshot, "", &mut |place| {
        let mark = match provenance.and_then(|p| p.get(place)).and_then(Value::as_str) {
            Some("nameplate") => Mark::Nameplate,
            Some("derived") => Mark::Derived,
            _ => Mark::Read,
        };
        marks.insert(place.to_owned(), mark);
    });
    Ok((family.context("no family")?.to_owned(), marks))
}

/// Calls with the place of everything that is not nothing. The members of a list share their place.
fn walk(value: &Value, place: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                walk(value, &place, found);
            }
        }
        Value::Array(members) => {
            for member in members {
                walk(member, place, found);
            }
        }
        _ => found(place),
    }
}

fn origins(text: &str) -> Result<Vec<Origin>> {
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let [family, basis, source, open] = *line.split('\t').collect::<Vec<_>>() else {
                bail!("four fields separated by tabs, not `{line}`");
            };
            let basis = Basis::parse(basis)?;
            Ok(Origin { family: family.to_owned(), basis, source: source.to_owned(), open: open.to_owned() })
        })
        .collect()
}

/// Families and columns in which a peer reads the same.
fn agreements(text: &str) -> BTreeSet<(String, String)> {
    let mut agreed = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let (Some(family), Some(field)) = (cells.next(), cells.next()) else { continue };
        let columns = PEERS_FIELDS.iter().filter(|(name, _)| *name == field);
        agreed.extend(columns.map(|(_, column)| (family.to_owned(), (*column).to_owned())));
    }
    agreed
}

/// The table of what each family can be told.
fn commands_table(snapshot: &str) -> Result<String> {
    let table = snapshot.splitn(3, "---").nth(2).context("no snapshot of insta's")?.trim();
    let mut lines = table.lines();
    let head = lines.next().context("an empty table")?.replace('_', " ");
    let columns = head.split('\t').count();
    let mut text = String::from(
        "\n## What it can be told\n\n\
         ● as its maker or its users document it, and a simulated machine obeys it in the tests; `(●)` the same, but not even its\n\
         users are known to have tried; – not possible, or no way is established: it is refused before anything is sent, and the\n\
         refusal says why. Of several generations of one family the most capable counts.\n\n",
    );
    let _ = writeln!(text, "| {} |\n|{}", head.replace('\t', " | "), "---|".repeat(columns));
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        ensure!(cells.len() == columns, "`{line}` has not {columns} cells");
        let signs = cells.into_iter().map(|cell| match cell {
            "yes" => "●",
            "unverified" => "(●)",
            "no" => "–",
            family => family,
        });
        let _ = writeln!(text, "| {} |", signs.collect::<Vec<_>>().join(" | "));
    }
    Ok(text)
}

fn rendered(
    families: &BTreeMap<String, Family>,
    origins: &[Origin],
    agreed: &BTreeSet<(String, String)>,
    commands: &str,
) -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask hardware` from the fixtures of bitlink-protocol; not to be edited by hand. -->\n\n\
         # What is read of which firmware\n\n\
         Every cell is shown by a fixture: a simulated machine with the replies of that firmware, read as a whole in the\n\
         tests.\n\n\
         | sign | meaning |\n|---|---|\n\
         | ● | the firmware says it, and it is read |\n\
         | ✓ | the same, and another project's client reads the same of the simulated machine ([interop](interop.md)) |\n\
         | derived | worked out from what it says, and marked so in the snapshot |\n\
         | model | taken from the model's entry in the catalogue, and marked `nameplate` in the snapshot |\n\
         | – | not said in any fixture; it stays unknown, and is never shown as zero |\n",
    );
    for (title, columns) in TABLES {
        let _ = write!(text, "\n## {title}\n\n| family |");
        for column in columns {
            let _ = write!(text, " {} |", column.title);
        }
        let _ = write!(text, "\n|---|{}\n", "---|".repeat(columns.len()));
        for (name, family) in families {
            let _ = write!(text, "| {name} |");
            for column in columns {
                let mark = column.places.iter().filter_map(|place| family.marks.get(*place)).max();
                let confirmed = agreed.contains(&(name.clone(), column.title.to_owned()));
                let sign = match mark {
                    Some(Mark::Read) if confirmed => "✓",
                    Some(mark) => mark.sign(),
                    None => "–",
                };
                let _ = write!(text, " {sign} |");
            }
            text.push('\n');
        }
    }
    text.push_str(commands);
    text.push_str(
        "\n## How well it is known\n\n\
         Nothing here was tried on a machine by this project. What the shapes of the replies were taken from:\n\n\
         | family | known from | source | not established | fixtures |\n|---|---|---|---|---|\n",
    );
    for Origin { family, basis, source, open } in origins {
        let fixtures = families.get(family).map_or(0, |f| f.fixtures.len());
        let open = if open.is_empty() { "–" } else { open };
        let _ = writeln!(text, "| {family} | {} | {source} | {open} | {fixtures} |", basis.words());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAP: &str = r#"---
source: x
---
{"asked": [], "snapshot": {"identity": {"firmware": {"family": "luxos"}, "model": null},
 "boards": [{"slot": 0}, {"slot": 1, "chips": 110}], "boards_expected": 3, "power_w": 900.0,
 "provenance": {"boards_expected": "nameplate", "power_w": "derived"}}}"#;

    #[test]
    fn what_is_nothing_is_not_read_and_where_values_come_from_is_told() {
        let (family, marks) = marks(SNAP).unwrap();
        assert_eq!(family, "luxos");
        assert_eq!(marks.get("boards.chips"), Some(&Mark::Read));
        assert_eq!(marks.get("boards_expected"), Some(&Mark::Nameplate));
        assert_eq!(marks.get("power_w"), Some(&Mark::Derived));
        assert_eq!(marks.get("identity.model"), None);
    }

    #[test]
    fn the_best_origin_is_shown_and_a_peer_confirms_only_what_is_read() {
        let (name, marks) = marks(SNAP).unwrap();
        let family = Family { fixtures: BTreeSet::from(["one".to_owned()]), marks };
        let agreed = agreements("# family\tfield\tpeers\nluxos\tchips\tpyasic\nluxos\tpower_w\tpyasic\n");
        let origins = origins("family\tbasis\tsource\topen\nluxos\tclients\tsomebody\t\n").unwrap();
        let commands = commands_table("---\nx\n---\nfamily\treboot\tset_pools\nluxos\tyes\tno\n").unwrap();
        let text = rendered(&BTreeMap::from([(name, family)]), &origins, &agreed, &commands);
        assert!(text.contains("| family | reboot | set pools |\n|---|---|---|\n| luxos | ● | – |"), "{text}");
        assert!(text.contains("| luxos | ● | model | ✓ |"), "{text}");
        assert!(text.contains("| luxos | – | – | – | – | – | derived |"), "{text}");
        assert!(
            text.contains("| luxos | **unverified**: only as other clients read it | somebody | – | 1 |")
        );
    }

    #[test]
    fn a_malformed_source_is_refused() {
        assert!(origins("head\nluxos\trumour\tx\t\n").is_err());
        assert!(origins("head\nluxos\tclients\n").is_err());
    }
}
