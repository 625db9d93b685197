//! All of one miner on a page: who it is, how it does and why that is said, its boards and fans as bars, its pools and faults, and what was
//! read of it lately as plots. A reading that is not of now says so at the top and looks like it all the way down.

use super::help::page;
use super::paint::{Pen, Sheet, bar, padded, range, right, sparkline, within};
use crate::columns::{self, findings_by_weight, severity_tone, status_tone, status_word};
use crate::table::Tone;
use crate::text::{UNKNOWN, ago, clean, clip, count, duration};
use crate::top::state::State;
use crate::top::totals::{Trail, is_fresh};
use bitlink_miner_manager::Miner;
use bitlink_miner_manager::model::{
    Board, FanSpeed, MinerSnapshot, MiningState, PoolStatus, Temperature, Text,
};
use ratatui::text::{Line, Span};

/// The columns of a bar.
const BAR: usize = 12;
/// The bar of a temperature is full here, °C.
const HOT: f64 = 120.0;

pub(super) fn draw(sheet: &mut Sheet<'_, '_>, state: &mut State, pen: Pen) {
    let room = sheet.width();
    let Some(miner) = state.list.chosen().cloned() else {
        sheet.put(Line::from(pen.span(" this miner is not watched any more; Esc leads back", Tone::Dim)));
        return;
    };
    sheet.put(head(state, &miner, pen, room));
    let lines = Page { state, miner: &miner, pen, room, lines: Vec::new() }.lines();
    page(sheet, state, lines);
}

fn head(state: &State, miner: &Miner, pen: Pen, room: usize) -> Line<'static> {
    let place = format!(" {} ", columns::address(miner.ip, miner.port));
    let mut parts = vec![
        Span::styled(place, pen.banner()),
        pen.span(format!(" {} ", status_word(miner.status)), status_tone(miner.status)),
        pen.span(format!(" {} ", clean(&miner.model)), Tone::Strong),
    ];
    parts.push(match miner.last_updated {
        None => pen.span(" never heard", Tone::Dim),
        Some(read) => {
            let fresh = is_fresh(miner, state.now, state.fresh_for);
            let (words, tone) = if fresh { ("read", Tone::Dim) } else { ("LAST READ", Tone::Warning) };
            pen.span(format!(" {words} {}", ago(state.now.since(read))), tone)
        }
    });
    within(room, parts)
}

struct Page<'a> {
    state: &'a State,
    miner: &'a Miner,
    pen: Pen,
    room: usize,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn lines(mut self) -> Vec<Line<'static>> {
        self.findings();
        let fresh = is_fresh(self.miner, self.state.now, self.state.fresh_for);
        if let Some(snapshot) = self.miner.snapshot.as_deref() {
            let from = self.lines.len();
            self.numbers(snapshot);
            self.trails();
            self.boards(snapshot);
            self.fans(snapshot);
            self.supplies(snapshot);
            self.pools(snapshot);
            if !fresh {
                // What is old does not shine.
                for line in self.lines.iter_mut().skip(from) {
                    for span in &mut line.spans {
                        span.style = self.pen.style(Tone::Dim);
                    }
                }
            }
            self.faults(snapshot);
            self.identity(snapshot);
        }
        self.lines
    }

    fn put(&mut self, parts: Vec<Span<'static>>) {
        self.lines.push(within(self.room, parts));
    }

    fn heading(&mut self, title: &str) {
        self.lines.push(Line::from(Span::styled(format!(" {title}"), self.pen.heading())));
    }

    /// A name and facts behind it, in as many lines as they need.
    fn facts(&mut self, name: &str, facts: impl IntoIterator<Item = Option<String>>) {
        let room = self.room.saturating_sub(16);
        let mut name = name;
        let mut line = String::new();
        let mut lines = Vec::new();
        for fact in facts.into_iter().flatten() {
            if !line.is_empty() && crate::text::width(&line) + crate::text::width(&fact) + 3 > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push_str(" · ");
            }
            line.push_str(&fact);
        }
        lines.extend(Some(line).filter(|line| !line.is_empty()));
        for line in lines {
            let name = std::mem::take(&mut name);
            self.put(vec![self.pen.span(format!("  {}", padded(name, 13)), Tone::Dim), Span::raw(line)]);
        }
    }

    /// Why it has the status that it has: rule, value, limit, since when, and what would clear it.
    fn findings(&mut self) {
        let miner = self.miner;
        for finding in findings_by_weight(miner) {
            let tone = severity_tone(finding.severity);
            self.wrapped(&format!(" {} ", sign(finding.severity)), &clean(&finding.message), tone);
            let since = finding.since.map(|since| format!("began {}", ago(self.state.now.since(since))));
            let numbers = match (&finding.value, &finding.limit) {
                (Some(value), Some(limit)) => Some(format!("{value} against {limit}")),
                (Some(value), None) => Some(value.to_string()),
                _ => None,
            };
            let clears = Some(&finding.clears_when).filter(|clears| !clears.is_empty());
            let clears = clears.map(|clears| format!("clears when {}", clean(clears)));
            let rule = Some(format!("rule {}", clean(finding.rule.as_str())));
            let about: Vec<String> = [rule, numbers, since, clears].into_iter().flatten().collect();
            self.wrapped("   ", &about.join(" · "), Tone::Dim);
        }
        if miner.findings.is_empty() {
            let words = match miner.snapshot {
                Some(_) => " nothing is wrong, by any rule",
                None => " no answer yet; everything below comes with the first reading",
            };
            self.put(vec![self.pen.span(words, Tone::Dim)]);
        }
    }

    /// A text in as many lines as it needs, broken between words.
    fn wrapped(&mut self, first: &str, text: &str, tone: Tone) {
        let indent = crate::text::width(first);
        let room = self.room.saturating_sub(indent + 1).max(16);
        let mut line = String::new();
        let mut lines = Vec::new();
        for word in text.split(' ') {
            if !line.is_empty() && crate::text::width(&line) + crate::text::width(word) >= room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        for (index, line) in lines.into_iter().enumerate() {
            let before = if index == 0 { first.to_owned() } else { " ".repeat(indent) };
            self.put(vec![self.pen.span(format!("{before}{line}"), tone)]);
        }
    }

    fn numbers(&mut self, s: &MinerSnapshot) {
        let goal = s.hashrate.expected.or(s.hashrate.nameplate);
        self.facts(
            "hash rate",
            [
                Some(s.hashrate.current().map_or(UNKNOWN.to_owned(), |rate| format!("{rate:.1}"))),
                s.hashrate.of_expected().zip(goal).map(|(part, goal)| format!("{part} of {goal:.1}")),
                s.hashrate.average.map(|rate| format!("{rate:.1} on average")),
            ],
        );
        let t = &s.temperatures;
        let named = |name: &str, t: Option<Temperature>| t.map(|t| format!("{name} {t}"));
        self.facts(
            "temperature",
            [
                Some(named("chip", t.chip_max).unwrap_or_else(|| format!("chip {UNKNOWN}"))),
                named("board", t.board_max),
                named("inlet", t.inlet),
                named("outlet", t.outlet),
                named("ambient", t.ambient),
            ],
        );
        self.facts(
            "power",
            [
                Some(s.power.map_or(UNKNOWN.to_owned(), |power| power.to_string())),
                s.power_limit.map(|limit| format!("limit {limit}")),
                s.efficiency.map(|efficiency| efficiency.to_string()),
            ],
        );
        let shares = &s.shares;
        let counted = |n: Option<u64>, word: &str| n.map(|n| format!("{} {word}", count(n)));
        self.facts(
            "shares",
            [
                counted(shares.accepted, "accepted"),
                counted(shares.rejected, "rejected"),
                counted(shares.stale, "stale"),
                counted(shares.hardware_errors, "hardware errors"),
            ],
        );
        self.facts(
            "state",
            [
                s.mining_state.map(|state| mining(state).to_owned()),
                s.uptime.map(|up| format!("up {}", duration(up.as_duration()))),
                s.elapsed.map(|up| format!("mining program up {}", duration(up.as_duration()))),
                s.tuning.mode.as_deref().map(|mode| format!("mode {}", clean(mode))),
                s.tuning.frequency.map(|frequency| frequency.to_string()),
                Some(format!("light {}", s.light.map_or(UNKNOWN, |on| if on { "on" } else { "off" }))),
            ],
        );
    }

    /// What was read lately.
    fn trails(&mut self) {
        let Some(trail) = self.state.trails.of(self.miner.id) else { return };
        if trail.rate.len() < 2 {
            return;
        }
        self.heading("Readings since this began, the newest on the right");
        let rate = |v: f32| columns::hash_rate(f64::from(v)).unwrap_or_default();
        self.plot("hash rate", &trail.rate, &rate, |most| most / 10.0);
        self.plot("hottest", &trail.hottest, &|v| format!("{v:.0} °C"), |_| 10.0);
        self.plot("power", &trail.power, &|v| format!("{v:.0} W"), |most| most / 10.0);
    }

    fn plot(&mut self, name: &str, trail: &Trail, shown: &dyn Fn(f32) -> String, calm: impl Fn(f32) -> f32) {
        const LABEL: usize = 26;
        let values: Vec<_> = trail.last(self.room.saturating_sub(17 + LABEL).max(8)).collect();
        let Some((least, most)) = range(&values) else { return };
        let (low, high) = (shown(least), shown(most));
        let label = if low == high { low } else { format!("{low} to {high}") };
        self.put(vec![
            self.pen.span(format!("  {}", padded(name, 13)), Tone::Dim),
            self.pen.span(sparkline(&values, calm(most)), Tone::Good),
            self.pen.span(format!("  {label}"), Tone::Plain),
        ]);
    }

    fn boards(&mut self, s: &MinerSnapshot) {
        if s.boards.is_empty() && s.boards_expected.is_none() {
            return;
        }
        let told = s.boards.len();
        let expected = s.boards_expected.filter(|expected| told < *expected as usize);
        let missing = expected.map_or(String::new(), |expected| format!("   {told} of {expected} are there"));
        self.heading(&format!("Boards{missing}"));
        for board in &s.boards {
            self.board(board);
        }
    }

    fn board(&mut self, b: &Board) {
        let slot = self.pen.span(format!("  {} ", right(&b.slot.to_string(), 2)), Tone::Dim);
        if b.present == Some(false) {
            self.put(vec![slot, self.pen.span("not found", Tone::Bad)]);
            return;
        }
        let hottest = b.chip_temperature.max(b.board_temperature);
        let tone = self.heat(hottest);
        let told =
            |text: Option<String>, wide: usize| right(&text.unwrap_or_else(|| UNKNOWN.to_owned()), wide);
        let chips = match (b.chips, b.chips_expected) {
            (Some(chips), Some(of)) => Some((format!("{chips}/{of} chips"), chips < of)),
            (Some(chips), None) => Some((format!("{chips} chips"), false)),
            _ => None,
        };
        let lacks = chips.as_ref().is_some_and(|(_, lacks)| *lacks);
        let part = b.hashrate.zip(b.hashrate_expected).and_then(|(rate, of)| rate.ratio_to(of));
        let extra = [
            part.map(|part| part.to_string()),
            b.frequency.map(|frequency| frequency.to_string()),
            b.voltage.map(|voltage| voltage.to_string()),
            b.power.map(|power| power.to_string()),
            b.hardware_errors.map(|errors| format!("{} hw errors", count(errors))),
            b.status.as_deref().map(|status| clean(status).into_owned()),
        ];
        let extra: Vec<String> = extra.into_iter().flatten().collect();
        self.put(vec![
            slot,
            self.pen.span(bar(hottest.map(|t| t.as_celsius() / HOT), BAR), tone),
            self.pen.span(told(hottest.map(|t| t.to_string()), 7), tone),
            Span::raw(told(b.hashrate.map(|rate| format!("{rate:.1}")), 12)),
            self.pen.span(
                format!("  {}", told(chips.map(|(text, _)| text), 13)),
                if lacks { Tone::Warning } else { Tone::Plain },
            ),
            self.pen.span(format!("  {}", extra.join(" · ")), Tone::Dim),
        ]);
        if b.chip_sensors.len() > 1 {
            #[allow(clippy::cast_possible_truncation)] // for a plot
            let values: Vec<Option<f32>> =
                b.chip_sensors.iter().map(|t| Some(t.as_celsius() as f32)).collect();
            let label = range(&values).map(|(least, most)| format!("  chips {least:.0} to {most:.0} °C"));
            let values = values.get(..values.len().min(self.room.saturating_sub(30))).unwrap_or_default();
            self.put(vec![
                Span::raw("     "),
                self.pen.span(sparkline(values, 10.0), Tone::Plain),
                self.pen.span(label.unwrap_or_default(), Tone::Dim),
            ]);
        }
        self.map(b);
    }

    /// The firmware's own map of the chips.
    fn map(&mut self, b: &Board) {
        let Some(map) = b.chip_map.as_deref().filter(|map| map.contains(['x', '-'])) else { return };
        let map = clean(map).into_owned();
        let chips: Vec<char> = map.chars().collect();
        for part in chips.chunks(self.room.saturating_sub(8).max(16)) {
            let mut spans = vec![Span::raw("     ")];
            for chip in part {
                let tone = match chip {
                    'o' => Tone::Dim,
                    'x' => Tone::Bad,
                    _ => Tone::Warning,
                };
                spans.push(self.pen.span(chip.to_string(), tone));
            }
            self.lines.push(Line::from(spans));
        }
    }

    /// The tone of a temperature: that of a finding about heat whose limit it is at.
    fn heat(&self, t: Option<Temperature>) -> Tone {
        let Some(t) = t.map(Temperature::as_celsius) else { return Tone::Dim };
        let about = self.miner.findings.iter().filter(|finding| {
            finding.limit.as_ref().is_some_and(|limit| limit.unit == "°C" && t >= limit.value)
        });
        about.map(|finding| finding.severity).max().map_or(Tone::Good, severity_tone)
    }

    fn fans(&mut self, s: &MinerSnapshot) {
        if s.fans.is_empty() {
            return;
        }
        self.heading("Fans");
        let fastest = s.fans.iter().filter_map(|fan| fan.speed).map(FanSpeed::as_rpm).fold(1.0, f64::max);
        for fan in &s.fans {
            let speed = fan.speed.map(FanSpeed::as_rpm);
            let tone = if speed == Some(0.0) { Tone::Bad } else { Tone::Plain };
            let told = fan.speed.map_or(UNKNOWN.to_owned(), |speed| speed.to_string());
            let duty = fan.duty.map(|duty| format!("  driven at {duty}")).unwrap_or_default();
            let place = fan.location.map(|place| format!("  {place:?}").to_lowercase()).unwrap_or_default();
            self.put(vec![
                self.pen.span(format!("  {} ", right(&fan.index.to_string(), 2)), Tone::Dim),
                self.pen.span(bar(speed.map(|speed| speed / fastest), BAR), tone),
                self.pen.span(right(&told, 10), tone),
                self.pen.span(format!("{duty}{place}"), Tone::Dim),
            ]);
        }
    }

    fn supplies(&mut self, s: &MinerSnapshot) {
        for psu in &s.psus {
            self.facts(
                &format!("supply {}", psu.index),
                [
                    psu.model.as_deref().map(|model| clean(model).into_owned()),
                    psu.input_voltage.map(|v| format!("in {v:.0}")),
                    psu.input_power.map(|p| format!("in {p}")),
                    psu.output_voltage.map(|v| format!("out {v}")),
                    psu.output_power.map(|p| format!("out {p}")),
                    psu.temperature.map(|t| t.to_string()),
                    psu.fan_speed.map(|speed| format!("fan {speed}")),
                ],
            );
        }
    }

    fn pools(&mut self, s: &MinerSnapshot) {
        if s.pools.is_empty() {
            return;
        }
        self.heading("Pools");
        for pool in &s.pools {
            let (word, tone) = match pool.status {
                _ if pool.active == Some(true) => ("in use", Tone::Good),
                Some(PoolStatus::Alive) => ("alive", Tone::Plain),
                Some(PoolStatus::Dead) => ("dead", Tone::Bad),
                Some(PoolStatus::Rejecting) => ("rejecting", Tone::Bad),
                Some(PoolStatus::Disabled) => ("disabled", Tone::Dim),
                _ => ("unknown", Tone::Dim),
            };
            let url = pool.url.as_deref().map_or(UNKNOWN.into(), clean);
            let user = pool.user.as_deref().map_or(UNKNOWN.into(), clean);
            let shares = [(pool.accepted, "ok"), (pool.rejected, "rej"), (pool.stale, "stale")];
            let shares: Vec<String> =
                shares.iter().filter_map(|(n, word)| Some(format!("{} {word}", count((*n)?)))).collect();
            let room = self.room.saturating_sub(45).max(24);
            self.put(vec![
                self.pen.span(format!("  {} ", right(&pool.id.to_string(), 2)), Tone::Dim),
                self.pen.span(padded(word, 10), tone),
                Span::raw(clip(&url, room).into_owned()),
                Span::raw(format!("  {}", clip(&user, 24))),
                self.pen.span(format!("  {}", shares.join(" ")), Tone::Dim),
            ]);
        }
    }

    fn faults(&mut self, s: &MinerSnapshot) {
        if !s.errors.is_empty() {
            self.heading("Faults that it reports itself");
        }
        for fault in &s.errors {
            let code = fault.code.as_deref().map(|code| format!("{}  ", clean(code))).unwrap_or_default();
            let text = format!("  {code}{}", clean(&fault.message));
            self.put(vec![self.pen.span(text, severity_tone(fault.severity))]);
        }
        if !s.anomalies.is_empty() {
            let n = count(u64::try_from(s.anomalies.len()).unwrap_or(u64::MAX));
            let text = format!("  {n} oddities in what it said; `bitlink get` lists them");
            self.put(vec![self.pen.span(text, Tone::Dim)]);
        }
    }

    fn identity(&mut self, s: &MinerSnapshot) {
        let identity = &s.identity;
        let said = |text: &Option<Text>| text.as_deref().map(|text| clean(text).into_owned());
        self.heading("Who it is");
        self.facts("id", [Some(self.miner.id.to_string())]);
        self.facts("mac address", [Some(identity.mac.map_or(UNKNOWN.to_owned(), |mac| mac.to_string()))]);
        self.facts("serial", [said(&identity.serial), said(&identity.control_board_serial)]);
        self.facts("host name", [said(&identity.hostname)]);
        self.facts("firmware", [columns::firmware(self.miner).map(|firmware| clean(&firmware).into_owned())]);
        self.facts("control board", [said(&identity.control_board)]);
    }
}

const fn sign(severity: bitlink_miner_manager::Severity) -> &'static str {
    match severity {
        bitlink_miner_manager::Severity::Critical => "✖",
        bitlink_miner_manager::Severity::Warning => "▲",
        _ => "·",
    }
}

const fn mining(state: MiningState) -> &'static str {
    match state {
        MiningState::Mining => "mining",
        MiningState::Starting => "starting",
        MiningState::Stopped => "stopped by somebody's wish",
        MiningState::Failed => "should be mining and is not",
        _ => "unknown",
    }
}
