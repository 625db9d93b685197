//! The fields of a miner and where each is taken from. A reading that does not stand for now is not known; who a machine is
//! stays known.

use super::{Field, Kind, Subject, Texts, Value};
use bitlink_model::{
    Board, Family, Fan, FanSpeed, HashRate, Identity, Mac, Miner, MinerSnapshot, MinerStatus, MiningState,
    Pool, Severity, Span, Temperature, Text, Timestamp,
};
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

/// The field of a name, or of one of its shorter names.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == name || field.aliases.contains(&name))
}

const fn text(key: &'static str, title: &'static str, about: &'static str, value: Get) -> Field {
    Field { key, title, unit: None, kind: Kind::Text, aliases: &[], per: 1.0, about, value, texts: None }
}

const fn number(
    key: &'static str,
    title: &'static str,
    unit: Option<&'static str>,
    about: &'static str,
    value: Get,
) -> Field {
    Field { key, title, unit, kind: Kind::Number, aliases: &[], per: 1.0, about, value, texts: None }
}

const fn time(key: &'static str, title: &'static str, about: &'static str, value: Get) -> Field {
    Field {
        key,
        title,
        unit: Some("ms"),
        kind: Kind::Time,
        aliases: &[],
        per: 1.0,
        about,
        value,
        texts: None,
    }
}

const fn flag(key: &'static str, title: &'static str, about: &'static str, value: Get) -> Field {
    Field { key, title, unit: None, kind: Kind::Bool, aliases: &[], per: 1.0, about, value, texts: None }
}

type Get = for<'a> fn(&Subject<'a>) -> Value<'a>;

impl Field {
    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Under its shorter names a bare number counts so many base units.
    const fn per(mut self, per: f64) -> Self {
        self.per = per;
        self
    }

    const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.kind = Kind::Word(words);
        self
    }

    const fn searching(mut self, texts: Texts) -> Self {
        self.texts = Some(texts);
        self
    }
}

const TH: f64 = 1e12;

/// All fields, in the order in which people look at them.
pub static FIELDS: &[Field] = &[
    text("id", "id", "our own name for the machine; it stays when the address changes", |s| {
        Value::Text(s.miner.id.to_string().into())
    })
    .searching(|s, wanted| made(s.miner.id, wanted)),
    text("status", "status", "how it does", |s| Value::Text(status(s.miner.status).into()))
        .words(&["active", "paused", "warning", "dead", "scanning"]),
    flag("live", "live", "whether its reading stands for now", |s| Value::Bool(s.miner.is_live)),
    number("age_s", "age", Some("s"), "since it was last heard", |s| {
        Value::number(s.miner.last_updated.map(|then| s.now.since(then).as_secs_f64()))
    })
    .or(&["age"]),
    text("address", "address", "where it was reached; with the port where it is not 4028", |s| {
        Value::Text(address(s.miner).into())
    })
    .or(&["addr"])
    .searching(|s, wanted| match s.miner.port {
        crate::DEFAULT_PORT => made(s.miner.ip, wanted),
        port => made(SocketAddr::new(s.miner.ip, port), wanted),
    }),
    text("ip", "IP address", "where it was reached, without the port", |s| {
        Value::Text(s.miner.ip.to_string().into())
    })
    .searching(|s, wanted| made(s.miner.ip, wanted)),
    number("port", "port", None, "the port of its API", |s| Value::Number(f64::from(s.miner.port))),
    text("mac", "MAC address", "hardware address", |s| Value::text(mac(s).map(|mac| mac.to_string())))
        .searching(|s, wanted| made(mac(s)?, wanted)),
    text("make", "make", "whose machine it is", |s| {
        Value::text(
            identity(s).and_then(|identity| identity.make.as_ref()).map(|make| make.as_str().to_owned()),
        )
    }),
    text("model", "model", "make and model", |s| match s.miner.snapshot {
        Some(_) => Value::text(Some(s.miner.model.as_str())),
        None => Value::text(s.record.and_then(|record| record.identity.name())),
    }),
    text("firmware", "firmware", "family and version of the firmware", |s| {
        Value::text(firmware(s).map(|(family, version)| match version {
            Some(version) => format!("{family} {version}"),
            None => family.to_string(),
        }))
    })
    .searching(|s, wanted| {
        Some(match firmware(s)? {
            (family, Some(version)) => made(format_args!("{family} {version}"), wanted)?,
            (family, None) => wanted(family.as_str()),
        })
    }),
    text("version", "firmware version", "of the firmware, as it tells it", |s| {
        Value::text(identity(s).and_then(|identity| identity.firmware.as_ref()?.version.as_deref()))
    }),
    text("serial", "serial number", "of the machine; a filter looks at that of the control board too", |s| {
        Value::text(
            identity(s).and_then(|identity| identity.serial.as_deref()).or_else(|| s.record?.serial()),
        )
    })
    .searching(|s, wanted| {
        let identity = identity(s)?;
        any(
            [&identity.serial, &identity.control_board_serial].into_iter().flatten().map(Text::as_str),
            wanted,
        )
    }),
    text("hostname", "host name", "the name it gives itself", |s| {
        Value::text(identity(s).and_then(|identity| identity.hostname.as_deref()))
    })
    .or(&["host"]),
    text("site", "site", "where it stands", |s| part(s, |p| p.site.as_deref())),
    text("building", "building", "where it stands", |s| part(s, |p| p.building.as_deref())),
    text("rack", "rack", "where it stands", |s| part(s, |p| p.rack.as_deref())),
    text("shelf", "shelf", "where it stands", |s| part(s, |p| p.shelf.as_deref())),
    text("slot", "slot", "where it stands", |s| part(s, |p| p.slot.as_deref())),
    text("position", "position", "all of where it stands, from the large to the small", |s| {
        Value::text(s.record.map(|record| record.position.to_string()))
    })
    .searching(|s, wanted| made(&s.record?.position, wanted)),
    text("labels", "labels", "what people have put on it", |s| {
        Value::text(
            s.record.map(|record| record.labels.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        )
    })
    .or(&["label"])
    .searching(|s, wanted| any(s.record?.labels.iter().map(String::as_str), wanted)),
    text("notes", "notes", "what people have written of it", |s| {
        Value::text(s.record.map(|record| record.notes.as_str()))
    })
    .or(&["note"]),
    number("hashrate_hs", "hash rate", Some("H/s"), "over the shortest window that it gives", |s| {
        rate(s, |l| l.hashrate.current())
    })
    .or(&["hashrate", "rate"])
    .per(TH),
    number(
        "hashrate_5s_hs",
        "hash rate, seconds",
        Some("H/s"),
        "over some seconds, where it tells that",
        |s| rate(s, |l| l.hashrate.realtime),
    )
    .or(&["hashrate_5s"])
    .per(TH),
    number("hashrate_15m_hs", "hash rate, 15 min", Some("H/s"), "over the last quarter of an hour", |s| {
        rate(s, |l| l.hashrate.fifteen_minutes)
    })
    .or(&["hashrate_15m"])
    .per(TH),
    number("hashrate_24h_hs", "hash rate, day", Some("H/s"), "over the last day", |s| {
        rate(s, |l| l.hashrate.one_day)
    })
    .or(&["hashrate_24h"])
    .per(TH),
    number("hashrate_average_hs", "mean hash rate", Some("H/s"), "since the mining program started", |s| {
        rate(s, |l| l.hashrate.average)
    })
    .or(&["average", "hashrate_average"])
    .per(TH),
    number("hashrate_expected_hs", "expected", Some("H/s"), "what it should reach", |s| {
        rate(s, |l| l.hashrate.expected.or(l.hashrate.nameplate))
    })
    .or(&["expected", "hashrate_expected"])
    .per(TH),
    number("hashrate_ratio", "of expected", Some("1"), "hash rate as a share of what it should be", |s| {
        derived(live(s).and_then(|l| l.hashrate.of_expected()).map(|ratio| ratio.as_percent() / 100.0))
    })
    .or(&["exp"])
    .per(0.01),
    number("power_w", "power", Some("W"), "power drawn", |s| {
        Value::number(live(s).and_then(|l| l.power).map(bitlink_model::Power::as_watts))
    })
    .or(&["power"]),
    number("power_limit_w", "power limit", Some("W"), "the limit that its firmware keeps", |s| {
        Value::number(live(s).and_then(|l| l.power_limit).map(bitlink_model::Power::as_watts))
    })
    .or(&["power_limit"]),
    number("efficiency_j_per_th", "efficiency", Some("J/TH"), "energy per work", |s| {
        derived(live(s).and_then(|l| l.efficiency).map(bitlink_model::Efficiency::as_joules_per_terahash))
    })
    .or(&["efficiency", "eff"]),
    number("chip_temp_celsius", "chips", Some("°C"), "hottest chip", |s| {
        degrees(s, |l| l.temperatures.chip_max)
    })
    .or(&["chip_temp", "chips_temp"]),
    number("board_temp_celsius", "boards", Some("°C"), "hottest board sensor", |s| {
        degrees(s, |l| l.temperatures.board_max)
    })
    .or(&["board_temp"]),
    number("temp_celsius", "hottest", Some("°C"), "the hottest place that has a sensor", |s| {
        degrees(s, |l| l.temperatures.hottest())
    })
    .or(&["temp", "hottest"]),
    number("inlet_temp_celsius", "inlet", Some("°C"), "air or fluid going in", |s| {
        degrees(s, |l| l.temperatures.inlet.or(l.temperatures.ambient))
    })
    .or(&["inlet", "inlet_temp"]),
    number("outlet_temp_celsius", "outlet", Some("°C"), "air or fluid coming out", |s| {
        degrees(s, |l| l.temperatures.outlet)
    })
    .or(&["outlet", "outlet_temp"]),
    number("fan_rpm", "fans", Some("rpm"), "mean over the fans that tell", mean_fan),
    number("fan_min_rpm", "slowest fan", Some("rpm"), "the slowest fan", |s| fan(s, f64::min))
        .or(&["fan", "fan_min"]),
    number("fan_max_rpm", "fastest fan", Some("rpm"), "the fastest fan", |s| fan(s, f64::max))
        .or(&["fan_max"]),
    number("fan_duty_ratio", "fan duty", Some("1"), "how hard the hardest-driven fan is driven", |s| {
        let duties = fans(s).iter().filter_map(|fan| fan.duty);
        Value::number(duties.map(|duty| duty.as_percent() / 100.0).reduce(f64::max))
    })
    .or(&["fan_duty", "duty"])
    .per(0.01),
    number("fans", "fans", None, "how many fans it lists", |s| {
        Value::whole(live(s).map(|l| l.fans.len()).filter(|fans| *fans > 0))
    }),
    number("boards_present", "boards found", None, "hash boards found", |s| Value::whole(boards(s)))
        .or(&["boards"]),
    number("boards_expected", "boards expected", None, "hash boards that it should have", |s| {
        Value::whole(live(s).and_then(|l| l.boards_expected))
    }),
    number("chips", "chips found", None, "chips that answer, where every board tells", |s| {
        Value::whole(sum(s, |board| board.chips))
    }),
    number("chips_bad", "bad chips", None, "chips reported bad", |s| {
        Value::whole(some(s, |board| board.chips_bad))
    }),
    number("frequency_hz", "frequency", Some("Hz"), "mean frequency of the chips", |s| {
        Value::number(live(s).and_then(|l| l.tuning.frequency).map(|hz| hz.as_megahertz() * 1e6))
    })
    .or(&["frequency", "freq"])
    .per(1e6),
    number("hw_errors", "hardware errors", None, "wrong nonces since the mining program started", |s| {
        Value::count(live(s).and_then(|l| l.shares.hardware_errors))
    }),
    number("shares_accepted", "accepted", None, "shares accepted since the mining program started", |s| {
        Value::count(live(s).and_then(|l| l.shares.accepted))
    })
    .or(&["accepted"]),
    number("shares_rejected", "rejected", None, "shares rejected since the mining program started", |s| {
        Value::count(live(s).and_then(|l| l.shares.rejected))
    })
    .or(&["rejected"]),
    number("reject_ratio", "reject rate", Some("1"), "rejected shares as a share of all", |s| {
        Value::number(live(s).and_then(reject_ratio))
    })
    .or(&["rejects"])
    .per(0.01),
    text("pool", "pool", "the pool in use; a filter looks at all pools", |s| {
        Value::text(pool(s).and_then(|pool| pool.url.as_deref()))
    })
    .searching(|s, wanted| {
        any(s.miner.snapshot.as_ref()?.pools.iter().filter_map(|pool| pool.url.as_deref()), wanted)
    }),
    text("worker", "worker", "the worker at the pool in use; a filter looks at all pools", |s| {
        Value::text(pool(s).and_then(|pool| pool.user.as_deref()))
    })
    .searching(|s, wanted| {
        any(s.miner.snapshot.as_ref()?.pools.iter().filter_map(|pool| pool.user.as_deref()), wanted)
    }),
    flag("pool_up", "pool answers", "whether any of its pools answers", |s| {
        let known = live(s).map(|l| l.pools.iter().filter_map(|pool| pool.status));
        Value::flag(known.and_then(|all| {
            all.map(|status| status == bitlink_model::PoolStatus::Alive).reduce(|a, b| a || b)
        }))
    }),
    number("pools_alive", "pools alive", None, "pools that answer", |s| {
        Value::whole(live(s).filter(|l| l.pools.iter().any(|pool| pool.status.is_some())).map(|l| {
            l.pools.iter().filter(|pool| pool.status == Some(bitlink_model::PoolStatus::Alive)).count()
        }))
    }),
    text("mode", "mode", "power or performance mode", |s| {
        Value::text(live(s).and_then(|l| l.tuning.mode.as_deref()))
    }),
    number("uptime_s", "uptime", Some("s"), "since it was switched on, or the mining program started", |s| {
        seconds(live(s).and_then(|l| l.uptime.or(l.elapsed)))
    })
    .or(&["uptime"]),
    number("elapsed_s", "mining since", Some("s"), "since the mining program started", |s| {
        seconds(live(s).and_then(|l| l.elapsed))
    })
    .or(&["elapsed"]),
    text("state", "mining", "whether it mines, as far as it says", |s| {
        Value::text(live(s).and_then(|l| l.mining_state).map(mining))
    })
    .words(&["mining", "starting", "stopped", "failed"]),
    flag("light", "light", "whether its locator light is on", |s| {
        Value::flag(s.miner.snapshot.as_ref().and_then(|l| l.light))
    })
    .or(&["light_on"]),
    flag(
        "default_password",
        "default password",
        "whether the password it was delivered with still opens it",
        |s| Value::flag(s.miner.snapshot.as_ref().and_then(|l| l.default_password)),
    ),
    number("findings", "findings", None, "how many things are wrong", |s| {
        Value::whole(Some(s.miner.findings.len()))
    }),
    text("worst", "worst", "how bad the worst finding is", |s| {
        Value::text(s.miner.findings.iter().map(|finding| finding.severity).max().map(severity))
    })
    .words(&["info", "warning", "critical"]),
    text("reason", "reason", "the worst finding in words; a filter looks at all", |s| {
        Value::text(
            s.miner.findings.iter().max_by_key(|f| f.severity).map(|finding| finding.message.as_str()),
        )
    })
    .searching(|s, wanted| any(s.miner.findings.iter().map(|finding| finding.message.as_str()), wanted)),
    text("rules", "rules", "the health rules that are broken", |s| {
        Value::text(Some(
            s.miner.findings.iter().map(|finding| finding.rule.as_str()).collect::<Vec<_>>().join(", "),
        ))
    })
    .or(&["rule"])
    .searching(|s, wanted| any(s.miner.findings.iter().map(|finding| finding.rule.as_str()), wanted)),
    time("first_seen_ms", "first seen", "when it was met first", |s| {
        moment(s.record.map(|record| record.first_seen))
    }),
    time("last_seen_ms", "last seen", "when it was heard last", |s| {
        moment(s.miner.last_updated.or_else(|| s.record.map(|record| record.last_seen)))
    }),
    number("round_trip_s", "round trip", Some("s"), "how long its last reading took", |s| {
        seconds(live(s).and_then(|l| l.round_trip))
    })
    .or(&["round_trip"]),
];

/// Fields that are known of a machine without any reading of it: what is kept.
const KEPT: &[&str] = &[
    "id",
    "age_s",
    "address",
    "ip",
    "port",
    "mac",
    "make",
    "model",
    "firmware",
    "version",
    "serial",
    "hostname",
    "site",
    "building",
    "rack",
    "shelf",
    "slot",
    "position",
    "labels",
    "notes",
    "first_seen_ms",
    "last_seen_ms",
];

impl Field {
    /// Whether it is known of a machine that is kept and not watched ([`super::unwatched`]).
    pub fn is_kept(&self) -> bool {
        KEPT.contains(&self.key)
    }
}

/// Its reading, where that stands for now.
fn live<'a>(of: &Subject<'a>) -> Option<&'a MinerSnapshot> {
    of.miner.snapshot.as_deref().filter(|_| of.miner.is_live)
}

fn identity<'a>(of: &Subject<'a>) -> Option<&'a Identity> {
    let told = of.miner.snapshot.as_deref().map(|snapshot| &snapshot.identity);
    told.or_else(|| of.record.map(|record| &record.identity))
}

/// A text that is made to be looked through; one that is empty says nothing. Short ones take no memory: somebody looks for a word
/// through half a dozen of these for each of tens of thousands of miners.
fn made(what: impl fmt::Display, wanted: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
    let mut short = Short::default();
    if write!(short, "{what}").is_err() {
        return Some(wanted(&what.to_string()));
    }
    short.as_str().filter(|text| !text.is_empty()).map(wanted)
}

/// A text of a few words, where it is made.
struct Short {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Short {
    fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(..self.len)?).ok()
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[allow(single_use_lifetimes, reason = "a lifetime in `impl Trait` has to have a name")]
fn any<'t>(texts: impl Iterator<Item = &'t str>, wanted: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
    let mut texts = texts.filter(|text| !text.is_empty()).peekable();
    texts.peek()?;
    Some(texts.any(wanted))
}

fn part<'a>(of: &Subject<'a>, part: for<'p> fn(&'p bitlink_model::Position) -> Option<&'p str>) -> Value<'a> {
    Value::text(of.record.and_then(|record| part(&record.position)))
}

fn rate<'a>(of: &Subject<'a>, rate: fn(&MinerSnapshot) -> Option<HashRate>) -> Value<'a> {
    Value::number(live(of).and_then(rate).map(HashRate::as_hs))
}

fn degrees<'a>(of: &Subject<'a>, at: fn(&MinerSnapshot) -> Option<Temperature>) -> Value<'a> {
    Value::number(live(of).and_then(at).map(Temperature::as_celsius))
}

fn seconds<'a>(span: Option<Span>) -> Value<'a> {
    Value::number(span.map(|span| span.as_duration().as_secs_f64()))
}

/// Dates lie far below 2⁵³ ms.
#[allow(clippy::cast_precision_loss)]
fn moment<'a>(at: Option<Timestamp>) -> Value<'a> {
    Value::number(at.map(|at| at.as_unix_millis() as f64))
}

/// A number that is made of others: a millionth is more than any of them was measured to, and further digits are noise.
fn derived<'a>(number: Option<f64>) -> Value<'a> {
    Value::number(number.map(|number| (number * 1e6).round() / 1e6))
}

fn fans<'a>(of: &Subject<'a>) -> &'a [Fan] {
    live(of).map(|l| l.fans.as_slice()).unwrap_or_default()
}

fn fan<'a>(of: &Subject<'a>, which: fn(f64, f64) -> f64) -> Value<'a> {
    Value::number(fans(of).iter().filter_map(|fan| fan.speed).map(FanSpeed::as_rpm).reduce(which))
}

fn mean_fan<'a>(of: &Subject<'a>) -> Value<'a> {
    let speeds = fans(of).iter().filter_map(|fan| fan.speed);
    let (sum, many) = speeds.fold((0.0, 0.0), |(sum, many), speed| (sum + speed.as_rpm(), many + 1.0));
    derived((many > 0.0).then(|| sum / many))
}

fn boards(of: &Subject<'_>) -> Option<usize> {
    let boards = &live(of)?.boards;
    (!boards.is_empty()).then(|| boards.iter().filter(|board| board.present != Some(false)).count())
}

/// The sum over the boards, where every one tells.
fn sum(of: &Subject<'_>, get: fn(&Board) -> Option<u32>) -> Option<u32> {
    let boards = &live(of)?.boards;
    if boards.is_empty() {
        return None;
    }
    boards.iter().try_fold(0_u32, |sum, board| Some(sum.saturating_add(get(board)?)))
}

/// The sum over the boards that tell.
fn some(of: &Subject<'_>, get: fn(&Board) -> Option<u32>) -> Option<u32> {
    live(of)?.boards.iter().filter_map(get).reduce(u32::saturating_add)
}

/// Counts beyond 2⁵³ lose digits that a share of them does not have.
#[allow(clippy::cast_precision_loss)]
fn reject_ratio(reading: &MinerSnapshot) -> Option<f64> {
    let shares = &reading.shares;
    if let Some(ratio) = shares.rejected_ratio {
        return Some(ratio.as_percent() / 100.0);
    }
    let (accepted, rejected) = (shares.accepted?, shares.rejected?);
    let all = accepted.saturating_add(rejected);
    (all > 0).then(|| rejected as f64 / all as f64)
}

/// The pool in use, else the first.
fn pool<'a>(of: &Subject<'a>) -> Option<&'a Pool> {
    let pools = &of.miner.snapshot.as_deref()?.pools;
    pools.iter().find(|pool| pool.active == Some(true)).or_else(|| pools.first())
}

fn firmware<'a>(of: &Subject<'a>) -> Option<(&'a Family, Option<&'a str>)> {
    let firmware = identity(of)?.firmware.as_ref()?;
    Some((&firmware.family, firmware.version.as_deref()))
}

fn mac(of: &Subject<'_>) -> Option<Mac> {
    identity(of).and_then(|identity| identity.mac).or_else(|| of.record?.mac())
}

fn address(miner: &Miner) -> String {
    if miner.port == crate::DEFAULT_PORT {
        miner.ip.to_string()
    } else {
        SocketAddr::new(miner.ip, miner.port).to_string()
    }
}

const fn status(status: MinerStatus) -> &'static str {
    match status {
        MinerStatus::Active => "active",
        MinerStatus::Paused => "paused",
        MinerStatus::Warning => "warning",
        MinerStatus::Dead => "dead",
        _ => "scanning",
    }
}

const fn mining(state: MiningState) -> &'static str {
    match state {
        MiningState::Mining => "mining",
        MiningState::Starting => "starting",
        MiningState::Stopped => "stopped",
        _ => "failed",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        _ => "critical",
    }
}

/// How much a miner needs somebody's attention: by its status, then by its worst finding.
pub(super) fn attention(miner: &Miner) -> f64 {
    let urgency = match miner.status {
        MinerStatus::Dead => 3,
        MinerStatus::Warning => 2,
        MinerStatus::Scanning => 1,
        _ => 0,
    };
    let weight = match miner.findings.iter().map(|finding| finding.severity).max() {
        None => 0,
        Some(Severity::Info) => 1,
        Some(Severity::Warning) => 2,
        Some(_) => 3,
    };
    f64::from(urgency * 4 + weight)
}
