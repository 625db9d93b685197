//! What a table says about a miner: one field after another, as a cell and as an order. Numbers are taken from the flat
//! view, in which a miner that is not live has none, so that an old number is never shown as a new one.

use crate::table::{Cell, Column, Tone};
use crate::text;
use bitlink_miner_manager::model::HashRate;
use bitlink_miner_manager::query::{self, Sort};
use bitlink_miner_manager::{Finding, Miner, MinerStatus, Severity, Timestamp};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port that need not be told.
const USUAL_PORT: u16 = bitlink_miner_manager::DEFAULT_PORT;

/// Something that a table tells about a miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Status,
    Address,
    Model,
    HashRate,
    Expected,
    Hottest,
    Fans,
    Power,
    Efficiency,
    Uptime,
    Age,
    Worker,
    Firmware,
    Mac,
    Reason,
}

/// What a list of miners tells.
pub(crate) const LISTED: &[Field] = &[
    Field::Status,
    Field::Address,
    Field::Model,
    Field::HashRate,
    Field::Expected,
    Field::Hottest,
    Field::Fans,
    Field::Power,
    Field::Uptime,
    Field::Firmware,
    Field::Mac,
    Field::Reason,
];

/// What a table of watched miners tells.
pub(crate) const WATCHED: &[Field] = &[
    Field::Status,
    Field::Address,
    Field::Model,
    Field::HashRate,
    Field::Expected,
    Field::Hottest,
    Field::Fans,
    Field::Power,
    Field::Uptime,
    Field::Age,
    Field::Reason,
];

impl Field {
    /// The column in which it stands.
    pub(crate) const fn column(self) -> Column {
        match self {
            Self::Status => Column::left("status", 0),
            Self::Address => Column::left("address", 0),
            Self::Model => Column::left("model", 1).cut_to(10).easy_at(16),
            Self::HashRate => Column::right("hash rate", 0),
            Self::Expected => Column::right("exp.", 2),
            Self::Hottest => Column::right("hottest", 3),
            Self::Fans => Column::right("fans (rpm)", 5),
            Self::Power => Column::right("power", 4),
            Self::Efficiency => Column::right("J/TH", 5),
            Self::Uptime => Column::right("uptime", 6),
            Self::Age => Column::right("age", 7),
            Self::Worker => Column::left("worker", 8).cut_to(12),
            Self::Firmware => Column::left("firmware", 8).cut_to(12),
            Self::Mac => Column::left("mac address", 9),
            Self::Reason => Column::left("reason", 0).cut_to(14).easy_at(40),
        }
    }

    /// What it says of a miner at a time.
    pub(crate) fn cell(self, miner: &Miner, now: Timestamp) -> Cell {
        let stats = &miner.stats;
        match self {
            Self::Status => Cell::new(status_word(miner.status)).tone(status_tone(miner.status)),
            Self::Address => Cell::new(address(miner.ip, miner.port)),
            Self::Model if miner.snapshot.is_none() => Cell::known(None::<&str>),
            Self::Model => Cell::new(model(miner)),
            Self::HashRate => Cell::known(hash_rate(stats.hashrate_rt)),
            Self::Expected => {
                let cell =
                    Cell::known(known(of_expected(miner)).map(|part| format!("{:.0} %", part * 100.0)));
                cell.stressed(tone_of(miner, &["hashrate_low", "not_hashing", "mining_failed"]))
            }
            Self::Hottest => {
                let cell = Cell::known(hottest_text(miner));
                cell.stressed(tone_of(miner, &["chip_hot", "board_hot", "temperature_high"]))
            }
            Self::Fans => Cell::known(fans(&stats.fans)).stressed(tone_of(miner, &["fan_stopped"])),
            Self::Power => Cell::known(known(stats.power).map(|watts| format!("{watts:.0} W"))),
            Self::Efficiency => Cell::known(known(stats.efficiency).map(|joules| format!("{joules:.1}"))),
            Self::Uptime => Cell::known(uptime(stats.uptime)),
            Self::Worker => Cell::known(worker(miner)),
            Self::Age => Cell::known(miner.last_updated.map(|then| age(now.since(then)))).tone(Tone::Dim),
            Self::Firmware => Cell::known(firmware(miner)),
            Self::Mac => {
                Cell::known(miner.snapshot.as_ref().and_then(|s| s.identity.mac).map(|m| m.to_string()))
            }
            Self::Reason => reason(miner),
        }
    }

    /// The order of a table by this field: what needs attention and what is large comes first, unless it is turned round.
    pub(crate) fn sort(self, reversed: bool) -> Sort {
        let (key, down) = self.order();
        Sort::by(query::field(key).map(|field| (field, down != reversed)))
    }

    /// By which field of the fleet that is, and whether what is large comes first.
    const fn order(self) -> (&'static str, bool) {
        match self {
            Self::Status | Self::Reason => ("status", true),
            Self::Address => ("address", false),
            Self::Model => ("model", false),
            Self::HashRate => ("hashrate_hs", true),
            Self::Expected => ("hashrate_ratio", true),
            Self::Hottest => ("temp_celsius", true),
            Self::Fans => ("fan_max_rpm", true),
            Self::Power => ("power_w", true),
            Self::Efficiency => ("efficiency_j_per_th", true),
            Self::Uptime => ("uptime_s", true),
            // The oldest first: that is what somebody looks for.
            Self::Age => ("age_s", true),
            Self::Worker => ("worker", false),
            Self::Firmware => ("firmware", false),
            Self::Mac => ("mac", false),
        }
    }
}

/// A row of a table.
pub(crate) fn row(fields: &[Field], miner: &Miner, now: Timestamp) -> Vec<Cell> {
    fields.iter().map(|field| field.cell(miner, now)).collect()
}

/// The columns of a table.
pub(crate) fn columns(fields: &[Field]) -> Vec<Column> {
    fields.iter().map(|field| field.column()).collect()
}

/// A status as it stands in a table: a sign for the eye, and the word.
pub(crate) fn status_word(status: MinerStatus) -> &'static str {
    match status {
        MinerStatus::Active => "● active",
        MinerStatus::Paused => "‖ paused",
        MinerStatus::Warning => "▲ warning",
        MinerStatus::Dead => "✖ dead",
        _ => "○ scanning",
    }
}

pub(crate) fn status_tone(status: MinerStatus) -> Tone {
    match status {
        MinerStatus::Active => Tone::Good,
        MinerStatus::Warning => Tone::Warning,
        MinerStatus::Dead => Tone::Bad,
        _ => Tone::Dim,
    }
}

/// Where a miner is; the port is told where it is not the usual one.
pub(crate) fn address(ip: IpAddr, port: u16) -> String {
    if port == USUAL_PORT { ip.to_string() } else { SocketAddr::new(ip, port).to_string() }
}

/// A number that is known.
fn known(number: f64) -> Option<f64> {
    Some(number).filter(|n| n.is_finite())
}

/// A hash rate given in TH/s, in the unit that reads best.
pub(crate) fn hash_rate(ths: f64) -> Option<String> {
    HashRate::from_ths(ths).ok().map(|rate| format!("{rate:.1}"))
}

/// Hash rate as a share of what it should be.
fn of_expected(miner: &Miner) -> f64 {
    let part = miner.stats.hashrate_rt / miner.stats.hashrate_expected;
    if part.is_finite() { part } else { f64::NAN }
}

/// The hottest chip; where only the boards are measured, what the chips are at least.
fn hottest_text(miner: &Miner) -> Option<String> {
    let (chip, board) = (known(miner.stats.temp_chip_max), known(miner.stats.temp_board_max));
    match (chip, board) {
        (Some(chip), board) => Some(format!("{:.0} °C", board.map_or(chip, |board| board.max(chip)))),
        (None, Some(board)) => Some(format!("≥{board:.0} °C")),
        (None, None) => None,
    }
}

/// How many fans there are and how fast they turn: one number when they agree, from slowest to fastest when not.
fn fans(speeds: &[f64]) -> Option<String> {
    let turning: Vec<f64> = speeds.iter().copied().filter(|speed| speed.is_finite()).collect();
    let slowest = turning.iter().copied().reduce(f64::min)?;
    let fastest = turning.iter().copied().reduce(f64::max)?;
    let count = speeds.len();
    if fastest - slowest > fastest / 4.0 {
        Some(format!("{count} × {slowest:.0}–{fastest:.0}"))
    } else {
        Some(format!("{count} × {slowest:.0}"))
    }
}

fn uptime(seconds: f64) -> Option<String> {
    Duration::try_from_secs_f64(seconds).ok().map(text::duration)
}

/// Make and model; the family of the firmware where neither is told.
fn model(miner: &Miner) -> String {
    let identity = miner.snapshot.as_ref().map(|snapshot| &snapshot.identity);
    match identity.and_then(|identity| identity.firmware.as_ref()) {
        Some(firmware) if identity.is_some_and(|identity| identity.name().is_none()) => {
            format!("{} ({})", miner.model, firmware.family)
        }
        _ => miner.model.to_string(),
    }
}

/// The age of a reading, as short as can be.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..=99 => format!("{s}s"),
        s @ 100..=5_999 => format!("{}m", s / 60),
        s @ 6_000..=359_999 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

/// For whom it mines: the worker at the pool in use, else at the first.
pub(crate) fn worker(miner: &Miner) -> Option<&str> {
    let pools = &miner.snapshot.as_ref()?.pools;
    let in_use = pools.iter().find(|pool| pool.active == Some(true)).or_else(|| pools.first());
    in_use?.user.as_deref().filter(|user| !user.is_empty())
}

/// Family and version of the firmware.
pub(crate) fn firmware(miner: &Miner) -> Option<String> {
    let firmware = miner.snapshot.as_ref()?.identity.firmware.as_ref()?;
    Some(match &firmware.version {
        Some(version) => format!("{} {version}", firmware.family),
        None => firmware.family.to_string(),
    })
}

/// The findings, worst first.
pub(crate) fn findings_by_weight(miner: &Miner) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = miner.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

pub(crate) fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Bad,
        Severity::Warning => Tone::Warning,
        _ => Tone::Dim,
    }
}

/// The tone of a number that a finding is about.
pub(crate) fn tone_of(miner: &Miner, rules: &[&str]) -> Tone {
    let about = miner.findings.iter().filter(|finding| rules.contains(&finding.rule.as_str()));
    about.map(|finding| finding.severity).max().map_or(Tone::Plain, severity_tone)
}

/// The worst finding in words, and how many more there are.
fn reason(miner: &Miner) -> Cell {
    let findings = findings_by_weight(miner);
    match findings.as_slice() {
        [] => Cell::default(),
        [only] => Cell::new(&only.message).tone(severity_tone(only.severity)),
        [first, more @ ..] => {
            Cell::new(format!("{} (+{} more)", first.message, more.len())).tone(severity_tone(first.severity))
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is shown of a miner that says much, and of one that says nothing.
    use super::*;
    use bitlink_miner_manager::model::{Board, Fan, FanSpeed, MinerSnapshot, Temperature};
    use bitlink_miner_manager::{Finding, Rule};

    fn miner(snapshot: MinerSnapshot) -> Miner {
        Miner::from_snapshot([10, 0, 0, 7].into(), 4028, MinerStatus::Active, snapshot)
    }

    fn text(field: Field, miner: &Miner) -> String {
        field.cell(miner, Timestamp::from_unix_millis(10_000)).text().to_owned()
    }

    #[test]
    fn nothing_known_is_a_dash_and_never_a_zero() {
        let unheard = Miner::unheard([10, 0, 0, 7].into(), 4028);
        for field in WATCHED.iter().chain(LISTED) {
            let shown = text(*field, &unheard);
            match field {
                Field::Status => assert_eq!(shown, "○ scanning"),
                Field::Address => assert_eq!(shown, "10.0.0.7"),
                Field::Reason => assert_eq!(shown, ""),
                _ => assert_eq!(shown, "–", "{field:?}"),
            }
        }
    }

    #[test]
    fn a_port_is_told_where_it_is_not_the_usual_one() {
        assert_eq!(address([10, 0, 0, 7].into(), 4028), "10.0.0.7");
        assert_eq!(address([10, 0, 0, 7].into(), 4029), "10.0.0.7:4029");
        assert_eq!(address("fd00::7".parse().unwrap(), 4028), "fd00::7");
        assert_eq!(address("fd00::7".parse().unwrap(), 1), "[fd00::7]:1");
    }

    #[test]
    fn numbers_say_what_they_are() {
        let mut snapshot = MinerSnapshot::default();
        snapshot.hashrate.realtime = HashRate::from_ths(88.0).ok();
        snapshot.hashrate.expected = HashRate::from_ths(110.0).ok();
        snapshot.temperatures.board_max = Temperature::from_celsius(66.4).ok();
        snapshot.fans = [0.0, 5_880.0, 5_900.0]
            .iter()
            .enumerate()
            .map(|(n, rpm)| Fan::new(u32::try_from(n).unwrap(), FanSpeed::from_rpm(*rpm).unwrap()))
            .collect();
        snapshot.boards = vec![Board::in_slot(0)];
        let mut seen = miner(snapshot.clone());
        assert_eq!(text(Field::HashRate, &seen), "88.0 TH/s");
        assert_eq!(text(Field::Expected, &seen), "80 %");
        assert_eq!(text(Field::Hottest, &seen), "≥66 °C", "chips are at least as hot as their board");
        assert_eq!(text(Field::Fans, &seen), "3 × 0–5900");
        snapshot.temperatures.chip_max = Temperature::from_celsius(78.0).ok();
        seen = miner(snapshot);
        assert_eq!(text(Field::Hottest, &seen), "78 °C");
    }

    #[test]
    fn the_worst_finding_is_told_first() {
        let finding = |name, severity, words: &str| Finding::new(Rule::new(name), severity, words);
        let sick = miner(MinerSnapshot::default()).with_findings(vec![
            finding("chips_lost", Severity::Info, "2 of 342 chips lost"),
            finding("chip_hot", Severity::Critical, "hottest chip 97 °C\u{1b}[2J"),
        ]);
        let cell = Field::Reason.cell(&sick, Timestamp::from_unix_millis(0));
        assert_eq!(cell.text(), "hottest chip 97 °C\\x1b[2J (+1 more)");
        assert_eq!(cell.tone_of(), Tone::Bad);
    }

    #[test]
    fn tables_are_ordered_by_what_needs_attention() {
        let at = |last: u8, status, ths: Option<f64>| {
            let mut snapshot = MinerSnapshot::default();
            snapshot.hashrate.realtime = ths.and_then(|ths| HashRate::from_ths(ths).ok());
            Miner::from_snapshot([10, 0, 0, last].into(), 4028, status, snapshot)
        };
        let miners = [
            at(1, MinerStatus::Active, Some(90.0)),
            at(2, MinerStatus::Dead, None),
            at(3, MinerStatus::Warning, Some(110.0)),
            at(4, MinerStatus::Active, Some(100.0)),
        ];
        let now = Timestamp::from_unix_millis(0);
        let order = |field: Field| {
            let subjects = miners.iter().map(|miner| query::Subject::new(miner, None, now)).enumerate();
            let order = field.sort(false).order(subjects);
            order.iter().map(|at| miners[*at].ip.to_string().pop().unwrap()).collect::<String>()
        };
        assert_eq!(order(Field::Status), "2314");
        assert_eq!(order(Field::HashRate), "3412");
        assert_eq!(order(Field::Address), "1234");
    }

    #[test]
    fn every_column_can_be_ordered_by_and_numbers_put_the_large_first() {
        for field in LISTED.iter().chain(WATCHED).chain(&[Field::Efficiency, Field::Worker]) {
            let (key, down) = field.order();
            let known = query::field(key).unwrap_or_else(|| panic!("{key} is no field"));
            let is_counted = matches!(known.kind, query::Kind::Number) || key == "status";
            assert_eq!(is_counted, down, "{key}");
        }
    }
}
