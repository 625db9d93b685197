//! One miner in full, for people: everything it told, in the order in which somebody at the machine would ask.

use crate::columns::{self, findings_by_weight, severity_tone, status_tone, status_word};
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{clean, count, duration, width};
use bitlink_miner_manager::Miner;
use bitlink_miner_manager::model::{
    Board, HashRate, Identity, MinerSnapshot, MiningState, Pool, PoolStatus, Provenance, Ratio, Source, Span,
    Temperature, Text,
};
use std::fmt::Write as _;

/// The card of a miner.
pub(crate) fn card(miner: &Miner, room: Option<usize>) -> String {
    let mut card = Card { out: String::new(), room };
    card.head(miner);
    if let Some(snapshot) = miner.snapshot.as_deref() {
        card.readings(snapshot);
        card.section("Boards", &boards(snapshot));
        card.section("Fans", &fans(snapshot));
        card.section("Power supplies", &psus(snapshot));
        card.section("Pools", &pools(snapshot));
        card.section("Faults that it reports itself", &faults(snapshot));
        card.section("Oddities in what it said", &oddities(snapshot));
    }
    card.out
}

/// Where the facts begin.
const INDENT: usize = 15;

/// How many columns a text with codes for tones takes.
fn shown_width(text: &str) -> usize {
    width(&anstream::adapter::strip_str(text).to_string())
}

struct Card {
    out: String,
    room: Option<usize>,
}

impl Card {
    /// A line of facts that are known; none where none is.
    fn line(&mut self, name: &str, facts: impl IntoIterator<Item = Option<String>>) {
        let room = self.room.unwrap_or(usize::MAX).saturating_sub(INDENT);
        let mut name = name;
        let mut line = String::new();
        for fact in facts.into_iter().flatten() {
            let wide = shown_width(&line) + shown_width(&fact) + 2;
            if !line.is_empty() && wide > room {
                line.push(',');
                self.named(std::mem::take(&mut name), &line);
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(&fact);
        }
        if !line.is_empty() {
            self.named(name, &line);
        }
    }

    fn named(&mut self, name: &str, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "  {} {line}", Tone::Dim.paint(&format!("{name:<12}")));
    }

    fn section(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            let _ = writeln!(self.out, "\n{}", Tone::Strong.paint(title));
            for line in table.render(self.room.map(|room| room.saturating_sub(2))).lines() {
                let _ = writeln!(self.out, "  {line}");
            }
        }
    }

    fn head(&mut self, miner: &Miner) {
        let _ = writeln!(
            self.out,
            "{}  {}  {}",
            Tone::Strong.paint(&clean(&miner.model)),
            columns::address(miner.ip, miner.port),
            status_tone(miner.status).paint(status_word(miner.status))
        );
        for finding in findings_by_weight(miner) {
            let mut line =
                format!("{} {}", severity_tone(finding.severity).paint("▲"), clean(&finding.message));
            if !finding.clears_when.is_empty() {
                let _ = write!(
                    line,
                    "{}",
                    Tone::Dim.paint(&format!(" (clears when {})", clean(&finding.clears_when)))
                );
            }
            let _ = writeln!(self.out, "  {line}");
        }
        self.out.push('\n');
        if let Some(snapshot) = miner.snapshot.as_deref() {
            self.identity(&snapshot.identity);
        }
    }

    fn identity(&mut self, identity: &Identity) {
        let said = |text: &Option<Text>| text.as_deref().map(|text| clean(text).into_owned());
        if let Some(firmware) = &identity.firmware {
            let named = |name: &str, text: &Option<Text>| said(text).map(|text| format!("{name} {text}"));
            self.line(
                "firmware",
                [
                    Some(clean(firmware.family.as_str()).into_owned()),
                    named("version", &firmware.version),
                    said(&firmware.software),
                    named("API", &firmware.api_version),
                ],
            );
        }
        self.line("model", [said(&identity.model_raw), said(&identity.control_board)]);
        self.line("mac address", [identity.mac.map(|mac| mac.to_string())]);
        self.line("serial", [said(&identity.serial), said(&identity.control_board_serial)]);
        self.line("hostname", [said(&identity.hostname)]);
        if let Some(network) = &identity.network {
            let dhcp = network.dhcp.map(|dhcp| if dhcp { "by DHCP" } else { "set by hand" }.to_owned());
            let named = |name: &str, text: &Option<Text>| said(text).map(|text| format!("{name} {text}"));
            self.line(
                "network",
                [
                    network.ip.map(|ip| ip.to_string()),
                    dhcp,
                    named("mask", &network.netmask),
                    named("gateway", &network.gateway),
                    named("DNS", &network.dns),
                ],
            );
        }
    }

    fn readings(&mut self, s: &MinerSnapshot) {
        let marks = &s.provenance;
        let rate = |rate: Option<HashRate>, field: &str| rate.map(|r| marked(r.to_string(), marks, field));
        let temperature = |name: &str, t: Option<Temperature>, field: &str| {
            t.map(|t| marked(format!("{name} {}", plain_celsius(t)), marks, field))
        };
        self.line("state", [s.mining_state.map(state_word)]);
        let current = s.hashrate.current().map(|current| {
            let field = if s.hashrate.realtime.is_some() { "hashrate.realtime_hs" } else { "" };
            let mut text = Tone::Strong.paint(&marked(current.to_string(), marks, field));
            let goal = s.hashrate.expected.map(|goal| (goal, "expected", "hashrate.expected_hs"));
            let goal = goal.or(s.hashrate.nameplate.map(|goal| (goal, "nameplate", "hashrate.nameplate_hs")));
            if let (Some((goal, word, field)), Some(part)) = (goal, s.hashrate.of_expected()) {
                let goal = marked(format!("{goal} {word}"), marks, field);
                let _ = write!(text, ", {part} of {goal}");
            }
            text
        });
        self.line("hash rate", [current]);
        let h = &s.hashrate;
        let window = |name: &str, value: Option<HashRate>, field: &str| {
            rate(value, field).map(|text| format!("{text} over {name}"))
        };
        self.line(
            "",
            [
                window("1 min", h.one_minute, "hashrate.one_minute_hs"),
                window("5 min", h.five_minutes, "hashrate.five_minutes_hs"),
                window("15 min", h.fifteen_minutes, "hashrate.fifteen_minutes_hs"),
                window("30 min", h.thirty_minutes, "hashrate.thirty_minutes_hs"),
                window("1 h", h.one_hour, "hashrate.one_hour_hs"),
                window("24 h", h.one_day, "hashrate.one_day_hs"),
                window("all", h.average, "hashrate.average_hs"),
            ],
        );
        self.line(
            "power",
            [
                s.power.map(|power| marked(power.to_string(), marks, "power_w")),
                s.power_limit.map(|limit| marked(format!("limit {limit}"), marks, "power_limit_w")),
                s.efficiency.map(|e| marked(e.to_string(), marks, "efficiency_j_per_th")),
                s.energy.map(|e| format!("{:.1} kWh in all", e.as_kilowatt_hours())),
            ],
        );
        let t = &s.temperatures;
        self.line(
            "temperature",
            [
                temperature("hottest chip", t.chip_max, "temperatures.chip_max_celsius"),
                temperature("mean chip", t.chip_average, "temperatures.chip_average_celsius"),
                temperature("hottest board", t.board_max, "temperatures.board_max_celsius"),
                temperature("inlet", t.inlet, "temperatures.inlet_celsius"),
                temperature("outlet", t.outlet, "temperatures.outlet_celsius"),
                temperature("ambient", t.ambient, "temperatures.ambient_celsius"),
            ],
        );
        let span = |span: Option<Span>| span.map(|span| duration(span.as_duration()));
        self.line(
            "uptime",
            [span(s.uptime), span(s.elapsed).map(|elapsed| format!("mining program up {elapsed}"))],
        );
        self.shares(s);
        let tuning = &s.tuning;
        self.line(
            "tuning",
            [
                tuning.mode.as_deref().map(|mode| format!("mode {}", clean(mode))),
                tuning.frequency.map(|f| f.to_string()),
                tuning.target_frequency.map(|f| format!("target {f}")),
                tuning.voltage.map(|v| v.to_string()),
                tuning.progress.map(|p| format!("{p} done")),
                tuning.liquid_cooled.filter(|cooled| *cooled).map(|_| "cooled by a fluid".to_owned()),
            ],
        );
        self.line("light", [s.light.map(|on| if on { "on" } else { "off" }.to_owned())]);
        self.line("read", [s.round_trip.map(|t| format!("in {}", duration(t.as_duration())))]);
    }

    fn shares(&mut self, s: &MinerSnapshot) {
        let shares = &s.shares;
        let part = |ratio: Option<Ratio>| ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
        let counted =
            |n: Option<u64>, word: &str, ratio| n.map(|n| format!("{} {word}{}", count(n), part(ratio)));
        self.line(
            "shares",
            [
                counted(shares.accepted, "accepted", None),
                counted(shares.rejected, "rejected", shares.rejected_ratio),
                counted(shares.stale, "stale", shares.stale_ratio),
                counted(shares.hardware_errors, "hardware errors", shares.hardware_error_ratio),
                counted(shares.found_blocks.filter(|n| *n > 0), "blocks found", None),
            ],
        );
    }
}

/// A value with a mark where the miner did not report it itself.
fn marked(text: String, marks: &Provenance, field: &str) -> String {
    match marks.of(field) {
        Source::Derived => format!("{text} (derived)"),
        Source::Estimated => format!("{text} (estimated)"),
        Source::Observed => format!("{text} (observed)"),
        Source::Nameplate => format!("{text} (nameplate)"),
        _ => text,
    }
}

fn plain_celsius(t: Temperature) -> String {
    let tenths = (t.as_celsius() * 10.0).round();
    if tenths % 10.0 == 0.0 { format!("{t:.0}") } else { format!("{t:.1}") }
}

fn state_word(state: MiningState) -> String {
    match state {
        MiningState::Mining => "mining",
        MiningState::Starting => "starting",
        MiningState::Stopped => "stopped by somebody's wish",
        MiningState::Failed => "should be mining and is not",
        _ => "unknown",
    }
    .to_owned()
}

fn boards(s: &MinerSnapshot) -> Table {
    let mut table = Table::new(&[
        Column::right("slot", 0),
        Column::right("hash rate", 0),
        Column::right("expected", 5),
        Column::right("chip", 1),
        Column::right("board", 1),
        Column::right("chips", 2),
        Column::right("frequency", 3),
        Column::right("voltage", 4),
        Column::right("power", 6),
        Column::right("hw errors", 4),
        Column::left("status", 5).cut_to(6),
        Column::left("serial", 7).cut_to(8),
    ]);
    let celsius = |t: Option<Temperature>| Cell::known(t.map(plain_celsius));
    for b in &s.boards {
        let absent = b.present == Some(false);
        table.push(vec![
            Cell::new(b.slot.to_string()),
            Cell::known(b.hashrate.map(|rate| rate.to_string())),
            filled(b.hashrate_expected.map(|rate| rate.to_string())),
            celsius(b.chip_temperature),
            celsius(b.board_temperature),
            filled(chips(b)),
            filled(b.frequency.map(|f| f.to_string())),
            filled(b.voltage.map(|v| v.to_string())),
            filled(b.power.map(|p| p.to_string())),
            filled(b.hardware_errors.map(count)),
            if absent { Cell::new("not found").tone(Tone::Bad) } else { filled(b.status.as_ref()) },
            filled(b.serial.as_ref()),
        ]);
    }
    if let Some(expected) = s.boards_expected.filter(|expected| s.boards.len() < *expected as usize) {
        let mut row = vec![Cell::default(); 10];
        row.push(Cell::new(format!("{} of {expected} boards", s.boards.len())).tone(Tone::Bad));
        row.push(Cell::default());
        table.push(row);
    }
    table
}

/// A cell that stays empty where nothing is known, so that a column of nothing takes no room.
fn filled(text: Option<impl AsRef<str>>) -> Cell {
    text.map_or_else(Cell::default, Cell::new)
}

fn chips(b: &Board) -> Option<String> {
    match (b.chips, b.chips_expected) {
        (Some(chips), Some(of)) => Some(format!("{chips}/{of}")),
        (Some(chips), None) => Some(chips.to_string()),
        (None, Some(of)) => Some(format!("?/{of}")),
        (None, None) => None,
    }
}

fn fans(s: &MinerSnapshot) -> Table {
    let mut table = Table::new(&[
        Column::right("fan", 0),
        Column::right("speed", 0),
        Column::right("duty", 1),
        Column::left("place", 2),
    ]);
    for fan in &s.fans {
        let stopped = fan.speed.is_some_and(|speed| speed.as_rpm() == 0.0);
        let speed = Cell::known(fan.speed.map(|speed| speed.to_string()));
        table.push(vec![
            Cell::new(fan.index.to_string()),
            if stopped { speed.tone(Tone::Bad) } else { speed },
            filled(fan.duty.map(|duty| duty.to_string())),
            filled(fan.location.map(|place| format!("{place:?}").to_lowercase())),
        ]);
    }
    table
}

fn psus(s: &MinerSnapshot) -> Table {
    let mut table = Table::new(&[
        Column::right("psu", 0),
        Column::left("model", 1).cut_to(8),
        Column::right("in", 0),
        Column::right("out", 2),
        Column::right("hottest", 2),
        Column::right("fan", 3),
        Column::left("firmware", 4).cut_to(8),
        Column::left("serial", 4).cut_to(8),
    ]);
    for psu in &s.psus {
        let side = |voltage: Option<String>, current: Option<String>, power: Option<String>| {
            let parts: Vec<String> = [voltage, current, power].into_iter().flatten().collect();
            filled((!parts.is_empty()).then(|| parts.join(" ")))
        };
        let printed = |v: Option<bitlink_miner_manager::model::Power>| v.map(|v| v.to_string());
        table.push(vec![
            Cell::new(psu.index.to_string()),
            filled(psu.model.as_ref()),
            side(
                psu.input_voltage.map(|v| format!("{v:.0}")),
                psu.input_current.map(|v| v.to_string()),
                printed(psu.input_power),
            ),
            side(
                psu.output_voltage.map(|v| v.to_string()),
                psu.output_current.map(|v| v.to_string()),
                printed(psu.output_power),
            ),
            filled(psu.temperature.map(plain_celsius)),
            filled(psu.fan_speed.map(|v| v.to_string())),
            filled(psu.firmware.as_ref()),
            filled(psu.serial.as_ref()),
        ]);
    }
    table
}

fn pools(s: &MinerSnapshot) -> Table {
    let mut table = Table::new(&[
        Column::right("pool", 0),
        Column::left("state", 0),
        Column::left("address", 0).cut_to(20),
        Column::left("worker", 1).cut_to(8),
        Column::right("accepted", 2),
        Column::right("rejected", 2),
        Column::right("stale", 3),
        Column::right("difficulty", 4),
    ]);
    for pool in &s.pools {
        let (word, tone) = pool_state(pool);
        table.push(vec![
            Cell::new(pool.id.to_string()),
            Cell::new(word).tone(tone),
            filled(pool.url.as_ref()),
            filled(pool.user.as_ref()),
            filled(pool.accepted.map(count)),
            filled(pool.rejected.map(count)),
            filled(pool.stale.map(count)),
            filled(pool.difficulty.map(|difficulty| difficulty.to_string())),
        ]);
    }
    table
}

fn pool_state(pool: &Pool) -> (&'static str, Tone) {
    match pool.status {
        _ if pool.active == Some(true) => ("in use", Tone::Good),
        Some(PoolStatus::Alive) => ("alive", Tone::Plain),
        Some(PoolStatus::Dead) => ("dead", Tone::Bad),
        Some(PoolStatus::Disabled) => ("disabled", Tone::Dim),
        Some(PoolStatus::Rejecting) => ("rejecting", Tone::Bad),
        _ => ("unknown", Tone::Dim),
    }
}

fn faults(s: &MinerSnapshot) -> Table {
    let mut table =
        Table::new(&[Column::left("code", 0), Column::left("fault", 0).cut_to(20), Column::left("since", 1)]);
    for error in &s.errors {
        table.push(vec![
            filled(error.code.as_ref()),
            Cell::new(&error.message).tone(severity_tone(error.severity)),
            filled(error.since.as_ref()),
        ]);
    }
    table
}

fn oddities(s: &MinerSnapshot) -> Table {
    let mut table = Table::new(&[
        Column::left("place", 0).cut_to(12),
        Column::left("kind", 0),
        Column::left("what stood there", 1).cut_to(16),
    ]);
    for anomaly in &s.anomalies {
        table.push(vec![
            Cell::new(&anomaly.place),
            Cell::new(
                serde_json::to_value(anomaly.kind)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default(),
            ),
            filled((!anomaly.detail.is_empty()).then_some(&anomaly.detail)),
        ]);
    }
    table
}
