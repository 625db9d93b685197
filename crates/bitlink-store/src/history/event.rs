//! What happens: statuses with their findings, and facts about machines that change seldom. Kept for ever, each as it is from then
//! on, so that any time can be told from the last before it.

use bitlink_model::{Miner, MinerId, MinerStatus, Severity, Timestamp};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Something that happened at a time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// To which machine; `None`: to the program itself.
    pub miner: Option<MinerId>,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// Of a machine.
    pub fn of(at: Timestamp, miner: MinerId, kind: EventKind) -> Self {
        Self { at, miner: Some(miner), kind }
    }

    /// Of the program itself.
    pub fn general(at: Timestamp, kind: EventKind) -> Self {
        Self { at, miner: None, kind }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// Its status or its findings are these from now on.
    Status(StatusFact),
    /// These facts hold from now on.
    Facts(Facts),
    /// It is gone, and what there is of it belongs to another record.
    Absorbed {
        /// The machine that it turned out to be.
        into: MinerId,
    },
    /// Recording began.
    Started,
    /// Recording ended in good order.
    Stopped,
    /// Readings were not kept.
    Gap {
        /// Of how many ticks.
        ticks: u64,
        /// Why.
        reason: String,
    },
}

const STATUS: i64 = 1;
const FACTS: i64 = 2;
const ABSORBED: i64 = 3;

impl EventKind {
    /// The number in what is kept: never given to another kind.
    fn number(&self) -> i64 {
        match self {
            Self::Status(_) => STATUS,
            Self::Facts(_) => FACTS,
            Self::Absorbed { .. } => ABSORBED,
            Self::Started => 4,
            Self::Stopped => 5,
            Self::Gap { .. } => 6,
        }
    }
}

/// How a machine does from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusFact {
    /// Its status.
    pub status: MinerStatus,
    /// What is found wrong, in the order of the rules' names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingFact>,
}

impl StatusFact {
    /// As it is now.
    pub fn of(miner: &Miner) -> Self {
        let mut findings: Vec<FindingFact> = miner
            .findings
            .iter()
            .take(MOST)
            .map(|finding| FindingFact {
                rule: finding.rule.to_string(),
                severity: finding.severity,
                message: cut(&finding.message),
            })
            .collect();
        findings.sort_by(|a, b| (&a.rule, &a.message).cmp(&(&b.rule, &b.message)));
        Self { status: miner.status, findings }
    }

    /// Whether anything but the numbers in words is different.
    pub fn differs(&self, other: &Self) -> bool {
        let rules = |fact: &Self| -> Vec<(String, Severity)> {
            fact.findings.iter().map(|finding| (finding.rule.clone(), finding.severity)).collect()
        };
        self.status != other.status || rules(self) != rules(other)
    }
}

/// One thing that is found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingFact {
    /// The rule that says so.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// In words, as it was when it was found.
    pub message: String,
}

/// What changes seldom about a machine. Unknown is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Facts {
    /// Where it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Make and model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Firmware and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The name it gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Its power or performance mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its pools, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<u32, PoolFact>,
    /// Its hash boards, by slot.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub boards: BTreeMap<u32, BoardFact>,
}

/// What changes seldom about a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PoolFact {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The name of the worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What changes seldom about a hash board.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BoardFact {
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Chips that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chips: Option<u32>,
    /// Whether it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// Most pools, boards and findings of one machine that are kept, and most characters of one text: a machine may say anything.
const MOST: usize = 32;
const LONGEST: usize = 256;

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl Facts {
    /// What a reading says; where there is none, only the address.
    pub fn of(miner: &Miner) -> Self {
        let address = std::net::SocketAddr::new(miner.ip, miner.port).to_string();
        let mut facts = Self { address: Some(address), ..Self::default() };
        let Some(snapshot) = &miner.snapshot else { return facts };
        let identity = &snapshot.identity;
        facts.model = identity.name().map(|name| cut(&name));
        facts.firmware = identity.firmware.as_ref().map(|firmware| match &firmware.version {
            Some(version) => cut(&format!("{} {version}", firmware.family)),
            None => cut(&firmware.family.to_string()),
        });
        facts.hostname = identity.hostname.as_deref().map(cut);
        facts.mode = snapshot.tuning.mode.as_deref().map(cut);
        for pool in snapshot.pools.iter().take(MOST) {
            let fact = PoolFact { url: pool.url.as_deref().map(cut), user: pool.user.as_deref().map(cut) };
            facts.pools.entry(pool.id).or_insert(fact);
        }
        for board in snapshot.boards.iter().take(MOST) {
            let (serial, chips) = (board.serial.as_deref().map(cut), board.chips);
            facts.boards.entry(board.slot).or_insert(BoardFact { serial, chips, present: board.present });
        }
        facts
    }

    /// A number that is another when the facts of a machine are others, and is quicker to have than these.
    pub fn fingerprint(miner: &Miner) -> u64 {
        let mut hash = DefaultHasher::new();
        (miner.ip, miner.port).hash(&mut hash);
        if let Some(snapshot) = &miner.snapshot {
            let identity = &snapshot.identity;
            (&miner.model, &identity.hostname, &snapshot.tuning.mode).hash(&mut hash);
            if let Some(firmware) = &identity.firmware {
                (firmware.family.to_string(), &firmware.version).hash(&mut hash);
            }
            for pool in &snapshot.pools {
                (pool.id, &pool.url, &pool.user).hash(&mut hash);
            }
            for board in &snapshot.boards {
                (board.slot, &board.serial, board.chips, board.present).hash(&mut hash);
            }
        }
        hash.finish()
    }

    /// What is known with what is known anew: what a reading leaves out is as it was.
    #[must_use]
    pub fn or(mut self, before: &Self) -> Self {
        #[allow(clippy::ref_option, reason = "one is cloned from the other")]
        fn keep<T: Clone>(now: &mut Option<T>, before: &Option<T>) {
            if now.is_none() {
                now.clone_from(before);
            }
        }
        keep(&mut self.address, &before.address);
        keep(&mut self.model, &before.model);
        keep(&mut self.firmware, &before.firmware);
        keep(&mut self.hostname, &before.hostname);
        keep(&mut self.mode, &before.mode);
        if self.pools.is_empty() {
            self.pools.clone_from(&before.pools);
        }
        if self.boards.is_empty() {
            self.boards.clone_from(&before.boards);
        }
        for (slot, board) in &mut self.boards {
            if let Some(before) = before.boards.get(slot) {
                keep(&mut board.serial, &before.serial);
                keep(&mut board.chips, &before.chips);
                keep(&mut board.present, &before.present);
            }
        }
        self
    }
}

pub(crate) fn put(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let text = serde_json::to_string(&event.kind)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut put = connection
        .prepare_cached("INSERT INTO history_event (at_ms, miner, kind, data) VALUES (?1, ?2, ?3, ?4)")?;
    put.execute(params![
        event.at.as_unix_millis(),
        event.miner.map(|miner| miner.as_u64().cast_signed()),
        event.kind.number(),
        text
    ])?;
    Ok(())
}

/// The columns that [`event`] reads.
pub(crate) const COLUMNS: &str = "at_ms, miner, data";

/// `None`: of a kind that this version does not know, or broken.
pub(crate) fn event(row: &Row<'_>) -> rusqlite::Result<Option<Event>> {
    let at = Timestamp::from_unix_millis(row.get(0)?);
    let miner: Option<i64> = row.get(1)?;
    let kind = serde_json::from_str(row.get_ref(2)?.as_str()?).ok();
    let miner = miner.map(|miner| MinerId::from_u64(miner.cast_unsigned()));
    Ok(kind.map(|kind| Event { at, miner, kind }))
}

/// Events of a time, in its order; the first so many.
pub(crate) fn between(
    connection: &Connection,
    miner: Option<MinerId>,
    from: i64,
    until: i64,
    most: usize,
) -> rusqlite::Result<Vec<Event>> {
    select(connection, miner, from, until, most, "at_ms, id")
}

/// The last of them, in order of time.
pub(crate) fn last_between(
    connection: &Connection,
    miner: Option<MinerId>,
    from: i64,
    until: i64,
    most: usize,
) -> rusqlite::Result<Vec<Event>> {
    let mut found = select(connection, miner, from, until, most, "at_ms DESC, id DESC")?;
    found.reverse();
    Ok(found)
}

fn select(
    connection: &Connection,
    miner: Option<MinerId>,
    from: i64,
    until: i64,
    most: usize,
    order: &str,
) -> rusqlite::Result<Vec<Event>> {
    let of = if miner.is_some() { "miner = ?4 AND" } else { "?4 IS NULL AND" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM history_event WHERE {of} at_ms >= ?1 AND at_ms < ?2 ORDER BY {order} LIMIT ?3"
    ))?;
    let miner = miner.map(|miner| miner.as_u64().cast_signed());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let found = select.query_map(params![from, until, most, miner], event)?;
    found.filter_map(Result::transpose).collect()
}

/// The last status and the last facts of every machine up to a time.
pub(crate) fn states_at(connection: &Connection, at: i64) -> rusqlite::Result<Vec<(MinerId, Vec<Event>)>> {
    // Machines are found by leaps along the index, and not by reading every event there ever was.
    let mut miners = connection.prepare_cached(
        "WITH RECURSIVE found (miner) AS (
             SELECT min(miner) FROM history_event
             UNION ALL
             SELECT (SELECT min(miner) FROM history_event WHERE miner > found.miner) FROM found WHERE found.miner IS NOT NULL
         ) SELECT miner FROM found WHERE miner IS NOT NULL",
    )?;
    let mut last = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM history_event WHERE miner = ?1 AND kind = ?2 AND at_ms <= ?3 ORDER BY at_ms DESC, id DESC LIMIT 1"
    ))?;
    let mut states = Vec::new();
    let miners: Vec<i64> = miners.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for miner in miners {
        let mut events = Vec::new();
        for kind in [STATUS, FACTS, ABSORBED] {
            let found: rusqlite::Result<Vec<Option<Event>>> =
                last.query_map(params![miner, kind, at], event)?.collect();
            events.extend(found?.into_iter().flatten());
        }
        let is_gone = events.iter().any(|event| matches!(event.kind, EventKind::Absorbed { .. }));
        if !events.is_empty() && !is_gone {
            states.push((MinerId::from_u64(miner.cast_unsigned()), events));
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    //! What happened is read as it was written, and only what matters is told to have changed.
    use super::*;
    use bitlink_model::{Board, Finding, MinerSnapshot, Pool, Rule};

    fn miner() -> Miner {
        let mut snapshot = MinerSnapshot::default();
        let mut pool = Pool::default();
        pool.id = 1;
        pool.url = Some("stratum+tcp://pool.example:3333".into());
        snapshot.pools.push(pool);
        let mut board = Board::in_slot(2);
        board.serial = Some("B".repeat(1_000).into());
        board.chips = Some(114);
        snapshot.boards.push(board);
        snapshot.tuning.mode = Some("Normal".into());
        Miner::from_snapshot([192, 0, 2, 1].into(), 4028, MinerStatus::Active, snapshot)
    }

    #[test]
    fn what_happened_is_read_as_it_was_written() {
        let mut miner = miner();
        miner.findings = vec![Finding::new(Rule::new("fan_slow"), Severity::Warning, "fan 2 at 900 rpm")];
        let facts = Facts::of(&miner);
        assert_eq!(facts.boards[&2].serial.as_ref().map(String::len), Some(LONGEST), "a text is cut");
        for kind in [
            EventKind::Status(StatusFact::of(&miner)),
            EventKind::Facts(facts),
            EventKind::Absorbed { into: miner.id },
            EventKind::Started,
            EventKind::Gap { ticks: 3, reason: "full".to_owned() },
        ] {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind, "{text}");
        }
    }

    #[test]
    fn numbers_in_words_are_no_change_and_what_is_left_out_is_as_it_was() {
        let mut miner = miner();
        let finding = |words: &str| Finding::new(Rule::new("chip_hot"), Severity::Warning, words);
        miner.findings = vec![finding("91 °C")];
        let before = StatusFact::of(&miner);
        miner.findings = vec![finding("92 °C")];
        assert!(!StatusFact::of(&miner).differs(&before));
        miner.findings.clear();
        assert!(StatusFact::of(&miner).differs(&before));

        let (facts, print) = (Facts::of(&miner), Facts::fingerprint(&miner));
        let snapshot = miner.snapshot.as_mut().unwrap();
        snapshot.pools.clear();
        snapshot.tuning.mode = None;
        assert_ne!(Facts::fingerprint(&miner), print);
        assert_eq!(Facts::of(&miner).or(&facts), facts);
    }
}
