//! Braiins OS up to 25.05: GraphQL at `/graphql`, where reading is open to everybody. It tells who the machine is beyond what
//! TCP 4028 does, and everything else where that port is shut. As public clients ask it (asic-rs).
//!
//! A question with one name that a release does not know is refused as a whole; so what all of them know, what the boards are
//! like, and what is welcome are asked apart.

use super::super::base;
use crate::dialect::{Answers, Page, Question};
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, pool_status};
use bitlink_model::{
    Board, Component, DeviceError, HashRate, Identity, MinerSnapshot, MiningState, Pool, Severity, Source,
    Text, Voltage,
};

/// A question in that language.
const fn ask(name: &'static str, body: &'static str) -> Question {
    Question::page(name, Page::post_json("/graphql", body))
}

/// Who it is: its name, its release, and apart from these its address, which old releases do not know there.
pub(super) const NAMES: Question =
    ask("names", r#"{"query":"{bos{hostname info{version{full}}}}","variables":{}}"#);
pub(super) const ADDRESS: Question =
    ask("hardware address", r#"{"query":"{bos{macAddress}}","variables":{}}"#);

/// The command that these stand in for.
const INSTEAD: &str = "summary";

const MACHINE: Question = ask("machine", concat!(
    r#"{"query":"{bos{faultLight uptime{durationS}}bosminer{info{modelName fans{name speed rpm}"#,
    r#"summary{power{limitW approxConsumptionW}}workSolver{realHashrate{mhs5S}nominalMhs}}}}","variables":{}}"#,
)).required().in_place_of(INSTEAD);
const BOARDS: Question = ask(
    "solvers",
    concat!(
        r#"{"query":"{bosminer{info{workSolver{childSolvers{name realHashrate{mhs5S}nominalMhs "#,
        r#"hwDetails{chips frequencyMhz voltageV}temperatures{name degreesC}}}}}}","variables":{}}"#,
    ),
)
.in_place_of(INSTEAD);
const POOLS: Question = ask(
    "pool groups",
    concat!(
        r#"{"query":"{bosminer{info{poolGroups{name pools{url user status active "#,
        r#"shares{acceptedSolutions rejectedSolutions}}}}}}","variables":{}}"#,
    ),
)
.in_place_of(INSTEAD);
const RATES: Question = ask("rates", concat!(
    r#"{"query":"{bosminer{info{summary{realHashrate{mhsAv mhs1M mhs5M mhs15M mhs24H}"#,
    r#"shares{acceptedSolutions rejectedSolutions staleSolutions}foundBlocks bestShare}}}}","variables":{}}"#,
)).in_place_of(INSTEAD);
const TUNING: Question = ask(
    "autotuning",
    r#"{"query":"{bosminer{config{... on BosminerConfig{autotuning{mode powerTarget}}}}}","variables":{}}"#,
)
.in_place_of(INSTEAD);
/// From 24.09 on.
const APPEALS: Question =
    ask("appeals", r#"{"query":"{events{appeals{id kind message timestamp}}}","variables":{}}"#)
        .in_place_of(INSTEAD);

/// What a reading asks where the API is shut.
pub(super) const QUESTIONS: [Question; 6] = [MACHINE, BOARDS, POOLS, RATES, TUNING, APPEALS];

/// More than any machine has.
const MAX_SLOTS: usize = 16;

/// What an answer holds behind `data`.
fn data<'a>(answers: &'a Answers, question: Question, oddities: &'a Oddities) -> Option<Record<'a>> {
    answers.page(question.command, oddities)?.record("data")
}

/// What an answer holds of the mining program.
fn info<'a>(answers: &'a Answers, question: Question, oddities: &'a Oddities) -> Option<Record<'a>> {
    data(answers, question, oddities)?.record("bosminer")?.record("info")
}

/// Who the machine is, as far as it tells here.
pub(super) fn read_identity(answers: &Answers, identity: &mut Identity, oddities: &Oddities) {
    let bos = |question| data(answers, question, oddities)?.record("bos");
    if let Some(r) = bos(NAMES) {
        identity.hostname = r.text("hostname").map(Text::from);
        let version = r.record("info").and_then(|r| r.record("version")).and_then(|r| r.text("full"));
        if let Some(firmware) = &mut identity.firmware {
            firmware.version = version.map(Text::from);
        }
    }
    identity.mac = bos(ADDRESS).and_then(|r| r.text("macAddress")?.parse().ok());
}

/// Reads what was asked in the place of the API; whether it was.
pub(super) fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) -> bool {
    let Some(page) = answers.page(MACHINE.command, oddities) else { return false };
    if let Some(r) = data(answers, MACHINE, oddities).and_then(|r| r.record("bos")) {
        snapshot.light = r.flag("faultLight");
        snapshot.uptime = r.record("uptime").and_then(|r| r.seconds("durationS"));
    }
    if let Some(r) = info(answers, MACHINE, oddities) {
        read_machine(r, snapshot);
    }
    if snapshot.hashrate.realtime.is_none() {
        read_refusal(page, snapshot);
    }
    let first = read_boards(answers, snapshot, oddities);
    read_fans(answers, first, snapshot, oddities);
    if let Some(r) = info(answers, RATES, oddities).and_then(|r| r.record("summary")) {
        read_rates(r, snapshot);
    }
    let groups = info(answers, POOLS, oddities).map(|r| r.records("poolGroups")).unwrap_or_default();
    let pools = groups.into_iter().flat_map(|group| group.records("pools")).take(MAX_SLOTS);
    snapshot.pools = (0..).zip(pools).filter_map(|(position, r)| pool(position, r)).collect();
    let program = data(answers, TUNING, oddities).and_then(|r| r.record("bosminer"));
    let tuning = program.and_then(|r| r.record("config")).and_then(|r| r.record("autotuning"));
    snapshot.tuning.mode =
        tuning.and_then(|r| r.text("mode")).map(|mode| mode.replace('_', " ").to_lowercase()).map(Text::from);
    snapshot.power_limit = snapshot.power_limit.or_else(|| tuning.and_then(|r| r.watts("powerTarget")));
    let events = data(answers, APPEALS, oddities).and_then(|r| r.record("events"));
    let appeals = events.map(|r| r.records("appeals")).unwrap_or_default();
    snapshot.errors.extend(appeals.into_iter().take(MAX_SLOTS).filter_map(appeal));
    base::estimated_power(snapshot);
    true
}

/// A mining program that was stopped is not there to say how it does: an error stands for it.
fn read_refusal(page: Record<'_>, snapshot: &mut MinerSnapshot) {
    let unavailable = |r: &Record<'_>| {
        r.text("message").is_some_and(|words| words.to_ascii_lowercase().contains("unavailable"))
    };
    if page.records("errors").iter().any(unavailable) {
        snapshot.mining_state = Some(MiningState::Stopped);
        snapshot.provenance.mark("mining_state", Source::Derived);
    }
}

fn read_machine(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if let Some(raw) = r.text("modelName").filter(|_| snapshot.identity.model.is_none()) {
        (snapshot.identity.make, snapshot.identity.model) = base::make_and_model(raw);
        snapshot.identity.model_raw = Some(raw.into());
    }
    if let Some(r) = r.record("workSolver") {
        snapshot.hashrate.realtime = real_rate(r);
        snapshot.hashrate.expected = r.mhs("nominalMhs").filter(|rate| rate.as_hs() > 0.0);
    }
    if let Some(r) = r.record("summary").and_then(|r| r.record("power")) {
        snapshot.power = r.watts("approxConsumptionW");
        snapshot.power_limit = r.watts("limitW");
    }
}

/// Four connectors are listed always. Whether anything regulates them is not told here, so of a machine on which none turns
/// nothing is said: it may be cooled otherwise.
fn read_fans(answers: &Answers, first: u32, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    let fans = info(answers, MACHINE, oddities).map(|r| r.records("fans")).unwrap_or_default();
    let listed = fans.into_iter().take(MAX_SLOTS).filter_map(|r| Some((r.rpm("rpm")?, r.percent("speed"))));
    let listed: Vec<_> = listed.collect();
    let fitted = if super::turns(&listed) { super::fitted_fans(&snapshot.identity, first) } else { 0 };
    snapshot.fans = base::fitted_fans(listed, Some(fitted));
}

fn real_rate(r: Record<'_>) -> Option<HashRate> {
    r.record("realHashrate")?.mhs("mhs5S")
}

/// Boards are named by their connectors, from 6 on an S9 and from 1 later. Returns the first of them.
fn read_boards(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) -> u32 {
    let solver = info(answers, BOARDS, oddities).and_then(|r| r.record("workSolver"));
    let solvers = solver.map(|r| r.records("childSolvers")).unwrap_or_default();
    let number =
        |r: &Record<'_>| r.text("name")?.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    let first =
        solvers.iter().filter_map(number).min().map_or(1, |first: u32| if first >= 6 { 6 } else { 1 });
    for r in solvers.into_iter().take(MAX_SLOTS) {
        let Some(slot) = number(&r).and_then(|n| n.checked_sub(first)) else { continue };
        let mut board = Board::in_slot(slot);
        board.present = Some(true);
        board.hashrate = real_rate(r);
        board.active = board.hashrate.map(|rate| rate.as_hs() > 0.0);
        board.hashrate_expected = r.mhs("nominalMhs").filter(|rate| rate.as_hs() > 0.0);
        if let Some(r) = r.record("hwDetails") {
            board.chips = r.small("chips", MAX_CHIPS).filter(|chips| *chips > 0);
            board.frequency = r.megahertz("frequencyMhz");
            board.voltage = r.voltage("voltageV", Voltage::from_volts);
        }
        for r in r.records("temperatures").into_iter().take(MAX_SLOTS) {
            let name = r.text("name").unwrap_or_default();
            if name.contains("Board") {
                board.board_temperature = board.board_temperature.max(r.celsius_or_zero("degreesC"));
            } else if name.contains("Chip") {
                board.chip_temperature = board.chip_temperature.max(r.celsius_or_zero("degreesC"));
            }
        }
        snapshot.boards.push(board);
    }
    base::sort_boards(&mut snapshot.boards);
    first
}

fn read_rates(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    if let Some(r) = r.record("realHashrate") {
        let rates = &mut snapshot.hashrate;
        rates.average = r.mhs("mhsAv");
        rates.one_minute = r.mhs("mhs1M");
        rates.five_minutes = r.mhs("mhs5M");
        rates.fifteen_minutes = r.mhs("mhs15M");
        // Divided by the whole day from the start on, and when the program started is not told here.
        let old = snapshot.uptime.is_some_and(|up| up.as_seconds() >= 2 * 86_400);
        rates.one_day = r.mhs("mhs24H").filter(|_| old);
    }
    let shares = &mut snapshot.shares;
    if let Some(r) = r.record("shares") {
        shares.accepted = r.count("acceptedSolutions");
        shares.rejected = r.count("rejectedSolutions");
        shares.stale = r.count("staleSolutions");
    }
    shares.found_blocks = r.count("foundBlocks");
    shares.best_share = r.difficulty("bestShare");
}

fn pool(position: u32, r: Record<'_>) -> Option<Pool> {
    let mut pool = Pool::default();
    pool.url = Some(r.text("url").filter(|url| !url.is_empty())?.into());
    pool.id = position;
    pool.priority = Some(position.into());
    pool.user = r.text("user").map(Text::from);
    pool.status = r.text("status").map(pool_status);
    pool.active = r.flag("active");
    if let Some(r) = r.record("shares") {
        pool.accepted = r.count("acceptedSolutions");
        pool.rejected = r.count("rejectedSolutions");
    }
    Some(pool)
}

/// What kinds there are is in no document; all of them want somebody to look.
fn appeal(r: Record<'_>) -> Option<DeviceError> {
    let mut error = DeviceError::new(Severity::Warning, r.text("message")?);
    error.code = r.word("kind");
    error.since = r.word("timestamp");
    let words = error.message.to_ascii_lowercase();
    error.component = match () {
        () if words.contains("fan") => Some(Component::Fan(None)),
        () if words.contains("psu") || words.contains("power supply") => Some(Component::Psu),
        () if words.contains("board") || words.contains("chain") => Some(Component::Board(None)),
        () if words.contains("pool") => Some(Component::Pool),
        () => None,
    };
    Some(error)
}
